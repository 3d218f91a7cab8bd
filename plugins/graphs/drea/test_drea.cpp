#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <ctime>
#include <limits>
#include <random>
#include <string>
#include <vector>

#include "drea.h"

namespace {

using orbweaver::Graph;
using orbweaver::Object;

/// A square of that area, all in sides of a scene of 1000 x 1000 pixels.
Object square(const std::string& label, double x, double y, double area, double probability = 1) {
  const double side = 1000 * std::sqrt(area);
  return {1000 * x, 1000 * y, side, side, 0, probability, label, {}};
}

Graph build(const drea::Params& params, const std::vector<Object>& objects, int64_t width = 1000,
            int64_t height = 1000) {
  return drea::DreaGraph(params).build(orbweaver::Scene{width, height, objects, {}});
}

drea::Params with(bool merge, bool enhance, double scale = 1) {
  drea::Params params;
  params.merge = merge;
  params.enhance = enhance;
  params.distance_scale = scale;
  return params;
}

/// Crowded scenes with equal areas, coincident and identical objects among them.
std::vector<Object> crowd(int count, unsigned seed) {
  std::mt19937 random(seed);
  const auto below = [&](int limit) { return static_cast<double>(random() % static_cast<unsigned>(limit)); };
  std::vector<Object> objects;
  for (int i = 0; i < count; ++i) {
    Object object{below(32) * 20,
                  below(32) * 20,
                  8 + 4 * below(3),
                  8 + 4 * below(3),
                  below(4) * 0.4,
                  0.25 * (1 + below(4)),
                  random() % 3 ? "car" : "ship",
                  {}};
    if (random() % 2) object.attributes = {{"red", below(3)}};
    objects.push_back(object);
    if (random() % 10 == 0) objects.push_back(object);
  }
  return objects;
}

void expect_equal(const Graph& found, const Graph& expected) {
  EXPECT_EQ(found.labels, expected.labels);
  EXPECT_TRUE(found.features == expected.features);
  EXPECT_TRUE(found.adjacency == expected.adjacency);
}

TEST(Drea, FollowsEquation12AndIsZeroBeyondOneUnit) {
  // r = 0.6: exp(-0.36) * 0.64; r = 1.2 lies beyond one unit, where the equation is negative.
  const Graph graph =
      build(with(false, false), {square("a", 0, 0, 0.3), square("a", 0.6, 0, 0.2), square("a", 1.2, 0, 0.1)});
  EXPECT_NEAR(graph.adjacency(0, 1), 0.446513f, 1e-6);
  EXPECT_NEAR(graph.adjacency(1, 2), 0.446513f, 1e-6);
  EXPECT_EQ(graph.adjacency(0, 2), 0);
  EXPECT_EQ(graph.adjacency(1, 1), 1);
  // In units of half a side 0.6 lies beyond one unit too.
  const Graph fine = build(with(false, false, 0.5), {square("a", 0, 0, 0.3), square("a", 0.6, 0, 0.2)});
  EXPECT_EQ(fine.adjacency(0, 1), 0);
}

TEST(Drea, MergesTheClosestPairFirstAndStopsWhereNoneQualifies) {
  // On a line at 0, 0.3 and 0.5 all neighbours qualify (below 0.329). 0.3 and 0.5 merge into 0.4, too far from 0.
  const Graph graph = build(with(true, false), {square("a", 0, 0.5, 0.04, 0.3), square("a", 0.3, 0.5, 0.01, 0.9),
                                                square("a", 0.5, 0.5, 0.02, 0.4)});
  ASSERT_EQ(graph.size(), 2);
  EXPECT_FLOAT_EQ(graph.features(0, 0), 0);
  EXPECT_FLOAT_EQ(graph.features(0, 6), 0.04f);
  EXPECT_FLOAT_EQ(graph.features(1, 0), 0.4f);
  EXPECT_FLOAT_EQ(graph.features(1, 1), 0.5f);
  EXPECT_FLOAT_EQ(graph.features(1, 6), 0.03f);
  EXPECT_FLOAT_EQ(graph.features(1, 7), 0.9f);
}

TEST(Drea, WeighsSizeOrientationAndAttributesOfAMergedNodeByArea) {
  drea::Params params = with(true, false);
  params.attributes = {"red"};
  // Areas 3000 and 1000 pixels: weights 3/4 and 1/4.
  const std::vector<Object> objects = {{100, 100, 100, 30, 0, 0.5, "car", {{"red", 0.8}}},
                                       {140, 100, 50, 20, std::acos(0) / 2, 0.6, "car", {}}};
  const Graph graph = build(params, objects, 1000, 1000);
  ASSERT_EQ(graph.size(), 1);
  const std::vector<float> expected = {0.12f, 0.1f, 0.0875f, 0.0275f, 0.25f, 0.75f, 0.004f, 0.6f, 0.6f};
  ASSERT_EQ(graph.features.cols(), 9);
  for (int64_t f = 0; f < 9; ++f) EXPECT_NEAR(graph.features(0, f), expected[static_cast<size_t>(f)], 1e-6) << f;
}

TEST(Drea, KeepsObjectsOfDifferentLabelsApart) {
  const Graph graph = build(with(true, false), {square("a", 0.5, 0.5, 0.1), square("b", 0.5, 0.5, 0.1)});
  EXPECT_EQ(graph.labels, (std::vector<std::string>{"a", "b"}));
  EXPECT_EQ(graph.adjacency(0, 1), 1);
}

TEST(Drea, RaisesEdgesByTheRanksOfTheirAreas) {
  const Graph graph =
      build(with(false, true), {square("a", 0.1, 0.5, 0.01), square("b", 0.4, 0.5, 0.03), square("c", 0.4, 0.9, 0.02)});
  EXPECT_EQ(graph.labels, (std::vector<std::string>{"b", "c", "a"}));
  EXPECT_NEAR(graph.adjacency(0, 0), 1.15, 1e-6);                   // 1.15 exp(1 - 1)
  EXPECT_NEAR(graph.adjacency(1, 1), 1.15 * std::exp(-1.0), 1e-6);  // ranks 2 and 2
  EXPECT_NEAR(graph.adjacency(0, 1), 0.544001, 1e-6);               // 1.15 exp(1 - sqrt 2) * exp(-0.16) * 0.84
  EXPECT_NEAR(graph.adjacency(0, 2), 0.459967, 1e-6);               // 1.15 exp(1 - sqrt 3) * exp(-0.09) * 0.91
  EXPECT_EQ(graph.adjacency(2, 0), graph.adjacency(0, 2));
}

TEST(Drea, GivesObjectsOfEqualAreaOneRank) {
  const Graph graph =
      build(with(false, true), {square("a", 0.1, 0.5, 0.04), square("a", 0.4, 0.5, 0.01), square("a", 0.7, 0.5, 0.01)});
  EXPECT_EQ(graph.adjacency(1, 1), graph.adjacency(2, 2));
  EXPECT_NEAR(graph.adjacency(2, 2), 1.15 * std::exp(-1.0), 1e-6);
}

TEST(Drea, SwitchesBothPartsByVariantAndEachByItsOwnKey) {
  const std::vector<Object> objects = {square("a", 0.5, 0.5, 0.02), square("a", 0.55, 0.5, 0.01)};
  drea::Params plain;
  plain.variant = drea::Variant::plain;
  expect_equal(build(plain, objects), build(with(false, false, 0.5), objects));
  expect_equal(build({}, objects), build(with(true, true, 0.5), objects));
  drea::Params merged_only;
  merged_only.enhance = false;
  expect_equal(build(merged_only, objects), build(with(true, false, 0.5), objects));
}

TEST(Drea, KeepsTheLargestNodes) {
  drea::Params params = with(false, false);
  params.max_nodes = 2;
  const Graph graph = build(
      params, {square("small", 0.1, 0.1, 0.01), square("large", 0.5, 0.5, 0.05), square("middle", 0.9, 0.9, 0.02)});
  EXPECT_EQ(graph.labels, (std::vector<std::string>{"large", "middle"}));
}

TEST(Drea, GivesTheSameNodeForEveryWayToWriteABox) {
  const double quarter = std::acos(0);
  const Graph box = build({}, {{300, 200, 80, 20, 0.3, 1, "a", {}}});
  const Graph turned = build({}, {{300, 200, 80, 20, 0.3 + 2 * quarter, 1, "a", {}}});
  const Graph exchanged = build({}, {{300, 200, 20, 80, 0.3 - quarter, 1, "a", {}}});
  for (int64_t f = 0; f < box.features.cols(); ++f) {
    EXPECT_NEAR(turned.features(0, f), box.features(0, f), 1e-6) << f;
    EXPECT_NEAR(exchanged.features(0, f), box.features(0, f), 1e-6) << f;
  }
  EXPECT_FLOAT_EQ(box.features(0, 4), static_cast<float>(std::sin(0.6)));
}

TEST(Drea, MeasuresInSidesOfASquareOfTheScenesArea) {
  const Graph graph = build({}, {{100, 50, 40, 10, 0, 1, "a", {}}}, 400, 100);
  EXPECT_FLOAT_EQ(graph.features(0, 0), 0.5f);
  EXPECT_FLOAT_EQ(graph.features(0, 1), 0.25f);
  EXPECT_FLOAT_EQ(graph.features(0, 6), 0.01f);
}

TEST(Drea, IsTheSameGraphForEveryOrderOfTheObjects) {
  for (const bool merge : {false, true})
    for (const double scale : {0.05, 0.2, 1.0}) {
      drea::Params params = with(merge, true, scale);
      params.max_nodes = 40;
      params.attributes = {"red"};
      std::vector<Object> objects = crowd(120, 7);
      const Graph expected = build(params, objects, 640, 640);
      std::mt19937 random(3);
      for (int repeat = 0; repeat < 10; ++repeat) {
        std::shuffle(objects.begin(), objects.end(), random);
        expect_equal(build(params, objects, 640, 640), expected);
      }
    }
}

TEST(Drea, MergesCoincidentObjectsIntoOne) {
  const std::vector<Object> objects(1000, square("a", 0.3, 0.6, 0.0001, 0.7));
  const Graph graph = build(with(true, true), objects);
  ASSERT_EQ(graph.size(), 1);
  EXPECT_FLOAT_EQ(graph.features(0, 0), 0.3f);
  EXPECT_NEAR(graph.features(0, 6), 0.1, 1e-6);
  EXPECT_FLOAT_EQ(graph.features(0, 7), 0.7f);
  // A threshold of 1 merges nothing: no d_A is above it.
  drea::Params never = with(true, false);
  never.merge_threshold = 1;
  EXPECT_EQ(build(never, objects).size(), never.max_nodes);
}

TEST(Drea, HandlesNoObjectsOneTwoTwentyAndAThousand) {
  const Graph none = build({}, {});
  EXPECT_EQ(none.size(), 0);
  EXPECT_EQ(none.adjacency.rows(), 0);
  EXPECT_EQ(none.features.cols(), 8);
  for (const int count : {1, 2, 20, 1000}) {
    std::vector<Object> objects = crowd(count, 11);
    for (const bool merge : {false, true}) {
      const Graph graph = build(with(merge, true, 0.1), objects, 640, 640);
      EXPECT_GE(graph.size(), 1);
      EXPECT_LE(graph.size(), 20);
      for (int64_t i = 0; i < graph.size(); ++i)
        for (int64_t j = 0; j < graph.size(); ++j) {
          EXPECT_TRUE(graph.adjacency(i, j) >= 0 && graph.adjacency(i, j) <= 1.15f);
          EXPECT_EQ(graph.adjacency(i, j), graph.adjacency(j, i));
        }
    }
  }
}

TEST(Drea, MergesAThousandObjectsOfOneLabelInMilliseconds) {
  std::mt19937 random(5);
  std::uniform_real_distribution<double> place(0, 1);
  std::vector<Object> objects;
  for (int i = 0; i < 1000; ++i) objects.push_back(square("a", place(random), place(random), 1e-4 * place(random)));
  for (const double scale : {0.02, 0.1, 1.0, 100.0}) {
    const std::clock_t begin = std::clock();
    const Graph graph = build(with(true, true, scale), objects);
    const double seconds = static_cast<double>(std::clock() - begin) / CLOCKS_PER_SEC;
    RecordProperty("milliseconds_at_scale_" + std::to_string(scale), std::to_string(1000 * seconds));
    // Generous, for sanitizers and unoptimised builds: an O(n^3) search would take seconds even when optimised.
    EXPECT_LT(seconds, 0.5) << scale;
  }
}

TEST(Drea, RefusesNumbersThatAreNotFinite) {
  Object object = square("a", 0.5, 0.5, 0.1);
  object.angle = std::numeric_limits<double>::quiet_NaN();
  EXPECT_THROW(build({}, {object}), orbweaver::InputError);
  EXPECT_THROW(build({}, {square("a", 0.5, 0.5, 0.1)}, 0, 0), orbweaver::ShapeError);
}

TEST(Drea, RefusesAnAttributeNamedTwice) {
  drea::Params params;
  params.attributes = {"red", "red"};
  EXPECT_THROW(drea::DreaGraph{params}, orbweaver::InputError);
}

}  // namespace
