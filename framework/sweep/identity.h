// What a trained run is a function of. Two runs with the same identity are the
// same run, wherever their files lie.
#pragma once

#include <cstdint>
#include <filesystem>
#include <map>
#include <string>
#include <utility>
#include <vector>

#include "framework/config/config.h"
#include "orbweaver/value.h"

namespace orbweaver {

class PluginHost;

/// Content hashes of files, remembered by path, size and time of change in one
/// small file, so that unchanged files are not read again. A file that changed
/// within the last two seconds is not remembered: it could change once more
/// without its time telling.
class FileHashes {
 public:
  /// @param memory  the file; empty: nothing is remembered. One that cannot be
  /// read is started anew.
  explicit FileHashes(std::filesystem::path memory);
  /// Saves what is new; a failure to do so only costs time and is not reported.
  ~FileHashes();
  FileHashes(const FileHashes&) = delete;
  FileHashes& operator=(const FileHashes&) = delete;

  /// Hash of a file's content, or of all files in a folder with their names in
  /// it; "missing" where there is nothing.
  std::string of(const std::filesystem::path& path);
  /// One hash of many files, each under a label that stands for its place:
  /// contents count, paths do not.
  std::string of_all(const std::vector<std::pair<std::string, std::filesystem::path>>& labelled);
  void save();

 private:
  std::filesystem::path memory_;
  std::map<std::string, std::string> known_;  ///< hash of (path, size, time) -> content hash
  bool changed_ = false;
};

/// Identities of configs; datasets that several configs share are read once.
class Identifier {
 public:
  explicit Identifier(FileHashes& hashes) : hashes_(hashes) {}

  /// {"format": 1, "orbweaver": version, "libtorch": version, "config": {...},
  /// "files": {place: hash},
  ///  "data": {"splits": hash, "images": hash, "detections": hash, "triples":
  ///  hash}, "plugins": {stem: hash}}.
  ///
  /// "config" is the resolved config without names, paths and rerankers, and
  /// without what changes no result (workers, checkpoint_every, tensorboard).
  /// Plugins are those whose components are trained or make its inputs.
  /// @throws InputError on a dataset that cannot be read.
  Value training(const Config& config, PluginHost& plugins);

  /// The same for an evaluation: {"training": hash, "split": "test", "rerank":
  /// [{"use", parameters, "plugin": hash}]}.
  Value evaluation(const Config& config, PluginHost& plugins, const std::string& training, const std::string& split);

 private:
  const Value& data(const Config& config);

  FileHashes& hashes_;
  std::map<std::string, Value> data_;  ///< by the dataset's resolved config
};

/// Hash of a value's text.
std::string hash_value(const Value& value);

/// Where two values differ, one line each: "/train/lr: 0.001 -> 0.0002". An
/// object that names another component by "use" is one difference, not many; a
/// hash shows its first digits.
std::vector<std::string> value_differences(const Value& before, const Value& after, const std::string& pointer = "");

}  // namespace orbweaver
