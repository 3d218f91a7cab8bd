#pragma once

#include "orbweaver/image_input.h"
#include "orbweaver/torch/module.h"

namespace orbweaver {
inline namespace v1 {

/// Images to a Representation. Used by one thread per instance.
class ORBWEAVER_API ImageEncoder : public ModelComponent {
 public:
  static constexpr const char* kind = "image_encoder";
  ~ImageEncoder() override;

  virtual ImageInput input() const = 0;
  /// Widths of `global` and `tokens` that `forward` makes.
  virtual Widths outputs() const = 0;
  /// @param images  [B, 3, H, W] float, prepared as `input` says.
  /// @return        `global` [B, Dg] and, where declared, `tokens` [B, T, Dt].
  virtual Representation forward(const at::Tensor& images) = 0;
};

}  // namespace v1
}  // namespace orbweaver
