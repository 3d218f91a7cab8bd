// What is true of a synthetic scene, in words.
#include <algorithm>
#include <cmath>
#include <numbers>
#include <set>

#include "framework/data/synth_scene.h"

namespace orbweaver::synth {
namespace {

constexpr double next_to_gap = 18;

std::string count_word(size_t count) {
  static const char* words[] = {"no",    "one",   "two",  "three", "four",   "five",  "six",
                                "seven", "eight", "nine", "ten",   "eleven", "twelve"};
  return count < std::size(words) ? words[count] : std::to_string(count);
}

std::string with_article(const std::string& noun) {
  return (std::string("aeiou").find(noun[0]) == std::string::npos ? "a " : "an ") + noun;
}

/// "two red cars"; a single thing gets its article in a sentence and none in a triple.
struct Phrase {
  std::string text, entity;
  bool plural = false;
  const char* be() const { return plural ? "are" : "is"; }
};

Phrase phrase_of(const Group& group) {
  const std::string noun = (group.colour.empty() ? "" : group.colour + " ") + name_of(group.kind);
  if (group.boxes.size() == 1) return {with_article(noun), noun, false};
  const std::string text = count_word(group.boxes.size()) + " " + noun + "s";
  return {text, text, true};
}

Phrase phrase_of(const Region& region) {
  const std::string noun = name_of(region.surface);
  return {with_article(noun), noun, false};
}

Phrase phrase_of(Ground ground) {
  switch (ground) {
    case Ground::meadow: return {"a green meadow", "green meadow", false};
    case Ground::bare_land: return {"brown bare land", "brown bare land", false};
    case Ground::sand: return {"yellow sand", "yellow sand", false};
    case Ground::concrete: return {"gray concrete", "gray concrete", false};
    case Ground::farmland: return {"a striped field", "striped field", false};
  }
  return {};
}

/// A sentence without its full stop.
struct Statement {
  std::string text;
  std::vector<Triple> triples;
};

Statement relate(const Phrase& subject, const std::string& words, const std::string& relation, const Phrase& object) {
  return {subject.text + " " + subject.be() + " " + words + " " + object.text,
          {{subject.entity, relation, object.entity}}};
}

/// A single thing that others can be related to.
struct Landmark {
  Phrase phrase;
  Box box;
  const Group* group = nullptr;  // null for a region
  size_t region = 0;
};

std::vector<Landmark> landmarks_of(const Layout& layout) {
  std::vector<Landmark> landmarks;
  for (size_t i = 0; i < layout.regions.size(); ++i)
    landmarks.push_back({phrase_of(layout.regions[i]), layout.regions[i].box, nullptr, i});
  for (const Group& group : layout.groups)
    if (group.boxes.size() == 1 && group.kind != Kind::tree)
      landmarks.push_back({phrase_of(group), group.boxes[0], &group, 0});
  return landmarks;
}

bool all_near(const Group& group, const Box& target) {
  return std::all_of(group.boxes.begin(), group.boxes.end(),
                     [&](const Box& box) { return gap(box, target) <= next_to_gap; });
}

/// The largest angle around the target that holds no member, seen from its centre.
double widest_opening(const Group& group, const Box& target) {
  std::vector<double> turns;
  for (const Box& box : group.boxes) {
    const Point p = target.local({box.cx, box.cy});
    turns.push_back(std::atan2(p.y / target.height, p.x / target.width));
  }
  std::sort(turns.begin(), turns.end());
  double widest = turns.front() + 2 * std::numbers::pi - turns.back();
  for (size_t i = 1; i < turns.size(); ++i) widest = std::max(widest, turns[i] - turns[i - 1]);
  return widest;
}

bool surrounds(const Group& group, const Box& target) {
  return group.boxes.size() >= 6 && all_near(group, target) && widest_opening(group, target) < 1.5;
}

/// A band that the group lines for at least 40% of its length.
bool lines_up_along(const Group& group, const Box& band) {
  if (group.boxes.size() < 3 || !all_near(group, band)) return false;
  double low = 1e9, high = -1e9;
  for (const Box& box : group.boxes) {
    const double along = band.local({box.cx, box.cy}).x;
    low = std::min(low, along);
    high = std::max(high, along);
  }
  return high - low >= 0.4 * band.width;
}

bool on_both_sides(const Group& group, const Box& band) {
  const auto side = [&](const Box& box) { return band.local({box.cx, box.cy}).y > 0; };
  const auto one = std::count_if(group.boxes.begin(), group.boxes.end(), side);
  return one > 0 && one < static_cast<std::ptrdiff_t>(group.boxes.size()) && all_near(group, band);
}

/// "left of", "right of", "above", "below", or "" where none holds clearly for every member.
std::string direction(const Group& group, const Box& target) {
  const Extent goal = extent_of(target);
  Extent all{1e9, 1e9, -1e9, -1e9};
  bool horizontal = true, vertical = true;
  for (const Box& box : group.boxes) {
    const Extent extent = extent_of(box);
    all = {std::min(all.left, extent.left), std::min(all.top, extent.top), std::max(all.right, extent.right),
           std::max(all.bottom, extent.bottom)};
    const double dx = std::abs(box.cx - target.cx), dy = std::abs(box.cy - target.cy);
    horizontal = horizontal && dx > 1.3 * dy;
    vertical = vertical && dy > 1.3 * dx;
  }
  if (horizontal && all.right < goal.left) return "left of";
  if (horizontal && all.left > goal.right) return "right of";
  if (vertical && all.bottom < goal.top) return "above";
  if (vertical && all.top > goal.bottom) return "below";
  return {};
}

bool is_band(const Landmark& landmark, const Layout& layout) {
  if (landmark.group) return false;
  const Surface surface = layout.regions[landmark.region].surface;
  return surface == Surface::road || surface == Surface::runway || surface == Surface::river;
}

void relate_to_landmark(const Layout& layout, const Group& group, const Landmark& landmark, Random& random,
                        std::vector<Statement>& out) {
  const Phrase subject = phrase_of(group);
  const Box& box = landmark.box;
  if (surrounds(group, box)) {
    out.push_back({landmark.phrase.text + " is surrounded by " + subject.text,
                   {{landmark.phrase.entity, "surrounded by", subject.entity}}});
  } else if (is_band(landmark, layout) && on_both_sides(group, box)) {
    out.push_back(relate(subject, "on both sides of", "on both sides", landmark.phrase));
  } else if (is_band(landmark, layout) && lines_up_along(group, box)) {
    out.push_back(relate(subject, "along", "along", landmark.phrase));
  } else if (all_near(group, box)) {
    const std::string words = random.chance(0.6) ? "next to" : "near";
    out.push_back(relate(subject, words, words, landmark.phrase));
  }
  const bool compact = landmark.group || layout.regions[landmark.region].surface == Surface::pond;
  if (!compact || group.boxes.size() > 5) return;
  const std::string where = direction(group, box);
  if (where.empty()) return;
  out.push_back(
      relate(subject, where == "left of" || where == "right of" ? "to the " + where : where, where, landmark.phrase));
}

Statement on_region(const Layout& layout, const Group& group) {
  const Region& region = layout.regions[*group.region];
  const Phrase subject = phrase_of(group), object = phrase_of(region);
  if (group.kind == Kind::bridge)
    return {subject.text + " is crossing " + object.text, {{subject.entity, "crossing", object.entity}}};
  return is_water(region.surface) ? relate(subject, "in", "in", object) : relate(subject, "on", "on", object);
}

std::vector<Statement> spatial_statements(const Layout& layout, Random& random) {
  std::vector<Statement> out;
  const std::vector<Landmark> landmarks = landmarks_of(layout);
  for (const Group& group : layout.groups) {
    if (group.region) out.push_back(on_region(layout, group));
    if (group.row) {
      const Phrase subject = phrase_of(group);
      out.push_back({subject.text + " are arranged in a row", {{subject.entity, "in", "row"}}});
    }
    if (group.kind == Kind::bridge) continue;
    for (const Landmark& landmark : landmarks) {
      const bool itself = landmark.group == &group;
      const bool inside = !landmark.group && group.region == landmark.region;
      const bool twice =
          landmark.group && landmark.group < &group && group.boxes.size() == 1;  // said the other way round
      if (!itself && !inside && !twice) relate_to_landmark(layout, group, landmark, random, out);
    }
  }
  return out;
}

/// Everything that can be named, in random order.
std::vector<Phrase> inventory(const Layout& layout, Random& random) {
  std::vector<Phrase> phrases;
  for (const Group& group : layout.groups) phrases.push_back(phrase_of(group));
  for (const Region& region : layout.regions) phrases.push_back(phrase_of(region));
  random.shuffle(phrases);
  return phrases;
}

std::string joined(const std::vector<Phrase>& phrases) {
  std::string text;
  for (size_t i = 0; i < phrases.size(); ++i)
    text += (i == 0 ? "" : i + 1 == phrases.size() ? " and " : " , ") + phrases[i].text;
  return text;
}

/// "an airport with two white planes , a gray building and a runway"
Statement scene_statement(const Layout& layout, Random& random) {
  std::vector<Phrase> phrases = inventory(layout, random);
  phrases.resize(std::min<size_t>(phrases.size(), static_cast<size_t>(random.between(2, 3))));
  Statement statement{with_article(layout.theme) + " with " + joined(phrases), {}};
  for (const Phrase& phrase : phrases) statement.triples.push_back({layout.theme, "with", phrase.entity});
  return statement;
}

/// "two houses and three trees are on a green meadow": what stands on the ground itself.
std::optional<Statement> ground_statement(const Layout& layout, Random& random) {
  std::vector<Phrase> phrases;
  for (const Group& group : layout.groups)
    if (!group.region) phrases.push_back(phrase_of(group));
  if (phrases.empty()) return std::nullopt;
  random.shuffle(phrases);
  phrases.resize(std::min<size_t>(phrases.size(), 2));
  const Phrase ground = phrase_of(layout.ground);
  Statement statement{
      joined(phrases) + (phrases.size() > 1 || phrases[0].plural ? " are on " : " is on ") + ground.text, {}};
  for (const Phrase& phrase : phrases) statement.triples.push_back({phrase.entity, "on", ground.entity});
  return statement;
}

/// "there are two houses in a residential area"
Statement presence_statement(const Layout& layout, const Phrase& phrase) {
  return {std::string("there ") + phrase.be() + " " + phrase.text + " in " + with_article(layout.theme),
          {{phrase.entity, "in", layout.theme}}};
}

Statement both(const Statement& a, const Statement& b) {
  Statement statement{a.text + " and " + b.text, a.triples};
  statement.triples.insert(statement.triples.end(), b.triples.begin(), b.triples.end());
  return statement;
}

}  // namespace

std::vector<SynthCaption> describe(const Layout& layout, Random& random) {
  std::vector<Statement> facts = spatial_statements(layout, random);
  random.shuffle(facts);
  std::vector<Statement> candidates{scene_statement(layout, random)};
  for (size_t i = 0; i < std::min<size_t>(facts.size(), 3); ++i) candidates.push_back(facts[i]);
  if (facts.size() > 1) candidates.push_back(facts.size() > 4 ? both(facts[3], facts[4]) : both(facts[0], facts[1]));
  if (const auto ground = ground_statement(layout, random)) candidates.push_back(*ground);
  // Where little can be said of relations: what there is.
  for (const Phrase& phrase : inventory(layout, random)) candidates.push_back(presence_statement(layout, phrase));
  for (int i = 0; i < 20; ++i) candidates.push_back(scene_statement(layout, random));

  std::vector<SynthCaption> captions;
  std::set<std::string> seen;
  for (Statement& statement : candidates)
    if (captions.size() < 5 && seen.insert(statement.text).second)
      captions.push_back({statement.text + " .", std::move(statement.triples)});
  random.shuffle(captions);
  return captions;
}

}  // namespace orbweaver::synth
