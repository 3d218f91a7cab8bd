// What a trained run is a function of. Two runs with the same identity are the
// same run, wherever their files lie.
#pragma once

#include <filesystem>
#include <map>
#include <string>
#include <vector>

#include "framework/config/config.h"
#include "orbweaver/value.h"

namespace orbweaver {

class ContentHashes;
class PluginHost;

/// Where a sweep remembers hashes (ContentHashes): in the feature cache, or in the sweep's own folder where there is
/// none.
std::filesystem::path hash_records(const Config& config, const std::filesystem::path& sweep_folder);

/// Identities of configs; datasets that several configs share are read once.
class Identifier {
 public:
  explicit Identifier(ContentHashes& hashes) : hashes_(hashes) {}

  /// {"format": 1, "orbweaver": version, "libtorch": version, "config": {...},
  /// "files": {place: hash},
  ///  "data": {"splits": hash, "images": hash, "detections": hash, "triples":
  ///  hash}, "plugins": {stem: hash}}.
  ///
  /// "config" is the resolved config without names, paths and rerankers, and
  /// without what changes no result (workers, checkpoint_every, tensorboard).
  /// Files are what ContentHashes::of_path makes of each path that is set.
  /// Plugins are those whose components are trained or make its inputs.
  /// @throws InputError on a dataset that cannot be read.
  Value training(const Config& config, PluginHost& plugins);

  /// The same for an evaluation: {"training": hash, "split": "test", "rerank":
  /// [{"use", parameters, "plugin": hash}]} and, where the dataset has pairs of abilities, "abilities": hash.
  Value evaluation(const Config& config, PluginHost& plugins, const std::string& training, const std::string& split);

 private:
  const Value& data(const Config& config);

  ContentHashes& hashes_;
  std::map<std::string, Value> data_;  ///< by the dataset's resolved config
};

/// Hash of a value's text.
std::string hash_value(const Value& value);

/// Where two values differ, one line each: "/train/lr: 0.001 -> 0.0002". An
/// object that names another component by "use" is one difference, not many; a
/// hash shows its first digits.
std::vector<std::string> value_differences(const Value& before, const Value& after, const std::string& pointer = "");

}  // namespace orbweaver
