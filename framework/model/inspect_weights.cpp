#include "framework/model/inspect_weights.h"

#include <ATen/ATen.h>
#include <fmt/format.h>

#include <iostream>
#include <sstream>
#include <string_view>

#include "framework/plugin/hosted.h"
#include "orbweaver/detector.h"
#include "orbweaver/error.h"
#include "orbweaver/torch/image_encoder.h"
#include "orbweaver/torch/text_encoder.h"
#include "orbweaver/torch/weights.h"

namespace orbweaver {
namespace {

namespace fs = std::filesystem;

/// Takes what components print, until it is destroyed.
class CapturedLog {
 public:
  CapturedLog() : before_(std::clog.rdbuf(text_.rdbuf())) {}
  ~CapturedLog() { std::clog.rdbuf(before_); }
  CapturedLog(const CapturedLog&) = delete;
  CapturedLog& operator=(const CapturedLog&) = delete;
  std::string text() const { return text_.str(); }

 private:
  std::ostringstream text_;
  std::streambuf* before_;
};

void count_tensors(const fs::path& file, WeightsInspection& out) {
  StateDict weights;
  try {
    weights = read_state_dict(file);
  } catch (const InputError& error) {
    out.not_tensors = error.what();
    return;
  }
  std::map<std::string, WeightsInspection::Group> groups;
  for (const auto& [name, tensor] : weights) {
    ++out.tensors;
    out.values += tensor.numel();
    out.bytes += static_cast<int64_t>(tensor.nbytes());
    ++out.dtypes[c10::toString(tensor.scalar_type())];
    WeightsInspection::Group& group = groups[name.substr(0, name.find('.'))];
    ++group.tensors;
    group.values += tensor.numel();
  }
  for (auto& [name, group] : groups) {
    group.name = name;
    out.groups.push_back(std::move(group));
  }
}

/// Builds the component and loads the weights. @throws what it throws.
Widths load(const Component& component, const Value& params, PluginHost& plugins) {
  Inputs inputs;
  inputs.embed_dim = 512;
  const auto fitted = [&]<class I>(Side side, I*) {
    inputs.side = side;
    const Hosted<I> encoder = create<I>(plugins, component.id, params, &inputs, "");
    encoder.call("fit", [](I& made) { made.fit({}); });
    return encoder.get().outputs();
  };
  if (component.kind == ImageEncoder::kind) return fitted(Side::image, static_cast<ImageEncoder*>(nullptr));
  if (component.kind == TextEncoder::kind) return fitted(Side::text, static_cast<TextEncoder*>(nullptr));
  create<Detector>(plugins, component.id, params, nullptr, "");
  return {};
}

/// The component's own words: without the host's beginning ("KIND ID (LIBRARY): CALL: ") and the name of the file,
/// which are known here.
std::string own_words(std::string text, const fs::path& file) {
  for (const char* call : {".so): constructor: ", ".so): fit: "})
    if (const size_t at = text.find(call); at != std::string::npos) text.erase(0, at + std::string_view(call).size());
  if (const std::string name = file.string() + ": "; text.starts_with(name)) text.erase(0, name.size());
  return text;
}

/// The parameter that takes the file; null where the component reads none.
const Field* file_parameter(const Component& component) {
  const std::string& kind = component.kind;
  if (kind != ImageEncoder::kind && kind != TextEncoder::kind && kind != Detector::kind) return nullptr;
  const auto path_named = [&](const char* name) {
    const Field* field = component.parameters.find(name);
    return field && field->type.base == FieldType::Base::path ? field : nullptr;
  };
  if (const Field* weights = path_named("weights")) return weights;
  const Field* file = path_named("file");
  return file && file->required ? file : nullptr;
}

/// What the component requires beside its file: "`vocabulary`"; empty where that is nothing.
std::string further_requirements(const Component& component, const Field& takes_file) {
  std::string names;
  for (const Field& field : component.parameters.fields)
    if (field.required && field.name != takes_file.name)
      names += fmt::format("{}`{}`", names.empty() ? "" : ", ", field.name);
  return names;
}

/// Parameter sets to try: the file alone, then each suggested value of each other parameter.
std::vector<Value> attempts(const Component& component, const Field& takes_file, const fs::path& file) {
  Value params;
  params[takes_file.name] = file.string();
  std::vector<Value> out = {params};
  for (const Field& field : component.parameters.fields)
    for (const Value& value : field.tune) {
      out.push_back(params);
      out.back()[field.name] = value;
    }
  return out;
}

WeightsInspection::Candidate try_component(const Component& component, const Field& takes_file, const fs::path& file,
                                           PluginHost& plugins) {
  WeightsInspection::Candidate out;
  out.plugin = PluginHost::plugin_of(component).stem;
  out.kind = component.kind;
  out.id = component.id;
  if (const std::string more = further_requirements(component, takes_file); !more.empty()) {
    out.refusal = fmt::format("not tried: beside `{}` it requires {}", takes_file.name, more);
    return out;
  }
  for (const Value& params : attempts(component, takes_file, file)) {
    std::string refusal;
    const CapturedLog log;
    try {
      out.widths = load(component, params, plugins);
    } catch (const Error& error) {
      refusal = own_words(error.what(), file);
    }
    if (!refusal.empty()) {
      if (out.refusal.empty()) out.refusal = refusal;
      continue;
    }
    out.refusal.clear();
    out.notes = log.text();
    out.params["use"] = component.id;
    for (const auto& [name, value] : params.as_object()) out.params[name] = value;
    break;
  }
  return out;
}

}  // namespace

WeightsInspection inspect_weights(const fs::path& file, PluginHost& plugins) {
  if (!fs::is_regular_file(file)) throw InputError(fmt::format("{}: is no file", file.string()));
  const fs::path absolute = fs::absolute(file);
  WeightsInspection out;
  count_tensors(absolute, out);
  for (const PluginFile& plugin : plugins.list()) {
    if (!plugin.ok()) continue;
    for (const Component& component : plugin.plugin->components) {
      const Field* takes_file = file_parameter(component);
      if (!takes_file) continue;
      plugins.load(plugin.stem);
      out.candidates.push_back(try_component(component, *takes_file, absolute, plugins));
    }
  }
  return out;
}

Value inspection_value(const WeightsInspection& inspection) {
  Value value;
  value["tensors"] = inspection.tensors;
  value["values"] = inspection.values;
  value["bytes"] = inspection.bytes;
  value["not_tensors"] = inspection.not_tensors.empty() ? Value() : Value(inspection.not_tensors);
  value["dtypes"] = Value::object();
  for (const auto& [name, count] : inspection.dtypes) value["dtypes"][name] = count;
  value["groups"] = Value::list();
  for (const auto& group : inspection.groups) {
    Value entry;
    entry["name"] = group.name;
    entry["tensors"] = group.tensors;
    entry["values"] = group.values;
    value["groups"].push_back(std::move(entry));
  }
  value["fits"] = Value::list();
  value["refused"] = Value::list();
  for (const auto& candidate : inspection.candidates) {
    Value entry;
    entry["kind"] = candidate.kind;
    entry["id"] = candidate.id;
    if (!candidate.refusal.empty()) {
      entry["reason"] = candidate.refusal;
      value["refused"].push_back(std::move(entry));
      continue;
    }
    entry["plugin"] = candidate.plugin;
    entry["config"] = candidate.params;
    entry["global"] = candidate.widths.global;
    entry["tokens"] = candidate.widths.tokens;
    entry["notes"] = candidate.notes;
    value["fits"].push_back(std::move(entry));
  }
  return value;
}

}  // namespace orbweaver
