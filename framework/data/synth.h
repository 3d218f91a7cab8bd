// A synthetic dataset: aerial scenes with captions, rotated boxes and triples that are all true of them, in pairs that
// differ in one thing, so that what a method can and cannot see is measured.
#pragma once

#include <cstdint>
#include <filesystem>
#include <string>
#include <vector>

#include "framework/data/dataset.h"
#include "framework/data/image.h"
#include "orbweaver/scene.h"

namespace orbweaver {

struct SynthCaption {
  std::string text;
  std::vector<Triple>
      triples;  ///< phrases as in the text: "two red cars" - "on" - "road"; none where there is no relation
};

/// Scenes are 224 x 224, as RSICD's images are.
inline constexpr int64_t synth_size = 224;

struct SynthScene {
  Image image;
  std::vector<Object> objects;         ///< as they are; colour as an attribute ("red" 1); also roads, runways and water
  std::vector<SynthCaption> captions;  ///< five, all different
};

/// Scene `index` of the endless series that `seed` begins: a function of the two alone.
///
/// A theme (airport, port, residential area, ...) places groups of objects without overlap on ground, roads and water.
/// Captions state what holds in the resulting geometry, never what was merely intended; synth_scene.h defines each
/// relation.
SynthScene make_scene(uint64_t seed, int64_t index);

/// What tells the two scenes of a pair apart.
///
///   scene       the theme, and everything else
///   count       how many there are of one kind
///   attribute   colours: exchanged between two kinds of objects
///   relation    the layout alone; kinds, counts, colours and sizes are the same
///   distractor  one inconspicuous kind of object among others that the caption does not name
enum class Ability { scene, count, attribute, relation, distractor };
inline constexpr Ability all_abilities[] = {Ability::scene, Ability::count, Ability::attribute, Ability::relation,
                                            Ability::distractor};
std::string ability_name(Ability ability);

/// How far the detections that are written are from the truth. Shares of the objects, 0 to 1.
struct SynthNoise {
  double missed = 0.1;
  double mislabelled = 0.05;  ///< takes another label; and, drawn apart, another colour
  double invented = 0.05;     ///< boxes where nothing is, per true object
  double jitter = 0.04;       ///< widest error of a side and of the place, as a share of the sides
};

struct SynthOptions {
  std::filesystem::path folder;
  int64_t images = 1000;  ///< at least 3: one a split. 80% train, 10% validation, 10% test, unless these are given
  uint64_t seed = 1;
  int threads = 2;
  bool force = false;                    ///< write into a folder that holds other things
  int64_t train = 0, val = 0, test = 0;  ///< images of each split; all three or none
  std::vector<Ability> abilities{std::begin(all_abilities),
                                 std::end(all_abilities)};  ///< in turn; one twice: more of it
  SynthNoise noise{};
};

/// Writes the dataset in format precomp; docs/synthetic.md describes every file. What an earlier call wrote there is
/// replaced. The same options give the same bytes, on any machine and with any number of threads.
/// @throws InputError when the folder is not empty and was not written by this function, unless `force`.
void write_synthetic_dataset(const SynthOptions& options, const ProgressFunction& progress = {});

}  // namespace orbweaver
