// What a dataset holds, in figures.
#pragma once

#include <string>

#include "framework/data/dataset.h"
#include "orbweaver/value.h"

namespace orbweaver {

/// Figures of each split (images, captions, captions per image, caption lengths in words, distinct captions, image
/// sizes, objects per image and labels where detections exist, coverage by triples) and the vocabulary of the training
/// captions. Words are lower-cased runs of letters, digits and apostrophes. Decodes every image, in `threads` threads;
/// images that are missing or broken are counted and left out of the sizes.
Value dataset_stats(const Dataset& dataset, int threads, const ProgressFunction& progress = {});

/// The same figures for readers.
std::string stats_text(const Value& stats);

}  // namespace orbweaver
