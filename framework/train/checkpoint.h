// Checkpoints: one safetensors file that holds a whole state, so that it is never half of one.
#pragma once

#include <filesystem>
#include <string>

#include "framework/model/retrieval_model.h"
#include "orbweaver/value.h"

namespace orbweaver {

/// Tensors by name (the model's as in the module tree, what training keeps beside it under "optimizer/" and
/// "average/"), what components fitted, and facts as JSON.
struct Checkpoint {
  TensorMap model, training;
  ExtraStates extra;
  Value facts;  ///< {"epoch": 3, "step": 120, ...}
};

/// Python's safetensors package opens the file; names are those of the module tree.
void save_checkpoint(const std::filesystem::path& path, const Checkpoint& checkpoint);

/// @throws InputError naming the file where it is damaged or no checkpoint.
Checkpoint load_checkpoint(const std::filesystem::path& path);

}  // namespace orbweaver
