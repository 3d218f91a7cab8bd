// orbweaver weights inspect
#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <filesystem>
#include <memory>
#include <sstream>
#include <string>
#include <vector>

#include "framework/cli/command.h"
#include "framework/cli/print.h"
#include "framework/io/json.h"
#include "framework/model/inspect_weights.h"
#include "framework/plugin/settings.h"
#include "orbweaver/error.h"

namespace orbweaver {
namespace {

namespace fs = std::filesystem;

struct WeightsOptions {
  std::string file;
  std::vector<fs::path> folders;
  bool json = false;
};

/// "151,277,313"
std::string grouped(int64_t number) {
  std::string text = std::to_string(number);
  for (auto at = static_cast<int64_t>(text.size()) - 3; at > 0; at -= 3) text.insert(static_cast<size_t>(at), ",");
  return text;
}

void print_tensors(const WeightsInspection& inspection, const std::string& file) {
  if (!inspection.not_tensors.empty()) return print_out("no named tensors: {}\n", inspection.not_tensors);
  std::string dtypes;
  for (const auto& [name, count] : inspection.dtypes)
    dtypes += fmt::format("{}{} {}", dtypes.empty() ? "" : ", ", count, name);
  print_out("{}: {} tensors ({}), {} values, {:.1f} MB\n", file, inspection.tensors, dtypes, grouped(inspection.values),
            static_cast<double>(inspection.bytes) / 1e6);
  for (const auto& group : inspection.groups)
    print_out("  {:<24} {:>5} tensors {:>15} values\n", group.name, group.tensors, grouped(group.values));
}

void print_fit(const WeightsInspection::Candidate& candidate) {
  print_out("fits {} {}", candidate.kind, candidate.id);
  if (candidate.widths.global > 0) print_out(", global {} wide", candidate.widths.global);
  if (candidate.widths.tokens > 0) print_out(", tokens {} wide", candidate.widths.tokens);
  print_out("\n  {}{}\n", to_json(candidate.params, -1),
            candidate.plugin == candidate.id ? "" : fmt::format(", with \"{}\" in \"plugins\"", candidate.plugin));
  std::istringstream notes(candidate.notes);
  for (std::string line; std::getline(notes, line);) print_out("  {}\n", line);
}

/// Reasons are cut to a screen's width or two: --json has them whole.
std::string cut(const std::string& text) { return text.size() <= 240 ? text : text.substr(0, 237) + "..."; }

void inspect_command(const WeightsOptions& options, CommandContext& context) {
  PluginHost plugins = host_searching(options.folders);
  const WeightsInspection inspection = inspect_weights(options.file, plugins);
  bool any = false;
  for (const auto& candidate : inspection.candidates) any = any || candidate.refusal.empty();
  if (!any) context.exit_code = exit_failed;
  if (options.json) return print_json(inspection_value(inspection));
  print_tensors(inspection, options.file);
  for (const auto& candidate : inspection.candidates)
    if (candidate.refusal.empty()) print_fit(candidate);
  for (const auto& candidate : inspection.candidates)
    if (!candidate.refusal.empty())
      print_out("does not fit {} {}: {}\n", candidate.kind, candidate.id, cut(candidate.refusal));
}

}  // namespace

void add_weights_command(CLI::App& app, CommandContext& context) {
  CLI::App* command = app.add_subcommand("weights", "What a weights file holds and which config fits it");
  command->require_subcommand(1);
  const auto options = std::make_shared<WeightsOptions>();

  CLI::App* inspect = command->add_subcommand(
      "inspect", "The tensors of a file, and the components that take it, with what to write into a config");
  inspect->add_option("file", options->file, "FILE: .safetensors, .pt, .bin, or a network that a component reads")
      ->required();
  inspect->add_option("--plugin-path", options->folders, "Folder searched before all others (repeatable)")
      ->type_name("DIR")
      ->allow_extra_args(false);
  inspect->add_flag("--json", options->json, "Print JSON, with every reason in full");
  inspect->footer(
      "Components are found by giving them the file; one that runs TorchScript runs an archive's code.\n"
      "Example:\n  orbweaver weights inspect weights/ViT-B-32.safetensors\nExit status 1 where no component takes the "
      "file.");
  inspect->callback([options, &context] { inspect_command(*options, context); });
}

}  // namespace orbweaver
