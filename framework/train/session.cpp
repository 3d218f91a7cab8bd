#include "framework/train/session.h"

#include <ATen/ATen.h>
#include <ATen/Context.h>
#include <ATen/Parallel.h>
#include <fmt/format.h>

#include <cstdlib>

#include "framework/cache/cache_folder.h"
#include "framework/cache/file_hashes.h"
#include "framework/io/files.h"
#include "framework/io/lenient.h"
#include "framework/model/libtorch_version.h"
#include "framework/version.h"
#include "orbweaver/error.h"
#include "orbweaver/version.h"

namespace orbweaver {

LoadedConfig load_config(const std::filesystem::path& config_or_run, const std::vector<std::string>& overrides) {
  const ConfigSource source = read_config(config_or_run, overrides);
  PluginHost::Options options;
  options.search_paths = plugin_search_paths(source);
  LoadedConfig out;
  out.plugins = std::make_unique<PluginHost>(options);
  out.config = resolve_config(source, *out.plugins);
  return out;
}

void set_up_torch(const Config& config) {
  at::Device device(at::kCPU);
  try {
    device = at::Device(config.device);
  } catch (const std::exception&) {
    throw InputError(fmt::format("/device: is \"{}\", expected cpu, cuda or cuda:N", config.device));
  }
  if (device.is_cuda()) {
    if (!at::hasCUDA())
      throw InputError(fmt::format("/device: is \"{}\", but this LibTorch has no usable GPU; use cpu", config.device));
    // cuBLAS is deterministic only with a fixed workspace.
    setenv("CUBLAS_WORKSPACE_CONFIG", ":4096:8", 0);
  }
  at::set_num_threads(static_cast<int>(config.train.threads));
  at::globalContext().setDeterministicAlgorithms(true, /*warn_only=*/false);
  at::globalContext().setBenchmarkCuDNN(false);
}

Dataset open_dataset(const Config& config, const RunReport& report) {
  Dataset dataset = load_dataset(config.dataset);
  const std::string identity = hash_text(config.dataset.root.string()).substr(0, 16);
  const std::filesystem::path known =
      config.cache.empty() ? config.cache : ContentHashes::records_in(config.cache) / (identity + ".json");
  check_files(dataset, config.dataset, static_cast<int>(config.train.workers), known, [&](int64_t done, int64_t total) {
    report.stop_point();
    report.progress("checking images", done, total, "images", "");
  });
  std::error_code ignored;  // its time is that of its last use, as with all that the cache holds
  if (!known.empty()) last_write_time(known, std::filesystem::file_time_type::clock::now(), ignored);
  for (const SkippedItem& item : dataset.skipped)
    report.line(fmt::format("skipped {}: {}", item.file.string(), item.reason));
  return dataset;
}

FeatureCache open_cache(const Config& config, const RunReport& report) {
  FeatureCache::Options options;
  options.limit = cache_limit();
  return FeatureCache(config.cache, report.line, options);
}

Value environment_record(const Config& config, PluginHost& plugins) {
  Value out = Value::object();
  out["orbweaver"] = Value(ORBWEAVER_VERSION);
  out["sdk"] = Value(fmt::format("{}.{}", ORBWEAVER_SDK_VERSION_MAJOR, ORBWEAVER_SDK_VERSION_MINOR));
  out["libtorch"] = Value(std::string(libtorch_version().text));
  out["compiler"] = Value(fmt::format("gcc {}.{}.{}", __GNUC__, __GNUC_MINOR__, __GNUC_PATCHLEVEL__));
  out["device"] = Value(config.device);
  out["threads"] = Value(config.train.threads);
  out["plugins"] = Value::object();
  for (const LoadedPlugin* plugin : plugins.plugins()) {
    Value& entry = out["plugins"][plugin->stem];
    entry["version"] = Value(std::string(plugin->manifest.version));
    entry["hash"] = Value(plugin->hash);
  }
  return out;
}

Value dataset_record(const Dataset& dataset) {
  Value out = Value::object();
  out["name"] = Value(dataset.name);
  for (const Split* split : {&dataset.train, &dataset.val, &dataset.test}) {
    Value& entry = out["splits"][split->name];
    entry["images"] = static_cast<int64_t>(split->images.size());
    entry["captions"] = static_cast<int64_t>(split->captions.size());
    entry["hash"] = Value(split->hash());
  }
  out["validation_split"] = Value(dataset.val_source);
  out["skipped"] = Value::list();
  for (const SkippedItem& item : dataset.skipped) out["skipped"].push_back(item.file.string() + ": " + item.reason);
  return out;
}

namespace {

/// @param records  of hashes of files (ContentHashes)
Value content_record(const std::filesystem::path& records, const Config& config, const Dataset& dataset,
                     const Split& split, const std::atomic<bool>* stop) {
  std::vector<std::filesystem::path> images, detections;
  for (const ImageRecord& image : split.images) {
    images.push_back(image.file);
    detections.push_back(image.detections);
  }
  ContentHashes known(records, static_cast<int>(config.train.workers), stop);
  const auto of_files = [&](const std::vector<std::filesystem::path>& files) {
    Hasher all;
    for (const std::string& hash : known.of_files(files)) all.add(std::string_view(hash));
    return Value(all.hex());
  };
  Hasher triples;
  for (const CaptionRecord& caption : split.captions) {
    const auto found = dataset.triples.find(caption.text);
    if (found == dataset.triples.end()) continue;
    triples.add(std::string_view(caption.text));
    for (const Triple& triple : found->second)
      for (const std::string* word : {&triple.subject, &triple.relation, &triple.object})
        triples.add(std::string_view(*word));
  }
  Value out = Value::object();
  out["images"] = of_files(images);
  out["detections"] = of_files(detections);
  out["triples"] = Value(triples.hex());
  return out;
}

std::string first_difference(const Value& before, const Value& now) {
  for (const char* name : {"images", "detections", "triples"}) {
    const std::string was = text_of(member(before, name));
    if (!was.empty() && was != text_of(member(now, name))) return name;
  }
  return "";
}

}  // namespace

Value content_record(const Config& config, const Dataset& dataset, const Split& split, const std::atomic<bool>* stop) {
  return content_record(ContentHashes::records_in(config.cache), config, dataset, split, stop);
}

std::string differing_content(const Value& before, Value& now, const Config& config, const Dataset& dataset,
                              const Split& split, const std::atomic<bool>* stop) {
  if (first_difference(before, now).empty()) return "";
  now = content_record({}, config, dataset, split, stop);
  return first_difference(before, now);
}

}  // namespace orbweaver
