// A TorchScript archive as a module of a component's tree.
#pragma once

#include <ATen/ATen.h>
#include <torch/csrc/jit/api/module.h>
#include <torch/csrc/jit/runtime/graph_executor.h>
#include <torch/csrc/jit/serialization/import.h>
#include <torch/nn/module.h>
#include <torch/version.h>

#include <algorithm>
#include <cstdio>
#include <exception>
#include <filesystem>
#include <fstream>
#include <memory>
#include <sstream>
#include <stdexcept>
#include <string>
#include <unordered_set>
#include <utility>
#include <vector>

namespace {

/// What is wrong with an archive or its result, in one line without the file's name; ScriptedEncoder adds that.
struct Fault : std::runtime_error {
  using std::runtime_error::runtime_error;
};

/// The line of a LibTorch error that says what happened, without the listing of code above it and the C++ backtrace
/// below.
inline std::string reason_of(const std::exception& error) {
  const auto* torch_error = dynamic_cast<const c10::Error*>(&error);
  const std::string text = torch_error ? torch_error->what_without_backtrace() : error.what();
  const auto first_line = [](const std::string& text) {
    std::istringstream lines(text);
    for (std::string line; std::getline(lines, line);) {
      const bool listing = line.starts_with(' ') || line.starts_with("Traceback of TorchScript") ||
                           line.starts_with("The following operation failed");
      if (!line.empty() && !listing) return line;
    }
    return std::string();
  };
  const std::string end_of_code = "<--- HERE";
  if (const size_t code = text.rfind(end_of_code); code != std::string::npos)
    if (std::string line = first_line(text.substr(code + end_of_code.size())); !line.empty()) return line;
  return first_line(text);
}

inline std::string shape_text(const at::Tensor& tensor) {
  std::string text;
  for (const int64_t size : tensor.sizes()) text += (text.empty() ? "" : ", ") + std::to_string(size);
  return "[" + text + "]";
}

/// FNV-1a (64 bits) of a file's bytes, in hexadecimal digits.
inline std::string fingerprint_of(const std::filesystem::path& file) {
  std::ifstream stream(file, std::ios::binary);
  uint64_t hash = 0xcbf29ce484222325;
  std::vector<char> block(1 << 20);
  while (stream.read(block.data(), static_cast<std::streamsize>(block.size())) || stream.gcount() > 0)
    for (std::streamsize i = 0; i < stream.gcount(); ++i)
      hash = (hash ^ static_cast<unsigned char>(block[static_cast<size_t>(i)])) * 0x100000001b3;
  char digits[17];
  std::snprintf(digits, sizeof digits, "%016llx", static_cast<unsigned long long>(hash));
  return digits;
}

/// The parameters and buffers that stand directly in one scripted submodule, and its children.
class ScriptedSlots : public torch::nn::Module {
 public:
  void add_parameter(const std::string& name, const at::Tensor& tensor) {
    register_parameter(name, tensor, tensor.requires_grad());
  }

  void add_buffer(const std::string& name, const at::Tensor& tensor) { register_buffer(name, tensor); }

  /// The submodule of that name; made where there is none yet.
  ScriptedSlots& child(const std::string& name) {
    const auto children = named_children();
    if (const auto* known = children.find(name)) return static_cast<ScriptedSlots&>(**known);
    return *register_module(name, std::make_shared<ScriptedSlots>());
  }
};

/// The module of a TorchScript archive (torch.jit.save of a script or a trace).
///
/// Its parameters and buffers are this module's, under their names in Python ("visual.conv1.weight"): the same tensors,
/// not copies, so that what an optimiser, a checkpoint or `to` does to one side happens to both. A parameter that the
/// archive holds under two names (tied weights) has the first. Parameters that were saved without requires_grad stay
/// without.
///
/// The graph is interpreted as it was saved. LibTorch's profiling and fusing would let the first batches of a process
/// differ in their last bits from later ones, and so a resumed training from an uninterrupted one.
class ScriptedModule final : public ScriptedSlots {
 public:
  /// @throws Fault where the file is missing or no archive that this LibTorch reads.
  explicit ScriptedModule(const std::filesystem::path& file) : script_(load(file)), fingerprint_(fingerprint_of(file)) {
    std::unordered_set<const at::TensorImpl*> seen;
    for (const auto& parameter : script_.named_parameters())
      if (seen.insert(parameter.value.unsafeGetTensorImpl()).second) {
        const auto [slots, name] = place_of(parameter.name);
        slots->add_parameter(name, parameter.value);
      }
    for (const auto& buffer : script_.named_buffers())
      if (buffer.value.defined()) add_scripted_buffer(buffer.name, buffer.value);
  }

  /// Sets the attribute `training` of every scripted submodule too, as Python does.
  void train(bool on) override {
    torch::nn::Module::train(on);
    script_.train(on);
  }

  /// What the archive's `forward` returns.
  /// @param inputs  its arguments, a tensor first.
  /// @throws Fault where it fails.
  c10::IValue run(const std::vector<c10::IValue>& inputs) {
    const torch::jit::GraphOptimizerEnabledGuard as_saved(false);
    lend_buffers();
    c10::IValue result;
    try {
      result = script_.forward(inputs);
    } catch (const std::exception& error) {
      throw Fault("forward fails on " + shape_text(inputs.at(0).toTensor()) + ": " + reason_of(error));
    }
    take_buffers();
    return result;
  }

  /// Tells the file's content from any other's.
  const std::string& fingerprint() const { return fingerprint_; }

 private:
  struct Buffer {
    torch::jit::Module owner;
    std::string name;
    at::Tensor tensor, lent;
  };

  static torch::jit::Module load(const std::filesystem::path& file) {
    if (!std::filesystem::exists(file)) throw Fault("does not exist; expected an archive written by torch.jit.save");
    const std::string export_so = "export by torch.jit.save(torch.jit.trace(model.eval(), example), \"" +
                                  file.stem().string() + ".pt\") or torch.jit.script";
    if (!std::filesystem::is_regular_file(file)) throw Fault("is no file; " + export_so);
    try {
      torch::jit::Module script =
          torch::jit::load(file.string(), at::kCPU);  // wherever it was saved; the model moves it
      if (!script.find_method("forward")) throw Fault("has no method `forward`; " + export_so);
      return script;
    } catch (const Fault&) {
      throw;
    } catch (const std::exception& error) {
      const std::string reason = reason_of(error);
      const auto says = [&](const char* words) { return reason.find(words) != std::string::npos; };
      if (says("maximum supported version") || says("Unknown builtin op") || says("Unknown type"))
        throw Fault("needs what LibTorch " TORCH_VERSION
                    " does not have: made by a newer PyTorch, or with operators of an extension such as torchvision; "
                    "export with PyTorch " TORCH_VERSION " or older, without extensions (" +
                    reason + ")");
      if (says("constants.pkl"))
        throw Fault("is not a TorchScript archive but what torch.save writes, a state dict or a pickled model; " +
                    export_so + " (the state dict of a CLIP goes to clip_image and clip_text, a ResNet's to resnet)");
      throw Fault("is not a TorchScript archive (" + reason + "); " + export_so);
    }
  }

  /// Where a tensor of that dotted name stands, and its last name.
  std::pair<ScriptedSlots*, std::string> place_of(const std::string& full_name) {
    ScriptedSlots* slots = this;
    std::istringstream names(full_name);
    std::string name;
    std::getline(names, name, '.');
    for (std::string next; std::getline(names, next, '.'); name = next) slots = &slots->child(name);
    return {slots, name};
  }

  void add_scripted_buffer(const std::string& full_name, const at::Tensor& tensor) {
    const auto [slots, name] = place_of(full_name);
    slots->add_buffer(name, tensor);
    torch::jit::Module owner = script_;
    for (size_t at = 0, dot; (dot = full_name.find('.', at)) != std::string::npos; at = dot + 1)
      owner = owner.attr(full_name.substr(at, dot - at)).toModule();
    buffers_.push_back({owner, name, tensor, {}});
  }

  // A script may assign to a buffer (`self.seen = self.seen + 1`), which puts another tensor in its place. The
  // registered tensor then takes the new one's data. So that backward still finds the data it saved, the script is lent
  // aliases: autograd never sees the registered tensors.
  void lend_buffers() {
    for (Buffer& buffer : buffers_) {
      buffer.lent = buffer.tensor.variable_data();
      buffer.owner.setattr(buffer.name, buffer.lent);
    }
  }

  void take_buffers() {
    for (Buffer& buffer : buffers_) {
      const at::Tensor now = buffer.owner.attr(buffer.name).toTensor();
      if (!now.is_same(buffer.lent)) buffer.tensor.set_data(now.detach());
      buffer.lent.reset();
    }
  }

  torch::jit::Module script_;
  std::string fingerprint_;
  std::vector<Buffer> buffers_;
};

}  // namespace
