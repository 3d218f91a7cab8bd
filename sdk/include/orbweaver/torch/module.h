#pragma once

#include <torch/nn/module.h>

#include <span>
#include <string>
#include <string_view>

#include "orbweaver/error.h"
#include "orbweaver/export.h"
#include "orbweaver/torch/inputs.h"

namespace orbweaver {
inline namespace v1 {

/// Base of all model-plane components: a torch module that can also learn something that is no tensor.
///
/// The runtime constructs it, then calls either `fit` (training) or `load_extra_state` (from a checkpoint) exactly
/// once, then `forward`. Modules whose sizes depend on what was fitted are made in those two.
class ORBWEAVER_API ModelComponent : public torch::nn::Module {
 public:
  ~ModelComponent() override;

  /// Parts of each side's Representation that this stage reads. Fusions read `global` unless they say otherwise, other
  /// stages nothing.
  virtual Parts reads() const;

  /// @param texts  all training captions, in order (text side), or nothing (image side). Never validation or test data.
  virtual void fit(std::span<const std::string> texts);
  /// UTF-8 text that travels in the checkpoint; empty when there is none.
  virtual std::string extra_state() const;
  virtual void load_extra_state(std::string_view state);
};

}  // namespace v1
}  // namespace orbweaver
