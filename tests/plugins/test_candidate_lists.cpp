// Rerankers on candidate lists, as the framework makes them for galleries whose matrix does not fit.
#include <gtest/gtest.h>

#include <algorithm>
#include <cstdint>
#include <optional>
#include <utility>

#include "framework/eval/candidates.h"
#include "plugins/rerank/cross_modal/cross_modal.h"
#include "plugins/rerank/multivariate/multivariate.h"
#include "tests/reranker_properties.h"

namespace {

using cross_modal::CrossModalReranker;
using multivariate::MultivariateReranker;
using orbweaver::candidate_input;
using orbweaver::Matrix;
using orbweaver::Rankings;
using orbweaver::Scores;
using orbweaver::testing::coarse_scores;

/// Candidates and statistics of a gallery that arrives 7, 14, 21, ... items at a time.
orbweaver::CandidateInput streamed(const Matrix<float>& scores, int64_t k, int64_t reverse_length) {
  orbweaver::CandidateStream stream(scores.rows(), k, reverse_length);
  for (int64_t first = 0, count = 7; first < scores.cols(); first += count, count += 7)
    stream.add(orbweaver::MatrixView<const float>(scores.data() + first, scores.rows(),
                                                  std::min(count, scores.cols() - first), scores.cols(), 1));
  return stream.finish();
}

/// Twenty candidates each, from scores full of ties and their transpose.
void expect_the_same_from_lists_as_from_the_matrix(const orbweaver::Reranker& reranker) {
  ASSERT_TRUE(reranker.accepts_candidates());
  const Matrix<float> scores = coarse_scores(40, 70, 9);
  for (const Scores& both : {Scores(scores.view()), Scores(scores.view().transposed())}) {
    const Rankings dense = reranker.rerank({both, {}});
    const Rankings lists = reranker.rerank_candidates(candidate_input(both, 20, reranker.needs().reverse_length));
    EXPECT_EQ(lists.items, dense.items);
    EXPECT_EQ(lists.scores, dense.scores);
  }
  const Matrix<float> large = coarse_scores(90, 1000, 10);
  const Rankings dense = reranker.rerank({large.view(), {}});
  const Rankings lists = reranker.rerank_candidates(streamed(large, 20, reranker.needs().reverse_length));
  EXPECT_EQ(lists.items, dense.items);
  EXPECT_EQ(lists.scores, dense.scores);
}

TEST(Multivariate, CandidateListsGiveTheSameAsTheWholeMatrixEvenAmongTies) {
  for (const auto variant : {multivariate::Variant::paper, multivariate::Variant::released})
    for (const int64_t l : {3, 12}) {
      multivariate::Params params;
      params.k = 11, params.l = l, params.variant = variant;
      if (l == 3) params.similarity = multivariate::Similarity::mean_cosine;
      expect_the_same_from_lists_as_from_the_matrix(MultivariateReranker(params));
    }
}

TEST(Multivariate, RefusesReverseListsThatAreTooShort) {
  // Lists go on through ties, so there are none: 997 has no divisor in common with 2800.
  Matrix<float> scores(40, 70);
  for (int64_t i = 0; i < 2800; ++i) scores.data()[i] = static_cast<float>(i * 997 % 2800) / 2800;
  const MultivariateReranker reranker(multivariate::Params{});
  EXPECT_THROW(reranker.rerank_candidates(candidate_input(std::as_const(scores).view(), 25, 5)), orbweaver::ShapeError);
}

TEST(Multivariate, SoftmaxRefusesCandidateLists) {
  const Matrix<float> scores = coarse_scores(2, 3, 1);
  multivariate::Params params;
  params.similarity = multivariate::Similarity::softmax;
  const MultivariateReranker reranker(params);
  EXPECT_FALSE(reranker.accepts_candidates());
  EXPECT_THROW(reranker.rerank_candidates(candidate_input(scores.view(), 2, 2)), orbweaver::InputError);
}

TEST(CrossModal, CandidateListsGiveTheSameAsTheWholeMatrixEvenAmongTies) {
  for (const std::optional<int64_t> l : {std::optional<int64_t>(), std::optional<int64_t>(4)})
    expect_the_same_from_lists_as_from_the_matrix(CrossModalReranker({.k = 11, .l = l}));
}

}  // namespace
