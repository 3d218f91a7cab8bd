#include "framework/cache/cache_folder.h"

#include <fmt/format.h>
#include <pwd.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cctype>
#include <charconv>
#include <chrono>
#include <cmath>
#include <cstdlib>
#include <string_view>
#include <tuple>

#include "framework/cache/cache_lock.h"
#include "framework/io/files.h"
#include "orbweaver/error.h"

namespace orbweaver {
namespace fs = std::filesystem;
namespace {

constexpr int64_t second = 1'000'000'000;
// Writing an entry takes seconds and renews the time of its temporary file all along, holding a lock renews it too.
// Both are locked besides, where the file system has locks.
constexpr int64_t leftover_age = 3600 * second;
constexpr int64_t default_limit = int64_t{20} << 30;
constexpr std::string_view extension = ".safetensors";

int64_t now() {
  return std::chrono::duration_cast<std::chrono::nanoseconds>(std::chrono::system_clock::now().time_since_epoch())
      .count();
}

/// Size and time of a regular file; nothing when it is none, or gone.
std::optional<CacheEntry> look_at(const fs::path& file) {
  struct stat info {};
  if (lstat(file.c_str(), &info) != 0 || !S_ISREG(info.st_mode)) return std::nullopt;
  return CacheEntry{file, "", static_cast<int64_t>(info.st_size),
                    static_cast<int64_t>(info.st_mtim.tv_sec) * second + info.st_mtim.tv_nsec};
}

/// "4ced9c.image-tokens.safetensors" -> "image-tokens"
std::string kind_of(const std::string& name) {
  const size_t dot = name.find('.'), end = name.size() - extension.size();
  return dot < end ? name.substr(dot + 1, end - dot - 1) : "other";
}

/// Calls `visit` with every regular file below `folder`. The iterators' errors end a folder early: another process may
/// be emptying it.
template <class Visit>
void for_each_file(const fs::path& folder, const Visit& visit) {
  std::error_code error;
  for (fs::recursive_directory_iterator at(folder, error), end; !error && at != end; at.increment(error))
    if (auto found = look_at(at->path())) visit(std::move(*found));
}

bool remove_entry(const CacheEntry& entry, CacheRemoval& removed) {
  if (unlink(entry.file.c_str()) != 0) return false;
  ++removed.entries;
  removed.bytes += entry.bytes;
  removed.files.push_back(entry.file);
  return true;
}

void remove_leftovers(const CacheScan& scan) {
  for (const CacheEntry& leftover : scan.leftovers)
    if (leftover.file.extension() == ".lock")
      remove_free_lock(leftover.file);
    else
      remove_leftover(leftover.file, /*old=*/true);
}

}  // namespace

fs::path default_cache_folder() {
  if (const char* folder = std::getenv("XDG_CACHE_HOME"); folder && *folder) return fs::path(folder) / "orbweaver";
  const char* home = std::getenv("HOME");
  if (home && *home) return fs::path(home) / ".cache" / "orbweaver";
  // Never below /tmp: what another user lays there first would be taken for this one's features.
  const passwd* const account = getpwuid(getuid());
  return fs::path(account && account->pw_dir ? account->pw_dir : "/nonexistent") / ".cache" / "orbweaver";
}

int64_t cache_limit() {
  const char* variable = std::getenv("ORBWEAVER_CACHE_LIMIT");
  if (!variable || !*variable) return default_limit;
  const std::string_view text = variable;
  const auto fail = [&]() -> int64_t {
    throw InputError(fmt::format("ORBWEAVER_CACHE_LIMIT: is \"{}\", expected a size such as 500M, 20GiB or 2T", text));
  };
  double number = 0;
  const auto [rest, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  if (error != std::errc() || !(number >= 0)) return fail();
  std::string unit;
  for (const char c : std::string_view(rest, static_cast<size_t>(text.data() + text.size() - rest)))
    if (c != ' ') unit += static_cast<char>(std::toupper(static_cast<unsigned char>(c)));
  for (const std::string_view tail : {"IB", "B"})
    if (unit.size() >= tail.size() && unit.ends_with(tail)) {
      unit.resize(unit.size() - tail.size());
      break;
    }
  const size_t power = std::string_view(" KMGT").find(unit.empty() ? " " : unit);
  if (unit.size() > 1 || power == std::string_view::npos) return fail();
  const double bytes = std::ldexp(number, static_cast<int>(10 * power));
  return bytes < 9e18 ? static_cast<int64_t>(bytes) : fail();
}

std::string bytes_text(int64_t bytes) {
  if (bytes < 1024) return fmt::format("{} B", bytes);
  static constexpr std::array units{"KiB", "MiB", "GiB", "TiB", "PiB"};
  double number = static_cast<double>(bytes) / 1024;
  size_t unit = 0;
  for (; number >= 1024 && unit + 1 < units.size(); ++unit) number /= 1024;
  return fmt::format("{:.{}f} {}", number, number < 10 ? 1 : 0, units[unit]);
}

CacheScan scan_cache(const fs::path& folder) {
  CacheScan scan;
  // A time in the future is one from before the clock was set back.
  const int64_t at_present = now();
  const auto is_old = [&](const CacheEntry& entry) { return std::abs(at_present - entry.used) > leftover_age; };
  for_each_file(folder / "features", [&](CacheEntry entry) {
    const std::string name = entry.file.filename().string();
    const std::string ending = entry.file.extension().string();
    if (name.starts_with('.') && (ending == ".tmp" || ending == ".lock")) {
      if (is_old(entry)) scan.leftovers.push_back(std::move(entry));
    } else if (ending == extension) {
      entry.kind = kind_of(name);
      scan.entries.push_back(std::move(entry));
    }
  });
  for_each_file(folder / "files", [&](CacheEntry entry) {
    if (entry.file.extension() == ".tmp") {
      if (is_old(entry)) scan.leftovers.push_back(std::move(entry));
      return;
    }
    entry.kind = "files";
    scan.entries.push_back(std::move(entry));
  });
  std::sort(scan.entries.begin(), scan.entries.end(), [](const CacheEntry& a, const CacheEntry& b) {
    return std::tie(a.used, a.file) < std::tie(b.used, b.file);
  });
  return scan;
}

CacheRemoval clear_cache(const fs::path& folder, const CacheFilter& filter) {
  const CacheScan scan = scan_cache(folder);
  CacheRemoval removed;
  for (const CacheEntry& entry : scan.entries) {
    if (!filter.kind.empty() && entry.kind != filter.kind) continue;
    if (filter.older_than_days &&
        static_cast<double>(now() - entry.used) < *filter.older_than_days * 86400 * static_cast<double>(second))
      continue;
    if (!remove_entry(entry, removed) && fs::exists(entry.file))
      throw Error(fmt::format("{}: cannot be removed; is its folder writable?", entry.file.string()));
  }
  remove_leftovers(scan);
  return removed;
}

CacheRemoval trim_cache(const fs::path& folder, int64_t limit, const fs::path& keep) {
  const CacheScan scan = scan_cache(folder);
  int64_t total = 0;
  for (const CacheEntry& entry : scan.entries) total += entry.bytes;
  CacheRemoval removed;
  for (const CacheEntry& entry : scan.entries) {
    if (total <= limit) break;
    if (entry.file == keep || entry.kind == "files") continue;
    // Used since the scan: no longer among the oldest.
    const auto still = look_at(entry.file);
    if (still && still->used != entry.used) continue;
    if (!still || remove_entry(entry, removed)) total -= entry.bytes;
  }
  remove_leftovers(scan);
  return removed;
}

}  // namespace orbweaver
