// The places of a config at which components stand. Internal to the config folder.
#pragma once

#include <functional>
#include <string>
#include <vector>

#include "framework/config/config.h"

namespace orbweaver::config {

/// The sections that are plain parameters. Component places are `Value`s here and checked by kind.
struct SideSection {
  Value encoder, detector, graph, graph_encoder;
  static void describe(ParamSpec<SideSection>& p);
};
struct ModelSection {
  int64_t embed_dim = 512;
  int64_t label_dim = 64;
  LabelRows label_embedding = LabelRows::random;
  std::filesystem::path synonyms;
  SideSection image, text;
  Value fusion, interaction;
  static void describe(ParamSpec<ModelSection>& p);
};
struct TopSection {
  std::string name = "unnamed";
  int64_t seed = 1;
  std::string device = "cpu";
  std::filesystem::path output, cache;
  DatasetParams dataset;
  ModelSection model;
  Value loss, rerank;
  TrainParams train;
  EvalParams eval;
  std::vector<std::string> plugins;
  std::vector<std::filesystem::path> plugin_paths;
  static void describe(ParamSpec<TopSection>& p);
};

/// What a reranker's object understands beside its own parameters and ComponentKeys; in ComponentConfig::keys.
struct RerankerKeys {
  Value tuning;  ///< how its parameters were found (framework/eval/tune.h): results repeat it
  static void describe(ParamSpec<RerankerKeys>& p);
};

/// A component object in a config.
struct Place {
  std::string kind;
  std::string pointer;
  const Value* value;  ///< null when the config has nothing there
};

/// Every place that exists in `config`, with the kind that follows from it. Lists (/loss, /rerank) give a place per
/// entry.
std::vector<Place> component_places(const Value& config);

/// Keys that the runtime itself understands in a component object of that kind.
const Schema& host_keys(const std::string& kind);

}  // namespace orbweaver::config
