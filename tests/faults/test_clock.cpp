// A clock that is set back, between two starts and in the middle of one; files of a time that has not come.
#include "faults.h"
#include "tests/event_file_reader.h"

namespace orbweaver::testing {
namespace {

constexpr const char* month_back = "-2592000";

class Clock : public FaultTest {
 protected:
  Injection set_back(const std::string& from_reading = "1") const {
    return Injection(folder_, {}, {{"_CLOCK", month_back}, {"_CLOCK_AT", from_reading}});
  }
  static void expect_durations(const fs::path& run) {
    for (const std::string& line : read_lines(run / "metrics.jsonl")) {
      const Value entry = parse_json(line, "metrics.jsonl");
      EXPECT_GE(entry.at("seconds").as_double(), 0);
      EXPECT_LT(entry.at("seconds").as_double(), 1000);
      EXPECT_GT(entry.at("pairs_per_second").as_double(), 0);
    }
    const double seconds = read_json(run / "record.json").at("train_seconds").as_double();
    EXPECT_GE(seconds, 0);
    EXPECT_LT(seconds, 1000);
  }
  void expect_report(const fs::path& input) const {
    const fs::path file = folder_ / "report.html";
    Command command({"report", input.string(), "--out", file.string()}, folder_);
    EXPECT_EQ(command.wait(), 0) << command.err();
    EXPECT_TRUE(fs::exists(file));
  }
  /// As dates of a clock that was a year ahead.
  static void date_ahead(const fs::path& folder) {
    for (const fs::path& file : files_below(folder))
      fs::last_write_time(file, fs::file_time_type::clock::now() + std::chrono::hours(24 * 365));
  }
};

TEST_F(Clock, SetBackBetweenATrainingAndItsResumeChangesNothing) {
  FAULTS_NEED_INJECTION();
  const fs::path whole = whole_run(), run = folder_ / "run";
  {
    Command command(train(run), folder_);
    ASSERT_TRUE(command.wait_until([&] { return fs::exists(run / "metrics.jsonl"); })) << command.err();
    command.send(SIGKILL);
    command.wait();
  }
  date_ahead(run);
  const Injection injected = set_back();
  Command command(train(run, {"--resume"}), folder_);
  ASSERT_EQ(command.wait(), 0) << command.err();
  expect_same_training(run, whole);
  expect_durations(run);
  expect_report(run);
  // The one event file, in which the figures of an epoch stand once.
  const std::vector<fs::path> events = event_files_in(run / "tensorboard");
  ASSERT_EQ(events.size(), 1u);
  int64_t validated = 0;
  for (const ReadEvent& event : read_event_file(events[0])) validated += event.scalars.count("val/mR");
  EXPECT_EQ(validated, 3);
}

TEST_F(Clock, SetBackInTheMiddleOfATrainingChangesNothing) {
  FAULTS_NEED_INJECTION();
  const fs::path whole = whole_run(), run = folder_ / "run";
  const Injection injected = set_back("12");
  Command command(train(run), folder_);
  ASSERT_EQ(command.wait(), 0) << command.err();
  expect_same_training(run, whole);
  expect_durations(run);
  // It was in the middle: the log has lines of both times.
  const std::vector<std::string> log = read_lines(run / "log.txt");
  EXPECT_GT(log.front().substr(0, 19), log.back().substr(0, 19));
}

TEST_F(Clock, SetBackBetweenTheStartsOfASweepChangesNothing) {
  FAULTS_NEED_INJECTION();
  whole_sweep();
  const fs::path out = folder_ / "out";
  {
    Command command(sweep(out), folder_);
    ASSERT_TRUE(command.wait_until([&] { return fs::exists(out / "runs/plain-s1/outcome.json"); })) << command.err();
    command.send(SIGKILL);
    command.wait();
  }
  date_ahead(out);
  const Injection injected = set_back();
  Command command(sweep(out), folder_);
  ASSERT_EQ(command.wait(), 0) << command.err();
  EXPECT_EQ(command.err().find("plain-s1 started"), std::string::npos) << command.err();
  expect_same_sweep(out);
  const Value results = read_json(out / "results.json");
  EXPECT_GE(results.at("wall_seconds").as_double(), 0);
  for (const Value& variant : results.at("variants").as_list())
    for (const Value& run : variant.at("runs").as_list()) EXPECT_GE(run.at("seconds").as_double(), 0);
  expect_report(out);
}

TEST_F(Clock, ACacheOfATimeToComeIsUsedAndItsLeftoversAreRemoved) {
  FAULTS_NEED_INJECTION();
  const fs::path cache = folder_ / "cache";
  const std::string expected = evaluated(cache);
  const std::map<std::string, std::string> before = contents(cache / "features");
  const fs::path entry = files_below(cache / "features").front();
  const fs::path temporary = entry.parent_path() / ".gone.objects.safetensors.4711.0.tmp",
                 lock = entry.parent_path() / ".gone.lock";
  for (const fs::path& file : {temporary, lock}) write_text(file, "");
  date_ahead(cache);
  const Injection injected = set_back();
  Command again(graphs_evaluated(cache), folder_);
  ASSERT_EQ(again.wait(), 0) << again.err();
  EXPECT_EQ(to_json(parse_json(again.out(), "eval").at("rows")), expected);
  EXPECT_NE(again.err().find("from the cache"), std::string::npos) << again.err();
  Command stats({"cache", "stats", "--json", "--cache", cache.string()}, folder_);
  ASSERT_EQ(stats.wait(), 0) << stats.err();
  EXPECT_EQ(parse_json(stats.out(), "stats").at("leftovers").at("files").as_int(), 2);
  // Nothing is older than a day, only younger.
  Command clear({"cache", "clear", "--cache", cache.string(), "--older-than", "1"}, folder_);
  ASSERT_EQ(clear.wait(), 0) << clear.err();
  EXPECT_FALSE(fs::exists(temporary));
  EXPECT_FALSE(fs::exists(lock));
  EXPECT_EQ(contents(cache / "features"), before);
}

}  // namespace
}  // namespace orbweaver::testing
