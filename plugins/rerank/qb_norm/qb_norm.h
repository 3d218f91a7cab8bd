// Querybank normalisation, QB-Norm, with the dynamic inverted softmax (Bogolin et al., "Cross Modal Retrieval with
// Querybank Normalisation", CVPR 2022). Included once by the plugin and once by its test.
//
// Hubs are recognised by a bank of other queries b, never by those of the run: training captions for text queries,
// training images for image queries, each scored against the gallery that is searched.
//
//   active = items among the `bank_k` best of at least one bank query
//   S(q, g) = scale s(q,g) - log( sum over the bank of exp(scale s(b,g)) )   if the query's best item is active
//           = s(q,g)                                                         otherwise: no hub is in the way
//
// The first line is the logarithm of the published quotient, which has the same order and does not underflow. With
// equal best items it is enough that one is active; items tied with a bank query's bank_k-th count as active.
// `dynamic` false normalises every query, the paper's plain inverted softmax. scale (its beta) 20 and bank_k 1 are
// those of the released code.
//
// Not transductive: a query's result depends on that query, the gallery and the training data.
#pragma once

#include <algorithm>
#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "../../shared/whole_gallery.h"
#include "orbweaver/error.h"
#include "orbweaver/params.h"
#include "orbweaver/ranking.h"
#include "orbweaver/reranker.h"

namespace {
namespace qb_norm {

struct Params {
  double scale = 20;
  int64_t bank_k = 1;
  bool dynamic = true;
  int64_t k = 100;

  static void describe(orbweaver::ParamSpec<Params>& p) {
    p.field("scale", &Params::scale, "Factor on the scores before the softmax, the paper's beta; fit for cosines")
        .range(1e-3, 1e4)
        .tune({1, 2, 5, 10, 20, 50, 100});
    p.field("bank_k", &Params::bank_k, "An item is a possible hub when it is among that many best of a bank query")
        .at_least(1)
        .tune({1, 3, 10});
    p.field("dynamic", &Params::dynamic, "Leave queries alone whose best item is no possible hub").tune({true, false});
    p.field("k", &Params::k, "Items listed per query; all of the gallery is scored, the rest follow in source order")
        .at_least(1);
  }
};

class QbNormReranker final : public orbweaver::Reranker {
 public:
  using Params = qb_norm::Params;
  explicit QbNormReranker(const Params& params) : params_(params) {}

  Needs needs() const override { return {.query_bank = true, .column_sums = false, .reverse_length = 0}; }
  bool transductive() const override { return false; }

  /// @throws InputError without a bank, or on one of another gallery.
  orbweaver::Rankings rerank(const orbweaver::RerankInput& input) const override {
    orbweaver::require_finite(input.scores);
    check_bank(input);
    const std::vector<double> sums = whole_gallery::log_sums_over_queries(input.query_bank, params_.scale);
    const std::vector<bool> active = active_items(input.query_bank);
    return whole_gallery::rerank_rows(input.scores, params_.k, [&](int64_t, auto values, std::span<double> fresh) {
      const bool normalise = !params_.dynamic || best_is_active(values, active);
      for (size_t item = 0; item < fresh.size(); ++item) {
        const double score = static_cast<double>(values[item]);
        fresh[item] = normalise ? params_.scale * score - sums[item] : score;
      }
    });
  }

 private:
  static void check_bank(const orbweaver::RerankInput& input) {
    const int64_t queries = orbweaver::query_count(input.query_bank);
    const int64_t items = orbweaver::gallery_count(input.query_bank);
    const int64_t wanted = orbweaver::gallery_count(input.scores);
    if (queries == 0 || items != wanted)
      throw orbweaver::InputError("query bank: " + std::to_string(queries) + " training queries against " +
                                  std::to_string(items) + " items, expected at least one against the gallery's " +
                                  std::to_string(wanted));
    try {
      orbweaver::require_finite(input.query_bank);
    } catch (const orbweaver::InputError& error) {
      throw orbweaver::InputError(std::string("query bank: ") + error.what());
    }
  }

  std::vector<bool> active_items(const orbweaver::Scores& bank) const {
    std::vector<bool> active(static_cast<size_t>(orbweaver::gallery_count(bank)));
    for (const int64_t item : orbweaver::top_candidates(bank, params_.bank_k).items)
      active[static_cast<size_t>(item)] = true;
    return active;
  }

  template <class T>
  static bool best_is_active(std::span<const T> values, const std::vector<bool>& active) {
    const T best = *std::max_element(values.begin(), values.end());
    for (size_t item = 0; item < values.size(); ++item)
      if (values[item] == best && active[item]) return true;
    return false;
  }

  Params params_;
};

}  // namespace qb_norm
}  // namespace
