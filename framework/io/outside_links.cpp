#include "framework/io/outside_links.h"

#include <algorithm>
#include <cstdlib>
#include <string_view>
#include <system_error>

namespace orbweaver {
namespace fs = std::filesystem;

bool outside_links_allowed() {
  const char* allowed = std::getenv("ORBWEAVER_OUTSIDE_LINKS");
  return allowed && std::string_view(allowed) == "1";
}

fs::path resolved(const fs::path& path) {
  std::error_code error;
  const fs::path real = fs::weakly_canonical(path, error);
  return error ? fs::absolute(path).lexically_normal() : real;
}

bool lies_in(const fs::path& path, const fs::path& folder) {
  return std::mismatch(folder.begin(), folder.end(), path.begin(), path.end()).first == folder.end();
}

}  // namespace orbweaver
