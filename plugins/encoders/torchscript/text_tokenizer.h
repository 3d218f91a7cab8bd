// Captions to the ids that an exported text encoder was trained with.
#pragma once

#include <algorithm>
#include <cstdint>
#include <filesystem>
#include <fstream>
#include <sstream>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "../../shared/clip_tokenizer/merges_file.h"
#include "../../shared/clip_tokenizer/tokenizer.h"
#include "../../shared/split_words.h"
#include "orbweaver/error.h"

namespace {

/// Concurrent calls of const members are allowed.
class TextTokenizer {
 public:
  virtual ~TextTokenizer() = default;
  /// At most `limit` ids (at least 3) of a text, and at least one.
  virtual std::vector<int64_t> encode(const std::string& text, size_t limit) const = 0;
  virtual int64_t largest_id() const = 0;
  /// What the vocabulary file held, as the constructor takes it.
  virtual const std::string& vocabulary() const = 0;
};

/// CLIP's byte-level BPE, between its own start and end.
class ClipBpe final : public TextTokenizer {
 public:
  /// @param merges     a merge per line.
  /// @param token_ids  size of the vocabulary: 514 and as many of the first merges.
  ClipBpe(std::string_view merges, int64_t token_ids, const std::string& source)
      : tokenizer_(merges, token_ids - 514, source) {}

  std::vector<int64_t> encode(const std::string& text, size_t limit) const override {
    return tokenizer_.encode(text, limit);
  }
  int64_t largest_id() const override { return tokenizer_.end(); }
  const std::string& vocabulary() const override { return tokenizer_.merges(); }

 private:
  ClipTokenizer tokenizer_;
};

/// Ids beside those of words; -1 where there is none.
struct SpecialIds {
  int64_t padding = 0, unknown = 1, start = -1, end = -1;
};

/// Lower-cased words (split_words.h), whose ids are the numbers of their lines, from 0.
class WordTokenizer final : public TextTokenizer {
 public:
  /// @param words   a word per line; lower-cased here.
  /// @param source  names them in errors.
  /// @throws InputError where a line is empty or a word stands twice.
  WordTokenizer(std::string_view words, const SpecialIds& special, const std::string& source)
      : special_(special), words_(words) {
    std::istringstream lines(words_);
    int64_t count = 0;
    for (std::string line; std::getline(lines, line); ++count) {
      if (line.ends_with('\r')) line.pop_back();
      for (char& c : line)
        if (c >= 'A' && c <= 'Z') c = static_cast<char>(c - 'A' + 'a');
      const auto [place, added] = ids_.emplace(line, count);
      if (line.empty())
        throw orbweaver::InputError(source + ":" + std::to_string(count + 1) + ": is empty, expected a word");
      if (!added)
        throw orbweaver::InputError(source + ":" + std::to_string(count + 1) + ": \"" + line + "\" stands in line " +
                                    std::to_string(place->second + 1) +
                                    " already; each word has one id, its line (case does not count)");
    }
    if (count == 0) throw orbweaver::InputError(source + ": is empty, expected a word per line");
    largest_ = std::max({count - 1, special.padding, special.unknown, special.start, special.end});
  }

  /// Start, the words, end. Unknown words are left out where there is no id for them, and a text of which nothing is
  /// left is one padding id.
  std::vector<int64_t> encode(const std::string& text, size_t limit) const override {
    std::vector<int64_t> ids;
    const auto add = [&](int64_t id) {
      if (id >= 0) ids.push_back(id);
    };
    add(special_.start);
    for (const std::string& word : split_words(text)) {
      const auto found = ids_.find(word);
      add(found == ids_.end() ? special_.unknown : found->second);
    }
    const size_t most = limit - (special_.end >= 0 ? 1 : 0);
    if (ids.size() > most) ids.resize(most);
    add(special_.end);
    if (ids.empty()) ids.push_back(special_.padding);
    return ids;
  }

  int64_t largest_id() const override { return largest_; }
  const std::string& vocabulary() const override { return words_; }

 private:
  SpecialIds special_;
  std::string words_;
  std::unordered_map<std::string, int64_t> ids_;
  int64_t largest_ = 0;
};

/// The content of a vocabulary file of words.
/// @throws InputError where it cannot be read.
inline std::string read_words(const std::filesystem::path& file) {
  std::ifstream stream;
  if (std::filesystem::is_regular_file(file)) stream.open(file, std::ios::binary);
  std::ostringstream content;
  if (!stream.is_open() || !(content << stream.rdbuf()))
    throw orbweaver::InputError(file.string() + ": cannot be read, or is empty; expected a word per line");
  return content.str();
}

}  // namespace
