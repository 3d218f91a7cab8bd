// Finds, checks, loads and keeps plugins; finds components in them.
#pragma once

#include <filesystem>
#include <optional>
#include <string>
#include <vector>

#include "framework/plugin/manifest_reader.h"
#include "orbweaver/component.h"

namespace orbweaver {

/// The nine kinds, in the order of the data flow.
const std::vector<std::string>& component_kinds();
/// Whether components of that kind are torch modules, built on an `Inputs`.
bool is_model_kind(const std::string& kind);

/// A plugin that passed the gate and registered its components. It stays until the process ends: libraries are never
/// unloaded, because an autograd graph can own plugin code that no pointer of ours sees.
struct LoadedPlugin {
  std::filesystem::path file;  ///< as it was found first
  std::string stem;            ///< "sog" of orbw_sog.so
  PluginManifest manifest;
  std::string hash;  ///< of the file's content (framework/io/files.h), for result records
  std::vector<Component> components;
};

/// A plugin file found, good or bad.
struct PluginFile {
  std::filesystem::path file;
  std::string stem;
  std::optional<PluginManifest> manifest;  ///< absent where it cannot be read
  std::string status;                      ///< "ok", or in one line why it is not used
  const LoadedPlugin* plugin = nullptr;    ///< null unless ok
  bool ok() const { return plugin != nullptr; }
};

/// The plugins of one configuration.
///
/// A library of a name is looked for in this order: explicit files; search paths; $ORBWEAVER_PLUGIN_PATH (folders
/// separated by ':'); the folder orbweaver/plugins beside liborbweaver.so, which is the install's or the build tree's.
/// Never in the working directory, and only orbw_NAME.so. Use from one thread at a time; several hosts share the loaded
/// libraries.
class PluginHost {
 public:
  struct Options {
    std::vector<std::filesystem::path> explicit_files;  ///< absolute paths of orbw_NAME.so
    std::vector<std::filesystem::path> search_paths;    ///< absolute folders: `plugin_paths` of the configuration
  };

  /// @throws InputError on a relative path, in the environment too.
  explicit PluginHost(Options options);
  PluginHost() : PluginHost(Options{}) {}

  /// Loads a plugin by name ("sog") or absolute path; nothing happens when this host has it already.
  /// @throws InputError with the full reason: every path tried and the names that exist; every mismatch of the gate;
  /// the
  ///         loader's own words; what registration threw; a component id that another plugin has.
  void load(const std::string& name_or_path);

  /// The component, from the plugins loaded so far, then from orbw_<id>.so. The reference stays valid for good.
  /// @throws InputError with the ids known of that kind, the nearest one, and the plugins searched.
  const Component& find(const std::string& kind, const std::string& id);

  /// The plugin that a component (as `find` or `list` gave it) came from: its file, manifest and hash.
  static const LoadedPlugin& plugin_of(const Component& component);

  /// Every file in the search order. Those that pass the gate are loaded, so that their components can be listed;
  /// `find` does not see them for it.
  std::vector<PluginFile> list() const;

  /// The plugins loaded by `load` and `find`, in that order.
  const std::vector<const LoadedPlugin*>& plugins() const { return plugins_; }

  /// Folders searched, in order.
  const std::vector<std::filesystem::path>& folders() const { return folders_; }

 private:
  std::optional<std::filesystem::path> locate(const std::string& stem) const;
  std::vector<std::filesystem::path> candidates(const std::string& stem) const;
  std::vector<std::filesystem::path> files() const;
  const LoadedPlugin& add(const std::filesystem::path& file);
  [[noreturn]] void fail_to_find_library(const std::string& stem) const;
  [[noreturn]] void fail_to_find_component(const std::string& kind, const std::string& id) const;

  std::vector<std::filesystem::path> explicit_files_;
  std::vector<std::filesystem::path> folders_;
  std::vector<const LoadedPlugin*> plugins_;
};

}  // namespace orbweaver
