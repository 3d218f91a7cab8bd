#include "framework/plugin/plugin_check.h"

#include <dlfcn.h>
#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <chrono>
#include <set>
#include <string_view>

#include "framework/model/conformance.h"
#include "framework/plugin/hosted.h"
#include "framework/plugin/plugin_host.h"
#include "orbweaver/error.h"
#include "orbweaver/testing/detector.h"
#include "orbweaver/testing/graph_builder.h"
#include "orbweaver/testing/reranker.h"

namespace orbweaver {
namespace fs = std::filesystem;
namespace {

using Clock = std::chrono::steady_clock;
using State = CheckStep::State;

/// What is said of a step that passed or failed.
struct Finding {
  State state = State::passed;
  std::string reason, mend;
};

Finding failed(std::string reason, std::string mend) { return {State::failed, std::move(reason), std::move(mend)}; }

/// The text without the file's name in front.
std::string without_file(const std::string& text, const fs::path& file) {
  const std::string name = file.string() + ": ";
  return text.starts_with(name) ? text.substr(name.size()) : text;
}

std::string component_name(const Component& component) { return component.kind + " " + component.id; }

// Keys that every component's object in a config has beside its parameters.
constexpr std::string_view reserved_names[] = {"use", "freeze", "lr_scale"};

bool is_snake_case(std::string_view name) {
  return !name.empty() && std::all_of(name.begin(), name.end(), [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '_';
  });
}

/// The value as the only one of the field, validated.
std::string problem_with(const Field& field, const Value& value) {
  Schema alone;
  alone.fields.push_back(field);
  Value object;
  object[field.name] = value;
  const std::vector<Problem> problems = validate(alone, object);
  return problems.empty() ? "" : problems.front().message;
}

Finding check_field(const std::string& kind, const std::string& prefix, const Field& field) {
  const std::string name = prefix + field.name;
  if (!is_snake_case(field.name))
    return failed(fmt::format("parameter \"{}\": expected a name of lower-case letters, digits and _", name),
                  "rename it in `describe`");
  const bool taken =
      std::find(std::begin(reserved_names), std::end(reserved_names), field.name) != std::end(reserved_names) ||
      (field.name == "weight" && (kind == "loss" || kind == "interaction")) ||
      (field.name == "shortlist" && kind == "interaction");
  if (prefix.empty() && taken)
    return failed(fmt::format("parameter \"{}\": configs use this key for something else", name),
                  "rename it in `describe`");
  if (field.doc.empty())
    return failed(fmt::format("parameter \"{}\" has no documentation", name),
                  "say in `describe` what it does, with its unit");
  const FieldType& type = field.type;
  if (type.base == FieldType::Base::enumeration && type.choices.empty())
    return failed(fmt::format("parameter \"{}\" is an enumeration without choices", name), "name its choices");
  if (type.minimum && type.maximum && *type.minimum > *type.maximum)
    return failed(fmt::format("parameter \"{}\" has the bounds [{}, {}]", name, *type.minimum, *type.maximum),
                  "give `range` the smaller bound first");
  if (!field.required)
    if (const std::string problem = problem_with(field, field.default_value); !problem.empty())
      return failed(fmt::format("parameter \"{}\": its default {}", name, problem),
                    "let the member's initialiser lie within the bounds that `describe` gives");
  for (const Value& value : field.tune)
    if (const std::string problem = problem_with(field, value); !problem.empty())
      return failed(fmt::format("parameter \"{}\": a value to tune over {}", name, problem), "correct `tune`");
  return {};
}

Finding check_schema(const std::string& kind, const Schema& schema, const std::string& prefix) {
  std::set<std::string_view> names;
  for (const Field& field : schema.fields) {
    if (!names.insert(field.name).second)
      return failed(fmt::format("parameter \"{}{}\" is described twice", prefix, field.name), "describe it once");
    if (Finding finding = check_field(kind, prefix, field); finding.state == State::failed) return finding;
    const Schema* inner = field.type.object ? field.type.object.get()
                          : field.type.item ? field.type.item->object.get()
                                            : nullptr;
    if (!inner) continue;
    if (Finding finding = check_schema(kind, *inner, prefix + field.name + "."); finding.state == State::failed)
      return finding;
  }
  return {};
}

std::vector<testing::Property> properties_of(const std::string& kind) {
  if (kind == "detector") return testing::detector_properties();
  if (kind == "graph_builder") return testing::graph_builder_properties();
  if (kind == "reranker") return testing::reranker_properties();
  return model_properties(kind);
}

/// One walk through the stages.
class Walk {
 public:
  Walk(const PluginCheckOptions& options, const CheckListener& listener) : options_(options), listener_(listener) {}

  bool run() {
    const bool file_is_good = step({.stage = "file"}, [&] { return check_file(); }) &&
                              step({.stage = "manifest"}, [&] { return check_manifest(); }) &&
                              step({.stage = "abi"}, [&] { return check_abi(); }) &&
                              step({.stage = "link"}, [&] { return check_link(); }) &&
                              step({.stage = "register"}, [&] { return check_registration(); });
    return file_is_good &&
           std::all_of(components_.begin(), components_.end(), [&](const Component* c) { return check(*c); });
  }

 private:
  /// @return whether to go on.
  template <class Check>
  bool step(CheckStep step, Check&& check) {
    listener_(step);
    const auto start = Clock::now();
    Finding finding;
    try {
      finding = check();
    } catch (const std::exception& error) {
      finding = failed(one_line(error.what()), "");
    } catch (...) {
      finding = failed("threw something that is no std::exception", "throw orbweaver::Error");
    }
    step.seconds = std::chrono::duration<double>(Clock::now() - start).count();
    step.state = finding.state;
    step.reason = std::move(finding.reason);
    step.mend = std::move(finding.mend);
    listener_(step);
    return step.state != State::failed;
  }

  Finding check_file() const {
    const fs::path& file = options_.file;
    const std::string name = file.filename().string();
    if (!fs::exists(file)) return failed("there is no such file", "build it, or correct the path");
    if (!name.starts_with("orbw_") || !name.ends_with(".so") || !is_snake_case(file.stem().string()))
      return failed(fmt::format("is named {}, expected orbw_NAME.so of lower-case letters, digits and _", name),
                    "rename the target: orbweaver_add_plugin(orbw_NAME ...)");
    try {
      read_shared_library(file);
    } catch (const InputError& error) {
      return failed(without_file(error.what(), file), "build it with orbweaver_add_plugin on this machine");
    }
    return {};
  }

  Finding check_manifest() {
    try {
      facts_ = read_plugin_facts(options_.file);
    } catch (const InputError& error) {
      return failed(without_file(error.what(), options_.file),
                    "put ORBWEAVER_PLUGIN(name, version, registrar) into one source");
    }
    const PluginManifest& manifest = facts_.manifest;
    return {State::passed,
            fmt::format("{} {}, SDK {}, {}, {}, {}", manifest.name, manifest.version, manifest.sdk_version(),
                        manifest.records_torch() ? "model plane, LibTorch " + manifest.torch_version() : "data plane",
                        manifest.compiler, manifest.standard_library),
            ""};
  }

  Finding check_abi() const {
    const HostFacts host = host_facts();
    const std::vector<Mismatch> mismatches = check_gate(facts_, host);
    if (mismatches.empty()) return {};
    const std::string text = without_file(refusal(facts_, host, mismatches), options_.file);
    const size_t mend = text.rfind("; ");  // "refused: what; what; rebuild it ..."
    return failed(text.substr(0, mend), text.substr(mend + 2));
  }

  /// The loader alone, so that what its static constructors do is told apart from what registration does.
  Finding check_link() {
    if (dlopen(options_.file.c_str(), RTLD_NOW | RTLD_LOCAL)) return {};
    try {
      host_.load(options_.file.string());
    } catch (const InputError& error) {
      return failed(without_file(error.what(), options_.file),
                    "link what is missing: LIBRARIES of orbweaver_add_plugin");
    }
    return {};
  }

  Finding check_registration() {
    try {
      host_.load(options_.file.string());
    } catch (const InputError& error) {
      return failed(without_file(error.what(), options_.file), "correct ORBWEAVER_PLUGIN's body");
    }
    std::vector<std::string> known;
    for (const Component& component : host_.plugins().back()->components) {
      known.push_back(component_name(component));
      if (options_.id.empty() || options_.id == component.id || options_.id == component.kind + "/" + component.id)
        components_.push_back(&component);
    }
    const std::string all = fmt::format("{}", fmt::join(known, ", "));
    if (components_.empty())
      return failed(fmt::format("has no component \"{}\"; it has {}", options_.id, all), "name one of these with --id");
    if (components_.size() > 1 && !options_.params.as_object().empty())
      return failed(fmt::format("has several components ({}), and parameters are for one", all),
                    "name it with --id, or KIND/ID");
    return {State::passed, all, ""};
  }

  bool check(const Component& component) {
    const std::string name = component_name(component);
    const testing::Subject subject{component, options_.params};
    const auto at = [&](const char* stage) { return CheckStep{.stage = stage, .component = name}; };
    if (!step(at("schema"), [&] { return check_schema(component.kind, component.parameters, ""); })) return false;
    if (!step(at("construct"), [&] { return check_construction(subject); })) return false;
    for (const testing::Property& property : properties_of(component.kind)) {
      CheckStep one = at("conformance");
      one.property = property.name;
      one.rule = property.statement;
      if (!step(std::move(one), [&] { return check_property(property, subject); })) return false;
    }
    return true;
  }

  static Finding check_construction(const testing::Subject& subject) {
    const Schema& schema = subject.component.parameters;
    Value missing = Value::object();
    for (const Field& field : schema.fields)
      if (field.required && !subject.params.find(field.name)) missing[field.name] = "...";
    if (!missing.as_object().empty())
      return failed("it cannot be made without its required parameters",
                    fmt::format("give them: --id {} --params '{}'", subject.component.id, brief(missing, 400)));
    if (const auto problems = validate(schema, subject.params); !problems.empty())
      return failed(fmt::format("{}: {}", problems.front().pointer, problems.front().message), "correct --params");
    const testing::Property made{"", "", "let the constructor work with its defaults; refuse by an InputError",
                                 [](const testing::Subject& s) {
                                   if (is_model_kind(s.component.kind)) return construct_model(s);
                                   if (!s.component.make(s.params, nullptr))
                                     testing::fail("the constructor made nothing");
                                 }};
    return check_property(made, subject);
  }

  static Finding check_property(const testing::Property& property, const testing::Subject& subject) {
    const testing::Verdict verdict = testing::judge(property, subject);
    if (verdict.state == testing::Verdict::State::fails) return failed(one_line(verdict.reason), property.mend);
    return {verdict.state == testing::Verdict::State::holds ? State::passed : State::skipped, verdict.reason, ""};
  }

  const PluginCheckOptions& options_;
  const CheckListener& listener_;
  PluginFacts facts_;
  PluginHost host_;
  std::vector<const Component*> components_;
};

}  // namespace

std::string CheckStep::where() const {
  std::string text = component.empty() ? stage : component + ": " + stage;
  return property.empty() ? text : text + ": " + property;
}

const char* state_name(CheckStep::State state) {
  switch (state) {
    case State::running: return "running";
    case State::passed: return "passed";
    case State::failed: return "failed";
    default: return "skipped";
  }
}

bool check_plugin_here(const PluginCheckOptions& options, const CheckListener& listener) {
  return Walk(options, listener).run();
}

}  // namespace orbweaver
