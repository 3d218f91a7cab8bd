// Pass 1 and 2 of the caption parser: the words of a text, what each can be (lexicon.h, then the ending of the word),
// and which of these it is here, from its neighbours.
#pragma once

#include <cstdint>
#include <initializer_list>
#include <string_view>
#include <utility>
#include <vector>

#include "lexicon.h"

namespace {
namespace erg {

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

/// A text in lower case, and its words. The words' views point into the text or into the lexicon: moving keeps them.
struct Tagged {
  Tagged() = default;
  Tagged(Tagged&&) = default;
  Tagged& operator=(Tagged&&) = default;

  std::vector<char> text;
  std::vector<Token> tokens;
};

class Tagger {
 public:
  explicit Tagger(std::string_view text) {
    split(text);
    join_phrases();
    tag();
  }

  Tagged take() && { return std::move(tagged_); }

 private:
  int count() const { return static_cast<int>(tagged_.tokens.size()); }
  const Token& at(int i) const { return tagged_.tokens[static_cast<size_t>(i)]; }
  Token& at(int i) { return tagged_.tokens[static_cast<size_t>(i)]; }

  // What each word can be.

  void split(std::string_view text) {
    // One blank before each word, so that a compound's words stay one span; marks of punctuation are words of one
    // byte. In the worst case every byte is a mark.
    std::vector<char>& out = tagged_.text;
    out.resize(2 * text.size() + 2);
    tagged_.tokens.reserve(text.size() / 4 + 4);
    size_t end = 0, begin = 0;
    const auto close = [&] {
      if (end > begin) add_word({out.data() + begin, end - begin});
      out[end++] = ' ';
      begin = end;
    };
    for (size_t i = 0; i < text.size(); ++i) {
      const char c = text[i];
      const bool upper = c >= 'A' && c <= 'Z';
      if ((c >= 'a' && c <= 'z') || upper || (c >= '0' && c <= '9') || static_cast<uint8_t>(c) >= 0x80 ||
          (c == '-' && end > begin)) {
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
    tagged_.tokens.push_back(token);
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
    if (text.back() == 's' && (token.can & ~uint32_t{kVerb}) == 0) read_plural(token);
    if (token.can == 0) read_ending(token);
    tagged_.tokens.push_back(token);
  }

  /// "trees", "churches", "facilities". A finite verb ("parks") is a plural as well where the lexicon has its noun.
  void read_plural(Token& token) {
    const std::string_view text = token.text;
    if (text.size() < 4 || text.ends_with("ss") || text.ends_with("us") || text.ends_with("is")) return;
    std::string_view singular = text.substr(0, text.size() - 1);
    if (text.ends_with("ies")) {
      if (token.can != 0) return;
      // The copy of the text is ours: "facilities" becomes "facilityes", of which the lemma is the beginning.
      const size_t place = static_cast<size_t>(text.data() - tagged_.text.data()) + text.size() - 3;
      tagged_.text[place] = 'y';
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
    for (size_t i = 0; i < tagged_.tokens.size();) {
      tagged_.tokens[kept] = tagged_.tokens[i];
      const size_t length = join_phrase(i, tagged_.tokens[kept]);
      i += length;
      ++kept;
    }
    tagged_.tokens.resize(kept);
  }

  /// @return the tokens taken.
  size_t join_phrase(size_t i, Token& token) const {
    if (token.word == nullptr || (token.word->tags & kOpens) == 0) return 1;
    for (const Phrase& phrase : kPhrases) {
      size_t at = i;
      bool matches = true;
      for_each_word(phrase.words, [&](std::string_view word) {
        matches = matches && at < tagged_.tokens.size() && tagged_.tokens[at].text == word;
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

  // What it is here.

  uint32_t can(int i) const { return i < count() ? at(i).can : uint32_t{kStop}; }

  void tag() {
    Type previous = Type::stop;
    finite_ = false;
    for (int i = 0; i < count(); ++i) {
      Token& token = at(i);
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
        at(i - 1).type = Type::adjective;
        token.type = Type::adjective;
      }
      if (token.type != Type::adverb) previous = token.type;
    }
  }

  /// "arc SHAPED bridge".
  bool joins_noun_before(int i) const {
    const Token &before = at(i - 1), &token = at(i);
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
      const bool doer = previous == Type::be || (previous == Type::noun && at(i - 1).plural());
      const bool object_follows = at(i).word == nullptr && previous == Type::noun && (next & kDeterminer);
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
    if (i > 0 && at(i - 1).can & (kTo | kModal)) return Type::verb;
    const bool third_person = token.text.back() == 's' && !token.text.ends_with("ss");
    if (inside && !also_noun && third_person && !finite_) return Type::verb;  // "the residential includes"
    if (inside || previous == Type::preposition) return Type::noun;
    if (previous == Type::which) return Type::verb;
    if (!also_noun && !(token.can & (kAdjective | kPreposition))) return Type::verb;
    if (finite_ || previous != Type::noun) return Type::noun;
    const bool object_follows = (next & (kDeterminer | kNumber | kPossessive | kPronoun)) != 0;
    const bool place_follows = (next & (kPreposition | kTo | kAdverb)) != 0;
    const bool plural_before = i > 0 && at(i - 1).plural();
    if (token.can & (kAdjective | kPreposition))
      return object_follows && plural_before != third_person ? Type::verb : Type::noun;
    // "houses stand along", "a church stands near", but also "a row of houses stands along".
    return (plural_before || third_person) && (object_follows || place_follows) ? Type::verb : Type::noun;
  }

  Tagged tagged_;
  bool finite_ = false;  // the clause has its verb
};

}  // namespace erg
}  // namespace
