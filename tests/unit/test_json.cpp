#include <gtest/gtest.h>

#include <ctime>
#include <filesystem>

#include "framework/io/files.h"
#include "framework/io/json.h"
#include "orbweaver/error.h"
#include "temporary_folder.h"

namespace orbweaver {
namespace {

std::string fault_of(const std::string& text) {
  try {
    parse_json(text, "f.json");
  } catch (const InputError& error) {
    return error.what();
  }
  return "";
}

TEST(Json, KeepsTheOrderOfKeys) {
  EXPECT_EQ(to_json(parse_json(R"({"z": 1, "a": [true, null, 1.5, "x"]})", "t"), -1),
            R"({"z":1,"a":[true,null,1.5,"x"]})");
}

TEST(Json, NumbersReadBackAsTheSameDouble) {
  for (const double number : {0.1, 1e-300, 3.0, -2.5e17, 1.0 / 3}) {
    const Value back = parse_json(to_json(Value(number)), "t");
    EXPECT_EQ(back.type(), Value::Type::number);
    EXPECT_EQ(back.as_double(), number);
  }
}

TEST(Json, AFaultNamesFileLineAndColumn) {
  EXPECT_EQ(fault_of("{\"a\": 1,\n \"b\": }").rfind("f.json:2:7: is not JSON", 0), 0u)
      << fault_of("{\"a\": 1,\n \"b\": }");
  EXPECT_NE(fault_of(""), "");
}

TEST(Json, ADuplicateKeyIsRefused) {
  EXPECT_EQ(fault_of(R"({"a": 1, "a": 2})"), "f.json: \"a\" is given twice in one object");
}

TEST(Json, ADuplicateKeyIsFoundAmongManyInATimeThatGrowsWithTheirNumber) {
  std::string text = "{";
  for (int i = 0; i < 100'000; ++i) text += "\"key " + std::to_string(i) + "\": 1, ";
  const std::clock_t start = std::clock();
  EXPECT_EQ(parse_json(text + "\"last\": 1}", "t").as_object().size(), 100'001u);
  for (const char* key : {"key 0", "key 31", "key 32", "key 99999"})
    EXPECT_EQ(fault_of(text + "\"" + key + "\": 1}"),
              std::string("f.json: \"") + key + "\" is given twice in one object");
  EXPECT_LT(static_cast<double>(std::clock() - start) / CLOCKS_PER_SEC, 20);  // processor time; minutes otherwise
}

TEST(Json, DeepNestingIsRefusedInsteadOfOverflowingTheStack) {
  EXPECT_NE(fault_of(std::string(100000, '[')).find("nested deeper"), std::string::npos);
}

TEST(Json, AnIntegerBeyond64BitsIsRefused) {
  for (const char* text : {"18446744073709551615", "18446744073709551616", "-9223372036854775809"})
    EXPECT_NE(fault_of(text).find("does not fit"), std::string::npos) << text;
  EXPECT_EQ(parse_json("1e19", "t").as_double(), 1e19);
}

TEST(WriteAtomically, SaysWhyItsFolderCannotBeMade) {
  const testing::TemporaryFolder folder;
  testing::write_text(folder.path() / "list", "a file where a folder is wanted");
  const std::string file = (folder.path() / "list/run/file").string();
  try {
    write_atomically(file, "text");
    FAIL() << "it was written";
  } catch (const Error& error) {
    const std::string text = error.what();
    EXPECT_EQ(text.find(file + ": cannot be written: "), 0u) << text;
    EXPECT_NE(text.find("Not a directory"), std::string::npos) << text;
  }
}

}  // namespace
}  // namespace orbweaver
