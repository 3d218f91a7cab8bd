// One evaluation: every row that a result must show, for both directions, from finished scores.
//
// A reranked row never stands alone. Before it come the plain rows (strict, duplicate-aware, and by the arbitrary tie
// order that published numbers often use) and the identity reranker: source order as scores. Under the strict rule
// merely breaking ties gains recall, so only what a reranker gains beyond the identity row is a gain. How sure a gain
// is says the interval of its difference to both rows.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "framework/eval/abilities.h"
#include "framework/eval/metrics.h"
#include "framework/eval/paired.h"
#include "orbweaver/reranker.h"
#include "orbweaver/value.h"

namespace orbweaver {

/// A reranker as the evaluation needs it; the plugin host's component or a test's function.
struct EvaluatedReranker {
  std::string id;             ///< "multivariate"
  Value parameters;           ///< resolved (defaults filled in), as the record shows them
  bool transductive = false;  ///< Reranker::transductive
  std::function<Rankings(const RerankInput&)> rerank;
  Value tuning{};           ///< how its parameters were found (framework/eval/tune.h); null: nobody says
  bool needs_bank = false;  ///< Reranker::Needs::query_bank
};

/// The tuning record (framework/eval/tune.h) that came with a reranker's parameters, or null where one of these is no
/// longer as the search found it: the record then does not speak for them.
Value valid_tuning(const Value& tuning, const Value& parameters);

/// The views must stay valid during the call.
struct EvaluationInput {
  Scores i2t;                              ///< [I, T]: images as queries
  std::optional<Scores> t2i;               ///< [T, I]; absent: i2t transposed. Present where an interaction refines
  std::span<const int64_t> caption_image;  ///< T entries: the image each caption describes
  std::span<const int64_t> text_ids;       ///< T entries, equal for identical texts; empty: no duplicate-aware rows
  Scores image_bank;                       ///< [Ib, T]: RerankInput::query_bank of i2t (training images)
  Scores text_bank;                        ///< [Tb, I]: of t2i (training captions)
  std::vector<EvaluatedReranker> rerankers;
  std::span<const AbilityPair> pairs{};  ///< of this split; empty: none. The first row scores them
};

/// A row against one above it.
struct RowDifference {
  std::string to;  ///< EvaluationRow::reranker of the other: "none", "identity"
  PairedDifference mean_recall;
};

/// One line of the table.
struct EvaluationRow {
  std::string reranker;  ///< "none", "identity" or a component id
  Value parameters;      ///< of the reranker; null for "none"
  bool transductive = false;
  TieRule tie_rule = TieRule::strict;
  bool duplicate_aware = false;  ///< captions with identical text share their positives
  RetrievalMetrics metrics;
  /// Percent of queries with a match among the reranker's candidates; both 0 for "none".
  double i2t_candidate_recall = 0, t2i_candidate_recall = 0;
  /// To the plain row and, for a reranker under the strict rule, to the identity row; rows of the same positives only.
  std::vector<RowDifference> differences;
  Value tuning;                      ///< of the reranker, or null
  int64_t images = 0, captions = 0;  ///< sizes of the galleries that it was applied to
  /// Of every query: in strict rows with own positives. Not part of to_value: framework/eval/saved_ranks.h keeps them.
  std::optional<TwoWayRanks> ranks;
  /// Of the first row (no reranker, strict, own positives), where the input has pairs. Of to_value the abilities' own
  /// lines are a part; the outcomes of single pairs lie beside the ranks.
  std::vector<AbilityRow> abilities;
  std::vector<PairOutcome> pair_outcomes;
  /// False when the parameters were tuned on galleries of other sizes: what gains there may lose here.
  bool tuned_for_these_sizes() const;
};

/// Candidates of the identity reranker: more than any reported recall looks at.
inline constexpr int64_t identity_candidates = 100;

/// Rows in this order: none strict, none strict duplicate-aware, none arbitrary, identity strict, then for each
/// reranker strict and strict duplicate-aware. The duplicate-aware rows are left out without `text_ids`.
/// @throws ShapeError on sizes that do not fit; InputError on a score that is NaN or an image without captions;
/// whatever a reranker throws.
std::vector<EvaluationRow> evaluate(const EvaluationInput& input);

/// {"reranker": "multivariate", "parameters": {...}, "transductive": true, "tie_rule": "strict",
///  "duplicate_aware": false, "candidate_recall": {"i2t": ..., "t2i": ...}, "metrics": to_value(RetrievalMetrics),
///  "mR_difference": {"none": to_value(PairedDifference), "identity": ..., "resamples": 1000, "seed": 1},
///  "tuning": {...}, "applied_to": {"images": ..., "captions": ...}, "tuned_for_these_sizes": true}
/// mR_difference is there only where there are differences, what follows it only with a tuning record, and last
/// "abilities": abilities_of_row(...) only where pairs were scored.
Value to_value(const EvaluationRow& row);
/// The rows as a list.
Value to_value(std::span<const EvaluationRow> rows);

/// Metrics of one reranker by the strict rule, without the rows that belong beside it: for searches over parameters,
/// which show those rows once. Of `input` the rerankers and text ids are not read.
RetrievalMetrics reranked_metrics(const EvaluationInput& input, const TwoWayRelevance& relevance,
                                  const EvaluatedReranker& reranker);

/// Fixed-width text for a terminal, one line per row, ending in a newline. The differences of the rows follow, then
/// parameters as footnotes.
std::string format_table(std::span<const EvaluationRow> rows);

/// The source order as scores: each query's `k` best items (ties broken by gallery index), scored k, k-1, ..., 1.
Rankings identity_rerank(const Scores& scores, int64_t k = identity_candidates);

/// Equal numbers for equal texts, in order of first appearance.
std::vector<int64_t> text_ids_of(std::span<const std::string> texts);

/// "strict" or "arbitrary".
const char* tie_rule_name(TieRule rule);

}  // namespace orbweaver
