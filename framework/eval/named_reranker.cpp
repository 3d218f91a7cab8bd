#include "framework/eval/named_reranker.h"

#include <fmt/format.h>

#include "framework/io/json.h"
#include "framework/plugin/hosted.h"
#include "framework/plugin/settings.h"
#include "orbweaver/error.h"
#include "orbweaver/params.h"
#include "orbweaver/reranker.h"

namespace orbweaver {
namespace {

/// One --set argument.
struct Setting {
  std::string text, id, name;
  Value value;
  bool used = false;
};

Setting parse_setting(const std::string& text) {
  const size_t equals = text.find('=');
  if (equals == std::string::npos || equals == 0)
    throw InputError(fmt::format("--set {}: expected NAME=VALUE or RERANKER.NAME=VALUE", text));
  Setting setting{text, "", text.substr(0, equals), read_setting(text.substr(equals + 1))};
  if (const size_t dot = setting.name.find('.'); dot != std::string::npos) {
    setting.id = setting.name.substr(0, dot);
    setting.name = setting.name.substr(dot + 1);
  }
  return setting;
}

/// The object that names a reranker, of a file's content.
Value reranker_object(Value content) {
  if (!content.is_object()) return content;
  const Value* under = content.find("rerank");
  return under ? *under : content;
}

NamedReranker parse_use(const std::string& text) {
  const bool is_file = text.ends_with(".json");
  if (!is_file && !text.starts_with('{')) return {text, Value::object(), {}};
  NamedReranker named;
  named.params = is_file ? reranker_object(read_json(text)) : parse_json(text, "--use");
  const Value* id = named.params.find("use");
  if (!id || !id->is_string()) throw InputError(fmt::format("--use {}: expected an object with \"use\": \"ID\"", text));
  named.id = id->as_string();
  named.params.erase("use");
  if (const Value* tuning = named.params.find("tuning")) named.tuning = *tuning;
  named.params.erase("tuning");
  return named;
}

}  // namespace

Value read_setting(const std::string& text) {
  try {
    return parse_json(text, "");
  } catch (const InputError&) {
    return Value(text);  // a bare word is a string, as everywhere in configs
  }
}

std::vector<NamedReranker> named_rerankers(const RerankerOptions& options) {
  std::vector<NamedReranker> named;
  for (const std::string& text : options.use) named.push_back(parse_use(text));
  for (const std::string& text : options.set) {
    Setting setting = parse_setting(text);
    for (NamedReranker& one : named) {
      if (!setting.id.empty() && setting.id != one.id) continue;
      one.params[setting.name] = setting.value;
      setting.used = true;
    }
    if (!setting.used)
      throw InputError(
          fmt::format("--set {}: no reranker \"{}\" is in use; name it with --use", setting.text, setting.id));
  }
  return named;
}

PluginHost open_plugins(const RerankerOptions& options) { return host_searching(options.plugin_folders); }

EvaluatedReranker open_reranker(PluginHost& host, const NamedReranker& named) {
  const auto hosted = create<Reranker>(host, named.id, named.params, nullptr, "--use " + named.id);
  EvaluatedReranker reranker;
  reranker.id = named.id;
  reranker.parameters = with_defaults(host.find(Reranker::kind, named.id).parameters, named.params);
  reranker.transductive = hosted.get().transductive();
  reranker.rerank = [hosted](const RerankInput& input) { return rerank(hosted, input); };
  reranker.tuning = valid_tuning(named.tuning, reranker.parameters);
  reranker.needs_bank = hosted.get().needs().query_bank;
  return reranker;
}

Value plugins_record(const PluginHost& host) {
  Value list = Value::list();
  for (const LoadedPlugin* plugin : host.plugins())
    list.push_back(Value(
        Value::Object{{"name", plugin->manifest.name}, {"version", plugin->manifest.version}, {"hash", plugin->hash}}));
  return list;
}

}  // namespace orbweaver
