// Matching of an image's object graph with a caption's entity graph, as a score of the pair. Included once by the
// plugin and once by its test.
//
// An embedding of a whole graph has to say in one vector who stands where to whom, for all of an image's objects,
// before it knows what it will be asked. Here the caption asks: is there such an object, and how do two such lie to
// each other? Object-level and relation-level matching are those of SGM (Wang et al., "Cross-modal Scene Graph Matching
// for Relationship-aware Image-Text Retrieval", WACV 2020, Eq. 12-14), with two differences. There, a relation of
// either side is one vector made of its two nodes and its predicate; here it is matched end by end, so that subject and
// object are told apart as well as the nodes are. And there the best image relation counts; here all between such
// objects do: what lies between two tanks is left of one and right of the other, and "left of two tanks" must not be
// satisfied by the one.
//
//   c_ij   = cos(v_i, t_j)                                    image node i, entity j; real nodes only
//   E      = mean_j max_i c_ij                                the score of HGAC's node term
//   R      = mean over the caption's relations a -r-> b of p_a p_b sum_e w_e G(r, e), 0 where it names none
//            e runs over the image's relations x -s-> y, and one more is "no relation between them"
//   w      = softmax_e of scale (c_xa + c_yb)                    with G(r, e) = G_rs
//                      or scale max_xy (c_xa + c_yb) + none      with G(r, e) = o_r, for "no relation"
//   p_j    = sigmoid(scale (max_i c_ij - least))                 whether the entity is there at all
//   C      = mean_j of 1 - |log(1 + n_j) - (k . t_j + k0)|       n_j = sum_i sigmoid(scale (c_ij - least)), how many
//   score  = (E + count_weight C) / (1 + count_weight) + relation_weight R
//
// G, learned, is how well the relation that boxes show goes with the word in the caption ("on" with what a builder
// calls "in"). It starts as what both sides share, their vocabulary of relations: 1 for the same name, 0 for another.
// The scale starts at 10, none at -2 (so that "no relation" counts where hardly any other e fits), o at 0. So before
// any training "left of" in a caption prefers "left of" in an image, whoever stands there. Image graphs should name a
// relation from both ends ("left of" and "right of", as sog does): one end's name alone answers only captions that
// begin there.
//
// R says nothing of whether the ends are there, which is E's part: added in once more they would outweigh colours and
// numbers, of which E and C hold all that is said.
//
// p keeps a relation out of it whose ends are not there: of "planes in an airport" the airport is no object, and what G
// says of "in" should be learnt from things that are in others. `least` starts at 0.7.
//
// C is no part of SGM. A caption's "three planes" is one entity, the image's are three nodes: a best match alone cannot
// tell three from two. How many an entity stands for is read off its vector (k, k0 learned, at first one); there t_j is
// the node as its encoder made it, not of unit length, as a number is a matter of length too.
//
// Nodes should say what they are themselves: what a graph encoder adds of their neighbours blurs whose colour is whose
// (`rgcn` with `layers` 0).
//
// A pair of which either graph is empty, or was dropped in training, scores a learned number, 0 at first: the same for
// all images to a caption without entities, and for all captions to an image without objects, whose order the
// embeddings then decide alone.
#pragma once

#include <ATen/ATen.h>
#include <torch/nn/module.h>
#include <torch/nn/modules/linear.h>

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <string>
#include <vector>

#include "orbweaver/params.h"
#include "orbweaver/torch/fusion.h"
#include "orbweaver/torch/interaction.h"

namespace {
namespace graph_match {

struct Params {
  double relation_weight = 0.25, count_weight = 1;

  static void describe(orbweaver::ParamSpec<Params>& p) {
    p.field("relation_weight", &Params::relation_weight,
            "Weight of the relations, added to the score of the entities; 0: objects alone")
        .range(0, 1000)
        .tune({0.1, 0.25, 0.5, 1});
    p.field("count_weight", &Params::count_weight,
            "Weight of how many there are of each entity beside that it is there, which has 1")
        .range(0, 1000)
        .tune({0, 0.5, 1, 2});
  }
};

/// The graphs of one side's items, ready for pairs.
struct Graphs {
  at::Tensor nodes;      ///< [B, N, D], unit length
  at::Tensor real;       ///< [B, N] bool
  at::Tensor expected;   ///< [B, N] log(1 + how many a node of a caption stands for); undefined without count_weight
  at::Tensor source;     ///< [B, R] int64, below N
  at::Tensor target;     ///< [B, R]
  at::Tensor name;       ///< [B, R] relation ids
  at::Tensor connected;  ///< [B, R] bool: a relation, between two real nodes

  template <class F>
  Graphs map(F&& f) const {
    return {f(nodes), f(real),     expected.defined() ? f(expected) : expected, f(source), f(target),
            f(name),  f(connected)};
  }
  Graphs at(const at::Tensor& items) const {
    return map([&](const at::Tensor& all) { return all.index_select(0, items); });
  }
  Graphs slice(int64_t begin, int64_t end) const {
    return map([&](const at::Tensor& all) { return all.slice(0, begin, end); });
  }
};

inline Graphs graphs_of(const orbweaver::Representation& side) {
  Graphs out;
  out.nodes = orbweaver::l2_normalize(side.nodes);
  out.real = side.node_mask;
  out.source = side.relations.select(2, 0).contiguous();
  out.target = side.relations.select(2, 1).contiguous();
  out.name = side.relations.select(2, 2).contiguous();
  out.connected =
      (out.name != 0).logical_and(out.real.gather(1, out.source)).logical_and(out.real.gather(1, out.target));
  return out;
}

/// As above. Neither padding nor the order of nodes or relations changes a score, but for rounding.
///
/// Memory: a pair needs some ten numbers for each image relation and caption relation, beside its nodes' cosines; with
/// gradients on, autograd keeps them until backward.
///
/// Names in checkpoints: fit (G) [R, R], unconnected (o) [R], none, log_scale, count (k, k0), least, empty.
/// @throws InputError at construction: sides with nodes of different widths; a relation weight where graphs name no
///         relations.
class GraphMatch final : public orbweaver::Interaction {
 public:
  using Params = graph_match::Params;

  GraphMatch(const Params& params, const orbweaver::Inputs& inputs)
      : params_(params), relations_(std::max<int64_t>(inputs.relation_count, kNamed)) {
    if (inputs.image.nodes != inputs.text.nodes)
      throw orbweaver::InputError("interaction graph_match: image nodes are " + std::to_string(inputs.image.nodes) +
                                  " wide, text nodes " + std::to_string(inputs.text.nodes) +
                                  "; their cosine needs equal widths, set `width` of the two graph encoders alike");
    if (params.relation_weight > 0 && inputs.image.nodes > 0 && inputs.relation_count <= kNamed)
      throw orbweaver::InputError(
          "interaction graph_match: relation_weight is not 0, but the graphs of the training data name no relations; "
          "use graph builders that do (sog, erg), or set relation_weight to 0");
    empty_ = register_parameter("empty", at::zeros({}));
    if (params.count_weight > 0) {
      count_ = register_module("count", torch::nn::Linear(std::max<int64_t>(inputs.text.nodes, 1), 1));
      at::NoGradGuard no_grad;
      count_->weight.zero_();
      count_->bias.fill_(std::log(2.0));
    }
    if (params.relation_weight > 0 || params.count_weight > 0) {
      log_scale_ = register_parameter("log_scale", at::full({}, std::log(kScale)));
      least_ = register_parameter("least", at::full({}, kLeast));
    }
    if (params.relation_weight == 0) return;
    fit_ = register_parameter("fit", at::eye(relations_));
    none_ = register_parameter("none", at::full({}, kNone));
    unconnected_ = register_parameter("unconnected", at::zeros({relations_}));
  }

  orbweaver::Parts reads() const override { return {.nodes = true, .relations = params_.relation_weight > 0}; }

  at::Tensor score_pairs(const orbweaver::Representation& images, const orbweaver::Representation& texts,
                         const at::Tensor& pairs) override {
    const Graphs image = graphs_of(with_relations(images)), text = text_graphs(texts);
    const at::Tensor of_image = pairs.select(1, 0), of_text = pairs.select(1, 1);
    const Graphs v = image.at(of_image), t = text.at(of_text);
    return score(v.nodes.bmm(t.nodes.transpose(1, 2)), v, t);
  }

  /// Image by image, over the real nodes and relations alone, and `chunk` captions at a time: beside scores and nodes
  /// it needs memory for an image's relations times those captions' relations.
  at::Tensor score_all(const orbweaver::Representation& images, const orbweaver::Representation& texts,
                       int64_t chunk) override {
    const Graphs image = graphs_of(with_relations(images)), text = text_graphs(texts);
    const int64_t m = image.nodes.size(0), n = text.nodes.size(0), step = std::max<int64_t>(chunk, 1);
    at::Tensor scores = at::empty({m, n}, image.nodes.options().requires_grad(false));
    for (int64_t begin = 0; begin < n; begin += step) {
      const int64_t end = std::min(begin + step, n);
      const Asked asked = asked_by(text.slice(begin, end));
      for (int64_t i = 0; i < m; ++i) scores[i].slice(0, begin, end).copy_(score_image(image, i, asked));
    }
    return scores;
  }

 private:
  static constexpr int64_t kNamed = 2;  // below it are padding and unknown

  Graphs text_graphs(const orbweaver::Representation& texts) {
    Graphs out = graphs_of(with_relations(texts));
    if (params_.count_weight > 0) out.expected = count_(texts.nodes).squeeze(2);
    return out;
  }

  /// Without a relation weight nobody makes relations.
  orbweaver::Representation with_relations(orbweaver::Representation side) const {
    if (params_.relation_weight == 0)
      side.relations = at::zeros({side.nodes.size(0), 1, 3}, side.nodes.options().dtype(at::kLong));
    return side;
  }

  /// What N captions ask, without their padding.
  struct Asked {
    at::Tensor nodes;           ///< [T, D], unit length
    at::Tensor owner;           ///< [T] the caption of each
    at::Tensor entities;        ///< [N] how many of a caption's, as a float
    at::Tensor expected;        ///< [T] as in Graphs
    at::Tensor source, target;  ///< [K] of relations, below T
    at::Tensor relation_owner;  ///< [K]
    at::Tensor relations;       ///< [N] how many of a caption's, as a float
    at::Tensor fit;             ///< [R, K], how well each image relation goes with it
    at::Tensor unconnected;     ///< [K]
  };

  Asked asked_by(const Graphs& texts) const {
    const int64_t longest = texts.nodes.size(1);
    const at::Tensor real = texts.real.flatten(), kept = real.nonzero().squeeze(1);
    const auto numbers = [&](const at::Tensor& mask) { return mask.sum(1).to(texts.nodes.scalar_type()); };
    Asked out;
    out.nodes = texts.nodes.flatten(0, 1).index_select(0, kept);
    out.owner = kept.div(longest, "floor");
    out.entities = numbers(texts.real);
    out.relations = numbers(texts.connected);
    if (params_.count_weight > 0) out.expected = texts.expected.flatten().index_select(0, kept);
    if (params_.relation_weight == 0) return out;
    const at::Tensor place = real.to(at::kLong).cumsum(0) - 1;
    const at::Tensor named = texts.connected.flatten().nonzero().squeeze(1);
    out.relation_owner = named.div(texts.name.size(1), "floor");
    const auto end = [&](const at::Tensor& ends) {
      const at::Tensor node = out.relation_owner * longest + ends.flatten().index_select(0, named);
      return place.index_select(0, node);
    };
    out.source = end(texts.source);
    out.target = end(texts.target);
    const at::Tensor name = texts.name.flatten().index_select(0, named);
    out.fit = fit_.t().index_select(1, name);
    out.unconnected = unconnected_.index_select(0, name);
    return out;
  }

  /// [N] of image i; as `score`.
  at::Tensor score_image(const Graphs& images, int64_t i, const Asked& asked) const {
    const int64_t count = asked.entities.size(0);
    const at::Tensor objects = images.real[i].nonzero().squeeze(1);
    if (objects.size(0) == 0 || asked.owner.size(0) == 0)
      return empty_.to(images.nodes.scalar_type()).expand({count}).to(images.nodes.device());
    const auto mean = [&](const at::Tensor& values, const at::Tensor& owner, const at::Tensor& counts) {
      // index_put, not index_add: on a GPU it alone is repeatable in all versions.
      const c10::List<c10::optional<at::Tensor>> places({owner});
      return at::index_put(at::zeros({count}, values.options()), places, values, /*accumulate=*/true) /
             counts.clamp_min(1);
    };
    const at::Tensor cosines = images.nodes[i].matmul(asked.nodes.t());
    const at::Tensor of_objects = cosines.index_select(0, objects), best = std::get<0>(of_objects.max(0));
    at::Tensor sum = mean(best, asked.owner, asked.entities);
    if (params_.count_weight > 0) {
      const at::Tensor counted = counts_met(present(of_objects).sum(0), asked.expected);
      sum = with_counts(sum, mean(counted, asked.owner, asked.entities));
    }
    if (params_.relation_weight > 0) {
      const at::Tensor source = cosines.index_select(1, asked.source), target = cosines.index_select(1, asked.target);
      const at::Tensor shown = images.connected[i].nonzero().squeeze(1);
      const auto of = [&](const at::Tensor& all) { return all[i].index_select(0, shown); };
      const at::Tensor ends = source.index_select(0, of(images.source)) + target.index_select(0, of(images.target));
      const at::Tensor relations = met(best.index_select(0, asked.source), best.index_select(0, asked.target), ends.t(),
                                       asked.fit.index_select(0, of(images.name)).t(), asked.unconnected);
      sum = sum + params_.relation_weight * mean(relations, asked.relation_owner, asked.relations);
    }
    return at::where(asked.entities > 0, sum, empty_.to(sum.scalar_type()));
  }

  /// @param cosines  [P, N, M] of pairs of image nodes and entities; v, t: graphs of the P pairs.
  at::Tensor score(const at::Tensor& cosines, const Graphs& v, const Graphs& t) const {
    const at::Tensor empty = v.real.any(1).logical_and(t.real.any(1)).logical_not();
    // Of an empty graph any number will do that keeps infinities out of gradients.
    const at::Tensor own = cosines.masked_fill(v.real.logical_not().unsqueeze(2), kWorst);
    const at::Tensor best = std::get<0>(own.max(1));  // [P, M]
    at::Tensor sum = mean_over(best, t.real);
    if (params_.count_weight > 0) {
      const at::Tensor there = (present(own) * v.real.unsqueeze(2).to(own.scalar_type())).sum(1);
      sum = with_counts(sum, mean_over(counts_met(there, t.expected), t.real));
    }
    if (params_.relation_weight > 0)
      sum = sum + params_.relation_weight * mean_over(relation_scores(own, best, v, t), t.connected);
    return at::where(empty, empty_.to(sum.scalar_type()), sum);
  }

  /// How well each caption relation [P, R] is met.
  at::Tensor relation_scores(const at::Tensor& cosines, const at::Tensor& best, const Graphs& v,
                             const Graphs& t) const {
    const int64_t pairs = cosines.size(0), objects = cosines.size(1), asked = t.name.size(1), shown = v.name.size(1);
    const auto to_entity = [&](const at::Tensor& entity) {  // [P, N, R]: each object's cosine to that end
      return cosines.gather(2, entity.unsqueeze(1).expand({pairs, objects, asked}));
    };
    const auto at_object = [&](const at::Tensor& ends, const at::Tensor& object) {  // [P, S, R]
      return ends.gather(1, object.unsqueeze(2).expand({pairs, shown, asked}));
    };
    const at::Tensor fit = fit_.index_select(0, t.name.flatten()).view({pairs, asked, relations_});
    const at::Tensor fits = fit.gather(2, v.name.unsqueeze(1).expand({pairs, asked, shown})).transpose(1, 2);
    const at::Tensor ends = (at_object(to_entity(t.source), v.source) + at_object(to_entity(t.target), v.target))
                                .masked_fill(v.connected.logical_not().unsqueeze(2), 3 * kWorst);
    const at::Tensor subject = best.gather(1, t.source), object = best.gather(1, t.target);
    const at::Tensor unconnected = unconnected_.index_select(0, t.name.flatten()).view({pairs, asked});
    return met(subject, object, ends.transpose(1, 2), fits.transpose(1, 2), unconnected);
  }

  /// Whether an object is such an entity, between 0 and 1.
  at::Tensor present(const at::Tensor& cosines) const {
    const auto type = cosines.scalar_type();
    return (log_scale_.exp().to(type) * (cosines - least_.to(type))).sigmoid();
  }

  /// @param there  how many there are; expected: log(1 + how many there should be).
  static at::Tensor counts_met(const at::Tensor& there, const at::Tensor& expected) {
    return 1 - (there.log1p() - expected).abs();
  }

  at::Tensor with_counts(const at::Tensor& entities, const at::Tensor& counts) const {
    return (entities + params_.count_weight * counts) / (1 + params_.count_weight);
  }

  /// How well relations are met, [..].
  /// @param subject, object  [..] the best cosine of all objects to either end.
  /// @param ends, fits       [.., S] of each image relation; unconnected: [..] for no relation.
  at::Tensor met(const at::Tensor& subject, const at::Tensor& object, const at::Tensor& ends, const at::Tensor& fits,
                 const at::Tensor& unconnected) const {
    const at::Tensor scale = log_scale_.exp().to(ends.scalar_type());
    const at::Tensor none = ((subject + object) * scale + none_.to(ends.scalar_type())).unsqueeze(-1);
    const at::Tensor weights = at::cat({ends * scale, none}, -1).softmax(-1);
    const at::Tensor fit = (weights * at::cat({fits, unconnected.unsqueeze(-1)}, -1)).sum(-1);
    return present(subject) * present(object) * fit;
  }

  /// [P, K] -> [P], over those that count; 0 of none.
  static at::Tensor mean_over(const at::Tensor& values, const at::Tensor& counts) {
    const at::Tensor weight = counts.to(values.scalar_type());
    return (values * weight).sum(1) / weight.sum(1).clamp_min(1);
  }

  static constexpr double kWorst = -4;  // below every cosine
  static constexpr double kScale = 10, kNone = -2, kLeast = 0.7;

  Params params_;
  int64_t relations_;  // R, with padding and unknown
  torch::nn::Linear count_{nullptr};
  at::Tensor fit_, unconnected_, log_scale_, none_, least_, empty_;
};

}  // namespace graph_match
}  // namespace
