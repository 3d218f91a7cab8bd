#include "framework/sweep/local_launcher.h"

#include <fcntl.h>
#include <fmt/chrono.h>
#include <fmt/format.h>
#include <signal.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <cstdlib>
#include <cstring>
#include <ctime>
#include <thread>

#include "framework/io/argv.h"
#include "framework/io/json.h"
#include "framework/sweep/outcome.h"
#include "orbweaver/error.h"

extern char** environ;

namespace orbweaver {
namespace fs = std::filesystem;
namespace {

/// Tells the process that its standard input is the pipe.
constexpr const char* watch_variable = "ORBWEAVER_END_WITH_PARENT";

/// Its reading end closes, for those who wait on it, when this process ends.
class LifePipe {
 public:
  LifePipe() {
    if (pipe2(ends_, O_CLOEXEC) != 0) throw Error(fmt::format("no pipe: {}", std::strerror(errno)));
  }
  ~LifePipe() {
    close(ends_[0]);
    close(ends_[1]);
  }
  LifePipe(const LifePipe&) = delete;
  LifePipe& operator=(const LifePipe&) = delete;
  int reading_end() const { return ends_[0]; }

 private:
  int ends_[2];
};

/// Marks in the log where a process begins: what is above belongs to those
/// before it.
void begin_log(const Job& job) {
  const fs::path log = SweepRunFolder(job.folder).log();
  const int descriptor = open(log.c_str(), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0666);
  if (descriptor < 0) throw Error(fmt::format("{}: cannot be written: {}", log.string(), std::strerror(errno)));
  const std::string line = fmt::format("=== {} {:%Y-%m-%d %H:%M:%S}\n", job.name, fmt::localtime(std::time(nullptr)));
  const ssize_t written = write(descriptor, line.data(), line.size());
  close(descriptor);
  if (written < 0) throw Error(fmt::format("{}: cannot be written: {}", log.string(), std::strerror(errno)));
}

std::vector<std::string> child_environment() {
  std::vector<std::string> out;
  const std::string own = std::string(watch_variable) + "=";
  for (char** entry = environ; *entry; ++entry)
    if (!std::string_view(*entry).starts_with(own)) out.emplace_back(*entry);
  out.push_back(own + "1");
  return out;
}

pid_t spawn(const Job& job, const LifePipe& pipe) {
  fs::create_directories(job.folder);
  begin_log(job);
  const std::string log = SweepRunFolder(job.folder).log().string();
  posix_spawn_file_actions_t files;
  posix_spawn_file_actions_init(&files);
  posix_spawn_file_actions_adddup2(&files, pipe.reading_end(), STDIN_FILENO);
  posix_spawn_file_actions_addopen(&files, STDOUT_FILENO, log.c_str(), O_WRONLY | O_CREAT | O_APPEND, 0666);
  posix_spawn_file_actions_adddup2(&files, STDOUT_FILENO, STDERR_FILENO);
  posix_spawnattr_t attributes;
  posix_spawnattr_init(&attributes);
  sigset_t signals;
  sigemptyset(&signals);
  posix_spawnattr_setsigmask(&attributes, &signals);
  sigaddset(&signals, SIGINT);
  sigaddset(&signals, SIGTERM);
  posix_spawnattr_setsigdefault(&attributes, &signals);
  posix_spawnattr_setpgroup(&attributes, 0);
  posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETPGROUP | POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF);

  std::vector<std::string> words = job.command, environment = child_environment();
  pid_t pid = 0;
  const int error =
      posix_spawn(&pid, words.at(0).c_str(), &files, &attributes, argv_of(words).data(), argv_of(environment).data());
  posix_spawnattr_destroy(&attributes);
  posix_spawn_file_actions_destroy(&files);
  if (error != 0) throw Error(fmt::format("{} cannot be started: {}", words[0], std::strerror(error)));
  return pid;
}

/// One call of LocalLauncher::run.
class Running {
 public:
  Running(std::span<const Job> jobs, const std::function<void(size_t, const JobStatus&)>& changed,
          const RunReport& report, int64_t at_once, int64_t processors)
      : jobs_(jobs), changed_(changed), report_(report), at_once_(at_once), processors_(processors) {}

  ~Running() {
    // Only where `changed` threw: the pipe's end ends them.
    for (const Child& child : children_) kill(child.pid, SIGKILL), waitpid(child.pid, nullptr, 0);
  }

  void run() {
    while (next_ < jobs_.size() || !children_.empty()) {
      if (report_.stopping() && !stopping_) stop();
      while (!stopping_ && next_ < jobs_.size() && fits(jobs_[next_])) start(next_++);
      reap();
      if (!children_.empty()) std::this_thread::sleep_for(std::chrono::milliseconds(20));
    }
  }

 private:
  struct Child {
    size_t job;
    pid_t pid;
  };

  bool fits(const Job& job) const {
    if (children_.empty()) return true;
    if (at_once_ > 0 && static_cast<int64_t>(children_.size()) >= at_once_) return false;
    int64_t used = job.threads;
    for (const Child& child : children_) used += jobs_[child.job].threads;
    return used <= processors_;
  }

  void start(size_t index) {
    try {
      children_.push_back({index, spawn(jobs_[index], pipe_)});
    } catch (const std::exception& error) {
      return changed_(index, {JobState::failed, error.what()});
    }
    changed_(index, {JobState::running, ""});
  }

  void reap() {
    for (size_t i = 0; i < children_.size();) {
      const Child child = children_[i];
      int status = 0;
      const pid_t ended = waitpid(child.pid, &status, WNOHANG);
      if (ended == 0 || (ended < 0 && errno == EINTR)) {
        ++i;
        continue;
      }
      children_.erase(children_.begin() + static_cast<std::ptrdiff_t>(i));
      changed_(child.job, ended < 0 ? JobStatus{JobState::failed, "its process was lost"} : end_of(child.job, status));
    }
  }

  JobStatus end_of(size_t index, int status) const {
    const Job& job = jobs_[index];
    if (holds_token(job.outcome, job.token)) return {JobState::finished, ""};
    if (stopping_) return {JobState::stopped, ""};
    return {JobState::failed, exit_reason(status)};
  }

  void stop() {
    stopping_ = true;
    for (const Child& child : children_) kill(child.pid, SIGINT);
    while (next_ < jobs_.size()) changed_(next_++, {JobState::stopped, ""});
  }

  std::span<const Job> jobs_;
  const std::function<void(size_t, const JobStatus&)>& changed_;
  const RunReport& report_;
  int64_t at_once_, processors_;
  LifePipe pipe_;
  std::vector<Child> children_;
  size_t next_ = 0;
  bool stopping_ = false;
};

}  // namespace

LocalLauncher::LocalLauncher(int64_t at_once, int64_t processors)
    : at_once_(at_once),
      processors_(processors > 0 ? processors
                                 : std::max<int64_t>(1, static_cast<int64_t>(std::thread::hardware_concurrency()))) {}

void LocalLauncher::run(std::span<const Job> jobs, const std::function<void(size_t, const JobStatus&)>& changed,
                        const RunReport& report) {
  Running(jobs, changed, report, at_once_, processors_).run();
}

bool holds_token(const fs::path& outcome, const std::string& token) {
  if (!fs::exists(outcome)) return false;
  try {
    const Value value = read_json(outcome);
    const Value* found = value.find("token");
    return found && found->is_string() && !token.empty() && found->as_string() == token;
  } catch (const Error&) {
    return false;
  }
}

std::string exit_reason(int wait_status) {
  if (WIFSIGNALED(wait_status)) {
    const int signal = WTERMSIG(wait_status);
    const char* name = sigabbrev_np(signal);
    return fmt::format("ended by signal {} (SIG{}{})", signal, name ? name : "?",
                       signal == SIGKILL ? "; out of memory?" : "");
  }
  if (WEXITSTATUS(wait_status) == 0) return "ended without leaving its outcome";
  return fmt::format("ended with status {}", WEXITSTATUS(wait_status));
}

void end_with_parent() {
  if (!std::getenv(watch_variable)) return;
  unsetenv(watch_variable);  // not for processes that this one starts
  std::thread([] {
    char byte;
    for (;;) {
      const ssize_t count = read(STDIN_FILENO, &byte, 1);
      if (count == 0 || (count < 0 && errno != EINTR)) _exit(1);
    }
  }).detach();
}

}  // namespace orbweaver
