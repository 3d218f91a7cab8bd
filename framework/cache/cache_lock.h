// Who fills an entry of the cache, when several processes want to.
#pragma once

#include <chrono>
#include <condition_variable>
#include <cstdint>
#include <filesystem>
#include <mutex>
#include <thread>

namespace orbweaver {

/// A lock between processes, also of different machines where the file system has locks over the network (NFS from
/// Linux 2.6.12 on). A process that ends, by whatever way, gives it back. While held, the lock file's time is renewed
/// now and then, so that others can tell a holder at work from one whose machine is gone. The file is removed with the
/// lock; one that a killed process left is taken over by the next, or swept up (scan_cache).
class CacheLock {
 public:
  enum class State {
    taken,
    held,        ///< by another
    unavailable  ///< this file system has no locks, or nothing can be written there
  };

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

  std::filesystem::path file_;
  std::chrono::milliseconds heartbeat_;
  int descriptor_ = -1;
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
