// Feeds the corpora to the targets, as a test that needs no libFuzzer: what was found once stays found.
//
//   fuzz_replay CORPUS            every target, each with the files of CORPUS/<target>/
//   fuzz_replay CORPUS TARGET     that one
//   fuzz_replay CORPUS TARGET FILE...   these files instead
#include <algorithm>
#include <chrono>
#include <cstdio>
#include <exception>
#include <filesystem>
#include <string>
#include <vector>

#include "framework/io/files.h"
#include "fuzz/target.h"

namespace {

namespace fs = std::filesystem;
using orbweaver::fuzz::Target;

// A second in an optimised build, and more where sanitizers or a busy machine slow it.
constexpr double longest_seconds = 20;

std::vector<fs::path> files_in(const fs::path& folder) {
  std::vector<fs::path> files;
  for (const auto& entry : fs::directory_iterator(folder))
    if (entry.is_regular_file()) files.push_back(entry.path());
  std::sort(files.begin(), files.end());
  return files;
}

/// Whether the target took the file well; says so where it did not. (A crash ends the process: the name is out before.)
bool feed(const Target& target, const fs::path& file) {
  const std::string bytes = orbweaver::read_file(file);
  std::fprintf(stderr, "%s\n", file.string().c_str());
  const auto begin = std::chrono::steady_clock::now();
  try {
    orbweaver::fuzz::run(target, bytes);
  } catch (const std::exception& error) {
    std::fprintf(stderr, "FAILED: %s, expected an InputError or none\n", error.what());
    return false;
  }
  const std::chrono::duration<double> seconds = std::chrono::steady_clock::now() - begin;
  if (seconds.count() < longest_seconds) return true;
  std::fprintf(stderr, "FAILED: took %.1f seconds\n", seconds.count());
  return false;
}

bool replay(const Target& target, const std::vector<fs::path>& files) {
  if (files.empty()) std::fprintf(stderr, "FAILED: %s: has no corpus\n", target.name);
  size_t failed = files.empty();
  for (const fs::path& file : files) failed += !feed(target, file);
  std::printf("%s: %zu inputs, %zu failed\n", target.name, files.size(), failed);
  return failed == 0;
}

}  // namespace

int main(int argc, char** argv) {
  if (argc < 2) {
    std::fprintf(stderr, "usage: fuzz_replay CORPUS [TARGET [FILE...]]\n");
    return 2;
  }
  bool good = true, known = false;
  for (const Target& target : orbweaver::fuzz::targets) {
    if (argc > 2 && std::string(argv[2]) != target.name) continue;
    known = true;
    good &= replay(target,
                   argc > 3 ? std::vector<fs::path>(argv + 3, argv + argc) : files_in(fs::path(argv[1]) / target.name));
  }
  if (!known) std::fprintf(stderr, "%s: no such target\n", argv[2]);
  return good && known ? 0 : 1;
}
