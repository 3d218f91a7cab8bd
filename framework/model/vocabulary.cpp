#include "framework/model/vocabulary.h"

#include <fmt/format.h>

#include <algorithm>

#include "framework/io/json.h"
#include "orbweaver/error.h"

namespace orbweaver {
namespace {

/// One table. `source` is the file, `key` "labels" or "relations".
Synonyms read_table(const Value& file, std::string_view key, const std::string& source) {
  Synonyms out;
  const Value* table = file.find(key);
  if (!table) return out;
  if (!table->is_object())
    throw InputError(fmt::format("{}: /{}: is {}, expected an object", source, key, brief(*table)));
  std::map<std::string, std::string> keys;  // every name seen, with the key that it stands under
  const auto add = [&](const std::string& name, const std::string& under) {
    const auto [place, added] = keys.emplace(name, under);
    if (added) return;
    const auto role = [&](const std::string& of) {
      return of == name ? std::string("a key") : fmt::format("a word of \"{}\"", of);
    };
    throw InputError(fmt::format("{}: /{}/{}: \"{}\" is {} here and {} too; a name stands once in a table", source, key,
                                 under, name, role(under), role(place->second)));
  };
  for (const auto& [name, words] : table->as_object()) {
    add(name, name);
    if (!words.is_list())
      throw InputError(fmt::format("{}: /{}/{}: is {}, expected a list", source, key, name, brief(words)));
    for (const Value& word : words.as_list()) {
      if (!word.is_string())
        throw InputError(fmt::format("{}: /{}/{}: holds {}, expected words", source, key, name, brief(word)));
      add(word.as_string(), name);
      out.emplace(word.as_string(), name);
    }
  }
  return out;
}

}  // namespace

SynonymTables SynonymTables::read(const std::filesystem::path& file) {
  const Value content = read_json(file);
  if (!content.is_object())
    throw InputError(fmt::format("{}: is {}, expected an object of synonym tables", file.string(), brief(content)));
  for (const auto& [key, table] : content.as_object())
    if (key != "labels" && key != "relations")
      throw InputError(fmt::format("{}: /{}: is no table; expected \"labels\" or \"relations\"", file.string(), key));
  return {read_table(content, "labels", file.string()), read_table(content, "relations", file.string())};
}

std::string_view Vocabulary::canonical(std::string_view name) const {
  const auto found = synonyms_.find(name);
  return found == synonyms_.end() ? name : std::string_view(found->second);
}

void Vocabulary::fit(const std::map<std::string, int64_t>& counts) {
  std::map<std::string, int64_t> merged;
  for (const auto& [name, count] : counts) merged[std::string(canonical(name))] += count;
  std::vector<std::pair<std::string, int64_t>> order(merged.begin(), merged.end());
  std::stable_sort(order.begin(), order.end(), [](const auto& a, const auto& b) { return a.second > b.second; });
  names_.clear();
  ids_.clear();
  for (auto& [name, count] : order) {
    ids_.emplace(name, size());
    names_.push_back(std::move(name));
  }
}

int64_t Vocabulary::id(std::string_view name) const {
  const auto found = ids_.find(canonical(name));
  return found == ids_.end() ? unknown : found->second;
}

std::string Vocabulary::state() const {
  Value out = Value::object();
  out["names"] = Value::list();
  for (const std::string& name : names_) out["names"].push_back(name);
  out["synonyms"] = Value::object();
  for (const auto& [word, name] : synonyms_) out["synonyms"][word] = Value(name);
  return to_json(out, -1);
}

void Vocabulary::load_state(std::string_view state) {
  const Value content = parse_json(state, "vocabulary");
  names_.clear();
  ids_.clear();
  synonyms_.clear();
  for (const Value& name : content.at("names").as_list()) {
    ids_.emplace(name.as_string(), size());
    names_.push_back(name.as_string());
  }
  for (const auto& [word, name] : content.at("synonyms").as_object()) synonyms_.emplace(word, name.as_string());
}

}  // namespace orbweaver
