// Few files may be open at once.
#include <sys/resource.h>

#include "faults.h"

namespace orbweaver::testing {
namespace {

class OpenFiles : public FaultTest {
 protected:
  /// A command that may have so many files open; this process keeps its own limit.
  Command start(const std::vector<std::string>& words, rlim_t limit) const {
    rlimit before{};
    getrlimit(RLIMIT_NOFILE, &before);
    const rlimit small{limit, before.rlim_max};
    setrlimit(RLIMIT_NOFILE, &small);
    Command command(words, folder_);
    setrlimit(RLIMIT_NOFILE, &before);
    return command;
  }
};

TEST_F(OpenFiles, SixtyFourAndAThousandAreEnoughForEveryCommand) {
  // More images, with as many detections, than may be open.
  ASSERT_GE(std::distance(fs::directory_iterator(shared_ / "data" / "images"), fs::directory_iterator()), 60);
  for (const rlim_t limit : {rlim_t{64}, rlim_t{1024}}) {
    SCOPED_TRACE(limit);
    const bool usual = limit == 1024;
    const fs::path here = folder_ / std::to_string(limit), run = here / "run";
    fs::create_directory(here);
    for (const std::vector<std::string>& words : std::vector<std::vector<std::string>>{
             train(run, {"--set", "train.epochs=1", "--set", "cache=" + (here / "cache").string()}),
             // Without a cache the loader reads the images batch by batch.
             train(here / "unfrozen", {"--set", "train.epochs=1", "--set", "model.image.encoder.freeze=false", "--set",
                                       "train.workers=16"}),
             graphs_evaluated(here / "cache"),
             {"eval", run.string(), "--scores", (run / "scores.test.npy").string()},
             {"report", run.string()},
             sweep(here / "sweep", {"--set", "train.epochs=1", "--jobs", "2", "--only", "plain", "--only", "hard"}),
             {"report", (usual ? run : here / "sweep").string()},
             {"data", "check", (shared_ / "data").string()},
             {"detect", "--use", "regions", "--threads", "16", "--images", (shared_ / "data" / "images").string(),
              "--out", (here / "detections").string()}}) {
      if (usual && words[0] != "train" && words[0] != "report") continue;
      Command command = start(words, limit);
      EXPECT_EQ(command.wait(), 0) << words[0] << ": " << command.err();
    }
  }
}

TEST_F(OpenFiles, TooFewEndInOneLineThatSaysSo) {
  if (std::string(FAULT_SANITIZE) != "")
    GTEST_SKIP() << "a sanitizer needs open files of its own, and ends without them";
  const fs::path run = folder_ / "run";
  int64_t refused = 0;
  for (const rlim_t limit : {24, 16, 12, 10, 8, 6, 4}) {
    SCOPED_TRACE(limit);
    fs::remove_all(run);
    Command command = start(train(run, {"--set", "train.epochs=1"}), limit);
    const int status = command.wait();
    EXPECT_GE(status, 0) << command.err();
    if (status == 0) continue;
    ++refused;
    const std::vector<std::string> lines = lines_of(command.err());
    ASSERT_FALSE(lines.empty());
    // The system's own words, where not even the program's libraries can be opened.
    EXPECT_TRUE(lines.back().find("Too many open files") != std::string::npos ||
                lines.back().find("error while loading shared libraries") != std::string::npos)
        << command.err();
    EXPECT_EQ(std::count_if(lines.begin(), lines.end(),
                            [](const std::string& line) { return line.starts_with("orbweaver: "); }),
              lines.back().starts_with("orbweaver: "))
        << command.err();
  }
  EXPECT_GT(refused, 0);
}

}  // namespace
}  // namespace orbweaver::testing
