// Detections of an image, DOTA's labelTxt.
#include "framework/data/dataset.h"
#include "fuzz/objects.h"
#include "fuzz/target.h"

void orbweaver::fuzz::labeltxt(std::string_view bytes) {
  check_objects(read_detections(input_file("detections.txt", bytes)));
}
