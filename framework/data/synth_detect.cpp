// What a detector would report of a synthetic scene.
#include <algorithm>

#include "framework/data/synth_scene.h"

namespace orbweaver::synth {
namespace {

/// 1/64 pixel has a short decimal form and is exact in binary: the same text everywhere.
double pixels(int32_t length) { return static_cast<double>(length) / pixel; }

/// In ten-thousandths of a radian.
double radians(int32_t angle) {
  const int64_t turned = (angle % turn + turn) % turn;
  const int64_t ten_thousandths = (turned * 62832 + turn / 2) / turn;
  return static_cast<double>(ten_thousandths) / 10000;
}

Object object_of(const Box& box, std::string_view label, std::string_view colour, int64_t thousandths) {
  Object object{pixels(box.cx),     pixels(box.cy),
                pixels(box.width),  pixels(box.height),
                radians(box.angle), static_cast<double>(thousandths) / 1000,
                std::string(label), {}};
  if (!colour.empty()) object.attributes.push_back({std::string(colour), 1});
  return object;
}

struct Label {
  std::string_view name;
  const std::vector<std::string_view>* colours;
};

Label label_of(size_t index) {
  static const std::vector<std::string_view> none;
  if (index >= kind_count) return {name_of(static_cast<Surface>(index - kind_count)), &none};
  return {name_of(static_cast<Kind>(index)), &facts_of(static_cast<Kind>(index)).colours};
}
size_t label_of(Kind kind) { return static_cast<size_t>(kind); }
size_t label_of(Surface surface) { return kind_count + static_cast<size_t>(surface); }

class Detector {
 public:
  Detector(const SynthNoise& noise, Random& random) : noise_(noise), random_(random) {}

  std::vector<Object> detect(const Layout& layout) {
    int64_t invented = 0;
    const auto meet = [&](size_t label, std::string_view colour, const Box& box) {
      if (random_.chance(noise_.invented)) ++invented;
      if (!random_.chance(noise_.missed)) report(label, colour, box);
    };
    for (const Group& group : layout.groups)
      for (const Box& box : group.boxes) meet(label_of(group.kind), group.colour, box);
    for (const Region& region : layout.regions) meet(label_of(region.surface), {}, region.box);
    for (int64_t i = 0; i < invented; ++i) invent(layout);
    // Their order says nothing either.
    random_.shuffle(objects_);
    return std::move(objects_);
  }

 private:
  std::string_view any_colour(const std::vector<std::string_view>& colours, std::string_view otherwise) {
    return colours.empty() ? otherwise : colours[random_.below(colours.size())];
  }

  void report(size_t label, std::string_view colour, const Box& box) {
    int64_t probability = random_.between(600, 990);
    if (random_.chance(noise_.mislabelled)) {
      const bool region = label >= kind_count;  // a river passes for a road, not for a car
      const size_t first = region ? kind_count : 0, count = region ? surface_count : kind_count;
      label = first + (label - first + 1 + random_.below(count - 1)) % count;
      probability = random_.between(350, 800);
    }
    if (!colour.empty() && random_.chance(noise_.mislabelled)) colour = any_colour(*label_of(label).colours, colour);
    objects_.push_back(object_of(shaken(box), label_of(label).name, colour, probability));
  }

  Box shaken(Box box) {
    const auto widest = static_cast<int64_t>(noise_.jitter * 1000);
    // The sum of two dice: small errors more often than large ones.
    const auto share = [&](int64_t length) {
      return static_cast<int32_t>(length * (random_.between(-widest, widest) + random_.between(-widest, widest)) /
                                  2000);
    };
    if (widest == 0) return box;
    const Box before = box;
    box.cx += share(before.width);
    box.cy += share(before.height);
    box.width += share(before.width);
    box.height += share(before.height);
    box.angle += share(turn / 4);
    return box;
  }

  void invent(const Layout& layout) {
    const size_t label = random_.below(kind_count);
    const KindFacts& facts = facts_of(static_cast<Kind>(label));
    const int32_t width = layout.length(random_.between(facts.least, facts.most));
    const auto height = static_cast<int32_t>(width * random_.between(facts.narrow, facts.wide) / 1000);
    const auto place = [&] { return static_cast<int32_t>(random_.between(8 * pixel, side - 8 * pixel)); };
    const int32_t x = place(), y = place();
    const Box box{x, y, width, height, static_cast<int32_t>(random_.below(turn))};
    const std::string_view colour = any_colour(facts.colours, {});
    objects_.push_back(object_of(box, facts.names[0], colour, random_.between(250, 700)));
  }

  const SynthNoise& noise_;
  Random& random_;
  std::vector<Object> objects_;
};

}  // namespace

std::vector<Object> true_objects(const Layout& layout) {
  std::vector<Object> objects;
  for (const Group& group : layout.groups)
    for (const Box& box : group.boxes) objects.push_back(object_of(box, name_of(group.kind), group.colour, 1000));
  for (const Region& region : layout.regions)
    objects.push_back(object_of(region.box, name_of(region.surface), {}, 1000));
  return objects;
}

std::vector<Object> detect(const Layout& layout, const SynthNoise& noise, Random& random) {
  return Detector(noise, random).detect(layout);
}

}  // namespace orbweaver::synth
