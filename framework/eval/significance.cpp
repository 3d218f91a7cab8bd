#include "framework/eval/significance.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <map>
#include <numeric>

#include "framework/data/random.h"
#include "framework/eval/abilities.h"
#include "orbweaver/error.h"

namespace orbweaver {
namespace {

/// How a metric is found and what it counts.
struct MetricInfo {
  std::string_view name;
  double (*of)(const RetrievalMetrics&);
  std::string_view direction, key;  ///< in to_value(RetrievalMetrics); no direction: at its top
  bool higher_is_better = true;
  int64_t cutoff = 0;  ///< of R@k
};

constexpr std::array<MetricInfo, 11> metrics_table{{
    {"mR", [](const RetrievalMetrics& m) { return m.mean_recall(); }, "", "mR"},
    {"i2t.R@1", [](const RetrievalMetrics& m) { return m.i2t.r1; }, "i2t", "R@1", true, 1},
    {"i2t.R@5", [](const RetrievalMetrics& m) { return m.i2t.r5; }, "i2t", "R@5", true, 5},
    {"i2t.R@10", [](const RetrievalMetrics& m) { return m.i2t.r10; }, "i2t", "R@10", true, 10},
    {"i2t.medR", [](const RetrievalMetrics& m) { return m.i2t.median_rank; }, "i2t", "medR", false},
    {"i2t.meanR", [](const RetrievalMetrics& m) { return m.i2t.mean_rank; }, "i2t", "meanR", false},
    {"t2i.R@1", [](const RetrievalMetrics& m) { return m.t2i.r1; }, "t2i", "R@1", true, 1},
    {"t2i.R@5", [](const RetrievalMetrics& m) { return m.t2i.r5; }, "t2i", "R@5", true, 5},
    {"t2i.R@10", [](const RetrievalMetrics& m) { return m.t2i.r10; }, "t2i", "R@10", true, 10},
    {"t2i.medR", [](const RetrievalMetrics& m) { return m.t2i.median_rank; }, "t2i", "medR", false},
    {"t2i.meanR", [](const RetrievalMetrics& m) { return m.t2i.mean_rank; }, "t2i", "meanR", false},
}};

const MetricInfo& metric_info(std::string_view name) {
  const auto found = std::ranges::find(metrics_table, name, &MetricInfo::name);
  if (found == metrics_table.end())
    throw InputError(fmt::format("metric \"{}\" is unknown; there are {}", name, fmt::join(metric_names(), ", ")));
  return *found;
}

RecallSet recalls_of(std::string_view name) {
  const MetricInfo& info = metric_info(name);
  if (name == "mR") return {};
  if (info.cutoff == 0)
    throw InputError(fmt::format(
        "metric \"{}\" is no mean over queries and cannot be compared image by image; compare mR or a recall", name));
  return {info.direction == "i2t", info.direction == "t2i", {info.cutoff}};
}

/// Ranks by seed. @throws InputError on a seed that comes twice.
std::map<int64_t, const TwoWayRanks*> by_seed(const SystemRanks& system) {
  std::map<int64_t, const TwoWayRanks*> ranks;
  for (const SeedRanks& run : system.seeds)
    if (!ranks.emplace(run.seed, &run.ranks).second)
      throw InputError(
          fmt::format("{}: has seed {} twice; each of a system's runs needs a seed of its own", system.name, run.seed));
  return ranks;
}

/// Share of random exchanges of the two systems, image by image, after which they differ at least as much as they do.
double randomisation_p(const std::vector<int64_t>& shares, int64_t permutations, uint64_t seed) {
  std::vector<int64_t> moving;  // exchanging equal outcomes changes nothing
  std::ranges::copy_if(shares, std::back_inserter(moving), [](int64_t share) { return share != 0; });
  const int64_t total = std::accumulate(moving.begin(), moving.end(), int64_t{0});
  Random random(seed);
  int64_t as_extreme = 0;
  for (int64_t permutation = 0; permutation < permutations; ++permutation) {
    int64_t exchanged = 0;
    uint64_t bits = 0;
    for (size_t at = 0; at < moving.size(); ++at) {
      bits = at % 64 == 0 ? random.next() : bits >> 1;
      // No branch: half of them would be mispredicted.
      exchanged += moving[at] & -static_cast<int64_t>(bits & 1);
    }
    as_extreme += std::abs(total - 2 * exchanged) >= std::abs(total);
  }
  return static_cast<double>(1 + as_extreme) / static_cast<double>(1 + permutations);
}

double mean_of(std::span<const double> values) {
  return std::accumulate(values.begin(), values.end(), 0.0) / static_cast<double>(values.size());
}

/// A comparison with what its interval and p are made from.
struct Prepared {
  Comparison result;
  ImageGains gains;
};

/// Everything but interval and p; nothing without a common seed.
std::optional<Prepared> prepare(const SystemRanks& system, const SystemRanks& baseline,
                                std::span<const int64_t> caption_image, std::string_view metric,
                                const RecallSet& recalls) {
  const std::map<int64_t, const TwoWayRanks*> own = by_seed(system), others = by_seed(baseline);
  Comparison result;
  result.to = baseline.name;
  result.metric = metric;
  for (const auto& [seed, ranks] : own) (others.contains(seed) ? result.seeds : result.left_out).push_back(seed);
  for (const auto& [seed, ranks] : others)
    if (!own.contains(seed)) result.left_out.push_back(seed);
  std::ranges::sort(result.left_out);
  if (result.seeds.empty()) return {};

  const auto images = static_cast<int64_t>(own.at(result.seeds.front())->i2t.size());
  const ImageGains nothing(caption_image, images, recalls);
  ImageGains gains = nothing;
  std::vector<double> differences;
  for (const int64_t seed : result.seeds) {
    ImageGains of_seed = nothing;
    of_seed.add(*own.at(seed), *others.at(seed));
    differences.push_back(of_seed.difference());
    gains.add(*own.at(seed), *others.at(seed));
  }
  result.seed_std = summarize(differences).std;
  return Prepared{std::move(result), std::move(gains)};
}

/// Adds intervals and p-values. All share their draws: a system's figures do not depend on those beside it.
void finish(std::span<Prepared> prepared, const SignificanceOptions& options) {
  std::vector<ImageGains> gains;
  for (const Prepared& each : prepared) gains.push_back(each.gains);
  const std::vector<PairedDifference> intervals =
      ImageGains::bootstrap(gains, options.interval, options.resamples, options.seed);
  for (size_t at = 0; at < prepared.size(); ++at) {
    Comparison& result = prepared[at].result;
    result.difference = intervals[at].difference;
    result.low = intervals[at].low;
    result.high = intervals[at].high;
    result.p = randomisation_p(gains[at].shares(), options.permutations, options.seed);
  }
}

/// Every system that has a seed in common with the baseline against it.
std::vector<std::optional<Comparison>> compare_systems(std::span<const SystemRanks> systems, std::string_view baseline,
                                                       std::span<const int64_t> caption_image, std::string_view metric,
                                                       const RecallSet& recalls, const SignificanceOptions& options) {
  std::vector<std::optional<Comparison>> comparisons(systems.size());
  const auto base = std::ranges::find(systems, baseline, &SystemRanks::name);
  if (base == systems.end()) return comparisons;
  std::vector<Prepared> prepared;
  std::vector<size_t> system_of;
  for (size_t at = 0; at < systems.size(); ++at) {
    if (systems[at].name == baseline) continue;
    std::optional<Prepared> one = prepare(systems[at], *base, caption_image, metric, recalls);
    if (!one) continue;
    prepared.push_back(std::move(*one));
    system_of.push_back(at);
  }
  finish(prepared, options);

  std::vector<double> p_values;
  for (const Prepared& each : prepared) p_values.push_back(each.result.p);
  const std::vector<double> corrected = holm(p_values);
  for (size_t at = 0; at < prepared.size(); ++at) {
    Comparison& result = prepared[at].result;
    result.p_holm = corrected[at];
    result.significant = corrected[at] <= options.alpha;
    comparisons[system_of[at]] = std::move(result);
  }
  return comparisons;
}

/// Pairs as images with one query each, which is found first or not: then a pair's share of R@1 is its outcome.
SystemRanks as_ranks(const SystemPairs& system) {
  SystemRanks out{system.name, {}};
  for (const SeedPairs& run : system.seeds) {
    TwoWayRanks ranks{{}, std::vector<int64_t>(run.right.size(), 1)};
    for (const bool right : run.right) ranks.i2t.push_back(right ? 1 : 2);
    out.seeds.push_back({run.seed, std::move(ranks)});
  }
  return out;
}

Value optional_number(const std::optional<double>& number) { return number ? Value(*number) : Value(); }

Value seed_list(const std::vector<int64_t>& seeds) {
  Value list = Value::list();
  for (const int64_t seed : seeds) list.push_back(seed);
  return list;
}

}  // namespace

std::span<const std::string_view> metric_names() {
  static const auto names = [] {
    std::array<std::string_view, metrics_table.size()> all;
    std::ranges::transform(metrics_table, all.begin(), &MetricInfo::name);
    return all;
  }();
  return names;
}

double metric_of(const RetrievalMetrics& metrics, std::string_view name) { return metric_info(name).of(metrics); }

double metric_of(const Value& metrics, std::string_view name) {
  const MetricInfo& info = metric_info(name);
  return (info.direction.empty() ? metrics : metrics.at(info.direction)).at(info.key).as_double();
}

bool is_metric(std::string_view name) {
  return ability_metric(name) || std::ranges::find(metric_names(), name) != metric_names().end();
}

std::optional<double> metric_of_row(const Value& row, std::string_view name) {
  if (ability_metric(name)) return ability_metric_of(row, name);
  return metric_of(row.at("metrics"), name);
}

std::string_view unit_of(std::string_view metric) { return ability_metric(metric) ? "pair" : "image"; }

bool higher_is_better(std::string_view name) { return ability_metric(name) || metric_info(name).higher_is_better; }

bool can_be_compared(std::string_view name) {
  return ability_metric(name) || name == "mR" || metric_info(name).cutoff > 0;
}

SeedSummary summarize(std::span<const double> values) {
  if (values.empty()) throw ShapeError("a summary over seeds needs one value at least");
  SeedSummary summary{mean_of(values), {}, {values.begin(), values.end()}};
  if (values.size() == 1) return summary;
  double squares = 0;
  for (const double value : values) squares += (value - summary.mean) * (value - summary.mean);
  summary.std = std::sqrt(squares / static_cast<double>(values.size() - 1));
  return summary;
}

Value to_value(const SeedSummary& summary) {
  Value value = Value::object();
  value["mean"] = summary.mean;
  value["std"] = optional_number(summary.std);
  Value& values = value["values"] = Value::list();
  for (const double each : summary.values) values.push_back(each);
  return value;
}

Value to_value(const SignificanceOptions& options) {
  return Value(Value::Object{{"interval", options.interval},
                             {"resamples", options.resamples},
                             {"permutations", options.permutations},
                             {"seed", options.seed},
                             {"unit", "image"},
                             {"correction", "holm"},
                             {"alpha", options.alpha}});
}

Value to_value(const Comparison& comparison) {
  return Value(Value::Object{{"to", comparison.to},
                             {"metric", comparison.metric},
                             {"difference", comparison.difference},
                             {"low", comparison.low},
                             {"high", comparison.high},
                             {"seed_std", optional_number(comparison.seed_std)},
                             {"seeds", static_cast<int64_t>(comparison.seeds.size())},
                             {"left_out", seed_list(comparison.left_out)},
                             {"p", comparison.p},
                             {"p_holm", optional_number(comparison.p_holm)},
                             {"significant", comparison.significant ? Value(*comparison.significant) : Value()}});
}

std::vector<double> mark_levels(double alpha) {
  std::vector<double> levels{alpha};
  for (const double level : {0.01, 0.001})
    if (level < alpha) levels.push_back(level);
  return levels;
}

std::string significance_marks(double p, double alpha) {
  if (!(p <= alpha)) return "";
  const std::vector<double> levels = mark_levels(alpha);
  const auto further = std::ranges::count_if(levels.begin() + 1, levels.end(), [p](double level) { return p < level; });
  return std::string(1 + static_cast<size_t>(further), '*');
}

std::optional<Comparison> compare(const SystemRanks& system, const SystemRanks& baseline,
                                  std::span<const int64_t> caption_image, std::string_view metric,
                                  const SignificanceOptions& options) {
  std::optional<Prepared> prepared = prepare(system, baseline, caption_image, metric, recalls_of(metric));
  if (!prepared) return {};
  finish(std::span(&*prepared, 1), options);
  return std::move(prepared->result);
}

std::vector<std::optional<Comparison>> compare_all(std::span<const SystemRanks> systems, std::string_view baseline,
                                                   std::span<const int64_t> caption_image, std::string_view metric,
                                                   const SignificanceOptions& options) {
  return compare_systems(systems, baseline, caption_image, metric, recalls_of(metric), options);
}

std::vector<std::optional<Comparison>> compare_all_pairs(std::span<const SystemPairs> systems,
                                                         std::string_view baseline, std::string_view metric,
                                                         const SignificanceOptions& options) {
  std::vector<SystemRanks> as_queries;
  size_t pairs = 0;
  for (const SystemPairs& system : systems) {
    as_queries.push_back(as_ranks(system));
    for (const SeedPairs& run : system.seeds) pairs = run.right.size();
  }
  std::vector<int64_t> unit_of_query(pairs);
  std::iota(unit_of_query.begin(), unit_of_query.end(), int64_t{0});
  return compare_systems(as_queries, baseline, unit_of_query, metric, {true, false, {1}}, options);
}

std::vector<double> holm(std::span<const double> p_values) {
  std::vector<size_t> order(p_values.size());
  std::iota(order.begin(), order.end(), size_t{0});
  std::ranges::stable_sort(order, {}, [&](size_t at) { return p_values[at]; });
  std::vector<double> corrected(p_values.size());
  double largest = 0;
  for (size_t place = 0; place < order.size(); ++place) {
    const double factor = static_cast<double>(order.size() - place);
    largest = std::max(largest, std::min(1.0, factor * p_values[order[place]]));
    corrected[order[place]] = largest;
  }
  return corrected;
}

}  // namespace orbweaver
