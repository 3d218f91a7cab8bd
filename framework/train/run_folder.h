// A run folder: config.json, record.json, metrics.jsonl, best.safetensors, last.safetensors, log.txt, and
// bad_batch.json where a loss was not finite; tensorboard/ with the curves.
#pragma once

#include <cstdio>
#include <filesystem>
#include <string>
#include <vector>

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

  bool started() const;
  /// Appends a line to log.txt, with the time of day in front.
  void append_log(const std::string& line) const;
  /// Appends one line of JSON to metrics.jsonl.
  void append_metrics(const Value& line) const;
  /// Keeps the lines of metrics.jsonl up to this epoch: what a resumed run has not repeated.
  void keep_metrics_until(int64_t epoch) const;

 private:
  std::filesystem::path folder_;
};

/// Leaves a folder as it was found where a run ends before it saved anything, so that the corrected command finds no
/// run there: a wrong dataset, batch size or weights file shows after the folder was begun.
class UnsavedRun {
 public:
  /// Sees what is there, before the run begins.
  explicit UnsavedRun(const RunFolder& folder);
  /// Removes what the run wrote to a folder that held none, unless it saved a state or a batch that failed.
  void take_back() const;

 private:
  RunFolder folder_;
  bool started_before_;
  std::vector<std::filesystem::path> made_;  // by the run, as far as they exist now
};

/// An epoch's line of metrics.jsonl as TensorBoard shows it: "loss/total", "loss/PART", "train/lr",
/// "train/pairs_per_second" and, where the epoch was validated, "val/mR", "val/i2t R@1" and so on.
Scalars epoch_scalars(const Value& line);

}  // namespace orbweaver
