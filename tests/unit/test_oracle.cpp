// The geometry oracle, rule by rule in scenes worked by hand, and on pairs of synthetic scenes.
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <map>
#include <numbers>
#include <string>
#include <vector>

#include "framework/data/dataset.h"
#include "framework/data/oracle.h"
#include "framework/data/synth_scene.h"
#include "framework/eval/abilities.h"
#include "framework/eval/ability_oracle.h"
#include "orbweaver/error.h"
#include "tests/temporary_folder.h"

namespace orbweaver {
namespace {

Object thing(const std::string& label, double x, double y, double width = 10, double height = 10) {
  Object object;
  object.label = label;
  object.cx = x, object.cy = y, object.width = width, object.height = height;
  return object;
}

Object coloured(const std::string& colour, Object object) {
  object.attributes = {{colour, 1}};
  return object;
}

Object likely(double probability, Object object) {
  object.probability = probability;
  return object;
}

using Objects = std::vector<Object>;

double score(const Objects& detections, const std::vector<Triple>& triples) {
  return oracle_score(detections, {"", triples, true});
}
double score(const Objects& detections, const std::string& subject, const std::string& relation,
             const std::string& object) {
  return score(detections, std::vector<Triple>{{subject, relation, object}});
}

constexpr double small = 1e-9;

TEST(OracleDirection, IsOneStraightOnNoneAt45DegreesAndMinusOneFrom90On) {
  const Objects left{thing("plane", 50, 100), thing("terminal", 150, 100)};
  EXPECT_NEAR(score(left, "plane", "left of", "terminal"), 1, small);
  EXPECT_NEAR(score(left, "plane", "right of", "terminal"), -1, small);
  EXPECT_NEAR(score(left, "plane", "above", "terminal"), -1, small);
  EXPECT_NEAR(score(left, "terminal", "right of", "plane"), 1, small);
  const Objects diagonal{thing("plane", 50, 0), thing("terminal", 150, 100)};
  EXPECT_NEAR(score(diagonal, "plane", "left of", "terminal"), 0, small);
  EXPECT_NEAR(score(diagonal, "plane", "above", "terminal"), 0, small);  // y grows downwards
  const Objects below{thing("plane", 150 + 100 * std::tan(std::numbers::pi / 8), 200), thing("terminal", 150, 100)};
  EXPECT_NEAR(score(below, "plane", "below", "terminal"), 0.5, small);  // 22.5 degrees
}

TEST(OracleDirection, IsTheMeanOverAllSubjectsAndReferences) {
  // Straight on and at 45 degrees.
  EXPECT_NEAR(score({thing("plane", 50, 100), thing("plane", 50, 0), thing("terminal", 150, 100)}, "two planes",
                    "left of", "terminal"),
              0.5, small);
}

TEST(OracleDirection, UsesThoseOfAPhraseThatWereNotMissed) {
  EXPECT_NEAR(score({thing("plane", 50, 100), thing("terminal", 150, 100)}, "three planes", "left of", "terminal"), 1,
              small);
}

TEST(Oracle, HasNoEvidenceWhereNothingOfAPhraseWasDetected) {
  EXPECT_EQ(score({thing("plane", 50, 100)}, "plane", "left of", "terminal"), 0);
  EXPECT_EQ(score({thing("terminal", 50, 100)}, "plane", "next to", "terminal"), 0);
  EXPECT_EQ(score({}, "house", "surrounded by", "seven trees"), 0);
}

TEST(Oracle, TakesNoMoreObjectsThanThePhraseSaysInItsColourFirstThenTheMoreProbable) {
  const Object terminal = thing("terminal", 150, 100), left = thing("plane", 50, 100), right = thing("plane", 250, 100);
  EXPECT_NEAR(score({likely(0.7, left), likely(0.6, right), terminal}, "plane", "left of", "terminal"), 1, small);
  EXPECT_NEAR(score({likely(0.6, left), likely(0.7, right), terminal}, "plane", "left of", "terminal"), -1, small);
  const Objects two{likely(0.6, coloured("white", left)), likely(0.9, coloured("gray", right)), terminal};
  EXPECT_NEAR(score(two, "white plane", "left of", "terminal"), 1, small);
  EXPECT_NEAR(score(two, "grey plane", "left of", "terminal"), -1, small);
  // Its colour was misread: still the plane.
  EXPECT_NEAR(score({coloured("gray", left), terminal}, "white plane", "left of", "terminal"), 1, small);
}

TEST(Oracle, LeavesOutDetectionsLessProbableThanOneHalf) {
  EXPECT_EQ(score({likely(0.49, thing("plane", 50, 100)), thing("terminal", 150, 100)}, "plane", "left of", "terminal"),
            0);
}

TEST(OracleSurface, IsADepthInsideOnAndIn) {
  const Object road = thing("road", 100, 100, 200, 20);
  EXPECT_NEAR(score({road, thing("car", 100, 96, 8, 4)}, "car", "on", "road"), 0.75, small);  // 6 of 8 pixels
  EXPECT_NEAR(score({road, thing("car", 100, 100, 8, 4)}, "car", "on", "road"), 1, small);
  EXPECT_NEAR(score({road, thing("car", 100, 114, 8, 4)}, "car", "on", "road"), -0.5, small);
  EXPECT_NEAR(score({road, thing("car", 100, 96, 8, 4), thing("car", 100, 114, 8, 4)}, "two cars", "on", "road"), 0.125,
              small);
  Object upright = road;
  upright.angle = std::numbers::pi / 2;
  EXPECT_NEAR(score({upright, thing("car", 96, 180, 8, 4)}, "car", "on", "road"), 0.75, small);
  EXPECT_NEAR(score({thing("parking lot", 100, 100, 50, 50), thing("car", 100, 100, 8, 4)}, "car", "in", "parking lot"),
              1, small);
}

TEST(OracleSurface, IsOutsideAndCloseNextToAndNear) {
  const Object road = thing("road", 100, 100, 200, 20);
  const Objects close{road, thing("car", 100, 118, 8, 4)};  // its centre 8 pixels outside, its corners 6
  EXPECT_NEAR(score(close, "car", "next to", "road"), 1, small);
  EXPECT_NEAR(score(close, "car", "near", "road"), 1, small);
  EXPECT_NEAR(score({road, thing("car", 100, 96, 8, 4)}, "car", "next to", "road"), -0.75, small);
  const Objects apart{road, thing("car", 100, 160, 8, 4)};  // a gap of 48
  EXPECT_NEAR(score(apart, "car", "next to", "road"), -1, small);
  EXPECT_NEAR(score(apart, "car", "near", "road"), 0.8, small);  // 2 - 48/40
}

TEST(OracleBetween, IsHowOppositeTheTwoAreSeen) {
  const Object car = thing("car", 100, 100);
  EXPECT_NEAR(score({car, thing("house", 50, 100), thing("house", 150, 100)}, "car", "between", "two houses"), 1,
              small);
  EXPECT_NEAR(score({car, thing("house", 150, 100), thing("house", 100, 150)}, "car", "between", "two houses"), 0,
              small);
  EXPECT_NEAR(score({car, thing("house", 150, 100), thing("house", 200, 100)}, "car", "between", "two houses"), -1,
              small);
  EXPECT_EQ(score({car, thing("house", 150, 100)}, "car", "between", "two houses"), 0);
}

TEST(OracleSurrounded, IsHowLittleThoseAroundAgreeInDirection) {
  const Object house = thing("house", 100, 100);
  const auto tree = [](double degrees) {
    const double angle = degrees * std::numbers::pi / 180;
    return thing("tree", 100 + 30 * std::cos(angle), 100 + 30 * std::sin(angle));
  };
  const auto around = [&](Objects objects) {
    objects.push_back(house);
    const double one = score(objects, "house", "surrounded by", "seven trees");
    EXPECT_EQ(score(objects, "seven trees", "surrounds", "house"), one);
    return one;
  };
  EXPECT_NEAR(around({tree(0), tree(90), tree(180), tree(270)}), 1, small);
  EXPECT_NEAR(around({tree(0), tree(90)}), 1, small);                     // what was left of a ring
  EXPECT_NEAR(around({tree(-30), tree(30)}), 0, small);                   // cos 60 = 1/2
  EXPECT_NEAR(around({tree(10), tree(10)}), -1, small);                   // a heap
  EXPECT_NEAR(around({tree(0), tree(0), tree(90)}), 1 - 2 / 3.0, small);  // cosines 1, 0, 0
  EXPECT_EQ(around({tree(0)}), 0);
}

TEST(OracleNumber, FillsThePlacesThatAPhraseCounts) {
  const Object white = coloured("white", thing("plane", 0, 0)), gray = coloured("gray", thing("plane", 0, 0));
  const auto in = [](const Objects& objects, const std::string& phrase) {
    return score(objects, phrase, "in", "airport");
  };
  EXPECT_EQ(in({white, white, white}, "three white planes"), 3);
  EXPECT_EQ(in({white, white}, "three white planes"), 1.5);         // one missed
  EXPECT_EQ(in({white, gray, white}, "three white planes"), 1.75);  // one misread
  EXPECT_EQ(in({white, white, white, white}, "three white planes"), 2);
  EXPECT_EQ(in({gray, white, white, white}, "three white planes"), 2.5);
  EXPECT_EQ(in({white, gray, white}, "three planes"), 3);
  EXPECT_EQ(in({}, "three white planes"), -1.5);
  EXPECT_EQ(in({white, white, white, white}, "five white planes"), 3.5);  // against 2 for three
  EXPECT_EQ(in({white, white}, "several planes"), 1.5);
  EXPECT_EQ(in({white, white, white, white}, "several planes"), 4);
  EXPECT_EQ(in({white}, "many planes"), 1 - 7 * 0.5);
}

TEST(OracleNumber, IsAskedOfGroundAndThemeByInOnAndWith) {
  const Objects plane{thing("plane", 0, 0)};
  EXPECT_EQ(score(plane, "plane", "in", "airport"), 1);
  EXPECT_EQ(score(plane, "plane", "on", "green meadow"), 1);
  EXPECT_EQ(score(plane, "airport", "with", "plane"), 1);
  EXPECT_EQ(score(plane, "helicopter", "in", "desert"), -0.5);
  EXPECT_EQ(score(plane, "parking lot", "with", "plane"), 1);  // a theme that can be detected as well
  EXPECT_EQ(score(plane, {{"plane", "in", "farm"}, {"two cars", "in", "farm"}}), 0);  // 1 - 2/2
}

TEST(Oracle, KnowsTheWordsOfTheCaptions) {
  for (const auto& [label, phrase] : std::map<std::string, std::string>{{"plane", "two aircraft"},
                                                                        {"ship", "two vessels"},
                                                                        {"bus", "two buses"},
                                                                        {"church", "two churches"},
                                                                        {"wharf", "two wharves"},
                                                                        {"storage tank", "two oil tanks"},
                                                                        {"terminal", "two terminal buildings"},
                                                                        {"sea", "two oceans"}})
    EXPECT_EQ(score({thing(label, 0, 0), thing(label, 50, 0)}, phrase, "in", "port"), 2) << phrase;
}

TEST(Oracle, ReadsNothingFromACaptionWithoutTriplesOrAnotherRelation) {
  EXPECT_EQ(oracle_score(Objects{thing("plane", 0, 0)}, {"this is an airport .", {}, false}), 0);
  EXPECT_EQ(score({thing("tree", 0, 0), thing("road", 0, 0)}, "tree", "along", "road"), 0);
}

// ---- pairs of scenes

/// Scores of a pair from detections that `see` makes of its layouts.
template <class See>
PairScores scores_of(const synth::Pair& pair, uint64_t number, See&& see) {
  std::array<Objects, 2> detections;
  std::array<SynthCaption, 2> captions;
  for (size_t i = 0; i < 2; ++i) {
    Random words(7, number, i);
    captions[i] = synth::describe(pair.layouts[i], pair.keys[i], words)[0];
    detections[i] = see(pair.layouts[i], i);
  }
  return pair_scorer([&](int64_t image, int64_t caption) {
    const SynthCaption& words = captions[static_cast<size_t>(caption)];
    return oracle_score(detections[static_cast<size_t>(image)], {words.text, words.triples, !words.triples.empty()});
  })({"", "", "", {0, 1}, {0, 1}});
}

TEST(OracleOnPairs, TellsAllOfThemApartFromTrueBoxes) {
  for (const Ability ability : {Ability::count, Ability::attribute, Ability::relation, Ability::distractor})
    for (int64_t k = 0; k < 120; ++k) {
      Random places(11, static_cast<uint64_t>(k), static_cast<uint64_t>(ability));
      const synth::Pair pair = synth::make_pair(ability, k, places);
      const PairScores scores = scores_of(pair, static_cast<uint64_t>(k),
                                          [](const synth::Layout& l, size_t) { return synth::true_objects(l); });
      EXPECT_TRUE(outcome_of(scores).group()) << ability_name(ability) << " " << pair.kind << " " << k;
    }
}

TEST(OracleOnPairs, DependsOnNoOrderOfTheDetections) {
  for (int64_t k = 0; k < 60; ++k) {
    const Ability ability = all_abilities[static_cast<size_t>(k) % 5];
    Random places(12, static_cast<uint64_t>(k));
    const synth::Pair pair = synth::make_pair(ability, k, places);
    const auto seen = [&](bool reversed) {
      return scores_of(pair, static_cast<uint64_t>(k), [&](const synth::Layout& layout, size_t i) {
        Random errors(13, static_cast<uint64_t>(k), i);
        Objects objects = synth::detect(layout, SynthNoise{}, errors);
        if (reversed) std::ranges::reverse(objects);
        return objects;
      });
    };
    EXPECT_EQ(seen(false).i2t, seen(true).i2t) << k;
  }
}

TEST(OracleOnPairs, LosesThemSmoothlyWithTheDetections) {
  std::vector<int> right;
  for (const double missed : {0.0, 0.2, 0.5, 1.0}) {
    const SynthNoise noise{missed, 0, 0, 0};
    right.push_back(0);
    for (int64_t k = 0; k < 100; ++k) {
      Random places(14, static_cast<uint64_t>(k));
      const synth::Pair pair = synth::make_pair(Ability::relation, k, places);
      right.back() += outcome_of(scores_of(pair, static_cast<uint64_t>(k), [&](const synth::Layout& layout, size_t i) {
                        Random errors(15, static_cast<uint64_t>(k), i);
                        return synth::detect(layout, noise, errors);
                      })).group();
    }
  }
  EXPECT_EQ(right[0], 100);
  EXPECT_GT(right[0], right[1]);
  EXPECT_GT(right[1], right[2]);
  EXPECT_GT(right[2], 0);
  EXPECT_EQ(right[3], 0);  // ties, all of them
}

TEST(GeometryOracle, ReadsDetectionsAndTriplesAsTheyAreOnDisk) {
  testing::TemporaryFolder folder;
  SynthOptions options;
  options.folder = folder.path() / "clean";
  options.train = options.val = 1;
  options.test = 100;
  options.noise = {0, 0, 0, 0};
  write_synthetic_dataset(options);
  const DatasetParams params = guess_dataset(options.folder);
  const Dataset dataset = load_dataset(params);
  const AbilityPairs pairs = ability_pairs_of(params, dataset, dataset.test).value();
  const auto outcomes = pair_outcomes(pairs.pairs, pair_scorer(GeometryOracle(dataset.test, dataset.triples)));
  for (const AbilityRow& row : ability_rows(pairs.pairs, outcomes))
    EXPECT_EQ(row.group, row.ability == "scene" ? 0 : 100) << row.ability << " " << row.kind;

  // Lots decide between ties and nothing else.
  GeometryOracle strict(dataset.test, dataset.triples);
  const GeometryOracle guessing(dataset.test, dataset.triples, OracleTies::by_lot);
  for (const AbilityPair& pair : pairs.pairs) {
    const PairScores scores = pair_scorer(guessing)(pair);
    EXPECT_NE(scores.i2t[0][0], scores.i2t[0][1]) << pair.id;
    EXPECT_NE(scores.i2t[0][0], scores.i2t[1][0]) << pair.id;
    EXPECT_NEAR(scores.i2t[1][0], strict(pair.images[1], pair.captions[0]), 1e-6) << pair.id;
    EXPECT_EQ(scores.i2t, pair_scorer(guessing)(pair).i2t) << pair.id;
    EXPECT_TRUE(pair.ability == "scene" || outcome_of(scores).group()) << pair.id;
  }

  Split blind = dataset.test;
  blind.images[0].detections.clear();
  EXPECT_THROW(GeometryOracle(blind, dataset.triples)(0, 0), InputError);

  // What stands beside a method's figures are the same rows, without the abilities that no rule reads.
  const std::vector<AbilityRow> rows = oracle_rows(pairs.pairs, dataset.test, dataset.triples);
  EXPECT_EQ(find_row(rows, "scene"), nullptr) << "its captions name themes";
  for (const char* ability : {"count", "attribute", "relation", "distractor"}) {
    ASSERT_TRUE(find_row(rows, ability)) << ability;
    EXPECT_EQ(find_row(rows, ability)->group, 100) << ability;
  }
}

TEST(Oracle, ReadsACaptionThatHasARuleWhateverWasDetected) {
  const auto reads = [](const char* subject, const char* relation, const char* object) {
    return oracle_reads(std::vector<Triple>{{subject, relation, object}});
  };
  EXPECT_TRUE(reads("two white planes", "left of", "terminal"));
  EXPECT_TRUE(reads("house", "surrounded by", "seven trees"));
  EXPECT_TRUE(reads("three planes", "in", "airport"));
  EXPECT_TRUE(reads("airport", "with", "plane"));
  EXPECT_FALSE(reads("tree", "along", "river"));       // no rule for the relation
  EXPECT_FALSE(reads("airport", "with", "terrace"));   // no kind of object
  EXPECT_FALSE(reads("plane", "left of", "airport"));  // the reference is a theme
  EXPECT_FALSE(oracle_reads({}));
  EXPECT_TRUE(oracle_reads(std::vector<Triple>{{"tree", "along", "river"}, {"plane", "in", "airport"}}));
}

/// Two pairs of relation, "plane left of terminal" against "right of", and one of scene; detections on disk.
class OracleBeside : public ::testing::Test {
 protected:
  OracleBeside() {
    split_.name = "test";
    // The first pair's detections show both layouts; of the second pair's second image the terminal was missed.
    add_image({thing("plane", 50, 100), thing("terminal", 150, 100)}, "left");
    add_image({thing("plane", 150, 100), thing("terminal", 50, 100)}, "right");
    add_image({thing("plane", 50, 100), thing("terminal", 150, 100)}, "left");
    add_image({thing("plane", 150, 100)}, "right");
    add_image({}, "this is an airport");
    add_image({}, "this is a port");
    triples_["left"] = {{"plane", "left of", "terminal"}};
    triples_["right"] = {{"plane", "right of", "terminal"}};
    pairs_ = {{"0", "relation", "left / right", {0, 1}, {0, 1}},
              {"1", "relation", "left / right", {2, 3}, {2, 3}},
              {"2", "scene", "airport / port", {4, 5}, {4, 5}}};
  }
  void add_image(const Objects& objects, const std::string& caption) {
    const auto index = static_cast<int64_t>(split_.images.size());
    const std::filesystem::path file = folder_.path() / (std::to_string(index) + ".json");
    testing::write_text(file, detections_json(objects));
    split_.images.push_back({std::to_string(index) + ".png", "", file});
    split_.captions.push_back({caption, index});
  }
  std::vector<AbilityRow> rows() const { return oracle_rows(pairs_, split_, triples_); }

  testing::TemporaryFolder folder_;
  Split split_;
  TripleTable triples_;
  std::vector<AbilityPair> pairs_;
};

TEST_F(OracleBeside, HasItsOwnRowsWhereTiesAreFailures) {
  const std::vector<AbilityRow> oracle = rows();
  ASSERT_EQ(oracle.size(), 2u) << "relation and its kind; no rule reads the captions of scene";
  EXPECT_EQ(oracle[0].ability, "relation");
  EXPECT_EQ(oracle[0].pairs, 2);
  // The second pair: scores 1 and -1 in the image with both, 0 and 0 in that without a terminal. There the captions
  // tie, so that text is wrong; each caption prefers its own image: 1 > 0, and for "right" 0 > -1.
  EXPECT_EQ(oracle[0].text, 50);
  EXPECT_EQ(oracle[0].image, 100);
  EXPECT_EQ(oracle[0].group, 50);
  EXPECT_EQ(oracle[1].kind, "left / right");
}

TEST_F(OracleBeside, SaysNothingOfAnAbilityThatItCannotReadOrSeeToTheLastPair) {
  split_.images[3].detections.clear();
  EXPECT_TRUE(rows().empty()) << "an image without detections";
  split_.images[3].detections = folder_.path() / "3.json";
  EXPECT_EQ(rows().size(), 2u);
  pairs_[1].captions[1] = 5;  // "this is a port"
  EXPECT_TRUE(rows().empty()) << "a caption without a rule";
  triples_.clear();
  EXPECT_TRUE(rows().empty());
  EXPECT_TRUE(oracle_rows({}, split_, triples_).empty());
}

TEST_F(OracleBeside, RefusesDetectionsThatCannotBeRead) {
  testing::write_text(folder_.path() / "1.json", "[{");
  EXPECT_THROW(rows(), InputError);
}

TEST_F(OracleBeside, StandsBesideTheRowsOfItsAbilityAndKind) {
  std::vector<AbilityRow> model = ability_rows(pairs_, std::vector<PairOutcome>(3, {true, true}));
  put_beside(model, rows());
  ASSERT_TRUE(find_row(model, "relation")->oracle);
  EXPECT_EQ(find_row(model, "relation")->oracle->group, 50);
  EXPECT_EQ(find_row(model, "relation", "left / right")->oracle->image, 100);
  EXPECT_FALSE(find_row(model, "scene")->oracle);

  // In a record, and read back from it.
  const Value record = to_value(std::span<const AbilityRow>(model));
  EXPECT_EQ(record.as_list()[0].at("oracle").at("text").as_double(), 50);
  EXPECT_EQ(record.as_list()[0].at("kinds").as_list()[0].at("oracle").at("group").as_double(), 50);
  EXPECT_EQ(record.as_list()[1].find("oracle"), nullptr);
  const std::vector<AbilityRow> again = recorded_oracle(record);
  EXPECT_EQ(to_value(std::span<const AbilityRow>(again)), to_value(std::span<const AbilityRow>(rows())));
}

TEST(DatasetOracles, AreOneForVariantsOnTheSameDataAndComeBackFromAFile) {
  const auto relation = [](double group) {
    return std::vector<AbilityRow>{{"relation", "", 4, 75, 100, group, {}}, {"relation", "a", 4, 75, 100, group, {}}};
  };
  std::vector<DatasetOracle> oracles;
  for (const char* variant : {"a", "b", "b"}) add_oracle(oracles, variant, relation(75));
  add_oracle(oracles, "c", relation(25));
  ASSERT_EQ(oracles.size(), 2u);
  EXPECT_EQ(oracles[0].variants, (std::vector<std::string>{"a", "b"}));
  EXPECT_EQ(oracles[1].metric("relation.group"), 25);
  EXPECT_EQ(oracles[1].metric("relation.text"), 75);
  EXPECT_EQ(oracles[1].metric("relation.image"), 100);
  EXPECT_EQ(oracles[1].metric("count.group"), std::nullopt);
  EXPECT_EQ(oracles[1].metric("mR"), std::nullopt);
  const Value value = to_value(std::span<const DatasetOracle>(oracles));
  EXPECT_EQ(to_value(std::span<const DatasetOracle>(oracles_from(value))), value);
  EXPECT_TRUE(oracles_from(Value()).empty());
  EXPECT_TRUE(oracles_from(Value(Value::List{Value(), Value(1)})).empty());

  EXPECT_EQ(oracle_name(oracles[0], 1), "oracle");
  EXPECT_EQ(oracle_name(oracles[0], 2), "oracle on the data of a, b");
  oracles[0].variants = {"a", "b", "c", "d", "e"};
  EXPECT_EQ(oracle_name(oracles[0], 2), "oracle on the data of a, b, c and 2 more");
}

TEST(ShareOfOracle, IsInPercentAndNothingWhereTheOracleHasNone) {
  EXPECT_EQ(share_of_oracle(36.5, 73), 50);
  EXPECT_EQ(share_of_oracle(90, 60), 150);
  EXPECT_EQ(share_of_oracle(0, 0), std::nullopt);
}

}  // namespace
}  // namespace orbweaver
