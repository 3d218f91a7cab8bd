// What an image encoder expects, so that the runtime does the decoding.
#pragma once

#include <array>
#include <cstdint>

namespace orbweaver {
inline namespace v1 {

/// Images reach an encoder as RGB [B, 3, height, width], values (pixel / 255 - mean) / std.
struct ImageInput {
  enum class Resize {
    stretch,       ///< to height x width, whatever the aspect
    shortest_side  ///< shortest side to `height`, then the centre height x width
  };
  enum class Interpolation { bilinear, bicubic, area };

  int64_t height = 224, width = 224;
  Resize resize = Resize::stretch;
  /// Shrinking is antialiased in each of them.
  Interpolation interpolation = Interpolation::bilinear;
  std::array<float, 3> mean{0, 0, 0};
  std::array<float, 3> std{1, 1, 1};
  bool operator==(const ImageInput&) const = default;
};

}  // namespace v1
}  // namespace orbweaver
