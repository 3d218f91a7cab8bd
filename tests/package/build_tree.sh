#!/usr/bin/env bash
# The build tree serves as a prefix too. The prefix is the build folder here.
source "$(dirname "$0")/common.sh"

expect_safe_run_paths "$orbweaver" "$prefix"/lib/liborbweaver*.so "$prefix"/lib/orbweaver/plugins/*.so
build "$prefix/share/orbweaver/examples/radius_graph" build -DCMAKE_DISABLE_FIND_PACKAGE_Torch=ON
expect_in "$("$orbweaver" plugins describe graph_builder/radius --plugin-path build)" "Edges below a distance"
"$orbweaver" plugins new graph_builder mine >out.txt
expect_in "$(cat out.txt)" "-DCMAKE_PREFIX_PATH=$prefix"
logged mine.log cmake -S mine -B mine/build -DCMAKE_PREFIX_PATH="$prefix"
