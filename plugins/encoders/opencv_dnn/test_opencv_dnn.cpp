#include <gtest/gtest.h>
#include <unistd.h>

#include <fstream>
#include <functional>

#include "opencv_dnn.h"
#include "test_data.h"

namespace {

namespace fs = std::filesystem;
using orbweaver::Inputs;
using orbweaver::Representation;

/// A Darknet network of one 1 x 1 convolution, two filters: red + 2 green + 3 blue + 0.5, and -red + 1.
class TinyNetwork : public ::testing::Test {
 protected:
  void SetUp() override {
    folder_ = fs::path(::testing::TempDir()) / ("orbweaver_opencv_dnn_" + std::to_string(::getpid()));
    fs::create_directories(folder_);
    std::ofstream(folder_ / "tiny.cfg")
        << "[net]\nbatch=1\nwidth=4\nheight=4\nchannels=3\n\n[convolutional]\nfilters=2\n"
           "size=1\nstride=1\npad=0\nactivation=linear\n\n[convolutional]\nfilters=1\n"
           "size=1\nstride=1\npad=0\nactivation=linear\n";
    write_weights("tiny.weights", {0.5f, 1, 1, 2, 3, -1, 0, 0, /*second layer*/ 0, 1, 1});
  }
  void TearDown() override { fs::remove_all(folder_); }

  void write_weights(const std::string& name, const std::vector<float>& values) {
    const int32_t version[3] = {0, 2, 0};
    const int64_t seen = 0;
    std::ofstream file(folder_ / name, std::ios::binary);
    file.write(reinterpret_cast<const char*>(version), sizeof version);
    file.write(reinterpret_cast<const char*>(&seen), sizeof seen);
    file.write(reinterpret_cast<const char*>(values.data()),
               static_cast<std::streamsize>(values.size() * sizeof(float)));
  }

  OpencvDnnParams params() const {
    OpencvDnnParams params;
    params.weights = folder_ / "tiny.weights";
    params.layer = "conv_0";
    params.size = 4;
    return params;
  }

  static std::string error_of(const OpencvDnnParams& params) {
    try {
      OpencvDnnEncoder encoder(params, Inputs{});
    } catch (const orbweaver::InputError& error) {
      EXPECT_EQ(std::string(error.what()).find('\n'), std::string::npos) << error.what();
      return error.what();
    }
    return "no error";
  }

  fs::path folder_;
};

TEST_F(TinyNetwork, GivesTheMapAsTokensAndTheirMeanAsGlobal) {
  OpencvDnnEncoder encoder(params(), Inputs{});
  EXPECT_EQ(encoder.outputs().global, 2);
  EXPECT_EQ(encoder.outputs().tokens, 2);
  EXPECT_TRUE(encoder.parameters().empty());
  at::Tensor images = at::zeros({2, 3, 4, 4});
  images[1][0].fill_(0.25);  // red
  images[1][1][0][1] = 0.5;  // green of the second position
  const Representation out = encoder.forward(images);
  ASSERT_EQ(out.tokens.sizes(), at::IntArrayRef({2, 16, 2}));
  EXPECT_TRUE(out.tokens[0].equal(at::tensor({0.5f, 1.f}).expand({16, 2})));
  EXPECT_TRUE(out.tokens[1][0].allclose(at::tensor({0.75f, 0.75f})));
  EXPECT_TRUE(out.tokens[1][1].allclose(at::tensor({1.75f, 0.75f})));
  EXPECT_TRUE(out.global[1].allclose(at::tensor({0.75f + 1.0f / 16, 0.75f})));
}

TEST_F(TinyNetwork, SwapsTheChannelsForANetworkTrainedOnBgr) {
  OpencvDnnParams bgr = params();
  bgr.channels = OpencvDnnParams::Channels::bgr;
  at::Tensor red = at::zeros({1, 3, 4, 4});
  red[0][0].fill_(1);
  EXPECT_TRUE(OpencvDnnEncoder(bgr, Inputs{}).forward(red).global.allclose(at::tensor({3.5f, 1.f}).view({1, 2})));
}

TEST_F(TinyNetwork, TakesTheLastOutputWithoutALayerName) {
  OpencvDnnParams last = params();
  last.layer.clear();
  OpencvDnnEncoder encoder(last, Inputs{});
  EXPECT_EQ(encoder.outputs().global, 1);
  EXPECT_NEAR(encoder.forward(at::zeros({1, 3, 4, 4})).global.item<float>(), 1.5, 1e-6);
}

TEST_F(TinyNetwork, DescribesItsInput) {
  OpencvDnnParams wide = params();
  wide.width = 8;
  wide.mean = {0.1, 0.2, 0.3};
  const orbweaver::ImageInput input = OpencvDnnEncoder(wide, Inputs{}).input();
  EXPECT_EQ(input.height, 4);
  EXPECT_EQ(input.width, 8);
  EXPECT_EQ(input.mean[2], 0.3f);
}

TEST_F(TinyNetwork, SuggestsTheNearestLayer) {
  OpencvDnnParams wrong = params();
  wrong.layer = "conv_O";
  const std::string error = error_of(wrong);
  EXPECT_NE(error.find("did you mean \"conv_"), std::string::npos) << error;
}

TEST_F(TinyNetwork, NamesTheMissingDescription) {
  fs::remove(folder_ / "tiny.cfg");
  const std::string error = error_of(params());
  EXPECT_NE(error.find("tiny.cfg"), std::string::npos) << error;
}

TEST_F(TinyNetwork, NamesTheMissingWeights) {
  OpencvDnnParams wrong = params();
  wrong.weights = folder_ / "absent.onnx";
  const std::string error = error_of(wrong);
  EXPECT_NE(error.find("absent.onnx: cannot be read"), std::string::npos) << error;
}

TEST_F(TinyNetwork, RefusesTruncatedWeights) {
  write_weights("tiny.weights", {0.5f, 1, 1, 2, 3, -1, 0, 0, 0, 1});
  const std::string error = error_of(params());
  EXPECT_NE(error.find("60 bytes"), std::string::npos) << error;
  EXPECT_NE(error.find("64"), std::string::npos) << error;
}

TEST_F(TinyNetwork, RefusesAFileThatIsNoNetwork) {
  OpencvDnnParams wrong = params();
  wrong.weights = folder_ / "text.onnx";
  std::ofstream(wrong.weights) << "this is no network";
  const std::string error = error_of(wrong);
  EXPECT_NE(error.find("text.onnx"), std::string::npos) << error;
  wrong.weights = folder_ / "text.unknown";
  std::ofstream(wrong.weights) << "nor this";
  EXPECT_NE(error_of(wrong).find("text.unknown"), std::string::npos);
}

TEST(YoloFastest, GivesTheSameRowsToABatchAndToSingleImages) {
  ORBWEAVER_NEEDS_TEST_DATA("data/weights/yolo-fastest-1.1-xl.weights");
  OpencvDnnParams params;
  params.weights = orbweaver::testing::test_data() / "data/weights/yolo-fastest-1.1-xl.weights";
  params.layer = "conv_100";
  OpencvDnnEncoder encoder(params, Inputs{});
  EXPECT_EQ(encoder.outputs().global, 448);
  at::manual_seed(4);
  const at::Tensor images = at::rand({3, 3, 256, 256});
  const Representation all = encoder.forward(images);
  EXPECT_EQ(all.tokens.size(2), 448);
  for (int64_t i = 0; i < 3; ++i)
    EXPECT_TRUE(encoder.forward(images.narrow(0, i, 1)).global.equal(all.global.narrow(0, i, 1)));
}

TEST(YoloFastest, RefusesADetectionLayerByItsShape) {
  ORBWEAVER_NEEDS_TEST_DATA("data/weights/yolo-fastest-1.1-xl.weights");
  OpencvDnnParams params;
  params.weights = orbweaver::testing::test_data() / "data/weights/yolo-fastest-1.1-xl.weights";
  EXPECT_THROW(OpencvDnnEncoder(params, Inputs{}), orbweaver::InputError);
}

}  // namespace
