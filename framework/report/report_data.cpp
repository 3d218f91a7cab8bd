#include "framework/report/report_data.h"

#include <fmt/format.h>

#include <algorithm>
#include <set>

#include "framework/io/files.h"
#include "framework/io/json.h"
#include "orbweaver/error.h"

namespace orbweaver {
namespace fs = std::filesystem;
namespace {

std::string text_at(const Value& value, const char* key) {
  const Value* found = value.find(key);
  return found && found->is_string() ? found->as_string() : std::string();
}

std::optional<double> number_at(const Value& value, const char* key) {
  const Value* found = value.find(key);
  if (!found || !found->is_number()) return std::nullopt;
  return found->as_double();
}

std::optional<int64_t> integer_at(const Value& value, const char* key) {
  const Value* found = value.find(key);
  if (!found || !found->is_int()) return std::nullopt;
  return found->as_int();
}

Value member(const Value& value, const char* key) {
  const Value* found = value.find(key);
  return found ? *found : Value();
}

std::vector<std::string> texts_at(const Value& value, const char* key) {
  std::vector<std::string> out;
  if (const Value* list = value.find(key); list && list->is_list())
    for (const Value& item : list->as_list())
      if (item.is_string()) out.push_back(item.as_string());
  return out;
}

const Value::List& list_at(const Value& value, const char* key) {
  static const Value::List none;
  const Value* found = value.find(key);
  return found && found->is_list() ? found->as_list() : none;
}

/// JSON of a file that may be absent or, being written by a run that was killed, damaged.
Value read_if_there(const fs::path& file) {
  try {
    return fs::exists(file) ? read_json(file) : Value();
  } catch (const InputError&) {
    return {};
  }
}

ReportEpoch read_epoch(const Value& line) {
  ReportEpoch out;
  out.epoch = integer_at(line, "epoch").value_or(0);
  const auto add = [&](const std::string& name, std::optional<double> value) {
    if (value) out.values.emplace_back(name, *value);
  };
  add("loss", number_at(line, "loss"));
  if (const Value* parts = line.find("parts"); parts && parts->is_object() && parts->as_object().size() > 1)
    for (const auto& [name, value] : parts->as_object())
      if (value.is_number()) add("loss: " + name, value.as_double());
  if (const Value* val = line.find("val")) add("validation mR", number_at(*val, "mR"));
  add("learning rate", number_at(line, "lr"));
  return out;
}

/// Reads config, record and curves of a run; a missing folder (a run that never began) leaves them empty.
void read_folder(ReportRun& run) {
  run.config = read_if_there(run.folder / "config.json");
  run.record = read_if_there(run.folder / "record.json");
  const fs::path metrics = run.folder / "metrics.jsonl";
  if (!fs::exists(metrics)) return;
  double seconds = 0;
  int64_t timed = 0;
  for (const std::string& line : read_lines(metrics)) {
    try {
      const Value value = parse_json(line, metrics.string());
      run.epochs.push_back(read_epoch(value));
      if (const auto took = number_at(value, "seconds")) seconds += *took, ++timed;
    } catch (const InputError&) {
      continue;  // a last line cut short by a kill
    }
  }
  if (!run.epoch_seconds && timed > 0) run.epoch_seconds = seconds / static_cast<double>(timed);
}

void take_from_record(ReportRun& run) {
  if (!run.seconds) run.seconds = number_at(run.record, "train_seconds");
  if (!run.peak_memory_mib) run.peak_memory_mib = number_at(run.record, "peak_memory_mib");
  const Value* selection = run.record.find("selection");
  if (!selection) return;
  if (!run.best_epoch) run.best_epoch = integer_at(*selection, "epoch");
  if (!run.val_mean_recall) run.val_mean_recall = number_at(*selection, "mR");
}

ReportRun read_run(const Value& value, const std::string& variant, const fs::path& sweep) {
  ReportRun run;
  run.seed = value.at("seed").as_int();
  run.status = value.at("status").as_string();
  run.reason = text_at(value, "reason");
  run.log_tail = texts_at(value, "log_tail");
  run.identity = text_at(value, "identity");
  run.trained_as = text_at(value, "trained_as");
  run.seconds = number_at(value, "seconds");
  run.epoch_seconds = number_at(value, "epoch_seconds");
  run.peak_memory_mib = number_at(value, "peak_memory_mib");
  run.best_epoch = integer_at(value, "best_epoch");
  run.val_mean_recall = number_at(value, "val_mR");
  const std::string folder = text_at(value, "folder");
  run.folder = sweep / (folder.empty() ? fmt::format("runs/{}-s{}", variant, run.seed) : folder);
  const std::string name = text_at(value, "name");
  run.name = name.empty() ? run.folder.filename().string() : name;
  read_folder(run);
  take_from_record(run);
  return run;
}

/// Rows of one kind (tie rule and positives) are told apart by their rerankers.
void label_rows(std::vector<ReportRow>& rows) {
  for (const bool duplicate_aware : {false, true})
    for (const char* ties : {"strict", "arbitrary"}) {
      std::vector<ReportRow*> of_kind;
      std::vector<std::string> rerankers;
      for (ReportRow& row : rows)
        if (row.duplicate_aware == duplicate_aware && row.tie_rule == ties) {
          of_kind.push_back(&row);
          rerankers.push_back(row.reranker);
        }
      const std::vector<std::string> labels = reranker_labels(rerankers);
      for (size_t i = 0; i < of_kind.size(); ++i)
        of_kind[i]->label =
            labels[i] + (duplicate_aware ? ", same text" : "") + (of_kind[i]->strict() ? "" : ", ties by index");
    }
}

std::optional<ReportComparison> read_comparison(const Value& row) {
  const Value* value = row.find("comparison");
  if (!value || !value->is_object()) return std::nullopt;
  ReportComparison out;
  out.to = text_at(*value, "to");
  out.metric = text_at(*value, "metric");
  out.difference = value->at("difference").as_double();
  out.low = value->at("low").as_double();
  out.high = value->at("high").as_double();
  out.seed_deviation = number_at(*value, "seed_std");
  out.p = number_at(*value, "p");
  out.p_holm = number_at(*value, "p_holm");
  if (const Value* significant = value->find("significant"); significant && significant->is_bool())
    out.significant = significant->as_bool();
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
  for (const Value& seed : list_at(value, "seeds")) row.seeds.push_back(seed.as_int());
  for (const auto& [name, cell] : value.at("metrics").as_object()) {
    ReportMetric metric{name, cell.at("mean").as_double(), number_at(cell, "std"), {}};
    for (const Value& one : list_at(cell, "values"))
      if (one.is_number()) metric.values.push_back(one.as_double());
    row.metrics.push_back(std::move(metric));
  }
  row.comparison = read_comparison(value);
  return row;
}

ReportData parse_sweep(const Value& value, const fs::path& folder) {
  if (const auto format = integer_at(value, "format"); format != 1)
    throw InputError("/format: is not 1; this is no sweep's results, or those of another version of orbweaver");
  ReportData data;
  data.sweep = true;
  data.name = text_at(value, "name");
  data.description = text_at(value, "description");
  if (const std::string split = text_at(value, "split"); !split.empty()) data.split = split;
  data.baseline = text_at(value, "baseline");
  data.metrics = texts_at(value, "metrics");
  data.wall_seconds = number_at(value, "wall_seconds");
  data.environment = member(value, "environment");
  data.dataset = member(value, "dataset");
  data.cache = member(value, "cache");
  data.statistics = member(value, "statistics");
  for (const Value& given : value.at("variants").as_list()) {
    ReportVariant variant;
    variant.name = given.at("name").as_string();
    variant.description = text_at(given, "description");
    variant.overrides = texts_at(given, "overrides");
    variant.config = text_at(given, "config");
    for (const Value& run : list_at(given, "runs")) variant.runs.push_back(read_run(run, variant.name, folder));
    for (const Value& row : list_at(given, "rows")) variant.rows.push_back(read_row(row));
    label_rows(variant.rows);
    data.variants.push_back(std::move(variant));
  }
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
  run.seed = integer_at(run.config, "seed").value_or(0);
  if (!run.record.is_null()) {
    run.status = "finished";
    return run;
  }
  run.status = "stopped";
  run.reason = "there is no record.json: the training did not end";
  if (!fs::exists(folder / "log.txt")) return run;
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

std::vector<ReportRow> rows_of(const ReportRun& run, const std::string& split) {
  std::vector<ReportRow> rows;
  const Value* evaluations = run.record.find("evaluations");
  const Value* evaluation = evaluations ? evaluations->find(split) : nullptr;
  if (!evaluation) return rows;
  for (const Value& row : list_at(*evaluation, "rows")) rows.push_back(row_of_one_run(row, run.seed));
  label_rows(rows);
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

std::vector<std::string> reranker_labels(const std::vector<std::string>& rerankers) {
  std::vector<std::string> labels;
  for (size_t i = 0; i < rerankers.size(); ++i) {
    const auto before = std::count(rerankers.begin(), rerankers.begin() + static_cast<std::ptrdiff_t>(i), rerankers[i]);
    const std::string name = rerankers[i] == "none" ? "plain" : rerankers[i];
    labels.push_back(before == 0 ? name : fmt::format("{} [{}]", name, before + 1));
  }
  return labels;
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
    const ReportRun& run = variant.runs.front();
    variant.rows = naming(run.folder / "record.json", [&] { return rows_of(run, data.split); });
    if (data.dataset.is_null()) data.dataset = member(run.record, "dataset");
    if (data.environment.is_null()) data.environment = member(run.record, "environment");
  }
  return data;
}

}  // namespace orbweaver
