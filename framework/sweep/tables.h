// Tables of a sweep: what its runs amount to, and how that reads on a terminal, as CSV, in Markdown and in LaTeX.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "framework/eval/saved_ranks.h"
#include "framework/eval/significance.h"
#include "orbweaver/value.h"

namespace orbweaver {

/// A finished run as a table needs it.
struct TableRun {
  int64_t seed = 0;
  Value rows;                       ///< to_value of its EvaluationRows
  std::optional<SavedRanks> ranks;  ///< of the same evaluation; none: it is not compared
};

/// A variant and its finished runs; those that failed are left out here.
struct TableVariant {
  std::string name;
  std::vector<TableRun> runs;
};

/// "rows" of each variant in results.json, one list for each variant: for every row that its runs have (told apart by
/// reranker, tie rule, positives and parameters) {"reranker", "parameters", "transductive", "tie_rule",
/// "duplicate_aware", "seeds": [1, 2], "metrics": {name: to_value(SeedSummary), ...}, "comparison":
/// to_value(Comparison) or null}. All of metric_names() are there, in the order `metrics`, then the rest; in a row that
/// scored the pairs of abilities also "<ability>.text", ".image" and ".group", and "ability_comparisons": {metric:
/// to_value(Comparison)} of each ability's group metric and of those among `metrics`, each a family of its own for
/// Holm.
///
/// Rows with ranks are compared with the baseline's row on the same line of the table, by the first of `metrics` that
/// can be compared (by pairs where it is an ability's, which leaves rows without pairs uncompared): the row with the
/// same parameters where the baseline has one, else by place among those left over (framework/eval/row_lines.h). Holm
/// corrects over the variants compared on a line; each line is a family of its own.
///
/// @throws InputError where runs were evaluated on other splits (their hashes differ) or a metric is unknown.
std::vector<Value> variant_rows(std::span<const TableVariant> variants, const std::string& baseline,
                                std::span<const std::string> metrics, const SignificanceOptions& options = {});

/// The tables below read results.json's value as it is; whatever is missing in it (runs still waiting, a sweep without
/// a baseline) leaves its cells empty. They show strict rows with own positives; the identity reranker's only beside
/// other rerankers. Variants stand in the sweep's order. A variant of which no run finished has the reason in its line.
/// Where a column is an ability's that "oracle" of the results has figures of, a line "(oracle)" follows the variants'
/// plain rows: no seeds, no other figures, never the best of a column. Parentheses stand in no variant's name.

/// Leaderboard for a terminal: mean ± deviation of every metric of the results, difference to the baseline with its
/// interval, Holm's p and marks; then failures with the last lines of their logs, and what the figures mean. A section
/// holds the rows that are compared with each other; its head names the parameters of the baseline's row (of the first
/// where that has none) and, variant by variant, what is different in the others. UTF-8.
std::string format_leaderboard(const Value& results);

/// One line for each variant and row, duplicate-aware and arbitrary rows too, full precision: variant, reranker,
/// parameters, tie_rule, duplicate_aware, seeds, failed, reason, then <metric>_mean and <metric>_std of each metric,
/// then compared_to, compared_metric, difference, low, high, seed_std, seeds_compared, p, p_holm, significant.
/// Then a line "(oracle)" for each dataset's, its figures as means, the rest empty. RFC 4180 quoting, lines end in LF.
std::string table_csv(const Value& results);

/// GitHub's tables: best of each column bold, marks beside the difference, a note that says which test it was.
std::string table_markdown(const Value& results);

/// A table environment for LaTeX with booktabs: best of each column bold, marks beside the difference, a caption that
/// says what the figures and marks are, a label "tab:<name>". Special characters are escaped.
std::string table_latex(const Value& results);

/// Text with LaTeX's ten special characters made harmless.
std::string latex_escaped(const std::string& text);

}  // namespace orbweaver
