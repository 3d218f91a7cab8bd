# What `cmake --install` puts where, and the CMake package for plugins outside the project, from the installed place and
# from the build tree alike.
#
# The prefix can be moved: libraries are found by $ORIGIN, the program finds its plugins beside liborbweaver.so and its
# templates in share/orbweaver below the prefix, and the CMake package computes the prefix from its own place.
#
# Two versions, both shown by `orbweaver --version`. The project's is what find_package(Orbweaver VERSION) asks for; the
# SDK's is what the gate compares in a plugin's binary. The SDK's major never moves without the project's, so whoever
# asks for a major of the project gets the SDK that he was written for.
include(GNUInstallDirs)
include(CMakePackageConfigHelpers)

set(plugin_folder ${CMAKE_INSTALL_LIBDIR}/orbweaver/plugins)
set(package_folder ${CMAKE_INSTALL_LIBDIR}/cmake/Orbweaver)
# Not CMAKE_INSTALL_DATADIR: the program looks for it here.
set(data_folder share/orbweaver)
get_property(shipped_plugins GLOBAL PROPERTY orbweaver_shipped_plugins)
get_property(orbweaver_sdk_version GLOBAL PROPERTY orbweaver_sdk_version)

# The build tree has the shape of an installation, so its files get their final run paths at once: both places hold the
# same bytes, and nothing is appended that CMake would later replace (":", which makes the loader look in the working
# directory). Libraries that are not in the loader's own folders (a LibTorch of one's own) keep their path.
set_target_properties(orbweaver orbweaver_framework orbweaver_sdk orbweaver_sdk_torch ${shipped_plugins} PROPERTIES
  BUILD_WITH_INSTALL_RPATH ON INSTALL_RPATH_USE_LINK_PATH ON)
file(RELATIVE_PATH libraries_from_bin ${CMAKE_INSTALL_FULL_BINDIR} ${CMAKE_INSTALL_FULL_LIBDIR})
set(program_rpath "$ORIGIN/${libraries_from_bin}" "$ORIGIN/../lib")
list(REMOVE_DUPLICATES program_rpath)
set_target_properties(orbweaver PROPERTIES INSTALL_RPATH "${program_rpath}")
set_target_properties(orbweaver_framework orbweaver_sdk orbweaver_sdk_torch PROPERTIES INSTALL_RPATH "$ORIGIN")
set_target_properties(${shipped_plugins} PROPERTIES INSTALL_RPATH "$ORIGIN/../..")

set_target_properties(orbweaver_sdk PROPERTIES EXPORT_NAME sdk)
set_target_properties(orbweaver_sdk_torch PROPERTIES EXPORT_NAME sdk_torch)
install(TARGETS orbweaver orbweaver_sdk EXPORT OrbweaverTargets INCLUDES DESTINATION ${CMAKE_INSTALL_INCLUDEDIR})
# Apart: what it needs is LibTorch's headers, which a data-plane plugin must not have to install.
install(TARGETS orbweaver_sdk_torch EXPORT OrbweaverTorchTargets)
# No liborbweaver.so to link: its interface is none for others.
install(TARGETS orbweaver_framework LIBRARY NAMELINK_SKIP)
install(TARGETS ${shipped_plugins} LIBRARY DESTINATION ${plugin_folder})
install(DIRECTORY ${PROJECT_SOURCE_DIR}/sdk/include/orbweaver DESTINATION ${CMAKE_INSTALL_INCLUDEDIR})
install(DIRECTORY ${PROJECT_SOURCE_DIR}/configs ${PROJECT_SOURCE_DIR}/sdk/templates ${PROJECT_SOURCE_DIR}/sdk/examples
  DESTINATION ${data_folder})
install(FILES ${PROJECT_SOURCE_DIR}/README.md ${PROJECT_SOURCE_DIR}/LICENSE DESTINATION ${CMAKE_INSTALL_DOCDIR})
install(DIRECTORY ${PROJECT_SOURCE_DIR}/docs DESTINATION ${CMAKE_INSTALL_DOCDIR})
# Pages link to headers, examples and configs by their place in the source tree; beside the installed pages there are
# links to where they went.
set(documentation_links ${PROJECT_BINARY_DIR}/CMakeFiles/orbweaver_documentation)
function(orbweaver_link_documentation name installed)
  cmake_path(GET name PARENT_PATH folder)
  file(RELATIVE_PATH target ${CMAKE_INSTALL_FULL_DOCDIR}/${folder} ${CMAKE_INSTALL_PREFIX}/${installed})
  file(MAKE_DIRECTORY ${documentation_links}/${folder})
  file(CREATE_LINK ${target} ${documentation_links}/${name} SYMBOLIC)
endfunction()
orbweaver_link_documentation(configs ${data_folder}/configs)
orbweaver_link_documentation(sdk/examples ${data_folder}/examples)
orbweaver_link_documentation(sdk/include ${CMAKE_INSTALL_INCLUDEDIR})
install(DIRECTORY ${documentation_links}/ DESTINATION ${CMAKE_INSTALL_DOCDIR})

# orbweaver_write_package(FOLDER PREFIX LIBDIR): the package's files but for the targets, for a prefix or for the build
# tree, which has the same shape.
function(orbweaver_write_package folder prefix libdir)
  set(ORBWEAVER_PACKAGE_PLUGINS ${libdir}/orbweaver/plugins)
  set(ORBWEAVER_PACKAGE_DATA ${data_folder})
  set(ORBWEAVER_PACKAGE_LIBTORCH ${orbweaver_libtorch_version})
  set(ORBWEAVER_PACKAGE_SDK ${orbweaver_sdk_version})
  configure_package_config_file(${PROJECT_SOURCE_DIR}/sdk/cmake/OrbweaverConfig.cmake.in ${folder}/OrbweaverConfig.cmake
    INSTALL_PREFIX ${prefix} INSTALL_DESTINATION ${libdir}/cmake/Orbweaver
    PATH_VARS ORBWEAVER_PACKAGE_PLUGINS ORBWEAVER_PACKAGE_DATA NO_CHECK_REQUIRED_COMPONENTS_MACRO)
  # As the gate has it for the SDK: an older minor of the same major is served.
  write_basic_package_version_file(${folder}/OrbweaverConfigVersion.cmake COMPATIBILITY SameMajorVersion)
endfunction()

set(package_files ${PROJECT_SOURCE_DIR}/sdk/cmake/OrbweaverPlugin.cmake
  ${PROJECT_SOURCE_DIR}/sdk/cmake/OrbweaverLibtorch.cmake ${PROJECT_SOURCE_DIR}/sdk/src/torch/pch.cpp)

set(staging ${PROJECT_BINARY_DIR}/CMakeFiles/orbweaver_package)
orbweaver_write_package(${staging} ${CMAKE_INSTALL_PREFIX} ${CMAKE_INSTALL_LIBDIR})
install(FILES ${staging}/OrbweaverConfig.cmake ${staging}/OrbweaverConfigVersion.cmake ${package_files}
  DESTINATION ${package_folder})
install(EXPORT OrbweaverTargets NAMESPACE Orbweaver:: DESTINATION ${package_folder})
install(EXPORT OrbweaverTorchTargets NAMESPACE Orbweaver:: DESTINATION ${package_folder})

# The build tree as a prefix: CMAKE_PREFIX_PATH=build/release finds it, and its program finds templates and configs.
set(build_package ${PROJECT_BINARY_DIR}/lib/cmake/Orbweaver)
orbweaver_write_package(${build_package} ${PROJECT_BINARY_DIR} lib)
file(COPY ${package_files} DESTINATION ${build_package})
export(EXPORT OrbweaverTargets NAMESPACE Orbweaver:: FILE ${build_package}/OrbweaverTargets.cmake)
export(EXPORT OrbweaverTorchTargets NAMESPACE Orbweaver:: FILE ${build_package}/OrbweaverTorchTargets.cmake)
file(MAKE_DIRECTORY ${PROJECT_BINARY_DIR}/${data_folder})
foreach(folder configs sdk/templates sdk/examples)
  get_filename_component(name ${folder} NAME)
  file(CREATE_LINK ${PROJECT_SOURCE_DIR}/${folder} ${PROJECT_BINARY_DIR}/${data_folder}/${name} SYMBOLIC)
endforeach()

# The manual page and bash's completion are what the program says of itself, so they are never behind it.
if(NOT ORBWEAVER_SANITIZE)
  set(man_folder share/man/man1)
  set(completion_folder share/bash-completion/completions)
  file(MAKE_DIRECTORY ${PROJECT_BINARY_DIR}/${man_folder} ${PROJECT_BINARY_DIR}/${completion_folder})
  set(man_page ${PROJECT_BINARY_DIR}/${man_folder}/orbweaver.1)
  set(completion ${PROJECT_BINARY_DIR}/${completion_folder}/orbweaver)
  add_custom_command(OUTPUT ${man_page} ${completion}
    COMMAND orbweaver manual man > ${man_page}
    COMMAND orbweaver manual bash > ${completion}
    DEPENDS orbweaver COMMENT "Writing the manual page and bash's completion" VERBATIM)
  add_custom_target(orbweaver_manual ALL DEPENDS ${man_page} ${completion})
  install(FILES ${man_page} DESTINATION ${man_folder})
  install(FILES ${completion} DESTINATION ${completion_folder})
endif()

include(OrbweaverDebian)
