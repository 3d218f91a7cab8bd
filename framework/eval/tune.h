// A reranker's parameters: searched on validation scores, or followed one by one along a curve.
//
// A search never sees test scores. What it finds carries a record of the validation matrix and of both gallery sizes,
// because a setting that gains in one size of gallery may lose in another; evaluations say where the sizes differ.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "framework/eval/named_reranker.h"
#include "framework/eval/saved_scores.h"
#include "framework/io/report.h"
#include "orbweaver/params.h"
#include "orbweaver/value.h"

namespace orbweaver {

/// The values of one parameter that a search or a curve tries.
struct GridAxis {
  std::string name;
  std::vector<Value> values;
};
using Grid = std::vector<GridAxis>;

/// Axes from "NAME=v1,v2,..." (values are JSON, else strings; "NAME=[...]" is a JSON list of them).
/// @throws InputError on a name that the schema does not have, a value that it does not take, or a name twice.
Grid parse_grid(const Schema& schema, const std::vector<std::string>& texts);

/// Axes from the parameters' own hints (FieldRef::tune), without those that the user set.
Grid hinted_grid(const Schema& schema, const Value& set);

/// Points of a grid, the last axis running fastest; saturates at 2^62.
int64_t grid_size(const Grid& grid);

/// The point of that number: an object with a value for each axis.
Value grid_point(const Grid& grid, int64_t number);

/// `count` different numbers below `size`, ascending: all of them where count >= size, else drawn with the seed.
std::vector<int64_t> sample_points(int64_t size, int64_t count, uint64_t seed);

struct TuneOptions : SavedScoresOptions, RerankerOptions {
  std::vector<std::string> grid;  ///< as parse_grid reads it: exactly these parameters; empty: the hinted ones
  int64_t budget = 1000;          ///< points tried at most; of a larger grid, as many drawn by `seed`
  uint64_t seed = 1;
};

struct TriedPoint {
  Value point;  ///< as grid_point gives it
  RetrievalMetrics metrics;
};

struct TuneResult {
  std::string reranker;
  Grid grid;
  RetrievalMetrics plain, identity, as_set;  ///< as_set: the parameters as the user and their defaults leave them
  std::vector<TriedPoint> tried;             ///< in grid order
  size_t best = 0;                           ///< of `tried`: the largest strict mR, the first of several
  /// {"rerank": {"use": ..., every parameter, "tuning": record}}: a config fragment to extend, or for --use.
  Value fragment;
  Value record;  ///< everything above, for --json
};

/// Tries the points of a grid on validation scores; the objective is strict mR.
/// @throws InputError unless exactly one reranker is named, the captions' images are known and there is an axis.
TuneResult tune_reranker(const TuneOptions& options, const RunReport& report);

/// Plain, identity, as set, and the `best` best settings, for a terminal.
std::string format_table(const TuneResult& result, size_t best = 5);

struct CurveOptions : SavedScoresOptions, RerankerOptions {
  std::vector<std::string> parameters;  ///< to follow
  std::vector<std::string> grid;        ///< their values, as parse_grid reads it; absent ones have their hints
};

struct CurvePoint {
  std::string parameter;
  Value value;
  bool as_set = false;  ///< the value that the parameter has while others are followed
  RetrievalMetrics metrics;
};

struct CurveResult {
  RetrievalMetrics plain, identity;
  std::vector<CurvePoint> points;  ///< parameter by parameter; numbers ascending, the set value among them
  Value record;
};

/// Metrics over the values of each named parameter, the others as they are set: data of a sensitivity figure.
/// @throws InputError as tune_reranker, and for a parameter without values.
CurveResult rerank_curves(const CurveOptions& options, const RunReport& report);

std::string format_table(const CurveResult& result);

/// Columns parameter, value, i2t_r1, i2t_r5, i2t_r10, t2i_r1, t2i_r5, t2i_r10, mr, with a header.
std::string to_csv(const CurveResult& result);

}  // namespace orbweaver
