#include "framework/eval/metrics.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <functional>
#include <map>
#include <numeric>
#include <string>
#include <type_traits>
#include <utility>

#include "orbweaver/error.h"
#include "orbweaver/ranking.h"

namespace orbweaver {
namespace {

void check_relevance(const Relevance& relevance, int64_t queries, int64_t items) {
  if (relevance.query_count() != queries)
    throw ShapeError(fmt::format("relevance of {} queries, expected {}, one for each row of the scores",
                                 relevance.query_count(), queries));
  for (int64_t query = 0; query < queries; ++query) {
    const std::span<const int64_t> matches = relevance.of(query);
    if (matches.empty())
      throw InputError(fmt::format("query {} has no matching gallery item, so it has no rank; leave it out", query));
    if (matches.front() < 0 || matches.back() >= items)
      throw ShapeError(fmt::format("query {} matches gallery item {}, but there are {}", query,
                                   matches.front() < 0 ? matches.front() : matches.back(), items));
  }
}

template <class T>
void require_no_nan(std::span<const T> values, int64_t query) {
  unsigned bad = 0;
  for (const T value : values) bad |= value != value;
  if (!bad) return;
  const auto at = std::find_if(values.begin(), values.end(), [](T value) { return value != value; });
  throw InputError(fmt::format("scores: query {}, gallery item {} is NaN", query, at - values.begin()));
}

template <class T>
int64_t count_at_least(std::span<const T> values, T bar) {
  unsigned count = 0;  // as wide as a float, so that the comparison vectorises
  for (const T value : values) count += value >= bar;
  return static_cast<int64_t>(count);
}

/// What a query's rank is counted against.
template <class T>
struct BestMatch {
  T score;
  int64_t item;  ///< the first, where several matches score alike
  int64_t tied;  ///< matches of this score
};

/// @param places  of the matches, at least one; `score(place)` and `item(place)` tell of each
template <class Score, class Item>
auto best_match(std::span<const int64_t> places, Score&& score, Item&& item) {
  BestMatch<std::remove_cvref_t<decltype(score(0))>> best{score(places.front()), item(places.front()), 0};
  for (const int64_t place : places)
    if (score(place) > best.score || (score(place) == best.score && item(place) < best.item))
      best.score = score(place), best.item = item(place);
  for (const int64_t place : places) best.tied += score(place) == best.score;
  return best;
}

/// The rank of one query's best match within one list of scores. `items` gives each score's gallery index; when empty,
/// indices run with the scores. `match_places` are the places of the matches in the list, at least one.
template <class T>
int64_t rank_in(std::span<const T> scores, std::span<const int64_t> match_places, TieRule rule,
                std::span<const int64_t> items) {
  const auto index = [&](int64_t place) { return items.empty() ? place : items[static_cast<size_t>(place)]; };
  const auto score = [&](int64_t place) { return scores[static_cast<size_t>(place)]; };
  const BestMatch<T> best = best_match(match_places, score, index);
  if (rule == TieRule::strict) return 1 + count_at_least(scores, best.score) - best.tied;
  int64_t ahead = 0;
  for (int64_t place = 0; place < static_cast<int64_t>(scores.size()); ++place)
    ahead += score(place) > best.score || (score(place) == best.score && index(place) < best.item);
  return 1 + ahead;
}

/// The ranks of all queries where it is queries that stand side by side in memory (`row_stride` 1): one pass along it
/// that counts for all queries at once. Empty if a score is NaN.
template <class T>
std::vector<int64_t> ranks_of_columns(const MatrixView<const T>& view, const Relevance& relevance, TieRule rule) {
  // As wide as T, so that the loops below vectorise.
  using Count = std::conditional_t<sizeof(T) == 4, uint32_t, uint64_t>;
  const size_t queries = static_cast<size_t>(view.rows());
  std::vector<T> bars(queries);
  std::vector<Count> first_items(queries), counts(queries);
  std::vector<int64_t> ranks(queries);
  for (size_t query = 0; query < queries; ++query) {
    const auto score = [&](int64_t item) { return view(static_cast<int64_t>(query), item); };
    const BestMatch<T> best = best_match(relevance.of(static_cast<int64_t>(query)), score, std::identity());
    bars[query] = best.score;
    first_items[query] = static_cast<Count>(best.item);
    ranks[query] = rule == TieRule::strict ? 1 - best.tied : 1;
  }
  Count nans = 0;
  for (int64_t item = 0; item < view.cols(); ++item) {
    const T* values = view.data() + item * view.col_stride();
    const Count own = static_cast<Count>(item);
    for (size_t query = 0; query < queries; ++query) nans += values[query] != values[query];
    if (rule == TieRule::strict)
      for (size_t query = 0; query < queries; ++query) counts[query] += values[query] >= bars[query];
    else
      for (size_t query = 0; query < queries; ++query)
        counts[query] +=
            static_cast<Count>(values[query] > bars[query]) |
            (static_cast<Count>(values[query] == bars[query]) & static_cast<Count>(own < first_items[query]));
    if (nans > 0) return {};
  }
  for (size_t query = 0; query < queries; ++query) ranks[query] += static_cast<int64_t>(counts[query]);
  return ranks;
}

/// One query with its reranked candidates in front of the rest.
template <class T>
class RerankedQuery {
 public:
  explicit RerankedQuery(int64_t items) : place_(static_cast<size_t>(items), -1) {}

  int64_t rank(std::span<const T> source, std::span<const int64_t> matches, std::span<const int64_t> items,
               std::span<const double> scores, TieRule rule, int64_t query) {
    for (size_t at = 0; at < items.size(); ++at) {
      if (items[at] < 0 || items[at] >= static_cast<int64_t>(source.size()) ||
          place_[static_cast<size_t>(items[at])] >= 0)
        throw ShapeError(fmt::format("reranked list of query {}: gallery item {} is listed twice or does not exist",
                                     query, items[at]));
      if (std::isnan(scores[at])) throw InputError(fmt::format("reranked list of query {}: a score is NaN", query));
      place_[static_cast<size_t>(items[at])] = static_cast<int64_t>(at);
    }
    const int64_t rank = ranked(source, matches, items, scores, rule);
    for (const int64_t item : items) place_[static_cast<size_t>(item)] = -1;
    return rank;
  }

 private:
  int64_t ranked(std::span<const T> source, std::span<const int64_t> matches, std::span<const int64_t> items,
                 std::span<const double> scores, TieRule rule) {
    places_.clear();
    for (const int64_t match : matches)
      if (const int64_t place = place_[static_cast<size_t>(match)]; place >= 0) places_.push_back(place);
    if (!places_.empty()) return rank_in(scores, std::span<const int64_t>(places_), rule, items);
    // No match among the candidates: the rest, in source order, behind all of them.
    rest_.clear();
    rest_items_.clear();
    auto next_match = matches.begin();
    for (size_t item = 0; item < source.size(); ++item) {
      if (place_[item] >= 0) continue;
      if (next_match != matches.end() && *next_match == static_cast<int64_t>(item)) {
        places_.push_back(static_cast<int64_t>(rest_.size()));
        ++next_match;
      }
      rest_.push_back(source[item]);
      rest_items_.push_back(static_cast<int64_t>(item));
    }
    return static_cast<int64_t>(items.size()) +
           rank_in(std::span<const T>(rest_), std::span<const int64_t>(places_), rule, rest_items_);
  }

  std::vector<int64_t> place_;  ///< of each gallery item in the list, or -1
  std::vector<int64_t> places_, rest_items_;
  std::vector<T> rest_;
};

}  // namespace

std::vector<int64_t> best_ranks(const Scores& scores, const Relevance& relevance, TieRule rule,
                                const Rankings* reranked) {
  const int64_t queries = query_count(scores), items = gallery_count(scores);
  check_relevance(relevance, queries, items);
  if (reranked && reranked->query_count() != queries)
    throw ShapeError(fmt::format("reranked lists of {} queries, expected {}", reranked->query_count(), queries));
  std::vector<int64_t> ranks(static_cast<size_t>(queries));
  std::visit(
      [&](const auto& view) {
        using T = std::remove_const_t<std::remove_reference_t<decltype(view(0, 0))>>;
        if (!reranked && view.row_stride() == 1 && view.col_stride() != 1) {
          std::vector<int64_t> of_columns = ranks_of_columns<T>(view, relevance, rule);
          if (!of_columns.empty() || queries == 0) {
            ranks = std::move(of_columns);
            return;
          }
          // Below, the error names the first query's.
        }
        RerankedQuery<T> with_candidates(reranked ? items : 0);
        for_each_row<T>(view, [&](int64_t query, std::span<const T> values) {
          require_no_nan(values, query);
          const std::span<const int64_t> matches = relevance.of(query);
          ranks[static_cast<size_t>(query)] = reranked
                                                  ? with_candidates.rank(values, matches, reranked->items_of(query),
                                                                         reranked->scores_of(query), rule, query)
                                                  : rank_in(values, matches, rule, {});
        });
      },
      scores);
  return ranks;
}

DirectionMetrics direction_metrics(std::span<const int64_t> ranks) {
  DirectionMetrics metrics;
  if (ranks.empty()) return metrics;
  const double count = static_cast<double>(ranks.size());
  const auto recall = [&](int64_t k) {
    return 100.0 *
           static_cast<double>(std::count_if(ranks.begin(), ranks.end(), [k](int64_t rank) { return rank <= k; })) /
           count;
  };
  metrics.r1 = recall(1);
  metrics.r5 = recall(5);
  metrics.r10 = recall(10);
  std::vector<int64_t> sorted(ranks.begin(), ranks.end());
  std::sort(sorted.begin(), sorted.end());
  // Half of the sum of the two middle 0-based ranks, rounded down, plus 1.
  const int64_t median = (sorted[(sorted.size() - 1) / 2] - 1 + sorted[sorted.size() / 2] - 1) / 2 + 1;
  metrics.median_rank = static_cast<double>(median);
  metrics.mean_rank = std::accumulate(ranks.begin(), ranks.end(), 0.0) / count;
  return metrics;
}

Value to_value(const RetrievalMetrics& metrics) {
  const auto direction = [](const DirectionMetrics& of) {
    return Value(Value::Object{
        {"R@1", of.r1}, {"R@5", of.r5}, {"R@10", of.r10}, {"medR", of.median_rank}, {"meanR", of.mean_rank}});
  };
  return Value(
      Value::Object{{"i2t", direction(metrics.i2t)}, {"t2i", direction(metrics.t2i)}, {"mR", metrics.mean_recall()}});
}

TwoWayRelevance relevance(std::span<const int64_t> caption_image, int64_t image_count) {
  TwoWayRelevance both;
  std::vector<int64_t>& begin = both.i2t.offsets;
  begin.assign(static_cast<size_t>(image_count) + 1, 0);
  for (size_t caption = 0; caption < caption_image.size(); ++caption) {
    const int64_t image = caption_image[caption];
    if (image < 0 || image >= image_count)
      throw ShapeError(
          fmt::format("caption {} belongs to image {}, but there are {} images", caption, image, image_count));
    ++begin[static_cast<size_t>(image) + 1];
    both.t2i.items.push_back(image);
    both.t2i.offsets.push_back(static_cast<int64_t>(both.t2i.items.size()));
  }
  std::partial_sum(begin.begin(), begin.end(), begin.begin());
  both.i2t.items.resize(caption_image.size());
  std::vector<int64_t> next(begin.begin(), begin.end() - 1);
  for (size_t caption = 0; caption < caption_image.size(); ++caption)
    both.i2t.items[static_cast<size_t>(next[static_cast<size_t>(caption_image[caption])]++)] =
        static_cast<int64_t>(caption);
  return both;
}

TwoWayRelevance duplicate_aware_relevance(std::span<const int64_t> caption_image, int64_t image_count,
                                          std::span<const int64_t> text_ids) {
  if (text_ids.size() != caption_image.size())
    throw ShapeError(
        fmt::format("{} text ids, expected {}, one for each caption", text_ids.size(), caption_image.size()));
  const TwoWayRelevance strict = relevance(caption_image, image_count);
  std::map<int64_t, std::vector<int64_t>> captions_of, images_of;  // by text
  for (size_t caption = 0; caption < text_ids.size(); ++caption) {
    captions_of[text_ids[caption]].push_back(static_cast<int64_t>(caption));
    images_of[text_ids[caption]].push_back(caption_image[caption]);
  }
  const auto add = [](Relevance& to, std::vector<int64_t> items) {
    std::sort(items.begin(), items.end());
    items.erase(std::unique(items.begin(), items.end()), items.end());
    to.items.insert(to.items.end(), items.begin(), items.end());
    to.offsets.push_back(static_cast<int64_t>(to.items.size()));
  };
  TwoWayRelevance both;
  for (int64_t image = 0; image < image_count; ++image) {
    std::vector<int64_t> captions;
    for (const int64_t own : strict.i2t.of(image)) {
      const std::vector<int64_t>& same = captions_of[text_ids[static_cast<size_t>(own)]];
      captions.insert(captions.end(), same.begin(), same.end());
    }
    add(both.i2t, std::move(captions));
  }
  for (const int64_t text : text_ids) add(both.t2i, images_of[text]);
  return both;
}

}  // namespace orbweaver
