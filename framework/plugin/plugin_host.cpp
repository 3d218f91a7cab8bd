#include "framework/plugin/plugin_host.h"

#include <cxxabi.h>
#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <boost/dll/shared_library.hpp>
#include <cstdlib>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <set>
#include <string_view>

#include "framework/io/files.h"
#include "framework/plugin/crash_notice.h"
#include "orbweaver/error.h"
#include "orbweaver/manifest.h"

namespace orbweaver {
namespace fs = std::filesystem;
namespace {

constexpr std::string_view file_prefix = "orbw_", file_suffix = ".so";

std::string file_name_of(const std::string& stem) { return fmt::format("{}{}{}", file_prefix, stem, file_suffix); }

bool is_stem(std::string_view text) {
  return !text.empty() && std::all_of(text.begin(), text.end(), [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '_';
  });
}

/// "sog" of "/folder/orbw_sog.so", "" where the file is not named like a plugin.
std::string stem_of(const fs::path& file) {
  const std::string name = file.filename().string();
  if (name.size() <= file_prefix.size() + file_suffix.size()) return {};
  if (!name.starts_with(file_prefix) || !name.ends_with(file_suffix)) return {};
  return name.substr(file_prefix.size(), name.size() - file_prefix.size() - file_suffix.size());
}

std::string quoted_list(const std::vector<std::string>& names) {
  if (names.empty()) return "none";
  return fmt::format("\"{}\"", fmt::join(names, "\", \""));
}

std::string suggestion(const std::string& name, const std::vector<std::string>& known) {
  const std::string near = nearest_name(name, known);
  return near.empty() ? "" : fmt::format("; did you mean \"{}\"?", near);
}

/// "undefined symbol: _Z3fooi" with the C++ name beside the linker's.
std::string with_demangled_symbol(std::string text) {
  const size_t begin = text.find("_Z");
  if (begin == std::string::npos) return text;
  const size_t end = std::min(text.find_first_of(" ,:)\n", begin), text.size());
  int status = 0;
  const std::unique_ptr<char, void (*)(void*)> name(
      abi::__cxa_demangle(text.substr(begin, end - begin).c_str(), nullptr, nullptr, &status), std::free);
  return status == 0 ? text.insert(end, fmt::format(" ({})", name.get())) : text;
}

/// The text without the file's name in front.
std::string without_file(const std::string& text, const fs::path& file) {
  const std::string name = file.string() + ": ";
  return text.starts_with(name) ? text.substr(name.size()) : text;
}

/// The dynamic loader's own sentence out of Boost.DLL's.
std::string loader_reason(const std::string& text, const fs::path& file) {
  constexpr std::string_view opening = "dlerror system message: ";
  const size_t begin = text.find(opening), end = text.rfind("): ");
  if (begin == std::string::npos || end == std::string::npos || end < begin) return with_demangled_symbol(text);
  return with_demangled_symbol(without_file(text.substr(begin + opening.size(), end - begin - opening.size()), file));
}

void check_component(const fs::path& file, const Component& component, const std::vector<Component>& earlier) {
  const std::vector<std::string>& kinds = component_kinds();
  if (std::find(kinds.begin(), kinds.end(), component.kind) == kinds.end())
    throw InputError(fmt::format("{}: registers \"{}\" as a component of the unknown kind \"{}\"; the kinds are {}{}",
                                 file.string(), component.id, component.kind, fmt::join(kinds, ", "),
                                 suggestion(component.kind, kinds)));
  if (!is_stem(component.id))
    throw InputError(fmt::format("{}: registers a {} with the id \"{}\", expected lower-case letters, digits and _",
                                 file.string(), component.kind, component.id));
  if (!component.make)
    throw InputError(
        fmt::format("{}: registers {} {} without a way to make it", file.string(), component.kind, component.id));
  for (const Component& other : earlier)
    if (other.kind == component.kind && other.id == component.id)
      throw InputError(fmt::format("{}: registers {} {} twice", file.string(), component.kind, component.id));
}

std::vector<Component> register_components(const fs::path& file, const boost::dll::shared_library& library) {
  if (!library.has(ORBWEAVER_REGISTER_FUNCTION))
    throw InputError(fmt::format("{}: has a manifest but no function {}; let the macro ORBWEAVER_PLUGIN define both",
                                 file.string(), ORBWEAVER_REGISTER_FUNCTION));
  Registrar registrar;
  try {
    library.get<void(Registrar&)>(ORBWEAVER_REGISTER_FUNCTION)(registrar);
  } catch (const std::exception& error) {
    throw InputError(fmt::format("{}: its registration failed: {}", file.string(), error.what()));
  } catch (...) {
    throw InputError(fmt::format("{}: its registration threw something that is no std::exception", file.string()));
  }
  std::vector<Component> components;
  for (const Component& component : registrar.components()) {
    check_component(file, component, components);
    components.push_back(component);
  }
  if (components.empty())
    throw InputError(fmt::format("{}: registers no component; call registrar.add in ORBWEAVER_PLUGIN", file.string()));
  return components;
}

/// All libraries of this process. An entry whose library is mapped but unusable keeps its reason: the loader would only
/// hand out the same library again.
class LibraryTable {
 public:
  static LibraryTable& instance() {
    // Leaked on purpose, like the libraries in it: plugin code may run until the very end of the process.
    static auto* table = new LibraryTable;
    return *table;
  }

  const LoadedPlugin& load(const fs::path& file) {
    const std::lock_guard lock(mutex_);
    Entry& entry = entries_[fs::weakly_canonical(file)];
    if (!entry.refusal.empty()) throw InputError(entry.refusal);
    if (!entry.plugin) open(file, entry);
    return *entry.plugin;
  }

  const LoadedPlugin* owner_of(const Component& component) {
    const std::lock_guard lock(mutex_);
    const std::less<const Component*> before;
    for (const auto& [path, entry] : entries_) {
      if (!entry.plugin) continue;
      const std::vector<Component>& own = entry.plugin->components;
      if (!before(&component, own.data()) && before(&component, own.data() + own.size())) return entry.plugin.get();
    }
    return nullptr;
  }

 private:
  struct Entry {
    std::unique_ptr<boost::dll::shared_library> library;
    std::unique_ptr<LoadedPlugin> plugin;
    std::string refusal;
  };

  static void open(const fs::path& file, Entry& entry) {
    const PluginFacts facts = read_plugin_facts(file);
    const HostFacts host = host_facts();
    if (const std::vector<Mismatch> mismatches = check_gate(facts, host); !mismatches.empty())
      throw InputError(refusal(facts, host, mismatches));
    auto plugin = std::make_unique<LoadedPlugin>();
    plugin->file = file;
    plugin->stem = stem_of(file);
    plugin->manifest = facts.manifest;
    plugin->hash = hash_file(file);
    const CrashNotice notice(file);
    // The overload that throws: it alone carries the loader's reason.
    try {
      entry.library = std::make_unique<boost::dll::shared_library>(
          boost::dll::fs::path(file.string()), boost::dll::load_mode::rtld_now | boost::dll::load_mode::rtld_local);
    } catch (const std::exception& error) {
      throw InputError(fmt::format("{}: cannot be loaded: {}", file.string(), loader_reason(error.what(), file)));
    }
    try {
      plugin->components = register_components(file, *entry.library);
    } catch (const InputError& error) {
      entry.refusal = error.what();
      throw;
    }
    entry.plugin = std::move(plugin);
  }

  std::mutex mutex_;
  std::map<fs::path, Entry> entries_;
};

/// @throws InputError where a component of `added` has the kind and id of one in `present`.
void check_duplicates(const LoadedPlugin& added, const std::vector<const LoadedPlugin*>& present) {
  for (const LoadedPlugin* other : present)
    for (const Component& theirs : other->components)
      for (const Component& ours : added.components)
        if (ours.kind == theirs.kind && ours.id == theirs.id)
          throw InputError(fmt::format("{}: registers {} {}, which {} registers too; load only one of the two",
                                       added.file.string(), ours.kind, ours.id, other->file.string()));
}

fs::path checked_folder(const fs::path& folder, const std::string& source) {
  if (folder.is_absolute()) return folder.lexically_normal();
  throw InputError(
      fmt::format("{}: \"{}\" is relative, expected an absolute folder; plugins are never looked for "
                  "relative to the working directory",
                  source, folder.string()));
}

std::vector<fs::path> environment_folders() {
  std::vector<fs::path> folders;
  const char* value = std::getenv("ORBWEAVER_PLUGIN_PATH");
  std::string_view text = value ? value : "";
  while (!text.empty()) {
    const size_t end = std::min(text.find(':'), text.size());
    if (end > 0) folders.push_back(checked_folder(text.substr(0, end), "ORBWEAVER_PLUGIN_PATH"));
    text.remove_prefix(std::min(end + 1, text.size()));
  }
  return folders;
}

bool is_file(const fs::path& path) {
  std::error_code ignored;
  return fs::is_regular_file(path, ignored);
}

std::vector<fs::path> plugin_files_in(const fs::path& folder) {
  std::vector<fs::path> files;
  std::error_code error;
  for (fs::directory_iterator entry(folder, error), end; !error && entry != end; entry.increment(error))
    if (!stem_of(entry->path()).empty() && is_file(entry->path())) files.push_back(entry->path());
  std::sort(files.begin(), files.end());
  return files;
}

void check_explicit_file(const fs::path& file) {
  if (!file.is_absolute())
    throw InputError(
        fmt::format("plugin \"{}\": is a relative path, expected a name (\"sog\") or an absolute path", file.string()));
  if (stem_of(file).empty())
    throw InputError(fmt::format("plugin \"{}\": expected a file name of the form orbw_NAME.so", file.string()));
}

/// Reads what a refused file still says about itself.
std::optional<PluginManifest> manifest_if_readable(const fs::path& file) {
  try {
    return read_plugin_facts(file).manifest;
  } catch (const Error&) {
    return std::nullopt;
  }
}

}  // namespace

const std::vector<std::string>& component_kinds() {
  static const std::vector<std::string> kinds = {"detector",     "graph_builder", "image_encoder",
                                                 "text_encoder", "graph_encoder", "fusion",
                                                 "interaction",  "loss",          "reranker"};
  return kinds;
}

bool is_model_kind(const std::string& kind) {
  return kind != "detector" && kind != "graph_builder" && kind != "reranker";
}

PluginHost::PluginHost(Options options) : explicit_files_(std::move(options.explicit_files)) {
  for (const fs::path& file : explicit_files_) check_explicit_file(file);
  for (const fs::path& folder : options.search_paths) folders_.push_back(checked_folder(folder, "plugin_paths"));
  for (fs::path& folder : environment_folders()) folders_.push_back(std::move(folder));
  folders_.push_back(host_library_folder() / "orbweaver" / "plugins");
}

void PluginHost::load(const std::string& name_or_path) {
  const fs::path path = name_or_path;
  if (path.has_parent_path()) {
    check_explicit_file(path);
    if (!is_file(path)) throw InputError(fmt::format("plugin \"{}\": there is no such file", name_or_path));
    if (std::find(explicit_files_.begin(), explicit_files_.end(), path) == explicit_files_.end())
      explicit_files_.push_back(path);
    add(path);
    return;
  }
  if (!is_stem(name_or_path)) {
    const std::string stem = stem_of(path);
    throw InputError(
        fmt::format("plugin \"{}\": expected a name of lower-case letters, digits and _, or an absolute path{}",
                    name_or_path, stem.empty() ? "" : fmt::format("; did you mean \"{}\"?", stem)));
  }
  const std::optional<fs::path> file = locate(name_or_path);
  if (!file) fail_to_find_library(name_or_path);
  add(*file);
}

const Component& PluginHost::find(const std::string& kind, const std::string& id) {
  const auto find_loaded = [&]() -> const Component* {
    for (const LoadedPlugin* plugin : plugins_)
      for (const Component& component : plugin->components)
        if (component.kind == kind && component.id == id) return &component;
    return nullptr;
  };
  if (const Component* component = find_loaded()) return *component;
  if (const std::optional<fs::path> file = is_stem(id) ? locate(id) : std::nullopt) {
    add(*file);
    if (const Component* component = find_loaded()) return *component;
  }
  fail_to_find_component(kind, id);
}

const LoadedPlugin& PluginHost::plugin_of(const Component& component) {
  if (const LoadedPlugin* plugin = LibraryTable::instance().owner_of(component)) return *plugin;
  throw Error(fmt::format("{} {} comes from no plugin", component.kind, component.id));
}

std::vector<PluginFile> PluginHost::list() const {
  std::vector<PluginFile> found;
  std::vector<const LoadedPlugin*> accepted;
  std::map<std::string, fs::path> first_of_stem;
  for (const fs::path& file : files()) {
    PluginFile entry{file, stem_of(file), manifest_if_readable(file), "ok", nullptr};
    const auto [first, is_first] = first_of_stem.emplace(entry.stem, file);
    try {
      const bool is_explicit = std::find(explicit_files_.begin(), explicit_files_.end(), file) != explicit_files_.end();
      if (!is_first && !is_explicit)
        throw InputError(
            fmt::format("{}: not used: {} comes first in the search order", file.string(), first->second.string()));
      const LoadedPlugin& plugin = LibraryTable::instance().load(file);
      check_duplicates(plugin, accepted);
      accepted.push_back(&plugin);
      entry.plugin = &plugin;
    } catch (const Error& error) {
      entry.status = without_file(error.what(), file);
    }
    found.push_back(std::move(entry));
  }
  return found;
}

std::vector<fs::path> PluginHost::candidates(const std::string& stem) const {
  std::vector<fs::path> paths;
  for (const fs::path& file : explicit_files_)
    if (stem_of(file) == stem) paths.push_back(file);
  for (const fs::path& folder : folders_) paths.push_back(folder / file_name_of(stem));
  return paths;
}

std::optional<fs::path> PluginHost::locate(const std::string& stem) const {
  for (const fs::path& path : candidates(stem))
    if (is_file(path)) return path;
  return std::nullopt;
}

std::vector<fs::path> PluginHost::files() const {
  std::vector<fs::path> found = explicit_files_;
  for (const fs::path& folder : folders_)
    for (fs::path& file : plugin_files_in(folder)) found.push_back(std::move(file));
  std::set<fs::path> seen;
  std::erase_if(found, [&](const fs::path& file) { return !seen.insert(fs::weakly_canonical(file)).second; });
  return found;
}

const LoadedPlugin& PluginHost::add(const fs::path& file) {
  const LoadedPlugin& plugin = LibraryTable::instance().load(file);
  if (std::find(plugins_.begin(), plugins_.end(), &plugin) == plugins_.end()) {
    check_duplicates(plugin, plugins_);
    plugins_.push_back(&plugin);
  }
  return plugin;
}

void PluginHost::fail_to_find_library(const std::string& stem) const {
  std::vector<std::string> tried, known;
  for (const fs::path& path : candidates(stem)) tried.push_back(path.string());
  for (const fs::path& file : files()) known.push_back(stem_of(file));
  std::sort(known.begin(), known.end());
  known.erase(std::unique(known.begin(), known.end()), known.end());
  throw InputError(fmt::format("plugin \"{}\": no {} in the search order; tried {}; plugins that exist: {}{}", stem,
                               file_name_of(stem), fmt::join(tried, ", "), quoted_list(known),
                               suggestion(stem, known)));
}

void PluginHost::fail_to_find_component(const std::string& kind, const std::string& id) const {
  if (const auto& kinds = component_kinds(); std::find(kinds.begin(), kinds.end(), kind) == kinds.end())
    throw InputError(fmt::format("unknown component kind \"{}\"; the kinds are {}{}", kind, fmt::join(kinds, ", "),
                                 suggestion(kind, kinds)));
  std::vector<std::string> searched, known;
  std::string other_home;
  for (const LoadedPlugin* plugin : plugins_) searched.push_back(plugin->stem);
  // Plugins that the configuration does not list are asked as well: only so can the message say where the component is.
  for (const PluginFile& file : list()) {
    if (!file.ok()) continue;
    for (const Component& component : file.plugin->components) {
      if (component.kind != kind) continue;
      known.push_back(component.id);
      if (component.id == id) other_home = file.stem;
    }
  }
  for (const LoadedPlugin* plugin : plugins_)
    for (const Component& component : plugin->components)
      if (component.kind == kind && std::find(known.begin(), known.end(), component.id) == known.end())
        known.push_back(component.id);
  if (!other_home.empty())
    throw InputError(fmt::format(
        "no {} \"{}\" in the listed plugins ({}) and no {}; it is in the plugin \"{}\": add that to \"plugins\"", kind,
        id, searched.empty() ? "none" : fmt::format("{}", fmt::join(searched, ", ")), file_name_of(id), other_home));
  throw InputError(fmt::format("no {0} \"{1}\": searched the plugins {2}, then {3}; known {0} ids: {4}{5}", kind, id,
                               quoted_list(searched), file_name_of(id), quoted_list(known), suggestion(id, known)));
}

}  // namespace orbweaver
