// orbweaver plugins list|describe
#include <fmt/format.h>
#include <fmt/ranges.h>

#include <CLI/CLI.hpp>
#include <filesystem>
#include <memory>
#include <string>
#include <vector>

#include "framework/cli/command.h"
#include "framework/cli/print.h"
#include "framework/plugin/hosted.h"
#include "framework/plugin/plugin_host.h"
#include "framework/plugin/settings.h"
#include "orbweaver/error.h"

namespace orbweaver {
namespace fs = std::filesystem;
namespace {

struct PluginsOptions {
  std::vector<fs::path> folders;
  std::string component;
  bool json = false;
};

std::string plane_of(const PluginManifest& manifest) {
  return manifest.records_torch() ? "model plane, LibTorch " + manifest.torch_version() : "data plane";
}

Value manifest_value(const PluginManifest& manifest) {
  Value value;
  value["name"] = manifest.name;
  value["version"] = manifest.version;
  value["sdk"] = manifest.sdk_version();
  value["plane"] = manifest.records_torch() ? "model" : "data";
  value["torch"] = manifest.records_torch() ? Value(manifest.torch_version()) : Value();
  value["cxx11_abi"] = manifest.cxx11_abi != 0;
  value["glibcxx_debug"] = manifest.glibcxx_debug;
  value["address_sanitizer"] = manifest.address_sanitizer;
  value["thread_sanitizer"] = manifest.thread_sanitizer;
  value["compiler"] = manifest.compiler;
  value["standard_library"] = manifest.standard_library;
  return value;
}

Value file_value(const PluginFile& file) {
  Value value;
  value["name"] = file.stem;
  value["file"] = file.file.string();
  value["ok"] = file.ok();
  value["status"] = file.status;
  value["manifest"] = file.manifest ? manifest_value(*file.manifest) : Value();
  value["hash"] = file.ok() ? Value(file.plugin->hash) : Value();
  value["components"] = Value::list();
  if (!file.ok()) return value;
  for (const Component& component : file.plugin->components) {
    Value entry;
    entry["kind"] = component.kind;
    entry["id"] = component.id;
    entry["summary"] = component.summary;
    value["components"].push_back(std::move(entry));
  }
  return value;
}

void print_file(const PluginFile& file) {
  print_out("{}{} {}\n", file.stem, file.manifest ? " " + file.manifest->version : "", file.ok() ? "ok" : "REFUSED");
  print_out("  {}\n", file.file.string());
  if (file.manifest)
    print_out("  SDK {}, {}, {}, {}\n", file.manifest->sdk_version(), plane_of(*file.manifest), file.manifest->compiler,
              file.manifest->standard_library);
  if (!file.ok()) return print_out("  {}\n", file.status);
  for (const Component& component : file.plugin->components)
    print_out("  {:<14} {:<16} {}\n", component.kind, component.id, component.summary);
}

void list_plugins(const PluginsOptions& options) {
  const PluginHost host = host_searching(options.folders);
  const std::vector<PluginFile> files = host.list();
  if (options.json) {
    Value value = Value::list();
    for (const PluginFile& file : files) value.push_back(file_value(file));
    return print_json(value);
  }
  for (const PluginFile& file : files) print_file(file);
  if (!files.empty()) return;
  std::vector<std::string> folders;
  for (const fs::path& folder : host.folders()) folders.push_back(folder.string());
  print_out("no plugins (orbw_*.so) in {}\n", fmt::join(folders, ", "));
}

/// A component with the plugin that it is in.
struct Described {
  const Component* component;
  const LoadedPlugin* plugin;
};

Described find_component(const PluginHost& host, const std::string& name) {
  std::vector<std::string> known;
  for (const PluginFile& file : host.list()) {
    if (!file.ok()) continue;
    for (const Component& component : file.plugin->components) {
      known.push_back(component.kind + "/" + component.id);
      if (known.back() == name) return {&component, file.plugin};
    }
  }
  for (const std::string& candidate : known)
    if (candidate.ends_with("/" + name))
      throw InputError(fmt::format("component \"{}\": expected KIND/ID; did you mean \"{}\"?", name, candidate));
  const std::string near = nearest_name(name, known);
  throw InputError(fmt::format(
      "component \"{}\": there is none; {}", name,
      near.empty() ? fmt::format("known are {}", fmt::join(known, ", ")) : fmt::format("did you mean \"{}\"?", near)));
}

/// Whether a graph builder with its default parameters makes graphs of that side; not known of one that needs some.
bool serves(const Component& component, Side side) {
  PluginHost host;
  host.load(PluginHost::plugin_of(component).file.string());
  try {
    const Hosted<GraphBuilder> builder = create<GraphBuilder>(host, component.id, Value::object(), nullptr, "");
    return builder.call("serves", [side](GraphBuilder& made) { return made.serves(side); });
  } catch (const Error&) {
    return false;
  }
}

/// Where a component stands in a config.
std::string place_of(const Component& component) {
  const std::string& kind = component.kind;
  if (kind == "detector") return "/model/image/detector";
  if (kind == "graph_builder")
    return serves(component, Side::text) && !serves(component, Side::image) ? "/model/text/graph"
                                                                            : "/model/image/graph";
  if (kind == "image_encoder") return "/model/image/encoder";
  if (kind == "text_encoder") return "/model/text/encoder";
  if (kind == "graph_encoder") return "/model/image/graph_encoder";
  if (kind == "loss") return "/loss/0";
  if (kind == "reranker") return "/rerank";
  return "/model/" + kind;
}

/// A value of the field for the example: its default, or a word that says what belongs there.
Value example_value(const Field& field) {
  if (!field.required) return field.default_value;
  switch (field.type.base) {
    case FieldType::Base::boolean: return false;
    case FieldType::Base::integer:
    case FieldType::Base::number: return Value(field.type.minimum.value_or(1));
    case FieldType::Base::list: return Value::list();
    case FieldType::Base::object: return with_defaults(*field.type.object, Value::object());
    case FieldType::Base::enumeration:
      return field.type.choices.empty() ? Value("") : Value(field.type.choices.front());
    default: return "...";
  }
}

Value example_of(const Component& component) {
  Value value;
  value["use"] = component.id;
  for (const Field& field : component.parameters.fields)
    if (const Value example = example_value(field); !example.is_null()) value[field.name] = example;
  return value;
}

Value schema_value(const Schema& schema);

Value type_value(const FieldType& type) {
  static const char* names[] = {"boolean", "integer", "number", "string", "enumeration",
                                "path",    "list",    "object", "any"};
  Value value;
  value["base"] = names[static_cast<size_t>(type.base)];
  value["text"] = describe_type(type);
  if (type.nullable) value["nullable"] = true;
  if (type.minimum) value["minimum"] = *type.minimum;
  if (type.maximum) value["maximum"] = *type.maximum;
  for (const std::string& choice : type.choices) value["choices"].push_back(choice);
  if (type.min_items > 0) value["min_items"] = static_cast<int64_t>(type.min_items);
  if (type.item) value["item"] = type_value(*type.item);
  if (type.object) value["parameters"] = schema_value(*type.object);
  return value;
}

Value schema_value(const Schema& schema) {
  Value list = Value::list();
  for (const Field& field : schema.fields) {
    Value entry;
    entry["name"] = field.name;
    entry["type"] = type_value(field.type);
    entry["required"] = field.required;
    entry["default"] = field.required ? Value() : field.default_value;
    entry["doc"] = field.doc;
    if (!field.tune.empty()) entry["tune"] = Value(field.tune);
    list.push_back(std::move(entry));
  }
  return list;
}

void print_schema(const Schema& schema, const std::string& prefix) {
  for (const Field& field : schema.fields) {
    print_out("  {}{}: {}, {}\n", prefix, field.name, describe_type(field.type),
              field.required ? "required" : "default " + brief(field.default_value));
    if (!field.doc.empty()) print_out("      {}\n", field.doc);
    if (!field.tune.empty()) print_out("      values to tune over: {}\n", brief(Value(field.tune), 200));
    if (field.type.object) print_schema(*field.type.object, prefix + field.name + ".");
    if (field.type.item && field.type.item->object) print_schema(*field.type.item->object, prefix + field.name + "[].");
  }
}

void describe_component(const PluginsOptions& options) {
  const PluginHost host = host_searching(options.folders);
  const auto [component, plugin] = find_component(host, options.component);
  const Value example = example_of(*component);
  if (options.json) {
    Value value;
    value["kind"] = component->kind;
    value["id"] = component->id;
    value["summary"] = component->summary;
    value["plugin"]["name"] = plugin->manifest.name;
    value["plugin"]["version"] = plugin->manifest.version;
    value["plugin"]["file"] = plugin->file.string();
    value["parameters"] = schema_value(component->parameters);
    value["example"]["pointer"] = place_of(*component);
    value["example"]["value"] = example;
    return print_json(value);
  }
  print_out("{} {}: {}\n", component->kind, component->id, component->summary);
  print_out("plugin {} {} ({})\n\n", plugin->manifest.name, plugin->manifest.version, plugin->file.string());
  if (component->parameters.fields.empty())
    print_out("It has no parameters.\n");
  else
    print_out("Parameters:\n");
  print_schema(component->parameters, "");
  print_out("\nIn a config, at {}:\n  {}\n", place_of(*component), brief(example, 1000));
  if (plugin->stem != component->id) print_out("with \"{}\" in its \"plugins\"\n", plugin->stem);
}

void add_common_options(CLI::App* command, const std::shared_ptr<PluginsOptions>& options) {
  command->add_option("--plugin-path", options->folders, "Folder searched before all others (repeatable)")
      ->type_name("DIR")
      ->allow_extra_args(false);
  command->add_flag("--json", options->json, "Print JSON");
}

}  // namespace

void add_plugins_command(CLI::App& app, CommandContext& context) {
  CLI::App* command = app.add_subcommand("plugins", "What plugins there are and what they take");
  command->require_subcommand(1);
  const auto options = std::make_shared<PluginsOptions>();

  CLI::App* list = command->add_subcommand("list", "Every plugin file found, and why one is not used");
  add_common_options(list, options);
  list->footer("Example:\n  orbweaver plugins list --json");
  list->callback([options] { list_plugins(*options); });

  CLI::App* describe = command->add_subcommand("describe", "The parameters of a component");
  describe->add_option("component", options->component, "KIND/ID")->required();
  add_common_options(describe, options);
  describe->footer("Example:\n  orbweaver plugins describe reranker/multivariate");
  describe->callback([options] { describe_component(*options); });

  add_plugins_new_command(*command);
  add_plugins_check_command(*command, context);
}

}  // namespace orbweaver
