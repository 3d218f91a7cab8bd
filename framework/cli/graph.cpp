// orbweaver graph
#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <cstdio>
#include <memory>

#include "framework/cli/command.h"
#include "framework/data/graph_command.h"
#include "framework/io/printable.h"

namespace orbweaver {

void add_graph_command(CLI::App& app, CommandContext&) {
  CLI::App* command = app.add_subcommand("graph", "Prints or draws the graph that a builder makes");
  const auto options = std::make_shared<GraphOptions>();
  const auto text = std::make_shared<std::string>();
  command->add_option("--use", options->use, "Graph builder: an id, as orbweaver plugins list shows them")
      ->type_name("ID");
  command->add_option("--set", options->set, "Parameter NAME=VALUE of the builder (repeatable)")
      ->type_name("NAME=VALUE")
      ->allow_extra_args(false);
  command->add_option("--image", options->image, "Image")->type_name("FILE");
  command->add_option("--detections", options->detections, "The image's objects (.json, or DOTA .txt)")
      ->type_name("FILE");
  command->add_option("--detector", options->detector, "Detector that finds the image's objects")->type_name("ID");
  command->add_option("--detector-set", options->detector_set, "Parameter NAME=VALUE of the detector (repeatable)")
      ->type_name("NAME=VALUE")
      ->allow_extra_args(false);
  CLI::Option* text_option = command->add_option("--text", *text, "Caption, in quotes")->type_name("TEXT");
  command->add_option("--text-file", options->text_file, "Captions, one a line: one line of JSON each")
      ->type_name("FILE");
  command->add_option("--triples", options->triples, "Triples that a dataset gives for captions (.jsonl)")
      ->type_name("FILE");
  command->add_option("--draw", options->draw, "Draw the graph, on its image or by itself, in place of printing it")
      ->type_name("FILE");
  command
      ->add_option("--plugin", options->plugins,
                   "Plugin that the builder is in, where its name is not the builder's id (repeatable)")
      ->type_name("NAME")
      ->allow_extra_args(false);
  command->add_option("--plugin-path", options->plugin_folders, "Search this folder for plugins first (repeatable)")
      ->type_name("DIR")
      ->allow_extra_args(false);
  command->add_flag("--json", options->one_line, "Print JSON on one line, with --draw too");
  command->footer(
      "Nodes have a label and the builder's features; relations read \"source RELATION target\", nodes counted from 0\n"
      "(in drawings from 1).\n"
      "Examples:\n"
      "  orbweaver graph --use sog --image airport.jpg --detector regions --draw airport_graph.png\n"
      "  orbweaver graph --use sog --set variant=class --image P0706.png --detections labelTxt/P0706.txt\n"
      "  orbweaver graph --use erg --text \"two planes are parked next to a terminal\"\n"
      "  orbweaver graph --use erg --text-file captions.txt > graphs.jsonl");
  command->callback([options, text, text_option] {
    if (text_option->count() > 0) options->text = *text;
    make_graphs(*options, [](std::string_view json) { fmt::print("{}", printable_json(json)); });
  });
}

}  // namespace orbweaver
