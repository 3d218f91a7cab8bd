// The safetensors format, without tensors: names, dtypes, shapes and bytes.
#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <map>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "framework/io/files.h"

namespace orbweaver {

/// One tensor's place: dtype as the format spells it ("F32", "F16", "BF16", "F64", "I64", "I32", "U8", "BOOL", ...).
struct TensorEntry {
  std::string dtype;
  std::vector<int64_t> shape;
  std::span<const std::byte> bytes;  ///< row-major, little endian
};

/// Bytes of one element of a dtype. @throws InputError on an unknown dtype.
size_t dtype_size(const std::string& dtype);

/// A file open for reading, memory-mapped; entries stay valid while it lives.
class SafetensorsFile {
 public:
  /// Checks the header against the file: sizes, shapes, overlaps and gaps. A checksum that `write_safetensors` left in
  /// the metadata is verified. Other writers' tensors may lie unaligned. @throws InputError naming the file.
  explicit SafetensorsFile(const std::filesystem::path& path);

  const std::map<std::string, TensorEntry>& tensors() const { return tensors_; }
  const std::map<std::string, std::string>& metadata() const { return metadata_; }
  /// @throws InputError when the file has no tensor of that name.
  const TensorEntry& at(const std::string& name) const;
  const std::filesystem::path& path() const { return path_; }
  /// For files that only `write_safetensors` writes: without a checksum a bit has flipped in its very name.
  /// @throws InputError where the metadata has none.
  void require_checksum() const;

 private:
  std::filesystem::path path_;
  std::unique_ptr<MappedFile> map_;
  std::map<std::string, TensorEntry> tensors_;
  std::map<std::string, std::string> metadata_;
};

/// Writes atomically, with a checksum of the tensors and the other metadata under the metadata key
/// "orbweaver.checksum". Tensors with wider elements come first, then by name: the format allows no gaps, and so each
/// is aligned to its elements. The same content gives the same bytes. Names and metadata are UTF-8.
/// @throws ShapeError if an entry's bytes do not fit its dtype and shape; Error if the file cannot be written.
void write_safetensors(const std::filesystem::path& path, const std::map<std::string, TensorEntry>& tensors,
                       const std::map<std::string, std::string>& metadata);

}  // namespace orbweaver
