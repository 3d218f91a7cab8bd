#!/usr/bin/env bash
# A plugin of each data-plane kind, as somebody without LibTorch's headers makes it, each in a project of its own.
source "$(dirname "$0")/common.sh"

for kind in detector graph_builder reranker; do
  name=my_$kind
  "$orbweaver" plugins new $kind $name >/dev/null
  # Compiled as quickly as can be: what is asked here is whether it is right, not how fast it runs.
  build $name $name/build -DCMAKE_DISABLE_FIND_PACKAGE_Torch=ON -DCMAKE_BUILD_TYPE=None \
    -DCMAKE_CXX_FLAGS='-O0 -Wall -Wextra'
  logged ctest.log ctest --test-dir $name/build --output-on-failure
  expect_safe_run_paths $name/build/orbw_$name.so
  if readelf -d $name/build/orbw_$name.so | grep NEEDED | grep -i torch; then fail "$name needs LibTorch"; fi
  expect_in "$("$orbweaver" plugins list --plugin-path $name/build)" "$name 0.1.0 ok"
  expect_in "$("$orbweaver" plugins describe $kind/$name --plugin-path $name/build)" "In a config, at "
done

# A detector works where a dataset has no objects.
train_with my_graph_builder/my_graph_builder.json "$folder/my_graph_builder/build"
train_with my_graph_builder/gravlm_my_graph_builder.json "$folder/my_graph_builder/build"
train_with my_reranker/my_reranker.json "$folder/my_reranker/build"
mv data/detections data/detections_given
train_with my_detector/my_detector.json "$folder/my_detector/build"
