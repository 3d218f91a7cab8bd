// The convolutional stages of ResNet-18, 34 and 50 (He et al., CVPR 2016), with torchvision's names.
#pragma once

#include <ATen/ATen.h>
#include <torch/nn/init.h>
#include <torch/nn/modules/batchnorm.h>
#include <torch/nn/modules/container/sequential.h>
#include <torch/nn/modules/conv.h>

#include <array>
#include <filesystem>
#include <iostream>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "orbweaver/error.h"
#include "orbweaver/image_input.h"
#include "orbweaver/torch/weights.h"

namespace {

inline torch::nn::Conv2d convolution(int64_t in, int64_t out, int64_t kernel, int64_t stride) {
  torch::nn::Conv2d conv(torch::nn::Conv2dOptions(in, out, kernel).stride(stride).padding(kernel / 2).bias(false));
  torch::nn::init::kaiming_normal_(conv->weight, 0, torch::kFanOut, torch::kReLU);
  return conv;
}

/// A residual block: two 3 x 3 convolutions, or with `bottleneck` 1 x 1, 3 x 3 (with the stride) and 1 x 1 to 4 x
/// width.
class ResidualBlock final : public torch::nn::Module {
 public:
  ResidualBlock(int64_t in, int64_t width, int64_t stride, bool bottleneck) {
    const int64_t out = bottleneck ? 4 * width : width;
    if (bottleneck) {
      add(in, width, 1, 1);
      add(width, width, 3, stride);
      add(width, out, 1, 1);
    } else {
      add(in, width, 3, stride);
      add(width, width, 3, 1);
    }
    if (stride != 1 || in != out)
      downsample_ = register_module(
          "downsample", torch::nn::Sequential(convolution(in, out, 1, stride), torch::nn::BatchNorm2d(out)));
  }

  at::Tensor forward(const at::Tensor& input) {
    at::Tensor x = input;
    for (size_t i = 0; i < convolutions_.size(); ++i) {
      if (i > 0) x = x.relu();
      x = norms_[i](convolutions_[i](x));
    }
    return (x + (downsample_.is_empty() ? input : downsample_->forward(input))).relu();
  }

 private:
  void add(int64_t in, int64_t out, int64_t kernel, int64_t stride) {
    const std::string number = std::to_string(convolutions_.size() + 1);
    convolutions_.push_back(register_module("conv" + number, convolution(in, out, kernel, stride)));
    norms_.push_back(register_module("bn" + number, torch::nn::BatchNorm2d(out)));
  }

  std::vector<torch::nn::Conv2d> convolutions_;
  std::vector<torch::nn::BatchNorm2d> norms_;
  torch::nn::Sequential downsample_{nullptr};
};

/// Images [B, 3, H, W] -> the maps of the four stages, finest first: f1 [B, C1, H/4, W/4], f2 at 1/8, f3 at 1/16, f4 at
/// 1/32 (rounded up). Channels are 64, 128, 256, 512, for depth 50 four times as many.
class ResnetTrunk final : public torch::nn::Module {
 public:
  using Stages = std::array<at::Tensor, 4>;

  /// @param component  kind and id, for errors: "image_encoder resnet".
  /// @throws InputError for a depth other than 18, 34 and 50.
  ResnetTrunk(int64_t depth, std::string component) : depth_(depth), component_(std::move(component)) {
    const bool bottleneck = depth == 50;
    if (depth != 18 && depth != 34 && !bottleneck)
      throw orbweaver::InputError(component_ + ": depth is " + std::to_string(depth) + "; there are 18, 34 and 50");
    const std::array<int64_t, 4> blocks =
        depth == 18 ? std::array<int64_t, 4>{2, 2, 2, 2} : std::array<int64_t, 4>{3, 4, 6, 3};
    conv1_ = register_module("conv1", convolution(3, 64, 7, 2));
    bn1_ = register_module("bn1", torch::nn::BatchNorm2d(64));
    int64_t in = 64;
    for (size_t stage = 0; stage < 4; ++stage) in = add_stage(stage, in, blocks[stage], bottleneck);
  }

  /// Width of a stage's map, stages counted from 0.
  int64_t channels(size_t stage) const { return channels_[stage]; }

  Stages forward(const at::Tensor& images) {
    at::Tensor x = at::max_pool2d(bn1_(conv1_(images)).relu(), 3, 2, 1);
    Stages maps;
    for (size_t stage = 0; stage < 4; ++stage) {
      for (auto& block : stages_[stage]) x = block->forward(x);
      maps[stage] = x;
    }
    return maps;
  }

  /// Loads a state dict with torchvision's names; its classifier fc.* is passed over, which is said on stderr.
  ///
  /// @throws InputError where names or shapes do not fit.
  void load(const std::filesystem::path& weights) { load(orbweaver::read_state_dict(weights), weights); }

  void load(const orbweaver::StateDict& state, const std::filesystem::path& weights) {
    orbweaver::LoadOptions options;
    options.ignored_prefixes = {"fc."};
    options.source = weights.string() + " (" + component_ + ", depth " + std::to_string(depth_) + ")";
    const auto report = orbweaver::load_state_dict(*this, state, options);
    if (!report.ignored.empty())
      std::clog << component_ << ": the classifier fc.* in " << weights.string() << " is not used\n";
  }

 private:
  /// Returns the stage's width.
  int64_t add_stage(size_t stage, int64_t in, int64_t count, bool bottleneck) {
    const int64_t width = int64_t{64} << stage;
    channels_[stage] = bottleneck ? 4 * width : width;
    torch::nn::Sequential layer;
    for (int64_t i = 0; i < count; ++i) {
      auto block = std::make_shared<ResidualBlock>(i == 0 ? in : channels_[stage], width, i == 0 && stage > 0 ? 2 : 1,
                                                   bottleneck);
      layer->push_back(block);
      stages_[stage].push_back(block);
    }
    register_module("layer" + std::to_string(stage + 1), layer);
    return channels_[stage];
  }

  int64_t depth_;
  std::string component_;
  std::array<int64_t, 4> channels_{};
  torch::nn::Conv2d conv1_{nullptr};
  torch::nn::BatchNorm2d bn1_{nullptr};
  std::array<std::vector<std::shared_ptr<ResidualBlock>>, 4> stages_;
};

/// Images stretched to a square and normalised by ImageNet's mean and deviation. (torchvision's evaluation crops the
/// centre instead; in aerial images the border matters as much.)
inline orbweaver::ImageInput imagenet_square(int64_t size) {
  orbweaver::ImageInput input;
  input.height = input.width = size;
  input.mean = {0.485f, 0.456f, 0.406f};
  input.std = {0.229f, 0.224f, 0.225f};
  return input;
}

/// Positions of a map [B, C, h, w] in reading order, [B, h*w, C].
inline at::Tensor positions_of(const at::Tensor& map) { return map.flatten(2).transpose(1, 2).contiguous(); }

}  // namespace
