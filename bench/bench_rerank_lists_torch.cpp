// Reranking from candidate lists, without the score matrix: 1,000 images as queries, 1,000,000 captions as gallery,
// which come 20,000 at a time. One thread.
//
// The time is that of CandidateStream and rerank_candidates; scores are made outside of it. `peak_mib` is the most
// memory of the whole process meanwhile, the gallery's embeddings (61 MiB) and a part's scores (76 MiB) among it.
#include <benchmark/benchmark.h>

#include <algorithm>
#include <chrono>
#include <cstdint>
#include <utility>

#include "bench/peak_memory.h"
#include "bench/similarity.h"
#include "framework/eval/candidates.h"
#include "plugins/rerank/cross_modal/cross_modal.h"
#include "plugins/rerank/multivariate/multivariate.h"

namespace {

using orbweaver::bench::Embeddings;
using Clock = std::chrono::steady_clock;

void from_lists(benchmark::State& state, const orbweaver::Reranker& reranker, int64_t queries, int64_t gallery) {
  const Embeddings images = Embeddings::images(queries), captions = Embeddings::captions(images, gallery);
  orbweaver::bench::reset_peak();
  for (auto _ : state) {
    orbweaver::Matrix<float> scores(queries, 20000);
    orbweaver::CandidateStream stream(queries, 25, reranker.needs().reverse_length);
    Clock::duration spent{};
    for (int64_t first = 0; first < gallery; first += scores.cols()) {
      orbweaver::bench::cosines(images, captions, first, scores);
      const auto start = Clock::now();
      stream.add(std::as_const(scores).view());
      spent += Clock::now() - start;
    }
    const auto start = Clock::now();
    benchmark::DoNotOptimize(reranker.rerank_candidates(stream.finish()).items.data());
    spent += Clock::now() - start;
    state.SetIterationTime(std::chrono::duration<double>(spent).count());
  }
  state.counters["peak_mib"] = orbweaver::bench::status_mib("VmHWM:");
}

BENCHMARK_CAPTURE(from_lists, mr, multivariate::MultivariateReranker(multivariate::Params{}), 1000, 1000000)
    ->Name("mr_lists/1000x1000000")
    ->Unit(benchmark::kMillisecond)
    ->UseManualTime()
    ->Iterations(1)
    ->Repetitions(1);
BENCHMARK_CAPTURE(from_lists, cross_modal, cross_modal::CrossModalReranker(cross_modal::Params{}), 1000, 1000000)
    ->Name("cross_modal_lists/1000x1000000")
    ->Unit(benchmark::kMillisecond)
    ->UseManualTime()
    ->Iterations(1)
    ->Repetitions(1);

}  // namespace
