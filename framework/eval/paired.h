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

/// mR (or another recall) of one system less that of another, in points, and the interval of that difference.
struct PairedDifference {
  double difference = 0, low = 0, high = 0;
};

/// Which recalls a comparison counts: the mean of R@k over the cutoffs and directions. By default all six, which is mR.
struct RecallSet {
  bool i2t = true, t2i = true;
  std::vector<int64_t> cutoffs{1, 5, 10};
};

/// What the queries of each image gain when one system takes the place of another, summed over blocks (seeds): all that
/// a resample or an exchange of images needs, as a recall is a mean over queries. With an image go its query and the
/// queries of all its captions, which share its content and are no independent draws. The gallery stays as it is.
class ImageGains {
 public:
  /// @param caption_image  the image of each caption
  /// @throws ShapeError on a caption of no image, or an image without captions.
  ImageGains(std::span<const int64_t> caption_image, int64_t images, RecallSet recalls = {});

  /// Adds a block: both systems' ranks of the same queries. @throws ShapeError on ranks of other numbers of queries.
  void add(const TwoWayRanks& system, const TwoWayRanks& base);

  /// Of the mean recalls, in points, averaged over the blocks.
  double difference() const;

  /// Images drawn with replacement; the interval holds the middle share `coverage` of the resampled differences (linear
  /// between ranks).
  PairedDifference bootstrap(double coverage, int64_t resamples, uint64_t seed) const;
  /// The same of several gains over the same images, each as if alone; drawing once for all saves most of the time.
  /// @throws ShapeError unless they have the same images and captions.
  static std::vector<PairedDifference> bootstrap(std::span<const ImageGains> several, double coverage,
                                                 int64_t resamples, uint64_t seed);

  /// Each image's share of the difference, times a positive number that is common to all. Whole numbers, so that sums
  /// over them compare without rounding.
  std::vector<int64_t> shares() const;

 private:
  struct Gain {
    int64_t i2t = 0, t2i = 0, captions = 0;
    Gain& operator+=(const Gain& other);
  };
  int64_t hits(int64_t rank) const;
  double points(const Gain& sum) const;

  std::vector<int64_t> caption_image_;
  RecallSet recalls_;
  std::vector<Gain> gains_;
  int64_t blocks_ = 0;
};

/// The interval that stands beside rows of one evaluation: of one block, 95%, from 1,000 resamples.
class PairedBootstrap {
 public:
  static constexpr int64_t resamples = 1000;
  static constexpr uint64_t seed = 1;

  /// As ImageGains.
  PairedBootstrap(std::span<const int64_t> caption_image, int64_t images) : nothing_(caption_image, images) {}

  /// @throws ShapeError on ranks of other numbers of queries.
  PairedDifference compare(const TwoWayRanks& system, const TwoWayRanks& base) const;

 private:
  ImageGains nothing_;  ///< no block yet
};

/// {"difference": 1.2, "low": 0.4, "high": 2.1}
Value to_value(const PairedDifference& difference);

/// "+1.20 [+0.40, +2.10]"
std::string format_difference(const PairedDifference& difference);

}  // namespace orbweaver
