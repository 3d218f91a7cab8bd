#!/usr/bin/env bash
# Installs the Debian packages that Orbweaver is built from, those that are missing only.
#
#   scripts/setup.sh            install what is missing (sudo when not root)
#   scripts/setup.sh --check    only list what is missing; exit 1 when something is
#   scripts/setup.sh --dev      also what `make format` and `make lint` need
#   scripts/setup.sh --bench    also what `make bench` needs
#   scripts/setup.sh --fuzz     also what `make fuzz` needs
#   scripts/setup.sh --deb      also what `make deb` needs
#   scripts/setup.sh --test     also what single tests need, which are skipped without
#   scripts/setup.sh --docs     what `make docs` needs, alone
#
# Debian 12 and 13. On any other system it lists what to install and exits 2. ORBWEAVER_SETUP=skip does nothing: for
# containers and systems that bring the libraries in their own way.
set -euo pipefail

build_packages=(g++ cmake ninja-build make pkg-config ccache)
library_packages=(
  libtorch-dev            # tensors, autograd, modules
  libgloo-dev             # headers of LibTorch's process group: training with several processes
  libopenblas0-openmp     # matrix products, with the same OpenMP threads as LibTorch
  libopencv-dev           # image files, drawing, networks of other frameworks
  libboost-dev            # Boost.DLL, headers only
  libboost-filesystem-dev # used by Boost.DLL
  libboost-system-dev     # used by Boost.Filesystem
  nlohmann-json3-dev
  libfmt-dev
  libcli11-dev
  libxxhash-dev
  libjs-chart.js          # charts of orbweaver report, copied into the program
  zlib1g-dev              # CLIP's vocabulary is a .txt.gz
  libgtest-dev
)
dev_packages=(clang-format clang-tidy cppcheck)
bench_packages=(libbenchmark-dev)
fuzz_packages=(clang libclang-rt-dev llvm) # libFuzzer is in the runtime; llvm names the lines of a finding
deb_packages=(dpkg-dev file)
docs_packages=(mkdocs mkdocs-material)
test_packages=(abigail-tools "${docs_packages[@]}")

usage() { sed -n '2,/^set -/{/^set -/d;s/^# \{0,1\}//p}' "$0"; }

check=no
packages=("${build_packages[@]}" "${library_packages[@]}")
for argument in "$@"; do
  case $argument in
    --check) check=yes ;;
    --dev) packages+=("${dev_packages[@]}") ;;
    --bench) packages+=("${bench_packages[@]}") ;;
    --fuzz) packages+=("${fuzz_packages[@]}") ;;
    --deb) packages+=("${deb_packages[@]}") ;;
    --test) packages+=("${test_packages[@]}") ;;
    --docs) packages=("${docs_packages[@]}") ;;
    -h | --help) usage; exit 0 ;;
    *) echo "setup.sh: unknown argument \"$argument\"; known are --check, --dev, --bench, --fuzz, --deb, --test, --docs, --help" >&2; exit 2 ;;
  esac
done

if [ "${ORBWEAVER_SETUP:-}" = skip ]; then exit 0; fi

os_id=unknown os_version='' os_name='this system'
if [ -r /etc/os-release ]; then
  # shellcheck source=/dev/null
  . /etc/os-release
  os_id=${ID:-unknown} os_version=${VERSION_ID:-} os_name=${PRETTY_NAME:-$os_id}
fi

list_for_other_systems() {
  cat <<LIST
$os_name is not Debian 12 or 13, for which the packages are known. Install these yourself, with their headers:

  a C++20 compiler (GCC 12 or newer), CMake 3.25, Ninja, Make, pkg-config; ccache makes rebuilds fast
  LibTorch 1.13 to 2.6      https://pytorch.org/cppdocs/installing.html (its folder in CMAKE_PREFIX_PATH; C++11 string ABI)
  Gloo                      headers of the version that LibTorch was built with
  OpenCV 4.6 or newer       core, imgproc, imgcodecs, dnn
  Boost 1.74 or newer       DLL, Filesystem, System
  Chart.js 3                its chart.min.js, named by -DORBWEAVER_CHART_JS=FILE where it is not in /usr/share/javascript
  nlohmann/json 3.11, fmt 9, CLI11 2.1, xxHash 0.8, zlib 1.2, GoogleTest 1.12, or newer

Then say that the libraries are there:  ORBWEAVER_SETUP=skip make test
On Debian the packages are called:
  ${packages[*]}
LIST
}

case $os_id:$os_version in
  debian:12 | debian:13) ;;
  *) list_for_other_systems >&2; exit 2 ;;
esac

missing=()
for package in "${packages[@]}"; do
  # One word per architecture; "installed " and not "not-installed ".
  state=$(dpkg-query -W -f='${db:Status-Status} ' "$package" 2>/dev/null || true)
  [[ " $state" == *" installed "* ]] || missing+=("$package")
done

if [ ${#missing[@]} -eq 0 ]; then
  [ $check = no ] || echo "All ${#packages[@]} packages are installed."
  exit 0
fi
if [ $check = yes ]; then
  echo "Missing: ${missing[*]}"
  exit 1
fi

as_root=()
if [ "$(id -u)" -ne 0 ]; then
  if ! command -v sudo >/dev/null; then
    echo "setup.sh: not root, and there is no sudo; as root, run: apt-get install --no-install-recommends ${missing[*]}" >&2
    exit 2
  fi
  as_root=(sudo)
fi

echo "Installing ${missing[*]}"
"${as_root[@]}" apt-get update -q
# Recommended packages would add Python bindings, documentation and Qt: gigabytes that nothing here uses.
"${as_root[@]}" env DEBIAN_FRONTEND=noninteractive apt-get install -q -y --no-install-recommends "${missing[@]}"
