// Training with several processes: the environment that tells, the gather's gradient, and whole runs.
#include <ATen/ATen.h>
#include <arpa/inet.h>
#include <sys/socket.h>

#include <atomic>
#include <cmath>
#include <map>
#include <thread>
#include <torch/csrc/distributed/c10d/TCPStore.hpp>

#include "command.h"
#include "framework/io/json.h"
#include "framework/train/distributed.h"
#include "orbweaver/error.h"

namespace orbweaver::testing {
namespace {

namespace fs = std::filesystem;

Environment variables(std::map<std::string, std::string> values) {
  return [values = std::move(values)](const char* name) {
    const auto found = values.find(name);
    return found == values.end() ? nullptr : found->second.c_str();
  };
}

TEST(RankPlaceOfTheEnvironment, IsAloneWithoutVariablesAndInABatchScriptOfManyTasks) {
  EXPECT_FALSE(find_rank_place(variables({})));
  EXPECT_FALSE(find_rank_place(variables({{"RANK", "0"}, {"WORLD_SIZE", "1"}})));
  EXPECT_FALSE(find_rank_place(variables({{"SLURM_PROCID", "0"}, {"SLURM_NTASKS", "8"}, {"SLURM_JOB_ID", "7"}})));
  EXPECT_FALSE(find_rank_place(variables({{"SLURM_PROCID", "0"}, {"SLURM_STEP_NUM_TASKS", "1"}})));
}

TEST(RankPlaceOfTheEnvironment, ReadsTorchrunsVariables) {
  const auto place = find_rank_place(variables(
      {{"RANK", "3"}, {"WORLD_SIZE", "4"}, {"LOCAL_RANK", "1"}, {"MASTER_ADDR", "node7"}, {"MASTER_PORT", "29500"}}));
  ASSERT_TRUE(place);
  EXPECT_EQ(place->rank, 3);
  EXPECT_EQ(place->size, 4);
  EXPECT_EQ(place->local_rank, 1);
  EXPECT_EQ(place->host, "node7");
  EXPECT_EQ(place->port, 29500);
  EXPECT_EQ(place->store_prefix, "");
}

TEST(RankPlaceOfTheEnvironment, ReadsThoseOfAnSrunStepAndMeetsOnItsFirstNode) {
  const auto place = find_rank_place(variables({{"SLURM_PROCID", "5"},
                                                {"SLURM_STEP_NUM_TASKS", "8"},
                                                {"SLURM_LOCALID", "1"},
                                                {"SLURM_STEP_NODELIST", "gpu[03-05,9],login"},
                                                {"SLURM_JOB_ID", "1000"},
                                                {"SLURM_STEP_ID", "2"}}));
  ASSERT_TRUE(place);
  EXPECT_EQ(place->rank, 5);
  EXPECT_EQ(place->size, 8);
  EXPECT_EQ(place->host, "gpu03");
  EXPECT_EQ(place->port, 20000 + (1000 * 31 + 2) % 12000);
}

TEST(RankPlaceOfTheEnvironment, NamesTheVariableThatIsMissingOrWrong) {
  const auto error = [](std::map<std::string, std::string> values) -> std::string {
    try {
      find_rank_place(variables(std::move(values)));
    } catch (const InputError& fault) {
      return fault.what();
    }
    return "";
  };
  EXPECT_NE(error({{"RANK", "0"}, {"WORLD_SIZE", "2"}, {"MASTER_PORT", "1"}}).find("MASTER_ADDR is missing"),
            std::string::npos);
  EXPECT_NE(error({{"RANK", "2"}, {"WORLD_SIZE", "2"}, {"MASTER_ADDR", "a"}, {"MASTER_PORT", "1"}})
                .find("RANK: is \"2\", expected a whole number from 0 to 1"),
            std::string::npos);
}

TEST(FirstHost, IsTheFirstNameOfSlurmsList) {
  EXPECT_EQ(first_host("node1"), "node1");
  EXPECT_EQ(first_host("node1,node2"), "node1");
  EXPECT_EQ(first_host("gpu[03-05,9],login"), "gpu03");
  EXPECT_EQ(first_host("rack[2]n[7,9]-ib"), "rack2n7-ib");
}

/// A port that was free a moment ago.
int free_port() {
  const int descriptor = socket(AF_INET, SOCK_STREAM, 0);
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  socklen_t size = sizeof address;
  EXPECT_EQ(bind(descriptor, reinterpret_cast<sockaddr*>(&address), size), 0);
  EXPECT_EQ(getsockname(descriptor, reinterpret_cast<sockaddr*>(&address), &size), 0);
  close(descriptor);
  return ntohs(address.sin_port);
}

/// Runs the same as each of `size` ranks, in threads of this process.
void as_ranks(int64_t size, const std::function<void(RankGroup&)>& work) {
  RankPlace place;
  place.size = size;
  place.host = "127.0.0.1";
  place.port = free_port();
  std::vector<std::thread> threads;
  for (int64_t rank = 0; rank < size; ++rank)
    threads.emplace_back([&work, place, rank]() mutable {
      place.rank = rank;
      RankGroup group(place, {});
      work(group);
      group.leave();
    });
  for (std::thread& thread : threads) thread.join();
}

TEST(RankGroup, GathersRowsInOrderAndEveryKindOfParameterGetsItsWholeGradient) {
  // L = s * sum(c * x): x gathered (3 rows: 1 of rank 0, 2 of rank 1), s used by both ranks as a loss's parameter is.
  // dL/dx = s * c; dL/ds = sum(c * x) = 1*1 + 2*2 + ... + 6*6 = 91. w scales x on the ranks, as an encoder's weight
  // does: dL/dw = s * sum(c * x) / w.
  const at::Tensor all = at::arange(1, 7, at::kFloat).view({3, 2});
  as_ranks(2, [&](RankGroup& ranks) {
    const auto [begin, end] = ranks.part(3);
    EXPECT_EQ(end - begin, ranks.rank() == 0 ? 1 : 2);
    const at::Tensor x = (all / 2).slice(0, begin, end).clone().requires_grad_(true);
    const at::Tensor w = at::full({}, 2.0f).requires_grad_(true);
    const at::Tensor s = at::full({}, 3.0f).requires_grad_(true);
    const at::Tensor unused = at::ones({2}).requires_grad_(true);
    const at::Tensor of_rank_1 = at::ones({}).requires_grad_(true);
    at::Tensor rows = x * w;
    if (ranks.rank() == 1) rows = rows * of_rank_1;
    const at::Tensor gathered = ranks.gather_rows(rows, 3);
    EXPECT_TRUE(at::equal(gathered, all));
    const at::Tensor loss = s * (gathered * all).sum();
    loss.backward(at::full_like(loss, 0.5));
    EXPECT_TRUE(at::equal(x.grad(), 3 * 2 * all.slice(0, begin, end)));

    const std::vector<at::Tensor> parameters{w, s, unused, of_rank_1};
    const RankGroup::Wishes wishes = ranks.sum_gradients(parameters, {ranks.rank() == 1, false});
    EXPECT_TRUE(wishes.stop);
    EXPECT_FALSE(wishes.save);
    EXPECT_FLOAT_EQ(s.grad().item<float>(), 91);
    EXPECT_FLOAT_EQ(w.grad().item<float>(), 3 * 91.0f / 2);
    EXPECT_FALSE(unused.grad().defined());
    EXPECT_FLOAT_EQ(of_rank_1.grad().item<float>(), 3 * (91 - 5));  // rank 0's row gives 1 + 4
  });
}

TEST(RankGroup, GathersABatchPaddedToTheLongestOfAllRanks) {
  as_ranks(2, [](RankGroup& ranks) {
    const int64_t length = ranks.rank() == 0 ? 2 : 3, edges = ranks.rank();
    LossInput batch;
    for (Representation* side : {&batch.image, &batch.text}) {
      side->global = at::ones({2, 4});
      side->embedding = at::full({2, 4}, static_cast<float>(ranks.rank()));
      side->tokens = at::ones({2, length, 5});
    }
    GraphBatch& graphs = batch.text_graphs;
    graphs.features = at::ones({2, length, 1});
    graphs.adjacency = at::ones({2, length, length});
    graphs.mask = at::ones({2, length}, at::kBool);
    graphs.labels = at::ones({2, length}, at::kLong);
    graphs.relations = at::ones({4, edges}, at::kLong);
    ranks.gather(batch, 4, {.tokens = true});

    EXPECT_FALSE(batch.image.global.defined());  // nobody reads it
    EXPECT_TRUE(at::equal(batch.image.embedding.select(1, 0), at::tensor({0.0f, 0.0f, 1.0f, 1.0f})));
    EXPECT_EQ(batch.text.tokens.sizes(), (at::IntArrayRef{4, 3, 5}));
    // Rank 0's third token is padding, though it had no mask.
    EXPECT_TRUE(at::equal(batch.text.token_mask.sum(1), at::tensor({2, 2, 3, 3}, at::kLong)));
    EXPECT_EQ(graphs.adjacency.sizes(), (at::IntArrayRef{4, 3, 3}));
    EXPECT_TRUE(at::equal(graphs.mask.sum(1), at::tensor({2, 2, 3, 3}, at::kLong)));
    // The one relation, of rank 1's second item: its place in the whole batch is 3.
    EXPECT_TRUE(at::equal(graphs.relations, at::tensor({3, 1, 1, 1}, at::kLong).view({4, 1})));
  });
}

TEST(RankGroup, FailsByNameWhereAnotherRankSaysWhyItEnds) {
  as_ranks(2, [](RankGroup& ranks) {
    if (ranks.rank() == 1) return ranks.announce_failure("no room on the disk");
    try {
      ranks.wait_for_all();
      ADD_FAILURE() << "waited for a rank that ended";
    } catch (const Error& error) {
      EXPECT_NE(std::string(error.what()).find("rank 1 of 2 failed: no room on the disk"), std::string::npos)
          << error.what();
    }
  });
}

TEST(RankGroup, FailsByNameWhereTheStoreThatTorchrunKeepsEnds) {
  c10d::TCPStoreOptions options;
  options.port = static_cast<uint16_t>(free_port());
  options.isServer = true;
  options.waitWorkers = false;
  // The other server implementation is not in every build.
  [](auto& any) {
    if constexpr (requires { any.useLibUV; }) any.useLibUV = false;
  }(options);
  auto store = c10::make_intrusive<c10d::TCPStore>("127.0.0.1", options);
  RankPlace place;
  place.size = 2;
  place.host = "127.0.0.1";
  place.port = options.port;
  place.store_prefix = "/worker/attempt_0";
  std::atomic<int> met = 0;
  std::atomic<bool> ended = false;
  const auto as_rank = [&](int64_t rank) {
    RankPlace own = place;
    own.rank = rank;
    RankGroup group(own, {.timeout = 2});
    group.wait_for_all();
    ++met;
    while (!ended) std::this_thread::sleep_for(std::chrono::milliseconds(5));
    try {
      // What is sent first may vanish without a word.
      for (int i = 0; i < 100; ++i)
        if (rank == 0)
          group.first_does([] { return std::string("x"); });
        else
          group.wait_for_all();
      ADD_FAILURE() << "went on without a store";
    } catch (const Error& error) {
      EXPECT_NE(std::string(error.what()).find("torchrun's agent, where the ranks meet at 127.0.0.1"),
                std::string::npos)
          << error.what();
    } catch (const std::exception& other) {
      ADD_FAILURE() << "not in the project's words: " << other.what();
    }
    EXPECT_NO_THROW(group.leave());
  };
  std::thread first(as_rank, 0), second(as_rank, 1);
  while (met < 2) std::this_thread::sleep_for(std::chrono::milliseconds(5));
  store.reset();
  ended = true;
  first.join();
  second.join();
}

class Ranks : public CommandTest {
 protected:
  /// The program as one rank; stdout and stderr in a folder of its own.
  std::unique_ptr<Command> start(int rank, int size, int port, std::vector<std::string> arguments) {
    const fs::path folder = folder_ / ("rank" + std::to_string(rank));
    fs::create_directories(folder);
    const std::map<std::string, std::string> values{
        {"RANK", std::to_string(rank)}, {"LOCAL_RANK", std::to_string(rank)},  {"WORLD_SIZE", std::to_string(size)},
        {"MASTER_ADDR", "127.0.0.1"},   {"MASTER_PORT", std::to_string(port)}, {"ORBWEAVER_RANK_TIMEOUT", "30"}};
    for (const auto& [name, value] : values) setenv(name.c_str(), value.c_str(), 1);
    auto command = std::make_unique<Command>(arguments, folder);
    for (const auto& [name, value] : values) unsetenv(name.c_str());
    return command;
  }
  using Pair = std::array<std::unique_ptr<Command>, 2>;
  Pair start_two(const std::vector<std::string>& arguments) {
    const int port = free_port();
    return {start(0, 2, port, arguments), start(1, 2, port, arguments)};
  }

  /// No dropout, batch norms frozen with the image encoder: what one process and two must agree on.
  std::vector<std::string> arguments(const fs::path& run, const std::vector<std::string>& overrides = {}) const {
    std::vector<std::string> out = train_arguments(run);
    for (const std::string& text :
         {std::string("model.text.encoder.dropout=0"), std::string("train.epochs=2"),
          std::string("model.image.encoder.freeze=true"), std::string(R"(model.fusion.image={"layers": "linear"})"),
          std::string(R"(loss=[{"use": "info_nce"}])")})
      out.insert(out.end(), {"--set", text});
    for (const std::string& text : overrides) out.insert(out.end(), {"--set", text});
    return out;
  }

  static std::vector<Value> metrics(const fs::path& run) {
    std::vector<Value> out;
    if (!fs::exists(run / "metrics.jsonl")) return out;
    for (const std::string& line : read_lines(run / "metrics.jsonl")) out.push_back(parse_json(line, "metrics.jsonl"));
    return out;
  }

  void expect_losses_of_one_process(const std::vector<std::string>& overrides) {
    Command one(arguments(folder_ / "one", overrides), folder_);
    ASSERT_EQ(one.wait(), 0) << one.err();
    const Pair two = start_two(arguments(folder_ / "two", overrides));
    ASSERT_EQ(two[0]->wait(), 0) << two[0]->err();
    ASSERT_EQ(two[1]->wait(), 0) << two[1]->err();
    EXPECT_NE(two[0]->err().find("2 processes train together"), std::string::npos) << two[0]->err();
    const std::vector<Value> wanted = metrics(folder_ / "one"), found = metrics(folder_ / "two");
    ASSERT_EQ(wanted.size(), 2u);
    ASSERT_EQ(found.size(), 2u);
    for (size_t epoch = 0; epoch < wanted.size(); ++epoch) {
      EXPECT_NEAR(found[epoch].at("loss").as_double(), wanted[epoch].at("loss").as_double(), 1e-5);
      for (const auto& [name, value] : wanted[epoch].at("parts").as_object())
        EXPECT_NEAR(found[epoch].at("parts").at(name).as_double(), value.as_double(), 1e-5) << name;
      EXPECT_EQ(found[epoch].at("step").as_int(), wanted[epoch].at("step").as_int());
    }
    EXPECT_EQ(read_json(folder_ / "two" / "record.json").at("environment").at("processes").as_int(), 2);
  }
};

TEST_F(Ranks, TwoWithHalfTheBatchEachHaveTheLossesOfOneProcess) {
  // A last batch of another size, a learnable temperature, clipping and averaging on top.
  expect_losses_of_one_process({"train.drop_last=false", "train.clip_norm=1", "train.average=0.9"});
}

TEST_F(Ranks, TwoHaveThemWithGraphsMovedImagesInteractionsAndALossThatReadsNodes) {
  expect_losses_of_one_process(
      {R"(model.image.detector={"use": "regions"})", R"(model.image.graph={"use": "sog"})",
       R"(model.image.graph_encoder={"use": "rgcn", "layers": 1, "width": 32, "graph_dropout": 0})",
       R"(model.text.graph={"use": "erg"})",
       R"(model.text.graph_encoder={"use": "rgcn", "layers": 1, "width": 32, "graph_dropout": 0})",
       R"(model.fusion={"use": "weighted_sum", "image": {"global": {"layers": "linear"}, "local": {"layers": "linear"}},
          "text": {"global": {"layers": "none"}, "local": {"layers": "linear"}}})",
       R"(model.interaction=[{"use": "cmim", "width": 32, "heads": 2, "dropout": 0, "training": "random_negatives", "negatives": 4,
          "image": {"layers": "linear"}, "text": {"layers": "none"}}, {"use": "graph_match"}])",
       R"(loss=[{"use": "info_nce"}, {"use": "hgac", "global_weight": 0}])", "train.augment.flip=true"});
}

TEST_F(Ranks, ARankKilledEndsTheOtherByNameAndResumeContinuesToTheSameEnd) {
  const std::vector<std::string> more{"train.epochs=5", "train.checkpoint_every=0.2"};
  const Pair undisturbed = start_two(arguments(folder_ / "undisturbed", more));
  ASSERT_EQ(undisturbed[0]->wait(), 0) << undisturbed[0]->err();
  ASSERT_EQ(undisturbed[1]->wait(), 0) << undisturbed[1]->err();

  const fs::path run = folder_ / "run";
  std::vector<std::string> words = arguments(run, more);
  {
    const Pair two = start_two(words);
    ASSERT_TRUE(two[0]->wait_until([&] { return metrics(run).size() >= 1; })) << two[0]->err();
    const auto killed = std::chrono::steady_clock::now();
    two[1]->send(SIGKILL);
    EXPECT_EQ(two[0]->wait(), 1);
    EXPECT_LT(std::chrono::steady_clock::now() - killed, std::chrono::seconds(60));
    EXPECT_NE(two[0]->err().find("rank 1 of 2 ended without a word"), std::string::npos) << two[0]->err();
    EXPECT_NE(two[0]->err().find("--resume"), std::string::npos) << two[0]->err();
    two[1]->wait();
  }
  ASSERT_LT(metrics(run).size(), 5u);
  words.push_back("--resume");
  {
    const Pair two = start_two(words);
    ASSERT_TRUE(two[0]->wait_until([&] { return metrics(run).size() >= 2; })) << two[0]->err();
    two[0]->send(SIGKILL);
    EXPECT_EQ(two[1]->wait(), 1);
    EXPECT_NE(two[1]->err().find("rank 0 of 2"), std::string::npos) << two[1]->err();
    two[0]->wait();
  }
  const Pair two = start_two(words);
  ASSERT_EQ(two[0]->wait(), 0) << two[0]->err();
  ASSERT_EQ(two[1]->wait(), 0) << two[1]->err();
  EXPECT_NE(two[0]->err().find("resuming at epoch"), std::string::npos) << two[0]->err();
  EXPECT_EQ(hash_file(run / "best.safetensors"), hash_file(folder_ / "undisturbed" / "best.safetensors"));
  const std::vector<Value> wanted = metrics(folder_ / "undisturbed"), found = metrics(run);
  ASSERT_EQ(found.size(), wanted.size());
  for (size_t epoch = 0; epoch < wanted.size(); ++epoch)
    EXPECT_EQ(found[epoch].at("loss").as_double(), wanted[epoch].at("loss").as_double());
}

TEST_F(Ranks, InterruptOfOneStopsAllAfterTheSameStep) {
  const fs::path run = folder_ / "run";
  const Pair two = start_two(arguments(run, {"train.epochs=50"}));
  ASSERT_TRUE(two[0]->wait_until([&] { return metrics(run).size() >= 1; })) << two[0]->err();
  two[1]->send(SIGINT);
  EXPECT_EQ(two[0]->wait(), 1);
  EXPECT_EQ(two[1]->wait(), 1);
  EXPECT_NE(two[0]->err().find("saved. Continue with"), std::string::npos) << two[0]->err();
}

TEST_F(Ranks, ABatchThatCannotBeSharedAndAnotherConfigAreRefused) {
  const Pair uneven = start_two(arguments(folder_ / "uneven", {"train.batch_size=15"}));
  EXPECT_EQ(uneven[0]->wait(), 2);
#ifdef __SANITIZE_THREAD__
  // So slow that it may be told by the other before it looks itself.
  const int status = uneven[1]->wait();
  EXPECT_TRUE(status == 2 || (status == 1 && uneven[1]->err().find("rank 0 of 2 failed: ") != std::string::npos))
      << status << uneven[1]->err();
#else
  EXPECT_EQ(uneven[1]->wait(), 2);
#endif
  EXPECT_NE(uneven[0]->err().find("/train/batch_size: is 15, which 2 processes cannot share evenly"), std::string::npos)
      << uneven[0]->err();

  const int port = free_port();
  const fs::path run = folder_ / "other";
  const auto first = start(0, 2, port, arguments(run));
  const auto second = start(1, 2, port, arguments(run, {"train.lr=0.001"}));
  EXPECT_EQ(first->wait(), 1);
  EXPECT_EQ(second->wait(), 1);
  EXPECT_NE(second->err().find("rank 1's settings differ from rank 0's"), std::string::npos) << second->err();
  EXPECT_NE(first->err().find("rank 1 of 2 failed: "), std::string::npos) << first->err();
}

}  // namespace
}  // namespace orbweaver::testing
