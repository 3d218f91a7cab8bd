// What the runs of a sweep amount to: "rows" of each variant in results.json.
#include <fmt/format.h>

#include <algorithm>
#include <map>
#include <optional>
#include <set>
#include <tuple>

#include "framework/sweep/tables.h"
#include "orbweaver/error.h"

namespace orbweaver {
namespace {

/// What makes rows of different runs the same line of a table. Not the parameters: a variant may be about them, and its
/// row still stands against the baseline's of that reranker.
struct RowKind {
  std::string reranker, tie_rule;
  bool duplicate_aware = false;
  int64_t place = 0;  ///< among the run's rows that are alike in everything above
  auto operator<=>(const RowKind&) const = default;
};

/// The kind of each row of a run.
std::vector<RowKind> kinds_of(const Value& rows) {
  std::vector<RowKind> kinds;
  std::map<RowKind, int64_t> seen;
  for (const Value& row : rows.as_list()) {
    RowKind kind{row.at("reranker").as_string(), row.at("tie_rule").as_string(), row.at("duplicate_aware").as_bool()};
    kind.place = seen[kind]++;
    kinds.push_back(std::move(kind));
  }
  return kinds;
}

/// One kind of row over the runs of one variant.
struct KindRuns {
  const Value* first = nullptr;  ///< its row in the first run
  std::vector<int64_t> seeds;
  std::vector<const Value*> metrics;
  SystemRanks ranks;
};

struct VariantKinds {
  std::vector<RowKind> order;
  std::map<RowKind, KindRuns> runs;
};

VariantKinds gather(const TableVariant& variant) {
  VariantKinds gathered;
  for (const TableRun& run : variant.runs) {
    const std::vector<RowKind> kinds = kinds_of(run.rows);
    for (size_t at = 0; at < kinds.size(); ++at) {
      const Value& row = run.rows.as_list()[at];
      const auto [found, is_new] = gathered.runs.try_emplace(kinds[at]);
      KindRuns& runs = found->second;
      if (is_new) {
        gathered.order.push_back(kinds[at]);
        runs.first = &row;
        runs.ranks.name = variant.name;
      }
      runs.seeds.push_back(run.seed);
      runs.metrics.push_back(&row.at("metrics"));
      const auto ranked = std::ranges::find(run.ranks.rows, static_cast<int64_t>(at), &RankedRow::row);
      if (ranked != run.ranks.rows.end()) runs.ranks.seeds.push_back({run.seed, ranked->ranks});
    }
  }
  return gathered;
}

/// The image of each caption, which all runs must share.
std::vector<int64_t> common_captions(std::span<const TableVariant> variants) {
  const SavedRanks* known = nullptr;
  std::string known_name;
  for (const TableVariant& variant : variants) {
    for (const TableRun& run : variant.runs) {
      const std::string name = fmt::format("{} with seed {}", variant.name, run.seed);
      if (!known) {
        known = &run.ranks;
        known_name = name;
      }
      if (run.ranks.split_hash != known->split_hash || run.ranks.caption_image != known->caption_image)
        throw InputError(
            fmt::format("{} was evaluated on another split (\"{}\", hash {}) than {} (\"{}\", hash {}); results on "
                        "different queries cannot share a table",
                        name, run.ranks.split, run.ranks.split_hash, known_name, known->split, known->split_hash));
    }
  }
  return known ? known->caption_image : std::vector<int64_t>{};
}

/// The metrics of results.json in their order: the chosen ones first.
std::vector<std::string> all_metrics(std::span<const std::string> chosen) {
  std::vector<std::string> all(chosen.begin(), chosen.end());
  for (const std::string_view name : metric_names())
    if (std::ranges::find(all, name) == all.end()) all.emplace_back(name);
  return all;
}

using Comparisons = std::map<std::pair<size_t, RowKind>, Comparison>;

/// Of every variant's rows with the baseline's, by variant and kind; each kind is a family of its own for Holm.
Comparisons compare_rows(std::span<const VariantKinds> variants, const std::string& baseline,
                         std::span<const int64_t> caption_image, std::string_view metric,
                         const SignificanceOptions& options) {
  std::set<RowKind> kinds;
  for (const VariantKinds& variant : variants) kinds.insert(variant.order.begin(), variant.order.end());
  Comparisons comparisons;
  for (const RowKind& kind : kinds) {
    std::vector<SystemRanks> systems;
    std::vector<size_t> variant_of;
    for (size_t at = 0; at < variants.size(); ++at) {
      const auto runs = variants[at].runs.find(kind);
      if (runs == variants[at].runs.end() || runs->second.ranks.seeds.empty()) continue;
      systems.push_back(runs->second.ranks);
      variant_of.push_back(at);
    }
    const auto made = compare_all(systems, baseline, caption_image, metric, options);
    for (size_t at = 0; at < made.size(); ++at)
      if (made[at]) comparisons.emplace(std::pair(variant_of[at], kind), *made[at]);
  }
  return comparisons;
}

Value metrics_of(const KindRuns& runs, std::span<const std::string> metrics) {
  Value value = Value::object();
  for (const std::string& name : metrics) {
    std::vector<double> values;
    for (const Value* of_run : runs.metrics) values.push_back(metric_of(*of_run, name));
    value[name] = to_value(summarize(values));
  }
  return value;
}

}  // namespace

std::vector<Value> variant_rows(std::span<const TableVariant> variants, const std::string& baseline,
                                std::span<const std::string> metrics, const SignificanceOptions& options) {
  const std::vector<int64_t> caption_image = common_captions(variants);
  const std::vector<std::string> all = all_metrics(metrics);
  const auto compared = std::ranges::find_if(all, [](const std::string& name) { return can_be_compared(name); });
  std::vector<VariantKinds> gathered;
  for (const TableVariant& variant : variants) gathered.push_back(gather(variant));
  const Comparisons comparisons = compare_rows(gathered, baseline, caption_image, *compared, options);

  std::vector<Value> result;
  for (size_t at = 0; at < variants.size(); ++at) {
    Value rows = Value::list();
    for (const RowKind& kind : gathered[at].order) {
      const KindRuns& runs = gathered[at].runs.at(kind);
      Value row = Value::object();
      for (const char* key : {"reranker", "parameters", "transductive", "tie_rule", "duplicate_aware"})
        row[key] = runs.first->at(key);
      Value& seeds = row["seeds"] = Value::list();
      for (const int64_t seed : runs.seeds) seeds.push_back(seed);
      row["metrics"] = metrics_of(runs, all);
      const auto comparison = comparisons.find({at, kind});
      row["comparison"] = comparison == comparisons.end() ? Value() : to_value(comparison->second);
      rows.push_back(std::move(row));
    }
    result.push_back(std::move(rows));
  }
  return result;
}

}  // namespace orbweaver
