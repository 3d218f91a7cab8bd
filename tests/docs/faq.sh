#!/usr/bin/env bash
# faq.sh ROOT PREFIX: whether the messages that docs/faq.md quotes are still the program's. ROOT is the source tree,
# PREFIX where orbweaver is (the build folder, or an installation).
#
# Of a console block, the lines that begin with "$ " are run, and each other line has to be among what they print. Of a
# text block, each line has to stand in a source. "..." is any text.
set -euo pipefail
shopt -s inherit_errexit
root=$(realpath "$1") prefix=$(realpath "$2")
folder=$(realpath "$(mktemp -d)")
trap 'rm -r "$folder"' EXIT
cd "$folder"
export PATH=$prefix/bin:$PATH OMP_NUM_THREADS=1 XDG_CACHE_HOME=$folder/cache
unset ORBWEAVER_PLUGIN_PATH

# What the page speaks of.
ln -s "$root/configs" configs
orbweaver data synth scenes --images 20 >setup.log 2>&1
cp -r scenes broken && rm broken/images/scene_000003.png
cp -r scenes plain && rm -r plain/detections
orbweaver train configs/methods/synth_scene.json --set dataset.root=scenes --set train.epochs=1 \
  --set train.batch_size=16 --out runs/scene >>setup.log 2>&1 || { cat setup.log; exit 1; }
cat >failing.json <<'JSON'
{"name": "failing", "base": "configs/methods/synth_scene.json", "overrides": ["train.epochs=1", "train.batch_size=16"],
 "variants": [{"name": "scene"}, {"name": "midf", "overrides": ["model.fusion={\"use\": \"midf\"}"]}],
 "seeds": [1], "baseline": "scene"}
JSON
# Two plugins that are built for another host; they are read and never loaded.
mkdir -p plugins other/orbweaver
include=$root/sdk/include example=$root/sdk/examples/radius_graph/radius_graph.cpp
cp "$include/orbweaver/plugin.h" other/orbweaver
sed 's/\(SDK_VERSION_MAJOR\) .*/\1 9/; s/\(SDK_VERSION_MINOR\) .*/\1 0/' "$include/orbweaver/version.h" >other/orbweaver/version.h
c++ -std=c++20 -shared -fPIC -Iother -I"$include" "$example" -o plugins/orbw_radius_graph.so
sed 's/ORBWEAVER_PLUGIN("radius_graph"/ORBWEAVER_PLUGIN("other_torch"/' "$example" >other_torch.cpp
mkdir -p torch_9/torch
printf '#define TORCH_VERSION_%s 9\n' MAJOR MINOR >torch_9/torch/version.h
c++ -std=c++20 -shared -fPIC -Itorch_9 -I"$include" -DORBWEAVER_PLANE_TORCH other_torch.cpp -o plugins/orbw_other_torch.so

# String literals that the sources break over lines are joined, escapes are undone.
find "$root/framework" "$root/sdk/src" "$root/sdk/cmake" -type f -exec cat {} + |
  sed -z 's/"[ \n]*"//g; s/\\"/"/g' >sources.txt

# stands LINE FILE: whether a line of the file has the parts of LINE in their order.
stands() {
  local pattern
  pattern=$(sed -e 's/[][\\.*^$]/\\&/g' -e 's/\\\.\\\.\\\./.*/g' <<<"$1")
  grep -q -e "$pattern" "$2"
}

faults=0 commands=0 lines=0 kind='' number=0
fault() {
  echo "docs/faq.md:$number: $1" >&2
  faults=$((faults + 1))
}
while IFS= read -r line; do
  number=$((number + 1))
  case $line in
    '```console' | '```text') kind=${line#'```'}; continue ;;
    '```'*) kind=''; continue ;;
  esac
  [ -n "$kind" ] || continue
  if [ "$kind" = text ]; then
    # A placeholder of the sources stands for "...".
    lines=$((lines + 1))
    stands "$line" sources.txt || fault "no source has \"$line\""
  elif [[ $line == '$ '* ]]; then
    commands=$((commands + 1))
    bash -c "${line#'$ '}" >printed.txt 2>&1 </dev/null || true
  else
    lines=$((lines + 1))
    stands "$(sed -e "s|/home/you|$folder|g" -e "s|/usr|$prefix|g" <<<"$line")" printed.txt ||
      fault "\"$line\" is not among what is printed: $(cat printed.txt)"
  fi
done <"$root/docs/faq.md"

if [ $commands -lt 10 ] || [ $lines -lt 10 ]; then fault "only $commands commands and $lines lines were found"; fi
echo "$commands commands, $lines lines"
[ $faults -eq 0 ]
