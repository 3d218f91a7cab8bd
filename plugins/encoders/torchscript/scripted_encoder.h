// What the image and the text component share: an archive, how its result is read, and what it is checked for.
#pragma once

#include <algorithm>
#include <filesystem>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "orbweaver/error.h"
#include "orbweaver/torch/representation.h"
#include "result.h"
#include "scripted_module.h"

namespace {

/// An archive whose result is read as OutputNames say, checked once at construction for what a training needs.
class ScriptedEncoder {
 public:
  using Inputs = std::vector<c10::IValue>;

  /// @param component  names the component in errors.
  /// @throws InputError where the file is missing or no archive that this LibTorch reads.
  ScriptedEncoder(std::string component, const std::filesystem::path& file, OutputNames names, int64_t token_count = 0)
      : where_(std::move(component) + ": " + file.string()), names_(std::move(names)), token_count_(token_count) {
    guarded([&] { module_ = std::make_shared<ScriptedModule>(file); });
  }

  /// Runs the module once on one item and once on two, in evaluation mode and without gradients, to find the widths.
  ///
  /// @param inputs  makes the arguments of `forward` for a batch of that size.
  /// @throws InputError where a run fails, its result cannot be read, or the batch size of an example is part of the
  ///         graph.
  void find_widths(const std::function<Inputs(int64_t batch)>& inputs) {
    module_->eval();
    ScriptedParts one, two;
    const std::string fault_of_one = fault([&] { one = probe(inputs(1), 1); });
    const std::string fault_of_two = fault([&] { two = probe(inputs(2), 2); });
    if (!fault_of_one.empty() && !fault_of_two.empty()) fail(fault_of_one);
    const std::string baked_in =
        ": the batch size is baked in, as torch.jit.trace does with sizes that forward computes as numbers; write "
        "x.flatten(1) or -1 there, or export by torch.jit.script";
    if (!fault_of_two.empty()) fail("takes a batch of 1 but not of 2 (" + fault_of_two + ")" + baked_in);
    if (!fault_of_one.empty()) fail("takes a batch of 2 but not of 1 (" + fault_of_one + ")" + baked_in);
    widths_ = one.widths();
    if (two.widths().global != widths_.global || two.widths().tokens != widths_.tokens)
      fail("returns " + widths_text(widths_) + " for a batch of 1 and " + widths_text(two.widths()) +
           " for a batch of 2" + baked_in);
    gets_gradients_ = gradients_reach(inputs(1));
    module_->train(true);
  }

  /// @throws InputError where the module fails, or makes anything but the widths that were found.
  ScriptedParts run(const Inputs& inputs, int64_t batch) {
    ScriptedParts parts;
    guarded([&] {
      parts = read_result(module_->run(inputs), names_, batch, token_count_);
      if (parts.widths().global != widths_.global || parts.widths().tokens != widths_.tokens)
        throw Fault("returns " + widths_text(parts.widths()) + ", but " + widths_text(widths_) + " before");
    });
    return parts;
  }

  /// Runs the module without gradients in evaluation mode.
  /// @throws Fault where it fails or its result cannot be read.
  ScriptedParts probe(const Inputs& inputs, int64_t batch) {
    const at::NoGradGuard no_grad;
    ScriptedParts parts = read_result(module_->run(inputs), names_, batch, token_count_);
    for (const at::Tensor& part : {parts.global, parts.tokens})
      if (part.defined() && part.scalar_type() != at::kFloat)
        throw Fault(std::string("returns numbers of type ") + c10::toString(part.scalar_type()) +
                    ", expected Float; export model.float()");
    return parts;
  }

  /// For the extra state: which archive it was.
  std::string identity() const { return "torchscript " + module_->fingerprint(); }

  /// The graph is in the archive alone, so a checkpoint needs the one it was trained with.
  /// @throws InputError where `identity` is another's.
  void check_identity(std::string_view identity) const {
    if (identity == this->identity()) return;
    fail("is not the archive that the checkpoint was trained with (fingerprint " + module_->fingerprint() +
         ", the checkpoint says \"" + std::string(identity) + "\"); give that file");
  }

  /// One line: the file, the widths, how many parameters there are, and whether they can learn.
  std::string summary() const {
    size_t count = 0, fixed = 0;
    for (const at::Tensor& parameter : module_->parameters()) {
      ++count;
      fixed += parameter.requires_grad() ? 0 : 1;
    }
    return where_ + ": " + widths_text(widths_) + "; parameters: " + std::to_string(count) +
           (fixed > 0 ? ", " + std::to_string(fixed) + " of them saved without requires_grad" : "") +
           (gets_gradients_ ? "" : "; no gradient reaches them, so they will not learn: forward detaches its result");
  }

  const orbweaver::Widths& widths() const { return widths_; }
  const std::shared_ptr<ScriptedModule>& module() const { return module_; }
  [[noreturn]] void fail(const std::string& what) const { throw orbweaver::InputError(where_ + ": " + what); }

 private:
  /// Whether a result depends on a parameter in autograd's eyes; true also where no parameter wants a gradient.
  bool gradients_reach(const Inputs& inputs) {
    const std::vector<at::Tensor> parameters = module_->parameters();
    if (std::none_of(parameters.begin(), parameters.end(), [](const auto& p) { return p.requires_grad(); }))
      return true;
    bool reached = false;
    const at::AutoGradMode gradients(true);
    guarded([&] {
      const ScriptedParts made = read_result(module_->run(inputs), names_, 1, token_count_);
      for (const at::Tensor& part : {made.global, made.tokens})
        reached = reached || (part.defined() && part.requires_grad());
    });
    return reached;
  }

  /// What a task throws as Fault; empty where it succeeds.
  template <class F>
  static std::string fault(F&& task) {
    try {
      task();
    } catch (const Fault& fault) {
      return fault.what();
    }
    return "";
  }

  template <class F>
  void guarded(F&& task) const {
    if (const std::string what = fault(std::forward<F>(task)); !what.empty()) fail(what);
  }

  static std::string widths_text(const orbweaver::Widths& widths) {
    const std::string global = widths.global > 0 ? "global " + std::to_string(widths.global) : "";
    const std::string tokens = widths.tokens > 0 ? "tokens " + std::to_string(widths.tokens) : "";
    return global + (global.empty() || tokens.empty() ? "" : ", ") + tokens;
  }

  std::string where_;
  OutputNames names_;
  int64_t token_count_;
  orbweaver::Widths widths_;
  bool gets_gradients_ = true;
  std::shared_ptr<ScriptedModule> module_;
};

}  // namespace
