#include <gtest/gtest.h>

#include <string>

#include "framework/io/json.h"
#include "framework/io/printable.h"

namespace orbweaver {
namespace {

TEST(Printable, SpellsOutWhatATerminalWouldActOn) {
  EXPECT_EQ(printable("a\x1b[31mred\x1b]0;title\x07"), "a\\x1b[31mred\\x1b]0;title\\x07");
  EXPECT_EQ(printable("back\bspace\rreturn\x7f"), "back\\x08space\\x0dreturn\\x7f");
  EXPECT_EQ(printable(std::string("zero\0", 5)), "zero\\x00");
  // A control sequence introducer above ASCII, as UTF-8 and as the byte alone.
  EXPECT_EQ(printable("\xc2\x9b"
                      "2J\x9b"
                      "2J"),
            "\\u009b2J\\x9b2J");
}

TEST(Printable, LeavesTextOfAnyLanguageItsLinesAndItsTabs) {
  const std::string text = "plane\tship\nÄcker, 飛行機, самолёт, \xf0\x9f\x9b\xa9, nbsp\xc2\xa0.\n";
  EXPECT_EQ(printable(text), text);
}

TEST(Printable, SpellsOutBytesThatAreNoUtf8) {
  EXPECT_EQ(printable("caf\xe9"), "caf\\xe9");
  EXPECT_EQ(printable("\xe9\x1b"), "\\xe9\\x1b");           // cut short by an escape
  EXPECT_EQ(printable("\xc0\x9b"), "\\xc0\\x9b");           // longer than it need be
  EXPECT_EQ(printable("\xed\xa0\x80"), "\\xed\\xa0\\x80");  // a surrogate
  EXPECT_EQ(printable("\xf4\x90\x80\x80"), "\\xf4\\x90\\x80\\x80");
  EXPECT_EQ(printable("\xf0\x9f\x9b"), "\\xf0\\x9f\\x9b");
}

TEST(PrintableJson, IsTheSameValue) {
  const Value value(std::string("a\x1b[0m \x7f \xc2\x9b Ä"));
  const std::string json = printable_json(to_json(value, -1));
  EXPECT_EQ(json, "\"a\\u001b[0m \\u007f \\u009b Ä\"");
  EXPECT_EQ(parse_json(json, "json"), value);
}

}  // namespace
}  // namespace orbweaver
