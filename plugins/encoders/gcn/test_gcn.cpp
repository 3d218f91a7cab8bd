#include <gtest/gtest.h>

#include <cmath>
#include <string>
#include <vector>

#include "gcn.h"
#include "gradient_check.h"
#include "orbweaver/torch/weights.h"
#include "test_data.h"

namespace {

using gcn::GcnEncoder;
using gcn::Normalize;
using gcn::Params;
using gcn::Readout;
using gcn::Variant;
using orbweaver::GraphBatch;
using orbweaver::Inputs;

constexpr int64_t kFeatures = 5, kLabels = 7;

Inputs inputs(int64_t features, int64_t embedding_width) {
  Inputs in;
  in.image_node_features = features;
  in.label_count = kLabels;
  if (embedding_width > 0) {
    in.label_embedding = std::make_shared<torch::nn::EmbeddingImpl>(kLabels, embedding_width);
    in.label_embedding->to(at::kDouble);
  }
  return in;
}

Params small(Readout readout, std::vector<int64_t> widths = {6, 4}) {
  Params params;
  params.widths = std::move(widths);
  params.width = 3;
  params.readout = readout;
  params.nodes = 8;
  return params;
}

/// Graphs of those sizes in a batch padded to `width` nodes; symmetric adjacency with some negative entries.
GraphBatch graphs(const std::vector<int64_t>& sizes, int64_t width, int64_t features = kFeatures) {
  const int64_t count = static_cast<int64_t>(sizes.size());
  GraphBatch batch;
  batch.features = at::zeros({count, width, features}, at::kDouble);
  batch.adjacency = at::zeros({count, width, width}, at::kDouble);
  batch.mask = at::zeros({count, width}, at::kBool);
  batch.labels = at::zeros({count, width}, at::kLong);
  batch.relations = at::zeros({4, 0}, at::kLong);
  for (int64_t b = 0; b < count; ++b) {
    const int64_t n = sizes[static_cast<size_t>(b)];
    if (n == 0) continue;
    batch.features[b].narrow(0, 0, n).normal_();
    const at::Tensor edges = at::rand({n, n}, at::kDouble) - 0.1;
    batch.adjacency[b].narrow(0, 0, n).narrow(1, 0, n).copy_((edges + edges.t()) / 2);
    batch.mask[b].narrow(0, 0, n).fill_(true);
    batch.labels[b].narrow(0, 0, n).copy_(at::randint(1, kLabels, {n}, at::kLong));
  }
  return batch;
}

/// The batch with `extra` more padding nodes, whose features and edges are no zeros: the mask alone counts.
GraphBatch padded(const GraphBatch& batch, int64_t extra) {
  return {at::constant_pad_nd(batch.features, {0, 0, 0, extra}, 9),
          at::constant_pad_nd(batch.adjacency, {0, extra, 0, extra}, 9), at::constant_pad_nd(batch.mask, {0, extra}),
          at::constant_pad_nd(batch.labels, {0, extra}), batch.relations};
}

GraphBatch permuted(const GraphBatch& batch, const at::Tensor& order) {
  return {batch.features.index_select(1, order), batch.adjacency.index_select(1, order).index_select(2, order),
          batch.mask.index_select(1, order), batch.labels.index_select(1, order), batch.relations};
}

double largest_difference(const at::Tensor& a, const at::Tensor& b) { return (a - b).abs().max().item<double>(); }

std::string error_of(const Params& params, const Inputs& in) {
  try {
    GcnEncoder encoder(params, in);
  } catch (const orbweaver::InputError& error) {
    return error.what();
  }
  return "no error";
}

at::Tensor matrix(std::vector<double> values, int64_t n) { return at::tensor(values, at::kDouble).view({1, n, n}); }

const std::vector<Readout> kReadouts = {Readout::mean, Readout::sum, Readout::attention, Readout::flatten};

TEST(GcnPropagation, FollowsEquation11AndCountsNegativeEdgesAsNone) {
  // A + I = [1 3; 3 1] beside an isolated node: degrees 4, 4, 1.
  const at::Tensor found = gcn::propagation(matrix({0, 3, -1, 3, 0, 0, -1, 0, 0}, 3), at::ones({1, 3, 1}, at::kDouble),
                                            Normalize::symmetric);
  EXPECT_LT(largest_difference(found, matrix({0.25, 0.75, 0, 0.75, 0.25, 0, 0, 0, 1}, 3)), 1e-12);
}

TEST(GcnPropagation, WeighsANodeAsMuchAsAllItsNeighboursByRows) {
  const at::Tensor found = gcn::propagation(matrix({0, 0.01, 0.03, 0.01, 0, 0, 0.03, 0, 0}, 3),
                                            at::ones({1, 3, 1}, at::kDouble), Normalize::row);
  EXPECT_LT(largest_difference(found, matrix({0.5, 0.125, 0.375, 0.5, 0.5, 0, 0.5, 0, 0.5}, 3)), 1e-12);
  const at::Tensor alone =
      gcn::propagation(at::zeros({1, 2, 2}, at::kDouble), at::ones({1, 2, 1}, at::kDouble), Normalize::row);
  EXPECT_LT(largest_difference(alone, matrix({1, 0, 0, 1}, 2)), 1e-12);
}

TEST(GcnPropagation, LeavesTheAdjacencyAloneWithoutNormalisation) {
  const at::Tensor adjacency = matrix({2, -3, -3, 0.5}, 2);
  EXPECT_TRUE(gcn::propagation(adjacency, at::ones({1, 2, 1}, at::kDouble), Normalize::none).equal(adjacency));
}

TEST(Gcn, ComputesOneLayerAsWorkedByHand) {
  Params params = small(Readout::mean, {1});
  params.width = 1;
  params.l2 = false;
  GcnEncoder encoder(params, inputs(1, 0));
  encoder.to(at::kDouble);
  at::NoGradGuard no_grad;
  for (auto& parameter : encoder.named_parameters()) parameter.value().fill_(parameter.key().ends_with("bias") ? 1 : 2);
  GraphBatch batch = graphs({2}, 2, 1);
  batch.features.copy_(at::tensor({1.0, -3.0}, at::kDouble).view({1, 2, 1}));
  batch.adjacency.copy_(matrix({0, 3, 3, 0}, 2));
  // Input 2x + 1: 3, -5. P = [.25 .75; .75 .25]: -3, 1. Layer 2h + 1 and ReLU: 0, 3. Mean 1.5; out 4.
  const auto result = encoder.forward(batch);
  EXPECT_LT(largest_difference(result.nodes.flatten(), at::tensor({0.0, 3.0}, at::kDouble)), 1e-12);
  EXPECT_NEAR(result.local.item<double>(), 4, 1e-12);
}

TEST(Gcn, DeclaresTheWidthsThatItMakes) {
  Params params = small(Readout::attention, {6, 9});
  GcnEncoder encoder(params, inputs(kFeatures, 6));
  encoder.to(at::kDouble);
  const auto result = encoder.forward(graphs({3, 2}, 4));
  EXPECT_EQ(encoder.outputs().nodes, 9);
  EXPECT_EQ(encoder.outputs().local, 3);
  EXPECT_EQ(result.nodes.sizes(), at::IntArrayRef({2, 4, 9}));
  EXPECT_EQ(result.local.sizes(), at::IntArrayRef({2, 3}));
  EXPECT_EQ(result.nodes[1].narrow(0, 2, 2).abs().max().item<double>(), 0);
  EXPECT_TRUE(result.local.norm(2, -1).allclose(at::ones({2}, at::kDouble)));
  EXPECT_EQ(GcnEncoder(Params{}, inputs(kFeatures, 0)).outputs().local, 512);
}

TEST(Gcn, ProjectsTheLabelEmbeddingOnlyWhereWidthsDifferAndNeverOwnsIt) {
  GcnEncoder same(small(Readout::mean), inputs(kFeatures, 6)), other(small(Readout::mean), inputs(kFeatures, 10));
  EXPECT_FALSE(same.named_parameters().contains("labels.weight"));
  EXPECT_EQ(other.named_parameters()["labels.weight"].sizes(), at::IntArrayRef({6, 10}));
  EXPECT_EQ(other.parameters().size(), 2u + 1u + 4u + 2u);
}

TEST(Gcn, EncodesGraphsOfLabelsWithoutFeatures) {
  at::manual_seed(1);
  GcnEncoder encoder(small(Readout::mean), inputs(0, 6));
  encoder.to(at::kDouble);
  GraphBatch batch = graphs({3, 3}, 3, 0);
  batch.adjacency[1] = batch.adjacency[0];
  batch.labels.copy_(at::tensor(std::vector<int64_t>{1, 2, 3, 4, 5, 6}).view({2, 3}));
  const auto local = encoder.forward(batch).local;
  EXPECT_GT(largest_difference(local[0], local[1]), 1e-6);
}

TEST(Gcn, DoesNotDependOnPadding) {
  at::manual_seed(2);
  const GraphBatch batch = graphs({4, 1, 0, 3}, 4);
  for (const Readout readout : kReadouts)
    for (const Normalize normalize : {Normalize::symmetric, Normalize::row, Normalize::none}) {
      Params params = small(readout);
      params.normalize = normalize;
      GcnEncoder encoder(params, inputs(kFeatures, 10));
      encoder.to(at::kDouble);
      const auto tight = encoder.forward(batch), wide = encoder.forward(padded(batch, 7));
      EXPECT_LT(largest_difference(tight.local, wide.local), 1e-12);
      EXPECT_LT(largest_difference(tight.nodes, wide.nodes.narrow(1, 0, 4)), 1e-12);
      EXPECT_EQ(wide.nodes.narrow(1, 4, 7).abs().max().item<double>(), 0);
    }
}

TEST(Gcn, DoesNotDependOnTheOrderOfNodesUnlessItFlattensThem) {
  at::manual_seed(3);
  const GraphBatch batch = graphs({6, 4, 0}, 6);
  const at::Tensor order = at::tensor(std::vector<int64_t>{5, 2, 0, 4, 1, 3});
  for (const Readout readout : kReadouts) {
    GcnEncoder encoder(small(readout), inputs(kFeatures, 6));
    encoder.to(at::kDouble);
    const auto plain = encoder.forward(batch), shuffled = encoder.forward(permuted(batch, order));
    EXPECT_LT(largest_difference(plain.nodes.index_select(1, order), shuffled.nodes), 1e-12);
    const double difference = largest_difference(plain.local, shuffled.local);
    if (readout == Readout::flatten)
      EXPECT_GT(difference, 1e-6);
    else
      EXPECT_LT(difference, 1e-12);
  }
}

TEST(Gcn, GivesAGraphWithoutNodesZerosAndAFiniteGradient) {
  at::manual_seed(4);
  for (const Readout readout : kReadouts)
    for (const std::vector<int64_t>& sizes : {std::vector<int64_t>{0, 2}, std::vector<int64_t>{0, 0}}) {
      const Inputs in = inputs(kFeatures, 10);
      GcnEncoder encoder(small(readout), in);
      encoder.to(at::kDouble);
      const auto result = encoder.forward(graphs(sizes, 2));
      EXPECT_EQ(result.local[0].abs().max().item<double>(), 0);
      EXPECT_EQ(result.nodes[0].abs().max().item<double>(), 0);
      EXPECT_TRUE(std::isfinite(result.local.sum().item<double>()));
      (result.local.sum() + result.nodes.sum()).backward();
      auto parameters = encoder.parameters();
      parameters.push_back(in.label_embedding->weight);
      for (const at::Tensor& parameter : parameters)
        EXPECT_TRUE(!parameter.grad().defined() || parameter.grad().isfinite().all().item<bool>());
    }
}

TEST(Gcn, GradientsAgreeWithFiniteDifferences) {
  for (const Readout readout : kReadouts)
    for (const Normalize normalize : {Normalize::symmetric, Normalize::row}) {
      at::manual_seed(5);
      Params params = small(readout);
      params.normalize = normalize;
      params.nodes = 4;
      const Inputs in = inputs(kFeatures, 3);
      GcnEncoder encoder(params, in);
      encoder.to(at::kDouble);
      GraphBatch batch = graphs({3, 1, 0}, 4);
      batch.features.set_requires_grad(true);
      const at::Tensor local_weights = at::randn({3, 3}, at::kDouble), node_weights = at::randn({3, 4, 4}, at::kDouble);
      auto variables = encoder.parameters();
      variables.insert(variables.end(), {batch.features, in.label_embedding->weight});
      const auto scalar = [&] {
        const auto result = encoder.forward(batch);
        return (result.local * local_weights).sum() + (result.nodes * node_weights).sum();
      };
      EXPECT_LT(orbweaver::testing::gradient_error(scalar, variables), 1e-7);
    }
}

TEST(Gcn, DropsNodeFeaturesInTrainingOnly) {
  at::manual_seed(6);
  Params params = small(Readout::mean, {32, 32});
  params.dropout = 0.5;
  GcnEncoder encoder(params, inputs(kFeatures, 0));
  encoder.to(at::kDouble);
  const GraphBatch batch = graphs({4}, 4);
  EXPECT_GT(largest_difference(encoder.forward(batch).local, encoder.forward(batch).local), 1e-6);
  encoder.eval();
  EXPECT_TRUE(encoder.forward(batch).local.equal(encoder.forward(batch).local));
}

TEST(Gcn, RefusesMoreNodesThanFlattenTakes) {
  GcnEncoder encoder(small(Readout::flatten), inputs(kFeatures, 0));
  encoder.to(at::kDouble);
  EXPECT_NO_THROW(encoder.forward(graphs({8, 2}, 12)));
  try {
    encoder.forward(graphs({9, 2}, 12));
    FAIL() << "no error";
  } catch (const orbweaver::InputError& error) {
    EXPECT_NE(std::string(error.what()).find("has 9 nodes, readout flatten takes 8"), std::string::npos)
        << error.what();
  }
}

TEST(Gcn, RefusesParametersThatCannotWork) {
  EXPECT_NE(error_of(small(Readout::mean, {}), inputs(kFeatures, 0)).find("widths is empty"), std::string::npos);
  EXPECT_NE(error_of({}, inputs(0, 0)).find("neither node features nor labels"), std::string::npos);
  Params released;
  released.variant = Variant::released;
  const std::string error = error_of(released, inputs(8, 4));
  EXPECT_NE(error.find("width 20"), std::string::npos) << error;
  EXPECT_NE(error.find("makes 8"), std::string::npos) << error;
  const auto problems = orbweaver::validate(orbweaver::schema_of<Params>(), [] {
    orbweaver::Value value = orbweaver::Value::object();
    value["widths"] = orbweaver::Value::list();
    return value;
  }());
  ASSERT_EQ(problems.size(), 1u);
  EXPECT_EQ(problems[0].pointer, "/widths");
}

TEST(Gcn, TakesWhatTheVariantLeavesOpenFromTheVariant) {
  Params released;
  released.variant = Variant::released;
  GcnEncoder encoder(released, inputs(20, 6));
  const auto parameters = encoder.named_parameters();
  EXPECT_EQ(parameters["fc1.weight"].sizes(), at::IntArrayRef({20, 20}));
  EXPECT_EQ(parameters["fc3.weight"].sizes(), at::IntArrayRef({20, 10}));
  EXPECT_EQ(parameters["out.weight"].sizes(), at::IntArrayRef({512, 400}));
  EXPECT_EQ(parameters.size(), 5u);
  released.readout = Readout::mean;
  EXPECT_EQ(GcnEncoder(released, inputs(20, 6)).named_parameters()["out.weight"].sizes(), at::IntArrayRef({512, 20}));
}

TEST(GcnGolden, ReproducesTheReleasedNetwork) {
  ORBWEAVER_NEEDS_TEST_DATA("golden/galr_gcn.safetensors");
  const auto golden = orbweaver::read_state_dict(orbweaver::testing::test_data() / "golden/galr_gcn.safetensors");
  Params params;
  params.variant = Variant::released;
  params.width = golden.at("out").size(1);
  GcnEncoder encoder(params, inputs(20, 0));
  orbweaver::StateDict weights;
  for (const auto& [name, tensor] : golden)
    if (name.rfind("param.", 0) == 0) weights[name.substr(6)] = tensor;
  orbweaver::load_state_dict(encoder, weights);
  at::NoGradGuard no_grad;
  GraphBatch batch;
  batch.features = golden.at("in.nodes");
  batch.adjacency = golden.at("in.adjacency");
  batch.mask = at::ones({batch.features.size(0), 20}, at::kBool);
  batch.labels = at::ones({batch.features.size(0), 20}, at::kLong);
  EXPECT_LT(largest_difference(encoder.forward(batch).local, golden.at("out")), 1e-6);
}

}  // namespace
