// What the runs of a sweep amount to: "rows" of each variant in results.json.
#include <fmt/format.h>

#include <algorithm>
#include <map>

#include "framework/eval/row_lines.h"
#include "framework/sweep/tables.h"
#include "orbweaver/error.h"

namespace orbweaver {
namespace {

/// One row of a variant over its runs.
struct RowRuns {
  const Value* first = nullptr;  ///< it in the first run that has it
  size_t line = 0;               ///< of the table, over all variants
  std::vector<int64_t> seeds;
  std::vector<const Value*> rows;  ///< of each seed
  SystemRanks ranks;
  std::vector<std::pair<int64_t, const SavedPairs*>> pairs;  ///< by seed, where the row has abilities
};

std::vector<RowKey> keys_of(const Value& rows) {
  std::vector<RowKey> keys;
  for (const Value& row : rows.as_list()) keys.push_back(key_of(row));
  return keys;
}

/// The rows of a variant in the order of their first appearance.
std::vector<RowRuns> gather(const TableVariant& variant) {
  std::vector<std::vector<RowKey>> keys;
  for (const TableRun& run : variant.runs) keys.push_back(keys_of(run.rows));
  const RowLines lines = row_lines(keys, 0);
  std::vector<RowRuns> gathered(lines.lines.size());
  for (size_t r = 0; r < variant.runs.size(); ++r) {
    const TableRun& run = variant.runs[r];
    for (size_t at = 0; at < lines.line_of[r].size(); ++at) {
      const Value& row = run.rows.as_list()[at];
      RowRuns& runs = gathered[lines.line_of[r][at]];
      if (!runs.first) {
        runs.first = &row;
        runs.ranks.name = variant.name;
      }
      runs.seeds.push_back(run.seed);
      runs.rows.push_back(&row);
      if (!run.ranks) continue;
      const auto ranked = std::ranges::find(run.ranks->rows, static_cast<int64_t>(at), &RankedRow::row);
      if (ranked != run.ranks->rows.end()) runs.ranks.seeds.push_back({run.seed, ranked->ranks});
      if (run.ranks->pairs && row.find("abilities")) runs.pairs.emplace_back(run.seed, &*run.ranks->pairs);
    }
  }
  return gathered;
}

/// Gives every row its line of the table. @return how many there are
size_t find_lines(std::span<const TableVariant> variants, const std::string& baseline,
                  std::vector<std::vector<RowRuns>>& gathered) {
  std::vector<std::vector<RowKey>> keys(gathered.size());
  for (size_t v = 0; v < gathered.size(); ++v)
    for (const RowRuns& row : gathered[v]) keys[v].push_back(key_of(*row.first));
  const auto compared_to = std::ranges::find(variants, baseline, &TableVariant::name);
  const RowLines lines = row_lines(keys, static_cast<size_t>(compared_to - variants.begin()));
  for (size_t v = 0; v < gathered.size(); ++v)
    for (size_t at = 0; at < gathered[v].size(); ++at) gathered[v][at].line = lines.line_of[v][at];
  return lines.lines.size();
}

/// The image of each caption, which all runs must share.
std::vector<int64_t> common_captions(std::span<const TableVariant> variants) {
  const SavedRanks* known = nullptr;
  std::string known_name;
  for (const TableVariant& variant : variants) {
    for (const TableRun& run : variant.runs) {
      if (!run.ranks) continue;
      const std::string name = fmt::format("{} with seed {}", variant.name, run.seed);
      if (!known) {
        known = &*run.ranks;
        known_name = name;
      }
      if (run.ranks->split_hash != known->split_hash || run.ranks->caption_image != known->caption_image)
        throw InputError(
            fmt::format("{} was evaluated on another split (\"{}\", hash {}) than {} (\"{}\", hash {}); results on "
                        "different queries cannot share a table",
                        name, run.ranks->split, run.ranks->split_hash, known_name, known->split, known->split_hash));
      if (run.ranks->pairs.has_value() != known->pairs.has_value() ||
          (known->pairs && run.ranks->pairs->hash != known->pairs->hash))
        throw InputError(fmt::format(
            "{} was evaluated on other pairs of abilities than {}; the dataset's abilities.json changed between them: "
            "evaluate both again",
            name, known_name));
    }
  }
  return known ? known->caption_image : std::vector<int64_t>{};
}

/// The metrics of results.json in their order: the chosen ones first, those of abilities that some row has last.
std::vector<std::string> all_metrics(std::span<const std::string> chosen,
                                     const std::vector<std::vector<RowRuns>>& variants) {
  std::vector<std::string> all(chosen.begin(), chosen.end());
  const auto add = [&](std::string_view name) {
    if (std::ranges::find(all, name) == all.end()) all.emplace_back(name);
  };
  for (const std::string_view name : metric_names()) add(name);
  for (const std::vector<RowRuns>& variant : variants)
    for (const RowRuns& runs : variant)
      for (const std::string& name : ability_metrics_of(*runs.first)) add(name);
  return all;
}

using Comparisons = std::map<const RowRuns*, Comparison>;

/// The outcomes of a row's seeds on an ability's pairs.
SystemPairs pairs_of(const RowRuns& runs, const AbilityMetric& metric) {
  SystemPairs out{runs.ranks.name, {}};
  for (const auto& [seed, pairs] : runs.pairs) {
    SeedPairs of_seed{seed, pairs->right(metric.ability, metric.score)};
    if (!of_seed.right.empty()) out.seeds.push_back(std::move(of_seed));
  }
  return out;
}

/// Of some systems' rows on one line, by a metric; `rows` are parallel to what it is compared by.
std::vector<std::optional<Comparison>> compare_line(const std::vector<const RowRuns*>& rows,
                                                    const std::string& baseline, std::span<const int64_t> caption_image,
                                                    std::string_view metric, const SignificanceOptions& options) {
  if (const std::optional<AbilityMetric> of = ability_metric(metric)) {
    std::vector<SystemPairs> systems;
    for (const RowRuns* row : rows) systems.push_back(pairs_of(*row, *of));
    return compare_all_pairs(systems, baseline, metric, options);
  }
  std::vector<SystemRanks> systems;
  for (const RowRuns* row : rows) systems.push_back(row->ranks);
  return compare_all(systems, baseline, caption_image, metric, options);
}

/// Of every variant's rows with the baseline's on the same line; each line is a family of its own for Holm.
Comparisons compare_rows(const std::vector<std::vector<RowRuns>>& variants, size_t lines, const std::string& baseline,
                         std::span<const int64_t> caption_image, std::string_view metric,
                         const SignificanceOptions& options) {
  Comparisons comparisons;
  for (size_t line = 0; line < lines; ++line) {
    std::vector<const RowRuns*> rows;
    for (const std::vector<RowRuns>& variant : variants) {
      const auto row = std::ranges::find(variant, line, &RowRuns::line);
      if (row != variant.end() && !row->ranks.seeds.empty()) rows.push_back(&*row);
    }
    const auto made = compare_line(rows, baseline, caption_image, metric, options);
    for (size_t at = 0; at < made.size(); ++at)
      if (made[at]) comparisons.emplace(rows[at], *made[at]);
  }
  return comparisons;
}

Value metrics_of(const RowRuns& runs, std::span<const std::string> metrics) {
  Value value = Value::object();
  for (const std::string& name : metrics) {
    std::vector<double> values;
    for (const Value* row : runs.rows)
      if (const std::optional<double> of = metric_of_row(*row, name)) values.push_back(*of);
    // Of abilities only the row without a reranker has metrics.
    if (values.size() == runs.rows.size()) value[name] = to_value(summarize(values));
  }
  return value;
}

}  // namespace

std::vector<Value> variant_rows(std::span<const TableVariant> variants, const std::string& baseline,
                                std::span<const std::string> metrics, const SignificanceOptions& options) {
  const std::vector<int64_t> caption_image = common_captions(variants);
  std::vector<std::vector<RowRuns>> gathered;
  for (const TableVariant& variant : variants) gathered.push_back(gather(variant));
  const std::vector<std::string> all = all_metrics(metrics, gathered);
  const auto compared = std::ranges::find_if(all, [](const std::string& name) { return can_be_compared(name); });
  const size_t lines = find_lines(variants, baseline, gathered);
  const Comparisons comparisons = compare_rows(gathered, lines, baseline, caption_image, *compared, options);

  // Each ability's group metric as well, and what else of abilities was chosen: the report shows them beside each
  // other.
  std::map<std::string, Comparisons> of_abilities;
  for (const std::string& name : all) {
    const std::optional<AbilityMetric> ability = ability_metric(name);
    const bool chosen = std::ranges::find(metrics, name) != metrics.end();
    if (ability && (chosen || ability->score == "group"))
      of_abilities[name] = compare_rows(gathered, lines, baseline, caption_image, name, options);
  }

  std::vector<Value> result;
  for (const std::vector<RowRuns>& variant : gathered) {
    Value rows = Value::list();
    for (const RowRuns& runs : variant) {
      Value row = Value::object();
      for (const char* key : {"reranker", "parameters", "transductive", "tie_rule", "duplicate_aware"})
        row[key] = runs.first->at(key);
      Value& seeds = row["seeds"] = Value::list();
      for (const int64_t seed : runs.seeds) seeds.push_back(seed);
      row["metrics"] = metrics_of(runs, all);
      const auto comparison = comparisons.find(&runs);
      row["comparison"] = comparison == comparisons.end() ? Value() : to_value(comparison->second);
      for (const auto& [name, of] : of_abilities)
        if (const auto found = of.find(&runs); found != of.end())
          row["ability_comparisons"][name] = to_value(found->second);
      rows.push_back(std::move(row));
    }
    result.push_back(std::move(rows));
  }
  return result;
}

}  // namespace orbweaver
