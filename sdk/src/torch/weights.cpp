#include "orbweaver/torch/weights.h"

#include <ATen/ATen.h>
#include <caffe2/serialize/inline_container.h>

#include <algorithm>
#include <array>
#include <cstring>
#include <fstream>
#include <nlohmann/json.hpp>
#include <utility>

#include "orbweaver/error.h"
#include "pickle.h"

namespace orbweaver {
inline namespace v1 {
namespace {

namespace fs = std::filesystem;
using detail::Pickled;
using detail::PickledRef;

[[noreturn]] void fail(const fs::path& file, const std::string& what) { throw InputError(file.string() + ": " + what); }

std::string first_line(const std::string& text) { return text.substr(0, text.find('\n')); }

// What a file may unfold to: several times its size, and some more for the small ones.
uint64_t memory_limit(const fs::path& file) { return 4 * fs::file_size(file) + (64 << 20); }

/// Elements of a shape; -1 when a size is negative or the product does not fit.
int64_t count_elements(const std::vector<int64_t>& sizes) {
  int64_t count = 1;
  for (const int64_t size : sizes)
    if (size < 0 || __builtin_mul_overflow(count, size, &count)) return -1;
  return count;
}

// ---- safetensors ----

at::ScalarType safetensors_dtype(const std::string& name) {
  static const std::map<std::string, at::ScalarType> kTypes = {
      {"F64", at::kDouble}, {"F32", at::kFloat}, {"F16", at::kHalf}, {"BF16", at::kBFloat16}, {"I64", at::kLong},
      {"I32", at::kInt},    {"I16", at::kShort}, {"I8", at::kChar},  {"U8", at::kByte},       {"BOOL", at::kBool}};
  const auto found = kTypes.find(name);
  return found == kTypes.end() ? at::ScalarType::Undefined : found->second;
}

at::Tensor read_safetensor(std::ifstream& stream, const fs::path& file, const std::string& name,
                           const nlohmann::json& entry, uint64_t data_begin, uint64_t data_size) {
  const auto dtype = safetensors_dtype(entry.at("dtype").get<std::string>());
  if (dtype == at::ScalarType::Undefined)
    fail(file,
         "tensor \"" + name + "\" has dtype " + entry.at("dtype").get<std::string>() + ", which is not supported");
  const auto shape = entry.at("shape").get<std::vector<int64_t>>();
  const auto range = entry.at("data_offsets").get<std::array<uint64_t, 2>>();
  const int64_t count = count_elements(shape);
  if (count < 0 || range[0] > range[1] || range[1] > data_size ||
      range[1] - range[0] != static_cast<uint64_t>(count) * at::elementSize(dtype))
    fail(file,
         "tensor \"" + name + "\": its shape and its place in the file do not fit; the file is damaged or truncated");
  at::Tensor tensor = at::empty(shape, dtype);
  stream.seekg(static_cast<std::streamoff>(data_begin + range[0]));
  if (!stream.read(static_cast<char*>(tensor.data_ptr()), static_cast<std::streamsize>(tensor.nbytes())) && count > 0)
    fail(file, "cannot be read to its end");
  return tensor;
}

StateDict read_safetensors(const fs::path& file) {
  std::ifstream stream(file, std::ios::binary);
  const uint64_t size = fs::file_size(file);
  uint64_t header_size = 0;
  stream.read(reinterpret_cast<char*>(&header_size), sizeof header_size);
  constexpr uint64_t longest_header = 100'000'000;  // the bound of the format's own readers
  if (size < sizeof header_size || header_size > size - sizeof header_size || header_size > longest_header)
    fail(file,
         "is no safetensors file, or truncated: its header would be " + std::to_string(header_size) + " bytes long");
  std::string header(header_size, '\0');
  stream.read(header.data(), static_cast<std::streamsize>(header_size));
  const uint64_t data_begin = sizeof header_size + header_size;
  StateDict weights;
  uint64_t left = size - data_begin;
  try {
    const nlohmann::json entries = nlohmann::json::parse(header);
    for (const auto& [name, entry] : entries.items()) {
      if (name == "__metadata__") continue;
      const auto range = entry.at("data_offsets").get<std::array<uint64_t, 2>>();
      const uint64_t bytes = range[1] - std::min(range[0], range[1]);
      if (range[1] <= size - data_begin && bytes > left)
        fail(file, "tensor \"" + name + "\": shares bytes with another one; the file is damaged");
      left -= bytes;
      weights[name] = read_safetensor(stream, file, name, entry, data_begin, size - data_begin);
    }
  } catch (const nlohmann::json::exception& error) {
    fail(file, std::string("its safetensors header is damaged: ") + error.what());
  }
  return weights;
}

// ---- PyTorch's zip format ----

template <class T>
T number_at(std::string_view bytes, size_t at) {
  T value = 0;
  if (at <= bytes.size() && sizeof(T) <= bytes.size() - at) std::memcpy(&value, bytes.data() + at, sizeof(T));
  return value;
}

/// The bytes [from, from + length) of a file, or as many of them as there are.
std::string part_of(std::ifstream& stream, uint64_t from, uint64_t length) {
  std::string bytes(length, '\0');
  stream.clear();
  stream.seekg(static_cast<std::streamoff>(from));
  stream.read(bytes.data(), static_cast<std::streamsize>(length));
  bytes.resize(static_cast<size_t>(stream.gcount()));
  return bytes;
}

/// The directory of a zip archive ("" where it is not found, of which LibTorch tells).
std::string zip_directory(const fs::path& file) {
  std::ifstream stream(file, std::ios::binary);
  const uint64_t size = fs::file_size(file);
  const uint64_t tail_begin = size - std::min<uint64_t>(size, 22 + 20 + UINT16_MAX);
  const std::string tail = part_of(stream, tail_begin, size - tail_begin);
  const size_t end = tail.rfind("PK\5\6");
  if (end == std::string::npos) return {};
  uint64_t begin = number_at<uint32_t>(tail, end + 16), length = number_at<uint32_t>(tail, end + 12);
  if (end >= 20 && tail.compare(end - 20, 4, "PK\6\7") == 0) {
    const std::string wide = part_of(stream, number_at<uint64_t>(tail, end - 20 + 8), 56);
    if (wide.starts_with("PK\6\6")) begin = number_at<uint64_t>(wide, 48), length = number_at<uint64_t>(wide, 40);
  }
  if (begin > size || length > size - begin) return {};
  return part_of(stream, begin, length);
}

/// The size of a record when unpacked: in its own field, or with zip64 the first number of the extra field 1.
uint64_t unpacked_size(std::string_view entry, size_t name_length, size_t extra_length) {
  const uint32_t narrow = number_at<uint32_t>(entry, 24);
  if (narrow != UINT32_MAX) return narrow;
  const std::string_view extra = entry.substr(std::min(entry.size(), 46 + name_length)).substr(0, extra_length);
  for (size_t at = 0; at + 4 <= extra.size(); at += 4 + number_at<uint16_t>(extra, at + 2))
    if (number_at<uint16_t>(extra, at) == 1) return number_at<uint64_t>(extra, at + 4);
  return narrow;
}

/// LibTorch takes the memory that the archive's directory names before it unpacks: records of zeros shrink to a
/// thousandth, and many entries may name the same bytes.
void check_unpacked_size(const fs::path& file) {
  const std::string directory = zip_directory(file);
  const uint64_t limit = memory_limit(file);
  uint64_t total = 0;
  for (std::string_view rest = directory; rest.starts_with("PK\1\2") && rest.size() >= 46;) {
    const size_t name = number_at<uint16_t>(rest, 28), extra = number_at<uint16_t>(rest, 30);
    if (__builtin_add_overflow(total, unpacked_size(rest, name, extra), &total) || total > limit)
      fail(file, "its records unpack to more than " + std::to_string(limit) +
                     " bytes, four times the file and 64 MiB; torch.save does not compress weights: is it damaged?");
    rest.remove_prefix(std::min(rest.size(), 46 + name + extra + number_at<uint16_t>(rest, 32)));
  }
}

/// Tensors over the records of one archive; those that share a storage share it here too.
class ArchiveTensors {
 public:
  /// @param limit  bytes that tensors may take which are not a stretch of their record
  ArchiveTensors(caffe2::serialize::PyTorchStreamReader& archive, uint64_t limit) : archive_(archive), left_(limit) {}

  at::Tensor make(const std::string& key, at::ScalarType dtype, int64_t offset, const std::vector<int64_t>& sizes,
                  const std::vector<int64_t>& strides) {
    at::Storage& storage = storage_of(key);
    const int64_t available = static_cast<int64_t>(storage.nbytes() / at::elementSize(dtype));
    if (sizes.size() != strides.size() || count_elements(sizes) < 0) throw std::runtime_error("damaged tensor shape");
    int64_t last = offset;  // place of the last element
    for (size_t d = 0; d < sizes.size(); ++d) {
      int64_t extent = 0;
      if (strides[d] < 0 || __builtin_mul_overflow(std::max<int64_t>(sizes[d] - 1, 0), strides[d], &extent) ||
          __builtin_add_overflow(last, extent, &last))
        throw std::runtime_error("damaged tensor strides");
    }
    const at::Tensor tensor = at::empty({0}, at::TensorOptions(dtype));
    if (count_elements(sizes) == 0) return at::empty(sizes, at::TensorOptions(dtype));
    if (offset < 0 || last >= available) throw std::runtime_error("a tensor reaches beyond its record data/" + key);
    tensor.set_(storage, offset, sizes, strides);
    if (!tensor.is_contiguous()) spend(static_cast<uint64_t>(count_elements(sizes)), at::elementSize(dtype));
    return tensor.contiguous();
  }

 private:
  /// A stride of 0 makes a tensor of any size out of one number.
  void spend(uint64_t count, uint64_t element) {
    if (count > left_ / element)
      throw std::runtime_error("its tensors repeat their bytes beyond four times the file and 64 MiB");
    left_ -= count * element;
  }

  at::Storage& storage_of(const std::string& key) {
    const auto found = storages_.find(key);
    if (found != storages_.end()) return found->second;
    auto [data, size] = archive_.getRecord("data/" + key);
    return storages_.emplace(key, at::Storage(at::Storage::use_byte_size_t(), size, std::move(data), nullptr, false))
        .first->second;
  }

  caffe2::serialize::PyTorchStreamReader& archive_;
  uint64_t left_;
  std::map<std::string, at::Storage> storages_;
};

/// The entries of a state dict, or the parameters and buffers of a TorchScript module and the modules inside it.
/// @param left  entries that may still come: modules that share modules that share modules have no end
void collect(const fs::path& file, const Pickled& value, const std::string& prefix, int depth, int64_t& left,
             StateDict& weights) {
  if (depth > 100) fail(file, "its modules are nested more than 100 deep");
  for (const auto& [key, entry] : value.members) {
    if (--left < 0) fail(file, "its modules hold more than a million entries");
    if (prefix.size() + key->text.size() > 1000)
      fail(file, "a name of " + std::to_string(prefix.size() + key->text.size()) + " characters");
    const std::string name = prefix + key->text;
    if (entry->kind == Pickled::Kind::tensor)
      weights[name] = entry->tensor;
    else if (entry->kind == Pickled::Kind::object && value.kind == Pickled::Kind::object)
      collect(file, *entry, name + ".", depth + 1, left, weights);
    else if (value.kind != Pickled::Kind::object)  // a module has attributes beside its tensors, a state dict has not
      fail(file,
           "\"" + name + "\" is no tensor; expected a state dict, as torch.save(model.state_dict(), file) writes it");
  }
}

const Pickled& state_dict_in(const Pickled& root) {
  for (const auto& [key, entry] : root.members)
    if (key->text == "state_dict" && entry->kind == Pickled::Kind::dict) return *entry;
  return root;
}

StateDict read_torch_zip(const fs::path& file) {
  check_unpacked_size(file);
  try {
    caffe2::serialize::PyTorchStreamReader archive(file.string());
    if (!archive.hasRecord("data.pkl")) fail(file, "is a zip archive without data.pkl: not a file of torch.save");
    if (archive.hasRecord("byteorder")) {
      const auto [order, size] = archive.getRecord("byteorder");
      if (std::string_view(static_cast<const char*>(order.get()), size) != "little")
        fail(file, "was written on a big-endian machine, which is not supported");
    }
    ArchiveTensors tensors(archive, memory_limit(file));
    const auto [data, size] = archive.getRecord("data.pkl");
    const PickledRef root =
        detail::read_pickle({static_cast<const char*>(data.get()), size},
                            [&](const auto& key, auto dtype, auto offset, const auto& sizes, const auto& strides) {
                              return tensors.make(key, dtype, offset, sizes, strides);
                            });
    if (root->kind != Pickled::Kind::dict && root->kind != Pickled::Kind::object)
      fail(file, "holds no state dict; write one with torch.save(model.state_dict(), file)");
    if (root->kind == Pickled::Kind::object && !root->text.starts_with("__torch__."))
      fail(file, "holds an object of class " + root->text +
                     ", not a state dict; write one with torch.save(model.state_dict(), file)");
    StateDict weights;
    int64_t left = 1'000'000;
    collect(file, state_dict_in(*root), "", 0, left, weights);
    return weights;
  } catch (const InputError&) {
    throw;
  } catch (const c10::Error& error) {
    fail(file, "is damaged or truncated: " + first_line(error.what_without_backtrace()));
  } catch (const std::runtime_error& error) {
    fail(file, first_line(error.what()));
  }
}

[[noreturn]] void refuse_old_format(const fs::path& file) {
  const std::string from = file.string(), to = fs::path(file).replace_extension(".zip.pt").string();
  fail(file,
       "is in PyTorch's format from before 1.6 (no zip), or a bare pickle, which is not read; convert it with: python3 "
       "-c \"import "
       "torch; torch.save(torch.load('" +
           from + "', map_location='cpu'), '" + to + "')\"");
}

void remove_shared_prefix(StateDict& weights, const std::string& prefix) {
  for (const auto& [name, tensor] : weights)
    if (!name.starts_with(prefix)) return;
  StateDict shorter;
  for (auto& [name, tensor] : weights) shorter[name.substr(prefix.size())] = std::move(tensor);
  weights = std::move(shorter);
}

// ---- into a module ----

std::string shape_text(const at::Tensor& tensor) {
  std::string text;
  for (const int64_t size : tensor.sizes()) text += (text.empty() ? "" : ", ") + std::to_string(size);
  return "[" + text + "]";
}

/// "3 missing (a, b, c)"; long lists are cut, their length is told.
std::string listing(const std::vector<std::string>& names, const std::string& what) {
  constexpr size_t kShown = 12;
  if (names.empty()) return "";
  std::string text = "; " + std::to_string(names.size()) + " " + what + ": ";
  for (size_t i = 0; i < std::min(names.size(), kShown); ++i) text += (i > 0 ? ", " : "") + names[i];
  return names.size() > kShown ? text + ", ..." : text;
}

bool starts_with_any(const std::string& name, const std::vector<std::string>& prefixes) {
  return std::any_of(prefixes.begin(), prefixes.end(), [&](const auto& prefix) { return name.starts_with(prefix); });
}

bool ends_with_any(const std::string& name, const std::vector<std::string>& suffixes) {
  return std::any_of(suffixes.begin(), suffixes.end(), [&](const auto& suffix) { return name.ends_with(suffix); });
}

}  // namespace

StateDict read_state_dict(const fs::path& file) {
  char magic[4] = {};
  if (!fs::exists(file)) fail(file, "does not exist, expected a file of weights");
  if (fs::is_directory(file)) fail(file, "is a folder, expected a file of weights");
  if (!fs::is_regular_file(file)) fail(file, "is a pipe or a device, expected a file of weights");
  std::ifstream stream(file, std::ios::binary);
  if (!stream) fail(file, "cannot be read");
  stream.read(magic, sizeof magic);
  if (stream.gcount() < 4) fail(file, "holds " + std::to_string(stream.gcount()) + " bytes; expected weights");
  StateDict weights;
  if (std::memcmp(magic, "PK\3\4", 4) == 0)
    weights = read_torch_zip(file);
  else if (file.extension() == ".safetensors")
    weights = read_safetensors(file);
  else if (magic[0] == '\x80')
    refuse_old_format(file);
  else
    weights = read_safetensors(file);
  if (weights.empty()) fail(file, "holds no tensors");
  remove_shared_prefix(weights, "module.");
  return weights;
}

LoadReport load_state_dict(torch::nn::Module& module, const StateDict& weights, const LoadOptions& options) {
  std::map<std::string, at::Tensor> own;
  for (const auto& parameter : module.named_parameters()) own[parameter.key()] = parameter.value();
  for (const auto& buffer : module.named_buffers()) own[buffer.key()] = buffer.value();

  LoadReport report;
  std::vector<std::string> missing, unexpected, misshaped;
  for (const auto& [name, tensor] : weights) {
    const auto found = own.find(name);
    if (found == own.end())
      (starts_with_any(name, options.ignored_prefixes) ? report.ignored : unexpected).push_back(name);
    else if (found->second.sizes() != tensor.sizes())
      misshaped.push_back(name + " is " + shape_text(tensor) + ", expected " + shape_text(found->second));
    else
      report.loaded.push_back(name);
  }
  for (const auto& [name, tensor] : own)
    if (!weights.contains(name) && !ends_with_any(name, options.optional_suffixes)) missing.push_back(name);
  if (!missing.empty() || !unexpected.empty() || !misshaped.empty())
    throw InputError(options.source + ": does not fit the model" + listing(missing, "missing") +
                     listing(unexpected, "unexpected") + listing(misshaped, "of another shape"));

  at::NoGradGuard no_grad;
  for (const std::string& name : report.loaded) own[name].copy_(weights.at(name));
  return report;
}

}  // namespace v1
}  // namespace orbweaver
