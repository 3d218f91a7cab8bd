// Triplet ranking loss (Faghri et al., VSE++, BMVC 2018, Eq. 5-6; GaLR, TGRS 2022, Eq. 31).
#pragma once

#include <ATen/ATen.h>

#include <string>
#include <tuple>

#include "orbweaver/params.h"
#include "orbweaver/torch/loss.h"

namespace {

struct TripletParams {
  enum class Negatives { sum, hardest };
  double margin = 0.2;
  Negatives negatives = Negatives::sum;

  static void describe(orbweaver::ParamSpec<TripletParams>& p) {
    p.field("margin", &TripletParams::margin, "How much a match must score above a negative").range(0, 2);
    p.field("negatives", &TripletParams::negatives, {{"sum", Negatives::sum}, {"hardest", Negatives::hardest}},
            "All violating negatives of the batch, or for each query the hardest alone");
  }
};

/// sum over queries of [margin - s(match) + s(negative)]_+, both directions.
///
/// Summed, not averaged, over the batch, as the released code of VSE++ and GaLR does: learning rates are comparable
/// with theirs, and the gradient grows with the batch size. Captions of the same image or with the same tokens are no
/// negatives.
class TripletLoss final : public orbweaver::Loss {
 public:
  using Params = TripletParams;
  TripletLoss(Params params, const orbweaver::Inputs&) : params_(params) {}

  orbweaver::LossOutput forward(const orbweaver::LossInput& batch) override {
    const at::Tensor& scores = batch.scores;
    if (scores.dim() != 2 || scores.size(0) != scores.size(1))
      throw orbweaver::ShapeError("loss triplet: scores must be a square matrix, row image, column caption");
    const at::Tensor matches = scores.diagonal();
    const at::Tensor no_negative = batch.negatives.logical_not();
    const auto violations = [&](const at::Tensor& match) {
      return (params_.margin + scores - match).clamp_min(0).masked_fill(no_negative, 0);
    };
    const at::Tensor to_text = reduce(violations(matches.unsqueeze(1)), 1);
    const at::Tensor to_image = reduce(violations(matches.unsqueeze(0)), 0);
    return {to_text + to_image, {{"i2t", to_text}, {"t2i", to_image}}};
  }

 private:
  at::Tensor reduce(const at::Tensor& costs, int64_t candidates) const {
    if (params_.negatives == Params::Negatives::sum) return costs.sum();
    // max, not amax: amax would share the gradient among equally hard negatives.
    return std::get<0>(costs.max(candidates)).sum();
  }

  Params params_;
};

}  // namespace
