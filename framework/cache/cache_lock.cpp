#include "framework/cache/cache_lock.h"

#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>

namespace orbweaver {
namespace fs = std::filesystem;
namespace {

int64_t time_of(const struct stat& info) {
  return static_cast<int64_t>(info.st_mtim.tv_sec) * 1'000'000'000 + info.st_mtim.tv_nsec;
}

/// Whether the descriptor's file is still the one at `file`: a holder removes the file with the lock, and who opened
/// it before would hold a lock that nobody else can see.
bool is_at(int descriptor, const fs::path& file) {
  struct stat open_file {
  }, at_path{};
  return fstat(descriptor, &open_file) == 0 && stat(file.c_str(), &at_path) == 0 &&
         open_file.st_ino == at_path.st_ino && open_file.st_dev == at_path.st_dev;
}

/// flock, which Linux makes a lock of the server where the file is on NFS; that asks for a descriptor open for writing.
bool lock(int descriptor) {
  int result = 0;
  do result = flock(descriptor, LOCK_EX | LOCK_NB);
  while (result != 0 && errno == EINTR);
  return result == 0;
}

}  // namespace

CacheLock::CacheLock(fs::path file, std::chrono::milliseconds heartbeat)
    : file_(std::move(file)), heartbeat_(heartbeat) {}

CacheLock::~CacheLock() {
  if (descriptor_ < 0) return;
  {
    const std::lock_guard guard(mutex_);
    releasing_ = true;
  }
  released_.notify_one();
  if (heart_.joinable()) heart_.join();
  if (is_at(descriptor_, file_)) unlink(file_.c_str());
  close(descriptor_);
}

CacheLock::State CacheLock::try_take() {
  if (descriptor_ >= 0) return State::taken;
  for (;;) {
    const int descriptor = open(file_.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0666);
    if (descriptor < 0) return State::unavailable;
    if (!lock(descriptor)) {
      const bool held = errno == EWOULDBLOCK || errno == EACCES;
      struct stat info {};
      if (held && fstat(descriptor, &info) == 0 && time_of(info) != last_sign_) {
        last_sign_ = time_of(info);
        last_change_ = std::chrono::steady_clock::now();
      }
      if (!held) unlink(file_.c_str());  // without locks the file means nothing to anybody
      close(descriptor);
      return held ? State::held : State::unavailable;
    }
    if (is_at(descriptor, file_)) {
      descriptor_ = descriptor;
      futimens(descriptor_, nullptr);
      heart_ = std::thread([this] { beat(); });
      return State::taken;
    }
    close(descriptor);
  }
}

std::chrono::steady_clock::duration CacheLock::silence() const {
  return std::chrono::steady_clock::now() - last_change_;
}

void CacheLock::beat() {
  std::unique_lock guard(mutex_);
  while (!released_.wait_for(guard, heartbeat_, [this] { return releasing_; })) futimens(descriptor_, nullptr);
}

bool remove_free_lock(const fs::path& file) {
  const int descriptor = open(file.c_str(), O_RDWR | O_CLOEXEC);
  if (descriptor < 0) return false;
  const bool removed = lock(descriptor) && is_at(descriptor, file) && unlink(file.c_str()) == 0;
  close(descriptor);
  return removed;
}

}  // namespace orbweaver
