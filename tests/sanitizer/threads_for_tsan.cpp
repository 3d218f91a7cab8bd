// What ThreadSanitizer has to be told of libraries that were built without it. Linked into each executable of such a
// build.
//
// GCC's OpenMP library synchronises by futexes that the sanitizer does not see, so every parallel region would be
// reported as a race. The functions here stand in front of the library's and tell where a region begins and ends; what
// two threads of one region do to each other is watched as everything else.
//
// TBB, on which OpenCV's loops run, has no such place. OpenCV is told to run them in the thread that calls it.
//
// The threads that LibTorch's process group of gloo makes end what an operation held, tensors and what it is waited for
// with, when its count of references comes to nothing. The counts are kept inside LibTorch, where the sanitizer does
// not look, so nothing would seem to order the end after the other side's last use. These threads run no code of ours:
// what they do to memory is not watched.
#include <dlfcn.h>
#include <sanitizer/tsan_interface.h>

namespace {

/// Beginning and end are places of their own: a thread that begins late must not seem to come after one that has ended.
struct Region {
  void (*body)(void*);
  void* data;
  char begin, barrier, end;
};

thread_local Region* current = nullptr;

void run(void* argument) {
  Region* const region = static_cast<Region*>(argument);
  __tsan_acquire(&region->begin);
  Region* const outer = current;
  current = region;
  region->body(region->data);
  current = outer;
  __tsan_release(&region->end);
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
  Region region{body, data, 0, 0, 0};
  __tsan_release(&region.begin);
  next(run, &region, threads, flags);
  __tsan_acquire(&region.end);
}

extern "C" __attribute__((visibility("default"))) void GOMP_barrier() {
  static const auto next = reinterpret_cast<void (*)()>(dlsym(RTLD_NEXT, "GOMP_barrier"));
  if (current) __tsan_release(&current->barrier);
  next();
  if (current) __tsan_acquire(&current->barrier);
}

extern "C" void AnnotateIgnoreReadsBegin(const char* file, int line);
extern "C" void AnnotateIgnoreReadsEnd(const char* file, int line);
extern "C" void AnnotateIgnoreWritesBegin(const char* file, int line);
extern "C" void AnnotateIgnoreWritesEnd(const char* file, int line);

// c10d::ProcessGroupGloo::runLoop(int), a thread's whole life.
extern "C" __attribute__((visibility("default"))) void _ZN4c10d16ProcessGroupGloo7runLoopEi(void* group, int worker) {
  static const auto next =
      reinterpret_cast<void (*)(void*, int)>(dlsym(RTLD_NEXT, "_ZN4c10d16ProcessGroupGloo7runLoopEi"));
  AnnotateIgnoreReadsBegin(__FILE__, __LINE__);
  AnnotateIgnoreWritesBegin(__FILE__, __LINE__);
  next(group, worker);
  AnnotateIgnoreWritesEnd(__FILE__, __LINE__);
  AnnotateIgnoreReadsEnd(__FILE__, __LINE__);
}
