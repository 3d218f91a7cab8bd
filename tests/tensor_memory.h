// How much memory tensors take at most while something runs.
#pragma once

#include <c10/core/Allocator.h>
#include <c10/util/ThreadLocalDebugInfo.h>

#include <algorithm>
#include <cstdint>
#include <memory>

namespace orbweaver::testing {

/// Bytes of CPU tensors that a thread makes and drops, as LibTorch's allocator tells its profilers.
class TensorMemory final : public c10::MemoryReportingInfoBase {
  template <class>
  struct ThirdOf;
  template <class R, class C, class A, class B, class Total, class... Rest>
  struct ThirdOf<R (C::*)(A, B, Total, Rest...)> {
    using Type = Total;
  };
  // int64_t in LibTorch 1.13, size_t later.
  using Total = ThirdOf<decltype(&c10::MemoryReportingInfoBase::reportMemoryUsage)>::Type;

 public:
  /// The most bytes above those at the start that tensors made in f took. With one thread (at::set_num_threads(1)), as
  /// other threads' tensors are not seen.
  template <class F>
  static int64_t peak(F&& f) {
    const auto memory = std::make_shared<TensorMemory>();
    const c10::DebugInfoGuard guard(c10::DebugInfoKind::PROFILER_STATE, memory);
    f();
    return memory->peak_;
  }

  void reportMemoryUsage(void*, int64_t bytes, Total, Total, c10::Device) override {
    now_ += bytes;
    peak_ = std::max(peak_, now_);
  }
  bool memoryProfilingEnabled() const override { return true; }

 private:
  int64_t now_ = 0, peak_ = 0;
};

}  // namespace orbweaver::testing
