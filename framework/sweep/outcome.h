// What is left of a run in its folder: who it is, whether it is trained, how it
// ended.
#pragma once

#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <vector>

#include "framework/eval/saved_ranks.h"
#include "orbweaver/value.h"

namespace orbweaver {

/// outcome.json of a run folder: how its last process ended. Written by that
/// process, atomically and last, or by the sweep for a process that could not.
struct RunOutcome {
  std::string status;      ///< "finished", "failed" or "stopped"
  std::string token;       ///< of the launch that finished it; empty unless finished
  std::string launch;      ///< of the launch that it is about
  std::string training;    ///< hash of Identifier::training
  std::string evaluation;  ///< hash of Identifier::evaluation
  std::string reason;      ///< of a failure, one line
  std::vector<std::string> log_tail;
  double seconds = 0;          ///< of its processes, those that were killed not counted
  double epoch_seconds = 0;    ///< mean over the epochs
  double peak_memory_mib = 0;  ///< of the process that trained it
  int64_t best_epoch = 0;
  double val_mean_recall = 0;
  std::string trained_as;  ///< name of the run whose training it shares; empty: its own
  Value rows;              ///< to_value of its EvaluationRows

  Value to_value() const;
  static RunOutcome from(const Value& value);
};

/// The ranks of a run that are of its outcome's rows, or none.
struct KeptRanks {
  std::optional<SavedRanks> ranks;
  std::string why_lost;  ///< missing, damaged, or of another evaluation, one line; empty with ranks
};

/// A run's folder as a sweep keeps it.
class SweepRunFolder {
 public:
  explicit SweepRunFolder(std::filesystem::path folder) : folder_(std::move(folder)) {}
  const std::filesystem::path& path() const { return folder_; }
  std::filesystem::path job() const { return folder_ / "job.json"; }            ///< what its process is to do
  std::filesystem::path identity() const { return folder_ / "identity.json"; }  ///< what the files here were made from
  std::filesystem::path outcome() const { return folder_ / "outcome.json"; }
  std::filesystem::path log() const { return folder_ / "process.log"; }
  std::filesystem::path lock() const { return folder_ / "lock"; }
  std::filesystem::path scores(const std::string& split) const { return folder_ / ("scores." + split + ".npy"); }
  std::filesystem::path scores_t2i(const std::string& split) const {
    return folder_ / ("scores." + split + ".t2i.npy");
  }

  /// Identifier::training of what the folder holds, or nothing. A damaged file
  /// counts as none.
  std::optional<Value> identity_parts() const;
  /// The outcome, or nothing where there is none or it cannot be read.
  std::optional<RunOutcome> read_outcome() const;
  void write(const RunOutcome& outcome) const;
  /// Whether the folder holds the finished training of that identity.
  bool trained(const std::string& training) const;
  /// The ranks of the split that are kept here, read and held against the outcome's rows.
  KeptRanks kept_ranks(const RunOutcome& outcome, const std::string& split) const;
  /// KeptRanks::why_lost: a run whose ranks are lost is evaluated again.
  std::string why_ranks_lost(const RunOutcome& outcome, const std::string& split) const {
    return kept_ranks(outcome, split).why_lost;
  }
  /// The last lines of the process's log, progress lines left out.
  std::vector<std::string> log_tail(size_t lines = 6) const;

 private:
  std::filesystem::path folder_;
};

/// Removes the temporary files that killed processes left in a folder which this process alone writes to.
void remove_leftovers(const std::filesystem::path& folder);

}  // namespace orbweaver
