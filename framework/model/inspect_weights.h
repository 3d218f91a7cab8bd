// What a weights file holds, and which components take it: found out by giving it to each of them.
#pragma once

#include <cstdint>
#include <filesystem>
#include <map>
#include <string>
#include <vector>

#include "framework/plugin/plugin_host.h"
#include "orbweaver/torch/representation.h"
#include "orbweaver/value.h"

namespace orbweaver {

struct WeightsInspection {
  /// Tensors whose names begin alike, up to the first dot.
  struct Group {
    std::string name;
    int64_t tensors = 0, values = 0;
  };
  /// A component that has a parameter `weights`, or else requires a `file`.
  struct Candidate {
    std::string kind, id;
    std::string plugin;   ///< stem of its library: what `plugins` of a config has to name where it is not the id
    Value params;         ///< what to write into a config, `use` included; only what is not a default
    Widths widths;        ///< of an encoder that takes the file
    std::string notes;    ///< what the component printed, in lines
    std::string refusal;  ///< why it does not take the file, in one line without its name; empty where it does
  };

  int64_t tensors = 0, values = 0, bytes = 0;
  std::map<std::string, int64_t> dtypes;  ///< tensors of each
  std::vector<Group> groups;              ///< in the order of their names
  std::string not_tensors;                ///< why the file holds no named tensors; it may be a network of another kind
  std::vector<Candidate> candidates;
};

/// Reads the file and gives it to every image encoder, text encoder and detector with a parameter `weights` or a
/// required `file` (a TorchScript archive, whose code is run): with defaults, and where that fails with each single
/// value that a parameter suggests to try. One that requires more than the file is not tried; its refusal says so.
///
/// @throws InputError where the file does not exist.
WeightsInspection inspect_weights(const std::filesystem::path& file, PluginHost& plugins);

/// For machines.
Value inspection_value(const WeightsInspection& inspection);

}  // namespace orbweaver
