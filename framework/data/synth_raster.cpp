#include "framework/data/synth_raster.h"

namespace orbweaver::synth {
namespace {

constexpr int32_t lines = 4;  ///< sampled in each row of pixels

}  // namespace

void Canvas::fill(std::span<const Point> polygon, Colour colour, int32_t opacity) {
  if (polygon.size() < 3) return;
  const auto [top, bottom] = std::ranges::minmax(polygon, {}, &Point::y);
  const int32_t first_row = std::max(top.y >> 6, 0), last_row = std::min(bottom.y >> 6, height_ - 1);
  coverage_.resize(static_cast<size_t>(width_) + 1);
  for (int32_t row = first_row; row <= last_row; ++row) {
    std::ranges::fill(coverage_, 0);
    int32_t left = width_, right = -1;
    for (int32_t line = 0; line < lines; ++line) {
      const int32_t y = row * pixel + (2 * line + 1) * pixel / (2 * lines);
      crossings_.clear();
      for (size_t i = 0; i < polygon.size(); ++i) {
        const Point a = polygon[i], b = polygon[i + 1 < polygon.size() ? i + 1 : 0];
        if ((a.y <= y) == (b.y <= y)) continue;
        crossings_.push_back(a.x + static_cast<int32_t>(int64_t{b.x - a.x} * (y - a.y) / (b.y - a.y)));
      }
      std::ranges::sort(crossings_);
      for (size_t i = 0; i + 1 < crossings_.size(); i += 2) {
        const int32_t from = std::max(crossings_[i], 0), to = std::min(crossings_[i + 1], width_ * pixel);
        if (from >= to) continue;
        cover(from, to);
        left = std::min(left, from / pixel);
        right = std::max(right, std::min(to / pixel, width_ - 1));
      }
    }
    if (right >= left) blend(row, left, right, colour, opacity);
  }
}

void Canvas::cover(int32_t from, int32_t to) {
  const auto first = static_cast<size_t>(from / pixel), last = static_cast<size_t>(to / pixel);
  if (first == last) {
    coverage_[first] += to - from;
    return;
  }
  coverage_[first] += pixel - from % pixel;
  for (size_t x = first + 1; x < last; ++x) coverage_[x] += pixel;
  coverage_[last] += to % pixel;
}

void Canvas::blend(int32_t y, int32_t first, int32_t last, Colour colour, int32_t opacity) {
  uint8_t* out = row(y) + first * 3;
  for (int32_t x = first; x <= last; ++x) {
    const int32_t share = coverage_[static_cast<size_t>(x)] * opacity;  // of 65536
    for (const int32_t wanted : {colour.red, colour.green, colour.blue}) {
      *out = static_cast<uint8_t>((*out * (65536 - share) + wanted * share + 32768) >> 16);
      ++out;
    }
  }
}

void Canvas::line(Point from, Point to, int32_t thickness, Colour colour, int32_t opacity) {
  const int64_t dx = to.x - from.x, dy = to.y - from.y, length = std::max<int64_t>(root(dx * dx + dy * dy), 1);
  const auto nx = static_cast<int32_t>(-dy * thickness / (2 * length));
  const auto ny = static_cast<int32_t>(dx * thickness / (2 * length));
  const Point corners[] = {
      {from.x + nx, from.y + ny}, {to.x + nx, to.y + ny}, {to.x - nx, to.y - ny}, {from.x - nx, from.y - ny}};
  fill(corners, colour, opacity);
}

void Canvas::disc(Point centre, int32_t radius, Colour colour, int32_t opacity) {
  const int32_t corners = radius < 4 * pixel ? 10 : radius < 16 * pixel ? 20 : 36;
  std::vector<Point> rim;
  rim.reserve(static_cast<size_t>(corners));
  for (int32_t i = 0; i < corners; ++i) {
    const int32_t angle = turn * i / corners;
    rim.push_back({centre.x + static_cast<int32_t>(int64_t{radius} * cosine(angle) / one),
                   centre.y + static_cast<int32_t>(int64_t{radius} * sine(angle) / one)});
  }
  fill(rim, colour, opacity);
}

ValueNoise::ValueNoise(Random& random, int32_t cells, int32_t size)
    : cells_(cells), size_(size), values_(static_cast<size_t>((cells + 2) * (cells + 2))) {
  for (int32_t& value : values_) value = static_cast<int32_t>(random.below(513)) - 256;
}

void ValueNoise::add_row(int32_t y, int32_t weight, std::vector<int32_t>& sums) const {
  const int32_t fine_y = y * cells_ * 256 / size_, above = fine_y >> 8, ry = fine_y & 255;
  const int32_t* upper = values_.data() + above * (cells_ + 2);
  const int32_t* lower = upper + cells_ + 2;
  const int32_t step = cells_ * 256 / size_;  // exact enough: a grid slightly stretched
  int32_t fine_x = 0;
  for (int32_t& sum : sums) {
    const int32_t ix = fine_x >> 8, rx = fine_x & 255;
    const int32_t top = upper[ix] * (256 - rx) + upper[ix + 1] * rx;
    const int32_t bottom = lower[ix] * (256 - rx) + lower[ix + 1] * rx;
    sum += ((top >> 8) * (256 - ry) + (bottom >> 8) * ry) * weight >> 16;
    fine_x += step;
  }
}

}  // namespace orbweaver::synth
