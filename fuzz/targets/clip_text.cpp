// A caption as CLIP's tokenizer takes it, cleaned and split by a few merges.
#include "fuzz/target.h"
#include "plugins/shared/clip_tokenizer/tokenizer.h"

void orbweaver::fuzz::clip_text(std::string_view bytes) {
  // One for each input: a tokenizer keeps the words that it has seen, which are not of this input.
  const ClipTokenizer tokenizer("a a\nl o\nlo w</w>\nlo w\ne r</w>\nt h\nth e</w>\n' s</w>\n", 8, "merges");
  const std::string clean = clean_text(bytes);
  for (size_t at = 0, length = 0; at < clean.size(); at += length) {
    const bool whole = decode_utf8(std::string_view(clean).substr(at), length) != 0xFFFD || length == 3;
    demand(whole, "a clean text is valid UTF-8");
  }
  const std::vector<int64_t> all = tokenizer.encode(bytes), some = tokenizer.encode(bytes, 77);
  for (const int64_t id : all) demand(id >= 0 && id <= tokenizer.end(), "ids are the vocabulary's");
  demand(all.front() == tokenizer.start() && all.back() == tokenizer.end(), "a text has its start and its end");
  demand(some.size() <= 77 && some.back() == tokenizer.end(), "a long text is cut and has its end");
  demand(all.size() > 77 || some == all, "a short text is not cut");
}
