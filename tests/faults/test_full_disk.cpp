// A disk that is full at one write of a command, or from there on. ORBWEAVER_FAULT_MOMENTS=50 tries each kind of
// operation on each file that a command writes.
#include <functional>

#include "faults.h"

namespace orbweaver::testing {
namespace {

constexpr const char* no_room = "No space left on device";

/// What is known of an operation of the log: "write /run/.best.safetensors.12.0.tmp" -> write, /run/best.safetensors.
struct Operation {
  std::string what;
  fs::path target;

  explicit Operation(const std::string& line)
      : what(line.substr(0, line.find(' '))), target(line.substr(line.find(' ') + 1)) {
    std::string name = target.filename().string();
    if (!is_temporary(target)) return;
    for (int part = 0; part < 3; ++part) name.resize(name.rfind('.'));
    target.replace_filename(name.substr(1));
  }
  bool operator<(const Operation& other) const { return std::tie(what, target) < std::tie(other.what, other.target); }
};

/// A command, and what it starts from.
struct Scenario {
  std::string name;
  std::vector<std::string> words, again;  ///< the command, and how it is repeated when there is room
  fs::path folder;                        ///< that is on the full disk
  std::function<void()> prepare;          ///< makes the folder as it was before
  std::function<void()> verify;           ///< what holds once the repeated command has ended
  bool writes_once = false;               ///< no file is written twice
};

class FullDisk : public FaultTest {
 protected:
  static void SetUpTestSuite() {
    // Not by time: each start is to do the same operations.
    checkpoint_every_ = "1000";
    FaultTest::SetUpTestSuite();
  }

  using Fault = std::map<std::string, std::string>;

  std::vector<std::string> operations_of(const Scenario& scenario) const {
    scenario.prepare();
    const Injection injection(folder_, {scenario.folder}, Fault{{"", "ENOSPC"}});
    Command command(scenario.words, folder_);
    EXPECT_EQ(command.wait(), 0) << command.err();
    return injection.operations();
  }

  /// One number of each kind of operation on each file; two of them where not the long form is asked for.
  static std::vector<int64_t> choose(const std::vector<std::string>& operations, Moments& moments) {
    std::map<Operation, std::vector<int64_t>> kinds;
    for (size_t i = 0; i < operations.size(); ++i)
      // Who holds a lock is written into it for messages alone.
      if (!operations[i].starts_with("pwrite")) kinds[Operation(operations[i])].push_back(static_cast<int64_t>(i) + 1);
    std::vector<int64_t> out;
    for (const auto& [kind, numbers] : kinds)
      out.push_back(numbers[static_cast<size_t>(moments.draw(0, std::ssize(numbers) - 1))]);
    for (size_t i = out.size(); i > 1; --i)
      std::swap(out[i - 1], out[static_cast<size_t>(moments.draw(0, static_cast<int64_t>(i) - 1))]);
    if (Moments::wanted() < 50 && out.size() > 2) out.resize(2);
    return out;
  }

  void try_each(const Scenario& scenario) {
    FAULTS_NEED_INJECTION();
    Moments moments(scenario.name);
    const std::vector<std::string> operations = operations_of(scenario);
    ASSERT_FALSE(operations.empty());
    bool lasting = false;
    for (const int64_t at : choose(operations, moments)) {
      SCOPED_TRACE("operation " + std::to_string(at) + (lasting ? " and all after it" : ""));
      const std::string line = fail_at(scenario, at, lasting);
      moments.note("operation " + std::to_string(at) + (lasting ? " and all after it: " : ": ") + line);
      lasting = !lasting;
    }
  }

 private:
  /// @return the operation that failed
  std::string fail_at(const Scenario& scenario, int64_t at, bool lasting) {
    scenario.prepare();
    const std::map<std::string, std::string> before = contents(scenario.folder);
    fs::path target;
    std::string line;
    {
      Fault fault{{"", "ENOSPC"}, {"_AT", std::to_string(at)}};
      if (lasting) fault["_UNTIL"] = "1000000000";
      const Injection injection(folder_, {scenario.folder}, fault);
      Command command(scenario.words, folder_);
      const int status = command.wait();
      const std::vector<std::string> operations = injection.operations();
      if (std::ssize(operations) < at) {
        ADD_FAILURE() << "the command did " << operations.size() << " operations, and more before";
        return "";
      }
      line = operations[static_cast<size_t>(at) - 1];
      SCOPED_TRACE(line);
      target = Operation(line).target;
      EXPECT_GT(status, 0) << command.err();
      // A run that cannot even say why it failed leaves that to the sweep, which cannot write its outcome either.
      const bool of_sweep = scenario.words[0] == "sweep";
      const std::string named = of_sweep ? scenario.folder.string() : target.filename().string();
      int64_t told = 0;
      for (const std::string& text : lines_of(command.err()))
        told += text.find(no_room) != std::string::npos && text.find(named) != std::string::npos;
      EXPECT_GE(told, 1) << command.err();
      // Each run of a sweep tells of it, and so may the sweep itself.
      EXPECT_LE(told, of_sweep ? 4 : 1) << command.err();
    }
    expect_whole(scenario.folder);
    const std::map<std::string, std::string> after = contents(scenario.folder);
    const auto name = fs::relative(target, scenario.folder).string();
    // A state is saved often; what is written once is as it was.
    const auto old = before.find(name), now = after.find(name);
    const bool kept = old == before.end() || (now != after.end() && now->second == old->second);
    EXPECT_TRUE(kept || !scenario.writes_once) << name << " is not as before";
    EXPECT_EQ(temporary_files(scenario.folder), std::vector<fs::path>());
    Command command(scenario.again, folder_);
    EXPECT_EQ(command.wait(), 0) << command.err();
    scenario.verify();
    return line;
  }
};

TEST_F(FullDisk, StopsATrainingWhichGoesOnWhenThereIsRoom) {
  const fs::path whole = whole_run(), begun = folder_ / "begun", run = folder_ / "run";
  {
    Command command(train(begun), folder_);
    ASSERT_TRUE(command.wait_until([&] { return fs::exists(begun / "metrics.jsonl"); })) << command.err();
    command.send(SIGKILL);
    command.wait();
    for (const fs::path& file : temporary_files(begun)) fs::remove(file);
  }
  Scenario scenario;
  scenario.name = "training on a full disk";
  scenario.words = scenario.again = train(run, {"--resume"});
  scenario.folder = run;
  scenario.prepare = [&] {
    fs::remove_all(run);
    fs::copy(begun, run, fs::copy_options::recursive);
  };
  scenario.verify = [&] { expect_same_training(run, whole); };
  try_each(scenario);
}

TEST_F(FullDisk, FromTheBeginningLeavesNoRunBehind) {
  FAULTS_NEED_INJECTION();
  const fs::path disk = folder_ / "disk", run = disk / "run";
  fs::create_directory(disk);
  {
    const Injection injection(folder_, {disk}, {{"", "ENOSPC"}, {"_AT", "1"}, {"_UNTIL", "1000000000"}});
    Command command(train(run), folder_);
    EXPECT_EQ(command.wait(), 1);
    EXPECT_EQ(command.err(), "orbweaver: " + (run / "config.json").string() + ": cannot be written: " + no_room + "\n");
  }
  EXPECT_FALSE(fs::exists(run));
  Command command(train(run), folder_);
  EXPECT_EQ(command.wait(), 0) << command.err();
}

TEST_F(FullDisk, StopsASweepWhichGoesOnWhenThereIsRoom) {
  whole_sweep();
  Scenario scenario;
  scenario.name = "sweep on a full disk";
  scenario.folder = folder_ / "out";
  scenario.words = sweep(scenario.folder);
  scenario.again = sweep(scenario.folder, {"--retry-failed"});
  scenario.prepare = [&] { fs::remove_all(scenario.folder); };
  scenario.verify = [&] { expect_same_sweep(scenario.folder); };
  try_each(scenario);
}

TEST_F(FullDisk, AtTheFilesOfARunThatTakesOverATrainingLosesNothing) {
  FAULTS_NEED_INJECTION();
  whole_sweep();
  const fs::path begun = folder_ / "begun", out = folder_ / "out";
  Command first(sweep(begun, {"--only", "plain"}), folder_);
  ASSERT_EQ(first.wait(), 0) << first.err();
  const auto rest = [&] { return sweep(out, {"--only", "reranked"}); };
  const auto prepare = [&] {
    fs::remove_all(out);
    fs::copy(begun, out, fs::copy_options::recursive);
  };
  prepare();
  std::vector<std::string> operations;
  {
    const Injection injection(folder_, {out}, Fault{{"", "ENOSPC"}});
    Command command(rest(), folder_);
    ASSERT_EQ(command.wait(), 0) << command.err();
    operations = injection.operations();
  }
  const auto of = [&](const char* file) {
    return [file](const std::string& line) { return line.starts_with("write") && line.find(file) != line.npos; };
  };
  const auto copied = std::ranges::find_if(operations, of("reranked-s1/.ranks.test"));
  // The first one tells whose training it is, the last one is the run's.
  const auto last = std::find_if(operations.rbegin(), operations.rend(), of("reranked-s1/.outcome.json"));
  ASSERT_NE(last, operations.rend());
  const auto outcome = last.base() - 1;
  for (const auto& at : {copied, outcome}) {
    ASSERT_NE(at, operations.end());
    SCOPED_TRACE(*at);
    prepare();
    {
      const Injection injection(folder_, {out},
                                Fault{{"", "ENOSPC"}, {"_AT", std::to_string(at - operations.begin() + 1)}});
      Command command(rest(), folder_);
      EXPECT_EQ(command.wait(), 1) << command.err();
      EXPECT_NE(command.err().find(no_room), std::string::npos) << command.err();
    }
    expect_whole(out);
    Command command(sweep(out, {"--retry-failed"}), folder_);
    ASSERT_EQ(command.wait(), 0) << command.err();
    expect_same_sweep(out);
  }
}

TEST_F(FullDisk, FailsAnEvaluationAndLeavesWhatItWroteBefore) {
  const fs::path whole = whole_run(), disk = folder_ / "disk", run = disk / "run";
  Scenario scenario;
  scenario.name = "evaluation on a full disk";
  scenario.writes_once = true;
  scenario.words = {"eval",       run.string(),
                    "--scores",   (disk / "scores.npy").string(),
                    "--trec",     (disk / "trec").string(),
                    "--outcomes", (disk / "outcomes.csv").string()};
  scenario.again = scenario.words;
  scenario.folder = disk;
  scenario.prepare = [&] {
    fs::remove_all(disk);
    fs::create_directories(disk / "trec");
    fs::copy(whole, run, fs::copy_options::recursive);
    for (const char* name : {"scores.npy", "outcomes.csv", "trec/i2t.run"}) write_text(disk / name, "from before");
    fs::remove(disk / "scores.npy");
  };
  scenario.verify = [&] {
    expect_whole(disk);
    EXPECT_NE(read_file(disk / "trec" / "i2t.run"), "from before");
    EXPECT_TRUE(read_json(run / "record.json").at("evaluations").find("test"));
  };
  try_each(scenario);
}

TEST_F(FullDisk, FailsAReportAndTheListsOfARerankerAndLeavesThoseOfBefore) {
  const fs::path scores = folder_ / "scores.npy", disk = folder_ / "disk";
  Matrix<float> matrix(6, 6);
  for (int64_t i = 0; i < 36; ++i) matrix.data()[i] = static_cast<float>(i * 7 % 11);
  write_npy(scores, std::as_const(matrix).view());
  Scenario scenario;
  scenario.folder = disk;
  scenario.writes_once = true;
  const auto from = [&](const char* file, const char* before) {
    scenario.again = scenario.words;
    scenario.prepare = [&, file, before] {
      fs::create_directories(disk);
      write_text(disk / file, before);
    };
    scenario.verify = [&, file, before] { EXPECT_NE(read_file(disk / file), before); };
    try_each(scenario);
  };
  scenario.name = "report on a full disk";
  scenario.words = {"report", whole_run().string(), "--out", (disk / "report.html").string()};
  from("report.html", "</html>\n");
  scenario.name = "lists of a reranker on a full disk";
  scenario.words = {"rerank", scores.string(), "--use", "cross_modal", "--out", (disk / "lists.jsonl").string()};
  from("lists.jsonl", "{}\n");
}

TEST_F(FullDisk, UnderTheCacheChangesNoResultAndIsTold) {
  FAULTS_NEED_INJECTION();
  const std::string expected = evaluated(folder_ / "whole_cache");
  const fs::path cache = folder_ / "cache";
  Moments moments("cache on a full disk");
  std::vector<std::string> operations;
  {
    const Injection injection(folder_, {folder_ / "measured"}, Fault{{"", "ENOSPC"}});
    evaluated(folder_ / "measured");
    operations = injection.operations();
  }
  bool lasting = false;
  for (const int64_t at : choose(operations, moments)) {
    fs::remove_all(cache);
    Fault fault{{"", "ENOSPC"}, {"_AT", std::to_string(at)}};
    if (lasting) fault["_UNTIL"] = "1000000000";
    lasting = !lasting;
    {
      const Injection injection(folder_, {cache}, fault);
      Command command(graphs_evaluated(cache), folder_);
      ASSERT_EQ(command.wait(), 0) << command.err();
      EXPECT_EQ(to_json(parse_json(command.out(), "eval").at("rows")), expected);
      // What is known of the data's files is only a saving of time, and locks are made for others.
      const std::string line = injection.operations().at(static_cast<size_t>(at) - 1);
      const bool entry = Operation(line).target.extension() == ".safetensors";
      moments.note("operation " + std::to_string(at) + ": " + line);
      int64_t told = 0;
      for (const std::string& text : lines_of(command.err()))
        told += text.find(no_room) != std::string::npos && text.find("going on without the cache") != std::string::npos;
      EXPECT_LE(told, 1) << line << "\n" << command.err();
      EXPECT_GE(told, entry) << line << "\n" << command.err();
    }
    expect_whole(cache);
    EXPECT_EQ(temporary_files(cache), std::vector<fs::path>());
    EXPECT_EQ(evaluated(cache), expected);
  }
}

}  // namespace
}  // namespace orbweaver::testing
