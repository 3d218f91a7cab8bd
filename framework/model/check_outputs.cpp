#include "framework/model/check_outputs.h"

#include <ATen/ATen.h>
#include <fmt/format.h>
#include <fmt/ranges.h>

#include <cmath>
#include <string>

namespace orbweaver {
namespace {

std::string sizes_text(const std::vector<int64_t>& sizes) {
  std::vector<std::string> words;
  for (const int64_t size : sizes) words.push_back(size < 0 ? "any" : std::to_string(size));
  return fmt::format("[{}]", fmt::join(words, ", "));
}

bool fits(const at::Tensor& output, const std::vector<int64_t>& wanted) {
  if (output.dim() != static_cast<int64_t>(wanted.size())) return false;
  for (size_t i = 0; i < wanted.size(); ++i)
    if (wanted[i] >= 0 && wanted[i] != output.size(static_cast<int64_t>(i))) return false;
  return true;
}

}  // namespace

void check_output(const ComponentRef& component, const char* name, const at::Tensor& output,
                  const std::vector<int64_t>& wanted, bool floating, Finite finite) {
  if (!output.defined()) contract_violation(component, name, "an undefined tensor", sizes_text(wanted));
  if (!fits(output, wanted)) contract_violation(component, name, sizes_text(output.sizes().vec()), sizes_text(wanted));
  if (!floating) return;
  if (!output.is_floating_point())
    contract_violation(component, name, std::string("a tensor of type ") + c10::toString(output.scalar_type()),
                       "a floating-point type");
  if (finite == Finite::unchecked) return;
  // The sum of absolute values is finite exactly when no element is NaN or infinite, short of overflow: one pass
  // without a mask in memory; only a suspicious sum is looked at closely.
  const at::Tensor values = output.detach();
  if (values.numel() == 0 || std::isfinite(values.abs().sum().item<double>())) return;
  const int64_t nans = values.isnan().sum().item<int64_t>(), infinities = values.isinf().sum().item<int64_t>();
  if (nans + infinities == 0) return;
  contract_violation(component, name,
                     fmt::format("{} NaN and {} infinite of {} numbers", nans, infinities, values.numel()),
                     "finite numbers");
}

}  // namespace orbweaver
