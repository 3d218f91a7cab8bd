#include <gtest/gtest.h>

#include "csls.h"
#include "tests/reranker_properties.h"

namespace {

using csls::CslsReranker;
using orbweaver::Matrix;
using orbweaver::Rankings;
using orbweaver::Scores;
using orbweaver::testing::matrix_of;
using orbweaver::testing::score_of;

/// Item 0 is a hub: every query prefers it.
const Matrix<double> hub = matrix_of<double>(3, 2,
                                             {0.9, 0.8,  //
                                              0.8, 0.1,  //
                                              0.7, 0.3});

TEST(Csls, TakesTheMeanOfBothNeighbourhoodsAway) {
  const Rankings lists = CslsReranker({.neighbours = 2, .k = 2}).rerank({Scores(hub.view()), {}});
  // r of the queries 0.85, 0.45, 0.5; of the items (0.9 + 0.8) / 2 = 0.85 and (0.8 + 0.3) / 2 = 0.55.
  EXPECT_EQ(lists.items_of(0)[0], 1) << "1.6 - 0.85 - 0.55 = 0.2 against 1.8 - 0.85 - 0.85 = 0.1";
  EXPECT_NEAR(score_of(lists, 0, 0), 0.1, 1e-15);
  EXPECT_NEAR(score_of(lists, 0, 1), 0.2, 1e-15);
  EXPECT_NEAR(score_of(lists, 1, 0), 0.3, 1e-15);
  EXPECT_NEAR(score_of(lists, 1, 1), -0.8, 1e-15);
  EXPECT_NEAR(score_of(lists, 2, 1), 0.6 - 0.5 - 0.55, 1e-15);
}

TEST(Csls, ANeighbourhoodHoldsEverybodyWhereThereAreFewer) {
  const Rankings lists = CslsReranker({.neighbours = 10, .k = 2}).rerank({Scores(hub.view()), {}});
  EXPECT_NEAR(score_of(lists, 0, 0), 1.8 - 0.85 - 0.8, 1e-15);
  EXPECT_NEAR(score_of(lists, 0, 1), 1.6 - 0.85 - 0.4, 1e-15);
}

TEST(Csls, CountsTiedNeighboursOnlyAsOftenAsThereAreNeighbours) {
  const Matrix<float> scores = matrix_of<float>(4, 1, {0.5f, 0.25f, 0.25f, 0.25f});
  const Rankings lists = CslsReranker({.neighbours = 2, .k = 1}).rerank({Scores(scores.view()), {}});
  EXPECT_EQ(score_of(lists, 0, 0), 1.0 - 0.5 - 0.375);
}

TEST(Csls, HasThePropertiesOfAReranker) {
  for (const int64_t neighbours : {1, 10, 1000})
    orbweaver::testing::expect_the_properties_of_a_reranker([&](const Scores& scores) {
      return CslsReranker({.neighbours = neighbours, .k = 12}).rerank({scores, {}});
    });
}

TEST(Csls, SaysThatItSeesAllQueriesAndTakesNoCandidateLists) {
  const CslsReranker reranker(csls::Params{});
  EXPECT_TRUE(reranker.transductive());
  EXPECT_FALSE(reranker.accepts_candidates());
  EXPECT_FALSE(reranker.needs().query_bank);
}

}  // namespace
