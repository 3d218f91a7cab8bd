// What every command that runs a model starts from: config, plugins, data, cache, device.
#pragma once

#include <filesystem>
#include <memory>
#include <string>
#include <vector>

#include "framework/cache/feature_cache.h"
#include "framework/config/config.h"
#include "framework/data/dataset.h"
#include "framework/io/report.h"
#include "framework/plugin/plugin_host.h"
#include "orbweaver/value.h"

namespace orbweaver {

struct LoadedConfig {
  std::unique_ptr<PluginHost> plugins;
  Config config;
};

/// @param config_or_run  a config file, or a run folder (whose config.json then counts).
LoadedConfig load_config(const std::filesystem::path& config_or_run, const std::vector<std::string>& overrides);

/// Threads, device and determinism as the config says. @throws InputError on a device that is not there.
void set_up_torch(const Config& config);

/// The dataset, its files checked.
Dataset open_dataset(const Config& config, const RunReport& report);

FeatureCache open_cache(const Config& config, const RunReport& report);

/// Versions, plugins, threads, device: what a figure was made with.
Value environment_record(const Config& config, PluginHost& plugins);
/// Dataset name, splits with sizes and hashes, where the validation split comes from, what was skipped.
Value dataset_record(const Dataset& dataset);

/// What Split::hash leaves out: {"images": hash, "detections": hash, "triples": hash} of the contents of a split's
/// images and detection files, and of the triples of its captions. Hashes of files are remembered in the cache.
/// @param stop  ends it with an Error where it is set while files are read
Value content_record(const Config& config, const Dataset& dataset, const Split& split,
                     const std::atomic<bool>* stop = nullptr);

/// The first member of `before` that the split does not have now, for people ("images"); empty where there is none, or
/// where `before` lacks them, as what earlier versions wrote. Before it says so it reads the files again: what the
/// cache remembers of them may be damaged.
/// @param now   replaced by what was read
/// @param stop  as of content_record()
std::string differing_content(const Value& before, Value& now, const Config& config, const Dataset& dataset,
                              const Split& split, const std::atomic<bool>* stop = nullptr);

}  // namespace orbweaver
