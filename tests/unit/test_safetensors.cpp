#include <gtest/gtest.h>

#include <cstring>
#include <filesystem>
#include <fstream>
#include <random>
#include <string>

#include "framework/io/files.h"
#include "framework/io/safetensors.h"
#include "orbweaver/error.h"
#include "tests/temporary_folder.h"
#include "tests/test_data.h"

namespace orbweaver {
namespace {

namespace fs = std::filesystem;

class Safetensors : public ::testing::Test {
 protected:
  fs::path path() const { return folder_ / "weights.safetensors"; }

  void save(const std::string& header, const std::string& data) const {
    const uint64_t length = header.size();
    std::string file(reinterpret_cast<const char*>(&length), 8);
    write_atomically(path(), std::string_view(file + header + data));
  }

  /// Without the sync of an atomic write: some tests write hundreds of files.
  void put(const std::string& content) const { std::ofstream(path(), std::ios::binary) << content; }

  std::string error() const {
    try {
      SafetensorsFile file(path());
    } catch (const InputError& problem) {
      return problem.what();
    }
    return "";
  }

  void write_sample() const {
    static const float weights[] = {1, 2, 3, 4, 5, 6};
    static const int64_t step[] = {7};
    static const bool flags[] = {true, false, true};
    write_safetensors(path(),
                      {{"b.weight", {"F32", {2, 3}, std::as_bytes(std::span(weights))}},
                       {"a.flags", {"BOOL", {3}, std::as_bytes(std::span(flags))}},
                       {"z.step", {"I64", {}, std::as_bytes(std::span(step))}},
                       {"a.empty", {"F32", {0, 4}, {}}}},
                      {{"config", "{\"k\": 25}"}, {"words", "Gr\xc3\xb6\xc3\x9f"}});
  }

  testing::TemporaryFolder temporary_;
  const fs::path folder_ = temporary_.path();
};

TEST_F(Safetensors, ReadsBackWhatItWrote) {
  write_sample();
  const SafetensorsFile file(path());
  ASSERT_EQ(file.tensors().size(), 4u);
  EXPECT_EQ(file.at("b.weight").shape, (std::vector<int64_t>{2, 3}));
  float last = 0;
  std::memcpy(&last, file.at("b.weight").bytes.data() + 20, 4);
  EXPECT_EQ(last, 6);
  EXPECT_TRUE(file.at("z.step").shape.empty());
  EXPECT_EQ(file.at("z.step").bytes.size(), 8u);
  EXPECT_TRUE(file.at("a.empty").bytes.empty());
  EXPECT_EQ(file.metadata().at("config"), "{\"k\": 25}");
  EXPECT_EQ(file.metadata().at("words"), "Gr\xc3\xb6\xc3\x9f");
  EXPECT_EQ(file.metadata().at("orbweaver.checksum").size(), 9 + 32u);
}

TEST_F(Safetensors, AlignsEveryTensorToItsElementsWithoutGaps) {
  write_sample();
  const std::string bytes = read_file(path());
  uint64_t header = 0;
  std::memcpy(&header, bytes.data(), 8);
  EXPECT_EQ(header % 8, 0u);
  EXPECT_EQ(bytes.size(), 8 + header + 8 + 24 + 3);
  const SafetensorsFile file(path());
  for (const auto& [name, entry] : file.tensors()) {
    EXPECT_EQ(reinterpret_cast<uintptr_t>(entry.bytes.data()) % dtype_size(entry.dtype), 0u) << name;
  }
}

TEST_F(Safetensors, GivesTheSameBytesForTheSameContent) {
  write_sample();
  const std::string first = read_file(path());
  write_sample();
  EXPECT_EQ(read_file(path()), first);
}

TEST_F(Safetensors, NamesTheTensorThatIsMissing) {
  write_sample();
  const SafetensorsFile file(path());
  EXPECT_THROW(file.at("c"), InputError);
}

TEST_F(Safetensors, NoticesEveryFlippedByteOfItsOwnFiles) {
  write_sample();
  const std::string whole = read_file(path());
  uint64_t header = 0;
  std::memcpy(&header, whole.data(), 8);
  for (size_t at = 8 + header; at < whole.size(); ++at) {
    std::string damaged = whole;
    damaged[at] = static_cast<char>(damaged[at] ^ 0x10);
    put(damaged);
    EXPECT_NE(error().find("is damaged"), std::string::npos) << at;
  }
}

TEST_F(Safetensors, RefusesEveryPrefixOfAFile) {
  write_sample();
  const std::string whole = read_file(path());
  for (size_t length = 0; length < whole.size(); ++length) {
    put(whole.substr(0, length));
    EXPECT_NE(error(), "") << length;
  }
}

TEST_F(Safetensors, SurvivesArbitraryDamage) {
  write_sample();
  const std::string whole = read_file(path());
  std::mt19937 random(1);
  for (int trial = 0; trial < 3000; ++trial) {
    std::string damaged = whole;
    for (int change = 0; change < 3; ++change) damaged[random() % damaged.size()] = static_cast<char>(random());
    put(damaged);
    try {
      SafetensorsFile opened(path());
    } catch (const InputError&) {
    }
  }
}

TEST_F(Safetensors, RefusesHeadersThatDoNotFitTheFile) {
  const std::string data(24, '\0');
  const auto refuses = [&](const std::string& header, const std::string& because) {
    save(header, data);
    EXPECT_NE(error().find(because), std::string::npos) << header << "\n" << error();
    EXPECT_NE(error().find("weights.safetensors"), std::string::npos);
  };
  refuses(R"({"a":{"dtype":"F32","shape":[7],"data_offsets":[0,28]}})", "cut short or damaged");
  refuses(R"({"a":{"dtype":"F32","shape":[5],"data_offsets":[0,24]}})", "24 bytes do not fit F32 [5]");
  refuses(R"({"a":{"dtype":"F32","shape":[-2,-3],"data_offsets":[0,24]}})", "do not fit");
  refuses(R"({"a":{"dtype":"F32","shape":[4611686018427387904,4],"data_offsets":[0,0]}})", "do not fit");
  refuses(R"({"a":{"dtype":"F33","shape":[6],"data_offsets":[0,24]}})", "dtype \"F33\" is unknown");
  refuses(R"({"a":{"dtype":"F32","shape":[6],"data_offsets":[24,0]}})", "bytes 24 to 0");
  refuses(R"({"a":{"dtype":"F32","shape":[6],"data_offsets":[-24,0]}})", "negative");
  refuses(R"({"a":{"dtype":"F32","shape":[6]}})", "\"data_offsets\" is missing");
  refuses(
      R"({"a":{"dtype":"F32","shape":[4],"data_offsets":[0,16]},"b":{"dtype":"F32","shape":[3],"data_offsets":[12,24]}})",
      "overlaps");
  refuses(
      R"({"a":{"dtype":"F32","shape":[2],"data_offsets":[0,8]},"b":{"dtype":"F32","shape":[2],"data_offsets":[16,24]}})",
      "belong to none");
  refuses(R"({"a":{"dtype":"F32","shape":[4],"data_offsets":[0,16]}})", "8 bytes at the end");
  refuses(R"({"__metadata__":{"k":25},"a":{"dtype":"F32","shape":[6],"data_offsets":[0,24]}})", "__metadata__");
  refuses(R"([1, 2, 3])", "does not start with");
  refuses(R"({"a":)", "is not JSON");
}

TEST_F(Safetensors, RefusesAHeaderLengthBeyondTheFile) {
  write_atomically(path(), std::string_view("\xff\xff\xff\xff\xff\xff\xff\xff{}", 10));
  EXPECT_NE(error().find("is not a safetensors file, or is cut short"), std::string::npos) << error();
}

TEST_F(Safetensors, RefusesToWriteBytesThatDoNotFitTheShapeOrNamesThatAreNotText) {
  const float weights[] = {1, 2};
  const auto bytes = std::as_bytes(std::span(weights));
  EXPECT_THROW(write_safetensors(path(), {{"a", {"F32", {3}, bytes}}}, {}), ShapeError);
  EXPECT_THROW(write_safetensors(path(), {{"a\xff", {"F32", {2}, bytes}}}, {}), Error);
  EXPECT_THROW(write_safetensors(path(), {{"__metadata__", {"F32", {2}, bytes}}}, {}), Error);
  EXPECT_FALSE(fs::exists(path()));
}

TEST_F(Safetensors, OpensEveryReferenceFile) {
  ORBWEAVER_NEEDS_TEST_DATA("golden");
  int count = 0;
  for (const auto& entry : fs::directory_iterator(testing::test_data() / "golden")) {
    if (entry.path().extension() != ".safetensors") continue;
    EXPECT_FALSE(SafetensorsFile(entry.path()).tensors().empty()) << entry.path();
    ++count;
  }
  EXPECT_GT(count, 0);
}

}  // namespace
}  // namespace orbweaver
