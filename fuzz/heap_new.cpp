// Counts `operator new`, of every library of the process.
#include <malloc.h>

#include <cstdlib>
#include <new>

#include "fuzz/heap.h"

void* operator new(size_t size) {
  void* memory = std::malloc(size > 0 ? size : 1);
  if (!memory) throw std::bad_alloc();
  orbweaver::fuzz::count_taken(malloc_usable_size(memory));
  return memory;
}

void operator delete(void* memory) noexcept {
  if (memory) orbweaver::fuzz::count_given(malloc_usable_size(memory));
  std::free(memory);
}
void operator delete(void* memory, size_t) noexcept { operator delete(memory); }
