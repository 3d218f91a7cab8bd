// Where the time of training steps goes: what the model computes, and everything else.
#pragma once

#include <chrono>
#include <utility>

namespace orbweaver {

class StepClock {
 public:
  /// Returns f(), which computes: components, backward, the optimiser.
  template <class F>
  decltype(auto) computing(F&& f) {
    const Span span(computing_);
    return std::forward<F>(f)();
  }
  /// Returns f(), which waits for images.
  template <class F>
  decltype(auto) waiting(F&& f) {
    const Span span(waiting_);
    return std::forward<F>(f)();
  }

  double computing_seconds() const { return computing_; }
  double waiting_seconds() const { return waiting_; }

 private:
  using Clock = std::chrono::steady_clock;

  struct Span {
    explicit Span(double& total) : seconds(total) {}
    ~Span() { seconds += std::chrono::duration<double>(Clock::now() - start).count(); }
    Span(const Span&) = delete;
    Span& operator=(const Span&) = delete;
    double& seconds;
    const Clock::time_point start = Clock::now();
  };

  double computing_ = 0, waiting_ = 0;
};

}  // namespace orbweaver
