// Symbol visibility. Everything is built with -fvisibility=hidden; what other libraries may use is marked.
#pragma once

#define ORBWEAVER_API __attribute__((visibility("default")))
