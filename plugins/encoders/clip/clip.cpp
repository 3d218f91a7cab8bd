#include "image_encoder.h"
#include "orbweaver/plugin.h"
#include "text_encoder.h"

ORBWEAVER_PLUGIN("clip", "0.1.0", registrar) {
  registrar.add<orbweaver::ImageEncoder, ClipImageEncoder>("clip_image", "CLIP's ViT or modified ResNet");
  registrar.add<orbweaver::TextEncoder, ClipTextEncoder>("clip_text", "CLIP's text Transformer and tokenizer");
}
