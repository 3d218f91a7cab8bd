// Objects drawn on their image, to be looked at.
#pragma once

#include <array>
#include <cstdint>
#include <span>
#include <string>

#include "framework/data/image.h"
#include "orbweaver/scene.h"

namespace orbweaver {

/// Each object's rotated box in its label's colour, a short stroke from the centre along its width, its label (and
/// probability, where it is not 1) where there is room, and below the image a legend with the count of each label.
/// Small images are enlarged by a whole factor.
Image draw_objects(const ImageView& image, std::span<const Object> objects);

/// Red, green and blue of a label: bright, fully saturated, and the same in every drawing.
std::array<uint8_t, 3> label_colour(const std::string& label);

/// The text as the drawings' fonts can write it: what is not ASCII becomes '?'.
std::string printable(std::string text);

}  // namespace orbweaver
