// Folders that cannot be written to: on a file system that says so for each change. full_disk_and_read_only.sh has real
// ones where mounting is allowed.
#include "faults.h"

namespace orbweaver::testing {
namespace {

constexpr const char* read_only = "Read-only file system";

class ReadOnly : public FaultTest {
 protected:
  Injection injection(const fs::path& folder) const {
    return Injection(folder_, {folder}, {{"", "EROFS"}, {"_AT", "1"}, {"_UNTIL", "1000000000"}});
  }
  /// The command fails with one line that names the file and the reason, and changes nothing.
  void expect_refused(const std::vector<std::string>& words, const fs::path& folder, const fs::path& file) const {
    const std::map<std::string, std::string> before = contents(folder);
    {
      const Injection injected = injection(folder);
      Command command(words, folder_);
      EXPECT_GT(command.wait(), 0) << command.err();
      const std::vector<std::string> lines = lines_of(command.err());
      ASSERT_FALSE(lines.empty());
      EXPECT_TRUE(lines.back().starts_with("orbweaver: ")) << command.err();
      EXPECT_NE(lines.back().find(file.string()), std::string::npos) << command.err();
      EXPECT_NE(lines.back().find(read_only), std::string::npos) << command.err();
      EXPECT_EQ(std::count_if(lines.begin(), lines.end(),
                              [](const std::string& line) { return line.find(read_only) != std::string::npos; }),
                1)
          << command.err();
    }
    EXPECT_EQ(contents(folder), before);
  }
};

TEST_F(ReadOnly, OutputFolderIsRefusedByTheFirstFileThatEachCommandWrites) {
  FAULTS_NEED_INJECTION();
  const fs::path disk = folder_ / "disk", run = disk / "run";
  fs::create_directories(disk);
  fs::copy(whole_run(), run, fs::copy_options::recursive);
  expect_refused(train(disk / "new"), disk, disk / "new" / "config.json");
  expect_refused(train(run, {"--resume"}), disk, run / "config.json");
  expect_refused(sweep(disk / "sweep"), disk, disk / "sweep");
  expect_refused({"report", run.string()}, disk, run / "report.html");
  expect_refused({"eval", run.string(), "--scores", (disk / "scores.npy").string()}, disk, disk / "scores.npy");
  expect_refused({"eval", run.string(), "--scores", (folder_ / "scores.npy").string(), "--outcomes",
                  (disk / "outcomes.csv").string()},
                 disk, disk / "outcomes.csv");
  EXPECT_FALSE(fs::exists(folder_ / "scores.npy")) << "nothing was computed";
  expect_refused(train(run, {"--overwrite"}), disk, run / "config.json");
  expect_refused({"eval", run.string()}, disk, run);
  expect_refused({"config", "schema", "--out", (disk / "schema.json").string()}, disk, disk / "schema.json");
  expect_refused({"detect", "--use", "regions", "--images", (shared_ / "data" / "images").string(), "--out",
                  (disk / "detections").string()},
                 disk, disk / "detections");
  expect_refused({"data", "synth", (disk / "data").string(), "--images", "3"}, disk, disk / "data");
}

TEST_F(ReadOnly, RunIsEvaluatedAndItsResultPrinted) {
  FAULTS_NEED_INJECTION();
  const fs::path run = folder_ / "run";
  fs::copy(whole_run(), run, fs::copy_options::recursive);
  const auto rows = [](const Command& command) { return to_json(parse_json(command.out(), "eval").at("rows")); };
  const std::vector<std::string> words{"eval", run.string(), "--json"};
  std::string printed;
  {
    const Injection injected = injection(run);
    Command command(words, folder_);
    EXPECT_EQ(command.wait(), 1) << command.err();
    printed = rows(command);
    EXPECT_EQ(lines_of(command.err()).back(), "orbweaver: " + (run / "ranks.test.safetensors").string() +
                                                  ": cannot be written: " + read_only +
                                                  "; the result is printed, and not kept in the run's folder");
    Command table({"eval", run.string()}, folder_);
    EXPECT_EQ(table.wait(), 1) << table.err();
    EXPECT_NE(table.out().find("images, "), std::string::npos) << table.out();
  }
  Command command(words, folder_);
  EXPECT_EQ(command.wait(), 0) << command.err();
  EXPECT_EQ(printed, rows(command));
}

TEST_F(ReadOnly, CacheIsUsedAsItIsAndWhatItLacksIsMadeAndTold) {
  FAULTS_NEED_INJECTION();
  const fs::path cache = folder_ / "cache", empty = folder_ / "empty";
  const std::string expected = evaluated(cache);
  const std::map<std::string, std::string> before = contents(cache);
  fs::create_directories(empty);
  for (const fs::path& folder : {cache, empty}) {
    const Injection injected = injection(folder);
    Command command(graphs_evaluated(folder), folder_);
    ASSERT_EQ(command.wait(), 0) << command.err();
    EXPECT_EQ(to_json(parse_json(command.out(), "eval").at("rows")), expected);
    const std::vector<std::string> lines = lines_of(command.err());
    EXPECT_EQ(std::count_if(lines.begin(), lines.end(),
                            [](const std::string& line) { return line.find(read_only) != std::string::npos; }),
              folder == empty)
        << command.err();
  }
  EXPECT_EQ(contents(cache), before);
  EXPECT_TRUE(files_below(empty).empty());
}

}  // namespace
}  // namespace orbweaver::testing
