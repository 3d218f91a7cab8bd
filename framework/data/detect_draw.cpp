#include "framework/data/detect_draw.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <map>
#include <numbers>
#include <opencv2/core.hpp>
#include <opencv2/imgproc.hpp>
#include <string>
#include <utility>
#include <vector>

namespace orbweaver {
namespace {

constexpr int font = cv::FONT_HERSHEY_SIMPLEX;

cv::Scalar colour_of(const std::string& label) {
  const auto rgb = label_colour(label);
  return {static_cast<double>(rgb[0]), static_cast<double>(rgb[1]), static_cast<double>(rgb[2])};
}

class Drawing {
 public:
  Drawing(const ImageView& image, std::span<const Object> objects) : objects_(objects) {
    const cv::Mat pixels(static_cast<int>(image.height), static_cast<int>(image.width), CV_8UC3,
                         const_cast<uint8_t*>(image.data), static_cast<size_t>(image.stride));
    const int longer = std::max(pixels.cols, pixels.rows);
    factor_ = std::clamp((640 + longer - 1) / longer, 1, 64);
    cv::resize(pixels, canvas_, {}, factor_, factor_, factor_ > 1 ? cv::INTER_CUBIC : cv::INTER_AREA);
    unit_ = std::max(1, std::max(canvas_.cols, canvas_.rows) / 1200);
  }

  Image take() {
    std::vector<const Object*> by_size;
    for (const Object& object : objects_) by_size.push_back(&object);
    std::stable_sort(by_size.begin(), by_size.end(),
                     [](const Object* x, const Object* y) { return x->width * x->height > y->width * y->height; });
    for (const Object* object : by_size) {
      draw_box(*object);
      boxes_.push_back(cv::boundingRect(corners(*object)));
    }
    for (const Object* object : by_size) draw_label(*object);
    add_legend();
    Image out{canvas_.cols, canvas_.rows, {}};
    for (int y = 0; y < canvas_.rows; ++y)
      out.pixels.insert(out.pixels.end(), canvas_.ptr(y), canvas_.ptr(y) + static_cast<size_t>(canvas_.cols) * 3);
    return out;
  }

 private:
  cv::Point2d at(const Object& object, double along, double across) const {
    const double c = std::cos(object.angle), s = std::sin(object.angle);
    return {(object.cx + along * c - across * s) * factor_, (object.cy + along * s + across * c) * factor_};
  }

  /// The four corners, clockwise from the first.
  std::vector<cv::Point> corners(const Object& object) const {
    const double w = object.width / 2, h = object.height / 2;
    std::vector<cv::Point> out;
    for (const auto& [along, across] : {std::pair(-w, -h), std::pair(w, -h), std::pair(w, h), std::pair(-w, h)})
      out.emplace_back(at(object, along, across));
    return out;
  }

  void draw_box(const Object& object) {
    const std::vector<std::vector<cv::Point>> outline{corners(object)};
    const cv::Point from(at(object, 0, 0)), to(at(object, std::min(object.width / 4, 6.0 * unit_), 0));
    for (const bool halo : {true, false}) {
      const cv::Scalar colour = halo ? cv::Scalar(0, 0, 0) : colour_of(object.label);
      const int thickness = halo ? unit_ + 2 : unit_;
      cv::polylines(canvas_, outline, true, colour, thickness, cv::LINE_AA);
      cv::line(canvas_, from, to, colour, thickness, cv::LINE_AA);
    }
  }

  /// Above, below or inside its box: the first place where it lies within the image and on no other label. Among many
  /// objects it must not hide one either, and most go without; the legend names them.
  void draw_label(const Object& object) {
    std::string text = printable(object.label);
    if (object.probability < 1) text += fmt::format(" {:.2f}", object.probability);
    const cv::Size size = text_size(text);
    const std::vector<cv::Point> outline = corners(object);
    const auto higher = [](const cv::Point& a, const cv::Point& b) { return a.y < b.y || (a.y == b.y && a.x < b.x); };
    const auto lower = [](const cv::Point& a, const cv::Point& b) { return a.y > b.y || (a.y == b.y && a.x < b.x); };
    const cv::Point top = *std::min_element(outline.begin(), outline.end(), higher);
    const cv::Point bottom = *std::min_element(outline.begin(), outline.end(), lower);
    const std::array<cv::Point, 4> places{cv::Point(top.x, top.y - size.height), bottom,
                                          cv::Point(top.x + unit_, top.y + unit_),
                                          cv::Point(at(object, 0, 0)) - cv::Point(size.width / 2, size.height / 2)};
    for (const cv::Point& place : places) {
      const cv::Rect area(place, size);
      if ((area & cv::Rect({0, 0}, canvas_.size())) != area) continue;
      const auto hidden = [&](const cv::Rect& other) { return (other & area).area() > 0; };
      if (std::any_of(taken_.begin(), taken_.end(), hidden)) continue;
      if (many() && std::any_of(boxes_.begin(), boxes_.end(), hidden)) continue;
      taken_.push_back(area);
      cv::rectangle(canvas_, area, colour_of(object.label), cv::FILLED);
      put(text, place, cv::Scalar(0, 0, 0));
      return;
    }
  }

  bool many() const { return objects_.size() > 40; }

  /// With its margin.
  cv::Size text_size(const std::string& text) const {
    const cv::Size size = cv::getTextSize(text, font, scale(), unit_, nullptr);
    return {size.width + 6 * unit_, size.height + 8 * unit_};
  }
  void put(const std::string& text, const cv::Point& corner, const cv::Scalar& colour) {
    const int height = text_size(text).height;
    cv::putText(canvas_, text, corner + cv::Point(3 * unit_, height - 5 * unit_), font, scale(), colour, unit_,
                cv::LINE_AA);
  }
  double scale() const { return 0.42 * unit_; }

  void add_legend() {
    std::map<std::string, int64_t> counts;
    for (const Object& object : objects_) ++counts[object.label];
    std::vector<std::pair<std::string, int64_t>> entries(counts.begin(), counts.end());
    std::stable_sort(entries.begin(), entries.end(), [](const auto& x, const auto& y) { return x.second > y.second; });
    const int row = text_size("Xg").height, swatch = row;
    // Placed first, so that the strip's height is known.
    std::vector<cv::Point> places;
    cv::Point next(0, canvas_.rows);
    for (const auto& [label, count] : entries) {
      const int width = swatch + text_size(legend_text(label, count)).width;
      if (next.x > 0 && next.x + width > canvas_.cols) next = {0, next.y + row};
      places.push_back(next);
      next.x += width;
    }
    const std::string none = "no objects";
    cv::copyMakeBorder(canvas_, canvas_, 0, next.y + row - canvas_.rows, 0, 0, cv::BORDER_CONSTANT,
                       cv::Scalar::all(30));
    if (entries.empty()) put(none, next, cv::Scalar::all(255));
    for (size_t i = 0; i < entries.size(); ++i) {
      const cv::Rect square(places[i] + cv::Point(2 * unit_, 2 * unit_),
                            cv::Size(swatch, row) - cv::Size(4 * unit_, 4 * unit_));
      cv::rectangle(canvas_, square, colour_of(entries[i].first), cv::FILLED);
      put(legend_text(entries[i].first, entries[i].second), places[i] + cv::Point(swatch, 0), cv::Scalar::all(255));
    }
  }
  static std::string legend_text(const std::string& label, int64_t count) {
    return fmt::format("{} {}", printable(label), count);
  }

  std::span<const Object> objects_;
  cv::Mat canvas_;
  std::vector<cv::Rect> taken_;  ///< by labels
  std::vector<cv::Rect> boxes_;  ///< around the objects
  int factor_ = 1;
  int unit_ = 1;  ///< thickness of a line
};

}  // namespace

std::array<uint8_t, 3> label_colour(const std::string& label) {
  uint32_t hash = 2166136261u;  // FNV-1a
  for (const char c : label) hash = (hash ^ static_cast<uint8_t>(c)) * 16777619u;
  const double hue = std::fmod((hash % 1021) * 0.618034, 1.0) * 6;  // the golden ratio spreads neighbouring numbers
  const double rise = hue - std::floor(hue);
  const std::array<std::array<double, 3>, 6> wheel{
      {{1, rise, 0}, {1 - rise, 1, 0}, {0, 1, rise}, {0, 1 - rise, 1}, {rise, 0, 1}, {1, 0, 1 - rise}}};
  std::array<uint8_t, 3> rgb{};
  for (size_t i = 0; i < 3; ++i)
    rgb[i] = static_cast<uint8_t>(std::lround(60 + 195 * wheel[static_cast<size_t>(hue) % 6][i]));
  return rgb;
}

std::string printable(std::string text) {
  for (char& c : text)
    if (c < 32 || c > 126) c = '?';
  return text;
}

Image draw_objects(const ImageView& image, std::span<const Object> objects) { return Drawing(image, objects).take(); }

}  // namespace orbweaver
