// What is wrong with a dataset, or with training on one and testing on another.
#pragma once

#include <string>
#include <vector>

#include "framework/data/dataset.h"
#include "orbweaver/value.h"

namespace orbweaver {

/// A problem falsifies results (leakage, broken files, blank test captions); a note is a property to know of.
enum class Severity { note, problem };

struct Finding {
  Severity severity = Severity::note;
  std::string id;                     ///< for machines: "near_duplicates_of_test_images"
  std::string text;                   ///< one sentence with the count
  std::vector<std::string> examples;  ///< all of them
};

struct CheckReport {
  std::vector<std::string> summary;  ///< a line per dataset: images and captions of each split
  std::vector<Finding> findings;     ///< problems first
  bool clean() const;                ///< no problem; notes do not count
  Value value() const;               ///< for --json, with every example
  std::string text() const;          ///< for readers, with the first examples of each finding
};

/// What is wrong with a dataset. Decodes every image, in `threads` threads. Of images that are nearly identical to many
/// others the first pairs are told (framework/data/fingerprint.h).
///
/// Problems: missing and undecodable images, unreadable detections, test captions without a word, an image listed in
/// two splits, a near-duplicate between test and another split; where the dataset has a geometry.jsonl beside its
/// detections, captions that are not true of it, and pairs of abilities.json whose captions are true of both images.
/// Notes: near-duplicates and wordless captions elsewhere, captions that repeat within an image, between images of a
/// split, or across splits (the public datasets are full of them), uneven numbers of captions, triples of no caption.
CheckReport check_dataset(const Dataset& dataset, int threads, const ProgressFunction& progress = {});

/// What two datasets share. A near-duplicate between the test split of one and the train or validation split of the
/// other is a problem: it rules out training on one and testing on the other; any other shared image or caption is a
/// note.
CheckReport check_overlap(const Dataset& a, const Dataset& b, int threads, const ProgressFunction& progress = {});

}  // namespace orbweaver
