#include "framework/cache/cache_lock.h"

#include <sys/stat.h>

namespace orbweaver {
namespace fs = std::filesystem;
namespace {

int64_t time_of(const struct stat& info) {
  return static_cast<int64_t>(info.st_mtim.tv_sec) * 1'000'000'000 + info.st_mtim.tv_nsec;
}

}  // namespace

CacheLock::CacheLock(fs::path file, std::chrono::milliseconds heartbeat)
    : lock_(std::move(file)), heartbeat_(heartbeat) {}

CacheLock::~CacheLock() {
  {
    const std::lock_guard guard(mutex_);
    releasing_ = true;
  }
  released_.notify_one();
  if (heart_.joinable()) heart_.join();
  lock_.remove();
}

CacheLock::State CacheLock::try_take() {
  if (heart_.joinable()) return State::taken;
  const State state = lock_.try_take();
  struct stat info {};
  if (state == State::taken) {
    futimens(lock_.descriptor(), nullptr);
    heart_ = std::thread([this] { beat(); });
  } else if (state == State::held && stat(lock_.file().c_str(), &info) == 0 && time_of(info) != last_sign_) {
    last_sign_ = time_of(info);
    last_change_ = std::chrono::steady_clock::now();
  }
  return state;
}

std::chrono::steady_clock::duration CacheLock::silence() const {
  return std::chrono::steady_clock::now() - last_change_;
}

void CacheLock::beat() {
  std::unique_lock guard(mutex_);
  while (!released_.wait_for(guard, heartbeat_, [this] { return releasing_; })) futimens(lock_.descriptor(), nullptr);
}

bool remove_free_lock(const fs::path& file) {
  if (!fs::exists(file)) return false;
  FileLock lock(file);
  if (lock.try_take() != FileLock::State::taken) return false;
  lock.remove();
  return true;
}

}  // namespace orbweaver
