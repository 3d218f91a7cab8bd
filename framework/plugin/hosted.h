// Calls into components, wrapped once: whatever a component throws comes out naming the component, its place in the
// configuration and its file; whatever it returns is checked against its contract.
#pragma once

#include <memory>
#include <string>
#include <type_traits>
#include <utility>
#include <vector>

#include "framework/plugin/plugin_host.h"
#include "orbweaver/detector.h"
#include "orbweaver/error.h"
#include "orbweaver/graph_builder.h"
#include "orbweaver/reranker.h"

namespace orbweaver {

/// Which component a message is about.
struct ComponentRef {
  std::string kind, id;
  std::string pointer;  ///< place in the configuration: "/model/image/graph"; may be empty
  std::string file;     ///< the plugin's library
  /// "/model/image/graph: graph_builder sog (/usr/lib/orbweaver/plugins/orbw_sog.so)"
  std::string where() const;
};

/// An error's text on one line, without the backtrace that LibTorch appends.
std::string one_line(std::string text);

/// Inside a catch block: rethrows the current exception with `where()` and the call's name in front. InputError and
/// ShapeError stay what they are, everything else becomes Error; texts are cut to the first line of a backtrace, and a
/// component's own "graph_builder sog: " in front of them is not said twice.
[[noreturn]] void rethrow_from(const ComponentRef& component, const char* call);

/// @throws Error saying that the component returned `found` where `wanted` was expected.
[[noreturn]] void contract_violation(const ComponentRef& component, const char* call, const std::string& found,
                                     const std::string& wanted);

/// A component of interface I and where it came from. Copies share the component.
template <class I>
class Hosted {
 public:
  Hosted() = default;
  Hosted(std::shared_ptr<I> component, ComponentRef ref) : component_(std::move(component)), ref_(std::move(ref)) {}

  /// f(component), every exception rethrown by rethrow_from. `what` names the call: "forward".
  template <class F>
  auto call(const char* what, F&& f) const -> decltype(f(std::declval<I&>())) {
    try {
      return std::forward<F>(f)(*component_);
    } catch (...) {
      rethrow_from(ref_, what);
    }
  }

  explicit operator bool() const { return component_ != nullptr; }
  /// The bare component, for calls that cannot fail or that register it as a submodule.
  I& get() const { return *component_; }
  const std::shared_ptr<I>& shared() const { return component_; }
  const ComponentRef& ref() const { return ref_; }

 private:
  std::shared_ptr<I> component_;
  ComponentRef ref_;
};

/// The component's interface pointer; the part of `create` that needs no type.
std::shared_ptr<void> create_component(PluginHost& host, const std::string& kind, const std::string& id,
                                       const Value& params, const Inputs* inputs, const std::string& pointer,
                                       ComponentRef& ref);

/// Finds and constructs a component.
/// @param params   its own parameters alone: without `use`, `freeze`, `lr_scale`; empty object or null for defaults.
/// @param inputs   what it is built on; null in the data plane.
/// @param pointer  its place in the configuration.
/// @throws InputError where it is not found or a parameter is wrong; otherwise what the constructor threw, wrapped.
template <class I>
Hosted<I> create(PluginHost& host, const std::string& id, const Value& params, const Inputs* inputs,
                 const std::string& pointer) {
  ComponentRef ref;
  std::shared_ptr<void> component = create_component(host, I::kind, id, params, inputs, pointer, ref);
  return Hosted<I>(std::static_pointer_cast<I>(std::move(component)), std::move(ref));
}

/// Calls of the data plane with their results checked. @throws Error where the component breaks its contract.
Graph build_graph(const Hosted<GraphBuilder>& builder, const Scene& scene);
Graph build_graph(const Hosted<GraphBuilder>& builder, const Caption& caption);
std::vector<Object> detect(const Hosted<Detector>& detector, const ImageView& image);
Rankings rerank(const Hosted<Reranker>& reranker, const RerankInput& input);
Rankings rerank_candidates(const Hosted<Reranker>& reranker, const CandidateInput& input);

/// The checks alone.
void check_graph(const ComponentRef& component, const Graph& graph, int64_t feature_width);
void check_objects(const ComponentRef& component, const std::vector<Object>& objects);
/// @param queries, gallery  sizes of the matrix that was reranked.
void check_rankings(const ComponentRef& component, const Rankings& rankings, int64_t queries, int64_t gallery);

}  // namespace orbweaver
