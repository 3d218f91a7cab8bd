#include "framework/data/synth_png.h"

#include <algorithm>
#include <array>
#include <cstdlib>
#include <queue>
#include <utility>
#include <vector>

namespace orbweaver::synth {
namespace {

constexpr size_t symbols = 257;  ///< bytes and the end of the block
constexpr int longest_code = 15;
using Lengths = std::array<uint8_t, symbols>;

void put_big_endian(std::string& out, uint32_t value) {
  for (const int shift : {24, 16, 8, 0}) out += static_cast<char>(value >> shift);
}

constexpr auto crc_table = [] {
  std::array<uint32_t, 256> table{};
  for (uint32_t n = 0; n < 256; ++n) {
    uint32_t c = n;
    for (int k = 0; k < 8; ++k) c = c & 1 ? 0xedb88320u ^ (c >> 1) : c >> 1;
    table[n] = c;
  }
  return table;
}();

void put_chunk(std::string& out, const char* type, const std::string& data) {
  put_big_endian(out, static_cast<uint32_t>(data.size()));
  const std::string body = type + data;
  uint32_t crc = 0xffffffffu;
  for (const char c : body) crc = crc_table[(crc ^ static_cast<uint8_t>(c)) & 255] ^ (crc >> 8);
  out += body;
  put_big_endian(out, crc ^ 0xffffffffu);
}

/// The filter's number and the filtered bytes of each row.
std::vector<uint8_t> filtered(std::span<const uint8_t> pixels, int32_t width, int32_t height) {
  const size_t stride = static_cast<size_t>(width) * 3;
  std::vector<uint8_t> out;
  out.reserve((stride + 1) * static_cast<size_t>(height));
  for (size_t y = 0; y < static_cast<size_t>(height); ++y) {
    const uint8_t* row = pixels.data() + y * stride;
    out.push_back(4);
    for (size_t x = 0; x < stride; ++x) {
      const int left = x >= 3 ? row[x - 3] : 0, up = y > 0 ? row[x - stride] : 0;
      const int corner = x >= 3 && y > 0 ? row[x - stride - 3] : 0;
      const int to_left = std::abs(up - corner), to_up = std::abs(left - corner);
      const int to_corner = std::abs(left + up - 2 * corner);
      const int guess = to_left <= to_up && to_left <= to_corner ? left : to_up <= to_corner ? up : corner;
      out.push_back(static_cast<uint8_t>(row[x] - guess));
    }
  }
  return out;
}

/// Lengths of a Huffman code's words; 0 for symbols that do not occur.
Lengths huffman_lengths(std::array<uint64_t, symbols> counts) {
  for (;;) {
    struct Node {
      size_t left = 0, right = 0;
    };
    std::vector<Node> nodes(symbols);
    // Ties go by the node's number, so that the code does not depend on how the heap is built.
    std::priority_queue<std::pair<uint64_t, size_t>, std::vector<std::pair<uint64_t, size_t>>, std::greater<>> heap;
    for (size_t i = 0; i < symbols; ++i)
      if (counts[i] > 0) heap.push({counts[i], i});
    while (heap.size() > 1) {
      const auto a = heap.top();
      heap.pop();
      const auto b = heap.top();
      heap.pop();
      nodes.push_back({a.second, b.second});
      heap.push({a.first + b.first, nodes.size() - 1});
    }
    Lengths lengths{};
    int deepest = 0;
    std::vector<int> depth(nodes.size());
    for (size_t i = nodes.size(); i-- > symbols;) depth[nodes[i].left] = depth[nodes[i].right] = depth[i] + 1;
    for (size_t i = 0; i < symbols; ++i)
      if (counts[i] > 0) deepest = std::max(deepest, depth[i]);
    if (deepest <= longest_code) {
      for (size_t i = 0; i < symbols; ++i) lengths[i] = counts[i] > 0 ? static_cast<uint8_t>(depth[i]) : 0;
      return lengths;
    }
    for (uint64_t& count : counts) count = count > 0 ? count / 2 + 1 : 0;  // flatter, and again
  }
}

/// Least significant bit first, as deflate has it.
class Bits {
 public:
  explicit Bits(std::string& out) : out_(out) {}
  void put(uint32_t value, int count) {
    held_ |= uint64_t{value} << filled_;
    for (filled_ += count; filled_ >= 8; filled_ -= 8, held_ >>= 8) out_ += static_cast<char>(held_);
  }
  void finish() {
    if (filled_ > 0) out_ += static_cast<char>(held_);
    held_ = 0, filled_ = 0;
  }

 private:
  std::string& out_;
  uint64_t held_ = 0;
  int filled_ = 0;
};

/// The canonical code of these lengths (RFC 1951, 3.2.2), each word with its first bit lowest.
std::array<uint16_t, symbols> canonical_code(const Lengths& lengths) {
  std::array<uint16_t, symbols> code{};
  uint32_t next = 0;
  for (int length = 1; length <= longest_code; ++length, next <<= 1)
    for (size_t i = 0; i < symbols; ++i) {
      if (lengths[i] != length) continue;
      uint32_t turned = 0;
      for (int bit = 0; bit < length; ++bit) turned |= (next >> bit & 1) << (length - 1 - bit);
      code[i] = static_cast<uint16_t>(turned);
      ++next;
    }
  return code;
}

void put_block(std::string& out, const std::vector<uint8_t>& bytes) {
  std::array<uint64_t, symbols> counts{};
  for (const uint8_t byte : bytes) ++counts[byte];
  counts[256] = 1;
  const Lengths lengths = huffman_lengths(counts);
  const auto code = canonical_code(lengths);
  Bits bits(out);
  bits.put(1, 1);              // the last block
  bits.put(2, 2);              // with a code of its own
  bits.put(symbols - 257, 5);  // as many literals as there are
  bits.put(0, 5);              // one distance, which never occurs
  bits.put(15, 4);             // all 19 lengths of the code that follows
  // The lengths 0 to 15 stand in four bits each; 16, 17 and 18 (first in this order) do not occur.
  for (int i = 0; i < 19; ++i) bits.put(i < 3 ? 0 : 4, 3);
  const auto put_length = [&](uint32_t length) {
    uint32_t turned = 0;
    for (int bit = 0; bit < 4; ++bit) turned |= (length >> bit & 1) << (3 - bit);
    bits.put(turned, 4);
  };
  for (const uint8_t length : lengths) put_length(length);
  put_length(0);
  for (const uint8_t byte : bytes) bits.put(code[byte], lengths[byte]);
  bits.put(code[256], lengths[256]);
  bits.finish();
}

uint32_t adler(const std::vector<uint8_t>& bytes) {
  uint32_t a = 1, b = 0;
  for (const uint8_t byte : bytes) {
    a = (a + byte) % 65521;
    b = (b + a) % 65521;
  }
  return b << 16 | a;
}

}  // namespace

std::string encode_png(std::span<const uint8_t> pixels, int32_t width, int32_t height) {
  std::string header;
  put_big_endian(header, static_cast<uint32_t>(width));
  put_big_endian(header, static_cast<uint32_t>(height));
  header += std::string("\x08\x02\x00\x00\x00", 5);  // 8 bits, RGB, deflate, adaptive filters, not interlaced
  const std::vector<uint8_t> bytes = filtered(pixels, width, height);
  std::string data("\x78\x01");
  put_block(data, bytes);
  put_big_endian(data, adler(bytes));
  std::string png("\x89PNG\r\n\x1a\n");
  put_chunk(png, "IHDR", header);
  put_chunk(png, "IDAT", data);
  put_chunk(png, "IEND", "");
  return png;
}

}  // namespace orbweaver::synth
