// Pictures of why an image and a sentence are alike.
#include <algorithm>
#include <array>
#include <cmath>

#include "command.h"
#include "framework/data/image.h"
#include "framework/io/json.h"

namespace orbweaver::testing {
namespace {

namespace fs = std::filesystem;

class ExplainCommand : public CommandTest {
 protected:
  /// One epoch of a method with graphs on both sides, whose nodes no loss reads.
  static fs::path trained(const std::string& name, const std::string& text_width, const std::string& loss,
                          const std::vector<std::string>& more = {}) {
    const fs::path run = shared_ / name;
    if (fs::exists(run / "record.json")) return run;
    const std::string encoder = "graph_encoder={\"use\": \"rgcn\", \"width\": ";
    std::vector<std::string> arguments{"train", ORBWEAVER_SOURCE_DIR "/configs/methods/demo.json",
                                       "--out", run.string(),
                                       "--set", "dataset.root=" + (shared_ / "data").string(),
                                       "--set", "cache=" + (shared_ / "cache").string(),
                                       "--set", "train.epochs=1",
                                       "--set", "loss.0.use=" + loss,
                                       "--set", "train.threads=1",
                                       "--set", "train.batch_size=16",
                                       "--set", "model.image.encoder.size=32",
                                       "--set", "model.image.detector={\"use\": \"regions\"}",
                                       "--set", "model.image.graph={\"use\": \"sog\"}",
                                       "--set", "model.image." + encoder + "16}",
                                       "--set", "model.text.graph={\"use\": \"erg\"}",
                                       "--set", "model.text." + encoder + text_width + "}",
                                       "--set", "model.fusion={\"use\": \"weighted_sum\"}",
                                       "--set", "plugins=[\"regions\", \"sog\", \"erg\", \"rgcn\", \"weighted_sum\"]"};
    arguments.insert(arguments.end(), more.begin(), more.end());
    Command command(arguments, shared_);
    EXPECT_EQ(command.wait(), 0) << command.err();
    return run;
  }
  static fs::path run_with_graphs() { return trained("graphs", "16", "triplet"); }
  static fs::path run_with_temperature() {
    return trained("temperature", "8", "info_nce",
                   {"--set",
                    "model.interaction={\"use\": \"cmim\", \"width\": 16, \"heads\": 2, \"weight\": 0.25, "
                    "\"training\": \"all_pairs\"}",
                    "--set", "plugins=[\"cmim\"]"});
  }

  static std::vector<fs::path> images() {
    std::vector<fs::path> out;
    for (const auto& entry : fs::directory_iterator(shared_ / "data" / "images")) out.push_back(entry.path());
    std::sort(out.begin(), out.end());
    return out;
  }

  Value explain(const std::vector<std::string>& more, const fs::path& file) {
    std::vector<std::string> arguments{"infer", run_with_graphs().string(), "--json", "--explain", file.string()};
    arguments.insert(arguments.end(), more.begin(), more.end());
    Command command = run(arguments);
    EXPECT_EQ(command.wait(), 0) << command.err();
    return parse_json(command.out(), "infer");
  }

  static size_t count_pixels(const Image& image, const std::array<uint8_t, 3>& colour) {
    size_t count = 0;
    for (size_t i = 0; i < image.pixels.size(); i += 3)
      count += std::equal(colour.begin(), colour.end(), image.pixels.begin() + static_cast<std::ptrdiff_t>(i));
    return count;
  }
};

TEST_F(ExplainCommand, DrawsTheOnePairWithALineForEachEntity) {
  const fs::path file = folder_ / "new" / "pair.png";
  const Value result = explain({"--images", images()[0], "--texts", "a plane is next to a terminal"}, file);
  const Value& explanation = result.at("explanations").as_list().at(0);
  EXPECT_EQ(explanation.at("file").as_string(), file.string());
  ASSERT_EQ(explanation.at("entities").as_list().size(), 2u);
  const auto& matches = explanation.at("matches").as_list();
  ASSERT_EQ(matches.size(), std::min<size_t>(2, explanation.at("objects").as_list().size()));
  const Image picture = decode_image(file);
  EXPECT_GT(picture.width, 1000);
  EXPECT_GT(picture.height, 840);
  // The colours of the first, the second and the third match: their boxes.
  EXPECT_GT(count_pixels(picture, {255, 215, 0}), 1000u);
  EXPECT_EQ(count_pixels(picture, {60, 200, 255}) > 1000, matches.size() == 2);
  EXPECT_LT(count_pixels(picture, {255, 110, 110}), 50u);
}

TEST_F(ExplainCommand, DrawsEachImageWithItsBestSentence) {
  const Value result = explain({"--images", images()[0], images()[1], "--texts", "a plane near a terminal", "a river"},
                               folder_ / "pair.png");
  ASSERT_EQ(result.at("explanations").as_list().size(), 2u);
  for (size_t i = 0; i < 2; ++i) {
    const Value& explanation = result.at("explanations").as_list()[i];
    const auto& scores = result.at("scores").as_list()[i].as_list();
    EXPECT_EQ(explanation.at("text").as_int(), scores[0].as_double() >= scores[1].as_double() ? 0 : 1);
    EXPECT_TRUE(fs::exists(folder_ / ("pair-" + images()[i].stem().string() + ".png")));
  }
  EXPECT_FALSE(fs::exists(folder_ / "pair.png"));
}

TEST_F(ExplainCommand, DrawsImagesWithoutObjectsAndSentencesWithoutEntities) {
  write_text(folder_ / (images()[0].stem().string() + ".json"), "[]");
  Command command = run({"infer", run_with_graphs().string(), "--detections", folder_.string(), "--images", images()[0],
                         "--texts", "it is very green", "two planes", "--explain", (folder_ / "pair.png").string()});
  ASSERT_EQ(command.wait(), 0) << command.err();
  EXPECT_NE(command.out().find("], no objects"), std::string::npos) << command.out();

  const Value result = explain({"--images", images()[0], "--texts", "it is very green"}, folder_ / "empty.png");
  EXPECT_TRUE(result.at("explanations").as_list().at(0).at("entities").as_list().empty());
  EXPECT_TRUE(result.at("explanations").as_list().at(0).at("matches").as_list().empty());
  EXPECT_GT(decode_image(folder_ / "empty.png").width, 1000);
}

TEST_F(ExplainCommand, SaysThatNodesWhichNothingWasTrainedOnMeanLittle) {
  Command command = run({"infer", run_with_graphs().string(), "--images", images()[0], "--texts", "two planes",
                         "--explain", (folder_ / "pair.png").string()});
  ASSERT_EQ(command.wait(), 0) << command.err();
  EXPECT_NE(command.err().find("loss hgac aligns them"), std::string::npos) << command.err();
}

TEST_F(ExplainCommand, AddsProbabilitiesByTheTemperatureOfTheRun) {
  Command command = run({"infer", run_with_temperature().string(), "--json", "--softmax", "--images", images()[0],
                         "--texts", "two planes", "a river"});
  ASSERT_EQ(command.wait(), 0) << command.err();
  const Value result = parse_json(command.out(), "infer");
  const auto row = [&](const char* name) { return result.at(name).as_list().at(0).as_list(); };
  const double temperature = result.at("temperature").as_double();
  EXPECT_NEAR(temperature, 0.07, 0.02);
  const double odds = std::exp((row("scores")[0].as_double() - row("scores")[1].as_double()) / temperature);
  EXPECT_NEAR(row("probabilities")[0].as_double(), odds / (1 + odds), 1e-5);
  EXPECT_NEAR(row("probabilities")[1].as_double(), 1 / (1 + odds), 1e-5);
}

TEST_F(ExplainCommand, GivesThePartsOfAScoreThatAnInteractionRefines) {
  Command command = run({"infer", run_with_temperature().string(), "--json", "--images", images()[0], images()[1],
                         "--texts", "two planes", "a river"});
  ASSERT_EQ(command.wait(), 0) << command.err();
  const Value result = parse_json(command.out(), "infer");
  const Value& cmim = result.at("interactions").as_list().at(0);
  EXPECT_EQ(cmim.at("use").as_string(), "cmim");
  EXPECT_EQ(cmim.at("weight").as_double(), 0.25);
  for (size_t i = 0; i < 2; ++i)
    for (size_t t = 0; t < 2; ++t) {
      const auto number = [&](const Value& table) { return table.as_list().at(i).as_list().at(t).as_double(); };
      const double interaction = number(cmim.at("scores"));
      EXPECT_NEAR(number(result.at("scores")), number(result.at("cosines")) + 0.25 * interaction, 1e-5);
      EXPECT_NE(interaction, 0);
    }
}

TEST_F(ExplainCommand, AnswersWrongInputWithStatus2AndOneLine) {
  const std::string demo = ORBWEAVER_SOURCE_DIR "/configs/methods/demo.json";
  const std::string graphs = run_with_graphs().string(), widths = run_with_temperature().string();
  const std::vector<std::pair<std::vector<std::string>, std::string>> cases{
      {{demo, "--set", "dataset.root=" + (shared_ / "data").string(), "--explain", "a.png"},
       "no /model/image/graph, no /model/image/graph_encoder, no /model/text/graph"},
      {{graphs, "--explain", "a.svg"}, "--explain a.svg: expected a file name that ends in .png or .jpg"},
      {{graphs, "--softmax"}, "--softmax needs a loss with a temperature (info_nce)"},
      {{widths, "--softmax", "--set", "model.interaction.training=hard_negatives"},
       "were trained with a loss each, and no temperature belongs to their sum"},
      {{widths, "--explain", "a.png"}, "are 16 wide, those of /model/text/graph_encoder (rgcn) 8"}};
  for (const auto& [more, part] : cases) {
    std::vector<std::string> arguments{"infer"};
    arguments.insert(arguments.end(), more.begin(), more.end());
    arguments.insert(arguments.end(), {"--images", images()[0], "--texts", "two planes"});
    Command command = run(arguments);
    EXPECT_EQ(command.wait(), 2) << part;
    const std::string err = command.err();
    EXPECT_NE(err.find(part), std::string::npos) << err;
    const size_t line = err.find("orbweaver: ");
    EXPECT_EQ(err.find('\n', line == std::string::npos ? 0 : line), err.size() - 1) << err;
    EXPECT_EQ(command.out(), "");
  }
}

}  // namespace
}  // namespace orbweaver::testing
