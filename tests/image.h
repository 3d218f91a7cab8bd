// Images for the tests of what reads pixels.
#pragma once

#include <array>
#include <cstdint>
#include <filesystem>
#include <opencv2/imgcodecs.hpp>
#include <opencv2/imgproc.hpp>
#include <vector>

#include "orbweaver/error.h"
#include "orbweaver/scene.h"

namespace orbweaver::testing {

/// 8-bit RGB pixels, rows top to bottom, no padding between them.
struct Image {
  int64_t width = 0, height = 0;
  std::vector<uint8_t> pixels;  ///< height * width * 3
  ImageView view() const { return {pixels.data(), width, height, width * 3}; }
};

using Colour = std::array<uint8_t, 3>;

inline Image flat(int64_t width, int64_t height, Colour colour) {
  Image image{width, height, {}};
  for (int64_t i = 0; i < width * height; ++i) image.pixels.insert(image.pixels.end(), colour.begin(), colour.end());
  return image;
}

inline Image read_image(const std::filesystem::path& file) {
  cv::Mat read = cv::imread(file.string(), cv::IMREAD_COLOR | cv::IMREAD_IGNORE_ORIENTATION);
  if (read.empty()) throw Error(file.string() + ": cannot be read");
  cv::cvtColor(read, read, cv::COLOR_BGR2RGB);
  return {read.cols, read.rows, {read.datastart, read.dataend}};
}

}  // namespace orbweaver::testing
