// Projection heads: a level's vector to the width of the embeddings. `global`, the fusions of two levels and the AMFMN
// interaction share them, so that a scene head is the same thing, with the same parameters and the same first weights,
// in every row of an ablation.
#pragma once

#include <ATen/ATen.h>
#include <torch/nn/modules/batchnorm.h>
#include <torch/nn/modules/dropout.h>
#include <torch/nn/modules/linear.h>
#include <torch/nn/modules/normalization.h>

#include <memory>
#include <string>

#include "orbweaver/error.h"
#include "orbweaver/params.h"
#include "orbweaver/torch/inputs.h"

namespace {

struct HeadParams {
  enum class Layers { fit, none, linear, mlp };
  enum class Norm { none, batch, layer };
  Layers layers = Layers::linear;
  int64_t hidden = 1024;
  double dropout = 0;
  Norm norm = Norm::none;

  template <class P>  // HeadParams, or a struct that changes its defaults
  static void describe(orbweaver::ParamSpec<P>& p) {
    p.field("layers", &HeadParams::layers,
            {{"fit", Layers::fit}, {"none", Layers::none}, {"linear", Layers::linear}, {"mlp", Layers::mlp}},
            "none: the vector as it is (its width must be embed_dim); linear: one layer; mlp: two, with ReLU between; "
            "fit: linear where the width is not embed_dim, else none");
    p.field("hidden", &HeadParams::hidden, "Width between the two layers of an mlp").range(1, 65536);
    p.field("dropout", &HeadParams::dropout, "Share of the last layer's inputs dropped in training").range(0, 0.95);
    p.field("norm", &HeadParams::norm, {{"none", Norm::none}, {"batch", Norm::batch}, {"layer", Norm::layer}},
            "Standardise the vector first: batch puts features of different scale, as frozen CNNs give, on one scale");
  }
};

/// A head that adds nothing to a vector that has the right width already.
struct FitHeadParams : HeadParams {
  FitHeadParams() { layers = Layers::fit; }
};

/// rows [B, width] -> [B, embed_dim]: out(dropout(relu(hidden(norm(rows))))), without what the parameters leave out.
///
/// Names in checkpoints: norm, hidden, out.
class Head final : public torch::nn::Module {
 public:
  /// With layers `none`, width must be embed_dim: scene_head and object_head see to it.
  Head(const HeadParams& params, int64_t width, int64_t embed_dim) {
    make_norm(params.norm, width);
    make_layers(params, width, embed_dim);
  }

  at::Tensor forward(const at::Tensor& rows) {
    at::Tensor x = rows;
    if (batch_norm_) x = batch_norm_(x);
    if (layer_norm_) x = layer_norm_(x);
    if (hidden_) x = hidden_(x).relu();
    if (dropout_) x = dropout_(x);
    if (out_) x = out_(x);
    return x;
  }

 private:
  void make_norm(HeadParams::Norm norm, int64_t width) {
    if (norm == HeadParams::Norm::batch) batch_norm_ = register_module("norm", torch::nn::BatchNorm1d(width));
    if (norm == HeadParams::Norm::layer)
      layer_norm_ = register_module("norm", torch::nn::LayerNorm(torch::nn::LayerNormOptions({width})));
  }

  void make_layers(const HeadParams& params, int64_t width, int64_t embed_dim) {
    if (params.layers == HeadParams::Layers::none) return;
    if (params.layers == HeadParams::Layers::fit && width == embed_dim) return;
    const bool mlp = params.layers == HeadParams::Layers::mlp;
    if (mlp) hidden_ = register_module("hidden", torch::nn::Linear(width, params.hidden));
    if (params.dropout > 0) dropout_ = register_module("dropout", torch::nn::Dropout(params.dropout));
    out_ = register_module("out", torch::nn::Linear(mlp ? params.hidden : width, embed_dim));
  }

  torch::nn::BatchNorm1d batch_norm_{nullptr};
  torch::nn::LayerNorm layer_norm_{nullptr};
  torch::nn::Linear hidden_{nullptr}, out_{nullptr};
  torch::nn::Dropout dropout_{nullptr};
};

inline std::string side_word(orbweaver::Side side) { return side == orbweaver::Side::image ? "image" : "text"; }

/// Refuses a head without layers whose vector has another width than the embeddings.
inline void check_head_width(const std::string& component, const std::string& field, const HeadParams& params,
                             const std::string& vector, int64_t width, int64_t embed_dim) {
  if (params.layers != HeadParams::Layers::none || width == embed_dim) return;
  throw orbweaver::InputError(component + ": " + field + ".layers is \"none\", but " + vector + " is " +
                              std::to_string(width) + " wide and embed_dim is " + std::to_string(embed_dim) +
                              "; use \"linear\", or set embed_dim to " + std::to_string(width));
}

/// Head on the vector `global` of one side.
///
/// @param component  who asks, in errors: "fusion midf"
/// @param field      where `params` stands among the component's parameters, in errors: "image.global"
/// @throws InputError where the side's encoder makes no `global`, or the head cannot change its width.
inline std::shared_ptr<Head> scene_head(const std::string& component, const std::string& field,
                                        const HeadParams& params, orbweaver::Side side,
                                        const orbweaver::Inputs& inputs) {
  const int64_t width = (side == orbweaver::Side::image ? inputs.image : inputs.text).global;
  const std::string encoder = side_word(side) + "_encoder";
  if (width <= 0)
    throw orbweaver::InputError(component + " needs the vector `global` of the " + encoder +
                                ", which makes none; use another " + encoder +
                                " or layer, or a component that reads what it makes");
  check_head_width(component, field, params, "the " + encoder + "'s `global`", width, inputs.embed_dim);
  return std::make_shared<Head>(params, width, inputs.embed_dim);
}

}  // namespace
