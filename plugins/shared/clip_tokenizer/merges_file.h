#pragma once

#include <filesystem>
#include <string>

namespace orbweaver_clip {

/// The merges of a BPE vocabulary file, a line "left right" each, best first.
///
/// Read are CLIP's own `bpe_simple_vocab_16e6.txt.gz` (packed or not; its first line is a header), Hugging Face's
/// `merges.txt`, and the `tokenizer.json` of a CLIP tokenizer.
///
/// @throws InputError in one line: a file that cannot be read, is damaged, or holds another kind of tokenizer.
__attribute__((visibility("hidden"))) std::string read_merges(const std::filesystem::path& file);

}  // namespace orbweaver_clip
