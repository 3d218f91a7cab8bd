#pragma once

#include "orbweaver/torch/module.h"

namespace orbweaver {
inline namespace v1 {

/// A score that looks at both sides of a pair at once (CMIM, SCAN, AMFMN).
class ORBWEAVER_API Interaction : public ModelComponent {
 public:
  static constexpr const char* kind = "interaction";
  ~Interaction() override;

  /// @param images  M images, @param texts N texts, @param pairs [P, 2] int64 (image, text).
  /// @return        [P] scores, differentiable.
  virtual at::Tensor score_pairs(const Representation& images, const Representation& texts,
                                 const at::Tensor& pairs) = 0;

  /// @return  [M, N] scores of all pairs, made in chunks of at most `chunk` pairs at a time. The default calls
  /// score_pairs.
  virtual at::Tensor score_all(const Representation& images, const Representation& texts, int64_t chunk);
};

}  // namespace v1
}  // namespace orbweaver
