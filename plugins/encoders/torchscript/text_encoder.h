// Text encoder: any module exported by torch.jit, with one of two tokenizers.
#pragma once

#include <algorithm>
#include <filesystem>
#include <iostream>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "orbweaver/params.h"
#include "orbweaver/torch/text_encoder.h"
#include "scripted_encoder.h"
#include "text_tokenizer.h"

namespace {

struct TorchscriptTextParams {
  enum class Tokenizer { clip_bpe, words };
  enum class Mask { none, boolean, integer };
  std::filesystem::path file, vocabulary;
  OutputNames outputs;
  Tokenizer tokenizer = Tokenizer::clip_bpe;
  Mask mask = Mask::none;
  int64_t context = 77, padding = 0;
  std::optional<int64_t> token_ids, unknown, start, end;

  static void describe(orbweaver::ParamSpec<TorchscriptTextParams>& p) {
    p.field("file", &TorchscriptTextParams::file, "TorchScript archive, as torch.jit.save writes it").required();
    p.field("outputs", &TorchscriptTextParams::outputs, kOutputsDoc);
    p.field("tokenizer", &TorchscriptTextParams::tokenizer,
            {{"clip_bpe", Tokenizer::clip_bpe}, {"words", Tokenizer::words}},
            "clip_bpe: CLIP's byte-level BPE; words: lower-cased runs of letters and digits, apostrophes dropped");
    p.field(
         "vocabulary", &TorchscriptTextParams::vocabulary,
         "For clip_bpe the merges: bpe_simple_vocab_16e6.txt.gz, merges.txt or tokenizer.json; for words a text file "
         "with a word per line, whose id is the number of the line, from 0")
        .required();
    p.field("context", &TorchscriptTextParams::context,
            "Ids of each text that the module receives: longer ones are cut (their end id stays), shorter ones padded")
        .range(3, 4096);
    p.field("padding", &TorchscriptTextParams::padding, "Id that fills the rest of the context").range(0, 1e9);
    p.field("mask", &TorchscriptTextParams::mask,
            {{"none", Mask::none}, {"bool", Mask::boolean}, {"int", Mask::integer}},
            "Second argument of forward [B, context]: none; bool: true at ids, false at padding; int: 1 and 0 (int64, "
            "Hugging Face's attention_mask)");
    p.field("token_ids", &TorchscriptTextParams::token_ids,
            "Size of clip_bpe's vocabulary (49408): 514 and as many of the first merges as remain")
        .range(514, 1000000);
    p.field("unknown", &TorchscriptTextParams::unknown,
            "For words, required: id of a word that has none; -1: it is left out")
        .range(-1, 1e9);
    p.field("start", &TorchscriptTextParams::start, "For words: id before each text; -1: none (-1)").range(-1, 1e9);
    p.field("end", &TorchscriptTextParams::end, "For words: id after each text; -1: none (-1)").range(-1, 1e9);
  }
};

/// What the archive's `forward(ids [B, context] int64[, mask [B, context]])` returns: `global` [B, D], `tokens`
/// [B, context, D], or both (result.h). Of the tokens those of the batch's longest text are kept, zero at padding, with
/// `token_mask`.
///
/// Every text is padded to the whole context, so that its result cannot depend on its neighbours. 0 is the runtime's
/// padding, so outside `forward` each id travels as the next number.
///
/// The vocabulary travels in the checkpoint; the graph does not: a trained run needs its archive, and refuses another.
/// Names of parameters are Python's below "module.".
class TorchscriptTextEncoder final : public orbweaver::TextEncoder {
 public:
  using Params = TorchscriptTextParams;

  TorchscriptTextEncoder(const Params& params, const orbweaver::Inputs&)
      : params_(params), encoder_(kComponent, params.file, params.outputs, params.context) {
    check_parameters();
    encoder_.find_widths([&](int64_t batch) { return probe_inputs(batch, 0); });
    // A vocabulary that is gone is no fault where a checkpoint follows; `fit` complains.
    if (std::filesystem::exists(params.vocabulary)) read_vocabulary();
    register_module("module", encoder_.module());
  }

  void fit(std::span<const std::string>) override {
    if (!tokenizer_) read_vocabulary();
    std::clog << encoder_.summary() << "\n";
  }

  /// The archive's identity and the tokenizer's kind, and the vocabulary in the lines below.
  std::string extra_state() const override { return state_line() + "\n" + tokenizer().vocabulary(); }

  void load_extra_state(std::string_view state) override {
    const size_t end = std::min(state.find('\n'), state.size()), space = state.substr(0, end).rfind(' ');
    encoder_.check_identity(state.substr(0, std::min(space, end)));
    if (state.substr(0, end) != state_line())
      encoder_.fail("`tokenizer` is \"" + tokenizer_name() + "\", but the checkpoint was trained with another");
    set_tokenizer(state.substr(std::min(end + 1, state.size())), kComponent + ": the vocabulary in the checkpoint");
  }

  orbweaver::Widths outputs() const override { return encoder_.widths(); }

  std::vector<int64_t> tokenize(const std::string& text) const override {
    std::vector<int64_t> ids = tokenizer().encode(text, static_cast<size_t>(params_.context));
    for (int64_t& id : ids) ++id;
    return ids;
  }

  orbweaver::Representation forward(const orbweaver::TokenBatch& tokens) override {
    const int64_t batch = tokens.ids.size(0), longest = tokens.ids.size(1);
    if (longest > params_.context)
      throw orbweaver::ShapeError(kComponent + ": " + std::to_string(longest) + " ids in a text; context is " +
                                  std::to_string(params_.context));
    const at::Tensor mask =
        at::arange(params_.context, tokens.lengths.options()).unsqueeze(0) < tokens.lengths.unsqueeze(1);
    const at::Tensor padding = mask.logical_not();
    const at::Tensor ids =
        at::constant_pad_nd(tokens.ids - 1, {0, params_.context - longest}).masked_fill(padding, params_.padding);
    const ScriptedParts made = encoder_.run(arguments(ids, mask), batch);

    orbweaver::Representation text;
    text.global = made.global;
    if (!made.tokens.defined()) return text;
    text.token_mask = mask.narrow(1, 0, longest);
    text.tokens = made.tokens.narrow(1, 0, longest).masked_fill(padding.narrow(1, 0, longest).unsqueeze(2), 0);
    return text;
  }

 private:
  inline static const std::string kComponent = "text_encoder torchscript_text";

  void check_parameters() const {
    const bool words = params_.tokenizer == Params::Tokenizer::words;
    const auto refuse = [&](bool given, const char* name) {
      if (given)
        throw orbweaver::InputError(kComponent + ": `" + name + "` belongs to the tokenizer \"" +
                                    (words ? "clip_bpe" : "words") + "\", but this one is \"" + tokenizer_name() +
                                    "\"; leave it out");
    };
    refuse(words && params_.token_ids, "token_ids");
    refuse(!words && params_.unknown, "unknown");
    refuse(!words && params_.start, "start");
    refuse(!words && params_.end, "end");
    // A default would turn unknown words into whatever word stands on that line.
    if (words && !params_.unknown)
      throw orbweaver::InputError(kComponent +
                                  ": `unknown` is missing; the tokenizer \"words\" needs the id of words that the "
                                  "vocabulary lacks, or -1 to leave them out");
  }

  std::string tokenizer_name() const { return params_.tokenizer == Params::Tokenizer::words ? "words" : "clip_bpe"; }
  std::string state_line() const { return encoder_.identity() + " " + tokenizer_name(); }

  const TextTokenizer& tokenizer() const {
    if (!tokenizer_) throw orbweaver::Error(kComponent + ": used before it was fitted or loaded");
    return *tokenizer_;
  }

  void read_vocabulary() {
    const bool words = params_.tokenizer == Params::Tokenizer::words;
    set_tokenizer(words ? read_words(params_.vocabulary) : orbweaver_clip::read_merges(params_.vocabulary),
                  params_.vocabulary.string());
  }

  void set_tokenizer(std::string_view vocabulary, const std::string& source) {
    if (params_.tokenizer == Params::Tokenizer::words)
      tokenizer_ = std::make_unique<WordTokenizer>(vocabulary,
                                                   SpecialIds{params_.padding, params_.unknown.value_or(-1),
                                                              params_.start.value_or(-1), params_.end.value_or(-1)},
                                                   source);
    else
      tokenizer_ = std::make_unique<ClipBpe>(vocabulary, params_.token_ids.value_or(49408), source);
    check_largest_id(source);
  }

  /// A vocabulary larger than the module's embedding would fail in the middle of a training.
  void check_largest_id(const std::string& source) {
    const int64_t largest = std::max(tokenizer_->largest_id(), params_.padding);
    const bool training = is_training();
    encoder_.module()->eval();
    try {
      encoder_.probe(probe_inputs(1, largest), 1);
    } catch (const Fault& fault) {
      encoder_.fail("fails on the id " + std::to_string(largest) + ", the largest of " + source +
                    " and of the ids in " + "the config, but not on 0 (" + fault.what() +
                    "); is it the vocabulary that it was trained with?");
    }
    encoder_.module()->train(training);
  }

  ScriptedEncoder::Inputs probe_inputs(int64_t batch, int64_t id) const {
    return arguments(at::full({batch, params_.context}, id, at::kLong), at::ones({batch, params_.context}, at::kBool));
  }

  ScriptedEncoder::Inputs arguments(const at::Tensor& ids, const at::Tensor& mask) const {
    switch (params_.mask) {
      case Params::Mask::boolean: return {ids, mask};
      case Params::Mask::integer: return {ids, mask.to(at::kLong)};
      case Params::Mask::none: break;
    }
    return {ids};
  }

  Params params_;
  ScriptedEncoder encoder_;
  std::unique_ptr<TextTokenizer> tokenizer_;
};

}  // namespace
