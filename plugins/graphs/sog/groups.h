// How an object lies to several others of one label at once: what no relation between two boxes can say, and what
// captions of aerial images say most ("a building surrounded by trees").
//
//   surrounded by   at least three of a label lie next to it or near it, and no half of the directions around it is
//   free
//                   of them; seen from these: surrounds. So a ring that a detector left some members of still is one.
//   between         it sees two of a label under at least `between_angle`. Of several such pairs the two closest count:
//                   three in a row would otherwise say it of all their neighbours.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <map>
#include <numbers>
#include <set>
#include <string_view>
#include <tuple>
#include <utility>
#include <vector>

#include "relations.h"

namespace {
namespace sog {

/// Seen from a node, in radians; `distance` in image sides.
struct Sight {
  size_t node = 0;
  double angle = 0, distance = 0;
};

/// The widest sector without any of them.
inline double widest_free_sector(std::vector<double> angles) {
  std::sort(angles.begin(), angles.end());
  double widest = 2 * std::numbers::pi - (angles.back() - angles.front());
  for (size_t i = 1; i < angles.size(); ++i) widest = std::max(widest, angles[i] - angles[i - 1]);
  return widest;
}

/// Those of `seen` that surround the node, or none.
inline std::vector<size_t> ring_around(size_t node, const std::vector<Sight>& seen, const Pairs& pairs) {
  constexpr size_t kLeast = 3;
  std::vector<size_t> ring;
  std::vector<double> angles;
  for (const Sight& sight : seen) {
    const Name how = pairs(node, sight.node).how;
    if (how != Name::next_to && how != Name::near) continue;
    ring.push_back(sight.node);
    angles.push_back(sight.angle);
  }
  if (ring.size() < kLeast || widest_free_sector(angles) >= std::numbers::pi) ring.clear();
  return ring;
}

/// Those of `seen` that the node lies between. @param least  angle, radians.
inline std::set<size_t> ends_beside(const std::vector<Sight>& seen, double least) {
  constexpr size_t kMostPairs = 2;
  std::vector<std::tuple<double, size_t, size_t>> found;
  for (size_t i = 0; i < seen.size(); ++i)
    for (size_t j = i + 1; j < seen.size(); ++j) {
      const double apart = std::abs(std::remainder(seen[i].angle - seen[j].angle, 2 * std::numbers::pi));
      if (apart >= least) found.emplace_back(seen[i].distance + seen[j].distance, seen[i].node, seen[j].node);
    }
  std::sort(found.begin(), found.end());
  found.resize(std::min(found.size(), kMostPairs));
  std::set<size_t> ends;
  for (const auto& [distance, one, other] : found) ends.insert({one, other});
  return ends;
}

/// @param pairs          of the same nodes.
/// @param between_angle  degrees.
inline std::vector<orbweaver::Relation> group_relations(const std::vector<Node>& nodes, const Pairs& pairs,
                                                        double between_angle) {
  std::vector<orbweaver::Relation> relations;
  const auto add = [&](size_t source, const char* name, size_t target) {
    relations.push_back({static_cast<int64_t>(source), static_cast<int64_t>(target), name});
  };
  for (size_t i = 0; i < nodes.size(); ++i) {
    std::map<std::string_view, std::vector<Sight>> seen;
    for (size_t j = 0; j < nodes.size(); ++j) {
      const double x = nodes[j].x - nodes[i].x, y = nodes[j].y - nodes[i].y, distance = std::hypot(x, y);
      if (j != i && distance > 0) seen[nodes[j].label].push_back({j, std::atan2(y, x), distance});
    }
    for (const auto& [label, sights] : seen) {
      for (const size_t j : ring_around(i, sights, pairs)) {
        add(i, "surrounded by", j);
        add(j, "surrounds", i);
      }
      for (const size_t j : ends_beside(sights, between_angle * std::numbers::pi / 180)) add(i, "between", j);
    }
  }
  return relations;
}

}  // namespace sog
}  // namespace
