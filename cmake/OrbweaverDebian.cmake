# `cpack -G DEB` in the build folder: everything as one Debian package, for the release that it is built on.
#
# What the program needs to run is computed from its libraries (dpkg-shlibdeps). Plugins are built with a compiler and
# CMake and tested with GoogleTest, so these are recommended, which apt installs unless told otherwise; LibTorch's
# headers, a hundred megabytes that only model-plane plugins need, are suggested.
set(ORBWEAVER_PACKAGE_CONTACT "The Orbweaver authors <noreply@orbweaver.invalid>" CACHE STRING
  "Maintainer of the Debian package: NAME <ADDRESS>")

# 1~deb12 sorts before 1~deb13: going to the next release upgrades the package.
set(debian_release 0)
if(EXISTS /etc/os-release)
  file(STRINGS /etc/os-release release_line REGEX "^VERSION_ID=")
  string(REGEX MATCH "[0-9.]+" debian_release "${release_line}")
endif()

set(CPACK_GENERATOR DEB)
set(CPACK_PACKAGE_NAME orbweaver)
set(CPACK_PACKAGE_CONTACT "${ORBWEAVER_PACKAGE_CONTACT}")
set(CPACK_PACKAGE_DESCRIPTION_SUMMARY "text-image retrieval in remote sensing, assembled from plugins")
set(CPACK_DEBIAN_PACKAGE_DESCRIPTION
"A retrieval method is a JSON file that names its parts (encoders, graphs,
fusion, losses, rerankers), each of which lives in a plugin library.
Orbweaver trains and evaluates methods, compares them, and shows what they
retrieve.
.
The package holds the program, the plugins and configs that ship, and the
SDK: headers, a CMake package and templates for plugins of your own.")
set(CPACK_DEBIAN_PACKAGE_SECTION science)
set(CPACK_DEBIAN_PACKAGE_RELEASE "1~deb${debian_release}")
set(CPACK_DEBIAN_FILE_NAME DEB-DEFAULT)
set(CPACK_DEBIAN_PACKAGE_SHLIBDEPS ON)
set(CPACK_DEBIAN_PACKAGE_SHLIBDEPS_PRIVATE_DIRS ${PROJECT_BINARY_DIR}/lib)
# Packages of plugins find out by `shlibs` what they depend on. (Not CPACK_DEBIAN_PACKAGE_GENERATE_SHLIBS, which warns of
# each plugin, because that has no SONAME.) `triggers` is policy's way to renew the loader's cache.
string(REGEX MATCH "^[0-9]+" sdk_major ${orbweaver_sdk_version})
set(control_folder ${PROJECT_BINARY_DIR}/CMakeFiles/orbweaver_debian)
file(WRITE ${control_folder}/triggers "activate-noawait ldconfig\n")
file(WRITE ${control_folder}/shlibs
  "liborbweaver ${PROJECT_VERSION_MAJOR}.${PROJECT_VERSION_MINOR} orbweaver (>= ${PROJECT_VERSION})\n"
  "liborbweaver_sdk ${sdk_major} orbweaver (>= ${PROJECT_VERSION})\n"
  "liborbweaver_sdk_torch ${sdk_major} orbweaver (>= ${PROJECT_VERSION})\n")
set(CPACK_DEBIAN_PACKAGE_CONTROL_EXTRA ${control_folder}/triggers ${control_folder}/shlibs)
set(CPACK_DEBIAN_PACKAGE_RECOMMENDS
  "libopenblas0-openmp, g++ (>= 4:12), cmake (>= 3.25), make | ninja-build, libgtest-dev")
set(CPACK_DEBIAN_PACKAGE_SUGGESTS "libtorch-dev, bash-completion")
set(CPACK_PACKAGING_INSTALL_PREFIX /usr)
set(CPACK_STRIP_FILES ON)
set(CPACK_INSTALL_DEFAULT_DIRECTORY_PERMISSIONS
  OWNER_READ OWNER_WRITE OWNER_EXECUTE GROUP_READ GROUP_EXECUTE WORLD_READ WORLD_EXECUTE)
set(CPACK_PRE_BUILD_SCRIPTS ${CMAKE_CURRENT_LIST_DIR}/FinishDebianPackage.cmake)
set(CPACK_POST_BUILD_SCRIPTS ${CMAKE_CURRENT_LIST_DIR}/FinishDebianFile.cmake)
set(CPACK_ORBWEAVER_SOURCE ${PROJECT_SOURCE_DIR})
include(CPack)
