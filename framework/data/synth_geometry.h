// Geometry of the synthetic scenes in whole numbers: positions in 1/64 of a pixel, angles in 1/4096 of a turn.
//
// What decides bytes is never a floating-point function: sin and atan2 differ between C libraries, and compilers fuse
// multiplications and additions where the processor can. Integers are the same everywhere.
#pragma once

#include <array>
#include <cstdint>
#include <span>
#include <vector>

namespace orbweaver::synth {

inline constexpr int32_t pixel = 64;     ///< units of length in a pixel
inline constexpr int32_t turn = 4096;    ///< units of angle in a full turn, clockwise on screen
inline constexpr int32_t one = 1 << 15;  ///< what sine and cosine of 1 are

int32_t sine(int32_t angle);
inline int32_t cosine(int32_t angle) { return sine(angle + turn / 4); }
/// The whole part of the square root.
int64_t root(int64_t value);

struct Point {
  int32_t x = 0, y = 0;
  bool operator==(const Point&) const = default;
};

/// A rotated box: centre, sides and the angle from the x axis to its width.
struct Box {
  int32_t cx = 0, cy = 0, width = 0, height = 0, angle = 0;
  /// A place given in thousandths of the sides: (0, 0) is the centre, (500, 500) a corner.
  Point at(int32_t u, int32_t v) const;
  /// Along the width (x) and across it (y), from the centre.
  Point local(Point p) const;
  /// The place that is so far from the centre along the width and across it.
  Point global(Point p) const;
  std::array<Point, 4> corners() const;
  Point centre() const { return {cx, cy}; }
  Box moved_to(Point p) const { return {p.x, p.y, width, height, angle}; }
};

struct Extent {
  int32_t left, top, right, bottom;
};
Extent extent_of(const Box& box);

/// Whether two boxes share a place, or come closer than `margin` along one of their sides.
bool overlap(const Box& a, const Box& b, int32_t margin = 0);
bool contains(const Box& outer, const Box& inner, int32_t margin = 0);
/// Distance between the nearest points of two boxes; 0 where they overlap.
int32_t gap(const Box& a, const Box& b);
/// Whether the box lies within an ellipse that fills the other, `share` thousandths of it.
bool in_ellipse(const Box& ellipse, const Box& box, int32_t share);
/// The convex polygon around the points, in order.
std::vector<Point> hull_of(std::span<const Point> points);

}  // namespace orbweaver::synth
