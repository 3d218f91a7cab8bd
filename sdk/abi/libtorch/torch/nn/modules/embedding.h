// Stands in for LibTorch's own header where the SDK's record is made: see sdk/abi/sdk_torch.cpp.
#pragma once

#include <torch/nn/module.h>

namespace torch::nn {

class EmbeddingImpl;

}  // namespace torch::nn
