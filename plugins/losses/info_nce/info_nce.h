// Symmetric InfoNCE with a learnable temperature (Radford et al., CLIP, ICML 2021).
#pragma once

#include <ATen/ATen.h>

#include <cmath>
#include <limits>

#include "orbweaver/params.h"
#include "orbweaver/torch/loss.h"

namespace {

struct InfoNceParams {
  double temperature = 0.07;
  bool learnable = true;
  double max_scale = 100;

  static void describe(orbweaver::ParamSpec<InfoNceParams>& p) {
    p.field("temperature", &InfoNceParams::temperature, "Initial temperature that divides the scores").range(0.001, 10);
    p.field("learnable", &InfoNceParams::learnable, "Train the temperature, kept as log(1/temperature)");
    p.field("max_scale", &InfoNceParams::max_scale, "Largest 1/temperature that training may reach").range(1, 10000);
  }
};

/// Mean over the batch of the cross-entropy of each image among the captions and of each caption among the images; the
/// total is the mean of the two directions. A pair off the diagonal that is no negative (a caption of the same image,
/// or with the same tokens) is left out of the denominators.
class InfoNceLoss final : public orbweaver::Loss {
 public:
  using Params = InfoNceParams;
  InfoNceLoss(Params params, const orbweaver::Inputs&) : max_log_scale_(std::log(params.max_scale)) {
    if (params.temperature * params.max_scale < 1 - 1e-9)
      throw orbweaver::InputError("loss info_nce: temperature " + std::to_string(params.temperature) +
                                  " is a scale above max_scale " + std::to_string(params.max_scale) +
                                  "; raise one of the two");
    const at::Tensor log_scale = at::full({}, -std::log(params.temperature));
    log_scale_ =
        params.learnable ? register_parameter("log_scale", log_scale) : register_buffer("log_scale", log_scale);
  }

  orbweaver::LossOutput forward(const orbweaver::LossInput& batch) override {
    if (batch.scores.dim() != 2 || batch.scores.size(0) != batch.scores.size(1))
      throw orbweaver::ShapeError("loss info_nce: scores must be a square matrix, row image, column caption");
    limit_scale();
    const at::Tensor scale = log_scale_.exp();
    const at::Tensor match = at::eye(batch.scores.size(0), batch.negatives.options());
    const at::Tensor left_out = batch.negatives.logical_or(match).logical_not();
    const at::Tensor logits = (batch.scores * scale).masked_fill(left_out, -std::numeric_limits<double>::infinity());
    const at::Tensor to_text = -logits.log_softmax(1).diagonal().mean();
    const at::Tensor to_image = -logits.log_softmax(0).diagonal().mean();
    return {(to_text + to_image) / 2, {{"i2t", to_text}, {"t2i", to_image}, {"temperature", 1 / scale.detach()}}};
  }

 private:
  // The parameter itself is limited, not the value read from it: beyond a clamp there would be no gradient to come
  // back.
  void limit_scale() {
    if (!is_training()) return;
    at::NoGradGuard no_grad;
    log_scale_.clamp_(c10::nullopt, max_log_scale_);
  }

  double max_log_scale_;
  at::Tensor log_scale_;
};

}  // namespace
