#include <gtest/gtest.h>

#include <algorithm>

#include "gradient_check.h"
#include "mvsa.h"
#include "temporary_folder.h"
#include "test_data.h"
#include "weights_file.h"

namespace {

namespace fs = std::filesystem;
using orbweaver::Inputs;

MvsaParams of_size(int64_t size) {
  MvsaParams params;
  params.size = size;
  return params;
}

template <class F>
std::string error_of(F&& action) {
  try {
    action();
  } catch (const orbweaver::InputError& error) {
    return error.what();
  }
  return "no error";
}

orbweaver::StateDict state_of(const torch::nn::Module& module) {
  orbweaver::StateDict state;
  for (const auto& parameter : module.named_parameters()) state[parameter.key()] = parameter.value().detach();
  for (const auto& buffer : module.named_buffers()) state[buffer.key()] = buffer.value();
  return state;
}

TEST(Mvsa, ReproducesTheReleasedModule) {
  ORBWEAVER_NEEDS_TEST_DATA("golden/galr_mvsa.safetensors");
  const auto golden = orbweaver::read_state_dict(orbweaver::testing::test_data() / "golden/galr_mvsa.safetensors");
  orbweaver::StateDict weights;
  for (const auto& [name, tensor] : golden)
    if (name.starts_with("param.")) weights[name.substr(6)] = tensor;
  MultiLevelAttention::Sizes sizes;
  sizes.width = 64;
  MultiLevelAttention attention(sizes);
  orbweaver::load_state_dict(attention, weights);
  at::NoGradGuard no_grad;
  const at::Tensor out =
      orbweaver::l2_normalize(attention.forward(golden.at("in.lower"), golden.at("in.higher"), golden.at("in.solo")));
  const double difference = (out - golden.at("out")).abs().max().item<double>();
  RecordProperty("largest_difference", c10::str(difference));
  EXPECT_LT(difference, 1e-5);
}

TEST(Mvsa, FollowsItsFormulaOnNumbersWorkedByHand) {
  MultiLevelAttention attention({.lower = 1, .higher = 1, .positions = 1, .width = 2, .channels = 1});
  at::NoGradGuard no_grad;
  for (auto& parameter : attention.parameters()) parameter.zero_();
  auto parameters = attention.named_parameters();
  parameters["LF_conv.weight"][0][0][1][1] = 1;  // L = the lower level at (1, 1)
  parameters["HF_conv.weight"].fill_(2);         // H = 2 * higher
  parameters["conv1x1_1.weight"].copy_(at::tensor({1.f, 10.f}).view({1, 2, 1, 1}));
  parameters["solo_attention.weight"].copy_(at::tensor({1.f, 0.f}).view({2, 1}));
  at::Tensor lower = at::zeros({1, 1, 4, 4});
  lower[0][0][1][1] = 0.3f;
  const at::Tensor out = attention.forward(lower, at::full({1, 1, 1, 1}, 0.05f), at::tensor({4.f, 6.f}).view({1, 2}));
  // H = 0.1, M = [0.3 + 0.1, 0.1 + 0.1], values 0.4 + 2 = 2.4, attention sigmoid(0) = 0.5: A = 1.2.
  EXPECT_NEAR(out[0][0].item<double>(), 4 / (1 + std::exp(-1.2)), 1e-6);
  EXPECT_NEAR(out[0][1].item<double>(), 3, 1e-6);
}

TEST(Mvsa, HasTheGradientOfItsFiniteDifferences) {
  at::manual_seed(3);
  MultiLevelAttention attention({.lower = 2, .higher = 3, .positions = 4, .width = 5, .channels = 2});
  attention.to(at::kDouble);
  const auto random = [](at::IntArrayRef sizes) { return at::randn(sizes, at::kDouble).set_requires_grad(true); };
  const at::Tensor lower = random({2, 2, 8, 8}), higher = random({2, 3, 2, 2}), solo = random({2, 5});
  const at::Tensor direction = at::randn({2, 5}, at::kDouble);
  std::vector<at::Tensor> variables = attention.parameters();
  variables.insert(variables.end(), {lower, higher, solo});
  const auto scalar = [&] {
    return (orbweaver::l2_normalize(attention.forward(lower, higher, solo)) * direction).sum();
  };
  const double error = orbweaver::testing::gradient_error(scalar, variables);
  RecordProperty("gradient_error", c10::str(error));
  EXPECT_LT(error, 1e-7);
}

TEST(Mvsa, UpsamplesToTheNearestPosition) {
  const at::Tensor map = at::arange(12).view({1, 2, 2, 3}).to(at::kFloat);
  EXPECT_TRUE(upsample_twice(map).equal(at::upsample_nearest2d(map, at::IntArrayRef({4, 6}))));
}

TEST(MvsaEncoder, TakesAnySizeThatIsAMultipleOf32) {
  for (const int64_t size : {32, 64, 96, 256}) {
    MvsaEncoder encoder(of_size(size), Inputs{});
    encoder.eval();
    at::NoGradGuard no_grad;
    const auto image = encoder.forward(at::rand({2, 3, size, size}));
    EXPECT_EQ(image.global.sizes(), at::IntArrayRef({2, encoder.outputs().global}));
    EXPECT_EQ(image.tokens.sizes(), at::IntArrayRef({2, size / 32 * (size / 32), encoder.outputs().tokens}));
    EXPECT_EQ(encoder.named_parameters()["mvsa.solo_attention.weight"].size(1), size / 16 * (size / 16));
    EXPECT_EQ(encoder.input().height, size);
    EXPECT_TRUE(image.global.isfinite().all().item<bool>());
  }
  EXPECT_EQ(MvsaParams().size, 256);
}

TEST(MvsaEncoder, RefusesASizeThatIsNoMultipleOf32) {
  const std::string error = error_of([] { MvsaEncoder(of_size(100), Inputs{}); });
  EXPECT_NE(error.find("size is 100, expected a multiple of 32"), std::string::npos) << error;
  EXPECT_NE(error.find("96 and 128"), std::string::npos) << error;
}

TEST(MvsaEncoder, RefusesADepthThatThereIsNot) {
  MvsaParams params = of_size(64);
  params.depth = 20;
  EXPECT_NE(error_of([&] { MvsaEncoder(params, Inputs{}); }).find("image_encoder mvsa: depth is 20"),
            std::string::npos);
}

TEST(MvsaEncoder, TakesTheDeeperTrunksToo) {
  for (const int64_t depth : {34, 50}) {
    MvsaParams params = of_size(32);
    params.depth = depth;
    params.width = 24;
    MvsaEncoder encoder(params, Inputs{});
    encoder.eval();
    at::NoGradGuard no_grad;
    const auto image = encoder.forward(at::rand({1, 3, 32, 32}));
    EXPECT_EQ(image.global.sizes(), at::IntArrayRef({1, 24}));
    EXPECT_EQ(image.tokens.size(2), depth == 50 ? 2048 : 512);
  }
}

TEST(MvsaEncoder, RefusesImagesOfAnotherSize) {
  MvsaEncoder encoder(of_size(64), Inputs{});
  EXPECT_THROW(encoder.forward(at::rand({1, 3, 96, 96})), orbweaver::ShapeError);
}

TEST(MvsaEncoder, NormalisesItsOutputOnlyWithL2) {
  MvsaParams params = of_size(64);
  at::manual_seed(5);
  MvsaEncoder galr(params, Inputs{});
  params.l2 = false;
  at::manual_seed(5);
  MvsaEncoder amfmn(params, Inputs{});
  galr.eval();
  amfmn.eval();
  at::NoGradGuard no_grad;
  const at::Tensor images = at::rand({3, 3, 64, 64});
  const at::Tensor unit = galr.forward(images).global, plain = amfmn.forward(images).global;
  EXPECT_TRUE(unit.norm(2, 1).allclose(at::ones({3})));
  EXPECT_GT((plain.norm(2, 1) - 1).abs().min().item<double>(), 1e-3);
  EXPECT_TRUE(unit.allclose(plain / plain.norm(2, 1, true)));
}

TEST(MvsaEncoder, WithoutAttentionIsLinearInTheMeanToken) {
  MvsaParams params = of_size(64);
  params.attention = params.l2 = false;
  MvsaEncoder encoder(params, Inputs{});
  encoder.eval();
  at::NoGradGuard no_grad;
  const auto image = encoder.forward(at::rand({2, 3, 64, 64}));
  const auto parameters = encoder.named_parameters();
  EXPECT_TRUE(
      image.global.allclose(at::linear(image.tokens.mean(1), parameters["linear.weight"], parameters["linear.bias"])));
  for (const auto& parameter : parameters) EXPECT_FALSE(parameter.key().starts_with("mvsa.")) << parameter.key();
  EXPECT_EQ(encoder.extra_state(), "");
}

TEST(MvsaEncoder, AppliesTheAttentionToTheLevelsOfItsTrunk) {
  MvsaParams params = of_size(64);
  params.l2 = false;
  MvsaEncoder encoder(params, Inputs{});
  encoder.eval();
  at::NoGradGuard no_grad;
  const at::Tensor images = at::rand({2, 3, 64, 64});
  const auto children = encoder.named_children();
  const auto f = std::dynamic_pointer_cast<ResnetTrunk>(children["trunk"])->forward(images);
  const auto twice = [](const at::Tensor& map) {
    return at::upsample_nearest2d(map, at::IntArrayRef({map.size(2) * 2, map.size(3) * 2}));
  };
  const at::Tensor solo =
      std::dynamic_pointer_cast<torch::nn::LinearImpl>(children["linear"])->forward(f[3].mean({2, 3}));
  const at::Tensor expected = std::dynamic_pointer_cast<MultiLevelAttention>(children["mvsa"])
                                  ->forward(at::cat({f[0], twice(f[1])}, 1), at::cat({f[2], twice(f[3])}, 1), solo);
  EXPECT_TRUE(encoder.forward(images).global.allclose(expected, 1e-4, 1e-6));
}

TEST(MvsaEncoder, SendsAGradientToEveryWeight) {
  at::manual_seed(7);
  MvsaEncoder encoder(of_size(64), Inputs{});
  encoder.forward(at::rand({2, 3, 64, 64})).global.slice(1, 0, 256).sum().backward();
  for (const auto& parameter : encoder.named_parameters())
    EXPECT_GT(parameter.value().grad().abs().sum().item<float>(), 0) << parameter.key();
}

TEST(MvsaEncoder, NamesTheTrunkAsTorchvisionAndTheAttentionAsTheRelease) {
  const auto parameters = MvsaEncoder(MvsaParams{}, Inputs{}).named_parameters();
  for (const char* name :
       {"trunk.conv1.weight", "trunk.layer1.0.conv1.weight", "trunk.layer2.0.downsample.0.weight",
        "trunk.layer4.1.bn2.bias", "linear.weight", "linear.bias", "mvsa.LF_conv.weight", "mvsa.HF_conv.bias",
        "mvsa.conv1x1_1.weight", "mvsa.conv1x1_2.bias", "mvsa.solo_attention.weight"})
    EXPECT_TRUE(parameters.contains(name)) << name;
  EXPECT_EQ(parameters["mvsa.LF_conv.weight"].sizes(), at::IntArrayRef({3, 192, 3, 3}));
  EXPECT_EQ(parameters["mvsa.HF_conv.weight"].sizes(), at::IntArrayRef({3, 768, 1, 1}));
  EXPECT_EQ(parameters["mvsa.solo_attention.weight"].sizes(), at::IntArrayRef({512, 256}));
}

class MvsaWeights : public ::testing::Test {
 protected:
  void SetUp() override { at::manual_seed(8); }

  MvsaParams loading(int64_t size, const orbweaver::StateDict& state) {
    orbweaver::testing::write_weights(file_, state);
    MvsaParams params = of_size(size);
    params.weights = file_;
    return params;
  }

  orbweaver::testing::TemporaryFolder folder_;
  fs::path file_ = folder_.path() / "weights.safetensors";
};

TEST_F(MvsaWeights, LoadTheTrunkFromTorchvisionsFile) {
  ResnetTrunk trunk(18, "test");
  orbweaver::StateDict state = state_of(trunk);
  state["fc.weight"] = at::zeros({1000, 512});
  state["fc.bias"] = at::zeros({1000});
  const MvsaParams params = loading(64, state);
  ::testing::internal::CaptureStderr();
  MvsaEncoder encoder(params, Inputs{});
  EXPECT_NE(::testing::internal::GetCapturedStderr().find("image_encoder mvsa: the classifier fc.*"),
            std::string::npos);
  encoder.eval();
  trunk.eval();
  at::NoGradGuard no_grad;
  const at::Tensor images = at::rand({1, 3, 64, 64});
  EXPECT_TRUE(encoder.forward(images).tokens.equal(positions_of(trunk.forward(images)[3])));
}

TEST_F(MvsaWeights, LoadTheWholeEncoder) {
  MvsaEncoder source(of_size(64), Inputs{});
  MvsaEncoder encoder(loading(64, state_of(source)), Inputs{});
  encoder.eval();
  source.eval();
  at::NoGradGuard no_grad;
  const at::Tensor images = at::rand({1, 3, 64, 64});
  EXPECT_TRUE(encoder.forward(images).global.equal(source.forward(images).global));
}

TEST_F(MvsaWeights, WithAttentionServeTheEncoderWithoutIt) {
  MvsaEncoder source(of_size(64), Inputs{});
  MvsaParams params = loading(96, state_of(source));
  params.attention = false;
  ::testing::internal::CaptureStderr();
  MvsaEncoder encoder(params, Inputs{});
  EXPECT_NE(::testing::internal::GetCapturedStderr().find("10 tensors"), std::string::npos);
  EXPECT_TRUE(encoder.named_parameters()["linear.weight"].equal(source.named_parameters()["linear.weight"]));
}

TEST_F(MvsaWeights, OfAnotherSizeAreRefusedWithTheSizeTheyNeed) {
  const MvsaParams params = loading(96, state_of(MvsaEncoder(MvsaParams{}, Inputs{})));
  const std::string error = error_of([&] { MvsaEncoder(params, Inputs{}); });
  for (const char* part : {"mvsa.solo_attention.weight has 256 inputs, expected 36 for size 96",
                           "the published 256 fix 256 pixels", "set size to 256", "weights.safetensors"})
    EXPECT_NE(error.find(part), std::string::npos) << part << "\n" << error;
  EXPECT_EQ(std::count(error.begin(), error.end(), '\n'), 0);
}

TEST_F(MvsaWeights, ThatDoNotFitAreNamed) {
  orbweaver::StateDict state = state_of(MvsaEncoder(of_size(64), Inputs{}));
  state.erase("linear.bias");
  state["mvsa.solo_attention.weight"] = at::zeros({512, 15});
  const MvsaParams params = loading(64, state);
  const std::string error = error_of([&] { MvsaEncoder(params, Inputs{}); });
  EXPECT_NE(error.find("1 missing: linear.bias"), std::string::npos) << error;
  EXPECT_NE(error.find("mvsa.solo_attention.weight is [512, 15], expected [512, 16]"), std::string::npos) << error;
}

TEST(MvsaEncoder, RefusesACheckpointOfAnotherSize) {
  MvsaEncoder published(MvsaParams{}, Inputs{}), small(of_size(96), Inputs{});
  small.load_extra_state(small.extra_state());
  const std::string error = error_of([&] { small.load_extra_state(published.extra_state()); });
  EXPECT_NE(error.find("set size to 256"), std::string::npos) << error;
  for (const char* damaged : {"256", "size ", "size 96x", "size -32"})
    EXPECT_NE(error_of([&] { small.load_extra_state(damaged); }).find("damaged"), std::string::npos) << damaged;
}

}  // namespace
