// An ordered parallel map with bounded memory: what loading, checking and hashing images all are.
#pragma once

#include <algorithm>
#include <condition_variable>
#include <cstddef>
#include <cstdint>
#include <exception>
#include <functional>
#include <mutex>
#include <optional>
#include <thread>
#include <utility>
#include <vector>

namespace orbweaver {

/// Computes make(first), make(first + 1), ... make(count - 1) in worker threads and hands the results out in that
/// order.
///
/// The order and the results do not depend on the number of threads. At most `window` results exist at a time, those in
/// the making included. What `make` throws is thrown by next() at its own place in the order; later results can still
/// be fetched. The destructor waits for the calls in progress and drops the rest. next() is for one consumer thread;
/// `make` is called by several threads at once.
template <class T>
class OrderedPrefetch {
 public:
  /// @param threads  at least 1 is used.
  /// @param window   raised to `threads` where it is less, so that no worker idles for want of room.
  OrderedPrefetch(int64_t count, std::function<T(int64_t)> make, int threads, int64_t window, int64_t first = 0)
      : make_(std::move(make)), count_(count), consumed_(first), claimed_(first) {
    threads = static_cast<int>(std::clamp<int64_t>(count - first, 1, std::max(threads, 1)));
    slots_.resize(static_cast<size_t>(std::max<int64_t>(window, threads)));
    try {
      for (int i = 0; i < threads; ++i) workers_.emplace_back([this] { work(); });
    } catch (...) {
      stop();
      throw;
    }
  }
  ~OrderedPrefetch() { stop(); }
  OrderedPrefetch(const OrderedPrefetch&) = delete;
  OrderedPrefetch& operator=(const OrderedPrefetch&) = delete;

  /// The next result, or nothing at the end. @throws what `make` threw for it.
  std::optional<T> next() {
    std::unique_lock lock(mutex_);
    if (consumed_ >= count_) return std::nullopt;
    Slot& slot = slot_of(consumed_);
    ready_.wait(lock, [&] { return slot.done; });
    const std::exception_ptr error = std::exchange(slot.error, nullptr);
    std::optional<T> result = std::exchange(slot.result, std::nullopt);
    slot.done = false;
    ++consumed_;
    lock.unlock();
    room_.notify_one();
    if (error) std::rethrow_exception(error);
    return result;
  }

 private:
  struct Slot {
    std::optional<T> result;
    std::exception_ptr error;
    bool done = false;
  };

  Slot& slot_of(int64_t index) { return slots_[static_cast<size_t>(index) % slots_.size()]; }

  void work() {
    std::unique_lock lock(mutex_);
    for (;;) {
      room_.wait(lock, [&] {
        return stopping_ || claimed_ >= count_ || claimed_ - consumed_ < static_cast<int64_t>(slots_.size());
      });
      if (stopping_ || claimed_ >= count_) return;
      const int64_t index = claimed_++;
      lock.unlock();
      Slot slot;
      try {
        slot.result.emplace(make_(index));
      } catch (...) {
        slot.error = std::current_exception();
      }
      slot.done = true;
      lock.lock();
      slot_of(index) = std::move(slot);
      if (index == consumed_) ready_.notify_one();
      if (claimed_ >= count_) room_.notify_all();
    }
  }

  void stop() {
    {
      const std::lock_guard lock(mutex_);
      stopping_ = true;
    }
    room_.notify_all();
    for (std::thread& worker : workers_) worker.join();
  }

  std::function<T(int64_t)> make_;
  int64_t count_;
  std::mutex mutex_;
  std::condition_variable ready_;  // the result that next() waits for is there
  std::condition_variable room_;   // a slot came free, or there is nothing left to do
  int64_t consumed_;               // results handed out
  int64_t claimed_;                // indices given to workers
  bool stopping_ = false;
  std::vector<Slot> slots_;  // a ring: index modulo its size
  std::vector<std::thread> workers_;
};

}  // namespace orbweaver
