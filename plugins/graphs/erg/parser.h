// A rule-based parser for captions of remote-sensing images: entities with counts and attributes, and who stands in
// which relation to whom. Three passes over the words, each linear in the length of the text:
//
//   1. words      lower-casing, lemmas, what each word can be (lexicon.h, then the ending of the word): tagger.h
//   2. tags       which of these it is here, from its neighbours: tagger.h
//   3. clauses    noun phrases in coordination; prepositions and verbs join what stands before them to what follows
//
// It never fails: what it cannot read it skips. Bytes beyond ASCII are letters. No state is kept between calls.
#pragma once

#include <algorithm>
#include <array>
#include <cstdint>
#include <string_view>
#include <utility>
#include <vector>

#include "tagger.h"

namespace {
namespace erg {

/// A thing that the caption names. Views point into the parse's own text or into the lexicon.
struct Entity {
  std::string_view head;      ///< lemma of the head noun: "court"
  std::string_view modifier;  ///< words of its compound, one blank between: "tennis"; often empty
  int count = 0;              ///< as far as said: "two" 2, singular 1, "several" or a bare plural 3, "many" 10
  uint64_t attributes = 0;    ///< bit i: kAttributes[i]
  int8_t part = -1;           ///< index into kPartNouns where the head may only stand for a part or place of another
  bool absent = false;        ///< "no cars"
  bool quantity = false;      ///< only counts what follows, which says so itself: the "lot" in "a lot of cars"
};

/// How a link was expressed.
enum class LinkKind : uint8_t {
  noun,       ///< beside the noun itself: "a bridge over a river", "cars parked near a church", "a park with a pond"
  copula,     ///< "are in", "is next to"
  passive,    ///< "is surrounded by"; the source is still the grammatical subject, the target the agent
  predicate,  ///< a place beside a participle or an adjective that is the predicate: "are parked in", "is clear near"
  active,     ///< "surrounds", "has", "runs through"
};

/// A directed relation: entity `source`, phrase, entity `target`.
struct Link {
  int source = 0, target = 0;
  std::string_view verb;         ///< lemma, "" for a mere preposition: "surround", "have", "run"
  std::string_view preposition;  ///< "" for a mere verb: "by", "next to", "through"
  LinkKind kind = LinkKind::noun;
  bool further = false;  ///< the target is not the first of its coordination: "near roads and TREES"
};

/// Entities in order of first appearance. Move-only: its views point into its own text.
struct Parse {
  Parse() = default;
  Parse(Parse&&) = default;
  Parse& operator=(Parse&&) = default;

  std::vector<char> text;
  std::vector<Entity> entities;
  std::vector<Link> links;
};

/// Up to eight coordinated entities; further ones stay entities but are not joined.
struct Group {
  std::array<int, 8> members{};
  int size = 0;
  bool empty() const { return size == 0; }
  void add(int entity) {
    if (size < static_cast<int>(members.size())) members[static_cast<size_t>(size++)] = entity;
  }
  int back() const { return members[static_cast<size_t>(size - 1)]; }
  bool has(int entity) const {
    return std::find(members.begin(), members.begin() + size, entity) != members.begin() + size;
  }
  bool operator==(const Group&) const = default;
  static Group of(int entity) {
    Group group;
    group.add(entity);
    return group;
  }
};

/// Joins what stands before a preposition or a verb to what follows, from left to right.
class Parser {
 public:
  explicit Parser(std::string_view text) {
    Tagged tagged = Tagger(text).take();
    parse_.text = std::move(tagged.text);
    tokens_ = std::move(tagged.tokens);
  }

  Parse parse() && {
    for (at_ = 0; at_ < count();) step();
    return std::move(parse_);
  }

 private:
  int count() const { return static_cast<int>(tokens_.size()); }
  const Token& token(int i) const { return tokens_[static_cast<size_t>(i)]; }
  Type type(int i) const { return i < count() ? token(i).type : Type::stop; }
  bool is_of(int i) const { return type(i) == Type::preposition && token(i).text == "of"; }
  /// Looking ahead ends after so many words: no phrase is longer, and no text takes quadratic time.
  static constexpr int kLookAhead = 16;

  int skip_adverbs(int i) const {
    for (const int end = i + kLookAhead; i < end && type(i) == Type::adverb;) ++i;
    return i;
  }

  /// Whether a noun phrase begins at i.
  bool noun_phrase_at(int i) const {
    i = skip_adverbs(i);
    switch (type(i)) {
      case Type::noun:
      case Type::determiner:
      case Type::possessive:
      case Type::number:
      case Type::pronoun:
      case Type::adjective: return true;
      default: return false;
    }
  }

  /// Whether the adjective at i describes a noun that follows it, rather than being a predicate. `over_commas`: in
  /// "red, white and grey cars" too.
  bool adjective_leads_to_noun(int i, bool over_commas) const {
    for (const int end = i + kLookAhead; i < end; ++i) {
      if (type(i) == Type::adjective || type(i) == Type::adverb) continue;
      const bool joint = type(i) == Type::conjunction || (over_commas && type(i) == Type::comma);
      if (!joint || (type(i + 1) != Type::adjective && type(i + 1) != Type::conjunction)) break;
    }
    return type(i) == Type::noun;
  }

  /// The phrase waiting for its object.
  struct Pending {
    bool active = false;
    Group sources;
    std::string_view verb, preposition;
    LinkKind kind = LinkKind::noun;
  };

  void step() {
    switch (type(at_)) {
      case Type::stop:
      case Type::clause:
        end_clause();
        ++at_;
        return;
      case Type::there:
        if (type(skip_adverbs(at_ + 1)) == Type::be) {
          subject_ = last_ = {};
          pending_.active = false;
          verb_seen_ = after_be_ = predicate_ = false;
        }
        ++at_;
        return;
      case Type::which:
        subject_ = token(at_).text == "where" ? Group{} : last_;
        pending_.active = false;
        verb_seen_ = after_be_ = predicate_ = false;
        ++at_;
        return;
      case Type::be: return read_be();
      case Type::have:
      case Type::verb: return read_verb();
      case Type::past: return read_past();
      case Type::ing: return read_ing();
      case Type::preposition: return read_preposition();
      case Type::conjunction:
      case Type::comma:
        after_and_ = true;
        ++at_;
        return;
      case Type::adverb:
      case Type::owner: ++at_; return;
      case Type::adjective:
        if (after_be_ && !adjective_leads_to_noun(at_, false)) return read_predicate_adjective();
        [[fallthrough]];
      default: return read_noun_phrase();
    }
  }

  void end_clause() {
    subject_ = last_ = front_ = {};
    pending_ = action_ = {};
    verb_seen_ = after_be_ = predicate_ = after_and_ = false;
    with_source_ = -1;
    with_ = {};
  }

  /// "... over it AND".
  bool after_pronoun() const {
    int i = at_ - 1;
    while (i > 0 && (type(i) == Type::conjunction || type(i) == Type::comma)) --i;
    return i >= 0 && type(i) == Type::pronoun;
  }

  void begin_clause_if_complete() {
    if (!verb_seen_ || after_and_ || last_.empty() || pending_.active) return;
    subject_ = last_;
  }

  void read_be() {
    begin_clause_if_complete();
    if (subject_.empty() && !verb_seen_ && front_.empty()) subject_ = last_;
    pending_.active = false;
    verb_seen_ = after_be_ = true;
    predicate_ = after_and_ = false;
    ++at_;
  }

  void wait(const Group& sources, std::string_view verb, std::string_view preposition, LinkKind kind) {
    pending_ = {true, sources, verb, preposition, kind};
    after_and_ = false;
  }

  void read_verb() {
    const bool have = type(at_) == Type::have;
    if (have && type(skip_adverbs(at_ + 1)) == Type::past) {  // "have been", "has covered": an auxiliary
      ++at_;
      return;
    }
    begin_clause_if_complete();
    wait(subject_, have ? "have" : token(at_).verb, "", LinkKind::active);
    verb_seen_ = true;
    after_be_ = predicate_ = false;
    ++at_;
  }

  void read_past() {
    const std::string_view verb = token(at_).verb;
    const int next = skip_adverbs(at_ + 1);
    const bool place = type(next) == Type::preposition;
    if (after_be_ || (after_and_ && verb_seen_ && place)) {
      const bool agent = place && token(next).text == "by";
      wait(subject_, verb, "", agent ? LinkKind::passive : LinkKind::predicate);
      predicate_ = true;
      after_be_ = false;
    } else if (place) {
      wait(last_, verb, "", LinkKind::noun);
    } else if (noun_phrase_at(next) && !last_.empty()) {
      wait(verb_seen_ ? last_ : subject_, verb, "", LinkKind::active);
      verb_seen_ = true;
    }
    ++at_;
  }

  void read_ing() {
    const bool progressive = after_be_;
    if (progressive && subject_.empty() && type(at_ + 1) == Type::noun) {  // "beside the road are teaching buildings"
      tokens_[static_cast<size_t>(at_)].type = Type::adjective;
      return;
    }
    wait(progressive ? subject_ : last_, token(at_).verb, "", progressive ? LinkKind::active : LinkKind::noun);
    after_be_ = false;
    ++at_;
  }

  void read_predicate_adjective() {
    const Word* word = token(at_).word;
    if (word != nullptr)
      for (int i = 0; i < subject_.size; ++i)
        entity(subject_.members[static_cast<size_t>(i)]).attributes |= word->attributes;
    predicate_ = true;
    ++at_;
  }

  void read_preposition() {
    const std::string_view text = token(at_).text;
    const int next = skip_adverbs(at_ + 1);
    ++at_;
    if (!noun_phrase_at(next)) return;  // "with trees beside": an adverb
    if (pending_.active && !pending_.verb.empty() && pending_.preposition.empty()) {
      pending_.preposition = text;
    } else if (after_be_) {
      wait(subject_, "", text, predicate_ ? LinkKind::predicate : LinkKind::copula);
    } else if (text == "into" && !action_.sources.empty()) {  // "divides the field into parts"
      wait(action_.sources, action_.verb, text, action_.kind);
    } else if (text == "by" && action_.preposition == "into") {  // "is divided into parts by roads"
      wait(action_.sources, action_.verb, text, LinkKind::passive);
    } else if (after_and_ && !pending_.sources.empty()) {
      wait(pending_.sources, "", text, pending_.kind == LinkKind::passive ? LinkKind::copula : pending_.kind);
    } else {
      // All of "cars and people on a road", when the clause is about them, but only the road of "a house near a lake
      // and a road with cars".
      const bool all = last_.empty() || (last_ == subject_ && text != "of" && text != "with");
      wait(all ? last_ : Group::of(last_.back()), "", text, LinkKind::noun);
    }
    after_be_ = after_and_ = false;
  }

  void read_noun_phrase() {
    const bool expects = pending_.active || after_be_;
    const bool continues = after_and_ && !expects && verb_seen_ == with_verb_seen_ && !with_.sources.empty() &&
                           after_pronoun() && !begins_clause(at_, true);
    const int before = at_;
    const Group group = read_group();
    if (at_ == before) ++at_;
    after_and_ = false;
    if (group.empty()) {
      after_be_ = false;
      if (pending_.active && pending_.preposition.empty()) pending_.active = false;
      return;
    }
    if (pending_.active) {
      pending_.active = false;
      if (pending_.sources.empty() && !pending_.preposition.empty() && !verb_seen_) {
        front_ = group;
        front_phrase_ = pending_;
      }
      link(pending_, group);
      const bool whole = pending_.preposition.empty() || pending_.preposition == "into";
      if (!pending_.verb.empty() && whole) action_ = pending_;
    } else if (continues) {
      link(with_, group);
    } else if (!expects || subject_.empty()) {
      subject_ = group;
      if (!expects) verb_seen_ = false;
      if (!front_.empty()) {
        front_phrase_.sources = group;
        if (front_phrase_.verb.empty()) front_phrase_.kind = LinkKind::copula;
        link(front_phrase_, front_);
        front_ = {};
      }
    }
    after_be_ = false;
    last_ = group;
  }

  void link(const Pending& phrase, const Group& targets) {
    for (int s = 0; s < phrase.sources.size; ++s)
      for (int t = 0; t < targets.size; ++t) {
        const int source = phrase.sources.members[static_cast<size_t>(s)];
        const int target = targets.members[static_cast<size_t>(t)];
        if (source != target)
          parse_.links.push_back({source, target, phrase.verb, phrase.preposition, phrase.kind, t > 0});
      }
    if (!phrase.sources.empty() && (phrase.preposition == "with" || phrase.verb == "have"))
      with_source_ = phrase.sources.back();
    if (phrase.preposition == "with") with_ = phrase, with_verb_seen_ = verb_seen_;
  }

  Entity& entity(int i) { return parse_.entities[static_cast<size_t>(i)]; }

  /// Noun phrases in coordination.
  Group read_group() {
    Group group;
    for (bool more = true; more;) {
      const bool pronoun = type(at_) == Type::pronoun;
      const int found = read_entity();
      if (found >= 0 && !group.has(found)) group.add(found);
      more = false;
      if (pronoun) break;  // "with a bridge over it and two boats": the boats are with what the bridge is with
      int next = at_;
      if (type(next) == Type::comma) ++next;
      if (type(next) == Type::conjunction) ++next;
      // "owns a field a pool and two courts": a list whose marks were dropped.
      const bool list = next == at_ && pending_.active && (type(at_) == Type::determiner || type(at_) == Type::number);
      if ((next == at_ && !list) || !noun_phrase_at(next) || begins_clause(next, list || verb_seen_)) break;
      at_ = next;
      more = true;
    }
    return group;
  }

  /// Whether what begins at i is the subject of another clause: "..., and the trees are green".
  bool begins_clause(int i, bool possible) const {
    if (!possible) return false;
    const auto within = [&] {
      return type(i) <= Type::adjective || type(i) == Type::determiner || type(i) == Type::number ||
             type(i) == Type::pronoun || type(i) == Type::adverb || is_of(i);
    };
    for (const int end = i + kLookAhead; i < end && within();) ++i;
    return type(i) == Type::be || type(i) == Type::have || type(i) == Type::verb;
  }

  /// What "it" stands for: what was said to have something, else the subject, else the last thing named.
  int antecedent() const {
    const auto fits = [&](int i) { return i >= 0 && !(pending_.active && pending_.sources.has(i)); };
    if (fits(with_source_)) return with_source_;
    if (!subject_.empty() && fits(subject_.members[0])) return subject_.members[0];
    if (!last_.empty() && fits(last_.back())) return last_.back();
    return -1;
  }

  /// One noun phrase from at_ on; at_ moves behind it.
  /// @return its entity, -1 where there is none.
  int read_entity() {
    Entity entity;
    int owner = -1;
    int span = -1;  // first token of the compound
    bool plural_count = false, definite = false;
    for (; at_ < count(); ++at_) {
      const Token& token = this->token(at_);
      switch (token.type) {
        case Type::determiner:
          if (span >= 0) return -1;
          definite = true;
          if (token.text == "no") entity.absent = true;
          if (token.text == "a" || token.text == "an") entity.count = 1;
          if (is_of(at_ + 1)) ++at_;  // "some of the cars"
          continue;
        case Type::possessive: owner = antecedent(); continue;
        case Type::pronoun: ++at_; return token.text == "it" || token.text == "them" ? antecedent() : -1;
        case Type::number:
          entity.count = token.number;
          plural_count = true;
          if (is_of(at_ + 1)) ++at_;
          continue;
        case Type::adverb:
          if (span < 0 && noun_phrase_at(at_ + 1)) continue;
          return -1;
        case Type::conjunction:
        case Type::comma:
          if (entity.attributes != 0 && type(at_ - 1) != Type::noun && adjective_leads_to_noun(at_, true)) continue;
          return -1;
        case Type::adjective:
          if (token.word != nullptr) entity.attributes |= token.word->attributes;
          if (token.kind() && span < 0) span = at_;
          if (!token.kind()) span = -1;
          if (adjective_leads_to_noun(at_, true) || type(at_ + 1) == Type::adjective) continue;
          ++at_;  // "the residential": an adjective in the place of its noun
          return definite || token.kind() ? add_entity(entity, token, -1, owner) : -1;
        case Type::noun: break;
        default: return -1;
      }
      if ((token.can & kQuantity) && is_of(at_ + 1)) {
        entity = {};
        entity.quantity = true;
        add_entity(entity, token, -1, -1);
        entity.quantity = false;
        entity.count = token.number;
        plural_count = true;
        ++at_;
        continue;
      }
      if (type(at_ + 1) == Type::noun && (!token.plural() || token.text == "sports")) {
        if (span < 0) span = at_;
        if (token.word != nullptr) entity.attributes |= token.word->attributes;
        continue;
      }
      if (!plural_count) entity.count = token.plural() ? kPlain : 1;
      ++at_;
      const int made = add_entity(entity, token, span, owner);
      if (type(at_) != Type::owner) return made;
      // "the city 's parks": the parks, which the city has.
      owner = made;
      entity = {};
      span = -1;
      plural_count = false;
    }
    return -1;
  }

  int add_entity(Entity entity, const Token& head, int span, int owner) {
    entity.head = head.noun;
    if (!entity.quantity) entity.count = std::max(entity.count, 1);
    if (head.word != nullptr) entity.part = head.word->part;
    if (span >= 0) {
      const char* begin = token(span).text.data();
      if (begin < head.text.data()) entity.modifier = {begin, static_cast<size_t>(head.text.data() - begin - 1)};
    }
    const int index = static_cast<int>(parse_.entities.size());
    parse_.entities.push_back(entity);
    if (owner >= 0) parse_.links.push_back({owner, index, "have", "", LinkKind::noun, false});
    return index;
  }

  Parse parse_;
  std::vector<Token> tokens_;
  int at_ = 0;
  Group subject_;  // of the clause
  Group last_;     // what a preposition attaches to
  Group front_;    // "near the ROAD there is ..."
  Pending pending_;
  Pending front_phrase_;  // how front_ will be joined to the subject
  Pending action_;        // the last verb that had an object, which "into" and "by" may still belong to
  int with_source_ = -1;  // what was last said to have something
  Pending with_;          // the phrase that said so by "with", and whether the verb came before it
  bool with_verb_seen_ = false;
  bool verb_seen_ = false;  // the clause has its verb
  bool after_be_ = false;   // nothing but adverbs and predicate adjectives since
  bool predicate_ = false;  // a participle or an adjective is the predicate
  bool after_and_ = false;
};

/// Reads a caption. Never throws for what the text holds; an empty text has no entities.
inline Parse parse(std::string_view text) { return Parser(text).parse(); }

}  // namespace erg
}  // namespace
