// Damage to files: cut short at every byte, and every bit flipped.
#pragma once

#include <gtest/gtest.h>
#include <sys/resource.h>

#include <cstddef>
#include <filesystem>
#include <fstream>
#include <functional>
#include <string>
#include <string_view>

#include "orbweaver/error.h"

namespace orbweaver::testing {

/// As a new file: some file systems write one that is emptied first to the disk when it is closed, and a test makes
/// thousands.
inline void put_bytes(const std::filesystem::path& file, std::string_view bytes) {
  std::filesystem::remove(file);
  std::ofstream(file, std::ios::binary).write(bytes.data(), std::ssize(bytes));
}

/// Writes `whole` to `file` cut short at each length, then with each bit flipped, or only each `step`th of both, and
/// calls `try_it(what)` after each: "cut at byte 7", "bit 3 of byte 12".
inline void for_each_damage(const std::filesystem::path& file, const std::string& whole,
                            const std::function<void(const std::string& what)>& try_it, size_t step = 1) {
  for (size_t length = 0; length < whole.size(); length += step) {
    put_bytes(file, std::string_view(whole).substr(0, length));
    try_it("cut at byte " + std::to_string(length));
  }
  for (size_t bit = 0; bit < 8 * whole.size(); bit += step) {
    std::string damaged = whole;
    damaged[bit / 8] = static_cast<char>(damaged[bit / 8] ^ (1 << bit % 8));
    put_bytes(file, damaged);
    try_it("bit " + std::to_string(bit % 8) + " of byte " + std::to_string(bit / 8));
  }
  put_bytes(file, whole);
}

/// What reading came to.
enum class Reading { accepted, refused };

/// Calls `read`: it is to end as it should, or with an InputError of one line that names the file. Anything else fails
/// the test.
inline Reading read_or_refuse(const std::filesystem::path& file, const std::string& what,
                              const std::function<void()>& read) {
  try {
    read();
    return Reading::accepted;
  } catch (const InputError& error) {
    const std::string text = error.what();
    EXPECT_NE(text.find(file.string()), std::string::npos) << what << ": " << text;
    EXPECT_LT(text.size(), 2000u) << what;
  } catch (const std::exception& error) {
    ADD_FAILURE() << what << ": " << error.what();
  }
  return Reading::refused;
}

/// The most memory that this process has had, in MiB.
inline long peak_mib() {
  rusage usage{};
  getrusage(RUSAGE_SELF, &usage);
  return usage.ru_maxrss / 1024;
}

}  // namespace orbweaver::testing
