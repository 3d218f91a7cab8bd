// RunReport on a command line.
#include <fcntl.h>
#include <fmt/format.h>
#include <unistd.h>

#include <atomic>
#include <cerrno>
#include <csignal>
#include <cstring>
#include <ctime>
#include <map>
#include <memory>
#include <mutex>

#include "framework/cli/command.h"
#include "framework/cli/print.h"

namespace orbweaver {
namespace {

std::atomic<bool> stop_asked{false};
std::atomic<int64_t> asked_at{0};  // milliseconds of a clock that cannot be set

int64_t milliseconds_now() {
  timespec now{};
  clock_gettime(CLOCK_MONOTONIC, &now);
  return int64_t{now.tv_sec} * 1000 + now.tv_nsec / 1'000'000;
}

/// The first signal asks to stop, a later one ends the process. timeout(1) sends its signal twice at once, to the
/// process and to its group: that is one.
extern "C" void ask_to_stop(int signal) {
  constexpr int64_t at_once = 500;
  if (!stop_asked) asked_at = milliseconds_now();
  if (!stop_asked.exchange(true) || milliseconds_now() - asked_at <= at_once) return;
  std::signal(signal, SIG_DFL);
  std::raise(signal);
}

// Standard error as it was at first: while images are decoded it leads nowhere.
int first_stderr = STDERR_FILENO;

/// Ends the process by the signal, as the shell that waits for it expects, after one line.
extern "C" void say_and_end(int signal) {
  const int error = errno;  // of what it interrupts, which goes on until the handler has returned
  // Nothing else is allowed in a handler: the text is put together without memory or streams.
  const char* const texts[] = {isatty(first_stderr) ? "\n" : "", "orbweaver: interrupted by ",
                               signal == SIGINT ? "SIGINT" : "SIGTERM", "; the same command starts again\n"};
  for (const char* text : texts)
    if (write(first_stderr, text, std::strlen(text)) < 0) break;
  std::signal(signal, SIG_DFL);
  std::raise(signal);
  errno = error;
}

/// What runs in the background of a script ignores Ctrl-C, and goes on to.
void handle_interrupts(void (*handler)(int)) {
  for (const int signal : {SIGINT, SIGTERM})
    if (std::signal(signal, handler) == SIG_IGN) std::signal(signal, SIG_IGN);
}

}  // namespace

void say_interrupts() {
  if (const int copy = fcntl(STDERR_FILENO, F_DUPFD_CLOEXEC, STDERR_FILENO + 1); copy >= 0) first_stderr = copy;
  handle_interrupts(say_and_end);
}

RunReport make_report() {
  struct State {
    std::string what;
    std::unique_ptr<Progress> progress;
    void clear() {
      if (progress) progress->drop();
      progress.reset();
      what.clear();
    }
  };
  const auto state = std::make_shared<State>();
  RunReport report;
  report.line = [state](const std::string& text) {
    state->clear();
    print_err("{}\n", text);
  };
  report.progress = [state](const std::string& what, int64_t done, int64_t total, const std::string& unit,
                            const std::string& note) {
    if (state->what != what) {
      state->clear();
      state->what = what;
      state->progress = std::make_unique<Progress>(what, total, unit, done);
    }
    state->progress->update(done, note);
    if (done >= total) state->clear();
  };
  return report;
}

RunReport make_interruptible_report() {
  handle_interrupts(ask_to_stop);
  RunReport report = make_report();
  report.stop = &stop_asked;
  return report;
}

}  // namespace orbweaver
