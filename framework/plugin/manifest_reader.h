// What a plugin file says about itself, read from the file without running any of its code, and whether it fits this
// process. Everything that can be refused is refused here, before the loader sees the file: a static constructor of a
// wrong plugin never runs.
#pragma once

#include <cstdint>
#include <filesystem>
#include <string>
#include <vector>

namespace orbweaver {

/// The manifest of a plugin (orbweaver/manifest.h), and the same facts of the host.
struct PluginManifest {
  std::string name, version;  ///< empty for the host
  int sdk_major = 0, sdk_minor = 0;
  int cxx11_abi = 1;  ///< _GLIBCXX_USE_CXX11_ABI
  bool glibcxx_debug = false;
  bool address_sanitizer = false;
  bool thread_sanitizer = false;
  int torch_major = 0, torch_minor = 0;    ///< 0.0 in the data plane
  std::string compiler, standard_library;  ///< for print only

  std::string sdk_version() const { return std::to_string(sdk_major) + "." + std::to_string(sdk_minor); }
  bool records_torch() const { return torch_major != 0 || torch_minor != 0; }
  std::string torch_version() const { return std::to_string(torch_major) + "." + std::to_string(torch_minor); }
};

/// What the dynamic loader would read from a shared library's file.
struct SharedLibrary {
  std::filesystem::path file;
  std::string soname;                            ///< DT_SONAME, empty without one
  std::vector<std::string> needed;               ///< DT_NEEDED
  std::vector<std::filesystem::path> run_paths;  ///< DT_RUNPATH (or DT_RPATH), $ORIGIN replaced
};

/// A plugin file as the gate sees it.
struct PluginFacts {
  SharedLibrary library;
  PluginManifest manifest;
};

/// Reads a plugin file.
/// @throws InputError, each with its own text: not an ELF file; another architecture; no shared library; truncated; no
///         manifest; a manifest that cannot be read.
PluginFacts read_plugin_facts(const std::filesystem::path& file);

/// Reads the loader's view of any shared library. @throws InputError as above, manifest aside.
SharedLibrary read_shared_library(const std::filesystem::path& file);

/// What plugins are compared with.
struct HostFacts {
  PluginManifest manifest;
  std::vector<std::filesystem::path> loaded;  ///< files of the shared libraries in this process
  std::vector<SharedLibrary> loaded_torch;    ///< those of them that belong to LibTorch
  std::filesystem::path prefix;  ///< where this Orbweaver is installed or built: <prefix>/lib/liborbweaver.so
};

HostFacts host_facts();

/// The folder of liborbweaver.so.
const std::filesystem::path& host_library_folder();

/// One fact in which a plugin differs from what the host accepts.
struct Mismatch {
  std::string fact;    ///< "SDK version"
  std::string plugin;  ///< what the plugin has
  std::string host;    ///< what the host has or wants
};

/// The staged gate: every mismatch at once, none when the plugin may be loaded.
///
/// Refused are: a name other than the file's (orbw_NAME.so); another SDK major, a newer minor, any other minor while
/// the major is 0; another string ABI, debug mode or sanitizer; and for a plugin that needs LibTorch (directly or
/// through a library found by its run path) another LibTorch major.minor, or a LibTorch library file that this process
/// has not loaded: two LibTorches in one process abort inside dlopen.
std::vector<Mismatch> check_gate(const PluginFacts& plugin, const HostFacts& host);

/// "FILE: refused: SDK version: plugin 1.1, host 1.0; ...; rebuild it: cmake ..." on one line.
std::string refusal(const PluginFacts& plugin, const HostFacts& host, const std::vector<Mismatch>& mismatches);

}  // namespace orbweaver
