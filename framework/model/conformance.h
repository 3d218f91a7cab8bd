// The conformance kit of the model plane (orbweaver/testing/torch/), behind a
// header without LibTorch.
#pragma once

#include <string>
#include <vector>

#include "orbweaver/testing/conformance.h"

namespace orbweaver {

/// The properties of components of that kind; none for the kinds of the data
/// plane.
std::vector<testing::Property> model_properties(const std::string& kind);

/// Makes the component on sample inputs.
void construct_model(const testing::Subject& subject);

}  // namespace orbweaver
