#include <ATen/Parallel.h>
#include <gtest/gtest.h>

#include <cmath>
#include <string>
#include <vector>

#include "cmim.h"
#include "gradient_check.h"
#include "naive_interactions.h"
#include "tensor_memory.h"

namespace {

using orbweaver::Inputs;
using orbweaver::Representation;
using Layout = PositionParams::Layout;

Inputs inputs(int64_t image_global, int64_t image_tokens, int64_t text_global, int64_t text_tokens, int64_t embed) {
  Inputs in;
  in.image = {.global = image_global, .tokens = image_tokens};
  in.text = {.global = text_global, .tokens = text_tokens};
  in.embed_dim = embed;
  return in;
}

CmimParams small(CmimParams::Pool pool = CmimParams::Pool::attention) {
  CmimParams params;
  params.width = 4;
  params.heads = 2;
  params.pool = pool;
  return params;
}

constexpr auto kPools = {CmimParams::Pool::mean, CmimParams::Pool::attention};

at::Tensor mask_of(std::vector<int64_t> counts, int64_t length) {
  return at::arange(length, at::kLong).unsqueeze(0) < at::tensor(counts, at::kLong).unsqueeze(1);
}

Representation items(int64_t count, int64_t tokens, const orbweaver::Widths& widths, at::ScalarType type = at::kFloat) {
  Representation side;
  side.global = at::randn({count, widths.global}, type);
  side.tokens = at::randn({count, tokens, widths.tokens}, type);
  return side;
}

at::Tensor all_pairs(int64_t m, int64_t n) {
  return at::cartesian_prod({at::arange(m, at::kLong), at::arange(n, at::kLong)});
}

/// Opens the gates, and gives the pools weights.
void wake(CmimInteraction& interaction) {
  at::NoGradGuard no_grad;
  for (auto& parameter : interaction.named_parameters())
    if (parameter.key().find("gate") != std::string::npos || parameter.key().find("pool") != std::string::npos)
      parameter.value().normal_();
}

double largest_difference(const at::Tensor& a, const at::Tensor& b) { return (a - b).abs().max().item<double>(); }

std::string error_of(const CmimParams& params, const Inputs& in) {
  try {
    CmimInteraction interaction(params, in);
  } catch (const orbweaver::InputError& error) {
    return error.what();
  }
  return "no error";
}

/// Two-dimensional, one head, identity layers without biases, no positions.
CmimInteraction plain(CmimParams::Pool pool) {
  CmimParams params;
  params.width = 2;
  params.heads = 1;
  params.pool = pool;
  params.positions.image = params.positions.text = Layout::none;
  CmimInteraction interaction(params, inputs(2, 2, 2, 2, 2));
  interaction.eval();
  at::NoGradGuard no_grad;
  for (auto& parameter : interaction.named_parameters()) {
    const std::string& name = parameter.key();
    if (name.find("tokens") != std::string::npos || name.find("pool") != std::string::npos) continue;
    parameter.value().copy_(parameter.value().dim() == 2 ? at::eye(2) : at::zeros({2}));
  }
  return interaction;
}

Representation one_item(std::vector<float> global, std::vector<float> tokens) {
  Representation side;
  side.global = at::tensor(global).view({1, -1});
  side.tokens = at::tensor(tokens).view({1, -1, 2});
  return side;
}

void set_gates(CmimInteraction& interaction, double image, double text) {
  at::NoGradGuard no_grad;
  interaction.named_parameters()["image.gate"].fill_(image);
  interaction.named_parameters()["text.gate"].fill_(text);
}

double score(CmimInteraction& interaction, const Representation& image, const Representation& text) {
  return interaction.score_pairs(image, text, all_pairs(1, 1)).item<double>();
}

TEST(Cmim, ScoresAsItsEquationsBroadcastToAllPairsWhateverTheChunk) {
  at::manual_seed(21);
  at::NoGradGuard no_grad;
  CmimParams params = small();
  params.positions.image = params.positions.text = Layout::none;
  const orbweaver::Widths image_widths{.global = 6, .tokens = 5}, text_widths{.global = 4, .tokens = 3};
  CmimInteraction interaction(params, inputs(6, 5, 4, 3, 4));
  interaction.eval();
  wake(interaction);
  const Representation images = items(7, 9, image_widths);
  Representation texts = items(11, 6, text_widths);
  texts.token_mask = mask_of({6, 1, 3, 2, 6, 5, 4, 1, 2, 3, 6}, 6);
  const at::Tensor expected = orbweaver::testing::naive_cmim(2, interaction.named_parameters(), images, texts);
  for (const int64_t chunk : {1, 10, 4096})
    EXPECT_LT(largest_difference(interaction.score_all(images, texts, chunk), expected), 1e-5) << chunk;
}

TEST(Cmim, NeverHoldsATensorOfAllPairs) {
  at::manual_seed(22);
  at::NoGradGuard no_grad;
  const int threads = at::get_num_threads();
  at::set_num_threads(1);  // other threads' tensors are not seen
  constexpr int64_t kItems = 64, kTokens = 16, kWords = 8;
  CmimInteraction interaction(small(), inputs(4, 5, 4, 3, 4));
  interaction.eval();
  const Representation images = items(kItems, kTokens, {.global = 4, .tokens = 5});
  const Representation texts = items(kItems, kWords, {.global = 4, .tokens = 3});
  const int64_t peak = orbweaver::testing::TensorMemory::peak([&] { interaction.score_all(images, texts, 64); });
  constexpr int64_t kAffinities = kItems * kItems * 2 * kTokens * kWords * static_cast<int64_t>(sizeof(float));
  EXPECT_LT(4 * peak, kAffinities);
  at::set_num_threads(threads);
}

TEST(Cmim, AddsWhatTheOtherSideShowsThroughTheGates) {
  // Tokens normalise to (1, -1) and (-1, 1); v' = (1, 0) + gate (-1, 1), t' = (0, 1) + gate (1, -1).
  const Representation image = one_item({5, 0}, {1000, -1000}), text = one_item({0, 2}, {-1000, 1000});
  for (const auto pool : kPools) {
    CmimInteraction interaction = plain(pool);
    EXPECT_NEAR(score(interaction, image, text), 0, 1e-6);
    set_gates(interaction, 0.25, 0.25);
    EXPECT_NEAR(score(interaction, image, text), 0.6, 1e-6);  // (3/4, 1/4) and (1/4, 3/4)
    set_gates(interaction, 0.5, 0.5);
    EXPECT_NEAR(score(interaction, image, text), 1, 1e-6);
    set_gates(interaction, 1, 0);
    EXPECT_NEAR(score(interaction, image, text), 1, 1e-6);  // both (0, 1)
  }
}

TEST(Cmim, LooksAtWordsByTheSoftmaxOfTheirAffinity) {
  // Affinities of the image token (1, -1) with the words (1, -1) and (-1, 1): +-sqrt(2). It sees tanh(sqrt(2)) (1, -1).
  const Representation image = one_item({1, 0}, {1000, -1000}), text = one_item({0, 1}, {1000, -1000, -1000, 1000});
  CmimInteraction interaction = plain(CmimParams::Pool::mean);
  set_gates(interaction, -1, 0);
  const double t = std::tanh(std::sqrt(2.0));
  EXPECT_NEAR(score(interaction, image, text), t / std::hypot(1 - t, t), 1e-6);
  // The words see the one image token: t' = (0, 1) - (1, -1) = (-1, 2), against v = (1, 0).
  set_gates(interaction, 0, -1);
  EXPECT_NEAR(score(interaction, image, text), -1 / std::sqrt(5.0), 1e-6);
}

TEST(Cmim, WeighsWhatTokensSeeByTheirWeightsInThePool) {
  // Image tokens (1, -1) and (-1, 1) see tanh(sqrt(2)) times themselves in the two words. Pool scores +-(log 3) / 2
  // weigh them 3/4 and 1/4: half of it is left.
  const Representation image = one_item({1, 0}, {1000, -1000, -1000, 1000});
  const Representation text = one_item({0, 1}, {1000, -1000, -1000, 1000});
  CmimInteraction interaction = plain(CmimParams::Pool::attention);
  set_gates(interaction, -1, 0);
  EXPECT_NEAR(score(interaction, image, text), 0, 1e-6);  // equal weights: nothing
  {
    at::NoGradGuard no_grad;
    interaction.named_parameters()["image.pool.weight"].copy_(
        at::tensor({static_cast<float>(std::log(3.0) / 2), 0.0f}).view({1, 2}));
  }
  const double t = std::tanh(std::sqrt(2.0)) / 2;
  EXPECT_NEAR(score(interaction, image, text), t / std::hypot(1 - t, t), 1e-6);
}

TEST(Cmim, StartsAsTheCosineOfTheGlobalVectors) {
  at::manual_seed(1);
  const Inputs in = inputs(5, 6, 5, 3, 5);
  CmimInteraction interaction(small(), in);
  const Representation images = items(3, 9, in.image), texts = items(4, 7, in.text);
  const at::Tensor expected = orbweaver::l2_normalize(images.global).matmul(orbweaver::l2_normalize(texts.global).t());
  EXPECT_LT(largest_difference(interaction.score_all(images, texts, 100), expected), 1e-6);
}

TEST(Cmim, InteractsOnTheEmbeddingsWhereItIsToldTo) {
  at::manual_seed(2);
  CmimParams params = small();
  params.base = CmimParams::Base::embedding;
  const Inputs in = inputs(0, 6, 9, 3, 5);  // heads and globals are not needed
  CmimInteraction interaction(params, in);
  EXPECT_TRUE(interaction.reads().tokens && !interaction.reads().global && !interaction.reads().nodes);
  Representation images = items(3, 9, in.image), texts = items(4, 7, in.text);
  images.embedding = orbweaver::l2_normalize(at::randn({3, 5}));
  texts.embedding = orbweaver::l2_normalize(at::randn({4, 5}));
  EXPECT_LT(largest_difference(interaction.score_all(images, texts, 100), images.embedding.matmul(texts.embedding.t())),
            1e-6);
}

TEST(Cmim, GradientsAgreeWithFiniteDifferences) {
  for (const auto pool : kPools) {
    at::manual_seed(3);
    const Inputs in = inputs(3, 3, 4, 2, 4);
    CmimInteraction interaction(small(pool), in);
    wake(interaction);
    interaction.to(at::kDouble);
    interaction.eval();
    Representation images = items(2, 4, in.image, at::kDouble), texts = items(3, 3, in.text, at::kDouble);
    images.token_mask = mask_of({4, 1}, 4);
    texts.token_mask = mask_of({2, 3, 1}, 3);
    auto variables = interaction.parameters();
    for (at::Tensor* part : {&images.global, &images.tokens, &texts.global, &texts.tokens})
      variables.push_back(part->set_requires_grad(true));
    const at::Tensor factors = at::randn({2, 3}, at::kDouble), pairs = all_pairs(2, 3);
    const auto of_all = [&] { return (interaction.score_all(images, texts, 4) * factors).sum(); };
    const auto of_pairs = [&] { return (interaction.score_pairs(images, texts, pairs) * factors.flatten()).sum(); };
    EXPECT_LT(orbweaver::testing::gradient_error(of_all, variables), 1e-6);
    EXPECT_LT(orbweaver::testing::gradient_error(of_pairs, variables), 1e-6);
  }
}

/// Score and gradients of all parameters and of the items' parts.
std::vector<at::Tensor> score_and_gradients(CmimInteraction& interaction, Representation& images, Representation& texts,
                                            const at::Tensor& pairs) {
  std::vector<at::Tensor> variables = interaction.parameters();
  for (at::Tensor* part : {&images.global, &images.tokens, &texts.global, &texts.tokens})
    variables.push_back(part->set_requires_grad(true));
  const at::Tensor scores = interaction.score_pairs(images, texts, pairs);
  const at::Tensor factors = at::arange(1, pairs.size(0) + 1, scores.options().requires_grad(false)).sin();
  std::vector<at::Tensor> out = torch::autograd::grad({(scores * factors).sum()}, variables);
  out.push_back(scores.detach());
  return out;
}

TEST(Cmim, AttentionByHandAndByTensorExpressionsAreTheSame) {
  for (const auto type : {at::kFloat, at::kDouble})
    for (const auto pool : kPools) {
      at::manual_seed(9);
      const Inputs in = inputs(5, 11, 7, 13, 8);
      CmimParams params = small(pool);
      params.width = 24;
      params.dropout = 1e-300;  // drops nothing, but asks for tensor expressions in training
      CmimInteraction interaction(params, in);
      wake(interaction);
      interaction.to(type);
      Representation images = items(6, 19, in.image, type), texts = items(7, 12, in.text, type);
      images.token_mask = mask_of({19, 16, 1, 0, 4, 9}, 19);
      texts.token_mask = mask_of({3, 12, 0, 1, 8, 5, 7}, 12);
      texts.token_mask[1][4] = false;  // a gap
      // Images and texts without tokens, repeated pairs, and items that are in none.
      const at::Tensor pairs =
          at::tensor({5, 1, 0, 1, 3, 4, 0, 2, 2, 0, 5, 6, 3, 2, 0, 1, 4, 4, 0, 3, 0, 0, 5, 1}, at::kLong).view({-1, 2});
      interaction.train();
      const auto expected = score_and_gradients(interaction, images, texts, pairs);
      interaction.eval();
      const auto found = score_and_gradients(interaction, images, texts, pairs);
      for (size_t i = 0; i < found.size(); ++i)
        EXPECT_LT(largest_difference(found[i], expected[i]) / std::max(expected[i].abs().max().item<double>(), 1.0),
                  type == at::kFloat ? 1e-6 : 1e-12)
            << i;
      at::NoGradGuard no_grad;
      EXPECT_LT(largest_difference(interaction.score_pairs(images, texts, pairs), expected.back()), 1e-6);
    }
}

TEST(Cmim, GivesTheSameBitsAgainAndNearlyOnTwoThreads) {
  at::manual_seed(10);
  const Inputs in = inputs(16, 30, 16, 20, 16);
  CmimParams params;
  params.width = 64;
  CmimInteraction interaction(params, in);
  wake(interaction);
  interaction.eval();
  Representation images = items(40, 49, in.image), texts = items(40, 20, in.text);
  texts.token_mask = at::arange(20, at::kLong).unsqueeze(0) < at::randint(1, 21, {40, 1}, at::kLong);
  const at::Tensor pairs = at::randint(0, 40, {200, 2}, at::kLong);
  const int threads = at::get_num_threads();
  const auto once = score_and_gradients(interaction, images, texts, pairs);
  const auto again = score_and_gradients(interaction, images, texts, pairs);
  at::set_num_threads(2);
  const auto shared = score_and_gradients(interaction, images, texts, pairs);
  at::set_num_threads(threads);
  for (size_t i = 0; i < once.size(); ++i) {
    EXPECT_TRUE(at::equal(once[i], again[i])) << i;
    EXPECT_LT(largest_difference(once[i], shared[i]), 1e-5) << i;
  }
}

TEST(Cmim, RefusesPairsOfItemsThatAreNotThere) {
  const Inputs in = inputs(4, 4, 4, 4, 4);
  CmimInteraction interaction(small(), in);
  interaction.eval();
  const at::Tensor pairs = at::tensor({0, 3}, at::kLong).view({1, 2});
  EXPECT_THROW(interaction.score_pairs(items(2, 3, in.image), items(3, 2, in.text), pairs), orbweaver::Error);
}

TEST(Cmim, APairsScoreDependsNeitherOnOtherPairsNorOnTheChunk) {
  at::manual_seed(4);
  at::NoGradGuard no_grad;
  const Inputs in = inputs(16, 300, 16, 200, 16);
  CmimParams params;
  params.width = 128;
  params.memory_mib = 1;  // a few pairs
  CmimInteraction interaction(params, in);
  wake(interaction);
  interaction.eval();
  const Representation images = items(5, 50, in.image);
  Representation texts = items(7, 20, in.text);
  texts.token_mask = mask_of({20, 3, 7, 1, 12, 20, 9}, 20);
  const at::Tensor together = interaction.score_pairs(images, texts, all_pairs(5, 7)).view({5, 7});
  for (const int64_t chunk : {0, 1, 3, 7, 34, 35, 4096})
    EXPECT_LT(largest_difference(interaction.score_all(images, texts, chunk), together), 1e-6) << chunk;
  for (int64_t i = 0; i < 5; ++i)
    for (int64_t j = 0; j < 7; ++j) {
      Representation image, text;
      image.global = images.global.narrow(0, i, 1), image.tokens = images.tokens.narrow(0, i, 1);
      text.global = texts.global.narrow(0, j, 1), text.tokens = texts.tokens.narrow(0, j, 1);
      text.token_mask = texts.token_mask.narrow(0, j, 1);
      EXPECT_NEAR(score(interaction, image, text), together[i][j].item<double>(), 1e-6);
    }
}

TEST(Cmim, ScoresThePairsThatAreAskedForInTheirOrder) {
  at::manual_seed(5);
  const Inputs in = inputs(4, 4, 4, 4, 4);
  CmimInteraction interaction(small(), in);
  wake(interaction);
  interaction.eval();
  const Representation images = items(3, 4, in.image), texts = items(5, 6, in.text);
  const at::Tensor all = interaction.score_all(images, texts, 2);
  const at::Tensor pairs = at::tensor({2, 4, 0, 1, 2, 4}, at::kLong).view({3, 2});
  const at::Tensor found = interaction.score_pairs(images, texts, pairs);
  EXPECT_LT(largest_difference(found, at::stack({all[2][4], all[0][1], all[2][4]})), 1e-6);
  EXPECT_EQ(found[0].item<double>(), found[2].item<double>());  // equal pairs tie exactly
}

TEST(Cmim, PaddingChangesNothing) {
  at::manual_seed(6);
  for (const auto pool : kPools) {
    const Inputs in = inputs(4, 6, 4, 5, 4);
    CmimInteraction interaction(small(pool), in);
    wake(interaction);
    interaction.eval();
    Representation images = items(2, 4, in.image), texts = items(3, 5, in.text);
    texts.token_mask = mask_of({5, 2, 3}, 5);
    const at::Tensor expected = interaction.score_all(images, texts, 100);
    // With large numbers at padding, and one more item that keeps the padding from being cut off.
    const auto pad = [](Representation& side, std::vector<int64_t> counts, int64_t length) {
      const int64_t own = side.tokens.size(1), count = side.tokens.size(0), width = side.tokens.size(2);
      side.tokens = at::cat({side.tokens, at::full({count, length - own, width}, 1e3)}, 1);
      side.tokens = at::cat({side.tokens, at::randn({1, length, width})});
      side.global = at::cat({side.global, at::randn({1, side.global.size(1)})});
      counts.push_back(length);
      side.token_mask = mask_of(counts, length);
    };
    pad(images, {4, 4}, 9);
    pad(texts, {5, 2, 3}, 11);
    const at::Tensor found = interaction.score_all(images, texts, 100);
    EXPECT_LT(largest_difference(found.narrow(0, 0, 2).narrow(1, 0, 3), expected), 1e-6);
  }
}

TEST(Cmim, EveryParameterGetsAGradientOnceTheGatesAreOpenAndTheGatesAtOnce) {
  at::manual_seed(7);
  const Inputs in = inputs(5, 6, 7, 3, 4);
  CmimInteraction interaction(small(), in);
  const Representation images = items(3, 9, in.image), texts = items(4, 7, in.text);
  const at::Tensor factors = at::randn({3, 4});
  (interaction.score_all(images, texts, 100) * factors).sum().backward();
  for (const char* name : {"image.gate", "text.gate"})
    EXPECT_GT(interaction.named_parameters()[name].grad().abs().max().item<double>(), 0) << name;
  wake(interaction);
  interaction.zero_grad();
  (interaction.score_all(images, texts, 100) * factors).sum().backward();
  for (const auto& parameter : interaction.named_parameters())
    EXPECT_GT(parameter.value().grad().abs().max().item<double>(), 0) << parameter.key();
}

TEST(Cmim, AnItemWithoutTokensHasAFiniteScoreAndGradient) {
  at::manual_seed(8);
  const Inputs in = inputs(4, 6, 4, 5, 4);
  CmimInteraction interaction(small(), in);
  wake(interaction);
  Representation images = items(2, 4, in.image), texts = items(2, 3, in.text);
  images.token_mask = mask_of({0, 4}, 4);
  texts.token_mask = mask_of({0, 2}, 3);
  for (at::Tensor* part : {&images.global, &images.tokens, &texts.global, &texts.tokens}) part->set_requires_grad(true);
  const at::Tensor scores = interaction.score_all(images, texts, 100);
  EXPECT_TRUE(scores.isfinite().all().item<bool>());
  scores.sum().backward();
  for (const at::Tensor& part : {images.global, images.tokens, texts.global, texts.tokens})
    EXPECT_TRUE(part.grad().isfinite().all().item<bool>());
  for (const auto& parameter : interaction.parameters()) EXPECT_TRUE(parameter.grad().isfinite().all().item<bool>());
}

TEST(Cmim, GivesAnEmptyTableWhereASideIsEmpty) {
  const Inputs in = inputs(4, 4, 4, 4, 4);
  CmimInteraction interaction(small(), in);
  EXPECT_EQ(interaction.score_all(items(0, 3, in.image), items(3, 2, in.text), 8).sizes(), at::IntArrayRef({0, 3}));
  EXPECT_EQ(interaction.score_all(items(3, 3, in.image), items(0, 2, in.text), 8).sizes(), at::IntArrayRef({3, 0}));
  EXPECT_EQ(interaction.score_pairs(items(3, 3, in.image), items(1, 2, in.text), at::empty({0, 2}, at::kLong)).sizes(),
            at::IntArrayRef({0}));
}

TEST(Cmim, NamesWhatIsMissing) {
  const std::string tokens = error_of(small(), inputs(4, 0, 4, 4, 4));
  EXPECT_NE(tokens.find("interaction cmim needs the `tokens` of the image_encoder"), std::string::npos) << tokens;
  const std::string global = error_of(small(), inputs(4, 4, 0, 4, 4));
  EXPECT_NE(global.find("interaction cmim needs the vector `global` of the text_encoder"), std::string::npos) << global;
  CmimParams params = small();
  params.heads = 3;
  const std::string heads = error_of(params, inputs(4, 4, 4, 4, 4));
  EXPECT_NE(heads.find("heads is 3, which does not divide width 4; use 2"), std::string::npos) << heads;
  params = small();
  params.text.layers = HeadParams::Layers::none;
  const std::string layers = error_of(params, inputs(4, 4, 6, 4, 4));
  EXPECT_NE(layers.find("text.layers is \"none\""), std::string::npos) << layers;
}

}  // namespace
