// What every form of a sweep's table shows: sections of lines, their figures and notes. For tables.h's own files.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "framework/eval/ability_oracle.h"
#include "orbweaver/value.h"

namespace orbweaver::table {

struct FailedRun {
  std::string name, reason;
  std::vector<std::string> log_tail;
};

/// How the runs of a variant stand.
struct RunCounts {
  size_t all = 0, finished = 0;
  std::vector<FailedRun> failed;
  std::vector<std::string> remarks;  ///< on finished runs: "f1-s2: not compared: ..."
  std::string unfinished;            ///< why there is no row: "failed: ...", "running", "waiting", "stopped"

  std::string seeds() const;  ///< "3", "2/3" where one has not finished
};

/// A variant's line; `row` is null when none of its runs has this kind of row.
struct Line {
  std::string variant;
  const Value* row = nullptr;
  size_t variant_at = 0;
};

/// The rows on one line of row_lines.h: those that are compared with each other.
struct Section {
  std::string reranker;
  Value parameters;  ///< of the baseline's row, or of the first where that has none
  std::vector<Line> lines;

  /// "max: k=50; lse: k=75" for the lines with other parameters.
  std::string differences() const;
  /// Of the parameters in which a line differs, what they are in `parameters`: "k=25".
  std::string differed_from() const;
  /// "without rerank", "multivariate {"k": 25}; max: k=50"
  std::string title() const;
  /// Without the parameters that all lines share: "multivariate", "multivariate (k=25; max: k=50)".
  std::string short_title() const;
};

/// What a comparison in the table is about; from the first one there is.
struct ComparisonNote {
  std::string to, metric;
  std::vector<size_t> families;      ///< of each section, the comparisons that Holm corrected over
  std::vector<std::string> unequal;  ///< "f2: compared on 2 common seeds; left out: 3"
};

struct Table {
  std::string name, description, dataset, split, baseline;
  std::vector<std::string> metrics;
  std::vector<RunCounts> runs;  ///< of each variant
  std::vector<Section> sections;
  ComparisonNote compared;
  double interval = 0.95, alpha = 0.05;
  int64_t resamples = 0, permutations = 0;
  bool single_seed = false;  ///< some row has one seed only
  /// Of each dataset, where a column is of an ability that it has figures of.
  std::vector<DatasetOracle> oracles;

  std::vector<std::string> remarks;  ///< on single runs

  bool has_comparisons() const { return !compared.to.empty(); }
  bool has_titles() const { return sections.size() > 1 || sections.front().reranker != "none"; }
  /// Those below a section: rows with a reranker have no figures of abilities.
  std::span<const DatasetOracle> oracles_of(const Section& section) const {
    return section.reranker == "none" ? std::span<const DatasetOracle>(oracles) : std::span<const DatasetOracle>();
  }
  /// In parentheses, which no variant's name has.
  std::string label(const DatasetOracle& oracle) const { return "(" + oracle_name(oracle, oracles.size()) + ")"; }
};

Table table_of(const Value& results);

/// The columns; without a word in the results those that can be compared.
std::vector<std::string> metrics_of(const Value& results);
RunCounts count_runs(const Value& variant);

/// A metric of a line: mean and, with two seeds or more, deviation.
struct MeanStd {
  std::optional<double> mean, std;
};

MeanStd metric_of_line(const Line& line, const std::string& metric);

/// With two decimals.
std::string figure(double value);
/// What stands where a row has no such figure: of abilities only rows without a reranker have any.
bool is_dash(const Line& line, const std::string& metric);
/// Whether a line's metric is the section's best as far as the table shows it: equal figures are equally good.
bool is_best(const Section& section, const Line& line, const std::string& metric);
/// Of a row, or null.
const Value& comparison_of(const Line& line);
/// Nothing where the comparison is not significant at the table's alpha.
std::string marks_of(const Table& table, const Value& comparison);
std::string signed_figure(const Value& number);
/// A p-value with the digits that its permutations give.
std::string p_text(const Value& p);
std::string percent(double share);
/// The oracle's figure of a column; "" for what it has none of.
std::string oracle_figure(const DatasetOracle& oracle, const std::string& metric);
/// "12.34 ± 0.25".
std::string plain_figure(const Line& line, const std::string& metric);
/// "+0.76 [+0.10, +1.50] ± 0.20", "baseline" or "".
std::string plain_difference(const Table& table, const Line& line);
/// "mR less g1 [95%]".
std::string difference_head(const Table& table);
/// "Holm-corrected over 3 comparisons"; each section is a family of its own.
std::string correction_text(const Table& table);
/// The sentences below a table.
std::vector<std::string> notes_of(const Table& table);
/// Log lines and reasons are whatever a process wrote: one line, no control characters.
std::string one_line(std::string text);
/// A missing member, where something is to be referred to.
const Value& null_value();

}  // namespace orbweaver::table
