// The reference of configs as a page of Markdown: every key and every component that ships, from the same descriptions
// that validate them.
#pragma once

#include <string>

namespace orbweaver {

class PluginHost;

/// What docs/reference.md holds. Components are those of the folder of plugins that ship alone, whatever else `plugins`
/// would find.
std::string config_reference(PluginHost& plugins);

}  // namespace orbweaver
