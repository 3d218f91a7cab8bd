// A config of the fixture components, and data made on the spot.
#pragma once

#include <gtest/gtest.h>

#include <filesystem>
#include <string>
#include <vector>

#include "framework/config/config.h"
#include "framework/data/image.h"
#include "framework/io/json.h"
#include "framework/model/encode.h"
#include "framework/model/retrieval_model.h"
#include "framework/train/session.h"
#include "temporary_folder.h"

namespace orbweaver::testing {

/// Six plain-coloured images with two captions each; images 0 to 3 are train, 4 val, 5 test.
inline void write_dataset(const std::filesystem::path& root) {
  const uint8_t colours[6][3] = {{255, 0, 0}, {0, 255, 0}, {0, 0, 255}, {255, 255, 0}, {0, 255, 255}, {200, 100, 50}};
  const char* captions[6][2] = {{"a red field", "red"},          {"green grass here", "a green"},
                                {"blue water", "deep blue sea"}, {"yellow sand", "a yellow beach"},
                                {"cyan pool", "some cyan"},      {"brown earth", "bare soil"}};
  const char* split_of[6] = {"train", "train", "train", "train", "val", "test"};
  std::map<std::string, std::pair<std::string, std::string>> lists;
  for (int i = 0; i < 6; ++i) {
    Image image{8, 8, {}};
    for (int p = 0; p < 64; ++p) image.pixels.insert(image.pixels.end(), colours[i], colours[i] + 3);
    std::filesystem::create_directories(root / "images");
    const std::string name = "image_" + std::to_string(i) + ".png";
    write_image(root / "images" / name, image.view());
    write_text(
        root / "detections" / ("image_" + std::to_string(i) + ".json"),
        i % 2 ? R"([{"label": "plane", "bbox": [2, 2, 1, 1, 0, 0.9]}, {"label": "ship", "bbox": [6, 2, 1, 1, 0, 0.8]}])"
              : "[]");
    auto& [names, texts] = lists[split_of[i]];
    names += name + "\n";
    for (const char* caption : captions[i]) texts += std::string(caption) + "\n";
  }
  for (const auto& [split, text] : lists) {
    write_text(root / (split + "_filename.txt"), text.first);
    write_text(root / (split + "_caps.txt"), text.second);
  }
}

inline const char* base_config = R"({
  "name": "fixture",
  "model": {
    "embed_dim": 3,
    "image": {"encoder": {"use": "colour"}},
    "text": {"encoder": {"use": "length"}},
    "fusion": {"use": "identity"}
  },
  "loss": [{"use": "triplet"}],
  "plugins": ["fixtures", "triplet"],
  "train": {"threads": 1, "batch_size": 4, "epochs": 2},
  "dataset": {"root": "data"}
})";

/// The base config with overrides, in a folder with the dataset.
class ModelTest : public ::testing::Test {
 protected:
  void SetUp() override {
    write_dataset(folder_.path() / "data");
    write_text(folder_.path() / "config.json", base_config);
  }

  LoadedConfig load(std::vector<std::string> overrides = {}) {
    overrides.push_back("plugin_paths=[\"" ORBWEAVER_BUILD_DIR "/tests/model_plugins\"]");
    overrides.push_back("cache=" + (folder_.path() / "cache").string());
    overrides.push_back("output=" + (folder_.path() / "runs").string());
    return load_config(folder_.path() / "config.json", overrides);
  }

  TemporaryFolder folder_;
};

}  // namespace orbweaver::testing
