#!/usr/bin/env bash
# What a newcomer meets, in a bare Debian: a chroot by debootstrap --variant=minbase, a container. As root it installs the
# package with what it depends on and recommends, goes through the tutorial as an ordinary user, removes the package, and
# looks for what it left.
#
#   bare_debian.sh orbweaver_VERSION_ARCH.deb
#
# Not for a system that is used for anything else. It needs the network and 4 GB of disk; `make deb` makes the package.
set -euo pipefail
tutorial=$(realpath "$(dirname "$0")/tutorial.sh") package=$(realpath "$1")
export DEBIAN_FRONTEND=noninteractive LC_ALL=C.UTF-8

fail() {
  echo "FAILED: $*" >&2
  exit 1
}

part() { printf '\n== %s\n' "$*"; }

[ "$(id -u)" -eq 0 ] || fail "not root"
if command -v orbweaver cmake g++ >/dev/null; then fail "this Debian is not bare"; fi

part "$(. /etc/os-release && echo "$PRETTY_NAME"): apt-get install $(basename "$package")"
begin=$SECONDS
apt-get update -q >/dev/null
apt-get install -q -y "$package" >/tmp/apt.log 2>&1 || { tail -n 30 /tmp/apt.log; fail "apt-get install"; }
grep -E '^(Need to get|After this operation)' /tmp/apt.log
echo "$((SECONDS - begin)) s"
if find / -xdev -path /proc -prune -o -path '*/torch/version.h' -print | grep .; then fail "LibTorch's headers came along"; fi

part 'what was installed'
orbweaver --version
refused=$(orbweaver plugins list | grep -A 3 'REFUSED$' || true)
[ -z "$refused" ] || fail "$refused"
echo "$(orbweaver plugins list | grep -c ' ok$') plugins"
zcat /usr/share/man/man1/orbweaver.1.gz | head -n 1
dpkg --verify orbweaver

part 'the tutorial'
home=$(mktemp -d /home/newcomer.XXXXXX)
useradd --home-dir "$home" --shell /bin/bash newcomer
cp "$tutorial" "$home/tutorial.sh"
mkdir "$home/start"
chown -R newcomer: "$home"
# On a machine that is busy otherwise OMP_WAIT_POLICY=passive spares minutes: threads that wait do not spin.
runuser -u newcomer -- env -i HOME="$home" PATH=/usr/bin:/bin LC_ALL=C.UTF-8 \
  ${OMP_WAIT_POLICY:+OMP_WAIT_POLICY=$OMP_WAIT_POLICY} \
  bash "$home/tutorial.sh" /usr/share/doc/orbweaver/docs/plugins.md "$home/start" 2>&1
plugin=$home/start/my_graph/build/orbw_my_graph.so
readelf -d "$plugin" | grep NEEDED
if readelf -d "$plugin" | grep NEEDED | grep -i torch; then fail "the graph builder needs LibTorch"; fi

part 'removed'
apt-get remove -q -y orbweaver >/dev/null 2>&1 || fail "apt-get remove"
if dpkg-query -W orbweaver 2>/dev/null; then fail "dpkg still knows the package"; fi
if find / -xdev \( -path /home -o -path /proc -o -path /tmp -o -path "$(dirname "$package")" \) -prune -o \
  -iname '*orbw*' -print | grep .; then fail "something is left"; fi
if ldconfig -p | grep orbw; then fail "the loader's cache still knows it"; fi
echo 'nothing is left'
