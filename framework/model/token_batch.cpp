#include "framework/model/token_batch.h"

#include <ATen/ATen.h>

#include <algorithm>

namespace orbweaver {

TokenBatch pad_texts(std::span<const std::vector<int64_t>* const> texts) {
  int64_t length = 1;
  for (const std::vector<int64_t>* text : texts) length = std::max(length, static_cast<int64_t>(text->size()));
  TokenBatch out;
  out.ids = at::zeros({static_cast<int64_t>(texts.size()), length}, at::kLong);
  out.lengths = at::empty({static_cast<int64_t>(texts.size())}, at::kLong);
  int64_t* ids = out.ids.data_ptr<int64_t>();
  int64_t* lengths = out.lengths.data_ptr<int64_t>();
  for (const std::vector<int64_t>* text : texts) {
    std::copy(text->begin(), text->end(), ids);
    ids += length;
    *lengths++ = static_cast<int64_t>(text->size());
  }
  return out;
}

TokenBatch to_device(const TokenBatch& batch, const at::Device& device) {
  return {batch.ids.to(device), batch.lengths.to(device)};
}

}  // namespace orbweaver
