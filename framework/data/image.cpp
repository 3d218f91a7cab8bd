#include "framework/data/image.h"

#include <fmt/format.h>
#include <sys/mman.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <cmath>
#include <cstdio>
#include <cstring>
#include <opencv2/core.hpp>
#include <opencv2/core/hal/intrin.hpp>
#include <opencv2/core/utils/logger.hpp>
#include <opencv2/imgcodecs.hpp>
#include <opencv2/imgproc.hpp>
#include <optional>
#include <span>
#include <string_view>

#include "framework/data/image_size.h"
#include "framework/io/files.h"
#include "orbweaver/error.h"

namespace orbweaver {
namespace fs = std::filesystem;
namespace {

void silence_opencv_log() {
  static const bool once = [] {
    cv::utils::logging::setLogLevel(cv::utils::logging::LOG_LEVEL_SILENT);
    return true;
  }();
  (void)once;
}

/// libjpeg replaces what is missing from a truncated file by grey and merely prints a warning, so the end marker is
/// looked for here: markers are walked, not searched, because an embedded thumbnail has an end marker of its own.
bool jpeg_is_complete(std::string_view bytes) {
  const auto at = [&](size_t i) { return static_cast<uint8_t>(bytes[i]); };
  size_t i = 2;
  while (i + 1 < bytes.size()) {
    if (at(i) != 0xff) {
      ++i;  // entropy-coded data
      continue;
    }
    const uint8_t marker = at(i + 1);
    if (marker == 0xd9) return true;
    if (marker == 0xff) {
      ++i;
    } else if (marker == 0x00 || marker == 0x01 || (marker >= 0xd0 && marker <= 0xd8)) {
      i += 2;
    } else {
      if (i + 3 >= bytes.size()) return false;
      i += 2 + (static_cast<size_t>(at(i + 2)) << 8 | at(i + 3));
    }
  }
  return false;
}

bool png_is_complete(std::string_view bytes) {
  const size_t tail = std::min<size_t>(bytes.size(), 4096);  // some writers append bytes after the last chunk
  return bytes.substr(bytes.size() - tail).find("IEND") != std::string_view::npos;
}

/// The reason why these bytes cannot be a whole image, or "".
std::string fault_of_bytes(std::string_view bytes) {
  if (bytes.empty()) return "is empty";
  if (bytes.starts_with("\xff\xd8") && !jpeg_is_complete(bytes)) return "ends early (truncated JPEG)";
  if (bytes.starts_with("\x89PNG") && !png_is_complete(bytes)) return "ends early (truncated PNG)";
  if (bytes.starts_with("version https://git-lfs"))
    return "is a Git LFS pointer, not the image; fetch it with \"git lfs pull\"";
  // What has no known beginning is shown to no decoder: OpenCV has some for formats that no dataset is written in.
  const std::optional<uint64_t> pixels = declared_pixels(bytes);
  if (!pixels) return "does not decode as an image (jpg, png, tif)";
  if (!plausible_pixels(*pixels, bytes.size()))
    return fmt::format(
        "says that it has {} pixels, too many for its {} bytes; it is damaged, or made to fill the memory", *pixels,
        bytes.size());
  return "";
}

/// Why a file is not even read: whoever waits for a pipe's writer, or reads a device to its end, waits for ever.
std::string fault_of_kind(const fs::path& file) {
  std::error_code error;
  const fs::file_status status = fs::status(file, error);
  if (fs::exists(status) && !fs::is_directory(status) && !fs::is_regular_file(status))
    return "is a pipe or a device, expected a file";
  const auto size = fs::is_regular_file(status) ? fs::file_size(file, error) : 0;
  if (!error && size > INT32_MAX) return fmt::format("has {} bytes, more than the 2 GiB that decoders take", size);
  return "";
}

/// 8-bit RGB from whatever came out of the decoder; `fault` says why not.
Image to_rgb(const cv::Mat& decoded, std::string& fault) {
  cv::Mat mat = decoded;
  if (mat.depth() == CV_16U) {
    mat.convertTo(mat, CV_8U, 255.0 / 65535.0);
  } else if (mat.depth() != CV_8U) {
    fault = "has pixels that are neither 8-bit nor 16-bit unsigned; convert it, for example to 8-bit png";
    return {};
  }
  // OpenCV hands three and four channels out as BGR(A); two and more than four stay in file order.
  if (mat.channels() == 1 || mat.channels() == 2) {
    if (mat.channels() == 2) cv::extractChannel(mat, mat, 0);
    cv::cvtColor(mat, mat, cv::COLOR_GRAY2RGB);
  } else if (mat.channels() == 3) {
    cv::cvtColor(mat, mat, cv::COLOR_BGR2RGB);
  } else if (mat.channels() == 4) {
    cv::cvtColor(mat, mat, cv::COLOR_BGRA2RGB);
  } else {
    cv::Mat three(mat.size(), CV_8UC3);
    const int pairs[] = {0, 0, 1, 1, 2, 2};
    cv::mixChannels(&mat, 1, &three, 1, pairs, 3);
    mat = three;
  }
  Image image{mat.cols, mat.rows, std::vector<uint8_t>(mat.total() * 3)};
  for (int y = 0; y < mat.rows; ++y)
    std::memcpy(image.pixels.data() + static_cast<size_t>(y) * mat.cols * 3, mat.ptr(y),
                static_cast<size_t>(mat.cols) * 3);
  return image;
}

/// Sets `fault` instead of throwing, but for files that cannot be read at all.
Image decode(const fs::path& file, std::string& fault) {
  silence_opencv_log();
  fault = fault_of_kind(file);
  if (!fault.empty()) return {};
  const std::string bytes = read_file(file);
  fault = fault_of_bytes(bytes);
  if (!fault.empty()) return {};
  try {
    const cv::Mat raw(1, static_cast<int>(bytes.size()), CV_8U, const_cast<char*>(bytes.data()));
    const cv::Mat mat = cv::imdecode(raw, cv::IMREAD_UNCHANGED);
    if (!mat.empty()) return to_rgb(mat, fault);
    fault = "does not decode as an image (jpg, png, tif)";
  } catch (const cv::Exception& error) {
    fault = fmt::format("does not decode: {}", error.err);
  }
  return {};
}

// The resampler. Names and arithmetic follow Pillow's Resample.c, whose 8-bit results are reproduced to the bit.

double filter(ImageInput::Interpolation interpolation, double x) {
  switch (interpolation) {
    case ImageInput::Interpolation::bilinear: {
      x = std::abs(x);
      return x < 1 ? 1 - x : 0;
    }
    case ImageInput::Interpolation::bicubic: {
      constexpr double a = -0.5;
      x = std::abs(x);
      if (x < 1) return ((a + 2) * x - (a + 3)) * x * x + 1;
      return x < 2 ? (((x - 5) * x + 8) * x - 4) * a : 0;
    }
    case ImageInput::Interpolation::area: return x > -0.5 && x <= 0.5 ? 1 : 0;
  }
  return 0;
}

double support_of(ImageInput::Interpolation interpolation) {
  switch (interpolation) {
    case ImageInput::Interpolation::bilinear: return 1;
    case ImageInput::Interpolation::bicubic: return 2;
    case ImageInput::Interpolation::area: return 0.5;
  }
  return 1;
}

constexpr int precision_bits = 32 - 8 - 2;

/// Pixels that one output pixel may depend on. So many products with |low| <= 128 below do not overflow their sum.
constexpr int64_t most_taps = 65535;

/// A weight in two halves of 16 bits, high * 256 + low, so that one instruction multiplies eight pixels by weights.
struct Halves {
  int16_t high, low;
};

Halves halves_of(int32_t weight) {
  const auto low = static_cast<int16_t>(((weight + 128) & 255) - 128);
  return {static_cast<int16_t>((weight - low) / 256), low};
}

/// For each output position the first input position that counts and the fixed-point weights from there on.
struct Weights {
  struct Range {
    int64_t first, count;
  };
  std::vector<Range> ranges;
  std::vector<Halves> values;  // [outputs, stride]
  int64_t stride = 0;
};

/// Weights of the output positions [offset, offset + count) of a resize from `in` to `out` positions.
Weights weights_of(int64_t in, int64_t out, int64_t offset, int64_t count, ImageInput::Interpolation interpolation) {
  const double scale = static_cast<double>(in) / static_cast<double>(out);
  const double filter_scale = std::max(scale, 1.0);
  const double support = support_of(interpolation) * filter_scale;
  Weights weights;
  weights.stride = static_cast<int64_t>(std::ceil(support)) * 2 + 1;
  if (weights.stride > most_taps)
    throw InputError(fmt::format("{} pixels cannot be shrunk to {}; cut the image into tiles", in, out));
  weights.values.assign(static_cast<size_t>(count * weights.stride), {0, 0});
  std::vector<double> row(static_cast<size_t>(weights.stride));
  for (int64_t i = 0; i < count; ++i) {
    const double centre = (static_cast<double>(offset + i) + 0.5) * scale;
    const int64_t first = std::max<int64_t>(static_cast<int64_t>(std::floor(centre - support + 0.5)), 0);
    const int64_t taps = std::min<int64_t>(static_cast<int64_t>(std::floor(centre + support + 0.5)), in) - first;
    double sum = 0;
    for (int64_t k = 0; k < taps; ++k) {
      row[static_cast<size_t>(k)] =
          filter(interpolation, (static_cast<double>(k + first) - centre + 0.5) * (1.0 / filter_scale));
      sum += row[static_cast<size_t>(k)];
    }
    for (int64_t k = 0; k < taps; ++k) {
      const double weight =
          (sum != 0 ? row[static_cast<size_t>(k)] / sum : row[static_cast<size_t>(k)]) * (1 << precision_bits);
      weights.values[static_cast<size_t>(i * weights.stride + k)] =
          halves_of(static_cast<int32_t>(weight < 0 ? weight - 0.5 : weight + 0.5));
    }
    weights.ranges.push_back({first, taps});
  }
  return weights;
}

/// Two weights, high or low halves, in each of four lanes.
cv::v_int16x8 lanes_of(int16_t first, int16_t second) {
  const uint32_t both = static_cast<uint16_t>(first) | static_cast<uint32_t>(static_cast<uint16_t>(second)) << 16;
  return cv::v_reinterpret_as_s16(cv::v_setall_s32(static_cast<int32_t>(both)));
}

/// Sixteen values of out[i] = clip(sum over k of rows[k * stride + i] * weights[k]), rounded.
///
/// Rows are taken two at a time: their values side by side, as v_dotprod multiplies and adds them. The low halves come
/// first, and what of their sum is above the last 8 bits begins the sum of the high ones.
void weigh_sixteen(const uint8_t* rows, int64_t stride, int64_t count, const Halves* weights, uint8_t* out) {
  std::array<cv::v_int32x4, 4> sums;
  sums.fill(cv::v_setall_s32(1 << (precision_bits - 1)));
  const auto add = [&](int16_t Halves::*half) {
    for (int64_t k = 0; k < count; k += 2) {
      const bool last = k + 1 == count;  // its partner counts nothing
      const uint8_t* row = rows + k * stride;
      const cv::v_int16x8 both = lanes_of(weights[k].*half, last ? int16_t{0} : weights[k + 1].*half);
      cv::v_uint8x16 low, high;
      cv::v_zip(cv::v_load(row), cv::v_load(last ? row : row + stride), low, high);
      std::array<cv::v_uint16x8, 4> values;
      cv::v_expand(low, values[0], values[1]);
      cv::v_expand(high, values[2], values[3]);
      for (size_t i = 0; i < 4; ++i) sums[i] = cv::v_dotprod(cv::v_reinterpret_as_s16(values[i]), both, sums[i]);
    }
  };
  add(&Halves::low);
  for (cv::v_int32x4& sum : sums) sum = cv::v_shr<8>(sum);
  add(&Halves::high);
  for (cv::v_int32x4& sum : sums) sum = cv::v_shr<precision_bits - 8>(sum);
  cv::v_store(out, cv::v_pack_u(cv::v_pack(sums[0], sums[1]), cv::v_pack(sums[2], sums[3])));
}

/// `values` values of out[i] = clip(sum over k of rows[k * stride + i] * weights[k]), rounded.
void weigh(const uint8_t* rows, int64_t stride, int64_t count, const Halves* weights, int64_t values, uint8_t* out) {
  int64_t i = 0;
  for (; i + 16 <= values; i += 16) weigh_sixteen(rows + i, stride, count, weights, out + i);
  for (; i < values; ++i) {
    int32_t sum = 1 << (precision_bits - 1);
    for (int64_t k = 0; k < count; ++k) sum += rows[k * stride + i] * (weights[k].high * 256 + weights[k].low);
    out[i] = static_cast<uint8_t>(std::clamp(sum >> precision_bits, 0, 255));
  }
}

/// Bytes [rows, columns] to [columns, rows].
void transpose(const uint8_t* from, int64_t from_stride, int64_t rows, int64_t columns, uint8_t* to,
               int64_t to_stride) {
  const cv::Mat source(static_cast<int>(rows), static_cast<int>(columns), CV_8U, const_cast<uint8_t*>(from),
                       static_cast<size_t>(from_stride));
  cv::Mat target(static_cast<int>(columns), static_cast<int>(rows), CV_8U, to, static_cast<size_t>(to_stride));
  cv::transpose(source, target);
}

/// One pass along the rows: `rows` rows of the source from `top` on.
///
/// A few rows at a time are turned into columns, so that neighbours in memory have the same weights, and turned back.
Image resample_rows(const ImageView& source, int64_t top, int64_t rows, const Weights& weights) {
  constexpr int64_t most_rows = 32;
  const int64_t width = static_cast<int64_t>(weights.ranges.size());
  const int64_t first = weights.ranges.front().first;
  const int64_t columns = weights.ranges.back().first + weights.ranges.back().count - first;
  Image out{width, rows, std::vector<uint8_t>(static_cast<size_t>(width * rows * 3))};
  std::vector<uint8_t> turned(static_cast<size_t>(columns * 3 * most_rows)),
      sums(static_cast<size_t>(width * 3 * most_rows));
  for (int64_t y = 0; y < rows; y += most_rows) {
    const int64_t count = std::min(most_rows, rows - y), stride = 3 * count;
    transpose(source.data + (top + y) * source.stride + first * 3, source.stride, count, columns * 3, turned.data(),
              count);
    for (int64_t x = 0; x < width; ++x) {
      const auto [begin, taps] = weights.ranges[static_cast<size_t>(x)];
      weigh(turned.data() + (begin - first) * stride, stride, taps, weights.values.data() + x * weights.stride, stride,
            sums.data() + x * stride);
    }
    transpose(sums.data(), count, width * 3, count, out.pixels.data() + y * width * 3, width * 3);
  }
  return out;
}

/// One pass along the columns; row 0 of `source` is row `top` of the image that the weights speak of.
Image resample_columns(const ImageView& source, int64_t top, const Weights& weights) {
  const int64_t height = static_cast<int64_t>(weights.ranges.size());
  const int64_t values = source.width * 3;
  Image out{source.width, height, std::vector<uint8_t>(static_cast<size_t>(values * height))};
  for (int64_t y = 0; y < height; ++y) {
    const auto [first, count] = weights.ranges[static_cast<size_t>(y)];
    weigh(source.data + (first - top) * source.stride, source.stride, count, weights.values.data() + y * weights.stride,
          values, out.pixels.data() + y * values);
  }
  return out;
}

/// A window (left, top, width, height) of `image` resized to full_width x full_height; only the window is computed.
Image resize_window(const ImageView& image, int64_t full_width, int64_t full_height, int64_t left, int64_t top,
                    int64_t width, int64_t height, ImageInput::Interpolation interpolation) {
  const Weights rows = weights_of(image.height, full_height, top, height, interpolation);
  const int64_t first_row = rows.ranges.front().first;
  const int64_t last_row = rows.ranges.back().first + rows.ranges.back().count;
  Image out;
  // A pass that changes nothing is left out, as in Pillow.
  if (full_width != image.width) {
    out = resample_rows(image, first_row, last_row - first_row,
                        weights_of(image.width, full_width, left, width, interpolation));
  } else {
    out = {width, last_row - first_row, std::vector<uint8_t>(static_cast<size_t>(width * (last_row - first_row) * 3))};
    for (int64_t y = 0; y < out.height; ++y)
      std::memcpy(out.pixels.data() + y * width * 3, image.data + (first_row + y) * image.stride + left * 3,
                  static_cast<size_t>(width * 3));
  }
  if (full_height == image.height) return out;
  return resample_columns(out.view(), first_row, rows);
}

/// Half of a difference, to the nearest and to even on ties: Python's round, which torchvision's CenterCrop uses.
int64_t half_to_even(int64_t difference) {
  const int64_t half = difference / 2;
  return difference % 2 == 0 ? half : half + half % 2;
}

void normalise(const Image& image, const ImageInput& input, float* out) {
  const int64_t area = image.width * image.height;
  for (size_t c = 0; c < 3; ++c) {
    std::array<float, 256> table;
    for (size_t value = 0; value < 256; ++value)
      table[value] = (static_cast<float>(value) / 255.0f - input.mean[c]) / input.std[c];
    const uint8_t* pixel = image.pixels.data() + c;
    float* plane = out + static_cast<int64_t>(c) * area;
    for (int64_t i = 0; i < area; ++i) plane[i] = table[pixel[i * 3]];
  }
}

bool is_decoder_chatter(std::string_view line) {
  for (const char* start :
       {"Corrupt JPEG data", "Premature end of JPEG", "Invalid SOS", "Invalid component", "Unsupported marker",
        "Warning: unknown JFIF", "Inconsistent progression", "Unknown Adobe", "Application transferred too", "libpng ",
        "TIFF", "[ WARN:", "[ERROR:", "imread_", "imdecode_", "OpenCV("})
    if (line.starts_with(start)) return true;
  return false;
}

}  // namespace

Image decode_image(const fs::path& file) {
  std::string fault;
  Image image = decode(file, fault);
  if (!fault.empty()) throw InputError(fmt::format("{}: {}", file.string(), fault));
  return image;
}

std::string image_fault(const fs::path& file) {
  std::error_code error;
  const fs::file_status status = fs::status(file, error);
  if (!fs::exists(status)) return "does not exist";
  if (fs::is_directory(status)) return "is a folder";
  std::string fault;
  try {
    decode(file, fault);
  } catch (const InputError& unreadable) {
    fault = unreadable.what();
    if (const std::string prefix = file.string() + ": "; fault.starts_with(prefix)) fault.erase(0, prefix.size());
  }
  return fault;
}

Image resize(const ImageView& image, int64_t width, int64_t height, ImageInput::Interpolation interpolation) {
  if (image.empty() || image.width < 1 || image.height < 1) throw InputError("an empty image cannot be resized");
  return resize_window(image, width, height, 0, 0, width, height, interpolation);
}

void prepare(const ImageView& image, const ImageInput& input, float* out) {
  if (input.resize == ImageInput::Resize::stretch)
    return normalise(resize(image, input.width, input.height, input.interpolation), input, out);
  if (image.empty() || image.width < 1 || image.height < 1) throw InputError("an empty image cannot be resized");
  const bool upright = image.width <= image.height;
  const int64_t width = upright ? input.height : input.height * image.width / image.height;
  const int64_t height = upright ? input.height * image.height / image.width : input.height;
  if (width < input.width || height < input.height)
    throw InputError(
        fmt::format("an image of {} x {} resized to {} x {} is smaller than the centre crop of {} x {}; use "
                    "resize \"stretch\"",
                    image.width, image.height, width, height, input.width, input.height));
  normalise(resize_window(image, width, height, half_to_even(width - input.width), half_to_even(height - input.height),
                          input.width, input.height, input.interpolation),
            input, out);
}

void write_image(const fs::path& file, const ImageView& image) {
  silence_opencv_log();
  const cv::Mat rgb(static_cast<int>(image.height), static_cast<int>(image.width), CV_8UC3,
                    const_cast<uint8_t*>(image.data), static_cast<size_t>(image.stride));
  cv::Mat bgr;
  cv::cvtColor(rgb, bgr, cv::COLOR_RGB2BGR);
  std::vector<uint8_t> bytes;
  try {
    cv::imencode(file.extension().string(), bgr, bytes);
  } catch (const cv::Exception& error) {
    throw Error(fmt::format("{}: cannot be encoded: {}", file.string(), error.err));
  }
  write_atomically(file, [&](int descriptor) { write_all(descriptor, std::as_bytes(std::span(bytes))); });
}

QuietDecoders::QuietDecoders() {
  silence_opencv_log();
  held_ = memfd_create("decoder messages", MFD_CLOEXEC);
  saved_ = dup(STDERR_FILENO);
  hold(true);
}

void QuietDecoders::hold(bool on) {
  if (held_ < 0 || saved_ < 0) return;
  std::fflush(stderr);
  dup2(on ? held_ : saved_, STDERR_FILENO);
}

QuietDecoders::~QuietDecoders() {
  hold(false);
  if (saved_ >= 0) close(saved_);
  if (held_ < 0) return;
  std::string text(static_cast<size_t>(std::max<off_t>(lseek(held_, 0, SEEK_END), 0)), '\0');
  const ssize_t size = pread(held_, text.data(), text.size(), 0);
  close(held_);
  text.resize(static_cast<size_t>(std::max<ssize_t>(size, 0)));
  for (size_t begin = 0; begin < text.size();) {
    const size_t end = std::min(text.find('\n', begin), text.size() - 1) + 1;
    const std::string_view line = std::string_view(text).substr(begin, end - begin);
    if (!is_decoder_chatter(line)) std::fwrite(line.data(), 1, line.size(), stderr);
    begin = end;
  }
}

}  // namespace orbweaver
