// orbweaver train
#include "framework/train/train.h"

#include <CLI/CLI.hpp>
#include <memory>

#include "framework/cli/command.h"

namespace orbweaver {

void add_train_command(CLI::App& app, CommandContext& context) {
  CLI::App* command = app.add_subcommand("train", "Train a method; writes a run folder");
  const auto options = std::make_shared<TrainOptions>();
  const auto json = std::make_shared<bool>(false);
  command->add_option("config", options->config_or_run, "Config file, or a run folder to resume")->required();
  command->add_option("--set", options->overrides, "Override a.b.c=VALUE (repeatable)")
      ->type_name("PATH=VALUE")
      ->allow_extra_args(false);
  command->add_option("--out", options->folder, "Run folder; default: <output>/<name>-<dataset>-s<seed>")
      ->type_name("DIR");
  CLI::Option* resume = command->add_flag("--resume", options->resume, "Continue the run in that folder, bit for bit");
  command->add_flag("--overwrite", options->overwrite, "Start again in a folder that holds a run")->excludes(resume);
  command->add_flag("--json", *json, "Print the record as JSON");
  command->footer(
      "Example:\n"
      "  orbweaver train configs/methods/vsepp_light.json --set dataset.root=/data/rsicd --set seed=2\n"
      "Ctrl-C finishes the step, saves, and says how to resume.");
  command->callback([options, json, &context] {
    const RunReport report = make_interruptible_report();
    const TrainResult result = train(*options, report);
    if (!result.finished) context.exit_code = exit_failed;
    // Of several processes that train together only rank 0 has a record.
    if (*json && result.finished && !result.record.is_null()) print_json(result.record);
  });
}

}  // namespace orbweaver
