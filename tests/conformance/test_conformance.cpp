// The conformance kit and `orbweaver plugins check`: each wrong component is caught by its property and by the right
// words, every shipped plugin passes, and a plugin that takes its process along is reported.
#include <fmt/format.h>
#include <sys/resource.h>

#include <algorithm>
#include <map>
#include <set>

#include "end_to_end/command.h"
#include "framework/io/json.h"
#include "framework/plugin/check_process.h"
#include "framework/plugin/plugin_host.h"
#include "loader/loader_test.h"
#include "orbweaver/manifest.h"
#include "orbweaver/testing/graph_builder.h"

namespace orbweaver {
namespace {

namespace fs = std::filesystem;
using testing::contains;

const fs::path mutants = fs::path(MUTANT_PLUGINS) / "orbw_data_mutants.so";
const fs::path model_mutants = fs::path(MUTANT_PLUGINS) / "orbw_torch_mutants.so";

/// The step that failed, or the last one.
CheckStep check_here(const fs::path& file, const std::string& id, const Value& params = Value::object()) {
  CheckStep last;
  check_plugin_here({file, id, params}, [&](const CheckStep& step) {
    if (step.state != CheckStep::State::running) last = step;
  });
  return last;
}

struct Mutant {
  const char* id;
  const char* caught_by;  ///< property, or stage where it is caught before
  const char* words;      ///< part of the reason
};

std::ostream& operator<<(std::ostream& out, const Mutant& mutant) { return out << mutant.id; }

std::string name_of(const ::testing::TestParamInfo<Mutant>& info) { return info.param.id; }

/// gtest prints what it compares, and cannot print an enumeration.
::testing::AssertionResult passed(const CheckStep& step) {
  if (step.state != CheckStep::State::failed) return ::testing::AssertionSuccess();
  return ::testing::AssertionFailure() << step.where() << ": " << step.reason;
}

void expect_caught(const fs::path& file, const Mutant& mutant) {
  const CheckStep step = check_here(file, mutant.id);
  EXPECT_FALSE(passed(step));
  EXPECT_EQ(step.property.empty() ? step.stage : step.property, mutant.caught_by) << step.reason;
  EXPECT_TRUE(contains(step.reason, mutant.words));
  EXPECT_FALSE(step.mend.empty());
  EXPECT_EQ(step.reason.find('\n'), std::string::npos);
}

class CaughtMutant : public ::testing::TestWithParam<Mutant> {};
TEST_P(CaughtMutant, FailsTheRightPropertyWithTheRightWords) { expect_caught(mutants, GetParam()); }

class CaughtModelMutant : public ::testing::TestWithParam<Mutant> {};
TEST_P(CaughtModelMutant, FailsTheRightPropertyWithTheRightWords) { expect_caught(model_mutants, GetParam()); }

INSTANTIATE_TEST_SUITE_P(
    GraphBuilder, CaughtMutant,
    ::testing::Values(
        Mutant{"default_out_of_bounds", "schema", "parameter \"k\": its default is 0, expected integer in [1, 9]"},
        Mutant{"undocumented", "schema", "parameter \"k\" has no documentation"},
        Mutant{"reserved_name", "schema", "parameter \"freeze\": configs use this key for something else"},
        Mutant{"makes_nothing", "construct", "the constructor made nothing"},
        Mutant{"serves_both_builds_one", "sides", "build of a caption, which serves(Side::text) promises, threw Error"},
        Mutant{"serves_nothing", "sides", "serves() is false for both sides"},
        Mutant{"needs_an_object", "empty", "build of scene \"no objects\" threw std::exception: no largest object"},
        Mutant{"loses_a_label", "shapes", "features [5, 2], expected 4 rows, one for each of its labels"},
        Mutant{"relates_beyond", "shapes",
               "a relation \"near\" from node 0 to node 5, expected indices of its 5 nodes"},
        Mutant{"nameless_relation", "shapes", "the relation from node 0 to node 1 has no name"},
        Mutant{"wrong_width", "shapes", "features [5, 2], expected 3 columns as feature_width() says"},
        Mutant{"inverse_distance", "finite", "two objects at one place\": adjacency(0, 1) = inf"},
        Mutant{"sorts_its_input", "inputs_unmodified", "changed the scene's objects"},
        Mutant{"draws_on_its_input", "inputs_unmodified", "changed the scene's pixels"},
        Mutant{"remembers", "deterministic", "again: features(0, 0) = "},
        Mutant{"draws_lots", "deterministic", "by a second instance with the same parameters: features(0, 1) = "},
        Mutant{"shared_scratch", "concurrent", "while other threads build: "},
        Mutant{"first_is_special", "object_order", "no order of its nodes has the same features"},
        Mutant{"packed_rows", "row_stride", "with 13 bytes between the rows of the same pixels: features(0, 1) = "},
        Mutant{"pixels_as_units", "scale", "the scene enlarged 2 times gives another graph"},
        Mutant{"upright_only", "quarter_turns", "the scene turned by 90 degrees gives another structure"},
        Mutant{"other_default", "defaults", "with {\"scale\": 1} written out it does not do what it does with {}"},
        Mutant{"forgotten_choice", "choices",
               "with metric = \"city\": the constructor threw std::exception: unreachable"}),
    name_of);

INSTANTIATE_TEST_SUITE_P(
    Detector, CaughtMutant,
    ::testing::Values(Mutant{"needs_eight_pixels", "small_images", "threw std::exception: cannot make an 8 x 8 grid"},
                      Mutant{"overconfident", "objects", "expected one in [0, 1]"},
                      Mutant{"flat_boxes", "objects", "expected finite numbers and positive sizes"},
                      Mutant{"shares_of_the_image", "in_pixels", "these are shares of the image, expected pixels"},
                      Mutant{"outside_the_image", "in_pixels", "which lies outside the image"},
                      Mutant{"background_model", "deterministic", "again: object 0 is"},
                      Mutant{"equalises_its_input", "inputs_unmodified", "changed the image's pixels"},
                      Mutant{"packed_detector", "row_stride", "with 13 bytes between its rows: object 0"}),
    name_of);

INSTANTIATE_TEST_SUITE_P(
    Reranker, CaughtMutant,
    ::testing::Values(
        Mutant{"needs_two_items", "one", "rerank of scores 40 x 1 threw std::exception: no second best item"},
        Mutant{"lists_twice", "rankings", "again, expected each item once"},
        Mutant{"worst_first", "rankings", "expected descending scores"},
        Mutant{"takes_nan", "refusals", "was accepted; expected an InputError"},
        Mutant{"centres_its_input", "inputs_unmodified", "changed the scores"},
        Mutant{"counts_calls", "deterministic", "again gives another result"},
        Mutant{"shared_mean", "concurrent", "while other threads rerank gives another result"},
        Mutant{"breaks_ties", "ties", "scores items 3 and 47"},
        Mutant{"knows_the_answer", "labels", "which nothing in the scores tells apart"},
        Mutant{"anchors_on_the_first_item", "gallery_order", "with the gallery in another order: query"},
        Mutant{"anchors_on_the_first_query", "query_order", "with the queries in another order: query"},
        Mutant{"denies_being_transductive", "transductive", "by itself, although transductive() is false"},
        Mutant{"assumes_row_major", "memory_order", "a transposed view of the same scores: query"},
        Mutant{"undeclared_bank", "query_bank", "a query bank changes the result, although needs() names none"},
        Mutant{"forgets_the_bank", "query_bank", "without the query bank that needs() names was accepted"},
        Mutant{"other_from_candidates", "candidates", "against rerank of scores 31 x 50: query"},
        Mutant{"wants_all_reverse_lists", "candidates", "with empty reverse lists of items that are no candidate"}),
    name_of);

INSTANTIATE_TEST_SUITE_P(
    Fusion, CaughtModelMutant,
    ::testing::Values(
        Mutant{"reads_in_secret", "reads", "given the parts that reads() names and no others, threw"},
        Mutant{"not_normalised", "shapes", "row 0 has length"},
        Mutant{"divides_by_no_nodes", "finite", "embedding holds 16 NaN or infinite of 96 numbers"},
        Mutant{"writes_into_its_input", "inputs_unmodified", "changed global"},
        Mutant{"drops_in_evaluation", "evaluation", "again, in evaluation mode: embedding differs by up to"},
        Mutant{"counts_in_evaluation", "evaluation", "in evaluation mode, changed buffer seen"},
        Mutant{"centres_the_batch", "one", "of item 0 alone differs by up to"},
        Mutant{"counts_padding", "padding", "with three more places of padding differs by up to"},
        Mutant{"reads_the_first_node", "node_order", "with the nodes in another order differs by up to"},
        Mutant{"flattens_anything", "wrong_rank", "global [B, 1, D] was quietly turned into a result"},
        Mutant{"always_float", "dtype", "in double: embedding has the type Float"},
        Mutant{"unused_parameter", "gradients", "no gradient reaches parameter left_over.weight"},
        Mutant{"detaches_its_input", "gradients", "no gradient reaches global"},
        Mutant{"wrong_gradient", "finite_differences", "the gradient gives the slope"},
        Mutant{"hidden_module", "state", "that was given its parameters, buffers and extra state: embedding differs"}),
    name_of);

INSTANTIATE_TEST_SUITE_P(
    Encoders, CaughtModelMutant,
    ::testing::Values(Mutant{"speaks_at_padding", "shapes", "nodes are not zero at padding"},
                      Mutant{"other_width", "shapes", "local is [6, 6], expected [6, 7]"},
                      Mutant{"empty_is_nan", "finite", "local holds 6 NaN or infinite of 36 numbers"},
                      Mutant{"mean_over_places", "padding", "alone, against beside larger ones: local differs"},
                      Mutant{"place_counts", "node_order", "with their nodes in another order: local differs"},
                      Mutant{"declares_tokens", "shapes", "tokens is undefined, expected [3, any, 5]"},
                      Mutant{"squeezes_the_batch", "one", "global is [5] instead of [1, 5]"},
                      Mutant{"nothing_for_nothing", "tokens", "tokenize of an empty text gives no ids"},
                      Mutant{"reads_padding", "padding", "alone, against beside longer captions: global differs"},
                      Mutant{"forgets_its_words", "state", "it gives the same captions other ids"}),
    name_of);

INSTANTIATE_TEST_SUITE_P(
    InteractionAndLoss, CaughtModelMutant,
    ::testing::Values(Mutant{"column_of_scores", "shapes", "score_pairs of 24 pairs is [24, 1], expected [24]"},
                      Mutant{"softmax_over_the_list", "pairs", "in another order and one of them twice differs"},
                      Mutant{"centres_the_gallery", "one", "without the others differs by up to"},
                      Mutant{"other_score_all", "score_all", "against score_pairs of all pairs, differs by up to"},
                      Mutant{"row_of_losses", "shapes", "total is [6], expected []"},
                      Mutant{"mean_over_negatives", "one", "forward of a single pair: total is"},
                      Mutant{"first_pair_alone", "pair_order", "of the pairs in another order: total differs"},
                      Mutant{"ignores_the_mask", "false_negatives", "closer to another caption of its own"},
                      Mutant{"wrong_sign", "direction", "where matches score higher and negatives lower"},
                      Mutant{"takes_any_shape", "wrong_rank", "scores [B, 1, B] was quietly turned into a result"}),
    name_of);

TEST(ConformanceKit, PassesTheComponentsThatTheMutantsAreMadeOf) {
  for (const char* id : {"graph_builder/right", "detector/right", "reranker/right", "refused_choice"}) {
    const CheckStep step = check_here(mutants, id);
    EXPECT_TRUE(passed(step)) << id;
  }
  for (const char* id : {"fusion/right", "right_with_nodes", "graph_encoder/right", "image_encoder/right",
                         "text_encoder/right", "interaction/right", "loss/right"}) {
    const CheckStep step = check_here(model_mutants, id);
    EXPECT_TRUE(passed(step)) << id;
  }
}

/// Small parameters for what is large by default; what is not named here is checked as it is.
const std::map<std::string, std::string> small_params = {
    {"image_encoder/resnet", R"({"size": 32})"},
    {"image_encoder/mvsa", R"({"size": 64, "width": 32})"},
    {"image_encoder/clip_image", R"({"size": 32, "width": 64, "layers": 2, "patch": 16, "output": 24})"},
    {"text_encoder/clip_text", R"({"width": 64, "layers": 2, "output": 24, "token_ids": 517})"},
    {"text_encoder/bigru", R"({"word_dim": 20, "hidden": 24})"}};

// What these need is a file of the user's; test_plugins_of_files_torch.cpp has some.
const std::map<std::string, std::string> needs_files = {{"detector/yolo", "weights"},
                                                        {"image_encoder/opencv_dnn", "weights"},
                                                        {"image_encoder/torchscript_image", "a TorchScript file"},
                                                        {"text_encoder/torchscript_text", "a TorchScript file"}};

TEST(ShippedPlugins, Conform) {
  const testing::TemporaryFolder folder;
  testing::write_text(folder.path() / "merges.txt", "#version: 0.2\nl o\nlo w</w>\ne r</w>\n");
  size_t checked = 0;
  for (const PluginFile& file : PluginHost().list()) {
    ASSERT_TRUE(file.ok()) << file.status;
    for (const Component& component : file.plugin->components) {
      const std::string name = component.kind + "/" + component.id;
      if (needs_files.contains(name)) continue;
      const auto small = small_params.find(name);
      Value params = small == small_params.end() ? Value::object() : parse_json(small->second, name);
      if (name == "text_encoder/clip_text") params["vocabulary"] = (folder.path() / "merges.txt").string();
      const CheckStep step = check_here(file.file, name, params);
      EXPECT_TRUE(passed(step)) << name;
      ++checked;
    }
  }
  EXPECT_GE(checked, 20u);
}

// --- the kit in a plugin's own test ----------------------------------------------------------------------------------

class Points final : public GraphBuilder {
 public:
  int64_t feature_width() const override { return 0; }
  Graph build(const Scene& scene) const override {
    const auto n = static_cast<int64_t>(scene.objects.size());
    Graph graph{Matrix<float>(n, 0), Matrix<float>(n, n), {}, {}};
    for (const Object& object : scene.objects) graph.labels.push_back(object.label);
    return graph;
  }
};

class Rotten final : public GraphBuilder {
 public:
  int64_t feature_width() const override { return 0; }
  Graph build(const Scene&) const override { return {{}, {}, {"one label too many"}, {}}; }
};

TEST(ConformanceKit, ServesAPluginsOwnTest) {
  const auto properties = testing::graph_builder_properties();
  EXPECT_EQ(testing::first_failure(properties, testing::subject_of<GraphBuilder, Points>()), "");
  EXPECT_TRUE(contains(testing::first_failure(properties, testing::subject_of<GraphBuilder, Rotten>()),
                       "empty: build of scene \"no objects\": features [0, 0], expected 1 rows"));
}

TEST(ConformanceKit, NamesEachPropertyOnceAndSaysWhatToDo) {
  std::set<std::string> names;
  for (const testing::Property& property : testing::graph_builder_properties()) {
    EXPECT_TRUE(names.insert(property.name).second) << property.name;
    EXPECT_FALSE(property.statement.empty() || property.mend.empty()) << property.name;
  }
}

// --- the command -----------------------------------------------------------------------------------------------------

constexpr bool sanitized = ORBWEAVER_FACT_ASAN || ORBWEAVER_FACT_TSAN;
/// Sanitizers have words of their own for a crash.
const std::string ended = "ended the process, with status 0,";
const std::string segv = sanitized ? "a sanitizer stopped it" : "crashed (SIGSEGV)";

class CheckCommand : public ::testing::Test {
 protected:
  /// Runs the command with --json and reads its last step.
  CheckStep run(const fs::path& file, std::vector<std::string> more = {}, int status = 1) {
    more.insert(more.begin(), {"plugins", "check", file.string(), "--json"});
    testing::Command command(more, folder_.path());
    EXPECT_EQ(command.wait(), status) << command.err();
    result_ = parse_json(command.out(), "output");
    err_ = command.err();
    EXPECT_EQ(result_.at("passed").as_bool(), status == 0);
    return check_step(result_.at("steps").as_list().back());
  }
  CheckStep run_mutant(const std::string& id) { return run(mutants, {"--id", id}); }

  testing::TemporaryFolder folder_;
  Value result_;
  std::string err_;
};

TEST_F(CheckCommand, PassesAGoodPluginThroughAllStages) {
  const CheckStep last = run(fs::path(GOOD_PLUGINS) / "orbw_radius_graph.so", {"--params", "{\"radius\": 0.5}"}, 0);
  EXPECT_EQ(last.stage, "exit");
  EXPECT_TRUE(passed(last));
  std::vector<std::string> stages;
  for (const Value& step : result_.at("steps").as_list())
    if (stages.empty() || stages.back() != step.at("stage").as_string()) stages.push_back(step.at("stage").as_string());
  EXPECT_EQ(stages, (std::vector<std::string>{"file", "manifest", "abi", "link", "register", "schema", "construct",
                                              "conformance", "exit"}));
}

TEST_F(CheckCommand, PrintsTheRuleWhatWasFoundAndTheMend) {
  testing::Command command({"plugins", "check", mutants.string(), "--id", "inverse_distance"}, folder_.path());
  EXPECT_EQ(command.wait(), 1);
  EXPECT_TRUE(contains(command.out(), "finite             FAILED"));
  EXPECT_TRUE(contains(command.out(), "rule:  No feature and no weight is NaN or infinite."));
  EXPECT_TRUE(contains(command.out(), "mend:  look for a division by a distance"));
  EXPECT_TRUE(contains(command.err(), "graph_builder inverse_distance: conformance: finite: build of scene"));
}

TEST_F(CheckCommand, ReportsACrash) {
  const CheckStep step = run_mutant("crashes");
  EXPECT_EQ(step.where(), "graph_builder crashes: conformance: sides");
  EXPECT_TRUE(contains(step.reason, segv));
}

TEST_F(CheckCommand, ReportsALoopWithoutEnd) {
  const CheckStep step = run(mutants, {"--id", "loops_for_ever", "--timeout", "3"});
  EXPECT_EQ(step.property, "sides");
  EXPECT_EQ(step.reason, "did not end within 3 s");
}

TEST_F(CheckCommand, ReportsAnExitInAConstructorAlthoughItsStatusIsZero) {
  const CheckStep step = run_mutant("exits_in_its_constructor");
  EXPECT_EQ(step.stage, "construct");
  EXPECT_TRUE(contains(step.reason, ended + " in its constructor"));
  EXPECT_TRUE(contains(step.mend, "a plugin must not call exit"));
}

TEST_F(CheckCommand, ReportsAnExitWhileTheLibraryIsLoaded) {
  const CheckStep step = run(fs::path(MUTANT_PLUGINS) / "orbw_exits_when_loaded.so");
  EXPECT_EQ(step.stage, "link");
  EXPECT_TRUE(contains(step.reason, ended + " while the library was loaded"));
}

TEST_F(CheckCommand, ReportsACrashOfAStaticConstructor) {
  const CheckStep step = run(fs::path(CRASHING_PLUGINS) / "orbw_crashes.so");
  EXPECT_EQ(step.stage, "link");
  EXPECT_TRUE(contains(step.reason, segv + " while the library was loaded"));
}

TEST_F(CheckCommand, ReportsACrashOfAStaticDestructor) {
  const CheckStep step = run(fs::path(MUTANT_PLUGINS) / "orbw_crashes_at_exit.so");
  EXPECT_EQ(step.stage, "exit");
  EXPECT_TRUE(contains(step.reason, segv + " while the process ended"));
}

TEST_F(CheckCommand, ReportsAnOverrunOfTheHeap) {
  if (sanitized) GTEST_SKIP() << "sanitizers have words of their own";
  const CheckStep step = run_mutant("overruns_the_heap");
  EXPECT_TRUE(contains(step.reason, "overran or corrupted the heap (glibc: "));
  EXPECT_TRUE(contains(step.mend, "an index beyond the end of a vector"));
}

TEST_F(CheckCommand, ReportsAnExceptionThatEndsTheProcess) {
  const CheckStep step = run_mutant("throws_where_nothing_may");
  EXPECT_TRUE(contains(step.reason, "crashed (SIGABRT): terminate called after throwing"));
  EXPECT_TRUE(contains(step.mend, "noexcept"));
}

TEST_F(CheckCommand, BoundsTheMemoryOfAPlugin) {
  if (sanitized) GTEST_SKIP() << "their shadow memory cannot be bounded";
  rlimit before{};
  ASSERT_EQ(getrlimit(RLIMIT_DATA, &before), 0);
  // Commands inherit it, and keep what is less than their own.
  const rlimit little{std::min<rlim_t>(rlim_t{3} << 29, before.rlim_max), before.rlim_max};
  ASSERT_EQ(setrlimit(RLIMIT_DATA, &little), 0);
  const CheckStep step = run_mutant("allocates_without_end");
  setrlimit(RLIMIT_DATA, &before);
  EXPECT_TRUE(contains(step.reason, "threw std::exception: std::bad_alloc"));
}

TEST_F(CheckCommand, ReportsWhatTheGateRefusesWithTheRebuildCommandAsMend) {
  const fs::path bad = BAD_PLUGINS;
  for (const auto& [name, words] :
       {std::pair{"old_string_abi", "string ABI (_GLIBCXX_USE_CXX11_ABI): plugin 0, host 1"},
        {"sanitizer", "sanitizer: plugin "},
        {"sdk_major", "SDK version: plugin "}}) {
    const CheckStep step = run(bad / fmt::format("orbw_{}.so", name));
    EXPECT_EQ(step.stage, "abi");
    EXPECT_TRUE(contains(step.reason, words));
    EXPECT_TRUE(contains(step.mend, "rebuild it for this host: cmake --fresh"));
  }
}

TEST_F(CheckCommand, NamesTheStageOfEachBadFile) {
  const fs::path bad = BAD_PLUGINS;
  for (const auto& [name, stage, words] :
       {std::tuple{"not_elf", "file", "is not an ELF file"},
        {"no_manifest", "manifest", "has no Orbweaver manifest"},
        {"undefined_symbol", "link", "nowhere::missing_function(int)"},
        {"register_throws_int", "register", "its registration threw something that is no std::exception"}}) {
    const CheckStep step = check_here(bad / fmt::format("orbw_{}.so", name), "");
    EXPECT_EQ(step.stage, stage);
    EXPECT_TRUE(contains(step.reason, words));
  }
}

TEST_F(CheckCommand, AsksForWhatItCannotGuess) {
  EXPECT_TRUE(contains(check_here(mutants, "wrong").reason, "has no component \"wrong\"; it has graph_builder right"));
  Value params;
  params["radius"] = 1;
  EXPECT_TRUE(contains(check_here(mutants, "right", params).mend, "name it with --id, or KIND/ID"));
  testing::Command command({"plugins", "check", "/no/such/orbw_x.so"}, folder_.path());
  EXPECT_EQ(command.wait(), 2);
  EXPECT_TRUE(contains(command.err(), "/no/such/orbw_x.so: there is no such file"));
}

TEST_F(CheckCommand, GivesTheLineThatMakesAComponentWithRequiredParameters) {
  const fs::path yolo = fs::path(ORBWEAVER_BUILD_DIR) / "lib/orbweaver/plugins/orbw_yolo.so";
  if (!fs::exists(yolo)) GTEST_SKIP() << "the plugin yolo is not built";
  const CheckStep step = check_here(yolo, "");
  EXPECT_EQ(step.stage, "construct");
  EXPECT_EQ(step.mend, "give them: --id yolo --params '{\"weights\": \"...\"}'");
}

}  // namespace
}  // namespace orbweaver
