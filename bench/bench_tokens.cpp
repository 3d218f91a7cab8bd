// CLIP's tokenizer on one thread: the captions of RSICD with CLIP's own merges, a caption in each iteration, in the
// order of the files.
//
// `clip_tokens` is what training pays: the tokenizer has seen the captions once and keeps the ids of their words.
// `clip_tokens_new_words` begins each pass with a tokenizer that has seen nothing.
//
// Needs ORBWEAVER_TEST_DATA, the folder of data/clip/bpe_simple_vocab_16e6.txt.gz and data/rsicd/*_caps.txt.
#include <benchmark/benchmark.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <memory>
#include <string>
#include <vector>

#include "plugins/shared/clip_tokenizer/merges_file.h"
#include "plugins/shared/clip_tokenizer/tokenizer.h"

namespace {

namespace fs = std::filesystem;
constexpr size_t kContext = 77;
constexpr int64_t kMerges = 48894;

struct Data {
  std::string merges;
  std::vector<std::string> captions;

  Data() {
    const char* folder = std::getenv("ORBWEAVER_TEST_DATA");
    if (folder == nullptr) return;
    merges = orbweaver_clip::read_merges(fs::path(folder) / "data/clip/bpe_simple_vocab_16e6.txt.gz");
    for (const char* split : {"train", "val", "test"}) {
      std::ifstream file(fs::path(folder) / "data/rsicd" / (std::string(split) + "_caps.txt"));
      for (std::string line; std::getline(file, line);) captions.push_back(line);
    }
  }
};

const Data& data() {
  static const Data read;
  return read;
}

std::unique_ptr<ClipTokenizer> tokenizer() { return std::make_unique<ClipTokenizer>(data().merges, kMerges, "merges"); }

bool has_data(benchmark::State& state) {
  if (!data().captions.empty()) return true;
  state.SkipWithError("ORBWEAVER_TEST_DATA has no data/rsicd");
  return false;
}

void report(benchmark::State& state) {
  state.SetItemsProcessed(state.iterations());
  state.SetLabel(std::to_string(data().captions.size()) + " captions");
}

void clip_tokens(benchmark::State& state) {
  if (!has_data(state)) return;
  const auto clip = tokenizer();
  const std::vector<std::string>& captions = data().captions;
  for (const std::string& caption : captions) clip->encode(caption, kContext);
  size_t next = 0;
  for (auto _ : state) {
    benchmark::DoNotOptimize(clip->encode(captions[next], kContext).data());
    next = next + 1 == captions.size() ? 0 : next + 1;
  }
  report(state);
}
BENCHMARK(clip_tokens);

void clip_tokens_new_words(benchmark::State& state) {
  if (!has_data(state)) return;
  std::unique_ptr<ClipTokenizer> clip;
  const std::vector<std::string>& captions = data().captions;
  size_t next = 0;
  for (auto _ : state) {
    if (next == 0) {
      state.PauseTiming();
      clip = tokenizer();
      state.ResumeTiming();
    }
    benchmark::DoNotOptimize(clip->encode(captions[next], kContext).data());
    next = next + 1 == captions.size() ? 0 : next + 1;
  }
  report(state);
}
BENCHMARK(clip_tokens_new_words);

}  // namespace
