// Image encoder on any network that OpenCV reads: a named layer's output, frozen.
#pragma once

#include <ATen/ATen.h>

#include <algorithm>
#include <cstring>
#include <filesystem>
#include <opencv2/core.hpp>
#include <opencv2/dnn.hpp>
#include <optional>
#include <string>
#include <vector>

#include "../../shared/opencv_network.h"
#include "orbweaver/params.h"
#include "orbweaver/torch/image_encoder.h"

namespace {

struct OpencvDnnParams {
  enum class Channels { rgb, bgr };
  using Interpolation = orbweaver::ImageInput::Interpolation;
  std::filesystem::path weights, network;
  std::string layer;
  int64_t size = 256;
  std::optional<int64_t> height, width;
  Interpolation interpolation = Interpolation::bilinear;
  Channels channels = Channels::rgb;
  std::vector<double> mean = {0, 0, 0}, deviation = {1, 1, 1};

  static void describe(orbweaver::ParamSpec<OpencvDnnParams>& p) {
    p.field("weights", &OpencvDnnParams::weights, "Darknet .weights, .onnx, Caffe .caffemodel or TensorFlow .pb")
        .required();
    p.field("network", &OpencvDnnParams::network,
            "Darknet .cfg, Caffe .prototxt or TensorFlow .pbtxt; when empty, the file "
            "of the same stem beside the weights where the format needs one");
    p.field("layer", &OpencvDnnParams::layer, "Layer whose output is taken; when empty, the network's last output");
    p.field("size", &OpencvDnnParams::size, "Height and width that images are stretched to").range(1, 8192);
    p.field("height", &OpencvDnnParams::height, "Height, where it is not `size`").range(1, 8192);
    p.field("width", &OpencvDnnParams::width, "Width, where it is not `size`").range(1, 8192);
    p.field("interpolation", &OpencvDnnParams::interpolation,
            {{"bilinear", Interpolation::bilinear}, {"bicubic", Interpolation::bicubic}, {"area", Interpolation::area}},
            "How images are resized");
    p.field("channels", &OpencvDnnParams::channels, {{"rgb", Channels::rgb}, {"bgr", Channels::bgr}},
            "Order of the channels that the network was trained with");
    p.field("mean", &OpencvDnnParams::mean, "Subtracted from pixel / 255; red, green, blue").min_items(3);
    p.field("std", &OpencvDnnParams::deviation, "Divides after that; 0.00392157 thrice for a network that takes 0..255")
        .min_items(3);
  }
};

/// A layer's map [C, h, w] gives `tokens` [B, h*w, C] and their mean `global` [B, C]; a layer that makes one row per
/// image gives `global` alone. Nothing is trained.
class OpencvDnnEncoder final : public orbweaver::ImageEncoder {
 public:
  using Params = OpencvDnnParams;

  OpencvDnnEncoder(const Params& params, const orbweaver::Inputs&) : params_(params) {
    if (params_.mean.size() != 3 || params_.deviation.size() != 3)
      throw orbweaver::InputError("image_encoder opencv_dnn: mean and std take 3 numbers each (red, green, blue)");
    for (const double deviation : params_.deviation)
      if (deviation == 0) throw orbweaver::InputError("image_encoder opencv_dnn: std holds a 0; it divides the pixels");
    net_ = read_network(params_.weights, params_.network, "image_encoder opencv_dnn");
    choose_layer();
    find_widths();
  }

  orbweaver::ImageInput input() const override {
    orbweaver::ImageInput input;
    input.height = params_.height.value_or(params_.size);
    input.width = params_.width.value_or(params_.size);
    input.interpolation = params_.interpolation;
    for (size_t c = 0; c < 3; ++c) {
      input.mean[c] = static_cast<float>(params_.mean[c]);
      input.std[c] = static_cast<float>(params_.deviation[c]);
    }
    return input;
  }

  orbweaver::Widths outputs() const override { return widths_; }

  orbweaver::Representation forward(const at::Tensor& images) override {
    at::NoGradGuard no_grad;
    at::Tensor pixels = images.detach().to(at::kCPU, at::kFloat);
    if (params_.channels == Params::Channels::bgr) pixels = pixels.flip(1);
    pixels = pixels.contiguous();
    // One image at a time: a result then never depends on the rest of the batch, and networks with a fixed batch of one
    // work. OpenCV's threads share the work within an image.
    std::vector<at::Tensor> outputs;
    for (int64_t i = 0; i < pixels.size(0); ++i) outputs.push_back(run(pixels.narrow(0, i, 1)));
    const at::Tensor output = at::cat(outputs).to(images.options());

    orbweaver::Representation image;
    if (output.dim() == 2) {
      image.global = output;
      return image;
    }
    image.tokens = output.flatten(2).transpose(1, 2).contiguous();
    image.global = image.tokens.mean(1);
    return image;
  }

 private:
  [[noreturn]] void fail(const std::string& what) const {
    throw orbweaver::InputError("image_encoder opencv_dnn: " + what);
  }

  void choose_layer() {
    layer_ = params_.layer;
    if (layer_.empty()) {
      const std::vector<cv::String> outputs = net_.getUnconnectedOutLayersNames();
      if (outputs.empty()) fail(params_.weights.string() + ": the network has no output");
      layer_ = outputs.back();
    }
    const std::vector<cv::String> names = net_.getLayerNames();
    if (std::find(names.begin(), names.end(), layer_) != names.end()) return;
    const std::string nearest = orbweaver::nearest_name(layer_, {names.begin(), names.end()});
    std::string some;
    for (size_t i = names.size() - std::min<size_t>(names.size(), 5); i < names.size(); ++i) some += " " + names[i];
    fail(params_.weights.string() + ": no layer \"" + layer_ + "\"" +
         (nearest.empty() ? "" : "; did you mean \"" + nearest + "\"?") + " (its last of " +
         std::to_string(names.size()) + " layers:" + some + ")");
  }

  void find_widths() {
    const orbweaver::ImageInput in = input();
    const at::Tensor output = run(at::zeros({1, 3, in.height, in.width}));
    widths_.global = output.size(1);
    if (output.dim() == 4) widths_.tokens = output.size(1);
  }

  /// @param image  [1, 3, H, W] contiguous float.
  /// @return       [1, C, h, w] or [1, D], a copy of OpenCV's own memory.
  at::Tensor run(const at::Tensor& image) {
    const std::vector<int> shape = {1, 3, static_cast<int>(image.size(2)), static_cast<int>(image.size(3))};
    cv::Mat output;
    try {
      QuietOpencv quiet;
      net_.setInput(cv::Mat(shape, CV_32F, image.data_ptr<float>()));
      output = net_.forward(layer_);
    } catch (const cv::Exception& error) {
      fail(params_.weights.string() + ": layer \"" + layer_ + "\" fails on " + std::to_string(shape[2]) + " x " +
           std::to_string(shape[3]) + " pixels (the network may want another `size`): " + one_line(error));
    }
    return to_tensor(output);
  }

  at::Tensor to_tensor(const cv::Mat& output) const {
    std::vector<int64_t> sizes;
    std::string text;
    for (int d = 0; d < output.dims; ++d) {
      sizes.push_back(output.size[d]);
      text += (d > 0 ? ", " : "") + std::to_string(output.size[d]);
    }
    if ((output.dims != 2 && output.dims != 4) || output.size[0] != 1 || output.type() != CV_32F)
      fail(
          params_.weights.string() + ": layer \"" + layer_ + "\" makes [" + text +
          "] of one image, expected a map [1, channels, height, width] or a vector [1, width]; choose another `layer`");
    const cv::Mat packed = output.isContinuous() ? output : output.clone();
    at::Tensor tensor = at::empty(sizes, at::kFloat);
    std::memcpy(tensor.data_ptr<float>(), packed.ptr<float>(), tensor.nbytes());
    return tensor;
  }

  Params params_;
  cv::dnn::Net net_;
  std::string layer_;
  orbweaver::Widths widths_;
};

}  // namespace
