// Text encoder: CLIP's Transformer and its tokenizer (Radford et al., ICML 2021).
#pragma once

#include <algorithm>
#include <filesystem>
#include <iostream>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "../../shared/clip_tokenizer/merges_file.h"
#include "../../shared/clip_tokenizer/tokenizer.h"
#include "orbweaver/params.h"
#include "orbweaver/torch/text_encoder.h"
#include "text.h"
#include "weights.h"

namespace {

struct ClipTextParams {
  std::filesystem::path weights, vocabulary;
  Activation activation = Activation::automatic;
  std::optional<int64_t> context, width, layers, output, token_ids;

  static void describe(orbweaver::ParamSpec<ClipTextParams>& p) {
    p.field("weights", &ClipTextParams::weights,
            "CLIP weights, as clip_image takes them; all sizes follow from them; random initial weights when empty");
    p.field("vocabulary", &ClipTextParams::vocabulary,
            "The tokenizer's merges: CLIP's bpe_simple_vocab_16e6.txt.gz, or Hugging Face's merges.txt or "
            "tokenizer.json; when empty, the one of these names beside the weights");
    p.field("activation", &ClipTextParams::activation,
            {{"auto", Activation::automatic}, {"quick_gelu", Activation::quick_gelu}, {"gelu", Activation::gelu}},
            "Between the layers of each block's MLP; auto: by the weights' family, printed (quick_gelu without "
            "weights)");
    p.field("context", &ClipTextParams::context,
            "Most tokens of a caption, start and end among them; a longer one is cut (77, at most what the weights "
            "have positions for)")
        .range(3, 4096);
    p.field("width", &ClipTextParams::width, "Width of the Transformer (512)").range(64, 8192);
    p.field("layers", &ClipTextParams::layers, "Layers of the Transformer (12)").range(1, 128);
    p.field("output", &ClipTextParams::output, "Width of the projected feature (512)").range(1, 8192);
    p.field("token_ids", &ClipTextParams::token_ids,
            "Size of the vocabulary (49408): 514 and as many of the first merges as remain")
        .range(514, 1000000);
  }
};

/// global = the projected text feature, as `encode_text` gives it (not normalised) [B, output];
/// tokens = every position after the last normalisation [B, L, width], start and end among them; token_mask.
///
/// Ids are CLIP's, but for its id 0 (a "!" inside a word): 0 is the runtime's padding, so that token travels as the
/// number after the last id. Sizes and merges travel in the checkpoint (half a megabyte), so that a trained run needs
/// neither file. Names in checkpoints are those of OpenAI's files below "text.".
class ClipTextEncoder final : public orbweaver::TextEncoder {
 public:
  using Params = ClipTextParams;

  ClipTextEncoder(const Params& params, const orbweaver::Inputs&) : params_(params) {
    // Files that are gone are no fault where a checkpoint follows; `fit` complains.
    if (params_.weights.empty() || std::filesystem::exists(params_.weights)) find_sizes();
    if (sizes_ && std::filesystem::exists(params_.vocabulary)) read_vocabulary(params_.vocabulary);
  }

  void fit(std::span<const std::string>) override {
    if (!sizes_) find_sizes();
    if (!tokenizer_) find_vocabulary();
    make_trunk();
    if (weights_) load();
    weights_.reset();
    print();
  }

  /// The sizes, and the merges in the lines below.
  std::string extra_state() const override {
    if (!sizes_) return "";
    return sizes_line(*sizes_) + (tokenizer_ ? "\n" + tokenizer_->merges() : "");
  }

  void load_extra_state(std::string_view state) override {
    const size_t end = std::min(state.find('\n'), state.size());
    sizes_ = parse_text_sizes(state.substr(0, end), kComponent);
    weights_.reset();
    tokenizer_.reset();
    if (end < state.size()) make_tokenizer(state.substr(end + 1), kComponent + ": the merges in the checkpoint");
    make_trunk();
  }

  orbweaver::Widths outputs() const override { return {.global = sizes().output, .tokens = sizes().width}; }

  std::vector<int64_t> tokenize(const std::string& text) const override {
    if (!tokenizer_)
      throw orbweaver::InputError(kComponent +
                                  ": `vocabulary` is not given and none lies beside the weights; it "
                                  "names CLIP's merges, bpe_simple_vocab_16e6.txt.gz, merges.txt or "
                                  "tokenizer.json");
    std::vector<int64_t> ids = tokenizer_->encode(text, static_cast<size_t>(sizes().context));
    std::replace(ids.begin(), ids.end(), int64_t{0}, sizes().vocabulary);
    return ids;
  }

  orbweaver::Representation forward(const orbweaver::TokenBatch& tokens) override {
    if (!trunk_) throw orbweaver::Error(kComponent + ": used before it was fitted or loaded");
    if (tokens.ids.size(1) > sizes().positions)
      throw orbweaver::ShapeError(kComponent + ": " + std::to_string(tokens.ids.size(1)) +
                                  " tokens in a caption; there are " + std::to_string(sizes().positions) +
                                  " positions");
    return trunk_->forward(tokens.ids.remainder(sizes().vocabulary), tokens.lengths);
  }

 private:
  inline static const std::string kComponent = "text_encoder clip_text";

  [[noreturn]] void fail(const std::string& what) const { throw orbweaver::InputError(kComponent + ": " + what); }

  const TextSizes& sizes() const {
    if (!sizes_) throw orbweaver::Error(kComponent + ": used before it was fitted or loaded");
    return *sizes_;
  }

  void find_sizes() {
    TextSizes sizes;
    if (!params_.weights.empty()) {
      weights_ = shared_clip_weights(params_.weights);
      sizes = text_sizes(*weights_);
      check_against_weights(sizes);
      sizes.context = params_.context.value_or(sizes.positions);
      if (sizes.context > sizes.positions)
        fail("context is " + std::to_string(sizes.context) + ", but " + params_.weights.string() + " has " +
             std::to_string(sizes.positions) + " positions");
    } else {
      sizes.width = params_.width.value_or(sizes.width);
      sizes.layers = params_.layers.value_or(sizes.layers);
      sizes.output = params_.output.value_or(sizes.output);
      sizes.vocabulary = params_.token_ids.value_or(sizes.vocabulary);
      sizes.positions = sizes.context = params_.context.value_or(sizes.context);
      head_count(sizes.width, kComponent);
    }
    if (params_.activation != Activation::automatic) sizes.activation = params_.activation;
    sizes_ = sizes;
  }

  void check_against_weights(const TextSizes& sizes) const {
    const auto check = [&](const char* name, const std::optional<int64_t>& wanted, int64_t found) {
      if (wanted && *wanted != found)
        fail(std::string(name) + " is " + std::to_string(*wanted) + ", but " + params_.weights.string() + " has " +
             std::to_string(found) + "; leave it out");
    };
    check("width", params_.width, sizes.width);
    check("layers", params_.layers, sizes.layers);
    check("output", params_.output, sizes.output);
    check("token_ids", params_.token_ids, sizes.vocabulary);
  }

  /// A model whose captions come tokenised needs no vocabulary, so that none is found is said when one is needed.
  void find_vocabulary() {
    if (!params_.vocabulary.empty()) return read_vocabulary(params_.vocabulary);
    if (params_.weights.empty()) return;
    for (const char* name : {"bpe_simple_vocab_16e6.txt.gz", "merges.txt", "tokenizer.json"})
      if (const auto file = params_.weights.parent_path() / name; std::filesystem::exists(file))
        return read_vocabulary(file);
  }

  void read_vocabulary(const std::filesystem::path& file) {
    make_tokenizer(orbweaver_clip::read_merges(file), file.string() + " (" + kComponent + ")");
  }

  void make_tokenizer(std::string_view merges, const std::string& source) {
    tokenizer_ = std::make_unique<ClipTokenizer>(merges, sizes_->vocabulary - 514, source);
  }

  void make_trunk() {
    trunk_ = std::make_shared<TextTransformer>(*sizes_);
    register_module("text", trunk_);
  }

  void load() {
    orbweaver::LoadOptions options;
    options.source = params_.weights.string() + " (" + kComponent + ")";
    orbweaver::load_state_dict(*trunk_, weights_->text, options);
    if (params_.activation == Activation::automatic) activation_reason_ = " (" + weights_->activation_reason + ")";
  }

  void print() const {
    if (params_.weights.empty()) return;
    std::clog << kComponent << ": " << params_.weights.string() << ": " << sizes_line(*sizes_) << activation_reason_
              << "\n";
  }

  Params params_;
  std::optional<TextSizes> sizes_;
  std::shared_ptr<const ClipWeights> weights_;  // from construction to fit, so that both sides share one reading
  std::string activation_reason_;
  std::unique_ptr<ClipTokenizer> tokenizer_;
  std::shared_ptr<TextTransformer> trunk_;
};

}  // namespace
