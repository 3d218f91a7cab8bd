#include "framework/eval/paired.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <random>

#include "orbweaver/error.h"

namespace orbweaver {
namespace {

double percentile(std::span<const double> sorted, double fraction) {
  const double place = fraction * static_cast<double>(sorted.size() - 1);
  const size_t below = static_cast<size_t>(place), above = std::min(below + 1, sorted.size() - 1);
  return sorted[below] + (place - static_cast<double>(below)) * (sorted[above] - sorted[below]);
}

}  // namespace

ImageGains::ImageGains(std::span<const int64_t> caption_image, int64_t images, RecallSet recalls)
    : caption_image_(caption_image.begin(), caption_image.end()),
      recalls_(std::move(recalls)),
      gains_(static_cast<size_t>(images)) {
  for (size_t caption = 0; caption < caption_image_.size(); ++caption) {
    const int64_t image = caption_image_[caption];
    if (image < 0 || image >= images)
      throw ShapeError(fmt::format("caption {} belongs to image {}, but there are {}", caption, image, images));
    ++gains_[static_cast<size_t>(image)].captions;
  }
  const auto bare = std::ranges::find(gains_, 0, &Gain::captions);
  if (bare != gains_.end()) throw ShapeError(fmt::format("image {} has no caption", bare - gains_.begin()));
}

ImageGains::Gain& ImageGains::Gain::operator+=(const Gain& other) {
  i2t += other.i2t, t2i += other.t2i, captions += other.captions;
  return *this;
}

int64_t ImageGains::hits(int64_t rank) const {
  return std::ranges::count_if(recalls_.cutoffs, [rank](int64_t cutoff) { return rank <= cutoff; });
}

void ImageGains::add(const TwoWayRanks& system, const TwoWayRanks& base) {
  for (const TwoWayRanks* ranks : {&system, &base})
    if (ranks->i2t.size() != gains_.size() || ranks->t2i.size() != caption_image_.size())
      throw ShapeError(fmt::format("ranks of {} images and {} captions, expected {} and {}", ranks->i2t.size(),
                                   ranks->t2i.size(), gains_.size(), caption_image_.size()));
  ++blocks_;
  if (recalls_.i2t)
    for (size_t image = 0; image < gains_.size(); ++image)
      gains_[image].i2t += hits(system.i2t[image]) - hits(base.i2t[image]);
  if (recalls_.t2i)
    for (size_t caption = 0; caption < caption_image_.size(); ++caption)
      gains_[static_cast<size_t>(caption_image_[caption])].t2i += hits(system.t2i[caption]) - hits(base.t2i[caption]);
}

double ImageGains::points(const Gain& sum) const {
  const double both = static_cast<double>(sum.i2t) / static_cast<double>(gains_.size()) +
                      static_cast<double>(sum.t2i) / static_cast<double>(sum.captions);
  const size_t recalls = (recalls_.i2t + recalls_.t2i) * recalls_.cutoffs.size();
  return 100 * both / static_cast<double>(recalls * static_cast<size_t>(blocks_));
}

double ImageGains::difference() const {
  Gain all;
  for (const Gain& gain : gains_) all += gain;
  return points(all);
}

PairedDifference ImageGains::bootstrap(double coverage, int64_t resamples, uint64_t seed) const {
  return bootstrap(std::span(this, 1), coverage, resamples, seed).front();
}

std::vector<PairedDifference> ImageGains::bootstrap(std::span<const ImageGains> several, double coverage,
                                                    int64_t resamples, uint64_t seed) {
  if (several.empty()) return {};
  const size_t images = several.front().gains_.size(), count = several.size();
  for (const ImageGains& gains : several)
    if (gains.gains_.size() != images || gains.caption_image_ != several.front().caption_image_)
      throw ShapeError("gains over other images cannot be resampled together");
  std::vector<Gain> by_image;  // an image's gains side by side: one place in memory for each draw
  for (size_t image = 0; image < images; ++image)
    for (const ImageGains& gains : several) by_image.push_back(gains.gains_[image]);

  // Own arithmetic on the generator's bits: the standard's distributions differ from library to library.
  std::mt19937_64 random(seed);
  std::vector<std::vector<double>> differences(count);
  std::vector<Gain> sums(count);
  for (int64_t resample = 0; resample < resamples; ++resample) {
    std::ranges::fill(sums, Gain{});
    for (size_t draw = 0; draw < images; ++draw) {
      const Gain* const drawn = by_image.data() + ((random() >> 32) * images >> 32) * count;
      for (size_t at = 0; at < count; ++at) sums[at] += drawn[at];
    }
    for (size_t at = 0; at < count; ++at) differences[at].push_back(several[at].points(sums[at]));
  }
  const double outside = (1 - coverage) / 2;
  std::vector<PairedDifference> intervals;
  for (size_t at = 0; at < count; ++at) {
    std::vector<double>& sorted = differences[at];
    std::sort(sorted.begin(), sorted.end());
    intervals.push_back({several[at].difference(), percentile(sorted, outside), percentile(sorted, 1 - outside)});
  }
  return intervals;
}

std::vector<int64_t> ImageGains::shares() const {
  const auto images = static_cast<int64_t>(gains_.size()), captions = static_cast<int64_t>(caption_image_.size());
  std::vector<int64_t> shares;
  for (const Gain& gain : gains_) shares.push_back(captions * gain.i2t + images * gain.t2i);
  return shares;
}

PairedDifference PairedBootstrap::compare(const TwoWayRanks& system, const TwoWayRanks& base) const {
  ImageGains gains = nothing_;
  gains.add(system, base);
  return gains.bootstrap(0.95, resamples, seed);
}

Value to_value(const PairedDifference& difference) {
  return Value(
      Value::Object{{"difference", difference.difference}, {"low", difference.low}, {"high", difference.high}});
}

std::string format_difference(const PairedDifference& difference) {
  return fmt::format("{:+.2f} [{:+.2f}, {:+.2f}]", difference.difference, difference.low, difference.high);
}

}  // namespace orbweaver
