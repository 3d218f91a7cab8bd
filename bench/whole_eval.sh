#!/usr/bin/env bash
# What an evaluation of galr_m1 (galr_f3 and its rerank) on RSICD's test split (1,093 images, 5,465 captions) takes
# beyond encoding each image and each distinct caption once, in percent of that: scores of all pairs, metrics and all
# reranked rows. Two threads, random weights. Objects and graphs come from the cache; a run that is not measured makes them.
# shellcheck source=bench/common.sh
source "$(dirname "$0")/common.sh"
need_rsicd galr_evaluation
for _ in unmeasured measured; do
  "$orbweaver" eval "$configs/methods/galr_m1.json" --set dataset.root="$rsicd" --set train.threads=2 \
    --set cache="$cache" --json > "$work/eval.json"
done
of() { numbers "$work/eval.json" "$1" | head -1; }
result galr_evaluation real_time="$(of evaluation_seconds)" encoding_seconds="$(of encoding_seconds)" \
  ranking_seconds="$(of ranking_seconds)" distinct_texts="$(of distinct_texts)" \
  beyond_percent="$(calculate "100 * ($(of evaluation_seconds) + $(of ranking_seconds)) / $(of encoding_seconds) - 100")"
finish
