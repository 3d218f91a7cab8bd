#!/usr/bin/env bash
# install.sh FOLDER PREFIX BUILD VERSION SDK_VERSION PLUGINS: installs the build, moves what was installed, and looks
# whether all of it still works.
links=$(realpath "$(dirname "$0")/../docs/links.sh")
source "$(dirname "$0")/common.sh"
build=$3 version=$4 sdk_version=$5 plugins=$6

logged install.log cmake --install "$build" --prefix "$folder/first"
mv "$folder/first" "$prefix"

text=$("$orbweaver" --version)
expect_in "$text" "orbweaver $version"
expect_in "$text" "plugin SDK $sdk_version"

# The soname that plugins need is the SDK's major alone, so that a plugin of 1.0 loads where 1.1 is installed.
for library in orbweaver_sdk orbweaver_sdk_torch; do
  text=$(readelf -d "$prefix"/lib*/lib$library.so)
  expect_in "$text" "soname: [lib$library.so.${sdk_version%%.*}]"
done

# Nothing of it is looked for in the build tree, nor where it was installed first.
for file in "$orbweaver" "$prefix"/lib*/liborbweaver*.so.* "$prefix"/lib*/orbweaver/plugins/*.so; do
  text=$(ldd "$file")
  [[ $text != *"not found"* ]] || fail "$file: $text"
  [[ $text != *"$build/lib"* && $text != *"$folder/first"* ]] || fail "$file: $text"
done
if grep -rlF -e "$folder/first" -e "$build/lib" "$prefix"/lib*/cmake; then fail "the CMake package cannot be moved"; fi

text=$("$orbweaver" plugins list)
[ "$(grep -c ' ok$' <<<"$text")" -eq "$plugins" ] || fail "not all $plugins plugins are ok: $text"
expect_in "$text" "$prefix"

# Configs extend each other and name the synonym tables beside them.
text=$("$orbweaver" config show "$prefix/share/orbweaver/configs/methods/gravlm_light.json" --set dataset.root=/data \
  --set model.image.encoder.weights=/weights)
expect_in "$text" "$prefix/share/orbweaver/configs/vocabulary/remote_sensing.json"

page=$(cat "$prefix/share/man/man1/orbweaver.1")
expect_in "$page" '.SH NAME'
expect_in "$page" 'orbweaver plugins new'
if command -v man >/dev/null; then
  text=$(man --warnings -l "$prefix/share/man/man1/orbweaver.1" 2>&1 >/dev/null) || true
  [ -z "$text" ] || fail "man: $text"
fi

# complete WORDS...: what bash offers for the last one.
source "$prefix/share/bash-completion/completions/orbweaver"
complete_words() {
  COMP_WORDS=(orbweaver "$@") COMP_CWORD=$# COMPREPLY=()
  _orbweaver
  echo "${COMPREPLY[*]}"
}
[ "$(complete_words pl)" = plugins ] || fail "pl: $(complete_words pl)"
[ "$(complete_words plugins des)" = describe ] || fail "plugins des: $(complete_words plugins des)"
[ "$(complete_words plugins new graph_b)" = graph_builder ] || fail "graph_b: $(complete_words plugins new graph_b)"
expect_in "$(complete_words train config.json --s)" --set

for file in lib*/cmake/Orbweaver/OrbweaverConfig.cmake include/orbweaver/graph_builder.h share/doc/orbweaver/README.md \
  share/orbweaver/templates/graph_builder/NAME.cpp.in share/orbweaver/examples/radius_graph/radius_graph.cpp; do
  compgen -G "$prefix/$file" >/dev/null || fail "$file is not installed"
done

# Its documentation's links lead somewhere there, too.
bash "$links" "$prefix/share/doc/orbweaver" || fail "a link of the installed documentation leads nowhere"
