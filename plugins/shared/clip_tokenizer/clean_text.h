// What CLIP does to a text before it is split: repair, HTML, white space, lower case.
#pragma once

#include <algorithm>
#include <cstdint>
#include <cstring>
#include <iterator>
#include <string>
#include <string_view>

#include "text_tables.h"

namespace {

enum class CharacterClass { letter, number, space, other };

inline void append_utf8(uint32_t c, std::string& text) {
  if (c < 0x80) {
    text += static_cast<char>(c);
    return;
  }
  const int tail = c < 0x800 ? 1 : c < 0x10000 ? 2 : 3;
  text += static_cast<char>((0xF00 >> (tail + 1) & 0xFF) | c >> (6 * tail));
  for (int i = tail - 1; i >= 0; --i) text += static_cast<char>(0x80 | (c >> (6 * i) & 0x3F));
}

/// The character that begins a text that is not empty, and its length in bytes. A byte that begins none is U+FFFD.
inline uint32_t decode_utf8(std::string_view text, size_t& length) {
  const auto byte = [&](size_t i) { return static_cast<uint32_t>(static_cast<unsigned char>(text[i])); };
  length = 1;
  const uint32_t lead = byte(0);
  if (lead < 0x80) return lead;
  const size_t tail = lead >= 0xF0 && lead < 0xF5 ? 3 : lead >= 0xE0 ? 2 : lead >= 0xC2 ? 1 : 0;
  if (tail == 0 || lead >= 0xF5 || text.size() <= tail) return 0xFFFD;
  uint32_t c = lead & (0x3Fu >> tail);
  for (size_t i = 1; i <= tail; ++i) {
    if ((byte(i) & 0xC0) != 0x80) return 0xFFFD;
    c = c << 6 | (byte(i) & 0x3F);
  }
  const bool overlong = c < (tail == 2 ? 0x800u : tail == 3 ? 0x10000u : 0x80u);
  if (overlong || c > 0x10FFFF || (c >= 0xD800 && c < 0xE000)) return 0xFFFD;
  length = tail + 1;
  return c;
}

template <size_t N>
bool is_in(const UnicodeRange (&ranges)[N], uint32_t c) {
  const auto* after =
      std::upper_bound(std::begin(ranges), std::end(ranges), c, [](uint32_t v, const auto& r) { return v < r.first; });
  return after != std::begin(ranges) && c <= std::prev(after)->last;
}

/// Class of the character that begins a text that is not empty, and its length in bytes.
inline CharacterClass classify(std::string_view text, size_t& length) {
  const uint32_t c = decode_utf8(text, length);
  if (c >= 0x80)
    return is_in(kLetters, c)   ? CharacterClass::letter
           : is_in(kNumbers, c) ? CharacterClass::number
                                : CharacterClass::other;
  if ((c | 0x20) >= 'a' && (c | 0x20) <= 'z') return CharacterClass::letter;
  if (c >= '0' && c <= '9') return CharacterClass::number;
  return c == ' ' ? CharacterClass::space : CharacterClass::other;
}

inline bool is_space(uint32_t c) {
  return c == 0x20 || (c >= 9 && c <= 13) || (c >= 28 && c <= 31) || c == 0x85 || c == 0xA0 || c == 0x1680 ||
         (c >= 0x2000 && c <= 0x200A) || c == 0x2028 || c == 0x2029 || c == 0x202F || c == 0x205F || c == 0x3000;
}

/// Lower case of a single character (a capital sigma is always lower-cased to the one inside words).
inline uint32_t lower(uint32_t c) {
  const auto* after = std::upper_bound(std::begin(kLowerRuns), std::end(kLowerRuns), c,
                                       [](uint32_t v, const LowerRun& run) { return v < run.first; });
  if (after == std::begin(kLowerRuns)) return c;
  const LowerRun& run = *std::prev(after);
  const bool changes = c <= run.last && (c - run.first) % run.step == 0;
  return changes ? static_cast<uint32_t>(static_cast<int64_t>(c) + run.offset) : c;
}

/// A numeric reference as HTML 5 reads it: Windows-1252 below 160, U+FFFD for what is no character.
inline uint32_t referred_character(uint64_t number) {
  static constexpr uint16_t kWindows[32] = {0x20AC, 0x81,   0x201A, 0x0192, 0x201E, 0x2026, 0x2020, 0x2021,
                                            0x02C6, 0x2030, 0x0160, 0x2039, 0x0152, 0x8D,   0x017D, 0x8F,
                                            0x90,   0x2018, 0x2019, 0x201C, 0x201D, 0x2022, 0x2013, 0x2014,
                                            0x02DC, 0x2122, 0x0161, 0x203A, 0x0153, 0x9D,   0x017E, 0x0178};
  if (number >= 0x80 && number < 0xA0) return kWindows[number - 0x80];
  if (number == 0 || number > 0x10FFFF || (number >= 0xD800 && number < 0xE000)) return 0xFFFD;
  return static_cast<uint32_t>(number);
}

inline const Entity* find_entity(std::string_view name) {
  const auto* found = std::lower_bound(std::begin(kEntities), std::end(kEntities), name,
                                       [](const Entity& entity, std::string_view n) { return entity.name < n; });
  return found != std::end(kEntities) && found->name == name ? found : nullptr;
}

/// The reference that begins a text with '&': its character and its length in bytes; length 0 where it is none.
inline uint32_t read_reference(std::string_view text, size_t& length) {
  length = 0;
  size_t at = 1;
  if (text.size() > 2 && text[1] == '#') {
    const bool hex = (text[2] | 0x20) == 'x';
    const size_t first = at = hex ? 3 : 2;
    uint64_t number = 0;
    for (; at < text.size(); ++at) {
      const char c = text[at], letter = static_cast<char>(c | 0x20);
      const bool digit = c >= '0' && c <= '9';
      if (!digit && !(hex && letter >= 'a' && letter <= 'f')) break;
      number = std::min<uint64_t>(number * (hex ? 16 : 10) + static_cast<uint64_t>(digit ? c - '0' : letter - 'a' + 10),
                                  0x110000);
    }
    if (at == first) return 0;
    length = at + (at < text.size() && text[at] == ';');
    return referred_character(number);
  }
  while (at < text.size() && at <= 32 && std::strchr("\t\n\f <&#;", text[at]) == nullptr) ++at;
  if (at < text.size() && text[at] == ';')
    if (const Entity* entity = find_entity(text.substr(1, at - 1))) {
      length = at + 1;
      return entity->code_point;
    }
  for (; at > 2; --at)  // the longest beginning that stands without a semicolon
    if (const Entity* entity = find_entity(text.substr(1, at - 1)); entity && entity->bare) {
      length = at;
      return entity->code_point;
    }
  return 0;
}

/// HTML's character references replaced, those of HTML 4 and all numeric ones.
inline std::string unescape_html(std::string_view text) {
  std::string out;
  for (size_t at = 0; at < text.size();) {
    size_t length = 0;
    const uint32_t c = text[at] == '&' ? read_reference(text.substr(at), length) : 0;
    if (length > 0)
      append_utf8(c, out);
    else
      out += text[at];
    at += std::max<size_t>(length, 1);
  }
  return out;
}

/// Writes the repaired character: typographic quotes become plain ones, ligatures letters, full-width forms ASCII;
/// control characters go. Of what the ftfy library does (the original calls it) this is what captions hold; text that
/// was decoded in a wrong encoding stays as it is.
inline void append_fixed(uint32_t c, std::string& out) {
  static constexpr const char* kLigatures[] = {"ff", "fi", "fl", "ffi", "ffl", "st", "st"};
  if (c >= 0x2018 && c <= 0x201B) c = '\'';
  if (c >= 0x201C && c <= 0x201F) c = '"';
  if (c >= 0xFF01 && c <= 0xFF5E) c -= 0xFEE0;
  if (c >= 0xFB00 && c <= 0xFB06)
    out += kLigatures[c - 0xFB00];
  else if (c == 0x130)  // the one capital whose lower case is two characters
    out += "i\xCC\x87";
  else if (c >= 0x20 && c != 0x7F && c != 0xFEFF)
    append_utf8(lower(c), out);
}

/// HTML unescaped twice, repaired, white space collapsed to single spaces and stripped, lower-cased. Always valid
/// UTF-8.
inline std::string clean_text(std::string_view text) {
  std::string unescaped;
  if (text.find('&') != std::string_view::npos) {
    unescaped = unescape_html(unescape_html(text));
    text = unescaped;
  }
  std::string out;
  out.reserve(text.size());
  bool space = false;
  for (size_t at = 0; at < text.size();) {
    size_t length = 0;
    const uint32_t c = decode_utf8(text.substr(at), length);
    at += length;
    if (is_space(c)) {
      space = true;
      continue;
    }
    if (space && !out.empty()) out += ' ';
    space = false;
    if (c > 0x20 && c < 0x7F)
      out += static_cast<char>(c >= 'A' && c <= 'Z' ? c | 0x20 : c);
    else
      append_fixed(c, out);
  }
  return out;
}

}  // namespace
