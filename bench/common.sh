# shellcheck shell=bash disable=SC2034
# What the harnesses of whole processes share. To be sourced by a whole_NAME.sh that was called with BUILD OUT.json; it
# sets
#   orbweaver, configs   the program of that build, and the shipped configs
#   cache                a feature cache that outlives the harness, so that frozen features are made once
#   work                 a folder that is removed in the end
set -eu -o pipefail
export LC_ALL=C  # a comma in a number is no JSON
if [ $# -ne 2 ]; then echo "usage: $0 BUILD OUT.json" >&2; exit 2; fi
build=$(cd "$1" && pwd) out=$2
orbweaver=$build/bin/orbweaver
configs=$(cd "$(dirname "$0")/../configs" && pwd)
cache=$build/bench/cache
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

# result NAME KEY=NUMBER...  adds an entry; real_time=NUMBER is in seconds, texts are quoted already. What is neither ends
# the harness: a figure that could not be made.
entries=
result() {
  local entry="{\"name\": \"$1\", \"time_unit\": \"s\"" pair
  for pair in "${@:2}"; do
    if [[ ! ${pair#*=} =~ ^(-?[0-9.]+(e[-+]?[0-9]+)?|\".*\")$ ]]; then echo "$0: $1: $pair is no figure" >&2; exit 1; fi
    entry+=", \"${pair%%=*}\": ${pair#*=}"
  done
  entries+="${entries:+, }$entry}"
}
finish() { printf '{"benchmarks": [%s]}\n' "$entries" > "$out"; }

# need_rsicd NAME...  sets data, rsicd and weights; where the reference data is not at hand, writes results that say so,
# and ends the harness
need_rsicd() {
  local name
  data=${ORBWEAVER_TEST_DATA:-}/data rsicd=${ORBWEAVER_TEST_DATA:-}/data/rsicd
  weights=$data/weights/yolo-fastest-1.1-xl.weights
  [ -n "${ORBWEAVER_TEST_DATA:-}" ] && [ -f "$rsicd/train_caps.txt" ] && return 0
  for name in "$@"; do result "$name" 'error_message="needs ORBWEAVER_TEST_DATA"'; done
  finish
  exit 0
}

# numbers FILE KEY  the numbers that KEY has in a JSON file, one a line
numbers() { { grep -oE "\"$2\": ?-?[0-9][-+0-9.eE]*" "$1" || true; } | sed 's/.*: *//'; }

# calculate EXPRESSION  by awk
calculate() { awk "BEGIN { print $1 }"; }
