#include "framework/data/fingerprint.h"

#include <algorithm>
#include <bit>
#include <cmath>
#include <map>
#include <numbers>
#include <optional>
#include <utility>

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

std::array<int16_t, 768> small_picture(const ImageView& image) {
  const Image small = resize(image, 16, 16, ImageInput::Interpolation::area);
  std::array<double, 3> mean{};
  for (size_t i = 0; i < 768; ++i) mean[i % 3] += small.pixels[i] / 256.0;
  double sum = 0;
  for (size_t i = 0; i < 768; ++i) sum += (small.pixels[i] - mean[i % 3]) * (small.pixels[i] - mean[i % 3]);
  std::array<int16_t, 768> picture{};
  if (sum == 0) return picture;
  for (size_t i = 0; i < 768; ++i)
    picture[i] =
        static_cast<int16_t>(std::lround((small.pixels[i] - mean[i % 3]) / std::sqrt(sum) * Fingerprint::unit));
  return picture;
}

/// No sum of products is larger than the product of the lengths, about 2^30.
int32_t product(const Fingerprint& a, const Fingerprint& b) {
  int32_t sum = 0;
  for (size_t i = 0; i < a.picture.size(); ++i) sum += int32_t{a.picture[i]} * b.picture[i];
  return sum;
}

double correlation(const Fingerprint& a, const Fingerprint& b) {
  const double lengths = static_cast<double>(product(a, a)) * product(b, b);  // squared; rounding left them inexact
  return lengths > 0 ? product(a, b) / std::sqrt(lengths) : 0;
}

int bits_between(uint64_t a, uint64_t b) { return std::popcount(a ^ b); }

std::optional<DuplicatePair> compare(const Fingerprint& a, const Fingerprint& b, size_t first, size_t second) {
  const double alike = correlation(a, b);
  if (alike < near_duplicate_correlation) return std::nullopt;
  return DuplicatePair{first, second, bits_between(a.hash, b.hash), alike};
}

/// The first of hashes[begin ... end) that differs from `hash` in few enough bits; `end` where none does. Nearly all
/// pairs of images are decided here, and of a hundred thousand there are five billion.
[[gnu::always_inline]] inline size_t search(const uint64_t* hashes, size_t begin, size_t end, uint64_t hash) {
  for (size_t i = begin; i < end; ++i)
    if (std::popcount(hashes[i] ^ hash) <= near_duplicate_bits) return i;
  return end;
}

#if defined(__x86_64__)
// An instruction that every machine has and no compiler may take for granted.
[[gnu::target("popcnt")]] size_t search_by_popcnt(const uint64_t* hashes, size_t begin, size_t end, uint64_t hash) {
  return search(hashes, begin, end, hash);
}
#endif

size_t next_near(const uint64_t* hashes, size_t begin, size_t end, uint64_t hash) {
#if defined(__x86_64__)
  static const bool counts = __builtin_cpu_supports("popcnt") != 0;
  if (counts) return search_by_popcnt(hashes, begin, end, hash);
#endif
  return search(hashes, begin, end, hash);
}

using Prints = std::span<const Fingerprint* const>;

/// Correlates with nothing.
bool is_plain(const Fingerprint& print) {
  return std::all_of(print.picture.begin(), print.picture.end(), [](int16_t value) { return value == 0; });
}

/// @param before  how many of `a` an element of `b` is compared with
template <class Before>
std::vector<DuplicatePair> find_pairs(Prints a, Prints b, Before&& before) {
  std::vector<uint64_t> hashes;
  std::vector<size_t> places;  // of these in `a`
  for (size_t i = 0; i < a.size(); ++i) {
    if (is_plain(*a[i])) continue;
    hashes.push_back(a[i]->hash);
    places.push_back(i);
  }
  std::vector<DuplicatePair> pairs;
  for (size_t j = 0; j < b.size(); ++j) {
    if (is_plain(*b[j])) continue;
    const auto end = static_cast<size_t>(std::lower_bound(places.begin(), places.end(), before(j)) - places.begin());
    size_t found = 0;
    for (size_t i = 0; found < most_pairs_each; ++i) {
      i = next_near(hashes.data(), i, end, b[j]->hash);
      if (i >= end) break;
      const auto pair = compare(*a[places[i]], *b[j], places[i], j);
      if (!pair) continue;
      pairs.push_back(*pair);
      ++found;
    }
  }
  std::sort(pairs.begin(), pairs.end(), [](const DuplicatePair& one, const DuplicatePair& other) {
    return std::pair(one.first, one.second) < std::pair(other.first, other.second);
  });
  return pairs;
}

std::vector<const Fingerprint*> pointers(std::span<const Fingerprint> prints) {
  std::vector<const Fingerprint*> out;
  for (const Fingerprint& print : prints) out.push_back(&print);
  return out;
}

}  // namespace

Fingerprint fingerprint(const ImageView& image) { return {perceptual_hash(image), small_picture(image)}; }

bool near_duplicates(const Fingerprint& a, const Fingerprint& b) {
  return bits_between(a.hash, b.hash) <= near_duplicate_bits && compare(a, b, 0, 1);
}

bool may_be_more(std::span<const DuplicatePair> pairs) {
  std::map<size_t, size_t> of_second;
  return std::any_of(pairs.begin(), pairs.end(),
                     [&](const DuplicatePair& pair) { return ++of_second[pair.second] == most_pairs_each; });
}

std::vector<DuplicatePair> find_near_duplicates(std::span<const Fingerprint> prints) {
  return find_near_duplicates(pointers(prints));
}

std::vector<DuplicatePair> find_near_duplicates(Prints prints) {
  return find_pairs(prints, prints, [](size_t j) { return j; });
}

std::vector<DuplicatePair> find_near_duplicates(std::span<const Fingerprint> a, std::span<const Fingerprint> b) {
  return find_near_duplicates(pointers(a), pointers(b));
}

std::vector<DuplicatePair> find_near_duplicates(Prints a, Prints b) {
  return find_pairs(a, b, [&](size_t) { return a.size(); });
}

}  // namespace orbweaver
