// Cross-modal rerank of Wang et al. ("Matching Images and Text with Multi-modal Tensor Fusion and Re-ranking" (MTFN),
// ACM MM 2019). Included once by the plugin and once by its test.
//
// Each query's k best items, and all items tied with the k-th, are reordered by the query's rank in each item's reverse
// list; equal reverse ranks keep the forward order. The new scores are 0, -1, -2, ...: the negated competition rank in
// that order, so items with equal forward and equal reverse ranks stay tied.
//
// The authors' release looks, for a text query, at the best rank among the five captions of the query's own image. That
// reads the ground truth, so it is not built.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <vector>

#include "orbweaver/params.h"
#include "orbweaver/ranking.h"
#include "orbweaver/reranker.h"

namespace {
namespace cross_modal {

struct Params {
  int64_t k = 25;
  std::optional<int64_t> l;

  static void describe(orbweaver::ParamSpec<Params>& p) {
    p.field("k", &Params::k, "Candidates per query (items tied with the k-th count as well)")
        .at_least(1)
        .tune({2, 5, 10, 25});
    p.field("l", &Params::l, "Reverse ranks from l on count as equal; null: all ranks count (published)")
        .at_least(1)
        .tune({1, 3, 10, 30, nullptr});
  }
};

class CrossModalReranker final : public orbweaver::Reranker {
 public:
  using Params = cross_modal::Params;
  explicit CrossModalReranker(Params params) : params_(params) {}

  Needs needs() const override {
    return {.query_bank = false, .column_sums = false, .reverse_length = reverse_length()};
  }
  bool transductive() const override { return true; }
  bool accepts_candidates() const override { return true; }

  orbweaver::Rankings rerank(const orbweaver::RerankInput& input) const override {
    orbweaver::require_finite(input.scores);
    const orbweaver::Rankings candidates = orbweaver::top_candidates(input.scores, params_.k);
    return reorder(candidates, orbweaver::reverse_ranks(input.scores, candidates, reverse_length()));
  }

  orbweaver::Rankings rerank_candidates(const orbweaver::CandidateInput& input) const override {
    const orbweaver::Rankings candidates = orbweaver::best_of(input.candidates, params_.k);
    return reorder(candidates, orbweaver::reverse_ranks(input, candidates, reverse_length()));
  }

 private:
  int64_t reverse_length() const { return params_.l.value_or(orbweaver::whole_list); }

  orbweaver::Rankings reorder(const orbweaver::Rankings& candidates, std::vector<int64_t> reverse) const {
    for (int64_t& rank : reverse) rank = std::min(rank, reverse_length());
    orbweaver::Rankings result = candidates;
    for (int64_t query = 0; query < candidates.query_count(); ++query) {
      const size_t begin = static_cast<size_t>(candidates.offsets[static_cast<size_t>(query)]);
      const std::vector<int64_t> forward = orbweaver::competition_ranks(candidates.scores_of(query));
      const std::vector<int64_t> ranks =
          orbweaver::ranks_by_reverse_position(forward, std::span(reverse).subspan(begin, forward.size()));
      for (size_t at = 0; at < ranks.size(); ++at) result.scores[begin + at] = 0.0 - static_cast<double>(ranks[at]);
    }
    orbweaver::sort_candidates(result);
    return result;
  }

  Params params_;
};

}  // namespace cross_modal
}  // namespace
