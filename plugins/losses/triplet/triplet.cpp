#include "triplet.h"

#include "orbweaver/plugin.h"

ORBWEAVER_PLUGIN("triplet", "0.1.0", registrar) {
  registrar.add<orbweaver::Loss, TripletLoss>("triplet", "Hinge on the margin between a match and its negatives");
}
