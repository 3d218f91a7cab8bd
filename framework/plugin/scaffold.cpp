#include "framework/plugin/scaffold.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <cctype>
#include <cstdlib>
#include <map>
#include <string_view>
#include <utility>

#include "framework/io/files.h"
#include "framework/plugin/manifest_reader.h"
#include "framework/plugin/plugin_host.h"
#include "framework/version.h"
#include "orbweaver/error.h"
#include "orbweaver/manifest.h"
#include "orbweaver/params.h"

namespace orbweaver {
namespace fs = std::filesystem;
namespace {

constexpr std::string_view template_suffix = ".in";

/// What a template's @PLACEHOLDERS@ become.
using Words = std::map<std::string, std::string, std::less<>>;
/// Files of a plugin, relative to its folder, with their content.
using Files = std::map<fs::path, std::string>;

/// Where components of a kind stand in a config, and how that looks for one without parameters.
struct Place {
  std::string pointer, example;
};

Place place_of(const std::string& kind, const std::string& name) {
  const std::string use = fmt::format("{{\"use\": \"{}\"}}", name);
  const auto within = [&](const std::string& side, const std::string& key) {
    return Place{fmt::format("/model/{}/{}", side, key),
                 fmt::format("\"model\": {{\"{}\": {{\"{}\": {}}}}}", side, key, use)};
  };
  if (kind == "detector") return within("image", "detector");
  if (kind == "graph_builder") return within("image", "graph");
  if (kind == "graph_encoder") return within("image", "graph_encoder");
  if (kind == "image_encoder") return within("image", "encoder");
  if (kind == "text_encoder") return within("text", "encoder");
  if (kind == "loss") return {"/loss/0", fmt::format("\"loss\": [{}]", use)};
  if (kind == "reranker") return {"/rerank", "\"rerank\": " + use};
  return {"/model/" + kind, fmt::format("\"model\": {{\"{}\": {}}}", kind, use)};
}

/// "MyGraph" of "my_graph".
std::string camel_case(const std::string& name) {
  std::string text;
  bool capital = true;
  for (const char c : name) {
    if (c != '_') text += capital ? static_cast<char>(std::toupper(static_cast<unsigned char>(c))) : c;
    capital = c == '_';
  }
  return text;
}

/// "1.0" of "1.0.0": what a plugin asks find_package for.
std::string project_minor() {
  const std::string version = ORBWEAVER_VERSION;
  return version.substr(0, version.rfind('.'));
}

/// CMake looks in these by itself.
std::string prefix_option() {
  const fs::path prefix = host_facts().prefix;
  if (prefix == "/usr" || prefix == "/usr/local") return {};
  return " -DCMAKE_PREFIX_PATH=" + prefix.string();
}

Words words_for(const NewPlugin& plugin) {
  const bool model = is_model_kind(plugin.kind);
  const Place place = place_of(plugin.kind, plugin.name);
  return {
      {"NAME", plugin.name},
      {"CLASS", camel_case(plugin.name)},
      {"KIND", plugin.kind},
      {"PLANE", model ? "torch" : "data"},
      {"HEADER", fmt::format("orbweaver/{}{}.h", model ? "torch/" : "", plugin.kind)},
      {"PLACE", place.pointer},
      {"PLACE_EXAMPLE", place.example},
      {"VERSION", project_minor()},
      {"CONFIGS", (host_facts().prefix / "share" / "orbweaver" / "configs").string()},
      {"MORE_FILES",
       plugin.kind == "graph_builder"
           ? fmt::format("\n| `gravlm_{}.json` | the light form of GraVLM with it, trained the same way |", plugin.name)
           : ""},
      // A detector works where a dataset has no objects, and the synthetic one comes with some.
      {"PREPARE", plugin.kind == "detector" ? "\n    mv data/detections data/detections_given" : ""},
      {"PREFIX_OPTION", prefix_option()}};
}

/// The text with every @WORD@ replaced. @throws Error on a word that is not known: a template's own fault.
std::string filled(std::string_view text, const Words& words, const fs::path& source) {
  std::string out;
  while (!text.empty()) {
    const size_t begin = text.find('@'), end = begin == text.npos ? text.npos : text.find('@', begin + 1);
    out += text.substr(0, begin);
    if (begin == text.npos) break;
    const auto word = end == text.npos ? words.end() : words.find(text.substr(begin + 1, end - begin - 1));
    if (word == words.end())
      throw Error(fmt::format("{}: \"{}\" is no placeholder", source.string(), text.substr(begin, 20)));
    out += word->second;
    text.remove_prefix(end + 1);
  }
  return out;
}

/// "test_NAME.cpp.in" as the plugin's file: "test_my_graph.cpp".
std::string file_name(std::string name, const std::string& plugin) {
  name.resize(name.size() - template_suffix.size());
  if (const size_t at = name.find("NAME"); at != name.npos) name.replace(at, 4, plugin);
  return name;
}

fs::path templates_folder(const NewPlugin& plugin) {
  fs::path folder =
      plugin.templates.empty() ? host_facts().prefix / "share" / "orbweaver" / "templates" : plugin.templates;
  if (!fs::is_directory(folder / plugin.kind) || !fs::is_directory(folder / "common"))
    throw Error(fmt::format("{}: the templates of new plugins are missing; install Orbweaver whole (cmake --install)",
                            folder.string()));
  return folder;
}

Files files_of(const NewPlugin& plugin) {
  const Words words = words_for(plugin);
  const fs::path templates = templates_folder(plugin);
  Files files;
  for (const fs::path& folder : {templates / "common", templates / plugin.kind})
    for (const auto& entry : fs::directory_iterator(folder))
      if (const std::string name = entry.path().filename().string(); name.ends_with(template_suffix))
        files[file_name(name, plugin.name)] = filled(read_file(entry.path()), words, entry.path());
  return files;
}

void check_kind(const std::string& kind) {
  const std::vector<std::string>& kinds = component_kinds();
  if (std::find(kinds.begin(), kinds.end(), kind) != kinds.end()) return;
  const std::string near = nearest_name(kind, kinds);
  throw InputError(fmt::format("unknown component kind \"{}\"{}; the kinds are {}", kind,
                               near.empty() ? "" : fmt::format("; did you mean \"{}\"?", near),
                               fmt::join(kinds, ", ")));
}

void check_name(const std::string& name) {
  constexpr size_t longest = sizeof(Manifest::name) - 1;
  const auto is_word_character = [](char c) { return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '_'; };
  const bool begins_well = !name.empty() && name.front() >= 'a' && name.front() <= 'z';
  if (!begins_well || !std::all_of(name.begin(), name.end(), is_word_character))
    throw InputError(
        fmt::format("plugin name \"{}\": expected lower-case letters, digits and _, a letter first, as in "
                    "my_graph",
                    name));
  if (name.size() > longest)
    throw InputError(
        fmt::format("plugin name \"{}\": has {} characters, expected at most {}", name, name.size(), longest));
  // Beside the class of that name, each template has a struct Params.
  if (camel_case(name) == "Params") throw InputError(fmt::format("plugin name \"{}\": is taken in each source", name));
  const fs::path shipped = host_library_folder() / "orbweaver" / "plugins" / fmt::format("orbw_{}.so", name);
  if (fs::exists(shipped))
    throw InputError(fmt::format("plugin name \"{}\": {} has it already; choose another", name, shipped.string()));
}

void write_all_files(const fs::path& folder, const Files& files) {
  // A folder of its own until all is written; renaming it is one step.
  std::string partial = (folder.parent_path() / fmt::format(".{}-XXXXXX", folder.filename().string())).string();
  if (!mkdtemp(partial.data())) throw InputError(fmt::format("{}: cannot be made", folder.string()));
  try {
    for (const auto& [name, content] : files) write_atomically(fs::path(partial) / name, content);
    // mkdtemp's folder is for its owner alone; this one is like any other.
    fs::permissions(partial,
                    fs::perms::group_read | fs::perms::group_exec | fs::perms::others_read | fs::perms::others_exec,
                    fs::perm_options::add);
    fs::rename(partial, folder);
  } catch (...) {
    std::error_code ignored;
    fs::remove_all(partial, ignored);
    throw;
  }
}

}  // namespace

WrittenPlugin write_new_plugin(const NewPlugin& plugin) {
  check_kind(plugin.kind);
  check_name(plugin.name);
  const fs::path folder =
      fs::absolute(plugin.folder.empty() ? fs::path(plugin.name) : plugin.folder).lexically_normal();
  const fs::path place = folder.has_filename() ? folder : folder.parent_path();
  if (fs::exists(fs::symlink_status(place)))
    throw InputError(
        fmt::format("{}: exists already, and nothing is overwritten; give another folder with --dir, or "
                    "another name",
                    place.string()));
  if (!fs::is_directory(place.parent_path()))
    throw InputError(fmt::format("{}: there is no such folder to write {} into", place.parent_path().string(),
                                 place.filename().string()));
  const Files files = files_of(plugin);
  write_all_files(place, files);
  WrittenPlugin written{place, {}, prefix_option()};
  for (const auto& [name, content] : files) written.files.push_back(name);
  return written;
}

}  // namespace orbweaver
