#include <ATen/Parallel.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <string>
#include <vector>

#include "gradient_check.h"
#include "graph_match.h"
#include "naive_interactions.h"
#include "tensor_memory.h"

namespace {

using graph_match::GraphMatch;
using orbweaver::Inputs;
using orbweaver::Representation;

constexpr int64_t kLeft = 2, kOn = 3, kRelations = 4;
/// What the only relation between two objects weighs beside "no relation", at first.
const double kShare = 1 / (1 + std::exp(-2));
/// The part of a relation's fit that counts where both ends are there, with cosines of 1.
const double kThere = std::pow(1 / (1 + std::exp(-10 * (1 - 0.7))), 2);

Inputs inputs(int64_t image_nodes = 3, int64_t text_nodes = 3) {
  Inputs in;
  in.image.nodes = image_nodes;
  in.text.nodes = text_nodes;
  in.relation_count = kRelations;
  return in;
}

GraphMatch matcher(double relation_weight = 2, double count_weight = 0) {
  graph_match::Params params;
  params.relation_weight = relation_weight;
  params.count_weight = count_weight;
  return GraphMatch(params, inputs());
}

struct Edge {
  int64_t source, target, name;
};

/// One graph whose nodes are the unit vectors of these dimensions of three.
Representation graph(const std::vector<int64_t>& dimensions, const std::vector<Edge>& edges) {
  const auto count = static_cast<int64_t>(dimensions.size());
  Representation side;
  side.nodes = at::zeros({1, std::max<int64_t>(count, 1), 3});
  side.node_mask = at::zeros({1, std::max<int64_t>(count, 1)}, at::kBool);
  for (int64_t i = 0; i < count; ++i) {
    side.nodes[0][i][dimensions[static_cast<size_t>(i)]] = 2.0;  // only the direction counts
    side.node_mask[0][i] = true;
  }
  side.relations = at::zeros({1, std::max<int64_t>(static_cast<int64_t>(edges.size()), 1), 3}, at::kLong);
  for (size_t e = 0; e < edges.size(); ++e)
    side.relations[0][static_cast<int64_t>(e)] =
        at::tensor({edges[e].source, edges[e].target, edges[e].name}, at::kLong);
  return side;
}

double score(GraphMatch& matcher, const Representation& image, const Representation& text) {
  return matcher.score_pairs(image, text, at::zeros({1, 2}, at::kLong)).item<double>();
}

at::Tensor all_pairs(int64_t m, int64_t n) {
  return at::cartesian_prod({at::arange(m, at::kLong), at::arange(n, at::kLong)});
}

/// Random graphs of up to `nodes` nodes and `edges` relations; the last one is empty.
Representation random_graphs(int64_t count, int64_t nodes, int64_t edges, at::ScalarType type = at::kFloat) {
  Representation side;
  side.nodes = at::randn({count, nodes, 3}, type);
  const at::Tensor sizes = at::randint(2, nodes + 1, {count}, at::kLong);
  sizes[count - 1] = 0;
  side.node_mask = at::arange(nodes, at::kLong).unsqueeze(0) < sizes.unsqueeze(1);
  side.nodes = side.nodes * side.node_mask.unsqueeze(2);
  side.relations = at::cat(
      {at::randint(0, nodes, {count, edges, 2}, at::kLong), at::randint(0, kRelations, {count, edges, 1}, at::kLong)},
      2);
  return side;
}

TEST(GraphMatch, KnowsBeforeAnyTrainingWhoStandsLeftOfWhom) {
  GraphMatch own = matcher();
  const Representation image = graph({0, 1}, {{0, 1, kLeft}});
  EXPECT_NEAR(score(own, image, graph({0, 1}, {{0, 1, kLeft}})), 1 + 2 * kThere * kShare, 1e-6);
  // Nothing relates the objects in that direction, or by that name: R = 0.
  EXPECT_NEAR(score(own, image, graph({0, 1}, {{1, 0, kLeft}})), 1, 1e-6);
  EXPECT_NEAR(score(own, image, graph({0, 1}, {{0, 1, kOn}})), 1, 1e-6);
}

TEST(GraphMatch, LearnsWhichNameGoesWithWhich) {
  GraphMatch own = matcher();
  at::NoGradGuard no_grad;
  for (auto& parameter : own.named_parameters())
    if (parameter.key() == "fit") {
      parameter.value()[kOn][kLeft] = 0.4;
    } else if (parameter.key() == "unconnected") {
      parameter.value()[kOn] = -0.2;
    }
  const Representation image = graph({0, 1}, {{0, 1, kLeft}});
  const auto expected = [](double fit) { return 1 + 2 * kThere * (kShare * fit - (1 - kShare) * 0.2); };
  EXPECT_NEAR(score(own, image, graph({0, 1}, {{0, 1, kOn}})), expected(0.4), 1e-6);
  EXPECT_NEAR(score(own, graph({0, 1}, {}), graph({1, 0}, {{0, 1, kOn}})), 1 - 2 * kThere * 0.2, 1e-6);
}

TEST(GraphMatch, AsksHowAllSuchObjectsLieNotHowOneDoes) {
  GraphMatch own = matcher();
  const Representation text = graph({0, 1}, {{0, 1, kLeft}});
  const double others = 2 + std::exp(-2);  // two relations between such objects, and "no relation"
  EXPECT_NEAR(score(own, graph({0, 1, 1}, {{0, 1, kLeft}, {0, 2, kOn}}), text), 1 + 2 * kThere / others, 1e-6);
  EXPECT_NEAR(score(own, graph({0, 1, 1}, {{0, 1, kLeft}, {0, 2, kLeft}}), text), 1 + 2 * kThere * 2 / others, 1e-6);
}

TEST(GraphMatch, CountsEveryEntityAndRelationOfTheCaptionAlike) {
  GraphMatch own = matcher(1);
  // Two of three entities are there: E = 2/3. The first relation is met, the second not.
  const Representation image = graph({0, 1}, {{0, 1, kLeft}});
  const Representation text = graph({0, 1, 2}, {{0, 1, kLeft}, {1, 2, kOn}});
  EXPECT_NEAR(score(own, image, text), 2.0 / 3 + kThere * kShare / 2, 1e-6);
}

TEST(GraphMatch, ScoresACaptionWithoutRelationsByItsEntities) {
  GraphMatch own = matcher();
  EXPECT_NEAR(score(own, graph({0, 1}, {{0, 1, kLeft}}), graph({0, 2}, {})), 0.5, 1e-6);
  GraphMatch objects = matcher(0);
  EXPECT_FALSE(objects.reads().relations);
  Representation image = graph({0, 1}, {}), text = graph({0, 2}, {});
  image.relations = text.relations = at::Tensor();
  EXPECT_NEAR(score(objects, image, text), 0.5, 1e-6);
}

TEST(GraphMatch, LeavesOutARelationWhoseEndIsNotThere) {
  GraphMatch own = matcher();
  // The subject is there, the object is not: of F no more than 1 / (1 + e^7) is left.
  const Representation text = graph({0, 2}, {{0, 1, kLeft}});
  EXPECT_NEAR(score(own, graph({0, 1}, {{0, 1, kLeft}}), text), 0.5, 2e-3);
}

TEST(GraphMatch, CountsTheObjectsThatAnEntityStandsFor) {
  GraphMatch own = matcher(0, 1);
  const auto present = [](double cosine) { return 1 / (1 + std::exp(-10 * (cosine - 0.7))); };
  // At first every entity is one thing. E = 1; two such objects and one other.
  const double there = 2 * present(1) + present(0);
  const Representation image = graph({0, 0, 1}, {}), text = graph({0}, {});
  EXPECT_NEAR(score(own, image, text), (1 + 1 - std::abs(std::log1p(there) - std::log(2))) / 2, 1e-6);
  at::NoGradGuard no_grad;
  for (auto& parameter : own.named_parameters())
    if (parameter.key() == "count.weight") parameter.value()[0][0] = 0.2;  // the node is 2 long
  EXPECT_NEAR(score(own, image, text), (1 + 1 - std::abs(std::log1p(there) - std::log(2) - 0.4)) / 2, 1e-6);
  // Padding is not counted, on either side.
  Representation padded = image, longer = text;
  padded.nodes = at::cat({image.nodes, image.nodes}, 1);
  padded.node_mask = at::constant_pad_nd(image.node_mask, {0, 3});
  longer.nodes = at::cat({text.nodes, text.nodes}, 1);
  longer.node_mask = at::constant_pad_nd(text.node_mask, {0, 1});
  EXPECT_NEAR(score(own, padded, longer), score(own, image, text), 1e-6);
}

TEST(GraphMatch, LeavesOutRelationsOfDroppedNodes) {
  GraphMatch own = matcher();
  Representation image = graph({0, 1, 1}, {{0, 2, kLeft}});
  image.node_mask[0][2] = false;
  EXPECT_NEAR(score(own, image, graph({0, 1}, {{0, 1, kLeft}})), 1, 1e-6);
}

TEST(GraphMatch, GivesAllPairsWithAnEmptyGraphOneLearnedNumber) {
  GraphMatch own = matcher();
  at::NoGradGuard no_grad;
  for (auto& parameter : own.named_parameters())
    if (parameter.key() == "empty") parameter.value().fill_(0.3);
  const Representation some = graph({0, 1}, {{0, 1, kLeft}}), none = graph({}, {});
  EXPECT_NEAR(score(own, none, some), 0.3, 1e-6);
  EXPECT_NEAR(score(own, some, none), 0.3, 1e-6);
  EXPECT_NEAR(score(own, none, none), 0.3, 1e-6);
}

TEST(GraphMatch, ScoresAllPairsAsItScoresEach) {
  at::manual_seed(1);
  GraphMatch own = matcher(2, 1);
  const Representation images = random_graphs(5, 6, 7), texts = random_graphs(4, 3, 2);
  const at::Tensor each = own.score_pairs(images, texts, all_pairs(5, 4)).view({5, 4});
  EXPECT_LT((own.score_all(images, texts, 1) - each).abs().max().item<double>(), 1e-6);
  EXPECT_EQ(own.score_pairs(images, texts, at::zeros({0, 2}, at::kLong)).numel(), 0);
}

TEST(GraphMatch, ScoresAsItsEquationsBroadcastToAllPairsWhateverTheChunk) {
  at::manual_seed(5);
  at::NoGradGuard no_grad;
  GraphMatch own = matcher(2, 1);
  for (at::Tensor& parameter : own.parameters()) parameter.add_(at::randn_like(parameter), 0.3);
  Representation images = random_graphs(7, 6, 9), texts = random_graphs(23, 4, 3);
  images.node_mask[6].fill_(true);  // no empty graphs, which have a score of their own
  texts.node_mask[22].fill_(true);
  const at::Tensor expected = orbweaver::testing::naive_graph_match(2, 1, own.named_parameters(), images, texts);
  for (const int64_t chunk : {0, 1, 5, 22, 23, 4096})
    EXPECT_LT((own.score_all(images, texts, chunk) - expected).abs().max().item<double>(), 1e-5) << chunk;
  EXPECT_EQ(own.score_all(images, random_graphs(1, 4, 3), 8).sizes(), at::IntArrayRef({7, 1}));
}

TEST(GraphMatch, ScoringAllPairsHasTheGradientsOfScoringEach) {
  at::manual_seed(6);
  GraphMatch own = matcher(2, 1);
  own.to(at::kDouble);
  Representation images = random_graphs(4, 4, 5, at::kDouble), texts = random_graphs(5, 3, 3, at::kDouble);
  images.nodes.requires_grad_();
  texts.nodes.requires_grad_();
  const at::Tensor weights = at::randn({4, 5}, at::kDouble);
  std::vector<at::Tensor> leaves = own.parameters();
  leaves.insert(leaves.end(), {images.nodes, texts.nodes});
  const auto gradients = [&](const at::Tensor& scores) {
    for (at::Tensor& leaf : leaves) leaf.mutable_grad() = at::Tensor();
    (scores.view({4, 5}) * weights).sum().backward();
    std::vector<at::Tensor> out;
    for (const at::Tensor& leaf : leaves) out.push_back(leaf.grad().clone());
    return out;
  };
  const std::vector<at::Tensor> each = gradients(own.score_pairs(images, texts, all_pairs(4, 5)));
  const std::vector<at::Tensor> all = gradients(own.score_all(images, texts, 2));
  for (size_t i = 0; i < each.size(); ++i) EXPECT_TRUE(all[i].allclose(each[i], 1e-9, 1e-12)) << i;
}

TEST(GraphMatch, NeedsMemoryForTheChunkAndNotForAllCaptions) {
  at::manual_seed(7);
  at::NoGradGuard no_grad;
  const int threads = at::get_num_threads();
  at::set_num_threads(1);  // other threads' tensors are not seen
  GraphMatch own = matcher(2, 1);
  const Representation images = random_graphs(4, 6, 40), texts = random_graphs(256, 3, 2);
  const auto peak = [&](int64_t chunk) {
    return orbweaver::testing::TensorMemory::peak([&] { own.score_all(images, texts, chunk); });
  };
  EXPECT_LT(4 * peak(8), peak(256));
  at::set_num_threads(threads);
}

TEST(GraphMatch, DoesNotDependOnPaddingNorOnTheOrderOfNodesAndRelations) {
  at::manual_seed(2);
  GraphMatch own = matcher(2, 1);
  const Representation images = random_graphs(5, 6, 7), texts = random_graphs(4, 3, 2);
  const at::Tensor plain = own.score_all(images, texts, 100);

  Representation moved = images;
  const at::Tensor order = at::randperm(6, at::kLong), place = order.argsort();
  moved.nodes = images.nodes.index_select(1, order);
  moved.node_mask = images.node_mask.index_select(1, order);
  moved.relations = images.relations.index_select(1, at::randperm(7, at::kLong)).clone();
  for (const int64_t end : {0, 1}) {
    const at::Tensor ends = moved.relations.select(2, end);
    ends.copy_(place.index_select(0, ends.flatten()).view_as(ends));
  }
  EXPECT_LT((own.score_all(moved, texts, 100) - plain).abs().max().item<double>(), 1e-6);

  Representation padded = texts;
  padded.nodes = at::cat({texts.nodes, at::randn({4, 2, 3})}, 1);
  padded.node_mask = at::constant_pad_nd(texts.node_mask, {0, 2});
  padded.relations = at::constant_pad_nd(texts.relations, {0, 0, 0, 3});
  EXPECT_LT((own.score_all(images, padded, 100) - plain).abs().max().item<double>(), 1e-6);
}

TEST(GraphMatch, HasTheGradientsOfItsFormula) {
  at::manual_seed(3);
  GraphMatch own = matcher(2, 1);
  own.to(at::kDouble);
  Representation images = random_graphs(4, 4, 5, at::kDouble), texts = random_graphs(3, 3, 3, at::kDouble);
  images.nodes.requires_grad_();
  texts.nodes.requires_grad_();
  const at::Tensor weights = at::randn({12}, at::kDouble);
  std::vector<at::Tensor> leaves = {images.nodes, texts.nodes};
  for (const at::Tensor& parameter : own.parameters()) {
    // Off the ties at which it starts: a maximum has no gradient there.
    at::NoGradGuard no_grad;
    const_cast<at::Tensor&>(parameter).add_(at::randn_like(parameter), 0.3);
    leaves.push_back(parameter);
  }
  const auto sum = [&] { return (own.score_pairs(images, texts, all_pairs(4, 3)) * weights).sum(); };
  EXPECT_LT(orbweaver::testing::gradient_error(sum, leaves), 1e-6);
}

TEST(GraphMatch, SaysWhatItCannotWorkWith) {
  const auto error_of = [](const Inputs& in) -> std::string {
    try {
      GraphMatch made(graph_match::Params(), in);
    } catch (const orbweaver::InputError& error) {
      return error.what();
    }
    return "no error";
  };
  EXPECT_NE(error_of(inputs(3, 4)).find("image nodes are 3 wide, text nodes 4"), std::string::npos);
  Inputs nameless = inputs();
  nameless.relation_count = 2;
  EXPECT_NE(error_of(nameless).find("name no relations"), std::string::npos) << error_of(nameless);
}

}  // namespace
