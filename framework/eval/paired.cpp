#include "framework/eval/paired.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <random>

#include "orbweaver/error.h"

namespace orbweaver {
namespace {

/// How many of R@1, R@5 and R@10 a rank counts for.
int64_t hits(int64_t rank) { return (rank <= 1) + (rank <= 5) + (rank <= 10); }

void check_sizes(const TwoWayRanks& ranks, size_t images, size_t captions) {
  if (ranks.i2t.size() != images || ranks.t2i.size() != captions)
    throw ShapeError(fmt::format("ranks of {} images and {} captions, expected {} and {}", ranks.i2t.size(),
                                 ranks.t2i.size(), images, captions));
}

double percentile(std::span<const double> sorted, double fraction) {
  const double place = fraction * static_cast<double>(sorted.size() - 1);
  const size_t below = static_cast<size_t>(place), above = std::min(below + 1, sorted.size() - 1);
  return sorted[below] + (place - static_cast<double>(below)) * (sorted[above] - sorted[below]);
}

}  // namespace

PairedBootstrap::PairedBootstrap(std::span<const int64_t> caption_image, int64_t images)
    : caption_image_(caption_image.begin(), caption_image.end()), captions_of_(static_cast<size_t>(images)) {
  for (const int64_t image : caption_image_) ++captions_of_.at(static_cast<size_t>(image));
}

PairedDifference PairedBootstrap::compare(const TwoWayRanks& system, const TwoWayRanks& base) const {
  const size_t images = captions_of_.size();
  check_sizes(system, images, caption_image_.size());
  check_sizes(base, images, caption_image_.size());

  // A recall is a mean over queries, so all that a resample needs of an image is what its queries gain or lose.
  struct Gain {
    int64_t i2t = 0, t2i = 0, captions = 0;
    Gain& operator+=(const Gain& other) {
      i2t += other.i2t, t2i += other.t2i, captions += other.captions;
      return *this;
    }
    double mean_recall(size_t images) const {
      const double both = static_cast<double>(i2t) / static_cast<double>(images) +
                          static_cast<double>(t2i) / static_cast<double>(captions);
      return 100 * both / 6;
    }
  };
  std::vector<Gain> gains(images);
  for (size_t image = 0; image < images; ++image)
    gains[image] = {hits(system.i2t[image]) - hits(base.i2t[image]), 0, captions_of_[image]};
  for (size_t caption = 0; caption < caption_image_.size(); ++caption)
    gains[static_cast<size_t>(caption_image_[caption])].t2i += hits(system.t2i[caption]) - hits(base.t2i[caption]);
  Gain all;
  for (const Gain& gain : gains) all += gain;

  // Own arithmetic on the generator's bits: the standard's distributions differ from library to library.
  std::mt19937_64 random(seed);
  std::vector<double> differences;
  for (int64_t resample = 0; resample < resamples; ++resample) {
    Gain sum;
    for (size_t draw = 0; draw < images; ++draw) sum += gains[(random() >> 32) * images >> 32];
    differences.push_back(sum.mean_recall(images));
  }
  std::sort(differences.begin(), differences.end());
  return {all.mean_recall(images), percentile(differences, 0.025), percentile(differences, 0.975)};
}

Value to_value(const PairedDifference& difference) {
  return Value(
      Value::Object{{"difference", difference.difference}, {"low", difference.low}, {"high", difference.high}});
}

std::string format_difference(const PairedDifference& difference) {
  return fmt::format("{:+.2f} [{:+.2f}, {:+.2f}]", difference.difference, difference.low, difference.high);
}

}  // namespace orbweaver
