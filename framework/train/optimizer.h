// The update rule, its learning rate over time, and its moments as named tensors.
#pragma once

#include <memory>

#include "framework/config/config.h"
#include "framework/model/retrieval_model.h"

namespace torch::optim {
class Optimizer;
}

namespace orbweaver {

/// Learning rate at a step, before a component's lr_scale.
///
/// Warm-up rises linearly from 0 over warmup_epochs; then constant, or times step_factor every step_epochs, or half a
/// cosine from lr to final_lr at the last step (Loshchilov and Hutter, SGDR, ICLR 2017, Eq. 5, one period).
double learning_rate(const TrainParams& params, int64_t step, int64_t steps_per_epoch);

class Optimizer {
 public:
  Optimizer(const TrainParams& params, std::vector<RetrievalModel::ParameterGroup> groups);
  ~Optimizer();

  void zero_grad();
  /// Clips (where asked for) and updates. @return the norm of all gradients before clipping, 0 where it is not
  /// computed.
  double step(double learning_rate);

  /// Moments as "optimizer/<parameter>/<moment>".
  TensorMap state() const;
  /// @throws InputError where a moment is missing or does not fit.
  void load_state(const TensorMap& state, const std::string& source);

 private:
  TrainParams params_;
  std::vector<RetrievalModel::ParameterGroup> groups_;
  std::unique_ptr<torch::optim::Optimizer> optimizer_;
};

}  // namespace orbweaver
