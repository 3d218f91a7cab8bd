// Detections of an image, JSON; what was read is written and reads back the same.
#include "framework/data/dataset.h"
#include "fuzz/objects.h"
#include "fuzz/target.h"

void orbweaver::fuzz::detections(std::string_view bytes) {
  const std::vector<Object> objects = read_detections(input_file("detections.json", bytes));
  check_objects(objects);
  const auto again = read_detections(input_file("copy.json", detections_json(objects)));
  demand(same_objects(objects, again), "detections read back as the same objects");
}
