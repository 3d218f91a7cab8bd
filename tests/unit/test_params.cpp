#include <gtest/gtest.h>

#include "orbweaver/params.h"

namespace orbweaver {
namespace {

enum class Variant { paper, released };

struct Head {
  int64_t hidden = 64;
  static void describe(ParamSpec<Head>& p) { p.field("hidden", &Head::hidden, "Width").range(1, 128); }
};

struct Everything {
  bool flag = true;
  int64_t count = 3;
  double rate = 0.5;
  std::string mode = "fast";
  std::filesystem::path file;
  std::optional<double> limit;
  std::vector<int64_t> sizes{1, 2};
  Variant variant = Variant::released;
  Head head;
  static void describe(ParamSpec<Everything>& p) {
    p.field("flag", &Everything::flag, "A switch");
    p.field("count", &Everything::count, "A count").range(1, 10);
    p.field("rate", &Everything::rate, "A rate").at_least(0);
    p.field("mode", &Everything::mode, "A mode").choices({"fast", "slow"});
    p.field("file", &Everything::file, "A file");
    p.field("limit", &Everything::limit, "A limit, or none");
    p.field("sizes", &Everything::sizes, "Sizes").range(0, 9).min_items(1);
    p.field("variant", &Everything::variant, {{"paper", Variant::paper}, {"released", Variant::released}},
            "Which form");
    p.field("head", &Everything::head, "A nested object");
  }
};

Value object(std::initializer_list<std::pair<std::string, Value>> members) { return Value(Value::Object(members)); }

std::vector<std::string> problems_of(const Value& value) {
  std::vector<std::string> out;
  for (const Problem& problem : validate(schema_of<Everything>(), value, "/x"))
    out.push_back(problem.pointer + ": " + problem.message);
  return out;
}

TEST(Params, DefaultsAreTheStructsOwnInitialisers) {
  const Value defaults = with_defaults(schema_of<Everything>(), Value::object());
  EXPECT_EQ(brief(defaults, 1000),
            R"({"flag": true, "count": 3, "rate": 0.5, "mode": "fast", "file": "", "limit": null, )"
            R"("sizes": [1, 2], "variant": "released", "head": {"hidden": 64}})");
}

TEST(Params, ReadFillsWhatIsGivenAndKeepsTheRest) {
  const Everything read = read_params<Everything>(
      object({{"count", 7}, {"limit", 2}, {"variant", "paper"}, {"head", object({{"hidden", 5}})}}));
  EXPECT_EQ(read.count, 7);
  EXPECT_EQ(read.limit, 2.0);
  EXPECT_EQ(read.variant, Variant::paper);
  EXPECT_EQ(read.head.hidden, 5);
  EXPECT_EQ(read.mode, "fast");
}

TEST(Params, ValidationReportsEveryProblemWithItsPlace) {
  const auto problems = problems_of(object({{"flag", "yes"},
                                            {"count", 11},
                                            {"mode", "fats"},
                                            {"sizes", Value(Value::List{10})},
                                            {"head", object({{"hiden", 3}})},
                                            {"rate", -1}}));
  const std::vector<std::string> wanted{R"(/x/flag: is "yes", expected boolean)",
                                        R"(/x/count: is 11, expected integer in [1, 10])",
                                        R"(/x/mode: is "fats", expected one of fast, slow; did you mean "fast"?)",
                                        R"(/x/sizes/0: is 10, expected integer in [0, 9])",
                                        R"(/x/head/hiden: unknown parameter; did you mean "hidden"?)",
                                        R"(/x/rate: is -1, expected number of at least 0)"};
  EXPECT_EQ(problems, wanted);
}

TEST(Params, AnIntegerServesAsANumberButNotTheOtherWayRound) {
  EXPECT_TRUE(problems_of(object({{"rate", 2}})).empty());
  EXPECT_EQ(problems_of(object({{"count", 2.0}})).size(), 1u);
}

TEST(Params, AMissingRequiredFieldIsNamedUnlessABuildingBlockIsChecked) {
  struct Needy {
    std::string name;
    static void describe(ParamSpec<Needy>& p) { p.field("name", &Needy::name, "Its name").required(); }
  };
  const Schema schema = schema_of<Needy>();
  EXPECT_EQ(validate(schema, Value::object(), "").at(0).message, "is missing, expected string: Its name");
  EXPECT_TRUE(validate(schema, Value::object(), "", /*complete=*/false).empty());
}

TEST(NearestName, FindsASlipAndRefusesAStranger) {
  EXPECT_EQ(nearest_name("merge_treshold", {"margin", "merge_threshold"}), "merge_threshold");
  EXPECT_EQ(nearest_name("zebra", {"margin", "merge_threshold"}), "");
}

}  // namespace
}  // namespace orbweaver
