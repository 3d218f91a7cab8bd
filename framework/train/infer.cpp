#include "framework/train/infer.h"

#include <ATen/ATen.h>
#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <numeric>
#include <utility>

#include "framework/data/image.h"
#include "framework/model/check_outputs.h"
#include "framework/model/encode.h"
#include "framework/train/checkpoint.h"
#include "framework/train/run_folder.h"
#include "framework/train/session.h"
#include "orbweaver/error.h"

namespace orbweaver {
namespace fs = std::filesystem;

namespace {

/// Rows [begin, end) of a side.
Representation rows(const Representation& side, int64_t begin, int64_t end, const at::Device& device) {
  std::vector<int64_t> items(static_cast<size_t>(end - begin));
  std::iota(items.begin(), items.end(), begin);
  return select_rows(side, items, device);
}

/// [interactions, images, distinct texts], some images at a time.
at::Tensor interactions_of_all(RetrievalModel& model, const EncodedSplit& encoded) {
  constexpr int64_t block = 64;
  const int64_t images = encoded.images.embedding.size(0), texts = encoded.texts.embedding.size(0);
  const Representation all_texts = rows(encoded.texts, 0, texts, model.device());
  std::vector<at::Tensor> parts;
  for (int64_t begin = 0; begin < images; begin += block) {
    const int64_t end = std::min(begin + block, images);
    const Representation some = rows(encoded.images, begin, end, model.device());
    parts.push_back(model.interaction_scores(some, all_texts).cpu());
  }
  return at::cat(parts, 1);
}

/// Every pair in full: a shortlist would leave its other pairs without a score that means anything.
void score(RetrievalModel& model, const SplitInputs& inputs, const EncodedSplit& encoded, InferResult& result) {
  at::NoGradGuard no_grad;
  const at::Tensor of_caption = at::tensor(inputs.caption_texts(), at::kLong);
  const at::Tensor cosines = encoded.images.embedding.matmul(encoded.texts.embedding.t());
  at::Tensor scores = cosines;
  if (model.has_interactions()) {
    scores = model.config().embedding_weight * cosines;
    const at::Tensor made = interactions_of_all(model, encoded);
    for (size_t i = 0; i < model.config().interactions.size(); ++i) {
      const ComponentConfig& part = model.config().interactions[i];
      const at::Tensor own = made[static_cast<int64_t>(i)];
      scores = scores + part.interaction.weight * own;
      result.interactions.push_back({part.id, part.interaction.weight, to_matrix(own.index_select(1, of_caption))});
    }
    result.embedding_weight = model.config().embedding_weight;
  }
  result.cosines = to_matrix(cosines.index_select(1, of_caption));
  result.scores = to_matrix(scores.index_select(1, of_caption));
}

/// The temperature of the first loss that keeps one, by info_nce's name for log(1/temperature).
/// @throws InputError if there is none.
double temperature_of(const RetrievalModel& model, const std::string& run) {
  for (const ComponentConfig& part : model.config().interactions) {
    if (part.interaction.training == InteractionKeys::Training::all_pairs) continue;
    throw InputError(fmt::format(
        "{}: --softmax: embeddings and interaction were trained with a loss each, and no temperature belongs to their "
        "sum; leave --softmax out",
        run));
  }
  for (const auto& [name, tensor] : model.state())
    if (name.starts_with("loss.") && name.ends_with(".log_scale")) return std::exp(-tensor.item<double>());
  throw InputError(fmt::format(
      "{}: --softmax needs a loss with a temperature (info_nce); the scores of other losses have no scale of their own",
      run));
}

Matrix<float> softmax_of_rows(const Matrix<float>& scores, double temperature) {
  Matrix<float> out(scores.rows(), scores.cols());
  for (int64_t i = 0; i < scores.rows(); ++i) {
    double most = scores(i, 0), sum = 0;
    for (int64_t t = 1; t < scores.cols(); ++t) most = std::max<double>(most, scores(i, t));
    for (int64_t t = 0; t < scores.cols(); ++t) sum += std::exp((scores(i, t) - most) / temperature);
    for (int64_t t = 0; t < scores.cols(); ++t)
      out(i, t) = static_cast<float>(std::exp((scores(i, t) - most) / temperature) / sum);
  }
  return out;
}

/// Below the caption of a drawing.
std::vector<std::string> facts_of(const InferOptions& options, const InferResult& result, const std::string& method,
                                  const ExplainedPair& pair) {
  std::string score = fmt::format("score {:.4f}", result.scores(pair.image, pair.text));
  if (result.interactions.empty())
    score += " (cosine of the embeddings)";
  else
    score += fmt::format(" = {:g} x cosine {:.4f}", result.embedding_weight, result.cosines(pair.image, pair.text));
  for (const InteractionScores& part : result.interactions)
    score += fmt::format(" + {:g} x {} {:.4f}", part.weight, part.use, part.scores(pair.image, pair.text));
  fs::path run = fs::absolute(options.run).lexically_normal();
  if (run.filename().empty()) run = run.parent_path();
  return {fmt::format("{}     image {}     run {} ({})", score,
                      options.images[static_cast<size_t>(pair.image)].filename().string(), run.filename().string(),
                      method)};
}

}  // namespace

InferResult infer(const InferOptions& options, const RunReport& report) {
  if (options.images.empty()) throw InputError("--images: names no image");
  if (options.texts.empty()) throw InputError("--texts: gives no sentence");
  if (!options.explain.empty() && !is_drawing(options.explain))
    throw InputError(
        fmt::format("--explain {}: expected a file name that ends in .png or .jpg", options.explain.string()));
  const LoadedConfig loaded = load_config(options.run, options.overrides);
  const std::string run = options.run.string();
  if (!options.explain.empty()) require_graphs(loaded.config, run);
  const fs::path weights = options.checkpoint.empty() ? RunFolder(options.run).best() : options.checkpoint;
  if (!fs::exists(weights))
    throw InputError(fmt::format("{}: does not exist; expected a run folder with a trained model, or --checkpoint FILE",
                                 weights.string()));

  Split split;
  split.name = "input";
  std::vector<std::string> without_objects;
  for (const fs::path& file : options.images) {
    if (const std::string fault = image_fault(file); !fault.empty())
      throw InputError(fmt::format("{}: {}", file.string(), fault));
    const fs::path objects = options.detections / (file.stem().string() + ".json");
    const bool known = !options.detections.empty() && fs::exists(objects);
    if (!options.detections.empty() && !known && loaded.config.image.graph)
      without_objects.push_back(fmt::format("{}: does not exist", objects.string()));
    split.images.push_back({file.filename().string(), file, known ? objects : fs::path()});
  }
  // As in a dataset: the config's detector is asked only where no image has a file.
  const bool detected = without_objects.size() == options.images.size() && loaded.config.image.detector;
  for (const std::string& missing : without_objects)
    report.line(missing +
                (detected ? "; objects come from the run's detector" : "; that image's graph has no objects"));
  for (const std::string& text : options.texts) split.captions.push_back({text, 0});

  set_up_torch(loaded.config);
  RetrievalModel model(loaded.config, *loaded.plugins);
  const Checkpoint checkpoint = load_checkpoint(weights);
  model.restore(checkpoint.extra);
  model.load_state(checkpoint.model, weights.string());
  const FeatureCache no_cache({}, report.line);
  const TripleTable no_triples;
  SplitInputs inputs(model, split, no_triples, no_cache, report,
                     {loaded.config.eval.batch_size, loaded.config.train.workers});
  inputs.build_graphs();
  inputs.prepare();
  const Parts keep{.nodes = !options.explain.empty()};
  const EncodedSplit encoded = encode_split(model, inputs, loaded.config.eval.batch_size, report, keep);
  InferResult result;
  score(model, inputs, encoded, result);
  if (options.softmax) {
    result.temperature = temperature_of(model, run);
    result.probabilities = softmax_of_rows(result.scores, result.temperature);
  }
  if (options.explain.empty()) return result;
  if (!model.reads().nodes)
    report.line(
        fmt::format("{}: nothing in this run was trained on nodes, so their similarity means little; "
                    "loss hgac aligns them",
                    run));
  for (const ExplainedPair& pair :
       pairs_to_explain(std::as_const(result.scores).view(), options.images, options.explain))
    result.explanations.push_back(
        explain(model, inputs, encoded, pair, facts_of(options, result, loaded.config.name, pair), run));
  return result;
}

}  // namespace orbweaver
