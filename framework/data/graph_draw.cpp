#include "framework/data/graph_draw.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cctype>
#include <cmath>
#include <map>
#include <numbers>
#include <numeric>
#include <opencv2/core.hpp>
#include <opencv2/imgproc.hpp>
#include <optional>
#include <set>
#include <utility>

#include "framework/data/detect_draw.h"

namespace orbweaver {
namespace {

constexpr int font = cv::FONT_HERSHEY_SIMPLEX;
constexpr double font_scale = 0.45;
constexpr int row_height = 19;
const cv::Scalar paper(30, 30, 30), ink(235, 235, 235), faint(150, 150, 150), black(0, 0, 0);

cv::Scalar colour_of(const std::string& label) {
  const auto rgb = label_colour(label);
  return {static_cast<double>(rgb[0]), static_cast<double>(rgb[1]), static_cast<double>(rgb[2])};
}

/// The label's colour, pale enough to be read on dark ground whatever its hue.
cv::Scalar pale_colour_of(const std::string& label) { return colour_of(label) * 0.6 + cv::Scalar::all(0.4 * 255); }

/// How large text is; the drawings of one graph hold more of it than those of a match.
struct TextStyle {
  double scale = font_scale;
  int height = row_height;
};
constexpr TextStyle large{0.6, 25};

/// With its margin.
cv::Size text_size(const std::string& text, const TextStyle& style = {}) {
  const cv::Size size = cv::getTextSize(printable(text), font, style.scale, 1, nullptr);
  return {size.width + 8, style.height};
}

void put_text(cv::Mat& canvas, const std::string& text, const cv::Point& corner, const cv::Scalar& colour,
              const TextStyle& style = {}) {
  const int base = static_cast<int>(std::lround(style.height * 0.7));
  cv::putText(canvas, printable(text), corner + cv::Point(4, base), font, style.scale, colour, 1, cv::LINE_AA);
}

cv::Rect centred(const cv::Point2d& centre, const cv::Size& size) {
  return {cv::Point(static_cast<int>(std::lround(centre.x)) - size.width / 2,
                    static_cast<int>(std::lround(centre.y)) - size.height / 2),
          size};
}

/// Words in lines of at most `width` pixels; a longer word stands alone.
std::vector<std::string> wrapped(const std::string& text, int width, const TextStyle& style = {}) {
  std::vector<std::string> lines{""};
  for (size_t begin = 0; begin < text.size();) {
    const size_t end = std::min(text.find(' ', begin), text.size());
    const std::string word = text.substr(begin, end - begin);
    const std::string longer = lines.back().empty() ? word : lines.back() + " " + word;
    if (lines.back().empty() || text_size(longer, style).width <= width)
      lines.back() = longer;
    else
      lines.push_back(word);
    begin = end + 1;
  }
  return lines;
}

/// Relations that say the same from the other end. Those that are their own inverse map to themselves.
const std::map<std::string, std::string>& inverses() {
  static const std::map<std::string, std::string> table = [] {
    std::map<std::string, std::string> both;
    for (const auto& [a, b] :
         std::initializer_list<std::pair<const char*, const char*>>{{"left of", "right of"},
                                                                    {"above", "below"},
                                                                    {"in", "contains"},
                                                                    {"on", "under"},
                                                                    {"surrounded by", "surrounds"},
                                                                    {"near", "near"},
                                                                    {"next to", "next to"},
                                                                    {"overlapping", "overlapping"}})
      both[a] = b, both[b] = a;
    return both;
  }();
  return table;
}

bool is_direction(const std::string& name) {
  return name == "left of" || name == "right of" || name == "above" || name == "below";
}

/// All relations that lead from one node to another.
struct Edge {
  size_t source = 0, target = 0;
  std::vector<std::string> names;
  double strength = 1;    ///< 0..1
  bool symmetric = true;  ///< reads the same from both ends: needs no arrow

  std::string text() const {
    std::string joined;
    for (const std::string& name : names) joined += (joined.empty() ? "" : ", ") + name;
    return joined;
  }
  /// It tells no more than a direction.
  bool is_weak() const { return std::all_of(names.begin(), names.end(), is_direction); }
};

/// The graph's relations, those left out that an earlier one says from the other end.
std::vector<Edge> edges_of_relations(const Graph& graph) {
  std::map<std::pair<size_t, size_t>, size_t> place;
  std::set<std::pair<std::pair<size_t, size_t>, std::string>> said;
  std::vector<Edge> edges;
  for (const Relation& relation : graph.relations) {
    std::pair<size_t, size_t> ends(static_cast<size_t>(relation.source), static_cast<size_t>(relation.target));
    std::string name = relation.name;
    const auto inverse = inverses().find(name);
    const std::pair<size_t, size_t> reversed(ends.second, ends.first);
    if (inverse != inverses().end()) {
      if (said.contains({reversed, inverse->second})) continue;
      // One line for a pair: read it the way that is drawn already.
      if (place.contains(reversed) && !place.contains(ends)) ends = reversed, name = inverse->second;
    }
    if (!said.insert({ends, name}).second) continue;
    if (place.try_emplace(ends, edges.size()).second) edges.push_back({ends.first, ends.second, {}, 1, true});
    Edge& edge = edges[place.at(ends)];
    edge.names.push_back(name);
    edge.symmetric = edge.symmetric && inverse != inverses().end() && inverse->first == inverse->second;
  }
  for (Edge& edge : edges)
    std::stable_partition(edge.names.begin(), edge.names.end(), [](const auto& name) { return !is_direction(name); });
  return edges;
}

std::vector<Edge> edges_of_adjacency(const Graph& graph) {
  double most = 0;
  for (int64_t i = 0; i < graph.size(); ++i)
    for (int64_t j = 0; j < graph.size(); ++j)
      if (i != j) most = std::max(most, std::abs(static_cast<double>(graph.adjacency(i, j))));
  std::vector<Edge> edges;
  for (int64_t i = 0; i < graph.size(); ++i)
    for (int64_t j = i + 1; j < graph.size(); ++j) {
      const double weight = std::max(std::abs(graph.adjacency(i, j)), std::abs(graph.adjacency(j, i)));
      if (weight > 0) edges.push_back({static_cast<size_t>(i), static_cast<size_t>(j), {}, weight / most, true});
    }
  std::sort(edges.begin(), edges.end(), [](const Edge& a, const Edge& b) { return a.strength < b.strength; });
  return edges;
}

std::vector<Edge> edges_of(const Graph& graph) {
  return graph.relations.empty() ? edges_of_adjacency(graph) : edges_of_relations(graph);
}

/// Where names may not be written: on nodes and on other names.
class Room {
 public:
  explicit Room(const cv::Rect& area) : area_(area) {}
  void take(const cv::Rect& rect) { taken_.push_back(rect); }
  bool is_free(const cv::Rect& rect) const {
    if ((rect & area_) != rect) return false;
    return std::none_of(taken_.begin(), taken_.end(), [&](const cv::Rect& other) { return (rect & other).area() > 0; });
  }

 private:
  cv::Rect area_;
  std::vector<cv::Rect> taken_;
};

/// A line with a dark rim, visible on every ground; `opacity` in 0..1.
void draw_line(cv::Mat& canvas, const cv::Point2d& from, const cv::Point2d& to, const cv::Scalar& colour, int thickness,
               double opacity, bool arrow) {
  const cv::Point a(from), b(to);
  if (opacity < 1) {
    const cv::Rect around = (cv::boundingRect(std::vector<cv::Point>{a, b}) + cv::Size(8, 8) - cv::Point(4, 4)) &
                            cv::Rect({0, 0}, canvas.size());
    if (around.empty()) return;
    cv::Mat part = canvas(around), drawn = part.clone();
    cv::line(drawn, a - around.tl(), b - around.tl(), colour, thickness, cv::LINE_AA);
    cv::addWeighted(drawn, opacity, part, 1 - opacity, 0, part);
    return;
  }
  const double length = std::max(1.0, std::hypot(to.x - from.x, to.y - from.y));
  const cv::Point2d along = (to - from) / length, across(-along.y, along.x);
  for (const bool rim : {true, false}) {
    const cv::Scalar& ground = rim ? black : colour;
    cv::line(canvas, a, b, ground, rim ? thickness + 2 : thickness, cv::LINE_AA);
    if (!arrow) continue;
    const double size = rim ? 11 : 9;
    const cv::Point2d tip = rim ? to + along : to;
    const std::vector<cv::Point> head{cv::Point(tip), cv::Point(tip - along * size + across * (size * 0.45)),
                                      cv::Point(tip - along * size - across * (size * 0.45))};
    cv::fillConvexPoly(canvas, head, ground, cv::LINE_AA);
  }
}

/// The name of an edge somewhere along its line, where there is room for it. @return whether there was.
bool write_on_line(cv::Mat& canvas, Room& room, const std::string& text, const cv::Point2d& from, const cv::Point2d& to,
                   const cv::Scalar& colour, const TextStyle& style = {}) {
  const cv::Size size = text_size(text, style);
  for (const double share : {0.5, 0.42, 0.58, 0.34, 0.66, 0.26, 0.74}) {
    const cv::Rect area = centred(from + (to - from) * share, size);
    if (!room.is_free(area)) continue;
    room.take(area);
    cv::rectangle(canvas, area, paper, cv::FILLED);
    put_text(canvas, text, area.tl(), colour, style);
    return true;
  }
  return false;
}

/// A box of this size around the point, or as near to it as nothing else stands.
cv::Rect place_near(const cv::Point2d& centre, const cv::Size& size, Room& room) {
  const cv::Rect at_centre = centred(centre, size);
  cv::Rect area = at_centre;
  for (int ring = 1; ring <= 4 && !room.is_free(area); ++ring)
    for (int turn = 0; turn < 12 && !room.is_free(area); ++turn) {
      const double angle = (turn + 0.5) * std::numbers::pi / 6;
      area = centred(centre + cv::Point2d(std::cos(angle), std::sin(angle)) * (24.0 * ring), size);
    }
  if (!room.is_free(area)) area = at_centre;
  room.take(area);
  return area;
}

/// A label beside, below or above a place, where there is room.
void write_beside(cv::Mat& canvas, Room& room, const std::string& label, const cv::Rect& place,
                  const cv::Scalar& colour, const TextStyle& style = {}) {
  if (label.empty()) return;
  const cv::Size size = text_size(label, style);
  const int middle = place.x + place.width / 2 - size.width / 2;
  for (const cv::Point& corner : {cv::Point(place.x + place.width, place.y), cv::Point(middle, place.y + place.height),
                                  cv::Point(middle, place.y - size.height), cv::Point(place.x - size.width, place.y)}) {
    const cv::Rect area(corner, size);
    if (!room.is_free(area)) continue;
    room.take(area);
    cv::rectangle(canvas, area, black, cv::FILLED);
    put_text(canvas, label, area.tl(), colour, style);
    return;
  }
}

/// A rotated box, with a dark rim where it must stand out.
void outline(cv::Mat& canvas, const Object& box, double factor, const cv::Scalar& colour, int thickness, bool rim) {
  const double c = std::cos(box.angle) * factor / 2, s = std::sin(box.angle) * factor / 2;
  std::vector<std::vector<cv::Point>> corners(1);
  for (const auto& [u, v] : {std::pair(-1, -1), std::pair(1, -1), std::pair(1, 1), std::pair(-1, 1)})
    corners[0].emplace_back(cv::Point2d(box.cx * factor + u * box.width * c - v * box.height * s,
                                        box.cy * factor + u * box.width * s + v * box.height * c));
  if (rim) cv::polylines(canvas, corners, true, black, thickness + 2, cv::LINE_AA);
  cv::polylines(canvas, corners, true, colour, thickness, cv::LINE_AA);
}

Image to_image(const cv::Mat& canvas) {
  Image out{canvas.cols, canvas.rows, {}};
  for (int y = 0; y < canvas.rows; ++y)
    out.pixels.insert(out.pixels.end(), canvas.ptr(y), canvas.ptr(y) + static_cast<size_t>(canvas.cols) * 3);
  return out;
}

/// The list of nodes and relations beside an image.
class Panel {
 public:
  static constexpr int width = 400;
  /// More could not be read.
  static constexpr int64_t most_nodes = 80;

  explicit Panel(const Graph& graph) {
    add(fmt::format("{} nodes, {} relations", graph.size(), graph.relations.size()), ink);
    if (graph.size() > most_nodes) {
      add("too many to list", faint);
      return;
    }
    for (int64_t i = 0; i < graph.size(); ++i) {
      const std::string& label = graph.labels[static_cast<size_t>(i)];
      add(fmt::format("{} {}", i + 1, label), ink, colour_of(label));
    }
    add("", ink);
    for (int64_t i = 0; i < graph.size(); ++i) add_relations(graph, i);
  }

  int height() const { return static_cast<int>(lines_.size()) * row_height + 8; }

  void draw(cv::Mat area) const {
    int y = 4;
    for (const Line& line : lines_) {
      if (line.swatch) cv::rectangle(area, cv::Rect(10, y + 3, 12, 12), *line.swatch, cv::FILLED);
      put_text(area, line.text, {line.swatch ? 26 : line.indent, y}, line.colour);
      y += row_height;
    }
  }

 private:
  struct Line {
    std::string text;
    cv::Scalar colour;
    std::optional<cv::Scalar> swatch;
    int indent = 6;
  };

  void add(const std::string& text, const cv::Scalar& colour, const std::optional<cv::Scalar>& swatch = std::nullopt) {
    for (const std::string& line : wrapped(text, width - 40)) lines_.push_back({line, colour, swatch, 6});
  }

  /// "3 next to 5, 7; left of 8"
  void add_relations(const Graph& graph, int64_t source) {
    std::vector<std::pair<std::string, std::string>> by_name;
    for (const Relation& relation : graph.relations) {
      if (relation.source != source) continue;
      const auto same = [&](const auto& entry) { return entry.first == relation.name; };
      const auto found = std::find_if(by_name.begin(), by_name.end(), same);
      const std::string target = std::to_string(relation.target + 1);
      if (found == by_name.end())
        by_name.emplace_back(relation.name, target);
      else
        found->second += ", " + target;
    }
    if (by_name.empty()) return;
    std::string text;
    for (const auto& [name, targets] : by_name) text += (text.empty() ? "" : "; ") + name + " " + targets;
    bool first = true;
    for (const std::string& line : wrapped(fmt::format("{} {}", source + 1, text), width - 40)) {
      lines_.push_back({line, faint, std::nullopt, first ? 6 : 24});
      first = false;
    }
  }

  std::vector<Line> lines_;
};

/// A graph on its image.
class ImageDrawing {
 public:
  ImageDrawing(const ImageView& image, const Graph& graph, std::span<const Object> boxes)
      : graph_(graph), boxes_(boxes), edges_(edges_of(graph)) {
    const cv::Mat pixels(static_cast<int>(image.height), static_cast<int>(image.width), CV_8UC3,
                         const_cast<uint8_t*>(image.data), static_cast<size_t>(image.stride));
    const double longer = static_cast<double>(std::max(image.width, image.height));
    factor_ = std::clamp(std::max(1.0, wanted_factor()) * longer, 1000.0, 1600.0) / longer;
    cv::resize(pixels, canvas_, {}, factor_, factor_, factor_ > 1 ? cv::INTER_CUBIC : cv::INTER_AREA);
  }

  GraphPicture take() {
    Room room(cv::Rect({0, 0}, canvas_.size()));
    for (const Object& box : boxes_) draw_box(box);
    GraphPicture picture;
    for (const Object& box : boxes_) picture.nodes.push_back({box.cx * factor_, box.cy * factor_});
    std::vector<cv::Rect> numbers;
    for (const GraphPicture::Point& node : picture.nodes)
      numbers.push_back(place_near({node.x, node.y}, number_size(), room));
    draw_edges(picture.nodes, room);
    for (size_t i = 0; i < boxes_.size(); ++i) draw_number(i, {picture.nodes[i].x, picture.nodes[i].y}, numbers[i]);
    if (tells_labels())
      for (size_t i = 0; i < boxes_.size(); ++i)
        write_beside(canvas_, room, graph_.labels[i], numbers[i], pale_colour_of(graph_.labels[i]));
    add_panel();
    picture.image = to_image(canvas_);
    return picture;
  }

 private:
  static cv::Size number_size() { return {26, row_height}; }

  /// At which the numbers of most nodes stand beside each other.
  double wanted_factor() const {
    std::vector<double> gaps;
    for (size_t i = 0; i < boxes_.size(); ++i) {
      double nearest = 1e9;
      for (size_t j = 0; j < boxes_.size(); ++j)
        if (i != j) nearest = std::min(nearest, std::hypot(boxes_[i].cx - boxes_[j].cx, boxes_[i].cy - boxes_[j].cy));
      gaps.push_back(nearest);
    }
    if (gaps.size() < 2) return 1;
    const auto fifth = gaps.begin() + static_cast<std::ptrdiff_t>(gaps.size() / 5);
    std::nth_element(gaps.begin(), fifth, gaps.end());
    return number_size().width * 1.2 / std::max(*fifth, 1.0);
  }

  /// Among few nodes, or where they are of several kinds; else labels would hide more than they tell, and the list has
  /// them.
  bool tells_labels() const {
    return graph_.size() <= 12 || std::set(graph_.labels.begin(), graph_.labels.end()).size() > 3;
  }

  void draw_box(const Object& box) { outline(canvas_, box, factor_, colour_of(box.label), 2, /*rim=*/true); }

  /// The weak ones first, so that they lie under the others; names of the strong ones first, so that they have room.
  void draw_edges(const std::vector<GraphPicture::Point>& nodes, Room& room) {
    const auto ends = [&](const Edge& edge) {
      const cv::Point2d from(nodes[edge.source].x, nodes[edge.source].y),
          to(nodes[edge.target].x, nodes[edge.target].y);
      const double length = std::hypot(to.x - from.x, to.y - from.y), margin = std::min(12.0, length / 3);
      const cv::Point2d along = length > 0 ? (to - from) / length : cv::Point2d();
      return std::pair(from + along * margin, to - along * margin);
    };
    for (const bool weak : {true, false})
      for (const Edge& edge : edges_) {
        if (edge.is_weak() != weak) continue;
        const auto [from, to] = ends(edge);
        const double opacity = graph_.relations.empty() ? 0.15 + 0.75 * edge.strength : 1;
        draw_line(canvas_, from, to, colour(edge), 2, opacity, !edge.symmetric);
      }
    for (const bool weak : {false, true})
      for (const Edge& edge : edges_)
        if (edge.is_weak() == weak && !edge.names.empty()) {
          const auto [from, to] = ends(edge);
          write_on_line(canvas_, room, edge.text(), from, to, text_colour(edge));
        }
  }

  cv::Scalar colour(const Edge& edge) const {
    if (edge.names.empty()) return {255, 255, 255};
    return edge.is_weak() ? cv::Scalar(190, 190, 190) : colour_of(edge.names.front());
  }
  cv::Scalar text_colour(const Edge& edge) const { return edge.is_weak() ? ink : pale_colour_of(edge.names.front()); }

  void draw_number(size_t node, const cv::Point2d& centre, const cv::Rect& area) {
    const std::string number = std::to_string(node + 1);
    const cv::Scalar colour = colour_of(graph_.labels[node]);
    if (!area.contains(cv::Point(centre)))
      draw_line(canvas_, centre, (area.tl() + area.br()) / 2, colour, 1, 1, /*arrow=*/false);
    cv::rectangle(canvas_, area + cv::Size(2, 2) - cv::Point(1, 1), black, cv::FILLED);
    cv::rectangle(canvas_, area, colour, cv::FILLED);
    put_text(canvas_, number, {area.x + (area.width - text_size(number).width) / 2, area.y}, black);
  }

  void add_panel() {
    const Panel panel(graph_);
    const int image_width = canvas_.cols;
    cv::copyMakeBorder(canvas_, canvas_, 0, std::max(0, panel.height() - canvas_.rows), 0, Panel::width,
                       cv::BORDER_CONSTANT, paper);
    panel.draw(canvas_(cv::Rect(image_width, 0, Panel::width, canvas_.rows)));
  }

  const Graph& graph_;
  std::span<const Object> boxes_;
  std::vector<Edge> edges_;
  cv::Mat canvas_;
  double factor_ = 1;
};

/// A graph by itself.
class NodeLinkDrawing {
 public:
  NodeLinkDrawing(const std::string& title, const Graph& graph)
      : graph_(graph), edges_(edges_of(graph)), title_(wrapped(title, width - 40)) {
    for (const std::string& label : graph.labels) {
      const cv::Size text = text_size(label.empty() ? "?" : label);
      sizes_.emplace_back(text.width + 12, text.height + 10);
    }
    place_nodes();
  }

  GraphPicture take() {
    const int top = static_cast<int>(title_.size()) * row_height + 16;
    canvas_ = cv::Mat(top + height_, width, CV_8UC3, paper);
    for (size_t i = 0; i < title_.size(); ++i)
      put_text(canvas_, title_[i], {16, 8 + static_cast<int>(i) * row_height}, ink);
    for (cv::Point2d& place : places_) place.y += top;
    Room room(cv::Rect(0, top, width, height_));
    for (size_t i = 0; i < places_.size(); ++i) room.take(box(i));
    draw_edges(room);
    for (size_t i = 0; i < places_.size(); ++i) draw_node(i);
    if (places_.empty()) put_text(canvas_, "no nodes", {16, top}, faint);
    GraphPicture picture{to_image(canvas_), {}};
    for (const cv::Point2d& place : places_) picture.nodes.push_back({place.x, place.y});
    return picture;
  }

 private:
  static constexpr int width = 1000, margin = 30;

  cv::Rect box(size_t node) const { return centred(places_[node], sizes_[node]); }

  /// Fruchterman and Reingold's layout from a circle in the nodes' order: joined nodes attract and all repel each
  /// other. No chance is in it.
  void place_nodes() {
    const size_t count = graph_.labels.size();
    for (size_t i = 0; i < count; ++i) {
      const double angle = 2 * std::numbers::pi * (static_cast<double>(i) / static_cast<double>(count) - 0.49);
      places_.emplace_back(std::cos(angle), std::sin(angle));
    }
    const double ideal = 1.6 / std::sqrt(static_cast<double>(std::max<size_t>(count, 1)));
    const double reach = 2 * ideal;  // parts that nothing joins stay beside each other
    const int steps = count > 100 ? 60 : 400;
    for (int step = 0; step < steps; ++step) {
      std::vector<cv::Point2d> force(count);
      for (size_t i = 0; i < count; ++i) {
        force[i] -= places_[i] * 0.5;
        for (size_t j = 0; j < count; ++j) {
          const cv::Point2d away = places_[i] - places_[j];
          const double distance = std::max(std::hypot(away.x, away.y), 1e-3);
          if (i != j && distance < reach) force[i] += away * (ideal * ideal / (distance * distance));
        }
      }
      for (const Edge& edge : edges_) {
        const cv::Point2d pull = places_[edge.target] - places_[edge.source];
        const double strength = std::hypot(pull.x, pull.y) / ideal * edge.strength;
        force[edge.source] += pull * strength;
        force[edge.target] -= pull * strength;
      }
      const double longest = 0.1 * (1 - static_cast<double>(step) / steps);
      for (size_t i = 0; i < count; ++i) {
        const double length = std::hypot(force[i].x, force[i].y);
        if (length > 0) places_[i] += force[i] * (std::min(length, longest) / length);
      }
    }
    fit(ideal);
    push_apart();
  }

  /// Lays the layout out in pixels: as wide as its names need, at most as wide as the canvas, and centred.
  void fit(double ideal) {
    int widest = 0;
    for (const cv::Size& size : sizes_) widest = std::max(widest, size.width);
    cv::Point2d low(1e9, 1e9), high(-1e9, -1e9);
    for (const cv::Point2d& p : places_) {
      low = {std::min(low.x, p.x), std::min(low.y, p.y)};
      high = {std::max(high.x, p.x), std::max(high.y, p.y)};
    }
    const cv::Point2d extent = places_.empty() ? cv::Point2d() : high - low, middle = (high + low) / 2;
    const double room_x = width - 2 * margin - widest, room_y = 1200;
    const double scale_x = std::min(280 / ideal, room_x / std::max(extent.x, 1e-6));
    const double scale_y = std::min(150 / ideal, room_y / std::max(extent.y, 1e-6));
    height_ = static_cast<int>(extent.y * scale_y) + 4 * margin;
    for (cv::Point2d& p : places_)
      p = {width / 2.0 + (p.x - middle.x) * scale_x, height_ / 2.0 + (p.y - middle.y) * scale_y};
  }

  /// Until no two boxes touch, as far as the canvas allows.
  void push_apart() {
    for (int round = 0; round < 50; ++round) {
      bool moved = false;
      for (size_t i = 0; i < places_.size(); ++i)
        for (size_t j = i + 1; j < places_.size(); ++j) {
          const double x = (sizes_[i].width + sizes_[j].width) / 2.0 + 20 - std::abs(places_[i].x - places_[j].x);
          const double y = (sizes_[i].height + sizes_[j].height) / 2.0 + 24 - std::abs(places_[i].y - places_[j].y);
          if (x <= 0 || y <= 0) continue;
          const double step = (places_[i].y <= places_[j].y ? -1 : 1) * (y / 2 + 1);
          places_[i].y += step, places_[j].y -= step;
          moved = true;
        }
      const double least = margin, most = height_ - margin;
      for (cv::Point2d& p : places_) p.y = std::clamp(p.y, least, most);
      if (!moved) break;
    }
  }

  /// Where the line from one node's centre towards a point leaves its box.
  cv::Point2d border(size_t node, const cv::Point2d& towards, double more) const {
    const cv::Point2d offset = towards - places_[node];
    const double x = sizes_[node].width / 2.0 + more, y = sizes_[node].height / 2.0 + more;
    const double share = std::min(std::abs(offset.x) > 0 ? x / std::abs(offset.x) : 1e9,
                                  std::abs(offset.y) > 0 ? y / std::abs(offset.y) : 1e9);
    return places_[node] + offset * std::min(share, 1.0);
  }

  void draw_edges(Room& room) {
    std::set<std::pair<size_t, size_t>> drawn;
    for (const Edge& edge : edges_) drawn.emplace(edge.source, edge.target);
    for (const bool names : {false, true})
      for (const Edge& edge : edges_) {
        cv::Point2d from = border(edge.source, places_[edge.target], 1),
                    to = border(edge.target, places_[edge.source], 3);
        if (drawn.contains({edge.target, edge.source})) {
          // Two lines beside each other, each with its own arrow and name.
          const cv::Point2d along = to - from;
          const double length = std::max(1.0, std::hypot(along.x, along.y));
          const cv::Point2d aside(-along.y / length * 11, along.x / length * 11);
          from += aside, to += aside;
        }
        const cv::Scalar colour = edge.names.empty() ? cv::Scalar(255, 255, 255) : colour_of(edge.names.front());
        if (!names)
          draw_line(canvas_, from, to, colour, 1, graph_.relations.empty() ? 0.25 + 0.75 * edge.strength : 1,
                    !edge.symmetric);
        else if (!edge.names.empty())
          write_on_line(canvas_, room, edge.text(), from, to, pale_colour_of(edge.names.front()));
      }
  }

  void draw_node(size_t node) {
    const std::string& label = graph_.labels[node];
    const cv::Rect area = box(node);
    cv::rectangle(canvas_, area, colour_of(label), cv::FILLED);
    cv::rectangle(canvas_, area, black, 1);
    put_text(canvas_, label.empty() ? "?" : label, area.tl() + cv::Point(6, 5), black);
  }

  const Graph& graph_;
  std::vector<Edge> edges_;
  std::vector<std::string> title_;
  std::vector<cv::Size> sizes_;
  std::vector<cv::Point2d> places_;
  cv::Mat canvas_;
  int height_ = 0;
};

/// An image's objects beside a caption's entities.
class MatchDrawing {
 public:
  explicit MatchDrawing(const MatchedGraphs& graphs)
      : graphs_(graphs),
        object_edges_(edges_of(graphs.objects)),
        entity_edges_(edges_of(graphs.entities)),
        match_of_object_(static_cast<size_t>(graphs.objects.size()), none),
        match_of_entity_(static_cast<size_t>(graphs.entities.size()), none) {
    std::erase_if(entity_edges_, [](const Edge& edge) { return edge.source == edge.target; });
    for (size_t m = 0; m < graphs.matches.size(); ++m) {
      match_of_object_.at(static_cast<size_t>(graphs.matches[m].object)) = m;
      match_of_entity_.at(static_cast<size_t>(graphs.matches[m].entity)) = m;
    }
  }

  MatchPicture take() {
    make_left();
    number_matches();
    make_column();
    make_canvas();
    const cv::Rect left({margin, top_}, left_.size());
    left_.copyTo(canvas_(left));
    for (cv::Point2d& centre : centres_) centre += cv::Point2d(left.tl());
    Room room(left);
    place_badges(room);
    draw_outlines(left.tl());
    draw_object_edges(room, /*names=*/false);
    draw_match_lines();
    draw_object_edges(room, /*names=*/true);
    draw_badges(room);
    if (graphs_.objects.size() == 0) note("no objects", left.tl() + cv::Point(10, 10));
    draw_column();
    draw_notes();
    MatchPicture picture{to_image(canvas_), {}};
    for (size_t m = 0; m < graphs_.matches.size(); ++m) {
      const cv::Point2d from = anchor(m), to = row_end(m);
      const cv::Scalar c = colour(m);
      picture.joints.push_back({{from.x, from.y},
                                {to.x, to.y},
                                {static_cast<uint8_t>(c[0]), static_cast<uint8_t>(c[1]), static_cast<uint8_t>(c[2])}});
    }
    return picture;
  }

 private:
  static constexpr size_t none = static_cast<size_t>(-1);
  static constexpr int margin = 16, image_side = 840, gutter = 190, elbow = 84, row_gap = 74, box_height = 34;
  static constexpr TextStyle small{0.5, 21};

  /// Caption's nodes from top to bottom, and arrows of their relations as brackets beside them, in lanes.
  struct Bracket {
    const Edge* edge;
    int from = 0, to = 0;  ///< rows
    int lane = 0;          ///< 0 is next to the boxes
    double from_y = 0, to_y = 0;
    int low() const { return std::min(from, to); }
    int high() const { return std::max(from, to); }
  };

  static std::string shortened(const std::string& label) {
    if (label.empty()) return "?";
    return label.size() <= 26 ? label : label.substr(0, 24) + "..";
  }

  /// Far apart in hue and lightness for the first dozen; more matches than that share colours, not numbers.
  cv::Scalar colour(size_t match) const {
    static const std::array<cv::Scalar, 12> colours{
        cv::Scalar(255, 215, 0),   cv::Scalar(60, 200, 255),  cv::Scalar(255, 110, 110), cv::Scalar(110, 230, 90),
        cv::Scalar(240, 120, 255), cv::Scalar(255, 160, 50),  cv::Scalar(70, 235, 200),  cv::Scalar(160, 150, 255),
        cv::Scalar(210, 240, 90),  cv::Scalar(255, 170, 200), cv::Scalar(200, 160, 110), cv::Scalar(190, 220, 255)};
    return colours[static_cast<size_t>(numbers_[match] - 1) % colours.size()];
  }
  static double strength(const NodeMatch& match) { return std::clamp(match.similarity, 0.0, 1.0); }

  bool objects_have_boxes() const { return graphs_.boxes.size() == static_cast<size_t>(graphs_.objects.size()); }

  /// The image, or the image above its graph where nobody knows where its nodes lie in it.
  void make_left() {
    const ImageView& image = graphs_.image;
    const cv::Mat pixels(static_cast<int>(image.height), static_cast<int>(image.width), CV_8UC3,
                         const_cast<uint8_t*>(image.data), static_cast<size_t>(image.stride));
    const double longer = static_cast<double>(std::max(image.width, image.height));
    factor_ = (objects_have_boxes() ? image_side : image_side / 2) / longer;
    const cv::Size size(std::max(1, static_cast<int>(std::lround(static_cast<double>(image.width) * factor_))),
                        std::max(1, static_cast<int>(std::lround(static_cast<double>(image.height) * factor_))));
    cv::resize(pixels, left_, size, 0, 0, factor_ > 1 ? cv::INTER_CUBIC : cv::INTER_AREA);
    if (objects_have_boxes()) {
      for (const Object& box : graphs_.boxes) centres_.emplace_back(box.cx * factor_, box.cy * factor_);
      return;
    }
    const GraphPicture graph = draw_graph("The image's graph", graphs_.objects);
    cv::Mat both(size.height + static_cast<int>(graph.image.height), static_cast<int>(graph.image.width), CV_8UC3,
                 paper);
    left_.copyTo(both(cv::Rect({0, 0}, size)));
    const cv::Mat drawn(static_cast<int>(graph.image.height), static_cast<int>(graph.image.width), CV_8UC3,
                        const_cast<uint8_t*>(graph.image.pixels.data()));
    drawn.copyTo(both(cv::Rect({0, size.height}, drawn.size())));
    left_ = both;
    // Above the nodes' own boxes, whose labels would be hidden.
    for (const GraphPicture::Point& node : graph.nodes) centres_.emplace_back(node.x, node.y + size.height - 28);
  }

  /// From top to bottom of the image, so that lines to the column cross seldom.
  void number_matches() {
    std::vector<size_t> order(graphs_.matches.size());
    std::iota(order.begin(), order.end(), size_t{0});
    std::stable_sort(order.begin(), order.end(),
                     [&](size_t a, size_t b) { return centres_[object(a)].y < centres_[object(b)].y; });
    numbers_.resize(order.size());
    for (size_t i = 0; i < order.size(); ++i) numbers_[order[i]] = static_cast<int>(i) + 1;
    row_of_entity_.assign(match_of_entity_.size(), 0);
    int row = static_cast<int>(order.size());
    for (size_t e = 0; e < match_of_entity_.size(); ++e)
      row_of_entity_[e] = match_of_entity_[e] == none ? row++ : numbers_[match_of_entity_[e]] - 1;
  }

  size_t object(size_t match) const { return static_cast<size_t>(graphs_.matches[match].object); }
  size_t entity(size_t match) const { return static_cast<size_t>(graphs_.matches[match].entity); }

  std::string entity_text(size_t entity) const {
    const std::string label = shortened(graphs_.entities.labels[entity]);
    const size_t match = match_of_entity_[entity];
    return match == none ? label : fmt::format("{}  {}", numbers_[match], label);
  }

  /// Sizes of the column, and the brackets' lanes: an inner lane for a shorter bracket, one lane for those that share
  /// no row.
  void make_column() {
    box_width_ = 90;
    for (size_t e = 0; e < match_of_entity_.size(); ++e)
      box_width_ = std::max(box_width_, text_size(entity_text(e), large).width + 12);
    for (const Edge& edge : entity_edges_)
      brackets_.push_back({&edge, row_of_entity_[edge.source], row_of_entity_[edge.target]});
    std::stable_sort(brackets_.begin(), brackets_.end(),
                     [](const Bracket& a, const Bracket& b) { return a.high() - a.low() < b.high() - b.low(); });
    for (size_t i = 0; i < brackets_.size(); ++i) {
      Bracket& bracket = brackets_[i];
      const auto meets = [&](const Bracket& other) {
        return other.lane == bracket.lane && other.low() <= bracket.high() && bracket.low() <= other.high();
      };
      const auto before = std::span(brackets_).first(i);
      while (std::any_of(before.begin(), before.end(), meets)) ++bracket.lane;
      const size_t lane = static_cast<size_t>(bracket.lane);
      if (lane_widths_.size() <= lane) lane_widths_.resize(lane + 1, 40);
      lane_widths_[lane] = std::max(lane_widths_[lane], text_size(bracket.edge->text(), small).width + 16);
    }
  }

  int column_x() const { return margin + left_.cols + gutter; }
  double row_y(int row) const { return first_row_ + row * row_gap; }
  int lanes_x() const { return column_x() + box_width_ + 26; }
  double lane_x(int lane) const {
    const auto first = lane_widths_.begin();
    return lanes_x() + std::accumulate(first, first + lane, 0) + lane_widths_[static_cast<size_t>(lane)] / 2.0;
  }

  void make_canvas() {
    const int lanes = std::accumulate(lane_widths_.begin(), lane_widths_.end(), 0);
    const int width = std::max(1100, lanes_x() + lanes + margin);
    caption_ = wrapped(graphs_.caption, width - 2 * margin - 8, large);
    for (const std::string& fact : graphs_.facts)
      for (std::string& line : wrapped(fact, width - 2 * margin - 8, small)) facts_.push_back(std::move(line));
    legend_ = wrapped(
        "Equal numbers and colours: an object of the image and an entity of the caption that match (Hungarian "
        "assignment by the cosine beside the entity); a thick line: much alike; grey: no match. Arrows: relations.",
        width - 2 * margin - 8, small);
    top_ =
        margin + static_cast<int>(caption_.size()) * large.height + static_cast<int>(facts_.size()) * small.height + 10;
    const int rows = static_cast<int>(match_of_entity_.size()) * row_gap;
    const int body = std::max({left_.rows, rows, 60});
    first_row_ = top_ + (body - rows) / 2.0 + row_gap / 2.0;
    bottom_ = top_ + body + 10;
    canvas_ = cv::Mat(bottom_ + static_cast<int>(legend_.size()) * small.height + 8, width, CV_8UC3, paper);
  }

  void place_badges(Room& room) {
    badges_.resize(graphs_.matches.size());
    for (const int number : numbers_in_order()) {
      const size_t match = match_with(number);
      badges_[match] = place_near(centres_[object(match)], {number < 10 ? 22 : 32, 24}, room);
    }
  }
  std::vector<int> numbers_in_order() const {
    std::vector<int> order(numbers_.size());
    std::iota(order.begin(), order.end(), 1);
    return order;
  }
  size_t match_with(int number) const {
    return static_cast<size_t>(std::find(numbers_.begin(), numbers_.end(), number) - numbers_.begin());
  }
  cv::Point2d anchor(size_t match) const { return centre_of(badges_[match]); }
  static cv::Point2d centre_of(const cv::Rect& rect) { return {rect.x + rect.width / 2.0, rect.y + rect.height / 2.0}; }
  /// Where a match's line meets its entity.
  cv::Point2d row_end(size_t match) const {
    return {static_cast<double>(column_x()), row_y(row_of_entity_[entity(match)])};
  }

  void draw_outlines(const cv::Point& origin) {
    if (!objects_have_boxes()) return;
    for (const bool matched : {false, true})
      for (size_t i = 0; i < match_of_object_.size(); ++i) {
        const size_t match = match_of_object_[i];
        if ((match != none) != matched) continue;
        cv::Mat part = canvas_(cv::Rect(origin, left_.size()));
        outline(part, graphs_.boxes[i], factor_, matched ? colour(match) : ink, matched ? 3 : 1, /*rim=*/matched);
      }
  }

  /// Whether an edge between these two objects is drawn.
  bool is_told(size_t a, size_t b) const {
    const size_t from = match_of_object_[a], to = match_of_object_[b];
    if (from == none || to == none) return false;
    return graphs_.matches.size() <= 4 ||
           std::any_of(entity_edges_.begin(), entity_edges_.end(), [&](const Edge& edge) {
             return (edge.source == entity(from) && edge.target == entity(to)) ||
                    (edge.source == entity(to) && edge.target == entity(from));
           });
  }

  /// Where nothing matches, all of them, but without names.
  void draw_object_edges(Room& room, bool names) {
    if (!objects_have_boxes()) return;
    const bool all = graphs_.matches.empty();
    if (all && names) return;
    for (const Edge& edge : object_edges_) {
      if (edge.source == edge.target || (!all && !is_told(edge.source, edge.target))) continue;
      const cv::Point2d from = all ? centres_[edge.source] : anchor(match_of_object_[edge.source]),
                        to = all ? centres_[edge.target] : anchor(match_of_object_[edge.target]);
      const double length = std::hypot(to.x - from.x, to.y - from.y);
      const cv::Point2d along = length > 0 ? (to - from) / length : cv::Point2d();
      const double gap = std::min(20.0, length / 3);
      const double opacity = graphs_.objects.relations.empty() ? 0.25 + 0.7 * edge.strength : 1;
      if (!names)
        draw_line(canvas_, from + along * gap, to - along * gap, ink, all ? 1 : 2, opacity, !edge.symmetric);
      else if (!edge.names.empty())
        write_relation(room, edge.text(), from + along * gap, to - along * gap);
    }
  }

  /// On its line, or beside a line that it would hide.
  void write_relation(Room& room, const std::string& text, const cv::Point2d& from, const cv::Point2d& to) {
    const cv::Size size = text_size(text, small);
    const cv::Point2d line = to - from;
    const double length = std::hypot(line.x, line.y);
    const double hidden = std::min(size.width * length / std::max(std::abs(line.x), 1.0),
                                   size.height * length / std::max(std::abs(line.y), 1.0));
    if (length > hidden + 40)
      write_on_line(canvas_, room, text, from, to, ink, small);
    else
      write_beside(canvas_, room, text, centred((from + to) / 2, {18, size.height}), ink, small);
  }

  void draw_match_lines() {
    for (size_t m = 0; m < graphs_.matches.size(); ++m) {
      const cv::Point2d end = row_end(m);
      const std::vector<cv::Point> corners{anchor(m), end - cv::Point2d(elbow, 0), end};
      const int thickness = 2 + static_cast<int>(std::lround(5 * strength(graphs_.matches[m])));
      const cv::Rect around =
          (cv::boundingRect(corners) + cv::Size(20, 20) - cv::Point(10, 10)) & cv::Rect({0, 0}, canvas_.size());
      cv::Mat part = canvas_(around), drawn = part.clone();
      for (const bool rim : {true, false})
        for (size_t i = 0; i + 1 < corners.size(); ++i)
          cv::line(drawn, corners[i] - around.tl(), corners[i + 1] - around.tl(), rim ? black : colour(m),
                   rim ? thickness + 2 : thickness, cv::LINE_AA);
      const double opacity = 0.55 + 0.45 * strength(graphs_.matches[m]);
      cv::addWeighted(drawn, opacity, part, 1 - opacity, 0, part);
    }
  }

  void draw_badges(Room& room) {
    for (size_t m = 0; m < badges_.size(); ++m) {
      cv::rectangle(canvas_, badges_[m] + cv::Size(2, 2) - cv::Point(1, 1), black, cv::FILLED);
      cv::rectangle(canvas_, badges_[m], colour(m), cv::FILLED);
      put_text(canvas_, std::to_string(numbers_[m]), badges_[m].tl(), black, large);
    }
    if (!objects_have_boxes()) return;
    for (size_t m = 0; m < badges_.size(); ++m)
      write_beside(canvas_, room, shortened(graphs_.objects.labels[object(m)]), badges_[m], colour(m), small);
    if (graphs_.objects.size() > 20) return;  // names of more would hide the image
    for (size_t i = 0; i < match_of_object_.size(); ++i) {
      const std::string label = shortened(graphs_.objects.labels[i]);
      const cv::Rect area = centred(centres_[i], text_size(label));
      if (match_of_object_[i] != none || !room.is_free(area)) continue;
      room.take(area);
      cv::rectangle(canvas_, area, paper, cv::FILLED);
      put_text(canvas_, label, area.tl(), faint);
    }
  }

  void draw_column() {
    if (match_of_entity_.empty()) note("no entities", {column_x(), top_ + 10});
    attach_brackets();
    for (const bool names : {false, true}) draw_brackets(names);
    for (size_t e = 0; e < match_of_entity_.size(); ++e) {
      const size_t match = match_of_entity_[e];
      const double y = row_y(row_of_entity_[e]);
      const cv::Rect box(column_x(), static_cast<int>(y) - box_height / 2, box_width_, box_height);
      cv::rectangle(canvas_, box, match == none ? cv::Scalar(85, 85, 85) : colour(match), cv::FILLED);
      cv::rectangle(canvas_, box, black, 1);
      put_text(canvas_, entity_text(e), box.tl() + cv::Point(6, 5), match == none ? ink : black, large);
      if (match == none) continue;
      const std::string cosine = fmt::format("{:.2f}", graphs_.matches[match].similarity);
      const cv::Size size = text_size(cosine, small);
      const cv::Rect place(column_x() - 16 - size.width, static_cast<int>(y) - size.height / 2, size.width,
                           size.height);
      cv::rectangle(canvas_, place, paper, cv::FILLED);
      put_text(canvas_, cosine, place.tl(), ink, small);
    }
  }

  /// Where brackets leave their boxes: below one another, so ordered that those of one box do not cross.
  void attach_brackets() {
    for (int row = 0; row < static_cast<int>(match_of_entity_.size()); ++row) {
      struct End {
        double* y;
        bool up;
        int lane;
      };
      std::vector<End> ends;
      for (Bracket& bracket : brackets_) {
        if (bracket.from == row) ends.push_back({&bracket.from_y, bracket.to < row, bracket.lane});
        if (bracket.to == row) ends.push_back({&bracket.to_y, bracket.from < row, bracket.lane});
      }
      std::stable_sort(ends.begin(), ends.end(), [](const End& a, const End& b) {
        if (a.up != b.up) return a.up;
        return a.up ? a.lane < b.lane : a.lane > b.lane;
      });
      const double step =
          ends.size() < 2 ? 0 : std::min(14.0, (box_height - 4.0) / static_cast<double>(ends.size() - 1));
      for (size_t i = 0; i < ends.size(); ++i)
        *ends[i].y = row_y(row) + step * (static_cast<double>(i) - (static_cast<double>(ends.size()) - 1) / 2);
    }
  }

  void draw_brackets(bool names) {
    Room room(cv::Rect({0, 0}, canvas_.size()));
    const double right = column_x() + box_width_;
    for (const Bracket& bracket : brackets_)
      for (const double y : {bracket.from_y, bracket.to_y})
        room.take(cv::Rect(static_cast<int>(right), static_cast<int>(y) - 2,
                           static_cast<int>(lane_x(bracket.lane) - right) - 4, 4));
    for (const Bracket& bracket : brackets_) {
      const cv::Point2d start(right, bracket.from_y), end(right + 2, bracket.to_y);
      const cv::Point2d out(lane_x(bracket.lane), bracket.from_y), back(out.x, bracket.to_y);
      const cv::Scalar line_colour = bracket.edge->names.empty() ? faint : pale_colour_of(bracket.edge->names.front());
      if (!names) {
        draw_line(canvas_, start, out, line_colour, 2, 1, false);
        draw_line(canvas_, out, back, line_colour, 2, 1, false);
        draw_line(canvas_, back, end, line_colour, 2, 1, !bracket.edge->symmetric);
        continue;
      }
      const std::string text = bracket.edge->text();
      if (text.empty() || write_on_line(canvas_, room, text, out, back, line_colour, small)) continue;
      const cv::Rect area = centred((out + back) / 2, text_size(text, small));
      cv::rectangle(canvas_, area, paper, cv::FILLED);
      put_text(canvas_, text, area.tl(), line_colour, small);
    }
  }

  void note(const std::string& text, const cv::Point& corner) {
    cv::rectangle(canvas_, cv::Rect(corner, text_size(text, large)), black, cv::FILLED);
    put_text(canvas_, text, corner, ink, large);
  }

  void draw_notes() {
    int y = margin - 6;
    const auto lines = [&](const std::vector<std::string>& texts, const cv::Scalar& colour, const TextStyle& style) {
      for (const std::string& text : texts) {
        put_text(canvas_, text, {margin, y}, colour, style);
        y += style.height;
      }
    };
    lines(caption_, ink, large);
    lines(facts_, cv::Scalar(200, 200, 200), small);
    y = bottom_;
    lines(legend_, faint, small);
  }

  const MatchedGraphs& graphs_;
  std::vector<Edge> object_edges_, entity_edges_;
  std::vector<size_t> match_of_object_, match_of_entity_;
  std::vector<int> numbers_;        // of each match, from 1
  std::vector<int> row_of_entity_;  // from 0
  std::vector<cv::Point2d> centres_;
  std::vector<cv::Rect> badges_;
  std::vector<Bracket> brackets_;
  std::vector<int> lane_widths_;
  std::vector<std::string> caption_, facts_, legend_;
  cv::Mat left_, canvas_;
  double factor_ = 1, first_row_ = 0;
  int box_width_ = 0, top_ = 0, bottom_ = 0;
};

}  // namespace

GraphPicture draw_graph(const ImageView& image, const Graph& graph, std::span<const Object> boxes) {
  return ImageDrawing(image, graph, boxes).take();
}

GraphPicture draw_graph(const std::string& title, const Graph& graph) { return NodeLinkDrawing(title, graph).take(); }

MatchPicture draw_match(const MatchedGraphs& graphs) { return MatchDrawing(graphs).take(); }

std::vector<Object> node_boxes(const std::function<Graph(const Scene&)>& build, const Graph& graph, int64_t width,
                               int64_t height) {
  if (graph.size() == 0) return {};
  const Object known{100, 50, 40, 10, 0.3, 1, graph.labels.front(), {}};
  const std::vector<uint8_t> grey(400 * 100 * 3, 128);
  const Graph probe = build(Scene{400, 100, std::span(&known, 1), {grey.data(), 400, 100, 1200}});
  const std::array<double, 6> expected{0.5, 0.25, 0.2, 0.05, std::sin(0.6), std::cos(0.6)};
  if (probe.size() != 1 || probe.features.cols() < static_cast<int64_t>(expected.size())) return {};
  for (size_t i = 0; i < expected.size(); ++i)
    if (std::abs(probe.features(0, static_cast<int64_t>(i)) - expected[i]) > 1e-5) return {};

  const double side = std::sqrt(static_cast<double>(width) * static_cast<double>(height));
  std::vector<Object> boxes;
  for (int64_t i = 0; i < graph.size(); ++i) {
    const auto feature = [&](int64_t column) { return static_cast<double>(graph.features(i, column)); };
    boxes.push_back({feature(0) * side,
                     feature(1) * side,
                     feature(2) * side,
                     feature(3) * side,
                     std::atan2(feature(4), feature(5)) / 2,
                     1,
                     graph.labels[static_cast<size_t>(i)],
                     {}});
  }
  return boxes;
}

bool is_drawing(const std::filesystem::path& file) {
  std::string extension = file.extension().string();
  for (char& c : extension) c = static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
  return extension == ".png" || extension == ".jpg" || extension == ".jpeg";
}

}  // namespace orbweaver
