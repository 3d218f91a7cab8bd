#include "framework/cache/graph_entry.h"

#include <fmt/format.h>

#include <algorithm>
#include <cstring>
#include <unordered_map>

#include "orbweaver/error.h"

namespace orbweaver {
namespace {

constexpr int64_t size_columns = 6;

/// Places of names in one list that holds each of them once.
class Names {
 public:
  int64_t place_of(const std::string& name) {
    const auto [at, added] = places_.emplace(name, static_cast<int64_t>(places_.size()));
    if (added) text_.append(name).push_back('\0');
    return at->second;
  }
  const std::string& text() const { return text_; }

 private:
  std::unordered_map<std::string, int64_t> places_;
  std::string text_;
};

template <class T>
TensorEntry entry_of(const char* dtype, std::vector<int64_t> shape, const std::vector<T>& values) {
  return {dtype, std::move(shape), std::as_bytes(std::span(values))};
}

/// Reads an array front to back.
template <class T>
class Reader {
 public:
  Reader(const SafetensorsFile& file, const char* name, const char* dtype) : file_(file) {
    const TensorEntry& entry = file.at(name);
    if (entry.dtype != dtype) fail();
    values_ = {reinterpret_cast<const T*>(entry.bytes.data()), entry.bytes.size() / sizeof(T)};
  }
  std::span<const T> take(int64_t count) {
    if (count < 0 || static_cast<size_t>(count) > values_.size()) fail();
    const auto out = values_.first(static_cast<size_t>(count));
    values_ = values_.subspan(static_cast<size_t>(count));
    return out;
  }
  bool done() const { return values_.empty(); }
  [[noreturn]] void fail() const {
    throw InputError(fmt::format("{}: its arrays do not make graphs", file_.path().string()));
  }

 private:
  const SafetensorsFile& file_;
  std::span<const T> values_;
};

Matrix<float> read_matrix(Reader<float>& numbers, int64_t rows, int64_t cols) {
  int64_t count = 0;
  if (rows < 0 || cols < 0 || __builtin_mul_overflow(rows, cols, &count)) numbers.fail();
  const std::span<const float> values = numbers.take(count);
  Matrix<float> out(rows, cols);
  std::copy(values.begin(), values.end(), out.data());
  return out;
}

}  // namespace

void write_graphs(std::span<const Graph> graphs,
                  const std::function<void(const std::map<std::string, TensorEntry>&)>& store) {
  std::vector<int64_t> sizes, labels, relations;
  std::vector<float> numbers;
  Names names;
  const auto add = [&](const Matrix<float>& matrix) {
    sizes.push_back(matrix.rows());
    sizes.push_back(matrix.cols());
    numbers.insert(numbers.end(), matrix.data(), matrix.data() + matrix.rows() * matrix.cols());
  };
  for (const Graph& graph : graphs) {
    sizes.push_back(graph.size());
    sizes.push_back(static_cast<int64_t>(graph.relations.size()));
    add(graph.features);
    add(graph.adjacency);
    for (const std::string& label : graph.labels) labels.push_back(names.place_of(label));
    for (const Relation& relation : graph.relations)
      relations.insert(relations.end(), {relation.source, relation.target, names.place_of(relation.name)});
  }
  const auto length = [](const auto& values) { return static_cast<int64_t>(values.size()); };
  store({{"sizes", entry_of("I64", {length(graphs), size_columns}, sizes)},
         {"numbers", entry_of("F32", {length(numbers)}, numbers)},
         {"labels", entry_of("I64", {length(labels)}, labels)},
         {"relations", entry_of("I64", {length(relations) / 3, 3}, relations)},
         {"names", {"U8", {length(names.text())}, std::as_bytes(std::span(names.text()))}}});
}

std::vector<Graph> read_graphs(const SafetensorsFile& file) {
  Reader<int64_t> sizes(file, "sizes", "I64"), labels(file, "labels", "I64"), relations(file, "relations", "I64");
  Reader<float> numbers(file, "numbers", "F32");
  Reader<char> text(file, "names", "U8");
  std::vector<std::string> names;
  for (std::string name; !text.done();) {
    const char c = text.take(1)[0];
    if (c != '\0') {
      name += c;
      continue;
    }
    names.push_back(std::move(name));
    name.clear();
  }
  const auto name_at = [&](int64_t place) -> const std::string& {
    if (place < 0 || place >= static_cast<int64_t>(names.size())) sizes.fail();
    return names[static_cast<size_t>(place)];
  };
  std::vector<Graph> graphs;
  while (!sizes.done()) {
    const std::span<const int64_t> size = sizes.take(size_columns);
    Graph& graph = graphs.emplace_back();
    graph.features = read_matrix(numbers, size[2], size[3]);
    graph.adjacency = read_matrix(numbers, size[4], size[5]);
    for (const int64_t label : labels.take(size[0])) graph.labels.push_back(name_at(label));
    for (int64_t i = 0; i < size[1]; ++i) {
      const std::span<const int64_t> relation = relations.take(3);
      graph.relations.push_back({relation[0], relation[1], name_at(relation[2])});
    }
  }
  return graphs;
}

}  // namespace orbweaver
