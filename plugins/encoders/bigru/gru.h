// A bidirectional GRU over packed captions; the same function and parameters as torch::nn::GRU, faster to train on a
// CPU.
#pragma once

#include <ATen/ATen.h>
#include <ATen/Parallel.h>
#include <torch/csrc/autograd/custom_function.h>
#include <torch/nn/init.h>
#include <torch/nn/module.h>
#include <torch/nn/modules/dropout.h>

#include <algorithm>
#include <cmath>
#include <string>
#include <utility>
#include <vector>

#include "two_threads.h"

namespace {

/// The two directions of one layer (Cho et al., EMNLP 2014, as in torch::nn::GRU):
///   r = sigmoid(x_r + h_r), z = sigmoid(x_z + h_z), n = tanh(x_n + r * h_n), h' = (1 - z) n + z h,
/// where x = inputs (already projected) and [h_r, h_z, h_n] = h W^T + b.
///
/// Why by hand: recorded operation by operation, the gradient of W is one small product per step. Here all steps'
/// gradients are stacked and multiplied once, steps touch only captions that still run, and the directions run in
/// parallel, which needs one meeting of the threads where products shared by them need one per step.
class GruLayer : public torch::autograd::Function<GruLayer> {
 public:
  using Context = torch::autograd::AutogradContext;
  using Variables = torch::autograd::variable_list;

  /// @param forward_x, backward_x  [U, 3H] x W_ih^T + b_ih of the distinct inputs.
  /// @param row                    [N] which of them each word has.
  /// @param step_sizes             captions that run at each step (see Packed).
  /// @return                       [N, H] states of the forward and of the backward direction.
  static Variables forward(Context* context, const at::Tensor& forward_x, const at::Tensor& backward_x,
                           const at::Tensor& row, const at::Tensor& forward_weight, const at::Tensor& forward_bias,
                           const at::Tensor& backward_weight, const at::Tensor& backward_bias,
                           const std::vector<int64_t>& step_sizes) {
    Saved both[2];
    run_both(row, [&](bool reverse) {
      both[reverse] = reverse ? run(backward_x, row, backward_weight, backward_bias, steps_of(step_sizes, true))
                              : run(forward_x, row, forward_weight, forward_bias, steps_of(step_sizes, false));
    });
    const Saved &f = both[0], &b = both[1];
    context->save_for_backward({row, forward_weight, f.gates, f.from_state_n, f.states,  //
                                backward_weight, b.gates, b.from_state_n, b.states});
    context->saved_data["step_sizes"] = step_sizes;
    context->saved_data["distinct"] = forward_x.size(0);
    return {f.states, b.states};
  }

  static Variables backward(Context* context, Variables gradients) {
    const Variables saved = context->get_saved_variables();
    const auto step_sizes = context->saved_data["step_sizes"].toIntVector();
    const int64_t distinct = context->saved_data["distinct"].toInt();
    Gradients both[2];
    run_both(saved[0], [&](bool reverse) {
      const at::Tensor* own = &saved[reverse ? 5 : 1];
      both[reverse] =
          back(gradients[reverse], saved[0], own[0], {own[1], own[2], own[3]}, steps_of(step_sizes, reverse), distinct);
    });
    const Gradients &f = both[0], &b = both[1];
    return {f.x, b.x, at::Tensor(), f.weight, f.bias, b.weight, b.bias, at::Tensor()};
  }

 private:
  /// Rows [begin, begin + size) are the step's; the first `carried` of them continue the rows from `previous` on.
  struct Step {
    int64_t begin, size, previous, carried;
  };
  struct Saved {
    at::Tensor gates;         ///< [N, 3H] r, z, n
    at::Tensor from_state_n;  ///< [N, H] h_n
    at::Tensor states;        ///< [N, H]
  };
  struct Gradients {
    at::Tensor x, weight, bias;
  };

  /// Both directions, on two threads where there are few: with more than four it pays to split the products instead.
  template <class F>
  static void run_both(const at::Tensor& like, const F& direction) {
    if (!like.is_cpu() || at::get_num_threads() == 1 || at::get_num_threads() > 4) {
      direction(false);
      direction(true);
      return;
    }
    orbweaver_bigru::on_two_threads([&](int i) {
      at::AutoDispatchBelowADInplaceOrView no_recording;  // the caller's state of recording is not this thread's
      direction(i == 1);
    });
  }

  static Saved run(const at::Tensor& projected, const at::Tensor& row, const at::Tensor& weight, const at::Tensor& bias,
                   const std::vector<Step>& steps) {
    const int64_t hidden = weight.size(1);
    const at::Tensor gates = projected.index_select(0, row);  // x, overwritten step by step by [r, z, n]
    const at::Tensor from_state = bias.unsqueeze(0).expand({row.size(0), 3 * hidden}).contiguous();  // h W^T + b
    const at::Tensor states = at::empty({row.size(0), hidden}, gates.options());
    const at::Tensor transposed = weight.t();
    for (const Step& step : steps) {
      const at::Tensor previous = states.narrow(0, step.previous, step.carried);
      if (step.carried > 0) from_state.narrow(0, step.begin, step.carried).addmm_(previous, transposed);
      const at::Tensor x = gates.narrow(0, step.begin, step.size), h = from_state.narrow(0, step.begin, step.size);
      x.narrow(1, 0, 2 * hidden).add_(h.narrow(1, 0, 2 * hidden)).sigmoid_();
      const at::Tensor r = x.narrow(1, 0, hidden), z = x.narrow(1, hidden, hidden), n = x.narrow(1, 2 * hidden, hidden);
      n.addcmul_(r, h.narrow(1, 2 * hidden, hidden)).tanh_();
      at::Tensor state = states.narrow(0, step.begin, step.size);
      at::addcmul_out(state, n, n, z, -1);
      if (step.carried > 0) state.narrow(0, 0, step.carried).addcmul_(z.narrow(0, 0, step.carried), previous);
    }
    return {gates, from_state.narrow(1, 2 * hidden, hidden).contiguous(), states};
  }

  /// @param d_output  [N, H] the gradient of the states.
  static Gradients back(const at::Tensor& d_output, const at::Tensor& row, const at::Tensor& weight, const Saved& saved,
                        const std::vector<Step>& steps, int64_t distinct) {
    const int64_t hidden = weight.size(1), words = row.size(0);
    const at::Tensor& gates = saved.gates;
    const at::Tensor previous = previous_states(saved.states, steps);
    const at::Tensor r = gates.narrow(1, 0, hidden), z = gates.narrow(1, hidden, hidden);
    const at::Tensor n = gates.narrow(1, 2 * hidden, hidden);

    // What the gradient of a state is multiplied by on its way to each gate's argument; no recursion in these.
    const at::Tensor to_n = (1 - z) * (1 - n * n);
    const at::Tensor to_z = (previous - n) * z * (1 - z);
    const at::Tensor n_to_r = saved.from_state_n * r * (1 - r);

    const at::Tensor d_from_state = at::empty({words, 3 * hidden}, gates.options());
    const at::Tensor d_n = at::empty({words, hidden}, gates.options());
    const at::Tensor d_states = d_output.clone(at::MemoryFormat::Contiguous);
    for (auto step = steps.rbegin(); step != steps.rend(); ++step) {
      const auto part = [&](const at::Tensor& all) { return all.narrow(0, step->begin, step->size); };
      const at::Tensor d_state = part(d_states), d_from = part(d_from_state);
      at::Tensor dn = part(d_n), dr = d_from.narrow(1, 0, hidden), dz = d_from.narrow(1, hidden, hidden);
      at::Tensor dn_from = d_from.narrow(1, 2 * hidden, hidden);
      at::mul_out(dn, d_state, part(to_n));
      at::mul_out(dr, dn, part(n_to_r));
      at::mul_out(dz, d_state, part(to_z));
      at::mul_out(dn_from, dn, part(r));
      if (step->carried == 0) continue;
      const at::Tensor d_previous = d_states.narrow(0, step->previous, step->carried);
      d_previous.addcmul_(d_state.narrow(0, 0, step->carried), z.narrow(0, step->begin, step->carried));
      d_previous.addmm_(d_from.narrow(0, 0, step->carried), weight);
    }

    Gradients d;
    d.weight = d_from_state.t().mm(previous);
    d.bias = d_from_state.sum(0);
    d_from_state.narrow(1, 2 * hidden, hidden).copy_(d_n);  // now the gradient of x, which differs only in n
    d.x = at::zeros({distinct, 3 * hidden}, gates.options()).index_add_(0, row, d_from_state);
    return d;
  }

  /// Steps in the order in which they are computed.
  static std::vector<Step> steps_of(const std::vector<int64_t>& sizes, bool reverse) {
    std::vector<Step> steps;
    int64_t begin = 0;
    for (size_t t = 0; t < sizes.size(); begin += sizes[t++]) {
      const bool starts = reverse ? t + 1 == sizes.size() : t == 0;
      if (starts)
        steps.push_back({begin, sizes[t], 0, 0});
      else if (reverse)
        steps.push_back({begin, sizes[t], begin + sizes[t], sizes[t + 1]});
      else
        steps.push_back({begin, sizes[t], begin - sizes[t - 1], sizes[t]});
    }
    if (reverse) std::reverse(steps.begin(), steps.end());
    return steps;
  }

  /// [N, H] the state before each word; zero where a caption starts.
  static at::Tensor previous_states(const at::Tensor& states, const std::vector<Step>& steps) {
    at::Tensor previous = at::zeros_like(states);
    for (const Step& step : steps)
      if (step.carried > 0)
        previous.narrow(0, step.begin, step.carried).copy_(states.narrow(0, step.previous, step.carried));
    return previous;
  }
};

/// Bidirectional GRU of several layers. Parameters have the names, shapes, gate order (r, z, n) and initial
/// distribution of torch::nn::GRU: weight_ih_l0 [3H, in], weight_hh_l0 [3H, H], bias_ih_l0, bias_hh_l0 [3H], and
/// ..._reverse.
class BidirectionalGru final : public torch::nn::Module {
 public:
  BidirectionalGru(int64_t input, int64_t hidden, int64_t layers, double dropout) {
    const double bound = 1 / std::sqrt(static_cast<double>(hidden));
    const auto add = [&](const std::string& name, at::IntArrayRef shape) {
      return register_parameter(name, at::empty(shape).uniform_(-bound, bound));
    };
    for (int64_t layer = 0; layer < layers; ++layer)
      for (const std::string direction : {"", "_reverse"}) {
        const std::string end = "_l" + std::to_string(layer) + direction;
        Direction d;
        d.input_weight = add("weight_ih" + end, {3 * hidden, layer == 0 ? input : 2 * hidden});
        d.state_weight = add("weight_hh" + end, {3 * hidden, hidden});
        d.input_bias = add("bias_ih" + end, {3 * hidden});
        d.state_bias = add("bias_hh" + end, {3 * hidden});
        directions_.push_back(d);
      }
    if (dropout > 0 && layers > 1) dropout_ = register_module("dropout", torch::nn::Dropout(dropout));
  }

  struct States {
    at::Tensor forward, backward;  ///< [N, H], of the last layer
  };

  /// @param inputs  [U, input] the distinct inputs, @param row [N] which of them each word has: a word is projected
  /// once,
  ///                however often it occurs.
  States forward(const at::Tensor& inputs, const at::Tensor& row, const std::vector<int64_t>& step_sizes) {
    States states = run(0, inputs, row, step_sizes);
    for (size_t layer = 1; layer < directions_.size() / 2; ++layer) {
      at::Tensor below = at::cat({states.forward, states.backward}, 1);
      if (dropout_) below = dropout_(below);
      states = run(layer, below, at::arange(below.size(0), row.options()), step_sizes);
    }
    return states;
  }

 private:
  struct Direction {
    at::Tensor input_weight, state_weight, input_bias, state_bias;
  };

  States run(size_t layer, const at::Tensor& inputs, const at::Tensor& row, const std::vector<int64_t>& step_sizes) {
    const Direction &f = directions_[2 * layer], &b = directions_[2 * layer + 1];
    const auto states = GruLayer::apply(at::linear(inputs, f.input_weight, f.input_bias),
                                        at::linear(inputs, b.input_weight, b.input_bias), row, f.state_weight,
                                        f.state_bias, b.state_weight, b.state_bias, step_sizes);
    return {states[0], states[1]};
  }

  std::vector<Direction> directions_;
  torch::nn::Dropout dropout_{nullptr};
};

}  // namespace
