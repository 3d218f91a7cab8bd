// A sweep's table as CSV, in full.
#include <fmt/format.h>

#include "framework/io/json.h"
#include "framework/io/lenient.h"
#include "framework/sweep/table_view.h"
#include "framework/sweep/tables.h"

namespace orbweaver {
namespace {

using namespace table;

std::string csv_cell(const std::string& text) {
  if (text.find_first_of(",\"\n\r") == std::string::npos) return text;
  std::string quoted = "\"";
  for (const char c : text) quoted += c == '"' ? std::string("\"\"") : std::string(1, c);
  return quoted + "\"";
}

/// Whatever the value is, in full: a number's shortest text that reads back the same.
std::string csv_value(const Value& value) {
  if (value.is_null()) return "";
  if (value.is_string()) return csv_cell(value.as_string());
  if (value.type() == Value::Type::number) return fmt::format("{}", value.as_double());
  return csv_cell(to_json(value, -1));
}

void append_csv_line(std::string& csv, const std::vector<std::string>& cells) {
  for (size_t at = 0; at < cells.size(); ++at) csv += (at ? "," : "") + cells[at];
  csv += "\n";
}

std::string failures_cell(const RunCounts& runs) {
  std::string text;
  for (const FailedRun& failed : runs.failed)
    text += fmt::format("{}{}: {}", text.empty() ? "" : "; ", failed.name, failed.reason);
  if (text.empty() && runs.finished == 0) return runs.unfinished;
  return text;
}

}  // namespace

std::string table_csv(const Value& results) {
  const std::vector<std::string> metrics = metrics_of(results);
  static const std::vector<std::string> comparison_keys{"to",       "metric", "difference", "low",    "high",
                                                        "seed_std", "seeds",  "p",          "p_holm", "significant"};
  std::vector<std::string> head{"variant",         "reranker", "parameters", "tie_rule",
                                "duplicate_aware", "seeds",    "failed",     "reason"};
  const size_t before_metrics = head.size();
  for (const std::string& metric : metrics) head.insert(head.end(), {metric + "_mean", metric + "_std"});
  head.insert(head.end(), {"compared_to", "compared_metric", "difference", "low", "high", "seed_std", "seeds_compared",
                           "p", "p_holm", "significant"});
  std::string csv;
  append_csv_line(csv, head);
  for (const Value& variant : list_of(member(results, "variants"))) {
    const RunCounts runs = count_runs(variant);
    const auto append = [&](const Value& row) {
      std::vector<std::string> cells{csv_value(member(variant, "name"))};
      for (const char* key : {"reranker", "parameters", "tie_rule", "duplicate_aware"})
        cells.push_back(csv_value(member(row, key)));
      cells.push_back(fmt::format("{}", list_of(member(row, "seeds")).size()));
      cells.push_back(fmt::format("{}", runs.failed.size()));
      cells.push_back(csv_cell(failures_cell(runs)));
      for (const std::string& metric : metrics)
        for (const char* key : {"mean", "std"})
          cells.push_back(csv_value(member(member(member(row, "metrics"), metric), key)));
      for (const std::string& key : comparison_keys) cells.push_back(csv_value(member(member(row, "comparison"), key)));
      append_csv_line(csv, cells);
    };
    const Value::List& rows = list_of(member(variant, "rows"));
    for (const Value& row : rows) append(row);
    if (rows.empty()) append(null_value());
  }
  const Table table = table_of(results);
  for (const DatasetOracle& oracle : table.oracles) {
    std::vector<std::string> cells{csv_cell(table.label(oracle))};
    cells.resize(before_metrics);
    for (const std::string& metric : metrics) {
      const std::optional<double> value = oracle.metric(metric);
      cells.insert(cells.end(), {value ? fmt::format("{}", *value) : "", ""});
    }
    cells.resize(head.size());
    append_csv_line(csv, cells);
  }
  return csv;
}

}  // namespace orbweaver
