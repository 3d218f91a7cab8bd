#!/usr/bin/env bash
# The framework's own share of training steps, in percent of their time: everything outside the components (encoders,
# fusion, loss), backward and the optimiser, with what a step waits for its images told beside it. Three steps of
# galr_f3 as it is published: batches of 100 images of 256 x 256, moved and with their graphs made anew, two threads and
# two workers. What they show does not matter, so they are synthetic.
# shellcheck source=bench/common.sh
source "$(dirname "$0")/common.sh"
"$orbweaver" data synth "$work/data" --train 60 --val 4 --test 4 > /dev/null
"$orbweaver" train "$configs/methods/galr_f3.json" --set dataset.root="$work/data" --set train.threads=2 \
  --set train.workers=2 --set train.epochs=1 --set cache="$work/cache" --out "$work/run"
metrics=$work/run/metrics.jsonl
seconds=$(numbers "$metrics" seconds)
share() { calculate "100 * $(numbers "$metrics" "$1") / $seconds"; }
result step_share/galr_f3 real_time="$(calculate "$seconds / $(numbers "$metrics" step)")" \
  own_percent="$(share own_seconds)" waiting_percent="$(share waiting_seconds)"
finish
