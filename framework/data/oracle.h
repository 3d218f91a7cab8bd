// The geometry oracle: what an observer with exact rules and a plain reading of captions makes of detections that are
// as noisy as a method's. Methods are measured against it on pairs of images that differ in one thing: where nothing
// of what a caption names was detected, a reader of boxes can only guess. How guessing would go: OracleTies::by_lot.
//
// It is given what a method is given, of an image its detections (label, box, colours, probability) and of a caption
// its triples, and learns nothing. It knows neither the truth nor how often the detector errs, and looks at no pixel.
//
// The score is the sum of the evidence of the caption's triples. 0 is no evidence: such scores tie, and a tie counts as
// a failure (framework/eval/abilities.h).
//
// Objects. Detections less probable than one half are not there. A phrase ("two white planes") is read as a number, a
// colour and a kind, by the words of `data synth`. The phrase's objects are those of its kind, in its colour first,
// then the more probable first, and no more of them than it says; where some were missed, those that are left.
//
// Relations, between kinds that can be detected: the mean over all objects of the one phrase, and of the other, of
//
//   left of, right of,   1 - angle / 45 degrees, the angle being that between the direction and the line from the
//   above, below         reference's centre to the subject's: 1 straight on, 0 at 45 degrees, -1 from 90 degrees on
//   on, in               depth / 8: how far inside the surface's box the subject's centre is, in pixels
//   next to, near        the lesser of -depth / 8 and 2 - gap / reach; the gap from the subject's nearest corner, or
//                        centre, to the box, the reach 16 pixels or 40
//   between              angle / 45 degrees - 2, the angle being that under which the subject sees two references, mean
//                        over all pairs of them: 1 from 135 degrees on, 0 at 90, -1 up to 45
//   surrounded by        1 - 2 c, c the mean cosine of the angle between two of those around, seen from the middle,
//                        over all pairs of them; surrounds: the other way round. With n of them, R the length of the
//                        mean of their directions, n R^2 = 1 + (n - 1) c: R without its bias, so that a ring that lost
//                        members still is one. c is about -1/(n - 1) for a ring, 0 on average for what chance leaves
//                        of one, 1 for a heap on one side
//
// each held within -1 and 1. Where nothing of a phrase was detected, or one reference of two for "between", or one
// alone of those around, there is no evidence. So too for all other relations (along, crossing, on both sides of).
//
// Numbers, colours and presence, where the other end of "in", "on" or "with" is no kind that can be detected ("three
// white planes are in an airport": themes and ground). Objects of the kind fill the places that the phrase counts,
// those in its colour first:
//
//   place filled by an object in the colour (in any, where none is said)   +1
//   place filled by an object in another colour                            -1/4
//   empty place                                                            -1/2
//   object left over, in the colour                                        -1
//   object left over, in another colour                                    -1/2
//
// as a detector misses more than it invents, and an object that was missed says less than one that is there: of "three"
// and "five", four detections speak for five. Absence of a kind is an empty place. Every rule is the same whichever
// ability a pair tests, which the oracle is not told.
//
// A caption without triples ("this is an airport .") gives no evidence: the oracle reads no themes, so that all pairs
// of `scene` whose captions name the theme alone are ties.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "framework/data/dataset.h"
#include "orbweaver/scene.h"

namespace orbweaver {

/// The evidence for a caption in an image's detections; their order does not matter. Unbounded: about 1 for each
/// relation or object that is there as the caption says.
double oracle_score(std::span<const Object> detections, const Caption& caption);

/// Whether there is a rule for any of a caption's triples, whatever was detected. Of a caption for which there is none
/// the score is 0 with every image, so that the oracle says nothing about the pairs it stands in.
bool oracle_reads(std::span<const Triple> triples);

/// What becomes of images and captions that the detections do not tell apart.
enum class OracleTies {
  stay,   ///< they are failures
  by_lot  ///< drawn once for each image and caption: as it goes with a method whose scores never tie
};

/// The same for images and captions of a split by their places, reading the detections from disk. Those of the last
/// image are kept: asked image by image it reads each file once. The split and the triples must stay valid.
class GeometryOracle {
 public:
  GeometryOracle(const Split& split, const TripleTable& triples, OracleTies ties = OracleTies::stay)
      : split_(&split), triples_(&triples), ties_(ties) {}
  /// @throws InputError where the image has no detections, or they cannot be read.
  double operator()(int64_t image, int64_t caption);

 private:
  const Split* split_;
  const TripleTable* triples_;
  OracleTies ties_;
  int64_t image_ = -1;
  std::vector<Object> detections_;  ///< of image_
};

}  // namespace orbweaver
