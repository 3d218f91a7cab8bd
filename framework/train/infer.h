// Similarities of given images and sentences: `orbweaver infer`.
#pragma once

#include <filesystem>
#include <optional>
#include <string>
#include <vector>

#include "framework/io/report.h"
#include "framework/train/explain.h"
#include "orbweaver/matrix.h"

namespace orbweaver {

struct InferOptions {
  std::filesystem::path run;
  std::vector<std::string> overrides;
  std::filesystem::path checkpoint;  ///< default: the run's best.safetensors
  std::vector<std::filesystem::path> images;
  std::vector<std::string> texts;
  std::filesystem::path detections;  ///< folder with <image stem>.json; empty: none
  std::filesystem::path explain;     ///< .png or .jpg: where pairs_to_explain writes its drawings; empty: none
  bool softmax = false;              ///< also probabilities
};

/// What one interaction of a model has to say about all pairs.
struct InteractionScores {
  std::string use;
  double weight = 0;     ///< in the final score
  Matrix<float> scores;  ///< [images, texts], without a shortlist
};

struct InferResult {
  Matrix<float> scores;  ///< [images, texts]: embedding_weight x cosine + sum of weight x interaction
  Matrix<float> cosines;
  std::vector<InteractionScores> interactions;
  double embedding_weight = 1;
  std::optional<Matrix<float>> probabilities;  ///< of each image's sentences: softmax of scores / temperature
  double temperature = 0;                      ///< of the run's loss, where there are probabilities
  std::vector<Explanation> explanations;
};

/// @throws InputError on a missing or broken image; with `explain` what pairs_to_explain and explain need; with
///         `softmax` unless a loss of the run has a temperature.
InferResult infer(const InferOptions& options, const RunReport& report);

}  // namespace orbweaver
