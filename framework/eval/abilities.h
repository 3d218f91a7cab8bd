// Pairs of images that differ in one thing (what stands left of what, how many there are), each with a caption that is
// true of it and false of the other: how often a method tells the two apart, ability by ability. Recall over a gallery
// hides that, as most items of a gallery differ in everything.
//
// Scores of a pair as in Winoground (Thrush et al., CVPR 2022), with images I0, I1 and captions C0, C1:
//   text    s(C0, I0) > s(C1, I0) and s(C1, I1) > s(C0, I1)   each image prefers its own caption
//   image   s(C0, I0) > s(C0, I1) and s(C1, I1) > s(C1, I0)   each caption prefers its own image
//   group   both
// A tie is no preference. Whoever guesses (scores drawn independently) has 25, 25 and 16.67 percent of the pairs right.
#pragma once

#include <array>
#include <cstdint>
#include <filesystem>
#include <functional>
#include <optional>
#include <set>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "framework/eval/metrics.h"
#include "framework/eval/paired.h"
#include "orbweaver/reranker.h"
#include "orbweaver/value.h"

namespace orbweaver {

struct Dataset;
struct DatasetParams;
struct Split;

/// Two images of a split and a caption of each.
struct AbilityPair {
  std::string id;                     ///< "test-000012"
  std::string ability;                ///< what telling them apart takes: "relation"
  std::string kind;                   ///< what is different: "left of / right of"
  std::array<int64_t, 2> images{};    ///< places in the split
  std::array<int64_t, 2> captions{};  ///< places in the split; captions[i] describes images[i]
};

/// The pairs of a split.
struct AbilityPairs {
  std::vector<AbilityPair> pairs;  ///< in the file's order
  int64_t left_out = 0;  ///< pairs of the file that lost an image (dataset.skip_broken, a drawn validation split)
};

/// abilities.json in a dataset's folder: {"orbweaver_abilities": 1, "groups": {split: [{"id", "ability", "kind",
/// "images": [name, name], "captions": [text, text], "rows": [line, line]}]}}, as `orbweaver data synth` writes it;
/// rows count the lines of <split>_caps.txt from 0.
std::filesystem::path abilities_file(const std::filesystem::path& root);

/// The abilities that a split has pairs of, in the order of their first pair; none without a file.
/// @throws InputError on a file that is none of this kind.
std::vector<std::string> ability_names(const std::filesystem::path& file, std::string_view split);

/// The pairs of a loaded split, matched by the images' names and the captions' rows and texts.
/// @param left_out  names of images that the lists have and the split has not
/// @throws InputError naming file and place where the two do not agree.
AbilityPairs read_ability_pairs(const std::filesystem::path& file, const Split& split,
                                const std::set<std::string>& left_out = {});

/// The same of a dataset's split; nothing where the dataset's folder has no abilities.json, or that no pair of the
/// split. All may have been left out.
std::optional<AbilityPairs> ability_pairs_of(const DatasetParams& params, const Dataset& dataset, const Split& split);

/// What a method makes of a pair; higher is more similar. A method that scores both directions alike has the same
/// numbers in both.
struct PairScores {
  std::array<std::array<double, 2>, 2> i2t{};  ///< [image][caption]: images as queries
  std::array<std::array<double, 2>, 2> t2i{};  ///< [caption][image]: captions as queries
};

/// Which scores count a pair as right.
struct PairOutcome {
  bool text = false, image = false;
  bool group() const { return text && image; }
  bool operator==(const PairOutcome&) const = default;
};

/// @throws InputError on a score that is NaN.
PairOutcome outcome_of(const PairScores& scores);

/// Anything that scores pairs.
using PairScorer = std::function<PairScores(const AbilityPair&)>;

/// Of finished score matrices: i2t [I, T], t2i [T, I]. They must stay valid while the scorer is used.
PairScorer pair_scorer(const Scores& i2t, const Scores& t2i);
/// Of a function of one image and one caption, which is called four times for a pair.
PairScorer pair_scorer(std::function<double(int64_t image, int64_t caption)> score);

/// One for each pair. @throws InputError on a score that is NaN, naming the pair.
std::vector<PairOutcome> pair_outcomes(std::span<const AbilityPair> pairs, const PairScorer& scorer);

/// Percent of pairs.
struct PairAccuracy {
  double text = 0, image = 0, group = 0;
};

/// A line of the table: an ability, or one kind of it.
struct AbilityRow {
  std::string ability;
  std::string kind;  ///< empty: all kinds of the ability
  int64_t pairs = 0;
  double text = 0, image = 0, group = 0;  ///< percent of the pairs
  /// Of the pairs' images and all their captions as queries, among the whole split. None where only pairs were scored.
  std::optional<RetrievalMetrics> recalls;
  /// Of the geometry oracle on the same pairs, where it has rules for them (framework/eval/ability_oracle.h).
  std::optional<PairAccuracy> oracle{};
};

/// Abilities in the order of their first pair, each followed by its kinds, these with the most pairs first.
/// @param ranks          of every query of the split by the strict rule; null: no recalls
/// @param caption_image  with `ranks`: the image of each caption
/// @throws ShapeError unless there is an outcome for each pair.
std::vector<AbilityRow> ability_rows(std::span<const AbilityPair> pairs, std::span<const PairOutcome> outcomes,
                                     const TwoWayRanks* ranks = nullptr, std::span<const int64_t> caption_image = {});

/// [{"ability": "relation", "pairs": 750, "text": 61.2, "image": 60.1, "group": 50.4,
///   "oracle": {"text": 73.5, "image": 95.5, "group": 73}, "metrics": to_value(RetrievalMetrics),
///   "kinds": [{"kind": "left of / right of", ...}]}], "oracle" and "metrics" where the row has them.
Value to_value(std::span<const AbilityRow> rows);

/// {"pairs": 750, "left_out": 0, "rows": to_value(rows)}
Value abilities_record(const AbilityPairs& pairs, std::span<const AbilityRow> rows);

/// Fixed-width text for a terminal, ending in a newline, with the oracle's group accuracy and a method's share of it
/// where a row has an oracle. Kinds of fewer than `fewest_pairs_of_a_kind` pairs are left
/// to the record.
std::string format_abilities(std::span<const AbilityRow> rows);
inline constexpr int64_t fewest_pairs_of_a_kind = 20;

// ---- Metrics of a row: "<ability>.text", "<ability>.image", "<ability>.group", percent.

/// A metric's name, taken apart.
struct AbilityMetric {
  std::string ability;
  std::string score;  ///< "text", "image" or "group"
  std::string name() const { return ability + "." + score; }
};
/// Nothing for a name that is not of this form.
std::optional<AbilityMetric> ability_metric(std::string_view name);

/// {"relation": {"pairs": 750, "text": 61.2, "image": 60.1, "group": 50.4}, ...}: "abilities" of
/// to_value(EvaluationRow).
Value abilities_of_row(std::span<const AbilityRow> rows);
/// From to_value(EvaluationRow); nothing where the row has no such ability.
std::optional<double> ability_metric_of(const Value& row, std::string_view name);
/// The ability metrics that to_value(EvaluationRow) has, in its order.
std::vector<std::string> ability_metrics_of(const Value& row);

/// Whether a pair is right by "text", "image" or "group".
bool is_right(const PairOutcome& outcome, std::string_view score);

}  // namespace orbweaver
