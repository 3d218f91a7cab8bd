// Hierarchical graph-aligned contrastive loss, HGAC, of GraVLM (IEEE TGRS 2026, DOI 10.1109/TGRS.2026.3671643).
// Included once by the plugin and once by its test.
//
//   L = global_weight * L_global + node_weight * L_node + relation_weight * L_relation
//
// L_global, in both variants, is the symmetric InfoNCE over the batch's scores at `temperature`, mean of the two
// directions. Its weight may be 0, where another loss covers the scores.
//
// `variant: "aligned"` (default) is what the paper says in words, object-entity correspondence and spatial-relation
// consistency. v are the nodes of the image graph, t those of the caption graph, cos their cosine, all over real nodes
// only: padding, empty graphs and graphs dropped in training (an all-false node_mask) enter neither cost nor loss.
//
//   L_node      symmetric InfoNCE at `temperature` over the scores
//               s(image, caption) = mean_j max_i cos(v_i, t_j)
//   L_relation  cross-entropy of a learned head r(v_a, v_b) that tells how a lies to b:
//                 r = softmax(P relu(S u_a + O u_b + c) + d),   u = sqrt(D) v / |v|
//               plus the contrast with other captions.
//
//   Pairing. A minimum-cost assignment on 1 - cos gives each entity of the caption an object of the image, or none
//   where there are fewer objects.
//
//   Examples of the cross-entropy. For each relation of an image's own caption between two paired entities a -> b, that
//   relation; for two paired entities without one in either direction, "no relation". The pair b -> a of a relation
//   a -> b is no example: how b lies to a is known, but nobody said it. Examples of a relation that occurs n times in
//   the batch weigh n^-class_balance: at 1 (default) each relation counts the same, "no relation" too, of which there
//   are many times more than of any other.
//
//   Contrast. An image is paired with its own caption and with the `relation_negatives` others that stand highest in
//   the node score: captions with the same things, told apart only by how these lie. How well a caption's relations fit
//   the image is the mean of log r over them; the loss is the cross-entropy of the own caption among the paired ones.
//   Every caption is paired in the same way, the own one too, or the way would tell them apart. Balanced classes matter
//   here as well: with r near the posterior of equally frequent relations, a caption does not win by naming frequent
//   ones. A caption without a relation between paired entities takes no part.
//
//   L_relation trains the image's nodes and the head (pairing itself has no gradient); the caption's nodes have L_node.
//
// `variant: "released"` is the authors' code, for comparison:
//
//   L_node      mean squared difference of paired nodes, not normalised, paired at least 1 - cos, mean over the batch
//   L_relation  mean squared difference of the two adjacency matrices as the graph builders made them
//
// It pads graphs to `slots` nodes and pairs padding like real nodes. As a training signal it is empty or harmful: its
// L_relation is a constant of the data, which trains nothing, and L_node is least when all nodes are one point.
//
// In both variants captions of the same image, or with the same tokens, are no negatives. The released code counts them
// as such; on a batch without them the values are the same.
#pragma once

#include <ATen/ATen.h>
#include <torch/csrc/autograd/custom_function.h>
#include <torch/nn/modules/linear.h>

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <limits>
#include <numeric>
#include <span>
#include <string>
#include <tuple>
#include <utility>
#include <vector>

#include "orbweaver/assignment.h"
#include "orbweaver/error.h"
#include "orbweaver/params.h"
#include "orbweaver/torch/fusion.h"
#include "orbweaver/torch/loss.h"

namespace {
namespace hgac {

enum class Variant { aligned, released };

struct Params {
  Variant variant = Variant::aligned;
  double temperature = 0.07;
  double global_weight = 1, node_weight = 1, relation_weight = 1;
  int64_t relation_width = 128;
  int64_t relation_negatives = 8;
  double class_balance = 1;
  int64_t slots = 20;

  static void describe(orbweaver::ParamSpec<Params>& p) {
    p.field("variant", &Params::variant, {{"aligned", Variant::aligned}, {"released", Variant::released}},
            "Contrast of nodes and relations, or the authors' squared differences of nodes and adjacencies");
    p.field("temperature", &Params::temperature, "Divides scores in the global and the node term").range(0.001, 10);
    p.field("global_weight", &Params::global_weight, "Weight of the scene term; 0 where another loss covers it")
        .range(0, 1000);
    p.field("node_weight", &Params::node_weight, "Weight of the object-entity term").range(0, 1000);
    p.field("relation_weight", &Params::relation_weight, "Weight of the relation term").range(0, 1000);
    p.field("relation_width", &Params::relation_width, "aligned: hidden width of the relation head").range(1, 65536);
    p.field("relation_negatives", &Params::relation_negatives,
            "aligned: other captions that an image's relations are contrasted with; 0: cross-entropy alone")
        .range(0, 4096);
    p.field("class_balance", &Params::class_balance,
            "aligned: a relation's examples weigh (their number)^-class_balance; 0 all examples alike, 1 all relations")
        .range(0, 1);
    p.field("slots", &Params::slots, "released: nodes that every graph is padded to").range(1, 4096);
  }
};

/// Symmetric InfoNCE. @param scores [K, K], K >= 1; negatives: [K, K] bool, false on the diagonal. @return a scalar.
inline at::Tensor info_nce(const at::Tensor& scores, const at::Tensor& negatives, double temperature) {
  const at::Tensor left_out = negatives.logical_or(at::eye(scores.size(0), negatives.options())).logical_not();
  const at::Tensor logits = (scores / temperature).masked_fill(left_out, -std::numeric_limits<double>::infinity());
  return -(logits.log_softmax(1).diagonal().mean() + logits.log_softmax(0).diagonal().mean()) / 2;
}

/// rows[places], for many short rows: index_select would add their gradient row by row.
inline at::Tensor rows_at(const at::Tensor& rows, const at::Tensor& places) {
  return at::index(rows, c10::List<c10::optional<at::Tensor>>({places}));
}

/// Without gradient and contiguous on the CPU; a copy only where it must be.
inline at::Tensor on_cpu(const at::Tensor& tensor) { return tensor.detach().cpu().contiguous(); }

inline at::Tensor ids(const std::vector<int64_t>& values, const at::Device& device) {
  return at::tensor(values, at::kLong).to(device);
}

/// The released pairing: for each image node the caption node, at least sum of 1 - cos.
///
/// @param image, text  [B, S, D].
/// @return             [B, S] int64 on the CPU, a permutation in each row.
inline at::Tensor assignment(const at::Tensor& image, const at::Tensor& text) {
  // Norms divide the small products, not the nodes: unit nodes would be two more copies of everything.
  const auto lengths = [](const at::Tensor& nodes) {
    const at::Tensor norms = nodes.detach().norm(2, -1);
    return norms.masked_fill(norms == 0, 1);
  };
  const at::Tensor cosines =
      image.detach().bmm(text.detach().transpose(1, 2)) / (lengths(image).unsqueeze(2) * lengths(text).unsqueeze(1));
  const at::Tensor costs = (1 - cosines).to(at::kFloat).cpu().contiguous();
  const int64_t batch = costs.size(0), slots = costs.size(1);
  at::Tensor out = at::empty({batch, slots}, at::kLong);
  orbweaver::Hungarian hungarian;
  for (int64_t b = 0; b < batch; ++b) {
    const auto columns = hungarian.solve(costs.data_ptr<float>() + b * slots * slots, slots, slots, slots);
    std::copy(columns.begin(), columns.end(), out.data_ptr<int64_t>() + b * slots);
  }
  return out;
}

/// Mean squared difference of rows that are paired one to one.
///
/// Why by hand: the gradient of picking rows adds row by row into zeros, and a squared difference has two gradients of
/// which one is the other's negative. Here each is one pass: whoever is paired once is picked once on the way back,
/// too.
class PairedSquares : public torch::autograd::Function<PairedSquares> {
 public:
  /// @param image, text  [B, S, D].
  /// @param partner      [B * S] int64, the row of `text` (counted through all B) for each of `image`; a permutation.
  static at::Tensor forward(torch::autograd::AutogradContext* context, const at::Tensor& image, const at::Tensor& text,
                            const at::Tensor& partner) {
    at::Tensor difference = text.flatten(0, 1).index_select(0, partner);
    at::sub_out(difference, image.flatten(0, 1), difference);
    context->save_for_backward({difference, partner});
    context->saved_data["shape"] = image.sizes().vec();
    return difference.square().mean();
  }

  static torch::autograd::variable_list backward(torch::autograd::AutogradContext* context,
                                                 torch::autograd::variable_list gradients) {
    if (at::GradMode::is_enabled())
      throw orbweaver::Error("loss hgac: a gradient of the released node term's gradient was asked for; it has none");
    const auto saved = context->get_saved_variables();
    const at::Tensor &difference = saved[0], &partner = saved[1];
    const at::Tensor of_image = difference * (gradients[0] * (2.0 / static_cast<double>(difference.numel())));
    const at::Tensor back =
        at::empty_like(partner).scatter_(0, partner, at::arange(partner.size(0), partner.options()));
    const std::vector<int64_t> shape = context->saved_data["shape"].toIntVector();
    return {of_image.view(shape), of_image.index_select(0, back).neg_().view(shape), at::Tensor()};
  }
};

/// What the relation head is asked: how image node `subject` lies to image node `object` (rows of all nodes), and the
/// answer that counts.
struct Questions {
  std::vector<int64_t> subject, object, answer;
  void add(int64_t from, int64_t to, int64_t relation) {
    subject.push_back(from);
    object.push_back(to);
    answer.push_back(relation);
  }
  size_t size() const { return answer.size(); }
};

/// Real nodes of the batch's usable pairs, those with nodes on both sides: K pairs, T entities in all captions.
struct Nodes {
  at::Tensor image;       ///< [K, N, D], unit length
  at::Tensor image_real;  ///< [K, N] bool
  at::Tensor text;        ///< [T, D], unit length, caption after caption
  at::Tensor owner;       ///< [T] int64, the caption of each entity, below K
  at::Tensor cosines;     ///< [K, N, T]
  at::Tensor negatives;   ///< [K, K] bool
};

/// A caption's relations; ends count its entities, from 0.
struct Edge {
  int64_t source, target, relation;
};

/// On the CPU: who is paired with whom, and what to ask the relation head.
class Pairing {
 public:
  /// @param edges  of each of the K captions; ends as Nodes::owner orders the entities.
  Pairing(const Nodes& nodes, std::vector<std::vector<Edge>> edges)
      : cosines_(on_cpu(nodes.cosines).to(at::kFloat)), edges_(std::move(edges)) {
    const size_t pairs = edges_.size();
    const at::Tensor real = on_cpu(nodes.image_real), owner = on_cpu(nodes.owner);
    first_.assign(pairs + 1, 0);
    for (int64_t e = 0; e < owner.numel(); ++e) ++first_[static_cast<size_t>(owner.data_ptr<int64_t>()[e]) + 1];
    std::partial_sum(first_.begin(), first_.end(), first_.begin());
    objects_.resize(pairs);
    for (size_t k = 0; k < pairs; ++k)
      for (int64_t i = 0; i < real.size(1); ++i)
        if (real.data_ptr<bool>()[static_cast<int64_t>(k) * real.size(1) + i]) objects_[k].push_back(i);
  }

  size_t pairs() const { return edges_.size(); }
  const std::vector<Edge>& edges(size_t caption) const { return edges_[caption]; }

  /// @return  for each entity of the caption its object, as a row of the image nodes [K * N], or -1.
  std::vector<int64_t> pair(size_t image, size_t caption) {
    const std::vector<int64_t>& objects = objects_[image];
    const int64_t nodes = cosines_.size(1), entities = cosines_.size(2), count = first_[caption + 1] - first_[caption];
    cost_.clear();
    for (const int64_t object : objects) {
      const float* row =
          cosines_.data_ptr<float>() + (static_cast<int64_t>(image) * nodes + object) * entities + first_[caption];
      for (int64_t e = 0; e < count; ++e) cost_.push_back(1 - row[e]);
    }
    const auto found = hungarian_.solve(cost_.data(), static_cast<int64_t>(objects.size()), count, count);
    std::vector<int64_t> out(static_cast<size_t>(count), -1);
    for (size_t o = 0; o < found.size(); ++o)
      if (found[o] >= 0) out[static_cast<size_t>(found[o])] = static_cast<int64_t>(image) * nodes + objects[o];
    return out;
  }

  /// The caption's relations between entities that have an object.
  void ask_relations(size_t caption, const std::vector<int64_t>& objects, Questions& questions) const {
    for (const Edge& edge : edges_[caption]) {
      const int64_t from = objects[static_cast<size_t>(edge.source)], to = objects[static_cast<size_t>(edge.target)];
      if (from >= 0 && to >= 0) questions.add(from, to, edge.relation);
    }
  }

  /// Paired entities without a relation in either direction; the answer is 0.
  void ask_unrelated(size_t caption, const std::vector<int64_t>& objects, Questions& questions) const {
    const size_t count = objects.size();
    std::vector<char> related(count * count, 0);
    for (const Edge& edge : edges_[caption]) {
      related[static_cast<size_t>(edge.source) * count + static_cast<size_t>(edge.target)] = 1;
      related[static_cast<size_t>(edge.target) * count + static_cast<size_t>(edge.source)] = 1;
    }
    for (size_t a = 0; a < count; ++a)
      for (size_t b = 0; b < count; ++b)
        if (a != b && objects[a] >= 0 && objects[b] >= 0 && !related[a * count + b])
          questions.add(objects[a], objects[b], 0);
  }

 private:
  at::Tensor cosines_;  // [K, N, T] float
  std::vector<std::vector<Edge>> edges_;
  std::vector<int64_t> first_;                 // of each caption's entities, with an end
  std::vector<std::vector<int64_t>> objects_;  // real nodes of each image
  std::vector<float> cost_;
  orbweaver::Hungarian hungarian_;
};

/// What the contrast asks: place p of row a is how well candidate p's relations fit the image of row a; place 0 is the
/// own caption.
struct Contrast {
  Questions questions;
  std::vector<int64_t> place;  ///< of each question, row * width + candidate
  int64_t rows = 0, width = 0;
};

/// Both variants.
///
/// Neither padding nor the order of nodes or relations changes the result. Terms to which no graph of the batch
/// contributes are 0.
/// @throws InputError at construction: all weights 0; sides with nodes of different widths; aligned: a relation weight
///         where graphs name no relations. In `forward`: released: a graph with more than `slots` nodes.
class HgacLoss final : public orbweaver::Loss {
 public:
  using Params = hgac::Params;

  HgacLoss(const Params& params, const orbweaver::Inputs& inputs) : params_(params) {
    if (params_.global_weight == 0 && params_.node_weight == 0 && params_.relation_weight == 0)
      throw orbweaver::InputError("loss hgac: all its weights are 0; give one a value, or remove the loss");
    if (!reads_nodes()) return;
    if (inputs.image.nodes != inputs.text.nodes)
      throw orbweaver::InputError("loss hgac: image nodes are " + std::to_string(inputs.image.nodes) +
                                  " wide, text nodes " + std::to_string(inputs.text.nodes) +
                                  "; their cosine needs equal widths, set `width` of the two graph encoders alike");
    if (params_.variant == Variant::aligned && params_.relation_weight > 0) make_head(inputs);
  }

  orbweaver::Parts reads() const override { return {.nodes = reads_nodes()}; }

  orbweaver::LossOutput forward(const orbweaver::LossInput& batch) override {
    if (batch.scores.dim() != 2 || batch.scores.size(0) != batch.scores.size(1))
      throw orbweaver::ShapeError("loss hgac: scores must be a square matrix, row image, column caption");
    orbweaver::LossOutput out;
    const auto add = [&](const char* name, double weight, const at::Tensor& term) {
      out.total = out.total.defined() ? out.total + weight * term : weight * term;
      out.parts.emplace_back(name, term);
    };
    if (params_.global_weight > 0)
      add("global", params_.global_weight, info_nce(batch.scores, batch.negatives, params_.temperature));
    if (!reads_nodes()) return out;
    if (params_.variant == Variant::released) {
      if (params_.node_weight > 0) add("node", params_.node_weight, released_nodes(batch));
      if (params_.relation_weight > 0) add("relation", params_.relation_weight, released_adjacency(batch));
      return out;
    }
    // No pair may have graphs: the terms are zeros then, but zeros with a gradient.
    const at::Tensor zero = (batch.image.nodes.sum() + batch.text.nodes.sum()) * 0;
    const at::Tensor usable =
        batch.image.node_mask.any(1).logical_and(batch.text.node_mask.any(1)).nonzero().squeeze(1);
    const bool any = usable.size(0) > 0;
    Nodes nodes;
    at::Tensor scores;
    if (any) {
      nodes = usable_nodes(batch, usable);
      scores = node_scores(nodes);
    }
    if (params_.node_weight > 0)
      add("node", params_.node_weight, any ? info_nce(scores, nodes.negatives, params_.temperature) : zero);
    if (params_.relation_weight == 0) return out;
    auto [relation, contrast] = any ? relation_terms(batch, usable, nodes, scores, zero) : std::pair(zero, zero);
    add("relation", params_.relation_weight, relation);
    if (params_.relation_negatives > 0) add("contrast", params_.relation_weight, contrast);
    return out;
  }

 private:
  bool reads_nodes() const { return params_.node_weight > 0 || params_.relation_weight > 0; }

  void make_head(const orbweaver::Inputs& inputs) {
    const int64_t width = inputs.image.nodes, hidden = params_.relation_width;
    if (width == 0) return;  // the runtime refuses a model whose nodes nobody makes, naming what is missing
    if (inputs.relation_count <= kNamed)
      throw orbweaver::InputError(
          "loss hgac: relation_weight is not 0, but the graphs of the training data name no relations; use graph "
          "builders that do (sog, erg), or set relation_weight to 0");
    subject_ = register_module("subject", torch::nn::Linear(width, hidden));
    object_ = register_module("object", torch::nn::Linear(torch::nn::LinearOptions(width, hidden).bias(false)));
    predicate_ = register_module("predicate", torch::nn::Linear(hidden, inputs.relation_count));
  }

  // --- released -----------------------------------------------------------------------------------------------------

  /// [B, slots, ...]: the first `dims` dimensions behind B padded with zeros, or cut where only padding is lost.
  at::Tensor in_slots(const at::Tensor& tensor, const at::Tensor& mask, int64_t dims) const {
    const int64_t given = tensor.size(1), slots = params_.slots;
    if (given > slots && mask.narrow(1, slots, given - slots).any().item<bool>())
      throw orbweaver::InputError("loss hgac: a graph has more than " + std::to_string(slots) +
                                  " nodes, which is what `slots` of the variant released says; set max_nodes of the "
                                  "graph builders to that, or raise `slots`");
    const int64_t more = slots - given;  // constant_pad_nd crops where it is negative
    if (more == 0) return tensor;        // which it would copy
    return dims == 2 ? at::constant_pad_nd(tensor, {0, more, 0, more}) : at::constant_pad_nd(tensor, {0, 0, 0, more});
  }

  at::Tensor released_nodes(const orbweaver::LossInput& batch) const {
    const at::Tensor image = in_slots(batch.image.nodes, batch.image.node_mask, 1);
    const at::Tensor text = in_slots(batch.text.nodes, batch.text.node_mask, 1);
    const at::Tensor first = at::arange(image.size(0), at::kLong).unsqueeze(1) * params_.slots;  // row of each graph
    return PairedSquares::apply(image, text, (first + assignment(image, text)).flatten().to(text.device()));
  }

  at::Tensor released_adjacency(const orbweaver::LossInput& batch) const {
    return at::mse_loss(in_slots(batch.image_graphs.adjacency, batch.image_graphs.mask, 2),
                        in_slots(batch.text_graphs.adjacency, batch.text_graphs.mask, 2));
  }

  // --- aligned ------------------------------------------------------------------------------------------------------

  static Nodes usable_nodes(const orbweaver::LossInput& batch, const at::Tensor& usable) {
    Nodes nodes;
    const at::Tensor text_real = batch.text.node_mask.index_select(0, usable);
    const at::Tensor entities = text_real.nonzero();  // [T, 2], caption after caption
    nodes.owner = entities.select(1, 0);
    const at::Tensor rows = usable.index_select(0, nodes.owner) * batch.text.nodes.size(1) + entities.select(1, 1);
    nodes.text = orbweaver::l2_normalize(batch.text.nodes.flatten(0, 1).index_select(0, rows));
    nodes.image = orbweaver::l2_normalize(batch.image.nodes.index_select(0, usable));
    nodes.image_real = batch.image.node_mask.index_select(0, usable);
    nodes.cosines = nodes.image.flatten(0, 1)
                        .matmul(nodes.text.t())
                        .view({nodes.image.size(0), nodes.image.size(1), nodes.text.size(0)});
    nodes.negatives = batch.negatives.index_select(0, usable).index_select(1, usable);
    return nodes;
  }

  /// [K, K], row image, column caption.
  static at::Tensor node_scores(const Nodes& nodes) {
    const at::Tensor padding = nodes.image_real.logical_not().unsqueeze(-1);
    const at::Tensor best = std::get<0>(nodes.cosines.masked_fill(padding, -2).max(1));  // below every cosine
    const at::Tensor member = at::one_hot(nodes.owner, nodes.image.size(0)).to(best.scalar_type());
    return best.matmul(member / member.sum(0));
  }

  /// Relations of the usable captions between real nodes, ends counted among the real ones.
  static std::vector<std::vector<Edge>> edges_of(const orbweaver::LossInput& batch, const at::Tensor& usable) {
    const at::Tensor chosen = on_cpu(usable), mask = on_cpu(batch.text.node_mask);
    const at::Tensor relations = on_cpu(batch.text_graphs.relations);
    const int64_t nodes = mask.size(1), count = relations.size(1);
    std::vector<int64_t> pair_of(static_cast<size_t>(mask.size(0)), -1);
    for (int64_t k = 0; k < chosen.numel(); ++k) pair_of[static_cast<size_t>(chosen.data_ptr<int64_t>()[k])] = k;
    std::vector<int64_t> entity(static_cast<size_t>(mask.numel()), -1);
    for (int64_t b = 0; b < mask.size(0); ++b) {
      int64_t next = 0;
      for (int64_t n = 0; n < nodes; ++n)
        if (mask.data_ptr<bool>()[b * nodes + n]) entity[static_cast<size_t>(b * nodes + n)] = next++;
    }
    std::vector<std::vector<Edge>> out(static_cast<size_t>(chosen.numel()));
    const int64_t* entries = relations.data_ptr<int64_t>();
    for (int64_t e = 0; e < count; ++e) {
      const int64_t b = entries[e], relation = entries[3 * count + e], pair = pair_of[static_cast<size_t>(b)];
      if (pair < 0 || relation == 0) continue;
      const int64_t source = entity[static_cast<size_t>(b * nodes + entries[count + e])];
      const int64_t target = entity[static_cast<size_t>(b * nodes + entries[2 * count + e])];
      if (source >= 0 && target >= 0 && source != target)
        out[static_cast<size_t>(pair)].push_back({source, target, relation});
    }
    return out;
  }

  /// Cross-entropy and contrast.
  std::pair<at::Tensor, at::Tensor> relation_terms(const orbweaver::LossInput& batch, const at::Tensor& usable,
                                                   const Nodes& nodes, const at::Tensor& scores,
                                                   const at::Tensor& zero) {
    Pairing pairing(nodes, edges_of(batch, usable));
    Questions own;
    for (size_t k = 0; k < pairing.pairs(); ++k) {
      const auto objects = pairing.pair(k, k);
      pairing.ask_relations(k, objects, own);
      pairing.ask_unrelated(k, objects, own);
    }
    const Contrast contrast = contrast_of(pairing, nodes, scores);
    Questions all = own;
    const auto append = [](std::vector<int64_t>& to, const std::vector<int64_t>& more) {
      to.insert(to.end(), more.begin(), more.end());
    };
    append(all.subject, contrast.questions.subject);
    append(all.object, contrast.questions.object);
    append(all.answer, contrast.questions.answer);
    if (all.size() == 0) return {zero, zero};

    const at::Tensor answers = log_probabilities(nodes, all);
    const int64_t first = static_cast<int64_t>(own.size());
    return {first > 0 ? cross_entropy(answers.narrow(0, 0, first), own) : zero,
            contrast.rows > 0 ? contrast_loss(answers.narrow(0, first, answers.size(0) - first), contrast) : zero};
  }

  /// [questions], log of the probability that the head gives to the answer.
  at::Tensor log_probabilities(const Nodes& nodes, const Questions& questions) {
    const at::Device device = nodes.image.device();
    // Unit length would leave entries of 1 / sqrt(D), which a linear layer as initialised hardly hears.
    const at::Tensor unit = nodes.image.flatten(0, 1) * std::sqrt(static_cast<double>(nodes.image.size(2)));
    const at::Tensor hidden = (rows_at(subject_(unit), ids(questions.subject, device)) +
                               rows_at(object_(unit), ids(questions.object, device)))
                                  .relu();
    return predicate_(hidden).log_softmax(1).gather(1, ids(questions.answer, device).unsqueeze(1)).squeeze(1);
  }

  at::Tensor cross_entropy(const at::Tensor& log_probabilities, const Questions& questions) const {
    std::vector<double> count(static_cast<size_t>(predicate_->options.out_features()), 0), weights;
    for (const int64_t answer : questions.answer) ++count[static_cast<size_t>(answer)];
    for (const int64_t answer : questions.answer)
      weights.push_back(std::pow(count[static_cast<size_t>(answer)], -params_.class_balance));
    const double sum = std::accumulate(weights.begin(), weights.end(), 0.0);
    const at::Tensor weight = at::tensor(weights, at::kDouble).to(log_probabilities.options());
    return -(log_probabilities * weight).sum() / sum;
  }

  Contrast contrast_of(Pairing& pairing, const Nodes& nodes, const at::Tensor& node_scores) const {
    Contrast out;
    const size_t pairs = pairing.pairs();
    const size_t others = std::min(static_cast<size_t>(params_.relation_negatives), pairs - 1);
    out.width = 1 + static_cast<int64_t>(others);
    if (others == 0) return out;
    const at::Tensor scores = on_cpu(node_scores).to(at::kDouble), negatives = on_cpu(nodes.negatives);
    std::vector<size_t> candidates;
    for (size_t image = 0; image < pairs; ++image) {
      if (pairing.edges(image).empty()) continue;
      const double* score = scores.data_ptr<double>() + image * pairs;
      const bool* negative = negatives.data_ptr<bool>() + image * pairs;
      candidates.clear();
      for (size_t c = 0; c < pairs; ++c)
        if (negative[c] && !pairing.edges(c).empty()) candidates.push_back(c);
      const size_t taken = std::min(others, candidates.size());
      std::partial_sort(candidates.begin(), candidates.begin() + static_cast<std::ptrdiff_t>(taken), candidates.end(),
                        [&](size_t a, size_t b) { return std::tie(score[b], a) < std::tie(score[a], b); });
      candidates.resize(taken);
      candidates.insert(candidates.begin(), image);
      add_row(pairing, image, candidates, out);
    }
    return out;
  }

  /// A row for the image, unless its own caption or all others have nothing to ask.
  static void add_row(Pairing& pairing, size_t image, std::span<const size_t> candidates, Contrast& out) {
    const size_t before = out.questions.size();
    size_t scored = 0;
    for (size_t p = 0; p < candidates.size() && (p == 0 || scored > 0); ++p) {
      const size_t asked = out.questions.size();
      pairing.ask_relations(candidates[p], pairing.pair(image, candidates[p]), out.questions);
      if (out.questions.size() > asked) ++scored;
      out.place.resize(out.questions.size(), out.rows * out.width + static_cast<int64_t>(p));
    }
    if (scored > 1) {
      ++out.rows;
      return;
    }
    out.questions.subject.resize(before);
    out.questions.object.resize(before);
    out.questions.answer.resize(before);
    out.place.resize(before);
  }

  static at::Tensor contrast_loss(const at::Tensor& log_probabilities, const Contrast& contrast) {
    const at::Tensor places = ids(contrast.place, log_probabilities.device());
    const auto sum_by_place = [&](const at::Tensor& values) {
      return at::index_put(at::zeros({contrast.rows * contrast.width}, log_probabilities.options()),
                           c10::List<c10::optional<at::Tensor>>({places}), values, /*accumulate=*/true);
    };
    const at::Tensor counts = sum_by_place(at::ones_like(log_probabilities));
    const at::Tensor fits = (sum_by_place(log_probabilities) / counts.clamp_min(1))
                                .masked_fill(counts == 0, -std::numeric_limits<double>::infinity());
    return -fits.view({contrast.rows, contrast.width}).log_softmax(1).select(1, 0).mean();
  }

  /// Ids of the relation vocabulary below the first name: padding, which stands for "no relation" here, and unknown.
  static constexpr int64_t kNamed = 2;

  Params params_;
  torch::nn::Linear subject_{nullptr}, object_{nullptr}, predicate_{nullptr};
};

}  // namespace hgac
}  // namespace
