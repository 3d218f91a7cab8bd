// Random numbers that are the same on every platform and standard library.
#pragma once

#include <cstddef>
#include <cstdint>
#include <numeric>
#include <utility>
#include <vector>

namespace orbweaver {

/// SplitMix64 (Steele, Lea, Flood, OOPSLA 2014): spreads a seed over 64 bits, and mixes several numbers into one.
inline uint64_t mix(uint64_t x) {
  x += 0x9e3779b97f4a7c15ULL;
  x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9ULL;
  x = (x ^ (x >> 27)) * 0x94d049bb133111ebULL;
  return x ^ (x >> 31);
}

/// xoshiro256** (Blackman and Vigna, 2018), seeded through SplitMix64.
///
/// Not <random>: the standard leaves its distributions and std::shuffle to each implementation, and a split or an
/// epoch's order must not depend on the machine that draws it.
class Random {
 public:
  explicit Random(uint64_t seed) {
    for (uint64_t& word : state_) {
      word = mix(seed);
      seed += 0x9e3779b97f4a7c15ULL;
    }
  }
  /// A stream of its own for each (seed, a, b), such as (seed, epoch, sample).
  Random(uint64_t seed, uint64_t a, uint64_t b = 0) : Random(mix(mix(mix(seed) ^ a) ^ b)) {}

  uint64_t next() {
    const uint64_t result = rotate(state_[1] * 5, 7) * 9;
    const uint64_t shifted = state_[1] << 17;
    state_[2] ^= state_[0];
    state_[3] ^= state_[1];
    state_[1] ^= state_[2];
    state_[0] ^= state_[3];
    state_[2] ^= shifted;
    state_[3] = rotate(state_[3], 45);
    return result;
  }

  /// An integer in [0, count), each equally likely; count > 0.
  uint64_t below(uint64_t count) {
    // The last, incomplete run of `count` numbers is drawn again: a bare remainder would favour small results.
    const uint64_t limit = ~uint64_t{0} - (~uint64_t{0} % count + 1) % count;
    uint64_t value = next();
    while (value > limit) value = next();
    return value % count;
  }
  /// An integer in [first, last].
  int64_t between(int64_t first, int64_t last) {
    return first + static_cast<int64_t>(below(static_cast<uint64_t>(last - first) + 1));
  }
  /// A real number in [0, 1).
  double uniform() { return static_cast<double>(next() >> 11) * 0x1.0p-53; }
  double uniform(double low, double high) { return low + (high - low) * uniform(); }
  bool chance(double probability) { return uniform() < probability; }

  /// Fisher-Yates.
  template <class T>
  void shuffle(std::vector<T>& items) {
    for (size_t i = items.size(); i > 1; --i) std::swap(items[i - 1], items[below(i)]);
  }
  /// 0 .. count-1 in random order.
  std::vector<int64_t> permutation(int64_t count) {
    std::vector<int64_t> order(static_cast<size_t>(count));
    std::iota(order.begin(), order.end(), int64_t{0});
    shuffle(order);
    return order;
  }

 private:
  static uint64_t rotate(uint64_t x, int bits) { return (x << bits) | (x >> (64 - bits)); }
  uint64_t state_[4] = {};
};

}  // namespace orbweaver
