#!/usr/bin/env bash
# getting_started.sh ROOT PREFIX: does what docs/getting_started.md says from "Data" to "Compare", with fewer images and
# epochs: runs each line of its sh blocks and writes its JSON block. PREFIX is where orbweaver is.
set -euo pipefail
root=$(realpath "$1") prefix=$(realpath "$2")
folder=$(mktemp -d)
trap 'rm -r "$folder"' EXIT
cd "$folder"
export PATH=$prefix/bin:$PATH OMP_NUM_THREADS=1 XDG_CACHE_HOME=$folder/cache
unset ORBWEAVER_PLUGIN_PATH
configs=$root/configs

script=$(awk '
  /^## / { inside = $0 != "## Data of yours" && (inside || $0 == "## Data") }
  !inside { next }
  /^```/ { if (block == "json") print "END_OF_FILE"
           block = block ? "" : substr($0, 4)
           if (block == "json") print "cat >fusions.json <<\"END_OF_FILE\""
           next }
  block == "json" { gsub(/CONFIGS/, configs); print }
  block == "sh" { line = line $0
                  if (sub(/\\$/, "", line)) next
                  if (line ~ /^orbweaver (train|sweep)/) line = line " --set train.epochs=1 --set train.batch_size=16"
                  gsub(/--images 600/, "--images 30", line)
                  print "step " line; line = "" }' configs="$configs" "$root/docs/getting_started.md")

steps=0
step() {
  steps=$((steps + 1))
  "$@" >printed.txt 2>&1 </dev/null || { echo "FAILED with status $?: $*" >&2; cat printed.txt >&2; exit 1; }
}
eval "$script"
[ $steps -ge 10 ] || { echo "FAILED: only $steps commands were found" >&2; exit 1; }
echo "$steps commands"
