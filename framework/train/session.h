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

}  // namespace orbweaver
