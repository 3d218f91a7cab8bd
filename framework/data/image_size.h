// What an image file says about its size, read before any decoder takes memory for it.
#pragma once

#include <cstdint>
#include <optional>
#include <string_view>

namespace orbweaver {

/// Pixels that the header of a jpg, png, tif, bmp, webp, jp2 or pnm declares; of a tiled tif at least those of a tile.
/// 0 where its size is not found, which its decoder will tell. Nothing for bytes that begin like none of these.
std::optional<uint64_t> declared_pixels(std::string_view bytes);

/// Whether so many pixels may come out of so many bytes. Photographs have a byte for some ten pixels; an image of up to
/// 4096 x 4096 may be as empty as it likes, a larger one needs a byte for 256 pixels.
bool plausible_pixels(uint64_t pixels, uint64_t bytes);

}  // namespace orbweaver
