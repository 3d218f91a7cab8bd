// The check of a plugin in a process of its own, so that whatever the plugin does is reported and not suffered.
#pragma once

#include <string>
#include <vector>

#include "framework/plugin/plugin_check.h"

namespace orbweaver {

struct PluginCheckResult {
  std::vector<CheckStep> steps;  ///< the last one is the failure where there is one
  bool passed = false;
};

/// Runs `orbweaver plugins check-worker` (this very executable) on the plugin and listens to it.
///
/// The child runs under glibc's malloc checks (libc_malloc_debug where there is one), with bounded memory, in a process
/// group of its own, and ends with this process. Only a message from it at the very end is success; its exit status
/// alone is not. A child that crashes, exits or does not end a step within `timeout` seconds fails at that step.
///
/// @param listener  each step as it ends, here.
/// @throws InputError where the file does not exist; Error where no process can be started.
PluginCheckResult check_plugin(const PluginCheckOptions& options, double timeout, const CheckListener& listener);

/// The other end: checks the plugin and writes each step, one line of JSON, to `descriptor`.
void work_on_plugin_check(const PluginCheckOptions& options, int descriptor);

/// For machines.
Value to_value(const CheckStep& step);
CheckStep check_step(const Value& value);

}  // namespace orbweaver
