#include <algorithm>
#include <random>
#include <utility>
#include <variant>

#include "command.h"
#include "framework/io/json.h"
#include "framework/io/npy.h"

namespace orbweaver::testing {
namespace {

namespace fs = std::filesystem;

/// results.json without what measures this machine.
Value comparable(const fs::path& folder) {
  Value results = read_json(folder / "results.json");
  for (const char* key : {"wall_seconds", "inputs"}) results.erase(key);
  for (Value& variant : results["variants"].as_list())
    for (Value& run : variant["runs"].as_list())
      for (const char* key : {"seconds", "epoch_seconds", "peak_memory_mib"}) run.erase(key);
  return results;
}

const Value& run_of(const Value& results, const std::string& name) {
  for (const Value& variant : results.at("variants").as_list())
    for (const Value& run : variant.at("runs").as_list())
      if (run.at("name").as_string() == name) return run;
  throw Error("no run " + name);
}

/// Sweeps over the demo's method, made so small that a run takes a second: a frozen image encoder, whose features all
/// runs share, and a narrow text encoder.
class SweepCommand : public CommandTest {
 protected:
  fs::path sweep_file(const std::string& variants, const std::string& more = "") const {
    const fs::path file = folder_ / "sweep.json";
    write_text(file, R"({"name": "small", "base": ")" ORBWEAVER_SOURCE_DIR R"(/configs/methods/demo.json",
      "overrides": ["dataset.root=)" +
                         (shared_ / "data").string() + R"(", "cache=)" + (shared_ / "cache").string() +
                         R"(", "train.epochs=3", "train.batch_size=16", "train.threads=1", "train.checkpoint_every=0.2",
        "model.embed_dim=16", "model.image.encoder.size=32", "model.image.encoder.freeze=true",
        "model.text.encoder.word_dim=16", "model.text.encoder.hidden=16", "model.text.encoder.dropout=0.2",
        "rerank={\"use\": \"cross_modal\", \"k\": 5}", "plugin_paths=[\")" SWEEP_PLUGINS R"(\"]"],
      "variants": [)" + variants +
                         R"(], "seeds": [1, 2], "baseline": "plain", "metrics": ["mR", "t2i.R@10"],
      "statistics": {"resamples": 200, "permutations": 200})" +
                         more + "}");
    return file;
  }
  static constexpr const char* two_variants =
      R"({"name": "plain"}, {"name": "hard", "overrides": ["loss.0.negatives=hardest", "train.lr=0.002"]})";

  /// The sweep that nothing happened to.
  fs::path undisturbed() const {
    const fs::path out = shared_ / "undisturbed";
    if (!fs::exists(out / "table.txt")) {
      Command command({"sweep", sweep_file(two_variants).string(), "--out", out.string()}, folder_);
      EXPECT_EQ(command.wait(), 0) << command.err();
    }
    return out;
  }
};

TEST_F(SweepCommand, KilledTenTimesAtRandomMomentsEndsWithTheResultsOfOneThatWasNot) {
  const fs::path whole = undisturbed();
  const fs::path out = folder_ / "out";
  const std::vector<std::string> arguments{"sweep", sweep_file(two_variants).string(), "--out", out.string()};
  std::mt19937 random(7);
  int64_t interrupted = 0;
  for (int kill = 0; kill < 10; ++kill) {
    Command command(arguments, folder_);
    const auto end = std::chrono::steady_clock::now() +
                     std::chrono::milliseconds(std::uniform_int_distribution<int>(200, 2200)(random));
    command.wait_until([&] { return std::chrono::steady_clock::now() > end; });
    interrupted += command.running();
    command.send(SIGKILL);
    command.wait();
  }
  EXPECT_GT(interrupted, 2) << "the kills came too late to show anything";
  Command command(arguments, folder_);
  ASSERT_EQ(command.wait(), 0) << command.err();
  EXPECT_EQ(to_json(comparable(out)), to_json(comparable(whole)));
  for (const char* run : {"plain-s1", "plain-s2", "hard-s1", "hard-s2"})
    EXPECT_EQ(hash_file(out / "runs" / run / "best.safetensors"), hash_file(whole / "runs" / run / "best.safetensors"));
}

TEST_F(SweepCommand, StartedAgainDoesNothing) {
  const fs::path out = undisturbed();
  const std::string results = read_file(out / "results.json");
  const auto written = fs::last_write_time(out / "results.json");
  const auto start = std::chrono::steady_clock::now();
  Command command({"sweep", sweep_file(two_variants).string(), "--out", out.string()}, folder_);
  ASSERT_EQ(command.wait(), 0) << command.err();
  EXPECT_EQ(command.err(), "");
  EXPECT_NE(command.out().find("hard"), std::string::npos);
  EXPECT_EQ(read_file(out / "results.json"), results);
  EXPECT_EQ(fs::last_write_time(out / "results.json"), written);
  EXPECT_LT(std::chrono::steady_clock::now() - start, std::chrono::seconds(20)) << "hours, were it real data";

  Command plan({"sweep", sweep_file(two_variants).string(), "--out", out.string(), "--dry-run"}, folder_);
  ASSERT_EQ(plan.wait(), 0) << plan.err();
  EXPECT_NE(plan.out().find("to do: 0 trainings"), std::string::npos) << plan.out();
}

TEST_F(SweepCommand, DryRunSaysWhatVariesAndWhatIsLeftAndStartsNothing) {
  const fs::path out = folder_ / "out";
  Command command({"sweep", sweep_file(two_variants).string(), "--out", out.string(), "--dry-run"}, folder_);
  ASSERT_EQ(command.wait(), 0) << command.err();
  EXPECT_NE(command.out().find("/train/lr: 5e-04 -> 0.002"), std::string::npos) << command.out();
  EXPECT_NE(command.out().find("to do: 4 trainings"), std::string::npos) << command.out();
  EXPECT_NE(command.out().find("unknown"), std::string::npos) << command.out();
  EXPECT_FALSE(fs::exists(out / "runs"));
}

TEST_F(SweepCommand, ARunThatFailsLeavesTheOthersAloneAndItsReasonInTheTable) {
  const fs::path out = folder_ / "out";
  const std::string variants = R"({"name": "plain"},
    {"name": "diverges", "overrides": ["train.optimizer=sgd", "train.lr=100", "train.weight_decay=10", "train.clip_norm=0"]},
    {"name": "crashes", "overrides": ["rerank={\"use\": \"aborts\"}"]})";
  std::vector<std::string> arguments{"sweep",    sweep_file(variants).string(), "--out", out.string(), "--set-sweep",
                                     "seeds=[1]"};
  Command command(arguments, folder_);
  EXPECT_EQ(command.wait(), 1);
  const Value results = read_json(out / "results.json");
  EXPECT_EQ(run_of(results, "plain-s1").at("status").as_string(), "finished");
  EXPECT_EQ(run_of(results, "diverges-s1").at("status").as_string(), "failed");
  const std::string reason = run_of(results, "diverges-s1").at("reason").as_string();
  EXPECT_NE(reason.find("NaN"), std::string::npos) << reason;
  const Value& crash = run_of(results, "crashes-s1");
  EXPECT_NE(crash.at("reason").as_string().find("SIGABRT"), std::string::npos) << crash.at("reason").as_string();
  EXPECT_EQ(crash.at("log_tail").as_list().back().as_string(), "about to abort");
  EXPECT_NE(command.out().find("SIGABRT"), std::string::npos) << command.out();
  EXPECT_NE(read_file(out / "table.md").find("NaN"), std::string::npos);

  // What failed is not tried again unasked.
  Command again(arguments, folder_);
  EXPECT_EQ(again.wait(), 1);
  EXPECT_EQ(again.err().find("started"), std::string::npos) << again.err();
  arguments.insert(arguments.end(), {"--retry-failed", "--only", "crashes"});
  Command retry(arguments, folder_);
  EXPECT_EQ(retry.wait(), 1);
  EXPECT_NE(retry.err().find("crashes-s1 started"), std::string::npos) << retry.err();
  EXPECT_EQ(retry.err().find("diverges-s1 started"), std::string::npos) << retry.err();
}

TEST_F(SweepCommand, AnotherRerankerIsAppliedToTheSavedScores) {
  const fs::path out = folder_ / "out";
  fs::copy(undisturbed(), out, fs::copy_options::recursive);
  const std::string weights = hash_file(out / "runs" / "hard-s1" / "best.safetensors");
  const auto trained = fs::last_write_time(out / "runs" / "hard-s1" / "best.safetensors");
  Command command({"sweep", sweep_file(two_variants, R"(, "rerank": {"use": "multivariate", "k": 5})").string(),
                   "--out", out.string(), "--only", "hard-s1"},
                  folder_);
  ASSERT_EQ(command.wait(), 0) << command.err();
  EXPECT_NE(command.err().find("from its saved scores"), std::string::npos) << command.err();
  EXPECT_NE(read_file(out / "runs" / "hard-s1" / "process.log").find("evaluated from scores.test.npy"),
            std::string::npos);
  EXPECT_EQ(fs::last_write_time(out / "runs" / "hard-s1" / "best.safetensors"), trained);

  // The plain row is as before, the new reranker's are as `eval` makes them.
  const Value rows = run_of(read_json(out / "results.json"), "hard-s1").at("rows");
  const Value before = run_of(read_json(undisturbed() / "results.json"), "hard-s1").at("rows");
  EXPECT_EQ(rows.as_list().at(0), before.as_list().at(0));
  Command eval({"eval", (out / "runs" / "hard-s1").string(), "--json"}, folder_);
  ASSERT_EQ(eval.wait(), 0) << eval.err();
  EXPECT_EQ(to_json(parse_json(eval.out(), "eval").at("rows")), to_json(rows));
}

TEST_F(SweepCommand, ARunWhoseRanksAreLostIsEvaluatedAgain) {
  const fs::path out = folder_ / "out", ranks = out / "runs" / "hard-s1" / "ranks.test.safetensors";
  fs::copy(undisturbed(), out, fs::copy_options::recursive);
  const std::string before = hash_file(ranks);
  fs::remove(ranks);
  Command command({"sweep", sweep_file(two_variants).string(), "--out", out.string()}, folder_);
  ASSERT_EQ(command.wait(), 0) << command.err();
  EXPECT_NE(command.err().find("evaluated again, from its saved scores: "), std::string::npos) << command.err();
  EXPECT_EQ(hash_file(ranks), before);
  EXPECT_EQ(comparable(out), comparable(undisturbed()));
}

TEST_F(SweepCommand, ScoresThatAreNotThoseOfTheKeptEvaluationAreMadeAgain) {
  const fs::path out = folder_ / "out", run = out / "runs" / "hard-s1", scores = run / "scores.test.npy";
  fs::copy(undisturbed(), out, fs::copy_options::recursive);
  const std::string before = hash_file(scores);
  const NpyMatrix own = read_npy(scores);
  Matrix<float> other = std::get<Matrix<float>>(own);
  for (int64_t at = 0; at < other.rows() * other.cols(); ++at) other.data()[at] = -other.data()[at];
  write_npy(scores, std::as_const(other).view());
  fs::remove(run / "ranks.test.safetensors");
  Command command({"sweep", sweep_file(two_variants).string(), "--out", out.string()}, folder_);
  ASSERT_EQ(command.wait(), 0) << command.err();
  EXPECT_NE(read_file(run / "process.log").find("scores.test.npy gives other metrics than the evaluation that is kept"),
            std::string::npos);
  EXPECT_EQ(hash_file(scores), before);
  EXPECT_EQ(comparable(out), comparable(undisturbed()));
}

TEST_F(SweepCommand, AVariantThatOnlyAddsARerankerSharesTheTraining) {
  const fs::path out = folder_ / "out";
  Command command({"sweep",
                   sweep_file(R"({"name": "plain"},
                     {"name": "reranked", "overrides": ["rerank={\"use\": \"multivariate\", \"k\": 5}"]})")
                       .string(),
                   "--out", out.string(), "--set-sweep", "seeds=[1]"},
                  folder_);
  ASSERT_EQ(command.wait(), 0) << command.err();
  const Value results = read_json(out / "results.json");
  EXPECT_EQ(run_of(results, "reranked-s1").at("trained_as").as_string(), "plain-s1");
  EXPECT_EQ(hash_file(out / "runs/reranked-s1/best.safetensors"), hash_file(out / "runs/plain-s1/best.safetensors"));
  EXPECT_EQ(run_of(results, "reranked-s1").at("rows").as_list().back().at("reranker").as_string(), "multivariate");
}

TEST_F(SweepCommand, ARunThatSharesATrainingThatFailsFailsWithIt) {
  const fs::path out = folder_ / "out";
  const std::string diverges = R"("train.optimizer=sgd", "train.lr=100", "train.weight_decay=10", "train.clip_norm=0")";
  std::vector<std::string> arguments{"sweep",
                                     sweep_file(R"({"name": "plain", "overrides": [)" + diverges + R"(]},
        {"name": "reranked", "overrides": [)" + diverges +
                                                R"(, "rerank={\"use\": \"multivariate\", \"k\": 5}"]})")
                                         .string(),
                                     "--out",
                                     out.string(),
                                     "--set-sweep",
                                     "seeds=[1]"};
  const auto check = [&](bool tried) {
    Command command(arguments, folder_);
    EXPECT_EQ(command.wait(), 1);
    EXPECT_EQ(command.err().find("plain-s1 started") != std::string::npos, tried) << command.err();
    EXPECT_EQ(command.err().find("reranked-s1 started"), std::string::npos) << command.err();
    const Value results = read_json(out / "results.json");
    EXPECT_EQ(run_of(results, "reranked-s1").at("status").as_string(), "failed");
    EXPECT_EQ(run_of(results, "reranked-s1").at("reason").as_string(),
              "shares the training of plain-s1, which failed: " + run_of(results, "plain-s1").at("reason").as_string());
  };
  check(true);
  check(false);
  arguments.push_back("--retry-failed");
  check(true);
}

TEST_F(SweepCommand, AVariantThatIsRenamedKeepsItsTraining) {
  const fs::path out = folder_ / "out";
  fs::copy(undisturbed(), out, fs::copy_options::recursive);
  std::string text = two_variants;
  text.replace(text.find("hard"), 4, "stern");
  Command command({"sweep", sweep_file(text).string(), "--out", out.string(), "--only", "stern-s1"}, folder_);
  ASSERT_EQ(command.wait(), 0) << command.err();
  const Value now = run_of(read_json(out / "results.json"), "stern-s1");
  EXPECT_EQ(now.at("trained_as").as_string(), "hard-s1");
  EXPECT_EQ(hash_file(out / "runs/stern-s1/best.safetensors"), hash_file(out / "runs/hard-s1/best.safetensors"));
  EXPECT_EQ(to_json(now.at("rows")), to_json(run_of(read_json(undisturbed() / "results.json"), "hard-s1").at("rows")));
}

TEST_F(SweepCommand, ChangedDataTrainsAgainAndSaysWhy) {
  const fs::path data = folder_ / "data", out = folder_ / "out";
  fs::copy(shared_ / "data", data, fs::copy_options::recursive);
  fs::copy(undisturbed(), out, fs::copy_options::recursive);
  const fs::path file = sweep_file(two_variants);
  std::string text = read_file(file);
  text.replace(text.find((shared_ / "data").string()), (shared_ / "data").string().size(), data.string());
  write_text(file, text);
  const std::vector<std::string> arguments{"sweep",  file.string(), "--out",    out.string(),
                                           "--only", "plain-s1",    "--dry-run"};
  Command moved(arguments, folder_);
  ASSERT_EQ(moved.wait(), 0) << moved.err();
  EXPECT_NE(moved.out().find("to do: 0 trainings"), std::string::npos) << "the same data elsewhere\n" << moved.out();

  std::string captions = read_file(data / "train_caps.txt");
  captions.insert(captions.find('\n'), " indeed");
  write_text(data / "train_caps.txt", captions);
  Command changed(arguments, folder_);
  ASSERT_EQ(changed.wait(), 0) << changed.err();
  EXPECT_NE(changed.out().find("trained again: /data/splits"), std::string::npos) << changed.out();
}

TEST_F(SweepCommand, ARunWhoseDataChangedSinceItWasPlannedIsNotRecorded) {
  const fs::path data = folder_ / "data", out = folder_ / "out", job = out / "runs" / "plain-s1" / "job.json";
  fs::copy(shared_ / "data", data, fs::copy_options::recursive);
  fs::copy(undisturbed(), out, fs::copy_options::recursive);
  std::string text = read_file(job);
  const auto replace_all = [&](const std::string& before, const std::string& after) {
    for (size_t at = text.find(before); at != std::string::npos; at = text.find(before, at + after.size()))
      text.replace(at, before.size(), after);
  };
  replace_all((shared_ / "data").string(), data.string());
  replace_all(undisturbed().string(), out.string());
  write_text(job, text);
  const std::string weights = read_file(out / "runs" / "plain-s1" / "best.safetensors");

  Command unchanged({"sweep-worker", job.string(), "--token", "first"}, folder_);
  EXPECT_EQ(unchanged.wait(), 0) << unchanged.err();
  std::string captions = read_file(data / "train_caps.txt");
  write_text(data / "train_caps.txt", captions.insert(captions.find('\n'), " indeed"));
  Command changed({"sweep-worker", job.string(), "--token", "second"}, folder_);
  EXPECT_NE(changed.wait(), 0);
  EXPECT_NE(changed.err().find("/data/splits: "), std::string::npos) << changed.err();
  EXPECT_NE(changed.err().find("since the sweep was planned; run the sweep again"), std::string::npos) << changed.err();
  const Value outcome = read_json(out / "runs" / "plain-s1" / "outcome.json");
  EXPECT_EQ(outcome.at("status").as_string(), "failed");
  EXPECT_EQ(outcome.at("launch").as_string(), "second");
  EXPECT_EQ(read_file(out / "runs" / "plain-s1" / "best.safetensors"), weights) << "the training of before is kept";
}

/// A training whose data are changed while it is at work, and put back when it has ended.
class ChangingData : public SweepCommand {
 protected:
  void expect_never_used(const std::function<void(const fs::path& captions)>& change, const std::string& message) {
    const fs::path data = folder_ / "data", out = folder_ / "out", run = out / "runs" / "plain-s1";
    fs::copy(shared_ / "data", data, fs::copy_options::recursive);
    const fs::path file = sweep_file(R"({"name": "plain"})");
    std::string text = read_file(file);
    text.replace(text.find((shared_ / "data").string()), (shared_ / "data").string().size(), data.string());
    write_text(file, text);
    const std::vector<std::string> arguments{"sweep", file.string(), "--out", out.string(), "--only", "plain-s1"};
    const std::string captions = read_file(data / "train_caps.txt");

    Command command(arguments, folder_);
    ASSERT_TRUE(command.wait_until([&] { return fs::exists(run / "last.safetensors"); })) << command.err();
    change(data / "train_caps.txt");
    EXPECT_NE(command.wait(), 0) << command.err();
    EXPECT_NE(command.err().find(message), std::string::npos) << command.err();

    write_text(data / "train_caps.txt", captions);
    std::vector<std::string> again = arguments;
    again.insert(again.end(), {"--retry-failed", "--dry-run"});
    Command plan(again, folder_);
    ASSERT_EQ(plan.wait(), 0) << plan.err();
    EXPECT_NE(plan.out().find("trained again: /changed_meanwhile"), std::string::npos) << plan.out();
  }
};

TEST_F(ChangingData, WhatWasTrainedMeanwhileIsNeverUsed) {
  expect_never_used(
      [](const fs::path& captions) {
        std::string text = read_file(captions);
        write_text(captions, text.insert(text.find('\n'), " indeed"));
      },
      "since the sweep was planned");
}

TEST_F(ChangingData, WhatWasTrainedIsNeverUsedEitherWhereTheDataCannotBeReadAfterwards) {
  expect_never_used([](const fs::path& captions) { fs::remove(captions); },
                    "what it was trained from cannot be read any more, so its training is not used: ");
}

TEST_F(SweepCommand, InterruptSavesTheRunsAndTheSameCommandGoesOn) {
  const fs::path out = folder_ / "out";
  const std::vector<std::string> arguments{
      "sweep", sweep_file(two_variants).string(), "--out", out.string(), "--set-sweep", "seeds=[1]", "--jobs", "1"};
  Command command(arguments, folder_);
  ASSERT_TRUE(command.wait_until([&] { return fs::exists(out / "runs/plain-s1/last.safetensors"); })) << command.err();

  // A second sweep in the same folder is refused meanwhile.
  const fs::path other = folder_ / "other";
  fs::create_directory(other);
  Command second(arguments, other);
  EXPECT_EQ(second.wait(), 2);
  EXPECT_NE(second.err().find("another sweep is at work in it"), std::string::npos) << second.err();

  command.send(SIGINT);
  EXPECT_EQ(command.wait(), 1);
  EXPECT_NE(command.err().find("the same command goes on"), std::string::npos) << command.err();
  const auto seconds = [&] { return read_json(out / "runs/plain-s1/outcome.json").at("seconds").as_double(); };
  const double seconds_until_then = seconds();
  EXPECT_GT(seconds_until_then, 0);
  const auto start = std::chrono::steady_clock::now();
  Command rest(arguments, folder_);
  ASSERT_EQ(rest.wait(), 0) << rest.err();
  // Both processes' time, each once.
  const std::chrono::duration<double> took = std::chrono::steady_clock::now() - start;
  EXPECT_GE(seconds(), seconds_until_then);
  EXPECT_LT(seconds(), seconds_until_then + took.count());
  EXPECT_EQ(hash_file(out / "runs/plain-s1/best.safetensors"),
            hash_file(undisturbed() / "runs/plain-s1/best.safetensors"));
}

}  // namespace
}  // namespace orbweaver::testing
