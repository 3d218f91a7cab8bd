#include <gtest/gtest.h>

#include <algorithm>

#include "framework/config/config.h"
#include "framework/io/json.h"
#include "framework/plugin/plugin_host.h"
#include "orbweaver/error.h"
#include "temporary_folder.h"

namespace orbweaver::testing {
namespace {

namespace fs = std::filesystem;

class ConfigTest : public ::testing::Test {
 protected:
  fs::path file(const std::string& name, const std::string& text) {
    write_text(folder_.path() / name, text);
    return folder_.path() / name;
  }
  static std::string merged(const fs::path& path, const std::vector<std::string>& overrides = {}) {
    return to_json(read_config(path, overrides).value, -1);
  }
  static std::string fault(const std::function<void()>& action) {
    try {
      action();
    } catch (const InputError& error) {
      return error.what();
    }
    return "";
  }
  static std::vector<std::string> problems(const ConfigSource& source, Completeness completeness = Completeness::full) {
    PluginHost plugins;
    return config_problems(source, plugins, completeness);
  }
  static bool any_contains(const std::vector<std::string>& lines, const std::string& text) {
    return std::any_of(lines.begin(), lines.end(),
                       [&](const std::string& line) { return line.find(text) != std::string::npos; });
  }

  TemporaryFolder folder_;
};

class Extends : public ConfigTest {};

TEST_F(Extends, LaterFilesWinObjectsMergeAndArraysReplace) {
  file("a.json", R"({"train": {"lr": 1, "epochs": 5}, "loss": [{"use": "triplet"}, {"use": "info_nce"}]})");
  file("b.json", R"({"train": {"lr": 2}})");
  const fs::path top = file("c.json", R"({"extends": ["a.json", "b.json"], "loss": [{"use": "info_nce"}]})");
  EXPECT_EQ(merged(top), R"({"train":{"lr":2,"epochs":5},"loss":[{"use":"info_nce"}]})");
}

TEST_F(Extends, PluginsUnite) {
  file("a.json", R"({"plugins": ["x", "y"]})");
  EXPECT_EQ(merged(file("b.json", R"({"extends": "a.json", "plugins": ["y", "z"]})")), R"({"plugins":["x","y","z"]})");
}

TEST_F(Extends, AnotherComponentDoesNotInheritItsPredecessorsParameters) {
  file("a.json", R"({"model": {"image": {"graph": {"use": "sog", "max_nodes": 9}}}})");
  EXPECT_EQ(merged(file("b.json", R"({"extends": "a.json", "model": {"image": {"graph": {"use": "drea"}}}})")),
            R"({"model":{"image":{"graph":{"use":"drea"}}}})");
  EXPECT_EQ(merged(file("c.json", R"({"extends": "a.json", "model": {"image": {"graph": {"use": "sog", "x": 1}}}})")),
            R"({"model":{"image":{"graph":{"use":"sog","max_nodes":9,"x":1}}}})");
}

TEST_F(Extends, ACycleAndAMissingFileAreNamed) {
  const fs::path a = file("a.json", R"({"extends": "b.json"})");
  file("b.json", R"({"extends": "a.json"})");
  EXPECT_NE(fault([&] { merged(a); }).find("extends itself"), std::string::npos);
  const fs::path c = file("c.json", R"({"extends": "gone.json"})");
  EXPECT_NE(fault([&] { merged(c); }).find("gone.json does not exist"), std::string::npos);
}

TEST_F(Extends, BasesThatNameBasesAgainAndAgainAreRefused) {
  const auto many = [](const std::string& name) {
    std::string list = "\"" + name + "\"";
    for (int i = 1; i < 100; ++i) list += ", \"" + name + "\"";
    return "{\"extends\": [" + list + "]}";
  };
  file("c.json", R"({"seed": 3})");
  EXPECT_EQ(merged(file("b.json", many("c.json"))), R"({"seed":3})");
  const fs::path a = file("a.json", many("b.json"));
  EXPECT_NE(fault([&] { merged(a); }).find("/extends: more than 1000 files are read"), std::string::npos);
}

TEST_F(Extends, APathLongerThanTheSystemTakesDoesNotExist) {
  const fs::path a = file("a.json", "{\"extends\": \"" + std::string(300, 'n') + "\"}");
  EXPECT_NE(fault([&] { merged(a); }).find("does not exist"), std::string::npos);
  EXPECT_NE(fault([&] { merged(folder_.path() / std::string(300, 'n')); }).find("does not exist"), std::string::npos);
}

TEST_F(Extends, AFolderThatIsNoRunIsCalledSo) {
  EXPECT_NE(fault([&] { merged(folder_.path()); }).find("is a folder without config.json; expected a config"),
            std::string::npos);
  file("sweep.json", "{}");
  EXPECT_NE(fault([&] { merged(folder_.path()); }).find("is a sweep's folder; its run folders are in "),
            std::string::npos);
  file("config.json", R"({"seed": 2})");
  EXPECT_EQ(merged(folder_.path()), R"({"seed":2})");
}

TEST_F(Extends, TakesATimeThatGrowsWithTheNumberOfKeysAndPlugins) {
  // Looking through all keys for each would take minutes.
  std::string keys, plugins;
  for (int i = 0; i < 150'000; ++i) {
    keys += "\"key" + std::to_string(i) + "\": {\"a\": 1}, ";
    plugins += (i ? ", \"plugin" : "\"plugin") + std::to_string(i) + "\"";
  }
  file("base.json", "{" + keys + "\"plugins\": [" + plugins + "]}");
  const fs::path top =
      file("top.json", "{" + keys + "\"extends\": \"base.json\", \"plugins\": [" + plugins + ", \"x\"]}");
  const ConfigSource source = read_config(top, {});
  EXPECT_EQ(source.value.as_object().size(), 150'001u);
  EXPECT_EQ(source.value.at("plugins").as_list().size(), 150'001u);
  EXPECT_EQ(source.origin("/plugins/150000"), top.string());
  EXPECT_EQ(source.origin("/plugins/149999"), (folder_.path() / "base.json").string());
}

TEST_F(Extends, OfADeviceIsRefusedWithItsName) {
  const fs::path config = file("config.json", R"({"extends": "/dev/zero"})");
  EXPECT_EQ(fault([&] { read_config(config, {}); }), "/dev/zero: is a device, expected a file");
}

TEST_F(Extends, EachValueRemembersTheFileThatWroteIt) {
  const std::string a = file("a.json", R"({"train": {"lr": 1, "epochs": 5}})").string();
  const fs::path b = file("b.json", R"({"extends": "a.json", "train": {"lr": 2}})");
  const ConfigSource source = read_config(b, {"train.epochs=7"});
  EXPECT_EQ(source.origin("/train/lr"), b.string());
  EXPECT_EQ(source.origin("/train/epochs"), "--set");
  EXPECT_EQ(read_config(b, {}).origin("/train/epochs"), a);
  EXPECT_EQ(read_config(b, {"dataset={\"root\": \"x\"}", "dataset.name=y"}).origin("/dataset/root"), "--set");
  EXPECT_EQ(read_config(b, {"train.augment={\"x\": [1]}"}).origin("/train/augment/x/0"), "--set");
}

class Set : public ConfigTest {};

TEST_F(Set, ReachesIntoObjectsAndArraysAndReadsJsonValues) {
  const fs::path f =
      file("a.json", R"({"loss": [{"use": "triplet"}, {"use": "info_nce"}], "train": {"betas": [0.9, 0.99]}})");
  EXPECT_EQ(
      merged(f,
             {"loss.1.temperature=0.1", "train.betas.0=0.8", "name=x y", "model.image.encoder={\"use\": \"resnet\"}"}),
      R"({"loss":[{"use":"triplet"},{"use":"info_nce","temperature":0.1}],"train":{"betas":[0.8,0.99]},"name":"x y",)"
      R"("model":{"image":{"encoder":{"use":"resnet"}}}})");
}

TEST_F(Set, NamingAnotherComponentDropsTheOldParameters) {
  const fs::path f = file("a.json", R"({"loss": [{"use": "triplet", "margin": 0.3}]})");
  EXPECT_EQ(merged(f, {"loss.0.use=info_nce"}), R"({"loss":[{"use":"info_nce"}]})");
  EXPECT_EQ(merged(f, {"loss.0.use=triplet"}), R"({"loss":[{"use":"triplet","margin":0.3}]})");
}

TEST_F(Set, APathThatLeadsNowhereSaysWhy) {
  const fs::path f = file("a.json", R"({"loss": [{"use": "triplet"}], "seed": 1})");
  EXPECT_NE(fault([&] { merged(f, {"loss.3.margin=1"}); }).find("has 1 entry; \"3\" is no index"), std::string::npos);
  EXPECT_NE(fault([&] { merged(f, {"seed.x=1"}); }).find("/seed is 1, which has no members"), std::string::npos);
  EXPECT_NE(fault([&] { merged(f, {"seed"}); }).find("expected PATH=VALUE"), std::string::npos);
}

class Validation : public ConfigTest {};

TEST_F(Validation, ReportsAllProblemsInOneGo) {
  const fs::path f = file("a.json", R"({
    "model": {"image": {"encoder": {"use": "resnet", "depht": 18}}, "text": {"encoder": {"use": "bigru", "hidden": "wide"}},
              "fusion": {"use": "globall"}},
    "loss": [{"use": "triplet", "freez": true}],
    "train": {"lr": -1},
    "plugins": ["resnet", "nowhere"]})");
  const auto lines = problems(read_config(f, {}));
  for (const char* text :
       {"/model/image/encoder/depht: unknown parameter; did you mean \"depth\"? (image_encoder resnet)",
        "/model/text/encoder/hidden: is \"wide\", expected integer in [1, 8192] (text_encoder bigru)",
        "/model/fusion/use: no fusion \"globall\"",
        "/loss/0/freez: unknown parameter; did you mean \"freeze\"? (loss triplet)",
        "/train/lr: is -1, expected number in [0, 100]", "/plugins/1: plugin \"nowhere\"", "/dataset/root: is missing"})
    EXPECT_TRUE(any_contains(lines, text)) << text;
  for (const std::string& line : lines) EXPECT_EQ(line.find('\n'), std::string::npos) << line;
}

TEST_F(Validation, AGraphWithoutItsEncoderIsAskedFor) {
  const fs::path f = file("a.json", R"({"model": {"image": {"graph_encoder": {"use": "x"}}}})");
  EXPECT_TRUE(any_contains(problems(read_config(f, {})),
                           "/model/image/graph: is missing; the graph_encoder would get nothing"));
}

TEST_F(Validation, EveryShippedConfigIsValid) {
  for (const auto& entry : fs::recursive_directory_iterator(ORBWEAVER_SOURCE_DIR "/configs")) {
    const std::string folder = entry.path().parent_path().filename();
    if (entry.path().extension() != ".json" || folder == "vocabulary" || folder == "sweeps") continue;  // no configs
    const auto lines = problems(read_config(entry.path(), {}), Completeness::partial);
    EXPECT_TRUE(lines.empty()) << entry.path() << ": " << (lines.empty() ? "" : lines[0]);
  }
}

class Resolved : public ConfigTest {};

TEST_F(Resolved, PathsAreThoseOfTheFileThatWroteThemAndReadBackUnchanged) {
  fs::create_directories(folder_.path() / "sub");
  file("sub/base.json", R"({"dataset": {"root": "../data"}})");
  const fs::path f = file("a.json", R"({"extends": "sub/base.json", "model": {
    "image": {"encoder": {"use": "opencv_dnn", "weights": "w/net.weights"}},
    "text": {"encoder": {"use": "bigru"}}, "fusion": {"use": "global"}}, "loss": [{"use": "triplet"}]})");
  PluginHost plugins;
  const Config config = resolve_config(read_config(f, {"dataset.images=pictures"}), plugins);
  EXPECT_EQ(config.dataset.root, folder_.path() / "data");
  EXPECT_EQ(config.dataset.images, fs::current_path() / "pictures");
  EXPECT_EQ(config.image.encoder->params.at("weights").as_string(), (folder_.path() / "w/net.weights").string());
  EXPECT_EQ(config.text.encoder->pointer, "/model/text/encoder");
  EXPECT_GE(config.train.threads, 1);

  const fs::path again = file("run/config.json", to_json(config.resolved));
  EXPECT_EQ(to_json(resolve_config(read_config(again, {}), plugins).resolved), to_json(config.resolved));
}

TEST(ConfigSchema, HasNoEmptyAlternativesForAKindWithoutComponents) {
  PluginHost plugins;
  const Value schema = config_schema(plugins);
  for (const auto& [kind, place] : schema.at("$defs").as_object()) {
    const Value* rules = place.find("allOf");
    const Value* ids = place.at("properties").at("use").find("enum");
    if (rules) {
      EXPECT_FALSE(rules->as_list().empty()) << kind;
    }
    EXPECT_EQ(rules != nullptr, ids != nullptr) << kind;
  }
}

TEST(ConfigSchema, HoldsTheComponentsOfThePluginsFound) {
  PluginHost plugins;
  const Value schema = config_schema(plugins);
  EXPECT_EQ(schema.at("properties").at("model").at("properties").at("fusion").at("$ref").as_string(), "#/$defs/fusion");
  bool found = false;
  for (const Value& rule : schema.at("$defs").at("loss").at("allOf").as_list()) {
    if (rule.at("if").at("properties").at("use").at("const").as_string() != "triplet") continue;
    found = true;
    const Value& margin = rule.at("then").at("properties").at("margin");
    EXPECT_EQ(margin.at("type").as_string(), "number");
    EXPECT_DOUBLE_EQ(margin.at("default").as_double(), 0.2);
    EXPECT_TRUE(rule.at("then").at("properties").find("lr_scale"));
  }
  EXPECT_TRUE(found);
}

}  // namespace
}  // namespace orbweaver::testing
