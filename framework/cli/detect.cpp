// orbweaver detect
#include "framework/data/detect.h"

#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <memory>
#include <thread>

#include "framework/cli/command.h"
#include "framework/cli/print.h"

namespace orbweaver {

void add_detect_command(CLI::App& app, CommandContext& context) {
  CLI::App* command =
      app.add_subcommand("detect", "Runs a detector over a folder of images, or draws what was detected");
  const auto options = std::make_shared<DetectOptions>();
  const auto json = std::make_shared<bool>(false);
  options->threads = static_cast<int>(std::clamp(std::thread::hardware_concurrency(), 1u, 16u));
  command->add_option("--use", options->use, "Detector: an id, as orbweaver plugins list shows them")->type_name("ID");
  command->add_option("--set", options->set, "Parameter NAME=VALUE of the detector (repeatable)")
      ->type_name("NAME=VALUE")
      ->allow_extra_args(false);
  command
      ->add_option("--from", options->from,
                   "Existing detections (.json, or DOTA .txt) to convert or draw, in place of a detector")
      ->type_name("DIR");
  command->add_option("--images", options->images, "Folder of images, with its subfolders")->type_name("DIR");
  command->add_option("--out", options->out, "Folder to write: a .json for each image")->type_name("DIR");
  command->add_option("--draw", options->draw, "Folder to write: a .png for each image with the boxes drawn")
      ->type_name("DIR");
  command->add_flag("--overwrite", options->overwrite, "Replace files that exist; else they are kept");
  command->add_option("--threads", options->threads, "Images at a time; results do not depend on it")
      ->check(CLI::Range(1, 256))
      ->capture_default_str();
  command->add_option("--plugin-path", options->plugin_folders, "Search this folder for plugins first (repeatable)")
      ->type_name("DIR")
      ->allow_extra_args(false);
  command->add_flag("--json", *json, "Print the figures as JSON");
  command->footer(
      "A second start goes on where the first one was interrupted. A dataset finds the files when --out is its\n"
      "folder detections/, or the one that dataset.detections names. Exit status: 0 done, 1 images that cannot be\n"
      "read were left out or the run was interrupted, 2 wrong input.\n"
      "Examples:\n"
      "  orbweaver detect --use regions --images rsicd/images --out rsicd/detections --draw drawn\n"
      "  orbweaver detect --use yolo --set weights=dota.onnx --set names=dota.names --images images --out detections\n"
      "  orbweaver detect --from dota/labelTxt --images dota/images --draw drawn");
  command->callback([options, json, &context] {
    const DetectResult result = detect_folder(*options, make_interruptible_report());
    if (*json)
      print_json(result.value());
    else
      print_out("{}", result.text());
    if (result.interrupted) print_err("interrupted; the same command goes on from here\n");
    if (result.interrupted || !result.broken.empty()) context.exit_code = exit_failed;
  });
}

}  // namespace orbweaver
