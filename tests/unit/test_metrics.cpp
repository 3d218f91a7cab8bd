#include <gtest/gtest.h>

#include <cmath>
#include <limits>
#include <random>
#include <utility>
#include <vector>

#include "framework/eval/metrics.h"
#include "orbweaver/error.h"

namespace orbweaver {
namespace {

template <class T>
Matrix<T> matrix(std::vector<std::vector<T>> rows) {
  Matrix<T> result(static_cast<int64_t>(rows.size()), static_cast<int64_t>(rows.front().size()));
  for (size_t r = 0; r < rows.size(); ++r)
    for (size_t c = 0; c < rows[r].size(); ++c) result(static_cast<int64_t>(r), static_cast<int64_t>(c)) = rows[r][c];
  return result;
}

template <class T>
Scores scores_of(const Matrix<T>& matrix) {
  return matrix.view();
}

Relevance matches(std::vector<std::vector<int64_t>> lists) {
  Relevance relevance;
  for (const auto& list : lists) {
    relevance.items.insert(relevance.items.end(), list.begin(), list.end());
    relevance.offsets.push_back(static_cast<int64_t>(relevance.items.size()));
  }
  return relevance;
}

Rankings rankings(std::vector<std::vector<std::pair<int64_t, double>>> lists) {
  Rankings result;
  for (const auto& list : lists) {
    for (const auto& [item, score] : list) {
      result.items.push_back(item);
      result.scores.push_back(score);
    }
    result.offsets.push_back(static_cast<int64_t>(result.items.size()));
  }
  return result;
}

using Ranks = std::vector<int64_t>;

TEST(BestRanks, CountsATieAgainstTheModelUnderTheStrictRule) {
  const auto scores = matrix<float>({{0.5f, 0.9f, 0.5f, 0.5f, 0.1f}});
  EXPECT_EQ(best_ranks(scores_of(scores), matches({{2}}), TieRule::strict), Ranks{4});
}

TEST(BestRanks, BreaksATieByGalleryIndexUnderTheArbitraryRule) {
  const auto scores = matrix<float>({{0.5f, 0.9f, 0.5f, 0.5f, 0.1f}});
  EXPECT_EQ(best_ranks(scores_of(scores), matches({{0}}), TieRule::arbitrary), Ranks{2});
  EXPECT_EQ(best_ranks(scores_of(scores), matches({{2}}), TieRule::arbitrary), Ranks{3});
  EXPECT_EQ(best_ranks(scores_of(scores), matches({{3}}), TieRule::arbitrary), Ranks{4});
}

TEST(BestRanks, DoesNotCountOtherMatchesThatTieWithTheBest) {
  const auto scores = matrix<double>({{0.5, 0.9, 0.5, 0.5, 0.1}});
  EXPECT_EQ(best_ranks(scores_of(scores), matches({{0, 2, 3}}), TieRule::strict), Ranks{2});
  EXPECT_EQ(best_ranks(scores_of(scores), matches({{0, 1, 4}}), TieRule::strict), Ranks{1});
}

TEST(BestRanks, ComparesFloat32ScoresAsTheyAre) {
  const float below = std::nextafter(0.1f, 0.0f);
  const auto scores = matrix<float>({{below, 0.1f}, {0.1f, below}});
  EXPECT_EQ(best_ranks(scores_of(scores), matches({{0}, {0}}), TieRule::strict), (Ranks{2, 1}));
}

TEST(BestRanks, ReadsATransposedViewLikeACopy) {
  std::mt19937 random(3);
  Matrix<float> scores(70, 131);
  for (int64_t i = 0; i < 70 * 131; ++i) scores.data()[i] = static_cast<float>(random() % 40);
  Matrix<float> turned(131, 70);
  for (int64_t r = 0; r < 70; ++r)
    for (int64_t c = 0; c < 131; ++c) turned(c, r) = scores(r, c);
  Relevance relevance;
  for (int64_t query = 0; query < 131; ++query) {
    for (const int64_t match : {query % 30, 30 + query % 40}) relevance.items.push_back(match);
    relevance.offsets.push_back(2 * query + 2);
  }
  for (const TieRule rule : {TieRule::strict, TieRule::arbitrary})
    EXPECT_EQ(best_ranks(std::as_const(scores).view().transposed(), relevance, rule),
              best_ranks(scores_of(turned), relevance, rule));
}

TEST(BestRanks, NamesTheFirstQuerysNaNOfATransposedViewToo) {
  auto scores = matrix<double>({{0.1, 0.2, 0.3}, {0.4, 0.5, 0.6}, {0.7, 0.8, 0.9}});
  scores(0, 2) = scores(1, 1) = std::nan("");
  try {
    best_ranks(std::as_const(scores).view().transposed(), matches({{0}, {0}, {0}}), TieRule::strict);
    FAIL();
  } catch (const InputError& error) {
    EXPECT_STREQ(error.what(), "scores: query 1, gallery item 1 is NaN");
  }
}

TEST(BestRanks, PutsRerankedCandidatesFirstInTheirNewOrder) {
  const auto scores = matrix<float>({{0.9f, 0.8f, 0.7f, 0.6f}});
  const Rankings lists = rankings({{{2, 5.0}, {0, 4.0}, {1, 3.0}}});
  EXPECT_EQ(best_ranks(scores_of(scores), matches({{2}}), TieRule::strict, &lists), Ranks{1});
  EXPECT_EQ(best_ranks(scores_of(scores), matches({{1}}), TieRule::strict, &lists), Ranks{3});
  EXPECT_EQ(best_ranks(scores_of(scores), matches({{3}}), TieRule::strict, &lists), Ranks{4});
}

TEST(BestRanks, DecidesTiesAmongCandidatesByTheirNewScoresAndTiesBelowBySourceScores) {
  // Source: 0 and 1 tie, as do 3 and 4. Reranked: 1 and 2 tie.
  const auto scores = matrix<float>({{0.9f, 0.9f, 0.8f, 0.5f, 0.5f, 0.4f}});
  const Rankings lists = rankings({{{0, 3.0}, {1, 2.0}, {2, 2.0}}});
  const auto rank = [&](int64_t match, TieRule rule) {
    return best_ranks(scores_of(scores), matches({{match}}), rule, &lists).front();
  };
  EXPECT_EQ(rank(0, TieRule::strict), 1);
  EXPECT_EQ(rank(1, TieRule::strict), 3);
  EXPECT_EQ(rank(2, TieRule::strict), 3);
  EXPECT_EQ(rank(1, TieRule::arbitrary), 2);
  EXPECT_EQ(rank(3, TieRule::strict), 5);
  EXPECT_EQ(rank(4, TieRule::strict), 5);
  EXPECT_EQ(rank(3, TieRule::arbitrary), 4);
  EXPECT_EQ(rank(5, TieRule::strict), 6);
}

TEST(BestRanks, TakesTheBestOfSeveralMatchesAcrossCandidatesAndTheRest) {
  const auto scores = matrix<float>({{0.9f, 0.8f, 0.7f, 0.6f}});
  const Rankings lists = rankings({{{1, 2.0}, {0, 1.0}}});
  EXPECT_EQ(best_ranks(scores_of(scores), matches({{0, 2}}), TieRule::strict, &lists), Ranks{2});
  EXPECT_EQ(best_ranks(scores_of(scores), matches({{2, 3}}), TieRule::strict, &lists), Ranks{3});
}

TEST(BestRanks, RefusesWhatDoesNotFit) {
  const auto scores = matrix<float>({{0.9f, 0.8f}});
  EXPECT_THROW(best_ranks(scores_of(scores), matches({{0}, {1}}), TieRule::strict), ShapeError);
  EXPECT_THROW(best_ranks(scores_of(scores), matches({{2}}), TieRule::strict), ShapeError);
  EXPECT_THROW(best_ranks(scores_of(scores), matches({{}}), TieRule::strict), InputError);
  const Rankings twice = rankings({{{1, 2.0}, {1, 1.0}}}), outside = rankings({{{2, 2.0}}}),
                 queries = rankings({{}, {}});
  for (const Rankings* lists : {&twice, &outside, &queries})
    EXPECT_THROW(best_ranks(scores_of(scores), matches({{0}}), TieRule::strict, lists), ShapeError);
  const auto broken = matrix<float>({{0.9f, std::nanf("")}});
  EXPECT_THROW(best_ranks(scores_of(broken), matches({{0}}), TieRule::strict), InputError);
}

TEST(BestRanks, AcceptsScoresOfMinusInfinity) {
  const float none = -std::numeric_limits<float>::infinity();
  const auto scores = matrix<float>({{none, 0.1f, none}});
  EXPECT_EQ(best_ranks(scores_of(scores), matches({{0}}), TieRule::strict), Ranks{3});
}

TEST(RecallAtK, CountsAQueryOnceWhenSeveralOfItsMatchesAreInTheTopK) {
  const auto scores = matrix<float>({{0.9f, 0.8f, 0.1f}, {0.9f, 0.8f, 0.1f}});
  const DirectionMetrics metrics =
      direction_metrics(best_ranks(scores_of(scores), matches({{0, 1}, {1, 2}}), TieRule::strict));
  EXPECT_EQ(metrics.r1, 50);
  EXPECT_EQ(metrics.r5, 100);
}

TEST(DirectionMetrics, GivesRecallsMedianAndMeanOfTheRanks) {
  const DirectionMetrics metrics = direction_metrics(Ranks{1, 5, 6, 10, 11});
  EXPECT_EQ(metrics.r1, 20);
  EXPECT_EQ(metrics.r5, 40);
  EXPECT_EQ(metrics.r10, 80);
  EXPECT_EQ(metrics.median_rank, 6);
  EXPECT_DOUBLE_EQ(metrics.mean_rank, 6.6);
}

TEST(DirectionMetrics, RoundsTheMedianOfTheZeroBasedRankDown) {
  // 0-based 0, 1, 4, 9: the median 2.5 becomes 2, plus 1.
  EXPECT_EQ(direction_metrics(Ranks{10, 1, 5, 2}).median_rank, 3);
  EXPECT_EQ(direction_metrics(Ranks{1, 2}).median_rank, 1);
}

TEST(RetrievalMetrics, AveragesTheSixRecalls) {
  const RetrievalMetrics metrics{{1, 2, 3, 0, 0}, {4, 5, 9, 0, 0}};
  EXPECT_EQ(metrics.mean_recall(), 4);
  EXPECT_EQ(to_value(metrics).at("mR").as_double(), 4);
  EXPECT_EQ(to_value(metrics).at("t2i").at("R@10").as_double(), 9);
}

TEST(Relevance, GroupsCaptionsByImageInAnyOrder) {
  const TwoWayRelevance both = relevance(Ranks{1, 0, 1}, 2);
  EXPECT_EQ(both.i2t.items, (Ranks{1, 0, 2}));
  EXPECT_EQ(both.i2t.offsets, (Ranks{0, 1, 3}));
  EXPECT_EQ(both.t2i.items, (Ranks{1, 0, 1}));
  EXPECT_THROW(relevance(Ranks{2}, 2), ShapeError);
}

TEST(DuplicateAwareRelevance, SharesThePositivesOfCaptionsWithTheSameText) {
  // Captions 0 and 3 say the same of images 0 and 1; caption 1 repeats caption 0 on the same image.
  const TwoWayRelevance both = duplicate_aware_relevance(Ranks{0, 0, 1, 1}, 2, Ranks{7, 7, 8, 7});
  EXPECT_EQ(both.i2t.offsets, (Ranks{0, 3, 7}));
  EXPECT_EQ(both.i2t.items, (Ranks{0, 1, 3, 0, 1, 2, 3}));
  EXPECT_EQ(both.t2i.offsets, (Ranks{0, 2, 4, 5, 7}));
  EXPECT_EQ(both.t2i.items, (Ranks{0, 1, 0, 1, 1, 0, 1}));
}

}  // namespace
}  // namespace orbweaver
