#!/usr/bin/env bash
# Seconds of an epoch of vsepp_light on RSICD's 2,184 training images (10,920 captions): features of the frozen image
# encoder from the cache, two threads. The mean of ORBWEAVER_BENCH_EPOCHS epochs (2); what the test split makes of so
# many epochs is told beside it, and only with all 20 is it the method's accuracy.
# shellcheck source=bench/common.sh
source "$(dirname "$0")/common.sh"
need_rsicd vsepp_light_epoch
epochs=${ORBWEAVER_BENCH_EPOCHS:-2}
"$orbweaver" train "$configs/methods/vsepp_light.json" --set dataset.root="$rsicd" \
  --set model.image.encoder.weights="$weights" --set train.threads=2 --set train.epochs="$epochs" \
  --set cache="$cache" --out "$work/run"
"$orbweaver" eval "$work/run" --json > "$work/eval.json"
total() { numbers "$work/run/metrics.jsonl" "$1" | awk '{ sum += $1 } END { print sum }'; }
result vsepp_light_epoch real_time="$(calculate "$(total seconds) / $epochs")" \
  own_percent="$(calculate "100 * $(total own_seconds) / $(total seconds)")" \
  val_mR="$(numbers "$work/run/metrics.jsonl" mR | tail -1)" test_mR="$(numbers "$work/eval.json" mR | head -1)"
finish
