// orbweaver infer
#include "framework/train/infer.h"

#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <memory>

#include "framework/cli/command.h"
#include "framework/io/files.h"

namespace orbweaver {
namespace {

std::string shortened(const std::string& text, size_t width) {
  return text.size() <= width ? text : text.substr(0, width - 3) + "...";
}

/// Sentences are numbered above the table, so that it fits a terminal.
void print_table(const InferOptions& options, const Matrix<float>& scores) {
  for (size_t t = 0; t < options.texts.size(); ++t) fmt::print("[{}] {}\n", t + 1, options.texts[t]);
  size_t width = 5;
  for (const auto& image : options.images)
    width = std::max(width, std::min<size_t>(40, image.filename().string().size()));
  fmt::print("\n{:<{}}", "image", width);
  for (size_t t = 0; t < options.texts.size(); ++t) fmt::print(" {:>8}", fmt::format("[{}]", t + 1));
  fmt::print("\n");
  for (int64_t i = 0; i < scores.rows(); ++i) {
    fmt::print("{:<{}}", shortened(options.images[static_cast<size_t>(i)].filename().string(), width), width);
    int64_t best = 0;
    for (int64_t t = 1; t < scores.cols(); ++t)
      if (scores(i, t) > scores(i, best)) best = t;
    for (int64_t t = 0; t < scores.cols(); ++t)
      fmt::print(" {:>7.4f}{}", scores(i, t), t == best && scores.cols() > 1 ? "*" : " ");
    fmt::print("\n");
  }
  if (scores.cols() > 1) fmt::print("\n* the image's best sentence\n");
}

Value as_value(const InferOptions& options, const Matrix<float>& scores) {
  Value out = Value::object();
  out["images"] = Value::list();
  for (const auto& image : options.images) out["images"].push_back(image.string());
  out["texts"] = Value::list();
  for (const std::string& text : options.texts) out["texts"].push_back(text);
  out["scores"] = Value::list();
  for (int64_t i = 0; i < scores.rows(); ++i) {
    Value row = Value::list();
    for (int64_t t = 0; t < scores.cols(); ++t) row.push_back(static_cast<double>(scores(i, t)));
    out["scores"].push_back(row);
  }
  return out;
}

}  // namespace

void add_infer_command(CLI::App& app, CommandContext&) {
  CLI::App* command = app.add_subcommand("infer", "Similarity table of given images and sentences");
  const auto options = std::make_shared<InferOptions>();
  const auto json = std::make_shared<bool>(false);
  const auto text_file = std::make_shared<std::string>();
  command->add_option("run", options->run, "Run folder (or a config, with --checkpoint)")->required();
  command->add_option("--images", options->images, "Image files")->type_name("FILE")->required();
  command->add_option("--texts", options->texts, "Sentences, each in quotes")->type_name("TEXT");
  command->add_option("--text-file", *text_file, "More sentences, one a line")->type_name("FILE");
  command->add_option("--detections", options->detections, "Folder with <image stem>.json, for graphs")
      ->type_name("DIR");
  command->add_option("--checkpoint", options->checkpoint, "Weights; default: the run's best.safetensors")
      ->type_name("FILE");
  command->add_option("--set", options->overrides, "Override a.b.c=VALUE (repeatable)")
      ->type_name("PATH=VALUE")
      ->allow_extra_args(false);
  command->add_flag("--json", *json, "Print JSON");
  command->footer(
      "Example:\n"
      "  orbweaver infer runs/vsepp_light-rsicd-s1 --images airport.jpg beach.jpg --texts \"two planes\" \"waves on a "
      "beach\"");
  command->callback([options, json, text_file] {
    if (!text_file->empty())
      for (std::string& line : read_lines(*text_file))
        if (line.find_first_not_of(" \t") != std::string::npos) options->texts.push_back(std::move(line));
    const Matrix<float> scores = infer(*options, make_report());
    if (*json) return print_json(as_value(*options, scores));
    print_table(*options, scores);
  });
}

}  // namespace orbweaver
