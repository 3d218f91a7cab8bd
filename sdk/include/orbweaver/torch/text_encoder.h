#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "orbweaver/torch/module.h"

namespace orbweaver {
inline namespace v1 {

/// Captions to a Representation; owns its tokenizer. `forward` is used by one thread per instance.
class ORBWEAVER_API TextEncoder : public ModelComponent {
 public:
  static constexpr const char* kind = "text_encoder";
  ~TextEncoder() override;

  virtual Widths outputs() const = 0;
  /// Ids of a caption: at least one, none of them 0 (padding). Concurrent calls are allowed.
  virtual std::vector<int64_t> tokenize(const std::string& text) const = 0;
  /// @param tokens  ids [B, L] and lengths [B]; L is at most the longest of the batch.
  /// @return        `global` [B, Dg] and, where declared, `tokens` [B, L, Dt] with `token_mask`. A caption's result
  ///                depends on its own tokens alone, not on the padding.
  virtual Representation forward(const TokenBatch& tokens) = 0;
};

}  // namespace v1
}  // namespace orbweaver
