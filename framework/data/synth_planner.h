// Places things in a synthetic scene, so that none overlaps another.
#pragma once

#include <functional>

#include "framework/data/synth_scene.h"

namespace orbweaver::synth {

/// Where the scene is and its light. The sun stands in the south on the northern half and shines less steeply towards
/// the poles; shadows follow from that.
Circumstances draw_circumstances(Random& random);

/// Places groups one after the other; every function leaves out what does not fit, so that a group's boxes are what
/// there is, whatever was asked for.
class Planner {
 public:
  /// @param least, most  resolution, millimetres per pixel
  Planner(Random& random, std::string_view theme, std::span<const Ground> grounds, int32_t least, int32_t most);
  /// Goes on with a scene that is there.
  Planner(Random& random, Layout layout) : random_(random), layout_(std::move(layout)) {}

  /// The scene without groups that found no place.
  Layout take() &&;
  const Layout& layout() const { return layout_; }
  std::vector<Group>& groups() { return layout_.groups; }
  Random& random() { return random_; }

  // Regions; the index of what was made.

  /// A straight band from edge to edge. Two bands of one scene cross or stay apart, but never share a direction nearly.
  size_t band(Surface surface, int32_t decimetres);
  /// Across the middle of a band that is there.
  size_t crossing_band(Surface surface, int32_t decimetres, size_t over);
  size_t sea();
  size_t pond();
  /// Somewhere free; none where there is no room.
  std::optional<size_t> parking_lot();
  size_t add_region(Surface surface, const Box& box);

  // Groups. Colour "*": one at random that no group of the kind has; the kind must have one left.

  size_t start(Kind kind, std::string_view colour = "*");
  /// Anywhere on land.
  void scatter(Kind kind, int64_t count) { scatter_into(start(kind), count); }
  void scatter_into(size_t group, int64_t count);
  /// In a straight row; a shorter one where there is no room, none below three.
  void row(Kind kind, int64_t count);
  /// On a road or runway, in its direction; on a parking lot across it; on water freely.
  void upon(Kind kind, int64_t count, size_t region) { upon_into(start(kind), count, region); }
  void upon_into(size_t group, int64_t count, size_t region);
  /// Beside a band, on one side or on both.
  void beside(Kind kind, int64_t count, size_t region, bool both_sides);
  /// In a ring around a box.
  void ring(Kind kind, int64_t count, const Box& target) { ring_into(start(kind), count, target); }
  void ring_into(size_t group, int64_t count, const Box& target);
  /// Next to a box.
  void close_to(Kind kind, int64_t count, const Box& target) { close_into(start(kind), count, target); }
  void close_into(size_t group, int64_t count, const Box& target);
  /// Where `fits` says so, among free places up to `reach` units of length around the centre.
  void where(size_t group, int64_t count, Point centre, int32_t reach, const std::function<bool(const Box&)>& fits);
  /// A bridge over a piece of water where a road meets it.
  void bridge(size_t water, size_t road);
  /// A roundabout where two roads meet.
  void roundabout(size_t one, size_t other);
  /// From the shore into the sea.
  void wharves(int64_t count, size_t sea);

  /// The only box of the last group that was placed, if any was.
  std::optional<Box> last() const;
  const Box& region_box(size_t region) const { return layout_.regions[region].box; }

  /// Whether nothing else stands there, and the ground is land, or the region that the box shall lie in.
  bool free(const Box& box, int32_t margin, bool beside_ponds = false, std::optional<size_t> inside = {}) const;
  /// A box of the group's size at no place yet: the members of a group are as large as its first.
  Box sized(size_t group);
  /// Turned as most things of the scene are, which are built parallel to each other.
  int32_t common_angle() { return layout_.ground_angle + static_cast<int32_t>(random_.below(4)) * turn / 4; }

 private:
  Box chord(int32_t angle, int32_t offset, int32_t width) const;
  /// Where the middle lines of two bands meet.
  Point meeting(const Box& under, const Box& over) const;
  Box somewhere(Box box);
  /// Adds what is proposed where it is free; whether it did.
  bool try_places(size_t group, int attempts, const std::function<Box()>& propose, std::optional<size_t> inside = {});

  Random& random_;
  Layout layout_;
};

}  // namespace orbweaver::synth
