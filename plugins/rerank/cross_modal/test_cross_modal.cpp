#include <gtest/gtest.h>

#include <algorithm>
#include <random>

#include "cross_modal.h"

namespace {

using cross_modal::CrossModalReranker;
using orbweaver::Matrix;
using orbweaver::Rankings;
using orbweaver::Scores;

Matrix<float> coarse_scores(int64_t queries, int64_t items, unsigned seed) {
  std::mt19937 random(seed);
  Matrix<float> scores(queries, items);
  for (int64_t i = 0; i < queries * items; ++i) scores.data()[i] = static_cast<float>(random() % 30) / 16 - 0.5f;
  return scores;
}

Matrix<float> hub_scores() {
  Matrix<float> scores(3, 3);
  // Item 0 is a hub: every query likes it, query 2 most.
  const float values[] = {0.7f, 0.6f, 0.1f,  //
                          0.8f, 0.2f, 0.5f,  //
                          0.9f, 0.3f, 0.4f};
  std::copy(std::begin(values), std::end(values), scores.data());
  return scores;
}

TEST(CrossModal, OrdersTheCandidatesByTheQuerysRankInTheirReverseLists) {
  const Matrix<float> scores = hub_scores();
  const Rankings lists = CrossModalReranker({.k = 2, .l = {}}).rerank({Scores(scores.view()), {}});
  // Query 0 is third for item 0 and first for item 1; query 1 second and first; query 2 first and second.
  EXPECT_EQ(lists.items, (std::vector<int64_t>{1, 0, 2, 0, 0, 2}));
  EXPECT_EQ(lists.scores, (std::vector<double>{0, -1, 0, -1, 0, -1}));
}

TEST(CrossModal, KeepsTheForwardOrderWhereReverseRanksAreEqual) {
  Matrix<float> scores(1, 3);
  const float values[] = {0.2f, 0.9f, 0.5f};
  std::copy(std::begin(values), std::end(values), scores.data());
  const Rankings lists = CrossModalReranker(cross_modal::Params{}).rerank({Scores(scores.view()), {}});
  EXPECT_EQ(lists.items, (std::vector<int64_t>{1, 2, 0}));
}

TEST(CrossModal, CountsReverseRanksFromLOnAsEqual) {
  const Matrix<float> scores = hub_scores();
  const Rankings lists = CrossModalReranker({.k = 3, .l = 1}).rerank({Scores(scores.view()), {}});
  // Query 1 is first for item 2 alone; items 0 and 1 follow in forward order.
  EXPECT_TRUE(std::ranges::equal(lists.items_of(1), std::vector<int64_t>{2, 0, 1}));
}

TEST(CrossModal, KeepsIdenticalItemsTied) {
  Matrix<float> scores = coarse_scores(40, 60, 5);
  for (int64_t query = 0; query < 40; ++query) scores(query, 47) = scores(query, 3);
  const Rankings lists = CrossModalReranker({.k = 12, .l = {}}).rerank({Scores(scores.view()), {}});
  int seen = 0;
  for (int64_t query = 0; query < 40; ++query) {
    const auto items = lists.items_of(query);
    const auto one = std::ranges::find(items, 3), other = std::ranges::find(items, 47);
    ASSERT_EQ(one == items.end(), other == items.end());
    if (one == items.end()) continue;
    EXPECT_EQ(lists.scores_of(query)[static_cast<size_t>(one - items.begin())],
              lists.scores_of(query)[static_cast<size_t>(other - items.begin())]);
    ++seen;
  }
  EXPECT_GT(seen, 0);
}

TEST(CrossModal, SaysThatItSeesAllQueriesAndReadsWholeReverseLists) {
  const CrossModalReranker reranker(cross_modal::Params{});
  EXPECT_TRUE(reranker.transductive());
  EXPECT_EQ(reranker.needs().reverse_length, orbweaver::whole_list);
}

}  // namespace
