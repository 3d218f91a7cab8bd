// The most memory that this process has held since a moment.
#pragma once

#include <malloc.h>

#include <fstream>
#include <stdexcept>
#include <string>

namespace orbweaver::bench {

/// MiB, a line of /proc/self/status: "VmRSS:", what is held now; "VmHWM:", the most since the last reset.
/// @throws std::runtime_error where the system does not tell it
inline double status_mib(const std::string& key) {
  std::ifstream status("/proc/self/status");
  for (std::string word; status >> word;)
    if (word == key) {
      double kib = 0;
      status >> kib;
      return kib / 1024;
    }
  throw std::runtime_error("/proc/self/status has no " + key);
}

/// From here on VmHWM counts anew. What was freed before is given back first, so that it does not hide what is taken.
/// @return  MiB held now
inline double reset_peak() {
  malloc_trim(0);
  std::ofstream("/proc/self/clear_refs") << '5';
  return status_mib("VmRSS:");
}

}  // namespace orbweaver::bench
