#pragma once

#include <torch/nn/modules/embedding.h>

#include <cstdint>
#include <memory>

#include "orbweaver/export.h"
#include "orbweaver/scene.h"
#include "orbweaver/torch/representation.h"

namespace orbweaver {
inline namespace v1 {

/// What a model-plane component is built on: everything upstream of it.
struct Inputs {
  Side side = Side::image;  ///< the side it serves; meaningless for interactions and losses, which serve both
  Widths image, text;       ///< widths of what the stages before it make
  int64_t embed_dim = 0;    ///< E
  int64_t image_node_features = 0, text_node_features = 0;  ///< F of each side's graph builder, 0 without one
  int64_t label_count = 0, relation_count = 0;  ///< sizes of the shared vocabularies, with padding and unknown

  /// The one embedding of node labels that both graph encoders use; null where no graph is built. The model owns it:
  /// keep the pointer, do not register it.
  std::shared_ptr<torch::nn::EmbeddingImpl> label_embedding;

  const Widths& own() const { return side == Side::image ? image : text; }
  int64_t node_features() const { return side == Side::image ? image_node_features : text_node_features; }
};

}  // namespace v1
}  // namespace orbweaver
