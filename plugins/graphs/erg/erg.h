// The entity relation graph (ERG) of GraVLM (IEEE TGRS 2026, DOI 10.1109/TGRS.2026.3671643): what a caption names, and
// how these things stand to each other. Included once by the plugin and once by its test.
//
// The released code reads one file of triples per image, which gives a test caption the graph of its own image: that
// leaks the answer. Here the graph is a function of the caption's text alone, read by the rules of parser.h; triples
// that the dataset gives for that very text take the place of the parse (`use_given_triples`).
//
// Nodes are entities in order of first appearance (the released order is not stable), those with the same label merged
// (attributes united, the larger count kept), the first `max_nodes` kept. A label is the head noun in the singular,
// with the words that make it another kind of thing: "tennis court", "residential area". What only counts or places
// another thing is no node: "a piece of meadow", "a lot of cars", "both sides of a road".
//
// Adjacency, as published: 1 between two nodes that some relation joins, either way, else 0. `densify` gives the
// released form instead: unit diagonal, zeros replaced by 0.01, then D^-1/2 A D^-1/2. It is 20 x 20 there, with empty
// slots; here over the nodes that exist.
//
// Relations are directed and named: an edge source -> target reads "source NAME target". The names are those that
// spatial object graphs use too: near, next to, surrounded by, surrounds, in, contains, on, under, along, between, on
// both sides of, crossing, left of, right of, above, below, overlapping, in a row, with, other. A road "over" a river
// is "crossing": seen from above it is not "above", which means higher in the image. What cannot be said with these
// words is "other".
#pragma once

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <numeric>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "orbweaver/graph_builder.h"
#include "orbweaver/params.h"
#include "parser.h"

namespace {
namespace erg {

struct Params {
  int64_t max_nodes = 20;
  bool densify = false;
  bool use_given_triples = true;

  static void describe(orbweaver::ParamSpec<Params>& p) {
    p.field("max_nodes", &Params::max_nodes, "Nodes kept, in order of first appearance").range(1, 512);
    p.field("densify", &Params::densify,
            "Adjacency of the released code: unit diagonal, zeros replaced by 0.01, then D^-1/2 A D^-1/2");
    p.field("use_given_triples", &Params::use_given_triples,
            "Whether triples that the dataset gives for a caption's very text take the place of the parse");
  }
};

// Names of relations.

struct Named {
  std::string_view words, name;
};

/// Prepositions by the relation that they mean. Unlisted ones are "other".
constexpr Named kPrepositionNames[] = {
    {"near close behind before against opposite outside off toward towards by", "near"},
    {"beside besides aside", "next to"},
    {"around", "surrounds"},
    {"in at inside within into amid amidst among", "in"},
    {"on onto upon", "on"},
    {"under underneath beneath", "under"},
    {"below", "below"},
    {"above", "above"},
    {"over across through", "crossing"},
    {"throughout", "in"},
    {"along alongside", "along"},
    {"between", "between"},
    {"with", "with"},
};
constexpr Named kPhraseNames[] = {
    {"next to", "next to"},  {"adjacent to", "next to"}, {"close to", "near"},
    {"in front of", "near"}, {"on top of", "on"},
};

/// Verbs: the relation of "X verbs Y", and that of "X is verbed by (with, in) Y". An empty `passive`: the same edge as
/// the active's, from Y to X.
struct VerbName {
  std::string_view words, active, passive;
};
constexpr VerbName kVerbNames[] = {
    {"surround encircle enclose embrace encompass ring circle besiege semi-surround semisurround", "surrounds",
     "surrounded by"},
    {"border fringe flank adjoin neighbour touch connect link join attach meet", "next to", "next to"},
    {"contain include hold accommodate consist compose comprise fill crowd pack", "contains", "in"},
    {"have own offer provide feature equip", "with", "with"},
    {"decorate adorn ornament dot intersperse clothe scatter mark paint pave", "with", "with"},
    {"cover occupy cap shade shadow", "on", "with"},
    {"cross traverse span crisscross intersect cut divide devide split separate seperate", "crossing", ""},
    {"line", "along", ""},
    {"overlap", "overlapping", "overlapping"},
    {"face overlook", "near", "near"},
    {"sandwich", "between", "between"},
};
/// Verbs that only say that something is somewhere: "parked by the road" is near it.
constexpr std::string_view kPlaceVerbs =
    "park locate situate place plant moor dock berth anchor sit stand lie lay build grow settle arrange";

constexpr std::string_view kRelationNames[] = {
    "near",  "next to", "surrounded by", "surrounds",        "in",       "contains", "on",
    "under", "along",   "between",       "on both sides of", "crossing", "left of",  "right of",
    "above", "below",   "overlapping",   "in a row",         "with",     "other"};

inline bool lists(std::string_view list, std::string_view word) {
  bool found = false;
  for_each_word(list, [&](std::string_view item) { found = found || item == word; });
  return found;
}

inline std::string_view preposition_name(std::string_view preposition) {
  for (const Named& phrase : kPhraseNames)
    if (phrase.words == preposition) return phrase.name;
  for (const Named& entry : kPrepositionNames)
    if (lists(entry.words, preposition)) return entry.name;
  return "other";
}

/// A relation by name; `swapped`: it runs from the target to the source.
struct Naming {
  std::string_view name;
  bool swapped = false;
};

inline Naming name_of(std::string_view verb, std::string_view preposition, LinkKind kind) {
  // "the roof of a building": a building with a roof. "full of cars", "consists of rooms": contains them.
  if (preposition == "of")
    return kind == LinkKind::predicate || !verb.empty() ? Naming{"contains"} : Naming{"with", true};
  if (verb.empty()) return {preposition_name(preposition)};

  for (const VerbName& entry : kVerbNames) {
    if (!lists(entry.words, verb)) continue;
    if (preposition.empty()) return {entry.active};
    const bool agent =
        preposition == "by" || preposition == "with" || (preposition == "in" && entry.active == "surrounds");
    if (agent && verb == "fill") return {"contains"};
    if (agent) return entry.passive.empty() ? Naming{entry.active, true} : Naming{entry.passive};
    // "is divided into fields" contains them; what divides it does not.
    if (entry.active == "next to" && preposition == "to") return {"next to"};
    if (preposition == "into") return {kind == LinkKind::active ? "other" : "contains"};
    break;
  }
  if (preposition.empty()) return {"other"};
  if (preposition == "by" && !lists(kPlaceVerbs, verb)) return {"other"};
  return {preposition_name(preposition)};
}

// From a parse to nodes.

struct Node {
  std::string label;
  int count = 0;
  uint64_t attributes = 0;
};

/// A directed edge; `name` is a literal.
struct Edge {
  size_t source = 0, target = 0;
  std::string_view name;
};

/// Nodes in order of first appearance, and edges between them without repetition.
struct Net {
  std::vector<Node> nodes;
  std::vector<Edge> edges;

  size_t add(Node node) {
    for (size_t i = 0; i < nodes.size(); ++i)
      if (nodes[i].label == node.label) {
        nodes[i].count = std::max(nodes[i].count, node.count);
        nodes[i].attributes |= node.attributes;
        return i;
      }
    nodes.push_back(std::move(node));
    return nodes.size() - 1;
  }

  void join(size_t source, size_t target, std::string_view name) {
    if (source == target) return;
    for (const Edge& edge : edges)
      if (edge.source == source && edge.target == target && edge.name == name) return;
    edges.push_back({source, target, name});
  }
};

/// Turns entities and links into nodes and edges: parts collapse into what they are parts of, links get their names.
class Reduction {
 public:
  Reduction(const Parse& parse, size_t max_nodes)
      : parse_(parse), whole_(parse.entities.size(), kNone), root_(parse.entities.size()) {
    std::iota(root_.begin(), root_.end(), 0);
    find_wholes();
    add_nodes(max_nodes);
    for (const Link& link : parse_.links) add_edges(link);
    add_rows();
  }

  Net take() && { return std::move(net_); }

 private:
  static constexpr int kNone = -1;
  static constexpr size_t kDropped = static_cast<size_t>(-1);

  const Entity& entity(int i) const { return parse_.entities[static_cast<size_t>(i)]; }

  /// Whether the noun stands for a part or a place, not for a thing of its own ("parking lot").
  bool is_part(int i) const {
    const Entity& e = entity(i);
    return e.part >= 0 && (e.modifier.empty() || e.modifier == "left" || e.modifier == "right");
  }
  static bool is_row(std::string_view head) { return lists("row line column rank array", head); }

  /// whole_[i]: the entity that part i is a part of, by "of" or by what has the thing that is there: "a river with
  /// trees on two sides" has its sides there.
  void find_wholes() {
    const size_t count = parse_.entities.size();
    std::vector<int> owner(count, kNone);
    missing_.assign(count, false);
    for (const Link& link : parse_.links) {
      const size_t target = static_cast<size_t>(link.target);
      if (link.preposition == "without") missing_[target] = true;
      if ((link.preposition == "with" || link.verb == "have") && owner[target] == kNone) owner[target] = link.source;
      if (link.preposition == "of" && link.verb.empty() && is_part(link.source)) set_whole(link.source, link.target);
    }
    for (const Link& link : parse_.links)
      if (is_part(link.target) && !place_name(link.target).empty() && owner[static_cast<size_t>(link.source)] != kNone)
        set_whole(link.target, owner[static_cast<size_t>(link.source)]);
  }

  void set_whole(int part, int whole_of_it) {
    if (whole(part) != kNone || root(whole_of_it) == part) return;
    whole_[static_cast<size_t>(part)] = root_[static_cast<size_t>(part)] = whole_of_it;
  }

  int whole(int i) const { return whole_[static_cast<size_t>(i)]; }
  /// What an entity is in the end a part of; itself where it is none. Shortens the way for the next call.
  int root(int i) {
    int& up = root_[static_cast<size_t>(i)];
    while (root_[static_cast<size_t>(up)] != up) up = root_[static_cast<size_t>(up)];
    return up;
  }

  /// The relation that "in/on/at this part" means, "" where the part changes nothing.
  std::string_view place_name(int i) const {
    const Entity& e = entity(i);
    if (e.modifier == "left") return "left of";
    if (e.modifier == "right") return "right of";
    if (e.head == "side" && e.count > 1) return "on both sides of";
    return kPartNouns[static_cast<unsigned char>(e.part)].name;
  }

  /// Whether the head names something that can be a node: no "size" and no mere "green".
  bool is_thing(const Entity& e) const {
    const Word* word = Lexicon::get().find(e.head);
    return word == nullptr || !e.modifier.empty() || (!word->abstract && (word->attributes & kColours) == 0);
  }

  void add_nodes(size_t max_nodes) {
    node_.assign(parse_.entities.size(), kDropped);
    for (int i = 0; i < static_cast<int>(parse_.entities.size()); ++i) {
      const Entity& e = entity(i);
      const bool placed = is_part(i) && (whole(i) != kNone || !place_name(i).empty() || is_row(e.head));
      if (e.quantity || e.absent || placed || missing_[static_cast<size_t>(i)] || !is_thing(e)) continue;
      Node node{std::string(e.modifier), e.count, e.attributes};
      if (!node.label.empty()) node.label += ' ';
      node.label += e.head;
      const size_t at = net_.add(std::move(node));
      if (at >= max_nodes) {
        net_.nodes.pop_back();
      } else {
        node_[static_cast<size_t>(i)] = at;
      }
    }
    // What is said of a part is said of the whole: "a large piece of meadow", "rows of trees".
    for (int i = 0; i < static_cast<int>(parse_.entities.size()); ++i) {
      const size_t at = whole(i) != kNone && place_name(i).empty() ? node_of(i) : kDropped;
      if (at == kDropped) continue;
      net_.nodes[at].attributes |= entity(i).attributes;
      net_.nodes[at].count = std::max(net_.nodes[at].count, entity(i).count);
      if (is_row(entity(i).head)) net_.nodes[at].attributes |= orderly();
    }
  }

  static uint64_t orderly() { return Lexicon::get().find("orderly")->attributes; }
  size_t node_of(int i) { return node_[static_cast<size_t>(root(i))]; }

  void add_edges(const Link& link) {
    if (whole(link.source) == link.target) return;
    const size_t source = node_of(link.source), target = node_of(link.target);
    if (source == kDropped) return;
    if (is_part(link.target) && is_row(entity(link.target).head) && whole(link.target) == kNone)
      net_.nodes[source].attributes |= orderly();
    if (target == kDropped) return;

    Naming naming = name_of(link.verb, link.preposition, link.kind);
    // "in the middle OF": the part says where, as long as the phrase only places something there.
    const bool places = lists("in on at by from to along", link.preposition) && naming.name != "surrounded by";
    int depth = 0;
    if (places)
      for (int part = link.target; whole(part) != kNone && depth < 4; part = whole(part), ++depth)
        if (const std::string_view name = place_name(part); !name.empty()) {
          naming = {name, false};
          break;
        }
    if (naming.swapped) {
      net_.join(target, source, naming.name);
    } else {
      net_.join(source, target, naming.name);
    }
  }

  /// "a house and a pool are in a row": each is in a row with the other.
  void add_rows() {
    std::vector<Group> standing(parse_.entities.size());  // in each row that is a row of nothing else
    for (const Link& link : parse_.links)
      if (link.preposition == "in" && is_row(entity(link.target).head) && whole(link.target) == kNone)
        standing[static_cast<size_t>(link.target)].add(link.source);
    for (const Group& group : standing)
      for (int a = 0; a < group.size; ++a)
        for (int b = 0; b < group.size; ++b) {
          const size_t source = node_of(group.members[static_cast<size_t>(a)]);
          const size_t target = node_of(group.members[static_cast<size_t>(b)]);
          if (source != kDropped && target != kDropped) net_.join(source, target, "in a row");
        }
  }

  const Parse& parse_;
  std::vector<int> whole_, root_;
  std::vector<char> missing_;  // "without water"
  std::vector<size_t> node_;   // of each entity, kDropped where it has none
  Net net_;
};

/// Nodes and edges of a caption's text.
inline Net read_text(std::string_view text, size_t max_nodes) { return Reduction(parse(text), max_nodes).take(); }

// Triples.

/// `text` in lower case and without blanks around it: the label of what the parser finds no noun in.
inline std::string plain(std::string_view text) {
  const size_t begin = std::min(text.find_first_not_of(" \t\r\n"), text.size());
  const size_t end = text.find_last_not_of(" \t\r\n") + 1;
  std::string out(text.substr(begin, end > begin ? end - begin : 0));
  for (char& c : out)
    if (c >= 'A' && c <= 'Z') c = static_cast<char>(c + ('a' - 'A'));
  return out;
}

/// The name of a triple's relation: one of the names themselves, else what the phrase means between two things.
inline Naming read_relation(std::string_view relation) {
  const std::string phrase = plain(relation);
  for (const std::string_view name : kRelationNames)
    if (phrase == name) return {name};
  const Net net = read_text("x1 " + phrase + " x2", 2);
  if (net.edges.empty()) return {"other"};
  return {net.edges[0].name, net.nodes[net.edges[0].source].label != "x1"};
}

/// Nodes and edges of triples. Each triple is one edge between the first things that its subject and object name.
inline Net read_triples(std::span<const orbweaver::Triple> triples, size_t max_nodes) {
  Net net;
  const auto node = [&](const std::string& text) {
    Net phrase = read_text(text, 1);
    const size_t known = net.nodes.size();
    const size_t at = net.add(phrase.nodes.empty() ? Node{plain(text), 1, 0} : std::move(phrase.nodes[0]));
    if (at < known || at < max_nodes) return at;
    net.nodes.pop_back();
    return static_cast<size_t>(-1);
  };
  for (const orbweaver::Triple& triple : triples) {
    const size_t source = node(triple.subject), target = node(triple.object);
    if (source == static_cast<size_t>(-1) || target == static_cast<size_t>(-1)) continue;
    const Naming naming = read_relation(triple.relation);
    net.join(naming.swapped ? target : source, naming.swapped ? source : target, naming.name);
  }
  return net;
}

/// The released matrices of one image's triples: entities are nodes by their very words, in order of first appearance,
/// in `slots` slots; the adjacency is 0/1 and undirected, the degree matrix holds on its diagonal how many nodes each
/// is joined to. Entities beyond the slots are left out. Only the comparison with the released code needs it.
struct Released {
  orbweaver::Matrix<double> adjacency, degree;
};
inline Released released_matrices(std::span<const orbweaver::Triple> triples, int64_t slots) {
  Released out{orbweaver::Matrix<double>(slots, slots), orbweaver::Matrix<double>(slots, slots)};
  std::vector<std::string> names;
  const auto slot = [&](const std::string& name) {
    const auto known = std::find(names.begin(), names.end(), name);
    const int64_t at = known - names.begin();
    if (known == names.end()) names.push_back(name);
    return at;
  };
  for (const orbweaver::Triple& triple : triples) {
    const int64_t a = slot(triple.subject), b = slot(triple.object);
    if (a == b || a >= slots || b >= slots) continue;
    out.adjacency(a, b) = out.adjacency(b, a) = 1;
  }
  for (int64_t i = 0; i < slots; ++i)
    for (int64_t j = 0; j < slots; ++j) out.degree(i, i) += out.adjacency(i, j);
  return out;
}

/// Unit diagonal, zeros replaced by 0.01, then D^-1/2 A D^-1/2 with D the row sums.
template <class T>
orbweaver::Matrix<T> densified(orbweaver::Matrix<T> adjacency) {
  const int64_t size = adjacency.rows();
  std::vector<double> scale(static_cast<size_t>(size));
  for (int64_t i = 0; i < size; ++i) {
    double sum = 0;
    for (int64_t j = 0; j < size; ++j) {
      T& value = adjacency(i, j);
      if (i == j) value = 1;
      if (value == 0) value = static_cast<T>(0.01);
      sum += value;
    }
    scale[static_cast<size_t>(i)] = 1 / std::sqrt(sum);
  }
  for (int64_t i = 0; i < size; ++i)
    for (int64_t j = 0; j < size; ++j)
      adjacency(i, j) = static_cast<T>(adjacency(i, j) * scale[static_cast<size_t>(i)] * scale[static_cast<size_t>(j)]);
  return adjacency;
}

/// Caption -> graph.
///
/// features [N, 2 + A]: log(1 + count), the count being 1 for a singular, as said for a number, 3 for "several" or a
/// plural without a number, 10 for "many"; 1 where there are many (10 or more), else 0; then one column per group of
/// attributes of lexicon.h, 1 where the caption says it of the node: white, black, grey, red, orange, yellow, green,
/// blue, brown, dark, bright, large, small, long, short, wide, narrow, tall, low, rectangular, round, triangular,
/// polygonal, irregular, curved, straight, dense, sparse, orderly, empty, bare, busy. adjacency [N, N]: symmetric, see
/// above. Labels go to `labels`, names of relations to `relations`. A caption without entities gives a graph without
/// nodes. No text is refused.
class ErgGraph final : public orbweaver::GraphBuilder {
 public:
  using Params = erg::Params;

  explicit ErgGraph(Params params) : params_(params) {}

  bool serves(orbweaver::Side side) const override { return side == orbweaver::Side::text; }
  int64_t feature_width() const override { return 2 + kAttributeCount; }

  using orbweaver::GraphBuilder::build;
  orbweaver::Graph build(const orbweaver::Caption& caption) const override {
    const size_t max_nodes = static_cast<size_t>(params_.max_nodes);
    const bool given = params_.use_given_triples && caption.has_triples;
    return to_graph(given ? read_triples(caption.triples, max_nodes) : read_text(caption.text, max_nodes));
  }

 private:
  orbweaver::Graph to_graph(const Net& net) const {
    const int64_t count = static_cast<int64_t>(net.nodes.size());
    orbweaver::Graph graph{
        orbweaver::Matrix<float>(count, feature_width()), orbweaver::Matrix<float>(count, count), {}, {}};
    for (int64_t i = 0; i < count; ++i) {
      const Node& node = net.nodes[static_cast<size_t>(i)];
      graph.features(i, 0) = static_cast<float>(std::log1p(node.count));
      graph.features(i, 1) = node.count >= kMany ? 1.0f : 0.0f;
      for (int a = 0; a < kAttributeCount; ++a)
        graph.features(i, 2 + a) = (node.attributes >> a & 1) != 0 ? 1.0f : 0.0f;
      graph.labels.push_back(node.label);
    }
    for (const Edge& edge : net.edges) {
      const auto source = static_cast<int64_t>(edge.source), target = static_cast<int64_t>(edge.target);
      graph.relations.push_back({source, target, std::string(edge.name)});
      graph.adjacency(source, target) = graph.adjacency(target, source) = 1;
    }
    if (params_.densify) graph.adjacency = densified(std::move(graph.adjacency));
    return graph;
  }

  Params params_;
};

}  // namespace erg
}  // namespace
