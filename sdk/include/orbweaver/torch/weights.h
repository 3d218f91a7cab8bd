// Weights files of other programs: reading them, and putting them into modules.
#pragma once

#include <torch/nn/module.h>

#include <filesystem>
#include <map>
#include <string>
#include <vector>

#include "orbweaver/export.h"

namespace orbweaver {
inline namespace v1 {

using StateDict = std::map<std::string, at::Tensor>;

/// The named tensors of a weights file, on the CPU, with the dtypes of the file.
///
/// Read are safetensors, and the zip format of PyTorch 1.6 and later: what `torch.save(model.state_dict(), file)`
/// writes, such a dictionary under the key "state_dict" of a larger checkpoint, and TorchScript archives. No code of
/// the file is run: its pickle is read by an interpreter that knows only containers, numbers, strings and tensors. A
/// prefix "module." that all names share (DataParallel) is removed.
///
/// @throws InputError in one line: a file that cannot be read, is damaged, or holds something else in place of a
/// tensor.
///         For the older format without zip the error holds the Python line that converts it.
ORBWEAVER_API StateDict read_state_dict(const std::filesystem::path& file);

struct LoadOptions {
  /// Names in the weights that begin with one of these are passed over, and reported.
  std::vector<std::string> ignored_prefixes;
  /// Names of the module that end with one of these may be missing from the weights.
  std::vector<std::string> optional_suffixes = {"num_batches_tracked"};
  /// Names the weights in errors; a file name, as a rule.
  std::string source = "weights";
};

struct LoadReport {
  std::vector<std::string> loaded, ignored;
};

/// Copies tensors into the module's parameters and buffers of the same names, converting dtype and device.
///
/// @throws InputError before anything is copied, listing together the names that are missing, unexpected or of another
///         shape.
ORBWEAVER_API LoadReport load_state_dict(torch::nn::Module& module, const StateDict& weights,
                                         const LoadOptions& options = {});

}  // namespace v1
}  // namespace orbweaver
