#!/usr/bin/env bash
# full_disk_and_read_only.sh BUILD SOURCE: a training, an evaluation, a report and a cache on a file system that is full,
# and on one that is read-only. Both are mounted in a name space of this script alone; 77 where that is not allowed.
set -euo pipefail
if [ "${INSIDE:-}" = "" ]; then
  unshare --map-root-user --mount true 2>/dev/null || { echo "skipped: mounting is not allowed here"; exit 77; }
  folder=$(mktemp -d)
  status=0
  INSIDE=$folder unshare --map-root-user --mount "$0" "$@" || status=$?
  rm -r "$folder"
  exit $status
fi

cd "$INSIDE"
export PATH=$(realpath "$1")/bin:$PATH OMP_NUM_THREADS=1
source=$(realpath "$2") faults=0
mkdir disk cache
mount -t tmpfs -o size=4m orbweaver disk 2>/dev/null || { echo "skipped: a tmpfs cannot be mounted here"; exit 77; }
orbweaver data synth data --images 40 --seed 3 2>/dev/null >/dev/null
cat >tiny.json <<JSON
{"extends": "$source/configs/methods/demo.json", "name": "tiny", "dataset": {"root": "data"}, "cache": "cache",
 "plugins": ["clip"],
 "model": {"embed_dim": 16,
           "image": {"encoder": {"use": "clip_image", "size": 32, "patch": 16, "width": 64, "layers": 1, "output": 16,
                                 "freeze": true}},
           "text": {"encoder": {"word_dim": 16, "hidden": 16}}},
 "rerank": {"use": "cross_modal", "k": 5}, "train": {"epochs": 2, "batch_size": 32, "threads": 1}}
JSON

fault() {
  echo "$1" >&2
  faults=$((faults + 1))
}
# fails REASON FILE COMMAND...: the command fails, and its last line names the file and the reason.
fails() {
  local reason=$1 file=$2 status=0 last
  shift 2
  "$@" >out.txt 2>err.txt || status=$?
  last=$(tail -n 1 err.txt)
  [ $status -ne 0 ] && [ $status -lt 128 ] || fault "$* ended with $status"
  case $last in
    *"$file"*"$reason"* | *"$reason"*"$file"*) ;;
    *) fault "$* ended with: $last" ;;
  esac
}
works() {
  "$@" >out.txt 2>err.txt || fault "$* failed: $(cat err.txt)"
}
same() {
  [ "$1" = "$2" ] || fault "$3 changed"
}
sums() { find disk -type f -name '*.*' ! -name 'log.txt' ! -name 'ballast' -exec sha256sum {} + | sort; }

works orbweaver train tiny.json --out whole
full="No space left on device"
# Files of whole pages: what is left of the disk is smaller than a state.
fill() { dd if=/dev/zero of=disk/ballast bs=4k 2>/dev/null || true; }

fill
fails "$full" disk/run orbweaver train tiny.json --out disk/run
[ ! -e disk/run ] || fault "the folder of a run that never began is left"
rm disk/ballast
# Room for the config and not for a state.
dd if=/dev/zero of=disk/ballast bs=4k count=$((4096 / 4 - 30)) 2>/dev/null
fails "$full" .safetensors orbweaver train tiny.json --out disk/run
rm disk/ballast
works orbweaver train tiny.json --out disk/run --resume
same "$(sha256sum <whole/best.safetensors)" "$(sha256sum <disk/run/best.safetensors)" "the result of the resumed training"

before=$(sums)
fill
fails "$full" disk/run orbweaver eval disk/run
fails "$full" disk/scores.npy orbweaver eval disk/run --scores disk/scores.npy
fails "$full" disk/run/report.html orbweaver report disk/run
works orbweaver eval whole --set cache=disk/cache
grep -q "going on without the cache" err.txt || fault "the full cache is not told of"
same "$before" "$(sums)" "something on the full disk"
rm disk/ballast
works orbweaver eval disk/run --scores disk/scores.npy
works orbweaver report disk/run

before=$(sums) none="Read-only file system"
mount -o remount,ro disk
fails "$none" disk/new orbweaver train tiny.json --out disk/new
fails "$none" disk/run/config.json orbweaver train disk/run --resume
fails "$none" disk/run orbweaver eval disk/run
fails "$none" disk/other.npy orbweaver eval disk/run --scores disk/other.npy
fails "$none" disk/run/report.html orbweaver report disk/run
cat >sweep.json <<JSON
{"name": "small", "base": "tiny.json", "variants": [{"name": "a"}, {"name": "b", "overrides": ["train.lr=0.01"]}],
 "seeds": [1], "baseline": "a"}
JSON
fails "$none" "disk/sweep: cannot be made" orbweaver sweep sweep.json --out disk/sweep
works orbweaver eval whole --set cache=disk/cache
works orbweaver report disk/run --out report.html
same "$before" "$(sums)" "something on the read-only disk"
echo "$faults faults"
[ $faults -eq 0 ]
