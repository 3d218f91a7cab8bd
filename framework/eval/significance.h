// Is a gain real? Mean and deviation over seeds, and a paired comparison of trained systems on the same test images.
//
// The unit of resampling and of exchange is the test image with its query and the queries of all its captions, which
// share its content (framework/eval/paired.h). Seeds are blocks: the variant's seed s meets the baseline's seed s, and
// an image's value is its gain averaged over the seeds. So interval and p answer "would the gain of these trained
// models hold on other images?"; `seed_std` says how much the gain depends on the seed. docs/statistics.md has the
// formulas and their sources.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "framework/eval/metrics.h"
#include "framework/eval/paired.h"
#include "orbweaver/value.h"

namespace orbweaver {

/// "mR", "i2t.R@1", "i2t.R@5", "i2t.R@10", "i2t.medR", "i2t.meanR", then the same five of "t2i".
std::span<const std::string_view> metric_names();

/// A metric by its name, from the metrics or from what to_value(RetrievalMetrics) made of them.
/// @throws InputError on a name that is none of metric_names(), listing them.
double metric_of(const RetrievalMetrics& metrics, std::string_view name);
double metric_of(const Value& metrics, std::string_view name);

/// Whether results may have a metric of that name: one of metric_names(), or an ability's ("relation.group",
/// framework/eval/abilities.h).
bool is_metric(std::string_view name);
/// From to_value(EvaluationRow); nothing for an ability's metric where the row has not that ability.
std::optional<double> metric_of_row(const Value& row, std::string_view name);
/// What is resampled and exchanged where a metric is compared: "pair" for those of abilities, else "image".
std::string_view unit_of(std::string_view metric);

/// False for the ranks (medR, meanR).
bool higher_is_better(std::string_view metric);
/// True for mR and the recalls, means over queries, so that an image has a share of its own in them; and for the
/// metrics of abilities, means over pairs.
bool can_be_compared(std::string_view metric);

/// Mean and sample standard deviation (n - 1) of a metric over seeds. One seed has no deviation.
struct SeedSummary {
  double mean = 0;
  std::optional<double> std;
  std::vector<double> values;  ///< in the order of the seeds
};
/// @throws ShapeError without values.
SeedSummary summarize(std::span<const double> values);
/// {"mean": 12.3, "std": 0.3 or null, "values": [...]}
Value to_value(const SeedSummary& summary);

/// How comparisons are made; part of the record.
struct SignificanceOptions {
  double interval = 0.95;        ///< of the bootstrap
  int64_t resamples = 10000;     ///< of the bootstrap
  int64_t permutations = 10000;  ///< of the randomisation test
  uint64_t seed = 1;             ///< of both
  double alpha = 0.05;           ///< significant: Holm's p is at most this
};
/// The options with "unit": "image" and "correction": "holm".
Value to_value(const SignificanceOptions& options);

/// The outcome of one trained run: its ranks on the strict rule.
struct SeedRanks {
  int64_t seed = 0;
  TwoWayRanks ranks;
};

/// One system (a variant of a sweep, with one reranker): its seeds' ranks, in any order.
struct SystemRanks {
  std::string name;
  std::vector<SeedRanks> seeds;
};

/// A system against the baseline.
struct Comparison {
  std::string to;                   ///< the baseline's name
  std::string metric;               ///< as metric_names() spells it
  double difference = 0;            ///< mean over the common seeds of system less baseline, in points
  double low = 0, high = 0;         ///< interval of the difference over other images
  std::optional<double> seed_std;   ///< sample deviation over seeds of the paired difference; none for one seed
  std::vector<int64_t> seeds;       ///< the seeds compared: those that both systems have, ascending
  std::vector<int64_t> left_out;    ///< seeds that only one of them has
  double p = 1;                     ///< two-sided randomisation test, (1 + as extreme) / (1 + permutations)
  std::optional<double> p_holm;     ///< corrected over the systems compared beside it; none before holm() saw it
  std::optional<bool> significant;  ///< p_holm <= alpha; none before
};
/// {"to": "g1", "metric": "mR", "difference": 0.8, "low": 0.1, "high": 1.5, "seed_std": 0.2 or null, "seeds": 3,
///  "left_out": [], "p": 0.01, "p_holm": 0.03, "significant": true}
Value to_value(const Comparison& comparison);

/// The levels that marks stand for, falling: alpha, then those of 0.01 and 0.001 that are below it.
std::vector<double> mark_levels(double alpha);
/// Marks of a corrected p: one where it is at most alpha, one more for each further level that it is below.
std::string significance_marks(double p, double alpha);

/// One system against another, without a correction. Symmetric: exchanging them turns the signs and leaves p.
/// @param caption_image  the image of each caption; every image has one at least
/// @return  nothing where they have no seed in common
/// @throws InputError on a metric that cannot be compared or a seed that a system has twice; ShapeError on ranks of
///         other numbers of queries.
std::optional<Comparison> compare(const SystemRanks& system, const SystemRanks& baseline,
                                  std::span<const int64_t> caption_image, std::string_view metric,
                                  const SignificanceOptions& options = {});

/// Every system against the one named `baseline`, corrected by Holm over those that could be compared: the comparisons
/// on one line of a table (one section: one reranker).
/// @return  one entry for each system; none for the baseline itself and where no seed is in common, all none where no
///          system has the baseline's name
std::vector<std::optional<Comparison>> compare_all(std::span<const SystemRanks> systems, std::string_view baseline,
                                                   std::span<const int64_t> caption_image, std::string_view metric,
                                                   const SignificanceOptions& options = {});

/// The outcome of one trained run on the pairs of an ability: whether each is right.
struct SeedPairs {
  int64_t seed = 0;
  std::vector<bool> right;
};

/// One system's seeds, all on the same pairs in the same order.
struct SystemPairs {
  std::string name;
  std::vector<SeedPairs> seeds;
};

/// As compare_all, where the unit of resampling and exchange is the pair: its two images and two captions are right or
/// wrong together. @param metric  "relation.group"
std::vector<std::optional<Comparison>> compare_all_pairs(std::span<const SystemPairs> systems,
                                                         std::string_view baseline, std::string_view metric,
                                                         const SignificanceOptions& options = {});

/// Holm's step-down adjustment (Scand. J. Statist. 1979) of several p-values, in their order: the i-th smallest of m
/// times (m - i + 1), never below a smaller one's and at most 1.
std::vector<double> holm(std::span<const double> p_values);

}  // namespace orbweaver
