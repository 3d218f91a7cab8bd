// orbweaver data check|stats|oracle|synth
#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <chrono>
#include <filesystem>
#include <memory>
#include <optional>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "framework/cli/command.h"
#include "framework/cli/print.h"
#include "framework/data/check.h"
#include "framework/data/oracle.h"
#include "framework/data/stats.h"
#include "framework/data/synth.h"
#include "framework/eval/abilities.h"
#include "framework/plugin/hosted.h"
#include "framework/plugin/settings.h"
#include "orbweaver/error.h"

namespace orbweaver {
namespace fs = std::filesystem;
namespace {

int default_threads() { return static_cast<int>(std::clamp(std::thread::hardware_concurrency(), 1u, 16u)); }

/// How a dataset on the command line is read.
struct DatasetOptions {
  fs::path path, images;
  std::string format = "auto";
};

/// The builder of the captions' graphs in `data stats`.
struct GraphBuilderOptions {
  std::string id;
  std::vector<std::string> set, plugins;
  std::vector<fs::path> plugin_folders;
};

struct DataOptions {
  DatasetOptions first, second;
  GraphBuilderOptions graph;
  SynthOptions synth;
  std::vector<std::string> abilities;
  std::string split = "test";
  bool guess = false;
  int threads = default_threads();
  bool json = false;
};

DatasetParams params_of(const DatasetOptions& options) {
  DatasetParams params = guess_dataset(options.path);
  if (options.format == "precomp") params.format = DatasetParams::Format::precomp;
  if (options.format == "karpathy") params.format = DatasetParams::Format::karpathy;
  params.images = options.images;
  return params;
}

Dataset load(const DatasetOptions& options) { return load_dataset(params_of(options)); }

/// A ProgressFunction on the terminal's progress line.
ProgressFunction shown_by(Progress& progress) {
  return [&progress](int64_t done, int64_t) { progress.update(done); };
}

int64_t image_count(const Dataset& dataset) {
  return static_cast<int64_t>(dataset.train.images.size() + dataset.val.images.size() + dataset.test.images.size());
}

CheckReport make_report(const DataOptions& options) {
  const Dataset first = load(options.first);
  if (options.second.path.empty()) {
    Progress progress("check", image_count(first), "images");
    return check_dataset(first, options.threads, shown_by(progress));
  }
  const Dataset second = load(options.second);
  Progress progress("check", image_count(first) + image_count(second), "images");
  return check_overlap(first, second, options.threads, shown_by(progress));
}

void check(const DataOptions& options, CommandContext& context) {
  const CheckReport report = make_report(options);
  if (options.json)
    print_json(report.value());
  else
    print_out("{}", report.text());
  if (!report.clean()) context.exit_code = exit_failed;
}

/// A builder that serves captions.
Hosted<GraphBuilder> make_builder(const GraphBuilderOptions& options) {
  PluginHost host = host_searching(options.plugin_folders);
  for (const std::string& plugin : options.plugins) host.load(plugin);
  const Value params = read_settings("--graph-set", options.set, host.find(GraphBuilder::kind, options.id).parameters);
  Hosted<GraphBuilder> builder =
      create<GraphBuilder>(host, options.id, params, nullptr, fmt::format("--graph {}", options.id));
  if (!builder.call("serves", [](GraphBuilder& made) { return made.serves(Side::text); }))
    throw InputError(
        fmt::format("--graph {}: makes no graphs of captions; give a builder that does, such as erg", options.id));
  return builder;
}

Value make_stats(const DataOptions& options) {
  Hosted<GraphBuilder> builder;  // made first: a wrong one is told before every image is decoded
  if (!options.graph.id.empty()) builder = make_builder(options.graph);
  const Dataset dataset = load(options.first);
  Value figures;
  {
    Progress progress("stats", image_count(dataset), "images");
    figures = dataset_stats(dataset, options.threads, shown_by(progress));
  }
  if (!builder) return figures;
  const auto captions = dataset.train.captions.size() + dataset.val.captions.size() + dataset.test.captions.size();
  Progress progress("graphs", static_cast<int64_t>(captions), "captions");
  add_graph_stats(
      figures, dataset, options.graph.id, [&](const Caption& caption) { return build_graph(builder, caption); },
      shown_by(progress));
  return figures;
}

void stats(const DataOptions& options) {
  const Value figures = make_stats(options);
  if (options.json)
    print_json(figures);
  else
    print_out("{}", stats_text(figures));
}

const Split& split_named(const Dataset& dataset, const std::string& name) {
  if (name == "train") return dataset.train;
  return name == "val" ? dataset.val : dataset.test;
}

/// The pairs of a split that the oracle can be asked of.
AbilityPairs pairs_for_oracle(const DatasetOptions& options, const DatasetParams& params, const Dataset& dataset,
                              const Split& split) {
  const fs::path file = abilities_file(params.root);
  if (!fs::exists(file))
    throw InputError(
        fmt::format("{}: does not exist; the oracle needs its list of pairs of images: orbweaver data synth writes a "
                    "dataset that has one",
                    file.string()));
  std::optional<AbilityPairs> pairs = ability_pairs_of(params, dataset, split);
  if (!pairs || pairs->pairs.empty())
    throw InputError(fmt::format("{}: has no pairs of the {} split; give another --split", file.string(), split.name));
  if (dataset.triples.empty())
    throw InputError(fmt::format("{}: has no triples of its captions (triples.jsonl), by which the oracle reads them",
                                 options.path.string()));
  return std::move(*pairs);
}

void oracle(const DataOptions& options) {
  const DatasetParams params = params_of(options.first);
  const Dataset dataset = load_dataset(params);
  const Split& split = split_named(dataset, options.split);
  const AbilityPairs pairs = pairs_for_oracle(options.first, params, dataset, split);
  const OracleTies ties = options.guess ? OracleTies::by_lot : OracleTies::stay;
  const auto outcomes = pair_outcomes(pairs.pairs, pair_scorer(GeometryOracle(split, dataset.triples, ties)));
  const std::vector<AbilityRow> rows = ability_rows(pairs.pairs, outcomes);
  if (!options.json) {
    print_out("geometry oracle on the detections of the {} split: {} pairs{}\n{}", split.name, pairs.pairs.size(),
              options.guess ? ", ties by lot" : "", format_abilities(rows));
    return;
  }
  Value value = abilities_record(pairs, rows);
  value["split"] = split.name;
  value["ties_by_lot"] = options.guess;
  print_json(value);
}

Ability ability_named(const std::string& name) {
  for (const Ability ability : all_abilities)
    if (ability_name(ability) == name) return ability;
  throw InputError(fmt::format("--abilities {}: expected scene, count, attribute, relation or distractor", name));
}

void synth(DataOptions& options) {
  options.synth.threads = options.threads;
  if (!options.abilities.empty()) options.synth.abilities.clear();
  for (const std::string& name : options.abilities) options.synth.abilities.push_back(ability_named(name));
  const auto start = std::chrono::steady_clock::now();
  int64_t images = 0;
  {
    std::optional<Progress> progress;  // begins with the first image: a refused folder shows none
    write_synthetic_dataset(options.synth, [&](int64_t done, int64_t total) {
      images = total;
      if (!progress) progress.emplace("synth", total, "images");
      progress->update(done);
    });
  }
  const double seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
  if (!options.json) {
    print_out("{}: {} images with 5 captions each, seed {}, in {:.1f} s\n", options.synth.folder.string(), images,
              options.synth.seed, seconds);
    return;
  }
  Value value;
  value["folder"] = options.synth.folder.string();
  value["images"] = images;
  value["seed"] = static_cast<int64_t>(options.synth.seed);
  value["seconds"] = seconds;
  print_json(value);
}

void add_common_options(CLI::App* command, DataOptions& options) {
  command->add_option("--threads", options.threads, "Worker threads")->check(CLI::Range(1, 256))->capture_default_str();
  command->add_flag("--json", options.json, "Print JSON");
}

void add_graph_options(CLI::App* command, GraphBuilderOptions& options) {
  CLI::Option* graph =
      command->add_option("--graph", options.id, "Graph builder that makes a graph of each caption")->type_name("ID");
  command->add_option("--graph-set", options.set, "Parameter NAME=VALUE of the builder (repeatable)")
      ->type_name("NAME=VALUE")
      ->allow_extra_args(false)
      ->needs(graph);
  command
      ->add_option("--plugin", options.plugins,
                   "Plugin that the builder is in, where its name is not the builder's id (repeatable)")
      ->type_name("NAME")
      ->allow_extra_args(false)
      ->needs(graph);
  command->add_option("--plugin-path", options.plugin_folders, "Search this folder for plugins first (repeatable)")
      ->type_name("DIR")
      ->allow_extra_args(false)
      ->needs(graph);
}

void add_dataset_options(CLI::App* command, DatasetOptions& options, const std::string& suffix,
                         const std::string& which) {
  command
      ->add_option("--images" + suffix, options.images,
                   "Folder of the images of " + which + "; default: its own images/")
      ->type_name("DIR");
  command->add_option("--format" + suffix, options.format, "Format of " + which)
      ->check(CLI::IsMember({"auto", "precomp", "karpathy"}))
      ->capture_default_str();
}

void add_oracle_command(CLI::App* parent, const std::shared_ptr<DataOptions>& options) {
  CLI::App* command = parent->add_subcommand(
      "oracle", "How many pairs of images the rules of geometry tell apart, on the same detections as a method's");
  command->add_option("DATASET", options->first.path, "Folder of a dataset with pairs (abilities.json)")
      ->required()
      ->type_name("");
  command->add_option("--split", options->split, "Split whose pairs are told apart")
      ->check(CLI::IsMember({"train", "val", "test"}))
      ->capture_default_str();
  command->add_flag("--guess", options->guess,
                    "Where the oracle sees no difference draw lots, as a method does whose scores never tie");
  add_dataset_options(command, options->first, "", "the dataset");
  command->add_flag("--json", options->json, "Print JSON");
  command->footer(
      "The oracle learns nothing: counts, colours, directions and distances of the boxes that were detected, against\n"
      "what the captions' triples claim. Where it sees nothing of what a caption names the captions tie, and a tie is "
      "a\n"
      "failure. docs/synthetic.md has its rules and its figures.\n"
      "Example:\n  orbweaver data synth /tmp/pairs --test 2000 --train 6000 --val 600 && orbweaver data oracle "
      "/tmp/pairs");
  command->callback([options] { oracle(*options); });
}

void add_synth_command(CLI::App* parent, const std::shared_ptr<DataOptions>& options) {
  CLI::App* command =
      parent->add_subcommand("synth", "Writes a synthetic dataset: aerial scenes, captions, boxes, triples");
  SynthOptions& synth_options = options->synth;
  command->add_option("DIR", synth_options.folder, "Folder to write")->required()->type_name("");
  CLI::Option* images =
      command->add_option("--images", synth_options.images, "Number of images; 80% train, 10% validation, 10% test")
          ->check(CLI::Range(int64_t{3}, int64_t{1000000}))
          ->capture_default_str();
  for (const auto& [name, count] : {std::pair("--train", &synth_options.train), std::pair("--val", &synth_options.val),
                                    std::pair("--test", &synth_options.test)})
    command->add_option(name, *count, "Images of this split; give all three, instead of --images")
        ->check(CLI::Range(int64_t{1}, int64_t{1000000}))
        ->excludes(images);
  command
      ->add_option(
          "--abilities", options->abilities,
          "What pairs of images differ in, in turn: scene, count, attribute, relation, distractor; one that is "
          "named twice gets twice as many pairs (default: all five)")
      ->delimiter(',')
      ->allow_extra_args(false)
      ->type_name("NAME,...");
  command->add_option("--seed", synth_options.seed, "Seed; the same seed gives the same bytes")
      ->check(CLI::Range(int64_t{0}, int64_t{1} << 62))
      ->capture_default_str();
  const auto share = [&](const char* name, double& value, const char* what) {
    command->add_option(name, value, what)->check(CLI::Range(0.0, 1.0))->capture_default_str();
  };
  share("--missed", synth_options.noise.missed, "Detections: share of objects that are missed");
  share("--mislabelled", synth_options.noise.mislabelled,
        "Detections: share with a wrong label, and with a wrong colour");
  share("--invented", synth_options.noise.invented, "Detections: boxes where nothing is, per object");
  share("--jitter", synth_options.noise.jitter, "Detections: widest error of places and sides, in sides");
  command->add_flag("--force", synth_options.force, "Write into a folder that holds other things");
  add_common_options(command, *options);
  command->footer(
      "Examples:\n"
      "  orbweaver data synth /tmp/scenes --images 500 --seed 1\n"
      "  orbweaver data synth /tmp/pairs --train 4000 --val 400 --test 1000 --abilities scene,relation --missed 0.2");
  command->callback([options] { synth(*options); });
}

}  // namespace

void add_data_command(CLI::App& app, CommandContext& context) {
  CLI::App* command = app.add_subcommand("data", "Checks a dataset, prints its figures, or writes a synthetic one");
  command->require_subcommand(1);
  command->footer("Example:\n  orbweaver data synth /tmp/scenes --images 500 && orbweaver data check /tmp/scenes");
  const auto options = std::make_shared<DataOptions>();

  CLI::App* check_command = command->add_subcommand("check", "What is wrong with a dataset, or shared by two");
  check_command->add_option("A", options->first.path, "Folder of the dataset, or its JSON file")
      ->required()
      ->type_name("DATASET");
  check_command->add_option("B", options->second.path, "A second dataset: what do the two share?")
      ->type_name("DATASET");
  add_dataset_options(check_command, options->first, "", "A");
  add_dataset_options(check_command, options->second, "-b", "B");
  add_common_options(check_command, *options);
  check_command->footer(
      "Exit status: 0 clean (notes do not count), 1 problems that would falsify results (missing or broken images,\n"
      "blank test captions, test images that stand in another split too), 2 wrong input.\n"
      "An image that is nearly identical to many is listed with the first ten of them.\n"
      "Example:\n  orbweaver data check datasets/rsicd datasets/rsitmd");
  check_command->callback([options, &context] { check(*options, context); });

  CLI::App* stats_command = command->add_subcommand("stats", "What a dataset holds, in figures");
  stats_command->add_option("A", options->first.path, "Folder of the dataset, or its JSON file")
      ->required()
      ->type_name("DATASET");
  add_dataset_options(stats_command, options->first, "", "A");
  add_graph_options(stats_command, options->graph);
  add_common_options(stats_command, *options);
  stats_command->footer(
      "With --graph also what the builder reads in the captions: entities, relations, and the share of relations that\n"
      "no name fits (\"other\"). Triples that the dataset has for a caption go to the builder, as in training.\n"
      "Examples:\n"
      "  orbweaver data stats datasets/rsicd --json\n"
      "  orbweaver data stats datasets/rsicd --graph erg");
  stats_command->callback([options] { stats(*options); });

  add_oracle_command(command, options);
  add_synth_command(command, options);
}

}  // namespace orbweaver
