#include "framework/sweep/identity.h"

#include <fmt/format.h>

#include <algorithm>

#include "framework/cache/file_hashes.h"
#include "framework/eval/abilities.h"
#include "framework/io/files.h"
#include "framework/io/json.h"
#include "framework/model/libtorch_version.h"
#include "framework/plugin/plugin_host.h"
#include "framework/version.h"
#include "orbweaver/error.h"

namespace orbweaver {
namespace fs = std::filesystem;
namespace {

/// Every component that is trained, or makes what is trained on.
std::vector<const ComponentConfig*> trained_components(const Config& config) {
  std::vector<const ComponentConfig*> out;
  for (const SideConfig* side : {&config.image, &config.text})
    for (const auto* part : {&side->encoder, &side->detector, &side->graph, &side->graph_encoder})
      if (*part) out.push_back(&**part);
  if (config.fusion) out.push_back(&*config.fusion);
  for (const ComponentConfig& interaction : config.interactions) out.push_back(&interaction);
  for (const ComponentConfig& loss : config.losses) out.push_back(&loss);
  return out;
}

/// Replaces the paths in a component's parameters by null and puts what counts of them into `files`.
void hash_paths(const Schema& schema, Value& params, const std::string& pointer, ContentHashes& hashes, Value& files) {
  replace_paths(schema, params, pointer, [&](const std::string& at, const fs::path& path) {
    files[at.substr(1)] = Value(hashes.of_path(path));
    return Value();
  });
}

Value* place_of(Value& value, const std::string& pointer) {
  Value* place = &value;
  for (size_t begin = 1; place && begin < pointer.size();) {
    const size_t end = std::min(pointer.find('/', begin), pointer.size());
    const std::string part = pointer.substr(begin, end - begin);
    place = place->is_list() ? &place->as_list().at(std::stoul(part)) : place->find(part);
    begin = end + 1;
  }
  return place;
}

/// The resolved config without what changes no trained weight; paths become
/// hashes in `files`.
Value trained_config(const Config& config, PluginHost& plugins, ContentHashes& hashes, Value& files) {
  Value out = config.resolved;
  for (const char* key : {"name", "output", "cache", "dataset", "rerank", "plugins", "plugin_paths"}) out.erase(key);
  if (config.dataset.skip_broken) out["skip_broken"] = true;
  for (const char* key : {"checkpoint_every", "tensorboard", "workers"}) out["train"].erase(key);
  if (!config.synonyms.empty()) files["model/synonyms"] = Value(hashes.of_path(config.synonyms));
  out["model"].erase("synonyms");
  for (const ComponentConfig* part : trained_components(config))
    if (Value* place = place_of(out, part->pointer))
      hash_paths(plugins.find(part->kind, part->id).parameters, *place, part->pointer, hashes, files);
  return out;
}

std::string hash_of_triples(const TripleTable& table) {
  Hasher hasher;
  for (const auto& [text, triples] : table) {
    hasher.add(std::string_view(text));
    for (const Triple& triple : triples)
      hasher.add(std::string_view(triple.subject))
          .add(std::string_view(triple.relation))
          .add(std::string_view(triple.object));
  }
  return hasher.hex();
}

bool is_hash(const Value& value) {
  return value.is_string() && value.as_string().size() == 32 &&
         value.as_string().find_first_not_of("0123456789abcdef") == std::string::npos;
}
std::string shown(const Value& value) {
  if (is_hash(value)) return value.as_string().substr(0, 8);
  const Value* use = value.find("use");
  if (use && use->is_string()) return use->as_string();
  if (!value.is_list() || value.as_list().empty() || !value.as_list()[0].find("use")) return brief(value, 40);
  std::string components;
  for (const Value& item : value.as_list()) components += (components.empty() ? "" : ", ") + shown(item);
  return "[" + components + "]";
}

}  // namespace

fs::path hash_records(const Config& config, const fs::path& sweep_folder) {
  return config.cache.empty() ? sweep_folder / "hashes" : ContentHashes::records_in(config.cache);
}

const Value& Identifier::data(const Config& config) {
  const std::string key = to_json(config.resolved.at("dataset"), -1);
  const auto known = data_.find(key);
  if (known != data_.end()) return known->second;
  const Dataset dataset = load_dataset(config.dataset);
  Hasher splits;
  std::vector<std::pair<std::string, fs::path>> images, detections;
  for (const Split* split : {&dataset.train, &dataset.val, &dataset.test}) {
    splits.add(std::string_view(split->name)).add(std::string_view(split->hash()));
    for (const ImageRecord& image : split->images) {
      images.emplace_back(image.name, image.file);
      if (!image.detections.empty()) detections.emplace_back(image.name, image.detections);
    }
  }
  Value out = Value::object();
  out["splits"] = Value(splits.hex());
  out["images"] = Value(hashes_.of_labelled(images));
  out["detections"] = Value(hashes_.of_labelled(detections));
  out["triples"] = Value(hash_of_triples(dataset.triples));
  return data_[key] = out;
}

Value Identifier::training(const Config& config, PluginHost& plugins) {
  Value files = Value::object();
  Value out = Value::object();
  out["format"] = 1;
  out["orbweaver"] = Value(ORBWEAVER_VERSION);
  out["libtorch"] = Value(libtorch_version().text);
  out["config"] = trained_config(config, plugins, hashes_, files);
  out["files"] = std::move(files);
  out["data"] = data(config);
  std::map<std::string, std::string> used;
  for (const ComponentConfig* part : trained_components(config)) {
    const LoadedPlugin& plugin = PluginHost::plugin_of(plugins.find(part->kind, part->id));
    used[plugin.stem] = plugin.hash;
  }
  out["plugins"] = Value::object();
  for (const auto& [stem, hash] : used) out["plugins"][stem] = Value(hash);
  return out;
}

Value Identifier::evaluation(const Config& config, PluginHost& plugins, const std::string& training,
                             const std::string& split) {
  Value out = Value::object();
  out["training"] = Value(training);
  out["split"] = Value(split);
  if (const fs::path pairs = abilities_file(config.dataset.root); fs::exists(pairs))
    out["abilities"] = Value(hashes_.of_path(pairs));
  out["rerank"] = Value::list();
  for (const ComponentConfig& part : config.rerankers) {
    Value entry = Value::object();
    entry["use"] = Value(part.id);
    Value params = part.params;
    Value files = Value::object();
    const Component& component = plugins.find(part.kind, part.id);
    hash_paths(component.parameters, params, part.pointer, hashes_, files);
    entry["parameters"] = std::move(params);
    entry["files"] = std::move(files);
    entry["keys"] = part.keys;
    entry["plugin"] = Value(PluginHost::plugin_of(component).hash);
    out["rerank"].push_back(std::move(entry));
  }
  return out;
}

std::string hash_value(const Value& value) { return hash_text(to_json(value, -1)); }

std::vector<std::string> value_differences(const Value& before, const Value& after, const std::string& pointer) {
  if (before == after) return {};
  const Value* old_use = before.find("use");
  const Value* new_use = after.find("use");
  const bool other_component = old_use && new_use && !(*old_use == *new_use);
  const bool lists = before.is_list() && after.is_list() && before.as_list().size() == after.as_list().size();
  std::vector<std::string> out;
  const auto descend = [&](const Value& a, const Value& b, const std::string& part) {
    const auto inner = value_differences(a, b, pointer + "/" + part);
    out.insert(out.end(), inner.begin(), inner.end());
  };
  if (lists) {
    for (size_t i = 0; i < before.as_list().size(); ++i)
      descend(before.as_list()[i], after.as_list()[i], fmt::format("{}", i));
    return out;
  }
  if (!before.is_object() || !after.is_object() || other_component) {
    const std::string old_text = before.is_null() ? "none" : shown(before);
    out.push_back(fmt::format("{}: {} -> {}", pointer, old_text, after.is_null() ? "none" : shown(after)));
    return out;
  }
  const Value absent;
  for (const auto& [key, value] : before.as_object()) {
    const Value* other = after.find(key);
    descend(value, other ? *other : absent, key);
  }
  for (const auto& [key, value] : after.as_object())
    if (!before.find(key)) descend(absent, value, key);
  return out;
}

}  // namespace orbweaver
