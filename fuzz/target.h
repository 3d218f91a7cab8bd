// What every fuzz target has: bytes go in, the reader is called, and InputError is an answer. Anything else that
// happens is a finding: another exception, a crash, a hang, a broken promise (`demand`), memory out of proportion
// (heap.h).
#pragma once

#include <cstddef>
#include <filesystem>
#include <string>
#include <string_view>
#include <vector>

namespace orbweaver::fuzz {

/// A promise of the reader's; where it does not hold the process ends with its text.
void demand(bool holds, const char* promise);

/// The file of that name in a folder of this process, holding `bytes`: readers take paths.
std::filesystem::path input_file(const std::string& name, std::string_view bytes);
/// Takes it away again, if it is there.
void remove_input(const std::string& name);

/// Inputs of several files, and those whose parts must not be mistaken for one another: parts stand between lines "%%".
std::vector<std::string_view> parts_of(std::string_view bytes);

/// The targets, one reader each. Their files say how the bytes are taken.
void json(std::string_view bytes);
void config(std::string_view bytes);
void sweep(std::string_view bytes);
void safetensors(std::string_view bytes);
void npy(std::string_view bytes);
void captions(std::string_view bytes);
void triples(std::string_view bytes);
void detections(std::string_view bytes);
void labeltxt(std::string_view bytes);
void clip_merges(std::string_view bytes);
void clip_text(std::string_view bytes);
void manifest(std::string_view bytes);

struct Target {
  const char* name;  ///< also of its folder in corpus/ and its dictionary in dictionaries/
  void (*read)(std::string_view bytes);
  /// Most memory that the reader may hold at once: this, and `per_byte` for every byte of the input. A byte of JSON may
  /// become a value ("0," is one of 40 bytes, in a list that grows by doubling), and that is the worst of the formats.
  size_t heap_base = size_t{1} << 20, heap_per_byte = 256;
};

inline constexpr Target targets[] = {
    {"json", json},
    {"config", config},
    // A sweep is as large as its grid, whose size read_sweep bounds.
    {"sweep", sweep, size_t{64} << 20},
    {"safetensors", safetensors},
    {"npy", npy},
    {"captions", captions},
    {"triples", triples},
    {"detections", detections},
    {"labeltxt", labeltxt},
    // What a packed file unpacks to is bounded by read_merges.
    {"clip_merges", clip_merges, size_t{64} << 20},
    {"clip_text", clip_text},
    {"manifest", manifest},
};

/// The target of a name. Of a constant name it is a constant, so that a program links that target alone.
constexpr Target target_of(std::string_view name) {
  for (const Target& target : targets)
    if (name == target.name) return target;
  throw "no such target";
}

/// Calls the reader. InputError ends here; memory beyond the target's bound ends the process.
void run(const Target& target, std::string_view bytes);

}  // namespace orbweaver::fuzz
