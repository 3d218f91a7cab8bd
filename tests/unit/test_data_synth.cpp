#include <gtest/gtest.h>
#include <unistd.h>

#include <algorithm>
#include <cmath>
#include <filesystem>
#include <fstream>
#include <map>
#include <set>
#include <tuple>

#include "framework/data/check.h"
#include "framework/data/random.h"
#include "framework/data/synth.h"
#include "framework/data/synth_png.h"
#include "framework/io/files.h"
#include "framework/io/json.h"
#include "orbweaver/error.h"

namespace orbweaver {
namespace {
namespace fs = std::filesystem;

TEST(SynthScene, HasAtLeastTwentyFiveKindsOfThingsInsideThePicture) {
  std::set<std::string> labels;
  for (int64_t i = 0; i < 150; ++i)
    for (const Object& object : make_scene(3, i).objects) {
      labels.insert(object.label);
      EXPECT_GE(object.cx, 0);
      EXPECT_LE(object.cx, static_cast<double>(synth_size));
      EXPECT_GT(object.width * object.height, 0);
    }
  EXPECT_GE(labels.size(), 30u);
}

TEST(SynthScene, DependsOnSeedAndIndexAlone) {
  const SynthScene a = make_scene(5, 3), b = make_scene(5, 3), c = make_scene(5, 4), d = make_scene(6, 3);
  EXPECT_EQ(a.image.pixels, b.image.pixels);
  EXPECT_EQ(a.objects, b.objects);
  EXPECT_NE(a.image.pixels, c.image.pixels);
  EXPECT_NE(a.image.pixels, d.image.pixels);
}

TEST(SynthPng, DecodesToThePixelsThatItWasMadeOf) {
  Random random(1);
  const fs::path file = fs::temp_directory_path() / ("orbweaver_png_" + std::to_string(getpid()) + ".png");
  // Noise, a flat picture (two symbols, codes of one bit) and a picture of one pixel.
  for (const auto& [width, height, spread] : {std::tuple(37, 21, 256), std::tuple(64, 3, 1), std::tuple(1, 1, 256)}) {
    std::vector<uint8_t> pixels(static_cast<size_t>(width * height * 3));
    for (uint8_t& value : pixels) value = static_cast<uint8_t>(random.below(static_cast<uint64_t>(spread)));
    std::ofstream(file, std::ios::binary) << synth::encode_png(pixels, width, height);
    const Image image = decode_image(file);
    EXPECT_EQ(image.width, width);
    EXPECT_EQ(image.height, height);
    EXPECT_EQ(image.pixels, pixels);
  }
  fs::remove(file);
}

class SynthDataset : public ::testing::Test {
 protected:
  SynthDataset() : root_(fs::temp_directory_path() / ("orbweaver_synth_" + std::to_string(getpid()))) {}
  ~SynthDataset() override { fs::remove_all(root_); }
  void write(const std::string& folder, int64_t images, int threads = 2, bool force = false) {
    SynthOptions options;
    options.folder = root_ / folder;
    options.images = images;
    options.threads = threads;
    options.force = force;
    write_synthetic_dataset(options);
  }
  /// A hash of every file with its name.
  std::map<std::string, std::string> contents(const std::string& folder) {
    std::map<std::string, std::string> files;
    for (const auto& entry : fs::recursive_directory_iterator(root_ / folder))
      if (entry.is_regular_file()) files[fs::relative(entry.path(), root_ / folder).string()] = hash_file(entry.path());
    return files;
  }
  fs::path root_;
};

TEST_F(SynthDataset, LoadsAndPassesItsOwnCheck) {
  write("a", 40);
  const Dataset dataset = load_dataset(guess_dataset(root_ / "a"));
  EXPECT_EQ(dataset.train.images.size(), 32u);
  EXPECT_EQ(dataset.val.images.size(), 4u);
  EXPECT_EQ(dataset.test.images.size(), 4u);
  EXPECT_EQ(dataset.test.captions.size(), 20u);
  size_t with_triples = 0;
  for (const CaptionRecord& caption : dataset.train.captions) with_triples += dataset.triples.contains(caption.text);
  EXPECT_GT(with_triples, dataset.train.captions.size() * 2 / 3);
  for (const ImageRecord& image : dataset.train.images) EXPECT_FALSE(read_detections(image.detections).empty());
  const CheckReport report = check_dataset(dataset, 2);
  EXPECT_TRUE(report.clean()) << report.text();
}

TEST_F(SynthDataset, HasTheSameBytesWhateverTheNumberOfThreads) {
  write("a", 12, 1);
  write("b", 12, 4);
  EXPECT_EQ(contents("a"), contents("b"));
  EXPECT_EQ(contents("a").size(), 12u * 2 + 3 * 2 + 4);
}

TEST_F(SynthDataset, ReplacesAnEarlierOneButNothingElse) {
  write("a", 12);
  write("a", 5);
  EXPECT_EQ(contents("a").size(), 5u * 2 + 3 * 2 + 4);
  fs::create_directories(root_ / "mine");
  std::ofstream(root_ / "mine/thesis.txt") << "precious";
  EXPECT_THROW(write("mine", 5), InputError);
  write("mine", 5, 2, true);
  EXPECT_EQ(read_file(root_ / "mine/thesis.txt"), "precious");
  EXPECT_THROW(write("b", 2), InputError);
  EXPECT_FALSE(fs::exists(root_ / "b"));
}

/// What the first 12 images of seed 1 are, whatever machine draws them.
TEST_F(SynthDataset, HasTheBytesThatItHasEverywhere) {
  write("a", 12);
  std::string all;
  for (const auto& [name, hash] : contents("a")) all += name + " " + hash + "\n";
  EXPECT_EQ(hash_text(all), "767c128a75fc472938cc1a6775ac07db") << all;
}

/// Sorted by what a box's place and angle do not change.
std::vector<std::string> cast_of(const Value& scene) {
  std::vector<std::string> cast;
  for (const Value& object : scene.at("objects").as_list()) {
    const Value::List& box = object.at("box").as_list();
    cast.push_back(object.at("label").as_string() + object.at("colour").as_string() + to_json(box[2]) +
                   to_json(box[3]));
  }
  std::sort(cast.begin(), cast.end());
  return cast;
}

TEST_F(SynthDataset, PairsOfRelationShareEveryObjectAndAreBalancedOverCounts) {
  SynthOptions options;
  options.folder = root_ / "a";
  options.train = 160, options.val = 2, options.test = 80;
  options.abilities = {Ability::relation};
  write_synthetic_dataset(options);
  std::map<std::string, Value> scenes;
  for (const std::string& line : read_lines(root_ / "a/geometry.jsonl")) {
    Value scene = parse_json(line, "geometry.jsonl");
    scenes[scene.at("image").as_string()] = scene;
  }
  const Value groups = read_json(root_ / "a/abilities.json").at("groups");
  const std::vector<std::string> captions = read_lines(root_ / "a/test_caps.txt");
  EXPECT_EQ(groups.at("train").as_list().size(), 80u);
  ASSERT_EQ(groups.at("test").as_list().size(), 40u);
  std::map<int64_t, int> counts;
  for (const Value& group : groups.at("test").as_list()) {
    const Value::List &images = group.at("images").as_list(), &rows = group.at("rows").as_list();
    const Value &a = scenes.at(images[0].as_string()), &b = scenes.at(images[1].as_string());
    EXPECT_EQ(cast_of(a), cast_of(b)) << to_json(group);
    EXPECT_EQ(a.at("scene"), b.at("scene"));
    for (size_t i = 0; i < 2; ++i)
      EXPECT_EQ(captions.at(static_cast<size_t>(rows[i].as_int())), group.at("captions").as_list()[i].as_string());
    if (group.at("kind").as_string().ends_with("of / right of")) ++counts[group.at("count").as_int()];
  }
  EXPECT_EQ(counts, (std::map<int64_t, int>{{1, 2}, {2, 2}, {3, 2}, {4, 2}}));
}

TEST_F(SynthDataset, DetectionsMissAndMislabelAsOftenAsAsked) {
  SynthOptions options;
  options.folder = root_ / "a";
  options.images = 400;
  write_synthetic_dataset(options);
  int64_t objects = 0, reported = 0, right = 0;
  for (const std::string& line : read_lines(root_ / "a/geometry.jsonl")) {
    const Value scene = parse_json(line, "geometry.jsonl");
    const fs::path name(scene.at("image").as_string());
    const auto found = read_detections((root_ / "a/detections" / name).replace_extension(".json"));
    reported += static_cast<int64_t>(found.size());
    for (const Value& object : scene.at("objects").as_list()) {
      ++objects;
      const Value::List& box = object.at("box").as_list();
      right += std::any_of(found.begin(), found.end(), [&](const Object& o) {
        const double reach = 0.05 * std::max(box[2].as_double(), box[3].as_double()) + 0.1;
        return o.label == object.at("label").as_string() && std::abs(o.cx - box[0].as_double()) < reach &&
               std::abs(o.cy - box[1].as_double()) < reach;
      });
    }
  }
  const auto share = [&](int64_t count) { return static_cast<double>(count) / static_cast<double>(objects); };
  EXPECT_NEAR(share(right), 0.9 * 0.95, 0.02);
  EXPECT_NEAR(share(reported), 0.9 + 0.05, 0.02);
}

TEST_F(SynthDataset, WithoutNoiseDetectionsAreTheTruth) {
  SynthOptions options;
  options.folder = root_ / "a";
  options.images = 10;
  options.noise = {0, 0, 0, 0};
  write_synthetic_dataset(options);
  for (const std::string& line : read_lines(root_ / "a/geometry.jsonl")) {
    const Value scene = parse_json(line, "geometry.jsonl");
    std::multiset<std::string> truth, found;
    for (const Value& object : scene.at("objects").as_list())
      truth.insert(object.at("label").as_string() + to_json(object.at("box"), -1));
    const fs::path name(scene.at("image").as_string());
    for (const Object& o : read_detections((root_ / "a/detections" / name).replace_extension(".json")))
      found.insert(o.label + to_json(Value::List{o.cx, o.cy, o.width, o.height, o.angle}, -1));
    EXPECT_EQ(truth, found);
  }
}

TEST_F(SynthDataset, RefusesOptionsThatMakeNoDataset) {
  SynthOptions options;
  options.folder = root_ / "a";
  options.train = 10;
  EXPECT_THROW(write_synthetic_dataset(options), InputError);
  options.train = 0;
  options.noise.missed = 1.5;
  EXPECT_THROW(write_synthetic_dataset(options), InputError);
  options.noise.missed = 0;
  options.abilities.clear();
  EXPECT_THROW(write_synthetic_dataset(options), InputError);
  EXPECT_FALSE(fs::exists(root_ / "a"));
}

}  // namespace
}  // namespace orbweaver
