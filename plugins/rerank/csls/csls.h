// Cross-domain similarity local scaling, CSLS (Conneau et al., "Word Translation Without Parallel Data", ICLR 2018,
// section 2.3). Included once by the plugin and once by its test.
//
//   S(q, g) = 2 s(q,g) - r(q) - r(g)
//
//   r(q)  mean of the query's scores with its `neighbours` best items
//   r(g)  mean of the item's scores with its `neighbours` best queries
//
// An item that is near to many queries (a hub) has a large r(g) and sinks; r(q) is the same for all items of a query
// and only makes scores comparable across queries. Where there are fewer than `neighbours`, all count. 10 as published.
//
// Transductive: r(g) looks at all queries of the same run.
#pragma once

#include <algorithm>
#include <cstdint>
#include <functional>
#include <numeric>
#include <span>
#include <type_traits>
#include <variant>
#include <vector>

#include "../../shared/whole_gallery.h"
#include "orbweaver/params.h"
#include "orbweaver/ranking.h"
#include "orbweaver/reranker.h"

namespace {
namespace csls {

struct Params {
  int64_t neighbours = 10;
  int64_t k = 100;

  static void describe(orbweaver::ParamSpec<Params>& p) {
    p.field("neighbours", &Params::neighbours, "Size of a neighbourhood, the paper's K")
        .at_least(1)
        .tune({1, 2, 5, 10, 20, 50});
    p.field("k", &Params::k, "Items listed per query; all of the gallery is scored, the rest follow in source order")
        .at_least(1);
  }
};

/// For each row the mean of its `count` largest scores.
inline std::vector<double> neighbourhood_means(const orbweaver::Scores& scores, int64_t count) {
  std::vector<double> means;
  std::visit(
      [&](const auto& view) {
        using T = std::remove_const_t<std::remove_reference_t<decltype(view(0, 0))>>;
        const size_t wanted = static_cast<size_t>(std::min(count, view.cols()));
        std::vector<T> kept, above;
        orbweaver::for_each_row<T>(view, [&](int64_t, std::span<const T> values) {
          const T bar = orbweaver::detail::kth_largest(values, wanted, kept);
          above.clear();
          for (const T value : values)
            if (value > bar) above.push_back(value);
          // Sorted, so that the sum does not depend on the order in which the scores stand.
          std::sort(above.begin(), above.end(), std::greater<>());
          double sum = std::accumulate(above.begin(), above.end(), 0.0);
          sum += static_cast<double>(wanted - above.size()) * static_cast<double>(bar);
          means.push_back(sum / static_cast<double>(wanted));
        });
      },
      scores);
  return means;
}

class CslsReranker final : public orbweaver::Reranker {
 public:
  using Params = csls::Params;
  explicit CslsReranker(Params params) : params_(params) {}

  bool transductive() const override { return true; }

  orbweaver::Rankings rerank(const orbweaver::RerankInput& input) const override {
    orbweaver::require_finite(input.scores);
    const orbweaver::Scores turned =
        std::visit([](const auto& view) -> orbweaver::Scores { return view.transposed(); }, input.scores);
    const std::vector<double> of_query = neighbourhood_means(input.scores, params_.neighbours);
    const std::vector<double> of_item = neighbourhood_means(turned, params_.neighbours);
    return whole_gallery::rerank_rows(input.scores, params_.k,
                                      [&](int64_t query, auto values, std::span<double> fresh) {
                                        const double own = of_query[static_cast<size_t>(query)];
                                        for (size_t item = 0; item < fresh.size(); ++item)
                                          fresh[item] = 2 * static_cast<double>(values[item]) - own - of_item[item];
                                      });
  }

 private:
  Params params_;
};

}  // namespace csls
}  // namespace
