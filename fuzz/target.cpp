#include "fuzz/target.h"

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <fstream>

#include "fuzz/heap.h"
#include "orbweaver/error.h"
#include "temporary_folder.h"

namespace orbweaver::fuzz {
namespace fs = std::filesystem;

void demand(bool holds, const char* promise) {
  if (holds) return;
  std::fprintf(stderr, "broken promise: %s\n", promise);
  std::abort();
}

namespace {
const fs::path& folder() {
  static const testing::TemporaryFolder folder;
  return folder.path();
}
}  // namespace

fs::path input_file(const std::string& name, std::string_view bytes) {
  fs::path file = folder() / name;
  if (file.has_parent_path()) fs::create_directories(file.parent_path());
  std::ofstream(file, std::ios::binary | std::ios::trunc) << bytes;
  return file;
}

void remove_input(const std::string& name) { fs::remove(folder() / name); }

std::vector<std::string_view> parts_of(std::string_view bytes) {
  constexpr std::string_view line = "%%\n";
  std::vector<std::string_view> parts;
  size_t begin = 0;
  for (size_t at = 0; at < bytes.size();) {
    const size_t next = std::min(bytes.find('\n', at), bytes.size() - 1) + 1;
    if (bytes.substr(at, next - at) == line) {
      parts.push_back(bytes.substr(begin, at - begin));
      begin = next;
    }
    at = next;
  }
  parts.push_back(bytes.substr(begin));
  return parts;
}

void run(const Target& target, std::string_view bytes) {
  const HeapUse use;
  try {
    target.read(bytes);
  } catch (const InputError&) {
    // What a user is told who has such a file.
  }
  const size_t bound = target.heap_base + target.heap_per_byte * bytes.size();
  if (use.peak() <= bound) return;
  std::fprintf(stderr, "%s: held %zu bytes at once for an input of %zu, expected at most %zu\n", target.name,
               use.peak(), bytes.size(), bound);
  std::abort();
}

}  // namespace orbweaver::fuzz
