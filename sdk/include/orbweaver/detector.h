#pragma once

#include <vector>

#include "orbweaver/export.h"
#include "orbweaver/scene.h"

namespace orbweaver {
inline namespace v1 {

/// Finds objects in an image, for datasets that come without detections. One thread per instance.
class ORBWEAVER_API Detector {
 public:
  static constexpr const char* kind = "detector";
  virtual ~Detector();

  /// @param image  RGB pixels, never empty.
  /// @return       objects in pixels of that image, any order; deterministic for the same pixels.
  virtual std::vector<Object> detect(const ImageView& image) = 0;
};

}  // namespace v1
}  // namespace orbweaver
