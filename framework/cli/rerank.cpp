// orbweaver rerank
#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <memory>
#include <string>

#include "framework/cli/command.h"
#include "framework/eval/rerank_scores.h"
#include "framework/io/files.h"
#include "orbweaver/error.h"

namespace orbweaver {
namespace {

/// CLI11's own check of this prints the largest double in full.
std::string at_least_one(const std::string& text) {
  const bool digits = !text.empty() && text.find_first_not_of("0123456789") == std::string::npos;
  const bool zero = text.find_first_not_of('0') == std::string::npos;
  return digits && !zero ? "" : fmt::format("is \"{}\", expected an integer of at least 1", text);
}

}  // namespace

void add_rerank_command(CLI::App& app, CommandContext&) {
  struct Options {
    RerankScoresOptions rerank;
    std::string out;
    bool json = false;
  };
  CLI::App* command = app.add_subcommand("rerank", "Rerank a similarity matrix that any system saved");
  const auto options = std::make_shared<Options>();
  RerankScoresOptions& rerank = options->rerank;
  command->add_option("scores", rerank.scores, "Similarities [images, captions], float32 or float64 (NumPy)")
      ->required()
      ->type_name("SCORES.npy");
  command->add_option("--use", rerank.use, "Reranker: an id, or {\"use\": ID, \"k\": 10} (repeatable)")
      ->required()
      ->type_name("ID")
      ->allow_extra_args(false);
  command->add_option("--set", rerank.set, "Parameter NAME=VALUE of every reranker, or ID.NAME=VALUE (repeatable)")
      ->type_name("NAME=VALUE")
      ->allow_extra_args(false);
  command
      ->add_option("--captions-per-image", rerank.captions_per_image,
                   "Captions stand in groups of N, in image order: "
                   "print metrics before and after")
      ->type_name("N")
      ->check(at_least_one);
  command
      ->add_option("--caption-image", rerank.caption_image, "Text file with the 0-based image of each caption, instead")
      ->type_name("FILE");
  command
      ->add_option("--texts", rerank.texts,
                   "Captions, one per line: adds rows where identical texts share their images")
      ->type_name("FILE");
  command->add_option("--t2i", rerank.t2i, "Separate similarities [captions, images] for captions as queries")
      ->type_name("FILE.npy");
  command
      ->add_option("--out", options->out,
                   "Write the reranked lists (JSON lines); without it and without captions they "
                   "are printed")
      ->type_name("FILE.jsonl");
  command->add_option("--top", rerank.top, "Items per list; default: every candidate")
      ->type_name("N")
      ->check(at_least_one);
  command->add_option("--plugin-path", rerank.plugin_folders, "Search this folder for plugins first (repeatable)")
      ->type_name("DIR")
      ->allow_extra_args(false);
  command->add_flag("--json", options->json, "Print the metrics as JSON");
  command->footer(
      "Examples:\n"
      "  orbweaver rerank scores.npy --captions-per-image 5 --use multivariate --set k=10\n"
      "  orbweaver rerank scores.npy --use cross_modal --top 10 --out lists.jsonl\n"
      "A line of the lists: {\"reranker\": ..., \"direction\": \"i2t\" or \"t2i\", \"query\": row or column, "
      "\"items\": [...],\n"
      "\"scores\": [...]}, best first; items that are not listed follow in their source order.");
  command->callback([options] {
    const bool evaluated = options->rerank.captions_per_image > 0 || !options->rerank.caption_image.empty();
    options->rerank.lists = !options->out.empty() || !evaluated;
    if (!evaluated && options->json)
      throw InputError(
          "--json prints metrics; say whose captions the columns are with --captions-per-image N or --caption-image "
          "FILE");
    const RerankScoresResult result = rerank_scores(options->rerank);
    if (!options->out.empty())
      write_atomically(options->out, result.lists);
    else if (!evaluated)
      fmt::print("{}", result.lists);
    if (!evaluated) return;
    if (options->json) return print_json(result.record);
    fmt::print("{}", format_table(result.rows));
    if (!options->out.empty()) fmt::print("lists: {}\n", options->out);
  });
}

}  // namespace orbweaver
