#include "framework/report/html.h"

#include <algorithm>
#include <utility>

#include "framework/io/json.h"

namespace orbweaver {
namespace {

constexpr std::string_view replacement = "\xef\xbf\xbd";

/// Bytes of the UTF-8 sequence that `text` begins with; 0 where it begins with none (Unicode 15, table 3-7).
size_t sequence_length(std::string_view text) {
  const auto byte = [&](size_t i) { return i < text.size() ? static_cast<uint8_t>(text[i]) : 0; };
  const auto within = [&](size_t i, int low, int high) { return byte(i) >= low && byte(i) <= high; };
  const uint8_t first = static_cast<uint8_t>(byte(0));
  if (first < 0x80) return 1;
  if (first >= 0xc2 && first <= 0xdf) return within(1, 0x80, 0xbf) ? 2 : 0;
  if (first >= 0xe0 && first <= 0xef) {
    const int low = first == 0xe0 ? 0xa0 : 0x80, high = first == 0xed ? 0x9f : 0xbf;  // neither overlong nor surrogate
    return within(1, low, high) && within(2, 0x80, 0xbf) ? 3 : 0;
  }
  if (first >= 0xf0 && first <= 0xf4) {
    const int low = first == 0xf0 ? 0x90 : 0x80, high = first == 0xf4 ? 0x8f : 0xbf;
    return within(1, low, high) && within(2, 0x80, 0xbf) && within(3, 0x80, 0xbf) ? 4 : 0;
  }
  return 0;
}

bool is_control(char c) {
  const auto code = static_cast<uint8_t>(c);
  return (code < 0x20 && c != '\t' && c != '\n') || code == 0x7f;
}

Value with_valid_strings(const Value& value) {
  if (value.is_string()) return valid_utf8(value.as_string());
  if (value.is_list()) {
    Value out = Value::list();
    for (const Value& item : value.as_list()) out.push_back(with_valid_strings(item));
    return out;
  }
  if (value.is_object()) {
    Value::Object out;
    for (const auto& [name, member] : value.as_object()) out.emplace_back(valid_utf8(name), with_valid_strings(member));
    return out;
  }
  return value;
}

}  // namespace

std::string valid_utf8(std::string_view text) {
  std::string out;
  out.reserve(text.size());
  while (!text.empty()) {
    const size_t length = sequence_length(text);
    if (length == 0 || (length == 1 && is_control(text.front())))
      out += replacement;
    else
      out += text.substr(0, length);
    text.remove_prefix(length == 0 ? 1 : length);
  }
  return out;
}

std::string escape_html(std::string_view text) {
  std::string out;
  for (const char c : valid_utf8(text)) switch (c) {
      case '&': out += "&amp;"; break;
      case '<': out += "&lt;"; break;
      case '>': out += "&gt;"; break;
      case '"': out += "&quot;"; break;
      case '\'': out += "&#39;"; break;
      default: out += c;
    }
  return out;
}

std::string script_json(const Value& value) {
  // In JSON these characters stand in strings alone, where the escapes mean the same.
  std::string out;
  for (const char c : to_json(with_valid_strings(value), -1)) switch (c) {
      case '<': out += "\\u003c"; break;
      case '>': out += "\\u003e"; break;
      case '&': out += "\\u0026"; break;
      default: out += c;
    }
  return out;
}

std::string base64(std::span<const uint8_t> bytes) {
  static constexpr char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
  std::string out;
  out.reserve((bytes.size() + 2) / 3 * 4);
  for (size_t at = 0; at < bytes.size(); at += 3) {
    const size_t count = std::min<size_t>(3, bytes.size() - at);
    uint32_t group = static_cast<uint32_t>(bytes[at]) << 16;
    if (count > 1) group |= static_cast<uint32_t>(bytes[at + 1]) << 8;
    if (count > 2) group |= bytes[at + 2];
    for (size_t digit = 0; digit < 4; ++digit) out += digit <= count ? digits[group >> (18 - 6 * digit) & 63] : '=';
  }
  return out;
}

}  // namespace orbweaver
