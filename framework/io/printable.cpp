#include "framework/io/printable.h"

#include <fmt/format.h>

#include <cstddef>
#include <iterator>

namespace orbweaver {
namespace {

unsigned byte_at(std::string_view text, size_t i) { return static_cast<unsigned char>(text[i]); }

/// Bytes of the UTF-8 character that begins at `at`; 0 where none does.
size_t character_length(std::string_view text, size_t at) {
  const unsigned first = byte_at(text, at);
  if (first < 0x80) return 1;
  const size_t length = first >= 0xf0 ? 4 : first >= 0xe0 ? 3 : 2;
  if (first < 0xc2 || first > 0xf4 || length > text.size() - at) return 0;
  for (size_t i = 1; i < length; ++i)
    if ((byte_at(text, at + i) & 0xc0) != 0x80) return 0;
  // Longer than it need be, a surrogate, beyond the last character.
  const unsigned second = byte_at(text, at + 1);
  const bool wrong = (first == 0xe0 && second < 0xa0) || (first == 0xed && second > 0x9f) ||
                     (first == 0xf0 && second < 0x90) || (first == 0xf4 && second > 0x8f);
  return wrong ? 0 : length;
}

/// U+0080 to U+009F: to some terminals what ESC and a letter are.
bool is_high_control(std::string_view character) {
  return character.size() == 2 && byte_at(character, 0) == 0xc2 && byte_at(character, 1) < 0xa0;
}

}  // namespace

std::string printable(std::string_view text) {
  std::string out;
  out.reserve(text.size());
  for (size_t at = 0; at < text.size();) {
    const size_t length = character_length(text, at);
    const std::string_view character = text.substr(at, length);
    const unsigned first = byte_at(text, at);
    if (length == 0 || (first < 0x20 && first != '\n' && first != '\t') || first == 0x7f)
      fmt::format_to(std::back_inserter(out), "\\x{:02x}", first);
    else if (is_high_control(character))
      fmt::format_to(std::back_inserter(out), "\\u{:04x}", byte_at(character, 1));
    else
      out += character;
    at += length == 0 ? 1 : length;
  }
  return out;
}

std::string printable_json(std::string_view json) {
  std::string out;
  out.reserve(json.size());
  for (size_t at = 0; at < json.size();) {
    const std::string_view pair = json.substr(at, 2);
    const bool high = is_high_control(pair);
    if (high || json[at] == '\x7f')
      fmt::format_to(std::back_inserter(out), "\\u{:04x}", byte_at(pair, high ? 1 : 0));
    else
      out += json[at];
    at += high ? 2 : 1;
  }
  return out;
}

}  // namespace orbweaver
