#include "framework/plugin/crash_notice.h"

#include <signal.h>
#include <unistd.h>

#include <cstring>
#include <iterator>

namespace orbweaver {
namespace {

constexpr int signals[]{SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGABRT};

constexpr size_t stack_size = 64 * 1024;

// What the handler may read: written before it is installed.
struct sigaction before[std::size(signals)];
const char* opening = nullptr;
size_t opening_size = 0;
pid_t thread = 0;

/// Only what is allowed in a signal handler.
void say(const char* text, size_t size) {
  if (write(STDERR_FILENO, text, size) < 0) return;
}
void say(const char* text) { say(text, std::strlen(text)); }

void handle(int signal) {
  if (gettid() == thread) {
    say(opening, opening_size);
    say(sigabbrev_np(signal));
    say(") while it was loaded; rebuild it, or take it out of the plugins' folder\n");
  }
  for (size_t i = 0; i < std::size(signals); ++i)
    if (signals[i] == signal) sigaction(signal, &before[i], nullptr);
  raise(signal);  // blocked until this handler returns
}

}  // namespace

CrashNotice::CrashNotice(const std::filesystem::path& file) : opening_(file.string() + ": this plugin crashed (SIG") {
  opening = opening_.data();
  opening_size = opening_.size();
  thread = gettid();
  struct sigaction action {};
  action.sa_handler = handle;
  action.sa_flags = SA_ONSTACK;  // the fault may be that the stack is full
  stack_.resize(stack_size);
  stack_t stack{};
  stack.ss_sp = stack_.data();
  stack.ss_size = stack_.size();
  sigaltstack(&stack, &stack_before_);
  sigemptyset(&action.sa_mask);
  for (size_t i = 0; i < std::size(signals); ++i) sigaction(signals[i], &action, &before[i]);
}

CrashNotice::~CrashNotice() {
  for (size_t i = 0; i < std::size(signals); ++i) sigaction(signals[i], &before[i], nullptr);
  sigaltstack(&stack_before_, nullptr);
}

}  // namespace orbweaver
