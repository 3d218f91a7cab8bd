#include "framework/data/oracle.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <map>
#include <numbers>
#include <optional>
#include <string>
#include <string_view>
#include <tuple>
#include <utility>
#include <vector>

#include "framework/data/random.h"
#include "framework/data/synth_scene.h"
#include "orbweaver/error.h"

namespace orbweaver {
namespace {

constexpr double eighth_turn = std::numbers::pi / 4;
constexpr double edge = 8, next_to = 16, near = 40;  // pixels
constexpr double there = 0.5;                        // least probability, and least value of a colour

double bounded(double evidence) { return std::clamp(evidence, -1.0, 1.0); }

// ---- words

/// What a phrase claims: so many things of a label and, where it says so, a colour.
struct Claim {
  size_t least = 1, most = 1;
  std::string colour, label;
};

std::string plural_of(std::string_view noun) {
  if (noun == "aircraft") return "aircraft";
  if (noun == "wharf") return "wharves";
  return std::string(noun) + (noun.ends_with("s") || noun.ends_with("ch") ? "es" : "s");
}

/// Labels by every noun that stands for them, one or many.
const std::map<std::string, std::string, std::less<>>& nouns() {
  static const auto table = [] {
    std::map<std::string, std::string, std::less<>> out;
    const auto add = [&](std::span<const std::string_view> names) {
      for (const std::string_view name : names) {
        out.emplace(name, names[0]);
        out.emplace(plural_of(name), names[0]);
      }
    };
    for (size_t i = 0; i < synth::kind_count; ++i) add(synth::facts_of(static_cast<synth::Kind>(i)).names);
    for (size_t i = 0; i < synth::surface_count; ++i) add(synth::names_of(static_cast<synth::Surface>(i)));
    return out;
  }();
  return table;
}

std::string_view spelled(std::string_view colour) { return colour == "grey" ? "gray" : colour; }

bool take_word(std::string_view& phrase, std::string_view word) {
  if (!phrase.starts_with(word) || phrase.size() <= word.size() || phrase[word.size()] != ' ') return false;
  phrase.remove_prefix(word.size() + 1);
  return true;
}

/// Nothing for what no detector reports: a theme, the ground.
std::optional<Claim> claim_of(std::string_view phrase) {
  static constexpr std::array<std::string_view, 12> numbers{"one",   "two",   "three", "four", "five",   "six",
                                                            "seven", "eight", "nine",  "ten",  "eleven", "twelve"};
  Claim claim;
  for (size_t i = 0; i < numbers.size(); ++i)
    if (take_word(phrase, numbers[i])) claim.least = claim.most = i + 1;
  if (take_word(phrase, "several")) claim.least = 3, claim.most = 7;
  if (take_word(phrase, "many")) claim.least = 8, claim.most = 1000;
  for (const std::string_view colour :
       {"red", "white", "gray", "grey", "blue", "yellow", "black", "green", "orange", "brown"})
    if (take_word(phrase, colour)) claim.colour = spelled(colour);
  const auto noun = nouns().find(phrase);
  if (noun == nouns().end()) return std::nullopt;
  claim.label = noun->second;
  return claim;
}

// ---- detections

struct Spot {
  double x = 0, y = 0;
};
Spot operator-(Spot a, Spot b) { return {a.x - b.x, a.y - b.y}; }
Spot centre_of(const Object& object) { return {object.cx, object.cy}; }

/// Between two directions, 0 to pi; a quarter turn where one has no length.
double angle_between(Spot a, Spot b) {
  const double length = std::hypot(a.x, a.y) * std::hypot(b.x, b.y);
  return length > 0 ? std::acos(bounded((a.x * b.x + a.y * b.y) / length)) : std::numbers::pi / 2;
}

bool has_colour(const Object& object, std::string_view colour) {
  return colour.empty() || std::ranges::any_of(object.attributes, [&](const Attribute& attribute) {
           return spelled(attribute.name) == colour && attribute.value >= there;
         });
}

using Objects = std::vector<const Object*>;

/// All of the claim's kind: in its colour first, then the more probable first.
Objects all_of_kind(std::span<const Object> detections, const Claim& claim) {
  Objects objects;
  for (const Object& object : detections)
    if (object.label == claim.label && object.probability >= there) objects.push_back(&object);
  // The boxes decide between equals, so that the order of the detections does not.
  std::ranges::sort(objects, {}, [&](const Object* object) {
    return std::tuple(!has_colour(*object, claim.colour), -object->probability, object->cx, object->cy, object->width,
                      object->height, object->angle);
  });
  return objects;
}

Objects claimed(std::span<const Object> detections, const Claim& claim) {
  Objects objects = all_of_kind(detections, claim);
  objects.resize(std::min(objects.size(), claim.most));
  return objects;
}

// ---- relations

/// In the axes of a box.
Spot inside(const Object& box, Spot p) {
  const double c = std::cos(box.angle), s = std::sin(box.angle);
  const Spot d = p - centre_of(box);
  return {c * d.x + s * d.y, c * d.y - s * d.x};
}

/// To the nearest edge of the box: positive inside, negative outside.
double depth(const Object& box, Spot p) {
  const Spot q = inside(box, p);
  const double x = box.width / 2 - std::abs(q.x), y = box.height / 2 - std::abs(q.y);
  if (x >= 0 && y >= 0) return std::min(x, y);
  return -std::hypot(std::min(x, 0.0), std::min(y, 0.0));
}

/// From the nearest corner of `one`, or its centre, to the box.
double gap(const Object& one, const Object& box) {
  const double c = std::cos(one.angle), s = std::sin(one.angle);
  double deepest = depth(box, centre_of(one));
  for (const double u : {-one.width / 2, one.width / 2})
    for (const double v : {-one.height / 2, one.height / 2})
      deepest = std::max(deepest, depth(box, {one.cx + c * u - s * v, one.cy + s * u + c * v}));
  return std::max(0.0, -deepest);
}

double evidence_inside(const Object& one, const Object& box) { return bounded(depth(box, centre_of(one)) / edge); }

double evidence_beside(const Object& one, const Object& box, double reach) {
  return std::min(-evidence_inside(one, box), bounded(2 - gap(one, box) / reach));
}

/// Where a relation points to, on the screen.
std::optional<Spot> direction_of(std::string_view relation) {
  if (relation == "left of") return Spot{-1, 0};
  if (relation == "right of") return Spot{1, 0};
  if (relation == "above") return Spot{0, -1};
  if (relation == "below") return Spot{0, 1};
  return std::nullopt;
}

/// Mean over all pairs of one and another.
template <class Evidence>
double mean_of_both(const Objects& ones, const Objects& others, Evidence&& evidence) {
  if (ones.empty() || others.empty()) return 0;
  double sum = 0;
  for (const Object* one : ones)
    for (const Object* other : others) sum += evidence(*one, *other);
  return sum / static_cast<double>(ones.size() * others.size());
}

/// Mean over the pairs of `others` of a function of the two directions in which `one` sees them; nothing without a
/// pair.
template <class Evidence>
std::optional<double> mean_of_pairs(const Object& one, const Objects& others, Evidence&& evidence) {
  double sum = 0;
  int64_t pairs = 0;
  for (size_t i = 0; i < others.size(); ++i)
    for (size_t k = i + 1; k < others.size(); ++k, ++pairs)
      sum += evidence(centre_of(*others[i]) - centre_of(one), centre_of(*others[k]) - centre_of(one));
  if (pairs == 0) return std::nullopt;
  return sum / static_cast<double>(pairs);
}

double evidence_between(const Objects& ones, const Objects& others) {
  if (ones.empty() || others.size() < 2) return 0;
  double sum = 0;
  for (const Object* one : ones)
    sum += *mean_of_pairs(*one, others, [](Spot a, Spot b) { return bounded(angle_between(a, b) / eighth_turn - 2); });
  return sum / static_cast<double>(ones.size());
}

double evidence_around(const Objects& ring, const Objects& middle) {
  if (middle.empty()) return 0;
  const std::optional<double> cosine =
      mean_of_pairs(*middle[0], ring, [](Spot a, Spot b) { return std::cos(angle_between(a, b)); });
  return cosine ? bounded(1 - 2 * *cosine) : 0;
}

/// Nothing where there is no rule for the relation.
std::optional<double> evidence_of_relation(const Objects& ones, std::string_view relation, const Objects& others) {
  if (const std::optional<Spot> direction = direction_of(relation))
    return mean_of_both(ones, others, [&](const Object& one, const Object& other) {
      return bounded(1 - angle_between(centre_of(one) - centre_of(other), *direction) / eighth_turn);
    });
  if (relation == "on" || relation == "in") return mean_of_both(ones, others, evidence_inside);
  if (relation == "next to" || relation == "near")
    return mean_of_both(ones, others, [&](const Object& one, const Object& other) {
      return evidence_beside(one, other, relation == "near" ? near : next_to);
    });
  if (relation == "between") return evidence_between(ones, others);
  if (relation == "surrounded by") return evidence_around(others, ones);
  if (relation == "surrounds") return evidence_around(ones, others);
  return std::nullopt;
}

// ---- numbers, colours and presence

double evidence_of_claim(std::span<const Object> detections, const Claim& claim) {
  const Objects objects = all_of_kind(detections, claim);
  const size_t places = std::clamp(objects.size(), claim.least, claim.most);
  double evidence = 0;
  for (size_t i = 0; i < std::max(places, objects.size()); ++i) {
    if (i >= objects.size()) {
      evidence -= 0.5;
      continue;
    }
    const bool right = has_colour(*objects[i], claim.colour);
    if (i < places)
      evidence += right ? 1 : -0.25;
    else
      evidence -= right ? 1 : 0.5;
  }
  return evidence;
}

/// Less than any evidence that counts.
double lot_of(int64_t image, int64_t caption) {
  constexpr uint64_t lots = uint64_t{1} << 30;
  Random random(1, static_cast<uint64_t>(image), static_cast<uint64_t>(caption));
  return 1e-6 * static_cast<double>(random.below(lots)) / static_cast<double>(lots);
}

/// Nothing where there is no rule for the triple's words, whatever was detected.
std::optional<double> evidence_of(std::span<const Object> detections, const Triple& triple) {
  const std::optional<Claim> subject = claim_of(triple.subject), object = claim_of(triple.object);
  const auto of_claim = [&](const std::optional<Claim>& claim) {
    return claim ? std::optional(evidence_of_claim(detections, *claim)) : std::nullopt;
  };
  if (triple.relation == "with") return of_claim(object);
  if (subject && object)
    return evidence_of_relation(claimed(detections, *subject), triple.relation, claimed(detections, *object));
  const bool of_place = triple.relation == "in" || triple.relation == "on";
  return of_place ? of_claim(subject) : std::nullopt;
}

}  // namespace

double oracle_score(std::span<const Object> detections, const Caption& caption) {
  double score = 0;
  for (const Triple& triple : caption.triples) score += evidence_of(detections, triple).value_or(0);
  return score;
}

bool oracle_reads(std::span<const Triple> triples) {
  return std::ranges::any_of(triples, [](const Triple& triple) { return evidence_of({}, triple).has_value(); });
}

double GeometryOracle::operator()(int64_t image, int64_t caption) {
  if (image != image_) {
    const ImageRecord& record = split_->images[static_cast<size_t>(image)];
    if (record.detections.empty())
      throw InputError(fmt::format("{}: has no detections, which the oracle reads; orbweaver detect writes them",
                                   record.file.string()));
    detections_ = read_detections(record.detections);
    image_ = image;
  }
  const std::string& text = split_->captions[static_cast<size_t>(caption)].text;
  const auto found = triples_->find(text);
  const bool known = found != triples_->end();
  const double score = oracle_score(
      detections_, {text, known ? std::span<const Triple>(found->second) : std::span<const Triple>(), known});
  return ties_ == OracleTies::by_lot ? score + lot_of(image, caption) : score;
}

}  // namespace orbweaver
