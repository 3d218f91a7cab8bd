#include "framework/cache/file_hashes.h"

#include <fmt/format.h>
#include <sys/stat.h>

#include <chrono>
#include <string_view>
#include <unordered_map>

#include "framework/data/prefetch.h"
#include "framework/io/files.h"
#include "orbweaver/error.h"

namespace orbweaver {
namespace fs = std::filesystem;
namespace {

constexpr std::string_view header = "orbweaver file hashes 1";
constexpr size_t hash_length = 32;
constexpr int64_t second = 1'000'000'000;

int64_t nanoseconds(const timespec& time) { return static_cast<int64_t>(time.tv_sec) * second + time.tv_nsec; }

/// What changes with a file's content, as text, and when it last changed.
struct State {
  std::string text;
  int64_t changed = 0;
};

State state_of(const fs::path& file) {
  struct stat info {};
  if (stat(file.c_str(), &info) != 0) return {};
  const int64_t changed = nanoseconds(info.st_ctim);
  return {fmt::format("{} {} {} {}", info.st_size, nanoseconds(info.st_mtim), changed, info.st_ino), changed};
}

/// Lines "hash TAB state TAB path".
class Record {
 public:
  explicit Record(fs::path file) : file_(std::move(file)) {
    std::error_code error;
    if (file_.empty() || !fs::is_regular_file(file_, error)) return;
    std::vector<std::string> lines;
    try {
      lines = read_lines(file_);
    } catch (const InputError&) {
      return;
    }
    if (lines.empty() || lines[0] != header) return;
    for (size_t i = 1; i < lines.size(); ++i) {
      const std::string& line = lines[i];
      const size_t tab = line.find('\t', hash_length + 1);
      if (line.size() <= hash_length || line[hash_length] != '\t' || tab == std::string::npos) continue;
      known_[line.substr(tab + 1)] = {line.substr(0, hash_length), line.substr(hash_length + 1, tab - hash_length - 1)};
    }
  }

  const std::string* find(const std::string& path, const std::string& state) const {
    const auto at = known_.find(path);
    return at != known_.end() && at->second.state == state ? &at->second.hash : nullptr;
  }
  void add(const std::string& path, const State& state, const std::string& hash) {
    if (file_.empty() || state.text.empty() || path.find('\n') != std::string::npos) return;
    known_[path] = {hash, state.text};
    changed_ = true;
  }
  void save() const {
    if (!changed_) return;
    std::string text(header);
    text += '\n';
    for (const auto& [path, entry] : known_) text += fmt::format("{}\t{}\t{}\n", entry.hash, entry.state, path);
    try {
      write_atomically(file_, text);
    } catch (const Error&) {
      // The hashes are right all the same; the next run reads the files once more. That the folder cannot be written
      // is told where features are stored.
    }
  }

 private:
  struct Entry {
    std::string hash, state;
  };
  fs::path file_;
  std::unordered_map<std::string, Entry> known_;
  bool changed_ = false;
};

}  // namespace

std::vector<std::string> hash_files(const std::vector<fs::path>& files, const fs::path& record_file, int threads) {
  Record record(record_file);
  std::vector<std::string> hashes(files.size());
  std::vector<size_t> unknown;
  std::vector<State> states;
  for (size_t i = 0; i < files.size(); ++i) {
    if (files[i].empty()) continue;
    State state = state_of(files[i]);
    if (const std::string* known = record.find(files[i].string(), state.text)) {
      hashes[i] = *known;
      continue;
    }
    unknown.push_back(i);
    states.push_back(std::move(state));
  }
  if (unknown.empty()) return hashes;
  const int64_t now =
      std::chrono::duration_cast<std::chrono::nanoseconds>(std::chrono::system_clock::now().time_since_epoch()).count();
  OrderedPrefetch<std::string> made(
      static_cast<int64_t>(unknown.size()),
      [&](int64_t i) { return hash_file(files[unknown[static_cast<size_t>(i)]]); }, threads, 64);
  for (size_t i = 0; i < unknown.size(); ++i) {
    hashes[unknown[i]] = *made.next();
    if (now - states[i].changed > 2 * second) record.add(files[unknown[i]].string(), states[i], hashes[unknown[i]]);
  }
  record.save();
  return hashes;
}

fs::path hash_record(const fs::path& cache, const fs::path& folder) {
  if (cache.empty()) return {};
  return cache / "files" / (hash_text(folder.string()).substr(0, 16) + ".hashes");
}

}  // namespace orbweaver
