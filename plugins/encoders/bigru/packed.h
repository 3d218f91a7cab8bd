// Captions of different length in one tensor without padding.
#pragma once

#include <ATen/ATen.h>

#include <cstdint>
#include <vector>

#include "orbweaver/torch/representation.h"

namespace {

/// The words of a batch, time-major as in torch's PackedSequence: all first words, all second words, ..., captions by
/// falling length, so that the captions that still run at a step are its first rows.
struct Packed {
  at::Tensor ids;                   ///< [N] word ids, N the number of words of the batch
  at::Tensor caption;               ///< [N] the caption that a row belongs to
  at::Tensor place;                 ///< [N] row of the padded [B * L, ...] tensor
  at::Tensor first, last;           ///< [B] row of each caption's first and last word
  at::Tensor mask;                  ///< [B, L] bool, true at words
  std::vector<int64_t> step_sizes;  ///< [steps] captions that run at each step, falling
};

inline Packed pack(const orbweaver::TokenBatch& tokens) {
  const int64_t batch = tokens.ids.size(0), longest = tokens.ids.size(1);
  const at::Tensor lengths = tokens.lengths.to(tokens.ids.device());
  const at::Tensor steps = at::arange(longest, lengths.options());
  const at::Tensor order = lengths.argsort(/*stable=*/true, 0, /*descending=*/true);
  const at::Tensor rank = at::empty_like(order).index_copy_(0, order, at::arange(batch, order.options()));

  Packed packed;
  packed.mask = steps.unsqueeze(0) < lengths.unsqueeze(1);
  const at::Tensor runs = packed.mask.index_select(0, order).t();  // [L, B], captions by falling length
  packed.ids = tokens.ids.index_select(0, order).t().masked_select(runs);
  packed.caption = order.unsqueeze(0).expand({longest, batch}).masked_select(runs);
  packed.place = (order.unsqueeze(0) * longest + steps.unsqueeze(1)).masked_select(runs);
  const at::Tensor sizes = runs.sum(1);
  packed.first = rank;
  packed.last = (sizes.cumsum(0) - sizes).index_select(0, lengths - 1) + rank;

  const at::Tensor sizes_on_cpu = sizes.cpu();
  const int64_t* size = sizes_on_cpu.data_ptr<int64_t>();
  for (int64_t step = 0; step < longest && size[step] > 0; ++step) packed.step_sizes.push_back(size[step]);
  return packed;
}

}  // namespace
