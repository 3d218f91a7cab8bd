#include "framework/train/evaluate.h"

#include <ATen/ATen.h>
#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <chrono>
#include <iterator>
#include <string_view>

#include "framework/eval/abilities.h"
#include "framework/eval/ability_oracle.h"
#include "framework/eval/saved_ranks.h"
#include "framework/eval/trec.h"
#include "framework/io/files.h"
#include "framework/io/json.h"
#include "framework/io/lenient.h"
#include "framework/io/npy.h"
#include "framework/io/writable.h"
#include "framework/model/encode.h"
#include "framework/train/checkpoint.h"
#include "framework/train/run_folder.h"
#include "framework/train/session.h"
#include "orbweaver/error.h"

namespace orbweaver {
namespace fs = std::filesystem;
namespace {

using Clock = std::chrono::steady_clock;
double seconds_since(Clock::time_point start) { return std::chrono::duration<double>(Clock::now() - start).count(); }

const Split& choose_split(const Dataset& dataset, const std::string& name, const fs::path& root) {
  const Split* split = name == "train"  ? &dataset.train
                       : name == "val"  ? &dataset.val
                       : name == "test" ? &dataset.test
                                        : nullptr;
  if (!split) throw InputError(fmt::format("--split: is \"{}\", expected train, val or test", name));
  if (split->captions.empty()) throw InputError(fmt::format("{}: has no {} split", root.string(), name));
  return *split;
}

EvaluatedReranker open_reranker(PluginHost& plugins, const ComponentConfig& part) {
  const auto hosted = create<Reranker>(plugins, part.id, part.params, nullptr, part.pointer);
  EvaluatedReranker reranker;
  reranker.id = part.id;
  reranker.parameters = part.params;
  reranker.transductive = hosted.get().transductive();
  reranker.rerank = [hosted](const RerankInput& input) { return rerank(hosted, input); };
  if (const Value* tuning = part.keys.find("tuning")) reranker.tuning = valid_tuning(*tuning, part.params);
  reranker.needs_bank = hosted.get().needs().query_bank;
  return reranker;
}

/// @param split  the split to be evaluated
std::vector<EvaluatedReranker> open_rerankers(const Config& config, PluginHost& plugins, const std::string& split) {
  std::vector<EvaluatedReranker> rerankers;
  for (const ComponentConfig& part : config.rerankers) {
    rerankers.push_back(open_reranker(plugins, part));
    if (!rerankers.back().needs_bank) continue;
    if (split == "train")
      throw InputError(fmt::format(
          "{}: {} draws its query bank from the training split, which therefore cannot be evaluated with it; evaluate "
          "another split, or use --no-rerank",
          part.pointer, part.id));
    if (!config.interactions.empty())
      throw InputError(fmt::format(
          "{}: {} needs scores of the training split against this gallery, which are computed from embeddings alone "
          "and do not compare with those of interaction {}; leave one of them out",
          part.pointer, part.id, config.interactions.front().id));
  }
  return rerankers;
}

/// Scores of the training split against the gallery of each direction, for rerankers with a query bank. Every distinct
/// caption of the training split counts once.
struct QueryBanks {
  Matrix<float> images;  ///< [training images, captions]
  Matrix<float> texts;   ///< [distinct training captions, images]
};

QueryBanks query_banks(const EncodedSplit& train, const EncodedSplit& evaluated, const SplitInputs& inputs) {
  const at::Tensor caption_texts = at::tensor(inputs.caption_texts(), at::kLong);
  // Over distinct texts, then expanded: columns of one text are then equal to the bit.
  const at::Tensor of_images = train.images.embedding.matmul(evaluated.texts.embedding.t());
  return {to_matrix(of_images.index_select(1, caption_texts)),
          to_matrix(train.texts.embedding.matmul(evaluated.images.embedding.t()))};
}

/// "train.workers" of "train.workers=1".
std::string_view key_of_override(std::string_view text) { return text.substr(0, text.find('=')); }

/// Whether the override says only where things lie or how the work is shared out, not what is computed. What lies there
/// counts: why_not_own compares the split and the plugins with the record's.
bool only_places(const std::string& override_text) {
  static constexpr std::array<std::string_view, 8> places{"dataset.root",  "dataset.images", "dataset.annotations",
                                                          "cache",         "output",         "plugin_paths",
                                                          "train.threads", "train.workers"};
  return std::ranges::find(places, key_of_override(override_text)) != places.end();
}

/// A plugin in use that is not the build that the run was trained with; empty: there is none.
std::string other_plugin(const Value& record, const PluginHost& plugins) {
  const Value& trained = member(member(record, "environment"), "plugins");
  for (const LoadedPlugin* plugin : plugins.plugins())
    if (text_of(member(member(trained, plugin->stem), "hash")) != plugin->hash) return plugin->stem;
  return "";
}

/// Why this is another evaluation than the run's own, so that its record and ranks must not take the place of that
/// one's; empty: it is the run's own.
/// @param content     of the split, as content_record() has it; read again where it is not the run's
/// @param has_oracle  whether figures are made of detections and triples although no graph is
std::string why_not_own(const EvalOptions& options, const RunFolder& folder, const LoadedConfig& loaded,
                        const Dataset& dataset, const Split& split, bool has_oracle, Value& content) {
  std::error_code none;
  if (!options.checkpoint.empty() && !fs::equivalent(options.checkpoint, folder.best(), none)) return "--checkpoint";
  if (!options.rerank) return "--no-rerank";
  for (const std::string& text : options.overrides)
    if (!only_places(text)) return "--set " + text;
  const Value record = read_json_or_null(folder.record());
  const auto sets_plugin_paths = [](const std::string& text) { return key_of_override(text) == "plugin_paths"; };
  if (std::ranges::any_of(options.overrides, sets_plugin_paths))
    if (const std::string stem = other_plugin(record, *loaded.plugins); !stem.empty())
      return fmt::format("another build of the plugin {} than the run's", stem);
  // The dataset may have changed in its place as well.
  const Value& then = member(member(member(record, "dataset"), "splits"), split.name);
  const std::string trained = text_of(member(then, "hash"));
  if (!trained.empty() && trained != split.hash()) return "another dataset than the run's";
  Value before = member(then, "content");
  if (!loaded.config.image.graph && !has_oracle) before.erase("detections");
  if (!loaded.config.text.graph && !has_oracle) before.erase("triples");
  const std::string other = differing_content(before, content, loaded.config, dataset, split);
  return other.empty() ? "" : fmt::format("other {} than the run's", other);
}

/// Sweeps and reports take what is called scores.* in a run folder for the scores of its own evaluations.
/// @param run  whose own evaluation of the split this is; empty: it is no run's
void check_scores_path(const fs::path& scores, const std::string& split, const fs::path& run) {
  const std::string name = scores.filename().string();
  if (!name.starts_with("scores.")) return;
  const RunFolder there(fs::absolute(scores).parent_path());
  if (!fs::exists(there.record()) && !fs::exists(there.best())) return;
  const std::string own = fmt::format("scores.{}.npy", split);
  std::error_code none;
  const bool of_run = !run.empty() && fs::equivalent(there.path(), run, none);
  if (of_run && name == own) return;
  throw InputError(fmt::format(
      "--scores {}: a name in a run folder that only the run's own evaluations may write; {}", scores.string(),
      of_run ? fmt::format("this one writes {} there, or save these elsewhere", own) : "save these elsewhere"));
}

/// Keeps a run's own evaluation in its folder.
/// @param record  gets the name of the file with the ranks
/// @throws Error, or InputError where the run's record is damaged: nothing is written then
void keep(const RunFolder& folder, const SavedRanks& ranks, Value& record) {
  const std::string name = ranks_file_name(ranks.split);
  Value kept;
  if (fs::exists(folder.record())) {
    kept = read_json(folder.record());
    const Value& evaluations = member(kept, "evaluations");
    if (!kept.is_object() || !(evaluations.is_null() || evaluations.is_object()))
      throw InputError(fmt::format("{}: is no record of a run", folder.record().string()));
  }
  // The ranks first: a record never names a file that is not there.
  write_ranks(folder.path() / name, ranks);
  record["ranks"] = Value(name);
  if (kept.is_null()) return;
  kept["evaluations"][ranks.split] = record;
  write_atomically(folder.record(), to_json(kept) + "\n");
}

}  // namespace

RetrievalMetrics plain_metrics(RetrievalModel& model, SplitInputs& inputs, const EvalParams& params,
                               const RunReport& report) {
  const EncodedSplit encoded = encode_split(model, inputs, params.batch_size, report);
  const SplitScores scores = score_split(model, inputs, encoded, params.chunk, report);
  const TwoWayRelevance relevant = relevance(inputs.caption_images(), inputs.image_count());
  const Matrix<float>& i2t = scores.i2t;
  const MatrixView<const float> t2i = scores.t2i ? scores.t2i->view() : i2t.view().transposed();
  return {direction_metrics(best_ranks(i2t.view(), relevant.i2t, TieRule::strict)),
          direction_metrics(best_ranks(t2i, relevant.t2i, TieRule::strict))};
}

EvalResult evaluate_run(const EvalOptions& options, const RunReport& report) {
  for (const fs::path* path : {&options.scores, &options.trec, &options.outcomes})
    if (!path->empty()) require_writable(*path);
  const LoadedConfig loaded = load_config(options.config_or_run, options.overrides);
  const Config& config = loaded.config;
  const bool is_run = fs::is_directory(options.config_or_run);
  const RunFolder folder(options.config_or_run);
  fs::path weights = options.checkpoint;
  if (weights.empty() && is_run) {
    weights = folder.best();
    if (!fs::exists(weights))
      throw InputError(fmt::format("{}: does not exist; the run has not finished an epoch: orbweaver train {} --resume",
                                   weights.string(), folder.path().string()));
  }
  set_up_torch(config);
  const Dataset dataset = open_dataset(config, report);
  const Split& split = choose_split(dataset, options.split, config.dataset.root);
  const std::optional<AbilityPairs> abilities = ability_pairs_of(config.dataset, dataset, split);
  if (abilities && abilities->left_out > 0)
    report.line(fmt::format("{} of {} pairs of abilities are left out with their images", abilities->left_out,
                            abilities->left_out + std::ssize(abilities->pairs)));
  // Before the encoding, so that detections which cannot be read are told at once.
  const std::vector<AbilityRow> oracle =
      abilities ? oracle_rows(abilities->pairs, split, dataset.triples) : std::vector<AbilityRow>();
  Value content = content_record(config, dataset, split);
  const std::string not_own =
      is_run ? why_not_own(options, folder, loaded, dataset, split, !oracle.empty(), content) : "";
  check_scores_path(options.scores, split.name, is_run && not_own.empty() ? folder.path() : fs::path());
  const FeatureCache cache = open_cache(config, report);

  RetrievalModel model(config, *loaded.plugins);
  const SplitInputs::Options input_options{config.eval.batch_size, config.train.workers};
  SplitInputs inputs(model, split, dataset.triples, cache, report, input_options);
  SplitInputs train(model, dataset.train, dataset.triples, cache, report, input_options);
  inputs.build_graphs();
  std::vector<EvaluatedReranker> rerankers;
  if (options.rerank) rerankers = open_rerankers(config, *loaded.plugins, split.name);
  const bool needs_bank = std::any_of(rerankers.begin(), rerankers.end(),
                                      [](const EvaluatedReranker& reranker) { return reranker.needs_bank; });
  if (needs_bank || weights.empty()) train.build_graphs();
  if (weights.empty()) {
    report.line("no checkpoint: the model is evaluated as its weights files (or random numbers) leave it");
    FitData fit;
    for (const CaptionRecord& caption : dataset.train.captions) fit.captions.push_back(caption.text);
    train.count_names(fit.graph_names);
    model.fit(fit);
  } else {
    const Checkpoint checkpoint = load_checkpoint(weights);
    model.restore(checkpoint.extra);
    model.load_state(checkpoint.model, weights.string());
  }

  const Clock::time_point start = Clock::now();
  inputs.prepare();
  const EncodedSplit encoded = encode_split(model, inputs, config.eval.batch_size, report);
  const double encoding_seconds = seconds_since(start);
  const SplitScores scores = score_split(model, inputs, encoded, config.eval.chunk, report);
  const double seconds = seconds_since(start);

  EvaluationInput input;
  input.i2t = scores.i2t.view();
  if (scores.t2i) input.t2i = scores.t2i->view();
  input.caption_image = inputs.caption_images();
  std::vector<std::string> texts;
  for (const CaptionRecord& caption : split.captions) texts.push_back(caption.text);
  const std::vector<int64_t> text_ids = text_ids_of(texts);
  input.text_ids = text_ids;
  input.rerankers = std::move(rerankers);
  if (abilities) input.pairs = abilities->pairs;
  QueryBanks banks;
  if (needs_bank) {
    train.prepare();
    banks = query_banks(encode_split(model, train, config.eval.batch_size, report), encoded, inputs);
    input.image_bank = std::as_const(banks.images).view();
    input.text_bank = std::as_const(banks.texts).view();
  }
  EvalResult out;
  const Clock::time_point ranking = Clock::now();
  out.rows = evaluate(input);
  const double ranking_seconds = seconds_since(ranking);
  put_beside(out.rows.front().abilities, oracle);

  if (!options.scores.empty()) {
    write_npy(options.scores, scores.i2t.view());
    if (scores.t2i) {
      fs::path other = options.scores;
      other.replace_extension(".t2i.npy");
      write_npy(other, scores.t2i->view());
    }
  }
  if (!options.trec.empty()) write_trec(options.trec, input.i2t, input.t2i, inputs.caption_images(), config.name);
  const std::string weights_hash = weights.empty() ? std::string() : hash_file(weights);
  const SavedRanks ranks{split.name,
                         split.hash(),
                         weights_hash,
                         inputs.caption_images(),
                         ranked_rows(out.rows),
                         saved_pairs(input.pairs, out.rows)};
  if (!options.outcomes.empty()) write_atomically(options.outcomes, outcomes_csv(ranks.rows, ranks.caption_image));

  Value& record = out.record;
  record["name"] = Value(config.name);
  record["split"] = Value(split.name);
  record["protocol"]["tie_rule"] = Value("strict");
  record["protocol"]["selection_split"] = weights.empty() ? Value() : Value("val");
  record["protocol"]["dataset"] = dataset_record(dataset);
  record["protocol"]["dataset"]["splits"][split.name]["content"] = content;
  record["protocol"]["seed"] = config.seed;
  record["protocol"]["weights"] = weights.empty() ? Value() : Value(weights_hash);
  record["protocol"]["checkpoint"] = weights.empty() ? Value() : Value(weights.filename().string());
  record["environment"] = environment_record(config, *loaded.plugins);
  record["images"] = inputs.image_count();
  record["captions"] = inputs.caption_count();
  record["distinct_texts"] = inputs.text_count();
  if (config.shortlist > 0) {
    record["shortlist"]["length"] = config.shortlist;
    record["shortlist"]["i2t_recall"] = 100 * scores.i2t_shortlist_recall;
    record["shortlist"]["t2i_recall"] = 100 * scores.t2i_shortlist_recall;
  }
  if (needs_bank)
    record["query_bank"] =
        Value(Value::Object{{"split", "train"}, {"images", banks.images.rows()}, {"texts", banks.texts.rows()}});
  record["evaluation_seconds"] = seconds;
  record["encoding_seconds"] = encoding_seconds;
  record["ranking_seconds"] = ranking_seconds;
  record["seconds_per_pair"] =
      seconds / (static_cast<double>(inputs.image_count()) * static_cast<double>(inputs.caption_count()));
  record["features_from_cache"] = inputs.images_are_cached();
  record["rows"] = to_value(out.rows);
  if (abilities) record["abilities"] = abilities_record(*abilities, out.rows.front().abilities);
  if (!is_run) return out;
  if (!not_own.empty()) {
    report.line(fmt::format("not kept in {}: evaluated with {}, this is not the run's own evaluation",
                            folder.path().string(), not_own));
    return out;
  }
  try {
    keep(folder, ranks, record);
  } catch (const std::exception& error) {
    out.unkept = fmt::format("{}; the result is printed, and not kept in the run's folder", error.what());
  }
  return out;
}

}  // namespace orbweaver
