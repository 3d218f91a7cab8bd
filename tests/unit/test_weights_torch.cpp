#include <caffe2/serialize/inline_container.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <cstring>
#include <filesystem>
#include <fstream>

#include "orbweaver/error.h"
#include "orbweaver/torch/weights.h"
#include "test_data.h"

namespace {

namespace fs = std::filesystem;
using orbweaver::read_state_dict;
using orbweaver::StateDict;

/// Writes pickles instruction by instruction, as Python's pickler does.
class Pickle {
 public:
  Pickle& raw(const std::string& bytes) {
    bytes_ += bytes;
    return *this;
  }
  Pickle& text(const std::string& text) {
    const auto size = static_cast<uint32_t>(text.size());
    bytes_ += "X" + std::string(reinterpret_cast<const char*>(&size), 4) + text;
    return *this;
  }
  Pickle& integer(uint8_t value) { return raw("K" + std::string(1, static_cast<char>(value))); }
  Pickle& global(const std::string& module, const std::string& name) { return raw("c" + module + "\n" + name + "\n"); }
  Pickle& tuple(const std::vector<uint8_t>& values) {
    raw("(");
    for (const uint8_t value : values) integer(value);
    return raw("t");
  }
  Pickle& tensor(const std::string& storage, const std::string& record, uint8_t offset,
                 const std::vector<uint8_t>& sizes, const std::vector<uint8_t>& strides) {
    global("torch._utils", "_rebuild_tensor_v2")
        .raw("((")
        .text("storage")
        .global("torch", storage)
        .text(record)
        .text("cpu");
    integer(6).raw("tQ").integer(offset).tuple(sizes).tuple(strides).raw("\x89");
    return global("collections", "OrderedDict").raw(")RtR");
  }
  Pickle& ordered_dict() { return global("collections", "OrderedDict").raw(")R"); }
  std::string end() const { return bytes_ + "."; }

 private:
  std::string bytes_ = "\x80\x02";
};

class WeightsFile : public ::testing::Test {
 protected:
  void SetUp() override {
    folder_ = fs::path(::testing::TempDir()) / ("orbweaver_weights_" + std::to_string(::getpid()));
    fs::create_directories(folder_);
  }
  void TearDown() override { fs::remove_all(folder_); }

  fs::path zip(const std::string& pickle) {
    const fs::path file = folder_ / "weights.pt";
    caffe2::serialize::PyTorchStreamWriter writer(file.string());
    const std::vector<float> values = {1, 2, 3, 4, 5, 6};
    writer.writeRecord("data.pkl", pickle.data(), pickle.size());
    writer.writeRecord("data/0", values.data(), values.size() * sizeof(float));
    writer.writeEndOfFile();
    return file;
  }

  fs::path write(const std::string& name, const std::string& bytes) {
    std::ofstream(folder_ / name, std::ios::binary) << bytes;
    return folder_ / name;
  }

  static std::string safetensors(const std::string& header, size_t data_bytes) {
    const uint64_t size = header.size();
    std::string bytes(reinterpret_cast<const char*>(&size), sizeof size);
    bytes += header;
    for (size_t i = 0; i < data_bytes / 4; ++i) {
      const auto value = static_cast<float>(i + 1);
      bytes.append(reinterpret_cast<const char*>(&value), sizeof value);
    }
    return bytes;
  }

  static std::string error_of(const fs::path& file) {
    try {
      read_state_dict(file);
    } catch (const orbweaver::InputError& error) {
      const std::string text = error.what();
      EXPECT_EQ(text.find('\n'), std::string::npos) << text;
      EXPECT_EQ(text.find(file.string()), 0u) << text;
      return text;
    }
    return "no error";
  }

  fs::path folder_;
};

const at::Tensor kMatrix = at::tensor({1.f, 2.f, 3.f, 4.f, 5.f, 6.f}).view({2, 3});

TEST_F(WeightsFile, OfTorchSaveIsReadFromAnOrderedDict) {
  Pickle pickle;
  pickle.ordered_dict().raw("(").text("a.weight").tensor("FloatStorage", "0", 0, {2, 3}, {3, 1});
  pickle.text("a.bias").tensor("FloatStorage", "0", 1, {2}, {2}).raw("u");
  pickle.raw("}").text("_metadata").ordered_dict().raw("sb");  // attributes of the dictionary itself
  const StateDict weights = read_state_dict(zip(pickle.end()));
  ASSERT_EQ(weights.size(), 2u);
  EXPECT_TRUE(weights.at("a.weight").equal(kMatrix));
  EXPECT_TRUE(weights.at("a.bias").equal(at::tensor({2.f, 4.f})));
}

TEST_F(WeightsFile, MayHoldTheStateDictInsideACheckpoint) {
  Pickle pickle;
  pickle.raw("}(").text("epoch").integer(3).text("state_dict").raw("}(");
  pickle.text("module.w").tensor("FloatStorage", "0", 0, {3, 2}, {1, 3}).raw("uu");
  const StateDict weights = read_state_dict(zip(pickle.end()));
  ASSERT_EQ(weights.size(), 1u);
  EXPECT_TRUE(weights.at("w").equal(kMatrix.t()));
}

TEST_F(WeightsFile, NeverRunsWhatItsPickleNames) {
  Pickle pickle;
  pickle.raw("}").text("w").global("posix", "system").text("touch " + (folder_ / "ran").string()).raw("\x85Rs");
  EXPECT_NE(error_of(zip(pickle.end())).find("\"w\" is no tensor"), std::string::npos);
  EXPECT_FALSE(fs::exists(folder_ / "ran"));
}

TEST_F(WeightsFile, WithAWholeModelIsRefused) {
  Pickle pickle;
  pickle.global("mine", "Model").raw(")\x81}").text("w").tensor("FloatStorage", "0", 0, {6}, {1}).raw("sb");
  EXPECT_NE(error_of(zip(pickle.end())).find("object of class mine.Model"), std::string::npos);
}

TEST_F(WeightsFile, WithATensorBeyondItsRecordIsRefused) {
  for (const auto& strides : {std::vector<uint8_t>{3, 2}, std::vector<uint8_t>{200, 1}}) {
    Pickle pickle;
    pickle.raw("}").text("w").tensor("FloatStorage", "0", 0, {2, 3}, strides).raw("s");
    EXPECT_NE(error_of(zip(pickle.end())).find("beyond its record"), std::string::npos);
  }
  Pickle wider;
  wider.raw("}").text("w").tensor("DoubleStorage", "0", 0, {6}, {1}).raw("s");
  EXPECT_NE(error_of(zip(wider.end())).find("beyond its record"), std::string::npos);
}

TEST_F(WeightsFile, WithADamagedPickleIsRefused) {
  EXPECT_NE(error_of(zip("\x80\x02}X")).find("damaged"), std::string::npos);
  EXPECT_NE(error_of(zip("\x80\x02.")).find("damaged"), std::string::npos);
  EXPECT_NE(error_of(zip("\x80\x02I1\n.")).find("instruction"), std::string::npos);
}

/// `bytes` behind what makes and remembers an empty list as 0 and an empty text as 1.
std::string hostile(const std::string& bytes) { return Pickle().raw("]q").raw(std::string(1, '\0')).raw(bytes).end(); }

TEST_F(WeightsFile, WhosePickleDoublesANameIsRefused) {
  std::string bytes = "X\x04";
  bytes += std::string(3, '\0') + "name" + "q\x01";
  for (int i = 0; i < 40; ++i) bytes += "h\x01h\x01\x93q\x01";
  EXPECT_NE(error_of(zip(hostile(bytes))).find("characters"), std::string::npos);
}

TEST_F(WeightsFile, WhosePickleCopiesAListAgainAndAgainIsRefused) {
  std::string bytes = "(";
  for (int i = 0; i < 20000; ++i) bytes += "NN\x86";
  bytes += "e";
  for (int i = 0; i < 20000; ++i) bytes += std::string("ccollections\nOrderedDict\nh") + '\0' + "\x85R";
  EXPECT_NE(error_of(zip(hostile(bytes))).find("grows beyond"), std::string::npos);
}

TEST_F(WeightsFile, WhosePickleNestsAMillionListsIsRefusedWithoutOverflowingTheStack) {
  const std::string open(1'000'000, ']'), close(1'000'000, 'a');
  EXPECT_NE(error_of(zip(hostile(open + close))).find("holds no state dict"), std::string::npos);
}

TEST_F(WeightsFile, WhoseModulesShareModulesWithoutEndIsRefused) {
  std::string bytes = "c__torch__\nM\n)\x81q\x01";
  for (int i = 0; i < 60; ++i)
    bytes +=
        "c__torch__\nM\n)\x81}(U\x01"
        "ah\x01U\x01"
        "bh\x01ubq\x01";
  EXPECT_NE(error_of(zip(hostile(bytes))).find("million"), std::string::npos);
}

TEST_F(WeightsFile, WithATensorThatRepeatsOneNumberWithoutEndIsRefused) {
  Pickle pickle;
  pickle.raw("}").text("w").global("torch._utils", "_rebuild_tensor_v2").raw("((").text("storage");
  pickle.global("torch", "FloatStorage").text("0").text("cpu").integer(6).raw("tQ").integer(0);
  pickle.raw("(J").raw(std::string("\0\0\0\x40", 4)).raw("J").raw(std::string("\0\x10\0\0", 4)).raw("t");
  pickle.tuple({0, 0}).raw("\x89").global("collections", "OrderedDict").raw(")RtRs");
  EXPECT_NE(error_of(zip(pickle.end())).find("repeat their bytes"), std::string::npos);
}

TEST_F(WeightsFile, WhoseRecordsUnpackBeyondItsSizeIsRefused) {
  const fs::path file = folder_ / "weights.pt";
  {
    caffe2::serialize::PyTorchStreamWriter writer(file.string());
    const std::string zeros(100 << 20, '\0');
    writer.writeRecord("data.pkl", "\x80\x02}.", 4);
    writer.writeRecord("data/0", zeros.data(), zeros.size(), /*compress=*/true);
    writer.writeEndOfFile();
  }
  ASSERT_LT(fs::file_size(file), 1 << 20);
  EXPECT_NE(error_of(file).find("unpack to more than"), std::string::npos);
}

TEST_F(WeightsFile, OfSafetensorsWhoseTensorsShareBytesIsRefused) {
  const std::string entry = R"({"dtype":"F32","shape":[6],"data_offsets":[0,24]})";
  const auto file = write("w.safetensors", safetensors("{\"a\":" + entry + ",\"b\":" + entry + "}", 24));
  EXPECT_NE(error_of(file).find("shares bytes"), std::string::npos);
}

TEST_F(WeightsFile, ThatIsATruncatedZipIsRefused) {
  Pickle pickle;
  pickle.raw("}").text("w").tensor("FloatStorage", "0", 0, {6}, {1}).raw("s");
  const fs::path file = zip(pickle.end());
  fs::resize_file(file, fs::file_size(file) / 2);
  EXPECT_NE(error_of(file).find("damaged or truncated"), std::string::npos);
}

TEST_F(WeightsFile, OfTheOldFormatGetsTheLineThatConvertsIt) {
  const std::string error = error_of(write("old.pth", "\x80\x02\x8a\x0al\xfc\x9c\x46\xf9 j\xa8P\x19."));
  EXPECT_NE(error.find("python3 -c \"import torch; torch.save(torch.load('"), std::string::npos) << error;
  EXPECT_NE(error.find("old.zip.pt"), std::string::npos) << error;
}

TEST_F(WeightsFile, OfSafetensorsIsRead) {
  const auto file = write(
      "w.safetensors",
      safetensors(
          R"({"__metadata__":{"a":"b"},"w":{"dtype":"F32","shape":[2,3],"data_offsets":[0,24]},"none":{"dtype":"F16","shape":[0],"data_offsets":[24,24]}})",
          24));
  const StateDict weights = read_state_dict(file);
  ASSERT_EQ(weights.size(), 2u);
  EXPECT_TRUE(weights.at("w").equal(kMatrix));
  EXPECT_EQ(weights.at("none").scalar_type(), at::kHalf);
}

TEST_F(WeightsFile, OfDamagedSafetensorsIsRefused) {
  const auto file_of = [&](const std::string& entry, size_t bytes) {
    return error_of(write("w.safetensors", safetensors("{\"w\":" + entry + "}", bytes)));
  };
  EXPECT_NE(file_of(R"({"dtype":"F32","shape":[2,3],"data_offsets":[0,24]})", 20).find("truncated"), std::string::npos);
  EXPECT_NE(file_of(R"({"dtype":"F32","shape":[2,4],"data_offsets":[0,24]})", 24).find("damaged"), std::string::npos);
  EXPECT_NE(file_of(R"({"dtype":"F32","shape":[-2,-3],"data_offsets":[0,24]})", 24).find("damaged"), std::string::npos);
  EXPECT_NE(file_of(R"({"dtype":"F4","shape":[6],"data_offsets":[0,24]})", 24).find("F4"), std::string::npos);
  EXPECT_NE(file_of(R"({"shape":[6]})", 24).find("header is damaged"), std::string::npos);
  EXPECT_NE(error_of(write("w.safetensors", "short")).find("truncated"), std::string::npos);
  EXPECT_NE(error_of(folder_ / "absent.pt").find("does not exist"), std::string::npos);
}

TEST(GoldenWeights, AreTheSameInAllTheirFormats) {
  ORBWEAVER_NEEDS_TEST_DATA("golden/clip_vit_tiny.safetensors");
  const fs::path folder = orbweaver::testing::test_data() / "golden";
  const StateDict expected = read_state_dict(folder / "clip_vit_tiny.safetensors");
  for (const char* name : {"clip_vit_tiny.state_dict.pt", "clip_vit_tiny.torchscript.pt"}) {
    const StateDict found = read_state_dict(folder / name);
    ASSERT_EQ(found.size(), expected.size()) << name;
    for (const auto& [key, tensor] : expected) {
      ASSERT_TRUE(found.contains(key)) << name << " " << key;
      // The scalar logit_scale has shape [1] in safetensors.
      EXPECT_TRUE(found.at(key).view_as(tensor).equal(tensor)) << name << " " << key;
    }
  }
  const StateDict half = read_state_dict(folder / "clip_vit_tiny.fp16.state_dict.pt");
  EXPECT_EQ(half.at("visual.conv1.weight").scalar_type(), at::kHalf);
  EXPECT_TRUE(half.at("visual.conv1.weight").equal(expected.at("visual.conv1.weight").to(at::kHalf)));
}

}  // namespace
