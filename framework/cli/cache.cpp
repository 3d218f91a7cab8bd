// orbweaver cache stats, cache clear
#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <ctime>
#include <map>
#include <memory>
#include <string>

#include "framework/cache/cache_folder.h"
#include "framework/cli/command.h"
#include "framework/cli/print.h"
#include "orbweaver/error.h"
#include "orbweaver/params.h"

namespace orbweaver {
namespace {

struct CacheOptions {
  std::string folder = default_cache_folder().string();
  CacheFilter filter;
  double older_than = 0;
  bool json = false;
};

/// Entries of one kind, or of all.
struct Sum {
  int64_t entries = 0, bytes = 0, oldest = 0, newest = 0;
  void add(const CacheEntry& entry) {
    oldest = entries == 0 ? entry.used : std::min(oldest, entry.used);
    newest = std::max(newest, entry.used);
    ++entries;
    bytes += entry.bytes;
  }
};

/// "2026-11-21T10:46:18Z"
std::string time_text(int64_t nanoseconds) {
  const std::time_t seconds = nanoseconds / 1'000'000'000;
  std::tm utc{};
  gmtime_r(&seconds, &utc);
  char text[32];
  std::strftime(text, sizeof text, "%Y-%m-%dT%H:%M:%SZ", &utc);
  return text;
}

Value to_value(const Sum& sum) {
  Value out = Value::object();
  out["entries"] = sum.entries;
  out["bytes"] = sum.bytes;
  out["oldest"] = sum.entries ? Value(time_text(sum.oldest)) : Value();
  out["newest"] = sum.entries ? Value(time_text(sum.newest)) : Value();
  return out;
}

void stats(const CacheOptions& options) {
  const CacheScan scan = scan_cache(options.folder);
  Sum all;
  std::map<std::string, Sum> kinds;
  for (const CacheEntry& entry : scan.entries) {
    all.add(entry);
    kinds[entry.kind].add(entry);
  }
  Sum leftovers;
  for (const CacheEntry& leftover : scan.leftovers) leftovers.add(leftover);
  const int64_t limit = cache_limit();
  if (options.json) {
    Value out = Value::object();
    out["folder"] = options.folder;
    out["limit"] = limit;
    const Value sums = to_value(all);
    for (const auto& [key, value] : sums.as_object()) out[key] = value;
    out["kinds"] = Value::object();
    for (const auto& [kind, sum] : kinds) out["kinds"][kind] = to_value(sum);
    out["leftovers"] = Value::object();
    out["leftovers"]["files"] = leftovers.entries;
    out["leftovers"]["bytes"] = leftovers.bytes;
    return print_json(out);
  }
  print_out("{}: {} entries, {} of at most {}\n", options.folder, all.entries, bytes_text(all.bytes),
            bytes_text(limit));
  if (all.entries > 0)
    print_out("  {:<16} {:>7} {:>10}  {:<20}  {:<20}\n", "kind", "entries", "size", "least recent use", "last use");
  for (const auto& [kind, sum] : kinds)
    print_out("  {:<16} {:>7} {:>10}  {}  {}\n", kind, sum.entries, bytes_text(sum.bytes), time_text(sum.oldest),
              time_text(sum.newest));
  if (leftovers.entries > 0)
    print_out(
        "  {} files of {} are left over from runs that were killed; the next run that stores something, or "
        "clear, removes them\n",
        leftovers.entries, bytes_text(leftovers.bytes));
}

/// A kind that the cache does not hold is a typing mistake as long as another name is close to it.
void check_kind(const CacheOptions& options) {
  if (options.filter.kind.empty()) return;
  std::vector<std::string> kinds{"image-global", "image-tokens", "text-global", "text-tokens",
                                 "image-graphs", "text-graphs",  "objects",     "files"};
  std::string known;
  for (const std::string& kind : kinds) known += (known.empty() ? "" : ", ") + kind;
  for (const CacheEntry& entry : scan_cache(options.folder).entries) kinds.push_back(entry.kind);
  if (std::find(kinds.begin(), kinds.end(), options.filter.kind) != kinds.end()) return;
  const std::string near = nearest_name(options.filter.kind, kinds);
  throw InputError(fmt::format("--kind {}: no such kind{}; expected one of {}", options.filter.kind,
                               near.empty() ? "" : fmt::format("; did you mean \"{}\"?", near), known));
}

void clear(const CacheOptions& options) {
  check_kind(options);
  const CacheRemoval removed = clear_cache(options.folder, options.filter);
  if (options.json) {
    Value out = Value::object();
    out["folder"] = options.folder;
    out["entries"] = removed.entries;
    out["bytes"] = removed.bytes;
    return print_json(out);
  }
  print_out("{}: removed {} entries, {}\n", options.folder, removed.entries, bytes_text(removed.bytes));
}

void add_common_options(CLI::App* command, CacheOptions& options) {
  command->add_option("--cache", options.folder, "Folder of the cache, as in a config")
      ->type_name("DIR")
      ->capture_default_str();
  command->add_flag("--json", options.json, "Print JSON");
}

}  // namespace

void add_cache_command(CLI::App& app, CommandContext&) {
  CLI::App* command = app.add_subcommand("cache", "The feature cache: what is in it, and emptying it");
  command->require_subcommand(1);
  command->footer(
      "Features of frozen encoders, detected objects and graphs are made once and shared by all runs. The least\n"
      "recently used make room where the cache grows beyond ORBWEAVER_CACHE_LIMIT (20GiB; units K, M, G, T).\n"
      "Example:\n  orbweaver cache stats");
  const auto options = std::make_shared<CacheOptions>();

  CLI::App* stats_command = command->add_subcommand("stats", "Entries and bytes by kind, and when they were used");
  add_common_options(stats_command, *options);
  stats_command->footer("Example:\n  orbweaver cache stats --json");
  stats_command->callback([options] { stats(*options); });

  CLI::App* clear_command = command->add_subcommand("clear", "Removes entries; safe while runs use them");
  CLI::Option* age =
      clear_command->add_option("--older-than", options->older_than, "Only what was not used for so long")
          ->type_name("DAYS")
          ->check(CLI::NonNegativeNumber);
  clear_command->add_option("--kind", options->filter.kind, "Only entries of this kind, as stats names them")
      ->type_name("KIND");
  add_common_options(clear_command, *options);
  clear_command->footer(
      "What is removed is made again when a run needs it.\n"
      "Examples:\n"
      "  orbweaver cache clear --older-than 30\n"
      "  orbweaver cache clear --kind image-tokens");
  clear_command->callback([options, age] {
    if (age->count() > 0) options->filter.older_than_days = options->older_than;
    clear(*options);
  });
}

}  // namespace orbweaver
