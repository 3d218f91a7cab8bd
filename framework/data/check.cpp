#include "framework/data/check.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cctype>
#include <map>
#include <set>
#include <span>
#include <tuple>

#include "framework/data/fingerprint.h"
#include "framework/data/image.h"
#include "framework/data/prefetch.h"
#include "framework/data/truth.h"
#include "orbweaver/error.h"

namespace orbweaver {
namespace {

std::array<const Split*, 3> splits_of(const Dataset& dataset) { return {&dataset.train, &dataset.val, &dataset.test}; }

/// "1 pair", "3 pairs".
std::string count_of(size_t count, const std::string& one, const std::string& many = "") {
  return fmt::format("{} {}", count, count == 1 ? one : many.empty() ? one + "s" : many);
}

/// "3 pairs of nearly identical images", "at least 30 pairs ..." where not all were told.
std::string near_duplicates_text(size_t count, bool more) {
  return fmt::format("{}{} of nearly identical images", count > 0 && more ? "at least " : "", count_of(count, "pair"));
}

/// One image of one split with what was found out about it.
struct Entry {
  const Split* split;
  const ImageRecord* image;
  Fingerprint print;
  std::string fault;
  std::string label() const { return split->name + " " + image->name; }
};

std::vector<Entry> entries_of(const Dataset& dataset) {
  std::vector<Entry> entries;
  for (const Split* split : splits_of(dataset))
    for (const ImageRecord& image : split->images) entries.push_back({split, &image, {}, {}});
  return entries;
}

/// Decodes every image and fills in its fingerprint or its fault.
void examine(std::vector<Entry>& entries, int threads, const ProgressFunction& progress) {
  struct Result {
    Fingerprint print;
    std::string fault;
  };
  const auto make = [&](int64_t i) {
    Result result;
    try {
      result.print = fingerprint(decode_image(entries[static_cast<size_t>(i)].image->file).view());
    } catch (const InputError&) {
      result.fault = image_fault(entries[static_cast<size_t>(i)].image->file);
    }
    return result;
  };
  const auto total = static_cast<int64_t>(entries.size());
  QuietDecoders quiet;
  OrderedPrefetch<Result> results(total, make, threads, 64);
  for (int64_t i = 0; i < total; ++i) {
    Result result = *results.next();
    Entry& entry = entries[static_cast<size_t>(i)];  // the workers read its image alone
    entry.print = result.print;
    entry.fault = std::move(result.fault);
    if (progress) quiet.aloud([&] { progress(i + 1, total); });
  }
}

/// Without the broken ones.
std::vector<const Entry*> whole(const std::vector<Entry>& entries) {
  std::vector<const Entry*> good;
  for (const Entry& entry : entries)
    if (entry.fault.empty()) good.push_back(&entry);
  return good;
}

std::vector<const Fingerprint*> prints_of(std::span<const Entry* const> entries) {
  std::vector<const Fingerprint*> prints;
  for (const Entry* entry : entries) prints.push_back(&entry->print);
  return prints;
}

/// Findings in the order in which they are made; empty ones are dropped.
class Findings {
 public:
  void add(Severity severity, std::string id, std::string text, std::vector<std::string> examples) {
    if (!examples.empty()) list_.push_back({severity, std::move(id), std::move(text), std::move(examples)});
  }
  void problem(std::string id, std::string text, std::vector<std::string> examples) {
    add(Severity::problem, std::move(id), std::move(text), std::move(examples));
  }
  void note(std::string id, std::string text, std::vector<std::string> examples) {
    add(Severity::note, std::move(id), std::move(text), std::move(examples));
  }
  std::vector<Finding> take() {
    std::stable_sort(list_.begin(), list_.end(),
                     [](const Finding& a, const Finding& b) { return a.severity > b.severity; });
    return std::move(list_);
  }

 private:
  std::vector<Finding> list_;
};

std::string summary_of(const Dataset& dataset) {
  std::string text = dataset.name + ":";
  for (const Split* split : splits_of(dataset))
    text += fmt::format(" {} {}, {};", split->name, count_of(split->images.size(), "image"),
                        count_of(split->captions.size(), "caption"));
  return text + " validation " + dataset.val_source;
}

void find_faults(const Dataset& dataset, const std::vector<Entry>& entries, Findings& findings) {
  std::vector<std::string> missing, broken;
  for (const Entry& entry : entries) {
    if (entry.fault.empty()) continue;
    if (entry.fault == "does not exist")
      missing.push_back(entry.label());
    else
      broken.push_back(fmt::format("{}: {}", entry.label(), entry.fault));
  }
  const std::string of = fmt::format(" of {} in {}", entries.size(), dataset.name);
  findings.problem(
      "missing_images",
      fmt::format("{}{} missing", count_of(missing.size(), "image"), of + (missing.size() == 1 ? " is" : " are")),
      missing);
  findings.problem(
      "broken_images",
      fmt::format("{}{} not decode", count_of(broken.size(), "image"), of + (broken.size() == 1 ? " does" : " do")),
      broken);
}

void find_bad_detections(const Dataset& dataset, Findings& findings) {
  std::vector<std::string> bad;
  for (const Split* split : splits_of(dataset))
    for (const ImageRecord& image : split->images) {
      if (image.detections.empty()) continue;
      try {
        read_detections(image.detections);
      } catch (const InputError& error) {
        bad.push_back(error.what());
      }
    }
  findings.problem("bad_detections", fmt::format("{} cannot be read", count_of(bad.size(), "detections file")), bad);
}

void find_shared_names(const Dataset& dataset, Findings& findings) {
  std::map<std::string, const Split*> first;
  std::vector<std::string> shared;
  for (const Split* split : splits_of(dataset))
    for (const ImageRecord& image : split->images) {
      const auto [entry, added] = first.try_emplace(image.name, split);
      if (!added) shared.push_back(fmt::format("{} in {} and {}", image.name, entry->second->name, split->name));
    }
  findings.problem("images_in_two_splits",
                   fmt::format("{} listed in two splits", count_of(shared.size(), "image is", "images are")), shared);
}

/// Whether an image that both splits hold lets a test be trained on or selected by.
bool leaks(const Split& a, const Split& b) { return (a.name == "test") != (b.name == "test"); }

std::string pair_text(const Entry& a, const Entry& b, const DuplicatePair& pair) {
  return fmt::format("{} ~ {} ({} bits, correlation {:.2f})", a.label(), b.label(), pair.bits, pair.correlation);
}

void find_duplicates(const std::vector<Entry>& entries, Findings& findings) {
  const std::vector<const Entry*> good = whole(entries);
  std::vector<std::string> leaking, across, within;
  const std::vector<DuplicatePair> pairs = find_near_duplicates(prints_of(good));
  const bool more = may_be_more(pairs);
  for (const DuplicatePair& pair : pairs) {
    const Entry &a = *good[pair.first], &b = *good[pair.second];
    if (a.image->name == b.image->name && a.split != b.split) continue;  // reported by name
    (a.split == b.split ? within : leaks(*a.split, *b.split) ? leaking : across).push_back(pair_text(a, b, pair));
  }
  findings.problem("near_duplicates_of_test_images",
                   fmt::format("{} between test and another split: what is tested was trained on or selected by",
                               near_duplicates_text(leaking.size(), more)),
                   leaking);
  findings.note("near_duplicates_of_train_and_val",
                fmt::format("{} between train and val: validation reads a little too high",
                            near_duplicates_text(across.size(), more)),
                across);
  findings.note("near_duplicates_within_a_split", near_duplicates_text(within.size(), more) + " within a split",
                within);
}

/// Near-duplicates of two datasets. The test split of the first is looked through apart, so that of an image with many
/// copies in both of its parts some of each are found.
std::vector<DuplicatePair> shared_pairs(const std::vector<const Entry*>& a, const std::vector<const Entry*>& b) {
  const auto test = std::find_if(a.begin(), a.end(), [](const Entry* entry) { return entry->split->name == "test"; });
  const auto before = static_cast<size_t>(test - a.begin());
  const std::vector<const Fingerprint*> of_a = prints_of(a), of_b = prints_of(b);
  std::vector<DuplicatePair> pairs = find_near_duplicates(std::span(of_a).first(before), of_b);
  for (DuplicatePair pair : find_near_duplicates(std::span(of_a).subspan(before), of_b)) {
    pair.first += before;
    pairs.push_back(pair);
  }
  return pairs;
}

/// No letter or digit: nothing that a tokenizer would keep.
bool is_blank(const std::string& text) {
  return std::none_of(text.begin(), text.end(), [](unsigned char c) { return std::isalnum(c) || c >= 0x80; });
}

void find_blank_captions(const Dataset& dataset, Findings& findings) {
  for (const Split* split : splits_of(dataset)) {
    std::vector<std::string> blank;
    for (const CaptionRecord& caption : split->captions)
      if (is_blank(caption.text))
        blank.push_back(fmt::format("{} \"{}\"", split->images[static_cast<size_t>(caption.image)].name, caption.text));
    findings.add(split->name == "test" ? Severity::problem : Severity::note, "blank_captions_" + split->name,
                 fmt::format("{} without a word in {}", count_of(blank.size(), "caption"), split->name), blank);
  }
}

void find_repeated_captions(const Dataset& dataset, Findings& findings) {
  std::vector<std::string> within;
  for (const Split* split : splits_of(dataset)) {
    std::map<std::string, std::set<int64_t>> images;
    std::map<std::pair<int64_t, std::string>, size_t> repeats;
    for (const CaptionRecord& caption : split->captions) {
      if (caption.text.empty()) continue;
      images[caption.text].insert(caption.image);
      ++repeats[{caption.image, caption.text}];
    }
    for (const auto& [key, count] : repeats)
      if (count > 1)
        within.push_back(fmt::format("{} {}: {} x \"{}\"", split->name,
                                     split->images[static_cast<size_t>(key.first)].name, count, key.second));
    std::vector<std::string> shared;
    for (const auto& [text, of] : images)
      if (of.size() > 1) shared.push_back(fmt::format("{} images: \"{}\"", of.size(), text));
    findings.note("captions_of_several_images_" + split->name,
                  fmt::format("{} of several images in {}: queries with more than one right answer, counted apart by "
                              "duplicate-aware recall",
                              count_of(shared.size(), "text is a caption", "texts are captions"), split->name),
                  shared);
  }
  findings.note(
      "repeated_captions",
      fmt::format("{} more than once for the same image", count_of(within.size(), "caption stands", "captions stand")),
      within);
}

std::set<std::string> texts_of(const Split& split) {
  std::set<std::string> texts;
  for (const CaptionRecord& caption : split.captions)
    if (!caption.text.empty()) texts.insert(caption.text);
  return texts;
}

std::vector<std::string> common(const std::set<std::string>& a, const std::set<std::string>& b) {
  std::vector<std::string> both;
  std::set_intersection(a.begin(), a.end(), b.begin(), b.end(), std::back_inserter(both));
  return both;
}

void find_captions_across_splits(const Dataset& dataset, Findings& findings) {
  const auto splits = splits_of(dataset);
  for (size_t a = 0; a < splits.size(); ++a)
    for (size_t b = a + 1; b < splits.size(); ++b) {
      const std::set<std::string> texts = texts_of(*splits[b]);
      const std::vector<std::string> both = common(texts_of(*splits[a]), texts);
      findings.note(fmt::format("captions_in_{}_and_{}", splits[a]->name, splits[b]->name),
                    fmt::format("{} of {}'s {} distinct captions stand in {} too", both.size(), splits[b]->name,
                                texts.size(), splits[a]->name),
                    both);
    }
}

void find_uneven_captions(const Dataset& dataset, Findings& findings) {
  for (const Split* split : splits_of(dataset)) {
    std::vector<size_t> counts(split->images.size());
    for (const CaptionRecord& caption : split->captions) ++counts[static_cast<size_t>(caption.image)];
    std::map<size_t, size_t> histogram;
    for (const size_t count : counts) ++histogram[count];
    if (histogram.size() < 2) continue;
    std::vector<std::string> lines;
    for (const auto& [captions, images] : histogram)
      lines.push_back(fmt::format("{} with {}", count_of(images, "image"), count_of(captions, "caption")));
    findings.note("uneven_captions_" + split->name,
                  fmt::format("images of {} have different numbers of captions", split->name), lines);
  }
}

void find_unused_triples(const Dataset& dataset, Findings& findings) {
  std::set<std::string> texts;
  for (const Split* split : splits_of(dataset)) texts.merge(texts_of(*split));
  std::vector<std::string> unused;
  for (const auto& [text, triples] : dataset.triples)
    if (!texts.count(text)) unused.push_back(text);
  findings.note(
      "unused_triples",
      fmt::format("{} of {} texts with triples are no caption of the dataset", unused.size(), dataset.triples.size()),
      unused);
}

/// Where a dataset says what its images show: beside the detections' folder.
std::filesystem::path geometry_folder(const Dataset& dataset) {
  for (const Split* split : splits_of(dataset))
    for (const ImageRecord& image : split->images) {
      std::filesystem::path folder = image.detections.parent_path().parent_path();
      if (image.detections.empty() || !std::filesystem::exists(folder / "geometry.jsonl")) return {};
      return folder;
    }
  return {};
}

std::vector<std::string> lines_of(const std::vector<Untruth>& untruths) {
  std::vector<std::string> lines;
  for (const Untruth& untruth : untruths)
    lines.push_back(fmt::format("{} \"{}\": {}", untruth.image, untruth.caption, untruth.reason));
  return lines;
}

void find_untruths(const Dataset& dataset, Findings& findings) {
  const std::filesystem::path folder = geometry_folder(dataset);
  if (folder.empty()) return;
  std::vector<std::string> broken;
  TruthReport report;
  try {
    report = check_truth(folder);
  } catch (const InputError& error) {
    broken.push_back(error.what());
  }
  findings.problem("bad_geometry", fmt::format("{} cannot be read", count_of(broken.size(), "geometry file")), broken);
  findings.problem("untrue_captions",
                   fmt::format("{} not true of what geometry.jsonl says the image shows ({} recomputed)",
                               count_of(report.untrue.size(), "caption is", "captions are"),
                               count_of(static_cast<size_t>(report.claims), "claim")),
                   lines_of(report.untrue));
  findings.problem("undecided_pairs",
                   fmt::format("{} of abilities.json true of both images of the pair",
                               count_of(report.undecided.size(), "caption is", "captions are")),
                   lines_of(report.undecided));
}

}  // namespace

bool CheckReport::clean() const {
  return std::none_of(findings.begin(), findings.end(),
                      [](const Finding& f) { return f.severity == Severity::problem; });
}

Value CheckReport::value() const {
  Value report;
  report["clean"] = clean();
  for (const std::string& line : summary) report["summary"].push_back(line);
  report["findings"] = Value::list();
  for (const Finding& finding : findings) {
    Value entry;
    entry["severity"] = finding.severity == Severity::problem ? "problem" : "note";
    entry["id"] = finding.id;
    entry["text"] = finding.text;
    entry["count"] = static_cast<int64_t>(finding.examples.size());
    entry["examples"] = Value::list();
    for (const std::string& example : finding.examples) entry["examples"].push_back(example);
    report["findings"].push_back(std::move(entry));
  }
  return report;
}

std::string CheckReport::text() const {
  std::string text;
  for (const std::string& line : summary) text += line + "\n";
  for (const Finding& finding : findings) {
    text += fmt::format("{} {}\n", finding.severity == Severity::problem ? "PROBLEM" : "note   ", finding.text);
    const size_t shown = finding.severity == Severity::problem ? 10 : 3;
    for (size_t i = 0; i < std::min(finding.examples.size(), shown); ++i)
      text += "          " + finding.examples[i] + "\n";
    if (finding.examples.size() > shown)
      text += fmt::format("          ... and {} more (--json lists all)\n", finding.examples.size() - shown);
  }
  const auto problems =
      std::count_if(findings.begin(), findings.end(), [](const Finding& f) { return f.severity == Severity::problem; });
  return text + (problems == 0 ? std::string("no problems\n")
                               : fmt::format("{} that would falsify results\n",
                                             count_of(static_cast<size_t>(problems), "problem")));
}

CheckReport check_dataset(const Dataset& dataset, int threads, const ProgressFunction& progress) {
  std::vector<Entry> entries = entries_of(dataset);
  examine(entries, threads, progress);
  Findings findings;
  find_faults(dataset, entries, findings);
  find_bad_detections(dataset, findings);
  find_shared_names(dataset, findings);
  find_duplicates(entries, findings);
  find_blank_captions(dataset, findings);
  find_repeated_captions(dataset, findings);
  find_captions_across_splits(dataset, findings);
  find_uneven_captions(dataset, findings);
  find_unused_triples(dataset, findings);
  find_untruths(dataset, findings);
  return {{summary_of(dataset)}, findings.take()};
}

CheckReport check_overlap(const Dataset& a, const Dataset& b, int threads, const ProgressFunction& progress) {
  std::vector<Entry> first = entries_of(a), second = entries_of(b);
  const auto done_before = static_cast<int64_t>(first.size()),
             total = done_before + static_cast<int64_t>(second.size());
  examine(first, threads, progress ? [&](int64_t done, int64_t) { progress(done, total); } : ProgressFunction());
  examine(second, threads,
          progress ? [&](int64_t done, int64_t) { progress(done_before + done, total); } : ProgressFunction());
  Findings findings;
  find_faults(a, first, findings);
  find_faults(b, second, findings);

  const std::vector<const Entry*> good_a = whole(first), good_b = whole(second);
  std::vector<std::string> leaking, harmless;
  const std::vector<DuplicatePair> pairs = shared_pairs(good_a, good_b);
  const bool more = may_be_more(pairs);
  for (const DuplicatePair& pair : pairs) {
    const Entry &one = *good_a[pair.first], &other = *good_b[pair.second];
    (leaks(*one.split, *other.split) ? leaking : harmless)
        .push_back(fmt::format("{} {} ~ {} {} ({} bits, correlation {:.2f})", a.name, one.label(), b.name,
                               other.label(), pair.bits, pair.correlation));
  }
  findings.problem(
      "near_duplicates_of_test_images",
      fmt::format("{} between a test split and the other dataset's train or validation split: do not train on one and "
                  "test on the other",
                  near_duplicates_text(leaking.size(), more)),
      leaking);
  findings.note("near_duplicates_between_datasets",
                near_duplicates_text(harmless.size(), more) + " between splits of the same use", harmless);

  for (const Split* one : splits_of(a))
    for (const Split* other : splits_of(b)) {
      if (!leaks(*one, *other)) continue;
      const std::vector<std::string> both = common(texts_of(*one), texts_of(*other));
      findings.note(fmt::format("captions_in_{}_and_{}", one->name, other->name),
                    fmt::format("{} in {} {} and in {} {}", count_of(both.size(), "caption stands", "captions stand"),
                                a.name, one->name, b.name, other->name),
                    both);
    }
  return {{summary_of(a), summary_of(b)}, findings.take()};
}

}  // namespace orbweaver
