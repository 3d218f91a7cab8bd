// The captions of synthetic scenes as the caption parser reads them, and as the geometry has them.
#include <gtest/gtest.h>

#include <algorithm>
#include <map>
#include <set>
#include <string>

#include "framework/data/synth_scene.h"
#include "framework/data/truth.h"
#include "framework/io/files.h"
#include "framework/io/json.h"
#include "plugins/graphs/erg/erg.h"
#include "tests/temporary_folder.h"

namespace orbweaver {
namespace {
namespace fs = std::filesystem;

using Edges = std::set<std::string>;

Edges edges_of(const erg::Net& net) {
  Edges edges;
  for (const erg::Edge& edge : net.edges)
    edges.insert(net.nodes[edge.source].label + " [" + std::string(edge.name) + "] " + net.nodes[edge.target].label);
  return edges;
}

/// Label, count and attributes.
std::set<std::string> nodes_of(const erg::Net& net) {
  std::set<std::string> nodes;
  for (const erg::Node& node : net.nodes)
    nodes.insert(node.label + " x" + std::to_string(node.count) + " " + std::to_string(node.attributes));
  return nodes;
}

void expect_read_as_its_triples(const SynthCaption& caption) {
  const erg::Net read = erg::read_text(caption.text, 20);
  if (caption.triples.empty()) {
    EXPECT_EQ(edges_of(read), Edges{}) << caption.text;
    EXPECT_EQ(read.nodes.size(), 1u) << caption.text;
    return;
  }
  const erg::Net given = erg::read_triples(caption.triples, 20);
  EXPECT_EQ(edges_of(read), edges_of(given)) << caption.text;
  EXPECT_EQ(nodes_of(read), nodes_of(given)) << caption.text;
}

TEST(SynthCaptions, AreReadByTheCaptionParserAsTheTriplesBesideThem) {
  std::map<std::string, int> relations;
  for (const Ability ability : all_abilities)
    for (int64_t k = 0; k < 120; ++k) {
      Random places(1, static_cast<uint64_t>(k), static_cast<uint64_t>(ability)), words(2, static_cast<uint64_t>(k));
      const synth::Pair pair = synth::make_pair(ability, k, places);
      for (size_t i = 0; i < 2; ++i)
        for (const SynthCaption& caption : synth::describe(pair.layouts[i], pair.keys[i], words)) {
          expect_read_as_its_triples(caption);
          for (const Triple& triple : caption.triples) ++relations[triple.relation];
        }
    }
  for (const char* relation : {"left of", "right of", "above", "below", "next to", "near", "on", "in", "with",
                               "between", "on both sides of", "along", "surrounded by", "surrounds", "crossing"})
    EXPECT_GE(relations[relation], 3) << relation;
  for (const auto& [relation, count] : relations)
    EXPECT_NE(std::find(std::begin(erg::kRelationNames), std::end(erg::kRelationNames), relation),
              std::end(erg::kRelationNames))
        << relation;
}

/// A dataset's folder with geometry.jsonl and abilities.json alone.
class SynthTruth : public ::testing::Test {
 protected:
  void write(int64_t train, int64_t val, int64_t test, std::vector<Ability> abilities) {
    SynthOptions options;
    options.folder = folder_.path() / "data";
    options.train = train, options.val = val, options.test = test;
    options.abilities = std::move(abilities);
    write_synthetic_dataset(options);
  }
  fs::path data() const { return folder_.path() / "data"; }
  testing::TemporaryFolder folder_;
};

TEST_F(SynthTruth, NoneOfTenThousandCaptionsIsFalseAndEveryPairIsOne) {
  write(1600, 200, 200, {std::begin(all_abilities), std::end(all_abilities)});
  const TruthReport report = check_truth(data());
  EXPECT_EQ(report.captions, 10000);
  EXPECT_GT(report.claims, 15000);
  EXPECT_EQ(report.pairs, 1000);
  for (const Untruth& untruth : report.untrue)
    ADD_FAILURE() << untruth.image << ": " << untruth.caption << ": " << untruth.reason;
  for (const Untruth& untruth : report.undecided) ADD_FAILURE() << untruth.image << ": " << untruth.caption;
}

TEST(Truth, SeesAWrongCountColourAndRelation) {
  const std::string scene = R"({"scene": "airport", "ground": "green meadow", "objects": [
    {"label": "plane", "colour": "white", "box": [40, 100, 30, 28, 0.5]},
    {"label": "plane", "colour": "white", "box": [40, 140, 30, 28, 0.5]},
    {"label": "terminal", "colour": "gray", "box": [150, 120, 60, 24, 0]}]})";
  const auto reason = [&](const std::string& text, const std::string& triple) {
    int64_t claims = 0;
    return untruth_of(parse_json(R"({"text": ")" + text + R"(", "triples": [)" + triple + "]}", "caption"),
                      parse_json(scene, "scene"), claims);
  };
  const auto direction = [&](const std::string& subject, const std::string& relation, const std::string& object) {
    return reason(subject + " " + relation + " " + object,
                  "[\"" + subject + "\", \"" + relation + "\", \"" + object + "\"]");
  };
  EXPECT_EQ(direction("two white planes", "left of", "gray terminal"), "");
  EXPECT_EQ(direction("two airplanes", "left of", "grey terminal building"), "");
  EXPECT_EQ(direction("gray terminal", "right of", "two planes"), "");
  EXPECT_NE(direction("two white planes", "right of", "gray terminal"), "");
  EXPECT_NE(direction("two white planes", "above", "gray terminal"), "");
  EXPECT_NE(direction("three white planes", "left of", "gray terminal"), "");
  EXPECT_NE(direction("several planes", "left of", "gray terminal"), "");
  EXPECT_NE(direction("two blue planes", "left of", "gray terminal"), "");
  EXPECT_NE(direction("two planes", "left of", "white terminal"), "");
  EXPECT_NE(direction("two planes", "next to", "gray terminal"), "");
  EXPECT_NE(direction("two planes", "between", "gray terminal"), "");
  EXPECT_EQ(direction("airport", "with", "two planes"), "");
  EXPECT_NE(direction("farm", "with", "two planes"), "");
  EXPECT_EQ(reason("this is an airport .", ""), "");
  EXPECT_NE(reason("this is a farm .", ""), "");
  EXPECT_NE(reason("two white planes", "[\"two planes\", \"in\", \"airport\"]"), "");
}

}  // namespace
}  // namespace orbweaver
