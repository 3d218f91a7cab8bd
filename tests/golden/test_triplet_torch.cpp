// The released triplet loss of GaLR and VSE++ on seeded scores: value and gradient.
#include <gtest/gtest.h>

#include <string>

#include "orbweaver/torch/weights.h"
#include "plugins/losses/triplet/triplet.h"
#include "test_data.h"

namespace {

double relative_error(const at::Tensor& found, const at::Tensor& expected) {
  return ((found - expected).abs().max() / expected.abs().max()).item<double>();
}

TEST(TripletGolden, ReproducesTheReleasedValuesAndGradients) {
  ORBWEAVER_NEEDS_TEST_DATA("golden/triplet.safetensors");
  const auto golden = orbweaver::read_state_dict(orbweaver::testing::test_data() / "golden/triplet.safetensors");
  const auto read = [&](const std::string& name) { return golden.at(name).to(at::kDouble); };
  for (const std::string margin : {"0.2", "0.5"})
    for (const std::string negatives : {"sum", "max"}) {
      const std::string name = "triplet.margin" + margin + "." + negatives;
      orbweaver::LossInput batch;
      batch.scores = read("scores").set_requires_grad(true);
      batch.negatives = at::eye(batch.scores.size(0), at::kBool).logical_not();
      TripletParams params;
      params.margin = std::stod(margin);
      params.negatives = negatives == "sum" ? TripletParams::Negatives::sum : TripletParams::Negatives::hardest;
      const auto loss = TripletLoss(params, orbweaver::Inputs{}).forward(batch);
      loss.total.backward();
      EXPECT_LT(relative_error(loss.total.view({1}).detach(), read(name + ".loss")), 1e-6) << name;
      EXPECT_LT(relative_error(batch.scores.grad(), read(name + ".grad")), 1e-6) << name;
    }
}

}  // namespace
