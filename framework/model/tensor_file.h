// Named tensors to and from safetensors files.
#pragma once

#include <ATen/core/Tensor.h>

#include <filesystem>
#include <functional>
#include <map>
#include <string>

#include "framework/io/safetensors.h"

namespace orbweaver {

using TensorMap = std::map<std::string, at::Tensor>;

/// Written atomically; tensors are brought to the CPU and made contiguous.
void save_tensors(const std::filesystem::path& path, const TensorMap& tensors,
                  const std::map<std::string, std::string>& metadata);

/// Calls `use` with the tensors as entries of a file; they live as long as the call.
void with_entries(const TensorMap& tensors, const std::function<void(const std::map<std::string, TensorEntry>&)>& use);

/// A view of an entry's bytes; valid while its file is open. Not to be written to.
at::Tensor view_tensor(const TensorEntry& entry);

/// All tensors of a file, copied.
TensorMap load_tensors(const SafetensorsFile& file);

/// Hash of names, shapes, dtypes and values.
std::string hash_tensors(const TensorMap& tensors);

}  // namespace orbweaver
