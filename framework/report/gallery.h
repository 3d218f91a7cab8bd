// Queries with what each variant found for them: pictures to look at behind the figures.
#pragma once

#include <array>
#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "framework/report/outcomes.h"

namespace orbweaver {

inline constexpr size_t gallery_length = 5;    ///< answers shown for a query
inline constexpr size_t gallery_variants = 8;  ///< at most, the baseline and the best by mR

/// How an answer stands to its query.
enum class AnswerKind {
  wrong,
  right,
  same_text  ///< counted wrong, but its text is word for word that of a right one
};

struct GalleryAnswer {
  int64_t item = 0;  ///< image for a sentence, caption for an image
  AnswerKind kind = AnswerKind::wrong;
};

/// What one variant answered to one query.
struct GalleryLine {
  size_t variant = 0;
  int64_t rank = 0;  ///< of the best right answer, from 1
  std::vector<GalleryAnswer> answers;
};

struct GalleryQuery {
  int64_t item = 0;  ///< caption or image
  std::vector<GalleryLine> lines;
};

struct Gallery {
  std::vector<size_t> variants;   ///< those shown, in the report's order
  std::vector<std::string> runs;  ///< the run shown of each
  std::vector<GalleryQuery> sentences, images;
  std::map<int64_t, std::string> thumbnails;  ///< JPEG, base64; only of images that decode
  std::string missing;                        ///< why there is no gallery
  std::vector<std::string> left_out;          ///< "f1: ...": variants without scores
  std::vector<std::string> broken;            ///< images without a thumbnail, and why
};

/// Chooses queries on which the variants' plain rows disagree most (some have a right answer among the first five, some
/// do not; then by the distance of their ranks), at most one of an image and, while others are left, two of a class;
/// and of a single variant, hits and misses by turns. Reads one matrix of scores at a time.
Gallery make_gallery(const ReportData& data, const ReportedOutcomes& outcomes, const ReportedSplit& split);

/// The queries alone: at most `count` of those that `ranks` (one list for each variant) are of.
/// @param group  of each query: one query of a group is taken (queries of one image).
/// @param classes  of each query; may be empty.
std::vector<int64_t> choose_queries(const std::vector<std::vector<int64_t>>& ranks, const std::vector<int64_t>& group,
                                    const std::vector<std::string>& classes, size_t count);

}  // namespace orbweaver
