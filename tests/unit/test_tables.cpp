#include <gtest/gtest.h>

#include <cmath>
#include <string>

#include "framework/eval/row_lines.h"
#include "framework/io/json.h"
#include "framework/sweep/outcome.h"
#include "framework/sweep/tables.h"
#include "orbweaver/error.h"
#include "temporary_folder.h"

namespace orbweaver {
namespace {

/// A sweep in which one variant gained, one lost a seed, one lost all and one
/// still waits.
const char* const results_json = R"json({
  "format": 1, "name": "pooling_50%", "description": "Kinds of pooling", "split": "test", "baseline": "mean",
  "metrics": ["mR", "i2t.R@1", "t2i.R@1"],
  "dataset": {"name": "rsicd", "splits": {"test": {"images": 1093, "captions": 5465}}},
  "variants": [
    {"name": "mean", "runs": [{"seed": 1, "status": "finished"}, {"seed": 2, "status": "finished"}],
     "rows": [
      {"reranker": "none", "parameters": null, "tie_rule": "strict", "duplicate_aware": false, "seeds": [1, 2],
       "metrics": {"mR": {"mean": 12.5, "std": 0.25, "values": [12.25, 12.75]},
                   "i2t.R@1": {"mean": 5.0, "std": 0.5, "values": []}, "t2i.R@1": {"mean": 6.004, "std": 0.0}},
       "comparison": null},
      {"reranker": "none", "parameters": null, "tie_rule": "strict", "duplicate_aware": true, "seeds": [1, 2],
       "metrics": {"mR": {"mean": 99.5, "std": 0.25}}, "comparison": null},
      {"reranker": "identity", "parameters": {"k": 100}, "tie_rule": "strict", "duplicate_aware": false,
       "seeds": [1, 2], "metrics": {"mR": {"mean": 88.5, "std": 0.25}}, "comparison": null}]},
    {"name": "max_1", "runs": [{"seed": 1, "status": "finished"},
       {"seed": 2, "status": "failed", "reason": "ended by signal 9 (SIGKILL; out of memory?)",
        "log_tail": ["epoch 3", "batch 7 & on"]}],
     "rows": [
      {"reranker": "none", "parameters": null, "tie_rule": "strict", "duplicate_aware": false, "seeds": [1],
       "metrics": {"mR": {"mean": 14.0, "std": null}, "i2t.R@1": {"mean": 4.5, "std": null},
                   "t2i.R@1": {"mean": 6.001, "std": null}},
       "comparison": {"to": "mean", "metric": "mR", "difference": 1.75, "low": 0.5, "high": 3.0, "seed_std": null,
                      "seeds": 1, "left_out": [2], "p": 0.001, "p_holm": 0.002, "significant": true}}]},
    {"name": "lse", "runs": [{"seed": 1, "status": "failed", "reason": "the loss is not a number", "log_tail": []},
                             {"seed": 2, "status": "waiting"}], "rows": []},
    {"name": "gem", "runs": [{"seed": 1, "status": "running"}, {"seed": 2, "status": "waiting"}]}],
  "statistics": {"interval": 0.95, "resamples": 10000, "permutations": 10000, "seed": 1, "unit": "image",
                 "correction": "holm", "alpha": 0.05}
})json";

Value results() { return parse_json(results_json, "results.json"); }

TEST(Leaderboard, ShowsFiguresDifferencesAndWhyRunsFailed) {
  EXPECT_EQ(
      format_leaderboard(results()),
      "pooling_50% on rsicd, test split: 1093 images, 5465 captions\n"
      "\n"
      "variant  seeds            mR      i2t.R@1      t2i.R@1  mR less mean [95%]    p (Holm)\n"
      "mean     2      12.50 ± 0.25  5.00 ± 0.50  6.00 ± 0.00  baseline\n"
      "max_1    1/2           14.00         4.50         6.00  +1.75 [+0.50, +3.00]  0.0020    **\n"
      "lse      0/2    failed: the loss is not a number\n"
      "gem      0/2    running\n"
      "\n"
      "max_1-s2: failed: ended by signal 9 (SIGKILL; out of memory?)\n"
      "  | epoch 3\n"
      "  | batch 7 & on\n"
      "lse-s1: failed: the loss is not a number\n"
      "\n"
      "Mean ± sample standard deviation over seeds; recalls in percent, ties count against the model.\n"
      "A figure without ± is of one seed, which has no deviation.\n"
      "Difference in mR from mean on the same seeds: mean, 95% paired bootstrap interval over images (10000 "
      "resamples), ± deviation over seeds.\n"
      "p: two-sided paired randomisation test over images (10000 permutations), Holm-corrected over 1 comparison; * "
      "p <= 0.05, ** p < 0.01, *** p < 0.001.\n"
      "max_1: compared on 1 common seed; left out: 2.\n");
}

TEST(Leaderboard, OfNothingOrOfASweepThatHasNotBegunIsNoError) {
  EXPECT_NE(format_leaderboard(Value::object()).find("variant  seeds"), std::string::npos);
  const Value waiting = parse_json(
      R"({"name": "a", "variants": [{"name": "b", "runs": [{"seed": 1, "status": "waiting"}]}]})", "results.json");
  EXPECT_NE(format_leaderboard(waiting).find("b        0/1    waiting\n"), std::string::npos);
  for (const auto& table : {table_csv(waiting), table_markdown(waiting), table_latex(waiting)})
    EXPECT_NE(table.find("waiting"), std::string::npos) << table;
}

TEST(Leaderboard, HasASectionForEachRerankerAndIdentityBesideIt) {
  Value with_rerank = results();
  Value row = with_rerank.at("variants").as_list()[0].at("rows").as_list()[0];
  row["reranker"] = "multivariate";
  row["parameters"] = parse_json(R"({"k": 25})", "");
  with_rerank["variants"].as_list()[0]["rows"].push_back(row);
  const std::string table = format_leaderboard(with_rerank);
  EXPECT_NE(table.find("\nwithout rerank\nvariant"), std::string::npos) << table;
  EXPECT_NE(table.find("\nidentity {\"k\": 100}\nvariant"), std::string::npos) << table;
  EXPECT_NE(table.find("\nmultivariate {\"k\": 25}\nvariant"), std::string::npos) << table;
  EXPECT_NE(table.find("max_1    1/2    no such row\n"), std::string::npos) << table;
  EXPECT_EQ(format_leaderboard(results()).find("identity"), std::string::npos);
  EXPECT_NE(table_latex(with_rerank).find("% multivariate {\"k\": 25}\n"), std::string::npos);
}

TEST(TableMarkdown, IsAsGitHubReadsIt) {
  EXPECT_EQ(
      table_markdown(results()),
      "### pooling\\_50%\n"
      "\n"
      "Kinds of pooling\n"
      "\n"
      "rsicd, test split: 1093 images, 5465 captions\n"
      "\n"
      "| variant | seeds | mR | i2t.R@1 | t2i.R@1 | mR less mean \\[95%\\] | p (Holm) |\n"
      "| :--- | ---: | ---: | ---: | ---: | :--- | ---: |\n"
      "| mean | 2 | 12.50 ± 0.25 | **5.00 ± 0.50** | **6.00 ± 0.00** | baseline |  |\n"
      "| max\\_1 | 1/2 | **14.00** | 4.50 | **6.00** | +1.75 \\[+0.50, +3.00\\] \\*\\* | 0.0020 |\n"
      "| lse | 0/2 | failed: the loss is not a number |  |  |  |  |\n"
      "| gem | 0/2 | running |  |  |  |  |\n"
      "\n"
      "- Mean ± sample standard deviation over seeds; recalls in percent, ties count against the model.\n"
      "- A figure without ± is of one seed, which has no deviation.\n"
      "- Difference in mR from mean on the same seeds: mean, 95% paired bootstrap interval over images (10000 "
      "resamples), ± deviation over seeds.\n"
      "- p: two-sided paired randomisation test over images (10000 permutations), Holm-corrected over 1 comparison; "
      "\\* p \\<= 0.05, \\*\\* p \\< 0.01, \\*\\*\\* p \\< 0.001.\n"
      "- max\\_1: compared on 1 common seed; left out: 2.\n");
}

TEST(TableLatex, IsABooktabsTableWithBestMarksAndTheTestInItsCaption) {
  EXPECT_EQ(
      table_latex(results()),
      "% Needs \\usepackage{booktabs}.\n"
      "\\begin{table*}\n"
      "  \\centering\n"
      "  \\footnotesize\n"
      "  \\setlength{\\tabcolsep}{3pt}\n"
      "  \\caption{pooling\\_50\\% (rsicd, test split: 1093 images, 5465 captions): mean $\\pm$ sample standard "
      "deviation over seeds; recalls in percent, the best of each column in bold. $\\Delta$: difference in mR from "
      "mean on the same seeds, with its 95\\% paired bootstrap interval over images (10000 resamples). $^{*}\\,p \\le "
      "0.05$, $^{**}\\,p < 0.01$, $^{***}\\,p < 0.001$: two-sided paired randomisation test over images (10000 "
      "permutations), Holm-corrected over 1 comparison. max\\_1: compared on 1 common seed; left out: 2.}\n"
      "  \\label{tab:pooling_50-}\n"
      "  \\begin{tabular}{lrrrrl}\n"
      "    \\toprule\n"
      "    & & & \\multicolumn{1}{c}{Image to text} & \\multicolumn{1}{c}{Text to image} & \\\\\n"
      "    \\cmidrule(lr){4-4} \\cmidrule(lr){5-5}\n"
      "    Variant & Seeds & mR & R@1 & R@1 & $\\Delta$ mR \\\\\n"
      "    \\midrule\n"
      "    mean & 2 & $12.50 \\pm 0.25$ & $\\mathbf{5.00 \\pm 0.50}$ & $\\mathbf{6.00 \\pm 0.00}$ & baseline \\\\\n"
      "    max\\_1 & 1/2 & $\\mathbf{14.00}$ & $4.50$ & $\\mathbf{6.00}$ & $+1.75^{**}$ \\; $[+0.50, +3.00]$ \\\\\n"
      "    lse & 0/2 & \\multicolumn{4}{l}{failed: the loss is not a number} \\\\\n"
      "    gem & 0/2 & \\multicolumn{4}{l}{running} \\\\\n"
      "    \\bottomrule\n"
      "  \\end{tabular}\n"
      "\\end{table*}\n");
}

TEST(TableLatex, MakesSpecialCharactersHarmless) {
  EXPECT_EQ(latex_escaped("a_b & 50% {x} #1 $ ~ ^ \\"),
            "a\\_b \\& 50\\% \\{x\\} \\#1 \\$ \\textasciitilde{} \\textasciicircum{} \\textbackslash{}");
  EXPECT_EQ(latex_escaped("two\nlines <é>"), "two lines \\textless{}é\\textgreater{}");
}

TEST(TableCsv, HasEveryRowInFullPrecisionAndQuotesAsRfc4180) {
  EXPECT_EQ(table_csv(results()),
            "variant,reranker,parameters,tie_rule,duplicate_aware,seeds,failed,reason,mR_mean,mR_std,i2t.R@1_mean,i2t."
            "R@1_std,t2i.R@1_mean,t2i.R@1_std,compared_to,compared_metric,difference,low,high,seed_std,seeds_compared,"
            "p,p_holm,significant\n"
            "mean,none,,strict,false,2,0,,12.5,0.25,5,0.5,6.004,0,,,,,,,,,,\n"
            "mean,none,,strict,true,2,0,,99.5,0.25,,,,,,,,,,,,,,\n"
            "mean,identity,\"{\"\"k\"\":100}\",strict,false,2,0,,88.5,0.25,,,,,,,,,,,,,,\n"
            "max_1,none,,strict,false,1,1,max_1-s2: ended by signal 9 (SIGKILL; out of "
            "memory?),14,,4.5,,6.001,,mean,mR,1.75,0.5,3,,1,0.001,0.002,true\n"
            "lse,,,,,0,1,lse-s1: the loss is not a number,,,,,,,,,,,,,,,,\n"
            "gem,,,,,0,0,running,,,,,,,,,,,,,,,,\n");
}

/// The sweep with a multivariate row of `mean` (k 25) and of `max_1` (other k), which are compared.
Value with_rerankers() {
  Value value = results();
  for (const auto& [variant, parameters] :
       {std::pair<size_t, const char*>{0, R"({"k": 25, "w": 0.5})"}, {1, R"({"k": 50, "w": 0.5})"}}) {
    Value& rows = value["variants"].as_list()[variant]["rows"];
    Value row = rows.as_list()[0];
    row["reranker"] = "multivariate";
    row["parameters"] = parse_json(parameters, "");
    rows.push_back(row);
  }
  return value;
}

TEST(Leaderboard, HeadsASectionWithTheBaselinesParametersAndNamesTheLinesThatDiffer) {
  const Value value = with_rerankers();
  EXPECT_NE(format_leaderboard(value).find("\nmultivariate {\"k\": 25, \"w\": 0.5}; max_1: k=50\nvariant"),
            std::string::npos)
      << format_leaderboard(value);
  EXPECT_NE(table_latex(value).find("\\textit{multivariate (k=25; max\\_1: k=50)}"), std::string::npos)
      << table_latex(value);
}

TEST(Leaderboard, SaysOverHowManyComparisonsOfASectionHolmCorrected) {
  Value value = with_rerankers();
  EXPECT_NE(format_leaderboard(value).find("Holm-corrected within each section, over 1 comparison; *"),
            std::string::npos);
  Value third = value.at("variants").as_list()[1];
  third["name"] = "third";
  third["rows"].as_list().pop_back();
  value["variants"].push_back(third);
  const std::string text = format_leaderboard(value);
  EXPECT_NE(text.find("over 2 comparisons in \"without rerank\", 1 in \"multivariate (k=25; max_1: k=50)\"; *"),
            std::string::npos)
      << text;
}

TEST(Leaderboard, MarksAndTheirLegendFollowAlpha) {
  Value value = results();
  value["statistics"]["alpha"] = 0.01;
  EXPECT_NE(format_leaderboard(value).find("0.0020    *\n"), std::string::npos) << format_leaderboard(value);
  EXPECT_NE(format_leaderboard(value).find("; * p <= 0.01, ** p < 0.001."), std::string::npos);
  EXPECT_NE(table_latex(value).find(" $^{*}\\,p \\le 0.01$, $^{**}\\,p < 0.001$: two-sided"), std::string::npos);
  EXPECT_NE(table_markdown(value).find("\\] \\* | 0.0020"), std::string::npos) << table_markdown(value);
}

TEST(Leaderboard, SaysWhyAFinishedRunIsNotCompared) {
  Value value = results();
  value["variants"].as_list()[0]["runs"].as_list()[0]["reason"] = "not compared: its ranks are lost";
  EXPECT_NE(format_leaderboard(value).find("\nmean-s1: not compared: its ranks are lost.\n"), std::string::npos);
}

/// A run on four images with a caption each, which finds the first `found` of
/// them at rank 1 in both directions.
TableRun run_that_finds(int64_t seed, size_t found) {
  TwoWayRanks ranks{std::vector<int64_t>(4, 2), std::vector<int64_t>(4, 2)};
  for (size_t at = 0; at < found; ++at) ranks.i2t[at] = ranks.t2i[at] = 1;
  EvaluationRow plain;
  plain.reranker = "none";
  plain.metrics = {direction_metrics(ranks.i2t), direction_metrics(ranks.t2i)};
  EvaluationRow same_text = plain;
  same_text.duplicate_aware = true;
  plain.ranks = ranks;
  const std::vector<EvaluationRow> rows{same_text, plain};  // ranks go by the number of a row
  return {seed, to_value(rows), SavedRanks{"test", "hash", "", {0, 1, 2, 3}, ranked_rows(rows)}};
}

TEST(VariantRows, SummariseTheSeedsAndCompareRowsWithRanks) {
  const std::vector<TableVariant> variants{{"new", {run_that_finds(1, 3), run_that_finds(2, 4)}},
                                           {"old", {run_that_finds(1, 1), run_that_finds(2, 1), run_that_finds(3, 2)}},
                                           {"lost", {}}};
  const std::vector<std::string> metrics{"i2t.medR", "i2t.R@1"};
  const std::vector<Value> rows = variant_rows(variants, "old", metrics);
  ASSERT_EQ(rows.size(), 3u);
  EXPECT_TRUE(rows[2].as_list().empty());
  ASSERT_EQ(rows[0].as_list().size(), 2u);
  const Value& plain = rows[0].as_list()[1];
  EXPECT_FALSE(plain.at("duplicate_aware").as_bool());
  EXPECT_EQ(plain.at("seeds"), Value(Value::List{1, 2}));
  EXPECT_EQ(plain.at("metrics").as_object().size(), metric_names().size());
  EXPECT_EQ(plain.at("metrics").as_object()[1].first, "i2t.R@1");
  EXPECT_EQ(plain.at("metrics").at("i2t.R@1").at("mean").as_double(), 87.5);
  EXPECT_NEAR(plain.at("metrics").at("i2t.R@1").at("std").as_double(), 12.5 * std::sqrt(2), 1e-12);
  const Value& comparison = plain.at("comparison");
  EXPECT_EQ(comparison.at("metric").as_string(),
            "i2t.R@1");                                      // the median cannot be compared
  EXPECT_EQ(comparison.at("difference").as_double(), 62.5);  // (2/4 + 3/4) / 2
  EXPECT_EQ(comparison.at("seeds").as_int(), 2);
  EXPECT_EQ(comparison.at("left_out"), Value(Value::List{3}));
  EXPECT_EQ(comparison.at("p"), comparison.at("p_holm"));
  EXPECT_TRUE(rows[0].as_list()[0].at("comparison").is_null());  // same texts: no ranks are kept
  EXPECT_TRUE(rows[1].as_list()[1].at("comparison").is_null());  // the baseline
}

TEST(VariantRows, RefuseRunsThatAnsweredOtherQueries) {
  TableRun other = run_that_finds(2, 2);
  other.ranks->split_hash = "another";
  const std::vector<TableVariant> variants{{"new", {run_that_finds(1, 3)}}, {"old", {other}}};
  try {
    variant_rows(variants, "old", {});
    FAIL();
  } catch (const InputError& error) {
    EXPECT_NE(std::string(error.what()).find("old with seed 2"), std::string::npos);
  }
}

/// A run of multivariate rerankers alone: each with its k and the number of queries that it finds.
TableRun run_reranked(std::initializer_list<std::pair<int64_t, size_t>> rerankers) {
  std::vector<EvaluationRow> rows;
  for (const auto& [k, found] : rerankers) {
    EvaluationRow row;
    row.reranker = "multivariate";
    row.parameters["k"] = k;
    row.ranks.emplace(TwoWayRanks{std::vector<int64_t>(4, 2), std::vector<int64_t>(4, 2)});
    for (size_t at = 0; at < found; ++at) row.ranks->i2t[at] = row.ranks->t2i[at] = 1;
    row.metrics = {direction_metrics(row.ranks->i2t), direction_metrics(row.ranks->t2i)};
    rows.push_back(row);
  }
  return {1, to_value(rows), SavedRanks{"test", "hash", "", {0, 1, 2, 3}, ranked_rows(rows)}};
}

TEST(VariantRows, AreComparedWithEqualParametersFirstAndByPlaceAmongTheRest) {
  const std::vector<TableVariant> variants{{"turned", {run_reranked({{50, 3}, {25, 2}})}},
                                           {"old", {run_reranked({{25, 1}, {50, 1}})}},
                                           {"other", {run_reranked({{75, 4}, {25, 3}})}},
                                           {"more", {run_reranked({{25, 1}, {50, 1}, {75, 1}})}}};
  const std::vector<std::string> metrics{"i2t.R@1"};
  const std::vector<Value> rows = variant_rows(variants, "old", metrics);
  const auto difference = [&](size_t variant, size_t row) {
    return rows[variant].as_list().at(row).at("comparison").at("difference").as_double();
  };
  EXPECT_EQ(difference(0, 0), 50) << "k 50 with k 50: 3/4 - 1/4";
  EXPECT_EQ(difference(0, 1), 25) << "k 25 with k 25";
  EXPECT_EQ(difference(2, 0), 75) << "k 75 with k 50, which is left over";
  EXPECT_EQ(difference(2, 1), 50) << "k 25 with k 25";
  EXPECT_TRUE(rows[3].as_list().at(2).at("comparison").is_null()) << "the baseline has two";

  // The table's sections hold what was compared.
  Value value = Value::object();
  value["baseline"] = "old";
  value["metrics"] = Value(Value::List{"i2t.R@1"});
  for (size_t at = 0; at < variants.size(); ++at) {
    Value entry = Value::object();
    entry["name"] = variants[at].name;
    entry["runs"] = Value(Value::List{Value(Value::Object{{"seed", 1}, {"status", "finished"}})});
    entry["rows"] = rows[at];
    value["variants"] = at == 0 ? Value::list() : value["variants"];
    value["variants"].push_back(entry);
  }
  const std::string text = format_leaderboard(value);
  const size_t first = text.find("multivariate {\"k\": 25}\n"),
               second = text.find("multivariate {\"k\": 50}; other: k=75\n");
  ASSERT_NE(first, std::string::npos) << text;
  ASSERT_NE(second, std::string::npos) << text;
  EXPECT_NE(text.substr(first, second - first).find("turned   1        50.00  +25.00"), std::string::npos) << text;
}

TEST(VariantRows, MeetTheSameRowsOfTheBaselineInWhateverOrderTheVariantsStand) {
  const TableVariant base{"base", {run_reranked({{25, 1}})}}, a{"a", {run_reranked({{25, 2}, {50, 4}})}},
      b{"b", {run_reranked({{50, 3}})}};
  const std::vector<std::string> metrics{"i2t.R@1"};
  for (const auto& variants : {std::vector{base, a, b}, std::vector{base, b, a}, std::vector{b, a, base}}) {
    const std::vector<Value> rows = variant_rows(variants, "base", metrics);
    for (size_t at = 0; at < variants.size(); ++at) {
      SCOPED_TRACE(variants[0].name + variants[1].name + ": " + variants[at].name);
      if (variants[at].name == "base") continue;
      const Value& comparison = rows[at].as_list().at(0).at("comparison");
      ASSERT_TRUE(comparison.is_object());
      EXPECT_EQ(comparison.at("difference").as_double(), variants[at].name == "a" ? 25 : 50);
      EXPECT_TRUE(variants[at].name == "b" || rows[at].as_list().at(1).at("comparison").is_null())
          << "a's k 50 has none left of the baseline";
    }
  }
}

TEST(RowLines, OfWhatTheBaselineLacksHoldEqualParameters) {
  const auto key = [](int64_t k) {
    RowKey of{"multivariate", "strict", false, {}};
    of.parameters["k"] = k;
    return of;
  };
  const std::vector<std::vector<RowKey>> evaluations{{key(25), key(50)}, {key(25)}, {key(75), key(50), key(25)}, {}};
  const std::vector<std::vector<size_t>> lines{{0, 1}, {0}, {2, 1, 0}, {}};
  EXPECT_EQ(row_lines(evaluations, 1).line_of, lines);
  EXPECT_EQ(row_lines(evaluations, 3).line_of, lines) << "the first with rows for a baseline that has none";
  EXPECT_EQ(row_lines(evaluations, 4).line_of, lines) << "... and where there is none";
  EXPECT_TRUE(row_lines({}, 0).lines.empty());
}

TEST(VariantRows, OfARunWithoutRanksCountInTheMeanAlone) {
  TableRun without = run_that_finds(2, 4);
  without.ranks.reset();
  const std::vector<TableVariant> variants{{"new", {run_that_finds(1, 3), without}},
                                           {"old", {run_that_finds(1, 1), run_that_finds(2, 1)}}};
  const std::vector<std::string> metrics{"i2t.R@1"};
  const Value row = variant_rows(variants, "old", metrics)[0].as_list()[1];
  EXPECT_EQ(row.at("metrics").at("i2t.R@1").at("mean").as_double(), 87.5);
  EXPECT_EQ(row.at("comparison").at("difference").as_double(), 50);
  EXPECT_EQ(row.at("comparison").at("left_out"), Value(Value::List{2}));
}

/// The pairs of a small benchmark: four of relation, one of count.
const std::vector<AbilityPair> five_pairs{{"0", "relation", "a", {0, 1}, {0, 1}},
                                          {"1", "relation", "a", {0, 1}, {0, 1}},
                                          {"2", "relation", "b", {0, 1}, {0, 1}},
                                          {"3", "relation", "b", {0, 1}, {0, 1}},
                                          {"4", "count", "c", {2, 3}, {2, 3}}};

/// A run that also has the first `right` of those pairs right, and of the others the text.
TableRun run_with_pairs(int64_t seed, size_t found, size_t right) {
  TwoWayRanks ranks{std::vector<int64_t>(4, 2), std::vector<int64_t>(4, 2)};
  for (size_t at = 0; at < found; ++at) ranks.i2t[at] = ranks.t2i[at] = 1;
  EvaluationRow plain;
  plain.reranker = "none";
  plain.metrics = {direction_metrics(ranks.i2t), direction_metrics(ranks.t2i)};
  plain.ranks = ranks;
  EvaluationRow reranked = plain;
  reranked.reranker = "multivariate";
  reranked.parameters["k"] = 25;
  for (size_t at = 0; at < five_pairs.size(); ++at) plain.pair_outcomes.push_back({true, at < right});
  plain.abilities = ability_rows(five_pairs, plain.pair_outcomes);
  const std::vector<EvaluationRow> rows{plain, reranked};
  return {seed, to_value(rows),
          SavedRanks{"test", "hash", "", {0, 1, 2, 3}, ranked_rows(rows), saved_pairs(five_pairs, rows)}};
}

/// results.json of a sweep that names metrics of abilities.
Value ability_results() {
  const std::vector<TableVariant> variants{{"new", {run_with_pairs(1, 2, 4), run_with_pairs(2, 2, 3)}},
                                           {"old", {run_with_pairs(1, 2, 1), run_with_pairs(2, 3, 1)}}};
  const std::vector<std::string> metrics{"relation.group", "relation.text", "mR"};
  const std::vector<Value> rows = variant_rows(variants, "old", metrics);
  Value value = Value::object();
  value["name"] = "pairs";
  value["split"] = "test";
  value["baseline"] = "old";
  value["metrics"] = Value::list();
  for (const std::string& name : metrics) value["metrics"].push_back(name);
  value["variants"] = Value::list();
  for (size_t at = 0; at < variants.size(); ++at) {
    Value entry = Value::object();
    entry["name"] = variants[at].name;
    entry["runs"] = parse_json(R"([{"seed": 1, "status": "finished"}, {"seed": 2, "status": "finished"}])", "");
    entry["rows"] = rows[at];
    value["variants"].push_back(entry);
  }
  value["statistics"] = to_value(SignificanceOptions{});
  return value;
}

TEST(VariantRows, CompareAbilitiesByPairsAndOnlyInTheRowThatHasThem) {
  const Value results = ability_results();
  const Value::List& rows = results.at("variants").as_list()[0].at("rows").as_list();
  const Value& plain = rows.at(0);
  EXPECT_EQ(plain.at("metrics").as_object()[0].first, "relation.group");
  EXPECT_EQ(plain.at("metrics").at("relation.group").at("mean").as_double(), 87.5);  // 4/4 and 3/4
  EXPECT_EQ(plain.at("metrics").at("relation.text").at("mean").as_double(), 100);
  EXPECT_EQ(plain.at("metrics").at("count.image").at("mean").as_double(), 0);
  EXPECT_EQ(plain.at("comparison").at("metric").as_string(), "relation.group");
  EXPECT_EQ(plain.at("comparison").at("difference").as_double(), 62.5);
  const Value& of_abilities = plain.at("ability_comparisons");
  ASSERT_EQ(of_abilities.as_object().size(), 3u);  // both groups, and the chosen text
  EXPECT_EQ(of_abilities.at("relation.group"), plain.at("comparison"));
  EXPECT_EQ(of_abilities.at("count.group").at("difference").as_double(), 0);
  EXPECT_EQ(of_abilities.at("relation.text").at("p").as_double(), 1);
  const Value& reranked = rows.at(1);
  EXPECT_EQ(reranked.at("metrics").find("relation.group"), nullptr);
  EXPECT_TRUE(reranked.at("comparison").is_null());
  EXPECT_EQ(reranked.find("ability_comparisons"), nullptr);
  EXPECT_EQ(results.at("variants").as_list()[1].at("rows").as_list()[0].find("ability_comparisons"), nullptr);
}

TEST(VariantRows, RefuseRunsOnOtherPairs) {
  TableRun other = run_with_pairs(2, 2, 2);
  other.ranks->pairs->hash = "another";
  const std::vector<TableVariant> variants{{"new", {run_with_pairs(1, 2, 2)}}, {"old", {other}}};
  EXPECT_THROW(variant_rows(variants, "old", {}), InputError);
}

TEST(Leaderboard, ShowsAbilitiesInPercentAndADashInOtherRows) {
  const std::string text = format_leaderboard(ability_results());
  EXPECT_NE(text.find("new      2       87.50 ± 17.68  100.00 ± 0.00  "), std::string::npos) << text;
  EXPECT_NE(text.find("relation.group less old [95%]"), std::string::npos) << text;
  const size_t reranked = text.find("multivariate {\"k\": 25}\n");
  ASSERT_NE(reranked, std::string::npos) << text;
  EXPECT_NE(text.find(" -  ", reranked), std::string::npos) << text;
  EXPECT_NE(text.find("paired bootstrap interval over pairs ("), std::string::npos) << text;
  EXPECT_NE(text.find("randomisation test over pairs ("), std::string::npos) << text;
  EXPECT_NE(text.find("guessing gives 25, 25 and 16.67."), std::string::npos) << text;
  EXPECT_EQ(format_leaderboard(results()).find("guessing"), std::string::npos);

  const std::string latex = table_latex(ability_results());
  EXPECT_NE(latex.find("    & & \\multicolumn{2}{c}{relation} & & \\\\\n"), std::string::npos) << latex;
  EXPECT_NE(latex.find("Variant & Seeds & group & text & mR & $\\Delta$ relation.group"), std::string::npos) << latex;
  EXPECT_NE(latex.find("new & 2 & -- & -- & $"), std::string::npos) << latex;
  EXPECT_NE(table_markdown(ability_results()).find("| new | 2 | - | - | "), std::string::npos)
      << table_markdown(ability_results());
}

/// The same with the oracle's figures: of relation three of the four pairs, of scene none.
Value oracle_results() {
  Value value = ability_results();
  value["oracle"] = parse_json(
      R"([{"variants": ["new", "old"], "rows": [
          {"ability": "relation", "pairs": 4, "text": 75, "image": 100, "group": 75, "kinds": []}]}])",
      "oracle");
  return value;
}

/// The one line of a text that begins so.
std::string line_that_begins(const std::string& text, const std::string& begin) {
  const size_t at = text.find("\n" + begin) + 1;
  return at == 0 ? "" : text.substr(at, text.find('\n', at) - at);
}

TEST(TableOracle, StandsBelowThePlainRowsWithItsFiguresAlone) {
  const std::string text = format_leaderboard(oracle_results());
  EXPECT_EQ(line_that_begins(text, "(oracle)  "), "(oracle)                  75.00          75.00") << text;
  EXPECT_LT(text.find("\n(oracle)  "), text.find("multivariate {"));
  EXPECT_NE(
      text.find("\n(oracle): no model; it reads the detections and the captions by rule; ties count as failures."),
      std::string::npos)
      << text;
  // 87.5 and 25 of 75.
  EXPECT_NE(text.find("\nrelation.group in percent of (oracle): new 116.7, old 33.3.\n"), std::string::npos) << text;

  const std::string markdown = table_markdown(oracle_results());
  EXPECT_EQ(line_that_begins(markdown, "| (oracle)"), "| (oracle) |  | 75.00 | 75.00 |  |  |  |") << markdown;
  const std::string latex = table_latex(oracle_results());
  EXPECT_NE(latex.find("    \\addlinespace\n    (oracle) & & $75.00$ & $75.00$ &  & \\\\\n"), std::string::npos)
      << latex;
  EXPECT_NE(latex.find(" (oracle): no model; it reads"), std::string::npos) << latex;
  const std::string csv = table_csv(oracle_results());
  EXPECT_TRUE(csv.ends_with("\n(oracle),,,,,,,,75,,75,,,,,,,,,,,,,\n")) << csv;
}

TEST(TableOracle, IsNeverTheBestOfAColumn) {
  Value results = oracle_results();
  results["oracle"].as_list()[0]["rows"].as_list()[0]["group"] = 99;
  EXPECT_NE(table_markdown(results).find("| new | 2 | **87.50 ± 17.68** |"), std::string::npos)
      << table_markdown(results);
}

TEST(TableOracle, IsLeftOutWhereNoColumnIsAnAbilitysThatItHas) {
  Value results = oracle_results();
  results["metrics"] = Value(Value::List{"mR", "count.group"});
  for (const std::string& table :
       {format_leaderboard(results), table_markdown(results), table_latex(results), table_csv(results)})
    EXPECT_EQ(table.find("oracle"), std::string::npos) << table;
}

TEST(TableOracle, OfSeveralDatasetsNamesTheVariantsAndEachHasItsShareOfItsOwn) {
  Value results = oracle_results();
  Value second = results.at("oracle").as_list()[0];
  results["oracle"].as_list()[0]["variants"] = Value(Value::List{"new"});
  second["variants"] = Value(Value::List{"old"});
  second["rows"].as_list()[0]["group"] = 50;
  results["oracle"].push_back(second);
  const std::string text = format_leaderboard(results);
  EXPECT_NE(text.find("\n(oracle on the data of new)  "), std::string::npos) << text;
  EXPECT_NE(text.find("relation.group in percent of (oracle on the data of old): old 50.0.\n"), std::string::npos)
      << text;
}

/// A run folder whose outcome, record and ranks are of one evaluation.
class RunsRanks : public ::testing::Test {
 protected:
  RunsRanks() {
    TableRun run = run_that_finds(1, 3);
    outcome_.rows = run.rows;
    ranks_ = *run.ranks;
    ranks_.weights_hash = "weights";
    testing::write_text(folder_.path() / "record.json", R"({"weights": "weights"})");
    write_ranks(file_, ranks_);
  }
  std::string why() const { return SweepRunFolder(folder_.path()).why_ranks_lost(outcome_, "test"); }

  testing::TemporaryFolder folder_;
  std::filesystem::path file_ = folder_.path() / "ranks.test.safetensors";
  RunOutcome outcome_;
  SavedRanks ranks_;
};

TEST_F(RunsRanks, OfTheOutcomesEvaluationAreKnown) { EXPECT_EQ(why(), ""); }

TEST_F(RunsRanks, ThatAreMissingOrDamagedOrOfOtherWeightsAreLost) {
  ranks_.weights_hash = "others";
  write_ranks(file_, ranks_);
  EXPECT_NE(why().find("of other weights"), std::string::npos) << why();
  testing::write_text(file_, "damaged");
  EXPECT_NE(why(), "");
  std::filesystem::remove(file_);
  EXPECT_NE(why().find("is not there"), std::string::npos) << why();
}

TEST_F(RunsRanks, OfOtherRowsOrOfAnotherResultAreLost) {
  SavedRanks other = ranks_;
  other.rows[0].row = 0;
  write_ranks(file_, other);
  EXPECT_NE(why().find("a row 0.none, which the run's evaluation has not"), std::string::npos) << why();
  other = ranks_;
  other.rows.clear();
  write_ranks(file_, other);
  EXPECT_NE(why().find("lack row 1.none"), std::string::npos) << why();
  // The same row with other parameters shows in its figures alone.
  other = ranks_;
  other.rows[0].ranks.t2i[0] = 3;
  write_ranks(file_, other);
  EXPECT_NE(why().find("row 1.none has other metrics"), std::string::npos) << why();
}

}  // namespace
}  // namespace orbweaver
