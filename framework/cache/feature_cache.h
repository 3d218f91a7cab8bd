// The feature cache: outputs of frozen stages on disk, content-addressed and checksummed.
#pragma once

#include <filesystem>
#include <functional>
#include <map>
#include <memory>
#include <string>

#include "framework/io/safetensors.h"

namespace orbweaver {

/// One safetensors file per key, named by it. Keys are hashes of everything that the content depends on, so an entry
/// never goes stale; it is written under a temporary name and renamed, so a partial one is never seen.
class FeatureCache {
 public:
  /// @param folder  empty: nothing is found and nothing kept.
  /// @param notice  is told, in one line, when an entry is damaged and will be made again.
  FeatureCache(std::filesystem::path folder, std::function<void(const std::string&)> notice);

  /// The entry, memory-mapped, or null when there is none.
  std::unique_ptr<SafetensorsFile> find(const std::string& key) const;
  void store(const std::string& key, const std::map<std::string, TensorEntry>& tensors,
             const std::map<std::string, std::string>& metadata) const;
  std::filesystem::path file_of(const std::string& key) const;
  const std::filesystem::path& folder() const { return folder_; }

 private:
  std::filesystem::path folder_;
  std::function<void(const std::string&)> notice_;
};

}  // namespace orbweaver
