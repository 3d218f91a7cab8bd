// What components of the model plane are tried on: small tensors of odd sizes, with padding and with empty graphs.
#pragma once

#include <ATen/ATen.h>

#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "orbweaver/torch/inputs.h"
#include "orbweaver/torch/loss.h"
#include "orbweaver/torch/representation.h"

namespace orbweaver::testing {

/// A model whose stages all have another width, but for the nodes, which some components compare across the sides.
inline Inputs sample_inputs(Side side, at::ScalarType dtype) {
  Inputs inputs;
  inputs.side = side;
  inputs.image = {.global = 12, .tokens = 10, .nodes = 14, .local = 9};
  inputs.text = {.global = 11, .tokens = 13, .nodes = 14, .local = 8};
  inputs.embed_dim = 16;
  inputs.image_node_features = 7;
  inputs.text_node_features = 5;
  inputs.label_count = 12;
  inputs.relation_count = 8;
  inputs.label_embedding = std::make_shared<torch::nn::EmbeddingImpl>(inputs.label_count, 6);
  inputs.label_embedding->to(dtype);
  // The model's, so the same for every component that is made on it.
  at::NoGradGuard no_grad;
  const at::Tensor places = at::arange(inputs.label_count * 6, inputs.label_embedding->weight.options());
  inputs.label_embedding->weight.copy_(at::cos(places * 2.3).view({inputs.label_count, 6}));
  return inputs;
}

/// [count, width] bool, row i true in its first sizes[i].
inline at::Tensor mask_of(const std::vector<int64_t>& sizes, int64_t width) {
  at::Tensor mask = at::zeros({static_cast<int64_t>(sizes.size()), width}, at::kBool);
  for (size_t i = 0; i < sizes.size(); ++i) mask[static_cast<int64_t>(i)].narrow(0, 0, sizes[i]).fill_(true);
  return mask;
}

/// Six graphs, the second without nodes, the third with one.
inline const std::vector<int64_t>& sample_sizes() {
  static const std::vector<int64_t> sizes = {5, 0, 1, 4, 3, 2};
  return sizes;
}

inline GraphBatch sample_graphs(Side side, at::ScalarType dtype, const std::vector<int64_t>& sizes = sample_sizes()) {
  const Inputs inputs = sample_inputs(side, dtype);
  const auto count = static_cast<int64_t>(sizes.size());
  const int64_t longest = std::max<int64_t>(1, *std::max_element(sizes.begin(), sizes.end()));
  GraphBatch batch;
  batch.mask = mask_of(sizes, longest);
  const at::Tensor real = batch.mask.to(dtype);
  batch.features = at::randn({count, longest, inputs.node_features()}, dtype) * real.unsqueeze(-1);
  const at::Tensor weights = at::rand({count, longest, longest}, dtype) * real.unsqueeze(-1) * real.unsqueeze(1);
  batch.adjacency = weights + weights.transpose(1, 2);
  batch.labels = at::randint(1, inputs.label_count, {count, longest}, at::kLong) * batch.mask.to(at::kLong);
  std::vector<int64_t> edges[4];
  for (int64_t graph = 0; graph < count; ++graph) {
    const int64_t nodes = sizes[static_cast<size_t>(graph)];
    for (int64_t e = 0; e + 1 < nodes; ++e) {
      edges[0].push_back(graph);
      edges[1].push_back(e);
      edges[2].push_back((e * 2 + 1) % nodes);
      edges[3].push_back(1 + (graph + e) % (inputs.relation_count - 1));
    }
  }
  std::vector<at::Tensor> rows;
  for (const auto& row : edges) rows.push_back(at::tensor(row, at::kLong));
  batch.relations = at::stack(rows);
  return batch;
}

/// The graph's relations as a Representation has them: [B, R, 3], relation 0 is padding.
inline at::Tensor relation_rows(const GraphBatch& graphs) {
  at::Tensor out = at::zeros({graphs.mask.size(0), std::max<int64_t>(1, graphs.relations.size(1)), 3}, at::kLong);
  std::vector<int64_t> used(static_cast<size_t>(graphs.mask.size(0)), 0);
  for (int64_t e = 0; e < graphs.relations.size(1); ++e) {
    const auto graph = graphs.relations[0][e].item<int64_t>();
    out[graph][used[static_cast<size_t>(graph)]++].copy_(graphs.relations.slice(0, 1, 4).select(1, e));
  }
  return out;
}

/// A side of six items, every part made: image tokens all real, text tokens masked.
inline Representation sample_side(Side side, at::ScalarType dtype, const GraphBatch& graphs) {
  const Inputs inputs = sample_inputs(side, dtype);
  const Widths& widths = inputs.own();
  const int64_t count = graphs.mask.size(0);
  Representation out;
  out.global = at::randn({count, widths.global}, dtype);
  if (side == Side::image) {
    out.tokens = at::randn({count, 9, widths.tokens}, dtype);
  } else {
    std::vector<int64_t> lengths;
    for (int64_t i = 0; i < count; ++i) lengths.push_back(1 + (3 * i + 4) % 5);
    out.token_mask = mask_of(lengths, 5);
    out.tokens = at::randn({count, 5, widths.tokens}, dtype) * out.token_mask.to(dtype).unsqueeze(-1);
  }
  out.nodes = at::randn({count, graphs.mask.size(1), widths.nodes}, dtype) * graphs.mask.to(dtype).unsqueeze(-1);
  out.node_mask = graphs.mask;
  out.relations = relation_rows(graphs);
  out.local = at::randn({count, widths.local}, dtype);
  const at::Tensor rows = at::randn({count, inputs.embed_dim}, dtype);
  out.embedding = rows / rows.norm(2, 1, true);
  return out;
}

/// Only what the stage says that it reads; the rest is undefined, as in a model where nobody makes it.
inline Representation only(const Representation& side, const Parts& reads, bool with_embedding) {
  Representation out;
  if (reads.global) out.global = side.global;
  if (reads.tokens) out.tokens = side.tokens, out.token_mask = side.token_mask;
  if (reads.nodes) out.nodes = side.nodes;
  // Whoever reads anything of the graph gets the mask.
  if (reads.nodes || reads.relations || reads.local) out.node_mask = side.node_mask;
  if (reads.relations) out.relations = side.relations;
  if (reads.local) out.local = side.local;
  if (with_embedding) out.embedding = side.embedding;
  return out;
}

/// Rows of every part, in the order of `rows`.
inline Representation rows_of(const Representation& side, const at::Tensor& rows) {
  const auto take = [&](const at::Tensor& x) { return x.defined() ? x.index_select(0, rows) : x; };
  return {take(side.global),    take(side.tokens),    take(side.token_mask), take(side.nodes),
          take(side.node_mask), take(side.relations), take(side.local),      take(side.embedding)};
}

/// `extra` more places of padding behind nodes, relations and, where they are masked, tokens.
inline Representation padded(Representation side, int64_t extra) {
  if (side.token_mask.defined()) {
    side.tokens = at::constant_pad_nd(side.tokens, {0, 0, 0, extra});
    side.token_mask = at::constant_pad_nd(side.token_mask, {0, extra});
  }
  if (side.nodes.defined()) side.nodes = at::constant_pad_nd(side.nodes, {0, 0, 0, extra});
  if (side.node_mask.defined()) side.node_mask = at::constant_pad_nd(side.node_mask, {0, extra});
  if (side.relations.defined()) side.relations = at::constant_pad_nd(side.relations, {0, 0, 0, extra});
  return side;
}

/// A permutation of the places of each graph's nodes, padding included, and where each place went.
inline std::pair<at::Tensor, at::Tensor> node_permutation(int64_t count) {
  const at::Tensor order = at::randperm(count, at::kLong);
  return {order, order.argsort()};
}

inline Representation with_nodes_moved(Representation side, const at::Tensor& order, const at::Tensor& place) {
  if (side.nodes.defined()) side.nodes = side.nodes.index_select(1, order);
  if (side.node_mask.defined()) side.node_mask = side.node_mask.index_select(1, order);
  if (side.relations.defined()) {
    const auto moved = [&](int64_t column) {
      const at::Tensor ends = side.relations.select(2, column);
      return place.index_select(0, ends.flatten()).view(ends.sizes());
    };
    side.relations = at::stack({moved(0), moved(1), side.relations.select(2, 2)}, 2);
  }
  return side;
}

/// Node i of the result is node order[i]; relations follow, in another order.
inline GraphBatch with_nodes_moved(const GraphBatch& batch, const at::Tensor& order, const at::Tensor& place) {
  const at::Tensor& r = batch.relations;
  return {batch.features.index_select(1, order), batch.adjacency.index_select(1, order).index_select(2, order),
          batch.mask.index_select(1, order), batch.labels.index_select(1, order),
          at::stack({r[0], place.index_select(0, r[1]), place.index_select(0, r[2]), r[3]}).flip(1)};
}

/// Captions that a text encoder is fitted on: each often enough for every word to count.
inline const std::vector<std::string>& training_texts() {
  static const std::vector<std::string> texts = [] {
    const std::vector<std::string> captions = {"two white planes are parked next to a large terminal",
                                               "a river with trees on both sides",
                                               "many buildings are around a square lake",
                                               "a bridge crosses the wide river",
                                               "storage tanks near a road",
                                               "three ships in the harbor"};
    std::vector<std::string> out;
    for (int i = 0; i < 8; ++i) out.insert(out.end(), captions.begin(), captions.end());
    return out;
  }();
  return texts;
}

}  // namespace orbweaver::testing
