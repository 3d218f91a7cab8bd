// Image encoder: CLIP's ViT or modified ResNet (Radford et al., ICML 2021).
#pragma once

#include <filesystem>
#include <iostream>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "orbweaver/params.h"
#include "orbweaver/torch/image_encoder.h"
#include "vision.h"
#include "weights.h"

namespace {

struct ClipImageParams {
  std::filesystem::path weights;
  Activation activation = Activation::automatic;
  std::optional<int64_t> size, width, layers, patch, output;
  std::vector<int64_t> blocks;

  static void describe(orbweaver::ParamSpec<ClipImageParams>& p) {
    p.field("weights", &ClipImageParams::weights,
            "CLIP weights: OpenAI's archives, state dicts (.pt, .bin) and safetensors of open_clip and what is tuned "
            "with it, Hugging Face safetensors; all sizes follow from them; random initial weights when empty");
    p.field("activation", &ClipImageParams::activation,
            {{"auto", Activation::automatic}, {"quick_gelu", Activation::quick_gelu}, {"gelu", Activation::gelu}},
            "Between the layers of each block's MLP; auto: by the weights' family, printed (quick_gelu without "
            "weights); a ResNet has none");
    p.field("size", &ClipImageParams::size,
            "Height and width of images; positions are interpolated where the weights were made for another (224 "
            "without weights)")
        .range(32, 4096);
    p.field("width", &ClipImageParams::width, "Width of the ViT (768), or of a ResNet's first stage (64)")
        .range(2, 8192);
    p.field("layers", &ClipImageParams::layers, "Layers of the ViT (12)").range(1, 128);
    p.field("patch", &ClipImageParams::patch, "Side of the ViT's patches in pixels (32)").range(1, 512);
    p.field("output", &ClipImageParams::output, "Width of the projected feature (512)").range(1, 8192);
    p.field("blocks", &ClipImageParams::blocks,
            "Blocks of the four stages: makes a modified ResNet where there are no weights (RN50 is 3, 4, 6, 3)")
        .range(1, 128);
  }
};

/// global = the projected image feature, as `encode_image` gives it (not normalised) [B, output];
/// tokens = every position after the last layer: of a ViT the class token, then the patches in reading order
/// [B, 1 + patches, width]; of a ResNet the last stage's map [B, h*w, 32 * width].
///
/// Sizes travel in the checkpoint, so that a run needs its weights file no more once it is trained. Names in
/// checkpoints are those of OpenAI's files ("visual.conv1.weight").
class ClipImageEncoder final : public orbweaver::ImageEncoder {
 public:
  using Params = ClipImageParams;

  ClipImageEncoder(const Params& params, const orbweaver::Inputs&) : params_(params) {
    // A weights file that is gone is no fault where a checkpoint follows; `fit` complains.
    if (params_.weights.empty() || std::filesystem::exists(params_.weights)) find_sizes();
  }

  void fit(std::span<const std::string>) override {
    if (!sizes_) find_sizes();
    make_trunk();
    if (weights_) load();
    weights_.reset();
    print();
  }

  std::string extra_state() const override { return sizes_ ? sizes_line(*sizes_) : ""; }

  void load_extra_state(std::string_view state) override {
    sizes_ = parse_vision_sizes(state, kComponent);
    weights_.reset();
    make_trunk();
  }

  orbweaver::ImageInput input() const override {
    orbweaver::ImageInput input;
    input.height = input.width = sizes().image;
    input.resize = orbweaver::ImageInput::Resize::shortest_side;
    input.interpolation = orbweaver::ImageInput::Interpolation::bicubic;
    input.mean = {0.48145466f, 0.4578275f, 0.40821073f};
    input.std = {0.26862954f, 0.26130258f, 0.27577711f};
    return input;
  }

  orbweaver::Widths outputs() const override { return {.global = sizes().output, .tokens = sizes().token_width()}; }

  orbweaver::Representation forward(const at::Tensor& images) override {
    if (!trunk_) throw orbweaver::Error(kComponent + ": used before it was fitted or loaded");
    return trunk_->forward(images);
  }

 private:
  inline static const std::string kComponent = "image_encoder clip_image";

  [[noreturn]] void fail(const std::string& what) const { throw orbweaver::InputError(kComponent + ": " + what); }

  const VisionSizes& sizes() const {
    if (!sizes_) throw orbweaver::Error(kComponent + ": used before it was fitted or loaded");
    return *sizes_;
  }

  void find_sizes() {
    VisionSizes sizes;
    if (!params_.weights.empty()) {
      weights_ = shared_clip_weights(params_.weights);
      sizes = vision_sizes(*weights_);
      check_against_weights(sizes);
    } else {
      sizes.blocks = params_.blocks;
      if (!sizes.blocks.empty() && sizes.blocks.size() != 4)
        fail("blocks has " + std::to_string(sizes.blocks.size()) + " numbers; a ResNet has four stages");
      if (sizes.is_resnet() && (params_.layers || params_.patch))
        fail("`blocks` makes a ResNet, which has no `layers` and `patch`; leave those out, or `blocks`");
      sizes.width = params_.width.value_or(sizes.is_resnet() ? 64 : sizes.width);
      sizes.layers = params_.layers.value_or(sizes.layers);
      sizes.patch = params_.patch.value_or(sizes.patch);
      sizes.output = params_.output.value_or(sizes.output);
      head_count(sizes.token_width(), kComponent);
    }
    if (params_.activation != Activation::automatic) sizes.activation = params_.activation;
    sizes.image = params_.size.value_or(sizes.image);
    if (sizes.image % sizes.stride() != 0)
      fail("size is " + std::to_string(sizes.image) + "; it must be a multiple of " + std::to_string(sizes.stride()) +
           (sizes.is_resnet() ? ", the ResNet's stride" : ", the side of a patch"));
    sizes_ = sizes;
  }

  void check_against_weights(const VisionSizes& sizes) const {
    const auto check = [&](const char* name, const std::optional<int64_t>& wanted, int64_t found) {
      if (wanted && *wanted != found)
        fail(std::string(name) + " is " + std::to_string(*wanted) + ", but " + params_.weights.string() + " has " +
             std::to_string(found) + "; leave it out");
    };
    check("width", params_.width, sizes.width);
    check("output", params_.output, sizes.output);
    if (!sizes.is_resnet()) check("layers", params_.layers, sizes.layers);
    if (!sizes.is_resnet()) check("patch", params_.patch, sizes.patch);
    if (sizes.is_resnet() && (params_.layers || params_.patch))
      fail(params_.weights.string() + " is a ResNet, which has no `layers` and `patch`; leave them out");
    if (!params_.blocks.empty() && params_.blocks != sizes.blocks)
      fail("blocks are not those of " + params_.weights.string() + "; leave them out");
  }

  void make_trunk() {
    trunk_ = make_vision_trunk(*sizes_);
    register_module("visual", trunk_);
  }

  void load() {
    orbweaver::StateDict state = weights_->visual;
    const std::string positions = sizes_->is_resnet() ? "attnpool.positional_embedding" : "positional_embedding";
    if (const VisionSizes own = vision_sizes(*weights_); own.image != sizes_->image) {
      state[positions] = resized_positions(state[positions], sizes_->image / sizes_->stride());
      std::clog << kComponent << ": positions of " << params_.weights.string() << " interpolated from " << own.image
                << " to " << sizes_->image << " pixels\n";
    }
    orbweaver::LoadOptions options;
    options.source = params_.weights.string() + " (" + kComponent + ", names below \"visual.\")";
    orbweaver::load_state_dict(*trunk_, state, options);
    if (params_.activation == Activation::automatic) activation_reason_ = " (" + weights_->activation_reason + ")";
  }

  void print() const {
    if (params_.weights.empty()) return;
    std::clog << kComponent << ": " << params_.weights.string() << ": " << sizes_line(*sizes_)
              << (sizes_->is_resnet() ? "" : activation_reason_) << "\n";
  }

  Params params_;
  std::optional<VisionSizes> sizes_;
  std::shared_ptr<const ClipWeights> weights_;  // from construction to fit, so that both sides share one reading
  std::string activation_reason_;
  std::shared_ptr<VisionTrunk> trunk_;
};

}  // namespace
