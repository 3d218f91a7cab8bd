#include <gtest/gtest.h>
#include <zlib.h>

#include <array>
#include <cstddef>
#include <fstream>
#include <functional>
#include <map>
#include <nlohmann/json.hpp>
#include <random>
#include <string>
#include <thread>
#include <vector>

#include "../../shared/clip_tokenizer/merges_file.h"
#include "../../shared/clip_tokenizer/tokenizer.h"
#include "temporary_folder.h"
#include "test_data.h"

namespace {

namespace fs = std::filesystem;
using Ids = std::vector<int64_t>;
using orbweaver::testing::write_text;

// "l o", "lo w</w>", "e r</w>": ids 512, 513, 514; start is 515, end 516.
constexpr const char* kMerges = "l o\nlo w</w>\ne r</w>\n";

std::string error_of(const std::function<void()>& task) {
  try {
    task();
  } catch (const orbweaver::InputError& error) {
    return error.what();
  }
  return "no error";
}

TEST(ClipTokenizer, MergesTheBestPairFirstAndMarksTheEndOfAWord) {
  const ClipTokenizer tokenizer(kMerges, 3, "merges");
  // CLIP's ids of single bytes begin at '!': 'l' is 108 - 33.
  EXPECT_EQ(tokenizer.encode("low"), (Ids{515, 513, 516}));
  EXPECT_EQ(tokenizer.encode("lower"), (Ids{515, 512, 'w' - 33, 514, 516}));
  EXPECT_EQ(tokenizer.encode("l"), (Ids{515, 256 + 'l' - 33, 516}));
}

/// The definition: the best merge of all neighbours, everywhere from the left, again and again.
std::vector<std::string> merged_by_definition(const std::string& word,
                                              const std::vector<std::array<std::string, 2>>& merges) {
  std::vector<std::string> symbols;
  for (const char c : word) symbols.emplace_back(1, c);
  symbols.back() += "</w>";
  for (const auto& [left, right] : merges)  // a merge makes nothing that an earlier one joins
    for (size_t i = 0; i + 1 < symbols.size(); ++i)
      if (symbols[i] == left && symbols[i + 1] == right) {
        symbols[i] += right;
        symbols.erase(symbols.begin() + static_cast<std::ptrdiff_t>(i) + 1);
      }
  return symbols;
}

TEST(ClipTokenizer, MergesAsTheDefinitionSays) {
  std::mt19937 random(1);
  const auto below = [&](size_t limit) { return random() % limit; };
  // Overlaps ("aaa") and neighbours that wait for one another are frequent among three letters.
  std::vector<std::string> symbols = {"a", "b", "c"}, ends = {"a</w>", "b</w>", "c</w>"};
  std::vector<std::array<std::string, 2>> merges;
  std::map<std::string, int64_t> ids;
  for (const std::string& symbol : symbols) {
    ids[symbol] = symbol[0] - 33;
    ids[symbol + "</w>"] = 256 + symbol[0] - 33;
  }
  std::string text;
  while (merges.size() < 40) {
    const bool ending = below(4) == 0;
    const std::string left = symbols[below(symbols.size())],
                      right = ending ? ends[below(ends.size())] : symbols[below(symbols.size())];
    if (!ids.emplace(left + right, 512 + static_cast<int64_t>(merges.size())).second) continue;
    (ending ? ends : symbols).push_back(left + right);
    merges.push_back({left, right});
    text += left + " " + right + "\n";
  }
  const ClipTokenizer tokenizer(text, 40, "merges");
  for (int i = 0; i < 2000; ++i) {
    std::string word;
    for (size_t n = 1 + below(30); n > 0; --n) word += static_cast<char>('a' + below(3));
    Ids expected = {tokenizer.start()};
    for (const std::string& symbol : merged_by_definition(word, merges)) expected.push_back(ids.at(symbol));
    expected.push_back(tokenizer.end());
    ASSERT_EQ(tokenizer.encode(word), expected) << word;
  }
}

// In passes over the whole word, one for each merge, this would take more than 10^9 steps.
TEST(ClipTokenizer, TakesAWordOfTwoMillionLettersWithAThousandMergesInIt) {
  constexpr int64_t merge_count = 1500, repeats = 1500;
  std::string merges, symbol = "a";
  for (int64_t i = 0; i < merge_count; ++i) {
    merges += symbol + " b\n";
    symbol += 'b';
  }
  std::string word;
  for (int64_t i = 0; i < repeats; ++i) word += symbol;
  const ClipTokenizer tokenizer(merges, merge_count, "merges");
  Ids expected(repeats + 3, 512 + merge_count - 1);
  expected.front() = tokenizer.start();
  expected[repeats] = 512 + merge_count - 2;  // the last b is another symbol, that of a word's end
  expected[repeats + 1] = 256 + 'b' - 33;
  expected.back() = tokenizer.end();
  EXPECT_EQ(tokenizer.encode(word), expected);
}

TEST(ClipTokenizer, SplitsAtNumeralsEndingsAndPunctuation) {
  const ClipTokenizer tokenizer("", 0, "no merges");
  const auto at_end = [](char c) { return int64_t{256 + c - 33}; };
  EXPECT_EQ(tokenizer.encode("a's 12!?"),
            (Ids{512, at_end('a'), '\'' - 33, at_end('s'), at_end('1'), at_end('2'), '!' - 33, at_end('?'), 513}));
}

TEST(ClipTokenizer, KeepsTheFirstIdsOfALongTextAndItsEnd) {
  const ClipTokenizer tokenizer(kMerges, 3, "merges");
  EXPECT_EQ(tokenizer.encode("low low low low", 4), (Ids{515, 513, 513, 516}));
  EXPECT_EQ(tokenizer.encode("low low", 4), (Ids{515, 513, 513, 516}));
  EXPECT_EQ(tokenizer.encode("", 4), (Ids{515, 516}));
}

TEST(ClipTokenizer, ReadsTheSpecialTokensOfAText) {
  const ClipTokenizer tokenizer(kMerges, 3, "merges");
  EXPECT_EQ(tokenizer.encode("low<|endoftext|>"), (Ids{515, 513, 516, 516}));
  EXPECT_EQ(tokenizer.encode("<|startoftext|> low"), (Ids{515, 515, 513, 516}));
}

TEST(ClipTokenizer, UsesAsManyMergesAsTheModelHasIdsFor) {
  const ClipTokenizer tokenizer(kMerges, 1, "merges");
  EXPECT_EQ(tokenizer.start(), 513);
  EXPECT_EQ(tokenizer.merges(), "l o\n");
  EXPECT_EQ(ClipTokenizer(tokenizer.merges(), 1, "again").encode("low"), tokenizer.encode("low"));
}

TEST(ClipTokenizer, RefusesMergesThatDoNotFit) {
  EXPECT_EQ(error_of([] { ClipTokenizer(kMerges, 4, "m.txt"); }),
            "m.txt: holds 3 merges, but the model's 518 token ids need 4");
  // A damaged weights file claims any number; memory is for the merges that are there.
  EXPECT_NE(error_of([] { ClipTokenizer(kMerges, int64_t{1} << 60, "m.txt"); }).find("holds 3 merges"),
            std::string::npos);
  EXPECT_NE(error_of([] { ClipTokenizer("l o\nab c\n", 2, "m.txt"); }).find("m.txt: merge 2 is \"ab c\""),
            std::string::npos);
  EXPECT_NE(error_of([] { ClipTokenizer("", -2, "m.txt"); }).find("512 token ids"), std::string::npos);
}

TEST(CleanText, CollapsesSpaceAndLowersCase) {
  EXPECT_EQ(clean_text("  Two \t\xC2\xA0 PLANES\n"), "two planes");
  EXPECT_EQ(clean_text("\xC3\x89TANG \xD0\x9C\xD0\x9E\xD0\xA1\xD0\xA2"),
            "\xC3\xA9tang \xD0\xBC\xD0\xBE\xD1\x81\xD1\x82");
}

TEST(CleanText, UnescapesHtmlTwice) {
  EXPECT_EQ(clean_text("a &amp;lt; b &#38; c"), "a < b & c");
  EXPECT_EQ(clean_text("&eacute;&EACUTE; &amp &ampere; &#x41;&#150;"), "\xC3\xA9&eacute; & &ere; a\xE2\x80\x93");
  EXPECT_EQ(clean_text("R&D; &; &#; &#x;"), "r&d; &; &#; &#x;");
}

TEST(CleanText, RepairsQuotesLigaturesAndWidth) {
  EXPECT_EQ(clean_text("it\xE2\x80\x99s \xE2\x80\x9Cred\xE2\x80\x9D \xEF\xAC\x81"
                       "eld \xEF\xBC\xA1\x01"),
            "it's \"red\" field a");
}

TEST(CleanText, IsValidUtf8WhateverItIsGiven) {
  EXPECT_EQ(clean_text("a\xFF\xC3 \xED\xA0\x80"), "a\xEF\xBF\xBD\xEF\xBF\xBD \xEF\xBF\xBD\xEF\xBF\xBD\xEF\xBF\xBD");
}

TEST(MergesFile, IsReadInEveryForm) {
  const orbweaver::testing::TemporaryFolder folder;
  const fs::path packed = folder.path() / "bpe.txt.gz", plain = folder.path() / "merges.txt",
                 json = folder.path() / "tokenizer.json", pairs = folder.path() / "pairs.json";
  const std::string header = "\"bpe.txt#version: 0.2\n";
  gzFile stream = gzopen(packed.c_str(), "wb");
  gzputs(stream, (header + kMerges).c_str());
  gzclose(stream);
  write_text(plain, "#version: 0.2\r\nl o\r\nlo w</w>\r\ne r</w>\r\n");
  write_text(json, R"({"model": {"type": "BPE", "end_of_word_suffix": "</w>", "vocab": {"<|endoftext|>": 516},
                       "merges": ["l o", "lo w</w>", "e r</w>"]}})");
  write_text(pairs, R"({"model": {"type": "BPE", "end_of_word_suffix": "</w>", "vocab": {"<|endoftext|>": 516},
                        "merges": [["l", "o"], ["lo", "w</w>"], ["e", "r</w>"]]}})");
  for (const fs::path& file : {packed, plain, json, pairs}) EXPECT_EQ(orbweaver_clip::read_merges(file), kMerges);
}

TEST(MergesFile, IsRefusedWhereItIsNone) {
  const orbweaver::testing::TemporaryFolder folder;
  const fs::path file = folder.path() / "file";
  const auto error = [&](const std::string& content) {
    write_text(file, content);
    return error_of([&] { orbweaver_clip::read_merges(file); });
  };
  EXPECT_NE(error_of([&] { orbweaver_clip::read_merges(folder.path() / "none"); }).find("cannot be read"),
            std::string::npos);
  EXPECT_NE(error_of([&] { orbweaver_clip::read_merges(folder.path()); }).find("cannot be read"), std::string::npos);
  EXPECT_NE(error("").find("no merges"), std::string::npos);
  EXPECT_NE(error(std::string(9 << 20, 'a')).find("holds more than 8 MiB"), std::string::npos);
  EXPECT_NE(error(R"({"model": {"merges": []}})").find("word ending"), std::string::npos);
  EXPECT_NE(error(R"({"model": )").find("is no tokenizer.json"), std::string::npos);
  EXPECT_NE(error(R"({"model": {"end_of_word_suffix": "</w>", "vocab": {}, "merges": []}})").find("id 513"),
            std::string::npos);

  gzFile stream = gzopen(file.c_str(), "wb");
  for (int i = 0; i < 2000; ++i) gzputs(stream, ("symbol" + std::to_string(i * i) + " x\n").c_str());
  gzclose(stream);
  fs::resize_file(file, fs::file_size(file) / 2);
  EXPECT_NE(error_of([&] { orbweaver_clip::read_merges(file); }).find("damaged or truncated"), std::string::npos);
}

/// CLIP's own merges.
std::string clip_merges() {
  return orbweaver_clip::read_merges(orbweaver::testing::test_data() / "data/clip/bpe_simple_vocab_16e6.txt.gz");
}

TEST(ClipTokenizer, GivesTheIdsOfTheReference) {
  ORBWEAVER_NEEDS_TEST_DATA("data/clip/bpe_simple_vocab_16e6.txt.gz");
  ORBWEAVER_NEEDS_TEST_DATA("golden/clip_tokens.json");
  const ClipTokenizer tokenizer(clip_merges(), 48894, "merges");
  EXPECT_EQ(tokenizer.start(), 49406);
  EXPECT_EQ(tokenizer.end(), 49407);
  std::ifstream file(orbweaver::testing::test_data() / "golden/clip_tokens.json");
  for (const nlohmann::json& one : nlohmann::json::parse(file)) {
    Ids expected = one.at("ids");
    const std::string text = one.at("text");
    EXPECT_EQ(tokenizer.encode(text), expected) << text;
    EXPECT_EQ(tokenizer.encode(text), expected) << "from the kept words: " << text;
    if (expected.size() <= 77) continue;
    expected.resize(76);
    expected.push_back(49407);
    EXPECT_EQ(tokenizer.encode(text, 77), expected) << text;
  }
}

TEST(ClipTokenizer, IsUsedByManyThreadsAtOnce) {
  std::string merges = kMerges, text;
  for (int i = 0; i < 500; ++i)
    text += "low" + std::string(1, static_cast<char>('a' + i % 26)) + "er" +
            std::string(static_cast<size_t>(i % 7), 'o') + " ";
  const ClipTokenizer alone(merges, 3, "merges"), shared(merges, 3, "merges");
  const Ids expected = alone.encode(text);
  std::vector<Ids> found(4);
  std::vector<std::thread> threads;
  for (Ids& ids : found) threads.emplace_back([&] { ids = shared.encode(text); });
  for (std::thread& thread : threads) thread.join();
  for (const Ids& ids : found) EXPECT_EQ(ids, expected);
}

}  // namespace
