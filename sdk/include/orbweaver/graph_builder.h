#pragma once

#include <cstdint>

#include "orbweaver/error.h"
#include "orbweaver/export.h"
#include "orbweaver/scene.h"

namespace orbweaver {
inline namespace v1 {

/// Makes the graph of a scene or of a caption. Pure and deterministic; concurrent calls are allowed.
/// Overwrite the `build` of each side that the builder serves, and say which in `serves`.
class ORBWEAVER_API GraphBuilder {
 public:
  static constexpr const char* kind = "graph_builder";
  virtual ~GraphBuilder();

  virtual bool serves(Side side) const { return side == Side::image; }
  /// Whether `Scene::pixels` must be filled.
  virtual bool needs_pixels() const { return false; }
  /// F: columns of `Graph::features`.
  virtual int64_t feature_width() const = 0;

  /// @throws Error where the builder does not serve scenes.
  virtual Graph build(const Scene& scene) const;
  /// @throws Error where the builder does not serve captions.
  virtual Graph build(const Caption& caption) const;
};

}  // namespace v1
}  // namespace orbweaver
