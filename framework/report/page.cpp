// The frame of the page, and the sections of figures.
#include <fmt/format.h>

#include <algorithm>
#include <cctype>
#include <cmath>
#include <cstdlib>
#include <map>
#include <set>

#include "framework/eval/comparison_text.h"
#include "framework/eval/significance.h"
#include "framework/report/assets.h"
#include "framework/report/html.h"
#include "framework/report/page.h"
#include "orbweaver/value.h"

namespace orbweaver {
namespace page {
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

bool better(const std::string& metric, double a, double b) { return higher_is_better(metric) ? a > b : a < b; }

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

std::string list_text(const std::vector<int64_t>& numbers) {
  std::string out;
  for (const int64_t number : numbers) out += (out.empty() ? "" : ", ") + std::to_string(number);
  return out;
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

std::string compared_metric(const ReportData& data);

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

/// The rows of a label with the variants that have them, the baseline first.
std::vector<std::pair<const ReportVariant*, const ReportRow*>> rows_labelled(const ReportData& data,
                                                                             const std::string& label) {
  std::vector<std::pair<const ReportVariant*, const ReportRow*>> rows;
  for (const ReportVariant& variant : data.variants)
    for (const ReportRow& row : variant.rows)
      if (row.label == label) rows.emplace_back(&variant, &row);
  std::stable_partition(rows.begin(), rows.end(), [&](const auto& of) { return of.first->name == data.baseline; });
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

std::string shade(double difference, double most) {
  if (most <= 0 || difference == 0) return "";
  return fmt::format(" style=\"--hue:var({});--depth:{:.2f}\"", difference > 0 ? "--more" : "--less",
                     0.55 * std::min(1.0, std::abs(difference) / most));
}

std::string class_cells(const ClassRow& row, std::optional<size_t> base, double most) {
  std::string cells;
  for (size_t v = 0; v < row.values.size(); ++v) {
    const std::optional<double>& value = row.values[v];
    if (!value || !base || v == *base || !row.values[*base]) {
      cells += number_cell(value, 1);
      continue;
    }
    const double difference = *value - *row.values[*base];
    cells += fmt::format("<td class=\"number shade\" data-value=\"{}\" title=\"{} to the baseline\"{}>{}</td>", *value,
                         signed_number(difference, 1), shade(difference, most), number(*value, 1));
  }
  return cells;
}

std::optional<size_t> baseline_index(const ReportData& data) {
  for (size_t v = 0; v < data.variants.size(); ++v)
    if (!data.baseline.empty() && data.variants[v].name == data.baseline) return v;
  return std::nullopt;
}

/// The 95th percentile of the differences' sizes: one outlier must not pale the rest.
double shade_scale(const std::vector<ClassRow>& rows, std::optional<size_t> base) {
  std::vector<double> sizes;
  if (base)
    for (const ClassRow& row : rows)
      for (const auto& value : row.values)
        if (value && row.values[*base]) sizes.push_back(std::abs(*value - *row.values[*base]));
  if (sizes.empty()) return 0;
  std::sort(sizes.begin(), sizes.end());
  return sizes[(sizes.size() - 1) * 95 / 100];
}

/// Five significant digits: what a chart can show, at a third of the bytes.
double short_number(double value) { return std::strtod(fmt::format("{:.5g}", value).c_str(), nullptr); }

Value short_list(const std::vector<double>& values) {
  Value out = Value::list();
  for (const double value : values) out.push_back(short_number(value));
  return out;
}

constexpr size_t most_points = 300;

/// The epochs of a run that a chart shows: all, or of a long training evenly many with the best and the last.
std::vector<const ReportEpoch*> shown_epochs(const ReportRun& run) {
  std::vector<const ReportEpoch*> out;
  const size_t stride = (run.epochs.size() + most_points - 1) / most_points;
  for (size_t i = 0; i < run.epochs.size(); ++i)
    if (i % std::max<size_t>(stride, 1) == 0 || i + 1 == run.epochs.size() || run.epochs[i].epoch == run.best_epoch)
      out.push_back(&run.epochs[i]);
  return out;
}

std::vector<std::string> series_names(const ReportData& data) {
  std::vector<std::string> names;
  for (const ReportVariant& variant : data.variants)
    for (const ReportRun& run : variant.runs)
      for (const ReportEpoch& epoch : run.epochs)
        for (const auto& [name, value] : epoch.values)
          if (std::find(names.begin(), names.end(), name) == names.end()) names.push_back(name);
  return names;
}

Value training_data(const ReportData& data) {
  const std::vector<std::string> names = series_names(data);
  Value out = Value::list();
  for (size_t v = 0; v < data.variants.size(); ++v)
    for (const ReportRun& run : data.variants[v].runs) {
      if (run.epochs.empty()) continue;
      const auto epochs = shown_epochs(run);
      Value value = Value::object();
      value["name"] = run.name;
      value["variant"] = static_cast<int64_t>(v);
      value["best"] = run.best_epoch ? Value(*run.best_epoch) : Value();
      value["epoch"] = Value::list();
      for (const ReportEpoch* epoch : epochs) value["epoch"].push_back(epoch->epoch);
      value["series"] = Value::object();
      for (const std::string& name : names) {
        Value list = Value::list();
        bool any = false;
        for (const ReportEpoch* epoch : epochs) {
          const auto found = std::find_if(epoch->values.begin(), epoch->values.end(),
                                          [&](const auto& of) { return of.first == name; });
          any |= found != epoch->values.end();
          list.push_back(found == epoch->values.end() ? Value() : Value(short_number(found->second)));
        }
        if (any) value["series"][name] = std::move(list);
      }
      out.push_back(std::move(value));
    }
  return out;
}

Value delta_data(const ReportData& data) {
  Value out = Value::list();
  for (const std::string& label : reported_labels(data))
    for (size_t v = 0; v < data.variants.size(); ++v)
      for (const ReportRow& row : data.variants[v].rows) {
        if (row.label != label || !row.reported() || !row.comparison) continue;
        const ReportComparison& of = *row.comparison;
        Value value = Value::object();
        value["row"] = label;
        value["variant"] = static_cast<int64_t>(v);
        value["difference"] = short_number(of.difference);
        value["low"] = short_number(of.low);
        value["high"] = short_number(of.high);
        value["significant"] = of.significant ? Value(*of.significant) : Value();
        out.push_back(std::move(value));
      }
  return out;
}

std::string compared_metric(const ReportData& data) {
  for (const ReportVariant& variant : data.variants)
    for (const ReportRow& row : variant.rows)
      if (row.comparison && !row.comparison->metric.empty()) return row.comparison->metric;
  return "mR";
}

std::vector<std::string> curve_labels(const ReportContent& content) {
  std::vector<std::string> labels;
  for (const RecallCurve& curve : content.recall)
    if (std::find(labels.begin(), labels.end(), curve.label) == labels.end()) labels.push_back(curve.label);
  return labels;
}

std::vector<std::pair<std::string, std::string>> as_choices(const std::vector<std::string>& labels) {
  std::vector<std::pair<std::string, std::string>> out;
  out.reserve(labels.size());
  for (const std::string& label : labels) out.emplace_back(label, label);
  return out;
}

std::string canvas(const std::string& id, const std::string& title, const std::string& description) {
  return fmt::format(
      "<div class=\"chart\">{}<div class=\"canvas\"><canvas id=\"{}\" role=\"img\" aria-label=\"{}\">"
      "</canvas></div></div>",
      title.empty() ? "" : fmt::format("<h3>{}</h3>", h(title)), id, h(description));
}

/// Recalls at a few k as figures, for those who cannot see the curves.
std::string recall_table(const ReportContent& content) {
  const std::vector<int64_t> wanted{1, 5, 10, 20, 50, 100};
  std::vector<size_t> places;
  for (size_t i = 0; i < content.recall_ks.size(); ++i)
    if (std::count(wanted.begin(), wanted.end(), content.recall_ks[i])) places.push_back(i);
  std::string head =
      fmt::format("<thead><tr><th scope=\"col\">{}</th><th scope=\"col\">Row</th><th scope=\"col\">Direction</th>",
                  heading(content.data));
  for (const size_t place : places)
    head += fmt::format("<th class=\"number\" scope=\"col\">R@{}</th>", content.recall_ks[place]);
  std::string rows;
  for (const RecallCurve& curve : content.recall)
    for (const bool i2t : {true, false}) {
      rows += fmt::format("<tr><th scope=\"row\">{}</th><td>{}</td><td>{}</td>",
                          h(content.data.variants[curve.variant].name), h(curve.label),
                          i2t ? "image to text" : "text to image");
      for (const size_t place : places) rows += number_cell((i2t ? curve.i2t : curve.t2i)[place]);
      rows += "</tr>\n";
    }
  return "<details><summary>The curves as figures</summary>" +
         scrolling_table("Recall at k", "class=\"fixed\"", head + "</tr></thead><tbody>" + rows + "</tbody>") +
         "</details>";
}

std::string seeds_text(const ReportData& data) {
  std::set<int64_t> seeds;
  for (const ReportVariant& variant : data.variants)
    for (const ReportRun& run : variant.runs) seeds.insert(run.seed);
  std::string out;
  for (const int64_t seed : seeds) out += (out.empty() ? "" : ", ") + std::to_string(seed);
  return out;
}

std::string fact(const std::string& name, const std::string& value) {
  return value.empty() ? "" : fmt::format("<div><dt>{}</dt><dd>{}</dd></div>", name, h(value));
}

std::string dataset_text(const ReportContent& content) {
  const Value* name = content.data.dataset.find("name");
  std::string out = name && name->is_string() ? name->as_string() : "";
  if (content.split.dataset && out.empty()) out = content.split.dataset->name;
  const Value* splits = content.data.dataset.find("splits");
  const Value* split = splits ? splits->find(content.data.split) : nullptr;
  out += (out.empty() ? "" : ", ") + content.data.split + " split";
  if (!split) return out;
  const Value *images = split->find("images"), *captions = split->find("captions");
  if (images && captions && images->is_int() && captions->is_int())
    out += fmt::format(": {} images, {} captions", images->as_int(), captions->as_int());
  return out;
}

std::string facts(const ReportContent& content) {
  const ReportData& data = content.data;
  size_t runs = 0, finished = 0;
  for (const ReportVariant& variant : data.variants) {
    runs += variant.runs.size();
    finished += static_cast<size_t>(
        std::count_if(variant.runs.begin(), variant.runs.end(), [](const ReportRun& run) { return run.finished(); }));
  }
  std::string out = "<dl class=\"facts\">" + fact("Dataset", dataset_text(content));
  if (data.sweep) out += fact("Variants", std::to_string(data.variants.size()));
  out += fact("Runs finished", fmt::format("{} of {}", finished, runs)) + fact("Seeds", seeds_text(data));
  out += fact("Baseline", data.baseline);
  if (data.wall_seconds) out += fact("Wall time", duration(*data.wall_seconds));
  return out + "</dl>";
}

const ReportMetric* plain_figure(const ReportVariant& variant, const std::string& metric) {
  const ReportRow* row = variant.plain_row();
  return row ? row->metric(metric) : nullptr;
}

/// The result in a sentence.
std::string lead(const ReportData& data) {
  const ReportVariant* best = nullptr;
  for (const ReportVariant& variant : data.variants)
    if (const ReportMetric* figure = plain_figure(variant, data.metric);
        figure && (!best || better(data.metric, figure->mean, plain_figure(*best, data.metric)->mean)))
      best = &variant;
  if (!best) return "<p class=\"lead\">No run has been evaluated yet.</p>";
  const ReportMetric& figure = *plain_figure(*best, data.metric);
  std::string out = fmt::format(
      "<p class=\"lead\">{}<b>{}</b> reaches {} {}{}{}", data.variants.size() > 1 ? "Best without a reranker: " : "",
      h(best->name), h(data.metric), number(figure.mean), figure.deviation ? " ± " + number(*figure.deviation) : "",
      figure.values.size() > 1 ? fmt::format(" over {} seeds", figure.values.size()) : "");
  if (const auto& of = best->plain_row()->comparison) {
    out += fmt::format(", {} points of {} to {} (interval {} to {}", signed_number(of->difference),
                       h(of->metric.empty() ? "mR" : of->metric), h(of->to.empty() ? data.baseline : of->to),
                       signed_number(of->low), signed_number(of->high));
    if (of->p_holm) out += fmt::format(", corrected p {}", p_value(*of->p_holm));
    out += of->significant ? (*of->significant ? ": significant)" : ": not significant)") : ")";
  }
  return out + ".</p>";
}

std::string failure_notice(const ReportData& data) {
  std::map<std::string, int> counts;
  for (const ReportVariant& variant : data.variants)
    for (const ReportRun& run : variant.runs)
      if (!run.finished()) ++counts[run.status];
  std::string out;
  for (const auto& [status, count] : counts)
    out += fmt::format("{}{} {} {}", out.empty() ? "" : ", ", count, count == 1 ? "run" : "runs", h(status));
  return out.empty() ? "" : fmt::format("<p class=\"notice\">{}: <a href=\"#failures\">see why</a>.</p>", out);
}

}  // namespace

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

Section deltas(const ReportContent& content) {
  const ReportData& data = content.data;
  if (data.baseline.empty())
    return {"deltas", "Differences",
            data.variants.size() < 2
                ? ""
                : note(data.sweep ? "There is no baseline to compare with: the sweep names none."
                                  : "There is nothing to compare with: the first run has no ranks, or it alone.")};
  std::string rows, unequal;
  for (const ReportVariant& variant : data.variants)
    for (const ReportRow& row : variant.rows) {
      if (!row.comparison || !row.reported()) continue;
      const ReportComparison& of = *row.comparison;
      if (!of.left_out.empty())
        unequal += note(fmt::format("{}, {}: compared on {} common {}; left out: {}.", variant.name, row.label,
                                    of.seeds, of.seeds == 1 ? "seed" : "seeds", list_text(of.left_out)));
      rows += fmt::format(
          "<tr><th scope=\"row\">{}</th><td>{}</td><td class=\"number\" data-value=\"{}\">{}</td>"
          "<td class=\"number\">{} to {}</td>",
          h(variant.name), h(row.label), of.difference, signed_number(of.difference), signed_number(of.low),
          signed_number(of.high));
      rows += number_cell(of.seed_deviation);
      for (const auto& p : {of.p, of.p_holm})
        rows += p ? fmt::format("<td class=\"number\" data-value=\"{}\">{}</td>", *p, h(p_value(*p))) : "<td></td>";
      rows += fmt::format("<td>{}</td></tr>\n", of.significant ? (*of.significant ? "yes" : "no") : "");
    }
  if (rows.empty())
    return {"deltas", "Differences",
            note(fmt::format("No {} could be compared with {}: that takes {}.", data.noun(), data.baseline,
                             data.sweep ? "finished runs of both on a common seed" : "ranks of both on one split"))};
  std::vector<std::string> labels;
  for (const std::string& label : reported_labels(data))
    for (const ReportVariant& variant : data.variants)
      for (const ReportRow& row : variant.rows)
        if (row.label == label && row.reported() && row.comparison &&
            std::find(labels.begin(), labels.end(), label) == labels.end())
          labels.push_back(label);
  std::string html = note(
      fmt::format("{} less that of {}{}, with its interval over other {}s. A filled point is significant after the "
                  "correction, a hollow one is not; an interval that holds 0 is no gain shown. {}.",
                  compared_metric(data), data.baseline, data.sweep ? ", seed by seed" : "",
                  unit_of(compared_metric(data)), correction_text(data)));
  html += "<div class=\"script-only\">" + choice("delta-row", "Row", as_choices(labels)) +
          "<fieldset class=\"legend\"></fieldset>" +
          canvas("delta-chart", "", "Differences to the baseline with intervals; the table below has the figures") +
          "</div>";
  const std::string head = fmt::format(
      "<thead><tr><th scope=\"col\">{}</th><th scope=\"col\">Row</th><th class=\"number\" scope=\"col\" "
      "data-sort=\"descending\">{} less {}</th><th class=\"number\" scope=\"col\">Interval</th><th class=\"number\" "
      "scope=\"col\" data-sort=\"ascending\">± over seeds</th><th class=\"number\" scope=\"col\" "
      "data-sort=\"ascending\">p</th><th class=\"number\" scope=\"col\" data-sort=\"ascending\">p, corrected</th>"
      "<th scope=\"col\">Significant</th></tr></thead>",
      heading(data), h(compared_metric(data)), h(data.baseline));
  html += scrolling_table("Differences to the baseline", "class=\"fixed\"", head + "<tbody>" + rows + "</tbody>");
  return {"deltas", "Differences", html + unequal};
}

Section recall_curves(const ReportContent& content) {
  const std::string noun = content.data.noun();
  std::string html;
  for (const std::string& missing : content.outcomes.missing) html += note("Not in these curves: " + missing);
  if (content.recall.empty())
    return {"recall", "Recall", html.empty() ? note("No finished run has kept its ranks.") : html};
  html += "<div class=\"script-only\">" + choice("recall-row", "Row", as_choices(curve_labels(content))) +
          "<fieldset class=\"legend\"></fieldset><div class=\"charts\">" +
          canvas("recall-i2t", "Image to text", "Recall at k of images as queries, a line for each " + noun) +
          canvas("recall-t2i", "Text to image", "Recall at k of captions as queries, a line for each " + noun) +
          "</div></div>";
  html += note("Percent of queries with a right answer among the first k" +
               std::string(content.data.sweep ? ", mean over seeds" : "") + "; k on a logarithmic scale.");
  return {"recall", "Recall", html + recall_table(content)};
}

Section training_curves(const ReportContent& content) {
  std::vector<std::pair<std::string, std::string>> choices;
  for (const std::string& name : series_names(content.data))
    if (name != "validation mR") choices.emplace_back(name, name);
  if (choices.empty()) return {"training", "Training", note("No run has a metrics.jsonl.")};
  std::string html = "<div class=\"script-only\">" + choice("training-series", "On the left", choices) +
                     "<fieldset class=\"legend\"></fieldset><div class=\"charts\">" +
                     canvas("training-left", "Training", "The chosen quantity over epochs, a line for each run") +
                     canvas("training-right", "Validation mR", "Validation mR over epochs, a line for each run") +
                     "</div></div>";
  html +=
      note(fmt::format("A line for each run{}; the point is the epoch that the validation split selected. Losses of "
                       "different kinds have "
                       "different scales. Selected epochs as figures: under Runs.",
                       content.data.sweep ? ", in its variant's colour" : ""));
  return {"training", "Training", html};
}

Section classes(const ReportContent& content) {
  const ReportData& data = content.data;
  if (!content.split.split) return {"classes", "Classes", note("No classes: " + content.split.missing)};
  if (content.classes.empty())
    return {"classes", "Classes",
            note("No class is known for these images: their file names carry none (as airport_12.jpg does).")};
  if (content.outcomes.runs.empty()) return {"classes", "Classes", note("No finished run has kept its ranks.")};
  const std::optional<size_t> base = baseline_index(data);
  const double most = shade_scale(content.classes, base);
  std::string head =
      "<thead><tr><th scope=\"col\" data-sort=\"ascending\" aria-sort=\"ascending\">Class</th><th class=\"number\" "
      "scope=\"col\" "
      "data-sort=\"descending\">Images</th>";
  for (const ReportVariant& variant : data.variants)
    head += fmt::format("<th class=\"number\" scope=\"col\" data-sort=\"descending\">{}</th>", h(variant.name));
  std::string rows;
  for (size_t i = 0; i < content.classes.size(); ++i) {
    const ClassRow& row = content.classes[i];
    rows += fmt::format("<tr><th scope=\"row\" data-value=\"{}\">{}</th>{}{}</tr>\n", i,
                        row.name.empty() ? "<span class=\"tag\">no class in the name</span>" : h(row.name),
                        number_cell(static_cast<double>(row.images), 0), class_cells(row, base, most));
  }
  std::string html =
      note(fmt::format("mR of the plain row over the images of a class and their captions{}; the whole {} split is the "
                       "gallery. The class "
                       "is what the file name says. Classes have few images: single points mean little.",
                       data.sweep ? ", mean over seeds" : "", data.split));
  if (base && most > 0)
    html += note(fmt::format("Shade: blue above {}, orange below; full colour from {} points on.", data.baseline,
                             number(most, 1)));
  html += scrolling_table("mR by class", "class=\"fixed\"", head + "</tr></thead><tbody>" + rows + "</tbody>");
  return {"classes", "Classes", html};
}

Value chart_data(const ReportContent& content) {
  Value out = Value::object();
  out["variants"] = Value::list();
  for (const ReportVariant& variant : content.data.variants) out["variants"].push_back(variant.name);
  out["baseline"] = content.data.baseline;
  out["noun"] = heading(content.data, true);
  out["deltaMetric"] = compared_metric(content.data);
  out["deltas"] = delta_data(content.data);
  out["training"] = training_data(content.data);
  Value& recall = out["recall"];
  recall["k"] = Value::list();
  for (const int64_t k : content.recall_ks) recall["k"].push_back(k);
  recall["rows"] = Value::list();
  for (const std::string& label : curve_labels(content)) recall["rows"].push_back(label);
  recall["curves"] = Value::list();
  for (const RecallCurve& curve : content.recall) {
    Value value = Value::object();
    value["row"] = curve.label;
    value["variant"] = static_cast<int64_t>(curve.variant);
    value["i2t"] = short_list(curve.i2t);
    value["t2i"] = short_list(curve.t2i);
    recall["curves"].push_back(std::move(value));
  }
  return out;
}

}  // namespace page

std::string report_page(const ReportContent& content) {
  using namespace page;
  const ReportData& data = content.data;
  const std::vector<Section> sections{leaderboard(content),   deltas(content),          abilities(content),
                                      recall_curves(content), training_curves(content), page::classes(content),
                                      page::gallery(content), page::graphs(content),    page::variants(content),
                                      runs(content),          failures(content),        protocol(content)};
  std::string navigation, body;
  for (const Section& section : sections) {
    if (section.html.empty()) continue;
    navigation += fmt::format("<li><a href=\"#{}\">{}</a></li>", section.id, section.title);
    body += fmt::format(
        "<section id=\"{0}\" aria-labelledby=\"{0}-title\">\n<h2 id=\"{0}-title\">{1}</h2>\n{2}</section>\n",
        section.id, section.title, section.html);
  }
  const std::string title = escape_html(data.name.empty() ? "Report" : data.name);
  // Nothing may be fetched, whatever a caption or a name holds.
  std::string out = fmt::format(
      "<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n"
      "<meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; img-src data:; style-src "
      "'unsafe-inline'; script-src 'unsafe-inline'\">\n"
      "<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n"
      "<meta name=\"color-scheme\" content=\"light dark\">\n<title>{}</title>\n<style>\n",
      title);
  out += assets::style();
  out += "</style>\n</head>\n<body>\n<a class=\"skip\" href=\"#leaderboard\">Skip to the leaderboard</a>\n";
  out += picture_stock(content.gallery);
  out += fmt::format("<header>\n<p class=\"kind\">{}</p>\n<h1>{}</h1>\n", data.sweep ? "Sweep" : "Runs", title);
  if (!data.description.empty()) out += fmt::format("<p>{}</p>\n", escape_html(data.description));
  out += lead(data) + failure_notice(data);
  if (!one_split(data))
    out += "<p class=\"notice\">These runs were evaluated on different splits: their figures do not compare.</p>\n";
  out += facts(content) + "</header>\n";
  out += fmt::format("<nav aria-label=\"Sections\"><ul>{}</ul></nav>\n<main>\n{}</main>\n", navigation, body);
  out +=
      "<footer><p>Made by orbweaver report.</p><details><summary>Licence of the chart library in this file</summary>"
      "<pre>";
  out += escape_html(assets::chart_licence());
  out += "</pre></details></footer>\n<script type=\"application/json\" id=\"report-data\">";
  out += script_json(chart_data(content));
  out += "</script>\n<script>\n";
  out += assets::chart_library();
  out += "\n</script>\n<script>\n";
  out += assets::script();
  out += "</script>\n</body>\n</html>\n";
  return out;
}

}  // namespace orbweaver
