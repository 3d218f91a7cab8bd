// Key functions of the model plane's interfaces, and the few operations they share.
#include <ATen/ATen.h>

#include <string>

#include "orbweaver/error.h"
#include "orbweaver/torch/fusion.h"
#include "orbweaver/torch/graph_encoder.h"
#include "orbweaver/torch/image_encoder.h"
#include "orbweaver/torch/interaction.h"
#include "orbweaver/torch/loss.h"
#include "orbweaver/torch/text_encoder.h"

namespace orbweaver {
inline namespace v1 {

ModelComponent::~ModelComponent() = default;
Parts ModelComponent::reads() const { return {}; }
Parts Fusion::reads() const { return {.global = true}; }
void ModelComponent::fit(std::span<const std::string>) {}
std::string ModelComponent::extra_state() const { return {}; }
void ModelComponent::load_extra_state(std::string_view state) {
  if (!state.empty()) throw Error("the checkpoint holds extra state for a component that has none");
}

ImageEncoder::~ImageEncoder() = default;
TextEncoder::~TextEncoder() = default;
GraphEncoder::~GraphEncoder() = default;
Fusion::~Fusion() = default;
Interaction::~Interaction() = default;
Loss::~Loss() = default;

at::Tensor l2_normalize(const at::Tensor& rows) {
  const at::Tensor norms = rows.norm(2, -1, /*keepdim=*/true);
  return rows / norms.masked_fill(norms == 0, 1);
}

at::Tensor Interaction::score_all(const Representation& images, const Representation& texts, int64_t chunk) {
  const int64_t m = images.embedding.size(0), n = texts.embedding.size(0), total = m * n;
  // Filled in place: small results kept between a chunk's large passing tensors would leave the heap in pieces.
  at::Tensor scores = at::empty({total}, images.embedding.options().requires_grad(false));
  for (int64_t begin = 0; begin < total; begin += chunk) {
    const int64_t end = std::min(begin + chunk, total);
    const auto flat = at::arange(begin, end, images.embedding.options().dtype(at::kLong).requires_grad(false));
    const auto pairs = at::stack({flat.div(n, "floor"), flat.remainder(n)}, 1);
    const at::Tensor made = score_pairs(images, texts, pairs);
    if (made.dim() != 1 || made.size(0) != end - begin)  // copy_ would spread one score over all pairs
      throw ShapeError("score_pairs: made a tensor of " + std::to_string(made.numel()) +
                       " numbers, expected one score for each of " + std::to_string(end - begin) + " pairs, [" +
                       std::to_string(end - begin) + "]");
    scores.slice(0, begin, end).copy_(made);
  }
  return scores.view({m, n});
}

at::Tensor negative_mask(const at::Tensor& image_ids, const at::Tensor& token_hashes) {
  const auto same_image = image_ids.unsqueeze(1) == image_ids.unsqueeze(0);
  const auto same_text = token_hashes.unsqueeze(1) == token_hashes.unsqueeze(0);
  return (same_image | same_text).logical_not();
}

}  // namespace v1
}  // namespace orbweaver
