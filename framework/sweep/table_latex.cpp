// A sweep's table in LaTeX.
#include <fmt/format.h>

#include <algorithm>
#include <cctype>
#include <optional>

#include "framework/eval/abilities.h"
#include "framework/eval/comparison_text.h"
#include "framework/eval/significance.h"
#include "framework/io/lenient.h"
#include "framework/sweep/table_view.h"
#include "framework/sweep/tables.h"

namespace orbweaver {
namespace {

using namespace table;

std::string latex_figure(const MeanStd& of, bool best) {
  if (!of.mean) return "";
  const std::string text = of.std ? fmt::format("{:.2f} \\pm {:.2f}", *of.mean, *of.std) : figure(*of.mean);
  return best ? "$\\mathbf{" + text + "}$" : "$" + text + "$";
}

std::string latex_difference(const Table& table, const Line& line) {
  if (line.variant == table.baseline && line.row) return "baseline";
  const Value& comparison = comparison_of(line);
  if (!comparison.is_object()) return "";
  const std::string marks = marks_of(table, comparison);
  return fmt::format("${}{}$ \\; $[{}, {}]$", signed_figure(member(comparison, "difference")),
                     marks.empty() ? "" : "^{" + marks + "}", signed_figure(member(comparison, "low")),
                     signed_figure(member(comparison, "high")));
}

/// Neighbouring metrics of one direction.
struct MetricGroup {
  std::string title;
  size_t size = 0;
};

std::string direction_title(const std::string& metric) {
  if (metric.starts_with("i2t.")) return "Image to text";
  if (metric.starts_with("t2i.")) return "Text to image";
  const std::optional<AbilityMetric> of_ability = ability_metric(metric);
  return of_ability ? of_ability->ability : "";
}

std::vector<MetricGroup> groups_of(const std::vector<std::string>& metrics) {
  std::vector<MetricGroup> groups;
  for (const std::string& metric : metrics) {
    const std::string title = direction_title(metric);
    if (groups.empty() || groups.back().title != title) groups.push_back({title, 0});
    ++groups.back().size;
  }
  return groups;
}

/// The head of the columns: the directions with a rule below each, then the metrics.
std::string latex_head(const Table& table) {
  std::string titles = "    &", rules, names = "    Variant & Seeds";
  size_t column = 3;
  for (const MetricGroup& group : groups_of(table.metrics)) {
    if (group.title.empty()) {
      for (size_t at = 0; at < group.size; ++at) titles += " &";
    } else {
      titles += fmt::format(" & \\multicolumn{{{}}}{{c}}{{{}}}", group.size, latex_escaped(group.title));
      rules += fmt::format("{}\\cmidrule(lr){{{}-{}}}", rules.empty() ? "    " : " ", column, column + group.size - 1);
    }
    column += group.size;
  }
  for (const std::string& metric : table.metrics)
    names += " & " + latex_escaped(direction_title(metric).empty() ? metric : metric.substr(metric.find('.') + 1));
  if (table.has_comparisons()) {
    titles += " &";
    names += fmt::format(" & $\\Delta$ {}", latex_escaped(table.compared.metric));
  }
  if (!rules.empty()) titles += " \\\\\n" + rules + "\n";
  return (rules.empty() ? std::string() : titles) + names + " \\\\\n";
}

std::string latex_section(const Table& table, const Section& section, size_t columns) {
  std::string text = "    \\midrule\n";
  if (table.has_titles()) {
    // All parameters are long: in the source they tell two rows of one reranker apart without widening the page.
    text += "    % " + section.title() + "\n";
    text += fmt::format("    \\multicolumn{{{}}}{{l}}{{\\textit{{{}}}}} \\\\\n", columns,
                        latex_escaped(section.short_title()));
  }
  for (const Line& line : section.lines) {
    const RunCounts& runs = table.runs[line.variant_at];
    text += fmt::format("    {} & {}", latex_escaped(line.variant), runs.seeds());
    if (!line.row) {
      text += fmt::format(" & \\multicolumn{{{}}}{{l}}{{{}}} \\\\\n", columns - 2,
                          latex_escaped(runs.finished > 0 ? "no such row" : runs.unfinished));
      continue;
    }
    for (const std::string& metric : table.metrics)
      text +=
          " & " + (is_dash(line, metric) ? std::string("--")
                                         : latex_figure(metric_of_line(line, metric), is_best(section, line, metric)));
    if (table.has_comparisons()) text += " & " + latex_difference(table, line);
    text += " \\\\\n";
  }
  for (const DatasetOracle& oracle : table.oracles_of(section)) {
    text += fmt::format("    \\addlinespace\n    {} &", latex_escaped(table.label(oracle)));
    for (const std::string& metric : table.metrics) {
      const std::string shown = oracle_figure(oracle, metric);
      text += " & " + (shown.empty() ? shown : "$" + shown + "$");
    }
    text += table.has_comparisons() ? " & \\\\\n" : " \\\\\n";
  }
  return text;
}

std::string latex_caption(const Table& table) {
  std::string text = latex_escaped(table.name);
  if (!table.dataset.empty()) text += " (" + latex_escaped(table.dataset) + ")";
  text += ": mean $\\pm$ sample standard deviation over seeds; recalls in percent, the best of each column in bold.";
  if (!table.oracles.empty()) text += fmt::format(" (oracle): {}.", oracle_is);
  if (table.has_comparisons()) {
    const ComparisonNote& of = table.compared;
    text += fmt::format(
        " $\\Delta$: difference in {} from {} on the same seeds, with its {} paired bootstrap interval over {}s ({} "
        "resamples).",
        latex_escaped(of.metric), latex_escaped(of.to), latex_escaped(percent(table.interval)), unit_of(of.metric),
        table.resamples);
    text += fmt::format(" {}: two-sided paired randomisation test over {}s ({} permutations), {}.",
                        marks_legend(table.alpha, LegendStyle::latex), unit_of(of.metric), table.permutations,
                        latex_escaped(correction_text(table)));
    for (const std::string& unequal : of.unequal) text += " " + latex_escaped(unequal) + ".";
    for (const std::string& remark : table.remarks) text += " " + latex_escaped(remark) + ".";
  }
  return text;
}

std::string latex_label(const std::string& name) {
  std::string label = name;
  std::ranges::replace_if(
      label, [](unsigned char c) { return !std::isalnum(c) && c != '_' && c != '-' && c != '.'; }, '-');
  return "tab:" + label;
}

}  // namespace

std::string table_latex(const Value& results) {
  const Table table = table_of(results);
  const size_t columns = 2 + table.metrics.size() + (table.has_comparisons() ? 1 : 0);
  std::string text = "% Needs \\usepackage{booktabs}.\n\\begin{table*}\n  \\centering\n  \\footnotesize\n";
  text += "  \\setlength{\\tabcolsep}{3pt}\n";
  text += "  \\caption{" + latex_caption(table) + "}\n  \\label{" + latex_label(table.name) + "}\n";
  text += "  \\begin{tabular}{lr" + std::string(table.metrics.size(), 'r');
  text += std::string(table.has_comparisons() ? "l" : "") + "}\n    \\toprule\n" + latex_head(table);
  for (const Section& section : table.sections) text += latex_section(table, section, columns);
  return text + "    \\bottomrule\n  \\end{tabular}\n\\end{table*}\n";
}

std::string latex_escaped(const std::string& text) {
  std::string safe;
  for (const char c : one_line(text)) {
    switch (c) {
      case '\\': safe += "\\textbackslash{}"; break;
      case '~': safe += "\\textasciitilde{}"; break;
      case '^': safe += "\\textasciicircum{}"; break;
      // Other glyphs than these in LaTeX's oldest and default font encoding.
      case '<': safe += "\\textless{}"; break;
      case '>': safe += "\\textgreater{}"; break;
      case '|': safe += "\\textbar{}"; break;
      case '&':
      case '%':
      case '$':
      case '#':
      case '_':
      case '{':
      case '}': safe += '\\'; [[fallthrough]];
      default: safe += c;
    }
  }
  return safe;
}

}  // namespace orbweaver
