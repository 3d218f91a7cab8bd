// The HTML file that `orbweaver report` writes.
#include <gtest/gtest.h>

#include <algorithm>
#include <numeric>
#include <random>
#include <set>
#include <string>
#include <vector>

#include "framework/data/image.h"
#include "framework/eval/saved_ranks.h"
#include "framework/io/files.h"
#include "framework/io/json.h"
#include "framework/io/npy.h"
#include "framework/report/gallery.h"
#include "framework/report/html.h"
#include "framework/report/outcomes.h"
#include "framework/report/report.h"
#include "orbweaver/error.h"
#include "temporary_folder.h"

namespace orbweaver {
namespace {
namespace fs = std::filesystem;
using testing::TemporaryFolder;
using testing::write_text;

const std::string evil = "</script><script>alert(\"1\")</script> & <b>'x'</b>";

size_t count(const std::string& text, const std::string& part) {
  size_t found = 0;
  for (size_t at = text.find(part); at != std::string::npos; at = text.find(part, at + part.size())) ++found;
  return found;
}

/// What is wrong with the nesting of a page's elements; "" where nothing is. Scripts and styles are passed over.
std::string nesting_fault(const std::string& page) {
  static const std::set<std::string> empty{"meta", "img", "input", "br", "image", "use"};
  std::vector<std::string> open;
  for (size_t at = page.find('<'); at != std::string::npos; at = page.find('<', at)) {
    const size_t end = page.find('>', at);
    if (end == std::string::npos) return "a tag without end";
    std::string name = page.substr(at + 1, end - at - 1);
    at = end;
    if (name.starts_with("!")) continue;
    const bool closing = name.starts_with("/");
    name = name.substr(closing, name.find_first_of(" \n/", closing) - closing);
    if (closing) {
      if (open.empty() || open.back() != name) return "</" + name + "> in " + (open.empty() ? "nothing" : open.back());
      open.pop_back();
    } else if (!empty.contains(name)) {
      open.push_back(name);
      if (name == "script" || name == "style") at = page.find("</" + name, at);
    }
  }
  return open.empty() ? "" : open.back() + " is never closed";
}

Value metric(double mean, std::vector<double> values) {
  Value value = Value::object();
  value["mean"] = mean;
  value["std"] = values.size() > 1 ? Value(0.25) : Value();
  value["values"] = Value::list();
  for (const double one : values) value["values"].push_back(one);
  return value;
}

/// Two classes of three images with two captions each, and runs whose ranks are made up.
class ReportTest : public ::testing::Test {
 protected:
  static constexpr int64_t images = 6, captions = 12;

  ReportTest() {
    std::string names, texts;
    for (int64_t i = 0; i < images; ++i) {
      const std::string name = (i < 3 ? "airport_" : "beach_") + std::to_string(i) + ".png";
      Image image{40, 30, std::vector<uint8_t>(40 * 30 * 3, static_cast<uint8_t>(40 * i))};
      fs::create_directories(folder() / "data/images");
      write_image(folder() / "data/images" / name, image.view());
      for (int c = 0; c < 2; ++c) {
        names += name + "\n";
        texts += (i == 0 && c == 0 ? evil : "caption " + std::to_string(2 * i + c)) + "\n";
      }
    }
    for (const char* split : {"train", "val", "test"}) {
      write_text(folder() / "data" / (std::string(split) + "_filename.txt"), names);
      write_text(folder() / "data" / (std::string(split) + "_caps.txt"), texts);
    }
    DatasetParams params;
    params.root = folder() / "data";
    split_hash_ = load_dataset(params).test.hash();
  }

  fs::path folder() const { return temporary_.path(); }
  fs::path run_folder(const std::string& name) const { return folder() / "sweep/runs" / name; }

  void write_config(const fs::path& run, int64_t seed) const {
    Value config = Value::object();
    config["name"] = "made up";
    config["seed"] = seed;
    config["dataset"]["name"] = "two classes";
    config["dataset"]["root"] = (folder() / "data").string();
    write_text(run / "config.json", to_json(config));
  }

  /// Of an evaluation in which every query's best match is at that place.
  static Value evaluated_row(int64_t place) {
    Value row = Value::object();
    row["reranker"] = "none";
    row["parameters"] = Value();
    row["tie_rule"] = "strict";
    row["duplicate_aware"] = false;
    row["metrics"] = to_value(RetrievalMetrics{direction_metrics(std::vector<int64_t>(images, place)),
                                               direction_metrics(std::vector<int64_t>(captions, place))});
    return row;
  }

  void write_record(const fs::path& run, int64_t place) const {
    Value record = Value::object();
    record["selection"]["epoch"] = 2;
    record["selection"]["mR"] = 40.5;
    record["train_seconds"] = 75.0;
    record["weights"] = "0123456789abcdef";
    Value& evaluation = record["evaluations"]["test"];
    evaluation["protocol"]["tie_rule"] = "strict";
    evaluation["protocol"]["dataset"]["splits"]["test"]["hash"] = split_hash_;
    evaluation["rows"] = Value::list();
    evaluation["rows"].push_back(evaluated_row(place));
    write_text(run / "record.json", to_json(record));
    write_text(run / "metrics.jsonl",
               "{\"epoch\":1,\"loss\":2.5,\"parts\":{\"a\":1.0,\"b\":1.5},\"lr\":0.001,\"val\":{\"mR\":30.0},"
               "\"seconds\":4.0}\n{\"epoch\":2,\"loss\":1.5,\"val\":{\"mR\":40.5},\"seconds\":6.0}\n{\"epoch\":3,\"lo");
  }

  std::vector<int64_t> caption_image() const {
    std::vector<int64_t> out;
    for (int64_t c = 0; c < captions; ++c) out.push_back(c / 2);
    return out;
  }

  /// Scores in which the best match of every query stands at place `place`, 1 or 6.
  static void write_scores(const fs::path& run, int64_t place) {
    Matrix<float> matrix(images, captions);
    for (int64_t i = 0; i < images; ++i)
      for (int64_t c = 0; c < captions; ++c) {
        const bool own = c / 2 == i, first = c % 2 == 0;
        if (place == 1)
          matrix(i, c) = own ? 4.5f : static_cast<float>((i + c) % 5);
        else  // behind the five other images; behind the first captions of these, before their second ones
          matrix(i, c) = first ? (own ? 10.0f : 11.0f) : (own ? 0.0f : 5.0f);
      }
    write_npy(run / "scores.test.npy", std::as_const(matrix).view());
  }

  /// Such scores, and the ranks that follow.
  void write_outcome(const fs::path& run, int64_t place, bool scores) const {
    SavedRanks ranks{"test", split_hash_, "0123456789abcdef", caption_image(), {}};
    ranks.rows.push_back({0, "none", {std::vector<int64_t>(images, place), std::vector<int64_t>(captions, place)}});
    write_ranks(run / ranks_file_name("test"), ranks);
    if (scores) write_scores(run, place);
  }

  void write_finished_run(const fs::path& run, int64_t seed, int64_t place, bool scores = true) const {
    write_config(run, seed);
    write_record(run, place);
    write_outcome(run, place, scores);
  }

  static Value run_value(const std::string& folder, int64_t seed, const std::string& status) {
    Value run = Value::object();
    run["seed"] = seed;
    run["folder"] = "runs/" + folder;
    run["status"] = status;
    run["reason"] = status == "failed" ? "ended by signal 9 " + evil : "";
    run["log_tail"] = Value::list();
    if (status == "failed") run["log_tail"].push_back("last line " + evil);
    run["peak_memory_mib"] = 812;
    return run;
  }

  static Value row_value(double mR, bool compared) {
    Value row = Value::object();
    row["reranker"] = "none";
    row["parameters"] = Value();
    row["tie_rule"] = "strict";
    row["duplicate_aware"] = false;
    row["seeds"] = Value::list();
    for (const int seed : {1, 2}) row["seeds"].push_back(seed);
    for (const char* name : {"mR", "i2t.R@1", "i2t.medR"}) row["metrics"][name] = metric(mR, {mR - 0.25, mR + 0.25});
    row["comparison"] = Value();
    if (compared)
      row["comparison"] = parse_json(
          R"({"to": "base", "metric": "mR", "difference": 1.5, "low": 0.5, "high": 2.5, "seed_std": 0.125, "seeds": 2,
              "p": 0.0002, "p_holm": 0.0312, "significant": true})",
          "row");
    return row;
  }

  /// A sweep of two variants with two seeds; the second variant's second run failed.
  fs::path write_sweep(bool scores = true) const {
    write_finished_run(run_folder("base-s1"), 1, 6, scores);
    write_finished_run(run_folder("base-s2"), 2, 6, scores);
    write_finished_run(run_folder("more-s1"), 1, 1, scores);
    Value results = Value::object();
    results["format"] = 1;
    results["name"] = "sweep " + evil;
    results["description"] = "what it is for " + evil;
    results["split"] = "test";
    results["baseline"] = "base";
    results["wall_seconds"] = 3725.0;
    results["variants"] = Value::list();
    for (const std::string name : {"base", "more"}) {
      Value variant = Value::object();
      variant["name"] = name;
      variant["overrides"] = Value::list();
      variant["overrides"].push_back("model.x=" + evil);
      variant["runs"] = Value::list();
      variant["runs"].push_back(run_value(name + "-s1", 1, "finished"));
      variant["runs"].push_back(run_value(name + "-s2", 2, name == "base" ? "finished" : "failed"));
      variant["rows"] = Value::list();
      variant["rows"].push_back(row_value(name == "base" ? 20 : 21.5, name == "more"));
      results["variants"].push_back(std::move(variant));
    }
    results["statistics"] = parse_json(
        R"({"interval": 0.95, "resamples": 10000, "permutations": 10000, "seed": 1, "unit": "image",
            "correction": "holm", "alpha": 0.05})",
        "statistics");
    write_text(folder() / "sweep/results.json", to_json(results));
    return folder() / "sweep";
  }

  std::string page_of(const std::vector<fs::path>& inputs) {
    written_ = write_report({inputs, folder() / "out.html"}, RunReport());
    return read_file(folder() / "out.html");
  }

  TemporaryFolder temporary_;
  std::string split_hash_;
  WrittenReport written_;
};

Value chart_data_of(const std::string& page) {
  const std::string begin = "id=\"report-data\">";
  const size_t from = page.find(begin) + begin.size();
  return parse_json(page.substr(from, page.find("</script>", from) - from), "report-data");
}

// Pieces.

TEST(Base64, IsAsRfc4648HasIt) {
  const auto of = [](const std::string& text) {
    return base64({reinterpret_cast<const uint8_t*>(text.data()), text.size()});
  };
  EXPECT_EQ(of(""), "");
  EXPECT_EQ(of("f"), "Zg==");
  EXPECT_EQ(of("fo"), "Zm8=");
  EXPECT_EQ(of("foo"), "Zm9v");
  EXPECT_EQ(of("foobar"), "Zm9vYmFy");
  EXPECT_EQ(of("\xff\xfe\xfd"), "//79");
}

TEST(EscapeHtml, LeavesNoCharacterThatEndsTextOrAttribute) {
  EXPECT_EQ(escape_html("<a href=\"x\">'&'</a>"), "&lt;a href=&quot;x&quot;&gt;&#39;&amp;&#39;&lt;/a&gt;");
}

TEST(ValidUtf8, ReplacesWhatIsNone) {
  const std::string mark = "\xef\xbf\xbd";
  EXPECT_EQ(valid_utf8("h\xc3\xa4user \xe2\x9c\x93 \xf0\x9f\x9b\xb0"), "h\xc3\xa4user \xe2\x9c\x93 \xf0\x9f\x9b\xb0");
  EXPECT_EQ(valid_utf8("a\xe4z"), "a" + mark + "z") << "Latin-1";
  EXPECT_EQ(valid_utf8("\xc0\xaf"), mark + mark) << "overlong";
  EXPECT_EQ(valid_utf8("\xed\xa0\x80"), mark + mark + mark) << "a surrogate";
  EXPECT_EQ(valid_utf8(std::string("a\0b\x1b\tc\n", 7)), "a" + mark + "b" + mark + "\tc\n");
}

TEST(ScriptJson, CannotEndTheScriptAndReadsBackTheSame) {
  Value value = Value::object();
  value["<!--" + evil] = evil;
  const std::string text = script_json(value);
  EXPECT_EQ(text.find_first_of("<>&"), std::string::npos);
  EXPECT_EQ(parse_json(text, "text"), value);
}

TEST(ClassesOf, AreWhatStandsBeforeTheNumber) {
  EXPECT_EQ(classes_of({"airport_1.jpg", "airport_12.jpg", "beach7.tif", "beach-8.tif", "00012.jpg"}),
            (std::vector<std::string>{"airport", "airport", "beach", "beach", ""}));
}

TEST(ClassesOf, AreUnknownWhereNamesAreNumbersOrAllDiffer) {
  EXPECT_TRUE(classes_of({"1.jpg", "2.jpg", "3.jpg"}).empty());
  EXPECT_TRUE(classes_of({"scene_0001.png", "scene_0002.png", "scene_0003.png"}).empty()) << "one class is none";
  EXPECT_TRUE(classes_of({"paris1.png", "rome1.png", "oslo1.png"}).empty()) << "each its own";
  EXPECT_TRUE(classes_of({}).empty());
}

TEST(ChooseQueries, TakesThoseOnWhichTheVariantsDisagreeMostFirst) {
  // Query 0: all hit. 1: one of two hits, ranks 5 and 6. 2: one of two, ranks 1 and 900. 3: none.
  EXPECT_EQ(choose_queries({{1, 5, 1, 20}, {2, 6, 900, 90}}, {0, 1, 2, 3}, {}, 3), (std::vector<int64_t>{2, 1, 3}));
}

TEST(ChooseQueries, TakesOneQueryOfAnImageAndTwoOfAClassWhileOthersAreLeft) {
  EXPECT_EQ(choose_queries({{1, 1, 1, 1, 1}, {99, 98, 97, 96, 6}}, {0, 0, 1, 2, 3}, {"a", "a", "a", "a", "b"}, 9),
            (std::vector<int64_t>{0, 2, 4, 3}));
}

TEST(ChooseQueries, OfOneVariantAreHitsAndMissesByTurns) {
  EXPECT_EQ(choose_queries({{1, 2, 30, 40}}, {0, 1, 2, 3}, {}, 4), (std::vector<int64_t>{0, 2, 1, 3}));
}

// Figures.

TEST_F(ReportTest, RecallCurvesAreMeansOverTheSeedsOfAVariant) {
  write_sweep();
  const ReportData data = read_sweep_report(folder() / "sweep/results.json");
  const ReportedSplit split = open_reported_split(data);
  const ReportedOutcomes outcomes = read_outcomes(data, split);
  const std::vector<int64_t> ks = recall_ks(outcomes);
  EXPECT_EQ(ks, (std::vector<int64_t>{1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 12}));
  const std::vector<RecallCurve> curves = recall_curves(outcomes);
  ASSERT_EQ(curves.size(), 2u);
  EXPECT_EQ(curves[0].seeds, 2);
  EXPECT_EQ(curves[0].i2t[4], 0) << "rank 6 is not among the first five";
  EXPECT_EQ(curves[0].i2t[5], 100);
  EXPECT_EQ(curves[1].t2i[0], 100);
}

TEST_F(ReportTest, ClassesHaveTheirOwnMeanRecall) {
  write_sweep();
  SavedRanks ranks = read_ranks(run_folder("more-s1") / "ranks.test.safetensors");
  // Airports: images at rank 1, 5, 11; of their captions half at 10, half at 11. Beaches: all at 1.
  ranks.rows[0].ranks.i2t = {1, 5, 11, 1, 1, 1};
  ranks.rows[0].ranks.t2i = {10, 11, 10, 11, 10, 11, 1, 1, 1, 1, 1, 1};
  write_ranks(run_folder("more-s1") / "ranks.test.safetensors", ranks);
  const ReportData data = read_sweep_report(folder() / "sweep/results.json");
  const ReportedSplit split = open_reported_split(data);
  const std::vector<ClassRow> rows = class_rows(data, read_outcomes(data, split), split);
  ASSERT_EQ(rows.size(), 2u);
  EXPECT_EQ(rows[0].name, "airport");
  EXPECT_EQ(rows[0].images, 3);
  // i2t: 1/3, 2/3, 2/3; t2i: 0, 0, 1/2.
  EXPECT_NEAR(rows[0].values[1].value(), 100.0 * (1 / 3.0 + 2 / 3.0 + 2 / 3.0 + 0.5) / 6, 1e-9);
  EXPECT_NEAR(rows[1].values[1].value(), 100, 1e-9);
  // Everything at rank 6, both seeds: found among ten alone, both ways.
  EXPECT_NEAR(rows[0].values[0].value(), 100.0 * 2 / 6, 1e-9);
}

TEST_F(ReportTest, RanksAreComputedFromScoresWhereNoneWereKept) {
  write_sweep();
  for (const char* run : {"base-s1", "base-s2", "more-s1"}) fs::remove(run_folder(run) / "ranks.test.safetensors");
  const ReportData data = read_sweep_report(folder() / "sweep/results.json");
  const ReportedSplit split = open_reported_split(data);
  const ReportedOutcomes outcomes = read_outcomes(data, split);
  ASSERT_EQ(outcomes.runs.size(), 3u);
  EXPECT_EQ(outcomes.runs[0].ranks.rows[0].ranks.i2t, std::vector<int64_t>(images, 6));
  EXPECT_EQ(outcomes.runs[2].ranks.rows[0].ranks.t2i, std::vector<int64_t>(captions, 1));
}

TEST_F(ReportTest, OfScoresOfAnotherEvaluationNoRanksAreMade) {
  const fs::path run = folder() / "run";
  write_finished_run(run, 1, 6);
  fs::remove(run / "ranks.test.safetensors");
  const auto read = [&] {
    const ReportData data = read_runs_report({run});
    return read_outcomes(data, open_reported_split(data));
  };
  EXPECT_EQ(read().runs.size(), 1u);
  write_scores(run, 1);
  const ReportedOutcomes outcomes = read();
  EXPECT_TRUE(outcomes.runs.empty());
  ASSERT_EQ(outcomes.missing.size(), 1u);
  EXPECT_NE(outcomes.missing[0].find("run: scores.test.npy is of another evaluation than the figures here"),
            std::string::npos)
      << outcomes.missing[0];
}

// The page.

TEST_F(ReportTest, HasASectionOfEachKindAndWellFormedElements) {
  const std::string page = page_of({write_sweep()});
  EXPECT_EQ(nesting_fault(page), "");
  for (const char* id : {"leaderboard", "deltas", "recall", "training", "classes", "gallery", "variants", "runs",
                         "failures", "protocol"}) {
    EXPECT_EQ(count(page, "<section id=\"" + std::string(id) + "\""), 1u) << id;
    EXPECT_EQ(count(page, "<a href=\"#" + std::string(id) + "\">"), id == std::string("failures") ? 2u : 1u) << id;
  }
  EXPECT_EQ(written_.variants, 2);
  EXPECT_EQ(written_.runs, 4);
  EXPECT_EQ(written_.finished, 3);
  EXPECT_EQ(written_.bytes, std::ssize(page));
  EXPECT_TRUE(written_.missing.empty()) << written_.missing.front();
}

TEST_F(ReportTest, SaysTheResultWithItsIntervalAndCorrectedP) {
  const std::string page = page_of({write_sweep()});
  EXPECT_NE(page.find("<b>more</b> reaches mR 21.50 ± 0.25 over 2 seeds, +1.50 points of mR to base (interval +0.50 to "
                      "+2.50, corrected p 0.031: significant)."),
            std::string::npos);
  EXPECT_NE(page.find("<td class=\"number\">+0.50 to +2.50</td>"), std::string::npos);
  EXPECT_NE(page.find("&lt; 0.001"), std::string::npos) << "the p before the correction";
  EXPECT_NE(page.find("1 h 02 min"), std::string::npos) << "wall time";
  EXPECT_NE(page.find("95% interval from 10000 bootstrap resamples"), std::string::npos);
}

TEST_F(ReportTest, NamesTheBestByTheSweepsFirstMetric) {
  const fs::path sweep = write_sweep();
  Value results = read_json(sweep / "results.json");
  const auto expect_best = [&](const char* metric, const char* sentence) {
    results["metrics"] = Value::list();
    for (const std::string name : {metric, "mR"}) results["metrics"].push_back(name);
    write_text(sweep / "results.json", to_json(results));
    const std::string page = page_of({sweep});
    EXPECT_NE(page.find(sentence), std::string::npos) << page.substr(page.find("class=\"lead\""), 120);
  };
  results["variants"].as_list()[0]["rows"].as_list()[0]["metrics"]["i2t.R@1"] = metric(30, {29.5, 30.5});
  expect_best("i2t.R@1", "<b>base</b> reaches i2t.R@1 30.00 ± ");
  expect_best("i2t.medR", "<b>base</b> reaches i2t.medR 20.00 ± ");  // of ranks the lower is the better
  expect_best("mR", "<b>more</b> reaches mR 21.50 ± ");
}

TEST_F(ReportTest, TextFromDataIsEscapedEverywhere) {
  const std::string page = page_of({write_sweep()});
  EXPECT_EQ(count(page, "<script"), 3u) << "data, chart library, our own";
  EXPECT_EQ(page.find("<b>'x'"), std::string::npos);
  EXPECT_EQ(page.find("<script>alert"), std::string::npos);
  EXPECT_GT(count(page, "&lt;/script&gt;"), 5u) << "name, description, caption, overrides, reason, log";
}

TEST_F(ReportTest, HasNoSectionOfAbilitiesWhereNothingWasEvaluatedOnPairs) {
  EXPECT_EQ(page_of({write_sweep()}).find("id=\"abilities\""), std::string::npos);
}

TEST_F(ReportTest, ShowsAbilitiesWithTheirDifferencesAndKinds) {
  write_sweep();
  Value results = read_json(folder() / "sweep/results.json");
  for (const size_t v : {0u, 1u}) {
    Value& row = results["variants"].as_list()[v]["rows"].as_list()[0];
    for (const char* name : {"relation.text", "relation.image", "relation.group", "count.group"})
      row["metrics"][name] = metric(v ? 61.25 : 20.5, {1, 2});
  }
  results["variants"].as_list()[1]["rows"].as_list()[0]["ability_comparisons"]["relation.group"] = parse_json(
      R"({"to": "base", "metric": "relation.group", "difference": 40.75, "low": 30.5, "high": 50.5, "seed_std": 1.5,
          "seeds": 2, "p": 0.0001, "p_holm": 0.0002, "significant": true})",
      "comparison");
  write_text(folder() / "sweep/results.json", to_json(results));
  Value record = read_json(run_folder("more-s1") / "record.json");
  record["evaluations"]["test"]["abilities"] = parse_json(
      R"({"pairs": 750, "left_out": 0, "rows": [{"ability": "relation", "pairs": 750, "group": 61.25, "kinds": [
          {"kind": "left of / right of", "pairs": 150, "group": 66.5}, {"kind": "in / next to", "pairs": 19,
           "group": 99.5}]}]})",
      "abilities");
  write_text(run_folder("more-s1") / "record.json", to_json(record));

  const std::string page = page_of({folder() / "sweep"});
  EXPECT_EQ(nesting_fault(page), "");
  EXPECT_EQ(count(page, "<section id=\"abilities\""), 1u);
  EXPECT_EQ(count(page, "<a href=\"#abilities\">"), 1u);
  const std::string section = page.substr(page.find("<section id=\"abilities\""));
  EXPECT_NE(section.find("relation <span class=\"tag\">750 pairs</span>"), std::string::npos);
  EXPECT_NE(section.find("<span class=\"best\">61.25</span> <span class=\"deviation\">±0.25</span>"
                         "<div class=\"deviation\">+40.75<abbr title=\"significant, corrected p &lt; 0.001\">***"),
            std::string::npos);
  EXPECT_NE(section.find("<td class=\"number\">+30.50 to +50.50</td>"), std::string::npos);
  EXPECT_NE(section.find("<th scope=\"row\">left of / right of</th><td>relation</td>"), std::string::npos);
  EXPECT_NE(section.find(">66.50</td>"), std::string::npos);
  EXPECT_EQ(section.find("in / next to"), std::string::npos) << "too few pairs for a line";
}

TEST_F(ReportTest, ShowsTheOracleAtTheFootAndEachVariantsShareOfIt) {
  write_sweep();
  Value results = read_json(folder() / "sweep/results.json");
  for (const size_t v : {0u, 1u}) {
    Value& row = results["variants"].as_list()[v]["rows"].as_list()[0];
    for (const char* name : {"relation.text", "relation.image", "relation.group", "scene.group"})
      row["metrics"][name] = metric(v ? 61.5 : 20.5, {1, 2});
  }
  results["oracle"] = parse_json(
      R"([{"variants": ["base", "more"], "rows": [{"ability": "relation", "pairs": 750, "text": 82.5, "image": 96.25,
          "group": 82, "kinds": [{"kind": "left / right", "pairs": 150, "text": 77, "image": 99, "group": 76.75}]}]}])",
      "oracle");
  write_text(folder() / "sweep/results.json", to_json(results));
  Value record = read_json(run_folder("more-s1") / "record.json");
  record["evaluations"]["test"]["abilities"] = parse_json(
      R"({"rows": [{"ability": "relation", "pairs": 750, "group": 61.5,
                    "kinds": [{"kind": "left / right", "pairs": 150, "group": 66.5}]}]})",
      "abilities");
  write_text(run_folder("more-s1") / "record.json", to_json(record));

  const std::string page = page_of({folder() / "sweep"});
  EXPECT_EQ(nesting_fault(page), "");
  std::string section = page.substr(page.find("<section id=\"abilities\""));
  section.resize(section.find("</section>"));
  EXPECT_NE(section.find("The geometry oracle is no model; it reads the detections and the captions by rule; ties "
                         "count as failures."),
            std::string::npos);
  const std::string name = "<tr><th scope=\"row\">oracle <span class=\"tag\">no model</span></th>";
  // No rule reads the captions of scene.
  EXPECT_NE(section.find("<tfoot>" + name + "<td class=\"number\">82.00</td><td class=\"number\">–</td></tr>"),
            std::string::npos)
      << section;
  for (const char* share : {">25.0% of oracle</div><div class=\"meter\" style=\"--share:25.0%\">",
                            ">75.0% of oracle</div><div class=\"meter\" style=\"--share:75.0%\">"})
    EXPECT_EQ(count(section, share), 1u) << share;
  EXPECT_NE(section.find(name + "<td>relation</td><td class=\"number\" data-value=\"82.5\">82.50</td><td "
                                "class=\"number\" data-value=\"96.25\">96.25</td>"),
            std::string::npos)
      << section;
  EXPECT_EQ(count(section, ">76.75</td>"), 1u) << "beside the variants' figures of the kind";

  results.erase("oracle");
  write_text(folder() / "sweep/results.json", to_json(results));
  EXPECT_EQ(page_of({folder() / "sweep"}).find("racle"), std::string::npos);
}

TEST_F(ReportTest, TakesTheOracleOfRunFoldersFromTheirRecords) {
  for (const char* name : {"first", "second"}) {
    write_finished_run(folder() / name, 1, 2, false);
    Value record = read_json(folder() / name / "record.json");
    Value& evaluation = record["evaluations"]["test"];
    evaluation["rows"].as_list()[0]["abilities"] =
        parse_json(R"({"relation": {"pairs": 40, "text": 50, "image": 60, "group": 40}})", "abilities");
    evaluation["abilities"] = parse_json(
        R"({"rows": [{"ability": "relation", "pairs": 40, "text": 50, "image": 60, "group": 40,
                      "oracle": {"text": 80, "image": 90, "group": 80}, "kinds": []}]})",
        "abilities");
    write_text(folder() / name / "record.json", to_json(record));
  }
  const std::string page = page_of({folder() / "first", folder() / "second"});
  EXPECT_EQ(nesting_fault(page), "");
  EXPECT_EQ(count(page, "<tfoot>"), 1u);
  EXPECT_EQ(count(page, ">50.0% of oracle</div>"), 2u);
}

TEST_F(ReportTest, ComparesRunFoldersPairByPairWithTheFirst) {
  for (const bool better : {false, true}) {
    const fs::path run = folder() / (better ? "second" : "first");
    write_finished_run(run, 1, 2, false);
    std::vector<AbilityPair> pairs;
    std::vector<PairOutcome> outcomes;
    for (int at = 0; at < 10; ++at) {
      pairs.push_back({std::to_string(at), "relation", "", {0, 1}, {0, 2}});
      outcomes.push_back({true, better || at == 0});
    }
    EvaluationRow row;
    row.pair_outcomes = outcomes;
    row.abilities = ability_rows(pairs, outcomes);
    Value record = read_json(run / "record.json");
    record["evaluations"]["test"]["rows"].as_list()[0]["abilities"] = abilities_of_row(row.abilities);
    write_text(run / "record.json", to_json(record));
    SavedRanks ranks = read_ranks(run / ranks_file_name("test"));
    ranks.pairs = saved_pairs(pairs, std::vector<EvaluationRow>{row});
    write_ranks(run / ranks_file_name("test"), ranks);
  }
  const std::string page = page_of({folder() / "first", folder() / "second"});
  EXPECT_EQ(nesting_fault(page), "");
  EXPECT_TRUE(
      std::ranges::none_of(written_.missing, [](const std::string& text) { return text.starts_with("no ranks"); }));
  const std::string section = page.substr(page.find("<section id=\"abilities\""));
  EXPECT_NE(section.find("100.00</span><div class=\"deviation\">+90.00<abbr"), std::string::npos)
      << section.substr(0, 3000);
}

TEST_F(ReportTest, FetchesNothing) {
  const std::string page = page_of({write_sweep()});
  EXPECT_NE(page.find("default-src 'none'"), std::string::npos);
  for (const char* attribute : {"src=\"", "href=\""})
    for (size_t at = page.find(attribute); at != std::string::npos; at = page.find(attribute, at + 1)) {
      const std::string target = page.substr(at + std::string(attribute).size(), 16);
      EXPECT_TRUE(target.starts_with("#") || target.starts_with("data:image/jpeg;")) << target;
    }
  EXPECT_EQ(page.find("@import"), std::string::npos);
}

TEST_F(ReportTest, ChartsHaveTheFiguresOfTheRuns) {
  const Value data = chart_data_of(page_of({write_sweep()}));
  EXPECT_EQ(data.at("variants").as_list()[1].as_string(), "more");
  const Value& delta = data.at("deltas").as_list().at(0);
  EXPECT_EQ(delta.at("difference").as_double(), 1.5);
  EXPECT_EQ(delta.at("variant").as_int(), 1);
  ASSERT_EQ(data.at("training").as_list().size(), 3u);
  const Value& run = data.at("training").as_list()[0];
  EXPECT_EQ(run.at("epoch").as_list().size(), 2u) << "the third line was cut short";
  EXPECT_EQ(run.at("series").at("loss").as_list()[1].as_double(), 1.5);
  EXPECT_TRUE(run.at("series").at("loss: a").as_list()[1].is_null()) << "not there in every epoch";
  EXPECT_EQ(run.at("series").at("validation mR").as_list()[1].as_double(), 40.5);
  EXPECT_EQ(run.at("best").as_int(), 2);
}

TEST_F(ReportTest, GalleryMarksRightAndWrongAndHoldsEachPictureOnce) {
  const std::string page = page_of({write_sweep()});
  for (int64_t image = 0; image < images; ++image)
    EXPECT_EQ(count(page, "<image id=\"picture-" + std::to_string(image) + "\""), 1u);
  EXPECT_NE(page.find("airport_0.png, right"), std::string::npos);
  EXPECT_NE(page.find("airport_0.png, wrong"), std::string::npos);
  EXPECT_NE(page.find("rank 6"), std::string::npos);
}

TEST_F(ReportTest, GalleryLeavesOutScoresThatAreNotThoseOfTheRanks) {
  write_finished_run(folder() / "a", 1, 6);
  write_finished_run(folder() / "b", 2, 1);
  EXPECT_EQ(page_of({folder() / "a", folder() / "b"}).find("of another evaluation"), std::string::npos);
  write_scores(folder() / "b", 6);
  const std::string page = page_of({folder() / "a", folder() / "b"});
  EXPECT_NE(page.find("Not in the gallery: b: the scores of b are of another evaluation than its ranks"),
            std::string::npos);
  EXPECT_NE(page.find("rank 6"), std::string::npos) << "the other run's are shown";
}

TEST_F(ReportTest, SameInputsGiveTheSameBytes) {
  const fs::path sweep = write_sweep();
  EXPECT_EQ(page_of({sweep}), page_of({sweep / "results.json"}));
}

// What is not there.

TEST_F(ReportTest, ShowsWhyRunsFailedAndTheirLastLines) {
  const std::string page = page_of({write_sweep()});
  EXPECT_NE(page.find("1 run failed"), std::string::npos);
  EXPECT_NE(page.find("ended by signal 9"), std::string::npos);
  EXPECT_NE(page.find("last line"), std::string::npos);
}

TEST_F(ReportTest, WithoutScoresSaysSoInsteadOfAGallery) {
  const std::string page = page_of({write_sweep(false)});
  EXPECT_EQ(nesting_fault(page), "");
  EXPECT_NE(page.find("No gallery: base: scores.test.npy is not in the folder of base-s2"), std::string::npos);
  EXPECT_NE(page.find("id=\"recall-i2t\""), std::string::npos) << "ranks suffice for the curves";
  EXPECT_FALSE(written_.missing.empty());
}

TEST_F(ReportTest, WithoutTheDatasetKeepsTheFigures) {
  const fs::path sweep = write_sweep();
  fs::remove_all(folder() / "data");
  const std::string page = page_of({sweep});
  EXPECT_EQ(nesting_fault(page), "");
  EXPECT_NE(page.find("does not exist (dataset.root)"), std::string::npos);
  EXPECT_NE(page.find("21.50"), std::string::npos);
  EXPECT_NE(page.find("id=\"recall-i2t\""), std::string::npos);
}

TEST_F(ReportTest, WithAChangedDatasetShowsNoPicturesOfOtherImages) {
  const fs::path sweep = write_sweep();
  write_text(folder() / "data/test_caps.txt", read_file(folder() / "data/test_caps.txt").replace(0, 1, "?"));
  const std::string page = page_of({sweep});
  EXPECT_EQ(page.find("<image id="), std::string::npos);
  EXPECT_NE(page.find("was evaluated on another split than the dataset has now"), std::string::npos);
}

TEST_F(ReportTest, AnImageThatDoesNotDecodeIsNamedInItsPlace) {
  const fs::path sweep = write_sweep();
  write_text(folder() / "data/images/beach_4.png", "no image");
  const std::string page = page_of({sweep});
  EXPECT_EQ(nesting_fault(page), "");
  EXPECT_NE(page.find("<div class=\"gone\">beach_4.png</div>"), std::string::npos);
}

TEST_F(ReportTest, ASweepOfWhichNothingFinishedIsStillAPage) {
  const fs::path sweep = write_sweep();
  Value results = read_json(sweep / "results.json");
  for (Value& variant : results["variants"].as_list()) {
    variant["rows"] = Value::list();
    for (Value& run : variant["runs"].as_list()) run["status"] = "waiting";
  }
  write_text(sweep / "results.json", to_json(results));
  const std::string page = page_of({sweep});
  EXPECT_EQ(nesting_fault(page), "");
  EXPECT_NE(page.find("No run has been evaluated yet."), std::string::npos);
  EXPECT_NE(page.find("Still waiting for their turn: base-s1, base-s2, more-s1"), std::string::npos);
}

TEST_F(ReportTest, RanksOfAnotherEvaluationThanTheFiguresAreLeftOut) {
  const fs::path sweep = write_sweep();
  Value results = read_json(sweep / "results.json");
  for (Value& variant : results["variants"].as_list())
    for (Value& run : variant["runs"].as_list()) run["rows"] = Value(Value::List{evaluated_row(6)});
  write_text(sweep / "results.json", to_json(results));
  const std::string page = page_of({sweep});
  EXPECT_NE(page.find("more-s1: ranks.test.safetensors is of another evaluation than the figures here: row 0.none has "
                      "other metrics"),
            std::string::npos);
  const Value recall = chart_data_of(page).at("recall").at("curves");
  ASSERT_EQ(recall.as_list().size(), 1u);
  EXPECT_EQ(recall.as_list()[0].at("variant").as_int(), 0);
}

TEST_F(ReportTest, SaysWhichSeedsAreMissingAndWhatWasCorrectedOver) {
  const fs::path sweep = write_sweep();
  Value results = read_json(sweep / "results.json");
  Value& row = results["variants"].as_list()[1]["rows"].as_list()[0];
  row["seeds"] = Value(Value::List{1});
  row["comparison"]["seeds"] = 1;
  row["comparison"]["left_out"] = Value(Value::List{2});
  write_text(sweep / "results.json", to_json(results));
  const std::string page = page_of({sweep});
  EXPECT_NE(page.find("data-value=\"1\"><abbr title=\"without seed 2\">1/2</abbr>"), std::string::npos);
  EXPECT_NE(page.find("more, plain: compared on 1 common seed; left out: 2."), std::string::npos);
  EXPECT_NE(page.find("p is Holm-corrected over 1 comparison."), std::string::npos);
}

TEST_F(ReportTest, TheLeaderboardIsInTheOrderThatItsHeadSays) {
  const std::string page = page_of({write_sweep()});
  const size_t table = page.find("id=\"leaderboard-table\"");
  EXPECT_NE(page.find("data-sort=\"descending\" data-sorted=\"descending\">mR</th>", table), std::string::npos);
  EXPECT_LT(page.find("data-value=\"21.5\"", table), page.find("data-value=\"20\"", table));
  EXPECT_NE(page.find("data-sort=\"descending\">mR less base</th>", table), std::string::npos);
  EXPECT_NE(page.find("data-sort=\"ascending\">Row</th>", table), std::string::npos);
  EXPECT_NE(page.find("data-sort=\"descending\">Seeds</th>", table), std::string::npos);
}

TEST_F(ReportTest, MarksFollowAlpha) {
  const fs::path sweep = write_sweep();
  EXPECT_NE(page_of({sweep}).find("* p &lt;= 0.05, ** p &lt; 0.01, *** p &lt; 0.001;"), std::string::npos);
  Value results = read_json(sweep / "results.json");
  results["statistics"]["alpha"] = 0.01;
  results["variants"].as_list()[1]["rows"].as_list()[0]["comparison"]["p_holm"] = 0.0005;
  write_text(sweep / "results.json", to_json(results));
  const std::string page = page_of({sweep});
  EXPECT_NE(page.find("* p &lt;= 0.01, ** p &lt; 0.001;"), std::string::npos);
  EXPECT_NE(page.find("<abbr title=\"significant, corrected p &lt; 0.001\">**</abbr>"), std::string::npos);
}

TEST_F(ReportTest, RowsOfOneLabelAreThoseThatAreComparedAndTheNotesNameOtherParameters) {
  const fs::path sweep = write_sweep();
  Value results = read_json(sweep / "results.json");
  const auto add = [&](size_t variant, int64_t k) {
    Value row = row_value(30 + static_cast<double>(k), false);
    row["reranker"] = "multivariate";
    row["parameters"]["k"] = k;
    results["variants"].as_list()[variant]["rows"].push_back(row);
  };
  add(0, 25);
  add(0, 50);
  add(1, 50);
  add(1, 75);
  write_text(sweep / "results.json", to_json(results));
  const ReportData data = read_sweep_report(sweep / "results.json");
  EXPECT_EQ(data.variants[0].rows[2].label, "multivariate [2]");
  EXPECT_EQ(data.variants[1].rows[1].label, "multivariate [2]") << "k 50 beside k 50";
  EXPECT_EQ(data.variants[1].rows[2].label, "multivariate") << "k 75 beside what is left";
  const std::string page = page_of({sweep});
  EXPECT_NE(page.find("multivariate: <code>{&quot;k&quot;: 25}</code>; more: <code>{&quot;k&quot;: 75}</code></p>"),
            std::string::npos);
}

TEST_F(ReportTest, AnEntryThatOnlySomeRunsHaveIsNotCalledShared) {
  const fs::path sweep = write_sweep();
  Value record = read_json(run_folder("more-s1") / "record.json");
  record["evaluations"]["test"]["environment"]["plugins"]["extra"]["version"] = "1.2.3";
  write_text(run_folder("more-s1") / "record.json", to_json(record));
  const std::string page = page_of({sweep});
  const size_t differing = page.find("Entries in which the runs differ");
  ASSERT_NE(differing, std::string::npos);
  EXPECT_EQ(page.find("environment.plugins.extra.version"), page.find("environment.plugins.extra.version", differing));
  EXPECT_NE(page.find("<th scope=\"row\">base-s1</th><td class=\"long\"><code>none</code>", differing),
            std::string::npos);
}

// Run folders.

TEST_F(ReportTest, ReadsNoRunFolderOutsideTheSweeps) {
  const fs::path sweep = write_sweep(), results = sweep / "results.json";
  write_finished_run(folder() / "private", 1, 1);
  const auto refused = [&](const std::string& run) {
    Value value = read_json(results);
    value["variants"].as_list()[0]["runs"].as_list()[0]["folder"] = Value(run);
    write_text(folder() / "sweep/other.json", to_json(value));
    try {
      page_of({folder() / "sweep/other.json"});
    } catch (const InputError& error) {
      return std::string(error.what());
    }
    return std::string();
  };
  const std::string where = (folder() / "sweep/other.json").string() + ": the folder of a run is ";
  for (const std::string& run :
       {(folder() / "private").string(), std::string("../private"), std::string("runs/../../private")})
    EXPECT_EQ(refused(run).find(where), 0u) << refused(run);
  fs::create_directory_symlink(folder() / "private", sweep / "runs/link");
  EXPECT_NE(
      refused("runs/link").find("outside the sweep's folder; put the run there, or set ORBWEAVER_OUTSIDE_LINKS=1"),
      std::string::npos);
  setenv("ORBWEAVER_OUTSIDE_LINKS", "1", 1);
  EXPECT_EQ(refused("runs/link"), "");
  unsetenv("ORBWEAVER_OUTSIDE_LINKS");
  EXPECT_EQ(refused("runs/base-s1"), "");
  // The sweep's own folder may be a link.
  fs::create_directory_symlink(sweep, folder() / "linked");
  EXPECT_NE(page_of({folder() / "linked"}), "");
}

TEST_F(ReportTest, ShowsNoLogThatIsALinkOutOfTheRunsFolder) {
  const fs::path run = folder() / "stopped";
  write_config(run, 1);
  write_text(folder() / "secret", "what only its owner may read\n");
  fs::create_symlink(folder() / "secret", run / "log.txt");
  const std::string page = page_of({run});
  EXPECT_EQ(page.find("what only its owner may read"), std::string::npos);
  EXPECT_NE(page.find("log.txt is not shown: it is a link that leads out of the run"), std::string::npos);
  fs::remove(run / "log.txt");
  write_text(run / "log.txt", "the last line\n");
  EXPECT_NE(page_of({run}).find("the last line"), std::string::npos);
}

TEST_F(ReportTest, OfRunsSpeaksOfRunsAndNamesTheirSplit) {
  for (const char* name : {"a", "b"}) {
    const fs::path run = folder() / name;
    write_finished_run(run, name == std::string("a") ? 1 : 2, name == std::string("a") ? 6 : 1);
    Value record = read_json(run / "record.json");
    const Value evaluation = record.at("evaluations").at("test");
    record["evaluations"] = Value(Value::Object{{"val", evaluation}});
    write_text(run / "record.json", to_json(record));
    fs::rename(run / "ranks.test.safetensors", run / "ranks.val.safetensors");
  }
  const std::string page = page_of({folder() / "a", folder() / "b"});
  EXPECT_NE(page.find("the whole val split is the gallery"), std::string::npos);
  EXPECT_NE(page.find("mR less that of a, with its interval over other images."), std::string::npos);
  EXPECT_NE(page.find("data-sort=\"ascending\">Seed</th>"), std::string::npos);
  EXPECT_NE(page.find("<th scope=\"col\" data-sort=\"ascending\">Run</th>"), std::string::npos);
  EXPECT_EQ(chart_data_of(page).at("noun").as_string(), "Runs");
  const std::string body = page.substr(page.find("<header>"), page.find("<footer>") - page.find("<header>"));
  for (const char* word : {"sweep", "Variant", "variant", "test split"})
    EXPECT_EQ(body.find(word), std::string::npos) << word << ": " << body.substr(body.find(word) - 60, 120);
}

TEST_F(ReportTest, RunsAreComparedWithTheFirst) {
  write_finished_run(folder() / "a/run", 1, 6);
  write_finished_run(folder() / "b/run", 2, 1);
  const std::string page = page_of({folder() / "a/run", folder() / "b/run"});
  EXPECT_EQ(nesting_fault(page), "");
  const Value data = chart_data_of(page);
  EXPECT_EQ(data.at("variants").as_list()[0].as_string(), "a/run") << "names of folders, told apart";
  EXPECT_EQ(data.at("baseline").as_string(), "a/run");
  // From rank 6 to rank 1 everywhere: R@1 and R@5 gain 100 points both ways, R@10 none.
  EXPECT_NEAR(data.at("deltas").as_list().at(0).at("difference").as_double(), 100.0 * 4 / 6, 1e-2);
}

TEST_F(ReportTest, SaysThatRunsOfDifferentSplitsDoNotCompare) {
  write_finished_run(folder() / "a", 1, 6);
  write_finished_run(folder() / "b", 2, 1);
  EXPECT_EQ(page_of({folder() / "a", folder() / "b"}).find("do not compare"), std::string::npos);
  split_hash_ = "another";
  write_finished_run(folder() / "b", 2, 1);
  const std::string page = page_of({folder() / "a", folder() / "b"});
  EXPECT_NE(page.find("do not compare"), std::string::npos);
  EXPECT_TRUE(chart_data_of(page).at("deltas").as_list().empty());
}

TEST_F(ReportTest, ARunThatDidNotEndIsShownAsStopped) {
  write_config(folder() / "run", 1);
  write_text(folder() / "run/log.txt", "epoch 1: loss 3\n");
  const std::string page = page_of({folder() / "run"});
  EXPECT_NE(page.find("there is no record.json"), std::string::npos);
  EXPECT_NE(page.find("epoch 1: loss 3"), std::string::npos);
}

TEST_F(ReportTest, RefusesWhatIsNeitherRunNorSweep) {
  fs::create_directories(folder() / "empty");
  EXPECT_THROW(page_of({folder() / "empty"}), InputError);
  EXPECT_THROW(page_of({folder() / "missing"}), InputError);
  EXPECT_THROW(page_of({}), InputError);
  const fs::path sweep = write_sweep();
  EXPECT_THROW(page_of({sweep, run_folder("base-s1")}), InputError) << "a sweep stands alone";
  EXPECT_THROW(page_of({run_folder("base-s1"), run_folder("base-s1")}), InputError) << "given twice";
  write_text(sweep / "results.json", "{\"format\": 2}");
  EXPECT_THROW(page_of({sweep}), InputError);
}

// Size.

TEST(ReportSize, OfEightVariantsWithThreeSeedsOverNoiseStaysBelowFiveMegabytes) {
  const TemporaryFolder temporary;
  constexpr int64_t images = 420;
  std::mt19937 random(1);
  std::string names, texts;
  fs::create_directories(temporary.path() / "data/images");
  for (int64_t i = 0; i < images; ++i) {
    Image image{128, 128, std::vector<uint8_t>(128 * 128 * 3)};
    for (uint8_t& value : image.pixels) value = static_cast<uint8_t>(random());
    names += "class" + std::to_string(i % 30) + "_" + std::to_string(i) + ".jpg\n";
    write_image(
        temporary.path() / "data/images" / ("class" + std::to_string(i % 30) + "_" + std::to_string(i) + ".jpg"),
        image.view());
    texts += "a caption of usual length about image number " + std::to_string(i) + "\n";
  }
  for (const char* split : {"train", "val", "test"}) {
    write_text(temporary.path() / "data" / (std::string(split) + "_filename.txt"), names);
    write_text(temporary.path() / "data" / (std::string(split) + "_caps.txt"), texts);
  }
  Value results = Value::object();
  results["format"] = 1;
  results["variants"] = Value::list();
  for (int variant = 0; variant < 8; ++variant) {
    Value value = Value::object();
    value["name"] = "variant" + std::to_string(variant);
    value["runs"] = Value::list();
    for (int seed = 1; seed <= 3; ++seed) {
      const std::string folder = std::to_string(variant) + "-" + std::to_string(seed);
      const fs::path run = temporary.path() / folder;
      value["runs"].push_back(Value(Value::Object{{"seed", seed}, {"folder", folder}, {"status", "finished"}}));
      Value config = Value::object();
      config["dataset"]["root"] = (temporary.path() / "data").string();
      write_text(run / "config.json", to_json(config));
      std::string epochs;
      for (int epoch = 1; epoch <= 300; ++epoch)
        epochs +=
            "{\"epoch\":" + std::to_string(epoch) + ",\"loss\":1.23456,\"lr\":0.0012345,\"val\":{\"mR\":12.3456}}\n";
      write_text(run / "metrics.jsonl", epochs);
      Matrix<float> scores(images, images);
      for (int64_t i = 0; i < images * images; ++i) scores.data()[i] = static_cast<float>(random());
      write_npy(run / "scores.test.npy", std::as_const(scores).view());
    }
    results["variants"].push_back(std::move(value));
  }
  write_text(temporary.path() / "results.json", to_json(results));
  const WrittenReport written = write_report({{temporary.path()}, temporary.path() / "out.html"}, RunReport());
  EXPECT_EQ(written.finished, 24);
  EXPECT_LT(written.bytes, 5'000'000);
  EXPECT_GT(written.bytes, 1'500'000) << "is the gallery there?";
}

}  // namespace
}  // namespace orbweaver
