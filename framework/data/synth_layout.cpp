// Where things stand in a synthetic scene.
#include <algorithm>
#include <cmath>
#include <functional>
#include <numbers>

#include "framework/data/synth_scene.h"

namespace orbweaver::synth {
namespace {

constexpr double size = static_cast<double>(synth_size);
constexpr double pi = std::numbers::pi;

struct KindFacts {
  const char* name;
  double least_width, most_width;
  double least_height, most_height;  // as fractions of the width
  std::vector<const char*> colours;
};

const KindFacts& facts_of(Kind kind) {
  static const std::vector<KindFacts> table = {
      {"plane", 28, 38, 0.95, 0.95, {"white", "gray"}},
      {"ship", 32, 46, 0.28, 0.30, {"white", "red", "gray"}},
      {"car", 12, 13, 0.5, 0.5, {"red", "white", "black", "blue", "yellow"}},
      {"truck", 22, 26, 0.34, 0.36, {"white", "blue", "red"}},
      {"building", 40, 60, 0.5, 0.65, {"gray", "white", "blue", "red"}},
      {"house", 20, 26, 0.72, 0.8, {"red", "brown", "gray"}},
      {"storage tank", 20, 30, 1, 1, {"white", "gray"}},
      {"tree", 13, 18, 1, 1, {}},
      {"swimming pool", 20, 27, 0.5, 0.55, {}},
      {"tennis court", 36, 40, 0.5, 0.52, {"green", "blue", "red"}},
      {"football field", 62, 76, 0.62, 0.66, {}},
      {"basketball court", 30, 36, 0.54, 0.56, {}},
      {"baseball field", 46, 60, 1, 1, {}},
      {"container", 16, 19, 0.42, 0.45, {"red", "blue", "orange"}},
      {"bridge", 40, 60, 0.3, 0.3, {}},
  };
  return table[static_cast<size_t>(kind)];
}

double dot(Point a, Point b) { return a.x * b.x + a.y * b.y; }
Point minus(Point a, Point b) { return {a.x - b.x, a.y - b.y}; }

double distance_to_segment(Point p, Point a, Point b) {
  const Point along = minus(b, a), to = minus(p, a);
  const double t = std::clamp(dot(to, along) / std::max(dot(along, along), 1e-12), 0.0, 1.0);
  return std::hypot(to.x - t * along.x, to.y - t * along.y);
}

/// Whether some side of `a` separates it from `b`.
bool separated(const std::array<Point, 4>& a, const std::array<Point, 4>& b, double margin) {
  for (size_t i = 0; i < 2; ++i) {
    const Point side = minus(a[i + 1], a[i]);
    const double length = std::max(std::hypot(side.x, side.y), 1e-12);
    const Point axis{-side.y / length, side.x / length};
    double a_low = 1e9, a_high = -1e9, b_low = 1e9, b_high = -1e9;
    for (size_t k = 0; k < 4; ++k) {
      a_low = std::min(a_low, dot(axis, a[k]));
      a_high = std::max(a_high, dot(axis, a[k]));
      b_low = std::min(b_low, dot(axis, b[k]));
      b_high = std::max(b_high, dot(axis, b[k]));
    }
    if (a_high + margin <= b_low || b_high + margin <= a_low) return true;
  }
  return false;
}

/// Places groups one after the other; every function leaves out what does not fit, so that a group's boxes are what
/// there is, whatever was asked for.
class Planner {
 public:
  explicit Planner(Random& random) : random_(random) {
    const double sun = random_.uniform(0, 2 * pi);
    layout_.sun = {std::cos(sun), std::sin(sun)};
    layout_.ground_angle = random_.uniform(0, pi);
  }

  Layout take() {
    std::erase_if(layout_.groups, [](const Group& group) { return group.boxes.empty(); });
    return std::move(layout_);
  }

  void begin(std::string theme, std::vector<Ground> grounds) {
    layout_.theme = std::move(theme);
    layout_.ground = grounds[random_.below(grounds.size())];
  }

  /// A straight band from edge to edge. Two bands of one scene cross or stay apart, but never share a direction nearly.
  size_t band(Surface surface, double width) {
    for (;;) {
      const double angle = random_.uniform(0, pi);
      const double offset = random_.uniform(-60, 60);
      const Box box = chord(angle, offset, width);
      bool fits = box.width > 120;
      for (const Region& region : layout_.regions) fits = fits && std::abs(std::sin(region.box.angle - angle)) > 0.6;
      if (fits) return add_region(surface, box);
    }
  }
  /// Across the middle of a band that is there.
  size_t crossing_band(Surface surface, double width, size_t over) {
    const Box& below = layout_.regions[over].box;
    const double angle = below.angle + pi / 2 + random_.uniform(-0.3, 0.3);
    const Point middle = below.at(random_.uniform(-0.12, 0.12), 0);
    const double offset = -(middle.x - size / 2) * std::sin(angle) + (middle.y - size / 2) * std::cos(angle);
    return add_region(surface, chord(angle, offset, width));
  }
  size_t sea() {
    const double depth = random_.uniform(70, 115);
    switch (random_.below(4)) {
      case 0: return add_region(Surface::sea, {depth / 2, size / 2, size, depth, pi / 2});
      case 1: return add_region(Surface::sea, {size - depth / 2, size / 2, size, depth, pi / 2});
      case 2: return add_region(Surface::sea, {size / 2, depth / 2, size, depth, 0});
      default: return add_region(Surface::sea, {size / 2, size - depth / 2, size, depth, 0});
    }
  }
  size_t pond() {
    const double width = random_.uniform(50, 88);
    const Box box{random_.uniform(70, size - 70), random_.uniform(70, size - 70), width,
                  width * random_.uniform(0.6, 0.95), random_.uniform(0, pi)};
    return add_region(Surface::pond, box);
  }

  /// Anywhere on land.
  void scatter(Kind kind, int64_t count) {
    Group& group = start(kind);
    for (int64_t i = 0; i < count; ++i) try_places(group, 40, [&] { return somewhere(sized(group)); });
  }
  /// In a straight row; a shorter one where there is no room, none below three.
  void row(Kind kind, int64_t count) {
    Group& group = start(kind);
    const Box model = sized(group);
    for (int attempt = 0; attempt < 90; ++attempt) {
      const auto wanted = std::max<int64_t>(3, count - attempt / 30);
      const Box first = somewhere(model);
      const double direction =
          first.angle +
          (kind == Kind::ship || kind == Kind::truck || kind == Kind::car || random_.chance(0.5) ? pi / 2 : 0);
      const double step =
          (std::abs(std::sin(direction - first.angle)) > 0.5 ? model.height : model.width) + random_.uniform(4, 8);
      std::vector<Box> boxes;
      for (int64_t i = 0; i < wanted; ++i) {
        Box box = first;
        box.cx += static_cast<double>(i) * step * std::cos(direction);
        box.cy += static_cast<double>(i) * step * std::sin(direction);
        if (free(box, 3)) boxes.push_back(box);
      }
      if (static_cast<int64_t>(boxes.size()) < wanted) continue;
      group.boxes = boxes;
      group.row = true;
      return;
    }
  }
  /// On a road or runway, in its direction; ships on water likewise or freely.
  void upon(Kind kind, int64_t count, size_t region) {
    Group& group = start(kind);
    group.region = region;
    const Box ground = layout_.regions[region].box;
    const Surface surface = layout_.regions[region].surface;
    for (int64_t i = 0; i < count; ++i)
      try_places(
          group, 60,
          [&] {
            Box box = sized(group);
            const bool lanes = surface == Surface::road;
            const double reach = surface == Surface::runway ? 0.24 : 0.5;  // clear of the threshold's white bars
            const Point place =
                ground.at(random_.uniform(-reach, reach), lanes ? (random_.chance(0.5) ? 0.24 : -0.24)
                                                          : surface == Surface::runway ? 0
                                                                                       : random_.uniform(-0.5, 0.5));
            box.cx = place.x;
            box.cy = place.y;
            const bool free_heading = surface == Surface::sea || surface == Surface::pond;
            box.angle = free_heading ? random_.uniform(0, 2 * pi) : ground.angle + (random_.chance(0.5) ? pi : 0);
            return box;
          },
          region);
  }
  /// Beside a band, on one side or on both.
  void beside(Kind kind, int64_t count, size_t region, bool both_sides) {
    Group& group = start(kind);
    const Box road = layout_.regions[region].box;
    const Box model = sized(group);
    const double side = random_.chance(0.5) ? 1 : -1;
    const double distance = road.height / 2 + model.height / 2 + random_.uniform(4, 8);
    const double step =
        std::max(model.width + random_.uniform(5, 12),
                 0.85 * road.width / static_cast<double>(std::max<int64_t>(both_sides ? (count + 1) / 2 : count, 1)));
    const double start_at = -0.42 * road.width + random_.uniform(0, 12);
    for (int64_t i = 0; i < count; ++i) {
      const double along = start_at + step * static_cast<double>(both_sides ? i / 2 : i);
      const double across = (both_sides && i % 2 ? -side : side) * distance;
      Box box = model;
      box.cx = road.cx + along * std::cos(road.angle) - across * std::sin(road.angle);
      box.cy = road.cy + along * std::sin(road.angle) + across * std::cos(road.angle);
      box.angle = road.angle;
      if (free(box, 2)) group.boxes.push_back(box);
    }
  }
  /// In a ring around a box.
  void ring(Kind kind, int64_t count, const Box& target) {
    Group& group = start(kind);
    const Box model = sized(group);
    for (int64_t i = 0; i < count; ++i) {
      const double turn = 2 * pi * static_cast<double>(i) / static_cast<double>(count);
      const double away = model.width / 2 + 6;
      const double x = (target.width / 2 + away) * std::cos(turn), y = (target.height / 2 + away) * std::sin(turn);
      Box box = model;
      box.cx = target.cx + x * std::cos(target.angle) - y * std::sin(target.angle);
      box.cy = target.cy + x * std::sin(target.angle) + y * std::cos(target.angle);
      if (free(box, 1, true)) group.boxes.push_back(box);
    }
  }
  /// Close to a box.
  void close_to(Kind kind, int64_t count, const Box& target) {
    Group& group = start(kind);
    for (int64_t i = 0; i < count; ++i)
      try_places(group, 120, [&] {
        Box box = sized(group);
        const double turn = random_.uniform(0, 2 * pi);
        const double reach = std::max(target.width, target.height) / 2 + std::max(box.width, box.height) / 2 + 10;
        const double away = random_.uniform(0.5, 1) * reach;
        box.cx = target.cx + away * std::cos(turn);
        box.cy = target.cy + away * std::sin(turn);
        box.angle = target.angle + static_cast<double>(random_.below(4)) * pi / 2;
        if (gap(box, target) > 15) box.cx = -size;  // does not fit anywhere: tried again
        return box;
      });
  }
  /// A bridge over a piece of water where a road meets it.
  void bridge(size_t water, size_t road) {
    Group& group = start(Kind::bridge);
    const Box& under = layout_.regions[water].box;
    const Box& over = layout_.regions[road].box;
    // Where the middle lines meet, in the road's own direction.
    const double sine = std::sin(over.angle - under.angle);
    const Point to = under.local({over.cx, over.cy});
    const double along = -to.y / sine;
    Box box{over.cx + along * std::cos(over.angle), over.cy + along * std::sin(over.angle),
            under.height / std::abs(sine) + over.height * std::abs(std::cos(over.angle - under.angle)) + 10,
            over.height + 4, over.angle};
    group.boxes.push_back(box);
    group.region = water;
  }

  /// The only box of the last group that was placed, if any was.
  std::optional<Box> last() const {
    if (layout_.groups.empty() || layout_.groups.back().boxes.empty()) return std::nullopt;
    return layout_.groups.back().boxes.front();
  }
  const Box& region_box(size_t region) const { return layout_.regions[region].box; }
  Random& random() { return random_; }

 private:
  static Box chord(double angle, double offset, double width) {
    const Point along{std::cos(angle), std::sin(angle)};
    const Point middle{size / 2 - offset * along.y, size / 2 + offset * along.x};
    double low = -1e9, high = 1e9;
    for (const auto& [from, step] : {std::pair(middle.x, along.x), std::pair(middle.y, along.y)}) {
      if (std::abs(step) < 1e-9) continue;
      const double a = (0 - from) / step, b = (size - from) / step;
      low = std::max(low, std::min(a, b));
      high = std::min(high, std::max(a, b));
    }
    const double centre = (low + high) / 2;
    return {middle.x + centre * along.x, middle.y + centre * along.y, high - low, width, angle};
  }

  size_t add_region(Surface surface, const Box& box) {
    layout_.regions.push_back({surface, box});
    return layout_.regions.size() - 1;
  }

  /// A new group in a colour that no group of its kind has.
  Group& start(Kind kind) {
    std::vector<std::string> colours(facts_of(kind).colours.begin(), facts_of(kind).colours.end());
    for (const Group& group : layout_.groups)
      if (group.kind == kind) std::erase(colours, group.colour);
    Group group;
    group.kind = kind;
    if (!colours.empty()) group.colour = colours[random_.below(colours.size())];
    layout_.groups.push_back(std::move(group));
    return layout_.groups.back();
  }

  /// A box of the group's size at no place yet: the members of a group are about as large as its first.
  Box sized(const Group& group) {
    const KindFacts& facts = facts_of(group.kind);
    if (!group.boxes.empty()) return {0, 0, group.boxes[0].width, group.boxes[0].height, 0};
    const double width = random_.uniform(facts.least_width, facts.most_width);
    return {0, 0, width, width * random_.uniform(facts.least_height, facts.most_height), 0};
  }

  Box somewhere(Box box) {
    const double margin = std::hypot(box.width, box.height) / 2 + 3;
    box.cx = random_.uniform(margin, size - margin);
    box.cy = random_.uniform(margin, size - margin);
    // Most things of one scene are built parallel to each other.
    box.angle = layout_.ground_angle + static_cast<double>(random_.below(4)) * pi / 2;
    return box;
  }

  bool free(const Box& box, double margin, bool beside_ponds = false, std::optional<size_t> inside = {}) const {
    const Extent extent = extent_of(box);
    if (extent.left < 3 || extent.top < 3 || extent.right > size - 3 || extent.bottom > size - 3) return false;
    for (const Group& group : layout_.groups)
      for (const Box& other : group.boxes)
        if (overlap(box, other, margin)) return false;
    for (size_t i = 0; i < layout_.regions.size(); ++i) {
      const Region& region = layout_.regions[i];
      if (inside == i) {
        if (!contains(region.box, box, is_water(region.surface) ? 4 : 0)) return false;
        if (region.surface == Surface::pond && !in_ellipse(region.box, box)) return false;
      } else if (region.surface == Surface::pond && beside_ponds) {
        if (!outside_ellipse(region.box, box)) return false;
      } else if (overlap(box, region.box, 4)) {
        return false;
      }
    }
    return true;
  }

  static bool in_ellipse(const Box& ellipse, const Box& box) {
    for (const Point& corner : box.corners()) {
      const Point p = ellipse.local(corner);
      if (std::hypot(2 * p.x / ellipse.width, 2 * p.y / ellipse.height) > 0.9) return false;
    }
    return true;
  }
  /// For round things: their centre is far enough from the ellipse.
  static bool outside_ellipse(const Box& ellipse, const Box& box) {
    const Point p = ellipse.local({box.cx, box.cy});
    const double radius = box.width / 2 + 1;
    return std::hypot(p.x / (ellipse.width / 2 + radius), p.y / (ellipse.height / 2 + radius)) >= 1;
  }

  void try_places(Group& group, int attempts, const std::function<Box()>& propose, std::optional<size_t> inside = {}) {
    for (int i = 0; i < attempts; ++i) {
      const Box box = propose();
      if (!free(box, 3, false, inside)) continue;
      group.boxes.push_back(box);
      return;
    }
  }

  Random& random_;
  Layout layout_;
};

void airport(Planner& p) {
  p.begin("airport", {Ground::meadow, Ground::concrete, Ground::bare_land});
  Random& r = p.random();
  const size_t runway = p.band(Surface::runway, r.uniform(34, 44));
  if (r.chance(0.4)) p.upon(Kind::plane, 1, runway);
  p.scatter(Kind::building, 1);
  const auto terminal = p.last();
  if (terminal && r.chance(0.6))
    p.close_to(Kind::plane, r.between(1, 4), *terminal);
  else
    p.row(Kind::plane, r.between(3, 5));
  if (r.chance(0.4)) p.scatter(Kind::truck, r.between(1, 3));
  if (r.chance(0.3)) p.scatter(Kind::tree, r.between(2, 6));
}

void port(Planner& p) {
  p.begin("port", {Ground::concrete, Ground::bare_land});
  Random& r = p.random();
  const size_t sea = p.sea();
  p.upon(Kind::ship, r.between(1, 5), sea);
  if (r.chance(0.7)) p.row(Kind::container, r.between(3, 7));
  if (r.chance(0.5)) p.scatter(Kind::container, r.between(1, 4));
  if (r.chance(0.6)) p.scatter(Kind::building, r.between(1, 2));
  if (r.chance(0.4)) p.scatter(Kind::storage_tank, r.between(1, 3));
  if (r.chance(0.3)) p.scatter(Kind::truck, r.between(1, 3));
}

void residential(Planner& p) {
  p.begin("residential area", {Ground::meadow, Ground::bare_land});
  Random& r = p.random();
  const size_t road = p.band(Surface::road, 18);
  p.beside(Kind::house, r.between(3, 9), road, r.chance(0.6));
  p.upon(Kind::car, r.between(1, 5), road);
  if (r.chance(0.5)) p.scatter(Kind::swimming_pool, r.between(1, 3));
  if (r.chance(0.4)) p.scatter(Kind::house, r.between(1, 3));
  if (r.chance(0.6)) p.scatter(Kind::tree, r.between(2, 8));
}

void tank_farm(Planner& p) {
  p.begin("industrial area", {Ground::concrete, Ground::bare_land, Ground::meadow});
  Random& r = p.random();
  std::optional<size_t> road;
  if (r.chance(0.6)) road = p.band(Surface::road, 18);
  if (r.chance(0.6))
    p.row(Kind::storage_tank, r.between(3, 5));
  else
    p.scatter(Kind::storage_tank, r.between(2, 6));
  if (r.chance(0.7)) p.scatter(Kind::building, r.between(1, 2));
  if (road) p.upon(Kind::truck, r.between(1, 3), *road);
  if (r.chance(0.4)) p.scatter(Kind::tree, r.between(2, 6));
}

void playground(Planner& p) {
  p.begin("sports ground", {Ground::meadow, Ground::bare_land, Ground::concrete});
  Random& r = p.random();
  const Kind main = r.chance(0.6) ? Kind::football_field : Kind::baseball_field;
  p.scatter(main, 1);
  const auto field = p.last();
  if (field && r.chance(0.35))
    p.ring(Kind::tree, 12, *field);
  else if (r.chance(0.5))
    p.scatter(Kind::tree, r.between(2, 7));
  if (r.chance(0.7)) p.scatter(Kind::tennis_court, r.between(1, 3));
  if (r.chance(0.6)) p.scatter(Kind::basketball_court, r.between(1, 3));
  if (r.chance(0.4)) p.scatter(Kind::building, 1);
}

void parking(Planner& p) {
  p.begin("parking lot", {Ground::concrete});
  Random& r = p.random();
  p.scatter(Kind::building, 1);
  p.row(Kind::car, r.between(4, 9));
  p.row(Kind::car, r.between(3, 7));
  if (r.chance(0.5)) p.row(Kind::truck, r.between(3, 4));
  if (r.chance(0.5)) p.scatter(Kind::tree, r.between(1, 5));
}

void river_with_bridge(Planner& p) {
  p.begin("river valley", {Ground::meadow, Ground::bare_land});
  Random& r = p.random();
  const size_t river = p.band(Surface::river, r.uniform(34, 56));
  if (r.chance(0.75)) {
    const size_t road = p.crossing_band(Surface::road, 16, river);
    p.bridge(river, road);
    if (r.chance(0.4)) p.beside(Kind::house, r.between(2, 5), road, true);
  }
  if (r.chance(0.5)) p.upon(Kind::ship, r.between(1, 3), river);
  if (r.chance(0.7))
    p.beside(Kind::tree, r.between(4, 10), river, true);
  else
    p.scatter(Kind::house, r.between(2, 5));
}

void farm(Planner& p) {
  p.begin("farm", {Ground::farmland});
  Random& r = p.random();
  if (r.chance(0.5))
    p.pond();
  else
    p.band(Surface::road, 14);
  p.scatter(Kind::house, r.between(1, 4));
  if (r.chance(0.6))
    p.row(Kind::tree, r.between(4, 8));
  else
    p.scatter(Kind::tree, r.between(1, 6));
  if (r.chance(0.3)) p.scatter(Kind::truck, r.between(1, 2));
}

void beach(Planner& p) {
  p.begin("beach", {Ground::sand});
  Random& r = p.random();
  const size_t sea = p.sea();
  if (r.chance(0.6)) p.upon(Kind::ship, r.between(1, 3), sea);
  p.scatter(Kind::tree, r.between(2, 9));
  if (r.chance(0.5)) p.scatter(Kind::house, r.between(1, 4));
  if (r.chance(0.3)) p.scatter(Kind::swimming_pool, 1);
}

void park(Planner& p) {
  p.begin("park", {Ground::meadow});
  Random& r = p.random();
  const size_t pond = p.pond();
  if (r.chance(0.6))
    p.ring(Kind::tree, r.between(9, 11), p.region_box(pond));
  else
    p.scatter(Kind::tree, r.between(3, 10));
  if (r.chance(0.5)) p.scatter(Kind::building, 1);
  if (r.chance(0.4)) p.scatter(Kind::basketball_court, r.between(1, 2));
}

void school(Planner& p) {
  p.begin("school", {Ground::concrete, Ground::meadow});
  Random& r = p.random();
  p.scatter(Kind::football_field, 1);
  p.scatter(Kind::building, r.between(1, 3));
  if (r.chance(0.6)) p.row(Kind::basketball_court, 3);
  if (r.chance(0.5)) p.row(Kind::tree, r.between(3, 6));
  if (r.chance(0.4)) p.scatter(Kind::swimming_pool, 1);
}

void desert(Planner& p) {
  p.begin("desert", {Ground::sand});
  Random& r = p.random();
  const size_t road = p.band(Surface::road, 16);
  p.upon(r.chance(0.5) ? Kind::truck : Kind::car, r.between(1, 4), road);
  if (r.chance(0.5))
    p.scatter(Kind::house, r.between(1, 3));
  else
    p.scatter(Kind::storage_tank, r.between(1, 4));
  if (r.chance(0.3)) p.scatter(Kind::plane, 1);
}

}  // namespace

const char* name_of(Kind kind) { return facts_of(kind).name; }

const char* name_of(Surface surface) {
  static const char* names[] = {"road", "runway", "river", "sea", "pond"};
  return names[static_cast<size_t>(surface)];
}

Point Box::at(double u, double v) const {
  const double x = u * width, y = v * height;
  return {cx + x * std::cos(angle) - y * std::sin(angle), cy + x * std::sin(angle) + y * std::cos(angle)};
}

std::array<Point, 4> Box::corners() const { return {at(-0.5, -0.5), at(0.5, -0.5), at(0.5, 0.5), at(-0.5, 0.5)}; }

Point Box::local(Point p) const {
  const double x = p.x - cx, y = p.y - cy;
  return {x * std::cos(angle) + y * std::sin(angle), -x * std::sin(angle) + y * std::cos(angle)};
}

Extent extent_of(const Box& box) {
  Extent extent{1e9, 1e9, -1e9, -1e9};
  for (const Point& corner : box.corners()) {
    extent.left = std::min(extent.left, corner.x);
    extent.top = std::min(extent.top, corner.y);
    extent.right = std::max(extent.right, corner.x);
    extent.bottom = std::max(extent.bottom, corner.y);
  }
  return extent;
}

bool overlap(const Box& a, const Box& b, double margin) {
  const auto ca = a.corners(), cb = b.corners();
  return !separated(ca, cb, margin) && !separated(cb, ca, margin);
}

bool contains(const Box& outer, const Box& inner, double margin) {
  for (const Point& corner : inner.corners()) {
    const Point p = outer.local(corner);
    if (std::abs(p.x) > outer.width / 2 - margin || std::abs(p.y) > outer.height / 2 - margin) return false;
  }
  return true;
}

double gap(const Box& a, const Box& b) {
  if (overlap(a, b)) return 0;
  const auto ca = a.corners(), cb = b.corners();
  double least = 1e9;
  for (size_t i = 0; i < 4; ++i)
    for (size_t k = 0; k < 4; ++k) {
      least = std::min(least, distance_to_segment(ca[i], cb[k], cb[(k + 1) % 4]));
      least = std::min(least, distance_to_segment(cb[i], ca[k], ca[(k + 1) % 4]));
    }
  return least;
}

Layout make_layout(Random& random) {
  using Theme = void (*)(Planner&);
  static constexpr Theme themes[] = {airport,           port, residential, tank_farm, playground, parking,
                                     river_with_bridge, farm, beach,       park,      school,     desert};
  for (;;) {
    Planner planner(random);
    themes[random.below(std::size(themes))](planner);
    Layout layout = planner.take();
    if (layout.groups.size() + layout.regions.size() >= 2 && !layout.groups.empty()) return layout;
  }
}

}  // namespace orbweaver::synth
