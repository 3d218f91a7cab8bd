// The feature cache: outputs of frozen stages on disk, content-addressed, checksummed, bounded.
#pragma once

#include <chrono>
#include <cstdint>
#include <filesystem>
#include <functional>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <vector>

#include "framework/cache/cache_lock.h"
#include "framework/io/safetensors.h"

namespace orbweaver {

/// Names an entry.
struct CacheKey {
  std::string hash;  ///< of everything that the content depends on, so that an entry never goes stale
  std::string kind;  ///< what the content is: "image-tokens". Entries of several kinds may share a hash
};

/// One safetensors file per key. It is written under a temporary name and renamed, so that a partial one is never seen,
/// and carries a checksum (XXH3-128) of its content and its key, verified when it is opened. What cannot be kept (the
/// disk is full, the folder read-only) is told in one line, once, and then simply made again by every run; so is that
/// the limit is too small for what one run uses. For one thread.
class FeatureCache {
 public:
  struct Options {
    /// Bytes of all entries together; the least recently used ones make room. An entry's time is renewed when used.
    int64_t limit = int64_t{20} << 30;
    /// A holder of a lock that shows no life for so long is taken for gone. Above a minute: NFS clients may see the
    /// time of another machine's file that late.
    std::chrono::milliseconds stale_lock = std::chrono::minutes(2);
    std::chrono::milliseconds poll = std::chrono::milliseconds(100);
  };

  /// @param folder  the cache's (see cache_folder.h); empty: nothing is found and nothing kept.
  /// @param notice  is told, in one line, what is damaged or cannot be kept.
  FeatureCache(std::filesystem::path folder, std::function<void(const std::string&)> notice);
  FeatureCache(std::filesystem::path folder, std::function<void(const std::string&)> notice, const Options& options);

  /// Entries that are there, or the right to make them.
  struct Claim {
    /// By kind, memory-mapped; of all the kinds asked for, or empty: then the caller makes and stores them.
    std::map<std::string, std::unique_ptr<SafetensorsFile>> entries;
    /// While it lives, other processes that want the same wait for it.
    std::unique_ptr<CacheLock> lock;
  };
  /// Where another process is making these entries, waits for it, and finds them. Makes nobody wait in vain: where
  /// locks do not work, or whoever holds one shows no life, several may make the same, and the last to store wins.
  /// @param waiting  called before every wait, if there is one; may throw.
  Claim claim(const std::string& hash, const std::vector<std::string>& kinds,
              const std::function<void()>& waiting = {}) const;

  /// The entry, memory-mapped, or null when there is none.
  std::unique_ptr<SafetensorsFile> find(const CacheKey& key) const;
  /// Whether there is one, by its name alone.
  bool contains(const CacheKey& key) const;
  void store(const CacheKey& key, const std::map<std::string, TensorEntry>& tensors,
             std::map<std::string, std::string> metadata = {}) const;
  /// Whether entries of `bytes` together can lie in the cache at once. Where they cannot, one would push the other out,
  /// and every run would make both again: then none is worth storing, which is told once.
  /// @param what  "image features of train"
  bool has_room(const std::string& what, int64_t bytes) const;

  std::filesystem::path file_of(const CacheKey& key) const;
  bool enabled() const { return !folder_.empty(); }
  const std::filesystem::path& folder() const { return folder_; }

 private:
  void trim(const std::filesystem::path& keep) const;
  bool find_all(const std::string& hash, const std::vector<std::string>& kinds, Claim& claim) const;
  void warn_once(const std::string& text) const;

  std::filesystem::path folder_;
  std::function<void(const std::string&)> notice_;
  Options options_;
  mutable bool warned_ = false, warned_of_limit_ = false;
  mutable std::set<std::filesystem::path> used_;  ///< found or stored by this object
};

}  // namespace orbweaver
