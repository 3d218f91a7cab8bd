// Pieces that several sections are made of.
#include <fmt/format.h>

#include <algorithm>
#include <cctype>
#include <cmath>

#include "framework/eval/comparison_text.h"
#include "framework/eval/significance.h"
#include "framework/report/html.h"
#include "framework/report/page.h"

namespace orbweaver::page {
namespace {

std::string h(std::string_view text) { return escape_html(text); }

}  // namespace

bool better(const std::string& metric, double a, double b) { return higher_is_better(metric) ? a > b : a < b; }

std::string list_text(const std::vector<int64_t>& numbers) {
  std::string out;
  for (const int64_t number : numbers) out += (out.empty() ? "" : ", ") + std::to_string(number);
  return out;
}

std::vector<LabelledRow> rows_labelled(const ReportData& data, const std::string& label) {
  std::vector<LabelledRow> rows;
  for (const ReportVariant& variant : data.variants)
    for (const ReportRow& row : variant.rows)
      if (row.label == label) rows.emplace_back(&variant, &row);
  std::stable_partition(rows.begin(), rows.end(), [&](const auto& of) { return of.first->name == data.baseline; });
  return rows;
}

std::string compared_metric(const ReportData& data) {
  for (const ReportVariant& variant : data.variants)
    for (const ReportRow& row : variant.rows)
      if (row.comparison && !row.comparison->metric.empty()) return row.comparison->metric;
  return "mR";
}

std::string correction_text(const ReportData& data) {
  std::vector<ComparisonFamily> families;
  for (const std::string& label : reported_labels(data)) {
    const auto rows = rows_labelled(data, label);
    const auto count = std::count_if(rows.begin(), rows.end(), [](const auto& of) { return of.second->comparison; });
    families.push_back({label, static_cast<size_t>(count)});
  }
  const std::string text = orbweaver::correction_text(families, "row");
  return text.empty() ? "No p of these rows was corrected" : "p is " + text;
}

std::string number(double value, int digits) { return fmt::format("{:.{}f}", value, digits); }

std::string signed_number(double value, int digits) {
  std::string text = fmt::format("{:+.{}f}", value, digits);
  // A minus that is as wide as a plus; "-0.00" is no number to print.
  if (text.find_first_not_of("+-0.") == std::string::npos) text[0] = '+';
  return text[0] == '-' ? "\xe2\x88\x92" + text.substr(1) : text;
}

std::string marks(const ReportComparison& of, double alpha) {
  if (!of.significant.value_or(false)) return "";
  const std::string marks = of.p_holm ? significance_marks(*of.p_holm, alpha) : "*";
  if (marks.empty()) return "";
  return fmt::format("<abbr title=\"significant{}\">{}</abbr>",
                     of.p_holm ? ", corrected p " + h(p_value(*of.p_holm)) : "", marks);
}

std::string heading(const ReportData& data, bool plural) {
  std::string text = data.noun();
  text[0] = static_cast<char>(std::toupper(static_cast<unsigned char>(text[0])));
  return plural ? text + "s" : text;
}

std::string p_value(double p) { return p < 0.001 ? "< 0.001" : fmt::format("{:.3f}", p); }

std::string duration(double seconds) {
  if (seconds < 60) return fmt::format("{:.1f} s", seconds);
  const int64_t whole = std::llround(seconds);
  if (whole < 3600) return fmt::format("{} min {:02} s", whole / 60, whole % 60);
  return fmt::format("{} h {:02} min", whole / 3600, whole % 3600 / 60);
}

std::string number_cell(const std::optional<double>& value, int digits) {
  if (!value) return "<td></td>";
  return fmt::format("<td class=\"number\" data-value=\"{}\">{}</td>", *value, number(*value, digits));
}

std::string note(const std::string& text) { return fmt::format("<p class=\"note\">{}</p>\n", h(text)); }

std::string scrolling_table(const std::string& what, const std::string& attributes, const std::string& rows) {
  // Reachable by keyboard, or its far columns were not.
  return fmt::format(
      "<div class=\"scroll\" tabindex=\"0\" role=\"region\" aria-label=\"{}\"><table {}>{}</table></div>\n", h(what),
      attributes, rows);
}

std::string variant_names(const ReportData& data, const std::vector<size_t>& variants) {
  std::string out;
  for (const size_t v : variants) out += (out.empty() ? "" : ", ") + h(data.variants[v].name);
  return out;
}

std::string choice(const std::string& id, const std::string& label,
                   const std::vector<std::pair<std::string, std::string>>& choices) {
  if (choices.size() < 2) return "";
  std::string out = fmt::format("<div class=\"controls script-only\"><label for=\"{}\">{}</label><select id=\"{}\">",
                                id, h(label), id);
  for (const auto& [value, text] : choices) out += fmt::format("<option value=\"{}\">{}</option>", h(value), h(text));
  return out + "</select></div>\n";
}

std::vector<std::string> reported_labels(const ReportData& data) {
  std::vector<std::string> labels;
  for (const ReportVariant& variant : data.variants)
    for (const ReportRow& row : variant.rows)
      if (row.reported() && std::find(labels.begin(), labels.end(), row.label) == labels.end())
        labels.push_back(row.label);
  return labels;
}

}  // namespace orbweaver::page
