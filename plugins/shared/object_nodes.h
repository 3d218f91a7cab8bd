// Objects of a scene as nodes of a graph: what the builders over rotated boxes share, so that a node means the same in
// every one of them and an ablation that swaps the builder swaps nothing else.
//
// Image side: lengths are divided by the square root of the scene's width times height, in both directions, which is
// the side of a square image and keeps distances and angles of any other (coordinates may then exceed 1 along its
// longer side).
//
// Content order: nodes compare by what they are, largest area first. A builder that sorts its nodes before anything
// else depends on the set of objects and not on the order of a detection file, bit for bit.
#pragma once

#include <cmath>
#include <cstdint>
#include <set>
#include <string>
#include <string_view>
#include <tuple>
#include <vector>

#include "orbweaver/error.h"
#include "orbweaver/scene.h"

namespace {
namespace object_nodes {

/// An object, or several that became one. Lengths in image sides.
struct Node {
  std::string_view label;  ///< the scene's
  double x = 0, y = 0;
  double width = 0, height = 0;  ///< the longer side is the width
  double sine = 0, cosine = 1;   ///< of twice the angle of the longer side
  double area = 0, probability = 0;
  std::vector<double> attributes;

  /// Order by content: the largest first.
  bool operator<(const Node& other) const {
    const auto key = [](const Node& n) {
      return std::tie(n.label, n.x, n.y, n.width, n.height, n.sine, n.cosine, n.probability, n.attributes);
    };
    return area != other.area ? area > other.area : key(*this) < key(other);
  }
};

/// Squared distance of two centres, in image sides.
inline double squared_distance(const Node& a, const Node& b) {
  const double dx = a.x - b.x, dy = a.y - b.y;
  return dx * dx + dy * dy;
}

/// In pixels. @throws ShapeError on a scene without size.
inline double image_side(const std::string& builder, const orbweaver::Scene& scene) {
  if (scene.width <= 0 || scene.height <= 0)
    throw orbweaver::ShapeError("graph_builder " + builder + ": a scene with objects is " +
                                std::to_string(scene.width) + " x " + std::to_string(scene.height) +
                                " pixels, expected a size");
  return std::sqrt(static_cast<double>(scene.width) * static_cast<double>(scene.height));
}

inline double attribute_of(const orbweaver::Object& object, const std::string& name) {
  for (const orbweaver::Attribute& attribute : object.attributes)
    if (attribute.name == name) return attribute.value;
  return 0;
}

/// One object; `side` in pixels. @throws InputError on a number that is not finite.
inline Node read(const std::string& builder, const orbweaver::Object& object, double side,
                 const std::vector<std::string>& attributes) {
  const bool upright = object.width >= object.height;
  // A quarter turn is half a turn of the doubled angle: both signs change.
  const double sign = upright ? 1 : -1;
  Node node{.label = object.label,
            .x = object.cx / side,
            .y = object.cy / side,
            .width = (upright ? object.width : object.height) / side,
            .height = (upright ? object.height : object.width) / side,
            .sine = sign * std::sin(2 * object.angle),
            .cosine = sign * std::cos(2 * object.angle),
            .area = object.width / side * (object.height / side),
            .probability = object.probability,
            .attributes = {}};
  for (const std::string& name : attributes) node.attributes.push_back(attribute_of(object, name));
  double sum = node.x + node.y + node.width + node.height + node.sine + node.cosine + node.area + node.probability;
  for (const double value : node.attributes) sum += value;
  if (!std::isfinite(sum))
    throw orbweaver::InputError("graph_builder " + builder + ": an object \"" + object.label +
                                "\" has a number that is not finite; correct its detection file");
  return node;
}

/// The nodes of a scene's objects, in their order.
///
/// @param builder     id of the graph builder, named in errors.
/// @param attributes  attributes of objects that nodes keep, in this order; 0 where an object lacks one.
/// @throws InputError on an object with a number that is not finite; ShapeError on objects in a scene without size.
inline std::vector<Node> read(const std::string& builder, const orbweaver::Scene& scene,
                              const std::vector<std::string>& attributes) {
  if (scene.objects.empty()) return {};
  const double side = image_side(builder, scene);
  std::vector<Node> nodes;
  nodes.reserve(scene.objects.size());
  for (const orbweaver::Object& object : scene.objects) nodes.push_back(read(builder, object, side, attributes));
  return nodes;
}

/// @throws InputError where `names`, the value of `parameter`, holds a name twice.
inline void check_distinct(const std::string& builder, const std::string& parameter,
                           const std::vector<std::string>& names) {
  std::set<std::string_view> seen;
  for (const std::string& name : names)
    if (!seen.insert(name).second)
      throw orbweaver::InputError("graph_builder " + builder + ": " + parameter + " names \"" + name +
                                  "\" twice; name each once");
}

/// Columns of `to_graph`'s features.
inline int64_t feature_width(const std::vector<std::string>& attributes) {
  return 8 + static_cast<int64_t>(attributes.size());
}

/// Labels and features [N, 8 + A]; the adjacency [N, N] is the caller's to fill.
///
/// Columns: centre x, y; width, height (the longer side first); sine, cosine of twice the angle (a box turned by half a
/// turn is the same box, and so is one with its sides exchanged and turned by a quarter; a square keeps the angle that
/// it was given); area; probability; the A attributes. Lengths in image sides, the area in squared ones.
inline orbweaver::Graph to_graph(const std::vector<Node>& nodes, const std::vector<std::string>& attributes) {
  const int64_t count = static_cast<int64_t>(nodes.size());
  orbweaver::Graph graph{
      orbweaver::Matrix<float>(count, feature_width(attributes)), orbweaver::Matrix<float>(count, count), {}, {}};
  for (int64_t i = 0; i < count; ++i) {
    const Node& node = nodes[static_cast<size_t>(i)];
    const auto set = [&](int64_t f, double value) { graph.features(i, f) = static_cast<float>(value); };
    int64_t f = 0;
    for (const double value :
         {node.x, node.y, node.width, node.height, node.sine, node.cosine, node.area, node.probability})
      set(f++, value);
    for (const double value : node.attributes) set(f++, value);
    graph.labels.emplace_back(node.label);
  }
  return graph;
}

}  // namespace object_nodes
}  // namespace
