// Candidate lists and their statistics from a score matrix: what rerankers take for galleries whose matrix does not
// fit.
#pragma once

#include <cstdint>

#include "orbweaver/reranker.h"

namespace orbweaver {

/// Each query's `k` best items, column sums, and each item's `reverse_length` best queries (`Reranker::needs`; larger
/// than the number of queries: all of them). Lists go on through everything tied with their last entry.
/// @throws as require_finite (orbweaver/ranking.h).
CandidateInput candidate_input(const Scores& scores, int64_t k, int64_t reverse_length);

/// Scores with queries and gallery exchanged; nothing is copied.
Scores transposed(const Scores& scores);

}  // namespace orbweaver
