// Similarity matrices that any system saved, and which caption belongs to which image.
#pragma once

#include <cstdint>
#include <filesystem>
#include <optional>
#include <vector>

#include "framework/eval/evaluation.h"
#include "framework/io/npy.h"
#include "orbweaver/reranker.h"
#include "orbweaver/value.h"

namespace orbweaver {

struct SavedScoresOptions {
  std::filesystem::path scores;  ///< .npy, [images, captions], higher is more similar
  std::filesystem::path t2i;  ///< .npy, [captions, images]: its own matrix of that direction; empty: scores transposed
  std::filesystem::path image_bank;  ///< .npy, [training images, captions]: bank of i2t; empty: none
  std::filesystem::path text_bank;   ///< .npy, [training captions, images]: bank of t2i; empty: none

  // What makes an evaluation possible; at most one of the first two.
  int64_t captions_per_image = 0;  ///< captions stand in groups of that size, in the order of the images; 0: unknown
  std::filesystem::path caption_image;  ///< text file: on each line the image (0-based) of the next caption
  std::filesystem::path texts;          ///< captions, one per line: adds the duplicate-aware rows; empty: none
};

/// The matrices, read and checked.
class SavedScores {
 public:
  /// @throws InputError naming the file or option at fault: files that cannot be read, scores that are not finite,
  ///         sizes and groupings that do not fit.
  explicit SavedScores(const SavedScoresOptions& options);

  int64_t images() const { return query_count(i2t()); }
  int64_t captions() const { return gallery_count(i2t()); }
  Scores i2t() const;
  Scores t2i() const;
  bool has_banks() const { return image_bank_ && text_bank_; }
  Scores image_bank() const;  ///< empty without one
  Scores text_bank() const;

  /// Whether it is known which caption belongs to which image.
  bool grouped() const { return !caption_image_.empty(); }
  /// Everything but the rerankers; views of this object. Needs `grouped`.
  EvaluationInput evaluation_input() const;

  /// {"scores": absolute path, "scores_hash": ..., "dtype": ..., "images": I, "captions": T} and, where given, the same
  /// of the banks and the number of distinct texts.
  Value record() const;

 private:
  void group();

  SavedScoresOptions options_;
  NpyMatrix i2t_;
  std::optional<NpyMatrix> t2i_, image_bank_, text_bank_;
  std::vector<int64_t> caption_image_, text_ids_;
};

}  // namespace orbweaver
