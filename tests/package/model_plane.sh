#!/usr/bin/env bash
# A plugin of each model-plane kind and the example with parameters, as one project: they share the precompiled header.
source "$(dirname "$0")/common.sh"

kinds=(image_encoder text_encoder graph_encoder fusion interaction loss)
{
  echo 'cmake_minimum_required(VERSION 3.25)'
  echo 'project(all LANGUAGES CXX)'
  echo 'include(CTest)'
  echo 'set(CMAKE_LIBRARY_OUTPUT_DIRECTORY ${CMAKE_BINARY_DIR}/plugins)'
  echo 'add_subdirectory(gated_fusion)'
  for kind in "${kinds[@]}"; do echo "add_subdirectory(my_$kind)"; done
} >CMakeLists.txt
cp -r "$prefix/share/orbweaver/examples/gated_fusion" .
for kind in "${kinds[@]}"; do "$orbweaver" plugins new "$kind" "my_$kind" >/dev/null; done

# Compiled as quickly as can be, as in data_plane.sh.
build . build -DCMAKE_BUILD_TYPE=None -DCMAKE_CXX_FLAGS='-O0 -Wall -Wextra -Wno-unused-parameter'
logged ctest.log ctest --test-dir build --output-on-failure
text=$("$orbweaver" plugins list --plugin-path build/plugins)
for kind in "${kinds[@]}"; do
  expect_in "$text" "my_$kind 0.1.0 ok"
  train_with "my_$kind/my_$kind.json" "$folder/build/plugins"
done
expect_in "$text" "gated_fusion 0.1.0 ok"
sed -e 's/{"use": "my_fusion"}/{"use": "gated"}/' -e 's/^  "plugin_paths"/  "plugins": ["gated_fusion"],\n&/' \
  my_fusion/my_fusion.json >gated.json
train_with gated.json "$folder/build/plugins"

# The precompiled header.
rm -r build
