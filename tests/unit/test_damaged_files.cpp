// Files cut short at every byte and with every bit flipped: refused with their name, or read as something valid where
// the format cannot see it. Never a crash, a hang, or memory beyond measure.
#include <gtest/gtest.h>
#include <sys/stat.h>

#include <algorithm>
#include <cmath>
#include <map>
#include <optional>
#include <string>
#include <variant>
#include <vector>

#include "damaged_file.h"
#include "framework/cache/feature_cache.h"
#include "framework/cache/file_hashes.h"
#include "framework/cache/graph_entry.h"
#include "framework/config/config.h"
#include "framework/data/dataset.h"
#include "framework/data/image.h"
#include "framework/eval/saved_ranks.h"
#include "framework/io/files.h"
#include "framework/io/json.h"
#include "framework/io/npy.h"
#include "framework/plugin/plugin_host.h"
#include "framework/report/report_data.h"
#include "framework/train/run_folder.h"
#include "temporary_folder.h"

namespace orbweaver::testing {
namespace {

namespace fs = std::filesystem;

class Damaged : public ::testing::Test {
 protected:
  void TearDown() override { EXPECT_LT(peak_mib() - before_, 300); }

  fs::path file(const std::string& name, const std::string& text) const {
    write_text(folder() / name, text);
    return folder() / name;
  }
  const fs::path& folder() const { return temporary_.path(); }

  /// How often reading the damaged file was refused, of how many damages.
  std::pair<int, int> count_refused(const fs::path& path, const std::function<void()>& read, size_t step = 1) const {
    int refused = 0, all = 0;
    for_each_damage(
        path, read_file(path),
        [&](const std::string& what) {
          refused += read_or_refuse(path, what, read) == Reading::refused;
          ++all;
        },
        step);
    return {refused, all};
  }

  TemporaryFolder temporary_;

 private:
  long before_ = peak_mib();
};

TEST_F(Damaged, AScoresFileIsRefusedWhereverItIsCutAndKeepsItsSizeWhereABitIsFlipped) {
  Matrix<float> matrix(3, 5);
  for (int64_t i = 0; i < 15; ++i) matrix.data()[i] = static_cast<float>(i) / 8;
  const fs::path path = folder() / "scores.npy";
  write_npy(path, std::as_const(matrix).view());
  const std::string whole = read_file(path);
  for_each_damage(path, whole, [&](const std::string& what) {
    const Reading reading = read_or_refuse(path, what, [&] {
      const NpyMatrix read = read_npy(path);
      const auto values = std::visit([](const auto& of) { return of.rows() * of.cols(); }, read);
      EXPECT_EQ(values, 15) << what;
    });
    if (what.starts_with("cut")) {
      EXPECT_EQ(reading, Reading::refused) << what;
    }
  });
}

TEST_F(Damaged, ARanksFileIsRefusedOrHoldsTheSameRanks) {
  SavedRanks ranks{"test", "0123", "4567", {0, 0, 1, 1}, {}};
  ranks.rows.push_back({0, "none", {{1, 2}, {1, 1, 2, 2}}});
  const fs::path path = folder() / ranks_file_name("test");
  write_ranks(path, ranks);
  const auto [refused, all] = count_refused(path, [&] {
    const SavedRanks read = read_ranks(path);  // blanks at the end of the header may be zeros
    EXPECT_EQ(read.caption_image, ranks.caption_image);
    EXPECT_EQ(read.rows.at(0).ranks.i2t, ranks.rows[0].ranks.i2t);
    EXPECT_EQ(read.rows.at(0).ranks.t2i, ranks.rows[0].ranks.t2i);
  });
  EXPECT_GT(refused, all - 8);
  EXPECT_EQ(read_ranks(path).rows.at(0).ranks.t2i, (std::vector<int64_t>{1, 1, 2, 2}));
}

TEST_F(Damaged, ACacheEntryIsMadeAgainWithTheSameBytes) {
  const CacheKey key{"0123456789abcdef0123456789abcdef", "image-global"};
  std::vector<std::string> told;
  const FeatureCache cache(folder() / "cache", [&](const std::string& line) { told.push_back(line); });
  const std::string content = "abcdefgh";
  const auto store = [&] { cache.store(key, {{"x", {"U8", {8}, std::as_bytes(std::span(content))}}}); };
  store();
  const fs::path path = cache.file_of(key);
  const std::string whole = read_file(path);
  size_t damages = 0, harmless = 0;
  for_each_damage(path, whole, [&](const std::string& what) {
    told.clear();
    if (const auto found = cache.find(key)) {
      // Blanks at the end of the header may be zeros.
      const auto bytes = found->at("x").bytes;
      EXPECT_EQ(std::string(reinterpret_cast<const char*>(bytes.data()), bytes.size()), content) << what;
      ++harmless;
      return;
    }
    ASSERT_EQ(told.size(), 1u) << what;
    EXPECT_NE(told[0].find("made again"), std::string::npos) << told[0];
    EXPECT_EQ(told[0].find('\n'), std::string::npos) << told[0];
    // To store one takes the time of a sync.
    if (++damages % 97 != 0) return;
    store();
    EXPECT_EQ(read_file(path), whole) << what;
    EXPECT_NE(cache.find(key), nullptr) << what;
  });
  EXPECT_LT(harmless, 8u);
}

TEST_F(Damaged, GraphsOfTheCacheAreNeverOthersThanTheyWere) {
  Graph graph;
  graph.labels = {"plane", "ship"};
  graph.features = Matrix<float>(2, 3);
  graph.adjacency = Matrix<float>(2, 2);
  graph.relations = {{0, 1, "left of"}};
  const FeatureCache cache(folder() / "cache", [](const std::string&) {});
  const CacheKey key{"0123456789abcdef0123456789abcdef", "image-graphs"};
  write_graphs(std::span(&graph, 1),
               [&](const std::map<std::string, TensorEntry>& tensors) { cache.store(key, tensors); });
  const fs::path path = cache.file_of(key);
  ASSERT_NE(cache.find(key), nullptr);
  int found = 0, all = 0;
  for_each_damage(path, read_file(path), [&](const std::string& what) {
    ++all;
    const auto entry = cache.find(key);
    if (!entry) return;
    ++found;
    const std::vector<Graph> read = read_graphs(*entry);
    ASSERT_EQ(read.size(), 1u) << what;
    EXPECT_EQ(read[0].labels, graph.labels) << what;
    EXPECT_EQ(read[0].relations, graph.relations) << what;
  });
  EXPECT_LT(found, 8);
  EXPECT_GT(all, 1000);
}

TEST_F(Damaged, WhatIsRememberedOfFilesNeverHidesAFaultNorInventsOne) {
  const std::vector<uint8_t> pixels(3 * 16, 100);
  for (const char* name : {"a.png", "b.png"})
    write_image(file(std::string("images/") + name, ""), {pixels.data(), 4, 4, 12});
  put_bytes(folder() / "images/b.png", read_file(folder() / "images/a.png").substr(0, 40));
  file("train_filename.txt", "a.png\nb.png\n");
  file("train_caps.txt", "one\ntwo\n");
  const Dataset dataset = load_dataset(guess_dataset(folder()));
  const fs::path known = folder() / "known";
  const std::vector<SkippedItem> found = find_broken_files(dataset, 1, known);
  ASSERT_EQ(found.size(), 1u);
  for_each_damage(
      known, read_file(known),
      [&](const std::string& what) {
        const std::vector<SkippedItem> now = find_broken_files(dataset, 1, known);
        ASSERT_EQ(now.size(), 1u) << what;
        EXPECT_EQ(now[0].file, found[0].file) << what;
      },
      5);
}

TEST_F(Damaged, AConfigIsRefusedWithItsNameOrIsAnother) {
  file("base.json", R"({"seed": 3, "train": {"epochs": 4}})");
  const fs::path path = file("config.json",
                             "{\n  \"extends\": \"base.json\", \"name\": \"x\",\n  \"model\": {\"embed_dim\": 64},\n"
                             "  \"train\": {\"lr\": 2e-4, \"optimizer\": \"adam\", \"betas\": [0.9, 0.999]}\n}\n");
  const std::string whole = read_file(path);
  PluginHost plugins;
  for_each_damage(path, whole, [&](const std::string& what) {
    const Reading reading = read_or_refuse(path, what, [&] {
      const ConfigSource source = read_config(path, {});
      EXPECT_TRUE(source.value.is_object()) << what;
      for (const std::string& line : config_problems(source, plugins, Completeness::partial))
        EXPECT_TRUE(line.starts_with(path.string() + ": /")) << what << ": " << line;
    });
    // Only the line end at its end may be missing.
    if (what.starts_with("cut") && what != "cut at byte " + std::to_string(whole.size() - 1)) {
      EXPECT_EQ(reading, Reading::refused) << what;
    }
  });
}

TEST_F(Damaged, DetectionsAreRefusedWithTheirNameOrHoldBoxesThatAreSome) {
  const fs::path json =
      file("a.json", R"([{"label": "plane", "bbox": [2, 2.5, 1, 1, 0.1, 0.9], "attributes": {"red": 1}},)"
                     R"( {"label": "ship", "bbox": [6e1, 2, 1, 1, -0, 0.8]}])");
  const fs::path dota = file("b.txt", "imagesource:x\ngsd:0.2\n1 1 5 1 5 3.5 1 3 plane 0\n1 1 5 1 5 3 1 3 ship 1\n");
  for (const fs::path& path : {json, dota}) {
    const auto [refused, all] = count_refused(path, [&] {
      for (const Object& object : read_detections(path)) {
        EXPECT_TRUE(std::isfinite(object.cx) && std::isfinite(object.cy) && std::isfinite(object.angle));
        EXPECT_TRUE(object.width >= 0 && object.height >= 0 && object.probability >= 0 && object.probability <= 1);
      }
    });
    EXPECT_GT(refused, 0);
    EXPECT_LT(refused, all);
  }
}

TEST_F(Damaged, TriplesAreRefusedWithTheirName) {
  const fs::path path = file("triples.jsonl",
                             "{\"text\": \"a plane\", \"triples\": [[\"plane\", \"near\", \"ship\"]]}\n"
                             "{\"text\": \"a ship\", \"triples\": []}\n");
  const auto [refused, all] = count_refused(path, [&] { EXPECT_LE(read_triples(path).size(), 2u); });
  EXPECT_GT(refused, all / 4);
}

TEST_F(Damaged, ListsOfADatasetAreRefusedOrNameImagesInItsFolder) {
  fs::create_directories(folder() / "data/images");
  const std::map<std::string, std::string> lists{{"train_filename.txt", "a.png\nsub/b.png\n"},
                                                 {"train_caps.txt", "a plane .\ntwo ships\nred\nthree\n"}};
  for (const auto& [name, text] : lists) file("data/" + name, text);
  for (const auto& [name, text] : lists)
    for_each_damage(folder() / "data" / name, text, [&](const std::string& what) {
      read_or_refuse(folder() / "data", name + ": " + what, [&] {
        const Dataset dataset = load_dataset(guess_dataset(folder() / "data"));
        for (const Split* split : {&dataset.train, &dataset.val})
          for (const ImageRecord& image : split->images)
            EXPECT_TRUE(image.file.lexically_normal().string().starts_with((folder() / "data/images/").string()))
                << what << ": " << image.file;
      });
    });
}

TEST_F(Damaged, KarpathysJsonIsRefusedOrNamesImagesInItsFolder) {
  fs::create_directories(folder() / "images");
  const fs::path path = file(
      "dataset.json",
      R"({"images": [{"filename": "a.png", "filepath": "x", "split": "train", "sentences": [{"raw": "a", "tokens": []}]},)"
      R"( {"filename": "b.png", "split": "val", "sentences": [{"tokens": ["b", "c"]}]}]})");
  const auto [refused, all] = count_refused(path, [&] {
    const Dataset dataset = load_dataset(guess_dataset(path));
    for (const Split* split : {&dataset.train, &dataset.val, &dataset.test})
      for (const ImageRecord& image : split->images)
        EXPECT_TRUE(image.file.lexically_normal().string().starts_with((folder() / "images/").string())) << image.file;
  });
  EXPECT_GT(refused, all / 4);
}

class DamagedRun : public Damaged {
 protected:
  static constexpr const char* record =
      R"({"selection": {"epoch": 2, "mR": 40.5}, "weights": "01", "dataset": {"name": "d"}, "evaluations": {"test": )"
      R"({"protocol": {"tie_rule": "strict"}, "rows": [{"reranker": "none", "parameters": {}, "tie_rule": "strict", )"
      R"("duplicate_aware": false, "metrics": {"mR": 1.5, "i2t": {"R@1": 2.0}, "t2i": {"R@1": 1.0}}}]}}})";

  void SetUp() override {
    file("run/config.json", R"({"seed": 1, "dataset": {"root": "nowhere"}})");
    file("run/record.json", record);
    file("run/metrics.jsonl", "{\"epoch\":1,\"loss\":2.5,\"lr\":0.1,\"seconds\":4.0}\n{\"epoch\":2,\"loss\":1.5}\n");
    file("run/log.txt", "a line\n");
  }
};

TEST_F(DamagedRun, OfARunTheReportShowsWhatCanBeReadOrNamesTheFile) {
  for (const char* name : {"config.json", "record.json", "metrics.jsonl"}) {
    const fs::path path = folder() / "run" / name;
    for_each_damage(path, read_file(path), [&](const std::string& what) {
      read_or_refuse(path, what, [&] { EXPECT_EQ(read_runs_report({folder() / "run"}).variants.size(), 1u); });
    });
  }
}

TEST_F(DamagedRun, AResumedRunKeepsOfItsMetricsTheLinesThatCanBeRead) {
  const RunFolder run(folder() / "run");
  const std::string whole = read_file(run.metrics());
  for_each_damage(
      run.metrics(), whole,
      [&](const std::string& what) {
        const std::vector<std::string> before = read_lines(run.metrics());
        EXPECT_NO_THROW(run.keep_metrics_until(1)) << what;
        for (const std::string& line : read_lines(run.metrics())) {
          EXPECT_LE(parse_json(line, what).at("epoch").as_int(), 1) << what;
          EXPECT_NE(std::find(before.begin(), before.end(), line), before.end()) << what;
        }
      },
      7);
}

TEST_F(DamagedRun, ASweepsResultsAreRefusedWithTheirName) {
  const fs::path path = file(
      "sweep/results.json",
      R"({"format": 1, "name": "s", "split": "test", "baseline": "a", "metrics": ["mR"], "variants": [{"name": "a", )"
      R"("overrides": [], "runs": [{"seed": 1, "folder": "runs/a-s1", "status": "finished"}], "rows": [{"reranker": )"
      R"("none", "parameters": null, "tie_rule": "strict", "duplicate_aware": false, "seeds": [1], "metrics": {"mR": )"
      R"({"mean": 1.5, "std": null, "values": [1.5]}}, "comparison": null}]}]})");
  const auto [refused, all] = count_refused(path, [&] { EXPECT_LE(read_sweep_report(path).variants.size(), 1u); });
  EXPECT_GT(refused, all / 4);
}

struct ImageFormat {
  std::string name;
  int64_t width, height;  ///< OpenCV writes no smaller jp2
  size_t step;
};

class DamagedImage : public Damaged, public ::testing::WithParamInterface<ImageFormat> {};

TEST_P(DamagedImage, IsCalledBrokenOrDecodesToPixels) {
  const auto& [name, width, height, step] = GetParam();
  std::vector<uint8_t> pixels(static_cast<size_t>(3 * width * height));
  for (size_t i = 0; i < pixels.size(); ++i) pixels[i] = static_cast<uint8_t>(i * 37);
  const fs::path path = folder() / ("image." + name);
  write_image(path, {pixels.data(), width, height, 3 * width});
  const std::string whole = read_file(path);
  int cut_but_read = 0;
  {
    QuietDecoders quiet;
    for_each_damage(
        path, whole,
        [&](const std::string& what) {
          const Reading reading = read_or_refuse(path, what, [&] {
            const Image read = decode_image(path);
            EXPECT_GT(read.width * read.height, 0) << what;
            EXPECT_EQ(std::ssize(read.pixels), 3 * read.width * read.height) << what;
          });
          if (!what.starts_with("cut")) return;
          cut_but_read += reading == Reading::accepted;
          EXPECT_EQ(image_fault(path).empty(), reading == Reading::accepted) << what;
        },
        step);
  }
  // What follows the pixels may be missing where a format has such.
  EXPECT_LE(cut_but_read, 20);
}

INSTANTIATE_TEST_SUITE_P(Formats, DamagedImage,
                         ::testing::Values(ImageFormat{"jpg", 7, 9, 1}, ImageFormat{"png", 7, 9, 1},
                                           ImageFormat{"bmp", 7, 5, 1}, ImageFormat{"tif", 7, 5, 1},
                                           ImageFormat{"webp", 7, 9, 1}, ImageFormat{"ppm", 7, 5, 1},
                                           ImageFormat{"jp2", 33, 33, 11}),
                         [](const auto& format) { return format.param.name; });

// What is no regular file has no end that can be waited for.

TEST_F(Damaged, ADeviceOrAPipeIsRefusedByEveryReader) {
  ASSERT_EQ(mkfifo((folder() / "pipe").c_str(), 0600), 0);
  for (const fs::path& path : {fs::path("/dev/zero"), folder() / "pipe"}) {
    const auto refused = [&](const std::function<void()>& read) {
      EXPECT_EQ(read_or_refuse(path, path.string(), read), Reading::refused);
    };
    refused([&] { read_file(path); });
    refused([&] { read_lines(path); });
    refused([&] { hash_file(path); });
    refused([&] { read_json(path); });
    refused([&] { read_npy(path); });
    refused([&] { SafetensorsFile{path}; });
    refused([&] { read_detections(path); });
    refused([&] { read_triples(path); });
    refused([&] { read_config(path, {}); });
    refused([&] { read_config(file("extends.json", "{\"extends\": \"" + path.string() + "\"}"), {}); });
    refused([&] { decode_image(path); });
    fs::create_directories(folder() / "data/images");
    for (const char* list : {"train_caps.txt", "train_filename.txt"}) {
      fs::remove(folder() / "data" / list);
      fs::create_symlink(path, folder() / "data" / list);
    }
    EXPECT_EQ(read_or_refuse(folder() / "data/train_caps.txt", path.string(),
                             [&] { load_dataset(guess_dataset(folder() / "data")); }),
              Reading::refused);
  }
}

}  // namespace
}  // namespace orbweaver::testing
