// What computes tensors, by name; free of LibTorch's headers.
#pragma once

#include <string>

namespace orbweaver {

/// What of this machine's processors decides which of LibTorch's kernels run, and so the last bits of what they make:
/// "cpu AVX2" or "gpu NVIDIA H100 80GB HBM3".
///
/// @param device  as a config has it: "cpu", "cuda", "cuda:1". "gpu" alone where the driver does not tell its name.
std::string processor_name(const std::string& device);

}  // namespace orbweaver
