#include <gtest/gtest.h>

#include <cmath>
#include <string>

#include "qb_norm.h"
#include "tests/reranker_properties.h"

namespace {

using orbweaver::Matrix;
using orbweaver::Rankings;
using orbweaver::Scores;
using orbweaver::testing::coarse_scores;
using orbweaver::testing::matrix_of;
using orbweaver::testing::score_of;
using qb_norm::Params;
using qb_norm::QbNormReranker;

/// The bank knows item 0 as a hub, and never finds items 1 and 2 first.
const Matrix<double> bank = matrix_of<double>(2, 3,
                                              {0.7, 0.1, 0.3,  //
                                               0.6, 0.2, 0.3});
const Matrix<double> scores = matrix_of<double>(2, 3,
                                                {0.9, 0.8, 0.1,  //
                                                 0.2, 0.3, 0.4});

TEST(QbNorm, NormalisesAQueryWhoseBestItemIsAHubOfTheBank) {
  const Rankings lists = QbNormReranker({.scale = 10, .k = 3}).rerank({Scores(scores.view()), Scores(bank.view())});
  const double hub_sum = std::log(std::exp(7.0) + std::exp(6.0)), other_sum = std::log(std::exp(1.0) + std::exp(2.0));
  EXPECT_EQ(lists.items_of(0)[0], 1);
  EXPECT_NEAR(score_of(lists, 0, 0), 9 - hub_sum, 1e-13);
  EXPECT_NEAR(score_of(lists, 0, 1), 8 - other_sum, 1e-13);
  EXPECT_NEAR(score_of(lists, 0, 2), 1 - std::log(2 * std::exp(3.0)), 1e-13);
}

TEST(QbNorm, LeavesAQueryAloneWhoseBestItemIsNoHub) {
  const Rankings lists = QbNormReranker({.scale = 10, .k = 3}).rerank({Scores(scores.view()), Scores(bank.view())});
  EXPECT_EQ(lists.items_of(1)[0], 2);
  EXPECT_EQ(score_of(lists, 1, 2), 0.4);
  EXPECT_EQ(score_of(lists, 1, 0), 0.2);
}

TEST(QbNorm, NormalisesEveryQueryWhenItIsNotDynamicOrWhenTheItemIsAmongTheBanksBankKBest) {
  for (const Params& params : {Params{.scale = 10, .bank_k = 1, .dynamic = false, .k = 3},
                               Params{.scale = 10, .bank_k = 2, .dynamic = true, .k = 3}}) {
    const Rankings lists = QbNormReranker(params).rerank({Scores(scores.view()), Scores(bank.view())});
    EXPECT_NEAR(score_of(lists, 1, 2), 4 - std::log(2 * std::exp(3.0)), 1e-13);
  }
}

TEST(QbNorm, AQueryWithSeveralBestItemsIsNormalisedWhenOneOfThemIsAHub) {
  const Matrix<double> tied = matrix_of<double>(1, 3, {0.9, 0.9, 0.1});
  const Rankings lists = QbNormReranker({.scale = 10, .k = 3}).rerank({Scores(tied.view()), Scores(bank.view())});
  EXPECT_EQ(lists.items_of(0)[0], 1);
}

TEST(QbNorm, AQuerysResultDependsOnThatQueryAlone) {
  const Matrix<double> one = matrix_of<double>(1, 3, {0.9, 0.8, 0.1});
  const QbNormReranker reranker(Params{});
  EXPECT_FALSE(reranker.transductive());
  const Rankings alone = reranker.rerank({Scores(one.view()), Scores(bank.view())});
  const Rankings among = reranker.rerank({Scores(scores.view()), Scores(bank.view())});
  EXPECT_TRUE(std::ranges::equal(alone.items_of(0), among.items_of(0)));
  EXPECT_TRUE(std::ranges::equal(alone.scores_of(0), among.scores_of(0)));
}

TEST(QbNorm, HasThePropertiesOfARerankerWithABankThatKnowsNoItemApart) {
  for (const bool dynamic : {true, false})
    orbweaver::testing::expect_the_properties_of_a_reranker([&](const Scores& of) {
      Matrix<float> level(9, std::max<int64_t>(1, orbweaver::gallery_count(of)));
      return QbNormReranker({.scale = 5, .bank_k = 1, .dynamic = dynamic, .k = 12})
          .rerank({of, Scores(std::as_const(level).view())});
    });
}

TEST(QbNorm, IdenticalItemsStayTiedAndTheOrderOfTheBankDoesNotMatter) {
  Matrix<float> of = coarse_scores(40, 60, 5), training = coarse_scores(33, 60, 6), turned(33, 60);
  for (int64_t query = 0; query < 40; ++query) of(query, 47) = of(query, 3);
  for (int64_t query = 0; query < 33; ++query) training(query, 47) = training(query, 3);
  for (int64_t query = 0; query < 33; ++query)
    for (int64_t item = 0; item < 60; ++item) turned((query * 5 + 2) % 33, item) = training(query, item);
  const QbNormReranker reranker({.scale = 5, .k = 60});
  const Rankings lists = reranker.rerank({Scores(std::as_const(of).view()), Scores(std::as_const(training).view())});
  for (int64_t query = 0; query < 40; ++query) EXPECT_EQ(score_of(lists, query, 47), score_of(lists, query, 3));
  const Rankings again = reranker.rerank({Scores(std::as_const(of).view()), Scores(std::as_const(turned).view())});
  EXPECT_EQ(again.items, lists.items);
  EXPECT_EQ(again.scores, lists.scores);
}

TEST(QbNorm, RefusesToWorkWithoutABankOrWithOneOfAnotherGallery) {
  const QbNormReranker reranker(Params{});
  EXPECT_TRUE(reranker.needs().query_bank);
  const auto error = [&](const Scores& of_bank) -> std::string {
    try {
      reranker.rerank({Scores(scores.view()), of_bank});
    } catch (const orbweaver::InputError& problem) {
      return problem.what();
    }
    return "";
  };
  EXPECT_EQ(error({}), "query bank: 0 training queries against 0 items, expected at least one against the gallery's 3");
  const Matrix<double> narrow(2, 2);
  EXPECT_NE(error(narrow.view()).find("2 training queries against 2 items"), std::string::npos);
  Matrix<double> broken = bank;
  broken(1, 2) = std::nan("");
  EXPECT_EQ(error(std::as_const(broken).view()),
            "query bank: scores: query 1, gallery item 2 is nan, expected a finite score");
}

}  // namespace
