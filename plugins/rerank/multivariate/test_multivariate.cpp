#include <gtest/gtest.h>

#include <cmath>
#include <limits>
#include <random>

#include "multivariate.h"

namespace {

using multivariate::MultivariateReranker;
using multivariate::Params;
using orbweaver::Matrix;
using orbweaver::Rankings;
using orbweaver::Scores;

template <class Change>
Params params(Change change) {
  Params of;
  change(of);
  return of;
}

/// Few distinct values, so that ties are everywhere.
Matrix<float> coarse_scores(int64_t queries, int64_t items, unsigned seed) {
  std::mt19937 random(seed);
  Matrix<float> scores(queries, items);
  for (int64_t i = 0; i < queries * items; ++i) scores.data()[i] = static_cast<float>(random() % 30) / 16 - 0.5f;
  return scores;
}

Scores view(const Matrix<float>& matrix) { return matrix.view(); }
Scores view(const Matrix<double>& matrix) { return matrix.view(); }
Scores transposed(const Matrix<float>& matrix) { return matrix.view().transposed(); }

Matrix<double> small_scores() {
  Matrix<double> scores(2, 3);
  const double values[] = {0.9, 0.5, 0.1,  //
                           0.6, 0.8, 0.2};
  std::copy(std::begin(values), std::end(values), scores.data());
  return scores;
}

/// An item's new score, or NaN where it is no candidate.
double score_of(const Rankings& lists, int64_t query, int64_t item) {
  for (size_t at = 0; at < lists.items_of(query).size(); ++at)
    if (lists.items_of(query)[at] == item) return lists.scores_of(query)[at];
  return std::nan("");
}

double decay(int rank) { return std::exp(-0.05 * (rank + 1)); }

TEST(Multivariate, AddsForwardRankReverseRankAndShare) {
  const Matrix<double> scores = small_scores();
  const MultivariateReranker reranker(params([](Params& p) { p.k = 2, p.l = 1; }));
  const Rankings lists = reranker.rerank({view(scores), {}});
  ASSERT_EQ(lists.offsets, (std::vector<int64_t>{0, 2, 4}));
  // Query 0: item 0 first (reverse rank 0, share 0.9/1.5), item 1 second (reverse rank 1: beyond l; share 0.5/1.3).
  EXPECT_EQ(lists.items_of(0)[0], 0);
  EXPECT_NEAR(lists.scores_of(0)[0], decay(0) + 0.5 * decay(0) + 1.25 * 0.9 / 1.5, 1e-15);
  EXPECT_EQ(lists.items_of(0)[1], 1);
  EXPECT_NEAR(lists.scores_of(0)[1], decay(1) + 1.25 * 0.5 / 1.3, 1e-15);
  EXPECT_EQ(lists.items_of(1)[0], 1);
  EXPECT_NEAR(lists.scores_of(1)[1], decay(1) + 1.25 * 0.6 / 1.5, 1e-15);
}

TEST(Multivariate, ReadsReverseRanksUpToL) {
  const Matrix<double> scores = small_scores();
  const MultivariateReranker reranker(params([](Params& p) { p.k = 2, p.l = 2, p.w2 = 0; }));
  EXPECT_NEAR(reranker.rerank({view(scores), {}}).scores_of(0)[1], decay(1) + 0.5 * decay(1), 1e-15);
}

TEST(Multivariate, ReleasedVariantRanksTheCandidatesByReversePosition) {
  const Matrix<double> scores = small_scores();
  const MultivariateReranker reranker(params([](Params& p) { p.variant = multivariate::Variant::released, p.w2 = 0; }));
  const Rankings lists = reranker.rerank({view(scores), {}});
  ASSERT_EQ(lists.items_of(0).size(), 3u) << "k is at least 10, so all three items are candidates";
  // Query 0 is first in item 0's list only; items 1 and 2 both have it second and keep their forward order.
  EXPECT_NEAR(lists.scores_of(0)[0], 1.5 * decay(0), 1e-15);
  EXPECT_NEAR(lists.scores_of(0)[1], 1.5 * decay(1), 1e-15);
  EXPECT_NEAR(lists.scores_of(0)[2], 1.5 * decay(2), 1e-15);
  // Query 1's forward order is 1, 0, 2; it is first for items 1 and 2, second for item 0.
  EXPECT_EQ(lists.items_of(1)[0], 1);
  EXPECT_NEAR(lists.scores_of(1)[0], 1.5 * decay(0), 1e-15);
  EXPECT_NEAR(lists.scores_of(1)[1], decay(1) + 0.5 * decay(2), 1e-15);
  EXPECT_NEAR(lists.scores_of(1)[2], decay(2) + 0.5 * decay(1), 1e-15);
}

TEST(Multivariate, MeanCosineIsThePublishedShareTimesTheNumberOfQueries) {
  const Matrix<double> scores = small_scores();
  const MultivariateReranker reranker(
      params([](Params& p) { p.k = 2, p.similarity = multivariate::Similarity::mean_cosine, p.w1 = 0, p.w2 = 3; }));
  const Rankings lists = reranker.rerank({view(scores), {}});
  EXPECT_NEAR(score_of(lists, 0, 0), decay(0) + 3 * 0.9 / 0.75, 1e-15);
  EXPECT_NEAR(score_of(lists, 0, 1), decay(1) + 3 * 0.5 / 0.65, 1e-15);
}

TEST(Multivariate, MeanCosineMeansTheSameAmongTwiceAsManyQueries) {
  const Matrix<double> scores = small_scores();
  Matrix<double> twice(4, 3);
  for (int64_t query = 0; query < 4; ++query)
    for (int64_t item = 0; item < 3; ++item) twice(query, item) = scores(query % 2, item);
  const MultivariateReranker reranker(
      params([](Params& p) { p.similarity = multivariate::Similarity::mean_cosine, p.w1 = 0; }));
  const Rankings lists = reranker.rerank({view(scores), {}}), more = reranker.rerank({view(twice), {}});
  for (int64_t item = 0; item < 3; ++item) EXPECT_NEAR(score_of(more, 1, item), score_of(lists, 1, item), 1e-14);
}

TEST(Multivariate, SoftmaxShareOfOneAmongEqualQueriesIsOneWhateverTheirNumber) {
  for (const int64_t queries : {2, 50}) {
    Matrix<double> scores(queries, 1);
    for (int64_t query = 0; query < queries; ++query) scores(query, 0) = 0.3;
    const MultivariateReranker reranker(
        params([](Params& p) { p.similarity = multivariate::Similarity::softmax, p.w1 = 0, p.w2 = 2; }));
    EXPECT_NEAR(reranker.rerank({view(scores), {}}).scores_of(0)[0], decay(0) + 2 * 1.0, 1e-12);
  }
}

TEST(Multivariate, SoftmaxSharesFollowTheScores) {
  const Matrix<double> scores = small_scores();
  const MultivariateReranker reranker(params(
      [](Params& p) { p.k = 1, p.similarity = multivariate::Similarity::softmax, p.scale = 10, p.w1 = 0, p.w2 = 1; }));
  EXPECT_NEAR(reranker.rerank({view(scores), {}}).scores_of(0)[0], decay(0) + 2 / (1 + std::exp(-3.0)), 1e-12);
}

TEST(Multivariate, GivesIdenticalItemsIdenticalScores) {
  for (const auto variant : {multivariate::Variant::paper, multivariate::Variant::released})
    for (const auto similarity :
         {multivariate::Similarity::cosine, multivariate::Similarity::mean_cosine, multivariate::Similarity::softmax}) {
      Matrix<float> scores = coarse_scores(40, 60, 5);
      for (int64_t query = 0; query < 40; ++query) scores(query, 47) = scores(query, 3);
      const MultivariateReranker reranker(
          params([&](Params& p) { p.k = 12, p.variant = variant, p.similarity = similarity; }));
      const Rankings lists = reranker.rerank({view(scores), {}});
      int seen = 0;
      for (int64_t query = 0; query < 40; ++query) {
        const double score = score_of(lists, query, 3), twin = score_of(lists, query, 47);
        ASSERT_EQ(std::isnan(score), std::isnan(twin)) << "one is a candidate, its twin is not";
        if (std::isnan(score)) continue;
        EXPECT_EQ(score, twin);
        ++seen;
      }
      EXPECT_GT(seen, 0);
    }
}

TEST(Multivariate, TreatsIdenticalQueriesAlike) {
  Matrix<float> scores = coarse_scores(40, 60, 6);
  for (int64_t item = 0; item < 60; ++item) scores(31, item) = scores(8, item);
  const Rankings lists = MultivariateReranker(Params{}).rerank({view(scores), {}});
  EXPECT_TRUE(std::ranges::equal(lists.items_of(8), lists.items_of(31)));
  EXPECT_TRUE(std::ranges::equal(lists.scores_of(8), lists.scores_of(31)));
}

TEST(Multivariate, GivesAnItemTheSameScoreWhereverItStandsInTheGallery) {
  const Matrix<float> scores = coarse_scores(30, 50, 7);
  Matrix<float> turned(30, 50);
  for (int64_t query = 0; query < 30; ++query)
    for (int64_t item = 0; item < 50; ++item) turned(query, (item * 7 + 3) % 50) = scores(query, item);
  for (const auto variant : {multivariate::Variant::paper, multivariate::Variant::released}) {
    const MultivariateReranker reranker(params([&](Params& p) { p.k = 10, p.variant = variant; }));
    const Rankings before = reranker.rerank({view(scores), {}}), after = reranker.rerank({view(turned), {}});
    for (int64_t query = 0; query < 30; ++query)
      for (int64_t item = 0; item < 50; ++item) {
        const double expected = score_of(before, query, item), got = score_of(after, query, (item * 7 + 3) % 50);
        EXPECT_TRUE(got == expected || (std::isnan(got) && std::isnan(expected))) << query << " " << item;
      }
  }
}

TEST(Multivariate, MakesEverythingTiedWithTheKthACandidate) {
  Matrix<float> scores(1, 5);
  const float values[] = {0.5f, 0.9f, 0.5f, 0.5f, 0.1f};
  std::copy(std::begin(values), std::end(values), scores.data());
  const Rankings lists = MultivariateReranker(params([](Params& p) { p.k = 2; })).rerank({view(scores), {}});
  EXPECT_EQ(lists.items, (std::vector<int64_t>{1, 0, 2, 3}));
  EXPECT_EQ(lists.scores[1], lists.scores[3]);
}

TEST(Multivariate, ReadsATransposedViewAndDoubleLikeARowMajorFloatMatrix) {
  const Matrix<float> scores = coarse_scores(37, 90, 8);
  Matrix<float> turned(90, 37);
  Matrix<double> wide(37, 90);
  for (int64_t query = 0; query < 37; ++query)
    for (int64_t item = 0; item < 90; ++item) {
      turned(item, query) = scores(query, item);
      wide(query, item) = static_cast<double>(scores(query, item));
    }
  const MultivariateReranker reranker(Params{});
  const Rankings expected = reranker.rerank({view(scores), {}});
  for (const Scores& same : {transposed(turned), view(wide)}) {
    const Rankings got = reranker.rerank({same, {}});
    EXPECT_EQ(got.items, expected.items);
    EXPECT_EQ(got.scores, expected.scores);
  }
}

TEST(Multivariate, AnItemWhoseScoresSumToZeroHasNoShare) {
  Matrix<double> scores(2, 1);
  scores(0, 0) = 0.5;
  scores(1, 0) = -0.5;
  const Rankings lists = MultivariateReranker(Params{}).rerank({view(scores), {}});
  EXPECT_NEAR(lists.scores_of(0)[0], decay(0) + 0.5 * decay(0), 1e-15);
  EXPECT_NEAR(lists.scores_of(1)[0], decay(0) + 0.5 * decay(1), 1e-15);
}

TEST(Multivariate, RefusesScoresThatAreNotFiniteAndEmptyMatrices) {
  const MultivariateReranker reranker(Params{});
  Matrix<float> scores = coarse_scores(4, 5, 11);
  scores(2, 3) = std::numeric_limits<float>::infinity();
  try {
    reranker.rerank({view(scores), {}});
    FAIL();
  } catch (const orbweaver::InputError& error) {
    EXPECT_STREQ(error.what(), "scores: query 2, gallery item 3 is inf, expected a finite score");
  }
  scores(2, 3) = std::nanf("");
  EXPECT_THROW(reranker.rerank({transposed(scores), {}}), orbweaver::InputError);
  const Matrix<float> none(0, 3), nobody(3, 0);
  EXPECT_THROW(reranker.rerank({view(none), {}}), orbweaver::ShapeError);
  EXPECT_THROW(reranker.rerank({view(nobody), {}}), orbweaver::ShapeError);
}

TEST(Multivariate, SaysThatItSeesAllQueries) {
  const MultivariateReranker reranker(Params{});
  EXPECT_TRUE(reranker.transductive());
  EXPECT_TRUE(reranker.needs().column_sums);
  EXPECT_EQ(reranker.needs().reverse_length, 25);
}

}  // namespace
