# other_libtorch.sh FOLDER PREFIX OTHER: a model-plane plugin that finds another LibTorch, or none, is stopped while it
# is configured. (data_plane.sh shows that a data-plane one does not ask.)
source "$(dirname "$0")/common.sh"
other=$3

"$orbweaver" plugins new fusion mine >/dev/null
configure() { cmake -S mine -B build -DCMAKE_PREFIX_PATH="$prefix" "$@" 2>&1 | tr -s ' \n' ' '; }
if text=$(configure -DTorch_DIR="$other"); then fail "another LibTorch was accepted"; fi
expect_in "$text" 'but find_package(Torch) found 99.7.0 in'
expect_in "$text" 'its plugins would be refused'
if text=$(configure -DCMAKE_DISABLE_FIND_PACKAGE_Torch=ON); then fail "no LibTorch was accepted"; fi
expect_in "$text" 'Install libtorch-dev'
