// Detector for images without detections: regions of even colour and texture.
#pragma once

#include <algorithm>
#include <array>
#include <cmath>
#include <cstdint>
#include <limits>
#include <numbers>
#include <opencv2/core.hpp>
#include <opencv2/imgproc.hpp>
#include <queue>
#include <string>
#include <tuple>
#include <utility>
#include <vector>

#include "orbweaver/detector.h"
#include "orbweaver/params.h"

namespace {

struct RegionsParams {
  int64_t max_objects = 12;
  double min_area = 0.005, min_contrast = 6, texture_weight = 1, texture_tolerance = 5;
  int64_t side = 256, cell = 8;

  static void describe(orbweaver::ParamSpec<RegionsParams>& p) {
    p.field("max_objects", &RegionsParams::max_objects, "Most regions of an image").range(1, 512);
    p.field("min_area", &RegionsParams::min_area,
            "Least region, as a share of the image's area; smaller ones join a "
            "neighbour")
        .range(0, 1);
    p.field("min_contrast", &RegionsParams::min_contrast,
            "Neighbours closer than this in colour and texture (CIE Lab units) are one region, however few there are")
        .range(0, 100);
    p.field("texture_weight", &RegionsParams::texture_weight, "Weight of a difference in texture beside one in colour")
        .range(0, 10);
    p.field("texture_tolerance", &RegionsParams::texture_tolerance,
            "Roughness (deviation of CIE lightness) at which a squared difference counts half: crowns of a forest and "
            "roofs of a town are rather joined than told apart")
        .range(0.1, 1000);
    p.field("side", &RegionsParams::side, "Images with a longer side are shrunk to it before they are segmented")
        .range(16, 2048);
    p.field("cell", &RegionsParams::cell, "Spacing of the first, small segments in pixels of the shrunk image")
        .range(3, 64);
  }
};

/// The attributes of every region, in this order; all lie in [0, 1].
///
///   area           share of the image's pixels
///   fill           share of its box that it fills
///   elongation     1 - short side / long side of the box
///   red green blue mean colour
///   saturation     of the mean colour (HSV)
///   deviation      of the pixels' lightness
///   roughness      mean absolute deviation of lightness within the first, small segments: texture without shading
///   edge_density   share of pixels on an edge
///   coherence      1 where all gradients share an axis (furrows, roads), 0 where they have none (trees)
///   entropy        of local binary patterns (Ojala et al., PAMI 2002: 8 neighbours, rotation invariant, uniform)
///   border         share of its outline that lies on the image's edge
constexpr std::array region_attributes{"area",      "fill",       "elongation", "red",       "green",
                                       "blue",      "saturation", "deviation",  "roughness", "edge_density",
                                       "coherence", "entropy",    "border"};

/// A region's label is "<colour> <texture>", one of these 15 x 3. The bounds are constants: nothing is fitted.
[[maybe_unused]] constexpr std::array region_colours{"black",  "dark grey", "grey",  "white",     "red",
                                                     "orange", "brown",     "beige", "olive",     "dark green",
                                                     "green",  "teal",      "blue",  "dark blue", "purple"};
constexpr std::array region_textures{"smooth", "textured", "rough"};

/// @param lightness  CIE L, 0..100.  @param a, b  CIE a and b.
const char* colour_word(double lightness, double a, double b) {
  const double chroma = std::hypot(a, b), hue = std::atan2(b, a) * 180 / std::numbers::pi;
  // Greens are seen as such at a weaker chroma than the yellows of concrete and dust and the violets of haze; in the
  // dark, every colour.
  const bool green = hue >= 112 || hue < -110;
  if (chroma < (lightness < 25 ? 5 : green ? 6.5 : 9))
    return lightness < 22 ? "black" : lightness < 45 ? "dark grey" : lightness < 76 ? "grey" : "white";
  if (hue >= -35 && hue < 45 && chroma >= 10) return "red";
  if (hue >= 45 && hue < 68 && chroma >= 30) return "orange";
  if (hue >= -35 && hue < 100) return lightness < 58 ? "brown" : "beige";
  if (hue >= 100 && hue < 118) return lightness < 62 ? "olive" : "beige";
  if (hue >= 118 && hue < 165) return lightness < 38 ? "dark green" : "green";
  if (hue >= 165 || hue < -130) return lightness < 20 ? "dark blue" : "teal";
  // CIE's hue of vivid blues lies near that of pale violets.
  if (hue < -65 || chroma > 45) return lightness < 40 ? "dark blue" : "blue";
  return "purple";
}

/// @param roughness  the attribute of that name.
const char* texture_word(double roughness) { return region_textures[roughness < 0.17 ? 0 : roughness < 0.33 ? 1 : 2]; }

/// Sums over the pixels of a segment. CIE Lab in OpenCV's 8-bit form, so that the sums are exact in any order.
struct SegmentSums {
  int64_t pixels = 0, lightness = 0, a = 0, b = 0, lightness2 = 0;
  double within = 0;  ///< absolute deviations of lightness from the mean of each first segment
  void add(const SegmentSums& other) {
    pixels += other.pixels;
    lightness += other.lightness;
    a += other.a;
    b += other.b;
    lightness2 += other.lightness2;
    within += other.within;
  }
  double mean(int64_t sum) const { return static_cast<double>(sum) / static_cast<double>(pixels); }
  /// In CIE units, 0..100, as a normal distribution's standard deviation. From absolute deviations, because a few mixed
  /// pixels along an edge would dominate squares.
  double roughness() const { return 1.2533 * within / static_cast<double>(pixels) * (100.0 / 255); }
  double deviation() const {
    const double m = mean(lightness);
    return std::sqrt(std::max(0.0, mean(lightness2) - m * m)) * (100.0 / 255);
  }
};

/// Joins neighbouring segments, cheapest pair first, by the full lambda-schedule of the piecewise constant Mumford-Shah
/// functional (Koepfler, Lopez and Morel, SIAM J. Numer. Anal. 1994; Robinson et al. 2002 for aerial images):
///   cost(i, j) = |i||j| / (|i| + |j|) * distance(i, j)^2 / length of the common border,
/// with the distance over mean lightness, a, b and roughness, squared and divided by 1 + (roughness / tolerance)^2, so
/// that a contrast counts against the texture that it stands in.
class RegionMerger {
 public:
  struct Weights {
    double texture;    ///< of a difference in roughness beside one in colour
    double tolerance;  ///< roughness at which a squared difference counts half
  };

  RegionMerger(const std::vector<SegmentSums>& segments, Weights weights)
      : nodes_(segments.size()), weights_(weights), count_(segments.size()) {
    for (size_t i = 0; i < segments.size(); ++i) nodes_[i].sums = segments[i];
    parent_.resize(segments.size());
    for (size_t i = 0; i < parent_.size(); ++i) parent_[i] = static_cast<int>(i);
  }

  /// One more unit of border between i and j.
  void add_border(int i, int j) {
    border(i, j) += 1;
    border(j, i) += 1;
  }

  /// Joins until at most `count` are left, and goes on with pairs whose distance is below `contrast`.
  void merge(size_t count, double contrast) {
    std::priority_queue<Pair, std::vector<Pair>, std::greater<>> queue;
    for (int i = 0; i < static_cast<int>(nodes_.size()); ++i)
      if (alive(i))
        for (const auto& [j, length] : nodes_[static_cast<size_t>(i)].borders)
          if (i < j) queue.push(pair(i, j, length));
    while (!queue.empty()) {
      const Pair next = queue.top();
      queue.pop();
      if (!current(next) || (count_ <= count && distance2(next.i, next.j) >= contrast * contrast)) continue;
      join(next.i, next.j);
      for (const auto& [j, length] : nodes_[static_cast<size_t>(next.i)].borders)
        queue.push(pair(std::min(next.i, j), std::max(next.i, j), length));
    }
  }

  /// Joins what has fewer pixels, or is a line of mixed pixels along an edge, with its cheapest neighbour, the smallest
  /// first.
  void remove_specks(int64_t pixels) {
    for (;;) {
      int smallest = -1;
      for (int i = 0; i < static_cast<int>(nodes_.size()); ++i)
        if (alive(i) && (size(i) < pixels || is_line(i)) && (smallest < 0 || size(i) < size(smallest))) smallest = i;
      if (smallest < 0 || count_ == 1) return;
      Pair best;
      for (const auto& [j, length] : nodes_[static_cast<size_t>(smallest)].borders) {
        const Pair candidate = pair(std::min(smallest, j), std::max(smallest, j), length);
        if (best.i < 0 || candidate < best) best = candidate;
      }
      join(best.i, best.j);
    }
  }

  /// The segment that stands for i.
  int root(int i) {
    while (parent_[static_cast<size_t>(i)] != i)
      i = parent_[static_cast<size_t>(i)] = parent_[static_cast<size_t>(parent_[static_cast<size_t>(i)])];
    return i;
  }
  const SegmentSums& sums(int i) const { return nodes_[static_cast<size_t>(i)].sums; }

 private:
  struct Node {
    SegmentSums sums;
    std::vector<std::pair<int, int>> borders;  ///< neighbour and length, by neighbour
    int version = 0;                           ///< counts joins: pairs made before one are stale
  };
  struct Pair {
    double cost = 0;
    int i = -1, j = -1, version_i = 0, version_j = 0;
    bool operator<(const Pair& other) const { return std::tie(cost, i, j) < std::tie(other.cost, other.i, other.j); }
    bool operator>(const Pair& other) const { return other < *this; }
  };

  int& border(int i, int j) {
    auto& list = nodes_[static_cast<size_t>(i)].borders;
    const auto place = std::lower_bound(list.begin(), list.end(), std::pair(j, 0));
    if (place != list.end() && place->first == j) return place->second;
    return list.insert(place, {j, 0})->second;
  }
  void drop_border(int i, int j) {
    auto& list = nodes_[static_cast<size_t>(i)].borders;
    list.erase(std::lower_bound(list.begin(), list.end(), std::pair(j, 0)));
  }

  bool alive(int i) const { return parent_[static_cast<size_t>(i)] == i; }
  int64_t size(int i) const { return sums(i).pixels; }
  /// Less than one and a half pixels wide.
  bool is_line(int i) const {
    int64_t length = 0;
    for (const auto& [j, part] : nodes_[static_cast<size_t>(i)].borders) length += part;
    return 2 * static_cast<double>(size(i)) < 1.5 * static_cast<double>(length);
  }
  bool current(const Pair& pair) const {
    return alive(pair.i) && alive(pair.j) && nodes_[static_cast<size_t>(pair.i)].version == pair.version_i &&
           nodes_[static_cast<size_t>(pair.j)].version == pair.version_j;
  }

  double distance2(int i, int j) const {
    const SegmentSums &s = sums(i), &t = sums(j);
    const double l = (s.mean(s.lightness) - t.mean(t.lightness)) * (100.0 / 255);
    const double a = s.mean(s.a) - t.mean(t.a), b = s.mean(s.b) - t.mean(t.b);
    const double r = (s.roughness() - t.roughness()) * weights_.texture;
    const auto m = static_cast<double>(s.pixels), n = static_cast<double>(t.pixels);
    const double tolerance = (m * s.roughness() + n * t.roughness()) / (m + n) / weights_.tolerance;
    return (l * l + a * a + b * b + r * r) / (1 + tolerance * tolerance);
  }

  Pair pair(int i, int j, int length) const {
    const auto m = static_cast<double>(size(i)), n = static_cast<double>(size(j));
    return {m * n / (m + n) * distance2(i, j) / length, i, j, nodes_[static_cast<size_t>(i)].version,
            nodes_[static_cast<size_t>(j)].version};
  }

  void join(int i, int j) {
    Node& kept = nodes_[static_cast<size_t>(i)];
    Node& gone = nodes_[static_cast<size_t>(j)];
    kept.sums.add(gone.sums);
    ++kept.version;
    parent_[static_cast<size_t>(j)] = i;
    --count_;
    drop_border(i, j);
    for (const auto& [k, length] : std::exchange(gone.borders, {})) {
      if (k == i) continue;
      drop_border(k, j);
      border(i, k) += length;
      border(k, i) += length;
    }
  }

  std::vector<Node> nodes_;
  std::vector<int> parent_;
  Weights weights_;
  size_t count_;
};

/// Every region is an object of the image, largest first.
///
/// Small segments from a watershed (cv::watershed) with one seed per cell of a grid, at the cell's weakest gradient,
/// are joined by RegionMerger. The result is a function of the pixels and the parameters alone: no random numbers, and
/// neither threads nor their number matter.
///
/// Box: the smallest rectangle around the region, its longer side `width`, `angle` in (-pi/2, pi/2]. It stands upright
/// where a tilted one saves less than a fifth of its area; an upright box lies within the image, the corners of a
/// tilted one (a road that leaves the image) may reach beyond it, its centre never does.
/// Probability: 1 / (1 + (s/15)^2), with s the deviation of the region's pixels in CIE Lab: how even it is.
class RegionsDetector final : public orbweaver::Detector {
 public:
  using Params = RegionsParams;
  explicit RegionsDetector(const Params& params) : params_(params) {}

  std::vector<orbweaver::Object> detect(const orbweaver::ImageView& image) override {
    const cv::Mat full(static_cast<int>(image.height), static_cast<int>(image.width), CV_8UC3,
                       const_cast<uint8_t*>(image.data), static_cast<size_t>(image.stride));
    shrink(full);
    pixel_area_ = static_cast<double>(full.total()) / static_cast<double>(rgb_.total());
    cv::cvtColor(rgb_, lab_, cv::COLOR_RGB2Lab);
    find_segments();
    merge_segments();
    std::vector<orbweaver::Object> objects = measure(full.size());
    std::stable_sort(objects.begin(), objects.end(), [](const auto& x, const auto& y) {
      return x.attributes.front().value > y.attributes.front().value;
    });
    return objects;
  }

 private:
  /// What is summed over a region's pixels.
  struct Region {
    SegmentSums sums;
    double red = 0, green = 0, blue = 0, a2 = 0, b2 = 0;
    double xx = 0, yy = 0, xy = 0;  ///< products of the gradient's components
    int64_t edges = 0, outline = 0, frame = 0;
    std::array<int64_t, 10> patterns{};
    std::vector<cv::Point2f> corners;  ///< of its pixels at both ends of each row
  };

  void shrink(const cv::Mat& full) {
    const int longer = std::max(full.cols, full.rows);
    if (longer <= params_.side) {
      full.copyTo(rgb_);
      return;
    }
    const double scale = static_cast<double>(params_.side) / longer;
    const auto scaled = [&](int side) { return std::max(1, static_cast<int>(std::lround(side * scale))); };
    cv::resize(full, rgb_, {scaled(full.cols), scaled(full.rows)}, 0, 0, cv::INTER_AREA);
  }

  /// Fills `segments_` with 0, 1, ... and `sums_`.
  void find_segments() {
    // One pixel more all around, because cv::watershed gives the frame to no segment.
    cv::Mat smooth, padded, grey;
    cv::medianBlur(rgb_, smooth, 3);
    cv::copyMakeBorder(smooth, padded, 1, 1, 1, 1, cv::BORDER_REPLICATE);
    cv::cvtColor(padded, grey, cv::COLOR_RGB2GRAY);
    cv::Mat markers(padded.size(), CV_32S, cv::Scalar(0));
    const int count = set_seeds(grey, markers);
    cv::watershed(padded, markers);
    fill_lines(padded, count, markers);
    markers(cv::Rect(1, 1, rgb_.cols, rgb_.rows)).copyTo(segments_);
    segments_ -= 1;
    sum_segments(count);
  }

  /// @return  the number of seeds; markers 1, 2, ... hold them.
  int set_seeds(const cv::Mat& grey, cv::Mat& markers) const {
    cv::Mat gx, gy;
    cv::Sobel(grey, gx, CV_16S, 1, 0);
    cv::Sobel(grey, gy, CV_16S, 0, 1);
    const int cell = static_cast<int>(params_.cell), reach = cell / 4;
    int count = 0;
    for (int top = 0; top < rgb_.rows; top += cell)
      for (int left = 0; left < rgb_.cols; left += cell) {
        const int bottom = std::min(top + cell, rgb_.rows) - 1, right = std::min(left + cell, rgb_.cols) - 1;
        const int y = (top + bottom) / 2, x = (left + right) / 2;
        cv::Point best(x, y);
        int least = strength(gx, gy, best);
        for (int v = std::max(y - reach, top); v <= std::min(y + reach, bottom); ++v)
          for (int u = std::max(x - reach, left); u <= std::min(x + reach, right); ++u)
            if (const int s = strength(gx, gy, {u, v}); s < least) least = s, best = {u, v};
        markers.at<int>(best.y + 1, best.x + 1) = ++count;
      }
    return count;
  }
  static int strength(const cv::Mat& gx, const cv::Mat& gy, cv::Point p) {
    return std::abs(gx.at<int16_t>(p.y + 1, p.x + 1)) + std::abs(gy.at<int16_t>(p.y + 1, p.x + 1));
  }

  /// The lines that the watershed leaves between segments go to the neighbour with the nearest mean colour.
  static void fill_lines(const cv::Mat& padded, int count, cv::Mat& markers) {
    const std::vector<cv::Vec3d> means = mean_colours(padded, count, markers);
    const auto distance = [&](const cv::Vec3b& pixel, int label) {
      const cv::Vec3d& mean = means[static_cast<size_t>(label - 1)];
      return std::abs(pixel[0] - mean[0]) + std::abs(pixel[1] - mean[1]) + std::abs(pixel[2] - mean[2]);
    };
    for (bool open = true; open;) {
      open = false;
      for (int y = 1; y < padded.rows - 1; ++y)
        for (int x = 1; x < padded.cols - 1; ++x) {
          if (markers.at<int>(y, x) > 0) continue;
          double least = std::numeric_limits<double>::infinity();
          int chosen = 0;
          for (const auto& [v, u] :
               {std::pair(y - 1, x), std::pair(y, x - 1), std::pair(y, x + 1), std::pair(y + 1, x)})
            if (const int label = markers.at<int>(v, u); label > 0)
              if (const double d = distance(padded.at<cv::Vec3b>(y, x), label); d < least) least = d, chosen = label;
          markers.at<int>(y, x) = chosen;
          open = open || chosen == 0;
        }
    }
  }

  static std::vector<cv::Vec3d> mean_colours(const cv::Mat& padded, int count, const cv::Mat& markers) {
    std::vector<cv::Vec3d> means(static_cast<size_t>(count), cv::Vec3d(0, 0, 0));
    std::vector<int> pixels(static_cast<size_t>(count), 0);
    for (int y = 0; y < padded.rows; ++y)
      for (int x = 0; x < padded.cols; ++x)
        if (const int label = markers.at<int>(y, x); label > 0) {
          means[static_cast<size_t>(label - 1)] += padded.at<cv::Vec3b>(y, x);
          ++pixels[static_cast<size_t>(label - 1)];
        }
    for (size_t i = 0; i < means.size(); ++i) means[i] /= std::max(1, pixels[i]);
    return means;
  }

  void sum_segments(int count) {
    sums_.assign(static_cast<size_t>(count), {});
    for (int y = 0; y < rgb_.rows; ++y)
      for (int x = 0; x < rgb_.cols; ++x) {
        SegmentSums& sums = sums_[static_cast<size_t>(segments_.at<int>(y, x))];
        const auto& lab = lab_.at<cv::Vec3b>(y, x);
        sums.pixels += 1;
        sums.lightness += lab[0];
        sums.a += lab[1] - 128;
        sums.b += lab[2] - 128;
        sums.lightness2 += lab[0] * lab[0];
      }
    for (int y = 0; y < rgb_.rows; ++y)
      for (int x = 0; x < rgb_.cols; ++x) {
        SegmentSums& sums = sums_[static_cast<size_t>(segments_.at<int>(y, x))];
        sums.within += std::abs(lab_.at<cv::Vec3b>(y, x)[0] - sums.mean(sums.lightness));
      }
  }

  /// `segments_` becomes the region of each pixel.
  void merge_segments() {
    RegionMerger merger(sums_, {params_.texture_weight, params_.texture_tolerance});
    for (int y = 0; y < rgb_.rows; ++y)
      for (int x = 0; x < rgb_.cols; ++x) {
        const int here = segments_.at<int>(y, x);
        if (x > 0 && segments_.at<int>(y, x - 1) != here) merger.add_border(segments_.at<int>(y, x - 1), here);
        if (y > 0 && segments_.at<int>(y - 1, x) != here) merger.add_border(segments_.at<int>(y - 1, x), here);
      }
    const auto most = static_cast<size_t>(params_.max_objects);
    // What is too small goes before the last joins, which would otherwise keep specks and join large regions.
    merger.merge(4 * most, 0);
    merger.remove_specks(static_cast<int64_t>(std::ceil(params_.min_area * rgb_.rows * rgb_.cols)));
    merger.merge(most, params_.min_contrast);
    std::vector<int> index(sums_.size(), -1);
    regions_.clear();
    for (size_t i = 0; i < sums_.size(); ++i) {
      const auto root = static_cast<size_t>(merger.root(static_cast<int>(i)));
      if (index[root] < 0) {
        index[root] = static_cast<int>(regions_.size());
        regions_.emplace_back().sums = merger.sums(static_cast<int>(root));
      }
      index[i] = index[root];
    }
    segments_.forEach<int>([&](int& segment, const int*) { segment = index[static_cast<size_t>(segment)]; });
  }

  std::vector<orbweaver::Object> measure(cv::Size full) {
    cv::Mat grey, gx, gy;
    cv::cvtColor(rgb_, grey, cv::COLOR_RGB2GRAY);
    cv::Sobel(grey, gx, CV_16S, 1, 0, 3, 1, 0, cv::BORDER_REPLICATE);
    cv::Sobel(grey, gy, CV_16S, 0, 1, 3, 1, 0, cv::BORDER_REPLICATE);
    for (int y = 0; y < rgb_.rows; ++y)
      for (int x = 0; x < rgb_.cols; ++x) {
        Region& region = regions_[static_cast<size_t>(segments_.at<int>(y, x))];
        add_pixel(region, y, x, gx.at<int16_t>(y, x), gy.at<int16_t>(y, x));
        region.patterns[static_cast<size_t>(pattern(grey, y, x))] += 1;
        add_outline(region, y, x, full);
      }
    std::vector<orbweaver::Object> objects;
    for (const Region& region : regions_) objects.push_back(object_of(region));
    return objects;
  }

  void add_pixel(Region& region, int y, int x, double gx, double gy) const {
    const auto& rgb = rgb_.at<cv::Vec3b>(y, x);
    const auto& lab = lab_.at<cv::Vec3b>(y, x);
    region.red += rgb[0];
    region.green += rgb[1];
    region.blue += rgb[2];
    region.a2 += (lab[1] - 128) * (lab[1] - 128);
    region.b2 += (lab[2] - 128) * (lab[2] - 128);
    region.xx += gx * gx;
    region.yy += gy * gy;
    region.xy += gx * gy;
    if (gx * gx + gy * gy > edge_strength * edge_strength) ++region.edges;
  }

  /// Number of ones among the 8 neighbours' "brighter than here" where they form one run, else 9. A difference within
  /// the noise of compression is none.
  static int pattern(const cv::Mat& grey, int y, int x) {
    constexpr std::array<std::pair<int, int>, 8> ring{
        {{-1, -1}, {-1, 0}, {-1, 1}, {0, 1}, {1, 1}, {1, 0}, {1, -1}, {0, -1}}};
    const int limit = grey.at<uint8_t>(y, x) + 4;
    unsigned bits = 0;
    for (size_t i = 0; i < ring.size(); ++i) {
      const int v = std::clamp(y + ring[i].first, 0, grey.rows - 1),
                u = std::clamp(x + ring[i].second, 0, grey.cols - 1);
      if (grey.at<uint8_t>(v, u) > limit) bits |= 1u << i;
    }
    const unsigned turned = (bits >> 1) | (bits & 1u) << 7;
    return __builtin_popcount(bits ^ turned) <= 2 ? __builtin_popcount(bits) : 9;
  }

  /// Counts the pixel's sides on the outline, and keeps the corners of a row's first and last pixels, in pixels of the
  /// full image.
  void add_outline(Region& region, int y, int x, cv::Size full) const {
    const int here = segments_.at<int>(y, x);
    const auto outside = [&](int v, int u) { return v < 0 || u < 0 || v >= rgb_.rows || u >= rgb_.cols; };
    const auto other = [&](int v, int u) { return outside(v, u) || segments_.at<int>(v, u) != here; };
    for (const auto& [v, u] : {std::pair(y - 1, x), std::pair(y + 1, x), std::pair(y, x - 1), std::pair(y, x + 1)}) {
      region.outline += other(v, u);
      region.frame += outside(v, u);
    }
    const auto add_side = [&](int u) {
      for (const int v : {y, y + 1})
        region.corners.emplace_back(static_cast<float>(static_cast<double>(u) * full.width / rgb_.cols),
                                    static_cast<float>(static_cast<double>(v) * full.height / rgb_.rows));
    };
    if (other(y, x - 1)) add_side(x);
    if (other(y, x + 1)) add_side(x + 1);
  }

  static void set_box(orbweaver::Object& object, const std::vector<cv::Point2f>& corners) {
    cv::Rect_<float> upright(corners.front(), corners.front());
    float right = upright.x, bottom = upright.y;
    for (const cv::Point2f& p : corners) {
      upright.x = std::min(upright.x, p.x), upright.y = std::min(upright.y, p.y);
      right = std::max(right, p.x), bottom = std::max(bottom, p.y);
    }
    upright.width = right - upright.x, upright.height = bottom - upright.y;
    object.cx = upright.x + upright.width / 2.0;
    object.cy = upright.y + upright.height / 2.0;
    object.width = upright.width;
    object.height = upright.height;
    const cv::RotatedRect tilted = cv::minAreaRect(corners);
    if (tilted.size.area() > 0 && tilted.size.area() < 0.8f * upright.area()) {
      object.cx = tilted.center.x;
      object.cy = tilted.center.y;
      object.width = tilted.size.width;
      object.height = tilted.size.height;
      object.angle = tilted.angle * std::numbers::pi / 180;  // clockwise in both conventions
    }
    if (object.width < object.height) {
      std::swap(object.width, object.height);
      object.angle += std::numbers::pi / 2;
    }
    while (object.angle > std::numbers::pi / 2 + 1e-6) object.angle -= std::numbers::pi;
    while (object.angle <= -std::numbers::pi / 2 + 1e-6) object.angle += std::numbers::pi;
  }

  orbweaver::Object object_of(const Region& region) const {
    orbweaver::Object object;
    set_box(object, region.corners);
    const SegmentSums& sums = region.sums;
    const auto n = static_cast<double>(sums.pixels), all = static_cast<double>(rgb_.total());
    const double l = sums.mean(sums.lightness) * (100.0 / 255), a = sums.mean(sums.a), b = sums.mean(sums.b);
    const double spread = std::max(0.0, region.a2 / n - a * a) + std::max(0.0, region.b2 / n - b * b);
    const double even = 1 / (1 + (sums.deviation() * sums.deviation() + spread) / (15.0 * 15.0));
    object.probability = even;
    const double red = region.red / n / 255, green = region.green / n / 255, blue = region.blue / n / 255;
    const double most = std::max({red, green, blue}), least = std::min({red, green, blue});
    const double roughness = std::min(1.0, sums.roughness() / 20);
    const double box = object.width * object.height;
    const std::array<double, region_attributes.size()> values{
        n / all,
        std::min(1.0, n * pixel_area_ / box),
        1 - object.height / object.width,
        red,
        green,
        blue,
        most > 0 ? (most - least) / most : 0,
        std::min(1.0, sums.deviation() / 40),
        roughness,
        static_cast<double>(region.edges) / n,
        coherence(region),
        entropy(region.patterns, n),
        static_cast<double>(region.frame) / static_cast<double>(region.outline)};
    for (size_t i = 0; i < values.size(); ++i) object.attributes.push_back({region_attributes[i], values[i]});
    object.label = std::string(colour_word(l, a, b)) + " " + texture_word(roughness);
    return object;
  }

  static double coherence(const Region& region) {
    const double energy = region.xx + region.yy;
    return energy > 0 ? std::min(1.0, std::hypot(region.xx - region.yy, 2 * region.xy) / energy) : 0;
  }

  static double entropy(const std::array<int64_t, 10>& counts, double total) {
    double sum = 0;
    for (const int64_t count : counts)
      if (count > 0) sum -= static_cast<double>(count) / total * std::log(static_cast<double>(count) / total);
    return std::min(1.0, sum / std::log(static_cast<double>(counts.size())));
  }

  /// Of a 3 x 3 Sobel gradient: a step of 20 grey levels.
  static constexpr double edge_strength = 80;

  Params params_;
  cv::Mat rgb_, lab_, segments_;
  std::vector<SegmentSums> sums_;
  std::vector<Region> regions_;
  double pixel_area_ = 1;  ///< of a pixel of the shrunk image, in pixels of the full one
};

}  // namespace
