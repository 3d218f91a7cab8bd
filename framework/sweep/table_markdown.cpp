// A sweep's table in Markdown.
#include <fmt/format.h>

#include <string_view>

#include "framework/io/lenient.h"
#include "framework/sweep/table_view.h"
#include "framework/sweep/tables.h"

namespace orbweaver {
namespace {

using namespace table;

std::string markdown_cell(const std::string& text) {
  std::string safe;
  for (const char c : one_line(text)) {
    if (std::string_view("\\|*_`<>[]").find(c) != std::string_view::npos) safe += '\\';
    safe += c;
  }
  return safe;
}

std::string markdown_line(const std::vector<std::string>& cells) {
  std::string text = "|";
  for (const std::string& cell : cells) text += " " + cell + " |";
  return text + "\n";
}

std::string markdown_section(const Table& table, const Section& section) {
  std::vector<std::string> head{"variant", "seeds"}, rule{":---", "---:"};
  for (const std::string& metric : table.metrics) {
    head.push_back(metric);
    rule.push_back("---:");
  }
  if (table.has_comparisons()) {
    head.insert(head.end(), {markdown_cell(difference_head(table)), "p (Holm)"});
    rule.insert(rule.end(), {":---", "---:"});
  }
  std::string text = markdown_line(head) + markdown_line(rule);
  for (const Line& line : section.lines) {
    const RunCounts& runs = table.runs[line.variant_at];
    std::vector<std::string> cells{markdown_cell(line.variant), runs.seeds()};
    if (!line.row) {
      cells.push_back(markdown_cell(runs.finished > 0 ? "no such row" : runs.unfinished));
      cells.resize(head.size());
    } else {
      for (const std::string& metric : table.metrics) {
        const std::string shown = plain_figure(line, metric);
        cells.push_back(is_best(section, line, metric) ? "**" + shown + "**" : shown);
      }
      if (table.has_comparisons()) {
        const Value& comparison = comparison_of(line);
        const std::string marks = markdown_cell(marks_of(table, comparison));
        cells.push_back(markdown_cell(plain_difference(table, line)) + (marks.empty() ? "" : " " + marks));
        cells.push_back(markdown_cell(p_text(member(comparison, "p_holm"))));
      }
    }
    text += markdown_line(cells);
  }
  for (const DatasetOracle& oracle : table.oracles_of(section)) {
    std::vector<std::string> cells{markdown_cell(table.label(oracle)), ""};
    for (const std::string& metric : table.metrics) cells.push_back(oracle_figure(oracle, metric));
    cells.resize(head.size());
    text += markdown_line(cells);
  }
  return text;
}

}  // namespace

std::string table_markdown(const Value& results) {
  const Table table = table_of(results);
  std::string text = "### " + markdown_cell(table.name) + "\n";
  if (!table.description.empty()) text += "\n" + markdown_cell(table.description) + "\n";
  if (!table.dataset.empty()) text += "\n" + markdown_cell(table.dataset) + "\n";
  for (const Section& section : table.sections) {
    if (table.has_titles()) text += "\n" + markdown_cell(section.title()) + "\n";
    text += "\n" + markdown_section(table, section);
  }
  text += "\n";
  for (const std::string& note : notes_of(table)) text += "- " + markdown_cell(note) + "\n";
  return text;
}

}  // namespace orbweaver
