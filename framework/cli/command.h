// What the commands share. Each command is one file that defines one of the functions below; main.cpp calls them.
#pragma once

#include <chrono>
#include <cstdint>
#include <cstdio>
#include <string>
#include <string_view>

#include "framework/io/report.h"
#include "orbweaver/value.h"

namespace CLI {
class App;
}

namespace orbweaver {

/// Exit statuses of every command.
enum ExitCode : int {
  exit_done = 0,
  exit_failed = 1,      ///< the run failed
  exit_wrong_input = 2  ///< the user's input was wrong
};

/// Filled by the command that ran.
struct CommandContext {
  int exit_code = exit_done;
};

/// Each adds one subcommand, whose callback does the work and throws InputError (status 2) or any other exception
/// (status 1) with one line for the user; main prints it.
void add_train_command(CLI::App& app, CommandContext& context);
void add_eval_command(CLI::App& app, CommandContext& context);
void add_infer_command(CLI::App& app, CommandContext& context);
void add_rerank_command(CLI::App& app, CommandContext& context);
void add_sweep_command(CLI::App& app, CommandContext& context);
void add_report_command(CLI::App& app, CommandContext& context);
void add_detect_command(CLI::App& app, CommandContext& context);
void add_graph_command(CLI::App& app, CommandContext& context);
void add_data_command(CLI::App& app, CommandContext& context);
void add_cache_command(CLI::App& app, CommandContext& context);
void add_plugins_command(CLI::App& app, CommandContext& context);
void add_weights_command(CLI::App& app, CommandContext& context);
void add_config_command(CLI::App& app, CommandContext& context);
void add_manual_command(CLI::App& app, CommandContext& context);
/// Adds `new` to the subcommands of `plugins`.
void add_plugins_new_command(CLI::App& plugins);
/// Adds `check` to them.
void add_plugins_check_command(CLI::App& plugins, CommandContext& context);

/// Progress and lines of long work on standard error. The interruptible one takes
/// the first Ctrl-C (or SIGTERM) as asking the work to finish its step and save; a second one ends the process at once.
RunReport make_report();
RunReport make_interruptible_report();

/// Has Ctrl-C (or SIGTERM) say in one line that the command was interrupted, and end the process at once: for the
/// commands without an interruptible report, which have nothing to save.
void say_interrupts();

/// Text for people on standard output or error: of what names, captions and files hold, control characters are spelled
/// out (framework/io/printable.h). print_out and print_err (print.h) format it, too.
void print_text(std::FILE* stream, std::string_view text);

/// A result for machines: JSON and a line end on standard output.
void print_json(const Value& value);

/// Whether standard error is a terminal.
bool on_terminal();

/// Progress on standard error: on a terminal one line that is rewritten, with rate and time left; otherwise a plain
/// line now and then.
///
///   Progress progress("epoch 3", batches, "batches");
///   progress.update(done, "loss 12.4");
class Progress {
 public:
  /// @param total  units of work, 0 when unknown.
  /// @param done   of them before now, as of resumed work: they do not count in the rate.
  Progress(std::string what, int64_t total, std::string unit, int64_t done = 0);
  ~Progress();
  Progress(const Progress&) = delete;
  Progress& operator=(const Progress&) = delete;

  void update(int64_t done, const std::string& note = "");
  /// The last state, on a line of its own. Called by the destructor where it was not called before.
  void finish();
  /// Ends without a last line; a line on a terminal is wiped away. For work whose result is reported anyway.
  void drop();

 private:
  void print();

  using Clock = std::chrono::steady_clock;
  std::string what_, unit_, note_;
  int64_t total_, before_, done_;
  Clock::time_point start_, last_print_;
  bool printed_ = false, finished_ = false;
};

}  // namespace orbweaver
