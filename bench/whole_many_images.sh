#!/usr/bin/env bash
# How long training takes to begin on a dataset of 100,000 tiny images with five captions each, and the anonymous memory
# that it needs for it (RssAnon of /proc/PID/status): the demo's method on images of 8 x 8 pixels, from the start of the
# process to the end of its first step. The first start decodes every image, to see that none is broken, and hashes it;
# a second one finds both remembered. Then what data check and data stats take on it. The files are hard links of a
# thousand; that they are made is not counted. ORBWEAVER_BENCH_MANY=10000, a multiple of 1,000, makes it smaller, and says
# so in the names.
# shellcheck source=bench/common.sh
source "$(dirname "$0")/common.sh"
images=${ORBWEAVER_BENCH_MANY:-100000}
held=$((images / 100))  # of validation, and of the test
png='iVBORw0KGgoAAAANSUhEUgAAAAgAAAAICAIAAABLbSncAAAA00lEQVR4nAHIADf/ADFmm1CFum+k2Y7D+K3iF8wBNusgVQo/dABCd6xhlsuAte
qf1Am+8yjdEkf8MWYbUIUAU4i9cqfckcb7sOUazwQ57iNYDUJ3LGGWAGSZzoO47aLXDMH2K+AVSv80aR5TiD1ypwB1qt+Uyf6z6B3SBzzxJlsQRX
ovZJlOg7gAhrvwpdoPxPku4xhNAjdsIVaLQHWqX5TJAJfMAbbrINUKP/QpXhNIfTJnnFGGu3Cl2gCo3RLH/DHmG1AFOm8kWY5DeK1il8yBtuva0
1+B2SWh0QAAAABJRU5ErkJggg=='

data=$work/data
mkdir -p "$data/images/0"
bytes=$(base64 -d <<< "$png" | od -An -v -tx1 | tr -d '\n' | sed 's/ /\\x/g')
for ((i = 0; i < 1000; ++i)); do
  # The bytes are spelled as printf's own escapes.
  # shellcheck disable=SC2059
  printf "$bytes" > "$data/images/0/$i.png"
done
# Links: to write and to remove a hundred thousand files would take longer than all that is measured.
for ((i = 1; i < images / 1000; ++i)); do cp -al "$data/images/0" "$data/images/$i"; done
awk -v images="$images" -v held="$held" -v data="$data" 'BEGIN {
  split("plane ship truck house field bridge river road tree court", thing, " ")
  for (i = 0; i < images; ++i) {
    split_name = i < held ? "val" : i < 2 * held ? "test" : "train"
    print int(i / 1000) "/" i % 1000 ".png" > (data "/" split_name "_filename.txt")
    for (k = 0; k < 5; ++k)
      printf "row %d of %d has a %s near the %s and a %s .\n", i % 317, int(i / 317), thing[1 + (i + k) % 10],
        thing[1 + int(i / 10 + k) % 10], thing[1 + int(i / 100) % 10] > (data "/" split_name "_caps.txt")
  }
}'
sync  # what was just written is not to be written while the time runs

# Nothing is ever written to the pipe: reading it is a pause that starts no process.
mkfifo "$work/pause"
exec 9<>"$work/pause"
most=0
look() {  # PROCESS  raises `most`
  local key kib
  while read -r key kib _; do
    if [ "$key" = RssAnon: ] && [ "$kib" -gt "$most" ]; then most=$kib; fi
  done < "/proc/$1/status" 2> /dev/null || true
}
now() { local time=$EPOCHREALTIME; echo "${time/[.,]/}"; }

start_training() {  # NAME
  local begun process run=$work/run
  rm -rf "$run"
  most=0 begun=$(now)
  # The state is saved after every step: its temporary name is the sign of the first step's end.
  "$orbweaver" train "$configs/methods/demo.json" --out "$run" --set dataset.root="$data" --set cache="$work/cache" \
    --set model.image.encoder.size=32 --set train.batch_size=16 --set train.threads=1 --set train.checkpoint_every=0 \
    2> "$work/said" &
  process=$!
  until compgen -G "$run/.last.safetensors.*" > /dev/null || [ -f "$run/last.safetensors" ]; do
    if [ ! -d "/proc/$process" ]; then cat "$work/said" >&2; exit 1; fi
    look "$process"
    read -rt 0.01 -u 9 || true
  done
  look "$process"
  result "many_images/$1/$images" real_time="$(calculate "($(now) - $begun) / 1e6")" \
    peak_mib="$(calculate "$most / 1024")"
  kill -KILL "$process"
  wait "$process" 2> /dev/null || true
}

run_command() {  # NAME ARGUMENTS...
  local begun process
  most=0 begun=$(now)
  "$orbweaver" "${@:2}" > "$work/said" 2>&1 &
  process=$!
  while [ -d "/proc/$process" ]; do
    look "$process"
    read -rt 0.01 -u 9 || true
  done
  # data check finds that the images are all alike.
  wait "$process" || { [ $? -eq 1 ] && grep -q 'nearly identical' "$work/said"; } || { cat "$work/said" >&2; exit 1; }
  result "many_images/$1/$images" real_time="$(calculate "($(now) - $begun) / 1e6")" \
    peak_mib="$(calculate "$most / 1024")"
}

start_training first_start
start_training second_start
run_command data_stats data stats "$data" --threads 2
run_command data_check data check "$data" --threads 2
finish
