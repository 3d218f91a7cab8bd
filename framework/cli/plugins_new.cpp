// orbweaver plugins new
#include <fmt/format.h>
#include <fmt/ranges.h>

#include <CLI/CLI.hpp>
#include <filesystem>
#include <memory>
#include <string>

#include "framework/cli/command.h"
#include "framework/cli/print.h"
#include "framework/plugin/plugin_host.h"
#include "framework/plugin/scaffold.h"

namespace orbweaver {
namespace fs = std::filesystem;
namespace {

struct NewOptions {
  NewPlugin plugin;
  bool json = false;
};

/// The folder as it is nearest to type.
std::string shown(const fs::path& folder) {
  const fs::path relative = folder.lexically_proximate(fs::current_path());
  return relative.string().starts_with("..") ? folder.string() : relative.string();
}

void write_new(const NewOptions& options) {
  const WrittenPlugin written = write_new_plugin(options.plugin);
  if (options.json) {
    Value value;
    value["folder"] = written.folder.string();
    value["files"] = Value::list();
    for (const fs::path& file : written.files) value["files"].push_back(file.string());
    return print_json(value);
  }
  const std::string folder = shown(written.folder), name = options.plugin.name;
  for (const fs::path& file : written.files) print_out("{}\n", (fs::path(folder) / file).string());
  print_out("\nIt works as it is. Build it, and see whether it keeps what its kind promises:\n");
  print_out("  cmake -S {0} -B {0}/build{1}\n", folder, written.prefix_option);
  print_out("  cmake --build {0}/build\n  orbweaver plugins check {0}/build/orbw_{1}.so\n", folder, name);
  print_out("{}/README.md goes on from there.\n", folder);
}

}  // namespace

void add_plugins_new_command(CLI::App& plugins) {
  const auto options = std::make_shared<NewOptions>();
  CLI::App* command =
      plugins.add_subcommand("new", "Starts a plugin: a folder that builds, with a component that works");
  command
      ->add_option("kind", options->plugin.kind, fmt::format("What it makes: {}", fmt::join(component_kinds(), ", ")))
      ->type_name("KIND")
      ->required();
  command->add_option("name", options->plugin.name, "Its name: lower-case letters, digits and _")
      ->type_name("NAME")
      ->required();
  command->add_option("--dir", options->plugin.folder, "Folder to write, which must not exist; otherwise NAME")
      ->type_name("DIR");
  command->add_flag("--json", options->json, "Print JSON");
  command->footer("Example:\n  orbweaver plugins new graph_builder my_graph");
  command->callback([options] { write_new(*options); });
}

}  // namespace orbweaver
