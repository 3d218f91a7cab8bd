// orbweaver infer
#include "framework/train/infer.h"

#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <memory>

#include "framework/cli/command.h"
#include "framework/cli/print.h"
#include "framework/io/files.h"

namespace orbweaver {
namespace {

std::string shortened(const std::string& text, size_t width) {
  return text.size() <= width ? text : text.substr(0, width - 3) + "...";
}

size_t name_width(const InferOptions& options) {
  size_t width = 5;
  for (const auto& image : options.images)
    width = std::max(width, std::min<size_t>(40, image.filename().string().size()));
  return width;
}

/// @param name  of the numbers; each image's largest is marked.
void print_rows(const InferOptions& options, const std::string& name, const Matrix<float>& numbers) {
  const size_t width = std::max(name_width(options), name.size());
  print_out("\n{:<{}}", name, width);
  for (size_t t = 0; t < options.texts.size(); ++t) print_out(" {:>8}", fmt::format("[{}]", t + 1));
  print_out("\n");
  for (int64_t i = 0; i < numbers.rows(); ++i) {
    print_out("{:<{}}", shortened(options.images[static_cast<size_t>(i)].filename().string(), width), width);
    int64_t best = 0;
    for (int64_t t = 1; t < numbers.cols(); ++t)
      if (numbers(i, t) > numbers(i, best)) best = t;
    for (int64_t t = 0; t < numbers.cols(); ++t)
      print_out(" {:>7.4f}{}", numbers(i, t), t == best && numbers.cols() > 1 ? "*" : " ");
    print_out("\n");
  }
}

std::string as_text(const Explanation& explanation) {
  std::string text = fmt::format("{}: [{}], ", explanation.pair.file.string(), explanation.pair.text + 1);
  if (explanation.objects.empty())
    text += explanation.entities.empty() ? "no objects, no entities" : "no objects";
  else if (explanation.entities.empty())
    text += "no entities";
  const char* separator = "";
  for (const NodeMatch& match : explanation.matches) {
    text += fmt::format("{}{} - {} {:.2f}", separator, explanation.entities[static_cast<size_t>(match.entity)],
                        explanation.objects[static_cast<size_t>(match.object)], match.similarity);
    separator = ", ";
  }
  return text;
}

/// Sentences are numbered above the table, so that it fits a terminal.
void print_tables(const InferOptions& options, const InferResult& result) {
  for (size_t t = 0; t < options.texts.size(); ++t) print_out("[{}] {}\n", t + 1, options.texts[t]);
  print_rows(options, "image", result.scores);
  if (result.probabilities) print_rows(options, "probability", *result.probabilities);
  print_out("\n");
  if (result.scores.cols() > 1) print_out("* the image's best sentence\n");
  if (!result.interactions.empty()) {
    print_out("score = {:g} x cosine", result.embedding_weight);
    for (const InteractionScores& part : result.interactions) print_out(" + {:g} x {}", part.weight, part.use);
    print_out("; --json prints the parts\n");
  }
  if (result.probabilities)
    print_out("probability = softmax of scores / {:.4g} over the sentences\n", result.temperature);
  for (const Explanation& explanation : result.explanations) print_out("{}\n", as_text(explanation));
}

Value as_value(const Matrix<float>& numbers) {
  Value out = Value::list();
  for (int64_t i = 0; i < numbers.rows(); ++i) {
    Value row = Value::list();
    for (int64_t t = 0; t < numbers.cols(); ++t) row.push_back(static_cast<double>(numbers(i, t)));
    out.push_back(row);
  }
  return out;
}

Value as_value(const Explanation& explanation) {
  Value out = Value::object();
  out["file"] = explanation.pair.file.string();
  out["image"] = explanation.pair.image;
  out["text"] = explanation.pair.text;
  for (const bool of_image : {true, false}) {
    Value& labels = out[of_image ? "objects" : "entities"] = Value::list();
    for (const std::string& label : of_image ? explanation.objects : explanation.entities) labels.push_back(label);
  }
  out["matches"] = Value::list();
  for (const NodeMatch& match : explanation.matches)
    out["matches"].push_back(
        Value(Value::Object{{"object", match.object}, {"entity", match.entity}, {"cosine", match.similarity}}));
  return out;
}

Value as_value(const InferOptions& options, const InferResult& result) {
  Value out = Value::object();
  out["images"] = Value::list();
  for (const auto& image : options.images) out["images"].push_back(image.string());
  out["texts"] = Value::list();
  for (const std::string& text : options.texts) out["texts"].push_back(text);
  out["scores"] = as_value(result.scores);
  if (!result.interactions.empty()) {
    out["cosines"] = as_value(result.cosines);
    out["embedding_weight"] = result.embedding_weight;
  }
  for (const InteractionScores& part : result.interactions)
    out["interactions"].push_back(Value(
        Value::Object{{"use", Value(part.use)}, {"weight", Value(part.weight)}, {"scores", as_value(part.scores)}}));
  if (result.probabilities) {
    out["probabilities"] = as_value(*result.probabilities);
    out["temperature"] = result.temperature;
  }
  if (options.explain.empty()) return out;
  out["explanations"] = Value::list();
  for (const Explanation& explanation : result.explanations) out["explanations"].push_back(as_value(explanation));
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
  command
      ->add_option("--explain", options->explain,
                   "Draw the image's objects joined with the sentence's entities; of more than one image or sentence "
                   "each image with its best sentence, as FILE-<image stem>.png")
      ->type_name("FILE.png");
  command->add_flag("--softmax", options->softmax,
                    "Also probabilities of each image's sentences, by the temperature of the run's loss");
  command->add_option("--set", options->overrides, "Override a.b.c=VALUE (repeatable)")
      ->type_name("PATH=VALUE")
      ->allow_extra_args(false);
  command->add_flag("--json", *json, "Print JSON");
  command->footer(
      "Example:\n"
      "  orbweaver infer runs/vsepp_light-rsicd-s1 --images airport.jpg beach.jpg --texts \"two planes\" \"waves on a "
      "beach\"\n"
      "  orbweaver infer runs/gravlm --images airport.jpg --texts \"two planes near a terminal\" --explain pair.png");
  command->callback([options, json, text_file] {
    if (!text_file->empty())
      for (std::string& line : read_lines(*text_file))
        if (line.find_first_not_of(" \t") != std::string::npos) options->texts.push_back(std::move(line));
    const InferResult result = infer(*options, make_report());
    if (*json) return print_json(as_value(*options, result));
    print_tables(*options, result);
  });
}

}  // namespace orbweaver
