#include "framework/data/synth.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <fstream>
#include <map>
#include <utility>

#include "framework/data/prefetch.h"
#include "framework/data/synth_png.h"
#include "framework/data/synth_scene.h"
#include "framework/io/files.h"
#include "framework/io/json.h"
#include "orbweaver/error.h"

namespace orbweaver {
namespace fs = std::filesystem;
namespace {

constexpr const char* marker_name = "synth.json";
constexpr int64_t version = 2;  // of the scenes that a seed gives

// ---- scenes

/// What a scene's random numbers are for, so that a change to how scenes look does not change what they show and what
/// is said of them.
enum class Stream : uint64_t { places = 1, looks, words, detections };

/// One of the scenes of a pair (`which` 0 or 1), or a scene on its own.
struct Drawn {
  synth::Layout layout;
  Image image;
  std::vector<SynthCaption> captions;
};

/// `number` tells scenes apart: each has streams of its own.
Random stream(uint64_t seed, uint64_t number, Stream use) { return Random(seed, number, static_cast<uint64_t>(use)); }

Drawn drawn(uint64_t seed, uint64_t number, synth::Layout layout, const synth::Key& key) {
  Random looks = stream(seed, number, Stream::looks), words = stream(seed, number, Stream::words);
  Image image = synth::paint(layout, looks);
  std::vector<SynthCaption> captions = synth::describe(layout, key, words);
  return {std::move(layout), std::move(image), std::move(captions)};
}

Drawn drawn_alone(uint64_t seed, uint64_t number) {
  Random places = stream(seed, number, Stream::places);
  return drawn(seed, number, synth::make_layout(places), {});
}

// ---- the plan: which images there are

struct SplitPlan {
  std::string name;
  int64_t first = 0, images = 0;
  int64_t units() const { return (images + 1) / 2; }  ///< pairs; the last may be a scene on its own
};

std::array<SplitPlan, 3> plan_of(const SynthOptions& options) {
  int64_t train = options.train, val = options.val, test = options.test;
  if (train == 0 && val == 0 && test == 0) {
    val = test = std::max<int64_t>(1, options.images / 10);
    train = options.images - val - test;
  }
  return {SplitPlan{"train", 0, train}, SplitPlan{"val", train, val}, SplitPlan{"test", train + val, test}};
}

std::string image_name(int64_t index) { return fmt::format("scene_{:06}.png", index); }

// ---- files

/// What is written for one scene.
struct SceneFiles {
  std::string png, detections, geometry;
  std::vector<SynthCaption> captions;
};

/// What is written for a pair of scenes, or for one on its own.
struct UnitFiles {
  std::vector<SceneFiles> scenes;
  std::optional<Ability> ability;  ///< none for a scene on its own
  std::string kind;
  int64_t count = 0;
};

Value box_value(const Object& object) {
  return Value::List{object.cx, object.cy, object.width, object.height, object.angle};
}

Value captions_value(const std::vector<SynthCaption>& captions) {
  Value list = Value::list();
  for (const SynthCaption& caption : captions) {
    Value entry;
    entry["text"] = caption.text;
    entry["triples"] = Value::list();
    for (const Triple& triple : caption.triples)
      entry["triples"].push_back(Value::List{triple.subject, triple.relation, triple.object});
    list.push_back(std::move(entry));
  }
  return list;
}

std::string geometry_line(const std::string& name, const std::string& split, const Drawn& scene) {
  const synth::Layout& layout = scene.layout;
  const synth::Circumstances& at = layout.circumstances;
  Value line;
  line["image"] = name;
  line["split"] = split;
  line["width"] = synth_size;
  line["height"] = synth_size;
  line["metres_per_pixel"] = static_cast<double>(layout.resolution) / 1000;
  line["latitude"] = static_cast<double>(at.latitude) / 10000;
  line["longitude"] = static_cast<double>(at.longitude) / 10000;
  line["scene"] = std::string(layout.theme);
  line["ground"] = std::string(synth::name_of(layout.ground));
  line["shadow"] = Value::List{static_cast<double>(at.shadow.x) / 100, static_cast<double>(at.shadow.y) / 100};
  line["haze"] = static_cast<double>(at.haze) / 1000;
  line["objects"] = Value::list();
  for (const Object& object : synth::true_objects(layout)) {
    Value entry;
    entry["label"] = object.label;
    entry["colour"] = object.attributes.empty() ? "" : object.attributes[0].name;
    entry["box"] = box_value(object);
    line["objects"].push_back(std::move(entry));
  }
  line["captions"] = captions_value(scene.captions);
  return to_json(line, -1) + "\n";
}

SceneFiles files_of(const SynthOptions& options, const SplitPlan& split, int64_t index, uint64_t number, Drawn scene) {
  Random detections = stream(options.seed, number, Stream::detections);
  SceneFiles files;
  files.png = synth::encode_png(scene.image.pixels, static_cast<int32_t>(synth_size), static_cast<int32_t>(synth_size));
  files.detections = detections_json(synth::detect(scene.layout, options.noise, detections));
  files.geometry = geometry_line(image_name(index), split.name, scene);
  files.captions = std::move(scene.captions);
  return files;
}

/// Pair `unit` of a split.
UnitFiles make_unit(const SynthOptions& options, const SplitPlan& split, uint64_t split_number, int64_t unit) {
  const int64_t index = split.first + 2 * unit;
  const auto number = [&](uint64_t which) {
    return (split_number + 1) << 48 | static_cast<uint64_t>(unit) << 2 | which;
  };
  UnitFiles files;
  if (2 * unit + 1 == split.images) {
    files.scenes.push_back(files_of(options, split, index, number(2), drawn_alone(options.seed, number(2))));
    return files;
  }
  const auto kinds = static_cast<int64_t>(options.abilities.size());
  files.ability = options.abilities[static_cast<size_t>(unit % kinds)];
  // Where an ability stands in the list several times, its pairs are numbered throughout.
  const auto of_it = static_cast<int64_t>(std::ranges::count(options.abilities, *files.ability));
  const auto before = std::count(options.abilities.begin(), options.abilities.begin() + unit % kinds, *files.ability);
  Random places = stream(options.seed, number(3), Stream::places);
  synth::Pair pair = synth::make_pair(*files.ability, unit / kinds * of_it + before, places);
  files.kind = std::move(pair.kind);
  files.count = pair.count;
  for (const uint64_t which : {0, 1})
    files.scenes.push_back(
        files_of(options, split, index + static_cast<int64_t>(which), number(which),
                 drawn(options.seed, number(which), std::move(pair.layouts[which]), pair.keys[which])));
  return files;
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
  return name.starts_with("scene_") && (name.ends_with(".png") || name.ends_with(".jpg") || name.ends_with(".json"));
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
  for (const SplitPlan& split : plan_of(options)) marker["images"][split.name] = split.images;
  marker["seed"] = static_cast<int64_t>(options.seed);
  marker["abilities"] = Value::list();
  for (const Ability ability : options.abilities) marker["abilities"].push_back(ability_name(ability));
  marker["noise"]["missed"] = options.noise.missed;
  marker["noise"]["mislabelled"] = options.noise.mislabelled;
  marker["noise"]["invented"] = options.noise.invented;
  marker["noise"]["jitter"] = options.noise.jitter;
  marker["complete"] = complete;
  write_atomically(options.folder / marker_name, to_json(marker) + "\n");
}

void check_share(const char* name, double value, double most) {
  if (!(value >= 0 && value <= most))
    throw InputError(fmt::format("--{} {}: expected a share from 0 to {}", name, value, most));
}

void check_options(const SynthOptions& options) {
  const bool given = options.train != 0 || options.val != 0 || options.test != 0;
  if (given && std::min({options.train, options.val, options.test}) < 1)
    throw InputError(fmt::format("--train {} --val {} --test {}: expected all three, each at least 1", options.train,
                                 options.val, options.test));
  if (!given && options.images < 3)
    throw InputError(fmt::format("--images {}: expected at least 3, one for each split", options.images));
  if (options.abilities.empty()) throw InputError("--abilities: is empty, expected at least one");
  check_share("missed", options.noise.missed, 1);
  check_share("mislabelled", options.noise.mislabelled, 1);
  check_share("invented", options.noise.invented, 1);
  check_share("jitter", options.noise.jitter, 0.4);
}

/// Leaves the folder ready: there, marked, and without scenes of an earlier call.
void take_folder(const SynthOptions& options) {
  const fs::path& folder = options.folder;
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

/// The dataset's lists as they grow, image by image.
class Lists {
 public:
  /// The caption's line in the split's list of captions, counted from 0, of the scene's first one.
  int64_t add(const std::string& split, const std::string& name, SceneFiles& files) {
    // Names once per image in train and once per caption elsewhere, as RSICD has them.
    for (size_t k = 0; k < (split == "train" ? 1 : files.captions.size()); ++k)
      lists_[split + "_filename.txt"] += name + "\n";
    const int64_t row = rows_[split];
    for (const SynthCaption& caption : files.captions) {
      lists_[split + "_caps.txt"] += caption.text + "\n";
      ++rows_[split];
      if (!caption.triples.empty()) triples_.try_emplace(caption.text, caption.triples);
    }
    lists_["geometry.jsonl"] += files.geometry;
    return row;
  }

  void add_group(const std::string& split, int64_t unit, const UnitFiles& files, const std::vector<std::string>& names,
                 const std::vector<int64_t>& rows) {
    Value group;
    group["id"] = fmt::format("{}-{:06}", split, unit);
    group["ability"] = ability_name(*files.ability);
    group["kind"] = files.kind;
    group["count"] = files.count;
    for (size_t i = 0; i < 2; ++i) {
      group["images"].push_back(names[i]);
      group["captions"].push_back(files.scenes[i].captions[0].text);
      group["rows"].push_back(rows[i]);
    }
    groups_[split].push_back(std::move(group));
  }

  void write(const fs::path& folder) {
    std::string& lines = lists_["triples.jsonl"];
    for (const auto& [text, triples] : triples_)
      lines += to_json(captions_value({{text, triples}}).as_list()[0], -1) + "\n";
    Value abilities;
    abilities["orbweaver_abilities"] = 1;
    for (const char* split : {"train", "val", "test"}) {
      const auto found = groups_.find(split);
      abilities["groups"][split] = found == groups_.end() ? Value::list() : std::move(found->second);
    }
    lists_["abilities.json"] = to_json(abilities) + "\n";
    for (const auto& [name, content] : lists_) write_atomically(folder / name, content);
  }

 private:
  std::map<std::string, std::string> lists_;  // file name -> content
  std::map<std::string, int64_t> rows_;
  std::map<std::string, std::vector<Triple>> triples_;
  std::map<std::string, Value> groups_;
};

}  // namespace

std::string ability_name(Ability ability) {
  static constexpr const char* names[] = {"scene", "count", "attribute", "relation", "distractor"};
  return names[static_cast<size_t>(ability)];
}

SynthScene make_scene(uint64_t seed, int64_t index) {
  Drawn scene = drawn_alone(seed, static_cast<uint64_t>(index));
  return {std::move(scene.image), synth::true_objects(scene.layout), std::move(scene.captions)};
}

void write_synthetic_dataset(const SynthOptions& options, const ProgressFunction& progress) {
  check_options(options);
  take_folder(options);
  const std::array<SplitPlan, 3> plan = plan_of(options);
  const int64_t total = plan[2].first + plan[2].images;
  std::vector<std::pair<uint64_t, int64_t>> units;  // split, unit
  for (uint64_t split = 0; split < plan.size(); ++split)
    for (int64_t unit = 0; unit < plan[split].units(); ++unit) units.emplace_back(split, unit);
  OrderedPrefetch<UnitFiles> scenes(
      static_cast<int64_t>(units.size()),
      [&](int64_t i) {
        const auto [split, unit] = units[static_cast<size_t>(i)];
        return make_unit(options, plan[split], split, unit);
      },
      options.threads, 64);

  Lists lists;
  int64_t index = 0;
  for (const auto& [split, unit] : units) {
    UnitFiles files = *scenes.next();
    std::vector<std::string> names;
    std::vector<int64_t> rows;
    for (SceneFiles& scene : files.scenes) {
      names.push_back(image_name(index++));
      write_plainly(options.folder / "images" / names.back(), scene.png);
      write_plainly((options.folder / "detections" / names.back()).replace_extension(".json"), scene.detections);
      rows.push_back(lists.add(plan[split].name, names.back(), scene));
    }
    if (files.ability) lists.add_group(plan[split].name, unit, files, names, rows);
    if (progress) progress(index, total);
  }
  lists.write(options.folder);
  write_marker(options, true);
}

}  // namespace orbweaver
