// Plugins and parameters of components as a command line gives them.
#pragma once

#include <filesystem>
#include <string>
#include <vector>

#include "framework/plugin/plugin_host.h"
#include "orbweaver/params.h"
#include "orbweaver/value.h"

namespace orbweaver {

/// {"name": value} from texts "name=value". Values are JSON, else strings; a path resolves against the working
/// directory. Whether the schema takes them is checked where the component is made.
/// @param option  named in errors: "--set".
/// @throws InputError on a text without a name.
Value read_settings(const std::string& option, const std::vector<std::string>& settings, const Schema& schema);

/// A host that searches these folders, given as --plugin-path, before all others.
/// @throws InputError on one that is no folder.
PluginHost host_searching(const std::vector<std::filesystem::path>& folders);

}  // namespace orbweaver
