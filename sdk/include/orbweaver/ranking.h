// What rerankers share: fast passes over score matrices in either memory order, top-k lists, ranks.
//
// Ranks are competition ranks, 0-based: the number of items that score strictly higher. Nothing here starts threads.
#pragma once

#include <algorithm>
#include <bit>
#include <cmath>
#include <cstdint>
#include <cstring>
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

/// The bar of all values alike, where a pointer would give each its own.
template <class T>
struct OneBar {
  T bar;
  T operator[](size_t) const { return bar; }
  OneBar operator+(size_t) const { return *this; }
};

struct Above {
  auto operator()(const auto& value, const auto& bar) const { return value > bar; }
};
struct AtLeast {
  auto operator()(const auto& value, const auto& bar) const { return value >= bar; }
};

/// Values that are compared at once: few reach their bar, and one comparison of vectors usually dismisses all of these.
inline constexpr size_t block_size = 16;

/// Bit `at` is set where `reaches(values[at], bars[at])`, of a block. With vectors of the compiler, for it takes the
/// plain loop apart before it sees that the loop is one operation.
template <class T, class Reaches, class Bars>
uint64_t bits_of_block(const T* values, Reaches reaches, Bars bars) {
  constexpr size_t width = 16 / sizeof(T);
  typedef T Lanes __attribute__((vector_size(16)));
  Lanes value = {}, bar = {};
  decltype(value > bar) bit = {}, bits = {};
  for (size_t at = 0; at < block_size; at += width) {
    std::memcpy(&value, values + at, sizeof(value));
    for (size_t lane = 0; lane < width; ++lane) {
      bar[lane] = bars[at + lane];
      bit[lane] = 1 << (at + lane);
    }
    bits |= reaches(value, bar) & bit;
  }
  uint64_t halves[2];
  std::memcpy(halves, &bits, sizeof(halves));
  const uint64_t both = halves[0] | halves[1];
  return width == 2 ? both : static_cast<uint32_t>(both | both >> 32);
}

/// Calls `found(at)` for each `at`, in order, where `reaches(values[at], bars[at])`.
template <class T, class Reaches, class Bars, class Found>
void for_each_that(std::span<const T> values, Reaches reaches, Bars bars, Found&& found) {
  const size_t in_blocks = values.size() / block_size * block_size;
  for (size_t begin = 0; begin < in_blocks; begin += block_size)
    for (uint64_t bits = bits_of_block(values.data() + begin, reaches, bars + begin); bits != 0; bits &= bits - 1)
      found(begin + static_cast<size_t>(std::countr_zero(bits)));
  for (size_t at = in_blocks; at < values.size(); ++at)
    if (reaches(values[at], bars[at])) found(at);
}

/// In how many groups `group_maxima` divides values of which the k best are wanted: enough that few values but the k
/// best beat the bar.
inline size_t group_count(size_t k) { return (k + k / 2 + block_size - 1) / block_size * block_size; }

/// `maxima[g]`: the largest of values g, g + n, g + 2n, ... where n is the number of maxima; -infinity where there is
/// none. Of neighbours, which are often alike (captions of one image), each falls into another group.
template <class T>
void group_maxima(std::span<const T> values, std::span<T> maxima) {
  std::fill(maxima.begin(), maxima.end(), -std::numeric_limits<T>::infinity());
  for (size_t begin = 0; begin < values.size(); begin += maxima.size()) {
    const size_t count = std::min(maxima.size(), values.size() - begin);
    for (size_t at = 0; at < count; ++at)
      maxima[at] = values[begin + at] > maxima[at] ? values[begin + at] : maxima[at];
  }
}

/// As wide as T, so that counting comparisons of T vectorises.
template <class T>
using Count = std::conditional_t<sizeof(T) == 4, uint32_t, uint64_t>;

template <class T>
size_t count_above(std::span<const T> values, T bar) {
  Count<T> count = 0;
  for (const T value : values) count += value > bar;
  return static_cast<size_t>(count);
}

/// Up to here all comparisons, vectorised, take less time than the wrong guesses of a sort.
inline constexpr size_t few = 96;

/// The k-th largest of at least k values, k >= 1. May reorder them.
template <class T>
T take_kth_largest(std::span<T> values, size_t k) {
  if (values.size() <= few) {
    T least = std::numeric_limits<T>::infinity();
    for (const T value : values) {
      if (value >= least) continue;
      const size_t above = count_above(std::span<const T>(values), value);
      if (above >= k) continue;
      least = value;
      if (above + 1 == k) break;
    }
    return least;
  }
  const auto kth = values.begin() + static_cast<std::ptrdiff_t>(k - 1);
  std::nth_element(values.begin(), kth, values.end(), std::greater<>());
  return *kth;
}

/// The k-th largest of at least k values, k >= 1, or somewhat less: the k-th largest of the maxima of groups, for at
/// least k values reach that. `maxima` is scratch space.
template <class T>
T bar_of(std::span<const T> values, size_t k, std::vector<T>& maxima) {
  const size_t groups = group_count(k);
  if (values.size() < 2 * groups) {
    maxima.assign(values.begin(), values.end());
  } else {
    maxima.resize(groups);
    group_maxima(values, std::span(maxima));
  }
  return take_kth_largest(std::span(maxima), k);
}

/// The k-th largest of at least k values, k >= 1. `kept` is scratch space.
template <class T>
T kth_largest(std::span<const T> values, size_t k, std::vector<T>& kept) {
  const T bar = bar_of(values, k, kept);
  kept.clear();
  for_each_that(values, AtLeast(), OneBar<T>{bar}, [&](size_t at) { kept.push_back(values[at]); });
  return take_kth_largest(std::span(kept), k);
}

template <class T>
struct Scored {
  T score;
  int64_t item;
};

/// Appends one query's list: its k best items and all that are tied with the k-th. `best` holds these and some others,
/// in the order of the items; it is scratch space afterwards.
template <class T>
class AppendBest {
 public:
  AppendBest(size_t k, Rankings& rankings) : k_(k), rankings_(rankings) {}

  void operator()(std::vector<Scored<T>>& best) {
    scores_.clear();
    for (const Scored<T>& one : best) scores_.push_back(one.score);
    if (best.size() <= few)
      append_few(best);
    else
      append_many(best);
    rankings_.offsets.push_back(static_cast<int64_t>(rankings_.items.size()));
  }

 private:
  void append_few(const std::vector<Scored<T>>& best) {
    const size_t begin = rankings_.items.size();
    size_t listed = 0;
    rankings_.items.resize(begin + best.size());
    rankings_.scores.resize(begin + best.size());
    // Items come in order, so equal scores take their places in that order.
    uint8_t taken[few] = {};
    for (const Scored<T>& one : best) {
      const size_t above = count_above(std::span<const T>(scores_), one.score);
      if (above >= k_) continue;
      const size_t place = begin + above + taken[above]++;
      rankings_.items[place] = one.item;
      rankings_.scores[place] = static_cast<double>(one.score);
      ++listed;
    }
    rankings_.items.resize(begin + listed);
    rankings_.scores.resize(begin + listed);
  }

  void append_many(std::vector<Scored<T>>& best) {
    const T bar = take_kth_largest(std::span(scores_), std::min(k_, scores_.size()));
    std::erase_if(best, [bar](const Scored<T>& one) { return one.score < bar; });
    std::sort(best.begin(), best.end(),
              [](const auto& a, const auto& b) { return a.score != b.score ? a.score > b.score : a.item < b.item; });
    for (const Scored<T>& one : best) {
      rankings_.items.push_back(one.item);
      rankings_.scores.push_back(static_cast<double>(one.score));
    }
  }

  size_t k_;
  Rankings& rankings_;
  std::vector<T> scores_;
};

/// Asks for values that are read soon, a cache line of 64 bytes at a time.
template <class T>
void prefetch(std::span<const T> values) {
  for (size_t at = 0; at < values.size(); at += 64 / sizeof(T)) __builtin_prefetch(values.data() + at);
}

/// Rows of a tile: so many that its scores stay in a second-level cache of 1 MiB between both readings; where these
/// would be few, so many that the maxima of their groups do.
inline size_t tile_width(size_t score_bytes, size_t cols, size_t groups) {
  const size_t by_scores = 786432 / score_bytes / cols / block_size * block_size;
  const size_t by_maxima = 262144 / score_bytes / groups / block_size * block_size;
  return std::clamp<size_t>(by_scores >= 64 ? by_scores : by_maxima, block_size, 1024);
}

/// The k best of each row, for rows that are apart in memory while columns are not (`row_stride` 1): a tile of rows at
/// a time, read twice along memory and never transposed. Needs 2 * group_count(k) columns or more.
template <class T>
void append_best_of_strided_rows(const MatrixView<const T>& view, size_t k, Rankings& rankings) {
  const size_t groups = group_count(k), rows = static_cast<size_t>(view.rows());
  const size_t width = tile_width(sizeof(T), static_cast<size_t>(view.cols()), groups);
  std::vector<T> maxima(groups * width), bars(width), own(groups);
  std::vector<std::vector<Scored<T>>> best(width);
  AppendBest<T> append(k, rankings);
  for (size_t first = 0; first < rows; first += width) {
    const size_t count = std::min(width, rows - first);
    const auto values_of = [&](int64_t item) {
      return std::span<const T>(view.data() + static_cast<int64_t>(first) + item * view.col_stride(), count);
    };
    std::fill(maxima.begin(), maxima.end(), -std::numeric_limits<T>::infinity());
    for (int64_t item = 0; item < view.cols(); ++item) {
      const std::span<const T> values = values_of(item);
      T* most = maxima.data() + static_cast<size_t>(item) % groups * width;
      if (item + 1 < view.cols()) prefetch(values_of(item + 1));
      for (size_t row = 0; row < count; ++row) most[row] = values[row] > most[row] ? values[row] : most[row];
    }
    for (size_t row = 0; row < count; ++row) {
      for (size_t group = 0; group < groups; ++group) own[group] = maxima[group * width + row];
      bars[row] = take_kth_largest(std::span(own), k);
    }
    for (int64_t item = 0; item < view.cols(); ++item) {
      const std::span<const T> values = values_of(item);
      if (item + 1 < view.cols()) prefetch(values_of(item + 1));
      for_each_that(values, AtLeast(), bars.data(), [&](size_t row) { best[row].push_back({values[row], item}); });
    }
    for (size_t row = 0; row < count; ++row) {
      append(best[row]);
      best[row].clear();
    }
  }
}

/// How many lines of memory `sum_lines` adds up side by side: one sum alone waits for each of its additions.
inline constexpr int64_t lines_at_once = 8;

/// sums[line]: the sum of line's values, in double and in their order.
template <class T>
void sum_lines(const T* first, int64_t length, int64_t stride, double* sums) {
  double sum[lines_at_once] = {};
  for (int64_t at = 0; at < length; ++at)
    for (int64_t line = 0; line < lines_at_once; ++line) sum[line] += static_cast<double>(first[line * stride + at]);
  std::copy(std::begin(sum), std::end(sum), sums);
}

/// sums[at] += the values at `at` of that many lines, one line after the other.
template <class T>
void add_lines(const T* first, int64_t stride, std::span<double> sums) {
  for (size_t at = 0; at < sums.size(); ++at) {
    double sum = sums[at];
    for (int64_t line = 0; line < lines_at_once; ++line)
      sum += static_cast<double>(first[line * stride + static_cast<int64_t>(at)]);
    sums[at] = sum;
  }
}

}  // namespace detail

/// @param first_item  gallery index of column 0, where these are scores of a part of the gallery
/// @throws ShapeError if there are no queries or no gallery; InputError naming the first score that is NaN or infinite.
inline void require_finite(const Scores& scores, int64_t first_item = 0) {
  std::visit(
      [first_item](const auto& view) {
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
                             std::to_string(first_item + (by_row ? other : line)) + " is " +
                             std::to_string(values[at]) + ", expected a finite score");
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
        if (wanted == 0) {
          result.offsets.assign(static_cast<size_t>(view.rows()) + 1, 0);
          return;
        }
        result.offsets.reserve(static_cast<size_t>(view.rows()) + 1);
        result.items.reserve(static_cast<size_t>(view.rows()) * wanted);
        result.scores.reserve(result.items.capacity());
        if (view.row_stride() == 1 && view.col_stride() != 1 &&
            static_cast<size_t>(view.cols()) >= 2 * detail::group_count(wanted)) {
          detail::append_best_of_strided_rows<T>(view, wanted, result);
          return;
        }
        std::vector<T> maxima;
        std::vector<detail::Scored<T>> best;
        detail::AppendBest<T> append(wanted, result);
        for_each_row<T>(view, [&](int64_t, std::span<const T> values) {
          const T bar = detail::bar_of(values, wanted, maxima);
          best.clear();
          detail::for_each_that(values, detail::AtLeast(), detail::OneBar<T>{bar}, [&](size_t item) {
            best.push_back({values[item], static_cast<int64_t>(item)});
          });
          append(best);
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

/// Reranker::Needs::reverse_length of a reranker that reads reverse lists to their end.
inline constexpr int64_t whole_list = std::numeric_limits<int64_t>::max();
/// The reverse rank of a query that a reverse list does not hold: behind everything.
inline constexpr int64_t not_listed = std::numeric_limits<int64_t>::max();

namespace detail {

/// Candidate entries by gallery item: item g owns [begin[g], begin[g + 1]) of a list of all entries.
struct EntriesByItem {
  std::vector<int64_t> begin;
  struct Entry {
    int64_t query, place;  ///< place: in candidates.items
  };
  std::vector<Entry> entries;  ///< of one item by query

  /// @throws ShapeError on a candidate that does not exist.
  EntriesByItem(const Rankings& candidates, int64_t items)
      : begin(static_cast<size_t>(items) + 1), entries(candidates.items.size()) {
    for (int64_t query = 0; query < candidates.query_count(); ++query)
      for (const int64_t item : candidates.items_of(query)) {
        if (item < 0 || item >= items)
          throw ShapeError("candidates of query " + std::to_string(query) + ": gallery item " + std::to_string(item) +
                           ", but there are " + std::to_string(items));
        ++begin[static_cast<size_t>(item) + 1];
      }
    std::partial_sum(begin.begin(), begin.end(), begin.begin());
    std::vector<int64_t> next(begin.begin(), begin.end() - 1);
    for (int64_t query = 0; query < candidates.query_count(); ++query)
      for (int64_t place = candidates.offsets[static_cast<size_t>(query)];
           place < candidates.offsets[static_cast<size_t>(query) + 1]; ++place) {
        const size_t item = static_cast<size_t>(candidates.items[static_cast<size_t>(place)]);
        entries[static_cast<size_t>(next[item]++)] = {query, place};
      }
  }

  std::span<const Entry> of(int64_t item) const {
    const size_t at = static_cast<size_t>(item);
    return {entries.data() + begin[at], static_cast<size_t>(begin[at + 1] - begin[at])};
  }
};

/// Counts, for the scores that are asked for in a column, how many of the column's scores are higher.
template <class T>
class HigherCounts {
 public:
  HigherCounts(const MatrixView<const T>& view, const Rankings& candidates)
      : entries_(candidates, view.cols()), asked_(entries_.entries.size()), passed_(asked_.size()) {
    for (int64_t item = 0; item < view.cols(); ++item) {
      const std::span<Asked> own = asked_of(item);
      for (size_t at = 0; at < own.size(); ++at) {
        const EntriesByItem::Entry& entry = entries_.of(item)[at];
        own[at] = {view(entry.query, item), entry.place};
      }
      std::sort(own.begin(), own.end(), [](const Asked& a, const Asked& b) { return a.score < b.score; });
    }
  }

  /// The least score asked for: what is not higher changes no count. Infinity where none is.
  T least(int64_t item) const {
    const size_t begin = static_cast<size_t>(entries_.begin[static_cast<size_t>(item)]);
    return entries_.of(item).empty() ? std::numeric_limits<T>::infinity() : asked_[begin].score;
  }

  /// A score of the column, higher than the least.
  void add(int64_t item, T score) {
    const std::span<const Asked> own = asked_of(item);
    const auto first = std::lower_bound(own.begin(), own.end(), score,
                                        [](const Asked& asked, T value) { return asked.score < value; });
    ++passed_[static_cast<size_t>(entries_.begin[static_cast<size_t>(item)] + (first - own.begin()) - 1)];
  }

  /// By place in the candidates.
  std::vector<int64_t> counts() {
    std::vector<int64_t> counts(asked_.size());
    for (int64_t item = 0; item + 1 < static_cast<int64_t>(entries_.begin.size()); ++item) {
      int64_t higher = 0;
      const std::span<const Asked> own = asked_of(item);
      for (size_t at = own.size(); at-- > 0;) {
        higher += passed_[static_cast<size_t>(entries_.begin[static_cast<size_t>(item)]) + at];
        counts[static_cast<size_t>(own[at].place)] = higher;
      }
    }
    return counts;
  }

 private:
  struct Asked {
    T score;
    int64_t place;
  };

  std::span<Asked> asked_of(int64_t item) {
    const size_t at = static_cast<size_t>(item);
    return {asked_.data() + entries_.begin[at], static_cast<size_t>(entries_.begin[at + 1] - entries_.begin[at])};
  }

  EntriesByItem entries_;
  std::vector<Asked> asked_;     ///< of one item ascending by score
  std::vector<int64_t> passed_;  ///< scores that are higher than this one asked for, but not than the next
};

/// The rank of each candidate's query in the lists of `reverse`; `not_listed` where it is none of its list.
inline std::vector<int64_t> ranks_in_lists(const Rankings& reverse, const EntriesByItem& entries, int64_t queries) {
  std::vector<int64_t> result(entries.entries.size());
  std::vector<int64_t> rank_of(static_cast<size_t>(queries), not_listed);
  for (int64_t item = 0; item < reverse.query_count(); ++item) {
    if (entries.of(item).empty()) continue;
    const std::span<const int64_t> list = reverse.items_of(item);
    const std::span<const double> scores = reverse.scores_of(item);
    int64_t rank = 0;
    for (size_t at = 0; at < list.size(); ++at) {
      if (at > 0 && scores[at] != scores[at - 1]) rank = static_cast<int64_t>(at);
      rank_of[static_cast<size_t>(list[at])] = rank;
    }
    for (const EntriesByItem::Entry& entry : entries.of(item))
      result[static_cast<size_t>(entry.place)] = rank_of[static_cast<size_t>(entry.query)];
    for (const int64_t query : list) rank_of[static_cast<size_t>(query)] = not_listed;
  }
  return result;
}

}  // namespace detail

/// For each candidate (query q, item g), parallel to `candidates.items`: the rank of q in g's reverse list, that is the
/// number of queries that score g strictly higher than q does. Ranks of `length` and more may be told as `not_listed`:
/// a caller that does not read them saves their time.
inline std::vector<int64_t> reverse_ranks(const Scores& scores, const Rankings& candidates,
                                          int64_t length = whole_list) {
  const int64_t queries = query_count(scores), items = gallery_count(scores);
  // Lists of all items against counts for the candidates: whichever are fewer.
  if (length <= static_cast<int64_t>(candidates.items.size()) / std::max<int64_t>(items, 1)) {
    const Scores turned = std::visit([](const auto& view) -> Scores { return view.transposed(); }, scores);
    return detail::ranks_in_lists(top_candidates(turned, length), detail::EntriesByItem(candidates, items), queries);
  }
  std::vector<int64_t> ranks;
  std::visit(
      [&](const auto& view) {
        using T = std::remove_const_t<std::remove_reference_t<decltype(view(0, 0))>>;
        detail::HigherCounts<T> counts(view, candidates);
        std::vector<T> least(static_cast<size_t>(items));
        for (int64_t item = 0; item < items; ++item) least[static_cast<size_t>(item)] = counts.least(item);
        // Only scores above the least one asked for can change a rank, and they are few.
        if (view.col_stride() == 1) {
          for_each_row<T>(view, [&](int64_t, std::span<const T> values) {
            detail::for_each_that(values, detail::Above(), least.data(),
                                  [&](size_t item) { counts.add(static_cast<int64_t>(item), values[item]); });
          });
        } else {
          for_each_row<T>(view.transposed(), [&](int64_t item, std::span<const T> values) {
            const T bar = least[static_cast<size_t>(item)];
            if (bar == std::numeric_limits<T>::infinity()) return;
            detail::for_each_that(values, detail::Above(), detail::OneBar<T>{bar},
                                  [&](size_t query) { counts.add(item, values[query]); });
          });
        }
        ranks = counts.counts();
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
          int64_t row = 0;
          for (; row + detail::lines_at_once <= view.rows(); row += detail::lines_at_once)
            detail::add_lines<T>(view.data() + row * view.row_stride(), view.row_stride(), sums);
          for (; row < view.rows(); ++row)
            for (size_t item = 0; item < sums.size(); ++item)
              sums[item] += static_cast<double>(view(row, static_cast<int64_t>(item)));
          return;
        }
        int64_t item = 0;
        if (view.row_stride() == 1)
          for (; item + detail::lines_at_once <= view.cols(); item += detail::lines_at_once)
            detail::sum_lines<T>(view.data() + item * view.col_stride(), view.rows(), view.col_stride(),
                                 sums.data() + item);
        const MatrixView<const T> rest(view.data() + item * view.col_stride(), view.cols() - item, view.rows(),
                                       view.col_stride(), view.row_stride());
        for_each_row<T>(rest, [&](int64_t line, std::span<const T> values) {
          double sum = 0;
          for (const T value : values) sum += static_cast<double>(value);
          sums[static_cast<size_t>(item + line)] = sum;
        });
      },
      scores);
  return sums;
}

/// column_sums of scores that must be finite, for one reading of them. Parameter and errors as of require_finite.
inline std::vector<double> finite_column_sums(const Scores& scores, int64_t first_item = 0) {
  if (query_count(scores) == 0 || gallery_count(scores) == 0) require_finite(scores);
  std::vector<double> sums = column_sums(scores);
  // A sum that met an infinity or NaN is not finite, so where all are, there is none.
  if (!detail::all_finite(std::span<const double>(sums))) require_finite(scores, first_item);
  return sums;
}

/// The same ranks from reverse lists. The list of an item that is some query's candidate holds at least its `length`
/// best queries (all of them, if there are fewer) and everything tied with the last; those of other items are not read
/// and may be empty. The rank of a query that is not in the list is `not_listed`.
/// @throws ShapeError on a list that is shorter, or a candidate or query that does not exist.
inline std::vector<int64_t> reverse_ranks(const CandidateInput& input, const Rankings& candidates, int64_t length) {
  const int64_t queries = candidates.query_count(), items = input.reverse.query_count();
  if (queries != input.query_count)
    throw ShapeError("candidates: lists of " + std::to_string(queries) + " queries, expected " +
                     std::to_string(input.query_count) + ", the queries behind the column sums");
  const detail::EntriesByItem entries(candidates, items);
  for (int64_t item = 0; item < items; ++item) {
    if (entries.of(item).empty()) continue;
    const std::span<const int64_t> list = input.reverse.items_of(item);
    if (static_cast<int64_t>(list.size()) < std::min(length, queries))
      throw ShapeError("reverse list of gallery item " + std::to_string(item) + ": " + std::to_string(list.size()) +
                       " queries, expected at least " + std::to_string(std::min(length, queries)));
    for (const int64_t query : list)
      if (query < 0 || query >= queries)
        throw ShapeError("reverse list of gallery item " + std::to_string(item) + ": query " + std::to_string(query) +
                         " of " + std::to_string(queries));
  }
  return detail::ranks_in_lists(input.reverse, entries, queries);
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
