#include "framework/config/reference.h"

#include <fmt/format.h>

#include <algorithm>
#include <cctype>
#include <iterator>
#include <string_view>
#include <vector>

#include "framework/config/walk.h"
#include "framework/plugin/plugin_host.h"

namespace orbweaver {
namespace {

bool is_word(char c) { return std::isalnum(static_cast<unsigned char>(c)) != 0; }

/// Words of a description in a cell of a table. What stands between backticks is code already; elsewhere Markdown
/// would take some characters for markup, an underscore at the edge of a word alone.
std::string cell(std::string_view text) {
  std::string out;
  bool code = false;
  for (size_t i = 0; i < text.size(); ++i) {
    const char c = text[i];
    if (c == '`') code = !code;
    const bool edge = i == 0 || i + 1 == text.size() || !is_word(text[i - 1]) || !is_word(text[i + 1]);
    if (c == '|' || (!code && (c == '*' || c == '<' || (c == '_' && edge)))) out += '\\';
    out += c;
  }
  return out;
}

std::string code(std::string_view text) { return fmt::format("`{}`", text); }

/// "one of `adam`, `adamw`": words that a user types are set as code.
std::string type_text(const FieldType& type) {
  if (type.base == FieldType::Base::enumeration) {
    std::string words;
    for (const std::string& choice : type.choices) words += (words.empty() ? "" : ", ") + code(choice);
    return words + (type.nullable ? ", null" : "");
  }
  // A component's place takes any value as far as its section knows.
  return type.base == FieldType::Base::any ? "" : cell(describe_type(type));
}

std::string default_text(const Field& field) {
  if (field.required) return "required";
  if (field.type.base == FieldType::Base::any) return "";
  return code(brief(field.default_value, 200));
}

std::string meaning(const Field& field) {
  std::string text = cell(field.doc);
  if (!field.tune.empty()) text += fmt::format(". Tuned over {}", code(brief(Value(field.tune), 200)));
  return text;
}

constexpr std::string_view header = "| key | type | default | |\n|---|---|---|---|\n";

void add_row(std::string& out, const std::string& name, const Field& field) {
  fmt::format_to(std::back_inserter(out), "| {} | {} | {} | {} |\n", code(name), type_text(field.type),
                 default_text(field), meaning(field));
}

/// The rows of an object; a nested one's members follow it as "image.layers".
void add_rows(std::string& out, const Schema& schema, const std::string& prefix) {
  for (const Field& field : schema.fields) {
    const bool nested = field.type.base == FieldType::Base::object;
    if (nested) {
      fmt::format_to(std::back_inserter(out), "| {} | object | | {} |\n", code(prefix + field.name), meaning(field));
      add_rows(out, *field.type.object, prefix + field.name + ".");
      continue;
    }
    add_row(out, prefix + field.name, field);
    if (field.type.item && field.type.item->object)
      add_rows(out, *field.type.item->object, prefix + field.name + "[].");
  }
}

void add_section(std::string& out, const std::string& name, const std::string& doc, const Schema& schema);

/// The rows of a section, and after them the sections of the objects in it, whose names begin with `prefix`.
void add_keys(std::string& out, const std::string& prefix, const Schema& schema) {
  const auto is_object = [](const Field& field) { return field.type.base == FieldType::Base::object; };
  for (const Field& field : schema.fields) {
    if (is_object(field))
      fmt::format_to(std::back_inserter(out), "| {} | object | | {}, see below |\n", code(field.name), meaning(field));
    else
      add_row(out, field.name, field);
  }
  for (const Field& field : schema.fields)
    if (is_object(field)) add_section(out, prefix + field.name, field.doc, *field.type.object);
}

void add_section(std::string& out, const std::string& name, const std::string& doc, const Schema& schema) {
  fmt::format_to(std::back_inserter(out), "\n### {}\n\n{}.\n\n{}", name, cell(doc), header);
  add_keys(out, name + ".", schema);
}

void add_config(std::string& out) {
  out +=
      "## The config\n\n"
      "The type of a component's place is left open: an object with `use`, whose keys are in the tables further "
      "down.\n\n";
  out += header;
  out += "| `extends` | string or list of string | `[]` | Files this one builds on, relative to it; later wins |\n";
  add_keys(out, "", schema_of<config::TopSection>());
}

struct KindPlace {
  const char *kind, *places;
};
/// In the order of the data's way through a model.
constexpr KindPlace kind_places[] = {{"image_encoder", "`/model/image/encoder`"},
                                     {"text_encoder", "`/model/text/encoder`"},
                                     {"detector", "`/model/image/detector`"},
                                     {"graph_builder", "`/model/image/graph` and `/model/text/graph`"},
                                     {"graph_encoder", "`/model/image/graph_encoder` and `/model/text/graph_encoder`"},
                                     {"fusion", "`/model/fusion`"},
                                     {"interaction", "`/model/interaction`, one or a list"},
                                     {"loss", "`/loss`, a list"},
                                     {"reranker", "`/rerank`, one or a list"}};

void add_host_keys(std::string& out) {
  out +=
      "\n## Keys of every component\n\n"
      "Beside a component's own parameters its object takes these:\n\n";
  out += header;
  add_rows(out, schema_of<ComponentKeys>(), "");
  for (const KindPlace& place : kind_places) {
    Schema more = config::host_keys(place.kind);
    std::erase_if(more.fields, [common = schema_of<ComponentKeys>()](const Field& field) {
      return common.find(field.name) != nullptr;
    });
    if (more.fields.empty()) continue;
    fmt::format_to(std::back_inserter(out), "\nOne of kind {} takes these as well:\n\n{}", place.kind, header);
    for (const Field& field : more.fields) add_row(out, field.name, field);
  }
}

struct Shipped {
  const Component* component;
  std::string stem;
};

std::vector<Shipped> shipped_of(const std::string& kind, const PluginHost& plugins,
                                const std::vector<PluginFile>& files) {
  std::vector<Shipped> out;
  for (const PluginFile& file : files) {
    if (!file.ok() || file.file.parent_path() != plugins.folders().back()) continue;
    for (const Component& component : file.plugin->components)
      if (component.kind == kind) out.push_back({&component, file.stem});
  }
  std::sort(out.begin(), out.end(),
            [](const Shipped& a, const Shipped& b) { return a.component->id < b.component->id; });
  return out;
}

void add_component(std::string& out, const Shipped& shipped) {
  const Component& component = *shipped.component;
  fmt::format_to(std::back_inserter(out), "\n### {} {}\n\n{}.", component.kind, component.id, cell(component.summary));
  if (shipped.stem != component.id)
    fmt::format_to(std::back_inserter(out), " In the plugin `{0}`: a config names `\"{0}\"` in its `plugins`.",
                   shipped.stem);
  if (component.parameters.fields.empty()) {
    out += " It has no parameters.\n";
    return;
  }
  out += "\n\n";
  out += header;
  add_rows(out, component.parameters, "");
}

}  // namespace

std::string config_reference(PluginHost& plugins) {
  std::string out =
      "# Config reference\n\n"
      "Every key of a config and every component that ships, with types, bounds, defaults and meanings. This page is "
      "what\n"
      "`orbweaver manual config` prints, made of the descriptions that configs are checked against; it is not written "
      "by\n"
      "hand. [configs.md](configs.md) tells how files extend one another and what the sections are for.\n"
      "`orbweaver plugins describe KIND/ID` prints a component's part, of plugins of your own too.\n\n"
      "Bounds are inclusive. A path is relative to the file that wrote it.\n\n";
  add_config(out);
  add_host_keys(out);
  const std::vector<PluginFile> files = plugins.list();
  for (const KindPlace& place : kind_places) {
    fmt::format_to(std::back_inserter(out), "\n## {}\n\nAt {}.\n", place.kind, place.places);
    for (const Shipped& shipped : shipped_of(place.kind, plugins, files)) add_component(out, shipped);
  }
  return out;
}

}  // namespace orbweaver
