#include "framework/io/files.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>
#include <xxhash.h>

#include <atomic>
#include <cerrno>
#include <cstring>
#include <map>
#include <mutex>

#include "framework/io/file_lock.h"
#include "orbweaver/error.h"

namespace orbweaver {
namespace fs = std::filesystem;
namespace {

class Descriptor {
 public:
  explicit Descriptor(int descriptor) : descriptor_(descriptor) {}
  ~Descriptor() {
    if (descriptor_ >= 0) close(descriptor_);
  }
  Descriptor(const Descriptor&) = delete;
  Descriptor& operator=(const Descriptor&) = delete;
  int get() const { return descriptor_; }

 private:
  int descriptor_;
};

[[noreturn]] void fail_reading(const fs::path& path) {
  throw InputError(fmt::format("{}: cannot be read: {}", path.string(), std::strerror(errno)));
}

const char* kind_of(mode_t mode) {
  if (S_ISDIR(mode)) return "a folder";
  if (S_ISFIFO(mode)) return "a pipe";
  if (S_ISSOCK(mode)) return "a socket";
  return "a device";
}

/// Regular files alone: /dev/zero has no end, and a pipe may have none.
int open_for_reading(const fs::path& path) {
  // Not to wait for the other end of a pipe that is refused anyway.
  const int descriptor = open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
  if (descriptor < 0) fail_reading(path);
  struct stat info {};
  if (fstat(descriptor, &info) == 0 && !S_ISREG(info.st_mode)) {
    close(descriptor);
    throw InputError(fmt::format("{}: is {}, expected a file", path.string(), kind_of(info.st_mode)));
  }
  return descriptor;
}

void sync_folder(const fs::path& folder) {
  const Descriptor descriptor(open(folder.empty() ? "." : folder.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (descriptor.get() >= 0) fsync(descriptor.get());
}

bool is_unlinked(int descriptor) {
  struct stat info {};
  return fstat(descriptor, &info) == 0 && info.st_nlink == 0;
}

std::string temporary_name(const fs::path& path, unsigned number) {
  return fmt::format(".{}.{}.{}.tmp", path.filename().string(), getpid(), number);
}

/// "last.safetensors" of ".last.safetensors.4711.0.tmp"; empty for what is no temporary_name().
std::string target_of(const std::string& name) {
  if (!name.starts_with('.') || !name.ends_with(".tmp")) return {};
  std::string target = name.substr(1, name.size() - 5);
  for (int numbers = 0; numbers < 2; ++numbers) {
    const size_t dot = target.rfind('.');
    if (dot == std::string::npos || dot + 1 == target.size()) return {};
    if (target.find_first_not_of("0123456789", dot + 1) != std::string::npos) return {};
    target.resize(dot);
  }
  return target;
}

/// Removes what killed writers of `path` left. A folder is listed once in a process, at its first write there: one that
/// writes many files would else list it for each.
void remove_leftovers_of(const fs::path& path) {
  using Leftovers = std::multimap<std::string, fs::path>;
  static std::mutex mutex;
  static std::map<fs::path, Leftovers> seen;
  const std::lock_guard guard(mutex);
  const fs::path folder = path.has_parent_path() ? path.parent_path() : fs::path(".");
  const auto [entry, first] = seen.try_emplace(folder);
  Leftovers& leftovers = entry->second;
  std::error_code error;
  if (first)
    for (fs::directory_iterator at(folder, error), end; !error && at != end; at.increment(error))
      if (const std::string target = target_of(at->path().filename().string()); !target.empty())
        leftovers.emplace(target, at->path());
  const auto [begin, end] = leftovers.equal_range(path.filename().string());
  for (auto leftover = begin; leftover != end; ++leftover) remove_leftover(leftover->second);
  leftovers.erase(begin, end);
}

/// A new temporary file for `path`, locked where the file system has locks. @return its descriptor, or -1 and errno
int open_temporary(const fs::path& path, fs::path& temporary) {
  static std::atomic<unsigned> counter{0};
  for (;;) {
    temporary = path.parent_path() / temporary_name(path, counter++);
    const int descriptor = open(temporary.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0666);
    // A name that exists is a killed process's whose number came round again, or another machine's.
    if (descriptor < 0 && errno == EEXIST) continue;
    // Who cleans up may have taken it for a leftover before it was locked.
    if (descriptor < 0 || (FileLock::lock(descriptor) != EWOULDBLOCK && !is_unlinked(descriptor))) return descriptor;
    close(descriptor);
  }
}

}  // namespace

bool remove_leftover(const fs::path& temporary, bool old) {
  const Descriptor descriptor(open(temporary.c_str(), O_RDWR | O_CLOEXEC | O_NONBLOCK | O_NOFOLLOW));
  if (descriptor.get() < 0) return false;
  const int error = FileLock::lock(descriptor.get());
  const bool held = error == EWOULDBLOCK || error == EACCES;
  return (error == 0 || (old && !held)) && unlink(temporary.c_str()) == 0;
}

std::string read_file(const fs::path& path) {
  const Descriptor descriptor(open_for_reading(path));
  std::string content;
  char buffer[1 << 16];
  for (;;) {
    const ssize_t count = read(descriptor.get(), buffer, sizeof buffer);
    if (count < 0 && errno == EINTR) continue;
    if (count < 0) fail_reading(path);
    if (count == 0) return content;
    content.append(buffer, static_cast<size_t>(count));
  }
}

std::vector<std::string> read_lines(const fs::path& path) {
  const std::string content = read_file(path);
  std::vector<std::string> lines;
  for (size_t begin = 0; begin < content.size();) {
    const size_t end = std::min(content.find('\n', begin), content.size());
    size_t last = end;
    if (last > begin && content[last - 1] == '\r') --last;
    lines.emplace_back(content, begin, last - begin);
    begin = end + 1;
  }
  return lines;
}

void write_all(int descriptor, std::span<const std::byte> bytes) {
  while (!bytes.empty()) {
    const ssize_t count = write(descriptor, bytes.data(), std::min<size_t>(bytes.size(), 1 << 26));
    if (count < 0 && errno == EINTR) continue;
    if (count < 0) throw Error(std::strerror(errno));
    bytes = bytes.subspan(static_cast<size_t>(count));
  }
}

void write_atomically(const fs::path& path, const std::function<void(int)>& write) {
  const fs::path folder = path.parent_path();
  std::error_code error;
  if (!folder.empty()) fs::create_directories(folder, error);
  remove_leftovers_of(path);
  fs::path temporary;
  // Open, and so locked, until it has its name.
  const Descriptor descriptor(open_temporary(path, temporary));
  const auto fail = [&](const std::string& reason) {
    unlink(temporary.c_str());
    throw Error(fmt::format("{}: cannot be written: {}", path.string(), reason));
  };
  // Where the folder could not be made, why it is missing counts, not that it is.
  if (descriptor.get() < 0) fail(errno == ENOENT && error ? error.message() : std::strerror(errno));
  try {
    write(descriptor.get());
  } catch (const std::exception& cause) {
    fail(cause.what());
  }
  if (fsync(descriptor.get()) != 0) fail(std::strerror(errno));
  if (rename(temporary.c_str(), path.c_str()) != 0) fail(std::strerror(errno));
  sync_folder(folder);
}

void write_atomically(const fs::path& path, std::string_view content) {
  write_atomically(path, [&](int descriptor) { write_all(descriptor, std::as_bytes(std::span(content))); });
}

Hasher::Hasher() : state_(XXH3_createState()) { XXH3_128bits_reset(static_cast<XXH3_state_t*>(state_)); }
Hasher::~Hasher() { XXH3_freeState(static_cast<XXH3_state_t*>(state_)); }

Hasher& Hasher::add(std::span<const std::byte> bytes) {
  XXH3_128bits_update(static_cast<XXH3_state_t*>(state_), bytes.data(), bytes.size());
  return *this;
}

Hasher& Hasher::add(std::string_view text) {
  const uint64_t size = text.size();
  add(std::as_bytes(std::span(&size, 1)));
  return add(std::as_bytes(std::span(text)));
}

std::string Hasher::hex() const {
  const XXH128_hash_t hash = XXH3_128bits_digest(static_cast<const XXH3_state_t*>(state_));
  return fmt::format("{:016x}{:016x}", hash.high64, hash.low64);
}

std::string hash_bytes(std::span<const std::byte> bytes) { return Hasher().add(bytes).hex(); }
std::string hash_text(std::string_view text) { return hash_bytes(std::as_bytes(std::span(text))); }

std::string hash_file(const fs::path& path) {
  // Read, not mapped: of a hundred thousand small files most of the time would go into mapping.
  const Descriptor descriptor(open_for_reading(path));
  Hasher hasher;
  std::vector<std::byte> buffer(1 << 16);
  for (;;) {
    const ssize_t count = read(descriptor.get(), buffer.data(), buffer.size());
    if (count < 0 && errno == EINTR) continue;
    if (count < 0) fail_reading(path);
    if (count == 0) return hasher.hex();
    hasher.add(std::span(buffer).first(static_cast<size_t>(count)));
  }
}

MappedFile::MappedFile(const fs::path& path) {
  const Descriptor descriptor(open_for_reading(path));
  struct stat info {};
  if (fstat(descriptor.get(), &info) != 0) fail_reading(path);
  size_ = static_cast<size_t>(info.st_size);
  if (size_ == 0) return;
  void* data = mmap(nullptr, size_, PROT_READ, MAP_PRIVATE, descriptor.get(), 0);
  if (data == MAP_FAILED) fail_reading(path);
  data_ = static_cast<const std::byte*>(data);
}

MappedFile::~MappedFile() {
  if (data_) munmap(const_cast<std::byte*>(data_), size_);
}

}  // namespace orbweaver
