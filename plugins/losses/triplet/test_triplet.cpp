#include <gtest/gtest.h>

#include "gradient_check.h"
#include "triplet.h"

namespace {

using orbweaver::LossInput;

orbweaver::LossOutput run(TripletParams params, const LossInput& batch) {
  return TripletLoss(params, orbweaver::Inputs{}).forward(batch);
}

LossInput three_pairs() {
  LossInput batch;
  batch.scores = at::tensor({0.9, 0.8, 0.1, 0.3, 0.5, 0.6, 0.2, 0.0, 0.4}, at::kDouble).view({3, 3});
  batch.negatives = at::eye(3, at::kBool).logical_not();
  return batch;
}

// Rows: 0.2-0.9+0.8 = .1; 0.2-0.5+0.3 = 0, 0.2-0.5+0.6 = .3; 0.2-0.4+0.2 = 0.
// Columns: 0.2-0.5+0.8 = .5; 0.2-0.4+0.6 = .4, 0.2-0.4+0.1 < 0; column 0 has none.
TEST(Triplet, SumsEveryViolationInBothDirections) {
  const auto loss = run({0.2, TripletParams::Negatives::sum}, three_pairs());
  ASSERT_EQ(loss.parts.size(), 2u);
  EXPECT_EQ(loss.parts[0].first, "i2t");
  EXPECT_NEAR(loss.parts[0].second.item<double>(), 0.4, 1e-12);
  EXPECT_EQ(loss.parts[1].first, "t2i");
  EXPECT_NEAR(loss.parts[1].second.item<double>(), 0.9, 1e-12);
  EXPECT_NEAR(loss.total.item<double>(), 1.3, 1e-12);
}

TEST(Triplet, HardestCountsOneNegativePerQuery) {
  // At margin 0.5 row 1 has violations .3 and .6, of which one counts.
  const auto loss = run({0.5, TripletParams::Negatives::hardest}, three_pairs());
  EXPECT_NEAR(loss.parts[0].second.item<double>(), 0.4 + 0.6 + 0.3, 1e-12);
  EXPECT_NEAR(loss.parts[1].second.item<double>(), 0.0 + 0.8 + 0.7, 1e-12);
}

TEST(Triplet, IgnoresPairsThatAreNoNegatives) {
  LossInput batch = three_pairs();
  batch.negatives[0][1] = false;
  const auto loss = run({0.2, TripletParams::Negatives::sum}, batch);
  EXPECT_NEAR(loss.total.item<double>(), 1.3 - 0.1 - 0.5, 1e-12);
}

TEST(Triplet, IsZeroForABatchOfOne) {
  LossInput batch;
  batch.scores = at::full({1, 1}, 0.3, at::kDouble).set_requires_grad(true);
  batch.negatives = at::zeros({1, 1}, at::kBool);
  const auto loss = run({}, batch);
  EXPECT_EQ(loss.total.item<double>(), 0);
  loss.total.backward();
  EXPECT_EQ(batch.scores.grad().item<double>(), 0);
}

TEST(Triplet, GradientAgreesWithFiniteDifferences) {
  at::manual_seed(3);
  for (const auto negatives : {TripletParams::Negatives::sum, TripletParams::Negatives::hardest}) {
    LossInput batch;
    batch.scores = at::rand({6, 6}, at::kDouble).set_requires_grad(true);
    batch.negatives = at::eye(6, at::kBool).logical_not();
    const auto total = [&] { return run({0.3, negatives}, batch).total; };
    EXPECT_LT(orbweaver::testing::gradient_error(total, {batch.scores}), 1e-7);
  }
}

}  // namespace
