#include <gtest/gtest.h>

#include "gradient_check.h"
#include "info_nce.h"

namespace {

using orbweaver::Inputs;
using orbweaver::LossInput;

LossInput random_batch(int64_t size) {
  at::manual_seed(5);
  LossInput batch;
  batch.scores = at::rand({size, size}, at::kDouble).set_requires_grad(true);
  batch.negatives = at::eye(size, at::kBool).logical_not();
  return batch;
}

TEST(InfoNce, IsTheMeanCrossEntropyOfBothDirections) {
  LossInput batch;
  batch.scores = at::tensor({0.5, 0.1, 0.3, 0.2}, at::kDouble).view({2, 2});
  batch.negatives = at::eye(2, at::kBool).logical_not();
  InfoNceLoss loss({0.1, false, 100}, Inputs{});
  loss.to(at::kDouble);
  const auto out = loss.forward(batch);
  // log(1 + e^(other - match)) of each query, scores divided by 0.1.
  const double to_text = (std::log1p(std::exp(-4)) + std::log1p(std::exp(1))) / 2;
  const double to_image = (std::log1p(std::exp(-2)) + std::log1p(std::exp(-1))) / 2;
  EXPECT_NEAR(out.parts[0].second.item<double>(), to_text, 1e-6);
  EXPECT_NEAR(out.parts[1].second.item<double>(), to_image, 1e-6);
  EXPECT_NEAR(out.total.item<double>(), (to_text + to_image) / 2, 1e-6);
  EXPECT_EQ(out.parts[2].first, "temperature");
  EXPECT_NEAR(out.parts[2].second.item<double>(), 0.1, 1e-7);
}

TEST(InfoNce, LeavesPairsThatAreNoNegativesOutOfTheDenominator) {
  LossInput batch = random_batch(4);
  InfoNceLoss loss({0.07, true, 100}, Inputs{});
  batch.negatives[1][2] = false;
  const double before = loss.forward(batch).total.item<double>();
  batch.scores.data()[1][2] = 50;
  EXPECT_EQ(loss.forward(batch).total.item<double>(), before);
  const auto gradient = torch::autograd::grad({loss.forward(batch).total}, {batch.scores})[0];
  EXPECT_EQ(gradient[1][2].item<double>(), 0);
  EXPECT_TRUE(gradient.isfinite().all().item<bool>());
}

TEST(InfoNce, IsZeroForABatchWithoutNegatives) {
  LossInput batch = random_batch(3);
  batch.negatives.fill_(false);
  InfoNceLoss loss({}, Inputs{});
  EXPECT_EQ(loss.forward(batch).total.item<double>(), 0);
}

TEST(InfoNce, GradientsAgreeWithFiniteDifferences) {
  const LossInput batch = random_batch(5);
  InfoNceLoss loss({0.2, true, 100}, Inputs{});
  loss.to(at::kDouble);
  const auto total = [&] { return loss.forward(batch).total; };
  EXPECT_LT(orbweaver::testing::gradient_error(total, {batch.scores, loss.parameters()[0]}), 1e-7);
}

TEST(InfoNce, TemperatureIsAParameterOnlyWhenItIsLearnable) {
  EXPECT_EQ(InfoNceLoss({0.07, true, 100}, Inputs{}).parameters().size(), 1u);
  InfoNceLoss fixed({0.07, false, 100}, Inputs{});
  EXPECT_TRUE(fixed.parameters().empty());
  EXPECT_EQ(fixed.buffers().size(), 1u);
}

TEST(InfoNce, ComesBackFromTheLargestScale) {
  const LossInput batch = random_batch(3);
  InfoNceLoss loss({0.07, true, 20}, Inputs{});
  loss.parameters()[0].data().fill_(10);
  const auto out = loss.forward(batch);
  EXPECT_NEAR(out.parts[2].second.item<double>(), 1.0 / 20, 1e-6);
  EXPECT_NE(torch::autograd::grad({out.total}, {loss.parameters()[0]})[0].item<double>(), 0);
}

TEST(InfoNce, RefusesATemperatureBeyondTheLargestScale) {
  EXPECT_THROW(InfoNceLoss({0.005, true, 100}, Inputs{}), orbweaver::InputError);
}

}  // namespace
