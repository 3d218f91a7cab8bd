// Scene level plus object level at fixed weights: GraVLM's released simplification, and GaLR's f1 and f2 (Table IV).
#pragma once

#include <ATen/ATen.h>
#include <torch/nn/modules/linear.h>

#include <string>

#include "orbweaver/params.h"
#include "orbweaver/torch/fusion.h"

namespace {

struct WeightedSumParams {
  double global_weight = 0.5, local_weight = 0.5;

  static void describe(orbweaver::ParamSpec<WeightedSumParams>& p) {
    p.field("global_weight", &WeightedSumParams::global_weight, "Weight of the scene level").range(0, 100);
    p.field("local_weight", &WeightedSumParams::local_weight, "Weight of the object level").range(0, 100);
  }
};

/// embedding = normalise(global_weight * P_g(global) + local_weight * P_l(local)).
///
/// P is the identity where a part is already embed_dim wide, else a linear layer of its own. The parts are not
/// normalised before they are summed, as in the release (0.5 * ViT + 0.5 * MLP(mean of the graph's nodes)).
class WeightedSumFusion final : public orbweaver::Fusion {
 public:
  using Params = WeightedSumParams;

  WeightedSumFusion(const Params& params, const orbweaver::Inputs& inputs) : params_(params) {
    const std::string side = inputs.side == orbweaver::Side::image ? "image" : "text";
    const orbweaver::Widths& widths = inputs.own();
    if (params.global_weight + params.local_weight <= 0)
      throw orbweaver::InputError("fusion weighted_sum: global_weight and local_weight are both 0; give one a weight");
    if (widths.global <= 0)
      throw orbweaver::InputError("fusion weighted_sum needs the vector `global` of the " + side +
                                  "_encoder, which makes none; "
                                  "use an encoder or layer that makes it");
    if (widths.local <= 0)
      throw orbweaver::InputError(
          "fusion weighted_sum needs the vector `local` of a graph_encoder, and /model/" + side +
          " has none that makes it; add `graph` and `graph_encoder` there, or use fusion global");
    if (widths.global != inputs.embed_dim)
      global_ = register_module("global", torch::nn::Linear(widths.global, inputs.embed_dim));
    if (widths.local != inputs.embed_dim)
      local_ = register_module("local", torch::nn::Linear(widths.local, inputs.embed_dim));
  }

  orbweaver::Parts reads() const override { return {.global = true, .local = true}; }

  at::Tensor forward(const orbweaver::Representation& side) override {
    const at::Tensor scene = global_ ? global_(side.global) : side.global;
    const at::Tensor objects = local_ ? local_(side.local) : side.local;
    return orbweaver::l2_normalize(params_.global_weight * scene + params_.local_weight * objects);
  }

 private:
  Params params_;
  torch::nn::Linear global_{nullptr}, local_{nullptr};
};

}  // namespace
