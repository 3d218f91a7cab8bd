// Gradients against central differences: part of the SDK's conformance kit.
#pragma once

#include "orbweaver/testing/torch/gradients.h"
