#include "framework/train/checkpoint.h"

#include <fmt/format.h>

#include "framework/io/json.h"
#include "orbweaver/error.h"

namespace orbweaver {
namespace {

constexpr const char* facts_key = "orbweaver.facts";
constexpr std::string_view extra_prefix = "extra.";
constexpr std::string_view optimizer_prefix = "optimizer/";

}  // namespace

void save_checkpoint(const std::filesystem::path& path, const Checkpoint& checkpoint) {
  TensorMap all = checkpoint.model;
  all.insert(checkpoint.optimizer.begin(), checkpoint.optimizer.end());
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
  Checkpoint out;
  out.facts = parse_json(facts->second, path.string());
  for (const auto& [key, state] : file.metadata())
    if (key.compare(0, extra_prefix.size(), extra_prefix) == 0) out.extra[key.substr(extra_prefix.size())] = state;
  for (auto& [name, tensor] : load_tensors(file))
    (name.compare(0, optimizer_prefix.size(), optimizer_prefix) == 0 ? out.optimizer : out.model)[name] = tensor;
  return out;
}

}  // namespace orbweaver
