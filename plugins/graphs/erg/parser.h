// A rule-based parser for captions of remote-sensing images: entities with counts and attributes, and who stands in
// which relation to whom. Three passes over the words, each linear in the length of the text:
//
//   1. words      lower-casing, lemmas, what each word can be (lexicon.h, then the ending of the word)
//   2. tags       which of these it is here, from its neighbours
//   3. clauses    noun phrases in coordination; prepositions and verbs join what stands before them to what follows
//
// It never fails: what it cannot read it skips. Bytes beyond ASCII are letters. No state is kept between calls.
#pragma once

#include <algorithm>
#include <array>
#include <cstdint>
#include <string_view>
#include <vector>

#include "lexicon.h"

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

/// What a word is in its place.
enum class Type : uint8_t {
  noun,
  adjective,
  verb,
  past,
  ing,
  adverb,
  preposition,
  determiner,
  number,
  be,
  have,
  conjunction,
  comma,
  stop,
  pronoun,
  possessive,
  which,
  there,
  clause,
  owner,
};

struct Token {
  std::string_view text, noun, verb;
  const Word* word = nullptr;
  uint32_t can = 0;
  Type type = Type::noun;
  int number = 0;
  bool plural() const { return (can & kPlural) != 0; }
  bool kind() const { return word != nullptr && word->kind; }
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

/// Several words that act as one. An empty `as`: the words themselves.
struct Phrase {
  std::string_view words, as;
  Type type;
};
constexpr Phrase kPhrases[] = {
    {"next to", "", Type::preposition},
    {"close to", "", Type::preposition},
    {"adjacent to", "", Type::preposition},
    {"near to", "near", Type::preposition},
    {"near by", "near", Type::preposition},
    {"in front of", "", Type::preposition},
    {"on top of", "", Type::preposition},
    {"far from", "", Type::preposition},
    {"far away from", "far from", Type::preposition},
    {"away from", "far from", Type::preposition},
    {"along with", "with", Type::preposition},
    {"together with", "with", Type::preposition},
    {"such as", "like", Type::preposition},
    {"opposite to", "opposite", Type::preposition},
    {"because of", "", Type::preposition},
    {"out of", "", Type::preposition},
    {"as well as", "", Type::conjunction},
    {"each other", "", Type::pronoun},
    {"one another", "", Type::pronoun},
    {"and so on", "", Type::stop},
    {"here and there", "", Type::adverb},
    {"side by side", "", Type::adverb},
    {"at the same time", "", Type::adverb},
    {"up to", "", Type::preposition},
    {"in order to", "", Type::adverb},
};

class Parser {
 public:
  explicit Parser(std::string_view text) {
    split(text);
    join_phrases();
    tag();
  }

  Parse parse() && {
    for (at_ = 0; at_ < count();) step();
    return std::move(parse_);
  }

 private:
  // Pass 1: words.

  void split(std::string_view text) {
    // One blank before each word, so that a compound's words stay one span; marks of punctuation are words of one
    // byte. In the worst case every byte is a mark.
    std::vector<char>& out = parse_.text;
    out.resize(2 * text.size() + 2);
    tokens_.reserve(text.size() / 4 + 4);
    size_t end = 0, begin = 0;
    const auto close = [&] {
      if (end > begin) add_word({out.data() + begin, end - begin});
      out[end++] = ' ';
      begin = end;
    };
    for (size_t i = 0; i < text.size(); ++i) {
      const char c = text[i];
      const bool upper = c >= 'A' && c <= 'Z';
      if ((c >= 'a' && c <= 'z') || upper || (c >= '0' && c <= '9') || static_cast<uint8_t>(c) >= 0x80 || c == '-') {
        out[end++] = upper ? static_cast<char>(c + ('a' - 'A')) : c;
        continue;
      }
      if (end > begin) close();
      if (c == '\'' && i + 1 < text.size() && text[i + 1] == 's' && (i + 2 == text.size() || text[i + 2] == ' ')) {
        add_mark("'s", kOwner);
        ++i;
      } else if (c == ',') {
        add_mark(",", kComma);
      } else if (c == '.' || c == ';' || c == '!' || c == '?' || c == ':') {
        add_mark(".", kStop);
      }
    }
    if (end > begin) close();
  }

  void add_mark(std::string_view text, uint32_t can) {
    Token token;
    token.text = text;
    token.can = can;
    tokens_.push_back(token);
  }

  void add_word(std::string_view text) {
    Token token;
    token.text = token.noun = token.verb = text;
    token.word = Lexicon::get().find(text);
    if (token.word != nullptr) {
      token.can = token.word->tags;
      token.number = token.word->number;
      if (!token.word->noun.empty()) token.noun = token.word->noun;
      if (!token.word->verb.empty()) token.verb = token.word->verb;
    }
    if (text.back() == 's' && (token.can & (kNoun | ~uint32_t{kVerb})) == 0) read_plural(token);
    if (token.can == 0) read_ending(token);
    tokens_.push_back(token);
  }

  /// "trees", "churches", "facilities". A finite verb ("parks") is a plural as well where the lexicon has its noun.
  void read_plural(Token& token) {
    const std::string_view text = token.text;
    if (text.size() < 4 || text.ends_with("ss") || text.ends_with("us") || text.ends_with("is")) return;
    std::string_view singular = text.substr(0, text.size() - 1);
    if (text.ends_with("ies")) {
      if (token.can != 0) return;
      // The copy of the text is ours: "facilities" becomes "facilityes", of which the lemma is the beginning.
      const size_t place = static_cast<size_t>(text.data() - parse_.text.data()) + text.size() - 3;
      parse_.text[place] = 'y';
      singular = text.substr(0, text.size() - 2);
    } else if (text.ends_with("ches") || text.ends_with("shes") || text.ends_with("sses") || text.ends_with("xes")) {
      singular = text.substr(0, text.size() - 2);
    }
    const Word* word = Lexicon::get().find(singular);
    if (token.can != 0 && (word == nullptr || (word->tags & kNoun) == 0)) return;
    token.can |= kNoun | kPlural;
    token.noun = word != nullptr && !word->noun.empty() ? word->noun : singular;
    if (token.word == nullptr || (word != nullptr && word->part >= 0)) token.word = word;
  }

  static void read_ending(Token& token) {
    const std::string_view text = token.text;
    const auto ends = [&](std::initializer_list<std::string_view> endings) {
      for (const std::string_view ending : endings)
        if (text.size() > ending.size() + 2 && text.ends_with(ending)) return true;
      return false;
    };
    if (text[0] >= '0' && text[0] <= '9') {
      token.can = kNumber;
      for (const char c : text.substr(0, 4))
        if (c >= '0' && c <= '9') token.number = 10 * token.number + (c - '0');
    } else if (ends({"ing"})) {
      token.can = kIng | kNoun;
      token.verb = text.substr(0, text.size() - 3);
    } else if (ends({"shaped", "sized", "colored", "coloured", "roofed", "ous", "ful", "able", "ible", "less", "ish",
                     "like", "ative", "ial"})) {
      token.can = kAdjective;
    } else if (ends({"ed"})) {
      token.can = kPast;
      token.verb = text.substr(0, text.size() - 2);
    } else if (ends({"ly"})) {
      token.can = kAdverb;
    } else {
      token.can = kNoun;
    }
  }

  void join_phrases() {
    size_t kept = 0;
    for (size_t i = 0; i < tokens_.size();) {
      tokens_[kept] = tokens_[i];
      const size_t length = join_phrase(i, tokens_[kept]);
      i += length;
      ++kept;
    }
    tokens_.resize(kept);
  }

  /// @return the tokens taken.
  size_t join_phrase(size_t i, Token& token) const {
    if (token.word == nullptr || (token.word->tags & kOpens) == 0) return 1;
    for (const Phrase& phrase : kPhrases) {
      size_t at = i;
      bool matches = true;
      for_each_word(phrase.words, [&](std::string_view word) {
        matches = matches && at < tokens_.size() && tokens_[at].text == word;
        ++at;
      });
      if (!matches) continue;
      token = Token{};
      token.text = phrase.as.empty() ? phrase.words : phrase.as;
      token.type = phrase.type;
      return at - i;
    }
    return 1;
  }

  // Pass 2: tags.

  uint32_t can(int i) const { return i < count() ? tokens_[static_cast<size_t>(i)].can : uint32_t{kStop}; }

  void tag() {
    Type previous = Type::stop;
    finite_ = false;
    for (int i = 0; i < count(); ++i) {
      Token& token = tokens_[static_cast<size_t>(i)];
      if (token.can != 0) token.type = choose(i, token, previous);  // 0: a phrase, whose type is known
      switch (token.type) {
        case Type::be:
        case Type::have:
        case Type::verb: finite_ = true; break;
        case Type::stop:
        case Type::which:
        case Type::clause:
        case Type::there: finite_ = false; break;
        default: break;
      }
      if (i > 0 && joins_noun_before(i)) {
        tokens_[static_cast<size_t>(i - 1)].type = Type::adjective;
        token.type = Type::adjective;
      }
      if (token.type != Type::adverb) previous = token.type;
    }
  }

  /// "arc SHAPED bridge".
  bool joins_noun_before(int i) const {
    const Token &before = tokens_[static_cast<size_t>(i - 1)], &token = tokens_[static_cast<size_t>(i)];
    return token.word != nullptr && (token.word->tags & kCompounds) != 0 &&
           (before.type == Type::noun || before.type == Type::adjective) && !before.plural() &&
           (can(i + 1) & (kNoun | kAdjective | kIng)) != 0;
  }

  static bool inside_noun_phrase(Type previous) {
    return previous == Type::determiner || previous == Type::number || previous == Type::adjective ||
           previous == Type::possessive;
  }

  Type choose(int i, const Token& token, Type previous) {
    const uint32_t can = token.can, next = this->can(i + 1);
    struct Sure {
      uint32_t tag;
      Type type;
    };
    static constexpr Sure kSure[] = {
        {kStop, Type::stop},       {kComma, Type::comma},           {kOwner, Type::owner},   {kBe, Type::be},
        {kHave, Type::have},       {kAnd, Type::conjunction},       {kClause, Type::clause}, {kThere, Type::there},
        {kPronoun, Type::pronoun}, {kPossessive, Type::possessive}, {kModal, Type::adverb}};
    for (const auto& [tag, type] : kSure)
      if (can & tag) return type;
    if (can & kWhich) return Type::which;
    if (can & kDeterminer) return Type::determiner;
    if (can & kTo) return (next & kVerb) && !(next & (kNoun | kAdjective)) ? Type::adverb : Type::preposition;

    const bool inside = inside_noun_phrase(previous);
    const bool noun_follows = (next & (kNoun | kAdjective)) != 0;
    if (can & kNumber) return Type::number;
    if (can & kPast) return choose_past(can, next, previous, noun_follows);
    if (can & kIng) return choose_ing(i, can, next, previous, noun_follows);
    if (can & kVerb) {
      if (const Type type = choose_verb(i, token, previous, inside); type == Type::verb) return type;
      if ((can & (kNoun | kAdjective | kPreposition | kAdverb)) == 0) return inside ? Type::noun : Type::verb;
    }
    if ((can & kPreposition) && !inside) return Type::preposition;
    if ((can & kAdjective) && (can & kNoun)) {
      if (noun_follows || previous == Type::be) return Type::adjective;
      const bool colour = token.word != nullptr && (token.word->attributes & kColours) != 0;
      // "is white and black", "is dark green"; "grey, white and brown roofs", but "the square and green trees".
      if (colour && (previous == Type::conjunction || previous == Type::adjective)) return Type::adjective;
      if (colour && (next & (kAnd | kComma)) && (this->can(i + 2) & (kAdjective | kAnd))) return Type::adjective;
      return Type::noun;
    }
    if (can & kAdjective) return Type::adjective;
    if (can & kNoun) return Type::noun;
    return can & kPreposition ? Type::preposition : Type::adverb;
  }

  Type choose_past(uint32_t can, uint32_t next, Type previous, bool noun_follows) {
    if ((can & kNoun) && !(can & kAdjective) && (inside_noun_phrase(previous) || !(next & (kPreposition | kTo))))
      return Type::noun;
    if (previous == Type::be || previous == Type::have)
      return noun_follows && !(can & kAdjective) ? Type::past : (can & kAdjective ? Type::adjective : Type::past);
    if (noun_follows && previous != Type::noun) return Type::adjective;
    if (can & kAdjective) return Type::adjective;
    if (inside_noun_phrase(previous) && previous != Type::adjective) return Type::adjective;
    return Type::past;
  }

  Type choose_ing(int i, uint32_t can, uint32_t next, Type previous, bool noun_follows) {
    if (can & kNoun) {  // "the parking near the road" is a noun, "boats parking near the shore" do something
      const bool doer =
          previous == Type::be || (previous == Type::noun && tokens_[static_cast<size_t>(i - 1)].plural());
      const bool object_follows = token(i).word == nullptr && previous == Type::noun && (next & kDeterminer);
      return (doer && (next & (kPreposition | kTo))) || object_follows ? Type::ing : Type::noun;
    }
    if (previous == Type::be) return Type::ing;
    if (can & kAdjective && noun_follows && previous != Type::noun) return Type::adjective;
    if (previous == Type::noun) return Type::ing;
    if (noun_follows) return Type::adjective;
    return inside_noun_phrase(previous) || previous == Type::preposition ? Type::noun : Type::ing;
  }

  /// A finite verb: after a noun that agrees with it, in a clause that has none yet, and followed by what can follow
  /// it.
  Type choose_verb(int i, const Token& token, Type previous, bool inside) const {
    const uint32_t next = can(i + 1);
    const bool also_noun = (token.can & kNoun) != 0;
    if (i > 0 && tokens_[static_cast<size_t>(i - 1)].can & (kTo | kModal)) return Type::verb;
    const bool third_person = token.text.back() == 's' && !token.text.ends_with("ss");
    if (inside && !also_noun && third_person && !finite_) return Type::verb;  // "the residential includes"
    if (inside || previous == Type::preposition) return Type::noun;
    if (previous == Type::which) return Type::verb;
    if (!also_noun && !(token.can & (kAdjective | kPreposition))) return Type::verb;
    if (finite_ || previous != Type::noun) return Type::noun;
    const bool object_follows = (next & (kDeterminer | kNumber | kPossessive | kPronoun)) != 0;
    const bool place_follows = (next & (kPreposition | kTo | kAdverb)) != 0;
    const bool plural_before = i > 0 && tokens_[static_cast<size_t>(i - 1)].plural();
    if (token.can & (kAdjective | kPreposition))
      return object_follows && plural_before != third_person ? Type::verb : Type::noun;
    // "houses stand along", "a church stands near", but also "a row of houses stands along".
    return (plural_before || third_person) && (object_follows || place_follows) ? Type::verb : Type::noun;
  }

  // Pass 3: clauses.

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
      case Type::pronoun: return true;
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
  bool finite_ = false;  // pass 2: the clause has its verb

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
