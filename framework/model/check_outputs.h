// Checks on tensors that components of the model plane return.
#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <vector>

#include "framework/plugin/hosted.h"

namespace orbweaver {

/// Whether values are looked at: reading them waits for the device, so training leaves it to the loss to show a fault.
enum class Finite { required, unchecked };

/// @param name      what the tensor is called in messages: "forward: global".
/// @param wanted    expected sizes, -1 where any will do.
/// @param floating  whether it must be of a floating-point type, and then, with Finite::required, finite.
/// @throws Error naming the component, what it returned and what was expected: an undefined tensor, another rank or
///         size, another type, NaN or infinity.
void check_output(const ComponentRef& component, const char* name, const at::Tensor& output,
                  const std::vector<int64_t>& wanted, bool floating, Finite finite = Finite::required);

}  // namespace orbweaver
