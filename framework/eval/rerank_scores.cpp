#include "framework/eval/rerank_scores.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <optional>

#include "framework/eval/candidates.h"
#include "framework/io/files.h"
#include "framework/io/json.h"
#include "framework/io/npy.h"
#include "framework/plugin/hosted.h"
#include "orbweaver/params.h"
#include "orbweaver/ranking.h"

namespace orbweaver {
namespace {

namespace fs = std::filesystem;

Scores view_of(const NpyMatrix& matrix) {
  return std::visit([](const auto& of) -> Scores { return of.view(); }, matrix);
}

NpyMatrix read_scores(const fs::path& file) {
  NpyMatrix matrix = read_npy(file);
  const Scores scores = view_of(matrix);
  if (query_count(scores) == 0 || gallery_count(scores) == 0)
    throw InputError(fmt::format("{}: a matrix of {} x {}, expected at least one row and one column", file.string(),
                                 query_count(scores), gallery_count(scores)));
  try {
    require_finite(scores);
  } catch (const InputError& error) {
    throw InputError(fmt::format("{}: {} (query: row, gallery item: column)", file.string(), error.what()));
  }
  return matrix;
}

/// One --set argument.
struct Setting {
  std::string text, id, name;
  Value value;
  bool used = false;
};

Setting parse_setting(const std::string& text) {
  const size_t equals = text.find('=');
  if (equals == std::string::npos || equals == 0)
    throw InputError(fmt::format("--set {}: expected NAME=VALUE or RERANKER.NAME=VALUE", text));
  Setting setting{text, "", text.substr(0, equals), {}};
  if (const size_t dot = setting.name.find('.'); dot != std::string::npos) {
    setting.id = setting.name.substr(0, dot);
    setting.name = setting.name.substr(dot + 1);
  }
  const std::string value = text.substr(equals + 1);
  try {
    setting.value = parse_json(value, "--set");
  } catch (const InputError&) {
    setting.value = Value(value);  // a bare word is a string, as everywhere in configs
  }
  return setting;
}

struct Use {
  std::string id;
  Value params = Value::object();
};

Use parse_use(const std::string& text) {
  if (!text.starts_with('{')) return {text};
  Use use;
  use.params = parse_json(text, "--use");
  const Value* id = use.params.find("use");
  if (!id || !id->is_string()) throw InputError(fmt::format("--use {}: expected an object with \"use\": \"ID\"", text));
  use.id = id->as_string();
  use.params.erase("use");
  return use;
}

std::vector<Use> parse_uses(const RerankScoresOptions& options) {
  std::vector<Use> uses;
  for (const std::string& text : options.use) uses.push_back(parse_use(text));
  std::vector<Setting> settings;
  for (const std::string& text : options.set) settings.push_back(parse_setting(text));
  for (Setting& setting : settings) {
    for (Use& use : uses) {
      if (!setting.id.empty() && setting.id != use.id) continue;
      use.params[setting.name] = setting.value;
      setting.used = true;
    }
    if (!setting.used)
      throw InputError(
          fmt::format("--set {}: no reranker \"{}\" is in use; name it with --use", setting.text, setting.id));
  }
  return uses;
}

EvaluatedReranker open_reranker(PluginHost& host, const Use& use) {
  const auto hosted = create<Reranker>(host, use.id, use.params, nullptr, "--use " + use.id);
  if (hosted.get().needs().query_bank)
    throw InputError(
        fmt::format("--use {}: reads scores of training queries, which a saved matrix does not hold; name it as "
                    "\"rerank\" of a config and use orbweaver eval",
                    use.id));
  return {use.id, with_defaults(host.find(Reranker::kind, use.id).parameters, use.params), hosted.get().transductive(),
          [hosted](const RerankInput& input) { return rerank(hosted, input); }};
}

std::vector<int64_t> grouped_captions(const RerankScoresOptions& options, int64_t images, int64_t texts) {
  const int64_t group = options.captions_per_image;
  const std::string found = fmt::format("{}: {} rows and {} columns with {} captions per image",
                                        options.scores.string(), images, texts, group);
  // Divided rather than multiplied: the option may be any number.
  if (texts % group == 0 && texts / group == images) {
    std::vector<int64_t> caption_image(static_cast<size_t>(texts));
    for (int64_t text = 0; text < texts; ++text) caption_image[static_cast<size_t>(text)] = text / group;
    return caption_image;
  }
  if (images % group == 0 && images / group == texts)
    throw InputError(found +
                     "; rows must be images and columns captions: save the transposed matrix, np.save(path, scores.T)");
  throw InputError(
      fmt::format("{}, expected {} columns{}", found, images > INT64_MAX / group ? INT64_MAX : images * group,
                  texts % images == 0 ? fmt::format("; {} captions per image would fit", texts / images) : ""));
}

std::vector<int64_t> listed_captions(const fs::path& file, int64_t images, int64_t texts) {
  std::vector<int64_t> caption_image;
  for (const std::string& line : read_lines(file)) {
    int64_t image = -1;
    const auto [end, error] = std::from_chars(line.data(), line.data() + line.size(), image);
    if (error != std::errc() || end != line.data() + line.size() || image < 0 || image >= images)
      throw InputError(fmt::format("{}:{}: \"{}\", expected the 0-based row of an image, below {}", file.string(),
                                   caption_image.size() + 1, line, images));
    caption_image.push_back(image);
  }
  if (static_cast<int64_t>(caption_image.size()) != texts)
    throw InputError(fmt::format("{}: {} lines, expected {}, one for each column of the scores", file.string(),
                                 caption_image.size(), texts));
  std::vector<bool> seen(static_cast<size_t>(images));
  for (const int64_t image : caption_image) seen[static_cast<size_t>(image)] = true;
  if (const auto none = std::find(seen.begin(), seen.end(), false); none != seen.end())
    throw InputError(fmt::format("{}: image {} has no caption, so that it has no rank; leave its row out",
                                 file.string(), none - seen.begin()));
  return caption_image;
}

std::vector<int64_t> read_text_ids(const fs::path& file, int64_t texts) {
  const std::vector<std::string> lines = read_lines(file);
  if (static_cast<int64_t>(lines.size()) != texts)
    throw InputError(fmt::format("{}: {} lines, expected {}, one caption for each column of the scores", file.string(),
                                 lines.size(), texts));
  return text_ids_of(lines);
}

void append_lists(std::string& out, const EvaluatedReranker& reranker, const char* direction, const Rankings& rankings,
                  int64_t top) {
  for (int64_t query = 0; query < rankings.query_count(); ++query) {
    const auto items = rankings.items_of(query);
    const size_t count = top > 0 ? std::min(items.size(), static_cast<size_t>(top)) : items.size();
    const auto scores = rankings.scores_of(query).first(count);
    Value line = Value::object();
    line["reranker"] = reranker.id;
    line["direction"] = direction;
    line["query"] = query;
    line["items"] = Value(Value::List(items.begin(), items.begin() + static_cast<std::ptrdiff_t>(count)));
    line["scores"] = Value(Value::List(scores.begin(), scores.end()));
    out += to_json(line, -1) + "\n";
  }
}

Value plugins_value(const PluginHost& host) {
  Value list = Value::list();
  for (const LoadedPlugin* plugin : host.plugins())
    list.push_back(Value(
        Value::Object{{"name", plugin->manifest.name}, {"version", plugin->manifest.version}, {"hash", plugin->hash}}));
  return list;
}

}  // namespace

RerankScoresResult rerank_scores(const RerankScoresOptions& options) {
  if (options.captions_per_image < 0)
    throw InputError(fmt::format("--captions-per-image {}: expected at least 1", options.captions_per_image));
  if (options.captions_per_image > 0 && !options.caption_image.empty())
    throw InputError("--captions-per-image and --caption-image say the same thing twice; give one of them");
  PluginHost::Options host_options;
  for (const fs::path& folder : options.plugin_folders) {
    if (!fs::is_directory(folder)) throw InputError(fmt::format("--plugin-path {}: is no folder", folder.string()));
    host_options.search_paths.push_back(fs::absolute(folder));
  }
  PluginHost host(std::move(host_options));
  std::vector<EvaluatedReranker> rerankers;
  for (const Use& use : parse_uses(options)) rerankers.push_back(open_reranker(host, use));

  const NpyMatrix matrix = read_scores(options.scores);
  const Scores i2t = view_of(matrix);
  const int64_t images = query_count(i2t), texts = gallery_count(i2t);
  std::optional<NpyMatrix> own_t2i;
  if (!options.t2i.empty()) own_t2i = read_scores(options.t2i);
  const Scores t2i = own_t2i ? view_of(*own_t2i) : transposed(i2t);
  if (query_count(t2i) != texts || gallery_count(t2i) != images)
    throw InputError(fmt::format("{}: {} x {}, expected {} x {} (captions x images)", options.t2i.string(),
                                 query_count(t2i), gallery_count(t2i), texts, images));

  std::vector<int64_t> caption_image;
  if (options.captions_per_image > 0) caption_image = grouped_captions(options, images, texts);
  if (!options.caption_image.empty()) caption_image = listed_captions(options.caption_image, images, texts);
  if (caption_image.empty() && !options.texts.empty())
    throw InputError("--texts adds rows to an evaluation; give --captions-per-image or --caption-image too");

  RerankScoresResult result;
  if (options.lists)
    for (EvaluatedReranker& reranker : rerankers) {
      Rankings rankings = reranker.rerank({i2t, {}});
      append_lists(result.lists, reranker, "i2t", rankings, options.top);
      append_lists(result.lists, reranker, "t2i", reranker.rerank({t2i, {}}), options.top);
    }
  result.record["scores"] = fs::absolute(options.scores).string();
  result.record["scores_hash"] = hash_file(options.scores);
  result.record["dtype"] = i2t.index() == 0 ? "float32" : "float64";
  result.record["images"] = images;
  result.record["captions"] = texts;
  result.record["plugins"] = plugins_value(host);
  if (caption_image.empty()) return result;

  std::vector<int64_t> text_ids;
  if (!options.texts.empty()) {
    text_ids = read_text_ids(options.texts, texts);
    result.record["distinct_texts"] = 1 + *std::max_element(text_ids.begin(), text_ids.end());
  }
  EvaluationInput input;
  input.i2t = i2t;
  input.t2i = t2i;
  input.caption_image = caption_image;
  input.text_ids = text_ids;
  input.rerankers = std::move(rerankers);
  result.rows = evaluate(input);
  result.record["rows"] = to_value(result.rows);
  return result;
}

}  // namespace orbweaver
