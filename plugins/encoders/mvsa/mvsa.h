// Image encoder: ResNet stages with multi-level visual self-attention (MVSA), the global branch of GaLR (Yuan et al.,
// TGRS 2022, DOI 10.1109/TGRS.2022.3163706) and of AMFMN, which leaves the L2 normalisation out.
#pragma once

#include <ATen/ATen.h>
#include <torch/nn/modules/conv.h>
#include <torch/nn/modules/linear.h>

#include <charconv>
#include <cmath>
#include <filesystem>
#include <memory>
#include <string>
#include <string_view>

#include "../../shared/resnet_trunk.h"
#include "orbweaver/params.h"
#include "orbweaver/torch/fusion.h"
#include "orbweaver/torch/image_encoder.h"

namespace {

struct MvsaParams {
  int64_t depth = 18;
  std::filesystem::path weights;
  int64_t size = 256;
  int64_t width = 512;
  bool attention = true;
  int64_t attention_channels = 3;
  bool l2 = true;

  static void describe(orbweaver::ParamSpec<MvsaParams>& p) {
    p.field("depth", &MvsaParams::depth, "Layers of the ResNet: 18 (published), 34 or 50").range(18, 50);
    p.field("weights", &MvsaParams::weights,
            "torchvision's state dict of the ResNet (zip .pt or .pth, or .safetensors), its classifier fc.* is passed "
            "over; or one of the whole encoder, names trunk.*, linear.* and mvsa.*; random initial weights when empty");
    p.field("size", &MvsaParams::size,
            "Height and width that images are stretched to, a multiple of 32; the attention's linear layer has an "
            "input for each of (size/16)^2 positions, so weights of the attention fit one size (published: 256)")
        .range(32, 4096);
    p.field("width", &MvsaParams::width, "Width of the output").range(1, 65536);
    p.field("attention", &MvsaParams::attention,
            "Multi-level visual self-attention; false is row g1 of GaLR's Table IV (CNN), true g2 (CNN + MVSA)");
    p.field("attention_channels", &MvsaParams::attention_channels,
            "Channels that each level is reduced to inside the attention")
        .range(1, 512);
    p.field("l2", &MvsaParams::l2, "L2-normalise the output: true in GaLR, false in AMFMN");
  }
};

/// The map [B, C, h, w] with every position twice in both directions: nearest-neighbour upsampling.
///
/// Written as an expansion because its gradient is a sum, deterministic on every device.
inline at::Tensor upsample_twice(const at::Tensor& map) {
  const int64_t b = map.size(0), c = map.size(1), h = map.size(2), w = map.size(3);
  return map.view({b, c, h, 1, w, 1}).expand({b, c, h, 2, w, 2}).reshape({b, c, 2 * h, 2 * w});
}

/// Multi-level visual self-attention: positions of two levels decide which dimensions of the scene vector count.
///
///   L = conv3x3 stride 4(lower), H = conv1x1(higher), both with `channels` channels at [P, P]
///   M = [L; H] + mean over channels of H
///   A = conv1x1(M) * sigmoid(conv1x1(M))                       one channel
///   output = solo * sigmoid(linear(flatten(A)))
///
/// The linear layer has P*P inputs, 256 as published. Names of the parameters are those of the released code.
class MultiLevelAttention final : public torch::nn::Module {
 public:
  struct Sizes {
    int64_t lower = 192, higher = 768;  ///< channels of the two levels
    int64_t positions = 256;            ///< P*P
    int64_t width = 512;                ///< of the scene vector
    int64_t channels = 3;
  };

  explicit MultiLevelAttention(const Sizes& sizes) {
    // No padding: with P*4 positions a side the windows of 3 at stride 4 give P, as released.
    reduce_lower_ = register_module(
        "LF_conv", torch::nn::Conv2d(torch::nn::Conv2dOptions(sizes.lower, sizes.channels, 3).stride(4)));
    reduce_higher_ =
        register_module("HF_conv", torch::nn::Conv2d(torch::nn::Conv2dOptions(sizes.higher, sizes.channels, 1)));
    const torch::nn::Conv2dOptions to_one(2 * sizes.channels, 1, 1);
    values_ = register_module("conv1x1_1", torch::nn::Conv2d(to_one));
    attention_ = register_module("conv1x1_2", torch::nn::Conv2d(to_one));
    gate_ = register_module("solo_attention", torch::nn::Linear(sizes.positions, sizes.width));
  }

  /// @param lower   [B, lower, 4P, 4P]
  /// @param higher  [B, higher, P, P]
  /// @param solo    [B, width]
  /// @return        [B, width], not normalised
  at::Tensor forward(const at::Tensor& lower, const at::Tensor& higher, const at::Tensor& solo) {
    const at::Tensor coarse = reduce_higher_(higher);
    const at::Tensor levels = at::cat({reduce_lower_(lower), coarse}, 1) + coarse.mean(1, /*keepdim=*/true);
    const at::Tensor attended = values_(levels) * attention_(levels).sigmoid();
    return solo * gate_(attended.flatten(1)).sigmoid();
  }

 private:
  torch::nn::Conv2d reduce_lower_{nullptr}, reduce_higher_{nullptr}, values_{nullptr}, attention_{nullptr};
  torch::nn::Linear gate_{nullptr};
};

/// global [B, width]: solo = linear(mean over positions of f4), gated by the attention over
/// lower = [f1; upsampled f2] at size/4 and higher = [f3; upsampled f4] at size/16, then L2-normalised where `l2`.
/// tokens [B, (size/32)^2, C4]: positions of f4 in reading order (C4 is 512, for depth 50 2048); solo is linear in
/// their mean. They are neither gated nor normalised: the published attention acts on the one vector only.
///
/// Names: trunk.* (torchvision's below it), linear.*, and with attention mvsa.*.
///
/// `attention: false` leaves global = linear(mean of f4), normalised where `l2`: GaLR's g1 and g2 (Table IV) differ by
/// this one key. The size is published as 256 pixels because of the 256 inputs of the attention's linear layer; here
/// that layer follows the size, and its weights fit no other. The size travels in the checkpoint, so that a run opened
/// at another size is told which one it needs.
class MvsaEncoder final : public orbweaver::ImageEncoder {
 public:
  using Params = MvsaParams;

  MvsaEncoder(const Params& params, const orbweaver::Inputs&) : params_(params) {
    check_size();
    trunk_ = register_module("trunk", std::make_shared<ResnetTrunk>(params.depth, kComponent));
    linear_ = register_module("linear", torch::nn::Linear(trunk_->channels(3), params.width));
    if (params.attention) {
      MultiLevelAttention::Sizes sizes;
      sizes.lower = trunk_->channels(0) + trunk_->channels(1);
      sizes.higher = trunk_->channels(2) + trunk_->channels(3);
      sizes.positions = positions();
      sizes.width = params.width;
      sizes.channels = params.attention_channels;
      attention_ = register_module("mvsa", std::make_shared<MultiLevelAttention>(sizes));
    }
    if (!params.weights.empty()) load_weights();
  }

  orbweaver::ImageInput input() const override { return imagenet_square(params_.size); }

  orbweaver::Widths outputs() const override { return {.global = params_.width, .tokens = trunk_->channels(3)}; }

  orbweaver::Representation forward(const at::Tensor& images) override {
    if (images.dim() != 4 || images.size(2) != params_.size || images.size(3) != params_.size)
      throw orbweaver::ShapeError(std::string(kComponent) + ": images are " + c10::str(images.sizes()) +
                                  ", expected [B, 3, " + size_text() + ", " + size_text() + "]");
    const auto [f1, f2, f3, f4] = trunk_->forward(images);
    orbweaver::Representation image;
    image.tokens = positions_of(f4);
    image.global = linear_(image.tokens.mean(1));
    if (attention_)
      image.global =
          attention_->forward(at::cat({f1, upsample_twice(f2)}, 1), at::cat({f3, upsample_twice(f4)}, 1), image.global);
    if (params_.l2) image.global = orbweaver::l2_normalize(image.global);
    return image;
  }

  /// The size that the attention is made for, "size 256"; empty without attention, which then fits every size.
  std::string extra_state() const override { return attention_ ? "size " + size_text() : ""; }

  void load_extra_state(std::string_view state) override {
    constexpr std::string_view kPrefix = "size ";
    if (!attention_ || state.empty()) return;
    int64_t size = 0;
    const auto end = state.data() + state.size();
    if (!state.starts_with(kPrefix) || std::from_chars(state.data() + kPrefix.size(), end, size).ptr != end ||
        size <= 0)
      throw orbweaver::InputError(std::string(kComponent) + ": the checkpoint's extra state is \"" +
                                  std::string(state) + "\", expected \"size\" and a number; the file is damaged");
    if (size != params_.size) refuse_size("the checkpoint", size / 16 * (size / 16), size);
  }

 private:
  static constexpr const char* kComponent = "image_encoder mvsa";

  int64_t positions() const { return (params_.size / 16) * (params_.size / 16); }
  std::string size_text() const { return std::to_string(params_.size); }

  void check_size() const {
    if (params_.size % 32 == 0) return;
    const int64_t below = params_.size / 32 * 32;
    throw orbweaver::InputError(std::string(kComponent) + ": size is " + size_text() +
                                ", expected a multiple of 32, because the levels at 1/16 and 1/32 are laid over each "
                                "other; the nearest are " +
                                std::to_string(below) + " and " + std::to_string(below + 32));
  }

  void load_weights() {
    const auto state = orbweaver::read_state_dict(params_.weights);
    const auto first = state.lower_bound("trunk.");
    const bool whole = first != state.end() && first->first.starts_with("trunk.");
    if (!whole) return trunk_->load(state, params_.weights);

    check_positions(state);
    orbweaver::LoadOptions options;
    options.ignored_prefixes = {"trunk.fc."};
    if (!attention_) options.ignored_prefixes.push_back("mvsa.");
    options.source = params_.weights.string() + " (" + kComponent + ", depth " + std::to_string(params_.depth) + ")";
    const auto report = orbweaver::load_state_dict(*this, state, options);
    if (!report.ignored.empty())
      std::clog << kComponent << ": " << report.ignored.size() << " tensors of " << params_.weights.string()
                << " are not used, the first is " << report.ignored.front() << "\n";
  }

  /// Refuses weights of the attention that belong to another size, with the size that they need.
  void check_positions(const orbweaver::StateDict& state) const {
    const auto found = state.find("mvsa.solo_attention.weight");
    if (!attention_ || found == state.end() || found->second.dim() != 2) return;
    const int64_t inputs = found->second.size(1);
    const int64_t side = std::llround(std::sqrt(static_cast<double>(inputs)));
    if (inputs == positions() || side * side != inputs || side % 2 != 0) return;
    refuse_size(params_.weights.string(), inputs, 16 * side);
  }

  [[noreturn]] void refuse_size(const std::string& source, int64_t inputs, int64_t size) const {
    throw orbweaver::InputError(source + ": mvsa.solo_attention.weight has " + std::to_string(inputs) +
                                " inputs, expected " + std::to_string(positions()) + " for size " + size_text() +
                                ": the layer has one for each of (size/16)^2 positions (the published 256 fix 256 "
                                "pixels); set size to " +
                                std::to_string(size));
  }

  Params params_;
  std::shared_ptr<ResnetTrunk> trunk_;
  torch::nn::Linear linear_{nullptr};
  std::shared_ptr<MultiLevelAttention> attention_;
};

}  // namespace
