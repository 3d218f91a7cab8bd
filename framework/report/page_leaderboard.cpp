// The leaderboard: every row of every variant with its figures, best first.
#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <map>
#include <set>

#include "framework/eval/comparison_text.h"
#include "framework/eval/significance.h"
#include "framework/report/html.h"
#include "framework/report/page.h"

namespace orbweaver::page {
namespace {

std::string h(std::string_view text) { return escape_html(text); }

/// The leaderboard's columns of figures.
struct Column {
  std::string metric, title;
};
const std::vector<Column>& direction_columns() {
  static const std::vector<Column> columns{{"R@1", "R@1"}, {"R@5", "R@5"}, {"R@10", "R@10"}, {"medR", "medR"}};
  return columns;
}

std::vector<Column> leaderboard_columns() {
  std::vector<Column> columns{{"mR", "mR"}};
  for (const char* direction : {"i2t.", "t2i."})
    for (const Column& of : direction_columns()) columns.push_back({direction + of.metric, of.title});
  return columns;
}

/// Figures are compared as they are printed: what reads the same is equally good.
double printed(double value) { return std::round(value * 100) / 100; }

/// The best of each column among the rows of one label.
std::map<std::pair<std::string, std::string>, double> best_values(const ReportData& data) {
  std::map<std::pair<std::string, std::string>, double> best;
  std::map<std::string, int> count;
  for (const ReportVariant& variant : data.variants)
    for (const ReportRow& row : variant.rows) {
      ++count[row.label];
      for (const ReportMetric& metric : row.metrics) {
        const auto [place, fresh] = best.emplace(std::pair(row.label, metric.name), printed(metric.mean));
        if (!fresh && better(metric.name, printed(metric.mean), place->second)) place->second = printed(metric.mean);
      }
    }
  std::erase_if(best, [&](const auto& of) { return count[of.first.first] < 2; });
  return best;
}

std::string row_kind(const ReportRow& row) {
  if (row.duplicate_aware) return "same-text";
  if (!row.strict()) return "arbitrary";
  return row.reranker == "identity" ? "identity" : "reported";
}

std::string metric_cell(const ReportMetric* metric, bool is_best) {
  if (!metric) return "<td></td>";
  const bool rank = metric->name.ends_with("medR");
  const std::string deviation =
      metric->deviation ? fmt::format(" <span class=\"deviation\">±{}</span>", number(*metric->deviation, rank ? 1 : 2))
                        : "";
  return fmt::format("<td class=\"number\" data-value=\"{}\"><span{}>{}</span>{}</td>", metric->mean,
                     is_best ? " class=\"best\"" : "", number(metric->mean, rank ? (metric->deviation ? 1 : 0) : 2),
                     deviation);
}

std::string difference_cell(const ReportData& data, const std::optional<ReportComparison>& of) {
  if (!of) return "<td></td>";
  return fmt::format("<td class=\"number\" data-value=\"{}\">{}{}</td>", of->difference, signed_number(of->difference),
                     marks(*of, data.alpha()));
}

double mean_recall(const ReportRow& row) {
  const ReportMetric* metric = row.metric("mR");
  return metric ? metric->mean : -1;
}

/// A row of some variant.
struct PlacedRow {
  size_t variant;
  const ReportRow* row;
};

/// All rows by mR, best first; those that a paper would report before the others, which a script hides at first.
std::vector<PlacedRow> rows_by_mean_recall(const ReportData& data) {
  std::vector<PlacedRow> rows;
  for (size_t v = 0; v < data.variants.size(); ++v)
    for (const ReportRow& row : data.variants[v].rows) rows.push_back({v, &row});
  std::stable_sort(rows.begin(), rows.end(), [](const PlacedRow& left, const PlacedRow& right) {
    return mean_recall(*left.row) > mean_recall(*right.row);
  });
  std::stable_partition(rows.begin(), rows.end(), [](const PlacedRow& of) { return of.row->reported(); });
  return rows;
}

/// How many of a variant's runs are in the row, "2/3" where some are missing; of a single run its seed.
std::string seeds_cell(const ReportData& data, const ReportVariant& variant, const std::vector<int64_t>& seeds) {
  if (!data.sweep) {
    const int64_t seed = variant.runs.front().seed;
    return fmt::format("<td class=\"number\" data-value=\"{0}\">{0}</td>", seed);
  }
  std::vector<int64_t> missing;
  for (const ReportRun& run : variant.runs)
    if (std::find(seeds.begin(), seeds.end(), run.seed) == seeds.end()) missing.push_back(run.seed);
  if (missing.empty()) return fmt::format("<td class=\"number\" data-value=\"{0}\">{0}</td>", seeds.size());
  return fmt::format("<td class=\"number\" data-value=\"{0}\"><abbr title=\"without seed {1}\">{0}/{2}</abbr></td>",
                     seeds.size(), list_text(missing), variant.runs.size());
}

bool has_comparisons(const ReportData& data) {
  for (const ReportVariant& variant : data.variants)
    for (const ReportRow& row : variant.rows)
      if (row.comparison) return true;
  return false;
}

std::string leaderboard_head(const ReportData& data, bool compared) {
  std::string head = fmt::format("<thead><tr><td colspan=\"{}\"></td>", compared ? 5 : 4);
  for (const char* direction : {"image to text", "text to image"})
    head += fmt::format("<th class=\"group\" colspan=\"{}\" scope=\"colgroup\">{}</th>", direction_columns().size(),
                        direction);
  head += fmt::format(
      "</tr><tr><th scope=\"col\" data-sort=\"ascending\">{}</th><th scope=\"col\" data-sort=\"ascending\">Row</th>"
      "<th class=\"number\" scope=\"col\" data-sort=\"{}\">{}</th>",
      heading(data), data.sweep ? "descending" : "ascending", data.sweep ? "Seeds" : "Seed");
  for (const Column& column : leaderboard_columns()) {
    const bool first = column.metric == "mR";
    head += fmt::format("<th class=\"number\" scope=\"col\" data-sort=\"{}\"{}>{}</th>",
                        higher_is_better(column.metric) ? "descending" : "ascending",
                        first ? " data-sorted=\"descending\"" : "", column.title);
    if (first && compared)
      head += fmt::format("<th class=\"number\" scope=\"col\" data-sort=\"descending\">{} less {}</th>",
                          h(compared_metric(data)), h(data.baseline));
  }
  return head + "</tr></thead>";
}

std::string failed_line(const ReportData& data, size_t v, bool compared) {
  const ReportVariant& variant = data.variants[v];
  std::string why = "no results";
  for (const ReportRun& run : variant.runs)
    if (!run.finished()) why = run.status + (run.reason.empty() ? "" : ": " + run.reason);
  if (!variant.runs.empty() && variant.runs.front().finished()) why = "not evaluated";
  return fmt::format(
      "<tr data-kind=\"reported\"><th scope=\"row\" data-value=\"{}\">{}</th><td></td>{}"
      "<td colspan=\"{}\" class=\"long\">{}</td></tr>\n",
      v, h(variant.name), seeds_cell(data, variant, {}), compared ? 10 : 9, h(why));
}

std::string leaderboard_rows(const ReportData& data, bool compared) {
  const auto best = best_values(data);
  std::map<std::string, size_t> label_places;
  for (const ReportVariant& variant : data.variants)
    for (const ReportRow& row : variant.rows) label_places.emplace(row.label, label_places.size());
  std::string rows;
  for (const auto& [v, row] : rows_by_mean_recall(data)) {
    const ReportVariant& variant = data.variants[v];
    rows += fmt::format(
        "<tr data-kind=\"{}\"><th scope=\"row\" data-value=\"{}\">{}{}</th><td data-value=\"{}\">{}</td>{}",
        row_kind(*row), v, h(variant.name), variant.name == data.baseline ? " <span class=\"tag\">baseline</span>" : "",
        label_places.at(row->label), h(row->label), seeds_cell(data, variant, row->seeds));
    for (const Column& column : leaderboard_columns()) {
      const ReportMetric* metric = row->metric(column.metric);
      const auto top = best.find({row->label, column.metric});
      rows += metric_cell(metric, metric && top != best.end() && printed(metric->mean) == top->second);
      if (compared && column.metric == "mR") rows += difference_cell(data, row->comparison);
    }
    rows += "</tr>\n";
  }
  for (size_t v = 0; v < data.variants.size(); ++v)
    if (data.variants[v].rows.empty()) rows += failed_line(data, v, compared);
  return rows;
}

/// Rerankers and their parameters, and whose are others, for the notes below a table.
std::string reranker_notes(const ReportData& data) {
  std::set<std::string> labels;
  for (const ReportVariant& variant : data.variants)
    for (const ReportRow& row : variant.rows)
      if (row.strict() && !row.duplicate_aware && !row.parameters.is_null()) labels.insert(row.label);
  std::string out;
  for (const std::string& label : labels) {
    const auto rows = rows_labelled(data, label);
    const Value& common = rows.front().second->parameters;
    out += fmt::format("<p class=\"note\">{}: <code>{}</code>", h(label), h(brief(common, 300)));
    for (const auto& [variant, row] : rows)
      if (!(row->parameters == common))
        out += fmt::format("; {}: <code>{}</code>", h(variant->name), h(brief(row->parameters, 300)));
    out += "</p>";
  }
  return out;
}

}  // namespace

Section leaderboard(const ReportContent& content) {
  const ReportData& data = content.data;
  const bool compared = has_comparisons(data);
  std::set<std::string> kinds;
  for (const ReportVariant& variant : data.variants)
    for (const ReportRow& row : variant.rows) kinds.insert(row_kind(row));
  std::vector<std::pair<std::string, std::string>> choices{{"reported", "as reported: ties count against the model"}};
  for (const auto& [kind, text] : {std::pair("same-text", "captions of the same text count as right"),
                                   {"arbitrary", "ties by gallery index, as a sort leaves them"},
                                   {"identity", "identity reranker: ties broken, nothing else"}})
    if (kinds.contains(kind)) choices.emplace_back(kind, text);
  if (kinds.size() > 1) choices.emplace_back("all", "all rows");
  std::string html = choice("row-choice", "Rows", choices);
  html += scrolling_table("Leaderboard", "id=\"leaderboard-table\" class=\"fixed\"",
                          leaderboard_head(data, compared) + "<tbody>" + leaderboard_rows(data, compared) + "</tbody>");
  const bool deviations = std::ranges::any_of(data.variants, [](const ReportVariant& variant) {
    return std::ranges::any_of(variant.rows,
                               [](const ReportRow& row) { return !row.metrics.empty() && row.metrics[0].deviation; });
  });
  html += note(fmt::format(
      "R@k: percent of queries with a right answer among the first k; mR: mean of the six; medR: median rank, "
      "lower is better. {}Bold: best of its column among rows of its kind.{}",
      deviations ? "± is the standard deviation over seeds. " : "",
      compared ? fmt::format(" {}; {}.", marks_legend(data.alpha()), correction_text(data)) : ""));
  html += reranker_notes(data);
  return {"leaderboard", "Leaderboard", html};
}

}  // namespace orbweaver::page
