// Searching a reranker's parameters on validation scores, and following them along a curve.
#include <gtest/gtest.h>

#include <algorithm>
#include <filesystem>
#include <random>
#include <string>

#include "framework/eval/rerank_scores.h"
#include "framework/eval/tune.h"
#include "framework/io/files.h"
#include "framework/io/json.h"
#include "framework/io/npy.h"
#include "orbweaver/error.h"
#include "tests/temporary_folder.h"

namespace orbweaver {
namespace {

namespace fs = std::filesystem;

struct Params {
  int64_t k = 25;
  double weight = 0.5;
  std::string mode = "fast";
  std::optional<int64_t> limit;
  static void describe(ParamSpec<Params>& p) {
    p.field("k", &Params::k, "A count").range(1, 100).tune({5, 10});
    p.field("weight", &Params::weight, "A weight").tune({0, 0.5, 1});
    p.field("mode", &Params::mode, "A word").choices({"fast", "slow"});
    p.field("limit", &Params::limit, "A limit").at_least(1);
  }
};

Value object(std::initializer_list<std::pair<std::string, Value>> members) { return Value(Value::Object(members)); }

template <class F>
std::string error_of(F&& f) {
  try {
    f();
  } catch (const InputError& error) {
    return error.what();
  }
  return "";
}

TEST(Grid, ReadsValuesAsJsonAndElseAsWords) {
  const Grid grid = parse_grid(schema_of<Params>(), {"k=1,20", "mode=fast,slow", "limit=[3,null]"});
  ASSERT_EQ(grid.size(), 3u);
  EXPECT_EQ(grid[0].name, "k");
  EXPECT_EQ(grid[0].values, (std::vector<Value>{1, 20}));
  EXPECT_EQ(grid[1].values, (std::vector<Value>{"fast", "slow"}));
  EXPECT_EQ(grid[2].values, (std::vector<Value>{3, nullptr}));
}

TEST(Grid, RefusesWhatTheParameterWouldRefuse) {
  const auto error = [](const std::vector<std::string>& texts) {
    return error_of([&] { parse_grid(schema_of<Params>(), texts); });
  };
  EXPECT_EQ(error({"wieght=1"}), "--grid wieght=1: there is no parameter \"wieght\"; did you mean \"weight\"?");
  EXPECT_EQ(error({"k=5,101"}), "--grid k=5,101: k is 101, expected integer in [1, 100]");
  EXPECT_EQ(error({"k=5", "k=6"}), "--grid k=6: k has a grid already");
  EXPECT_EQ(error({"k"}), "--grid k: expected NAME=VALUE,VALUE,...");
  EXPECT_NE(error({"k="}), "");
}

TEST(Grid, HintsGiveTheAxesOfWhatTheUserDidNotSet) {
  const Grid all = hinted_grid(schema_of<Params>(), Value::object());
  ASSERT_EQ(all.size(), 2u);
  EXPECT_EQ(all[1].name, "weight");
  EXPECT_EQ(all[1].values.size(), 3u);
  const Grid rest = hinted_grid(schema_of<Params>(), object({{"k", 7}}));
  ASSERT_EQ(rest.size(), 1u);
  EXPECT_EQ(rest[0].name, "weight");
}

TEST(Grid, PointsRunWithTheLastAxisFastest) {
  const Grid grid = hinted_grid(schema_of<Params>(), Value::object());
  ASSERT_EQ(grid_size(grid), 6);
  EXPECT_EQ(grid_point(grid, 0), object({{"k", 5}, {"weight", 0}}));
  EXPECT_EQ(grid_point(grid, 2), object({{"k", 5}, {"weight", 1}}));
  EXPECT_EQ(grid_point(grid, 3), object({{"k", 10}, {"weight", 0}}));
}

TEST(Grid, SizeSaturates) {
  const GridAxis axis{"k", std::vector<Value>(1000, Value(1))};
  EXPECT_EQ(grid_size(Grid(10, axis)), int64_t{1} << 62);
}

TEST(SamplePoints, AreDifferentAscendingAndThoseOfTheSeed) {
  EXPECT_EQ(sample_points(3, 10, 1), (std::vector<int64_t>{0, 1, 2}));
  const std::vector<int64_t> points = sample_points(1000, 100, 1);
  EXPECT_EQ(points.size(), 100u);
  EXPECT_TRUE(std::ranges::is_sorted(points));
  EXPECT_EQ(std::ranges::adjacent_find(points), points.end());
  EXPECT_LT(points.back(), 1000);
  EXPECT_EQ(sample_points(1000, 100, 1), points);
  EXPECT_NE(sample_points(1000, 100, 2), points);
}

class Tune : public ::testing::Test {
 protected:
  void SetUp() override {
    write_scores("val.npy", 12, 1);
    tune_.scores = folder_ / "val.npy";
    tune_.captions_per_image = 3;
    tune_.use = {"csls"};
  }

  /// Noisy scores in which some captions are hubs.
  void write_scores(const char* name, int64_t images, unsigned seed) const {
    std::mt19937 random(seed);
    Matrix<float> scores(images, 3 * images);
    for (int64_t image = 0; image < images; ++image)
      for (int64_t text = 0; text < 3 * images; ++text)
        scores(image, text) =
            static_cast<float>(random() % 1000) / 1000 + (text / 3 == image ? 0.4f : 0) + (text % 4 == 0 ? 0.3f : 0);
    write_npy(folder_ / name, std::as_const(scores).view());
  }

  /// The strict row of one reranker on the validation scores.
  RetrievalMetrics metrics_with(const std::string& use, const std::vector<std::string>& set) const {
    RerankScoresOptions options;
    static_cast<SavedScoresOptions&>(options) = tune_;
    options.use = {use};
    options.set = set;
    return rerank_scores(options).rows.at(3).metrics;
  }

  testing::TemporaryFolder temporary_;
  const fs::path folder_ = temporary_.path();
  TuneOptions tune_;
};

TEST_F(Tune, FindsTheSettingWithTheLargestStrictMeanRecall) {
  tune_.grid = {"neighbours=1,3,9", "k=5,30"};
  const TuneResult result = tune_reranker(tune_, {});
  ASSERT_EQ(result.tried.size(), 6u);
  double best = 0;
  for (const TriedPoint& tried : result.tried) {
    const RetrievalMetrics alone =
        metrics_with("csls", {"neighbours=" + brief(tried.point.at("neighbours")), "k=" + brief(tried.point.at("k"))});
    EXPECT_EQ(tried.metrics.mean_recall(), alone.mean_recall());
    best = std::max(best, alone.mean_recall());
  }
  EXPECT_EQ(result.tried[result.best].metrics.mean_recall(), best);
  EXPECT_GT(best, result.identity.mean_recall()) << "these scores have hubs";
  EXPECT_EQ(result.as_set.mean_recall(), metrics_with("csls", {}).mean_recall());
}

TEST_F(Tune, TheFirstOfEquallyGoodSettingsWins) {
  tune_.grid = {"k=36,37,38"};
  EXPECT_EQ(tune_reranker(tune_, {}).best, 0u);
}

TEST_F(Tune, TheFragmentHoldsEveryParameterAndHowItWasFound) {
  tune_.set = {"k=20"};
  const TuneResult result = tune_reranker(tune_, {});
  const Value& rerank = result.fragment.at("rerank");
  EXPECT_EQ(rerank.at("use").as_string(), "csls");
  EXPECT_EQ(rerank.at("k").as_int(), 20);
  EXPECT_EQ(rerank.at("neighbours"), result.tried[result.best].point.at("neighbours"));
  const Value& tuning = rerank.at("tuning");
  EXPECT_EQ(tuning.at("scores").as_string(), (folder_ / "val.npy").string());
  EXPECT_EQ(tuning.at("images").as_int(), 12);
  EXPECT_EQ(tuning.at("captions").as_int(), 36);
  EXPECT_EQ(tuning.at("objective").as_string(), "strict mR");
  EXPECT_EQ(tuning.at("grid").as_object().size(), 1u) << "k was set, so that neighbours alone is tried";
  EXPECT_EQ(tuning.at("seed").as_int(), 1);
  EXPECT_EQ(tuning.at("mR").at("best").as_double(), result.tried[result.best].metrics.mean_recall());
}

TEST_F(Tune, AppliedToOtherGallerySizesTheResultSaysSo) {
  write_atomically(folder_ / "csls.json", to_json(tune_reranker(tune_, {}).fragment));
  write_scores("test.npy", 20, 2);
  RerankScoresOptions apply;
  apply.captions_per_image = 3;
  apply.use = {(folder_ / "csls.json").string()};
  apply.scores = folder_ / "val.npy";
  EXPECT_TRUE(rerank_scores(apply).rows.at(3).tuned_for_these_sizes());
  apply.scores = folder_ / "test.npy";
  const RerankScoresResult result = rerank_scores(apply);
  EXPECT_FALSE(result.rows.at(3).tuned_for_these_sizes());
  const Value& row = result.record.at("rows").as_list().at(3);
  EXPECT_EQ(row.at("tuning").at("images").as_int(), 12);
  EXPECT_EQ(row.at("applied_to").at("images").as_int(), 20);
  EXPECT_EQ(row.at("applied_to").at("captions").as_int(), 60);
  EXPECT_FALSE(row.at("tuned_for_these_sizes").as_bool());
  EXPECT_NE(format_table(result.rows).find("tuned on 12 images and 36 captions, applied to 20 and 60"),
            std::string::npos)
      << format_table(result.rows);
  // Another value is no longer what was tuned; the same value is.
  apply.set = {"k=100"};
  EXPECT_FALSE(rerank_scores(apply).rows.at(3).tuning.is_null());
  apply.set = {"k=99"};
  EXPECT_TRUE(rerank_scores(apply).rows.at(3).tuning.is_null());
}

TEST_F(Tune, ALargerGridIsSampledByTheSeed) {
  tune_.grid = {"neighbours=1,2,3,4,5,6,7,8,9,10", "k=1,2,3,4,5,6,7,8,9,10"};
  tune_.budget = 7;
  const TuneResult one = tune_reranker(tune_, {}), again = tune_reranker(tune_, {});
  EXPECT_EQ(one.tried.size(), 7u);
  EXPECT_EQ(one.fragment, again.fragment);
  EXPECT_EQ(one.fragment.at("rerank").at("tuning").at("grid_points").as_int(), 100);
  EXPECT_NE(format_table(one).find("7 of 100 settings tried"), std::string::npos);
}

TEST_F(Tune, TheTableShowsPlainIdentityAsSetAndBest) {
  const std::string table = format_table(tune_reranker(tune_, {}));
  for (const char* part : {"none ", "identity ", "csls as set ", "best {\"neighbours\": "})
    EXPECT_NE(table.find(part), std::string::npos) << table;
}

TEST_F(Tune, SaysWhatIsMissing) {
  const auto error = [&] { return error_of([&] { tune_reranker(tune_, {}); }); };
  tune_.use = {"csls", "multivariate"};
  EXPECT_EQ(error(), "--tune takes one reranker; 2 are named with --use");
  tune_.use = {"csls"};
  tune_.set = {"neighbours=3"};
  EXPECT_NE(error().find("has no parameter left"), std::string::npos) << error();
  tune_.set = {};
  tune_.captions_per_image = 0;
  EXPECT_NE(error().find("--captions-per-image N"), std::string::npos) << error();
}

TEST_F(Tune, ARerankerWithAQueryBankGetsItFromFiles) {
  tune_.use = {"qb_norm"};
  EXPECT_NE(error_of([&] { tune_reranker(tune_, {}); }).find("--image-bank FILE.npy"), std::string::npos);
  std::mt19937 random(3);
  Matrix<float> images(7, 36), texts(9, 12);
  for (int64_t i = 0; i < 7 * 36; ++i) images.data()[i] = static_cast<float>(random() % 1000) / 1000;
  for (int64_t i = 0; i < 9 * 12; ++i) texts.data()[i] = static_cast<float>(random() % 1000) / 1000;
  write_npy(folder_ / "images.npy", std::as_const(images).view());
  write_npy(folder_ / "texts.npy", std::as_const(texts).view());
  tune_.image_bank = folder_ / "images.npy";
  EXPECT_NE(error_of([&] { tune_reranker(tune_, {}); }).find("belong together"), std::string::npos);
  tune_.text_bank = folder_ / "images.npy";
  EXPECT_NE(error_of([&] { tune_reranker(tune_, {}); }).find("7 x 36, expected 12 columns"), std::string::npos);
  tune_.text_bank = folder_ / "texts.npy";
  const TuneResult result = tune_reranker(tune_, {});
  EXPECT_EQ(result.fragment.at("rerank").at("tuning").at("text_bank").at("queries").as_int(), 9);
}

class Curve : public Tune {
 protected:
  void SetUp() override {
    Tune::SetUp();
    static_cast<SavedScoresOptions&>(curve_) = tune_;
    curve_.use = {"multivariate"};
  }
  CurveOptions curve_;
};

TEST_F(Curve, FollowsEachParameterWithTheOthersAsSet) {
  curve_.set = {"w1=0.75"};
  curve_.parameters = {"k", "w1"};
  curve_.grid = {"k=5,2"};
  const CurveResult result = rerank_curves(curve_, {});
  std::vector<std::string> names;
  for (const CurvePoint& point : result.points) names.push_back(point.parameter + "=" + brief(point.value));
  EXPECT_EQ(names, (std::vector<std::string>{"k=2", "k=5", "k=25", "w1=0", "w1=0.25", "w1=0.5", "w1=0.75", "w1=1"}));
  EXPECT_TRUE(result.points[2].as_set);
  EXPECT_TRUE(result.points[6].as_set);
  const double set = metrics_with("multivariate", {"w1=0.75"}).mean_recall();
  EXPECT_EQ(result.points[2].metrics.mean_recall(), set);
  EXPECT_EQ(result.points[6].metrics.mean_recall(), set);
  EXPECT_EQ(result.points[0].metrics.mean_recall(), metrics_with("multivariate", {"w1=0.75", "k=2"}).mean_recall());
}

TEST_F(Curve, CsvHasALinePerPoint) {
  curve_.parameters = {"similarity"};
  const std::string csv = to_csv(rerank_curves(curve_, {}));
  EXPECT_EQ(std::ranges::count(csv, '\n'), 4);
  EXPECT_TRUE(
      csv.starts_with("parameter,value,i2t_r1,i2t_r5,i2t_r10,t2i_r1,t2i_r5,t2i_r10,mr\nsimilarity,mean_cosine,"));
  EXPECT_NE(csv.find("\nsimilarity,cosine,"), std::string::npos);
}

TEST_F(Curve, SaysWhichParameterIsUnknownOrHasNoValues) {
  const auto error = [&] { return error_of([&] { rerank_curves(curve_, {}); }); };
  curve_.parameters = {"w3"};
  EXPECT_NE(error().find("--curve: there is no parameter \"w3\""), std::string::npos) << error();
  curve_.parameters = {"xi"};
  EXPECT_EQ(error(), "--curve xi: nobody says which values to try; give --grid xi=VALUE,VALUE,...");
  curve_.parameters = {"k"};
  curve_.grid = {"xi=0.1"};
  EXPECT_EQ(error(), "--grid xi: --curve does not follow xi");
}

}  // namespace
}  // namespace orbweaver
