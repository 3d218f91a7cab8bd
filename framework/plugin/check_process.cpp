#include "framework/plugin/check_process.h"

#include <dlfcn.h>
#include <fcntl.h>
#include <fmt/format.h>
#include <gnu/libc-version.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <chrono>
#include <cmath>
#include <cstdlib>
#include <cstring>
#include <optional>
#include <sstream>
#include <string_view>

#include "framework/io/argv.h"
#include "framework/io/files.h"
#include "framework/io/json.h"
#include "framework/plugin/hosted.h"
#include "orbweaver/error.h"
#include "orbweaver/manifest.h"

extern char** environ;

namespace orbweaver {
namespace fs = std::filesystem;
namespace {

using Clock = std::chrono::steady_clock;
using State = CheckStep::State;

constexpr int message_descriptor = 3;
constexpr size_t kept_output = 16 * 1024;

class Pipe {
 public:
  Pipe() {
    if (pipe2(ends_, O_CLOEXEC) != 0) throw Error(fmt::format("no pipe: {}", std::strerror(errno)));
  }
  ~Pipe() {
    close(ends_[0]);
    close_writing_end();
  }
  Pipe(const Pipe&) = delete;
  Pipe& operator=(const Pipe&) = delete;
  int reading_end() const { return ends_[0]; }
  int writing_end() const { return ends_[1]; }
  void close_writing_end() {
    if (ends_[1] >= 0) close(ends_[1]);
    ends_[1] = -1;
  }

 private:
  int ends_[2] = {-1, -1};
};

/// glibc's checking allocator, beside the C library of this process; empty where there is none. Sanitizers bring their
/// own.
std::string debug_allocator() {
  if (ORBWEAVER_FACT_ASAN || ORBWEAVER_FACT_TSAN) return {};
  Dl_info info{};
  if (!dladdr(reinterpret_cast<const void*>(&gnu_get_libc_version), &info) || !info.dli_fname) return {};
  const fs::path file = fs::path(info.dli_fname).parent_path() / "libc_malloc_debug.so.0";
  std::error_code ignored;
  return fs::exists(file, ignored) ? file.string() : "";
}

std::vector<std::string> child_environment() {
  const std::string allocator = debug_allocator();
  std::vector<std::string> out;
  std::string tunables = "glibc.malloc.check=3", preload = allocator;
  for (char** entry = environ; *entry; ++entry) {
    const std::string_view text(*entry);
    if (text.starts_with("GLIBC_TUNABLES="))
      tunables = std::string(text.substr(15)) + ":" + tunables;
    else if (text.starts_with("LD_PRELOAD=") && text.size() > 11)
      preload = allocator.empty() ? std::string(text.substr(11)) : allocator + ":" + std::string(text.substr(11));
    else if (!text.starts_with("MALLOC_PERTURB_="))
      out.emplace_back(text);
  }
  out.push_back("GLIBC_TUNABLES=" + tunables);
  if (!preload.empty()) out.push_back("LD_PRELOAD=" + preload);
  // New memory is filled with 0x7f: floats of 3.4e38, whose sums are infinite. What reads it before writing shows.
  out.emplace_back("MALLOC_PERTURB_=128");
  return out;
}

pid_t spawn(const PluginCheckOptions& options, const Pipe& messages, const Pipe& output) {
  std::vector<std::string> words{fs::read_symlink("/proc/self/exe").string(),
                                 "plugins",
                                 "check-worker",
                                 options.file.string(),
                                 "--descriptor",
                                 std::to_string(message_descriptor),
                                 "--params",
                                 to_json(options.params, -1)};
  if (!options.id.empty()) words.insert(words.end(), {"--id", options.id});
  std::vector<std::string> environment = child_environment();

  posix_spawn_file_actions_t files;
  posix_spawn_file_actions_init(&files);
  posix_spawn_file_actions_addopen(&files, STDIN_FILENO, "/dev/null", O_RDONLY, 0);
  posix_spawn_file_actions_adddup2(&files, output.writing_end(), STDOUT_FILENO);
  posix_spawn_file_actions_adddup2(&files, output.writing_end(), STDERR_FILENO);
  posix_spawn_file_actions_adddup2(&files, messages.writing_end(), message_descriptor);
  posix_spawnattr_t attributes;
  posix_spawnattr_init(&attributes);
  posix_spawnattr_setpgroup(&attributes, 0);
  sigset_t none;
  sigemptyset(&none);
  posix_spawnattr_setsigmask(&attributes, &none);
  posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETPGROUP | POSIX_SPAWN_SETSIGMASK);
  pid_t pid = 0;
  const int error =
      posix_spawn(&pid, words[0].c_str(), &files, &attributes, argv_of(words).data(), argv_of(environment).data());
  posix_spawnattr_destroy(&attributes);
  posix_spawn_file_actions_destroy(&files);
  if (error != 0) throw Error(fmt::format("{} cannot be started: {}", words[0], std::strerror(error)));
  return pid;
}

/// The last line of the output in which one of the words stands.
std::string last_line_with(const std::string& output, std::initializer_list<std::string_view> words) {
  std::istringstream lines(output);
  std::string found;
  for (std::string line; std::getline(lines, line);)
    for (const std::string_view word : words)
      if (line.find(word) != std::string::npos) found = line;
  return one_line(found);
}

std::string during(const CheckStep& step) {
  if (step.stage == "link") return " while the library was loaded (its static constructors run then)";
  if (step.stage == "register") return " in ORBWEAVER_PLUGIN";
  if (step.stage == "construct") return " in its constructor";
  if (step.stage == "exit") return " while the process ended (static destructors run then)";
  return "";
}

/// What a child's end means that came before the end of a step.
void explain_signal(int signal, const std::string& output, CheckStep& step) {
  const char* name = sigabbrev_np(signal);
  const std::string crashed = fmt::format("crashed (SIG{}){}", name ? name : "?", during(step));
  if (signal == SIGKILL) {
    step.reason = "was killed (SIGKILL)" + during(step);
    step.mend = "look whether the machine ran out of memory";
    return;
  }
  // The words of glibc's allocator.
  const std::string heap =
      last_line_with(output, {"free():", "malloc():", "malloc(", "realloc():", "double free", "corrupted",
                              "munmap_chunk()", "memory corruption", "invalid pointer"});
  if (signal == SIGABRT && !heap.empty()) {
    step.reason = fmt::format("overran or corrupted the heap{} (glibc: {})", during(step), heap);
    step.mend =
        "look for an index beyond the end of a vector or array, and for memory that is freed twice; valgrind, "
        "or plugin and host built with -fsanitize=address, name the line";
    return;
  }
  const std::string terminate = last_line_with(output, {"terminate called", "what():"});
  if (signal == SIGABRT && !terminate.empty()) {
    const std::string thrown = last_line_with(output, {"terminate called"});
    step.reason = crashed + ": " + (thrown.empty() ? terminate : thrown);
    step.mend = "no exception may leave a destructor, a noexcept function, or a thread of the plugin's own";
    return;
  }
  step.reason = crashed;
  step.mend = "run it in a debugger: gdb --args orbweaver plugins check-worker FILE";
}

/// Listens to one child.
class Listening {
 public:
  Listening(pid_t pid, Pipe& messages, Pipe& output, double timeout, const CheckListener& listener)
      : pid_(pid), messages_(messages), output_(output), timeout_(timeout), listener_(listener) {}

  ~Listening() {
    kill(-pid_, SIGKILL);  // and what the plugin started
    if (!status_) waitpid(pid_, nullptr, 0);
  }

  PluginCheckResult run() {
    messages_.close_writing_end();
    output_.close_writing_end();
    begin({.stage = "start"});
    while (!status_ && !timed_out_) listen();
    read_all();
    conclude();
    return std::move(result_);
  }

 private:
  void begin(CheckStep step) {
    current_ = std::move(step);
    step_start_ = Clock::now();
  }

  void listen() {
    std::array<pollfd, 2> ends{{{messages_.reading_end(), POLLIN, 0}, {output_.reading_end(), POLLIN, 0}}};
    // A closed pipe is always ready; it is not asked again. What the child started may hold it open, so that its end is
    // not waited for either.
    if (messages_closed_) ends[0].fd = -1;
    if (output_closed_) ends[1].fd = -1;
    poll(ends.data(), ends.size(), 20);
    if (ends[0].revents) messages_closed_ = !read_some(messages_, received_);
    if (ends[1].revents) output_closed_ = !read_some(output_, printed_);
    if (printed_.size() > kept_output) printed_.erase(0, printed_.size() - kept_output);
    take_messages();
    int status = 0;
    if (waitpid(pid_, &status, WNOHANG) == pid_) status_ = status;
    timed_out_ = !status_ && std::chrono::duration<double>(Clock::now() - step_start_).count() > allowed();
  }

  /// Seconds for the current step. Loading LibTorch is none of the plugin's doing.
  double allowed() const { return current_.stage == "start" ? std::max(timeout_, 120.0) : timeout_; }

  /// @return false at the end of the pipe.
  static bool read_some(const Pipe& pipe, std::string& text) {
    char buffer[4096];
    const ssize_t count = read(pipe.reading_end(), buffer, sizeof buffer);
    if (count > 0) text.append(buffer, static_cast<size_t>(count));
    return count > 0 || (count < 0 && (errno == EINTR || errno == EAGAIN));
  }

  /// What is left in the pipes, without waiting for more.
  void read_all() {
    for (Pipe* pipe : {&messages_, &output_}) {
      fcntl(pipe->reading_end(), F_SETFL, O_NONBLOCK);
      std::string& text = pipe == &messages_ ? received_ : printed_;
      for (size_t before = text.size();; before = text.size()) {
        if (!read_some(*pipe, text) || text.size() == before) break;
      }
    }
    take_messages();
  }

  void take_messages() {
    for (size_t end; (end = received_.find('\n')) != std::string::npos; received_.erase(0, end + 1)) {
      CheckStep step;
      try {
        step = check_step(parse_json(std::string_view(received_).substr(0, end), "message"));
      } catch (const Error&) {
        continue;  // the plugin wrote into our pipe
      }
      if (step.state == State::running)
        begin(std::move(step));
      else
        finish(std::move(step));
    }
  }

  void finish(CheckStep step) {
    listener_(step);
    result_.steps.push_back(std::move(step));
    begin({.stage = "between steps"});
  }

  /// The child ended or was given up.
  void conclude() {
    const bool failed = !result_.steps.empty() && result_.steps.back().state == State::failed;
    if (failed) return;
    CheckStep step = current_;
    step.seconds = std::chrono::duration<double>(Clock::now() - step_start_).count();
    step.state = State::failed;
    if (timed_out_) {
      step.reason = fmt::format("did not end within {:g} s{}", allowed(), during(step));
      step.mend = "look for a loop or a wait without end; --timeout allows more";
    } else if (step.stage == "start") {
      // None of the plugin's doing: its file has not been looked at.
      const std::string said = last_line_with(printed_, {""});
      step.reason = "the process that checks it did not start" + (said.empty() ? "" : ": " + said);
      step.mend = "look whether orbweaver plugins list works";
    } else if (const std::string report = last_line_with(
                   printed_, {"ERROR: AddressSanitizer", "ERROR: ThreadSanitizer", "ERROR: UndefinedBehaviorSanitizer",
                              "WARNING: ThreadSanitizer", "runtime error:"});
               !report.empty()) {
      step.reason = fmt::format("a sanitizer stopped it{}: {}", during(step), report);
      step.mend = "its whole report names the line: orbweaver plugins check-worker FILE";
    } else if (WIFSIGNALED(*status_)) {
      explain_signal(WTERMSIG(*status_), printed_, step);
    } else if (step.stage == "exit" && WEXITSTATUS(*status_) == 0) {
      step.state = State::passed;
    } else {
      step.reason = fmt::format("ended the process, with status {},{} before the check was done", WEXITSTATUS(*status_),
                                during(step).empty() ? "" : during(step) + ",");
      step.mend = "a plugin must not call exit, _exit or quick_exit: throw orbweaver::Error with a line for the user";
    }
    result_.passed = step.state == State::passed;
    finish(std::move(step));
  }

  pid_t pid_;
  Pipe &messages_, &output_;
  double timeout_;
  const CheckListener& listener_;
  PluginCheckResult result_;
  CheckStep current_;
  Clock::time_point step_start_;
  std::string received_, printed_;
  std::optional<int> status_;
  bool timed_out_ = false, messages_closed_ = false, output_closed_ = false;
};

/// A plugin that allocates without end gets a bad_alloc before the machine suffers: at a quarter of the memory, 2 GiB
/// at least, or at the limit that this process has been given.
void limit_resources() {
  const rlimit no_core{0, 0};
  setrlimit(RLIMIT_CORE, &no_core);
  if (ORBWEAVER_FACT_ASAN || ORBWEAVER_FACT_TSAN) return;  // their shadow memory counts
  rlimit memory{};
  const auto pages = sysconf(_SC_PHYS_PAGES), page = sysconf(_SC_PAGESIZE);
  if (pages <= 0 || page <= 0 || getrlimit(RLIMIT_DATA, &memory) != 0) return;
  const rlim_t quarter = static_cast<rlim_t>(pages) / 4 * static_cast<rlim_t>(page);
  memory.rlim_cur = std::min(memory.rlim_cur, std::max(quarter, rlim_t{2} << 30));
  setrlimit(RLIMIT_DATA, &memory);
}

}  // namespace

Value to_value(const CheckStep& step) {
  Value value = Value::object();
  value["stage"] = step.stage;
  if (!step.component.empty()) value["component"] = step.component;
  if (!step.property.empty()) value["property"] = step.property;
  value["state"] = state_name(step.state);
  if (!step.rule.empty()) value["rule"] = step.rule;
  if (!step.reason.empty()) value["reason"] = step.reason;
  if (!step.mend.empty()) value["mend"] = step.mend;
  value["seconds"] = step.seconds;
  return value;
}

CheckStep check_step(const Value& value) {
  const auto text = [&](const char* key) {
    const Value* found = value.find(key);
    return found ? found->as_string() : std::string();
  };
  CheckStep step{.stage = value.at("stage").as_string(), .component = text("component"), .property = text("property")};
  step.rule = text("rule");
  step.reason = text("reason");
  step.mend = text("mend");
  step.seconds = value.at("seconds").as_double();
  for (const State state : {State::running, State::passed, State::failed, State::skipped})
    if (text("state") == state_name(state)) step.state = state;
  return step;
}

PluginCheckResult check_plugin(const PluginCheckOptions& options, double timeout, const CheckListener& listener) {
  if (!fs::exists(options.file)) throw InputError(fmt::format("{}: there is no such file", options.file.string()));
  Pipe messages, output;
  const pid_t pid = spawn(options, messages, output);
  return Listening(pid, messages, output, timeout, listener).run();
}

void work_on_plugin_check(const PluginCheckOptions& options, int descriptor) {
  prctl(PR_SET_PDEATHSIG, SIGKILL);
  limit_resources();
  fcntl(descriptor, F_SETFD, FD_CLOEXEC);
  const CheckListener send = [descriptor](const CheckStep& step) {
    const std::string line = to_json(to_value(step), -1) + "\n";
    write_all(descriptor, std::as_bytes(std::span(line)));
  };
  if (check_plugin_here(options, send)) send({.stage = "exit"});
}

}  // namespace orbweaver
