// What the tests that inject faults share: a method so small that its training takes a second, the library inject.cpp,
// and what has to hold of every folder whatever happened to it.
#pragma once

#include <sys/mman.h>

#include <algorithm>
#include <chrono>
#include <cstdint>
#include <cstdlib>
#include <fstream>
#include <iostream>
#include <map>
#include <optional>
#include <random>
#include <sstream>
#include <string>
#include <utility>
#include <vector>

#include "framework/io/json.h"
#include "framework/io/npy.h"
#include "framework/io/safetensors.h"
#include "tests/end_to_end/command.h"

namespace orbweaver::testing {

namespace fs = std::filesystem;

/// Variables of the environment, for the commands that are started while it lives.
class Environment {
 public:
  explicit Environment(const std::map<std::string, std::string>& variables) {
    for (const auto& [name, value] : variables) {
      const char* const before = std::getenv(name.c_str());
      before_[name] = before ? std::optional<std::string>(before) : std::nullopt;
      setenv(name.c_str(), value.c_str(), 1);
    }
  }
  ~Environment() {
    for (const auto& [name, value] : before_)
      if (value)
        setenv(name.c_str(), value->c_str(), 1);
      else
        unsetenv(name.c_str());
  }
  Environment(const Environment&) = delete;
  Environment& operator=(const Environment&) = delete;

 private:
  std::map<std::string, std::optional<std::string>> before_;
};

/// Preloads inject.cpp for the commands that are started while it lives, and counts what they do to files.
class Injection {
 public:
  /// @param folders  whose files count
  /// @param fault    the library's further variables, without ORBWEAVER_FAULT in front; "" names that one itself
  Injection(const fs::path& scratch, const std::vector<fs::path>& folders, std::map<std::string, std::string> fault)
      : counter_(scratch / "operations"), log_(scratch / "operations.log") {
    std::ofstream(counter_, std::ios::binary) << std::string(16, '\0');
    fs::remove(log_);
    std::string list;
    for (const fs::path& folder : folders) list += (list.empty() ? "" : ":") + folder.string();
    std::map<std::string, std::string> variables{{"LD_PRELOAD", FAULT_INJECTOR},
                                                 {"ORBWEAVER_FAULT_FOLDERS", list},
                                                 {"ORBWEAVER_FAULT_COUNTER", counter_.string()},
                                                 {"ORBWEAVER_FAULT_LOG", log_.string()}};
    // Its runtime wants to come first, and finds everything all the same.
    if (std::string(FAULT_SANITIZE).find("address") != std::string::npos) {
      const char* const options = std::getenv("ASAN_OPTIONS");
      variables["ASAN_OPTIONS"] = (options ? std::string(options) + ":" : "") + "verify_asan_link_order=0";
    }
    for (const auto& [name, value] : fault) variables["ORBWEAVER_FAULT" + name] = value;
    environment_.emplace(variables);
  }
  /// How many operations there were.
  int64_t count() const {
    int64_t count = 0;
    std::ifstream(counter_, std::ios::binary).read(reinterpret_cast<char*>(&count), sizeof count);
    return count;
  }
  /// Each operation: "write /tmp/run/.config.json.12.0.tmp".
  std::vector<std::string> operations() const {
    std::vector<std::string> out;
    if (!fs::exists(log_)) return out;
    for (const std::string& line : read_lines(log_)) out.push_back(line.substr(line.find(' ') + 1));
    return out;
  }

 private:
  fs::path counter_, log_;
  std::optional<Environment> environment_;
};

/// ThreadSanitizer has to see every write and open itself.
inline bool can_inject() { return std::string(FAULT_SANITIZE).find("thread") == std::string::npos; }

#define FAULTS_NEED_INJECTION() \
  if (!can_inject()) GTEST_SKIP() << "ThreadSanitizer does not work beside a preloaded library"

/// A number from the environment, for the long form of a test.
inline int64_t from_environment(const char* name, int64_t otherwise) {
  const char* const text = std::getenv(name);
  return text && *text ? std::strtoll(text, nullptr, 10) : otherwise;
}

/// The moments of a fault: ORBWEAVER_FAULT_MOMENTS of them, 8 where that is not set, drawn with ORBWEAVER_FAULT_SEED.
class Moments {
 public:
  /// @param share  of the 8 only the so manieth part, for what takes long
  explicit Moments(const std::string& what, int64_t share = 1)
      : random_(static_cast<uint64_t>(seed())), most_(wanted() == 8 ? 8 / share : wanted()) {
    std::cout << what << ", seed " << seed() << ":" << std::endl;
  }
  static int64_t wanted() { return from_environment("ORBWEAVER_FAULT_MOMENTS", 8); }
  static int64_t seed() { return from_environment("ORBWEAVER_FAULT_SEED", 8); }

  bool left() const { return killed_ < most_; }
  int64_t killed() const { return killed_; }
  /// A number from `low` to `high`.
  int64_t draw(int64_t low, int64_t high) { return std::uniform_int_distribution<int64_t>(low, high)(random_); }
  void note(const std::string& text) {
    ++killed_;
    std::cout << "  " << killed_ << ": " << text << std::endl;
  }

 private:
  std::mt19937_64 random_;
  int64_t most_, killed_ = 0;
};

inline bool is_temporary(const fs::path& file) {
  const std::string name = file.filename().string();
  return name.starts_with('.') && name.ends_with(".tmp");
}

inline std::vector<fs::path> files_below(const fs::path& folder) {
  std::vector<fs::path> out;
  if (!fs::exists(folder)) return out;
  for (const auto& entry : fs::recursive_directory_iterator(folder))
    if (entry.is_regular_file()) out.push_back(entry.path());
  std::sort(out.begin(), out.end());
  return out;
}

inline std::vector<fs::path> temporary_files(const fs::path& folder) {
  std::vector<fs::path> out = files_below(folder);
  std::erase_if(out, [](const fs::path& file) { return !is_temporary(file); });
  return out;
}

/// Under its final name every file is whole, whatever happened. Lines that are appended may lack an end.
inline void expect_whole(const fs::path& folder) {
  for (const fs::path& file : files_below(folder)) {
    if (is_temporary(file)) continue;
    const std::string ending = file.extension().string();
    try {
      if (ending == ".safetensors") SafetensorsFile(file).require_checksum();
      if (ending == ".json" && file.parent_path().filename() != "files") read_json(file);
      if (ending == ".npy") read_npy(file);
      if (ending == ".html" && !read_file(file).ends_with("</html>\n")) ADD_FAILURE() << file << " has no end";
      if (ending != ".jsonl") continue;
      const std::string text = read_file(file);
      std::istringstream lines(text.substr(0, text.rfind('\n') + 1));
      for (std::string line; std::getline(lines, line);) parse_json(line, file.string());
    } catch (const Error& error) {
      ADD_FAILURE() << error.what();
    }
  }
}

/// What is kept of a folder's files, to see that they stay: content by path.
inline std::map<std::string, std::string> contents(const fs::path& folder) {
  std::map<std::string, std::string> out;
  for (const fs::path& file : files_below(folder))
    if (!is_temporary(file)) out[fs::relative(file, folder).string()] = hash_file(file);
  return out;
}

inline std::vector<std::string> lines_of(const std::string& text) {
  std::vector<std::string> out;
  std::istringstream stream(text);
  for (std::string line; std::getline(stream, line);) out.push_back(line);
  return out;
}

/// metrics.jsonl without what measures time.
inline std::string metrics_of(const fs::path& run) {
  std::string out;
  for (const std::string& line : read_lines(run / "metrics.jsonl")) {
    Value entry = parse_json(line, "metrics.jsonl");
    for (const char* key : {"seconds", "own_seconds", "waiting_seconds", "pairs_per_second"}) entry.erase(key);
    out += to_json(entry, -1) + "\n";
  }
  return out;
}

/// results.json of a sweep without what measures this machine.
inline std::string results_of(const fs::path& folder) {
  Value results = read_json(folder / "results.json");
  for (const char* key : {"wall_seconds", "inputs"}) results.erase(key);
  for (Value& variant : results["variants"].as_list())
    for (Value& run : variant["runs"].as_list())
      for (const char* key : {"seconds", "epoch_seconds", "peak_memory_mib"}) run.erase(key);
  return to_json(results);
}

/// Steps taken in the state that a run folder holds; 0 without one.
inline int64_t steps_saved(const fs::path& run) {
  const fs::path last = run / "last.safetensors";
  if (!fs::exists(last)) return 0;
  return parse_json(SafetensorsFile(last).metadata().at("orbweaver.facts"), "facts").at("progress").at("step").as_int();
}

class FaultTest : public CommandTest {
 protected:
  /// Seconds between the saved states of a training: nearly each step's.
  inline static std::string checkpoint_every_ = "0.01";

  /// A frozen image encoder, whose features are cached, and a narrow text encoder.
  static fs::path method() {
    const fs::path file = shared_ / "tiny.json";
    if (fs::exists(file)) return file;
    write_text(file, R"({"extends": ")" ORBWEAVER_SOURCE_DIR R"(/configs/methods/demo.json", "name": "tiny",
      "dataset": {"root": ")" +
                         (shared_ / "data").string() + R"("}, "cache": ")" + (shared_ / "cache").string() + R"(",
      "plugins": ["clip"],
      "model": {"embed_dim": 16,
                "image": {"encoder": {"use": "clip_image", "size": 32, "patch": 16, "width": 64, "layers": 1, "output": 16,
                                      "freeze": true}},
                "text": {"encoder": {"word_dim": 16, "hidden": 16, "dropout": 0.2}}},
      "rerank": {"use": "cross_modal", "k": 5},
      "train": {"epochs": 3, "batch_size": 32, "threads": 1, "workers": 2, "checkpoint_every": )" +
                         checkpoint_every_ + R"(, "average": 0.9}})");
    return file;
  }
  static std::vector<std::string> train(const fs::path& run, const std::vector<std::string>& more = {}) {
    std::vector<std::string> words{"train", method().string(), "--out", run.string()};
    words.insert(words.end(), more.begin(), more.end());
    return words;
  }
  static fs::path sweep_file() {
    const fs::path file = shared_ / "tiny_sweep.json";
    if (!fs::exists(file))
      write_text(file, R"({"name": "tiny", "base": ")" + method().string() + R"(",
        "variants": [{"name": "plain"}, {"name": "reranked", "overrides": ["rerank.k=3"]},
                     {"name": "hard", "overrides": ["loss.0.negatives=hardest", "train.lr=0.002"]}],
        "seeds": [1], "baseline": "plain", "metrics": ["mR"], "jobs": 1,
        "statistics": {"resamples": 100, "permutations": 100}})");
    return file;
  }
  static std::vector<std::string> sweep(const fs::path& out, const std::vector<std::string>& more = {}) {
    std::vector<std::string> words{"sweep", sweep_file().string(), "--out", out.string()};
    words.insert(words.end(), more.begin(), more.end());
    return words;
  }

  /// An evaluation that fills a cache with features and graphs.
  static std::vector<std::string> graphs_evaluated(const fs::path& cache) {
    return {"eval",
            method().string(),
            "--split",
            "val",
            "--json",
            "--set",
            "cache=" + cache.string(),
            "--set",
            "model.image.detector={\"use\": \"regions\"}",
            "--set",
            "model.image.graph={\"use\": \"sog\"}",
            "--set",
            "model.image.graph_encoder={\"use\": \"rgcn\", \"width\": 16}",
            "--set",
            "model.text.graph={\"use\": \"erg\"}",
            "--set",
            "model.text.graph_encoder={\"use\": \"rgcn\", \"width\": 16}",
            "--set",
            "model.fusion={\"use\": \"weighted_sum\"}",
            "--set",
            "plugins=[\"regions\", \"sog\", \"erg\", \"rgcn\", \"weighted_sum\"]"};
  }
  /// Its metrics, which depend on each cached number.
  std::string evaluated(const fs::path& cache) const {
    Command command(graphs_evaluated(cache), folder_);
    EXPECT_EQ(command.wait(), 0) << command.err();
    EXPECT_EQ(command.err().find("damaged"), std::string::npos) << command.err();
    return to_json(parse_json(command.out(), "eval").at("rows"));
  }

  /// The training that nothing happened to.
  static fs::path whole_run() {
    const fs::path run = shared_ / "whole_run";
    if (fs::exists(run / "record.json")) return run;
    Command command(train(run), shared_);
    EXPECT_EQ(command.wait(), 0) << command.err();
    return run;
  }
  /// The sweep that nothing happened to.
  static fs::path whole_sweep() {
    const fs::path out = shared_ / "whole_sweep";
    if (fs::exists(out / "table.txt")) return out;
    Command command(sweep(out), shared_);
    EXPECT_EQ(command.wait(), 0) << command.err();
    return out;
  }
  static void expect_same_training(const fs::path& run, const fs::path& as) {
    EXPECT_EQ(hash_file(run / "best.safetensors"), hash_file(as / "best.safetensors"));
    EXPECT_EQ(metrics_of(run), metrics_of(as));
  }
  static void expect_same_sweep(const fs::path& out) {
    const std::vector<std::string> results = lines_of(results_of(out)), whole = lines_of(results_of(whole_sweep()));
    ASSERT_EQ(results.size(), whole.size());
    for (size_t i = 0; i < results.size(); ++i) EXPECT_EQ(results[i], whole[i]) << "line " << i + 1;
    for (const char* run : {"plain-s1", "reranked-s1", "hard-s1"})
      EXPECT_EQ(hash_file(out / "runs" / run / "best.safetensors"),
                hash_file(whole_sweep() / "runs" / run / "best.safetensors"));
  }
  /// How long a command takes here and now.
  static std::chrono::milliseconds duration_of(const std::vector<std::string>& words, const fs::path& folder) {
    const auto start = std::chrono::steady_clock::now();
    Command command(words, folder);
    EXPECT_EQ(command.wait(), 0) << command.err();
    return std::chrono::duration_cast<std::chrono::milliseconds>(std::chrono::steady_clock::now() - start);
  }
};

}  // namespace orbweaver::testing
