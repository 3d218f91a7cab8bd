// CLIP's image encoders (Radford et al., ICML 2021, section 2.4), with the names of OpenAI's files below `visual.`.
#pragma once

#include <ATen/ATen.h>
#include <torch/nn/modules/batchnorm.h>
#include <torch/nn/modules/container/sequential.h>
#include <torch/nn/modules/conv.h>
#include <torch/nn/modules/pooling.h>

#include <cmath>
#include <memory>
#include <string>
#include <vector>

#include "orbweaver/torch/representation.h"
#include "transformer.h"

namespace {

/// Images [B, 3, H, W] -> `global` [B, output] and `tokens`.
class VisionTrunk : public torch::nn::Module {
 public:
  virtual orbweaver::Representation forward(const at::Tensor& images) = 0;
};

/// `tokens` [B, 1 + patches, width]: the class token, then the patches in reading order, after the last normalisation;
/// `global`: the class token, projected.
class VisionTransformer final : public VisionTrunk {
 public:
  explicit VisionTransformer(const VisionSizes& sizes) {
    const int64_t width = sizes.width, grid = sizes.image / sizes.patch;
    const double scale = std::pow(width, -0.5);
    conv1_ = register_module(
        "conv1", torch::nn::Conv2d(torch::nn::Conv2dOptions(3, width, sizes.patch).stride(sizes.patch).bias(false)));
    class_embedding_ = register_parameter("class_embedding", at::randn({width}) * scale);
    positional_embedding_ = register_parameter("positional_embedding", at::randn({1 + grid * grid, width}) * scale);
    ln_pre_ = register_module("ln_pre", layer_norm(width));
    transformer_ = register_module(
        "transformer", std::make_shared<ClipTransformer>(width, sizes.layers, head_count(width, "the image encoder"),
                                                         sizes.activation));
    ln_post_ = register_module("ln_post", layer_norm(width));
    proj_ = register_parameter("proj", at::randn({width, sizes.output}) * scale);
  }

  orbweaver::Representation forward(const at::Tensor& images) override {
    const at::Tensor patches = conv1_(images).flatten(2).transpose(1, 2);
    const at::Tensor first = class_embedding_.expand({images.size(0), 1, -1});
    const at::Tensor x = transformer_->forward(ln_pre_(at::cat({first, patches}, 1) + positional_embedding_));
    orbweaver::Representation image;
    image.tokens = ln_post_(x);
    image.global = image.tokens.select(1, 0).matmul(proj_);
    return image;
  }

 private:
  torch::nn::Conv2d conv1_{nullptr};
  at::Tensor class_embedding_, positional_embedding_, proj_;
  torch::nn::LayerNorm ln_pre_{nullptr}, ln_post_{nullptr};
  std::shared_ptr<ClipTransformer> transformer_;
};

inline torch::nn::Conv2d plain_convolution(int64_t in, int64_t out, int64_t kernel, int64_t stride = 1) {
  return torch::nn::Conv2d(torch::nn::Conv2dOptions(in, out, kernel).stride(stride).padding(kernel / 2).bias(false));
}

/// 1 x 1, 3 x 3 and 1 x 1 convolutions to 4 x width; where a stride is wanted, an average pooling makes it (Zhang, ICML
/// 2019) and every convolution has stride 1.
class ClipBottleneck final : public torch::nn::Module {
 public:
  ClipBottleneck(int64_t in, int64_t width, int64_t stride) : stride_(stride) {
    const int64_t channels[] = {in, width, width, 4 * width};
    for (size_t i = 0; i < 3; ++i) {
      const std::string number = std::to_string(i + 1);
      convolutions_.push_back(
          register_module("conv" + number, plain_convolution(channels[i], channels[i + 1], i == 1 ? 3 : 1)));
      norms_.push_back(register_module("bn" + number, torch::nn::BatchNorm2d(channels[i + 1])));
    }
    // A block begins as the identity.
    torch::nn::init::zeros_(norms_[2]->weight);
    if (stride == 1 && in == 4 * width) return;
    downsample_ = register_module(
        "downsample", torch::nn::Sequential(plain_convolution(in, 4 * width, 1), torch::nn::BatchNorm2d(4 * width)));
  }

  at::Tensor forward(const at::Tensor& x) {
    at::Tensor out = norms_[0](convolutions_[0](x)).relu();
    out = pooled(norms_[1](convolutions_[1](out)).relu());
    out = norms_[2](convolutions_[2](out));
    return (out + (downsample_ ? downsample_->forward(pooled(x)) : x)).relu();
  }

 private:
  at::Tensor pooled(const at::Tensor& x) const { return stride_ > 1 ? at::avg_pool2d(x, stride_) : x; }

  int64_t stride_;
  std::vector<torch::nn::Conv2d> convolutions_;
  std::vector<torch::nn::BatchNorm2d> norms_;
  torch::nn::Sequential downsample_{nullptr};
};

/// A map [B, C, h, w] -> [B, output]: the mean of its positions attends to the mean and all positions.
class AttentionPool final : public torch::nn::Module {
 public:
  AttentionPool(int64_t grid, int64_t width, int64_t heads, int64_t output) : heads_(heads) {
    positional_embedding_ =
        register_parameter("positional_embedding", at::randn({1 + grid * grid, width}) * std::pow(width, -0.5));
    q_ = add("q_proj", width, width);
    k_ = add("k_proj", width, width);
    v_ = add("v_proj", width, width);
    c_ = add("c_proj", width, output);
  }

  at::Tensor forward(const at::Tensor& map) {
    const at::Tensor positions = map.flatten(2).transpose(1, 2);
    const at::Tensor x = at::cat({positions.mean(1, /*keepdim=*/true), positions}, 1) + positional_embedding_;
    return c_(attend(split(q_(x.narrow(1, 0, 1))), split(k_(x)), split(v_(x)), {})).squeeze(1);
  }

 private:
  torch::nn::Linear add(const std::string& name, int64_t in, int64_t out) {
    torch::nn::Linear linear = register_module(name, torch::nn::Linear(in, out));
    torch::nn::init::normal_(linear->weight, 0, std::pow(in, -0.5));
    return linear;
  }

  at::Tensor split(const at::Tensor& x) const {
    return x.view({x.size(0), x.size(1), heads_, x.size(2) / heads_}).transpose(1, 2);
  }

  int64_t heads_;
  at::Tensor positional_embedding_;
  torch::nn::Linear q_{nullptr}, k_{nullptr}, v_{nullptr}, c_{nullptr};
};

/// ResNet with a stem of three convolutions, antialiased strides and attention pooling. `tokens` [B, h*w, 32 * width]:
/// the last stage's positions in reading order; `global`: their attention pooling.
class ModifiedResnet final : public VisionTrunk {
 public:
  explicit ModifiedResnet(const VisionSizes& sizes) {
    const int64_t width = sizes.width;
    add_stem(3, width / 2, 2);
    add_stem(width / 2, width / 2, 1);
    add_stem(width / 2, width, 1);
    int64_t in = width;
    for (size_t stage = 0; stage < 4; ++stage) in = add_stage(stage, in, width << stage, sizes.blocks[stage]);
    const int64_t heads = head_count(in, "the ResNet's last stage");
    attnpool_ = register_module("attnpool",
                                std::make_shared<AttentionPool>(sizes.image / sizes.stride(), in, heads, sizes.output));
  }

  orbweaver::Representation forward(const at::Tensor& images) override {
    at::Tensor x = images;
    for (size_t i = 0; i < 3; ++i) x = norms_[i](convolutions_[i](x)).relu();
    x = at::avg_pool2d(x, 2);
    for (const auto& block : blocks_) x = block->forward(x);
    orbweaver::Representation image;
    image.tokens = x.flatten(2).transpose(1, 2).contiguous();
    image.global = attnpool_->forward(x);
    return image;
  }

 private:
  void add_stem(int64_t in, int64_t out, int64_t stride) {
    const std::string number = std::to_string(convolutions_.size() + 1);
    convolutions_.push_back(register_module("conv" + number, plain_convolution(in, out, 3, stride)));
    norms_.push_back(register_module("bn" + number, torch::nn::BatchNorm2d(out)));
  }

  /// Returns the stage's channels.
  int64_t add_stage(size_t stage, int64_t in, int64_t width, int64_t count) {
    torch::nn::Sequential layer;
    for (int64_t i = 0; i < count; ++i) {
      blocks_.push_back(std::make_shared<ClipBottleneck>(i == 0 ? in : 4 * width, width, i == 0 && stage > 0 ? 2 : 1));
      layer->push_back(blocks_.back());
    }
    register_module("layer" + std::to_string(stage + 1), layer);
    return 4 * width;
  }

  std::vector<torch::nn::Conv2d> convolutions_;
  std::vector<torch::nn::BatchNorm2d> norms_;
  std::vector<std::shared_ptr<ClipBottleneck>> blocks_;
  std::shared_ptr<AttentionPool> attnpool_;
};

inline std::shared_ptr<VisionTrunk> make_vision_trunk(const VisionSizes& sizes) {
  if (sizes.is_resnet()) return std::make_shared<ModifiedResnet>(sizes);
  return std::make_shared<VisionTransformer>(sizes);
}

}  // namespace
