#!/usr/bin/env bash
# What `orbweaver plugins new` refuses, and in which words.
source "$(dirname "$0")/common.sh"

expect_refused 'unknown component kind "graph_bilder"; did you mean "graph_builder"?' plugins new graph_bilder mine
expect_refused 'the kinds are detector, graph_builder' plugins new nonsense mine
for name in MyGraph 2graph my-graph _graph 'my graph' ../graph; do
  expect_refused "plugin name \"$name\": expected lower-case letters, digits and _" plugins new graph_builder "$name"
done
expect_refused 'expected at most 63' plugins new graph_builder "$(printf 'a%.0s' {1..64})"
expect_refused 'orbw_sog.so has it already' plugins new graph_builder sog
expect_refused 'there is no such folder' plugins new graph_builder mine --dir nowhere/mine

# Nothing was written by any of them, and what exists stays as it is.
[ -z "$(ls -A "$folder")" ] || fail "written: $(ls -A "$folder")"
mkdir mine
echo kept >mine/mine.cpp
expect_refused 'exists already, and nothing is overwritten' plugins new graph_builder mine
expect_refused 'exists already' plugins new graph_builder other --dir mine/
[ "$(ls -A mine)" = mine.cpp ] && [ "$(cat mine/mine.cpp)" = kept ] || fail "the folder was touched"

"$orbweaver" plugins new graph_builder other --dir elsewhere/ >out.txt
expect_in "$(cat out.txt)" 'cmake -S elsewhere -B elsewhere/build'
[ "$(ls elsewhere | tr '\n' ' ')" = 'CMakeLists.txt README.md gravlm_other.json other.cpp other.json test_other.cpp ' ] ||
  fail "elsewhere holds $(ls elsewhere)"
if grep -n '@[A-Z_]*@' elsewhere/*; then fail "a placeholder is left"; fi
[ -z "$(find . -name '.*' ! -name .)" ] || fail "left behind: $(ls -A)"
