// Reading networks of other frameworks by OpenCV: what its plugins share. Every error is one line for the user.
#pragma once

#include <algorithm>
#include <cstdint>
#include <filesystem>
#include <fstream>
#include <opencv2/core.hpp>
#include <opencv2/core/utils/logger.hpp>
#include <opencv2/dnn.hpp>
#include <string>

#include "orbweaver/error.h"

namespace {

/// Keeps OpenCV from printing errors that we report ourselves.
class QuietOpencv {
 public:
  QuietOpencv() : level_(cv::utils::logging::setLogLevel(cv::utils::logging::LOG_LEVEL_SILENT)) {}
  ~QuietOpencv() { cv::utils::logging::setLogLevel(level_); }
  QuietOpencv(const QuietOpencv&) = delete;
  QuietOpencv& operator=(const QuietOpencv&) = delete;

 private:
  cv::utils::logging::LogLevel level_;
};

inline std::string one_line(const cv::Exception& error) {
  std::string text = error.err.empty() ? error.msg : error.err;
  std::replace(text.begin(), text.end(), '\n', ' ');
  text.erase(text.find_last_not_of(' ') + 1);
  return text;
}

/// Not a folder; nor a pipe or a device, which may have no end.
inline bool is_file(const std::filesystem::path& file) {
  std::error_code none;
  return std::filesystem::is_regular_file(file, none);
}

/// The description that goes with the weights: `given`, else the file of the same stem where the format needs one,
/// else "".
inline std::filesystem::path network_file(const std::filesystem::path& weights, const std::filesystem::path& given,
                                          const std::string& component) {
  if (!given.empty()) return given;
  const std::string format = weights.extension().string();
  if (format != ".weights" && format != ".caffemodel") return {};
  std::filesystem::path beside = weights;
  beside.replace_extension(format == ".weights" ? ".cfg" : ".prototxt");
  if (!std::filesystem::exists(beside))
    throw orbweaver::InputError(component + ": " + weights.string() + ": its network description " + beside.string() +
                                " does not exist; give `network`");
  return beside;
}

/// OpenCV fills the missing part of a truncated Darknet file with whatever memory holds, without a word.
inline void check_darknet_size(cv::dnn::Net& net, const std::filesystem::path& weights,
                               const std::filesystem::path& network, const std::string& component) {
  uint64_t values = 0;
  for (const std::string& name : net.getLayerNames()) {
    const cv::Ptr<cv::dnn::Layer> layer = net.getLayer(net.getLayerId(name));
    if (layer->type != "Convolution" && layer->type != "BatchNorm" && layer->type != "InnerProduct") continue;
    for (const cv::Mat& blob : layer->blobs) values += blob.total();
  }
  std::ifstream file(weights, std::ios::binary);
  int32_t version[3] = {};
  file.read(reinterpret_cast<char*>(version), sizeof version);
  // Since version 0.2 the count of training images that follows has 8 bytes.
  const uint64_t header = sizeof version + (version[0] * 10 + version[1] >= 2 ? 8 : 4);
  const uint64_t wanted = header + values * sizeof(float), found = std::filesystem::file_size(weights);
  if (found < wanted)
    throw orbweaver::InputError(component + ": " + weights.string() + ": " + std::to_string(found) + " bytes, but " +
                                network.string() + " describes " + std::to_string(wanted) +
                                "; the file is truncated or belongs to another network");
}

/// @param network    description file, may be empty where the format has none or it stands beside the weights.
/// @param component  "detector yolo": begins every error.
/// @throws InputError where a file is missing, truncated or no network.
inline cv::dnn::Net read_network(const std::filesystem::path& weights, const std::filesystem::path& network,
                                 const std::string& component) {
  const auto fail = [&](const std::string& what) { throw orbweaver::InputError(component + ": " + what); };
  const std::filesystem::path description = network_file(weights, network, component);
  for (const auto& file : {weights, description})
    if (!file.empty() && (!is_file(file) || !std::ifstream(file))) fail(file.string() + ": cannot be read");
  cv::dnn::Net net;
  try {
    QuietOpencv quiet;
    net = cv::dnn::readNet(weights.string(), description.string());
    net.setPreferableBackend(cv::dnn::DNN_BACKEND_OPENCV);
  } catch (const cv::Exception& error) {
    fail(weights.string() + (description.empty() ? "" : " with " + description.string()) +
         ": OpenCV cannot read it: " + one_line(error));
  }
  if (net.empty()) fail(weights.string() + ": holds no network");
  if (weights.extension() == ".weights") check_darknet_size(net, weights, description, component);
  return net;
}

}  // namespace
