// What is said when foreign code takes the process with it.
#pragma once

#include <signal.h>

#include <filesystem>
#include <string>
#include <vector>

namespace orbweaver {

/// For its life: a signal that ends the process by a fault of this thread (SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGABRT)
/// first writes one line to standard error that names the file being loaded; then it does what it would have done.
/// A library's static constructors run inside dlopen, where nothing else could tell whose they were. One at a time.
class CrashNotice {
 public:
  explicit CrashNotice(const std::filesystem::path& file);
  ~CrashNotice();
  CrashNotice(const CrashNotice&) = delete;
  CrashNotice& operator=(const CrashNotice&) = delete;

 private:
  std::string opening_;
  std::vector<char> stack_;
  stack_t stack_before_{};
};

}  // namespace orbweaver
