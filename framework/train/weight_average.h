// Exponential moving average of the trainable parameters, for validation and the selected checkpoint.
#pragma once

#include <string>
#include <vector>

#include "framework/model/retrieval_model.h"

namespace orbweaver {

/// Polyak averaging as used for small, noisy training sets: after each step a <- d a + (1 - d) w, with
/// d = min(decay, (1 + step) / (10 + step)), so that the random start is soon forgotten (TensorFlow's
/// ExponentialMovingAverage). Buffers (running statistics) are not averaged.
class WeightAverage {
 public:
  /// @param decay  0 switches it off: every call is then without effect.
  WeightAverage(double decay, const std::vector<RetrievalModel::ParameterGroup>& groups);

  void update(int64_t step);
  /// Exchanges averages and parameters; a second call puts them back.
  void swap();

  /// Averages as "average/<parameter>".
  TensorMap state() const;
  /// @throws InputError where one is missing.
  void load_state(const TensorMap& state, const std::string& source);

 private:
  double decay_;
  std::vector<std::pair<std::string, at::Tensor>> parameters_;
  std::vector<at::Tensor> averages_;
};

}  // namespace orbweaver
