#include "framework/report/assets.h"

// The assembler copies the files, which costs no compile time; a string literal of them would. CMake gives the paths
// and builds this file again when one of them changes.
#define ORBWEAVER_EMBED(symbol, file)   \
  asm(".pushsection .rodata\n"          \
      ".hidden orbweaver_asset_" symbol \
      "\n"                              \
      ".global orbweaver_asset_" symbol \
      "\n"                              \
      "orbweaver_asset_" symbol         \
      ":\n"                             \
      ".incbin \"" file                 \
      "\"\n"                            \
      ".hidden orbweaver_asset_" symbol \
      "_end\n"                          \
      ".global orbweaver_asset_" symbol \
      "_end\n"                          \
      "orbweaver_asset_" symbol         \
      "_end:\n"                         \
      ".byte 0\n"                       \
      ".popsection\n")

ORBWEAVER_EMBED("style", ORBWEAVER_REPORT_ASSETS "/report.css");
ORBWEAVER_EMBED("script", ORBWEAVER_REPORT_ASSETS "/report.js");
ORBWEAVER_EMBED("licence", ORBWEAVER_REPORT_ASSETS "/chart_licence.txt");
ORBWEAVER_EMBED("chart", ORBWEAVER_CHART_JS);

#define ORBWEAVER_ASSET(name)                                                           \
  extern "C" __attribute__((visibility("hidden"))) const char orbweaver_asset_##name[]; \
  extern "C" __attribute__((visibility("hidden"))) const char orbweaver_asset_##name##_end[]

ORBWEAVER_ASSET(style);
ORBWEAVER_ASSET(script);
ORBWEAVER_ASSET(licence);
ORBWEAVER_ASSET(chart);

namespace orbweaver::assets {
namespace {

std::string_view between(const char* begin, const char* end) { return {begin, static_cast<size_t>(end - begin)}; }

}  // namespace

std::string_view style() { return between(orbweaver_asset_style, orbweaver_asset_style_end); }
std::string_view script() { return between(orbweaver_asset_script, orbweaver_asset_script_end); }
std::string_view chart_library() { return between(orbweaver_asset_chart, orbweaver_asset_chart_end); }
std::string_view chart_licence() { return between(orbweaver_asset_licence, orbweaver_asset_licence_end); }

}  // namespace orbweaver::assets
