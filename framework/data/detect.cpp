#include "framework/data/detect.h"

#include <fmt/format.h>

#include <algorithm>
#include <cctype>
#include <chrono>
#include <iterator>
#include <mutex>
#include <opencv2/core.hpp>
#include <optional>
#include <set>

#include "framework/data/detect_draw.h"
#include "framework/data/image.h"
#include "framework/data/prefetch.h"
#include "framework/io/files.h"
#include "framework/io/json.h"
#include "framework/plugin/hosted.h"
#include "framework/plugin/settings.h"
#include "orbweaver/error.h"

namespace orbweaver {
namespace fs = std::filesystem;
namespace {

constexpr const char* record_name = ".detector.json";

std::string lower_extension(const fs::path& file) {
  std::string text = file.extension().string();
  for (char& c : text) c = static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
  return text;
}

bool is_image(const fs::path& file) {
  static const std::vector<std::string> extensions{".jpg", ".jpeg", ".png", ".tif", ".tiff", ".bmp", ".webp"};
  return std::find(extensions.begin(), extensions.end(), lower_extension(file)) != extensions.end();
}

bool is_detections(const fs::path& file) { return file.extension() == ".json" || file.extension() == ".txt"; }

/// Files below a folder that `wanted` takes, relative to it, in order; nothing hidden.
std::vector<fs::path> files_below(const fs::path& folder, const char* option, bool (*wanted)(const fs::path&)) {
  if (!fs::is_directory(folder)) throw InputError(fmt::format("--{} {}: is no folder", option, folder.string()));
  std::vector<fs::path> files;
  for (auto entry = fs::recursive_directory_iterator(folder, fs::directory_options::follow_directory_symlink);
       entry != fs::recursive_directory_iterator(); ++entry) {
    if (entry->path().filename().string().starts_with('.')) {
      if (entry->is_directory()) entry.disable_recursion_pending();
    } else if (entry->is_regular_file() && wanted(entry->path())) {
      files.push_back(entry->path().lexically_relative(folder));
    }
  }
  std::sort(files.begin(), files.end());
  return files;
}

/// One image, or with `from` alone one detection file.
struct Item {
  fs::path name;    ///< relative, without extension
  fs::path image;   ///< may be empty
  fs::path source;  ///< existing detections; empty when a detector runs, or when there are none
};

std::vector<Item> items_of(const DetectOptions& options) {
  const bool by_image = !options.images.empty();
  const fs::path& folder = by_image ? options.images : options.from;
  const std::vector<fs::path> files =
      files_below(folder, by_image ? "images" : "from", by_image ? is_image : is_detections);
  if (files.empty())
    throw InputError(fmt::format("--{} {}: holds no {}", by_image ? "images" : "from", folder.string(),
                                 by_image ? "images (jpg, png, tif, bmp, webp)" : "detections (.json or .txt)"));
  std::vector<Item> items;
  std::set<fs::path> names;
  for (const fs::path& file : files) {
    Item item{fs::path(file).replace_extension(), by_image ? folder / file : fs::path(),
              by_image ? fs::path() : folder / file};
    if (!names.insert(item.name).second)
      throw InputError(
          fmt::format("{}: {} has the same name but for its extension as another file, and would have the "
                      "same detections; rename one",
                      folder.string(), file.string()));
    if (by_image && !options.from.empty())
      for (const fs::path& base : {item.name.filename(), item.name})
        for (const char* extension : {".txt", ".json"}) {
          const fs::path candidate = options.from / fs::path(base) += extension;
          if (fs::is_regular_file(candidate)) item.source = candidate;
        }
    items.push_back(std::move(item));
  }
  return items;
}

void check_options(const DetectOptions& options) {
  if (options.use.empty() == options.from.empty())
    throw InputError("give a detector with --use ID, or existing detections with --from DIR, not both");
  if (options.out.empty() && options.draw.empty())
    throw InputError("give --out DIR for detection files, --draw DIR for drawings, or both");
  if (options.images.empty() && (options.from.empty() || !options.draw.empty()))
    throw InputError("--images DIR is missing: the folder of the images");
  if (!options.from.empty() && !options.set.empty()) throw InputError("--set is for a detector; --from runs none");
  const auto same = [](const fs::path& a, const fs::path& b) {
    return !a.empty() && !b.empty() && fs::weakly_canonical(a) == fs::weakly_canonical(b);
  };
  if (same(options.from, options.out))
    throw InputError(fmt::format("--out {}: is the folder that --from reads; name another one", options.out.string()));
  if (same(options.images, options.draw))
    throw InputError(fmt::format("--draw {}: is the folder of the images; name another one", options.draw.string()));
}

/// The detectors, one for each thread, and what they are.
class Detectors {
 public:
  Detectors(const DetectOptions& options, int count) {
    PluginHost host = host_searching(options.plugin_folders);
    const Component& component = host.find(Detector::kind, options.use);
    const Value params = read_settings("--set", options.set, component.parameters);
    for (int i = 0; i < count; ++i)
      idle_.push_back(create<Detector>(host, options.use, params, nullptr, "--use " + options.use));
    record_["use"] = options.use;
    record_["parameters"] = with_defaults(component.parameters, params);
    record_["plugin_version"] = PluginHost::plugin_of(component).manifest.version;
  }

  std::vector<Object> detect(const ImageView& image) {
    Hosted<Detector> detector;
    {
      const std::lock_guard lock(mutex_);
      detector = idle_.back();  // there are as many as threads
      idle_.pop_back();
    }
    std::vector<Object> objects = orbweaver::detect(detector, image);
    const std::lock_guard lock(mutex_);
    idle_.push_back(std::move(detector));
    return objects;
  }

  const Value& record() const { return record_; }

 private:
  std::mutex mutex_;
  std::vector<Hosted<Detector>> idle_;
  Value record_;
};

/// The record of what made a folder's detections.
class FolderRecord {
 public:
  FolderRecord(const DetectOptions& options, const Value& maker) : record_(maker) {
    if (options.out.empty()) return;
    file_ = options.out / record_name;
    if (fs::exists(file_) && !options.overwrite) refuse_others(options);
    // Stays until the end of an overwriting run: should that stop halfway, the folder holds files of two makers.
    if (options.overwrite) record_["overwriting"] = true;
    write_atomically(file_, to_json(record_) + "\n");
  }

  void done() {
    if (file_.empty() || !record_.find("overwriting")) return;
    record_.erase("overwriting");
    write_atomically(file_, to_json(record_) + "\n");
  }

 private:
  void refuse_others(const DetectOptions& options) const {
    const Value before = read_json(file_);
    if (before.find("overwriting"))
      throw InputError(
          fmt::format("--out {}: a run with --overwrite was interrupted there; finish it with --overwrite, "
                      "or name another folder",
                      options.out.string()));
    if (before != record_)
      throw InputError(
          fmt::format("--out {}: its detections were made by {}, not by {}; name another folder, or "
                      "replace them with --overwrite",
                      options.out.string(), to_json(before, -1), to_json(record_, -1)));
  }

  Value record_;
  fs::path file_;
};

struct Outcome {
  bool written = false, drawn = false;
  std::optional<SkippedItem> fault;
  std::vector<std::string> labels;
};

/// What is done for an image, in several threads at once.
class Work {
 public:
  Work(const DetectOptions& options, Detectors* detectors) : options_(options), detectors_(detectors) {}

  static fs::path file_for(const fs::path& folder, const Item& item, const char* extension) {
    return folder.empty() ? fs::path() : folder / fs::path(item.name) += extension;
  }
  bool is_done(const Item& item) const {
    return !options_.overwrite && (options_.out.empty() || fs::exists(file_for(options_.out, item, ".json"))) &&
           (options_.draw.empty() || fs::exists(file_for(options_.draw, item, ".png")));
  }

  Outcome run(const Item& item) const {
    const fs::path out = file_for(options_.out, item, ".json"), drawing = file_for(options_.draw, item, ".png");
    const bool have = !out.empty() && !options_.overwrite && fs::exists(out);
    Outcome outcome;
    std::vector<Object> objects;
    Image image;
    fs::path reading = item.image;
    try {
      if (!drawing.empty() || (detectors_ && !have)) image = decode_image(item.image);
      reading = have ? out : item.source;
      if (have || !detectors_) objects = read(reading);
    } catch (const InputError& error) {
      outcome.fault = SkippedItem{reading.empty() ? item.image : reading, reason(error.what(), reading)};
      return outcome;
    }
    if (!have && detectors_) objects = detect(item, image);
    if (!have && !out.empty()) {
      write_atomically(out, detections_json(objects));
      outcome.written = true;
    }
    if (!drawing.empty()) {
      write_image(drawing, draw_objects(image.view(), objects).view());
      outcome.drawn = true;
    }
    for (const Object& object : objects) outcome.labels.push_back(object.label);
    return outcome;
  }

 private:
  std::vector<Object> detect(const Item& item, const Image& image) const {
    try {
      return detectors_->detect(image.view());
    } catch (const std::exception& error) {
      throw Error(fmt::format("{}: {}", item.image.string(), error.what()));
    }
  }
  std::vector<Object> read(const fs::path& file) const {
    if (file.empty()) throw InputError(fmt::format("has no detections (.json or .txt) in {}", options_.from.string()));
    return read_detections(file);
  }
  /// The message without the file that it begins with.
  static std::string reason(std::string text, const fs::path& file) {
    if (!file.empty() && text.starts_with(file.string() + ": ")) text.erase(0, file.string().size() + 2);
    return text;
  }

  const DetectOptions& options_;
  Detectors* detectors_;
};

/// OpenCV's own threads would compete with ours.
class OpencvThreads {
 public:
  explicit OpencvThreads(int ours) : before_(cv::getNumThreads()) {
    if (ours > 1) cv::setNumThreads(1);
  }
  ~OpencvThreads() { cv::setNumThreads(before_); }
  OpencvThreads(const OpencvThreads&) = delete;
  OpencvThreads& operator=(const OpencvThreads&) = delete;

 private:
  int before_;
};

void add(DetectResult& result, const Outcome& outcome) {
  result.written += outcome.written;
  result.drawn += outcome.drawn;
  result.objects += static_cast<int64_t>(outcome.labels.size());
  for (const std::string& label : outcome.labels) ++result.labels[label];
  if (outcome.fault) result.broken.push_back(*outcome.fault);
}

}  // namespace

DetectResult detect_folder(const DetectOptions& options, const RunReport& report) {
  check_options(options);
  const auto start = std::chrono::steady_clock::now();
  const std::vector<Item> all = items_of(options);
  DetectResult result;
  result.images = static_cast<int64_t>(all.size());

  std::vector<Item> items;
  const Work look(options, nullptr);
  std::copy_if(all.begin(), all.end(), std::back_inserter(items),
               [&](const Item& item) { return !look.is_done(item); });
  result.kept = static_cast<int64_t>(all.size() - items.size());
  const auto count = static_cast<int64_t>(items.size());
  const int threads = static_cast<int>(std::clamp<int64_t>(count, 1, std::max(1, options.threads)));

  std::optional<Detectors> detectors;
  if (!options.use.empty()) detectors.emplace(options, threads);
  Value from;
  if (!detectors) from["from"] = fs::absolute(options.from).lexically_normal().string();
  FolderRecord record(options, detectors ? detectors->record() : from);

  const Work work(options, detectors ? &*detectors : nullptr);
  const OpencvThreads opencv_threads(threads);
  {
    QuietDecoders quiet;
    OrderedPrefetch<Outcome> outcomes(
        count, [&](int64_t i) { return work.run(items[static_cast<size_t>(i)]); }, threads, 4 * threads);
    int64_t done = 0;
    for (; done < count && !report.stopping(); ++done) {
      add(result, *outcomes.next());
      quiet.aloud([&] { report.progress("detect", done + 1, count, "images", ""); });
    }
    result.interrupted = done < count;
  }
  if (!result.interrupted) record.done();
  result.seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
  return result;
}

Value DetectResult::value() const {
  Value out;
  out["images"] = images;
  out["written"] = written;
  out["kept"] = kept;
  out["drawn"] = drawn;
  out["objects"] = objects;
  out["labels"] = Value::object();
  for (const auto& [label, count] : labels) out["labels"][label] = count;
  out["broken"] = Value::list();
  for (const SkippedItem& item : broken) {
    Value entry;
    entry["file"] = item.file.string();
    entry["reason"] = item.reason;
    out["broken"].push_back(std::move(entry));
  }
  out["interrupted"] = interrupted;
  out["seconds"] = seconds;
  return out;
}

std::string DetectResult::text() const {
  std::string out =
      fmt::format("{} images: {} detection files written, {} drawn, {} there already, {} broken; {:.1f} s\n", images,
                  written, drawn, kept, broken.size(), seconds);
  const int64_t read = std::max(written, drawn);
  if (read > 0)
    out +=
        fmt::format("{} objects, {:.1f} an image\n", objects, static_cast<double>(objects) / static_cast<double>(read));
  std::vector<std::pair<std::string, int64_t>> list(labels.begin(), labels.end());
  std::stable_sort(list.begin(), list.end(), [](const auto& x, const auto& y) { return x.second > y.second; });
  for (size_t i = 0; i < std::min<size_t>(list.size(), 12); ++i)
    out += fmt::format("{:>9}  {}\n", list[i].second, list[i].first);
  if (list.size() > 12) out += fmt::format("{:>9}  more labels\n", list.size() - 12);
  for (const SkippedItem& item : broken) out += fmt::format("{}: {}\n", item.file.string(), item.reason);
  return out;
}

}  // namespace orbweaver
