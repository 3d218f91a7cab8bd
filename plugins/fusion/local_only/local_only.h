// The object level alone: l1 and l2 of GaLR's Table IV (GCN without and with DREA).
#pragma once

#include <memory>

#include "../../shared/levels.h"
#include "orbweaver/params.h"
#include "orbweaver/torch/fusion.h"

namespace {

struct LocalOnlyParams : LevelParams {
  LocalOnlyParams() { sides = Sides::image; }

  static void describe(orbweaver::ParamSpec<LocalOnlyParams>& p) { describe_levels(p); }
};

/// embedding = normalise(P_l(local)), or normalise(P_g(global)) on a side that `sides` leaves out.
///
/// By default the image is embedded by its graph and the text by its sentence, as in GaLR. P are the heads, by default
/// a linear layer where a vector is not embed_dim wide, else nothing. All items whose graph is empty share one
/// embedding (of zeros where the graph encoder gives zeros and no head moves them), and so tie in every ranking.
class LocalOnlyFusion final : public orbweaver::Fusion {
 public:
  using Params = LocalOnlyParams;

  LocalOnlyFusion(const Params& params, const orbweaver::Inputs& inputs) {
    if (auto head = object_head("fusion local_only", params, inputs)) local_ = register_module("local", head);
    if (!local_) global_ = register_module("global", scene_head("fusion local_only", params, inputs));
  }

  orbweaver::Parts reads() const override { return {.global = global_ != nullptr, .local = local_ != nullptr}; }

  at::Tensor forward(const orbweaver::Representation& side) override {
    return orbweaver::l2_normalize(local_ ? local_->forward(side.local) : global_->forward(side.global));
  }

 private:
  std::shared_ptr<Head> global_, local_;
};

}  // namespace
