#include "framework/eval/candidates.h"

#include <fmt/format.h>

#include <algorithm>
#include <span>
#include <type_traits>
#include <utility>
#include <variant>

#include "orbweaver/error.h"
#include "orbweaver/matrix.h"
#include "orbweaver/ranking.h"

namespace orbweaver {
namespace {

/// The items of all lists, ascending, each once.
std::vector<int64_t> listed_items(const Rankings& lists) {
  std::vector<int64_t> items = lists.items;
  std::sort(items.begin(), items.end());
  items.erase(std::unique(items.begin(), items.end()), items.end());
  return items;
}

/// Both lists of each query in one, the first `k` of it and everything tied with the k-th. All items of `later` are
/// `offset` further on in the gallery, behind those of `earlier`.
Rankings merged(const Rankings& earlier, const Rankings& later, int64_t offset, int64_t k) {
  Rankings both;
  for (int64_t query = 0; query < later.query_count(); ++query) {
    const std::span<const double> a = earlier.scores_of(query), b = later.scores_of(query);
    for (size_t i = 0, j = 0; i < a.size() || j < b.size();) {
      // Of equal scores the earlier item comes first.
      const bool first = j == b.size() || (i < a.size() && a[i] >= b[j]);
      both.scores.push_back(first ? a[i] : b[j]);
      both.items.push_back(first ? earlier.items_of(query)[i] : offset + later.items_of(query)[j]);
      ++(first ? i : j);
    }
    both.offsets.push_back(static_cast<int64_t>(both.items.size()));
  }
  return best_of(both, k);
}

/// Rows `items` of the part's transpose: for each item its scores by all queries.
template <class T>
Matrix<T> columns(const MatrixView<const T>& part, std::span<const int64_t> items) {
  Matrix<T> result(static_cast<int64_t>(items.size()), part.rows());
  for (int64_t query = 0; query < part.rows(); ++query)
    for (size_t at = 0; at < items.size(); ++at) result(static_cast<int64_t>(at), query) = part(query, items[at]);
  return result;
}

}  // namespace

Scores transposed(const Scores& scores) {
  return std::visit([](const auto& view) -> Scores { return view.transposed(); }, scores);
}

CandidateInput candidate_input(const Scores& scores, int64_t k, int64_t reverse_length) {
  CandidateStream stream(query_count(scores), k, reverse_length);
  stream.add(scores);
  return stream.finish();
}

CandidateStream::CandidateStream(int64_t query_count, int64_t k, int64_t reverse_length)
    : query_count_(query_count), k_(k), reverse_length_(reverse_length) {
  if (query_count < 1) throw ShapeError(fmt::format("candidates of {} queries, expected at least one", query_count));
  candidates_.offsets.assign(static_cast<size_t>(query_count) + 1, 0);
}

void CandidateStream::add(const Scores& part) {
  if (query_count(part) != query_count_)
    throw ShapeError(fmt::format("scores [{}, {}] of gallery items from {} on, expected {} queries", query_count(part),
                                 orbweaver::gallery_count(part), gallery_count(), query_count_));
  const int64_t first_item = gallery_count();
  const std::vector<double> sums = finite_column_sums(part, first_item);
  column_sums_.insert(column_sums_.end(), sums.begin(), sums.end());
  candidates_ = merged(candidates_, top_candidates(part, k_), first_item, k_);
  drop_former_candidates();
  if (reverse_length_ > 0) list_new_candidates(part, first_item);
}

void CandidateStream::drop_former_candidates() {
  const std::vector<int64_t> items = listed_items(candidates_);
  std::erase_if(reverse_,
                [&](const auto& list) { return !std::binary_search(items.begin(), items.end(), list.first); });
}

void CandidateStream::list_new_candidates(const Scores& part, int64_t first_item) {
  std::vector<int64_t> items = listed_items(candidates_);
  items.erase(items.begin(), std::lower_bound(items.begin(), items.end(), first_item));
  for (int64_t& item : items) item -= first_item;
  std::visit(
      [&](const auto& view) {
        using T = std::remove_const_t<std::remove_reference_t<decltype(view(0, 0))>>;
        // Some at a time: their columns and lists stand beside those that are kept.
        constexpr size_t at_once = 256;
        for (size_t begin = 0; begin < items.size(); begin += at_once) {
          const std::span<const int64_t> some =
              std::span(items).subspan(begin, std::min(at_once, items.size() - begin));
          const Matrix<T> of_items = columns<T>(view, some);
          const Rankings lists = top_candidates(of_items.view(), reverse_length_);
          for (size_t at = 0; at < some.size(); ++at) {
            const std::span<const int64_t> queries = lists.items_of(static_cast<int64_t>(at));
            const std::span<const double> scores = lists.scores_of(static_cast<int64_t>(at));
            reverse_[first_item + some[at]] = {{queries.begin(), queries.end()}, {scores.begin(), scores.end()}};
          }
        }
      },
      part);
}

CandidateInput CandidateStream::finish() {
  if (gallery_count() == 0) throw ShapeError("candidates: no part of the gallery was added, expected at least one");
  CandidateInput input{.candidates = std::move(candidates_),
                       .column_sums = std::move(column_sums_),
                       .reverse = {},
                       .query_count = query_count_};
  size_t entries = 0;
  for (const auto& [item, list] : reverse_) entries += list.queries.size();
  Rankings& reverse = input.reverse;
  reverse.items.reserve(entries);
  reverse.scores.reserve(entries);
  reverse.offsets.assign(input.column_sums.size() + 1, 0);
  size_t next_item = 0;
  // Each list is freed when it is copied. The allocator keeps small pieces, so the process may hold the lists twice.
  while (!reverse_.empty()) {
    const auto first = reverse_.extract(reverse_.begin());
    const size_t item = static_cast<size_t>(first.key());
    while (next_item <= item) reverse.offsets[next_item++] = static_cast<int64_t>(reverse.items.size());
    reverse.items.insert(reverse.items.end(), first.mapped().queries.begin(), first.mapped().queries.end());
    reverse.scores.insert(reverse.scores.end(), first.mapped().scores.begin(), first.mapped().scores.end());
  }
  std::fill(reverse.offsets.begin() + static_cast<std::ptrdiff_t>(next_item), reverse.offsets.end(),
            static_cast<int64_t>(reverse.items.size()));
  return input;
}

}  // namespace orbweaver
