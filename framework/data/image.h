// Image files to pixels, and pixels to what an encoder expects.
#pragma once

#include <cstdint>
#include <filesystem>
#include <string>
#include <vector>

#include "orbweaver/image_input.h"
#include "orbweaver/scene.h"

namespace orbweaver {

/// 8-bit RGB pixels, rows top to bottom, no padding between them.
struct Image {
  int64_t width = 0, height = 0;
  std::vector<uint8_t> pixels;  ///< height * width * 3
  ImageView view() const { return {pixels.data(), width, height, width * 3}; }
};

/// Decodes jpg, png, tif, bmp, webp, jp2 and pnm; what begins like none of these is not shown to OpenCV's decoders. Nor
/// is a file whose header declares more pixels than its bytes can be a picture of (image_size.h).
///
/// Grey becomes three equal channels; of more than three channels the first three count as RGB (alpha or near infrared
/// is dropped). 16-bit values are scaled by 255/65535 over their full range, never stretched to the image's own
/// extremes: brightness stays comparable between images. EXIF rotation is not applied, because detection boxes refer to
/// the stored pixels. Files that end early are refused, also where the decoder would fill the rest with grey.
/// @throws InputError naming the file and what is wrong with it.
Image decode_image(const std::filesystem::path& file);

/// The reason why `file` is not a usable image ("does not exist", "ends early (truncated JPEG)", ...), or "".
std::string image_fault(const std::filesystem::path& file);

/// Resizes, crops and normalises: out[c][y][x] = (pixel / 255 - mean[c]) / std[c], row-major [3, height, width].
///
/// The resampler is Pillow's, the field's standard preprocessing, to the bit: separable, the filter widened by the
/// scale when shrinking (antialiased), 8-bit between the two passes. bilinear, bicubic (a = -0.5) and area are Pillow's
/// BILINEAR, BICUBIC and BOX. `shortest_side` rounds as torchvision's Resize (the long side truncated) and CenterCrop
/// (offsets to the nearest even on ties).
/// @throws InputError when the centre crop is larger than the resized image, the image is empty, or one of its sides is
///         shrunk to a 16,384th or less (a 32,768th with bilinear, a 65,536th with area).
void prepare(const ImageView& image, const ImageInput& input, float* out);

/// `image` resized to width x height, as in prepare().
Image resize(const ImageView& image, int64_t width, int64_t height, ImageInput::Interpolation interpolation);

/// Writes a png or jpg, chosen by the file's extension. @throws Error.
void write_image(const std::filesystem::path& file, const ImageView& image);

/// While one lives, what image decoders print on stderr is held back; anything else that was written there meanwhile
/// appears when it ends. libjpeg, libpng and libtiff know no other way to be quiet. For whole commands that decode in
/// bulk and report faults themselves; not for nesting.
class QuietDecoders {
 public:
  QuietDecoders();
  ~QuietDecoders();
  QuietDecoders(const QuietDecoders&) = delete;
  QuietDecoders& operator=(const QuietDecoders&) = delete;

  /// Runs `speak`, which writes on stderr, aloud (a progress line).
  template <class F>
  void aloud(F&& speak) {
    hold(false);
    speak();
    hold(true);
  }

 private:
  void hold(bool on);
  int saved_ = -1, held_ = -1;
};

}  // namespace orbweaver
