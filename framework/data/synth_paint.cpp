// How a synthetic scene looks. Everything is drawn at twice its size and averaged down, which smooths edges; all random
// texture is computed in integers or by the portable generator, so that a seed gives the same picture everywhere.
#include <algorithm>
#include <cmath>
#include <cstring>
#include <numbers>
#include <opencv2/core.hpp>
#include <opencv2/imgproc.hpp>

#include "framework/data/synth_scene.h"

namespace orbweaver::synth {
namespace {

constexpr int scale = 2;
constexpr int side = static_cast<int>(synth_size) * scale;
constexpr int fraction_bits = 4;  // of coordinates that OpenCV's drawing functions take

using Colour = cv::Scalar;  // red, green, blue

Colour colour_of(const std::string& name) {
  static const std::pair<const char*, Colour> table[] = {
      {"red", {196, 44, 40}},   {"white", {238, 238, 236}}, {"gray", {132, 134, 140}},
      {"blue", {44, 86, 190}},  {"yellow", {236, 206, 50}}, {"black", {30, 30, 34}},
      {"green", {52, 132, 66}}, {"orange", {236, 124, 34}}, {"brown", {124, 80, 48}}};
  for (const auto& [known, colour] : table)
    if (name == known) return colour;
  return {128, 128, 128};
}

Colour shade(const Colour& colour, double factor) {
  Colour out;
  for (int c = 0; c < 3; ++c) out[c] = std::clamp(colour[c] * factor, 0.0, 255.0);
  return out;
}

cv::Point fixed(Point p) {
  constexpr double unit = scale * (1 << fraction_bits);
  return {static_cast<int>(std::lround(p.x * unit)), static_cast<int>(std::lround(p.y * unit))};
}

/// Smooth random values in [-256, 256] on a grid of `cells` cells a side, bilinear in integers.
class ValueNoise {
 public:
  ValueNoise(Random& random, int cells) : cells_(cells), values_(static_cast<size_t>((cells + 2) * (cells + 2))) {
    for (int& value : values_) value = static_cast<int>(random.below(513)) - 256;
  }
  int at(int x, int y) const {
    const int fx = x * cells_ * 256 / side, fy = y * cells_ * 256 / side;
    const int ix = fx >> 8, iy = fy >> 8, rx = fx & 255, ry = fy & 255;
    const int* row = values_.data() + iy * (cells_ + 2) + ix;
    const int top = row[0] * (256 - rx) + row[1] * rx, bottom = row[cells_ + 2] * (256 - rx) + row[cells_ + 3] * rx;
    return (top * ((256 - ry)) / 256 + bottom * ry / 256) / 256;
  }

 private:
  int cells_;
  std::vector<int> values_;
};

class Painter {
 public:
  Painter(const Layout& layout, Random& random) : layout_(layout), random_(random), canvas_(side, side, CV_8UC3) {}

  Image paint() {
    ground();
    // Roads run under nothing but bridges, so water comes over them.
    for (const Region& region : layout_.regions)
      if (!is_water(region.surface)) road(region);
    for (const Region& region : layout_.regions)
      if (is_water(region.surface)) water(region);
    for (const Group& group : layout_.groups)
      if (group.kind == Kind::bridge)
        for (const Box& box : group.boxes) object(group, box);
    for (const Group& group : layout_.groups)
      if (group.kind != Kind::bridge)
        for (const Box& box : group.boxes) object(group, box);
    return developed();
  }

 private:
  // ---- strokes

  void polygon(const std::vector<Point>& points, const Colour& colour) {
    std::vector<cv::Point> corners;
    corners.reserve(points.size());
    for (const Point& point : points) corners.push_back(fixed(point));
    cv::fillPoly(canvas_, std::vector<std::vector<cv::Point>>{corners}, colour, cv::LINE_AA, fraction_bits);
  }
  void polygon(const Box& box, std::initializer_list<Point> fractions, const Colour& colour) {
    std::vector<Point> points;
    for (const Point& f : fractions) points.push_back(box.at(f.x, f.y));
    polygon(points, colour);
  }
  /// A rectangle of the box given by fractions of its sides.
  void patch(const Box& box, double left, double top, double right, double bottom, const Colour& colour) {
    polygon(box, {{left, top}, {right, top}, {right, bottom}, {left, bottom}}, colour);
  }
  void line(Point from, Point to, const Colour& colour, int thickness) {
    cv::line(canvas_, fixed(from), fixed(to), colour, thickness, cv::LINE_AA, fraction_bits);
  }
  void line(const Box& box, Point from, Point to, const Colour& colour, int thickness = 1) {
    line(box.at(from.x, from.y), box.at(to.x, to.y), colour, thickness);
  }
  void disc(Point centre, double radius, const Colour& colour, int thickness = cv::FILLED) {
    cv::circle(canvas_, fixed(centre), static_cast<int>(std::lround(radius * scale * (1 << fraction_bits))), colour,
               thickness, cv::LINE_AA, fraction_bits);
  }
  void arc(const Box& box, Point centre, double radius_x, double radius_y, double from, double to, const Colour& colour,
           int thickness) {
    Point last{};
    for (int i = 0; i <= 16; ++i) {
      const double turn = from + (to - from) * i / 16;
      const Point point = box.at(centre.x + radius_x * std::cos(turn), centre.y + radius_y * std::sin(turn));
      if (i) line(last, point, colour, thickness);
      last = point;
    }
  }

  /// The shadow of something of that height (pixels) standing on the polygon.
  void shadow(const std::vector<Point>& points, double height) {
    std::vector<cv::Point> both;
    for (const Point& p : points) {
      both.push_back(fixed(p));
      both.push_back(fixed({p.x + layout_.sun.x * height, p.y + layout_.sun.y * height}));
    }
    std::vector<cv::Point> hull;
    cv::convexHull(both, hull);
    cv::Rect area = cv::boundingRect(hull);
    area = cv::Rect((area.x >> fraction_bits) - 1, (area.y >> fraction_bits) - 1, (area.width >> fraction_bits) + 3,
                    (area.height >> fraction_bits) + 3) &
           cv::Rect(0, 0, side, side);
    if (area.empty()) return;
    cv::Mat mask(area.size(), CV_8U, cv::Scalar(0));
    for (cv::Point& point : hull) point -= cv::Point(area.x << fraction_bits, area.y << fraction_bits);
    cv::fillConvexPoly(mask, hull, cv::Scalar(255), cv::LINE_AA, fraction_bits);
    for (int y = 0; y < area.height; ++y) {
      const uint8_t* covered = mask.ptr(y);
      uint8_t* pixel = canvas_.ptr(area.y + y) + area.x * 3;
      for (int x = 0; x < area.width; ++x)
        for (int c = 0; c < 3; ++c, ++pixel) *pixel = static_cast<uint8_t>(*pixel * (512 - covered[x]) / 512);
    }
  }
  void shadow(const Box& box, double height) {
    const auto corners = box.corners();
    shadow(std::vector<Point>(corners.begin(), corners.end()), height);
  }

  // ---- ground, roads, water

  struct Soil {
    std::array<int, 3> base, amplitude;
  };

  Soil soil() const {
    switch (layout_.ground) {
      case Ground::meadow: return {{104, 132, 74}, {26, 24, 18}};
      case Ground::bare_land: return {{150, 122, 92}, {26, 24, 22}};
      case Ground::sand: return {{214, 192, 142}, {20, 20, 22}};
      case Ground::concrete: return {{168, 167, 162}, {14, 14, 14}};
      case Ground::farmland: return {{142, 148, 82}, {18, 18, 14}};
    }
    return {};
  }

  void ground() {
    Soil kind = soil();
    const int lightness = static_cast<int>(random_.between(-14, 14));
    const ValueNoise coarse(random_, 5), middle(random_, 18), fine(random_, 90);
    for (int y = 0; y < side; ++y) {
      uint8_t* pixel = canvas_.ptr(y);
      for (int x = 0; x < side; ++x) {
        const int noise = (coarse.at(x, y) * 2 + middle.at(x, y) * 2 + fine.at(x, y) * 3) / 5;
        for (size_t c = 0; c < 3; ++c)
          *pixel++ =
              static_cast<uint8_t>(std::clamp(kind.base[c] + lightness + kind.amplitude[c] * noise / 256, 0, 255));
      }
    }
    if (layout_.ground == Ground::farmland) fields();
    if (layout_.ground == Ground::concrete) slabs();
  }

  void fields() {
    const double furrow = random_.uniform(4, 7);
    const Box field{synth_size / 2.0, synth_size / 2.0, 340, 340, layout_.ground_angle};
    const Colour crops[] = {{120, 146, 60}, {172, 160, 92}, {96, 124, 56}, {156, 136, 84}};
    const size_t first = random_.below(4);
    for (int strip = 0; strip < 5; ++strip) {
      const double low = -0.5 + 0.2 * strip;
      patch(field, -0.5, low, 0.5, low + 0.197, crops[(first + static_cast<size_t>(strip)) % 4]);
    }
    for (double v = -170; v < 170; v += furrow)
      line(field, {-0.5, v / 340}, {0.5, v / 340},
           shade(crops[(first + static_cast<size_t>((v + 170) / 68)) % 4], 0.82), 2);
  }

  void slabs() {
    const Box plate{synth_size / 2.0, synth_size / 2.0, 340, 340, layout_.ground_angle};
    const Colour joint = shade({150, 149, 145}, random_.uniform(0.92, 1.0));
    for (double v = -170; v < 170; v += 24) {
      line(plate, {-0.5, v / 340}, {0.5, v / 340}, joint);
      line(plate, {v / 340, -0.5}, {v / 340, 0.5}, joint);
    }
  }

  void road(const Region& region) {
    const Box& box = region.box;
    const bool runway = region.surface == Surface::runway;
    Box verge = box;
    verge.width += 40;
    verge.height += 3;
    Box strip = box;
    strip.width += 40;
    polygon(verge, {{-0.5, -0.5}, {0.5, -0.5}, {0.5, 0.5}, {-0.5, 0.5}}, {186, 182, 170});
    patch(strip, -0.5, -0.5, 0.5, 0.5, runway ? Colour{84, 86, 92} : Colour{104, 104, 106});
    const Colour paint{226, 226, 218};
    const double dash = runway ? 16 : 8;
    for (double along = -strip.width / 2; along < strip.width / 2; along += 2 * dash)
      line(strip, {along / strip.width, 0}, {(along + dash) / strip.width, 0}, paint, runway ? 3 : 2);
    if (!runway) return;
    for (const double edge : {-0.44, 0.44}) line(strip, {-0.5, edge}, {0.5, edge}, paint, 2);
    for (int bar = -3; bar <= 3; ++bar)  // the threshold's piano keys
      for (const double end : {-0.36, 0.36}) line(box, {end - 0.035, bar * 0.11}, {end + 0.035, bar * 0.11}, paint, 3);
  }

  void water(const Region& region) {
    const Colour deep = region.surface == Surface::sea    ? Colour{38, 84, 122}
                        : region.surface == Surface::pond ? Colour{48, 92, 98}
                                                          : Colour{62, 100, 106};
    const Colour bank = layout_.ground == Ground::sand ? Colour{236, 230, 208} : Colour{128, 120, 92};
    polygon(outline(region, 3), bank);
    polygon(outline(region, 0), deep);
    const int waves = static_cast<int>(region.box.width * region.box.height / 110);
    for (int i = 0; i < waves; ++i) {
      const double u = random_.uniform(-0.47, 0.47), v = random_.uniform(-0.46, 0.46);
      if (region.surface == Surface::pond && std::hypot(u, v) > 0.44) continue;
      const Point from = region.box.at(u, v);
      line(from, {from.x + random_.uniform(2, 5), from.y + random_.uniform(-1, 1)},
           shade(deep, random_.uniform(0.86, 1.2)), 1);
    }
  }

  /// The shore line, `margin` pixels outside the water's box, slightly uneven.
  std::vector<Point> outline(const Region& region, double margin) {
    const Box& box = region.box;
    std::vector<Point> points;
    if (region.surface == Surface::pond) {
      for (int i = 0; i < 40; ++i) {
        const double turn = 2 * std::numbers::pi * i / 40;
        const double wobble = 1 + 0.03 * std::sin(3 * turn + box.cx);
        points.push_back(box.at((0.5 * wobble + margin / box.width) * std::cos(turn),
                                (0.5 * wobble + margin / box.height) * std::sin(turn)));
      }
      return points;
    }
    const auto wobble = [&](double along) {
      return 2.0 * std::sin(along / 19 + box.cx) + 1.0 * std::sin(along / 7 + box.cy);
    };
    const double half_x = box.width / 2 + 30;
    for (const double edge : {-1.0, 1.0})
      for (int i = 0; i <= 40; ++i) {
        // A sea has one shore; its other edge lies beyond the picture.
        const Point middle = box.at(0, edge / 2);
        const bool open = region.surface == Surface::sea &&
                          std::min({middle.x, middle.y, synth_size - middle.x, synth_size - middle.y}) < 1;
        const double x = -edge * half_x * (1 - i / 20.0);
        const double y = edge * (box.height / 2 + (open ? 20 : margin + wobble(x)));
        points.push_back(box.at(x / box.width, y / box.height));
      }
    return points;
  }

  // ---- objects

  void object(const Group& group, const Box& box) {
    const Colour colour = shade(colour_of(group.colour), random_.uniform(0.96, 1.04));
    switch (group.kind) {
      case Kind::plane: return plane(box, colour);
      case Kind::ship: return ship(box, colour);
      case Kind::car: return car(box, colour);
      case Kind::truck: return truck(box, colour);
      case Kind::building: return building(box, colour);
      case Kind::house: return house(box, colour);
      case Kind::storage_tank: return tank(box, colour);
      case Kind::tree: return tree(box);
      case Kind::swimming_pool: return pool(box);
      case Kind::tennis_court: return tennis(box, colour);
      case Kind::football_field: return football(box);
      case Kind::basketball_court: return basketball(box);
      case Kind::baseball_field: return baseball(box);
      case Kind::container: return container(box, colour);
      case Kind::bridge: return bridge(box);
    }
  }

  void plane(const Box& box, const Colour& colour) {
    const std::vector<Point> outline_fractions = {
        {0.5, 0},       {0.44, -0.05},  {0.14, -0.055}, {-0.1, -0.5}, {-0.19, -0.5}, {-0.08, -0.055},
        {-0.36, -0.04}, {-0.46, -0.18}, {-0.5, -0.18},  {-0.46, 0},   {-0.5, 0.18},  {-0.46, 0.18},
        {-0.36, 0.04},  {-0.08, 0.055}, {-0.19, 0.5},   {-0.1, 0.5},  {0.14, 0.055}, {0.44, 0.05}};
    std::vector<Point> body, fallen;
    for (const Point& f : outline_fractions) {
      body.push_back(box.at(f.x, f.y));
      fallen.push_back({body.back().x + layout_.sun.x * 2.5, body.back().y + layout_.sun.y * 2.5});
    }
    polygon(fallen, {62, 64, 66});
    polygon(body, colour);
    line(box, {0.42, 0}, {-0.46, 0}, shade(colour, 0.8), 1);
    for (const double v : {-0.2, 0.2}) line(box, {0.1, v}, {0.0, v}, {90, 92, 98}, 3);  // engines
  }

  void ship(const Box& box, const Colour& colour) {
    for (const double v : {-0.5, 0.5}) line(box, {-0.5, v * 0.4}, {-0.72, v}, {176, 204, 214}, 1);  // wake
    polygon(box, {{-0.5, -0.42}, {0.22, -0.5}, {0.5, 0}, {0.22, 0.5}, {-0.5, 0.42}}, shade(colour, 0.72));
    polygon(box, {{-0.46, -0.3}, {0.2, -0.36}, {0.42, 0}, {0.2, 0.36}, {-0.46, 0.3}}, colour);
    patch(box, -0.4, -0.24, -0.18, 0.24, {248, 248, 244});
    for (const double u : {-0.05, 0.08, 0.2}) patch(box, u - 0.035, -0.18, u + 0.035, 0.18, shade(colour, 0.6));
  }

  void car(const Box& box, const Colour& colour) {
    shadow(box, 1.5);
    patch(box, -0.5, -0.5, 0.5, 0.5, shade(colour, 0.9));
    patch(box, -0.45, -0.4, 0.45, 0.4, colour);
    patch(box, 0.1, -0.38, 0.24, 0.38, {40, 52, 62});
    patch(box, -0.36, -0.36, -0.26, 0.36, {40, 52, 62});
  }

  void truck(const Box& box, const Colour& colour) {
    shadow(box, 2.5);
    patch(box, -0.5, -0.5, 0.22, 0.5, colour);
    for (const double u : {-0.35, -0.2, -0.05, 0.1}) line(box, {u, -0.42}, {u, 0.42}, shade(colour, 0.8));
    patch(box, 0.26, -0.44, 0.5, 0.44, shade(colour, 0.7));
    patch(box, 0.38, -0.38, 0.45, 0.38, {36, 46, 56});
  }

  void building(const Box& box, const Colour& colour) {
    shadow(box, 7);
    patch(box, -0.5, -0.5, 0.5, 0.5, shade(colour, 0.74));
    patch(box, -0.47, -0.45, 0.47, 0.45, colour);
    for (double u = -0.35; u < 0.4; u += 0.14) line(box, {u, -0.45}, {u, 0.45}, shade(colour, 0.9));
    for (int i = 0; i < 3; ++i) {  // plant on the roof
      const double u = random_.uniform(-0.36, 0.28), v = random_.uniform(-0.32, 0.2);
      patch(box, u, v, u + 0.09, v + 0.13, shade(colour, 0.6));
      patch(box, u, v, u + 0.07, v + 0.1, {206, 206, 204});
    }
  }

  void house(const Box& box, const Colour& colour) {
    shadow(box, 4);
    patch(box, -0.5, -0.5, 0.5, 0, shade(colour, 1.08));
    patch(box, -0.5, 0, 0.5, 0.5, shade(colour, 0.7));
    line(box, {-0.5, 0}, {0.5, 0}, shade(colour, 0.5));
    patch(box, 0.2, -0.34, 0.31, -0.18, {96, 70, 62});  // chimney
  }

  void tank(const Box& box, const Colour& colour) {
    const Point centre{box.cx, box.cy};
    const double radius = box.width / 2;
    std::vector<Point> rim;
    rim.reserve(24);
    for (int i = 0; i < 24; ++i)
      rim.push_back({centre.x + radius * std::cos(i * std::numbers::pi / 12),
                     centre.y + radius * std::sin(i * std::numbers::pi / 12)});
    shadow(rim, 6);
    disc(centre, radius, shade(colour, 0.66));
    disc(centre, radius * 0.92, colour);
    disc({centre.x - layout_.sun.x * radius * 0.25, centre.y - layout_.sun.y * radius * 0.25}, radius * 0.55,
         shade(colour, 1.05));
    disc(centre, radius * 0.62, shade(colour, 0.82), 1);
    line(box, {0, 0}, {0.46, 0}, shade(colour, 0.7), 2);
  }

  void tree(const Box& box) {
    const Point centre{box.cx, box.cy};
    const double radius = box.width / 2;
    std::vector<Point> crown;
    crown.reserve(12);
    for (int i = 0; i < 12; ++i)
      crown.push_back({centre.x + radius * 0.9 * std::cos(i * std::numbers::pi / 6),
                       centre.y + radius * 0.9 * std::sin(i * std::numbers::pi / 6)});
    shadow(crown, 4);
    disc(centre, radius * 0.86, {34, 74, 34});
    for (int i = 0; i < 14; ++i) {
      const double turn = random_.uniform(0, 2 * std::numbers::pi), away = radius * 0.72 * std::sqrt(random_.uniform());
      const Point leaf{centre.x + away * std::cos(turn), centre.y + away * std::sin(turn)};
      // Sunlit where it faces the light, which comes from where shadows do not fall.
      const double lit = -(std::cos(turn) * layout_.sun.x + std::sin(turn) * layout_.sun.y) * away / radius;
      disc(leaf, radius * random_.uniform(0.18, 0.3),
           shade({48, 98, 44}, 1 + 0.55 * lit + random_.uniform(-0.12, 0.12)));
    }
  }

  void pool(const Box& box) {
    patch(box, -0.5, -0.5, 0.5, 0.5, {240, 238, 228});
    patch(box, -0.42, -0.36, 0.42, 0.36, {62, 186, 224});
    for (const double v : {-0.12, 0.12}) line(box, {-0.4, v}, {0.4, v}, {150, 222, 242});
  }

  void tennis(const Box& box, const Colour& colour) {
    const Colour paint{244, 244, 240};
    patch(box, -0.5, -0.5, 0.5, 0.5, shade(colour, 0.75));
    patch(box, -0.42, -0.4, 0.42, 0.4, colour);
    for (const double v : {-0.4, -0.3, 0.3, 0.4}) line(box, {-0.42, v}, {0.42, v}, paint);
    for (const double u : {-0.42, -0.22, 0.22, 0.42}) line(box, {u, -0.4}, {u, 0.4}, paint);
    line(box, {-0.22, 0}, {0.22, 0}, paint);
    line(box, {0, -0.46}, {0, 0.46}, {40, 40, 40}, 2);  // the net
  }

  void football(const Box& box) {
    const Colour paint{236, 240, 232};
    for (int i = 0; i < 10; ++i)
      patch(box, -0.5 + 0.1 * i, -0.5, -0.4 + 0.1 * i, 0.5, i % 2 ? Colour{66, 150, 62} : Colour{84, 170, 76});
    const double u = 0.46, v = 0.44;
    for (const double s : {-1.0, 1.0}) {
      line(box, {-u, s * v}, {u, s * v}, paint, 2);
      line(box, {s * u, -v}, {s * u, v}, paint, 2);
      line(box, {s * 0.33, -0.22}, {s * 0.33, 0.22}, paint, 2);
      for (const double w : {-0.22, 0.22}) line(box, {s * 0.33, w}, {s * u, w}, paint, 2);
    }
    line(box, {0, -v}, {0, v}, paint, 2);
    arc(box, {0, 0}, 0.1, 0.1 * box.width / box.height, 0, 2 * std::numbers::pi, paint, 2);
  }

  void basketball(const Box& box) {
    const Colour paint{244, 240, 232};
    patch(box, -0.5, -0.5, 0.5, 0.5, {196, 108, 66});
    const double u = 0.45, v = 0.42, aspect = box.width / box.height;
    for (const double s : {-1.0, 1.0}) {
      line(box, {-u, s * v}, {u, s * v}, paint);
      line(box, {s * u, -v}, {s * u, v}, paint);
      patch(box, std::min(s * u, s * 0.28), -0.14, std::max(s * u, s * 0.28), 0.14, {132, 54, 44});
      const double from = s > 0 ? std::numbers::pi / 2 : -std::numbers::pi / 2;  // bulging towards the middle
      arc(box, {s * u, 0}, 0.26, 0.26 * aspect * 0.75, from, from + std::numbers::pi, paint, 1);
    }
    line(box, {0, -v}, {0, v}, paint);
    arc(box, {0, 0}, 0.1, 0.1 * aspect, 0, 2 * std::numbers::pi, paint, 1);
  }

  void baseball(const Box& box) {
    std::vector<Point> fan{box.at(-0.48, -0.48)};
    for (int i = 0; i <= 16; ++i) {
      const double turn = std::numbers::pi / 2 * i / 16;
      fan.push_back(box.at(-0.48 + 0.96 * std::cos(turn), -0.48 + 0.96 * std::sin(turn)));
    }
    polygon(fan, {92, 162, 74});
    std::vector<Point> infield{box.at(-0.48, -0.48)};
    for (int i = 0; i <= 16; ++i) {
      const double turn = std::numbers::pi / 2 * i / 16;
      infield.push_back(box.at(-0.48 + 0.52 * std::cos(turn), -0.48 + 0.52 * std::sin(turn)));
    }
    polygon(infield, {186, 138, 92});
    patch(box, -0.4, -0.4, -0.14, -0.14, {104, 172, 84});
    for (const Point& base : {Point{-0.42, -0.42}, Point{-0.12, -0.42}, Point{-0.42, -0.12}, Point{-0.12, -0.12}})
      disc(box.at(base.x, base.y), 1.3, {250, 250, 246});
    line(box, {-0.48, -0.48}, {0.46, -0.48}, {240, 240, 232}, 2);
    line(box, {-0.48, -0.48}, {-0.48, 0.46}, {240, 240, 232}, 2);
  }

  void container(const Box& box, const Colour& colour) {
    shadow(box, 3);
    patch(box, -0.5, -0.5, 0.5, 0.5, colour);
    for (double u = -0.4; u < 0.45; u += 0.16) line(box, {u, -0.46}, {u, 0.46}, shade(colour, 0.78));
  }

  void bridge(const Box& box) {
    shadow(box, 4);
    patch(box, -0.5, -0.5, 0.5, 0.5, {214, 210, 200});
    patch(box, -0.5, -0.36, 0.5, 0.36, {112, 112, 114});
    for (double u = -0.45; u < 0.45; u += 0.2) line(box, {u, 0}, {u + 0.1, 0}, {232, 232, 224}, 2);
  }

  // ---- the photograph

  Image developed() {
    cv::Mat small;
    cv::resize(canvas_, small, {static_cast<int>(synth_size), static_cast<int>(synth_size)}, 0, 0, cv::INTER_AREA);
    Image image{synth_size, synth_size, std::vector<uint8_t>(static_cast<size_t>(synth_size * synth_size * 3))};
    uint8_t* out = image.pixels.data();
    for (int y = 0; y < small.rows; ++y) {
      const uint8_t* in = small.ptr(y);
      for (int x = 0; x < small.cols; ++x) {
        // Film grain: the sum of two dice, the same in all channels.
        const uint64_t dice = random_.next();
        const int grain = static_cast<int>(dice % 7) + static_cast<int>((dice >> 32) % 7) - 6;
        for (int c = 0; c < 3; ++c) *out++ = static_cast<uint8_t>(std::clamp(*in++ + grain, 0, 255));
      }
    }
    return image;
  }

  const Layout& layout_;
  Random& random_;
  cv::Mat canvas_;
};

}  // namespace

Image paint(const Layout& layout, Random& random) { return Painter(layout, random).paint(); }

}  // namespace orbweaver::synth
