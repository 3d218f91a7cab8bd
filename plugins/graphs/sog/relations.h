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
#include <tuple>
#include <utility>
#include <vector>

#include "../../shared/object_nodes.h"

namespace {
namespace sog {

using object_nodes::Node;

enum class Name { none, in, contains, overlapping, next_to, near, left_of, right_of, above, below };
constexpr size_t kNames = 10;

inline const char* text_of(Name name) {
  constexpr std::array<const char*, kNames> texts{"",     "in",      "contains", "overlapping", "next to",
                                                  "near", "left of", "right of", "above",       "below"};
  return texts[static_cast<size_t>(name)];
}

/// The name seen from the other end.
inline Name inverse(Name name) {
  switch (name) {
    case Name::in: return Name::contains;
    case Name::contains: return Name::in;
    case Name::left_of: return Name::right_of;
    case Name::right_of: return Name::left_of;
    case Name::above: return Name::below;
    case Name::below: return Name::above;
    default: return name;
  }
}

/// Bounds of the relations; the parameters of the same names say what each means.
struct Bounds {
  double inside_share = 0.8, overlap_share = 0.1;
  double next_to = 1, near = 3;
  double direction_cone = 30;  ///< degrees
};

/// What lies between two boxes, seen from the first.
struct Pair {
  Name how = Name::none, where = Name::none;
  double gap = 0;       ///< between the boxes, 0 where they meet
  double distance = 0;  ///< squared, between the centres

  Pair inverted() const { return {inverse(how), inverse(where), gap, distance}; }
};

struct Point {
  double x = 0, y = 0;
};

/// A rotated rectangle. Sides may be 0: a line or a point.
class Box {
 public:
  explicit Box(const Node& node) : centre_{node.x, node.y}, half_{node.width / 2, node.height / 2}, area_(node.area) {
    const double angle = std::atan2(node.sine, node.cosine) / 2, c = std::cos(angle), s = std::sin(angle);
    along_ = {c, s};
    hull_ = {half_.x * std::abs(c) + half_.y * std::abs(s), half_.x * std::abs(s) + half_.y * std::abs(c)};
    const auto corner = [&](double u, double v) {
      return Point{centre_.x + u * half_.x * c - v * half_.y * s, centre_.y + u * half_.x * s + v * half_.y * c};
    };
    corners_ = {corner(-1, -1), corner(1, -1), corner(1, 1), corner(-1, 1)};
  }

  const Point& centre() const { return centre_; }
  /// Half the sides of the upright rectangle around it.
  const Point& hull() const { return hull_; }
  double area() const { return area_; }
  /// Of the circle around it.
  double radius() const { return std::hypot(half_.x, half_.y); }
  double shorter_side() const { return 2 * std::min(half_.x, half_.y); }

  /// The other's corners with this box's centre as origin and its sides as axes.
  std::array<Point, 4> in_own_frame(const Box& other) const {
    std::array<Point, 4> points;
    for (size_t i = 0; i < 4; ++i) points[i] = in_own_frame(other.corners_[i]);
    return points;
  }
  Point in_own_frame(const Point& point) const {
    const double dx = point.x - centre_.x, dy = point.y - centre_.y;
    return {dx * along_.x + dy * along_.y, dy * along_.x - dx * along_.y};
  }
  bool holds(const Point& point) const {
    const Point own = in_own_frame(point);
    return std::abs(own.x) <= half_.x && std::abs(own.y) <= half_.y;
  }

  /// Whether one of this box's sides, drawn out, has the other box beyond it.
  bool separates(const Box& other) const {
    const std::array<Point, 4> points = in_own_frame(other);
    const auto all = [&](auto beyond) { return std::all_of(points.begin(), points.end(), beyond); };
    return all([&](const Point& p) { return p.x > half_.x; }) || all([&](const Point& p) { return p.x < -half_.x; }) ||
           all([&](const Point& p) { return p.y > half_.y; }) || all([&](const Point& p) { return p.y < -half_.y; });
  }

  /// From the nearest of the other's corners to this box.
  double distance_to_corners(const Box& other) const {
    double nearest = std::numeric_limits<double>::infinity();
    for (const Point& p : in_own_frame(other))
      nearest =
          std::min(nearest, std::hypot(std::max(std::abs(p.x) - half_.x, 0.0), std::max(std::abs(p.y) - half_.y, 0.0)));
    return nearest;
  }

  /// Area of the polygon that both share (Sutherland and Hodgman's clipping, in this box's frame).
  double common_area(const Box& other) const {
    const std::array<Point, 4> points = in_own_frame(other);
    std::vector<Point> polygon(points.begin(), points.end());
    for (const double sign : {1.0, -1.0}) {
      polygon = clipped(polygon, [&](const Point& p) { return half_.x - sign * p.x; });
      polygon = clipped(polygon, [&](const Point& p) { return half_.y - sign * p.y; });
    }
    double twice = 0;
    for (size_t i = 0; i < polygon.size(); ++i) {
      const Point &a = polygon[i], &b = polygon[(i + 1) % polygon.size()];
      twice += a.x * b.y - b.x * a.y;
    }
    return std::abs(twice) / 2;
  }

 private:
  /// The part of a polygon where `room(point)`, linear in the point, is not negative.
  template <class Room>
  static std::vector<Point> clipped(const std::vector<Point>& polygon, Room&& room) {
    std::vector<Point> kept;
    for (size_t i = 0; i < polygon.size(); ++i) {
      const Point &a = polygon[i], &b = polygon[(i + 1) % polygon.size()];
      const double at_a = room(a), at_b = room(b);
      if (at_a >= 0) kept.push_back(a);
      if ((at_a >= 0) == (at_b >= 0)) continue;
      const double share = at_a / (at_a - at_b);
      kept.push_back({a.x + share * (b.x - a.x), a.y + share * (b.y - a.y)});
    }
    return kept;
  }

  Point centre_, half_, along_, hull_;
  double area_ = 0;
  std::array<Point, 4> corners_;
};

inline double squared_distance(const Box& a, const Box& b) {
  const double dx = a.centre().x - b.centre().x, dy = a.centre().y - b.centre().y;
  return dx * dx + dy * dy;
}

/// 0 where they meet. Of two convex shapes apart, a corner of one is nearest to the other.
inline double gap_between(const Box& a, const Box& b) {
  if (!a.separates(b) && !b.separates(a)) return 0;
  return std::min(a.distance_to_corners(b), b.distance_to_corners(a));
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
  const double size = std::sqrt(a.shorter_side() * b.shorter_side());
  if (gap <= bounds.next_to * size) return Name::next_to;
  return gap <= bounds.near * size ? Name::near : Name::none;
}

/// left of, right of, above, below or none, from the offset of the centres in units in which the upright hulls just
/// meet at 1. So a car below the end of a long road is below it, although their centres lie far apart sideways.
inline Name where_they_lie(const Box& a, const Box& b, const Bounds& bounds) {
  constexpr double kLeast = 1e-12;  // points have no hull
  const double right = (a.centre().x - b.centre().x) / std::max(a.hull().x + b.hull().x, kLeast);
  const double down = (a.centre().y - b.centre().y) / std::max(a.hull().y + b.hull().y, kLeast);
  const double slope = std::tan(bounds.direction_cone * std::acos(-1.0) / 180);
  if (right == 0 && down == 0) return Name::none;
  if (std::abs(down) <= slope * std::abs(right)) return right < 0 ? Name::left_of : Name::right_of;
  if (std::abs(right) <= slope * std::abs(down)) return down < 0 ? Name::above : Name::below;
  return Name::none;
}

/// How a lies to b. `relate(b, a)` is its inverse but for rounding; compute one of the two.
inline Pair relate(const Box& a, const Box& b, const Bounds& bounds) {
  Pair pair{Name::none, Name::none, gap_between(a, b), squared_distance(a, b)};
  pair.how = how_close(a, b, pair.gap, bounds);
  const bool apart = pair.how == Name::next_to || pair.how == Name::near || pair.how == Name::none;
  if (apart) pair.where = where_they_lie(a, b, bounds);
  return pair;
}

/// Pairs of n things, both ways.
class Pairs {
 public:
  explicit Pairs(size_t count) : count_(count), pairs_(count * count) {}
  size_t count() const { return count_; }
  /// How `source` lies to `target`.
  const Pair& operator()(size_t source, size_t target) const { return pairs_[source * count_ + target]; }
  void set(size_t source, size_t target, const Pair& pair) {
    pairs_[source * count_ + target] = pair;
    pairs_[target * count_ + source] = pair.inverted();
  }

 private:
  size_t count_;
  std::vector<Pair> pairs_;
};

inline Pairs pairs_of_objects(const std::vector<Node>& nodes, const Bounds& bounds) {
  const std::vector<Box> boxes(nodes.begin(), nodes.end());
  Pairs pairs(boxes.size());
  for (size_t i = 0; i < boxes.size(); ++i)
    for (size_t j = i + 1; j < boxes.size(); ++j) pairs.set(i, j, relate(boxes[i], boxes[j], bounds));
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
      Pair pair{Name::in, Name::none, closest.gap, closest.distance};
      for (const Name name : {Name::contains, Name::overlapping, Name::next_to, Name::near, Name::none})
        if (how[static_cast<size_t>(name)] > how[static_cast<size_t>(pair.how)]) pair.how = name;
      for (const Name name : {Name::left_of, Name::right_of, Name::above, Name::below})
        if (2 * where[static_cast<size_t>(name)] > votes) pair.where = name;
      return pair;
    }
  };

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
      const Pair pair = relate(boxes[i], boxes[closest[i * groups.size() + g].object], bounds);
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
inline std::vector<orbweaver::Relation> choose_relations(const Pairs& pairs, size_t most_close,
                                                         size_t most_directions) {
  std::vector<orbweaver::Relation> relations;
  const size_t count = pairs.count();
  std::vector<size_t> others;
  for (size_t i = 0; i < count; ++i) {
    const auto take = [&](Name Pair::*name, size_t most, auto&& key) {
      others.clear();
      for (size_t j = 0; j < count; ++j)
        if (j != i && pairs(i, j).*name != Name::none) others.push_back(j);
      std::sort(others.begin(), others.end(), [&](size_t j, size_t k) { return key(j) < key(k); });
      others.resize(std::min(others.size(), most));
      for (const size_t j : others)
        relations.push_back({static_cast<int64_t>(i), static_cast<int64_t>(j), text_of(pairs(i, j).*name)});
    };
    take(&Pair::how, most_close,
         [&](size_t j) { return std::tuple(pairs(i, j).how, pairs(i, j).gap, pairs(i, j).distance, j); });
    take(&Pair::where, most_directions, [&](size_t j) { return std::tuple(pairs(i, j).gap, pairs(i, j).distance, j); });
  }
  return relations;
}

}  // namespace sog
}  // namespace
