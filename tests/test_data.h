// Reference data for tests: golden tensors, real images, weights. Tests find it by ORBWEAVER_TEST_DATA and skip
// without.
#pragma once

#include <gtest/gtest.h>

#include <cstdlib>
#include <filesystem>

namespace orbweaver::testing {

/// The folder of reference data, or an empty path when ORBWEAVER_TEST_DATA is not set.
inline std::filesystem::path test_data() {
  const char* folder = std::getenv("ORBWEAVER_TEST_DATA");
  return folder ? std::filesystem::path(folder) : std::filesystem::path();
}

}  // namespace orbweaver::testing

/// Skips the test, saying so, when the reference data (or this part of it) is absent.
#define ORBWEAVER_NEEDS_TEST_DATA(relative)                                                    \
  if (::orbweaver::testing::test_data().empty())                                               \
    GTEST_SKIP() << "ORBWEAVER_TEST_DATA is not set; it names the folder with " << (relative); \
  else if (!std::filesystem::exists(::orbweaver::testing::test_data() / (relative)))           \
  GTEST_SKIP() << (::orbweaver::testing::test_data() / (relative)).string() << " does not exist"
