// Content hashes of files, remembered: reading all images to see that none has changed takes minutes where the disk is
// far away. And what of the files that a component's parameters name counts, where its outputs or its training do.
#pragma once

#include <atomic>
#include <filesystem>
#include <functional>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "orbweaver/params.h"
#include "orbweaver/value.h"

namespace orbweaver {

/// XXH3-128 of files' contents. A hash is taken from memory while size, both times and inode of the file are what they
/// were, and remembered only where the file's last change was over two seconds ago: a clock too coarse would hide a
/// change that follows at once. Memory is a small record on disk for each folder that files lie in; one that cannot be
/// read or written costs time alone. Several processes may use one set of records. For one thread.
class ContentHashes {
 public:
  /// What stands for the content of a file that is not there.
  static constexpr std::string_view missing = "missing";

  /// @param records  the folder of the records (see records_in); empty: hashes are remembered as long as this lives.
  /// @param threads  that read files.
  /// @param stop     set while files are read, it ends that with an Error; null: nothing does
  explicit ContentHashes(std::filesystem::path records, int threads = 1, const std::atomic<bool>* stop = nullptr);
  /// Saves what is new.
  ~ContentHashes();
  ContentHashes(const ContentHashes&) = delete;
  ContentHashes& operator=(const ContentHashes&) = delete;

  /// Where a cache has its records. Empty without a cache.
  static std::filesystem::path records_in(const std::filesystem::path& cache);

  /// Of each file's content, in their order; an empty path gives an empty hash. @throws InputError naming a file that
  /// cannot be read.
  std::vector<std::string> of_files(const std::vector<std::filesystem::path>& files);

  /// One hash of many files, each under a label that stands for its place: labels and contents count, paths do not.
  /// A file that is not there counts as such.
  std::string of_labelled(const std::vector<std::pair<std::string, std::filesystem::path>>& files);

  /// What counts of a path that a component was given, wherever it lies:
  ///   - of a file its name, its content, and names and contents of the files beside it that a component may read
  ///     unasked: those with its stem and an ending of networks, names and sizes ("yolo.cfg" and "yolo.names" beside
  ///     "yolo.weights"; .prototxt, .pbtxt, .xml, .json, .yaml, .txt) and those of companion_names();
  ///   - of a folder names and contents of all files below it (links are followed);
  ///   - of what is not there, its name, and what lies beside that place.
  /// A component that reads anything else takes it as a parameter.
  std::string of_path(const std::filesystem::path& path);

  /// Writes the records that changed, and renews the time of those that were of use, as entries of the cache have it.
  void save();

 private:
  class Record;
  Record& record_of(const std::filesystem::path& file);

  std::filesystem::path records_;
  int threads_;
  const std::atomic<bool>* stop_;
  std::map<std::string, std::unique_ptr<Record>> open_;  ///< by the folder that their files lie in
};

/// Files whose names say what they are to any file beside them: what Hugging Face, open_clip and OpenAI put beside
/// weights (sizes, activation, tokeniser).
const std::vector<std::string>& companion_names();

/// Replaces every path that is set in a component's parameters, those in lists and in nested objects too, by what `by`
/// returns for it. Paths that are null or empty stay.
/// @param pointer  of `params`; `by` is called with that of the path: "/model/image/encoder/weights", "/x/files/0".
void replace_paths(const Schema& schema, Value& params, const std::string& pointer,
                   const std::function<Value(const std::string& pointer, const std::filesystem::path& path)>& by);

}  // namespace orbweaver
