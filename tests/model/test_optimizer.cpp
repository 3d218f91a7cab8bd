#include <ATen/ATen.h>

#include <cmath>

#include "framework/train/optimizer.h"
#include "framework/train/weight_average.h"
#include "model_test.h"

namespace orbweaver::testing {
namespace {

TrainParams params(TrainParams::Schedule schedule, double warmup = 0) {
  TrainParams out;
  out.lr = 0.1;
  out.final_lr = 0.02;
  out.epochs = 4;
  out.schedule = schedule;
  out.step_epochs = 2;
  out.step_factor = 0.5;
  out.warmup_epochs = warmup;
  return out;
}

TEST(LearningRate, StepFallsByTheFactorEverySoManyEpochs) {
  const TrainParams p = params(TrainParams::Schedule::step);
  EXPECT_DOUBLE_EQ(learning_rate(p, 0, 10), 0.1);
  EXPECT_DOUBLE_EQ(learning_rate(p, 19, 10), 0.1);
  EXPECT_DOUBLE_EQ(learning_rate(p, 20, 10), 0.05);
  EXPECT_DOUBLE_EQ(learning_rate(p, 39, 10), 0.05);
}

TEST(LearningRate, CosineGoesFromTheFirstToTheFinalRate) {
  const TrainParams p = params(TrainParams::Schedule::cosine);
  EXPECT_DOUBLE_EQ(learning_rate(p, 0, 10), 0.1);
  EXPECT_DOUBLE_EQ(learning_rate(p, 39, 10), 0.02);
  EXPECT_NEAR((learning_rate(p, 19, 10) + learning_rate(p, 20, 10)) / 2, 0.06, 1e-12);  // half way
}

TEST(LearningRate, WarmUpRisesLinearlyToTheFullRate) {
  const TrainParams p = params(TrainParams::Schedule::constant, 0.5);
  EXPECT_DOUBLE_EQ(learning_rate(p, 0, 10), 0.02);
  EXPECT_DOUBLE_EQ(learning_rate(p, 4, 10), 0.1);
  EXPECT_DOUBLE_EQ(learning_rate(p, 5, 10), 0.1);
}

class Moments : public ::testing::TestWithParam<TrainParams::Optimizer> {};

/// Five steps on a quadratic; with `save_after` the optimiser is saved, thrown away and restored in between.
at::Tensor descend(TrainParams::Optimizer rule, int save_after) {
  TrainParams p;
  p.optimizer = rule;
  p.weight_decay = 0.01;
  const at::Tensor x = at::tensor({1.0f, -2.0f, 3.0f}).requires_grad_(true);
  const auto make = [&] {
    return std::make_unique<Optimizer>(p, std::vector<RetrievalModel::ParameterGroup>{{1.0, {{"x", x}}}});
  };
  auto optimizer = make();
  for (int step = 0; step < 5; ++step) {
    if (step == save_after) {
      TensorMap saved;
      for (const auto& [name, tensor] : optimizer->state()) saved[name] = tensor.clone();
      EXPECT_FALSE(saved.empty());
      optimizer = make();
      optimizer->load_state(saved, "test");
    }
    optimizer->zero_grad();
    (x * x * at::tensor({1.0f, 2.0f, 3.0f})).sum().backward();
    optimizer->step(0.1);
  }
  return x.detach();
}

TEST_P(Moments, RestoredInTheMiddleGiveTheSameNumbersToTheBit) {
  EXPECT_TRUE(descend(GetParam(), -1).equal(descend(GetParam(), 3)));
}

INSTANTIATE_TEST_SUITE_P(Rules, Moments,
                         ::testing::Values(TrainParams::Optimizer::adam, TrainParams::Optimizer::adamw,
                                           TrainParams::Optimizer::sgd));

TEST(Clipping, ScalesTheGradientToTheLargestNorm) {
  TrainParams p;
  p.optimizer = TrainParams::Optimizer::sgd;
  p.momentum = 0;
  p.clip_norm = 1;
  const at::Tensor x = at::tensor({3.0f, 4.0f}).requires_grad_(true);
  Optimizer optimizer(p, {{1.0, {{"x", x}}}});
  (x * at::tensor({3.0f, 4.0f})).sum().backward();  // gradient (3, 4), norm 5
  EXPECT_NEAR(optimizer.step(1.0), 5, 1e-5);
  EXPECT_NEAR(x[0].item<float>(), 3 - 0.6, 1e-4);
  EXPECT_NEAR(x[1].item<float>(), 4 - 0.8, 1e-4);
}

TEST(Average, FollowsTheFormulaAndSwapsBothWays) {
  const at::Tensor x = at::tensor({1.0}, at::kDouble).requires_grad_(true);
  WeightAverage average(0.5, {{1.0, {{"x", x}}}});
  const auto set = [&](double value) {
    at::NoGradGuard no_grad;
    x.fill_(value);
  };
  set(11);
  average.update(0);  // d = 1/10: 0.1 * 1 + 0.9 * 11 = 10
  set(20);
  average.update(100);  // d = 0.5: 0.5 * 10 + 0.5 * 20 = 15
  average.swap();
  EXPECT_NEAR(x.item<double>(), 15, 1e-12);
  average.swap();
  EXPECT_DOUBLE_EQ(x.item<double>(), 20);
}

}  // namespace
}  // namespace orbweaver::testing
