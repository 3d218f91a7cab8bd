#include "framework/data/augment.h"

#include <algorithm>
#include <cctype>
#include <cmath>
#include <numbers>
#include <opencv2/core.hpp>
#include <opencv2/imgproc.hpp>
#include <string>

#include "framework/data/random.h"

namespace orbweaver {
namespace {

constexpr uint64_t augment_stream = 0xa06;

Motion shift(double x, double y) { return {{1, 0, x, 0, 1, y}}; }
Motion stretch(double x, double y) { return {{x, 0, 0, 0, y, 0}}; }
/// Counter-clockwise on screen, where y points down.
Motion turn(double radians) {
  const double c = std::cos(radians), s = std::sin(radians);
  return {{c, s, 0, -s, c, 0}};
}

}  // namespace

void AugmentParams::describe(ParamSpec<AugmentParams>& p) {
  p.field("scale", &AugmentParams::scale,
          "Enlarge images by this and cut a window of their own size at a random place; GaLR: 1.0859 (278/256)")
      .range(1, 4);
  p.field("rotation", &AugmentParams::rotation,
          "Turn images by a random angle between 0 and this, in degrees; GaLR: 90")
      .range(0, 360);
  p.field("flip", &AugmentParams::flip, "Mirror images left to right, and top to bottom, each for one in two");
}

Motion Motion::then(const Motion& next) const {
  const auto& a = next.m;
  const auto& b = m;
  return {{a[0] * b[0] + a[1] * b[3], a[0] * b[1] + a[1] * b[4], a[0] * b[2] + a[1] * b[5] + a[2],
           a[3] * b[0] + a[4] * b[3], a[3] * b[1] + a[4] * b[4], a[3] * b[2] + a[4] * b[5] + a[5]}};
}

Motion draw_motion(const AugmentParams& params, int64_t width, int64_t height, bool keep_directions, uint64_t seed,
                   int64_t epoch, int64_t sample) {
  Random random(mix(seed) ^ augment_stream, static_cast<uint64_t>(epoch), static_cast<uint64_t>(sample));
  // Every number is drawn whether it is used or not, so that one switch leaves what the others do as it was.
  const double angle = random.uniform() * params.rotation * std::numbers::pi / 180;
  const bool left_right = random.chance(0.5), top_bottom = random.chance(0.5);
  const double place_x = random.uniform(), place_y = random.uniform();

  const double w = static_cast<double>(width), h = static_cast<double>(height);
  Motion motion = shift(-w / 2, -h / 2).then(stretch(params.scale, params.scale));
  if (!keep_directions) {
    motion = motion.then(turn(angle));
    if (params.flip) motion = motion.then(stretch(left_right ? -1 : 1, top_bottom ? -1 : 1));
  }
  // The window lies within the enlarged image.
  const double slack_x = (params.scale - 1) * w, slack_y = (params.scale - 1) * h;
  return motion.then(shift(w / 2 + slack_x * (0.5 - place_x), h / 2 + slack_y * (0.5 - place_y)));
}

Image moved(const Image& image, const Motion& motion) {
  const auto& m = motion.m;
  // OpenCV counts from the centre of the first pixel, not from its corner.
  const cv::Matx23d map(m[0], m[1], m[2] + (m[0] + m[1] - 1) / 2, m[3], m[4], m[5] + (m[3] + m[4] - 1) / 2);
  Image out{image.width, image.height, std::vector<uint8_t>(image.pixels.size())};
  const cv::Size size(static_cast<int>(image.width), static_cast<int>(image.height));
  const cv::Mat source(size, CV_8UC3, const_cast<uint8_t*>(image.pixels.data()));
  cv::Mat target(size, CV_8UC3, out.pixels.data());
  cv::warpAffine(source, target, map, size, cv::INTER_LINEAR, cv::BORDER_CONSTANT);
  return out;
}

std::vector<Object> moved(std::span<const Object> objects, const Motion& motion, int64_t width, int64_t height) {
  const auto& m = motion.m;
  const bool mirrored = m[0] * m[4] - m[1] * m[3] < 0;
  std::vector<Object> out;
  for (const Object& object : objects) {
    Object at = object;
    at.cx = m[0] * object.cx + m[1] * object.cy + m[2];
    at.cy = m[3] * object.cx + m[4] * object.cy + m[5];
    if (at.cx < 0 || at.cy < 0 || at.cx > static_cast<double>(width) || at.cy > static_cast<double>(height)) continue;
    // Where the box's first side points to afterwards, and how long it is; a mirror keeps the sides' lengths.
    const double ax = std::cos(object.angle), ay = std::sin(object.angle);
    const double bx = m[0] * ax + m[1] * ay, by = m[3] * ax + m[4] * ay;
    const double scale = std::hypot(bx, by);
    at.angle = std::atan2(by, bx);
    if (mirrored) at.angle = std::remainder(at.angle, std::numbers::pi);  // a box turned by half a turn is the same
    at.width *= scale;
    at.height *= scale;
    out.push_back(std::move(at));
  }
  return out;
}

bool names_direction(std::string_view caption) {
  static constexpr std::string_view words[] = {
      "left",      "right",     "above",    "below",     "top",      "bottom",   "upper",    "lower",     "north",
      "south",     "east",      "west",     "northern",  "southern", "eastern",  "western",  "northeast", "northwest",
      "southeast", "southwest", "leftmost", "rightmost", "topmost",  "lefthand", "righthand"};
  std::string word;
  const auto found = [&] { return std::find(std::begin(words), std::end(words), word) != std::end(words); };
  for (const char letter : caption) {
    if (std::isalpha(static_cast<unsigned char>(letter))) {
      word += static_cast<char>(std::tolower(static_cast<unsigned char>(letter)));
    } else {
      if (found()) return true;
      word.clear();
    }
  }
  return found();
}

}  // namespace orbweaver
