#include "framework/sweep/tables.h"

#include <fmt/format.h>

#include <algorithm>
#include <cctype>
#include <iterator>
#include <map>
#include <optional>

#include "framework/eval/ability_oracle.h"
#include "framework/eval/comparison_text.h"
#include "framework/eval/row_lines.h"
#include "framework/io/json.h"
#include "framework/io/lenient.h"

namespace orbweaver {
namespace {

const Value& null_value() {
  static const Value null;
  return null;
}

double number_or(const Value& value, double otherwise) { return number_of(value).value_or(otherwise); }

std::vector<std::string> metrics_of(const Value& results) {
  std::vector<std::string> metrics = texts_of(member(results, "metrics"));
  if (!metrics.empty()) return metrics;
  for (const std::string_view name : metric_names())
    if (can_be_compared(name)) metrics.emplace_back(name);
  return metrics;
}

/// Log lines and reasons are whatever a process wrote: one line, no control characters.
std::string one_line(std::string text) {
  std::ranges::replace_if(
      text, [](unsigned char c) { return c < 0x20 || c == 0x7f; }, ' ');
  return text;
}

struct FailedRun {
  std::string name, reason;
  std::vector<std::string> log_tail;
};

/// How the runs of a variant stand.
struct RunCounts {
  size_t all = 0, finished = 0;
  std::vector<FailedRun> failed;
  std::vector<std::string> remarks;  ///< on finished runs: "f1-s2: not compared: ..."
  std::string unfinished;            ///< why there is no row: "failed: ...", "running", "waiting", "stopped"

  std::string seeds() const { return finished == all ? fmt::format("{}", all) : fmt::format("{}/{}", finished, all); }
};

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

// ---- what all forms of the table show

/// A variant's line; `row` is null when none of its runs has this kind of row.
struct Line {
  std::string variant;
  const Value* row = nullptr;
  size_t variant_at = 0;
};

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

/// The rows on one line of row_lines.h: those that are compared with each other.
struct Section {
  std::string reranker;
  Value parameters;  ///< of the baseline's row, or of the first where that has none
  std::vector<Line> lines;

  /// "max: k=50; lse: k=75" for the lines with other parameters.
  std::string differences() const {
    std::string text;
    for (const Line& line : lines) {
      if (!line.row || member(*line.row, "parameters") == parameters) continue;
      text += fmt::format("{}{}: {}", text.empty() ? "" : "; ", line.variant,
                          differing(member(*line.row, "parameters"), parameters));
    }
    return text;
  }
  /// Of the parameters in which a line differs, what they are in `parameters`: "k=25".
  std::string differed_from() const {
    Value changed = parameters;
    for (const auto& [name, value] : parameters.is_object() ? parameters.as_object() : Value::Object{}) {
      const bool everywhere = std::ranges::all_of(
          lines, [&](const Line& line) { return !line.row || member(member(*line.row, "parameters"), name) == value; });
      if (everywhere) changed.erase(name);
    }
    return differing(changed, {});
  }
  /// "without rerank", "multivariate {"k": 25}; max: k=50"
  std::string title() const {
    if (reranker == "none") return "without rerank";
    std::string text = parameters.is_null() ? reranker : reranker + " " + brief(parameters, 200);
    const std::string others = differences();
    return others.empty() ? text : text + "; " + others;
  }
  /// Without the parameters that all lines share: "multivariate", "multivariate (k=25; max: k=50)".
  std::string short_title() const {
    if (reranker == "none") return title();
    const std::string others = differences();
    if (others.empty()) return reranker;
    const std::string from = differed_from();
    return fmt::format("{} ({}{}{})", reranker, from, from.empty() ? "" : "; ", others);
  }
};

/// What a comparison in the table is about; from the first one there is.
struct ComparisonNote {
  std::string to, metric;
  std::vector<size_t> families;      ///< of each section, the comparisons that Holm corrected over
  std::vector<std::string> unequal;  ///< "f2: compared on 2 common seeds; left out: 3"
};

struct Table {
  std::string name, description, dataset, split, baseline;
  std::vector<std::string> metrics;
  std::vector<RunCounts> runs;  ///< of each variant
  std::vector<Section> sections;
  ComparisonNote compared;
  double interval = 0.95, alpha = 0.05;
  int64_t resamples = 0, permutations = 0;
  bool single_seed = false;  ///< some row has one seed only
  /// Of each dataset, where a column is of an ability that it has figures of.
  std::vector<DatasetOracle> oracles;

  std::vector<std::string> remarks;  ///< on single runs

  bool has_comparisons() const { return !compared.to.empty(); }
  bool has_titles() const { return sections.size() > 1 || sections.front().reranker != "none"; }
  /// Those below a section: rows with a reranker have no figures of abilities.
  std::span<const DatasetOracle> oracles_of(const Section& section) const {
    return section.reranker == "none" ? std::span<const DatasetOracle>(oracles) : std::span<const DatasetOracle>();
  }
  /// In parentheses, which no variant's name has.
  std::string label(const DatasetOracle& oracle) const { return "(" + oracle_name(oracle, oracles.size()) + ")"; }
};

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

/// A metric of a line: mean and, with two seeds or more, deviation.
struct MeanStd {
  std::optional<double> mean, std;
};

MeanStd metric_of_line(const Line& line, const std::string& metric) {
  if (!line.row) return {};
  const Value& of = member(member(*line.row, "metrics"), metric);
  return {number_of(member(of, "mean")), number_of(member(of, "std"))};
}

std::string figure(double value) { return fmt::format("{:.2f}", value); }

/// What stands where a row has no such figure: of abilities only rows without a reranker have any.
bool is_dash(const Line& line, const std::string& metric) {
  return line.row && ability_metric(metric) && !metric_of_line(line, metric).mean;
}

/// Whether a line's metric is the section's best as far as the table shows it: equal figures are equally good.
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

/// Nothing where the comparison is not significant at the table's alpha.
std::string marks_of(const Table& table, const Value& comparison) {
  const auto p = number_of(member(comparison, "p_holm"));
  if (!p || !(member(comparison, "significant") == Value(true))) return "";
  return significance_marks(*p, table.alpha);
}

std::string signed_figure(const Value& number) { return fmt::format("{:+.2f}", number_or(number, 0)); }

/// A p-value with the digits that its permutations give.
std::string p_text(const Value& p) {
  const auto value = number_of(p);
  if (!value) return "";
  return *value < 0.0001 ? "<0.0001" : fmt::format("{:.4f}", *value);
}

std::string percent(double share) { return fmt::format("{:g}%", 100 * share); }

/// "Holm-corrected over 3 comparisons"; each section is a family of its own.
std::string correction_text(const Table& table) {
  std::vector<ComparisonFamily> families;
  for (size_t at = 0; at < table.sections.size(); ++at)
    families.push_back({table.sections[at].short_title(), table.compared.families[at]});
  return correction_text(families, "section");
}

/// The oracle's figure of a column; "" for what it has none of.
std::string oracle_figure(const DatasetOracle& oracle, const std::string& metric) {
  const std::optional<double> value = oracle.metric(metric);
  return value ? figure(*value) : "";
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

/// The sentences below a table.
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

// ---- terminal

/// Columns that a text takes: code points of its UTF-8.
size_t display_width(std::string_view text) {
  return static_cast<size_t>(std::ranges::count_if(text, [](char c) { return (c & 0xc0) != 0x80; }));
}

std::string padded(const std::string& text, size_t width, bool right = false) {
  const std::string blanks(width - std::min(width, display_width(text)), ' ');
  return right ? blanks + text : text + blanks;
}

std::string plain_figure(const Line& line, const std::string& metric) {
  if (is_dash(line, metric)) return "-";
  const MeanStd of = metric_of_line(line, metric);
  if (!of.mean) return "";
  return of.std ? fmt::format("{:.2f} ± {:.2f}", *of.mean, *of.std) : figure(*of.mean);
}

/// "+0.76 [+0.10, +1.50] ± 0.20", "baseline" or "".
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

/// A section as texts, column by column; a line without a row has its reason instead of figures.
std::string terminal_section(const Table& table, const Section& section) {
  std::vector<std::string> head{"variant", "seeds"};
  head.insert(head.end(), table.metrics.begin(), table.metrics.end());
  if (table.has_comparisons()) head.insert(head.end(), {difference_head(table), "p (Holm)", ""});
  std::vector<std::vector<std::string>> lines;
  std::vector<size_t> widths;
  for (const std::string& text : head) widths.push_back(display_width(text));
  for (const Line& line : section.lines) {
    const RunCounts& runs = table.runs[line.variant_at];
    std::vector<std::string>& cells = lines.emplace_back(std::vector{one_line(line.variant), runs.seeds()});
    if (line.row) {
      for (const std::string& metric : table.metrics) cells.push_back(plain_figure(line, metric));
      if (table.has_comparisons()) {
        const Value& comparison = comparison_of(line);
        cells.insert(cells.end(), {plain_difference(table, line), p_text(member(comparison, "p_holm")),
                                   marks_of(table, comparison)});
      }
    }
    for (size_t at = 0; at < cells.size(); ++at) widths[at] = std::max(widths[at], display_width(cells[at]));
    if (!line.row) cells.push_back(runs.finished > 0 ? "no such row" : runs.unfinished);
  }
  for (const DatasetOracle& oracle : table.oracles_of(section)) {
    std::vector<std::string>& cells = lines.emplace_back(std::vector{table.label(oracle), std::string()});
    for (const std::string& metric : table.metrics) cells.push_back(oracle_figure(oracle, metric));
    for (size_t at = 0; at < cells.size(); ++at) widths[at] = std::max(widths[at], display_width(cells[at]));
  }
  const auto written = [&](const std::vector<std::string>& cells, bool spans) {
    std::string text;
    for (size_t at = 0; at < cells.size(); ++at) {
      const bool free = spans && at + 1 == cells.size();
      const bool right = at > 1 && at < 2 + table.metrics.size();
      text += (at ? "  " : "") + (free ? cells[at] : padded(cells[at], widths[at], right));
    }
    text.erase(text.find_last_not_of(' ') + 1);
    return text + "\n";
  };
  std::string text = written(head, false);
  for (size_t at = 0; at < lines.size(); ++at)
    text += written(lines[at], at < section.lines.size() && !section.lines[at].row);
  return text;
}

constexpr size_t log_lines_shown = 5;

std::string failures_text(const Table& table) {
  std::string text;
  for (const RunCounts& runs : table.runs) {
    for (const FailedRun& failed : runs.failed) {
      text += fmt::format("{}: failed: {}\n", failed.name, failed.reason);
      const size_t first = failed.log_tail.size() - std::min(failed.log_tail.size(), log_lines_shown);
      for (size_t at = first; at < failed.log_tail.size(); ++at) text += fmt::format("  | {}\n", failed.log_tail[at]);
    }
  }
  return text;
}

// ---- CSV

std::string csv_cell(const std::string& text) {
  if (text.find_first_of(",\"\n\r") == std::string::npos) return text;
  std::string quoted = "\"";
  for (const char c : text) quoted += c == '"' ? std::string("\"\"") : std::string(1, c);
  return quoted + "\"";
}

/// Whatever the value is, in full: a number's shortest text that reads back the same.
std::string csv_value(const Value& value) {
  if (value.is_null()) return "";
  if (value.is_string()) return csv_cell(value.as_string());
  if (value.type() == Value::Type::number) return fmt::format("{}", value.as_double());
  return csv_cell(to_json(value, -1));
}

void append_csv_line(std::string& csv, const std::vector<std::string>& cells) {
  for (size_t at = 0; at < cells.size(); ++at) csv += (at ? "," : "") + cells[at];
  csv += "\n";
}

std::string failures_cell(const RunCounts& runs) {
  std::string text;
  for (const FailedRun& failed : runs.failed)
    text += fmt::format("{}{}: {}", text.empty() ? "" : "; ", failed.name, failed.reason);
  if (text.empty() && runs.finished == 0) return runs.unfinished;
  return text;
}

// ---- Markdown

std::string markdown_cell(const std::string& text) {
  std::string safe;
  for (const char c : one_line(text)) {
    if (std::string_view("\\|*_`<>[]").find(c) != std::string_view::npos) safe += '\\';
    safe += c;
  }
  return safe;
}

std::string markdown_line(const std::vector<std::string>& cells) {
  std::string text = "|";
  for (const std::string& cell : cells) text += " " + cell + " |";
  return text + "\n";
}

std::string markdown_section(const Table& table, const Section& section) {
  std::vector<std::string> head{"variant", "seeds"}, rule{":---", "---:"};
  for (const std::string& metric : table.metrics) {
    head.push_back(metric);
    rule.push_back("---:");
  }
  if (table.has_comparisons()) {
    head.insert(head.end(), {markdown_cell(difference_head(table)), "p (Holm)"});
    rule.insert(rule.end(), {":---", "---:"});
  }
  std::string text = markdown_line(head) + markdown_line(rule);
  for (const Line& line : section.lines) {
    const RunCounts& runs = table.runs[line.variant_at];
    std::vector<std::string> cells{markdown_cell(line.variant), runs.seeds()};
    if (!line.row) {
      cells.push_back(markdown_cell(runs.finished > 0 ? "no such row" : runs.unfinished));
      cells.resize(head.size());
    } else {
      for (const std::string& metric : table.metrics) {
        const std::string shown = plain_figure(line, metric);
        cells.push_back(is_best(section, line, metric) ? "**" + shown + "**" : shown);
      }
      if (table.has_comparisons()) {
        const Value& comparison = comparison_of(line);
        const std::string marks = markdown_cell(marks_of(table, comparison));
        cells.push_back(markdown_cell(plain_difference(table, line)) + (marks.empty() ? "" : " " + marks));
        cells.push_back(markdown_cell(p_text(member(comparison, "p_holm"))));
      }
    }
    text += markdown_line(cells);
  }
  for (const DatasetOracle& oracle : table.oracles_of(section)) {
    std::vector<std::string> cells{markdown_cell(table.label(oracle)), ""};
    for (const std::string& metric : table.metrics) cells.push_back(oracle_figure(oracle, metric));
    cells.resize(head.size());
    text += markdown_line(cells);
  }
  return text;
}

// ---- LaTeX

std::string latex_figure(const MeanStd& of, bool best) {
  if (!of.mean) return "";
  const std::string text = of.std ? fmt::format("{:.2f} \\pm {:.2f}", *of.mean, *of.std) : figure(*of.mean);
  return best ? "$\\mathbf{" + text + "}$" : "$" + text + "$";
}

std::string latex_difference(const Table& table, const Line& line) {
  if (line.variant == table.baseline && line.row) return "baseline";
  const Value& comparison = comparison_of(line);
  if (!comparison.is_object()) return "";
  const std::string marks = marks_of(table, comparison);
  return fmt::format("${}{}$ \\; $[{}, {}]$", signed_figure(member(comparison, "difference")),
                     marks.empty() ? "" : "^{" + marks + "}", signed_figure(member(comparison, "low")),
                     signed_figure(member(comparison, "high")));
}

/// Neighbouring metrics of one direction.
struct MetricGroup {
  std::string title;
  size_t size = 0;
};

std::string direction_title(const std::string& metric) {
  if (metric.starts_with("i2t.")) return "Image to text";
  if (metric.starts_with("t2i.")) return "Text to image";
  const std::optional<AbilityMetric> of_ability = ability_metric(metric);
  return of_ability ? of_ability->ability : "";
}

std::vector<MetricGroup> groups_of(const std::vector<std::string>& metrics) {
  std::vector<MetricGroup> groups;
  for (const std::string& metric : metrics) {
    const std::string title = direction_title(metric);
    if (groups.empty() || groups.back().title != title) groups.push_back({title, 0});
    ++groups.back().size;
  }
  return groups;
}

/// The head of the columns: the directions with a rule below each, then the metrics.
std::string latex_head(const Table& table) {
  std::string titles = "    &", rules, names = "    Variant & Seeds";
  size_t column = 3;
  for (const MetricGroup& group : groups_of(table.metrics)) {
    if (group.title.empty()) {
      for (size_t at = 0; at < group.size; ++at) titles += " &";
    } else {
      titles += fmt::format(" & \\multicolumn{{{}}}{{c}}{{{}}}", group.size, latex_escaped(group.title));
      rules += fmt::format("{}\\cmidrule(lr){{{}-{}}}", rules.empty() ? "    " : " ", column, column + group.size - 1);
    }
    column += group.size;
  }
  for (const std::string& metric : table.metrics)
    names += " & " + latex_escaped(direction_title(metric).empty() ? metric : metric.substr(metric.find('.') + 1));
  if (table.has_comparisons()) {
    titles += " &";
    names += fmt::format(" & $\\Delta$ {}", latex_escaped(table.compared.metric));
  }
  if (!rules.empty()) titles += " \\\\\n" + rules + "\n";
  return (rules.empty() ? std::string() : titles) + names + " \\\\\n";
}

std::string latex_section(const Table& table, const Section& section, size_t columns) {
  std::string text = "    \\midrule\n";
  if (table.has_titles()) {
    // All parameters are long: in the source they tell two rows of one reranker apart without widening the page.
    text += "    % " + section.title() + "\n";
    text += fmt::format("    \\multicolumn{{{}}}{{l}}{{\\textit{{{}}}}} \\\\\n", columns,
                        latex_escaped(section.short_title()));
  }
  for (const Line& line : section.lines) {
    const RunCounts& runs = table.runs[line.variant_at];
    text += fmt::format("    {} & {}", latex_escaped(line.variant), runs.seeds());
    if (!line.row) {
      text += fmt::format(" & \\multicolumn{{{}}}{{l}}{{{}}} \\\\\n", columns - 2,
                          latex_escaped(runs.finished > 0 ? "no such row" : runs.unfinished));
      continue;
    }
    for (const std::string& metric : table.metrics)
      text +=
          " & " + (is_dash(line, metric) ? std::string("--")
                                         : latex_figure(metric_of_line(line, metric), is_best(section, line, metric)));
    if (table.has_comparisons()) text += " & " + latex_difference(table, line);
    text += " \\\\\n";
  }
  for (const DatasetOracle& oracle : table.oracles_of(section)) {
    text += fmt::format("    \\addlinespace\n    {} &", latex_escaped(table.label(oracle)));
    for (const std::string& metric : table.metrics) {
      const std::string shown = oracle_figure(oracle, metric);
      text += " & " + (shown.empty() ? shown : "$" + shown + "$");
    }
    text += table.has_comparisons() ? " & \\\\\n" : " \\\\\n";
  }
  return text;
}

std::string latex_caption(const Table& table) {
  std::string text = latex_escaped(table.name);
  if (!table.dataset.empty()) text += " (" + latex_escaped(table.dataset) + ")";
  text += ": mean $\\pm$ sample standard deviation over seeds; recalls in percent, the best of each column in bold.";
  if (!table.oracles.empty()) text += fmt::format(" (oracle): {}.", oracle_is);
  if (table.has_comparisons()) {
    const ComparisonNote& of = table.compared;
    text += fmt::format(
        " $\\Delta$: difference in {} from {} on the same seeds, with its {} paired bootstrap interval over {}s ({} "
        "resamples).",
        latex_escaped(of.metric), latex_escaped(of.to), latex_escaped(percent(table.interval)), unit_of(of.metric),
        table.resamples);
    text += fmt::format(" {}: two-sided paired randomisation test over {}s ({} permutations), {}.",
                        marks_legend(table.alpha, LegendStyle::latex), unit_of(of.metric), table.permutations,
                        latex_escaped(correction_text(table)));
    for (const std::string& unequal : of.unequal) text += " " + latex_escaped(unequal) + ".";
    for (const std::string& remark : table.remarks) text += " " + latex_escaped(remark) + ".";
  }
  return text;
}

std::string latex_label(const std::string& name) {
  std::string label = name;
  std::ranges::replace_if(
      label, [](unsigned char c) { return !std::isalnum(c) && c != '_' && c != '-' && c != '.'; }, '-');
  return "tab:" + label;
}

}  // namespace

std::string format_leaderboard(const Value& results) {
  const Table table = table_of(results);
  std::string text = table.name;
  if (!table.dataset.empty()) text += (text.empty() ? "" : " on ") + table.dataset;
  if (!text.empty()) text += "\n";
  for (const Section& section : table.sections) {
    text += text.empty() ? "" : "\n";
    if (table.has_titles()) text += section.title() + "\n";
    text += terminal_section(table, section);
  }
  if (const std::string failures = failures_text(table); !failures.empty()) text += "\n" + failures;
  text += "\n";
  for (const std::string& note : notes_of(table)) text += note + "\n";
  return text;
}

std::string table_csv(const Value& results) {
  const std::vector<std::string> metrics = metrics_of(results);
  static const std::vector<std::string> comparison_keys{"to",       "metric", "difference", "low",    "high",
                                                        "seed_std", "seeds",  "p",          "p_holm", "significant"};
  std::vector<std::string> head{"variant",         "reranker", "parameters", "tie_rule",
                                "duplicate_aware", "seeds",    "failed",     "reason"};
  const size_t before_metrics = head.size();
  for (const std::string& metric : metrics) head.insert(head.end(), {metric + "_mean", metric + "_std"});
  head.insert(head.end(), {"compared_to", "compared_metric", "difference", "low", "high", "seed_std", "seeds_compared",
                           "p", "p_holm", "significant"});
  std::string csv;
  append_csv_line(csv, head);
  for (const Value& variant : list_of(member(results, "variants"))) {
    const RunCounts runs = count_runs(variant);
    const auto append = [&](const Value& row) {
      std::vector<std::string> cells{csv_value(member(variant, "name"))};
      for (const char* key : {"reranker", "parameters", "tie_rule", "duplicate_aware"})
        cells.push_back(csv_value(member(row, key)));
      cells.push_back(fmt::format("{}", list_of(member(row, "seeds")).size()));
      cells.push_back(fmt::format("{}", runs.failed.size()));
      cells.push_back(csv_cell(failures_cell(runs)));
      for (const std::string& metric : metrics)
        for (const char* key : {"mean", "std"})
          cells.push_back(csv_value(member(member(member(row, "metrics"), metric), key)));
      for (const std::string& key : comparison_keys) cells.push_back(csv_value(member(member(row, "comparison"), key)));
      append_csv_line(csv, cells);
    };
    const Value::List& rows = list_of(member(variant, "rows"));
    for (const Value& row : rows) append(row);
    if (rows.empty()) append(null_value());
  }
  const Table table = table_of(results);
  for (const DatasetOracle& oracle : table.oracles) {
    std::vector<std::string> cells{csv_cell(table.label(oracle))};
    cells.resize(before_metrics);
    for (const std::string& metric : metrics) {
      const std::optional<double> value = oracle.metric(metric);
      cells.insert(cells.end(), {value ? fmt::format("{}", *value) : "", ""});
    }
    cells.resize(head.size());
    append_csv_line(csv, cells);
  }
  return csv;
}

std::string table_markdown(const Value& results) {
  const Table table = table_of(results);
  std::string text = "### " + markdown_cell(table.name) + "\n";
  if (!table.description.empty()) text += "\n" + markdown_cell(table.description) + "\n";
  if (!table.dataset.empty()) text += "\n" + markdown_cell(table.dataset) + "\n";
  for (const Section& section : table.sections) {
    if (table.has_titles()) text += "\n" + markdown_cell(section.title()) + "\n";
    text += "\n" + markdown_section(table, section);
  }
  text += "\n";
  for (const std::string& note : notes_of(table)) text += "- " + markdown_cell(note) + "\n";
  return text;
}

std::string table_latex(const Value& results) {
  const Table table = table_of(results);
  const size_t columns = 2 + table.metrics.size() + (table.has_comparisons() ? 1 : 0);
  std::string text = "% Needs \\usepackage{booktabs}.\n\\begin{table*}\n  \\centering\n  \\footnotesize\n";
  text += "  \\setlength{\\tabcolsep}{3pt}\n";
  text += "  \\caption{" + latex_caption(table) + "}\n  \\label{" + latex_label(table.name) + "}\n";
  text += "  \\begin{tabular}{lr" + std::string(table.metrics.size(), 'r');
  text += std::string(table.has_comparisons() ? "l" : "") + "}\n    \\toprule\n" + latex_head(table);
  for (const Section& section : table.sections) text += latex_section(table, section, columns);
  return text + "    \\bottomrule\n  \\end{tabular}\n\\end{table*}\n";
}

std::string latex_escaped(const std::string& text) {
  std::string safe;
  for (const char c : one_line(text)) {
    switch (c) {
      case '\\': safe += "\\textbackslash{}"; break;
      case '~': safe += "\\textasciitilde{}"; break;
      case '^': safe += "\\textasciicircum{}"; break;
      // Other glyphs than these in LaTeX's oldest and default font encoding.
      case '<': safe += "\\textless{}"; break;
      case '>': safe += "\\textgreater{}"; break;
      case '|': safe += "\\textbar{}"; break;
      case '&':
      case '%':
      case '$':
      case '#':
      case '_':
      case '{':
      case '}': safe += '\\'; [[fallthrough]];
      default: safe += c;
    }
  }
  return safe;
}

}  // namespace orbweaver
