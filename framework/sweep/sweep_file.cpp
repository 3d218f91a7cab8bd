#include "framework/sweep/sweep_file.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <set>

#include "framework/config/config.h"
#include "framework/io/json.h"
#include "orbweaver/error.h"

namespace orbweaver {
namespace fs = std::filesystem;

void VariantParams::describe(ParamSpec<VariantParams>& p) {
  p.field("name", &VariantParams::name, "Name in tables and of run folders").required();
  p.field("description", &VariantParams::description, "What is special about it");
  p.field("config", &VariantParams::config, "Its config; empty: the sweep's base");
  p.field("overrides", &VariantParams::overrides, "What it changes: \"a.b.c=VALUE\", as --set takes it");
}

void GridAxisParams::describe(ParamSpec<GridAxisParams>& p) {
  p.field("path", &GridAxisParams::path, "Place in the config: \"train.lr\"").required();
  p.field("name", &GridAxisParams::name, "In the names of variants; empty: the path's last part");
  p.field("values", &GridAxisParams::values, "List of the values it takes").required();
}

void StatisticsParams::describe(ParamSpec<StatisticsParams>& p) {
  p.field("interval", &StatisticsParams::interval, "Coverage of the bootstrap interval").range(0.5, 0.9999);
  p.field("resamples", &StatisticsParams::resamples, "Of the bootstrap").range(100, 1e7);
  p.field("permutations", &StatisticsParams::permutations, "Of the randomisation test").range(100, 1e7);
  p.field("seed", &StatisticsParams::seed, "Of both").range(0, 9e15);
  p.field("alpha", &StatisticsParams::alpha, "Largest corrected p that is called significant").range(0, 1);
}

SignificanceOptions StatisticsParams::options() const {
  return {interval, resamples, permutations, static_cast<uint64_t>(seed), alpha};
}

void SweepParams::describe(ParamSpec<SweepParams>& p) {
  p.field("name", &SweepParams::name, "Name of the sweep and of its folder").required();
  p.field("description", &SweepParams::description, "One line for the table's caption");
  p.field("base", &SweepParams::base, "Config that variants change");
  p.field("overrides", &SweepParams::overrides, "Changes to every run: \"a.b.c=VALUE\"");
  p.field("variants", &SweepParams::variants, "What is compared; empty: the base alone, or the grid alone");
  p.field("grid", &SweepParams::grid, "Axes whose values each variant takes, all combinations");
  p.field("seeds", &SweepParams::seeds, "Each variant is trained with each of them").range(0, 9e15).min_items(1);
  p.field("baseline", &SweepParams::baseline, "Variant that the others are compared with; empty: no comparison");
  p.field("metrics", &SweepParams::metrics, "Columns; the first one that can be is the compared one").min_items(1);
  p.field("rerank", &SweepParams::rerank,
          "Reranker, or a list of them, applied to every run's saved scores, "
          "beside the config's own");
  p.field("split", &SweepParams::split, "What is evaluated").choices({"train", "val", "test"});
  p.field("statistics", &SweepParams::statistics, "How comparisons are made");
  p.field("jobs", &SweepParams::jobs, "Runs at once; 0: as many as their train.threads leave processors for")
      .range(0, 1 << 20);
  p.field("launcher", &SweepParams::launcher, {{"local", Launch::local}, {"slurm", Launch::slurm}},
          "Where the runs are started");
  p.field("slurm", &SweepParams::slurm, "What the slurm launcher asks the cluster for");
}

std::string run_name(const std::string& variant, int64_t seed) { return fmt::format("{}-s{}", variant, seed); }

namespace {

constexpr const char* settings_origin = "--set-sweep";

// A grid of a few lines can ask for more than any memory holds.
constexpr size_t most_variants = 10000;

/// Part of a file's name on every system, and of a job's name on a cluster.
bool is_plain_name(const std::string& text) {
  constexpr std::string_view allowed = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_.+=-";
  return !text.empty() && text[0] != '.' && text[0] != '-' && text.find_first_not_of(allowed) == std::string::npos;
}
constexpr const char* plain_name_wanted = "letters, digits, _ . + = - (and neither . nor - first)";

std::string did_you_mean(const std::string& name, const std::vector<std::string>& known) {
  const std::string near = nearest_name(name, known);
  return near.empty() ? fmt::format("; there are {}", fmt::join(known, ", "))
                      : fmt::format("; did you mean \"{}\"?", near);
}

/// "lr=0.001"; a value that is no short plain word is named by its number.
std::string axis_label(const GridAxisParams& axis, size_t index) {
  const Value& value = axis.values.as_list()[index];
  std::string text = value.is_string() ? value.as_string() : to_json(value, -1);
  if (!is_plain_name("v" + text) || text.size() > 24) text = fmt::format("no{}", index + 1);
  const std::string name = axis.name.empty() ? axis.path.substr(axis.path.rfind('.') + 1) : axis.name;
  return fmt::format("{}={}", name, text);
}

/// From the validated file to the variants that are trained; collects what is
/// wrong on the way.
class Reader {
 public:
  Reader(const fs::path& file, const std::vector<std::string>& settings) : source_(read_config(file, {})) {
    // Its own name for the command line's values: --set is another option of
    // the same command.
    apply_overrides(source_, settings, settings_origin);
    sweep_.file = file.string();
  }

  Sweep read() {
    const Schema schema = schema_of<SweepParams>();
    for (const Problem& problem : validate(schema, source_.value)) add(problem.pointer, problem.message);
    stop_on_problems();
    sweep_.params = read_params<SweepParams>(source_.value);
    resolve_paths();
    sweep_.resolved = with_defaults(schema, source_.value);
    read_rerank();
    check();
    stop_on_problems();
    expand();
    check_baseline();
    stop_on_problems();
    return std::move(sweep_);
  }

 private:
  void add(const std::string& pointer, const std::string& message) {
    lines_.push_back(fmt::format("{}: {}: {}", source_.origin(pointer), pointer.empty() ? "/" : pointer, message));
  }
  void stop_on_problems() const {
    if (!lines_.empty()) throw InputError(fmt::format("{}", fmt::join(lines_, "\n")));
  }

  /// The file that wrote a value; "--set" for the command line's.
  std::string file_of(const std::string& pointer) const {
    const std::string& origin = source_.origin(pointer);
    return origin == settings_origin ? "--set" : origin;
  }

  void resolve_path(fs::path& path, Value& value, const std::string& pointer) {
    if (path.empty()) return;
    const std::string& origin = source_.origin(pointer);
    const fs::path folder = origin == settings_origin ? fs::current_path() : fs::absolute(origin).parent_path();
    path = (folder / path).lexically_normal();  // an absolute path stays what it is
    value = Value(path.string());
    std::error_code error;  // a name that is too long, a folder that may not be entered
    if (!fs::exists(path, error)) add(pointer, fmt::format("{} does not exist; expected a config", path.string()));
  }
  void resolve_paths() {
    if (Value* base = source_.value.find("base")) resolve_path(sweep_.params.base, *base, "/base");
    for (size_t i = 0; i < sweep_.params.variants.size(); ++i) {
      Value& entry = source_.value["variants"].as_list()[i];
      if (Value* config = entry.find("config"))
        resolve_path(sweep_.params.variants[i].config, *config, fmt::format("/variants/{}/config", i));
    }
  }

  void read_rerank() {
    const Value& given = sweep_.params.rerank;
    if (given.is_null()) return;
    if (given.is_list())
      sweep_.rerank = given;
    else
      sweep_.rerank.push_back(given);
    for (size_t i = 0; i < sweep_.rerank.as_list().size(); ++i) {
      const Value& entry = sweep_.rerank.as_list()[i];
      if (!entry.find("use"))
        add(given.is_list() ? fmt::format("/rerank/{}", i) : "/rerank",
            fmt::format("is {}, expected an object that names a reranker by \"use\"", brief(entry)));
    }
  }

  void check() {
    const SweepParams& params = sweep_.params;
    if (!is_plain_name(params.name))
      add("/name", fmt::format("is \"{}\", expected {}", params.name, plain_name_wanted));
    for (size_t i = 0; i < params.overrides.size(); ++i) check_override(params.overrides[i], "", i);
    for (size_t i = 0; i < params.variants.size(); ++i) check_variant(params.variants[i], i);
    if (params.variants.empty() && params.base.empty()) add("/base", "is missing; there are no variants either");
    for (size_t i = 0; i < params.grid.size(); ++i) check_axis(params.grid[i], i);
    std::set<int64_t> seeds;
    for (size_t i = 0; i < params.seeds.size(); ++i)
      if (!seeds.insert(params.seeds[i]).second) add(fmt::format("/seeds/{}", i), "is there twice");
    check_metrics();
  }

  void check_variant(const VariantParams& variant, size_t index) {
    const std::string at = fmt::format("/variants/{}", index);
    if (!is_plain_name(variant.name))
      add(at + "/name", fmt::format("is \"{}\", expected {}", variant.name, plain_name_wanted));
    if (variant.config.empty() && sweep_.params.base.empty())
      add(at + "/config", "is missing, and the sweep has no \"base\"");
    for (size_t i = 0; i < variant.overrides.size(); ++i) check_override(variant.overrides[i], at, i);
  }
  void check_override(const std::string& text, const std::string& at, size_t index) {
    if (text.starts_with("seed="))
      add(fmt::format("{}/overrides/{}", at, index), "sets the seed; list seeds in the sweep's \"seeds\"");
  }

  void check_axis(const GridAxisParams& axis, size_t index) {
    const std::string at = fmt::format("/grid/{}", index);
    if (axis.path.empty()) add(at + "/path", "is empty, expected a place in the config such as \"train.lr\"");
    if (axis.path == "seed") add(at + "/path", "is \"seed\"; list seeds in the sweep's \"seeds\"");
    if (!axis.name.empty() && !is_plain_name(axis.name))
      add(at + "/name", fmt::format("is \"{}\", expected {}", axis.name, plain_name_wanted));
    if (!axis.values.is_list() || axis.values.as_list().empty())
      add(at + "/values", fmt::format("is {}, expected a list of values", brief(axis.values)));
  }

  void check_metrics() {
    const auto known = metric_names();
    const std::vector<std::string> names(known.begin(), known.end());
    const std::vector<std::string>& metrics = sweep_.params.metrics;
    for (size_t i = 0; i < metrics.size(); ++i)
      if (!is_metric(metrics[i]))
        add(fmt::format("/metrics/{}", i),
            fmt::format("is \"{}\", which is no metric{}{}", metrics[i], did_you_mean(metrics[i], names),
                        "; those of abilities end in .text, .image or .group, as in \"relation.group\""));
  }

  void expand() {
    const SweepParams& params = sweep_.params;
    std::vector<VariantParams> variants = params.variants;
    const bool alone = variants.empty();
    if (alone) variants.emplace_back();
    sweep_.origin = file_of("/overrides");
    size_t count = variants.size();
    for (const GridAxisParams& axis : params.grid)
      count = std::min(count * axis.values.as_list().size(), most_variants + 1);
    if (count > most_variants)
      return add(params.grid.empty() ? "/variants" : "/grid",
                 fmt::format("gives more than {} variants; split the sweep, or take values away", most_variants));
    for (size_t i = 0; i < variants.size(); ++i) {
      const VariantParams& variant = variants[i];
      SweepVariant out{variant.name,      variant.description,     variant.config,
                       variant.overrides, !variant.config.empty(), file_of(fmt::format("/variants/{}", i))};
      if (!out.own_config) out.config = params.base;
      if (alone && params.grid.empty()) out.name = params.base.stem().string();
      expand_grid(out, 0);
    }
    std::set<std::string> names;
    for (const SweepVariant& variant : sweep_.variants)
      if (!names.insert(variant.name).second)
        add(params.grid.empty() ? "/variants" : "/grid",
            fmt::format("gives two variants the name \"{}\"", variant.name));
  }
  void expand_grid(const SweepVariant& variant, size_t axis_index) {
    if (axis_index == sweep_.params.grid.size()) {
      sweep_.variants.push_back(variant);
      return;
    }
    const GridAxisParams& axis = sweep_.params.grid[axis_index];
    for (size_t i = 0; i < axis.values.as_list().size(); ++i) {
      SweepVariant next = variant;
      next.name += (next.name.empty() ? "" : "_") + axis_label(axis, i);
      next.overrides.push_back(fmt::format("{}={}", axis.path, to_json(axis.values.as_list()[i], -1)));
      expand_grid(next, axis_index + 1);
    }
  }

  void check_baseline() {
    const std::string& baseline = sweep_.params.baseline;
    if (baseline.empty() || sweep_.variants.empty()) return;  // without variants: too many of them, reported already
    std::vector<std::string> names;
    for (const SweepVariant& variant : sweep_.variants) names.push_back(variant.name);
    if (std::find(names.begin(), names.end(), baseline) == names.end())
      add("/baseline", fmt::format("is \"{}\", which is no variant{}", baseline, did_you_mean(baseline, names)));
  }

  ConfigSource source_;
  Sweep sweep_;
  std::vector<std::string> lines_;
};

}  // namespace

Sweep read_sweep(const fs::path& file, const std::vector<std::string>& settings) {
  std::error_code error;
  if (!fs::is_regular_file(file, error))
    throw InputError(fmt::format("{}: does not exist; expected a sweep file (JSON)", file.string()));
  return Reader(file, settings).read();
}

}  // namespace orbweaver
