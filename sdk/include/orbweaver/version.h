// Version of the plugin interface (the SDK), separate from the version of Orbweaver itself.
//
// A plugin records the version it was built against. A host takes plugins of its own major and of no newer minor:
// minors only add. (While a major is 0, only the very same minor.) docs/abi.md says what a minor and what a major is.
#pragma once

#define ORBWEAVER_SDK_VERSION_MAJOR 1
#define ORBWEAVER_SDK_VERSION_MINOR 0
