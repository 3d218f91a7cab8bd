#include "framework/cache/file_hashes.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>

#include <algorithm>
#include <chrono>
#include <cstdint>
#include <deque>
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

int64_t now() {
  return std::chrono::duration_cast<std::chrono::nanoseconds>(std::chrono::system_clock::now().time_since_epoch())
      .count();
}

/// What changes with a file's content, as text, and when it last changed.
struct State {
  std::string text;  // empty: not there
  int64_t changed = 0;
};

State state_of(const fs::path& file) {
  struct stat info {};
  if (stat(file.c_str(), &info) != 0) return {};
  const int64_t changed = nanoseconds(info.st_ctim);
  return {fmt::format("{} {} {} {}", info.st_size, nanoseconds(info.st_mtim), changed, info.st_ino), changed};
}

bool is_file(const fs::path& path) {
  std::error_code error;
  return fs::is_regular_file(path, error);
}

fs::path folder_of(const fs::path& file) { return file.has_parent_path() ? file.parent_path() : fs::path("."); }

using Labelled = std::vector<std::pair<std::string, fs::path>>;

/// The regular files of a folder and of those in it, by their paths from it. A folder that was seen under another name
/// is passed over, so that links in a circle end.
void list_files(const fs::path& folder, const std::string& prefix, std::set<fs::path>& seen, Labelled& files) {
  std::error_code error;
  if (!seen.insert(fs::canonical(folder, error)).second) return;
  std::vector<fs::path> entries;
  try {
    for (const auto& entry : fs::directory_iterator(folder)) entries.push_back(entry.path());
  } catch (const fs::filesystem_error& failure) {
    throw InputError(fmt::format("{}: cannot be read: {}", folder.string(), failure.code().message()));
  }
  std::sort(entries.begin(), entries.end());
  for (const fs::path& entry : entries) {
    const std::string name = prefix + entry.filename().string();
    if (fs::is_directory(entry, error))
      list_files(entry, name + "/", seen, files);
    else if (is_file(entry))
      files.emplace_back(name, entry);
  }
}

/// Endings of what loaders look for beside weights: networks, names of classes, sizes. Others (a copy, a checksum, a
/// download that goes on) come and go without meaning anything.
bool is_read_beside(const fs::path& file) {
  static const std::set<std::string> endings{".cfg", ".prototxt", ".pbtxt", ".xml", ".names", ".json", ".yaml", ".txt"};
  return endings.contains(file.extension().string());
}

/// Of the files beside `file` those with its stem that is_read_beside(), and those of companion_names().
Labelled companions_of(const fs::path& file) {
  const fs::path folder = folder_of(file);
  const std::string own = file.filename().string(), stem = file.stem().string() + ".";
  Labelled found;
  std::error_code error;  // a folder that cannot be listed has none
  for (fs::directory_iterator at(folder, error), end; !error && at != end; at.increment(error))
    if (const std::string name = at->path().filename().string();
        name != own && name.starts_with(stem) && is_read_beside(at->path()))
      found.emplace_back(name, at->path());
  for (const std::string& name : companion_names())
    if (name != own && !name.starts_with(stem)) found.emplace_back(name, folder / name);
  std::erase_if(found, [](const auto& entry) { return !is_file(entry.second); });
  std::sort(found.begin(), found.end());
  return found;
}

}  // namespace

/// Lines "hash TAB state TAB path".
class ContentHashes::Record {
 public:
  explicit Record(fs::path file) : file_(std::move(file)), known_(read(file_)) {}

  const std::string* find(const std::string& path, const std::string& state) {
    const auto at = known_.find(path);
    if (state.empty() || at == known_.end() || at->second.state != state) return nullptr;
    used_ = true;
    return &at->second.hash;
  }

  void add(const std::string& path, const State& state, const std::string& hash) {
    if (state.text.empty() || path.find('\n') != std::string::npos) return;
    known_[path] = {hash, state.text};
    changed_ = true;
  }

  void save() {
    if (file_.empty()) return;
    if (changed_) {
      write();
    } else if (used_) {
      const timespec times[2] = {{0, UTIME_OMIT}, {0, UTIME_NOW}};
      utimensat(AT_FDCWD, file_.c_str(), times, 0);
    }
    changed_ = used_ = false;
  }

 private:
  struct Entry {
    std::string hash, state;
  };
  using Entries = std::unordered_map<std::string, Entry>;

  static Entries read(const fs::path& file) {
    Entries known;
    if (file.empty() || !is_file(file)) return known;
    std::vector<std::string> lines;
    try {
      lines = read_lines(file);
    } catch (const InputError&) {
      return known;
    }
    if (lines.empty() || lines[0] != header) return known;
    for (size_t i = 1; i < lines.size(); ++i) {
      const std::string& line = lines[i];
      const size_t tab = line.find('\t', hash_length + 1);
      if (line.size() <= hash_length || line[hash_length] != '\t' || tab == std::string::npos) continue;
      known[line.substr(tab + 1)] = {line.substr(0, hash_length), line.substr(hash_length + 1, tab - hash_length - 1)};
    }
    return known;
  }

  void write() const {
    Entries all = read(file_);  // what another process remembered meanwhile stays
    for (const auto& [path, entry] : known_) all[path] = entry;
    std::string text(header);
    text += '\n';
    for (const auto& [path, entry] : all) text += fmt::format("{}\t{}\t{}\n", entry.hash, entry.state, path);
    try {
      write_atomically(file_, text);
    } catch (const Error&) {
      // The hashes are right all the same; the next run reads the files once more. That the folder cannot be written
      // is told where features are stored.
    }
  }

  fs::path file_;
  Entries known_;
  bool changed_ = false, used_ = false;
};

ContentHashes::ContentHashes(fs::path records, int threads, const std::atomic<bool>* stop)
    : records_(std::move(records)), threads_(threads), stop_(stop) {}

ContentHashes::~ContentHashes() {
  try {
    save();
  } catch (const std::exception&) {
    return;  // the files are hashed again next time
  }
}

void ContentHashes::save() {
  for (const auto& [folder, record] : open_) record->save();
}

fs::path ContentHashes::records_in(const fs::path& cache) { return cache.empty() ? fs::path() : cache / "files"; }

ContentHashes::Record& ContentHashes::record_of(const fs::path& file) {
  // Not parent_path(): taking a hundred thousand paths apart takes longer than looking at the files.
  const std::string_view name = file.native();
  const size_t slash = name.rfind('/');
  const std::string folder(name.substr(0, std::max<size_t>(slash, 1)));
  std::unique_ptr<Record>& record = open_[folder];
  if (!record)
    record = std::make_unique<Record>(records_.empty() ? fs::path()
                                                       : records_ / (hash_text(folder).substr(0, 16) + ".hashes"));
  return *record;
}

std::vector<std::string> ContentHashes::of_files(const std::vector<fs::path>& given) {
  std::deque<fs::path> made_absolute;
  std::vector<const fs::path*> files;
  for (const fs::path& file : given) {
    const bool as_it_is = file.empty() || file.is_absolute();
    files.push_back(as_it_is ? &file : &made_absolute.emplace_back(fs::absolute(file)));
  }
  std::vector<std::string> hashes(files.size());
  std::vector<size_t> unknown;
  std::vector<State> states;
  for (size_t i = 0; i < files.size(); ++i) {
    if (files[i]->empty()) continue;
    State state = state_of(*files[i]);
    if (const std::string* known = record_of(*files[i]).find(files[i]->native(), state.text)) {
      hashes[i] = *known;
      continue;
    }
    unknown.push_back(i);
    states.push_back(std::move(state));
  }
  if (unknown.empty()) return hashes;
  const int64_t started = now();
  // Handing a small file to a worker takes longer than reading it; a few large ones are handed out singly.
  const auto count = std::ssize(unknown);
  const int64_t block = std::clamp<int64_t>(count / (int64_t{std::max(threads_, 1)} * 16), 1, 32);
  const auto hash_block = [&](int64_t b) {
    std::vector<std::string> made;
    if (stop_ && *stop_) throw Error("interrupted while files were read");
    for (int64_t i = b * block; i < std::min(count, (b + 1) * block); ++i)
      made.push_back(hash_file(*files[unknown[static_cast<size_t>(i)]]));
    return made;
  };
  OrderedPrefetch<std::vector<std::string>> blocks((count + block - 1) / block, hash_block, threads_, 64);
  for (size_t i = 0; i < unknown.size();) {
    std::vector<std::string> made = *blocks.next();
    for (std::string& hash : made) {
      const fs::path& file = *files[unknown[i]];
      if (started - states[i].changed > 2 * second) record_of(file).add(file.native(), states[i], hash);
      hashes[unknown[i++]] = std::move(hash);
    }
  }
  return hashes;
}

std::string ContentHashes::of_labelled(const Labelled& labelled) {
  std::vector<fs::path> files;
  for (const auto& [label, file] : labelled) files.push_back(is_file(file) ? file : fs::path());
  const std::vector<std::string> hashes = of_files(files);
  Hasher all;
  for (size_t i = 0; i < labelled.size(); ++i)
    all.add(std::string_view(labelled[i].first)).add(files[i].empty() ? missing : std::string_view(hashes[i]));
  return all.hex();
}

std::string ContentHashes::of_path(const fs::path& path) {
  Labelled files;
  std::error_code error;
  if (fs::is_directory(path, error)) {
    std::set<fs::path> seen;
    list_files(path, "", seen, files);
  } else {
    files = companions_of(path);
    files.insert(files.begin(), {path.filename().string(), path});
  }
  return of_labelled(files);
}

const std::vector<std::string>& companion_names() {
  static const std::vector<std::string> names{"config.json",    "open_clip_config.json",
                                              "tokenizer.json", "tokenizer_config.json",
                                              "vocab.json",     "vocab.txt",
                                              "merges.txt",     "bpe_simple_vocab_16e6.txt.gz"};
  return names;
}

namespace {

using ReplacePath = std::function<Value(const std::string&, const fs::path&)>;

void replace_paths(const FieldType& type, Value& value, const std::string& pointer, const ReplacePath& by) {
  if (type.base == FieldType::Base::path && value.is_string()) {
    if (!value.as_string().empty()) value = by(pointer, value.as_string());
  } else if (type.base == FieldType::Base::list && value.is_list()) {
    for (size_t i = 0; i < value.as_list().size(); ++i)
      replace_paths(*type.item, value.as_list()[i], fmt::format("{}/{}", pointer, i), by);
  } else if (type.base == FieldType::Base::object && value.is_object()) {
    orbweaver::replace_paths(*type.object, value, pointer, by);
  }
}

}  // namespace

void replace_paths(const Schema& schema, Value& params, const std::string& pointer, const ReplacePath& by) {
  for (const Field& field : schema.fields)
    if (Value* value = params.find(field.name)) replace_paths(field.type, *value, pointer + "/" + field.name, by);
}

}  // namespace orbweaver
