// Inverted softmax (Smith et al., "Offline bilingual word vectors, orthogonal transformations and the inverted
// softmax", ICLR 2017, section on the inverted softmax). Included once by the plugin and once by its test.
//
// A hub is an item that many queries find near. The softmax that turns similarities into probabilities is normalised
// over the queries instead of the gallery, so that an item's mass is shared out among its queries:
//
//   S(q, g) = log( exp(scale s(q,g)) / sum over all queries q' of exp(scale s(q',g)) )
//
// Left out is the paper's factor 1/alpha_q, which is the same for all items of a query and changes no order; the
// logarithm keeps what exp would round to 0. The paper sums over a sample of queries where there are too many; here all
// of them count. It fits the scale (its beta) on training pairs: tune it on validation scores.
//
// Transductive: the sum runs over all queries of the same run.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "../../shared/whole_gallery.h"
#include "orbweaver/params.h"
#include "orbweaver/ranking.h"
#include "orbweaver/reranker.h"

namespace {
namespace inverted_softmax {

struct Params {
  double scale = 5;
  int64_t k = 100;

  static void describe(orbweaver::ParamSpec<Params>& p) {
    p.field("scale", &Params::scale, "Factor on the scores before the softmax, the paper's beta; fit for cosines")
        .range(1e-3, 1e4)
        .tune({1, 2, 5, 10, 20, 50, 100});
    p.field("k", &Params::k, "Items listed per query; all of the gallery is scored, the rest follow in source order")
        .at_least(1);
  }
};

class InvertedSoftmaxReranker final : public orbweaver::Reranker {
 public:
  using Params = inverted_softmax::Params;
  explicit InvertedSoftmaxReranker(Params params) : params_(params) {}

  bool transductive() const override { return true; }

  orbweaver::Rankings rerank(const orbweaver::RerankInput& input) const override {
    orbweaver::require_finite(input.scores);
    const std::vector<double> sums = whole_gallery::log_sums_over_queries(input.scores, params_.scale);
    return whole_gallery::rerank_rows(input.scores, params_.k, [&](int64_t, auto values, std::span<double> fresh) {
      for (size_t item = 0; item < fresh.size(); ++item)
        fresh[item] = params_.scale * static_cast<double>(values[item]) - sums[item];
    });
  }

 private:
  Params params_;
};

}  // namespace inverted_softmax
}  // namespace
