// Multi-level information dynamic fusion of scene and object level (Yuan et al., GaLR, TGRS 2022, Eq. 19-24).
#pragma once

#include <ATen/ATen.h>
#include <torch/nn/modules/linear.h>

#include <memory>
#include <string>

#include "../../shared/levels.h"
#include "attention.h"
#include "orbweaver/params.h"
#include "orbweaver/torch/fusion.h"

namespace {

struct MidfParams : LevelParams {
  enum class Variant { paper, released };
  Variant variant = Variant::paper;
  int64_t heads = 8, feed_forward = 1024, gate_hidden = 512;
  double dropout = 0.1;

  MidfParams() { sides = Sides::image; }

  static void describe(orbweaver::ParamSpec<MidfParams>& p) {
    p.field("variant", &MidfParams::variant, {{"paper", Variant::paper}, {"released", Variant::released}},
            "paper: Eq. 19-24; released: the guided object level guides the scene level, and gamma_1 weighs both");
    p.field("heads", &MidfParams::heads, "Attention heads; must divide embed_dim").range(1, 512);
    p.field("feed_forward", &MidfParams::feed_forward, "Width between the two layers of a block").range(1, 65536);
    p.field("gate_hidden", &MidfParams::gate_hidden, "Width of W_a, between the levels' sum and their weights gamma")
        .range(1, 65536);
    p.field(
         "dropout", &MidfParams::dropout,
         "Share dropped in training: of attention weights, hidden units, blocks' outputs and the gate's hidden units")
        .range(0, 0.95);
    describe_levels(p);
  }
};

/// Scene and object level, each [B, width], to one vector [B, width], not normalised.
///
///   g, l   = SA(scene), SA(objects)                   self-attention on each level
///   v_l    = SGA(l, guided by g)
///   v_g    = SGA(g, guided by l)                      released: guided by v_l
///   v'_g   = v_g * sigmoid(v_l),  v'_l = v_l + v_g
///   gamma  = softmax(W_b sigmoid(W_a (v'_g + v'_l)))  [B, 2]
///   v      = gamma_1 v'_g + gamma_2 v'_l              released: gamma_1 v'_g + gamma_1 v'_l
///
/// A level is a sequence of one token, so every softmax of an attention runs over one score and is 1 whatever that
/// score is. Queries and keys therefore change nothing, and their weights' gradients are exactly zero: each attention
/// amounts to merge(value(source)), and of the 6 x 4 square matrices 12 are never trained. They are kept, and computed,
/// because paper and release have them.
class Midf final : public torch::nn::Module {
 public:
  /// `params.heads` must divide `width`.
  Midf(const MidfParams& params, int64_t width) : params_(params) {
    const BlockSizes sizes{width, params.heads, params.feed_forward, params.dropout};
    global_self_ = register_module("global_self", std::make_shared<SelfAttention>(sizes));
    local_self_ = register_module("local_self", std::make_shared<SelfAttention>(sizes));
    global_guided_ = register_module("global_guided", std::make_shared<GuidedAttention>(sizes));
    local_guided_ = register_module("local_guided", std::make_shared<GuidedAttention>(sizes));
    gate_hidden_ = register_module("gate_hidden", torch::nn::Linear(width, params.gate_hidden));
    gate_out_ = register_module("gate_out", torch::nn::Linear(params.gate_hidden, 2));
  }

  at::Tensor forward(const at::Tensor& scene, const at::Tensor& objects) {
    const bool released = params_.variant == MidfParams::Variant::released;
    const at::Tensor g = global_self_->forward(scene.unsqueeze(1)), l = local_self_->forward(objects.unsqueeze(1));
    const at::Tensor guided_l = local_guided_->forward(l, g).squeeze(1);
    const at::Tensor guide = released ? guided_l.unsqueeze(1) : l;
    const at::Tensor guided_g = global_guided_->forward(g, guide).squeeze(1);

    const at::Tensor mixed_g = guided_g * guided_l.sigmoid(), mixed_l = guided_l + guided_g;
    const at::Tensor gamma = gate(mixed_g + mixed_l);
    return gamma.narrow(1, 0, 1) * mixed_g + gamma.narrow(1, released ? 0 : 1, 1) * mixed_l;
  }

 private:
  at::Tensor gate(const at::Tensor& sum) {
    const at::Tensor hidden = at::dropout(gate_hidden_(sum).sigmoid(), params_.dropout, is_training());
    return gate_out_(hidden).softmax(-1);
  }

  MidfParams params_;
  std::shared_ptr<SelfAttention> global_self_, local_self_;
  std::shared_ptr<GuidedAttention> global_guided_, local_guided_;
  torch::nn::Linear gate_hidden_{nullptr}, gate_out_{nullptr};
};

/// embedding = normalise(MIDF(P_g(global), P_l(local))), or normalise(P_g(global)) on a side that `sides` leaves out:
/// by default the text, as in GaLR.
///
/// P are the heads, by default a linear layer where a vector is not embed_dim wide, else nothing; MIDF works at
/// embed_dim (512 in GaLR).
class MidfFusion final : public orbweaver::Fusion {
 public:
  using Params = MidfParams;

  MidfFusion(const Params& params, const orbweaver::Inputs& inputs) {
    // The scene head first: it then draws the same weights as in every other fusion.
    global_ = register_module("global", scene_head("fusion midf", params, inputs));
    if (auto head = object_head("fusion midf", params, inputs)) local_ = register_module("local", head);
    check_heads(params.heads, inputs.embed_dim);
    if (local_) midf_ = register_module("midf", std::make_shared<Midf>(params, inputs.embed_dim));
  }

  orbweaver::Parts reads() const override { return {.global = true, .local = local_ != nullptr}; }

  at::Tensor forward(const orbweaver::Representation& side) override {
    const at::Tensor scene = global_->forward(side.global);
    return orbweaver::l2_normalize(midf_ ? midf_->forward(scene, local_->forward(side.local)) : scene);
  }

 private:
  static void check_heads(int64_t heads, int64_t width) {
    if (width < 2)  // a single number has no standard deviation
      throw orbweaver::InputError("fusion midf: embed_dim is " + std::to_string(width) + ", expected at least 2");
    if (width % heads == 0) return;
    int64_t nearest = heads;
    while (width % nearest != 0) --nearest;
    throw orbweaver::InputError("fusion midf: heads is " + std::to_string(heads) +
                                ", which does not divide embed_dim " + std::to_string(width) + "; use " +
                                std::to_string(nearest) + ", or another embed_dim");
  }

  std::shared_ptr<Head> global_, local_;
  std::shared_ptr<Midf> midf_;
};

}  // namespace
