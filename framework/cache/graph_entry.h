// Graphs as an entry of the cache: flat arrays, so that thousands of graphs are read in milliseconds.
#pragma once

#include <functional>
#include <map>
#include <span>
#include <string>
#include <vector>

#include "framework/io/safetensors.h"
#include "orbweaver/scene.h"

namespace orbweaver {

/// Calls `store` with the tensors of the graphs; they live as long as the call.
///
///   sizes [G, 6] I64      labels, relations, rows and columns of `features`, rows and columns of `adjacency`
///   numbers F32           of each graph its features, then its adjacency
///   labels I64            of each graph in turn, places in `names`
///   relations [R, 3] I64  source, target, place in `names`
///   names U8              every name once, each ended by a zero byte
void write_graphs(std::span<const Graph> graphs,
                  const std::function<void(const std::map<std::string, TensorEntry>&)>& store);

/// What write_graphs wrote, to the bit. @throws InputError naming the file where the arrays do not fit each other.
std::vector<Graph> read_graphs(const SafetensorsFile& file);

}  // namespace orbweaver
