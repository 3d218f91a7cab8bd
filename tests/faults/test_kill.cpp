// kill -9 at random moments: by the clock, and at an operation on a file, in turns. A kill at a write comes after half
// of its bytes. ORBWEAVER_FAULT_MOMENTS=50 is the long form.
#include <sys/file.h>

#include "faults.h"

namespace orbweaver::testing {
namespace {

/// How long a command takes, and how much it does to files.
struct Span {
  int64_t milliseconds = 0, operations = 0;
};

/// Where a killed training is to go on: "resuming at epoch 2 step 3", empty without a saved state.
std::string place_saved(const fs::path& run) {
  if (!fs::exists(run / "last.safetensors")) return {};
  const Value facts =
      parse_json(SafetensorsFile(run / "last.safetensors").metadata().at("orbweaver.facts"), "last.safetensors");
  const Value& progress = facts.at("progress");
  return "resuming at epoch " + std::to_string(progress.at("epoch").as_int() + 1) + " step " +
         std::to_string(progress.at("batch").as_int());
}

class Kill : public FaultTest {
 protected:
  Span measured(const std::vector<std::string>& words, const std::vector<fs::path>& folders) const {
    std::optional<Injection> injection;
    if (can_inject()) injection.emplace(folder_, folders, std::map<std::string, std::string>{});
    const int64_t milliseconds = duration_of(words, folder_).count();
    return {milliseconds, injection ? injection->count() : 0};
  }

  /// Starts a command and kills it at the next moment. @return its status; -SIGKILL where the moment came in time.
  int run_to(Moments& moments, const std::vector<std::string>& words, const std::vector<fs::path>& folders,
             const Span& span) {
    if (can_inject() && moments.killed() % 2 == 1) {
      const int64_t at = moments.draw(1, span.operations);
      const Injection injection(folder_, folders, {{"", "KILL"}, {"_AT", std::to_string(at)}});
      Command command(words, folder_);
      const int status = command.wait();
      err_ = command.err();
      if (status == -SIGKILL) moments.note("operation " + std::to_string(at) + ": " + injection.operations().back());
      return status;
    }
    const int64_t after = moments.draw(0, span.milliseconds * 9 / 10);
    const auto end = std::chrono::steady_clock::now() + std::chrono::milliseconds(after);
    Command command(words, folder_);
    command.wait_until([&] { return std::chrono::steady_clock::now() >= end; });
    command.send(SIGKILL);
    const int status = command.wait();
    err_ = command.err();
    if (status == -SIGKILL) moments.note("after " + std::to_string(after) + " ms");
    return status;
  }

  std::string err_;  // of the last command
};

TEST_F(Kill, AtAnyMomentOfATrainingLosesOnlyTheWorkSinceTheLastCheckpoint) {
  const fs::path whole = whole_run(), run = folder_ / "run";
  const Span span = measured(train(folder_ / "measured"), {folder_ / "measured"});
  Moments moments("training");
  int64_t saved = 0, ended = 0;
  const auto compare = [&] {
    expect_same_training(run, whole);
    EXPECT_EQ(temporary_files(run), std::vector<fs::path>());
    fs::remove_all(run);
    saved = 0;
    ++ended;
  };
  while (moments.left()) {
    const std::string place = place_saved(run);
    const int status = run_to(moments, train(run, {"--resume"}), {run}, span);
    if (err_.find("trainable parameters") != std::string::npos) {
      const size_t at = err_.find("resuming");
      EXPECT_EQ(at == std::string::npos ? "" : err_.substr(at, err_.find('\n', at) - at), place) << err_;
    }
    if (status != -SIGKILL) {
      ASSERT_EQ(status, 0) << err_;
      compare();
      continue;
    }
    expect_whole(run);
    EXPECT_GE(steps_saved(run), saved);
    saved = steps_saved(run);
  }
  Command command(train(run, {"--resume"}), folder_);
  ASSERT_EQ(command.wait(), 0) << command.err();
  compare();
  std::cout << "  " << ended << " trainings ended, each as the one that was not killed" << std::endl;
}

TEST_F(Kill, WhileARunIsReplacedLeavesFilesOfOneRunAlone) {
  FAULTS_NEED_INJECTION();
  const fs::path old = folder_ / "old", run = folder_ / "run";
  fs::copy(whole_run(), old, fs::copy_options::recursive);
  Command evaluation({"eval", old.string(), "--scores", (old / "scores.test.npy").string()}, folder_);
  ASSERT_EQ(evaluation.wait(), 0) << evaluation.err();
  std::map<std::string, std::string> before = contents(old);
  const std::vector<std::string> words = train(run, {"--overwrite", "--set", "seed=2"});
  const auto prepare = [&] {
    fs::remove_all(run);
    fs::copy(old, run, fs::copy_options::recursive);
  };
  // From the first change to the first state.
  prepare();
  int64_t end = 0;
  {
    const Injection injection(folder_, {run}, {});
    Command command(words, folder_);
    ASSERT_EQ(command.wait(), 0) << command.err();
    const std::vector<std::string> operations = injection.operations();
    while (end < std::ssize(operations) &&
           operations[static_cast<size_t>(end)].find(".last.safetensors") == std::string::npos)
      ++end;
    ASSERT_LT(end, std::ssize(operations));
  }
  const fs::path whole = folder_ / "whole";
  fs::rename(run, whole);
  int64_t of_old = 0, of_new = 0;
  // Every moment in the long form; the last one always.
  Moments moments("replacing a run");
  const int64_t stride = std::max<int64_t>(1, end / Moments::wanted());
  for (int64_t at = 1 + (end - 1) % stride; at <= end; at += stride) {
    prepare();
    const Injection injection(folder_, {run}, {{"", "KILL"}, {"_AT", std::to_string(at)}});
    Command command(words, folder_);
    ASSERT_EQ(command.wait(), -SIGKILL) << command.err();
    SCOPED_TRACE(injection.operations().back());
    moments.note("operation " + std::to_string(at) + ": " + injection.operations().back());
    expect_whole(run);
    std::map<std::string, std::string> after = contents(run);
    after.erase("lock");
    if (read_json(run / "config.json").at("seed").as_int() != 2) {
      ++of_old;
      for (const auto& [name, hash] : after) EXPECT_EQ(hash, before[name]) << name;
      continue;
    }
    ++of_new;
    for (const char* name : {"last.safetensors", "best.safetensors", "record.json", "ranks.test.safetensors",
                             "scores.test.npy", "metrics.jsonl"})
      EXPECT_EQ(after.count(name), 0u) << name;
  }
  EXPECT_GT(of_old, 0);
  EXPECT_GT(of_new, 0);
  Command command(train(run, {"--resume", "--set", "seed=2"}), folder_);
  ASSERT_EQ(command.wait(), 0) << command.err();
  expect_same_training(run, whole);
}

TEST_F(Kill, AtAnyMomentOfASweepLosesNothingThatWasFinishedOrSaved) {
  whole_sweep();
  const fs::path out = folder_ / "out";
  const Span span = measured(sweep(folder_ / "measured"), {folder_ / "measured"});
  Moments moments("sweep", 2);
  std::map<std::string, std::string> finished;
  int64_t ended = 0;
  const auto compare = [&] {
    expect_same_sweep(out);
    EXPECT_EQ(temporary_files(out), std::vector<fs::path>());
    fs::remove_all(out);
    finished.clear();
    ++ended;
  };
  while (moments.left()) {
    const int status = run_to(moments, sweep(out), {out}, span);
    // What an earlier start had finished was not trained again.
    for (const auto& [name, outcome] : finished)
      EXPECT_EQ(hash_file(out / "runs" / name / "outcome.json"), outcome) << name;
    if (status != -SIGKILL) {
      ASSERT_EQ(status, 0) << err_;
      compare();
      continue;
    }
    expect_whole(out);
    // A run that takes over a training says so in its outcome first, and finishes later.
    for (const char* name : {"plain-s1", "reranked-s1", "hard-s1"})
      if (const fs::path outcome = out / "runs" / name / "outcome.json";
          fs::exists(outcome) && read_json(outcome).at("status").as_string() == "finished")
        finished[name] = hash_file(outcome);
  }
  Command command(sweep(out), folder_);
  ASSERT_EQ(command.wait(), 0) << command.err();
  compare();
  std::cout << "  " << ended << " sweeps ended, each as the one that was not killed" << std::endl;
}

TEST_F(Kill, AfterARunTookOverATrainingStillTellsWhoseItIs) {
  FAULTS_NEED_INJECTION();
  whole_sweep();
  const fs::path begun = folder_ / "begun", out = folder_ / "out";
  Command first(sweep(begun, {"--only", "plain"}), folder_);
  ASSERT_EQ(first.wait(), 0) << first.err();
  fs::copy(begun, out, fs::copy_options::recursive);
  // The first operation on what an evaluation writes.
  size_t at = 0;
  {
    const Injection injection(folder_, {begun}, {});
    Command rest(sweep(begun, {"--only", "reranked"}), folder_);
    ASSERT_EQ(rest.wait(), 0) << rest.err();
    const std::vector<std::string> operations = injection.operations();
    while (at < operations.size() && operations[at].find("reranked-s1/.ranks.test") == std::string::npos) ++at;
    ASSERT_LT(at, operations.size());
  }
  {
    const Injection injection(folder_, {out}, {{"", "KILL"}, {"_AT", std::to_string(at + 1)}});
    Command killed(sweep(out, {"--only", "reranked"}), folder_);
    ASSERT_EQ(killed.wait(), -SIGKILL) << killed.err();
    ASSERT_NE(injection.operations().back().find("reranked-s1/.ranks.test"), std::string::npos);
  }
  Command command(sweep(out), folder_);
  ASSERT_EQ(command.wait(), 0) << command.err();
  expect_same_sweep(out);
}

TEST_F(Kill, AtAnyMomentOfFillingTheCacheLeavesNoEntryThatIsNotWhole) {
  const fs::path cache = folder_ / "cache", before = folder_ / "whole_cache";
  const std::string expected = evaluated(before);
  const Span span = measured(graphs_evaluated(folder_ / "measured"), {folder_ / "measured"});
  Moments moments("cache filling");
  int64_t ended = 0;
  const auto compare = [&] {
    EXPECT_EQ(evaluated(cache), expected);
    // A lock whose holder was killed when its work was done is swept up once it is old.
    for (const fs::path& file : files_below(cache))
      if (file.extension() == ".lock") fs::last_write_time(file, fs::last_write_time(file) - std::chrono::hours(2));
    Command clear({"cache", "clear", "--cache", cache.string(), "--older-than", "1"}, folder_);
    EXPECT_EQ(clear.wait(), 0) << clear.err();
    // The same entries, and nothing beside them.
    const auto files = [](const fs::path& folder) {
      std::vector<std::string> out;
      for (const auto& [name, hash] : contents(folder / "features")) out.push_back(name + " " + hash);
      return out;
    };
    EXPECT_EQ(files(cache), files(before));
    EXPECT_EQ(temporary_files(cache), std::vector<fs::path>());
    fs::remove_all(cache);
    ++ended;
  };
  while (moments.left()) {
    const int status = run_to(moments, graphs_evaluated(cache), {cache}, span);
    EXPECT_EQ(err_.find("damaged"), std::string::npos) << err_;
    expect_whole(cache);
    if (status == -SIGKILL) continue;
    ASSERT_EQ(status, 0) << err_;
    compare();
  }
  compare();
  std::cout << "  " << ended << " caches filled, each as the one whose filling was not killed" << std::endl;
}

TEST_F(Kill, LeavesTemporaryFilesThatTheNextWriterOfTheFileRemovesUnlessAnotherWritesThem) {
  const fs::path run = folder_ / "run", last = run / ".last.safetensors.4711.0.tmp",
                 others = run / ".best.safetensors.4711.0.tmp", foreign = run / ".notes.tmp";
  fs::create_directories(run);
  for (const fs::path& file : {last, others, foreign}) write_text(file, "half");
  // As its writer holds it.
  const int writer = open(others.c_str(), O_RDONLY | O_CLOEXEC);
  ASSERT_EQ(flock(writer, LOCK_EX), 0);
  Command command(train(run), folder_);
  ASSERT_EQ(command.wait(), 0) << command.err();
  EXPECT_FALSE(fs::exists(last));
  EXPECT_TRUE(fs::exists(others));
  EXPECT_TRUE(fs::exists(foreign));
  close(writer);
}

}  // namespace
}  // namespace orbweaver::testing
