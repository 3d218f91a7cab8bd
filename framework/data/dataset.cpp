#include "framework/data/dataset.h"

#include <fmt/format.h>
#include <sys/stat.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <cmath>
#include <cstdlib>
#include <cstring>
#include <optional>
#include <set>
#include <string_view>
#include <unordered_map>
#include <unordered_set>

#include "framework/data/image.h"
#include "framework/data/prefetch.h"
#include "framework/data/random.h"
#include "framework/io/files.h"
#include "framework/io/json.h"
#include "framework/io/outside_links.h"
#include "orbweaver/error.h"

namespace orbweaver {
namespace fs = std::filesystem;
namespace {

constexpr std::string_view blanks = " \t\r\n\v\f";

std::string trimmed(std::string_view text) {
  const size_t begin = text.find_first_not_of(blanks);
  if (begin == std::string_view::npos) return {};
  return std::string(text.substr(begin, text.find_last_not_of(blanks) - begin + 1));
}

/// Lines without blanks around them and without a byte order mark.
std::vector<std::string> read_list(const fs::path& file) {
  std::vector<std::string> lines = read_lines(file);
  if (!lines.empty() && lines[0].starts_with("\xef\xbb\xbf")) lines[0].erase(0, 3);
  for (std::string& line : lines) {
    const auto is_blank = [](char c) { return blanks.find(c) != std::string_view::npos; };
    if (!line.empty() && (is_blank(line.front()) || is_blank(line.back()))) line = trimmed(line);
  }
  return lines;
}

/// Backslashes are the separators of lists written on Windows.
bool leaves_folder(std::string_view name) {
  constexpr std::string_view separators = "/\\";
  if (!name.empty() && separators.find(name.front()) != std::string_view::npos) return true;
  for (size_t begin = 0; begin < name.size();) {
    const size_t end = std::min(name.find_first_of(separators, begin), name.size());
    if (name.substr(begin, end - begin) == "..") return true;
    begin = end + 1;
  }
  return false;
}

/// What is wrong with the name of an image; empty: nothing.
std::string fault_of_name(const std::string& name) {
  if (name.empty()) return "is blank, expected the file name of an image";
  if (name.find('\0') != std::string::npos) return "holds a zero character, expected the file name of an image";
  if (leaves_folder(name))
    return fmt::format("\"{}\" leaves the images' folder; names must be relative to it, without \"..\"", name);
  return {};
}

/// Refuses symbolic links that lead out of a dataset's folders. The folders themselves may be links; who lays a dataset
/// out by links (git-annex, DVC, caches of downloads) says that outside links are allowed.
class LinkGuard {
 public:
  explicit LinkGuard(std::initializer_list<fs::path> folders) {
    for (const fs::path& folder : folders)
      if (!folder.empty()) folders_.push_back(resolved(folder));
  }

  /// A file that the dataset's lists name, or that lies in its folder under a known name.
  void check(const fs::path& file) {
    if (allowed_ || file.empty()) return;
    // Taking a hundred thousand paths apart would take longer than looking at the files.
    const std::string_view name = file.native();
    const auto known = inside_.find(name.substr(0, name.rfind('/') + 1));
    const bool inside = known != inside_.end() ? known->second : remember(file);
    struct stat info {};
    if (inside && (lstat(file.c_str(), &info) != 0 || !S_ISLNK(info.st_mode))) return;
    if (const fs::path target = resolved(file); !is_inside(target))
      throw InputError(
          fmt::format("{}: leads to {}, outside the dataset's folder; put the file there, or set "
                      "ORBWEAVER_OUTSIDE_LINKS=1 if the dataset's links are yours",
                      file.string(), target.string()));
  }

 private:
  bool is_inside(const fs::path& path) const {
    return std::any_of(folders_.begin(), folders_.end(), [&](const fs::path& folder) { return lies_in(path, folder); });
  }

  bool remember(const fs::path& file) {
    const std::string& name = file.native();
    return inside_[name.substr(0, name.rfind('/') + 1)] = is_inside(resolved(file.parent_path()));
  }

  bool allowed_ = outside_links_allowed();
  std::vector<fs::path> folders_;
  std::map<std::string, bool, std::less<>> inside_;  // by folder: few of them hold many files
};

/// The folders that belong to a dataset, its defaults filled in.
struct Places {
  fs::path images, detections, triples;
};

fs::path existing(const fs::path& given, const char* key, std::initializer_list<fs::path> defaults) {
  std::error_code error;
  if (!given.empty()) {
    if (!fs::exists(given, error))
      throw InputError(fmt::format("{}: does not exist (dataset.{})", given.string(), key));
    return given;
  }
  for (const fs::path& path : defaults)
    if (fs::exists(path, error)) return path;
  return {};
}

Places places_of(const DatasetParams& params) {
  Places places;
  places.images = params.images.empty() ? params.root / "images" : params.images;
  if (!fs::is_directory(places.images))
    throw InputError(fmt::format("{}: no such folder, expected the dataset's images; dataset.images names another one",
                                 places.images.string()));
  places.detections = existing(params.detections, "detections", {params.root / "detections", params.root / "labelTxt"});
  if (!places.detections.empty() && !fs::is_directory(places.detections))
    throw InputError(fmt::format("{}: is a file, expected a folder of detections", places.detections.string()));
  places.triples = existing(params.triples, "triples", {params.root / "triples.jsonl"});
  return places;
}

fs::path detections_of(const Places& places, const std::string& name) {
  if (places.detections.empty()) return {};
  const fs::path path(name);
  // Beside the name's own subfolder, if it has one, a flat folder of detections is served too.
  for (const fs::path& base : {path, path.filename()})
    for (const char* extension : {".json", ".txt"}) {
      fs::path file = places.detections / fs::path(base).replace_extension(extension);
      std::error_code error;
      if (fs::is_regular_file(file, error)) return file;
    }
  return {};
}

/// Collects a split's images in order of first appearance.
class SplitBuilder {
 public:
  SplitBuilder(std::string name, const Places& places) : places_(places) { split_.name = std::move(name); }

  /// The index of the image of that name, added when new.
  int64_t image(const std::string& name) {
    const auto [entry, added] = index_.try_emplace(name, static_cast<int64_t>(split_.images.size()));
    if (added) {
      split_.images.push_back({name, places_.images / name, detections_of(places_, name)});
      captions_.emplace_back();
    }
    return entry->second;
  }
  bool has(const std::string& name) const { return index_.count(name) > 0; }
  void caption(int64_t image, std::string text) { captions_[static_cast<size_t>(image)].push_back(std::move(text)); }

  Split take() {
    for (size_t image = 0; image < captions_.size(); ++image)
      for (std::string& text : captions_[image])
        split_.captions.push_back({std::move(text), static_cast<int64_t>(image)});
    return std::move(split_);
  }

 private:
  const Places& places_;
  Split split_;
  std::unordered_map<std::string, int64_t> index_;
  std::vector<std::vector<std::string>> captions_;
};

constexpr std::array<const char*, 3> split_names{"train", "val", "test"};

Split& split_of(Dataset& dataset, std::string_view name) {
  return name == "train" ? dataset.train : name == "val" ? dataset.val : dataset.test;
}

// ---- precomp

size_t blank_tail(const std::vector<std::string>& lines) {
  size_t count = 0;
  while (count < lines.size() && lines[lines.size() - 1 - count].empty()) ++count;
  return count;
}

[[noreturn]] void counts_do_not_fit(const fs::path& captions_file, const std::vector<std::string>& captions,
                                    const fs::path& names_file, const std::vector<std::string>& names) {
  std::string hint;
  for (const auto& [file, lines] : {std::pair(&captions_file, &captions), std::pair(&names_file, &names)})
    if (const size_t tail = blank_tail(*lines))
      hint += fmt::format("; {} ends in {} blank line{}", file->filename().string(), tail, tail == 1 ? "" : "s");
  throw InputError(
      fmt::format("{}: {} captions do not fit the {} file names of {}: expected as many, or a whole multiple{}",
                  captions_file.string(), captions.size(), names.size(), names_file.filename().string(), hint));
}

Split read_precomp_split(const std::string& name, const fs::path& captions_file, const fs::path& names_file,
                         const Places& places) {
  std::vector<std::string> captions = read_list(captions_file);
  const std::vector<std::string> names = read_list(names_file);
  if (names.empty() != captions.empty() || (!names.empty() && captions.size() % names.size() != 0))
    counts_do_not_fit(captions_file, captions, names_file, names);
  SplitBuilder builder(name, places);
  // As many names as captions: a name a caption. Fewer: each name once, for a group of captions.
  const size_t group = names.empty() ? 1 : captions.size() / names.size();
  for (size_t i = 0; i < names.size(); ++i) {
    std::string fault = fault_of_name(names[i]);
    if (fault.empty() && group > 1 && builder.has(names[i]))
      fault = fmt::format("\"{}\" is listed twice in a list that names each image once ({} captions for {} names)",
                          names[i], captions.size(), names.size());
    if (!fault.empty()) throw InputError(fmt::format("{}:{}: {}", names_file.string(), i + 1, fault));
    const int64_t image = builder.image(names[i]);
    for (size_t k = 0; k < group; ++k) builder.caption(image, std::move(captions[i * group + k]));
  }
  return builder.take();
}

void read_precomp(Dataset& dataset, const DatasetParams& params, const Places& places) {
  for (const char* name : split_names) {
    const fs::path captions = params.root / fmt::format("{}_caps.txt", name);
    const fs::path names = params.root / fmt::format("{}_filename.txt", name);
    if (fs::exists(captions) != fs::exists(names))
      throw InputError(fmt::format("{}: does not exist, but {} does; a split needs both",
                                   (fs::exists(names) ? captions : names).string(),
                                   (fs::exists(names) ? names : captions).filename().string()));
    if (fs::exists(captions)) split_of(dataset, name) = read_precomp_split(name, captions, names, places);
  }
}

// ---- karpathy

std::vector<fs::path> json_files(const fs::path& folder) {
  std::vector<fs::path> files;
  for (const auto& entry : fs::directory_iterator(folder))
    if (entry.is_regular_file() && entry.path().extension() == ".json") files.push_back(entry.path());
  std::sort(files.begin(), files.end());
  return files;
}

fs::path annotations_of(const DatasetParams& params) {
  if (!params.annotations.empty()) return params.annotations;
  const std::vector<fs::path> files = json_files(params.root);
  if (files.size() == 1) return files[0];
  std::string found;
  for (const fs::path& file : files) found += (found.empty() ? "" : ", ") + file.filename().string();
  throw InputError(fmt::format("{}: expected one *.json with the annotations, found {}; dataset.annotations names it",
                               params.root.string(), files.empty() ? "none" : found));
}

const Value& member(const Value& object, const char* key, const std::string& place) {
  if (!object.is_object()) throw InputError(fmt::format("{}: is {}, expected an object", place, brief(object)));
  const Value* found = object.find(key);
  if (!found) throw InputError(fmt::format("{}: has no \"{}\"", place, key));
  return *found;
}

const std::string& text_member(const Value& object, const char* key, const std::string& place) {
  const Value& found = member(object, key, place);
  if (!found.is_string()) throw InputError(fmt::format("{}/{}: is {}, expected a string", place, key, brief(found)));
  return found.as_string();
}

const Value::List& list_member(const Value& object, const char* key, const std::string& place) {
  const Value& found = member(object, key, place);
  if (!found.is_list()) throw InputError(fmt::format("{}/{}: is {}, expected a list", place, key, brief(found)));
  return found.as_list();
}

std::string sentence_text(const Value& sentence, const std::string& place) {
  if (sentence.is_object() && sentence.find("raw")) return trimmed(text_member(sentence, "raw", place));
  std::string text;
  for (const Value& token : list_member(sentence, "tokens", place)) {
    if (!token.is_string()) throw InputError(fmt::format("{}/tokens: holds {}, expected strings", place, brief(token)));
    text += (text.empty() ? "" : " ") + token.as_string();
  }
  return trimmed(text);
}

const char* karpathy_split(const std::string& name, const std::string& place) {
  if (name == "train" || name == "restval") return "train";
  if (name == "val") return "val";
  if (name == "test") return "test";
  throw InputError(fmt::format("{}/split: is \"{}\", expected train, restval, val or test", place, name));
}

void read_karpathy(Dataset& dataset, const DatasetParams& params, const Places& places) {
  const fs::path file = annotations_of(params);
  const Value root = read_json(file);
  std::map<std::string, SplitBuilder, std::less<>> builders;
  for (const char* name : split_names) builders.try_emplace(name, name, places);
  const Value::List& images = list_member(root, "images", file.string() + ": ");
  for (size_t i = 0; i < images.size(); ++i) {
    const std::string place = fmt::format("{}: /images/{}", file.string(), i);
    std::string name = text_member(images[i], "filename", place);
    if (images[i].find("filepath")) name = (fs::path(text_member(images[i], "filepath", place)) / name).string();
    if (const std::string fault = fault_of_name(name); !fault.empty())
      throw InputError(fmt::format("{}/filename: {}", place, fault));
    SplitBuilder& builder = builders.at(karpathy_split(text_member(images[i], "split", place), place));
    if (builder.has(name)) throw InputError(fmt::format("{}/filename: \"{}\" is listed twice", place, name));
    const Value::List& sentences = list_member(images[i], "sentences", place);
    if (sentences.empty())
      throw InputError(fmt::format("{}/sentences: is empty, expected at least one caption", place));
    const int64_t image = builder.image(name);
    for (size_t k = 0; k < sentences.size(); ++k)
      builder.caption(image, sentence_text(sentences[k], fmt::format("{}/sentences/{}", place, k)));
  }
  for (auto& [name, builder] : builders) split_of(dataset, name) = builder.take();
}

// ---- links

/// What the config names itself may lie anywhere.
void check_links(const Dataset& dataset, const DatasetParams& params, const Places& places) {
  LinkGuard guard{params.root, places.images, places.detections};
  for (const char* name : split_names)
    for (const char* list : {"caps", "filename"}) guard.check(params.root / fmt::format("{}_{}.txt", name, list));
  if (params.annotations.empty())
    for (const fs::path& file : json_files(params.root)) guard.check(file);
  if (params.triples.empty()) guard.check(places.triples);
  for (const char* name : {"geometry.jsonl", "abilities.json"}) guard.check(params.root / name);
  for (const Split* split : {&dataset.train, &dataset.val, &dataset.test})
    for (const ImageRecord& image : split->images) {
      guard.check(image.file);
      guard.check(image.detections);
    }
}

// ---- validation split

/// Keeps the images that `keep` marks, with their captions, in order.
Split subset(const Split& split, const std::vector<char>& keep, std::string name) {
  Split part;
  part.name = std::move(name);
  std::vector<int64_t> position(split.images.size(), -1);
  for (size_t i = 0; i < split.images.size(); ++i) {
    if (!keep[i]) continue;
    position[i] = static_cast<int64_t>(part.images.size());
    part.images.push_back(split.images[i]);
  }
  for (const CaptionRecord& caption : split.captions)
    if (const int64_t image = position[static_cast<size_t>(caption.image)]; image >= 0)
      part.captions.push_back({caption.text, image});
  return part;
}

void draw_validation(Dataset& dataset, const DatasetParams& params) {
  if (!dataset.val.images.empty()) {
    dataset.val_source = "on disk";
    return;
  }
  const auto count = static_cast<int64_t>(dataset.train.images.size());
  auto drawn = static_cast<int64_t>(std::llround(params.val_fraction * static_cast<double>(count)));
  if (params.val_fraction > 0 && count > 1) drawn = std::clamp<int64_t>(drawn, 1, count - 1);
  if (drawn == 0 || count < 2) {
    dataset.val_source = "none";
    return;
  }
  const std::vector<int64_t> order = Random(static_cast<uint64_t>(params.val_seed)).permutation(count);
  std::vector<char> in_val(static_cast<size_t>(count), 0), in_train(static_cast<size_t>(count), 1);
  for (int64_t i = 0; i < drawn; ++i) {
    in_val[static_cast<size_t>(order[static_cast<size_t>(i)])] = 1;
    in_train[static_cast<size_t>(order[static_cast<size_t>(i)])] = 0;
  }
  dataset.val = subset(dataset.train, in_val, "val");
  dataset.train = subset(dataset.train, in_train, "train");
  dataset.val_source =
      fmt::format("seeded split of train ({:.3g}% of images, seed {})", params.val_fraction * 100, params.val_seed);
}

// ---- files

/// What identifies a file's state without reading it.
struct Identity {
  int64_t size = 0, time = 0;
  bool operator==(const Identity&) const = default;
};

std::optional<Identity> identity_of(const fs::path& file) {
  struct stat info {};
  if (stat(file.c_str(), &info) != 0 || !S_ISREG(info.st_mode)) return std::nullopt;
  return Identity{static_cast<int64_t>(info.st_size),
                  info.st_mtim.tv_sec * int64_t{1'000'000'000} + info.st_mtim.tv_nsec};
}

/// Faults of files as found before: lines "size TAB time TAB fault TAB path". A cache that cannot be read or is of
/// another version is empty: everything is then simply checked again.
class FaultCache {
 public:
  explicit FaultCache(fs::path file) : file_(std::move(file)) {
    std::error_code error;
    if (file_.empty() || !fs::is_regular_file(file_, error)) return;
    const std::vector<std::string> lines = read_lines(file_);
    if (lines.empty() || lines[0] != header) return;
    for (size_t i = 1; i < lines.size(); ++i) read_line(lines[i]);
  }

  /// The fault ("" for none) of the file in that state, when it is known.
  const std::string* find(const std::string& path, const Identity& identity) const {
    const auto entry = entries_.find(path);
    return entry != entries_.end() && entry->second.first == identity ? &entry->second.second : nullptr;
  }
  void add(const std::string& path, const Identity& identity, const std::string& fault) {
    if (path.find_first_of("\n\t") != std::string::npos || fault.find_first_of("\n\t") != std::string::npos) return;
    entries_[path] = {identity, fault};
    changed_ = true;
  }
  void save() const {
    if (file_.empty() || !changed_) return;
    std::string text = std::string(header) + "\n";
    for (const auto& [path, entry] : entries_)
      text += fmt::format("{}\t{}\t{}\t{}\n", entry.first.size, entry.first.time, entry.second, path);
    try {
      write_atomically(file_, text);
    } catch (const Error&) {
      // The faults are known all the same; the next start checks the files once more.
    }
  }

 private:
  static constexpr const char* header = "orbweaver image check 2";

  void read_line(const std::string& line) {
    std::array<std::string_view, 4> fields;
    size_t begin = 0;
    for (size_t i = 0; i < 4; ++i) {
      const size_t end = i < 3 ? line.find('\t', begin) : line.size();
      if (end == std::string::npos) return;
      fields[i] = std::string_view(line).substr(begin, end - begin);
      begin = end + 1;
    }
    Identity identity;
    std::from_chars(fields[0].data(), fields[0].data() + fields[0].size(), identity.size);
    std::from_chars(fields[1].data(), fields[1].data() + fields[1].size(), identity.time);
    entries_[std::string(fields[3])] = {identity, std::string(fields[2])};
  }

  fs::path file_;
  std::unordered_map<std::string, std::pair<Identity, std::string>> entries_;
  bool changed_ = false;
};

/// Absolute, without "." and "..".
std::string plain_path(const fs::path& file) {
  const std::string& name = file.native();
  const bool plain =
      name.starts_with('/') && name.find("//") == std::string::npos && name.find("/.") == std::string::npos;
  return plain ? name : fs::absolute(file).lexically_normal().string();
}

/// They live as long as the dataset.
std::vector<const fs::path*> distinct_files(const Dataset& dataset) {
  std::vector<const fs::path*> files;
  std::unordered_set<std::string_view> seen;
  for (const Split* split : {&dataset.train, &dataset.val, &dataset.test})
    for (const ImageRecord& image : split->images)
      if (seen.insert(image.file.native()).second) files.push_back(&image.file);
  return files;
}

/// A file beside a missing one that differs from it only in its extension or in case.
std::string similar_file(const fs::path& missing) {
  const auto lower = [](std::string text) {
    for (char& c : text) c = static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
    return text;
  };
  std::error_code error;
  for (const auto& entry : fs::directory_iterator(missing.parent_path(), error))
    if (lower(entry.path().stem().string()) == lower(missing.stem().string())) return entry.path().filename().string();
  return {};
}

std::string broken_message(const std::vector<SkippedItem>& broken, size_t total, const fs::path& images,
                           bool can_skip) {
  const auto missing =
      std::count_if(broken.begin(), broken.end(), [](const auto& item) { return item.reason == "does not exist"; });
  std::string text = fmt::format("{}: {} of {} images cannot be used ({} missing, {} broken); {}", images.string(),
                                 broken.size(), total, missing, static_cast<int64_t>(broken.size()) - missing,
                                 can_skip ? "repair the folder, or set dataset.skip_broken to leave them out"
                                          : "no image is left; is dataset.images the right folder?");
  for (size_t i = 0; i < std::min<size_t>(broken.size(), 10); ++i)
    text += fmt::format("\n  {}: {}", broken[i].file.string(), broken[i].reason);
  if (broken.size() > 10) text += fmt::format("\n  ... and {} more", broken.size() - 10);
  for (const SkippedItem& item : broken) {
    if (item.reason != "does not exist") continue;
    if (const std::string similar = similar_file(item.file); !similar.empty())
      text += fmt::format("\n  ({} is missing, but {} is there)", item.file.filename().string(), similar);
    break;
  }
  return text;
}

Split without(const Split& split, const std::set<fs::path>& files) {
  std::vector<char> keep(split.images.size());
  for (size_t i = 0; i < keep.size(); ++i) keep[i] = files.count(split.images[i].file) == 0;
  return subset(split, keep, split.name);
}

// ---- detections

double number_at(const Value::List& list, size_t i, const std::string& place) {
  const Value& value = list[i];
  if (!value.is_number() || !std::isfinite(value.as_double()))
    throw InputError(fmt::format("{}/bbox/{}: is {}, expected a number", place, i, brief(value)));
  return value.as_double();
}

Object read_object(const Value& entry, const std::string& place) {
  Object object;
  object.label = text_member(entry, "label", place);
  const Value::List& box = list_member(entry, "bbox", place);
  if (box.size() != 6)
    throw InputError(fmt::format("{}/bbox: has {} numbers, expected 6: cx, cy, width, height, angle, probability",
                                 place, box.size()));
  double* const fields[] = {&object.cx, &object.cy, &object.width, &object.height, &object.angle, &object.probability};
  for (size_t i = 0; i < 6; ++i) *fields[i] = number_at(box, i, place);
  if (object.width < 0 || object.height < 0)
    throw InputError(
        fmt::format("{}/bbox: width {} and height {} must not be negative", place, object.width, object.height));
  if (object.probability < 0 || object.probability > 1)
    throw InputError(fmt::format("{}/bbox/5: is {}, expected a probability from 0 to 1", place, object.probability));
  if (const Value* attributes = entry.find("attributes")) {
    if (!attributes->is_object())
      throw InputError(fmt::format("{}/attributes: is {}, expected an object", place, brief(*attributes)));
    for (const auto& [name, value] : attributes->as_object()) {
      if (!value.is_number())
        throw InputError(fmt::format("{}/attributes/{}: is {}, expected a number", place, name, brief(value)));
      object.attributes.push_back({name, value.as_double()});
    }
  }
  return object;
}

std::vector<std::string_view> words_of(std::string_view line) {
  std::vector<std::string_view> words;
  for (size_t begin = line.find_first_not_of(blanks); begin != std::string_view::npos;) {
    const size_t end = std::min(line.find_first_of(blanks, begin), line.size());
    words.push_back(line.substr(begin, end - begin));
    begin = line.find_first_not_of(blanks, end);
  }
  return words;
}

Object read_dota_line(std::string_view line, const std::string& place) {
  const std::vector<std::string_view> words = words_of(line);
  if (words.size() != 9 && words.size() != 10)
    throw InputError(
        fmt::format("{}: has {} words, expected 8 corner coordinates, a class and a difficulty", place, words.size()));
  std::array<double, 8> p{};
  for (size_t i = 0; i < 8; ++i) {
    const auto [end, error] = std::from_chars(words[i].data(), words[i].data() + words[i].size(), p[i]);
    if (error != std::errc() || end != words[i].data() + words[i].size() || !std::isfinite(p[i]))
      throw InputError(fmt::format("{}: \"{}\" is no coordinate", place, words[i]));
  }
  const auto side = [&](size_t a, size_t b) { return std::hypot(p[2 * b] - p[2 * a], p[2 * b + 1] - p[2 * a + 1]); };
  Object object;
  object.cx = (p[0] + p[2] + p[4] + p[6]) / 4;
  object.cy = (p[1] + p[3] + p[5] + p[7]) / 4;
  object.width = (side(0, 1) + side(2, 3)) / 2;
  object.height = (side(1, 2) + side(3, 0)) / 2;
  object.angle = std::atan2(p[3] - p[1], p[2] - p[0]);
  for (const double number : {object.cx, object.cy, object.width, object.height, object.angle})
    if (!std::isfinite(number))
      throw InputError(fmt::format("{}: its coordinates are too large, expected pixels of an image", place));
  object.label = words[8];
  if (words.size() == 10 && words[9] != "0") object.attributes.push_back({"difficult", 1});
  return object;
}

std::vector<Object> read_dota(const fs::path& file) {
  std::vector<Object> objects;
  const std::vector<std::string> lines = read_list(file);
  for (size_t i = 0; i < lines.size(); ++i) {
    if (lines[i].empty() || lines[i].starts_with("imagesource:") || lines[i].starts_with("gsd:")) continue;
    objects.push_back(read_dota_line(lines[i], fmt::format("{}:{}", file.string(), i + 1)));
  }
  return objects;
}

}  // namespace

void DatasetParams::describe(ParamSpec<DatasetParams>& p) {
  p.field("name", &DatasetParams::name, "Name shown in results");
  p.field("root", &DatasetParams::root, "Folder of the caption files").required();
  p.field("format", &DatasetParams::format, {{"precomp", Format::precomp}, {"karpathy", Format::karpathy}},
          "precomp: *_caps.txt and *_filename.txt; karpathy: one JSON file");
  p.field("images", &DatasetParams::images, "Folder of the images; empty: root/images");
  p.field("annotations", &DatasetParams::annotations,
          "The JSON file of format karpathy; empty: the only *.json in root");
  p.field("detections", &DatasetParams::detections,
          "Folder of detections, <image stem>.json or DOTA <image stem>.txt; empty: root/detections or root/labelTxt, "
          "where one exists");
  p.field("triples", &DatasetParams::triples,
          "JSONL of captions and their triples; empty: root/triples.jsonl where it exists");
  p.field("val_fraction", &DatasetParams::val_fraction,
          "Part of the training images that becomes the validation split of a dataset without one")
      .range(0, 0.9);
  p.field("val_seed", &DatasetParams::val_seed, "Seed of that split, apart from the run's").at_least(0);
  p.field("skip_broken", &DatasetParams::skip_broken,
          "Leave out images that are missing or do not decode, instead of stopping");
}

std::string Split::hash() const {
  Hasher hasher;
  for (const ImageRecord& image : images) hasher.add(image.name);
  for (const CaptionRecord& caption : captions) hasher.add(std::to_string(caption.image)).add(caption.text);
  return hasher.hex();
}

TripleTable read_triples(const fs::path& file) {
  TripleTable table;
  const std::vector<std::string> lines = read_list(file);
  for (size_t i = 0; i < lines.size(); ++i) {
    if (lines[i].empty()) continue;
    const std::string place = fmt::format("{}:{}", file.string(), i + 1);
    const Value entry = parse_json(lines[i], place);
    std::vector<Triple> triples;
    const Value::List& list = list_member(entry, "triples", place + ": ");
    for (const Value& item : list) {
      const bool fits =
          item.is_list() && item.as_list().size() == 3 &&
          std::all_of(item.as_list().begin(), item.as_list().end(), [](const Value& v) { return v.is_string(); });
      if (!fits)
        throw InputError(fmt::format("{}: triple {}, expected [subject, relation, object]", place, brief(item)));
      triples.push_back({item.as_list()[0].as_string(), item.as_list()[1].as_string(), item.as_list()[2].as_string()});
    }
    const auto [known, added] = table.try_emplace(trimmed(text_member(entry, "text", place + ": ")), triples);
    if (!added && known->second != triples)
      throw InputError(
          fmt::format("{}: \"{}\" was given other triples before; a text has one list", place, known->first));
  }
  return table;
}

Dataset load_dataset(const DatasetParams& params) {
  if (!fs::exists(params.root))
    throw InputError(fmt::format("{}: does not exist (dataset.root)", params.root.string()));
  if (!fs::is_directory(params.root))
    throw InputError(fmt::format("{}: is a file, expected the dataset's folder (dataset.root)", params.root.string()));
  const bool precomp = params.format == DatasetParams::Format::precomp;
  const auto has_lists = [&](const char* name) {
    return fs::exists(params.root / fmt::format("{}_caps.txt", name)) ||
           fs::exists(params.root / fmt::format("{}_filename.txt", name));
  };
  if (precomp && std::none_of(split_names.begin(), split_names.end(), has_lists))
    throw InputError(
        fmt::format("{}: holds none of train_caps.txt, val_caps.txt, test_caps.txt; for a JSON file of captions set "
                    "dataset.format to \"karpathy\"",
                    params.root.string()));
  const Places places = places_of(params);
  Dataset dataset;
  dataset.name = params.name;
  for (const char* name : split_names) split_of(dataset, name).name = name;
  precomp ? read_precomp(dataset, params, places) : read_karpathy(dataset, params, places);
  if (dataset.train.images.empty() && dataset.val.images.empty() && dataset.test.images.empty())
    throw InputError(fmt::format("{}: the dataset lists no image", params.root.string()));
  check_links(dataset, params, places);
  draw_validation(dataset, params);
  if (!places.triples.empty()) dataset.triples = read_triples(places.triples);
  return dataset;
}

DatasetParams guess_dataset(const fs::path& path) {
  DatasetParams params;
  if (!fs::exists(path))
    throw InputError(fmt::format("{}: does not exist, expected a dataset's folder", path.string()));
  if (fs::is_regular_file(path)) {
    if (path.extension() != ".json")
      throw InputError(fmt::format(
          "{}: is a file; expected a dataset's folder, or the JSON file of one in format karpathy", path.string()));
    params.annotations = path;
    params.root = path.has_parent_path() ? path.parent_path() : fs::path(".");
    params.format = DatasetParams::Format::karpathy;
  } else {
    params.root = path;
    bool lists = false;
    for (const char* name : split_names) lists = lists || fs::exists(path / fmt::format("{}_caps.txt", name));
    if (!lists && !json_files(path).empty()) params.format = DatasetParams::Format::karpathy;
  }
  params.name = fs::weakly_canonical(path).stem().string();
  return params;
}

std::vector<SkippedItem> find_broken_files(const Dataset& dataset, int threads, const fs::path& cache_file,
                                           const ProgressFunction& progress) {
  const std::vector<const fs::path*> files = distinct_files(dataset);
  const auto total = std::ssize(files);
  FaultCache cache(cache_file);
  struct Finding {
    std::optional<Identity> identity;
    std::string fault;
    bool known = false;
  };
  const auto examine = [&](const fs::path& file) {
    Finding finding;
    finding.identity = identity_of(file);
    if (!finding.identity) {
      finding.fault = image_fault(file);
      if (finding.fault.empty()) finding.fault = "changed while it was read";
    } else if (const std::string* fault = cache.find(plain_path(file), *finding.identity)) {
      finding.known = true;
      finding.fault = *fault;
    } else {
      finding.fault = image_fault(file);
    }
    return finding;
  };
  // Handing a file to a worker takes longer than looking at one that is known; large images are handed out singly.
  const int64_t block = std::clamp<int64_t>(total / (int64_t{std::max(threads, 1)} * 16), 1, 32);
  const auto examine_block = [&](int64_t b) {
    std::vector<Finding> findings;
    for (int64_t i = b * block; i < std::min(total, (b + 1) * block); ++i)
      findings.push_back(examine(*files[static_cast<size_t>(i)]));
    return findings;
  };
  std::vector<SkippedItem> broken;
  std::vector<std::pair<const fs::path*, Finding>> fresh;  // added at the end: the workers read the cache
  {
    QuietDecoders quiet;
    OrderedPrefetch<std::vector<Finding>> blocks((total + block - 1) / block, examine_block, threads, 64);
    for (int64_t done = 0; done < total;) {
      std::vector<Finding> findings = *blocks.next();
      for (Finding& finding : findings) {
        const fs::path* file = files[static_cast<size_t>(done++)];
        if (!finding.fault.empty()) broken.push_back({*file, finding.fault});
        if (finding.identity && !finding.known) fresh.emplace_back(file, std::move(finding));
      }
      if (progress) quiet.aloud([&] { progress(done, total); });
    }
  }
  for (const auto& [file, finding] : fresh) cache.add(plain_path(*file), *finding.identity, finding.fault);
  cache.save();
  return broken;
}

void check_files(Dataset& dataset, const DatasetParams& params, int threads, const fs::path& cache,
                 const ProgressFunction& progress) {
  const std::vector<SkippedItem> broken = find_broken_files(dataset, threads, cache, progress);
  if (broken.empty()) return;
  const size_t total = distinct_files(dataset).size();
  const bool all = broken.size() == total;
  if (!params.skip_broken || all)
    throw InputError(
        broken_message(broken, total, params.images.empty() ? params.root / "images" : params.images, !all));
  std::set<fs::path> files;
  for (const SkippedItem& item : broken) files.insert(item.file);
  for (Split* split : {&dataset.train, &dataset.val, &dataset.test}) *split = without(*split, files);
  dataset.skipped.insert(dataset.skipped.end(), broken.begin(), broken.end());
}

std::vector<Object> read_detections(const fs::path& file) {
  return file.extension() == ".txt" ? read_dota(file) : parse_detections(read_json(file), file.string());
}

std::vector<Object> parse_detections(const Value& list, const std::string& source) {
  if (!list.is_list()) throw InputError(fmt::format("{}: is {}, expected a list of objects", source, brief(list)));
  std::vector<Object> objects;
  for (size_t i = 0; i < list.as_list().size(); ++i)
    objects.push_back(read_object(list.as_list()[i], fmt::format("{}: /{}", source, i)));
  return objects;
}

std::string detections_json(std::span<const Object> objects) {
  std::string text = "[";
  for (const Object& object : objects) {
    Value entry = Value::object();
    entry["label"] = object.label;
    entry["bbox"] = Value::List{object.cx, object.cy, object.width, object.height, object.angle, object.probability};
    for (const Attribute& attribute : object.attributes) entry["attributes"][attribute.name] = attribute.value;
    text += (text.size() > 1 ? ",\n " : "\n ") + to_json(entry, -1);
  }
  return text + (objects.empty() ? "]\n" : "\n]\n");
}

}  // namespace orbweaver
