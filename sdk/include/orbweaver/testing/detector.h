// What every detector must do (orbweaver/detector.h), as properties.
#pragma once

#include <cmath>
#include <string>
#include <vector>

#include "orbweaver/detector.h"
#include "orbweaver/testing/conformance.h"
#include "orbweaver/testing/samples.h"

namespace orbweaver::testing {
namespace detail {

inline std::vector<Object> detect(Detector& detector, const SampleImage& image) {
  return call("detect on image \"" + image.name + "\"", [&] { return detector.detect(image.view()); });
}

inline std::string place(const SampleImage& image, size_t index, const Object& object) {
  return text("detect on image \"", image.name, "\": object ", index, " \"", object.label, "\"");
}

inline std::string box(const Object& object) {
  return text("centre (", object.cx, ", ", object.cy, "), size ", object.width, " x ", object.height, ", angle ",
              object.angle);
}

/// f(image, index, object) for every object found in the sample images; how many there were.
template <class F>
size_t for_each_object(const Subject& subject, F&& f) {
  const auto detector = make<Detector>(subject);
  size_t count = 0;
  for (const SampleImage& image : sample_images()) {
    const std::vector<Object> objects = detect(*detector, image);
    for (size_t i = 0; i < objects.size(); ++i) f(image, i, objects[i]);
    count += objects.size();
  }
  return count;
}

inline void check_small_images(const Subject& subject) {
  const auto detector = make<Detector>(subject);
  for (const SampleImage& image : {flat_image(1, 1), noise_image(1, 40), noise_image(5, 3), block_image(40, 1)})
    detect(*detector, image);
}

inline void check_objects(const Subject& subject) {
  for_each_object(subject, [](const SampleImage& image, size_t i, const Object& object) {
    const bool finite = std::isfinite(object.cx) && std::isfinite(object.cy) && std::isfinite(object.width) &&
                        std::isfinite(object.height) && std::isfinite(object.angle);
    if (!finite || object.width <= 0 || object.height <= 0)
      fail(place(image, i, object), " has ", box(object), ", expected finite numbers and positive sizes");
    if (!(object.probability >= 0 && object.probability <= 1))
      fail(place(image, i, object), " has probability ", object.probability, ", expected one in [0, 1]");
    for (const Attribute& attribute : object.attributes)
      if (!std::isfinite(attribute.value))
        fail(place(image, i, object), " has ", attribute.name, " = ", attribute.value, ", expected a finite number");
  });
}

inline void check_in_pixels(const Subject& subject) {
  double reach = 0;
  const size_t count = for_each_object(subject, [&](const SampleImage& image, size_t i, const Object& object) {
    const double margin = std::hypot(object.width, object.height) / 2 + 1;
    if (object.cx < -margin || object.cy < -margin || object.cx > static_cast<double>(image.width) + margin ||
        object.cy > static_cast<double>(image.height) + margin)
      fail(place(image, i, object), " has ", box(object), ", which lies outside the image");
    if (std::min(image.width, image.height) >= 64)
      reach = std::max({reach, object.cx, object.cy, object.width, object.height});
  });
  if (count == 0) skip("it found no object in the sample images");
  if (reach > 0 && reach <= 1.5)
    fail("no object in images of 64 to 200 pixels has a coordinate or size above ", reach,
         ": these are shares of the image, expected pixels");
}

/// The same objects in the same order, bit for bit.
inline void expect_same_objects(const std::string& what, const std::vector<Object>& found,
                                const std::vector<Object>& wanted) {
  if (found.size() != wanted.size()) fail(what, ": ", found.size(), " objects instead of ", wanted.size());
  for (size_t i = 0; i < wanted.size(); ++i)
    if (!(found[i] == wanted[i]))
      fail(what, ": object ", i, " is \"", found[i].label, "\" with ", box(found[i]), " instead of \"", wanted[i].label,
           "\" with ", box(wanted[i]), ", or differs in probability or attributes");
}

inline void check_detections_deterministic(const Subject& subject) {
  const auto detector = make<Detector>(subject), another = make<Detector>(subject);
  const std::vector<SampleImage> images = sample_images();
  std::vector<std::vector<Object>> first;
  for (const SampleImage& image : images) first.push_back(detect(*detector, image));
  for (size_t i = images.size(); i-- > 0;) {  // in another order: what came before must not matter
    const std::string what = "detect on image \"" + images[i].name + "\"";
    expect_same_objects(what + " again", detect(*detector, images[i]), first[i]);
    expect_same_objects(what + " by a second instance", detect(*another, images[i]), first[i]);
  }
}

inline void check_detector_inputs(const Subject& subject) {
  const auto detector = make<Detector>(subject);
  for (const SampleImage& image : sample_images()) {
    const SampleImage copy = image;
    detect(*detector, image);
    if (image.bytes != copy.bytes) fail("detect on image \"", image.name, "\" changed the image's pixels");
  }
}

inline void check_detector_stride(const Subject& subject) {
  const auto detector = make<Detector>(subject);
  for (const SampleImage& image : sample_images())
    expect_same_objects("detect on image \"" + image.name + "\" with 13 bytes between its rows",
                        detect(*detector, image.padded(13)), detect(*detector, image));
}

inline std::string detections_text(const Subject& subject) {
  const auto detector = make<Detector>(subject);
  std::string out;
  for (const SampleImage& image : {block_image(200, 160), noise_image(96, 80)})
    for (const Object& object : detect(*detector, image)) {
      for (const double value : {object.cx, object.cy, object.width, object.height, object.angle, object.probability})
        out.append(reinterpret_cast<const char*>(&value), sizeof value);
      for (const Attribute& attribute : object.attributes) out += text(attribute.name, '=', attribute.value, ' ');
      out += object.label + '\n';
    }
  return out;
}

}  // namespace detail

inline std::vector<Property> detector_properties() {
  std::vector<Property> list = {
      {"small_images", "Images of any size are legal, one pixel too.",
       "return no objects where an image is too small to look at", detail::check_small_images},
      {"objects", "Boxes and attributes are finite, sizes positive, probabilities in [0, 1].",
       "leave out boxes without area; clamp or normalise scores", detail::check_objects},
      {"in_pixels", "Boxes are in pixels of the image that was given.",
       "multiply shares by the image's width and height; undo the resizing of the network's input",
       detail::check_in_pixels},
      {"inputs_unmodified", "Pixels are left as they were.", "draw and convert in a copy",
       detail::check_detector_inputs},
      {"deterministic", "The same pixels give the same objects, bit for bit, whatever was seen before.",
       "no random numbers, no clock, no order of addresses or hashes, nothing remembered between images",
       detail::check_detections_deterministic},
      {"row_stride", "Bytes between the rows of pixels are not read.",
       "step from row to row by ImageView::stride, not by 3 * width", detail::check_detector_stride}};
  for (Property& property : parameter_properties(detail::detections_text)) list.push_back(std::move(property));
  return list;
}

}  // namespace orbweaver::testing
