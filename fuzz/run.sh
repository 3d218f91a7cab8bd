#!/usr/bin/env bash
# Fuzzes one target after the other, each for some time, and says what came of it: docs/fuzzing.md.
#
#   fuzz/run.sh BUILD SECONDS            all targets that are built in BUILD
#   fuzz/run.sh BUILD SECONDS TARGET...  these
#
# What is interesting is kept in BUILD/corpus/TARGET, where the next run goes on; findings in BUILD/findings; what was
# printed in BUILD/log. Exits 1 where there were findings.
set -eu -o pipefail
if [ $# -lt 2 ]; then sed -n '2,/^set -/{/^set -/d;s/^# \{0,1\}//p}' "$0" >&2; exit 2; fi
here=$(cd "$(dirname "$0")" && pwd)
build=$(cd "$1" && pwd)
seconds=$2
shift 2
targets=("$@")
if [ $# -eq 0 ]; then
  for program in "$build"/fuzz/fuzz_*; do targets+=("$(basename "$program" | sed 's/^fuzz_//')"); done
fi

# The readers take files: in memory, thousands of them a second harm no disk.
files=$(mktemp -d -p "$([ -w /dev/shm ] && echo /dev/shm || echo "${TMPDIR:-/tmp}")" orbweaver-fuzz-XXXXXX)
trap 'rm -rf "$files"' EXIT
mkdir -p "$build/findings" "$build/log"

# Leaks are none of the promises, and looking for them takes a debugger's rights, which containers do not give.
export TMPDIR=$files ASAN_OPTIONS=detect_leaks=0:quarantine_size_mb=16 UBSAN_OPTIONS=print_stacktrace=1

status=0
printf '%-12s %8s %12s %8s %8s %8s\n' target seconds executions edges corpus findings
for target in "${targets[@]}"; do
  mkdir -p "$build/corpus/$target"
  log=$build/log/$target
  "$build/fuzz/fuzz_$target" -max_total_time="$seconds" -timeout=10 -malloc_limit_mb=256 -rss_limit_mb=1024 \
    -max_len=8192 -dict="$here/dictionaries/$target.dict" -print_final_stats=1 \
    -artifact_prefix="$build/findings/$target-" "$build/corpus/$target" "$here/corpus/$target" \
    </dev/null >"$log" 2>&1 || status=1
  executions=$(sed -n 's/^stat::number_of_executed_units: *//p' "$log")
  edges=$(sed -n 's/.* cov: \([0-9]*\) .*/\1/p' "$log" | tail -n 1)
  corpus=$(find "$build/corpus/$target" -type f | wc -l)
  findings=$(find "$build/findings" -name "$target-*" | wc -l)
  printf '%-12s %8s %12s %8s %8s %8s\n' "$target" "$seconds" "${executions:-?}" "${edges:-?}" "$corpus" "$findings"
done
if [ $status -ne 0 ]; then
  echo "Findings, if any, are in $build/findings; the end of each run is in $build/log" >&2
fi
exit $status
