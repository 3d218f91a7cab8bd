#include "framework/data/synth_geometry.h"

#include <algorithm>
#include <cstddef>

namespace orbweaver::synth {
namespace {

constexpr int32_t quarter = turn / 4;

/// sine() of the first quarter, summed at compile time: the compiler's arithmetic is exact IEEE, whatever the machine.
constexpr auto sines = [] {
  std::array<int32_t, quarter + 1> table{};
  for (int32_t i = 0; i <= quarter; ++i) {
    const double x = i * (3.14159265358979323846 / (2 * quarter));
    double term = x, sum = x;
    for (int k = 1; k < 12; ++k) {
      term = -term * x * x / ((2 * k) * (2 * k + 1));
      sum += term;
    }
    // NOLINTNEXTLINE(bugprone-incorrect-roundings): positive, and lround() is no constant expression.
    table[static_cast<size_t>(i)] = static_cast<int32_t>(sum * one + 0.5);
  }
  return table;
}();

int64_t dot(Point a, Point b) { return int64_t{a.x} * b.x + int64_t{a.y} * b.y; }
int64_t cross(Point a, Point b) { return int64_t{a.x} * b.y - int64_t{a.y} * b.x; }
Point minus(Point a, Point b) { return {a.x - b.x, a.y - b.y}; }

/// `value` x `factor` / one, to the nearest.
int32_t scaled(int64_t value) { return static_cast<int32_t>((value + one / 2) >> 15); }

/// Whether a side of `a`, drawn out, has all of `b` beyond it by the margin.
bool separates(const Box& a, const Box& b, int32_t margin) {
  int32_t left = INT32_MAX, right = INT32_MIN, top = INT32_MAX, bottom = INT32_MIN;
  for (const Point& corner : b.corners()) {
    const Point p = a.local(corner);
    left = std::min(left, p.x);
    right = std::max(right, p.x);
    top = std::min(top, p.y);
    bottom = std::max(bottom, p.y);
  }
  const int32_t u = a.width / 2 + margin, v = a.height / 2 + margin;
  return left >= u || right <= -u || top >= v || bottom <= -v;
}

int64_t squared_distance(Point p, Point a, Point b) {
  const Point along = minus(b, a), to = minus(p, a);
  const int64_t length = dot(along, along), t = std::clamp<int64_t>(dot(to, along), 0, length);
  if (length == 0) return dot(to, to);
  const Point foot{a.x + static_cast<int32_t>(along.x * t / length), a.y + static_cast<int32_t>(along.y * t / length)};
  const Point away = minus(p, foot);
  return dot(away, away);
}

}  // namespace

int32_t sine(int32_t angle) {
  angle &= turn - 1;
  const int32_t rest = angle & (quarter - 1);
  switch (angle / quarter) {
    case 0: return sines[static_cast<size_t>(rest)];
    case 1: return sines[static_cast<size_t>(quarter - rest)];
    case 2: return -sines[static_cast<size_t>(rest)];
    default: return -sines[static_cast<size_t>(quarter - rest)];
  }
}

int64_t root(int64_t value) {
  int64_t result = 0;
  for (int64_t bit = int64_t{1} << 31; bit > 0; bit >>= 1)
    if ((result + bit) * (result + bit) <= value) result += bit;
  return result;
}

Point Box::global(Point p) const {
  const int64_t c = cosine(angle), s = sine(angle);
  return {cx + scaled(p.x * c - p.y * s), cy + scaled(p.x * s + p.y * c)};
}

Point Box::at(int32_t u, int32_t v) const {
  return global({static_cast<int32_t>(int64_t{u} * width / 1000), static_cast<int32_t>(int64_t{v} * height / 1000)});
}

Point Box::local(Point p) const {
  const int64_t c = cosine(angle), s = sine(angle), x = p.x - cx, y = p.y - cy;
  return {scaled(x * c + y * s), scaled(y * c - x * s)};
}

std::array<Point, 4> Box::corners() const { return {at(-500, -500), at(500, -500), at(500, 500), at(-500, 500)}; }

Extent extent_of(const Box& box) {
  Extent extent{INT32_MAX, INT32_MAX, INT32_MIN, INT32_MIN};
  for (const Point& corner : box.corners()) {
    extent.left = std::min(extent.left, corner.x);
    extent.top = std::min(extent.top, corner.y);
    extent.right = std::max(extent.right, corner.x);
    extent.bottom = std::max(extent.bottom, corner.y);
  }
  return extent;
}

bool overlap(const Box& a, const Box& b, int32_t margin) {
  return !separates(a, b, margin) && !separates(b, a, margin);
}

bool contains(const Box& outer, const Box& inner, int32_t margin) {
  return std::ranges::all_of(inner.corners(), [&](const Point& corner) {
    const Point p = outer.local(corner);
    return std::abs(p.x) <= outer.width / 2 - margin && std::abs(p.y) <= outer.height / 2 - margin;
  });
}

int32_t gap(const Box& a, const Box& b) {
  if (overlap(a, b)) return 0;
  const auto ca = a.corners(), cb = b.corners();
  int64_t least = INT64_MAX;
  for (size_t i = 0; i < 4; ++i)
    for (size_t k = 0; k < 4; ++k)
      least = std::min(
          {least, squared_distance(ca[i], cb[k], cb[(k + 1) % 4]), squared_distance(cb[i], ca[k], ca[(k + 1) % 4])});
  return static_cast<int32_t>(root(least));
}

bool in_ellipse(const Box& ellipse, const Box& box, int32_t share) {
  return std::ranges::all_of(box.corners(), [&](const Point& corner) {
    const Point p = ellipse.local(corner);
    const int64_t x = int64_t{2000} * p.x / ellipse.width, y = int64_t{2000} * p.y / ellipse.height;
    return x * x + y * y <= int64_t{share} * share;
  });
}

std::vector<Point> hull_of(std::span<const Point> points) {
  // Andrew's monotone chain.
  std::vector<Point> sorted(points.begin(), points.end());
  std::ranges::sort(sorted, [](Point a, Point b) { return a.x != b.x ? a.x < b.x : a.y < b.y; });
  std::vector<Point> hull;
  for (int side = 0; side < 2; ++side) {
    const size_t begin = hull.size();
    for (const Point& p : sorted) {
      while (hull.size() >= begin + 2 && cross(minus(hull.back(), hull[hull.size() - 2]), minus(p, hull.back())) <= 0)
        hull.pop_back();
      hull.push_back(p);
    }
    hull.pop_back();
    std::ranges::reverse(sorted);
  }
  return hull;
}

}  // namespace orbweaver::synth
