#!/usr/bin/env bash
# tutorial_quickly.sh FOLDER PREFIX PAGE: the tutorial word for word, but on few images and with one epoch a run.
tutorial=$(realpath "$(dirname "$0")/tutorial.sh")
source "$(dirname "$0")/common.sh"
page=$3

# The reader of an installation outside /usr is told to set both.
export PATH="$prefix/bin:$PATH" CMAKE_PREFIX_PATH="$prefix"
export HOME="$folder" XDG_CACHE_HOME="$folder/cache"
quickly="s/--images 300/--images 40/; s/\"seeds\": .*/\"seeds\": [1],/
s/^\\(step 'orbweaver \\(train\\|sweep\\) .*\\)'\$/\\1 --set train.epochs=1 --set train.threads=1'/"
logged tutorial.log bash "$tutorial" "$page" "$folder" "$quickly"
expect_in "$(cat tutorial.log)" '100% tests passed'
for file in my_graph/graph.png my_graph/ablation/report.html my_graph/gravlm_run/record.json; do
  [ -s "$file" ] || fail "$file was not written"
done
# Hundreds of megabytes of checkpoints.
rm -r my_graph cache
