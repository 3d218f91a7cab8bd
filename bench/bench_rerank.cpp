// MR with its default k of 25 on whole matrices of float32, one thread.
//
// `mr_both`: images to captions and captions to images, of one matrix. `memory_percent`: the most that was held beyond
// the matrix while reranking, of its size; `ns_per_pair`: time by query, item and direction.
#include <benchmark/benchmark.h>

#include <algorithm>
#include <cstdint>
#include <utility>

#include "bench/peak_memory.h"
#include "bench/similarity.h"
#include "plugins/rerank/multivariate/multivariate.h"

namespace {

using orbweaver::Matrix;
using orbweaver::Scores;

enum Directions { i2t = 1, t2i = 2, both = 3 };

void mr(benchmark::State& state, int64_t images, int64_t captions, Directions directions) {
  const Matrix<float> matrix = orbweaver::bench::cosines(images, captions);
  const auto scores = matrix.view();
  const multivariate::MultivariateReranker reranker(multivariate::Params{});
  const double before = orbweaver::bench::reset_peak();
  for (auto _ : state) {
    if (directions & i2t) benchmark::DoNotOptimize(reranker.rerank({Scores(scores), {}}).items.data());
    if (directions & t2i) benchmark::DoNotOptimize(reranker.rerank({Scores(scores.transposed()), {}}).items.data());
  }
  const double pairs = static_cast<double>(images * captions), size = pairs * sizeof(float) / (1 << 20);
  state.counters["memory_percent"] = 100 * std::max(0.0, orbweaver::bench::status_mib("VmHWM:") - before) / size;
  state.counters["ns_per_pair"] =
      benchmark::Counter(pairs * (directions == both ? 2 : 1) * 1e-9,
                         benchmark::Counter::kIsIterationInvariantRate | benchmark::Counter::kInvert);
}

BENCHMARK_CAPTURE(mr, both, 1093, 5465, both)->Name("mr_both/1093x5465")->Unit(benchmark::kMillisecond)->MinTime(0.5);
BENCHMARK_CAPTURE(mr, i2t, 1093, 5465, i2t)->Name("mr_i2t/1093x5465")->Unit(benchmark::kMillisecond)->MinTime(0.5);
BENCHMARK_CAPTURE(mr, t2i, 1093, 5465, t2i)->Name("mr_t2i/1093x5465")->Unit(benchmark::kMillisecond)->MinTime(0.5);
BENCHMARK_CAPTURE(mr, both, 1000, 50000, both)->Name("mr_both/1000x50000")->Unit(benchmark::kMillisecond);
BENCHMARK_CAPTURE(mr, i2t, 1000, 50000, i2t)->Name("mr_i2t/1000x50000")->Unit(benchmark::kMillisecond);
BENCHMARK_CAPTURE(mr, both, 10000, 50000, both)
    ->Name("mr_both/10000x50000")
    ->Unit(benchmark::kMillisecond)
    ->Iterations(1)
    ->Repetitions(3);
BENCHMARK_CAPTURE(mr, i2t, 10000, 50000, i2t)
    ->Name("mr_i2t/10000x50000")
    ->Unit(benchmark::kMillisecond)
    ->Iterations(1)
    ->Repetitions(3);

}  // namespace
