#include "framework/io/npy.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <bit>
#include <cstring>
#include <optional>
#include <string_view>

#include "framework/io/files.h"
#include "orbweaver/error.h"

namespace orbweaver {
namespace {

static_assert(std::endian::native == std::endian::little, "numbers are written in memory order");

constexpr std::string_view magic = "\x93NUMPY";

struct Header {
  std::string descr;
  bool fortran_order = false;
  std::vector<int64_t> shape;
};

/// Reads NumPy's header: a Python dictionary literal with three known keys.
class HeaderParser {
 public:
  HeaderParser(std::string_view text, std::string where) : text_(text), where_(std::move(where)) {}

  Header parse() {
    std::optional<std::string> descr;
    std::optional<bool> fortran;
    std::optional<std::vector<int64_t>> shape;
    expect('{');
    while (!take('}')) {
      const std::string key = quoted();
      expect(':');
      if (key == "descr" && peek() == '[') refuse_records();
      if (key == "descr") {
        descr = quoted();
      } else if (key == "fortran_order") {
        fortran = boolean();
      } else if (key == "shape") {
        shape = tuple();
      } else {
        fail(fmt::format("unknown key \"{}\"", key));
      }
      if (take('}')) break;
      expect(',');
    }
    if (peek() != '\0') fail("text after the dictionary");
    if (!descr || !fortran || !shape) fail("descr, fortran_order or shape is missing");
    return {*descr, *fortran, *shape};
  }

 private:
  [[noreturn]] void fail(const std::string& reason) const {
    throw InputError(fmt::format("{}: malformed .npy header: {}", where_, reason));
  }
  [[noreturn]] void refuse_records() const {
    throw InputError(
        fmt::format("{}: holds a structured array, expected float32 or float64; save one field, "
                    "np.save(path, a[\"name\"])",
                    where_));
  }

  char peek() {
    while (at_ < text_.size() && std::strchr(" \t\r\n", text_[at_]) && text_[at_] != '\0') ++at_;
    return at_ < text_.size() ? text_[at_] : '\0';
  }
  bool take(char wanted) {
    if (peek() != wanted) return false;
    ++at_;
    return true;
  }
  void expect(char wanted) {
    if (!take(wanted)) fail(fmt::format("expected '{}' at character {}", wanted, at_));
  }
  std::string quoted() {
    const char quote = peek();
    if (quote != '\'' && quote != '"') fail(fmt::format("expected a quoted word at character {}", at_));
    const size_t end = text_.find(quote, ++at_);
    if (end == std::string_view::npos) fail("a quote is not closed");
    std::string word(text_.substr(at_, end - at_));
    at_ = end + 1;
    return word;
  }
  bool boolean() {
    peek();
    for (const std::string_view word : {"True", "False"})
      if (text_.substr(at_).starts_with(word)) {
        at_ += word.size();
        return word == "True";
      }
    fail("fortran_order is neither True nor False");
  }
  std::vector<int64_t> tuple() {
    std::vector<int64_t> values;
    expect('(');
    while (!take(')')) {
      values.push_back(integer());
      if (take(')')) break;
      expect(',');
    }
    return values;
  }
  int64_t integer() {
    peek();
    int64_t value = 0;
    const size_t begin = at_;
    for (; at_ < text_.size() && text_[at_] >= '0' && text_[at_] <= '9'; ++at_) {
      if (value > (INT64_MAX - 9) / 10) fail("a dimension does not fit 64 bits");
      value = value * 10 + (text_[at_] - '0');
    }
    if (at_ == begin) fail(fmt::format("expected a dimension at character {}", at_));
    take('L');  // Python 2 wrote its long integers so
    return value;
  }

  std::string_view text_;
  std::string where_;
  size_t at_ = 0;
};

std::string shape_text(const std::vector<int64_t>& shape) {
  return fmt::format("({}{})", fmt::join(shape, ", "), shape.size() == 1 ? "," : "");
}

template <class T>
T swapped(T value) {
  unsigned char bytes[sizeof(T)];
  std::memcpy(bytes, &value, sizeof(T));
  for (size_t i = 0; i < sizeof(T) / 2; ++i) std::swap(bytes[i], bytes[sizeof(T) - 1 - i]);
  std::memcpy(&value, bytes, sizeof(T));
  return value;
}

template <class T>
Matrix<T> read_data(const Header& header, std::span<const std::byte> data, const std::string& where) {
  const uint64_t rows = static_cast<uint64_t>(header.shape[0]), cols = static_cast<uint64_t>(header.shape[1]);
  uint64_t bytes = 0;
  // Before anything is allocated: the header's sizes are only claims.
  if (__builtin_mul_overflow(rows, cols, &bytes) || __builtin_mul_overflow(bytes, sizeof(T), &bytes) ||
      bytes != data.size())
    throw InputError(fmt::format(
        "{}: {} bytes of data, but shape {} of {} asks for {}; the file is cut short or damaged", where, data.size(),
        shape_text(header.shape), header.descr, fmt::format("{} x {} x {} bytes", rows, cols, sizeof(T))));
  Matrix<T> matrix(header.shape[0], header.shape[1]);
  if (bytes == 0) return matrix;
  if (!header.fortran_order) {
    std::memcpy(matrix.data(), data.data(), bytes);
  } else {
    const auto value = [&](uint64_t row, uint64_t col) {
      T number;
      std::memcpy(&number, data.data() + (col * rows + row) * sizeof(T), sizeof(T));
      return number;
    };
    constexpr uint64_t tile = 32;  // reads and writes both stay within a few cache lines
    for (uint64_t row0 = 0; row0 < rows; row0 += tile)
      for (uint64_t col0 = 0; col0 < cols; col0 += tile)
        for (uint64_t row = row0; row < std::min(rows, row0 + tile); ++row)
          for (uint64_t col = col0; col < std::min(cols, col0 + tile); ++col)
            matrix(static_cast<int64_t>(row), static_cast<int64_t>(col)) = value(row, col);
  }
  if (header.descr[0] == '>')
    for (T* number = matrix.data(); number != matrix.data() + rows * cols; ++number) *number = swapped(*number);
  return matrix;
}

[[noreturn]] void refuse_dtype(const std::string& descr, const std::string& where) {
  throw InputError(
      fmt::format("{}: holds numbers of type \"{}\", expected float32 or float64; convert with "
                  "np.save(path, a.astype(np.float32))",
                  where, descr));
}

template <class T>
void write(const std::filesystem::path& path, MatrixView<const T> matrix) {
  std::string header = fmt::format("{{'descr': '<f{}', 'fortran_order': False, 'shape': ({}, {}), }}", sizeof(T),
                                   matrix.rows(), matrix.cols());
  // NumPy aligns the data to 64 bytes with spaces and ends the header in a newline.
  const size_t before = magic.size() + 4;
  header.append(63 - (before + header.size()) % 64, ' ');
  header += '\n';
  std::string start(magic);
  start += {'\1', '\0', static_cast<char>(header.size() & 0xff), static_cast<char>(header.size() >> 8)};
  start += header;
  write_atomically(path, [&](int descriptor) {
    write_all(descriptor, std::as_bytes(std::span(start)));
    std::vector<T> row(static_cast<size_t>(matrix.cols()));
    for (int64_t r = 0; r < matrix.rows(); ++r) {
      for (int64_t c = 0; c < matrix.cols(); ++c) row[static_cast<size_t>(c)] = matrix(r, c);
      write_all(descriptor, std::as_bytes(std::span(row)));
    }
  });
}

}  // namespace

NpyMatrix read_npy(const std::filesystem::path& path) {
  const MappedFile file(path);
  const std::string where = path.string();
  const std::span<const std::byte> bytes = file.bytes();
  const std::string_view text(reinterpret_cast<const char*>(bytes.data()), bytes.size());
  if (!text.starts_with(magic))
    throw InputError(fmt::format("{}: is not a .npy file (no NUMPY signature); save the matrix with np.save", where));
  const auto byte = [&](size_t at) { return static_cast<size_t>(static_cast<unsigned char>(text[at])); };
  if (text.size() < 12) throw InputError(fmt::format("{}: ends within the .npy header", where));
  const size_t version = byte(6);
  if (version < 1 || version > 3)
    throw InputError(fmt::format("{}: .npy version {}.{}, expected 1.0, 2.0 or 3.0", where, version, byte(7)));
  // Version 1 counts the header in two bytes, later ones in four.
  const size_t begin = version == 1 ? 10 : 12;
  size_t length = byte(8) | byte(9) << 8;
  if (version > 1) length |= byte(10) << 16 | byte(11) << 24;
  if (length > text.size() - begin) throw InputError(fmt::format("{}: ends within the .npy header", where));

  const Header header = HeaderParser(text.substr(begin, length), where).parse();
  const std::span<const std::byte> data = bytes.subspan(begin + length);
  if (header.descr != "<f4" && header.descr != ">f4" && header.descr != "<f8" && header.descr != ">f8")
    refuse_dtype(header.descr, where);
  if (header.shape.size() != 2)
    throw InputError(
        fmt::format("{}: an array of shape {}, expected a matrix (2 dimensions)", where, shape_text(header.shape)));
  if (header.descr[2] == '4') return read_data<float>(header, data, where);
  return read_data<double>(header, data, where);
}

void write_npy(const std::filesystem::path& path, MatrixView<const float> matrix) { write(path, matrix); }
void write_npy(const std::filesystem::path& path, MatrixView<const double> matrix) { write(path, matrix); }

}  // namespace orbweaver
