// Inside of the synthetic dataset: a scene as its layout, its painter, its writer of captions and its detector share
// it.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "framework/data/image.h"
#include "framework/data/random.h"
#include "framework/data/synth.h"
#include "framework/data/synth_geometry.h"

namespace orbweaver::synth {

inline constexpr int32_t side = static_cast<int32_t>(synth_size) * pixel;

enum class Kind {
  plane,
  helicopter,
  ship,
  car,
  truck,
  bus,
  building,
  terminal,
  house,
  church,
  storage_tank,
  tree,
  swimming_pool,
  tennis_court,
  basketball_court,
  football_field,
  baseball_field,
  playground,
  container,
  crane,
  greenhouse,
  helipad,
  wharf,
  roundabout,
  bridge
};
inline constexpr size_t kind_count = static_cast<size_t>(Kind::bridge) + 1;

enum class Surface { road, runway, railway, parking_lot, river, sea, pond };
inline constexpr size_t surface_count = static_cast<size_t>(Surface::pond) + 1;
enum class Ground { meadow, bare_land, sand, concrete, farmland };

/// What holds for all objects of a kind. Lengths in decimetres.
struct KindFacts {
  std::vector<std::string_view> names;  ///< the label first, then synonyms that captions use too
  int32_t least, most;                  ///< length
  int32_t narrow, wide;                 ///< width in thousandths of the length
  std::vector<std::string_view> colours;
};
const KindFacts& facts_of(Kind kind);
std::span<const std::string_view> names_of(Surface surface);
inline std::string_view name_of(Kind kind) { return facts_of(kind).names[0]; }
inline std::string_view name_of(Surface surface) { return names_of(surface)[0]; }
std::string_view name_of(Ground ground);
inline bool is_water(Surface surface) { return surface >= Surface::river; }
inline bool is_band(Surface surface) { return surface <= Surface::railway || surface == Surface::river; }

/// A road, a runway, a piece of water, ...
struct Region {
  Surface surface = Surface::road;
  Box box;
};

/// Objects of one kind, colour and size; a scene has no two groups that share kind and colour.
struct Group {
  Kind kind = Kind::tree;
  std::string_view colour;  ///< "" for kinds that have one look
  std::vector<Box> boxes;
  std::optional<size_t> region;  ///< the region that all of them lie on or in, or cross
  bool row = false;              ///< placed in one straight row
};

/// Where a scene is, and its light. Latitude decides from where the sun shines and how long shadows are.
struct Circumstances {
  int32_t latitude = 0, longitude = 0;  ///< in 1/10000 of a degree
  Point shadow;                         ///< of something one metre high, in centimetres right and down
  int32_t haze = 0;                     ///< thousandths
  int32_t brightness = 1000;            ///< thousandths
  int32_t warmth = 0;                   ///< thousandths more red and less blue
  int32_t grain = 3;                    ///< widest deviation of a pixel by noise
};

struct Layout {
  std::string_view theme;  ///< "airport"
  Ground ground = Ground::meadow;
  int32_t ground_angle = 0;  ///< of furrows, slabs and most buildings
  int32_t resolution = 500;  ///< millimetres per pixel
  Circumstances circumstances;
  std::vector<Region> regions;
  std::vector<Group> groups;
  int32_t length(int64_t decimetres) const { return static_cast<int32_t>(decimetres * 100 * pixel / resolution); }
};

/// What can be said of how a group lies to something else, checked in the geometry.
///
/// left of, right of, above, below: each of the ones lies wholly beyond the other's farthest edge, seen along the axis,
/// and at most 4/7 as far across as along (30 degrees). next to: gap above 0 and at most `next_to_gap` for each of the
/// ones. near: at most `near_gap`. on, in: wholly inside. surrounded by: at least six, next to it, and none of the
/// angles between neighbours above 90 degrees, seen from its centre. on both sides of: next to the band, at least one
/// on either side. along: at least three next to the band, over at least 40% of its length. between: on the middle
/// 40% of the line that joins two, and at most a quarter of its length beside it.
inline constexpr int32_t next_to_gap = 16 * pixel, near_gap = 40 * pixel;
enum class Direction { left, right, above, below };
std::string_view name_of(Direction direction);
Direction opposite(Direction direction);
bool lies(const Box& subject, Direction direction, const Box& object);
bool all_lie(std::span<const Box> subjects, Direction direction, std::span<const Box> objects);
bool all_within(std::span<const Box> subjects, const Box& object, int32_t distance);
bool surround(std::span<const Box> subjects, const Box& object);
bool on_both_sides(std::span<const Box> subjects, const Box& band);
bool line_up_along(std::span<const Box> subjects, const Box& band);
bool between(const Box& subject, std::span<const Box> objects);

/// A scene on its own, of a theme drawn at random; of another one than `not_this`.
Layout make_layout(Random& random, std::string_view not_this = {});

/// The fact that a pair of scenes differs in, as it holds for one of them.
struct Key {
  enum class Form {
    theme,
    count,
    colours,
    direction,
    on,
    in,
    next_to,
    surrounded,
    between,
    presence
  } form = Form::theme;
  std::vector<size_t> subjects;  ///< groups
  std::optional<size_t> object;  ///< a group, or for on, in and next_to a region
  Direction direction = Direction::left;
};

/// Two scenes that differ in what one ability has to see.
struct Pair {
  std::string kind;   ///< "left of / right of"
  int64_t count = 0;  ///< of the objects in question, in the first scene
  std::array<Layout, 2> layouts;
  std::array<Key, 2> keys;
};
/// The `ordinal`-th pair of an ability: kinds and counts go round with it, so that they are equally frequent.
Pair make_pair(Ability ability, int64_t ordinal, Random& random);

/// @param random  texture, grain and light: what shows nothing.
Image paint(const Layout& layout, Random& random);

/// Five captions, the first of which states the key.
std::vector<SynthCaption> describe(const Layout& layout, const Key& key, Random& random);

/// All objects and regions as they are.
std::vector<Object> true_objects(const Layout& layout);
/// What a detector would report.
std::vector<Object> detect(const Layout& layout, const SynthNoise& noise, Random& random);

}  // namespace orbweaver::synth
