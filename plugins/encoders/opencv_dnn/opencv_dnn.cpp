#include "opencv_dnn.h"

#include "orbweaver/plugin.h"

ORBWEAVER_PLUGIN("opencv_dnn", "0.1.0", registrar) {
  registrar.add<orbweaver::ImageEncoder, OpencvDnnEncoder>("opencv_dnn",
                                                           "A layer of any network that OpenCV reads, frozen");
}
