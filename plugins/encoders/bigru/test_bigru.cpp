#include <gtest/gtest.h>
#include <torch/nn/modules/rnn.h>
#include <torch/nn/utils/rnn.h>

#include <fstream>

#include "bigru.h"
#include "gradient_check.h"

namespace {

using orbweaver::Inputs;
using orbweaver::Representation;
using orbweaver::TokenBatch;

const std::vector<std::string> kCaptions = {"many planes are parked in an airport .", "two planes",
                                            "a river is near many green trees and a bridge", "river",
                                            "many trees are in an airport near a river"};

BiGruParams small() {
  BiGruParams params;
  params.word_dim = 6;
  params.hidden = 5;
  params.min_count = 1;
  params.word_scale = 1;
  return params;
}

TokenBatch batch_of(const BiGruEncoder& encoder, const std::vector<std::string>& captions, int64_t padding = 0) {
  std::vector<std::vector<int64_t>> ids;
  size_t longest = 0;
  for (const std::string& caption : captions) {
    ids.push_back(encoder.tokenize(caption));
    longest = std::max(longest, ids.back().size());
  }
  TokenBatch batch;
  batch.ids = at::zeros({static_cast<int64_t>(ids.size()), static_cast<int64_t>(longest) + padding}, at::kLong);
  batch.lengths = at::zeros({batch.ids.size(0)}, at::kLong);
  for (size_t b = 0; b < ids.size(); ++b) {
    batch.lengths[b] = static_cast<int64_t>(ids[b].size());
    for (size_t t = 0; t < ids[b].size(); ++t) batch.ids[b][t] = ids[b][t];
  }
  return batch;
}

/// torch's own GRU with this encoder's parameters, on the same captions: [B, L, 2 hidden] and the last states.
struct Reference {
  at::Tensor states, last;
  torch::nn::GRU gru;
};

Reference reference(BiGruEncoder& encoder, const BiGruParams& params, const TokenBatch& batch) {
  torch::nn::GRU gru(torch::nn::GRUOptions(params.word_dim, params.hidden)
                         .num_layers(params.layers)
                         .bidirectional(true)
                         .batch_first(true));
  gru->to(at::kDouble);
  at::Tensor table;
  {
    at::NoGradGuard no_grad;
    for (const auto& parameter : encoder.named_parameters())
      if (parameter.key() == "words.weight")
        table = parameter.value();
      else
        gru->named_parameters()[parameter.key().substr(4)].copy_(parameter.value());
  }
  const auto packed = torch::nn::utils::rnn::pack_padded_sequence(
      table.index_select(0, batch.ids.flatten()).view({batch.ids.size(0), batch.ids.size(1), -1}), batch.lengths, true,
      /*enforce_sorted=*/false);
  const auto [output, last] = gru->forward_with_packed_input(packed);
  const at::Tensor states = std::get<0>(torch::nn::utils::rnn::pad_packed_sequence(output, true, 0, batch.ids.size(1)));
  return {states, last, gru};
}

at::Tensor mean_of_directions(const at::Tensor& states) {
  return states.view({states.size(0), states.size(1), 2, -1}).mean(2);
}

double difference(const at::Tensor& a, const at::Tensor& b) { return (a - b).abs().max().item<double>(); }

TEST(Words, AreLowerCaseRunsOfLettersAndDigits) {
  EXPECT_EQ(split_words("  Two B-52s, don't\tpark. "), (std::vector<std::string>{"two", "b", "52s", "dont", "park"}));
  EXPECT_TRUE(split_words(" . ,'").empty());
}

TEST(Vocabulary, OrdersWordsByFrequencyThenAlphabet) {
  const std::vector<std::string> texts = {"b a c", "c a", "c d"};
  const Vocabulary vocabulary = Vocabulary::count(texts, 1);
  EXPECT_EQ(vocabulary.words(), (std::vector<std::string>{"c", "a", "b", "d"}));
  EXPECT_EQ(vocabulary.ids("A x C"), (std::vector<int64_t>{3, 1, 2}));
  EXPECT_EQ(vocabulary.size(), 6);
}

TEST(Vocabulary, LeavesOutRareWords) {
  const std::vector<std::string> texts = {"tree tree", "tree bush"};
  EXPECT_EQ(Vocabulary::count(texts, 2).words(), (std::vector<std::string>{"tree"}));
}

TEST(Vocabulary, TakesATextWithoutWordsAsOneUnknownWord) {
  EXPECT_EQ(Vocabulary().ids(" . "), (std::vector<int64_t>{Vocabulary::unknown}));
}

TEST(Vocabulary, ComesBackFromItsLines) {
  const std::vector<std::string> texts = {"b a c", "c a"};
  const Vocabulary vocabulary = Vocabulary::count(texts, 1);
  EXPECT_EQ(Vocabulary::from_lines(vocabulary.lines()).words(), vocabulary.words());
  EXPECT_THROW(Vocabulary::from_lines("a\nb\na\n"), orbweaver::InputError);
}

class BiGru : public ::testing::TestWithParam<std::tuple<BiGruParams::Pooling, int64_t>> {};

TEST_P(BiGru, AgreesWithTorchsGruAndItsGradients) {
  at::manual_seed(11);
  BiGruParams params = small();
  std::tie(params.pooling, params.layers) = GetParam();
  BiGruEncoder encoder(params, Inputs{});
  encoder.fit(kCaptions);
  encoder.to(at::kDouble);
  const TokenBatch batch = batch_of(encoder, kCaptions);
  const Representation found = encoder.forward(batch);
  const Reference expected = reference(encoder, params, batch);

  const at::Tensor words = mean_of_directions(expected.states);
  const at::Tensor mask = found.token_mask.unsqueeze(2);
  at::Tensor global = words.sum(1) / batch.lengths.unsqueeze(1);
  if (params.pooling == BiGruParams::Pooling::last) global = expected.last.narrow(0, 2 * params.layers - 2, 2).mean(0);
  if (params.pooling == BiGruParams::Pooling::max) global = words.masked_fill(~mask, -1e9).amax(1);
  EXPECT_LT(difference(found.tokens, words * mask), 1e-12);
  EXPECT_LT(difference(found.global, global), 1e-12);

  const at::Tensor word_weights = at::randn_like(words), global_weights = at::randn_like(global);
  ((found.tokens * word_weights).sum() + (found.global * global_weights).sum()).backward();
  const at::Tensor table_gradient = encoder.named_parameters()["words.weight"].grad().clone();
  encoder.named_parameters()["words.weight"].mutable_grad() = at::Tensor();
  ((words * word_weights).sum() + (global * global_weights).sum()).backward();
  EXPECT_LT(difference(table_gradient, encoder.named_parameters()["words.weight"].grad()), 1e-10);
  for (const auto& parameter : expected.gru->named_parameters())
    EXPECT_LT(difference(encoder.named_parameters()["gru." + parameter.key()].grad(), parameter.value().grad()), 1e-10)
        << parameter.key();
}

INSTANTIATE_TEST_SUITE_P(PoolingAndLayers, BiGru,
                         ::testing::Combine(::testing::Values(BiGruParams::Pooling::mean, BiGruParams::Pooling::last,
                                                              BiGruParams::Pooling::max),
                                            ::testing::Values<int64_t>(1, 2)));

TEST(BiGruEncoder, GradientsAgreeWithFiniteDifferences) {
  at::manual_seed(12);
  BiGruParams params = small();
  params.word_dim = 2;
  params.hidden = 3;
  BiGruEncoder encoder(params, Inputs{});
  encoder.fit(kCaptions);
  encoder.to(at::kDouble);
  const TokenBatch batch = batch_of(encoder, {kCaptions[0], kCaptions[1], kCaptions[2]});
  const at::Tensor weights = at::randn({3, 3}, at::kDouble);
  const auto scalar = [&] { return (encoder.forward(batch).global * weights).sum(); };
  EXPECT_LT(orbweaver::testing::gradient_error(scalar, encoder.parameters()), 1e-7);
}

TEST(BiGruEncoder, IsBlindToPaddingAndToTheOtherCaptionsOfTheBatch) {
  at::manual_seed(13);
  BiGruParams params = small();
  params.hidden = 64;
  BiGruEncoder encoder(params, Inputs{});
  encoder.fit(kCaptions);
  const Representation all = encoder.forward(batch_of(encoder, kCaptions));
  const Representation padded = encoder.forward(batch_of(encoder, kCaptions, 7));
  EXPECT_TRUE(all.global.equal(padded.global));
  EXPECT_TRUE(all.tokens.equal(padded.tokens.narrow(1, 0, all.tokens.size(1))));
  EXPECT_EQ(padded.tokens.narrow(1, all.tokens.size(1), 7).abs().max().item<float>(), 0);
  for (size_t i = 0; i < kCaptions.size(); ++i) {
    const Representation alone = encoder.forward(batch_of(encoder, {kCaptions[i]}));
    EXPECT_LT(difference(alone.global[0], all.global[static_cast<int64_t>(i)]), 1e-6);
  }
}

TEST(BiGruEncoder, GivesEqualCaptionsOfABatchEqualBits) {
  BiGruParams params = small();
  params.hidden = 64;
  BiGruEncoder encoder(params, Inputs{});
  encoder.fit(kCaptions);
  const at::Tensor global = encoder.forward(batch_of(encoder, {kCaptions[0], kCaptions[1], kCaptions[0]})).global;
  EXPECT_TRUE(global[0].equal(global[2]));
}

TEST(BiGruEncoder, TakesAnEmptyCaption) {
  BiGruEncoder encoder(small(), Inputs{});
  encoder.fit(kCaptions);
  EXPECT_TRUE(encoder.forward(batch_of(encoder, {"", "two planes"})).global.isfinite().all().item<bool>());
}

TEST(BiGruEncoder, ComesBackFromItsExtraState) {
  BiGruEncoder fitted(small(), Inputs{}), loaded(small(), Inputs{});
  fitted.fit(kCaptions);
  loaded.load_extra_state(fitted.extra_state());
  EXPECT_EQ(loaded.tokenize("many green planes fly"), fitted.tokenize("many green planes fly"));
  EXPECT_EQ(loaded.named_parameters()["words.weight"].sizes(), fitted.named_parameters()["words.weight"].sizes());
}

TEST(BiGruEncoder, DropsEntriesInTrainingOnly) {
  BiGruParams params = small();
  params.dropout = 0.5;
  params.layers = 2;
  BiGruEncoder encoder(params, Inputs{});
  encoder.fit(kCaptions);
  const TokenBatch batch = batch_of(encoder, kCaptions);
  EXPECT_FALSE(encoder.forward(batch).global.equal(encoder.forward(batch).global));
  encoder.eval();
  EXPECT_TRUE(encoder.forward(batch).global.equal(encoder.forward(batch).global));
}

TEST(BiGruEncoder, CopiesTheWordVectorsThatAreKnown) {
  const auto file = std::filesystem::path(::testing::TempDir()) / "orbweaver_bigru_vectors.txt";
  std::ofstream(file) << "river 1 2 3 4 5 6\nunseen 9 9 9 9 9 9\n";
  BiGruParams params = small();
  params.word_vectors = file;
  BiGruEncoder encoder(params, Inputs{});
  encoder.fit(kCaptions);
  const at::Tensor row = encoder.named_parameters()["words.weight"][encoder.tokenize("river")[0]];
  EXPECT_TRUE(row.equal(at::tensor({1.f, 2.f, 3.f, 4.f, 5.f, 6.f})));

  std::ofstream(file) << "tree 1 2 3 4 5 6\nriver 1 2 3\n";
  try {
    BiGruEncoder(params, Inputs{}).fit(kCaptions);
    ADD_FAILURE() << "a short line was accepted";
  } catch (const orbweaver::InputError& error) {
    EXPECT_NE(std::string(error.what()).find(":2: 3 numbers"), std::string::npos) << error.what();
  }
  std::filesystem::remove(file);
}

TEST(BiGruEncoder, SaysWhenNoWordIsSeenOftenEnough) {
  BiGruParams params = small();
  params.min_count = 100;
  BiGruEncoder encoder(params, Inputs{});
  EXPECT_THROW(encoder.fit(kCaptions), orbweaver::InputError);
}

}  // namespace
