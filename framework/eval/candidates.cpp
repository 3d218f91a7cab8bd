#include "framework/eval/candidates.h"

#include <variant>

#include "orbweaver/ranking.h"

namespace orbweaver {

Scores transposed(const Scores& scores) {
  return std::visit([](const auto& view) -> Scores { return view.transposed(); }, scores);
}

CandidateInput candidate_input(const Scores& scores, int64_t k, int64_t reverse_length) {
  require_finite(scores);
  return {.candidates = top_candidates(scores, k),
          .column_sums = column_sums(scores),
          .reverse = top_candidates(transposed(scores), reverse_length),
          .query_count = query_count(scores)};
}

}  // namespace orbweaver
