// The executable as a user meets it: status, standard output, standard error.
#include <fmt/format.h>
#include <sys/wait.h>

#include <cstdio>

#include "framework/io/json.h"
#include "framework/version.h"
#include "loader/loader_test.h"

namespace orbweaver {
namespace {

using testing::contains;
using testing::ScopedVariable;

struct Outcome {
  int status = -1;  ///< exit status, -1 when killed by a signal
  std::string output, errors;
};

Outcome run(const std::string& arguments) {
  const testing::TemporaryFolder folder;
  const std::string errors = (folder.path() / "errors").string();
  std::FILE* pipe = popen(fmt::format("\"{}\" {} 2>\"{}\"", ORBWEAVER_CLI, arguments, errors).c_str(), "r");
  Outcome outcome;
  char buffer[4096];
  for (size_t count; (count = std::fread(buffer, 1, sizeof buffer, pipe)) > 0;) outcome.output.append(buffer, count);
  const int status = pclose(pipe);
  if (WIFEXITED(status)) outcome.status = WEXITSTATUS(status);
  std::ostringstream text;
  text << std::ifstream(errors).rdbuf();
  outcome.errors = text.str();
  return outcome;
}

TEST(CommandLine, PrintsItsVersions) {
  const Outcome outcome = run("--version");
  EXPECT_EQ(outcome.status, 0);
  EXPECT_TRUE(contains(outcome.output, "orbweaver " ORBWEAVER_PROJECT_VERSION "\n"));
  EXPECT_STREQ(ORBWEAVER_VERSION, ORBWEAVER_PROJECT_VERSION);
  EXPECT_TRUE(contains(outcome.output, "plugin SDK "));
  EXPECT_TRUE(contains(outcome.output, "LibTorch "));
  EXPECT_TRUE(contains(outcome.output, "compiler "));
}

TEST(CommandLine, AnswersAWrongArgumentWithStatus2AndOneLine) {
  for (const char* arguments :
       {"", "plugin", "nonsense", "plugins list --jsn", "plugins describe", "plugins describe reranker/none"}) {
    const Outcome outcome = run(arguments);
    EXPECT_EQ(outcome.status, 2) << arguments;
    EXPECT_TRUE(outcome.errors.starts_with("orbweaver: ")) << outcome.errors;
    EXPECT_EQ(outcome.errors.find('\n'), outcome.errors.size() - 1) << outcome.errors;
    EXPECT_EQ(outcome.output, "");
  }
  EXPECT_EQ(run("plugin").errors, "orbweaver: unknown command \"plugin\"; did you mean \"plugins\"?\n");
}

TEST(CommandLine, ShowsAnExampleInItsHelp) {
  const Outcome outcome = run("plugins describe --help");
  EXPECT_EQ(outcome.status, 0);
  EXPECT_TRUE(contains(outcome.output, "orbweaver plugins describe reranker/multivariate"));
}

TEST(PluginsList, OverTheFolderOfBadPluginsSucceedsWithEveryReason) {
  const ScopedVariable variable("ORBWEAVER_PLUGIN_PATH", BAD_PLUGINS);
  const Outcome outcome = run("plugins list");
  EXPECT_EQ(outcome.status, 0) << outcome.errors;
  for (const char* reason :
       {"is not an ELF file", "is empty", "is truncated", "has no Orbweaver manifest",
        "\"another_name\" in its manifest", "plugin 99.0, host", ".99, host", "LibTorch version: plugin 99.7",
        "string ABI", "debug mode", "sanitizer: plugin", "needs libtorch_cpu.so.99", "undefined symbol",
        "the licence server is asleep", "no std::exception", "registers no component", "which",
        "of the unknown kind \"graph_bilder\""})
    EXPECT_TRUE(contains(outcome.output, reason));
}

TEST(PluginsList, PrintsTheSameForMachines) {
  const ScopedVariable variable("ORBWEAVER_PLUGIN_PATH", BAD_PLUGINS ":" GOOD_PLUGINS);
  const Outcome outcome = run("plugins list --json");
  EXPECT_EQ(outcome.status, 0) << outcome.errors;
  bool found_good = false, found_bad = false;
  const Value list = parse_json(outcome.output, "plugins list");
  for (const Value& file : list.as_list()) {
    const std::string name = file.at("name").as_string();
    if (name == "radius_graph") {
      found_good = true;
      EXPECT_TRUE(file.at("ok").as_bool());
      EXPECT_EQ(file.at("manifest").at("version"), Value("0.1.0"));
      EXPECT_EQ(file.at("components").as_list().at(0).at("id"), Value("radius"));
    } else if (name == "old_string_abi") {
      found_bad = true;
      EXPECT_FALSE(file.at("ok").as_bool());
      EXPECT_FALSE(file.at("manifest").at("cxx11_abi").as_bool());
      EXPECT_TRUE(contains(file.at("status").as_string(), "string ABI"));
    }
  }
  EXPECT_TRUE(found_good && found_bad);
}

TEST(PluginPath, ThatIsNoFolderIsRefusedByEveryCommand) {
  for (const char* command : {"plugins list", "plugins describe graph_builder/radius", "weights inspect w.safetensors",
                              "graph --use erg --text car", "data stats rsicd --graph erg"}) {
    const Outcome outcome = run(std::string(command) + " --plugin-path /nowhere");
    EXPECT_EQ(outcome.status, 2) << command;
    EXPECT_TRUE(contains(outcome.errors, "--plugin-path /nowhere: is no folder")) << command << outcome.errors;
  }
}

TEST(PluginsDescribe, PrintsTypesBoundsDefaultsAndAnExample) {
  const std::string folder = "--plugin-path " GOOD_PLUGINS;
  const Outcome text = run("plugins describe graph_builder/radius " + folder);
  EXPECT_EQ(text.status, 0) << text.errors;
  EXPECT_TRUE(contains(text.output, "graph_builder radius: Edges below a distance"));
  EXPECT_TRUE(contains(
      text.output, "  radius: number in [0, 2], default 0.25\n      Distance that makes an edge, in image sides\n"));
  EXPECT_TRUE(contains(text.output, "  max_nodes: integer in [1, 512], default 20\n"));
  EXPECT_TRUE(contains(text.output, "In a config, at /model/image/graph:"));

  const Outcome machine = run("plugins describe graph_builder/radius --json " + folder);
  const Value value = parse_json(machine.output, "plugins describe");
  const Value& radius = value.at("parameters").as_list().at(0);
  EXPECT_EQ(radius.at("default"), Value(0.25));
  EXPECT_EQ(radius.at("type").at("maximum").as_double(), 2);
  EXPECT_EQ(value.at("example").at("value").at("use"), Value("radius"));
}

TEST(PluginsDescribe, PutsABuilderOfCaptionGraphsOnTheTextSide) {
  const Outcome outcome = run("plugins describe graph_builder/erg --json");
  EXPECT_EQ(outcome.status, 0) << outcome.errors;
  EXPECT_EQ(parse_json(outcome.output, "plugins describe").at("example").at("pointer"), Value("/model/text/graph"));
}

TEST(PluginsDescribe, SuggestsTheNearestComponent) {
  const Outcome outcome = run("plugins describe graph_builder/radios --plugin-path " GOOD_PLUGINS);
  EXPECT_EQ(outcome.status, 2);
  EXPECT_TRUE(contains(outcome.errors, "did you mean \"graph_builder/radius\"?"));
}

}  // namespace
}  // namespace orbweaver
