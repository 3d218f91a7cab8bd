// A static object that leaves a file behind when the library is mapped: proof that code of a plugin ran.
#pragma once

#include <cstdio>
#include <cstdlib>
#include <string>

#ifndef WITNESS_NAME
#define WITNESS_NAME "radius_graph"
#endif

namespace {

struct Witness {
  Witness() {
    const char* folder = std::getenv("ORBWEAVER_TEST_WITNESS");
    if (!folder) return;
    if (std::FILE* file = std::fopen((std::string(folder) + "/" + WITNESS_NAME).c_str(), "w")) std::fclose(file);
  }
} witness;

}  // namespace
