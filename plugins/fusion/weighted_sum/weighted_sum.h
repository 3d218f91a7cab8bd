// Scene level plus object level at fixed weights: GraVLM's released simplification, and f1 and f2 of GaLR's Table IV.
#pragma once

#include <ATen/ATen.h>

#include <memory>

#include "../../shared/levels.h"
#include "orbweaver/params.h"
#include "orbweaver/torch/fusion.h"

namespace {

struct WeightedSumParams : LevelParams {
  double global_weight = 0.5, local_weight = 0.5;
  bool normalize_levels = false;

  static void describe(orbweaver::ParamSpec<WeightedSumParams>& p) {
    p.field("global_weight", &WeightedSumParams::global_weight, "Weight of the scene level").range(0, 100);
    p.field("local_weight", &WeightedSumParams::local_weight, "Weight of the object level").range(0, 100);
    p.field("normalize_levels", &WeightedSumParams::normalize_levels,
            "Scale each level to unit length before the sum, so that the weights alone set their shares");
    describe_levels(p);
  }
};

/// embedding = normalise(global_weight * P_g(global) + local_weight * P_l(local)), or normalise(P_g(global)) on a side
/// that `sides` leaves out.
///
/// P are the heads, by default a linear layer where a vector is not embed_dim wide, else nothing.
///
/// `normalize_levels` scales P_g(global) and P_l(local) to unit length first. It is off by default, because neither
/// release normalises inside the sum: GraVLM adds raw vectors (0.5 * ViT + 0.5 * MLP(mean of the graph's nodes)), and
/// GaLR's encoders hand over unit vectors already (mvsa, and gcn in its released form), so that it would change nothing
/// there. Switch it on where heads or other encoders leave levels of different length and the weights (GaLR's f1 .5/.5,
/// f2 .6/.4) are to mean what they say. A level of zeros, such as the object level of an image without objects, stays
/// zero either way.
class WeightedSumFusion final : public orbweaver::Fusion {
 public:
  using Params = WeightedSumParams;

  WeightedSumFusion(const Params& params, const orbweaver::Inputs& inputs) : params_(params) {
    if (params.global_weight + params.local_weight <= 0)
      throw orbweaver::InputError("fusion weighted_sum: global_weight and local_weight are both 0; give one a weight");
    // The scene head first: it then draws the same weights as in every other fusion.
    global_ = register_module("global", scene_head("fusion weighted_sum", params, inputs));
    if (auto head = object_head("fusion weighted_sum", params, inputs)) local_ = register_module("local", head);
  }

  orbweaver::Parts reads() const override { return {.global = true, .local = local_ != nullptr}; }

  at::Tensor forward(const orbweaver::Representation& side) override {
    const at::Tensor scene = global_->forward(side.global);
    if (!local_) return orbweaver::l2_normalize(scene);
    const at::Tensor objects = local_->forward(side.local);
    return orbweaver::l2_normalize(params_.global_weight * level(scene) + params_.local_weight * level(objects));
  }

 private:
  at::Tensor level(const at::Tensor& rows) const {
    return params_.normalize_levels ? orbweaver::l2_normalize(rows) : rows;
  }

  Params params_;
  std::shared_ptr<Head> global_, local_;
};

}  // namespace
