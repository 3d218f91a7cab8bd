// Symbolic links that lead out of a folder. Unpacked from an archive of somebody else's they would show any file of
// this machine in results and reports, so they are refused unless ORBWEAVER_OUTSIDE_LINKS=1 says that they are the
// user's own.
#pragma once

#include <filesystem>

namespace orbweaver {

bool outside_links_allowed();

/// The path with all links followed, as far as it exists; absolute.
std::filesystem::path resolved(const std::filesystem::path& path);

/// Whether `path` lies in `folder` or is it; both resolved().
bool lies_in(const std::filesystem::path& path, const std::filesystem::path& folder);

}  // namespace orbweaver
