// `orbweaver rerank` without its command line: saved matrices, the loaded plugin, and what a user does wrong.
#include <gtest/gtest.h>

#include <filesystem>
#include <limits>
#include <random>
#include <sstream>
#include <string>

#include "framework/eval/rerank_scores.h"
#include "framework/io/files.h"
#include "framework/io/json.h"
#include "framework/io/npy.h"
#include "orbweaver/error.h"
#include "tests/temporary_folder.h"

namespace orbweaver {
namespace {

namespace fs = std::filesystem;

class RerankScores : public ::testing::Test {
 protected:
  void SetUp() override {
    std::mt19937 random(4);
    Matrix<float> scores(12, 36);
    for (int64_t i = 0; i < 12 * 36; ++i) scores.data()[i] = static_cast<float>(random() % 1000) / 1000;
    for (int64_t text = 0; text < 36; ++text) scores(text / 3, text) += 0.4f;
    scores_ = scores;
    write_npy(folder_ / "scores.npy", std::as_const(scores).view());
    options_.scores = folder_ / "scores.npy";
    options_.use = {"multivariate"};
    options_.captions_per_image = 3;
  }

  std::string error() const {
    try {
      rerank_scores(options_);
    } catch (const InputError& problem) {
      return problem.what();
    }
    return "";
  }
  void expect_error(const std::string& part) const { EXPECT_NE(error().find(part), std::string::npos) << error(); }

  testing::TemporaryFolder temporary_;
  const fs::path folder_ = temporary_.path();
  Matrix<float> scores_;
  RerankScoresOptions options_;
};

TEST_F(RerankScores, PutsPlainAndIdentityRowsBeforeTheRerankedOne) {
  const RerankScoresResult result = rerank_scores(options_);
  ASSERT_EQ(result.rows.size(), 4u);
  EXPECT_EQ(result.rows[0].reranker, "none");
  EXPECT_EQ(result.rows[2].reranker, "identity");
  EXPECT_EQ(result.rows[3].reranker, "multivariate");
  EXPECT_TRUE(result.rows[3].transductive);
  EXPECT_EQ(result.rows[3].parameters.at("k").as_int(), 25);
  EXPECT_EQ(result.record.at("plugins").as_list().at(0).at("name").as_string(), "multivariate");
}

TEST_F(RerankScores, GivesTheSameFromDoublesAndFromAListOfEachCaptionsImage) {
  const Value expected = to_value(rerank_scores(options_).rows);
  Matrix<double> wide(12, 36);
  for (int64_t i = 0; i < 12 * 36; ++i) wide.data()[i] = static_cast<double>(scores_.data()[i]);
  write_npy(folder_ / "wide.npy", std::as_const(wide).view());
  std::string list;
  for (int text = 0; text < 36; ++text) list += std::to_string(text / 3) + "\n";
  write_atomically(folder_ / "images.txt", list);
  options_.scores = folder_ / "wide.npy";
  options_.captions_per_image = 0;
  options_.caption_image = folder_ / "images.txt";
  EXPECT_EQ(to_value(rerank_scores(options_).rows), expected);
}

TEST_F(RerankScores, SettingsReachTheRerankersTheyName) {
  options_.use = {"multivariate", R"({"use": "multivariate", "k": 4})"};
  options_.set = {"xi=0.1", "multivariate.variant=released"};
  const RerankScoresResult result = rerank_scores(options_);
  ASSERT_EQ(result.rows.size(), 5u);
  EXPECT_EQ(result.rows[4].parameters.at("k").as_int(), 4);
  for (const size_t at : {3, 4}) {
    EXPECT_EQ(result.rows[at].parameters.at("xi").as_double(), 0.1);
    EXPECT_EQ(result.rows[at].parameters.at("variant").as_string(), "released");
  }
}

TEST_F(RerankScores, WritesOneListPerDirectionAndQuery) {
  options_.captions_per_image = 0;
  options_.lists = true;
  options_.top = 3;
  const RerankScoresResult result = rerank_scores(options_);
  EXPECT_TRUE(result.rows.empty());
  std::istringstream lines(result.lists);
  int count = 0;
  for (std::string line; std::getline(lines, line); ++count) {
    const Value list = parse_json(line, "list");
    EXPECT_EQ(list.at("direction").as_string(), count < 12 ? "i2t" : "t2i");
    EXPECT_EQ(list.at("query").as_int(), count < 12 ? count : count - 12);
    EXPECT_EQ(list.at("items").as_list().size(), 3u);
    EXPECT_GE(list.at("scores").as_list()[0].as_double(), list.at("scores").as_list()[2].as_double());
  }
  EXPECT_EQ(count, 12 + 36);
}

TEST_F(RerankScores, TextsAddTheDuplicateAwareRows) {
  std::string texts;
  for (int text = 0; text < 36; ++text) texts += "caption " + std::to_string(text % 30) + "\n";
  write_atomically(folder_ / "texts.txt", texts);
  options_.texts = folder_ / "texts.txt";
  const RerankScoresResult result = rerank_scores(options_);
  EXPECT_EQ(result.rows.size(), 6u);
  EXPECT_EQ(result.record.at("distinct_texts").as_int(), 30);
}

TEST_F(RerankScores, SaysWhichGroupingWouldFit) {
  options_.captions_per_image = 5;
  expect_error(
      "scores.npy: 12 rows and 36 columns with 5 captions per image, expected 60 columns; 3 captions per image would "
      "fit");
  write_npy(folder_ / "turned.npy", std::as_const(scores_).view().transposed());
  options_.scores = folder_ / "turned.npy";
  options_.captions_per_image = 3;
  expect_error("rows must be images and columns captions");
}

TEST_F(RerankScores, NamesTheScoreThatIsNotFinite) {
  scores_(3, 17) = std::numeric_limits<float>::quiet_NaN();
  write_npy(options_.scores, std::as_const(scores_).view());
  expect_error("scores.npy: scores: query 3, gallery item 17 is nan");
}

TEST_F(RerankScores, RefusesWrongParametersAndNamesThatNobodyHas) {
  options_.set = {"kk=3"};
  expect_error("--use multivariate/kk: unknown parameter; did you mean \"k\"?");
  options_.set = {"k=0"};
  expect_error("--use multivariate/k: is 0, expected integer of at least 1");
  options_.set = {"cross_modal.k=3"};
  expect_error("no reranker \"cross_modal\" is in use");
  options_.set = {"k"};
  expect_error("expected NAME=VALUE");
  options_.set = {};
  options_.use = {"multivariat"};
  expect_error("did you mean \"multivariate\"?");
  options_.use = {R"({"k": 3})"};
  expect_error("\"use\"");
}

TEST_F(RerankScores, RefusesListsOfImagesOrTextsThatDoNotFit) {
  options_.captions_per_image = 0;
  options_.caption_image = folder_ / "images.txt";
  write_atomically(options_.caption_image, std::string_view("0\n12\n"));
  expect_error("images.txt:2: \"12\", expected the 0-based row of an image, below 12");
  write_atomically(options_.caption_image, std::string_view("0\n1\n"));
  expect_error("images.txt: 2 lines, expected 36");
  std::string zeros;
  for (int text = 0; text < 36; ++text) zeros += "0\n";
  write_atomically(options_.caption_image, zeros);
  expect_error("image 1 has no caption");
  options_.caption_image.clear();
  options_.texts = folder_ / "images.txt";
  expect_error("--texts adds rows to an evaluation");
}

}  // namespace
}  // namespace orbweaver
