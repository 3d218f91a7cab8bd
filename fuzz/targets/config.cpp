// Configs that may extend one another: a.json, b.json and c.json, then lines of overrides as --set takes them, between
// lines "%%". The first one is read.
#include "framework/config/config.h"

#include <algorithm>

#include "framework/config/walk.h"
#include "fuzz/target.h"

namespace {

std::vector<std::string> lines_of(std::string_view text) {
  std::vector<std::string> lines;
  for (size_t begin = 0; begin < text.size() && lines.size() < 100;) {
    const size_t end = std::min(text.find('\n', begin), text.size());
    if (end > begin) lines.emplace_back(text.substr(begin, end - begin));
    begin = end + 1;
  }
  return lines;
}

}  // namespace

void orbweaver::fuzz::config(std::string_view bytes) {
  const std::vector<std::string_view> parts = parts_of(bytes);
  const auto part = [&](size_t i) { return i < parts.size() ? parts[i] : "{}"; };
  input_file("config/b.json", part(1));
  input_file("config/c.json", part(2));
  const auto file = input_file("config/a.json", part(0));
  const ConfigSource source = read_config(file, lines_of(parts.size() > 3 ? parts[3] : ""));
  demand(source.value.is_object(), "a config is an object");

  const Schema schema = schema_of<orbweaver::config::TopSection>();
  const std::vector<Problem> problems = validate(schema, source.value);
  for (const Problem& problem : problems)
    demand(!source.origin(problem.pointer).empty(), "every value comes from a file or the command line");
  for (const orbweaver::config::Place& place : orbweaver::config::component_places(source.value))
    if (place.value->is_object())
      validate(orbweaver::config::host_keys(place.kind), *place.value, place.pointer, false);
  // A config without a dataset is judged elsewhere; its default lacks the folder.
  if (!problems.empty() || !source.value.find("dataset")) return;
  const Value whole = with_defaults(schema, source.value);
  demand(validate(schema, whole).empty(), "a valid config with its defaults is valid");
  read_params<orbweaver::config::TopSection>(whole);
}
