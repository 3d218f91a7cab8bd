// What rerankers share: fast passes over score matrices in either memory order, top-k lists, ranks.
//
// Ranks are competition ranks, 0-based: the number of items that score strictly higher. Nothing here starts threads.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <functional>
#include <limits>
#include <numeric>
#include <span>
#include <string>
#include <tuple>
#include <type_traits>
#include <utility>
#include <variant>
#include <vector>

#include "orbweaver/error.h"
#include "orbweaver/matrix.h"
#include "orbweaver/reranker.h"

namespace orbweaver {
inline namespace v1 {

/// Calls `visit(row, values)` for each row in order; `values` (std::span<const T>) is contiguous and valid during the
/// call. Rows of a transposed view are copied a block at a time, so that memory is read along its order.
template <class T, class Visit>
void for_each_row(const MatrixView<const T>& view, Visit&& visit) {
  const size_t cols = static_cast<size_t>(view.cols());
  if (view.col_stride() == 1) {
    for (int64_t row = 0; row < view.rows(); ++row)
      visit(row, std::span<const T>(view.data() + row * view.row_stride(), cols));
    return;
  }
  constexpr int64_t block_rows = 32;
  // Two cache lines of padding: rows a power of two apart would fall into the same cache set.
  const int64_t pitch = view.cols() + 32;
  std::vector<T> block(static_cast<size_t>(std::min(block_rows, view.rows()) * pitch));
  for (int64_t first = 0; first < view.rows(); first += block_rows) {
    const int64_t count = std::min(block_rows, view.rows() - first);
    for (int64_t col = 0; col < view.cols(); ++col) {
      const T* source = view.data() + first * view.row_stride() + col * view.col_stride();
      for (int64_t row = 0; row < count; ++row)
        block[static_cast<size_t>(row * pitch + col)] = source[row * view.row_stride()];
    }
    for (int64_t row = 0; row < count; ++row) visit(first + row, std::span<const T>(block.data() + row * pitch, cols));
  }
}

namespace detail {

template <class T>
bool all_finite(std::span<const T> values) {
  unsigned bad = 0;  // an integer reduction: the compiler vectorises it, unlike an early return
  for (const T value : values) bad |= !(std::abs(value) <= std::numeric_limits<T>::max());
  return bad == 0;
}

/// The k-th largest of at least k values, k >= 1. `kept` is scratch space.
template <class T>
T kth_largest(std::span<const T> values, size_t k, std::vector<T>& kept) {
  // The k best so far and a stretch of later values that beat the worst of them, cut back whenever the stretch is full.
  const size_t capacity = 2 * k + 64;
  kept.resize(capacity + 1);
  std::copy_n(values.begin(), k, kept.begin());
  T bar = *std::min_element(kept.begin(), kept.begin() + static_cast<std::ptrdiff_t>(k));
  size_t count = k;
  const auto cut_back = [&] {
    std::nth_element(kept.begin(), kept.begin() + static_cast<std::ptrdiff_t>(k - 1),
                     kept.begin() + static_cast<std::ptrdiff_t>(count), std::greater<>());
    bar = kept[k - 1];
    count = k;
  };
  constexpr size_t block = 16;
  for (size_t at = k; at < values.size(); at += block) {
    const size_t end = std::min(at + block, values.size());
    // Few values beat the k-th so far: one vectorised comparison usually dismisses the block.
    unsigned any = 0;
    if (end - at == block)
      for (size_t i = 0; i < block; ++i) any |= values[at + i] > bar;
    else
      any = 1;
    if (!any) continue;
    for (size_t i = at; i < end; ++i) {
      kept[count] = values[i];
      count += values[i] > bar;
    }
    if (count > capacity - block) cut_back();
  }
  cut_back();
  return bar;
}

}  // namespace detail

/// @throws ShapeError if there are no queries or no gallery; InputError naming the first score that is NaN or infinite.
inline void require_finite(const Scores& scores) {
  std::visit(
      [](const auto& view) {
        using T = std::remove_const_t<std::remove_reference_t<decltype(view(0, 0))>>;
        if (view.empty())
          throw ShapeError("scores: [" + std::to_string(view.rows()) + ", " + std::to_string(view.cols()) +
                           "], expected at least one query and one gallery item");
        // The order of memory; a transposed view is as good for this.
        const bool by_row = view.col_stride() == 1;
        for_each_row<T>(by_row ? view : view.transposed(), [&](int64_t line, std::span<const T> values) {
          if (detail::all_finite(values)) return;
          for (size_t at = 0; at < values.size(); ++at) {
            if (std::isfinite(values[at])) continue;
            const int64_t other = static_cast<int64_t>(at);
            throw InputError("scores: query " + std::to_string(by_row ? line : other) + ", gallery item " +
                             std::to_string(by_row ? other : line) + " is " + std::to_string(values[at]) +
                             ", expected a finite score");
          }
        });
      },
      scores);
}

/// For each query its `k` best gallery items and all items tied with the k-th: by score descending, equal scores by
/// index.
inline Rankings top_candidates(const Scores& scores, int64_t k) {
  Rankings result;
  std::visit(
      [&](const auto& view) {
        using T = std::remove_const_t<std::remove_reference_t<decltype(view(0, 0))>>;
        const size_t wanted = static_cast<size_t>(std::clamp<int64_t>(k, 0, view.cols()));
        result.offsets.reserve(static_cast<size_t>(view.rows()) + 1);
        result.items.reserve(static_cast<size_t>(view.rows()) * wanted);
        result.scores.reserve(result.items.capacity());
        std::vector<T> kept;
        std::vector<std::pair<T, int64_t>> best;
        for_each_row<T>(view, [&](int64_t, std::span<const T> values) {
          best.clear();
          if (wanted > 0) {
            const T bar = detail::kth_largest(values, wanted, kept);
            for (size_t item = 0; item < values.size(); ++item)
              if (values[item] >= bar) best.emplace_back(values[item], static_cast<int64_t>(item));
          }
          std::sort(best.begin(), best.end(), [](const auto& a, const auto& b) {
            return a.first != b.first ? a.first > b.first : a.second < b.second;
          });
          for (const auto& [score, item] : best) {
            result.items.push_back(item);
            result.scores.push_back(static_cast<double>(score));
          }
          result.offsets.push_back(static_cast<int64_t>(result.items.size()));
        });
      },
      scores);
  return result;
}

/// Competition ranks of scores that are sorted descending: 3 2 2 1 -> 0 1 1 3.
inline std::vector<int64_t> competition_ranks(std::span<const double> sorted_scores) {
  std::vector<int64_t> ranks(sorted_scores.size());
  for (size_t i = 1; i < ranks.size(); ++i)
    ranks[i] = sorted_scores[i] == sorted_scores[i - 1] ? ranks[i - 1] : static_cast<int64_t>(i);
  return ranks;
}

/// For each candidate (query q, item g), parallel to `candidates.items`: the rank of q in g's reverse list, that is the
/// number of queries that score g strictly higher than q does.
inline std::vector<int64_t> reverse_ranks(const Scores& scores, const Rankings& candidates) {
  const int64_t items = gallery_count(scores);
  // Candidate entries grouped by gallery item.
  std::vector<int64_t> begin(static_cast<size_t>(items) + 1);
  for (const int64_t item : candidates.items) ++begin[static_cast<size_t>(item) + 1];
  std::partial_sum(begin.begin(), begin.end(), begin.begin());
  struct Entry {
    int64_t query, place;
  };
  std::vector<Entry> entries(candidates.items.size());
  std::vector<int64_t> next(begin.begin(), begin.end() - 1);
  for (int64_t query = 0; query < candidates.query_count(); ++query)
    for (int64_t place = candidates.offsets[static_cast<size_t>(query)];
         place < candidates.offsets[static_cast<size_t>(query) + 1]; ++place) {
      const size_t item = static_cast<size_t>(candidates.items[static_cast<size_t>(place)]);
      entries[static_cast<size_t>(next[item]++)] = {query, place};
    }

  std::vector<int64_t> ranks(candidates.items.size());
  std::visit(
      [&](const auto& view) {
        using T = std::remove_const_t<std::remove_reference_t<decltype(view(0, 0))>>;
        std::vector<T> above(static_cast<size_t>(view.rows()));
        std::vector<T> asked;
        std::vector<int64_t> higher;
        for_each_row<T>(view.transposed(), [&](int64_t item, std::span<const T> values) {
          const std::span<const Entry> own(entries.data() + begin[static_cast<size_t>(item)],
                                           entries.data() + begin[static_cast<size_t>(item) + 1]);
          if (own.empty()) return;
          asked.clear();
          for (const Entry& entry : own) asked.push_back(values[static_cast<size_t>(entry.query)]);
          std::sort(asked.begin(), asked.end());
          // Only scores above the least one asked for can change a rank, and they are few: no sort of the whole column.
          size_t count = 0;
          for (const T value : values) {
            above[count] = value;
            count += value > asked.front();
          }
          // higher[i]: scores above exactly i of those asked for; then, summed from the end, above the i-th of them.
          higher.assign(asked.size() + 1, 0);
          for (size_t at = 0; at < count; ++at)
            ++higher[static_cast<size_t>(std::lower_bound(asked.begin(), asked.end(), above[at]) - asked.begin())];
          for (size_t at = asked.size(); at-- > 0;) higher[at] += higher[at + 1];
          for (const Entry& entry : own) {
            const auto first = std::lower_bound(asked.begin(), asked.end(), values[static_cast<size_t>(entry.query)]);
            ranks[static_cast<size_t>(entry.place)] = higher[static_cast<size_t>(first - asked.begin()) + 1];
          }
        });
      },
      scores);
  return ranks;
}

/// For each gallery item the sum of its scores over all queries, in double and in query order whatever the memory
/// order.
inline std::vector<double> column_sums(const Scores& scores) {
  std::vector<double> sums(static_cast<size_t>(gallery_count(scores)));
  std::visit(
      [&](const auto& view) {
        using T = std::remove_const_t<std::remove_reference_t<decltype(view(0, 0))>>;
        if (view.col_stride() == 1) {
          for_each_row<T>(view, [&](int64_t, std::span<const T> values) {
            for (size_t item = 0; item < values.size(); ++item) sums[item] += static_cast<double>(values[item]);
          });
          return;
        }
        for_each_row<T>(view.transposed(), [&](int64_t item, std::span<const T> values) {
          double sum = 0;
          for (const T value : values) sum += static_cast<double>(value);
          sums[static_cast<size_t>(item)] = sum;
        });
      },
      scores);
  return sums;
}

/// Reranker::Needs::reverse_length of a reranker that reads reverse lists to their end.
inline constexpr int64_t whole_list = std::numeric_limits<int64_t>::max();
/// The reverse rank of a query that a reverse list does not hold: behind everything.
inline constexpr int64_t not_listed = std::numeric_limits<int64_t>::max();

/// The same ranks from reverse lists. A list holds at least its item's `length` best queries (all of them, if there are
/// fewer) and everything tied with the last; the rank of a query that is not in the list is `not_listed`.
/// @throws ShapeError on a list that is shorter, or a candidate or query that does not exist.
inline std::vector<int64_t> reverse_ranks(const CandidateInput& input, const Rankings& candidates, int64_t length) {
  const int64_t queries = candidates.query_count(), items = input.reverse.query_count();
  if (queries != input.query_count)
    throw ShapeError("candidates: lists of " + std::to_string(queries) + " queries, expected " +
                     std::to_string(input.query_count) + ", the queries behind the column sums");
  // Reverse lists turned into, for each query, the items that list it.
  std::vector<int64_t> begin(static_cast<size_t>(queries) + 1);
  for (int64_t item = 0; item < items; ++item) {
    const std::span<const int64_t> list = input.reverse.items_of(item);
    if (static_cast<int64_t>(list.size()) < std::min(length, queries))
      throw ShapeError("reverse list of gallery item " + std::to_string(item) + ": " + std::to_string(list.size()) +
                       " queries, expected at least " + std::to_string(std::min(length, queries)));
    for (const int64_t query : list) {
      if (query < 0 || query >= queries)
        throw ShapeError("reverse list of gallery item " + std::to_string(item) + ": query " + std::to_string(query) +
                         " of " + std::to_string(queries));
      ++begin[static_cast<size_t>(query) + 1];
    }
  }
  std::partial_sum(begin.begin(), begin.end(), begin.begin());
  struct Listing {
    int64_t item, rank;
  };
  std::vector<Listing> listings(static_cast<size_t>(begin.back()));
  std::vector<int64_t> next(begin.begin(), begin.end() - 1);
  for (int64_t item = 0; item < items; ++item) {
    const std::vector<int64_t> ranks = competition_ranks(input.reverse.scores_of(item));
    const std::span<const int64_t> list = input.reverse.items_of(item);
    for (size_t at = 0; at < list.size(); ++at)
      listings[static_cast<size_t>(next[static_cast<size_t>(list[at])]++)] = {item, ranks[at]};
  }

  std::vector<int64_t> result(candidates.items.size());
  std::vector<int64_t> rank_of(static_cast<size_t>(items), not_listed);
  for (size_t query = 0; query < static_cast<size_t>(queries); ++query) {
    const std::span<const Listing> own(listings.data() + begin[query], listings.data() + begin[query + 1]);
    for (const Listing& listing : own) rank_of[static_cast<size_t>(listing.item)] = listing.rank;
    for (size_t place = static_cast<size_t>(candidates.offsets[query]);
         place < static_cast<size_t>(candidates.offsets[query + 1]); ++place) {
      const int64_t item = candidates.items[place];
      if (item < 0 || item >= items)
        throw ShapeError("candidates of query " + std::to_string(query) + ": gallery item " + std::to_string(item) +
                         ", but there are reverse lists of " + std::to_string(items) + " items");
      result[place] = rank_of[static_cast<size_t>(item)];
    }
    for (const Listing& listing : own) rank_of[static_cast<size_t>(listing.item)] = not_listed;
  }
  return result;
}

/// The first `k` of each list and everything tied with the k-th.
inline Rankings best_of(const Rankings& lists, int64_t k) {
  Rankings result;
  for (int64_t query = 0; query < lists.query_count(); ++query) {
    const std::span<const int64_t> items = lists.items_of(query);
    const std::span<const double> scores = lists.scores_of(query);
    size_t count = std::min(items.size(), static_cast<size_t>(std::max<int64_t>(k, 0)));
    while (count > 0 && count < items.size() && scores[count] == scores[count - 1]) ++count;
    result.items.insert(result.items.end(), items.begin(), items.begin() + static_cast<std::ptrdiff_t>(count));
    result.scores.insert(result.scores.end(), scores.begin(), scores.begin() + static_cast<std::ptrdiff_t>(count));
    result.offsets.push_back(static_cast<int64_t>(result.items.size()));
  }
  return result;
}

/// Sorts each query's list by score descending, equal scores by gallery index.
inline void sort_candidates(Rankings& rankings) {
  std::vector<std::pair<double, int64_t>> list;
  for (size_t query = 0; query < static_cast<size_t>(rankings.query_count()); ++query) {
    const size_t begin = static_cast<size_t>(rankings.offsets[query]),
                 end = static_cast<size_t>(rankings.offsets[query + 1]);
    list.clear();
    for (size_t at = begin; at < end; ++at) list.emplace_back(rankings.scores[at], rankings.items[at]);
    std::sort(list.begin(), list.end(), [](const auto& a, const auto& b) {
      return a.first != b.first ? a.first > b.first : a.second < b.second;
    });
    for (size_t at = begin; at < end; ++at) std::tie(rankings.scores[at], rankings.items[at]) = list[at - begin];
  }
}

/// Competition ranks of one query's candidates ordered by reverse rank, equal reverse ranks by forward rank: candidates
/// share a rank only where both agree. `forward` and `reverse` are parallel.
inline std::vector<int64_t> ranks_by_reverse_position(std::span<const int64_t> forward,
                                                      std::span<const int64_t> reverse) {
  const auto key = [&](size_t at) { return std::pair(reverse[at], forward[at]); };
  std::vector<size_t> order(forward.size());
  std::iota(order.begin(), order.end(), size_t{0});
  std::sort(order.begin(), order.end(), [&](size_t a, size_t b) { return key(a) < key(b); });
  std::vector<int64_t> ranks(order.size());
  for (size_t at = 1; at < order.size(); ++at)
    ranks[order[at]] = key(order[at]) == key(order[at - 1]) ? ranks[order[at - 1]] : static_cast<int64_t>(at);
  return ranks;
}

}  // namespace v1
}  // namespace orbweaver
