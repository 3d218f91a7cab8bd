#include "framework/data/synth.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <fstream>
#include <map>
#include <opencv2/core.hpp>
#include <opencv2/imgcodecs.hpp>
#include <opencv2/imgproc.hpp>

#include "framework/data/prefetch.h"
#include "framework/data/synth_scene.h"
#include "framework/io/files.h"
#include "framework/io/json.h"
#include "orbweaver/error.h"

namespace orbweaver {
namespace fs = std::filesystem;
namespace {

constexpr const char* marker_name = "synth.json";
constexpr int64_t version = 1;  // of the scenes that a seed gives

/// To a hundredth of a pixel or a ten-thousandth of a radian: readable, and the same text everywhere.
double rounded(double value, double steps) { return std::round(value * steps) / steps; }

Object object_of(const synth::Box& box, const char* label) {
  return {rounded(box.cx, 100),
          rounded(box.cy, 100),
          rounded(box.width, 100),
          rounded(box.height, 100),
          rounded(box.angle, 10000),
          1,
          label,
          {}};
}

std::vector<Object> objects_of(const synth::Layout& layout) {
  std::vector<Object> objects;
  for (const synth::Group& group : layout.groups)
    for (const synth::Box& box : group.boxes) {
      objects.push_back(object_of(box, name_of(group.kind)));
      if (!group.colour.empty()) objects.back().attributes.push_back({group.colour, 1});
    }
  for (const synth::Region& region : layout.regions) objects.push_back(object_of(region.box, name_of(region.surface)));
  return objects;
}

/// What is written for one scene.
struct Files {
  std::string jpeg, detections;
  std::vector<SynthCaption> captions;
};

Files files_of(uint64_t seed, int64_t index) {
  SynthScene scene = make_scene(seed, index);
  const cv::Mat rgb(static_cast<int>(scene.image.height), static_cast<int>(scene.image.width), CV_8UC3,
                    scene.image.pixels.data());
  cv::Mat bgr;
  cv::cvtColor(rgb, bgr, cv::COLOR_RGB2BGR);
  std::vector<uint8_t> jpeg;
  cv::imencode(".jpg", bgr, jpeg, {cv::IMWRITE_JPEG_QUALITY, 92});
  return {std::string(jpeg.begin(), jpeg.end()), detections_json(scene.objects), std::move(scene.captions)};
}

/// Not synced to the disk one by one, as write_atomically does: the marker, written last, says that all of them are
/// there.
void write_plainly(const fs::path& file, const std::string& bytes) {
  std::ofstream out(file, std::ios::binary);
  out.write(bytes.data(), static_cast<std::streamsize>(bytes.size()));
  out.close();
  if (!out) throw Error(fmt::format("{}: cannot be written; is the disk full?", file.string()));
}

bool is_ours(const fs::path& file) {
  const std::string name = file.filename().string();
  return name.starts_with("scene_") && (name.ends_with(".jpg") || name.ends_with(".json"));
}

void remove_scenes(const fs::path& folder) {
  if (!fs::is_directory(folder)) return;
  std::vector<fs::path> old;
  for (const auto& entry : fs::directory_iterator(folder))
    if (is_ours(entry.path())) old.push_back(entry.path());
  for (const fs::path& file : old) fs::remove(file);
}

void write_marker(const SynthOptions& options, bool complete) {
  Value marker;
  marker["orbweaver_synth"] = version;
  marker["images"] = options.images;
  marker["seed"] = static_cast<int64_t>(options.seed);
  marker["complete"] = complete;
  write_atomically(options.folder / marker_name, to_json(marker) + "\n");
}

/// Leaves the folder ready: there, marked, and without scenes of an earlier call.
void take_folder(const SynthOptions& options) {
  const fs::path& folder = options.folder;
  if (options.images < 3)
    throw InputError(fmt::format("--images {}: expected at least 3, one for each split", options.images));
  if (fs::exists(folder) && !fs::is_directory(folder))
    throw InputError(fmt::format("{}: is a file, expected a folder", folder.string()));
  if (fs::exists(folder) && !fs::is_empty(folder) && !fs::exists(folder / marker_name) && !options.force)
    throw InputError(fmt::format(
        "{}: is not empty and was not written by this command; name another folder, or give --force to write into it",
        folder.string()));
  std::error_code error;
  for (const char* name : {"images", "detections"}) {
    fs::create_directories(folder / name, error);
    if (error) throw InputError(fmt::format("{}: cannot be created: {}", (folder / name).string(), error.message()));
  }
  write_marker(options, false);
  for (const char* name : {"images", "detections"}) remove_scenes(folder / name);
}

std::string triples_line(const SynthCaption& caption) {
  Value entry;
  entry["text"] = caption.text;
  entry["triples"] = Value::list();
  for (const Triple& triple : caption.triples)
    entry["triples"].push_back(Value::List{triple.subject, triple.relation, triple.object});
  return to_json(entry, -1) + "\n";
}

}  // namespace

SynthScene make_scene(uint64_t seed, int64_t index) {
  // Three streams, so that a change to how scenes look does not change what they show and what is said of them.
  Random places(seed, static_cast<uint64_t>(index), 1), looks(seed, static_cast<uint64_t>(index), 2),
      words(seed, static_cast<uint64_t>(index), 3);
  const synth::Layout layout = synth::make_layout(places);
  return {synth::paint(layout, looks), objects_of(layout), synth::describe(layout, words)};
}

void write_synthetic_dataset(const SynthOptions& options, const ProgressFunction& progress) {
  take_folder(options);
  const int64_t held_out = std::max<int64_t>(1, options.images / 10);
  std::map<std::string, std::string> lists;  // file name -> content
  std::map<std::string, std::string> triples;
  OrderedPrefetch<Files> scenes(
      options.images, [&](int64_t i) { return files_of(options.seed, i); }, options.threads, 64);
  for (int64_t i = 0; i < options.images; ++i) {
    const Files files = *scenes.next();
    const std::string name = fmt::format("scene_{:06}", i);
    write_plainly(options.folder / "images" / (name + ".jpg"), files.jpeg);
    write_plainly(options.folder / "detections" / (name + ".json"), files.detections);
    const int64_t rest = options.images - i;
    const std::string split = rest <= held_out ? "test" : rest <= 2 * held_out ? "val" : "train";
    // Names once per image in train and once per caption elsewhere, as RSICD has them.
    for (size_t k = 0; k < (split == "train" ? 1 : files.captions.size()); ++k)
      lists[split + "_filename.txt"] += name + ".jpg\n";
    for (const SynthCaption& caption : files.captions) {
      lists[split + "_caps.txt"] += caption.text + "\n";
      triples.try_emplace(caption.text, triples_line(caption));
    }
    if (progress) progress(i + 1, options.images);
  }
  for (const auto& [text, line] : triples) lists["triples.jsonl"] += line;
  for (const auto& [name, content] : lists) write_atomically(options.folder / name, content);
  write_marker(options, true);
}

}  // namespace orbweaver
