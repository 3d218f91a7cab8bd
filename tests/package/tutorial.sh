#!/usr/bin/env bash
# Does what docs/plugins.md says, from "Start" to "Compare it", word for word: runs each line of its sh blocks in one
# shell and writes each JSON block that comes after the name of a file.
#
#   tutorial.sh PAGE FOLDER [SED SCRIPT]
#
# FOLDER is where the reader starts, with orbweaver on the PATH. The sed script changes what is run: fewer epochs, say.
# Stops at the first line that fails. Each line is shown before what it prints, with the seconds that it took after it.
set -euo pipefail
page=$(realpath "$1") folder=$2 changes=${3:-}

# The page as a shell script: `step LINE` for a command, a here-document for a file.
script() {
  awk '
    /^## / { inside = ($0 == "## Start" || inside) && $0 != "## Hand it on" }
    !inside { next }
    /^```/ { if (block) { if (block == "json") print "END_OF_FILE"; block = "" }
             else if ($0 == "```sh") block = "sh"
             else if ($0 == "```json" && file) { block = "json"; print "cat >" file " <<\"END_OF_FILE\"" }
             else block = "other"
             next }
    block == "json" { print; next }
    block == "sh" { sub(/ +# .*/, ""); line = line $0
                    if (sub(/\\$/, "", line)) next
                    gsub(/\047/, "\047\\\047\047", line); print "step \047" line "\047"; line = ""; next }
    /[^ ]/ { file = match($0, /`[a-z_]+\.json`:$/) ? substr($0, RSTART + 1, RLENGTH - 3) : "" }
  ' "$page" | sed "$changes"
}

steps=0
step() {
  local begin=$EPOCHREALTIME
  printf '\n$ %s\n' "$1"
  eval "$1" || { echo "FAILED with status $?: $1" >&2; exit 1; }
  awk -v a="$begin" -v b="$EPOCHREALTIME" 'BEGIN { printf "[%.1f s]\n", b - a }'
  steps=$((steps + 1))
}

text=$(script)
cd "$folder"
begin=$SECONDS
eval "$text"
[ $steps -ge 10 ] || { echo "FAILED: only $steps commands were found in $page" >&2; exit 1; }
printf '\n%s commands in %s s\n' $steps $((SECONDS - begin))
