// Validation of a merged config against the components it names, and its resolved form.
#include <fmt/format.h>

#include <algorithm>
#include <thread>

#include "framework/cache/cache_folder.h"
#include "framework/config/walk.h"
#include "framework/plugin/plugin_host.h"
#include "orbweaver/error.h"

namespace orbweaver {
namespace fs = std::filesystem;
using config::Place;
namespace {

/// A path is relative to the file that wrote it, on the command line to the working directory.
std::string absolute_path(const std::string& path, const std::string& origin) {
  if (path.empty() || fs::path(path).is_absolute()) return path;
  const fs::path base = origin == "--set" ? fs::current_path() : fs::absolute(origin).parent_path();
  return (base / path).lexically_normal().string();
}

void make_paths_absolute(const FieldType& type, Value& value, const std::string& pointer, const ConfigSource& source);

void make_paths_absolute(const Schema& schema, Value& object, const std::string& pointer, const ConfigSource& source) {
  for (const Field& field : schema.fields)
    if (Value* value = object.find(field.name))
      make_paths_absolute(field.type, *value, pointer + "/" + field.name, source);
}

void make_paths_absolute(const FieldType& type, Value& value, const std::string& pointer, const ConfigSource& source) {
  if (type.base == FieldType::Base::path && value.is_string()) {
    value = Value(absolute_path(value.as_string(), source.origin(pointer)));
  } else if (type.base == FieldType::Base::list && value.is_list()) {
    for (size_t i = 0; i < value.as_list().size(); ++i)
      make_paths_absolute(*type.item, value.as_list()[i], fmt::format("{}/{}", pointer, i), source);
  } else if (type.base == FieldType::Base::object && value.is_object()) {
    make_paths_absolute(*type.object, value, pointer, source);
  }
}

/// The keys of a component object, split into the runtime's own and the component's.
struct SplitKeys {
  Value host = Value::object(), own = Value::object();
};
SplitKeys split_keys(const Place& place) {
  SplitKeys keys;
  const Schema& host = config::host_keys(place.kind);
  for (const auto& [key, value] : place.value->as_object())
    (host.find(key) ? keys.host : keys.own).as_object().emplace_back(key, value);
  return keys;
}

/// Line ends and the indentation after them become one blank.
std::string single_line(const std::string& text) {
  std::string out;
  for (size_t i = 0; i < text.size(); ++i) {
    if (text[i] != '\n') {
      out += text[i];
      continue;
    }
    out += ' ';
    while (i + 1 < text.size() && text[i + 1] == ' ') ++i;
  }
  return out;
}

constexpr const char* dataset_hint =
    "is missing; give the dataset's folder, for example --set dataset.root=/data/rsicd";

/// Collects problems, each with the file that wrote the value at fault.
class Checker {
 public:
  Checker(const ConfigSource& source, PluginHost& plugins, Completeness completeness)
      : source_(source), plugins_(plugins), completeness_(completeness) {}

  std::vector<std::string> run() {
    report(validate(top_, source_.value, "", complete()), "");
    load_plugins();
    for (const Place& place : config::component_places(source_.value)) check_component(place);
    if (completeness_ == Completeness::full) check_presence();
    std::sort(lines_.begin(), lines_.end());
    lines_.erase(std::unique(lines_.begin(), lines_.end()), lines_.end());
    return std::move(lines_);
  }

 private:
  bool complete() const { return completeness_ == Completeness::full; }
  void report(const std::string& pointer, const std::string& message, const std::string& component = "") {
    lines_.push_back(fmt::format("{}: {}: {}{}", source_.origin(pointer), pointer.empty() ? "/" : pointer, message,
                                 component.empty() ? "" : " (" + component + ")"));
  }
  void report(const std::vector<Problem>& problems, const std::string& component) {
    for (const Problem& problem : problems) {
      const bool no_root = problem.pointer == "/dataset/root" && problem.message.rfind("is missing", 0) == 0;
      report(problem.pointer, no_root ? dataset_hint : problem.message, component);
    }
  }

  void load_plugins() {
    const Value* stems = source_.value.find("plugins");
    if (!stems || !stems->is_list()) return;
    for (size_t i = 0; i < stems->as_list().size(); ++i) {
      if (!stems->as_list()[i].is_string()) continue;
      try {
        plugins_.load(stems->as_list()[i].as_string());
      } catch (const Error& error) {
        report(fmt::format("/plugins/{}", i), single_line(error.what()));
        unloadable_.push_back(stems->as_list()[i].as_string());
      }
    }
  }

  void check_component(const Place& place) {
    if (!place.value->is_object())
      return report(place.pointer,
                    fmt::format("is {}, expected an object that names a component by \"use\"", brief(*place.value)));
    const Value* use = place.value->find("use");
    if (!use && completeness_ == Completeness::partial) return;
    const SplitKeys keys = split_keys(place);
    report(validate(config::host_keys(place.kind), keys.host, place.pointer, complete()), place.kind);
    if (!use || !use->is_string()) return;
    try {
      const Component& component = plugins_.find(place.kind, use->as_string());
      std::vector<Problem> problems = validate(component.parameters, keys.own, place.pointer, complete());
      for (Problem& problem : problems) hint_host_key(place, problem);
      report(problems, place.kind + " " + component.id);
    } catch (const Error& error) {
      // A plugin that could not be loaded has been reported at its own place.
      if (std::find(unloadable_.begin(), unloadable_.end(), use->as_string()) != unloadable_.end()) return;
      report(place.pointer + "/use", single_line(error.what()));
    }
  }

  /// "freez" is close to none of a component's own parameters, but to one of the runtime's.
  static void hint_host_key(const Place& place, Problem& problem) {
    if (problem.message.rfind("unknown parameter", 0) != 0 || problem.message.find("did you mean") != std::string::npos)
      return;
    std::vector<std::string> names;
    for (const Field& field : config::host_keys(place.kind).fields) names.push_back(field.name);
    const std::string near = nearest_name(problem.pointer.substr(problem.pointer.rfind('/') + 1), names);
    if (!near.empty()) problem.message = fmt::format("unknown parameter; did you mean \"{}\"?", near);
  }

  void check_presence() {
    const auto places = config::component_places(source_.value);
    const auto has = [&](const std::string& start) {
      return std::any_of(places.begin(), places.end(),
                         [&](const Place& place) { return place.pointer.compare(0, start.size(), start) == 0; });
    };
    for (const char* pointer : {"/model/image/encoder", "/model/text/encoder", "/model/fusion", "/loss"})
      if (!has(pointer)) report(pointer, "is missing; a method needs it");
    for (const char* side : {"/model/image", "/model/text"}) {
      const bool graph = has(std::string(side) + "/graph/") || named(places, std::string(side) + "/graph");
      const bool encoder = named(places, std::string(side) + "/graph_encoder");
      if (graph && !encoder) report(std::string(side) + "/graph_encoder", "is missing; the graph would go nowhere");
      if (encoder && !graph) report(std::string(side) + "/graph", "is missing; the graph_encoder would get nothing");
    }
    if (named(places, "/model/text/detector"))
      report("/model/text/detector", "detectors serve images; put it under /model/image");
    check_shortlist(places);
    if (!source_.value.find("dataset")) report("/dataset/root", dataset_hint);
  }
  /// Candidates come from the embeddings, so something must train these; and all interactions rescore the same ones.
  void check_shortlist(const std::vector<Place>& places) {
    std::optional<std::pair<std::string, InteractionKeys>> first;
    for (const Place& place : places) {
      if (place.kind != "interaction" || !place.value->is_object()) continue;
      const Value keys = split_keys(place).host;
      if (!validate(config::host_keys(place.kind), keys).empty()) continue;  // reported already
      const auto use = read_params<InteractionKeys>(keys);
      if (!first) first.emplace(place.pointer, use);
      const auto check_shared = [&](const char* key, auto own, auto theirs) {
        if (own != theirs)
          report(place.pointer + "/" + key,
                 fmt::format("is {}, but {} has {}; interactions add up on one shortlist, so give all the same", own,
                             first->first, theirs));
      };
      check_shared("shortlist", use.shortlist, first->second.shortlist);
      check_shared("embedding_weight", use.embedding_weight, first->second.embedding_weight);
      if (use.shortlist > 0 && use.embedding_weight == 0 && use.training == InteractionKeys::Training::all_pairs)
        report(place.pointer + "/shortlist",
               fmt::format("is {}, but with \"embedding_weight\" 0 and \"training\" \"all_pairs\" nothing trains the "
                           "embeddings that choose it; give the embeddings a weight, or score all pairs with 0",
                           use.shortlist));
    }
  }
  static bool named(const std::vector<Place>& places, const std::string& pointer) {
    return std::any_of(places.begin(), places.end(), [&](const Place& place) { return place.pointer == pointer; });
  }

  const ConfigSource& source_;
  PluginHost& plugins_;
  Completeness completeness_;
  const Schema top_ = schema_of<config::TopSection>();
  std::vector<std::string> lines_, unloadable_;
};

ComponentConfig resolve_component(const Place& place, const ConfigSource& source, PluginHost& plugins) {
  SplitKeys keys = split_keys(place);
  ComponentConfig out;
  out.kind = place.kind;
  out.pointer = place.pointer;
  out.keys = with_defaults(config::host_keys(place.kind), keys.host);
  const auto common = read_params<ComponentKeys>(out.keys);
  out.id = common.use;
  out.freeze = common.freeze;
  out.lr_scale = common.lr_scale;
  if (place.kind == "loss") out.loss_weight = read_params<LossKeys>(out.keys).weight;
  if (place.kind == "interaction") out.interaction = read_params<InteractionKeys>(out.keys);
  const Component& component = plugins.find(place.kind, out.id);
  make_paths_absolute(component.parameters, keys.own, place.pointer, source);
  out.params = with_defaults(component.parameters, keys.own);
  return out;
}

Value to_value(const ComponentConfig& component) {
  Value out = component.keys;
  for (const auto& [key, value] : component.params.as_object()) out[key] = value;
  return out;
}

Value& child(Value& value, const std::string& pointer) {
  Value* place = &value;
  for (size_t begin = 1; begin < pointer.size();) {
    const size_t end = std::min(pointer.find('/', begin), pointer.size());
    const std::string part = pointer.substr(begin, end - begin);
    place = place->is_list() ? &place->as_list()[std::stoul(part)] : &(*place)[part];
    begin = end + 1;
  }
  return *place;
}

/// Objects whose every member is null or empty are left out of the resolved form: they say nothing.
void drop_nulls(Value& value) {
  if (!value.is_object()) return;
  Value::Object kept;
  for (auto& [key, member] : value.as_object())
    if (!member.is_null()) kept.emplace_back(key, std::move(member));
  value = Value(std::move(kept));
}

}  // namespace

std::vector<fs::path> plugin_search_paths(const ConfigSource& source) {
  std::vector<fs::path> folders;
  const Value* paths = source.value.find("plugin_paths");
  if (!paths) return folders;
  for (size_t i = 0; i < paths->as_list().size(); ++i)
    folders.emplace_back(
        absolute_path(paths->as_list()[i].as_string(), source.origin(fmt::format("/plugin_paths/{}", i))));
  return folders;
}

std::vector<std::string> config_problems(const ConfigSource& source, PluginHost& plugins, Completeness completeness) {
  return Checker(source, plugins, completeness).run();
}

Config resolve_config(const ConfigSource& source, PluginHost& plugins) {
  const std::vector<std::string> problems = config_problems(source, plugins, Completeness::full);
  if (!problems.empty()) {
    std::string text;
    for (const std::string& line : problems) text += (text.empty() ? "" : "\n") + line;
    throw InputError(text);
  }
  const Schema schema = schema_of<config::TopSection>();
  Value value = source.value;
  make_paths_absolute(schema, value, "", source);
  value = with_defaults(schema, value);
  if (value.at("output").as_string().empty()) value["output"] = Value(fs::absolute("runs").string());
  // An empty folder that somebody wrote means no cache; resolved configs keep it.
  if (!source.value.find("cache")) value["cache"] = Value(default_cache_folder().string());
  if (value.at("train").at("threads").as_int() == 0)
    value["train"]["threads"] = static_cast<int64_t>(std::max(1u, std::thread::hardware_concurrency()));

  const config::TopSection top = read_params<config::TopSection>(value);
  Config out;
  out.name = top.name;
  out.seed = top.seed;
  out.device = top.device;
  out.output = top.output;
  out.cache = top.cache;
  out.dataset = top.dataset;
  out.train = top.train;
  out.eval = top.eval;
  out.embed_dim = top.model.embed_dim;
  out.label_dim = top.model.label_dim;
  out.label_embedding = top.model.label_embedding;
  out.synonyms = top.model.synonyms;

  for (const Place& place : config::component_places(source.value)) {
    ComponentConfig component = resolve_component(place, source, plugins);
    child(value, place.pointer) = to_value(component);
    if (place.kind == "loss") {
      out.losses.push_back(component);
    } else if (place.kind == "reranker") {
      out.rerankers.push_back(component);
    } else if (place.kind == "fusion") {
      out.fusion = component;
    } else if (place.kind == "interaction") {
      out.embedding_weight = component.interaction.embedding_weight;
      out.shortlist = component.interaction.shortlist;
      out.interactions.push_back(component);
    } else {
      SideConfig& side = place.pointer.rfind("/model/image", 0) == 0 ? out.image : out.text;
      const std::string key = place.pointer.substr(place.pointer.rfind('/') + 1);
      (key == "encoder"    ? side.encoder
       : key == "detector" ? side.detector
       : key == "graph"    ? side.graph
                           : side.graph_encoder) = component;
    }
  }
  drop_nulls(value);
  for (const char* pointer : {"/model", "/model/image", "/model/text"}) drop_nulls(child(value, pointer));
  out.resolved = std::move(value);
  return out;
}

}  // namespace orbweaver
