// CLIP's merges: the file in any of its formats, gzip among them, and the tokenizer made of them.
#include <algorithm>

#include "fuzz/target.h"
#include "plugins/shared/clip_tokenizer/merges_file.h"
#include "plugins/shared/clip_tokenizer/tokenizer.h"

void orbweaver::fuzz::clip_merges(std::string_view bytes) {
  const std::string merges = orbweaver_clip::read_merges(input_file("merges", bytes));
  const auto lines = static_cast<int64_t>(std::count(merges.begin(), merges.end(), '\n'));
  // As many as there are, more, and as many as a damaged weights file could ask for.
  for (const int64_t count : {lines, lines + 3, INT64_MAX / 2}) {
    try {
      const ClipTokenizer tokenizer(merges, count, "input");
      demand(tokenizer.start() == 512 + count || tokenizer.start() <= 512 + lines, "ids follow the merges");
      tokenizer.encode("a low tower, the lowest of 12");
    } catch (const InputError&) {
      // The next count may still do.
    }
  }
}
