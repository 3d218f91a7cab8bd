#include "framework/model/conformance.h"

#include "orbweaver/testing/torch/fusion.h"
#include "orbweaver/testing/torch/graph_encoder.h"
#include "orbweaver/testing/torch/image_encoder.h"
#include "orbweaver/testing/torch/interaction.h"
#include "orbweaver/testing/torch/loss.h"
#include "orbweaver/testing/torch/text_encoder.h"

namespace orbweaver {
namespace {

struct Kind {
  const char* name;
  std::vector<testing::Property> (*properties)();
  testing::Trials trials;
};

const std::vector<Kind>& kinds() {
  using namespace testing;
  static const std::vector<Kind> list = {
      {ImageEncoder::kind, image_encoder_properties, testing::detail::image_encoder_trials},
      {TextEncoder::kind, text_encoder_properties, testing::detail::text_encoder_trials},
      {GraphEncoder::kind, graph_encoder_properties, testing::detail::graph_encoder_trials},
      {Fusion::kind, fusion_properties, testing::detail::fusion_trials},
      {Interaction::kind, interaction_properties, testing::detail::interaction_trials},
      {Loss::kind, loss_properties, testing::detail::loss_trials}};
  return list;
}

const Kind* find(const std::string& kind) {
  for (const Kind& known : kinds())
    if (known.name == kind) return &known;
  return nullptr;
}

}  // namespace

std::vector<testing::Property> model_properties(const std::string& kind) {
  const Kind* known = find(kind);
  return known ? known->properties() : std::vector<testing::Property>{};
}

void construct_model(const testing::Subject& subject) {
  if (const Kind* known = find(subject.component.kind)) known->trials(subject, {});
}

}  // namespace orbweaver
