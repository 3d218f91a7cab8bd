// orbweaver plugins check, and the hidden command that its process runs
#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <cstdio>
#include <filesystem>
#include <memory>
#include <string>
#include <vector>

#include "framework/cli/command.h"
#include "framework/cli/print.h"
#include "framework/io/json.h"
#include "framework/plugin/check_process.h"
#include "orbweaver/error.h"

namespace orbweaver {
namespace fs = std::filesystem;
namespace {

using State = CheckStep::State;

struct CheckArguments {
  std::string file, id, params = "{}";
  double timeout = 60;
  int descriptor = 1;
  bool json = false;

  PluginCheckOptions options() const {
    Value given = parse_json(params, "--params");
    if (!given.is_object()) throw InputError("--params: expected a JSON object, {\"name\": value}");
    return {fs::absolute(file).lexically_normal(), id, std::move(given)};
  }
};

/// Steps of the file one a line; the properties of a component together.
class Printer {
 public:
  void operator()(const CheckStep& step) {
    if (step.component != component_ && !step.component.empty()) {
      component_ = step.component;
      print_out("{}\n", component_);
    }
    const char* margin = step.component.empty() || step.stage == "exit" ? "" : "  ";
    const std::string name = step.property.empty() ? step.stage : step.property;
    const char* state = step.state == State::passed ? "ok" : step.state == State::skipped ? "-" : "FAILED";
    // The reason of one that passed is what was found, of one that was skipped why.
    const std::string found = step.state == State::failed || step.reason.empty() ? "" : "      " + step.reason;
    print_out("{}{:<18} {}{}\n", margin, name, state, found);
    if (step.state == State::failed) {
      if (!step.rule.empty()) print_out("    rule:  {}\n", step.rule);
      print_out("    found: {}\n", step.reason);
      if (!step.mend.empty()) print_out("    mend:  {}\n", step.mend);
    }
    std::fflush(stdout);
  }

 private:
  std::string component_;
};

Value result_value(const PluginCheckOptions& options, const PluginCheckResult& result) {
  Value value;
  value["file"] = options.file.string();
  value["passed"] = result.passed;
  value["steps"] = Value::list();
  for (const CheckStep& step : result.steps) value["steps"].push_back(to_value(step));
  return value;
}

int check(const CheckArguments& arguments) {
  const PluginCheckOptions options = arguments.options();
  const CheckListener print = arguments.json ? CheckListener([](const CheckStep&) {}) : Printer();
  const PluginCheckResult result = check_plugin(options, arguments.timeout, print);
  if (arguments.json) print_json(result_value(options, result));
  if (result.passed) return exit_done;
  const CheckStep& last = result.steps.back();
  std::fflush(stdout);
  print_err("orbweaver: {}: {}: {}{}\n", options.file.string(), last.where(), last.reason,
            last.mend.empty() ? "" : "; " + last.mend);
  return exit_failed;
}

void add_worker(CLI::App& plugins) {
  CLI::App* command = plugins.add_subcommand("check-worker", "One check (started by orbweaver plugins check)");
  command->group("");  // not for users
  const auto arguments = std::make_shared<CheckArguments>();
  command->add_option("file", arguments->file)->required();
  command->add_option("--id", arguments->id);
  command->add_option("--params", arguments->params);
  command->add_option("--descriptor", arguments->descriptor);
  command->callback([arguments] { work_on_plugin_check(arguments->options(), arguments->descriptor); });
}

}  // namespace

void add_plugins_check_command(CLI::App& plugins, CommandContext& context) {
  CLI::App* command = plugins.add_subcommand("check", "Whether a plugin can be used and its components conform");
  const auto arguments = std::make_shared<CheckArguments>();
  command->add_option("file", arguments->file, "Plugin library, orbw_NAME.so")->required()->type_name("FILE");
  command->add_option("--id", arguments->id, "Check this component alone, ID or KIND/ID")->type_name("ID");
  command->add_option("--params", arguments->params, "Its parameters, a JSON object; default: its own defaults")
      ->type_name("JSON");
  command->add_option("--timeout", arguments->timeout, "Seconds after which a step counts as hanging")
      ->check(CLI::PositiveNumber)
      ->type_name("SECONDS")
      ->capture_default_str();
  command->add_flag("--json", arguments->json, "Print JSON");
  command->footer(
      "It runs in a process of its own, under glibc's malloc checks; what the plugin does there cannot harm this one.\n"
      "Ends with status 1 at the first failure, and says what to do about it.\n"
      "Example:\n"
      "  orbweaver plugins check build/orbw_my_graph.so --params '{\"radius\": 0.1}'");
  command->callback([arguments, &context] { context.exit_code = check(*arguments); });
  add_worker(plugins);
}

}  // namespace orbweaver
