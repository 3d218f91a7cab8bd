// Found before LibTorch's own: a plugin built with another LibTorch.
#pragma once

#define TORCH_VERSION_MAJOR 99
#define TORCH_VERSION_MINOR 7
