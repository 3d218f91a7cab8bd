#include "amfmn.h"

#include "orbweaver/plugin.h"

ORBWEAVER_PLUGIN("amfmn", "0.1.0", registrar) {
  registrar.add<orbweaver::Interaction, AmfmnInteraction>(
      "amfmn", "AMFMN's visual guidance of the text: cosine of an image and the text it gates");
}
