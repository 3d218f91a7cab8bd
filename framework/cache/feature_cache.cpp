#include "framework/cache/feature_cache.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>

#include <thread>

#include "framework/cache/cache_folder.h"
#include "orbweaver/error.h"

namespace orbweaver {
namespace fs = std::filesystem;
namespace {

constexpr const char* key_name = "orbweaver.key";

std::string key_text(const CacheKey& key) { return key.hash + "." + key.kind; }

/// An entry of another key is as damaged as one that does not match its checksum.
void check_identity(const SafetensorsFile& file, const CacheKey& key) {
  file.require_checksum();
  const auto& metadata = file.metadata();
  const auto stored = metadata.find(key_name);
  if (stored == metadata.end() || stored->second != key_text(key))
    throw InputError(fmt::format("{}: is damaged: it does not hold what its name says", file.path().string()));
}

}  // namespace

FeatureCache::FeatureCache(fs::path folder, std::function<void(const std::string&)> notice)
    : FeatureCache(std::move(folder), std::move(notice), Options()) {}

FeatureCache::FeatureCache(fs::path folder, std::function<void(const std::string&)> notice, const Options& options)
    : folder_(std::move(folder)), notice_(std::move(notice)), options_(options) {}

fs::path FeatureCache::file_of(const CacheKey& key) const {
  return folder_ / "features" / key.hash.substr(0, 2) / (key_text(key) + ".safetensors");
}

bool FeatureCache::contains(const CacheKey& key) const {
  std::error_code error;
  return enabled() && fs::exists(file_of(key), error);
}

std::unique_ptr<SafetensorsFile> FeatureCache::find(const CacheKey& key) const {
  if (!contains(key)) return nullptr;
  const fs::path file = file_of(key);
  try {
    auto entry = std::make_unique<SafetensorsFile>(file);
    check_identity(*entry, key);
    // Its time of last use. Our own, as file systems are mounted without theirs; who may not set it leaves it.
    const timespec times[2] = {{0, UTIME_OMIT}, {0, UTIME_NOW}};
    utimensat(AT_FDCWD, file.c_str(), times, 0);
    used_.insert(file);
    return entry;
  } catch (const InputError& damage) {
    if (!contains(key)) return nullptr;  // removed by another process meanwhile
    std::error_code error;
    // Where it cannot be removed, it would be found again and again: told once.
    const std::string text = fmt::format("{}; made again", damage.what());
    if (!fs::remove(file, error))
      warn_once(text);
    else if (notice_)
      notice_(text);
    return nullptr;
  }
}

bool FeatureCache::find_all(const std::string& hash, const std::vector<std::string>& kinds, Claim& claim) const {
  for (const std::string& kind : kinds)
    if (!contains({hash, kind})) return false;
  for (const std::string& kind : kinds) {
    if (!(claim.entries[kind] = find({hash, kind}))) {
      claim.entries.clear();
      return false;
    }
  }
  return true;
}

FeatureCache::Claim FeatureCache::claim(const std::string& hash, const std::vector<std::string>& kinds,
                                        const std::function<void()>& waiting) const {
  Claim claim;
  if (!enabled() || find_all(hash, kinds, claim)) return claim;
  const fs::path file = folder_ / "features" / hash.substr(0, 2) / ("." + hash + ".lock");
  std::error_code error;
  fs::create_directories(file.parent_path(), error);
  auto lock = std::make_unique<CacheLock>(file);
  for (;;) {
    const CacheLock::State state = lock->try_take();
    // Looked for once more with the lock in hand: its last holder may just have stored them.
    if (find_all(hash, kinds, claim) || state == CacheLock::State::unavailable) return claim;
    if (state == CacheLock::State::taken) {
      claim.lock = std::move(lock);
      return claim;
    }
    if (lock->silence() > options_.stale_lock) {
      if (notice_)
        notice_(fmt::format("{}: whoever holds this lock has shown no life for {} s; not waiting for it", file.string(),
                            std::chrono::duration_cast<std::chrono::seconds>(lock->silence()).count()));
      return claim;
    }
    if (waiting) waiting();
    std::this_thread::sleep_for(options_.poll);
  }
}

void FeatureCache::store(const CacheKey& key, const std::map<std::string, TensorEntry>& tensors,
                         std::map<std::string, std::string> metadata) const {
  if (!enabled()) return;
  const fs::path file = file_of(key);
  int64_t bytes = 0;
  for (const auto& [name, entry] : tensors) bytes += static_cast<int64_t>(entry.bytes.size());
  if (!has_room(file.string(), bytes)) return;
  metadata[key_name] = key_text(key);
  try {
    write_safetensors(file, tensors, metadata);
  } catch (const ShapeError&) {
    throw;  // the caller's mistake, not the disk's
  } catch (const Error& failure) {
    return warn_once(fmt::format("{}; going on without the cache", failure.what()));
  }
  used_.insert(file);
  trim(file);
}

bool FeatureCache::has_room(const std::string& what, int64_t bytes) const {
  if (!enabled() || bytes <= options_.limit) return enabled();
  if (!warned_of_limit_ && notice_)
    notice_(
        fmt::format("{}: not kept: {} are more than the whole cache may hold ({}), so every run makes them anew; "
                    "raise ORBWEAVER_CACHE_LIMIT",
                    what, bytes_text(bytes), bytes_text(options_.limit)));
  warned_of_limit_ = true;
  return false;
}

/// Entries that one run needs must not push one another out, run after run, in silence.
void FeatureCache::trim(const fs::path& keep) const {
  const CacheRemoval removed = trim_cache(folder_, options_.limit, keep);
  for (const fs::path& file : removed.files) {
    if (used_.erase(file) == 0 || warned_of_limit_ || !notice_) continue;
    notice_(
        fmt::format("{}: removed to make room for {}, but this run uses both, and the next one makes it again: the "
                    "cache may hold {}; raise ORBWEAVER_CACHE_LIMIT",
                    file.string(), keep.filename().string(), bytes_text(options_.limit)));
    warned_of_limit_ = true;
  }
}

void FeatureCache::warn_once(const std::string& text) const {
  if (!warned_ && notice_) notice_(text);
  warned_ = true;
}

}  // namespace orbweaver
