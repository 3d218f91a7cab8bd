// Words of captions and their ids.
#pragma once

#include <algorithm>
#include <cstdint>
#include <map>
#include <span>
#include <sstream>
#include <string>
#include <string_view>
#include <unordered_map>
#include <utility>
#include <vector>

#include "../../shared/split_words.h"
#include "orbweaver/error.h"

namespace {

/// Ids: 0 padding, 1 unknown, words from 2 on by falling frequency, equal ones alphabetically.
class Vocabulary {
 public:
  static constexpr int64_t unknown = 1, first_word = 2;

  /// The words seen at least `min_count` times.
  static Vocabulary count(std::span<const std::string> texts, int64_t min_count) {
    std::map<std::string, int64_t> counts;
    for (const std::string& text : texts)
      for (std::string& word : split_words(text)) ++counts[std::move(word)];
    std::vector<std::pair<std::string, int64_t>> kept;
    for (const auto& [word, seen] : counts)
      if (seen >= min_count) kept.emplace_back(word, seen);
    std::stable_sort(kept.begin(), kept.end(), [](const auto& a, const auto& b) { return a.second > b.second; });
    Vocabulary vocabulary;
    for (auto& [word, seen] : kept) vocabulary.add(std::move(word));
    return vocabulary;
  }

  /// One word per line, in the order of their ids.
  static Vocabulary from_lines(std::string_view text) {
    Vocabulary vocabulary;
    std::istringstream lines{std::string(text)};
    for (std::string word; std::getline(lines, word);) {
      if (word.empty() || vocabulary.ids_.contains(word))
        throw orbweaver::InputError("text_encoder bigru: the vocabulary in the checkpoint is damaged: line " +
                                    std::to_string(vocabulary.words_.size() + 1) + " is empty or repeated");
      vocabulary.add(std::move(word));
    }
    return vocabulary;
  }

  std::string lines() const {
    std::string text;
    for (const std::string& word : words_) text += word + "\n";
    return text;
  }

  /// At least one id: a text without words is one unknown word.
  std::vector<int64_t> ids(std::string_view text) const {
    std::vector<int64_t> ids;
    for (const std::string& word : split_words(text)) ids.push_back(id(word));
    if (ids.empty()) ids.push_back(unknown);
    return ids;
  }

  int64_t id(const std::string& word) const {
    const auto found = ids_.find(word);
    return found == ids_.end() ? unknown : found->second;
  }

  /// Ids in use: words, padding and unknown.
  int64_t size() const { return first_word + static_cast<int64_t>(words_.size()); }
  const std::vector<std::string>& words() const { return words_; }

 private:
  void add(std::string word) {
    ids_.emplace(word, size());
    words_.push_back(std::move(word));
  }

  std::vector<std::string> words_;
  std::unordered_map<std::string, int64_t> ids_;
};

}  // namespace
