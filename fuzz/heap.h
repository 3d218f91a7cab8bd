// How much memory of the heap was held at once.
#pragma once

#include <cstddef>

namespace orbweaver::fuzz {

/// Counts from its construction on. One at a time, and what other threads take counts as well. `operator new` is
/// counted in a program that links heap_new.cpp, every allocation in one that links heap_sanitizer.cpp.
class HeapUse {
 public:
  HeapUse();
  /// Most bytes that were held at once beyond those at the construction.
  size_t peak() const;
};

/// What the counting links report to.
void count_taken(size_t bytes);
void count_given(size_t bytes);

}  // namespace orbweaver::fuzz
