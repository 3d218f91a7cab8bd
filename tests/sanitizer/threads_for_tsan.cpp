// What ThreadSanitizer has to be told of libraries that were built without it. Linked into each executable of such a
// build.
//
// GCC's OpenMP library synchronises by futexes that the sanitizer does not see, so every parallel region would be
// reported as a race. The functions here stand in front of the library's and tell where a region begins and ends; what
// two threads of one region do to each other is watched as everything else.
//
// TBB, on which OpenCV's loops run, has no such place. OpenCV is told to run them in the thread that calls it.
#include <dlfcn.h>
#include <sanitizer/tsan_interface.h>

namespace {

struct Region {
  void (*body)(void*);
  void* data;
};

thread_local Region* current = nullptr;

void run(void* argument) {
  __tsan_acquire(argument);
  Region* const outer = current;
  current = static_cast<Region*>(argument);
  current->body(current->data);
  current = outer;
  __tsan_release(argument);
}

[[maybe_unused]] const bool opencv_has_one_thread = [] {
  // By its name, as not every executable links OpenCV.
  const auto set = reinterpret_cast<void (*)(int)>(dlsym(RTLD_DEFAULT, "_ZN2cv13setNumThreadsEi"));
  if (set) set(1);
  return set != nullptr;
}();

}  // namespace

extern "C" __attribute__((visibility("default"))) void GOMP_parallel(void (*body)(void*), void* data, unsigned threads,
                                                                     unsigned flags) {
  using Function = void (*)(void (*)(void*), void*, unsigned, unsigned);
  static const auto next = reinterpret_cast<Function>(dlsym(RTLD_NEXT, "GOMP_parallel"));
  Region region{body, data};
  __tsan_release(&region);
  next(run, &region, threads, flags);
  __tsan_acquire(&region);
}

extern "C" __attribute__((visibility("default"))) void GOMP_barrier() {
  static const auto next = reinterpret_cast<void (*)()>(dlsym(RTLD_NEXT, "GOMP_barrier"));
  if (current) __tsan_release(current);
  next();
  if (current) __tsan_acquire(current);
}
