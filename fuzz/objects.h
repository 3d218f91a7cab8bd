// What holds for all detections, whatever they were read from.
#pragma once

#include <algorithm>
#include <array>
#include <cmath>
#include <vector>

#include "fuzz/target.h"
#include "orbweaver/scene.h"

namespace orbweaver::fuzz {

inline void check_objects(const std::vector<Object>& objects) {
  for (const Object& object : objects) {
    for (const double number : {object.cx, object.cy, object.width, object.height, object.angle, object.probability})
      demand(std::isfinite(number), "a box has finite numbers");
    demand(object.width >= 0 && object.height >= 0, "a box has a size");
  }
}

inline bool same_objects(const std::vector<Object>& a, const std::vector<Object>& b) {
  const auto numbers = [](const Object& o) {
    return std::array{o.cx, o.cy, o.width, o.height, o.angle, o.probability};
  };
  return std::equal(a.begin(), a.end(), b.begin(), b.end(), [&](const Object& x, const Object& y) {
    return x.label == y.label && numbers(x) == numbers(y) && x.attributes == y.attributes;
  });
}

}  // namespace orbweaver::fuzz
