// The scene level alone: a projection head on the encoder's global vector.
#pragma once

#include <ATen/ATen.h>
#include <torch/nn/modules/batchnorm.h>
#include <torch/nn/modules/dropout.h>
#include <torch/nn/modules/linear.h>
#include <torch/nn/modules/normalization.h>

#include <string>

#include "orbweaver/params.h"
#include "orbweaver/torch/fusion.h"

namespace {

struct HeadParams {
  enum class Layers { none, linear, mlp };
  enum class Norm { none, batch, layer };
  Layers layers = Layers::linear;
  int64_t hidden = 1024;
  double dropout = 0;
  Norm norm = Norm::none;

  static void describe(orbweaver::ParamSpec<HeadParams>& p) {
    p.field("layers", &HeadParams::layers, {{"none", Layers::none}, {"linear", Layers::linear}, {"mlp", Layers::mlp}},
            "none: the vector as it is (its width must be embed_dim); linear: one layer; mlp: two, with ReLU between");
    p.field("hidden", &HeadParams::hidden, "Width between the two layers of an mlp").range(1, 65536);
    p.field("dropout", &HeadParams::dropout, "Share of the last layer's inputs dropped in training").range(0, 0.95);
    p.field("norm", &HeadParams::norm, {{"none", Norm::none}, {"batch", Norm::batch}, {"layer", Norm::layer}},
            "Standardise the vector first: batch puts features of different scale, as frozen CNNs give, on one scale");
  }
};

struct GlobalParams {
  HeadParams image, text;

  static void describe(orbweaver::ParamSpec<GlobalParams>& p) {
    p.field("image", &GlobalParams::image, "Head of the image side");
    p.field("text", &GlobalParams::text, "Head of the text side");
  }
};

/// embedding = normalise(head(norm(global))). Each side has its own head.
class GlobalFusion final : public orbweaver::Fusion {
 public:
  using Params = GlobalParams;

  GlobalFusion(const Params& params, const orbweaver::Inputs& inputs) {
    const bool image = inputs.side == orbweaver::Side::image;
    const HeadParams& head = image ? params.image : params.text;
    const int64_t width = inputs.own().global, embed = inputs.embed_dim;
    const std::string side = image ? "image" : "text";
    if (width <= 0)
      throw orbweaver::InputError("fusion global needs the vector `global` of the " + side +
                                  "_encoder, which makes none; use "
                                  "another " +
                                  side + " encoder or layer, or a fusion that reads what it makes");
    if (head.layers == HeadParams::Layers::none && width != embed)
      throw orbweaver::InputError("fusion global: " + side + ".layers is \"none\", but the " + side +
                                  "_encoder's `global` "
                                  "is " +
                                  std::to_string(width) + " wide and embed_dim is " + std::to_string(embed) +
                                  "; use \"linear\", or set embed_dim to " + std::to_string(width));
    make_norm(head.norm, width);
    make_layers(head, width, embed);
  }

  at::Tensor forward(const orbweaver::Representation& side) override {
    at::Tensor x = side.global;
    if (batch_norm_) x = batch_norm_(x);
    if (layer_norm_) x = layer_norm_(x);
    if (hidden_) x = hidden_(x).relu();
    if (dropout_) x = dropout_(x);
    if (out_) x = out_(x);
    return orbweaver::l2_normalize(x);
  }

 private:
  void make_norm(HeadParams::Norm norm, int64_t width) {
    if (norm == HeadParams::Norm::batch) batch_norm_ = register_module("norm", torch::nn::BatchNorm1d(width));
    if (norm == HeadParams::Norm::layer)
      layer_norm_ = register_module("norm", torch::nn::LayerNorm(torch::nn::LayerNormOptions({width})));
  }

  void make_layers(const HeadParams& head, int64_t width, int64_t embed) {
    if (head.layers == HeadParams::Layers::none) return;
    const bool mlp = head.layers == HeadParams::Layers::mlp;
    if (mlp) hidden_ = register_module("hidden", torch::nn::Linear(width, head.hidden));
    if (head.dropout > 0) dropout_ = register_module("dropout", torch::nn::Dropout(head.dropout));
    out_ = register_module("out", torch::nn::Linear(mlp ? head.hidden : width, embed));
  }

  torch::nn::BatchNorm1d batch_norm_{nullptr};
  torch::nn::LayerNorm layer_norm_{nullptr};
  torch::nn::Linear hidden_{nullptr}, out_{nullptr};
  torch::nn::Dropout dropout_{nullptr};
};

}  // namespace
