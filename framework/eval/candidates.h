// Candidate lists and their statistics: what rerankers take for galleries whose score matrix does not fit. From a whole
// matrix, or from one part of the gallery after another.
#pragma once

#include <cstdint>
#include <map>
#include <vector>

#include "orbweaver/reranker.h"

namespace orbweaver {

/// Each query's `k` best items, column sums, and the `reverse_length` best queries (`Reranker::needs`; larger than the
/// number of queries: all of them) of each item that is some query's candidate; the reverse lists of other items are
/// empty. Lists go on through everything tied with their last entry.
/// @throws as require_finite (orbweaver/ranking.h).
CandidateInput candidate_input(const Scores& scores, int64_t k, int64_t reverse_length);

/// The same from a gallery that arrives in parts: bit for bit, however it is divided, and the matrix is never there.
///
///   CandidateStream stream(queries, 25, reranker.needs().reverse_length);
///   for (...) stream.add(scores of the next items);
///   const Rankings lists = reranker.rerank_candidates(stream.finish());
///
/// It holds a sum for each item; for each query a list of candidates so far; and the reverse list of each item that is
/// a candidate so far, 16 bytes an entry: with Q queries at most about 16 Q k min(reverse_length, Q) bytes, for 1,000
/// queries and k 25 10 MiB of lists of 25 and 400 MiB of whole ones, however large the gallery.
class CandidateStream {
 public:
  /// @throws ShapeError if there are no queries.
  CandidateStream(int64_t query_count, int64_t k, int64_t reverse_length);

  /// The next items of the gallery: scores [query_count, n] of any n > 0.
  /// @throws ShapeError on another number of queries or no items; InputError naming a score that is not finite.
  void add(const Scores& part);

  int64_t gallery_count() const { return static_cast<int64_t>(column_sums_.size()); }

  /// Once, after the last part. @throws ShapeError if there was none.
  CandidateInput finish();

 private:
  struct ReverseList {
    std::vector<int64_t> queries;
    std::vector<double> scores;
  };

  void drop_former_candidates();
  void list_new_candidates(const Scores& part, int64_t first_item);

  int64_t query_count_, k_, reverse_length_;
  Rankings candidates_;
  std::vector<double> column_sums_;
  std::map<int64_t, ReverseList> reverse_;  ///< of the items that are candidates so far
};

/// Scores with queries and gallery exchanged; nothing is copied.
Scores transposed(const Scores& scores);

}  // namespace orbweaver
