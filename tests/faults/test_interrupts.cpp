// Ctrl-C and SIGTERM in the middle of each command: one line, a status that says so, and the same command goes on or
// starts again.
#include <csignal>

#include "faults.h"

namespace orbweaver::testing {
namespace {

class Termination : public FaultTest {
 protected:
  static std::string signal_name(int signal) { return signal == SIGINT ? "SIGINT" : "SIGTERM"; }
  static bool ready(const Command& command) {
    // The mask of the signals that the process handles, in hexadecimal.
    const fs::path file = "/proc/" + std::to_string(command.pid()) + "/status";
    std::ifstream status(file);
    for (std::string line; std::getline(status, line);)
      if (line.starts_with("SigCgt:")) return std::stoull(line.substr(7), nullptr, 16) >> (SIGTERM - 1) & 1;
    return false;
  }
  static std::string last_line(const Command& command) {
    const std::vector<std::string> lines = lines_of(command.err());
    return lines.empty() ? "" : lines.back();
  }
};

class Interrupt : public Termination, public ::testing::WithParamInterface<int> {};

TEST_P(Interrupt, EndsACommandThatHasNothingToSaveAtOnceWithOneLine) {
  const fs::path run = whole_run(), scores = folder_ / "scores.npy";
  Matrix<float> matrix(300, 300);
  for (int64_t i = 0; i < 90000; ++i) matrix.data()[i] = static_cast<float>(i * 7919 % 10007);
  write_npy(scores, std::as_const(matrix).view());
  for (const std::vector<std::string>& words :
       std::vector<std::vector<std::string>>{{"eval", run.string()},
                                             {"report", run.string()},
                                             {"infer", run.string(), "--texts", "two planes", "--images",
                                              files_below(shared_ / "data" / "images").front().string()},
                                             {"rerank", "--tune", scores.string(), "--captions-per-image", "1", "--use",
                                              "multivariate", "--out", (folder_ / "tuned.json").string()},
                                             {"data", "synth", (folder_ / "data").string(), "--images", "2000"},
                                             {"data", "check", (shared_ / "data").string()},
                                             {"plugins", "list"}}) {
    // One handler for both signals: the second is tried with some commands.
    if (GetParam() == SIGTERM && words[0] != "eval" && words[0] != "data") continue;
    const std::map<std::string, std::string> before = contents(run);
    bool in_time = false;
    // A command that ended before its signal tells nothing: sooner then.
    for (int wait = 120; wait >= 0 && !in_time; wait -= 40) {
      Command command(words, folder_);
      command.wait_until([&] { return ready(command); });
      std::this_thread::sleep_for(std::chrono::milliseconds(wait));
      command.send(GetParam());
      const int status = command.wait();
      if (status == 0) continue;
      in_time = true;
      EXPECT_EQ(status, -GetParam()) << words[0] << command.err();
      EXPECT_EQ(last_line(command),
                "orbweaver: interrupted by " + signal_name(GetParam()) + "; the same command starts again")
          << words[0];
    }
    EXPECT_TRUE(in_time) << words[0];
    expect_whole(run);
    const bool writes = words[0] == "eval" || words[0] == "report";
    EXPECT_TRUE(writes || contents(run) == before) << words[0];
  }
  Command again({"eval", run.string()}, folder_);
  EXPECT_EQ(again.wait(), 0) << again.err();
}

TEST_P(Interrupt, BeforeTheFirstStepOfATrainingLeavesNoRunBehind) {
  const fs::path run = folder_ / "run";
  int64_t before_first = 0;
  for (int attempt = 0; attempt < 5 && before_first == 0; ++attempt) {
    fs::remove_all(run);
    Command command(train(run, {"--set", "cache="}), folder_);
    ASSERT_TRUE(command.wait_until([&] { return fs::exists(run / "config.json"); })) << command.err();
    command.send(GetParam());
    const int status = command.wait();
    // ThreadSanitizer keeps a signal back while its thread computes.
    if (status == 0 && std::string(FAULT_SANITIZE) == "thread") continue;
    EXPECT_EQ(status, 1) << command.err();
    if (last_line(command) != "orbweaver: interrupted before the first step; there was nothing to save") continue;
    ++before_first;
    EXPECT_FALSE(fs::exists(run));
  }
  ASSERT_GT(before_first, 0);
  Command again(train(run), folder_);
  EXPECT_EQ(again.wait(), 0) << again.err();
  expect_same_training(run, whole_run());
}

TEST_P(Interrupt, OfATrainingSavesAndTheLineItPrintsGoesOn) {
  const fs::path run = folder_ / "run";
  bool in_time = false;
  for (int attempt = 0; attempt < 10 && !in_time; ++attempt) {
    fs::remove_all(run);
    Command command(train(run), folder_);
    ASSERT_TRUE(command.wait_until([&] { return fs::exists(run / "last.safetensors"); })) << command.err();
    // Twice, as timeout(1) does: to the process and to its group.
    command.send(GetParam());
    command.send(GetParam());
    const int status = command.wait();
    if (status == 0) continue;  // it had ended
    in_time = true;
    EXPECT_EQ(status, 1) << command.err();
    EXPECT_TRUE(last_line(command).starts_with("stopped at epoch ")) << command.err();
    EXPECT_TRUE(last_line(command).ends_with("; saved. Continue with: orbweaver train " + run.string() + " --resume"))
        << command.err();
  }
  ASSERT_TRUE(in_time);
  Command again({"train", run.string(), "--resume"}, folder_);
  ASSERT_EQ(again.wait(), 0) << again.err();
  expect_same_training(run, whole_run());
}

TEST_F(Termination, ByCtrlCDoesNotReachATrainingInTheBackgroundOfAScript) {
  const fs::path run = folder_ / "run";
  // As a shell starts what ends in "&".
  const auto before = std::signal(SIGINT, SIG_IGN);
  Command command(train(run, {}), folder_, /*ignores_interrupts=*/true);
  std::signal(SIGINT, before);
  ASSERT_TRUE(command.wait_until([&] { return fs::exists(run / "last.safetensors"); })) << command.err();
  command.send(SIGINT);
  EXPECT_EQ(command.wait(), 0) << command.err();
  expect_same_training(run, whole_run());
}

TEST_F(Termination, OfASweepSavesItsRunsAndTheSameCommandGoesOn) {
  whole_sweep();
  const fs::path out = folder_ / "out";
  Command command(sweep(out), folder_);
  ASSERT_TRUE(command.wait_until([&] { return fs::exists(out / "runs/plain-s1/last.safetensors"); })) << command.err();
  command.send(SIGTERM);
  EXPECT_EQ(command.wait(), 1) << command.err();
  EXPECT_NE(last_line(command).find("unfinished; the same command goes on where they saved their state"),
            std::string::npos)
      << command.err();
  Command again(sweep(out), folder_);
  ASSERT_EQ(again.wait(), 0) << again.err();
  expect_same_sweep(out);
}

TEST_F(Termination, OfADetectionKeepsTheFilesThatAreThereAndTheSameCommandGoesOn) {
  const fs::path out = folder_ / "out", whole = folder_ / "whole";
  const auto words = [&](const fs::path& folder) {
    return std::vector<std::string>{
        "detect", "--use",        "regions", "--threads", "1", "--images", (shared_ / "data" / "images").string(),
        "--out",  folder.string()};
  };
  Command command(words(out), folder_);
  ASSERT_TRUE(command.wait_until([&] { return files_below(out).size() > 3; })) << command.err();
  command.send(SIGTERM);
  EXPECT_EQ(command.wait(), 1) << command.err();
  EXPECT_EQ(last_line(command), "interrupted; the same command goes on from here");
  expect_whole(out);
  for (const fs::path& folder : {out, whole}) {
    Command again(words(folder), folder_);
    ASSERT_EQ(again.wait(), 0) << again.err();
  }
  EXPECT_EQ(contents(out), contents(whole));
}

INSTANTIATE_TEST_SUITE_P(Of, Interrupt, ::testing::Values(SIGINT, SIGTERM),
                         [](const auto& info) { return std::string(info.param == SIGINT ? "SIGINT" : "SIGTERM"); });

}  // namespace
}  // namespace orbweaver::testing
