// orbweaver rerank
#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <memory>
#include <string>
#include <vector>

#include "framework/cli/command.h"
#include "framework/cli/print.h"
#include "framework/eval/rerank_scores.h"
#include "framework/eval/tune.h"
#include "framework/io/files.h"
#include "framework/io/json.h"
#include "orbweaver/error.h"

namespace orbweaver {
namespace {

/// CLI11's own check of this prints the largest double in full.
std::string at_least_one(const std::string& text) {
  const bool digits = !text.empty() && text.find_first_not_of("0123456789") == std::string::npos;
  const bool zero = text.find_first_not_of('0') == std::string::npos;
  return digits && !zero ? "" : fmt::format("is \"{}\", expected an integer of at least 1", text);
}

struct Options {
  RerankScoresOptions rerank;
  std::string tune;
  std::vector<std::string> curve, grid;
  int64_t budget = TuneOptions().budget;
  uint64_t seed = TuneOptions().seed;
  std::string out;
  bool json = false;
};

void require_scores(const Options& options) {
  if (options.rerank.scores.empty())
    throw InputError("rerank: no matrix given; name SCORES.npy, or --tune VAL_SCORES.npy to search parameters");
}

void rerank_command(const Options& options) {
  require_scores(options);
  if (!options.grid.empty())
    throw InputError("--grid names values for --tune or --curve; to set a parameter use --set NAME=VALUE");
  RerankScoresOptions rerank = options.rerank;
  const bool evaluated = rerank.captions_per_image > 0 || !rerank.caption_image.empty();
  rerank.lists = !options.out.empty() || !evaluated;
  if (!evaluated && options.json)
    throw InputError(
        "--json prints metrics; say whose captions the columns are with --captions-per-image N or --caption-image "
        "FILE");
  const RerankScoresResult result = rerank_scores(rerank);
  if (!options.out.empty())
    write_atomically(options.out, result.lists);
  else if (!evaluated)
    fmt::print("{}", result.lists);
  if (!evaluated) return;
  if (options.json) return print_json(result.record);
  print_out("{}", format_table(result.rows));
  if (!options.out.empty()) print_out("lists: {}\n", options.out);
}

void tune_command(const Options& options) {
  if (!options.rerank.scores.empty())
    throw InputError(
        "--tune looks at validation scores alone; leave SCORES.npy out, and rerank it afterwards with --use "
        "FRAGMENT.json");
  if (!options.curve.empty()) throw InputError("--tune and --curve are two commands; give one of them");
  TuneOptions tune;
  static_cast<SavedScoresOptions&>(tune) = options.rerank;
  static_cast<RerankerOptions&>(tune) = options.rerank;
  tune.scores = options.tune;
  tune.grid = options.grid;
  tune.budget = options.budget;
  tune.seed = options.seed;
  const TuneResult result = tune_reranker(tune, make_report());
  const std::string fragment = to_json(result.fragment) + "\n";
  if (!options.out.empty()) write_atomically(options.out, fragment);
  if (options.json) return print_json(result.record);
  print_out("validation scores {}: {} images, {} captions\n{}", options.tune, result.record.at("images").as_int(),
            result.record.at("captions").as_int(), format_table(result));
  if (options.out.empty())
    print_out("{}", fragment);
  else
    print_out("written: {}; apply it with --use {}, or extend it in a config\n", options.out, options.out);
}

void curve_command(const Options& options) {
  require_scores(options);
  CurveOptions curve;
  static_cast<SavedScoresOptions&>(curve) = options.rerank;
  static_cast<RerankerOptions&>(curve) = options.rerank;
  curve.parameters = options.curve;
  curve.grid = options.grid;
  const CurveResult result = rerank_curves(curve, make_report());
  if (!options.out.empty()) write_atomically(options.out, to_csv(result));
  if (options.json) return print_json(result.record);
  print_out("{}", format_table(result));
  if (!options.out.empty()) print_out("written: {}\n", options.out);
}

void add_score_options(CLI::App& command, SavedScoresOptions& scores) {
  command.add_option("scores", scores.scores, "Similarities [images, captions], float32 or float64 (NumPy)")
      ->type_name("SCORES.npy");
  command
      .add_option("--captions-per-image", scores.captions_per_image,
                  "Captions stand in groups of N, in image order: "
                  "print metrics before and after")
      ->type_name("N")
      ->check(at_least_one);
  command
      .add_option("--caption-image", scores.caption_image, "Text file with the 0-based image of each caption, instead")
      ->type_name("FILE");
  command
      .add_option("--texts", scores.texts, "Captions, one per line: adds rows where identical texts share their images")
      ->type_name("FILE");
  command.add_option("--t2i", scores.t2i, "Separate similarities [captions, images] for captions as queries")
      ->type_name("FILE.npy");
  command
      .add_option("--image-bank", scores.image_bank,
                  "Similarities [training images, captions], for rerankers with a query bank")
      ->type_name("FILE.npy");
  command.add_option("--text-bank", scores.text_bank, "Similarities [training captions, images], likewise")
      ->type_name("FILE.npy");
}

}  // namespace

void add_rerank_command(CLI::App& app, CommandContext&) {
  CLI::App* command = app.add_subcommand("rerank", "Rerank a similarity matrix that any system saved");
  const auto options = std::make_shared<Options>();
  add_score_options(*command, options->rerank);
  command
      ->add_option("--use", options->rerank.use,
                   "Reranker: an id, {\"use\": ID, \"k\": 10}, or FILE.json of --tune (repeatable)")
      ->required()
      ->type_name("ID")
      ->allow_extra_args(false);
  command
      ->add_option("--set", options->rerank.set,
                   "Parameter NAME=VALUE of every reranker, or ID.NAME=VALUE (repeatable)")
      ->type_name("NAME=VALUE")
      ->allow_extra_args(false);
  command
      ->add_option("--tune", options->tune,
                   "Search the reranker's parameters for the best mR on these validation scores, whose captions the "
                   "other options describe")
      ->type_name("VAL_SCORES.npy");
  command->add_option("--curve", options->curve, "mR over values of these parameters, one at a time: k,w1,w2")
      ->type_name("NAMES")
      ->delimiter(',')
      ->allow_extra_args(false);
  command
      ->add_option("--grid", options->grid,
                   "Values that --tune or --curve try (repeatable); default: those that the parameters suggest")
      ->type_name("NAME=V1,V2")
      ->allow_extra_args(false);
  command->add_option("--budget", options->budget, "Settings that --tune tries; of a larger grid, that many at random")
      ->capture_default_str()
      ->check(at_least_one);
  command->add_option("--seed", options->seed, "Seed of that choice")->capture_default_str();
  command
      ->add_option("--out", options->out,
                   "Write the reranked lists (JSON lines; without it and without captions they are printed), with "
                   "--tune the config fragment (JSON), with --curve its data (CSV)")
      ->type_name("FILE");
  command->add_option("--top", options->rerank.top, "Items per list; default: every candidate")
      ->type_name("N")
      ->check(at_least_one);
  command
      ->add_option("--plugin-path", options->rerank.plugin_folders, "Search this folder for plugins first (repeatable)")
      ->type_name("DIR")
      ->allow_extra_args(false);
  command->add_flag("--json", options->json, "Print the result as JSON");
  command->footer(
      "Examples:\n"
      "  orbweaver rerank scores.npy --captions-per-image 5 --use multivariate --set k=10\n"
      "  orbweaver rerank scores.npy --use cross_modal --top 10 --out lists.jsonl\n"
      "  orbweaver rerank --tune val_scores.npy --captions-per-image 5 --use csls --out csls.json\n"
      "  orbweaver rerank scores.npy --captions-per-image 5 --use csls.json\n"
      "  orbweaver rerank scores.npy --captions-per-image 5 --use multivariate --curve k,w1,w2 --out curve.csv\n"
      "A line of the lists: {\"reranker\": ..., \"direction\": \"i2t\" or \"t2i\", \"query\": row or column, "
      "\"items\": [...],\n"
      "\"scores\": [...]}, best first; items that are not listed follow in their source order.");
  command->callback([options] {
    if (!options->tune.empty()) return tune_command(*options);
    if (!options->curve.empty()) return curve_command(*options);
    rerank_command(*options);
  });
}

}  // namespace orbweaver
