// How a synthetic scene looks.
#include <algorithm>
#include <cstdlib>
#include <initializer_list>

#include "framework/data/synth_raster.h"
#include "framework/data/synth_scene.h"

namespace orbweaver::synth {
namespace {

constexpr int32_t pixels_a_side = static_cast<int32_t>(synth_size);
constexpr int32_t beyond = 30 * pixel;  ///< that bands are drawn past the picture's edge

using Shape = std::initializer_list<Point>;  ///< in thousandths of a box's sides

Colour colour_of(std::string_view name) {
  static constexpr std::pair<std::string_view, Colour> table[] = {
      {"red", {196, 44, 40}},   {"white", {238, 238, 236}}, {"gray", {132, 134, 140}},
      {"blue", {44, 86, 190}},  {"yellow", {236, 206, 50}}, {"black", {30, 30, 34}},
      {"green", {52, 132, 66}}, {"orange", {236, 124, 34}}, {"brown", {124, 80, 48}}};
  for (const auto& [known, colour] : table)
    if (name == known) return colour;
  return {128, 128, 128};
}

class Painter {
 public:
  Painter(const Layout& layout, Random& random)
      : layout_(layout), light_(layout.circumstances), random_(random), canvas_(pixels_a_side, pixels_a_side) {}

  Image paint() {
    ground();
    litter();
    // Roads run under nothing but bridges, so water comes over them.
    for (const Region& region : layout_.regions)
      if (!is_water(region.surface)) land(region);
    for (const Region& region : layout_.regions)
      if (is_water(region.surface)) water(region);
    for (const bool underneath : {true, false})
      for (const Group& group : layout_.groups)
        if ((group.kind == Kind::bridge || group.kind == Kind::roundabout) == underneath) {
          const Colour colour = shade(colour_of(group.colour), static_cast<int32_t>(random_.between(95, 105)));
          for (const Box& box : group.boxes) object(group.kind, box, colour);
        }
    return developed();
  }

 private:
  int32_t between(int32_t low, int32_t high) { return static_cast<int32_t>(random_.between(low, high)); }

  // ---- strokes

  void polygon(const Box& box, Shape shape, Colour colour, int32_t opacity = 256) {
    points_.clear();
    for (const Point& f : shape) points_.push_back(box.at(f.x, f.y));
    canvas_.fill(points_, colour, opacity);
  }
  void patch(const Box& box, int32_t left, int32_t top, int32_t right, int32_t bottom, Colour colour,
             int32_t opacity = 256) {
    polygon(box, {{left, top}, {right, top}, {right, bottom}, {left, bottom}}, colour, opacity);
  }
  void whole(const Box& box, Colour colour) { patch(box, -500, -500, 500, 500, colour); }
  /// `thickness` in tenths of a pixel.
  void line(const Box& box, Point from, Point to, Colour colour, int32_t thickness = 7) {
    canvas_.line(box.at(from.x, from.y), box.at(to.x, to.y), thickness * pixel / 10, colour);
  }
  /// The outline of an ellipse in the box, from one angle to another.
  void arc(const Box& box, Point centre, int32_t radius_x, int32_t radius_y, int32_t from, int32_t to, Colour colour,
           int32_t thickness = 7) {
    constexpr int32_t steps = 20;
    Point last{};
    for (int32_t i = 0; i <= steps; ++i) {
      const int32_t angle = from + (to - from) * i / steps;
      const Point point = box.at(centre.x + radius_x * cosine(angle) / one, centre.y + radius_y * sine(angle) / one);
      if (i > 0) canvas_.line(last, point, thickness * pixel / 10, colour);
      last = point;
    }
  }
  void ellipse(const Box& box, int32_t radius_x, int32_t radius_y, Colour colour) {
    points_.clear();
    for (int32_t i = 0; i < 40; ++i) {
      const int32_t angle = turn * i / 40;
      points_.push_back(box.at(radius_x * cosine(angle) / one, radius_y * sine(angle) / one));
    }
    canvas_.fill(points_, colour);
  }

  /// How far the shadow of something of that height (decimetres) falls.
  Point fall(int32_t height) const {
    return {layout_.length(light_.shadow.x * height / 100), layout_.length(light_.shadow.y * height / 100)};
  }
  void shadow(std::span<const Point> points, int32_t height) {
    const Point by = fall(height);
    std::vector<Point> all(points.begin(), points.end());
    for (const Point& p : points) all.push_back({p.x + by.x, p.y + by.y});
    canvas_.fill(hull_of(all), {24, 28, 38}, 120);
  }
  void shadow(const Box& box, int32_t height) { shadow(box.corners(), height); }
  /// The shadow of a thin shape that stands clear of the ground.
  void shadow_of(const Box& box, Shape shape, int32_t height) {
    const Point by = fall(height);
    polygon(box.moved_to({box.cx + by.x, box.cy + by.y}), shape, {24, 28, 38}, 120);
  }
  std::vector<Point> circle(Point centre, int32_t radius, int32_t corners) const {
    std::vector<Point> rim;
    for (int32_t i = 0; i < corners; ++i) {
      const int32_t angle = turn * i / corners;
      rim.push_back({centre.x + static_cast<int32_t>(int64_t{radius} * cosine(angle) / one),
                     centre.y + static_cast<int32_t>(int64_t{radius} * sine(angle) / one)});
    }
    return rim;
  }
  Colour tinted(Colour colour, int32_t spread) { return shade(colour, 100 + between(-spread, spread)); }

  // ---- ground, roads, water

  struct Soil {
    Colour base;
    int32_t amplitude;
  };
  Soil soil() const {
    switch (layout_.ground) {
      case Ground::meadow: return {{104, 132, 74}, 26};
      case Ground::bare_land: return {{150, 122, 92}, 26};
      case Ground::sand: return {{214, 192, 142}, 20};
      case Ground::concrete: return {{168, 167, 162}, 14};
      case Ground::farmland: return {{126, 148, 72}, 18};
    }
    return {};
  }

  void ground() {
    const Soil kind = soil();
    const int32_t lightness = between(-14, 14);
    const ValueNoise coarse(random_, 4, pixels_a_side), middle(random_, 14, pixels_a_side),
        fine(random_, 75, pixels_a_side);
    std::vector<int32_t> noise(static_cast<size_t>(pixels_a_side));
    for (int32_t y = 0; y < pixels_a_side; ++y) {
      std::ranges::fill(noise, 0);
      coarse.add_row(y, 110, noise);
      middle.add_row(y, 80, noise);
      fine.add_row(y, 130, noise);
      uint8_t* out = canvas_.row(y);
      for (const int32_t value : noise) {
        const int32_t change = lightness + kind.amplitude * value / 256;
        for (const int32_t base : {kind.base.red, kind.base.green, kind.base.blue})
          *out++ = static_cast<uint8_t>(std::clamp(base + change, 0, 255));
      }
    }
    if (layout_.ground == Ground::farmland) fields();
    if (layout_.ground == Ground::concrete) slabs();
  }

  Box plate() const { return {side / 2, side / 2, 340 * pixel, 340 * pixel, layout_.ground_angle}; }

  void fields() {
    static constexpr Colour crops[] = {{120, 146, 60}, {172, 160, 92}, {96, 124, 56}, {156, 136, 84}};
    const auto first = static_cast<size_t>(between(0, 3));
    const auto crop = [&](int32_t strip) { return crops[(first + static_cast<size_t>(strip)) % 4]; };
    for (int32_t strip = 0; strip < 5; ++strip)
      patch(plate(), -500, -500 + 200 * strip, 500, -303 + 200 * strip, crop(strip), 190);
    for (int32_t v = -500; v < 500; v += 15) line(plate(), {-500, v}, {500, v}, shade(crop((v + 500) / 200), 84), 11);
  }

  void slabs() {
    const Colour joint = shade({150, 149, 145}, between(92, 100));
    for (int32_t v = -500; v < 500; v += 71) {
      line(plate(), {-500, v}, {500, v}, joint, 6);
      line(plate(), {v, -500}, {v, 500}, joint, 6);
    }
  }

  /// What no caption speaks of: stains, bare patches, tufts.
  void litter() {
    const bool hard = layout_.ground == Ground::concrete;
    for (int32_t i = between(4, 12); i > 0; --i) {
      const Box spot{between(0, side), between(0, side), between(6, 26) * pixel, between(4, 16) * pixel,
                     between(0, turn - 1)};
      points_ = {};
      for (int32_t k = 0; k < 9; ++k) {
        const int32_t reach = between(300, 500), angle = turn * k / 9;
        points_.push_back(spot.at(reach * cosine(angle) / one, reach * sine(angle) / one));
      }
      canvas_.fill(points_, hard ? Colour{120, 118, 116} : Colour{150, 132, 96}, between(20, 80));
    }
    for (int32_t i = between(10, 60); i > 0; --i)
      canvas_.disc({between(0, side), between(0, side)}, between(pixel / 2, 3 * pixel / 2),
                   hard ? Colour{104, 104, 104} : Colour{74, 98, 50}, 110);
  }

  void land(const Region& region) {
    switch (region.surface) {
      case Surface::railway: return railway(region.box);
      case Surface::parking_lot: return parking_lot(region.box);
      default: return road(region.box, region.surface == Surface::runway);
    }
  }

  static Box longer(Box box, int32_t by, int32_t wider) {
    box.width += by;
    box.height += wider;
    return box;
  }

  void road(const Box& box, bool runway) {
    const Box strip = longer(box, 2 * beyond, 0);
    whole(longer(box, 2 * beyond, 3 * pixel), {186, 182, 170});
    whole(strip, runway ? Colour{84, 86, 92} : Colour{104, 104, 106});
    const Colour paint{226, 226, 218};
    const int32_t dash = (runway ? 16 : 7) * pixel, half = strip.width / 2;
    for (int32_t x = -half; x < half; x += 2 * dash)
      canvas_.line(strip.global({x, 0}), strip.global({x + dash, 0}), pixel * (runway ? 15 : 9) / 10, paint);
    if (!runway) return;
    for (const int32_t edge : {-440, 440}) line(strip, {-500, edge}, {500, edge}, paint, 10);
    for (int32_t bar = -3; bar <= 3; ++bar)  // the threshold's piano keys
      for (const int32_t end : {-360, 360}) line(box, {end - 35, bar * 110}, {end + 35, bar * 110}, paint, 16);
  }

  void railway(const Box& box) {
    const Box bed = longer(box, 2 * beyond, 0);
    whole(bed, {142, 130, 118});
    for (const int32_t track : {-250, 250}) {
      for (int32_t x = -bed.width / 2; x < bed.width / 2; x += 3 * pixel) {
        const int32_t y = bed.height * track / 1000, reach = bed.height * 150 / 1000;
        canvas_.line(bed.global({x, y - reach}), bed.global({x, y + reach}), pixel, {96, 78, 64});
      }
      for (const int32_t rail : {-90, 90}) line(bed, {-500, track + rail}, {500, track + rail}, {206, 206, 210}, 8);
    }
  }

  void parking_lot(const Box& box) {
    whole(box, {92, 93, 96});
    const Colour paint{228, 228, 220};
    const int32_t bays = std::max(box.width / (8 * pixel), 3);
    for (int32_t bay = 0; bay <= bays; ++bay) {
      const int32_t u = -480 + 960 * bay / bays;
      line(box, {u, -470}, {u, -70}, paint, 6);
      line(box, {u, 70}, {u, 470}, paint, 6);
    }
    for (const int32_t edge : {-490, 490}) line(box, {-500, edge}, {500, edge}, {186, 184, 176}, 10);
  }

  void water(const Region& region) {
    const Colour deep = region.surface == Surface::sea    ? Colour{38, 84, 122}
                        : region.surface == Surface::pond ? Colour{48, 92, 98}
                                                          : Colour{62, 100, 106};
    const Colour bank = layout_.ground == Ground::sand ? Colour{236, 230, 208} : Colour{128, 120, 92};
    canvas_.fill(outline(region, 3 * pixel), bank);
    canvas_.fill(outline(region, 0), deep);
    const auto waves = static_cast<int32_t>(int64_t{region.box.width} * region.box.height / (110 * pixel * pixel));
    for (int32_t i = 0; i < waves; ++i) {
      const int32_t u = between(-470, 470), v = between(-460, 460);
      if (region.surface == Surface::pond && u * u + v * v > 440 * 440) continue;
      const Point from = region.box.at(u, v);
      canvas_.line(from, {from.x + between(2, 5) * pixel, from.y + between(-pixel, pixel)}, pixel / 2,
                   shade(deep, between(84, 124)));
    }
  }

  /// The shore, `margin` outside the water's box, slightly uneven.
  std::vector<Point> outline(const Region& region, int32_t margin) const {
    const Box& box = region.box;
    std::vector<Point> points;
    if (region.surface == Surface::pond) {
      for (int32_t i = 0; i < 40; ++i) {
        const int32_t angle = turn * i / 40;
        const int32_t uneven = 1000 + 30 * sine(3 * angle + box.cx) / one;
        const auto reach = [&](int32_t length) { return length / 2 * uneven / 1000 + margin; };
        points.push_back(box.global({static_cast<int32_t>(int64_t{reach(box.width)} * cosine(angle) / one),
                                     static_cast<int32_t>(int64_t{reach(box.height)} * sine(angle) / one)}));
      }
      return points;
    }
    const auto wobble = [&](int32_t along) {
      return 2 * pixel * sine(along * 34 / pixel + box.cx) / one + pixel * sine(along * 93 / pixel + box.cy) / one;
    };
    const int32_t half = box.width / 2 + beyond;
    for (const int32_t edge : {-1, 1}) {
      // A sea has one shore; its other edge lies beyond the picture.
      const Point mid = box.at(0, edge * 500);
      const int32_t inside = std::min({mid.x, mid.y, side - mid.x, side - mid.y});
      const bool open = region.surface == Surface::sea && inside < pixel;
      for (int32_t i = 0; i <= 40; ++i) {
        const int32_t x = -edge * (half - half * i / 20);
        const int32_t away = open ? 20 * pixel : margin + wobble(x);
        points.push_back(box.global({x, edge * (box.height / 2 + away)}));
      }
    }
    return points;
  }

  // ---- objects

  void object(Kind kind, const Box& box, Colour colour) {
    switch (kind) {
      case Kind::plane: return plane(box, colour);
      case Kind::helicopter: return helicopter(box, colour);
      case Kind::ship: return ship(box, colour);
      case Kind::car: return car(box, colour);
      case Kind::truck: return truck(box, colour);
      case Kind::bus: return bus(box, colour);
      case Kind::building: return building(box, colour);
      case Kind::terminal: return terminal(box, colour);
      case Kind::house: return house(box, colour);
      case Kind::church: return church(box, colour);
      case Kind::storage_tank: return tank(box, colour);
      case Kind::tree: return tree(box);
      case Kind::swimming_pool: return pool(box);
      case Kind::tennis_court: return tennis(box, colour);
      case Kind::basketball_court: return basketball(box, colour);
      case Kind::football_field: return football(box);
      case Kind::baseball_field: return baseball(box);
      case Kind::playground: return playground(box);
      case Kind::container: return container(box, colour);
      case Kind::crane: return crane(box, colour);
      case Kind::greenhouse: return greenhouse(box);
      case Kind::helipad: return helipad(box);
      case Kind::wharf: return wharf(box);
      case Kind::roundabout: return roundabout(box);
      case Kind::bridge: return bridge(box);
    }
  }

  void plane(const Box& box, Colour colour) {
    static const Shape shape = {{500, 0},    {440, -50},   {140, -55},   {-100, -500}, {-190, -500}, {-80, -55},
                                {-360, -40}, {-460, -180}, {-500, -180}, {-460, 0},    {-500, 180},  {-460, 180},
                                {-360, 40},  {-80, 55},    {-190, 500},  {-100, 500},  {140, 55},    {440, 50}};
    shadow_of(box, shape, 40);
    polygon(box, shape, colour);
    line(box, {420, 0}, {-460, 0}, shade(colour, 82));
    for (const int32_t v : {-200, 200}) line(box, {110, v}, {0, v}, {90, 92, 98}, 14);  // engines
  }

  void helicopter(const Box& box, Colour colour) {
    const Shape hull = {{330, -60}, {420, 0},    {330, 60},  {60, 110}, {-60, 40},
                        {-480, 25}, {-480, -25}, {-60, -40}, {60, -110}};
    shadow_of(box, hull, 25);
    polygon(box, hull, colour);
    patch(box, 240, -50, 350, 50, {50, 64, 76});
    patch(box, -500, -110, -440, 110, shade(colour, 75));
    const Colour blade{44, 46, 50};
    line(box, {-180, -480}, {380, 480}, blade, 8);
    line(box, {380, -480}, {-180, 480}, blade, 8);
  }

  void ship(const Box& box, Colour colour) {
    for (const int32_t v : {-500, 500}) line(box, {-500, v * 4 / 10}, {-720, v}, {176, 204, 214});  // wake
    polygon(box, {{-500, -420}, {220, -500}, {500, 0}, {220, 500}, {-500, 420}}, shade(colour, 70));
    polygon(box, {{-460, -300}, {200, -360}, {420, 0}, {200, 360}, {-460, 300}}, colour);
    patch(box, -400, -240, -200, 240, {250, 250, 246});
    for (const int32_t u : {-80, 50, 180}) patch(box, u - 35, -180, u + 35, 180, shade(colour, 60));
  }

  void car(const Box& box, Colour colour) {
    shadow(box, 15);
    whole(box, shade(colour, 88));
    patch(box, -450, -400, 450, 400, colour);
    patch(box, 100, -380, 240, 380, {40, 52, 62});
    patch(box, -360, -360, -260, 360, {40, 52, 62});
  }

  void truck(const Box& box, Colour colour) {
    shadow(box, 34);
    patch(box, -500, -500, 220, 500, colour);
    for (const int32_t u : {-350, -200, -50, 100}) line(box, {u, -420}, {u, 420}, shade(colour, 80));
    patch(box, 270, -440, 500, 440, shade(colour, 68));
    patch(box, 390, -380, 460, 380, {36, 46, 56});
  }

  void bus(const Box& box, Colour colour) {
    shadow(box, 32);
    whole(box, colour);
    for (const int32_t v : {-430, 430}) line(box, {-440, v}, {440, v}, {40, 52, 62}, 8);
    patch(box, 410, -400, 470, 400, {36, 46, 56});
    for (const int32_t u : {-220, 120}) patch(box, u - 60, -180, u + 60, 180, shade(colour, 78));
  }

  void building(const Box& box, Colour colour) {
    shadow(box, 70);
    whole(box, shade(colour, 72));
    patch(box, -470, -450, 470, 450, colour);
    for (int32_t u = -350; u < 400; u += 140) line(box, {u, -450}, {u, 450}, shade(colour, 90));
    for (int32_t i = 0; i < 3; ++i) {  // plant on the roof
      const int32_t u = between(-360, 280), v = between(-320, 200);
      patch(box, u, v, u + 90, v + 130, shade(colour, 60));
      patch(box, u, v, u + 70, v + 100, {206, 206, 204});
    }
  }

  void terminal(const Box& box, Colour colour) {
    const Shape shape = {{-500, -500}, {500, -500}, {500, 120},  {340, 120}, {340, 500}, {240, 500},
                         {240, 120},   {50, 120},   {50, 500},   {-50, 500}, {-50, 120}, {-240, 120},
                         {-240, 500},  {-340, 500}, {-340, 120}, {-500, 120}};
    shadow_of(box, shape, 70);
    polygon(box, shape, shade(colour, 76));
    patch(box, -480, -460, 480, 80, colour);
    line(box, {-460, -190}, {460, -190}, {86, 106, 124}, 20);  // the roof's band of glass
    for (const int32_t u : {-290, 0, 290}) line(box, {u, 110}, {u, 470}, shade(colour, 104), 14);
  }

  void house(const Box& box, Colour colour) {
    shadow(box, 55);
    patch(box, -500, -500, 500, 0, shade(colour, 108));
    patch(box, -500, 0, 500, 500, shade(colour, 70));
    line(box, {-500, 0}, {500, 0}, shade(colour, 50));
    patch(box, 200, -340, 310, -180, {96, 70, 62});  // chimney
  }

  void church(const Box& box, Colour colour) {
    // The nave along, the transept across, a tower at the west end.
    const Shape plan = {{-500, -170}, {80, -170}, {80, -500}, {320, -500}, {320, -170}, {500, -170},
                        {500, 170},   {320, 170}, {320, 500}, {80, 500},   {80, 170},   {-500, 170}};
    shadow_of(box, plan, 85);
    polygon(box, plan, shade(colour, 66));
    polygon(box, {{-480, -150}, {480, -150}, {480, 0}, {-480, 0}}, shade(colour, 108));
    polygon(box, {{-480, 0}, {480, 0}, {480, 150}, {-480, 150}}, shade(colour, 82));
    polygon(box, {{100, -480}, {200, -480}, {200, 480}, {100, 480}}, shade(colour, 104));
    polygon(box, {{200, -480}, {300, -480}, {300, 480}, {200, 480}}, shade(colour, 78));
    patch(box, -500, -210, -330, 210, {74, 92, 88});
    line(box, {-415, -200}, {-415, 200}, {190, 196, 188}, 8);
    line(box, {-495, 0}, {-335, 0}, {190, 196, 188}, 8);
  }

  void tank(const Box& box, Colour colour) {
    const Point centre = box.centre();
    const int32_t radius = box.width / 2;
    shadow(circle(centre, radius, 24), 85);
    canvas_.disc(centre, radius, shade(colour, 64));
    canvas_.disc(centre, radius * 92 / 100, colour);
    const Point by = fall(20);
    canvas_.disc({centre.x - by.x, centre.y - by.y}, radius * 55 / 100, shade(colour, 106));
    arc(box, {}, 310, 310, 0, turn, shade(colour, 80));
    line(box, {0, 0}, {460, 0}, shade(colour, 70), 12);
  }

  void tree(const Box& box) {
    const int32_t radius = box.width / 2;
    shadow(circle(box.centre(), radius * 9 / 10, 12), 55);
    canvas_.disc(box.centre(), radius * 88 / 100, {34, 74, 34});
    const Point by = fall(100);
    const int64_t length = std::max<int64_t>(root(int64_t{by.x} * by.x + int64_t{by.y} * by.y), 1);
    for (int32_t i = 0; i < 12; ++i) {
      const int32_t angle = between(0, turn - 1), away = std::max(between(0, 70), between(0, 70));
      const int64_t dx = int64_t{radius} * away / 100 * cosine(angle) / one;
      const int64_t dy = int64_t{radius} * away / 100 * sine(angle) / one;
      // Sunlit where it faces the light, which comes from where shadows do not fall.
      const auto lit = static_cast<int32_t>(-(dx * by.x + dy * by.y) * 55 / (length * radius));
      canvas_.disc({box.cx + static_cast<int32_t>(dx), box.cy + static_cast<int32_t>(dy)},
                   radius * between(20, 32) / 100, shade({48, 98, 44}, 100 + lit + between(-12, 12)));
    }
  }

  void pool(const Box& box) {
    whole(box, {240, 238, 228});
    patch(box, -430, -370, 430, 370, {62, 186, 224});
    for (const int32_t v : {-120, 120}) line(box, {-410, v}, {410, v}, {150, 222, 242});
  }

  void tennis(const Box& box, Colour colour) {
    const Colour paint{244, 244, 240};
    whole(box, shade(colour, 72));
    patch(box, -420, -400, 420, 400, colour);
    for (const int32_t v : {-400, -300, 300, 400}) line(box, {-420, v}, {420, v}, paint);
    for (const int32_t u : {-420, -220, 220, 420}) line(box, {u, -400}, {u, 400}, paint);
    line(box, {-220, 0}, {220, 0}, paint);
    line(box, {0, -460}, {0, 460}, {40, 40, 40}, 10);  // the net
  }

  void basketball(const Box& box, Colour colour) {
    const Colour paint{244, 242, 234};
    whole(box, shade(colour, 84));
    patch(box, -460, -440, 460, 440, {196, 132, 84});
    for (const int32_t s : {-1, 1}) {
      line(box, {-460, s * 440}, {460, s * 440}, paint);
      line(box, {s * 460, -440}, {s * 460, 440}, paint);
      patch(box, std::min(s * 460, s * 280), -140, std::max(s * 460, s * 280), 140, colour);
      const int32_t from = s > 0 ? turn / 4 : -turn / 4;  // bulging towards the middle
      arc(box, {s * 460, 0}, 260, 370, from, from + turn / 2, paint);
    }
    line(box, {0, -440}, {0, 440}, paint);
    arc(box, {}, 100, 180, 0, turn, paint);
  }

  void pitch(const Box& box, int32_t u, int32_t v) {
    const Colour paint{236, 240, 232};
    for (int32_t i = 0; i < 10; ++i)
      patch(box, -u + 2 * u * i / 10, -v, -u + 2 * u * (i + 1) / 10, v,
            i % 2 ? Colour{66, 150, 62} : Colour{84, 170, 76});
    const int32_t x = u * 92 / 100, y = v * 90 / 100;
    for (const int32_t s : {-1, 1}) {
      line(box, {-x, s * y}, {x, s * y}, paint, 9);
      line(box, {s * x, -y}, {s * x, y}, paint, 9);
      line(box, {s * x * 7 / 10, -y / 2}, {s * x * 7 / 10, y / 2}, paint, 8);
      for (const int32_t w : {-y / 2, y / 2}) line(box, {s * x * 7 / 10, w}, {s * x, w}, paint, 8);
    }
    line(box, {0, -y}, {0, y}, paint, 9);
    arc(box, {}, u * 18 / 100, v * 28 / 100, 0, turn, paint, 8);
  }
  void football(const Box& box) { pitch(box, 500, 500); }

  void playground(const Box& box) {
    // A red track around a football field.
    const auto oval = [&](int32_t margin, Colour colour) {
      points_.clear();
      const int32_t radius = box.height / 2 - margin, straight = box.width / 2 - box.height / 2;
      for (int32_t i = 0; i <= 32; ++i) {
        const int32_t angle = -turn / 4 + turn * i / 32;
        const int32_t shift = i <= 16 ? straight : -straight;
        points_.push_back(box.global({shift + static_cast<int32_t>(int64_t{radius} * cosine(angle) / one),
                                      static_cast<int32_t>(int64_t{radius} * sine(angle) / one)}));
      }
      canvas_.fill(points_, colour);
    };
    oval(0, {176, 76, 60});
    const int32_t lane = box.height / 24;
    for (int32_t i = 1; i < 4; ++i) {
      oval(i * lane, {224, 190, 176});
      oval(i * lane + pixel / 2, {176, 76, 60});
    }
    oval(4 * lane, {88, 158, 80});
    pitch(box, 280, 300);
  }

  void baseball(const Box& box) {
    const auto fan = [&](int32_t radius, Colour colour) {
      points_.clear();
      points_.push_back(box.at(-480, -480));
      for (int32_t i = 0; i <= 16; ++i) {
        const int32_t angle = turn / 4 * i / 16;
        points_.push_back(box.at(-480 + radius * cosine(angle) / one, -480 + radius * sine(angle) / one));
      }
      canvas_.fill(points_, colour);
    };
    fan(960, {92, 162, 74});
    fan(520, {186, 138, 92});
    patch(box, -400, -400, -140, -140, {104, 172, 84});
    for (const Point& base : {Point{-420, -420}, Point{-120, -420}, Point{-420, -120}, Point{-120, -120}})
      canvas_.disc(box.at(base.x, base.y), pixel, {250, 250, 246});
    line(box, {-480, -480}, {460, -480}, {240, 240, 232}, 9);
    line(box, {-480, -480}, {-480, 460}, {240, 240, 232}, 9);
  }

  void container(const Box& box, Colour colour) {
    shadow(box, 26);
    whole(box, colour);
    for (int32_t u = -400; u < 450; u += 200) line(box, {u, -460}, {u, 460}, shade(colour, 78));
  }

  void crane(const Box& box, Colour colour) {
    // A gantry on four legs, its boom reaching out.
    shadow(box, 60);
    const Colour dark = shade(colour, 64);
    for (const int32_t v : {-420, 420}) line(box, {-500, v}, {180, v}, dark, 22);
    for (const int32_t u : {-420, 100}) line(box, {u, -460}, {u, 460}, colour, 26);
    patch(box, -500, -120, 500, 120, colour);
    for (int32_t u = -440; u < 460; u += 120) line(box, {u, -110}, {u + 60, 110}, dark, 8);
    patch(box, -340, -230, -160, 230, {226, 226, 220});
  }

  void greenhouse(const Box& box) {
    shadow(box, 40);
    whole(box, {176, 190, 192});
    for (int32_t span = 0; span < 3; ++span) {
      const int32_t v = -480 + span * 325;
      patch(box, -485, v, 485, v + 150, {226, 236, 236});
      patch(box, -485, v + 150, 485, v + 300, {192, 214, 208});
    }
    for (int32_t u = -400; u < 500; u += 100) line(box, {u, -480}, {u, 480}, {240, 246, 246}, 6);
  }

  void helipad(const Box& box) {
    whole(box, {110, 114, 116});
    ellipse(box, 450, 450, {232, 232, 226});
    ellipse(box, 400, 400, {84, 92, 96});
    const Colour paint{244, 236, 190};
    for (const int32_t u : {-150, 150}) line(box, {u, -240}, {u, 240}, paint, 26);
    line(box, {-150, 0}, {150, 0}, paint, 26);
  }

  void wharf(const Box& box) {
    shadow(box, 30);
    patch(box, -500, -500, 640, 500, {170, 150, 126});  // a little onto the land
    for (int32_t u = -480; u < 640; u += 60) line(box, {u, -500}, {u, 500}, {138, 120, 100}, 6);
    for (int32_t u = -450; u < 500; u += 225)
      for (const int32_t v : {-430, 430}) canvas_.disc(box.at(u, v), pixel, {84, 74, 66});
  }

  void roundabout(const Box& box) {
    ellipse(box, 500, 500, {186, 182, 170});
    ellipse(box, 480, 480, {104, 104, 106});
    arc(box, {}, 360, 360, 0, turn, {214, 214, 206}, 7);
    ellipse(box, 250, 250, {206, 202, 190});
    ellipse(box, 225, 225, {86, 142, 66});
    for (const Point& bush : {Point{-80, -60}, Point{90, -20}, Point{-10, 90}})
      canvas_.disc(box.at(bush.x, bush.y), box.width / 16, {46, 92, 42});
  }

  void bridge(const Box& box) {
    shadow(box, 60);
    whole(box, {214, 210, 200});
    patch(box, -500, -360, 500, 360, {112, 112, 114});
    for (int32_t u = -450; u < 450; u += 200) line(box, {u, 0}, {u + 100, 0}, {232, 232, 224}, 10);
  }

  // ---- the photograph

  /// Light, haze, passing cloud and grain.
  Image developed() {
    const ValueNoise cloud(random_, 3, pixels_a_side);
    std::vector<int32_t> shade_of(static_cast<size_t>(pixels_a_side));
    const int32_t gain[] = {light_.brightness + light_.warmth, light_.brightness, light_.brightness - light_.warmth};
    static constexpr int32_t air[] = {196, 204, 214};
    const int32_t spread = 2 * light_.grain + 1;
    Image image{synth_size, synth_size, {}};
    for (int32_t y = 0; y < pixels_a_side; ++y) {
      std::ranges::fill(shade_of, 0);
      cloud.add_row(y, 60, shade_of);
      uint8_t* pixels = canvas_.row(y);
      for (int32_t x = 0; x < pixels_a_side; ++x) {
        const uint64_t dice = random_.next();
        // The same in all channels, mostly: of the camera's brightness more than of its colours.
        const int32_t common =
            static_cast<int32_t>((dice & 0xffff) * static_cast<uint32_t>(spread) >> 16) - light_.grain;
        for (int c = 0; c < 3; ++c, ++pixels) {
          const auto own = static_cast<int32_t>(dice >> (16 + 8 * c) & 3) - 1;
          int32_t value = *pixels * (gain[c] + shade_of[static_cast<size_t>(x)]) / 1000;
          value += (air[c] - value) * light_.haze / 1000 + common + own;
          *pixels = static_cast<uint8_t>(std::clamp(value, 0, 255));
        }
      }
    }
    image.pixels = std::move(canvas_).take();
    return image;
  }

  const Layout& layout_;
  const Circumstances& light_;
  Random& random_;
  Canvas canvas_;
  std::vector<Point> points_;
};

}  // namespace

Image paint(const Layout& layout, Random& random) { return Painter(layout, random).paint(); }

}  // namespace orbweaver::synth
