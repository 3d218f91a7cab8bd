// Geometric augmentation: images moved at random in training, their objects with them.
#pragma once

#include <array>
#include <cstdint>
#include <span>
#include <string_view>
#include <vector>

#include "framework/data/image.h"
#include "orbweaver/params.h"
#include "orbweaver/scene.h"

namespace orbweaver {

/// The "augment" object of /train. Nothing is moved by default. GaLR: scale 278/256, rotation 90 (its paper flips too).
struct AugmentParams {
  double scale = 1;     ///< enlarge by this, and cut a window of the image's own size at a random place
  double rotation = 0;  ///< degrees; each image is turned by an angle between 0 and this, counter-clockwise
  bool flip = false;    ///< mirror left to right, and top to bottom, each for one image in two
  bool any() const { return scale > 1 || rotation > 0 || flip; }
  static void describe(ParamSpec<AugmentParams>& p);
};

/// An affine map of pixel coordinates (origin at the corner of the top left pixel, y downwards):
/// x' = m[0] x + m[1] y + m[2], y' = m[3] x + m[4] y + m[5].
struct Motion {
  std::array<double, 6> m{1, 0, 0, 0, 1, 0};
  /// This one first, then `next`.
  Motion then(const Motion& next) const;
};

/// The motion of one sample in one epoch: a function of the arguments alone.
///
/// @param keep_directions  only scale and cut: the caption says where things are, which a turn or a mirror would
///                         falsify.
Motion draw_motion(const AugmentParams& params, int64_t width, int64_t height, bool keep_directions, uint64_t seed,
                   int64_t epoch, int64_t sample);

/// The image moved, of the same size; what comes from outside it is black. Bilinear.
Image moved(const Image& image, const Motion& motion);

/// Objects moved with an image of that size. One whose centre leaves the image is dropped. Attributes stay.
std::vector<Object> moved(std::span<const Object> objects, const Motion& motion, int64_t width, int64_t height);

/// Whether a caption says where something lies on the image: left, right, above, below, top, bottom, upper, lower and
/// the points of the compass.
bool names_direction(std::string_view caption);

}  // namespace orbweaver
