// What every graph builder must do (orbweaver/graph_builder.h), as properties.
#pragma once

#include <bit>
#include <cmath>
#include <cstdint>
#include <numeric>
#include <string>
#include <vector>

#include "orbweaver/graph_builder.h"
#include "orbweaver/invariance.h"
#include "orbweaver/testing/conformance.h"
#include "orbweaver/testing/samples.h"

namespace orbweaver::testing {
namespace detail {

/// Something that a builder makes a graph of: a scene or a caption.
struct GraphSource {
  std::string name;  ///< "build of scene "five objects""
  std::function<Graph(const GraphBuilder&)> build;
};

/// The sides that the builder serves, on all samples. The samples must outlive the result.
std::vector<GraphSource> sources(const GraphBuilder&, const std::vector<SampleScene>&&,
                                 const std::vector<SampleCaption>&&) = delete;
inline std::vector<GraphSource> sources(const GraphBuilder& builder, const std::vector<SampleScene>& scenes,
                                        const std::vector<SampleCaption>& captions) {
  std::vector<GraphSource> out;
  if (builder.serves(Side::image))
    for (const SampleScene& scene : scenes)
      out.push_back({"build of scene \"" + scene.name + "\"",
                     [&scene](const GraphBuilder& b) { return b.build(scene.view(b.needs_pixels())); }});
  if (builder.serves(Side::text))
    for (const SampleCaption& caption : captions)
      out.push_back({"build of caption \"" + caption.name + "\"",
                     [&caption](const GraphBuilder& b) { return b.build(caption.view()); }});
  return out;
}

inline Graph build(const GraphSource& source, const GraphBuilder& builder) {
  return call(source.name, [&] { return source.build(builder); });
}

inline std::string shape(const Matrix<float>& matrix) { return text("[", matrix.rows(), ", ", matrix.cols(), "]"); }

/// Fails unless the graph's parts fit together.
inline void expect_shapes(const std::string& what, const Graph& graph, int64_t width) {
  const int64_t n = graph.size();
  if (graph.features.rows() != n)
    fail(what, ": features ", shape(graph.features), ", expected ", n, " rows, one for each of its labels");
  if (n > 0 && graph.features.cols() != width)
    fail(what, ": features ", shape(graph.features), ", expected ", width, " columns as feature_width() says");
  if (graph.adjacency.rows() != n || graph.adjacency.cols() != n)
    fail(what, ": adjacency ", shape(graph.adjacency), ", expected [", n, ", ", n, "] for its ", n, " labels");
  for (const Relation& relation : graph.relations) {
    if (relation.source < 0 || relation.source >= n || relation.target < 0 || relation.target >= n)
      fail(what, ": a relation \"", relation.name, "\" from node ", relation.source, " to node ", relation.target,
           ", expected indices of its ", n, " nodes");
    if (relation.name.empty())
      fail(what, ": the relation from node ", relation.source, " to node ", relation.target,
           " has no name, expected one");
  }
}

inline void expect_finite(const std::string& what, const char* name, const Matrix<float>& matrix) {
  for (int64_t row = 0; row < matrix.rows(); ++row)
    for (int64_t col = 0; col < matrix.cols(); ++col)
      if (!std::isfinite(matrix(row, col)))
        fail(what, ": ", name, "(", row, ", ", col, ") = ", matrix(row, col), ", expected a finite number");
}

/// "" where the matrices are the same bit for bit, so that NaN equals itself.
inline std::string difference(const char* name, const Matrix<float>& found, const Matrix<float>& wanted) {
  if (found.rows() != wanted.rows() || found.cols() != wanted.cols())
    return text(name, " ", shape(found), " instead of ", shape(wanted));
  for (int64_t row = 0; row < found.rows(); ++row)
    for (int64_t col = 0; col < found.cols(); ++col)
      if (std::bit_cast<uint32_t>(found(row, col)) != std::bit_cast<uint32_t>(wanted(row, col)))
        return text(name, "(", row, ", ", col, ") = ", found(row, col), " instead of ", wanted(row, col));
  return {};
}

/// "" where the graphs are the same, nodes in the same order, bit for bit.
inline std::string difference(const Graph& found, const Graph& wanted) {
  if (found.size() != wanted.size()) return text(found.size(), " nodes instead of ", wanted.size());
  for (size_t i = 0; i < wanted.labels.size(); ++i)
    if (found.labels[i] != wanted.labels[i])
      return text("label ", i, " \"", found.labels[i], "\" instead of \"", wanted.labels[i], "\"");
  if (std::string part = difference("features", found.features, wanted.features); !part.empty()) return part;
  if (std::string part = difference("adjacency", found.adjacency, wanted.adjacency); !part.empty()) return part;
  if (found.relations != wanted.relations)
    return text("other relations (", found.relations.size(), " instead of ", wanted.relations.size(), ")");
  return {};
}

inline bool close(float a, float b) { return std::abs(a - b) <= 1e-4f * (1 + std::abs(a) + std::abs(b)); }

/// Whether node i of `found` may be node j of `wanted`.
inline bool same_node(const Graph& found, int64_t i, const Graph& wanted, int64_t j, Invariances::Extent extent) {
  if (found.labels[static_cast<size_t>(i)] != wanted.labels[static_cast<size_t>(j)]) return false;
  if (extent != Invariances::Extent::graph) return true;
  for (int64_t f = 0; f < wanted.features.cols(); ++f)
    if (!close(found.features(i, f), wanted.features(j, f))) return false;
  return true;
}

/// Extends an assignment of nodes one by one; tries all of them, for graphs of a few nodes.
inline bool match_nodes(const Graph& found, const Graph& wanted, Invariances::Extent extent,
                        std::vector<int64_t>& place) {
  const auto i = static_cast<int64_t>(place.size());
  if (i == wanted.size()) {
    if (extent != Invariances::Extent::graph) return true;
    std::vector<Relation> renamed;
    for (Relation relation : found.relations) {
      relation.source = place[static_cast<size_t>(relation.source)];
      relation.target = place[static_cast<size_t>(relation.target)];
      renamed.push_back(std::move(relation));
    }
    return std::is_permutation(renamed.begin(), renamed.end(), wanted.relations.begin(), wanted.relations.end());
  }
  for (int64_t j = 0; j < wanted.size(); ++j) {
    if (std::find(place.begin(), place.end(), j) != place.end() || !same_node(found, i, wanted, j, extent)) continue;
    place.push_back(j);
    bool fits = true;
    for (int64_t k = 0; k <= i; ++k) {
      const int64_t other = place[static_cast<size_t>(k)];
      fits = fits && close(found.adjacency(i, k), wanted.adjacency(j, other)) &&
             close(found.adjacency(k, i), wanted.adjacency(other, j));
    }
    if (fits && match_nodes(found, wanted, extent, place)) return true;
    place.pop_back();
  }
  return false;
}

/// Fails unless the graphs are the same up to the order of nodes and rounding.
inline void expect_same_up_to_order(const std::string& what, const Graph& found, const Graph& wanted,
                                    Invariances::Extent extent) {
  std::vector<int64_t> place;
  if (found.size() != wanted.size()) fail(what, " gives ", found.size(), " nodes instead of ", wanted.size());
  std::vector<std::string> labels = found.labels, wanted_labels = wanted.labels;
  std::sort(labels.begin(), labels.end());
  std::sort(wanted_labels.begin(), wanted_labels.end());
  if (labels != wanted_labels) fail(what, " gives other labels");
  if (!match_nodes(found, wanted, extent, place))
    fail(what, " gives another ",
         extent == Invariances::Extent::graph
             ? "graph: no order of its nodes has the same features, adjacency and relations"
             : "structure: no order of its nodes has the same adjacency");
}

inline Invariances invariances(const GraphBuilder& builder) {
  const auto* declares = dynamic_cast<const DeclaresInvariances*>(&builder);
  return declares ? declares->invariances() : Invariances{};
}

inline void check_sides(const Subject& subject) {
  const auto builder = make<GraphBuilder>(subject);
  if (!builder->serves(Side::image) && !builder->serves(Side::text)) fail("serves() is false for both sides");
  const SampleScene scene = plain_scene();
  const SampleCaption caption = sample_captions().front();
  if (builder->serves(Side::image))
    call("build of a scene, which serves(Side::image) promises,",
         [&] { builder->build(scene.view(builder->needs_pixels())); });
  if (builder->serves(Side::text))
    call("build of a caption, which serves(Side::text) promises,", [&] { builder->build(caption.view()); });
}

/// f(source, builder) for every sample.
template <class F>
void for_each_source(const Subject& subject, F&& f) {
  const auto builder = make<GraphBuilder>(subject);
  const auto scenes = sample_scenes();
  const auto captions = sample_captions();
  for (const GraphSource& source : sources(*builder, scenes, captions)) f(source, *builder);
}

inline void check_empty(const Subject& subject) {
  const auto builder = make<GraphBuilder>(subject);
  std::vector<SampleScene> scenes = {{"no objects", 256, 256, {}, {}}};
  paint(scenes.front());
  const std::vector<SampleCaption> captions = {{"an empty text", "", {}, false}, {"no triples", "it is", {}, true}};
  for (const GraphSource& source : sources(*builder, scenes, captions))
    expect_shapes(source.name, build(source, *builder), builder->feature_width());
}

inline void check_graph_shapes(const Subject& subject) {
  for_each_source(subject, [](const GraphSource& source, const GraphBuilder& builder) {
    const int64_t width = builder.feature_width();
    if (width < 0) fail("feature_width() is ", width, ", expected 0 or more");
    expect_shapes(source.name, build(source, builder), width);
    if (builder.feature_width() != width)
      fail("feature_width() is ", builder.feature_width(), " after a build and ", width, " before it");
  });
}

inline void check_graph_finite(const Subject& subject) {
  for_each_source(subject, [](const GraphSource& source, const GraphBuilder& builder) {
    const Graph graph = build(source, builder);
    expect_finite(source.name, "features", graph.features);
    expect_finite(source.name, "adjacency", graph.adjacency);
  });
}

inline void check_graph_deterministic(const Subject& subject) {
  const auto scenes = sample_scenes();
  const auto captions = sample_captions();
  const auto builder = make<GraphBuilder>(subject);
  const auto all = sources(*builder, scenes, captions);
  std::vector<Graph> first;
  for (const GraphSource& source : all) first.push_back(build(source, *builder));
  const auto another = make<GraphBuilder>(subject);
  for (size_t i = all.size(); i-- > 0;) {  // in another order: what came before must not matter
    if (const auto d = difference(build(all[i], *builder), first[i]); !d.empty()) fail(all[i].name, " again: ", d);
    if (const auto d = difference(build(all[i], *another), first[i]); !d.empty())
      fail(all[i].name, " by a second instance with the same parameters: ", d);
  }
}

inline void check_graph_inputs(const Subject& subject) {
  const auto builder = make<GraphBuilder>(subject);
  if (builder->serves(Side::image))
    for (const SampleScene& scene : sample_scenes()) {
      const SampleScene copy = scene;
      call("build of scene \"" + scene.name + "\"", [&] { builder->build(scene.view(builder->needs_pixels())); });
      if (scene.objects != copy.objects) fail("build of scene \"", scene.name, "\" changed the scene's objects");
      if (scene.image.bytes != copy.image.bytes) fail("build of scene \"", scene.name, "\" changed the scene's pixels");
    }
  if (builder->serves(Side::text))
    for (const SampleCaption& caption : sample_captions()) {
      const SampleCaption copy = caption;
      call("build of caption \"" + caption.name + "\"", [&] { builder->build(caption.view()); });
      if (caption.text != copy.text || caption.triples != copy.triples)
        fail("build of caption \"", caption.name, "\" changed the caption");
    }
}

inline void check_graph_concurrent(const Subject& subject) {
  std::vector<SampleScene> scenes = sample_scenes();
  std::vector<SampleCaption> captions = sample_captions();
  scenes.pop_back();  // the large ones would take the time of the many
  std::erase_if(captions, [](const SampleCaption& caption) { return caption.text.size() > 1000; });
  const auto builder = make<GraphBuilder>(subject);
  const auto all = sources(*builder, scenes, captions);
  std::vector<Graph> alone;
  for (const GraphSource& source : all) alone.push_back(build(source, *builder));
  concurrently(4, 200, [&](int thread, int round) {
    const size_t i = static_cast<size_t>(thread + round) % all.size();
    if (const auto d = difference(build(all[i], *builder), alone[i]); !d.empty())
      fail(all[i].name, " while other threads build: ", d);
  });
}

inline std::shared_ptr<GraphBuilder> make_for_scenes(const Subject& subject) {
  auto builder = make<GraphBuilder>(subject);
  if (!builder->serves(Side::image)) skip("it builds no graphs of scenes");
  return builder;
}

inline Graph build_scene(const GraphBuilder& builder, const SampleScene& scene) {
  return build({"build of scene \"" + scene.name + "\"",
                [&](const GraphBuilder& b) { return b.build(scene.view(b.needs_pixels())); }},
               builder);
}

inline void check_object_order(const Subject& subject) {
  const auto builder = make_for_scenes(subject);
  if (!invariances(*builder).object_order) skip("it declares that the order of objects matters to it");
  SampleScene scene = plain_scene();
  const Graph wanted = build_scene(*builder, scene);
  if (wanted.size() > 8) skip("it makes ", wanted.size(), " nodes of five objects: too many to try their orders");
  std::vector<size_t> order(scene.objects.size());
  std::iota(order.begin(), order.end(), size_t{0});
  while (std::next_permutation(order.begin(), order.end())) {
    SampleScene other = scene;
    for (size_t i = 0; i < order.size(); ++i) other.objects[i] = scene.objects[order[i]];
    expect_same_up_to_order("the same objects in another order: build", build_scene(*builder, other), wanted,
                            Invariances::Extent::graph);
  }
}

inline void check_row_stride(const Subject& subject) {
  const auto builder = make_for_scenes(subject);
  if (!builder->needs_pixels()) skip("it reads no pixels");
  SampleScene scene = plain_scene();
  const Graph wanted = build_scene(*builder, scene);
  scene.image = scene.image.padded(13);
  if (const auto d = difference(build_scene(*builder, scene), wanted); !d.empty())
    fail("with 13 bytes between the rows of the same pixels: ", d);
}

inline void check_scale(const Subject& subject) {
  const auto builder = make_for_scenes(subject);
  const Invariances::Extent extent = invariances(*builder).scale;
  if (extent == Invariances::Extent::nothing) skip("it declares no invariance to scale");
  const SampleScene scene = plain_scene();
  const Graph wanted = build_scene(*builder, scene);
  for (const int64_t factor : {2, 4})
    expect_same_up_to_order(text("the scene enlarged ", factor, " times"), build_scene(*builder, scaled(scene, factor)),
                            wanted, extent);
}

inline void check_quarter_turns(const Subject& subject) {
  const auto builder = make_for_scenes(subject);
  const Invariances::Extent extent = invariances(*builder).quarter_turns;
  if (extent == Invariances::Extent::nothing) skip("it declares no invariance to quarter turns");
  SampleScene scene = plain_scene();
  const Graph wanted = build_scene(*builder, scene);
  for (const int degrees : {90, 180, 270}) {
    scene = turned(scene);
    expect_same_up_to_order(text("the scene turned by ", degrees, " degrees"), build_scene(*builder, scene), wanted,
                            extent);
  }
}

/// Every number of every graph, bit for bit.
inline std::string graphs_text(const Subject& subject) {
  const auto builder = make<GraphBuilder>(subject);
  const std::vector<SampleScene> scenes = {plain_scene(), crowded_scene("sixty objects", 60, 256, 256, false, 3)};
  const auto captions = sample_captions();
  std::string out;
  for (const GraphSource& source : sources(*builder, scenes, captions)) {
    const Graph graph = build(source, *builder);
    for (const Matrix<float>* matrix : {&graph.features, &graph.adjacency})
      out.append(reinterpret_cast<const char*>(matrix->data()),
                 static_cast<size_t>(matrix->rows() * matrix->cols()) * sizeof(float));
    for (const std::string& label : graph.labels) out += label + '\n';
    for (const Relation& relation : graph.relations)
      out += text(relation.source, ' ', relation.name, ' ', relation.target, '\n');
  }
  return out;
}

}  // namespace detail

inline std::vector<Property> graph_builder_properties() {
  std::vector<Property> list = {
      {"sides", "It builds graphs of every side that serves() promises, and of at least one.",
       "override build(const Scene&) or build(const Caption&), and let serves() be true for exactly those sides",
       detail::check_sides},
      {"empty", "A scene without objects and an empty text are legal.",
       "return a graph without nodes (or with those that need no object) where there is nothing", detail::check_empty},
      {"shapes", "Features are [N, feature_width()], the adjacency [N, N], labels N, and relations join nodes by name.",
       "size all parts by the number of nodes that are kept; the width may not depend on the scene",
       detail::check_graph_shapes},
      {"finite", "No feature and no weight is NaN or infinite.",
       "look for a division by a distance, size or sum that may be 0", detail::check_graph_finite},
      {"inputs_unmodified", "Objects, pixels and captions are left as they were.",
       "sort and change a copy; nothing that build() is given is its own", detail::check_graph_inputs},
      {"deterministic", "The same scene or caption gives the same graph, bit for bit, whatever was built before.",
       "no random numbers, no clock, no order of addresses or hashes, no uninitialised memory, nothing remembered "
       "between calls",
       detail::check_graph_deterministic},
      {"concurrent", "Graphs built in several threads at once by one instance are those built alone.",
       "build() is called from several threads: keep scratch memory in local variables, not in members or statics",
       detail::check_graph_concurrent},
      {"object_order", "The order of a scene's objects changes the order of nodes at most.",
       "choose and order nodes by what the objects are; where the order is meant to count, declare it "
       "(orbweaver/invariance.h: object_order = false)",
       detail::check_object_order},
      {"row_stride", "Bytes between the rows of pixels are not read.",
       "step from row to row by ImageView::stride, not by 3 * width", detail::check_row_stride},
      {"scale", "Where it declares so, an enlarged scene has the same graph.",
       "divide lengths by a length of the scene, or declare less (orbweaver/invariance.h)", detail::check_scale},
      {"quarter_turns", "Where it declares so, a turned scene has the same graph.",
       "use distances, not coordinates, or declare less (orbweaver/invariance.h)", detail::check_quarter_turns}};
  for (Property& property : parameter_properties(detail::graphs_text)) list.push_back(std::move(property));
  return list;
}

}  // namespace orbweaver::testing
