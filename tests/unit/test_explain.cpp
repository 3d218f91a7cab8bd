// Which nodes match, and which pairs are drawn.
#include <fmt/format.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <filesystem>
#include <string>
#include <vector>

#include "framework/config/config.h"
#include "framework/train/explain.h"
#include "orbweaver/error.h"
#include "temporary_folder.h"

namespace orbweaver {
namespace {
namespace fs = std::filesystem;

Matrix<float> matrix(const std::vector<std::vector<float>>& rows) {
  Matrix<float> out(static_cast<int64_t>(rows.size()), rows.empty() ? 0 : static_cast<int64_t>(rows[0].size()));
  for (size_t i = 0; i < rows.size(); ++i) std::copy(rows[i].begin(), rows[i].end(), out.data() + i * rows[i].size());
  return out;
}

std::vector<NodeMatch> match(const std::vector<std::vector<float>>& objects,
                             const std::vector<std::vector<float>>& entities) {
  const Matrix<float> a = matrix(objects), b = matrix(entities);
  return match_nodes(a.view(), b.view());
}

TEST(MatchNodes, PairsNodesThatPointTheSameWayWhateverTheirLength) {
  const auto found = match({{10, 0}, {0, 0.1f}}, {{0, 5}, {3, 0}});
  ASSERT_EQ(found.size(), 2u);
  EXPECT_EQ(found[0], (NodeMatch{0, 1, 1.0}));
  EXPECT_EQ(found[1].entity, 0);
  EXPECT_NEAR(found[1].similarity, 1, 1e-6);
}

TEST(MatchNodes, TakesTheLeastCostOfAllPairsTogetherAndNotTheBestPairFirst) {
  // Cosines 1 and 0.8 for object 0, 0.8 and 0.28 for object 1: the 1 first would leave 0.28.
  const auto found = match({{1, 0}, {0.8f, 0.6f}}, {{1, 0}, {0.8f, -0.6f}});
  ASSERT_EQ(found.size(), 2u);
  EXPECT_EQ(found[0].entity, 1);
  EXPECT_EQ(found[1].entity, 0);
  EXPECT_NEAR(found[0].similarity, 0.8, 1e-6);
  EXPECT_NEAR(found[1].similarity, 0.8, 1e-6);
}

TEST(MatchNodes, LeavesNodesOfTheLargerSideOver) {
  const auto found = match({{1, 0}, {0, 1}, {-1, 0}}, {{0, 1}});
  ASSERT_EQ(found.size(), 1u);
  EXPECT_EQ(found[0].object, 1);
  EXPECT_EQ(match({{0, 1}}, {{1, 0}, {0, 1}, {-1, 0}}).at(0).entity, 1);
}

TEST(MatchNodes, TakesEmptySidesAndZeroNodes) {
  EXPECT_TRUE(match({}, {{1, 0}}).empty());
  EXPECT_TRUE(match({{1, 0}}, {}).empty());
  EXPECT_EQ(match({{0, 0}}, {{1, 0}}), (std::vector<NodeMatch>{{0, 0, 0.0}}));
}

TEST(MatchNodes, RefusesNodesOfDifferentWidths) { EXPECT_THROW(match({{1, 0}}, {{1, 0, 0}}), ShapeError); }

TEST(PairsToExplain, IsTheOnePairUnderTheNameThatWasGiven) {
  const Matrix<float> scores = matrix({{0.5f}});
  EXPECT_EQ(pairs_to_explain(scores.view(), {"in/airport.jpg"}, "out/pair.png"),
            (std::vector<ExplainedPair>{{0, 0, "out/pair.png"}}));
}

TEST(PairsToExplain, IsEachImageWithItsBestTextUnderItsOwnName) {
  const Matrix<float> scores = matrix({{0.1f, 0.7f}, {0.3f, 0.3f}});
  EXPECT_EQ(pairs_to_explain(scores.view(), {"in/airport.jpg", "in/beach.1.jpg"}, "out/pair.png"),
            (std::vector<ExplainedPair>{{0, 1, "out/pair-airport.png"}, {1, 0, "out/pair-beach.1.png"}}));
}

TEST(PairsToExplain, NeverGivesTwoImagesOneFile) {
  const Matrix<float> scores(5, 1);
  const auto pairs = pairs_to_explain(scores.view(), {"a/x.jpg", "b/x.jpg", "c/x.png", "x-2.jpg", "x-2.jpg"}, "p.jpg");
  std::vector<std::string> files;
  for (const ExplainedPair& pair : pairs) files.push_back(pair.file.string());
  EXPECT_EQ(files, (std::vector<std::string>{"p-x.jpg", "p-x-3.jpg", "p-x-4.jpg", "p-x-2.jpg", "p-x-2-2.jpg"}));
}

TEST(PairsToExplain, NeverReplacesAnImage) {
  const testing::TemporaryFolder folder;
  const fs::path image = folder.path() / "pair-a.png", other = folder.path() / "a.png";
  for (const auto& file : {image, other}) testing::write_text(file, "pixels");
  const auto error_of = [&](int64_t texts, const std::vector<fs::path>& images, const fs::path& file) -> std::string {
    const Matrix<float> scores(static_cast<int64_t>(images.size()), texts);
    try {
      pairs_to_explain(scores.view(), images, folder.path() / file);
    } catch (const InputError& error) {
      return error.what();
    }
    return "";
  };
  EXPECT_EQ(error_of(1, {other}, "../" + folder.path().filename().string() + "/a.png"),
            fmt::format("--explain: its drawing {} would replace {} of --images; give another name",
                        (folder.path() / ".." / folder.path().filename() / "a.png").string(), other.string()));
  EXPECT_NE(error_of(2, {other, image}, "pair.png").find("would replace " + image.string()), std::string::npos);
  EXPECT_EQ(error_of(1, {other}, "pair-a.png"), "") << "an earlier drawing is replaced";
}

TEST(RequireGraphs, NamesWhatTheRunLacks) {
  Config config;
  config.text.graph.emplace();
  try {
    require_graphs(config, "runs/a");
    ADD_FAILURE();
  } catch (const InputError& error) {
    const std::string text = error.what();
    EXPECT_EQ(text.find("runs/a: --explain"), 0u) << text;
    EXPECT_NE(text.find("no /model/image/graph, no /model/image/graph_encoder, no /model/text/graph_encoder;"),
              std::string::npos)
        << text;
    EXPECT_EQ(text.find('\n'), std::string::npos);
  }
  config.image.graph.emplace(), config.image.graph_encoder.emplace(), config.text.graph_encoder.emplace();
  EXPECT_NO_THROW(require_graphs(config, "runs/a"));
}

}  // namespace
}  // namespace orbweaver
