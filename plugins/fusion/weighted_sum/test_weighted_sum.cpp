#include <gtest/gtest.h>

#include "gradient_check.h"
#include "weighted_sum.h"

namespace {

using orbweaver::Inputs;
using orbweaver::Representation;
using orbweaver::Side;

Inputs inputs(int64_t global, int64_t local, int64_t embed, Side side = Side::image) {
  Inputs in;
  in.side = side;
  (side == Side::image ? in.image : in.text).global = global;
  (side == Side::image ? in.image : in.text).local = local;
  in.embed_dim = embed;
  return in;
}

WeightedSumParams weights(double global, double local, bool normalize_levels = false) {
  WeightedSumParams params;
  params.global_weight = global;
  params.local_weight = local;
  params.normalize_levels = normalize_levels;
  return params;
}

WeightedSumParams sides(LevelParams::Sides sides) {
  WeightedSumParams params;
  params.sides = sides;
  return params;
}

Representation levels(std::vector<double> global, std::vector<double> local) {
  Representation side;
  side.global = at::tensor(global, at::kDouble).unsqueeze(0);
  side.local = at::tensor(local, at::kDouble).unsqueeze(0);
  return side;
}

at::Tensor row(std::vector<double> values) { return at::tensor(values, at::kDouble).unsqueeze(0); }

std::string error_of(const WeightedSumParams& params, const Inputs& in) {
  try {
    WeightedSumFusion fusion(params, in);
  } catch (const orbweaver::InputError& error) {
    return error.what();
  }
  return "no error";
}

TEST(WeightedSum, NormalisesTheSumOfBothLevels) {
  WeightedSumFusion fusion(weights(0.5, 0.25), inputs(2, 2, 2));
  EXPECT_TRUE(fusion.parameters().empty());
  EXPECT_TRUE(fusion.reads().global && fusion.reads().local);
  EXPECT_TRUE(fusion.forward(levels({6, 0}, {0, 16})).allclose(row({0.6, 0.8})));
}

TEST(WeightedSum, NormalisesEachLevelFirstOnDemand) {
  WeightedSumFusion fusion(weights(0.3, 0.4, true), inputs(2, 2, 2));
  EXPECT_TRUE(fusion.forward(levels({6, 0}, {0, 0.01})).allclose(row({0.6, 0.8})));
}

TEST(WeightedSum, AnEmptyGraphLeavesTheSceneLevel) {
  for (const bool normalize : {false, true}) {
    WeightedSumFusion fusion(weights(0.5, 0.5, normalize), inputs(2, 2, 2));
    Representation side = levels({3, 4}, {0, 0});
    side.global.set_requires_grad(true);
    const at::Tensor embedding = fusion.forward(side);
    EXPECT_TRUE(embedding.allclose(row({0.6, 0.8})));
    embedding.select(1, 0).sum().backward();
    EXPECT_TRUE(side.global.grad().isfinite().all().item<bool>());
  }
}

TEST(WeightedSum, ProjectsOnlyThePartWhoseWidthDiffers) {
  WeightedSumFusion fusion({}, inputs(4, 3, 4));
  EXPECT_EQ(fusion.named_parameters().keys(), (std::vector<std::string>{"local.out.weight", "local.out.bias"}));
  EXPECT_EQ(fusion.named_parameters()["local.out.weight"].sizes(), at::IntArrayRef({4, 3}));
}

TEST(WeightedSum, GivesEachLevelItsOwnHead) {
  WeightedSumParams params;
  params.image.global.layers = HeadParams::Layers::linear;
  params.image.local.layers = HeadParams::Layers::mlp;
  params.image.local.hidden = 7;
  WeightedSumFusion fusion(params, inputs(4, 3, 4));
  EXPECT_EQ(fusion.named_parameters()["global.out.weight"].sizes(), at::IntArrayRef({4, 4}));
  EXPECT_EQ(fusion.named_parameters()["local.hidden.weight"].sizes(), at::IntArrayRef({7, 3}));
  EXPECT_EQ(fusion.named_parameters()["local.out.weight"].sizes(), at::IntArrayRef({4, 7}));
}

TEST(WeightedSum, ASideThatSidesLeavesOutIsItsSceneLevel) {
  WeightedSumFusion text(sides(LevelParams::Sides::image), inputs(2, 0, 2, Side::text));
  EXPECT_TRUE(text.reads().global);
  EXPECT_FALSE(text.reads().local);
  Representation side;
  side.global = row({6, 8});
  EXPECT_TRUE(text.forward(side).allclose(row({0.6, 0.8})));
  WeightedSumFusion image(sides(LevelParams::Sides::image), inputs(2, 2, 2, Side::image));
  EXPECT_TRUE(image.reads().local);
}

TEST(WeightedSum, GradientsAgreeWithFiniteDifferences) {
  for (const bool normalize : {false, true}) {
    at::manual_seed(2);
    WeightedSumFusion fusion(weights(0.6, 0.4, normalize), inputs(4, 5, 3));
    fusion.to(at::kDouble);
    Representation side;
    side.global = at::randn({2, 4}, at::kDouble).set_requires_grad(true);
    side.local = at::randn({2, 5}, at::kDouble).set_requires_grad(true);
    const at::Tensor factors = at::randn({2, 3}, at::kDouble);
    auto variables = fusion.parameters();
    variables.insert(variables.end(), {side.global, side.local});
    const auto scalar = [&] { return (fusion.forward(side) * factors).sum(); };
    EXPECT_LT(orbweaver::testing::gradient_error(scalar, variables), 1e-7);
  }
}

TEST(WeightedSum, SaysThatNoGraphEncoderMakesTheLocalVector) {
  const std::string both = error_of({}, inputs(4, 0, 4));
  for (const char* part : {"`sides` is \"both\"", "`local`", "graph_encoder", "/model/image", "set sides to \"text\""})
    EXPECT_NE(both.find(part), std::string::npos) << both;
  const std::string text = error_of(sides(LevelParams::Sides::text), inputs(4, 0, 4, Side::text));
  EXPECT_NE(text.find("`sides` is \"text\""), std::string::npos) << text;
  EXPECT_EQ(text.find("set sides"), std::string::npos) << text;
}

TEST(WeightedSum, SaysWhichHeadCannotChangeItsWidth) {
  WeightedSumParams params;
  params.image.local.layers = HeadParams::Layers::none;
  const std::string error = error_of(params, inputs(4, 3, 4));
  EXPECT_NE(error.find("image.local.layers is \"none\""), std::string::npos) << error;
}

TEST(WeightedSum, RefusesTwoWeightsOfZero) {
  EXPECT_NE(error_of(weights(0, 0), inputs(4, 4, 4)).find("both 0"), std::string::npos);
}

TEST(WeightedSum, HasTheObjectLevelOnBothSidesByDefault) {
  const orbweaver::Value defaults =
      orbweaver::with_defaults(orbweaver::schema_of<WeightedSumParams>(), orbweaver::Value::object());
  EXPECT_EQ(defaults.find("sides")->as_string(), "both");
  EXPECT_EQ(defaults.find("image")->find("local")->find("layers")->as_string(), "fit");
}

}  // namespace
