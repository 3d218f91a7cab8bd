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
/// The relations as Representation::relations has them, [B, R, 3], R at least 1; on the device of `relations`.
/// @param relations  [4, E] as in GraphBatch; @param graphs  B.
at::Tensor relation_rows(const at::Tensor& relations, int64_t graphs);

GraphBatch to_device(const GraphBatch& batch, const at::Device& device);

}  // namespace orbweaver
