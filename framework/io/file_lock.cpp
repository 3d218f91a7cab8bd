#include "framework/io/file_lock.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

#include "framework/io/files.h"
#include "orbweaver/error.h"

namespace orbweaver {
namespace fs = std::filesystem;
namespace {

/// Whether the descriptor's file is still the one at `file`: where a holder removed it with its lock, who opened it
/// before would hold a lock that nobody else can see.
bool is_at(int descriptor, const fs::path& file) {
  struct stat open_file {
  }, at_path{};
  return fstat(descriptor, &open_file) == 0 && stat(file.c_str(), &at_path) == 0 &&
         open_file.st_ino == at_path.st_ino && open_file.st_dev == at_path.st_dev;
}

}  // namespace

int FileLock::lock(int descriptor) {
  int result = 0;
  do result = flock(descriptor, LOCK_EX | LOCK_NB);
  while (result != 0 && errno == EINTR);
  return result == 0 ? 0 : errno;
}

FileLock::~FileLock() {
  if (descriptor_ >= 0) close(descriptor_);
}

FileLock::State FileLock::try_take() {
  if (descriptor_ >= 0) return State::taken;
  for (;;) {
    // For writing: NFS gives exclusive locks on no other descriptor.
    const int descriptor = open(file_.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0666);
    if (descriptor < 0) {
      reason_ = fmt::format("cannot be opened: {}", std::strerror(errno));
      return State::unavailable;
    }
    const int error = lock(descriptor);
    if (error == 0 && is_at(descriptor, file_)) {
      descriptor_ = descriptor;
      return State::taken;
    }
    close(descriptor);
    if (error == 0) continue;
    if (error == EWOULDBLOCK || error == EACCES) return State::held;
    reason_ = fmt::format("cannot be locked: {}; it needs a file system with locks", std::strerror(error));
    return State::unavailable;
  }
}

bool FileLock::take_if_free() {
  const State state = try_take();
  if (state == State::unavailable) throw Error(fmt::format("{}: {}", file_.string(), reason_));
  return state == State::taken;
}

void FileLock::remove() {
  if (descriptor_ < 0) return;
  if (is_at(descriptor_, file_)) unlink(file_.c_str());
  close(descriptor_);
  descriptor_ = -1;
}

void FileLock::sign() const {
  const std::string pid = fmt::format("{}\n", getpid());
  if (descriptor_ < 0 || ftruncate(descriptor_, 0) != 0) return;
  if (pwrite(descriptor_, pid.data(), pid.size(), 0) < 0) return;
}

std::string FileLock::holder() const {
  try {
    const std::string text = read_file(file_);
    std::string word = text.substr(0, text.find('\n'));
    if (!word.empty()) return word;
  } catch (const Error&) {
    return "unknown";  // it was given back meanwhile
  }
  return "unknown";
}

}  // namespace orbweaver
