// Ranks of the best matches under the reported tie rule and what is read off them, R@1, R@5, R@10, medR and meanR of
// both directions, from one matrix of float32 on one thread.
#include <benchmark/benchmark.h>

#include <cstdint>
#include <utility>
#include <vector>

#include "bench/similarity.h"
#include "framework/eval/metrics.h"

namespace {

void recalls(benchmark::State& state, int64_t images, int64_t captions, orbweaver::TieRule rule) {
  const orbweaver::Matrix<float> matrix = orbweaver::bench::cosines(images, captions);
  const auto scores = matrix.view();
  std::vector<int64_t> caption_image;
  for (int64_t caption = 0; caption < captions; ++caption) caption_image.push_back(caption * images / captions);
  const orbweaver::TwoWayRelevance relevance = orbweaver::relevance(caption_image, images);
  for (auto _ : state) {
    const orbweaver::RetrievalMetrics metrics{
        orbweaver::direction_metrics(orbweaver::best_ranks(scores, relevance.i2t, rule)),
        orbweaver::direction_metrics(orbweaver::best_ranks(scores.transposed(), relevance.t2i, rule))};
    benchmark::DoNotOptimize(metrics.mean_recall());
  }
}

BENCHMARK_CAPTURE(recalls, strict, 1093, 5465, orbweaver::TieRule::strict)
    ->Name("recalls_both/1093x5465")
    ->Unit(benchmark::kMillisecond)
    ->MinTime(0.5);
BENCHMARK_CAPTURE(recalls, arbitrary, 1093, 5465, orbweaver::TieRule::arbitrary)
    ->Name("recalls_both_arbitrary/1093x5465")
    ->Unit(benchmark::kMillisecond)
    ->MinTime(0.5);

}  // namespace
