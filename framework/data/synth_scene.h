// Inside of the synthetic dataset: a scene as its layout, its painter and its writer of captions share it.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "framework/data/image.h"
#include "framework/data/random.h"
#include "framework/data/synth.h"

namespace orbweaver::synth {

struct Point {
  double x = 0, y = 0;
};

/// A rotated box, in pixels and radians clockwise, as in orbweaver::Object.
struct Box {
  double cx = 0, cy = 0, width = 0, height = 0, angle = 0;
  /// A place inside by its fractions from -0.5 to 0.5 along width and height.
  Point at(double u, double v) const;
  std::array<Point, 4> corners() const;
  /// Along the width (x) and across it (y), from the centre, in pixels.
  Point local(Point p) const;
};

struct Extent {
  double left, top, right, bottom;
};
Extent extent_of(const Box& box);
bool overlap(const Box& a, const Box& b, double margin = 0);
bool contains(const Box& outer, const Box& inner, double margin = 0);
/// Distance between the nearest points of two boxes; 0 where they overlap.
double gap(const Box& a, const Box& b);

enum class Kind {
  plane,
  ship,
  car,
  truck,
  building,
  house,
  storage_tank,
  tree,
  swimming_pool,
  tennis_court,
  football_field,
  basketball_court,
  baseball_field,
  container,
  bridge
};
enum class Surface { road, runway, river, sea, pond };
enum class Ground { meadow, bare_land, sand, concrete, farmland };

const char* name_of(Kind kind);
const char* name_of(Surface surface);
inline bool is_water(Surface surface) { return surface >= Surface::river; }

/// A road, a runway or a piece of water.
struct Region {
  Surface surface = Surface::road;
  Box box;
};

/// Objects of one kind and colour; a scene has no two groups that share both.
struct Group {
  Kind kind = Kind::tree;
  std::string colour;  ///< "" for kinds that have one look
  std::vector<Box> boxes;
  std::optional<size_t> region;  ///< the region that all of them lie on or in, or cross
  bool row = false;              ///< placed in one straight row
};

struct Layout {
  std::string theme;  ///< "airport"
  Ground ground = Ground::meadow;
  double ground_angle = 0;  ///< of a field's furrows
  Point sun{1, 1};          ///< where shadows fall
  std::vector<Region> regions;
  std::vector<Group> groups;
};

Layout make_layout(Random& random);
Image paint(const Layout& layout, Random& random);
std::vector<SynthCaption> describe(const Layout& layout, Random& random);

}  // namespace orbweaver::synth
