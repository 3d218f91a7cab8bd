// Put once in each plugin, after its components:
//
//   ORBWEAVER_PLUGIN("radius_graph", "0.1.0", registrar) {
//     registrar.add<orbweaver::GraphBuilder, RadiusGraph>("radius", "Edges below a distance");
//   }
//
// The name is that of the library file: radius_graph is found as orbw_radius_graph.so.
#pragma once

#include "orbweaver/component.h"
#include "orbweaver/manifest.h"
#include "orbweaver/version.h"

// Given by orbweaver_add_plugin(... PLANE torch): the LibTorch this plugin is compiled against.
#ifdef ORBWEAVER_PLANE_TORCH
#include <torch/version.h>
#define ORBWEAVER_FACT_TORCH_MAJOR TORCH_VERSION_MAJOR
#define ORBWEAVER_FACT_TORCH_MINOR TORCH_VERSION_MINOR
#else
#define ORBWEAVER_FACT_TORCH_MAJOR 0
#define ORBWEAVER_FACT_TORCH_MINOR 0
#endif

#define ORBWEAVER_QUOTED(x) #x
#define ORBWEAVER_STRING(x) ORBWEAVER_QUOTED(x)

// NOLINTBEGIN(bugprone-macro-parentheses): the registrar is a name in a declaration.
// `retain` as well as `used`: without it --gc-sections drops the manifest.
#define ORBWEAVER_PLUGIN(plugin_name, plugin_version, registrar)                                   \
  extern "C" {                                                                                     \
  __attribute__((used, retain, section(ORBWEAVER_MANIFEST_SECTION),                                \
                 visibility("default"))) extern const ::orbweaver::Manifest orbweaver_manifest = { \
      ORBWEAVER_MANIFEST_MAGIC,                                                                    \
      sizeof(::orbweaver::Manifest),                                                               \
      ORBWEAVER_SDK_VERSION_MAJOR,                                                                 \
      ORBWEAVER_SDK_VERSION_MINOR,                                                                 \
      plugin_name,                                                                                 \
      plugin_version,                                                                              \
      ORBWEAVER_FACT_CXX11_ABI,                                                                    \
      ORBWEAVER_FACT_GLIBCXX_DEBUG,                                                                \
      ORBWEAVER_FACT_ASAN,                                                                         \
      ORBWEAVER_FACT_TSAN,                                                                         \
      ORBWEAVER_FACT_TORCH_MAJOR,                                                                  \
      ORBWEAVER_FACT_TORCH_MINOR,                                                                  \
      "gcc " ORBWEAVER_STRING(__GNUC__) "." ORBWEAVER_STRING(__GNUC_MINOR__),                      \
      "libstdc++ " ORBWEAVER_STRING(_GLIBCXX_RELEASE)};                                            \
  ORBWEAVER_API void orbweaver_register_plugin(::orbweaver::Registrar& registrar);                 \
  }                                                                                                \
  void orbweaver_register_plugin(::orbweaver::Registrar& registrar)
// NOLINTEND(bugprone-macro-parentheses)
