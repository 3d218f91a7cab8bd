// What every graph encoder must do (orbweaver/torch/graph_encoder.h), as properties.
#pragma once

#include "orbweaver/invariance.h"
#include "orbweaver/testing/torch/module.h"
#include "orbweaver/torch/graph_encoder.h"

namespace orbweaver::testing {
namespace detail {

inline std::vector<Trial> graph_encoder_trials(const Subject& subject, const Making& making) {
  return trials_of_sides([&](Side side) -> Trial {
    const Inputs inputs = sample_inputs(side, making.dtype);
    const auto encoder = make_model<GraphEncoder>(subject, inputs, making);
    const GraphBatch graphs = sample_graphs(side, making.dtype);
    Trial trial{text("forward on the ", side_name(side), " side"),
                encoder,
                {{"features", graphs.features},
                 {"adjacency", graphs.adjacency},
                 {"mask", graphs.mask},
                 {"labels", graphs.labels},
                 {"relations", graphs.relations}},
                [encoder, graphs] { return parts_of(encoder->forward(graphs)); }};
    trial.passes_gradients = false;  // what builders make is not learnt
    return trial;
  });
}

/// The encoder of a trial's side, with its sample.
struct GraphTrial {
  Trial trial;
  GraphBatch graphs;

  Representation forward(const std::string& what, const GraphBatch& batch) const {
    at::NoGradGuard no_grad;
    return call(trial.name + what, [&] { return static_cast<GraphEncoder&>(*trial.component).forward(batch); });
  }
};

inline GraphTrial graph_trial(const Trial& trial) {
  const auto input = [&](size_t i) { return trial.inputs[i].second; };
  return {trial, {input(0), input(1), input(2), input(3), input(4)}};
}

inline void check_graph_encoder_shapes(const Trial& trial) {
  const GraphTrial one = graph_trial(trial);
  const Widths widths = static_cast<GraphEncoder&>(*trial.component).outputs();
  const int64_t count = one.graphs.mask.size(0), longest = one.graphs.mask.size(1);
  const Representation out = one.forward("", one.graphs);
  if (widths.nodes <= 0 && widths.local <= 0) fail("outputs() declares neither nodes nor local");
  if (widths.nodes > 0) {
    expect_tensor(trial.name + ": nodes", out.nodes, {count, longest, widths.nodes});
    expect_tensor(trial.name + ": node_mask", out.node_mask, {count, longest}, false);
    if (out.node_mask.scalar_type() != at::kBool) fail(trial.name, ": node_mask is no tensor of Bool");
    if (largest(out.nodes.masked_fill(out.node_mask.unsqueeze(-1), 0)) != 0)
      fail(trial.name, ": nodes are not zero at padding");
  }
  if (widths.local > 0) expect_tensor(trial.name + ": local", out.local, {count, widths.local});
}

inline void check_empty_graphs(const Trial& trial) {
  const GraphTrial one = graph_trial(trial);
  const Side side =
      static_cast<int64_t>(one.graphs.features.size(2)) == sample_inputs(Side::image, at::kFloat).node_features()
          ? Side::image
          : Side::text;
  const Representation out = one.forward(" of graphs without nodes", sample_graphs(side, at::kFloat, {0, 0}));
  for (const auto& [name, part] : parts_of(out))
    if (!at::isfinite(part).all().item<bool>()) fail(trial.name, " of graphs without nodes: ", name, " is not finite");
}

inline void check_graph_rows(const Trial& trial) {
  const GraphTrial one = graph_trial(trial);
  const Representation together = one.forward("", one.graphs);
  for (int64_t i = 0; i < one.graphs.mask.size(0); ++i) {
    const int64_t nodes = std::max<int64_t>(1, one.graphs.mask[i].sum().item<int64_t>());
    const at::Tensor edges = (one.graphs.relations[0] == i).nonzero().squeeze(1);
    at::Tensor relations = one.graphs.relations.index_select(1, edges).clone();
    relations[0].zero_();
    const GraphBatch own{one.graphs.features.narrow(0, i, 1).narrow(1, 0, nodes),
                         one.graphs.adjacency.narrow(0, i, 1).narrow(1, 0, nodes).narrow(2, 0, nodes),
                         one.graphs.mask.narrow(0, i, 1).narrow(1, 0, nodes),
                         one.graphs.labels.narrow(0, i, 1).narrow(1, 0, nodes), relations};
    const Representation alone = one.forward(" of a single graph", own);
    const std::string what = text(trial.name, " of graph ", i, " alone, against beside larger ones: ");
    if (together.local.defined()) expect_close(what + "local", alone.local, together.local.narrow(0, i, 1));
    if (together.nodes.defined())
      expect_close(what + "nodes", alone.nodes, together.nodes.narrow(0, i, 1).narrow(1, 0, nodes));
  }
}

inline void check_node_order(const Trial& trial) {
  const GraphTrial one = graph_trial(trial);
  if (const auto* declares = dynamic_cast<const DeclaresInvariances*>(trial.component.get());
      declares && !declares->invariances().object_order)
    skip("it declares that the order of nodes matters to it");
  const Representation wanted = one.forward("", one.graphs);
  for (int round = 0; round < 3; ++round) {
    const auto [order, place] = node_permutation(one.graphs.mask.size(1));
    const Representation out =
        one.forward(" of graphs with their nodes in another order", with_nodes_moved(one.graphs, order, place));
    const std::string what = trial.name + " of graphs with their nodes in another order: ";
    if (wanted.local.defined()) expect_close(what + "local", out.local, wanted.local);
    if (wanted.nodes.defined()) expect_close(what + "nodes", out.nodes, wanted.nodes.index_select(1, order));
  }
}

inline void check_graph_rank(const Trial& trial) {
  const GraphTrial one = graph_trial(trial);
  const Representation right = one.forward("", one.graphs);
  GraphBatch wrong = one.graphs;
  wrong.features = wrong.features.unsqueeze(1);
  expect_no_result("node features [B, 1, N, F]", [&] {
    at::NoGradGuard no_grad;
    const Representation out = static_cast<GraphEncoder&>(*trial.component).forward(wrong);
    return (out.local.defined() && right.local.defined() && out.local.sizes() == right.local.sizes()) ||
           (out.nodes.defined() && right.nodes.defined() && out.nodes.sizes() == right.nodes.sizes());
  });
}

}  // namespace detail

inline std::vector<Property> graph_encoder_properties() {
  using namespace detail;
  const Trials trials = graph_encoder_trials;
  const auto each = [&](void (*check)(const Trial&)) { return for_each_trial(trials, {}, check); };
  std::vector<Property> list = {
      {"shapes",
       "forward makes what outputs() declares: nodes [B, N, Dn], zero at padding, with node_mask [B, N], local [B, "
       "Dl].",
       "declare in outputs() the widths that forward makes; multiply nodes by the mask",
       each(check_graph_encoder_shapes)},
      {"empty", "Graphs without nodes are legal and give finite numbers.",
       "clamp counts to at least 1; a softmax over nothing is NaN", each(check_empty_graphs)},
      {"padding", "A graph gives the same alone as beside larger ones.",
       "leave padding out of sums, means and attention; no statistic over the batch in evaluation mode",
       each(check_graph_rows)},
      {"node_order", "Nodes in another order give the same nodes in that order, and the same local.",
       "sum over neighbours and nodes; where the order is meant to count, declare it (orbweaver/invariance.h)",
       each(check_node_order)},
      {"wrong_rank", "Features of a wrong rank are refused, or give no result of the right shape.",
       "check the number of dimensions before reshaping, and throw orbweaver::ShapeError", each(check_graph_rank)}};
  return with_module_properties(std::move(list), trials, false);
}

}  // namespace orbweaver::testing
