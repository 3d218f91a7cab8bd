// Evaluating a trained run, or a config as it stands: `orbweaver eval`.
#pragma once

#include <filesystem>
#include <string>
#include <vector>

#include "framework/eval/evaluation.h"
#include "framework/io/report.h"

namespace orbweaver {

class RetrievalModel;
class SplitInputs;
struct EvalParams;

struct EvalOptions {
  std::filesystem::path config_or_run;
  std::vector<std::string> overrides;
  std::filesystem::path checkpoint;  ///< default: the run's best.safetensors; none for a bare config
  std::string split = "test";        ///< train, val or test
  bool rerank = true;                ///< rows of the config's rerankers
  std::filesystem::path scores;      ///< where to save the [images, captions] scores (.npy); empty: nowhere
  std::filesystem::path trec;        ///< folder for TREC run and qrels files; empty: none
  std::filesystem::path outcomes;    ///< where to save per-query outcomes (CSV, outcomes_csv); empty: nowhere
};

struct EvalResult {
  std::vector<EvaluationRow> rows;
  Value record;
  std::string unkept;  ///< why a run's own evaluation could not be kept in its folder; empty: it is, or was not to be
};

/// Encodes the split, scores it, and makes every row of the result. A run's own evaluation is also kept in its folder:
/// the record in record.json under /evaluations/<split>, and the queries' ranks in ranks.<split>.safetensors
/// (framework/eval/saved_ranks.h), which the record names under "ranks". Its own is the one on its best weights, with
/// its config and all rerankers, on a split with the names and captions that record.json has of it. The only overrides
/// that leave it its own are those of dataset.root, dataset.images, dataset.annotations, cache, output, train.threads
/// and train.workers, and plugin_paths where the plugins found are the builds of record.json. Any other evaluation
/// leaves what is kept alone and says so. That a folder cannot be written to loses no result: `unkept` says why. The
/// files that the options name are looked at before anything is computed.
/// @throws InputError where `scores` is called scores.* in a run folder (there they are of own evaluations), unless it
///         is scores.<split>.npy of the run and split whose own evaluation this is.
EvalResult evaluate_run(const EvalOptions& options, const RunReport& report);

/// Strict metrics of a split, as validation during training needs them.
RetrievalMetrics plain_metrics(RetrievalModel& model, SplitInputs& inputs, const EvalParams& params,
                               const RunReport& report);

}  // namespace orbweaver
