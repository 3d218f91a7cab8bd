// orbweaver eval
#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <memory>

#include "framework/cli/command.h"
#include "framework/cli/print.h"
#include "framework/train/evaluate.h"
#include "orbweaver/error.h"

namespace orbweaver {
namespace {

void print_result(const EvalResult& result) {
  print_out("{}\n", format_table(result.rows));
  if (const auto& abilities = result.rows.front().abilities; !abilities.empty())
    print_out("{}\n", format_abilities(abilities));
  print_out("{} images, {} captions ({} distinct texts); evaluation {:.2f} s, {:.3g} ms a pair\n",
            result.record.at("images").as_int(), result.record.at("captions").as_int(),
            result.record.at("distinct_texts").as_int(), result.record.at("evaluation_seconds").as_double(),
            1000 * result.record.at("seconds_per_pair").as_double());
  if (const Value* shortlist = result.record.find("shortlist"))
    print_out("interaction shortlist of {}: recall i2t {:.2f}, t2i {:.2f}\n", shortlist->at("length").as_int(),
              shortlist->at("i2t_recall").as_double(), shortlist->at("t2i_recall").as_double());
}

}  // namespace

void add_eval_command(CLI::App& app, CommandContext&) {
  CLI::App* command = app.add_subcommand("eval", "Evaluate a run, or a config as it stands");
  const auto options = std::make_shared<EvalOptions>();
  const auto json = std::make_shared<bool>(false);
  const auto no_rerank = std::make_shared<bool>(false);
  command->add_option("run", options->config_or_run, "Run folder or config file")->required();
  command->add_option("--set", options->overrides, "Override a.b.c=VALUE (repeatable)")
      ->type_name("PATH=VALUE")
      ->allow_extra_args(false);
  command->add_option("--split", options->split, "train, val or test")->capture_default_str();
  command->add_option("--checkpoint", options->checkpoint, "Weights; default: the run's best.safetensors")
      ->type_name("FILE");
  command->add_option("--scores", options->scores, "Save the similarity matrix [images, captions] (NumPy)")
      ->type_name("FILE.npy");
  command->add_option("--trec", options->trec, "Write TREC run and qrels files into this folder")->type_name("DIR");
  command
      ->add_option("--outcomes", options->outcomes,
                   "Save each query's rank and hits of every strict row, for statistics of your own")
      ->type_name("FILE.csv");
  command->add_flag("--no-rerank", *no_rerank, "Leave out the config's rerankers");
  command->add_flag("--json", *json, "Print the record as JSON");
  command->footer(
      "Example:\n"
      "  orbweaver eval runs/vsepp_light-rsicd-s1 --set rerank.use=multivariate --scores scores.npy\n"
      "A run's folder keeps the record and the ranks of its own evaluation. With --checkpoint, --no-rerank or --set, "
      "or\n"
      "on a dataset that changed since, the result is printed and nothing in the folder changes. These --set alone "
      "leave\n"
      "it the run's own: dataset.root, dataset.images, dataset.annotations, cache, output, train.threads, "
      "train.workers,\n"
      "and plugin_paths where the same builds of the plugins are found. In a run's folder --scores may have no name "
      "that\n"
      "begins with \"scores.\" but scores.SPLIT.npy of its own evaluation of that split.");
  command->callback([options, json, no_rerank] {
    options->rerank = !*no_rerank;
    const RunReport report = make_report();
    const EvalResult result = evaluate_run(*options, report);
    if (*json)
      print_json(result.record);
    else
      print_result(result);
    if (!result.unkept.empty()) throw Error(result.unkept);
  });
}

}  // namespace orbweaver
