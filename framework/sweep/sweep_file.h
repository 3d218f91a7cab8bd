// The sweep file: which variants of which configs are trained with which seeds,
// and how they are compared.
#pragma once

#include <cstdint>
#include <filesystem>
#include <string>
#include <vector>

#include "framework/eval/significance.h"
#include "framework/sweep/slurm.h"
#include "orbweaver/params.h"
#include "orbweaver/value.h"

namespace orbweaver {

/// An entry of "variants".
struct VariantParams {
  std::string name, description;
  std::filesystem::path config;        ///< empty: the sweep's base
  std::vector<std::string> overrides;  ///< "a.b.c=value"
  static void describe(ParamSpec<VariantParams>& p);
};

/// An entry of "grid": one path of the config and the values it takes, each
/// with every variant.
struct GridAxisParams {
  std::string path;  ///< "train.lr"
  std::string name;  ///< in the names of variants; default: the path's last part
  Value values;      ///< a list
  static void describe(ParamSpec<GridAxisParams>& p);
};

/// The "statistics" object.
struct StatisticsParams {
  double interval = 0.95;
  int64_t resamples = 10000, permutations = 10000, seed = 1;
  double alpha = 0.05;
  static void describe(ParamSpec<StatisticsParams>& p);
  SignificanceOptions options() const;
};

struct SweepParams {
  enum class Launch { local, slurm };
  std::string name, description;
  std::filesystem::path base;
  std::vector<std::string> overrides;
  std::vector<VariantParams> variants;
  std::vector<GridAxisParams> grid;
  std::vector<int64_t> seeds{1, 2, 3};
  std::string baseline;
  std::vector<std::string> metrics{"mR", "i2t.R@1", "i2t.R@5", "i2t.R@10", "t2i.R@1", "t2i.R@5", "t2i.R@10"};
  Value rerank;
  std::string split = "test";
  StatisticsParams statistics;
  int64_t jobs = 0;
  Launch launcher = Launch::local;
  SlurmParams slurm;
  static void describe(ParamSpec<SweepParams>& p);
};

/// A line of the table: a config and what is changed in it.
struct SweepVariant {
  std::string name;
  std::string description;
  std::filesystem::path config;        ///< absolute
  std::vector<std::string> overrides;  ///< the variant's own, then the grid's
  bool own_config = false;             ///< the variant names its config; false: it is the sweep's base
  std::string origin;                  ///< file that wrote the overrides: their paths are relative to it
};

struct Sweep {
  SweepParams params;
  std::string file;                    ///< as it was given; named in errors
  std::vector<SweepVariant> variants;  ///< variants x grid, the grid's last axis fastest
  Value rerank = Value::list();        ///< "rerank" as a list
  std::string origin;                  ///< file that wrote "overrides"
  Value resolved;                      ///< the file with defaults filled in, its paths absolute
};

/// Reads and checks a sweep file. `extends` works as in configs.
/// @param settings  "name=value" for the file's own fields, as --set-sweep
/// takes them.
/// @throws InputError listing everything wrong with it, one line each: "file:
/// /variants/2/name: message".
Sweep read_sweep(const std::filesystem::path& file, const std::vector<std::string>& settings);

/// "f1-s2": the run of a variant with a seed, also the name of its folder.
std::string run_name(const std::string& variant, int64_t seed);

}  // namespace orbweaver
