// What every component of the model plane must do (orbweaver/torch/module.h), as properties over trials: a component
// that is made and fitted, with a way to run it on a sample.
#pragma once

#include <ATen/ATen.h>

#include <cmath>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "orbweaver/testing/conformance.h"
#include "orbweaver/testing/torch/gradients.h"
#include "orbweaver/testing/torch/samples.h"
#include "orbweaver/torch/module.h"

namespace orbweaver::testing {

/// Tensors with the names under which messages call them.
using NamedTensors = std::vector<std::pair<std::string, at::Tensor>>;

/// How a component is made.
struct Making {
  at::ScalarType dtype = at::kFloat;
  uint64_t seed = 1;
  /// Extra state to load in place of fitting.
  std::optional<std::string> state{};
};

/// A component and a sample that it is run on.
struct Trial {
  std::string name;  ///< "forward" or "forward on the text side"
  std::shared_ptr<ModelComponent> component;
  NamedTensors inputs;                ///< those that `run` reads
  std::function<NamedTensors()> run;  ///< outputs; reads `inputs` through its closure
  bool passes_gradients = true;       ///< whether its inputs have to get gradients
  bool inputs_are_its_own = false;    ///< whether the component itself made the inputs, as ids of words
};

/// The trials of a subject, one for each side that the component can be made for.
using Trials = std::function<std::vector<Trial>(const Subject&, const Making&)>;

namespace detail {

inline std::string sizes_text(at::IntArrayRef sizes) {
  std::string out = "[";
  for (size_t i = 0; i < sizes.size(); ++i) out += (i ? ", " : "") + std::to_string(sizes[i]);
  return out + "]";
}

/// @param wanted  -1 where any size will do.
inline void expect_tensor(const std::string& what, const at::Tensor& found, const std::vector<int64_t>& wanted,
                          bool floating = true) {
  std::vector<std::string> words;
  for (const int64_t size : wanted) words.push_back(size < 0 ? "any" : std::to_string(size));
  std::string sizes = "[";
  for (size_t i = 0; i < words.size(); ++i) sizes += (i ? ", " : "") + words[i];
  sizes += "]";
  if (!found.defined()) fail(what, " is undefined, expected ", sizes);
  bool fits = found.dim() == static_cast<int64_t>(wanted.size());
  for (size_t i = 0; fits && i < wanted.size(); ++i)
    fits = wanted[i] < 0 || wanted[i] == found.size(static_cast<int64_t>(i));
  if (!fits) fail(what, " is ", sizes_text(found.sizes()), ", expected ", sizes);
  if (floating && !found.is_floating_point())
    fail(what, " has the type ", c10::toString(found.scalar_type()), ", expected a floating-point type");
}

inline double largest(const at::Tensor& x) { return x.numel() == 0 ? 0 : x.abs().max().to(at::kDouble).item<double>(); }

/// Fails unless both are the same up to rounding.
inline void expect_close(const std::string& what, const at::Tensor& found, const at::Tensor& wanted,
                         double tolerance = 2e-4) {
  if (found.defined() != wanted.defined()) fail(what, " is ", found.defined() ? "" : "un", "defined");
  if (!found.defined()) return;
  if (found.sizes() != wanted.sizes())
    fail(what, " is ", sizes_text(found.sizes()), " instead of ", sizes_text(wanted.sizes()));
  const double difference = largest(found.detach() - wanted.detach());
  if (!(difference <= tolerance * (1 + largest(wanted.detach())))) fail(what, " differs by up to ", difference);
}

inline void expect_close(const std::string& what, const NamedTensors& found, const NamedTensors& wanted,
                         double tolerance = 2e-4) {
  if (found.size() != wanted.size()) fail(what, ": other outputs");
  for (size_t i = 0; i < wanted.size(); ++i)
    expect_close(what + ": " + wanted[i].first, found[i].second, wanted[i].second, tolerance);
}

/// Parts of a side that are defined, of the floating-point ones.
inline NamedTensors parts_of(const Representation& side, const std::string& prefix = "") {
  NamedTensors out;
  const auto add = [&](const char* name, const at::Tensor& x) {
    if (x.defined()) out.emplace_back(prefix + name, x);
  };
  add("global", side.global);
  add("tokens", side.tokens);
  add("nodes", side.nodes);
  add("local", side.local);
  add("embedding", side.embedding);
  return out;
}

/// Parameters start where training takes them: a weight that is initialised with zeros would hide what is behind it.
inline void stir(torch::nn::Module& module) {
  at::NoGradGuard no_grad;
  for (at::Tensor& parameter : module.parameters())
    if (parameter.is_floating_point()) parameter.add_(at::randn_like(parameter), 0.05);
}

/// Makes the component, fits it (or loads its state), and brings it to evaluation mode.
template <class I>
std::shared_ptr<I> make_model(const Subject& subject, const Inputs& inputs, const Making& making,
                              const std::vector<std::string>& texts = {}) {
  at::manual_seed(making.seed);
  auto component = make<I>(subject, &inputs);
  ModelComponent& model = *component;
  if (making.state)
    call("load_extra_state", [&] { model.load_extra_state(*making.state); });
  else
    call("fit", [&] { model.fit(texts); });
  stir(model);
  model.to(making.dtype);
  model.eval();
  at::manual_seed(making.seed + 1);  // what a sample draws does not depend on what the component drew
  return component;
}

inline NamedTensors run(const Trial& trial) {
  return call(trial.name, [&] { return trial.run(); });
}

/// Without gradients, as in evaluation.
inline NamedTensors run_for_values(const Trial& trial) {
  at::NoGradGuard no_grad;
  return run(trial);
}

/// The trial's inputs as leaves that want gradients; parameters already do.
inline void want_gradients(const Trial& trial) {
  for (const auto& [name, input] : trial.inputs)
    if (input.is_floating_point() && trial.passes_gradients) const_cast<at::Tensor&>(input).set_requires_grad(true);
}

inline NamedTensors parameters_of(const Trial& trial) {
  NamedTensors out;
  for (const auto& item : trial.component->named_parameters())
    if (item.value().requires_grad()) out.emplace_back("parameter " + item.key(), item.value());
  return out;
}

inline NamedTensors state_of(torch::nn::Module& module) {
  NamedTensors out;
  for (const auto& item : module.named_parameters()) out.emplace_back("parameter " + item.key(), item.value());
  for (const auto& item : module.named_buffers()) out.emplace_back("buffer " + item.key(), item.value());
  return out;
}

inline NamedTensors copy_of(const NamedTensors& tensors) {
  NamedTensors out;
  for (const auto& [name, tensor] : tensors)
    out.emplace_back(name, tensor.defined() ? tensor.detach().clone() : tensor);
  return out;
}

inline void expect_unchanged(const std::string& what, const NamedTensors& now, const NamedTensors& before) {
  for (size_t i = 0; i < before.size(); ++i)
    if (before[i].second.defined() && !at::equal(now[i].second.detach(), before[i].second))
      fail(what, " changed ", before[i].first);
}

/// The sum of all outputs, each number with a weight of its own, the same in every call.
inline at::Tensor weighted_sum(const NamedTensors& outputs) {
  at::Tensor sum;
  for (const auto& [name, output] : outputs) {
    if (!output.is_floating_point() || output.numel() == 0) continue;
    const at::Tensor weights =
        at::cos(at::arange(output.numel(), output.options().requires_grad(false)) * 1.7 + 0.3).view(output.sizes());
    const at::Tensor part = (output * weights).sum();
    sum = sum.defined() ? sum + part : part;
  }
  if (!sum.defined()) fail("no output is a floating-point tensor");
  return sum;
}

inline void check_model_finite(const Trial& trial) {
  for (const auto& [name, output] : run_for_values(trial))
    if (output.is_floating_point() && !at::isfinite(output).all().item<bool>())
      fail(trial.name, ": ", name, " holds ", at::isfinite(output).logical_not().sum().item<int64_t>(),
           " NaN or infinite of ", output.numel(), " numbers");
}

inline void check_model_inputs(const Trial& trial) {
  const NamedTensors before = copy_of(trial.inputs);
  run_for_values(trial);
  expect_unchanged(trial.name, trial.inputs, before);
}

inline void check_model_evaluation(const Trial& trial) {
  const NamedTensors state = state_of(*trial.component), before = copy_of(state);
  const NamedTensors first = run_for_values(trial);
  expect_close(trial.name + " again, in evaluation mode", run_for_values(trial), first, 1e-6);
  expect_unchanged(trial.name + ", in evaluation mode,", state, before);
}

inline void check_model_training(const Trial& trial) {
  trial.component->train(true);
  for (const auto& module : trial.component->modules())
    if (!module->is_training()) fail("train() leaves ", module->name(), " in evaluation mode");
  for (const auto& [name, output] : run(trial))
    if (output.is_floating_point() && !at::isfinite(output).all().item<bool>())
      fail(trial.name, " in training mode: ", name, " is not finite");
  trial.component->eval();
  for (const auto& module : trial.component->modules())
    if (module->is_training()) fail("eval() leaves ", module->name(), " in training mode");
}

/// @param some_input  one of the inputs is enough: a loss does not read all that it is given.
inline void check_model_gradients(const Trial& trial, bool some_input) {
  want_gradients(trial);
  NamedTensors variables = parameters_of(trial);
  const size_t parameters = variables.size();
  for (const auto& input : trial.inputs)
    if (input.second.requires_grad()) variables.push_back(input);
  if (variables.empty()) skip("it has no parameters, and no inputs that gradients could reach");
  const at::Tensor sum = weighted_sum(run(trial));
  if (!sum.requires_grad()) fail(trial.name, ": no output has a gradient; look for detach(), item() or NoGradGuard");
  std::vector<at::Tensor> leaves;
  for (const auto& [name, variable] : variables) leaves.push_back(variable);
  const auto gradients = torch::autograd::grad({sum}, leaves, {}, c10::nullopt, false, /*allow_unused=*/true);
  size_t reached = 0;
  for (size_t i = 0; i < gradients.size(); ++i) {
    const bool is_parameter = i < parameters;
    // Attention over a single place has queries whose gradient is zero; but there is one.
    const bool arrives = gradients[i].defined() && (is_parameter || largest(gradients[i]) > 0);
    if (arrives && !at::isfinite(gradients[i]).all().item<bool>())
      fail(trial.name, ": the gradient of ", variables[i].first, " is not finite");
    if (!is_parameter) reached += arrives;
    if (!arrives && (is_parameter || !some_input)) fail(trial.name, ": no gradient reaches ", variables[i].first);
  }
  if (some_input && gradients.size() > parameters && reached == 0) fail(trial.name, ": no gradient reaches its inputs");
}

inline void check_model_differences(const Trial& trial) {
  want_gradients(trial);
  std::vector<at::Tensor> variables;
  for (const auto& [name, variable] : parameters_of(trial)) variables.push_back(variable);
  for (const auto& [name, input] : trial.inputs)
    if (input.requires_grad()) variables.push_back(input);
  const auto scalar = [&] { return weighted_sum(run(trial)); };
  if (variables.empty() || !scalar().requires_grad()) skip("nothing of it has a gradient");
  // A direction may cross a kink (a maximum, a ReLU) by chance, three hardly do.
  Slopes worst;
  int wrong = 0;
  for (int direction = 0; direction < 3; ++direction) {
    std::vector<at::Tensor> directions;
    double squared = 0;
    for (const at::Tensor& variable : variables) {
      directions.push_back(at::randn_like(variable.detach()));
      squared += static_cast<double>(variable.numel());
    }
    // Of millions of numbers each moves by less, so that the step stays short.
    if (squared > 100)
      for (at::Tensor& part : directions) part.mul_(10 / std::sqrt(squared));
    const Slopes found = slopes(scalar, variables, directions);
    if (found.error() > 1e-4) ++wrong, worst = found;
  }
  if (wrong > 1)
    fail(trial.name, ": along a random direction through all parameters and inputs the gradient gives the slope ",
         worst.by_gradient, ", central differences ", worst.by_differences);
}

/// A second component with another seed becomes the first one by what a checkpoint keeps.
inline void check_model_state(const Trials& trials, const Subject& subject) {
  const std::vector<Trial> first = trials(subject, {});
  for (size_t i = 0; i < first.size(); ++i) {
    const NamedTensors wanted = run_for_values(first[i]);
    const std::string state = call("extra_state", [&] { return first[i].component->extra_state(); });
    const std::vector<Trial> others = trials(subject, {.seed = 7, .state = state});
    if (others.size() != first.size()) fail("cannot be made again");
    const NamedTensors from = state_of(*first[i].component), to = state_of(*others[i].component);
    if (from.size() != to.size())
      fail("loaded from its extra state it has ", to.size(), " parameters and buffers, and fitted ", from.size());
    at::NoGradGuard no_grad;
    for (size_t s = 0; s < from.size(); ++s) {
      if (from[s].first != to[s].first || from[s].second.sizes() != to[s].second.sizes())
        fail("loaded from its extra state it has ", to[s].first, " ", sizes_text(to[s].second.sizes()), " in place of ",
             from[s].first, " ", sizes_text(from[s].second.sizes()));
      const_cast<at::Tensor&>(to[s].second).copy_(from[s].second);
    }
    for (size_t s = 0; s < first[i].inputs.size(); ++s) {
      const auto& [name, input] = first[i].inputs[s];
      const at::Tensor& other = others[i].inputs[s].second;
      // Samples are drawn from the seed, but ids of words are the component's own.
      if (!first[i].inputs_are_its_own)
        const_cast<at::Tensor&>(other).copy_(input);
      else if (!at::equal(other, input))
        fail("loaded from its extra state it gives the same captions other ", name);
    }
    expect_close(first[i].name + " of another instance that was given its parameters, buffers and extra state",
                 run_for_values(others[i]), wanted, 1e-5);
  }
}

/// Every number of every output, bit for bit.
inline std::string outputs_text(const Trials& trials, const Subject& subject) {
  std::string out;
  for (const Trial& trial : trials(subject, {}))
    for (const auto& [name, output] : run_for_values(trial)) {
      const at::Tensor values = output.to(at::kDouble).contiguous();
      out += name;
      out.append(reinterpret_cast<const char*>(values.data_ptr<double>()),
                 static_cast<size_t>(values.numel()) * sizeof(double));
    }
  return out;
}

/// f(trial) for each trial. Trials that say nothing about the rule are passed over where others say something.
template <class F>
std::function<void(const Subject&)> for_each_trial(const Trials& trials, const Making& making, F f) {
  return [trials, making, f](const Subject& subject) {
    std::optional<std::string> skipped;
    size_t judged = 0;
    for (const Trial& trial : trials(subject, making)) {
      try {
        f(trial);
        ++judged;
      } catch (const Skipped& reason) {
        skipped = reason.what();
      }
    }
    if (judged == 0 && skipped) throw Skipped(*skipped);
  };
}

/// Fails where a tensor of a wrong rank becomes a result that looks right.
template <class F>
void expect_no_result(const std::string& what, F&& gives_right_shape) {
  bool looks_right = false;
  try {
    looks_right = gives_right_shape();
  } catch (const std::exception&) {
    return;
  }
  if (looks_right) fail(what, " was quietly turned into a result of the right shape, expected a refusal");
}

/// The inputs of a component that can be made for either side; those that it refuses by an InputError are left out.
/// @param try_side  makes and adds the trial of a side.
inline std::vector<Trial> trials_of_sides(const std::function<Trial(Side)>& try_side) {
  std::vector<Trial> out;
  std::string refusal;
  for (const Side side : {Side::image, Side::text}) {
    try {
      out.push_back(try_side(side));
    } catch (const Failed& failed) {
      if (std::string(failed.what()).find("the constructor threw InputError: ") != 0) throw;
      refusal = failed.what();
    }
  }
  if (out.empty()) throw Failed(refusal);
  return out;
}

}  // namespace detail

/// The properties of all components that are modules, without those of their kind.
/// @param some_input  see check_model_gradients.
inline std::vector<Property> module_properties(const Trials& trials, bool some_input) {
  using namespace detail;
  std::vector<Property> list = {
      {"finite", "No output is NaN or infinite, with padding and empty graphs in the batch.",
       "look for a softmax over nothing, a division by a count or norm that may be 0, a logarithm of 0",
       for_each_trial(trials, {}, check_model_finite)},
      {"inputs_unmodified", "Tensors that it is given are left as they were.",
       "no operations in place (names ending in _) on what forward was given",
       for_each_trial(trials, {}, check_model_inputs)},
      {"evaluation", "In evaluation mode the same input gives the same output, and nothing of the module changes.",
       "give dropout is_training(); update statistics in training alone",
       for_each_trial(trials, {}, check_model_evaluation)},
      {"training", "train() and eval() reach all of its modules, and it works in training mode.",
       "register submodules with register_module", for_each_trial(trials, {}, check_model_training)},
      {"dtype", "Dtype follows the tensors: in double it works and gives double.",
       "make new tensors with the options of those given: x.new_zeros, at::zeros(sizes, x.options())",
       for_each_trial(trials, {.dtype = at::kDouble},
                      [](const Trial& trial) {
                        for (const auto& [name, output] : run_for_values(trial))
                          if (output.is_floating_point() && output.scalar_type() != at::kDouble)
                            fail(trial.name, " in double: ", name, " has the type ",
                                 c10::toString(output.scalar_type()));
                      })},
      {"gradients", "Gradients reach every parameter, and what it reads.",
       "register parameters that are used and no others; nothing between input and output may be detached",
       for_each_trial(trials, {}, [some_input](const Trial& trial) { check_model_gradients(trial, some_input); })},
      {"finite_differences", "Gradients are those of the function: they agree with central differences in double.",
       "look for detach(), operations in place on saved tensors, and a backward() of your own",
       for_each_trial(trials, {.dtype = at::kDouble}, check_model_differences)},
      {"state", "Parameters, buffers and extra_state() are all that it has learnt.",
       "register every tensor that is learnt (register_parameter, register_buffer, register_module), and keep what is "
       "no tensor in extra_state()",
       [trials](const Subject& subject) { check_model_state(trials, subject); }}};
  for (Property& property :
       parameter_properties([trials](const Subject& subject) { return outputs_text(trials, subject); }))
    list.push_back(std::move(property));
  return list;
}

/// The properties of a kind and those of all modules: shapes and what every other rule builds on come first.
inline std::vector<Property> with_module_properties(std::vector<Property> own, const Trials& trials, bool some_input) {
  const auto is_named = [](const std::string& name) {
    return [name](const Property& property) { return property.name == name; };
  };
  std::vector<Property> all = module_properties(trials, some_input);
  auto place = std::find_if(own.begin(), own.end(), is_named("shapes"));
  if (place != own.end()) ++place;
  for (const char* early : {"finite", "inputs_unmodified", "evaluation"}) {
    const auto found = std::find_if(all.begin(), all.end(), is_named(early));
    place = own.insert(place, std::move(*found)) + 1;
    all.erase(found);
  }
  for (Property& property : all) own.push_back(std::move(property));
  return own;
}

}  // namespace orbweaver::testing
