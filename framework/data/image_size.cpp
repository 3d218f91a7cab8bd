#include "framework/data/image_size.h"

#include <algorithm>
#include <array>
#include <charconv>

namespace orbweaver {
namespace {

/// Numbers of a byte order; what lies beyond the end reads as 0.
class Bytes {
 public:
  Bytes(std::string_view bytes, bool big) : bytes_(bytes), big_(big) {}

  uint64_t number(uint64_t at, unsigned size) const {
    if (at > bytes_.size() || size > bytes_.size() - at) return 0;
    uint64_t value = 0;
    for (unsigned i = 0; i < size; ++i)
      value |= uint64_t{static_cast<uint8_t>(bytes_[at + i])} << 8 * (big_ ? size - 1 - i : i);
    return value;
  }
  uint64_t size() const { return bytes_.size(); }

 private:
  std::string_view bytes_;
  bool big_;
};

/// Each below 2^32, so that the product fits.
uint64_t product(uint64_t width, uint64_t height) {
  return std::min<uint64_t>(width, UINT32_MAX) * std::min<uint64_t>(height, UINT32_MAX);
}

uint64_t jpeg_pixels(const Bytes& bytes) {
  for (uint64_t at = 2; at + 9 <= bytes.size();) {
    const uint64_t marker = bytes.number(at + 1, 1);
    if (bytes.number(at, 1) != 0xff || marker == 0xff) {
      ++at;
    } else if (marker >= 0xc0 && marker <= 0xcf && marker != 0xc4 && marker != 0xc8 && marker != 0xcc) {
      return product(bytes.number(at + 7, 2), bytes.number(at + 5, 2));  // a frame begins
    } else if (marker == 0x00 || marker == 0x01 || (marker >= 0xd0 && marker <= 0xd9)) {
      at += 2;
    } else {
      at += 2 + bytes.number(at + 2, 2);
    }
  }
  return 0;
}

uint64_t bmp_pixels(const Bytes& bytes) {
  if (bytes.number(14, 4) == 12) return product(bytes.number(18, 2), bytes.number(20, 2));
  // Rows from top to bottom have a negative height.
  const auto size = [&](uint64_t at) {
    const int64_t value = static_cast<int32_t>(bytes.number(at, 4));
    return static_cast<uint64_t>(value < 0 ? -value : value);
  };
  return product(size(18), size(22));
}

/// Of the first image of the file, as it is what is decoded.
uint64_t tiff_pixels(const Bytes& bytes) {
  const bool wide = bytes.number(2, 2) == 43;  // BigTIFF
  const uint64_t directory = wide ? bytes.number(8, 8) : bytes.number(4, 4);
  const uint64_t count = std::min<uint64_t>(wide ? bytes.number(directory, 8) : bytes.number(directory, 2), 65535);
  uint64_t width = 0, height = 0, tile_width = 0, tile_height = 0;
  for (uint64_t i = 0; i < count; ++i) {
    const uint64_t entry = directory + (wide ? 8 + 20 * i : 2 + 12 * i);
    if (entry >= bytes.size()) break;
    const uint64_t type = bytes.number(entry + 2, 2), at = entry + (wide ? 12 : 8);
    const uint64_t value = bytes.number(at, type == 1 ? 1 : type == 3 ? 2 : type == 16 ? 8 : 4);
    switch (bytes.number(entry, 2)) {
      case 256: width = std::max(width, value); break;
      case 257: height = std::max(height, value); break;
      case 322: tile_width = std::max(tile_width, value); break;
      case 323: tile_height = std::max(tile_height, value); break;
      default: break;
    }
  }
  return std::max(product(width, height), product(tile_width, tile_height));
}

uint64_t webp_pixels(std::string_view text, const Bytes& bytes) {
  const std::string_view kind = text.substr(12, 4);
  if (kind == "VP8X") return product(bytes.number(24, 3) + 1, bytes.number(27, 3) + 1);
  if (kind == "VP8L") return product((bytes.number(21, 2) & 0x3fff) + 1, (bytes.number(21, 4) >> 14 & 0x3fff) + 1);
  return product(bytes.number(26, 2) & 0x3fff, bytes.number(28, 2) & 0x3fff);
}

/// The code stream begins at once, or behind the boxes of a jp2.
uint64_t jpeg2000_pixels(std::string_view text, const Bytes& bytes) {
  const size_t begin = text.find("\xff\x4f\xff\x51");
  if (begin == std::string_view::npos) return 0;
  const auto extent = [&](uint64_t at) {
    const uint64_t end = bytes.number(begin + at, 4), offset = bytes.number(begin + at + 8, 4);
    return end > offset ? end - offset : 0;
  };
  return product(extent(8), extent(12));
}

/// "P6 # comment" and two numbers between blanks.
uint64_t pnm_pixels(std::string_view text) {
  std::array<uint64_t, 2> sizes{};
  size_t at = 2;
  for (uint64_t& size : sizes) {
    for (;;) {
      at = std::min(text.find_first_not_of(" \t\r\n\v\f", at), text.size());
      if (at == text.size() || text[at] != '#') break;
      at = std::min(text.find('\n', at), text.size());
    }
    const auto [end, error] = std::from_chars(text.data() + at, text.data() + text.size(), size);
    if (error == std::errc::result_out_of_range) size = UINT64_MAX;
    at = static_cast<size_t>(end - text.data());
  }
  return product(sizes[0], sizes[1]);
}

}  // namespace

std::optional<uint64_t> declared_pixels(std::string_view bytes) {
  using namespace std::string_view_literals;
  const Bytes little(bytes, false), big(bytes, true);
  if (bytes.starts_with("\x89PNG")) return product(big.number(16, 4), big.number(20, 4));
  if (bytes.starts_with("\xff\xd8")) return jpeg_pixels(big);
  if (bytes.starts_with("BM")) return bmp_pixels(little);
  if (bytes.starts_with("II*\0"sv) || bytes.starts_with("II+\0"sv)) return tiff_pixels(little);
  if (bytes.starts_with("MM\0*"sv) || bytes.starts_with("MM\0+"sv)) return tiff_pixels(big);
  if (bytes.starts_with("RIFF") && bytes.size() >= 30 && bytes.substr(8, 4) == "WEBP")
    return webp_pixels(bytes, little);
  if (bytes.starts_with("\0\0\0\x0cjP  \r\n\x87\n"sv) || bytes.starts_with("\xff\x4f\xff\x51"))
    return jpeg2000_pixels(bytes, big);
  if (bytes.size() > 2 && bytes[0] == 'P' && bytes[1] >= '1' && bytes[1] <= '6') return pnm_pixels(bytes);
  return std::nullopt;
}

bool plausible_pixels(uint64_t pixels, uint64_t bytes) {
  constexpr uint64_t always = 4096 * 4096, per_byte = 256;
  return pixels <= always || pixels / per_byte <= bytes;
}

}  // namespace orbweaver
