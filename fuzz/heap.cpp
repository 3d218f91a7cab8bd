#include "fuzz/heap.h"

#include <algorithm>
#include <atomic>
#include <cstdint>

namespace orbweaver::fuzz {
namespace {
// Without constructors: memory is taken before any could run.
constinit std::atomic<int64_t> held{0}, most{0};
}  // namespace

HeapUse::HeapUse() {
  held = 0;
  most = 0;
}

size_t HeapUse::peak() const { return static_cast<size_t>(most.load()); }

void count_taken(size_t bytes) {
  const int64_t now = held += static_cast<int64_t>(bytes);
  int64_t before = most;
  while (now > before && !most.compare_exchange_weak(before, now)) continue;
}

void count_given(size_t bytes) { held -= static_cast<int64_t>(bytes); }

}  // namespace orbweaver::fuzz
