// Reranks saved similarity matrices, whatever system made them: the work of `orbweaver rerank`.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "framework/eval/evaluation.h"
#include "framework/eval/named_reranker.h"
#include "framework/eval/saved_scores.h"
#include "orbweaver/value.h"

namespace orbweaver {

struct RerankScoresOptions : SavedScoresOptions, RerankerOptions {
  bool lists = false;  ///< fill RerankScoresResult::lists
  int64_t top = 0;     ///< items per list; 0: every candidate
};

struct RerankScoresResult {
  std::vector<EvaluationRow> rows;  ///< empty when nothing says which caption belongs to which image
  Value record;                     ///< matrix, plugins and rows: what --json prints
  /// JSON lines, one per reranker, direction and query:
  /// {"reranker": "multivariate", "direction": "i2t", "query": 0, "items": [...], "scores": [...]}
  std::string lists;
};

/// @throws InputError naming the file, option or parameter at fault.
RerankScoresResult rerank_scores(const RerankScoresOptions& options);

/// @throws InputError where the reranker needs a bank of training queries and `scores` has none.
void require_bank(const EvaluatedReranker& reranker, const SavedScores& scores);

}  // namespace orbweaver
