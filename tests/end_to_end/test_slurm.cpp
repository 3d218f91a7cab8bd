// Jobs through a real Slurm, started on the loopback interface for the time of these tests. Where that is not possible
// (not installed, not root) they skip, and say why.
#include <fcntl.h>
#include <fmt/format.h>
#include <gtest/gtest.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <cstdlib>
#include <map>
#include <memory>
#include <thread>

#include "command.h"
#include "framework/io/files.h"
#include "framework/io/json.h"
#include "framework/sweep/slurm.h"
#include "framework/sweep/slurm_queue.h"
#include "temporary_folder.h"

extern char** environ;

namespace orbweaver {
namespace {

namespace fs = std::filesystem;
using std::chrono::milliseconds;
using testing::TemporaryFolder;

std::string message_of(const std::function<void()>& call) {
  try {
    call();
  } catch (const InputError& error) {
    return error.what();
  }
  return "";
}

TEST(ShellQuoted, KeepsEveryCharacterForTheShell) {
  EXPECT_EQ(shell_quoted("a b$c\n"), "'a b$c\n'");
  EXPECT_EQ(shell_quoted("it's"), "'it'\\''s'");
  EXPECT_EQ(shell_quoted(""), "''");
}

TEST(ParseSqueue, TakesTasksOfArraysAndNothingElse) {
  const auto tasks = parse_squeue("12|3|table-00ff|PENDING|Resources\n13|N/A|table-00ff|RUNNING|None\n\n");
  ASSERT_EQ(tasks.size(), 1u);
  EXPECT_EQ(tasks[0].id, 12);
  EXPECT_EQ(tasks[0].index, 3);
  EXPECT_EQ(tasks[0].array, "table-00ff");
  EXPECT_EQ(tasks[0].state, "PENDING");
  EXPECT_EQ(tasks[0].reason, "Resources");
}

TEST(ParseSqueue, TellsOfTasksThatWereCancelledBeforeTheyBeganAsTheRestOfTheirArray) {
  const auto tasks = parse_squeue("12|N/A|table-00ff|CANCELLED|JobHeldUser\n");
  ASSERT_EQ(tasks.size(), 1u);
  EXPECT_EQ(tasks[0].id, 12);
  EXPECT_EQ(tasks[0].index, SlurmTask::the_rest);
}

TEST(ParseSacct, TakesEndedTasksWithTheirExitCodes) {
  const auto tasks = parse_sacct("12_3|t|CANCELLED by 1000|0:15\n12_4|t|FAILED|2:0\n12_[5-7]|t|PENDING|0:0\n");
  ASSERT_EQ(tasks.size(), 2u);
  EXPECT_EQ(tasks[0].state, "CANCELLED");
  EXPECT_EQ(tasks[1].index, 4);
  EXPECT_EQ(tasks[1].exit_code, "2:0");
}

TEST(SlurmEnd, SaysInWordsWhatHappened) {
  const auto end = [](const std::string& state, const std::string& code = "") {
    return slurm_end({"t", 12, 3, state, "", code}, "outcome.json");
  };
  EXPECT_EQ(end("FAILED", "7:0").reason, "Slurm's 12_3 ended with status 7");
  EXPECT_EQ(end("FAILED", "0:9").reason, "Slurm's 12_3 ended by signal 9 (SIGKILL; out of memory?)");
  EXPECT_EQ(end("COMPLETED").reason, "Slurm's 12_3 ended without an error, and without an outcome in outcome.json");
  EXPECT_EQ(end("TIMEOUT").reason,
            "Slurm's 12_3 ran into its time limit; \"time\" of the slurm settings asks for more");
  EXPECT_EQ(end("OUT_OF_MEMORY").reason, "Slurm's 12_3 was out of memory; \"mem\" of the slurm settings asks for more");
  EXPECT_EQ(end("NODE_FAIL").reason, "Slurm's 12_3 lost its node (NODE_FAIL)");
  EXPECT_EQ(end("PREEMPTED").reason, "Slurm's 12_3 had to give way to another job (PREEMPTED)");
  for (const char* state : {"FAILED", "COMPLETED", "TIMEOUT", "OUT_OF_MEMORY", "NODE_FAIL", "PREEMPTED", "DEADLINE"})
    EXPECT_EQ(end(state).state, JobState::failed) << state;
  EXPECT_EQ(end("CANCELLED").state, JobState::stopped);
}

TEST(SlurmPhase, HoldsAnUnknownWordForATaskThatIsNotOver) {
  EXPECT_EQ(slurm_phase("PENDING"), SlurmPhase::waiting);
  EXPECT_EQ(slurm_phase("COMPLETING"), SlurmPhase::running);
  EXPECT_EQ(slurm_phase("TIMEOUT"), SlurmPhase::over);
  EXPECT_EQ(slurm_phase("A_STATE_OF_TOMORROW"), SlurmPhase::running);
}

/// A variable of the environment, set for a scope.
class Environment {
 public:
  Environment(std::string name, const std::string& value) : name_(std::move(name)) {
    if (const char* before = std::getenv(name_.c_str())) before_ = before;
    setenv(name_.c_str(), value.c_str(), 1);
  }
  ~Environment() { before_ ? setenv(name_.c_str(), before_->c_str(), 1) : unsetenv(name_.c_str()); }
  Environment(const Environment&) = delete;
  Environment& operator=(const Environment&) = delete;

 private:
  std::string name_;
  std::optional<std::string> before_;
};

TEST(SlurmLauncher, SaysWhichProgramIsMissing) {
  const TemporaryFolder empty;
  const Environment path("PATH", empty.path().string());
  EXPECT_EQ(message_of([&] { SlurmLauncher(empty.path(), {}, 0); }),
            "--launcher slurm: sbatch is not on the PATH; start the sweep where Slurm's commands are (a login node of "
            "the cluster), or use --launcher local");
}

TEST(SlurmLauncher, RefusesOptionsThatItSetsItself) {
  const auto message = [](const std::string& option) {
    SlurmParams params;
    params.options = {option};
    return message_of([&] { SlurmLauncher("sweep", params, 0); });
  };
  EXPECT_EQ(message("--array=1-3"), "slurm options: --array is set by the sweep itself; leave it out");
  EXPECT_EQ(message("-J name"), "slurm options: -J is set by the sweep itself; leave it out");
  EXPECT_EQ(message("constraint=a100"),
            "slurm options: \"constraint=a100\" is no option of sbatch; each is one word, as \"--constraint=a100\"");
}

/// munged, slurmctld and slurmd, for the life of this object.
class LoopbackSlurm {
 public:
  explicit LoopbackSlurm(const std::vector<std::string>& settings) {
    int input[2], output[2];
    if (pipe2(input, O_CLOEXEC) != 0 || pipe2(output, O_CLOEXEC) != 0) throw Error("no pipe");
    std::vector<std::string> words{ORBWEAVER_SOURCE_DIR "/tests/end_to_end/slurm_on_loopback.sh",
                                   folder_.path().string()};
    words.insert(words.end(), settings.begin(), settings.end());
    std::vector<char*> argv;
    for (std::string& word : words) argv.push_back(word.data());
    argv.push_back(nullptr);
    posix_spawn_file_actions_t files;
    posix_spawn_file_actions_init(&files);
    posix_spawn_file_actions_adddup2(&files, input[0], STDIN_FILENO);
    posix_spawn_file_actions_adddup2(&files, output[1], STDOUT_FILENO);
    const int error = posix_spawn(&pid_, argv[0], &files, nullptr, argv.data(), environ);
    posix_spawn_file_actions_destroy(&files);
    close(input[0]);
    close(output[1]);
    input_ = input[1];
    if (error != 0) throw Error("cannot start " + words[0]);
    for (char c; read(output[0], &c, 1) == 1 && c != '\n';) answer_ += c;
    close(output[0]);
    if (ready()) setenv("SLURM_CONF", (folder_.path() / "slurm.conf").c_str(), 1);
  }
  ~LoopbackSlurm() {
    unsetenv("SLURM_CONF");
    close(input_);
    waitpid(pid_, nullptr, 0);
  }
  LoopbackSlurm(const LoopbackSlurm&) = delete;
  LoopbackSlurm& operator=(const LoopbackSlurm&) = delete;

  bool ready() const { return answer_ == "ready"; }
  const std::string& answer() const { return answer_; }

 private:
  TemporaryFolder folder_;
  pid_t pid_ = 0;
  int input_ = -1;
  std::string answer_;
};

class Slurm : public ::testing::Test {
 protected:
  static void SetUpTestSuite() { slurm_ = std::make_unique<LoopbackSlurm>(std::vector<std::string>{"MaxArraySize=4"}); }
  static void TearDownTestSuite() { slurm_.reset(); }
  void SetUp() override {
    if (!slurm_->ready()) GTEST_SKIP() << "no Slurm here: " << slurm_->answer();
    params_.poll = 0.2;
    params_.outcome_wait = 1;
    report_.line = [this](const std::string& text) { lines_ += text + "\n"; };
    report_.stop = &stop_;
  }
  void TearDown() override {
    if (slurm_->ready()) run_slurm_command({"scancel", "--user=" + std::to_string(getuid())});
  }

  /// A run that is a line of shell; $outcome and $token are its own, and `finish` leaves the outcome as a worker does.
  Job job(const std::string& name, const std::string& token, const std::string& shell,
          const std::vector<std::string>& arguments = {}) const {
    Job job;
    job.name = name;
    job.folder = folder_.path() / "runs" / name;
    job.outcome = job.folder / "outcome.json";
    job.token = token;
    job.command = {"/bin/sh",
                   "-c",
                   "token=$1 outcome=$2; shift 2; cd \"${outcome%/*}\"; finish() { echo '{\"token\": \"'$token'\"}' "
                   ">$outcome.new; mv $outcome.new $outcome; }; " +
                       shell,
                   "worker",
                   token,
                   job.outcome.string()};
    job.command.insert(job.command.end(), arguments.begin(), arguments.end());
    return job;
  }

  /// Runs the jobs. `each` is called with every change, and may set stop_.
  std::vector<JobStatus> launch(const std::vector<Job>& jobs, int64_t at_once = 0,
                                const std::function<void(size_t, const JobStatus&)>& each = {}) {
    std::vector<JobStatus> ends(jobs.size());
    SlurmLauncher(folder_.path(), params_, at_once)
        .run(
            jobs,
            [&](size_t i, const JobStatus& status) {
              ends.at(i) = status;
              if (each) each(i, status);
            },
            report_);
    return ends;
  }

  /// Starts jobs and stops watching as soon as the first runs.
  std::vector<JobStatus> launch_and_leave(const std::vector<Job>& jobs) {
    const auto ends = launch(jobs, 0, [&](size_t, const JobStatus& status) {
      if (status.state == JobState::running) stop_ = true;
    });
    stop_ = false;
    return ends;
  }

  /// What a job's last process said: the log without the line that begins its part.
  std::string said(const std::string& name) const {
    const std::string log = read_file(folder_.path() / "runs" / name / "process.log");
    const size_t mark = log.rfind("=== " + name);
    return mark == std::string::npos ? "no mark in: " + log : log.substr(log.find('\n', mark) + 1);
  }
  fs::path registry() const { return folder_.path() / "slurm" / "jobs.json"; }
  /// Waits until no task of the only array is in the queue any more.
  void wait_for_the_end() const {
    std::string ignored;
    const std::string name = read_json(registry()).at("arrays").as_list().at(0).at("name").as_string();
    while (slurm_phase(slurm_queue({name}, ignored)->at(0).state) != SlurmPhase::over)
      std::this_thread::sleep_for(milliseconds(50));
  }
  int64_t first_id() const { return read_json(registry()).at("arrays").as_list().at(0).at("id").as_int(); }

  inline static std::unique_ptr<LoopbackSlurm> slurm_;
  TemporaryFolder folder_;
  SlurmParams params_;
  std::atomic<bool> stop_{false};
  std::string lines_;
  RunReport report_;
};

TEST_F(Slurm, TellsOfEachJobHowItEndedAndItsOutcomeDecides) {
  // Five jobs, and an array of this cluster has four tasks at most.
  const auto ends = launch({job("good", "t1", "echo hello; finish"), job("bad_status", "t2", "echo oops >&2; exit 3"),
                            job("killed", "t3", "kill -9 $$"), job("silent", "t4", "exit 0"),
                            job("good_with_bad_status", "t5", "finish; exit 1")});
  EXPECT_EQ(ends[0].state, JobState::finished);
  EXPECT_EQ(said("good"), "hello\n");
  EXPECT_EQ(ends[1].state, JobState::failed);
  EXPECT_NE(ends[1].reason.find("ended with status 3"), std::string::npos) << ends[1].reason;
  EXPECT_EQ(said("bad_status"), "oops\n");
  EXPECT_NE(ends[2].reason.find("ended by signal 9 (SIGKILL; out of memory?)"), std::string::npos) << ends[2].reason;
  EXPECT_NE(ends[3].reason.find("without an outcome in"), std::string::npos) << ends[3].reason;
  EXPECT_EQ(ends[4].state, JobState::finished);
  EXPECT_NE(lines_.find(": 4 runs, 1 processors each"), std::string::npos) << lines_;
  EXPECT_NE(lines_.find(": 1 runs, 1 processors each"), std::string::npos) << lines_;
}

TEST_F(Slurm, AnOutcomeOfAnotherLaunchDoesNotCount) {
  testing::write_text(folder_.path() / "runs/a/outcome.json", "{\"token\": \"of before\"}");
  EXPECT_EQ(launch({job("a", "now", "exit 0")})[0].state, JobState::failed);
}

TEST_F(Slurm, ArgumentsArriveAsTheyWere) {
  const std::vector<std::string> words{"it's", "a b", "$HOME `id`", "two\nlines", "", "*", "\\", "\"", "Zürich %a"};
  ASSERT_EQ(launch({job("words", "t", "for word; do printf '%s\\0' \"$word\"; done >words; finish", words)})[0].state,
            JobState::finished);
  std::string expected;
  for (const std::string& word : words) expected += word + '\0';
  EXPECT_EQ(read_file(folder_.path() / "runs/words/words"), expected);
}

TEST_F(Slurm, AJobGetsItsProcessorsTheSettingsAndTheSetup) {
  params_.time = "5";
  params_.partition = "loopback";
  params_.options = {"--comment=a table"};
  params_.setup = {"export LOADED='a module'"};
  Job two = job("two", "t", "echo $SLURM_CPUS_PER_TASK $LOADED; scontrol show job $SLURM_JOB_ID >details; finish");
  two.threads = 2;
  Job one = job("one", "t", "echo $SLURM_CPUS_PER_TASK; finish");
  const auto ends = launch({two, one});
  EXPECT_EQ(ends[0].state, JobState::finished) << ends[0].reason;
  EXPECT_EQ(said("two"), "2 a module\n");
  EXPECT_EQ(said("one"), "1\n");
  const std::string details = read_file(two.folder / "details");
  EXPECT_NE(details.find("TimeLimit=00:05:00"), std::string::npos) << details;
  EXPECT_NE(details.find("Comment=a table"), std::string::npos) << details;
}

TEST_F(Slurm, NoMoreRunsAtOnceThanAskedFor) {
  std::vector<Job> jobs;
  // A folder is made by one at a time: a second one fails. Five jobs are two arrays here.
  for (int i = 0; i < 5; ++i)
    jobs.push_back(job(fmt::format("j{}", i), "t", "mkdir ../lock && sleep 0.2 && rmdir ../lock && finish"));
  for (const JobStatus& end : launch(jobs, 1)) EXPECT_EQ(end.state, JobState::finished) << end.reason;
}

TEST_F(Slurm, AnOutcomeThatASharedFileSystemShowsLateIsWaitedFor) {
  const Job late = job("late", "t", "touch ended");
  params_.outcome_wait = 20;
  std::thread file_system([&] {
    while (!fs::exists(late.folder / "ended")) std::this_thread::sleep_for(milliseconds(20));
    std::this_thread::sleep_for(milliseconds(1500));
    write_atomically(late.outcome, "{\"token\": \"t\"}");
  });
  EXPECT_EQ(launch({late})[0].state, JobState::finished);
  file_system.join();
}

TEST_F(Slurm, StoppingLeavesTheJobsAndALaterStartFindsThem) {
  const std::string shell = "echo started >>../starts; until [ -e ../go ]; do sleep 0.1; done; finish";
  // Five jobs in two arrays; the second start has other tokens, as a sweep's has.
  std::vector<Job> before, after;
  for (int i = 0; i < 5; ++i) {
    before.push_back(job(fmt::format("j{}", i), fmt::format("old{}", i), shell));
    after.push_back(job(fmt::format("j{}", i), fmt::format("new{}", i), shell));
  }
  const auto left = launch_and_leave(before);
  for (const JobStatus& end : left) EXPECT_EQ(end.state, JobState::stopped);
  EXPECT_NE(left[0].reason.find("left in Slurm's queue as "), std::string::npos) << left[0].reason;
  EXPECT_NE(lines_.find("to cancel: scancel "), std::string::npos) << lines_;

  lines_.clear();
  testing::write_text(folder_.path() / "runs" / "go", "");
  for (const JobStatus& end : launch(after)) EXPECT_EQ(end.state, JobState::finished) << end.reason;
  EXPECT_EQ(lines_.find("submitted"), std::string::npos) << lines_;
  EXPECT_EQ(read_lines(folder_.path() / "runs" / "starts").size(), 5u);
}

TEST_F(Slurm, AJobThatEndedUnwatchedIsNotSubmittedAgain) {
  const std::string shell = "until [ -e ../go ]; do sleep 0.1; done; [ $0 = worker ] && exit 4";
  launch_and_leave({job("a", "t", shell)});
  testing::write_text(folder_.path() / "runs" / "go", "");
  wait_for_the_end();
  lines_.clear();
  const auto ends = launch({job("a", "t", shell)});
  EXPECT_EQ(ends[0].state, JobState::failed);
  EXPECT_NE(ends[0].reason.find("ended with status 4"), std::string::npos) << ends[0].reason;
  EXPECT_EQ(lines_.find("submitted"), std::string::npos) << lines_;
  // Asked for once more, as --retry-failed does, it runs again.
  EXPECT_EQ(launch({job("a", "t2", "finish")})[0].state, JobState::finished);
}

TEST_F(Slurm, AJobThatFailedUnwatchedRunsAgainWhereFailuresAreRetried) {
  const std::string shell =
      "until [ -e ../go ]; do sleep 0.1; done; [ -e ../mended ] && finish && exit; [ $0 = worker ] && exit 4";
  launch_and_leave({job("a", "old0", shell)});
  testing::write_text(folder_.path() / "runs" / "go", "");
  wait_for_the_end();
  testing::write_text(folder_.path() / "runs" / "mended", "");
  Job again = job("a", "new0", shell);
  again.retry = true;
  lines_.clear();
  EXPECT_EQ(launch({again})[0].state, JobState::finished);
  EXPECT_NE(lines_.find("submitted"), std::string::npos) << lines_;
}

TEST_F(Slurm, AnArrayThatIsAcceptedAfterSbatchGaveUpDoesNothingBesideTheNext) {
  const fs::path bin = folder_.path() / "bin", late = folder_.path() / "late";
  testing::write_text(bin / "sbatch", "#!/bin/bash\nlate=" + late.string() +
                                          "\ncp \"${!#}\" $late.sh\n"
                                          "(sleep 1; PATH=${PATH#*:} sbatch \"${@:1:$#-1}\" $late.sh >$late.new; mv "
                                          "$late.new $late) </dev/null >/dev/null 2>&1 &\n"
                                          "echo 'sbatch: error: Batch job submission failed: Socket timed out on "
                                          "send/recv operation' >&2\nexit 1\n");
  fs::permissions(bin / "sbatch", fs::perms::owner_all);
  const Job a = job("a", "t", "echo started >>../starts; sleep 2; finish");
  {
    const Environment path("PATH", bin.string() + ":" + std::getenv("PATH"));
    const std::string message = message_of([&] { launch({a}); });
    EXPECT_NE(message.find("Socket timed out"), std::string::npos) << message;
  }
  EXPECT_EQ(launch({a})[0].state, JobState::finished);
  while (!fs::exists(late)) std::this_thread::sleep_for(milliseconds(20));
  const std::string id = read_lines(late).at(0);
  const auto over = [&] {
    const std::string state =
        run_slurm_command({"squeue", "--noheader", "--states=all", "--jobs=" + id, "--format=%T"}).out;
    return slurm_phase(state.substr(0, state.find('\n'))) == SlurmPhase::over;
  };
  while (!over()) std::this_thread::sleep_for(milliseconds(50));
  EXPECT_EQ(read_lines(folder_.path() / "runs" / "starts").size(), 1u);
}

TEST_F(Slurm, ASweepKilledWhileItSubmittedFindsItsArrayByName) {
  const Job a = job("a", "t", "echo started >>../starts; until [ -e ../go ]; do sleep 0.1; done; finish");
  launch_and_leave({a});
  Value content = read_json(registry());
  content["arrays"].as_list().at(0)["id"] = 0;
  write_atomically(registry(), to_json(content));
  testing::write_text(folder_.path() / "runs" / "go", "");
  EXPECT_EQ(launch({a})[0].state, JobState::finished);
  EXPECT_EQ(read_lines(folder_.path() / "runs" / "starts").size(), 1u);
}

TEST_F(Slurm, ATaskThatSlurmForgotIsSubmittedAgain) {
  const Job a = job("a", "t", "[ -e ../again ] && finish; sleep 60");
  launch_and_leave({a});
  run_slurm_command({"scancel", std::to_string(first_id())});
  Value content = read_json(registry());
  content["arrays"].as_list().at(0)["name"] = "a-name-that-was-never-submitted";
  write_atomically(registry(), to_json(content));
  testing::write_text(folder_.path() / "runs" / "again", "");
  EXPECT_EQ(launch({a})[0].state, JobState::finished);
}

TEST_F(Slurm, AJobThatChangedReplacesItsTaskInTheQueue) {
  const std::string shell = "touch started; [ \"$1\" = other ] && finish && exit; sleep 60; touch old";
  launch_and_leave({job("a", "t", shell)});
  while (!fs::exists(folder_.path() / "runs/a/started")) std::this_thread::sleep_for(milliseconds(20));
  const auto ends = launch({job("a", "t2", shell, {"other"})});
  EXPECT_EQ(ends[0].state, JobState::finished) << ends[0].reason;
  EXPECT_NE(lines_.find("a changed since it was submitted as"), std::string::npos) << lines_;
  EXPECT_FALSE(fs::exists(folder_.path() / "runs/a/old"));
  // The log of the cancelled task says so itself.
  EXPECT_NE(read_file(folder_.path() / "runs/a/process.log").find("CANCELLED"), std::string::npos);
}

TEST_F(Slurm, AJobThatSomebodyCancelsIsStoppedAndRunsAtTheNextStart) {
  const Job a = job("a", "t", "[ -e ../second ] && finish || sleep 60");
  const auto ends = launch({a}, 0, [&](size_t, const JobStatus& status) {
    if (status.state == JobState::running) run_slurm_command({"scancel", std::to_string(first_id())});
  });
  EXPECT_EQ(ends[0].state, JobState::stopped);
  EXPECT_NE(ends[0].reason.find("was cancelled"), std::string::npos) << ends[0].reason;
  testing::write_text(folder_.path() / "runs" / "second", "");
  EXPECT_EQ(launch({a})[0].state, JobState::finished);
}

TEST_F(Slurm, JobsThatSomebodyCancelsBeforeTheyBeginAreStopped) {
  params_.options = {"--hold"};
  report_.line = [&](const std::string& text) {
    if (text.find("submitted") != std::string::npos)
      run_slurm_command({"scancel", "--user=" + std::to_string(getuid())});
  };
  for (const JobStatus& end : launch({job("a", "t1", "finish"), job("b", "t2", "finish")})) {
    EXPECT_EQ(end.state, JobState::stopped);
    EXPECT_NE(end.reason.find("was cancelled"), std::string::npos) << end.reason;
  }
}

TEST_F(Slurm, WhatSbatchRefusesIsToldInItsWords) {
  params_.partition = "nowhere";
  const std::string message = message_of([&] { launch({job("a", "t", "finish")}); });
  EXPECT_NE(message.find("Slurm refused the runs: sbatch: "), std::string::npos) << message;
  EXPECT_NE(message.find("nvalid partition"), std::string::npos) << message;
  // Nothing is left that a next start would look for.
  EXPECT_TRUE(read_json(registry()).at("arrays").as_list().empty());
}

/// Sweeps of the demo's method, made small, on synthetic scenes.
class SlurmSweep : public Slurm {
 protected:
  std::string run(const std::vector<std::string>& arguments, int status = 0) const {
    testing::Command command(arguments, folder_.path());
    EXPECT_EQ(command.wait(), status) << command.err();
    return command.err();
  }
  /// @param second  the variant beside "plain"
  fs::path sweep_file(const std::string& second) const;
};

fs::path SlurmSweep::sweep_file(const std::string& second) const {
  const fs::path root = folder_.path();
  run({"data", "synth", (root / "data").string(), "--images", "40", "--seed", "3"});
  Value sweep;
  sweep["name"] = "small";
  sweep["base"] = ORBWEAVER_SOURCE_DIR "/configs/methods/demo.json";
  sweep["overrides"] = Value::list();
  for (const std::string& text :
       {"dataset.root=" + (root / "data").string(), "cache=" + (root / "cache").string(), std::string("train.epochs=1"),
        std::string("train.batch_size=16"), std::string("train.threads=1"), std::string("model.image.encoder.size=32")})
    sweep["overrides"].push_back(text);
  sweep["variants"] = Value::list();
  sweep["variants"].push_back(parse_json(R"({"name": "plain"})", ""));
  sweep["variants"].push_back(parse_json(second, ""));
  sweep["seeds"] = parse_json("[1]", "");
  sweep["baseline"] = "plain";
  sweep["slurm"] = parse_json(R"({"poll": 0.3, "outcome_wait": 5})", "");
  testing::write_text(root / "small.json", to_json(sweep));
  return root / "small.json";
}

TEST_F(SlurmSweep, GivesTheTableThatTheLocalLauncherGives) {
  const fs::path root = folder_.path();
  const std::string file = sweep_file(R"({"name": "wide", "overrides": ["model.embed_dim=160"]})").string();
  run({"sweep", file, "--out", (root / "local").string(), "--jobs", "2"});
  const std::vector<std::string> on_slurm{"sweep",       file,      "--out",  (root / "slurm").string(),
                                          "--launcher",  "slurm",   "--jobs", "2",
                                          "--partition", "loopback"};
  const std::string told = run(on_slurm);
  EXPECT_NE(told.find("2 runs, 1 processors each, partition loopback"), std::string::npos) << told;

  EXPECT_EQ(read_file(root / "local/table.csv"), read_file(root / "slurm/table.csv"));
  const Value local = read_json(root / "local/results.json"), slurm = read_json(root / "slurm/results.json");
  for (size_t i = 0; i < 2; ++i) {
    const Value &a = local.at("variants").as_list().at(i), &b = slurm.at("variants").as_list().at(i);
    ASSERT_FALSE(a.at("rows").as_list().empty());
    EXPECT_EQ(to_json(a.at("rows")), to_json(b.at("rows")));
    EXPECT_EQ(to_json(a.at("runs").as_list().at(0).at("rows")), to_json(b.at("runs").as_list().at(0).at("rows")));
  }
  // What is finished is not submitted once more.
  EXPECT_EQ(run(on_slurm).find("submitted"), std::string::npos);
}

TEST_F(SlurmSweep, ARunWhoseTrainingWasCancelledInAnotherWaitsForIt) {
  const fs::path root = folder_.path(), out = root / "out";
  const std::vector<std::string> arguments{
      "sweep",
      sweep_file(R"({"name": "reranked", "overrides": ["rerank={\"use\": \"multivariate\", \"k\": 5}"]})").string(),
      "--out",
      out.string(),
      "--launcher",
      "slurm",
      "--partition",
      "loopback"};
  {
    testing::Command command(arguments, root);
    ASSERT_TRUE(command.wait_until([&] { return command.err().find("submitted") != std::string::npos; }))
        << command.err();
    run_slurm_command({"scancel", "--user=" + std::to_string(getuid())});
    EXPECT_EQ(command.wait(), 1);
    EXPECT_NE(command.err().find("stopped with 2 runs unfinished"), std::string::npos) << command.err();
  }
  const auto status = [&](size_t variant) {
    const Value results = read_json(out / "results.json");
    return results.at("variants").as_list().at(variant).at("runs").as_list().at(0).at("status").as_string();
  };
  EXPECT_EQ(status(0), "stopped");
  EXPECT_EQ(status(1), "waiting");
  run(arguments);
  EXPECT_EQ(status(0), "finished");
  EXPECT_EQ(status(1), "finished");
}

}  // namespace
}  // namespace orbweaver
