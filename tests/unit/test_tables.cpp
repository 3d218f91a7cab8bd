#include <gtest/gtest.h>

#include <cmath>
#include <string>

#include "framework/io/json.h"
#include "framework/sweep/tables.h"
#include "orbweaver/error.h"

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
  EXPECT_EQ(format_leaderboard(results()),
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
            "p: two-sided paired randomisation test over images (10000 permutations), Holm-corrected over 1 variant; * "
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
  EXPECT_EQ(table_markdown(results()),
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
            "- p: two-sided paired randomisation test over images (10000 permutations), Holm-corrected over 1 variant; "
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
      "permutations), Holm-corrected over 1 variant. max\\_1: compared on 1 common seed; left out: 2.}\n"
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

TEST(SignificanceMarks, FollowHolmsPAndNeedSignificance) {
  const auto marks = [](double p, bool significant) {
    return significance_marks(Value(Value::Object{{"p_holm", p}, {"significant", significant}}));
  };
  EXPECT_EQ(marks(0.0009, true), "***");
  EXPECT_EQ(marks(0.001, true), "**");
  EXPECT_EQ(marks(0.01, true), "*");
  EXPECT_EQ(marks(0.05, true), "*");
  EXPECT_EQ(marks(0.06, false), "");
  EXPECT_EQ(significance_marks(Value()), "");
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
  return {seed, to_value(rows), {"test", "hash", "", {0, 1, 2, 3}, ranked_rows(rows)}};
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
  other.ranks.split_hash = "another";
  const std::vector<TableVariant> variants{{"new", {run_that_finds(1, 3)}}, {"old", {other}}};
  try {
    variant_rows(variants, "old", {});
    FAIL();
  } catch (const InputError& error) {
    EXPECT_NE(std::string(error.what()).find("old with seed 2"), std::string::npos);
  }
}

}  // namespace
}  // namespace orbweaver
