// The version of Orbweaver itself, as result records and `orbweaver --version` state it. The plugin interface has its
// own (orbweaver/version.h). Equal to the project version in CMakeLists.txt; a test compares the two.
#pragma once

#define ORBWEAVER_VERSION "1.0.0"
