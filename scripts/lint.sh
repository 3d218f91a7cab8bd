#!/usr/bin/env bash
# clang-tidy over the sources of the SDK, the framework and the plugins, by .clang-tidy.
#
#   scripts/lint.sh BUILD [JOBS]    BUILD: a build folder that is configured, for how the sources are compiled
#
# What uses tensors is read in units of several files: LibTorch's headers are most of the work, and once is enough. A
# unit of plugins has their headers, where all of their code stands.
set -eu -o pipefail
if [ $# -lt 1 ]; then sed -n '2,/^set -/{/^set -/d;s/^# \{0,1\}//p}' "$0" >&2; exit 2; fi
cd "$(dirname "$0")/.."
build=$(cd "$1" && pwd)
jobs=${2:-1}
units=$build/lint
rm -rf "$units"
mkdir -p "$units"

# unit NAME FILE...
unit() {
  local file
  for file in "${@:2}"; do printf '#include "%s"\n' "$file"; done >"$units/$1.cpp"
}
unit sdk sdk/src/torch/*.cpp
unit model framework/model/*.cpp
# Helpers of one name, each known to its own file, go into different units.
unit train_1 framework/train/train.cpp framework/train/checkpoint.cpp framework/train/optimizer.cpp
unit train_2 framework/train/distributed.cpp
mapfile -t rest < <(ls framework/train/*.cpp | grep -vE '/(train|checkpoint|optimizer|distributed|infer)\.cpp$')
unit train_3 "${rest[@]}"
unit train_4 framework/train/infer.cpp
for kind in encoders fusion losses; do
  mapfile -t folders < <(grep -lE '<(torch|ATen)/|orbweaver/torch/' plugins/$kind/*/*.h | xargs -n 1 dirname | sort -u)
  mapfile -t headers < <(for folder in "${folders[@]}"; do ls "$folder"/*.h; done)
  unit "$kind" "${headers[@]}"
done

# How a source with tensors is compiled, less what is GCC's alone: its precompiled header and some options.
command=$(grep -m 1 '"command".*framework/train/train\.cpp' "$build/compile_commands.json")
mapfile -t flags < <(grep -oE '(-D[^ ]+|-I[^ ]+|-isystem [^ ]+)' <<<"$command" | sed 's/^-isystem /-isystem/')
openmp=$(dirname "$(g++ -print-file-name=include/omp.h)")
for option in $(pkg-config --cflags-only-I opencv4); do flags+=("-isystem${option#-I}"); done

# The plain sources as they are compiled, less an option that only GCC knows.
sed 's/ -fno-gnu-unique//g' "$build/compile_commands.json" >"$units/compile_commands.json"

quiet=(--quiet --warnings-as-errors='*')
plain=(sdk/src/*.cpp framework/{io,plugin,config,data,eval,cache,sweep,report,cli}/*.cpp plugins/shared/*/*.cpp)
mapfile -t -O "${#plain[@]}" plain < <(ls plugins/{graphs,rerank}/*/*.cpp)
mapfile -t plain < <(printf '%s\n' "${plain[@]}" | grep -v '/test_')

status=0
printf '%s\n' "${plain[@]}" | xargs -P "$jobs" -n 4 clang-tidy -p "$units" "${quiet[@]}" \
  --extra-arg=-Wno-unknown-warning-option --extra-arg=-Wno-ignored-optimization-argument || status=1
printf '%s\n' "$units"/*.cpp | xargs -P "$jobs" -I FILE clang-tidy "${quiet[@]}" --checks=-bugprone-suspicious-include FILE -- "${flags[@]}" -std=c++20 -w \
  -include scripts/lint_vector.h -idirafter "$openmp" || status=1
exit $status
