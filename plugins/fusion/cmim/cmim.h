// Cross-modal interaction mechanism, the interaction of GraVLM (IEEE TGRS 2026, DOI 10.1109/TGRS.2026.3671643).
//
// The paper's abstract says what it is for: to capture the global semantic correspondence between image and text at the
// scene level. The released code holds none of it. The form below is this project's: attention both ways from one
// affinity of each pair, as the cross-modality attention of GLIP has it (X-MHA; Li et al., "Grounded Language-Image
// Pre-training", CVPR 2022), and a gated residual to the two vectors of the scene.
#pragma once

#include <ATen/ATen.h>
#include <torch/nn/modules/linear.h>
#include <torch/nn/modules/normalization.h>

#include <algorithm>
#include <cmath>
#include <functional>
#include <limits>
#include <memory>
#include <numeric>
#include <string>
#include <utility>
#include <vector>

#include "../../shared/attention.h"
#include "../../shared/head.h"
#include "../../shared/position.h"
#include "attend.h"
#include "orbweaver/params.h"
#include "orbweaver/torch/fusion.h"
#include "orbweaver/torch/interaction.h"

namespace {

struct CmimParams {
  enum class Base { global, embedding };
  enum class Pool { mean, attention };
  Base base = Base::global;
  int64_t width = 512, heads = 8;
  Pool pool = Pool::attention;
  double dropout = 0.1;
  int64_t memory_mib = 64;
  PositionParams positions;
  FitHeadParams image, text;

  static void describe(orbweaver::ParamSpec<CmimParams>& p) {
    p.field(
        "base", &CmimParams::base, {{"global", Base::global}, {"embedding", Base::embedding}},
        "The two vectors that interact: the encoders' `global` through heads of its own, or the fusion's embeddings");
    p.field("width", &CmimParams::width, "Width in which image and word tokens are compared, and of what they find")
        .range(1, 65536);
    p.field("heads", &CmimParams::heads, "Attention heads; must divide width").range(1, 512);
    p.field("pool", &CmimParams::pool, {{"mean", Pool::mean}, {"attention", Pool::attention}},
            "From what all tokens find to one vector; attention: each head has a learned weight for each token, equal "
            "at first");
    p.field("dropout", &CmimParams::dropout, "Share of attention weights dropped in training").range(0, 0.95);
    p.field(
         "memory_mib", &CmimParams::memory_mib,
         "Pairs are scored in chunks that need at most about this much memory, besides what autograd keeps in training")
        .range(1, 65536);
    p.field("positions", &CmimParams::positions, "Positions of the tokens");
    p.field("image", &CmimParams::image, "With base global: head that makes v of the image_encoder's `global`");
    p.field("text", &CmimParams::text, "With base global: head that makes t of the text_encoder's `global`");
  }
};

/// score(image, text) = cosine(v', t'), the two vectors after both sides have looked at each other:
///
///   x_i  = LayerNorm(token_i) + position_i          image tokens, 2-D;     y_j likewise for words, 1-D
///   A_h  = (W_x x)_h (W_y y)_h^T / sqrt(width/heads)  [T, L], one affinity of the pair for each head
///   p_hj = sum_i r_hi softmax_j(A_h)_ij             what the image looks at in the text,  [heads, L]
///   q_hi = sum_j s_hj softmax_i(A_h)_ij             what the text looks at in the image,  [heads, T]
///   v'   = v/|v| + gate_v * M_v [sum_j p_hj (V_y y_j)_h]_h
///   t'   = t/|t| + gate_t * M_t [sum_i q_hi (V_x x_i)_h]_h
///
/// r and s are each token's weight in its side's pool: 1/T and 1/L, or with `pool: "attention"` softmax(R_h x_i) and
/// softmax(S_h y_j), where R and S start at zero, so that this starts as the mean. v and t are the `global` vectors
/// through heads of the interaction's own, or with `base: "embedding"` the fusion's embeddings. The gates have an entry
/// for each dimension and start at zero: the untrained score is cosine(v, t). A text is always conditioned on the image
/// it is paired with and the image on the text, positives and negatives alike; but for rounding a pair's score depends
/// on nothing else.
///
/// The pool stands inside the sums: sum_i r_i sum_j a_ij V y_j = V sum_j (sum_i r_i a_ij) y_j, so that no pair ever
/// needs the attended tokens [T, width], nor an item its values: V is applied to one vector for each pair and head. Per
/// item there is one projection, W; per pair T * L * width multiplications for the affinity dominate.
///
/// Padding, by the masks, changes nothing: trailing padding is cut off before anything else. An item without a token
/// finds nothing but the biases of V and M.
///
/// In float or double on a CPU, without dropout, the attention is computed by hand (attend.h): no pair's tokens are
/// copied, padding costs nothing, and an image meets all its texts in one product. A training step with 4
/// negatives (bench/bench_cmim_torch.cpp) takes 0.4 of the time of the tensor expressions that serve everything else.
/// The two agree to rounding; only the latter have a second derivative.
///
/// Memory: pairs are scored in chunks of about `memory_mib`, whatever their number. With gradients on, autograd keeps
/// what it needs of each pair until backward: by hand both softmaxes, 8 bytes x heads x T x L in float; by tensor
/// expressions, measured for 50 image tokens of 768 and words of 512 in float, 0.6 MiB a pair with 15 words and 1.5 MiB
/// with 77.
///
/// Names in checkpoints: image, text, each with head, tokens (LayerNorm), affinity (W), pool (R, S), value (V of what
/// this side is seen as), merge (M of what this side finds) and gate.
class CmimInteraction final : public orbweaver::Interaction {
 public:
  using Params = CmimParams;

  CmimInteraction(const Params& params, const orbweaver::Inputs& inputs) : params_(params) {
    check_heads(kName, params.heads, params.width);
    image_ =
        register_module("image", std::make_shared<SideLayers>(params, params.image, orbweaver::Side::image, inputs));
    text_ = register_module("text", std::make_shared<SideLayers>(params, params.text, orbweaver::Side::text, inputs));
  }

  orbweaver::Parts reads() const override { return {.global = params_.base == Params::Base::global, .tokens = true}; }

  at::Tensor score_pairs(const orbweaver::Representation& images, const orbweaver::Representation& texts,
                         const at::Tensor& pairs) override {
    // By image: the pairs of one are cheapest together.
    const auto [image, order] = pairs.select(1, 0).sort(/*stable=*/true, /*dim=*/0, /*descending=*/false);
    const at::Tensor sorted[2] = {image, pairs.select(1, 1).index_select(0, order)};
    const at::Tensor scores = score(images, texts, pairs.size(0), pairs.size(0), [&](int64_t begin, int64_t end) {
      return std::pair(sorted[0].slice(0, begin, end), sorted[1].slice(0, begin, end));
    });
    const at::Tensor place = at::empty_like(order).scatter_(0, order, at::arange(order.size(0), order.options()));
    return scores.index_select(0, place);
  }

  at::Tensor score_all(const orbweaver::Representation& images, const orbweaver::Representation& texts,
                       int64_t chunk) override {
    const int64_t m = images.tokens.size(0), n = texts.tokens.size(0);
    return score(images, texts, m * n, chunk,
                 [&](int64_t begin, int64_t end) {
                   const at::Tensor flat =
                       at::arange(begin, end, images.tokens.options().dtype(at::kLong).requires_grad(false));
                   return std::pair(flat.div(n, "floor"), flat.remainder(n));
                 })
        .view({m, n});
  }

 private:
  static constexpr const char* kName = "interaction cmim";

  /// What pairs need of the items of a side.
  struct Items {
    at::Tensor unit;         ///< [B, embed_dim], v / |v|
    AttendedItems attended;  ///< or, where pairs attend by hand,
    RealTokens real;
  };

  /// The layers of one side.
  class SideLayers final : public torch::nn::Module {
   public:
    SideLayers(const Params& params, const HeadParams& head, orbweaver::Side side, const orbweaver::Inputs& inputs)
        : params_(params), positions_(kName, params.positions, side) {
      using torch::nn::LayerNorm, torch::nn::LayerNormOptions, torch::nn::Linear, torch::nn::LinearOptions;
      const int64_t own = (side == orbweaver::Side::image ? inputs.image : inputs.text).tokens;
      if (params.base == Params::Base::global)
        head_ = register_module("head", scene_head(kName, side_word(side), head, side, inputs));
      if (own <= 0)
        throw orbweaver::InputError(std::string(kName) + " needs the `tokens` of the " + side_word(side) +
                                    "_encoder, which makes none; use another encoder or layer, or another interaction");
      tokens_ = register_module("tokens", LayerNorm(LayerNormOptions({own})));
      affinity_ = register_module("affinity", Linear(own, params.width));
      if (params.pool == Params::Pool::attention)
        pool_ = register_module("pool", Linear(LinearOptions(own, params.heads).bias(false)));
      value_ = register_module("value", Linear(own, params.width));
      merge_ = register_module("merge", Linear(params.width, inputs.embed_dim));
      gate_ = register_parameter("gate", at::zeros({inputs.embed_dim}));
      at::NoGradGuard no_grad;
      if (pool_) pool_->weight.zero_();
    }

    Items items(const orbweaver::Representation& side, bool by_hand) {
      Items made;
      made.unit = orbweaver::l2_normalize(head_ ? head_->forward(side.global) : side.embedding);
      const auto [own, mask] = without_trailing_padding(side);
      const at::Tensor tokens = positions_.add(tokens_(own), mask);
      if (by_hand)
        made.real = real_tokens(tokens, mask);
      else
        made.attended = {tokens, split_heads(affinity(tokens), params_.heads).contiguous(), pool(tokens, mask), mask};
      return made;
    }

    /// (V seen_h)_h side by side: seen [P, heads, Dt] -> [P, width].
    at::Tensor values(const at::Tensor& seen) {
      const at::Tensor layers = value_->weight.view({params_.heads, -1, seen.size(2)}).transpose(1, 2);
      return seen.transpose(0, 1).bmm(layers).transpose(0, 1).flatten(1) + value_->bias;
    }

    /// v' of v / |v| [P, embed_dim] and of the other side's values [P, width].
    at::Tensor interacted(const at::Tensor& unit, const at::Tensor& found) { return unit + gate_ * merge_(found); }

   private:
    static std::pair<at::Tensor, at::Tensor> without_trailing_padding(const orbweaver::Representation& side) {
      const at::Tensor& mask = side.token_mask;
      if (!mask.defined() || mask.size(0) == 0) return {side.tokens, mask};
      // Places, not counts: a mask may have gaps.
      const at::Tensor used = mask.any(0).nonzero();
      const int64_t length = used.size(0) == 0 ? 1 : used.max().item<int64_t>() + 1;
      const at::Tensor kept = mask.narrow(1, 0, length);
      return {side.tokens.narrow(1, 0, length), kept.all().item<bool>() ? at::Tensor() : kept};
    }

    RealTokens real_tokens(const at::Tensor& tokens, const at::Tensor& mask) {
      const int64_t count = tokens.size(0), longest = tokens.size(1);
      RealTokens real{
          tokens.flatten(0, 1).contiguous(), {}, {}, std::vector<int64_t>(static_cast<size_t>(count) + 1, 0)};
      const at::Tensor kept = mask.defined() ? mask.flatten().nonzero().squeeze(1) : at::Tensor();
      if (kept.defined()) real.tokens = real.tokens.index_select(0, kept);
      real.affinity = affinity(real.tokens);
      at::Tensor scores = pool_ ? pool_(real.tokens) : zeros({real.tokens.size(0), params_.heads}, tokens);
      if (kept.defined())
        scores = (zeros({count * longest, params_.heads}, tokens) +
                  std::numeric_limits<float>::lowest())  // -infinity over nothing would make NaN
                     .index_copy(0, kept, scores);
      real.pool = scores.view({count, longest, params_.heads}).softmax(1).flatten(0, 1);
      if (kept.defined()) real.pool = real.pool.index_select(0, kept);
      const at::Tensor counts = mask.defined() ? mask.sum(1) : at::full({count}, longest, at::kLong);
      std::partial_sum(counts.data_ptr<int64_t>(), counts.data_ptr<int64_t>() + count, real.begin.begin() + 1);
      return real;
    }

    /// [..., width], with half of the division by sqrt(width / heads): once for each side.
    at::Tensor affinity(const at::Tensor& tokens) {
      const double share = std::pow(static_cast<double>(params_.heads) / static_cast<double>(params_.width), 0.25);
      return at::linear(tokens, affinity_->weight * share, affinity_->bias * share);
    }

    at::Tensor pool(const at::Tensor& tokens, const at::Tensor& mask) {
      const at::Tensor scores =
          pool_ ? pool_(tokens).transpose(1, 2) : zeros({tokens.size(0), params_.heads, tokens.size(1)}, tokens);
      return masked_softmax(scores, mask.defined() ? mask.unsqueeze(1) : mask, -1);
    }

    static at::Tensor zeros(at::IntArrayRef shape, const at::Tensor& like) {
      return at::zeros(shape, like.options().requires_grad(false));
    }

    Params params_;
    TokenPositions positions_;
    std::shared_ptr<Head> head_;
    torch::nn::LayerNorm tokens_{nullptr};
    torch::nn::Linear affinity_{nullptr}, pool_{nullptr}, value_{nullptr}, merge_{nullptr};
    at::Tensor gate_;
  };

  using PairsOf = std::function<std::pair<at::Tensor, at::Tensor>(int64_t begin, int64_t end)>;

  /// Scores of `count` pairs in chunks of at most `chunk`; pairs_of gives the image and the text of each from begin on.
  at::Tensor score(const orbweaver::Representation& images, const orbweaver::Representation& texts, int64_t count,
                   int64_t chunk, const PairsOf& pairs_of) {
    if (count == 0) return images.tokens.new_zeros({0});
    const double dropout = is_training() ? params_.dropout : 0;
    const bool by_hand = dropout == 0 && can_attend_real(images.tokens) && can_attend_real(texts.tokens);
    const Items v = image_->items(images, by_hand), t = text_->items(texts, by_hand);
    const int64_t step = std::clamp<int64_t>(pairs_in_memory(images.tokens, texts.tokens, v.unit.size(1), by_hand), 1,
                                             std::max<int64_t>(chunk, 1));
    // Filled in place: small results kept between the large passing tensors would leave the heap in pieces, and have it
    // grow by gigabytes.
    at::Tensor scores = at::empty({count}, v.unit.options().requires_grad(false));
    for (int64_t begin = 0; begin < count; begin += step) {
      const int64_t end = std::min(begin + step, count);
      const auto [image, text] = pairs_of(begin, end);
      const Seen seen = by_hand ? attend_real(v.real, t.real, image, text)
                                : attend_padded(v.attended, t.attended, image, text, dropout);
      scores.slice(0, begin, end).copy_(score_seen(v.unit.index_select(0, image), t.unit.index_select(0, text), seen));
    }
    return scores;
  }

  /// Scores of pairs [P] of v / |v| and t / |t|, [P, embed_dim].
  at::Tensor score_seen(const at::Tensor& v, const at::Tensor& t, const Seen& seen) {
    const at::Tensor image = image_->interacted(v, text_->values(seen.words));
    const at::Tensor text = text_->interacted(t, image_->values(seen.regions));
    return (orbweaver::l2_normalize(image) * orbweaver::l2_normalize(text)).sum(-1);
  }

  int64_t pairs_in_memory(const at::Tensor& x, const at::Tensor& y, int64_t embed_dim, bool by_hand) const {
    const int64_t weights = params_.heads * x.size(1) * y.size(1), words = y.size(1);
    const bool scoring = !at::GradMode::is_enabled();
    // What is seen, its values, v' and t' and their passing tensors, and
    int64_t numbers = params_.heads * (x.size(2) + y.size(2)) + 2 * params_.width + 6 * embed_dim;
    if (!by_hand)  // the gathered items; the affinity, its copy with padding hidden, two softmaxes, one passing tensor;
      numbers += x.size(1) * (x.size(2) + params_.width) + words * (y.size(2) + params_.width) + 5 * weights;
    else if (!scoring)  // both softmaxes, and the gradient of the words.
      numbers += 2 * weights + words * params_.width;
    // Steps that stay in a CPU's cache: 4 MiB were measured at 1.6 times the speed of 64. With gradients on they do not
    // pay, as each chunk's backward makes gradients of the size of all items.
    const int64_t mib = scoring && x.is_cpu() ? std::min<int64_t>(params_.memory_mib, 4) : params_.memory_mib;
    return (mib << 20) / (numbers * static_cast<int64_t>(x.element_size()));
  }

  Params params_;
  std::shared_ptr<SideLayers> image_, text_;
};

}  // namespace
