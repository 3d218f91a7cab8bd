// Found before the SDK's own: a plugin built with a later SDK of the same major.
#pragma once

#include_next <orbweaver/version.h>
#undef ORBWEAVER_SDK_VERSION_MINOR
#define ORBWEAVER_SDK_VERSION_MINOR 99
