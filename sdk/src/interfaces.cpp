// Key functions of the data plane's interfaces: their type information lives in this library, once.
#include "orbweaver/component.h"
#include "orbweaver/detector.h"
#include "orbweaver/error.h"
#include "orbweaver/graph_builder.h"
#include "orbweaver/invariance.h"
#include "orbweaver/reranker.h"

namespace orbweaver {
inline namespace v1 {

Error::Error(const std::string& what) : std::runtime_error(what) {}
Error::~Error() = default;
InputError::InputError(const std::string& what) : Error(what) {}
InputError::~InputError() = default;
ShapeError::ShapeError(const std::string& what) : Error(what) {}
ShapeError::~ShapeError() = default;

Detector::~Detector() = default;

GraphBuilder::~GraphBuilder() = default;
Graph GraphBuilder::build(const Scene&) const { throw Error("this graph builder does not serve scenes"); }
Graph GraphBuilder::build(const Caption&) const { throw Error("this graph builder does not serve captions"); }

DeclaresInvariances::~DeclaresInvariances() = default;

Reranker::~Reranker() = default;
Rankings Reranker::rerank_candidates(const CandidateInput&) const {
  throw Error("this reranker needs the whole score matrix, not candidate lists");
}

void Registrar::add(Component component) { components_.push_back(std::move(component)); }

}  // namespace v1
}  // namespace orbweaver
