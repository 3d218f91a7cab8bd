// What of a method's frozen stages lies in the cache already; free of LibTorch's headers.
#pragma once

#include <string>
#include <vector>

#include "framework/config/config.h"
#include "framework/data/dataset.h"
#include "framework/io/report.h"

namespace orbweaver {

struct CachedPart {
  std::string what;  ///< "image features of train"
  bool cached = false;
};

/// The parts that training on `dataset` takes from the cache, or makes and leaves there, in the order of their making.
/// Builds the model and looks at the names of files: tenths of a second, but runs no encoder, detector or builder.
/// @throws InputError on whatever would stop a run before its first step.
std::vector<CachedPart> cached_parts(const Config& config, PluginHost& plugins, const Dataset& dataset,
                                     const RunReport& report);

}  // namespace orbweaver
