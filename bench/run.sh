#!/usr/bin/env bash
# Runs the benchmarks and prints their table: docs/performance.md.
#
#   bench/run.sh BUILD            all that are built in BUILD, and the harnesses of whole processes
#   bench/run.sh BUILD NAME...    those with one of these texts in their name; the table has their rows and what earlier
#                                 runs measured
#
# Results are kept in BUILD/bench/results. With ORBWEAVER_TEST_DATA set, the benchmarks that need the reference data run
# as well; without it their rows say so.
set -eu -o pipefail
if [ $# -lt 1 ]; then sed -n '2,/^set -/{/^set -/d;s/^# \{0,1\}//p}' "$0" >&2; exit 2; fi
here=$(cd "$(dirname "$0")" && pwd)
build=$(cd "$1" && pwd)
shift
results=$build/bench/results
mkdir -p "$results"

wanted() {
  local part
  [ $# -gt 1 ] || return 0
  for part in "${@:2}"; do [[ $1 != *"$part"* ]] || return 0; done
  return 1
}

status=0
for program in "$build"/bench/bench_* "$here"/whole_*.sh; do
  name=$(basename "$program" .sh)
  if [ ! -f "$program" ] || [ ! -x "$program" ] || [ "$name" = bench_table ] || ! wanted "$name" "$@"; then continue; fi
  echo "== $name"
  # A result of an earlier run never stands for one that failed.
  rm -f "$results/$name.json"
  if [[ $program == *.sh ]]; then
    "$program" "$build" "$results/$name.json.part" || { echo "$name failed" >&2; status=1; continue; }
  else
    "$program" --benchmark_repetitions=5 --benchmark_report_aggregates_only=true --benchmark_out_format=json \
      --benchmark_out="$results/$name.json.part" || { echo "$name failed" >&2; status=1; continue; }
  fi
  # Google Benchmark writes a variation of 0 by 0 as NaN, which is no JSON.
  sed -E 's/: *-?(NaN|nan|Infinity|inf)/: null/' "$results/$name.json.part" >"$results/$name.json"
  rm "$results/$name.json.part"
done

echo
shopt -s nullglob
"$build/bench/bench_table" "$here/rows.json" "$results"/*.json
exit $status
