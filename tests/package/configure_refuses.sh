#!/usr/bin/env bash
# configure_refuses.sh FOLDER PREFIX OTHER: what stops a plugin while it is configured, and in which words. OTHER is a
# LibTorch of another version.
source "$(dirname "$0")/common.sh"
other=$3

"$orbweaver" plugins new fusion mine >/dev/null

# expect_stopped PART OPTIONS...
expect_stopped() {
  local part=$1 text
  shift
  if text=$(cmake --no-warn-unused-cli -S mine -B build -DCMAKE_PREFIX_PATH="$prefix" "$@" 2>&1); then
    fail "it was configured: $text"
  fi
  expect_in "$(tr -s ' \n' ' ' <<<"$text")" "$part"
}

expect_stopped 'but find_package(Torch) found 99.7.0 in' -DTorch_DIR="$other"
expect_stopped 'its plugins would be refused' -DTorch_DIR="$other"
# (data_plane.sh shows that a data-plane plugin does not ask for LibTorch.)
expect_stopped 'Install libtorch-dev' -DCMAKE_DISABLE_FIND_PACKAGE_Torch=ON

sed -i 's/find_package(Orbweaver .* CONFIG/find_package(Orbweaver 99 CONFIG/' mine/CMakeLists.txt
expect_stopped 'that is compatible with requested version "99"'
sed -i 's/find_package(Orbweaver 99 CONFIG REQUIRED/find_package(Orbweaver CONFIG REQUIRED COMPONENTS tensors/' \
  mine/CMakeLists.txt
expect_stopped 'there is no component "tensors"; known is torch'
