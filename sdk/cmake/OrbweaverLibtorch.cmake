# LibTorch as Orbweaver and its model-plane plugins include and link it: the same for the project itself and for those
# who find its package.

# orbweaver_read_libtorch_version(OUT FOLDER...)
#
# MAJOR.MINOR.PATCH from the headers below one of these include folders, the very lines that a plugin records; empty
# where there are none.
function(orbweaver_read_libtorch_version out)
  set(numbers)
  foreach(folder IN LISTS ARGN)
    if(NOT numbers AND EXISTS ${folder}/torch/version.h)
      file(STRINGS ${folder}/torch/version.h lines REGEX "#define TORCH_VERSION_(MAJOR|MINOR|PATCH) +[0-9]+")
      foreach(part MAJOR MINOR PATCH)
        if(lines MATCHES "TORCH_VERSION_${part} +([0-9]+)")
          list(APPEND numbers ${CMAKE_MATCH_1})
        endif()
      endforeach()
    endif()
  endforeach()
  list(JOIN numbers "." version)
  set(${out} "${version}" PARENT_SCOPE)
endfunction()

# Orbweaver::libtorch from what find_package(Torch) found. It is an imported target so that the exported
# Orbweaver::sdk_torch names it, and whoever imports that makes it anew from the LibTorch of his own system.
macro(orbweaver_define_libtorch)
  # LibTorch's own target names its include folder without SYSTEM, which would print its warnings as ours.
  add_library(Orbweaver::libtorch INTERFACE IMPORTED)
  target_include_directories(Orbweaver::libtorch SYSTEM INTERFACE ${TORCH_INCLUDE_DIRS})
  target_compile_definitions(Orbweaver::libtorch INTERFACE AT_PER_OPERATOR_HEADERS)
  target_link_libraries(Orbweaver::libtorch INTERFACE ${TORCH_LIBRARIES})
endmacro()

# orbweaver_add_torch_pch(SOURCE LIBRARIES...)
#
# The one precompiled header of all module code: REUSE_FROM it, with identical flags. It holds what nearly all of that
# code uses and no more, for each file instantiates anew the templates that the header left pending: with all of
# torch/nn.h and torch/optim.h that alone was 3.5 s a file instead of 2.
function(orbweaver_add_torch_pch source)
  add_library(orbweaver_torch_pch OBJECT ${source})
  target_link_libraries(orbweaver_torch_pch PUBLIC ${ARGN})
  set_target_properties(orbweaver_torch_pch PROPERTIES CXX_STANDARD 20 CXX_STANDARD_REQUIRED ON CXX_EXTENSIONS OFF
    POSITION_INDEPENDENT_CODE ON CXX_VISIBILITY_PRESET hidden VISIBILITY_INLINES_HIDDEN ON)
  target_precompile_headers(orbweaver_torch_pch PRIVATE <torch/nn/module.h> <torch/nn/modules/embedding.h>
    <torch/nn/modules/linear.h>)
endfunction()
