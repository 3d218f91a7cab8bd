// A file of an image to what an encoder reads, one thread: read, decode, resize with the antialiased bicubic filter,
// normalise by channel. A file in each iteration, in the order of their names, all in the page cache.
//
// `decode_256` resizes RSICD's 224 x 224 pixels to 256 x 256; `decode_224` only crops, as CLIP's input does with images
// that have its size. `decode_only`, `prepare_256` and `prepare_224` are their parts.
//
// The files are the first 1,000 of data/rsicd/images in ORBWEAVER_TEST_DATA.
#include <benchmark/benchmark.h>

#include <algorithm>
#include <cstdlib>
#include <filesystem>
#include <string>
#include <vector>

#include "framework/data/image.h"

namespace {

namespace fs = std::filesystem;
using orbweaver::Image;
using orbweaver::ImageInput;

std::vector<fs::path> find_files() {
  const char* data = std::getenv("ORBWEAVER_TEST_DATA");
  const fs::path folder = fs::path(data ? data : "") / "data/rsicd/images";
  std::vector<fs::path> files;
  if (data == nullptr || !fs::is_directory(folder)) return files;
  for (const fs::directory_entry& entry : fs::directory_iterator(folder)) files.push_back(entry.path());
  std::sort(files.begin(), files.end());
  files.resize(std::min<size_t>(files.size(), 1000));
  return files;
}

const std::vector<fs::path>& files() {
  static const std::vector<fs::path> list = find_files();
  return list;
}

constexpr const char* no_files = "ORBWEAVER_TEST_DATA has no data/rsicd/images";

/// CLIP's numbers.
ImageInput input_of(int64_t side) {
  ImageInput input;
  input.width = input.height = side;
  input.interpolation = ImageInput::Interpolation::bicubic;
  input.resize = side == 224 ? ImageInput::Resize::shortest_side : ImageInput::Resize::stretch;
  input.mean = {0.48145466f, 0.4578275f, 0.40821073f};
  input.std = {0.26862954f, 0.26130258f, 0.27577711f};
  return input;
}

/// Calls `work` with the next file, each in its turn, all of them once before the clock starts.
template <class Work>
void for_each_file(benchmark::State& state, Work&& work) {
  if (files().empty()) return state.SkipWithError(no_files);
  for (const fs::path& file : files()) work(file);
  size_t next = 0;
  for (auto _ : state) {
    work(files()[next]);
    next = next + 1 == files().size() ? 0 : next + 1;
  }
  state.SetItemsProcessed(state.iterations());
  state.SetLabel(std::to_string(files().size()) + " files");
}

void decode(benchmark::State& state, int64_t side) {
  const ImageInput input = input_of(side);
  std::vector<float> out(static_cast<size_t>(3 * side * side));
  for_each_file(state, [&](const fs::path& file) {
    orbweaver::prepare(orbweaver::decode_image(file).view(), input, out.data());
    benchmark::DoNotOptimize(out.data());
  });
}
BENCHMARK_CAPTURE(decode, 256, 256)->Name("decode_256")->Unit(benchmark::kMillisecond);
BENCHMARK_CAPTURE(decode, 224, 224)->Name("decode_224")->Unit(benchmark::kMillisecond);

void decode_only(benchmark::State& state) {
  for_each_file(state,
                [](const fs::path& file) { benchmark::DoNotOptimize(orbweaver::decode_image(file).pixels.data()); });
}
BENCHMARK(decode_only)->Unit(benchmark::kMillisecond);

void prepare(benchmark::State& state, int64_t side) {
  if (files().empty()) return state.SkipWithError(no_files);
  const ImageInput input = input_of(side);
  const Image image = orbweaver::decode_image(files().front());
  std::vector<float> out(static_cast<size_t>(3 * side * side));
  for (auto _ : state) {
    orbweaver::prepare(image.view(), input, out.data());
    benchmark::DoNotOptimize(out.data());
  }
}
BENCHMARK_CAPTURE(prepare, 256, 256)->Name("prepare_256")->Unit(benchmark::kMillisecond);
BENCHMARK_CAPTURE(prepare, 224, 224)->Name("prepare_224")->Unit(benchmark::kMillisecond);

}  // namespace
