// The conversation with Slurm's commands: what is asked, how its answers read. No state is kept here.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "framework/sweep/launcher.h"

namespace orbweaver {

/// One task of an array as squeue or sacct tells of it.
struct SlurmTask {
  std::string array;      ///< the array's job name, unique to a submission
  int64_t id = 0;         ///< the array's job id
  int64_t index = 0;      ///< the task's number in it, or `the_rest`
  std::string state;      ///< "PENDING", "OUT_OF_MEMORY"
  std::string reason;     ///< why it waits: "Resources"
  std::string exit_code;  ///< "1:0": exit status and signal; empty where not told

  /// Stands for all tasks of its array that are not told of themselves: those that were cancelled before they began.
  static constexpr int64_t the_rest = -1;
};

/// Where a state of Slurm stands in a task's life. A word that no version known to us uses counts as running: whatever
/// it means, the task will leave the queue in the end.
enum class SlurmPhase { waiting, running, over };
SlurmPhase slurm_phase(std::string_view state);

/// How a task that is over ended, in words: failed with a reason, or stopped where somebody cancelled it.
/// @param outcome  the file that should hold the job's outcome and does not
JobStatus slurm_end(const SlurmTask& task, const std::string& outcome);

/// Lines "id|index|name|state|reason" of squeue; lines that are no tasks of arrays are left out. What is over and has
/// no index is the rest of an array.
std::vector<SlurmTask> parse_squeue(std::string_view text);
/// Lines "id_index|name|state|exit code" of sacct; tasks that still wait ("12_[3-5]") are left out.
std::vector<SlurmTask> parse_sacct(std::string_view text);

/// A word as a POSIX shell reads it back unchanged.
std::string shell_quoted(std::string_view word);

/// What a command said.
struct CommandOutput {
  int status = 0;  ///< exit status; 128 + signal
  std::string out, err;
  /// The first line of `err` (else of `out`) without "sbatch: error: ".
  std::string complaint() const;
};

/// Runs a command of Slurm and waits for it. It has its own process group, so that a Ctrl-C does not reach it, and
/// none of the variables that would narrow down what squeue, sacct and scancel see.
/// @throws Error when it cannot be started
CommandOutput run_slurm_command(const std::vector<std::string>& words);

/// Whether the PATH has that program.
bool on_path(const std::string& program);

/// Tasks of the user's arrays of these names, those over for less than the cluster's MinJobAge included.
/// @param complaint  why not, where Slurm does not answer: it may be starting again
std::optional<std::vector<SlurmTask>> slurm_queue(const std::vector<std::string>& arrays, std::string& complaint);

/// The same from the accounting, which keeps what the queue forgot. Empty where there is none.
std::vector<SlurmTask> slurm_accounting(const std::vector<std::string>& arrays, const std::vector<int64_t>& ids);

/// Exit status and signal of a task that is over, "" where Slurm forgot.
std::string slurm_exit_code(const SlurmTask& task);

/// The most tasks that an array of this cluster may have. @throws InputError where arrays are switched off
int64_t slurm_largest_array();

}  // namespace orbweaver
