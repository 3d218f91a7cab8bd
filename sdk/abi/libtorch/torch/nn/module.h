// Stands in for LibTorch's own header where the SDK's record is made: see sdk/abi/sdk_torch.cpp.
#pragma once

#include <ATen/core/Tensor.h>

#include <memory>
#include <string>
#include <utility>
#include <vector>

namespace torch::nn {

class Module : public std::enable_shared_from_this<Module> {
 public:
  virtual ~Module();
};

}  // namespace torch::nn
