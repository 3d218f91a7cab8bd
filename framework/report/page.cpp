// The frame of the page: its head, the result in a sentence, the facts, and the sections one after another.
#include "framework/report/page.h"

#include <fmt/format.h>

#include <algorithm>
#include <map>
#include <set>

#include "framework/report/assets.h"
#include "framework/report/html.h"
#include "orbweaver/value.h"

namespace orbweaver {
namespace page {
namespace {

std::string h(std::string_view text) { return escape_html(text); }

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
