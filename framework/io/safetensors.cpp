#include "framework/io/safetensors.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <bit>
#include <cstring>
#include <string_view>

#include "framework/io/json.h"
#include "orbweaver/error.h"

namespace orbweaver {
namespace {

static_assert(std::endian::native == std::endian::little, "the header's length is written in memory order");

constexpr std::string_view metadata_key = "__metadata__";
constexpr std::string_view checksum_key = "orbweaver.checksum";
// The bound of the format's own readers.
constexpr uint64_t longest_header = 100'000'000;

/// Of names, dtypes, shapes, bytes and the other metadata: everything but the layout.
std::string checksum(const std::map<std::string, TensorEntry>& tensors,
                     const std::map<std::string, std::string>& metadata) {
  Hasher hasher;
  for (const auto& [key, value] : metadata)
    if (key != checksum_key) hasher.add(std::string_view(key)).add(std::string_view(value));
  for (const auto& [name, entry] : tensors) {
    hasher.add(std::string_view(name)).add(std::string_view(entry.dtype));
    hasher.add(std::string_view(fmt::format("{}", fmt::join(entry.shape, ",")))).add(entry.bytes);
  }
  return "xxh3-128:" + hasher.hex();
}

/// Bytes of a tensor; -1 (all ones) when they do not fit 64 bits, which no file can hold.
uint64_t byte_count(const TensorEntry& entry) {
  uint64_t bytes = dtype_size(entry.dtype);
  for (const int64_t size : entry.shape)
    if (size < 0 || __builtin_mul_overflow(bytes, static_cast<uint64_t>(size), &bytes)) return UINT64_MAX;
  return bytes;
}

std::string shape_text(const TensorEntry& entry) {
  return fmt::format("{} [{}]", entry.dtype, fmt::join(entry.shape, ", "));
}

uint64_t offset_of(const Value& value) {
  const int64_t offset = value.as_int();
  if (offset < 0) throw InputError(fmt::format("offset {} is negative", offset));
  return static_cast<uint64_t>(offset);
}

/// One member of the header. @throws InputError without the file's name.
TensorEntry parse_entry(const Value& description, std::span<const std::byte> data) {
  TensorEntry entry;
  entry.dtype = description.at("dtype").as_string();
  for (const Value& size : description.at("shape").as_list()) entry.shape.push_back(size.as_int());
  const Value::List& offsets = description.at("data_offsets").as_list();
  if (offsets.size() != 2) throw InputError(fmt::format("{} data_offsets, expected begin and end", offsets.size()));
  const uint64_t begin = offset_of(offsets[0]), end = offset_of(offsets[1]);
  if (begin > end || end > data.size())
    throw InputError(fmt::format("bytes {} to {}, but the file holds {} bytes of data; it is cut short or damaged",
                                 begin, end, data.size()));
  if (byte_count(entry) != end - begin)
    throw InputError(fmt::format("{} bytes do not fit {}", end - begin, shape_text(entry)));
  entry.bytes = data.subspan(begin, end - begin);
  return entry;
}

/// The format allows no byte to belong to two tensors, nor to none.
void check_cover(const std::map<std::string, TensorEntry>& tensors, std::span<const std::byte> data,
                 const std::string& where) {
  std::vector<std::pair<const std::byte*, const std::string*>> order;
  for (const auto& [name, entry] : tensors)
    if (!entry.bytes.empty()) order.emplace_back(entry.bytes.data(), &name);
  std::sort(order.begin(), order.end());
  const std::byte* at = data.data();
  for (const auto& [begin, name] : order) {
    if (begin < at) throw InputError(fmt::format("{}: tensor \"{}\" overlaps another tensor's bytes", where, *name));
    if (begin > at)
      throw InputError(fmt::format("{}: {} bytes before tensor \"{}\" belong to none", where, begin - at, *name));
    at += tensors.at(*name).bytes.size();
  }
  if (const auto rest = data.data() + data.size() - at; rest != 0)
    throw InputError(fmt::format("{}: {} bytes at the end belong to no tensor", where, rest));
}

}  // namespace

size_t dtype_size(const std::string& dtype) {
  static const std::map<std::string, size_t> sizes{
      {"BOOL", 1}, {"U8", 1},  {"I8", 1},  {"F8_E4M3", 1}, {"F8_E5M2", 1}, {"U16", 2}, {"I16", 2}, {"F16", 2},
      {"BF16", 2}, {"U32", 4}, {"I32", 4}, {"F32", 4},     {"U64", 8},     {"I64", 8}, {"F64", 8}, {"C64", 8}};
  const auto found = sizes.find(dtype);
  if (found == sizes.end())
    throw InputError(
        fmt::format("dtype \"{}\" is unknown, expected F64, F32, F16, BF16, I64, I32, I16, I8, U8, BOOL, ...", dtype));
  return found->second;
}

SafetensorsFile::SafetensorsFile(const std::filesystem::path& path)
    : path_(path), map_(std::make_unique<MappedFile>(path)) {
  const std::string where = path.string();
  const std::span<const std::byte> bytes = map_->bytes();
  if (bytes.size() < 8)
    throw InputError(fmt::format("{}: {} bytes are too few for a safetensors file", where, bytes.size()));
  uint64_t length = 0;
  std::memcpy(&length, bytes.data(), 8);
  if (length > bytes.size() - 8 || length > longest_header || length < 2)
    throw InputError(fmt::format("{}: is not a safetensors file, or is cut short: a header of {} bytes in a file of {}",
                                 where, length, bytes.size()));
  const std::string_view text(reinterpret_cast<const char*>(bytes.data()) + 8, length);
  if (text.front() != '{')
    throw InputError(fmt::format("{}: is not a safetensors file: its header does not start with \"{{\"", where));
  const Value header = parse_json(text, where + " (header)");
  const std::span<const std::byte> data = bytes.subspan(8 + length);

  for (const auto& [name, description] : header.as_object()) {
    try {
      if (name == metadata_key) {
        for (const auto& [key, value] : description.as_object()) metadata_.emplace(key, value.as_string());
      } else {
        tensors_.emplace(name, parse_entry(description, data));
      }
    } catch (const InputError& error) {
      throw InputError(fmt::format("{}: \"{}\": {}", where, name, error.what()));
    }
  }
  check_cover(tensors_, data, where);
  const auto stored = metadata_.find(std::string(checksum_key));
  if (stored != metadata_.end() && stored->second != checksum(tensors_, metadata_))
    throw InputError(fmt::format("{}: is damaged: its content does not match its checksum {}", where, stored->second));
}

void SafetensorsFile::require_checksum() const {
  if (!metadata_.contains(std::string(checksum_key)))
    throw InputError(fmt::format("{}: is damaged, or was written by another program: it lacks the checksum \"{}\"",
                                 path_.string(), checksum_key));
}

const TensorEntry& SafetensorsFile::at(const std::string& name) const {
  const auto found = tensors_.find(name);
  if (found == tensors_.end())
    throw InputError(
        fmt::format("{}: has no tensor \"{}\" (it holds {} tensors)", path_.string(), name, tensors_.size()));
  return found->second;
}

void write_safetensors(const std::filesystem::path& path, const std::map<std::string, TensorEntry>& tensors,
                       const std::map<std::string, std::string>& metadata) {
  std::vector<const std::pair<const std::string, TensorEntry>*> order;
  for (const auto& tensor : tensors) {
    const auto& [name, entry] = tensor;
    if (name == metadata_key) throw Error(fmt::format("{}: \"{}\" cannot name a tensor", path.string(), name));
    if (byte_count(entry) != entry.bytes.size())
      throw ShapeError(fmt::format("{}: tensor \"{}\": {} bytes do not fit {}", path.string(), name, entry.bytes.size(),
                                   shape_text(entry)));
    order.push_back(&tensor);
  }
  // The format allows no gaps, so wide elements go first: then every tensor is aligned to its own elements.
  std::stable_sort(order.begin(), order.end(), [](const auto* a, const auto* b) {
    return dtype_size(a->second.dtype) > dtype_size(b->second.dtype);
  });

  Value strings = Value::object();
  for (const auto& [key, value] : metadata) strings[key] = value;
  strings[checksum_key] = checksum(tensors, metadata);
  Value header = Value::object();
  header[metadata_key] = std::move(strings);
  uint64_t offset = 0;
  for (const auto* tensor : order) {
    const auto& [name, entry] = *tensor;
    Value description = Value::object();
    description["dtype"] = entry.dtype;
    description["shape"] = Value(Value::List(entry.shape.begin(), entry.shape.end()));
    description["data_offsets"] = Value(Value::List{Value(offset), Value(offset + entry.bytes.size())});
    header.as_object().emplace_back(name, std::move(description));
    offset += entry.bytes.size();
  }
  std::string text = to_json(header, -1);
  if (parse_json(text, path.string()) != header)
    throw Error(
        fmt::format("{}: a tensor name or metadata is not valid UTF-8, which the format asks for", path.string()));
  text.append((8 - text.size() % 8) % 8, ' ');
  const uint64_t length = text.size();

  write_atomically(path, [&](int descriptor) {
    write_all(descriptor, std::as_bytes(std::span(&length, 1)));
    write_all(descriptor, std::as_bytes(std::span(text)));
    for (const auto* tensor : order) write_all(descriptor, tensor->second.bytes);
  });
}

}  // namespace orbweaver
