// What a graph builder promises beyond its contract, for those who want it checked.
#pragma once

#include "orbweaver/export.h"

namespace orbweaver {
inline namespace v1 {

/// What of a graph stays the same when its scene changes.
struct Invariances {
  enum class Extent {
    nothing,
    structure,  ///< labels and adjacency
    graph       ///< features and relations as well
  };
  /// The order of `Scene::objects` carries no meaning: another order gives the same nodes and edges, in whatever order.
  bool object_order = true;
  /// The whole scene enlarged or shrunk.
  Extent scale = Extent::nothing;
  /// The whole scene turned by quarter turns.
  Extent quarter_turns = Extent::nothing;
};

/// Optional: a graph builder that derives from this beside GraphBuilder has its promise checked by
/// `orbweaver plugins check`. One that does not promises what a default `Invariances` says.
class ORBWEAVER_API DeclaresInvariances {
 public:
  virtual ~DeclaresInvariances();
  virtual Invariances invariances() const = 0;
};

}  // namespace v1
}  // namespace orbweaver
