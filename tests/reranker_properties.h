// What every reranker that scores the whole gallery must do, whatever its formula.
#pragma once

#include <gtest/gtest.h>

#include <cmath>
#include <functional>
#include <limits>
#include <random>
#include <utility>
#include <vector>

#include "orbweaver/error.h"
#include "orbweaver/matrix.h"
#include "orbweaver/reranker.h"

namespace orbweaver::testing {

using Rerank = std::function<Rankings(const Scores&)>;

/// Few distinct values around zero, so that ties are everywhere.
inline Matrix<float> coarse_scores(int64_t queries, int64_t items, unsigned seed) {
  std::mt19937 random(seed);
  Matrix<float> scores(queries, items);
  for (int64_t i = 0; i < queries * items; ++i) scores.data()[i] = static_cast<float>(random() % 30) / 16 - 0.5f;
  return scores;
}

template <class T>
Matrix<T> matrix_of(int64_t rows, int64_t cols, const std::vector<T>& values) {
  Matrix<T> matrix(rows, cols);
  std::copy(values.begin(), values.end(), matrix.data());
  return matrix;
}

/// An item's new score, or NaN where it is not listed.
inline double score_of(const Rankings& lists, int64_t query, int64_t item) {
  for (size_t at = 0; at < lists.items_of(query).size(); ++at)
    if (lists.items_of(query)[at] == item) return lists.scores_of(query)[at];
  return std::nan("");
}

inline void expect_same_score(double got, double expected, int64_t query, int64_t item) {
  EXPECT_TRUE(got == expected || (std::isnan(got) && std::isnan(expected)))
      << "query " << query << " item " << item << ": " << got << ", expected " << expected;
}

inline void expect_identical_items_keep_identical_scores(const Rerank& rerank) {
  Matrix<float> scores = coarse_scores(40, 60, 5);
  for (int64_t query = 0; query < 40; ++query) scores(query, 47) = scores(query, 3);
  const Rankings lists = rerank(std::as_const(scores).view());
  for (int64_t query = 0; query < 40; ++query)
    expect_same_score(score_of(lists, query, 47), score_of(lists, query, 3), query, 47);
}

/// Bit for bit: no score depends on where its query or its item stands.
inline void expect_no_dependence_on_order(const Rerank& rerank) {
  const int64_t queries = 31, items = 50;
  const Matrix<float> scores = coarse_scores(queries, items, 7);
  const auto row = [](int64_t query) { return (query * 12 + 5) % 31; };
  const auto col = [](int64_t item) { return (item * 7 + 3) % 50; };
  Matrix<float> turned(queries, items);
  for (int64_t query = 0; query < queries; ++query)
    for (int64_t item = 0; item < items; ++item) turned(row(query), col(item)) = scores(query, item);
  const Rankings before = rerank(scores.view()), after = rerank(std::as_const(turned).view());
  for (int64_t query = 0; query < queries; ++query)
    for (int64_t item = 0; item < items; ++item)
      expect_same_score(score_of(after, row(query), col(item)), score_of(before, query, item), query, item);
}

inline void expect_same_from_either_memory_order_and_dtype(const Rerank& rerank) {
  const Matrix<float> scores = coarse_scores(37, 90, 8);
  Matrix<float> turned(90, 37);
  Matrix<double> wide(37, 90);
  for (int64_t query = 0; query < 37; ++query)
    for (int64_t item = 0; item < 90; ++item) {
      turned(item, query) = scores(query, item);
      wide(query, item) = static_cast<double>(scores(query, item));
    }
  const Rankings expected = rerank(scores.view());
  for (const Scores& same : {Scores(std::as_const(turned).view().transposed()), Scores(std::as_const(wide).view())}) {
    const Rankings got = rerank(same);
    EXPECT_EQ(got.items, expected.items);
    EXPECT_EQ(got.scores, expected.scores);
  }
}

inline void expect_refusal_of_empty_and_infinite_scores(const Rerank& rerank) {
  Matrix<float> scores = coarse_scores(4, 5, 11);
  scores(2, 3) = std::numeric_limits<float>::infinity();
  EXPECT_THROW(rerank(std::as_const(scores).view()), InputError);
  const Matrix<float> none(0, 3), nobody(3, 0);
  EXPECT_THROW(rerank(none.view()), ShapeError);
  EXPECT_THROW(rerank(nobody.view()), ShapeError);
}

/// All of them. `rerank` should list more than a few items per query.
inline void expect_the_properties_of_a_reranker(const Rerank& rerank) {
  expect_identical_items_keep_identical_scores(rerank);
  expect_no_dependence_on_order(rerank);
  expect_same_from_either_memory_order_and_dtype(rerank);
  expect_refusal_of_empty_and_infinite_scores(rerank);
}

}  // namespace orbweaver::testing
