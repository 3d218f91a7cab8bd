// What there is in synthetic scenes, and what holds between such things.
#include <algorithm>
#include <cstdlib>

#include "framework/data/synth_scene.h"

namespace orbweaver::synth {
namespace {

int64_t dot(Point a, Point b) { return int64_t{a.x} * b.x + int64_t{a.y} * b.y; }
int64_t cross(Point a, Point b) { return int64_t{a.x} * b.y - int64_t{a.y} * b.x; }

}  // namespace

const KindFacts& facts_of(Kind kind) {
  static const std::vector<KindFacts> table = {
      {{"plane", "airplane", "aircraft"}, 320, 400, 950, 950, {"white", "gray", "blue"}},
      {{"helicopter"}, 150, 180, 800, 800, {"white", "red", "green"}},
      {{"ship", "boat", "vessel"}, 300, 480, 250, 270, {"white", "red", "gray", "blue"}},
      {{"car"}, 45, 48, 430, 430, {"red", "white", "black", "blue", "yellow"}},
      {{"truck"}, 110, 130, 280, 290, {"white", "blue", "red"}},
      {{"bus"}, 115, 125, 260, 270, {"yellow", "white", "red", "blue"}},
      {{"building"}, 300, 480, 500, 650, {"gray", "white", "blue", "red"}},
      {{"terminal", "terminal building"}, 650, 850, 350, 420, {"gray", "white"}},
      {{"house"}, 120, 160, 720, 800, {"red", "brown", "gray", "blue"}},
      {{"church"}, 280, 360, 620, 680, {"gray", "red", "white"}},
      {{"storage tank", "oil tank"}, 180, 280, 1000, 1000, {"white", "gray", "red"}},
      {{"tree"}, 60, 90, 1000, 1000, {}},
      {{"swimming pool"}, 120, 200, 500, 550, {}},
      {{"tennis court"}, 340, 360, 500, 520, {"green", "blue", "red"}},
      {{"basketball court"}, 300, 320, 540, 560, {"green", "red"}},
      {{"football field", "soccer field"}, 1000, 1080, 640, 660, {}},
      {{"baseball field", "baseball diamond"}, 800, 950, 1000, 1000, {}},
      {{"playground", "ground track field"}, 1350, 1500, 560, 580, {}},
      {{"container"}, 121, 122, 260, 270, {"red", "blue", "orange"}},
      {{"container crane"}, 420, 520, 360, 380, {"blue", "orange"}},
      {{"greenhouse"}, 300, 420, 300, 340, {}},
      {{"helipad"}, 220, 260, 1000, 1000, {}},
      {{"wharf", "pier"}, 380, 520, 130, 150, {}},
      {{"roundabout"}, 420, 520, 1000, 1000, {}},
      {{"bridge"}, 400, 600, 300, 300, {}},
  };
  return table[static_cast<size_t>(kind)];
}

std::span<const std::string_view> names_of(Surface surface) {
  static const std::array<std::vector<std::string_view>, surface_count> table = {
      {{"road"}, {"runway"}, {"railway"}, {"parking lot"}, {"river"}, {"sea", "ocean"}, {"pond"}}};
  return table[static_cast<size_t>(surface)];
}

std::string_view name_of(Ground ground) {
  static constexpr std::string_view names[] = {"green meadow", "brown bare land", "yellow sand", "gray concrete",
                                               "green farmland"};
  return names[static_cast<size_t>(ground)];
}

std::string_view name_of(Direction direction) {
  static constexpr std::string_view names[] = {"left of", "right of", "above", "below"};
  return names[static_cast<size_t>(direction)];
}

Direction opposite(Direction direction) {
  static constexpr Direction others[] = {Direction::right, Direction::left, Direction::below, Direction::above};
  return others[static_cast<size_t>(direction)];
}

bool lies(const Box& subject, Direction direction, const Box& object) {
  const Extent a = extent_of(subject), b = extent_of(object);
  const int64_t dx = std::abs(subject.cx - object.cx), dy = std::abs(subject.cy - object.cy);
  switch (direction) {
    case Direction::left: return a.right < b.left && 7 * dy <= 4 * dx;
    case Direction::right: return a.left > b.right && 7 * dy <= 4 * dx;
    case Direction::above: return a.bottom < b.top && 7 * dx <= 4 * dy;
    case Direction::below: return a.top > b.bottom && 7 * dx <= 4 * dy;
  }
  return false;
}

bool all_lie(std::span<const Box> subjects, Direction direction, std::span<const Box> objects) {
  return std::ranges::all_of(subjects, [&](const Box& a) {
    return std::ranges::all_of(objects, [&](const Box& b) { return lies(a, direction, b); });
  });
}

bool all_within(std::span<const Box> subjects, const Box& object, int32_t distance) {
  return std::ranges::all_of(subjects, [&](const Box& box) {
    const int32_t between = gap(box, object);
    return between > 0 && between <= distance;
  });
}

bool surround(std::span<const Box> subjects, const Box& object) {
  if (subjects.size() < 6 || !all_within(subjects, object, next_to_gap)) return false;
  // Each of them has another one within a quarter turn clockwise.
  return std::ranges::all_of(subjects, [&](const Box& box) {
    const Point p = object.local(box.centre());
    return std::ranges::any_of(subjects, [&](const Box& other) {
      const Point q = object.local(other.centre());
      return cross(p, q) > 0 && dot(p, q) >= 0;
    });
  });
}

bool on_both_sides(std::span<const Box> subjects, const Box& band) {
  const auto one = std::ranges::count_if(subjects, [&](const Box& box) { return band.local(box.centre()).y > 0; });
  return one > 0 && one < static_cast<std::ptrdiff_t>(subjects.size()) && all_within(subjects, band, next_to_gap);
}

bool line_up_along(std::span<const Box> subjects, const Box& band) {
  if (subjects.size() < 3 || !all_within(subjects, band, next_to_gap)) return false;
  int32_t low = INT32_MAX, high = INT32_MIN;
  for (const Box& box : subjects) {
    const int32_t along = band.local(box.centre()).x;
    low = std::min(low, along);
    high = std::max(high, along);
  }
  return 10 * (int64_t{high} - low) >= 4 * int64_t{band.width};
}

bool between(const Box& subject, std::span<const Box> objects) {
  if (objects.size() != 2) return false;
  const Point line{objects[1].cx - objects[0].cx, objects[1].cy - objects[0].cy};
  const Point to{subject.cx - objects[0].cx, subject.cy - objects[0].cy};
  const int64_t length = dot(line, line), along = dot(line, to), across = std::abs(cross(line, to));
  return 10 * along >= 3 * length && 10 * along <= 7 * length && 4 * across <= length && gap(subject, objects[0]) > 0 &&
         gap(subject, objects[1]) > 0;
}

}  // namespace orbweaver::synth
