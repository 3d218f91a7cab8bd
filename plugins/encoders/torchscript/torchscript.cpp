#include "image_encoder.h"
#include "orbweaver/plugin.h"
#include "text_encoder.h"

ORBWEAVER_PLUGIN("torchscript", "0.1.0", registrar) {
  registrar.add<orbweaver::ImageEncoder, TorchscriptImageEncoder>("torchscript_image",
                                                                  "Any image module exported by torch.jit");
  registrar.add<orbweaver::TextEncoder, TorchscriptTextEncoder>("torchscript_text",
                                                                "Any text module exported by torch.jit");
}
