// PNG files whose bytes are a function of their pixels alone.
#pragma once

#include <cstdint>
#include <span>
#include <string>

namespace orbweaver::synth {

/// Encodes 8-bit RGB: Paeth's filter in every row, one deflate block in a Huffman code of its own, no matches.
///
/// Not libpng: what it writes depends on its version, on zlib's (and which of the zlibs there is) and on OpenCV's
/// settings. Photographs with grain hold few repetitions, so that leaving matches out costs little.
std::string encode_png(std::span<const uint8_t> pixels, int32_t width, int32_t height);

}  // namespace orbweaver::synth
