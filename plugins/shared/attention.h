// Attention of several heads over tokens and nodes of which some are padding.
#pragma once

#include <ATen/ATen.h>
#include <torch/nn/module.h>
#include <torch/nn/modules/linear.h>

#include <cmath>
#include <limits>
#include <string>

#include "orbweaver/error.h"

namespace {

/// Refuses heads that do not divide the width they share.
inline void check_heads(const std::string& component, int64_t heads, int64_t width) {
  if (width % heads == 0) return;
  int64_t nearest = heads;
  while (width % nearest != 0) --nearest;
  throw orbweaver::InputError(component + ": heads is " + std::to_string(heads) + ", which does not divide width " +
                              std::to_string(width) + "; use " + std::to_string(nearest) + ", or another width");
}

/// [B, L, width] -> [B, heads, L, width / heads]
inline at::Tensor split_heads(const at::Tensor& rows, int64_t heads) {
  return rows.view({rows.size(0), rows.size(1), heads, rows.size(2) / heads}).transpose(1, 2);
}

/// Softmax over `dim` of the entries where `mask` (which broadcasts; undefined: everywhere) is true; 0 at the others,
/// and where there is nothing to choose from.
inline at::Tensor masked_softmax(const at::Tensor& scores, const at::Tensor& mask, int64_t dim) {
  if (!mask.defined()) return scores.softmax(dim);
  // The lowest number instead of -infinity: a softmax over nothing would be NaN, and its gradient too.
  const at::Tensor shares = scores.masked_fill(mask.logical_not(), std::numeric_limits<float>::lowest()).softmax(dim);
  return shares * mask;
}

/// Scaled dot-product attention (Vaswani et al., NeurIPS 2017, section 3.2) between sequences of different widths:
///
///   head_h(q, s) = softmax_s((Wq q)_h . (Wk s)_h / sqrt(width / heads)) (Wv s)_h,   out = Wm [head_1, ..., head_H]
///
/// queries [B, Q, Dq], sources [B, S, Ds] -> [B, Q, width]. A row whose sources are all padding gives the bias of Wm.
///
/// Names in checkpoints: query, key, value, merge.
class CrossAttention final : public torch::nn::Module {
 public:
  struct Sizes {
    int64_t queries, sources;  ///< Dq, Ds
    int64_t width, heads;      ///< heads must divide width
    double dropout;            ///< share of attention weights dropped in training
  };

  explicit CrossAttention(const Sizes& sizes)
      : heads_(sizes.heads),
        dropout_(sizes.dropout),
        query_(register_module("query", torch::nn::Linear(sizes.queries, sizes.width))),
        // Without a bias: it would add the same to all scores of a query, and the softmax takes that away.
        key_(register_module("key",
                             torch::nn::Linear(torch::nn::LinearOptions(sizes.sources, sizes.width).bias(false)))),
        value_(register_module("value", torch::nn::Linear(sizes.sources, sizes.width))),
        merge_(register_module("merge", torch::nn::Linear(sizes.width, sizes.width))) {}

  /// @param mask  [B, S] bool, true at real sources; undefined when all are.
  at::Tensor forward(const at::Tensor& queries, const at::Tensor& sources, const at::Tensor& mask) {
    const at::Tensor q = split_heads(query_(queries), heads_), k = split_heads(key_(sources), heads_);
    const at::Tensor v = split_heads(value_(sources), heads_);
    const at::Tensor scores = q.matmul(k.transpose(-2, -1)) / std::sqrt(static_cast<double>(q.size(-1)));
    const at::Tensor weights = masked_softmax(scores, mask.defined() ? mask.unsqueeze(1).unsqueeze(1) : mask, -1);
    return merge_(at::dropout(weights, dropout_, is_training()).matmul(v).transpose(1, 2).flatten(2));
  }

 private:
  int64_t heads_;
  double dropout_;
  torch::nn::Linear query_, key_, value_, merge_;
};

}  // namespace
