#include <gtest/gtest.h>

#include "global.h"
#include "gradient_check.h"

namespace {

using orbweaver::Inputs;
using orbweaver::Representation;
using orbweaver::Side;

Inputs inputs(Side side, int64_t image_width, int64_t text_width, int64_t embed) {
  Inputs in;
  in.side = side;
  in.image.global = image_width;
  in.text.global = text_width;
  in.embed_dim = embed;
  return in;
}

std::string error_of(const GlobalParams& params, const Inputs& in) {
  try {
    GlobalFusion fusion(params, in);
  } catch (const orbweaver::InputError& error) {
    return error.what();
  }
  return "no error";
}

TEST(GlobalFusion, NormalisesTheLinearMapOfTheGlobalVector) {
  GlobalFusion fusion({}, inputs(Side::image, 2, 9, 2));
  at::NoGradGuard no_grad;
  fusion.named_parameters()["out.weight"].copy_(at::tensor({3.0, 0.0, 0.0, 2.0}).view({2, 2}));
  fusion.named_parameters()["out.bias"].copy_(at::tensor({0.0, 2.0}));
  Representation side;
  side.global = at::tensor({1.f, 1.f}).view({1, 2});  // (3, 4) before it is normalised
  EXPECT_TRUE(fusion.forward(side).allclose(at::tensor({0.6f, 0.8f}).view({1, 2})));
}

TEST(GlobalFusion, GivesEachSideTheHeadOfItsName) {
  GlobalParams params;
  params.image.layers = HeadParams::Layers::mlp;
  params.image.hidden = 7;
  GlobalFusion image(params, inputs(Side::image, 5, 6, 4)), text(params, inputs(Side::text, 5, 6, 4));
  EXPECT_EQ(image.named_parameters()["hidden.weight"].sizes(), at::IntArrayRef({7, 5}));
  EXPECT_EQ(image.named_parameters()["out.weight"].sizes(), at::IntArrayRef({4, 7}));
  EXPECT_EQ(text.named_parameters()["out.weight"].sizes(), at::IntArrayRef({4, 6}));
  EXPECT_FALSE(text.named_parameters().contains("hidden.weight"));
}

TEST(GlobalFusion, PassesTheVectorThroughWithoutLayers) {
  GlobalParams params;
  params.text.layers = HeadParams::Layers::none;
  GlobalFusion fusion(params, inputs(Side::text, 3, 2, 2));
  Representation side;
  side.global = at::tensor({3.0, 4.0, 0.0, 0.0}, at::kDouble).view({2, 2});
  EXPECT_TRUE(fusion.parameters().empty());
  EXPECT_TRUE(fusion.forward(side).allclose(at::tensor({0.6, 0.8, 0.0, 0.0}, at::kDouble).view({2, 2})));
}

TEST(GlobalFusion, FitAddsALinearLayerOnlyWhereTheWidthDiffers) {
  GlobalParams params;
  params.image.layers = params.text.layers = HeadParams::Layers::fit;
  GlobalFusion image(params, inputs(Side::image, 5, 4, 4)), text(params, inputs(Side::text, 5, 4, 4));
  EXPECT_EQ(image.named_parameters()["out.weight"].sizes(), at::IntArrayRef({4, 5}));
  EXPECT_TRUE(text.parameters().empty());
}

TEST(GlobalFusion, KeepsTheNamesThatItsCheckpointsHave) {
  GlobalParams params;
  params.image.layers = HeadParams::Layers::mlp;
  params.image.norm = HeadParams::Norm::batch;
  params.image.dropout = 0.5;
  GlobalFusion fusion(params, inputs(Side::image, 5, 6, 4));
  EXPECT_EQ(fusion.named_parameters().keys(), (std::vector<std::string>{"norm.weight", "norm.bias", "hidden.weight",
                                                                        "hidden.bias", "out.weight", "out.bias"}));
  EXPECT_EQ(fusion.named_buffers().keys(),
            (std::vector<std::string>{"norm.running_mean", "norm.running_var", "norm.num_batches_tracked"}));
}

TEST(GlobalFusion, SwitchesItsDropoutAndNormWithTheMode) {
  at::manual_seed(3);
  GlobalParams params;
  params.image.dropout = 0.5;
  params.image.norm = HeadParams::Norm::batch;
  GlobalFusion fusion(params, inputs(Side::image, 8, 8, 4));
  Representation side;
  side.global = at::randn({16, 8});
  fusion.train(true);
  EXPECT_FALSE(fusion.forward(side).equal(fusion.forward(side)));
  fusion.train(false);
  EXPECT_TRUE(fusion.forward(side).equal(fusion.forward(side)));
}

TEST(GlobalFusion, BatchNormPutsFeaturesOfDifferentScaleOnOne) {
  GlobalParams params;
  params.image.layers = HeadParams::Layers::none;
  params.image.norm = HeadParams::Norm::batch;
  GlobalFusion fusion(params, inputs(Side::image, 2, 2, 2));
  Representation side;
  side.global = at::tensor({-1000.f, 1.f, 1000.f, -1.f}).view({2, 2});
  const double half = std::sqrt(0.5);
  EXPECT_TRUE(
      fusion.forward(side).allclose(at::tensor({-half, half, half, -half}).view({2, 2}).to(at::kFloat), 1e-4, 1e-4));
}

TEST(GlobalFusion, GradientsAgreeWithFiniteDifferences) {
  at::manual_seed(1);
  GlobalParams params;
  params.image.layers = HeadParams::Layers::mlp;
  params.image.hidden = 5;
  params.image.norm = HeadParams::Norm::layer;
  GlobalFusion fusion(params, inputs(Side::image, 4, 4, 3));
  fusion.to(at::kDouble);
  Representation side;
  side.global = at::randn({3, 4}, at::kDouble).set_requires_grad(true);
  const at::Tensor weights = at::randn({3, 3}, at::kDouble);
  auto variables = fusion.parameters();
  variables.push_back(side.global);
  const auto scalar = [&] { return (fusion.forward(side) * weights).sum(); };
  EXPECT_LT(orbweaver::testing::gradient_error(scalar, variables), 1e-7);
}

TEST(GlobalFusion, NamesTheEncoderThatMakesNoGlobalVector) {
  const std::string error = error_of({}, inputs(Side::text, 512, 0, 512));
  EXPECT_NE(error.find("text_encoder"), std::string::npos) << error;
  EXPECT_NE(error.find("`global`"), std::string::npos) << error;
}

TEST(GlobalFusion, RefusesNoLayersWhereTheWidthIsNotTheEmbeddingsWidth) {
  GlobalParams params;
  params.image.layers = HeadParams::Layers::none;
  const std::string error = error_of(params, inputs(Side::image, 448, 512, 512));
  EXPECT_NE(error.find("448"), std::string::npos) << error;
  EXPECT_NE(error.find("512"), std::string::npos) << error;
}

}  // namespace
