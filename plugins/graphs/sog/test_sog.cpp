#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <ctime>
#include <limits>
#include <map>
#include <numbers>
#include <random>
#include <set>
#include <string>
#include <tuple>
#include <vector>

#include "sog.h"

namespace {

using orbweaver::Graph;
using orbweaver::Object;
using orbweaver::Relation;

constexpr double quarter_turn = std::numbers::pi / 2;

/// A box in a scene of 1000 x 1000 pixels.
Object box(const std::string& label, double cx, double cy, double width, double height, double angle = 0,
           double probability = 1) {
  return {cx, cy, width, height, angle, probability, label, {}};
}

Graph build(const sog::Params& params, const std::vector<Object>& objects, int64_t width = 1000,
            int64_t height = 1000) {
  return sog::SpatialObjectGraph(params).build(orbweaver::Scene{width, height, objects, {}});
}

sog::Params by_class() {
  sog::Params params;
  params.variant = sog::Variant::by_class;
  return params;
}

/// "car left of house" for each relation, in alphabetical order.
std::vector<std::string> sentences(const Graph& graph) {
  std::vector<std::string> out;
  for (const Relation& relation : graph.relations)
    out.push_back(graph.labels[static_cast<size_t>(relation.source)] + " " + relation.name + " " +
                  graph.labels[static_cast<size_t>(relation.target)]);
  std::sort(out.begin(), out.end());
  return out;
}

std::vector<std::string> sentences_of(const std::vector<Object>& objects) { return sentences(build({}, objects)); }

using Sentences = std::vector<std::string>;

/// Crowded scenes with equal areas, coincident and identical objects among them.
std::vector<Object> crowd(int count, unsigned seed) {
  std::mt19937 random(seed);
  const auto below = [&](int limit) { return static_cast<double>(random() % static_cast<unsigned>(limit)); };
  const char* const labels[] = {"car", "ship", "house", "tree"};
  std::vector<Object> objects;
  while (static_cast<int>(objects.size()) < count) {
    Object object = box(labels[random() % 4], below(32) * 20, below(32) * 20, 8 + 4 * below(3), 8 + 4 * below(3),
                        below(4) * 0.4, 0.25 * (1 + below(4)));
    if (random() % 2) object.attributes = {{"red", below(3)}};
    objects.push_back(object);
    if (random() % 10 == 0 && static_cast<int>(objects.size()) < count) objects.push_back(object);
  }
  return objects;
}

/// Boxes in general position: no two quantities of theirs are equal.
std::vector<Object> scattered(int count, unsigned seed) {
  std::mt19937 random(seed);
  std::uniform_real_distribution<double> place(0, 1000), size(20, 120), angle(-1.5, 1.5);
  const char* const labels[] = {"car", "ship", "house", "tree"};
  std::vector<Object> objects;
  for (int i = 0; i < count; ++i)
    objects.push_back(box(labels[i % 4], place(random), place(random), size(random), size(random), angle(random)));
  return objects;
}

void expect_equal(const Graph& found, const Graph& expected) {
  EXPECT_EQ(found.labels, expected.labels);
  EXPECT_TRUE(found.features == expected.features);
  EXPECT_TRUE(found.adjacency == expected.adjacency);
  EXPECT_EQ(found.relations, expected.relations);
}

// Nodes.

TEST(Sog, MakesANodeOfEachObjectLargestFirst) {
  const Graph graph = build({}, {box("small", 100, 200, 20, 10, 0.3, 0.5), box("large", 500, 600, 40, 100)});
  EXPECT_EQ(graph.labels, (Sentences{"large", "small"}));
  // The longer side is the width, so the upright box is one turned by a quarter: sin 180 = 0, cos 180 = -1.
  const std::vector<float> large = {0.5f, 0.6f, 0.1f, 0.04f, 0, -1, 0.004f, 1};
  const std::vector<float> small = {0.1f, 0.2f, 0.02f, 0.01f, std::sin(0.6f), std::cos(0.6f), 0.0002f, 0.5f};
  ASSERT_EQ(graph.features.cols(), 8);
  for (int64_t f = 0; f < 8; ++f) {
    EXPECT_NEAR(graph.features(0, f), large[static_cast<size_t>(f)], 1e-6) << f;
    EXPECT_NEAR(graph.features(1, f), small[static_cast<size_t>(f)], 1e-6) << f;
  }
}

TEST(Sog, MakesANodeOfEachClassWithAreaSummedAndTheRestWeightedByArea) {
  sog::Params params = by_class();
  params.attributes = {"red"};
  Object first = box("car", 100, 100, 60, 50, 0, 0.5), second = box("car", 500, 300, 50, 20, 0, 0.9);
  first.attributes = {{"red", 0.8}};
  const Graph graph = build(params, {second, box("house", 900, 900, 100, 100), first});
  EXPECT_EQ(graph.labels, (Sentences{"house", "car"}));
  // Areas 3000 and 1000 pixels: weights 3/4 and 1/4.
  const std::vector<float> car = {0.2f, 0.15f, 0.0575f, 0.0425f, 0, 1, 0.004f, 0.6f, 0.6f};
  ASSERT_EQ(graph.features.cols(), 9);
  for (int64_t f = 0; f < 9; ++f) EXPECT_NEAR(graph.features(1, f), car[static_cast<size_t>(f)], 1e-6) << f;
}

TEST(Sog, KeepsTheLargestNodesOrTheFirstOnes) {
  const std::vector<Object> objects = {box("a", 100, 100, 10, 10), box("b", 300, 100, 20, 10),
                                       box("c", 500, 100, 30, 10), box("c", 700, 100, 30, 10),
                                       box("a", 900, 100, 90, 10)};
  sog::Params params;
  params.max_nodes = 2;
  EXPECT_EQ(build(params, objects).labels, (Sentences{"a", "c"}));
  params.variant = sog::Variant::by_class;
  EXPECT_EQ(build(params, objects).labels, (Sentences{"a", "c"}));
  params.truncation = sog::Truncation::first;
  EXPECT_EQ(build(params, objects).labels, (Sentences{"a", "b"}));
  params.variant = sog::Variant::instance;
  EXPECT_EQ(build(params, objects).labels, (Sentences{"b", "a"}));
}

TEST(Sog, LeavesOutLabelsThatAreNotAmongItsClasses) {
  sog::Params params;
  params.classes = {"car", "absent"};
  const std::vector<Object> objects = {box("tree", 1, 1, 90, 90), box("car", 1, 1, 9, 9), box("car", 2, 2, 8, 8)};
  EXPECT_EQ(build(params, objects).labels, (Sentences{"car", "car"}));
  params.classes = {"absent"};
  EXPECT_EQ(build(params, objects).size(), 0);
}

// Adjacency.

TEST(Sog, WeighsEdgesByTheInverseDistanceOfCentres) {
  // 300 and 400 pixels to the sides: 500, half an image side.
  const std::vector<Object> objects = {box("a", 100, 100, 30, 30), box("b", 400, 500, 20, 20),
                                       box("c", 400, 500, 10, 10)};
  const Graph graph = build({}, objects);
  EXPECT_FLOAT_EQ(graph.adjacency(0, 1), 2);
  EXPECT_EQ(graph.adjacency(1, 2), 0) << "centres that coincide";
  EXPECT_EQ(graph.adjacency(0, 0), 0);
  sog::Params pixels;
  pixels.units = sog::Units::pixels;
  EXPECT_FLOAT_EQ(build(pixels, objects).adjacency(0, 1), 0.002f);
}

TEST(Sog, WeighsEdgesByAGaussianOfTheDistance) {
  sog::Params params;
  params.adjacency = sog::Adjacency::gaussian;
  params.scale = 0.5;
  const std::vector<Object> objects = {box("a", 100, 100, 30, 30), box("b", 400, 500, 20, 20),
                                       box("b", 400, 500, 10, 10)};
  Graph graph = build(params, objects);
  EXPECT_FLOAT_EQ(graph.adjacency(0, 2), std::exp(-0.5f));
  EXPECT_EQ(graph.adjacency(1, 2), 1);
  EXPECT_EQ(graph.adjacency(1, 1), 0);
  params.units = sog::Units::pixels;
  params.scale = 500;
  EXPECT_FLOAT_EQ(build(params, objects).adjacency(0, 2), std::exp(-0.5f));
  params.variant = sog::Variant::by_class;
  EXPECT_FLOAT_EQ(build(params, objects).adjacency(0, 1), 2 * std::exp(-0.5f)) << "summed over pairs of objects";
}

TEST(Sog, JoinsTheNearestNodesBothWays) {
  sog::Params params;
  params.adjacency = sog::Adjacency::knn;
  params.k = 1;
  // On a line at 0, 100, 300: 300 is nobody's nearest, but its own nearest is 100.
  const std::vector<Object> objects = {box("a", 0, 0, 30, 30), box("b", 100, 0, 20, 20), box("c", 300, 0, 10, 10)};
  const Graph graph = build(params, objects);
  EXPECT_EQ(graph.adjacency(0, 1), 1);
  EXPECT_EQ(graph.adjacency(1, 2), 1);
  EXPECT_EQ(graph.adjacency(2, 1), 1);
  EXPECT_EQ(graph.adjacency(0, 2), 0);
  params.k = 10;
  EXPECT_EQ(build(params, objects).adjacency(0, 2), 1);
}

// Relations.

TEST(Sog, TellsLeftFromRightAndAboveFromBelow) {
  EXPECT_EQ(sentences_of({box("a", 200, 500, 50, 50), box("b", 800, 500, 40, 40)}),
            (Sentences{"a left of b", "b right of a"}));
  EXPECT_EQ(sentences_of({box("a", 500, 200, 50, 50), box("b", 500, 800, 40, 40)}),
            (Sentences{"a above b", "b below a"}));
}

TEST(Sog, NamesNoDirectionOnADiagonal) {
  const auto at_degrees = [](double degrees) {
    const double angle = degrees * std::numbers::pi / 180;
    return sentences_of(
        {box("a", 500, 500, 50, 50), box("b", 500 + 400 * std::cos(angle), 500 + 400 * std::sin(angle), 40, 40)});
  };
  EXPECT_EQ(at_degrees(29), (Sentences{"a left of b", "b right of a"}));
  EXPECT_EQ(at_degrees(31), Sentences{});
  EXPECT_EQ(at_degrees(59), Sentences{});
  EXPECT_EQ(at_degrees(61), (Sentences{"a above b", "b below a"}));
}

TEST(Sog, NamesTheDirectionOfALongObjectByItsExtent) {
  // The car's centre lies 400 to the right of the road's and 50 below: still below the road, not right of it.
  EXPECT_EQ(sentences_of({box("road", 500, 500, 900, 20), box("car", 900, 550, 20, 10)}),
            (Sentences{"car below road", "car near road", "road above car", "road near car"}));
}

TEST(Sog, NamesGapsBySizesOfTheShorterSides) {
  // Shorter sides 40 and 10: sizes of 20 pixels. Gaps of 20, 21, 60 and 61 between the boxes.
  const auto with_gap = [](double gap) {
    return sentences_of({box("house", 100, 500, 40, 80), box("car", 120 + gap + 15, 500, 30, 10)});
  };
  EXPECT_EQ(with_gap(19.999),
            (Sentences{"car next to house", "car right of house", "house left of car", "house next to car"}));
  EXPECT_EQ(with_gap(20.001),
            (Sentences{"car near house", "car right of house", "house left of car", "house near car"}));
  EXPECT_EQ(with_gap(59.999),
            (Sentences{"car near house", "car right of house", "house left of car", "house near car"}));
  EXPECT_EQ(with_gap(60.001), (Sentences{"car right of house", "house left of car"}));
}

TEST(Sog, CountsAGapOfExactlyTheBoundAsWithinItAtAnyScale) {
  // Gaps of one and three sizes, in numbers that are exact.
  for (const double side : {12.0, 16.0, 20.0, 24.0, 28.0}) {
    const auto apart = [&](double sizes) {
      return sentences(build(
          {}, {box("house", 16, 128, side, side), box("car", 16 + (1 + sizes) * side, 128, side, side)}, 256, 256));
    };
    EXPECT_EQ(apart(1).front(), "car next to house") << side;
    EXPECT_EQ(apart(3).front(), "car near house") << side;
    EXPECT_EQ(apart(3.0001), (Sentences{"car right of house", "house left of car"})) << side;
  }
}

TEST(Sog, PutsABoxInAnotherWhenFourFifthsOfItLieThere) {
  const auto shifted = [](double right) {
    return sentences_of({box("lot", 500, 500, 200, 100), box("car", 600 + right, 500, 20, 10)});
  };
  EXPECT_EQ(shifted(-10), (Sentences{"car in lot", "lot contains car"}));
  EXPECT_EQ(shifted(-6.01), (Sentences{"car in lot", "lot contains car"}));  // 16.01 of its 20 pixels are inside
  EXPECT_EQ(shifted(-5.99), (Sentences{"car overlapping lot", "lot overlapping car"}));
  EXPECT_EQ(shifted(7.99), (Sentences{"car overlapping lot", "lot overlapping car"}));  // 2.01 of its 20
  EXPECT_EQ(shifted(8.01), (Sentences{"car next to lot", "car right of lot", "lot left of car", "lot next to car"}));
}

TEST(Sog, MeasuresTheRotatedBoxesAndNotTheirHulls) {
  // A ship on the diagonal; its upright hull reaches from 400 to 600 both ways and holds the car in its empty corner.
  const Object ship = box("ship", 500, 500, 260, 20, std::numbers::pi / 4);
  EXPECT_EQ(sentences_of({ship, box("car", 560, 440, 10, 10)}), (Sentences{})) << "85 - 10 - 7 pixels apart";
  EXPECT_EQ(sentences_of({ship, box("car", 560, 560, 10, 10)}), (Sentences{"car in ship", "ship contains car"}));
  // Turned by an eighth, a square of side 20 and one of side 10 share an octagon: half of the smaller in common.
  const auto cross =
      sentences_of({box("square", 500, 500, 20, 20), box("diamond", 510, 500, 10, 10, std::numbers::pi / 4)});
  EXPECT_EQ(cross, (Sentences{"diamond overlapping square", "square overlapping diamond"}));
}

TEST(Sog, ComputesCommonAreasOfRotatedBoxes) {
  const auto node = [](double x, double y, double width, double height, double angle) {
    return object_nodes::read("sog", box("a", x, y, width, height, angle), 1, {});
  };
  const auto common = [&](const object_nodes::Node& a, const object_nodes::Node& b) {
    const double area = sog::Box(a).common_area(sog::Box(b));
    EXPECT_NEAR(sog::Box(b).common_area(sog::Box(a)), area, 1e-9);
    return area;
  };
  EXPECT_NEAR(common(node(0, 0, 4, 2, 0), node(3, 0, 4, 2, 0)), 2, 1e-12);
  EXPECT_NEAR(common(node(0, 0, 4, 2, 0), node(0, 0, 4, 2, quarter_turn)), 4, 1e-12);
  // A unit square and the same one turned by an eighth: a regular octagon of area 2 (sqrt 2 - 1).
  EXPECT_NEAR(common(node(0, 0, 1, 1, 0), node(0, 0, 1, 1, quarter_turn / 2)), 2 * (std::sqrt(2) - 1), 1e-12);
  EXPECT_NEAR(common(node(0, 0, 4, 2, 0.3), node(0, 0, 1, 1, 1.1)), 1, 1e-12);
  EXPECT_NEAR(common(node(0, 0, 4, 2, 0), node(10, 0, 4, 2, 1)), 0, 1e-12);
}

TEST(Sog, ComputesGapsOfRotatedBoxes) {
  const auto gap = [](const Object& a, const Object& b) {
    return sog::gap_between(sog::Box(object_nodes::read("sog", a, 1, {})),
                            sog::Box(object_nodes::read("sog", b, 1, {})));
  };
  EXPECT_NEAR(gap(box("a", 0, 0, 4, 2), box("b", 10, 0, 4, 2)), 6, 1e-12);
  EXPECT_NEAR(gap(box("a", 0, 0, 4, 2), box("b", 7, 6, 4, 2)), 5, 1e-12);  // corner to corner, 3 and 4
  // A diamond's corner points at the side.
  EXPECT_NEAR(gap(box("a", 0, 0, 2, 2), box("b", 5, 0, 2, 2, quarter_turn / 2)), 4 - std::sqrt(2), 1e-12);
  EXPECT_NEAR(gap(box("a", 0, 0, 10, 1), box("b", 0, 0, 10, 1, quarter_turn)), 0, 1e-12)
      << "crossing, no corner inside";
}

TEST(Sog, CallsTwoBoxesAroundOneThingOverlapping) {
  EXPECT_EQ(sentences_of({box("house", 500, 500, 100, 100), box("roof", 502, 500, 98, 98)}),
            (Sentences{"house overlapping roof", "roof overlapping house"}));
}

TEST(Sog, TakesBoxesWithoutArea) {
  EXPECT_EQ(sentences_of({box("lot", 500, 500, 100, 100), box("point", 510, 500, 0, 0)}),
            (Sentences{"lot contains point", "point in lot"}));
  EXPECT_EQ(sentences_of({box("p", 500, 500, 0, 0), box("q", 600, 500, 0, 0)}),
            (Sentences{"p left of q", "q right of p"}));
  EXPECT_EQ(sentences_of({box("p", 500, 500, 0, 0), box("q", 500, 500, 0, 0)}),
            (Sentences{"p overlapping q", "q overlapping p"}));
}

TEST(Sog, BoundsTheRelationsThatLeaveANodeAndTakesTheClosest) {
  // A row of boxes 10 wide, at gaps of 2, 4, 6, ...: each of which the first is next to or near.
  std::vector<Object> row;
  double x = 0;
  for (int i = 0; i < 8; ++i) {
    row.push_back(box(std::string(1, static_cast<char>('a' + i)), x, 0, 10, 30 - i));
    x += 12 + 2 * i;
  }
  sog::Params params;
  params.max_close = 2;
  params.max_directions = 1;
  const Graph graph = build(params, row);
  std::map<int64_t, int> leaving;
  for (const Relation& relation : graph.relations) ++leaving[relation.source];
  for (const auto& [node, count] : leaving) EXPECT_LE(count, 3) << node;
  Sentences of_a;
  for (const std::string& sentence : sentences(graph))
    if (sentence[0] == 'a') of_a.push_back(sentence);
  EXPECT_EQ(of_a, (Sentences{"a left of b", "a near c", "a next to b"}));
  params.max_close = 0;
  params.max_directions = 0;
  EXPECT_TRUE(build(params, row).relations.empty());
}

TEST(Sog, OrdersDirectionsOfFarObjectsByGapsAndNotByCircles) {
  // Gaps from a: 290 to the bar, whose circle comes as near as 195; 280 to c.
  const std::vector<Object> objects = {box("a", 500, 500, 10, 10), box("bar", 800, 500, 10, 200),
                                       box("c", 210, 500, 10, 10)};
  sog::Params params;
  params.max_close = 0;
  params.max_directions = 1;
  EXPECT_EQ(sentences(build(params, objects)), (Sentences{"a right of c", "bar right of a", "c left of a"}));
}

TEST(Sog, GivesTwentyObjectsAtMostAHundredRelations) {
  for (unsigned seed = 0; seed < 20; ++seed) {
    const Graph graph = build({}, scattered(20, seed));
    EXPECT_LE(graph.relations.size(), 100u);
    EXPECT_GE(graph.relations.size(), 20u);
  }
}

TEST(Sog, PrefersTheContainerOverNeighbours) {
  std::vector<Object> objects = {box("lot", 500, 500, 400, 100)};
  for (int i = 0; i < 8; ++i) objects.push_back(box("car", 340 + 45 * i, 500, 30, 20));
  sog::Params params;
  params.max_close = 1;
  params.max_directions = 0;
  const Sentences found = sentences(build(params, objects));
  EXPECT_EQ(std::count(found.begin(), found.end(), "car in lot"), 8);
  EXPECT_EQ(std::count(found.begin(), found.end(), "lot contains car"), 1);
}

TEST(Sog, RelatesClassesByTheVotesOfTheirObjects) {
  // Three cars in lots, one on the street between them; both lots vote that they contain a car.
  const Graph graph =
      build(by_class(), {box("lot", 200, 500, 200, 100), box("lot", 800, 500, 200, 100), box("car", 150, 500, 20, 10),
                         box("car", 250, 500, 20, 10), box("car", 780, 500, 20, 10), box("car", 500, 500, 20, 10)});
  EXPECT_EQ(sentences(graph), (Sentences{"car in lot", "lot contains car"}));
}

TEST(Sog, NamesADirectionOfClassesOnlyByMajority) {
  const Object tower = box("tower", 500, 500, 20, 20);
  // The masts say left, right and above, and the tower looks at the one above: 2 votes of 4.
  EXPECT_EQ(sentences(build(by_class(), {tower, box("mast", 100, 500, 5, 5), box("mast", 900, 500, 5, 5),
                                         box("mast", 500, 300, 5, 5)})),
            Sentences{});
  EXPECT_EQ(sentences(build(by_class(), {tower, box("mast", 100, 500, 5, 5), box("mast", 100, 520, 5, 5),
                                         box("mast", 900, 500, 5, 5)})),
            (Sentences{"mast left of tower", "tower right of mast"}));
}

/// (source, name, target) with nodes named by their content.
std::multiset<std::tuple<float, std::string, float>> relations_by_area(const Graph& graph) {
  std::multiset<std::tuple<float, std::string, float>> out;
  for (const Relation& relation : graph.relations)
    out.emplace(graph.features(relation.source, 6), relation.name, graph.features(relation.target, 6));
  return out;
}

TEST(Sog, SwapsLeftAndRightAloneInAMirrorImage) {
  for (const sog::Variant variant : {sog::Variant::instance, sog::Variant::by_class})
    for (unsigned seed = 0; seed < 20; ++seed) {
      sog::Params params;
      params.variant = variant;
      const std::vector<Object> objects = scattered(30, seed);
      std::vector<Object> mirrored = objects;
      for (Object& object : mirrored) object.cx = 1000 - object.cx, object.angle = -object.angle;
      const Graph graph = build(params, objects), mirror = build(params, mirrored);
      EXPECT_EQ(graph.labels, mirror.labels);
      auto expected = relations_by_area(graph);
      std::multiset<std::tuple<float, std::string, float>> swapped;
      for (auto [source, name, target] : expected) {
        if (name == "left of" || name == "right of") name = name == "left of" ? "right of" : "left of";
        swapped.emplace(source, name, target);
      }
      EXPECT_EQ(relations_by_area(mirror), swapped) << seed;
      for (int64_t i = 0; i < graph.size(); ++i)
        for (int64_t j = 0; j < graph.size(); ++j)
          EXPECT_NEAR(mirror.adjacency(i, j), graph.adjacency(i, j), 1e-4 * (1 + graph.adjacency(i, j)));
    }
}

TEST(Sog, NamesEveryPairTheSameWayFromBothEnds) {
  const std::map<std::string, std::string> inverse = {
      {"in", "contains"},      {"contains", "in"}, {"overlapping", "overlapping"},
      {"next to", "next to"},  {"near", "near"},   {"left of", "right of"},
      {"right of", "left of"}, {"above", "below"}, {"below", "above"}};
  sog::Params params;
  params.max_nodes = 512;
  params.max_close = params.max_directions = 511;
  const Graph graph = build(params, scattered(60, 4));
  std::set<std::tuple<int64_t, std::string, int64_t>> found;
  for (const Relation& relation : graph.relations) {
    ASSERT_TRUE(inverse.contains(relation.name)) << relation.name;
    EXPECT_TRUE(found.emplace(relation.source, relation.name, relation.target).second) << "an edge stands twice";
  }
  for (const auto& [source, name, target] : found)
    EXPECT_TRUE(found.contains({target, inverse.at(name), source})) << name;
}

// The graph as a function of its objects.

TEST(Sog, IsTheSameGraphForEveryOrderOfTheObjects) {
  for (const sog::Variant variant : {sog::Variant::instance, sog::Variant::by_class})
    for (const sog::Adjacency adjacency :
         {sog::Adjacency::inverse_distance, sog::Adjacency::gaussian, sog::Adjacency::knn}) {
      sog::Params params;
      params.variant = variant;
      params.adjacency = adjacency;
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

TEST(Sog, IsTheSameGraphAtEveryResolution) {
  const std::vector<Object> objects = scattered(20, 9);
  std::vector<Object> twice = objects;
  for (Object& object : twice) object.cx *= 2, object.cy *= 2, object.width *= 2, object.height *= 2;
  expect_equal(build({}, twice, 2000, 2000), build({}, objects));
}

TEST(Sog, RelatesTheSameForEveryWayToWriteABox) {
  std::vector<Object> objects = scattered(20, 12);
  const auto expected = sentences(build({}, objects));
  for (Object& object : objects) {
    std::swap(object.width, object.height);
    object.angle -= quarter_turn;
  }
  EXPECT_EQ(sentences(build({}, objects)), expected);
}

TEST(Sog, HandlesNoObjectsOneTwoTwentyAndAThousand) {
  for (const sog::Variant variant : {sog::Variant::instance, sog::Variant::by_class}) {
    sog::Params params;
    params.variant = variant;
    const Graph none = build(params, {});
    EXPECT_EQ(none.size(), 0);
    EXPECT_EQ(none.adjacency.rows(), 0);
    EXPECT_EQ(none.features.cols(), 8);
    for (const int count : {1, 2, 20, 1000}) {
      const std::clock_t begin = std::clock();
      const std::vector<Object> objects = crowd(count, 11);
      const Graph graph = build(params, objects, 640, 640);
      const double seconds = static_cast<double>(std::clock() - begin) / CLOCKS_PER_SEC;
      RecordProperty("milliseconds_" + std::to_string(count), std::to_string(1000 * seconds));
      EXPECT_LT(seconds, 0.5) << count;  // generous, for sanitizers and unoptimised builds
      std::set<std::string> labels;
      for (const Object& object : objects) labels.insert(object.label);
      EXPECT_EQ(graph.size(),
                variant == sog::Variant::instance ? std::min<int64_t>(count, 20) : static_cast<int64_t>(labels.size()));
      for (int64_t i = 0; i < graph.size(); ++i)
        for (int64_t j = 0; j < graph.size(); ++j) {
          EXPECT_TRUE(graph.adjacency(i, j) >= 0 && std::isfinite(graph.adjacency(i, j)));
          EXPECT_EQ(graph.adjacency(i, j), graph.adjacency(j, i));
        }
      for (const Relation& relation : graph.relations) EXPECT_NE(relation.source, relation.target);
    }
  }
  EXPECT_EQ(build({}, {box("a", 1, 1, 1, 1)}).adjacency(0, 0), 0);
}

TEST(Sog, BuildsFiveHundredNodesInMilliseconds) {
  sog::Params params;
  params.max_nodes = 512;
  for (const sog::Variant variant : {sog::Variant::instance, sog::Variant::by_class}) {
    params.variant = variant;
    const std::vector<Object> objects = scattered(1000, 5);
    const std::clock_t begin = std::clock();
    const Graph graph = build(params, objects);
    const double seconds = static_cast<double>(std::clock() - begin) / CLOCKS_PER_SEC;
    RecordProperty("milliseconds", std::to_string(1000 * seconds));
    EXPECT_LT(seconds, 2);
    EXPECT_LE(graph.relations.size(), 5 * static_cast<size_t>(graph.size()));
  }
}

TEST(Sog, RefusesNumbersThatAreNotFiniteAndScenesWithoutSize) {
  Object object = box("a", 500, 500, 10, 10);
  object.angle = std::numeric_limits<double>::quiet_NaN();
  EXPECT_THROW(build({}, {object}), orbweaver::InputError);
  EXPECT_THROW(build({}, {box("a", 500, 500, 10, 10)}, 0, 0), orbweaver::ShapeError);
}

TEST(Sog, NamesWhatSurroundsAnObjectOnAllSides) {
  sog::Params params;
  params.groups = true;
  params.max_close = params.max_directions = 0;
  std::vector<Object> objects = {box("house", 500, 500, 60, 60)};
  const auto add_trees = [&](std::vector<double> degrees) {
    objects.resize(1);
    for (const double angle : degrees)
      objects.push_back(box("tree", 500 + 80 * std::cos(angle * std::numbers::pi / 180),
                            500 + 80 * std::sin(angle * std::numbers::pi / 180), 30, 30));
  };
  add_trees({0, 120, 240});
  EXPECT_EQ(sentences(build(params, objects)),
            (Sentences{"house surrounded by tree", "house surrounded by tree", "house surrounded by tree",
                       "tree surrounds house", "tree surrounds house", "tree surrounds house"}));
  add_trees({0, 90, 175});  // a half is free
  EXPECT_EQ(sentences(build(params, objects)), (Sentences{"house between tree", "house between tree"}));
  add_trees({0, 120});  // two are no ring
  EXPECT_EQ(sentences(build(params, objects)), Sentences());
  add_trees({0, 120, 240});
  objects[3].cx -= 300;  // far away
  EXPECT_EQ(sentences(build(params, objects)), (Sentences{"house between tree", "house between tree"}));
  add_trees({0, 120, 240});
  objects[3].label = "car";
  EXPECT_EQ(sentences(build(params, objects)), Sentences());
}

TEST(Sog, PutsAnObjectBetweenTheTwoClosestPairsOfALabelAtMost) {
  sog::Params params;
  params.groups = true;
  params.max_close = params.max_directions = 0;
  const std::vector<Object> pair = {box("car", 500, 520, 30, 30), box("house", 400, 500, 60, 60),
                                    box("house", 600, 500, 60, 60)};
  EXPECT_EQ(sentences(build(params, pair)), (Sentences{"car between house", "car between house"}));
  // Four in a row: the two closest pairs have an end in common.
  std::vector<Object> row = pair;
  row.push_back(box("house", 200, 500, 60, 60));
  row.push_back(box("house", 900, 500, 60, 60));
  const Graph graph = build(params, row);
  std::set<int64_t> ends;
  for (const Relation& relation : graph.relations)
    if (graph.labels[static_cast<size_t>(relation.source)] == "car") ends.insert(relation.target);
  EXPECT_EQ(ends.size(), 3u);
  params.between_angle = 170;
  EXPECT_EQ(sentences(build(params, pair)), Sentences());
}

TEST(Sog, IsABagOfObjectsWithoutRelationsAndPositions) {
  sog::Params params;
  params.positions = false;
  params.max_close = params.max_directions = 0;
  const Graph here = build(params, {box("car", 100, 200, 30, 40), box("house", 700, 300, 90, 80)});
  const Graph there = build(params, {box("car", 800, 900, 30, 40), box("house", 150, 60, 90, 80)});
  EXPECT_TRUE(here.relations.empty());
  EXPECT_EQ(here.labels, there.labels);
  for (int64_t i = 0; i < 2; ++i)
    for (int64_t f = 0; f < here.features.cols(); ++f) EXPECT_EQ(here.features(i, f), there.features(i, f)) << f;
  EXPECT_GT(here.features(0, 2), 0);  // sizes stay
}

TEST(Sog, RefusesParametersThatContradictEachOther) {
  sog::Params params;
  params.attributes = {"red", "red"};
  EXPECT_THROW(sog::SpatialObjectGraph{params}, orbweaver::InputError);
  params = {};
  params.classes = {"car", "car"};
  EXPECT_THROW(sog::SpatialObjectGraph{params}, orbweaver::InputError);
  params = {};
  params.near = 0.5;
  EXPECT_THROW(sog::SpatialObjectGraph{params}, orbweaver::InputError);
}

}  // namespace
