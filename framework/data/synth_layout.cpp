// The themes: what stands where in a synthetic scene on its own.
#include <array>

#include "framework/data/synth_planner.h"

namespace orbweaver::synth {
namespace {

struct Theme {
  std::string_view name;
  std::vector<Ground> grounds;
  int32_t least, most;  ///< millimetres per pixel
  void (*place)(Planner&);
};

void airport(Planner& p) {
  Random& r = p.random();
  const size_t runway = p.band(Surface::runway, 380);
  if (r.chance(0.4)) p.upon(Kind::plane, 1, runway);
  p.scatter(Kind::terminal, 1);
  const auto terminal = p.last();
  if (terminal && r.chance(0.6))
    p.close_to(Kind::plane, r.between(1, 4), *terminal);
  else
    p.row(Kind::plane, r.between(3, 5));
  if (r.chance(0.4)) p.scatter(Kind::truck, r.between(1, 3));
  if (r.chance(0.3)) p.scatter(Kind::building, r.between(1, 2));
}

void heliport(Planner& p) {
  Random& r = p.random();
  p.scatter(Kind::helipad, r.between(1, 4));
  const auto pad = p.last();
  if (pad && r.chance(0.5))
    p.close_to(Kind::helicopter, r.between(1, 2), *pad);
  else
    p.scatter(Kind::helicopter, r.between(1, 4));
  if (r.chance(0.6)) p.scatter(Kind::building, 1);
  if (r.chance(0.5)) p.row(Kind::truck, r.between(3, 4));
  if (r.chance(0.4)) p.scatter(Kind::car, r.between(1, 4));
}

void port(Planner& p) {
  Random& r = p.random();
  const size_t sea = p.sea();
  if (r.chance(0.6)) p.wharves(r.between(1, 3), sea);
  p.upon(Kind::ship, r.between(1, 5), sea);
  if (r.chance(0.5)) p.scatter(Kind::crane, r.between(1, 2));
  if (r.chance(0.7)) p.row(Kind::container, r.between(3, 7));
  if (r.chance(0.5)) p.scatter(Kind::container, r.between(1, 4));
  if (r.chance(0.5)) p.scatter(Kind::building, r.between(1, 2));
  if (r.chance(0.3)) p.scatter(Kind::truck, r.between(1, 3));
}

void residential(Planner& p) {
  Random& r = p.random();
  const size_t road = p.band(Surface::road, 70);
  p.beside(Kind::house, r.between(3, 8), road, r.chance(0.6));
  p.upon(Kind::car, r.between(1, 5), road);
  if (r.chance(0.5)) p.scatter(Kind::swimming_pool, r.between(1, 3));
  if (r.chance(0.4)) p.scatter(Kind::house, r.between(1, 3));
  if (r.chance(0.6)) p.scatter(Kind::tree, r.between(2, 8));
}

void village(Planner& p) {
  Random& r = p.random();
  const size_t road = p.band(Surface::road, 70);
  p.scatter(Kind::church, 1);
  const auto church = p.last();
  if (church && r.chance(0.4)) p.ring(Kind::tree, 12, *church);
  p.beside(Kind::house, r.between(2, 6), road, r.chance(0.5));
  if (r.chance(0.5)) p.upon(r.chance(0.5) ? Kind::bus : Kind::car, r.between(1, 2), road);
  if (r.chance(0.4)) p.scatter(Kind::house, r.between(1, 4));
}

void industrial(Planner& p) {
  Random& r = p.random();
  std::optional<size_t> road;
  if (r.chance(0.6)) road = p.band(Surface::road, 100);
  if (r.chance(0.6))
    p.row(Kind::storage_tank, r.between(3, 5));
  else
    p.scatter(Kind::storage_tank, r.between(2, 6));
  if (r.chance(0.7)) p.scatter(Kind::building, r.between(1, 2));
  if (road) p.upon(Kind::truck, r.between(1, 3), *road);
  if (r.chance(0.4)) p.scatter(Kind::container, r.between(2, 6));
}

void sports_ground(Planner& p) {
  Random& r = p.random();
  static constexpr Kind mains[] = {Kind::football_field, Kind::baseball_field, Kind::playground};
  p.scatter(mains[r.below(3)], 1);
  if (r.chance(0.7)) p.scatter(Kind::tennis_court, r.between(1, 4));
  if (r.chance(0.6)) p.scatter(Kind::basketball_court, r.between(1, 3));
  if (r.chance(0.4)) p.scatter(Kind::building, 1);
  if (r.chance(0.6)) p.scatter(Kind::tree, r.between(2, 7));
}

void parking(Planner& p) {
  Random& r = p.random();
  p.scatter(Kind::building, 1);
  p.row(Kind::car, r.between(4, 9));
  p.row(Kind::car, r.between(3, 7));
  if (r.chance(0.5)) p.row(r.chance(0.5) ? Kind::truck : Kind::bus, r.between(3, 4));
  if (r.chance(0.5)) p.scatter(Kind::tree, r.between(1, 5));
}

void river_valley(Planner& p) {
  Random& r = p.random();
  const size_t river = p.band(Surface::river, static_cast<int32_t>(r.between(190, 320)));
  if (r.chance(0.75)) {
    const size_t road = p.crossing_band(Surface::road, 90, river);
    p.bridge(river, road);
    if (r.chance(0.4)) p.beside(Kind::house, r.between(2, 5), road, true);
  }
  if (r.chance(0.5)) p.upon(Kind::ship, r.between(1, 3), river);
  if (r.chance(0.7))
    p.beside(Kind::tree, r.between(4, 10), river, true);
  else
    p.scatter(Kind::house, r.between(2, 5));
}

void farm(Planner& p) {
  Random& r = p.random();
  if (r.chance(0.5))
    p.pond();
  else
    p.band(Surface::road, 80);
  p.scatter(Kind::house, r.between(1, 4));
  if (r.chance(0.6))
    p.row(Kind::greenhouse, r.between(3, 5));
  else
    p.scatter(Kind::greenhouse, r.between(1, 3));
  if (r.chance(0.4)) p.scatter(Kind::tree, r.between(1, 6));
  if (r.chance(0.3)) p.scatter(Kind::truck, r.between(1, 2));
}

void beach(Planner& p) {
  Random& r = p.random();
  const size_t sea = p.sea();
  if (r.chance(0.6)) p.upon(Kind::ship, r.between(1, 3), sea);
  p.scatter(Kind::tree, r.between(2, 9));
  if (r.chance(0.5)) p.scatter(Kind::house, r.between(1, 4));
  if (r.chance(0.3)) p.scatter(Kind::swimming_pool, r.between(1, 2));
}

void park(Planner& p) {
  Random& r = p.random();
  const size_t pond = p.pond();
  if (r.chance(0.6))
    p.ring(Kind::tree, r.between(12, 15), p.region_box(pond));
  else
    p.scatter(Kind::tree, r.between(3, 10));
  if (r.chance(0.5)) p.scatter(Kind::building, 1);
  if (r.chance(0.4)) p.scatter(Kind::tennis_court, r.between(1, 2));
}

void school(Planner& p) {
  Random& r = p.random();
  p.scatter(r.chance(0.5) ? Kind::playground : Kind::football_field, 1);
  p.scatter(Kind::building, r.between(1, 3));
  if (r.chance(0.6)) p.row(Kind::basketball_court, 3);
  if (r.chance(0.5)) p.row(Kind::bus, r.between(3, 5));
  if (r.chance(0.4)) p.scatter(Kind::tennis_court, r.between(1, 2));
}

void desert(Planner& p) {
  Random& r = p.random();
  const size_t road = p.band(Surface::road, 90);
  p.upon(r.chance(0.5) ? Kind::truck : Kind::bus, r.between(1, 4), road);
  if (r.chance(0.5))
    p.scatter(Kind::house, r.between(1, 3));
  else
    p.scatter(Kind::storage_tank, r.between(1, 4));
  if (r.chance(0.3)) p.scatter(Kind::plane, 1);
}

void railway_station(Planner& p) {
  Random& r = p.random();
  const size_t rails = p.band(Surface::railway, 160);
  if (r.chance(0.7)) p.beside(Kind::building, r.between(1, 2), rails, false);
  p.scatter(Kind::bus, r.between(1, 3));
  if (auto lot = p.parking_lot()) p.upon(Kind::car, r.between(2, 6), *lot);
  if (r.chance(0.4)) p.scatter(Kind::tree, r.between(2, 6));
}

void crossroads(Planner& p) {
  Random& r = p.random();
  const size_t one_road = p.band(Surface::road, 110);
  const size_t other = p.crossing_band(Surface::road, 110, one_road);
  p.roundabout(one_road, other);
  p.upon(Kind::car, r.between(1, 4), one_road);
  if (r.chance(0.5)) p.upon(Kind::bus, r.between(1, 2), other);
  p.scatter(r.chance(0.5) ? Kind::building : Kind::house, r.between(1, 3));
  if (r.chance(0.5)) p.scatter(Kind::tree, r.between(2, 8));
}

const std::vector<Theme>& themes() {
  using enum Ground;
  static const std::vector<Theme> table = {
      {"airport", {meadow, concrete, bare_land}, 950, 1150, airport},
      {"heliport", {concrete, meadow, bare_land}, 380, 480, heliport},
      {"port", {concrete, bare_land}, 700, 900, port},
      {"residential area", {meadow, bare_land}, 420, 540, residential},
      {"village", {meadow, bare_land}, 480, 600, village},
      {"industrial area", {concrete, bare_land, meadow}, 650, 850, industrial},
      {"sports ground", {meadow, bare_land, concrete}, 950, 1200, sports_ground},
      {"parking lot", {concrete}, 300, 380, parking},
      {"river valley", {meadow, bare_land}, 550, 700, river_valley},
      {"farm", {farmland, meadow}, 600, 800, farm},
      {"beach", {sand}, 500, 650, beach},
      {"park", {meadow}, 550, 700, park},
      {"school", {concrete, meadow}, 950, 1150, school},
      {"desert", {sand}, 550, 700, desert},
      {"railway station", {concrete, bare_land, meadow}, 550, 700, railway_station},
      {"crossroads", {meadow, concrete, bare_land}, 550, 700, crossroads},
  };
  return table;
}

}  // namespace

Layout make_layout(Random& random, std::string_view not_this) {
  for (;;) {
    const Theme& theme = themes()[random.below(themes().size())];
    if (theme.name == not_this) continue;
    Planner planner(random, theme.name, theme.grounds, theme.least, theme.most);
    theme.place(planner);
    Layout layout = std::move(planner).take();
    if (layout.groups.size() + layout.regions.size() >= 2 && !layout.groups.empty()) return layout;
  }
}

}  // namespace orbweaver::synth
