#include <gtest/gtest.h>

#include <cmath>
#include <map>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "gradient_check.h"
#include "hgac.h"
#include "orbweaver/torch/weights.h"
#include "test_data.h"

namespace {

using hgac::HgacLoss;
using hgac::Params;
using hgac::Variant;
using orbweaver::Inputs;
using orbweaver::LossInput;

constexpr int64_t kWidth = 3, kRelations = 5;

using Edges = std::vector<std::vector<int64_t>>;  // caption, source, target, relation

at::Tensor relations(const Edges& edges) {
  at::Tensor out = at::zeros({4, static_cast<int64_t>(edges.size())}, at::kLong);
  for (size_t e = 0; e < edges.size(); ++e)
    for (int64_t i = 0; i < 4; ++i) out[i][static_cast<int64_t>(e)] = edges[e][static_cast<size_t>(i)];
  return out;
}

Inputs inputs(int64_t width = kWidth) {
  Inputs in;
  in.image.nodes = in.text.nodes = width;
  in.relation_count = kRelations;
  return in;
}

/// Weights of the three terms; in double.
std::shared_ptr<HgacLoss> make(double global, double node, double relation, Params params = {},
                               const Inputs& in = inputs()) {
  params.global_weight = global;
  params.node_weight = node;
  params.relation_weight = relation;
  auto loss = std::make_shared<HgacLoss>(params, in);
  loss->to(at::kDouble);
  return loss;
}

at::Tensor mask_of(const std::vector<int64_t>& sizes) {
  const int64_t width = std::max<int64_t>(1, *std::max_element(sizes.begin(), sizes.end()));
  at::Tensor mask = at::zeros({static_cast<int64_t>(sizes.size()), width}, at::kBool);
  for (size_t b = 0; b < sizes.size(); ++b) mask[static_cast<int64_t>(b)].narrow(0, 0, sizes[b]).fill_(true);
  return mask;
}

/// Random nodes that require gradients (zero at padding), random scores.
LossInput batch_of(const std::vector<int64_t>& image_sizes, const std::vector<int64_t>& text_sizes,
                   const Edges& edges) {
  const int64_t count = static_cast<int64_t>(image_sizes.size());
  LossInput batch;
  batch.scores = at::rand({count, count}, at::kDouble).set_requires_grad(true);
  batch.negatives = at::eye(count, at::kBool).logical_not();
  const auto fill = [](const std::vector<int64_t>& sizes, orbweaver::Representation& side,
                       orbweaver::GraphBatch& graphs) {
    graphs.mask = side.node_mask = mask_of(sizes);
    const int64_t b = graphs.mask.size(0), n = graphs.mask.size(1);
    side.nodes = (at::randn({b, n, kWidth}, at::kDouble) * graphs.mask.unsqueeze(-1)).set_requires_grad(true);
    graphs.adjacency = at::rand({b, n, n}, at::kDouble) * graphs.mask.unsqueeze(1) * graphs.mask.unsqueeze(2);
    graphs.relations = relations({});
  };
  fill(image_sizes, batch.image, batch.image_graphs);
  fill(text_sizes, batch.text, batch.text_graphs);
  batch.text_graphs.relations = relations(edges);
  return batch;
}

LossInput usual_batch() {
  at::manual_seed(1);
  return batch_of({4, 2, 3, 5}, {3, 3, 2, 4},
                  {{0, 0, 1, 2}, {0, 2, 1, 3}, {1, 0, 1, 3}, {1, 1, 2, 3}, {2, 1, 0, 4}, {3, 0, 3, 2}, {3, 2, 1, 1}});
}

double part(const orbweaver::LossOutput& out, const std::string& name) {
  for (const auto& [found, value] : out.parts)
    if (found == name) return value.item<double>();
  ADD_FAILURE() << "no part " << name;
  return 0;
}

double largest_difference(const at::Tensor& a, const at::Tensor& b) { return (a - b).abs().max().item<double>(); }

/// A head that gives every pair the same probabilities, those of the biases.
void fix_head(HgacLoss& loss, const std::vector<double>& biases) {
  at::NoGradGuard no_grad;
  auto parameters = loss.named_parameters();
  for (auto& parameter : parameters) parameter.value().zero_();
  parameters["predicate.bias"].copy_(at::tensor(biases, at::kDouble));
}

double minus_log_softmax(const std::vector<double>& logits, size_t at) {
  double sum = 0;
  for (const double logit : logits) sum += std::exp(logit);
  return std::log(sum) - logits[at];
}

std::string error_of(const Params& params, const Inputs& in) {
  try {
    HgacLoss loss(params, in);
  } catch (const orbweaver::InputError& error) {
    return error.what();
  }
  return "no error";
}

TEST(HgacAligned, ScoresACaptionByItsEntitiesBestCosinesAsWorkedByHand) {
  Params params;
  params.temperature = 0.5;
  LossInput batch = batch_of({2, 1}, {2, 1}, {});
  batch.image.nodes = at::tensor({1.0, 0.0, 0.0, 2.0, 0.0, 3.0, 0.0, 0.0}, at::kDouble).view({2, 2, 2});
  batch.text.nodes = at::tensor({2.0, 0.0, 1.0, 1.0, 0.0, 1.0, 0.0, 0.0}, at::kDouble).view({2, 2, 2});
  const double half = std::sqrt(0.5);
  const double s00 = (1 + half) / 2, s01 = 1, s10 = half / 2, s11 = 1;
  const auto loser = [](double match, double other) { return std::log1p(std::exp((other - match) / 0.5)); };
  const double expected = (loser(s00, s01) + loser(s11, s10) + loser(s00, s10) + loser(s11, s01)) / 4;
  const auto out = make(0, 1, 0, params, inputs(2))->forward(batch);
  EXPECT_NEAR(part(out, "node"), expected, 1e-12);
  EXPECT_NEAR(out.total.item<double>(), expected, 1e-12);
}

TEST(HgacAligned, LeavesPairsThatAreNoNegativesOutOfTheNodeTerm) {
  LossInput batch = usual_batch();
  batch.negatives.fill_(false);
  EXPECT_EQ(part(make(0, 1, 0)->forward(batch), "node"), 0);
}

TEST(HgacAligned, AsksForEachNamedRelationOnceAndForUnrelatedPairsBothWays) {
  // Three entities in a row of three objects, one relation: of six ordered pairs one is it, one its inverse, four are
  // unrelated. Each class counts the same at balance 1, each example at balance 0.
  at::manual_seed(2);
  const LossInput batch = batch_of({3}, {3}, {{0, 2, 0, 4}});
  const std::vector<double> logits{0.5, 0, -1, 0.25, 2};
  const double none = minus_log_softmax(logits, 0), named = minus_log_softmax(logits, 4);
  for (const double balance : {0.0, 0.5, 1.0}) {
    Params params;
    params.class_balance = balance;
    const auto loss = make(0, 0, 1, params);
    fix_head(*loss, logits);
    const double weight = 4 * std::pow(4, -balance);
    const auto out = loss->forward(batch);
    EXPECT_NEAR(part(out, "relation"), (weight * none + named) / (weight + 1), 1e-12);
    EXPECT_EQ(part(out, "contrast"), 0);
  }
}

TEST(HgacAligned, AsksOnlyAboutEntitiesThatHaveAnObject) {
  // Three entities, two objects: whichever entity is left over, one pair of entities remains.
  at::manual_seed(3);
  LossInput batch = batch_of({2}, {3}, {});
  batch.image.nodes = at::tensor({1.0, 0.0, 0.0, 0.0, 1.0, 0.0}, at::kDouble).view({1, 2, 3});
  batch.text.nodes = at::tensor({0.0, 5.0, 0.0, 0.0, 0.0, 1.0, 2.0, 0.1, 0.0}, at::kDouble).view({1, 3, 3});
  const std::vector<double> logits{0.5, 0, -1, 0.25, 2};
  const auto loss = make(0, 0, 1);
  fix_head(*loss, logits);
  // Entity 0 has object 1, entity 2 object 0; entity 1 has none, and so has its relation.
  batch.text_graphs.relations = relations({{0, 0, 2, 3}, {0, 1, 2, 4}});
  EXPECT_NEAR(part(loss->forward(batch), "relation"), minus_log_softmax(logits, 3), 1e-12);
  batch.text_graphs.relations = relations({{0, 1, 2, 4}});
  EXPECT_NEAR(part(loss->forward(batch), "relation"), minus_log_softmax(logits, 0), 1e-12);
}

TEST(HgacAligned, ContrastsACaptionsRelationsWithOtherCaptionsAsWorkedByHand) {
  at::manual_seed(4);
  LossInput batch = batch_of({2, 2, 2}, {2, 2, 2}, {{0, 0, 1, 2}, {1, 0, 1, 3}, {1, 1, 0, 4}});
  const std::vector<double> logits{0.5, 0, -1, 0.25, 2};
  const auto loss = make(0, 0, 1);
  fix_head(*loss, logits);
  // Caption 0 fits with the logit -1, caption 1 with the mean of 0.25 and 2, caption 2 says nothing.
  const double gap = -1 - (0.25 + 2) / 2;
  EXPECT_NEAR(part(loss->forward(batch), "contrast"), (std::log1p(std::exp(-gap)) + std::log1p(std::exp(gap))) / 2,
              1e-12);
  batch.negatives[0][1] = false;  // image 0 has no other caption left
  EXPECT_NEAR(part(loss->forward(batch), "contrast"), std::log1p(std::exp(gap)), 1e-12);
}

TEST(HgacAligned, ContrastsWithTheCaptionsThatScoreHighestAmongNodes) {
  Params params;
  params.relation_negatives = 1;
  LossInput batch = batch_of({2, 2, 2}, {2, 2, 2}, {{0, 0, 1, 2}, {1, 0, 1, 3}, {2, 0, 1, 4}});
  const at::Tensor same = at::tensor({1.0, 0.0, 0.0, 0.0, 1.0, 0.0}, at::kDouble).view({2, 3});
  batch.image.nodes = at::stack({same, same, -same});
  batch.text.nodes = at::stack({same, same, -same});
  const std::vector<double> logits{0.5, 0, -1, 0.25, 2};
  const auto loss = make(0, 0, 1, params);
  fix_head(*loss, logits);
  // Images 0 and 1 have each other's caption; for image 2 both stand alike, and the first is taken.
  const double expected = std::log1p(std::exp(1.25)) + std::log1p(std::exp(-1.25)) + std::log1p(std::exp(-3));
  EXPECT_NEAR(part(loss->forward(batch), "contrast"), expected / 3, 1e-12);
}

TEST(HgacAligned, LeavesPairsWithAnEmptyGraphOut) {
  const LossInput batch = usual_batch();
  const std::vector<int64_t> kept{0, 2};
  const at::Tensor rows = at::tensor(kept);
  LossInput emptied = batch, alone = batch;
  emptied.image.node_mask = batch.image.node_mask.clone();
  emptied.image.node_mask[1].fill_(false);
  emptied.text.node_mask = batch.text.node_mask.clone();
  emptied.text.node_mask[3].fill_(false);
  for (orbweaver::Representation* side : {&alone.image, &alone.text}) {
    side->nodes = side->nodes.index_select(0, rows);
    side->node_mask = side->node_mask.index_select(0, rows);
  }
  alone.text_graphs.relations = relations({{0, 0, 1, 2}, {0, 2, 1, 3}, {1, 1, 0, 4}});
  alone.scores = batch.scores.index_select(0, rows).index_select(1, rows);
  alone.negatives = at::eye(2, at::kBool).logical_not();
  const auto loss = make(0, 1, 1);
  const auto found = loss->forward(emptied), expected = loss->forward(alone);
  for (const char* name : {"node", "relation", "contrast"}) {
    EXPECT_GT(part(expected, name), 0) << name;
    EXPECT_NEAR(part(found, name), part(expected, name), 1e-12) << name;
  }
}

TEST(HgacAligned, IsZeroWithAZeroGradientWhenNoPairHasGraphs) {
  at::manual_seed(5);
  LossInput batch = batch_of({0, 2}, {3, 0}, {{0, 0, 1, 2}});
  const auto out = make(0, 1, 1)->forward(batch);
  EXPECT_EQ(out.parts.size(), 3u);
  EXPECT_EQ(out.total.item<double>(), 0);
  out.total.backward();
  EXPECT_EQ(batch.image.nodes.grad().abs().max().item<double>(), 0);
}

TEST(HgacAligned, IsFiniteForGraphsOfOneNodeAndForABatchOfOne) {
  at::manual_seed(6);
  for (const auto& batch : {batch_of({1, 1}, {1, 1}, {}), batch_of({3}, {2}, {{0, 0, 1, 2}}),
                            batch_of({1, 3}, {2, 2}, {{0, 0, 1, 2}, {1, 0, 1, 2}})}) {
    const auto out = make(1, 1, 1)->forward(batch);
    out.total.backward();
    EXPECT_TRUE(std::isfinite(out.total.item<double>()));
    EXPECT_TRUE(batch.image.nodes.grad().isfinite().all().item<bool>());
    EXPECT_TRUE(batch.text.nodes.grad().isfinite().all().item<bool>());
  }
}

TEST(HgacAligned, DoesNotDependOnPadding) {
  const LossInput batch = usual_batch();
  LossInput wide = batch;
  wide.image.nodes = at::constant_pad_nd(batch.image.nodes, {0, 0, 0, 3}, 7);  // the mask alone counts
  wide.image.node_mask = at::constant_pad_nd(batch.image.node_mask, {0, 3});
  wide.text.nodes = at::constant_pad_nd(batch.text.nodes, {0, 0, 0, 2}, 7);
  wide.text.node_mask = at::constant_pad_nd(batch.text.node_mask, {0, 2});
  wide.text_graphs.relations = at::cat({batch.text_graphs.relations, relations({{0, 0, 1, 0}, {0, 0, 5, 2}})}, 1);
  const auto loss = make(0.5, 1, 1);
  EXPECT_NEAR(loss->forward(batch).total.item<double>(), loss->forward(wide).total.item<double>(), 1e-12);
}

TEST(HgacAligned, DoesNotDependOnTheOrderOfNodesAndRelations) {
  const LossInput batch = usual_batch();
  LossInput shuffled = batch;
  const at::Tensor image_order = at::tensor(std::vector<int64_t>{3, 0, 4, 2, 1});
  const at::Tensor text_order = at::tensor(std::vector<int64_t>{2, 3, 0, 1});
  const auto shuffle = [](orbweaver::Representation& side, const at::Tensor& order) {
    side.nodes = side.nodes.index_select(1, order);
    side.node_mask = side.node_mask.index_select(1, order);
  };
  shuffle(shuffled.image, image_order);
  shuffle(shuffled.text, text_order);
  const at::Tensor place = text_order.argsort(), r = batch.text_graphs.relations;
  shuffled.text_graphs.relations =
      at::stack({r[0], place.index_select(0, r[1]), place.index_select(0, r[2]), r[3]}).flip(1);
  const auto loss = make(0.5, 1, 1);
  EXPECT_NEAR(loss->forward(batch).total.item<double>(), loss->forward(shuffled).total.item<double>(), 1e-12);
}

TEST(HgacAligned, EachTermsGradientReachesTheNodes) {
  const LossInput batch = usual_batch();
  const auto gradient = [&](const at::Tensor& term, const at::Tensor& nodes) {
    const auto found = torch::autograd::grad({term}, {nodes}, {}, true, false, /*allow_unused=*/true)[0];
    return found.defined() ? found.abs().max().item<double>() : 0;
  };
  const auto loss = make(0, 1, 1);
  const auto out = loss->forward(batch);
  std::map<std::string, at::Tensor> terms(out.parts.begin(), out.parts.end());
  EXPECT_GT(gradient(terms.at("node"), batch.image.nodes), 1e-4);
  EXPECT_GT(gradient(terms.at("node"), batch.text.nodes), 1e-4);
  EXPECT_GT(gradient(terms.at("relation"), batch.image.nodes), 1e-4);
  EXPECT_GT(gradient(terms.at("contrast"), batch.image.nodes), 1e-4);
}

TEST(HgacAligned, GradientsAgreeWithFiniteDifferences) {
  for (const double balance : {0.0, 1.0}) {
    Params params;
    params.class_balance = balance;
    params.relation_width = 6;
    params.relation_negatives = 2;
    LossInput batch = usual_batch();
    const auto loss = make(0.7, 1.3, 0.9, params);
    auto variables = loss->parameters();
    variables.insert(variables.end(), {batch.image.nodes, batch.text.nodes, batch.scores});
    EXPECT_LT(orbweaver::testing::gradient_error([&] { return loss->forward(batch).total; }, variables), 1e-7);
  }
}

TEST(HgacAligned, TeachesNodesTheirPartnersWithoutShrinkingThem) {
  // Every pair describes its own things. The released term pulls partners together wherever they happen to be.
  at::manual_seed(7);
  const int64_t pairs = 8, things = 3, width = 16;
  LossInput batch = batch_of(std::vector<int64_t>(pairs, things), std::vector<int64_t>(pairs, things), {});
  batch.image.nodes = at::randn({pairs, things, width}, at::kDouble).set_requires_grad(true);
  batch.text.nodes = at::randn({pairs, things, width}, at::kDouble).set_requires_grad(true);
  const double before = batch.image.nodes.norm(2, -1).mean().item<double>();
  const auto loss = make(0, 1, 0, {}, inputs(width));
  const double first = loss->forward(batch).total.item<double>();
  for (int step = 0; step < 60; ++step) {
    const auto gradients = torch::autograd::grad({loss->forward(batch).total}, {batch.image.nodes, batch.text.nodes});
    at::NoGradGuard no_grad;
    batch.image.nodes.sub_(gradients[0], 20);
    batch.text.nodes.sub_(gradients[1], 20);
  }
  EXPECT_GT(first, 1);
  EXPECT_LT(loss->forward(batch).total.item<double>(), 0.05);
  EXPECT_GE(batch.image.nodes.norm(2, -1).mean().item<double>(), before);
}

TEST(HgacAligned, TheHeadLearnsWhichWayARelationRuns) {
  // The same two things in every image; what lies left and what right is told by their nodes alone.
  at::manual_seed(8);
  const int64_t pairs = 12;
  Edges edges;
  LossInput batch = batch_of(std::vector<int64_t>(pairs, 2), std::vector<int64_t>(pairs, 2), {});
  for (int64_t b = 0; b < pairs; ++b) {
    const bool left = b % 2 == 0;
    edges.push_back({b, 0, 1, left ? 2 : 3});
    const double place = left ? -0.3 : 0.3;
    batch.image.nodes.data()[b].copy_(at::tensor({1.0, 0.0, place, 0.0, 1.0, -place}, at::kDouble).view({2, 3}));
    batch.text.nodes.data()[b].copy_(at::tensor({1.0, 0.0, 0.0, 0.0, 1.0, 0.0}, at::kDouble).view({2, 3}));
  }
  batch.text_graphs.relations = relations(edges);
  const auto loss = make(0, 0, 1);
  for (int step = 0; step < 150; ++step) {
    const auto gradients = torch::autograd::grad({loss->forward(batch).total}, loss->parameters());
    at::NoGradGuard no_grad;
    for (size_t p = 0; p < gradients.size(); ++p) loss->parameters()[p].sub_(gradients[p], 0.5);
  }
  EXPECT_LT(part(loss->forward(batch), "relation"), 0.05);
}

TEST(Hgac, TermsOfWeightZeroAreNotMade) {
  const LossInput batch = usual_batch();
  EXPECT_EQ(make(0, 1, 0)->forward(batch).parts.size(), 1u);
  EXPECT_TRUE(make(0, 1, 0)->parameters().empty());
  EXPECT_FALSE(make(1, 0, 0)->reads().nodes);
  EXPECT_TRUE(make(0, 0, 1)->reads().nodes);
  const auto scene = make(2, 0, 0)->forward(batch);
  EXPECT_NEAR(scene.total.item<double>(), 2 * part(scene, "global"), 1e-12);
}

TEST(Hgac, RefusesParametersThatCannotWork) {
  Params nothing;
  nothing.global_weight = nothing.node_weight = nothing.relation_weight = 0;
  EXPECT_NE(error_of(nothing, inputs()).find("all its weights are 0"), std::string::npos);
  Inputs uneven = inputs();
  uneven.text.nodes = 7;
  const std::string widths = error_of({}, uneven);
  EXPECT_NE(widths.find("image nodes are 3 wide, text nodes 7"), std::string::npos) << widths;
  Inputs nameless = inputs();
  nameless.relation_count = 2;
  EXPECT_NE(error_of({}, nameless).find("name no relations"), std::string::npos);
}

Params released(int64_t slots) {
  Params params;
  params.variant = Variant::released;
  params.slots = slots;
  return params;
}

TEST(HgacReleased, PadsGraphsSoThatTheBatchsWidthDoesNotMatter) {
  const LossInput batch = usual_batch();
  LossInput wide = batch;
  for (orbweaver::Representation* side : {&wide.image, &wide.text}) {
    side->nodes = at::constant_pad_nd(side->nodes, {0, 0, 0, 4});
    side->node_mask = at::constant_pad_nd(side->node_mask, {0, 4});
  }
  for (orbweaver::GraphBatch* graphs : {&wide.image_graphs, &wide.text_graphs}) {
    graphs->adjacency = at::constant_pad_nd(graphs->adjacency, {0, 4, 0, 4});
    graphs->mask = at::constant_pad_nd(graphs->mask, {0, 4});
  }
  const auto loss = make(1, 1, 1, released(6));
  EXPECT_TRUE(loss->parameters().empty());
  EXPECT_NEAR(loss->forward(batch).total.item<double>(), loss->forward(wide).total.item<double>(), 1e-12);
  EXPECT_THROW(make(1, 1, 1, released(4))->forward(batch), orbweaver::InputError);
}

TEST(HgacReleased, GradientsAgreeWithFiniteDifferences) {
  // Full graphs: the cosine of a padding node, zero, is not continuous.
  at::manual_seed(9);
  LossInput batch = batch_of({4, 4, 4}, {4, 4, 4}, {});
  const auto loss = make(0.7, 1.3, 0.9, released(4));
  EXPECT_LT(orbweaver::testing::gradient_error([&] { return loss->forward(batch).total; },
                                               {batch.image.nodes, batch.text.nodes, batch.scores}),
            1e-7);
}

TEST(HgacReleased, SaysThatItsNodeTermHasNoSecondDerivative) {
  const LossInput batch = usual_batch();
  const at::Tensor total = make(0, 1, 0, released(6))->forward(batch).total;
  try {
    total.backward({}, /*retain_graph=*/true, /*create_graph=*/true);
    FAIL() << "no error";
  } catch (const std::exception& error) {
    EXPECT_NE(std::string(error.what()).find("a gradient of the released node term's gradient"), std::string::npos)
        << error.what();
  }
}

TEST(HgacReleased, ItsRelationTermTrainsNothing) {
  const LossInput batch = usual_batch();
  EXPECT_FALSE(make(0, 0, 1, released(6))->forward(batch).total.requires_grad());
}

TEST(HgacGolden, ReproducesTheReleasedValuesAssignmentAndGradients) {
  ORBWEAVER_NEEDS_TEST_DATA("golden/gravlm_hgac.safetensors");
  const auto golden = orbweaver::read_state_dict(orbweaver::testing::test_data() / "golden/gravlm_hgac.safetensors");
  const auto input = [&](const char* name) { return golden.at(name).clone().set_requires_grad(true); };
  const at::Tensor v_global = input("v_global"), t_global = input("t_global");
  LossInput batch;
  batch.image.nodes = input("v_nodes");
  batch.text.nodes = input("t_nodes");
  batch.image_graphs.adjacency = input("v_adj");
  batch.text_graphs.adjacency = input("t_adj");
  const int64_t count = v_global.size(0), slots = batch.image.nodes.size(1);
  batch.image.node_mask = batch.text.node_mask = at::ones({count, slots}, at::kBool);
  batch.image_graphs.mask = batch.text_graphs.mask = batch.image.node_mask;
  batch.scores = orbweaver::l2_normalize(v_global).matmul(orbweaver::l2_normalize(t_global).t());
  batch.negatives = at::eye(count, at::kBool).logical_not();

  EXPECT_TRUE(hgac::assignment(batch.image.nodes, batch.text.nodes).equal(golden.at("assignment")));
  Params params = released(slots);
  params.node_weight = 0.7;
  params.relation_weight = 1.3;
  const auto out = HgacLoss(params, inputs(v_global.size(1))).forward(batch);
  EXPECT_NEAR(out.total.item<double>(), golden.at("loss").item<double>(), 1e-5);
  EXPECT_NEAR(part(out, "global"), golden.at("L_global").item<double>(), 1e-5);
  EXPECT_NEAR(part(out, "node"), golden.at("L_node").item<double>(), 1e-5);
  EXPECT_NEAR(part(out, "relation"), golden.at("L_graph").item<double>(), 1e-5);
  out.total.backward();
  EXPECT_LT(largest_difference(v_global.grad(), golden.at("grad.v_global")), 1e-5);
  EXPECT_LT(largest_difference(t_global.grad(), golden.at("grad.t_global")), 1e-5);
  EXPECT_LT(largest_difference(batch.image.nodes.grad(), golden.at("grad.v_nodes")), 1e-5);
  EXPECT_LT(largest_difference(batch.text.nodes.grad(), golden.at("grad.t_nodes")), 1e-5);
  EXPECT_LT(largest_difference(batch.image_graphs.adjacency.grad(), golden.at("grad.v_adj")), 1e-5);
  EXPECT_LT(largest_difference(batch.text_graphs.adjacency.grad(), golden.at("grad.t_adj")), 1e-5);
}

}  // namespace
