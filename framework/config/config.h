// Configs: JSON files that extend one another, overridden on the command line, validated against the components' own
// parameter descriptions.
//
// Merging: later wins; objects merge member by member, arrays replace, `plugins` unite. An object whose `use` names
// another component than the one below it replaces that object whole, so that swapping a module never inherits its
// predecessor's parameters.
#pragma once

#include <cstdint>
#include <filesystem>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "framework/data/augment.h"
#include "framework/data/dataset.h"
#include "orbweaver/params.h"
#include "orbweaver/value.h"

namespace orbweaver {

class PluginHost;

/// The "train" object of a config.
struct TrainParams {
  enum class Optimizer { adam, adamw, sgd };
  enum class Schedule { constant, step, cosine };
  int64_t epochs = 20;
  int64_t batch_size = 128;
  Optimizer optimizer = Optimizer::adam;
  double lr = 2e-4;
  double weight_decay = 0;
  double momentum = 0.9;
  std::vector<double> betas{0.9, 0.999};
  Schedule schedule = Schedule::constant;
  int64_t step_epochs = 15;
  double step_factor = 0.1;
  double final_lr = 0;
  double warmup_epochs = 0;
  double clip_norm = 0;
  double average = 0;
  int64_t early_stopping = 0;
  int64_t validate_every = 1;
  double checkpoint_every = 300;
  int64_t threads = 0;
  int64_t workers = 2;
  bool drop_last = true;
  bool tensorboard = true;
  AugmentParams augment;
  static void describe(ParamSpec<TrainParams>& p);
};

/// The "eval" object of a config.
struct EvalParams {
  int64_t batch_size = 128;
  int64_t chunk = 4096;
  static void describe(ParamSpec<EvalParams>& p);
};

/// What every component object of a config understands beside the component's own parameters.
struct ComponentKeys {
  std::string use;
  bool freeze = false;
  double lr_scale = 1;
  static void describe(ParamSpec<ComponentKeys>& p);
};
/// ... and a loss.
struct LossKeys {
  double weight = 1;
  static void describe(ParamSpec<LossKeys>& p);
};
/// ... and an interaction. Final score = embedding_weight * cosine + sum over interactions of weight * its score.
/// Several share one shortlist and one embedding_weight.
struct InteractionKeys {
  enum class Training {
    hard_negatives,    ///< a softmax loss of its own, both ways, over the positives and each query's hardest negatives
    random_negatives,  ///< the same over negatives drawn from the batch, the same pairs for both ways
    all_pairs          ///< it scores all pairs of the batch, and the config's losses take the final scores
  };
  double weight = 0.5;
  double embedding_weight = 1;
  int64_t shortlist = 100;  ///< candidates per query that it rescores; 0: all pairs, exactly
  Training training = Training::hard_negatives;
  int64_t negatives = 8;
  double temperature = 0.07;
  static void describe(ParamSpec<InteractionKeys>& p);
};

/// Where a component stands in a config, and what it was given.
struct ComponentConfig {
  std::string kind;     ///< "graph_builder"
  std::string id;       ///< the value of `use`
  std::string pointer;  ///< "/model/image/graph"
  Value params;         ///< its own parameters: defaults filled in, paths absolute
  Value keys;           ///< the runtime's keys, complete, as below
  bool freeze = false;
  double lr_scale = 1;
  double loss_weight = 1;
  InteractionKeys interaction;
};

/// What the rows of the label embedding start as, in a model that is fitted.
enum class LabelRows {
  random,  ///< normal numbers, standard deviation 1
  encoded  ///< the text encoder's `global` of each label, scaled to the same size
};

struct SideConfig {
  std::optional<ComponentConfig> encoder, detector, graph, graph_encoder;
};

struct Config {
  std::string name;
  int64_t seed = 1;
  std::string device;
  std::filesystem::path output;  ///< folder of run folders
  std::filesystem::path cache;   ///< folder of the feature cache
  DatasetParams dataset;
  TrainParams train;
  EvalParams eval;
  int64_t embed_dim = 0, label_dim = 0;
  LabelRows label_embedding = LabelRows::random;
  std::filesystem::path synonyms;
  SideConfig image, text;
  std::optional<ComponentConfig> fusion;
  std::vector<ComponentConfig> interactions, losses, rerankers;
  /// What all interactions share; without any the final score is the cosine.
  double embedding_weight = 1;
  int64_t shortlist = 0;  ///< 0: all pairs, exactly
  /// The whole config as `config show` prints it: defaults filled in, paths absolute, nothing to extend.
  Value resolved;
};

/// Merged JSON with the origin of every value, before any component is known.
struct ConfigSource {
  Value value;
  /// JSON pointer -> file that wrote it ("--set" for the command line). A value without an entry has its parent's.
  std::map<std::string, std::string> origins;
  std::string file;  ///< the file that was asked for
  const std::string& origin(std::string pointer) const;
};

/// Reads a file, what it extends, and applies overrides "a.b.0.c=value" in order (values are JSON, else strings).
/// @throws InputError on a missing file, malformed JSON, a cycle, or an override whose path leads nowhere.
ConfigSource read_config(const std::filesystem::path& file, const std::vector<std::string>& overrides);

/// Applies overrides "a.b.0.c=value" in order, as `read_config` does, on what was read already. Paths in them resolve
/// against `origin` where it is a file, against the working directory where it is "--set"; errors name it.
void apply_overrides(ConfigSource& source, const std::vector<std::string>& overrides, const std::string& origin);

/// The folders of `plugin_paths`, absolute: what the PluginHost of this config searches.
/// @throws InputError unless it is a list of strings.
std::vector<std::filesystem::path> plugin_search_paths(const ConfigSource& source);

/// How much of a config must be there.
enum class Completeness {
  full,    ///< a method that can be trained
  partial  ///< a building block: only what is there is checked
};

/// Everything wrong with a config, one line each: "file: /pointer: message (kind id)". Loads the plugins it names.
std::vector<std::string> config_problems(const ConfigSource& source, PluginHost& plugins, Completeness completeness);

/// @throws InputError listing *all* problems, one line each.
Config resolve_config(const ConfigSource& source, PluginHost& plugins);

/// JSON Schema (draft 2020-12) of configs, with the components of all plugins that `plugins` can find.
Value config_schema(PluginHost& plugins);

}  // namespace orbweaver
