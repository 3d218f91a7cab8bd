# orbweaver_add_plugin(orbw_NAME PLANE data|torch SOURCES ... [LIBRARIES ...] [NO_CHECK | CHECK_ARGUMENTS ...])
#
# Builds NAME as a plugin library orbw_NAME.so. Data-plane plugins link liborbweaver_sdk alone; model-plane plugins link
# LibTorch too and record its version in their manifest. Symbols are hidden and none may be missing.
#
# Outside the project ctest then runs `orbweaver plugins check` on the library. CHECK_ARGUMENTS are passed on, for
# components that have no default for something they need: CHECK_ARGUMENTS --params "{\"weights\": \"net.onnx\"}".
#
# Module code is compiled with one precompiled header: 20 to 30 s once, then 5 to 10 s a file less. A project with one
# such file that is built once is better off with -DORBWEAVER_PLUGIN_PCH=OFF.
function(orbweaver_add_plugin target)
  cmake_parse_arguments(PARSE_ARGV 1 arg "NO_CHECK" "PLANE" "SOURCES;LIBRARIES;CHECK_ARGUMENTS")
  if(NOT target MATCHES "^orbw_[a-z0-9_]+$")
    message(FATAL_ERROR "orbweaver_add_plugin: the target is \"${target}\", expected orbw_ and a snake_case name")
  endif()
  if(NOT arg_PLANE MATCHES "^(data|torch)$")
    message(FATAL_ERROR "orbweaver_add_plugin(${target}): PLANE is \"${arg_PLANE}\", expected data or torch")
  endif()
  if(NOT arg_SOURCES)
    message(FATAL_ERROR "orbweaver_add_plugin(${target}): no SOURCES")
  endif()

  add_library(${target} MODULE ${arg_SOURCES})
  set_target_properties(${target} PROPERTIES PREFIX "")
  _orbweaver_compile_as_plugin(${target} ${arg_PLANE})
  # Unique symbols would make two plugins share the static data of equally named templates, in spite of RTLD_LOCAL.
  target_compile_options(${target} PRIVATE -fno-gnu-unique)
  if(NOT ORBWEAVER_SANITIZE)
    target_link_options(${target} PRIVATE -Wl,-z,defs)
  endif()
  target_link_libraries(${target} PRIVATE ${arg_LIBRARIES})
  if(ORBWEAVER_PLUGIN_OUTPUT_DIRECTORY)
    set_target_properties(${target} PROPERTIES LIBRARY_OUTPUT_DIRECTORY ${ORBWEAVER_PLUGIN_OUTPUT_DIRECTORY})
  endif()
  # Its final run path at once: CMake would append ":" to a path that it means to replace when the plugin is installed,
  # and the loader takes that for the working directory.
  set_target_properties(${target} PROPERTIES BUILD_WITH_INSTALL_RPATH ON INSTALL_RPATH_USE_LINK_PATH ON)
  if(TARGET Orbweaver::orbweaver AND NOT arg_NO_CHECK)
    add_test(NAME ${target}_conforms
      COMMAND Orbweaver::orbweaver plugins check $<TARGET_FILE:${target}> ${arg_CHECK_ARGUMENTS})
  endif()
endfunction()

# orbweaver_add_plugin_test(test_NAME PLANE data|torch SOURCES ... [LIBRARIES ...])
#
# A GoogleTest program for ctest, compiled as plugins are; it may include a plugin's source and so see its classes.
# Where GoogleTest is not installed it is left out, and the configuration says so. For plugins outside the project.
function(orbweaver_add_plugin_test target)
  cmake_parse_arguments(PARSE_ARGV 1 arg "" "PLANE" "SOURCES;LIBRARIES")
  if(NOT arg_PLANE MATCHES "^(data|torch)$")
    message(FATAL_ERROR "orbweaver_add_plugin_test(${target}): PLANE is \"${arg_PLANE}\", expected data or torch")
  endif()
  find_package(GTest QUIET)
  if(NOT GTest_FOUND)
    message(STATUS "${target} is left out: GoogleTest was not found (Debian: libgtest-dev)")
    return()
  endif()
  add_executable(${target} ${arg_SOURCES})
  _orbweaver_compile_as_plugin(${target} ${arg_PLANE})
  if(arg_PLANE STREQUAL "torch")
    # The precompiled header is made with -fPIC; an executable's own -fPIE would make the compiler ignore it.
    set_target_properties(${target} PROPERTIES POSITION_INDEPENDENT_CODE OFF)
    target_compile_options(${target} PRIVATE -fPIC)
  endif()
  target_link_libraries(${target} PRIVATE GTest::gtest_main ${arg_LIBRARIES})
  add_test(NAME ${target} COMMAND ${target})
endfunction()

# What plugins and their tests have in common.
function(_orbweaver_compile_as_plugin target plane)
  set_target_properties(${target} PROPERTIES CXX_STANDARD 20 CXX_STANDARD_REQUIRED ON CXX_EXTENSIONS OFF
    CXX_VISIBILITY_PRESET hidden VISIBILITY_INLINES_HIDDEN ON)
  if(plane STREQUAL "data")
    target_link_libraries(${target} PRIVATE Orbweaver::sdk)
    return()
  endif()
  if(COMMAND orbweaver_require_torch)
    orbweaver_require_torch()
  endif()
  target_compile_definitions(${target} PRIVATE ORBWEAVER_PLANE_TORCH)
  target_link_libraries(${target} PRIVATE Orbweaver::sdk_torch)
  if(NOT DEFINED ORBWEAVER_PLUGIN_PCH OR ORBWEAVER_PLUGIN_PCH)
    if(NOT TARGET orbweaver_torch_pch)
      orbweaver_add_torch_pch(${Orbweaver_PACKAGE_DIR}/pch.cpp Orbweaver::sdk_torch)
    endif()
    target_precompile_headers(${target} REUSE_FROM orbweaver_torch_pch)
  endif()
endfunction()
