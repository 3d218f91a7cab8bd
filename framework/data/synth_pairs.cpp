// Pairs of synthetic scenes that differ in what one ability has to see.
#include <algorithm>
#include <utility>

#include "framework/data/synth_planner.h"

namespace orbweaver::synth {
namespace {

/// What may stand together in a pair's scenes.
struct Family {
  std::string_view theme;
  std::vector<Ground> grounds;
  int32_t least, most;  ///< millimetres per pixel
  std::vector<Kind> references, subjects, extras;
};

const std::vector<Family>& families() {
  using enum Ground;
  using enum Kind;
  static const std::vector<Family> table = {
      {"airport", {meadow, concrete, bare_land}, 1300, 1500, {terminal, building}, {plane, truck}, {bus, storage_tank}},
      {"heliport", {concrete, meadow}, 500, 600, {helipad, building}, {helicopter, truck}, {car, house, container}},
      {"residential area", {meadow, bare_land}, 480, 600, {swimming_pool, church, building}, {house, car}, {bus, tree}},
      {"village", {meadow, bare_land}, 520, 650, {church, greenhouse}, {house, truck}, {car, tree, swimming_pool}},
      {"industrial area",
       {concrete, bare_land},
       750,
       950,
       {building, crane},
       {storage_tank, truck, container},
       {bus, house}},
      {"sports ground",
       {meadow, bare_land},
       1400,
       1700,
       {football_field, baseball_field},
       {tennis_court, basketball_court},
       {house, building, swimming_pool}},
      {"school",
       {concrete, meadow},
       900,
       1100,
       {building, swimming_pool},
       {basketball_court, tennis_court, bus},
       {house, truck}},
      {"farm", {farmland, meadow}, 650, 850, {greenhouse, building}, {house, truck}, {storage_tank, tree, car}},
      {"desert", {sand}, 700, 900, {building, helipad}, {storage_tank, truck, helicopter}, {house, container}},
      {"crossroads", {concrete, meadow}, 550, 700, {church, building}, {bus, truck, house}, {car, tree, tennis_court}},
  };
  return table;
}

/// One group of a pair's cast: what is the same in both scenes.
struct Member {
  Kind kind = Kind::tree;
  std::string_view colour;
  int64_t count = 1;
  int32_t width = 0, height = 0;  ///< units of length
};

struct Cast {
  const Family* family = nullptr;
  Layout stage;  ///< theme, ground, resolution; nothing stands there yet
  std::vector<Member> members;
};

template <class T>
const T& one_of(const std::vector<T>& items, Random& random) {
  return items[random.below(items.size())];
}

Member make_member(Kind kind, int64_t count, const Layout& stage, Random& random) {
  const KindFacts& facts = facts_of(kind);
  Member member{kind, {}, count, stage.length(random.between(facts.least, facts.most)), 0};
  member.height = static_cast<int32_t>(member.width * random.between(facts.narrow, facts.wide) / 1000);
  if (!facts.colours.empty()) member.colour = one_of(facts.colours, random);
  return member;
}

Cast make_cast(Random& random) {
  Cast cast;
  cast.family = &one_of(families(), random);
  Planner planner(random, cast.family->theme, cast.family->grounds, cast.family->least, cast.family->most);
  cast.stage = std::move(planner).take();
  return cast;
}

void add(Cast& cast, Kind kind, int64_t count, Random& random) {
  cast.members.push_back(make_member(kind, count, cast.stage, random));
}

/// Up to `groups` kinds of things that nothing is said of in the key, each of them no kind of the cast yet.
void add_extras(Cast& cast, int64_t groups, Random& random) {
  std::vector<Kind> kinds = cast.family->extras;
  for (const std::vector<Kind>* more : {&cast.family->subjects, &cast.family->references})
    kinds.insert(kinds.end(), more->begin(), more->end());
  std::erase_if(kinds, [&](Kind kind) {
    return std::ranges::any_of(cast.members, [&](const Member& member) { return member.kind == kind; });
  });
  random.shuffle(kinds);
  for (int64_t i = 0; i < std::min(groups, static_cast<int64_t>(kinds.size())); ++i)
    add(cast, kinds[static_cast<size_t>(i)], random.between(1, 3), random);
}

/// A scene in the making: the groups of the cast have the cast's order and colours, and their sizes once they stand.
class Stage {
 public:
  Stage(const Cast& cast, Random& random) : cast_(cast), planner_(random, turned(cast.stage, random)) {
    for (const Member& member : cast.members) planner_.start(member.kind, member.colour);
  }
  Planner& planner() { return planner_; }
  Random& random() { return planner_.random(); }

  /// Places all of a group by trying: wherever `fits`, within `reach` of the centre. Whether it succeeded.
  bool place(size_t group, Point centre, int32_t reach, const std::function<bool(const Box&)>& fits) {
    const Member& member = cast_.members[group];
    for (int64_t i = 0; i < member.count; ++i)
      if (!place_one(group, centre, reach, fits, {})) return false;
    return true;
  }
  bool place_anywhere(size_t group) {
    return place(group, {side / 2, side / 2}, side / 2, [](const Box&) { return true; });
  }
  /// All groups from the given one on, anywhere.
  bool place_rest(size_t from) {
    for (size_t group = from; group < cast_.members.size(); ++group)
      if (!place_anywhere(group)) return false;
    return true;
  }
  bool place_one(size_t group, Point centre, int32_t reach, const std::function<bool(const Box&)>& fits,
                 std::optional<size_t> inside) {
    for (int attempt = 0; attempt < 200; ++attempt) {
      Box box = model(group);
      box.cx = centre.x + static_cast<int32_t>(random().between(-reach, reach));
      box.cy = centre.y + static_cast<int32_t>(random().between(-reach, reach));
      if (!fits(box) || !planner_.free(box, 3 * pixel, false, inside)) continue;
      put(group, box);
      return true;
    }
    return false;
  }
  Box model(size_t group) {
    const Member& member = cast_.members[group];
    return {0, 0, member.width, member.height, planner_.common_angle()};
  }
  int64_t count(size_t group) const { return cast_.members[group].count; }
  void put(size_t group, const Box& box) { groups()[group].boxes.push_back(box); }
  const std::vector<Box>& boxes(size_t group) { return groups()[group].boxes; }
  std::vector<Group>& groups() { return planner_.groups(); }
  Layout take() && { return std::move(planner_).take(); }

 private:
  /// Each scene has its own direction, place and light.
  static Layout turned(Layout layout, Random& random) {
    layout.ground_angle = static_cast<int32_t>(random.below(turn));
    layout.circumstances = draw_circumstances(random);
    return layout;
  }
  const Cast& cast_;
  Planner planner_;
};

/// Tries until `place` succeeds; nothing after so many failures, as casts exist that fit nowhere.
std::optional<Layout> staged(const Cast& cast, Random& random, const std::function<bool(Stage&)>& place) {
  for (int attempt = 0; attempt < 12; ++attempt) {
    Stage stage(cast, random);
    if (place(stage)) return std::move(stage).take();
  }
  return std::nullopt;
}

using Both = std::array<Layout, 2>;

/// Both scenes of a cast, or nothing.
std::optional<Both> staged_both(const Cast& cast, Random& random, const std::function<bool(Stage&)>& first,
                                const std::function<bool(Stage&)>& second) {
  std::optional<Layout> a = staged(cast, random, first);
  std::optional<Layout> b = a ? staged(cast, random, second) : std::nullopt;
  if (!b) return std::nullopt;
  return Both{std::move(*a), std::move(*b)};
}

// ---- relation. Member 0 is the subject, member 1 the reference.

/// The subject and the reference alone.
bool place_two(Stage& stage, Direction direction) {
  if (!stage.place_anywhere(1)) return false;
  const std::vector<Box> objects = stage.boxes(1);
  const int32_t reach = 34 * pixel + std::max(objects[0].width, objects[0].height);
  return stage.place(0, objects[0].centre(), reach, [&](const Box& box) {
    return all_lie({&box, 1}, direction, objects);
  });
}

bool place_direction(Stage& stage, Direction direction) { return place_two(stage, direction) && stage.place_rest(2); }

Point middle_of(const std::vector<Box>& boxes) {
  int64_t x = 0, y = 0;
  for (const Box& box : boxes) x += box.cx, y += box.cy;
  const auto count = static_cast<int64_t>(boxes.size());
  return {static_cast<int32_t>(x / count), static_cast<int32_t>(y / count)};
}

/// Where a direction points to.
Point step_of(Direction direction) {
  static constexpr Point steps[] = {{-1, 0}, {1, 0}, {0, -1}, {0, 1}};
  return steps[static_cast<size_t>(direction)];
}

/// How far a group stands from its place in the other scene, towards `a` and away from `b`.
int64_t shift(const std::vector<Box>& here, const std::vector<Box>& there, Direction a, Direction b) {
  const Point p = middle_of(here), q = middle_of(there), to = step_of(a), from = step_of(b);
  return int64_t{p.x - q.x} * (to.x - from.x) + int64_t{p.y - q.y} * (to.y - from.y);
}

bool place_around(Stage& stage) {
  if (!stage.place_anywhere(1)) return false;
  const Box target = stage.boxes(1)[0];
  Box model = stage.model(0);
  const int32_t away = model.width / 2 + 6 * pixel;
  const auto count = static_cast<int32_t>(stage.count(0));
  for (int32_t i = 0; i < count; ++i) {
    const int32_t angle = turn * i / count;
    const Box box = model.moved_to(target.global(
        {(target.width / 2 + away) * cosine(angle) / one, (target.height / 2 + away) * sine(angle) / one}));
    if (!stage.planner().free(box, pixel)) return false;
    stage.put(0, box);
  }
  return surround(stage.boxes(0), target) && stage.place_rest(2);
}

bool place_between(Stage& stage) {
  if (!stage.place_anywhere(1)) return false;
  const std::vector<Box> objects = stage.boxes(1);
  const Point centre{(objects[0].cx + objects[1].cx) / 2, (objects[0].cy + objects[1].cy) / 2};
  return stage.place(0, centre, 40 * pixel, [&](const Box& box) { return between(box, objects); }) &&
         stage.place_rest(2);
}

/// On a road or in a parking lot that both scenes have, or next to it.
bool place_at_region(Stage& stage, const Region& region, bool inside) {
  stage.planner().add_region(region.surface, region.box);
  const Box& ground = region.box;
  if (inside) {
    stage.groups()[0].region = 0;
    for (int64_t i = 0; i < stage.count(0); ++i) {
      bool placed = false;
      for (int attempt = 0; attempt < 200 && !placed; ++attempt) {
        Box box = stage.model(0);
        const bool lot = region.surface == Surface::parking_lot;
        const int32_t lane = lot ? 250 : 240;
        box = box.moved_to(ground.at(static_cast<int32_t>(stage.random().between(-440, 440)),
                                     stage.random().chance(0.5) ? lane : -lane));
        box.angle = ground.angle + (lot ? turn / 4 : 0) + (stage.random().chance(0.5) ? turn / 2 : 0);
        placed = stage.planner().free(box, 2 * pixel, false, 0);
        if (placed) stage.put(0, box);
      }
      if (!placed) return false;
    }
    return stage.place_rest(1);
  }
  const auto beside = [&](const Box& box) {
    const int32_t distance = gap(box, ground);
    return distance > 4 * pixel && distance <= next_to_gap;
  };
  return stage.place(0, {side / 2, side / 2}, side / 2, beside) && stage.place_rest(1);
}

std::string between_names(std::string_view a, std::string_view b) { return std::string(a) + " / " + std::string(b); }

struct Directions {
  Direction a, b;
};

std::optional<Pair> direction_pair(Directions directions, int64_t count, bool against_subject, Random& random) {
  Cast cast = make_cast(random);
  add(cast, one_of(cast.family->subjects, random), count, random);
  add(cast, one_of(cast.family->references, random), 1, random);
  add_extras(cast, random.between(0, 3), random);
  // What lies left of something lies more to the left in the picture too, as a rule. Here the subject does not in one
  // half of the pairs, and the reference stands not more to the right in the other: where in the picture either stands
  // says nothing of the relation, and only both together do.
  std::optional<Layout> a = staged(cast, random, [&](Stage& stage) { return place_direction(stage, directions.a); });
  if (!a) return std::nullopt;
  std::optional<Layout> b;
  for (int attempt = 0; attempt < 10 && !b; ++attempt)
    b = staged(cast, random, [&](Stage& stage) {
      if (!place_two(stage, directions.b)) return false;
      const auto moved = [&](size_t group) {
        return shift(a->groups[group].boxes, stage.boxes(group), directions.a, directions.b);
      };
      return (against_subject ? moved(0) < 0 : moved(1) > 0) && stage.place_rest(2);
    });
  if (!b) return std::nullopt;
  return Pair{between_names(name_of(directions.a), name_of(directions.b)),
              count,
              {std::move(*a), std::move(*b)},
              {Key{Key::Form::direction, {0}, 1, directions.a}, Key{Key::Form::direction, {0}, 1, directions.b}}};
}

std::optional<Pair> surround_pair(int64_t count, Random& random) {
  Cast cast = make_cast(random);
  add(cast, Kind::tree, count + 6, random);
  add(cast, one_of(cast.family->references, random), 1, random);
  add_extras(cast, random.between(0, 2), random);
  const auto direction = static_cast<Direction>(random.below(4));
  auto both = staged_both(cast, random, place_around, [&](Stage& stage) { return place_direction(stage, direction); });
  if (!both) return std::nullopt;
  return Pair{"surrounded by / to one side",
              count + 6,
              std::move(*both),
              {Key{Key::Form::surrounded, {0}, 1, {}}, Key{Key::Form::direction, {0}, 1, direction}}};
}

std::optional<Pair> between_pair(int64_t count, Random& random) {
  Cast cast = make_cast(random);
  add(cast, one_of(cast.family->subjects, random), 1 + count % 2, random);
  add(cast, one_of(cast.family->references, random), 2, random);
  add_extras(cast, random.between(0, 2), random);
  const auto direction = static_cast<Direction>(random.below(4));
  auto both = staged_both(cast, random, place_between, [&](Stage& stage) { return place_direction(stage, direction); });
  if (!both) return std::nullopt;
  return Pair{"between / to one side",
              cast.members[0].count,
              std::move(*both),
              {Key{Key::Form::between, {0}, 1, {}}, Key{Key::Form::direction, {0}, 1, direction}}};
}

std::optional<Pair> region_pair(bool lot, int64_t count, Random& random) {
  static const std::vector<Kind> vehicles = {Kind::car, Kind::truck, Kind::bus};
  Cast cast = make_cast(random);
  cast.stage.resolution = static_cast<int32_t>(random.between(430, 560));
  add(cast, one_of(vehicles, random), count, random);
  add_extras(cast, random.between(0, 3), random);
  Planner ground(random, cast.stage);
  const std::optional<size_t> made =
      lot ? ground.parking_lot() : std::optional<size_t>(ground.band(Surface::road, 110));
  if (!made) return std::nullopt;
  const Region region = ground.layout().regions[*made];
  auto both = staged_both(
      cast, random, [&](Stage& stage) { return place_at_region(stage, region, true); },
      [&](Stage& stage) { return place_at_region(stage, region, false); });
  if (!both) return std::nullopt;
  return Pair{lot ? "in / next to" : "on / next to",
              count,
              std::move(*both),
              {Key{lot ? Key::Form::in : Key::Form::on, {0}, 0, {}}, Key{Key::Form::next_to, {0}, 0, {}}}};
}

std::optional<Pair> relation_pair(int64_t ordinal, Random& random) {
  using enum Direction;
  const int64_t count = 1 + ordinal / 10 % 4;
  const bool against = (ordinal + ordinal / 40) % 2 == 0;  // drawn again with another cast it stays, and so the balance
  switch (ordinal % 10) {
    case 0:
    case 1: return direction_pair({left, right}, count, against, random);
    case 2:
    case 3: return direction_pair({above, below}, count, against, random);
    case 4: return direction_pair({left, random.chance(0.5) ? above : below}, count, against, random);
    case 5: return direction_pair({right, random.chance(0.5) ? above : below}, count, against, random);
    case 6: return region_pair(false, count, random);
    case 7: return region_pair(true, count, random);
    case 8: return surround_pair(count, random);
    default: return between_pair(count, random);
  }
}

// ---- the other abilities

std::optional<Pair> scene_pair(Random& random) {
  Layout a = make_layout(random), b = make_layout(random, a.theme);
  const std::string kind = between_names(a.theme, b.theme);
  return Pair{kind, 0, {std::move(a), std::move(b)}, {}};
}

std::optional<Pair> count_pair(int64_t ordinal, Random& random) {
  const int64_t count = 1 + ordinal % 6;
  const int64_t more = count + 1 + static_cast<int64_t>(random.below(2));
  Cast cast = make_cast(random);
  add(cast, one_of(cast.family->subjects, random), count, random);
  add_extras(cast, random.between(1, 3), random);
  Cast other = cast;
  other.members[0].count = more;
  const auto place = [](Stage& stage) { return stage.place_rest(0); };
  std::optional<Layout> a = staged(cast, random, place), b = staged(other, random, place);
  if (!a || !b) return std::nullopt;
  const Key key{Key::Form::count, {0}, {}, {}};
  return Pair{std::to_string(count) + " / " + std::to_string(more), count, {std::move(*a), std::move(*b)}, {key, key}};
}

std::optional<Pair> attribute_pair(int64_t ordinal, Random& random) {
  Cast cast = make_cast(random);
  std::vector<Kind> kinds = cast.family->subjects;
  kinds.insert(kinds.end(), cast.family->references.begin(), cast.family->references.end());
  random.shuffle(kinds);
  std::vector<std::string_view> shared;
  for (const std::string_view colour : facts_of(kinds[0]).colours)
    if (std::ranges::count(facts_of(kinds[1]).colours, colour)) shared.push_back(colour);
  if (shared.size() < 2) return std::nullopt;
  random.shuffle(shared);
  const int64_t count = 1 + ordinal % 3;
  for (size_t i = 0; i < 2; ++i) {
    add(cast, kinds[i], i == 0 ? count : 1, random);
    cast.members[i].colour = shared[i];
  }
  add_extras(cast, random.between(0, 2), random);
  Cast other = cast;
  std::swap(other.members[0].colour, other.members[1].colour);
  const auto place = [](Stage& stage) { return stage.place_rest(0); };
  std::optional<Layout> a = staged(cast, random, place), b = staged(other, random, place);
  if (!a || !b) return std::nullopt;
  const Key key{Key::Form::colours, {0, 1}, {}, {}};
  return Pair{between_names(shared[0], shared[1]), count, {std::move(*a), std::move(*b)}, {key, key}};
}

std::optional<Pair> distractor_pair(int64_t ordinal, Random& random) {
  Cast cast = make_cast(random);
  const int64_t count = 1 + ordinal % 2;
  std::vector<Kind> kinds = cast.family->extras;
  if (kinds.size() < 2) kinds.insert(kinds.end(), cast.family->subjects.begin(), cast.family->subjects.end());
  random.shuffle(kinds);
  Cast other = cast;
  add(cast, kinds[0], count, random);
  add(cast, kinds[1], count, random);  // keeps the extras clear of both kinds
  add_extras(cast, 3, random);
  for (size_t i = 2; i < cast.members.size(); ++i) cast.members[i].count = random.between(2, 4);
  other.members = cast.members;
  other.members.erase(other.members.begin());
  cast.members.erase(cast.members.begin() + 1);
  const auto place = [](Stage& stage) { return stage.place_rest(0); };
  std::optional<Layout> a = staged(cast, random, place), b = staged(other, random, place);
  if (!a || !b) return std::nullopt;
  const Key key{Key::Form::presence, {0}, {}, {}};
  return Pair{between_names(name_of(kinds[0]), name_of(kinds[1])), count, {std::move(*a), std::move(*b)}, {key, key}};
}

std::optional<Pair> attempt(Ability ability, int64_t ordinal, Random& random) {
  switch (ability) {
    case Ability::scene: return scene_pair(random);
    case Ability::count: return count_pair(ordinal, random);
    case Ability::attribute: return attribute_pair(ordinal, random);
    case Ability::relation: return relation_pair(ordinal, random);
    case Ability::distractor: return distractor_pair(ordinal, random);
  }
  return std::nullopt;
}

}  // namespace

Pair make_pair(Ability ability, int64_t ordinal, Random& random) {
  for (;;)
    if (std::optional<Pair> pair = attempt(ability, ordinal, random)) {
      // Which of the two comes first says nothing.
      if (random.chance(0.5)) {
        std::swap(pair->layouts[0], pair->layouts[1]);
        std::swap(pair->keys[0], pair->keys[1]);
      }
      return std::move(*pair);
    }
}

}  // namespace orbweaver::synth
