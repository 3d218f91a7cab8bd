#include "framework/report/report_data.h"

#include <fmt/format.h>

#include <algorithm>
#include <cstdlib>
#include <set>
#include <string_view>

#include "framework/eval/abilities.h"
#include "framework/eval/row_lines.h"
#include "framework/eval/significance.h"
#include "framework/io/files.h"
#include "framework/io/json.h"
#include "framework/io/lenient.h"
#include "framework/io/outside_links.h"
#include "orbweaver/error.h"

namespace orbweaver {
namespace fs = std::filesystem;
namespace {

ReportEpoch read_epoch(const Value& line) {
  ReportEpoch out;
  out.epoch = integer_of(member(line, "epoch")).value_or(0);
  const auto add = [&](const std::string& name, std::optional<double> value) {
    if (value) out.values.emplace_back(name, *value);
  };
  add("loss", number_of(member(line, "loss")));
  if (const Value* parts = line.find("parts"); parts && parts->is_object() && parts->as_object().size() > 1)
    for (const auto& [name, value] : parts->as_object())
      if (value.is_number()) add("loss: " + name, value.as_double());
  if (const Value* val = line.find("val")) add("validation mR", number_of(member(*val, "mR")));
  add("learning rate", number_of(member(line, "lr")));
  return out;
}

/// The folder of a run as results.json names it. A sweep writes it relative to its own and below it; another one would
/// put into the page what lies anywhere on the machine that makes it.
fs::path folder_of_run(const std::string& given, const std::string& fallback, const fs::path& sweep) {
  const fs::path folder(given.empty() ? fallback : given);
  if (folder.is_absolute() || std::find(folder.begin(), folder.end(), "..") != folder.end() ||
      given.find('\0') != std::string::npos)
    throw InputError(
        fmt::format("the folder of a run is {}, expected one below the sweep's, as orbweaver sweep writes it: "
                    "\"runs/f1-s1\"",
                    brief(Value(folder.string()))));
  if (!outside_links_allowed() && !lies_in(resolved(sweep / folder), resolved(sweep)))
    throw InputError(
        fmt::format("{} leads to {}, outside the sweep's folder; put the run there, or set ORBWEAVER_OUTSIDE_LINKS=1 "
                    "if the link is yours",
                    folder.string(), resolved(sweep / folder).string()));
  return sweep / folder;
}

/// Reads config, record and curves of a run; a missing folder (a run that never began) leaves them empty.
void read_folder(ReportRun& run) {
  run.config = read_json_or_null(run.folder / "config.json");
  run.record = read_json_or_null(run.folder / "record.json");
  const fs::path metrics = run.folder / "metrics.jsonl";
  if (!fs::exists(metrics)) return;
  double seconds = 0;
  int64_t timed = 0;
  for (const std::string& line : read_lines(metrics)) {
    try {
      const Value value = parse_json(line, metrics.string());
      run.epochs.push_back(read_epoch(value));
      if (const auto took = number_of(member(value, "seconds"))) seconds += *took, ++timed;
    } catch (const InputError&) {
      continue;  // a last line cut short by a kill
    }
  }
  if (!run.epoch_seconds && timed > 0) run.epoch_seconds = seconds / static_cast<double>(timed);
}

void take_from_record(ReportRun& run) {
  if (!run.seconds) run.seconds = number_of(member(run.record, "train_seconds"));
  if (!run.peak_memory_mib) run.peak_memory_mib = number_of(member(run.record, "peak_memory_mib"));
  const Value* selection = run.record.find("selection");
  if (!selection) return;
  if (!run.best_epoch) run.best_epoch = integer_of(member(*selection, "epoch"));
  if (!run.val_mean_recall) run.val_mean_recall = number_of(member(*selection, "mR"));
}

ReportRun read_run(const Value& value, const std::string& variant, const fs::path& sweep) {
  ReportRun run;
  run.seed = value.at("seed").as_int();
  run.status = value.at("status").as_string();
  run.reason = text_of(member(value, "reason"));
  run.log_tail = texts_of(member(value, "log_tail"));
  run.identity = text_of(member(value, "identity"));
  run.trained_as = text_of(member(value, "trained_as"));
  run.seconds = number_of(member(value, "seconds"));
  run.epoch_seconds = number_of(member(value, "epoch_seconds"));
  run.peak_memory_mib = number_of(member(value, "peak_memory_mib"));
  run.best_epoch = integer_of(member(value, "best_epoch"));
  run.val_mean_recall = number_of(member(value, "val_mR"));
  const std::string folder = text_of(member(value, "folder"));
  run.folder = folder_of_run(folder, fmt::format("runs/{}-s{}", variant, run.seed), sweep);
  const std::string name = text_of(member(value, "name"));
  run.name = name.empty() ? run.folder.filename().string() : name;
  read_folder(run);
  take_from_record(run);
  if (!list_of(member(value, "rows")).empty()) run.rows = member(value, "rows");
  run.weights = text_of(member(run.record, "weights"));
  return run;
}

/// Gives rows the labels of their lines, which the baseline's rows open.
void label_rows(ReportData& data) {
  std::vector<std::vector<RowKey>> keys(data.variants.size());
  for (size_t v = 0; v < data.variants.size(); ++v)
    for (const ReportRow& row : data.variants[v].rows)
      keys[v].push_back({row.reranker, row.tie_rule, row.duplicate_aware, row.parameters});
  const auto named = std::ranges::find(data.variants, data.baseline, &ReportVariant::name);
  const RowLines placed = row_lines(keys, data.sweep ? static_cast<size_t>(named - data.variants.begin()) : 0);

  const std::vector<RowKey>& lines = placed.lines;
  for (size_t v = 0; v < data.variants.size(); ++v)
    for (size_t r = 0; r < placed.line_of[v].size(); ++r) {
      const auto line = lines.begin() + static_cast<std::ptrdiff_t>(placed.line_of[v][r]);
      const auto earlier = std::count_if(lines.begin(), line, [&](const RowKey& key) { return key.same_kind(*line); });
      ReportRow& row = data.variants[v].rows[r];
      row.label = row_label(row.reranker, static_cast<size_t>(earlier)) + (row.duplicate_aware ? ", same text" : "") +
                  (row.strict() ? "" : ", ties by index");
    }
}

ReportComparison read_comparison(const Value& value) {
  ReportComparison out;
  out.to = text_of(member(value, "to"));
  out.metric = text_of(member(value, "metric"));
  out.difference = value.at("difference").as_double();
  out.low = value.at("low").as_double();
  out.high = value.at("high").as_double();
  out.seed_deviation = number_of(member(value, "seed_std"));
  out.p = number_of(member(value, "p"));
  out.p_holm = number_of(member(value, "p_holm"));
  if (const Value* significant = value.find("significant"); significant && significant->is_bool())
    out.significant = significant->as_bool();
  out.seeds = integer_of(member(value, "seeds")).value_or(1);
  for (const Value& seed : list_of(member(value, "left_out"))) out.left_out.push_back(seed.as_int());
  return out;
}

void read_row_kind(ReportRow& row, const Value& value) {
  row.reranker = value.at("reranker").as_string();
  row.parameters = member(value, "parameters");
  row.tie_rule = value.at("tie_rule").as_string();
  row.duplicate_aware = value.at("duplicate_aware").as_bool();
}

ReportRow read_row(const Value& value) {
  ReportRow row;
  read_row_kind(row, value);
  for (const Value& seed : list_of(member(value, "seeds"))) row.seeds.push_back(seed.as_int());
  for (const auto& [name, cell] : value.at("metrics").as_object()) {
    ReportMetric metric{name, cell.at("mean").as_double(), number_of(member(cell, "std")), {}};
    for (const Value& one : list_of(member(cell, "values")))
      if (one.is_number()) metric.values.push_back(one.as_double());
    row.metrics.push_back(std::move(metric));
  }
  if (const Value& comparison = member(value, "comparison"); comparison.is_object())
    row.comparison = read_comparison(comparison);
  if (const Value& of_abilities = member(value, "ability_comparisons"); of_abilities.is_object())
    for (const auto& [name, comparison] : of_abilities.as_object())
      row.ability_comparisons.emplace(name, read_comparison(comparison));
  return row;
}

ReportData parse_sweep(const Value& value, const fs::path& folder) {
  if (const auto format = integer_of(member(value, "format")); format != 1)
    throw InputError("/format: is not 1; this is no sweep's results, or those of another version of orbweaver");
  ReportData data;
  data.sweep = true;
  data.name = text_of(member(value, "name"));
  data.description = text_of(member(value, "description"));
  if (const std::string split = text_of(member(value, "split")); !split.empty()) data.split = split;
  data.baseline = text_of(member(value, "baseline"));
  if (const Value::List& metrics = list_of(member(value, "metrics")); !metrics.empty())
    data.metric = text_of(metrics.front());
  data.wall_seconds = number_of(member(value, "wall_seconds"));
  data.dataset = member(value, "dataset");
  data.cache = member(value, "cache");
  data.statistics = member(value, "statistics");
  data.oracles = oracles_from(member(value, "oracle"));
  for (const Value& given : value.at("variants").as_list()) {
    ReportVariant variant;
    variant.name = given.at("name").as_string();
    variant.description = text_of(member(given, "description"));
    variant.overrides = texts_of(member(given, "overrides"));
    variant.config = text_of(member(given, "config"));
    for (const Value& run : list_of(member(given, "runs"))) variant.runs.push_back(read_run(run, variant.name, folder));
    for (const Value& row : list_of(member(given, "rows"))) variant.rows.push_back(read_row(row));
    data.variants.push_back(std::move(variant));
  }
  label_rows(data);
  return data;
}

// Run folders.

ReportRow row_of_one_run(const Value& value, int64_t seed) {
  ReportRow row;
  read_row_kind(row, value);
  row.seeds = {seed};
  const Value& metrics = value.at("metrics");
  const auto add = [&](const std::string& name, const Value& cell) {
    row.metrics.push_back({name, cell.as_double(), std::nullopt, {cell.as_double()}});
  };
  for (const char* direction : {"i2t", "t2i"})
    for (const auto& [name, cell] : metrics.at(direction).as_object()) add(fmt::format("{}.{}", direction, name), cell);
  add("mR", metrics.at("mR"));
  for (const std::string& name : ability_metrics_of(value))
    if (const auto of = ability_metric_of(value, name)) add(name, Value(*of));
  return row;
}

/// Folder names, or as many of their parents' as it takes to tell them apart.
std::vector<std::string> distinct_names(const std::vector<fs::path>& folders) {
  std::vector<std::string> names;
  for (const fs::path& folder : folders) names.push_back(folder.filename().string());
  std::vector<fs::path> parents = folders;
  for (size_t depth = 0; depth < 8; ++depth) {
    const std::multiset<std::string> all(names.begin(), names.end());
    bool clash = false;
    for (size_t i = 0; i < names.size(); ++i) {
      parents[i] = parents[i].parent_path();
      if (all.count(names[i]) < 2 || parents[i].filename().empty()) continue;
      clash = true;
      names[i] = parents[i].filename().string() + "/" + names[i];
    }
    if (!clash) break;
  }
  return names;
}

ReportRun read_plain_run(const fs::path& folder, const std::string& name) {
  if (!fs::exists(folder / "config.json"))
    throw InputError(
        fmt::format("{}: has neither config.json nor results.json; expected a run folder, as orbweaver "
                    "train makes it, or a sweep's",
                    folder.string()));
  ReportRun run;
  run.name = name;
  run.folder = folder;
  read_folder(run);
  take_from_record(run);
  run.seed = integer_of(member(run.config, "seed")).value_or(0);
  if (!run.record.is_null()) {
    run.status = "finished";
    return run;
  }
  run.status = "stopped";
  run.reason = "there is no record.json: the training did not end";
  if (!fs::exists(folder / "log.txt")) return run;
  if (!lies_in(resolved(folder / "log.txt"), resolved(folder))) {
    run.log_tail = {"log.txt is not shown: it is a link that leads out of the run's folder"};
    return run;
  }
  const std::vector<std::string> log = read_lines(folder / "log.txt");
  run.log_tail.assign(log.end() - std::min<std::ptrdiff_t>(10, std::ssize(log)), log.end());
  return run;
}

std::string evaluated_split(const std::vector<ReportVariant>& variants) {
  std::string first;
  for (const ReportVariant& variant : variants) {
    const Value* evaluations = variant.runs.front().record.find("evaluations");
    if (!evaluations || !evaluations->is_object()) continue;
    if (evaluations->find("test")) return "test";
    if (first.empty() && !evaluations->as_object().empty()) first = evaluations->as_object().front().first;
  }
  return first.empty() ? "test" : first;
}

std::vector<ReportRow> rows_of(ReportRun& run, const std::string& split) {
  std::vector<ReportRow> rows;
  const Value* evaluations = run.record.find("evaluations");
  const Value* evaluation = evaluations ? evaluations->find(split) : nullptr;
  if (!evaluation) return rows;
  run.rows = member(*evaluation, "rows");
  run.weights = text_of(member(member(*evaluation, "protocol"), "weights"));
  for (const Value& row : list_of(run.rows)) rows.push_back(row_of_one_run(row, run.seed));
  return rows;
}

/// `f()`, its InputErrors with the file in front: they name a member alone.
template <class F>
auto naming(const fs::path& file, F&& f) {
  try {
    return f();
  } catch (const InputError& error) {
    throw InputError(fmt::format("{}: {}", file.string(), error.what()));
  }
}

}  // namespace

const ReportMetric* ReportRow::metric(const std::string& name) const {
  const auto found = std::find_if(metrics.begin(), metrics.end(), [&](const auto& of) { return of.name == name; });
  return found == metrics.end() ? nullptr : &*found;
}

double ReportData::alpha() const {
  return number_of(member(statistics, "alpha")).value_or(SignificanceOptions{}.alpha);
}

std::string row_label(const std::string& reranker, size_t earlier) {
  const std::string name = reranker == "none" ? "plain" : reranker;
  return earlier == 0 ? name : fmt::format("{} [{}]", name, earlier + 1);
}

const ReportRow* ReportVariant::plain_row() const {
  const auto found = std::find_if(rows.begin(), rows.end(),
                                  [](const ReportRow& row) { return row.reported() && row.reranker == "none"; });
  return found == rows.end() ? nullptr : &*found;
}

ReportData read_sweep_report(const fs::path& results) {
  const Value value = read_json(results);
  return naming(results, [&] { return parse_sweep(value, fs::absolute(results).parent_path()); });
}

ReportData read_runs_report(const std::vector<fs::path>& folders) {
  std::vector<fs::path> paths;
  for (const fs::path& folder : folders) {
    paths.push_back(fs::weakly_canonical(fs::absolute(folder)));
    if (std::count(paths.begin(), paths.end(), paths.back()) > 1)
      throw InputError(fmt::format("{}: is given twice", folder.string()));
  }
  const std::vector<std::string> names = distinct_names(paths);
  ReportData data;
  for (size_t i = 0; i < paths.size(); ++i) {
    ReportVariant variant;
    variant.name = names[i];
    variant.runs.push_back(read_plain_run(paths[i], names[i]));
    data.variants.push_back(std::move(variant));
  }
  data.name = data.variants.size() == 1 ? names.front() : fmt::format("{} runs", names.size());
  data.split = evaluated_split(data.variants);
  for (ReportVariant& variant : data.variants) {
    ReportRun& run = variant.runs.front();
    variant.rows = naming(run.folder / "record.json", [&] { return rows_of(run, data.split); });
    if (data.dataset.is_null()) data.dataset = member(run.record, "dataset");
    const Value& evaluation = member(member(run.record, "evaluations"), data.split);
    std::vector<AbilityRow> oracle = recorded_oracle(member(member(evaluation, "abilities"), "rows"));
    if (!oracle.empty()) add_oracle(data.oracles, variant.name, std::move(oracle));
  }
  label_rows(data);
  return data;
}

}  // namespace orbweaver
