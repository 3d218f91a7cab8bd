// What is true of a synthetic scene, in words. Every wording is one that the caption parser of the entity relation
// graph reads as the triples that stand beside it; a test holds the two together.
#include <algorithm>
#include <initializer_list>
#include <set>
#include <utility>

#include "framework/data/synth_scene.h"

namespace orbweaver::synth {
namespace {

using Words = std::initializer_list<std::string_view>;

std::string count_word(size_t count) {
  static constexpr std::string_view words[] = {"no",    "one",   "two",  "three", "four",   "five",  "six",
                                               "seven", "eight", "nine", "ten",   "eleven", "twelve"};
  return std::string(count < std::size(words) ? words[count] : "many");
}

std::string with_article(std::string_view noun) {
  return (std::string_view("aeiou").find(noun[0]) == std::string_view::npos ? "a " : "an ") + std::string(noun);
}

std::string plural_of(std::string_view noun) {
  if (noun == "aircraft") return "aircraft";
  if (noun == "wharf") return "wharves";
  const bool hisses = noun.ends_with("s") || noun.ends_with("ch");
  return std::string(noun) + (hisses ? "es" : "s");
}

/// "two red cars"; a single thing has its article in a sentence and none in a triple.
struct Phrase {
  std::string text, entity;
  bool plural = false;
  std::string be() const { return plural ? "are" : "is"; }
};

/// A sentence without its full stop.
struct Statement {
  std::string text;
  std::vector<Triple> triples;
};

std::string joined(const std::vector<Phrase>& phrases) {
  std::string text;
  for (size_t i = 0; i < phrases.size(); ++i)
    text += (i == 0 ? "" : i + 1 == phrases.size() ? " and " : " , ") + phrases[i].text;
  return text;
}

/// What objects can be related to: a region, or a single thing.
struct Landmark {
  const Group* group = nullptr;  // null for a region
  size_t region = 0;
  const Box* box = nullptr;
};

class Writer {
 public:
  Writer(const Layout& layout, Random& random) : layout_(layout), random_(random) {}

  std::vector<SynthCaption> write(const Key& key) {
    std::vector<SynthCaption> captions;
    std::set<std::string> seen;
    const auto keep = [&](Statement statement) {
      if (captions.size() < 5 && seen.insert(statement.text).second)
        captions.push_back({statement.text + " .", std::move(statement.triples)});
    };
    keep(state(key));
    // The same in other words, and together with something else.
    for (int i = 0; i < 8 && captions.size() < 2; ++i) keep(state(key));
    std::vector<Statement> facts = spatial_facts();
    random_.shuffle(facts);
    if (!facts.empty() && key.form != Key::Form::theme) keep(both(state(key), facts.back()));
    keep(scene_statement());
    for (size_t i = 0; i < std::min<size_t>(facts.size(), 2); ++i) keep(facts[i]);
    // Where little can be said of relations: what there is.
    if (captions.size() < 5) keep(ground_statement());
    for (int i = 0; captions.size() < 5; ++i) keep(i % 2 ? scene_statement() : presence({some_phrase()}));
    return captions;
  }

 private:
  std::string_view any(Words words) { return words.begin()[random_.below(words.size())]; }

  // ---- noun phrases

  /// The label more often than its synonyms.
  std::string noun_of(std::span<const std::string_view> names) {
    return std::string(random_.chance(0.55) ? names[0] : names[random_.below(names.size())]);
  }

  enum class Article { indefinite, definite };

  Phrase single(const std::string& noun, Article article) {
    if (article == Article::definite) return {"the " + noun, noun, false};
    return {random_.chance(0.12) ? "one " + noun : with_article(noun), noun, false};
  }

  /// @param exact  with its number and its colour, instead of "several" or no colour at times.
  Phrase phrase_of(const Group& group, Article article = Article::indefinite, bool exact = false) {
    const size_t alike =
        static_cast<size_t>(std::ranges::count(layout_.groups, group.kind, [](const Group& g) { return g.kind; }));
    const bool coloured = !group.colour.empty() && (exact || alike > 1 || random_.chance(0.75));
    const std::string noun = noun_of(facts_of(group.kind).names);
    const std::string colour =
        !coloured ? "" : (group.colour == "gray" && random_.chance(0.4) ? "grey" : std::string(group.colour)) + " ";
    const size_t count = group.boxes.size();
    if (count == 1) return single(colour + noun, article);
    std::string number = count_word(count);
    if (!exact && count > 2 && random_.chance(0.15)) number = count < 8 ? "several" : "many";
    const std::string entity = number + " " + colour + plural_of(noun);
    return {article == Article::definite && random_.chance(0.5) && number != "several" && number != "many"
                ? "the " + entity
                : entity,
            entity, true};
  }

  /// Of several regions of a kind none is named.
  Phrase phrase_of(const Region& region, Article article = Article::indefinite) {
    return single(noun_of(names_of(region.surface)), article);
  }
  bool only_one(const Region& region) const {
    return std::ranges::count(layout_.regions, region.surface, [](const Region& r) { return r.surface; }) == 1;
  }

  Phrase phrase_of(const Landmark& landmark) {
    const Article article = random_.chance(0.5) ? Article::definite : Article::indefinite;
    return landmark.group ? phrase_of(*landmark.group, article) : phrase_of(layout_.regions[landmark.region], article);
  }

  Phrase some_phrase() {
    std::vector<Phrase> all = inventory();
    return all.front();
  }

  /// Everything that can be named, in random order.
  std::vector<Phrase> inventory() {
    std::vector<Phrase> phrases;
    for (const Group& group : layout_.groups) phrases.push_back(phrase_of(group));
    for (const Region& region : layout_.regions)
      if (only_one(region)) phrases.push_back(phrase_of(region));
    random_.shuffle(phrases);
    return phrases;
  }

  // ---- relations

  std::string_view words_for(std::string_view relation) {
    if (relation == "left of") return any({"to the left of", "on the left of", "on the left side of"});
    if (relation == "right of") return any({"to the right of", "on the right of", "on the right side of"});
    if (relation == "next to") return any({"next to", "beside", "adjacent to"});
    if (relation == "near") return any({"near", "close to"});
    return relation;
  }

  Statement relate(const Phrase& subject, std::string_view relation, const Phrase& object) {
    const std::string words(words_for(relation));
    Statement statement{{}, {{subject.entity, std::string(relation), object.entity}}};
    switch (random_.below(6)) {
      case 0: statement.text = "there " + subject.be() + " " + subject.text + " " + words + " " + object.text; break;
      case 1: statement.text = words + " " + object.text + " there " + subject.be() + " " + subject.text; break;
      case 2:
        statement.text = subject.text + " " + subject.be() + " " + std::string(any({"located", "situated"})) + " " +
                         words + " " + object.text;
        break;
      default: statement.text = subject.text + " " + subject.be() + " " + words + " " + object.text;
    }
    return statement;
  }

  Statement relate_direction(const Phrase& subject, Direction direction, const Phrase& object) {
    // At times from the other end: "the terminal is to the right of two planes".
    if (random_.chance(0.25)) return relate(object, name_of(opposite(direction)), subject);
    return relate(subject, name_of(direction), object);
  }

  Statement relate_ring(const Phrase& ring, const Phrase& middle) {
    if (random_.chance(0.5))
      return {middle.text + " " + middle.be() + " surrounded by " + ring.text,
              {{middle.entity, "surrounded by", ring.entity}}};
    return {ring.text + (random_.chance(0.5) ? " surround " : " are around ") + middle.text,
            {{ring.entity, "surrounds", middle.entity}}};
  }

  Statement on_region(const Group& group) {
    const Region& region = layout_.regions[*group.region];
    const Phrase subject = phrase_of(group),
                 object = phrase_of(region, random_.chance(0.5) ? Article::definite : Article::indefinite);
    if (group.kind == Kind::bridge)
      return {subject.text + std::string(any({" crosses ", " is over ", " is across "})) + object.text,
              {{subject.entity, "crossing", object.entity}}};
    const bool within = is_water(region.surface) || region.surface == Surface::parking_lot;
    return relate(subject, within ? "in" : "on", object);
  }

  void relate_to_landmark(const Group& group, const Landmark& landmark, std::vector<Statement>& out) {
    const Box& box = *landmark.box;
    const bool band = !landmark.group && is_band(layout_.regions[landmark.region].surface);
    if (surround(group.boxes, box)) {
      out.push_back(relate_ring(phrase_of(group), phrase_of(landmark)));
    } else if (band && on_both_sides(group.boxes, box)) {
      out.push_back(relate(phrase_of(group), "on both sides of", phrase_of(landmark)));
    } else if (band && line_up_along(group.boxes, box)) {
      out.push_back(relate(phrase_of(group), "along", phrase_of(landmark)));
    } else if (all_within(group.boxes, box, near_gap)) {
      const bool next_to = all_within(group.boxes, box, next_to_gap) && random_.chance(0.8);
      out.push_back(relate(phrase_of(group), next_to ? "next to" : "near", phrase_of(landmark)));
    }
    const bool compact = landmark.group || layout_.regions[landmark.region].surface == Surface::pond ||
                         layout_.regions[landmark.region].surface == Surface::parking_lot;
    if (!compact || group.boxes.size() > 5) return;
    for (const Direction direction : {Direction::left, Direction::right, Direction::above, Direction::below})
      if (all_lie(group.boxes, direction, {&box, 1}))
        out.push_back(relate_direction(phrase_of(group), direction, phrase_of(landmark)));
  }

  std::vector<Landmark> landmarks() const {
    std::vector<Landmark> out;
    for (size_t i = 0; i < layout_.regions.size(); ++i)
      if (only_one(layout_.regions[i])) out.push_back({nullptr, i, &layout_.regions[i].box});
    for (const Group& group : layout_.groups)
      if (group.boxes.size() == 1 && group.kind != Kind::tree) out.push_back({&group, 0, group.boxes.data()});
    return out;
  }

  std::vector<Statement> spatial_facts() {
    std::vector<Statement> out;
    const std::vector<Landmark> marks = landmarks();
    for (const Group& group : layout_.groups) {
      if (group.region && only_one(layout_.regions[*group.region])) out.push_back(on_region(group));
      if (group.row) out.push_back({phrase_of(group).text + " are arranged in a row", {}});
      if (group.kind == Kind::bridge) continue;
      for (const Landmark& landmark : marks) {
        const bool itself = landmark.group == &group;
        const bool inside = !landmark.group && group.region == landmark.region;
        const bool twice = landmark.group && landmark.group < &group && group.boxes.size() == 1;  // said before
        if (!itself && !inside && !twice) relate_to_landmark(group, landmark, out);
      }
    }
    return out;
  }

  // ---- what there is

  Statement with_theme(const std::vector<Phrase>& phrases) {
    Statement statement{with_article(layout_.theme) + " with " + joined(phrases), {}};
    for (const Phrase& phrase : phrases)
      statement.triples.push_back({std::string(layout_.theme), "with", phrase.entity});
    return statement;
  }

  /// "an airport with two white planes , a gray building and a runway"
  Statement scene_statement() {
    std::vector<Phrase> phrases = inventory();
    phrases.resize(std::min<size_t>(phrases.size(), static_cast<size_t>(random_.between(1, 3))));
    return with_theme(phrases);
  }

  /// "two houses and three trees are on a green meadow": what stands on the ground itself.
  Statement ground_statement() {
    std::vector<Phrase> phrases;
    for (const Group& group : layout_.groups)
      if (!group.region) phrases.push_back(phrase_of(group));
    if (phrases.empty()) return scene_statement();
    random_.shuffle(phrases);
    phrases.resize(std::min<size_t>(phrases.size(), 2));
    const std::string ground(name_of(layout_.ground));
    const bool counted = layout_.ground == Ground::meadow;
    Statement statement{joined(phrases) + (phrases.size() > 1 || phrases[0].plural ? " are on " : " is on ") +
                            (counted ? with_article(ground) : ground),
                        {}};
    for (const Phrase& phrase : phrases) statement.triples.push_back({phrase.entity, "on", ground});
    return statement;
  }

  /// "there are two houses in a residential area"
  Statement presence(const std::vector<Phrase>& phrases) {
    const std::string theme = with_article(layout_.theme), all = joined(phrases);
    Statement statement;
    switch (random_.below(3)) {
      case 0: return with_theme(phrases);
      case 1: statement.text = "there " + phrases[0].be() + " " + all + " in " + theme; break;
      default: statement.text = all + (phrases.size() > 1 ? " are" : " " + phrases[0].be()) + " in " + theme;
    }
    for (const Phrase& phrase : phrases) statement.triples.push_back({phrase.entity, "in", std::string(layout_.theme)});
    return statement;
  }

  Statement theme_statement() {
    const std::string theme = with_article(layout_.theme);
    switch (random_.below(4)) {
      case 0: return {"this is " + theme, {}};
      case 1: return {"a photo of " + theme, {}};
      case 2: return {"an image of " + theme, {}};
      default: return {theme + " seen from above", {}};
    }
  }

  Statement state(const Key& key) {
    const auto exact = [&](size_t group, Article article = Article::indefinite) {
      return phrase_of(layout_.groups[group], article, true);
    };
    const auto object = [&] {
      const Article article = random_.chance(0.5) ? Article::definite : Article::indefinite;
      return exact(*key.object, article);
    };
    const auto region = [&] {
      return phrase_of(layout_.regions[*key.object], random_.chance(0.5) ? Article::definite : Article::indefinite);
    };
    switch (key.form) {
      case Key::Form::theme: return theme_statement();
      case Key::Form::count:
      case Key::Form::presence: return presence({exact(key.subjects[0])});
      case Key::Form::colours: {
        std::vector<Phrase> phrases{exact(key.subjects[0]), exact(key.subjects[1])};
        random_.shuffle(phrases);
        return presence(phrases);
      }
      case Key::Form::direction: return relate_direction(exact(key.subjects[0]), key.direction, object());
      case Key::Form::surrounded: return relate_ring(exact(key.subjects[0]), object());
      case Key::Form::between: return relate(exact(key.subjects[0]), "between", object());
      case Key::Form::on: return relate(exact(key.subjects[0]), "on", region());
      case Key::Form::in: return relate(exact(key.subjects[0]), "in", region());
      case Key::Form::next_to: return relate(exact(key.subjects[0]), "next to", region());
    }
    return {};
  }

  Statement both(const Statement& a, const Statement& b) {
    Statement statement{a.text + " while " + b.text, a.triples};
    for (const Triple& triple : b.triples)
      if (std::ranges::find(statement.triples, triple) == statement.triples.end()) statement.triples.push_back(triple);
    return statement;
  }

  const Layout& layout_;
  Random& random_;
};

}  // namespace

std::vector<SynthCaption> describe(const Layout& layout, const Key& key, Random& random) {
  return Writer(layout, random).write(key);
}

}  // namespace orbweaver::synth
