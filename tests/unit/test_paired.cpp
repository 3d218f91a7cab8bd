#include <gtest/gtest.h>

#include <cmath>
#include <random>

#include "framework/eval/paired.h"
#include "orbweaver/error.h"

namespace orbweaver {
namespace {

TwoWayRanks random_ranks(int64_t images, int64_t captions, unsigned seed) {
  std::mt19937 random(seed);
  TwoWayRanks ranks;
  for (int64_t i = 0; i < images; ++i) ranks.i2t.push_back(1 + random() % 15);
  for (int64_t i = 0; i < captions; ++i) ranks.t2i.push_back(1 + random() % 15);
  return ranks;
}

std::vector<int64_t> groups_of(int64_t size, int64_t images) {
  std::vector<int64_t> caption_image;
  for (int64_t caption = 0; caption < size * images; ++caption) caption_image.push_back(caption / size);
  return caption_image;
}

TEST(PairedBootstrap, DifferenceIsThatOfTheMeanRecalls) {
  // Two images with two captions and one. The system finds image 0's caption first instead of sixth (R@1 and R@5
  // gained, of 2 queries), and caption 2's image at 11 instead of 10 (R@10 lost, of 3 queries).
  const std::vector<int64_t> caption_image{0, 0, 1};
  const TwoWayRanks system{{1, 4}, {1, 2, 11}}, base{{6, 4}, {1, 2, 10}};
  const PairedDifference got = PairedBootstrap(caption_image, 2).compare(system, base);
  EXPECT_NEAR(got.difference, 100 * (2 / 2.0 - 1 / 3.0) / 6, 1e-12);
  // Resamples: image 0 twice (+2 of 2 image queries each, 4 captions), image 1 twice (-1 of each caption), or both.
  EXPECT_NEAR(got.high, 100 * (4 / 2.0) / 6, 1e-12);
  EXPECT_NEAR(got.low, 100 * (-2 / 2.0) / 6, 1e-12);
}

TEST(PairedBootstrap, IdenticalSystemsDifferByNothing) {
  const TwoWayRanks ranks = random_ranks(40, 200, 1);
  const PairedDifference got = PairedBootstrap(groups_of(5, 40), 40).compare(ranks, ranks);
  EXPECT_EQ(got.difference, 0);
  EXPECT_EQ(got.low, 0);
  EXPECT_EQ(got.high, 0);
}

TEST(PairedBootstrap, ExchangingTheSystemsTurnsTheSign) {
  const PairedBootstrap bootstrap(groups_of(5, 40), 40);
  const TwoWayRanks one = random_ranks(40, 200, 1), other = random_ranks(40, 200, 2);
  const PairedDifference there = bootstrap.compare(one, other), back = bootstrap.compare(other, one);
  EXPECT_NEAR(back.difference, -there.difference, 1e-12);
  EXPECT_NEAR(back.low, -there.high, 1e-12);
  EXPECT_NEAR(back.high, -there.low, 1e-12);
  EXPECT_LT(there.low, there.difference);
  EXPECT_LT(there.difference, there.high);
}

TEST(PairedBootstrap, AGainOnEveryImageHasAnIntervalAboveZero) {
  const TwoWayRanks base{std::vector<int64_t>(30, 6), std::vector<int64_t>(60, 6)};
  TwoWayRanks system = base;
  for (size_t image = 0; image < 30; ++image) system.i2t[image] = image % 2 ? 1 : 5;
  const PairedDifference got = PairedBootstrap(groups_of(2, 30), 30).compare(system, base);
  EXPECT_GT(got.low, 0);
  EXPECT_NEAR(got.difference, 100 * 1.5 / 6, 1e-12);
}

TEST(PairedBootstrap, IntervalOfManyIndependentQueriesIsThatOfTheNormalDistribution) {
  // One caption an image, found or not with probability 1/2 by one system and never by the other: the mean over n
  // images has the standard error sqrt(1/4n), and mR counts it with 3/6.
  const int64_t images = 2000;
  std::mt19937 random(3);
  const TwoWayRanks base{std::vector<int64_t>(2000, 20), std::vector<int64_t>(2000, 20)};
  TwoWayRanks system = base;
  for (int64_t& rank : system.i2t) rank = random() % 2 ? 1 : 20;
  const PairedDifference got = PairedBootstrap(groups_of(1, images), images).compare(system, base);
  const double half_width = 1.96 * 100 * 0.5 * std::sqrt(0.25 / 2000.0);
  EXPECT_NEAR(got.high - got.low, 2 * half_width, 0.1 * 2 * half_width);
}

TEST(PairedBootstrap, RefusesRanksOfOtherQueries) {
  const PairedBootstrap bootstrap(groups_of(5, 40), 40);
  EXPECT_THROW(bootstrap.compare(random_ranks(40, 200, 1), random_ranks(40, 199, 1)), ShapeError);
}

TEST(PairedDifference, IsWrittenWithSigns) {
  EXPECT_EQ(format_difference({-0.5, -1.25, 0.25}), "-0.50 [-1.25, +0.25]");
}

}  // namespace
}  // namespace orbweaver
