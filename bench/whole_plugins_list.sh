#!/usr/bin/env bash
# `orbweaver plugins list`, which loads every shipped plugin, beside a program that is linked to LibTorch and does
# nothing: whole_plugins_list.sh BUILD OUT.json
#
# The two run by turns, 21 times each, on one core. Of each the median counts: user time as `user_s`, and what the
# command needs above the empty program as `above_s`.
# shellcheck source=bench/common.sh
. "$(dirname "$0")/common.sh"
empty=$build/bench/empty_libtorch
if [ ! -x "$empty" ]; then echo "$empty is not built; build the target empty_libtorch" >&2; exit 1; fi

# run NAME COMMAND...  appends "real user" of the command, in seconds, to the file NAME
run() {
  local TIMEFORMAT='%R %U'
  { time taskset -c 0 "${@:2}" > "$work/printed" 2> "$work/errors"; } 2>> "$work/$1" || { cat "$work/errors" >&2; exit 1; }
}
# median FILE COLUMN
median() { sort -n -k "$2,$2" "$1" | awk -v column="$2" '{ value[NR] = $column } END { print value[int((NR + 1) / 2)] }'; }

for name in warm measured; do
  rounds=21
  [ "$name" = measured ] || rounds=2
  rm -f "$work/empty" "$work/list"
  for ((i = 0; i < rounds; ++i)); do
    run empty "$empty"
    run list "$orbweaver" plugins list
  done
done
grep -q '^sog .* ok$' "$work/printed" || { echo "plugins list shows no sog" >&2; exit 1; }

empty_user=$(median "$work/empty" 2)
list_user=$(median "$work/list" 2)
result empty_libtorch "real_time=$(median "$work/empty" 1)" "user_s=$empty_user"
result plugins_list "real_time=$(median "$work/list" 1)" "user_s=$list_user" \
  "above_s=$(calculate "$list_user - $empty_user")"
finish
