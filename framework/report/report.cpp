#include "framework/report/report.h"

#include <fmt/format.h>

#include <algorithm>

#include "framework/io/files.h"
#include "framework/report/page.h"
#include "orbweaver/error.h"

namespace orbweaver {
namespace fs = std::filesystem;
namespace {

/// The results.json of a sweep's folder or given itself; empty for anything else.
fs::path results_file(const fs::path& input) {
  if (!fs::exists(input)) throw InputError(fmt::format("{}: does not exist", input.string()));
  if (fs::is_directory(input)) return fs::exists(input / "results.json") ? input / "results.json" : fs::path();
  if (input.extension() == ".json") return input;
  throw InputError(
      fmt::format("{}: is a file; expected run folders, a sweep's folder or its results.json", input.string()));
}

ReportData read_inputs(const std::vector<fs::path>& inputs) {
  if (inputs.empty()) throw InputError("there is nothing to report; give run folders or a sweep's folder");
  if (inputs.size() == 1)
    if (const fs::path results = results_file(inputs.front()); !results.empty()) return read_sweep_report(results);
  for (const fs::path& input : inputs)
    if (!results_file(input).empty())
      throw InputError(fmt::format("{}: is a sweep; report it alone, without runs beside it", input.string()));
  return read_runs_report(inputs);
}

fs::path default_file(const ReportOptions& options) {
  if (options.inputs.size() > 1) return "report.html";
  const fs::path& input = options.inputs.front();
  return (fs::is_directory(input) ? input : input.parent_path()) / "report.html";
}

std::vector<int64_t> drawn_captions(const ReportContent& content) {
  std::vector<int64_t> captions;
  for (const GalleryQuery& query : content.gallery.sentences) captions.push_back(query.item);
  // Without a gallery any captions will do: a first one of some images, spread over the split.
  if (captions.empty() && content.split.split) {
    const auto count = std::ssize(content.split.caption_image), step = std::max<int64_t>(1, count / 8);
    for (int64_t caption = 0; caption < count; caption += step) captions.push_back(caption);
  }
  return captions;
}

std::vector<std::string> missing_parts(const ReportContent& content) {
  std::vector<std::string> out;
  if (!content.split.missing.empty()) out.push_back("no captions, classes and pictures: " + content.split.missing);
  for (const std::string& text : content.outcomes.missing) out.push_back("no ranks of " + text);
  if (!content.gallery.missing.empty() && content.split.missing.empty())
    out.push_back("no gallery: " + content.gallery.missing);
  for (const std::string& text : content.gallery.left_out) out.push_back("not in the gallery: " + text);
  for (const std::string& text : content.gallery.broken) out.push_back("no picture: " + text);
  for (const std::string& text : content.graphs.missing) out.push_back("graphs not drawn: " + text);
  return out;
}

ReportContent make_content(const ReportOptions& options, const RunReport& report) {
  ReportContent content;
  content.data = read_inputs(options.inputs);
  report.line("reading the dataset and the runs' ranks");
  content.split = open_reported_split(content.data);
  content.outcomes = read_outcomes(content.data, content.split);
  if (!content.data.sweep) compare_with_first(content.data, content.outcomes);
  content.recall_ks = recall_ks(content.outcomes);
  content.recall = recall_curves(content.outcomes);
  content.classes = class_rows(content.data, content.outcomes, content.split);
  report.line("choosing queries for the gallery");
  content.gallery = make_gallery(content.data, content.outcomes, content.split);
  content.graphs = draw_graphs(content.data, content.split, drawn_captions(content));
  return content;
}

}  // namespace

WrittenReport write_report(const ReportOptions& options, const RunReport& report) {
  const ReportContent content = make_content(options, report);
  WrittenReport out;
  out.file = options.out.empty() ? default_file(options) : options.out;
  const std::string page = report_page(content);
  write_atomically(out.file, page);
  out.bytes = std::ssize(page);
  out.variants = std::ssize(content.data.variants);
  for (const ReportVariant& variant : content.data.variants)
    for (const ReportRun& run : variant.runs) ++out.runs, out.finished += run.finished();
  out.missing = missing_parts(content);
  return out;
}

}  // namespace orbweaver
