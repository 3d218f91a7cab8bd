#include <gtest/gtest.h>

#include <cmath>

#include "dual_softmax.h"
#include "tests/reranker_properties.h"

namespace {

using dual_softmax::DualSoftmaxReranker;
using dual_softmax::Variant;
using orbweaver::Matrix;
using orbweaver::Rankings;
using orbweaver::Scores;
using orbweaver::testing::matrix_of;

/// Item 0 is a hub: both queries prefer it.
const Matrix<double> hub = matrix_of<double>(2, 2,
                                             {0.9, 0.7,  //
                                              0.8, 0.1});

double sigmoid(double x) { return 1 / (1 + std::exp(-x)); }

TEST(DualSoftmax, WeighsAScoreByItsSoftmaxOverTheQueries) {
  const DualSoftmaxReranker reranker({.scale = 10, .variant = Variant::prior, .k = 2});
  const Rankings lists = reranker.rerank({Scores(hub.view()), {}});
  // Query 0: 0.9 * 0.731 = 0.658 for the hub, 0.7 * 0.998 = 0.698 for item 1.
  EXPECT_EQ(lists.items, (std::vector<int64_t>{1, 0, 0, 1}));
  EXPECT_NEAR(lists.scores[0], 0.7 * sigmoid(6), 1e-13);
  EXPECT_NEAR(lists.scores[1], 0.9 * sigmoid(1), 1e-13);
  EXPECT_NEAR(lists.scores[2], 0.8 * sigmoid(-1), 1e-13);
  EXPECT_NEAR(lists.scores[3], 0.1 * sigmoid(-6), 1e-13);
}

TEST(DualSoftmax, ThePublishedFormOrdersNegativeScoresTheWrongWayRoundAndTheProductDoesNot) {
  // Query 0 is nearer to item 0 in every respect.
  const Matrix<double> scores = matrix_of<double>(2, 2,
                                                  {-0.1, -0.11,  //
                                                   -0.9, -0.1});
  const auto first = [&](Variant variant) {
    return DualSoftmaxReranker({.scale = 10, .variant = variant, .k = 2}).rerank({Scores(scores.view()), {}}).items[0];
  };
  EXPECT_EQ(first(Variant::prior), 1);
  EXPECT_EQ(first(Variant::product), 0);
}

TEST(DualSoftmax, ProductMultipliesTheSoftmaxesOfBothDirections) {
  const DualSoftmaxReranker reranker({.scale = 10, .variant = Variant::product, .k = 2});
  const Rankings lists = reranker.rerank({Scores(hub.view()), {}});
  EXPECT_NEAR(orbweaver::testing::score_of(lists, 0, 0), std::log(sigmoid(2) * sigmoid(1)), 1e-13);
  EXPECT_NEAR(orbweaver::testing::score_of(lists, 0, 1), std::log(sigmoid(-2) * sigmoid(6)), 1e-13);
  EXPECT_NEAR(orbweaver::testing::score_of(lists, 1, 0), std::log(sigmoid(7) * sigmoid(-1)), 1e-13);
}

TEST(DualSoftmax, HasThePropertiesOfAReranker) {
  for (const Variant variant : {Variant::prior, Variant::product})
    orbweaver::testing::expect_the_properties_of_a_reranker([&](const Scores& scores) {
      return DualSoftmaxReranker({.scale = 7, .variant = variant, .k = 12}).rerank({scores, {}});
    });
}

TEST(DualSoftmax, SaysThatItSeesAllQueriesAndTakesNoCandidateLists) {
  const DualSoftmaxReranker reranker(dual_softmax::Params{});
  EXPECT_TRUE(reranker.transductive());
  EXPECT_FALSE(reranker.accepts_candidates());
  EXPECT_FALSE(reranker.needs().query_bank);
}

}  // namespace
