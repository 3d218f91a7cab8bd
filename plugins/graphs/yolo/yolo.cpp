#include "yolo.h"

#include "orbweaver/plugin.h"

ORBWEAVER_PLUGIN("yolo", "0.1.0", registrar) {
  registrar.add<orbweaver::Detector, YoloDetector>("yolo", "YOLO networks, Darknet or ONNX, upright or oriented boxes");
}
