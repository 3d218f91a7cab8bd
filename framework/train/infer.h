// Similarities of given images and sentences: `orbweaver infer`.
#pragma once

#include <filesystem>
#include <string>
#include <vector>

#include "framework/io/report.h"
#include "orbweaver/matrix.h"

namespace orbweaver {

struct InferOptions {
  std::filesystem::path run;
  std::vector<std::string> overrides;
  std::filesystem::path checkpoint;  ///< default: the run's best.safetensors
  std::vector<std::filesystem::path> images;
  std::vector<std::string> texts;
  std::filesystem::path detections;  ///< folder with <image stem>.json; empty: none
};

/// @return  [images, texts]: cosine, plus the interaction's part where the model has one.
/// @throws InputError on a missing or broken image.
Matrix<float> infer(const InferOptions& options, const RunReport& report);

}  // namespace orbweaver
