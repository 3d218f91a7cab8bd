// What liborbweaver_sdk_torch's record is made of, for sdk/abi/guard.sh: the types of its headers, over stand-ins for
// LibTorch's (sdk/abi/libtorch), so that the record is the same for every LibTorch. Its symbols come from the library's
// objects; functions are listed here as well, for what they return is not in their symbols.
#include "orbweaver/torch/fusion.h"
#include "orbweaver/torch/graph_encoder.h"
#include "orbweaver/torch/image_encoder.h"
#include "orbweaver/torch/interaction.h"
#include "orbweaver/torch/loss.h"
#include "orbweaver/torch/text_encoder.h"
#include "orbweaver/torch/weights.h"

#define CROSSES(type) \
  extern "C" ORBWEAVER_API void type##_crosses(::orbweaver::type&) {}

// The arguments of a template stand in its instance's name, written the same by each compiler: without aliases.
template <class Result, class... Arguments>
struct Called {
  constexpr Called(Result (*)(Arguments...)) {}
};
#define CALLED(function) extern "C" ORBWEAVER_API constinit const Called function##_called(&::orbweaver::function);

CROSSES(Fusion)
CROSSES(GraphEncoder)
CROSSES(ImageEncoder)
CROSSES(Inputs)
CROSSES(Interaction)
CROSSES(LoadOptions)
CROSSES(LoadReport)
CROSSES(Loss)
CROSSES(TextEncoder)

CALLED(l2_normalize)
CALLED(load_state_dict)
CALLED(negative_mask)
CALLED(read_state_dict)
