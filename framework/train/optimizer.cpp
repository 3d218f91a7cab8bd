#include "framework/train/optimizer.h"

#include <ATen/ATen.h>
#include <fmt/format.h>
#include <torch/nn/utils/clip_grad.h>
#include <torch/optim/adam.h>
#include <torch/optim/adamw.h>
#include <torch/optim/sgd.h>

#include <cmath>
#include <numbers>
#include <sstream>

#include "orbweaver/error.h"

namespace orbweaver {
namespace {

/// LibTorch keys an optimiser's state by the tensor's address: as text up to 1.13, as a pointer since.
template <class Map>
typename Map::key_type state_key(const Map&, const at::Tensor& parameter) {
  if constexpr (std::is_same_v<typename Map::key_type, std::string>) {
    std::ostringstream text;
    text << parameter.unsafeGetTensorImpl();
    return text.str();
  } else {
    return parameter.unsafeGetTensorImpl();
  }
}

std::string name_of(const std::string& parameter, const char* moment) {
  return fmt::format("optimizer/{}/{}", parameter, moment);
}

const at::Tensor& find(const TensorMap& state, const std::string& name, const std::string& source) {
  const auto found = state.find(name);
  if (found == state.end())
    throw InputError(fmt::format("{}: {} is missing: it is not a checkpoint of this optimiser", source, name));
  return found->second;
}

template <class State>
void save_adam(const State& state, const std::string& parameter, TensorMap& out) {
  out[name_of(parameter, "exp_avg")] = state.exp_avg();
  out[name_of(parameter, "exp_avg_sq")] = state.exp_avg_sq();
  out[name_of(parameter, "step")] = at::scalar_tensor(state.step(), at::kLong);
}

template <class State>
std::unique_ptr<State> load_adam(const TensorMap& saved, const std::string& parameter, const at::Tensor& like,
                                 const std::string& source) {
  auto state = std::make_unique<State>();
  state->exp_avg(find(saved, name_of(parameter, "exp_avg"), source).to(like.options()).view_as(like).clone());
  state->exp_avg_sq(find(saved, name_of(parameter, "exp_avg_sq"), source).to(like.options()).view_as(like).clone());
  state->step(find(saved, name_of(parameter, "step"), source).item<int64_t>());
  return state;
}

}  // namespace

double learning_rate(const TrainParams& params, int64_t step, int64_t steps_per_epoch) {
  const double warmup = params.warmup_epochs * static_cast<double>(steps_per_epoch);
  if (static_cast<double>(step) < warmup) return params.lr * static_cast<double>(step + 1) / std::ceil(warmup);
  if (params.schedule == TrainParams::Schedule::step) {
    const int64_t falls = step / steps_per_epoch / params.step_epochs;
    return params.lr * std::pow(params.step_factor, static_cast<double>(falls));
  }
  if (params.schedule == TrainParams::Schedule::cosine) {
    const double last = std::max(1.0, static_cast<double>(params.epochs * steps_per_epoch) - 1 - warmup);
    const double part = std::min(1.0, (static_cast<double>(step) - warmup) / last);
    return params.final_lr + (params.lr - params.final_lr) * (1 + std::cos(std::numbers::pi * part)) / 2;
  }
  return params.lr;
}

Optimizer::Optimizer(const TrainParams& params, std::vector<RetrievalModel::ParameterGroup> groups)
    : params_(params), groups_(std::move(groups)) {
  if (groups_.empty()) throw InputError("the model has no trainable parameter: every component is frozen or has none");
  std::vector<torch::optim::OptimizerParamGroup> torch_groups;
  for (const auto& group : groups_) {
    std::vector<at::Tensor> parameters;
    for (const auto& [name, tensor] : group.parameters) parameters.push_back(tensor);
    torch_groups.emplace_back(parameters);
  }
  const auto betas = std::make_tuple(params.betas.at(0), params.betas.at(1));
  if (params.optimizer == TrainParams::Optimizer::adam)
    optimizer_ = std::make_unique<torch::optim::Adam>(
        torch_groups, torch::optim::AdamOptions(params.lr).betas(betas).weight_decay(params.weight_decay));
  else if (params.optimizer == TrainParams::Optimizer::adamw)
    optimizer_ = std::make_unique<torch::optim::AdamW>(
        torch_groups, torch::optim::AdamWOptions(params.lr).betas(betas).weight_decay(params.weight_decay));
  else
    optimizer_ = std::make_unique<torch::optim::SGD>(
        torch_groups, torch::optim::SGDOptions(params.lr).momentum(params.momentum).weight_decay(params.weight_decay));
}

Optimizer::~Optimizer() = default;

void Optimizer::zero_grad() {
  // Gradients are dropped, not zeroed: backward then writes instead of adding.
  for (auto& group : groups_)
    for (auto& [name, tensor] : group.parameters) tensor.mutable_grad() = at::Tensor();
}

double Optimizer::step(double learning_rate) {
  double norm = 0;
  if (params_.clip_norm > 0) {
    std::vector<at::Tensor> all;
    for (const auto& group : groups_)
      for (const auto& [name, tensor] : group.parameters) all.push_back(tensor);
    norm = torch::nn::utils::clip_grad_norm_(all, params_.clip_norm);
  }
  for (size_t i = 0; i < groups_.size(); ++i)
    optimizer_->param_groups()[i].options().set_lr(learning_rate * groups_[i].lr_scale);
  optimizer_->step();
  return norm;
}

TensorMap Optimizer::state() const {
  TensorMap out;
  auto& states = optimizer_->state();
  for (const auto& group : groups_) {
    for (const auto& [name, tensor] : group.parameters) {
      const auto found = states.find(state_key(states, tensor));
      if (found == states.end()) continue;  // never got a gradient
      if (params_.optimizer == TrainParams::Optimizer::adam)
        save_adam(static_cast<const torch::optim::AdamParamState&>(*found->second), name, out);
      else if (params_.optimizer == TrainParams::Optimizer::adamw)
        save_adam(static_cast<const torch::optim::AdamWParamState&>(*found->second), name, out);
      else if (const auto& buffer = static_cast<const torch::optim::SGDParamState&>(*found->second).momentum_buffer();
               buffer.defined())
        out[name_of(name, "momentum")] = buffer;
    }
  }
  return out;
}

void Optimizer::load_state(const TensorMap& state, const std::string& source) {
  auto& states = optimizer_->state();
  const char* first = params_.optimizer == TrainParams::Optimizer::sgd ? "momentum" : "exp_avg";
  for (const auto& group : groups_) {
    for (const auto& [name, tensor] : group.parameters) {
      if (!state.count(name_of(name, first))) continue;  // had no gradient yet when it was saved
      auto& place = states[state_key(states, tensor)];
      if (params_.optimizer == TrainParams::Optimizer::adam) {
        place = load_adam<torch::optim::AdamParamState>(state, name, tensor, source);
      } else if (params_.optimizer == TrainParams::Optimizer::adamw) {
        place = load_adam<torch::optim::AdamWParamState>(state, name, tensor, source);
      } else {
        auto momentum = std::make_unique<torch::optim::SGDParamState>();
        momentum->momentum_buffer(find(state, name_of(name, "momentum"), source).to(tensor.options()).clone());
        place = std::move(momentum);
      }
    }
  }
}

}  // namespace orbweaver
