// The scene level alone: a projection head on the encoder's global vector. The first rows (g1, g2) of GaLR's Table IV.
#pragma once

#include <memory>
#include <string>

#include "../../shared/head.h"
#include "orbweaver/params.h"
#include "orbweaver/torch/fusion.h"

namespace {

struct GlobalParams {
  HeadParams image, text;

  static void describe(orbweaver::ParamSpec<GlobalParams>& p) {
    p.field("image", &GlobalParams::image, "Head of the image side");
    p.field("text", &GlobalParams::text, "Head of the text side");
  }
};

/// embedding = normalise(head(global)). Each side has its own head.
class GlobalFusion final : public orbweaver::Fusion {
 public:
  using Params = GlobalParams;

  GlobalFusion(const Params& params, const orbweaver::Inputs& inputs)
      : head_(scene_head("fusion global", side_word(inputs.side),
                         inputs.side == orbweaver::Side::image ? params.image : params.text, inputs.side, inputs)) {
    // The head's parts, not the head, are this module's children: in checkpoints they are fusion.out, not
    // fusion.head.out.
    for (const auto& part : head_->named_children()) register_module(part.key(), part.value());
  }

  at::Tensor forward(const orbweaver::Representation& side) override {
    return orbweaver::l2_normalize(head_->forward(side.global));
  }

 private:
  std::shared_ptr<Head> head_;
};

}  // namespace
