// A library to preload that makes file operations fail, ends the process at one of them, and moves the clock.
//
//   ORBWEAVER_FAULT_FOLDERS  only files below these folders count, a ':' between two
//   ORBWEAVER_FAULT_COUNTER  a file of two 8-byte numbers, 0 at first: operations so far, of all processes
//                            together, and the process that began
//   ORBWEAVER_FAULT_AT       which operation fails, from 1; 0 or unset: none
//   ORBWEAVER_FAULT_UNTIL    the last one that fails; unset: only the one
//   ORBWEAVER_FAULT          ENOSPC: what needs room fails, a write after half of its bytes. EROFS: what changes
//                            anything. NOLOCKS: flock alone, which counts as none. KILL: the process that began ends
//                            there, as by kill -9, a write after half of its bytes
//   ORBWEAVER_FAULT_LOG      a line for each operation
//   ORBWEAVER_FAULT_CLOCK    seconds by which the time of day is wrong
//   ORBWEAVER_FAULT_CLOCK_AT from this reading of it on; the readings are counted by process
//
// System calls are made directly: whatever else stands in front of the C library's functions stays out of this.
#undef _FORTIFY_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <sys/uio.h>
#include <time.h>
#include <unistd.h>

namespace {

enum class Kind { none, full, read_only, no_locks, kill };

struct State {
  Kind kind = Kind::none;
  int64_t at = 0, until = 0;
  int64_t clock = 0, clock_at = 1, readings = 0;
  const char* folders = nullptr;
  int64_t* shared = nullptr;  // operations, process that began
  int log = -1;
} state;

int64_t number(const char* name, int64_t otherwise) {
  const char* const text = getenv(name);
  return text && *text ? strtoll(text, nullptr, 10) : otherwise;
}

__attribute__((constructor)) void begin() {
  const char* const fault = getenv("ORBWEAVER_FAULT");
  if (fault && !strcmp(fault, "ENOSPC")) state.kind = Kind::full;
  if (fault && !strcmp(fault, "EROFS")) state.kind = Kind::read_only;
  if (fault && !strcmp(fault, "NOLOCKS")) state.kind = Kind::no_locks;
  if (fault && !strcmp(fault, "KILL")) state.kind = Kind::kill;
  state.at = number("ORBWEAVER_FAULT_AT", 0);
  state.until = number("ORBWEAVER_FAULT_UNTIL", state.at);
  state.clock = number("ORBWEAVER_FAULT_CLOCK", 0);
  state.clock_at = number("ORBWEAVER_FAULT_CLOCK_AT", 1);
  if (const char* const counter = getenv("ORBWEAVER_FAULT_COUNTER")) {
    const int file = static_cast<int>(syscall(SYS_openat, AT_FDCWD, counter, O_RDWR | O_CLOEXEC));
    void* const map = file < 0 ? MAP_FAILED : mmap(nullptr, 16, PROT_READ | PROT_WRITE, MAP_SHARED, file, 0);
    if (map == MAP_FAILED) {
      static const char text[] = "inject: ORBWEAVER_FAULT_COUNTER cannot be opened\n";
      syscall(SYS_write, 2, text, sizeof text - 1);
      _exit(99);
    }
    syscall(SYS_close, file);
    state.shared = static_cast<int64_t*>(map);
    int64_t nobody = 0;
    __atomic_compare_exchange_n(&state.shared[1], &nobody, getpid(), false, __ATOMIC_SEQ_CST, __ATOMIC_SEQ_CST);
  }
  if (const char* const log = getenv("ORBWEAVER_FAULT_LOG"))
    state.log = static_cast<int>(syscall(SYS_openat, AT_FDCWD, log, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600));
  state.folders = getenv("ORBWEAVER_FAULT_FOLDERS");
}

bool counts(const char* path) {
  if (!state.shared || !state.folders || !path) return false;
  for (const char* folder = state.folders; *folder;) {
    const char* const end = strchrnul(folder, ':');
    const size_t length = static_cast<size_t>(end - folder);
    if (length > 0 && !strncmp(path, folder, length) && (path[length] == '/' || path[length] == '\0')) return true;
    folder = *end ? end + 1 : end;
  }
  return false;
}

const char* path_of(int descriptor, char (&buffer)[4096]) {
  char link[40];
  snprintf(link, sizeof link, "/proc/self/fd/%d", descriptor);
  const long length = syscall(SYS_readlinkat, AT_FDCWD, link, buffer, sizeof buffer - 1);
  if (length < 0) return nullptr;
  buffer[length] = '\0';
  return buffer;
}

/// Counts an operation. @return whether the fault is due.
bool due(const char* what, const char* path) {
  const int64_t count = __atomic_add_fetch(&state.shared[0], 1, __ATOMIC_SEQ_CST);
  if (state.log >= 0) {
    char line[4300];
    const int length = snprintf(line, sizeof line, "%lld %s %s\n", static_cast<long long>(count), what, path);
    syscall(SYS_write, state.log, line, static_cast<size_t>(length));
  }
  return state.kind != Kind::none && count >= state.at && count <= state.until;
}

[[noreturn]] void end() {
  kill(static_cast<pid_t>(state.shared[1]), SIGKILL);
  kill(getpid(), SIGKILL);
  for (;;) pause();
}

/// @param needs_room  whether a full disk makes it fail
/// @return whether it fails, errno set
bool fails(const char* what, const char* path, bool needs_room) {
  if (!counts(path) || state.kind == Kind::no_locks) return false;
  if (state.kind == Kind::full && !needs_room) return false;
  if (!due(what, path)) return false;
  if (state.kind == Kind::kill) end();
  errno = state.kind == Kind::full ? ENOSPC : EROFS;
  return true;
}

bool is_folder(int descriptor) {
  struct stat info {};
  return fstat(descriptor, &info) == 0 && S_ISDIR(info.st_mode);
}

bool exists(const char* path) { return syscall(SYS_faccessat, AT_FDCWD, path, F_OK) == 0; }

int do_open(const char* path, int flags, mode_t mode) {
  const int errno_before = errno;
  if ((flags & O_ACCMODE) != O_RDONLY || (flags & O_CREAT)) {
    const bool creates = (flags & O_CREAT) && !exists(path);
    // A lock of a read-only file system can be opened for reading alone, as on a real one.
    if (fails("open", path, creates)) return -1;
  }
  errno = errno_before;
  return static_cast<int>(syscall(SYS_openat, AT_FDCWD, path, flags, mode));
}

mode_t mode_of(int flags, va_list list) { return flags & (O_CREAT | O_TMPFILE) ? va_arg(list, mode_t) : 0; }

timespec moved(timespec time) {
  if (state.clock != 0 && __atomic_add_fetch(&state.readings, 1, __ATOMIC_SEQ_CST) >= state.clock_at)
    time.tv_sec += state.clock;
  return time;
}

}  // namespace

#define SHOWN extern "C" __attribute__((visibility("default")))

SHOWN int open(const char* path, int flags, ...) {
  va_list list;
  va_start(list, flags);
  const mode_t mode = mode_of(flags, list);
  va_end(list);
  return do_open(path, flags, mode);
}
SHOWN int open64(const char* path, int flags, ...) {
  va_list list;
  va_start(list, flags);
  const mode_t mode = mode_of(flags, list);
  va_end(list);
  return do_open(path, flags, mode);
}
SHOWN int __open_2(const char* path, int flags) { return do_open(path, flags, 0); }
SHOWN int __open64_2(const char* path, int flags) { return do_open(path, flags, 0); }

SHOWN ssize_t write(int descriptor, const void* bytes, size_t count) {
  char buffer[4096];
  const char* const path = state.shared ? path_of(descriptor, buffer) : nullptr;
  if (state.kind != Kind::no_locks && counts(path) && due("write", path)) {
    if (state.kind != Kind::read_only) syscall(SYS_write, descriptor, bytes, count / 2);
    if (state.kind == Kind::kill) end();
    errno = state.kind == Kind::full ? ENOSPC : EROFS;
    return -1;
  }
  return syscall(SYS_write, descriptor, bytes, count);
}
SHOWN ssize_t writev(int descriptor, const struct iovec* parts, int count) {
  char buffer[4096];
  if (state.shared && fails("writev", path_of(descriptor, buffer), true)) return -1;
  return syscall(SYS_writev, descriptor, parts, count);
}
SHOWN ssize_t pwrite(int descriptor, const void* bytes, size_t count, off_t offset) {
  char buffer[4096];
  if (state.shared && fails("pwrite", path_of(descriptor, buffer), true)) return -1;
  return syscall(SYS_pwrite64, descriptor, bytes, count, offset);
}
SHOWN ssize_t sendfile(int out, int in, off_t* offset, size_t count) {
  char buffer[4096];
  if (state.shared && fails("sendfile", path_of(out, buffer), true)) return -1;
  return syscall(SYS_sendfile, out, in, offset, count);
}
SHOWN ssize_t copy_file_range(int in, off_t* in_offset, int out, off_t* out_offset, size_t count, unsigned flags) {
  char buffer[4096];
  if (state.shared && fails("copy_file_range", path_of(out, buffer), true)) return -1;
  return syscall(SYS_copy_file_range, in, in_offset, out, out_offset, count, flags);
}
SHOWN int fsync(int descriptor) {
  char buffer[4096];
  // A folder's own sync needs no room.
  if (state.shared && fails("fsync", path_of(descriptor, buffer), !is_folder(descriptor))) return -1;
  return static_cast<int>(syscall(SYS_fsync, descriptor));
}
SHOWN int ftruncate(int descriptor, off_t length) noexcept {
  char buffer[4096];
  if (state.shared && fails("ftruncate", path_of(descriptor, buffer), false)) return -1;
  return static_cast<int>(syscall(SYS_ftruncate, descriptor, length));
}
SHOWN int access(const char* path, int mode) noexcept {
  if (state.kind == Kind::read_only && (mode & W_OK) && counts(path)) {
    errno = EROFS;
    return -1;
  }
  return static_cast<int>(syscall(SYS_faccessat, AT_FDCWD, path, mode));
}
SHOWN int flock(int descriptor, int operation) noexcept {
  char buffer[4096];
  if (state.kind == Kind::no_locks && counts(path_of(descriptor, buffer))) {
    errno = ENOLCK;
    return -1;
  }
  return static_cast<int>(syscall(SYS_flock, descriptor, operation));
}
SHOWN int rename(const char* from, const char* to) noexcept {
  if (fails("rename", to, true)) return -1;
  return static_cast<int>(syscall(SYS_renameat2, AT_FDCWD, from, AT_FDCWD, to, 0));
}
SHOWN int mkdir(const char* path, mode_t mode) noexcept {
  if (!exists(path) && fails("mkdir", path, true)) return -1;
  return static_cast<int>(syscall(SYS_mkdirat, AT_FDCWD, path, mode));
}
SHOWN int unlink(const char* path) noexcept {
  if (exists(path) && fails("unlink", path, false)) return -1;
  return static_cast<int>(syscall(SYS_unlinkat, AT_FDCWD, path, 0));
}
SHOWN int remove(const char* path) noexcept {
  if (exists(path) && fails("remove", path, false)) return -1;
  const int result = static_cast<int>(syscall(SYS_unlinkat, AT_FDCWD, path, 0));
  return result != 0 && errno == EISDIR ? static_cast<int>(syscall(SYS_unlinkat, AT_FDCWD, path, AT_REMOVEDIR))
                                        : result;
}

SHOWN int clock_gettime(clockid_t clock, struct timespec* time) noexcept {
  const int result = static_cast<int>(syscall(SYS_clock_gettime, clock, time));
  if (result == 0 && clock == CLOCK_REALTIME) *time = moved(*time);
  return result;
}
SHOWN time_t time(time_t* out) noexcept {
  struct timespec now {};
  clock_gettime(CLOCK_REALTIME, &now);
  if (out) *out = now.tv_sec;
  return now.tv_sec;
}
SHOWN int gettimeofday(struct timeval* __restrict out, void* __restrict) noexcept {
  struct timespec now {};
  clock_gettime(CLOCK_REALTIME, &now);
  *out = {now.tv_sec, now.tv_nsec / 1000};
  return 0;
}
