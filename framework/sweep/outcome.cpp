#include "framework/sweep/outcome.h"

#include <fmt/format.h>

#include <algorithm>

#include "framework/io/files.h"
#include "framework/io/json.h"
#include "framework/io/lenient.h"
#include "framework/sweep/identity.h"
#include "framework/train/run_folder.h"
#include "orbweaver/error.h"

namespace orbweaver {
namespace fs = std::filesystem;

Value RunOutcome::to_value() const {
  Value out = Value::object();
  out["format"] = 1;
  out["status"] = Value(status);
  out["token"] = Value(token);
  out["launch"] = Value(launch);
  out["training"] = Value(training);
  out["evaluation"] = Value(evaluation);
  out["reason"] = Value(reason);
  out["log_tail"] = Value::list();
  for (const std::string& line : log_tail) out["log_tail"].push_back(Value(line));
  out["seconds"] = seconds;
  out["epoch_seconds"] = epoch_seconds;
  out["peak_memory_mib"] = peak_memory_mib;
  out["best_epoch"] = best_epoch;
  out["val_mR"] = val_mean_recall;
  out["trained_as"] = Value(trained_as);
  out["rows"] = rows.is_null() ? Value::list() : rows;
  return out;
}

RunOutcome RunOutcome::from(const Value& value) {
  RunOutcome out;
  out.status = value.at("status").as_string();
  out.token = value.at("token").as_string();
  out.launch = value.at("launch").as_string();
  out.training = value.at("training").as_string();
  out.evaluation = value.at("evaluation").as_string();
  out.reason = value.at("reason").as_string();
  out.log_tail = texts_of(value.at("log_tail"));
  out.seconds = value.at("seconds").as_double();
  out.epoch_seconds = value.at("epoch_seconds").as_double();
  out.peak_memory_mib = value.at("peak_memory_mib").as_double();
  out.best_epoch = value.at("best_epoch").as_int();
  out.val_mean_recall = value.at("val_mR").as_double();
  out.trained_as = value.at("trained_as").as_string();
  out.rows = value.at("rows");
  return out;
}

std::optional<Value> SweepRunFolder::identity_parts() const {
  Value parts = read_json_or_null(identity());
  if (parts.is_null()) return {};
  return parts;
}

std::optional<RunOutcome> SweepRunFolder::read_outcome() const {
  try {
    const Value value = read_json_or_null(outcome());
    if (value.is_null()) return {};
    return RunOutcome::from(value);
  } catch (const Error&) {
    return {};
  }
}

void SweepRunFolder::write(const RunOutcome& result) const {
  write_atomically(outcome(), to_json(result.to_value()) + "\n");
}

bool SweepRunFolder::trained(const std::string& training) const {
  const RunFolder run(folder_);
  if (!fs::exists(run.record()) || !fs::exists(run.best())) return false;
  const auto parts = identity_parts();
  return parts && hash_value(*parts) == training;
}

KeptRanks SweepRunFolder::kept_ranks(const RunOutcome& outcome, const std::string& split) const {
  const std::string name = ranks_file_name(split);
  if (!fs::exists(folder_ / name)) return {{}, name + ": is not there"};
  try {
    const std::string weights = text_of(member(read_json_or_null(RunFolder(folder_).record()), "weights"));
    SavedRanks ranks = read_ranks(folder_ / name);
    const std::string why = why_not_of(ranks, outcome.rows, weights);
    if (!why.empty()) return {{}, fmt::format("{}: {}", name, why)};
    return {std::move(ranks), ""};
  } catch (const Error& error) {
    return {{}, error.what()};
  }
}

std::vector<std::string> SweepRunFolder::log_tail(size_t lines) const {
  std::vector<std::string> out;
  if (!fs::exists(log())) return out;
  const std::vector<std::string> all = read_lines(log());
  for (auto line = all.rbegin(); line != all.rend() && out.size() < lines; ++line) {
    if (line->starts_with("=== ")) break;  // an earlier process's lines
    const bool progress = line->find(" left") != std::string::npos && line->find("/s") != std::string::npos;
    if (!line->empty() && !progress) out.push_back(line->substr(0, 400));
  }
  std::reverse(out.begin(), out.end());
  return out;
}

void remove_leftovers(const fs::path& folder) {
  for (const auto& entry : fs::directory_iterator(folder)) {
    const std::string name = entry.path().filename().string();
    if (name.starts_with(".") && name.ends_with(".tmp")) remove_leftover(entry.path());
  }
}

}  // namespace orbweaver
