#include "framework/sweep/plan.h"

#include <fmt/format.h>
#include <fmt/ranges.h>
#include <fnmatch.h>

#include <algorithm>
#include <map>
#include <set>

#include "framework/cache/file_hashes.h"
#include "framework/config/config.h"
#include "framework/data/dataset.h"
#include "framework/eval/abilities.h"
#include "framework/io/files.h"
#include "framework/io/json.h"
#include "framework/model/cached_parts.h"
#include "framework/plugin/plugin_host.h"
#include "framework/train/run_folder.h"
#include "orbweaver/error.h"

namespace orbweaver {
namespace fs = std::filesystem;
namespace {

std::string path_of(const std::string& override_text) { return override_text.substr(0, override_text.find('=')); }

/// An override for every run that one variant's own would undo would be passed
/// over in silence there.
void check_overrides(const Sweep& sweep, const std::vector<std::string>& overrides) {
  for (const std::string& text : overrides) {
    const std::string path = path_of(text);
    if (path == "seed")
      throw InputError(
          fmt::format("--set {}: seeds belong to the sweep; "
                      "--set-sweep 'seeds=[1]' chooses them",
                      text));
    if (path == "output")
      throw InputError(fmt::format("--set {}: runs lie in the sweep's folder; choose that with --out", text));
    for (const SweepVariant& variant : sweep.variants)
      for (const std::string& other : variant.overrides)
        if (path == path_of(other) || path.starts_with(path_of(other) + "."))
          throw InputError(
              fmt::format("--set {}: variant {} sets {} itself ({})", text, variant.name, path_of(other), other));
  }
}

/// The sweep's rerankers stand behind the config's own.
void add_rerankers(ConfigSource& source, const Sweep& sweep) {
  const Value::List& added = sweep.rerank.as_list();
  if (added.empty()) return;
  Value list = Value::list();
  if (const Value* own = source.value.find("rerank"); own && !own->is_null()) {
    if (own->is_list())
      list = *own;
    else
      list.push_back(*own);
  }
  for (const Value& reranker : added) {
    source.origins[fmt::format("/rerank/{}", list.as_list().size())] = sweep.file;
    list.push_back(reranker);
  }
  source.value["rerank"] = std::move(list);
}

/// A reranker that config and sweep both name, with the same parameters, is
/// one.
void drop_repeated_rerankers(Config& config) {
  if (config.rerankers.empty()) return;
  std::vector<ComponentConfig> kept;
  Value list = Value::list();
  const Value& all = config.resolved.at("rerank");
  for (size_t i = 0; i < config.rerankers.size(); ++i) {
    const ComponentConfig& part = config.rerankers[i];
    const bool known = std::any_of(kept.begin(), kept.end(), [&](const ComponentConfig& other) {
      return other.id == part.id && other.params == part.params;
    });
    if (known) continue;
    kept.push_back(part);
    list.push_back(all.is_list() ? all.as_list().at(i) : all);
  }
  config.rerankers = std::move(kept);
  config.resolved["rerank"] = std::move(list);
}

ConfigSource read_run_config(const Sweep& sweep, const SweepVariant& variant, int64_t seed,
                             const std::vector<std::string>& overrides) {
  ConfigSource source = read_config(variant.config, {});
  apply_overrides(source, sweep.params.overrides, sweep.origin);
  apply_overrides(source, overrides, "--set");
  apply_overrides(source, variant.overrides, variant.origin);
  apply_overrides(source, {fmt::format("seed={}", seed)}, sweep.file);
  add_rerankers(source, sweep);
  return source;
}

bool is_selected(const PlannedRun& run, const std::string& variant, const std::string& pattern) {
  return fnmatch(pattern.c_str(), run.name.c_str(), 0) == 0 || fnmatch(pattern.c_str(), variant.c_str(), 0) == 0;
}

void select(SweepPlan& plan, const std::vector<std::string>& patterns) {
  for (const std::string& pattern : patterns) {
    const bool any = std::any_of(plan.runs.begin(), plan.runs.end(), [&](const PlannedRun& run) {
      return is_selected(run, plan.sweep.variants[run.variant].name, pattern);
    });
    if (!any)
      throw InputError(
          fmt::format("--only {}: matches no run; runs are named "
                      "as {}, and a variant's name alone "
                      "selects its runs",
                      pattern, plan.runs.front().name));
  }
  if (patterns.empty()) return;
  for (PlannedRun& run : plan.runs)
    run.selected = std::any_of(patterns.begin(), patterns.end(), [&](const std::string& pattern) {
      return is_selected(run, plan.sweep.variants[run.variant].name, pattern);
    });
}

/// Results on different queries cannot share a table; better said before anything is trained.
void check_splits(const SweepPlan& plan) {
  std::map<std::string, const PlannedRun*> by_dataset;
  for (const PlannedRun& run : plan.runs) by_dataset.try_emplace(to_json(run.config.resolved.at("dataset"), -1), &run);
  if (by_dataset.size() < 2) return;
  struct Found {
    size_t variant;
    std::string hash, size;
  };
  std::vector<Found> found;
  const std::string& name = plan.sweep.params.split;
  for (const auto& [key, run] : by_dataset) {
    const Dataset dataset = load_dataset(run->config.dataset);
    const Split& split = name == "train" ? dataset.train : name == "val" ? dataset.val : dataset.test;
    found.push_back({run->variant, split.hash(),
                     fmt::format("{} images, {} captions", split.images.size(), split.captions.size())});
  }
  std::ranges::sort(found, {}, &Found::variant);
  const auto other = std::ranges::find_if(found, [&](const Found& one) { return one.hash != found[0].hash; });
  if (other == found.end()) return;
  throw InputError(
      fmt::format("{}: the {} split of variant {} ({}) is not that of variant {} ({}); results on different queries "
                  "cannot share a table: give all variants one, or make two sweeps",
                  plan.sweep.file, name, plan.sweep.variants[other->variant].name, other->size,
                  plan.sweep.variants[found[0].variant].name, found[0].size));
}

/// Metrics of abilities need pairs, which few datasets have.
void check_abilities(const SweepPlan& plan) {
  const SweepParams& params = plan.sweep.params;
  for (size_t i = 0; i < params.metrics.size(); ++i) {
    const std::optional<AbilityMetric> metric = ability_metric(params.metrics[i]);
    if (!metric) continue;
    std::set<fs::path> seen;
    for (const PlannedRun& run : plan.runs) {
      const fs::path file = abilities_file(run.config.dataset.root);
      if (!seen.insert(file).second) continue;
      const std::vector<std::string> names = ability_names(file, params.split);
      if (std::ranges::find(names, metric->ability) != names.end()) continue;
      throw InputError(fmt::format(
          "{}: /metrics/{}: \"{}\": {} {}; leave the metric out, or use a dataset with such pairs, as orbweaver data "
          "synth writes it",
          plan.sweep.file, i, metric->name(), file.string(),
          !fs::exists(file) ? "does not exist"
          : names.empty()   ? fmt::format("has no pairs of the {} split", params.split)
                            : fmt::format("has no pairs of \"{}\" in the {} split, but of {}", metric->ability,
                                          params.split, fmt::join(names, ", "))));
    }
  }
}

/// Resolves runs one by one and keeps what is wrong with them.
class Planner {
 public:
  Planner(Sweep sweep, const PlanOptions& options) : options_(options) { plan_.sweep = std::move(sweep); }

  SweepPlan make() {
    check_overrides(plan_.sweep, options_.overrides);
    if (!options_.out.empty()) plan_.folder = fs::absolute(options_.out).lexically_normal();
    for (size_t v = 0; v < plan_.sweep.variants.size(); ++v) add_variant(v);
    if (!problems_.empty()) throw InputError(fmt::format("{}", fmt::join(problems_, "\n")));
    select(plan_, options_.only);
    check_splits(plan_);
    check_abilities(plan_);
    return std::move(plan_);
  }

 private:
  void add_variant(size_t index) {
    for (const int64_t seed : plan_.sweep.params.seeds) {
      try {
        add_run(index, seed);
      } catch (const InputError& error) {
        add_problem(plan_.sweep.variants[index].name, error.what());
        return;  // another seed has the same problems
      }
    }
  }

  void add_run(size_t index, int64_t seed) {
    const SweepVariant& variant = plan_.sweep.variants[index];
    const ConfigSource source = read_run_config(plan_.sweep, variant, seed, options_.overrides);
    PluginHost::Options host;
    host.search_paths = plugin_search_paths(source);
    PluginHost plugins(host);
    Config config = resolve_config(source, plugins);
    drop_repeated_rerankers(config);
    if (plan_.folder.empty()) plan_.folder = config.output / plan_.sweep.params.name;
    if (!hashes_) {
      hashes_.emplace(hash_records(config, plan_.folder), static_cast<int>(config.train.workers));
      identifier_.emplace(*hashes_);
    }

    PlannedRun run(plan_.folder / "runs" / run_name(variant.name, seed));
    run.name = run_name(variant.name, seed);
    run.variant = index;
    run.seed = seed;
    run.training = identifier_->training(config, plugins);
    run.training_hash = hash_value(run.training);
    run.evaluation_hash =
        hash_value(identifier_->evaluation(config, plugins, run.training_hash, plan_.sweep.params.split));
    run.config = std::move(config);
    plan_.runs.push_back(std::move(run));
  }

  /// Variants share most of their config and so most of their problems: each is
  /// told once.
  void add_problem(const std::string& variant, const std::string& text) {
    size_t begin = 0;
    while (begin < text.size()) {
      const size_t end = std::min(text.find('\n', begin), text.size());
      const std::string line = text.substr(begin, end - begin);
      if (std::find(seen_.begin(), seen_.end(), line) == seen_.end()) {
        seen_.push_back(line);
        problems_.push_back(fmt::format("{} (variant {})", line, variant));
      }
      begin = end + 1;
    }
  }

  const PlanOptions& options_;
  SweepPlan plan_;
  std::optional<ContentHashes> hashes_;
  std::optional<Identifier> identifier_;
  std::vector<std::string> seen_, problems_;
};

/// "/plugins/bigru: 1f0c77aa -> 9e3b0001 (and 2 more)"
std::string first_difference(const Value& before, const Value& after) {
  const std::vector<std::string> lines = value_differences(before, after);
  if (lines.empty()) return "";
  return lines.size() == 1 ? lines[0] : fmt::format("{} (and {} more)", lines[0], lines.size() - 1);
}

/// @param split  that the sweep evaluates on.
void inspect_run(PlannedRun& run, const std::string& split, bool retry_failed) {
  run.outcome = run.folder.read_outcome();
  if (run.outcome && run.outcome->training != run.training_hash) run.outcome.reset();
  const bool same_evaluation = run.outcome && run.outcome->evaluation == run.evaluation_hash;
  const bool trained = run.folder.trained(run.training_hash);
  const auto parts = run.folder.identity_parts();

  if (same_evaluation && run.outcome->status == "failed" && !retry_failed) {
    run.todo = PlannedRun::Todo::nothing;
    run.state = JobState::failed;
    run.reason = run.outcome->reason;
    run.log_tail = run.outcome->log_tail;
  } else if (trained && same_evaluation && run.outcome->status == "finished") {
    // Of a run that is not to be started the figures count all the same.
    const std::string lost = run.selected ? run.folder.why_ranks_lost(*run.outcome, split) : "";
    run.todo = lost.empty() ? PlannedRun::Todo::nothing : PlannedRun::Todo::evaluate;
    if (lost.empty()) run.state = JobState::finished;
    if (!lost.empty()) run.why = "evaluated again, from its saved scores: " + lost;
  } else if (trained) {
    run.todo = PlannedRun::Todo::evaluate;
    if (run.outcome && run.outcome->status == "finished")
      run.why =
          "evaluated again, from its saved scores: the split, its pairs or "
          "the rerankers changed";
  } else if (parts && *parts == run.training) {
    run.todo = PlannedRun::Todo::resume;
    if (run.outcome && run.outcome->status == "stopped") run.state = JobState::stopped;
  } else if (parts) {
    run.why = "trained again: " + first_difference(*parts, run.training);
  }
}

bool needs_training(const PlannedRun& run) {
  return run.todo == PlannedRun::Todo::train || run.todo == PlannedRun::Todo::resume;
}

bool has_checkpoint(const PlannedRun& run) {
  return run.todo == PlannedRun::Todo::resume && fs::exists(RunFolder(run.folder.path()).last());
}

/// Names of finished trainings in the sweep's folder that none of its runs has now, as of a variant that was renamed,
/// by identity.
std::map<std::string, std::string> former_runs(const SweepPlan& plan) {
  std::vector<fs::path> folders;
  std::error_code none_yet;
  for (const auto& entry : fs::directory_iterator(plan.folder / "runs", none_yet)) folders.push_back(entry.path());
  std::sort(folders.begin(), folders.end());
  std::map<std::string, std::string> out;
  for (const fs::path& path : folders) {
    const std::string name = path.filename().string();
    if (std::any_of(plan.runs.begin(), plan.runs.end(), [&](const PlannedRun& run) { return run.name == name; }))
      continue;
    const SweepRunFolder folder(path);
    const auto parts = folder.identity_parts();
    if (parts && folder.trained(hash_value(*parts))) out.emplace(hash_value(*parts), name);
  }
  return out;
}

/// Runs that differ in nothing that is trained (a variant that adds a reranker) are trained once.
/// @param same  runs of one identity, in the plan's order
/// @param name  of a run of that identity outside the plan, or empty
void share_training(SweepPlan& plan, const std::vector<size_t>& same, std::string name) {
  const auto first = [&](const auto& holds) -> std::optional<size_t> {
    const auto found = std::find_if(same.begin(), same.end(), [&](size_t i) { return holds(plan.runs[i]); });
    return found == same.end() ? std::nullopt : std::optional(*found);
  };
  const auto begins = [](const PlannedRun& run) { return run.selected && needs_training(run); };
  auto provider = first([](const PlannedRun& run) { return run.folder.trained(run.training_hash); });
  bool lost = false;
  if (!provider && name.empty()) {
    provider = first([&](const PlannedRun& run) { return begins(run) && has_checkpoint(run); });
    if (!provider) {
      // Another start of the same training would only fail the same way.
      provider = first([](const PlannedRun& run) { return run.state == JobState::failed; });
      lost = provider.has_value();
    }
    if (!provider) provider = first(begins);
  }
  if (provider) name = plan.runs[*provider].name;
  if (name.empty()) return;
  for (const size_t i : same) {
    PlannedRun& run = plan.runs[i];
    if (i == provider || !needs_training(run) || (lost && has_checkpoint(run))) continue;
    run.twin = provider;
    run.shares = name;
    run.why.clear();
    if (lost) fail_with(run, plan.runs[*provider]);
  }
}

void share_trainings(SweepPlan& plan) {
  std::map<std::string, std::vector<size_t>> by_training;
  for (size_t i = 0; i < plan.runs.size(); ++i) by_training[plan.runs[i].training_hash].push_back(i);
  const auto former = former_runs(plan);
  for (const auto& [training, same] : by_training) {
    const auto found = former.find(training);
    share_training(plan, same, found == former.end() ? "" : found->second);
  }
}

std::string duration(double seconds) {
  if (seconds < 90) return fmt::format("{:.0f} s", seconds);
  if (seconds < 5400) return fmt::format("{:.0f} min", seconds / 60);
  return fmt::format("{:.1f} h", seconds / 3600);
}

/// Mean seconds of the finished runs of each variant, and of all.
struct KnownTimes {
  std::map<size_t, std::pair<double, int64_t>> of_variant;
  std::pair<double, int64_t> all{0, 0};

  explicit KnownTimes(const SweepPlan& plan) {
    for (const PlannedRun& run : plan.runs) {
      // Also of a run that is to be made again: what it took says how long it
      // may take.
      const auto outcome = run.folder.read_outcome();
      if (!outcome || outcome->status != "finished" || outcome->seconds <= 0 || !outcome->trained_as.empty()) continue;
      for (auto* sum : {&of_variant[run.variant], &all}) sum->first += outcome->seconds, ++sum->second;
    }
  }
  std::optional<double> of(const PlannedRun& run) const {
    const auto found = of_variant.find(run.variant);
    const auto& sum = found != of_variant.end() ? found->second : all;
    if (sum.second == 0) return {};
    return sum.first / static_cast<double>(sum.second);
  }
};

/// Runs at once, as LocalLauncher starts them.
int64_t at_once(const SweepPlan& plan, int64_t processors) {
  int64_t threads = 1;
  for (const PlannedRun& run : plan.runs)
    if (run.to_do()) threads = std::max(threads, run.threads());
  const int64_t fitting = std::max<int64_t>(1, processors / threads);
  return plan.sweep.params.jobs > 0 ? std::min(plan.sweep.params.jobs, fitting) : fitting;
}

/// How far two values are apart: a swapped component counts with all its parameters.
int64_t differing_leaves(const Value& a, const Value& b) {
  if (a == b) return 0;
  const Value absent;
  int64_t count = 0;
  if (a.is_object())
    for (const auto& [key, value] : a.as_object()) {
      const Value* other = b.find(key);
      count += differing_leaves(value, other ? *other : absent);
    }
  if (b.is_object())
    for (const auto& [key, value] : b.as_object())
      if (!a.find(key)) count += differing_leaves(absent, value);
  if (a.is_list() && b.is_list())
    for (size_t i = 0; i < std::max(a.as_list().size(), b.as_list().size()); ++i)
      count += differing_leaves(i < a.as_list().size() ? a.as_list()[i] : absent,
                                i < b.as_list().size() ? b.as_list()[i] : absent);
  return std::max<int64_t>(count, 1);
}

/// A variant beside the one that it is most like, of the baseline and those before it: in a chain of ablations that is
/// the link to the one before.
struct VariantView {
  std::string like;                ///< empty: it is the first one looked at
  std::vector<std::string> lines;  ///< where they differ
};

std::vector<VariantView> compare_variants(const SweepPlan& plan) {
  const auto& variants = plan.sweep.variants;
  std::vector<Value> configs(variants.size());
  for (const PlannedRun& run : plan.runs) {
    if (!configs[run.variant].is_null()) continue;
    configs[run.variant] = run.config.resolved;
    for (const char* key : {"name", "plugins"}) configs[run.variant].erase(key);
  }
  const auto found = std::find_if(variants.begin(), variants.end(), [&](const SweepVariant& variant) {
    return variant.name == plan.sweep.params.baseline;
  });
  const size_t reference = found == variants.end() ? 0 : static_cast<size_t>(found - variants.begin());
  std::vector<VariantView> out(variants.size());
  for (size_t v = 0; v < variants.size(); ++v) {
    if (v == reference) continue;
    size_t nearest = reference;
    for (size_t other = 0; other < v; ++other)
      if (differing_leaves(configs[other], configs[v]) < differing_leaves(configs[nearest], configs[v]))
        nearest = other;
    out[v] = {variants[nearest].name, value_differences(configs[nearest], configs[v])};
  }
  return out;
}

std::string todo_text(const PlannedRun& run) {
  if (run.state == JobState::failed) return "failed: " + run.reason;
  if (run.todo == PlannedRun::Todo::nothing) return "finished";
  if (run.todo == PlannedRun::Todo::evaluate) return run.why.empty() ? "trained; to be evaluated" : run.why;
  if (!run.shares.empty())
    return fmt::format("shares the training of {}{}", run.shares, run.twin ? "" : ", which the sweep no longer has");
  if (run.todo == PlannedRun::Todo::resume)
    return fs::exists(RunFolder(run.folder.path()).last()) ? "continues from its checkpoint" : "begun; starts again";
  return run.why.empty() ? "to be trained" : run.why;
}

/// What training a variant takes from the feature cache, or leaves there.
struct VariantParts {
  std::string variant;
  std::vector<CachedPart> parts;
};

/// Of every variant that has a training to do; the seed makes no difference to what is frozen.
std::vector<VariantParts> parts_of(const SweepPlan& plan, const RunReport& report) {
  std::vector<VariantParts> out;
  std::vector<bool> seen(plan.sweep.variants.size());
  for (const PlannedRun& run : plan.runs) {
    if (!run.to_do() || !run.shares.empty() || !needs_training(run) || seen[run.variant]) continue;
    seen[run.variant] = true;
    PluginHost::Options host;
    if (const Value* folders = run.config.resolved.find("plugin_paths"))
      for (const Value& folder : folders->as_list()) host.search_paths.emplace_back(folder.as_string());
    PluginHost plugins(host);
    const std::string& name = plan.sweep.variants[run.variant].name;
    try {
      out.push_back({name, cached_parts(run.config, plugins, load_dataset(run.config.dataset), report)});
    } catch (const InputError& error) {
      throw InputError(fmt::format("{} (variant {})", error.what(), name));
    }
  }
  return out;
}

std::string parts_text(const std::vector<CachedPart>& parts) {
  std::vector<std::string> cached, made;
  for (const CachedPart& part : parts) (part.cached ? cached : made).push_back(part.what);
  if (parts.empty()) return "nothing to cache";
  return fmt::format("{}{}{}", cached.empty() ? "" : fmt::format("cached: {}", fmt::join(cached, ", ")),
                     cached.empty() || made.empty() ? "" : "; ",
                     made.empty() ? "" : fmt::format("to be made: {}", fmt::join(made, ", ")));
}

std::string plan_text(const SweepPlan& plan, int64_t processors, const std::vector<VariantParts>& cache) {
  const SweepParams& params = plan.sweep.params;
  std::string out = fmt::format("{}: {} variants x {} seeds = {} runs in {}\n", params.name, plan.sweep.variants.size(),
                                params.seeds.size(), plan.runs.size(), plan.folder.string());
  size_t width = 12;
  for (const SweepVariant& variant : plan.sweep.variants) width = std::max(width, variant.name.size());
  out += fmt::format("\n{:{}}  {:{}}  in\n", "variant", width, "differs from", width);
  const std::vector<VariantView> views = compare_variants(plan);
  for (size_t v = 0; v < views.size(); ++v) {
    const std::string name = fmt::format("{:{}}  {:{}}", plan.sweep.variants[v].name, width,
                                         views[v].like.empty() ? "-" : views[v].like, width);
    if (views[v].lines.empty()) out += fmt::format("{}  {}\n", name, views[v].like.empty() ? "-" : "nothing");
    for (size_t i = 0; i < views[v].lines.size(); ++i)
      out += fmt::format("{}  {}\n", i == 0 ? name : std::string(2 * width + 2, ' '), views[v].lines[i]);
  }

  width = 3;
  for (const PlannedRun& run : plan.runs) width = std::max(width, run.name.size());
  out += fmt::format("\n{:{}}  {:>7}  state\n", "run", width, "threads");
  int64_t trainings = 0, evaluations = 0;
  for (const PlannedRun& run : plan.runs) {
    out += fmt::format("{:{}}  {:>7}  {}{}\n", run.name, width, run.threads(), todo_text(run),
                       run.selected ? "" : " (not selected)");
    if (!run.to_do()) continue;
    ++(!run.shares.empty() || run.todo == PlannedRun::Todo::evaluate ? evaluations : trainings);
  }
  if (!cache.empty()) out += "\nfeature cache\n";
  for (const VariantParts& entry : cache) out += fmt::format("{}: {}\n", entry.variant, parts_text(entry.parts));
  out += "\n";
  const auto seconds = estimated_seconds(plan, processors);
  const bool local = params.launcher == SweepParams::Launch::local;
  out += fmt::format(
      "to do: {} trainings, {} evaluations of what is trained; launcher {}{}; "
      "estimated time {}\n",
      trainings, evaluations, local ? "local" : "slurm",
      local ? fmt::format(", {} at once", at_once(plan, processors)) : "",
      trainings == 0 ? "seconds"
      : seconds      ? duration(*seconds) + (local ? "" : " on this machine alone")
                     : "unknown: no run of this sweep has finished");
  return out;
}

Value plan_value(const SweepPlan& plan, int64_t processors, const std::vector<VariantParts>& cache) {
  Value out = Value::object();
  out["name"] = Value(plan.sweep.params.name);
  out["folder"] = Value(plan.folder.string());
  const std::vector<VariantView> views = compare_variants(plan);
  out["variants"] = Value::list();
  for (size_t v = 0; v < plan.sweep.variants.size(); ++v) {
    Value entry = Value::object();
    entry["name"] = Value(plan.sweep.variants[v].name);
    entry["like"] = views[v].like.empty() ? Value() : Value(views[v].like);
    entry["differs"] = Value::list();
    for (const std::string& line : views[v].lines) entry["differs"].push_back(Value(line));
    out["variants"].push_back(std::move(entry));
  }
  out["runs"] = Value::list();
  for (const PlannedRun& run : plan.runs) {
    Value entry = Value::object();
    entry["name"] = Value(run.name);
    entry["folder"] = Value(run.folder.path().string());
    entry["identity"] = Value(run.training_hash);
    entry["selected"] = run.selected;
    entry["to_do"] = run.to_do();
    entry["state"] = Value(todo_text(run));
    out["runs"].push_back(std::move(entry));
  }
  out["cache"] = Value::object();
  for (const VariantParts& entry : cache) {
    Value list = Value::list();
    for (const CachedPart& part : entry.parts)
      list.push_back(Value(Value::Object{{"what", Value(part.what)}, {"cached", Value(part.cached)}}));
    out["cache"][entry.variant] = std::move(list);
  }
  const auto seconds = estimated_seconds(plan, processors);
  out["estimated_seconds"] = seconds ? Value(*seconds) : Value();
  return out;
}

}  // namespace

SweepPlan make_plan(Sweep sweep, const PlanOptions& options) { return Planner(std::move(sweep), options).make(); }

void inspect(SweepPlan& plan, bool retry_failed) {
  for (PlannedRun& run : plan.runs) inspect_run(run, plan.sweep.params.split, retry_failed);
  share_trainings(plan);
}

void fail_with(PlannedRun& run, const PlannedRun& provider) {
  run.todo = PlannedRun::Todo::nothing;
  run.state = JobState::failed;
  run.reason = fmt::format("shares the training of {}, which failed: {}", provider.name, provider.reason);
}

std::optional<double> estimated_seconds(const SweepPlan& plan, int64_t processors) {
  const KnownTimes known(plan);
  double sum = 0;
  for (const PlannedRun& run : plan.runs) {
    if (!run.to_do() || !run.shares.empty() || run.todo == PlannedRun::Todo::evaluate) continue;
    const auto seconds = known.of(run);
    if (!seconds) return {};
    sum += *seconds;
  }
  return sum / static_cast<double>(at_once(plan, processors));
}

PlanView describe_plan(const SweepPlan& plan, int64_t processors, const RunReport& report) {
  const std::vector<VariantParts> cache = parts_of(plan, report);
  return {plan_text(plan, processors, cache), plan_value(plan, processors, cache)};
}

const char* state_name(JobState state) {
  switch (state) {
    case JobState::waiting: return "waiting";
    case JobState::running: return "running";
    case JobState::finished: return "finished";
    case JobState::failed: return "failed";
    case JobState::stopped: return "stopped";
  }
  return "";
}

}  // namespace orbweaver
