#!/usr/bin/env bash
# What the package tests share. $1: the test's own folder, made anew. $2: where Orbweaver is, as a prefix.
set -euo pipefail
folder=$1 prefix=$2
rm -rf "$folder"
mkdir -p "$folder"
cd "$folder"
orbweaver=$prefix/bin/orbweaver
# A compiler of module code takes a gigabyte.
export OMP_NUM_THREADS=1 ORBWEAVER_PLUGIN_PATH= CMAKE_BUILD_PARALLEL_LEVEL=2
if command -v ninja >/dev/null; then export CMAKE_GENERATOR=Ninja; fi

fail() {
  echo "FAILED: $*" >&2
  exit 1
}

# expect_in TEXT PART
expect_in() {
  [[ $1 == *"$2"* ]] || fail "\"$2\" is not in: $1"
}

# expect_safe_run_paths FILE...: an empty one would be the working directory.
expect_safe_run_paths() {
  local text
  text=$(readelf -d "$@")
  if grep -E 'R(UN)?PATH' <<<"$text" | grep -E '(\[|:)(:|\])'; then fail "an empty run path in one of $*"; fi
}

# expect_refused PART ARGUMENTS...: the program refuses them as the user's mistake, in one line with that part.
expect_refused() {
  local part=$1 status=0 text
  shift
  text=$("$orbweaver" "$@" 2>&1 >/dev/null) || status=$?
  [ $status -eq 2 ] || fail "$* ended with status $status: $text"
  [ "$(wc -l <<<"$text")" -eq 1 ] || fail "$* said more than a line: $text"
  expect_in "$text" "$part"
}

# logged FILE COMMAND...: its output goes to the file, and is shown where it fails.
logged() {
  local log=$1
  shift
  "$@" >"$log" 2>&1 || { cat "$log"; fail "$*"; }
}

# build SOURCE BUILD OPTIONS...: as a user does, and without warnings.
build() {
  local source=$1 build=$2
  shift 2
  logged "$folder/configure.log" cmake --no-warn-unused-cli -S "$source" -B "$build" -DCMAKE_PREFIX_PATH="$prefix" "$@"
  logged "$folder/build.log" cmake --build "$build"
  # Debian 13's LibTorch warns of a library of its own that it lacks (kineto).
  if grep -i 'warning' "$folder/configure.log" "$folder/build.log" | grep -v '/TorchConfig.cmake:'; then
    fail "$source: the build warns"
  fi
}

# train_with CONFIG LIBRARY_FOLDER: one epoch of an example config on small scenes, with the plugin in that folder.
train_with() {
  local data=$folder/data
  [ -d "$data" ] || logged "$folder/synth.log" "$orbweaver" data synth "$data" --images 20 --seed 1
  logged "$folder/train.log" "$orbweaver" train "$1" --set "plugin_paths=[\"$2\"]" --set dataset.root="$data" \
    --set cache="$folder/cache" --set train.epochs=1 --set train.batch_size=16 --set train.threads=1 \
    --set model.image.encoder.size=32 --out "$folder/run"
  # Two hundred megabytes, for each plugin.
  rm -r "$folder/run"
}
