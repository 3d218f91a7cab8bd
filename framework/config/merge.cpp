// Reading, extending and overriding: from files to one merged value that knows where each part came from.
#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <charconv>
#include <unordered_map>
#include <unordered_set>

#include "framework/config/config.h"
#include "framework/io/json.h"
#include "orbweaver/error.h"

namespace orbweaver {
namespace fs = std::filesystem;
namespace {

constexpr const char* command_line = "--set";

void forget_origins(std::map<std::string, std::string>& origins, const std::string& pointer) {
  origins.erase(pointer);
  const std::string inside = pointer + "/";
  for (auto it = origins.lower_bound(inside); it != origins.end() && it->first.compare(0, inside.size(), inside) == 0;)
    it = origins.erase(it);
}

bool names_another_component(const Value& below, const Value& above) {
  const Value* old_use = below.find("use");
  const Value* new_use = above.find("use");
  return old_use && new_use && !(*old_use == *new_use);
}

/// The members of an object that grows at its end, by key: looking through all of them for each of another object's
/// would take minutes where both have a hundred thousand.
class MemberIndex {
 public:
  explicit MemberIndex(Value& object) : object_(object.as_object()) {
    for (size_t i = 0; i < object_.size(); ++i) places_.emplace(object_[i].first, i);
  }
  /// Null where there is none.
  Value* find(const std::string& key) {
    const auto found = places_.find(key);
    return found == places_.end() ? nullptr : &object_[found->second].second;
  }
  Value& add(const std::string& key) {
    places_.emplace(key, object_.size());
    return object_.emplace_back(key, Value()).second;
  }

 private:
  Value::Object& object_;
  std::unordered_map<std::string, size_t> places_;
};

/// Adds to `list` the plugins of `more` that it has not.
void unite(ConfigSource& target, Value& list, const Value::List& more, const std::string& pointer,
           const std::string& origin) {
  std::unordered_set<std::string> known;
  for (const Value& plugin : list.as_list()) known.insert(to_json(plugin, -1));
  for (const Value& plugin : more) {
    if (!known.insert(to_json(plugin, -1)).second) continue;
    target.origins[fmt::format("{}/{}", pointer, list.as_list().size())] = origin;
    list.push_back(plugin);
  }
}

/// Puts `above` on `target.value` at `pointer`; each value's origin comes from `origin_of`.
void merge(ConfigSource& target, Value& below, const Value& above, const std::string& pointer,
           const ConfigSource& source) {
  const auto take = [&](Value& place, const Value& value, const std::string& where) {
    forget_origins(target.origins, where);
    place = value;
    // Of what is inside only where it differs: a pointer for every value of a list below a long key would outgrow the
    // file by far.
    target.origins[where] = source.origin(where);
    const std::string inside = where + "/";
    for (auto it = source.origins.lower_bound(inside);
         it != source.origins.end() && it->first.compare(0, inside.size(), inside) == 0; ++it)
      target.origins[it->first] = it->second;
  };
  if (!below.is_object() || !above.is_object() || names_another_component(below, above))
    return take(below, above, pointer);
  MemberIndex members(below);
  for (const auto& [key, value] : above.as_object()) {
    const std::string where = pointer + "/" + key;
    Value* old = members.find(key);
    if (where == "/plugins" && old && old->is_list() && value.is_list()) {
      unite(target, *old, value.as_list(), where, source.origin(where));
    } else if (old) {
      merge(target, *old, value, where, source);
    } else {
      take(members.add(key), value, where);
    }
  }
}

/// Whether there is such a file. None is where the system cannot look: a name that is too long, a closed folder.
bool is_there(const fs::path& file) {
  std::error_code error;
  return fs::exists(file, error);
}

// Bases that extend further ones several times each are read as often: few files can ask for millions of reads.
constexpr int most_reads = 1000;

/// @param reads  of files so far
ConfigSource read_file_chain(const fs::path& file, std::vector<fs::path> chain, int& reads) {
  if (++reads > most_reads)
    throw InputError(fmt::format("{}: /extends: more than {} files are read for one config; name each base once",
                                 file.string(), most_reads));
  std::error_code error;
  const fs::path canonical = fs::weakly_canonical(file, error);
  const fs::path identity = error ? file : canonical;
  if (std::find(chain.begin(), chain.end(), identity) != chain.end())
    throw InputError(fmt::format("{}: /extends: extends itself, by way of {}", file.string(), chain.back().string()));
  chain.push_back(identity);

  ConfigSource own;
  own.file = file.string();
  own.value = read_json(file);
  if (!own.value.is_object())
    throw InputError(fmt::format("{}: is {}, expected an object", file.string(), brief(own.value)));

  std::vector<fs::path> bases;
  if (const Value* extends = own.value.find("extends")) {
    const auto add = [&](const Value& entry) {
      if (!entry.is_string())
        throw InputError(
            fmt::format("{}: /extends: is {}, expected a path or a list of paths", file.string(), brief(*extends)));
      bases.push_back(file.parent_path() / entry.as_string());
    };
    if (extends->is_list())
      for (const Value& entry : extends->as_list()) add(entry);
    else
      add(*extends);
  }
  own.value.erase("extends");
  own.value.erase("$schema");
  own.origins[""] = own.file;

  ConfigSource merged;
  merged.file = own.file;
  merged.value = Value::object();
  for (const fs::path& base : bases) {
    if (!is_there(base))
      throw InputError(fmt::format("{}: /extends: {} does not exist", file.string(), base.lexically_normal().string()));
    const ConfigSource below = read_file_chain(base.lexically_normal(), chain, reads);
    merge(merged, merged.value, below.value, "", below);
  }
  merge(merged, merged.value, own.value, "", own);
  return merged;
}

std::vector<std::string> split_path(std::string_view path) {
  std::vector<std::string> parts;
  for (size_t begin = 0; begin <= path.size();) {
    const size_t end = std::min(path.find('.', begin), path.size());
    parts.emplace_back(path.substr(begin, end - begin));
    begin = end + 1;
  }
  return parts;
}

Value override_value(const std::string& text) {
  try {
    return parse_json(text, command_line);
  } catch (const InputError&) {
    return Value(text);  // a bare word or path is a string
  }
}

/// @param origin  "--set", or the file that wrote the override
void apply_override(ConfigSource& source, const std::string& text, const std::string& origin) {
  const size_t equals = text.find('=');
  const auto fail = [&](const std::string& reason) {
    throw InputError(fmt::format("{}{} {}: {}", origin, origin == command_line ? "" : ":", text, reason));
  };
  if (equals == std::string::npos || equals == 0) fail("expected PATH=VALUE, for example train.lr=0.0003");
  const std::vector<std::string> parts = split_path(std::string_view(text).substr(0, equals));

  // Walk to the innermost list or to the end; what remains is an object to be merged like a file's.
  Value* place = &source.value;
  std::string pointer;
  std::vector<std::string> rest;
  for (size_t i = 0; i < parts.size(); ++i) {
    if (parts[i].empty()) fail("the path has an empty part");
    if (place->is_list()) {
      size_t index = 0;
      const auto [end, error] = std::from_chars(parts[i].data(), parts[i].data() + parts[i].size(), index);
      const size_t count = place->as_list().size();
      if (error != std::errc() || end != parts[i].data() + parts[i].size() || index >= count)
        fail(fmt::format("{} has {} entr{}; \"{}\" is no index into it", pointer, count, count == 1 ? "y" : "ies",
                         parts[i]));
      place = &place->as_list()[index];
    } else if (place->is_object() || place->is_null()) {
      Value* next = place->find(parts[i]);
      if (!next || i + 1 == parts.size()) {
        rest.assign(parts.begin() + static_cast<long>(i), parts.end());
        break;
      }
      place = next;
    } else {
      fail(fmt::format("{} is {}, which has no members", pointer, brief(*place)));
    }
    pointer += "/" + parts[i];
  }

  Value value = override_value(text.substr(equals + 1));
  for (auto part = rest.rbegin(); part != rest.rend(); ++part) {
    Value object = Value::object();
    object[*part] = std::move(value);
    value = std::move(object);
  }
  ConfigSource above;
  above.origins[pointer] = origin;
  if (place->is_null()) *place = Value::object();
  merge(source, *place, value, pointer, above);
}

}  // namespace

const std::string& ConfigSource::origin(std::string pointer) const {
  for (;;) {
    const auto found = origins.find(pointer);
    if (found != origins.end()) return found->second;
    if (pointer.empty()) return file;
    pointer.resize(pointer.rfind('/'));
  }
}

ConfigSource read_config(const fs::path& file, const std::vector<std::string>& overrides) {
  std::error_code error;
  const bool is_folder = fs::is_directory(file, error);
  if (is_folder && is_there(file / "config.json")) return read_config(file / "config.json", overrides);
  if (!is_there(file))
    throw InputError(fmt::format("{}: does not exist; expected a config (JSON) or a run folder", file.string()));
  if (is_there(file / "sweep.json"))
    throw InputError(
        fmt::format("{}: is a sweep's folder; its run folders are in {}", file.string(), (file / "runs").string()));
  if (is_folder)
    throw InputError(
        fmt::format("{}: is a folder without config.json; expected a config (JSON) or a run folder", file.string()));
  int reads = 0;
  ConfigSource source = read_file_chain(file, {}, reads);
  apply_overrides(source, overrides, command_line);
  return source;
}

void apply_overrides(ConfigSource& source, const std::vector<std::string>& overrides, const std::string& origin) {
  for (const std::string& text : overrides) apply_override(source, text, origin);
}

}  // namespace orbweaver
