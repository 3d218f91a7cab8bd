// Image encoder: ResNet-18, 34 or 50 (He et al., CVPR 2016), with torchvision's names.
#pragma once

#include <ATen/ATen.h>
#include <torch/nn/init.h>
#include <torch/nn/modules/batchnorm.h>
#include <torch/nn/modules/container/sequential.h>
#include <torch/nn/modules/conv.h>

#include <filesystem>
#include <iostream>
#include <string>
#include <vector>

#include "orbweaver/params.h"
#include "orbweaver/torch/image_encoder.h"
#include "orbweaver/torch/weights.h"

namespace {

struct ResnetParams {
  int64_t depth = 18;
  std::filesystem::path weights;
  int64_t size = 224;

  static void describe(orbweaver::ParamSpec<ResnetParams>& p) {
    p.field("depth", &ResnetParams::depth, "Layers: 18, 34 or 50").range(18, 50);
    p.field("weights", &ResnetParams::weights,
            "torchvision's state dict (zip .pt or .pth, or .safetensors); its classifier "
            "fc.* is passed over; random initial weights when empty");
    p.field("size", &ResnetParams::size, "Height and width that images are stretched to").range(32, 4096);
  }
};

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

/// tokens = positions of the fourth stage's map [B, h*w, C], global = their mean [B, C]; C is 512, for depth 50 2048.
///
/// Images are stretched to a square and normalised by ImageNet's mean and deviation. (torchvision's evaluation crops
/// the centre instead; in aerial images the border matters as much.)
class ResnetEncoder final : public orbweaver::ImageEncoder {
 public:
  using Params = ResnetParams;

  ResnetEncoder(const Params& params, const orbweaver::Inputs&) : params_(params) {
    const bool bottleneck = params.depth == 50;
    if (params.depth != 18 && params.depth != 34 && !bottleneck)
      throw orbweaver::InputError("image_encoder resnet: depth is " + std::to_string(params.depth) +
                                  "; there are 18, 34 and 50");
    const std::vector<int64_t> blocks =
        params.depth == 18 ? std::vector<int64_t>{2, 2, 2, 2} : std::vector<int64_t>{3, 4, 6, 3};
    conv1_ = register_module("conv1", convolution(3, 64, 7, 2));
    bn1_ = register_module("bn1", torch::nn::BatchNorm2d(64));
    channels_ = 64;
    for (size_t stage = 0; stage < 4; ++stage) add_stage(stage, blocks[stage], bottleneck);
    if (!params.weights.empty()) load_weights();
  }

  orbweaver::ImageInput input() const override {
    orbweaver::ImageInput input;
    input.height = input.width = params_.size;
    input.mean = {0.485f, 0.456f, 0.406f};
    input.std = {0.229f, 0.224f, 0.225f};
    return input;
  }

  orbweaver::Widths outputs() const override { return {.global = channels_, .tokens = channels_}; }

  orbweaver::Representation forward(const at::Tensor& images) override {
    at::Tensor x = at::max_pool2d(bn1_(conv1_(images)).relu(), 3, 2, 1);
    for (auto& block : blocks_) x = block->forward(x);
    orbweaver::Representation image;
    image.tokens = x.flatten(2).transpose(1, 2).contiguous();
    image.global = image.tokens.mean(1);
    return image;
  }

 private:
  void add_stage(size_t stage, int64_t count, bool bottleneck) {
    const int64_t width = int64_t{64} << stage;
    torch::nn::Sequential layer;
    for (int64_t i = 0; i < count; ++i) {
      auto block = std::make_shared<ResidualBlock>(channels_, width, i == 0 && stage > 0 ? 2 : 1, bottleneck);
      channels_ = bottleneck ? 4 * width : width;
      layer->push_back(block);
      blocks_.push_back(block);
    }
    register_module("layer" + std::to_string(stage + 1), layer);
  }

  void load_weights() {
    orbweaver::LoadOptions options;
    options.ignored_prefixes = {"fc."};
    options.source = params_.weights.string() + " (image_encoder resnet, depth " + std::to_string(params_.depth) + ")";
    const auto report = orbweaver::load_state_dict(*this, orbweaver::read_state_dict(params_.weights), options);
    if (!report.ignored.empty())
      std::clog << "image_encoder resnet: the classifier fc.* in " << params_.weights.string() << " is not used\n";
  }

  Params params_;
  int64_t channels_ = 0;
  torch::nn::Conv2d conv1_{nullptr};
  torch::nn::BatchNorm2d bn1_{nullptr};
  std::vector<std::shared_ptr<ResidualBlock>> blocks_;
};

}  // namespace
