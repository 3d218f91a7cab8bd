// Self-attention and guided attention as MIDF uses them: transformer blocks that normalise after the residual.
#pragma once

#include <ATen/ATen.h>
#include <torch/nn/module.h>
#include <torch/nn/modules/linear.h>

#include <cmath>
#include <memory>

namespace {

struct BlockSizes {
  int64_t width, heads, feed_forward;
  double dropout;
};

/// gain * (x - mean) / (std + 1e-6) + bias over the last dimension. Unlike torch's LayerNorm, std is the unbiased one
/// and the epsilon is added to it, as in the released code.
class StdNorm final : public torch::nn::Module {
 public:
  explicit StdNorm(int64_t width)
      : gain_(register_parameter("gain", at::ones({width}))), bias_(register_parameter("bias", at::zeros({width}))) {}

  at::Tensor forward(const at::Tensor& x) {
    const at::Tensor mean = x.mean(-1, /*keepdim=*/true);
    const at::Tensor std = x.std(-1, /*unbiased=*/true, /*keepdim=*/true);
    return gain_ * (x - mean) / (std + 1e-6) + bias_;
  }

 private:
  at::Tensor gain_, bias_;
};

/// Scaled dot-product attention of several heads: queries [B, Q, D], sources [B, K, D] -> [B, Q, D].
class Attention final : public torch::nn::Module {
 public:
  explicit Attention(const BlockSizes& sizes)
      : heads_(sizes.heads),
        dropout_(sizes.dropout),
        query_(register_module("query", torch::nn::Linear(sizes.width, sizes.width))),
        key_(register_module("key", torch::nn::Linear(sizes.width, sizes.width))),
        value_(register_module("value", torch::nn::Linear(sizes.width, sizes.width))),
        merge_(register_module("merge", torch::nn::Linear(sizes.width, sizes.width))) {}

  at::Tensor forward(const at::Tensor& queries, const at::Tensor& sources) {
    const at::Tensor q = split(query_(queries)), k = split(key_(sources)), v = split(value_(sources));
    const double scale = 1 / std::sqrt(static_cast<double>(q.size(-1)));
    const at::Tensor weights = (q.matmul(k.transpose(-2, -1)) * scale).softmax(-1);
    return merge_(at::dropout(weights, dropout_, is_training()).matmul(v).transpose(1, 2).flatten(2));
  }

 private:
  /// [B, L, D] -> [B, heads, L, D / heads]
  at::Tensor split(const at::Tensor& x) const {
    return x.view({x.size(0), x.size(1), heads_, x.size(2) / heads_}).transpose(1, 2);
  }

  int64_t heads_;
  double dropout_;
  torch::nn::Linear query_, key_, value_, merge_;
};

class FeedForward final : public torch::nn::Module {
 public:
  explicit FeedForward(const BlockSizes& sizes)
      : dropout_(sizes.dropout),
        hidden_(register_module("hidden", torch::nn::Linear(sizes.width, sizes.feed_forward))),
        out_(register_module("out", torch::nn::Linear(sizes.feed_forward, sizes.width))) {}

  at::Tensor forward(const at::Tensor& x) { return out_(at::dropout(hidden_(x).relu(), dropout_, is_training())); }

 private:
  double dropout_;
  torch::nn::Linear hidden_, out_;
};

/// x = norm1(x + attention(x, x)); x = norm2(x + feed_forward(x)).
class SelfAttention final : public torch::nn::Module {
 public:
  explicit SelfAttention(const BlockSizes& sizes)
      : dropout_(sizes.dropout),
        attention_(register_module("attention", std::make_shared<Attention>(sizes))),
        feed_forward_(register_module("feed_forward", std::make_shared<FeedForward>(sizes))),
        norm1_(register_module("norm1", std::make_shared<StdNorm>(sizes.width))),
        norm2_(register_module("norm2", std::make_shared<StdNorm>(sizes.width))) {}

  at::Tensor forward(at::Tensor x) {
    x = norm1_->forward(x + drop(attention_->forward(x, x)));
    return norm2_->forward(x + drop(feed_forward_->forward(x)));
  }

 private:
  at::Tensor drop(const at::Tensor& x) const { return at::dropout(x, dropout_, is_training()); }

  double dropout_;
  std::shared_ptr<Attention> attention_;
  std::shared_ptr<FeedForward> feed_forward_;
  std::shared_ptr<StdNorm> norm1_, norm2_;
};

/// x = norm1(x + own(x, x)); x = norm2(x + guide(x, y)), the queries from x, keys and values from y;
/// x = norm3(x + feed_forward(x)).
class GuidedAttention final : public torch::nn::Module {
 public:
  explicit GuidedAttention(const BlockSizes& sizes)
      : dropout_(sizes.dropout),
        own_(register_module("own", std::make_shared<Attention>(sizes))),
        guide_(register_module("guide", std::make_shared<Attention>(sizes))),
        feed_forward_(register_module("feed_forward", std::make_shared<FeedForward>(sizes))),
        norm1_(register_module("norm1", std::make_shared<StdNorm>(sizes.width))),
        norm2_(register_module("norm2", std::make_shared<StdNorm>(sizes.width))),
        norm3_(register_module("norm3", std::make_shared<StdNorm>(sizes.width))) {}

  at::Tensor forward(at::Tensor x, const at::Tensor& y) {
    x = norm1_->forward(x + drop(own_->forward(x, x)));
    x = norm2_->forward(x + drop(guide_->forward(x, y)));
    return norm3_->forward(x + drop(feed_forward_->forward(x)));
  }

 private:
  at::Tensor drop(const at::Tensor& x) const { return at::dropout(x, dropout_, is_training()); }

  double dropout_;
  std::shared_ptr<Attention> own_, guide_;
  std::shared_ptr<FeedForward> feed_forward_;
  std::shared_ptr<StdNorm> norm1_, norm2_, norm3_;
};

}  // namespace
