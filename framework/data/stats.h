// What a dataset holds, in figures.
#pragma once

#include <functional>
#include <string>

#include "framework/data/dataset.h"
#include "orbweaver/value.h"

namespace orbweaver {

/// Figures of each split (images, captions, captions per image, caption lengths in words, distinct captions, image
/// sizes, objects per image and labels where detections exist, coverage by triples) and the vocabulary of the training
/// captions. Words are lower-cased runs of letters, digits and apostrophes. Decodes every image, in `threads` threads;
/// images that are missing or broken are counted and left out of the sizes.
Value dataset_stats(const Dataset& dataset, int threads, const ProgressFunction& progress = {});

/// Makes a caption's graph.
using CaptionGraph = std::function<Graph(const Caption& caption)>;

/// Adds the figures of the captions' graphs to those of `dataset_stats`: the builder's id as `graph_builder`, and in
/// each split `graphs`: captions with at least one entity and their share, entities and relations per caption, the
/// share of relations that are called "other", the pairs of labels that those join most often, relations by name, and
/// the most frequent labels. A caption's graph is built with the triples that the dataset has for it: these are the
/// graphs that training sees, before synonyms.
void add_graph_stats(Value& stats, const Dataset& dataset, const std::string& builder, const CaptionGraph& build,
                     const ProgressFunction& progress = {});

/// The same figures for readers.
std::string stats_text(const Value& stats);

}  // namespace orbweaver
