// How the runs of a sweep become processes: on this machine, or on a cluster.
#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>
#include <span>
#include <string>
#include <vector>

#include "framework/io/report.h"

namespace orbweaver {

/// One run as a launcher sees it: a process that trains, evaluates and leaves its outcome in a file.
struct Job {
  std::string name;               ///< "galr_f3-s2"
  std::filesystem::path folder;   ///< run folder; the process's log goes to <folder>/process.log
  std::filesystem::path outcome;  ///< the process writes this file last, atomically
  /// What the outcome must hold under "token" to count: of this launch, not of one before.
  std::string token;
  std::vector<std::string> command;  ///< program and arguments; another command is another job
  int64_t threads = 1;               ///< processors that it uses (train.threads)
  bool retry = false;                ///< a failure of an earlier launch is no answer: it is to be tried again
};

enum class JobState { waiting, running, finished, failed, stopped };

/// How a job stands. `reason` is one line for a failed job: "ended by signal 9 (SIGKILL; out of memory?)".
struct JobStatus {
  JobState state = JobState::waiting;
  std::string reason;
};

class Launcher {
 public:
  virtual ~Launcher() = default;

  /// Runs all jobs and returns when each has finished, failed or, after the report's stop flag, stopped. A job that
  /// fails takes no other with it. A job counts as finished when its outcome holds its token, whatever its exit status.
  /// @param changed  is told, on the calling thread, each time a job's state changes
  virtual void run(std::span<const Job> jobs, const std::function<void(size_t job, const JobStatus&)>& changed,
                   const RunReport& report) = 0;
};

}  // namespace orbweaver
