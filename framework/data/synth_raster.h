// Smooth-edged polygons on an RGB canvas, in whole numbers: OpenCV's strokes differ from version to version.
#pragma once

#include <algorithm>
#include <cstdint>
#include <span>
#include <vector>

#include "framework/data/random.h"
#include "framework/data/synth_geometry.h"

namespace orbweaver::synth {

struct Colour {
  int32_t red = 0, green = 0, blue = 0;
};
/// `percent` as bright.
inline Colour shade(Colour c, int32_t percent) {
  const auto one = [&](int32_t value) { return std::clamp(value * percent / 100, 0, 255); };
  return {one(c.red), one(c.green), one(c.blue)};
}

class Canvas {
 public:
  Canvas(int32_t width, int32_t height)
      : width_(width), height_(height), pixels_(static_cast<size_t>(width) * static_cast<size_t>(height) * 3) {}

  int32_t width() const { return width_; }
  int32_t height() const { return height_; }
  uint8_t* row(int32_t y) { return pixels_.data() + static_cast<size_t>(y) * static_cast<size_t>(width_) * 3; }
  std::vector<uint8_t> take() && { return std::move(pixels_); }

  /// Fills by the even-odd rule. Edges are averaged over four lines a pixel, exactly along each.
  /// @param opacity  0 to 256
  void fill(std::span<const Point> polygon, Colour colour, int32_t opacity = 256);
  /// A straight stroke with flat ends; `thickness` in units of length.
  void line(Point from, Point to, int32_t thickness, Colour colour, int32_t opacity = 256);
  void disc(Point centre, int32_t radius, Colour colour, int32_t opacity = 256);

 private:
  void cover(int32_t from, int32_t to);
  void blend(int32_t y, int32_t first, int32_t last, Colour colour, int32_t opacity);

  int32_t width_, height_;
  std::vector<uint8_t> pixels_;
  std::vector<int32_t> crossings_, coverage_;
};

/// Smooth random values in [-256, 256] on a grid of `cells` cells a side.
class ValueNoise {
 public:
  ValueNoise(Random& random, int32_t cells, int32_t size);
  /// Adds weight x value / 256 to each of the row's `size` sums.
  void add_row(int32_t y, int32_t weight, std::vector<int32_t>& sums) const;

 private:
  int32_t cells_, size_;
  std::vector<int32_t> values_;
};

}  // namespace orbweaver::synth
