// A run folder: config.json, record.json, metrics.jsonl, best.safetensors, last.safetensors, log.txt, and
// bad_batch.json where a loss was not finite; tensorboard/ with the curves; lock while a training is at work.
#pragma once

#include <cstdio>
#include <ctime>
#include <filesystem>
#include <string>
#include <vector>

#include "framework/io/file_lock.h"
#include "framework/io/tensorboard.h"
#include "orbweaver/value.h"

namespace orbweaver {

class RunFolder {
 public:
  explicit RunFolder(std::filesystem::path folder) : folder_(std::move(folder)) {}

  const std::filesystem::path& path() const { return folder_; }
  std::filesystem::path config() const { return folder_ / "config.json"; }
  std::filesystem::path record() const { return folder_ / "record.json"; }
  std::filesystem::path metrics() const { return folder_ / "metrics.jsonl"; }
  std::filesystem::path best() const { return folder_ / "best.safetensors"; }
  std::filesystem::path last() const { return folder_ / "last.safetensors"; }
  /// The items of a batch whose loss was not finite.
  std::filesystem::path bad_batch() const { return folder_ / "bad_batch.json"; }
  std::filesystem::path log() const { return folder_ / "log.txt"; }
  /// The folder of TensorBoard's event file.
  std::filesystem::path tensorboard() const { return folder_ / "tensorboard"; }
  /// Locked by the training, or the sweep's run, that is at work in the folder.
  std::filesystem::path lock() const { return folder_ / "lock"; }

  bool started() const;
  /// Whether it holds a state, results or curves of a training.
  bool saved() const;
  /// Appends a line to log.txt, with the time of day in front.
  void append_log(const std::string& line, std::time_t at = std::time(nullptr)) const;
  /// Appends one line of JSON to metrics.jsonl.
  void append_metrics(const Value& line) const;
  /// How many epochs metrics.jsonl tells of.
  int64_t epochs() const;
  /// Keeps the lines of metrics.jsonl up to this epoch: what a resumed run has not repeated.
  void keep_metrics_until(int64_t epoch) const;
  /// Removes what trainings and evaluations saved, so that one that begins anew has nothing of another beside it. The
  /// state goes first: what a kill leaves of the others is then no run that could go on.
  void remove_results() const;

 private:
  std::filesystem::path folder_;
};

/// A training's hold on its folder: its lock, and what was there before. A run that ends before it saved anything
/// leaves the folder as it was found, so that the corrected command finds no run there: a wrong dataset, batch size or
/// weights file shows after the folder was begun.
class RunClaim {
 public:
  /// Makes the folder where there is none.
  /// @param locked  whether the caller holds RunFolder::lock() already
  /// @throws InputError where another process holds it
  RunClaim(const RunFolder& folder, bool locked);
  /// Takes the lock's file away with the lock.
  ~RunClaim() { lock_.remove(); }
  RunClaim(const RunClaim&) = delete;
  RunClaim& operator=(const RunClaim&) = delete;

  /// Why the folder could not be locked; empty: it is. A training goes on all the same.
  const std::string& unlocked() const { return unlocked_; }
  /// Gives the lock back, and removes what the run wrote to a folder that held none, unless it saved a state or a batch
  /// that failed.
  void take_back();

 private:
  void take_lock();

  RunFolder folder_;
  FileLock lock_;
  std::string unlocked_;
  bool started_before_ = false;
  std::vector<std::filesystem::path> made_files_, made_folders_;  // by the run, as far as they exist now
};

/// An epoch's line of metrics.jsonl as TensorBoard shows it: "loss/total", "loss/PART", "train/lr",
/// "train/pairs_per_second" and, where the epoch was validated, "val/mR", "val/i2t R@1" and so on.
Scalars epoch_scalars(const Value& line);

}  // namespace orbweaver
