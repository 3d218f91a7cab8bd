// Captions to words.
#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace {

/// Lower-case runs of letters and digits; everything else separates words, except the apostrophe, which is dropped
/// ("don't" is "dont"). Bytes above ASCII count as letters, so that words of other scripts stay whole.
inline std::vector<std::string> split_words(std::string_view text) {
  std::vector<std::string> words(1);
  for (const char c : text) {
    const auto byte = static_cast<unsigned char>(c);
    if (c >= 'A' && c <= 'Z')
      words.back() += static_cast<char>(c - 'A' + 'a');
    else if ((c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || byte >= 0x80)
      words.back() += c;
    else if (c != '\'' && !words.back().empty())
      words.emplace_back();
  }
  if (words.back().empty()) words.pop_back();
  return words;
}

}  // namespace
