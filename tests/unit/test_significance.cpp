#include <gtest/gtest.h>

#include <cmath>
#include <random>

#include "framework/eval/saved_ranks.h"
#include "framework/eval/significance.h"
#include "framework/io/files.h"
#include "framework/io/safetensors.h"
#include "orbweaver/error.h"
#include "tests/temporary_folder.h"

namespace orbweaver {
namespace {

/// `size` captions for each image.
std::vector<int64_t> groups_of(int64_t size, int64_t images) {
  std::vector<int64_t> caption_image;
  for (int64_t caption = 0; caption < size * images; ++caption) caption_image.push_back(caption / size);
  return caption_image;
}

TwoWayRanks random_ranks(size_t images, size_t captions, unsigned seed) {
  std::mt19937 random(seed);
  TwoWayRanks ranks;
  for (size_t i = 0; i < images; ++i) ranks.i2t.push_back(1 + static_cast<int64_t>(random() % 15));
  for (size_t i = 0; i < captions; ++i) ranks.t2i.push_back(1 + static_cast<int64_t>(random() % 15));
  return ranks;
}

/// Ranks of image queries from which each caption's rank is left alone: of
/// systems that differ in one direction only.
TwoWayRanks image_ranks(std::vector<int64_t> i2t) {
  std::vector<int64_t> t2i(i2t.size(), 20);
  return {std::move(i2t), std::move(t2i)};
}

SystemRanks one_seed(const std::string& name, TwoWayRanks ranks) { return {name, {{1, std::move(ranks)}}}; }

/// The two-sided p over all 2^n exchanges of images, each image's gain averaged
/// over the seeds.
double exact_p(const SystemRanks& system, const SystemRanks& base, const std::vector<int64_t>& caption_image) {
  const size_t images = system.seeds.front().ranks.i2t.size();
  const auto hits = [](int64_t rank) { return (rank <= 1) + (rank <= 5) + (rank <= 10); };
  std::vector<double> gains(images);
  for (size_t seed = 0; seed < system.seeds.size(); ++seed) {
    const TwoWayRanks &own = system.seeds[seed].ranks, &other = base.seeds[seed].ranks;
    for (size_t image = 0; image < images; ++image)
      gains[image] += (hits(own.i2t[image]) - hits(other.i2t[image])) / static_cast<double>(images);
    for (size_t caption = 0; caption < caption_image.size(); ++caption)
      gains[static_cast<size_t>(caption_image[caption])] +=
          (hits(own.t2i[caption]) - hits(other.t2i[caption])) / static_cast<double>(caption_image.size());
  }
  double observed = 0;
  for (const double gain : gains) observed += gain;
  int64_t as_extreme = 0;
  const uint64_t exchanges = uint64_t{1} << images;
  for (uint64_t signs = 0; signs < exchanges; ++signs) {
    double sum = 0;
    for (size_t image = 0; image < images; ++image) sum += signs >> image & 1 ? -gains[image] : gains[image];
    as_extreme += std::abs(sum) >= std::abs(observed) - 1e-9;
  }
  return static_cast<double>(as_extreme) / static_cast<double>(exchanges);
}

TEST(SeedSummary, DeviationIsThatOfASampleAndOneSeedHasNone) {
  const std::vector<double> three{10, 12, 14}, one{7};
  EXPECT_EQ(summarize(three).mean, 12);
  EXPECT_EQ(summarize(three).std, 2);  // sqrt((4 + 0 + 4) / 2)
  EXPECT_EQ(summarize(one).mean, 7);
  EXPECT_FALSE(summarize(one).std);
  EXPECT_TRUE(to_value(summarize(one)).at("std").is_null());
  EXPECT_THROW(summarize({}), ShapeError);
}

TEST(Metrics, HaveTheSameNameInTheStructAndInItsRecord) {
  RetrievalMetrics metrics{{1, 2, 3, 4, 5}, {6, 7, 8, 9, 10}};
  const Value record = to_value(metrics);
  for (const std::string_view name : metric_names())
    EXPECT_EQ(metric_of(metrics, name), metric_of(record, name)) << name;
  EXPECT_EQ(metric_of(metrics, "mR"), 27 / 6.0);
  EXPECT_EQ(metric_of(metrics, "t2i.R@5"), 7);
  EXPECT_EQ(metric_of(metrics, "i2t.medR"), 4);
  EXPECT_FALSE(higher_is_better("t2i.meanR"));
  EXPECT_FALSE(can_be_compared("t2i.medR"));
  EXPECT_THROW(metric_of(metrics, "R@1"), InputError);
}

TEST(Randomisation, AgreesWithThePDistributionThatCanBeCountedByHand) {
  // Five images gained and one lost: of the 64 exchanges, |sum| >= 4 in 1 + 6
  // with either sign.
  const SystemRanks system = one_seed("new", image_ranks({1, 1, 1, 1, 1, 2}));
  const SystemRanks base = one_seed("old", image_ranks({2, 2, 2, 2, 2, 1}));
  const auto got = compare(system, base, groups_of(1, 6), "i2t.R@1");
  ASSERT_TRUE(got);
  EXPECT_NEAR(got->difference, 100 * 4 / 6.0, 1e-12);
  EXPECT_NEAR(got->p, 14 / 64.0, 3 * std::sqrt(14 / 64.0 * 50 / 64.0 / 10000));
}

TEST(Randomisation, AgreesWithAllExchangesOverSeedsAndImagesOfUnequalCaptions) {
  const std::vector<int64_t> caption_image{0, 0, 0, 1, 2, 2, 3, 4, 4, 5, 6, 6, 6, 6, 7, 8, 9, 9, 10, 11};
  for (const unsigned trial : {1u, 2u, 3u, 4u, 5u, 6u}) {
    SystemRanks system{"new", {}}, base{"old", {}};
    for (const int64_t seed : {1, 2, 3}) {
      system.seeds.push_back({seed, random_ranks(12, 20, 100 * trial + static_cast<unsigned>(seed))});
      base.seeds.push_back({seed, random_ranks(12, 20, 100 * trial + 50 + static_cast<unsigned>(seed))});
    }
    const double exact = exact_p(system, base, caption_image);
    const auto got = compare(system, base, caption_image, "mR");
    EXPECT_NEAR(got->p, exact, 3.5 * std::sqrt(exact * (1 - exact) / 10000) + 1e-4) << "trial " << trial;
  }
}

TEST(Randomisation, TheSmallestPIsOneMoreThanNoneOfThePermutations) {
  const SystemRanks system = one_seed("new", image_ranks(std::vector<int64_t>(60, 1)));
  const SystemRanks base = one_seed("old", image_ranks(std::vector<int64_t>(60, 2)));
  SignificanceOptions options;
  options.permutations = 999;
  EXPECT_EQ(compare(system, base, groups_of(1, 60), "i2t.R@1", options)->p, 1 / 1000.0);
}

TEST(Comparison, OfEqualSystemsFindsNothing) {
  const SystemRanks system = one_seed("new", random_ranks(40, 200, 1)), base = one_seed("old", system.seeds[0].ranks);
  const auto got = compare(system, base, groups_of(5, 40), "mR");
  EXPECT_EQ(got->difference, 0);
  EXPECT_EQ(got->low, 0);
  EXPECT_EQ(got->high, 0);
  EXPECT_EQ(got->p, 1);
}

TEST(Comparison, ExchangingTheSystemsTurnsTheSignAndLeavesP) {
  const SystemRanks one{"a", {{1, random_ranks(40, 200, 1)}, {2, random_ranks(40, 200, 2)}}};
  const SystemRanks other{"b", {{1, random_ranks(40, 200, 3)}, {2, random_ranks(40, 200, 4)}}};
  const auto there = compare(one, other, groups_of(5, 40), "mR"), back = compare(other, one, groups_of(5, 40), "mR");
  EXPECT_EQ(there->to, "b");
  EXPECT_EQ(back->to, "a");
  EXPECT_NEAR(back->difference, -there->difference, 1e-12);
  EXPECT_NEAR(back->low, -there->high, 1e-12);
  EXPECT_NEAR(back->high, -there->low, 1e-12);
  EXPECT_NEAR(*back->seed_std, *there->seed_std, 1e-12);
  EXPECT_EQ(back->p, there->p);
  EXPECT_LT(there->low, there->difference);
  EXPECT_LT(there->difference, there->high);
}

TEST(Comparison, DifferenceOfEachMetricIsThatOfTheMeansOverSeeds) {
  const std::vector<int64_t> caption_image{0, 0, 0, 1, 2, 2, 3};
  SystemRanks system{"new", {}}, base{"old", {}};
  for (const int64_t seed : {4, 5}) {
    system.seeds.push_back({seed, random_ranks(4, 7, static_cast<unsigned>(seed))});
    base.seeds.push_back({seed, random_ranks(4, 7, static_cast<unsigned>(10 + seed))});
  }
  for (const std::string_view name : metric_names()) {
    if (!can_be_compared(name)) {
      EXPECT_THROW(compare(system, base, caption_image, name), InputError);
      continue;
    }
    const auto of = [&](const SeedRanks& run) {
      return metric_of({direction_metrics(run.ranks.i2t), direction_metrics(run.ranks.t2i)}, name);
    };
    const double first = of(system.seeds[0]) - of(base.seeds[0]), second = of(system.seeds[1]) - of(base.seeds[1]);
    const auto got = compare(system, base, caption_image, name);
    EXPECT_EQ(got->metric, name);
    EXPECT_NEAR(got->difference, (first + second) / 2, 1e-10) << name;
    EXPECT_NEAR(*got->seed_std, std::abs(first - second) / std::sqrt(2), 1e-10) << name;
  }
}

TEST(Comparison, SeedsAreNoFurtherDrawsSoRepeatingOneAddsNoCertainty) {
  const TwoWayRanks own = random_ranks(40, 200, 1), other = random_ranks(40, 200, 2);
  const auto once = compare(one_seed("new", own), one_seed("old", other), groups_of(5, 40), "mR");
  const SystemRanks system{"new", {{1, own}, {2, own}, {3, own}}}, base{"old", {{3, other}, {1, other}, {2, other}}};
  const auto thrice = compare(system, base, groups_of(5, 40), "mR");
  EXPECT_NEAR(thrice->difference, once->difference, 1e-12);
  EXPECT_NEAR(thrice->low, once->low, 1e-12);
  EXPECT_NEAR(thrice->high, once->high, 1e-12);
  EXPECT_EQ(thrice->p, once->p);
  EXPECT_FALSE(once->seed_std);
  EXPECT_NEAR(*thrice->seed_std, 0, 1e-12);
}

TEST(Comparison, UsesTheSeedsThatBothHaveAndNamesTheOthers) {
  const TwoWayRanks ranks = random_ranks(4, 8, 1);
  const SystemRanks system{"new", {{1, ranks}, {2, ranks}, {7, ranks}}}, base{"old", {{3, ranks}, {2, ranks}}};
  const auto got = compare(system, base, groups_of(2, 4), "mR");
  EXPECT_EQ(got->seeds, (std::vector<int64_t>{2}));
  EXPECT_EQ(got->left_out, (std::vector<int64_t>{1, 3, 7}));
  EXPECT_FALSE(got->seed_std);
  const Value record = to_value(*got);
  EXPECT_EQ(record.at("seeds").as_int(), 1);
  EXPECT_TRUE(record.at("seed_std").is_null());
  EXPECT_TRUE(record.at("p_holm").is_null());
  EXPECT_FALSE(compare(one_seed("new", ranks), {"old", {{2, ranks}}}, groups_of(2, 4), "mR"));
  EXPECT_THROW(compare({"new", {{1, ranks}, {1, ranks}}}, base, groups_of(2, 4), "mR"), InputError);
}

TEST(Comparison, IntervalOfManyIndependentQueriesIsThatOfTheNormalDistribution) {
  const size_t images = 2000;
  std::mt19937 random(3);
  std::vector<int64_t> found(images);
  for (int64_t& rank : found) rank = random() % 2 ? 1 : 20;
  const auto got =
      compare(one_seed("new", image_ranks(found)), one_seed("old", image_ranks(std::vector<int64_t>(images, 20))),
              groups_of(1, images), "i2t.R@1");
  const double width = 2 * 1.96 * 100 * std::sqrt(0.25 / images);
  EXPECT_NEAR(got->high - got->low, width, 0.04 * width);
  SignificanceOptions narrow;
  narrow.interval = 0.6827;
  const auto one_sigma =
      compare(one_seed("new", image_ranks(found)), one_seed("old", image_ranks(std::vector<int64_t>(images, 20))),
              groups_of(1, images), "i2t.R@1", narrow);
  EXPECT_NEAR(one_sigma->high - one_sigma->low, width / 1.96, 0.04 * width);
}

TEST(Comparison, RefusesRanksOfOtherQueriesAndImagesWithoutCaptions) {
  const SystemRanks system = one_seed("new", random_ranks(4, 8, 1));
  EXPECT_THROW(compare(system, one_seed("old", random_ranks(4, 7, 1)), groups_of(2, 4), "mR"), ShapeError);
  const std::vector<int64_t> only_three{0, 0, 1, 1, 2, 2, 2, 2};
  EXPECT_THROW(compare(system, system, only_three, "mR"), ShapeError);
}

TEST(Holm, AgreesWithTheAdjustmentByHand) {
  // 0.005 x 4, 0.01 x 3, 0.03 x 2, then 0.04 x 1, which is raised to the one
  // before.
  const std::vector<double> p{0.01, 0.04, 0.03, 0.005};
  const std::vector<double> expected{0.03, 0.06, 0.06, 0.02};
  const std::vector<double> got = holm(p);
  ASSERT_EQ(got.size(), expected.size());
  for (size_t at = 0; at < got.size(); ++at) EXPECT_NEAR(got[at], expected[at], 1e-15);
  EXPECT_EQ(holm(std::vector<double>{0.7, 0.6}), (std::vector<double>{1, 1}));
  EXPECT_EQ(holm(std::vector<double>{0.2}), (std::vector<double>{0.2}));
  EXPECT_TRUE(holm({}).empty());
}

TEST(SignificanceMarks, CountTheLevelsFromAlphaDown) {
  EXPECT_EQ(significance_marks(0.0009, 0.05), "***");
  EXPECT_EQ(significance_marks(0.001, 0.05), "**");
  EXPECT_EQ(significance_marks(0.01, 0.05), "*");
  EXPECT_EQ(significance_marks(0.05, 0.05), "*");
  EXPECT_EQ(significance_marks(0.051, 0.05), "");
  EXPECT_EQ(significance_marks(0.02, 0.01), "");
  EXPECT_EQ(significance_marks(0.005, 0.01), "*");
  EXPECT_EQ(significance_marks(0.0005, 0.01), "**");
  EXPECT_EQ(significance_marks(0.0005, 0.001), "*");
  EXPECT_EQ(significance_marks(0.08, 0.1), "*");
  EXPECT_EQ(mark_levels(0.01), (std::vector<double>{0.01, 0.001}));
}

TEST(CompareAll, CorrectsOverTheSystemsThatWereComparedAndLeavesTheBaselineOut) {
  const TwoWayRanks base = image_ranks(std::vector<int64_t>(60, 2));
  TwoWayRanks better = base, same = base;
  for (size_t image = 0; image < 40; ++image) better.i2t[image] = 1;
  const std::vector<SystemRanks> systems{
      one_seed("better", better), one_seed("base", base), one_seed("same", same), {"elsewhere", {{9, base}}}};
  const auto got = compare_all(systems, "base", groups_of(1, 60), "i2t.R@1");
  ASSERT_EQ(got.size(), 4u);
  EXPECT_FALSE(got[1]);
  EXPECT_FALSE(got[3]);
  EXPECT_NEAR(*got[0]->p_holm, 2 * got[0]->p, 1e-15);
  EXPECT_TRUE(*got[0]->significant);
  EXPECT_EQ(*got[2]->p_holm, 1);
  EXPECT_FALSE(*got[2]->significant);
  for (const auto& each : compare_all(systems, "nobody", groups_of(1, 60), "mR")) EXPECT_FALSE(each);
}

SystemPairs on_pairs(const std::string& name, std::vector<bool> right) { return {name, {{1, std::move(right)}}}; }

TEST(ComparePairs, AgreeWithTheSignsThatCanBeCountedByHand) {
  // Of ten pairs the new system gains six and loses one: |6 - 1| or more in 2 (1 + 7) of the 2^7 exchanges.
  const std::vector<SystemPairs> systems{on_pairs("new", {1, 1, 1, 1, 1, 1, 0, 1, 1, 0}),
                                         on_pairs("old", {0, 0, 0, 0, 0, 0, 1, 1, 1, 0})};
  SignificanceOptions options;
  options.permutations = 100000;
  const auto got = compare_all_pairs(systems, "old", "relation.group", options);
  ASSERT_TRUE(got[0]);
  EXPECT_FALSE(got[1]);
  EXPECT_EQ(got[0]->metric, "relation.group");
  EXPECT_NEAR(got[0]->difference, 50, 1e-12);
  EXPECT_NEAR(got[0]->p, 16.0 / 128, 0.005);
  EXPECT_EQ(*got[0]->p_holm, got[0]->p);
  EXPECT_LT(got[0]->low, 50);
  EXPECT_GT(got[0]->high, 50);
}

TEST(ComparePairs, IntervalOfManyPairsIsThatOfTheNormalDistribution) {
  std::mt19937 random(7);
  std::vector<bool> own, other;
  double sum = 0, squares = 0;
  constexpr size_t count = 900;
  for (size_t at = 0; at < count; ++at) {
    own.push_back(random() % 10 < 6);
    other.push_back(random() % 10 < 4);
    const double gain = 100.0 * (own.back() - other.back());
    sum += gain, squares += gain * gain;
  }
  const double mean = sum / count, error = std::sqrt((squares / count - mean * mean) / count);
  const std::vector<SystemPairs> systems{on_pairs("new", own), on_pairs("old", other)};
  const Comparison got = *compare_all_pairs(systems, "old", "count.text")[0];
  EXPECT_NEAR(got.difference, mean, 1e-9);
  EXPECT_NEAR(got.low, mean - 1.96 * error, 0.3);
  EXPECT_NEAR(got.high, mean + 1.96 * error, 0.3);
  EXPECT_NEAR(got.p, 1.0 / 10001, 1e-12);
}

TEST(ComparePairs, AverageOverTheSeedsThatBothHave) {
  const std::vector<SystemPairs> systems{{"new", {{1, {1, 1, 0, 0}}, {2, {1, 1, 1, 1}}, {3, {0, 0, 0, 0}}}},
                                         {"old", {{2, {1, 0, 0, 0}}, {1, {0, 0, 0, 0}}}},
                                         {"none", {}}};
  const auto got = compare_all_pairs(systems, "old", "relation.image");
  EXPECT_NEAR(got[0]->difference, (50 + 75) / 2.0, 1e-12);
  EXPECT_NEAR(*got[0]->seed_std, 25 / std::sqrt(2), 1e-12);
  EXPECT_EQ(got[0]->seeds, (std::vector<int64_t>{1, 2}));
  EXPECT_EQ(got[0]->left_out, (std::vector<int64_t>{3}));
  EXPECT_FALSE(got[2]);
}

TEST(ComparePairs, RefuseSystemsOnOtherNumbersOfPairs) {
  const std::vector<SystemPairs> systems{on_pairs("new", {1, 0}), on_pairs("old", {1, 0, 1})};
  EXPECT_THROW(compare_all_pairs(systems, "old", "relation.group"), ShapeError);
}

TEST(Metrics, OfAbilitiesAreComparedByPairsAndAreBetterWhenHigher) {
  for (const char* name : {"relation.group", "count.text", "mR", "i2t.medR"}) EXPECT_TRUE(is_metric(name)) << name;
  for (const char* name : {"relation.best", "i2t.group", "relation", "R@1"}) EXPECT_FALSE(is_metric(name)) << name;
  EXPECT_TRUE(can_be_compared("relation.group"));
  EXPECT_TRUE(higher_is_better("relation.group"));
  EXPECT_EQ(unit_of("relation.group"), "pair");
  EXPECT_EQ(unit_of("mR"), "image");
}

class RanksFile : public ::testing::Test {
 protected:
  testing::TemporaryFolder folder_;
  std::filesystem::path file_ = folder_.path() / ranks_file_name("test");
  SavedRanks ranks_{"test",
                    "5plit",
                    "w8",
                    {0, 0, 1},
                    {{0, "none", {{1, 7}, {2, 3, 11}}},
                     {3, "identity", {{1, 6}, {2, 5, 10}}},
                     {12, "cross.modal", {{1, 1}, {1, 1, 1}}}}};
};

TEST_F(RanksFile, ReadsBackWhatWasWritten) {
  write_ranks(file_, ranks_);
  const SavedRanks got = read_ranks(file_);
  EXPECT_EQ(got.split, "test");
  EXPECT_EQ(got.split_hash, "5plit");
  EXPECT_EQ(got.weights_hash, "w8");
  EXPECT_EQ(got.caption_image, ranks_.caption_image);
  ASSERT_EQ(got.rows.size(), 3u);
  for (size_t row = 0; row < 3; ++row) {
    EXPECT_EQ(got.rows[row].name(), ranks_.rows[row].name());
    EXPECT_EQ(got.rows[row].ranks.i2t, ranks_.rows[row].ranks.i2t);
    EXPECT_EQ(got.rows[row].ranks.t2i, ranks_.rows[row].ranks.t2i);
  }
  EXPECT_EQ(got.find("cross.modal")->row, 12);
  EXPECT_EQ(got.find("csls"), nullptr);
  EXPECT_TRUE(SafetensorsFile(file_).tensors().contains("3.identity.t2i"));
}

TEST_F(RanksFile, WhoseChecksumLostItsNameToAFlippedBitIsRefused) {
  write_ranks(file_, ranks_);
  std::string bytes = read_file(file_);
  bytes[bytes.find("orbweaver.checksum")] ^= 1;
  write_atomically(file_, std::string_view(bytes));
  EXPECT_THROW(read_ranks(file_), InputError);
}

TEST_F(RanksFile, KeepsTheOutcomesOfPairs) {
  write_ranks(file_, ranks_);
  EXPECT_FALSE(read_ranks(file_).pairs);
  ranks_.pairs = SavedPairs{"pa1r5", {"relation", "count", "relation"}, {{true, true}, {false, true}, {true, false}}};
  write_ranks(file_, ranks_);
  const SavedRanks got = read_ranks(file_);
  ASSERT_TRUE(got.pairs);
  EXPECT_EQ(got.pairs->hash, "pa1r5");
  EXPECT_EQ(got.pairs->abilities, ranks_.pairs->abilities);
  EXPECT_EQ(got.pairs->outcomes, ranks_.pairs->outcomes);
  EXPECT_EQ(got.pairs->right("relation", "text"), (std::vector<bool>{true, true}));
  EXPECT_EQ(got.pairs->right("relation", "group"), (std::vector<bool>{true, false}));
  EXPECT_TRUE(got.pairs->right("attribute", "group").empty());
  EXPECT_EQ(got.rows.size(), 3u);
}

TEST_F(RanksFile, OfOtherPairsThanTheEvaluationsAreFoundOut) {
  const TwoWayRanks found{{1, 1}, {1, 1, 1}};
  EvaluationRow plain;
  plain.reranker = "none";
  plain.ranks = found;
  plain.metrics = {direction_metrics(found.i2t), direction_metrics(found.t2i)};
  const std::vector<AbilityPair> pairs{{"a", "relation", "", {0, 1}, {0, 2}}};
  plain.pair_outcomes = {{true, false}};
  plain.abilities = ability_rows(pairs, plain.pair_outcomes);
  const std::vector<EvaluationRow> rows{plain};
  ranks_.rows = ranked_rows(rows);
  ranks_.pairs = saved_pairs(pairs, rows);
  EXPECT_EQ(why_not_of(ranks_, to_value(rows), "w8"), "");
  ranks_.pairs->outcomes[0].image = true;
  EXPECT_NE(why_not_of(ranks_, to_value(rows), "w8").find("another relation.image"), std::string::npos);
  ranks_.pairs.reset();
  EXPECT_NE(why_not_of(ranks_, to_value(rows), "w8").find("lack the pairs"), std::string::npos);
  EXPECT_FALSE(saved_pairs(pairs, std::vector<EvaluationRow>(1)));
}

TEST_F(RanksFile, OfAnotherKindIsRefusedByName) {
  const std::vector<int64_t> three{1, 2, 3};
  const TensorEntry entry{"I64", {3}, std::as_bytes(std::span(three))};
  write_safetensors(file_, {{"caption_image", entry}}, {});
  EXPECT_THROW(read_ranks(file_), InputError);
  const std::map<std::string, std::string> metadata{
      {"format", "1"}, {"split", "test"}, {"split_hash", ""}, {"weights_hash", ""}};
  write_safetensors(file_, {{"caption_image", entry}, {"none.i2t", entry}, {"none.t2i", entry}}, metadata);
  EXPECT_THROW(read_ranks(file_), InputError);
  write_safetensors(file_, {{"caption_image", entry}, {"0.none.i2t", entry}}, metadata);
  EXPECT_THROW(read_ranks(file_), InputError);
}

TEST_F(RanksFile, AsCsvHasALineForEveryQueryWithItsImage) {
  const std::vector<RankedRow> rows{ranks_.rows.front()};
  EXPECT_EQ(outcomes_csv(rows, ranks_.caption_image),
            "row,reranker,direction,query,image,rank,hit@1,hit@5,hit@10\n"
            "0,none,i2t,0,0,1,1,1,1\n"
            "0,none,i2t,1,1,7,0,0,1\n"
            "0,none,t2i,0,0,2,0,1,1\n"
            "0,none,t2i,1,0,3,0,1,1\n"
            "0,none,t2i,2,1,11,0,0,0\n");
}

TEST(RankedRows, AreTheStrictRowsWithOwnPositivesUnderTheirNumbers) {
  Matrix<float> scores(2, 3);
  const float values[] = {0.9f, 0.1f, 0.8f, 0.3f, 0.2f, 0.7f};
  std::copy(std::begin(values), std::end(values), scores.data());
  const std::vector<int64_t> caption_image{0, 0, 1}, text_ids{0, 1, 0};
  EvaluationInput input;
  input.i2t = std::as_const(scores).view();
  input.caption_image = caption_image;
  input.text_ids = text_ids;
  input.rerankers.push_back(
      {"identity5", Value::object(), false, [](const RerankInput& in) { return identity_rerank(in.scores, 5); }});
  const std::vector<EvaluationRow> rows = evaluate(input);
  const std::vector<RankedRow> ranked = ranked_rows(rows);
  ASSERT_EQ(ranked.size(), 3u);  // between them: same texts, arbitrary ties;
                                 // after the last: same texts
  EXPECT_EQ(ranked[0].name(), "0.none");
  EXPECT_EQ(ranked[1].name(), "3.identity");
  EXPECT_EQ(ranked[2].name(), "4.identity5");
  EXPECT_EQ(ranked[0].ranks.i2t, (std::vector<int64_t>{1, 1}));
  EXPECT_EQ(ranked[0].ranks.t2i, (std::vector<int64_t>{1, 2, 2}));
  for (const RankedRow& row : ranked) {
    const EvaluationRow& of = rows[static_cast<size_t>(row.row)];
    EXPECT_EQ(of.tie_rule, TieRule::strict);
    EXPECT_FALSE(of.duplicate_aware);
    EXPECT_EQ(direction_metrics(row.ranks.t2i).r1, of.metrics.t2i.r1);
  }
}

}  // namespace
}  // namespace orbweaver
