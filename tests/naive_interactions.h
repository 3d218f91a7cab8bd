// The interactions as they are usually written: both sides broadcast to all pairs, and every step a tensor of all
// pairs. score_all of each must agree with these to 1e-5 (the plugins' tests) and is measured against them
// (bench/bench_interactions_torch.cpp). They are for evaluation mode, and know no dropout.
#pragma once

#include <ATen/ATen.h>

#include <cmath>
#include <limits>
#include <string>

#include "orbweaver/torch/fusion.h"
#include "orbweaver/torch/representation.h"

namespace orbweaver::testing {

/// [..., D] x [..., D] -> [...]
inline at::Tensor naive_cosine(const at::Tensor& a, const at::Tensor& b) {
  return (a * b).sum(-1) / (a.norm(2, -1) * b.norm(2, -1)).clamp_min(1e-8);
}

/// AMFMN's three forms as its authors released them; vectors of both sides as wide as the embeddings.
/// @param weights  of the interaction, by name: anything with [] (Module::named_parameters()).
/// @return         [M, N]
template <class Weights>
at::Tensor naive_amfmn(const std::string& form, const Weights& weights, const Representation& images,
                       const Representation& texts) {
  const int64_t m = images.global.size(0), n = texts.global.size(0), width = images.global.size(1);
  const auto layer = [&](const at::Tensor& x, const std::string& name) {
    return at::linear(x, weights[name + ".weight"], weights[name + ".bias"]);
  };
  const auto of_image = [&](const at::Tensor& x) { return x.unsqueeze(1).expand({m, n, width}); };
  const auto of_text = [&](const at::Tensor& x) { return x.unsqueeze(0).expand({m, n, width}); };
  const at::Tensor v = of_image(images.global);
  if (form == "soft") return naive_cosine(v, of_image(layer(images.global, "gate").sigmoid()) * of_text(texts.global));
  if (form == "sim") {
    const at::Tensor text = of_text(layer(texts.global, "value"));
    return naive_cosine(v, (of_image(layer(images.global, "gate")) * text).sigmoid() * text);
  }
  const at::Tensor both = at::cat({v, of_text(texts.global)}, 2);
  return naive_cosine(v, layer(both, "gate").sigmoid() * layer(both, "value"));
}

/// CMIM by its equations, without positions: attended tokens of every pair, then their pools. Layers that see one item
/// alone run once for each item.
/// @param weights  as above.
/// @return         [M, N]
template <class Weights>
at::Tensor naive_cmim(int64_t heads, const Weights& weights, const Representation& images,
                      const Representation& texts) {
  const auto layer = [&](const at::Tensor& x, const std::string& name) {
    return at::linear(x, weights[name + ".weight"], weights[name + ".bias"]);
  };
  const auto unit = [&](const at::Tensor& global, const std::string& side) {
    return l2_normalize(weights.contains(side + ".head.out.weight") ? layer(global, side + ".head.out") : global);
  };
  const auto tokens = [&](const Representation& side, const std::string& name) {
    return at::layer_norm(side.tokens, {side.tokens.size(2)}, weights[name + ".tokens.weight"],
                          weights[name + ".tokens.bias"]);
  };
  const auto in_heads = [&](const at::Tensor& x) {  // [B, T, W] -> [B, heads, T, W / heads]
    return x.view({x.size(0), x.size(1), heads, -1}).transpose(1, 2);
  };
  const auto mask_of = [](const Representation& side) {
    return side.token_mask.defined() ? side.token_mask
                                     : at::ones({side.tokens.size(0), side.tokens.size(1)}, at::kBool);
  };
  constexpr float kHidden = std::numeric_limits<float>::lowest();
  const at::Tensor x = tokens(images, "image"), y = tokens(texts, "text");
  const at::Tensor x_hidden = mask_of(images).logical_not(), y_hidden = mask_of(texts).logical_not();
  const auto pool = [&](const at::Tensor& of_side, const std::string& name, const at::Tensor& hidden) {
    return at::linear(of_side, weights[name + ".pool.weight"])
        .transpose(1, 2)
        .masked_fill(hidden.unsqueeze(1), kHidden)
        .softmax(-1);  // [B, heads, T]
  };
  const at::Tensor query = in_heads(layer(x, "image.affinity")), key = in_heads(layer(y, "text.affinity"));
  const at::Tensor affinity =  // [M, N, heads, T, L]
      query.unsqueeze(1).matmul(key.unsqueeze(0).transpose(-2, -1)) / std::sqrt(static_cast<double>(key.size(3)));
  const at::Tensor hidden =
      x_hidden.view({x.size(0), 1, 1, x.size(1), 1}).logical_or(y_hidden.view({1, y.size(0), 1, 1, y.size(1)}));
  const at::Tensor shown = affinity.masked_fill(hidden, kHidden);
  const at::Tensor of_words = shown.softmax(-1).matmul(in_heads(layer(y, "text.value")).unsqueeze(0));
  const at::Tensor of_regions =
      shown.softmax(-2).transpose(-2, -1).matmul(in_heads(layer(x, "image.value")).unsqueeze(1));
  const at::Tensor words = (pool(x, "image", x_hidden).unsqueeze(1).unsqueeze(4) * of_words).sum(3).flatten(2);
  const at::Tensor regions = (pool(y, "text", y_hidden).unsqueeze(0).unsqueeze(4) * of_regions).sum(3).flatten(2);
  const at::Tensor v = unit(images.global, "image").unsqueeze(1) + weights["image.gate"] * layer(words, "image.merge");
  const at::Tensor t = unit(texts.global, "text").unsqueeze(0) + weights["text.gate"] * layer(regions, "text.merge");
  return naive_cosine(v, t);
}

/// graph_match by its equations: all nodes of all pairs against each other, and all relations. Graphs are not empty.
/// @param weights  as above.
/// @return         [M, N]
template <class Weights>
at::Tensor naive_graph_match(double relation_weight, double count_weight, const Weights& weights,
                             const Representation& images, const Representation& texts) {
  const int64_t m = images.nodes.size(0), n = texts.nodes.size(0), nodes = images.nodes.size(1);
  const int64_t shown = images.relations.size(1), asked = texts.relations.size(1);
  const at::Tensor scale = weights["log_scale"].exp(), least = weights["least"];
  const at::Tensor v_real = images.node_mask.view({m, 1, nodes, 1});
  const auto present = [&](const at::Tensor& cosines) { return (scale * (cosines - least)).sigmoid(); };
  const auto mean = [](const at::Tensor& values, const at::Tensor& counts) {  // [M, N, K] over [N, K]
    const at::Tensor weight = counts.unsqueeze(0).to(values.scalar_type());
    return (values * weight).sum(2) / weight.sum(2).clamp_min(1);
  };
  const auto part = [](const Representation& side, int64_t i) { return side.relations.select(2, i); };
  const auto connected = [&](const Representation& side) {
    const auto real = [&](int64_t i) { return side.node_mask.gather(1, part(side, i)); };
    return (part(side, 2) != 0).logical_and(real(0)).logical_and(real(1));
  };

  const at::Tensor cosines =  // [M, N, nodes, entities]
      l2_normalize(images.nodes).unsqueeze(1).matmul(l2_normalize(texts.nodes).unsqueeze(0).transpose(-2, -1));
  const at::Tensor best = std::get<0>(cosines.masked_fill(v_real.logical_not(), -4).max(2));  // [M, N, entities]
  const at::Tensor there = (present(cosines) * v_real).sum(2);
  const at::Tensor expected = at::linear(texts.nodes, weights["count.weight"], weights["count.bias"]).squeeze(2);
  const at::Tensor counts = 1 - (there.log1p() - expected).abs();
  const at::Tensor objects =
      (mean(best, texts.node_mask) + count_weight * mean(counts, texts.node_mask)) / (1 + count_weight);

  const auto toward = [&](int64_t end) {  // [M, N, shown, asked]
    const at::Tensor entity = part(texts, end).view({1, n, 1, asked}).expand({m, n, nodes, asked});
    const at::Tensor object = part(images, end).view({m, 1, shown, 1}).expand({m, n, shown, asked});
    return cosines.gather(3, entity).gather(2, object);
  };
  const auto best_at = [&](int64_t end) {  // [M, N, asked]
    return best.gather(2, part(texts, end).view({1, n, asked}).expand({m, n, asked}));
  };
  constexpr float kHidden = std::numeric_limits<float>::lowest();
  const at::Tensor ends =
      (scale * (toward(0) + toward(1))).masked_fill(connected(images).logical_not().view({m, 1, shown, 1}), kHidden);
  const at::Tensor none = scale * (best_at(0) + best_at(1)) + weights["none"];
  const at::Tensor share = at::cat({ends, none.unsqueeze(2)}, 2).softmax(2);
  const at::Tensor fit =  // [M, N, shown, asked]
      weights["fit"].index({part(texts, 2).view({1, n, 1, asked}), part(images, 2).view({m, 1, shown, 1})});
  const at::Tensor unconnected = weights["unconnected"].index({part(texts, 2)}).view({1, n, 1, asked});
  const at::Tensor met = (share * at::cat({fit, unconnected.expand({m, n, 1, asked})}, 2)).sum(2);
  return objects + relation_weight * mean(present(best_at(0)) * present(best_at(1)) * met, connected(texts));
}

}  // namespace orbweaver::testing
