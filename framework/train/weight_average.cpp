#include "framework/train/weight_average.h"

#include <ATen/ATen.h>
#include <fmt/format.h>

#include <algorithm>

#include "orbweaver/error.h"

namespace orbweaver {

WeightAverage::WeightAverage(double decay, const std::vector<RetrievalModel::ParameterGroup>& groups) : decay_(decay) {
  if (decay_ <= 0) return;
  for (const auto& group : groups)
    for (const auto& [name, tensor] : group.parameters) {
      parameters_.emplace_back(name, tensor);
      averages_.push_back(tensor.detach().clone());
    }
}

void WeightAverage::update(int64_t step) {
  at::NoGradGuard no_grad;
  const double decay = std::min(decay_, (1.0 + static_cast<double>(step)) / (10.0 + static_cast<double>(step)));
  for (size_t i = 0; i < averages_.size(); ++i) averages_[i].lerp_(parameters_[i].second, 1 - decay);
}

void WeightAverage::swap() {
  at::NoGradGuard no_grad;
  for (size_t i = 0; i < averages_.size(); ++i) {
    const at::Tensor kept = averages_[i].clone();
    averages_[i].copy_(parameters_[i].second);
    parameters_[i].second.copy_(kept);
  }
}

TensorMap WeightAverage::state() const {
  TensorMap out;
  for (size_t i = 0; i < averages_.size(); ++i) out["average/" + parameters_[i].first] = averages_[i];
  return out;
}

void WeightAverage::load_state(const TensorMap& state, const std::string& source) {
  at::NoGradGuard no_grad;
  for (size_t i = 0; i < averages_.size(); ++i) {
    const auto found = state.find("average/" + parameters_[i].first);
    if (found == state.end()) throw InputError(fmt::format("{}: average/{} is missing", source, parameters_[i].first));
    averages_[i].copy_(found->second);
  }
}

}  // namespace orbweaver
