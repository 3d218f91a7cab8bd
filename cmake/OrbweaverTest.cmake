include(CheckCXXCompilerFlag)
check_cxx_compiler_flag(-munroll-only-small-loops ORBWEAVER_UNROLLS_SMALL_LOOPS)

# orbweaver_add_test(NAME SOURCES ... [LIBRARIES ...] [TORCH])
#
# One GoogleTest executable is one ctest entry: starting a process linked to LibTorch costs half a second, so tests are
# not started one by one. TORCH: the sources use tensors and share the precompiled header.
#
# Tests run for seconds and compile for minutes, so optimised builds take -O1 for them, and builds with a sanitizer -Og,
# which compiles in two thirds of the time; what they test in libraries keeps its own level.
function(orbweaver_add_test name)
  if(NOT BUILD_TESTING)
    return()
  endif()
  cmake_parse_arguments(PARSE_ARGV 1 arg "TORCH" "" "SOURCES;LIBRARIES")
  add_executable(${name} ${arg_SOURCES})
  target_link_libraries(${name} PRIVATE orbweaver_framework GTest::gtest_main fmt::fmt ${arg_LIBRARIES})
  target_include_directories(${name} PRIVATE ${PROJECT_SOURCE_DIR} ${PROJECT_SOURCE_DIR}/tests)
  target_compile_definitions(${name} PRIVATE ORBWEAVER_BUILD_DIR="${PROJECT_BINARY_DIR}"
    ORBWEAVER_SOURCE_DIR="${PROJECT_SOURCE_DIR}" ORBWEAVER_CLI="${PROJECT_BINARY_DIR}/bin/orbweaver")
  target_compile_options(${name} PRIVATE $<$<CONFIG:Release>:-O1>)
  if(ORBWEAVER_SANITIZE)
    target_compile_options(${name} PRIVATE -Og)
  endif()
  if(arg_TORCH)
    # The precompiled header is made with -fPIC; an executable's own -fPIE would make the compiler ignore it.
    set_target_properties(${name} PROPERTIES POSITION_INDEPENDENT_CODE OFF)
    target_compile_options(${name} PRIVATE -fPIC)
    if(ORBWEAVER_UNROLLS_SMALL_LOOPS)
      # GCC from 13 on x86: the header, made with -O3, has two settings that -O1 leaves off and that have to agree.
      target_compile_options(${name} PRIVATE "$<$<CONFIG:Release>:-munroll-only-small-loops;-mvzeroupper>")
    endif()
    target_precompile_headers(${name} REUSE_FROM orbweaver_torch_pch)
  endif()
  set_target_properties(${name} PROPERTIES RUNTIME_OUTPUT_DIRECTORY ${PROJECT_BINARY_DIR}/tests)
  add_test(NAME ${name} COMMAND ${name})
endfunction()

# Every test_NAME.cpp of the current folder as an executable of its own; test_NAME_torch.cpp uses tensors.
function(orbweaver_add_folder_tests)
  file(GLOB sources CONFIGURE_DEPENDS ${CMAKE_CURRENT_SOURCE_DIR}/test_*.cpp)
  foreach(source IN LISTS sources)
    get_filename_component(name ${source} NAME_WE)
    if(name MATCHES "_torch$")
      orbweaver_add_test(${name} SOURCES ${source} TORCH)
    else()
      orbweaver_add_test(${name} SOURCES ${source})
    endif()
  endforeach()
endfunction()
