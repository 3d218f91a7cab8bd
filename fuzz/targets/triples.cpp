// Triples of captions, JSONL.
#include "framework/data/dataset.h"
#include "fuzz/target.h"

void orbweaver::fuzz::triples(std::string_view bytes) { read_triples(input_file("triples.jsonl", bytes)); }
