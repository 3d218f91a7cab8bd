// What every reranker must do (orbweaver/reranker.h), as properties.
#pragma once

#include <cmath>
#include <limits>
#include <map>
#include <numeric>
#include <random>
#include <string>
#include <vector>

#include "orbweaver/matrix.h"
#include "orbweaver/ranking.h"
#include "orbweaver/reranker.h"
#include "orbweaver/testing/conformance.h"

namespace orbweaver::testing {
namespace detail {

/// Scores and the bank that a reranker may declare to need. Owns both.
struct SampleScores {
  std::string name;
  Matrix<float> scores, bank;

  RerankInput input(bool with_bank) const {
    RerankInput out{scores.view(), {}};
    if (with_bank) out.query_bank = bank.view();
    return out;
  }
};

/// @param levels  distinct values; 0 for as many as there are. Few of them make ties.
inline Matrix<float> random_scores(int64_t queries, int64_t items, unsigned levels, unsigned seed) {
  std::mt19937 random(seed);
  Matrix<float> scores(queries, items);
  for (int64_t i = 0; i < queries * items; ++i)
    scores.data()[i] = levels > 0 ? static_cast<float>(random() % levels) / 16 - 0.5f
                                  : static_cast<float>(random() % 2000003) / 2000003 * 1.6f - 0.6f;
  return scores;
}

inline SampleScores sample(int64_t queries, int64_t items, unsigned levels, unsigned seed) {
  return {text(queries, " x ", items, levels > 0 ? " with ties" : ""), random_scores(queries, items, levels, seed),
          random_scores(23, items, 0, seed + 100)};
}

inline std::vector<SampleScores> sample_scores() {
  std::vector<SampleScores> out = {sample(31, 50, 0, 1),  sample(40, 60, 30, 2), sample(150, 30, 0, 3),
                                   sample(30, 150, 0, 4), sample(1, 40, 0, 5),   sample(40, 1, 0, 6),
                                   sample(1, 1, 0, 7),    sample(5, 3, 2, 8)};
  SampleScores zeros = sample(6, 9, 0, 9);
  zeros.name = "6 x 9, all 0";
  zeros.scores = Matrix<float>(6, 9);
  SampleScores negative = sample(12, 14, 0, 10);
  negative.name = "12 x 14, all negative";
  for (int64_t i = 0; i < 12 * 14; ++i) negative.scores.data()[i] -= 2;
  out.push_back(std::move(zeros));
  out.push_back(std::move(negative));
  return out;
}

inline Rankings rerank(const Reranker& reranker, const SampleScores& sample) {
  return call("rerank of scores " + sample.name,
              [&] { return reranker.rerank(sample.input(reranker.needs().query_bank)); });
}

inline void expect_rankings(const std::string& what, const Rankings& rankings, int64_t queries, int64_t gallery) {
  const auto count = static_cast<int64_t>(rankings.items.size());
  if (rankings.query_count() != queries)
    fail(what, ": ", rankings.offsets.size(), " offsets, expected ", queries + 1, ", one more than there are queries");
  if (rankings.items.size() != rankings.scores.size())
    fail(what, ": ", count, " items and ", rankings.scores.size(), " scores, expected as many of both");
  if (rankings.offsets.front() != 0 || rankings.offsets.back() != count ||
      !std::is_sorted(rankings.offsets.begin(), rankings.offsets.end()))
    fail(what, ": offsets that do not ascend from 0 to the number of its items, ", count);
  std::vector<int64_t> last_query_with(static_cast<size_t>(gallery), -1);
  for (int64_t query = 0; query < queries; ++query) {
    const auto items = rankings.items_of(query);
    const auto scores = rankings.scores_of(query);
    for (size_t i = 0; i < items.size(); ++i) {
      const auto at = [&] { return text(what, ": query ", query, ", place ", i, ": "); };
      if (items[i] < 0 || items[i] >= gallery) fail(at(), "item ", items[i], " of a gallery of ", gallery);
      if (std::exchange(last_query_with[static_cast<size_t>(items[i])], query) == query)
        fail(at(), "item ", items[i], " again, expected each item once");
      if (!std::isfinite(scores[i])) fail(at(), "score ", scores[i], ", expected a finite number");
      if (i > 0 && scores[i] > scores[i - 1])
        fail(at(), "score ", scores[i], " after ", scores[i - 1], ", expected descending scores");
    }
  }
}

inline void check_rankings(const Subject& subject) {
  const auto reranker = make<Reranker>(subject);
  for (const SampleScores& sample : sample_scores())
    expect_rankings("rerank of scores " + sample.name, rerank(*reranker, sample), sample.scores.rows(),
                    sample.scores.cols());
}

inline void check_one(const Subject& subject) {
  const auto reranker = make<Reranker>(subject);
  for (const SampleScores& one : {sample(1, 40, 0, 5), sample(40, 1, 0, 6), sample(1, 1, 0, 7)}) rerank(*reranker, one);
}

inline void check_refusals(const Subject& subject) {
  const auto reranker = make<Reranker>(subject);
  const auto refuse = [&]<class E>(const SampleScores& bad, const char* wanted, E*) {
    expect_refusal<E>("rerank of scores " + bad.name, wanted,
                      [&] { reranker->rerank(bad.input(reranker->needs().query_bank)); });
  };
  for (const float value : {std::numeric_limits<float>::infinity(), std::numeric_limits<float>::quiet_NaN()}) {
    SampleScores bad = sample(7, 11, 0, 11);
    bad.scores(4, 6) = value;
    bad.name += text(" with ", value, " in it");
    refuse(bad, "an InputError", static_cast<InputError*>(nullptr));
  }
  SampleScores none{"0 x 3", Matrix<float>(0, 3), random_scores(5, 3, 0, 1)};
  refuse(none, "a ShapeError", static_cast<ShapeError*>(nullptr));
  SampleScores nobody{"3 x 0", Matrix<float>(3, 0), Matrix<float>(5, 0)};
  refuse(nobody, "a ShapeError", static_cast<ShapeError*>(nullptr));
}

inline void check_rerank_inputs(const Subject& subject) {
  const auto reranker = make<Reranker>(subject);
  for (const SampleScores& sample : sample_scores()) {
    const SampleScores copy = sample;
    rerank(*reranker, sample);
    if (!(sample.scores == copy.scores)) fail("rerank of scores ", sample.name, " changed the scores");
    if (!(sample.bank == copy.bank)) fail("rerank of scores ", sample.name, " changed the query bank");
  }
}

inline bool same(const Rankings& a, const Rankings& b) {
  return a.offsets == b.offsets && a.items == b.items && a.scores == b.scores;
}

inline void check_rerank_deterministic(const Subject& subject) {
  const auto reranker = make<Reranker>(subject), another = make<Reranker>(subject);
  const std::vector<SampleScores> samples = sample_scores();
  std::vector<Rankings> first;
  for (const SampleScores& sample : samples) first.push_back(rerank(*reranker, sample));
  for (size_t i = samples.size(); i-- > 0;) {
    if (!same(rerank(*reranker, samples[i]), first[i]))
      fail("rerank of scores ", samples[i].name, " again gives another result");
    if (!same(rerank(*another, samples[i]), first[i]))
      fail("rerank of scores ", samples[i].name, " by a second instance gives another result");
  }
}

inline void check_rerank_concurrent(const Subject& subject) {
  const auto reranker = make<Reranker>(subject);
  const std::vector<SampleScores> samples = sample_scores();
  std::vector<Rankings> alone;
  for (const SampleScores& sample : samples) alone.push_back(rerank(*reranker, sample));
  concurrently(4, 200, [&](int thread, int round) {
    const size_t i = static_cast<size_t>(thread + round) % samples.size();
    if (!same(rerank(*reranker, samples[i]), alone[i]))
      fail("rerank of scores ", samples[i].name, " while other threads rerank gives another result");
  });
}

/// An item's new score by query, of the items that are listed.
using ScoreTable = std::vector<std::map<int64_t, double>>;

inline ScoreTable table(const Rankings& lists) {
  ScoreTable out(static_cast<size_t>(lists.query_count()));
  for (int64_t query = 0; query < lists.query_count(); ++query)
    for (size_t i = 0; i < lists.items_of(query).size(); ++i)
      out[static_cast<size_t>(query)][lists.items_of(query)[i]] = lists.scores_of(query)[i];
  return out;
}

inline bool near(double a, double b) { return std::abs(a - b) <= 1e-9 * (1 + std::abs(a) + std::abs(b)); }

/// Fails unless both list the same items for each query, with the same scores up to rounding.
inline void expect_same_table(const std::string& what, const ScoreTable& found, const ScoreTable& wanted) {
  for (size_t query = 0; query < wanted.size(); ++query) {
    for (const auto& [item, score] : wanted[query]) {
      const auto at = found[query].find(item);
      if (at == found[query].end()) fail(what, ": query ", query, " no longer lists item ", item);
      if (!near(at->second, score))
        fail(what, ": query ", query, " gives item ", item, " the score ", at->second, " instead of ", score);
    }
    if (found[query].size() != wanted[query].size()) fail(what, ": query ", query, " lists other items");
  }
}

inline std::vector<int64_t> permutation(int64_t count, unsigned seed) {
  std::vector<int64_t> order(static_cast<size_t>(count));
  std::iota(order.begin(), order.end(), int64_t{0});
  std::mt19937 random(seed);
  for (size_t i = order.size(); i > 1; --i) std::swap(order[i - 1], order[random() % i]);
  return order;
}

/// Columns moved: column c of the result is column order[c].
inline Matrix<float> with_columns(const Matrix<float>& matrix, const std::vector<int64_t>& order) {
  Matrix<float> out(matrix.rows(), static_cast<int64_t>(order.size()));
  for (int64_t row = 0; row < out.rows(); ++row)
    for (int64_t col = 0; col < out.cols(); ++col) out(row, col) = matrix(row, order[static_cast<size_t>(col)]);
  return out;
}

inline Matrix<float> with_rows(const Matrix<float>& matrix, const std::vector<int64_t>& order) {
  Matrix<float> out(static_cast<int64_t>(order.size()), matrix.cols());
  for (int64_t row = 0; row < out.rows(); ++row)
    for (int64_t col = 0; col < out.cols(); ++col) out(row, col) = matrix(order[static_cast<size_t>(row)], col);
  return out;
}

inline void check_labels(const Subject& subject) {
  const auto reranker = make<Reranker>(subject);
  // Square, and five queries to an item: the two layouts in which an item's place tells whose it is.
  for (const auto& [queries, items] : {std::pair<int64_t, int64_t>{20, 20}, {50, 10}, {10, 50}}) {
    SampleScores blind{text(queries, " x ", items, ", all equal"), Matrix<float>(queries, items),
                       Matrix<float>(23, items)};
    std::fill_n(blind.scores.data(), queries * items, 0.25f);
    std::fill_n(blind.bank.data(), 23 * items, 0.25f);
    const Rankings lists = rerank(*reranker, blind);
    for (int64_t query = 0; query < queries; ++query) {
      const auto scores = lists.scores_of(query);
      if (!scores.empty() && scores.front() != scores.back())
        fail("rerank of scores ", blind.name, ": query ", query, " puts item ", lists.items_of(query).front(),
             " before item ", lists.items_of(query).back(), ", which nothing in the scores tells apart");
    }
  }
}

inline void check_ties(const Subject& subject) {
  const auto reranker = make<Reranker>(subject);
  for (const unsigned levels : {0u, 30u}) {
    SampleScores twins = sample(40, 60, levels, 12);
    for (int64_t query = 0; query < 40; ++query) twins.scores(query, 47) = twins.scores(query, 3);
    for (int64_t query = 0; query < 23; ++query) twins.bank(query, 47) = twins.bank(query, 3);
    const ScoreTable lists = table(rerank(*reranker, twins));
    for (size_t query = 0; query < lists.size(); ++query) {
      const auto one = lists[query].find(3), other = lists[query].find(47);
      const bool listed = one != lists[query].end(), other_listed = other != lists[query].end();
      if (listed != other_listed)
        fail("query ", query, " lists only one of items 3 and 47, whose scores are identical for every query");
      if (listed && one->second != other->second)
        fail("query ", query, " scores items 3 and 47 ", one->second, " and ", other->second,
             ", although their scores are identical for every query");
    }
  }
}

inline void check_gallery_order(const Subject& subject) {
  const auto reranker = make<Reranker>(subject);
  for (const SampleScores& before : {sample(31, 50, 0, 13), sample(30, 30, 0, 14), sample(50, 10, 0, 15)}) {
    const std::vector<int64_t> order = permutation(before.scores.cols(), 1);
    const SampleScores after{before.name + ", items in another order", with_columns(before.scores, order),
                             with_columns(before.bank, order)};
    ScoreTable moved = table(rerank(*reranker, after));
    ScoreTable back(moved.size());
    for (size_t query = 0; query < moved.size(); ++query)
      for (const auto& [item, score] : moved[query]) back[query][order[static_cast<size_t>(item)]] = score;
    expect_same_table("with the gallery in another order", back, table(rerank(*reranker, before)));
  }
}

inline void check_query_order(const Subject& subject) {
  const auto reranker = make<Reranker>(subject);
  for (const SampleScores& before : {sample(31, 50, 0, 16), sample(50, 10, 0, 17)}) {
    const std::vector<int64_t> order = permutation(before.scores.rows(), 2);
    const SampleScores after{before.name + ", queries in another order", with_rows(before.scores, order), before.bank};
    const ScoreTable moved = table(rerank(*reranker, after));
    ScoreTable back(moved.size());
    for (size_t query = 0; query < moved.size(); ++query) back[static_cast<size_t>(order[query])] = moved[query];
    expect_same_table("with the queries in another order", back, table(rerank(*reranker, before)));
  }
}

inline void check_transductive(const Subject& subject) {
  const auto reranker = make<Reranker>(subject);
  if (reranker->transductive()) skip("it declares that a result depends on the run's other queries");
  const SampleScores all = sample(31, 50, 0, 18);
  const ScoreTable wanted = table(rerank(*reranker, all));
  for (int64_t query = 0; query < all.scores.rows(); ++query) {
    const SampleScores alone{text("of query ", query, " alone"), with_rows(all.scores, {query}), all.bank};
    expect_same_table(text("query ", query, " by itself, although transductive() is false"),
                      table(rerank(*reranker, alone)), {wanted[static_cast<size_t>(query)]});
  }
}

inline void check_memory_order(const Subject& subject) {
  const auto reranker = make<Reranker>(subject);
  const SampleScores sample = detail::sample(37, 90, 0, 19);
  Matrix<float> turned(90, 37);
  Matrix<double> wide(37, 90);
  for (int64_t query = 0; query < 37; ++query)
    for (int64_t item = 0; item < 90; ++item) {
      turned(item, query) = sample.scores(query, item);
      wide(query, item) = static_cast<double>(sample.scores(query, item));
    }
  const ScoreTable wanted = table(rerank(*reranker, sample));
  const auto compare = [&](const char* what, const Scores& scores) {
    RerankInput input = sample.input(reranker->needs().query_bank);
    input.scores = scores;
    const Rankings lists = call(std::string("rerank of ") + what, [&] { return reranker->rerank(input); });
    expect_same_table(what, table(lists), wanted);
  };
  compare("a transposed view of the same scores", std::as_const(turned).view().transposed());
  compare("the same scores as double", std::as_const(wide).view());
}

inline void check_query_bank(const Subject& subject) {
  const auto reranker = make<Reranker>(subject);
  const SampleScores sample = detail::sample(31, 50, 0, 20);
  if (reranker->needs().query_bank) {
    expect_refusal<Error>("rerank without the query bank that needs() names", "an InputError",
                          [&] { reranker->rerank(sample.input(false)); });
    return;
  }
  const Rankings without = rerank(*reranker, sample);
  const Rankings with =
      call("rerank with a query bank that it does not need", [&] { return reranker->rerank(sample.input(true)); });
  if (!same(without, with)) fail("a query bank changes the result, although needs() names none");
}

/// The lists of some alone; those of the others are empty.
inline Rankings only(const Rankings& lists, const std::vector<bool>& wanted) {
  Rankings out;
  for (int64_t query = 0; query < lists.query_count(); ++query) {
    if (wanted[static_cast<size_t>(query)]) {
      const auto items = lists.items_of(query);
      const auto scores = lists.scores_of(query);
      out.items.insert(out.items.end(), items.begin(), items.end());
      out.scores.insert(out.scores.end(), scores.begin(), scores.end());
    }
    out.offsets.push_back(static_cast<int64_t>(out.items.size()));
  }
  return out;
}

inline void check_candidates(const Subject& subject) {
  const auto reranker = make<Reranker>(subject);
  if (!reranker->accepts_candidates()) {
    expect_refusal<Error>("rerank_candidates, although accepts_candidates() is false,", "an Error",
                          [&] { reranker->rerank_candidates({}); });
    return;
  }
  for (const SampleScores& whole : {sample(31, 50, 0, 21), sample(40, 60, 30, 22)}) {
    const Scores scores = std::as_const(whole.scores).view();
    CandidateInput input;
    input.candidates = top_candidates(scores, whole.scores.cols());
    input.query_count = whole.scores.rows();
    // The statistics of a gallery are there whether or not they are read; their columns are sized by it.
    input.column_sums = column_sums(scores);
    const int64_t length = reranker->needs().reverse_length;
    input.reverse = top_candidates(std::as_const(whole.scores).view().transposed(), length);
    const Rankings lists =
        call("rerank_candidates of scores " + whole.name, [&] { return reranker->rerank_candidates(input); });
    expect_rankings("rerank_candidates of scores " + whole.name, lists, whole.scores.rows(), whole.scores.cols());
    expect_same_table(
        "rerank_candidates with the statistics that needs() names, against rerank of scores " + whole.name,
        table(lists), table(rerank(*reranker, whole)));
    // As from a gallery that does not fit: short lists, and reverse lists of the items on them alone.
    input.candidates = top_candidates(scores, 5);
    std::vector<bool> listed(static_cast<size_t>(whole.scores.cols()), false);
    for (const int64_t item : input.candidates.items) listed[static_cast<size_t>(item)] = true;
    const Rankings all = call("rerank_candidates of short lists", [&] { return reranker->rerank_candidates(input); });
    input.reverse = only(input.reverse, listed);
    const Rankings some = call("rerank_candidates with empty reverse lists of items that are no candidate",
                               [&] { return reranker->rerank_candidates(input); });
    expect_same_table(
        "rerank_candidates with empty reverse lists of items that are no candidate, of scores " + whole.name,
        table(some), table(all));
  }
}

inline std::string rankings_text(const Subject& subject) {
  const auto reranker = make<Reranker>(subject);
  std::string out;
  for (const SampleScores& sample : sample_scores()) {
    const Rankings lists = rerank(*reranker, sample);
    out.append(reinterpret_cast<const char*>(lists.scores.data()), lists.scores.size() * sizeof(double));
    for (const int64_t item : lists.items) out += text(item, ' ');
  }
  return out;
}

}  // namespace detail

inline std::vector<Property> reranker_properties() {
  std::vector<Property> list = {
      {"one", "A single query, a single item, and both, are legal.",
       "let k and the lengths of lists be at most the sizes that there are", detail::check_one},
      {"rankings", "Each query has a list of different gallery items with finite, descending scores.",
       "sort each list by its new scores (orbweaver/ranking.h: sort_candidates)", detail::check_rankings},
      {"refusals", "Scores that are NaN or infinite, and empty matrices, are refused.",
       "call require_finite(input.scores) of orbweaver/ranking.h first", detail::check_refusals},
      {"inputs_unmodified", "Scores and query bank are left as they were.", "write into a copy",
       detail::check_rerank_inputs},
      {"deterministic", "The same scores give the same lists, bit for bit.",
       "no random numbers, no order of addresses or hashes, nothing remembered between calls",
       detail::check_rerank_deterministic},
      {"concurrent", "Lists made in several threads at once by one instance are those made alone.",
       "rerank() is called from several threads: keep scratch memory in local variables, not in members or statics",
       detail::check_rerank_concurrent},
      {"ties", "Items that score alike for every query get the same new score, exactly.",
       "use competition ranks (orbweaver/ranking.h), and list everything tied with the k-th", detail::check_ties},
      {"labels", "Where scores tell nothing, no item is preferred.",
       "compute from scores alone: an item's place in the gallery must not count, for it tells which answer is right",
       detail::check_labels},
      {"gallery_order", "The order of the gallery changes nothing but indices.",
       "compute from scores alone: an item's place in the gallery must not count", detail::check_gallery_order},
      {"query_order", "The order of the queries changes nothing but indices.",
       "compute from scores alone: a query's place must not count", detail::check_query_order},
      {"transductive", "A reranker that says it is not transductive gives a query the same list among any others.",
       "return true from transductive(), or take no statistic over the queries of the run", detail::check_transductive},
      {"memory_order", "Transposed views, float and double are read alike.",
       "read through MatrixView's operator() or for_each_row of orbweaver/ranking.h, not through data()",
       detail::check_memory_order},
      {"query_bank", "A query bank is read where needs() names it, refused where it is missing, and only then.",
       "set needs().query_bank, and throw an InputError where the bank is empty", detail::check_query_bank},
      {"candidates", "Candidate lists with the statistics of needs() give what the whole matrix gives.",
       "let needs() name every statistic that is read, or return false from accepts_candidates()",
       detail::check_candidates}};
  for (Property& property : parameter_properties(detail::rankings_text)) list.push_back(std::move(property));
  return list;
}

}  // namespace orbweaver::testing
