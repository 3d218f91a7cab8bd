// orbweaver config show|schema
#include "framework/config/config.h"

#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <memory>

#include "framework/cli/command.h"
#include "framework/cli/print.h"
#include "framework/io/files.h"
#include "framework/io/json.h"
#include "framework/plugin/plugin_host.h"
#include "orbweaver/error.h"

namespace orbweaver {
namespace fs = std::filesystem;
namespace {

struct ConfigOptions {
  fs::path file, out;
  std::vector<std::string> overrides;
  std::vector<fs::path> validate;
  bool partial = false;
};

void show(const ConfigOptions& options) {
  const ConfigSource source = read_config(options.file, options.overrides);
  if (options.partial) return print_json(source.value);
  PluginHost::Options host;
  host.search_paths = plugin_search_paths(source);
  PluginHost plugins(host);
  print_json(resolve_config(source, plugins).resolved);
}

/// Building blocks are validated as far as they go: what a method must have is asked for by `config show` and `train`.
void validate_files(const ConfigOptions& options, CommandContext& context) {
  size_t bad = 0;
  for (const fs::path& file : options.validate) {
    try {
      const ConfigSource source = read_config(file, {});
      PluginHost::Options host;
      host.search_paths = plugin_search_paths(source);
      PluginHost plugins(host);
      const std::vector<std::string> problems = config_problems(source, plugins, Completeness::partial);
      for (const std::string& line : problems) print_err("orbweaver: {}\n", line);
      if (problems.empty()) print_out("{}: valid\n", file.string());
      bad += problems.empty() ? 0 : 1;
    } catch (const Error& error) {
      print_err("orbweaver: {}\n", error.what());
      ++bad;
    }
  }
  if (bad > 0) context.exit_code = exit_wrong_input;
}

}  // namespace

void add_config_command(CLI::App& app, CommandContext& context) {
  CLI::App* command = app.add_subcommand("config", "Show what a config resolves to; its schema");
  command->require_subcommand(1);
  const auto options = std::make_shared<ConfigOptions>();

  CLI::App* shown = command->add_subcommand("show", "The resolved config: extended, overridden, defaults filled in");
  shown->add_option("config", options->file, "Config file or run folder")->required();
  shown->add_option("--set", options->overrides, "Override a.b.c=VALUE (repeatable)")
      ->type_name("PATH=VALUE")
      ->allow_extra_args(false);
  shown->add_flag("--merged", options->partial, "Only extended and overridden: without validation and defaults");
  shown->footer("Example:\n  orbweaver config show configs/methods/vsepp_light.json --set dataset.root=/data/rsicd");
  shown->callback([options] { show(*options); });

  CLI::App* schema = command->add_subcommand("schema", "JSON Schema of configs with all plugins found, for editors");
  schema->add_option("--out", options->out, "Write it to this file instead of printing it")->type_name("FILE");
  schema->add_option("--validate", options->validate, "Instead, validate these files, building blocks included")
      ->type_name("FILE");
  schema->footer(
      "Example:\n  orbweaver config schema --out orbweaver.schema.json\n"
      "  orbweaver config schema --validate configs/methods/*.json");
  schema->callback([options, &context] {
    if (!options->validate.empty()) return validate_files(*options, context);
    PluginHost plugins;
    const Value value = config_schema(plugins);
    if (options->out.empty()) return print_json(value);
    write_atomically(options->out, to_json(value) + "\n");
  });
}

}  // namespace orbweaver
