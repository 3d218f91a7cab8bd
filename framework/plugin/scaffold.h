// New plugins from templates: what `orbweaver plugins new` does.
#pragma once

#include <filesystem>
#include <string>
#include <vector>

namespace orbweaver {

struct NewPlugin {
  std::string kind;                 ///< one of component_kinds()
  std::string name;                 ///< of the plugin and of its component: orbw_<name>.so
  std::filesystem::path folder;     ///< where it is written; must not exist. Empty: ./<name>
  std::filesystem::path templates;  ///< empty: those of this installation or build tree
};

/// What a new plugin's author types next.
struct WrittenPlugin {
  std::filesystem::path folder;
  std::vector<std::filesystem::path> files;  ///< relative to the folder, in alphabetical order
  std::string prefix_option;                 ///< " -DCMAKE_PREFIX_PATH=..." where CMake would not find us by itself
};

/// Writes a plugin with one component that works already: CMakeLists.txt, source, test, example config, README. The
/// folder comes into being whole or not at all.
///
/// @throws InputError naming the mistake: an unknown kind (with the nearest), a name that is no snake_case word or that
///         a shipped plugin has, a folder that exists, templates that are missing.
WrittenPlugin write_new_plugin(const NewPlugin& plugin);

}  // namespace orbweaver
