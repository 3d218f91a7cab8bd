// The cache's folder as a whole: what is in it, how large it may grow, how it is emptied.
//
//   features/<2 digits>/<hash>.<kind>.safetensors   entries
//   files/                                          what is known of the data's files (checked, hashed)
#pragma once

#include <cstdint>
#include <filesystem>
#include <map>
#include <optional>
#include <string>
#include <vector>

namespace orbweaver {

/// $XDG_CACHE_HOME/orbweaver, or ~/.cache/orbweaver.
std::filesystem::path default_cache_folder();

/// What ORBWEAVER_CACHE_LIMIT says ("500M", "20GiB", "2T"; a bare number is bytes, units are powers of 1024), else
/// 20 GiB. @throws InputError on a text that is no size.
int64_t cache_limit();

/// "243 MiB"
std::string bytes_text(int64_t bytes);

struct CacheEntry {
  std::filesystem::path file;
  std::string kind;  ///< "image-tokens"; "files" for what is known of the data's files; "other" for older layouts
  int64_t bytes = 0;
  int64_t used = 0;  ///< last use, nanoseconds since 1970
};

struct CacheScan {
  std::vector<CacheEntry> entries;  ///< least recently used first
  /// What killed processes left: temporary files and locks that nobody has touched for an hour.
  std::vector<CacheEntry> leftovers;
};

/// @param folder  the cache's; one that does not exist is empty. Files that vanish meanwhile are passed over.
CacheScan scan_cache(const std::filesystem::path& folder);

struct CacheRemoval {
  int64_t entries = 0, bytes = 0;
  std::vector<std::filesystem::path> files;
};

struct CacheFilter {
  std::optional<double> older_than_days;  ///< since the last use
  std::string kind;                       ///< empty: all
};

/// Removes entries, and what killed processes left. Safe while runs use the cache: an entry that is mapped stays
/// readable for who mapped it (not for readers on other machines of a network file system), one that is being written
/// appears when it is whole.
CacheRemoval clear_cache(const std::filesystem::path& folder, const CacheFilter& filter);

/// Removes the least recently used entries until the rest fits `limit`, and what killed processes left.
/// @param keep  is spared: the entry just written.
CacheRemoval trim_cache(const std::filesystem::path& folder, int64_t limit, const std::filesystem::path& keep);

}  // namespace orbweaver
