// The interaction cmim on one thread, in the sizes of GraVLM's light config: 64 image tokens of 96, captions of 6 to 18
// words of 256 padded to 28, width 128, 2 heads, no dropout.
//
// `training_step` is what the interaction's loss asks for in a step, forward and backward: 128 matching pairs, each
// with 4 negatives, in both directions. `shortlists` rescores 40 captions' shortlists of 100 of 128 images.
#include <ATen/ATen.h>
#include <ATen/Parallel.h>
#include <benchmark/benchmark.h>

#include <algorithm>
#include <vector>

#include "plugins/fusion/cmim/cmim.h"

namespace {

constexpr int64_t kBatch = 128, kNegatives = 4, kImageTokens = 64, kWords = 28;

CmimParams light() {
  CmimParams params;
  params.width = 128;
  params.heads = 2;
  params.dropout = 0;
  params.image.layers = HeadParams::Layers::linear;
  params.text.layers = HeadParams::Layers::none;
  return params;
}

orbweaver::Inputs widths() {
  orbweaver::Inputs inputs;
  inputs.image = {.global = 96, .tokens = 96};
  inputs.text = {.global = 256, .tokens = 256};
  inputs.embed_dim = 256;
  return inputs;
}

struct Batch {
  orbweaver::Representation images, texts;

  Batch() {
    at::manual_seed(1);
    images.global = at::randn({kBatch, 96});
    images.tokens = at::randn({kBatch, kImageTokens, 96});
    texts.global = at::randn({kBatch, 256});
    texts.tokens = at::randn({kBatch, kWords, 256});
    at::Tensor lengths = at::randint(6, 19, {kBatch, 1}, at::kLong);
    lengths[0] = kWords;
    texts.token_mask = at::arange(kWords, at::kLong).unsqueeze(0) < lengths;
  }

  std::vector<at::Tensor*> parts() { return {&images.global, &images.tokens, &texts.global, &texts.tokens}; }
};

/// Each of `queries` items with itself and `others` random ones; the query in the first column.
at::Tensor pairs_of(int64_t queries, int64_t others) {
  const at::Tensor self = at::arange(queries, at::kLong).unsqueeze(1);
  const at::Tensor rest = at::rand({queries, kBatch}).argsort(int64_t{1}).narrow(1, 0, others);
  const at::Tensor items = at::cat({self, rest}, 1);
  return at::stack({self.expand_as(items), items}, 2).view({-1, 2});
}

void training_step(benchmark::State& state) {
  at::set_num_threads(1);
  Batch batch;
  for (at::Tensor* part : batch.parts()) part->set_requires_grad(true);
  CmimInteraction interaction(light(), widths());
  const at::Tensor of_images = pairs_of(kBatch, kNegatives), of_texts = pairs_of(kBatch, kNegatives).flip(1);
  for (auto _ : state) {
    interaction.zero_grad();
    for (at::Tensor* part : batch.parts()) part->mutable_grad() = at::Tensor();
    const at::Tensor first = interaction.score_pairs(batch.images, batch.texts, of_images);
    const at::Tensor second = interaction.score_pairs(batch.images, batch.texts, of_texts);
    (first.square().sum() + second.square().sum()).backward();
  }
}

void shortlists(benchmark::State& state) {
  at::set_num_threads(1);
  const at::NoGradGuard no_grad;
  Batch batch;
  CmimInteraction interaction(light(), widths());
  interaction.eval();
  const at::Tensor pairs = pairs_of(40, 99).flip(1);
  for (auto _ : state) benchmark::DoNotOptimize(interaction.score_pairs(batch.images, batch.texts, pairs));
}

/// Of several repetitions the fastest is told, too: other processes only ever add.
void measured(benchmark::internal::Benchmark* bench) {
  bench->Unit(benchmark::kMillisecond)->MeasureProcessCPUTime()->MinTime(0.5)->Repetitions(5);
  bench->ComputeStatistics("min", [](const std::vector<double>& times) { return *std::ranges::min_element(times); });
  bench->ReportAggregatesOnly();
}

BENCHMARK(training_step)->Apply(measured);
BENCHMARK(shortlists)->Apply(measured);

}  // namespace
