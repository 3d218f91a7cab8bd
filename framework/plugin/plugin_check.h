// Whether a plugin file can be used, stage by stage, and whether its components do what their kind must do.
//
// Stages, in this order; the first failure ends the check:
//
//   file         a shared library for this machine, named orbw_NAME.so
//   manifest     it says what it is
//   abi          it fits this host (everything that is refused before the loader sees the file)
//   link         the loader takes it; its static constructors run
//   register     it registers components
//   schema       their parameters are described, and the defaults are legal
//   construct    each component is made with the given parameters
//   conformance  the properties of its kind (orbweaver/testing/), one step each
//   exit         the process ends: static destructors run (framework/plugin/check_process.h)
#pragma once

#include <filesystem>
#include <functional>
#include <string>
#include <vector>

#include "orbweaver/value.h"

namespace orbweaver {

struct PluginCheckOptions {
  std::filesystem::path file;      ///< absolute
  std::string id;                  ///< "radius" or "graph_builder/radius": this component alone; empty: all
  Value params = Value::object();  ///< given to the constructor
};

/// One thing that is checked.
struct CheckStep {
  enum class State { running, passed, failed, skipped };
  std::string stage;
  std::string component{};  ///< "graph_builder radius"; empty in the stages of the file
  std::string property{};   ///< of the stage conformance
  State state = State::running;
  std::string rule{};    ///< what must hold, where that is more than the stage's name
  std::string reason{};  ///< what was found; why it failed or was skipped
  std::string mend{};    ///< what to do about a failure
  double seconds = 0;

  /// "graph_builder radius: conformance: finite"
  std::string where() const;
};

/// "running", "passed", "failed", "skipped".
const char* state_name(CheckStep::State state);

/// Receives each step twice: when it begins, and when it has ended.
using CheckListener = std::function<void(const CheckStep&)>;

/// Walks the stages from `file` to `conformance` in this process, which runs the plugin's code: a plugin that crashes
/// takes it along. The command runs it in a process of its own.
/// @return whether all steps passed.
bool check_plugin_here(const PluginCheckOptions& options, const CheckListener& listener);

}  // namespace orbweaver
