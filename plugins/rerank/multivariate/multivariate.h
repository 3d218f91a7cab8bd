// Multivariate rerank, MR (Yuan et al., "Remote Sensing Cross-Modal Text-Image Retrieval Based on Global and Local
// Information" (GaLR), IEEE TGRS 2022, Eq. 25-30). Included once by the plugin and once by its test.
//
// Each query's k best items, and all items tied with the k-th, are candidates and get the score
//
//   S = c_fwd + w1 * c_rev + w2 * c_s
//
//   c_fwd = exp(-xi (p + 1))   p: the item's rank among the query's candidates
//   c_rev = exp(-xi (q + 1))   q: the query's rank in the item's reverse list, where q < l; otherwise 0
//   c_s   = s / sum over all queries of s(query, item)                          similarity "cosine", as published
//         = s / mean over all queries of s(query, item), Q times the former     similarity "mean_cosine"
//         = Q * softmax over all queries of scale * s(query, item)              similarity "softmax"
//
// All ranks are 0-based competition ranks. Items outside the candidates follow in their source order.
//
// The share of one query falls with their number Q, so a w2 for the published c_s fits one number of queries only. The
// other two forms are multiplied by Q: their w2 means the same for images and captions as queries, and for a validation
// split and a larger test split. Tune with one of these.
//
// Cosines average near zero, so both sums of cosines may be tiny or negative, and c_s then swamps the other terms; an
// item whose scores sum to exactly zero gets c_s = 0. The softmax form has no such pole.
//
// Variant "released" follows the authors' code where it leaves their paper: q is the item's rank among the query's k
// candidates ordered by reverse rank (equal reverse ranks in forward order), c_rev is never cut off at l, and k is at
// least 10. Three things differ from that code on purpose: it accumulates in float32 (double here); its unstable sorts
// give equal scores an order by chance (ranks are shared here, so that identical items stay tied); and it leaves 0 for
// items outside the candidates, which then overtake candidates of negative score (here candidates stay in front).
#pragma once

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <optional>
#include <span>
#include <utility>
#include <vector>

#include "../../shared/whole_gallery.h"
#include "orbweaver/params.h"
#include "orbweaver/ranking.h"
#include "orbweaver/reranker.h"

namespace {
namespace multivariate {

enum class Variant { paper, released };
enum class Similarity { cosine, mean_cosine, softmax };

struct Params {
  int64_t k = 25;
  std::optional<int64_t> l;
  double xi = 0.05;
  double w1 = 0.5;
  double w2 = 1.25;
  Variant variant = Variant::paper;
  Similarity similarity = Similarity::cosine;
  double scale = 5;

  static void describe(orbweaver::ParamSpec<Params>& p) {
    p.field("k", &Params::k, "Candidates per query (items tied with the k-th count as well)")
        .at_least(1)
        .tune({5, 10, 25, 50});
    p.field("l", &Params::l, "Length of the reverse lists in which the query earns c_rev; null: k. Variant paper only")
        .at_least(1);
    p.field("xi", &Params::xi, "Decay of a term with rank").at_least(0);
    p.field("w1", &Params::w1, "Weight of the reverse rank, c_rev").tune({0, 0.25, 0.5, 1});
    p.field("w2", &Params::w2, "Weight of the candidate's share, c_s").tune({0, 0.05, 0.1, 0.2, 0.5, 1.25});
    p.field("variant", &Params::variant, {{"paper", Variant::paper}, {"released", Variant::released}},
            "Eq. 25-30, or the authors' code: ranks among the k candidates by reverse position, k at least 10");
    p.field(
         "similarity", &Params::similarity,
         {{"cosine", Similarity::cosine}, {"mean_cosine", Similarity::mean_cosine}, {"softmax", Similarity::softmax}},
         "c_s from the scores as they are (published), the same times the number of queries Q, or Q times their "
         "softmax over the queries")
        .tune({"mean_cosine", "softmax"});
    p.field("scale", &Params::scale, "Factor on the scores before the softmax").at_least(0).tune({5, 10, 20});
  }
};

class MultivariateReranker final : public orbweaver::Reranker {
 public:
  using Params = multivariate::Params;
  explicit MultivariateReranker(const Params& params) : params_(params) {
    if (params_.variant == Variant::released) params_.k = std::max<int64_t>(params_.k, 10);
  }

  Needs needs() const override {
    return {.query_bank = false, .column_sums = true, .reverse_length = reverse_length()};
  }
  bool transductive() const override { return true; }
  /// The softmax needs sums of exponentials, which candidate lists do not carry.
  bool accepts_candidates() const override { return params_.similarity != Similarity::softmax; }

  orbweaver::Rankings rerank(const orbweaver::RerankInput& input) const override {
    const bool softmax = params_.similarity == Similarity::softmax;
    std::vector<double> sums;
    if (softmax)
      orbweaver::require_finite(input.scores);
    else
      sums = orbweaver::finite_column_sums(input.scores);
    orbweaver::Rankings candidates = orbweaver::top_candidates(input.scores, params_.k);
    const std::vector<double> shares = softmax ? softmax_shares(input.scores, candidates)
                                               : cosine_shares(candidates, sums, orbweaver::query_count(input.scores));
    const std::vector<int64_t> reverse = orbweaver::reverse_ranks(input.scores, candidates, reverse_length());
    return reorder(std::move(candidates), reverse, shares);
  }

  orbweaver::Rankings rerank_candidates(const orbweaver::CandidateInput& input) const override {
    if (!accepts_candidates())
      throw orbweaver::InputError(
          "similarity \"softmax\" needs the whole score matrix, not candidate lists; set similarity to "
          "\"mean_cosine\"");
    orbweaver::Rankings candidates = orbweaver::best_of(input.candidates, params_.k);
    const std::vector<int64_t> reverse = orbweaver::reverse_ranks(input, candidates, reverse_length());
    const std::vector<double> shares = cosine_shares(candidates, input.column_sums, input.query_count);
    return reorder(std::move(candidates), reverse, shares);
  }

 private:
  /// The released variant orders candidates by their reverse ranks, however far down these are.
  int64_t reverse_length() const {
    return params_.variant == Variant::paper ? params_.l.value_or(params_.k) : orbweaver::whole_list;
  }

  std::vector<double> cosine_shares(const orbweaver::Rankings& candidates, const std::vector<double>& sums,
                                    int64_t queries) const {
    const double factor = params_.similarity == Similarity::mean_cosine ? static_cast<double>(queries) : 1;
    std::vector<double> shares(candidates.items.size());
    for (size_t at = 0; at < shares.size(); ++at) {
      const double sum = sums.at(static_cast<size_t>(candidates.items[at]));
      shares[at] = sum == 0 ? 0 : factor * (candidates.scores[at] / sum);
    }
    return shares;
  }

  std::vector<double> softmax_shares(const orbweaver::Scores& scores, const orbweaver::Rankings& candidates) const {
    const std::vector<double> log_sums = whole_gallery::log_sums_over_queries(scores, params_.scale);
    const double queries = static_cast<double>(orbweaver::query_count(scores));
    std::vector<double> shares(candidates.items.size());
    for (size_t at = 0; at < shares.size(); ++at)
      shares[at] = queries * std::exp(params_.scale * candidates.scores[at] -
                                      log_sums[static_cast<size_t>(candidates.items[at])]);
    return shares;
  }

  /// @param reverse, shares  parallel to candidates.items
  orbweaver::Rankings reorder(orbweaver::Rankings candidates, const std::vector<int64_t>& reverse,
                              const std::vector<double>& shares) const {
    Decay decay(params_.xi);
    for (int64_t query = 0; query < candidates.query_count(); ++query) {
      const size_t begin = static_cast<size_t>(candidates.offsets[static_cast<size_t>(query)]);
      const std::vector<int64_t> forward = orbweaver::competition_ranks(candidates.scores_of(query));
      const std::vector<int64_t> positions =
          reverse_positions(forward, std::span(reverse).subspan(begin, forward.size()));
      for (size_t at = 0; at < forward.size(); ++at) {
        const double c_rev = positions[at] == orbweaver::not_listed ? 0 : decay(positions[at]);
        candidates.scores[begin + at] = decay(forward[at]) + params_.w1 * c_rev + params_.w2 * shares[begin + at];
      }
    }
    orbweaver::sort_candidates(candidates);
    return candidates;
  }

  /// The q of c_rev for one query's candidates, in forward order.
  std::vector<int64_t> reverse_positions(std::span<const int64_t> forward, std::span<const int64_t> reverse) const {
    if (params_.variant == Variant::released) return orbweaver::ranks_by_reverse_position(forward, reverse);
    std::vector<int64_t> positions(reverse.begin(), reverse.end());
    for (int64_t& position : positions)
      if (position >= reverse_length()) position = orbweaver::not_listed;
    return positions;
  }

  /// exp(-xi (rank + 1)); the few ranks that there are come up for every query.
  class Decay {
   public:
    explicit Decay(double xi) : xi_(xi) {}
    double operator()(int64_t rank) {
      while (static_cast<int64_t>(of_rank_.size()) <= rank)
        of_rank_.push_back(std::exp(-xi_ * static_cast<double>(of_rank_.size() + 1)));
      return of_rank_[static_cast<size_t>(rank)];
    }

   private:
    double xi_;
    std::vector<double> of_rank_;
  };

  Params params_;
};

}  // namespace multivariate
}  // namespace
