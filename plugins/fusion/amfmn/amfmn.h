// AMFMN's visual guidance of the text (Yuan et al., "Exploring a Fine-Grained Multiscale Method for Cross-Modal Remote
// Sensing Image Retrieval", TGRS 2022): an image gates each text before the two are compared.
#pragma once

#include <ATen/ATen.h>
#include <torch/nn/modules/linear.h>

#include <algorithm>
#include <cmath>
#include <memory>
#include <string>

#include "../../shared/head.h"
#include "orbweaver/params.h"
#include "orbweaver/torch/fusion.h"
#include "orbweaver/torch/interaction.h"

namespace {

struct AmfmnParams {
  enum class Form { soft, fusion, sim };
  Form form = Form::soft;
  FitHeadParams image, text;

  static void describe(orbweaver::ParamSpec<AmfmnParams>& p) {
    p.field(
        "form", &AmfmnParams::form, {{"soft", Form::soft}, {"fusion", Form::fusion}, {"sim", Form::sim}},
        "The guided text: soft: sigmoid(W v) * t; fusion: sigmoid(W1 [v; t]) * W2 [v; t]; sim: sigmoid(W v * U t) * "
        "U t");
    p.field("image", &AmfmnParams::image, "Head that makes v of the image_encoder's `global`");
    p.field("text", &AmfmnParams::text, "Head that makes t of the text_encoder's `global`");
  }
};

/// score(image, text) = cosine(v, guided(v, t)), with the guided text of each form (linear maps have a bias, products
/// are per entry):
///
///   soft     sigmoid(W v) * t
///   fusion   sigmoid(W1 [v; t]) * (W2 [v; t])
///   sim      sigmoid((W v) * (U t)) * (U t)
///
/// v and t are the `global` vectors of both sides through heads of the interaction's own, [., embed_dim], not
/// normalised: in AMFMN v is GaLR's global branch without its L2 norm, and a gate depends on the length of v. By
/// default a head is a linear layer where the width is not embed_dim, else nothing. A v or a guided text of zeros
/// scores 0.
///
/// Everything that depends on one item alone is computed once per item; [v; t] needs no pair for that either, since
/// W1 [v; t] = W1v v + W1t t. What is left for the pairs is entrywise work on [pairs, embed_dim] (fusion, sim), or two
/// matrix products (soft), because the gate of an image is the same for all texts:
///
///   v . (gate * t) = (v * gate) . t        |gate * t|^2 = gate^2 . t^2
///
/// So score_all needs, beside scores and items, memory for some tensors of at most chunk x embed_dim. With gradients
/// on, autograd keeps three (fusion) or two (sim) numbers for each pair and entry until backward: 96 or 64 MiB for 128
/// x 128 pairs at 512 in float.
class AmfmnInteraction final : public orbweaver::Interaction {
 public:
  using Params = AmfmnParams;

  AmfmnInteraction(const Params& params, const orbweaver::Inputs& inputs)
      : form_(params.form), width_(inputs.embed_dim) {
    image_head_ = register_module(
        "image_head", scene_head("interaction amfmn", "image", params.image, orbweaver::Side::image, inputs));
    text_head_ = register_module("text_head",
                                 scene_head("interaction amfmn", "text", params.text, orbweaver::Side::text, inputs));
    switch (form_) {
      case Params::Form::soft: gate_ = register_module("gate", torch::nn::Linear(width_, width_)); break;
      case Params::Form::fusion:
        gate_ = register_module("gate", torch::nn::Linear(2 * width_, width_));
        value_ = register_module("value", torch::nn::Linear(2 * width_, width_));
        break;
      case Params::Form::sim:
        gate_ = register_module("gate", torch::nn::Linear(width_, width_));
        value_ = register_module("value", torch::nn::Linear(width_, width_));
        break;
    }
  }

  orbweaver::Parts reads() const override { return {.global = true}; }

  at::Tensor score_pairs(const orbweaver::Representation& images, const orbweaver::Representation& texts,
                         const at::Tensor& pairs) override {
    // Per item first: a training batch has more pairs than items.
    const Terms v = image_terms(images.global).rows(pairs.select(1, 0));
    const Terms t = text_terms(texts.global).rows(pairs.select(1, 1));
    return cosine(v.unit, guide(v, t));
  }

  at::Tensor score_all(const orbweaver::Representation& images, const orbweaver::Representation& texts,
                       int64_t chunk) override {
    const int64_t m = images.global.size(0), n = texts.global.size(0);
    if (m == 0 || n == 0) return images.global.new_zeros({m, n});
    const Terms v = image_terms(images.global);
    const Terms t = text_terms(texts.global);
    // Square blocks where both sides allow: matrix products of single rows take several times as long.
    const int64_t pairs = block_pairs(std::max<int64_t>(chunk, 1), v.unit.is_cpu());
    const int64_t side = static_cast<int64_t>(std::sqrt(static_cast<double>(pairs)));
    const int64_t columns = std::min(std::max(pairs / m, side), n), rows = std::min(pairs / columns, m);
    // Filled in place: small results kept between the large passing tensors would leave the heap in pieces, and have it
    // grow by gigabytes.
    at::Tensor scores = at::empty({m, n}, v.unit.options().requires_grad(false));
    for (int64_t i = 0; i < m; i += rows) {
      const Terms block = v.slice(i, std::min(i + rows, m));
      const at::Tensor band = scores.slice(0, i, std::min(i + rows, m));
      for (int64_t j = 0; j < n; j += columns) {
        const int64_t end = std::min(j + columns, n);
        band.slice(1, j, end).copy_(score_block(block, t.slice(j, end)));
      }
    }
    return scores;
  }

  /// [M, N, embed_dim]: every text as each image guides it. For tests and for looking at; scoring does not need it.
  at::Tensor guided_texts(const at::Tensor& image_global, const at::Tensor& text_global) {
    return guide(image_terms(image_global).each_row(), text_terms(text_global));
  }

 private:
  /// What pairs need of an item, a row each; undefined where a form has no such term.
  struct Terms {
    at::Tensor unit;   ///< images: v / |v|
    at::Tensor gate;   ///< images: sigmoid(W v) (soft), W1v v (fusion), W v (sim); texts: W1t t (fusion)
    at::Tensor value;  ///< images: W2v v (fusion); texts: t (soft), W2t t (fusion), U t (sim)

    template <class F>
    Terms map(F&& f) const {
      const auto each = [&](const at::Tensor& x) { return x.defined() ? f(x) : x; };
      return {each(unit), each(gate), each(value)};
    }
    Terms rows(const at::Tensor& index) const {
      return map([&](const at::Tensor& x) { return x.index_select(0, index); });
    }
    Terms slice(int64_t begin, int64_t end) const {
      return map([&](const at::Tensor& x) { return x.slice(0, begin, end); });
    }
    /// [M, D] -> [M, 1, D], which meets texts [N, D] in [M, N, D].
    Terms each_row() const {
      return map([](const at::Tensor& x) { return x.unsqueeze(1); });
    }
  };

  Terms image_terms(const at::Tensor& global) {
    const at::Tensor v = image_head_->forward(global), unit = orbweaver::l2_normalize(v);
    switch (form_) {
      case Params::Form::soft: return {unit, gate_(v).sigmoid(), {}};
      case Params::Form::sim: return {unit, gate_(v), {}};
      case Params::Form::fusion: break;
    }
    return {unit, at::linear(v, image_half(gate_), gate_->bias), at::linear(v, image_half(value_), value_->bias)};
  }

  Terms text_terms(const at::Tensor& global) {
    const at::Tensor t = text_head_->forward(global);
    switch (form_) {
      case Params::Form::soft: return {{}, {}, t};
      case Params::Form::sim: return {{}, {}, value_(t)};
      case Params::Form::fusion: break;
    }
    return {{}, at::linear(t, text_half(gate_)), at::linear(t, text_half(value_))};
  }

  at::Tensor image_half(const torch::nn::Linear& layer) const { return layer->weight.slice(1, 0, width_); }
  at::Tensor text_half(const torch::nn::Linear& layer) const { return layer->weight.slice(1, width_, 2 * width_); }

  /// Guided texts of terms that broadcast against each other.
  at::Tensor guide(const Terms& v, const Terms& t) const {
    switch (form_) {
      case Params::Form::soft: return v.gate * t.value;
      case Params::Form::sim: return (v.gate * t.value).sigmoid() * t.value;
      case Params::Form::fusion: break;
    }
    return (v.gate + t.gate).sigmoid() * (v.value + t.value);
  }

  /// Pairs in a block. Entrywise work on a CPU goes in steps of half a MiB (in float), which stay in its cache: steps
  /// of 8 MiB were measured at a sixth of the speed, with most of the time spent on getting memory from the system.
  int64_t block_pairs(int64_t chunk, bool cpu) const {
    if (form_ == Params::Form::soft || !cpu) return chunk;
    return std::clamp<int64_t>((int64_t{1} << 17) / width_, 1, chunk);
  }

  at::Tensor score_block(const Terms& v, const Terms& t) const {
    if (form_ == Params::Form::soft)
      return (v.unit * v.gate).matmul(t.value.t()) * inverse_length(v.gate.square().matmul(t.value.square().t()));
    const Terms rows = v.each_row();
    return cosine(rows.unit, guide(rows, t));
  }

  static at::Tensor cosine(const at::Tensor& unit, const at::Tensor& guided) {
    return (unit * guided).sum(-1) * inverse_length(guided.square().sum(-1));
  }

  // Clamped before the root, as the root's slope at 0 is infinite; 1e-8 is the least length of the released cosine.
  static at::Tensor inverse_length(const at::Tensor& square) { return square.clamp_min(1e-16).rsqrt(); }

  AmfmnParams::Form form_;
  int64_t width_;
  std::shared_ptr<Head> image_head_, text_head_;
  torch::nn::Linear gate_{nullptr}, value_{nullptr};
};

}  // namespace
