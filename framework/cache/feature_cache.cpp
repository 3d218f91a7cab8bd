#include "framework/cache/feature_cache.h"

#include <fmt/format.h>

#include "orbweaver/error.h"

namespace orbweaver {
namespace fs = std::filesystem;

FeatureCache::FeatureCache(fs::path folder, std::function<void(const std::string&)> notice)
    : folder_(std::move(folder)), notice_(std::move(notice)) {}

fs::path FeatureCache::file_of(const std::string& key) const {
  return folder_ / key.substr(0, 2) / (key + ".safetensors");
}

std::unique_ptr<SafetensorsFile> FeatureCache::find(const std::string& key) const {
  if (folder_.empty()) return nullptr;
  const fs::path file = file_of(key);
  if (!fs::exists(file)) return nullptr;
  try {
    return std::make_unique<SafetensorsFile>(file);
  } catch (const InputError& damage) {
    if (notice_) notice_(fmt::format("{}; made again", damage.what()));
    std::error_code ignored;
    fs::remove(file, ignored);
    return nullptr;
  }
}

void FeatureCache::store(const std::string& key, const std::map<std::string, TensorEntry>& tensors,
                         const std::map<std::string, std::string>& metadata) const {
  if (!folder_.empty()) write_safetensors(file_of(key), tensors, metadata);
}

}  // namespace orbweaver
