// Candidate lists from a gallery in parts, and the passes over score matrices that rerankers share, against sorts of
// everything.
#include <gtest/gtest.h>

#include <algorithm>
#include <cstdint>
#include <limits>
#include <numeric>
#include <random>
#include <string>
#include <utility>
#include <vector>

#include "framework/eval/candidates.h"
#include "orbweaver/error.h"
#include "orbweaver/ranking.h"

namespace orbweaver {
namespace {

/// `levels` different values, or nearly all different ones for 0.
template <class T>
Matrix<T> random_scores(int64_t queries, int64_t items, unsigned levels, unsigned seed) {
  std::mt19937 random(seed);
  Matrix<T> scores(queries, items);
  for (int64_t i = 0; i < queries * items; ++i)
    scores.data()[i] = levels > 0 ? static_cast<T>(random() % levels) / 16 - 1 : static_cast<T>(random()) / 4e9f;
  return scores;
}

template <class T>
Matrix<T> copy_of_columns(const Matrix<T>& scores, int64_t first, int64_t count) {
  Matrix<T> part(scores.rows(), count);
  for (int64_t query = 0; query < scores.rows(); ++query)
    for (int64_t item = 0; item < count; ++item) part(query, item) = scores(query, first + item);
  return part;
}

void expect_equal(const Rankings& got, const Rankings& expected) {
  EXPECT_EQ(got.offsets, expected.offsets);
  EXPECT_EQ(got.items, expected.items);
  EXPECT_EQ(got.scores, expected.scores);
}

template <class T>
Rankings lists_by_sorting(const Matrix<T>& scores, int64_t k) {
  Rankings lists;
  for (int64_t query = 0; query < scores.rows(); ++query) {
    std::vector<int64_t> order(static_cast<size_t>(scores.cols()));
    std::iota(order.begin(), order.end(), 0);
    std::stable_sort(order.begin(), order.end(),
                     [&](int64_t a, int64_t b) { return scores(query, a) > scores(query, b); });
    for (size_t at = 0; at < order.size(); ++at) {
      const bool tied = at > 0 && scores(query, order[at]) == scores(query, order[at - 1]);
      if (static_cast<int64_t>(at) >= k && !(k > 0 && tied)) break;
      lists.items.push_back(order[at]);
      lists.scores.push_back(static_cast<double>(scores(query, order[at])));
    }
    lists.offsets.push_back(static_cast<int64_t>(lists.items.size()));
  }
  return lists;
}

template <class T>
Matrix<T> turned(const Matrix<T>& scores) {
  Matrix<T> result(scores.cols(), scores.rows());
  for (int64_t row = 0; row < scores.rows(); ++row)
    for (int64_t col = 0; col < scores.cols(); ++col) result(col, row) = scores(row, col);
  return result;
}

template <class T>
void expect_lists_of_a_sort() {
  for (const unsigned levels : {0u, 3u, 200u})
    for (const int64_t items : {1, 15, 70, 900}) {
      const Matrix<T> scores = random_scores<T>(37, items, levels, 1 + levels), other = turned(scores);
      for (const int64_t k : {0, 1, 25, 120, 2000}) {
        SCOPED_TRACE(testing::Message() << levels << " levels, " << items << " items, k " << k);
        const Rankings expected = lists_by_sorting(scores, k);
        expect_equal(top_candidates(scores.view(), k), expected);
        expect_equal(top_candidates(std::as_const(other).view().transposed(), k), expected);
      }
    }
}

TEST(TopCandidates, AreTheFirstOfAStableSortAndWhatIsTiedWithTheLastInEitherMemoryOrder) {
  expect_lists_of_a_sort<float>();
  expect_lists_of_a_sort<double>();
}

TEST(TopCandidates, FindsThemWhereTheyStandSideBySide) {
  // The best of each query are neighbours, in ascending order.
  Matrix<float> scores(20, 2000);
  for (int64_t query = 0; query < 20; ++query)
    for (int64_t item = 0; item < 2000; ++item)
      scores(query, item) = item / 100 == query ? 2 + static_cast<float>(item) : static_cast<float>(item % 7) / 7;
  const Matrix<float> other = turned(scores);
  const Rankings expected = lists_by_sorting(scores, 25);
  expect_equal(top_candidates(std::as_const(scores).view(), 25), expected);
  expect_equal(top_candidates(std::as_const(other).view().transposed(), 25), expected);
}

TEST(ReverseRanks, CountTheQueriesThatScoreHigherWhateverTheMemoryOrder) {
  for (const unsigned levels : {0u, 20u}) {
    const Matrix<float> scores = random_scores<float>(150, 40, levels, 3), other = turned(scores);
    for (const int64_t k : {1, 5, 40})
      for (const int64_t length : {int64_t{1}, int64_t{4}, int64_t{25}, whole_list})
        for (const Scores& both : {Scores(scores.view()), Scores(other.view().transposed())}) {
          const Rankings lists = top_candidates(both, k);
          const std::vector<int64_t> ranks = reverse_ranks(both, lists, length);
          for (int64_t query = 0; query < 150; ++query)
            for (size_t at = 0; at < lists.items_of(query).size(); ++at) {
              const int64_t item = lists.items_of(query)[at];
              int64_t higher = 0;
              for (int64_t rival = 0; rival < 150; ++rival) higher += scores(rival, item) > scores(query, item);
              const int64_t rank = ranks[static_cast<size_t>(lists.offsets[static_cast<size_t>(query)]) + at];
              ASSERT_TRUE(rank == higher || (rank == not_listed && higher >= length))
                  << "query " << query << " item " << item << ": " << rank << ", expected " << higher;
            }
        }
  }
}

TEST(ColumnSums, AreThoseOfAdditionInQueryOrderToTheBit) {
  const Matrix<float> scores = random_scores<float>(501, 21, 0, 4), other = turned(scores);
  std::vector<double> expected(21);
  for (int64_t query = 0; query < 501; ++query)
    for (int64_t item = 0; item < 21; ++item) expected[static_cast<size_t>(item)] += double{scores(query, item)};
  EXPECT_EQ(column_sums(scores.view()), expected);
  EXPECT_EQ(column_sums(other.view().transposed()), expected);
}

TEST(FiniteColumnSums, AcceptFiniteScoresWhoseSumIsNot) {
  Matrix<double> scores(2, 1);
  scores(0, 0) = scores(1, 0) = std::numeric_limits<double>::max();
  EXPECT_EQ(finite_column_sums(std::as_const(scores).view()).front(), std::numeric_limits<double>::infinity());
  scores(1, 0) = -std::numeric_limits<double>::infinity();
  EXPECT_THROW(finite_column_sums(std::as_const(scores).view()), InputError);
}

/// candidate_input worked out by sorting everything.
template <class T>
CandidateInput by_sorting(const Matrix<T>& scores, int64_t k, int64_t reverse_length) {
  CandidateInput input{.candidates = lists_by_sorting(scores, k),
                       .column_sums = column_sums(scores.view()),
                       .reverse = {},
                       .query_count = scores.rows()};
  const Rankings lists = lists_by_sorting(turned(scores), reverse_length);
  for (int64_t item = 0; item < scores.cols(); ++item) {
    if (std::ranges::find(input.candidates.items, item) != input.candidates.items.end()) {
      const auto queries = lists.items_of(item);
      const auto of_item = lists.scores_of(item);
      input.reverse.items.insert(input.reverse.items.end(), queries.begin(), queries.end());
      input.reverse.scores.insert(input.reverse.scores.end(), of_item.begin(), of_item.end());
    }
    input.reverse.offsets.push_back(static_cast<int64_t>(input.reverse.items.size()));
  }
  return input;
}

void expect_equal(const CandidateInput& got, const CandidateInput& expected) {
  expect_equal(got.candidates, expected.candidates);
  EXPECT_EQ(got.column_sums, expected.column_sums);
  expect_equal(got.reverse, expected.reverse);
  EXPECT_EQ(got.query_count, expected.query_count);
}

template <class T>
void expect_the_same_however_divided() {
  for (const unsigned levels : {0u, 12u}) {
    const Matrix<T> scores = random_scores<T>(23, 130, levels, 5);
    for (const int64_t reverse_length : {int64_t{0}, int64_t{3}, whole_list})
      for (const int64_t k : {0, 4, 400}) {
        const CandidateInput expected = by_sorting(scores, k, reverse_length);
        expect_equal(candidate_input(scores.view(), k, reverse_length), expected);
        for (const int64_t size : {1, 7, 100, 130}) {
          SCOPED_TRACE(testing::Message() << levels << " levels, k " << k << ", " << size << " items at a time");
          CandidateStream stream(23, k, reverse_length);
          for (int64_t first = 0; first < 130; first += size) {
            const Matrix<T> part = copy_of_columns(scores, first, std::min(size, 130 - first)), other = turned(part);
            stream.add(first % 2 == 0 ? part.view() : other.view().transposed());
            EXPECT_EQ(stream.gallery_count(), first + part.cols());
          }
          expect_equal(stream.finish(), expected);
        }
      }
  }
}

TEST(CandidateStream, GivesWhatTheWholeMatrixGivesHoweverTheGalleryIsDividedEvenAmongTies) {
  expect_the_same_however_divided<float>();
  expect_the_same_however_divided<double>();
}

TEST(CandidateStream, NamesAnInfiniteScoreByItsPlaceInTheWholeGallery) {
  CandidateStream stream(2, 5, 5);
  const Matrix<float> good = random_scores<float>(2, 30, 0, 6);
  stream.add(good.view());
  Matrix<float> bad = good;
  bad(1, 4) = std::numeric_limits<float>::infinity();
  try {
    stream.add(std::as_const(bad).view());
    FAIL();
  } catch (const InputError& error) {
    EXPECT_STREQ(error.what(), "scores: query 1, gallery item 34 is inf, expected a finite score");
  }
  // A part that was refused is not there.
  EXPECT_EQ(stream.gallery_count(), 30);
}

TEST(CandidateStream, RefusesSizesThatDoNotFit) {
  EXPECT_THROW(CandidateStream(0, 5, 5), ShapeError);
  CandidateStream stream(2, 5, 5);
  EXPECT_THROW(stream.finish(), ShapeError);
  const Matrix<float> three(3, 4), none(2, 0);
  EXPECT_THROW(stream.add(three.view()), ShapeError);
  EXPECT_THROW(stream.add(none.view()), ShapeError);
}

}  // namespace
}  // namespace orbweaver
