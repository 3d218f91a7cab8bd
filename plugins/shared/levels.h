// The two levels of a side, scene (`global`) and object (`local`), for the fusions that bring them together.
//
// In GaLR the image alone has a graph, and the text is embedded by its scene level; in GraVLM both sides have one. So
// `sides` says which sides have the object level. A side outside it is embedded as fusion `global` does it.
#pragma once

#include <memory>
#include <string>

#include "head.h"

namespace {

struct LevelHeads {
  FitHeadParams global, local;

  static void describe(orbweaver::ParamSpec<LevelHeads>& p) {
    p.field("global", &LevelHeads::global, "Head of the scene level");
    p.field("local", &LevelHeads::local, "Head of the object level, where `sides` includes this side");
  }
};

/// Which sides have the object level. Base of the parameters of a fusion, which sets the default.
struct SidesParams {
  enum class Sides { both, image, text };
  Sides sides = Sides::both;

  bool has_objects(orbweaver::Side side) const {
    return sides == Sides::both || (sides == Sides::image) == (side == orbweaver::Side::image);
  }

  template <class P>
  static void describe_sides(orbweaver::ParamSpec<P>& p) {
    p.field("sides", &SidesParams::sides, {{"both", Sides::both}, {"image", Sides::image}, {"text", Sides::text}},
            "Sides that have the object level; the other is embedded by its scene head alone, as fusion global does");
  }
};

/// Base of the parameters of a fusion that reads the object level as the vector `local`.
struct LevelParams : SidesParams {
  LevelHeads image, text;

  const LevelHeads& heads(orbweaver::Side side) const { return side == orbweaver::Side::image ? image : text; }

  template <class P>
  static void describe_levels(orbweaver::ParamSpec<P>& p) {
    describe_sides(p);
    p.field("image", &LevelParams::image, "Heads of the image side's levels");
    p.field("text", &LevelParams::text, "Heads of the text side's levels");
  }
};

/// Head on the vector `global` of the side that `inputs` names.
inline std::shared_ptr<Head> scene_head(const std::string& component, const LevelParams& params,
                                        const orbweaver::Inputs& inputs) {
  return scene_head(component, side_word(inputs.side) + ".global", params.heads(inputs.side).global, inputs.side,
                    inputs);
}

/// Head on the vector `local` of the side that `inputs` names; null where `sides` leaves that side out.
///
/// @throws InputError where `sides` includes the side and nobody makes its `local`, or the head cannot change its
/// width.
inline std::shared_ptr<Head> object_head(const std::string& component, const LevelParams& params,
                                         const orbweaver::Inputs& inputs) {
  if (!params.has_objects(inputs.side)) return nullptr;
  const std::string side = side_word(inputs.side);
  const std::string other =
      side_word(inputs.side == orbweaver::Side::image ? orbweaver::Side::text : orbweaver::Side::image);
  const bool both = params.sides == LevelParams::Sides::both;
  const int64_t width = inputs.own().local;
  if (width <= 0)
    throw orbweaver::InputError(component + ": `sides` is \"" + (both ? "both" : side) +
                                "\", but no graph_encoder of /model/" + side +
                                " makes the vector `local`; add `graph` and `graph_encoder` there, " +
                                (both ? "set sides to \"" + other + "\", " : "") + "or use fusion global");
  const HeadParams& head = params.heads(inputs.side).local;
  check_head_width(component, side + ".local", head, "the " + side + "'s `local`", width, inputs.embed_dim);
  return std::make_shared<Head>(head, width, inputs.embed_dim);
}

}  // namespace
