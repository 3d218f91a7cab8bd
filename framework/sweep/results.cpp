#include "framework/sweep/results.h"

#include <fmt/format.h>

#include <algorithm>
#include <map>

#include "framework/eval/ability_oracle.h"
#include "framework/eval/significance.h"
#include "framework/io/files.h"
#include "framework/io/json.h"
#include "framework/sweep/tables.h"
#include "framework/train/run_folder.h"
#include "framework/train/session.h"
#include "orbweaver/error.h"

namespace orbweaver {
namespace fs = std::filesystem;
namespace {

/// Of each run that finished. Where ranks were lost since they were looked at, the run's figures count, but compare
/// with nothing.
std::vector<KeptRanks> ranks_of_runs(const SweepPlan& plan) {
  std::vector<KeptRanks> out(plan.runs.size());
  for (size_t at = 0; at < out.size(); ++at)
    if (const PlannedRun& run = plan.runs[at]; run.state == JobState::finished)
      out[at] = run.folder.kept_ranks(*run.outcome, plan.sweep.params.split);
  return out;
}

std::string why_not_compared(const KeptRanks& ranks) {
  if (ranks.why_lost.empty()) return "";
  return fmt::format("not compared: {}; the next start evaluates it again", ranks.why_lost);
}

Value run_value(const SweepPlan& plan, const PlannedRun& run, const KeptRanks& ranks) {
  const RunOutcome none;
  const RunOutcome& outcome = run.outcome ? *run.outcome : none;
  const bool finished = run.state == JobState::finished;
  Value out = Value::object();
  out["seed"] = run.seed;
  out["name"] = Value(run.name);
  out["folder"] = Value(fs::relative(run.folder.path(), plan.folder).string());
  out["status"] = Value(state_name(run.state));
  out["reason"] = Value(finished ? why_not_compared(ranks) : run.reason);
  out["log_tail"] = Value::list();
  for (const std::string& line : run.log_tail) out["log_tail"].push_back(Value(line));
  out["identity"] = Value(run.training_hash);
  out["seconds"] = outcome.seconds;
  out["epoch_seconds"] = outcome.epoch_seconds;
  out["peak_memory_mib"] = outcome.peak_memory_mib;
  out["best_epoch"] = finished ? Value(outcome.best_epoch) : Value();
  out["val_mR"] = finished ? Value(outcome.val_mean_recall) : Value();
  out["trained_as"] = outcome.trained_as.empty() ? Value() : Value(outcome.trained_as);
  out["rows"] = finished ? outcome.rows : Value::list();
  return out;
}

std::vector<TableVariant> table_variants(const SweepPlan& plan, const std::vector<KeptRanks>& ranks) {
  std::vector<TableVariant> out;
  for (const SweepVariant& variant : plan.sweep.variants) out.push_back({variant.name, {}});
  for (size_t at = 0; at < plan.runs.size(); ++at)
    if (const PlannedRun& run = plan.runs[at]; run.state == JobState::finished)
      out[run.variant].runs.push_back({run.seed, run.outcome->rows, ranks[at].ranks});
  return out;
}

/// Of the first finished run, with the plugins of all of them.
void add_records(const SweepPlan& plan, Value& out) {
  for (const PlannedRun& run : plan.runs) {
    if (run.state != JobState::finished) continue;
    const Value record = read_json(RunFolder(run.folder.path()).record());
    const Value& environment = record.at("environment");
    if (out["environment"].is_null()) {
      out["environment"] = environment;
      out["dataset"] = record.at("dataset");
      continue;
    }
    for (const auto& [stem, entry] : environment.at("plugins").as_object()) out["environment"]["plugins"][stem] = entry;
  }
}

std::vector<AbilityRow> oracle_of(const Config& config, const std::string& name) {
  // Which files are broken was found out when the runs were evaluated, and is known from then where there is a cache.
  const Dataset dataset = config.dataset.skip_broken ? open_dataset(config, {}) : load_dataset(config.dataset);
  const Split& split = name == "train" ? dataset.train : name == "val" ? dataset.val : dataset.test;
  const std::optional<AbilityPairs> pairs = ability_pairs_of(config.dataset, dataset, split);
  return pairs ? oracle_rows(pairs->pairs, split, dataset.triples) : std::vector<AbilityRow>();
}

/// A run is finished where its data is what it was evaluated on (Identifier), so that the oracle sees the same.
std::vector<DatasetOracle> oracles_of(const SweepPlan& plan) {
  std::map<std::string, std::vector<AbilityRow>> known;  // by the config's dataset
  std::vector<DatasetOracle> oracles;
  for (const PlannedRun& run : plan.runs) {
    if (run.state != JobState::finished) continue;
    const std::string key = to_json(run.config.resolved.at("dataset"), -1);
    if (!known.contains(key)) known[key] = oracle_of(run.config, plan.sweep.params.split);
    if (!known[key].empty()) add_oracle(oracles, plan.sweep.variants[run.variant].name, known[key]);
  }
  return oracles;
}

/// The sweep file without what says how runs are started.
Value compared_part(const Value& sweep) {
  Value out = sweep;
  for (const char* key : {"jobs", "launcher", "slurm"}) out.erase(key);
  return out;
}

}  // namespace

Value sweep_results(const SweepPlan& plan, double wall_seconds, bool compare) {
  const SweepParams& params = plan.sweep.params;
  Value out = Value::object();
  out["format"] = 1;
  out["name"] = Value(params.name);
  out["description"] = Value(params.description);
  out["sweep"] = plan.sweep.resolved;
  out["split"] = Value(params.split);
  out["baseline"] = params.baseline.empty() ? Value() : Value(params.baseline);
  out["metrics"] = Value::list();
  for (const std::string& metric : params.metrics) out["metrics"].push_back(Value(metric));
  out["environment"] = Value();
  out["dataset"] = Value();
  add_records(plan, out);
  out["wall_seconds"] = wall_seconds;
  const fs::path& cache = plan.runs.front().config.cache;
  out["cache"]["enabled"] = !cache.empty();
  out["cache"]["folder"] = Value(cache.string());

  const std::vector<KeptRanks> ranks = compare ? ranks_of_runs(plan) : std::vector<KeptRanks>(plan.runs.size());
  const std::vector<Value> rows = variant_rows(table_variants(plan, ranks), compare ? params.baseline : "",
                                               params.metrics, params.statistics.options());
  out["variants"] = Value::list();
  for (size_t v = 0; v < plan.sweep.variants.size(); ++v) {
    const SweepVariant& variant = plan.sweep.variants[v];
    Value entry = Value::object();
    entry["name"] = Value(variant.name);
    entry["description"] = Value(variant.description);
    entry["overrides"] = Value::list();
    for (const std::string& text : variant.overrides) entry["overrides"].push_back(Value(text));
    entry["config"] = variant.own_config ? Value(variant.config.string()) : Value();
    entry["runs"] = Value::list();
    for (size_t at = 0; at < plan.runs.size(); ++at)
      if (plan.runs[at].variant == v) entry["runs"].push_back(run_value(plan, plan.runs[at], ranks[at]));
    entry["rows"] = rows.at(v);
    out["variants"].push_back(std::move(entry));
  }
  out["oracle"] = compare ? to_value(oracles_of(plan)) : Value::list();
  out["statistics"] = to_value(params.statistics.options());
  const auto compared = std::ranges::find_if(params.metrics, can_be_compared);
  if (compared != params.metrics.end()) out["statistics"]["unit"] = Value(unit_of(*compared));
  out["inputs"] = Value(compare ? results_inputs(plan) : "");
  return out;
}

std::string results_inputs(const SweepPlan& plan) {
  Hasher hasher;
  hasher.add(std::string_view("8"));  // the number of this way of making results
  hasher.add(std::string_view(to_json(compared_part(plan.sweep.resolved), -1)));
  for (const PlannedRun& run : plan.runs) {
    hasher.add(std::string_view(run.name)).add(std::string_view(state_name(run.state)));
    hasher.add(std::string_view(run.reason));
    hasher.add(std::string_view(run.outcome ? to_json(run.outcome->to_value(), -1) : ""));
  }
  return hasher.hex();
}

}  // namespace orbweaver
