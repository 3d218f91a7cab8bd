#include "framework/data/truth.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <map>
#include <numbers>
#include <optional>
#include <string_view>
#include <utility>

#include "framework/io/files.h"
#include "framework/io/json.h"
#include "orbweaver/error.h"

namespace orbweaver {
namespace fs = std::filesystem;
namespace {

constexpr double slack = 0.1, next_to = 16, near = 40;  // pixels

struct Spot {
  double x = 0, y = 0;
};
Spot operator-(Spot a, Spot b) { return {a.x - b.x, a.y - b.y}; }
double dot(Spot a, Spot b) { return a.x * b.x + a.y * b.y; }
double cross(Spot a, Spot b) { return a.x * b.y - a.y * b.x; }

/// An object of geometry.jsonl: a rotated rectangle with a name and a colour.
struct Thing {
  std::string label, colour;
  Spot centre;
  double width = 0, height = 0, angle = 0;

  Spot inside(Spot p) const {
    const Spot d = p - centre;
    const double c = std::cos(angle), s = std::sin(angle);
    return {c * d.x + s * d.y, c * d.y - s * d.x};
  }
  std::array<Spot, 4> corners() const {
    const double c = std::cos(angle), s = std::sin(angle);
    std::array<Spot, 4> out;
    for (size_t i = 0; i < 4; ++i) {
      const double u = (i == 0 || i == 3 ? -0.5 : 0.5) * width, v = (i < 2 ? -0.5 : 0.5) * height;
      out[i] = {centre.x + c * u - s * v, centre.y + s * u + c * v};
    }
    return out;
  }
};
using Things = std::vector<Thing>;

struct Bounds {
  double left = 1e9, top = 1e9, right = -1e9, bottom = -1e9;
};
Bounds bounds_of(const Thing& thing) {
  Bounds bounds;
  for (const Spot& p : thing.corners())
    bounds = {std::min(bounds.left, p.x), std::min(bounds.top, p.y), std::max(bounds.right, p.x),
              std::max(bounds.bottom, p.y)};
  return bounds;
}

double distance_to_side(Spot p, Spot a, Spot b) {
  const double t = std::clamp(dot(p - a, b - a) / std::max(dot(b - a, b - a), 1e-9), 0.0, 1.0);
  return std::hypot(p.x - a.x - t * (b.x - a.x), p.y - a.y - t * (b.y - a.y));
}
bool holds(const Thing& thing, Spot p, double margin) {
  const Spot q = thing.inside(p);
  return std::abs(q.x) <= thing.width / 2 + margin && std::abs(q.y) <= thing.height / 2 + margin;
}
/// Whether one of a's sides, drawn out, has all of b beyond it.
bool has_beyond(const Thing& a, const Thing& b) {
  Bounds span;
  for (const Spot& p : b.corners()) {
    const Spot q = a.inside(p);
    span = {std::min(span.left, q.x), std::min(span.top, q.y), std::max(span.right, q.x), std::max(span.bottom, q.y)};
  }
  const double u = a.width / 2 - slack, v = a.height / 2 - slack;
  return span.left >= u || span.right <= -u || span.top >= v || span.bottom <= -v;
}
/// Between the nearest points of two rectangles; 0 where they share one.
double distance(const Thing& a, const Thing& b) {
  if (!has_beyond(a, b) && !has_beyond(b, a)) return 0;
  const auto p = a.corners(), q = b.corners();
  double least = 1e9;
  for (size_t i = 0; i < 4; ++i)
    for (size_t k = 0; k < 4; ++k)
      least =
          std::min({least, distance_to_side(p[i], q[k], q[(k + 1) % 4]), distance_to_side(q[i], p[k], p[(k + 1) % 4])});
  return std::max(least, 1e-9);
}

template <class Holds>
bool for_all(const Things& ones, const Things& others, Holds&& holds_for) {
  return std::ranges::all_of(ones, [&](const Thing& a) {
    return std::ranges::all_of(others, [&](const Thing& b) { return holds_for(a, b); });
  });
}

bool lies(const Thing& a, std::string_view relation, const Thing& b) {
  const Bounds p = bounds_of(a), q = bounds_of(b);
  const double dx = std::abs(a.centre.x - b.centre.x), dy = std::abs(a.centre.y - b.centre.y);
  const bool beside = dy <= (4.0 / 7 + 0.01) * dx, over = dx <= (4.0 / 7 + 0.01) * dy;
  if (relation == "left of") return beside && p.right < q.left + slack;
  if (relation == "right of") return beside && p.left > q.right - slack;
  if (relation == "above") return over && p.bottom < q.top + slack;
  return over && p.top > q.bottom - slack;
}

bool within(const Things& ones, const Thing& other, double reach) {
  return std::ranges::all_of(ones, [&](const Thing& a) {
    const double d = distance(a, other);
    return d > 0 && d <= reach + slack;
  });
}

bool ring(const Things& ones, const Thing& middle) {
  if (ones.size() < 6 || !within(ones, middle, next_to)) return false;
  std::vector<double> angles;
  for (const Thing& thing : ones)
    angles.push_back(std::atan2(thing.centre.y - middle.centre.y, thing.centre.x - middle.centre.x));
  std::ranges::sort(angles);
  double widest = angles.front() + 2 * std::numbers::pi - angles.back();
  for (size_t i = 1; i < angles.size(); ++i) widest = std::max(widest, angles[i] - angles[i - 1]);
  return widest <= std::numbers::pi / 2 + 0.01;
}

bool on_both_sides(const Things& ones, const Thing& band) {
  bool one = false, other = false;
  for (const Thing& thing : ones) (band.inside(thing.centre).y > 0 ? one : other) = true;
  return one && other && within(ones, band, next_to);
}

bool along(const Things& ones, const Thing& band) {
  if (ones.size() < 3 || !within(ones, band, next_to)) return false;
  const auto [low, high] = std::ranges::minmax(ones, {}, [&](const Thing& t) { return band.inside(t.centre).x; });
  return band.inside(high.centre).x - band.inside(low.centre).x >= 0.4 * band.width - slack;
}

bool between(const Thing& thing, const Things& two) {
  if (two.size() != 2) return false;
  const Spot line = two[1].centre - two[0].centre, to = thing.centre - two[0].centre;
  const double length = dot(line, line), t = dot(line, to) / length, off = std::abs(cross(line, to)) / length;
  return t >= 0.29 && t <= 0.71 && off <= 0.26 && distance(thing, two[0]) > 0 && distance(thing, two[1]) > 0;
}

/// A bridge whose ends stand on the two banks.
bool crosses(const Thing& bridge, const Thing& water) {
  const Spot along{std::cos(bridge.angle) * bridge.width / 2, std::sin(bridge.angle) * bridge.width / 2};
  const double a = water.inside({bridge.centre.x + along.x, bridge.centre.y + along.y}).y;
  const double b = water.inside({bridge.centre.x - along.x, bridge.centre.y - along.y}).y;
  return a * b < 0 && std::min(std::abs(a), std::abs(b)) >= water.height / 2 - slack;
}

bool in_a_row(const Things& things) {
  if (things.size() < 3) return false;
  const Spot line = things.back().centre - things.front().centre;
  return std::ranges::all_of(things, [&](const Thing& thing) {
    return std::abs(cross(line, thing.centre - things.front().centre)) <= 0.5 * std::sqrt(dot(line, line));
  });
}

/// Whether "ones RELATION others" holds; nothing for a relation that is not known.
std::optional<bool> related(const Things& ones, const std::string& relation, const Things& others) {
  if (relation == "left of" || relation == "right of" || relation == "above" || relation == "below")
    return for_all(ones, others, [&](const Thing& a, const Thing& b) { return lies(a, relation, b); });
  if (relation == "on" || relation == "in")
    return for_all(ones, others, [](const Thing& a, const Thing& b) {
      return std::ranges::all_of(a.corners(), [&](const Spot& p) { return holds(b, p, slack); });
    });
  if (relation == "crossing") return for_all(ones, others, crosses);
  if (relation == "between")
    return std::ranges::all_of(ones, [&](const Thing& thing) { return between(thing, others); });
  if (relation == "surrounded by") return ones.size() == 1 && ring(others, ones[0]);
  if (others.size() != 1) return std::nullopt;
  if (relation == "surrounds") return ring(ones, others[0]);
  if (relation == "next to") return within(ones, others[0], next_to);
  if (relation == "near") return within(ones, others[0], near);
  if (relation == "on both sides of") return on_both_sides(ones, others[0]);
  if (relation == "along") return along(ones, others[0]);
  return std::nullopt;
}

// ---- words

/// Synonyms by the label that they stand for.
std::string label_of(const std::string& noun) {
  static const std::map<std::string, std::string, std::less<>> synonyms = {{"airplane", "plane"},
                                                                           {"aircraft", "plane"},
                                                                           {"boat", "ship"},
                                                                           {"vessel", "ship"},
                                                                           {"terminal building", "terminal"},
                                                                           {"oil tank", "storage tank"},
                                                                           {"soccer field", "football field"},
                                                                           {"baseball diamond", "baseball field"},
                                                                           {"ground track field", "playground"},
                                                                           {"pier", "wharf"},
                                                                           {"ocean", "sea"}};
  const auto found = synonyms.find(noun);
  return found == synonyms.end() ? noun : found->second;
}

std::string singular_of(std::string noun) {
  if (noun == "aircraft") return noun;
  if (noun == "wharves") return "wharf";
  const size_t ending = noun == "buses" || noun == "churches" ? 2 : noun.ends_with("s") ? 1 : 0;
  return noun.substr(0, noun.size() - ending);
}

bool take_word(std::string& phrase, std::string_view word) {
  if (!phrase.starts_with(word) || phrase.size() <= word.size() || phrase[word.size()] != ' ') return false;
  phrase.erase(0, word.size() + 1);
  return true;
}

/// What a noun phrase claims: so many things of a label and, where it says so, a colour.
struct Claim {
  int64_t least = 1, most = 1;
  std::string colour, label;
};

Claim claim_of(std::string phrase) {
  static constexpr std::string_view numbers[] = {"one",   "two",   "three", "four", "five",   "six",
                                                 "seven", "eight", "nine",  "ten",  "eleven", "twelve"};
  Claim claim;
  bool plural = false;
  for (int64_t i = 0; i < static_cast<int64_t>(std::size(numbers)); ++i)
    if (take_word(phrase, numbers[i])) claim.least = claim.most = i + 1, plural = i > 0;
  if (take_word(phrase, "several")) claim.least = 3, claim.most = 7, plural = true;
  if (take_word(phrase, "many")) claim.least = 8, claim.most = 1000, plural = true;
  for (const std::string_view colour :
       {"red", "white", "gray", "grey", "blue", "yellow", "black", "green", "orange", "brown"})
    if (take_word(phrase, colour)) claim.colour = colour == "grey" ? "gray" : colour;
  claim.label = label_of(plural ? singular_of(phrase) : phrase);
  return claim;
}

// ---- a scene

class Witness {
 public:
  explicit Witness(const Value& scene)
      : theme_(scene.at("scene").as_string()), ground_(scene.at("ground").as_string()) {
    for (const Value& entry : scene.at("objects").as_list()) {
      const Value::List& box = entry.at("box").as_list();
      if (box.size() != 5) throw InputError(fmt::format("box with {} numbers, expected 5", box.size()));
      things_.push_back({entry.at("label").as_string(),
                         entry.at("colour").as_string(),
                         {box[0].as_double(), box[1].as_double()},
                         box[2].as_double(),
                         box[3].as_double(),
                         box[4].as_double()});
    }
  }

  std::string fault(const Value& caption, int64_t& claims) const {
    const std::string& text = caption.at("text").as_string();
    const Value::List& triples = caption.at("triples").as_list();
    if (triples.empty()) return fault_without_triples(text, claims);
    for (const Value& entry : triples) {
      const Value::List& triple = entry.as_list();
      if (triple.size() != 3) throw InputError(fmt::format("triple with {} parts, expected 3", triple.size()));
      const std::string &subject = triple[0].as_string(), &relation = triple[1].as_string(),
                        &object = triple[2].as_string();
      for (const std::string* phrase : {&subject, &object})
        if (text.find(*phrase) == std::string::npos) return fmt::format("\"{}\" does not stand in the text", *phrase);
      if (std::string reason = fault_of(subject, relation, object, claims); !reason.empty()) return reason;
    }
    return {};
  }

 private:
  std::string fault_without_triples(const std::string& text, int64_t& claims) const {
    ++claims;
    if (const size_t end = text.find(" are arranged in a row"); end != std::string::npos) {
      Things row;
      const std::string reason = named(text.substr(0, end), row, claims);
      return !reason.empty() || in_a_row(row) ? reason : "they stand in no straight row";
    }
    for (const std::string_view form : {"this is %", "a photo of %", "an image of %", "% seen from above"})
      for (const std::string_view article : {"a ", "an "}) {
        std::string wanted(form);
        wanted.replace(wanted.find('%'), 1, std::string(article) + theme_);
        if (text == wanted + " .") return {};
      }
    return fmt::format("says neither of a row nor that this is a scene of \"{}\"", theme_);
  }

  /// The things that a phrase names, unless it is wrong about them.
  std::string named(const std::string& phrase, Things& out, int64_t& claims) const {
    const Claim claim = claim_of(phrase);
    ++claims;
    for (const Thing& thing : things_)
      if (thing.label == claim.label && (claim.colour.empty() || thing.colour == claim.colour)) out.push_back(thing);
    const auto count = static_cast<int64_t>(out.size());
    if (count >= claim.least && count <= claim.most) return {};
    return fmt::format("\"{}\": there are {}", phrase, count);
  }

  std::string fault_of(const std::string& subject, const std::string& relation, const std::string& object,
                       int64_t& claims) const {
    Things ones, others;
    const bool of_theme = (relation == "with" ? subject : object) == theme_;
    if (relation == "with" || (relation == "in" && of_theme)) {
      if (!of_theme) return fmt::format("the scene is no \"{}\"", relation == "with" ? subject : object);
      return named(relation == "with" ? object : subject, ones, claims);
    }
    if (std::string reason = named(subject, ones, claims); !reason.empty()) return reason;
    if (relation == "on" && object == ground_) return fault_on_ground(ones);
    if (std::string reason = named(object, others, claims); !reason.empty()) return reason;
    ++claims;
    const std::optional<bool> holds_so = related(ones, relation, others);
    if (!holds_so) return fmt::format("\"{}\" between such things cannot be judged", relation);
    return *holds_so ? "" : fmt::format("\"{} {} {}\" does not hold", subject, relation, object);
  }

  /// On no road and in no water.
  std::string fault_on_ground(const Things& ones) const {
    for (const Thing& one : ones)
      for (const Thing& thing : things_) {
        static constexpr std::string_view surfaces[] = {"road", "runway", "railway", "parking lot", "river", "sea"};
        const bool surface = std::ranges::find(surfaces, thing.label) != std::end(surfaces);
        if (surface && one.label != "roundabout" && holds(thing, one.centre, 0))
          return fmt::format("a {} is on the {}, not on {}", one.label, thing.label, ground_);
      }
    return {};
  }

  std::string theme_, ground_;
  Things things_;
};

/// The scene that a line of geometry.jsonl describes, by its image's name.
std::map<std::string, Value> read_scenes(const fs::path& file) {
  std::map<std::string, Value> scenes;
  const std::vector<std::string> lines = read_lines(file);
  for (size_t i = 0; i < lines.size(); ++i) {
    Value scene = parse_json(lines[i], fmt::format("{}:{}", file.string(), i + 1));
    const Value* name = scene.is_object() ? scene.find("image") : nullptr;
    if (!name || !name->is_string()) throw InputError(fmt::format("{}:{}: has no \"image\"", file.string(), i + 1));
    std::string key = name->as_string();
    if (!scenes.emplace(key, std::move(scene)).second)
      throw InputError(fmt::format("{}:{}: \"{}\" stands there twice", file.string(), i + 1, key));
  }
  return scenes;
}

const Value& caption_of(const Value& scene, const std::string& text, const fs::path& file) {
  for (const Value& caption : scene.at("captions").as_list())
    if (caption.at("text").as_string() == text) return caption;
  throw InputError(fmt::format("{}: \"{}\" is no caption of {} in geometry.jsonl", file.string(), text,
                               scene.at("image").as_string()));
}

/// Each caption of a pair is true of its own image and false of the other.
void check_pair(const Value& group, const std::map<std::string, Value>& scenes, const fs::path& file,
                TruthReport& report) {
  ++report.pairs;
  const Value::List &images = group.at("images").as_list(), &captions = group.at("captions").as_list();
  for (size_t i = 0; i < 2; ++i) {
    const std::string &own = images.at(i).as_string(), &other = images.at(1 - i).as_string();
    if (!scenes.contains(own) || !scenes.contains(other))
      throw InputError(fmt::format("{}: {} or {} is not in geometry.jsonl", file.string(), own, other));
    const Value& caption = caption_of(scenes.at(own), captions.at(i).as_string(), file);
    int64_t claims = 0;
    if (untruth_of(caption, scenes.at(other), claims).empty())
      report.undecided.push_back({other, captions.at(i).as_string(), fmt::format("holds too; it belongs to {}", own)});
  }
}

}  // namespace

std::string untruth_of(const Value& caption, const Value& scene, int64_t& claims) {
  return Witness(scene).fault(caption, claims);
}

TruthReport check_truth(const fs::path& folder) {
  const fs::path geometry = folder / "geometry.jsonl", abilities = folder / "abilities.json";
  TruthReport report;
  const fs::path* file = &geometry;
  try {
    const std::map<std::string, Value> scenes = read_scenes(geometry);
    for (const auto& [image, scene] : scenes) {
      const Witness witness(scene);
      for (const Value& caption : scene.at("captions").as_list()) {
        ++report.captions;
        if (std::string reason = witness.fault(caption, report.claims); !reason.empty())
          report.untrue.push_back({image, caption.at("text").as_string(), std::move(reason)});
      }
    }
    file = &abilities;
    if (!fs::exists(abilities)) return report;
    const Value groups = read_json(abilities).at("groups");
    for (const auto& [split, list] : groups.as_object())
      for (const Value& group : list.as_list()) check_pair(group, scenes, abilities, report);
  } catch (const std::exception& error) {
    if (std::string_view(error.what()).starts_with(folder.string())) throw;
    throw InputError(fmt::format("{}: is not as data synth writes it: {}", file->string(), error.what()));
  }
  return report;
}

}  // namespace orbweaver
