// What the items of pairs see in each other: the attention of the interaction cmim, by tensor expressions on any device
// and by hand on a CPU. Both compute the same.
#pragma once

#include <ATen/ATen.h>
#include <ATen/Dispatch.h>
#include <ATen/Parallel.h>
#include <torch/csrc/autograd/custom_function.h>

#include <algorithm>
#include <limits>
#include <numeric>
#include <string>
#include <utility>
#include <vector>

#include "orbweaver/error.h"

namespace {

/// One side's items as their pairs read them.
struct AttendedItems {
  at::Tensor tokens;    ///< [B, T, D], x
  at::Tensor affinity;  ///< [B, heads, T, width / heads], (W x)_h / (width / heads)^(1/4)
  at::Tensor pool;      ///< [B, heads, T], r: 0 at padding, sum 1
  at::Tensor mask;      ///< [B, T] bool; undefined when all tokens are real
};

/// What the two items of each pair see, with x and r the image's tokens and pool, y and s the text's:
///   A_h = x's affinity_h  y's affinity_h^T  [T, L]
struct Seen {
  at::Tensor words;    ///< [P, heads, Dy], sum_j p_hj y_j with p_hj = sum_i r_hi softmax_j(A_h)_ij
  at::Tensor regions;  ///< [P, heads, Dx], sum_i q_hi x_i with q_hi = sum_j s_hj softmax_i(A_h)_ij
};

/// By tensor expressions: every pair's items gathered, with their padding.
///
/// @param image, text  [P] int64.
/// @param dropout      share of the attention weights that is dropped.
inline Seen attend_padded(const AttendedItems& images, const AttendedItems& texts, const at::Tensor& image,
                          const at::Tensor& text, double dropout) {
  const auto rows = [](const AttendedItems& items, const at::Tensor& index) {
    const auto each = [&](const at::Tensor& x) { return x.defined() ? x.index_select(0, index) : x; };
    return AttendedItems{each(items.tokens), each(items.affinity), each(items.pool), each(items.mask)};
  };
  const auto hidden = [](const at::Tensor& affinity, const at::Tensor& mask) {
    return affinity.masked_fill(mask.logical_not(), std::numeric_limits<float>::lowest());
  };
  const auto drop = [&](const at::Tensor& weights) { return at::dropout(weights, dropout, dropout > 0); };
  const AttendedItems v = rows(images, image), t = rows(texts, text);
  at::Tensor affinity = v.affinity.matmul(t.affinity.transpose(-2, -1));  // [P, heads, T, L]
  // A padded token gives and gets no weight: lowest among the real ones, and the pools below take it out of rows in
  // which all are lowest.
  if (t.mask.defined()) affinity = hidden(affinity, t.mask.unsqueeze(1).unsqueeze(1));
  if (v.mask.defined()) affinity = hidden(affinity, v.mask.unsqueeze(1).unsqueeze(3));
  at::Tensor p = v.pool.unsqueeze(2).matmul(drop(affinity.softmax(-1))).squeeze(2);  // [P, heads, L]
  at::Tensor q = drop(affinity.softmax(-2)).matmul(t.pool.unsqueeze(3)).squeeze(3);  // [P, heads, T]
  if (t.mask.defined()) p = p * t.mask.unsqueeze(1);
  if (v.mask.defined()) q = q * v.mask.unsqueeze(1);
  return {p.matmul(t.tokens), q.matmul(v.tokens)};
}

/// The real tokens of all items of a side, one after the other.
struct RealTokens {
  at::Tensor tokens;           ///< [N, D]
  at::Tensor affinity;         ///< [N, width]
  at::Tensor pool;             ///< [N, heads]
  std::vector<int64_t> begin;  ///< [B + 1] the first row of each item

  int64_t count(int64_t item) const { return begin[static_cast<size_t>(item) + 1] - begin[static_cast<size_t>(item)]; }
};

/// Whether attend_real takes items with these tokens.
inline bool can_attend_real(const at::Tensor& tokens) {
  return tokens.is_cpu() && (tokens.scalar_type() == at::kFloat || tokens.scalar_type() == at::kDouble);
}

/// Attention of pairs over real tokens, and its gradient, in plain loops and products of matrices.
///
/// Why by hand: as tensor expressions each pair's tokens are copied, padding included, each pair has a small product of
/// its own, and each step of a softmax passes through memory. Here an image meets the words of all its texts in one
/// product, and what follows stays in the cache. No thread adds to what another adds to:
/// an image's pairs belong to one of them, and gradients of words are kept for each pair and then summed by text.
template <class T>
class PairKernel {
 public:
  /// @param image, text  of each pair; pairs of one image stand together.
  PairKernel(const RealTokens& x, const RealTokens& y, std::vector<int64_t> image, std::vector<int64_t> text)
      : x_(x),
        y_(y),
        image_(std::move(image)),
        text_(std::move(text)),
        heads_(x.pool.size(1)),
        width_(x.affinity.size(1)),
        x_width_(x.tokens.size(1)),
        y_width_(y.tokens.size(1)) {
    plan();
  }

  /// What backward needs of forward; of all pairs, or of one block.
  struct Weights {
    at::Tensor over_words;    ///< blocks of [heads, words, T], softmax_j(A_h) transposed
    at::Tensor over_regions;  ///< blocks of [heads, words, T], softmax_i(A_h) transposed
    at::Tensor p;             ///< blocks of [heads, words]
    at::Tensor q;             ///< blocks of [pairs, heads, T]
  };

  /// @param keep  filled for backward when it is not null.
  Seen forward(Weights* keep) const {
    const int64_t pairs = static_cast<int64_t>(image_.size());
    Seen seen{at::zeros({pairs, heads_, y_width_}, options()), at::zeros({pairs, heads_, x_width_}, options())};
    if (keep) *keep = weights(entries_, word_.back(), regions_);
    each_image([&](const Block& block) {
      const Weights own = keep ? part(*keep, block) : weights(entries(block), block.words, regions(block));
      forward(block, own, seen);
    });
    return seen;
  }

  struct Gradients {
    at::Tensor x_tokens, x_affinity, x_pool, y_tokens, y_affinity, y_pool;
  };

  Gradients backward(const Weights& kept, const Seen& d_seen) const {
    Gradients out{at::zeros_like(x_.tokens), at::zeros_like(x_.affinity), at::zeros_like(x_.pool),
                  at::zeros_like(y_.tokens), at::zeros_like(y_.affinity), at::zeros_like(y_.pool)};
    // Zeros for the blocks that are passed over.
    const WordGradients words{at::zeros({word_.back(), width_}, options()),
                              at::zeros({word_.back(), heads_}, options())};
    each_image([&](const Block& block) { backward(block, part(kept, block), d_seen, words, out); });
    sum_by_text(kept, d_seen, words, out);
    return out;
  }

 private:
  /// Some pairs of one image: those whose weights stay in the cache together.
  struct Block {
    int64_t image, first, last;  ///< pairs [first, last)
    int64_t tokens;              ///< T
    int64_t word, words;         ///< rows among the words of all pairs
    int64_t entry, region;       ///< where its weights begin in Weights
  };
  /// By word of each pair.
  struct WordGradients {
    at::Tensor affinity;  ///< [words, width]
    at::Tensor pool;      ///< [words, heads]
  };

  static constexpr int64_t kBlockBytes = 256 << 10;  // of one kind of weights; a core's second cache holds both

  at::TensorOptions options() const { return x_.tokens.options().requires_grad(false); }
  int64_t entries(const Block& block) const { return heads_ * block.words * block.tokens; }
  int64_t regions(const Block& block) const { return (block.last - block.first) * heads_ * block.tokens; }
  int64_t word_count(int64_t pair) const { return y_.count(text_[static_cast<size_t>(pair)]); }
  static T* data(const at::Tensor& x) { return x.data_ptr<T>(); }

  void plan() {
    const int64_t pairs = static_cast<int64_t>(image_.size());
    for (int64_t pair = 0; pair < pairs; ++pair) {
      const int64_t image = image_[static_cast<size_t>(pair)], tokens = x_.count(image), words = word_count(pair);
      const bool same = !blocks_.empty() && blocks_.back().image == image;
      const int64_t most = kBlockBytes / static_cast<int64_t>(sizeof(T)) / std::max<int64_t>(heads_ * tokens, 1);
      if (!same) image_begin_.push_back(static_cast<int64_t>(blocks_.size()));
      if (!same || blocks_.back().words + words > most) {
        if (!blocks_.empty()) close(blocks_.back());
        blocks_.push_back({image, pair, pair, tokens, word_.back(), 0, entries_, regions_});
      }
      block_of_.push_back(static_cast<int64_t>(blocks_.size()) - 1);
      blocks_.back().last = pair + 1;
      blocks_.back().words += words;
      word_.push_back(word_.back() + words);
    }
    if (!blocks_.empty()) close(blocks_.back());
    image_begin_.push_back(static_cast<int64_t>(blocks_.size()));
  }
  void close(const Block& block) {
    entries_ += entries(block);
    regions_ += regions(block);
  }

  Weights weights(int64_t entries, int64_t words, int64_t regions) const {
    return {at::empty({entries}, options()), at::empty({entries}, options()), at::zeros({heads_ * words}, options()),
            at::empty({regions}, options())};
  }
  Weights part(const Weights& all, const Block& block) const {
    return {all.over_words.narrow(0, block.entry, entries(block)),
            all.over_regions.narrow(0, block.entry, entries(block)),
            all.p.narrow(0, heads_ * block.word, heads_ * block.words), all.q.narrow(0, block.region, regions(block))};
  }

  /// Runs each block that has weights; those of one image in their order, on one thread.
  template <class F>
  void each_image(const F& run) const {
    at::parallel_for(0, static_cast<int64_t>(image_begin_.size()) - 1, 1, [&](int64_t from, int64_t to) {
      at::AutoDispatchBelowADInplaceOrView no_recording;  // the caller's state of recording is not this thread's
      for (int64_t b = image_begin_[static_cast<size_t>(from)]; b < image_begin_[static_cast<size_t>(to)]; ++b)
        if (blocks_[static_cast<size_t>(b)].tokens > 0 && blocks_[static_cast<size_t>(b)].words > 0)
          run(blocks_[static_cast<size_t>(b)]);
    });
  }

  /// [words, width] of the block's pairs.
  at::Tensor word_affinity(const Block& block) const {
    at::Tensor out = at::empty({block.words, width_}, options());
    T* to = data(out);
    for (int64_t pair = block.first; pair < block.last; ++pair)
      to = std::copy_n(data(y_.affinity) + first_word(pair) * width_, word_count(pair) * width_, to);
    return out;
  }
  int64_t first_word(int64_t pair) const { return y_.begin[static_cast<size_t>(text_[static_cast<size_t>(pair)])]; }
  at::Tensor of_image(const at::Tensor& rows, const Block& block) const {
    return rows.narrow(0, x_.begin[static_cast<size_t>(block.image)], block.tokens);
  }
  at::Tensor of_head(const at::Tensor& affinity, int64_t head) const {
    return affinity.narrow(1, head * (width_ / heads_), width_ / heads_);
  }
  /// [heads, T], so that a head's entries are neighbours.
  at::Tensor image_pool(const Block& block) const { return of_image(x_.pool, block).t().contiguous(); }

  void forward(const Block& block, const Weights& own, const Seen& seen) const {
    const int64_t n = block.tokens;
    at::Tensor by_words = own.over_words.view({heads_, block.words, n});
    const at::Tensor by_regions = own.over_regions.view({heads_, block.words, n});
    const at::Tensor ya = word_affinity(block), xa = of_image(x_.affinity, block);
    for (int64_t h = 0; h < heads_; ++h) {
      at::Tensor affinity = by_words.select(0, h);
      at::mm_out(affinity, of_head(ya, h), of_head(xa, h).t());
    }
    at::Tensor out = by_regions;
    at::_softmax_out(out, by_words, -1, false);
    std::vector<T> columns(static_cast<size_t>(n));
    each_text(block, [&](int64_t, int64_t, int64_t at, int64_t words) {
      subtract_highest(data(own.over_words) + at * n, words, n, columns.data());
    });
    own.over_words.exp_();

    const at::Tensor pool = image_pool(block);
    each_text(block, [&](int64_t pair, int64_t h, int64_t at, int64_t words) {
      const int64_t row = (pair - block.first) * heads_ + h;
      T* q = data(own.q) + row * n;
      T* p = data(own.p) + at;
      divide_by_sum(data(own.over_words) + at * n, words, n, columns.data());
      std::fill_n(q, n, T(0));
      T* found = data(seen.words) + (pair * heads_ + h) * y_width_;
      for (int64_t j = 0; j < words; ++j) {
        const int64_t word = first_word(pair) + j;
        // p weighs what the image's tokens find among the words, q the other way round.
        p[j] = dot(data(pool) + h * n, data(own.over_words) + (at + j) * n, n);
        add(q, data(y_.pool)[word * heads_ + h], data(own.over_regions) + (at + j) * n, n);
        add(found, p[j], data(y_.tokens) + word * y_width_, y_width_);
      }
    });
    at::Tensor regions = rows_of(seen.regions, block);
    at::mm_out(regions, own.q.view({-1, n}), of_image(x_.tokens, block));
  }

  /// [pairs * heads, Dx] of the block.
  at::Tensor rows_of(const at::Tensor& regions, const Block& block) const {
    return regions.narrow(0, block.first, block.last - block.first).flatten(0, 1);
  }

  /// run(pair, head, at, words): the pair's words are rows [at, at + words) of the block's heads * words.
  template <class F>
  void each_text(const Block& block, const F& run) const {
    for (int64_t h = 0; h < heads_; ++h)
      for (int64_t pair = block.first; pair < block.last; ++pair)
        run(pair, h, h * block.words + word_[static_cast<size_t>(pair)] - block.word, word_count(pair));
  }

  /// Where the words of a pair stand in Weights::p, for its first head.
  int64_t first_p(int64_t pair) const {
    const Block& block = blocks_[static_cast<size_t>(block_of_[static_cast<size_t>(pair)])];
    return heads_ * block.word + word_[static_cast<size_t>(pair)] - block.word;
  }

  /// With a = softmax_j(A) and b = softmax_i(A), so that p_j = sum_i r_i a_ij and q_i = sum_j s_j b_ij:
  ///   dr_i = sum_j a_ij dp_j,   ds_j = sum_i b_ij dq_i,   dA_ij = a_ij r_i (dp_j - dr_i) + b_ij s_j (dq_i - ds_j).
  void backward(const Block& block, const Weights& own, const Seen& d_seen, const WordGradients& d_words,
                const Gradients& out) const {
    const int64_t n = block.tokens;
    const at::Tensor d_regions = rows_of(d_seen.regions, block);
    of_image(out.x_tokens, block).addmm_(own.q.view({-1, n}).t(), d_regions);
    const at::Tensor dq = d_regions.mm(of_image(x_.tokens, block).t());  // [pairs * heads, T]

    const at::Tensor d_affinity = at::empty({heads_, block.words, n}, options()), pool = image_pool(block);
    const at::Tensor d_pool = at::zeros({heads_, n}, options());
    std::vector<T> dp, dr(static_cast<size_t>(n));
    each_text(block, [&](int64_t pair, int64_t h, int64_t at, int64_t words) {
      const T *a = data(own.over_words) + at * n, *b = data(own.over_regions) + at * n;
      const T* dq_pair = data(dq) + ((pair - block.first) * heads_ + h) * n;
      const T* d_found = data(d_seen.words) + (pair * heads_ + h) * y_width_;
      dp.resize(static_cast<size_t>(words));
      std::fill(dr.begin(), dr.end(), T(0));
      for (int64_t j = 0; j < words; ++j) {
        dp[static_cast<size_t>(j)] = dot(d_found, data(y_.tokens) + (first_word(pair) + j) * y_width_, y_width_);
        add(dr.data(), dp[static_cast<size_t>(j)], a + j * n, n);
      }
      add(data(d_pool) + h * n, T(1), dr.data(), n);
      for (int64_t j = 0; j < words; ++j) {
        const T ds = dot(b + j * n, dq_pair, n), s = data(y_.pool)[(first_word(pair) + j) * heads_ + h];
        data(d_words.pool)[(word_[static_cast<size_t>(pair)] + j) * heads_ + h] = ds;
        set_affinity_gradient(data(d_affinity) + (at + j) * n, a + j * n, data(pool) + h * n, dr.data(),
                              dp[static_cast<size_t>(j)], b + j * n, dq_pair, s, ds, n);
      }
    });
    of_image(out.x_pool, block).add_(d_pool.t());

    const at::Tensor ya = word_affinity(block), xa = of_image(x_.affinity, block);
    const at::Tensor d_xa = of_image(out.x_affinity, block), d_ya = d_words.affinity.narrow(0, block.word, block.words);
    for (int64_t h = 0; h < heads_; ++h) {
      const at::Tensor own_head = d_affinity.select(0, h);  // [words, T]
      of_head(d_xa, h).addmm_(own_head.t(), of_head(ya, h));
      at::Tensor of_words = of_head(d_ya, h);
      at::mm_out(of_words, own_head, of_head(xa, h));
    }
  }

  void sum_by_text(const Weights& kept, const Seen& d_seen, const WordGradients& d_words, const Gradients& out) const {
    std::vector<std::vector<int64_t>> pairs(y_.begin.size() - 1);
    for (size_t pair = 0; pair < text_.size(); ++pair)
      pairs[static_cast<size_t>(text_[pair])].push_back(static_cast<int64_t>(pair));
    at::parallel_for(0, static_cast<int64_t>(pairs.size()), 1, [&](int64_t from, int64_t to) {
      for (int64_t text = from; text < to; ++text)
        for (const int64_t pair : pairs[static_cast<size_t>(text)]) add_to_text(pair, kept, d_seen, d_words, out);
    });
  }

  void add_to_text(int64_t pair, const Weights& kept, const Seen& d_seen, const WordGradients& d_words,
                   const Gradients& out) const {
    const int64_t first = first_word(pair), own = word_[static_cast<size_t>(pair)], words = word_count(pair);
    const int64_t block_words = blocks_[static_cast<size_t>(block_of_[static_cast<size_t>(pair)])].words;
    add(data(out.y_affinity) + first * width_, T(1), data(d_words.affinity) + own * width_, words * width_);
    add(data(out.y_pool) + first * heads_, T(1), data(d_words.pool) + own * heads_, words * heads_);
    for (int64_t j = 0; j < words; ++j)
      for (int64_t h = 0; h < heads_; ++h)
        add(data(out.y_tokens) + (first + j) * y_width_, data(kept.p)[first_p(pair) + h * block_words + j],
            data(d_seen.words) + (pair * heads_ + h) * y_width_, y_width_);
  }

  // The loops below are over neighbours in memory, so that the compiler makes vector instructions of them.

  /// Subtracts from each column of [count, n] its maximum.
  static void subtract_highest(T* __restrict rows, int64_t count, int64_t n, T* __restrict highest) {
    std::fill_n(highest, n, std::numeric_limits<T>::lowest());
    for (int64_t j = 0; j < count; ++j)
      for (int64_t i = 0; i < n; ++i) highest[i] = rows[j * n + i] > highest[i] ? rows[j * n + i] : highest[i];
    for (int64_t j = 0; j < count; ++j)
      for (int64_t i = 0; i < n; ++i) rows[j * n + i] -= highest[i];
  }
  /// Divides each column of [count, n] by its sum.
  static void divide_by_sum(T* __restrict rows, int64_t count, int64_t n, T* __restrict sum) {
    std::fill_n(sum, n, T(0));
    for (int64_t j = 0; j < count; ++j) add(sum, T(1), rows + j * n, n);
    for (int64_t i = 0; i < n; ++i) sum[i] = 1 / sum[i];
    for (int64_t j = 0; j < count; ++j)
      for (int64_t i = 0; i < n; ++i) rows[j * n + i] *= sum[i];
  }
  static T dot(const T* __restrict a, const T* __restrict b, int64_t n) {
    constexpr int64_t kLanes = 8;  // a single sum would have to be added to in order, one product at a time
    T sums[kLanes] = {}, rest = 0;
    const int64_t even = n - n % kLanes;
    for (int64_t i = 0; i < even; i += kLanes)
      for (int64_t lane = 0; lane < kLanes; ++lane) sums[lane] += a[i + lane] * b[i + lane];
    for (int64_t i = even; i < n; ++i) rest += a[i] * b[i];
    return std::accumulate(sums, sums + kLanes, rest);
  }
  static void add(T* __restrict to, T factor, const T* __restrict from, int64_t n) {
    for (int64_t i = 0; i < n; ++i) to[i] += factor * from[i];
  }
  /// One word's entries of dA.
  static void set_affinity_gradient(T* __restrict to, const T* __restrict a, const T* __restrict r,
                                    const T* __restrict dr, T dp, const T* __restrict b, const T* __restrict dq, T s,
                                    T ds, int64_t n) {
    for (int64_t i = 0; i < n; ++i) to[i] = a[i] * r[i] * (dp - dr[i]) + b[i] * s * (dq[i] - ds);
  }

  const RealTokens &x_, &y_;
  std::vector<int64_t> image_, text_;
  int64_t heads_, width_, x_width_, y_width_;
  std::vector<Block> blocks_;
  std::vector<int64_t> image_begin_;  ///< the first block of each image, and the end
  std::vector<int64_t> block_of_;     ///< of each pair
  std::vector<int64_t> word_ = {0};   ///< [pairs + 1] the first of each pair's words among those of all pairs
  int64_t entries_ = 0, regions_ = 0;
};

/// PairKernel as a function with a gradient, of tokens, affinity and pool of both sides.
class PairAttention : public torch::autograd::Function<PairAttention> {
 public:
  using Context = torch::autograd::AutogradContext;
  using Variables = torch::autograd::variable_list;

  static Variables forward(Context* context, const at::Tensor& x_tokens, const at::Tensor& x_affinity,
                           const at::Tensor& x_pool, const at::Tensor& y_tokens, const at::Tensor& y_affinity,
                           const at::Tensor& y_pool, const std::vector<int64_t>& x_begin,
                           const std::vector<int64_t>& y_begin, const std::vector<int64_t>& image,
                           const std::vector<int64_t>& text) {
    const RealTokens x{x_tokens, x_affinity, x_pool, x_begin}, y{y_tokens, y_affinity, y_pool, y_begin};
    Variables saved = {x_tokens, x_affinity, x_pool, y_tokens, y_affinity, y_pool};
    Seen seen;
    AT_DISPATCH_FLOATING_TYPES(x_tokens.scalar_type(), "cmim", [&] {
      typename PairKernel<scalar_t>::Weights kept;
      seen = PairKernel<scalar_t>(x, y, image, text).forward(&kept);
      saved.insert(saved.end(), {kept.over_words, kept.over_regions, kept.p, kept.q});
    });
    context->save_for_backward(std::move(saved));
    context->saved_data["x_begin"] = x_begin;
    context->saved_data["y_begin"] = y_begin;
    context->saved_data["image"] = image;
    context->saved_data["text"] = text;
    return {seen.words, seen.regions};
  }

  static Variables backward(Context* context, Variables gradients) {
    if (at::GradMode::is_enabled())
      throw orbweaver::Error(
          "interaction cmim: a gradient of its gradient was asked for, which it does not have on a CPU");
    const Variables s = context->get_saved_variables();
    const auto list = [&](const char* name) { return context->saved_data[name].toIntVector(); };
    const RealTokens x{s[0], s[1], s[2], list("x_begin")}, y{s[3], s[4], s[5], list("y_begin")};
    const Seen d_seen{gradients[0].contiguous(), gradients[1].contiguous()};
    Variables out;
    AT_DISPATCH_FLOATING_TYPES(s[0].scalar_type(), "cmim", [&] {
      const PairKernel<scalar_t> kernel(x, y, list("image"), list("text"));
      const auto made = kernel.backward({s[6], s[7], s[8], s[9]}, d_seen);
      out = {made.x_tokens, made.x_affinity, made.x_pool, made.y_tokens, made.y_affinity, made.y_pool};
    });
    out.resize(10);  // lists of numbers have none
    return out;
  }
};

/// As attend_padded without dropout, on a CPU in float or double.
///
/// @param image, text  [P] int64; pairs of one image stand together.
inline Seen attend_real(const RealTokens& x, const RealTokens& y, const at::Tensor& image, const at::Tensor& text) {
  const auto list = [](const at::Tensor& index, const RealTokens& items) {
    const at::Tensor flat = index.contiguous();
    std::vector<int64_t> out(flat.data_ptr<int64_t>(), flat.data_ptr<int64_t>() + flat.numel());
    for (const int64_t item : out)
      if (item < 0 || item + 1 >= static_cast<int64_t>(items.begin.size()))
        throw orbweaver::Error("interaction cmim: a pair names item " + std::to_string(item) + " of " +
                               std::to_string(items.begin.size() - 1));
    return out;
  };
  std::vector<int64_t> images = list(image, x), texts = list(text, y);
  if (at::GradMode::is_enabled()) {
    const auto seen = PairAttention::apply(x.tokens, x.affinity, x.pool, y.tokens, y.affinity, y.pool, x.begin, y.begin,
                                           images, texts);
    return {seen[0], seen[1]};
  }
  Seen seen;
  AT_DISPATCH_FLOATING_TYPES(x.tokens.scalar_type(), "cmim", [&] {
    seen = PairKernel<scalar_t>(x, y, std::move(images), std::move(texts)).forward(nullptr);
  });
  return seen;
}

}  // namespace
