// Rerankers as a user meets them: a query bank in eval, parameters tuned on validation and applied to test scores.
#include "command.h"
#include "framework/io/json.h"

namespace orbweaver::testing {
namespace {

namespace fs = std::filesystem;

class RerankCommand : public CommandTest {
 protected:
  /// A run of one epoch with its scores on both splits.
  static void SetUpTestSuite() {
    CommandTest::SetUpTestSuite();
    run_ = shared_ / "run";
    std::vector<std::string> arguments = train_arguments_of_one_epoch();
    Command train(arguments, shared_);
    ASSERT_EQ(train.wait(), 0) << train.err();
    for (const char* split : {"val", "test"}) {
      Command eval({"eval", run_.string(), "--no-rerank", "--split", split, "--scores", scores(split).string()},
                   shared_);
      ASSERT_EQ(eval.wait(), 0) << eval.err();
    }
  }

  static std::vector<std::string> train_arguments_of_one_epoch() {
    return {"train", ORBWEAVER_SOURCE_DIR "/configs/methods/demo.json",
            "--out", run_.string(),
            "--set", "dataset.root=" + (shared_ / "data").string(),
            "--set", "cache=" + (shared_ / "cache").string(),
            "--set", "train.epochs=1",
            "--set", "train.batch_size=16",
            "--set", "train.threads=1",
            "--set", "model.image.encoder.size=32"};
  }
  static fs::path scores(const std::string& split) { return shared_ / (split + ".npy"); }

  inline static fs::path run_;
};

TEST_F(RerankCommand, EvalFillsAQueryBankFromTheTrainingSplit) {
  Command eval({"eval", run_.string(), "--json", "--set", R"(rerank=[{"use": "qb_norm"}])"}, folder_);
  ASSERT_EQ(eval.wait(), 0) << eval.err();
  const Value record = parse_json(eval.out(), "eval");
  EXPECT_EQ(record.at("query_bank").at("split").as_string(), "train");
  EXPECT_GT(record.at("query_bank").at("images").as_int(), record.at("images").as_int());
  const Value& row = record.at("rows").as_list().at(4);
  EXPECT_EQ(row.at("reranker").as_string(), "qb_norm");
  EXPECT_FALSE(row.at("transductive").as_bool());
  EXPECT_TRUE(row.at("mR_difference").find("identity"));
}

TEST_F(RerankCommand, EvalRefusesABankOfTheSplitItEvaluates) {
  Command eval({"eval", run_.string(), "--split", "train", "--set", R"(rerank=[{"use": "qb_norm"}])"}, folder_);
  EXPECT_EQ(eval.wait(), 2);
  EXPECT_NE(eval.err().find("/rerank/0: qb_norm draws its query bank from the training split"), std::string::npos)
      << eval.err();
}

TEST_F(RerankCommand, WhatTuneFindsGoesIntoRerankAndEvalWithItsRecord) {
  const fs::path fragment = folder_ / "csls.json";
  Command tune({"rerank", "--tune", scores("val").string(), "--captions-per-image", "5", "--use", "csls", "--out",
                fragment.string()},
               folder_);
  ASSERT_EQ(tune.wait(), 0) << tune.err();
  EXPECT_NE(tune.out().find("best {\"neighbours\": "), std::string::npos) << tune.out();
  const Value found = read_json(fragment).at("rerank");

  Command rerank({"rerank", scores("test").string(), "--captions-per-image", "5", "--use", fragment.string(), "--json"},
                 folder_);
  ASSERT_EQ(rerank.wait(), 0) << rerank.err();
  const Value result = parse_json(rerank.out(), "rerank");
  const Value reranked = result.at("rows").as_list().at(3);
  EXPECT_EQ(reranked.at("parameters").at("neighbours"), found.at("neighbours"));
  EXPECT_EQ(reranked.at("tuning"), found.at("tuning"));

  Command eval({"eval", run_.string(), "--json", "--set", "rerank=" + to_json(found, -1)}, folder_);
  ASSERT_EQ(eval.wait(), 0) << eval.err();
  const Value record = parse_json(eval.out(), "eval");
  const Value& row = record.at("rows").as_list().at(4);
  EXPECT_EQ(row.at("tuning"), found.at("tuning"));
  EXPECT_EQ(row.at("metrics"), reranked.at("metrics"));
}

TEST_F(RerankCommand, TheFragmentExtendsAConfig) {
  const fs::path fragment = folder_ / "csls.json", config = folder_ / "mine.json";
  Command tune({"rerank", "--tune", scores("val").string(), "--captions-per-image", "5", "--use", "csls", "--out",
                fragment.string()},
               folder_);
  ASSERT_EQ(tune.wait(), 0) << tune.err();
  write_text(config, R"({"extends": [")" ORBWEAVER_SOURCE_DIR R"(/configs/methods/demo.json", "csls.json"]})");
  Command show({"config", "show", config.string(), "--set", "dataset.root=" + (shared_ / "data").string()}, folder_);
  ASSERT_EQ(show.wait(), 0) << show.err();
  EXPECT_NE(show.out().find("\"strict mR\""), std::string::npos) << show.out();
}

TEST_F(RerankCommand, CurveWritesItsData) {
  const fs::path csv = folder_ / "curve.csv";
  Command curve({"rerank", scores("test").string(), "--captions-per-image", "5", "--use", "multivariate", "--curve",
                 "k,w1", "--grid", "k=2,4", "--out", csv.string()},
                folder_);
  ASSERT_EQ(curve.wait(), 0) << curve.err();
  const std::vector<std::string> lines = read_lines(csv);
  ASSERT_EQ(lines.size(), 1u + 3 + 4);
  EXPECT_TRUE(lines[1].starts_with("k,2,")) << lines[1];
  EXPECT_TRUE(lines[3].starts_with("k,25,")) << lines[3];
}

TEST_F(RerankCommand, SaysWhatDoesNotGoTogether) {
  const auto error = [&](std::vector<std::string> arguments) {
    arguments.insert(arguments.begin(), {"rerank", "--use", "qb_norm", "--captions-per-image", "5"});
    Command command(arguments, folder_);
    EXPECT_EQ(command.wait(), 2);
    return command.err();
  };
  EXPECT_NE(error({}).find("no matrix given"), std::string::npos);
  EXPECT_NE(error({scores("test").string()}).find("--image-bank FILE.npy"), std::string::npos);
  EXPECT_NE(error({scores("test").string(), "--tune", scores("val").string()}).find("leave SCORES.npy out"),
            std::string::npos);
  EXPECT_NE(error({scores("test").string(), "--grid", "k=1"}).find("--grid names values for"), std::string::npos);
}

}  // namespace
}  // namespace orbweaver::testing
