// Rerankers that a user names on the command line: their ids and parameters, opened from plugins.
#pragma once

#include <filesystem>
#include <string>
#include <vector>

#include "framework/eval/evaluation.h"
#include "framework/plugin/plugin_host.h"
#include "orbweaver/value.h"

namespace orbweaver {

struct RerankerOptions {
  /// Each a component id, a JSON object {"use": id, parameter: value, ...}, or a .json file that holds one, itself or
  /// under "rerank": what `orbweaver rerank --tune` writes.
  std::vector<std::string> use;
  /// "name=value" for every reranker, "id.name=value" for those of that id; values are JSON, else strings.
  std::vector<std::string> set;
  std::vector<std::filesystem::path> plugin_folders;
};

struct NamedReranker {
  std::string id;
  Value params = Value::object();  ///< those that the user gave
  Value tuning;                    ///< the record that came with them (framework/eval/tune.h), or null
};

/// @throws InputError on malformed text, or a setting that no reranker takes.
std::vector<NamedReranker> named_rerankers(const RerankerOptions& options);

/// @throws InputError on a folder that does not exist.
PluginHost open_plugins(const RerankerOptions& options);

/// @throws InputError where it is not found or a parameter is wrong.
EvaluatedReranker open_reranker(PluginHost& host, const NamedReranker& named);

/// A text value as configs and --set read it: JSON, else a string.
Value read_setting(const std::string& text);

/// Name, version and hash of each plugin that was loaded.
Value plugins_record(const PluginHost& host);

}  // namespace orbweaver
