# Everything comes from Debian's packages; README.md says what each is for.
find_package(Torch REQUIRED)
find_package(Boost 1.74 REQUIRED CONFIG COMPONENTS filesystem)
find_package(nlohmann_json 3.11 REQUIRED)
find_package(fmt 9 REQUIRED)
find_package(OpenCV 4.6 REQUIRED COMPONENTS core imgproc imgcodecs dnn)
find_package(CLI11 REQUIRED)
find_package(Threads REQUIRED)
# Headers alone: LibTorch's own process group is made of them, and its library brings Gloo's.
find_path(GLOO_INCLUDE_DIR gloo/context.h REQUIRED)
find_path(XXHASH_INCLUDE_DIR xxhash.h REQUIRED)
find_library(XXHASH_LIBRARY xxhash REQUIRED)
add_library(orbweaver_xxhash INTERFACE)
target_include_directories(orbweaver_xxhash SYSTEM INTERFACE ${XXHASH_INCLUDE_DIR})
target_link_libraries(orbweaver_xxhash INTERFACE ${XXHASH_LIBRARY})
# Charts of `orbweaver report`, copied into the program. Debian: libjs-chart.js; npm: chart.js@3, dist/chart.min.js.
find_file(ORBWEAVER_CHART_JS chart.min.js PATHS /usr/share/javascript/chart.js NO_DEFAULT_PATH
  DOC "Chart.js 3, minified, for the charts of orbweaver report")
if(NOT ORBWEAVER_CHART_JS)
  message(FATAL_ERROR "Chart.js was not found: install libjs-chart.js, or name chart.min.js of version 3 with "
    "-DORBWEAVER_CHART_JS=FILE")
endif()
file(READ ${ORBWEAVER_CHART_JS} chart_banner LIMIT 200)
if(NOT chart_banner MATCHES "Chart\\.js v3\\.")
  message(FATAL_ERROR "${ORBWEAVER_CHART_JS}: is not Chart.js 3, which the charts of orbweaver report are written for")
endif()
if(BUILD_TESTING OR NOT DEFINED BUILD_TESTING)
  find_package(GTest REQUIRED)
endif()

include(OrbweaverLibtorch)
orbweaver_define_libtorch()
orbweaver_read_libtorch_version(orbweaver_libtorch_version ${TORCH_INCLUDE_DIRS})
