// The object graph of GaLR with its denoised representation matrix and enhanced adjacency matrix, DREA (Yuan et al.,
// "Remote Sensing Cross-Modal Text-Image Retrieval Based on Global and Local Information", IEEE TGRS 2022, Eq. 12-18).
// Included once by the plugin and once by its test.
//
// Adjacency, Eq. 12:  d_A = exp(-r^2) (1 - r^2), r the distance of two centres.
//
// - The unit of r is `distance_scale` image sides. The published unit is open; 1 is the plain reading. The equation is
//   negative beyond one unit, and a negative degree would make Eq. 11 NaN: the adjacency is 0 from there on.
// - The diagonal is what the equation gives, d_A(i, i) = 1 (times the enhancement); the A + I of Eq. 11 is the graph
//   encoder's and comes on top of it.
//
// Merging, Eq. 13-16 (`merge`): objects of one label with d_A above `merge_threshold` become one, the closest pair
// first, until no pair qualifies. The merged centre is the mean of the two centres, not weighted, the area the sum, the
// probability the larger one. Width, height, orientation and attributes are left open by the paper: they are means
// weighted by area, so that a node describes the object that fills most of it (orientation as the mean of the sine and
// cosine of twice the angle, which fade where the merged objects disagree).
//
// Enhancement, Eq. 17-18 (`enhance`): d_A' = boost * exp(1 - sqrt(m n)) * d_A, m and n the objects' ranks by area, 1
// the largest. Equal areas share a rank, as the order among them would be chance.
//
// Truncation: the `max_nodes` largest nodes stay, after merging; among equal areas, content decides.
//
// distance_scale. The published s = 0.8 merges within 0.329 units. What remains of two images of DOTA with rotated
// boxes of ships, harbours and vehicles, and the share of node pairs that an edge joins:
//
//   distance_scale        1       0.5        0.35        0.25         0.1        0.05        0.02
//   536 objects      6 100%    19  57%     34  38%     50  19%    173   4%    313   1%    536   0%
//    64 objects      4 100%     9  81%     11  36%     15  32%     31   8%     62   5%     64   1%
//
// With 1, an image of 500 ships becomes six nodes, all joined to all: neither objects nor structure are left. Below
// about 0.4 more remains than max_nodes = 20 keeps, so that objects are dropped rather than merged, and few edges are
// left. The default 0.5 is the finest of these at which every object of both images is part of some node. Where scenes
// hold few objects, a smaller scale merges less; `merge_threshold` alone sets the merging distance without changing the
// edges (0.98 at distance_scale 1 merges within a tenth of a side).
//
// What a node holds and what an image side is: plugins/shared/object_nodes.h.
//
// The graph is a function of the set of objects: they are put in an order by content before anything else, and nodes
// come out in that order, largest first. The order of a detection file therefore changes nothing, bit for bit.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <limits>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "../../shared/object_nodes.h"
#include "orbweaver/graph_builder.h"
#include "orbweaver/invariance.h"
#include "orbweaver/params.h"

namespace {
namespace drea {

using object_nodes::Node;
using object_nodes::squared_distance;

enum class Variant { plain, drea };

struct Params {
  Variant variant = Variant::drea;
  std::optional<bool> merge, enhance;
  double merge_threshold = 0.8;
  double boost = 1.15;
  double distance_scale = 0.5;
  int64_t max_nodes = 20;
  std::vector<std::string> attributes;

  static void describe(orbweaver::ParamSpec<Params>& p) {
    p.field("variant", &Params::variant, {{"plain", Variant::plain}, {"drea", Variant::drea}},
            "plain: Eq. 12 alone (GaLR's l1); drea: objects merged and the adjacency enhanced as well (l2)");
    p.field("merge", &Params::merge, "Whether close objects of one label are merged; null: as `variant` says");
    p.field("enhance", &Params::enhance, "Whether edges of large objects are raised; null: as `variant` says");
    p.field("merge_threshold", &Params::merge_threshold, "s: objects whose d_A is above it merge").range(0, 1);
    p.field("boost", &Params::boost, "Factor of the enhancement").at_least(0);
    p.field("distance_scale", &Params::distance_scale, "Unit of distance in d_A, in image sides").range(0.001, 100);
    p.field("max_nodes", &Params::max_nodes, "Nodes kept, largest area first").range(1, 512);
    p.field("attributes", &Params::attributes,
            "Attributes of objects that become node features, in this order; 0 where an object lacks one");
  }
};

/// Eq. 12 from the squared distance in its own unit, 0 beyond one unit. Decreasing.
inline double closeness(double squared) { return std::max(0.0, std::exp(-squared) * (1 - squared)); }

/// Eq. 14-16.
inline Node merged(const Node& a, const Node& b) {
  const double total = a.area + b.area, share = total > 0 ? a.area / total : 0.5;
  const auto mean = [share](double first, double second) { return share * first + (1 - share) * second; };
  Node node = a;
  node.x = (a.x + b.x) / 2;
  node.y = (a.y + b.y) / 2;
  node.width = mean(a.width, b.width);
  node.height = mean(a.height, b.height);
  node.sine = mean(a.sine, b.sine);
  node.cosine = mean(a.cosine, b.cosine);
  node.area = total;
  node.probability = std::max(a.probability, b.probability);
  for (size_t i = 0; i < a.attributes.size(); ++i) node.attributes[i] = mean(a.attributes[i], b.attributes[i]);
  return node;
}

/// Merges nodes of one label, the closest pair first, while `may_merge(squared distance)` holds for it.
///
/// Each node remembers the nearest of those behind it, so that a merge costs O(n) beside the few rows that it spoils:
/// O(n^2) as a rule instead of O(n^3). Of equally close pairs the one that stands first in `nodes` is taken.
template <class Predicate>
std::vector<Node> merge_closest(std::vector<Node> nodes, Predicate&& may_merge) {
  constexpr double kNone = std::numeric_limits<double>::infinity();
  const size_t count = nodes.size();
  std::vector<size_t> nearest(count);
  std::vector<double> gap(count, kNone);  // to the nearest node behind; none where there is none, or no such node
  std::vector<char> alive(count, true);
  const auto find_nearest = [&](size_t i) {
    gap[i] = kNone;
    for (size_t j = i + 1; j < count; ++j) {
      if (!alive[j]) continue;
      const double distance = squared_distance(nodes[i], nodes[j]);
      if (distance < gap[i]) gap[i] = distance, nearest[i] = j;
    }
  };
  for (size_t i = 0; i < count; ++i) find_nearest(i);

  while (true) {
    const size_t i = static_cast<size_t>(std::min_element(gap.begin(), gap.end()) - gap.begin());
    if (i == count || gap[i] == kNone || !may_merge(gap[i])) break;
    const size_t j = nearest[i];
    nodes[i] = merged(nodes[i], nodes[j]);
    alive[j] = false;
    gap[j] = kNone;
    for (size_t k = 0; k < j; ++k) {
      if (!alive[k]) continue;
      const bool spoilt = k == i || (gap[k] != kNone && (nearest[k] == i || nearest[k] == j));
      if (spoilt) {
        find_nearest(k);
      } else if (k < i) {
        const double distance = squared_distance(nodes[k], nodes[i]);
        if (distance < gap[k] || (distance == gap[k] && i < nearest[k])) gap[k] = distance, nearest[k] = i;
      }
    }
  }

  std::vector<Node> left;
  for (size_t i = 0; i < count; ++i)
    if (alive[i]) left.push_back(std::move(nodes[i]));
  return left;
}

/// Ranks by area of nodes that stand largest first: 1 is the largest, equal areas share the better rank.
inline std::vector<double> area_ranks(const std::vector<Node>& nodes) {
  std::vector<double> ranks(nodes.size());
  for (size_t i = 0; i < nodes.size(); ++i)
    ranks[i] = i > 0 && nodes[i].area == nodes[i - 1].area ? ranks[i - 1] : static_cast<double>(i + 1);
  return ranks;
}

/// Scene -> graph.
///
/// features [N, 8 + A], as in plugins/shared/object_nodes.h: centre x, y; width, height; sine, cosine of twice the
/// angle; area; probability; the A attributes.
/// adjacency [N, N]: symmetric, never negative, not normalised. Labels go to `labels`; there are no relations.
/// A scene without objects gives a graph without nodes.
///
/// @throws InputError on an object with a number that is not finite; ShapeError on objects in a scene without size.
class DreaGraph final : public orbweaver::GraphBuilder, public orbweaver::DeclaresInvariances {
 public:
  using Params = drea::Params;

  explicit DreaGraph(Params params) : params_(std::move(params)) {
    object_nodes::check_distinct("drea", "attributes", params_.attributes);
  }

  int64_t feature_width() const override { return object_nodes::feature_width(params_.attributes); }

  orbweaver::Invariances invariances() const override {
    using Extent = orbweaver::Invariances::Extent;
    return {.object_order = true, .scale = Extent::graph, .quarter_turns = Extent::structure};
  }

  orbweaver::Graph build(const orbweaver::Scene& scene) const override {
    std::vector<Node> nodes = object_nodes::read("drea", scene, params_.attributes);
    std::sort(nodes.begin(), nodes.end());
    if (chosen(params_.merge)) nodes = merge(std::move(nodes));
    if (nodes.size() > static_cast<size_t>(params_.max_nodes)) nodes.resize(static_cast<size_t>(params_.max_nodes));
    orbweaver::Graph graph = object_nodes::to_graph(nodes, params_.attributes);
    fill_adjacency(nodes, graph.adjacency);
    return graph;
  }

 private:
  bool chosen(const std::optional<bool>& part) const { return part.value_or(params_.variant == Variant::drea); }

  double closeness_of(double squared) const {
    return closeness(squared / (params_.distance_scale * params_.distance_scale));
  }

  /// Only nodes of one label merge, so each label is merged by itself. Takes and returns nodes in order of content.
  std::vector<Node> merge(std::vector<Node> nodes) const {
    std::map<std::string_view, std::vector<Node>> by_label;
    for (Node& node : nodes) by_label[node.label].push_back(std::move(node));
    nodes.clear();
    for (auto& [label, group] : by_label) {
      const auto may_merge = [this](double squared) { return closeness_of(squared) > params_.merge_threshold; };
      for (Node& node : merge_closest(std::move(group), may_merge)) nodes.push_back(std::move(node));
    }
    std::sort(nodes.begin(), nodes.end());
    return nodes;
  }

  void fill_adjacency(const std::vector<Node>& nodes, orbweaver::Matrix<float>& matrix) const {
    const int64_t count = matrix.rows();
    const bool enhance = chosen(params_.enhance);
    const std::vector<double> ranks = area_ranks(nodes);
    for (int64_t i = 0; i < count; ++i)
      for (int64_t j = 0; j < count; ++j) {
        const size_t a = static_cast<size_t>(i), b = static_cast<size_t>(j);
        const double factor = enhance ? params_.boost * std::exp(1 - std::sqrt(ranks[a] * ranks[b])) : 1;
        matrix(i, j) = static_cast<float>(factor * closeness_of(squared_distance(nodes[a], nodes[b])));
      }
  }

  Params params_;
};

}  // namespace drea
}  // namespace
