#include <gtest/gtest.h>

#include "gradient_check.h"
#include "local_only.h"

namespace {

using orbweaver::Inputs;
using orbweaver::Representation;
using orbweaver::Side;

Inputs inputs(Side side, int64_t global, int64_t local, int64_t embed) {
  Inputs in;
  in.side = side;
  in.image.global = in.text.global = global;
  in.image.local = in.text.local = local;
  in.embed_dim = embed;
  return in;
}

std::string error_of(const LocalOnlyParams& params, const Inputs& in) {
  try {
    LocalOnlyFusion fusion(params, in);
  } catch (const orbweaver::InputError& error) {
    return error.what();
  }
  return "no error";
}

TEST(LocalOnly, EmbedsTheImageByItsGraphAndTheTextByItsSentence) {
  LocalOnlyFusion image({}, inputs(Side::image, 2, 2, 2)), text({}, inputs(Side::text, 2, 0, 2));
  EXPECT_TRUE(image.reads().local && !image.reads().global);
  EXPECT_TRUE(text.reads().global && !text.reads().local);
  Representation side;
  side.global = at::tensor({3.0, 4.0}).unsqueeze(0);
  side.local = at::tensor({0.0, 5.0}).unsqueeze(0);
  EXPECT_TRUE(image.forward(side).allclose(at::tensor({0.0, 1.0}).unsqueeze(0)));
  EXPECT_TRUE(text.forward(side).allclose(at::tensor({0.6, 0.8}).unsqueeze(0)));
}

TEST(LocalOnly, NeedsNoGlobalVectorOfASideWithObjects) {
  EXPECT_EQ(error_of({}, inputs(Side::image, 0, 4, 4)), "no error");
  EXPECT_NE(error_of({}, inputs(Side::text, 0, 4, 4)).find("text_encoder"), std::string::npos);
}

TEST(LocalOnly, ASideWithObjectsNeedsAGraphEncoder) {
  LocalOnlyParams params;
  params.sides = LevelParams::Sides::both;
  for (const Side side : {Side::image, Side::text}) {
    const std::string error = error_of(params, inputs(side, 4, 0, 4));
    EXPECT_NE(error.find("`sides`"), std::string::npos) << error;
    EXPECT_NE(error.find("/model/" + side_word(side)), std::string::npos) << error;
  }
}

TEST(LocalOnly, AnEmptyGraphGivesAFiniteEmbeddingAndGradient) {
  at::manual_seed(4);
  for (const int64_t width : {3, 4}) {  // with a linear head, and without
    LocalOnlyFusion fusion({}, inputs(Side::image, 4, width, 4));
    Representation side;
    side.local = at::zeros({2, width}).set_requires_grad(true);
    const at::Tensor embedding = fusion.forward(side);
    embedding.sum().backward();
    EXPECT_TRUE(embedding.isfinite().all().item<bool>());
    EXPECT_TRUE(side.local.grad().isfinite().all().item<bool>());
  }
}

TEST(LocalOnly, GradientsAgreeWithFiniteDifferences) {
  at::manual_seed(5);
  LocalOnlyParams params;
  params.image.local.layers = HeadParams::Layers::mlp;
  params.image.local.hidden = 5;
  LocalOnlyFusion fusion(params, inputs(Side::image, 3, 4, 3));
  fusion.to(at::kDouble);
  Representation side;
  side.local = at::randn({3, 4}, at::kDouble).set_requires_grad(true);
  const at::Tensor factors = at::randn({3, 3}, at::kDouble);
  auto variables = fusion.parameters();
  variables.push_back(side.local);
  const auto scalar = [&] { return (fusion.forward(side) * factors).sum(); };
  EXPECT_LT(orbweaver::testing::gradient_error(scalar, variables), 1e-7);
}

}  // namespace
