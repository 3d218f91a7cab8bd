// What every fusion must do (orbweaver/torch/fusion.h), as properties.
#pragma once

#include "orbweaver/testing/torch/module.h"
#include "orbweaver/torch/fusion.h"

namespace orbweaver::testing {
namespace detail {

/// A fusion of one side, with what it reads of the sample.
struct FusionTrial {
  std::string name;
  Side side;
  std::shared_ptr<Fusion> fusion;
  Representation sample;
  int64_t embed_dim;

  at::Tensor forward(const std::string& what, const Representation& of) const {
    at::NoGradGuard no_grad;
    return call(name + what, [&] { return fusion->forward(of); });
  }
};

inline FusionTrial fusion_trial(const Subject& subject, const Making& making, Side side) {
  const Inputs inputs = sample_inputs(side, making.dtype);
  const auto fusion = make_model<Fusion>(subject, inputs, making);
  const GraphBatch graphs = sample_graphs(side, making.dtype);
  const Representation sample = only(sample_side(side, making.dtype, graphs), fusion->reads(), false);
  return {text("forward on the ", side_name(side), " side"), side, fusion, sample, inputs.embed_dim};
}

inline Trial as_trial(const FusionTrial& one) {
  Trial trial{one.name, one.fusion, parts_of(one.sample), [fusion = one.fusion, sample = one.sample] {
                return NamedTensors{{"embedding", fusion->forward(sample)}};
              }};
  return trial;
}

inline std::vector<Trial> fusion_trials(const Subject& subject, const Making& making) {
  return trials_of_sides([&](Side side) { return as_trial(fusion_trial(subject, making, side)); });
}

/// f(trial) for the sides that the fusion can be made for.
template <class F>
void for_each_fusion(const Subject& subject, F&& f) {
  std::vector<FusionTrial> made;
  trials_of_sides([&](Side side) {
    made.push_back(fusion_trial(subject, {}, side));
    return as_trial(made.back());
  });
  for (const FusionTrial& one : made) f(one);
}

inline void check_reads(const Subject& subject) {
  // The sample holds the parts that reads() names and no others.
  for_each_fusion(subject, [](const FusionTrial& one) {
    one.forward(", given the parts that reads() names and no others,", one.sample);
  });
}

inline void expect_unit_rows(const std::string& what, const at::Tensor& embedding) {
  const at::Tensor norms = embedding.norm(2, 1).to(at::kDouble);
  for (int64_t i = 0; i < norms.size(0); ++i) {
    const auto norm = norms[i].item<double>();
    if (std::abs(norm - 1) > 1e-3 && norm != 0)  // NaN has a property of its own
      fail(what, ": row ", i, " has length ", norm, ", expected 1 (or 0 for a row of zeros)");
  }
}

inline void check_fusion_shapes(const Subject& subject) {
  for_each_fusion(subject, [](const FusionTrial& one) {
    const at::Tensor embedding = one.forward("", one.sample);
    expect_tensor(one.name + ": embedding", embedding, {6, one.embed_dim});
    expect_unit_rows(one.name, embedding);
  });
}

inline void check_fusion_rows(const Subject& subject) {
  for_each_fusion(subject, [](const FusionTrial& one) {
    const at::Tensor together = one.forward("", one.sample);
    for (int64_t i = 0; i < 6; ++i)
      expect_close(text(one.name, " of item ", i, " alone"),
                   one.forward(" of a single item", rows_of(one.sample, at::tensor({i}, at::kLong))),
                   together.narrow(0, i, 1));
  });
}

inline void check_fusion_padding(const Subject& subject) {
  bool any = false;
  for_each_fusion(subject, [&](const FusionTrial& one) {
    if (!one.sample.token_mask.defined() && !one.sample.node_mask.defined()) return;
    any = true;
    expect_close(one.name + " with three more places of padding",
                 one.forward(" with more padding", padded(one.sample, 3)), one.forward("", one.sample));
  });
  if (!any) skip("it reads nothing that has padding");
}

inline void check_fusion_node_order(const Subject& subject) {
  bool any = false;
  for_each_fusion(subject, [&](const FusionTrial& one) {
    if (!one.sample.nodes.defined()) return;
    any = true;
    const auto [order, place] = node_permutation(one.sample.nodes.size(1));
    expect_close(one.name + " with the nodes in another order",
                 one.forward(" with the nodes in another order", with_nodes_moved(one.sample, order, place)),
                 one.forward("", one.sample));
  });
  if (!any) skip("it reads no nodes");
}

inline void check_fusion_rank(const Subject& subject) {
  bool any = false;
  for_each_fusion(subject, [&](const FusionTrial& one) {
    if (!one.sample.global.defined()) return;
    any = true;
    Representation wrong = one.sample;
    wrong.global = wrong.global.unsqueeze(1);
    expect_no_result(one.name + ": global [B, 1, D]", [&] {
      at::NoGradGuard no_grad;
      const at::Tensor out = one.fusion->forward(wrong);
      return out.dim() == 2 && out.size(0) == 6 && out.size(1) == one.embed_dim;
    });
  });
  if (!any) skip("it reads no global");
}

}  // namespace detail

inline std::vector<Property> fusion_properties() {
  using namespace detail;
  std::vector<Property> list = {
      {"reads", "forward needs no more parts of a side than reads() names.", "name in reads() what forward reads",
       check_reads},
      {"shapes", "The embedding is [B, E], E the model's embed_dim, its rows of unit length.",
       "end in orbweaver::l2_normalize of a tensor [B, inputs.embed_dim]", check_fusion_shapes},
      {"one", "An item gives the same embedding alone as in a batch.",
       "no statistic over the batch in evaluation mode, no squeeze() without a dimension: galleries are embedded in "
       "batches of any size",
       check_fusion_rows},
      {"padding", "More padding changes nothing.", "mask padding in attention, sums, means and maxima",
       check_fusion_padding},
      {"node_order", "Nodes in another order give the same embedding.", "pool over nodes, and read none by its place",
       check_fusion_node_order},
      {"wrong_rank", "A global of a wrong rank is refused, or gives no result of the right shape.",
       "check the number of dimensions before reshaping, and throw orbweaver::ShapeError", check_fusion_rank}};
  return with_module_properties(std::move(list), fusion_trials, false);
}

}  // namespace orbweaver::testing
