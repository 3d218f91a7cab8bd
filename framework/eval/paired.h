// How sure the difference of two systems on the same queries is: a paired bootstrap of the mR difference.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "orbweaver/value.h"

namespace orbweaver {

/// 1-based rank of each query's best match (`best_ranks`), images then captions as queries.
struct TwoWayRanks {
  std::vector<int64_t> i2t, t2i;
};

/// mR of one system less mR of another, in points, and the 95% interval of that difference.
struct PairedDifference {
  double difference = 0, low = 0, high = 0;
};

/// Resamples of a test set. Images are drawn with replacement; with an image go its query and the queries of all its
/// captions, which share its content and are no independent draws. The gallery stays as it is. An interval holds the
/// differences of both systems on the same resamples, between their 2.5th and 97.5th percentile (linear between ranks).
class PairedBootstrap {
 public:
  static constexpr int64_t resamples = 1000;
  static constexpr uint64_t seed = 1;

  /// @param caption_image  the image of each caption; every image has one at least
  PairedBootstrap(std::span<const int64_t> caption_image, int64_t images);

  /// @throws ShapeError on ranks of other numbers of queries.
  PairedDifference compare(const TwoWayRanks& system, const TwoWayRanks& base) const;

 private:
  std::vector<int64_t> caption_image_;
  std::vector<int64_t> captions_of_;  ///< their number, per image
};

/// {"difference": 1.2, "low": 0.4, "high": 2.1}
Value to_value(const PairedDifference& difference);

/// "+1.20 [+0.40, +2.10]"
std::string format_difference(const PairedDifference& difference);

}  // namespace orbweaver
