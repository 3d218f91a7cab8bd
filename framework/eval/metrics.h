// Retrieval metrics by the field's protocol.
#pragma once

#include <array>
#include <cstdint>
#include <span>
#include <vector>

#include "orbweaver/reranker.h"
#include "orbweaver/value.h"

namespace orbweaver {

/// Which gallery items are right for each query: CSR, items ascending.
struct Relevance {
  std::vector<int64_t> offsets{0};
  std::vector<int64_t> items;
  int64_t query_count() const { return static_cast<int64_t>(offsets.size()) - 1; }
  std::span<const int64_t> of(int64_t query) const {
    return {items.data() + offsets[static_cast<size_t>(query)],
            static_cast<size_t>(offsets[static_cast<size_t>(query) + 1] - offsets[static_cast<size_t>(query)])};
  }
};

/// How a tie between a match and a non-match counts.
enum class TieRule {
  strict,    ///< against the model: rank = 1 + non-matching items scoring higher or equal (the reported rule)
  arbitrary  ///< by gallery index, as an ordinary stable descending sort leaves it; published numbers are often this
};

/// 1-based rank of each query's best match. With `reranked`, a query's candidates come first in their reranked order
/// (their scores decide ties), all other items after them in the order of `scores`.
/// @throws InputError if a score is NaN, ShapeError on sizes that do not fit.
std::vector<int64_t> best_ranks(const Scores& scores, const Relevance& relevance, TieRule rule,
                                const Rankings* reranked = nullptr);

/// R@1, R@5, R@10 in percent, median rank = floor(median of the 0-based rank) + 1, mean rank (1-based).
struct DirectionMetrics {
  double r1 = 0, r5 = 0, r10 = 0, median_rank = 0, mean_rank = 0;
};
DirectionMetrics direction_metrics(std::span<const int64_t> ranks);

/// Both directions; mR is the mean of the six recalls.
struct RetrievalMetrics {
  DirectionMetrics i2t, t2i;
  double mean_recall() const { return (i2t.r1 + i2t.r5 + i2t.r10 + t2i.r1 + t2i.r5 + t2i.r10) / 6; }
};

/// {"i2t": {"R@1": ..., "R@5": ..., "R@10": ..., "medR": ..., "meanR": ...}, "t2i": {...}, "mR": ...}
Value to_value(const RetrievalMetrics& metrics);

/// Relevance both ways from the image of each caption. Duplicate-aware: captions whose text is identical share their
/// positives (`text_ids`: equal for identical texts); strict otherwise.
struct TwoWayRelevance {
  Relevance i2t, t2i;
};
TwoWayRelevance relevance(std::span<const int64_t> caption_image, int64_t image_count);
TwoWayRelevance duplicate_aware_relevance(std::span<const int64_t> caption_image, int64_t image_count,
                                          std::span<const int64_t> text_ids);

}  // namespace orbweaver
