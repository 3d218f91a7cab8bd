// Reranks saved similarity matrices, whatever system made them: the work of `orbweaver rerank`.
#pragma once

#include <cstdint>
#include <filesystem>
#include <string>
#include <vector>

#include "framework/eval/evaluation.h"
#include "orbweaver/value.h"

namespace orbweaver {

struct RerankScoresOptions {
  std::filesystem::path scores;  ///< .npy, [images, captions], higher is more similar
  std::filesystem::path t2i;  ///< .npy, [captions, images]: its own matrix of that direction; empty: scores transposed
  std::vector<std::string> use;  ///< each a component id, or a JSON object {"use": id, parameter: value, ...}
  /// "name=value" for every reranker, "id.name=value" for those of that id; values are JSON, else strings.
  std::vector<std::string> set;
  std::vector<std::filesystem::path> plugin_folders;

  // What makes an evaluation possible; at most one of the first two.
  int64_t captions_per_image = 0;  ///< captions stand in groups of that size, in the order of the images; 0: unknown
  std::filesystem::path caption_image;  ///< text file: on each line the image (0-based) of the next caption
  std::filesystem::path texts;          ///< captions, one per line: adds the duplicate-aware rows; empty: none

  bool lists = false;  ///< fill RerankScoresResult::lists
  int64_t top = 0;     ///< items per list; 0: every candidate
};

struct RerankScoresResult {
  std::vector<EvaluationRow> rows;  ///< empty when nothing says which caption belongs to which image
  Value record;                     ///< matrix, plugins and rows: what --json prints
  /// JSON lines, one per reranker, direction and query:
  /// {"reranker": "multivariate", "direction": "i2t", "query": 0, "items": [...], "scores": [...]}
  std::string lists;
};

/// @throws InputError naming the file, option or parameter at fault.
RerankScoresResult rerank_scores(const RerankScoresOptions& options);

}  // namespace orbweaver
