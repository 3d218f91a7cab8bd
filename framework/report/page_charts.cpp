// The sections that draw charts, and what the charts are given: differences to the baseline, recall, training.
#include <fmt/format.h>

#include <algorithm>
#include <cstdlib>

#include "framework/eval/significance.h"
#include "framework/report/html.h"
#include "framework/report/page.h"
#include "orbweaver/value.h"

namespace orbweaver::page {
namespace {

std::string h(std::string_view text) { return escape_html(text); }

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

}  // namespace

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

}  // namespace orbweaver::page
