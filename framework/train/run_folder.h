// A run folder: config.json, record.json, metrics.jsonl, best.safetensors, last.safetensors, log.txt, and
// bad_batch.json where a loss was not finite.
#pragma once

#include <cstdio>
#include <filesystem>
#include <string>

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

}  // namespace orbweaver
