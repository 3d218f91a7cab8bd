// What a report is about: variants, their runs and their figures, from a sweep's results.json or from run folders.
#pragma once

#include <cstdint>
#include <filesystem>
#include <map>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "framework/eval/ability_oracle.h"
#include "orbweaver/value.h"

namespace orbweaver {

/// A metric over the seeds of a variant.
struct ReportMetric {
  std::string name;  ///< "mR", "i2t.R@1"
  double mean = 0;
  std::optional<double> deviation;  ///< none for one seed
  std::vector<double> values;       ///< a seed each
};

/// A row against the baseline's row on the same line (framework/eval/row_lines.h), in points of a metric.
struct ReportComparison {
  std::string to, metric;
  double difference = 0, low = 0, high = 0;
  std::optional<double> seed_deviation;  ///< of the paired difference, over seeds
  std::optional<double> p, p_holm;
  std::optional<bool> significant;
  int64_t seeds = 1;              ///< compared: those that both have
  std::vector<int64_t> left_out;  ///< seeds that only one of them has
};

/// A line of a variant's table.
struct ReportRow {
  std::string reranker;  ///< "none", "identity", or a component id
  /// Of its line: "plain", "multivariate", "multivariate [2]" (a second one), "plain, same text". Rows of one label are
  /// compared; their parameters may differ where a variant is about these.
  std::string label;
  Value parameters;
  std::string tie_rule;  ///< "strict" or "arbitrary"
  bool duplicate_aware = false;
  std::vector<int64_t> seeds;
  std::vector<ReportMetric> metrics;
  std::optional<ReportComparison> comparison;
  /// By metric ("relation.group"): of the pairs of abilities (framework/eval/abilities.h), each a family of its own.
  std::map<std::string, ReportComparison> ability_comparisons;

  const ReportMetric* metric(const std::string& name) const;
  /// Strict, own positives, and no identity reranker: what a paper would report.
  bool strict() const { return tie_rule == "strict"; }
  bool reported() const { return strict() && !duplicate_aware && reranker != "identity"; }
};

/// An epoch's line of metrics.jsonl.
struct ReportEpoch {
  int64_t epoch = 0;
  std::vector<std::pair<std::string, double>> values;  ///< "loss", "validation mR", "learning rate", "loss: <part>"
};

struct ReportRun {
  std::string name;  ///< "f1-s1"
  std::filesystem::path folder;
  int64_t seed = 0;
  std::string status;  ///< finished, failed, running, waiting, stopped
  std::string reason;
  std::vector<std::string> log_tail;
  std::string identity;
  std::string trained_as;  ///< the run whose training it shares, having the same identity; empty: none
  std::optional<double> seconds, epoch_seconds, peak_memory_mib, val_mean_recall;
  std::optional<int64_t> best_epoch;
  Value config, record;  ///< null where the folder has none
  Value rows;            ///< of its evaluation, as the report's figures have them; null where unknown
  std::string weights;   ///< hash of the weights that were evaluated; empty where unknown
  std::vector<ReportEpoch> epochs;
  bool finished() const { return status == "finished"; }
};

struct ReportVariant {
  std::string name, description;
  std::vector<std::string> overrides;
  std::string config;  ///< the file it began with, where it has one of its own
  std::vector<ReportRun> runs;
  std::vector<ReportRow> rows;
  const ReportRow* plain_row() const;  ///< the strict row without a reranker
};

struct ReportData {
  bool sweep = false;
  std::string name, description;
  std::string split = "test";
  std::string baseline;       ///< name of a variant, or empty
  std::string metric = "mR";  ///< says which variant is the best; a sweep's is its first
  std::vector<ReportVariant> variants;
  std::optional<double> wall_seconds;
  Value dataset, cache, statistics;    ///< as results.json has them; null without
  std::vector<DatasetOracle> oracles;  ///< of the split's pairs of abilities, by variant's name

  /// What a variant is called: "run" where each run is one of its own.
  const char* noun() const { return sweep ? "variant" : "run"; }
  double alpha() const;  ///< the level at which differences are called significant
};

/// Of a strict row with own positives: "plain" for "none"; numbered where `earlier` lines have the same reranker.
std::string row_label(const std::string& reranker, size_t earlier);

/// A sweep's results. @throws InputError naming the file and what is wrong with it.
ReportData read_sweep_report(const std::filesystem::path& results);

/// Run folders as variants. The split is test where any run was evaluated on it, else what the first was evaluated on.
/// @throws InputError naming a folder that is no run.
ReportData read_runs_report(const std::vector<std::filesystem::path>& folders);

}  // namespace orbweaver
