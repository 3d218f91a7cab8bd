// Gradients against central differences, in double.
#pragma once

#include <ATen/ATen.h>
#include <torch/csrc/autograd/autograd.h>

#include <algorithm>
#include <cmath>
#include <functional>
#include <vector>

namespace orbweaver::testing {

/// Largest difference between the gradient of a scalar function and its central differences, relative to the largest
/// gradient entry (or absolute where all are below 1).
///
/// @param variables  contiguous double tensors that require gradients; `scalar` reads them from its closure.
inline double gradient_error(const std::function<at::Tensor()>& scalar, const std::vector<at::Tensor>& variables,
                             double step = 1e-6) {
  const auto analytic = torch::autograd::grad({scalar()}, variables, {}, c10::nullopt, false, /*allow_unused=*/true);
  at::NoGradGuard no_grad;
  double worst = 0, scale = 1;
  for (size_t v = 0; v < variables.size(); ++v) {
    double* values = variables[v].data_ptr<double>();
    const auto gradient = analytic[v].defined() ? analytic[v].contiguous() : at::zeros_like(variables[v]);
    for (int64_t i = 0; i < variables[v].numel(); ++i) {
      const double kept = values[i];
      values[i] = kept + step;
      const double above = scalar().item<double>();
      values[i] = kept - step;
      const double below = scalar().item<double>();
      values[i] = kept;
      const double expected = (above - below) / (2 * step), found = gradient.data_ptr<double>()[i];
      worst = std::max(worst, std::abs(expected - found));
      scale = std::max(scale, std::abs(expected));
    }
  }
  return worst / scale;
}

/// The slope of a scalar function along a direction through all variables at once: by its gradient, and by central
/// differences. Two evaluations, however many numbers there are.
struct Slopes {
  double by_gradient = 0, by_differences = 0;
  /// Relative to the larger one, or absolute where both are below 1.
  double error() const {
    return std::abs(by_gradient - by_differences) / std::max({1.0, std::abs(by_gradient), std::abs(by_differences)});
  }
};

/// @param variables, directions  parallel, of equal shapes, double.
inline Slopes slopes(const std::function<at::Tensor()>& scalar, const std::vector<at::Tensor>& variables,
                     const std::vector<at::Tensor>& directions, double step = 1e-6) {
  const auto gradients = torch::autograd::grad({scalar()}, variables, {}, c10::nullopt, false, /*allow_unused=*/true);
  at::NoGradGuard no_grad;
  Slopes out;
  for (size_t v = 0; v < variables.size(); ++v)
    if (gradients[v].defined()) out.by_gradient += (gradients[v] * directions[v]).sum().item<double>();
  const auto moved = [&](double times) {
    for (size_t v = 0; v < variables.size(); ++v) variables[v].add_(directions[v], times);
  };
  moved(step);
  const double above = scalar().item<double>();
  moved(-2 * step);
  const double below = scalar().item<double>();
  moved(step);
  out.by_differences = (above - below) / (2 * step);
  return out;
}

}  // namespace orbweaver::testing
