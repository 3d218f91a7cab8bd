#include "framework/report/pictures.h"

#include <fmt/format.h>

#include <algorithm>
#include <opencv2/core.hpp>
#include <opencv2/imgcodecs.hpp>
#include <opencv2/imgproc.hpp>
#include <optional>

#include "framework/data/graph_draw.h"
#include "framework/io/json.h"
#include "framework/plugin/hosted.h"
#include "framework/report/html.h"
#include "orbweaver/error.h"

namespace orbweaver {
namespace fs = std::filesystem;
namespace {

constexpr size_t most_builders = 3, drawings_of_a_builder = 2;
constexpr int64_t drawing_width = 900;
constexpr size_t drawing_bytes = 90'000, thumbnail_bytes = 4'500;

Image shrunk(Image image, int64_t longest) {
  const int64_t side = std::max(image.width, image.height);
  if (side <= longest) return image;
  const auto scaled = [&](int64_t length) { return std::max<int64_t>(1, (length * longest + side / 2) / side); };
  return resize(image.view(), scaled(image.width), scaled(image.height), ImageInput::Interpolation::bilinear);
}

/// A component's own parameters: what its config object holds besides the runtime's keys.
Value own_params(const Value& component) {
  Value params = Value::object();
  for (const auto& [name, value] : component.as_object())
    if (name != "use" && name != "freeze" && name != "lr_scale") params[name] = value;
  return params;
}

const Value* component_at(const Value& config, std::string_view side, std::string_view part) {
  const Value* model = config.find("model");
  const Value* of = model ? model->find(side) : nullptr;
  const Value* found = of ? of->find(part) : nullptr;
  return found && found->is_object() && found->find("use") ? found : nullptr;
}

/// The graph builders of one config.
class Builders {
 public:
  explicit Builders(const Value& config) : host_(search_paths(config)), config_(config) {
    scene_ = make<GraphBuilder>("image", "graph");
    sentence_ = make<GraphBuilder>("text", "graph");
    detector_ = make<Detector>("image", "detector");
  }

  bool of_images() const { return static_cast<bool>(scene_); }
  bool of_captions() const { return static_cast<bool>(sentence_); }

  std::vector<Object> objects(const ReportedSplit& split, const ImageRecord& record, const Image& image) const {
    const auto on_disk = [](const ImageRecord& of) { return !of.detections.empty(); };
    if (std::any_of(split.split->images.begin(), split.split->images.end(), on_disk))
      return on_disk(record) ? read_detections(record.detections) : std::vector<Object>();
    return detector_ ? detect(detector_, image.view()) : std::vector<Object>();
  }
  Graph graph(const Scene& scene) const { return build_graph(scene_, scene); }
  Graph graph(const Image& image, const std::vector<Object>& objects) const {
    return graph(Scene{image.width, image.height, objects, scene_.get().needs_pixels() ? image.view() : ImageView{}});
  }
  Graph graph(const std::string& text, const TripleTable& triples) const {
    Caption caption{text, {}, false};
    if (const auto found = triples.find(text); found != triples.end())
      caption.triples = found->second, caption.has_triples = true;
    return build_graph(sentence_, caption);
  }

 private:
  static PluginHost::Options search_paths(const Value& config) {
    PluginHost::Options out;
    if (const Value* paths = config.find("plugin_paths"); paths && paths->is_list())
      for (const Value& path : paths->as_list()) out.search_paths.emplace_back(path.as_string());
    return out;
  }

  template <class I>
  Hosted<I> make(std::string_view side, std::string_view part) {
    const Value* component = component_at(config_, side, part);
    if (!component) return {};
    const std::string& id = component->at("use").as_string();
    const std::string pointer = fmt::format("/model/{}/{}", side, part);
    try {
      host_.find(I::kind, id);
    } catch (const InputError&) {
      // It lies in a plugin of another name. Not loaded before it must be: the config's plugins include LibTorch's.
      for (const Value& plugin : config_.at("plugins").as_list()) host_.load(plugin.as_string());
    }
    return create<I>(host_, id, own_params(*component), nullptr, pointer);
  }

  PluginHost host_;
  const Value& config_;
  Hosted<GraphBuilder> scene_, sentence_;
  Hosted<Detector> detector_;
};

/// "sog on regions; erg"
std::string described(const Value& config) {
  const auto use = [&](std::string_view side, std::string_view part) {
    const Value* component = component_at(config, side, part);
    return component ? component->at("use").as_string() : std::string();
  };
  std::string out = use("image", "graph");
  if (const std::string detector = use("image", "detector"); !out.empty() && !detector.empty())
    out += " on " + detector;
  if (const std::string text = use("text", "graph"); !text.empty()) out += (out.empty() ? "" : "; ") + text;
  return out;
}

/// Variants that build the same graphs, and a config of theirs.
struct SameGraphs {
  std::string key;
  const Value* config = nullptr;
  std::vector<size_t> variants;
};

std::vector<SameGraphs> groups_of(const ReportData& data) {
  std::vector<SameGraphs> groups;
  for (size_t v = 0; v < data.variants.size(); ++v)
    for (const ReportRun& run : data.variants[v].runs) {
      if (!component_at(run.config, "image", "graph") && !component_at(run.config, "text", "graph")) continue;
      std::string key;
      for (const auto& [side, part] : {std::pair("image", "graph"), {"image", "detector"}, {"text", "graph"}}) {
        const Value* component = component_at(run.config, side, part);
        key += component ? to_json(*component, -1) : "-";
      }
      auto group = std::find_if(groups.begin(), groups.end(), [&](const SameGraphs& of) { return of.key == key; });
      if (group == groups.end()) group = groups.insert(groups.end(), {key, &run.config, {}});
      group->variants.push_back(v);
      break;
    }
  return groups;
}

/// The first relations, "house near road; ...": what a drawing shows, for those who cannot see it.
std::string in_words(const Graph& graph) {
  constexpr size_t most = 6;
  std::string out;
  for (size_t i = 0; i < std::min(most, graph.relations.size()); ++i) {
    const Relation& relation = graph.relations[i];
    out += fmt::format("{}{} {} {}", i == 0 ? "" : "; ", graph.labels[static_cast<size_t>(relation.source)],
                       relation.name, graph.labels[static_cast<size_t>(relation.target)]);
  }
  return graph.relations.size() > most ? out + "; and so on" : out;
}

/// False where the image has no objects.
bool draw_image(const Builders& builders, const ReportedSplit& split, GraphDrawing& out) {
  const ImageRecord& record = split.split->images[static_cast<size_t>(out.image)];
  const Image image = decode_image(record.file);
  const Graph graph = builders.graph(image, builders.objects(split, record, image));
  out.objects = graph.size();
  const auto build = [&](const Scene& other) { return builders.graph(other); };
  const std::vector<Object> boxes = node_boxes(build, graph, image.width, image.height);
  GraphPicture picture = boxes.empty() ? draw_graph(record.name, graph) : draw_graph(image.view(), graph, boxes);
  out.image_jpeg = jpeg_base64(shrunk(std::move(picture.image), drawing_width).view(), drawing_bytes);
  out.image_relations = in_words(graph);
  return graph.size() > 0;
}

/// False where the caption has no entities.
bool draw_caption(const Builders& builders, const ReportedSplit& split, GraphDrawing& out) {
  const std::string& text = split.split->captions[static_cast<size_t>(out.caption)].text;
  const Graph graph = builders.graph(text, split.dataset->triples);
  out.entities = graph.size();
  GraphPicture picture = draw_graph(text, graph);
  out.caption_jpeg = jpeg_base64(shrunk(std::move(picture.image), drawing_width).view(), drawing_bytes);
  out.caption_relations = in_words(graph);
  return graph.size() > 0;
}

/// The drawing of one caption and its image, or nothing where a graph is empty.
std::optional<GraphDrawing> draw(const Builders& builders, const ReportedSplit& split, int64_t caption) {
  GraphDrawing out;
  out.caption = caption;
  out.image = split.caption_image[static_cast<size_t>(caption)];
  if (builders.of_images() && !draw_image(builders, split, out)) return std::nullopt;
  if (builders.of_captions() && !draw_caption(builders, split, out)) return std::nullopt;
  return out;
}

}  // namespace

std::string jpeg_base64(const ImageView& image, size_t most_bytes) {
  const cv::Mat rgb(static_cast<int>(image.height), static_cast<int>(image.width), CV_8UC3,
                    const_cast<uint8_t*>(image.data), static_cast<size_t>(image.stride));
  cv::Mat bgr;
  cv::cvtColor(rgb, bgr, cv::COLOR_RGB2BGR);
  std::vector<uint8_t> bytes;
  for (const int quality : {72, 50, 30, 15, 5}) {
    if (!cv::imencode(".jpg", bgr, bytes, {cv::IMWRITE_JPEG_QUALITY, quality, cv::IMWRITE_JPEG_OPTIMIZE, 1}))
      throw Error("a picture could not be encoded as JPEG");
    if (bytes.size() <= most_bytes) break;
  }
  return base64(bytes);
}

std::string thumbnail(const fs::path& file, int64_t side) {
  return jpeg_base64(shrunk(decode_image(file), side).view(), thumbnail_bytes);
}

GraphDrawings draw_graphs(const ReportData& data, const ReportedSplit& split, const std::vector<int64_t>& captions) {
  GraphDrawings out;
  if (!split.split) return out;
  std::vector<SameGraphs> groups = groups_of(data);
  for (size_t g = 0; g < groups.size(); ++g) {
    const std::string& name = data.variants[groups[g].variants.front()].name;
    if (g >= most_builders) {
      out.missing.push_back(fmt::format("{}: builds its graphs in yet another way; {} are shown", name, most_builders));
      continue;
    }
    try {
      const Builders builders(*groups[g].config);
      size_t drawn = 0;
      for (size_t i = 0; i < captions.size() && drawn < drawings_of_a_builder; ++i) {
        std::optional<GraphDrawing> drawing = draw(builders, split, captions[i]);
        if (!drawing) continue;
        drawing->variants = groups[g].variants;
        drawing->builders = described(*groups[g].config);
        out.drawings.push_back(std::move(*drawing));
        ++drawn;
      }
      if (drawn == 0) out.missing.push_back(fmt::format("{}: the graphs looked at are empty", name));
    } catch (const Error& error) {
      out.missing.push_back(fmt::format("{}: {}", name, error.what()));
    }
  }
  return out;
}

}  // namespace orbweaver
