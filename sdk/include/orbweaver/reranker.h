#pragma once

#include <cstdint>
#include <span>
#include <variant>
#include <vector>

#include "orbweaver/error.h"
#include "orbweaver/export.h"
#include "orbweaver/matrix.h"

namespace orbweaver {
inline namespace v1 {

/// Scores [Q, G] of Q queries against G gallery items, float or double; higher is more similar.
/// Arithmetic on them is in double either way.
using Scores = std::variant<MatrixView<const float>, MatrixView<const double>>;

inline int64_t query_count(const Scores& scores) {
  return std::visit([](const auto& view) { return view.rows(); }, scores);
}
inline int64_t gallery_count(const Scores& scores) {
  return std::visit([](const auto& view) { return view.cols(); }, scores);
}

/// For each query its candidates, best first, with the scores that order them. Equal scores are ties: how a tie counts
/// is the evaluation's decision, so items that are identical must keep identical scores.
/// Gallery items beyond a query's candidates follow them in the order of the source scores.
struct Rankings {
  std::vector<int64_t> offsets{0};  ///< Q + 1 entries; query q owns [offsets[q], offsets[q + 1])
  std::vector<int64_t> items;       ///< gallery indices
  std::vector<double> scores;       ///< parallel to items, descending within a query

  int64_t query_count() const { return static_cast<int64_t>(offsets.size()) - 1; }
  std::span<const int64_t> items_of(int64_t query) const { return part(items, query); }
  std::span<const double> scores_of(int64_t query) const { return part(scores, query); }

 private:
  template <class T>
  std::span<const T> part(const std::vector<T>& list, int64_t query) const {
    const size_t q = static_cast<size_t>(query);
    return {list.data() + offsets[q], static_cast<size_t>(offsets[q + 1] - offsets[q])};
  }
};

/// Source scores and what else a reranker declared to need. Never labels.
struct RerankInput {
  Scores scores;      ///< [Q, G], not modified
  Scores query_bank;  ///< [Qb, G]: other queries (training captions or images) against the same gallery
};

/// For galleries whose score matrix does not fit: candidates and the statistics that summarise the rest.
struct CandidateInput {
  Rankings candidates;              ///< source order and source scores per query
  std::vector<double> column_sums;  ///< G: sum over all queries of a candidate's scores
  Rankings reverse;  ///< per gallery item its best queries, best first; may be empty where it is no query's candidate
  int64_t query_count = 0;  ///< queries behind column_sums
};

/// Reorders each query's best candidates. Concurrent calls are allowed.
///
/// Ranks inside are competition ranks (equal scores share the best of their places), so ties stay ties; all items tied
/// with the k-th are candidates, so a list may be longer than k.
class ORBWEAVER_API Reranker {
 public:
  static constexpr const char* kind = "reranker";
  /// What `rerank` reads beyond the scores, and what `rerank_candidates` reads beyond the candidates.
  struct Needs {
    bool query_bank = false;
    bool column_sums = false;
    int64_t reverse_length = 0;  ///< length of each reverse list; 0 when none is read
  };
  virtual ~Reranker();

  virtual Needs needs() const { return {}; }
  /// Whether a query's result depends on the other queries of the same run. Results say so.
  virtual bool transductive() const = 0;

  /// @throws ShapeError if Q or G is 0; InputError on a score that is not finite.
  virtual Rankings rerank(const RerankInput& input) const = 0;

  virtual bool accepts_candidates() const { return false; }
  /// The same from candidate lists. @throws Error unless `accepts_candidates`.
  virtual Rankings rerank_candidates(const CandidateInput& input) const;
};

}  // namespace v1
}  // namespace orbweaver
