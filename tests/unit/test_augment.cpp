#include <gtest/gtest.h>

#include <cmath>
#include <numbers>

#include "framework/data/augment.h"

namespace orbweaver {
namespace {

constexpr double pi = std::numbers::pi;

Object box(double cx, double cy, double width, double height, double angle = 0) {
  Object object;
  object.cx = cx, object.cy = cy, object.width = width, object.height = height, object.angle = angle;
  object.label = "box";
  return object;
}

/// Black, with the object's box in white.
Image drawn(const Object& object, int64_t width, int64_t height) {
  Image image{width, height, std::vector<uint8_t>(static_cast<size_t>(width * height * 3))};
  for (int64_t y = 0; y < height; ++y)
    for (int64_t x = 0; x < width; ++x) {
      const double dx = static_cast<double>(x) + 0.5 - object.cx, dy = static_cast<double>(y) + 0.5 - object.cy;
      const double u = dx * std::cos(object.angle) + dy * std::sin(object.angle);
      const double v = -dx * std::sin(object.angle) + dy * std::cos(object.angle);
      if (std::abs(u) <= object.width / 2 && std::abs(v) <= object.height / 2)
        for (int64_t c = 0; c < 3; ++c) image.pixels[static_cast<size_t>((y * width + x) * 3 + c)] = 255;
    }
  return image;
}

/// Mean absolute difference, of 255.
double difference(const Image& a, const Image& b) {
  double sum = 0;
  for (size_t i = 0; i < a.pixels.size(); ++i) sum += std::abs(int{a.pixels[i]} - int{b.pixels[i]});
  return sum / static_cast<double>(a.pixels.size());
}

TEST(Augment, NothingIsMovedByDefault) {
  EXPECT_FALSE(AugmentParams{}.any());
  const Motion motion = draw_motion({}, 40, 30, false, 1, 2, 3);
  const std::array<double, 6> identity{1, 0, 0, 0, 1, 0};
  for (size_t i = 0; i < 6; ++i) EXPECT_NEAR(motion.m[i], identity[i], 1e-12);
}

TEST(Augment, AMotionIsAFunctionOfSeedEpochAndSample) {
  const AugmentParams params{1.1, 90, true};
  const auto draw = [&](uint64_t seed, int64_t epoch, int64_t sample) {
    return draw_motion(params, 40, 30, false, seed, epoch, sample).m;
  };
  EXPECT_EQ(draw(1, 2, 3), draw(1, 2, 3));
  EXPECT_NE(draw(1, 2, 3), draw(2, 2, 3));
  EXPECT_NE(draw(1, 2, 3), draw(1, 3, 3));
  EXPECT_NE(draw(1, 2, 3), draw(1, 2, 4));
}

TEST(Augment, AQuarterTurnCounterClockwiseBringsTheRightEdgeToTheTop) {
  // About the centre of a 100 x 100 image: (100, 50) goes to (50, 0), and a lying box stands.
  const Motion motion =
      Motion{{1, 0, -50, 0, 1, -50}}.then(Motion{{0, 1, 0, -1, 0, 0}}).then(Motion{{1, 0, 50, 0, 1, 50}});
  const Object lying = box(90, 50, 20, 10);
  const std::vector<Object> after = moved(std::span(&lying, 1), motion, 100, 100);
  ASSERT_EQ(after.size(), 1u);
  EXPECT_NEAR(after[0].cx, 50, 1e-12);
  EXPECT_NEAR(after[0].cy, 10, 1e-12);
  EXPECT_NEAR(std::abs(std::remainder(after[0].angle, pi)), pi / 2, 1e-12);
  EXPECT_NEAR(after[0].width, 20, 1e-12);
}

TEST(Augment, TheBoxStaysOnItsPixels) {
  const AugmentParams params{1.2, 360, true};
  for (int64_t sample = 0; sample < 40; ++sample) {
    const Object object = box(70, 50, 44, 18, 0.3);
    const Motion motion = draw_motion(params, 120, 120, false, 7, 0, sample);
    const std::vector<Object> after = moved(std::span(&object, 1), motion, 120, 120);
    ASSERT_EQ(after.size(), 1u);
    // What is left are the soft edges of bilinear interpolation; a box turned the wrong way differs by more than 5.
    EXPECT_LT(difference(moved(drawn(object, 120, 120), motion), drawn(after[0], 120, 120)), 2.5) << sample;
  }
}

TEST(Augment, TheWindowStaysWithinTheEnlargedImage) {
  Image white{50, 40, std::vector<uint8_t>(50 * 40 * 3, 255)};
  for (int64_t sample = 0; sample < 20; ++sample)
    EXPECT_LT(difference(moved(white, draw_motion({1.5, 0, true}, 50, 40, false, 1, 1, sample)), white), 1e-9);
}

TEST(Augment, AnObjectWhoseCentreLeavesTheImageIsDropped) {
  const Object objects[] = {box(10, 10, 4, 4), box(95, 10, 4, 4)};
  EXPECT_EQ(moved(objects, Motion{{1, 0, 20, 0, 1, 0}}, 100, 100).size(), 1u);
}

TEST(Augment, WhereACaptionNamesADirectionNothingIsTurnedOrMirrored) {
  EXPECT_TRUE(names_direction("A river runs to the Left of the road."));
  EXPECT_TRUE(names_direction("two planes in the upper-right corner"));
  EXPECT_TRUE(names_direction("a lake at the bottom"));
  EXPECT_FALSE(names_direction("many buildings are surrounded by green trees"));
  EXPECT_FALSE(names_direction("a brightly coloured stopover"));
  const Motion motion = draw_motion({1.3, 90, true}, 50, 50, true, 1, 1, 1);
  EXPECT_DOUBLE_EQ(motion.m[0], 1.3);
  EXPECT_DOUBLE_EQ(motion.m[1], 0);
  EXPECT_DOUBLE_EQ(motion.m[4], 1.3);
}

}  // namespace
}  // namespace orbweaver
