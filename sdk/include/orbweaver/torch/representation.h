// Tensors that flow between the stages of a retrieval model.
#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <string>
#include <vector>

#include "orbweaver/export.h"

namespace orbweaver {
inline namespace v1 {

/// One side of a batch, as far as its stages have made it. Undefined tensors are parts that nobody makes.
struct Representation {
  at::Tensor global;      ///< [B, Dg]
  at::Tensor tokens;      ///< [B, T, Dt]
  at::Tensor token_mask;  ///< [B, T] bool, true at real tokens; undefined when all are real
  at::Tensor nodes;       ///< [B, N, Dn]
  at::Tensor node_mask;   ///< [B, N] bool, true at real nodes; defined whenever `nodes` is
  /// [B, R, 3] int64: source node, target node, relation id of the graph's relations, as the builder named them; rows
  /// of relation 0 are padding. An end may lie at a node that `node_mask` leaves out: such a relation does not count.
  at::Tensor relations;
  at::Tensor local;      ///< [B, Dl]
  at::Tensor embedding;  ///< [B, E], L2-normalised, made by the fusion
};

/// Widths of a Representation's parts; 0 for a part that is not made.
struct Widths {
  int64_t global = 0, tokens = 0, nodes = 0, local = 0;
};

/// Parts of a Representation that a stage reads. The runtime makes and caches only what somebody reads, and refuses a
/// model in which a part that is read is made by nobody.
struct Parts {
  bool global = false, tokens = false, nodes = false, local = false, relations = false;
  Parts operator|(const Parts& other) const {
    return {global || other.global, tokens || other.tokens, nodes || other.nodes, local || other.local,
            relations || other.relations};
  }
};

/// A batch of captions: ids [B, L] int64 padded with 0, lengths [B] int64 (1..L).
struct TokenBatch {
  at::Tensor ids;
  at::Tensor lengths;
};

/// A batch of graphs. N is the batch's maximum, at least 1; a graph without nodes has an all-false mask row.
struct GraphBatch {
  at::Tensor features;   ///< [B, N, F] float
  at::Tensor adjacency;  ///< [B, N, N] float, as the builder made it
  at::Tensor mask;       ///< [B, N] bool
  at::Tensor labels;     ///< [B, N] int64 ids of the label vocabulary: 0 padding, 1 unknown
  at::Tensor relations;  ///< [4, E] int64: batch index, source, target, relation id (0 padding, 1 unknown)
  bool defined() const { return mask.defined(); }
};

}  // namespace v1
}  // namespace orbweaver
