#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "orbweaver/torch/representation.h"

namespace orbweaver {

/// Pads tokenised texts with 0 to the longest of them; on the CPU.
/// @param texts  ids of each text, as TextEncoder::tokenize made them.
TokenBatch pad_texts(std::span<const std::vector<int64_t>* const> texts);

/// The same batch on another device.
TokenBatch to_device(const TokenBatch& batch, const at::Device& device);

}  // namespace orbweaver
