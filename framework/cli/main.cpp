// The command line: one subcommand per file of this folder.
#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <cstdio>
#include <exception>
#include <new>
#include <sstream>
#include <string>
#include <vector>

#include "framework/cli/command.h"
#include "framework/cli/print.h"
#include "framework/model/libtorch_version.h"
#include "framework/plugin/hosted.h"
#include "framework/version.h"
#include "orbweaver/error.h"
#include "orbweaver/params.h"
#include "orbweaver/version.h"

namespace orbweaver {
namespace {

std::string version_text() {
  return fmt::format("orbweaver {}\nplugin SDK {}.{}\nLibTorch {}\ncompiler gcc {}.{}.{}", ORBWEAVER_VERSION,
                     ORBWEAVER_SDK_VERSION_MAJOR, ORBWEAVER_SDK_VERSION_MINOR, libtorch_version().text, __GNUC__,
                     __GNUC_MINOR__, __GNUC_PATCHLEVEL__);
}

/// Every line of the text with the program's name in front.
void report(const std::string& text) {
  std::fflush(stdout);
  std::istringstream lines(text);
  for (std::string line; std::getline(lines, line);) print_err("orbweaver: {}\n", line);
}

void add_commands(CLI::App& app, CommandContext& context) {
  add_train_command(app, context);
  add_eval_command(app, context);
  add_infer_command(app, context);
  add_rerank_command(app, context);
  add_sweep_command(app, context);
  add_report_command(app, context);
  add_detect_command(app, context);
  add_graph_command(app, context);
  add_data_command(app, context);
  add_cache_command(app, context);
  add_config_command(app, context);
  add_plugins_command(app, context);
  add_weights_command(app, context);
  add_manual_command(app, context);
}

/// "orbweaver plugins list": the command that the arguments reached.
std::string reached_command(const CLI::App& app) {
  std::string text = "orbweaver";
  for (const CLI::App* at = &app; !at->get_subcommands().empty();) {
    at = at->get_subcommands().front();
    text += " " + at->get_name();
  }
  return text;
}

std::string parse_error_text(const CLI::App& app, const CLI::ParseError& error, int argc, char** argv) {
  std::vector<std::string> names;
  for (const CLI::App* command : app.get_subcommands([](const CLI::App*) { return true; }))
    names.push_back(command->get_name());
  if (app.get_subcommands().empty() && argc > 1 && argv[1][0] != '-') {
    const std::string near = nearest_name(argv[1], names);
    if (!near.empty()) return fmt::format("unknown command \"{}\"; did you mean \"{}\"?", argv[1], near);
    return fmt::format("unknown command \"{}\"; see orbweaver --help", argv[1]);
  }
  return fmt::format("{}; see {} --help", one_line(error.what()), reached_command(app));
}

int run(int argc, char** argv) {
  CLI::App app("Text-image retrieval in remote sensing, assembled from plugins.", "orbweaver");
  app.set_version_flag("--version", version_text());
  app.set_help_all_flag("--help-all", "Print the help of every command");
  app.require_subcommand(1);
  app.footer("Example:\n  orbweaver plugins list\nEvery command has --help with an example.");
  CommandContext context;
  add_commands(app, context);
  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& error) {
    if (error.get_exit_code() == 0) return app.exit(error);  // --help, --version
    report(parse_error_text(app, error, argc, argv));
    return exit_wrong_input;
  }
  if (std::fflush(stdout) != 0) throw Error("standard output cannot be written");
  return context.exit_code;
}

}  // namespace
}  // namespace orbweaver

int main(int argc, char** argv) {
  using namespace orbweaver;
  say_interrupts();
  try {
    return run(argc, argv);
  } catch (const InputError& error) {
    report(error.what());
    return exit_wrong_input;
  } catch (const std::bad_alloc&) {
    report("out of memory");
    return exit_failed;
  } catch (const std::exception& error) {
    report(one_line(error.what()));
    return exit_failed;
  } catch (...) {
    report("stopped by an unknown error");
    return exit_failed;
  }
}
