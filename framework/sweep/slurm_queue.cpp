#include "framework/sweep/slurm_queue.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <charconv>
#include <cstdlib>
#include <cstring>

#include "framework/sweep/local_launcher.h"
#include "orbweaver/error.h"

extern char** environ;

namespace orbweaver {
namespace {

bool is_one_of(std::string_view word, std::initializer_list<std::string_view> words) {
  return std::find(words.begin(), words.end(), word) != words.end();
}

std::vector<std::string_view> split(std::string_view text, char separator) {
  std::vector<std::string_view> parts;
  for (;;) {
    const size_t end = text.find(separator);
    parts.push_back(text.substr(0, end));
    if (end == std::string_view::npos) return parts;
    text.remove_prefix(end + 1);
  }
}

std::optional<int64_t> number(std::string_view text) {
  int64_t value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc() || end != text.data() + text.size()) return std::nullopt;
  return value;
}

std::string joined(const std::vector<std::string>& words) { return fmt::format("{}", fmt::join(words, ",")); }

/// The descriptors of a pipe, closed at the end.
class Pipe {
 public:
  Pipe() {
    if (pipe2(ends_.data(), O_CLOEXEC) != 0) throw Error(fmt::format("no pipe: {}", std::strerror(errno)));
  }
  ~Pipe() { close_reader(), close_writer(); }
  Pipe(const Pipe&) = delete;
  Pipe& operator=(const Pipe&) = delete;
  int reader() const { return ends_[0]; }
  int writer() const { return ends_[1]; }
  void close_reader() { close_end(ends_[0]); }
  void close_writer() { close_end(ends_[1]); }

 private:
  static void close_end(int& end) {
    if (end >= 0) close(end);
    end = -1;
  }
  std::array<int, 2> ends_{-1, -1};
};

/// Reads both pipes to their ends, side by side: a command that fills one while we wait on the other would hang.
void read_both(Pipe& out, std::string& out_text, Pipe& err, std::string& err_text) {
  std::array<pollfd, 2> waits{pollfd{out.reader(), POLLIN, 0}, pollfd{err.reader(), POLLIN, 0}};
  const std::array<std::string*, 2> texts{&out_text, &err_text};
  while (waits[0].fd >= 0 || waits[1].fd >= 0) {
    if (poll(waits.data(), waits.size(), -1) < 0) continue;  // interrupted by a signal
    for (size_t i = 0; i < waits.size(); ++i) {
      if (waits[i].fd < 0 || waits[i].revents == 0) continue;
      char buffer[4096];
      const ssize_t count = read(waits[i].fd, buffer, sizeof buffer);
      if (count > 0) texts[i]->append(buffer, static_cast<size_t>(count));
      if (count == 0 || (count < 0 && errno != EINTR)) waits[i].fd = -1;
    }
  }
}

std::vector<char*> environment_without_filters() {
  std::vector<char*> kept;
  for (char** entry = environ; *entry; ++entry) {
    const std::string_view text = *entry;
    if (!text.starts_with("SQUEUE_") && !text.starts_with("SACCT_") && !text.starts_with("SCANCEL_"))
      kept.push_back(*entry);
  }
  kept.push_back(nullptr);
  return kept;
}

/// "status:signal" in words.
std::string describe_exit_code(const std::string& code) {
  const std::vector<std::string_view> parts = split(code, ':');
  const int64_t status = number(parts[0]).value_or(0);
  const int64_t signal = parts.size() > 1 ? number(parts[1]).value_or(0) : 0;
  if (signal == 0 && status == 0) return "failed";
  return exit_reason(W_EXITCODE(static_cast<int>(status), static_cast<int>(signal)));
}

std::string describe_end(const SlurmTask& task, const std::string& outcome) {
  if (task.state == "COMPLETED") return "ended without an error, and without an outcome in " + outcome;
  if (task.state == "TIMEOUT") return "ran into its time limit; \"time\" of the slurm settings asks for more";
  if (task.state == "OUT_OF_MEMORY") return "was out of memory; \"mem\" of the slurm settings asks for more";
  if (task.state == "NODE_FAIL" || task.state == "BOOT_FAIL") return "lost its node (" + task.state + ")";
  if (task.state == "PREEMPTED") return "had to give way to another job (PREEMPTED)";
  if (task.state == "FAILED") return describe_exit_code(task.exit_code);
  if (task.state == "CANCELLED") return "was cancelled";
  return "ended as " + task.state;
}

}  // namespace

SlurmPhase slurm_phase(std::string_view state) {
  if (is_one_of(state,
                {"PENDING", "CONFIGURING", "REQUEUED", "REQUEUE_FED", "REQUEUE_HOLD", "RESV_DEL_HOLD", "SPECIAL_EXIT"}))
    return SlurmPhase::waiting;
  if (is_one_of(state, {"BOOT_FAIL", "CANCELLED", "COMPLETED", "DEADLINE", "FAILED", "LAUNCH_FAILED", "NODE_FAIL",
                        "OUT_OF_MEMORY", "PREEMPTED", "RECONFIG_FAIL", "REVOKED", "TIMEOUT"}))
    return SlurmPhase::over;
  return SlurmPhase::running;
}

JobStatus slurm_end(const SlurmTask& task, const std::string& outcome) {
  const bool stopped = task.state == "CANCELLED" || task.state == "REVOKED";
  return {stopped ? JobState::stopped : JobState::failed,
          fmt::format("Slurm's {}_{} {}", task.id, task.index, describe_end(task, outcome))};
}

std::vector<SlurmTask> parse_squeue(std::string_view text) {
  std::vector<SlurmTask> tasks;
  for (const std::string_view line : split(text, '\n')) {
    const std::vector<std::string_view> parts = split(line, '|');
    if (parts.size() < 5) continue;
    const std::optional<int64_t> id = number(parts[0]);
    std::optional<int64_t> index = number(parts[1]);
    if (!index && slurm_phase(parts[3]) == SlurmPhase::over) index = SlurmTask::the_rest;
    if (!id || !index) continue;
    tasks.push_back({std::string(parts[2]), *id, *index, std::string(parts[3]), std::string(parts[4]), ""});
  }
  return tasks;
}

std::vector<SlurmTask> parse_sacct(std::string_view text) {
  std::vector<SlurmTask> tasks;
  for (const std::string_view line : split(text, '\n')) {
    const std::vector<std::string_view> parts = split(line, '|');
    if (parts.size() < 4) continue;
    const std::vector<std::string_view> numbers = split(parts[0], '_');
    if (numbers.size() != 2) continue;
    const std::optional<int64_t> id = number(numbers[0]), index = number(numbers[1]);
    if (!id || !index) continue;
    // "CANCELLED by 1000"
    const std::string_view state = parts[2].substr(0, parts[2].find(' '));
    tasks.push_back({std::string(parts[1]), *id, *index, std::string(state), "", std::string(parts[3])});
  }
  return tasks;
}

std::string shell_quoted(std::string_view word) {
  std::string quoted = "'";
  for (const char c : word) {
    if (c == '\'')
      quoted += "'\\''";
    else
      quoted += c;
  }
  return quoted + "'";
}

std::string CommandOutput::complaint() const {
  for (const std::string_view text : {std::string_view(err), std::string_view(out)}) {
    for (std::string_view line : split(text, '\n')) {
      if (line.empty()) continue;
      if (const size_t mark = line.find(": error: "); mark != std::string_view::npos) line.remove_prefix(mark + 9);
      return std::string(line);
    }
  }
  return fmt::format("exit status {}", status);
}

CommandOutput run_slurm_command(const std::vector<std::string>& words) {
  Pipe out, err;
  std::vector<std::string> arguments = words;
  std::vector<char*> argv;
  for (std::string& word : arguments) argv.push_back(word.data());
  argv.push_back(nullptr);
  std::vector<char*> environment = environment_without_filters();
  posix_spawn_file_actions_t files;
  posix_spawn_file_actions_init(&files);
  posix_spawn_file_actions_addopen(&files, STDIN_FILENO, "/dev/null", O_RDONLY, 0);
  posix_spawn_file_actions_adddup2(&files, out.writer(), STDOUT_FILENO);
  posix_spawn_file_actions_adddup2(&files, err.writer(), STDERR_FILENO);
  posix_spawnattr_t attributes;
  posix_spawnattr_init(&attributes);
  posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETPGROUP);
  posix_spawnattr_setpgroup(&attributes, 0);
  pid_t child = 0;
  const int error = posix_spawnp(&child, argv[0], &files, &attributes, argv.data(), environment.data());
  posix_spawnattr_destroy(&attributes);
  posix_spawn_file_actions_destroy(&files);
  if (error != 0) throw Error(fmt::format("{}: cannot be started: {}", words[0], std::strerror(error)));
  out.close_writer();
  err.close_writer();
  CommandOutput result;
  read_both(out, result.out, err, result.err);
  int status = 0;
  while (waitpid(child, &status, 0) < 0 && errno == EINTR) {
  }
  result.status = WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
  return result;
}

bool on_path(const std::string& program) {
  const char* path = std::getenv("PATH");
  for (const std::string_view folder : split(path ? path : "", ':'))
    if (!folder.empty() && access((std::string(folder) + "/" + program).c_str(), X_OK) == 0) return true;
  return false;
}

std::optional<std::vector<SlurmTask>> slurm_queue(const std::vector<std::string>& arrays, std::string& complaint) {
  if (arrays.empty()) return std::vector<SlurmTask>();
  // By name, not by id: an id that the queue forgot is an error to squeue, and ids start again when a controller loses
  // its state.
  const CommandOutput output =
      run_slurm_command({"squeue", "--noheader", "--array", "--all", "--states=all", "--name=" + joined(arrays),
                         fmt::format("--user={}", getuid()), "--format=%F|%K|%j|%T|%r"});
  if (output.status == 0) return parse_squeue(output.out);
  complaint = output.complaint();
  return std::nullopt;
}

std::vector<SlurmTask> slurm_accounting(const std::vector<std::string>& arrays, const std::vector<int64_t>& ids) {
  if (arrays.empty() || ids.empty() || !on_path("sacct")) return {};
  const CommandOutput output =
      run_slurm_command({"sacct", "--noheader", "--parsable2", "--allocations", "--name=" + joined(arrays),
                         fmt::format("--jobs={}", fmt::join(ids, ",")), "--format=JobID,JobName,State,ExitCode"});
  // Without a database it says "Slurm accounting storage is disabled": then there is nothing to be known.
  return output.status == 0 ? parse_sacct(output.out) : std::vector<SlurmTask>();
}

std::string slurm_exit_code(const SlurmTask& task) {
  const CommandOutput output =
      run_slurm_command({"scontrol", "show", "job", "--oneliner", fmt::format("{}_{}", task.id, task.index)});
  const std::string key = " ExitCode=";
  const size_t begin = output.out.find(key);
  if (output.status != 0 || begin == std::string::npos) return "";
  const size_t value = begin + key.size();
  return output.out.substr(value, output.out.find_first_of(" \n", value) - value);
}

int64_t slurm_largest_array() {
  constexpr int64_t slurms_default = 1001;
  const CommandOutput output = run_slurm_command({"scontrol", "show", "config"});
  for (const std::string_view line : split(output.out, '\n')) {
    if (!line.starts_with("MaxArraySize")) continue;
    const size_t equals = line.find("= ");
    if (equals == std::string_view::npos) break;
    const std::optional<int64_t> size = number(line.substr(equals + 2));
    if (size && *size < 1)
      throw InputError("--launcher slurm: this cluster allows no job arrays (MaxArraySize=0 in slurm.conf)");
    return size.value_or(slurms_default);
  }
  return slurms_default;
}

}  // namespace orbweaver
