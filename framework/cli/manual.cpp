// orbweaver manual man|bash: the manual page and bash's completion, from what the commands say of themselves. Run by
// the build, not by users. manual config: the reference of configs, which is docs/reference.md.
#include <fmt/format.h>
#include <fmt/ranges.h>

#include <CLI/CLI.hpp>
#include <functional>
#include <memory>
#include <sstream>
#include <string>
#include <string_view>
#include <vector>

#include "framework/cli/command.h"
#include "framework/config/reference.h"
#include "framework/plugin/plugin_host.h"
#include "framework/version.h"

namespace orbweaver {
namespace {

/// A command with the words that call it: "plugins describe". The program itself has none.
struct Command {
  std::string words;
  const CLI::App* app;
};

std::vector<Command> children(const Command& parent) {
  std::vector<Command> out;
  for (const CLI::App* app : parent.app->get_subcommands([](const CLI::App*) { return true; }))
    if (!app->get_group().empty())  // those without are not for users
      out.push_back({parent.words.empty() ? app->get_name() : parent.words + " " + app->get_name(), app});
  return out;
}

/// The program and every command, each before its own commands.
std::vector<Command> all_commands(const CLI::App& program) {
  std::vector<Command> out;
  const std::function<void(const Command&)> add = [&](const Command& command) {
    out.push_back(command);
    for (const Command& child : children(command)) add(child);
  };
  add({"", &program});
  return out;
}

std::vector<const CLI::Option*> visible_options(const CLI::App& app) {
  return app.get_options([](const CLI::Option* option) { return !option->get_group().empty(); });
}

bool is_help(const CLI::Option& option) { return option.get_name(false, true).find("--help") != std::string::npos; }

// ---- manual page (man(7))

/// Text as troff shows it: no requests, no escapes, hyphens that can be copied into a shell.
std::string troff(std::string_view text) {
  std::string out;
  bool line_begins = true;
  for (const char c : text) {
    if (line_begins && (c == '.' || c == '\'')) out += "\\&";
    if (c == '\\')
      out += "\\e";
    else if (c == '-')
      out += "\\-";
    else
      out += c;
    line_begins = c == '\n';
  }
  return out;
}

void print_options(const CLI::App& app, bool of_program) {
  const CLI::Formatter formatter;
  for (const CLI::Option* option : visible_options(app)) {
    if (is_help(*option) && !of_program) continue;
    const std::string name = formatter.make_option_name(option, option->get_positional());
    fmt::print(".TP\n\\fB{}\\fR{}\n{}\n", troff(name), troff(formatter.make_option_opts(option)),
               troff(formatter.make_option_desc(option)));
  }
}

void print_command(const Command& command) {
  std::string arguments = " [OPTIONS]";
  const CLI::Formatter formatter;
  for (const CLI::Option* option : visible_options(*command.app))
    if (option->get_positional()) arguments += " " + formatter.make_option_usage(option);
  if (!children(command).empty()) arguments = " COMMAND";
  fmt::print(".SS orbweaver {}{}\n{}.\n", troff(command.words), troff(arguments),
             troff(command.app->get_description()));
  print_options(*command.app, false);
  if (!command.app->get_footer().empty()) fmt::print(".PP\n.nf\n{}\n.fi\n", troff(command.app->get_footer()));
}

void print_manual_page(const CLI::App& program) {
  fmt::print(".TH ORBWEAVER 1 \"\" \"orbweaver {}\" \"User Commands\"\n", ORBWEAVER_VERSION);
  fmt::print(".SH NAME\norbweaver \\- {}\n", troff("text-image retrieval in remote sensing, assembled from plugins"));
  fmt::print(".SH SYNOPSIS\n\\fBorbweaver\\fR COMMAND [OPTIONS] ...\n");
  fmt::print(
      ".SH DESCRIPTION\nA retrieval method is a JSON file that names its parts (encoders, graphs, fusion, losses, "
      "rerankers), each of which lives in a plugin library. Orbweaver trains and evaluates methods, compares them, and "
      "shows what they retrieve.\n");
  fmt::print(".SH OPTIONS\n");
  print_options(program, true);
  fmt::print(".SH COMMANDS\n");
  for (const Command& command : all_commands(program))
    if (!command.words.empty()) print_command(command);
  fmt::print(
      ".SH EXIT STATUS\n.TP\n0\ndone\n.TP\n1\na run failed, or a check found problems\n.TP\n2\nthe user's input was "
      "wrong\n");
  fmt::print(
      ".SH ENVIRONMENT\n.TP\nORBWEAVER_PLUGIN_PATH\nFolders searched for plugins (orbw_NAME.so), separated by colons, "
      "absolute\n.TP\nORBWEAVER_CACHE_LIMIT\nLargest size of the feature cache, 20GiB otherwise\n.TP\n"
      "XDG_CACHE_HOME\nThe feature cache is its folder orbweaver, ~/.cache/orbweaver otherwise\n");
  fmt::print(
      ".SH FILES\nBelow the prefix where Orbweaver is installed:\n.TP\nlib/orbweaver/plugins\nthe plugins that ship\n"
      ".TP\nshare/orbweaver/configs\nmethods, datasets and sweeps\n.TP\nshare/doc/orbweaver\nthe documentation\n");
}

// ---- completion of bash

void print_completion(const CLI::App& program) {
  const std::vector<Command> commands = all_commands(program);
  fmt::print("# bash completion of orbweaver\n_orbweaver() {{\n");
  fmt::print("  local current=${{COMP_WORDS[COMP_CWORD]}} command='' words='' names='' i\n");
  // The longest sequence of the words before the current one that is a command.
  fmt::print("  for ((i = 1; i < COMP_CWORD; ++i)); do\n    case \"$command ${{COMP_WORDS[i]}}\" in\n");
  std::vector<std::string> known;
  for (const Command& command : commands) {
    if (command.words.empty()) continue;
    known.push_back(fmt::format("'{}{}'", command.words.find(' ') == std::string::npos ? " " : "", command.words));
  }
  fmt::print("      {}) command=\"${{command:+$command }}${{COMP_WORDS[i]}}\" ;;\n    esac\n  done\n",
             fmt::join(known, " | "));
  fmt::print("  case $command in\n");
  for (const Command& command : commands) {
    std::vector<std::string> options, names;
    for (const CLI::Option* option : visible_options(*command.app)) {
      for (const std::string& name : option->get_lnames()) options.push_back("--" + name);
    }
    for (const Command& child : children(command)) names.push_back(child.app->get_name());
    if (command.words == "plugins new") names = component_kinds();
    fmt::print("    '{}') names='{}' words='{}' ;;\n", command.words, fmt::join(names, " "), fmt::join(options, " "));
  }
  // Without a match bash completes file names, which most arguments and values are.
  fmt::print(
      "  esac\n  [[ $current == -* ]] && names=$words\n"
      "  mapfile -t COMPREPLY < <(compgen -W \"$names\" -- \"$current\")\n}}\n"
      "complete -o default -F _orbweaver orbweaver\n");
}

}  // namespace

void add_manual_command(CLI::App& app, CommandContext&) {
  CLI::App* command =
      app.add_subcommand("manual", "Prints the manual page, bash's completion, or the config reference");
  command->group("");
  const auto form = std::make_shared<std::string>();
  command->add_option("form", *form, "man, bash or config")
      ->check(CLI::IsMember({"man", "bash", "config"}))
      ->required();
  command->callback([form, program = &app] {
    if (*form == "man") return print_manual_page(*program);
    if (*form == "bash") return print_completion(*program);
    PluginHost plugins;
    fmt::print("{}", config_reference(plugins));
  });
}

}  // namespace orbweaver
