// Version of the plugin interface (the SDK), separate from the version of Orbweaver itself.
//
// A plugin records the version it was built against. While the major is 0 only the very same minor is accepted;
// from 1.0 on an older minor of the same major is accepted too.
#pragma once

#define ORBWEAVER_SDK_VERSION_MAJOR 0
#define ORBWEAVER_SDK_VERSION_MINOR 2
