#pragma once

#include "orbweaver/torch/module.h"

namespace orbweaver {
inline namespace v1 {

/// Graphs of one side to `nodes` [B, N, Dn] and `local` [B, Dl]. Used by one thread per instance.
class ORBWEAVER_API GraphEncoder : public ModelComponent {
 public:
  static constexpr const char* kind = "graph_encoder";
  ~GraphEncoder() override;

  /// Widths of `nodes` and `local`.
  virtual Widths outputs() const = 0;
  /// @return  `nodes` (zero at padding), `node_mask` and `local`; finite for a graph without nodes too.
  virtual Representation forward(const GraphBatch& graphs) = 0;
};

}  // namespace v1
}  // namespace orbweaver
