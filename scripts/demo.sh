#!/usr/bin/env bash
# From nothing to a table of results: draws aerial scenes, trains a small model on them, evaluates it with and without
# rerank. Everything goes into demo/ of the working directory; what is there already is used again.
#
#   scripts/demo.sh [PATH OF orbweaver]
set -euo pipefail
orbweaver=${1:-build/release/bin/orbweaver}
configs=$(cd "$(dirname "$0")/../configs" && pwd)

step() { printf '\n== %s\n' "$1"; }
run() { printf '$ %s\n' "$*"; "$@"; }

if [ ! -e demo/data/synth.json ]; then
  step 'Drawing 300 aerial scenes with five captions each'
  run "$orbweaver" data synth demo/data --images 300 --seed 1
fi

if [ ! -e demo/run/record.json ]; then
  step 'Training a small ResNet and a bidirectional GRU'
  # --resume also starts a run that does not exist, and goes on with one that was interrupted.
  run "$orbweaver" train "$configs/methods/demo.json" --set dataset.root=demo/data --out demo/run --resume
fi

step 'Evaluating on the test split, without and with rerank'
run "$orbweaver" eval demo/run

step 'Similarity of two scenes and three sentences'
run "$orbweaver" infer demo/run \
  --images "demo/data/images/$(head -n 1 demo/data/test_filename.txt)" "demo/data/images/$(tail -n 1 demo/data/test_filename.txt)" \
  --texts "$(head -n 1 demo/data/test_caps.txt)" "$(tail -n 1 demo/data/test_caps.txt)" 'a river runs through a forest'

cat <<END

Where things are:
  demo/data/   the dataset: images/, captions, detections/ (boxes), triples.jsonl; docs/synthetic.md describes it
  demo/run/    the run: config.json, record.json, metrics.jsonl, best.safetensors, last.safetensors, log.txt
Start again with:  rm -r demo && make demo
END
