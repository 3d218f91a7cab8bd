// Relational graph convolutional network (Schlichtkrull, Kipf et al., "Modeling Relational Data with Graph
// Convolutional Networks", ESWC 2018) over the named, directed relations of GraVLM's object and entity graphs. Included
// once by the plugin and once by its test.
//
//   h_i' = relu( W_0 h_i + b + sum_r sum_{j in N_i^r} 1 / |N_i^r|  W_r h_j )                                  Eq. 2
//   W_r  = sum_k a_rk V_k,   k = 1 .. `bases`                                                                Eq. 3
//
// N_i^r are the nodes with an edge of relation r to node i. As in the paper every relation counts twice, once in its
// direction and once inverse, each with coefficients a of its own: an edge "house surrounded by trees" tells the trees
// what they surround and the house what surrounds it, in different words. The bases are shared by all relations and
// both directions. Edges of relation 0 (padding) or with an end in padding are no edges; relation 1 (unknown) is a
// relation like any other. The adjacency is not read.
//
// What differs from the paper:
//
// - The first h is linear(features) + label embedding, as gcn's. Both sides' encoders share the label embedding; it
//   passes a linear map where its width is not `width`.
// - The last layer has no ReLU (the paper puts a softmax there). Nodes of the two sides are compared by cosine, and
//   behind a ReLU no cosine could be negative.
//
// `readout`, over real nodes only, then a linear layer, and with `l2` unit length
//   mean       forgets how many nodes there are
//   sum        (default) keeps counts: "two planes" differs from "a plane"
//   attention  sum of sigmoid(score of the node) x node, the gated sum of Li et al. (Gated Graph Sequence Neural
//              Networks, ICLR 2016, Eq. 7), with the score learned. A softmax over the nodes would forget counts.
//
// The null node stands for an empty graph: a learned vector in place of what is read out of the nodes, so that `local`
// says "nothing here" and not zero. It stands behind the layers, since passing an isolated node through them would only
// write the same vector in another way. In training whole graphs are dropped with probability `graph_dropout`: the null
// node learns from all scenes, not only from the few that are empty, and later stages learn to do without a graph. An
// empty or dropped graph has an all-false `node_mask`: nobody downstream takes the null node for an object.
#pragma once

#include <ATen/ATen.h>
#include <torch/nn/init.h>
#include <torch/nn/modules/linear.h>

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "../../shared/node_input.h"
#include "orbweaver/params.h"
#include "orbweaver/torch/fusion.h"
#include "orbweaver/torch/graph_encoder.h"

namespace {
namespace rgcn {

enum class Readout { mean, sum, attention };

struct Params {
  int64_t layers = 2;
  int64_t width = 512;
  int64_t bases = 4;
  Readout readout = Readout::sum;
  double dropout = 0;
  double graph_dropout = 0.1;
  bool l2 = true;

  static void describe(orbweaver::ParamSpec<Params>& p) {
    p.field("layers", &Params::layers,
            "Graph convolutions; a node hears of what is so many relations away. 0: of nothing, it says what it is "
            "itself, "
            "which is what interaction graph_match compares best")
        .range(0, 16)
        .tune({0, 1, 2, 3});
    p.field("width", &Params::width, "Width of the nodes and of the graph's vector, `local`").range(1, 65536);
    p.field("bases", &Params::bases, "Matrices that the relations share; a layer's cost grows with them")
        .range(1, 256)
        .tune({2, 4, 8});
    p.field("readout", &Params::readout,
            {{"mean", Readout::mean}, {"sum", Readout::sum}, {"attention", Readout::attention}},
            "From nodes to one vector; sum and attention keep counts");
    p.field("dropout", &Params::dropout, "Share of node features dropped between layers in training").range(0, 0.95);
    p.field("graph_dropout", &Params::graph_dropout,
            "Share of whole graphs dropped in training, for the null node to learn from")
        .range(0, 0.95);
    p.field("l2", &Params::l2, "L2-normalise the graph's vector");
  }
};

/// `rows` with each value added to the row that its place names.
inline at::Tensor summed(const at::Tensor& rows, const at::Tensor& places, const at::Tensor& values) {
  // index_put, not index_add: on a GPU it alone is repeatable in all versions.
  return at::index_put(rows, c10::List<c10::optional<at::Tensor>>({places}), values, /*accumulate=*/true);
}

/// Edges as messages, each once in its direction and once inverse.
struct Messages {
  at::Tensor slots;      ///< [M] int64, (b * N + receiver) * N + sender
  at::Tensor relations;  ///< [M] int64 below 2R: the relation's id, plus R where the message runs against the edge
  at::Tensor weights;    ///< [M] 1 / (messages of that relation to that receiver); 0 for edges that do not count
};

/// @param edges  [4, E] as GraphBatch::relations; mask: [B, N] bool; options: type and device of the weights.
inline Messages messages(const at::Tensor& edges, const at::Tensor& mask, int64_t relation_count,
                         const at::TensorOptions& options) {
  const int64_t nodes = mask.size(1);
  const at::Tensor graph = edges[0], source = edges[1], target = edges[2], relation = edges[3];
  const at::Tensor real = mask.flatten();
  const at::Tensor from = graph * nodes + source, to = graph * nodes + target;
  const at::Tensor counts =
      real.index_select(0, from).logical_and(real.index_select(0, to)).logical_and(relation != 0).to(options.dtype());
  const at::Tensor receivers = at::cat({to, from}), senders = at::cat({source, target});
  Messages out;
  out.slots = receivers * nodes + senders;
  out.relations = at::cat({relation, relation + relation_count});
  const at::Tensor valid = counts.repeat({2});
  const at::Tensor group = receivers * (2 * relation_count) + out.relations;
  const at::Tensor sums = summed(at::zeros({mask.numel() * 2 * relation_count}, options), group, valid);
  out.weights = valid / sums.index_select(0, group).clamp_min(1);
  return out;
}

/// Graphs -> `nodes` [B, N, width], zero at padding, and `local` [B, width].
///
/// Neither padding nor the order of a graph's nodes or edges changes its result. Nodes of an empty graph are zeros, its
/// `local` is that of the null node. Random numbers (both dropouts) come from ATen's default generator, in training
/// mode only.
/// @throws InputError at construction: nothing to encode; ShapeError in `forward`: relations that are not [4, E].
class RgcnEncoder final : public orbweaver::GraphEncoder {
 public:
  using Params = rgcn::Params;

  RgcnEncoder(const Params& params, const orbweaver::Inputs& inputs)
      : params_(params), relations_(std::max<int64_t>(inputs.relation_count, 2)) {
    input_ = NodeInput(*this, "graph_encoder rgcn", inputs, params.width);
    const int64_t width = params_.width;
    for (int64_t i = 0; i < params_.layers; ++i) {
      const std::string name = "layer" + std::to_string(i + 1);
      Layer layer;
      layer.self = register_module(name + "_self", torch::nn::Linear(width, width));
      layer.bases = register_parameter(name + "_bases", at::empty({params_.bases, width, width}));
      layer.coefficients = register_parameter(name + "_coefficients", at::empty({2 * relations_, params_.bases}));
      for (int64_t k = 0; k < params_.bases; ++k) torch::nn::init::xavier_uniform_(layer.bases[k]);
      // Then W_r has the variance of one basis, however many there are.
      torch::nn::init::normal_(layer.coefficients, 0, 1 / std::sqrt(static_cast<double>(params_.bases)));
      layers_.push_back(layer);
    }
    if (params_.readout == Readout::attention) score_ = register_module("score", torch::nn::Linear(width, 1));
    null_node_ = register_parameter("null_node", at::empty({width}));
    torch::nn::init::normal_(null_node_, 0, 1 / std::sqrt(static_cast<double>(width)));
    out_ = register_module("out", torch::nn::Linear(width, width));
  }

  orbweaver::Widths outputs() const override { return {.nodes = params_.width, .local = params_.width}; }

  orbweaver::Representation forward(const orbweaver::GraphBatch& graphs) override {
    if (graphs.relations.dim() != 2 || graphs.relations.size(0) != 4)
      throw orbweaver::ShapeError("graph_encoder rgcn: relations must be [4, E]: graph, source, target, relation");
    const at::Tensor real = kept(graphs.mask);
    const at::Tensor mask = real.unsqueeze(-1).to(graphs.features.scalar_type());
    const Messages edges = messages(graphs.relations, real, relations_, graphs.features.options());
    at::Tensor nodes = input_.forward(graphs) * mask;
    for (size_t i = 0; i < layers_.size(); ++i) {
      if (i > 0) nodes = nodes.relu();
      if (i > 0 && params_.dropout > 0) nodes = at::dropout(nodes, params_.dropout, is_training());
      nodes = convolve(layers_[i], nodes, edges) * mask;
    }
    orbweaver::Representation result;
    result.nodes = nodes;
    result.node_mask = real;
    const at::Tensor empty = real.any(1, /*keepdim=*/true).logical_not();
    const at::Tensor local = out_(at::where(empty, null_node_.unsqueeze(0), read_out(nodes, mask)));
    result.local = params_.l2 ? orbweaver::l2_normalize(local) : local;
    return result;
  }

 private:
  struct Layer {
    torch::nn::Linear self{nullptr};
    at::Tensor bases;         // [bases, width, width], in x out
    at::Tensor coefficients;  // [2R, bases], the inverse directions in the second half
  };

  /// The mask [B, N] without the graphs that are dropped.
  at::Tensor kept(const at::Tensor& mask) const {
    if (!is_training() || params_.graph_dropout == 0) return mask;
    const at::Tensor draws = at::rand({mask.size(0), 1}, mask.options().dtype(at::kFloat));
    return mask.logical_and(draws >= params_.graph_dropout);
  }

  /// Eq. 2 before its ReLU. Nodes are few, so what each hears through each basis is summed by a small dense matrix per
  /// graph; the bases then work on sums, not on single messages.
  at::Tensor convolve(Layer& layer, const at::Tensor& nodes, const Messages& edges) {
    const int64_t graphs = nodes.size(0), count = nodes.size(1), bases = params_.bases;
    const at::Tensor values =
        at::embedding(layer.coefficients, edges.relations) * edges.weights.to(nodes.scalar_type()).unsqueeze(-1);
    const at::Tensor mixing = summed(at::zeros({graphs * count * count, bases}, nodes.options()), edges.slots, values)
                                  .view({graphs, count, count, bases});
    // [B, N, bases, N] x [B, N, width] -> [B, N, bases * width]
    const at::Tensor heard = mixing.permute({0, 1, 3, 2}).reshape({graphs, count * bases, count}).bmm(nodes);
    return layer.self(nodes) +
           heard.view({graphs, count, bases * params_.width}).matmul(layer.bases.view({-1, params_.width}));
  }

  /// @param nodes  [B, N, width], zero at padding; mask: [B, N, 1].
  at::Tensor read_out(const at::Tensor& nodes, const at::Tensor& mask) {
    if (params_.readout == Readout::attention) return (nodes * score_(nodes).sigmoid()).sum(1);
    const at::Tensor sum = nodes.sum(1);
    return params_.readout == Readout::sum ? sum : sum / mask.sum(1).clamp_min(1);
  }

  Params params_;
  int64_t relations_;  // R, with padding and unknown
  NodeInput input_;
  torch::nn::Linear score_{nullptr}, out_{nullptr};
  std::vector<Layer> layers_;
  at::Tensor null_node_;
};

}  // namespace rgcn
}  // namespace
