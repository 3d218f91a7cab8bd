// Content hashes of a dataset's files, remembered: reading all images to see that none has changed takes minutes where
// the disk is far away.
#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>
#include <string>
#include <vector>

namespace orbweaver {

/// XXH3-128 of the content of each file, in their order (an empty path gives an empty hash).
///
/// @param record  a file that remembers them; none when empty. A hash is taken from there while size, both times and
///                inode of the file are what they were, and remembered only where its last change was over two seconds
///                ago: a clock too coarse would hide a change that follows at once. A record that cannot be read or
///                written costs time alone.
/// @throws InputError naming a file that cannot be read.
std::vector<std::string> hash_files(const std::vector<std::filesystem::path>& files,
                                    const std::filesystem::path& record, int threads);

/// Where a cache keeps the record of the files of one folder. Empty without a cache.
std::filesystem::path hash_record(const std::filesystem::path& cache, const std::filesystem::path& folder);

}  // namespace orbweaver
