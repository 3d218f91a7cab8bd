#include <gtest/gtest.h>

#include <cmath>
#include <string>
#include <vector>

#include "gradient_check.h"
#include "lgff.h"

namespace {

using orbweaver::Inputs;
using orbweaver::Representation;
using orbweaver::Side;
using Layout = PositionParams::Layout;

Inputs inputs(Side side, int64_t global, int64_t tokens, int64_t nodes, int64_t embed) {
  Inputs in;
  in.side = side;
  (side == Side::image ? in.image : in.text) = {.global = global, .tokens = tokens, .nodes = nodes};
  in.embed_dim = embed;
  return in;
}

LgffParams small() {
  LgffParams params;
  params.width = 4;
  params.heads = 2;
  return params;
}

at::Tensor mask_of(std::vector<int64_t> counts, int64_t length) {
  return at::arange(length, at::kLong).unsqueeze(0) < at::tensor(counts, at::kLong).unsqueeze(1);
}

/// Three items with 4 tokens each and 2, 0 and 3 nodes.
Representation random_side(const Inputs& in, at::ScalarType type = at::kFloat) {
  Representation side;
  side.global = at::randn({3, in.own().global}, type);
  side.tokens = at::randn({3, 4, in.own().tokens}, type);
  side.node_mask = mask_of({2, 0, 3}, 3);
  side.nodes = at::randn({3, 3, in.own().nodes}, type) * side.node_mask.unsqueeze(-1);
  return side;
}

/// Gives W1 and W2 (and the pool) weights, so that the local level speaks.
void wake(LgffFusion& fusion) {
  at::NoGradGuard no_grad;
  for (auto& parameter : fusion.named_parameters())
    if (parameter.key() == "scale.weight" || parameter.key() == "shift.weight" || parameter.key() == "score.weight")
      parameter.value().normal_();
}

double largest_difference(const at::Tensor& a, const at::Tensor& b) { return (a - b).abs().max().item<double>(); }

std::string error_of(const LgffParams& params, const Inputs& in) {
  try {
    LgffFusion fusion(params, in);
  } catch (const orbweaver::InputError& error) {
    return error.what();
  }
  return "no error";
}

TEST(Lgff, StartsAsTheSceneLevel) {
  at::manual_seed(1);
  for (const Side side : {Side::image, Side::text})
    for (const auto empty : {LgffParams::Empty::null_node, LgffParams::Empty::scene}) {
      LgffParams params = small();
      params.empty = empty;
      const Inputs in = inputs(side, 5, 6, 3, 5);
      LgffFusion fusion(params, in);
      const Representation items = random_side(in);
      EXPECT_LT(largest_difference(fusion.forward(items), orbweaver::l2_normalize(items.global)), 1e-6);
    }
}

TEST(Lgff, ALongerSceneVectorOutweighsTheObjectLevelOnlyWithoutUnitScene) {
  const Inputs in = inputs(Side::image, 5, 6, 3, 5);
  for (const bool unit : {true, false}) {
    at::manual_seed(10);
    LgffParams params = small();
    params.unit_scene = unit;
    LgffFusion fusion(params, in);
    wake(fusion);
    fusion.eval();
    at::NoGradGuard no_grad;
    Representation side = random_side(in);
    const at::Tensor before = fusion.forward(side);
    side.global = side.global * 10;
    const double moved = largest_difference(fusion.forward(side), before);
    if (unit) {
      EXPECT_LT(moved, 1e-6);
    } else {
      EXPECT_GT(moved, 1e-2);
    }
  }
}

TEST(Lgff, ScalesAndShiftsTheSceneLevelByWhatItsNodesSee) {
  LgffParams params = small();
  params.unit_scene = false;  // g = (2, 2)
  params.width = 2;
  params.heads = 1;
  params.positions.image = Layout::none;
  LgffFusion fusion(params, inputs(Side::image, 2, 2, 2, 2));
  fusion.eval();
  {
    at::NoGradGuard no_grad;
    auto weights = fusion.named_parameters();
    for (const char* name : {"nodes", "attention.value", "attention.merge"}) {
      weights[std::string(name) + ".weight"].copy_(at::eye(2));
      weights[std::string(name) + ".bias"].zero_();
    }
    weights["scale.weight"].copy_(at::eye(2) * std::sqrt(2.0) * std::log(3.0));
    weights["shift.weight"].copy_(at::diag(at::tensor({1.0f, -2.0f})) * std::sqrt(2.0));
  }
  // The token normalises to (1, -1); u + attention = (501, -501), which normalises to (1, -1); l = (1, -1) / sqrt(2).
  // The factors are 2 sigmoid(+-log 3) = 1.5 and 0.5, the shifts 1 and 2: (2 * 1.5 + 1, 2 * 0.5 + 2) = (4, 3).
  Representation side;
  side.global = at::tensor({2.0f, 2.0f}).view({1, 2});
  side.tokens = at::tensor({1000.0f, -1000.0f}).view({1, 1, 2});
  side.nodes = at::tensor({500.0f, -500.0f}).view({1, 1, 2});
  side.node_mask = mask_of({1}, 1);
  EXPECT_LT(largest_difference(fusion.forward(side), at::tensor({0.8f, 0.6f}).view({1, 2})), 1e-6);
}

TEST(CrossAttention, WeighsSourcesByTheSoftmaxOfTheirScaledProducts) {
  CrossAttention attention({2, 2, 2, 1, 0});
  at::NoGradGuard no_grad;
  for (auto& parameter : attention.named_parameters())
    parameter.value().copy_(parameter.value().dim() == 2 ? at::eye(2) : at::zeros({2}));
  // Scores log 3 and 0, weights 3/4 and 1/4; the third source is padding.
  const double a = std::sqrt(2.0) * std::log(3.0);
  const at::Tensor sources = at::tensor({a, 0.0, 0.0, 1.0, 9.0, 9.0}).view({1, 3, 2}).to(at::kFloat);
  const at::Tensor found = attention.forward(at::tensor({1.0f, 0.0f}).view({1, 1, 2}), sources, mask_of({2}, 3));
  EXPECT_LT(largest_difference(found, at::tensor({0.75 * a, 0.25}).view({1, 1, 2})), 1e-6);
}

TEST(Lgff, GradientsAgreeWithFiniteDifferences) {
  for (const auto pool : {LgffParams::Pool::mean, LgffParams::Pool::attention})
    for (const auto empty : {LgffParams::Empty::null_node, LgffParams::Empty::scene}) {
      at::manual_seed(2);
      LgffParams params = small();
      params.pool = pool;
      params.empty = empty;
      const Inputs in = inputs(Side::image, 3, 3, 2, 4);
      LgffFusion fusion(params, in);
      wake(fusion);
      fusion.to(at::kDouble);
      fusion.eval();
      Representation side = random_side(in, at::kDouble);
      side.token_mask = mask_of({4, 1, 2}, 4);
      auto variables = fusion.parameters();
      for (at::Tensor* part : {&side.global, &side.tokens, &side.nodes})
        variables.push_back(part->set_requires_grad(true));
      const at::Tensor factors = at::randn({3, 4}, at::kDouble);
      const auto scalar = [&] { return (fusion.forward(side) * factors).sum(); };
      EXPECT_LT(orbweaver::testing::gradient_error(scalar, variables), 1e-6);
    }
}

TEST(Lgff, PaddingAndTheOrderOfTheNodesChangeNothing) {
  at::manual_seed(3);
  for (const Side which : {Side::image, Side::text})
    for (const auto pool : {LgffParams::Pool::mean, LgffParams::Pool::attention}) {
      LgffParams params = small();
      params.pool = pool;
      const Inputs in = inputs(which, 5, 6, 3, 5);
      LgffFusion fusion(params, in);
      wake(fusion);
      fusion.eval();
      const Representation side = random_side(in);
      const at::Tensor expected = fusion.forward(side);

      Representation padded = side;  // with large numbers at padding, which no mask may let through
      padded.tokens = at::cat({side.tokens, at::full({3, 5, 6}, 1e3)}, 1);
      padded.token_mask = mask_of({4, 4, 4}, 9);
      padded.nodes = at::cat({side.nodes, at::full({3, 4, 3}, 1e3)}, 1);
      padded.node_mask = mask_of({2, 0, 3}, 7);
      EXPECT_LT(largest_difference(fusion.forward(padded), expected), 1e-6);

      Representation permuted = side;
      const at::Tensor order = at::tensor({2, 0, 1}, at::kLong);
      permuted.nodes = side.nodes.index_select(1, order);
      permuted.node_mask = side.node_mask.index_select(1, order);
      EXPECT_LT(largest_difference(fusion.forward(permuted), expected), 1e-6);
    }
}

TEST(Lgff, AnItemsEmbeddingDoesNotDependOnItsBatch) {
  at::manual_seed(4);
  const Inputs in = inputs(Side::image, 5, 6, 3, 5);
  LgffFusion fusion(small(), in);
  wake(fusion);
  fusion.eval();
  Representation side = random_side(in);
  side.token_mask = mask_of({4, 1, 2}, 4);
  const at::Tensor together = fusion.forward(side);
  for (int64_t i = 0; i < 3; ++i) {
    const auto row = [&](const at::Tensor& x) { return x.narrow(0, i, 1); };
    Representation one;
    one.global = row(side.global), one.tokens = row(side.tokens), one.token_mask = row(side.token_mask);
    one.nodes = row(side.nodes), one.node_mask = row(side.node_mask);
    EXPECT_LT(largest_difference(fusion.forward(one), row(together)), 1e-6);
  }
}

TEST(Lgff, WithoutNodesTheSceneLevelIsLeftExactlyAndSendsFiniteGradients) {
  at::manual_seed(5);
  LgffParams params = small();
  params.empty = LgffParams::Empty::scene;
  for (const auto pool : {LgffParams::Pool::mean, LgffParams::Pool::attention}) {
    params.pool = pool;
    const Inputs in = inputs(Side::text, 5, 6, 3, 5);
    LgffFusion fusion(params, in);
    wake(fusion);
    Representation side = random_side(in);
    side.node_mask = mask_of({0, 0, 0}, 3);
    side.token_mask = mask_of({4, 1, 0}, 4);  // the last item has no token either
    for (at::Tensor* part : {&side.global, &side.tokens, &side.nodes}) part->set_requires_grad(true);
    const at::Tensor embedding = fusion.forward(side);
    EXPECT_LT(largest_difference(embedding, orbweaver::l2_normalize(side.global)), 1e-7);
    embedding.select(1, 0).sum().backward();
    for (const auto& parameter : fusion.parameters()) {
      if (!parameter.grad().defined()) continue;
      EXPECT_TRUE(parameter.grad().isfinite().all().item<bool>());
    }
    for (const at::Tensor& part : {side.global, side.tokens, side.nodes})
      EXPECT_TRUE(part.grad().isfinite().all().item<bool>());
    EXPECT_EQ(side.nodes.grad().abs().max().item<double>(), 0);
  }
}

TEST(Lgff, TheNullNodeSpeaksForEmptyGraphsAlone) {
  at::manual_seed(6);
  const Inputs in = inputs(Side::image, 5, 6, 3, 5);
  LgffFusion fusion(small(), in);
  wake(fusion);
  fusion.eval();
  const Representation side = random_side(in);
  const at::Tensor before = fusion.forward(side);
  EXPECT_TRUE(before.isfinite().all().item<bool>());
  before.select(1, 0).sum().backward();
  EXPECT_GT(fusion.named_parameters()["null_node"].grad().abs().max().item<double>(), 0);
  at::NoGradGuard no_grad;
  fusion.named_parameters()["null_node"].normal_();
  const at::Tensor moved = (fusion.forward(side) - before).abs().amax(1);
  EXPECT_EQ(moved[0].item<double>(), 0);
  EXPECT_GT(moved[1].item<double>(), 1e-4);  // the graph without nodes
  EXPECT_EQ(moved[2].item<double>(), 0);
}

TEST(Lgff, DropsAboutTheShareOfGraphsThatItIsToldInTrainingOnly) {
  at::manual_seed(7);
  LgffParams params = small();
  params.dropout = 0;
  params.drop_graphs = 0.25;
  const Inputs in = inputs(Side::image, 5, 6, 3, 5);
  LgffFusion fusion(params, in);
  wake(fusion);
  at::NoGradGuard no_grad;
  Representation side;
  side.global = at::randn({1, 5}).expand({2000, 5});
  side.tokens = at::randn({1, 4, 6}).expand({2000, 4, 6});
  side.nodes = at::randn({1, 2, 3}).expand({2000, 2, 3});
  side.node_mask = at::ones({2000, 2}, at::kBool);
  const at::Tensor trained = fusion.forward(side);
  fusion.eval();
  const at::Tensor evaluated = fusion.forward(side);
  const double share = ((trained - evaluated).abs().amax(1) > 1e-5).to(at::kDouble).mean().item<double>();
  EXPECT_NEAR(share, 0.25, 0.04);
  EXPECT_LT(largest_difference(evaluated, evaluated.narrow(0, 0, 1)), 1e-6);
}

TEST(Lgff, DropsTheObjectLevelsEntriesInTrainingOnlyAndNeverTheScenes) {
  at::manual_seed(9);
  LgffParams params = small();
  params.dropout = params.drop_graphs = 0;
  const Inputs in = inputs(Side::image, 5, 6, 3, 5);
  const Representation side = random_side(in);
  at::NoGradGuard no_grad;
  params.local_dropout = 0.5;
  LgffFusion fusion(params, in);  // W1 and W2 are still zero: the scene level alone
  EXPECT_EQ(largest_difference(fusion.forward(side), fusion.forward(side)), 0);
  wake(fusion);
  EXPECT_GT(largest_difference(fusion.forward(side), fusion.forward(side)), 1e-4);
  fusion.eval();
  EXPECT_EQ(largest_difference(fusion.forward(side), fusion.forward(side)), 0);
}

TEST(Lgff, BothPathsGetAGradientAtTheStartAndTheNodesOnceTheyAreOpen) {
  at::manual_seed(8);
  const Inputs in = inputs(Side::image, 5, 6, 3, 5);
  LgffFusion fusion(small(), in);
  Representation side = random_side(in);
  side.nodes.set_requires_grad(true);
  const at::Tensor factors = at::randn({3, 5});
  (fusion.forward(side) * factors).sum().backward();
  for (const char* name : {"scale.weight", "shift.weight"})
    EXPECT_GT(fusion.named_parameters()[name].grad().abs().max().item<double>(), 0) << name;
  EXPECT_EQ(side.nodes.grad().abs().max().item<double>(), 0);
  wake(fusion);
  fusion.eval();
  (fusion.forward(side) * factors).sum().backward();
  EXPECT_GT(side.nodes.grad().abs().max().item<double>(), 0);
}

TEST(Lgff, ASideThatIsLeftOutIsItsSceneLevelAndNeedsNoGraph) {
  LgffParams params = small();
  params.sides = LgffParams::Sides::image;
  LgffFusion fusion(params, inputs(Side::text, 2, 0, 0, 2));
  EXPECT_TRUE(fusion.reads().global && !fusion.reads().tokens && !fusion.reads().nodes && !fusion.reads().local);
  EXPECT_TRUE(fusion.parameters().empty());
  Representation side;
  side.global = at::tensor({3.0f, 4.0f}).unsqueeze(0);
  EXPECT_TRUE(fusion.forward(side).allclose(at::tensor({0.6f, 0.8f}).unsqueeze(0)));
  LgffFusion both(small(), inputs(Side::text, 2, 3, 3, 2));
  EXPECT_TRUE(both.reads().global && both.reads().tokens && both.reads().nodes && !both.reads().local);
}

TEST(Lgff, NamesWhatIsMissing) {
  const std::string nodes = error_of(small(), inputs(Side::image, 4, 4, 0, 4));
  EXPECT_NE(nodes.find("fusion lgff: `sides` is \"both\", but no graph_encoder of /model/image makes `nodes`"),
            std::string::npos)
      << nodes;
  const std::string tokens = error_of(small(), inputs(Side::text, 4, 0, 4, 4));
  EXPECT_NE(tokens.find("no text_encoder makes `tokens`"), std::string::npos) << tokens;
  EXPECT_NE(tokens.find("set sides to \"image\""), std::string::npos) << tokens;
  LgffParams params = small();
  params.heads = 3;
  const std::string heads = error_of(params, inputs(Side::image, 4, 4, 4, 4));
  EXPECT_NE(heads.find("heads is 3, which does not divide width 4; use 2"), std::string::npos) << heads;
}

TEST(TokenPositions, AGridHasItsRowsInTheFirstHalfAndItsColumnsInTheSecond) {
  // Cell centres 1/4 and 3/4; with four entries each half is sine and cosine of pi * centre (one wave).
  const at::Tensor table = grid_positions(2, 4, 32, at::TensorOptions(at::kDouble));
  const double r = std::sqrt(0.5);
  const at::Tensor expected =
      at::tensor({r, r, r, r, r, r, r, -r, r, -r, r, r, r, -r, r, -r}, at::kDouble).view({4, 4});
  EXPECT_LT(largest_difference(table, expected), 1e-12);
}

TEST(TokenPositions, ASequenceHasSinesThenCosinesOfTheTransformersWaves) {
  const at::Tensor table = sequence_positions(3, 5, 100, at::TensorOptions(at::kDouble));
  EXPECT_EQ(table.sizes(), at::IntArrayRef({3, 5}));
  // Three waves: 1, 1/10, 1/100 radians a place.
  const double place2[] = {std::sin(2.0), std::sin(0.2), std::sin(0.02), std::cos(2.0), std::cos(0.2)};
  for (int64_t i = 0; i < 5; ++i) EXPECT_NEAR(table[2][i].item<double>(), place2[i], 1e-12);
}

TEST(TokenPositions, TheirLayoutFollowsTheNumberOfTokensUnlessItIsSaid) {
  const auto added = [](Layout layout, int64_t count) {
    PositionParams params;
    params.image = layout;
    return TokenPositions("fusion lgff", params, Side::image).add(at::zeros({1, count, 8}), {}).squeeze(0);
  };
  const at::TensorOptions options(at::kFloat);
  EXPECT_TRUE(added(Layout::automatic, 9).equal(grid_positions(3, 8, 32, options)));
  EXPECT_TRUE(added(Layout::automatic, 10).equal(at::cat({at::zeros({1, 8}), grid_positions(3, 8, 32, options)})));
  EXPECT_TRUE(added(Layout::automatic, 11).equal(sequence_positions(11, 8, 10000, options)));
  EXPECT_TRUE(added(Layout::sequence, 9).equal(sequence_positions(9, 8, 10000, options)));
  EXPECT_EQ(added(Layout::none, 9).abs().max().item<double>(), 0);
  for (const auto& [layout, count, part] :
       {std::tuple(Layout::grid, 50,
                   "positions.image is \"grid\", but an image has 50 tokens, not a square number; use "
                   "\"class_grid\" or \"auto\""),
        std::tuple(Layout::class_grid, 49,
                   "\"class_grid\", but an image has 49 tokens, not a square number and a class "
                   "token; use \"grid\""),
        std::tuple(Layout::grid, 35, "use \"sequence\"")}) {
    try {
      added(layout, count);
      FAIL() << part;
    } catch (const orbweaver::InputError& error) {
      EXPECT_NE(std::string(error.what()).find(part), std::string::npos) << error.what();
    }
  }
}

TEST(TokenPositions, PaddingMovesNoToken) {
  const TokenPositions positions("fusion lgff", {}, Side::image);
  const at::Tensor found = positions.add(at::zeros({3, 6, 8}), mask_of({4, 0, 5}, 6));
  const at::Tensor grid = grid_positions(2, 8, 32, at::TensorOptions(at::kFloat));
  EXPECT_TRUE(found[0].narrow(0, 0, 4).equal(grid));
  EXPECT_EQ(found[1].abs().max().item<double>(), 0);
  EXPECT_TRUE(found[2].narrow(0, 1, 4).equal(grid));
}

}  // namespace
