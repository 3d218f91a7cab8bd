// The spatial object graph of 27 boxes in memory, of which 20 become nodes, one thread: what a training step without a
// graph cache pays for an image.
//
// `sog_27_boxes` has every parameter at its default, relations included; `..._released` is what the released code makes
// of a scene: the first 20 objects, distances in pixels, no relations; `..._groups` asks for relations to several
// objects as well.
#include <benchmark/benchmark.h>

#include <cstdint>
#include <vector>

#include "plugins/graphs/sog/sog.h"

namespace {

/// An airport's kind of scene, 800 x 800 pixels: boxes of three sizes at any angle, some of which overlap.
std::vector<orbweaver::Object> boxes() {
  uint32_t state = 1;
  const auto below = [&](uint32_t limit) {
    state = state * 1664525 + 1013904223;
    return static_cast<double>((state >> 8) % limit);
  };
  const char* const labels[] = {"plane", "vehicle", "building"};
  const double lengths[] = {60, 18, 140}, widths[] = {50, 8, 70};
  std::vector<orbweaver::Object> objects;
  for (size_t i = 0; i < 27; ++i)
    objects.push_back({below(800),
                       below(800),
                       lengths[i % 3] + below(10),
                       widths[i % 3] + below(8),
                       below(314) / 100 - 1.57,
                       0.5 + below(50) / 100,
                       labels[i % 3],
                       {}});
  return objects;
}

void build(benchmark::State& state, const sog::Params& params) {
  const std::vector<orbweaver::Object> objects = boxes();
  const sog::SpatialObjectGraph builder(params);
  const orbweaver::Scene scene{800, 800, objects, {}};
  for (auto _ : state) benchmark::DoNotOptimize(builder.build(scene).relations.data());
  state.counters["relations"] = static_cast<double>(builder.build(scene).relations.size());
}

sog::Params released() {
  sog::Params params;
  params.units = sog::Units::pixels;
  params.truncation = sog::Truncation::first;
  params.max_close = params.max_directions = 0;
  return params;
}

sog::Params groups() {
  sog::Params params;
  params.groups = true;
  return params;
}

BENCHMARK_CAPTURE(build, sog_27_boxes, sog::Params{})->Name("sog_27_boxes")->Unit(benchmark::kMicrosecond);
BENCHMARK_CAPTURE(build, released, released())->Name("sog_27_boxes_released")->Unit(benchmark::kMicrosecond);
BENCHMARK_CAPTURE(build, groups, groups())->Name("sog_27_boxes_groups")->Unit(benchmark::kMicrosecond);

}  // namespace
