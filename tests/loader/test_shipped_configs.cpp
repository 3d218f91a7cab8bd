// Every file under configs/ with the plugins that ship.
#include <gtest/gtest.h>

#include <filesystem>
#include <set>
#include <string>
#include <vector>

#include "framework/config/config.h"
#include "framework/plugin/plugin_host.h"

namespace orbweaver {
namespace {

namespace fs = std::filesystem;

/// All but the synonym tables and the sweeps, which are no configs.
std::vector<fs::path> shipped() {
  std::set<fs::path> files;
  for (const auto& entry : fs::recursive_directory_iterator(ORBWEAVER_SOURCE_DIR "/configs")) {
    const fs::path folder = entry.path().parent_path().filename();
    if (entry.path().extension() == ".json" && folder != "vocabulary" && folder != "sweeps") files.insert(entry.path());
  }
  return {files.begin(), files.end()};
}

/// Files that others extend and that are no method by themselves.
bool is_building_block(const fs::path& file) {
  return file.parent_path().filename() != "methods" || file.stem().string().find("_base") != std::string::npos;
}

TEST(ShippedConfigs, HaveNoProblem) {
  const std::vector<fs::path> files = shipped();
  ASSERT_GT(files.size(), 20u);
  for (const fs::path& file : files) {
    const ConfigSource source = read_config(file, {});
    PluginHost plugins;
    std::string text;
    for (const std::string& problem : config_problems(source, plugins, Completeness::partial)) text += problem + "\n";
    EXPECT_EQ(text, "") << file;
  }
}

TEST(ShippedConfigs, EachMethodIsCompleteButForWhereTheDataAndTheWeightsLie) {
  for (const fs::path& file : shipped()) {
    if (is_building_block(file)) continue;
    std::vector<std::string> places{"dataset.root=/data"};
    const ConfigSource bare = read_config(file, {});
    if (bare.value.at("model").at("image").at("encoder").at("use").as_string() == "opencv_dnn")
      places.push_back("model.image.encoder.weights=/weights/net.weights");
    PluginHost plugins;
    const Config config = resolve_config(read_config(file, places), plugins);
    EXPECT_EQ(config.name, file.stem().string()) << "a run is named after its method";
  }
}

}  // namespace
}  // namespace orbweaver
