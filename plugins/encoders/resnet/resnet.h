// Image encoder: ResNet-18, 34 or 50 (He et al., CVPR 2016), with torchvision's names.
#pragma once

#include <filesystem>
#include <memory>

#include "../../shared/resnet_trunk.h"
#include "orbweaver/params.h"
#include "orbweaver/torch/image_encoder.h"

namespace {

struct ResnetParams {
  int64_t depth = 18;
  std::filesystem::path weights;
  int64_t size = 224;

  static void describe(orbweaver::ParamSpec<ResnetParams>& p) {
    p.field("depth", &ResnetParams::depth, "Layers: 18, 34 or 50").range(18, 50).tune({18, 34, 50});
    p.field("weights", &ResnetParams::weights,
            "torchvision's state dict (zip .pt or .pth, or .safetensors); its classifier "
            "fc.* is passed over; random initial weights when empty");
    p.field("size", &ResnetParams::size, "Height and width that images are stretched to").range(32, 4096);
  }
};

/// tokens = positions of the fourth stage's map [B, h*w, C], global = their mean [B, C]; C is 512, for depth 50 2048.
class ResnetEncoder final : public orbweaver::ImageEncoder {
 public:
  using Params = ResnetParams;

  ResnetEncoder(const Params& params, const orbweaver::Inputs&)
      : params_(params), trunk_(std::make_shared<ResnetTrunk>(params.depth, "image_encoder resnet")) {
    // The trunk's parts stand at the root, not below a "trunk.": these are the names of torchvision's files.
    for (const auto& part : trunk_->named_children()) register_module(part.key(), part.value());
    if (!params.weights.empty()) trunk_->load(params.weights);
  }

  orbweaver::ImageInput input() const override { return imagenet_square(params_.size); }

  orbweaver::Widths outputs() const override { return {.global = trunk_->channels(3), .tokens = trunk_->channels(3)}; }

  orbweaver::Representation forward(const at::Tensor& images) override {
    orbweaver::Representation image;
    image.tokens = positions_of(trunk_->forward(images)[3]);
    image.global = image.tokens.mean(1);
    return image;
  }

 private:
  Params params_;
  std::shared_ptr<ResnetTrunk> trunk_;
};

}  // namespace
