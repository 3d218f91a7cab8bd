// The pre-norm Transformer of both of CLIP's encoders (Radford et al., ICML 2021), with the names of OpenAI's files.
#pragma once

#include <ATen/ATen.h>
#include <torch/nn/init.h>
#include <torch/nn/modules/container/modulelist.h>
#include <torch/nn/modules/linear.h>
#include <torch/nn/modules/normalization.h>

#include <cmath>
#include <memory>
#include <vector>

#include "sizes.h"

namespace {

inline at::Tensor activate(const at::Tensor& x, Activation activation) {
  if (activation == Activation::gelu) return at::gelu(x);
  // QuickGELU x * sigmoid(1.702 x), by the fused x * sigmoid(x), which keeps one tensor for the backward pass, not two.
  return at::silu(x * 1.702) / 1.702;
}

inline torch::nn::LayerNorm layer_norm(int64_t width) {
  return torch::nn::LayerNorm(torch::nn::LayerNormOptions({width}));
}

/// Attention of q, k and v [B, H, L, 64]; rows of the result are the heads side by side, [B, L, H * 64].
///
/// @param mask  added to the scores [Lq, Lk]; undefined for none.
inline at::Tensor attend(const at::Tensor& q, const at::Tensor& k, const at::Tensor& v, const at::Tensor& mask) {
  at::Tensor scores = (q / std::sqrt(static_cast<double>(q.size(3)))).matmul(k.transpose(2, 3));
  if (mask.defined()) scores = scores + mask;
  return scores.softmax(3).matmul(v).transpose(1, 2).flatten(2);
}

class ClipAttention final : public torch::nn::Module {
 public:
  ClipAttention(int64_t width, int64_t heads) : heads_(heads) {
    in_proj_weight = register_parameter("in_proj_weight", at::empty({3 * width, width}));
    in_proj_bias = register_parameter("in_proj_bias", at::zeros({3 * width}));
    out_proj = register_module("out_proj", torch::nn::Linear(width, width));
    torch::nn::init::xavier_uniform_(in_proj_weight);
    torch::nn::init::zeros_(out_proj->bias);
  }

  at::Tensor forward(const at::Tensor& x, const at::Tensor& mask) {
    const at::Tensor joined = at::linear(x, in_proj_weight, in_proj_bias)
                                  .view({x.size(0), x.size(1), 3, heads_, x.size(2) / heads_})
                                  .permute({2, 0, 3, 1, 4});
    return out_proj(attend(joined[0], joined[1], joined[2], mask));
  }

  at::Tensor in_proj_weight, in_proj_bias;
  torch::nn::Linear out_proj{nullptr};

 private:
  int64_t heads_;
};

class ClipMlp final : public torch::nn::Module {
 public:
  ClipMlp(int64_t width, Activation activation) : activation_(activation) {
    c_fc = register_module("c_fc", torch::nn::Linear(width, 4 * width));
    c_proj = register_module("c_proj", torch::nn::Linear(4 * width, width));
  }

  at::Tensor forward(const at::Tensor& x) { return c_proj(activate(c_fc(x), activation_)); }

  torch::nn::Linear c_fc{nullptr}, c_proj{nullptr};

 private:
  Activation activation_;
};

class ClipBlock final : public torch::nn::Module {
 public:
  ClipBlock(int64_t width, int64_t heads, Activation activation) {
    attn = register_module("attn", std::make_shared<ClipAttention>(width, heads));
    ln_1 = register_module("ln_1", layer_norm(width));
    mlp = register_module("mlp", std::make_shared<ClipMlp>(width, activation));
    ln_2 = register_module("ln_2", layer_norm(width));
  }

  at::Tensor forward(const at::Tensor& x, const at::Tensor& mask) {
    const at::Tensor attended = x + attn->forward(ln_1(x), mask);
    return attended + mlp->forward(ln_2(attended));
  }

  std::shared_ptr<ClipAttention> attn;
  std::shared_ptr<ClipMlp> mlp;
  torch::nn::LayerNorm ln_1{nullptr}, ln_2{nullptr};
};

/// x [B, L, width] -> [B, L, width].
class ClipTransformer final : public torch::nn::Module {
 public:
  ClipTransformer(int64_t width, int64_t layers, int64_t heads, Activation activation) : width_(width) {
    torch::nn::ModuleList list;
    for (int64_t i = 0; i < layers; ++i) {
      blocks_.push_back(std::make_shared<ClipBlock>(width, heads, activation));
      list->push_back(blocks_.back());
    }
    register_module("resblocks", list);
  }

  /// @param mask  added to the attention scores [L, L]; undefined for none.
  at::Tensor forward(at::Tensor x, const at::Tensor& mask = {}) {
    for (const auto& block : blocks_) x = block->forward(x, mask);
    return x;
  }

  /// The first weights of CLIP's text encoder: residual branches shrink with depth.
  void initialize_by_depth() {
    at::NoGradGuard no_grad;
    const double input = std::pow(width_, -0.5);
    const double residual = input * std::pow(2.0 * static_cast<double>(blocks_.size()), -0.5);
    for (const auto& block : blocks_) {
      block->attn->in_proj_weight.normal_(0, input);
      block->attn->out_proj->weight.normal_(0, residual);
      block->mlp->c_fc->weight.normal_(0, std::pow(2.0 * static_cast<double>(width_), -0.5));
      block->mlp->c_proj->weight.normal_(0, residual);
    }
  }

 private:
  int64_t width_;
  std::vector<std::shared_ptr<ClipBlock>> blocks_;
};

}  // namespace
