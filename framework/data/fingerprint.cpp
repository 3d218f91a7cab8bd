#include "framework/data/fingerprint.h"

#include <algorithm>
#include <bit>
#include <cmath>
#include <numbers>

#include "framework/data/image.h"

namespace orbweaver {
namespace {

constexpr size_t side = 32, frequencies = 8;

/// cos((2x + 1)(u + 1) pi / 64): row u holds frequency u + 1.
const auto& cosines() {
  static const auto table = [] {
    std::array<std::array<double, side>, frequencies> values{};
    for (size_t u = 0; u < frequencies; ++u)
      for (size_t x = 0; x < side; ++x)
        values[u][x] = std::cos(static_cast<double>((2 * x + 1) * (u + 1)) * std::numbers::pi / (2 * side));
    return values;
  }();
  return table;
}

uint64_t perceptual_hash(const ImageView& image) {
  const Image small = resize(image, side, side, ImageInput::Interpolation::area);
  const auto& basis = cosines();
  std::array<std::array<double, side>, frequencies> columns{};  // transformed along x: [v][y]
  for (size_t y = 0; y < side; ++y)
    for (size_t x = 0; x < side; ++x) {
      const uint8_t* p = &small.pixels[(y * side + x) * 3];
      const double grey = 0.299 * p[0] + 0.587 * p[1] + 0.114 * p[2];
      for (size_t v = 0; v < frequencies; ++v) columns[v][y] += grey * basis[v][x];
    }
  std::array<double, frequencies * frequencies> values{};
  for (size_t u = 0; u < frequencies; ++u)
    for (size_t v = 0; v < frequencies; ++v)
      for (size_t y = 0; y < side; ++y) values[u * frequencies + v] += columns[v][y] * basis[u][y];
  auto sorted = values;
  std::nth_element(sorted.begin(), sorted.begin() + sorted.size() / 2, sorted.end());
  uint64_t hash = 0;
  for (size_t i = 0; i < values.size(); ++i)
    if (values[i] > sorted[sorted.size() / 2]) hash |= uint64_t{1} << i;
  return hash;
}

std::array<float, 768> small_picture(const ImageView& image) {
  const Image small = resize(image, 16, 16, ImageInput::Interpolation::area);
  std::array<double, 3> mean{};
  for (size_t i = 0; i < 768; ++i) mean[i % 3] += small.pixels[i] / 256.0;
  double sum = 0;
  for (size_t i = 0; i < 768; ++i) sum += (small.pixels[i] - mean[i % 3]) * (small.pixels[i] - mean[i % 3]);
  std::array<float, 768> picture{};
  if (sum == 0) return picture;
  for (size_t i = 0; i < 768; ++i) picture[i] = static_cast<float>((small.pixels[i] - mean[i % 3]) / std::sqrt(sum));
  return picture;
}

double correlation(const Fingerprint& a, const Fingerprint& b) {
  double sum = 0;
  for (size_t i = 0; i < a.picture.size(); ++i) sum += static_cast<double>(a.picture[i]) * b.picture[i];
  return sum;
}

/// Appends the pair when it is one. Hashes first: they decide nearly all pairs in two instructions.
void compare(const Fingerprint& a, const Fingerprint& b, size_t first, size_t second,
             std::vector<DuplicatePair>& pairs) {
  const int bits = std::popcount(a.hash ^ b.hash);
  if (bits > near_duplicate_bits) return;
  const double alike = correlation(a, b);
  if (alike >= near_duplicate_correlation) pairs.push_back({first, second, bits, alike});
}

}  // namespace

Fingerprint fingerprint(const ImageView& image) { return {perceptual_hash(image), small_picture(image)}; }

bool near_duplicates(const Fingerprint& a, const Fingerprint& b) {
  std::vector<DuplicatePair> pairs;
  compare(a, b, 0, 1, pairs);
  return !pairs.empty();
}

std::vector<DuplicatePair> find_near_duplicates(std::span<const Fingerprint> prints) {
  std::vector<DuplicatePair> pairs;
  for (size_t i = 0; i < prints.size(); ++i)
    for (size_t j = i + 1; j < prints.size(); ++j) compare(prints[i], prints[j], i, j, pairs);
  return pairs;
}

std::vector<DuplicatePair> find_near_duplicates(std::span<const Fingerprint> a, std::span<const Fingerprint> b) {
  std::vector<DuplicatePair> pairs;
  for (size_t i = 0; i < a.size(); ++i)
    for (size_t j = 0; j < b.size(); ++j) compare(a[i], b[j], i, j, pairs);
  return pairs;
}

}  // namespace orbweaver
