// The words that the caption parser knows. Whatever stands here is either a closed class (prepositions, determiners,
// numbers), a word whose form misleads the suffix rules of parser.h ("tennis" is no plural, "parking" is a noun), or a
// word of this field's captions that is no noun. Unknown words are nouns unless their ending says otherwise, so that
// nouns are listed only where they could be taken for something else.
#pragma once

#include <algorithm>
#include <cstdint>
#include <deque>
#include <iterator>
#include <string>
#include <string_view>
#include <vector>

namespace {
namespace erg {

/// What a word can be; several bits may be set.
enum Tag : uint32_t {
  kNoun = 1 << 0,
  kAdjective = 1 << 1,
  kVerb = 1 << 2,    ///< finite or infinitive: "surrounds", "surround"
  kPast = 1 << 3,    ///< past or participle: "surrounded"
  kIng = 1 << 4,     ///< "surrounding"
  kAdverb = 1 << 5,  ///< skipped
  kPreposition = 1 << 6,
  kDeterminer = 1 << 7,
  kNumber = 1 << 8,  ///< "two", "many"
  kBe = 1 << 9,
  kHave = 1 << 10,
  kAnd = 1 << 11,
  kComma = 1 << 12,
  kStop = 1 << 13,        ///< ends a sentence
  kPronoun = 1 << 14,     ///< "it", "them"
  kPossessive = 1 << 15,  ///< "its", "their", "whose"
  kWhich = 1 << 16,       ///< begins a relative clause
  kThere = 1 << 17,
  kClause = 1 << 18,  ///< begins another clause: "while"
  kTo = 1 << 19,
  kModal = 1 << 20,      ///< "can"; skipped
  kPlural = 1 << 21,     ///< with kNoun
  kQuantity = 1 << 22,   ///< with kNoun: "a lot of X", "hundreds of X" count X
  kOwner = 1 << 23,      ///< the 's of "the city 's parks"
  kOpens = 1 << 24,      ///< may open one of the phrases of parser.h
  kCompounds = 1 << 25,  ///< see kCompounding
};

/// The counts of "many" and its like, and of what is only known to be plural.
constexpr int kMany = 10, kPlain = 3;

constexpr std::string_view kDeterminers = "a an the this that these those some any no each every another other all";
constexpr std::string_view kAdverbs =
    "very quite so too also almost partly just only really rather not here far away together respectively well "
    "mostly mainly somewhat even still already always often again therefore forth exactly partially closely else "
    "etc more less back up down off out together apart ahead yet ever maybe perhaps how";
constexpr std::string_view kAnds = "and or plus";
constexpr std::string_view kClauses = "while when whereas but because if since though although then";
constexpr std::string_view kWhiches = "which that who whom where";
constexpr std::string_view kPronouns = "it them they itself themselves he she him we you i us what";
constexpr std::string_view kPossessives = "its their whose his her our";
constexpr std::string_view kBes = "is are was were be been being am";
constexpr std::string_view kHaves = "has have had having";
constexpr std::string_view kModals = "can could may might will would should must do does did";

// Those that are adverbs when no noun phrase follows need no list of their own: the parser looks ahead.
constexpr std::string_view kPrepositions =
    "in on at of by with near around beside besides between among along across over above below under beneath "
    "underneath through inside outside within into onto from for behind against alongside after before beyond "
    "like toward towards via opposite aside without amid amidst throughout upon up";

/// A word and its number; `singular` where it is a plural.
struct NumberWord {
  std::string_view word;
  int value;
  std::string_view singular = {};
};
constexpr NumberWord kNumbers[] = {{"one", 1},          {"two", 2},          {"three", 3},          {"four", 4},
                                   {"five", 5},         {"six", 6},          {"seven", 7},          {"eight", 8},
                                   {"nine", 9},         {"ten", 10},         {"eleven", 11},        {"twelve", 12},
                                   {"both", 2},         {"several", kPlain}, {"few", kPlain},       {"many", kMany},
                                   {"numerous", kMany}, {"various", kMany},  {"countless", kMany},  {"much", kMany},
                                   {"single", 1},       {"double", 2},       {"twenty", 20},        {"thirty", 30},
                                   {"hundred", 100},    {"half", 1},         {"different", kPlain}, {"multiple", kMany},
                                   {"fifteen", 15},     {"either", 2},       {"most", kMany}};

/// "a lot of cars": a quantity of cars.
constexpr NumberWord kQuantities[] = {{"lot", kMany},
                                      {"lots", kMany, "lot"},
                                      {"number", kMany},
                                      {"numbers", kMany, "number"},
                                      {"plenty", kMany},
                                      {"couple", 2},
                                      {"pair", 2},
                                      {"pairs", kMany, "pair"},
                                      {"dozen", 12},
                                      {"dozens", kMany, "dozen"},
                                      {"hundreds", kMany, "hundred"},
                                      {"thousands", kMany, "thousand"},
                                      {"tens", kMany, "ten"},
                                      {"amount", kMany},
                                      {"amounts", kMany, "amount"},
                                      {"variety", kMany},
                                      {"majority", kMany},
                                      {"mass", kMany},
                                      {"multitude", kMany}};

constexpr std::string_view kAdjectives =
    // colours
    "white black gray grey red green blue yellow brown orange pink purple golden dark light khaki silver silvery "
    "cyan colorful colourful reddish grayish brownish greenish bluish cream beige pale bright colored coloured "
    "emerald "
    // sizes
    "large big huge small little tiny long short wide broad narrow tall high low vast great giant deep shallow "
    "thick thin medium enormous massive "
    // shapes
    "rectangular square round circular circle oval triangular irregular spherical curved straight crooked bent "
    "elliptical annular polygonal polygon winding diamond cross parallel cylindrical hexagonal octagonal regular "
    "trapezoidal flat arc zigzag curly semicircular forked vertical horizontal "
    // density, arrangement, state
    "dense sparse scattered neat orderly disorderly tidy messy crowded empty full open bare dry wet lush "
    "exuberant luxuriant verdant wild bustling busy prosperous clear clean quiet calm complete complicated new "
    "old modern ancient barren vacant withered naked bald soft hard rough smooth rolling towering compact loose "
    "intensive vivid muddy turbid polluted leafy fertile rich heavy rusty faded steep alive lonely desolate "
    "peaceful flourishing corrugated bumpy shiny arable ploughed fenced sporadic symmetrical uneven even equal "
    // kind
    "urban rural residential commercial industrial agricultural administrative artificial natural landscaped "
    "metallic plastic wooden tropical outdoor indoor public private local environmental luxury grassy sandy "
    "rocky snowy hilly high-rise low-rise two-way multi-storey semi semi-circular brand-new sunny standard "
    // place
    "central main nearby surrounding adjacent adjoining remote northern southern eastern western upper lower "
    "inner outer front rear left right opposite external internal "
    // order, number, identity
    "first second third whole entire total separate double single numerous many few own certain such independent "
    "different same identical similar special unique common major continuous discontinuous endless unknown "
    "distinct "
    // judgement
    "beautiful good convenient simple complex spectacular magnificent majestic delicate strange imaginative "
    "elegant spacious picturesque visible available gigantic sizable fast rapid fresh perfect important famous "
    "smart lovely pretty gorgeous";

/// Adjectives that name a kind of thing rather than describe one: they stay in its label ("residential area").
constexpr std::string_view kKinds =
    "residential commercial industrial agricultural swimming parking administrative urban bare arable left right";

/// Base forms. "stop+" doubles its last letter; "run/ran/run" names its irregular past and participle.
constexpr std::string_view kVerbs =
    "surround encircle enclose embrace encompass ring circle besiege border fringe semi-surround semisurround "
    "flank park locate situate place plant build/built/built stand/stood/stood sit+/sat/sat lie/lay/lain arrange "
    "line dock moor berth anchor land distribute scatter dot+ spread/spread/spread grow/grew/grown live settle "
    "station plan+ cover decorate adorn ornament fill equip+ pave paint stain shade mark dye intersperse cross "
    "traverse span+ crisscross pass flow run+/ran/run go/went/gone extend stretch wind/wound/wound lead/led/led "
    "drive/drove/driven travel sail cruise float swim+/swam/swum fly/flew/flown move come/came/come walk play "
    "wait divide devide split+/split/split separate seperate cut+/cut/cut intersect connect link join adjoin "
    "attach neighbour converge merge meet/met/met start end begin+/began/begun stay exist appear see/saw/seen "
    "look watch show/showed/shown contain include hold/held/held accommodate own offer provide consist compose "
    "comprise constitute form shape make/made/made become/became/become give/gave/given take/took/taken "
    "keep/kept/kept occupy use call beat/beat/beaten disturb expose close open sparkle shine/shone/shone glisten "
    "wash lap+ hit+/hit/hit rise/rose/risen hang/hung/hung lean face overlook oversee rest relax sunbathe "
    "concentrate gather crowd cluster crossover cultivate irrigate exude reflect print draw/drew/drawn stop+ "
    "turn curve twist bend/bent/bent lay/laid/laid set+/set/set design develop construct complete finish abandon "
    "destroy damage combine group pile stack array store need seem want let/let/let work shadow embed+ sandwich "
    "string/strung/strung roll serve emit seat spot+ tile cap+ inlay/inlaid/inlaid throw/threw/thrown "
    "fall/fell/fallen populate pack weave/wove/woven loop cast/cast/cast crack clothe leave/left/left "
    "put+/put/put orient isolate bound crop+ root touch edge reach display";

/// Nouns that look like another class (verb forms, plurals, adjectives). Singular unless in kPlurals.
constexpr std::string_view kNouns =
    // also verbs
    "park plant house field line form wave court port ring circle center centre edge border end start bank pool "
    "land station ground place dock shape cover clearing bend loop curve crop root light dot spot string fence "
    "top shade mark crack link plan design name stand wind water crew iron bed rest group pile seat cluster "
    "crowd head sand stone surface coast shadow "
    // also adjectives
    "square medium red white green blue yellow black brown gray grey silver oval diamond arc flat polygon "
    // ending like a participle, a verb, an adverb or an adjective
    "building parking swimming housing planting paving edging roofing ceiling railing crossing landing dwelling "
    "opening outline lighting seating boarding shopping camping fishing farming boating sailing cycling bowling "
    "training mooring driving modelling feeling spring speed family supply assembly material memorial aerial "
    "vegetable "
    // singular in spite of their last letter
    "tennis business series crossroads gas canvas atlas sports";

/// Participles that form one adjective with the noun before them: "an arc shaped bridge", "a cable stayed bridge".
constexpr std::string_view kCompounding = "shaped stayed lined roofed sized colored coloured covered capped style like";

/// Irregular plurals, and words that are plural or collective without a sign of it.
struct Plural {
  std::string_view plural, singular;
};
constexpr Plural kPlurals[] = {
    {"children", "child"},     {"men", "man"},           {"women", "woman"},        {"leaves", "leaf"},
    {"people", "people"},      {"buses", "bus"},         {"feet", "foot"},          {"halves", "half"},
    {"wharves", "wharf"},      {"aircraft", "aircraft"}, {"aircrafts", "aircraft"}, {"sheep", "sheep"},
    {"cattle", "cattle"},      {"gases", "gas"},         {"shelves", "shelf"},      {"roofs", "roof"},
    {"rooves", "roof"},        {"canvases", "canvas"},   {"campuses", "campus"},    {"bushes", "bush"},
    {"oases", "oasis"},        {"axes", "axis"},         {"geese", "goose"},        {"buliding", "building"},
    {"bulidings", "building"}, {"shes", "she"},          {"hooves", "hoof"},        {"lenses", "lens"}};

/// Nouns that stand for the place or the arrangement of what follows "of", not for a thing of their own: the graph lets
/// "a piece of X", "the side of X" collapse to X. `name`: the relation that "in/on/at the NOUN of X" then means; an
/// empty one leaves the phrase's own.
struct PartNoun {
  std::string_view noun, name;
};
constexpr PartNoun kPartNouns[] = {
    {"piece", ""},         {"row", ""},         {"line", ""},        {"part", ""},         {"kind", ""},
    {"group", ""},         {"patch", ""},       {"number", ""},      {"variety", ""},      {"stretch", ""},
    {"series", ""},        {"set", ""},         {"bit", ""},         {"strip", ""},        {"sort", ""},
    {"cluster", ""},       {"column", ""},      {"expanse", ""},     {"tract", ""},        {"bunch", ""},
    {"lot", ""},           {"type", ""},        {"rest", ""},        {"block", ""},        {"clump", ""},
    {"plot", ""},          {"pile", ""},        {"array", ""},       {"mass", ""},         {"size", ""},
    {"pair", ""},          {"couple", ""},      {"amount", ""},      {"majority", ""},     {"rank", ""},
    {"acre", ""},          {"side", "next to"}, {"edge", "along"},   {"bank", "along"},    {"border", "along"},
    {"fringe", "along"},   {"middle", "in"},    {"center", "in"},    {"centre", "in"},     {"corner", "in"},
    {"heart", "in"},       {"midst", "in"},     {"interior", "in"},  {"inside", "in"},     {"end", "next to"},
    {"front", "near"},     {"back", "near"},    {"top", "on"},       {"surface", "on"},    {"left", "left of"},
    {"right", "right of"}, {"bottom", "below"}, {"outside", "near"}, {"vicinity", "near"}, {"periphery", "surrounds"},
    {"rear", "near"},      {"foot", "near"}};

/// Nouns that name no thing that an image could show: the parser reads them, the graph has no node for them.
constexpr std::string_view kAbstractNouns =
    "color colour size shape style direction order picture image photo figure view scale distribution "
    "arrangement height width length nothing thing one other same way kind lot number amount variety distance "
    "interval";

/// Columns of attributes in a node's features, with the words that set each.
struct AttributeGroup {
  std::string_view name, words;
};
constexpr AttributeGroup kAttributes[] = {
    {"white", "white cream pale"},
    {"black", "black"},
    {"grey", "gray grey silver silvery grayish"},
    {"red", "red reddish pink"},
    {"orange", "orange"},
    {"yellow", "yellow golden khaki beige"},
    {"green", "green verdant emerald greenish"},
    {"blue", "blue cyan bluish turquoise"},
    {"brown", "brown brownish"},
    {"dark", "dark deep"},
    {"bright", "bright light shiny"},
    {"large", "large big huge vast great giant enormous massive"},
    {"small", "small little tiny"},
    {"long", "long"},
    {"short", "short"},
    {"wide", "wide broad"},
    {"narrow", "narrow thin"},
    {"tall", "tall high towering high-rise"},
    {"low", "low low-rise"},
    {"rectangular", "rectangular rectangle square trapezoidal"},
    {"round", "round circular circle annular oval elliptical spherical cylindrical rounded semicircular"},
    {"triangular", "triangular triangle"},
    {"polygonal", "polygonal polygon hexagonal octagonal diamond"},
    {"irregular", "irregular messy forked"},
    {"curved", "curved winding crooked bent arc curly zigzag twisty"},
    {"straight", "straight parallel"},
    {"dense", "dense thick crowded compact lush exuberant luxuriant"},
    {"sparse", "sparse scattered loose sporadic"},
    {"orderly", "orderly neat tidy regular arranged"},
    {"empty", "empty vacant"},
    {"bare", "bare barren dry bald desolate withered"},
    {"busy", "busy bustling prosperous"},
};
constexpr uint64_t kColours = (1 << 9) - 1;  ///< the first nine groups
constexpr int kAttributeCount = static_cast<int>(std::size(kAttributes));
static_assert(kAttributeCount <= 64, "attributes of an entity are a 64-bit set");

/// What the lexicon knows of one word. `noun`, `verb`: the lemmas where they differ from the word itself.
struct Word {
  std::string_view text, noun, verb;
  uint32_t tags = 0;
  int number = 0;
  uint64_t attributes = 0;
  bool kind = false;      ///< belongs to the label of the noun that it describes
  bool abstract = false;  ///< see kAbstractNouns
  int8_t part = -1;       ///< index into kPartNouns
};

/// Calls `use` for each of the words in a list separated by blanks.
template <class Use>
void for_each_word(std::string_view list, Use&& use) {
  while (!list.empty()) {
    const size_t end = std::min(list.find(' '), list.size());
    if (end > 0) use(list.substr(0, end));
    list.remove_prefix(std::min(end + 1, list.size()));
  }
}

/// All words and inflected forms in one open-addressing table. Built once, then only read.
class Lexicon {
 public:
  static const Lexicon& get() {
    static const Lexicon lexicon;
    return lexicon;
  }

  const Word* find(std::string_view text) const {
    for (size_t slot = hash(text);; ++slot) {
      const Word& word = table_[slot & (kSize - 1)];
      if (word.text.empty()) return nullptr;
      if (word.text == text) return &word;
    }
  }

 private:
  static constexpr size_t kSize = 8192;

  Lexicon() : table_(kSize) {
    add_list(kDeterminers, kDeterminer);
    add_list(kAdverbs, kAdverb);
    add_list(kAnds, kAnd);
    add_list(kClauses, kClause);
    add_list(kWhiches, kWhich);
    add_list(kPronouns, kPronoun);
    add_list(kPossessives, kPossessive);
    add_list(kBes, kBe);
    add_list(kHaves, kHave);
    add_list(kModals, kModal);
    add_list(kPrepositions, kPreposition);
    add_list(kAdjectives, kAdjective);
    add_list(kNouns, kNoun);
    add("there", kThere);
    add("to", kTo);
    add("s", kOwner);  // an apostrophe that a data set dropped: "the bird s nest"
    for_each_word(kCompounding, [this](std::string_view word) { add(word, kCompounds); });
    for_each_word(
        "next close adjacent near in on far away along together such opposite because out by at as each one "
        "and here up side",
        [this](std::string_view word) { add(word, kOpens); });
    for (const NumberWord& number : kNumbers) add(number.word, kNumber).number = number.value;
    for (const NumberWord& quantity : kQuantities) {
      const bool plural = !quantity.singular.empty();
      Word& word = add(quantity.word, uint32_t{kNoun} | kQuantity | (plural ? uint32_t{kPlural} : 0));
      word.number = quantity.value;
      word.noun = quantity.singular;
    }
    for (const auto& [plural, singular] : kPlurals) add(plural, kNoun | kPlural).noun = singular;
    for (size_t i = 0; i < std::size(kPartNouns); ++i) add(kPartNouns[i].noun, kNoun).part = static_cast<int8_t>(i);
    for_each_word(kVerbs, [this](std::string_view verb) { add_verb(verb); });
    for_each_word(kAbstractNouns, [this](std::string_view word) { add(word, 0).abstract = true; });
    for_each_word(kKinds, [this](std::string_view word) { add(word, 0).kind = true; });
    for (size_t i = 0; i < std::size(kAttributes); ++i)
      for_each_word(kAttributes[i].words,
                    [&](std::string_view word) { add(word, kAdjective).attributes |= 1ull << i; });
  }

  static size_t hash(std::string_view text) {
    uint64_t value = 1469598103934665603ull;
    for (const char c : text) value = (value ^ static_cast<uint8_t>(c)) * 1099511628211ull;
    return static_cast<size_t>(value ^ (value >> 29));
  }

  Word& add(std::string_view text, uint32_t tags) {
    size_t slot = hash(text);
    while (!table_[slot & (kSize - 1)].text.empty() && table_[slot & (kSize - 1)].text != text) ++slot;
    Word& word = table_[slot & (kSize - 1)];
    word.text = text;
    word.tags |= tags;
    return word;
  }

  void add_list(std::string_view list, uint32_t tags) {
    for_each_word(list, [&](std::string_view word) { add(word, tags); });
  }

  void add_form(std::string form, uint32_t tags, std::string_view base) {
    forms_.push_back(std::move(form));
    Word& word = add(forms_.back(), tags);
    if (word.verb.empty()) word.verb = base;
  }

  /// The forms of a verb by the rules of spelling: park, parks, parked, parking; stopped; running.
  void add_verb(std::string_view entry) {
    const size_t slash = entry.find('/');
    std::string_view base = entry.substr(0, slash), irregular = slash < entry.size() ? entry.substr(slash + 1) : "";
    const bool doubles = base.ends_with('+');
    if (doubles) base.remove_suffix(1);
    const auto vowel = [](char c) { return std::string_view("aeiou").find(c) < 5; };
    const bool e = base.ends_with('e'), y = base.ends_with('y') && !vowel(base[base.size() - 2]);
    const bool hisses = base.ends_with('s') || base.ends_with('x') || base.ends_with("ch") || base.ends_with("sh") ||
                        base.ends_with("go");
    const std::string stem(base.substr(0, base.size() - (e || y))), twice = doubles ? stem + stem.back() : stem;

    add(base, kVerb).verb = base;
    add_form(y ? stem + "ies" : std::string(base) + (hisses ? "es" : "s"), kVerb, base);
    add_form(base == "lie" ? "lying" : (y ? std::string(base) : twice) + "ing", kIng, base);
    if (irregular.empty()) return add_form(y ? stem + "ied" : twice + "ed", kPast, base);
    const size_t second = irregular.find('/');
    add_form(std::string(irregular.substr(0, second)), kPast, base);
    add_form(std::string(irregular.substr(second + 1)), kPast, base);
  }

  std::vector<Word> table_;
  std::deque<std::string> forms_;  // a deque: views of its strings stay valid as it grows
};

}  // namespace erg
}  // namespace
