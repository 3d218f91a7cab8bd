// Found before the SDK's own: a plugin built with a later SDK.
#pragma once

#define ORBWEAVER_SDK_VERSION_MAJOR 99
#define ORBWEAVER_SDK_VERSION_MINOR 0
