// What every image encoder must do (orbweaver/torch/image_encoder.h), as properties.
#pragma once

#include "orbweaver/testing/torch/module.h"
#include "orbweaver/torch/image_encoder.h"

namespace orbweaver::testing {
namespace detail {

inline Trial image_encoder_trial(const Subject& subject, const Making& making, int64_t count) {
  const Inputs inputs = sample_inputs(Side::image, making.dtype);
  const auto encoder = make_model<ImageEncoder>(subject, inputs, making);
  const ImageInput input = call("input", [&] { return encoder->input(); });
  if (input.height < 1 || input.width < 1) fail("input() asks for images of ", input.height, " x ", input.width);
  for (const float deviation : input.std)
    if (!(deviation > 0)) fail("input() has a standard deviation of ", deviation, ", expected a positive number");
  const at::Tensor images = at::randn({count, 3, input.height, input.width}, making.dtype);
  Trial trial{"forward", encoder, {}, [encoder, images] { return parts_of(encoder->forward(images)); }};
  trial.inputs.emplace_back("images", images);
  trial.passes_gradients = false;  // pixels are not learnt
  return trial;
}

inline std::vector<Trial> image_encoder_trials(const Subject& subject, const Making& making) {
  return {image_encoder_trial(subject, making, 2)};
}

inline at::Tensor images_of(const Trial& trial) { return trial.inputs.front().second; }

inline void check_image_encoder_shapes(const Subject& subject) {
  at::NoGradGuard no_grad;
  const Trial trial = image_encoder_trial(subject, {}, 3);
  auto& encoder = static_cast<ImageEncoder&>(*trial.component);
  const Widths widths = encoder.outputs();
  if (widths.global <= 0 && widths.tokens <= 0) fail("outputs() declares neither global nor tokens");
  const Representation out = call("forward", [&] { return encoder.forward(images_of(trial)); });
  if (widths.global > 0) expect_tensor("forward: global", out.global, {3, widths.global});
  if (widths.tokens > 0) expect_tensor("forward: tokens", out.tokens, {3, -1, widths.tokens});
}

inline void check_image_rows(const Subject& subject) {
  at::NoGradGuard no_grad;
  const Trial trial = image_encoder_trial(subject, {}, 3);
  auto& encoder = static_cast<ImageEncoder&>(*trial.component);
  const NamedTensors together = run(trial);
  for (int64_t i = 0; i < 3; ++i) {
    const NamedTensors alone =
        call("forward of a single image", [&] { return parts_of(encoder.forward(images_of(trial).narrow(0, i, 1))); });
    for (size_t part = 0; part < together.size(); ++part)
      expect_close(text("forward of image ", i, " alone: ", together[part].first), alone.at(part).second,
                   together[part].second.narrow(0, i, 1), 1e-3);
  }
}

inline void check_image_rank(const Subject& subject) {
  at::NoGradGuard no_grad;
  const Trial trial = image_encoder_trial(subject, {}, 2);
  auto& encoder = static_cast<ImageEncoder&>(*trial.component);
  const Representation right = encoder.forward(images_of(trial));
  expect_no_result("a tensor [2, 1, 3, H, W] of images", [&] {
    const Representation out = encoder.forward(images_of(trial).unsqueeze(1));
    return out.global.defined() && right.global.defined() && out.global.sizes() == right.global.sizes();
  });
}

}  // namespace detail

inline std::vector<Property> image_encoder_properties() {
  using namespace detail;
  std::vector<Property> list = {
      {"shapes", "input() is legal, and forward makes what outputs() declares: global [B, Dg], tokens [B, T, Dt].",
       "declare in outputs() the widths that forward makes, and nothing else", check_image_encoder_shapes},
      {"one", "An image gives the same alone as in a batch.",
       "no statistic over the batch in evaluation mode, no squeeze() without a dimension", check_image_rows},
      {"wrong_rank", "Images of a wrong rank are refused, or give no result of the right shape.",
       "check the number of dimensions before reshaping, and throw orbweaver::ShapeError", check_image_rank}};
  return with_module_properties(std::move(list), image_encoder_trials, false);
}

}  // namespace orbweaver::testing
