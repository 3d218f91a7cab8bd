// The public implementation's metrics and rerankers on seeded scores, read in double.
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <cstring>
#include <memory>
#include <string>
#include <vector>

#include "framework/eval/candidates.h"
#include "framework/eval/metrics.h"
#include "framework/io/safetensors.h"
#include "plugins/rerank/cross_modal/cross_modal.h"
#include "plugins/rerank/multivariate/multivariate.h"
#include "tests/test_data.h"

namespace orbweaver {
namespace {

template <class T>
std::vector<T> numbers(const TensorEntry& entry) {
  std::vector<T> values(entry.bytes.size() / sizeof(T));
  std::memcpy(values.data(), entry.bytes.data(), entry.bytes.size());
  return values;
}

/// A float32 or float64 entry as doubles.
std::vector<double> reals(const TensorEntry& entry) {
  if (entry.dtype == "F64") return numbers<double>(entry);
  EXPECT_EQ(entry.dtype, "F32");
  const std::vector<float> values = numbers<float>(entry);
  return {values.begin(), values.end()};
}

class RerankGolden : public ::testing::Test {
 protected:
  void SetUp() override {
    ORBWEAVER_NEEDS_TEST_DATA("golden/rerank.safetensors");
    file_ = std::make_unique<SafetensorsFile>(testing::test_data() / "golden/rerank.safetensors");
    const TensorEntry& sim = file_->at("sim");
    images_ = sim.shape.at(0);
    texts_ = sim.shape.at(1);
    sim_ = numbers<double>(sim);
    i2t_ = MatrixView<const double>(sim_.data(), images_, texts_);
    t2i_ = transposed(i2t_);
    std::vector<int64_t> caption_image;
    for (int64_t text = 0; text < texts_; ++text) caption_image.push_back(text / 5);
    relevance_ = relevance(caption_image, images_);
  }

  std::vector<double> golden(const std::string& name) const { return reals(file_->at(name)); }

  /// R@1, R@5, R@10[, medR, meanR] as the golden file stores them. The reference breaks ties by stable sorts; none
  /// occurs in these scores, so that the strict rule must agree.
  void expect_metrics(const std::string& name, const Scores& scores, const Relevance& relevance,
                      const Rankings* reranked) {
    for (const TieRule rule : {TieRule::arbitrary, TieRule::strict}) {
      const DirectionMetrics of = direction_metrics(best_ranks(scores, relevance, rule, reranked));
      const double got[] = {of.r1, of.r5, of.r10, of.median_rank, of.mean_rank};
      const std::vector<double> expected = golden(name);
      for (size_t at = 0; at < expected.size(); ++at)
        EXPECT_NEAR(got[at], expected[at], 1e-6 * expected[at]) << name << " " << at;
    }
  }

  /// The scores of the golden matrix [images, texts] for a query and an item of one direction.
  double at(const std::vector<double>& matrix, bool i2t, int64_t query, int64_t item) const {
    return matrix[static_cast<size_t>(i2t ? query * texts_ + item : item * texts_ + query)];
  }

  /// Every candidate's score to 1e-6 relative to `least` or more, and no candidate outside the golden ones (`outside`
  /// marks those).
  void expect_scores(const std::string& name, bool i2t, const Rankings& reranked, double outside, double least) {
    const std::vector<double> expected = golden(name);
    const int64_t queries = i2t ? images_ : texts_, items = i2t ? texts_ : images_;
    double worst = 0;
    for (int64_t query = 0; query < queries; ++query) {
      const auto listed = reranked.items_of(query);
      for (size_t place = 0; place < listed.size(); ++place) {
        const double score = at(expected, i2t, query, listed[place]);
        const double error = std::abs(reranked.scores_of(query)[place] - score) / std::max(std::abs(score), least);
        worst = std::max(worst, error);
      }
      int64_t candidates = 0;
      for (int64_t item = 0; item < items; ++item) candidates += at(expected, i2t, query, item) != outside;
      EXPECT_EQ(candidates, static_cast<int64_t>(listed.size())) << name << " query " << query;
    }
    EXPECT_LE(worst, 1e-6) << name;
  }

  /// The matrix of the released code: 0 outside the candidates, which may so overtake a candidate of negative score.
  static Matrix<double> zero_outside(const Scores& scores, const Rankings& reranked) {
    Matrix<double> matrix(query_count(scores), gallery_count(scores));
    for (int64_t query = 0; query < matrix.rows(); ++query)
      for (size_t place = 0; place < reranked.items_of(query).size(); ++place)
        matrix(query, reranked.items_of(query)[place]) = reranked.scores_of(query)[place];
    return matrix;
  }

  void expect_recalls(const std::string& name, const Scores& scores, const Relevance& relevance) {
    const DirectionMetrics of = direction_metrics(best_ranks(scores, relevance, TieRule::arbitrary));
    const std::vector<double> expected = golden(name);
    EXPECT_NEAR(of.r1, expected.at(0), 1e-6 * expected.at(0)) << name;
    EXPECT_NEAR(of.r5, expected.at(1), 1e-6 * expected.at(1)) << name;
    EXPECT_NEAR(of.r10, expected.at(2), 1e-6 * expected.at(2)) << name;
  }

  /// Candidates in their new order, the rest in source order: the whole gallery, query by query.
  static std::vector<int64_t> full_order(const Scores& scores, const Rankings& reranked) {
    const Rankings source = top_candidates(scores, gallery_count(scores));
    std::vector<int64_t> order;
    for (int64_t query = 0; query < query_count(scores); ++query) {
      const auto listed = reranked.items_of(query);
      order.insert(order.end(), listed.begin(), listed.end());
      for (const int64_t item : source.items_of(query))
        if (std::find(listed.begin(), listed.end(), item) == listed.end()) order.push_back(item);
    }
    return order;
  }

  std::unique_ptr<SafetensorsFile> file_;
  int64_t images_ = 0, texts_ = 0;
  std::vector<double> sim_;
  Scores i2t_, t2i_;
  TwoWayRelevance relevance_;
};

TEST_F(RerankGolden, MetricsAreThoseOfTheReference) {
  expect_metrics("metrics.source.i2t_r1_r5_r10_medr_meanr", i2t_, relevance_.i2t, nullptr);
  expect_metrics("metrics.source.t2i_r1_r5_r10_medr_meanr", t2i_, relevance_.t2i, nullptr);
  const RetrievalMetrics both{direction_metrics(best_ranks(i2t_, relevance_.i2t, TieRule::arbitrary)),
                              direction_metrics(best_ranks(t2i_, relevance_.t2i, TieRule::arbitrary))};
  const double expected = golden("metrics.source.mR").at(0);
  EXPECT_NEAR(both.mean_recall(), expected, 1e-6 * expected);
}

TEST_F(RerankGolden, CrossModalGivesTheReferenceOrderItemByItem) {
  for (const int64_t k : {10, 25}) {
    const std::string name = "cross_modal.k" + std::to_string(k);
    const cross_modal::CrossModalReranker reranker({.k = k, .l = {}});
    const Rankings i2t = reranker.rerank({i2t_, {}}), t2i = reranker.rerank({t2i_, {}});
    EXPECT_EQ(full_order(i2t_, i2t), numbers<int64_t>(file_->at(name + ".i2t_order")));
    // Stored as [images, texts]: each column is one text query's order.
    const std::vector<int64_t> stored = numbers<int64_t>(file_->at(name + ".t2i_order"));
    const std::vector<int64_t> order = full_order(t2i_, t2i);
    for (int64_t text = 0; text < texts_; ++text)
      for (int64_t place = 0; place < images_; ++place)
        ASSERT_EQ(order[static_cast<size_t>(text * images_ + place)],
                  stored[static_cast<size_t>(place * texts_ + text)])
            << name << " text " << text << " place " << place;
    expect_metrics(name + ".i2t_r1_r5_r10_medr_meanr", i2t_, relevance_.i2t, &i2t);
    expect_metrics(name + ".t2i_r1_r5_r10_medr_meanr", t2i_, relevance_.t2i, &t2i);
  }
}

TEST_F(RerankGolden, MultivariateGivesThePapersScores) {
  const auto check = [&](const std::string& name, int64_t k, int64_t l) {
    multivariate::Params params;
    params.k = k;
    params.l = l;
    const multivariate::MultivariateReranker reranker(params);
    expect_scores(name + ".i2t", true, reranker.rerank({i2t_, {}}), -1e30, 1e-6);
    expect_scores(name + ".t2i", false, reranker.rerank({t2i_, {}}), -1e30, 1e-6);
  };
  check("mr_paper.k10.l10.xi0.05.wc1_0.5.wc2_1.25", 10, 10);
  check("mr_paper.k25.l25.xi0.05.wc1_0.5.wc2_1.25", 25, 25);
  check("mr_paper.k25.l10.xi0.05.wc1_0.5.wc2_1.25", 25, 10);
}

TEST_F(RerankGolden, MultivariateGivesTheReleasedCodesScoresAndRecalls) {
  const auto check = [&](const std::string& name, int64_t k, double w1, double w2) {
    multivariate::Params params;
    params.k = k;
    params.w1 = w1;
    params.w2 = w2;
    params.variant = multivariate::Variant::released;
    const multivariate::MultivariateReranker reranker(params);
    const Rankings i2t = reranker.rerank({i2t_, {}}), t2i = reranker.rerank({t2i_, {}});
    // The released code adds in float32: where its terms, of order 1, cancel, its error is relative to them.
    expect_scores(name + ".i2t", true, i2t, 0, 1);
    expect_scores(name + ".t2i", false, t2i, 0, 1);
    const Matrix<double> i2t_matrix = zero_outside(i2t_, i2t), t2i_matrix = zero_outside(t2i_, t2i);
    expect_recalls(name + ".i2t_r1_r5_r10", i2t_matrix.view(), relevance_.i2t);
    expect_recalls(name + ".t2i_r1_r5_r10", t2i_matrix.view(), relevance_.t2i);
  };
  for (const int64_t k : {10, 25}) {
    const std::string name = "mr_released.k" + std::to_string(k);
    check(name + ".wc2_1.25.wc1_0.5", k, 0.5, 1.25);
    check(name + ".wc2_0.3.wc1_1.1", k, 1.1, 0.3);
  }
}

TEST_F(RerankGolden, EveryEntryOfTheFileIsReproducedByATestAbove) {
  // sim + 3 of the source; per k 4 of cross_modal and 2 x 4 of mr_released; 3 x 2 of mr_paper.
  EXPECT_EQ(file_->tensors().size(), 1 + 3 + 2 * (4 + 2 * 4) + 3 * 2u);
}

TEST_F(RerankGolden, CandidateListsGiveTheSameAsTheWholeMatrix) {
  for (const Scores& scores : {i2t_, t2i_}) {
    for (const auto variant : {multivariate::Variant::paper, multivariate::Variant::released}) {
      multivariate::Params params;
      params.k = 10;
      params.variant = variant;
      const multivariate::MultivariateReranker reranker(params);
      const Rankings dense = reranker.rerank({scores, {}});
      const Rankings lists = reranker.rerank_candidates(candidate_input(scores, 40, reranker.needs().reverse_length));
      EXPECT_EQ(lists.offsets, dense.offsets);
      EXPECT_EQ(lists.items, dense.items);
      EXPECT_EQ(lists.scores, dense.scores);
    }
  }
}

}  // namespace
}  // namespace orbweaver
