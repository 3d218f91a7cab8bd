// What a YOLO network's output means: from its numbers to scored boxes.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "orbweaver/error.h"

namespace {

/// The layouts of an output, C classes and N boxes:
///   darknet  [N, 5 + C] of `region` and `yolo` layers as OpenCV makes them: cx, cy, w, h in shares of the input's
///            sides, objectness, classes, which are multiplied by the objectness already
///   v5       [1, N, 5 + C]: cx, cy, w, h in pixels of the input, objectness, classes; score = objectness * class
///   v8       [1, 4 + C, N]: cx, cy, w, h in pixels, classes; score = class
///   obb      [1, 4 + C + 1, N]: as v8, then the angle in radians, clockwise on screen
enum class Head { automatic, darknet, v5, v8, obb };

struct Layout {
  Head head = Head::darknet;
  int64_t classes = 0;
};

/// A box in pixels of the network's input.
struct Candidate {
  double cx = 0, cy = 0, width = 0, height = 0, angle = 0, score = 0;
  int64_t label = 0;
};

inline std::string shape_text(std::span<const int64_t> shape) {
  std::string text;
  for (const int64_t size : shape) text += (text.empty() ? "[" : ", ") + std::to_string(size);
  return text.empty() ? "[]" : text + "]";
}

inline const char* head_name(Head head) {
  switch (head) {
    case Head::darknet: return "darknet";
    case Head::v5: return "v5";
    case Head::v8: return "v8";
    case Head::obb: return "obb";
    default: return "auto";
  }
}

/// The number of classes of an output of that shape, if it were of that head; below 1 where it cannot be.
inline int64_t classes_of(Head head, std::span<const int64_t> shape) {
  if (head == Head::darknet) return shape.size() == 2 ? shape[1] - 5 : 0;
  if (shape.size() != 3 || shape[0] != 1) return 0;
  return head == Head::v5 ? shape[2] - 5 : head == Head::v8 ? shape[1] - 4 : shape[1] - 5;
}

/// Which layout an output has.
/// @param shape         [1, A, B] of an ONNX network, [N, 5 + C] of a Darknet layer.
/// @param region_layer  a Darknet `region` or `yolo` layer made it.
/// @param classes       number of the user's class names, if there are any.
/// @throws InputError where the shape does not fit `wanted` or the names, or where more than one head fits.
inline Layout choose_layout(std::span<const int64_t> shape, bool region_layer, Head wanted,
                            std::optional<int64_t> classes) {
  const std::string makes = "the network makes " + shape_text(shape);
  const auto count_text = [](int64_t count) { return std::to_string(count) + (count == 1 ? " class" : " classes"); };
  if (region_layer && wanted == Head::automatic) wanted = Head::darknet;
  if (region_layer != (wanted == Head::darknet) && wanted != Head::automatic)
    throw orbweaver::InputError(std::string("head \"") + head_name(wanted) + "\": " +
                                (region_layer ? "the network ends in Darknet layers; leave `head` out"
                                              : "the network does not end in Darknet layers; give v5, v8 or obb"));
  if (wanted != Head::automatic) {
    const int64_t found = classes_of(wanted, shape);
    if (found < 1)
      throw orbweaver::InputError(std::string("head \"") + head_name(wanted) + "\": " + makes +
                                  ", which is no output of that head");
    if (classes && *classes != found)
      throw orbweaver::InputError("names: holds " + count_text(*classes) + ", but " + makes + ", " + count_text(found) +
                                  " as head \"" + head_name(wanted) + "\"");
    return {wanted, found};
  }

  std::vector<Layout> possible, fitting;
  for (const Head head : {Head::v5, Head::v8, Head::obb}) {
    const int64_t found = classes_of(head, shape);
    // The boxes of any image size outnumber the rows of a box.
    const bool boxes_outnumber = shape.size() == 3 && (head == Head::v5) == (shape[1] > shape[2]);
    if (found < 1 || !boxes_outnumber) continue;
    possible.push_back({head, found});
    if (classes && *classes == found) fitting.push_back(possible.back());
  }
  if (possible.empty())
    throw orbweaver::InputError(makes +
                                ", expected [1, boxes, 5 + classes] (v5), [1, 4 + classes, boxes] (v8) or "
                                "[1, 5 + classes, boxes] (obb): is this a YOLO detector?");
  if (shape[2] == 6 && shape[1] <= 1000)
    throw orbweaver::InputError(makes +
                                ", which looks like finished boxes [x1, y1, x2, y2, score, class]; export the "
                                "network without them, or give `head` \"v5\" if it is v5 with one class");
  if (fitting.size() == 1) return fitting.front();
  std::string readings;
  for (const Layout& layout : possible)
    readings +=
        (readings.empty() ? "" : " or ") + std::string(head_name(layout.head)) + " with " + count_text(layout.classes);
  if (!classes)
    throw orbweaver::InputError(makes + ", " + readings +
                                "; give `names`, a text file with a class per line, or `head`");
  throw orbweaver::InputError("names: holds " + count_text(*classes) + ", but " + makes + ", " + readings);
}

/// Adds the boxes whose best class scores at least `confidence`. Boxes without an area, and numbers that are not
/// finite, are left out.
/// @param values         the output, row-major, of `shape`.
/// @param width, height  of the network's input: the unit of the darknet head's shares.
inline void decode(std::span<const float> values, std::span<const int64_t> shape, const Layout& layout, double width,
                   double height, double confidence, std::vector<Candidate>& out) {
  const bool box_rows = layout.head == Head::darknet || layout.head == Head::v5;  // a box is a row, else a column
  const int64_t across = shape.back(), down = shape[shape.size() - 2], boxes = box_rows ? down : across;
  const bool objectness = box_rows;
  for (int64_t i = 0; i < boxes; ++i) {
    const auto at = [&](int64_t k) {
      return static_cast<double>(values[static_cast<size_t>(box_rows ? i * across + k : k * across + i)]);
    };
    Candidate box{at(0), at(1), at(2), at(3), 0, 0, 0};
    const int64_t first = objectness ? 5 : 4;
    for (int64_t c = 0; c < layout.classes; ++c)
      if (const double score = at(first + c); score > box.score) box.score = score, box.label = c;
    if (layout.head == Head::v5) box.score *= at(4);
    if (layout.head == Head::obb) box.angle = at(first + layout.classes);
    if (layout.head == Head::darknet) {
      box.cx *= width, box.width *= width;
      box.cy *= height, box.height *= height;
    }
    const bool finite = std::isfinite(box.cx + box.cy + box.width + box.height + box.angle + box.score);
    if (finite && box.score >= confidence && box.width > 0 && box.height > 0) {
      box.score = std::min(box.score, 1.0);
      out.push_back(box);
    }
  }
}

/// How an image lies in the network's input: x_input = x * scale_x + left.
struct Placement {
  double scale_x = 1, scale_y = 1, left = 0, top = 0;
};

/// The box in pixels of the image. Scales that differ turn an oriented box's sides by different angles; it becomes the
/// rectangle with its first side's direction and both sides' lengths.
inline Candidate to_image(const Candidate& box, const Placement& placement) {
  Candidate out = box;
  out.cx = (box.cx - placement.left) / placement.scale_x;
  out.cy = (box.cy - placement.top) / placement.scale_y;
  const double ux = std::cos(box.angle) / placement.scale_x, uy = std::sin(box.angle) / placement.scale_y;
  const double vx = -std::sin(box.angle) / placement.scale_x, vy = std::cos(box.angle) / placement.scale_y;
  out.width = box.width * std::hypot(ux, uy);
  out.height = box.height * std::hypot(vx, vy);
  if (box.angle != 0) out.angle = std::atan2(uy, ux);
  return out;
}

}  // namespace
