#include <gtest/gtest.h>

#include "gradient_check.h"
#include "weighted_sum.h"

namespace {

using orbweaver::Inputs;
using orbweaver::Representation;

Inputs inputs(int64_t global, int64_t local, int64_t embed) {
  Inputs in;
  in.image.global = global;
  in.image.local = local;
  in.embed_dim = embed;
  return in;
}

std::string error_of(const WeightedSumParams& params, const Inputs& in) {
  try {
    WeightedSumFusion fusion(params, in);
  } catch (const orbweaver::InputError& error) {
    return error.what();
  }
  return "no error";
}

TEST(WeightedSum, NormalisesTheSumOfBothLevels) {
  WeightedSumFusion fusion({0.5, 0.25}, inputs(2, 2, 2));
  EXPECT_TRUE(fusion.parameters().empty());
  EXPECT_TRUE(fusion.reads().global && fusion.reads().local);
  Representation side;
  side.global = at::tensor({6.0, 0.0}, at::kDouble).view({1, 2});
  side.local = at::tensor({0.0, 16.0}, at::kDouble).view({1, 2});
  EXPECT_TRUE(fusion.forward(side).allclose(at::tensor({0.6, 0.8}, at::kDouble).view({1, 2})));
}

TEST(WeightedSum, ProjectsOnlyThePartWhoseWidthDiffers) {
  WeightedSumFusion fusion({}, inputs(4, 3, 4));
  EXPECT_FALSE(fusion.named_parameters().contains("global.weight"));
  EXPECT_EQ(fusion.named_parameters()["local.weight"].sizes(), at::IntArrayRef({4, 3}));
}

TEST(WeightedSum, GradientsAgreeWithFiniteDifferences) {
  at::manual_seed(2);
  WeightedSumFusion fusion({0.6, 0.4}, inputs(4, 5, 3));
  fusion.to(at::kDouble);
  Representation side;
  side.global = at::randn({2, 4}, at::kDouble).set_requires_grad(true);
  side.local = at::randn({2, 5}, at::kDouble).set_requires_grad(true);
  const at::Tensor weights = at::randn({2, 3}, at::kDouble);
  auto variables = fusion.parameters();
  variables.insert(variables.end(), {side.global, side.local});
  const auto scalar = [&] { return (fusion.forward(side) * weights).sum(); };
  EXPECT_LT(orbweaver::testing::gradient_error(scalar, variables), 1e-7);
}

TEST(WeightedSum, SaysThatNoGraphEncoderMakesTheLocalVector) {
  const std::string error = error_of({}, inputs(4, 0, 4));
  EXPECT_NE(error.find("`local`"), std::string::npos) << error;
  EXPECT_NE(error.find("graph_encoder"), std::string::npos) << error;
  EXPECT_NE(error.find("/model/image"), std::string::npos) << error;
}

TEST(WeightedSum, RefusesTwoWeightsOfZero) {
  EXPECT_NE(error_of({0, 0}, inputs(4, 4, 4)).find("both 0"), std::string::npos);
}

}  // namespace
