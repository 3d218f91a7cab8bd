// Files: whole reads, atomic writes, content hashes. Errors name the file and the reason.
#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <functional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace orbweaver {

/// Like all that reads here, of regular files alone: pipes and devices, which may have no end, are refused.
/// @throws InputError naming the file and the system's reason.
std::string read_file(const std::filesystem::path& path);

/// Lines without their end (LF or CRLF); a last empty line is not counted.
std::vector<std::string> read_lines(const std::filesystem::path& path);

/// Writes to a temporary name beside `path`, syncs, renames: a reader sees the old file or the whole new one.
/// `write` is called with the descriptor of the temporary file. Creates missing folders. Temporary files that killed
/// writers of the same `path` left are removed.
void write_atomically(const std::filesystem::path& path, const std::function<void(int descriptor)>& write);
void write_atomically(const std::filesystem::path& path, std::string_view content);

/// Removes a temporary file of write_atomically whose writer was killed; leaves one that is being written, which its
/// writer holds locked.
/// @param old  whether its age shows that nobody writes to it any more: it goes where the file system has no locks.
///             Where the clock of such a file system is off by more than that age, a write may fail for it, and is
///             told.
/// @return     whether it was removed
bool remove_leftover(const std::filesystem::path& temporary, bool old = false);

/// Writes all bytes to a descriptor. @throws Error with the system's reason ("No space left on device").
void write_all(int descriptor, std::span<const std::byte> bytes);

/// XXH3-128 of bytes or of a file's content, 32 hexadecimal digits. For identity, not for security.
class Hasher {
 public:
  Hasher();
  ~Hasher();
  Hasher(const Hasher&) = delete;
  Hasher& operator=(const Hasher&) = delete;
  Hasher& add(std::span<const std::byte> bytes);
  /// Adds the length too, so that ("ab", "c") and ("a", "bc") differ.
  Hasher& add(std::string_view text);
  std::string hex() const;

 private:
  void* state_;
};
std::string hash_bytes(std::span<const std::byte> bytes);
std::string hash_text(std::string_view text);
std::string hash_file(const std::filesystem::path& path);

/// A read-only memory map of a whole file.
class MappedFile {
 public:
  explicit MappedFile(const std::filesystem::path& path);
  ~MappedFile();
  MappedFile(const MappedFile&) = delete;
  MappedFile& operator=(const MappedFile&) = delete;
  std::span<const std::byte> bytes() const { return {data_, size_}; }

 private:
  const std::byte* data_ = nullptr;
  size_t size_ = 0;
};

}  // namespace orbweaver
