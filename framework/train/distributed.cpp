#include "framework/train/distributed.h"

#include <ATen/ATen.h>
#include <fmt/format.h>
#include <torch/version.h>

#include <algorithm>
#include <charconv>
#include <chrono>
#include <condition_variable>
#include <cstdlib>
#include <future>
#include <map>
#include <mutex>
#include <thread>
#include <torch/csrc/distributed/c10d/PrefixStore.hpp>
#include <torch/csrc/distributed/c10d/ProcessGroupGloo.hpp>
#include <torch/csrc/distributed/c10d/TCPStore.hpp>
#include <vector>

#include "orbweaver/error.h"

namespace orbweaver {
namespace {

using Clock = std::chrono::steady_clock;
using Milliseconds = std::chrono::milliseconds;
using StorePtr = c10::intrusive_ptr<c10d::Store>;
#if TORCH_VERSION_MAJOR >= 2
using Collectives = c10d::Backend;
#else
using Collectives = c10d::ProcessGroup;
#endif

// A rank that lives but hangs is noticed by nothing else.
constexpr Milliseconds longest_collective = std::chrono::minutes(30);

/// What was thrown, as one line without LibTorch's backtrace.
std::string reason(std::exception_ptr error) {
  std::string text = "unknown error";
  try {
    std::rethrow_exception(std::move(error));
  } catch (const c10::Error& torch_error) {
    text = torch_error.what_without_backtrace();
  } catch (const std::exception& other) {
    text = other.what();
  } catch (...) {
  }
  return text.substr(0, text.find('\n'));
}

std::vector<uint8_t> bytes_of(const std::string& text) { return {text.begin(), text.end()}; }
std::string text_of(const std::vector<uint8_t>& bytes) { return {bytes.begin(), bytes.end()}; }

int64_t number(const char* name, const std::string& text, int64_t first, int64_t last) {
  int64_t value = 0;
  const auto [end, fault] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (fault != std::errc() || end != text.data() + text.size() || value < first || value > last)
    throw InputError(fmt::format("environment variable {}: is \"{}\", expected a whole number from {} to {}", name,
                                 text, first, last));
  return value;
}

constexpr int64_t most_ranks = 4096;

std::optional<RankPlace> place_by_torchrun(const Environment& environment) {
  const char* size = environment("WORLD_SIZE");
  if (!size) return std::nullopt;
  RankPlace place;
  place.found_by = "RANK and WORLD_SIZE";
  place.size = number("WORLD_SIZE", size, 1, most_ranks);
  if (place.size == 1) return std::nullopt;
  const auto need = [&](const char* name) {
    if (const char* value = environment(name)) return std::string(value);
    throw InputError(fmt::format(
        "environment variable {} is missing: WORLD_SIZE is {}, and training with several processes needs RANK, "
        "MASTER_ADDR and MASTER_PORT beside it; unset WORLD_SIZE to train with one",
        name, place.size));
  };
  place.rank = number("RANK", need("RANK"), 0, place.size - 1);
  place.host = need("MASTER_ADDR");
  place.port = static_cast<int>(number("MASTER_PORT", need("MASTER_PORT"), 1, 65535));
  if (const char* local = environment("LOCAL_RANK")) place.local_rank = number("LOCAL_RANK", local, 0, most_ranks);
  if (const char* agent = environment("TORCHELASTIC_USE_AGENT_STORE"); agent && std::string(agent) == "True") {
    const char* attempt = environment("TORCHELASTIC_RESTART_COUNT");
    place.store_prefix = fmt::format("/worker/attempt_{}", attempt ? attempt : "0");
  }
  return place;
}

std::optional<RankPlace> place_by_slurm(const Environment& environment) {
  const char* size = environment("SLURM_STEP_NUM_TASKS");
  const char* rank = environment("SLURM_PROCID");
  if (!size || !rank) return std::nullopt;
  RankPlace place;
  place.found_by = "srun";
  place.size = number("SLURM_STEP_NUM_TASKS", size, 1, most_ranks);
  if (place.size == 1) return std::nullopt;
  place.rank = number("SLURM_PROCID", rank, 0, place.size - 1);
  if (const char* local = environment("SLURM_LOCALID"))
    place.local_rank = number("SLURM_LOCALID", local, 0, most_ranks);
  if (const char* host = environment("MASTER_ADDR"))
    place.host = host;
  else if (const char* nodes = environment("SLURM_STEP_NODELIST"))
    place.host = first_host(nodes);
  else
    throw InputError(
        "environment variables SLURM_STEP_NODELIST and MASTER_ADDR are missing: set MASTER_ADDR to the "
        "host of rank 0");
  if (const char* port = environment("MASTER_PORT")) {
    place.port = static_cast<int>(number("MASTER_PORT", port, 1, 65535));
  } else {
    const auto id = [&](const char* name) {
      const char* text = environment(name);
      return text ? std::strtoll(text, nullptr, 10) : 0;
    };
    // Below the ports that Linux gives out by itself; jobs that share a machine rarely meet.
    place.port = static_cast<int>(20000 + (id("SLURM_JOB_ID") * 31 + id("SLURM_STEP_ID")) % 12000);
  }
  return place;
}

const char* system_environment(const char* name) { return std::getenv(name); }

StorePtr connect(const RankPlace& place, Milliseconds timeout, bool first_connection) {
  c10d::TCPStoreOptions options;
  options.port = static_cast<uint16_t>(place.port);
  options.timeout = timeout;
  options.isServer = first_connection && place.rank == 0 && place.store_prefix.empty();
  options.waitWorkers = first_connection;
  if (first_connection) options.numWorkers = static_cast<size_t>(place.size);
  // The other server implementation is not in every build.
  [](auto& any) {
    if constexpr (requires { any.useLibUV; }) any.useLibUV = false;
  }(options);
  StorePtr store = c10::make_intrusive<c10d::TCPStore>(place.host, options);
  return c10::make_intrusive<c10d::PrefixStore>(place.store_prefix + "/orbweaver", store);
}

using MakeBackend = c10::intrusive_ptr<Collectives> (*)(const StorePtr&, const RankPlace&);

c10::intrusive_ptr<Collectives> make_gloo(const StorePtr& store, const RankPlace& place) {
  const auto options = c10d::ProcessGroupGloo::Options::create(longest_collective);
  const bool loopback = place.host == "localhost" || place.host.rfind("127.", 0) == 0;
  if (const char* interface = std::getenv("GLOO_SOCKET_IFNAME"))
    options->devices = {c10d::ProcessGroupGloo::createDeviceForInterface(interface)};
  else if (loopback)
    options->devices = {c10d::ProcessGroupGloo::createDeviceForHostname("127.0.0.1")};
  else
    options->devices = {c10d::ProcessGroupGloo::createDefaultDevice()};
  options->threads = 1;
  return c10::make_intrusive<c10d::ProcessGroupGloo>(c10::make_intrusive<c10d::PrefixStore>("gloo", store),
                                                     static_cast<int>(place.rank), static_cast<int>(place.size),
                                                     options);
}

/// By name. Gloo moves memory of the CPU; a backend that does not needs `all_gather` and `sum` below to leave tensors
/// where they are.
const std::map<std::string, MakeBackend>& backends() {
  static const std::map<std::string, MakeBackend> known{{"gloo", make_gloo}};
  return known;
}

/// Says that this rank lives, and listens to the others: a thread with a connection of its own, so that long work of
/// the main thread is no silence, and a store that hangs hangs this thread alone.
class Pulse : public std::enable_shared_from_this<Pulse> {
 public:
  Pulse(RankPlace place, StorePtr store, Milliseconds timeout)
      : place_(std::move(place)),
        store_(std::move(store)),
        timeout_(timeout),
        beat_(std::clamp(timeout / 10, Milliseconds(50), Milliseconds(1000))),
        counts_(static_cast<size_t>(place_.size)),
        heard_(static_cast<size_t>(place_.size), Clock::now()),
        answered_(Clock::now()) {}

  void start() {
    std::thread([self = shared_from_this()] { self->run(); }).detach();
  }
  /// Ends the thread, but does not wait long for it.
  void end() {
    std::unique_lock lock(mutex_);
    ending_ = true;
    changed_.notify_all();
    changed_.wait_for(lock, timeout_, [&] { return ended_; });
  }

  Milliseconds beat() const { return beat_; }
  /// Whether a call to the store may be expected to return.
  bool store_answers() {
    const std::lock_guard lock(mutex_);
    return !store_lost_ && Clock::now() - answered_ < timeout_;
  }

  /// Who was lost or failed, as a phrase; empty while all is well.
  std::string fault() {
    const std::lock_guard lock(mutex_);
    return locked_fault();
  }

  /// The same after a connection broke, with the time it takes to find out who is silent.
  std::string fault_after_break(const std::string& break_text) {
    std::unique_lock lock(mutex_);
    const Clock::time_point start = Clock::now();
    const auto patience = beat_ * 4 + Milliseconds(500);
    while (Clock::now() - start < patience) {
      if (std::string found = locked_fault(); !found.empty()) return found;
      changed_.wait_for(lock, beat_ / 4);
    }
    for (int64_t rank = 0; rank < place_.size; ++rank)
      if (rank != place_.rank && Clock::now() - heard_[static_cast<size_t>(rank)] > beat_ * 3)
        return fmt::format("rank {} of {} ended without a word (killed, or out of memory?)", rank, place_.size);
    return fmt::format("a connection between the ranks broke: {}", break_text);
  }

  /// What rank 0 says under this key.
  /// @param fault  who was lost or failed meanwhile: then there is no answer.
  std::optional<std::string> await(const std::string& key, std::string& fault) {
    std::unique_lock lock(mutex_);
    wanted_ = key;
    told_.reset();
    changed_.notify_all();
    while (!told_) {
      changed_.wait_for(lock, Milliseconds(200));
      if (!told_ && !(fault = locked_fault()).empty()) return std::nullopt;
    }
    return std::move(told_);
  }

 private:
  std::string locked_fault() const {
    const auto first = [&] {
      return place_.store_prefix.empty() ? fmt::format("rank 0 of {}, which the others meet", place_.size)
                                         : std::string("torchrun's agent, where the ranks meet");
    };
    if (!announced_.empty()) return announced_;
    if (store_lost_)
      return fmt::format("{} at {}:{}, ended without a word or cannot be reached any more", first(), place_.host,
                         place_.port);
    const Clock::time_point now = Clock::now();
    const double seconds = std::chrono::duration<double>(timeout_).count();
    if (now - answered_ > timeout_)
      return fmt::format("{} at {}:{}, has not answered for {} s", first(), place_.host, place_.port, seconds);
    for (int64_t rank = 0; rank < place_.size; ++rank)
      if (rank != place_.rank && now - heard_[static_cast<size_t>(rank)] > timeout_)
        return fmt::format("rank {} of {} has given no sign of life for {} s", rank, place_.size, seconds);
    return "";
  }

  void run() {
    std::unique_lock lock(mutex_);
    Clock::time_point last;
    while (!ending_) {
      const std::string key = wanted_;
      const bool due = Clock::now() - last >= beat_;
      lock.unlock();
      try {
        if (due) {
          last = Clock::now();
          listen();
        }
        if (!key.empty() && store_->check({key})) {
          std::string text = text_of(store_->get(key));
          lock.lock();
          told_ = std::move(text);
          wanted_.clear();
          lock.unlock();
        }
        lock.lock();
      } catch (...) {
        if (!lock.owns_lock()) lock.lock();
        store_lost_ = !ending_;
        break;
      }
      changed_.notify_all();
      changed_.wait_for(lock, wanted_.empty() ? beat_ : Milliseconds(20));
    }
    ended_ = true;
    changed_.notify_all();
  }

  void listen() {
    const auto name = [](int64_t rank) { return fmt::format("alive/{}", rank); };
    store_->add(name(place_.rank), 1);
    for (int64_t rank = 0; rank < place_.size; ++rank) {
      if (rank == place_.rank) continue;
      const int64_t count = store_->add(name(rank), 0);
      const std::lock_guard lock(mutex_);
      const size_t r = static_cast<size_t>(rank);
      if (count != counts_[r]) heard_[r] = Clock::now();
      counts_[r] = count;
    }
    std::string announced;
    if (store_->check({"failed"})) announced = text_of(store_->get("failed"));
    const std::lock_guard lock(mutex_);
    announced_ = std::move(announced);
    answered_ = Clock::now();
  }

  const RankPlace place_;
  const StorePtr store_;
  const Milliseconds timeout_, beat_;
  std::mutex mutex_;  // guards what follows
  std::condition_variable changed_;
  std::vector<int64_t> counts_;
  std::vector<Clock::time_point> heard_;
  Clock::time_point answered_;
  std::string wanted_, announced_;
  std::optional<std::string> told_;
  bool ending_ = false, ended_ = false, store_lost_ = false;
};

}  // namespace

std::optional<RankPlace> find_rank_place(const Environment& environment) {
  if (std::optional<RankPlace> place = place_by_torchrun(environment)) return place;
  // A WORLD_SIZE of 1 within an srun step means it.
  return environment("WORLD_SIZE") ? std::nullopt : place_by_slurm(environment);
}
std::optional<RankPlace> find_rank_place() { return find_rank_place(system_environment); }

std::string first_host(const std::string& slurm_list) {
  std::string out;
  for (size_t i = 0; i < slurm_list.size() && slurm_list[i] != ','; ++i) {
    if (slurm_list[i] != '[') {
      out += slurm_list[i];
      continue;
    }
    const size_t close = std::min(slurm_list.find(']', i), slurm_list.size());
    out += slurm_list.substr(i + 1, std::min(slurm_list.find_first_of("-,]", i), close) - i - 1);
    i = close;
  }
  return out;
}

RankOptions RankOptions::from(const Environment& environment) {
  RankOptions out;
  if (const char* backend = environment("ORBWEAVER_BACKEND")) out.backend = backend;
  if (const char* timeout = environment("ORBWEAVER_RANK_TIMEOUT"))
    out.timeout = static_cast<double>(number("ORBWEAVER_RANK_TIMEOUT", timeout, 1, 86400));
  return out;
}
RankOptions RankOptions::from_environment() { return from(system_environment); }

struct RankGroup::Connection {
  RankPlace place;
  StorePtr store;  // of the main thread
  std::shared_ptr<Pulse> pulse;
  c10::intrusive_ptr<Collectives> collectives;
  bool failed = false;

  /// The others learn of it too, unless they know already.
  [[noreturn]] void lost(const std::string& who) {
    announce(who);
    throw Error(
        fmt::format("{}; this rank, {} of {}, ends with it. Start all ranks again with --resume to go on from "
                    "the last checkpoint",
                    who, place.rank, place.size));
  }

  void announce(const std::string& text) {
    if (failed) return;
    failed = true;
    if (!pulse || !pulse->store_answers()) return;
    try {
      if (!store->check({"failed"})) store->set("failed", bytes_of(text));
    } catch (const std::exception&) {
      return;  // the store went just now; the others notice that by themselves
    }
    // Rank 0 takes the store with it: the others read first.
    if (place.rank == 0) std::this_thread::sleep_for(pulse->beat() * 3);
  }

  /// Talks to the store, whose connection may break.
  template <class Talk>
  auto ask(const Talk& talk) {
    try {
      return talk(*store);
    } catch (const std::exception&) {
      lost(pulse->fault_after_break(reason(std::current_exception())));
    }
  }

  /// What rank 0 says under this key, however long it takes.
  std::string await(const std::string& key) {
    std::string fault;
    if (std::optional<std::string> told = pulse->await(key, fault)) return std::move(*told);
    lost(fault);
  }

  void finish(const c10::intrusive_ptr<c10d::Work>& work) {
    while (true) {
      try {
        work->wait(Milliseconds(500));
        return;
      } catch (const std::exception&) {
        // Either the half second passed, or the work failed.
        if (work->isCompleted()) break;
        if (const std::string fault = pulse->fault(); !fault.empty()) lost(fault);
      }
    }
    try {
      work->wait();  // may have ended well meanwhile
    } catch (const std::exception&) {
      lost(pulse->fault_after_break(reason(std::current_exception())));
    }
  }

  /// Starts a collective, which can fail as well.
  template <class Start>
  void run(const Start& start) {
    c10::intrusive_ptr<c10d::Work> work;
    try {
      work = start();
    } catch (const std::exception&) {
      lost(pulse->fault_after_break(reason(std::current_exception())));
    }
    finish(work);
  }

  /// Tensors of the same shape and type on every rank, on the CPU.
  std::vector<at::Tensor> all_gather(const at::Tensor& own) {
    std::vector<at::Tensor> inputs{own.contiguous()};
    std::vector<std::vector<at::Tensor>> outputs(1);
    for (int64_t r = 0; r < place.size; ++r) outputs[0].push_back(at::empty_like(inputs[0]));
    run([&] { return collectives->allgather(outputs, inputs); });
    return std::move(outputs[0]);
  }
  void sum(at::Tensor& tensor) {
    std::vector<at::Tensor> tensors{tensor};
    run([&] { return collectives->allreduce(tensors); });
  }
};

RankGroup::RankGroup() = default;

RankGroup::RankGroup(const RankPlace& place, const RankOptions& options)
    : rank_(place.rank), size_(place.size), place_(place), backend_(options.backend) {
  const auto backend = backends().find(options.backend);
  if (backend == backends().end())
    throw InputError(fmt::format("environment variable ORBWEAVER_BACKEND: is \"{}\", but this build has gloo alone",
                                 options.backend));
  if (size_ == 1) return;
  const Milliseconds timeout(static_cast<int64_t>(options.timeout * 1000));
  connection_ = std::make_unique<Connection>();
  connection_->place = place;
  StorePtr pulse_store;
  try {
    connection_->store = connect(place, timeout, true);
    pulse_store = connect(place, timeout, false);
  } catch (const std::exception&) {
    throw Error(fmt::format("rank {} of {}: not all ranks met at {}:{} within {} s (ORBWEAVER_RANK_TIMEOUT): {}", rank_,
                            size_, place.host, place.port, options.timeout, reason(std::current_exception())));
  }
  connection_->pulse = std::make_shared<Pulse>(place, std::move(pulse_store), timeout);
  connection_->pulse->start();

  // In a thread of its own: connecting waits for the others, of whom one may die right now.
  const auto made = std::make_shared<std::promise<c10::intrusive_ptr<Collectives>>>();
  auto future = made->get_future();
  std::thread([made, place, store = connection_->store, make = backend->second] {
    try {
      made->set_value(make(store, place));
    } catch (...) {
      made->set_exception(std::current_exception());
    }
  }).detach();
  while (future.wait_for(Milliseconds(100)) != std::future_status::ready)
    if (const std::string fault = connection_->pulse->fault(); !fault.empty()) {
      abandon();
      throw Error(fmt::format("{}; rank {} of {} cannot begin without it", fault, rank_, size_));
    }
  try {
    connection_->collectives = future.get();
  } catch (const std::exception&) {
    const std::string fault = connection_->pulse->fault_after_break(reason(std::current_exception()));
    abandon();
    throw Error(fmt::format("{}; rank {} of {} cannot begin without it", fault, rank_, size_));
  }
}

/// After a failure a thread of the process group may wait for a rank that is no more, and its destructor for the
/// thread; the process ends in a moment.
void RankGroup::abandon() {
  if (!connection_) return;
  static std::mutex mutex;
  static std::vector<Connection*>& kept = *new std::vector<Connection*>;  // reachable: no leak to a leak checker
  const std::lock_guard guard(mutex);
  kept.push_back(connection_.release());
}

RankGroup::~RankGroup() { abandon(); }

void RankGroup::leave() {
  if (!connection_) return;
  const int64_t all = size_;
  c10d::Store& store = *connection_->store;
  try {
    store.add("left", 1);
    connection_->pulse->end();
    const Clock::time_point start = Clock::now();
    while (leads() && store.add("left", 0) < all && Clock::now() - start < std::chrono::seconds(10))
      std::this_thread::sleep_for(Milliseconds(10));
  } catch (const std::exception&) {
    return abandon();  // the store is gone, but all work is done: nobody is needed any more
  }
  connection_.reset();
}

std::string RankGroup::first_does(const std::function<std::string()>& work) {
  if (alone()) return work();
  const std::string key = fmt::format("told/{}", told_++);
  if (leads()) {
    std::string result = work();
    connection_->ask([&](c10d::Store& store) { store.set(key, bytes_of(result)); });
    return result;
  }
  return connection_->await(key);
}

void RankGroup::wait_for_all() {
  if (alone()) return;
  const std::string key = fmt::format("told/{}", told_++);
  connection_->ask([&](c10d::Store& store) {
    if (store.add("here/" + key, 1) == size_) store.set(key, bytes_of("here"));
  });
  connection_->await(key);
}

void RankGroup::check() const {
  if (alone()) return;
  if (const std::string fault = connection_->pulse->fault(); !fault.empty()) connection_->lost(fault);
}

void RankGroup::check_same(const std::string& what, const std::string& value, const std::string& advice) {
  if (alone()) return;
  const std::string firsts = first_does([&] { return value; });
  if (firsts != value)
    throw Error(
        fmt::format("rank {}'s {} differ from rank 0's ({} against {}); {}", rank_, what, value, firsts, advice));
}

at::Tensor RankGroup::gather_rows(const at::Tensor& own, int64_t total) const {
  if (alone()) return own;
  const int64_t most = (total + size_ - 1) / size_;
  const auto [begin, end] = part(total);
  TORCH_INTERNAL_ASSERT(own.size(0) == end - begin);
  // Gloo knows no bool.
  at::Tensor sent = own.detach().to(at::kCPU);
  if (sent.scalar_type() == at::kBool) sent = sent.to(at::kByte);
  if (sent.size(0) < most) {
    std::vector<int64_t> missing = sent.sizes().vec();
    missing[0] = most - sent.size(0);
    sent = at::cat({sent, at::zeros(missing, sent.options())});
  }
  const std::vector<at::Tensor> got = connection_->all_gather(sent);

  // A view: the hook must see what comes back through the gather alone, not through what else reads `own`.
  at::Tensor mine = own.view_as(own);
  if (mine.requires_grad())
    mine.register_hook([size = size_](const at::Tensor& gradient) { return gradient * static_cast<double>(size); });
  std::vector<at::Tensor> rows;
  for (int64_t rank = 0; rank < size_; ++rank) {
    const auto [first, last] = part_of(rank, total);
    rows.push_back(rank == rank_ ? mine : got[static_cast<size_t>(rank)].narrow(0, 0, last - first).to(own.options()));
  }
  return at::cat(rows);
}

namespace {

/// [B, n, ...] to [B, length, ...] by zeros.
at::Tensor padded(const at::Tensor& tensor, int64_t dim, int64_t length) {
  if (tensor.size(dim) == length) return tensor;
  std::vector<int64_t> sizes = tensor.sizes().vec();
  sizes[static_cast<size_t>(dim)] = length - tensor.size(dim);
  return at::cat({tensor, at::zeros(sizes, tensor.options())}, dim);
}

int64_t length_of(const at::Tensor& tensor) { return tensor.defined() ? tensor.size(1) : 0; }

/// The sizes that ranks have to agree on before they can gather.
enum Size : size_t { tokens, token_mask, nodes, relation_rows, graph_nodes, relations, sizes_of_a_side };

std::vector<int64_t> sizes_of(const Representation& side, const GraphBatch& graphs) {
  std::vector<int64_t> out(sizes_of_a_side);
  out[tokens] = length_of(side.tokens);
  out[token_mask] = side.token_mask.defined();
  out[nodes] = length_of(side.nodes);
  out[relation_rows] = length_of(side.relations);
  out[graph_nodes] = length_of(graphs.mask);
  out[relations] = graphs.defined() ? graphs.relations.size(1) : 0;
  return out;
}

}  // namespace

void RankGroup::gather(LossInput& batch, int64_t total, const Parts& parts) const {
  if (alone()) return;
  std::vector<int64_t> own = sizes_of(batch.image, batch.image_graphs);
  const std::vector<int64_t> of_texts = sizes_of(batch.text, batch.text_graphs);
  own.insert(own.end(), of_texts.begin(), of_texts.end());
  const at::Tensor sizes = at::stack(connection_->all_gather(at::tensor(own, at::kLong)));  // [W, 2 sides' sizes]
  const at::Tensor most = sizes.amax(0), least = sizes.amin(0);

  const auto gather_side = [&](Representation& side, GraphBatch& graphs, size_t offset) {
    const auto at = [&](const at::Tensor& all, size_t size) {
      return all[static_cast<int64_t>(offset + size)].item<int64_t>();
    };
    const auto rows = [&](const at::Tensor& tensor) { return gather_rows(tensor, total); };
    Representation out;
    out.embedding = rows(side.embedding);
    if (parts.global && side.global.defined()) out.global = rows(side.global);
    if (parts.local && side.local.defined()) out.local = rows(side.local);
    if (parts.tokens && side.tokens.defined()) {
      const int64_t length = at(most, tokens);
      out.tokens = rows(padded(side.tokens, 1, length));
      // Where all tokens are real there is no mask; what was padded just now is not real.
      if (at(most, token_mask) || at(least, tokens) != length) {
        const at::Tensor mask = side.token_mask.defined() ? side.token_mask
                                                          : at::ones({side.tokens.size(0), side.tokens.size(1)},
                                                                     side.tokens.options().dtype(at::kBool));
        out.token_mask = rows(padded(mask, 1, length));
      }
    }
    if (parts.nodes && side.nodes.defined()) {
      out.nodes = rows(padded(side.nodes, 1, at(most, nodes)));
      out.node_mask = rows(padded(side.node_mask, 1, at(most, nodes)));
    }
    if (parts.relations && side.relations.defined())
      out.relations = rows(padded(side.relations, 1, at(most, relation_rows)));
    side = std::move(out);

    if (!graphs.defined()) return;
    const int64_t count = at(most, graph_nodes), edges = at(most, relations);
    GraphBatch all;
    all.features = rows(padded(graphs.features, 1, count));
    all.adjacency = rows(padded(padded(graphs.adjacency, 1, count), 2, count));
    all.mask = rows(padded(graphs.mask, 1, count));
    all.labels = rows(padded(graphs.labels, 1, count));
    std::vector<at::Tensor> relations_by_rank =
        connection_->all_gather(padded(graphs.relations, 1, edges).to(at::kCPU));
    for (int64_t rank = 0; rank < size_; ++rank) {
      at::Tensor& part = relations_by_rank[static_cast<size_t>(rank)];
      part = part.narrow(1, 0, at(sizes[rank], relations));
      part[0].add_(part_of(rank, total).first);  // its batch index counts from the rank's first item
    }
    all.relations = at::cat(relations_by_rank, 1).to(graphs.relations.device());
    graphs = std::move(all);
  };
  gather_side(batch.image, batch.image_graphs, 0);
  gather_side(batch.text, batch.text_graphs, sizes_of_a_side);
}

RankGroup::Wishes RankGroup::sum_gradients(std::span<const at::Tensor> parameters, Wishes own) const {
  if (alone()) return own;
  // First who has what: a rank none of whose graphs has an edge may lack a gradient that others have.
  const int64_t count = static_cast<int64_t>(parameters.size());
  at::Tensor facts = at::zeros({count + 2}, at::kInt);
  int* fact = facts.data_ptr<int>();
  for (int64_t i = 0; i < count; ++i) fact[i] = parameters[static_cast<size_t>(i)].grad().defined();
  fact[count] = own.stop;
  fact[count + 1] = own.save;
  connection_->sum(facts);

  // Some at a time: one message for each would be slow, one for all would need the whole model's memory again.
  constexpr int64_t bucket_numbers = int64_t{1} << 23;
  std::vector<at::Tensor> bucket;
  int64_t numbers = 0;
  const auto flush = [&] {
    if (bucket.empty()) return;
    std::vector<at::Tensor> flat;
    for (const at::Tensor& gradient : bucket) flat.push_back(gradient.reshape({-1}));
    at::Tensor all = at::cat(flat).to(at::kCPU);
    connection_->sum(all);
    int64_t begin = 0;
    for (at::Tensor& gradient : bucket) {
      gradient.copy_(all.narrow(0, begin, gradient.numel()).view_as(gradient));
      begin += gradient.numel();
    }
    bucket.clear();
    numbers = 0;
  };
  at::NoGradGuard no_grad;
  for (int64_t i = 0; i < count; ++i) {
    if (fact[i] == 0) continue;
    at::Tensor parameter = parameters[static_cast<size_t>(i)];
    at::Tensor& gradient = parameter.mutable_grad();
    if (!gradient.defined()) gradient = at::zeros_like(parameter);
    if (!bucket.empty() && bucket.front().scalar_type() != gradient.scalar_type()) flush();
    bucket.push_back(gradient);
    numbers += gradient.numel();
    if (numbers >= bucket_numbers) flush();
  }
  flush();
  return {fact[count] > 0, fact[count + 1] > 0};
}

void RankGroup::announce_failure(const std::string& why) noexcept {
  if (!connection_) return;
  try {
    connection_->announce(fmt::format("rank {} of {} failed: {}", rank_, size_, why.substr(0, why.find('\n'))));
  } catch (...) {  // nobody is left to be told
  }
}

}  // namespace orbweaver
