// The names of nodes and relations as ids, shared by both sides.
#pragma once

#include <cstdint>
#include <filesystem>
#include <map>
#include <string>
#include <string_view>
#include <vector>

namespace orbweaver {

/// Names that stand for others: "airplane" -> "plane".
using Synonyms = std::map<std::string, std::string, std::less<>>;

/// Reads {"labels": {"plane": ["airplane", "aircraft"]}, "relations": {...}}: each list's words mean its key.
///
/// Within a table every name stands once, be it a key or a word: a name under two keys would be two things, and a word
/// that is a key too (a chain) would need an order in which to look up.
/// @throws InputError naming the file, the entry and, for such a name, both places.
struct SynonymTables {
  Synonyms labels, relations;
  static SynonymTables read(const std::filesystem::path& file);
};

/// Ids of names: 0 is padding, 1 unknown, known names from 2 in order of frequency (then alphabetically).
class Vocabulary {
 public:
  static constexpr int64_t padding = 0, unknown = 1;

  Vocabulary() = default;
  explicit Vocabulary(Synonyms synonyms) : synonyms_(std::move(synonyms)) {}

  /// Learns the names, each as often as it occurs. Training data only.
  void fit(const std::map<std::string, int64_t>& counts);
  int64_t id(std::string_view name) const;
  /// The name that `name` stands for: one step, as tables have no chains.
  std::string_view canonical(std::string_view name) const;
  /// Known names; that of id 2 first.
  const std::vector<std::string>& names() const { return names_; }
  int64_t size() const { return static_cast<int64_t>(names_.size()) + 2; }

  /// UTF-8 JSON with names and synonyms, for the checkpoint.
  std::string state() const;
  void load_state(std::string_view state);

 private:
  std::vector<std::string> names_;
  std::map<std::string, int64_t, std::less<>> ids_;
  Synonyms synonyms_;
};

}  // namespace orbweaver
