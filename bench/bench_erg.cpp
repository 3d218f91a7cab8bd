// Captions a second, one thread: the parser alone, and the whole graph with features and relations.
//
// With ORBWEAVER_TEST_DATA the captions are those of its data/rsicd/*_caps.txt, each in its turn; without, a few of
// their kind.
#include <benchmark/benchmark.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <string>
#include <vector>

#include "plugins/graphs/erg/erg.h"

namespace {

std::vector<std::string> read_captions() {
  std::vector<std::string> captions;
  if (const char* folder = std::getenv("ORBWEAVER_TEST_DATA"))
    for (const char* split : {"train", "val", "test"}) {
      std::ifstream file(std::filesystem::path(folder) / "data/rsicd" / (std::string(split) + "_caps.txt"));
      for (std::string line; std::getline(file, line);) captions.push_back(line);
    }
  if (captions.empty())
    captions = {"many buildings and some green trees are in two sides of a railway station .",
                "several storage tanks are near a river with a bridge over it .",
                "a playground with a football field in it is surrounded by many green trees and buildings .",
                "some planes are parked in an airport near a large terminal building .",
                "it is a piece of irregular green mountain .",
                "there are a lot of white boats docked neatly in the harbor next to the road ."};
  return captions;
}

const std::vector<std::string>& captions() {
  static const std::vector<std::string> list = read_captions();
  return list;
}

void parse_captions(benchmark::State& state) {
  const std::vector<std::string>& texts = captions();
  size_t next = 0;
  for (auto _ : state) {
    benchmark::DoNotOptimize(erg::parse(texts[next]).links.data());
    next = next + 1 == texts.size() ? 0 : next + 1;
  }
  state.SetItemsProcessed(state.iterations());
  state.SetLabel(std::to_string(texts.size()) + " captions");
}
BENCHMARK(parse_captions)->MinTime(2);

void build_graphs(benchmark::State& state) {
  const std::vector<std::string>& texts = captions();
  const erg::ErgGraph builder({});
  size_t next = 0;
  for (auto _ : state) {
    benchmark::DoNotOptimize(builder.build(orbweaver::Caption{texts[next], {}, false}).labels.data());
    next = next + 1 == texts.size() ? 0 : next + 1;
  }
  state.SetItemsProcessed(state.iterations());
}
BENCHMARK(build_graphs)->MinTime(2);

}  // namespace
