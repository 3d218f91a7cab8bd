// Scene and graph mixed dimension by dimension, by a gate that looks at both (as the gated multimodal unit of Arevalo
// et al., ICLR 2017 workshop).
//
//   z = sigmoid(W [g; l] + b),  embedding = normalise(z * g + (1 - z) * l)
//
// g = tanh(P_g(global)) and l = tanh(P_l(local)) are [B, embed_dim]; W, b, P_g and P_l are learnt, for each side its
// own.
#include <ATen/ATen.h>
#include <orbweaver/params.h>
#include <orbweaver/plugin.h>
#include <orbweaver/torch/fusion.h>
#include <torch/nn/modules/linear.h>

#include <cmath>

namespace {

struct Params {
  double start = 0.5;
  static void describe(orbweaver::ParamSpec<Params>& p) {
    p.field("start", &Params::start, "Every gate's share of the scene before training").range(0.01, 0.99);
  }
};

class GatedFusion final : public orbweaver::Fusion {
 public:
  using Params = ::Params;

  GatedFusion(const Params& params, const orbweaver::Inputs& inputs) {
    const int64_t width = inputs.embed_dim;
    global_ = register_module("global", torch::nn::Linear(inputs.own().global, width));
    if (inputs.own().local == 0) return;  // a side without graph: the scene alone
    local_ = register_module("local", torch::nn::Linear(inputs.own().local, width));
    gate_ = register_module("gate", torch::nn::Linear(2 * width, width));
    at::NoGradGuard no_grad;
    gate_->weight.zero_();
    gate_->bias.fill_(std::log(params.start / (1 - params.start)));
  }

  orbweaver::Parts reads() const override { return {.global = true, .local = static_cast<bool>(local_)}; }

  at::Tensor forward(const orbweaver::Representation& side) override {
    const at::Tensor scene = global_(side.global).tanh();
    if (!local_) return orbweaver::l2_normalize(scene);
    const at::Tensor objects = local_(side.local).tanh();
    const at::Tensor gate = gate_(at::cat({scene, objects}, 1)).sigmoid();
    return orbweaver::l2_normalize(gate * scene + (1 - gate) * objects);
  }

 private:
  torch::nn::Linear global_{nullptr}, local_{nullptr}, gate_{nullptr};
};

}  // namespace

ORBWEAVER_PLUGIN("gated_fusion", "0.1.0", registrar) {
  registrar.add<orbweaver::Fusion, GatedFusion>("gated", "Scene and graph mixed by a learnt gate");
}
