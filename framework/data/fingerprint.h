// Perceptual fingerprints: which images show the same thing, whatever their size, format and compression.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "orbweaver/scene.h"

namespace orbweaver {

/// A 64-bit perceptual hash, and a small picture that confirms what the hash suggests.
struct Fingerprint {
  /// Signs of the 8 x 8 lowest horizontal and vertical frequencies (without the constant ones) of the DCT of the grey
  /// 32 x 32 image, relative to their median.
  uint64_t hash = 0;
  /// The 16 x 16 RGB image, each channel's mean taken out, scaled to length `unit` (zero for a plain image). Integers,
  /// for a hundred thousand of them are in memory at once.
  static constexpr int16_t unit = 32767;
  std::array<int16_t, 768> picture{};
};

Fingerprint fingerprint(const ImageView& image);

/// Two images are near-duplicates when their hashes differ in at most this many bits ...
inline constexpr int near_duplicate_bits = 10;
/// ... and their pictures correlate at least this much.
///
/// On the 3,496 images of RSICD here (6.1 million pairs) both together flag one pair, which is the same scene shifted
/// by a few pixels, while bits alone flag beaches and deserts of the same layout. Copies of RSICD images at 256 x 256
/// and JPEG quality 50, or 10% brighter, were all found, and 94% of those with 4 of 224 pixels cropped on each side.
inline constexpr double near_duplicate_correlation = 0.9;

bool near_duplicates(const Fingerprint& a, const Fingerprint& b);

struct DuplicatePair {
  size_t first = 0, second = 0;
  int bits = 0;  ///< hash bits that differ
  double correlation = 0;
};

/// An image that is nearly identical to many is paired with the first so many of those before it: thousands of copies
/// would else make millions of pairs. Who counts pairs then has a lower bound: may_be_more().
inline constexpr size_t most_pairs_each = 10;

/// Whether an element of the second place has that many pairs, so that there may be more than these.
bool may_be_more(std::span<const DuplicatePair> pairs);

/// Near-duplicate pairs among the fingerprints, first < second, in order: of each with those before it.
std::vector<DuplicatePair> find_near_duplicates(std::span<const Fingerprint> prints);
std::vector<DuplicatePair> find_near_duplicates(std::span<const Fingerprint* const> prints);
/// Near-duplicate pairs of one of `a` (first) with one of `b` (second), in order: of each of `b` with those of `a`.
std::vector<DuplicatePair> find_near_duplicates(std::span<const Fingerprint> a, std::span<const Fingerprint> b);
std::vector<DuplicatePair> find_near_duplicates(std::span<const Fingerprint* const> a,
                                                std::span<const Fingerprint* const> b);

}  // namespace orbweaver
