#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <ctime>
#include <set>
#include <string>
#include <thread>
#include <vector>

#include "erg.h"

namespace {

using orbweaver::Graph;
using orbweaver::Triple;

Graph build(const std::string& text, const erg::Params& params = {}) {
  return erg::ErgGraph(params).build(orbweaver::Caption{text, {}, false});
}

Graph build(const std::string& text, const std::vector<Triple>& triples, const erg::Params& params = {}) {
  return erg::ErgGraph(params).build(orbweaver::Caption{text, triples, true});
}

void expect_equal(const Graph& a, const Graph& b) {
  EXPECT_EQ(a.labels, b.labels);
  EXPECT_EQ(a.relations, b.relations);
  EXPECT_EQ(a.adjacency, b.adjacency);
  EXPECT_EQ(a.features, b.features);
}

/// "plane 2, terminal building 1 | plane [next to] terminal building"
std::string describe(const erg::Net& net) {
  std::string out;
  for (const erg::Node& node : net.nodes)
    out += (out.empty() ? "" : ", ") + node.label + ' ' + std::to_string(node.count);
  std::string edges;
  for (const erg::Edge& edge : net.edges)
    edges += (edges.empty() ? "" : "; ") + net.nodes[edge.source].label + " [" + std::string(edge.name) + "] " +
             net.nodes[edge.target].label;
  return out + " | " + edges;
}

std::string read(std::string_view text) { return describe(erg::read_text(text, 20)); }

/// The column of an attribute in the features.
int64_t column(std::string_view name) {
  for (int i = 0; i < erg::kAttributeCount; ++i)
    if (erg::kAttributes[i].name == name) return 2 + i;
  ADD_FAILURE() << "no attribute " << name;
  return 0;
}

std::vector<std::string> attributes_of(const Graph& graph, int64_t node) {
  std::vector<std::string> names;
  for (int i = 0; i < erg::kAttributeCount; ++i)
    if (graph.features(node, 2 + i) != 0) names.emplace_back(erg::kAttributes[i].name);
  return names;
}

struct Reading {
  const char* text;
  const char* graph;  ///< nodes with their counts, then edges
};

// Worked by hand: what a reader takes from each caption.
constexpr Reading kReadings[] = {
    // Prepositions, copula, participles.
    {"two white planes are parked next to the terminal building",
     "plane 2, terminal building 1 | plane [next to] terminal building"},
    {"a bridge over a green river", "bridge 1, river 1 | bridge [crossing] river"},
    {"many cars are parked in a parking lot near a building",
     "car 10, parking lot 1, building 1 | car [in] parking lot; parking lot [near] building"},
    {"several ships in the harbor are close to the pier",
     "ship 3, harbor 1, pier 1 | ship [in] harbor; ship [near] pier"},
    {"the railway station with a red roof is between two roads",
     "railway station 1, roof 1, road 2 | railway station [with] roof; railway station [between] road"},
    {"Some houses built beside a lake.", "house 3, lake 1 | house [next to] lake"},
    // Passives and actives.
    {"a church surrounded by trees", "church 1, tree 3 | church [surrounded by] tree"},
    {"four baseball fields are surrounded by some trees and a road",
     "baseball field 4, tree 3, road 1 | baseball field [surrounded by] tree; baseball field [surrounded by] road"},
    {"buildings with grey roofs surround the lake",
     "building 3, roof 3, lake 1 | building [with] roof; building [surrounds] lake"},
    {"trees around a pond", "tree 3, pond 1 | tree [surrounds] pond"},
    {"a viaduct crosses a wide river", "viaduct 1, river 1 | viaduct [crossing] river"},
    {"the farmland is divided by a road", "farmland 1, road 1 | road [crossing] farmland"},
    {"a field is divided into four pieces of land by two roads",
     "field 1, land 4, road 2 | field [contains] land; road [crossing] field"},
    {"a river runs through the city", "river 1, city 1 | river [crossing] city"},
    {"the mountains are covered with white snow", "mountain 3, snow 1 | mountain [with] snow"},
    {"the stadium is full of people", "stadium 1, people 3 | stadium [contains] people"},
    {"children play on the beach", "child 3, beach 1 | child [on] beach"},
    // Coordination.
    {"trees and buildings are near a road", "tree 3, building 3, road 1 | tree [near] road; building [near] road"},
    {"a park with trees, two ponds and a playground",
     "park 1, tree 3, pond 2, playground 1 | park [with] tree; park [with] pond; park [with] playground"},
    {"the house and the pool are in a row", "house 1, pool 1 | house [in a row] pool; pool [in a row] house"},
    {"the school owns a baseball field a swimming pool and some tennis courts",
     "school 1, baseball field 1, swimming pool 1, tennis court 3 | school [with] baseball field; "
     "school [with] swimming pool; school [with] tennis court"},
    // Existential and inverted clauses.
    {"there are many trees on both sides of the road", "tree 10, road 1 | tree [on both sides of] road"},
    {"next to the airport is green grass", "airport 1, grass 1 | grass [next to] airport"},
    {"on both sides of the road are houses", "road 1, house 3 | house [on both sides of] road"},
    {"there is no building", " | "},
    // Parts, rows and quantities are no nodes.
    {"a piece of green meadow is next to a curved road", "meadow 1, road 1 | meadow [next to] road"},
    {"a row of houses stands along the river", "house 3, river 1 | house [along] river"},
    {"a lot of boats are docked in the harbor", "boat 10, harbor 1 | boat [in] harbor"},
    {"a large number of trees were planted around the houses", "tree 10, house 3 | tree [surrounds] house"},
    {"the pond in the middle of the park is irregular", "pond 1, park 1 | pond [in] park"},
    {"some cars are on the left side of the road", "car 3, road 1 | car [left of] road"},
    {"a river with some green trees in two sides",
     "river 1, tree 3 | river [with] tree; tree [on both sides of] river"},
    // Pronouns, possession, relative clauses.
    {"a playground with a football field in it is surrounded by green trees",
     "playground 1, football field 1, tree 3 | playground [with] football field; football field [in] playground; "
     "playground [surrounded by] tree"},
    {"several boats are in a river with a bridge over it and two trees on its banks",
     "boat 3, river 1, bridge 1, tree 2 | boat [in] river; river [with] bridge; bridge [crossing] river; "
     "river [with] tree; tree [along] river"},
    {"the city's parks are green", "city 1, park 3 | city [with] park"},
    {"a river which has two ships on it", "river 1, ship 2 | river [with] ship; ship [on] river"},
    {"the square is surrounded by residential areas, and it has a round pond",
     "square 1, residential area 3, pond 1 | square [surrounded by] residential area; square [with] pond"},
    // Words that could be something else.
    {"an arc shaped bridge is across the river", "bridge 1, river 1 | bridge [crossing] river"},
    {"a white square building is near a square", "building 1, square 1 | building [near] square"},
    {"running cars on the highway", "car 3, highway 1 | car [on] highway"},
    {"the industrial area includes grey and purple workshops",
     "industrial area 1, workshop 3 | industrial area [contains] workshop"},
};

TEST(Erg, ReadsEntitiesCountsAndRelationsAsAReaderDoes) {
  static_assert(std::size(kReadings) >= 25);
  for (const Reading& reading : kReadings) EXPECT_EQ(read(reading.text), reading.graph) << reading.text;
}

TEST(Erg, NamesOnlyRelationsOfTheSharedVocabulary) {
  const std::set<std::string_view> names(std::begin(erg::kRelationNames), std::end(erg::kRelationNames));
  EXPECT_EQ(names.size(), 20u);
  for (const erg::Named& entry : erg::kPrepositionNames) EXPECT_TRUE(names.count(entry.name)) << entry.name;
  for (const erg::Named& entry : erg::kPhraseNames) EXPECT_TRUE(names.count(entry.name)) << entry.name;
  for (const erg::VerbName& entry : erg::kVerbNames) {
    EXPECT_TRUE(names.count(entry.active)) << entry.active;
    EXPECT_TRUE(entry.passive.empty() || names.count(entry.passive)) << entry.passive;
  }
  for (const erg::PartNoun& entry : erg::kPartNouns) EXPECT_TRUE(entry.name.empty() || names.count(entry.name));
}

TEST(Erg, FindsTheSingularOfRegularAndIrregularPlurals) {
  EXPECT_EQ(
      read("churches, facilities, boxes, trees, houses, bushes, children, wharves, aircraft, buses, crossroads"),
      "church 3, facility 3, box 3, tree 3, house 3, bush 3, child 3, wharf 3, aircraft 3, bus 3, crossroads 1 | ");
  EXPECT_EQ(read("a tennis court, a grass field, a campus"), "tennis court 1, grass field 1, campus 1 | ");
}

TEST(Erg, WritesCountsAndAttributesIntoTheFeatures) {
  const Graph graph = build("two large white storage tanks and many houses are near a dry curved river");
  ASSERT_EQ(graph.labels, (std::vector<std::string>{"storage tank", "house", "river"}));
  ASSERT_EQ(graph.features.cols(), erg::ErgGraph({}).feature_width());
  EXPECT_FLOAT_EQ(graph.features(0, 0), static_cast<float>(std::log(3.0)));
  EXPECT_EQ(graph.features(0, 1), 0);
  EXPECT_FLOAT_EQ(graph.features(1, 0), static_cast<float>(std::log(11.0)));
  EXPECT_EQ(graph.features(1, 1), 1);
  EXPECT_FLOAT_EQ(graph.features(2, 0), static_cast<float>(std::log(2.0)));
  EXPECT_EQ(attributes_of(graph, 0), (std::vector<std::string>{"white", "large"}));
  EXPECT_EQ(attributes_of(graph, 1), (std::vector<std::string>{}));
  EXPECT_EQ(attributes_of(graph, 2), (std::vector<std::string>{"curved", "bare"}));
}

TEST(Erg, GivesAPredicateAdjectiveAndTheArrangementInRowsToTheNode) {
  EXPECT_EQ(attributes_of(build("the church is small and white"), 0), (std::vector<std::string>{"white", "small"}));
  EXPECT_EQ(build("several storage tanks are in two rows").features(0, column("orderly")), 1);
  EXPECT_EQ(build("two rows of storage tanks").features(0, column("orderly")), 1);
  EXPECT_EQ(build("a large piece of green meadow").features(0, column("large")), 1);
}

TEST(Erg, MergesEntitiesOfOneLabelAndKeepsTheLargerCount) {
  const Graph graph = build("a tree is near a house and two green trees are near a red house");
  ASSERT_EQ(graph.labels, (std::vector<std::string>{"tree", "house"}));
  EXPECT_FLOAT_EQ(graph.features(0, 0), static_cast<float>(std::log(3.0)));
  EXPECT_EQ(graph.features(0, column("green")), 1);
  EXPECT_EQ(graph.features(1, column("red")), 1);
  EXPECT_EQ(graph.relations, (std::vector<orbweaver::Relation>{{0, 1, "near"}}));
  EXPECT_TRUE(build("several buildings are around a building").relations.empty());
}

TEST(Erg, JoinsNodesByAnUndirectedEdgeOfOne) {
  const Graph graph = build("a house surrounded by trees is next to a road");
  ASSERT_EQ(graph.size(), 3);
  const float expected[3][3] = {{0, 1, 1}, {1, 0, 0}, {1, 0, 0}};
  for (int64_t i = 0; i < 3; ++i)
    for (int64_t j = 0; j < 3; ++j) EXPECT_EQ(graph.adjacency(i, j), expected[i][j]) << i << ' ' << j;
}

TEST(Erg, KeepsTheFirstNodesAndTheEdgesBetweenThem) {
  erg::Params params;
  params.max_nodes = 2;
  const Graph graph = build("a house is near a road and a house is near a river", params);
  EXPECT_EQ(graph.labels, (std::vector<std::string>{"house", "road"}));
  EXPECT_EQ(graph.relations, (std::vector<orbweaver::Relation>{{0, 1, "near"}}));
  const Graph given = build("", {{"car", "on", "road"}, {"road", "near", "lake"}}, params);
  EXPECT_EQ(given.labels, (std::vector<std::string>{"car", "road"}));
  EXPECT_EQ(given.relations, (std::vector<orbweaver::Relation>{{0, 1, "on"}}));
}

TEST(Erg, DensifiesTheAdjacencyOverItsNodes) {
  erg::Params params;
  params.densify = true;
  const Graph graph = build("a car on a road. a tree", params);
  ASSERT_EQ(graph.size(), 3);
  // Rows (1, 1, .01), (1, 1, .01), (.01, .01, 1): sums 2.01, 2.01, 1.02.
  EXPECT_NEAR(graph.adjacency(0, 1), 1 / 2.01, 1e-6);
  EXPECT_NEAR(graph.adjacency(0, 2), 0.01 / std::sqrt(2.01 * 1.02), 1e-6);
  EXPECT_NEAR(graph.adjacency(2, 2), 1 / 1.02, 1e-6);
}

TEST(Erg, GivesAnEmptyGraphForATextWithoutEntities) {
  for (const char* text : {"", " ", "...", ",,,", "the of and", "it is very", "\n\t", "'", "'s", "-", "of of of"}) {
    const Graph graph = build(text);
    EXPECT_EQ(graph.size(), 0) << text;
    EXPECT_EQ(graph.features.cols(), erg::ErgGraph({}).feature_width());
    EXPECT_EQ(graph.adjacency.rows(), graph.size());
  }
}

TEST(Erg, TakesBytesBeyondAsciiAsLetters) {
  EXPECT_EQ(read("two caf\xc3\xa9s near the pla\xc3\xa7"
                 "a"),
            "caf\xc3\xa9 2, pla\xc3\xa7"
            "a 1 | caf\xc3\xa9 [near] pla\xc3\xa7"
            "a");
  std::string every;
  for (int c = 255; c >= 0; --c) every += static_cast<char>(c);
  for (int repeat = 0; repeat < 4; ++repeat) every += every;
  const Graph graph = build(every);
  EXPECT_LE(graph.size(), 20);
}

TEST(Erg, ReadsAVeryLongTextInLinearTime) {
#ifdef __SANITIZE_THREAD__
  constexpr double seconds = 30;  // it takes ten times as long
#else
  constexpr double seconds = 5;
#endif
  std::string text, list, chain, ofs, words, adjectives;
  for (int i = 0; i < 20000; ++i) {
    text += "two planes are parked near a terminal" + std::to_string(i) + " in the airport. ";
    list += "thing" + std::to_string(i) + ", ";
    chain += "a tree near a house ";
    ofs += "row of ";
    adjectives += "big very ";
    words += "very near big of it and ";
  }
  for (const std::string& caption : {text, list, chain, ofs, words, adjectives}) {
    const std::clock_t begin = std::clock();
    const Graph graph = build(caption);
    EXPECT_LE(graph.size(), 20);
    // Generous, for sanitizers: quadratic time would be minutes.
    EXPECT_LT(static_cast<double>(std::clock() - begin) / CLOCKS_PER_SEC, seconds) << caption.substr(0, 20);
  }
}

TEST(Erg, IsTheSameGraphEveryTimeAndInEveryThread) {
  const erg::ErgGraph builder({});
  std::vector<Graph> expected;
  for (const Reading& reading : kReadings) expected.push_back(build(reading.text));
  std::vector<std::thread> threads;
  std::vector<int> wrong(4, 0);
  for (size_t t = 0; t < wrong.size(); ++t)
    threads.emplace_back([&, t] {
      for (int repeat = 0; repeat < 50; ++repeat)
        for (size_t i = 0; i < std::size(kReadings); ++i) {
          const Graph graph = builder.build(orbweaver::Caption{kReadings[i].text, {}, false});
          wrong[t] += graph.labels != expected[i].labels || graph.relations != expected[i].relations ||
                      !(graph.features == expected[i].features);
        }
    });
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(wrong, std::vector<int>(4, 0));
}

TEST(Erg, ServesTheTextSideAlone) {
  const erg::ErgGraph builder({});
  EXPECT_TRUE(builder.serves(orbweaver::Side::text));
  EXPECT_FALSE(builder.serves(orbweaver::Side::image));
  EXPECT_FALSE(builder.needs_pixels());
}

// Triples of the dataset.

TEST(Erg, TakesTheTriplesGivenForATextUnlessTold) {
  const std::vector<Triple> triples = {{"two white planes", "parked near", "a terminal"},
                                       {"terminal", "is surrounded by", "runways"},
                                       {"cars", "left of", "terminal"},
                                       {"rows of cars", "on both sides of", "the road"},
                                       {"roads", "divided by", "grass"},
                                       {"Zz!", "flibbers", "car"}};
  const Graph graph = build("a lake", triples);
  EXPECT_EQ(graph.labels, (std::vector<std::string>{"plane", "terminal", "runway", "car", "road", "grass", "zz"}));
  EXPECT_EQ(graph.relations, (std::vector<orbweaver::Relation>{{0, 1, "near"},
                                                               {1, 2, "surrounded by"},
                                                               {3, 1, "left of"},
                                                               {3, 4, "on both sides of"},
                                                               {5, 4, "crossing"},
                                                               {6, 3, "other"}}));
  EXPECT_FLOAT_EQ(graph.features(0, 0), static_cast<float>(std::log(3.0)));
  EXPECT_EQ(graph.features(0, column("white")), 1);

  erg::Params ignoring;
  ignoring.use_given_triples = false;
  expect_equal(build("a lake", triples, ignoring), build("a lake"));
  EXPECT_EQ(build("a lake", std::vector<Triple>{}).size(), 0);
}

TEST(Erg, ReadsEachNameOfARelationAsItself) {
  for (const std::string_view name : erg::kRelationNames) {
    const Graph graph = build("", {{"house", std::string(name), "road"}});
    EXPECT_EQ(graph.relations, (std::vector<orbweaver::Relation>{{0, 1, std::string(name)}}));
  }
}

}  // namespace
