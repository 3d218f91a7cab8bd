#pragma once

#include <map>
#include <span>
#include <string>

#include "framework/model/vocabulary.h"
#include "orbweaver/scene.h"
#include "orbweaver/torch/representation.h"

namespace orbweaver {

/// Label and relation names of graphs, counted for Vocabulary::fit.
struct GraphNames {
  std::map<std::string, int64_t> labels, relations;
  void count(const Graph& graph);
};

/// Pads graphs to the largest of the batch (at least one node, so that no tensor is empty).
///
/// @param feature_width  F of the builder, for a batch in which no graph has nodes.
GraphBatch collate(std::span<const Graph* const> graphs, int64_t feature_width, const Vocabulary& labels,
                   const Vocabulary& relations);

/// The same batch on another device.
GraphBatch to_device(const GraphBatch& batch, const at::Device& device);

}  // namespace orbweaver
