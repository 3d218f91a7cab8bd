#include <gtest/gtest.h>

#include <fstream>

#include "image.h"
#include "temporary_folder.h"
#include "test_data.h"
#include "yolo.h"

namespace {

namespace fs = std::filesystem;
using orbweaver::Object;
using orbweaver::testing::flat;
using orbweaver::testing::Image;

std::vector<Candidate> decoded(const std::vector<float>& values, const std::vector<int64_t>& shape, Layout layout,
                               double confidence = 0.25) {
  std::vector<Candidate> out;
  decode(values, shape, layout, 100, 50, confidence, out);
  return out;
}

TEST(Decode, DarknetRowsAreSharesOfTheInputWithFinishedScores) {
  // Two rows of two classes; the second scores too little.
  const auto boxes =
      decoded({.5f, .4f, .2f, .1f, .9f, .3f, .8f, .1f, .1f, .2f, .2f, .9f, .2f, .1f}, {2, 7}, {Head::darknet, 2});
  ASSERT_EQ(boxes.size(), 1u);
  EXPECT_NEAR(boxes[0].cx, 50, 1e-5);
  EXPECT_NEAR(boxes[0].cy, 20, 1e-5);
  EXPECT_NEAR(boxes[0].width, 20, 1e-5);
  EXPECT_NEAR(boxes[0].height, 5, 1e-5);
  EXPECT_EQ(boxes[0].label, 1);
  EXPECT_NEAR(boxes[0].score, 0.8, 1e-6);
}

TEST(Decode, V5MultipliesTheBestClassByTheObjectness) {
  const auto boxes =
      decoded({30, 20, 10, 8, .5f, .2f, .9f, /**/ 60, 20, 10, 8, .2f, .9f, .2f}, {1, 2, 7}, {Head::v5, 2});
  ASSERT_EQ(boxes.size(), 1u);
  EXPECT_EQ(boxes[0].cx, 30);
  EXPECT_EQ(boxes[0].height, 8);
  EXPECT_EQ(boxes[0].label, 1);
  EXPECT_NEAR(boxes[0].score, 0.45, 1e-6);
}

TEST(Decode, V8HasABoxInEachColumn) {
  const auto boxes = decoded({30, 60, /*cy*/ 20, 25, /*w*/ 10, 12, /*h*/ 8, 6, /*classes*/ .1f, .7f, .6f, .1f},
                             {1, 6, 2}, {Head::v8, 2});
  ASSERT_EQ(boxes.size(), 2u);
  EXPECT_EQ(boxes[0].cx, 30);
  EXPECT_EQ(boxes[0].label, 1);
  EXPECT_NEAR(boxes[0].score, 0.6, 1e-6);
  EXPECT_EQ(boxes[1].cy, 25);
  EXPECT_EQ(boxes[1].width, 12);
  EXPECT_EQ(boxes[1].label, 0);
}

TEST(Decode, ObbHasTheAngleInItsLastRow) {
  const auto boxes = decoded({30, 20, 10, 8, .1f, .7f, /*angle*/ -0.5f}, {1, 7, 1}, {Head::obb, 2});
  ASSERT_EQ(boxes.size(), 1u);
  EXPECT_EQ(boxes[0].label, 1);
  EXPECT_EQ(boxes[0].angle, -0.5);
}

TEST(Decode, LeavesOutBoxesWithoutAreaOrWithNumbersThatAreNotFinite) {
  const float nan = std::nanf("");
  EXPECT_TRUE(decoded({30, 20, 0, 8, .9f, /**/ 30, nan, 10, 8, .9f}, {1, 2, 5}, {Head::v5, 0}).empty());
  EXPECT_TRUE(decoded({nan, 20, 10, 8, 1, .9f, /**/ 30, 20, 10, -8, 1, .9f}, {1, 2, 6}, {Head::v5, 1}).empty());
  EXPECT_TRUE(decoded({}, {1, 6, 0}, {Head::v8, 2}).empty());
}

std::string layout_error(const std::vector<int64_t>& shape, bool region, Head wanted, std::optional<int64_t> classes) {
  try {
    choose_layout(shape, region, wanted, classes);
  } catch (const orbweaver::InputError& error) {
    EXPECT_EQ(std::string(error.what()).find('\n'), std::string::npos);
    return error.what();
  }
  return "no error";
}

TEST(Layout, FollowsFromTheShapeAndTheNumberOfNames) {
  using std::vector;
  const auto chosen = [](const vector<int64_t>& shape, std::optional<int64_t> classes) {
    return choose_layout(shape, false, Head::automatic, classes).head;
  };
  EXPECT_EQ(chosen({1, 25200, 85}, 80), Head::v5);
  EXPECT_EQ(chosen({1, 84, 8400}, 80), Head::v8);
  EXPECT_EQ(chosen({1, 20, 21504}, 15), Head::obb);  // DOTA's 15 classes
  EXPECT_EQ(chosen({1, 20, 21504}, 16), Head::v8);
  const Layout darknet = choose_layout(vector<int64_t>{300, 85}, true, Head::automatic, std::nullopt);
  EXPECT_EQ(darknet.head, Head::darknet);
  EXPECT_EQ(darknet.classes, 80);
  EXPECT_EQ(choose_layout(vector<int64_t>{1, 20, 21504}, false, Head::obb, std::nullopt).classes, 15);
}

TEST(Layout, IsExplainedWhereItIsInDoubt) {
  const auto has = [](const std::string& text, const char* part) {
    EXPECT_NE(text.find(part), std::string::npos) << text;
  };
  has(layout_error({1, 20, 21504}, false, Head::automatic, std::nullopt),
      "makes [1, 20, 21504], v8 with 16 classes or obb with 15 classes; give `names`");
  has(layout_error({1, 84, 8400}, false, Head::automatic, 20), "names: holds 20 classes");
  has(layout_error({1, 84, 8400}, false, Head::v8, 20), "80 classes as head \"v8\"");
  has(layout_error({300, 85}, true, Head::automatic, 20), "80 classes as head \"darknet\"");
  has(layout_error({300, 85}, true, Head::v8, 80), "leave `head` out");
  has(layout_error({1, 84, 8400}, false, Head::darknet, 80), "give v5, v8 or obb");
  has(layout_error({1, 300, 6}, false, Head::automatic, 1), "finished boxes");
  has(layout_error({1, 1000}, false, Head::automatic, 80), "is this a YOLO detector?");
  has(layout_error({1, 4, 10}, false, Head::v8, std::nullopt), "no output of that head");
  EXPECT_EQ(choose_layout(std::vector<int64_t>{1, 300, 6}, false, Head::v5, 1).head, Head::v5);
}

TEST(Placement, IsUndoneForUprightAndTurnedBoxes) {
  const Candidate box{60, 70, 20, 10, 0, 1, 0};
  Candidate out = to_image(box, {0.5, 0.5, 0, 20});
  EXPECT_EQ(out.cx, 120);
  EXPECT_EQ(out.cy, 100);
  EXPECT_EQ(out.width, 40);
  EXPECT_EQ(out.height, 20);
  EXPECT_EQ(out.angle, 0);
  // A quarter turn: the width lies along y, which is scaled by another factor.
  Candidate turned = box;
  turned.angle = std::numbers::pi / 2;
  out = to_image(turned, {0.5, 0.25, 0, 0});
  EXPECT_NEAR(out.width, 80, 1e-9);
  EXPECT_NEAR(out.height, 20, 1e-9);
  EXPECT_NEAR(out.angle, std::numbers::pi / 2, 1e-9);
}

// ---- whole networks, written by hand

/// Protocol buffer messages, as far as ONNX files need them.
struct Message {
  std::string bytes;
  Message& varint(uint64_t value) {
    for (; value >= 0x80; value >>= 7) bytes += static_cast<char>(value | 0x80);
    bytes += static_cast<char>(value);
    return *this;
  }
  Message& number(int field, uint64_t value) { return varint(static_cast<uint64_t>(field) << 3).varint(value); }
  Message& text(int field, const std::string& value) {
    varint(static_cast<uint64_t>(field) << 3 | 2).varint(value.size());
    bytes += value;
    return *this;
  }
  Message& add(int field, const Message& value) { return text(field, value.bytes); }
};

template <class T>
Message tensor(const std::string& name, int type, const std::vector<uint64_t>& sizes, const std::vector<T>& values) {
  Message out;
  for (const uint64_t size : sizes) out.number(1, size);
  return out.number(2, static_cast<uint64_t>(type))
      .text(8, name)
      .text(9, {reinterpret_cast<const char*>(values.data()), values.size() * sizeof(T)});
}

Message node(const std::string& type, const std::vector<std::string>& inputs, const std::string& output) {
  Message out;
  for (const std::string& input : inputs) out.text(1, input);
  return out.text(2, output).text(3, output).text(4, type);
}

Message value(const std::string& name, const std::vector<uint64_t>& sizes) {
  Message shape;
  for (const uint64_t size : sizes) shape.add(1, Message().number(1, size));
  return Message().text(1, name).add(2, Message().add(1, Message().number(1, 1).add(2, shape)));
}

/// Makes [1, rows, side^2] of an image: row r = bias[r] + weight[r] . (red, green, blue) at each pixel; transposed on
/// demand.
void write_onnx(const fs::path& file, uint64_t side, const std::vector<float>& bias, const std::vector<float>& weight,
                bool transposed) {
  const uint64_t rows = bias.size(), boxes = side * side;
  Message graph;
  Message kernel = Message().text(1, "kernel_shape").number(20, 7).number(8, 1).number(8, 1);
  graph.add(1, node("Conv", {"images", "weight", "bias"}, "map").add(5, kernel));
  graph.add(1, node("Reshape", {"map", "shape"}, transposed ? "rows" : "output"));
  if (transposed) {
    Message order = Message().text(1, "perm").number(20, 7);
    for (const uint64_t axis : {0, 2, 1}) order.number(8, axis);
    graph.add(1, node("Transpose", {"rows"}, "output").add(5, order));
  }
  graph.text(2, "yolo");
  graph.add(5, tensor("weight", 1, {rows, 3, 1, 1}, weight));
  graph.add(5, tensor("bias", 1, {rows}, bias));
  graph.add(5,
            tensor("shape", 7, {3}, std::vector<int64_t>{1, static_cast<int64_t>(rows), static_cast<int64_t>(boxes)}));
  graph.add(11, value("images", {1, 3, side, side}));
  graph.add(
      12, value("output", transposed ? std::vector<uint64_t>{1, boxes, rows} : std::vector<uint64_t>{1, rows, boxes}));
  const Message model = Message().number(1, 7).add(7, graph).add(8, Message().text(1, "").number(2, 11));
  std::ofstream(file, std::ios::binary) << model.bytes;
}

std::string error_of(const YoloParams& params) {
  try {
    YoloDetector detector(params);
  } catch (const orbweaver::InputError& error) {
    EXPECT_EQ(std::string(error.what()).find('\n'), std::string::npos) << error.what();
    return error.what();
  }
  return "no error";
}

void expect_part(const std::string& text, const std::string& part) {
  EXPECT_NE(text.find(part), std::string::npos) << text;
}

class Network : public ::testing::Test {
 protected:
  fs::path file(const std::string& name) const { return folder_.path() / name; }
  fs::path names(const std::string& text) const {
    orbweaver::testing::write_text(file("names.txt"), text);
    return file("names.txt");
  }

  orbweaver::testing::TemporaryFolder folder_;
};

class OnnxNetwork : public Network {
 protected:
  /// Every box is the same, at (16, 12) with 16 x 8; class 0 is as red, class 1 as blue as the pixel.
  YoloParams v8() {
    write_onnx(file("v8.onnx"), 32, {16, 12, 16, 8, 0, 0}, {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1, 0, 0, 0, 0, 1},
               false);
    YoloParams params;
    params.weights = file("v8.onnx");
    params.names = names("ship\r\nstorage tank\n\n");
    params.size = 32;
    return params;
  }
};

TEST_F(OnnxNetwork, V8GivesOneObjectPerClassAfterSuppression) {
  YoloDetector detector(v8());
  EXPECT_EQ(detector.layout().head, Head::v8);
  Image image = flat(32, 32, {255, 0, 0});
  image.pixels[0] = 0, image.pixels[2] = 204;  // the first pixel's best class is the other one
  const auto objects = detector.detect(image.view());
  ASSERT_EQ(objects.size(), 2u);
  EXPECT_EQ(objects[0], (Object{16, 12, 16, 8, 0, 1, "ship", {}}));
  EXPECT_EQ(objects[1].label, "storage tank");
  EXPECT_NEAR(objects[1].probability, 0.8, 1e-6);
  EXPECT_TRUE(detector.detect(flat(32, 32, {0, 255, 0}).view()).empty());
}

TEST_F(OnnxNetwork, LetterboxAndStretchPutTheBoxBackWhereItWas) {
  YoloParams params = v8();
  const Image wide = flat(64, 32, {255, 0, 0});  // at half its size, with bars of 8 rows above and below
  auto objects = YoloDetector(params).detect(wide.view());
  ASSERT_EQ(objects.size(), 1u);
  EXPECT_EQ(objects[0], (Object{32, 8, 32, 16, 0, 1, "ship", {}}));
  params.fit = YoloParams::Fit::stretch;
  objects = YoloDetector(params).detect(wide.view());
  ASSERT_EQ(objects.size(), 1u);
  EXPECT_EQ(objects[0], (Object{32, 12, 32, 8, 0, 1, "ship", {}}));
}

TEST_F(OnnxNetwork, BoxesAreCutAtTheEdgeOfTheImage) {
  YoloParams params = v8();
  // 64 x 8: the bars are 14 rows high, the box covers rows 8..16 of the input and so -12..4 of the image.
  const auto objects = YoloDetector(params).detect(flat(64, 8, {255, 0, 0}).view());
  ASSERT_EQ(objects.size(), 1u);
  EXPECT_EQ(objects[0].cy, 2);
  EXPECT_EQ(objects[0].height, 4);
}

TEST_F(OnnxNetwork, V5RowsAreToldFromV8ByTheirShape) {
  write_onnx(file("v5.onnx"), 32, {16, 12, 16, 8, 0.5f, 0, 0},
             {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1, 0, 0, 0, 0, 1}, true);
  YoloParams params = v8();
  params.weights = file("v5.onnx");
  YoloDetector detector(params);
  EXPECT_EQ(detector.layout().head, Head::v5);
  const auto objects = detector.detect(flat(32, 32, {255, 0, 0}).view());
  ASSERT_EQ(objects.size(), 1u);
  EXPECT_NEAR(objects[0].probability, 0.5, 1e-6);
}

TEST_F(OnnxNetwork, ObbSuppressesByTheOverlapOfTurnedBoxes) {
  // A slim box turned by a fifth of pi; its centre moves by 100 greens downwards and stays put without.
  write_onnx(file("obb.onnx"), 32, {16, 12, 16, 2, 0.9f, static_cast<float>(std::numbers::pi / 5)},
             {0, 0, 0, 0, 10, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0}, false);
  YoloParams params = v8();
  params.weights = file("obb.onnx");
  params.names = names("ship");
  Image image = flat(32, 32, {0, 0, 0});
  image.pixels[1] = 255;  // one pixel's box lies 10 lower: upright boxes would overlap by a third, turned ones do not
  params.overlap = 0.1;
  YoloDetector detector(params);
  EXPECT_EQ(detector.layout().head, Head::obb);
  const auto objects = detector.detect(image.view());
  ASSERT_EQ(objects.size(), 2u);
  EXPECT_NEAR(objects[0].angle, std::numbers::pi / 5, 1e-6);
  EXPECT_NEAR(std::abs(objects[0].cy - objects[1].cy), 10, 1e-5);
}

TEST_F(OnnxNetwork, WithoutNamesNeedsAHeadAndNumbersTheClasses) {
  YoloParams params = v8();
  params.names.clear();
  expect_part(error_of(params), "v8 with 2 classes or obb with 1 class; give `names`");
  params.head = Head::v8;
  EXPECT_EQ(YoloDetector(params).detect(flat(32, 32, {0, 0, 255}).view()).at(0).label, "class_1");
}

TEST_F(OnnxNetwork, ErrorsNameTheFileAndTheReason) {
  YoloParams params = v8();
  params.names = names("ship\nplane\nharbor\n");
  expect_part(error_of(params), "names: holds 3 classes, but the network makes [1, 6, 1024]");
  params.names = names("ship\n\nharbor\n");
  expect_part(error_of(params), "names.txt:2: is blank");
  params.names = names("\n");
  expect_part(error_of(params), "names.txt: is empty");
  params.names = file("absent.txt");
  expect_part(error_of(params), "absent.txt: cannot be read");
  params = v8();
  params.size = 64;
  expect_part(error_of(params), "v8.onnx: the network");
  params.weights = file("absent.onnx");
  expect_part(error_of(params), "absent.onnx: cannot be read");
  orbweaver::testing::write_text(file("text.onnx"), "this is no network");
  params.weights = file("text.onnx");
  expect_part(error_of(params), "text.onnx");
}

/// A 1 x 1 convolution and a [yolo] layer with one anchor of 8 x 4 and two classes: an object wherever a pixel is red.
class DarknetNetwork : public Network {
 protected:
  void SetUp() override {
    orbweaver::testing::write_text(file("tiny.cfg"),
                                   "[net]\nbatch=1\nwidth = 32\nheight=32\nchannels=3\n\n[convolutional]\nfilters=7\n"
                                   "size=1\nstride=1\npad=0\nactivation=linear\n\n[yolo]\nmask=0\nanchors=8,4\n"
                                   "classes=2\nnum=1\n");
    // x, y, w, h at the middle of the cell with the anchor's size; objectness and class 0 rise with red.
    std::vector<float> values{0, 0, 0, 0, -20, 20, -20};
    for (int row = 0; row < 7; ++row)
      for (int channel = 0; channel < 3; ++channel) values.push_back(row == 4 && channel == 0 ? 40.0f : 0.0f);
    write_weights(values);
    params_.weights = file("tiny.weights");
  }

  void write_weights(const std::vector<float>& values) const {
    const int32_t version[3] = {0, 2, 0};
    const int64_t seen = 0;
    std::ofstream out(file("tiny.weights"), std::ios::binary);
    out.write(reinterpret_cast<const char*>(version), sizeof version);
    out.write(reinterpret_cast<const char*>(&seen), sizeof seen);
    out.write(reinterpret_cast<const char*>(values.data()),
              static_cast<std::streamsize>(values.size() * sizeof(float)));
  }

  YoloParams params_;
};

TEST_F(DarknetNetwork, FindsTheAnchorAtTheCellOfEachObject) {
  YoloDetector detector(params_);
  EXPECT_EQ(detector.input_size(), cv::Size(32, 32));
  EXPECT_EQ(detector.layout().classes, 2);
  Image image = flat(32, 32, {0, 0, 0});
  for (const auto& [x, y] : {std::pair(10, 20), std::pair(25, 5)}) image.pixels[(y * 32 + x) * 3] = 255;
  const auto objects = detector.detect(image.view());
  ASSERT_EQ(objects.size(), 2u);
  for (const Object& object : objects) {
    EXPECT_EQ(object.label, "class_0");
    EXPECT_NEAR(object.probability, 1, 1e-5);
    EXPECT_NEAR(object.width, 8, 1e-3);
    EXPECT_NEAR(object.height, 4, 1e-3);
  }
  const Object& lower = objects[0].cy > objects[1].cy ? objects[0] : objects[1];
  EXPECT_NEAR(lower.cx, 10.5, 1e-3);
  EXPECT_NEAR(lower.cy, 20.5, 1e-3);
  YoloParams one = params_;
  one.max_objects = 1;
  EXPECT_EQ(YoloDetector(one).detect(image.view()).size(), 1u);
}

TEST_F(DarknetNetwork, TakesItsClassesFromAFile) {
  params_.names = names("plane\nship\n");
  EXPECT_EQ(YoloDetector(params_).detect(flat(32, 32, {255, 0, 0}).view()).at(0).label, "plane");
  params_.names = names("plane\n");
  expect_part(error_of(params_),
              "names: holds 1 class, but the network makes [1024, 7], 2 classes as head \"darknet\"");
}

TEST_F(DarknetNetwork, ErrorsNameTheFileAndTheReason) {
  write_weights({0, 0, 0});
  expect_part(error_of(params_),
              "32 bytes, but " + file("tiny.cfg").string() + " describes 132; the file is truncated");
  fs::remove(file("tiny.cfg"));
  expect_part(error_of(params_), "tiny.cfg does not exist; give `network`");
  orbweaver::testing::write_text(file("tiny.cfg"), "[net]\nwidth=32\nheight=32\n\n[convolutional\nfilters=");
  expect_part(error_of(params_), "tiny.weights");
  params_.network = file("other.cfg");
  expect_part(error_of(params_), "other.cfg: cannot be read");
}

TEST(YoloFastest, FindsObjectsOfTheSameScoresInEveryRunOnRealImages) {
  ORBWEAVER_NEEDS_TEST_DATA("data/weights/yolo-fastest-1.1-xl.weights");
  YoloParams params;
  params.weights = orbweaver::testing::test_data() / "data/weights/yolo-fastest-1.1-xl.weights";
  params.confidence = 0.2;
  YoloDetector detector(params), other(params);
  EXPECT_EQ(detector.input_size(), cv::Size(320, 320));
  EXPECT_EQ(detector.layout().classes, 80);
  size_t planes = 0;
  for (int i = 1; i <= 30; ++i) {
    const fs::path file =
        orbweaver::testing::test_data() / "data/rsicd/images" / ("airport_" + std::to_string(i) + ".jpg");
    if (!fs::exists(file)) continue;
    const Image image = orbweaver::testing::read_image(file);
    const auto objects = detector.detect(image.view());
    EXPECT_EQ(other.detect(image.view()), objects);
    for (const Object& object : objects) {
      EXPECT_GE(object.probability, 0.2);
      EXPECT_GE(object.cx - object.width / 2, -1e-9);
      EXPECT_LE(object.cy + object.height / 2, 224 + 1e-9);
      planes += object.label == "class_4";  // aeroplane, of COCO
    }
  }
  EXPECT_GT(planes, 0u);
}

TEST(YoloFastest, RefusesTheWrongDescriptionAndTruncatedWeights) {
  ORBWEAVER_NEEDS_TEST_DATA("data/weights/yolo-fastest-1.1-xl.weights");
  const fs::path folder = orbweaver::testing::test_data() / "data/weights";
  const orbweaver::testing::TemporaryFolder own;
  fs::copy_file(folder / "yolo-fastest-1.1-xl.weights", own.path() / "cut.weights");
  fs::permissions(own.path() / "cut.weights", fs::perms::owner_all);
  fs::resize_file(own.path() / "cut.weights", 3000000);
  YoloParams params;
  params.weights = own.path() / "cut.weights";
  params.network = folder / "yolo-fastest-1.1-xl.cfg";
  expect_part(error_of(params), "3000000 bytes, but");
}

}  // namespace
