// A safetensors file. Bytes that begin with '{' are its header and, after a line "%%", its tensors: the length in front
// is then put there, so that a header can be changed without it. What was read is written and reads back the same.
#include "framework/io/safetensors.h"

#include <algorithm>

#include "fuzz/target.h"

namespace {

std::string with_length(std::string_view bytes) {
  const std::vector<std::string_view> parts = orbweaver::fuzz::parts_of(bytes);
  const std::string_view header = parts[0];
  std::string file;
  for (size_t i = 0; i < 8; ++i) file += static_cast<char>(header.size() >> (8 * i) & 0xff);
  file += header;
  if (parts.size() > 1) file += bytes.substr(static_cast<size_t>(parts[1].data() - bytes.data()));
  return file;
}

bool same_tensors(const orbweaver::SafetensorsFile& a, const orbweaver::SafetensorsFile& b) {
  const auto same = [](const auto& x, const auto& y) {
    return x.first == y.first && x.second.dtype == y.second.dtype && x.second.shape == y.second.shape &&
           std::equal(x.second.bytes.begin(), x.second.bytes.end(), y.second.bytes.begin(), y.second.bytes.end());
  };
  return std::equal(a.tensors().begin(), a.tensors().end(), b.tensors().begin(), b.tensors().end(), same);
}

}  // namespace

void orbweaver::fuzz::safetensors(std::string_view bytes) {
  const auto path = input_file("input.safetensors", bytes.starts_with('{') ? with_length(bytes) : std::string(bytes));
  const SafetensorsFile file(path);
  for (const auto& [name, entry] : file.tensors()) {
    uint64_t size = dtype_size(entry.dtype);
    for (const int64_t extent : entry.shape) size *= static_cast<uint64_t>(extent);
    demand(size == entry.bytes.size(), "a tensor has the bytes of its shape");
  }
  const auto copy = input_file("copy.safetensors", "");
  write_safetensors(copy, file.tensors(), file.metadata());
  const SafetensorsFile again(copy);
  demand(same_tensors(file, again), "what was read is written and reads back the same");
}
