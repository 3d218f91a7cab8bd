// A sweep's table on a terminal.
#include <fmt/format.h>

#include <algorithm>

#include "framework/io/lenient.h"
#include "framework/sweep/table_view.h"
#include "framework/sweep/tables.h"

namespace orbweaver {
namespace {

using namespace table;

/// Columns that a text takes: code points of its UTF-8.
size_t display_width(std::string_view text) {
  return static_cast<size_t>(std::ranges::count_if(text, [](char c) { return (c & 0xc0) != 0x80; }));
}

std::string padded(const std::string& text, size_t width, bool right = false) {
  const std::string blanks(width - std::min(width, display_width(text)), ' ');
  return right ? blanks + text : text + blanks;
}

/// A section as texts, column by column; a line without a row has its reason instead of figures.
std::string terminal_section(const Table& table, const Section& section) {
  std::vector<std::string> head{"variant", "seeds"};
  head.insert(head.end(), table.metrics.begin(), table.metrics.end());
  if (table.has_comparisons()) head.insert(head.end(), {difference_head(table), "p (Holm)", ""});
  std::vector<std::vector<std::string>> lines;
  std::vector<size_t> widths;
  for (const std::string& text : head) widths.push_back(display_width(text));
  for (const Line& line : section.lines) {
    const RunCounts& runs = table.runs[line.variant_at];
    std::vector<std::string>& cells = lines.emplace_back(std::vector{one_line(line.variant), runs.seeds()});
    if (line.row) {
      for (const std::string& metric : table.metrics) cells.push_back(plain_figure(line, metric));
      if (table.has_comparisons()) {
        const Value& comparison = comparison_of(line);
        cells.insert(cells.end(), {plain_difference(table, line), p_text(member(comparison, "p_holm")),
                                   marks_of(table, comparison)});
      }
    }
    for (size_t at = 0; at < cells.size(); ++at) widths[at] = std::max(widths[at], display_width(cells[at]));
    if (!line.row) cells.push_back(runs.finished > 0 ? "no such row" : runs.unfinished);
  }
  for (const DatasetOracle& oracle : table.oracles_of(section)) {
    std::vector<std::string>& cells = lines.emplace_back(std::vector{table.label(oracle), std::string()});
    for (const std::string& metric : table.metrics) cells.push_back(oracle_figure(oracle, metric));
    for (size_t at = 0; at < cells.size(); ++at) widths[at] = std::max(widths[at], display_width(cells[at]));
  }
  const auto written = [&](const std::vector<std::string>& cells, bool spans) {
    std::string text;
    for (size_t at = 0; at < cells.size(); ++at) {
      const bool free = spans && at + 1 == cells.size();
      const bool right = at > 1 && at < 2 + table.metrics.size();
      text += (at ? "  " : "") + (free ? cells[at] : padded(cells[at], widths[at], right));
    }
    text.erase(text.find_last_not_of(' ') + 1);
    return text + "\n";
  };
  std::string text = written(head, false);
  for (size_t at = 0; at < lines.size(); ++at)
    text += written(lines[at], at < section.lines.size() && !section.lines[at].row);
  return text;
}

constexpr size_t log_lines_shown = 5;

std::string failures_text(const Table& table) {
  std::string text;
  for (const RunCounts& runs : table.runs) {
    for (const FailedRun& failed : runs.failed) {
      text += fmt::format("{}: failed: {}\n", failed.name, failed.reason);
      const size_t first = failed.log_tail.size() - std::min(failed.log_tail.size(), log_lines_shown);
      for (size_t at = first; at < failed.log_tail.size(); ++at) text += fmt::format("  | {}\n", failed.log_tail[at]);
    }
  }
  return text;
}

}  // namespace

std::string format_leaderboard(const Value& results) {
  const Table table = table_of(results);
  std::string text = table.name;
  if (!table.dataset.empty()) text += (text.empty() ? "" : " on ") + table.dataset;
  if (!text.empty()) text += "\n";
  for (const Section& section : table.sections) {
    text += text.empty() ? "" : "\n";
    if (table.has_titles()) text += section.title() + "\n";
    text += terminal_section(table, section);
  }
  if (const std::string failures = failures_text(table); !failures.empty()) text += "\n" + failures;
  text += "\n";
  for (const std::string& note : notes_of(table)) text += note + "\n";
  return text;
}

}  // namespace orbweaver
