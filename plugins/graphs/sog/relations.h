// How two objects lie to each other, from their rotated boxes: the named relations of the spatial object graph.
//
// A pair of boxes has up to two relations, read "a RELATION b":
//
//   how close they are   in, contains, overlapping, next to, near, or none of these
//   where they lie       left of, right of, above, below, or none of these; none for boxes of which one is in the
//                        other or that overlap
//
// The names are those of the relation vocabulary that image and caption graphs share. Directions are the picture's: in
// remote sensing "above" is up in the image.
//
// Areas and distances are those of the rotated boxes (an upright hull of a ship that lies aslant covers its whole
// berth). Everything depends on ratios of lengths alone, never on the image's size or resolution.
#pragma once

#include <algorithm>
#include <array>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <string>
#include <string_view>
#include <tuple>
#include <utility>
#include <vector>

#include "../../shared/object_nodes.h"

namespace {
namespace sog {

using object_nodes::Node;

enum class Name : uint8_t { none, in, contains, overlapping, next_to, near, left_of, right_of, above, below };
constexpr size_t kNames = 10;

inline std::string_view text_of(Name name) {
  static constexpr std::array<std::string_view, kNames> texts{"",     "in",      "contains", "overlapping", "next to",
                                                              "near", "left of", "right of", "above",       "below"};
  return texts[static_cast<size_t>(name)];
}

/// The name seen from the other end. A table: nothing foresees the branches of two random boxes.
inline Name inverse(Name name) {
  using enum Name;
  static constexpr std::array<Name, kNames> inverses{none, contains, in,      overlapping, next_to,
                                                     near, right_of, left_of, below,       above};
  return inverses[static_cast<size_t>(name)];
}

/// Bounds of the relations; the parameters of the same names say what each means.
struct Bounds {
  double inside_share = 0.8, overlap_share = 0.1;
  double next_to = 1, near = 3;
  double direction_cone = 30;  ///< degrees
};

/// Bounds as pairs of boxes are measured by.
struct Rules : Bounds {
  explicit Rules(const Bounds& bounds) : Bounds(bounds), slope(std::tan(direction_cone * std::acos(-1.0) / 180)) {}
  double slope;  ///< of the edge of the cone
};

/// What lies between two boxes, seen from the first.
struct Pair {
  Name how = Name::none, where = Name::none;
  bool measured = true;  ///< false: boxes far apart, whose gap is only known to be `gap` or more
  double gap = 0;        ///< between the boxes, 0 where they meet
  double distance = 0;   ///< squared, between the centres

  Pair inverted() const { return {inverse(how), inverse(where), measured, gap, distance}; }
};

/// x and y, computed with as one number: pairs of boxes are many, and processors work on two numbers at once. (GCC's
/// and Clang's vector types; comparisons of them choose by element.)
using Point = double __attribute__((vector_size(2 * sizeof(double))));

inline Point magnitude(Point p) {
  const Point opposite = -p;
  return p > opposite ? p : opposite;
}

/// A box in the frame of another one: the other's centre is the origin, its sides are the axes.
struct Placed {
  Point centre, sum, rest;  ///< the corners, in their order around it: centre + sum, - rest, - sum, + rest
  Point reach;              ///< half the sides of the upright rectangle around it
};

/// A rotated rectangle. Sides may be 0: a line or a point.
class Box {
 public:
  explicit Box(const Node& node) : centre_{node.x, node.y}, half_{node.width / 2, node.height / 2}, area_(node.area) {
    const auto [c, s] = half_turn(node.sine, node.cosine);
    right_ = Point{c, -s};
    down_ = Point{s, c};
    radius_ = std::hypot(half_[0], half_[1]);
    shorter_ = 2 * std::min(half_[0], half_[1]);
    hull_ = half_[0] * magnitude(Point{c, s}) + half_[1] * magnitude(Point{-s, c});
  }

  const Point& centre() const { return centre_; }
  /// Half the sides of the upright rectangle around it.
  const Point& hull() const { return hull_; }
  double area() const { return area_; }
  /// Of the circle around it.
  double radius() const { return radius_; }
  double shorter_side() const { return shorter_; }

  /// The other box in the frame of this one. @param turn  turn_to(other), which both of a pair can use.
  Placed in_own_frame(const Box& other, Point turn) const {
    const Point side = other.half_[0] * turn, top = other.half_[1] * Point{-turn[1], turn[0]};
    return {turned(other.centre_ - centre_), side + top, side - top, magnitude(side) + magnitude(top)};
  }
  /// Cosine and sine of the angle from this box's sides to the other's.
  Point turn_to(const Box& other) const { return turned(Point{other.right_[0], other.down_[0]}); }
  bool holds(Point point) const {
    const Point beyond = magnitude(turned(point - centre_)) - half_;
    return beyond[0] <= 0 && beyond[1] <= 0;
  }

  /// Whether one of this box's sides, drawn out, has the other box beyond it.
  bool separates(const Placed& other) const {
    const Point between = magnitude(other.centre) - other.reach - half_;
    return (between[0] > 0) | (between[1] > 0);
  }

  /// Squared, from the nearest of the other's corners to this box.
  double squared_distance_to_corners(const Placed& other) const {
    const auto squared_offset = [&](Point corner) {
      const Point beyond = magnitude(corner) - half_, offset = beyond > 0 ? beyond : Point{};
      return offset * offset;
    };
    const Point first = squared_offset(other.centre + other.sum), third = squared_offset(other.centre - other.sum);
    const Point second = squared_offset(other.centre - other.rest), last = squared_offset(other.centre + other.rest);
    const Point odd = Point{first[0], third[0]} + Point{first[1], third[1]};
    const Point even = Point{second[0], last[0]} + Point{second[1], last[1]};
    const Point least = odd < even ? odd : even;
    return std::min(least[0], least[1]);
  }

  /// Area of the polygon that both share (Sutherland and Hodgman's clipping, in this box's frame).
  double common_area(const Box& other) const {
    const Placed own = in_own_frame(other, turn_to(other));
    Polygon polygon, kept;
    for (const Point corner : {own.sum, -own.rest, -own.sum, own.rest})
      polygon.add(own.centre[0] + corner[0], own.centre[1] + corner[1]);
    for (const double sign : {1.0, -1.0}) {
      clip(
          polygon, [&](double x, double) { return half_[0] - sign * x; }, kept);
      clip(
          kept, [&](double, double y) { return half_[1] - sign * y; }, polygon);
    }
    double twice = 0;
    for (size_t i = 0; i < polygon.size; ++i) {
      const size_t j = polygon.after(i);
      twice += polygon.x[i] * polygon.y[j] - polygon.x[j] * polygon.y[i];
    }
    return std::abs(twice) / 2;
  }

 private:
  /// A box clipped by the sides of another one. Each side adds a corner at most; rounding may add some that coincide,
  /// but never more than half of those that there are.
  struct Polygon {
    std::array<double, 24> x, y;  // no more are read than there are
    size_t size = 0;
    void add(double px, double py) {
      x[size] = px;
      y[size++] = py;
    }
    size_t after(size_t i) const { return i + 1 == size ? 0 : i + 1; }
  };

  struct Direction {
    double cosine, sine;
  };

  /// Of half the angle, from -90 to 90 degrees: half-angle formulas, each where it loses no digits.
  static Direction half_turn(double sine, double cosine) {
    const double length = std::sqrt(sine * sine + cosine * cosine);
    if (length == 0) return {1, 0};
    const double larger = std::sqrt((1 + std::abs(cosine) / length) / 2), smaller = sine / length / (2 * larger);
    if (cosine >= 0) return {larger, smaller};
    return {std::abs(smaller), std::copysign(larger, sine)};
  }

  /// A vector of the picture in this box's frame.
  Point turned(Point v) const { return v[0] * right_ + v[1] * down_; }

  /// The part of a polygon where `room(x, y)`, linear in the point, is not negative.
  template <class Room>
  static void clip(const Polygon& polygon, Room&& room, Polygon& kept) {
    kept.size = 0;
    for (size_t i = 0; i < polygon.size; ++i) {
      const size_t j = polygon.after(i);
      const double at_a = room(polygon.x[i], polygon.y[i]), at_b = room(polygon.x[j], polygon.y[j]);
      if (at_a >= 0) kept.add(polygon.x[i], polygon.y[i]);
      if ((at_a >= 0) == (at_b >= 0)) continue;
      const double share = at_a / (at_a - at_b);
      kept.add(polygon.x[i] + share * (polygon.x[j] - polygon.x[i]),
               polygon.y[i] + share * (polygon.y[j] - polygon.y[i]));
    }
  }

  Point centre_, half_;
  Point right_, down_;  // the picture's directions in this box's frame
  Point hull_;
  double area_ = 0, radius_ = 0, shorter_ = 0;
};

inline double squared_distance(const Box& a, const Box& b) {
  const Point offset = a.centre() - b.centre();
  return offset[0] * offset[0] + offset[1] * offset[1];
}

/// 0 where they meet. Of two convex shapes apart, a corner of one is nearest to the other.
inline double gap_between(const Box& a, const Box& b) {
  const Point turn = a.turn_to(b);
  const Placed of_a = b.in_own_frame(a, Point{turn[0], -turn[1]}), of_b = a.in_own_frame(b, turn);
  const bool apart = a.separates(of_b), apart_too = b.separates(of_a);  // of either it is as likely
  if (!apart && !apart_too) return 0;
  return std::sqrt(std::min(a.squared_distance_to_corners(of_b), b.squared_distance_to_corners(of_a)));
}

/// No more than the gap: that of the circles around the boxes, less what the gap may be off by rounding; 0 where
/// squares would underflow or overflow.
inline double least_gap(const Box& a, const Box& b, double squared_distance) {
  constexpr double kRounding = 1e-12, kSmallest = 1e-200, kLargest = 1e200;
  if (!(squared_distance > kSmallest && squared_distance < kLargest)) return 0;
  return (1 - kRounding) * std::sqrt(squared_distance) - (a.radius() + b.radius());
}

/// Whether a gap is at most `sizes` times the geometric mean of the shorter sides. In squares: a root would be off by a
/// rounding, and a gap of just so many sizes a matter of chance.
inline bool gap_within(double gap, double sizes, const Box& a, const Box& b) {
  return gap * gap <= sizes * sizes * (a.shorter_side() * b.shorter_side());
}

/// in, contains, overlapping, next to, near or none.
inline Name how_close(const Box& a, const Box& b, double gap, const Bounds& bounds) {
  if (gap == 0) {
    const double common = a.common_area(b);
    // A box without area is in another when its centre is.
    const auto within = [&](const Box& inner, const Box& outer) {
      return inner.area() > 0 ? common >= bounds.inside_share * inner.area() : outer.holds(inner.centre());
    };
    const bool a_in_b = within(a, b), b_in_a = within(b, a);
    if (a_in_b != b_in_a) return a_in_b ? Name::in : Name::contains;
    if (a_in_b) return Name::overlapping;  // two boxes around one thing
    if (common > 0 && common >= bounds.overlap_share * std::min(a.area(), b.area())) return Name::overlapping;
  }
  if (gap_within(gap, bounds.next_to, a, b)) return Name::next_to;
  return gap_within(gap, bounds.near, a, b) ? Name::near : Name::none;
}

/// left of, right of, above, below or none, from the offset of the centres in units in which the upright hulls just
/// meet at 1. So a car below the end of a long road is below it, although their centres lie far apart sideways.
/// @param slope  of the edge of the cone around an axis.
inline Name where_they_lie(const Box& a, const Box& b, double slope) {
  constexpr double kLeast = 1e-12;  // points have no hull
  const Point reach = a.hull() + b.hull(),
              offset = (a.centre() - b.centre()) / (reach < kLeast ? Point{kLeast, kLeast} : reach);
  const double right = offset[0], down = offset[1];
  const bool beside = std::abs(down) <= slope * std::abs(right), over = std::abs(right) <= slope * std::abs(down);
  const Name side = right < 0 ? Name::left_of : Name::right_of, level = down < 0 ? Name::above : Name::below;
  if (right == 0 && down == 0) return Name::none;
  return beside ? side : over ? level : Name::none;
}

/// How a lies to b. `relate(b, a)` is its inverse but for rounding; compute one of the two.
inline Pair relate(const Box& a, const Box& b, const Rules& rules) {
  Pair pair{.gap = gap_between(a, b), .distance = squared_distance(a, b)};
  pair.how = how_close(a, b, pair.gap, rules);
  const bool apart = pair.how == Name::next_to || pair.how == Name::near || pair.how == Name::none;
  if (apart) pair.where = where_they_lie(a, b, rules.slope);
  return pair;
}

/// As `relate`, but without the gap, which is dear, of boxes that lie too far apart to be near.
inline Pair relate_unmeasured(const Box& a, const Box& b, const Rules& rules) {
  const double distance = squared_distance(a, b), least = least_gap(a, b, distance);
  if (least <= 0 || gap_within(least, rules.near, a, b)) return relate(a, b, rules);
  return {Name::none, where_they_lie(a, b, rules.slope), false, least, distance};
}

/// Pairs of n things, both ways.
class Pairs {
 public:
  /// @param boxes  of the things, if pairs of them are still to be measured.
  explicit Pairs(size_t count, std::vector<Box> boxes = {})
      : count_(count), pairs_(count * count), boxes_(std::move(boxes)) {}
  size_t count() const { return count_; }
  /// How `source` lies to `target`.
  const Pair& operator()(size_t source, size_t target) const { return pairs_[source * count_ + target]; }
  void set(size_t source, size_t target, const Pair& pair) {
    Pair &there = at(source, target), &back = at(target, source);
    // One by one: a copy of the whole would wait for the parts of `pair`, which were written just now.
    there.how = pair.how, back.how = inverse(pair.how);
    there.where = pair.where, back.where = inverse(pair.where);
    there.measured = back.measured = pair.measured;
    there.gap = back.gap = pair.gap;
    there.distance = back.distance = pair.distance;
  }
  /// Makes the gap of an unmeasured pair exact. From the first of the two, as in `relate`: from the other it may be
  /// rounded differently.
  void measure(size_t source, size_t target) {
    const auto [first, second] = std::minmax(source, target);
    at(first, second).gap = at(second, first).gap = gap_between(boxes_[first], boxes_[second]);
    at(first, second).measured = at(second, first).measured = true;
  }

 private:
  Pair& at(size_t source, size_t target) { return pairs_[source * count_ + target]; }

  size_t count_;
  std::vector<Pair> pairs_;
  std::vector<Box> boxes_;
};

/// Gaps of pairs too far apart to be near are left unmeasured.
inline Pairs pairs_of_objects(const std::vector<Node>& nodes, const Bounds& bounds) {
  const std::vector<Box> boxes(nodes.begin(), nodes.end());
  const Rules rules(bounds);
  Pairs pairs(boxes.size(), boxes);
  for (size_t i = 0; i < boxes.size(); ++i)
    for (size_t j = i + 1; j < boxes.size(); ++j) pairs.set(i, j, relate_unmeasured(boxes[i], boxes[j], rules));
  return pairs;
}

/// Between groups of objects: every object votes with how it lies to the other group's closest one. The most frequent
/// relation of closeness wins ("none" is one too, and gives way in a tie); a direction needs more than half of the
/// votes.
inline Pairs pairs_of_groups(const std::vector<std::vector<Node>>& groups, const Bounds& bounds) {
  struct Closest {
    double gap = std::numeric_limits<double>::infinity(), distance = gap;
    size_t object = 0;
    bool operator<(const Closest& other) const {
      return std::tie(gap, distance, object) < std::tie(other.gap, other.distance, other.object);
    }
  };
  struct Tally {
    std::array<int, kNames> how{}, where{};
    int votes = 0;
    Closest closest;
    void add(const Pair& pair) {
      ++how[static_cast<size_t>(pair.how)];
      ++where[static_cast<size_t>(pair.where)];
      ++votes;
      closest = std::min(closest, Closest{pair.gap, pair.distance, 0});
    }
    Pair result() const {
      // Counted with "none" last, so that it wins no tie.
      Pair pair{.how = Name::in, .gap = closest.gap, .distance = closest.distance};
      for (const Name name : {Name::contains, Name::overlapping, Name::next_to, Name::near, Name::none})
        if (how[static_cast<size_t>(name)] > how[static_cast<size_t>(pair.how)]) pair.how = name;
      for (const Name name : {Name::left_of, Name::right_of, Name::above, Name::below})
        if (2 * where[static_cast<size_t>(name)] > votes) pair.where = name;
      return pair;
    }
  };

  const Rules rules(bounds);
  std::vector<Box> boxes;
  std::vector<size_t> group_of;
  for (size_t g = 0; g < groups.size(); ++g)
    for (const Node& node : groups[g]) boxes.emplace_back(node), group_of.push_back(g);

  // Exact gaps are dear: the circles around two boxes tell most pairs to be farther than what is known already.
  std::vector<Closest> closest(boxes.size() * groups.size());
  for (size_t i = 0; i < boxes.size(); ++i)
    for (size_t j = i + 1; j < boxes.size(); ++j) {
      if (group_of[i] == group_of[j]) continue;
      Closest &of_i = closest[i * groups.size() + group_of[j]], &of_j = closest[j * groups.size() + group_of[i]];
      const double distance = squared_distance(boxes[i], boxes[j]);
      const double least = std::sqrt(distance) - boxes[i].radius() - boxes[j].radius();
      if (least > of_i.gap && least > of_j.gap) continue;
      const double gap = gap_between(boxes[i], boxes[j]);
      of_i = std::min(of_i, Closest{gap, distance, j});
      of_j = std::min(of_j, Closest{gap, distance, i});
    }

  Pairs pairs(groups.size());
  std::vector<Tally> tallies(groups.size() * groups.size());  // the first group of a pair is the one that comes first
  for (size_t i = 0; i < boxes.size(); ++i)
    for (size_t g = 0; g < groups.size(); ++g) {
      if (g == group_of[i]) continue;
      const Pair pair = relate(boxes[i], boxes[closest[i * groups.size() + g].object], rules);
      if (group_of[i] < g)
        tallies[group_of[i] * groups.size() + g].add(pair);
      else
        tallies[g * groups.size() + group_of[i]].add(pair.inverted());
    }
  for (size_t a = 0; a < groups.size(); ++a)
    for (size_t b = a + 1; b < groups.size(); ++b) pairs.set(a, b, tallies[a * groups.size() + b].result());
  return pairs;
}

/// The relations that leave each node: at most `most_close` of the first kind, of which containment comes first,
/// then overlap, then the closest; and at most `most_directions` of the second, the closest first.
/// @param pairs  of which those are measured that may be among the closest.
inline std::vector<orbweaver::Relation> choose_relations(Pairs& pairs, size_t most_close, size_t most_directions) {
  const size_t count = pairs.count();
  std::vector<orbweaver::Relation> relations;
  relations.reserve(count * (std::min(most_close, count) + std::min(most_directions, count)));
  std::vector<size_t> best, unmeasured;
  for (size_t i = 0; i < count; ++i) {
    const Pair* const of = &pairs(i, 0);
    const auto add = [&](size_t j, size_t most, auto&& comes_first) {
      if (best.size() == most) {
        if (!comes_first(j, best.back())) return;
        best.pop_back();
      }
      best.insert(std::upper_bound(best.begin(), best.end(), j, comes_first), j);
    };
    const auto relate_to_best = [&](Name Pair::*name) {
      for (const size_t j : best)
        relations.push_back({static_cast<int64_t>(i), static_cast<int64_t>(j), std::string(text_of(of[j].*name))});
      best.clear();
    };
    const auto closer = [&](size_t j, size_t k) {
      if (of[j].gap != of[k].gap) return of[j].gap < of[k].gap;
      return of[j].distance != of[k].distance ? of[j].distance < of[k].distance : j < k;
    };
    const auto comes_first = [&](size_t j, size_t k) {
      return of[j].how != of[k].how ? of[j].how < of[k].how : closer(j, k);
    };

    for (size_t j = 0; j < count && most_close > 0; ++j)
      if (of[j].how != Name::none) add(j, most_close, comes_first);  // none: as of itself
    relate_to_best(&Pair::how);

    unmeasured.clear();
    for (size_t j = 0; j < count && most_directions > 0; ++j) {
      if (of[j].where == Name::none) continue;
      if (of[j].measured)
        add(j, most_directions, closer);
      else
        unmeasured.push_back(j);
    }
    for (const size_t j : unmeasured) {
      if (best.size() == most_directions && of[j].gap > of[best.back()].gap) continue;
      pairs.measure(i, j);
      add(j, most_directions, closer);
    }
    relate_to_best(&Pair::where);
  }
  return relations;
}

}  // namespace sog
}  // namespace
