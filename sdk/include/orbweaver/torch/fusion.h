#pragma once

#include "orbweaver/torch/module.h"

namespace orbweaver {
inline namespace v1 {

/// One side's Representation to its embedding. Sides stay independent, so that a gallery can be indexed; each side has
/// an instance of its own.
class ORBWEAVER_API Fusion : public ModelComponent {
 public:
  static constexpr const char* kind = "fusion";
  ~Fusion() override;

  Parts reads() const override;
  /// @return  [B, E], rows of unit length (zero rows stay zero).
  virtual at::Tensor forward(const Representation& side) = 0;
};

/// Rows scaled to unit length.
///
/// Zero rows stay zero and pass their gradient on unscaled: their norm alone is replaced by 1. An added epsilon would
/// shift every norm, a small lower bound would blow up the gradient of a level that starts at zero.
ORBWEAVER_API at::Tensor l2_normalize(const at::Tensor& rows);

}  // namespace v1
}  // namespace orbweaver
