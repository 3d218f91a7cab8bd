// Graph convolutional network (Kipf and Welling, ICLR 2017) as GaLR uses it on its objects (Yuan et al., IEEE TGRS
// 2022, Eq. 11). Included once by the plugin and once by its test.
//
//   H' = relu(P H W + b),   P = D^-1/2 (A + I) D^-1/2,   D the row sums of A + I                            Eq. 11
//
// `variant: "paper"` (default). The first H is linear(features) + label embedding: the paper names position, area,
// probability and category as what a node holds and leaves the rest open. Both sides' encoders share the label
// embedding; it passes a linear map where its width is not the first layer's. Layers have a bias and keep ReLU to the
// last. Real nodes are then read out to one vector, which a linear layer brings to `width` and, with `l2`, to unit
// length, as GaLR's global level is.
//
// `variant: "released"` is the authors' code: three layers relu(A X W) on the bare features, without bias, label
// embedding, self-loops or normalisation, 20 -> 20 -> 10 -> 20 wide; 20 nodes flattened, 400 -> 512, L2. Its features
// must be 20 wide.
//
// `normalize`
//   symmetric  Eq. 11. Negative entries count as 0: Eq. 12 is negative beyond its unit, and the square root of a
//              negative degree is NaN.
//   row        P = D^-1 (D_A^-1 A + I): rows of A are brought to sum 1 before the self-loops, so that a node's
//              neighbours together weigh as much as itself, however small the adjacency's unit makes them. An isolated
//              node keeps its own features.
//   none       P = A, as the builder made it.
//
// `readout`, over real nodes only
//   mean, sum
//   attention  weighted mean, weights a softmax over a learned score of each node
//   flatten    node after node into one long row, `nodes` of them, zeros for absent ones. This alone depends on the
//              order of the nodes: a builder that uses it should emit a canonical order, as drea does (largest first).
#pragma once

#include <ATen/ATen.h>
#include <torch/nn/modules/linear.h>

#include <cstdint>
#include <limits>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "../../shared/node_input.h"
#include "orbweaver/params.h"
#include "orbweaver/torch/fusion.h"
#include "orbweaver/torch/graph_encoder.h"

namespace {
namespace gcn {

enum class Variant { paper, released };
enum class Normalize { by_variant, symmetric, row, none };
enum class Readout { by_variant, mean, sum, attention, flatten };

/// Features that the released form takes, and nodes that it flattens.
constexpr int64_t kReleasedWidth = 20;

struct Params {
  Variant variant = Variant::paper;
  std::optional<std::vector<int64_t>> widths;
  int64_t width = 512;
  Normalize normalize = Normalize::by_variant;
  Readout readout = Readout::by_variant;
  int64_t nodes = kReleasedWidth;
  double dropout = 0;
  bool l2 = true;

  static void describe(orbweaver::ParamSpec<Params>& p) {
    p.field("variant", &Params::variant, {{"paper", Variant::paper}, {"released", Variant::released}},
            "Features and label embedding through normalised layers, or the authors' relu(A X W) on 20 bare features");
    p.field("widths", &Params::widths, "Output width of each layer; null: paper [512, 512, 512], released [20, 10, 20]")
        .min_items(1)
        .range(1, 65536);
    p.field("width", &Params::width, "Width of the graph's vector, `local`").range(1, 65536);
    p.field("normalize", &Params::normalize,
            {{"auto", Normalize::by_variant},
             {"symmetric", Normalize::symmetric},
             {"row", Normalize::row},
             {"none", Normalize::none}},
            "How the adjacency is normalised; auto: paper symmetric, released none");
    p.field("readout", &Params::readout,
            {{"auto", Readout::by_variant},
             {"mean", Readout::mean},
             {"sum", Readout::sum},
             {"attention", Readout::attention},
             {"flatten", Readout::flatten}},
            "From nodes to one vector; auto: paper mean, released flatten");
    p.field("nodes", &Params::nodes, "Nodes that readout flatten takes; no graph may have more").range(1, 4096);
    p.field("dropout", &Params::dropout, "Share of node features dropped between layers in training").range(0, 0.95);
    p.field("l2", &Params::l2, "L2-normalise the graph's vector");
  }
};

/// `params` with everything that was left to the variant decided.
inline Params resolved(Params params) {
  const bool paper = params.variant == Variant::paper;
  if (!params.widths) params.widths = paper ? std::vector<int64_t>{512, 512, 512} : std::vector<int64_t>{20, 10, 20};
  if (params.normalize == Normalize::by_variant) params.normalize = paper ? Normalize::symmetric : Normalize::none;
  if (params.readout == Readout::by_variant) params.readout = paper ? Readout::mean : Readout::flatten;
  return params;
}

/// P of the layers.
///
/// @param adjacency  [B, N, N], as the builder made it.
/// @param mask       [B, N, 1], 1 at real nodes and 0 at padding, of the adjacency's type.
/// @return           [B, N, N]; no entry joins a real node with padding.
inline at::Tensor propagation(const at::Tensor& adjacency, const at::Tensor& mask, Normalize normalize) {
  at::Tensor real = adjacency * mask * mask.transpose(1, 2);
  if (normalize == Normalize::none) return real;
  at::Tensor weights = real.clamp_min(0);
  // clamp_min, not an added epsilon: it touches only rows without any weight, which stay zero.
  if (normalize == Normalize::row)
    weights = weights / weights.sum(-1, /*keepdim=*/true).clamp_min(std::numeric_limits<float>::min());
  weights = weights + at::eye(weights.size(-1), weights.options());
  const at::Tensor degrees = weights.sum(-1, /*keepdim=*/true);  // at least 1
  if (normalize == Normalize::row) return weights / degrees;
  const at::Tensor scale = degrees.rsqrt();
  return scale * weights * scale.transpose(1, 2);
}

/// Graphs -> `nodes` [B, N, last of widths], zero at padding, and `local` [B, width].
///
/// A graph without nodes has a `local` of zeros and sends no gradient. Neither padding nor (but for readout flatten)
/// the order of a graph's nodes changes its result.
/// @throws InputError at construction: empty widths, features that are not 20 wide in the released variant, nothing to
///         encode; in `forward`: a graph with more nodes than readout flatten takes.
class GcnEncoder final : public orbweaver::GraphEncoder {
 public:
  using Params = gcn::Params;

  GcnEncoder(const Params& params, const orbweaver::Inputs& inputs) : params_(resolved(params)) {
    if (params_.widths->empty())
      throw orbweaver::InputError("graph_encoder gcn: widths is empty, expected one width per layer, as [512, 512]");
    make_input(inputs);
    int64_t width = params_.variant == Variant::paper ? params_.widths->front() : inputs.node_features();
    for (const int64_t next : *params_.widths) {
      auto options = torch::nn::LinearOptions(width, next).bias(params_.variant == Variant::paper);
      layers_.push_back(register_module("fc" + std::to_string(layers_.size() + 1), torch::nn::Linear(options)));
      width = next;
    }
    if (params_.readout == Readout::attention) score_ = register_module("score", torch::nn::Linear(width, 1));
    const int64_t read = params_.readout == Readout::flatten ? params_.nodes * width : width;
    out_ = register_module("out", torch::nn::Linear(read, params_.width));
  }

  orbweaver::Widths outputs() const override { return {.nodes = params_.widths->back(), .local = params_.width}; }

  orbweaver::Representation forward(const orbweaver::GraphBatch& graphs) override {
    const at::Tensor mask = graphs.mask.unsqueeze(-1).to(graphs.features.scalar_type());
    const at::Tensor neighbours = propagation(graphs.adjacency, mask, params_.normalize);
    at::Tensor nodes = input(graphs) * mask;
    for (size_t i = 0; i < layers_.size(); ++i) {
      if (i > 0 && params_.dropout > 0) nodes = at::dropout(nodes, params_.dropout, is_training());
      nodes = layers_[i](neighbours.matmul(nodes)).relu() * mask;
    }
    orbweaver::Representation result;
    result.nodes = nodes;
    result.node_mask = graphs.mask;
    const at::Tensor local = out_(read_out(nodes, graphs.mask, mask));
    // Without nodes only the bias would speak, the same for every such graph.
    result.local = (params_.l2 ? orbweaver::l2_normalize(local) : local) * mask.amax(1);
    return result;
  }

 private:
  void make_input(const orbweaver::Inputs& inputs) {
    const int64_t features = inputs.node_features();
    if (params_.variant == Variant::released) {
      if (features != kReleasedWidth)
        throw orbweaver::InputError("graph_encoder gcn: variant released takes node features of width " +
                                    std::to_string(kReleasedWidth) + ", and the graph builder makes " +
                                    std::to_string(features) +
                                    "; let it add attributes up to that width, or use variant paper");
      return;
    }
    input_ = NodeInput(*this, "graph_encoder gcn", inputs, params_.widths->front());
  }

  /// [B, N, width of the first layer's input]
  at::Tensor input(const orbweaver::GraphBatch& graphs) {
    if (params_.variant == Variant::released) return graphs.features;
    return input_.forward(graphs);
  }

  /// @param nodes  [B, N, D], zero at padding; real: the graphs' mask [B, N], mask: the same as numbers [B, N, 1].
  at::Tensor read_out(const at::Tensor& nodes, const at::Tensor& real, const at::Tensor& mask) {
    switch (params_.readout) {
      case Readout::flatten: return flatten(nodes, real);
      case Readout::sum: return nodes.sum(1);
      case Readout::attention: return (nodes * attention(nodes, real, mask)).sum(1);
      default: return nodes.sum(1) / mask.sum(1).clamp_min(1);
    }
  }

  at::Tensor attention(const at::Tensor& nodes, const at::Tensor& real, const at::Tensor& mask) {
    // The lowest number instead of -infinity: a graph without nodes would be a softmax over nothing, NaN.
    const at::Tensor scores =
        score_(nodes).masked_fill(real.unsqueeze(-1).logical_not(), std::numeric_limits<float>::lowest());
    return scores.softmax(1) * mask;
  }

  at::Tensor flatten(const at::Tensor& nodes, const at::Tensor& real) const {
    const int64_t given = nodes.size(1);
    if (given > params_.nodes && real.narrow(1, params_.nodes, given - params_.nodes).any().item<bool>())
      throw orbweaver::InputError(
          "graph_encoder gcn: a graph has " + std::to_string(real.sum(1).max().item<int64_t>()) +
          " nodes, readout flatten takes " + std::to_string(params_.nodes) +
          "; set max_nodes of the graph builder to that, or raise `nodes` of the graph_encoder");
    // constant_pad_nd crops where the padding is negative.
    return at::constant_pad_nd(nodes, {0, 0, 0, params_.nodes - given}).flatten(1);
  }

  Params params_;
  NodeInput input_;  // unused in the released variant
  torch::nn::Linear score_{nullptr}, out_{nullptr};
  std::vector<torch::nn::Linear> layers_;
};

}  // namespace gcn
}  // namespace
