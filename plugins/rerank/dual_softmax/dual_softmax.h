// Dual softmax (Cheng et al., "Improving Video-Text Retrieval by Multi-Stream Corpus Alignment and Dual Softmax Loss"
// (CAMoE), 2021, arXiv 2109.04290). Included once by the plugin and once by its test.
//
// A similarity is weighed by how much the item prefers this query to all others, a prior from the other direction:
//
//   prior(q, g) = exp(scale s(q,g)) / sum over all queries q' of exp(scale s(q',g))
//
//   S(q, g) = s(q,g) * prior(q, g)                                              variant "prior", as published
//           = log( exp(scale s(q,g)) / sum over all items g' of exp(scale s(q,g')) * prior(q, g) )  variant "product"
//
// A negative similarity times a large prior is worse than times a small one: the published form orders items below zero
// the wrong way round, and priors below 1e-308 tie at zero. Variant "product" multiplies the softmaxes of both
// directions instead, which has neither fault. (The authors' code also multiplies by the number of queries; that
// changes no order.) The paper's loss uses the model's own logit scale; for plain cosines, tune the scale on validation
// scores.
//
// Transductive: the prior is normalised over all queries of the same run.
#pragma once

#include <cmath>
#include <cstdint>
#include <span>
#include <vector>

#include "../../shared/whole_gallery.h"
#include "orbweaver/params.h"
#include "orbweaver/ranking.h"
#include "orbweaver/reranker.h"

namespace {
namespace dual_softmax {

enum class Variant { prior, product };

struct Params {
  double scale = 10;
  Variant variant = Variant::prior;
  int64_t k = 100;

  static void describe(orbweaver::ParamSpec<Params>& p) {
    p.field("scale", &Params::scale, "Factor on the scores before the softmax; fit for cosines")
        .range(1e-3, 1e4)
        .tune({1, 2, 5, 10, 20, 50, 100});
    p.field("variant", &Params::variant, {{"prior", Variant::prior}, {"product", Variant::product}},
            "prior: score times its softmax over the queries (published); product: softmax over the gallery times it")
        .tune({"prior", "product"});
    p.field("k", &Params::k, "Items listed per query; all of the gallery is scored, the rest follow in source order")
        .at_least(1);
  }
};

class DualSoftmaxReranker final : public orbweaver::Reranker {
 public:
  using Params = dual_softmax::Params;
  explicit DualSoftmaxReranker(Params params) : params_(params) {}

  bool transductive() const override { return true; }

  orbweaver::Rankings rerank(const orbweaver::RerankInput& input) const override {
    orbweaver::require_finite(input.scores);
    const double scale = params_.scale;
    const std::vector<double> sums = whole_gallery::log_sums_over_queries(input.scores, scale);
    return whole_gallery::rerank_rows(input.scores, params_.k, [&](int64_t, auto values, std::span<double> fresh) {
      const bool product = params_.variant == Variant::product;
      const double own_sum = product ? whole_gallery::log_sum_exp(values, scale) : 0;
      for (size_t item = 0; item < fresh.size(); ++item) {
        const double score = static_cast<double>(values[item]), log_prior = scale * score - sums[item];
        fresh[item] = product ? (scale * score - own_sum) + log_prior : score * std::exp(log_prior);
      }
    });
  }

 private:
  Params params_;
};

}  // namespace dual_softmax
}  // namespace
