// What every text encoder must do (orbweaver/torch/text_encoder.h), as properties.
#pragma once

#include "orbweaver/testing/samples.h"
#include "orbweaver/testing/torch/module.h"
#include "orbweaver/torch/text_encoder.h"

namespace orbweaver::testing {
namespace detail {

inline std::shared_ptr<TextEncoder> make_text_encoder(const Subject& subject, const Making& making) {
  return make_model<TextEncoder>(subject, sample_inputs(Side::text, making.dtype), making, training_texts());
}

inline std::vector<std::string> caption_texts() {
  return {"a bridge crosses the wide river", "planes", "two unheard of things near a terminal", "storage tanks"};
}

inline std::vector<int64_t> tokenize(const TextEncoder& encoder, const std::string& what, const std::string& caption) {
  return call("tokenize of " + what, [&] { return encoder.tokenize(caption); });
}

inline TokenBatch token_batch(const TextEncoder& encoder, const std::vector<std::string>& captions) {
  std::vector<std::vector<int64_t>> ids;
  size_t longest = 1;
  for (const std::string& caption : captions) {
    ids.push_back(tokenize(encoder, "\"" + caption + "\"", caption));
    longest = std::max(longest, ids.back().size());
  }
  const auto count = static_cast<int64_t>(ids.size());
  TokenBatch batch{at::zeros({count, static_cast<int64_t>(longest)}, at::kLong), at::zeros({count}, at::kLong)};
  for (int64_t i = 0; i < count; ++i) {
    const std::vector<int64_t>& own = ids[static_cast<size_t>(i)];
    const auto length = static_cast<int64_t>(own.size());
    batch.ids[i].narrow(0, 0, length).copy_(at::tensor(own, at::kLong));
    batch.lengths[i] = length;
  }
  return batch;
}

inline std::vector<Trial> text_encoder_trials(const Subject& subject, const Making& making) {
  const auto encoder = make_text_encoder(subject, making);
  const TokenBatch tokens = token_batch(*encoder, caption_texts());
  Trial trial{"forward", encoder, {{"ids", tokens.ids}, {"lengths", tokens.lengths}}, [encoder, tokens] {
                return parts_of(encoder->forward(tokens));
              }};
  trial.inputs_are_its_own = true;
  return {trial};
}

inline void check_tokens(const Subject& subject) {
  const auto encoder = make_text_encoder(subject, {});
  for (const SampleCaption& caption : sample_captions()) {
    const std::vector<int64_t> ids = tokenize(*encoder, caption.name, caption.text);
    if (ids.empty()) fail("tokenize of ", caption.name, " gives no ids, expected at least one");
    for (const int64_t id : ids)
      if (id <= 0) fail("tokenize of ", caption.name, " gives the id ", id, ", expected ids above 0, which is padding");
    if (encoder->tokenize(caption.text) != ids) fail("tokenize of ", caption.name, " again gives other ids");
  }
}

inline void check_tokenize_concurrent(const Subject& subject) {
  const auto encoder = make_text_encoder(subject, {});
  const std::vector<std::string> texts(training_texts().begin(), training_texts().begin() + 6);
  std::vector<std::vector<int64_t>> alone;
  for (const std::string& caption : texts) alone.push_back(tokenize(*encoder, "\"" + caption + "\"", caption));
  concurrently(4, 300, [&](int thread, int round) {
    const size_t i = static_cast<size_t>(thread + round) % texts.size();
    if (encoder->tokenize(texts[i]) != alone[i])
      fail("tokenize of \"", texts[i], "\" while other threads tokenize gives other ids");
  });
}

inline void check_text_encoder_shapes(const Subject& subject) {
  at::NoGradGuard no_grad;
  const auto encoder = make_text_encoder(subject, {});
  const Widths widths = encoder->outputs();
  if (widths.global <= 0 && widths.tokens <= 0) fail("outputs() declares neither global nor tokens");
  const TokenBatch tokens = token_batch(*encoder, caption_texts());
  const int64_t count = tokens.ids.size(0), longest = tokens.ids.size(1);
  const Representation out = call("forward", [&] { return encoder->forward(tokens); });
  if (widths.global > 0) expect_tensor("forward: global", out.global, {count, widths.global});
  if (widths.tokens == 0) return;
  expect_tensor("forward: tokens", out.tokens, {count, longest, widths.tokens});
  expect_tensor("forward: token_mask", out.token_mask, {count, longest}, false);
  if (out.token_mask.scalar_type() != at::kBool)
    fail("forward: token_mask has the type ", c10::toString(out.token_mask.scalar_type()), ", expected Bool");
  if (!out.token_mask.any(1).all().item<bool>()) fail("forward: token_mask leaves a caption without tokens");
}

inline void check_text_padding(const Subject& subject) {
  at::NoGradGuard no_grad;
  const auto encoder = make_text_encoder(subject, {});
  const std::vector<std::string> captions = caption_texts();
  const Representation together = call("forward", [&] { return encoder->forward(token_batch(*encoder, captions)); });
  for (size_t i = 0; i < captions.size(); ++i) {
    const auto row = static_cast<int64_t>(i);
    const TokenBatch own = token_batch(*encoder, {captions[i]});
    const Representation alone = call("forward of a single caption", [&] { return encoder->forward(own); });
    const std::string what = "forward of \"" + captions[i] + "\" alone, against beside longer captions: ";
    if (together.global.defined()) expect_close(what + "global", alone.global, together.global.narrow(0, row, 1), 1e-3);
    if (together.tokens.defined())
      expect_close(what + "tokens", alone.tokens, together.tokens.narrow(0, row, 1).narrow(1, 0, own.ids.size(1)),
                   1e-3);
  }
}

inline void check_text_rank(const Subject& subject) {
  at::NoGradGuard no_grad;
  const auto encoder = make_text_encoder(subject, {});
  const TokenBatch tokens = token_batch(*encoder, caption_texts());
  const Representation right = encoder->forward(tokens);
  expect_no_result("ids [B, 1, L]", [&] {
    const Representation out = encoder->forward({tokens.ids.unsqueeze(1), tokens.lengths});
    return out.global.defined() && right.global.defined() && out.global.sizes() == right.global.sizes();
  });
}

}  // namespace detail

inline std::vector<Property> text_encoder_properties() {
  using namespace detail;
  std::vector<Property> list = {
      {"tokens", "Every text, the empty one too, has at least one id, none of them 0, always the same ones.",
       "give texts without known words an id for that; keep 0 for padding", check_tokens},
      {"concurrent", "tokenize() in several threads at once gives what it gives alone.",
       "keep scratch memory in local variables, not in members or statics", check_tokenize_concurrent},
      {"shapes", "forward makes what outputs() declares: global [B, Dg], tokens [B, L, Dt] with token_mask [B, L].",
       "declare in outputs() the widths that forward makes, and nothing else", check_text_encoder_shapes},
      {"padding", "A caption gives the same alone as beside longer ones.",
       "mask padding in attention, recurrences and means; no statistic over the batch in evaluation mode",
       check_text_padding},
      {"wrong_rank", "Ids of a wrong rank are refused, or give no result of the right shape.",
       "check the number of dimensions before reshaping, and throw orbweaver::ShapeError", check_text_rank}};
  return with_module_properties(std::move(list), text_encoder_trials, false);
}

}  // namespace orbweaver::testing
