#!/usr/bin/env bash
# debian.sh FOLDER PREFIX BUILD VERSION: the Debian package of the build, unpacked and looked at. (bare_debian.sh installs
# one, for which it takes a Debian of its own.)
source "$(dirname "$0")/common.sh"
build=$3 version=$4
for tool in dpkg-deb dpkg-shlibdeps file; do
  command -v $tool >/dev/null || { echo "there is no $tool"; exit 77; }
done

logged cpack.log cpack -G DEB --config "$build/CPackConfig.cmake" -B "$folder/made"
package=$(compgen -G "$folder/made/orbweaver_${version}-*.deb") || fail "no package was made: $(ls made)"

# field NAME
field() { dpkg-deb --field "$package" "$1"; }
expect_in "$(field Depends)" libtorch
expect_in "$(field Depends)" libopencv-core
[[ $(field Depends) != *-dev* ]] || fail "depends on headers: $(field Depends)"
for part in g++ cmake make libgtest-dev; do expect_in "$(field Recommends)" "$part"; done
[[ $(field Recommends) != *libtorch* ]] || fail "recommends headers for a few: $(field Recommends)"
expect_in "$(field Suggests)" libtorch-dev

mkdir control
dpkg-deb --control "$package" control
[ "$(ls control | tr '\n' ' ')" = 'control md5sums shlibs triggers ' ] || fail "it controls by $(ls control)"
expect_in "$(cat control/shlibs)" "liborbweaver_sdk ${version%%.*} orbweaver (>= $version)"

dpkg-deb --extract "$package" root
(cd root && md5sum --quiet --check ../control/md5sums) || fail "its checksums are wrong"
[ "$(ls root)" = usr ] || fail "it installs into $(ls root)"
[ "$(ls root/usr | tr '\n' ' ')" = 'bin include lib share ' ] || fail "it installs into usr/{$(ls root/usr)}"
expect_in "$(zcat root/usr/share/man/man1/orbweaver.1.gz)" '.SH NAME'
expect_in "$(zcat root/usr/share/doc/orbweaver/changelog.Debian.gz)" "orbweaver ($version-"
expect_in "$(cat root/usr/share/doc/orbweaver/copyright)" 'Chart.js'
expect_in "$(root/usr/bin/orbweaver --version)" "orbweaver $version"
expect_in "$(root/usr/bin/orbweaver plugins list)" "$folder/root/usr/lib"
rm -r made root
