#include "framework/data/stats.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cctype>
#include <cstdint>
#include <map>
#include <set>
#include <vector>

#include "framework/data/image.h"
#include "framework/data/prefetch.h"
#include "orbweaver/error.h"

namespace orbweaver {
namespace {

std::vector<std::string> words_of(const std::string& text) {
  std::vector<std::string> words(1);
  for (const char c : text) {
    const auto byte = static_cast<unsigned char>(c);
    // Bytes beyond ASCII are parts of letters.
    if (std::isalnum(byte) || c == '\'' || byte >= 0x80)
      words.back() += static_cast<char>(std::tolower(byte));
    else if (!words.back().empty())
      words.emplace_back();
  }
  if (words.back().empty()) words.pop_back();
  return words;
}

/// Least, mean, median and greatest.
Value summary(std::vector<int64_t> values) {
  if (values.empty()) return {};
  std::sort(values.begin(), values.end());
  double sum = 0;
  for (const int64_t value : values) sum += static_cast<double>(value);
  Value out;
  out["min"] = values.front();
  out["mean"] = sum / static_cast<double>(values.size());
  out["median"] = values[values.size() / 2];
  out["max"] = values.back();
  return out;
}

/// {name: count}, most frequent first, at most `most` of them.
Value ranking(const std::map<std::string, int64_t>& counts, size_t most = SIZE_MAX) {
  std::vector<std::pair<std::string, int64_t>> list(counts.begin(), counts.end());
  std::stable_sort(list.begin(), list.end(), [](const auto& a, const auto& b) { return a.second > b.second; });
  if (list.size() > most) list.resize(most);
  Value out = Value::object();
  for (const auto& [name, count] : list) out.as_object().emplace_back(name, count);
  return out;
}

Value caption_figures(const Split& split) {
  std::vector<int64_t> lengths, per_image(split.images.size());
  std::set<std::string> distinct;
  for (const CaptionRecord& caption : split.captions) {
    lengths.push_back(static_cast<int64_t>(words_of(caption.text).size()));
    distinct.insert(caption.text);
    ++per_image[static_cast<size_t>(caption.image)];
  }
  Value out;
  out["captions"] = static_cast<int64_t>(split.captions.size());
  out["distinct_captions"] = static_cast<int64_t>(distinct.size());
  out["captions_per_image"] = summary(per_image);
  out["caption_words"] = summary(lengths);
  return out;
}

Value object_figures(const Split& split) {
  std::vector<int64_t> per_image;
  std::map<std::string, int64_t> labels;
  for (const ImageRecord& image : split.images) {
    if (image.detections.empty()) continue;
    const std::vector<Object> objects = read_detections(image.detections);
    per_image.push_back(static_cast<int64_t>(objects.size()));
    for (const Object& object : objects) ++labels[object.label];
  }
  if (per_image.empty()) return {};
  Value out;
  out["images_with_detections"] = static_cast<int64_t>(per_image.size());
  out["objects_per_image"] = summary(per_image);
  out["labels"] = ranking(labels);
  return out;
}

Value triple_figures(const Split& split, const TripleTable& table) {
  if (table.empty()) return {};
  int64_t covered = 0;
  std::vector<int64_t> per_caption;
  for (const CaptionRecord& caption : split.captions) {
    const auto found = table.find(caption.text);
    if (found == table.end()) continue;
    ++covered;
    per_caption.push_back(static_cast<int64_t>(found->second.size()));
  }
  Value out;
  out["captions_with_triples"] = covered;
  out["triples_per_caption"] = summary(per_caption);
  return out;
}

/// Figures of the graphs of captions, each as often as its caption stands in the split.
class GraphFigures {
 public:
  void add(const Graph& graph) {
    with_entities_ += graph.size() > 0;
    entities_.push_back(graph.size());
    relations_.push_back(static_cast<int64_t>(graph.relations.size()));
    for (const std::string& label : graph.labels) ++labels_[label];
    for (const Relation& relation : graph.relations) {
      ++names_[relation.name];
      if (relation.name != "other") continue;
      const auto label = [&](int64_t node) { return graph.labels[static_cast<size_t>(node)]; };
      ++other_pairs_[label(relation.source) + " -> " + label(relation.target)];
    }
  }

  Value value() const {
    const auto captions = static_cast<int64_t>(entities_.size());
    int64_t relations = 0;
    for (const int64_t count : relations_) relations += count;
    const auto other = names_.find("other");
    Value out;
    out["captions_with_entities"] = with_entities_;
    out["share_with_entities"] = share(with_entities_, captions);
    out["entities_per_caption"] = summary(entities_);
    out["relations_per_caption"] = summary(relations_);
    out["share_other"] = share(other == names_.end() ? 0 : other->second, relations);
    out["other_pairs"] = ranking(other_pairs_, 10);
    out["relations"] = ranking(names_);
    out["distinct_labels"] = static_cast<int64_t>(labels_.size());
    out["labels"] = ranking(labels_, 50);
    return out;
  }

 private:
  /// Null of nothing.
  static Value share(int64_t part, int64_t whole) {
    return whole > 0 ? Value(static_cast<double>(part) / static_cast<double>(whole)) : Value();
  }

  int64_t with_entities_ = 0;
  std::vector<int64_t> entities_, relations_;
  std::map<std::string, int64_t> labels_, names_, other_pairs_;
};

Caption caption_of(const std::string& text, const TripleTable& table) {
  const auto found = table.find(text);
  if (found == table.end()) return {text, {}, false};
  return {text, found->second, true};
}

/// Sizes by frequency ("224 x 224": 1093) and the number of images without one.
class ImageSizes {
 public:
  void add(int64_t width, int64_t height) {
    if (width == 0)
      ++unusable_;
    else
      ++sizes_[fmt::format("{} x {}", width, height)];
  }
  Value value() const {
    Value out;
    out["sizes"] = ranking(sizes_);
    out["missing_or_broken"] = unusable_;
    return out;
  }

 private:
  std::map<std::string, int64_t> sizes_;
  int64_t unusable_ = 0;
};

ImageSizes size_figures(const Split& split, int threads, const std::function<void(int64_t)>& progress) {
  using Size = std::pair<int64_t, int64_t>;
  const auto measure = [&](int64_t i) -> Size {
    try {
      const Image image = decode_image(split.images[static_cast<size_t>(i)].file);
      return {image.width, image.height};
    } catch (const InputError&) {
      return {0, 0};
    }
  };
  ImageSizes sizes;
  const auto total = static_cast<int64_t>(split.images.size());
  QuietDecoders quiet;
  OrderedPrefetch<Size> results(total, measure, threads, 64);
  for (int64_t i = 0; i < total; ++i) {
    const auto size = results.next();
    sizes.add(size->first, size->second);
    if (progress) quiet.aloud([&] { progress(i + 1); });
  }
  return sizes;
}

Value vocabulary_figures(const Split& split) {
  std::map<std::string, int64_t> counts;
  for (const CaptionRecord& caption : split.captions)
    for (const std::string& word : words_of(caption.text)) ++counts[word];
  Value out;
  out["words"] = static_cast<int64_t>(counts.size());
  out["words_seen_5_times"] =
      static_cast<int64_t>(std::count_if(counts.begin(), counts.end(), [](const auto& c) { return c.second >= 5; }));
  out["most_frequent"] = ranking(counts, 20);
  return out;
}

void append(Value& entry, const Value& members) {
  for (const auto& [key, value] : members.as_object()) entry[key] = value;
}

std::string range_text(const Value& summary) {
  return fmt::format("{} to {}, mean {:.2f}, median {}", summary.at("min").as_int(), summary.at("max").as_int(),
                     summary.at("mean").as_double(), summary.at("median").as_int());
}

/// @param rest  whether to say how many more there are
std::string top_text(const Value& counts, size_t most, bool rest = true) {
  std::string text;
  for (size_t i = 0; i < std::min(most, counts.as_object().size()); ++i)
    text += fmt::format("{}{} ({})", i ? ", " : "", counts.as_object()[i].first, counts.as_object()[i].second.as_int());
  if (rest && counts.as_object().size() > most) text += fmt::format(", and {} more", counts.as_object().size() - most);
  return text;
}

std::string graphs_text(const Value& graphs) {
  std::string text =
      fmt::format("  caption entities    {}; {:.1f}% of captions have one\n",
                  range_text(graphs.at("entities_per_caption")), 100 * graphs.at("share_with_entities").as_double());
  text += fmt::format("  caption labels      {} distinct{}\n", graphs.at("distinct_labels").as_int(),
                      graphs.at("labels").as_object().empty() ? "" : ": " + top_text(graphs.at("labels"), 15, false));
  text += fmt::format("  caption relations   {}\n", range_text(graphs.at("relations_per_caption")));
  if (graphs.at("relations").as_object().empty()) return text;
  text += fmt::format("  relation names      {}\n", top_text(graphs.at("relations"), 20));
  text += fmt::format("  called \"other\"      {:.1f}% of relations\n", 100 * graphs.at("share_other").as_double());
  if (!graphs.at("other_pairs").as_object().empty())
    text += fmt::format("  most often between  {}\n", top_text(graphs.at("other_pairs"), 10));
  return text;
}

std::string split_text(const std::string& name, const Value& split) {
  std::string text =
      fmt::format("{}: {} images, {} captions\n", name, split.at("images").as_int(), split.at("captions").as_int());
  if (split.at("captions").as_int() > 0) {
    text += fmt::format("  captions per image  {}\n", range_text(split.at("captions_per_image")));
    text += fmt::format("  caption words       {}\n", range_text(split.at("caption_words")));
    text += fmt::format("  distinct captions   {}\n", split.at("distinct_captions").as_int());
  }
  if (!split.at("sizes").as_object().empty())
    text += fmt::format("  image sizes         {}\n", top_text(split.at("sizes"), 5));
  if (const int64_t lost = split.at("missing_or_broken").as_int())
    text += fmt::format("  missing or broken   {}\n", lost);
  if (const Value& objects = split.at("objects"); !objects.is_null()) {
    text += fmt::format("  objects per image   {} ({} images with detections)\n",
                        range_text(objects.at("objects_per_image")), objects.at("images_with_detections").as_int());
    text += fmt::format("  labels              {}\n", top_text(objects.at("labels"), 20));
  }
  if (const Value& triples = split.at("triples"); !triples.is_null()) {
    text += fmt::format("  triples             {} captions", triples.at("captions_with_triples").as_int());
    if (!triples.at("triples_per_caption").is_null())
      text += ", per caption " + range_text(triples.at("triples_per_caption"));
    text += "\n";
  }
  if (const Value* graphs = split.find("graphs"); graphs && split.at("captions").as_int() > 0)
    text += graphs_text(*graphs);
  return text;
}

}  // namespace

Value dataset_stats(const Dataset& dataset, int threads, const ProgressFunction& progress) {
  Value out;
  out["name"] = dataset.name;
  out["validation"] = dataset.val_source;
  int64_t done_before = 0;
  const auto total =
      static_cast<int64_t>(dataset.train.images.size() + dataset.val.images.size() + dataset.test.images.size());
  for (const Split* split : {&dataset.train, &dataset.val, &dataset.test}) {
    Value entry;
    entry["images"] = static_cast<int64_t>(split->images.size());
    append(entry, caption_figures(*split));
    const auto report = [&](int64_t done) { progress(done_before + done, total); };
    const ImageSizes sizes = size_figures(*split, threads, progress ? std::function<void(int64_t)>(report) : nullptr);
    append(entry, sizes.value());
    entry["objects"] = object_figures(*split);
    entry["triples"] = triple_figures(*split, dataset.triples);
    entry["hash"] = split->hash();
    out["splits"][split->name] = std::move(entry);
    done_before += static_cast<int64_t>(split->images.size());
  }
  out["vocabulary"] = vocabulary_figures(dataset.train);
  return out;
}

void add_graph_stats(Value& stats, const Dataset& dataset, const std::string& builder, const CaptionGraph& build,
                     const ProgressFunction& progress) {
  stats["graph_builder"] = builder;
  const std::array splits{&dataset.train, &dataset.val, &dataset.test};
  int64_t done = 0, total = 0;
  for (const Split* split : splits) total += static_cast<int64_t>(split->captions.size());
  for (const Split* split : splits) {
    GraphFigures figures;
    for (const CaptionRecord& caption : split->captions) {
      figures.add(build(caption_of(caption.text, dataset.triples)));
      if (progress) progress(++done, total);
    }
    stats["splits"][split->name]["graphs"] = figures.value();
  }
}

std::string stats_text(const Value& stats) {
  std::string text =
      fmt::format("{}, validation split {}\n", stats.at("name").as_string(), stats.at("validation").as_string());
  if (const Value* builder = stats.find("graph_builder"))
    text += fmt::format("graphs of captions by {}\n", builder->as_string());
  for (const auto& [name, split] : stats.at("splits").as_object()) text += split_text(name, split);
  const Value& vocabulary = stats.at("vocabulary");
  text += fmt::format("vocabulary of train: {} words, {} of them seen 5 times or more\n",
                      vocabulary.at("words").as_int(), vocabulary.at("words_seen_5_times").as_int());
  if (!vocabulary.at("most_frequent").as_object().empty())
    text += fmt::format("  {}\n", top_text(vocabulary.at("most_frequent"), 10));
  return text;
}

}  // namespace orbweaver
