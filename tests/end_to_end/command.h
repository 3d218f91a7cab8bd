// Runs the orbweaver program and sees what its user sees.
#pragma once

#include <fcntl.h>
#include <gtest/gtest.h>
#include <signal.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include <chrono>
#include <filesystem>
#include <functional>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "framework/io/files.h"
#include "temporary_folder.h"

extern char** environ;

namespace orbweaver::testing {

/// A process of the program, its output in files.
class Command {
 public:
  /// @param ignores_interrupts  whether it inherits what this process ignores of SIGINT and SIGTERM
  Command(const std::vector<std::string>& arguments, const std::filesystem::path& folder,
          bool ignores_interrupts = false)
      : out_(folder / "stdout"), err_(folder / "stderr") {
    std::vector<std::string> words{ORBWEAVER_CLI};
    words.insert(words.end(), arguments.begin(), arguments.end());
    std::vector<char*> argv;
    for (std::string& word : words) argv.push_back(word.data());
    argv.push_back(nullptr);
    posix_spawn_file_actions_t files;
    posix_spawn_file_actions_init(&files);
    posix_spawn_file_actions_addopen(&files, STDOUT_FILENO, out_.c_str(), O_WRONLY | O_CREAT | O_TRUNC, 0600);
    posix_spawn_file_actions_addopen(&files, STDERR_FILENO, err_.c_str(), O_WRONLY | O_CREAT | O_TRUNC, 0600);
    // As from a terminal, also where the tests run in the background of a script and ignore Ctrl-C.
    posix_spawnattr_t attributes;
    posix_spawnattr_init(&attributes);
    sigset_t signals;
    sigemptyset(&signals);
    if (!ignores_interrupts) sigaddset(&signals, SIGINT), sigaddset(&signals, SIGTERM);
    posix_spawnattr_setsigdefault(&attributes, &signals);
    posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETSIGDEF);
    if (posix_spawn(&pid_, ORBWEAVER_CLI, &files, &attributes, argv.data(), environ) != 0)
      ADD_FAILURE() << "cannot start " << ORBWEAVER_CLI;
    posix_spawnattr_destroy(&attributes);
    posix_spawn_file_actions_destroy(&files);
  }

  pid_t pid() const { return pid_; }
  void send(int signal) const { kill(pid_, signal); }
  bool running() {
    if (!ended_) ended_ = waitpid(pid_, &status_, WNOHANG) == pid_;
    return !ended_;
  }
  /// Waits for the end. @return the exit status, or minus the signal that ended it.
  int wait() {
    if (!ended_) waitpid(pid_, &status_, 0);
    ended_ = true;
    return WIFEXITED(status_) ? WEXITSTATUS(status_) : -WTERMSIG(status_);
  }
  /// Waits until `happened` or the end. @return whether it happened first.
  bool wait_until(const std::function<bool()>& happened) {
    while (running()) {
      if (happened()) return true;
      std::this_thread::sleep_for(std::chrono::milliseconds(2));
    }
    return false;
  }
  std::string out() const { return read_file(out_); }
  std::string err() const { return read_file(err_); }

 private:
  std::filesystem::path out_, err_;
  pid_t pid_ = 0;
  int status_ = 0;
  bool ended_ = false;
};

/// Test cases with a folder of their own, removed at the end, and a small synthetic dataset shared by all of them.
class CommandTest : public ::testing::Test {
 protected:
  static void SetUpTestSuite() {
    suite_ = std::make_unique<TemporaryFolder>();
    shared_ = suite_->path();
    Command synth({"data", "synth", (shared_ / "data").string(), "--images", "60", "--seed", "3"}, shared_);
    ASSERT_EQ(synth.wait(), 0) << synth.err();
  }
  static void TearDownTestSuite() { suite_.reset(); }
  void SetUp() override {
    // A parameter's place follows the name behind a slash.
    folder_ = shared_ / ::testing::UnitTest::GetInstance()->current_test_info()->name();
    std::filesystem::create_directories(folder_);
  }

  /// The demo's method, made small: seconds an epoch.
  std::vector<std::string> train_arguments(const std::filesystem::path& run) const {
    return {"train", ORBWEAVER_SOURCE_DIR "/configs/methods/demo.json",
            "--out", run.string(),
            "--set", "dataset.root=" + (shared_ / "data").string(),
            "--set", "cache=" + (shared_ / "cache").string(),
            "--set", "train.epochs=3",
            "--set", "train.batch_size=16",
            "--set", "train.threads=1",
            "--set", "train.checkpoint_every=0.5",
            "--set", "model.image.encoder.size=32",
            "--set", "model.text.encoder.dropout=0.2",
            "--set", "train.average=0.9"};
  }
  Command run(const std::vector<std::string>& arguments) const { return Command(arguments, folder_); }

  inline static std::unique_ptr<TemporaryFolder> suite_;
  inline static std::filesystem::path shared_;
  std::filesystem::path folder_;
};

}  // namespace orbweaver::testing
