// Stands in for LibTorch's own header where the SDK's record is made: see sdk/abi/sdk_torch.cpp.
#pragma once

namespace at {

class Tensor {
 public:
  bool defined() const { return implementation_ != nullptr; }

 private:
  void* implementation_ = nullptr;
};

}  // namespace at
