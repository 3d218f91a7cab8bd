#include "resnet.h"

#include "orbweaver/plugin.h"

ORBWEAVER_PLUGIN("resnet", "0.1.0", registrar) {
  registrar.add<orbweaver::ImageEncoder, ResnetEncoder>("resnet", "ResNet-18, 34 or 50 with torchvision's weights");
}
