#include "framework/train/checkpoint.h"

#include <fmt/format.h>

#include "framework/io/json.h"
#include "orbweaver/error.h"

namespace orbweaver {
namespace {

constexpr const char* facts_key = "orbweaver.facts";
constexpr std::string_view extra_prefix = "extra.";

/// Names in the module tree have no slash.
bool is_model_tensor(const std::string& name) { return name.find('/') == std::string::npos; }

}  // namespace

void save_checkpoint(const std::filesystem::path& path, const Checkpoint& checkpoint) {
  TensorMap all = checkpoint.model;
  all.insert(checkpoint.training.begin(), checkpoint.training.end());
  std::map<std::string, std::string> metadata{{facts_key, to_json(checkpoint.facts, -1)}};
  for (const auto& [name, state] : checkpoint.extra) metadata[std::string(extra_prefix) + name] = state;
  save_tensors(path, all, metadata);
}

Checkpoint load_checkpoint(const std::filesystem::path& path) {
  const SafetensorsFile file(path);
  const auto facts = file.metadata().find(facts_key);
  if (facts == file.metadata().end())
    throw InputError(
        fmt::format("{}: is no checkpoint of Orbweaver: its metadata has no \"{}\"", path.string(), facts_key));
  file.require_checksum();
  Checkpoint out;
  out.facts = parse_json(facts->second, path.string());
  for (const auto& [key, state] : file.metadata())
    if (key.compare(0, extra_prefix.size(), extra_prefix) == 0) out.extra[key.substr(extra_prefix.size())] = state;
  for (auto& [name, tensor] : load_tensors(file)) (is_model_tensor(name) ? out.model : out.training)[name] = tensor;
  return out;
}

}  // namespace orbweaver
