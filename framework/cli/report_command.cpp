// orbweaver report
#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <memory>

#include "framework/cli/command.h"
#include "framework/cli/print.h"
#include "framework/report/report.h"

namespace orbweaver {

void add_report_command(CLI::App& app, CommandContext&) {
  CLI::App* command = app.add_subcommand("report", "Write a sweep, or some runs, as one HTML file to look at");
  const auto options = std::make_shared<ReportOptions>();
  const auto json = std::make_shared<bool>(false);
  command->add_option("inputs", options->inputs, "A sweep's folder, or run folders; the first run is the baseline")
      ->required()
      ->type_name("RUN...|SWEEP");
  command->add_option("--out", options->out, "File to write; default: report.html in the sweep or the only run")
      ->type_name("FILE.html");
  command->add_flag("--json", *json, "Print what was written as JSON");
  command->footer(
      "Example:\n"
      "  orbweaver report runs/galr_table4_light --out table4.html\n"
      "The file holds everything, pictures and charts included; it opens without a network. Curves by query need the\n"
      "ranks that orbweaver eval keeps in a run, the gallery also scores.SPLIT.npy there (eval --scores).");
  command->callback([options, json] {
    const RunReport report = make_report();
    const WrittenReport written = write_report(*options, report);
    if (*json) {
      Value value = Value::object();
      value["file"] = written.file.string();
      value["bytes"] = written.bytes;
      value["variants"] = written.variants;
      value["runs"] = written.runs;
      value["finished"] = written.finished;
      value["missing"] = Value::list();
      for (const std::string& text : written.missing) value["missing"].push_back(text);
      return print_json(value);
    }
    for (const std::string& text : written.missing) report.line(text);
    print_out("{}: {} of {} runs finished, {:.1f} MB\n", written.file.string(), written.finished, written.runs,
              static_cast<double>(written.bytes) / 1e6);
  });
}

}  // namespace orbweaver
