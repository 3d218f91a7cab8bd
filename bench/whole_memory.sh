#!/usr/bin/env bash
# Memory of training vsepp_light on RSICD for 20 epochs, features of the frozen encoder made on the way: the most
# anonymous memory (RssAnon of /proc/PID/status, looked at 20 times a second), and how much more of it the last five
# epochs need than epochs 2 to 5. ORBWEAVER_BENCH_IMAGES=400 takes the first 400 of the training images: quick, but in so few
# steps the heap has not settled, which shows as 4% of growth.
# shellcheck source=bench/common.sh
source "$(dirname "$0")/common.sh"
need_rsicd vsepp_light_memory
images=${ORBWEAVER_BENCH_IMAGES:-$(wc -l < "$rsicd/train_filename.txt")}
mkdir "$work/data"
ln -s "$rsicd/images" "$work/data/images"
cp "$rsicd"/val_*.txt "$rsicd"/test_*.txt "$work/data"
head -n "$images" "$rsicd/train_filename.txt" > "$work/data/train_filename.txt"
head -n $((5 * images)) "$rsicd/train_caps.txt" > "$work/data/train_caps.txt"

"$orbweaver" train "$configs/methods/vsepp_light.json" --set dataset.root="$work/data" \
  --set model.image.encoder.weights="$weights" --set train.threads=2 --set cache="$work/cache" --out "$work/run" &
process=$!
# Nothing is ever written to the pipe: reading it is a pause that starts no process.
mkfifo "$work/pause"
exec 9<>"$work/pause"
declare -a most=()  # KiB, by epochs finished
while [ -r "/proc/$process/status" ]; do
  epoch=0
  if [ -f "$work/run/metrics.jsonl" ]; then mapfile -t lines < "$work/run/metrics.jsonl"; epoch=${#lines[@]}; fi
  while read -r key kib _; do
    if [ "$key" = RssAnon: ] && [ "$kib" -gt "${most[epoch]:-0}" ]; then most[epoch]=$kib; fi
  done < "/proc/$process/status" 2> /dev/null || true
  read -rt 0.05 -u 9 || true
done
wait "$process"

highest() {  # FIRST LAST: of epochs FIRST to LAST; most[n] is of epoch n + 1
  local most_of=0 epoch
  for ((epoch = $1 - 1; epoch < $2; ++epoch)); do
    if [ "${most[epoch]:-0}" -gt "$most_of" ]; then most_of=${most[epoch]}; fi
  done
  echo "$most_of"
}
if [ "$(highest 2 5)" -eq 0 ] || [ "$(highest 16 20)" -eq 0 ]; then
  result vsepp_light_memory 'error_message="RssAnon was not seen in epochs 2 to 5 and 16 to 20: too few images, or a system without it"'
  finish
  exit 0
fi
result vsepp_light_memory peak_mib="$(calculate "$(highest 1 21) / 1024")" \
  epochs_mib="$(calculate "$(highest 2 20) / 1024")" \
  growth_percent="$(calculate "100 * ($(highest 16 20) / $(highest 2 5) - 1)")" images="$images"
finish
