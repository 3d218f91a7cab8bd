#include "framework/data/synth_planner.h"

#include <algorithm>
#include <cstdlib>

namespace orbweaver::synth {
namespace {

constexpr int32_t middle = side / 2;
constexpr int32_t frame = 3 * pixel;  ///< that objects keep from the picture's edge

}  // namespace

Circumstances draw_circumstances(Random& random) {
  Circumstances c;
  c.latitude = static_cast<int32_t>(random.between(-550000, 650000));
  c.longitude = static_cast<int32_t>(random.between(-1800000, 1799999));
  const auto away = std::abs(c.latitude) / 10000;  // degrees from the equator
  const int32_t length = 35 + static_cast<int32_t>(random.between(0, 30)) + away;
  const int32_t north = c.latitude >= 0 ? 3 * turn / 4 : turn / 4;  // y runs downwards
  const auto angle = north + static_cast<int32_t>(random.between(-turn / 6, turn / 6));
  c.shadow = {length * cosine(angle) / one, length * sine(angle) / one};
  c.haze = random.chance(0.3) ? static_cast<int32_t>(random.between(60, 260)) : 0;
  c.brightness = static_cast<int32_t>(random.between(820, 1120));
  c.warmth = static_cast<int32_t>(random.between(-50, 60));
  c.grain = static_cast<int32_t>(random.between(2, 7));
  return c;
}

Planner::Planner(Random& random, std::string_view theme, std::span<const Ground> grounds, int32_t least, int32_t most)
    : random_(random) {
  layout_.theme = theme;
  layout_.ground = grounds[random_.below(grounds.size())];
  layout_.ground_angle = static_cast<int32_t>(random_.below(turn));
  layout_.resolution = static_cast<int32_t>(random_.between(least, most));
  layout_.circumstances = draw_circumstances(random_);
}

Layout Planner::take() && {
  std::erase_if(layout_.groups, [](const Group& group) { return group.boxes.empty(); });
  return std::move(layout_);
}

// ---- regions

size_t Planner::band(Surface surface, int32_t decimetres) {
  for (;;) {
    const auto angle = static_cast<int32_t>(random_.below(turn / 2));
    const Box box = chord(angle, static_cast<int32_t>(random_.between(-60, 60)) * pixel, layout_.length(decimetres));
    const bool fits = box.width > 120 * pixel && std::ranges::all_of(layout_.regions, [&](const Region& region) {
                        return std::abs(sine(region.box.angle - angle)) > one * 6 / 10;
                      });
    if (fits) return add_region(surface, box);
  }
}

size_t Planner::crossing_band(Surface surface, int32_t decimetres, size_t over) {
  const Box below = layout_.regions[over].box;
  const int32_t angle = below.angle + turn / 4 + static_cast<int32_t>(random_.between(-turn / 20, turn / 20));
  const Point through = below.at(static_cast<int32_t>(random_.between(-120, 120)), 0);
  const int64_t offset = int64_t{middle - through.x} * sine(angle) + int64_t{through.y - middle} * cosine(angle);
  return add_region(surface, chord(angle, static_cast<int32_t>(offset / one), layout_.length(decimetres)));
}

size_t Planner::sea() {
  const auto depth = static_cast<int32_t>(random_.between(70, 115)) * pixel;
  switch (random_.below(4)) {
    case 0: return add_region(Surface::sea, {depth / 2, middle, side, depth, turn / 4});
    case 1: return add_region(Surface::sea, {side - depth / 2, middle, side, depth, turn / 4});
    case 2: return add_region(Surface::sea, {middle, depth / 2, side, depth, 0});
    default: return add_region(Surface::sea, {middle, side - depth / 2, side, depth, 0});
  }
}

size_t Planner::pond() {
  const auto width = static_cast<int32_t>(random_.between(50 * pixel, 88 * pixel));
  const auto place = [&] { return static_cast<int32_t>(random_.between(70 * pixel, side - 70 * pixel)); };
  const int32_t x = place(), y = place();
  const auto height = static_cast<int32_t>(width * random_.between(60, 95) / 100);
  return add_region(Surface::pond, {x, y, width, height, static_cast<int32_t>(random_.below(turn / 2))});
}

std::optional<size_t> Planner::parking_lot() {
  for (int attempt = 0; attempt < 60; ++attempt) {
    const auto width = static_cast<int32_t>(random_.between(62 * pixel, 84 * pixel));
    const Box box = somewhere({0, 0, width, static_cast<int32_t>(width * random_.between(60, 75) / 100), 0});
    if (free(box, 4 * pixel)) return add_region(Surface::parking_lot, box);
  }
  return std::nullopt;
}

size_t Planner::add_region(Surface surface, const Box& box) {
  layout_.regions.push_back({surface, box});
  return layout_.regions.size() - 1;
}

Box Planner::chord(int32_t angle, int32_t offset, int32_t width) const {
  const int64_t dx = cosine(angle), dy = sine(angle);
  const Point foot{middle - static_cast<int32_t>(offset * dy / one), middle + static_cast<int32_t>(offset * dx / one)};
  int64_t low = -4 * side, high = 4 * side;
  for (const auto& [from, step] : {std::pair<int64_t, int64_t>(foot.x, dx), std::pair<int64_t, int64_t>(foot.y, dy)}) {
    if (std::abs(step) < 8) continue;
    const int64_t a = -from * one / step, b = (side - from) * one / step;
    low = std::max(low, std::min(a, b));
    high = std::min(high, std::max(a, b));
  }
  const int64_t centre = (low + high) / 2;
  return {foot.x + static_cast<int32_t>(centre * dx / one), foot.y + static_cast<int32_t>(centre * dy / one),
          static_cast<int32_t>(std::max<int64_t>(high - low, 0)), width, angle};
}

Point Planner::meeting(const Box& under, const Box& over) const {
  const int64_t bend = sine(over.angle - under.angle);
  const Point to = under.local(over.centre());
  return over.global({static_cast<int32_t>(-int64_t{to.y} * one / bend), 0});
}

// ---- groups

size_t Planner::start(Kind kind, std::string_view colour) {
  Group group;
  group.kind = kind;
  group.colour = colour;
  if (colour == "*") {
    std::vector<std::string_view> colours = facts_of(kind).colours;
    for (const Group& other : layout_.groups)
      if (other.kind == kind) std::erase(colours, other.colour);
    group.colour = colours.empty() ? std::string_view() : colours[random_.below(colours.size())];
  }
  layout_.groups.push_back(std::move(group));
  return layout_.groups.size() - 1;
}

Box Planner::sized(size_t group) {
  const Group& g = layout_.groups[group];
  const KindFacts& facts = facts_of(g.kind);
  if (!g.boxes.empty()) return {0, 0, g.boxes[0].width, g.boxes[0].height, 0};
  const int32_t width = layout_.length(random_.between(facts.least, facts.most));
  return {0, 0, width, static_cast<int32_t>(width * random_.between(facts.narrow, facts.wide) / 1000), 0};
}

Box Planner::somewhere(Box box) {
  const auto reach = static_cast<int32_t>(root(int64_t{box.width} * box.width + int64_t{box.height} * box.height)) / 2;
  const int32_t margin = std::min(reach + frame, middle);
  box.cx = static_cast<int32_t>(random_.between(margin, side - margin));
  box.cy = static_cast<int32_t>(random_.between(margin, side - margin));
  box.angle = common_angle();
  return box;
}

bool Planner::free(const Box& box, int32_t margin, bool beside_ponds, std::optional<size_t> inside) const {
  const Extent extent = extent_of(box);
  if (extent.left < frame || extent.top < frame || extent.right > side - frame || extent.bottom > side - frame)
    return false;
  for (const Group& group : layout_.groups)
    for (const Box& other : group.boxes)
      if (overlap(box, other, margin)) return false;
  for (size_t i = 0; i < layout_.regions.size(); ++i) {
    const Region& region = layout_.regions[i];
    if (inside == i) {
      if (!contains(region.box, box, is_water(region.surface) ? 4 * pixel : 0)) return false;
      if (region.surface == Surface::pond && !in_ellipse(region.box, box, 900)) return false;
    } else if (region.surface == Surface::pond && beside_ponds) {
      Box wider = region.box;  // round things: their centre is far enough from the ellipse
      wider.width += box.width + 2 * pixel;
      wider.height += box.width + 2 * pixel;
      if (in_ellipse(wider, {box.cx, box.cy, 0, 0, 0}, 1000)) return false;
    } else if (overlap(box, region.box, 4 * pixel)) {
      return false;
    }
  }
  return true;
}

bool Planner::try_places(size_t group, int attempts, const std::function<Box()>& propose,
                         std::optional<size_t> inside) {
  for (int i = 0; i < attempts; ++i) {
    const Box box = propose();
    if (!free(box, 3 * pixel, false, inside)) continue;
    layout_.groups[group].boxes.push_back(box);
    return true;
  }
  return false;
}

void Planner::scatter_into(size_t group, int64_t count) {
  for (int64_t i = 0; i < count; ++i) try_places(group, 40, [&] { return somewhere(sized(group)); });
}

void Planner::row(Kind kind, int64_t count) {
  const size_t group = start(kind);
  const Box model = sized(group);
  const bool abreast = kind == Kind::ship || kind == Kind::truck || kind == Kind::car || kind == Kind::bus;
  for (int attempt = 0; attempt < 90; ++attempt) {
    const int64_t wanted = std::max<int64_t>(3, count - attempt / 30);
    const Box first = somewhere(model);
    const bool across = abreast || random_.chance(0.5);
    const int32_t step = (across ? model.height : model.width) + static_cast<int32_t>(random_.between(4, 8)) * pixel;
    std::vector<Box> boxes;
    for (int64_t i = 0; i < wanted; ++i) {
      const auto along = static_cast<int32_t>(i) * step;
      const Box box = first.moved_to(first.global(across ? Point{0, along} : Point{along, 0}));
      if (!free(box, 3 * pixel)) break;
      boxes.push_back(box);
    }
    if (static_cast<int64_t>(boxes.size()) < wanted) continue;
    layout_.groups[group].boxes = std::move(boxes);
    layout_.groups[group].row = true;
    return;
  }
}

void Planner::upon_into(size_t group, int64_t count, size_t region) {
  layout_.groups[group].region = region;
  const Box ground = layout_.regions[region].box;
  const Surface surface = layout_.regions[region].surface;
  const auto propose = [&] {
    Box box = sized(group);
    const int64_t reach = surface == Surface::runway ? 240 : 500;  // clear of the threshold's white bars
    const auto u = static_cast<int32_t>(random_.between(-reach, reach));
    int32_t v = 0;
    if (surface == Surface::road) v = random_.chance(0.5) ? 240 : -240;
    if (surface == Surface::parking_lot) v = random_.chance(0.5) ? 250 : -250;
    if (surface >= Surface::river) v = static_cast<int32_t>(random_.between(-500, 500));
    box = box.moved_to(ground.at(u, v));
    box.angle = ground.angle + (random_.chance(0.5) ? turn / 2 : 0);
    if (surface == Surface::parking_lot) box.angle += turn / 4;
    if (surface == Surface::sea || surface == Surface::pond) box.angle = static_cast<int32_t>(random_.below(turn));
    return box;
  };
  for (int64_t i = 0; i < count; ++i) try_places(group, 60, propose, region);
}

void Planner::beside(Kind kind, int64_t count, size_t region, bool both_sides) {
  const size_t group = start(kind);
  const Box road = layout_.regions[region].box;
  Box model = sized(group);
  model.angle = road.angle;
  const int32_t one_side = random_.chance(0.5) ? 1 : -1;
  const int32_t distance =
      road.height / 2 + model.height / 2 + static_cast<int32_t>(random_.between(5 * pixel, 9 * pixel));
  const auto places = static_cast<int32_t>(std::max<int64_t>(both_sides ? (count + 1) / 2 : count, 1));
  const int32_t step =
      std::max(model.width + static_cast<int32_t>(random_.between(5, 12)) * pixel, road.width / 100 * 85 / places);
  const int32_t from = -road.width / 100 * 42 + static_cast<int32_t>(random_.between(0, 12)) * pixel;
  for (int64_t i = 0; i < count; ++i) {
    const auto along = from + step * static_cast<int32_t>(both_sides ? i / 2 : i);
    const int32_t across = (both_sides && i % 2 ? -one_side : one_side) * distance;
    const Box box = model.moved_to(road.global({along, across}));
    if (free(box, 2 * pixel)) layout_.groups[group].boxes.push_back(box);
  }
}

void Planner::ring_into(size_t group, int64_t count, const Box& target) {
  const Box model = sized(group);
  const int32_t away = model.width / 2 + 6 * pixel;
  for (int64_t i = 0; i < count; ++i) {
    const auto angle = static_cast<int32_t>(turn * i / count);
    const Point place{(target.width / 2 + away) * cosine(angle) / one, (target.height / 2 + away) * sine(angle) / one};
    const Box box = model.moved_to(target.global(place));
    if (free(box, pixel, true)) layout_.groups[group].boxes.push_back(box);
  }
}

void Planner::close_into(size_t group, int64_t count, const Box& target) {
  const int32_t largest = std::max(target.width, target.height);
  for (int64_t i = 0; i < count; ++i) {
    const Box model = sized(group);
    const int32_t reach = (largest + std::max(model.width, model.height)) / 2 + next_to_gap;
    where(group, 1, target.centre(), reach, [&](const Box& box) {
      const int32_t between = gap(box, target);
      return between > 2 * pixel && between <= next_to_gap - pixel;
    });
  }
}

void Planner::where(size_t group, int64_t count, Point centre, int32_t reach,
                    const std::function<bool(const Box&)>& fits) {
  for (int64_t i = 0; i < count; ++i)
    for (int attempt = 0; attempt < 160; ++attempt) {
      Box box = sized(group);
      box.cx = centre.x + static_cast<int32_t>(random_.between(-reach, reach));
      box.cy = centre.y + static_cast<int32_t>(random_.between(-reach, reach));
      box.angle = common_angle();
      if (!fits(box) || !free(box, 3 * pixel)) continue;
      layout_.groups[group].boxes.push_back(box);
      break;
    }
}

void Planner::bridge(size_t water, size_t road) {
  const size_t group = start(Kind::bridge);
  const Box under = layout_.regions[water].box, over = layout_.regions[road].box;
  const int32_t angle = over.angle - under.angle;
  const auto across = static_cast<int32_t>(int64_t{under.height} * one / std::abs(sine(angle)));
  const auto aslant = static_cast<int32_t>(int64_t{over.height} * std::abs(cosine(angle)) / one);
  const Point centre = meeting(under, over);
  layout_.groups[group].boxes.push_back(
      {centre.x, centre.y, across + aslant + 10 * pixel, over.height + 4 * pixel, over.angle});
  layout_.groups[group].region = water;
}

void Planner::roundabout(size_t one_road, size_t other) {
  const size_t group = start(Kind::roundabout);
  const Box box = sized(group).moved_to(meeting(layout_.regions[one_road].box, layout_.regions[other].box));
  const Extent extent = extent_of(box);
  if (extent.left > 0 && extent.top > 0 && extent.right < side && extent.bottom < side)
    layout_.groups[group].boxes.push_back(box);
}

void Planner::wharves(int64_t count, size_t sea) {
  const size_t group = start(Kind::wharf);
  layout_.groups[group].region = sea;
  const Box water = layout_.regions[sea].box;
  // The shore is the long side that looks to the picture's middle.
  const Point upper = water.at(0, -500);
  const bool inner = std::max(std::abs(upper.x - middle), std::abs(upper.y - middle)) < middle - pixel;
  const int32_t shore = inner ? -1 : 1;
  const auto from = static_cast<int32_t>(random_.between(-380, 200));
  for (int64_t i = 0; i < count; ++i) {
    Box box = sized(group);
    box.width = std::min(box.width, water.height - 16 * pixel);
    const int32_t u = from + static_cast<int32_t>(i) * 220;
    const int32_t depth = shore * (water.height / 2 - box.width / 2 - 5 * pixel);
    box = box.moved_to(water.global({static_cast<int32_t>(int64_t{water.width} * u / 1000), depth}));
    box.angle = water.angle + shore * turn / 4;  // from the sea to the land
    if (free(box, 6 * pixel, false, sea)) layout_.groups[group].boxes.push_back(box);
  }
}

std::optional<Box> Planner::last() const {
  if (layout_.groups.empty() || layout_.groups.back().boxes.empty()) return std::nullopt;
  return layout_.groups.back().boxes.front();
}

}  // namespace orbweaver::synth
