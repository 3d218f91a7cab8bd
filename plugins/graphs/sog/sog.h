// The spatial object graph of GraVLM, SOG (IEEE TGRS 2026, DOI 10.1109/TGRS.2026.3671643): objects of an image, how
// close they are, and how they lie to each other. Included once by the plugin and once by its test.
//
// Nodes
//
// - `variant: "instance"` (default): an object is a node.
// - `variant: "class"`: all objects of a label are one node. Its area is their sum; everything else is the mean of its
//   objects weighted by area, so that area times probability is the sum that the released code calls the degree. A
//   label without objects is no node (the released code keeps an empty slot for it).
// - Of more than `max_nodes`, the largest stay (`truncation: "largest"`, default), or those that come first in the
//   detection file ("first", released; then, alone, the order of the file matters).
//
// Adjacency, symmetric, zero on its diagonal, not normalised
//
//   inverse_distance   1 / d, d the distance of two centres; 0 where they coincide                 (released, default)
//   gaussian           exp(-d^2 / (2 scale^2))
//   knn                1 where one is among the other's k nearest, else 0
//
// Between two classes, the first two are sums over all pairs of their objects, as in the released code; knn takes the
// closest pair.
//
// Released form: `units: "pixels"`, `truncation: "first"`, and for the variant "class" `classes` with the labels that
// have a slot. Our default are image sides, for two reasons. Among 20 objects in 255 x 255 pixels all neighbours of a
// node together weigh a sixth of its own self-loop: in pixels the graph is nearly silent. And in pixels an image that
// is enlarged has another graph. In image sides weights lie between 1 and some tens; the graph encoder should bring
// rows to sum 1 before it adds self-loops (gcn: `normalize: "row"`), so that neighbours together weigh as much as the
// node.
//
// Relations (relations.h): the released graph has none, and distances cannot tell left from right. A node sends out at
// most `max_close` + `max_directions` edges, so that a scene of 20 objects has at most 100 of the 760 that its pairs
// could carry, and those between close objects. The bounds, all ratios of the objects' own lengths:
//
// - inside_share 0.8: detectors' boxes are off by about a tenth of a side. An object at the edge of what it lies in,
//   whose box protrudes by a tenth in both directions, still has 0.9 * 0.9 = 0.81 of it inside.
// - overlap_share 0.1: below a tenth of the smaller box, an overlap is the same looseness of two boxes that touch.
// - next_to 1: sizes are compared by the shorter side (a car stands beside a road's width, not its length), two of them
//   by the geometric mean. Within one size, no third object of their kind fits in between.
// - near 3: within three sizes; further apart, other objects usually stand between them.
// - direction_cone 30 degrees to either side of an axis: the remaining third of all directions are diagonals for which
//   neither word is right.
//
// With `groups` a node has, beside these, relations to several objects of one label at once (groups.h): surrounded by,
// surrounds, between. They are off by default, as a cluster of like boxes makes many of them.
//
// Objects are put in an order by content before anything else, and nodes come out in that order, largest first: with
// `truncation: "largest"` the order of a detection file changes nothing, bit for bit.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <iterator>
#include <limits>
#include <map>
#include <set>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "groups.h"
#include "orbweaver/graph_builder.h"
#include "orbweaver/invariance.h"
#include "orbweaver/params.h"
#include "relations.h"

namespace {
namespace sog {

enum class Variant { instance, by_class };
enum class Truncation { largest, first };
enum class Adjacency { inverse_distance, gaussian, knn };
enum class Units { image_sides, pixels };

struct Params : Bounds {
  Variant variant = Variant::instance;
  std::vector<std::string> classes;
  int64_t max_nodes = 20;
  Truncation truncation = Truncation::largest;
  Adjacency adjacency = Adjacency::inverse_distance;
  Units units = Units::image_sides;
  double scale = 0.25;
  int64_t k = 3;
  int64_t max_close = 3, max_directions = 2;
  bool groups = false, positions = true;
  double between_angle = 135;
  std::vector<std::string> attributes;

  static void describe(orbweaver::ParamSpec<Params>& p) {
    p.field("variant", &Params::variant, {{"instance", Variant::instance}, {"class", Variant::by_class}},
            "instance: an object is a node; class: all objects of a label are one");
    p.field("classes", &Params::classes, "Labels of objects that count, others are left out; empty: all");
    p.field("max_nodes", &Params::max_nodes, "Nodes kept").range(1, 512);
    p.field("truncation", &Params::truncation, {{"largest", Truncation::largest}, {"first", Truncation::first}},
            "Which nodes are kept: the largest, or those that come first in the detection file (released)");
    p.field(
        "adjacency", &Params::adjacency,
        {{"inverse_distance", Adjacency::inverse_distance}, {"gaussian", Adjacency::gaussian}, {"knn", Adjacency::knn}},
        "Weight of an edge: 1 / distance, exp(-distance^2 / (2 scale^2)), or 1 between the k nearest");
    p.field("units", &Params::units, {{"image_sides", Units::image_sides}, {"pixels", Units::pixels}},
            "Unit of distances in the adjacency; pixels: released");
    p.field("scale", &Params::scale, "Standard deviation of adjacency gaussian, in `units`").range(1e-3, 1e5);
    p.field("k", &Params::k, "Nearest nodes of adjacency knn").range(1, 511);
    p.field("inside_share", &Params::inside_share, "Share of a box within another that makes it \"in\" it")
        .range(0.01, 1);
    p.field("overlap_share", &Params::overlap_share,
            "Share of the smaller box in common that makes two boxes \"overlapping\"")
        .range(0, 1);
    p.field("next_to", &Params::next_to,
            "Widest gap of \"next to\", in sizes: the geometric mean of the shorter sides of the two boxes")
        .range(0, 1000);
    p.field("near", &Params::near, "Widest gap of \"near\", in sizes").range(0, 1000);
    p.field("direction_cone", &Params::direction_cone,
            "Most degrees from the axis of \"left of\", \"right of\", \"above\" and \"below\"")
        .range(0, 45);
    p.field("max_close", &Params::max_close,
            "Most edges that leave a node for in, contains, overlapping, next to and near, the closest first")
        .range(0, 511);
    p.field("max_directions", &Params::max_directions,
            "Most edges that leave a node for left of, right of, above and below, the closest first")
        .range(0, 511);
    p.field("groups", &Params::groups,
            "Also relations to several objects of a label at once: surrounded by, surrounds, between; not for the "
            "variant class");
    p.field("between_angle", &Params::between_angle,
            "groups: least degrees between the directions of the two that an object lies between")
        .range(90, 180);
    p.field("positions", &Params::positions,
            "false: x and y of the features are 0. With max_close and max_directions 0 the graph is then a bag of "
            "objects, the control that tells what relations are worth beside labels");
    p.field("attributes", &Params::attributes,
            "Attributes of objects that become node features, in this order; 0 where an object lacks one");
  }
};

/// All objects of a label as one node.
inline Node combined(const std::vector<Node>& objects) {
  Node sum = objects.front();
  sum.x = sum.y = sum.width = sum.height = sum.sine = sum.cosine = sum.area = sum.probability = 0;
  std::fill(sum.attributes.begin(), sum.attributes.end(), 0.0);
  for (const Node& object : objects) sum.area += object.area;
  for (const Node& object : objects) {
    const double share = sum.area > 0 ? object.area / sum.area : 1 / static_cast<double>(objects.size());
    sum.x += share * object.x;
    sum.y += share * object.y;
    sum.width += share * object.width;
    sum.height += share * object.height;
    sum.sine += share * object.sine;
    sum.cosine += share * object.cosine;
    sum.probability += share * object.probability;
    for (size_t i = 0; i < sum.attributes.size(); ++i) sum.attributes[i] += share * object.attributes[i];
  }
  return sum;
}

/// Scene -> graph.
///
/// features [N, 8 + A], as in plugins/shared/object_nodes.h: centre x, y; width, height; sine, cosine of twice the
/// angle; area; probability; the A attributes. Labels go to `labels`.
/// A scene without objects gives a graph without nodes.
///
/// @throws InputError on parameters that contradict each other and on an object with a number that is not finite;
///         ShapeError on objects in a scene without size.
class SpatialObjectGraph final : public orbweaver::GraphBuilder, public orbweaver::DeclaresInvariances {
 public:
  using Params = sog::Params;

  explicit SpatialObjectGraph(Params params) : params_(std::move(params)) {
    object_nodes::check_distinct("sog", "attributes", params_.attributes);
    object_nodes::check_distinct("sog", "classes", params_.classes);
    if (params_.near < params_.next_to)
      throw orbweaver::InputError(
          "graph_builder sog: near is less than next_to; what is next to something is near it too, so give a larger "
          "near");
    if (params_.groups && params_.variant == Variant::by_class)
      throw orbweaver::InputError(
          "graph_builder sog: groups is true with the variant class, whose nodes are groups already; leave one out");
  }

  int64_t feature_width() const override { return object_nodes::feature_width(params_.attributes); }

  orbweaver::Invariances invariances() const override {
    using Extent = orbweaver::Invariances::Extent;
    return {.object_order = params_.truncation == Truncation::largest,
            .scale = params_.units == Units::image_sides ? Extent::graph : Extent::nothing,
            .quarter_turns = Extent::structure};
  }

  orbweaver::Graph build(const orbweaver::Scene& scene) const override {
    if (scene.objects.empty()) return object_nodes::to_graph({}, params_.attributes);
    const Content content = content_of(wanted(object_nodes::read("sog", scene, params_.attributes)));
    orbweaver::Graph graph = object_nodes::to_graph(content.nodes, params_.attributes);
    const double unit = params_.units == Units::pixels ? 1 / object_nodes::image_side("sog", scene) : 1;
    fill_adjacency(content, unit, graph.adjacency);
    if (!params_.positions)
      for (int64_t i = 0; i < graph.size(); ++i) graph.features(i, 0) = graph.features(i, 1) = 0;
    if (params_.max_close == 0 && params_.max_directions == 0 && !params_.groups) return graph;
    Pairs pairs = pairs_of(content);
    graph.relations = choose_relations(pairs, size(params_.max_close), size(params_.max_directions));
    if (params_.groups) {
      std::vector<orbweaver::Relation> more = group_relations(content.nodes, pairs, params_.between_angle);
      std::move(more.begin(), more.end(), std::back_inserter(graph.relations));
    }
    return graph;
  }

 private:
  /// The objects of a node, in order of content.
  using Group = std::vector<Node>;

  /// The nodes, in order of content, and the objects of each; the variant instance has no groups, a node is its object.
  struct Content {
    std::vector<Node> nodes;
    std::vector<Group> groups;

    std::span<const Node> objects_of(size_t node) const {
      return groups.empty() ? std::span(nodes).subspan(node, 1) : std::span<const Node>(groups[node]);
    }
  };

  static size_t size(int64_t value) { return static_cast<size_t>(value); }

  std::vector<Node> wanted(std::vector<Node> nodes) const {
    if (params_.classes.empty()) return nodes;
    const std::set<std::string_view> classes(params_.classes.begin(), params_.classes.end());
    std::erase_if(nodes, [&](const Node& node) { return !classes.contains(node.label); });
    return nodes;
  }

  /// @param nodes  of the objects, in the order of the detection file.
  Content content_of(std::vector<Node> nodes) const {
    const bool keeps_first = params_.truncation == Truncation::first;
    if (params_.variant == Variant::instance) {
      if (keeps_first) truncate(nodes);
      std::sort(nodes.begin(), nodes.end());
      truncate(nodes);
      return {std::move(nodes), {}};
    }
    std::vector<Group> groups = group(std::move(nodes));
    if (keeps_first) truncate(groups);
    std::vector<std::pair<Node, Group>> keyed;
    for (Group& group : groups) {
      Node key = combined(group);
      keyed.emplace_back(std::move(key), std::move(group));
    }
    std::sort(keyed.begin(), keyed.end(), [](const auto& a, const auto& b) { return a.first < b.first; });
    truncate(keyed);
    Content content;
    for (auto& [node, group] : keyed) {
      content.nodes.push_back(std::move(node));
      content.groups.push_back(std::move(group));
    }
    return content;
  }

  template <class T>
  void truncate(std::vector<T>& list) const {
    if (list.size() > size(params_.max_nodes))
      list.erase(list.begin() + static_cast<std::ptrdiff_t>(params_.max_nodes), list.end());
  }

  /// The objects of each label, the labels in order of first appearance.
  static std::vector<Group> group(std::vector<Node> nodes) {
    std::vector<Group> groups;
    std::map<std::string_view, size_t> group_of;
    for (Node& node : nodes) {
      const auto [found, is_new] = group_of.try_emplace(node.label, groups.size());
      if (is_new) groups.emplace_back();
      groups[found->second].push_back(std::move(node));
    }
    for (Group& group : groups) std::sort(group.begin(), group.end());
    return groups;
  }

  Pairs pairs_of(const Content& content) const {
    return params_.variant == Variant::instance ? pairs_of_objects(content.nodes, params_)
                                                : pairs_of_groups(content.groups, params_);
  }

  /// @param unit  of distances, in image sides.
  void fill_adjacency(const Content& content, double unit, orbweaver::Matrix<float>& matrix) const {
    const auto set = [&](size_t i, size_t j, double weight) {
      const auto row = static_cast<int64_t>(i), col = static_cast<int64_t>(j);
      matrix(row, col) = matrix(col, row) = static_cast<float>(weight);
    };
    const size_t count = content.nodes.size();
    if (params_.adjacency == Adjacency::knn) {
      const orbweaver::Matrix<double> distances = closest_distances(content);
      for (size_t i = 0; i < count; ++i)
        for (const size_t j : nearest(distances, i)) set(i, j, 1);
      return;
    }
    for (size_t i = 0; i < count; ++i)
      for (size_t j = i + 1; j < count; ++j) {
        if (content.groups.empty()) {
          set(i, j, weight_of(squared_distance(content.nodes[i], content.nodes[j]), unit));
          continue;
        }
        double sum = 0;
        for (const Node& a : content.objects_of(i))
          for (const Node& b : content.objects_of(j)) sum += weight_of(squared_distance(a, b), unit);
        set(i, j, sum);
      }
  }

  /// @param squared  distance in image sides, squared.
  double weight_of(double squared, double unit) const {
    if (params_.adjacency == Adjacency::gaussian)
      return std::exp(-squared / (2 * params_.scale * params_.scale * unit * unit));
    // A billionth of a side is a rounding error, and its inverse would drown every other edge.
    constexpr double kCoincident = 1e-9;
    const double distance = std::sqrt(squared);
    return distance < kCoincident ? 0 : unit / distance;
  }

  /// Squared, between the closest objects of each two nodes.
  static orbweaver::Matrix<double> closest_distances(const Content& content) {
    const auto count = static_cast<int64_t>(content.nodes.size());
    orbweaver::Matrix<double> distances(count, count);
    for (int64_t i = 0; i < count; ++i)
      for (int64_t j = i + 1; j < count; ++j) {
        double closest = std::numeric_limits<double>::infinity();
        for (const Node& a : content.objects_of(size(i)))
          for (const Node& b : content.objects_of(size(j))) closest = std::min(closest, squared_distance(a, b));
        distances(i, j) = distances(j, i) = closest;
      }
    return distances;
  }

  /// The k nodes nearest to one; of equally distant ones those that come first.
  std::vector<size_t> nearest(const orbweaver::Matrix<double>& distances, size_t node) const {
    std::vector<size_t> others;
    for (size_t j = 0; j < size(distances.cols()); ++j)
      if (j != node) others.push_back(j);
    const auto distance = [&](size_t j) { return distances(static_cast<int64_t>(node), static_cast<int64_t>(j)); };
    std::stable_sort(others.begin(), others.end(), [&](size_t a, size_t b) { return distance(a) < distance(b); });
    others.resize(std::min(others.size(), size(params_.k)));
    return others;
  }

  Params params_;
};

}  // namespace sog
}  // namespace
