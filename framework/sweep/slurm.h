// The runs of a sweep as job arrays of a Slurm cluster: sbatch, squeue, sacct.
#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>
#include <span>
#include <string>
#include <vector>

#include "framework/sweep/launcher.h"
#include "orbweaver/params.h"

namespace orbweaver {

/// The "slurm" object of a sweep file; every field can be given on the command line as well. An empty text leaves the
/// choice to the cluster (its default partition, the user's SBATCH_* variables).
struct SlurmParams {
  std::string partition, account, time, gres, mem;
  std::vector<std::string> options;  ///< further options of sbatch, each one word: "--constraint=a100"
  std::vector<std::string> setup;    ///< lines of shell before each run: "module load cuda"
  double poll = 10;                  ///< seconds
  double outcome_wait = 60;          ///< seconds
  static void describe(ParamSpec<SlurmParams>& p);
};

/// Starts jobs as arrays and watches them until each is over.
///
/// Everything it needs to find them again stands in `<sweep folder>/slurm`: the generated scripts, and jobs.json with
/// the arrays' names, ids, tasks and tokens. A launcher that is started again (after a kill, a Ctrl-C, a restart of
/// the login node) goes on watching a task that is still queued or running instead of submitting its job twice. A task
/// is that of a job when name and command agree; the token may differ, and wherever it stands in the command
/// it is left out of the comparison: an adopted task finishes with the token *of its submission*, which is the one that
/// its outcome holds. So a job that is reported as finished has its outcome, whatever token the caller made this time.
/// A task that failed while nobody watched is that job's end, unless the job is to be tried again (Job::retry).
///
/// An array that Slurm does not know is given up by removing its scripts: should the controller accept it after all,
/// late, its tasks end without doing anything.
///
/// A job whose command changed while its task was queued gets a new task, which waits for the old one's
/// end: that one is cancelled. Tasks of jobs that are not asked for this time are left alone.
///
/// The stop flag (Ctrl-C) ends the watching, not the jobs: they are reported as stopped, and a line says how to come
/// back and how to cancel them. A task that somebody cancels is reported as stopped, too: it did not fail.
class SlurmLauncher final : public Launcher {
 public:
  /// @param folder   the sweep's folder; must be visible on the cluster's nodes under the same path
  /// @param at_once  runs that may run at the same time (sbatch --array=…%N); 0: as many as the cluster gives
  /// @throws InputError when sbatch is not on the PATH, or an option of `params` is one that the launcher sets itself
  SlurmLauncher(const std::filesystem::path& folder, SlurmParams params, int64_t at_once);

  /// @throws InputError with Slurm's own words when it refuses a submission
  void run(std::span<const Job> jobs, const std::function<void(size_t job, const JobStatus&)>& changed,
           const RunReport& report) override;

 private:
  std::filesystem::path folder_;
  SlurmParams params_;
  int64_t at_once_;
};

}  // namespace orbweaver
