// JSON Schema of configs, for editors: completion, documentation on hover, red lines under mistakes.
#include <fmt/format.h>

#include "framework/config/walk.h"
#include "framework/plugin/plugin_host.h"

namespace orbweaver {
namespace {

Value schema_of_object(const Schema& schema);

Value schema_of_type(const FieldType& type) {
  using Base = FieldType::Base;
  Value out = Value::object();
  const char* name = nullptr;
  switch (type.base) {
    case Base::boolean: name = "boolean"; break;
    case Base::integer: name = "integer"; break;
    case Base::number: name = "number"; break;
    case Base::string:
    case Base::path:
    case Base::enumeration: name = "string"; break;
    case Base::list: name = "array"; break;
    case Base::object: out = schema_of_object(*type.object); break;
    case Base::any: return out;
  }
  if (name && type.nullable) {
    out["type"].push_back(name);
    out["type"].push_back("null");
  } else if (name) {
    out["type"] = Value(name);
  }
  if (type.base == Base::enumeration) {
    out["enum"] = Value::list();
    for (const std::string& choice : type.choices) out["enum"].push_back(choice);
    if (type.nullable) out["enum"].push_back(nullptr);
  }
  if (type.minimum) out["minimum"] = *type.minimum;
  if (type.maximum) out["maximum"] = *type.maximum;
  if (type.base == Base::list) {
    out["items"] = schema_of_type(*type.item);
    if (type.min_items > 0) out["minItems"] = static_cast<int64_t>(type.min_items);
  }
  return out;
}

Value schema_of_field(const Field& field) {
  Value out = schema_of_type(field.type);
  out["description"] = Value(field.doc);
  if (!field.required && !field.default_value.is_null()) out["default"] = field.default_value;
  return out;
}

Value schema_of_object(const Schema& schema) {
  Value out = Value::object();
  out["type"] = Value("object");
  out["properties"] = Value::object();
  for (const Field& field : schema.fields) out["properties"][field.name] = schema_of_field(field);
  out["additionalProperties"] = Value(false);
  return out;
}

/// A component object: free without `use` (a building block that another file completes), strict with it.
Value schema_of_place(const std::string& kind, const std::vector<const Component*>& components) {
  Value out = Value::object();
  out["type"].push_back("object");
  out["type"].push_back("null");
  out["properties"]["use"]["description"] = Value("Id of the " + kind);
  if (components.empty()) return out;
  Value ids = Value::list();
  for (const Component* component : components) {
    ids.push_back(component->id);
    Schema all = config::host_keys(kind);
    all.fields.insert(all.fields.end(), component->parameters.fields.begin(), component->parameters.fields.end());
    Value then = schema_of_object(all);
    then["description"] = Value(component->summary);
    Value rule = Value::object();
    rule["if"]["properties"]["use"]["const"] = Value(component->id);
    rule["if"]["required"].push_back("use");
    rule["then"] = std::move(then);
    out["allOf"].push_back(std::move(rule));
  }
  out["properties"]["use"]["enum"] = std::move(ids);
  return out;
}

}  // namespace

Value config_schema(PluginHost& plugins) {
  Value definitions = Value::object();
  const std::vector<PluginFile> files = plugins.list();
  for (const std::string& kind : component_kinds()) {
    std::vector<const Component*> components;
    for (const PluginFile& file : files)
      if (file.plugin)
        for (const Component& component : file.plugin->components)
          if (component.kind == kind) components.push_back(&component);
    definitions[kind] = schema_of_place(kind, components);
  }
  const auto reference = [](const std::string& kind) {
    Value out = Value::object();
    out["$ref"] = Value("#/$defs/" + kind);
    return out;
  };

  Value out = Value::object();
  out["$schema"] = Value("https://json-schema.org/draft/2020-12/schema");
  out["title"] = Value("Orbweaver config");
  const Value body = schema_of_object(schema_of<config::TopSection>());
  for (const auto& [key, value] : body.as_object()) out[key] = value;
  Value& properties = out["properties"];
  properties["$schema"]["type"] = Value("string");
  properties["extends"]["description"] = Value("Files this one builds on, relative to it; later wins");
  properties["extends"]["type"].push_back("string");
  properties["extends"]["type"].push_back("array");
  properties["extends"]["items"]["type"] = Value("string");
  Value& model = properties["model"]["properties"];
  for (const std::string side : {"image", "text"}) {
    Value& parts = model[side]["properties"];
    parts["encoder"] = reference(side + "_encoder");
    parts["graph"] = reference("graph_builder");
    parts["graph_encoder"] = reference("graph_encoder");
    if (side == "image")
      parts["detector"] = reference("detector");
    else
      parts.erase("detector");
  }
  model["fusion"] = reference("fusion");
  const auto one_or_many = [&](Value& property, const std::string& kind) {
    Value many = Value::object();
    many["type"] = Value("array");
    many["items"] = reference(kind);
    property["oneOf"].push_back(reference(kind));
    property["oneOf"].push_back(many);
  };
  one_or_many(model["interaction"], "interaction");
  properties["loss"]["type"] = Value("array");
  properties["loss"]["items"] = reference("loss");
  one_or_many(properties["rerank"], "reranker");
  out["$defs"] = std::move(definitions);
  return out;
}

}  // namespace orbweaver
