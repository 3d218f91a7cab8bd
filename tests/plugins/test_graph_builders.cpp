// Graph builders on what the framework reads: tensors of the methods' public implementations, annotated images, and
// another parser's reading of real captions.
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <cstring>
#include <fstream>
#include <memory>
#include <set>
#include <string>
#include <vector>

#include "framework/data/dataset.h"
#include "framework/io/json.h"
#include "framework/io/safetensors.h"
#include "plugins/graphs/drea/drea.h"
#include "plugins/graphs/erg/erg.h"
#include "plugins/graphs/sog/sog.h"
#include "tests/test_data.h"

namespace {

using orbweaver::Graph;
using orbweaver::Object;
using orbweaver::SafetensorsFile;
using orbweaver::testing::test_data;

template <class T>
std::vector<T> numbers(const SafetensorsFile& file, const std::string& name) {
  const auto bytes = file.at(name).bytes;
  std::vector<T> values(bytes.size() / sizeof(T));
  std::memcpy(values.data(), bytes.data(), bytes.size());
  return values;
}

// drea: the published equations on seeded objects.

/// A square of that area, all in sides of a scene of 1000 x 1000 pixels.
Object square(const std::string& label, double x, double y, double area, double probability) {
  const double side = 1000 * std::sqrt(area);
  return {1000 * x, 1000 * y, side, side, 0, probability, label, {}};
}

Graph drea_graph(const drea::Params& params, const std::vector<Object>& objects, int64_t width, int64_t height) {
  return drea::DreaGraph(params).build(orbweaver::Scene{width, height, objects, {}});
}

/// Distances in sides of the scene.
drea::Params with(bool merge, bool enhance) {
  drea::Params params;
  params.merge = merge;
  params.enhance = enhance;
  params.distance_scale = 1;
  return params;
}

class DreaGolden : public ::testing::Test {
 protected:
  void SetUp() override {
    ORBWEAVER_NEEDS_TEST_DATA("golden/galr_drea.safetensors");
    file_ = std::make_unique<SafetensorsFile>(test_data() / "golden/galr_drea.safetensors");
  }

  template <class T>
  std::vector<T> read(const std::string& name) const {
    return numbers<T>(*file_, name);
  }

  std::vector<Object> objects(const std::string& prefix) const {
    const auto centers = read<double>(prefix + "centers"), areas = read<double>(prefix + "area"),
               probabilities = read<double>(prefix + "probability");
    const auto categories = read<int64_t>(prefix + "category");
    std::vector<Object> objects;
    for (size_t i = 0; i < areas.size(); ++i)
      objects.push_back(
          square(std::to_string(categories[i]), centers[2 * i], centers[2 * i + 1], areas[i], probabilities[i]));
    return objects;
  }

  /// Where each golden object, known by its area, stands in the graph.
  std::vector<int64_t> places(const Graph& graph, const std::vector<double>& areas) const {
    std::vector<int64_t> places;
    for (const double area : areas)
      for (int64_t i = 0; i < graph.size(); ++i)
        if (std::abs(graph.features(i, 6) - area) < 1e-7) places.push_back(i);
    return places;
  }

  std::unique_ptr<SafetensorsFile> file_;
};

TEST_F(DreaGolden, ReproducesTheAdjacencyAndItsEnhancement) {
  const std::vector<double> areas = read<double>("area");
  for (const bool enhance : {false, true}) {
    const Graph graph = drea_graph(with(false, enhance), objects(""), 1000, 1000);
    const auto expected = read<double>(enhance ? "d_A_enhanced.boost1.15" : "d_A");
    const auto place = places(graph, areas);
    ASSERT_EQ(place.size(), areas.size());
    for (size_t i = 0; i < areas.size(); ++i)
      for (size_t j = 0; j < areas.size(); ++j)
        EXPECT_NEAR(graph.adjacency(place[i], place[j]), expected[i * areas.size() + j], 1e-6);
  }
}

TEST_F(DreaGolden, ReproducesTheMergedObjects) {
  const Graph graph = drea_graph(with(true, false), objects(""), 1000, 1000);
  const std::vector<Object> expected = objects("merged.");
  const auto place = places(graph, read<double>("merged.area"));
  ASSERT_EQ(graph.size(), static_cast<int64_t>(expected.size()));
  ASSERT_EQ(place.size(), expected.size());
  for (size_t i = 0; i < expected.size(); ++i) {
    EXPECT_EQ(graph.labels[static_cast<size_t>(place[i])], expected[i].label);
    EXPECT_NEAR(graph.features(place[i], 0), expected[i].cx / 1000, 1e-6);
    EXPECT_NEAR(graph.features(place[i], 1), expected[i].cy / 1000, 1e-6);
    EXPECT_NEAR(graph.features(place[i], 7), expected[i].probability, 1e-6);
  }
}

TEST(DreaOnDota, LosesNoObjectOfTheExampleImagesAtTheDefaultScale) {
  ORBWEAVER_NEEDS_TEST_DATA("data/dota_example/labelTxt");
  struct Case {
    const char* name;
    int64_t width, height;
    size_t objects;
    int64_t left;
  };
  for (const Case& image : {Case{"P0706", 1111, 1182, 536, 19}, Case{"P1888", 712, 557, 64, 9}}) {
    const auto objects =
        orbweaver::read_detections(test_data() / "data/dota_example/labelTxt" / (std::string(image.name) + ".txt"));
    ASSERT_EQ(objects.size(), image.objects);
    EXPECT_EQ(drea_graph({}, objects, image.width, image.height).size(), image.left) << image.name;
  }
}

// sog: the released code on detections of 255 x 255 pixels.

class SogGolden : public ::testing::TestWithParam<int> {
 protected:
  static constexpr int64_t slots = 20, pixels = 255;

  std::vector<double> read(const std::string& variant, const std::string& what) const {
    return numbers<double>(SafetensorsFile(test_data() / "golden/gravlm_graphs.safetensors"),
                           variant + ".scene_" + std::to_string(GetParam()) + "." + what);
  }
  std::vector<Object> objects() const {
    return orbweaver::read_detections(test_data() / "golden/det_json" /
                                      ("scene_" + std::to_string(GetParam()) + ".json"));
  }
  static sog::Params released(sog::Variant variant) {
    sog::Params params;
    params.variant = variant;
    params.units = sog::Units::pixels;
    params.truncation = sog::Truncation::first;
    return params;
  }
  static Graph graph_of(const sog::Params& params, const std::vector<Object>& objects) {
    return sog::SpatialObjectGraph(params).build(orbweaver::Scene{pixels, pixels, objects, {}});
  }
  /// The graph's numbers in the released slots: node i stands in slot `slot[i]`.
  static void expect_slots(const Graph& graph, const std::vector<size_t>& slot, const std::vector<double>& adjacency,
                           const std::vector<double>& degree, double degree_unit) {
    std::vector<double> found_adjacency(slots * slots), found_degree(slots * slots);
    for (int64_t i = 0; i < graph.size(); ++i) {
      const size_t row = slot[static_cast<size_t>(i)];
      found_degree[row * slots + row] = degree_unit * graph.features(i, 6) * graph.features(i, 7);
      for (int64_t j = 0; j < graph.size(); ++j)
        found_adjacency[row * slots + slot[static_cast<size_t>(j)]] = graph.adjacency(i, j);
    }
    for (size_t i = 0; i < slots * slots; ++i) {
      EXPECT_NEAR(found_adjacency[i], adjacency[i], 1e-5) << i;
      // Sums of pixels run to thousands: the tolerance is relative beyond 1.
      EXPECT_NEAR(found_degree[i], degree[i], 1e-5 * std::max(1.0, degree[i])) << i;
    }
  }
};

TEST_P(SogGolden, ReproducesTheReleasedInstanceGraph) {
  ORBWEAVER_NEEDS_TEST_DATA("golden/gravlm_graphs.safetensors");
  const std::vector<Object> all = objects();
  const Graph graph = graph_of(released(sog::Variant::instance), all);
  ASSERT_EQ(graph.size(), std::min<int64_t>(slots, static_cast<int64_t>(all.size())));
  std::vector<size_t> slot;
  for (int64_t i = 0; i < graph.size(); ++i)
    for (size_t s = 0; s < all.size(); ++s)
      if (std::abs(all[s].cx / pixels - graph.features(i, 0)) < 1e-6 &&
          std::abs(all[s].cy / pixels - graph.features(i, 1)) < 1e-6)
        slot.push_back(s);
  ASSERT_EQ(slot.size(), static_cast<size_t>(graph.size()));
  expect_slots(graph, slot, read("sog_instance", "adjacency"), read("sog_instance", "degree"), 1);
}

TEST_P(SogGolden, ReproducesTheReleasedClassGraph) {
  ORBWEAVER_NEEDS_TEST_DATA("golden/gravlm_graphs.safetensors");
  sog::Params params = released(sog::Variant::by_class);
  params.classes = {"plane", "car", "building"};
  const Graph graph = graph_of(params, objects());
  std::vector<size_t> slot;
  for (const std::string& label : graph.labels)
    slot.push_back(
        static_cast<size_t>(std::find(params.classes.begin(), params.classes.end(), label) - params.classes.begin()));
  expect_slots(graph, slot, read("sog_class", "adjacency"), read("sog_class", "degree"), pixels * pixels);
}

INSTANTIATE_TEST_SUITE_P(Scenes, SogGolden, ::testing::Range(0, 4));

// erg: the released code on triples.

TEST(ErgGolden, ReproducesTheReleasedMatricesOfTriples) {
  ORBWEAVER_NEEDS_TEST_DATA("golden/gravlm_graphs.safetensors");
  const auto folder = test_data() / "golden";
  const SafetensorsFile golden(folder / "gravlm_graphs.safetensors");
  for (const std::string scene : {"scene_0", "scene_1", "scene_2"}) {
    std::vector<orbweaver::Triple> triples;
    for (int i = 1;; ++i) {
      const orbweaver::Value file = orbweaver::read_json(folder / "triples" / (scene + ".json"));
      const orbweaver::Value* value = file.find("triple" + std::to_string(i));
      if (value == nullptr) break;
      const std::string& text = value->as_string();  // "(planes, parked near, terminal)"
      const size_t first = text.find(", "), second = text.find(", ", first + 2);
      triples.push_back({text.substr(1, first - 1), text.substr(first + 2, second - first - 2),
                         text.substr(second + 2, text.size() - second - 3)});
    }
    ASSERT_FALSE(triples.empty());
    const erg::Released released = erg::released_matrices(triples, 20);
    const orbweaver::Matrix<double> dense = erg::densified(released.adjacency);
    const auto expect_near = [&](const orbweaver::Matrix<double>& matrix, const std::string& name) {
      const auto expected = numbers<double>(golden, "erg." + scene + "." + name);
      ASSERT_EQ(expected.size(), 400u);
      for (int64_t i = 0; i < 20; ++i)
        for (int64_t j = 0; j < 20; ++j)
          EXPECT_NEAR(matrix(i, j), expected[static_cast<size_t>(20 * i + j)], 1e-5) << scene << ' ' << name;
    };
    expect_near(released.adjacency, "adjacency");
    expect_near(released.degree, "degree");
    expect_near(dense, "densified");
  }
}

// Against another parser's tuples of real captions: [object], [object, attribute], [subject, object, predicate]. The
// rules of the parser were made with every other caption of the file (the first, third, ...); these are the others.
//
// Objects: per caption, the set of head nouns over all tuples, against the set of heads of our entities (quantity nouns
// such as the "lot" of "a lot of cars" included, as they are objects there). Equal when the lemmas are the same string;
// the file is in lower case and lemmatised already.
//
// Relations: per caption, the set of (subject, predicate, object) of the tuples of three, against the set of our links
// as (source head, verb and preposition, target head). On both sides "be " before a predicate goes ("be on" is "on"),
// and "V by" becomes V with its ends exchanged ("surround by"; a finite passive stands there as V already, exchanged).
// Nothing else is made equal: "in" is not "inside", and "run on" is not "on". Of-phrases count as they stand ("piece of
// meadow").
//
// The file follows two rules of its making that lose true relations: a clause with "be" and a preposition relates its
// subject to the first of several coordinated objects only ("near a road and some trees": the road), and a participle
// with "be" and a place gives nothing ("are parked in a lot"). `followed`: our links of these two forms are left out
// unless the file has them too. `strict`: nothing is left out, they count as errors. The bars hold for both.
struct Score {
  double hits = 0, ours = 0, theirs = 0;
  void add(const std::set<std::string>& found, const std::set<std::string>& expected) {
    for (const std::string& item : found) hits += expected.count(item) != 0 ? 1 : 0;
    ours += static_cast<double>(found.size());
    theirs += static_cast<double>(expected.size());
  }
  double precision() const { return hits / ours; }
  double recall() const { return hits / theirs; }
  double f1() const { return 2 * hits / (ours + theirs); }
  std::string text() const {
    char line[96];
    std::snprintf(line, sizeof line, "precision %.4f, recall %.4f, F1 %.4f", precision(), recall(), f1());
    return line;
  }
};

std::string relation(const std::string& subject, std::string predicate, const std::string& object) {
  if (predicate.rfind("be ", 0) == 0) predicate.erase(0, 3);
  if (predicate.size() <= 3 || predicate.compare(predicate.size() - 3, 3, " by") != 0)
    return subject + '|' + predicate + '|' + object;
  return object + '|' + predicate.substr(0, predicate.size() - 3) + '|' + subject;
}

TEST(ErgAgainstTuples, FindsObjectsAndRelationsOfTheCaptionsThatItsRulesWereNotMadeWith) {
  ORBWEAVER_NEEDS_TEST_DATA("data/scene_graphs/spice_tuples.jsonl");
  std::ifstream file(test_data() / "data/scene_graphs/spice_tuples.jsonl");
  Score objects, followed, strict;
  std::string line;
  for (int number = 0; std::getline(file, line); ++number) {
    if (number % 2 == 0) continue;
    const orbweaver::Value entry = orbweaver::parse_json(line, "spice_tuples.jsonl");
    std::set<std::string> expected_objects, expected_relations;
    for (const orbweaver::Value& tuple : entry.find("tuples")->as_list()) {
      std::vector<std::string> words;
      for (const orbweaver::Value& word : tuple.as_list()) words.push_back(word.as_string());
      expected_objects.insert(words[0]);
      if (words.size() < 3) continue;
      expected_objects.insert(words[1]);
      expected_relations.insert(relation(words[0], words[2], words[1]));
    }

    const erg::Parse parse = erg::parse(entry.find("caption")->as_string());
    std::set<std::string> found_objects, found, all;
    for (const erg::Entity& entity : parse.entities) found_objects.emplace(entity.head);
    for (const erg::Link& link : parse.links) {
      std::string predicate(link.verb);
      if (!link.verb.empty() && !link.preposition.empty()) predicate += ' ';
      predicate += link.preposition;
      const std::string item = relation(std::string(parse.entities[static_cast<size_t>(link.source)].head), predicate,
                                        std::string(parse.entities[static_cast<size_t>(link.target)].head));
      const bool dropped_there =
          link.kind == erg::LinkKind::predicate || (link.kind == erg::LinkKind::copula && link.further);
      all.insert(item);
      if (!dropped_there || expected_relations.count(item) != 0) found.insert(item);
    }
    objects.add(found_objects, expected_objects);
    followed.add(found, expected_relations);
    strict.add(all, expected_relations);
  }
  ASSERT_GT(objects.theirs, 2000);
  std::printf("objects             %s\nrelations           %s\nrelations, strict   %s\n", objects.text().c_str(),
              followed.text().c_str(), strict.text().c_str());
  // What a script of 60 lines reached.
  EXPECT_GT(objects.f1(), 0.947);
  EXPECT_GT(followed.f1(), 0.740);
  EXPECT_GT(strict.f1(), 0.740);
}

}  // namespace
