#include <gtest/gtest.h>

#include <array>
#include <string>
#include <utility>

#include "gradient_check.h"
#include "midf.h"
#include "orbweaver/torch/weights.h"
#include "test_data.h"

namespace {

using orbweaver::Inputs;
using orbweaver::Representation;
using orbweaver::Side;

constexpr auto kVariants = {MidfParams::Variant::paper, MidfParams::Variant::released};

Inputs inputs(Side side, int64_t global, int64_t local, int64_t embed) {
  Inputs in;
  in.side = side;
  in.image.global = in.text.global = global;
  in.image.local = in.text.local = local;
  in.embed_dim = embed;
  return in;
}

MidfParams small(MidfParams::Variant variant = MidfParams::Variant::paper) {
  MidfParams params;
  params.variant = variant;
  params.heads = 2;
  params.feed_forward = 3;
  params.gate_hidden = 3;
  return params;
}

std::string error_of(const MidfParams& params, const Inputs& in) {
  try {
    MidfFusion fusion(params, in);
  } catch (const orbweaver::InputError& error) {
    return error.what();
  }
  return "no error";
}

/// The released name of a weight in ours.
std::string our_name(std::string name) {
  static const std::array<std::pair<std::string, std::string>, 17> kWords{{{"l2l_SA", "local_self"},
                                                                           {"g2g_SA", "global_self"},
                                                                           {"g2l_SGA", "local_guided"},
                                                                           {"l2g_SGA", "global_guided"},
                                                                           {"mhatt1", "own"},
                                                                           {"mhatt2", "guide"},
                                                                           {"mhatt", "attention"},
                                                                           {"linear_q", "query"},
                                                                           {"linear_k", "key"},
                                                                           {"linear_v", "value"},
                                                                           {"linear_merge", "merge"},
                                                                           {"ffn.mlp.fc.linear", "feed_forward.hidden"},
                                                                           {"ffn.mlp.linear", "feed_forward.out"},
                                                                           {"a_2", "gain"},
                                                                           {"b_2", "bias"},
                                                                           {"dynamic_weight.0", "gate_hidden"},
                                                                           {"dynamic_weight.3", "gate_out"}}};
  for (const auto& [theirs, ours] : kWords)
    if (const size_t at = name.find(theirs); at != std::string::npos) name.replace(at, theirs.size(), ours);
  return name;
}

TEST(Midf, ReproducesTheOutputsOfPaperAndRelease) {
  ORBWEAVER_NEEDS_TEST_DATA("golden/galr_midf.safetensors");
  const auto golden = orbweaver::read_state_dict(orbweaver::testing::test_data() / "golden/galr_midf.safetensors");
  orbweaver::StateDict weights;
  for (const auto& [name, tensor] : golden)
    if (name.rfind("param.", 0) == 0) weights[our_name(name.substr(6))] = tensor;
  for (const auto variant : kVariants) {
    MidfParams params;
    params.variant = variant;
    params.feed_forward = 128;
    params.gate_hidden = 64;
    Midf midf(params, 64);
    orbweaver::load_state_dict(midf, weights);
    midf.eval();
    const at::Tensor found = midf.forward(golden.at("in.global"), golden.at("in.local"));
    const at::Tensor expected = golden.at(variant == MidfParams::Variant::paper ? "out.paper" : "out.released");
    EXPECT_LT((found - expected).abs().max().item<double>(), 1e-5);
  }
}

TEST(Midf, GradientsAgreeWithFiniteDifferences) {
  for (const auto variant : kVariants) {
    at::manual_seed(6);
    MidfFusion fusion(small(variant), inputs(Side::image, 3, 5, 4));
    fusion.to(at::kDouble);
    fusion.eval();
    Representation side;
    side.global = at::randn({2, 3}, at::kDouble).set_requires_grad(true);
    side.local = at::randn({2, 5}, at::kDouble).set_requires_grad(true);
    const at::Tensor factors = at::randn({2, 4}, at::kDouble);
    auto variables = fusion.parameters();
    variables.insert(variables.end(), {side.global, side.local});
    const auto scalar = [&] { return (fusion.forward(side) * factors).sum(); };
    EXPECT_LT(orbweaver::testing::gradient_error(scalar, variables), 1e-6);
  }
}

TEST(Midf, QueriesAndKeysOfOneTokenHaveGradientsOfExactlyZero) {
  at::manual_seed(7);
  for (const bool training : {false, true}) {
    Midf midf(small(), 4);
    midf.train(training);
    const at::Tensor factors = at::randn({3, 4});
    (midf.forward(at::randn({3, 4}), at::randn({3, 4})) * factors).sum().backward();
    int64_t zero = 0, other = 0;
    for (const auto& parameter : midf.named_parameters()) {
      const bool unused =
          parameter.key().find(".query.") != std::string::npos || parameter.key().find(".key.") != std::string::npos;
      const double largest = parameter.value().grad().abs().max().item<double>();
      EXPECT_EQ(largest == 0, unused) << parameter.key() << " " << largest;
      ++(unused ? zero : other);
    }
    EXPECT_EQ(zero, 24);  // weight and bias of queries and keys in six attentions
    EXPECT_GT(other, 0);
  }
}

TEST(Midf, AnItemsVectorDoesNotDependOnItsBatch) {
  at::manual_seed(8);
  Midf midf(small(), 4);
  midf.eval();
  const at::Tensor scene = at::randn({5, 4}), objects = at::randn({5, 4});
  const at::Tensor together = midf.forward(scene, objects);
  for (int64_t i = 0; i < 5; ++i)
    EXPECT_TRUE(
        together.narrow(0, i, 1).allclose(midf.forward(scene.narrow(0, i, 1), objects.narrow(0, i, 1)), 1e-5, 1e-6));
}

TEST(Midf, DropsInTrainingOnly) {
  at::manual_seed(9);
  Midf midf(small(), 4);
  const at::Tensor scene = at::randn({8, 4}), objects = at::randn({8, 4});
  EXPECT_FALSE(midf.forward(scene, objects).equal(midf.forward(scene, objects)));
  midf.eval();
  EXPECT_TRUE(midf.forward(scene, objects).equal(midf.forward(scene, objects)));
}

TEST(MidfFusion, AnEmptyGraphGivesAFiniteEmbeddingAndGradient) {
  at::manual_seed(10);
  for (const auto variant : kVariants) {
    MidfFusion fusion(small(variant), inputs(Side::image, 4, 4, 4));
    fusion.eval();
    Representation side;
    side.global = at::randn({2, 4}).set_requires_grad(true);
    side.local = at::zeros({2, 4}).set_requires_grad(true);
    const at::Tensor embedding = fusion.forward(side);
    embedding.select(1, 0).sum().backward();
    EXPECT_TRUE(embedding.norm(2, 1).allclose(at::ones({2})));
    for (const at::Tensor& gradient : {side.global.grad(), side.local.grad()})
      EXPECT_TRUE(gradient.isfinite().all().item<bool>());
  }
}

TEST(StdNorm, ARowOfEqualNumbersGivesTheBiasAndAFiniteGradient) {
  StdNorm norm(3);
  const at::Tensor x = at::zeros({1, 3}).set_requires_grad(true);
  const at::Tensor y = norm.forward(x);
  y.select(1, 0).sum().backward();
  EXPECT_TRUE(y.equal(at::zeros({1, 3})));
  EXPECT_TRUE(x.grad().isfinite().all().item<bool>());
}

TEST(MidfFusion, TheTextIsItsSceneLevelByDefault) {
  MidfFusion text(small(), inputs(Side::text, 2, 0, 2));
  EXPECT_TRUE(text.reads().global && !text.reads().local);
  EXPECT_TRUE(text.parameters().empty());
  Representation side;
  side.global = at::tensor({3.0, 4.0}).unsqueeze(0);
  EXPECT_TRUE(text.forward(side).allclose(at::tensor({0.6, 0.8}).unsqueeze(0)));
  MidfFusion image(small(), inputs(Side::image, 2, 2, 2));
  EXPECT_TRUE(image.reads().global && image.reads().local);
}

TEST(MidfFusion, ASideWithObjectsNeedsAGraphEncoder) {
  const std::string error = error_of({}, inputs(Side::image, 512, 0, 512));
  EXPECT_NE(error.find("fusion midf: `sides` is \"image\""), std::string::npos) << error;
  EXPECT_NE(error.find("/model/image"), std::string::npos) << error;
}

TEST(MidfFusion, RefusesHeadsThatDoNotDivideTheWidthAndNamesANumberThatDoes) {
  MidfParams params;
  params.heads = 12;
  const std::string error = error_of(params, inputs(Side::image, 512, 512, 512));
  for (const char* part : {"heads is 12", "embed_dim 512", "use 8"})
    EXPECT_NE(error.find(part), std::string::npos) << error;
  EXPECT_EQ(error_of({}, inputs(Side::image, 512, 512, 512)), "no error");
}

TEST(MidfFusion, RefusesEmbeddingsOfOneNumber) {
  MidfParams params;
  params.heads = 1;
  EXPECT_NE(error_of(params, inputs(Side::image, 4, 4, 1)).find("embed_dim is 1"), std::string::npos);
}

}  // namespace
