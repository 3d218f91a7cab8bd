#include "framework/io/writable.h"

#include <fmt/format.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

#include "orbweaver/error.h"

namespace orbweaver {
namespace fs = std::filesystem;

void require_writable(const fs::path& path) {
  std::error_code ignored;
  // Files are renamed into place: their folder counts, or the one that it is to be made in.
  fs::path folder = fs::absolute(path);
  while (!fs::is_directory(folder, ignored) && folder.has_relative_path()) folder = folder.parent_path();
  if (access(folder.c_str(), W_OK) == 0 || (errno != EROFS && errno != EACCES)) return;
  throw Error(fmt::format("{}: cannot be written: {}", path.string(), std::strerror(errno)));
}

}  // namespace orbweaver
