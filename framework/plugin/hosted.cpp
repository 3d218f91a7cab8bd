#include "framework/plugin/hosted.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <cstdlib>
#include <new>
#include <sstream>
#include <string_view>
#include <utility>

namespace orbweaver {
namespace {

void check_finite(const ComponentRef& component, const char* name, const Matrix<float>& matrix) {
  for (int64_t row = 0; row < matrix.rows(); ++row)
    for (int64_t col = 0; col < matrix.cols(); ++col)
      if (!std::isfinite(matrix(row, col)))
        contract_violation(component, "build", fmt::format("{}({}, {}) = {}", name, row, col, matrix(row, col)),
                           "finite numbers");
}

std::string shape(const Matrix<float>& matrix) { return fmt::format("[{}, {}]", matrix.rows(), matrix.cols()); }

void check_offsets(const ComponentRef& component, const Rankings& rankings, int64_t queries) {
  const auto fail = [&](const std::string& found, const std::string& wanted) {
    contract_violation(component, "rerank", found, wanted);
  };
  const std::vector<int64_t>& offsets = rankings.offsets;
  const auto count = static_cast<int64_t>(rankings.items.size());
  if (rankings.query_count() != queries)
    fail(fmt::format("{} offsets", offsets.size()), fmt::format("{}, one more than there are queries", queries + 1));
  if (rankings.items.size() != rankings.scores.size())
    fail(fmt::format("{} items and {} scores", count, rankings.scores.size()), "as many scores as items");
  if (offsets.front() != 0 || offsets.back() != count)
    fail(fmt::format("offsets from {} to {}", offsets.front(), offsets.back()),
         fmt::format("from 0 to its {} items", count));
  if (const auto fall = std::is_sorted_until(offsets.begin(), offsets.end()); fall != offsets.end())
    fail(fmt::format("offset {} after {}", *fall, *(fall - 1)), "ascending offsets");
}

template <class View>
Graph build_checked(const Hosted<GraphBuilder>& builder, const View& view) {
  Graph graph = builder.call("build", [&](GraphBuilder& component) { return component.build(view); });
  check_graph(builder.ref(), graph,
              builder.call("feature_width", [](GraphBuilder& component) { return component.feature_width(); }));
  return graph;
}

/// What LibTorch says of memory that it did not get, in words that help; "" of anything else. On the CPU it says "...
/// DefaultCPUAllocator: can't allocate memory: you tried to allocate 5368709120 bytes. ...", on a GPU "CUDA out of
/// memory. Tried to allocate 2.00 GiB ...".
std::string out_of_memory_text(const std::string& text) {
  const bool gpu = text.find("CUDA out of memory") != std::string::npos;
  if (!gpu && text.find("DefaultCPUAllocator") == std::string::npos) return "";
  constexpr std::string_view opening = "ried to allocate ";
  const size_t found = text.find(opening);
  std::string amount = "memory", unit;
  if (found != std::string::npos) {
    std::istringstream(text.substr(found + opening.size())) >> amount >> unit;
    unit.resize(std::min(unit.size(), unit.find_first_not_of("BGKMTbeistyi")));
    if (unit == "bytes")
      amount = fmt::format("{:.0f} MiB", std::ceil(std::strtod(amount.c_str(), nullptr) / (1 << 20)));
    else
      amount += " " + unit;
  }
  return fmt::format(
      "out of memory: {} could not be allocated{}; smaller train.batch_size and eval.batch_size need less", amount,
      gpu ? " on the GPU" : "");
}

}  // namespace

std::string one_line(std::string text) {
  if (std::string memory = out_of_memory_text(text); !memory.empty()) return memory;
  // LibTorch's errors end with the frames of the stack, with or without a line before them.
  for (const char* backtrace : {"\nException raised from ", "\nframe #0: "})
    text.resize(std::min(text.size(), text.find(backtrace)));
  std::string line;
  for (const char c : text) {
    const bool is_space = c == '\n' || c == '\r' || c == '\t' || c == ' ';
    if (!is_space)
      line += c;
    else if (!line.empty() && line.back() != ' ')
      line += ' ';
  }
  while (!line.empty() && line.back() == ' ') line.pop_back();
  return line;
}

std::string ComponentRef::where() const {
  return fmt::format("{}{}{} {} ({})", pointer, pointer.empty() ? "" : ": ", kind, id, file);
}

void rethrow_from(const ComponentRef& component, const char* call) {
  const auto text = [&](const std::string& reason) {
    std::string line = one_line(reason);
    // A component that names itself is named once.
    if (const std::string self = component.kind + " " + component.id + ": "; line.starts_with(self))
      line.erase(0, self.size());
    return fmt::format("{}: {}: {}", component.where(), call, line);
  };
  try {
    throw;
  } catch (const InputError& error) {
    throw InputError(text(error.what()));
  } catch (const ShapeError& error) {
    throw ShapeError(text(error.what()));
  } catch (const std::bad_alloc&) {
    throw Error(text("out of memory"));
  } catch (const std::exception& error) {
    throw Error(text(error.what()));
  } catch (...) {
    throw Error(text("threw something that is no std::exception"));
  }
}

void contract_violation(const ComponentRef& component, const char* call, const std::string& found,
                        const std::string& wanted) {
  throw Error(fmt::format("{}: {}: returned {}, expected {}", component.where(), call, found, wanted));
}

std::shared_ptr<void> create_component(PluginHost& host, const std::string& kind, const std::string& id,
                                       const Value& params, const Inputs* inputs, const std::string& pointer,
                                       ComponentRef& ref) {
  ref = {kind, id, pointer, ""};
  const Component* component = nullptr;
  try {
    component = &host.find(kind, id);
  } catch (const InputError& error) {
    if (pointer.empty()) throw;
    throw InputError(fmt::format("{}: {}", pointer, error.what()));
  }
  ref.file = PluginHost::plugin_of(*component).file.string();
  const Value given = params.is_null() ? Value::object() : params;
  // The configuration was validated as a whole; a caller that assembles parameters itself gets the same check.
  if (const auto problems = validate(component->parameters, given, pointer); !problems.empty())
    throw InputError(fmt::format("{}: {} ({} {})", problems.front().pointer, problems.front().message, kind, id));
  if (is_model_kind(kind) && inputs == nullptr)
    throw Error(ref.where() + ": a component of the model plane needs inputs");
  std::shared_ptr<void> made;
  try {
    made = component->make(given, inputs);
  } catch (...) {
    rethrow_from(ref, "constructor");
  }
  if (!made) contract_violation(ref, "constructor", "no component", "one");
  return made;
}

Graph build_graph(const Hosted<GraphBuilder>& builder, const Scene& scene) { return build_checked(builder, scene); }
Graph build_graph(const Hosted<GraphBuilder>& builder, const Caption& caption) {
  return build_checked(builder, caption);
}

std::vector<Object> detect(const Hosted<Detector>& detector, const ImageView& image) {
  std::vector<Object> objects = detector.call("detect", [&](Detector& component) { return component.detect(image); });
  check_objects(detector.ref(), objects);
  return objects;
}

Rankings rerank(const Hosted<Reranker>& reranker, const RerankInput& input) {
  Rankings rankings = reranker.call("rerank", [&](Reranker& component) { return component.rerank(input); });
  check_rankings(reranker.ref(), rankings, query_count(input.scores), gallery_count(input.scores));
  return rankings;
}

Rankings rerank_candidates(const Hosted<Reranker>& reranker, const CandidateInput& input) {
  Rankings rankings =
      reranker.call("rerank_candidates", [&](Reranker& component) { return component.rerank_candidates(input); });
  check_rankings(reranker.ref(), rankings, input.candidates.query_count(),
                 static_cast<int64_t>(input.column_sums.size()));
  return rankings;
}

void check_graph(const ComponentRef& component, const Graph& graph, int64_t feature_width) {
  const auto fail = [&](const std::string& found, const std::string& wanted) {
    contract_violation(component, "build", found, wanted);
  };
  const int64_t n = graph.size();
  if (graph.features.rows() != n)
    fail("features " + shape(graph.features), fmt::format("{} rows, one for each of its labels", n));
  if (n > 0 && graph.features.cols() != feature_width)
    fail("features " + shape(graph.features), fmt::format("{} columns as feature_width() says", feature_width));
  if (graph.adjacency.rows() != n || graph.adjacency.cols() != n)
    fail("adjacency " + shape(graph.adjacency), fmt::format("[{0}, {0}] for its {0} labels", n));
  for (const Relation& relation : graph.relations)
    if (relation.source < 0 || relation.source >= n || relation.target < 0 || relation.target >= n)
      fail(fmt::format("a relation \"{}\" from node {} to node {}", relation.name, relation.source, relation.target),
           fmt::format("indices of its {} nodes", n));
  check_finite(component, "features", graph.features);
  check_finite(component, "adjacency", graph.adjacency);
}

void check_objects(const ComponentRef& component, const std::vector<Object>& objects) {
  for (size_t i = 0; i < objects.size(); ++i) {
    const Object& object = objects[i];
    const auto fail = [&](const std::string& found, const std::string& wanted) {
      contract_violation(component, "detect", fmt::format("object {} \"{}\" with {}", i, object.label, found), wanted);
    };
    const bool finite = std::isfinite(object.cx) && std::isfinite(object.cy) && std::isfinite(object.width) &&
                        std::isfinite(object.height) && std::isfinite(object.angle);
    if (!finite || object.width <= 0 || object.height <= 0)
      fail(fmt::format("centre ({}, {}), size {} x {}, angle {}", object.cx, object.cy, object.width, object.height,
                       object.angle),
           "finite numbers and positive sizes");
    if (!(object.probability >= 0 && object.probability <= 1))
      fail(fmt::format("probability {}", object.probability), "one in [0, 1]");
    for (const Attribute& attribute : object.attributes)
      if (!std::isfinite(attribute.value))
        fail(fmt::format("attribute {} = {}", attribute.name, attribute.value), "a finite number");
  }
}

void check_rankings(const ComponentRef& component, const Rankings& rankings, int64_t queries, int64_t gallery) {
  check_offsets(component, rankings, queries);
  std::vector<int64_t> last_query_with(static_cast<size_t>(gallery), -1);
  for (int64_t query = 0; query < queries; ++query) {
    const auto items = rankings.items_of(query);
    const auto scores = rankings.scores_of(query);
    for (size_t i = 0; i < items.size(); ++i) {
      const auto fail = [&](const std::string& found, const std::string& wanted) {
        contract_violation(component, "rerank", fmt::format("{} at place {} of query {}", found, i, query), wanted);
      };
      const int64_t item = items[i];
      if (item < 0 || item >= gallery) fail(fmt::format("item {}", item), fmt::format("an index in [0, {})", gallery));
      if (std::exchange(last_query_with[static_cast<size_t>(item)], query) == query)
        fail(fmt::format("item {} again", item), "each item once");
      if (!std::isfinite(scores[i])) fail(fmt::format("score {}", scores[i]), "a finite number");
      if (i > 0 && scores[i] > scores[i - 1])
        fail(fmt::format("score {} after {}", scores[i], scores[i - 1]), "descending scores");
    }
  }
}

}  // namespace orbweaver
