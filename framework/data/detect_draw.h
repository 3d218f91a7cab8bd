// Objects drawn on their image, to be looked at.
#pragma once

#include <span>

#include "framework/data/image.h"
#include "orbweaver/scene.h"

namespace orbweaver {

/// Each object's rotated box in its label's colour, a short stroke from the centre along its width, its label (and
/// probability, where it is not 1) where there is room, and below the image a legend with the count of each label.
/// Small images are enlarged by a whole factor.
Image draw_objects(const ImageView& image, std::span<const Object> objects);

}  // namespace orbweaver
