#include "framework/sweep/table_view.h"

#include <fmt/format.h>

#include <algorithm>
#include <map>

#include "framework/eval/abilities.h"
#include "framework/eval/comparison_text.h"
#include "framework/eval/row_lines.h"
#include "framework/eval/significance.h"
#include "framework/io/json.h"
#include "framework/io/lenient.h"

namespace orbweaver::table {
namespace {

double number_or(const Value& value, double otherwise) { return number_of(value).value_or(otherwise); }

/// "k=25, alpha=0.5": of the parameters those that are other or not there in `from`; "none" where there are none.
std::string differing(const Value& parameters, const Value& from) {
  if (!parameters.is_object()) return parameters.is_null() ? "without parameters" : brief(parameters, 80);
  std::string text;
  const auto add = [&](const std::string& part) { text += (text.empty() ? "" : ", ") + part; };
  for (const auto& [name, value] : parameters.as_object())
    if (const Value* other = from.find(name); !other || !(*other == value))
      add(fmt::format("{}={}", name, brief(value, 60)));
  if (from.is_object())
    for (const auto& [name, value] : from.as_object())
      if (!parameters.find(name)) add("no " + name);
  return text;
}

bool is_shown(const Value& row) {
  return text_of(member(row, "tie_rule")) == "strict" && !(member(row, "duplicate_aware") == Value(true));
}

std::vector<Section> sections_of(const Value& results) {
  const Value::List& variants = list_of(member(results, "variants"));
  std::vector<std::vector<RowKey>> keys(variants.size());
  std::vector<std::vector<const Value*>> shown(variants.size());
  for (size_t at = 0; at < variants.size(); ++at)
    for (const Value& row : list_of(member(variants[at], "rows")))
      if (is_shown(row)) {
        keys[at].push_back(key_of(row));
        shown[at].push_back(&row);
      }
  const std::string baseline = text_of(member(results, "baseline"));
  const auto compared_to = std::ranges::find_if(
      variants, [&](const Value& variant) { return text_of(member(variant, "name")) == baseline; });
  const RowLines lines = row_lines(keys, static_cast<size_t>(compared_to - variants.begin()));
  std::vector<std::map<size_t, const Value*>> rows(lines.lines.size());  // of each line, by variant
  for (size_t at = 0; at < variants.size(); ++at)
    for (size_t row = 0; row < shown[at].size(); ++row) rows[lines.line_of[at][row]][at] = shown[at][row];
  // Source order as scores is there to be compared with a reranker: alone it only puzzles.
  const bool reranked = std::ranges::any_of(
      lines.lines, [](const RowKey& key) { return key.reranker != "none" && key.reranker != "identity"; });
  std::vector<Section> sections;
  const auto add = [&](const RowKey& key, const std::map<size_t, const Value*>& of) {
    Section section{key.reranker, key.parameters, {}};
    for (size_t at = 0; at < variants.size(); ++at) {
      const auto found = of.find(at);
      section.lines.push_back({text_of(member(variants[at], "name")), found == of.end() ? nullptr : found->second, at});
    }
    sections.push_back(std::move(section));
  };
  for (size_t line = 0; line < lines.lines.size(); ++line)
    if (reranked || lines.lines[line].reranker != "identity") add(lines.lines[line], rows[line]);
  if (sections.empty()) add({"none", "strict"}, {});
  return sections;
}

ComparisonNote note_of(const std::vector<Section>& sections) {
  ComparisonNote note;
  for (const Section& section : sections) {
    size_t systems = 0;
    for (const Line& line : section.lines) {
      const Value& comparison = line.row ? member(*line.row, "comparison") : null_value();
      if (!comparison.is_object()) continue;
      ++systems;
      note.to = text_of(member(comparison, "to"));
      note.metric = text_of(member(comparison, "metric"));
      std::string missing;
      for (const Value& seed : list_of(member(comparison, "left_out")))
        missing += fmt::format("{}{}", missing.empty() ? "" : ", ", static_cast<int64_t>(number_or(seed, 0)));
      if (missing.empty()) continue;
      const auto common = static_cast<int64_t>(number_or(member(comparison, "seeds"), 0));
      const std::string text = fmt::format("{}: compared on {} common {}; left out: {}", line.variant, common,
                                           common == 1 ? "seed" : "seeds", missing);
      if (std::ranges::find(note.unequal, text) == note.unequal.end()) note.unequal.push_back(text);
    }
    note.families.push_back(systems);
  }
  return note;
}

/// "rsicd, test split: 1093 images, 5465 captions", as much of it as is known.
std::string dataset_of(const Value& results) {
  const Value& dataset = member(results, "dataset");
  const std::string split = text_of(member(results, "split"));
  std::string text = text_of(member(dataset, "name"));
  if (!split.empty()) text += fmt::format("{}{} split", text.empty() ? "" : ", ", split);
  const Value& sizes = member(member(dataset, "splits"), split);
  const auto images = number_of(member(sizes, "images")), captions = number_of(member(sizes, "captions"));
  if (images && captions)
    text += fmt::format(": {} images, {} captions", static_cast<int64_t>(*images), static_cast<int64_t>(*captions));
  return text;
}

/// "relation.group in percent of (oracle): sum 28.6, chain 91.2", for each ability's group among the columns.
std::vector<std::string> shares_of_oracles(const Table& table) {
  std::vector<std::string> texts;
  for (const Section& section : table.sections)
    for (const DatasetOracle& oracle : table.oracles_of(section))
      for (const std::string& metric : table.metrics) {
        if (!metric.ends_with(".group") || !oracle.metric(metric)) continue;
        std::string shares;
        for (const Line& line : section.lines) {
          const bool evaluated = std::ranges::find(oracle.variants, line.variant) != oracle.variants.end();
          const std::optional<double> mean = evaluated ? metric_of_line(line, metric).mean : std::nullopt;
          const auto share = mean ? share_of_oracle(*mean, *oracle.metric(metric)) : std::nullopt;
          if (share) shares += fmt::format("{} {} {:.1f}", shares.empty() ? "" : ",", one_line(line.variant), *share);
        }
        if (!shares.empty())
          texts.push_back(fmt::format("{} in percent of {}:{}", metric, table.label(oracle), shares));
      }
  return texts;
}

}  // namespace

const Value& null_value() {
  static const Value null;
  return null;
}

std::vector<std::string> metrics_of(const Value& results) {
  std::vector<std::string> metrics = texts_of(member(results, "metrics"));
  if (!metrics.empty()) return metrics;
  for (const std::string_view name : metric_names())
    if (can_be_compared(name)) metrics.emplace_back(name);
  return metrics;
}

std::string one_line(std::string text) {
  std::ranges::replace_if(
      text, [](unsigned char c) { return c < 0x20 || c == 0x7f; }, ' ');
  return text;
}

RunCounts count_runs(const Value& variant) {
  RunCounts counts;
  const std::string name = text_of(member(variant, "name"));
  std::vector<std::string> states;
  for (const Value& run : list_of(member(variant, "runs"))) {
    ++counts.all;
    states.push_back(text_of(member(run, "status")));
    counts.finished += states.back() == "finished";
    FailedRun failed{fmt::format("{}-s{}", name, static_cast<int64_t>(number_or(member(run, "seed"), 0))),
                     one_line(text_of(member(run, "reason"))),
                     {}};
    if (states.back() == "finished" && !failed.reason.empty())
      counts.remarks.push_back(fmt::format("{}: {}", failed.name, failed.reason));
    if (states.back() != "failed") continue;
    for (const std::string& line : texts_of(member(run, "log_tail"))) failed.log_tail.push_back(one_line(line));
    counts.failed.push_back(std::move(failed));
  }
  const auto any = [&](const char* state) { return std::ranges::find(states, state) != states.end(); };
  if (!counts.failed.empty())
    counts.unfinished = "failed: " + counts.failed.front().reason;
  else
    for (const char* state : {"stopped", "waiting", "running"})
      if (any(state)) counts.unfinished = state;
  if (counts.unfinished.empty()) counts.unfinished = "no run";
  return counts;
}

std::string RunCounts::seeds() const {
  return finished == all ? fmt::format("{}", all) : fmt::format("{}/{}", finished, all);
}

std::string Section::differences() const {
  std::string text;
  for (const Line& line : lines) {
    if (!line.row || member(*line.row, "parameters") == parameters) continue;
    text += fmt::format("{}{}: {}", text.empty() ? "" : "; ", line.variant,
                        differing(member(*line.row, "parameters"), parameters));
  }
  return text;
}

std::string Section::differed_from() const {
  Value changed = parameters;
  for (const auto& [name, value] : parameters.is_object() ? parameters.as_object() : Value::Object{}) {
    const bool everywhere = std::ranges::all_of(lines, [&, &name = name, &value = value](const Line& line) {
      return !line.row || member(member(*line.row, "parameters"), name) == value;
    });
    if (everywhere) changed.erase(name);
  }
  return differing(changed, {});
}

std::string Section::title() const {
  if (reranker == "none") return "without rerank";
  std::string text = parameters.is_null() ? reranker : reranker + " " + brief(parameters, 200);
  const std::string others = differences();
  return others.empty() ? text : text + "; " + others;
}

std::string Section::short_title() const {
  if (reranker == "none") return title();
  const std::string others = differences();
  if (others.empty()) return reranker;
  const std::string from = differed_from();
  return fmt::format("{} ({}{}{})", reranker, from, from.empty() ? "" : "; ", others);
}

Table table_of(const Value& results) {
  Table table;
  table.name = text_of(member(results, "name"));
  table.description = one_line(text_of(member(results, "description")));
  table.dataset = dataset_of(results);
  table.baseline = text_of(member(results, "baseline"));
  table.metrics = metrics_of(results);
  for (const Value& variant : list_of(member(results, "variants"))) {
    table.runs.push_back(count_runs(variant));
    const std::vector<std::string>& remarks = table.runs.back().remarks;
    table.remarks.insert(table.remarks.end(), remarks.begin(), remarks.end());
  }
  table.sections = sections_of(results);
  table.compared = note_of(table.sections);
  const Value& statistics = member(results, "statistics");
  table.interval = number_or(member(statistics, "interval"), 0.95);
  table.alpha = number_or(member(statistics, "alpha"), 0.05);
  table.resamples = static_cast<int64_t>(number_or(member(statistics, "resamples"), 0));
  table.permutations = static_cast<int64_t>(number_or(member(statistics, "permutations"), 0));
  for (const Section& section : table.sections)
    for (const Line& line : section.lines)
      table.single_seed |= line.row && list_of(member(*line.row, "seeds")).size() == 1;
  table.oracles = oracles_from(member(results, "oracle"));
  std::erase_if(table.oracles, [&](const DatasetOracle& oracle) {
    return std::ranges::none_of(table.metrics, [&](const auto& name) { return oracle.metric(name).has_value(); });
  });
  return table;
}

MeanStd metric_of_line(const Line& line, const std::string& metric) {
  if (!line.row) return {};
  const Value& of = member(member(*line.row, "metrics"), metric);
  return {number_of(member(of, "mean")), number_of(member(of, "std"))};
}

std::string figure(double value) { return fmt::format("{:.2f}", value); }

bool is_dash(const Line& line, const std::string& metric) {
  return line.row && ability_metric(metric) && !metric_of_line(line, metric).mean;
}

bool is_best(const Section& section, const Line& line, const std::string& metric) {
  const MeanStd own = metric_of_line(line, metric);
  if (!own.mean) return false;
  size_t others = 0;
  for (const Line& other : section.lines) {
    const MeanStd of = metric_of_line(other, metric);
    if (!of.mean) continue;
    ++others;
    if (figure(*of.mean) == figure(*own.mean)) continue;
    if ((*of.mean > *own.mean) == higher_is_better(metric)) return false;
  }
  return others > 1;  // the best of one is no distinction
}

const Value& comparison_of(const Line& line) { return line.row ? member(*line.row, "comparison") : null_value(); }

std::string marks_of(const Table& table, const Value& comparison) {
  const auto p = number_of(member(comparison, "p_holm"));
  if (!p || !(member(comparison, "significant") == Value(true))) return "";
  return significance_marks(*p, table.alpha);
}

std::string signed_figure(const Value& number) { return fmt::format("{:+.2f}", number_or(number, 0)); }

std::string p_text(const Value& p) {
  const auto value = number_of(p);
  if (!value) return "";
  return *value < 0.0001 ? "<0.0001" : fmt::format("{:.4f}", *value);
}

std::string percent(double share) { return fmt::format("{:g}%", 100 * share); }

std::string correction_text(const Table& table) {
  std::vector<ComparisonFamily> families;
  for (size_t at = 0; at < table.sections.size(); ++at)
    families.push_back({table.sections[at].short_title(), table.compared.families[at]});
  return orbweaver::correction_text(families, "section");
}

std::string oracle_figure(const DatasetOracle& oracle, const std::string& metric) {
  const std::optional<double> value = oracle.metric(metric);
  return value ? figure(*value) : "";
}

std::string plain_figure(const Line& line, const std::string& metric) {
  if (is_dash(line, metric)) return "-";
  const MeanStd of = metric_of_line(line, metric);
  if (!of.mean) return "";
  return of.std ? fmt::format("{:.2f} ± {:.2f}", *of.mean, *of.std) : figure(*of.mean);
}

std::string plain_difference(const Table& table, const Line& line) {
  if (line.variant == table.baseline && line.row) return "baseline";
  const Value& comparison = comparison_of(line);
  if (!comparison.is_object()) return "";
  std::string text = fmt::format("{} [{}, {}]", signed_figure(member(comparison, "difference")),
                                 signed_figure(member(comparison, "low")), signed_figure(member(comparison, "high")));
  if (const auto std = number_of(member(comparison, "seed_std"))) text += fmt::format(" ± {:.2f}", *std);
  return text;
}

std::string difference_head(const Table& table) {
  return fmt::format("{} less {} [{}]", table.compared.metric, table.compared.to, percent(table.interval));
}

std::vector<std::string> notes_of(const Table& table) {
  std::vector<std::string> notes{
      "Mean ± sample standard deviation over seeds; recalls in percent, ties count against "
      "the model."};
  if (std::ranges::any_of(table.metrics, [](const std::string& name) { return ability_metric(name).has_value(); }))
    notes.push_back(
        "text, image, group: percent of an ability's pairs in which each image prefers its own caption, each caption "
        "its "
        "own image, both; guessing gives 25, 25 and 16.67.");
  if (!table.oracles.empty()) notes.push_back(fmt::format("(oracle): {}.", oracle_is));
  for (const std::string& text : shares_of_oracles(table)) notes.push_back(text + ".");
  if (table.single_seed) notes.push_back("A figure without ± is of one seed, which has no deviation.");
  if (table.has_comparisons()) {
    const ComparisonNote& of = table.compared;
    notes.push_back(fmt::format(
        "Difference in {} from {} on the same seeds: mean, {} paired bootstrap interval over {}s ({} resamples), "
        "± deviation over seeds.",
        of.metric, of.to, percent(table.interval), unit_of(of.metric), table.resamples));
    notes.push_back(fmt::format("p: two-sided paired randomisation test over {}s ({} permutations), {}; {}.",
                                unit_of(of.metric), table.permutations, correction_text(table),
                                marks_legend(table.alpha)));
    for (const std::string& text : of.unequal) notes.push_back(text + ".");
  }
  for (const std::string& text : table.remarks) notes.push_back(text + ".");
  return notes;
}

}  // namespace orbweaver::table
