// CLIP's text encoder (Radford et al., ICML 2021, section 2.4), with the names of OpenAI's files.
#pragma once

#include <ATen/ATen.h>
#include <torch/nn/modules/embedding.h>

#include <cmath>
#include <limits>
#include <memory>

#include "orbweaver/torch/representation.h"
#include "transformer.h"

namespace {

/// A Transformer in which a token sees those before it. `tokens` [B, L, width] after the last normalisation, zero at
/// padding; `global` [B, output]: the token with the largest id, which is `<|endoftext|>`, projected.
class TextTransformer final : public torch::nn::Module {
 public:
  explicit TextTransformer(const TextSizes& sizes) {
    token_embedding_ = register_module("token_embedding", torch::nn::Embedding(sizes.vocabulary, sizes.width));
    positional_embedding_ =
        register_parameter("positional_embedding", at::randn({sizes.positions, sizes.width}) * 0.01);
    transformer_ = register_module(
        "transformer", std::make_shared<ClipTransformer>(
                           sizes.width, sizes.layers, head_count(sizes.width, "the text encoder"), sizes.activation));
    ln_final_ = register_module("ln_final", layer_norm(sizes.width));
    text_projection_ =
        register_parameter("text_projection", at::randn({sizes.width, sizes.output}) * std::pow(sizes.width, -0.5));
    torch::nn::init::normal_(token_embedding_->weight, 0, 0.02);
    transformer_->initialize_by_depth();
  }

  /// @param ids      [B, L] CLIP's ids, any at padding.
  /// @param lengths  [B]; positions from there on are padding.
  orbweaver::Representation forward(const at::Tensor& ids, const at::Tensor& lengths) {
    const int64_t length = ids.size(1);
    orbweaver::Representation text;
    text.token_mask = at::arange(length, lengths.options()).unsqueeze(0) < lengths.unsqueeze(1);
    const at::Tensor padding = text.token_mask.logical_not();

    const at::Tensor x = token_embedding_(ids) + positional_embedding_.narrow(0, 0, length);
    const at::Tensor causal = at::full({length, length}, -std::numeric_limits<double>::infinity(), x.options()).triu(1);
    const at::Tensor tokens = ln_final_(transformer_->forward(x, causal));
    text.tokens = tokens.masked_fill(padding.unsqueeze(2), 0);

    const at::Tensor last = ids.masked_fill(padding, -1).argmax(1);
    const at::Tensor rows = at::arange(ids.size(0), ids.options()) * length + last;
    text.global = text.tokens.flatten(0, 1).index_select(0, rows).matmul(text_projection_);
    return text;
  }

 private:
  torch::nn::Embedding token_embedding_{nullptr};
  at::Tensor positional_embedding_, text_projection_;
  std::shared_ptr<ClipTransformer> transformer_;
  torch::nn::LayerNorm ln_final_{nullptr};
};

}  // namespace
