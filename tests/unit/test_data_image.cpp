#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <filesystem>
#include <fstream>
#include <string>
#include <utility>
#include <vector>

#include "framework/data/image.h"
#include "framework/data/image_size.h"
#include "framework/data/random.h"
#include "framework/io/files.h"
#include "orbweaver/error.h"
#include "test_data.h"

namespace orbweaver {
namespace {
namespace fs = std::filesystem;
using Interpolation = ImageInput::Interpolation;

class ImageFileTest : public ::testing::Test {
 protected:
  ImageFileTest() : root_(fs::temp_directory_path() / ("orbweaver_image_" + std::to_string(getpid()))) {
    fs::create_directories(root_);
  }
  ~ImageFileTest() override { fs::remove_all(root_); }
  fs::path save(const char* name, const Image& image) {
    write_image(root_ / name, image.view());
    return root_ / name;
  }
  fs::path save(const char* name, const std::string& bytes) {
    std::ofstream(root_ / name, std::ios::binary) << bytes;
    return root_ / name;
  }
  fs::path root_;
};

Image plain_image(int64_t width, int64_t height, std::array<uint8_t, 3> colour) {
  Image image{width, height, {}};
  for (int64_t i = 0; i < width * height; ++i) image.pixels.insert(image.pixels.end(), colour.begin(), colour.end());
  return image;
}

Image noise_image(int64_t width, int64_t height, uint64_t seed) {
  Random random(seed);
  Image image{width, height, std::vector<uint8_t>(static_cast<size_t>(width * height * 3))};
  for (uint8_t& value : image.pixels) value = static_cast<uint8_t>(random.below(256));
  return image;
}

/// An uncompressed little-endian TIFF of one pixel. `bits` per channel; sample format 1 is unsigned, 3 is float.
std::string tiff_pixel(const std::vector<uint64_t>& values, uint64_t bits, uint64_t sample_format = 1) {
  const auto little = [](uint64_t value, size_t bytes) {
    std::string text;
    for (size_t i = 0; i < bytes; ++i) text += static_cast<char>(value >> (8 * i));
    return text;
  };
  const uint64_t channels = values.size(), pixel_at = 8 + 2 * channels;
  std::string pixel;
  for (const uint64_t value : values) pixel += little(value, bits / 8);
  const uint64_t directory_at = pixel_at + pixel.size();
  std::string text = "II" + little(42, 2) + little(directory_at, 4);
  for (uint64_t c = 0; c < channels; ++c) text += little(bits, 2);
  text += pixel;
  const bool one = channels == 1;
  const std::vector<std::array<uint64_t, 4>> tags = {{256, 4, 1, 1},
                                                     {257, 4, 1, 1},
                                                     {258, 3, channels, one ? bits : 8},
                                                     {259, 3, 1, 1},
                                                     {262, 3, 1, one ? 1u : 2u},
                                                     {273, 4, 1, pixel_at},
                                                     {277, 3, 1, channels},
                                                     {278, 4, 1, 1},
                                                     {279, 4, 1, pixel.size()},
                                                     {339, 3, 1, sample_format}};
  text += little(tags.size(), 2);
  for (const auto& [tag, type, count, value] : tags)
    text += little(tag, 2) + little(type, 2) + little(count, 4) + little(value, 4);
  return text + little(0, 4);
}

Image row_image(const std::vector<uint8_t>& values) {
  Image image{static_cast<int64_t>(values.size()), 1, {}};
  for (const uint8_t value : values) image.pixels.insert(image.pixels.end(), {value, value, value});
  return image;
}

std::vector<int> first_channel(const Image& image) {
  std::vector<int> values;
  for (size_t i = 0; i < image.pixels.size(); i += 3) values.push_back(image.pixels[i]);
  return values;
}

TEST_F(ImageFileTest, ColourComesOutAsRgb) {
  const Image image = decode_image(save("a.png", plain_image(3, 2, {30, 20, 10})));
  EXPECT_EQ(image.width, 3);
  EXPECT_EQ(image.height, 2);
  EXPECT_EQ(image.view().stride, 9);
  EXPECT_EQ(image.pixels, plain_image(3, 2, {30, 20, 10}).pixels);
  EXPECT_EQ(decode_image(save("a.ppm", std::string("P6 1 1 255\n\x01\x02\x03"))).pixels,
            (std::vector<uint8_t>{1, 2, 3}));
}

/// Sum of (i + 1) * byte i modulo 2^32: what is said here of Pillow's pixels.
uint32_t weighted_sum(const Image& image) {
  uint32_t total = 0;
  for (size_t i = 0; i < image.pixels.size(); ++i) total += static_cast<uint32_t>((i + 1) * image.pixels[i]);
  return total;
}

TEST_F(ImageFileTest, AJpegDecodedAndResizedIsPillowsToTheByte) {
  // 40 x 24, colours at half the resolution, quality 50.
  const std::string hex =
      "ffd8ffe000104a46494600010100000100010000ffdb004300100b0c0e0c0a100e0d0e1211101318281a181616183123251d283a"
      "333d3c3933383740485c4e404457453738506d51575f626768673e4d71797064785c656763ffdb0043011112121815182f1a1a2f"
      "63423842636363636363636363636363636363636363636363636363636363636363636363636363636363636363636363636363"
      "6363ffc00011080018002803012200021101031101ffc400190001010101010100000000000000000000000403050206ffc40020"
      "1000010500020203000000000000000000000102030461111205311422b1ffc40017010101010100000000000000000000000005"
      "040601ffc4001d1100020301010003000000000000000000000102030411211481f0ffda000c03010002110311003f00f946d7c3"
      "6657c3a0dad86ccad8775ea7d27a3410c75f0ae2af8571d6c2b8ab604fca7d15ab413435f01d686b602daf53e16c747844dab86c"
      "cab80136b7e981a2c91447570f68fab0c8ac96cc2c7a7b6ba44454003aa8a9cb8c73276c971b36f9fe3a0ebded46bcfae9f7fce7"
      "8000f518ab94136d9a3a70c270526dfefa3fffd9";
  std::string bytes;
  for (size_t i = 0; i < hex.size(); i += 2) bytes += static_cast<char>(std::stoi(hex.substr(i, 2), nullptr, 16));
  const Image image = decode_image(save("a.jpg", bytes));
  // Of Pillow 9.4 with libjpeg-turbo 2.1.
  EXPECT_EQ(weighted_sum(image), 476030388u);
  EXPECT_EQ(weighted_sum(resize(image.view(), 52, 31, Interpolation::bicubic)), 1340184810u);
  EXPECT_EQ(weighted_sum(resize(image.view(), 17, 9, Interpolation::bicubic)), 12258487u);
  EXPECT_EQ(weighted_sum(resize(image.view(), 17, 9, Interpolation::bilinear)), 12245850u);
}

TEST_F(ImageFileTest, PhotographsDecodedAndResizedArePillowsToTheByte) {
  ORBWEAVER_NEEDS_TEST_DATA("data/rsicd/images/00023.jpg");
  // Decoded; resized to 256 x 256 and to 96 x 96. Pillow 9.4.
  const std::vector<std::pair<const char*, std::array<uint32_t, 3>>> photographs{
      {"00003.jpg", {3662101898u, 1445836955u, 1717932364u}},
      {"00015.jpg", {3666576682u, 3331790682u, 1988550505u}},
      {"00023.jpg", {814268579u, 734997533u, 792124235u}}};
  for (const auto& [name, sums] : photographs) {
    const Image image = decode_image(orbweaver::testing::test_data() / "data/rsicd/images" / name);
    EXPECT_EQ(weighted_sum(image), sums[0]) << name;
    EXPECT_EQ(weighted_sum(resize(image.view(), 256, 256, Interpolation::bicubic)), sums[1]) << name;
    EXPECT_EQ(weighted_sum(resize(image.view(), 96, 96, Interpolation::bicubic)), sums[2]) << name;
  }
}

TEST_F(ImageFileTest, GreyAlphaAndSixteenBitsBecomeEightBitRgb) {
  const auto pixel = [&](const std::string& bytes) {
    const Image image = decode_image(save("a.tif", bytes));
    return std::vector<int>(image.pixels.begin(), image.pixels.end());
  };
  EXPECT_EQ(pixel(tiff_pixel({77}, 8)), (std::vector<int>{77, 77, 77}));
  EXPECT_EQ(pixel(tiff_pixel({3, 2, 1}, 8)), (std::vector<int>{3, 2, 1}));
  EXPECT_EQ(pixel(tiff_pixel({3, 2, 1, 99}, 8)), (std::vector<int>{3, 2, 1}));
  // 257 = 65535 / 255, so 16-bit n * 257 is exactly 8-bit n.
  EXPECT_EQ(pixel(tiff_pixel({65535, 514, 257}, 16)), (std::vector<int>{255, 2, 1}));
  EXPECT_EQ(pixel(tiff_pixel({25700}, 16)), (std::vector<int>{100, 100, 100}));
  EXPECT_NE(image_fault(save("float.tif", tiff_pixel({0x3f000000}, 32, 3))).find("neither 8-bit nor 16-bit"),
            std::string::npos);
}

TEST_F(ImageFileTest, TheSizeThatAHeaderDeclaresIsTheOneThatComesOut) {
  const Image image = noise_image(67, 41, 1);
  for (const char* name : {"a.png", "a.jpg", "a.tif", "a.bmp", "a.webp", "a.jp2", "a.ppm"}) {
    const fs::path file = save(name, image);
    EXPECT_EQ(declared_pixels(read_file(file)), 67u * 41u) << name;
    EXPECT_EQ(image_fault(file), "") << name;
  }
  EXPECT_EQ(declared_pixels("P5 # wide\n#and\n 7\n 3 255\n"), 21u);
  EXPECT_EQ(declared_pixels("no image"), std::nullopt);
}

TEST_F(ImageFileTest, AFileThatDeclaresMorePixelsThanItsBytesCanBeAPictureOfIsRefusedUndecoded) {
  std::string png = read_file(save("a.png", plain_image(8, 8, {1, 2, 3})));
  png.replace(16, 8, std::string("\0\0\x7f\xff\0\0\x7f\xff", 8));
  const std::string fault = image_fault(save("b.png", png));
  EXPECT_EQ(fault.find("says that it has 1073676289 pixels, too many for its "), 0u) << fault;
  EXPECT_TRUE(plausible_pixels(4096 * 4096, 1));
  EXPECT_FALSE(plausible_pixels(20'000 * 20'000, 1'000'000));
  EXPECT_TRUE(plausible_pixels(20'000 * 20'000, 20'000'000));
}

TEST_F(ImageFileTest, APipeIsRefusedWithoutWaitingForItsWriter) {
  const fs::path pipe = root_ / "a.jpg";
  ASSERT_EQ(mkfifo(pipe.c_str(), 0600), 0);
  EXPECT_EQ(image_fault(pipe), "is a pipe or a device, expected a file");
}

TEST_F(ImageFileTest, TruncationIsFoundAnywhereInAJpeg) {
  const fs::path file = save("a.jpg", noise_image(64, 64, 1));
  EXPECT_EQ(image_fault(file), "");
  const std::string bytes = read_file(file);
  for (const size_t keep : {size_t{3}, size_t{100}, bytes.size() / 2, bytes.size() - 2, bytes.size() - 1}) {
    std::ofstream(file, std::ios::binary) << bytes.substr(0, keep);
    EXPECT_EQ(image_fault(file), "ends early (truncated JPEG)") << keep;
  }
  std::ofstream(file, std::ios::binary) << bytes << "something that a camera appended";
  EXPECT_EQ(image_fault(file), "");
}

TEST_F(ImageFileTest, AThumbnailsEndMarkerIsNotTheImagesEnd) {
  const std::string whole = read_file(save("a.jpg", plain_image(64, 64, {1, 2, 3})));
  // An APP1 segment that holds a complete small JPEG, and then the image cut in its middle.
  std::string segment = "\xff\xe1";
  const size_t length = whole.size() + 2;
  segment += static_cast<char>(length >> 8);
  segment += static_cast<char>(length & 255);
  std::ofstream(root_ / "b.jpg", std::ios::binary)
      << whole.substr(0, 2) << segment << whole << whole.substr(2, whole.size() / 2);
  EXPECT_EQ(image_fault(root_ / "b.jpg"), "ends early (truncated JPEG)");
  std::ofstream(root_ / "c.jpg", std::ios::binary) << whole.substr(0, 2) << segment << whole << whole.substr(2);
  EXPECT_EQ(image_fault(root_ / "c.jpg"), "");
}

TEST_F(ImageFileTest, DecodersAreQuietWhileHeldAndOthersAreHeardAfterwards) {
  const fs::path file = save("a.png", plain_image(64, 64, {1, 2, 3}));
  std::string bytes = read_file(file);
  bytes[bytes.size() - 20] ^= 0x55;  // in the pixels: the checksum no longer fits
  std::ofstream(file, std::ios::binary) << bytes;
  ::testing::internal::CaptureStderr();
  {
    QuietDecoders quiet;
    image_fault(file);
    std::fputs("unrelated\n", stderr);
    quiet.aloud([] { std::fputs("progress\n", stderr); });
  }
  EXPECT_EQ(::testing::internal::GetCapturedStderr(), "progress\nunrelated\n");
}

TEST(Resize, ShrinksWithTheFilterWidenedByTheScale) {
  const Image image = row_image({0, 100, 200, 40});
  // Bilinear 4 -> 2: around 1.0 the taps 0..2 lie at -0.25, 0.25, 0.75 filter widths: weights .75 .75 .25 of 1.75.
  // (0.75*100 + 0.25*200) / 1.75 = 71.43; mirrored: (0.25*100 + 0.75*200 + 0.75*40) / 1.75 = 117.14.
  EXPECT_EQ(first_channel(resize(image.view(), 2, 1, Interpolation::bilinear)), (std::vector<int>{71, 117}));
  // Area: plain means of halves.
  EXPECT_EQ(first_channel(resize(image.view(), 2, 1, Interpolation::area)), (std::vector<int>{50, 120}));
}

TEST(Resize, EnlargesWithTheFilterAtItsOwnWidth) {
  const Image image = row_image({0, 100});
  // Bilinear 2 -> 4: centres at 0.25, 0.75, 1.25, 1.75 input pixels, pixels' own at 0.5 and 1.5.
  EXPECT_EQ(first_channel(resize(image.view(), 4, 1, Interpolation::bilinear)), (std::vector<int>{0, 25, 75, 100}));
  // Bicubic (a = -0.5) at the same places: only the two pixels that exist count, weights renormalised.
  // At 0.25: w(0.25) = 0.8672, w(1.25) = -0.0703: -7.03/0.7969 -> clipped 0. At 0.75: w(.25) = .8672, w(.75) = .2266:
  // 22.66/1.0938 = 20.7.
  EXPECT_EQ(first_channel(resize(image.view(), 4, 1, Interpolation::bicubic)), (std::vector<int>{0, 21, 79, 109}));
}

TEST(Resize, GivesPillowsBytes) {
  // Sums of (i + 1) * byte i modulo 2^32 over what Pillow 9.4 makes of the same image, to 9 x 40.
  const Image image = noise_image(31, 17, 3);
  const auto sum = [&](Interpolation kind) { return weighted_sum(resize(image.view(), 9, 40, kind)); };
  EXPECT_EQ(sum(Interpolation::bilinear), 71341236u);
  EXPECT_EQ(sum(Interpolation::bicubic), 71390415u);
  EXPECT_EQ(sum(Interpolation::area), 71163821u);
}

TEST(Resize, ClipsAtBothEndsAndAddsManyPixelsWithoutOverflow) {
  // White with a black border: a bicubic enlargement overshoots both.
  Image image = plain_image(40, 40, {255, 255, 255});
  for (size_t i = 0; i < 40 * 20 * 3; ++i) image.pixels[i] = 0;
  const Image large = resize(image.view(), 160, 160, Interpolation::bicubic);
  EXPECT_EQ(*std::min_element(large.pixels.begin(), large.pixels.end()), 0);
  EXPECT_EQ(*std::max_element(large.pixels.begin(), large.pixels.end()), 255);
  // 16,000 white pixels become one: 64,001 taps.
  const Image line = plain_image(16'000, 1, {255, 255, 255});
  EXPECT_EQ(resize(line.view(), 1, 1, Interpolation::bicubic).pixels, (std::vector<uint8_t>{255, 255, 255}));
  EXPECT_THROW(resize(plain_image(20'000, 1, {1, 1, 1}).view(), 1, 1, Interpolation::bicubic), InputError);
}

TEST(Resize, ToTheSameSizeChangesNothing) {
  const Image image = row_image({1, 2, 3, 250});
  for (const auto kind : {Interpolation::bilinear, Interpolation::bicubic, Interpolation::area})
    EXPECT_EQ(resize(image.view(), 4, 1, kind).pixels, image.pixels);
}

TEST(Prepare, NormalisesEachChannelIntoItsOwnPlane) {
  const Image image{2, 1, {255, 0, 51, 0, 255, 102}};
  ImageInput input;
  input.height = 1;
  input.width = 2;
  input.mean = {0.5f, 0.25f, 0};
  input.std = {0.5f, 0.5f, 0.2f};
  std::vector<float> out(6);
  prepare(image.view(), input, out.data());
  const std::vector<float> expected{1, -1, -0.5f, 1.5f, 1, 2};
  for (size_t i = 0; i < 6; ++i) EXPECT_FLOAT_EQ(out[i], expected[i]);
}

TEST(Prepare, CropsTheCentreAfterTheShortestSide) {
  const Image image = noise_image(31, 17, 3);
  for (const auto kind : {Interpolation::bilinear, Interpolation::bicubic, Interpolation::area}) {
    ImageInput input;
    input.height = 9;
    input.width = 7;
    input.resize = ImageInput::Resize::shortest_side;
    input.interpolation = kind;
    std::vector<float> out(3 * 9 * 7);
    prepare(image.view(), input, out.data());
    // 31 * 9 / 17 = 16.4, truncated; (16 - 7) / 2 = 4.5, to even: 4.
    const Image whole = resize(image.view(), 16, 9, kind);
    for (size_t c = 0; c < 3; ++c)
      for (size_t y = 0; y < 9; ++y)
        for (size_t x = 0; x < 7; ++x)
          ASSERT_FLOAT_EQ(out[(c * 9 + y) * 7 + x],
                          static_cast<float>(whole.pixels[(y * 16 + x + 4) * 3 + c]) / 255.0f);
    input.width = 20;
    EXPECT_THROW(prepare(image.view(), input, out.data()), InputError);
  }
}

TEST(Prepare, ReadsRowsWithPadding) {
  const std::vector<uint8_t> padded{1, 2, 3, 99, 4, 5, 6, 99};
  ImageInput input;
  input.height = 2;
  input.width = 1;
  std::vector<float> out(6);
  prepare({padded.data(), 1, 2, 4}, input, out.data());
  EXPECT_FLOAT_EQ(out[1], 4 / 255.0f);
  EXPECT_FLOAT_EQ(out[5], 6 / 255.0f);
}

}  // namespace
}  // namespace orbweaver
