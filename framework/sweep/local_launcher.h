// Runs as processes of this machine.
#pragma once

#include <cstdint>

#include "framework/sweep/launcher.h"

namespace orbweaver {

/// Starts jobs by posix_spawn, in order, as many at once as their threads leave
/// processors for; a job that wants more threads than there are processors runs
/// alone. Each has a process group of its own, so that a Ctrl-C reaches it
/// once, by way of the stop flag, which is handed on as SIGINT. Its output goes
/// to <folder>/process.log.
///
/// Its standard input is a pipe that closes when this process ends, however it
/// ends: see `end_with_parent`.
class LocalLauncher final : public Launcher {
 public:
  /// @param at_once     at most so many; 0: as many as fit
  /// @param processors  that jobs share; 0: those of this machine that this
  /// process may use
  explicit LocalLauncher(int64_t at_once, int64_t processors = 0);

  void run(std::span<const Job> jobs, const std::function<void(size_t job, const JobStatus&)>& changed,
           const RunReport& report) override;

  int64_t processors() const { return processors_; }

 private:
  int64_t at_once_, processors_;
};

/// Whether `outcome` holds the token: a job's own word that it finished.
bool holds_token(const std::filesystem::path& outcome, const std::string& token);

/// "ended by signal 9 (SIGKILL; out of memory?)", from what waitpid gave.
std::string exit_reason(int wait_status);

/// In a process that LocalLauncher started: ends it at once when its launcher's
/// process is gone, so that nothing trains on unseen beside a sweep that was
/// started again. What a run has saved by then stays whole: its files are
/// renamed into place. Does nothing in any other process.
void end_with_parent();

}  // namespace orbweaver
