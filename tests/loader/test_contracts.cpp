// Calls into components: what they throw and what they return, checked.
#include <cmath>
#include <limits>
#include <new>
#include <stdexcept>

#include "framework/plugin/hosted.h"
#include "loader/loader_test.h"

namespace orbweaver {
namespace {

using testing::contains;
using testing::message_of;

const ComponentRef ref{"reranker", "shuffle", "/rerank", "/plugins/orbw_shuffle.so"};
const std::string prefix = "/rerank: reranker shuffle (/plugins/orbw_shuffle.so): ";
constexpr double nan = std::numeric_limits<double>::quiet_NaN();

struct Nothing {};

TEST(HostedCall, ReturnsWhatTheComponentReturns) {
  const Hosted<Nothing> hosted(std::make_shared<Nothing>(), ref);
  EXPECT_EQ(hosted.call("rerank", [](Nothing&) { return 25; }), 25);
}

TEST(HostedCall, KeepsTheKindOfAnErrorAndPutsTheComponentInFront) {
  const Hosted<Nothing> hosted(std::make_shared<Nothing>(), ref);
  const auto thrower = [&](auto error) {
    return [&hosted, error] { hosted.call("rerank", [&](Nothing&) -> int { throw error; }); };
  };
  EXPECT_EQ(message_of<InputError>(thrower(InputError("k is 0"))), prefix + "rerank: k is 0");
  EXPECT_EQ(message_of<ShapeError>(thrower(ShapeError("no rows"))), prefix + "rerank: no rows");
  EXPECT_EQ(message_of<Error>(thrower(std::logic_error("oh"))), prefix + "rerank: oh");
  EXPECT_EQ(message_of<Error>(thrower(std::bad_alloc())), prefix + "rerank: out of memory");
  EXPECT_EQ(message_of<Error>(thrower(42)), prefix + "rerank: threw something that is no std::exception");
}

TEST(HostedCall, NamesAComponentOnceThatNamesItself) {
  const Hosted<Nothing> hosted(std::make_shared<Nothing>(), ref);
  const auto thrower = [&] {
    hosted.call("rerank", [](Nothing&) -> int { throw InputError("reranker shuffle: k is 0"); });
  };
  EXPECT_EQ(message_of<InputError>(thrower), prefix + "rerank: k is 0");
}

TEST(HostedCall, CutsABacktraceAndJoinsLines) {
  EXPECT_EQ(one_line("sizes\n  differ\nException raised from f at file.cpp:1\nframe #0: x"), "sizes differ");
  EXPECT_EQ(one_line("[enforce fail at x.cpp:75] sizes differ\nframe #0: <unknown function> + 0x4c062"),
            "[enforce fail at x.cpp:75] sizes differ");
}

TEST(HostedCall, SaysHowMuchMemoryLibtorchDidNotGetAndWhatNeedsLess) {
  EXPECT_EQ(
      one_line("[enforce fail at alloc_cpu.cpp:75] err == 0. DefaultCPUAllocator: can't allocate memory: you tried "
               "to allocate 5368709121 bytes. Error code 12 (Cannot allocate memory)\nframe #0: x"),
      "out of memory: 5121 MiB could not be allocated; smaller train.batch_size and eval.batch_size need less");
  for (const char* text : {"CUDA out of memory. Tried to allocate 2.50 GiB (GPU 0; 7.79 GiB total capacity)",
                           "CUDA out of memory. Tried to allocate 2.50 GiB. GPU 0 has a total capacity of 7.79 GiB"})
    EXPECT_EQ(one_line(text),
              "out of memory: 2.50 GiB could not be allocated on the GPU; smaller train.batch_size and "
              "eval.batch_size need less");
}

Rankings rankings(std::vector<int64_t> offsets, std::vector<int64_t> items, std::vector<double> scores) {
  return {std::move(offsets), std::move(items), std::move(scores)};
}

std::string violation(const Rankings& result) {
  return message_of<Error>([&] { check_rankings(ref, result, 2, 3); });
}

TEST(RankingsContract, AcceptsTiesAndQueriesWithoutCandidates) {
  check_rankings(ref, rankings({0, 0, 3}, {2, 0, 1}, {0.5, 0.5, 0.1}), 2, 3);
  check_rankings(ref, rankings({0, 2, 3}, {2, 0, 2}, {0.5, 0.4, 0.6}), 2, 3);
}

TEST(RankingsContract, NamesEachViolation) {
  EXPECT_EQ(violation(rankings({0, 1}, {0}, {1})),
            prefix + "rerank: returned 2 offsets, expected 3, one more than there are queries");
  EXPECT_TRUE(contains(violation(rankings({0, 1, 2}, {0, 1}, {1})), "returned 2 items and 1 scores"));
  EXPECT_TRUE(contains(violation(rankings({0, 1, 3}, {0, 1}, {1, 1})),
                       "returned offsets from 0 to 3, expected from 0 to its 2 items"));
  EXPECT_TRUE(contains(violation(rankings({0, 3, 2}, {0, 1}, {1, 1})),
                       "returned offset 2 after 3, expected ascending offsets"));
  EXPECT_TRUE(contains(violation(rankings({0, 1, 2}, {0, 3}, {1, 1})),
                       "returned item 3 at place 0 of query 1, expected an index in [0, 3)"));
  EXPECT_TRUE(contains(violation(rankings({0, 0, 2}, {1, 1}, {1, 1})),
                       "returned item 1 again at place 1 of query 1, expected each item once"));
  EXPECT_TRUE(contains(violation(rankings({0, 1, 2}, {1, 1}, {1, nan})), "returned score nan at place 0 of query 1"));
  EXPECT_TRUE(contains(violation(rankings({0, 0, 2}, {1, 2}, {1, 2})),
                       "returned score 2 after 1 at place 1 of query 1, expected descending scores"));
}

class FixedReranker final : public Reranker {
 public:
  bool transductive() const override { return false; }
  Rankings rerank(const RerankInput&) const override { return rankings({0, 1}, {7}, {1}); }
};

TEST(RankingsContract, IsCheckedAtTheCall) {
  const Hosted<Reranker> hosted(std::make_shared<FixedReranker>(), ref);
  const float scores[2] = {0.1f, 0.2f};
  const RerankInput input{MatrixView<const float>(scores, 1, 2), {}};
  EXPECT_TRUE(contains(message_of<Error>([&] { rerank(hosted, input); }), "item 7 at place 0 of query 0"));
  EXPECT_TRUE(contains(message_of<Error>([&] { rerank_candidates(hosted, {}); }), "needs the whole score matrix"));
}

class FixedDetector final : public Detector {
 public:
  explicit FixedDetector(Object object) : object_(std::move(object)) {}
  std::vector<Object> detect(const ImageView&) override { return {object_}; }

 private:
  Object object_;
};

std::string detection(const Object& object) {
  const Hosted<Detector> hosted(std::make_shared<FixedDetector>(object), ref);
  return message_of<Error>([&] { detect(hosted, {}); });
}

TEST(ObjectsContract, NamesEachViolation) {
  EXPECT_TRUE(contains(detection({1, 2, 0, 4, 0, 1, "plane", {}}),
                       "returned object 0 \"plane\" with centre (1, 2), size 0 x 4, angle 0, expected finite numbers "
                       "and positive sizes"));
  EXPECT_TRUE(contains(detection({1, nan, 3, 4, 0, 1, "plane", {}}), "centre (1, nan)"));
  EXPECT_TRUE(contains(detection({1, 2, 3, 4, 0, 1.5, "plane", {}}), "with probability 1.5, expected one in [0, 1]"));
  EXPECT_TRUE(contains(detection({1, 2, 3, 4, 0, nan, "plane", {}}), "with probability nan"));
  EXPECT_TRUE(contains(detection({1, 2, 3, 4, 0, 1, "plane", {{"red", nan}}}), "with attribute red = nan"));
}

std::string graph_violation(const Graph& graph) {
  return message_of<Error>([&] { check_graph(ref, graph, 4); });
}

TEST(GraphContract, NamesEachViolation) {
  const Matrix<float> none, features(2, 4), square(2, 2);
  check_graph(ref, {none, none, {}, {}}, 4);
  check_graph(ref, {features, square, {"a", "b"}, {{0, 1, "left of"}}}, 4);
  EXPECT_TRUE(contains(graph_violation({Matrix<float>(2, 3), square, {"a", "b"}, {}}),
                       "returned features [2, 3], expected 4 columns as feature_width() says"));
  EXPECT_TRUE(contains(graph_violation({features, Matrix<float>(2, 3), {"a", "b"}, {}}),
                       "returned adjacency [2, 3], expected [2, 2] for its 2 labels"));
  EXPECT_TRUE(contains(graph_violation({features, square, {"a", "b"}, {{0, 2, "left of"}}}),
                       "returned a relation \"left of\" from node 0 to node 2, expected indices of its 2 nodes"));
}

}  // namespace
}  // namespace orbweaver
