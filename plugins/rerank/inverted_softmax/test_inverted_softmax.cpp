#include <gtest/gtest.h>

#include <cmath>

#include "inverted_softmax.h"
#include "tests/reranker_properties.h"

namespace {

using inverted_softmax::InvertedSoftmaxReranker;
using orbweaver::Matrix;
using orbweaver::Rankings;
using orbweaver::Scores;
using orbweaver::testing::matrix_of;

/// Item 0 is a hub: both queries prefer it.
const Matrix<double> hub = matrix_of<double>(2, 2,
                                             {0.9, 0.5,  //
                                              0.8, 0.1});

TEST(InvertedSoftmax, SharesOutAnItemAmongItsQueries) {
  const Rankings lists = InvertedSoftmaxReranker({.scale = 10, .k = 2}).rerank({Scores(hub.view()), {}});
  // Query 0 has 1 / (1 + e^-1) of the hub and 1 / (1 + e^-4) of item 1, which now comes first.
  EXPECT_EQ(lists.items, (std::vector<int64_t>{1, 0, 0, 1}));
  EXPECT_NEAR(lists.scores[0], std::log(1 / (1 + std::exp(-4.0))), 1e-13);
  EXPECT_NEAR(lists.scores[1], std::log(1 / (1 + std::exp(-1.0))), 1e-13);
  EXPECT_NEAR(lists.scores[2], std::log(1 / (1 + std::exp(1.0))), 1e-13);
  EXPECT_NEAR(lists.scores[3], std::log(1 / (1 + std::exp(4.0))), 1e-13);
}

TEST(InvertedSoftmax, KeepsTheOrderOfScoresWhoseShareWouldRoundToZero) {
  const Matrix<double> scores = matrix_of<double>(2, 2, {-900, -901, 900, 900});
  const Rankings lists = InvertedSoftmaxReranker({.scale = 1, .k = 2}).rerank({Scores(scores.view()), {}});
  EXPECT_EQ(lists.items_of(0)[0], 0);
  EXPECT_EQ(lists.scores_of(0)[0], -1800);
  EXPECT_EQ(lists.scores_of(0)[1], -1801);
}

TEST(InvertedSoftmax, ListsTheKBestOfTheWholeGalleryAndWhatIsTiedWithTheLast) {
  // One query: every item's share is 1, so all are tied.
  const Matrix<double> scores = matrix_of<double>(1, 3, {0.1, 0.3, 0.2});
  EXPECT_EQ(InvertedSoftmaxReranker({.scale = 1, .k = 2}).rerank({Scores(scores.view()), {}}).items.size(), 3u);
  EXPECT_EQ(InvertedSoftmaxReranker({.scale = 10, .k = 1}).rerank({Scores(hub.view()), {}}).items,
            (std::vector<int64_t>{1, 0}));
}

TEST(InvertedSoftmax, HasThePropertiesOfAReranker) {
  for (const double scale : {1.0, 20.0})
    orbweaver::testing::expect_the_properties_of_a_reranker([&](const Scores& scores) {
      return InvertedSoftmaxReranker({.scale = scale, .k = 12}).rerank({scores, {}});
    });
}

TEST(InvertedSoftmax, SaysThatItSeesAllQueriesAndTakesNoCandidateLists) {
  const InvertedSoftmaxReranker reranker(inverted_softmax::Params{});
  EXPECT_TRUE(reranker.transductive());
  EXPECT_FALSE(reranker.accepts_candidates());
  EXPECT_FALSE(reranker.needs().query_bank);
}

}  // namespace
