// Text encoder: word embedding and bidirectional GRU (GaLR, TGRS 2022, Eq. 7-10; VSE++, BMVC 2018).
#pragma once

#include <ATen/ATen.h>
#include <torch/nn/modules/dropout.h>
#include <torch/nn/modules/embedding.h>

#include <filesystem>
#include <fstream>
#include <limits>
#include <sstream>
#include <string>
#include <tuple>
#include <vector>

#include "gru.h"
#include "orbweaver/params.h"
#include "orbweaver/torch/text_encoder.h"
#include "packed.h"
#include "vocabulary.h"

namespace {

struct BiGruParams {
  enum class Pooling { mean, last, max };
  int64_t word_dim = 300, hidden = 512, layers = 1, min_count = 5;
  Pooling pooling = Pooling::mean;
  double dropout = 0, word_scale = 0.1;
  std::filesystem::path word_vectors;

  static void describe(orbweaver::ParamSpec<BiGruParams>& p) {
    p.field("word_dim", &BiGruParams::word_dim, "Width of a word's embedding").range(1, 4096);
    p.field("hidden", &BiGruParams::hidden, "Width of each direction's state, and of the output").range(1, 8192);
    p.field("layers", &BiGruParams::layers, "GRU layers").range(1, 8);
    p.field("min_count", &BiGruParams::min_count, "Words seen less often in the training captions are unknown")
        .at_least(1);
    p.field("pooling", &BiGruParams::pooling, {{"mean", Pooling::mean}, {"last", Pooling::last}, {"max", Pooling::max}},
            "Words to sentence: mean (GaLR), the two last states averaged (VSE++), or the largest of each feature");
    p.field("dropout", &BiGruParams::dropout,
            "Share of word embedding entries, and of entries between layers, dropped in "
            "training")
        .range(0, 0.95);
    p.field("word_scale", &BiGruParams::word_scale, "Initial embeddings are uniform in [-word_scale, word_scale]")
        .range(0, 10);
    p.field("word_vectors", &BiGruParams::word_vectors,
            "Text file of pretrained vectors, a word and word_dim numbers per "
            "line (GloVe's format), copied into the embedding before training; none when empty");
  }
};

/// tokens = (forward + backward) / 2 of each word [B, L, hidden], global = their pooling [B, hidden].
///
/// Captions are lower-cased and split at everything but letters and digits (apostrophes are dropped); a caption without
/// words is one unknown word. The vocabulary is fitted on the training captions and travels as the extra state, one
/// word per line.
class BiGruEncoder final : public orbweaver::TextEncoder {
 public:
  using Params = BiGruParams;

  BiGruEncoder(const Params& params, const orbweaver::Inputs&) : params_(params) {
    gru_ = register_module(
        "gru", std::make_shared<BidirectionalGru>(params.word_dim, params.hidden, params.layers, params.dropout));
    if (params.dropout > 0) dropout_ = register_module("dropout", torch::nn::Dropout(params.dropout));
  }

  void fit(std::span<const std::string> texts) override {
    vocabulary_ = Vocabulary::count(texts, params_.min_count);
    if (vocabulary_.words().empty())
      throw orbweaver::InputError("text_encoder bigru: none of the words of " + std::to_string(texts.size()) +
                                  " training captions is seen " + std::to_string(params_.min_count) +
                                  " times; lower min_count");
    make_embedding();
    if (!params_.word_vectors.empty()) copy_word_vectors();
  }

  std::string extra_state() const override { return vocabulary_.lines(); }

  void load_extra_state(std::string_view state) override {
    vocabulary_ = Vocabulary::from_lines(state);
    make_embedding();
  }

  orbweaver::Widths outputs() const override { return {.global = params_.hidden, .tokens = params_.hidden}; }

  std::vector<int64_t> tokenize(const std::string& text) const override { return vocabulary_.ids(text); }

  orbweaver::Representation forward(const orbweaver::TokenBatch& tokens) override {
    if (!words_) throw orbweaver::Error("text_encoder bigru: used before its vocabulary was fitted or loaded");
    const Packed packed = pack(tokens);
    const BidirectionalGru::States states = run_gru(packed);
    const at::Tensor words = (states.forward + states.backward) / 2;

    orbweaver::Representation text;
    text.token_mask = packed.mask;
    const int64_t batch = packed.mask.size(0), longest = packed.mask.size(1);
    text.tokens = at::zeros({batch * longest, params_.hidden}, words.options())
                      .index_copy(0, packed.place, words)
                      .view({batch, longest, params_.hidden});
    text.global = pool(packed, states, words, text.tokens);
    return text;
  }

 private:
  void make_embedding() {
    words_ = register_module("words", torch::nn::Embedding(vocabulary_.size(), params_.word_dim));
    at::NoGradGuard no_grad;
    words_->weight.uniform_(-params_.word_scale, params_.word_scale);
    words_->weight[0].zero_();  // padding, never looked up
  }

  // A batch holds few distinct words many times over: each is embedded and projected once. Dropout needs every word to
  // have entries of its own.
  BidirectionalGru::States run_gru(const Packed& packed) {
    if (dropout_ && is_training())
      return gru_->forward(dropout_(words_(packed.ids)), at::arange(packed.ids.size(0), packed.ids.options()),
                           packed.step_sizes);
    const auto [distinct, row] = at::_unique(packed.ids, /*sorted=*/true, /*return_inverse=*/true);
    return gru_->forward(words_(distinct), row, packed.step_sizes);
  }

  at::Tensor pool(const Packed& packed, const BidirectionalGru::States& states, const at::Tensor& words,
                  const at::Tensor& tokens) const {
    switch (params_.pooling) {
      case Params::Pooling::last:
        return (states.forward.index_select(0, packed.last) + states.backward.index_select(0, packed.first)) / 2;
      case Params::Pooling::max: {
        const at::Tensor padding = packed.mask.logical_not().unsqueeze(2);
        return std::get<0>(tokens.masked_fill(padding, -std::numeric_limits<double>::infinity()).max(1));
      }
      case Params::Pooling::mean: break;
    }
    // Words are added in their order, so that the sum's rounding does not depend on the padding.
    const at::Tensor counts = packed.mask.sum(1, /*keepdim=*/true);
    return at::zeros({packed.mask.size(0), params_.hidden}, words.options()).index_add(0, packed.caption, words) /
           counts;
  }

  void copy_word_vectors() {
    std::ifstream file;
    std::error_code none;  // a pipe or a device may have no end
    if (std::filesystem::is_regular_file(params_.word_vectors, none)) file.open(params_.word_vectors);
    if (!file.is_open())
      throw orbweaver::InputError(params_.word_vectors.string() + ": cannot be read (word_vectors of bigru)");
    at::NoGradGuard no_grad;
    int64_t line_number = 0, found = 0;
    for (std::string line; std::getline(file, line);) {
      ++line_number;
      const size_t end = line.find(' ');
      const int64_t id = vocabulary_.id(line.substr(0, end));
      if (id == Vocabulary::unknown) continue;
      words_->weight[id].copy_(
          at::tensor(numbers(line.substr(end == std::string::npos ? line.size() : end), line_number)));
      ++found;
    }
    if (found == 0)
      throw orbweaver::InputError(params_.word_vectors.string() + ": holds none of the vocabulary's " +
                                  std::to_string(vocabulary_.words().size()) + " words; expected a word and " +
                                  std::to_string(params_.word_dim) + " numbers per line");
  }

  std::vector<float> numbers(const std::string& text, int64_t line) const {
    std::istringstream stream(text);
    std::vector<float> values;
    for (float value; stream >> value;) values.push_back(value);
    if (!stream.eof() || static_cast<int64_t>(values.size()) != params_.word_dim)
      throw orbweaver::InputError(params_.word_vectors.string() + ":" + std::to_string(line) + ": " +
                                  std::to_string(values.size()) +
                                  " numbers after the word, expected word_dim = " + std::to_string(params_.word_dim));
    return values;
  }

  Params params_;
  Vocabulary vocabulary_;
  torch::nn::Embedding words_{nullptr};
  std::shared_ptr<BidirectionalGru> gru_;
  torch::nn::Dropout dropout_{nullptr};
};

}  // namespace
