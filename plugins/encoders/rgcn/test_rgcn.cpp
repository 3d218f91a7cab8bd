#include <gtest/gtest.h>

#include <cmath>
#include <string>
#include <utility>
#include <vector>

#include "gradient_check.h"
#include "rgcn.h"

namespace {

using orbweaver::GraphBatch;
using orbweaver::Inputs;
using rgcn::Params;
using rgcn::Readout;
using rgcn::RgcnEncoder;

constexpr int64_t kFeatures = 5, kLabels = 7, kRelations = 6;
const std::vector<Readout> kReadouts = {Readout::mean, Readout::sum, Readout::attention};

using Edges = std::vector<std::vector<int64_t>>;  // graph, source, target, relation

at::Tensor relations(const Edges& edges) {
  at::Tensor out = at::zeros({4, static_cast<int64_t>(edges.size())}, at::kLong);
  for (size_t e = 0; e < edges.size(); ++e)
    for (int64_t i = 0; i < 4; ++i) out[i][static_cast<int64_t>(e)] = edges[e][static_cast<size_t>(i)];
  return out;
}

Inputs inputs(int64_t features, int64_t embedding_width) {
  Inputs in;
  in.image_node_features = features;
  in.label_count = kLabels;
  in.relation_count = kRelations;
  if (embedding_width > 0) {
    in.label_embedding = std::make_shared<torch::nn::EmbeddingImpl>(kLabels, embedding_width);
    in.label_embedding->to(at::kDouble);
  }
  return in;
}

Params small(Readout readout, int64_t layers = 2) {
  Params params;
  params.layers = layers;
  params.width = 4;
  params.bases = 3;
  params.readout = readout;
  params.graph_dropout = 0;
  return params;
}

/// Graphs of those sizes in a batch padded to `width` nodes; twice as many edges as nodes, some of them twins.
GraphBatch graphs(const std::vector<int64_t>& sizes, int64_t width, int64_t features = kFeatures) {
  const int64_t count = static_cast<int64_t>(sizes.size());
  GraphBatch batch;
  batch.features = at::zeros({count, width, features}, at::kDouble);
  batch.adjacency = at::zeros({count, width, width}, at::kDouble);
  batch.mask = at::zeros({count, width}, at::kBool);
  batch.labels = at::zeros({count, width}, at::kLong);
  Edges edges;
  for (int64_t b = 0; b < count; ++b) {
    const int64_t n = sizes[static_cast<size_t>(b)];
    if (n == 0) continue;
    batch.features[b].narrow(0, 0, n).normal_();
    batch.mask[b].narrow(0, 0, n).fill_(true);
    batch.labels[b].narrow(0, 0, n).copy_(at::randint(1, kLabels, {n}, at::kLong));
    const at::Tensor ends = at::randint(0, n, {2 * n, 2}, at::kLong);
    for (int64_t e = 0; e < 2 * n; ++e)
      edges.push_back({b, ends[e][0].item<int64_t>(), ends[e][1].item<int64_t>(), 1 + e % (kRelations - 1)});
  }
  batch.relations = relations(edges);
  return batch;
}

/// The batch with `extra` more padding nodes that are no zeros, edges of padding, and edges to padding nodes.
GraphBatch padded(const GraphBatch& batch, int64_t extra) {
  const int64_t last = batch.mask.size(1) + extra - 1;
  return {at::constant_pad_nd(batch.features, {0, 0, 0, extra}, 9),
          at::constant_pad_nd(batch.adjacency, {0, extra, 0, extra}, 9), at::constant_pad_nd(batch.mask, {0, extra}),
          at::constant_pad_nd(batch.labels, {0, extra}),
          at::cat({batch.relations, relations({{0, 0, 1, 0}, {0, last, 0, 2}, {0, 1, last, 3}, {0, 0, 0, 0}})}, 1)};
}

/// Node i of the result is node order[i].
GraphBatch permuted(const GraphBatch& batch, const at::Tensor& order) {
  const at::Tensor place = order.argsort();
  const at::Tensor& r = batch.relations;
  return {batch.features.index_select(1, order), batch.adjacency, batch.mask.index_select(1, order),
          batch.labels.index_select(1, order),
          at::stack({r[0], place.index_select(0, r[1]), place.index_select(0, r[2]), r[3]}).flip(1)};
}

double largest_difference(const at::Tensor& a, const at::Tensor& b) { return (a - b).abs().max().item<double>(); }

/// A layer that computes h_i + 10 * mean over relation 2 in + 100 * mean over relation 2 out + 1000 * relation 3 in.
struct ByHand {
  ByHand() {
    Params params = small(Readout::sum, 1);
    params.width = 1;
    params.bases = 2;
    params.l2 = false;
    encoder = std::make_shared<RgcnEncoder>(params, inputs(1, 0));
    encoder->to(at::kDouble);
    at::NoGradGuard no_grad;
    auto parameters = encoder->named_parameters();
    for (auto& parameter : parameters) parameter.value().zero_();
    for (const char* one : {"features.weight", "layer1_self.weight", "out.weight"}) parameters[one].fill_(1);
    // V = 10 and 100. Relation 2: the first, inverse the second; relation 3: ten times the second.
    parameters["layer1_bases"].copy_(at::tensor({10.0, 100.0}, at::kDouble).view({2, 1, 1}));
    parameters["layer1_coefficients"][2][0] = 1;
    parameters["layer1_coefficients"][2 + kRelations][1] = 1;
    parameters["layer1_coefficients"][3][1] = 10;
  }
  std::vector<double> nodes(const std::vector<double>& features, const Edges& edges) const {
    const int64_t n = static_cast<int64_t>(features.size());
    GraphBatch batch = graphs({n}, n, 1);
    batch.features.copy_(at::tensor(features, at::kDouble).view({1, n, 1}));
    batch.relations = relations(edges);
    const at::Tensor found = encoder->forward(batch).nodes.flatten().contiguous();
    return {found.data_ptr<double>(), found.data_ptr<double>() + n};
  }
  std::shared_ptr<RgcnEncoder> encoder;
};

TEST(Rgcn, WithoutLayersSaysOfANodeWhatItIsItself) {
  Params params = small(Readout::sum, 0);
  RgcnEncoder encoder(params, inputs(kFeatures, params.width));
  encoder.to(at::kDouble);
  encoder.eval();
  const GraphBatch batch = graphs({3, 0, 2}, 4);
  GraphBatch unconnected = batch;
  unconnected.relations = relations({});
  const auto found = encoder.forward(batch), alone = encoder.forward(unconnected);
  EXPECT_EQ(largest_difference(found.nodes, alone.nodes), 0);
  EXPECT_EQ(largest_difference(found.local, alone.local), 0);
  EXPECT_GT(found.nodes[0][2].abs().sum().item<double>(), 0);
  EXPECT_EQ(found.nodes[1].abs().sum().item<double>(), 0);
}

TEST(Rgcn, ComputesOneLayerAsWorkedByHand) {
  // Relation 2 from nodes 0 and 1 to node 2: it hears 10 * (1 + 3) / 2, each of them 100 * 5. Relation 3 from 2 to 0.
  EXPECT_EQ(ByHand().nodes({1, 3, 5}, {{0, 0, 2, 2}, {0, 1, 2, 2}, {0, 2, 0, 3}}),
            (std::vector<double>{1 + 500 + 5000, 3 + 500, 5 + 20}));
}

TEST(Rgcn, HearsAnEdgeDifferentlyAtItsTwoEnds) {
  EXPECT_EQ(ByHand().nodes({1, 3}, {{0, 0, 1, 2}}), (std::vector<double>{1 + 300, 3 + 10}));
  EXPECT_EQ(ByHand().nodes({1, 3}, {{0, 1, 0, 2}}), (std::vector<double>{1 + 30, 3 + 100}));
}

TEST(Rgcn, CountsEdgesOfPaddingAsNone) {
  EXPECT_EQ(ByHand().nodes({1, 3}, {{0, 0, 1, 0}}), (std::vector<double>{1, 3}));
}

TEST(Rgcn, HasNoReluBehindTheLastLayer) {
  EXPECT_EQ(ByHand().nodes({-2, 3}, {{0, 0, 1, 2}}), (std::vector<double>{-2 + 300, 3 - 20}));
}

TEST(Rgcn, ReversingAnEdgeOrNamingItOtherwiseChangesTheGraphsVector) {
  at::manual_seed(1);
  RgcnEncoder encoder(small(Readout::sum), inputs(kFeatures, 4));
  encoder.to(at::kDouble);
  GraphBatch batch = graphs({3}, 3);
  const auto local = [&](const Edges& edges) {
    batch.relations = relations(edges);
    return encoder.forward(batch).local;
  };
  const at::Tensor plain = local({{0, 0, 1, 2}});
  EXPECT_GT(largest_difference(plain, local({{0, 1, 0, 2}})), 1e-3);
  EXPECT_GT(largest_difference(plain, local({{0, 0, 1, 3}})), 1e-3);
  EXPECT_GT(largest_difference(plain, local({})), 1e-3);
}

TEST(Rgcn, DeclaresTheWidthsThatItMakes) {
  RgcnEncoder encoder(small(Readout::attention), inputs(kFeatures, 6));
  encoder.to(at::kDouble);
  const auto result = encoder.forward(graphs({3, 2}, 4));
  EXPECT_EQ(encoder.outputs().nodes, 4);
  EXPECT_EQ(encoder.outputs().local, 4);
  EXPECT_EQ(result.nodes.sizes(), at::IntArrayRef({2, 4, 4}));
  EXPECT_EQ(result.local.sizes(), at::IntArrayRef({2, 4}));
  EXPECT_EQ(result.nodes[1].narrow(0, 2, 2).abs().max().item<double>(), 0);
  EXPECT_TRUE(result.local.norm(2, -1).allclose(at::ones({2}, at::kDouble)));
}

TEST(Rgcn, SharesItsBasesAmongRelationsAndProjectsTheLabelEmbeddingOnlyWhereWidthsDiffer) {
  RgcnEncoder same(small(Readout::sum), inputs(kFeatures, 4)), other(small(Readout::sum), inputs(kFeatures, 10));
  EXPECT_EQ(same.named_parameters()["layer2_bases"].sizes(), at::IntArrayRef({3, 4, 4}));
  EXPECT_EQ(same.named_parameters()["layer2_coefficients"].sizes(), at::IntArrayRef({2 * kRelations, 3}));
  EXPECT_FALSE(same.named_parameters().contains("labels.weight"));
  EXPECT_EQ(other.named_parameters()["labels.weight"].sizes(), at::IntArrayRef({4, 10}));
}

TEST(Rgcn, EncodesGraphsOfLabelsWithoutFeatures) {
  at::manual_seed(2);
  RgcnEncoder encoder(small(Readout::sum), inputs(0, 4));
  encoder.to(at::kDouble);
  GraphBatch batch = graphs({3, 3}, 3, 0);
  batch.labels.copy_(at::tensor(std::vector<int64_t>{1, 2, 3, 4, 5, 6}).view({2, 3}));
  const auto local = encoder.forward(batch).local;
  EXPECT_GT(largest_difference(local[0], local[1]), 1e-6);
}

TEST(Rgcn, SumAndAttentionKeepCountsAndTheMeanDoesNot) {
  at::manual_seed(3);
  for (const Readout readout : kReadouts) {
    RgcnEncoder encoder(small(readout), inputs(kFeatures, 4));
    encoder.to(at::kDouble);
    GraphBatch batch = graphs({1, 2}, 2);
    batch.features[1] = batch.features[0][0].expand({2, kFeatures});
    batch.labels[1] = batch.labels[0][0].expand({2});
    batch.relations = relations({});
    const auto local = encoder.forward(batch).local;
    if (readout == Readout::mean)
      EXPECT_LT(largest_difference(local[0], local[1]), 1e-12);
    else
      EXPECT_GT(largest_difference(local[0], local[1]), 1e-4);
  }
}

TEST(Rgcn, DoesNotDependOnPadding) {
  at::manual_seed(4);
  const GraphBatch batch = graphs({4, 1, 0, 3}, 4);
  for (const Readout readout : kReadouts) {
    RgcnEncoder encoder(small(readout), inputs(kFeatures, 10));
    encoder.to(at::kDouble);
    const auto tight = encoder.forward(batch), wide = encoder.forward(padded(batch, 7));
    EXPECT_LT(largest_difference(tight.local, wide.local), 1e-12);
    EXPECT_LT(largest_difference(tight.nodes, wide.nodes.narrow(1, 0, 4)), 1e-12);
    EXPECT_EQ(wide.nodes.narrow(1, 4, 7).abs().max().item<double>(), 0);
  }
}

TEST(Rgcn, DoesNotDependOnTheOrderOfNodesAndEdges) {
  at::manual_seed(5);
  const GraphBatch batch = graphs({6, 4, 0}, 6);
  const at::Tensor order = at::tensor(std::vector<int64_t>{5, 2, 0, 4, 1, 3});
  for (const Readout readout : kReadouts) {
    RgcnEncoder encoder(small(readout), inputs(kFeatures, 4));
    encoder.to(at::kDouble);
    const auto plain = encoder.forward(batch), shuffled = encoder.forward(permuted(batch, order));
    EXPECT_LT(largest_difference(plain.nodes.index_select(1, order), shuffled.nodes), 1e-12);
    EXPECT_LT(largest_difference(plain.local, shuffled.local), 1e-12);
  }
}

TEST(Rgcn, GivesEveryEmptyGraphTheNullNodeAndNoOtherGraph) {
  at::manual_seed(6);
  for (const Readout readout : kReadouts) {
    RgcnEncoder encoder(small(readout), inputs(kFeatures, 4));
    encoder.to(at::kDouble);
    const GraphBatch batch = graphs({0, 2, 0}, 2);
    const auto before = encoder.forward(batch);
    EXPECT_TRUE(before.local[0].equal(before.local[2]));
    EXPECT_NEAR(before.local[0].norm().item<double>(), 1, 1e-12);
    EXPECT_EQ(before.nodes[0].abs().max().item<double>(), 0);
    EXPECT_FALSE(before.node_mask[0].any().item<bool>());
    encoder.named_parameters()["null_node"].data().add_(at::tensor({1.0, -1.0, 0.5, 0.0}, at::kDouble));
    const auto after = encoder.forward(batch);
    EXPECT_GT(largest_difference(before.local[0], after.local[0]), 1e-6);
    EXPECT_TRUE(before.local[1].equal(after.local[1]));
  }
}

TEST(Rgcn, HasFiniteGradientsWhenNoGraphOfTheBatchHasNodes) {
  at::manual_seed(7);
  for (const Readout readout : kReadouts) {
    const Inputs in = inputs(kFeatures, 10);
    RgcnEncoder encoder(small(readout), in);
    encoder.to(at::kDouble);
    const auto result = encoder.forward(graphs({0, 0}, 1));
    (result.local.sum() + result.nodes.sum()).backward();
    auto parameters = encoder.parameters();
    parameters.push_back(in.label_embedding->weight);
    for (const at::Tensor& parameter : parameters)
      EXPECT_TRUE(!parameter.grad().defined() || parameter.grad().isfinite().all().item<bool>());
    EXPECT_GT(encoder.named_parameters()["null_node"].grad().abs().max().item<double>(), 0);
  }
}

TEST(Rgcn, DropsWholeGraphsInTrainingOnlyWhichThenAreLikeEmptyOnes) {
  Params params = small(Readout::sum);
  params.graph_dropout = 0.5;
  at::manual_seed(8);
  RgcnEncoder encoder(params, inputs(kFeatures, 4));
  encoder.to(at::kDouble);
  std::vector<int64_t> sizes(40, 2);
  sizes[0] = 0;
  const GraphBatch batch = graphs(sizes, 3);
  const auto trained = encoder.forward(batch);
  const at::Tensor dropped = trained.node_mask.any(1).logical_not();
  const int64_t count = dropped.sum().item<int64_t>();
  EXPECT_GT(count, 10);
  EXPECT_LT(count, 32);
  for (int64_t b = 0; b < 40; ++b) {
    EXPECT_EQ(trained.local[b].equal(trained.local[0]), dropped[b].item<bool>());
    EXPECT_TRUE(trained.node_mask[b].equal(batch.mask[b].logical_and(dropped[b].logical_not())));
  }
  at::manual_seed(9);
  const auto first = encoder.forward(batch).local;
  at::manual_seed(9);
  EXPECT_TRUE(first.equal(encoder.forward(batch).local));
  encoder.eval();
  EXPECT_TRUE(encoder.forward(batch).node_mask.equal(batch.mask));
}

TEST(Rgcn, DropsNodeFeaturesInTrainingOnly) {
  at::manual_seed(10);
  Params params = small(Readout::sum);
  params.dropout = 0.5;
  RgcnEncoder encoder(params, inputs(kFeatures, 0));
  encoder.to(at::kDouble);
  const GraphBatch batch = graphs({4, 4, 4}, 4);
  EXPECT_GT(largest_difference(encoder.forward(batch).local, encoder.forward(batch).local), 1e-6);
  encoder.eval();
  EXPECT_TRUE(encoder.forward(batch).local.equal(encoder.forward(batch).local));
}

TEST(Rgcn, GradientsAgreeWithFiniteDifferences) {
  for (const Readout readout : kReadouts) {
    at::manual_seed(11);
    const Inputs in = inputs(kFeatures, 3);
    RgcnEncoder encoder(small(readout), in);
    encoder.to(at::kDouble);
    GraphBatch batch = graphs({3, 1, 0}, 4);
    batch.features.set_requires_grad(true);
    const at::Tensor local_weights = at::randn({3, 4}, at::kDouble), node_weights = at::randn({3, 4, 4}, at::kDouble);
    auto variables = encoder.parameters();
    variables.insert(variables.end(), {batch.features, in.label_embedding->weight});
    const auto scalar = [&] {
      const auto result = encoder.forward(batch);
      return (result.local * local_weights).sum() + (result.nodes * node_weights).sum();
    };
    EXPECT_LT(orbweaver::testing::gradient_error(scalar, variables), 1e-7);
  }
}

TEST(Rgcn, RefusesASideWithoutAnythingToEncode) {
  try {
    RgcnEncoder encoder({}, inputs(0, 0));
    FAIL() << "no error";
  } catch (const orbweaver::InputError& error) {
    EXPECT_NE(std::string(error.what()).find("neither node features nor labels"), std::string::npos) << error.what();
  }
}

}  // namespace
