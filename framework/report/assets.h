// The files of framework/report/assets and Chart.js, as they were when the program was built.
#pragma once

#include <string_view>

namespace orbweaver::assets {

std::string_view style();          ///< report.css
std::string_view script();         ///< report.js
std::string_view chart_library();  ///< Chart.js, minified; defines the global `Chart`
std::string_view chart_licence();

}  // namespace orbweaver::assets
