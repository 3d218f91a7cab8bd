// Detector on YOLO networks of the Darknet and ONNX formats, upright and oriented, by OpenCV.
#pragma once

#include <algorithm>
#include <cctype>
#include <cmath>
#include <cstdint>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <numbers>
#include <opencv2/core.hpp>
#include <opencv2/dnn.hpp>
#include <opencv2/imgproc.hpp>
#include <optional>
#include <string>
#include <vector>

#include "../../shared/opencv_network.h"
#include "decode.h"
#include "orbweaver/detector.h"
#include "orbweaver/params.h"

namespace {

struct YoloParams {
  enum class Fit { letterbox, stretch };
  std::filesystem::path weights, network, names;
  Head head = Head::automatic;
  std::optional<int64_t> size;
  Fit fit = Fit::letterbox;
  double confidence = 0.25, overlap = 0.45;
  int64_t max_objects = 300;

  static void describe(orbweaver::ParamSpec<YoloParams>& p) {
    p.field("weights", &YoloParams::weights, "Darknet .weights or .onnx").required();
    p.field("network", &YoloParams::network, "Darknet .cfg; when empty, the file of the same stem beside the weights");
    p.field("names", &YoloParams::names,
            "Text file with the classes' names, one per line; when empty, labels are class_0, class_1, ...");
    p.field(
        "head", &YoloParams::head,
        {{"auto", Head::automatic}, {"darknet", Head::darknet}, {"v5", Head::v5}, {"v8", Head::v8}, {"obb", Head::obb}},
        "Layout of the output. auto: darknet for a Darknet network; for ONNX whichever of v5 [1, N, 5 + C], v8 "
        "[1, 4 + C, N] and obb [1, 5 + C, N] (oriented boxes) fits the number C of names");
    p.field("size", &YoloParams::size,
            "Height and width of the network's input; when absent, those of the .cfg, and 640 for ONNX")
        .range(32, 8192);
    p.field("fit", &YoloParams::fit, {{"letterbox", Fit::letterbox}, {"stretch", Fit::stretch}},
            "How an image is brought to that size: with its shape kept and grey bars, or stretched");
    p.field("confidence", &YoloParams::confidence, "Least score of an object").range(0, 1);
    p.field("overlap", &YoloParams::overlap,
            "Of two objects of a class that overlap more (intersection over union), the weaker is dropped")
        .range(0, 1);
    p.field("max_objects", &YoloParams::max_objects, "Objects kept, best first").range(1, 100000);
  }
};

/// Objects of a YOLO network, best first: label and score of the best class; upright boxes are cut at the image's edge,
/// oriented ones are not. Without attributes.
class YoloDetector final : public orbweaver::Detector {
 public:
  using Params = YoloParams;

  explicit YoloDetector(const Params& params) : params_(params) {
    net_ = read_network(params_.weights, params_.network, component);
    outputs_ = net_.getUnconnectedOutLayersNames();
    find_size();
    if (!params_.names.empty()) names_ = read_names(params_.names);
    choose_outputs();
  }

  std::vector<orbweaver::Object> detect(const orbweaver::ImageView& image) override {
    const cv::Mat pixels(static_cast<int>(image.height), static_cast<int>(image.width), CV_8UC3,
                         const_cast<uint8_t*>(image.data), static_cast<size_t>(image.stride));
    Placement placement;
    const std::vector<cv::Mat> outputs = run(placed(pixels, placement));
    std::vector<Candidate> candidates;
    for (const cv::Mat& output : outputs) {
      const std::vector<int64_t> shape = shape_of(output);
      decode({output.ptr<float>(), output.total()}, shape, layout_, input_.width, input_.height, params_.confidence,
             candidates);
    }
    std::vector<Candidate> kept = without_overlaps(candidates);
    std::stable_sort(kept.begin(), kept.end(), [](const auto& x, const auto& y) { return x.score > y.score; });
    std::vector<orbweaver::Object> objects;
    for (const Candidate& box : kept)
      if (static_cast<int64_t>(objects.size()) < params_.max_objects)
        add_object(to_image(box, placement), image, objects);
    return objects;
  }

  const Layout& layout() const { return layout_; }
  cv::Size input_size() const { return input_; }

 private:
  static constexpr const char* component = "detector yolo";
  [[noreturn]] static void fail(const std::string& what) {
    throw orbweaver::InputError(std::string(component) + ": " + what);
  }

  void find_size() {
    input_ = {640, 640};
    if (params_.size)
      input_ = {static_cast<int>(*params_.size), static_cast<int>(*params_.size)};
    else if (params_.weights.extension() == ".weights")
      input_ = size_in(network_file(params_.weights, params_.network, component));
  }

  /// `width` and `height` of a Darknet description's first section, [net].
  static cv::Size size_in(const std::filesystem::path& file) {
    cv::Size size;
    std::ifstream lines;
    if (is_file(file)) lines.open(file);
    int sections = 0;
    for (std::string line; std::getline(lines, line) && sections < 2;) {
      line.erase(std::remove_if(line.begin(), line.end(), [](unsigned char c) { return std::isspace(c); }), line.end());
      if (line.starts_with('[')) ++sections;
      if (line.starts_with("width=")) size.width = std::atoi(line.c_str() + 6);
      if (line.starts_with("height=")) size.height = std::atoi(line.c_str() + 7);
    }
    if (size.width < 1 || size.height < 1) fail(file.string() + ": [net] has no width and height; give `size`");
    return size;
  }

  static std::vector<std::string> read_names(const std::filesystem::path& file) {
    std::ifstream lines;
    if (is_file(file)) lines.open(file);
    if (!lines.is_open()) fail(file.string() + ": cannot be read (names)");
    std::vector<std::string> names;
    for (std::string line; std::getline(lines, line);) {
      constexpr const char* blanks = " \t\r";
      const size_t begin = line.find_first_not_of(blanks);
      names.push_back(begin == std::string::npos ? "" : line.substr(begin, line.find_last_not_of(blanks) - begin + 1));
    }
    while (!names.empty() && names.back().empty()) names.pop_back();
    if (names.empty()) fail(file.string() + ": is empty, expected a class name per line");
    for (size_t i = 0; i < names.size(); ++i)
      if (names[i].empty()) fail(file.string() + ":" + std::to_string(i + 1) + ": is blank, expected a class name");
    return names;
  }

  /// Runs the network once to learn what it makes, so that a wrong parameter is refused before the first image.
  void choose_outputs() {
    bool region = false;
    for (const std::string& name : outputs_) region = region || net_.getLayer(net_.getLayerId(name))->type == "Region";
    const std::vector<cv::Mat> made = run(cv::Mat(input_, CV_8UC3, cv::Scalar::all(grey)));
    std::vector<std::string> detections;
    std::optional<int64_t> classes;
    if (!names_.empty()) classes = static_cast<int64_t>(names_.size());
    std::string shapes;
    for (size_t i = 0; i < made.size(); ++i) {
      const std::vector<int64_t> shape = shape_of(made[i]);
      shapes += (shapes.empty() ? "" : ", ") + shape_text(shape);
      // Beside the boxes, exporters leave raw maps of four or five dimensions.
      if (shape.size() != (region ? 2 : 3)) continue;
      detections.push_back(outputs_[i]);
      layout_ = layout_of(shape, region, classes);
    }
    if (detections.empty() || (!region && detections.size() > 1))
      fail(params_.weights.string() + ": the network makes " + shapes +
           ", expected one output of boxes [1, A, B]: is this a YOLO detector?");
    outputs_ = detections;
  }

  Layout layout_of(const std::vector<int64_t>& shape, bool region, std::optional<int64_t> classes) const {
    try {
      return choose_layout(shape, region, params_.head, classes);
    } catch (const orbweaver::InputError& error) {
      fail(params_.weights.string() + ": " + error.what());
    }
  }

  static std::vector<int64_t> shape_of(const cv::Mat& mat) { return {mat.size.p, mat.size.p + mat.dims}; }

  /// The image at the input's size, and where it lies in it.
  cv::Mat placed(const cv::Mat& image, Placement& placement) const {
    cv::Size size = input_;
    if (params_.fit == Params::Fit::letterbox) {
      const double scale =
          std::min(static_cast<double>(input_.width) / image.cols, static_cast<double>(input_.height) / image.rows);
      size = {std::max(1, static_cast<int>(std::lround(image.cols * scale))),
              std::max(1, static_cast<int>(std::lround(image.rows * scale)))};
    }
    const int left = (input_.width - size.width) / 2, top = (input_.height - size.height) / 2;
    placement = {static_cast<double>(size.width) / image.cols, static_cast<double>(size.height) / image.rows,
                 static_cast<double>(left), static_cast<double>(top)};
    cv::Mat out(input_, CV_8UC3, cv::Scalar::all(grey)), inside = out(cv::Rect({left, top}, size));
    cv::resize(image, inside, size, 0, 0, size.area() < image.size().area() ? cv::INTER_AREA : cv::INTER_LINEAR);
    return out;
  }

  /// The outputs named by `outputs_`, copies of OpenCV's own memory.
  std::vector<cv::Mat> run(const cv::Mat& rgb) {
    std::vector<cv::Mat> outputs;
    try {
      QuietOpencv quiet;
      net_.setInput(cv::dnn::blobFromImage(rgb, 1.0 / 255));
      net_.forward(outputs, outputs_);
    } catch (const cv::Exception& error) {
      fail(params_.weights.string() + ": the network fails on " + std::to_string(rgb.cols) + " x " +
           std::to_string(rgb.rows) + " pixels (it may want another `size`): " + one_line(error));
    }
    for (cv::Mat& output : outputs) {
      if (output.depth() != CV_32F) fail(params_.weights.string() + ": the network's output is not float");
      output = output.clone();
    }
    return outputs;
  }

  /// Non-maximum suppression within each class; oriented boxes by the overlap of rotated rectangles.
  std::vector<Candidate> without_overlaps(const std::vector<Candidate>& all) const {
    std::vector<Candidate> kept;
    for (int64_t label = 0; label < layout_.classes; ++label) {
      std::vector<Candidate> boxes;
      std::copy_if(all.begin(), all.end(), std::back_inserter(boxes), [&](const auto& b) { return b.label == label; });
      for (const int i : suppressed(boxes)) kept.push_back(boxes[static_cast<size_t>(i)]);
    }
    return kept;
  }

  std::vector<int> suppressed(const std::vector<Candidate>& boxes) const {
    constexpr int most = 5000;  // pairs are compared: bounds the time where the confidence lets everything pass
    std::vector<float> scores;
    std::vector<cv::Rect2d> upright;
    std::vector<cv::RotatedRect> oriented;
    for (const Candidate& box : boxes) {
      scores.push_back(static_cast<float>(box.score));
      if (layout_.head == Head::obb)
        oriented.emplace_back(cv::Point2f(static_cast<float>(box.cx), static_cast<float>(box.cy)),
                              cv::Size2f(static_cast<float>(box.width), static_cast<float>(box.height)),
                              static_cast<float>(box.angle * 180 / std::numbers::pi));
      else
        upright.emplace_back(box.cx - box.width / 2, box.cy - box.height / 2, box.width, box.height);
    }
    std::vector<int> kept;
    const auto overlap = static_cast<float>(params_.overlap);
    if (boxes.empty()) return kept;
    // Candidates passed the confidence already; a threshold of 0 keeps them all.
    if (layout_.head == Head::obb)
      cv::dnn::NMSBoxes(oriented, scores, 0, overlap, kept, 1, most);
    else
      cv::dnn::NMSBoxes(upright, scores, 0, overlap, kept, 1, most);
    return kept;
  }

  void add_object(const Candidate& box, const orbweaver::ImageView& image,
                  std::vector<orbweaver::Object>& objects) const {
    orbweaver::Object object;
    object.cx = box.cx, object.cy = box.cy, object.width = box.width, object.height = box.height;
    object.angle = box.angle;
    object.probability = box.score;
    const auto label = static_cast<size_t>(box.label);
    object.label = names_.empty() ? "class_" + std::to_string(label) : names_[label];
    if (layout_.head != Head::obb && !cut(object, image)) return;
    objects.push_back(std::move(object));
  }

  /// @return  false where nothing of the box lies within the image.
  static bool cut(orbweaver::Object& object, const orbweaver::ImageView& image) {
    const auto width = static_cast<double>(image.width), height = static_cast<double>(image.height);
    const double left = std::clamp(object.cx - object.width / 2, 0.0, width);
    const double right = std::clamp(object.cx + object.width / 2, 0.0, width);
    const double top = std::clamp(object.cy - object.height / 2, 0.0, height);
    const double bottom = std::clamp(object.cy + object.height / 2, 0.0, height);
    object.cx = (left + right) / 2, object.cy = (top + bottom) / 2;
    object.width = right - left, object.height = bottom - top;
    return object.width > 0 && object.height > 0;
  }

  static constexpr double grey = 114;  // of the bars, as the networks were trained with

  Params params_;
  cv::dnn::Net net_;
  cv::Size input_;
  std::vector<std::string> outputs_, names_;
  Layout layout_;
};

}  // namespace
