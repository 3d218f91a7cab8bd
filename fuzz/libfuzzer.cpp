// One target as a program of libFuzzer, which brings main(). ORBWEAVER_FUZZ_TARGET is its name.
#include <sanitizer/allocator_interface.h>

#include <cstdint>

#include "fuzz/heap.h"
#include "fuzz/target.h"

namespace {

// The sanitizer replaces malloc and tells of every call.
void on_taken(const volatile void*, size_t size) { orbweaver::fuzz::count_taken(size); }
void on_given(const volatile void* memory) {
  if (memory) orbweaver::fuzz::count_given(__sanitizer_get_allocated_size(const_cast<const void*>(memory)));
}

constexpr orbweaver::fuzz::Target target = orbweaver::fuzz::target_of(ORBWEAVER_FUZZ_TARGET);

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  [[maybe_unused]] static const int hooks = __sanitizer_install_malloc_and_free_hooks(on_taken, on_given);
  orbweaver::fuzz::run(target, {reinterpret_cast<const char*>(data), size});
  return 0;
}
