// orbweaver sweep, and the hidden command that its processes run
#include "framework/sweep/sweep.h"

#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <memory>
#include <optional>

#include "framework/cli/command.h"
#include "framework/cli/print.h"
#include "framework/io/json.h"
#include "framework/sweep/worker.h"

namespace orbweaver {
namespace {

struct SweepArguments {
  SweepOptions options;
  std::optional<int64_t> jobs;
  std::string launcher, partition, account, time, gres, mem;
  std::vector<std::string> sbatch;
  bool json = false;
};

/// Options that have a place in the sweep file, as settings of that file; texts
/// are quoted, so that "60" stays one.
void add_settings(SweepArguments& arguments) {
  std::vector<std::string>& settings = arguments.options.settings;
  if (arguments.jobs) settings.push_back(fmt::format("jobs={}", *arguments.jobs));
  const auto add = [&](const char* key, const std::string& text) {
    if (!text.empty()) settings.push_back(fmt::format("{}={}", key, to_json(Value(text), -1)));
  };
  add("launcher", arguments.launcher);
  add("slurm.partition", arguments.partition);
  add("slurm.account", arguments.account);
  add("slurm.time", arguments.time);
  add("slurm.gres", arguments.gres);
  add("slurm.mem", arguments.mem);
  if (arguments.sbatch.empty()) return;
  Value list = Value::list();
  for (const std::string& option : arguments.sbatch) list.push_back(Value(option));
  settings.push_back("slurm.options=" + to_json(list, -1));
}

int sweep(SweepArguments& arguments) {
  add_settings(arguments);
  const RunReport report = arguments.options.dry_run ? make_report() : make_interruptible_report();
  const SweepResult result = run_sweep(arguments.options, report);
  if (arguments.json)
    print_json(result.value);
  else
    print_out("{}{}", result.text, result.text.ends_with('\n') ? "" : "\n");
  if (arguments.options.dry_run) return exit_done;
  if (result.failed > 0)
    report.line(
        fmt::format("{} run{} failed; --retry-failed tries again, logs "
                    "are in {}/runs/*/process.log",
                    result.failed, result.failed == 1 ? "" : "s", result.folder.string()));
  if (result.stopped || result.unfinished > 0)
    report.line(fmt::format("stopped with {} run{} unfinished; the same command goes on where they saved their state",
                            result.unfinished, result.unfinished == 1 ? "" : "s"));
  else if (result.not_selected > 0)
    report.line(fmt::format("{} run{} not selected and not finished", result.not_selected,
                            result.not_selected == 1 ? " is" : "s are"));
  return result.failed > 0 || result.stopped || result.unfinished > 0 ? exit_failed : exit_done;
}

void add_worker_command(CLI::App& app, CommandContext& context) {
  CLI::App* command = app.add_subcommand("sweep-worker", "One run of a sweep (started by orbweaver sweep)");
  command->group("");  // not for users
  struct Arguments {
    std::string job, token, evaluation;
  };
  const auto arguments = std::make_shared<Arguments>();
  command->add_option("job", arguments->job)->required();
  command->add_option("--token", arguments->token)->required();
  command->add_option("--evaluation", arguments->evaluation);
  command->callback([arguments, &context] {
    const RunReport report = make_interruptible_report();
    if (!run_sweep_job(arguments->job, arguments->token, report)) context.exit_code = exit_failed;
  });
}

}  // namespace

void add_sweep_command(CLI::App& app, CommandContext& context) {
  CLI::App* command = app.add_subcommand("sweep", "Train variants x seeds, resume, compare with a baseline");
  const auto arguments = std::make_shared<SweepArguments>();
  SweepOptions& options = arguments->options;
  command->add_option("sweep", options.file, "Sweep file (JSON)")->required();
  command->add_option("--out", options.out, "The sweep's folder; default: <output>/<sweep name>")->type_name("DIR");
  command->add_option("--set", options.overrides, "Override a.b.c=VALUE in every run's config (repeatable)")
      ->type_name("PATH=VALUE")
      ->allow_extra_args(false);
  command->add_option("--set-sweep", options.settings, "Override a field of the sweep file (repeatable)")
      ->type_name("NAME=VALUE")
      ->allow_extra_args(false);
  command->add_option("--only", options.only, "Start only runs or variants of that name; * ? [] (repeatable)")
      ->type_name("PATTERN")
      ->allow_extra_args(false);
  command->add_flag("--dry-run", options.dry_run, "Print the runs, how they differ and what is left to do");
  command->add_flag("--retry-failed", options.retry_failed, "Try failed runs again");
  command->add_option("--jobs", arguments->jobs, "Runs at once; default: as many as their threads allow")
      ->type_name("N");
  command->add_option("--launcher", arguments->launcher, "local or slurm");
  command->add_option("--partition", arguments->partition, "slurm: partition")->group("Slurm");
  command->add_option("--account", arguments->account, "slurm: account that is charged")->group("Slurm");
  command->add_option("--time", arguments->time, "slurm: time limit of one run, as 04:00:00")->group("Slurm");
  command->add_option("--gres", arguments->gres, "slurm: generic resources of one run, as gpu:1")->group("Slurm");
  command->add_option("--mem", arguments->mem, "slurm: memory of one run, as 16G")->group("Slurm");
  command->add_option("--sbatch", arguments->sbatch, "slurm: a further option of sbatch, one word (repeatable)")
      ->type_name("OPTION")
      ->allow_extra_args(false)
      ->group("Slurm");
  command->add_flag("--json", arguments->json, "Print the results (with --dry-run: the plan) as JSON");
  command->footer(
      "Example:\n"
      "  orbweaver sweep configs/sweeps/galr_table4_light.json "
      "--set dataset.root=/data/rsicd --dry-run\n"
      "Without --dry-run it trains what is not finished. It can be "
      "interrupted, or killed, at any time: the same\n"
      "command goes on. Ends with status 1 where a run failed; a "
      "failed run leaves the others alone.");
  command->callback([arguments, &context] { context.exit_code = sweep(*arguments); });
  add_worker_command(app, context);
}

}  // namespace orbweaver
