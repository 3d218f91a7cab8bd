// The sections about how the figures came about: variants, runs, failures, protocol.
#include <fmt/format.h>

#include <algorithm>
#include <map>
#include <set>

#include "framework/report/html.h"
#include "framework/report/page.h"

namespace orbweaver::page {
namespace {

std::string h(std::string_view text) { return escape_html(text); }

using FlatValue = std::map<std::string, std::string>;

/// A value's leaves by their paths, "model.fusion.use". Lists of plain values are leaves.
void flatten(const Value& value, const std::string& path, FlatValue& out) {
  if (value.is_object()) {
    for (const auto& [name, member] : value.as_object()) flatten(member, path.empty() ? name : path + "." + name, out);
    return;
  }
  const bool nested = value.is_list() && !value.as_list().empty() && value.as_list().front().is_object();
  if (nested) {
    for (size_t i = 0; i < value.as_list().size(); ++i) flatten(value.as_list()[i], fmt::format("{}.{}", path, i), out);
    return;
  }
  out[path] = value.is_string() ? value.as_string() : brief(value, 120);
}

/// What two variants may differ in: their configs but for what names or places a run.
FlatValue flat_config(const ReportVariant& variant) {
  FlatValue out;
  for (const ReportRun& run : variant.runs)
    if (!run.config.is_null()) {
      flatten(run.config, "", out);
      break;
    }
  for (const char* path : {"name", "seed", "output", "cache", "plugins"}) out.erase(path);
  return out;
}

constexpr size_t most_differences = 60;

std::string difference_table(const ReportData& data) {
  std::vector<FlatValue> configs;
  std::set<std::string> paths;
  for (const ReportVariant& variant : data.variants) {
    configs.push_back(flat_config(variant));
    for (const auto& [path, value] : configs.back()) paths.insert(path);
  }
  const auto value_of = [&](size_t v, const std::string& path) {
    const auto found = configs[v].find(path);
    return found == configs[v].end() ? std::string() : found->second;
  };
  std::string rows;
  size_t differing = 0;
  for (const std::string& path : paths) {
    std::set<std::string> values;
    for (size_t v = 0; v < configs.size(); ++v)
      if (!configs[v].empty()) values.insert(value_of(v, path));
    if (values.size() < 2 || ++differing > most_differences) continue;
    rows += fmt::format("<tr><th scope=\"row\"><code>{}</code></th>", h(path));
    for (size_t v = 0; v < configs.size(); ++v) rows += fmt::format("<td>{}</td>", h(value_of(v, path)));
    rows += "</tr>\n";
  }
  if (rows.empty()) return "";
  std::string head = "<thead><tr><th scope=\"col\">Setting</th>";
  for (const ReportVariant& variant : data.variants) head += fmt::format("<th scope=\"col\">{}</th>", h(variant.name));
  std::string out = "<details><summary>Every setting in which they differ</summary>" +
                    scrolling_table("Settings in which they differ", "class=\"fixed\"",
                                    head + "</tr></thead><tbody>" + rows + "</tbody>");
  if (differing > most_differences)
    out += note(fmt::format("The first {} of {} settings.", most_differences, differing));
  return out + "</details>\n";
}

/// The last epoch that a run reached, of those that its config allows.
std::string epochs_text(const ReportRun& run) {
  return run.epochs.empty() ? "" : std::to_string(run.epochs.back().epoch);
}

std::string run_row(const ReportRun& run, size_t place) {
  std::string row =
      fmt::format("<tr><th scope=\"row\" data-value=\"{}\">{}</th>{}<td{}>{}</td>", place, h(run.name),
                  number_cell(static_cast<double>(run.seed), 0), run.status == "failed" ? " class=\"failed\"" : "",
                  h(run.status + (run.trained_as.empty() ? "" : ", training of " + run.trained_as)));
  row += fmt::format("<td class=\"number\" data-value=\"{0}\">{0}</td>", epochs_text(run));
  row += number_cell(run.best_epoch ? std::optional<double>(static_cast<double>(*run.best_epoch)) : std::nullopt, 0);
  row += number_cell(run.val_mean_recall);
  row += run.seconds
             ? fmt::format("<td class=\"number\" data-value=\"{}\">{}</td>", *run.seconds, duration(*run.seconds))
             : "<td></td>";
  row += number_cell(run.epoch_seconds, 1);
  row += number_cell(run.peak_memory_mib, 0);
  return row + "</tr>\n";
}

const Value* evaluation_of(const ReportRun& run, const std::string& split) {
  const Value* evaluations = run.record.find("evaluations");
  return evaluations ? evaluations->find(split) : nullptr;
}

/// Protocol and environment of a finished run's evaluation.
FlatValue flat_protocol(const ReportRun& run, const std::string& split) {
  FlatValue out;
  const Value* evaluation = evaluation_of(run, split);
  const Value& record = evaluation ? *evaluation : run.record;
  for (const char* part : {"protocol", "dataset", "environment", "selection"})
    if (const Value* value = record.find(part)) flatten(*value, part, out);
  if (const Value* texts = record.find("distinct_texts")) flatten(*texts, "distinct_texts", out);
  // Of each run, in the table of runs; selection.* stands there as well.
  for (const char* own : {"protocol.seed", "protocol.weights", "selection.epoch", "selection.mR"}) out.erase(own);
  return out;
}

struct SharedProtocol {
  FlatValue shared;
  std::map<std::string, FlatValue> differing;  ///< path -> run -> value, "none" where a run has no such entry
};

SharedProtocol shared_protocol(const ReportData& data) {
  std::vector<std::pair<std::string, FlatValue>> all;
  std::set<std::string> paths;
  for (const ReportVariant& variant : data.variants)
    for (const ReportRun& run : variant.runs) {
      if (run.record.is_null()) continue;
      all.emplace_back(run.name, flat_protocol(run, data.split));
      for (const auto& [path, value] : all.back().second) paths.insert(path);
    }
  SharedProtocol out;
  for (const std::string& path : paths) {
    std::set<std::string> values;
    size_t with = 0;
    for (const auto& [run, flat] : all)
      if (const auto found = flat.find(path); found != flat.end()) values.insert(found->second), ++with;
    if (values.size() == 1 && with == all.size()) {
      out.shared[path] = *values.begin();
      continue;
    }
    for (const auto& [run, flat] : all) {
      const auto found = flat.find(path);
      out.differing[path][run] = found == flat.end() ? "none" : found->second;
    }
  }
  return out;
}

std::string name_value_table(const std::string& what, const FlatValue& values) {
  std::string rows = "<thead><tr><th scope=\"col\">Entry</th><th scope=\"col\">Value</th></tr></thead><tbody>";
  for (const auto& [name, value] : values)
    rows +=
        fmt::format("<tr><th scope=\"row\">{}</th><td class=\"long\"><code>{}</code></td></tr>\n", h(name), h(value));
  return scrolling_table(what, "", rows + "</tbody>");
}

std::string identity_table(const ReportData& data) {
  std::string rows;
  for (const ReportVariant& variant : data.variants)
    for (const ReportRun& run : variant.runs) {
      const Value* weights = run.record.find("weights");
      if (run.identity.empty() && !(weights && weights->is_string())) continue;
      rows += fmt::format("<tr><th scope=\"row\">{}</th><td><code>{}</code></td><td><code>{}</code></td></tr>\n",
                          h(run.name), weights && weights->is_string() ? h(weights->as_string()) : "", h(run.identity));
    }
  if (rows.empty()) return "";
  return "<details><summary>Hashes of weights, and identities of the runs</summary>" +
         scrolling_table(
             "Hashes", "class=\"fixed\"",
             "<thead><tr><th scope=\"col\">Run</th><th scope=\"col\">Weights</th><th scope=\"col\">Identity</th>"
             "</tr></thead><tbody>" +
                 rows + "</tbody>") +
         "</details>\n";
}

std::string statistics_text(const ReportData& data) {
  const Value& statistics = data.statistics;
  const auto text = [&](const char* key) {
    const Value* value = statistics.find(key);
    return value ? (value->is_string() ? value->as_string() : brief(*value)) : std::string("?");
  };
  const Value* interval = statistics.find("interval");
  return fmt::format(
      "Comparisons: {} interval from {} bootstrap resamples, and a two-sided randomisation test with {} exchanges, "
      "both over each {} of the {} split{}{}, random seed {}. {}; significant at {}.",
      interval && interval->is_number() ? fmt::format("{:g}%", 100 * interval->as_double()) : "?", text("resamples"),
      text("permutations"), text("unit"), data.split, text("unit") == "pair" ? "" : " with all its queries",
      data.sweep ? ", seeds as blocks" : "", text("seed"), correction_text(data), text("alpha"));
}

bool any_comparison(const ReportData& data) {
  for (const ReportVariant& variant : data.variants)
    for (const ReportRow& row : variant.rows)
      if (row.comparison) return true;
  return false;
}

}  // namespace

Section variants(const ReportContent& content) {
  const ReportData& data = content.data;
  const std::string differences = difference_table(data);
  std::string html;
  if (data.sweep) {
    std::string rows;
    for (const ReportVariant& variant : data.variants) {
      std::string overrides;
      for (const std::string& of : variant.overrides) overrides += fmt::format("<div><code>{}</code></div>", h(of));
      const std::string change = overrides.empty() && variant.config.empty() ? "the base config as it is" : overrides;
      rows += fmt::format("<tr><th scope=\"row\">{}</th><td class=\"long\">{}{}{}</td></tr>\n", h(variant.name),
                          variant.description.empty() ? "" : fmt::format("<div>{}</div>", h(variant.description)),
                          variant.config.empty() ? "" : fmt::format("<div><code>{}</code></div>", h(variant.config)),
                          change);
    }
    html +=
        scrolling_table("Variants", "class=\"fixed\"",
                        "<thead><tr><th scope=\"col\">Variant</th><th scope=\"col\">What it changes</th></tr></thead>"
                        "<tbody>" +
                            rows + "</tbody>");
  } else if (differences.empty()) {
    return {"variants", "Settings", ""};
  }
  return {"variants", data.sweep ? "Variants" : "Settings", html + differences};
}

Section runs(const ReportContent& content) {
  std::string rows;
  size_t place = 0;
  bool memory = false;
  for (const ReportVariant& variant : content.data.variants)
    for (const ReportRun& run : variant.runs) {
      rows += run_row(run, place++);
      memory |= run.peak_memory_mib.has_value();
    }
  const std::string head =
      "<thead><tr><th scope=\"col\" data-sort=\"ascending\" aria-sort=\"ascending\">Run</th><th class=\"number\" "
      "scope=\"col\" "
      "data-sort=\"ascending\">Seed</th><th scope=\"col\">Status</th><th class=\"number\" scope=\"col\" "
      "data-sort=\"descending\">Epochs</th><th class=\"number\" scope=\"col\" data-sort=\"descending\">Best epoch</th>"
      "<th class=\"number\" scope=\"col\" data-sort=\"descending\">Validation mR</th><th class=\"number\" "
      "scope=\"col\" "
      "data-sort=\"descending\">Time</th><th class=\"number\" scope=\"col\" data-sort=\"descending\">s an epoch</th>"
      "<th class=\"number\" scope=\"col\" data-sort=\"descending\">Peak MiB</th></tr></thead>";
  std::string html = scrolling_table("Runs", "class=\"fixed\"", head + "<tbody>" + rows + "</tbody>");
  if (!memory) html += note("No run recorded its peak memory.");
  if (const Value* enabled = content.data.cache.find("enabled"); enabled && enabled->is_bool())
    html += note(enabled->as_bool() ? "The feature cache was on: times of runs that found their features there are "
                                      "shorter than those of the runs that made them."
                                    : "The feature cache was off.");
  return {"runs", "Runs", html};
}

Section failures(const ReportContent& content) {
  std::string html, waiting;
  for (const ReportVariant& variant : content.data.variants)
    for (const ReportRun& run : variant.runs) {
      if (run.finished()) continue;
      if (run.status == "waiting" && run.reason.empty() && run.log_tail.empty()) {
        waiting += (waiting.empty() ? "" : ", ") + run.name;
        continue;
      }
      html += fmt::format("<h3>{} <span class=\"tag\">{}</span></h3>\n<p>{}</p>\n", h(run.name), h(run.status),
                          h(run.reason.empty() ? "No reason is known." : run.reason));
      std::string log;
      for (const std::string& line : run.log_tail) log += line + "\n";
      if (!log.empty())
        html += fmt::format("<pre tabindex=\"0\" aria-label=\"Last lines of its log\">{}</pre>\n", h(log));
    }
  if (!waiting.empty()) html += fmt::format("<p>Still waiting for their turn: {}.</p>\n", h(waiting));
  return {"failures", "Failures", html};
}

Section protocol(const ReportContent& content) {
  const ReportData& data = content.data;
  std::string html = note("Ties count against the model in rows as reported.");
  if (data.split == "val")
    html += note("These figures are of the validation split, which selected the checkpoints as well: they flatter.");
  if (!data.sweep && any_comparison(data))
    html += note("Each run stands for itself: a difference between two of them holds the chance of their seeds too.");
  if (any_comparison(data) && !data.statistics.is_null()) html += note(statistics_text(data));
  const SharedProtocol protocol = shared_protocol(data);
  FlatValue main, plugins;
  for (const auto& [path, value] : protocol.shared)
    (path.starts_with("environment.plugins.") ? plugins : main)[path] = value;
  if (!main.empty()) html += name_value_table("Protocol that all runs share", main);
  if (!plugins.empty())
    html += "<details><summary>Plugins, their versions and hashes</summary>" + name_value_table("Plugins", plugins) +
            "</details>\n";
  if (!protocol.differing.empty()) {
    html += "<details><summary>Entries in which the runs differ</summary>";
    for (const auto& [path, values] : protocol.differing)
      html += fmt::format("<h3>{}</h3>", h(path)) + name_value_table(path, values);
    html += "</details>\n";
  }
  return {"protocol", "Protocol", html + identity_table(data)};
}

}  // namespace orbweaver::page
