#include <gtest/gtest.h>

#include <map>
#include <set>
#include <thread>

#include "image.h"
#include "regions.h"
#include "test_data.h"

namespace {

using orbweaver::Object;
using orbweaver::testing::Colour;
using orbweaver::testing::flat;
using orbweaver::testing::Image;

constexpr Colour blue{30, 60, 200}, green{60, 150, 50}, grey{120, 120, 120};

void set(Image& image, int64_t x, int64_t y, Colour colour) {
  std::copy(colour.begin(), colour.end(), image.pixels.begin() + (y * image.width + x) * 3);
}

/// Patches of colour with a pattern that no generator of random numbers is needed for.
Image patchwork(int64_t width, int64_t height) {
  Image image = flat(width, height, grey);
  for (int64_t y = 0; y < height; ++y)
    for (int64_t x = 0; x < width; ++x) {
      const int64_t patch = x / 37 * 5 + y / 23 * 3, noise = (x * 7919 + y * 104729 + x * y * 31) % 29;
      set(image, x, y,
          {static_cast<uint8_t>((patch * 53 + noise) % 256), static_cast<uint8_t>((patch * 97 + noise) % 256),
           static_cast<uint8_t>((patch * 29 + noise) % 256)});
    }
  return image;
}

std::vector<Object> detect(const Image& image, const RegionsParams& params = {}) {
  return RegionsDetector(params).detect(image.view());
}

std::map<std::string, double> attributes(const Object& object) {
  std::map<std::string, double> values;
  for (const auto& [name, value] : object.attributes) values[name] = value;
  return values;
}

/// What holds for the regions of any image.
void expect_sound(const std::vector<Object>& objects, const Image& image, const RegionsParams& params = {}) {
  std::set<std::string> codebook;
  for (const char* colour : region_colours)
    for (const char* texture : region_textures) codebook.insert(std::string(colour) + " " + texture);
  ASSERT_GE(objects.size(), 1u);
  EXPECT_LE(static_cast<int64_t>(objects.size()), params.max_objects);
  const double diagonal = std::hypot(image.width, image.height);
  double area = 0;
  for (const Object& object : objects) {
    EXPECT_EQ(codebook.count(object.label), 1u) << object.label;
    EXPECT_TRUE(object.probability > 0 && object.probability <= 1) << object.probability;
    ASSERT_EQ(object.attributes.size(), region_attributes.size());
    for (size_t i = 0; i < region_attributes.size(); ++i) {
      EXPECT_EQ(object.attributes[i].name, region_attributes[i]);
      const double value = object.attributes[i].value;
      EXPECT_TRUE(value >= 0 && value <= 1) << object.attributes[i].name << " " << value;
    }
    area += object.attributes[0].value;
    EXPECT_TRUE(object.cx >= 0 && object.cx <= image.width && object.cy >= 0 && object.cy <= image.height);
    EXPECT_TRUE(object.width >= object.height && object.height > 0 && object.width <= diagonal * 1.001);
    EXPECT_TRUE(object.angle > -1.571 && object.angle < 1.571) << object.angle;
    const double half_width = object.angle == 0 ? object.width / 2 : object.height / 2;
    const double half_height = object.angle == 0 ? object.height / 2 : object.width / 2;
    if (object.angle == 0 || std::abs(object.angle - std::numbers::pi / 2) < 1e-12) {
      EXPECT_GE(object.cx - half_width, -1e-3);
      EXPECT_GE(object.cy - half_height, -1e-3);
      EXPECT_LE(object.cx + half_width, image.width + 1e-3);
      EXPECT_LE(object.cy + half_height, image.height + 1e-3);
    }
  }
  EXPECT_NEAR(area, 1, 1e-9);
}

TEST(Regions, AFlatImageIsOneRegionThatFillsIt) {
  const Image image = flat(60, 40, green);
  const auto objects = detect(image);
  expect_sound(objects, image);
  ASSERT_EQ(objects.size(), 1u);
  EXPECT_EQ(objects[0].cx, 30);
  EXPECT_EQ(objects[0].cy, 20);
  EXPECT_EQ(objects[0].width, 60);
  EXPECT_EQ(objects[0].height, 40);
  EXPECT_EQ(objects[0].angle, 0);
  EXPECT_EQ(objects[0].probability, 1);
  EXPECT_EQ(objects[0].label, "green smooth");
  const auto values = attributes(objects[0]);
  EXPECT_EQ(values.at("fill"), 1);
  EXPECT_NEAR(values.at("elongation"), 1.0 / 3, 1e-12);
  EXPECT_NEAR(values.at("red"), 60.0 / 255, 1e-12);
  EXPECT_NEAR(values.at("saturation"), 100.0 / 150, 1e-12);
  EXPECT_EQ(values.at("border"), 1);
  for (const char* name : {"deviation", "roughness", "edge_density", "coherence", "entropy"})
    EXPECT_EQ(values.at(name), 0) << name;
}

TEST(Regions, TwoColoursAreTwoRegionsWithTheBorderBetweenThem) {
  Image image = flat(80, 40, green);
  for (int64_t y = 0; y < 40; ++y)
    for (int64_t x = 0; x < 30; ++x) set(image, x, y, blue);
  const auto objects = detect(image);
  expect_sound(objects, image);
  ASSERT_EQ(objects.size(), 2u);
  EXPECT_EQ(objects[0].label, "green smooth");  // the larger first
  EXPECT_EQ(objects[1].label, "dark blue smooth");
  EXPECT_NEAR(objects[0].cx, 55, 1);
  EXPECT_NEAR(objects[1].cx, 15, 1);
  EXPECT_NEAR(objects[1].width, 40, 1e-3);  // upright and higher than wide: the longer side is the width
  EXPECT_NEAR(objects[1].height, 30, 2);
  EXPECT_NEAR(objects[1].angle, std::numbers::pi / 2, 1e-6);
  EXPECT_NEAR(attributes(objects[1]).at("area"), 0.375, 0.02);
  // Three of its four sides, 100 of 140 pixels, lie on the image's edge.
  EXPECT_NEAR(attributes(objects[1]).at("border"), 100.0 / 140, 0.01);
}

TEST(Regions, ATiltedStripHasATiltedBoxClockwiseOnScreen) {
  Image image = flat(100, 100, grey);
  for (int64_t y = 0; y < 100; ++y)
    for (int64_t x = 0; x < 100; ++x)
      // Down and to the right: 30 degrees, 60 long, 16 wide.
      if (const double u = (x - 50) * 0.866 + (y - 50) * 0.5, v = (y - 50) * 0.866 - (x - 50) * 0.5;
          std::abs(u) < 30 && std::abs(v) < 8)
        set(image, x, y, blue);
  const auto objects = detect(image);
  expect_sound(objects, image);
  ASSERT_EQ(objects.size(), 2u);
  EXPECT_NEAR(objects[1].angle, std::numbers::pi / 6, 0.06);
  EXPECT_NEAR(objects[1].cx, 50.5, 1.5);
  EXPECT_NEAR(objects[1].cy, 50.5, 1.5);
  EXPECT_NEAR(objects[1].width, 60, 4);
  EXPECT_NEAR(objects[1].height, 16, 4);
  EXPECT_GT(attributes(objects[1]).at("fill"), 0.8);
}

TEST(Regions, StripesShareAnAxisAndChequersDoNot) {
  Image stripes = flat(64, 64, grey), chequers = flat(64, 64, grey);
  for (int64_t y = 0; y < 64; ++y)
    for (int64_t x = 0; x < 64; ++x) {
      if (x / 2 % 2) set(stripes, x, y, {180, 180, 180});
      if ((x / 2 + y / 2) % 2) set(chequers, x, y, {180, 180, 180});
    }
  RegionsParams one;
  one.max_objects = 1;
  EXPECT_GT(attributes(detect(stripes, one).at(0)).at("coherence"), 0.9);
  EXPECT_LT(attributes(detect(chequers, one).at(0)).at("coherence"), 0.1);
  EXPECT_EQ(detect(stripes, one).at(0).label, "grey rough");
}

TEST(Regions, TinyImagesHaveARegion) {
  for (const auto& [width, height] : {std::pair(1, 1), std::pair(3, 5), std::pair(5, 1), std::pair(1, 700)}) {
    const Image image = flat(width, height, blue);
    const auto objects = detect(image);
    expect_sound(objects, image);
    ASSERT_EQ(objects.size(), 1u);
    EXPECT_NEAR(objects[0].cx, width / 2.0, 1e-3);
    EXPECT_NEAR(objects[0].width, std::max(width, height), 1e-3);
  }
  expect_sound(detect(patchwork(3, 5)), patchwork(3, 5));
}

TEST(Regions, AreTheSameForTheSamePixelsWhateverTheThreadsAndThePreviousImage) {
  const Image image = patchwork(224, 224);
  const auto expected = detect(image);
  expect_sound(expected, image);
  EXPECT_GT(expected.size(), 3u);
  RegionsDetector used({});
  used.detect(flat(300, 100, blue).view());
  EXPECT_EQ(used.detect(image.view()), expected);
  const int threads = cv::getNumThreads();
  cv::setNumThreads(1);
  EXPECT_EQ(detect(image), expected);
  cv::setNumThreads(threads);
  std::vector<std::vector<Object>> results(3);
  std::vector<std::thread> workers;
  for (auto& result : results) workers.emplace_back([&] { result = detect(image); });
  for (auto& worker : workers) worker.join();
  for (const auto& result : results) EXPECT_EQ(result, expected);
}

TEST(Regions, ReadRowsByTheirStride) {
  const Image image = patchwork(50, 40);
  std::vector<uint8_t> padded(40 * 200, 77);
  for (size_t y = 0; y < 40; ++y) std::copy_n(image.pixels.begin() + y * 150, 150, padded.begin() + y * 200);
  EXPECT_EQ(RegionsDetector({}).detect({padded.data(), 50, 40, 200}), detect(image));
}

TEST(Regions, AreAsManyAndAsLargeAsTheParametersAllow) {
  const Image image = patchwork(200, 150);
  for (const int64_t most : {1, 5, 40}) {
    RegionsParams params;
    params.max_objects = most;
    params.min_contrast = 0;
    params.min_area = 0.01;
    const auto objects = detect(image, params);
    expect_sound(objects, image, params);
    for (const Object& object : objects) EXPECT_GE(object.attributes[0].value, 0.01);
    if (most < 40) {
      EXPECT_EQ(static_cast<int64_t>(objects.size()), most);
    }
  }
  RegionsParams whole;
  whole.min_area = 1;
  EXPECT_EQ(detect(image, whole).size(), 1u);
}

TEST(Regions, OfALargeImageLieInItsOwnPixels) {
  Image image = flat(1024, 512, green);  // shrunk four times
  for (int64_t y = 100; y < 300; ++y)
    for (int64_t x = 600; x < 900; ++x) set(image, x, y, blue);
  const auto objects = detect(image);
  expect_sound(objects, image);
  ASSERT_EQ(objects.size(), 2u);
  EXPECT_NEAR(objects[1].cx, 750, 4);
  EXPECT_NEAR(objects[1].cy, 200, 4);
  EXPECT_NEAR(objects[1].width, 300, 8);
  EXPECT_NEAR(attributes(objects[1]).at("area"), 60000.0 / (1024 * 512), 0.01);
  EXPECT_GT(attributes(objects[1]).at("fill"), 0.95);
}

TEST(Colours, AreNamedByFixedBounds) {
  EXPECT_STREQ(colour_word(10, 0, 0), "black");
  EXPECT_STREQ(colour_word(30, 1, -1), "dark grey");
  EXPECT_STREQ(colour_word(60, 2, 2), "grey");
  EXPECT_STREQ(colour_word(95, 0, 3), "white");
  EXPECT_STREQ(colour_word(53, 80, 67), "red");          // sRGB red
  EXPECT_STREQ(colour_word(88, -86, 83), "green");       // sRGB green
  EXPECT_STREQ(colour_word(32, 79, -108), "dark blue");  // sRGB blue is a dark one
  EXPECT_STREQ(colour_word(65, -5, -30), "blue");        // a steel roof
  EXPECT_STREQ(colour_word(75, 5, 30), "beige");         // sand
  EXPECT_STREQ(colour_word(61, 28, 39), "orange");       // clay
  EXPECT_STREQ(colour_word(40, 8, 20), "brown");         // soil
  EXPECT_STREQ(colour_word(25, -12, 10), "dark green");  // forest
  EXPECT_STREQ(colour_word(50, -20, -3), "teal");        // shallow water
}

TEST(Regions, OfRealImagesAreSound) {
  ORBWEAVER_NEEDS_TEST_DATA("data/rsicd/images");
  std::vector<std::filesystem::path> files;
  for (const auto& entry : std::filesystem::directory_iterator(orbweaver::testing::test_data() / "data/rsicd/images"))
    files.push_back(entry.path());
  std::sort(files.begin(), files.end());
  RegionsDetector detector({});
  size_t objects = 0, images = 0;
  for (size_t i = 0; i < files.size(); i += 100, ++images) {
    const Image image = orbweaver::testing::read_image(files[i]);
    const auto found = detector.detect(image.view());
    expect_sound(found, image);
    objects += found.size();
  }
  EXPECT_GT(static_cast<double>(objects) / static_cast<double>(images), 5);
}

}  // namespace
