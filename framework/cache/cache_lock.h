// Who fills an entry of the cache, when several processes want to.
#pragma once

#include <chrono>
#include <condition_variable>
#include <cstdint>
#include <filesystem>
#include <mutex>
#include <thread>

#include "framework/io/file_lock.h"

namespace orbweaver {

/// A FileLock that is removed with its holder. While held, the lock file's time is renewed now and then, so that others
/// can tell a holder at work from one whose machine is gone. One that a killed process left is taken over by the next,
/// or swept up (scan_cache).
class CacheLock {
 public:
  using State = FileLock::State;

  explicit CacheLock(std::filesystem::path file, std::chrono::milliseconds heartbeat = std::chrono::seconds(5));
  ~CacheLock();
  CacheLock(const CacheLock&) = delete;
  CacheLock& operator=(const CacheLock&) = delete;

  State try_take();
  /// How long the holder has given no sign of life that this object's try_take() saw. Measured by this machine's
  /// clock alone: clocks of two machines differ.
  std::chrono::steady_clock::duration silence() const;

 private:
  void beat();

  FileLock lock_;
  std::chrono::milliseconds heartbeat_;
  int64_t last_sign_ = 0;  // the lock file's time, as last seen
  std::chrono::steady_clock::time_point last_change_ = std::chrono::steady_clock::now();

  std::mutex mutex_;
  std::condition_variable released_;
  bool releasing_ = false;
  std::thread heart_;
};

/// Removes a lock file that nobody holds; leaves one that somebody does. @return whether it was removed.
bool remove_free_lock(const std::filesystem::path& file);

}  // namespace orbweaver
