// Image encoder: any module exported by torch.jit.
#pragma once

#include <array>
#include <filesystem>
#include <iostream>
#include <optional>
#include <string>
#include <vector>

#include "orbweaver/image_input.h"
#include "orbweaver/params.h"
#include "orbweaver/torch/image_encoder.h"
#include "scripted_encoder.h"

namespace {

struct TorchscriptImageParams {
  using Resize = orbweaver::ImageInput::Resize;
  using Interpolation = orbweaver::ImageInput::Interpolation;
  std::filesystem::path file;
  OutputNames outputs;
  int64_t size = 224;
  std::optional<int64_t> height, width;
  Resize resize = Resize::stretch;
  Interpolation interpolation = Interpolation::bilinear;
  std::vector<double> mean = {0, 0, 0}, deviation = {1, 1, 1};

  static void describe(orbweaver::ParamSpec<TorchscriptImageParams>& p) {
    p.field("file", &TorchscriptImageParams::file, "TorchScript archive, as torch.jit.save writes it").required();
    p.field("outputs", &TorchscriptImageParams::outputs, kOutputsDoc);
    p.field("size", &TorchscriptImageParams::size, "Height and width of images").range(1, 8192);
    p.field("height", &TorchscriptImageParams::height, "Height, where it is not `size`").range(1, 8192);
    p.field("width", &TorchscriptImageParams::width, "Width, where it is not `size`").range(1, 8192);
    p.field("resize", &TorchscriptImageParams::resize,
            {{"stretch", Resize::stretch}, {"shortest_side", Resize::shortest_side}},
            "stretch: to height x width, whatever the aspect; shortest_side: the shortest side to the height, then the "
            "centre");
    p.field("interpolation", &TorchscriptImageParams::interpolation,
            {{"bilinear", Interpolation::bilinear}, {"bicubic", Interpolation::bicubic}, {"area", Interpolation::area}},
            "How images are resized");
    p.field("mean", &TorchscriptImageParams::mean, "Subtracted from pixel / 255; red, green, blue").min_items(3);
    p.field("std", &TorchscriptImageParams::deviation, "Divides after that; red, green, blue").min_items(3);
  }
};

/// What the archive's `forward(images [B, 3, height, width])` returns: `global` [B, D], `tokens` [B, T, D], or both
/// (result.h). Its parameters are trained with the model's; their names in checkpoints are Python's below "module.".
///
/// A checkpoint holds the tensors, not the graph: a trained run needs its archive, and refuses another.
class TorchscriptImageEncoder final : public orbweaver::ImageEncoder {
 public:
  using Params = TorchscriptImageParams;

  TorchscriptImageEncoder(const Params& params, const orbweaver::Inputs&)
      : input_(input_of(params)), encoder_(kComponent, params.file, params.outputs) {
    encoder_.find_widths([&](int64_t batch) {
      return ScriptedEncoder::Inputs{at::zeros({batch, 3, input_.height, input_.width})};
    });
    register_module("module", encoder_.module());
  }

  void fit(std::span<const std::string>) override { std::clog << encoder_.summary() << "\n"; }
  std::string extra_state() const override { return encoder_.identity(); }
  void load_extra_state(std::string_view state) override { encoder_.check_identity(state); }

  orbweaver::ImageInput input() const override { return input_; }
  orbweaver::Widths outputs() const override { return encoder_.widths(); }

  orbweaver::Representation forward(const at::Tensor& images) override {
    const ScriptedParts made = encoder_.run({images}, images.size(0));
    orbweaver::Representation image;
    image.global = made.global;
    image.tokens = made.tokens;
    return image;
  }

 private:
  inline static const std::string kComponent = "image_encoder torchscript_image";

  static std::array<float, 3> three(const std::vector<double>& numbers, const char* name) {
    if (numbers.size() != 3)
      throw orbweaver::InputError(kComponent + ": " + name + " has " + std::to_string(numbers.size()) +
                                  " numbers; it takes 3 (red, green, blue)");
    return {static_cast<float>(numbers[0]), static_cast<float>(numbers[1]), static_cast<float>(numbers[2])};
  }

  static orbweaver::ImageInput input_of(const Params& params) {
    orbweaver::ImageInput input;
    input.height = params.height.value_or(params.size);
    input.width = params.width.value_or(params.size);
    input.resize = params.resize;
    input.interpolation = params.interpolation;
    input.mean = three(params.mean, "mean");
    input.std = three(params.deviation, "std");
    for (const float deviation : input.std)
      if (deviation == 0) throw orbweaver::InputError(kComponent + ": std holds a 0; it divides the pixels");
    return input;
  }

  orbweaver::ImageInput input_;
  ScriptedEncoder encoder_;
};

}  // namespace
