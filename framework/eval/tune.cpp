#include "framework/eval/tune.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <numeric>
#include <random>
#include <set>

#include "framework/eval/metrics.h"
#include "framework/eval/rerank_scores.h"
#include "orbweaver/error.h"

namespace orbweaver {
namespace {

constexpr int64_t most_points = int64_t{1} << 62;

const NamedReranker& only_reranker(const std::vector<NamedReranker>& named, const char* option) {
  if (named.size() != 1)
    throw InputError(fmt::format("{} takes one reranker; {} are named with --use", option, named.size()));
  return named.front();
}

/// Metrics of one reranker on one pair of matrices, setting by setting.
class Trials {
 public:
  Trials(const SavedScoresOptions& scores, const RerankerOptions& rerankers, const char* option)
      : host_(open_plugins(rerankers)),
        named_(only_reranker(named_rerankers(rerankers), option)),
        set_(open_reranker(host_, named_)),
        scores_(scores) {
    if (!scores_.grouped())
      throw InputError(fmt::format(
          "{} needs to know whose captions the columns are: give --captions-per-image N or --caption-image FILE",
          option));
    require_bank(set_, scores_);
    input_ = scores_.evaluation_input();
    input_.text_ids = {};
    relevance_ = relevance(input_.caption_image, scores_.images());
    const std::vector<EvaluationRow> rows = evaluate(input_);
    plain_ = rows.front().metrics;
    identity_ = rows.back().metrics;
  }

  const NamedReranker& named() const { return named_; }
  /// The parameters as set, defaults filled in.
  const Value& parameters() const { return set_.parameters; }
  const Schema& schema() { return host_.find(Reranker::kind, named_.id).parameters; }
  const RetrievalMetrics& plain() const { return plain_; }
  const RetrievalMetrics& identity() const { return identity_; }
  RetrievalMetrics as_set() const { return reranked_metrics(input_, relevance_, set_); }

  /// With the values of `point` in place of those that are set.
  RetrievalMetrics at(const Value& point) {
    NamedReranker changed = named_;
    for (const auto& [name, value] : point.as_object()) changed.params[name] = value;
    return reranked_metrics(input_, relevance_, open_reranker(host_, changed));
  }

  Value record() const {
    Value record = scores_.record();
    record["plugins"] = plugins_record(host_);
    record["reranker"] = named_.id;
    record["set"] = set_.parameters;
    record["none"] = to_value(plain_);
    record["identity"] = to_value(identity_);
    return record;
  }
  const SavedScores& scores() const { return scores_; }

 private:
  PluginHost host_;
  NamedReranker named_;
  EvaluatedReranker set_;
  SavedScores scores_;
  EvaluationInput input_;
  TwoWayRelevance relevance_;
  RetrievalMetrics plain_, identity_;
};

std::vector<Value> parse_values(const std::string& text) {
  if (text.starts_with('['))
    if (const Value list = read_setting(text); list.is_list()) return list.as_list();
  std::vector<Value> values;
  for (size_t begin = 0; begin <= text.size();) {
    const size_t end = std::min(text.find(',', begin), text.size());
    values.push_back(read_setting(text.substr(begin, end - begin)));
    begin = end + 1;
  }
  return values;
}

const Field& field_of(const Schema& schema, const std::string& name, const std::string& where) {
  if (const Field* field = schema.find(name)) return *field;
  std::vector<std::string> known;
  for (const Field& field : schema.fields) known.push_back(field.name);
  const std::string near = nearest_name(name, known);
  throw InputError(fmt::format(
      "{}: there is no parameter \"{}\"; {}", where, name,
      near.empty() ? fmt::format("known are {}", fmt::join(known, ", ")) : fmt::format("did you mean \"{}\"?", near)));
}

Value to_value(const Grid& grid) {
  Value value = Value::object();
  for (const GridAxis& axis : grid) value[axis.name] = Value(axis.values);
  return value;
}

std::string cells(const RetrievalMetrics& of) {
  return fmt::format("{:>6.2f} {:>6.2f} {:>6.2f}  {:>6.2f} {:>6.2f} {:>6.2f}  {:>6.2f}", of.i2t.r1, of.i2t.r5,
                     of.i2t.r10, of.t2i.r1, of.t2i.r5, of.t2i.r10, of.mean_recall());
}

std::string header(const std::string& first, size_t width) {
  return fmt::format("{:{}}  {:20}  {:20}\n{:{}}  {:>6} {:>6} {:>6}  {:>6} {:>6} {:>6}  {:>6}\n", "", width,
                     "image to text", "text to image", first, width, "R@1", "R@5", "R@10", "R@1", "R@5", "R@10", "mR");
}

Value fragment_of(const TuneOptions& options, const TuneResult& result, const Value& parameters, const Value& record) {
  Value tuning = Value::object();
  for (const char* key : {"scores", "scores_hash", "images", "captions", "image_bank", "text_bank", "plugins"})
    if (const Value* value = record.find(key)) tuning[key] = *value;
  tuning["objective"] = "strict mR";
  tuning["grid"] = to_value(result.grid);
  tuning["grid_points"] = grid_size(result.grid);
  tuning["tried"] = static_cast<int64_t>(result.tried.size());
  tuning["seed"] = options.seed;
  tuning["mR"] = Value(Value::Object{{"none", result.plain.mean_recall()},
                                     {"identity", result.identity.mean_recall()},
                                     {"as_set", result.as_set.mean_recall()},
                                     {"best", result.tried[result.best].metrics.mean_recall()}});
  Value fragment;
  Value& rerank = fragment["rerank"];
  rerank["use"] = result.reranker;
  for (const auto& [name, value] : parameters.as_object()) rerank[name] = value;
  for (const auto& [name, value] : result.tried[result.best].point.as_object()) rerank[name] = value;
  tuning["found"] = rerank;
  tuning["found"].erase("use");
  rerank["tuning"] = std::move(tuning);
  return fragment;
}

/// Equal, 5 and 5.0 included.
bool same(const Value& a, const Value& b) {
  return a.is_number() && b.is_number() ? a.as_double() == b.as_double() : a == b;
}

/// The values of a curve with the set one among them.
std::vector<Value> curve_values(std::vector<Value> values, const Value& set) {
  if (std::none_of(values.begin(), values.end(), [&](const Value& value) { return same(value, set); }))
    values.push_back(set);
  const auto number = [](const Value& value) { return value.is_number(); };
  // Null (no limit) and words keep their places behind the numbers.
  const auto words = std::stable_partition(values.begin(), values.end(), number);
  std::stable_sort(values.begin(), words, [](const Value& a, const Value& b) { return a.as_double() < b.as_double(); });
  return values;
}

}  // namespace

Grid parse_grid(const Schema& schema, const std::vector<std::string>& texts) {
  Grid grid;
  for (const std::string& text : texts) {
    const size_t equals = text.find('=');
    if (equals == std::string::npos || equals == 0)
      throw InputError(fmt::format("--grid {}: expected NAME=VALUE,VALUE,...", text));
    GridAxis axis{text.substr(0, equals), parse_values(text.substr(equals + 1))};
    field_of(schema, axis.name, "--grid " + text);
    for (const Value& value : axis.values)
      for (const Problem& problem : validate(schema, Value(Value::Object{{axis.name, value}}), "", false))
        throw InputError(fmt::format("--grid {}: {} {}", text, axis.name, problem.message));
    for (const GridAxis& other : grid)
      if (other.name == axis.name) throw InputError(fmt::format("--grid {}: {} has a grid already", text, axis.name));
    grid.push_back(std::move(axis));
  }
  return grid;
}

Grid hinted_grid(const Schema& schema, const Value& set) {
  Grid grid;
  for (const Field& field : schema.fields)
    if (!field.tune.empty() && !set.find(field.name)) grid.push_back({field.name, field.tune});
  return grid;
}

int64_t grid_size(const Grid& grid) {
  int64_t size = 1;
  for (const GridAxis& axis : grid) {
    const int64_t values = static_cast<int64_t>(axis.values.size());
    if (values > 0 && size > most_points / values) return most_points;
    size *= values;
  }
  return size;
}

Value grid_point(const Grid& grid, int64_t number) {
  Value point = Value::object();
  for (const GridAxis& axis : grid) point[axis.name] = Value();
  for (auto axis = grid.rbegin(); axis != grid.rend(); ++axis) {
    const int64_t values = static_cast<int64_t>(axis->values.size());
    point[axis->name] = axis->values[static_cast<size_t>(number % values)];
    number /= values;
  }
  return point;
}

std::vector<int64_t> sample_points(int64_t size, int64_t count, uint64_t seed) {
  std::vector<int64_t> points;
  if (count >= size) {
    points.resize(static_cast<size_t>(size));
    std::iota(points.begin(), points.end(), int64_t{0});
    return points;
  }
  // Floyd's sample without replacement. The modulo's bias is below 2^-40 for any grid worth searching.
  std::mt19937_64 random(seed);
  std::set<int64_t> chosen;
  for (int64_t last = size - count; last < size; ++last) {
    const int64_t drawn = static_cast<int64_t>(random() % static_cast<uint64_t>(last + 1));
    if (!chosen.insert(drawn).second) chosen.insert(last);
  }
  return {chosen.begin(), chosen.end()};
}

TuneResult tune_reranker(const TuneOptions& options, const RunReport& report) {
  Trials trials(options, options, "--tune");
  TuneResult result;
  result.reranker = trials.named().id;
  result.grid = options.grid.empty() ? hinted_grid(trials.schema(), trials.named().params)
                                     : parse_grid(trials.schema(), options.grid);
  if (result.grid.empty())
    throw InputError(fmt::format(
        "--tune: reranker {} has no parameter left with values of its own to try; give --grid NAME=VALUE,VALUE,...",
        result.reranker));
  result.plain = trials.plain();
  result.identity = trials.identity();
  result.as_set = trials.as_set();

  const std::vector<int64_t> points = sample_points(grid_size(result.grid), options.budget, options.seed);
  for (const int64_t number : points) {
    report.stop_point();
    Value point = grid_point(result.grid, number);
    RetrievalMetrics metrics = trials.at(point);
    if (!result.tried.empty() && metrics.mean_recall() > result.tried[result.best].metrics.mean_recall())
      result.best = result.tried.size();
    result.tried.push_back({std::move(point), metrics});
    report.progress("tuning", static_cast<int64_t>(result.tried.size()), static_cast<int64_t>(points.size()),
                    "settings", fmt::format("best mR {:.2f}", result.tried[result.best].metrics.mean_recall()));
  }

  result.record = trials.record();
  result.record["as_set"] = to_value(result.as_set);
  result.record["tried"] = Value::list();
  for (const TriedPoint& tried : result.tried)
    result.record["tried"].push_back(
        Value(Value::Object{{"parameters", tried.point}, {"metrics", to_value(tried.metrics)}}));
  result.fragment = fragment_of(options, result, trials.parameters(), result.record);
  result.record["fragment"] = result.fragment;
  return result;
}

std::string format_table(const TuneResult& result, size_t best) {
  std::vector<size_t> order(result.tried.size());
  std::iota(order.begin(), order.end(), size_t{0});
  std::stable_sort(order.begin(), order.end(), [&](size_t a, size_t b) {
    return result.tried[a].metrics.mean_recall() > result.tried[b].metrics.mean_recall();
  });
  order.resize(std::min(order.size(), best));

  std::vector<std::pair<std::string, const RetrievalMetrics*>> lines{
      {"none", &result.plain}, {"identity", &result.identity}, {result.reranker + " as set", &result.as_set}};
  for (const size_t at : order)
    lines.emplace_back((at == result.best ? "best " : "     ") + brief(result.tried[at].point, 200),
                       &result.tried[at].metrics);
  size_t width = 0;
  for (const auto& [name, metrics] : lines) width = std::max(width, name.size());

  std::string table = header("", width);
  for (const auto& [name, metrics] : lines) table += fmt::format("{:{}}  {}\n", name, width, cells(*metrics));
  const int64_t size = grid_size(result.grid);
  const int64_t tried = static_cast<int64_t>(result.tried.size());
  table += tried < size ? fmt::format("{} of {} settings tried, drawn at random; ", tried, size)
                        : fmt::format("{} settings tried; ", tried);
  table += "the largest mR wins, ties counting against the model\n";
  if (result.tried[result.best].metrics.mean_recall() <= result.identity.mean_recall())
    table += "no setting gains beyond the identity row: this reranker does not help here\n";
  return table;
}

CurveResult rerank_curves(const CurveOptions& options, const RunReport& report) {
  Trials trials(options, options, "--curve");
  const Grid given = parse_grid(trials.schema(), options.grid);
  for (const GridAxis& axis : given)
    if (std::find(options.parameters.begin(), options.parameters.end(), axis.name) == options.parameters.end())
      throw InputError(fmt::format("--grid {0}: --curve does not follow {0}", axis.name));
  Grid grid;
  for (const std::string& name : options.parameters) {
    const Field& field = field_of(trials.schema(), name, "--curve");
    std::vector<Value> values = field.tune;
    for (const GridAxis& axis : given)
      if (axis.name == name) values = axis.values;
    if (values.empty())
      throw InputError(
          fmt::format("--curve {0}: nobody says which values to try; give --grid {0}=VALUE,VALUE,...", name));
    grid.push_back({name, curve_values(std::move(values), trials.parameters().at(name))});
  }

  CurveResult result;
  result.plain = trials.plain();
  result.identity = trials.identity();
  int64_t total = 0;
  for (const GridAxis& axis : grid) total += static_cast<int64_t>(axis.values.size());
  for (const GridAxis& axis : grid)
    for (const Value& value : axis.values) {
      report.stop_point();
      const RetrievalMetrics metrics = trials.at(Value(Value::Object{{axis.name, value}}));
      result.points.push_back({axis.name, value, same(value, trials.parameters().at(axis.name)), metrics});
      report.progress("curve", static_cast<int64_t>(result.points.size()), total, "settings", "");
    }
  result.record = trials.record();
  result.record["curve"] = Value::list();
  for (const CurvePoint& point : result.points)
    result.record["curve"].push_back(Value(Value::Object{{"parameter", point.parameter},
                                                         {"value", point.value},
                                                         {"as_set", point.as_set},
                                                         {"metrics", to_value(point.metrics)}}));
  return result;
}

std::string format_table(const CurveResult& result) {
  std::vector<std::pair<std::string, const RetrievalMetrics*>> lines{{"none", &result.plain},
                                                                     {"identity", &result.identity}};
  for (const CurvePoint& point : result.points)
    lines.emplace_back(fmt::format("{} = {}{}", point.parameter, brief(point.value), point.as_set ? " (set)" : ""),
                       &point.metrics);
  size_t width = 0;
  for (const auto& [name, metrics] : lines) width = std::max(width, name.size());
  std::string table = header("", width);
  for (const auto& [name, metrics] : lines) table += fmt::format("{:{}}  {}\n", name, width, cells(*metrics));
  return table;
}

std::string to_csv(const CurveResult& result) {
  std::string csv = "parameter,value,i2t_r1,i2t_r5,i2t_r10,t2i_r1,t2i_r5,t2i_r10,mr\n";
  for (const CurvePoint& point : result.points) {
    const std::string value = point.value.is_string() ? point.value.as_string() : brief(point.value);
    const RetrievalMetrics& of = point.metrics;
    csv += fmt::format("{},{},{},{},{},{},{},{},{}\n", point.parameter, value, of.i2t.r1, of.i2t.r5, of.i2t.r10,
                       of.t2i.r1, of.t2i.r5, of.t2i.r10, of.mean_recall());
  }
  return csv;
}

}  // namespace orbweaver
