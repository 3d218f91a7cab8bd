#!/usr/bin/env bash
# From nothing to a table of results: draws aerial scenes in pairs that differ in one thing, trains three methods on them,
# and compares what they see. Everything goes into demo/ of the working directory; what is there already is used again,
# and an interrupted demo goes on where it was.
#
#   scripts/demo.sh [PATH OF orbweaver]
set -euo pipefail
orbweaver=${1:-build/release/bin/orbweaver}
configs=$(cd "$(dirname "$0")/../configs" && pwd)

step() { printf '\n== %s\n' "$1"; }
# The command on stderr: where the output goes through a pipe it would come after what the command says of its progress.
run() { printf '$ %s\n' "$*" >&2; "$@"; }

if ! grep -qs '"complete": true' demo/data/synth.json; then
  step 'Drawing 1,800 aerial scenes in pairs, with five captions each'
  rm -rf demo/data
  run "$orbweaver" data synth demo/data --train 1400 --val 80 --test 320 --abilities relation,relation,relation,scene --seed 1
fi

step 'Training and comparing three methods: scene alone, objects without relations, GraVLM'
run "$orbweaver" sweep "$configs/sweeps/demo.json" --set dataset.root=demo/data --out demo/sweep | sed '/^$/,$d'

step 'Which sentence is whose? The two scenes of a pair'
image=$(sed -n 1p demo/data/test_filename.txt) other=$(sed -n 6p demo/data/test_filename.txt)
run "$orbweaver" infer demo/sweep/runs/gravlm-s1 --images "demo/data/images/$image" "demo/data/images/$other" \
  --detections demo/data/detections --texts "$(sed -n 1p demo/data/test_caps.txt)" "$(sed -n 6p demo/data/test_caps.txt)"

step 'Writing the report'
run "$orbweaver" report demo/sweep --out demo/report.html

cat demo/sweep/table.txt
cat <<END

Where things are:
  demo/report.html   the report of all this: open it in a browser
  demo/sweep/        the runs and their table; demo/data/ the dataset (docs/synthetic.md describes it)
Start again with:  rm -r demo && make demo
END
