#pragma once

#include <string>
#include <utility>
#include <vector>

#include "orbweaver/torch/module.h"

namespace orbweaver {
inline namespace v1 {

/// A training batch of B image-caption pairs; pair i is (image i, caption i).
struct LossInput {
  Representation image, text;
  /// [B, B], row image, column caption: cosine of the embeddings; where an interaction is trained on all pairs, the
  /// final scores.
  at::Tensor scores;
  at::Tensor image_ids;     ///< [B] int64, equal for captions of one image
  at::Tensor token_hashes;  ///< [B] int64, equal for captions with the same tokens
  /// [B, B] bool, true where (image i, caption j) may serve as a negative: neither a caption of the same image nor one
  /// with the same tokens as image i's own. Never true on the diagonal.
  at::Tensor negatives;
  GraphBatch image_graphs, text_graphs;  ///< undefined where the model builds none
};

/// `total` is a scalar to be minimised; `parts` are named for the log.
struct LossOutput {
  at::Tensor total;
  std::vector<std::pair<std::string, at::Tensor>> parts;
};

/// May own parameters (a temperature); they are trained with the model and kept in its checkpoints.
class ORBWEAVER_API Loss : public ModelComponent {
 public:
  static constexpr const char* kind = "loss";
  ~Loss() override;

  virtual LossOutput forward(const LossInput& batch) = 0;
};

/// The `negatives` of LossInput from ids and hashes.
ORBWEAVER_API at::Tensor negative_mask(const at::Tensor& image_ids, const at::Tensor& token_hashes);

}  // namespace v1
}  // namespace orbweaver
