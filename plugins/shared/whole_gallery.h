// What rerankers share that give every gallery item a new score, not only those on a shortlist.
//
// Nothing here depends on the order of queries or items: a permutation of either permutes the result and changes no bit
// of it, and identical items keep identical scores.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <functional>
#include <span>
#include <type_traits>
#include <utility>
#include <variant>
#include <vector>

#include "orbweaver/ranking.h"
#include "orbweaver/reranker.h"

namespace {
namespace whole_gallery {

/// log of the sum of exp(scale * value) over `values`, at least one of them; finite values give a finite result.
///
/// The sum is taken in fixed point (steps of 2^-48 or finer up to 8,192 values): integers may be added in any order.
template <class T>
double log_sum_exp(std::span<const T> values, double scale) {
  const double most = static_cast<double>(*std::max_element(values.begin(), values.end()));
  // Each term is at most `one`, so that no sum leaves 63 bits.
  const double one = std::exp2(std::min(52, 62 - std::ilogb(2.0 * static_cast<double>(values.size()))));
  int64_t sum = 0;
  for (const T value : values)
    // NOLINTNEXTLINE(bugprone-incorrect-roundings): never negative, and llround() is a call for each score.
    sum += static_cast<int64_t>(one * std::exp(scale * (static_cast<double>(value) - most)) + 0.5);
  return scale * most + std::log(static_cast<double>(sum) / one);
}

/// For each gallery item the log_sum_exp of its scores over all queries.
inline std::vector<double> log_sums_over_queries(const orbweaver::Scores& scores, double scale) {
  std::vector<double> sums(static_cast<size_t>(orbweaver::gallery_count(scores)));
  std::visit(
      [&](const auto& view) {
        using T = std::remove_const_t<std::remove_reference_t<decltype(view(0, 0))>>;
        orbweaver::for_each_row<T>(view.transposed(), [&](int64_t item, std::span<const T> values) {
          sums[static_cast<size_t>(item)] = log_sum_exp(values, scale);
        });
      },
      scores);
  return sums;
}

/// For each query its `k` best items by new scores, and everything tied with the k-th.
///
/// @param rescore  called as rescore(query, values, fresh) for each query in order: `values` (a span of float or
///                 double) are its source scores, `fresh` (a span of double, as long) receives the new ones.
template <class Rescore>
orbweaver::Rankings rerank_rows(const orbweaver::Scores& scores, int64_t k, Rescore&& rescore) {
  orbweaver::Rankings result;
  std::visit(
      [&](const auto& view) {
        using T = std::remove_const_t<std::remove_reference_t<decltype(view(0, 0))>>;
        const size_t wanted = static_cast<size_t>(std::min(k, view.cols()));
        std::vector<double> fresh(static_cast<size_t>(view.cols())), kept;
        std::vector<std::pair<double, int64_t>> best;
        orbweaver::for_each_row<T>(view, [&](int64_t query, std::span<const T> values) {
          rescore(query, values, std::span<double>(fresh));
          const double bar = orbweaver::detail::kth_largest(std::span<const double>(fresh), wanted, kept);
          best.clear();
          for (size_t item = 0; item < fresh.size(); ++item)
            if (fresh[item] >= bar) best.emplace_back(-fresh[item], static_cast<int64_t>(item));
          std::sort(best.begin(), best.end());
          for (const auto& [negated, item] : best) {
            result.items.push_back(item);
            result.scores.push_back(0.0 - negated);  // no negative zero
          }
          result.offsets.push_back(static_cast<int64_t>(result.items.size()));
        });
      },
      scores);
  return result;
}

}  // namespace whole_gallery
}  // namespace
