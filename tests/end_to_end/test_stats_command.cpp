// Figures of a dataset as a user sees them.
#include <algorithm>

#include "command.h"
#include "framework/io/json.h"

namespace orbweaver::testing {
namespace {

class StatsCommand : public CommandTest {
 protected:
  static std::string data() { return (shared_ / "data").string(); }
};

TEST_F(StatsCommand, ReadsTheGraphsOfCaptionsWhereABuilderIsNamed) {
  Command plain = run({"data", "stats", data(), "--json"});
  ASSERT_EQ(plain.wait(), 0) << plain.err();
  EXPECT_FALSE(parse_json(plain.out(), "stats").at("splits").at("train").find("graphs"));

  Command command = run({"data", "stats", data(), "--graph", "erg", "--json"});
  ASSERT_EQ(command.wait(), 0) << command.err();
  const Value stats = parse_json(command.out(), "stats");
  EXPECT_EQ(stats.at("graph_builder").as_string(), "erg");
  for (const char* split : {"train", "val", "test"}) {
    const Value& graphs = stats.at("splits").at(split).at("graphs");
    EXPECT_EQ(graphs.at("share_with_entities").as_double(), 1) << split;
    EXPECT_GT(graphs.at("relations_per_caption").at("mean").as_double(), 0) << split;
    EXPECT_LT(graphs.at("share_other").as_double(), 0.1) << split;
  }

  Command text = run({"data", "stats", data(), "--graph", "erg", "--graph-set", "use_given_triples=false"});
  ASSERT_EQ(text.wait(), 0) << text.err();
  for (const char* part : {"graphs of captions by erg\n", "  caption entities ", "  caption labels ",
                           "  relation names ", "  called \"other\" "})
    EXPECT_NE(text.out().find(part), std::string::npos) << part << text.out();
}

TEST_F(StatsCommand, AnswersWrongInputWithStatus2AndOneLine) {
  const std::vector<std::pair<std::vector<std::string>, std::string>> cases{
      {{"--graph", "sog"}, "--graph sog: makes no graphs of captions"},
      {{"--graph", "egr"}, "did you mean \"erg\"?"},
      {{"--graph", "erg", "--graph-set", "max_node=3"}, "did you mean \"max_nodes\"?"},
      {{"--graph-set", "max_nodes=3"}, "--graph"}};
  for (const auto& [more, message] : cases) {
    std::vector<std::string> arguments{"data", "stats", data()};
    arguments.insert(arguments.end(), more.begin(), more.end());
    Command command = run(arguments);
    EXPECT_EQ(command.wait(), 2);
    const std::string errors = command.err();
    EXPECT_NE(errors.find(message), std::string::npos) << errors;
    EXPECT_EQ(std::count(errors.begin(), errors.end(), '\n'), 1) << errors;
    EXPECT_EQ(command.out(), "");
  }
}

TEST_F(StatsCommand, ShowsAnExampleInItsHelp) {
  Command command = run({"data", "stats", "--help"});
  EXPECT_EQ(command.wait(), 0);
  EXPECT_NE(command.out().find("orbweaver data stats datasets/rsicd --graph erg"), std::string::npos);
}

using OracleCommand = StatsCommand;

TEST_F(OracleCommand, PrintsItsPairsByAbilityAndTheSameAsJson) {
  Command text = run({"data", "oracle", data(), "--split", "train"});
  ASSERT_EQ(text.wait(), 0) << text.err();
  for (const char* part : {"detections of the train split: 24 pairs\n", "\nscene  ", "\nrelation  "})
    EXPECT_NE(text.out().find(part), std::string::npos) << part << text.out();

  Command json = run({"data", "oracle", data(), "--split", "train", "--guess", "--json"});
  ASSERT_EQ(json.wait(), 0) << json.err();
  const Value figures = parse_json(json.out(), "oracle");
  EXPECT_EQ(figures.at("split").as_string(), "train");
  EXPECT_EQ(figures.at("pairs").as_int(), 24);
  EXPECT_TRUE(figures.at("ties_by_lot").as_bool());
  EXPECT_EQ(figures.at("rows").as_list().size(), 5u);
}

TEST_F(OracleCommand, AnswersADatasetWithoutPairsOrTriplesWithStatus2AndOneLine) {
  const std::filesystem::path bare = folder_ / "bare";
  std::filesystem::create_directories(bare);
  for (const char* name : {"train_caps.txt", "train_filename.txt", "val_caps.txt", "val_filename.txt", "test_caps.txt",
                           "test_filename.txt"})
    std::filesystem::copy_file(shared_ / "data" / name, bare / name);
  std::filesystem::create_directory_symlink(shared_ / "data" / "images", bare / "images");
  const auto expect_refused = [&](const std::string& message, const std::string& split = "test") {
    Command command = run({"data", "oracle", bare.string(), "--split", split});
    EXPECT_EQ(command.wait(), 2);
    EXPECT_NE(command.err().find(message), std::string::npos) << command.err();
    EXPECT_EQ(std::ranges::count(command.err(), '\n'), 1) << command.err();
  };
  expect_refused((bare / "abilities.json").string() + ": does not exist; the oracle needs its list of pairs");
  Value abilities = read_json(shared_ / "data" / "abilities.json");
  abilities["groups"].erase("val");
  write_text(bare / "abilities.json", to_json(abilities));
  expect_refused((bare / "abilities.json").string() + ": has no pairs of the val split; give another --split", "val");
  expect_refused("has no triples");
}

}  // namespace
}  // namespace orbweaver::testing
