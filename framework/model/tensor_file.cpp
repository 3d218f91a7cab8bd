#include "framework/model/tensor_file.h"

#include <ATen/ATen.h>
#include <fmt/format.h>
#include <fmt/ranges.h>

#include "orbweaver/error.h"

namespace orbweaver {
namespace {

struct DtypeName {
  const char* name;
  at::ScalarType type;
};
constexpr DtypeName dtypes[] = {{"F64", at::kDouble}, {"F32", at::kFloat}, {"F16", at::kHalf},  {"BF16", at::kBFloat16},
                                {"I64", at::kLong},   {"I32", at::kInt},   {"I16", at::kShort}, {"I8", at::kChar},
                                {"U8", at::kByte},    {"BOOL", at::kBool}};

std::string dtype_name(at::ScalarType type) {
  for (const DtypeName& dtype : dtypes)
    if (dtype.type == type) return dtype.name;
  throw Error(fmt::format("tensors of type {} cannot be written to safetensors", c10::toString(type)));
}

std::span<const std::byte> bytes_of(const at::Tensor& tensor) {
  return {static_cast<const std::byte*>(tensor.data_ptr()), static_cast<size_t>(tensor.nbytes())};
}

}  // namespace

void with_entries(const TensorMap& tensors, const std::function<void(const std::map<std::string, TensorEntry>&)>& use) {
  std::vector<at::Tensor> alive;
  std::map<std::string, TensorEntry> entries;
  for (const auto& [name, tensor] : tensors) {
    alive.push_back(tensor.detach().cpu().contiguous());
    entries[name] = {dtype_name(tensor.scalar_type()), tensor.sizes().vec(), bytes_of(alive.back())};
  }
  use(entries);
}

void save_tensors(const std::filesystem::path& path, const TensorMap& tensors,
                  const std::map<std::string, std::string>& metadata) {
  with_entries(tensors, [&](const auto& entries) { write_safetensors(path, entries, metadata); });
}

at::Tensor view_tensor(const TensorEntry& entry) {
  for (const DtypeName& dtype : dtypes)
    if (entry.dtype == dtype.name)
      return at::from_blob(const_cast<std::byte*>(entry.bytes.data()), entry.shape,
                           at::TensorOptions().dtype(dtype.type));
  throw InputError(fmt::format("tensors of type {} are not supported", entry.dtype));
}

TensorMap load_tensors(const SafetensorsFile& file) {
  TensorMap out;
  for (const auto& [name, entry] : file.tensors()) out[name] = view_tensor(entry).clone();
  return out;
}

std::string hash_tensors(const TensorMap& tensors) {
  Hasher hasher;
  for (const auto& [name, tensor] : tensors) {
    const at::Tensor flat = tensor.detach().cpu().contiguous();
    hasher.add(std::string_view(name))
        .add(std::string_view(fmt::format("{}{}", dtype_name(flat.scalar_type()), fmt::join(flat.sizes(), ","))));
    hasher.add(bytes_of(flat));
  }
  return hasher.hex();
}

}  // namespace orbweaver
