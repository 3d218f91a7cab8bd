// How long work tells its caller where it stands, and is told to stop.
#pragma once

#include <atomic>
#include <cstdint>
#include <functional>
#include <string>

#include "orbweaver/error.h"

namespace orbweaver {

struct RunReport {
  /// One line worth keeping: an epoch's figures, a notice.
  std::function<void(const std::string& text)> line = [](const std::string&) {};
  /// Where a named piece of work stands; `total` 0 where unknown. done == total ends it.
  std::function<void(const std::string& what, int64_t done, int64_t total, const std::string& unit,
                     const std::string& note)>
      progress = [](const std::string&, int64_t, int64_t, const std::string&, const std::string&) {};
  /// Set by a signal handler: finish the step, save, return.
  const std::atomic<bool>* stop = nullptr;
  bool stopping() const { return stop && stop->load(); }
  /// For work that comes before the first step. @throws Error when asked to stop.
  void stop_point() const {
    if (stopping()) throw Error("interrupted before the first step; there was nothing to save");
  }
};

}  // namespace orbweaver
