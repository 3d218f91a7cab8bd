#include "framework/plugin/settings.h"

#include <fmt/format.h>

#include <utility>

#include "framework/io/json.h"
#include "orbweaver/error.h"

namespace orbweaver {
namespace {

/// A bare word is a string, as everywhere in configs.
Value json_or_text(const std::string& text) {
  try {
    return parse_json(text, "");
  } catch (const InputError&) {
    return Value(text);
  }
}

}  // namespace

Value read_settings(const std::string& option, const std::vector<std::string>& settings, const Schema& schema) {
  Value params = Value::object();
  for (const std::string& text : settings) {
    const size_t equals = text.find('=');
    if (equals == std::string::npos || equals == 0)
      throw InputError(fmt::format("{} {}: expected NAME=VALUE", option, text));
    const std::string name = text.substr(0, equals), value = text.substr(equals + 1);
    const Field* field = schema.find(name);
    if (field && field->type.base == FieldType::Base::path && !value.empty())
      params[name] = std::filesystem::absolute(value).lexically_normal().string();
    else
      params[name] = json_or_text(value);
  }
  return params;
}

PluginHost host_searching(const std::vector<std::filesystem::path>& folders) {
  PluginHost::Options options;
  for (const std::filesystem::path& folder : folders) {
    if (!std::filesystem::is_directory(folder))
      throw InputError(fmt::format("--plugin-path {}: is no folder", folder.string()));
    options.search_paths.push_back(std::filesystem::absolute(folder));
  }
  return PluginHost(std::move(options));
}

}  // namespace orbweaver
