#include <gtest/gtest.h>
#include <signal.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <string>
#include <thread>
#include <vector>

#include "framework/data/synth.h"
#include "framework/io/file_lock.h"
#include "framework/io/files.h"
#include "framework/io/json.h"
#include "framework/sweep/identity.h"
#include "framework/sweep/local_launcher.h"
#include "framework/sweep/plan.h"
#include "framework/sweep/results.h"
#include "framework/sweep/sweep_file.h"
#include "orbweaver/error.h"
#include "temporary_folder.h"

namespace orbweaver::testing {
namespace {

namespace fs = std::filesystem;

const std::string configs = ORBWEAVER_SOURCE_DIR "/configs";

class SweepFileTest : public ::testing::Test {
 protected:
  fs::path file(const std::string& text, const std::string& name = "sweep.json") {
    write_text(folder_.path() / name, text);
    return folder_.path() / name;
  }
  Sweep read(const std::string& text, const std::vector<std::string>& settings = {}) {
    return read_sweep(file(text), settings);
  }
  std::string fault(const std::string& text, const std::vector<std::string>& settings = {}) {
    try {
      read(text, settings);
    } catch (const InputError& error) {
      return error.what();
    }
    return "";
  }
  static std::vector<std::string> names(const Sweep& sweep) {
    std::vector<std::string> out;
    for (const SweepVariant& variant : sweep.variants) out.push_back(variant.name);
    return out;
  }

  TemporaryFolder folder_;
};

TEST_F(SweepFileTest, VariantsTimesGridGivesEveryCombinationLastAxisFastest) {
  file("{}", "base.json");
  const Sweep sweep = read(R"({"name": "s", "base": "base.json",
    "variants": [{"name": "a"}, {"name": "b", "overrides": ["x=1"]}],
    "grid": [{"path": "train.lr", "values": [0.1, 0.01]}, {"path": "model.embed_dim", "name": "dim", "values": [8, 16]}]})");
  EXPECT_EQ(names(sweep),
            (std::vector<std::string>{"a_lr=0.1_dim=8", "a_lr=0.1_dim=16", "a_lr=0.01_dim=8", "a_lr=0.01_dim=16",
                                      "b_lr=0.1_dim=8", "b_lr=0.1_dim=16", "b_lr=0.01_dim=8", "b_lr=0.01_dim=16"}));
  EXPECT_EQ(sweep.variants[7].overrides, (std::vector<std::string>{"x=1", "train.lr=0.01", "model.embed_dim=16"}));
  EXPECT_EQ(sweep.variants[0].config, folder_.path() / "base.json");
  EXPECT_EQ(run_name(sweep.variants[0].name, 3), "a_lr=0.1_dim=8-s3");
}

TEST_F(SweepFileTest, AValueThatIsNoPlainWordIsNamedByItsNumber) {
  file("{}", "base.json");
  const Sweep sweep = read(
      R"({"name": "s", "base": "base.json", "grid": [{"path": "loss", "values": [[{"use": "triplet"}], "x/y"]}]})");
  EXPECT_EQ(names(sweep), (std::vector<std::string>{"loss=no1", "loss=no2"}));
}

TEST_F(SweepFileTest, WithoutVariantsAndGridItIsTheBaseWithItsSeeds) {
  file("{}", "base.json");
  EXPECT_EQ(names(read(R"({"name": "s", "base": "base.json"})")), (std::vector<std::string>{"base"}));
}

TEST_F(SweepFileTest, ExtendsAnotherAndTakesSettings) {
  file("{}", "base.json");
  file(R"({"name": "long", "base": "base.json", "seeds": [1, 2, 3, 4]})", "long.json");
  const Sweep sweep = read(R"({"extends": "long.json", "name": "short"})", {"seeds=[7]", "jobs=2"});
  EXPECT_EQ(sweep.params.name, "short");
  EXPECT_EQ(sweep.params.seeds, (std::vector<int64_t>{7}));
  EXPECT_EQ(sweep.params.jobs, 2);
  EXPECT_EQ(sweep.resolved.at("base").as_string(), (folder_.path() / "base.json").string());
}

TEST_F(SweepFileTest, EverythingWrongIsToldAtOnceWithItsPlaceAndASuggestion) {
  file("{}", "base.json");
  std::string text = fault(R"({"name": "s", "base": "base.json", "sedes": [1], "split": "tset",
                               "variants": [{"name": "a", "overides": []}]})");
  EXPECT_NE(text.find("sweep.json: /sedes: unknown parameter; did you mean \"seeds\"?"), std::string::npos) << text;
  EXPECT_NE(text.find("/split"), std::string::npos) << text;
  EXPECT_NE(text.find("/variants/0/overides: unknown parameter; did you mean \"overrides\"?"), std::string::npos)
      << text;

  text = fault(
      R"({"name": "a b", "base": "base.json", "seeds": [1, 1], "metrics": ["mR", "i2t.R@2"], "overrides": ["seed=7"],
                   "variants": [{"name": "../x"}, {"name": "b", "config": "none.json", "overrides": ["seed=3"]}]})");
  for (const char* part :
       {"/name: is \"a b\"", "/seeds/1: is there twice", "/metrics/1: is \"i2t.R@2\"", "/overrides/0: sets",
        "/variants/0/name: is \"../x\"", "/variants/1/config: ", "/variants/1/overrides/0: sets"})
    EXPECT_NE(text.find(part), std::string::npos) << part << "\n" << text;

  text = fault(R"({"name": "s", "base": "base.json", "variants": [{"name": "plain"}], "baseline": "plian"})");
  EXPECT_NE(text.find("/baseline: is \"plian\", which is no variant; did you mean \"plain\"?"), std::string::npos)
      << text;
  EXPECT_NE(fault(R"({"name": "s", "base": "base.json", "variants": [{"name": "a"}, {"name": "a"}]})").find("two"),
            std::string::npos);
  EXPECT_NE(fault(R"({"name": "s", "base": "base.json"})", {"jobs=-1"}).find("--set-sweep: /jobs"), std::string::npos);
}

TEST_F(SweepFileTest, AGridThatNoMemoryHoldsIsRefused) {
  file("{}", "base.json");
  std::string grid;
  for (int i = 0; i < 12; ++i)
    grid +=
        (i ? ", " : "") + ("{\"path\": \"x.a" + std::to_string(i) + "\", \"values\": [0, 1, 2, 3, 4, 5, 6, 7, 8, 9]}");
  const std::string text = fault(R"({"name": "s", "base": "base.json", "baseline": "b", "grid": [)" + grid + "]}");
  EXPECT_NE(text.find("/grid: gives more than 10000 variants"), std::string::npos) << text;
  EXPECT_EQ(text.find("/baseline"), std::string::npos) << text;
}

TEST_F(SweepFileTest, MetricsOfAbilitiesAreKnownByTheirForm) {
  file("{}", "base.json");
  const Sweep sweep = read(R"({"name": "s", "base": "base.json", "metrics": ["relation.group", "count.text", "mR"]})");
  EXPECT_EQ(sweep.params.metrics.front(), "relation.group");
  const std::string text = fault(R"({"name": "s", "base": "base.json", "metrics": ["relation.grup"]})");
  EXPECT_NE(text.find("/metrics/0: is \"relation.grup\", which is no metric"), std::string::npos) << text;
  EXPECT_NE(text.find("end in .text, .image or .group"), std::string::npos) << text;
}

TEST(ShippedSweeps, NameConfigsThatExistAndBaselinesThatTheyHave) {
  std::vector<std::string> seen;
  for (const auto& entry : fs::directory_iterator(configs + "/sweeps")) {
    const Sweep sweep = read_sweep(entry.path(), {});
    EXPECT_EQ(sweep.params.name, entry.path().stem().string());
    EXPECT_GE(sweep.variants.size(), 3u);
    EXPECT_FALSE(sweep.params.baseline.empty());
    seen.push_back(sweep.params.name);
  }
  std::sort(seen.begin(), seen.end());
  EXPECT_EQ(seen, (std::vector<std::string>{"demo", "galr_table4", "galr_table4_light", "gravlm_ablation",
                                            "gravlm_ablation_light", "methods_rsicd", "methods_rsicd_light",
                                            "synth_abilities"}));
  EXPECT_EQ(read_sweep(configs + "/sweeps/galr_table4_light.json", {}).variants.size(), 8u);
}

/// The demo's method on 12 synthetic scenes; nothing is trained.
class IdentityTest : public ::testing::Test {
 protected:
  void SetUp() override {
    write_synthetic_dataset({folder_.path() / "data", 12, 5, 1, false});
    write_text(folder_.path() / "weights.safetensors", "some weights");
    write_text(folder_.path() / "sweep.json", R"({"name": "s", "base": ")" + configs +
                                                  R"(/methods/demo.json", "variants": [{"name": "a"},
        {"name": "b", "overrides": ["rerank={\"use\": \"cross_modal\"}"]}], "seeds": [1, 2]})");
    arguments_ = {"dataset.root=" + (folder_.path() / "data").string(), "cache=" + (folder_.path() / "cache").string(),
                  "train.threads=1"};
  }
  SweepPlan plan(const std::vector<std::string>& more = {}) {
    PlanOptions options;
    options.overrides = arguments_;
    options.overrides.insert(options.overrides.end(), more.begin(), more.end());
    options.out = folder_.path() / "out";
    return make_plan(read_sweep(folder_.path() / "sweep.json", {}), options);
  }
  std::string identity(const std::vector<std::string>& more = {}) { return plan(more).runs[0].training_hash; }
  std::string differences(const std::vector<std::string>& before, const std::vector<std::string>& after) {
    std::string out;
    for (const std::string& line : value_differences(plan(before).runs[0].training, plan(after).runs[0].training))
      out += line.substr(0, line.find(':')) + "\n";
    return out;
  }
  std::string weights(const std::string& name) const {
    return "model.image.encoder.weights=" + (folder_.path() / name).string();
  }

  TemporaryFolder folder_;
  std::vector<std::string> arguments_;
};

TEST_F(IdentityTest, SeedsAndTrainedParametersCountRerankersAndPathsDoNot) {
  const SweepPlan whole = plan();
  ASSERT_EQ(whole.runs.size(), 4u);
  EXPECT_NE(whole.runs[0].training_hash, whole.runs[1].training_hash) << "two seeds";
  EXPECT_EQ(whole.runs[0].training_hash, whole.runs[2].training_hash) << "b only reranks otherwise";
  EXPECT_NE(whole.runs[0].evaluation_hash, whole.runs[2].evaluation_hash);

  const std::string before = identity();
  EXPECT_EQ(identity(), before);
  fs::copy(folder_.path() / "data", folder_.path() / "moved", fs::copy_options::recursive);
  EXPECT_EQ(identity({"dataset.root=" + (folder_.path() / "moved").string()}), before);
  EXPECT_EQ(identity({"cache=" + (folder_.path() / "cache2").string(), "train.workers=1", "name=other"}), before);
  EXPECT_NE(identity({"train.lr=0.1"}), before);
  EXPECT_NE(identity({"train.threads=2"}), before);
}

TEST_F(IdentityTest, WeightsCountByTheirContentAndByWhatLiesBesideThem) {
  const fs::path elsewhere = folder_.path() / "elsewhere";
  fs::create_directory(elsewhere);
  fs::copy(folder_.path() / "weights.safetensors", elsewhere / "weights.safetensors");
  write_text(folder_.path() / "other.safetensors", "same weights");
  const std::vector<std::string> before{weights("weights.safetensors")};
  const std::vector<std::string> moved{weights("elsewhere/weights.safetensors")};
  const std::string changed = "/files/model/image/encoder/weights\n";
  EXPECT_EQ(differences(before, moved), "");
  EXPECT_EQ(differences(before, {weights("other.safetensors")}), changed);
  write_text(elsewhere / "weights.cfg", "a network");
  EXPECT_EQ(differences(before, moved), changed) << "a file of the same stem";
}

TEST_F(IdentityTest, DataCountsByItsContent) {
  const std::string before = identity();
  const fs::path moved = folder_.path() / "moved", data = folder_.path() / "data";
  const std::vector<std::string> other{"dataset.root=" + moved.string()};
  fs::copy(data, moved, fs::copy_options::recursive);
  std::vector<fs::path> images;
  for (const auto& entry : fs::directory_iterator(data / "images")) images.push_back(entry.path());
  fs::copy_file(images[0], moved / "images" / images[1].filename(), fs::copy_options::overwrite_existing);
  EXPECT_EQ(differences({}, other), "/data/images\n");
  fs::copy_file(images[1], moved / "images" / images[1].filename(), fs::copy_options::overwrite_existing);
  EXPECT_EQ(identity(other), before);
  write_text(moved / "detections" / (images[0].stem().string() + ".json"), "[]");
  EXPECT_EQ(differences({}, other), "/data/detections\n");
}

TEST_F(IdentityTest, PairsOfAbilitiesCountInTheEvaluationAlone) {
  const fs::path file = folder_.path() / "data" / "abilities.json";
  const auto pairs_of = [&](const char* ability) {
    write_text(file,
               std::string(R"({"orbweaver_abilities": 1, "groups": {"test": [{"ability": ")") + ability + "\"}]}}");
  };
  pairs_of("relation");
  const SweepPlan before = plan();
  pairs_of("attribute");
  const SweepPlan after = plan();
  EXPECT_EQ(before.runs[0].training_hash, after.runs[0].training_hash);
  EXPECT_NE(before.runs[0].evaluation_hash, after.runs[0].evaluation_hash);
  fs::remove(file);
  EXPECT_NE(plan().runs[0].evaluation_hash, before.runs[0].evaluation_hash);
}

TEST_F(IdentityTest, AMetricOfAnAbilityThatTheDatasetHasNoPairsOfIsRefusedBeforeAnythingIsTrained) {
  const fs::path file = folder_.path() / "data" / "abilities.json", sweep = folder_.path() / "sweep.json";
  write_text(sweep, R"({"name": "s", "base": ")" + configs +
                        R"(/methods/demo.json", "seeds": [1], "metrics": ["mR", "relation.group"]})");
  const auto fault = [&](const std::string& groups) {
    fs::remove(file);
    if (!groups.empty()) write_text(file, R"({"orbweaver_abilities": 1, "groups": {)" + groups + "}}");
    try {
      plan();
    } catch (const InputError& error) {
      return std::string(error.what());
    }
    return std::string();
  };
  EXPECT_EQ(fault(R"("test": [{"ability": "count"}, {"ability": "relation"}])"), "");
  std::string text = fault(R"("test": [{"ability": "count"}], "train": [{"ability": "relation"}])");
  EXPECT_NE(text.find("sweep.json: /metrics/1: \"relation.group\": "), std::string::npos) << text;
  EXPECT_NE(text.find("has no pairs of \"relation\" in the test split, but of count"), std::string::npos) << text;
  EXPECT_EQ(text.find('\n'), std::string::npos) << text;
  text = fault(R"("test": [])");
  EXPECT_NE(text.find("abilities.json has no pairs of the test split"), std::string::npos) << text;
  text = fault("");
  EXPECT_NE(text.find("abilities.json does not exist"), std::string::npos) << text;
}

TEST_F(IdentityTest, APluginCountsByItsBinary) {
  const fs::path built = ORBWEAVER_BUILD_DIR "/lib/orbweaver/plugins/orbw_triplet.so";
  for (const char* name : {"same", "rebuilt"}) {
    fs::create_directory(folder_.path() / name);
    fs::copy(built, folder_.path() / name / "orbw_triplet.so");
  }
  write_text(folder_.path() / "rebuilt" / "orbw_triplet.so", read_file(built) + "x");
  const auto from = [&](const char* name) {
    return std::vector<std::string>{"plugin_paths=" +
                                    to_json(Value(Value::List{(folder_.path() / name).string()}), -1)};
  };
  EXPECT_EQ(differences({}, from("same")), "");
  EXPECT_EQ(differences({}, from("rebuilt")), "/plugins/triplet\n");
}

TEST_F(IdentityTest, AnOverrideOfWhatAVariantSetsIsRefused) {
  const auto fault = [&](const std::string& text) {
    try {
      plan({text});
    } catch (const InputError& error) {
      return std::string(error.what());
    }
    return std::string();
  };
  EXPECT_NE(fault("rerank=null").find("variant b sets rerank itself"), std::string::npos) << fault("rerank=null");
  EXPECT_NE(fault("seed=4").find("--set-sweep"), std::string::npos);
  EXPECT_NE(fault("train.lrr=4").find("did you mean \"lr\""), std::string::npos) << fault("train.lrr=4");
}

/// The same plans, with run folders as processes leave them.
class SharedTrainingTest : public IdentityTest {
 protected:
  SweepPlan inspected(bool retry_failed = false) {
    SweepPlan out = plan();
    inspect(out, retry_failed);
    return out;
  }
  /// A folder with a training of that run's identity, as far as these files say.
  void leave(const PlannedRun& run, const std::vector<std::string>& files, const std::string& name = "") const {
    const fs::path folder = name.empty() ? run.folder.path() : run.folder.path().parent_path() / name;
    write_text(folder / "identity.json", to_json(run.training));
    for (const std::string& file : files) write_text(folder / file, "{}");
  }
  static const PlannedRun& named(const SweepPlan& plan, const std::string& name) {
    return *std::find_if(plan.runs.begin(), plan.runs.end(), [&](const PlannedRun& run) { return run.name == name; });
  }
};

TEST_F(SharedTrainingTest, TheFirstTrainsUnlessAnotherHasACheckpointOrIsTrained) {
  EXPECT_EQ(named(inspected(), "b-s1").shares, "a-s1");
  leave(named(plan(), "b-s1"), {});  // begun, and nothing to go on from
  EXPECT_EQ(named(inspected(), "b-s1").shares, "a-s1");
  leave(named(plan(), "b-s1"), {"last.safetensors"});
  SweepPlan now = inspected();
  EXPECT_EQ(named(now, "b-s1").todo, PlannedRun::Todo::resume);
  EXPECT_EQ(named(now, "b-s1").shares, "");
  EXPECT_EQ(named(now, "a-s1").shares, "b-s1");
  EXPECT_EQ(named(now, "b-s2").shares, "a-s2");
  leave(named(plan(), "a-s1"), {"record.json", "best.safetensors"});
  now = inspected();
  EXPECT_EQ(named(now, "a-s1").todo, PlannedRun::Todo::evaluate);
  EXPECT_EQ(named(now, "b-s1").shares, "a-s1");
}

TEST_F(SharedTrainingTest, ARunFailsWithTheOneWhoseTrainingItSharesAndIsRetriedWithIt) {
  const SweepPlan before = plan();
  const PlannedRun& a = named(before, "a-s1");
  leave(a, {});
  RunOutcome failure;
  failure.status = "failed";
  failure.training = a.training_hash;
  failure.evaluation = a.evaluation_hash;
  failure.reason = "the loss is NaN";
  a.folder.write(failure);

  const SweepPlan now = inspected();
  EXPECT_EQ(named(now, "b-s1").state, JobState::failed);
  EXPECT_EQ(named(now, "b-s1").reason, "shares the training of a-s1, which failed: the loss is NaN");
  EXPECT_FALSE(named(now, "b-s1").to_do());
  EXPECT_TRUE(named(now, "b-s2").to_do());

  const SweepPlan again = inspected(true);
  EXPECT_TRUE(named(again, "a-s1").to_do());
  EXPECT_TRUE(named(again, "b-s1").to_do());
  EXPECT_EQ(named(again, "b-s1").shares, "a-s1");

  // What one of them has begun since is its own.
  leave(named(before, "b-s1"), {"last.safetensors"});
  EXPECT_TRUE(named(inspected(), "b-s1").to_do());
  EXPECT_EQ(named(inspected(), "b-s1").shares, "");
}

TEST_F(SharedTrainingTest, RanksAreReadOnlyWhereRunsAreCompared) {
  SweepPlan now = plan();
  PlannedRun& run = now.runs[0];
  run.state = JobState::finished;
  run.outcome.emplace().rows = Value::list();
  write_text(run.folder.path() / "record.json", R"({"environment": {"plugins": {}}, "dataset": {}})");
  const auto reason = [&](bool compare) {
    const Value results = sweep_results(now, 1, compare);
    return results.at("variants").as_list()[0].at("runs").as_list()[0].at("reason").as_string();
  };
  EXPECT_EQ(reason(false), "");
  EXPECT_NE(reason(true).find("not compared: ranks.test.safetensors: is not there"), std::string::npos) << reason(true);
}

TEST_F(SharedTrainingTest, TheOracleStandsInTheResultsOnceForEachDatasetOfFinishedRuns) {
  const auto planned = [&](const char* name, double missed) {
    SynthOptions options;
    options.folder = folder_.path() / name;
    options.train = 4, options.val = 2, options.test = 20;
    options.abilities = {Ability::relation};
    options.noise.missed = missed;
    write_synthetic_dataset(options);
    return plan({"dataset.root=" + options.folder.string()});
  };
  SweepPlan now = planned("pairs", 0.1);
  const auto oracle = [&](bool compare = true) { return sweep_results(now, 1, compare).at("oracle").as_list(); };
  EXPECT_TRUE(oracle().empty()) << "no run is finished";
  for (PlannedRun& run : now.runs) {
    run.state = JobState::finished;
    run.outcome.emplace().rows = Value::list();
    write_text(run.folder.path() / "record.json", R"({"environment": {"plugins": {}}, "dataset": {}})");
  }
  EXPECT_TRUE(oracle(false).empty()) << "the sweep is still running";
  ASSERT_EQ(oracle().size(), 1u);
  EXPECT_EQ(oracle()[0].at("variants"), Value(Value::List{"a", "b"}));
  const Value relation = oracle()[0].at("rows").as_list().at(0);
  EXPECT_EQ(relation.at("ability").as_string(), "relation");
  EXPECT_EQ(relation.at("pairs").as_int(), 10);
  EXPECT_GT(relation.at("group").as_double(), 0);

  // Variant b was evaluated on a dataset of the same images without a single detection.
  const SweepPlan blind = planned("blind", 1);
  for (size_t at = 0; at < now.runs.size(); ++at)
    if (now.runs[at].variant == 1) now.runs[at].config = blind.runs[at].config;
  ASSERT_EQ(oracle().size(), 2u);
  EXPECT_EQ(oracle()[0].at("variants"), Value(Value::List{"a"}));
  EXPECT_EQ(oracle()[0].at("rows").as_list().at(0), relation);
  EXPECT_EQ(oracle()[1].at("variants"), Value(Value::List{"b"}));
  EXPECT_EQ(oracle()[1].at("rows").as_list().at(0).at("group").as_double(), 0);
}

TEST_F(SharedTrainingTest, AFolderThatARenamedVariantLeftProvidesItsTraining) {
  leave(named(plan(), "a-s1"), {"record.json"}, "old-s1");
  EXPECT_EQ(named(inspected(), "a-s1").shares, "") << "it is not trained";
  leave(named(plan(), "a-s1"), {"record.json", "best.safetensors"}, "old-s1");
  const SweepPlan now = inspected();
  for (const char* name : {"a-s1", "b-s1"}) {
    EXPECT_EQ(named(now, name).shares, "old-s1");
    EXPECT_FALSE(named(now, name).twin);
    EXPECT_TRUE(named(now, name).to_do());
  }
  EXPECT_EQ(named(now, "a-s2").shares, "") << "another seed";
}

TEST_F(IdentityTest, VariantsWithDifferentTestSplitsAreRefusedBeforeAnythingIsTrained) {
  const fs::path moved = folder_.path() / "moved", data = folder_.path() / "data";
  fs::copy(data, moved, fs::copy_options::recursive);
  write_text(folder_.path() / "sweep.json", R"({"name": "s", "base": ")" + configs +
                                                R"(/methods/demo.json", "variants": [
      {"name": "a", "overrides": ["dataset.root=)" +
                                                data.string() + R"("]}, {"name": "b", "overrides": ["dataset.root=)" +
                                                moved.string() + R"("]}], "seeds": [1]})");
  arguments_.erase(arguments_.begin());
  const auto fault = [&] {
    try {
      plan();
    } catch (const InputError& error) {
      return std::string(error.what());
    }
    return std::string();
  };
  const auto change = [&](const char* file) {
    std::string captions = read_file(moved / file);
    write_text(moved / file, captions.insert(captions.find('\n'), " indeed"));
  };
  EXPECT_EQ(fault(), "");
  change("train_caps.txt");
  EXPECT_EQ(fault(), "") << "trainings may differ in their data";
  change("test_caps.txt");
  const std::string text = fault();
  EXPECT_NE(text.find("sweep.json: the test split of variant b ("), std::string::npos) << text;
  EXPECT_NE(text.find(") is not that of variant a ("), std::string::npos) << text;
  EXPECT_EQ(text.find('\n'), std::string::npos) << text;
}

TEST(FileLockTest, IsHeldByOneUntilItEndsAndSaysByWhom) {
  TemporaryFolder folder;
  const fs::path file = folder.path() / "lock";
  FileLock second(file);
  {
    FileLock first(file);
    ASSERT_TRUE(first.take_if_free());
    first.sign();
    EXPECT_FALSE(second.take_if_free());
    EXPECT_EQ(second.holder(), std::to_string(getpid()));
  }
  EXPECT_TRUE(fs::exists(file));
  EXPECT_TRUE(second.take_if_free());
  second.remove();
  EXPECT_FALSE(fs::exists(file));
}

TEST(FileLockTest, WhereThereCanBeNoneSaysWhy) {
  TemporaryFolder folder;
  FileLock lock(folder.path());  // a folder cannot be opened for writing
  EXPECT_EQ(lock.try_take(), FileLock::State::unavailable);
  EXPECT_NE(lock.reason().find("cannot be opened: "), std::string::npos) << lock.reason();
  EXPECT_THROW(lock.take_if_free(), Error);
}

TEST(ValueDifferences, NameEachPlaceAndASwappedComponentOnce) {
  const Value before = parse_json(R"({"a": 1, "m": {"use": "x", "k": 1}, "l": [{"use": "t", "w": 1}]})", "");
  const Value after = parse_json(R"({"a": 2, "m": {"use": "y", "j": 3}, "l": [{"use": "t", "w": 2}], "n": true})", "");
  EXPECT_EQ(value_differences(before, after),
            (std::vector<std::string>{"/a: 1 -> 2", "/m: x -> y", "/l/0/w: 1 -> 2", "/n: none -> true"}));
  EXPECT_EQ(
      value_differences(parse_json(R"([{"use": "t", "w": 1}])", ""), parse_json(R"([{"use": "t"}, {"use": "u"}])", "")),
      (std::vector<std::string>{": [t] -> [t, u]"}));
}

/// Jobs that are shell scripts.
class LocalLauncherTest : public ::testing::Test {
 protected:
  Job job(const std::string& name, const std::string& script, int64_t threads = 1) {
    Job out;
    out.name = name;
    out.folder = folder_.path() / name;
    out.outcome = out.folder / "outcome.json";
    out.token = "t-" + name;
    out.command = {"/bin/sh", "-c", "cd " + out.folder.string() + "; " + script};
    out.threads = threads;
    return out;
  }
  static std::string leave(const std::string& token) {
    return "echo '{\"token\": \"" + token + "\"}' > outcome.json; ";
  }
  std::map<std::string, JobStatus> run(const std::vector<Job>& jobs, int64_t at_once, int64_t processors,
                                       const RunReport& report = {}) {
    std::map<std::string, JobStatus> states;
    LocalLauncher(at_once, processors)
        .run(
            jobs,
            [&](size_t index, const JobStatus& status) {
              const bool starts = status.state == JobState::running;
              running_ += starts ? 1 : states[jobs[index].name].state == JobState::running ? -1 : 0;
              most_ = std::max(most_, running_);
              states[jobs[index].name] = status;
            },
            report);
    return states;
  }

  TemporaryFolder folder_;
  int running_ = 0, most_ = 0;
};

TEST_F(LocalLauncherTest, CountsAsFinishedWhatLeavesItsTokenAndNothingElse) {
  const auto states = run(
      {job("good", leave("t-good")), job("good_but_loud", leave("t-good_but_loud") + "exit 7"), job("silent", "exit 0"),
       job("old", leave("t-before")), job("bad", "echo why >&2; exit 3"), job("killed", "kill -9 $$")},
      2, 2);
  EXPECT_EQ(states.at("good").state, JobState::finished);
  EXPECT_EQ(states.at("good_but_loud").state, JobState::finished);
  EXPECT_EQ(states.at("silent").reason, "ended without leaving its outcome");
  EXPECT_EQ(states.at("old").state, JobState::failed);
  EXPECT_EQ(states.at("bad").reason, "ended with status 3");
  EXPECT_EQ(states.at("killed").reason, "ended by signal 9 (SIGKILL; out of memory?)");
  EXPECT_NE(read_file(folder_.path() / "bad" / "process.log").find("why"), std::string::npos);
}

TEST_F(LocalLauncherTest, StartsAsManyAsTheirThreadsLeaveProcessorsFor) {
  std::vector<Job> jobs;
  for (const char* name : {"a", "b", "c", "d"}) jobs.push_back(job(name, "sleep 0.1", 2));
  run(jobs, 0, 4);
  EXPECT_EQ(most_, 2);
  most_ = 0;
  run(jobs, 1, 4);
  EXPECT_EQ(most_, 1);
  most_ = 0;
  jobs[1].threads = 64;  // more than there are: alone
  run(jobs, 0, 4);
  EXPECT_EQ(most_, 2);
}

TEST_F(LocalLauncherTest, AsksRunningJobsToStopAndStartsNoOther) {
  std::atomic<bool> stop{false};
  RunReport report;
  report.stop = &stop;
  std::thread asker([&] {
    while (!fs::exists(folder_.path() / "a" / "up")) std::this_thread::sleep_for(std::chrono::milliseconds(5));
    stop = true;
  });
  const auto states =
      run({job("a", "trap 'echo saved; exit 1' INT; touch up; while :; do sleep 0.05; done"), job("b", leave("t-b"))},
          1, 1, report);
  asker.join();
  EXPECT_EQ(states.at("a").state, JobState::stopped);
  EXPECT_EQ(states.at("b").state, JobState::stopped);
  EXPECT_NE(read_file(folder_.path() / "a" / "process.log").find("saved"), std::string::npos);
}

TEST_F(LocalLauncherTest, GivesJobsAnInputThatEndsWithTheLauncher) {
  // While the launcher lives, reading waits; `timeout` says so with status 124.
  const auto states = run({job("a", "timeout 0.3 cat; [ $? = 124 ] && " + leave("t-a"))}, 1, 1);
  EXPECT_EQ(states.at("a").state, JobState::finished);
}

}  // namespace
}  // namespace orbweaver::testing
