// Looks whether something can be written, before long work is done for it.
#pragma once

#include <filesystem>

namespace orbweaver {

/// That a file, or what goes into a folder, can be written: not on a read-only file system, and not without permission.
/// Whether there is room shows when it is written. Changes nothing.
/// @throws Error as write_atomically() does
void require_writable(const std::filesystem::path& path);

}  // namespace orbweaver
