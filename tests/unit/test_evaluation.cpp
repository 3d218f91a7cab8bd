#include <gtest/gtest.h>
#include <unistd.h>

#include <algorithm>
#include <filesystem>
#include <functional>
#include <iterator>
#include <map>
#include <random>
#include <set>
#include <sstream>
#include <string>
#include <vector>

#include "framework/eval/candidates.h"
#include "framework/eval/evaluation.h"
#include "framework/eval/trec.h"
#include "framework/io/files.h"
#include "framework/io/npy.h"
#include "orbweaver/error.h"
#include "orbweaver/ranking.h"
#include "tests/temporary_folder.h"

namespace orbweaver {
namespace {

namespace fs = std::filesystem;

/// Two images, four captions; captions 1 and 2 say the same.
class TwoImages : public ::testing::Test {
 protected:
  TwoImages() : scores_(2, 4) {
    const float values[] = {0.3f, 0.8f, 0.8f, 0.1f,  //
                            0.2f, 0.7f, 0.7f, 0.6f};
    std::copy(std::begin(values), std::end(values), scores_.data());
    input_.i2t = std::as_const(scores_).view();
    input_.caption_image = images_;
    input_.text_ids = texts_;
  }

  Matrix<float> scores_;
  std::vector<int64_t> images_{0, 0, 1, 1}, texts_{0, 1, 1, 2};
  EvaluationInput input_;
};

EvaluatedReranker reversing(int64_t k) {
  const auto rerank = [k](const RerankInput& input) {
    Rankings lists = top_candidates(input.scores, k);
    for (double& score : lists.scores) score = -score;
    sort_candidates(lists);
    return lists;
  };
  return {"reversing", Value(Value::Object{{"k", Value(k)}}), false, rerank};
}

TEST_F(TwoImages, RowsComeInTheDocumentedOrderEachWithItsTieRuleAndReranker) {
  input_.rerankers = {reversing(2)};
  input_.rerankers[0].transductive = true;
  const std::vector<EvaluationRow> rows = evaluate(input_);
  ASSERT_EQ(rows.size(), 6u);
  const char* names[] = {"none", "none", "none", "identity", "reversing", "reversing"};
  const bool duplicates[] = {false, true, false, false, false, true};
  for (size_t at = 0; at < 6; ++at) {
    EXPECT_EQ(rows[at].reranker, names[at]);
    EXPECT_EQ(rows[at].duplicate_aware, duplicates[at]);
    EXPECT_EQ(rows[at].tie_rule, at == 2 ? TieRule::arbitrary : TieRule::strict);
    EXPECT_EQ(rows[at].transductive, at >= 4);
    EXPECT_EQ(rows[at].parameters.is_null(), at < 3);
  }
}

TEST_F(TwoImages, TheStrictRowCountsTheOtherImagesIdenticalCaptionAgainstTheModel) {
  const std::vector<EvaluationRow> rows = evaluate(input_);
  // i2t: image 0's caption 1 ties with image 1's caption 2: rank 2; image 1's caption 2 ties with caption 1: rank 2.
  EXPECT_EQ(rows[0].metrics.i2t.r1, 0);
  EXPECT_EQ(rows[0].metrics.i2t.mean_rank, 2);
  // t2i: captions 0 and 1 find image 0 first, caption 2 finds image 1 second, caption 3 finds image 1 first.
  EXPECT_EQ(rows[0].metrics.t2i.r1, 75);
}

TEST_F(TwoImages, TheDuplicateAwareRowAcceptsBothImagesOfTheSharedText) {
  const std::vector<EvaluationRow> rows = evaluate(input_);
  EXPECT_EQ(rows[1].metrics.i2t.r1, 100);
  EXPECT_EQ(rows[1].metrics.t2i.r1, 100);
}

TEST_F(TwoImages, TheIdentityRowGainsWhatBreakingTiesByIndexGains) {
  const std::vector<EvaluationRow> rows = evaluate(input_);
  EXPECT_EQ(rows[2].metrics.i2t.r1, 50);
  EXPECT_EQ(rows[3].metrics.i2t.r1, 50);
  EXPECT_EQ(rows[3].metrics.t2i.r1, rows[2].metrics.t2i.r1);
}

TEST_F(TwoImages, ARerankedRowPutsCandidatesInFrontAndReportsHowOftenTheyHoldAMatch) {
  input_.rerankers = {reversing(1)};
  const std::vector<EvaluationRow> rows = evaluate(input_);
  // k = 1 and both tied captions are candidates; the order of one item cannot change.
  EXPECT_EQ(rows[4].metrics.i2t.mean_rank, 2);
  EXPECT_EQ(rows[4].i2t_candidate_recall, 100);
  EXPECT_EQ(rows[4].t2i_candidate_recall, 75);
}

TEST_F(TwoImages, ADirectionMayHaveItsOwnMatrix) {
  Matrix<float> t2i(4, 2);
  for (int64_t text = 0; text < 4; ++text) t2i(text, images_[static_cast<size_t>(text)]) = 1;
  input_.t2i = std::as_const(t2i).view();
  const std::vector<EvaluationRow> rows = evaluate(input_);
  EXPECT_EQ(rows[0].metrics.t2i.r1, 100);
  EXPECT_EQ(rows[0].metrics.i2t.r1, 0);
}

TEST_F(TwoImages, WithoutTextIdsThereAreNoDuplicateAwareRows) {
  input_.text_ids = {};
  for (const EvaluationRow& row : evaluate(input_)) EXPECT_FALSE(row.duplicate_aware);
}

TEST_F(TwoImages, SizesThatDoNotFitAreRefused) {
  const std::vector<int64_t> three{0, 0, 1};
  input_.caption_image = three;
  EXPECT_THROW(evaluate(input_), ShapeError);
  input_.caption_image = images_;
  input_.t2i = input_.i2t;
  EXPECT_THROW(evaluate(input_), ShapeError);
}

TEST_F(TwoImages, ScoresSavedAsNpyGiveTheSameRows) {
  const fs::path file = fs::temp_directory_path() / ("orbweaver_evaluation_" + std::to_string(::getpid()) + ".npy");
  write_npy(file, std::as_const(scores_).view());
  const auto loaded = std::get<Matrix<float>>(read_npy(file));
  fs::remove(file);
  const Value before = to_value(evaluate(input_));
  input_.i2t = loaded.view();
  EXPECT_EQ(to_value(evaluate(input_)), before);
}

TEST_F(TwoImages, TheTableHasOneLinePerRowAndNotesTheParameters) {
  input_.rerankers = {reversing(2)};
  const std::string table = format_table(evaluate(input_));
  EXPECT_NE(table.find("none           strict     own         one     0.00 100.00 100.00     2   75.00"),
            std::string::npos)
      << table;
  EXPECT_NE(table.find("[2] reversing {\"k\": 2}"), std::string::npos) << table;
}

TEST_F(TwoImages, ARerankedRowStandsAgainstThePlainAndTheIdentityRowOfTheSamePositives) {
  input_.rerankers = {reversing(2)};
  const std::vector<EvaluationRow> rows = evaluate(input_);
  for (size_t at = 0; at < 3; ++at) EXPECT_TRUE(rows[at].differences.empty());
  ASSERT_EQ(rows[3].differences.size(), 1u);
  EXPECT_EQ(rows[3].differences[0].to, "none");
  const auto expect_difference = [&](const RowDifference& of, size_t row, size_t to) {
    EXPECT_EQ(of.to, rows[to].reranker);
    EXPECT_NEAR(of.mean_recall.difference, rows[row].metrics.mean_recall() - rows[to].metrics.mean_recall(), 1e-12);
    EXPECT_LE(of.mean_recall.low, of.mean_recall.high);
  };
  ASSERT_EQ(rows[4].differences.size(), 2u);
  expect_difference(rows[4].differences[0], 4, 0);
  expect_difference(rows[4].differences[1], 4, 3);
  ASSERT_EQ(rows[5].differences.size(), 1u);
  expect_difference(rows[5].differences[0], 5, 1);
  const Value record = to_value(rows[4]).at("mR_difference");
  EXPECT_EQ(record.at("identity").at("difference").as_double(), rows[4].differences[1].mean_recall.difference);
  EXPECT_EQ(record.at("resamples").as_int(), 1000);
  EXPECT_EQ(record.at("seed").as_int(), 1);
}

TEST_F(TwoImages, ARerankerThatKeepsTheSourceOrderDiffersByNothingFromTheIdentityRow) {
  input_.rerankers = {{"same", Value(), false, [](const RerankInput& input) { return identity_rerank(input.scores); }}};
  const PairedDifference to_identity = evaluate(input_)[4].differences.at(1).mean_recall;
  EXPECT_EQ(to_identity.low, 0);
  EXPECT_EQ(to_identity.high, 0);
}

TEST_F(TwoImages, ATuningRecordOfTheSameSizesRaisesNoDoubt) {
  input_.rerankers = {reversing(2)};
  input_.rerankers[0].tuning = Value(Value::Object{{"images", 2}, {"captions", 4}});
  EvaluationRow row = evaluate(input_)[4];
  EXPECT_TRUE(row.tuned_for_these_sizes());
  EXPECT_TRUE(to_value(row).at("tuned_for_these_sizes").as_bool());
  row.tuning["captions"] = 5;
  EXPECT_FALSE(row.tuned_for_these_sizes());
}

TEST_F(TwoImages, ARowsRecordNamesRerankerTieRuleAndMetrics) {
  const Value record = to_value(evaluate(input_)[3]);
  EXPECT_EQ(record.at("reranker").as_string(), "identity");
  EXPECT_EQ(record.at("tie_rule").as_string(), "strict");
  EXPECT_FALSE(record.at("transductive").as_bool());
  EXPECT_EQ(record.at("candidate_recall").at("i2t").as_double(), 100);
  EXPECT_EQ(record.at("metrics").at("t2i").at("R@1").as_double(), 75);
}

TEST_F(TwoImages, TrecFilesHoldBothRunsAndBothJudgements) {
  const fs::path folder = fs::temp_directory_path() / ("orbweaver_trec_" + std::to_string(::getpid()));
  write_trec(folder, input_.i2t, input_.t2i, images_, "my run");
  EXPECT_EQ(read_lines(folder / "i2t.run").at(0), "i0 Q0 t1 1 0.800000011920929 my_run");
  EXPECT_EQ(read_lines(folder / "i2t.run").size(), 8u);
  EXPECT_EQ(read_lines(folder / "i2t.qrels"),
            (std::vector<std::string>{"i0 0 t0 1", "i0 0 t1 1", "i1 0 t2 1", "i1 0 t3 1"}));
  EXPECT_EQ(read_lines(folder / "t2i.run").at(7).substr(0, 11), "t3 Q0 i0 2 ");
  EXPECT_EQ(read_lines(folder / "t2i.qrels"),
            (std::vector<std::string>{"t0 0 i0 1", "t1 0 i0 1", "t2 0 i1 1", "t3 0 i1 1"}));
  fs::remove_all(folder);
}

/// Reads the files as trec_eval does: blanks separate columns, the second is ignored, lists are ordered by score (a
/// float) and then by descending item name, whatever the rank column says. Independent of the writer's code.
class TrecReader {
 public:
  TrecReader(const fs::path& run, const fs::path& judgements) {
    for (const std::string& line : read_lines(run)) read_run_line(columns_of(line));
    for (const std::string& line : read_lines(judgements)) {
      const std::vector<std::string> columns = columns_of(line);
      if (columns.size() != 4 || columns[3] != "1") throw Error("no judgement: " + line);
      if (!relevant_[columns[0]].insert(columns[2]).second) throw Error("judged twice: " + line);
    }
  }

  /// trec_eval's success_k: percent of the judged queries with a relevant item among the first k.
  double success(size_t k) const {
    int64_t found = 0;
    for (const auto& [query, items] : relevant_) {
      const auto list = lists_.find(query);
      if (list == lists_.end()) continue;
      auto ordered = list->second;
      std::sort(ordered.begin(), ordered.end(), std::greater<>());
      if (ordered.size() > k) ordered.resize(k);
      found += std::any_of(ordered.begin(), ordered.end(),
                           [&items = items](const auto& item) { return items.count(item.second) > 0; });
    }
    return 100.0 * static_cast<double>(found) / static_cast<double>(relevant_.size());
  }

  size_t queries() const { return lists_.size(); }
  size_t length(const std::string& query) const { return lists_.at(query).size(); }

 private:
  static std::vector<std::string> columns_of(const std::string& line) {
    std::istringstream in(line);
    return {std::istream_iterator<std::string>(in), {}};
  }

  void read_run_line(const std::vector<std::string>& columns) {
    if (columns.size() != 6) throw Error(std::to_string(columns.size()) + " columns in a run");
    auto& list = lists_[columns[0]];
    size_t used = 0;
    const float score = std::stof(columns[4], &used);
    if (used != columns[4].size()) throw Error("no score: " + columns[4]);
    if (columns[3] != std::to_string(list.size() + 1)) throw Error("rank " + columns[3] + " is out of order");
    if (!list.empty() && score > list.back().first) throw Error("scores rise at rank " + columns[3]);
    if (!items_[columns[0]].insert(columns[2]).second) throw Error(columns[2] + " comes twice");
    list.emplace_back(score, columns[2]);
  }

  std::map<std::string, std::vector<std::pair<float, std::string>>> lists_;
  std::map<std::string, std::set<std::string>> items_, relevant_;
};

TEST(TrecFiles, GiveAnIndependentReaderTheRecallsOfTheEvaluation) {
  const int64_t images = 60, captions = 240;
  std::mt19937 random(5);
  Matrix<float> i2t(images, captions), t2i(captions, images);
  std::vector<int64_t> caption_image;
  for (int64_t caption = 0; caption < captions; ++caption)
    caption_image.push_back(caption < images ? caption : static_cast<int64_t>(random() % images));
  // Scores of both signs and different for the directions, as an interaction's; no ties, which trec_eval breaks by
  // name.
  const auto score = [&](bool own) {
    return static_cast<float>(random() % 1000000) / 1e6f - 0.5f + (own ? 0.3f : 0.0f);
  };
  for (int64_t image = 0; image < images; ++image)
    for (int64_t caption = 0; caption < captions; ++caption) {
      const bool own = caption_image[static_cast<size_t>(caption)] == image;
      i2t.data()[image * captions + caption] = score(own);
      t2i.data()[caption * images + image] = score(own);
    }
  EvaluationInput input;
  input.i2t = std::as_const(i2t).view();
  input.t2i = std::as_const(t2i).view();
  input.caption_image = caption_image;
  const EvaluationRow plain = evaluate(input).front();

  const orbweaver::testing::TemporaryFolder folder;
  write_trec(folder.path(), input.i2t, input.t2i, caption_image, "random");
  const TrecReader from_image(folder.path() / "i2t.run", folder.path() / "i2t.qrels");
  const TrecReader from_text(folder.path() / "t2i.run", folder.path() / "t2i.qrels");
  EXPECT_EQ(from_image.queries(), 60u);
  EXPECT_EQ(from_text.queries(), 240u);
  EXPECT_EQ(from_image.length("i59"), 240u);
  EXPECT_NEAR(from_image.success(1), plain.metrics.i2t.r1, 1e-9);
  EXPECT_NEAR(from_image.success(5), plain.metrics.i2t.r5, 1e-9);
  EXPECT_NEAR(from_image.success(10), plain.metrics.i2t.r10, 1e-9);
  EXPECT_NEAR(from_text.success(1), plain.metrics.t2i.r1, 1e-9);
  EXPECT_NEAR(from_text.success(5), plain.metrics.t2i.r5, 1e-9);
  EXPECT_NEAR(from_text.success(10), plain.metrics.t2i.r10, 1e-9);
  EXPECT_GT(plain.metrics.i2t.r1, 5);
  EXPECT_LT(plain.metrics.t2i.r10, 95);
}

TEST(TrecFiles, ListAThousandItemsEvenAmongTies) {
  Matrix<float> scores(2, 1500);
  std::fill_n(scores.data(), 3000, 0.5f);
  std::vector<int64_t> caption_image(1500);
  for (size_t caption = 0; caption < 1500; ++caption) caption_image[caption] = static_cast<int64_t>(caption % 2);
  const orbweaver::testing::TemporaryFolder folder;
  write_trec(folder.path(), std::as_const(scores).view(), {}, caption_image, "");
  const TrecReader reader(folder.path() / "i2t.run", folder.path() / "i2t.qrels");
  EXPECT_EQ(reader.length("i0"), 1000u);
  EXPECT_EQ(reader.length("i1"), 1000u);
}

TEST(IdentityRerank, KeepsExactlyKItemsAndBreaksTiesByIndex) {
  Matrix<float> scores(1, 4);
  const float values[] = {0.5f, 0.9f, 0.5f, 0.5f};
  std::copy(std::begin(values), std::end(values), scores.data());
  const Rankings lists = identity_rerank(std::as_const(scores).view(), 2);
  EXPECT_EQ(lists.items, (std::vector<int64_t>{1, 0}));
  EXPECT_EQ(lists.scores, (std::vector<double>{2, 1}));
}

TEST(TextIds, AreEqualForEqualTexts) {
  const std::vector<std::string> texts{"a road", "a river", "a road"};
  EXPECT_EQ(text_ids_of(texts), (std::vector<int64_t>{0, 1, 0}));
}

TEST(TopCandidates, AgreeWithASortWhateverTheSizesTiesAndMemoryOrder) {
  std::mt19937 random(2);
  for (int trial = 0; trial < 200; ++trial) {
    const int64_t queries = 1 + static_cast<int64_t>(random() % 40), items = 1 + static_cast<int64_t>(random() % 400);
    const int64_t k = 1 + static_cast<int64_t>(random() % 60);
    const unsigned levels = trial % 2 ? 20 : 1000000;
    Matrix<float> scores(queries, items);
    for (int64_t i = 0; i < queries * items; ++i) scores.data()[i] = static_cast<float>(random() % levels);
    for (const Scores& both :
         {Scores(std::as_const(scores).view()), Scores(std::as_const(scores).view().transposed())}) {
      const auto& view = std::get<0>(both);
      const Rankings lists = top_candidates(both, k);
      const std::vector<int64_t> reverse = reverse_ranks(both, lists);
      for (int64_t query = 0; query < view.rows(); ++query) {
        std::vector<int64_t> order(static_cast<size_t>(view.cols()));
        for (size_t at = 0; at < order.size(); ++at) order[at] = static_cast<int64_t>(at);
        std::stable_sort(order.begin(), order.end(),
                         [&](int64_t a, int64_t b) { return view(query, a) > view(query, b); });
        size_t count = std::min<size_t>(order.size(), static_cast<size_t>(k));
        while (count < order.size() && view(query, order[count]) == view(query, order[count - 1])) ++count;
        order.resize(count);
        ASSERT_TRUE(std::ranges::equal(lists.items_of(query), order));
        for (size_t at = 0; at < count; ++at) {
          int64_t higher = 0;
          for (int64_t other = 0; other < view.rows(); ++other)
            higher += view(other, order[at]) > view(query, order[at]);
          ASSERT_EQ(reverse[static_cast<size_t>(lists.offsets[static_cast<size_t>(query)]) + at], higher);
        }
      }
    }
  }
}

}  // namespace
}  // namespace orbweaver
