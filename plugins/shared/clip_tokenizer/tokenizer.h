// CLIP's tokenizer (Radford et al., ICML 2021): lower-cased byte-level BPE.
#pragma once

#include <algorithm>
#include <cstdint>
#include <functional>
#include <memory>
#include <mutex>
#include <queue>
#include <shared_mutex>
#include <string>
#include <string_view>
#include <unordered_map>
#include <utility>
#include <vector>

#include "clean_text.h"
#include "orbweaver/error.h"

namespace {

/// Ids are CLIP's: 0..255 the bytes in CLIP's order, 256..511 the same at the end of a word, then one per merge, then
/// `<|startoftext|>` and `<|endoftext|>` (49406 and 49407 with CLIP's 48,894 merges).
///
/// A text is cleaned (clean_text.h) and split as CLIP's regular expression does: the two special tokens, the endings 's
/// 't 're 've 'm 'll 'd, runs of letters, single numerals, runs of anything else but space. Concurrent calls are
/// allowed; the ids of words seen before are kept.
class ClipTokenizer {
 public:
  /// @param merges  a merge per line, "left right", best first.
  /// @param count   merges used, from the first; the rest is left out.
  /// @param source  names the merges in errors.
  /// @throws InputError where there are fewer, or a line is no merge of what stands above it.
  ClipTokenizer(std::string_view merges, int64_t count, const std::string& source) {
    if (count < 0)
      throw orbweaver::InputError(source + ": a model with " + std::to_string(count + 514) +
                                  " token ids has no room for the 512 of single bytes and the two of start and end");
    std::unordered_map<std::string, int32_t> ids = byte_symbols();
    // The count is a claim of the weights' file; a merge takes four bytes, "a b" and its line's end.
    merged_.reserve(std::min(static_cast<size_t>(count), merges.size() / 4 + 1));
    size_t at = 0;
    for (int32_t rank = 0; rank < count; ++rank) {
      if (at >= merges.size())
        throw orbweaver::InputError(source + ": holds " + std::to_string(rank) + " merges, but the model's " +
                                    std::to_string(count + 514) + " token ids need " + std::to_string(count));
      const size_t end = std::min(merges.find('\n', at), merges.size());
      add_merge(merges.substr(at, end - at), rank, ids, source);
      at = end + 1;
    }
    merges_ = std::string(merges.substr(0, std::min(at, merges.size())));
  }

  ClipTokenizer(const ClipTokenizer&) = delete;
  ClipTokenizer& operator=(const ClipTokenizer&) = delete;

  int64_t start() const { return 512 + static_cast<int64_t>(merged_.size()); }
  int64_t end() const { return start() + 1; }
  /// The merges in use, as the constructor takes them.
  const std::string& merges() const { return merges_; }

  /// `<|startoftext|>`, the text, `<|endoftext|>`.
  ///
  /// @param limit  most ids to return: a longer text keeps its first limit - 1 and ends in `<|endoftext|>`.
  std::vector<int64_t> encode(std::string_view text, size_t limit = SIZE_MAX) const {
    std::vector<int64_t> ids = {start()};
    const std::string clean = clean_text(text);
    for (size_t at = 0; at < clean.size() && ids.size() < limit;) {
      if (clean[at] == ' ') {
        ++at;
        continue;
      }
      const std::string_view word = next_word(std::string_view(clean).substr(at));
      at += word.size();
      append_word(word, ids);
    }
    if (ids.size() > limit - 1) ids.resize(limit - 1);
    ids.push_back(end());
    return ids;
  }

 private:
  struct Hash {
    using is_transparent = void;
    size_t operator()(std::string_view text) const { return std::hash<std::string_view>()(text); }
  };
  using Words = std::unordered_map<std::string, std::vector<int32_t>, Hash, std::equal_to<>>;
  static constexpr int32_t kNoMerge = INT32_MAX;
  static constexpr size_t kMostWords = 1 << 17, kLongestWord = 64;  // of those kept

  /// CLIP numbers the bytes that print first (33..126, 161..172, 174..255), then the others, and writes byte b in its
  /// files as U+00bb where b prints, else as U+0100 and what follows.
  static std::unordered_map<std::string, int32_t> byte_symbols() {
    std::unordered_map<std::string, int32_t> ids;
    for (uint32_t byte = 0; byte < 256; ++byte) {
      const uint32_t id = byte_id(byte);
      std::string symbol;
      append_utf8(id < 188 ? byte : 256 + id - 188, symbol);
      ids[symbol + "</w>"] = static_cast<int32_t>(256 + id);
      ids[std::move(symbol)] = static_cast<int32_t>(id);
    }
    return ids;
  }

  static uint32_t byte_id(uint32_t byte) {
    if (byte < 33) return 188 + byte;
    if (byte < 127) return byte - 33;
    if (byte < 161) return 221 + byte - 127;
    if (byte < 173) return 94 + byte - 161;
    return byte == 173 ? 255 : 106 + byte - 174;
  }

  static uint64_t pair_key(int32_t left, int32_t right) {
    return static_cast<uint64_t>(left) << 32 | static_cast<uint32_t>(right);
  }

  void add_merge(std::string_view line, int32_t rank, std::unordered_map<std::string, int32_t>& ids,
                 const std::string& source) {
    const size_t space = line.find(' ');
    const auto left = ids.find(std::string(line.substr(0, space)));
    const auto right = space == std::string_view::npos ? ids.end() : ids.find(std::string(line.substr(space + 1)));
    if (left == ids.end() || right == ids.end())
      throw orbweaver::InputError(source + ": merge " + std::to_string(rank + 1) + " is \"" + std::string(line) +
                                  "\", expected two symbols that merges before it made; the file holds no CLIP merges");
    merged_[pair_key(left->second, right->second)] = rank;
    ids[left->first + right->first] = 512 + rank;
  }

  /// The piece of the regular expression that begins a text that does not begin with a space.
  static std::string_view next_word(std::string_view rest) {
    for (const std::string_view special : {kStartText, kEndText})
      if (rest.starts_with(special)) return rest.substr(0, special.size());
    if (rest[0] == '\'')
      for (const std::string_view ending : {"'s", "'t", "'re", "'ve", "'m", "'ll", "'d"})
        if (rest.starts_with(ending)) return rest.substr(0, ending.size());
    size_t size = 0;
    const CharacterClass first = classify(rest, size);  // also the length of the first character
    while (first != CharacterClass::number && size < rest.size()) {
      size_t length = 0;
      if (classify(rest.substr(size), length) != first) break;
      size += length;
    }
    return rest.substr(0, size);
  }

  void append_word(std::string_view word, std::vector<int64_t>& ids) const {
    if (word == kStartText || word == kEndText) return ids.push_back(word == kStartText ? start() : end());
    {
      const std::shared_lock lock(mutex_);
      if (const auto found = words_.find(word); found != words_.end()) {
        ids.insert(ids.end(), found->second.begin(), found->second.end());
        return;
      }
    }
    std::vector<int32_t> symbols = merge(word);
    ids.insert(ids.end(), symbols.begin(), symbols.end());
    if (word.size() > kLongestWord) return;
    const std::unique_lock lock(mutex_);
    if (words_.size() < kMostWords) words_.emplace(word, std::move(symbols));
  }

  /// Joins the neighbours with the best merge, the first ones first, until none is left. A merge makes a symbol that
  /// only later merges know, so what a join brings about waits its turn, and a word of n bytes takes n log n steps.
  std::vector<int32_t> merge(std::string_view word) const {
    std::vector<int32_t> symbols;
    for (const char c : word) symbols.push_back(static_cast<int32_t>(byte_id(static_cast<unsigned char>(c))));
    symbols.back() += 256;
    const size_t count = symbols.size();
    std::vector<size_t> before(count), after(count);  // of those that are left
    std::vector<int32_t> ranks(count, kNoMerge);      // of a symbol with the one after it
    std::priority_queue<std::pair<int32_t, size_t>, std::vector<std::pair<int32_t, size_t>>, std::greater<>> waiting;
    const auto look_at = [&](size_t i) {
      ranks[i] = after[i] < count ? rank_of(symbols[i], symbols[after[i]]) : kNoMerge;
      if (ranks[i] != kNoMerge) waiting.emplace(ranks[i], i);
    };
    for (size_t i = 0; i < count; ++i) {
      before[i] = i - 1;  // never read of the first
      after[i] = i + 1;
      look_at(i);
    }
    while (!waiting.empty()) {
      const auto [rank, i] = waiting.top();
      waiting.pop();
      if (ranks[i] != rank) continue;  // one of the two was joined with another
      const size_t joined = after[i];
      symbols[i] = 512 + rank;
      symbols[joined] = ranks[joined] = kNoMerge;
      after[i] = after[joined];
      if (after[i] < count) before[after[i]] = i;
      look_at(i);
      if (i > 0) look_at(before[i]);
    }
    std::erase(symbols, kNoMerge);
    return symbols;
  }

  int32_t rank_of(int32_t left, int32_t right) const {
    const auto found = merged_.find(pair_key(left, right));
    return found == merged_.end() ? kNoMerge : found->second;
  }

  static constexpr std::string_view kStartText = "<|startoftext|>", kEndText = "<|endoftext|>";
  std::unordered_map<uint64_t, int32_t> merged_;  // rank of each pair of ids
  std::string merges_;
  mutable std::shared_mutex mutex_;  // guards words_
  mutable Words words_;
};

}  // namespace
