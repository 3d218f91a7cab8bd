// What a call costs that crosses the plugin boundary: of a component that the host loaded from the shipped plugin
// `sog`, against the same class compiled into this program, one thread.
//
// `direct_virtual_call` calls feature_width() through the interface; `plugin_virtual_call` the same of the plugin's,
// and `hosted_call` as the framework does, through Hosted, which adds the component's name to an error; `boundary` is
// the difference of the first and the last. `direct_build`, `hosted_build` and `checked_build` make the graph of an
// image with 2 objects; the last one checks what came out.
#include <benchmark/benchmark.h>

#include <chrono>
#include <vector>

#include "framework/plugin/hosted.h"
#include "framework/plugin/plugin_host.h"
#include "plugins/graphs/sog/sog.h"

namespace {

using orbweaver::GraphBuilder;
using orbweaver::Hosted;

const Hosted<GraphBuilder>& hosted() {
  static orbweaver::PluginHost host;
  static const auto component =
      orbweaver::create<GraphBuilder>(host, "sog", orbweaver::Value::object(), nullptr, "/model/image/graph");
  return component;
}

const GraphBuilder& direct() {
  static const sog::SpatialObjectGraph builder{sog::Params()};
  return builder;
}

/// As the compiler sees a pointer of which it does not know the class.
const GraphBuilder* unknown(const GraphBuilder& builder) {
  const GraphBuilder* pointer = &builder;
  benchmark::DoNotOptimize(pointer);
  return pointer;
}

void virtual_call(benchmark::State& state, const GraphBuilder& builder) {
  const GraphBuilder* const pointer = unknown(builder);
  for (auto _ : state) benchmark::DoNotOptimize(pointer->feature_width());
}

void direct_virtual_call(benchmark::State& state) { virtual_call(state, direct()); }
BENCHMARK(direct_virtual_call);

void plugin_virtual_call(benchmark::State& state) { virtual_call(state, hosted().get()); }
BENCHMARK(plugin_virtual_call);

const auto feature_width = [](GraphBuilder& builder) { return builder.feature_width(); };

void hosted_call(benchmark::State& state) {
  const Hosted<GraphBuilder> plugin = hosted();
  for (auto _ : state) benchmark::DoNotOptimize(plugin.call("feature_width", feature_width));
}
BENCHMARK(hosted_call);

/// Nanoseconds of a call, over a thousand of them.
template <class Call>
double nanoseconds_of(Call&& call) {
  constexpr int kCalls = 1000;
  const auto begin = std::chrono::steady_clock::now();
  for (int i = 0; i < kCalls; ++i) benchmark::DoNotOptimize(call());
  return std::chrono::duration<double, std::nano>(std::chrono::steady_clock::now() - begin).count() / kCalls;
}

/// Both by turns, so that both have the processor at one speed: `extra_ns` is what the boundary adds to a call.
void boundary(benchmark::State& state) {
  const GraphBuilder* const pointer = unknown(direct());
  const Hosted<GraphBuilder> plugin = hosted();
  double direct_sum = 0, hosted_sum = 0;
  for (auto _ : state) {
    direct_sum += nanoseconds_of([&] { return pointer->feature_width(); });
    hosted_sum += nanoseconds_of([&] { return plugin.call("feature_width", feature_width); });
  }
  const auto calls = static_cast<double>(state.iterations());
  state.counters["direct_ns"] = direct_sum / calls;
  state.counters["hosted_ns"] = hosted_sum / calls;
  state.counters["extra_ns"] = (hosted_sum - direct_sum) / calls;
}
BENCHMARK(boundary);

const std::vector<orbweaver::Object> objects{{100, 100, 40, 20, 0, 1, "car", {}},
                                             {200, 100, 60, 50, 0, 1, "house", {}}};
const orbweaver::Scene scene{400, 400, objects, {}};

void direct_build(benchmark::State& state) {
  const GraphBuilder* const builder = unknown(direct());
  for (auto _ : state) benchmark::DoNotOptimize(builder->build(scene).relations.data());
}
BENCHMARK(direct_build);

void hosted_build(benchmark::State& state) {
  const auto call = [](GraphBuilder& builder) { return builder.build(scene); };
  for (auto _ : state) benchmark::DoNotOptimize(hosted().call("build", call).relations.data());
}
BENCHMARK(hosted_build);

void checked_build(benchmark::State& state) {
  for (auto _ : state) benchmark::DoNotOptimize(orbweaver::build_graph(hosted(), scene).relations.data());
}
BENCHMARK(checked_build);

}  // namespace
