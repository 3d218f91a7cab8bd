#include <gtest/gtest.h>

#include <algorithm>
#include <limits>
#include <random>
#include <string>
#include <vector>

#include "framework/data/dataset.h"
#include "framework/eval/abilities.h"
#include "framework/eval/evaluation.h"
#include "framework/io/json.h"
#include "orbweaver/error.h"
#include "temporary_folder.h"

namespace orbweaver::testing {
namespace {

namespace fs = std::filesystem;

using Two = std::array<std::array<double, 2>, 2>;

/// The same scores both ways: `s[image][caption]`.
PairScores both_ways(const Two& s) { return {s, {{{s[0][0], s[1][0]}, {s[0][1], s[1][1]}}}}; }

TEST(PairOutcomes, AreThoseOfWinogroundByHand) {
  // Each image prefers its caption, each caption its image.
  EXPECT_EQ(outcome_of(both_ways({{{0.9, 0.1}, {0.2, 0.8}}})), (PairOutcome{true, true}));
  // Images: 0.5 > 0.4 and 0.9 > 0.6. Caption 0 is liked better by the wrong image: 0.5 < 0.6.
  EXPECT_EQ(outcome_of(both_ways({{{0.5, 0.4}, {0.6, 0.9}}})), (PairOutcome{true, false}));
  // Captions: 0.5 > 0.4 and 0.9 > 0.6. Image 0 likes the wrong caption better: 0.5 < 0.6.
  EXPECT_EQ(outcome_of(both_ways({{{0.5, 0.6}, {0.4, 0.9}}})), (PairOutcome{false, true}));
  EXPECT_EQ(outcome_of(both_ways({{{0.1, 0.9}, {0.8, 0.2}}})), (PairOutcome{false, false}));
  EXPECT_TRUE((PairOutcome{true, true}.group()));
  EXPECT_FALSE((PairOutcome{true, false}.group()));
  EXPECT_FALSE((PairOutcome{false, true}.group()));
}

TEST(PairOutcomes, CountATieAsAFailure) {
  EXPECT_EQ(outcome_of(both_ways({{{0.5, 0.5}, {0.5, 0.5}}})), (PairOutcome{false, false}));
  // Image 0 ties over its captions; each caption still prefers its own image.
  EXPECT_EQ(outcome_of(both_ways({{{0.5, 0.5}, {0.4, 0.9}}})), (PairOutcome{false, true}));
  // A method that sees no layout: both images look the same to it, so each caption ties over them.
  EXPECT_EQ(outcome_of(both_ways({{{0.7, 0.3}, {0.7, 0.3}}})), (PairOutcome{false, false}));
  const double infinite = std::numeric_limits<double>::infinity();
  EXPECT_EQ(outcome_of(both_ways({{{infinite, 0}, {infinite, 1}}})), (PairOutcome{false, false}));
}

TEST(PairOutcomes, RefuseAScoreThatIsNoNumberAndNameThePair) {
  const std::vector<AbilityPair> pairs{{"test-000007", "count", "2 / 3", {0, 1}, {0, 1}}};
  const double nan = std::numeric_limits<double>::quiet_NaN();
  try {
    pair_outcomes(pairs, pair_scorer([&](int64_t image, int64_t) { return image == 1 ? nan : 0.0; }));
    FAIL();
  } catch (const InputError& error) {
    EXPECT_NE(std::string(error.what()).find("test-000007"), std::string::npos) << error.what();
  }
}

TEST(PairScorer, OfMatricesReadsEachDirectionFromItsOwn) {
  // Two images, four captions, of which 1 and 2 are the pair's.
  Matrix<float> i2t(2, 4), t2i(4, 2);
  i2t(0, 1) = 0.9f, i2t(0, 2) = 0.1f, i2t(1, 1) = 0.2f, i2t(1, 2) = 0.8f;  // text is right
  t2i(1, 0) = 0.3f, t2i(1, 1) = 0.4f, t2i(2, 0) = 0.1f, t2i(2, 1) = 0.2f;  // caption 1 prefers image 1
  const AbilityPair pair{"a", "relation", "", {0, 1}, {1, 2}};
  const PairScorer scorer = pair_scorer(std::as_const(i2t).view(), std::as_const(t2i).view());
  EXPECT_EQ(outcome_of(scorer(pair)), (PairOutcome{true, false}));
  // Transposed views, as where one matrix serves both directions.
  const PairScorer one = pair_scorer(std::as_const(i2t).view(), std::as_const(i2t).view().transposed());
  EXPECT_EQ(outcome_of(one(pair)), (PairOutcome{true, true}));
}

TEST(PairScorer, OfAFunctionCallsItForThePairsItemsAlone) {
  std::vector<std::pair<int64_t, int64_t>> calls;
  const PairScorer scorer = pair_scorer([&](int64_t image, int64_t caption) {
    calls.emplace_back(image, caption);
    return image == 4 && caption == 20 ? 2.0 : image == 9 && caption == 45 ? 1.0 : 0.5;
  });
  EXPECT_EQ(outcome_of(scorer({"a", "relation", "", {4, 9}, {20, 45}})), (PairOutcome{true, true}));
  std::ranges::sort(calls);
  EXPECT_EQ(calls, (std::vector<std::pair<int64_t, int64_t>>{{4, 20}, {4, 45}, {9, 20}, {9, 45}}));
}

/// Random pairs and scores: `count` pairs over 2 x count images with a caption each.
struct RandomPairs {
  std::vector<AbilityPair> pairs;
  Matrix<double> scores;

  RandomPairs(int64_t count, unsigned seed) : scores(2 * count, 2 * count) {
    std::mt19937 random(seed);
    std::uniform_int_distribution<int> level(0, 9);  // coarse, so that ties come up
    for (int64_t image = 0; image < 2 * count; ++image)
      for (int64_t caption = 0; caption < 2 * count; ++caption) scores(image, caption) = level(random);
    for (int64_t at = 0; at < count; ++at)
      pairs.push_back({std::to_string(at),
                       at % 3 ? "relation" : "count",
                       at % 2 ? "a / b" : "b / c",
                       {2 * at, 2 * at + 1},
                       {2 * at, 2 * at + 1}});
  }
  std::vector<PairOutcome> outcomes(const std::vector<AbilityPair>& of) const {
    return pair_outcomes(of, pair_scorer(scores.view(), scores.view().transposed()));
  }
};

TEST(PairOutcomes, StayTheSameWhenPairsOrTheirMembersChangePlaces) {
  const RandomPairs made(60, 1);
  const std::vector<PairOutcome> before = made.outcomes(made.pairs);
  std::vector<AbilityPair> turned = made.pairs;
  for (AbilityPair& pair : turned) {
    std::swap(pair.images[0], pair.images[1]);
    std::swap(pair.captions[0], pair.captions[1]);
  }
  EXPECT_EQ(made.outcomes(turned), before);
  std::ranges::reverse(turned);
  std::vector<PairOutcome> after = made.outcomes(turned);
  std::ranges::reverse(after);
  EXPECT_EQ(after, before);
  EXPECT_GT(std::ranges::count_if(before, &PairOutcome::group), 0);
  EXPECT_GT(std::ranges::count(before, PairOutcome{}), 0);
}

TEST(PairOutcomes, OfGuessesAreRightInAQuarterAndGroupsInASixth) {
  std::mt19937 random(3);
  std::uniform_real_distribution<double> score;
  int64_t text = 0, image = 0, group = 0;
  constexpr int64_t count = 60000;
  for (int64_t at = 0; at < count; ++at) {
    const PairOutcome of = outcome_of(both_ways({{{score(random), score(random)}, {score(random), score(random)}}}));
    text += of.text, image += of.image, group += of.group();
  }
  // Four standard errors.
  EXPECT_NEAR(100.0 * text / count, 25, 0.71);
  EXPECT_NEAR(100.0 * image / count, 25, 0.71);
  EXPECT_NEAR(100.0 * group / count, 100.0 / 6, 0.61);
}

/// Four images with two captions each; images 0 and 1 are a relation pair, 2 and 3 a count pair.
class FourImages : public ::testing::Test {
 protected:
  FourImages() : scores_(4, 8) {
    // Image 0 and 1 find a caption of their own first; image 2 finds its own second; image 3 ties with caption 0.
    const float values[] = {0.9f, 0.8f, 0.1f, 0.0f, 0.0f, 0.0f, 0.0f, 0.0f,  //
                            0.2f, 0.3f, 0.7f, 0.0f, 0.0f, 0.0f, 0.0f, 0.0f,  //
                            0.0f, 0.0f, 0.0f, 0.6f, 0.5f, 0.0f, 0.4f, 0.0f,  //
                            0.5f, 0.0f, 0.0f, 0.0f, 0.1f, 0.0f, 0.5f, 0.0f};
    std::copy(std::begin(values), std::end(values), scores_.data());
    input_.i2t = std::as_const(scores_).view();
    input_.caption_image = images_;
    input_.pairs = pairs_;
  }

  Matrix<float> scores_;
  std::vector<int64_t> images_{0, 0, 1, 1, 2, 2, 3, 3};
  std::vector<AbilityPair> pairs_{{"t-0", "relation", "left of / right of", {0, 1}, {0, 2}},
                                  {"t-1", "count", "2 / 3", {2, 3}, {4, 6}}};
  EvaluationInput input_;
};

TEST_F(FourImages, TheFirstRowAloneScoresThePairsAndTheirRecalls) {
  const std::vector<EvaluationRow> rows = evaluate(input_);
  for (size_t at = 1; at < rows.size(); ++at) EXPECT_TRUE(rows[at].abilities.empty());
  // relation: 0.9 > 0.1 and 0.7 > 0.2; captions 0.9 > 0.2 and 0.7 > 0.1. count: 0.5 > 0.4 and 0.5 > 0.1; captions
  // 0.5 > 0.1 and 0.5 > 0.4.
  EXPECT_EQ(rows[0].pair_outcomes, (std::vector<PairOutcome>{{true, true}, {true, true}}));
  const std::vector<AbilityRow>& abilities = rows[0].abilities;
  ASSERT_EQ(abilities.size(), 4u);
  EXPECT_EQ(abilities[0].ability, "relation");
  EXPECT_EQ(abilities[0].kind, "");
  EXPECT_EQ(abilities[1].kind, "left of / right of");
  EXPECT_EQ(abilities[2].ability, "count");
  EXPECT_EQ(abilities[0].recalls->i2t.r1, 100);
  // Caption 0 finds image 0 first, 1 too, 2 image 1; caption 3 finds image 1 (0) behind image 2 and tied with two.
  EXPECT_EQ(abilities[0].recalls->t2i.r1, 75);
  // Image 2 finds its caption 4 behind caption 3, image 3 its caption 6 tied with caption 0.
  EXPECT_EQ(abilities[2].recalls->i2t.r1, 0);
  EXPECT_EQ(abilities[2].recalls->i2t.r5, 100);
  EXPECT_EQ(to_value(*abilities[0].recalls), to_value(*abilities[1].recalls));
}

TEST_F(FourImages, OutcomesComeFromEachDirectionsOwnScores) {
  Matrix<float> t2i(8, 4);  // all equal: no caption prefers an image
  input_.t2i = std::as_const(t2i).view();
  EXPECT_EQ(evaluate(input_)[0].pair_outcomes, (std::vector<PairOutcome>{{true, false}, {true, false}}));
}

TEST_F(FourImages, TheRowsValueCarriesWhatSweepsCompare) {
  scores_(0, 2) = 0.95f;  // image 0 and the other's caption 2 now prefer each other to their own
  const std::vector<EvaluationRow> rows = evaluate(input_);
  const Value value = to_value(rows[0]);
  EXPECT_EQ(ability_metrics_of(value), (std::vector<std::string>{"relation.text", "relation.image", "relation.group",
                                                                 "count.text", "count.image", "count.group"}));
  EXPECT_EQ(ability_metric_of(value, "relation.group"), 0.0);
  EXPECT_EQ(ability_metric_of(value, "count.group"), 100.0);
  EXPECT_EQ(ability_metric_of(value, "attribute.group"), std::nullopt);
  EXPECT_EQ(to_value(rows[1]).find("abilities"), nullptr);
  EXPECT_TRUE(ability_metrics_of(to_value(rows[1])).empty());
  input_.pairs = {};
  EXPECT_EQ(to_value(evaluate(input_)[0]).find("abilities"), nullptr);
}

TEST(AbilityRows, ListAbilitiesAsTheyComeAndTheirKindsByTheNumberOfPairs) {
  const std::vector<AbilityPair> pairs{{"0", "relation", "a", {0, 1}, {0, 1}},
                                       {"1", "count", "c", {2, 3}, {2, 3}},
                                       {"2", "relation", "b", {4, 5}, {4, 5}},
                                       {"3", "relation", "b", {6, 7}, {6, 7}}};
  const std::vector<PairOutcome> outcomes{{true, true}, {false, true}, {true, false}, {false, false}};
  const std::vector<AbilityRow> rows = ability_rows(pairs, outcomes);
  ASSERT_EQ(rows.size(), 5u);
  EXPECT_EQ(rows[0].ability, "relation");
  EXPECT_EQ(rows[0].pairs, 3);
  EXPECT_NEAR(rows[0].text, 200.0 / 3, 1e-12);
  EXPECT_NEAR(rows[0].image, 100.0 / 3, 1e-12);
  EXPECT_NEAR(rows[0].group, 100.0 / 3, 1e-12);
  EXPECT_EQ(rows[1].kind, "b");
  EXPECT_EQ(rows[1].text, 50);
  EXPECT_EQ(rows[1].group, 0);
  EXPECT_EQ(rows[2].kind, "a");
  EXPECT_EQ(rows[3].ability, "count");
  EXPECT_EQ(rows[3].image, 100);
  EXPECT_EQ(rows[3].text, 0);
  EXPECT_FALSE(rows[0].recalls);
  EXPECT_THROW(ability_rows(pairs, std::vector<PairOutcome>(3)), ShapeError);

  const Value record = abilities_record({pairs, 2}, rows);
  EXPECT_EQ(record.at("pairs").as_int(), 4);
  EXPECT_EQ(record.at("left_out").as_int(), 2);
  ASSERT_EQ(record.at("rows").as_list().size(), 2u);
  EXPECT_EQ(record.at("rows").as_list()[0].at("kinds").as_list()[1].at("kind").as_string(), "a");
}

TEST(AbilityTable, ShowsAbilitiesAndTheirLargerKinds) {
  AbilityRow relation{"relation", "", 40, 62.5, 50, 37.5, {}},
      left{"relation", "left of / right of", 25, 60, 50, 40, {}},
      rare{"relation", "in / next to", 15, 66.6, 50, 33.3, {}};
  const std::vector<AbilityRow> rows{relation, left, rare};
  const std::string text = format_abilities(rows);
  EXPECT_TRUE(
      text.starts_with("ability                pairs    text  image  group\n"
                       "relation                  40   62.50  50.00  37.50\n"
                       "  left of / right of      25   60.00  50.00  40.00\n"
                       "pairs of images"))
      << text;
  EXPECT_NE(text.find("kinds of fewer than 20 pairs: --json\n"), std::string::npos) << text;
  relation.recalls = RetrievalMetrics{{10, 20, 30, 5, 6}, {40, 50, 60, 7, 8}};
  const std::string with = format_abilities(std::vector<AbilityRow>{relation});
  EXPECT_NE(with.find("37.50   35.00      10.00  20.00  30.00   40.00  50.00  60.00\n"), std::string::npos) << with;
}

TEST(AbilityTable, ShowsTheOracleAndTheShareOfIt) {
  AbilityRow relation{"relation", "", 40, 62.5, 50, 36.5, {}}, scene{"scene", "", 40, 90, 80, 75, {}},
      count{"count", "", 40, 10, 10, 10, {}};
  relation.oracle = PairAccuracy{73.5, 95.5, 73};
  count.oracle = PairAccuracy{};
  const std::string text = format_abilities(std::vector<AbilityRow>{relation, scene, count});
  EXPECT_TRUE(
      text.starts_with("ability    pairs    text  image  group   oracle   share\n"
                       "relation      40   62.50  50.00  36.50    73.00   50.0%\n"
                       "scene         40   90.00  80.00  75.00        -       -\n"
                       "count         40   10.00  10.00  10.00     0.00       -\n"
                       "pairs of images"))
      << text;
  EXPECT_NE(text.find("\nthe oracle is no model; it reads the detections and the captions by rule; ties count as "
                      "failures\n"),
            std::string::npos)
      << text;
  relation.recalls = RetrievalMetrics{{10, 20, 30, 5, 6}, {40, 50, 60, 7, 8}};
  const std::string with = format_abilities(std::vector<AbilityRow>{relation});
  const size_t head = with.find('\n') + 1;
  EXPECT_EQ(with.find("image to text"), with.find("R@1", head) - head - 2) << with;
  EXPECT_NE(with.find("73.00   50.0%   35.00      10.00  20.00"), std::string::npos) << with;
}

TEST(AbilityMetrics, AreNamedByAbilityAndScore) {
  ASSERT_TRUE(ability_metric("relation.group"));
  EXPECT_EQ(ability_metric("relation.group")->ability, "relation");
  EXPECT_EQ(ability_metric("relation.group")->score, "group");
  EXPECT_EQ(ability_metric("count.text")->name(), "count.text");
  for (const char* name :
       {"mR", "i2t.R@1", "i2t.image", "t2i.text", "relation", ".group", "relation.groups", "a.b.text"})
    EXPECT_FALSE(ability_metric(name)) << name;
}

// ---- the file

/// A split of three images with two captions each, and a file with a pair of the first and the last.
class AbilityFile : public ::testing::Test {
 protected:
  AbilityFile() {
    split_.name = "test";
    for (int64_t image = 0; image < 3; ++image) {
      const std::string name = "scene_" + std::to_string(image) + ".png";
      split_.images.push_back({name, fs::path("/data/images") / name, {}});
      for (int caption = 0; caption < 2; ++caption)
        split_.captions.push_back({"caption " + std::to_string(image) + std::to_string(caption), image});
    }
    file_ = parse_json(R"({"orbweaver_abilities": 1, "groups": {"train": [], "test": [
      {"id": "test-000000", "ability": "relation", "kind": "left of / right of", "count": 1,
       "images": ["scene_0.png", "scene_2.png"], "captions": ["caption 00", " caption 21 "], "rows": [0, 5]}]}})",
                       "abilities.json");
  }

  fs::path path() const { return abilities_file(folder_.path()); }
  void write() const { write_text(path(), to_json(file_)); }
  Value& group() { return file_["groups"]["test"].as_list()[0]; }
  AbilityPairs read(const std::set<std::string>& left_out = {}) const {
    write();
    return read_ability_pairs(path(), split_, left_out);
  }
  std::string fault(const std::set<std::string>& left_out = {}) const {
    try {
      read(left_out);
    } catch (const InputError& error) {
      return error.what();
    }
    return "";
  }

  TemporaryFolder folder_;
  Split split_;
  Value file_;
};

TEST_F(AbilityFile, IsMatchedByNamesRowsAndTexts) {
  const AbilityPairs read_pairs = read();
  ASSERT_EQ(read_pairs.pairs.size(), 1u);
  EXPECT_EQ(read_pairs.left_out, 0);
  const AbilityPair& pair = read_pairs.pairs[0];
  EXPECT_EQ(pair.id, "test-000000");
  EXPECT_EQ(pair.ability, "relation");
  EXPECT_EQ(pair.kind, "left of / right of");
  EXPECT_EQ(pair.images, (std::array<int64_t, 2>{0, 2}));
  EXPECT_EQ(pair.captions, (std::array<int64_t, 2>{0, 5}));
  EXPECT_EQ(ability_names(path(), "test"), (std::vector<std::string>{"relation"}));
  EXPECT_TRUE(ability_names(path(), "train").empty());
  EXPECT_TRUE(ability_names(path(), "val").empty());
  EXPECT_TRUE(ability_names(folder_.path() / "none.json", "test").empty());
}

TEST_F(AbilityFile, ThatDiffersFromTheSplitIsRefusedWithItsPlace) {
  const Value whole = file_;
  const auto expect = [&](const std::string& part) {
    const std::string text = fault();
    EXPECT_NE(text.find(part), std::string::npos) << part << "\n" << text;
    EXPECT_TRUE(text.starts_with(path().string())) << text;
    EXPECT_EQ(text.find('\n'), std::string::npos) << text;
    file_ = whole;
  };
  group()["images"].as_list()[1] = "scene_7.png";
  expect("/groups/test/0/images/1: is \"scene_7.png\", which is no image of the test split");
  group()["rows"].as_list()[1] = 6;
  expect("/groups/test/0/rows/1: is 6, but the test split has 6 captions");
  group()["rows"].as_list()[1] = 3;
  expect("/groups/test/0/rows/1: is 3, which is a caption of scene_1.png, expected one of scene_2.png");
  group()["rows"].as_list()[1] = 4;
  expect("/groups/test/0/captions/1: is \"caption 21\", but row 4 of the test split says \"caption 20\"");
  group()["images"].as_list()[1] = "scene_0.png";
  group()["rows"].as_list()[1] = 1;
  group()["captions"].as_list()[1] = "caption 01";
  expect("/images: names one image twice");
  group()["images"].as_list().pop_back();
  expect("/groups/test/0/images: is [\"scene_0.png\"], expected a list of two");
  group()["ability"] = "i2t";
  expect("/ability: is \"i2t\"");
  group().erase("kind");
  expect("/kind: is not there, expected a text");
  file_["orbweaver_abilities"] = 2;
  expect("/orbweaver_abilities: is 2, expected 1");
  file_["groups"]["test"] = "none";
  expect("/groups/test: is \"none\", expected a list");
}

TEST_F(AbilityFile, APairThatLostAnImageIsLeftOutAndTheOthersRowsMoveUp) {
  Value other = group();
  other["id"] = "test-000001";
  other["images"] = parse_json(R"(["scene_1.png", "scene_2.png"])", "");
  other["captions"] = parse_json(R"(["caption 11", "caption 20"])", "");
  other["rows"] = parse_json("[3, 4]", "");
  file_["groups"]["test"].push_back(other);
  // Without the first image: scene_1 is image 0, its captions begin at 0.
  split_.images.erase(split_.images.begin());
  split_.captions.erase(split_.captions.begin(), split_.captions.begin() + 2);
  for (CaptionRecord& caption : split_.captions) --caption.image;
  const AbilityPairs left = read({"scene_0.png"});
  EXPECT_EQ(left.left_out, 1);
  ASSERT_EQ(left.pairs.size(), 1u);
  EXPECT_EQ(left.pairs[0].images, (std::array<int64_t, 2>{0, 1}));
  EXPECT_EQ(left.pairs[0].captions, (std::array<int64_t, 2>{1, 2}));
  EXPECT_NE(fault({"another.png"}).find("scene_0.png\", which is no image"), std::string::npos) << fault();
}

TEST_F(AbilityFile, OfADatasetWithSkippedImagesKnowsWhichTheyWere) {
  write();
  DatasetParams params;
  params.root = folder_.path();
  params.images = "/data/images";
  Dataset dataset;
  dataset.val_source = "on disk";
  dataset.test = split_;
  EXPECT_EQ(ability_pairs_of(params, dataset, dataset.test)->pairs.size(), 1u);
  EXPECT_FALSE(ability_pairs_of(params, dataset, dataset.train)) << "no pair of that split";
  dataset.test.images.pop_back();
  dataset.test.captions.resize(4);
  EXPECT_THROW(ability_pairs_of(params, dataset, dataset.test), InputError);
  dataset.skipped.push_back({"/data/images/scene_2.png", "does not decode"});
  const std::optional<AbilityPairs> left = ability_pairs_of(params, dataset, dataset.test);
  ASSERT_TRUE(left);
  EXPECT_TRUE(left->pairs.empty()) << "its only pair lost an image";
  EXPECT_EQ(left->left_out, 1);
  params.root = "/data";
  EXPECT_FALSE(ability_pairs_of(params, dataset, dataset.test)) << "no file";
}

}  // namespace
}  // namespace orbweaver::testing
