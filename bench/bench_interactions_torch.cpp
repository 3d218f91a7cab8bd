// Interactions over all pairs of 64 images and many captions, as an evaluation scores them: score_all on one thread,
// against the same equations broadcast to all pairs (tests/naive_interactions.h).
//
// In each iteration both run. The time is score_all's; counters: `times_faster` than the broadcast, the most memory
// that tensors take in either (`peak_mib`, `naive_peak_mib`), and the largest difference of the scores.
//
// amfmn: vectors of 512, each form. cmim: 64 image tokens of 96 and captions of 6 to 18 words of 256, width 128, 2
// heads. graph_match: fragments against fragments, as SCAN has it: 20 objects of 256 with 60 relations, captions of 1
// to 5 entities with 3 relations.
#include <ATen/ATen.h>
#include <ATen/Parallel.h>
#include <benchmark/benchmark.h>

#include <chrono>
#include <string>

#include "naive_interactions.h"
#include "plugins/fusion/amfmn/amfmn.h"
#include "plugins/fusion/cmim/cmim.h"
#include "plugins/fusion/graph_match/graph_match.h"
#include "tensor_memory.h"

namespace {

using orbweaver::Inputs;
using orbweaver::Representation;
using orbweaver::testing::TensorMemory;

constexpr int64_t kImages = 64, kChunk = 4096;

template <class F>
double seconds(F&& f) {
  const auto start = std::chrono::steady_clock::now();
  f();
  return std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
}

/// @param scores, naive  functions without arguments that make [M, N].
template <class Scores, class Naive>
void compare(benchmark::State& state, Scores&& scores, Naive&& naive) {
  at::set_num_threads(1);
  const at::NoGradGuard no_grad;
  constexpr double kMib = 1 << 20;
  at::Tensor own, other;
  state.counters["peak_mib"] = static_cast<double>(TensorMemory::peak([&] { own = scores(); })) / kMib;
  state.counters["naive_peak_mib"] = static_cast<double>(TensorMemory::peak([&] { other = naive(); })) / kMib;
  state.counters["difference"] = (own - other).abs().max().item<double>();
  if (!at::allclose(own, other, 0, 1e-5)) return state.SkipWithError("the scores differ by more than 1e-5");
  double total = 0, naive_total = 0;
  for (auto _ : state) {
    const double own_seconds = seconds([&] { own = scores(); });
    naive_total += seconds([&] { other = naive(); });
    total += own_seconds;
    state.SetIterationTime(own_seconds);
  }
  state.counters["times_faster"] = naive_total / total;
}

void amfmn(benchmark::State& state, const std::string& name, AmfmnParams::Form form) {
  constexpr int64_t kWidth = 512;
  at::manual_seed(1);
  AmfmnParams params;
  params.form = form;
  Inputs inputs;
  inputs.image.global = inputs.text.global = inputs.embed_dim = kWidth;
  AmfmnInteraction interaction(params, inputs);
  Representation images, texts;
  images.global = at::randn({kImages, kWidth});
  texts.global = at::randn({state.range(0), kWidth});
  const auto weights = interaction.named_parameters();
  compare(
      state, [&] { return interaction.score_all(images, texts, kChunk); },
      [&] { return orbweaver::testing::naive_amfmn(name, weights, images, texts); });
}

void cmim(benchmark::State& state) {
  constexpr int64_t kTokens = 64, kWords = 18, kHeads = 2;
  const int64_t captions = state.range(0);
  at::manual_seed(1);
  CmimParams params;
  params.width = 128;
  params.heads = kHeads;
  params.positions.image = params.positions.text = PositionParams::Layout::none;
  params.image.layers = HeadParams::Layers::linear;
  params.text.layers = HeadParams::Layers::none;
  Inputs inputs;
  inputs.image = {.global = 96, .tokens = 96};
  inputs.text = {.global = 256, .tokens = 256};
  inputs.embed_dim = 256;
  CmimInteraction interaction(params, inputs);
  interaction.eval();
  const auto weights = interaction.named_parameters();
  {
    const at::NoGradGuard no_grad;
    for (const auto& weight : weights)  // which start at 0, and would leave nothing to compare
      if (weight.key().find("gate") != std::string::npos || weight.key().find("pool") != std::string::npos)
        at::Tensor(weight.value()).normal_();
  }
  Representation images, texts;
  images.global = at::randn({kImages, 96});
  images.tokens = at::randn({kImages, kTokens, 96});
  texts.global = at::randn({captions, 256});
  texts.tokens = at::randn({captions, kWords, 256});
  texts.token_mask = at::arange(kWords, at::kLong).unsqueeze(0) < at::randint(6, kWords + 1, {captions, 1}, at::kLong);
  compare(
      state, [&] { return interaction.score_all(images, texts, kChunk); },
      [&] { return orbweaver::testing::naive_cmim(kHeads, weights, images, texts); });
}

void match(benchmark::State& state) {
  constexpr int64_t kWidth = 256, kRelations = 22;
  at::manual_seed(1);
  graph_match::Params params;
  Inputs inputs;
  inputs.image.nodes = inputs.text.nodes = kWidth;
  inputs.relation_count = kRelations;
  graph_match::GraphMatch interaction(params, inputs);
  const auto graphs = [&](int64_t count, int64_t nodes, int64_t least, int64_t relations) {
    Representation side;
    side.nodes = at::randn({count, nodes, kWidth});
    side.node_mask = at::arange(nodes, at::kLong).unsqueeze(0) < at::randint(least, nodes + 1, {count, 1}, at::kLong);
    side.relations = at::cat({at::randint(0, nodes, {count, relations, 2}, at::kLong),
                              at::randint(1, kRelations, {count, relations, 1}, at::kLong)},
                             2);
    return side;
  };
  const Representation images = graphs(kImages, 20, 10, 60), texts = graphs(state.range(0), 5, 1, 3);
  const auto weights = interaction.named_parameters();
  compare(
      state, [&] { return interaction.score_all(images, texts, kChunk); },
      [&] {
        return orbweaver::testing::naive_graph_match(params.relation_weight, params.count_weight, weights, images,
                                                     texts);
      });
}

void measured(benchmark::internal::Benchmark* bench) { bench->Unit(benchmark::kMillisecond)->UseManualTime(); }

BENCHMARK_CAPTURE(amfmn, soft, "soft", AmfmnParams::Form::soft)->Arg(1024)->Apply(measured)->Iterations(5);
BENCHMARK_CAPTURE(amfmn, fusion, "fusion", AmfmnParams::Form::fusion)->Arg(1024)->Apply(measured)->Iterations(1);
BENCHMARK_CAPTURE(amfmn, sim, "sim", AmfmnParams::Form::sim)->Arg(1024)->Apply(measured)->Iterations(2);
BENCHMARK(cmim)->Arg(128)->Apply(measured)->Iterations(2);
BENCHMARK(match)->Name("graph_match")->Arg(1024)->Apply(measured)->Iterations(2);

}  // namespace
