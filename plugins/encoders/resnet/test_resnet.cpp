#include <gtest/gtest.h>

#include "resnet.h"
#include "temporary_folder.h"
#include "weights_file.h"

namespace {

namespace fs = std::filesystem;
using orbweaver::Inputs;

ResnetParams of_depth(int64_t depth) {
  ResnetParams params;
  params.depth = depth;
  return params;
}

int64_t count_weights(const torch::nn::Module& module) {
  int64_t count = 0;
  for (const at::Tensor& parameter : module.parameters()) count += parameter.numel();
  return count;
}

orbweaver::StateDict state_of(const torch::nn::Module& module) {
  orbweaver::StateDict state;
  for (const auto& parameter : module.named_parameters()) state[parameter.key()] = parameter.value().detach();
  for (const auto& buffer : module.named_buffers()) state[buffer.key()] = buffer.value();
  return state;
}

TEST(Resnet, HasAsManyWeightsAsTorchvisionsWithoutTheClassifier) {
  EXPECT_EQ(count_weights(ResnetEncoder(of_depth(18), Inputs{})), 11'689'512 - 513'000);
  EXPECT_EQ(count_weights(ResnetEncoder(of_depth(34), Inputs{})), 21'797'672 - 513'000);
  EXPECT_EQ(count_weights(ResnetEncoder(of_depth(50), Inputs{})), 25'557'032 - 2'049'000);
}

TEST(Resnet, HasTorchvisionsNames) {
  ResnetEncoder small(of_depth(18), Inputs{}), large(of_depth(50), Inputs{});
  const auto parameters = small.named_parameters(), bottlenecks = large.named_parameters();
  for (const char* name : {"conv1.weight", "bn1.bias", "layer1.0.conv1.weight", "layer1.1.bn2.weight",
                           "layer2.0.downsample.0.weight", "layer2.0.downsample.1.bias", "layer4.1.conv2.weight"})
    EXPECT_TRUE(parameters.contains(name)) << name;
  EXPECT_FALSE(parameters.contains("layer1.0.downsample.0.weight"));
  for (const auto& parameter : parameters) EXPECT_FALSE(parameter.key().starts_with("trunk.")) << parameter.key();
  EXPECT_TRUE(small.named_buffers().contains("layer3.0.downsample.1.running_mean"));
  EXPECT_EQ(bottlenecks["layer1.0.downsample.0.weight"].sizes(), at::IntArrayRef({256, 64, 1, 1}));
  EXPECT_EQ(bottlenecks["layer4.2.conv3.weight"].sizes(), at::IntArrayRef({2048, 512, 1, 1}));
}

TEST(Resnet, GivesTheFourthStagesPositionsAndTheirMean) {
  for (const int64_t depth : {18, 50}) {
    ResnetEncoder encoder(of_depth(depth), Inputs{});
    encoder.eval();
    at::NoGradGuard no_grad;
    const auto image = encoder.forward(at::rand({2, 3, 64, 96}));
    const int64_t width = depth == 18 ? 512 : 2048;
    EXPECT_EQ(encoder.outputs().global, width);
    EXPECT_EQ(image.tokens.sizes(), at::IntArrayRef({2, 2 * 3, width}));
    EXPECT_TRUE(image.global.allclose(image.tokens.mean(1)));
    EXPECT_GT(image.global.abs().max().item<float>(), 0);
  }
}

TEST(Resnet, SendsAGradientToEveryWeight) {
  ResnetEncoder encoder(of_depth(18), Inputs{});
  encoder.forward(at::rand({2, 3, 64, 64})).global.square().sum().backward();
  for (const auto& parameter : encoder.named_parameters())
    EXPECT_GT(parameter.value().grad().abs().sum().item<float>(), 0) << parameter.key();
}

TEST(Resnet, RefusesADepthThatThereIsNot) {
  EXPECT_THROW(ResnetEncoder(of_depth(20), Inputs{}), orbweaver::InputError);
}

class ResnetWeights : public ::testing::Test {
 protected:
  void SetUp() override {
    at::manual_seed(8);
    source_ = std::make_unique<ResnetEncoder>(of_depth(18), Inputs{});
    state_ = state_of(*source_);
  }

  ResnetParams params(int64_t depth) const {
    ResnetParams params = of_depth(depth);
    params.weights = file_;
    return params;
  }
  std::string error_of(int64_t depth) const {
    try {
      ResnetEncoder encoder(params(depth), Inputs{});
    } catch (const orbweaver::InputError& error) {
      return error.what();
    }
    return "no error";
  }

  orbweaver::testing::TemporaryFolder folder_;
  fs::path file_ = folder_.path() / "weights.safetensors";
  std::unique_ptr<ResnetEncoder> source_;
  orbweaver::StateDict state_;
};

TEST_F(ResnetWeights, AreLoadedAndTheClassifierIsPassedOver) {
  state_["fc.weight"] = at::zeros({1000, 512});
  state_["fc.bias"] = at::zeros({1000});
  orbweaver::testing::write_weights(file_, state_);
  ::testing::internal::CaptureStderr();
  ResnetEncoder encoder(params(18), Inputs{});
  EXPECT_NE(::testing::internal::GetCapturedStderr().find("fc.*"), std::string::npos);
  encoder.eval();
  source_->eval();
  at::NoGradGuard no_grad;
  const at::Tensor images = at::rand({1, 3, 64, 64});
  EXPECT_TRUE(encoder.forward(images).global.equal(source_->forward(images).global));
}

TEST_F(ResnetWeights, ThatDoNotFitAreReportedAllAtOnce) {
  state_.erase("layer1.0.conv1.weight");
  state_["head.weight"] = at::zeros({2});
  state_["bn1.bias"] = at::zeros({32});
  orbweaver::testing::write_weights(file_, state_);
  const std::string error = error_of(18);
  EXPECT_NE(error.find("1 missing: layer1.0.conv1.weight"), std::string::npos) << error;
  EXPECT_NE(error.find("1 unexpected: head.weight"), std::string::npos) << error;
  EXPECT_NE(error.find("bn1.bias is [32], expected [64]"), std::string::npos) << error;
}

TEST_F(ResnetWeights, OfAnotherDepthAreRefused) {
  orbweaver::testing::write_weights(file_, state_);
  EXPECT_NE(error_of(34).find("depth 34"), std::string::npos);
}

}  // namespace
