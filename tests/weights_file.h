// Weights files for the tests of what reads them.
#pragma once

#include <ATen/ATen.h>

#include <cstdint>
#include <filesystem>
#include <fstream>
#include <map>
#include <string>

#include "orbweaver/error.h"

namespace orbweaver::testing {

inline const char* safetensors_dtype(at::ScalarType type) {
  switch (type) {
    case at::kDouble: return "F64";
    case at::kFloat: return "F32";
    case at::kHalf: return "F16";
    case at::kLong: return "I64";
    default: throw Error(std::string("no test writes ") + at::toString(type));
  }
}

/// Writes a safetensors file. Names must need no escapes in JSON.
inline void write_weights(const std::filesystem::path& file, const std::map<std::string, at::Tensor>& tensors) {
  std::string header, bytes;
  for (const auto& [name, tensor] : tensors) {
    const at::Tensor values = tensor.detach().cpu().contiguous();
    std::string shape;
    for (const int64_t size : values.sizes()) shape += (shape.empty() ? "" : ",") + std::to_string(size);
    header += (header.empty() ? "{\"" : ",\"") + name + "\":{\"dtype\":\"" + safetensors_dtype(values.scalar_type()) +
              "\",\"shape\":[" + shape + "],\"data_offsets\":[" + std::to_string(bytes.size()) + ",";
    bytes.append(static_cast<const char*>(values.data_ptr()), values.nbytes());
    header += std::to_string(bytes.size()) + "]}";
  }
  header += header.empty() ? "{}" : "}";
  header.resize((header.size() + 7) / 8 * 8, ' ');  // so that the values are aligned
  const uint64_t size = header.size();              // little-endian, as everywhere this runs
  std::ofstream out(file, std::ios::binary);
  out.write(reinterpret_cast<const char*>(&size), sizeof size);
  out << header << bytes;
  if (!out) throw Error(file.string() + ": cannot be written");
}

}  // namespace orbweaver::testing
