// One step of the graph-aligned loss, forward and backward, on one thread: 64 images and captions, nodes 512 wide.
//
// `released` and `aligned` have 20 nodes on both sides, all of them real; `..._captions` has what RSICD has: 2 to 20
// objects, 1 to 5 entities, 3 relations a caption.
#include <ATen/ATen.h>
#include <ATen/Parallel.h>
#include <benchmark/benchmark.h>

#include "plugins/losses/hgac/hgac.h"

namespace {

constexpr int64_t kBatch = 64, kNodes = 20, kWidth = 512, kRelations = 22;

struct Batch {
  orbweaver::LossInput input;
  at::Tensor image_global, text_global;

  Batch(int64_t entities, bool full) {
    at::manual_seed(1);
    const auto leaf = [](at::IntArrayRef shape) { return at::randn(shape).set_requires_grad(true); };
    image_global = leaf({kBatch, kWidth});
    text_global = leaf({kBatch, kWidth});
    input.image.nodes = leaf({kBatch, kNodes, kWidth});
    input.text.nodes = leaf({kBatch, entities, kWidth});
    const auto real = [&](int64_t places, int64_t least) {
      return full ? at::ones({kBatch, places}, at::kBool)
                  : at::arange(places).unsqueeze(0) < at::randint(least, places + 1, {kBatch, 1});
    };
    input.image_graphs.mask = input.image.node_mask = real(kNodes, 2);
    input.text_graphs.mask = input.text.node_mask = real(entities, 1);
    input.image_graphs.adjacency = at::rand({kBatch, kNodes, kNodes});
    input.text_graphs.adjacency = at::rand({kBatch, entities, entities});
    const int64_t edges = kBatch * (full ? kNodes - 1 : 3);
    const auto ends = [&] { return at::randint(0, entities, {edges}, at::kLong); };
    input.text_graphs.relations = at::stack({at::arange(kBatch).repeat_interleave(edges / kBatch), ends(), ends(),
                                             at::randint(1, kRelations, {edges}, at::kLong)});
    input.negatives = at::eye(kBatch, at::kBool).logical_not();
  }

  void clear() {
    for (at::Tensor* leaf : {&image_global, &text_global, &input.image.nodes, &input.text.nodes})
      leaf->mutable_grad() = at::Tensor();
  }
};

void step(benchmark::State& state, hgac::Variant variant, int64_t entities, bool full) {
  at::set_num_threads(1);
  Batch batch(entities, full);
  orbweaver::Inputs inputs;
  inputs.image.nodes = inputs.text.nodes = kWidth;
  inputs.relation_count = kRelations;
  hgac::Params params;
  params.variant = variant;
  hgac::HgacLoss loss(params, inputs);
  for (auto _ : state) {
    batch.clear();
    loss.zero_grad();
    batch.input.scores =
        orbweaver::l2_normalize(batch.image_global).matmul(orbweaver::l2_normalize(batch.text_global).t());
    loss.forward(batch.input).total.backward();
  }
}

BENCHMARK_CAPTURE(step, released, hgac::Variant::released, kNodes, true)->Unit(benchmark::kMillisecond)->MinTime(1);
BENCHMARK_CAPTURE(step, aligned, hgac::Variant::aligned, kNodes, true)->Unit(benchmark::kMillisecond)->MinTime(1);
BENCHMARK_CAPTURE(step, released_captions, hgac::Variant::released, 5, false)
    ->Unit(benchmark::kMillisecond)
    ->MinTime(1);
BENCHMARK_CAPTURE(step, aligned_captions, hgac::Variant::aligned, 5, false)->Unit(benchmark::kMillisecond)->MinTime(1);

}  // namespace
