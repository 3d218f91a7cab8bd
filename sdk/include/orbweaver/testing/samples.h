// Scenes, images and captions that components are tried on: small, fixed, and with the corners that real data has.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <numbers>
#include <random>
#include <string>
#include <utility>
#include <vector>

#include "orbweaver/scene.h"

namespace orbweaver::testing {

/// RGB pixels that it owns.
struct SampleImage {
  std::string name;
  int64_t width = 0, height = 0, stride = 0;
  std::vector<uint8_t> bytes;

  SampleImage() = default;
  /// Black. @param padding  bytes after each row, which belong to no pixel.
  SampleImage(std::string name, int64_t width, int64_t height, int64_t padding = 0)
      : name(std::move(name)),
        width(width),
        height(height),
        stride(3 * width + padding),
        bytes(static_cast<size_t>(stride * height)) {}

  ImageView view() const { return {bytes.data(), width, height, stride}; }
  uint8_t* pixel(int64_t x, int64_t y) { return bytes.data() + y * stride + 3 * x; }
  const uint8_t* pixel(int64_t x, int64_t y) const { return bytes.data() + y * stride + 3 * x; }

  /// The same picture with `padding` bytes of noise after each row.
  SampleImage padded(int64_t padding) const {
    SampleImage other(name, width, height, padding);
    std::mt19937 random(1);
    for (uint8_t& byte : other.bytes) byte = static_cast<uint8_t>(random());
    for (int64_t y = 0; y < height; ++y) std::copy_n(pixel(0, y), 3 * width, other.pixel(0, y));
    return other;
  }
};

/// Fields, roofs and a road: blocks of even colour with a little noise, far apart in colour.
inline SampleImage block_image(int64_t width, int64_t height, unsigned seed = 1) {
  SampleImage image("blocks " + std::to_string(width) + " x " + std::to_string(height), width, height);
  static constexpr uint8_t colours[6][3] = {{60, 130, 60}, {200, 190, 170}, {150, 60, 50},
                                            {90, 90, 100}, {40, 70, 130},   {230, 230, 235}};
  std::mt19937 random(seed);
  for (int64_t y = 0; y < height; ++y)
    for (int64_t x = 0; x < width; ++x) {
      const auto block =
          static_cast<size_t>((3 * x / width + 2 * (2 * y / height) + 3 * static_cast<int64_t>(seed)) % 6);
      for (int c = 0; c < 3; ++c) image.pixel(x, y)[c] = static_cast<uint8_t>(colours[block][c] + random() % 8);
    }
  return image;
}

inline SampleImage flat_image(int64_t width, int64_t height) {
  SampleImage image("flat " + std::to_string(width) + " x " + std::to_string(height), width, height);
  std::fill(image.bytes.begin(), image.bytes.end(), uint8_t{128});
  return image;
}

inline SampleImage noise_image(int64_t width, int64_t height) {
  SampleImage image("noise " + std::to_string(width) + " x " + std::to_string(height), width, height);
  std::mt19937 random(2);
  for (uint8_t& byte : image.bytes) byte = static_cast<uint8_t>(random());
  return image;
}

inline std::vector<SampleImage> sample_images() {
  return {block_image(200, 160), flat_image(64, 64), noise_image(96, 80), block_image(160, 200, 2),
          flat_image(1, 1),      noise_image(5, 3),  noise_image(1, 40),  block_image(40, 1)};
}

/// A scene that owns its objects and pixels.
struct SampleScene {
  std::string name;
  int64_t width = 256, height = 256;
  std::vector<Object> objects;
  SampleImage image;

  /// @param with_pixels  whether the builder declares that it needs them.
  Scene view(bool with_pixels) const { return {width, height, objects, with_pixels ? image.view() : ImageView()}; }
};

/// Fills each object's box with a colour of its own.
inline void paint(SampleScene& scene) {
  scene.image = noise_image(scene.width, scene.height);
  for (uint8_t& byte : scene.image.bytes) byte = static_cast<uint8_t>(90 + byte % 16);
  for (size_t i = 0; i < scene.objects.size(); ++i) {
    const Object& object = scene.objects[i];
    const double reach = std::hypot(object.width, object.height) / 2;
    const auto first = [](double at) { return std::max<int64_t>(0, static_cast<int64_t>(at)); };
    const int64_t bottom = std::min(scene.height, static_cast<int64_t>(object.cy + reach) + 1);
    const int64_t right = std::min(scene.width, static_cast<int64_t>(object.cx + reach) + 1);
    const double c = std::cos(object.angle), s = std::sin(object.angle);
    for (int64_t y = first(object.cy - reach); y < bottom; ++y)
      for (int64_t x = first(object.cx - reach); x < right; ++x) {
        const double dx = static_cast<double>(x) + 0.5 - object.cx, dy = static_cast<double>(y) + 0.5 - object.cy;
        if (std::abs(c * dx + s * dy) > object.width / 2 || std::abs(c * dy - s * dx) > object.height / 2) continue;
        for (size_t channel = 0; channel < 3; ++channel)
          scene.image.pixel(x, y)[channel] = static_cast<uint8_t>(40 + (i * 61 + channel * 97) % 200);
      }
  }
}

inline const std::vector<std::string>& sample_labels() {
  static const std::vector<std::string> labels = {"plane", "ship",   "building", "road",    "tree",
                                                  "car",   "harbor", "bridge",   "airport", "storage tank"};
  return labels;
}

/// Five objects of five labels and five sizes, none near another's size, distance or direction.
inline SampleScene plain_scene() {
  SampleScene scene{"five objects", 256, 192, {}, {}};
  scene.objects = {{40, 50, 60, 22, 0.2, 0.95, "plane", {{"red", 0.25}, {"texture_entropy", 2.5}}},
                   {190, 44, 31, 30, 0, 0.5, "building", {{"red", 0.75}}},
                   {120, 120, 90, 10, -0.4, 0.8, "road", {}},
                   {210, 150, 24, 9, 1.3, 0.65, "ship", {}},
                   {52, 148, 14, 13, 0.7, 1, "tree", {{"texture_entropy", 1}}}};
  paint(scene);
  return scene;
}

/// @param coarse  whether positions and sizes lie on a coarse grid, so that ties and coincident objects are everywhere.
inline SampleScene crowded_scene(std::string name, int count, int64_t width, int64_t height, bool coarse,
                                 unsigned seed) {
  SampleScene scene{std::move(name), width, height, {}, {}};
  std::mt19937 random(seed);
  const auto share = [&] { return static_cast<double>(random() % 10007) / 10007; };
  const auto position = [&](int64_t side) {
    const double at = share() * static_cast<double>(side);
    return coarse ? std::floor(at / 32) * 32 : at;
  };
  for (int i = 0; i < count; ++i) {
    Object object;
    object.cx = position(width);
    object.cy = position(height);
    object.width = coarse ? 8 + 8 * static_cast<double>(random() % 2) : 4 + 40 * share();
    object.height = coarse ? 8 : 4 + 20 * share();
    object.angle = coarse ? 0 : (share() - 0.5) * 2 * std::numbers::pi;
    object.probability = coarse ? 1 : share();
    object.label = sample_labels()[random() % (coarse ? 2 : sample_labels().size())];
    if (random() % 2) object.attributes = {{"red", share()}, {"texture_entropy", 5 * share()}};
    scene.objects.push_back(std::move(object));
  }
  paint(scene);
  return scene;
}

inline std::vector<SampleScene> sample_scenes() {
  SampleScene empty{"no objects", 256, 256, {}, {}}, one{"one object", 100, 300, {}, {}};
  paint(empty);
  one.objects = {{50, 150, 40, 20, 0.5, 1, "plane", {}}};
  paint(one);
  SampleScene same{"two objects at one place", 256, 256, {}, {}};
  same.objects = {{128, 128, 30, 30, 0, 0.5, "ship", {}}, {128, 128, 30, 30, 0, 0.5, "ship", {}}};
  paint(same);
  SampleScene corner{"objects over the edge, thin and tiny", 64, 48, {}, {}};
  corner.objects = {{0, 0, 20, 20, 0, 1, "car", {}},
                    {64, 48, 200, 1, 0.78, 0.01, "road", {}},
                    {10, 30, 0.5, 0.5, 3, 0, "caf\xc3\xa9 terrace", {}}};
  paint(corner);
  return {plain_scene(),
          empty,
          one,
          same,
          corner,
          crowded_scene("sixty objects", 60, 256, 256, false, 3),
          crowded_scene("forty objects on a grid", 40, 512, 256, true, 4),
          crowded_scene("a thousand objects", 1000, 800, 600, false, 5)};
}

/// The scene times `factor`, pixels too.
inline SampleScene scaled(const SampleScene& scene, int64_t factor) {
  SampleScene out{scene.name + ", enlarged", scene.width * factor, scene.height * factor, scene.objects, {}};
  const auto times = static_cast<double>(factor);
  for (Object& object : out.objects) {
    object.cx *= times;
    object.cy *= times;
    object.width *= times;
    object.height *= times;
  }
  out.image = SampleImage(out.name, out.width, out.height);
  for (int64_t y = 0; y < out.height; ++y)
    for (int64_t x = 0; x < out.width; ++x)
      std::copy_n(scene.image.pixel(x / factor, y / factor), 3, out.image.pixel(x, y));
  return out;
}

/// The scene turned clockwise on screen by a quarter turn.
inline SampleScene turned(const SampleScene& scene) {
  SampleScene out{scene.name + ", turned", scene.height, scene.width, scene.objects, {}};
  for (Object& object : out.objects) {
    const double x = static_cast<double>(scene.height) - object.cy, y = object.cx;
    object.cx = x;
    object.cy = y;
    object.angle += std::numbers::pi / 2;
  }
  out.image = SampleImage(out.name, out.width, out.height);
  for (int64_t y = 0; y < out.height; ++y)
    for (int64_t x = 0; x < out.width; ++x)
      std::copy_n(scene.image.pixel(y, scene.height - 1 - x), 3, out.image.pixel(x, y));
  return out;
}

/// A caption that owns its text and triples.
struct SampleCaption {
  std::string name, text;
  std::vector<Triple> triples;
  bool has_triples = false;
  Caption view() const { return {text, triples, has_triples}; }
};

inline std::vector<SampleCaption> sample_captions() {
  std::string many;
  for (int i = 0; i < 400; ++i) many += sample_labels()[static_cast<size_t>(i) % sample_labels().size()] + " near a ";
  std::vector<SampleCaption> captions = {
      {"a sentence", "two white planes are parked next to a large terminal", {}, false},
      {"an empty text", "", {}, false},
      {"one word", "airport", {}, false},
      {"no nouns", "it is and was not", {}, false},
      {"blanks and punctuation", " \t ,,, .. -- (a) \"b\" ;", {}, false},
      {"upper case and digits", "THE 12 STORAGE TANKS, 3 OF THEM RED.", {}, false},
      {"UTF-8", "un caf\xc3\xa9 \xe9\xa3\x9e\xe6\x9c\xba near a road", {}, false},
      {"bytes that are no UTF-8", "a road \xff\xfe near \xc3 trees", {}, false},
      {"three thousand words", many, {}, false},
      {"a sentence with triples",
       "a river with trees on both sides",
       {{"trees", "on both sides of", "river"}, {"bridge", "over", "river"}},
       true},
      {"a text known to have no triples", "this is a beautiful place", {}, true}};
  return captions;
}

}  // namespace orbweaver::testing
