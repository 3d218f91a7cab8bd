#include <ATen/ATen.h>
#include <torch/utils.h>

#include <algorithm>
#include <cmath>
#include <fstream>
#include <set>

#include "framework/cache/cache_folder.h"
#include "framework/cache/file_hashes.h"
#include "framework/io/files.h"
#include "framework/model/processor.h"
#include "framework/train/checkpoint.h"
#include "framework/train/evaluate.h"
#include "framework/train/train.h"
#include "model_test.h"
#include "orbweaver/error.h"

namespace orbweaver::testing {
namespace {

std::string message_of(const std::function<void()>& action) {
  try {
    action();
  } catch (const std::exception& error) {
    return error.what();
  }
  return "";
}

const std::vector<std::string> with_graphs{"model.image.graph={\"use\": \"points\"}",
                                           "model.image.graph_encoder={\"use\": \"label_mean\"}",
                                           "model.text.graph={\"use\": \"points\"}",
                                           "model.text.graph_encoder={\"use\": \"label_mean\"}",
                                           "plugins=[\"weighted_sum\"]",
                                           "model.fusion.use=weighted_sum",
                                           "model.label_dim=5"};

/// A dataset's split through a fitted model.
struct Fitted {
  Fitted(LoadedConfig loaded_config, const char* split_name)
      : loaded(std::move(loaded_config)),
        dataset(open_dataset(loaded.config, report)),
        cache({}, report.line),
        model(loaded.config, *loaded.plugins),
        inputs(model, std::string(split_name) == "train" ? dataset.train : dataset.test, dataset.triples, cache, report,
               {4, 1}) {
    set_up_torch(loaded.config);
    inputs.build_graphs();
    FitData fit;
    for (const CaptionRecord& caption : dataset.train.captions) fit.captions.push_back(caption.text);
    inputs.count_names(fit.graph_names);
    model.fit(fit);
    inputs.prepare();
  }

  RunReport report;
  LoadedConfig loaded;
  Dataset dataset;
  FeatureCache cache;
  RetrievalModel model;
  SplitInputs inputs;
};

/// The four training images, each with one of its captions, in training mode.
LossInput training_batch(Fitted& fitted) {
  fitted.model.train(true);
  const std::vector<int64_t> images{0, 1, 2, 3}, texts{0, 2, 4, 6};
  LossInput batch;
  batch.image = fitted.inputs.encode_images(images, {});
  batch.text = fitted.inputs.encode_texts(texts);
  fitted.model.complete(Side::image, batch.image, {});
  fitted.model.complete(Side::text, batch.text, {});
  batch.image_ids = at::tensor(images, at::kLong);
  batch.token_hashes = at::tensor(texts, at::kLong);
  return batch;
}

class Assembly : public ModelTest {};

TEST_F(Assembly, NamesTheReaderAndTheMakerOfAMissingPart) {
  const LoadedConfig loaded = load({"model.fusion.use=node_reader"});
  RetrievalModel model(loaded.config, *loaded.plugins);
  const std::string text = message_of([&] { model.fit({}); });
  EXPECT_NE(text.find("/model/fusion"), std::string::npos) << text;
  EXPECT_NE(text.find("reads `nodes` of the image side, but nothing makes it; add /model/image/graph_encoder"),
            std::string::npos)
      << text;
}

TEST_F(Assembly, NamesTheSideWithoutAGraphWhoseRelationsAreRead) {
  std::vector<std::string> settings = with_graphs;
  std::erase_if(settings, [](const std::string& setting) { return setting.rfind("model.text.graph", 0) == 0; });
  for (const char* more : {"model.fusion={\"use\": \"weighted_sum\", \"sides\": \"image\"}",
                           "model.interaction={\"use\": \"relation_reader\"}"})
    settings.push_back(more);
  const LoadedConfig loaded = load(settings);
  RetrievalModel model(loaded.config, *loaded.plugins);
  const std::string text = message_of([&] { model.fit({}); });
  EXPECT_NE(text.find("/model/interaction: interaction relation_reader"), std::string::npos) << text;
  EXPECT_NE(text.find("reads `relations` of the text side, but nothing makes it; add /model/text/graph"),
            std::string::npos)
      << text;
}

TEST_F(Assembly, ParametersAreNamedByTheirPlaceInTheModuleTree) {
  Fitted fitted(load(with_graphs), "train");
  std::vector<std::string> names;
  for (const auto& [name, tensor] : fitted.model.state()) names.push_back(name);
  EXPECT_NE(std::find(names.begin(), names.end(), "label_embedding.weight"), names.end());
  EXPECT_NE(std::find(names.begin(), names.end(), "text.encoder.linear.weight"), names.end());
  for (const std::string& name : names)
    EXPECT_TRUE(name.rfind("image.", 0) == 0 || name.rfind("text.", 0) == 0 || name.rfind("label_embedding.", 0) == 0)
        << name;
}

TEST_F(Assembly, SwappingOneComponentLeavesTheOthersWeightsAsTheyWere) {
  Fitted plain(load(), "train"), other(load({"model.image.encoder.use=linear"}), "train");
  EXPECT_TRUE(
      plain.model.state().at("text.encoder.linear.weight").equal(other.model.state().at("text.encoder.linear.weight")));
}

TEST_F(Assembly, TheSameSeedGivesTheSameWeightsAndAnotherSeedOthers) {
  Fitted a(load(), "train"), b(load(), "train"), c(load({"seed=2"}), "train");
  EXPECT_EQ(hash_tensors(a.model.state()), hash_tensors(b.model.state()));
  EXPECT_NE(hash_tensors(a.model.state()), hash_tensors(c.model.state()));
}

TEST_F(Assembly, AFrozenComponentHasNoTrainableParameterAndStaysInEvaluationMode) {
  Fitted fitted(load({"model.text.encoder.freeze=true", "model.image.encoder.use=linear"}), "train");
  for (const auto& group : fitted.model.parameter_groups())
    for (const auto& [name, tensor] : group.parameters) EXPECT_EQ(name.rfind("image.", 0), 0u) << name;
  fitted.model.train(true);
  EXPECT_FALSE(fitted.model.text_encoder().get().is_training());
  EXPECT_TRUE(fitted.model.image_encoder().get().is_training());
}

TEST_F(Assembly, LrScaleMakesAParameterGroupOfItsOwn) {
  Fitted fitted(load({"model.text.encoder.lr_scale=0.1", "model.image.encoder.use=linear"}), "train");
  const auto groups = fitted.model.parameter_groups();
  ASSERT_EQ(groups.size(), 2u);
  EXPECT_DOUBLE_EQ(groups[0].lr_scale, 0.1);
  EXPECT_EQ(groups[0].parameters.at(0).first.rfind("text.encoder.", 0), 0u);
}

TEST(L2Normalize, KeepsAZeroRowAndPassesItsGradientOnUnscaled) {
  at::Tensor rows = at::zeros({2, 2});
  rows[1][0] = 3.0f;
  rows[1][1] = 4.0f;
  rows.requires_grad_();
  const at::Tensor unit = l2_normalize(rows);
  EXPECT_TRUE(unit[0].equal(at::zeros({2})));
  EXPECT_NEAR(unit[1][0].item<float>(), 0.6, 1e-6);
  (unit * at::tensor({2.0f, 5.0f})).sum().backward();
  EXPECT_TRUE(rows.grad()[0].equal(at::tensor({2.0f, 5.0f})));
  // d(u . w)/dx = (w - (u . w) u) / |x| with u = (.6, .8), w = (2, 5), u . w = 5.2.
  EXPECT_NEAR(rows.grad()[1][0].item<float>(), (2 - 5.2 * 0.6) / 5, 1e-6);
  EXPECT_NEAR(rows.grad()[1][1].item<float>(), (5 - 5.2 * 0.8) / 5, 1e-6);
}

TEST_F(Assembly, NaNFromAnEncoderNamesTheComponent) {
  const std::string text = message_of([&] {
    Fitted fitted(load({"model.text.encoder.poison=true"}), "train");
    encode_split(fitted.model, fitted.inputs, 4, fitted.report);
  });
  EXPECT_NE(text.find("text_encoder length"), std::string::npos) << text;
  EXPECT_NE(text.find("NaN"), std::string::npos) << text;
}

class Graphs : public ModelTest {};

TEST_F(Graphs, TheBatchHoldsFeaturesLabelsAndDirectedRelationsWithPadding) {
  Fitted fitted(load(with_graphs), "train");
  // Image 0 has no objects, image 1 a plane at (2, 2) and a ship at (6, 2) of an 8 x 8 image.
  const std::vector<int64_t> images{0, 1};
  const GraphBatch batch = fitted.inputs.graphs(Side::image, images);
  EXPECT_EQ(batch.mask.sizes(), (std::vector<int64_t>{2, 2}));
  EXPECT_EQ(batch.mask.sum(1)[0].item<int64_t>(), 0);
  EXPECT_EQ(batch.mask.sum(1)[1].item<int64_t>(), 2);
  EXPECT_FLOAT_EQ(batch.features[1][1][0].item<float>(), 0.75f);
  EXPECT_EQ(batch.labels[0][0].item<int64_t>(), Vocabulary::padding);
  EXPECT_GT(batch.labels[1][0].item<int64_t>(), Vocabulary::unknown);
  // The ship (node 1) is right of the plane (node 0), in batch row 1; "right of" is the only relation: id 2.
  EXPECT_EQ(batch.relations.sizes(), (std::vector<int64_t>{4, 1}));
  const int64_t wanted[] = {1, 1, 0, 2};
  for (int64_t i = 0; i < 4; ++i) EXPECT_EQ(batch.relations[i][0].item<int64_t>(), wanted[i]);
}

TEST_F(Graphs, AnEmptyGraphGivesAFiniteEmbedding) {
  Fitted fitted(load(with_graphs), "train");
  const EncodedSplit encoded = encode_split(fitted.model, fitted.inputs, 4, fitted.report);
  EXPECT_TRUE(at::isfinite(encoded.images.embedding).all().item<bool>());
}

TEST_F(Graphs, ATextThatIsGivenOtherIdsThanBeforeIsABreachOfTheContractEvenWhereAnotherTextHasThem) {
  write_text(folder_.path() / "data/train_caps.txt", "red\nblue\nred\na\nb\nc\nd\ne\n");
  std::vector<std::string> settings = with_graphs;
  Fitted(load(settings), "train");
  settings.push_back("model.text.encoder.forgets=true");
  const std::string text = message_of([&] { Fitted(load(settings), "train"); });
  EXPECT_NE(text.find("/model/text/encoder"), std::string::npos) << text;
  EXPECT_NE(text.find("other ids for a text that it was given before"), std::string::npos) << text;
}

TEST_F(Graphs, SynonymsShareAnIdAndUnseenNamesAreUnknown) {
  Vocabulary vocabulary(Synonyms{{"airplane", "plane"}, {"aircraft", "plane"}});
  vocabulary.fit({{"ship", 2}, {"airplane", 2}, {"plane", 1}});
  EXPECT_EQ(vocabulary.id("plane"), 2);  // 3 occurrences, before ship's 2
  EXPECT_EQ(vocabulary.id("aircraft"), 2);
  EXPECT_EQ(vocabulary.id("ship"), 3);
  EXPECT_EQ(vocabulary.id("tree"), Vocabulary::unknown);
  Vocabulary restored;
  restored.load_state(vocabulary.state());
  EXPECT_EQ(restored.id("aircraft"), 2);
  EXPECT_EQ(restored.size(), 4);
}

/// Captions say "airplane" where detections say "plane".
class SynonymTable : public ModelTest {
 protected:
  void SetUp() override {
    ModelTest::SetUp();
    write_text(folder_.path() / "data" / "train_caps.txt",
               "an airplane here\nred\ngreen grass\na green\nblue water\nsea\nyellow sand\nbeach\n");
    write_text(folder_.path() / "synonyms.json", R"({"labels": {"plane": ["airplane", "aircraft"]}})");
  }

  std::vector<std::string> overrides() const {
    std::vector<std::string> out = with_graphs;
    out.push_back("model.synonyms=" + (folder_.path() / "synonyms.json").string());
    return out;
  }

  /// Ids of the plane of image 1 and of the "airplane" of caption 0.
  static std::pair<int64_t, int64_t> ids(const RetrievalModel& model, Fitted& fitted) {
    const auto id = [&](Side side, const std::string& label) {
      Graph graph;
      graph.features = Matrix<float>(1, 2);
      graph.adjacency = Matrix<float>(1, 1);
      graph.labels = {label};
      const Graph* one[] = {&graph};
      return model.collate(side, one).labels[0][0].item<int64_t>();
    };
    const std::vector<int64_t> image{1}, caption{0};
    // What the fitted model's own graphs say is what graphs made by hand say.
    EXPECT_EQ(fitted.inputs.graphs(Side::image, image).labels[0][0].item<int64_t>(), id(Side::image, "plane"));
    EXPECT_EQ(fitted.inputs.graphs(Side::text, caption).labels[0][1].item<int64_t>(), id(Side::text, "airplane"));
    return {id(Side::image, "plane"), id(Side::text, "airplane")};
  }
};

TEST_F(SynonymTable, GivesAnAirplaneOfACaptionTheIdOfAPlaneOfAnImage) {
  Fitted fitted(load(overrides()), "train"), without(load(with_graphs), "train");
  const auto [plane, airplane] = ids(fitted.model, fitted);
  EXPECT_GT(plane, Vocabulary::unknown);
  EXPECT_EQ(plane, airplane);
  // Counted together: one row less in the embedding.
  EXPECT_EQ(fitted.model.state().at("label_embedding.weight").size(0),
            without.model.state().at("label_embedding.weight").size(0) - 1);
  const auto [other_plane, other_airplane] = ids(without.model, without);
  EXPECT_NE(other_plane, other_airplane);
}

TEST_F(SynonymTable, TravelsInTheCheckpointAndIsNotReadAgain) {
  Fitted fitted(load(overrides()), "train");
  const ExtraStates states = fitted.model.extra_states();
  std::filesystem::remove(folder_.path() / "synonyms.json");
  LoadedConfig loaded = load(overrides());
  RetrievalModel restored(loaded.config, *loaded.plugins);
  restored.restore(states);
  EXPECT_EQ(ids(restored, fitted), ids(fitted.model, fitted));
}

class TableFile : public ::testing::Test {
 protected:
  std::string refusal(const std::string& text) {
    write_text(folder_.path() / "table.json", text);
    return message_of([&] { SynonymTables::read(folder_.path() / "table.json"); });
  }
  TemporaryFolder folder_;
};

TEST_F(TableFile, RefusesAChain) {
  EXPECT_NE(refusal(R"({"labels": {"vehicle": ["car"], "car": ["automobile"]}})")
                .find("/labels/car: \"car\" is a key here and a word of \"vehicle\" too"),
            std::string::npos);
  EXPECT_NE(refusal(R"({"labels": {"car": ["automobile"], "vehicle": ["car"]}})")
                .find("/labels/vehicle: \"car\" is a word of \"vehicle\" here and a key too"),
            std::string::npos);
  EXPECT_NE(refusal(R"({"labels": {"car": ["car"]}})").find("\"car\""), std::string::npos);
}

TEST_F(TableFile, RefusesAWordUnderTwoKeysAndWhatIsNoTable) {
  EXPECT_NE(refusal(R"({"relations": {"in": ["inside"], "on": ["inside"]}})")
                .find("/relations/on: \"inside\" is a word of \"on\" here and a word of \"in\" too"),
            std::string::npos);
  EXPECT_NE(refusal(R"({"label": {}})").find("/label: is no table"), std::string::npos);
  EXPECT_NE(refusal(R"({"labels": {"car": [1]}})").find("/labels/car: holds 1, expected words"), std::string::npos);
  EXPECT_EQ(refusal(R"({"labels": {"in": ["inside"]}, "relations": {"in": ["inside"]}})"), "");
}

/// No chain and no name twice: `read` would throw.
TEST(ShippedSynonyms, BringDetectorsAndCaptionsTogether) {
  const SynonymTables tables = SynonymTables::read(ORBWEAVER_SOURCE_DIR "/configs/vocabulary/remote_sensing.json");
  const Vocabulary labels(tables.labels);
  for (const auto& [word, name] : {std::pair("airplane", "plane"),
                                   {"aeroplane", "plane"},
                                   {"aircraft", "plane"},
                                   {"plane", "plane"},
                                   {"storage-tank", "storage tank"},
                                   {"tank", "storage tank"},
                                   {"baseball-diamond", "baseball field"},
                                   {"basketball-court", "basketball court"},
                                   {"soccer-ball-field", "football field"},
                                   {"small-vehicle", "car"},
                                   {"large-vehicle", "truck"},
                                   {"sea", "ocean"},
                                   {"wood", "forest"},
                                   {"lake", "lake"},
                                   {"river", "river"},
                                   {"vehicle", "vehicle"},
                                   {"pool", "pool"}})
    EXPECT_EQ(labels.canonical(word), name);
  EXPECT_EQ(Vocabulary(tables.relations).canonical("inside"), "in");
}

TEST(ShippedSynonyms, KnowEveryClassOfDotaWithHyphenAndWithBlank) {
  const Vocabulary labels(SynonymTables::read(ORBWEAVER_SOURCE_DIR "/configs/vocabulary/remote_sensing.json").labels);
  for (std::string name :
       {"plane", "ship", "storage-tank", "baseball-diamond", "tennis-court", "basketball-court", "ground-track-field",
        "harbor", "bridge", "large-vehicle", "small-vehicle", "helicopter", "roundabout", "soccer-ball-field",
        "swimming-pool", "container-crane", "airport", "helipad"}) {
    const std::string hyphens(labels.canonical(name));
    EXPECT_EQ(hyphens.find('-'), std::string::npos) << name;
    std::replace(name.begin(), name.end(), '-', ' ');
    EXPECT_EQ(labels.canonical(name), hyphens);
  }
}

/// The text encoder "length" gives each label's `global`, 3 wide.
class EncodedLabels : public ModelTest {
 protected:
  static std::vector<std::string> overrides(const char* rows, int64_t width = 3) {
    std::vector<std::string> out = with_graphs;
    out.back() = "model.label_dim=" + std::to_string(width);
    out.push_back(std::string("model.label_embedding=") + rows);
    return out;
  }
  static at::Tensor rows(const RetrievalModel& model) { return model.state().at("label_embedding.weight").detach(); }
};

TEST_F(EncodedLabels, StartAsTheTextEncodersGlobalOfTheLabelAtTheSizeOfRandomOnes) {
  Fitted encoded(load(overrides("encoded")), "train"), random(load(overrides("random")), "train");
  std::vector<std::string> names;
  const Value state = parse_json(encoded.model.extra_states().at("labels"), "labels");
  for (const Value& name : state.at("names").as_list()) names.push_back(name.as_string());
  ASSERT_GT(names.size(), 5u);
  const at::Tensor made = rows(encoded.model);
  ASSERT_EQ(made.size(0), static_cast<int64_t>(names.size()) + 2);
  // Padding and unknown.
  EXPECT_TRUE(made.slice(0, 0, 2).equal(rows(random.model).slice(0, 0, 2)));
  EXPECT_TRUE(made[0].equal(at::zeros({3})));
  encoded.model.train(false);
  for (size_t i = 0; i < names.size(); ++i) {
    const std::vector<int64_t> ids = encoded.model.text_encoder().get().tokenize(names[i]);
    const at::Tensor global =
        encoded.model.encode_texts({at::tensor(ids).unsqueeze(0), at::tensor({static_cast<int64_t>(ids.size())})})
            .global[0]
            .detach();
    const at::Tensor row = made[static_cast<int64_t>(i) + 2];
    EXPECT_TRUE(at::allclose(row, global * (std::sqrt(3.0) / global.norm().item<double>()), 1e-5, 1e-6)) << names[i];
    EXPECT_NEAR(row.square().mean().item<double>(), 1, 1e-5);
  }
}

TEST_F(EncodedLabels, AreTheSameForTheSameSeedStayTrainableAndLeaveTheEncoderInItsMode) {
  Fitted a(load(overrides("encoded")), "train"), b(load(overrides("encoded")), "train");
  EXPECT_EQ(hash_tensors(a.model.state()), hash_tensors(b.model.state()));
  EXPECT_TRUE(a.model.state().at("label_embedding.weight").requires_grad());
  EXPECT_TRUE(a.model.state().at("label_embedding.weight").is_leaf());
  for (const char* freeze : {"false", "true"}) {
    std::vector<std::string> settings = overrides("encoded");
    settings.push_back(std::string("model.text.encoder.freeze=") + freeze);
    LoadedConfig loaded = load(settings);
    RetrievalModel model(loaded.config, *loaded.plugins);
    FitData fit;
    fit.graph_names.labels["tree"] = 1;
    model.fit(fit);
    EXPECT_EQ(model.text_encoder().get().is_training(), std::string(freeze) == "false");
  }
}

TEST_F(EncodedLabels, OfARestoredModelComeFromTheCheckpointAlone) {
  Fitted fitted(load(overrides("encoded")), "train"), random(load(overrides("random")), "train");
  LoadedConfig loaded = load(overrides("encoded"));
  RetrievalModel model(loaded.config, *loaded.plugins);
  model.restore(fitted.model.extra_states());
  EXPECT_TRUE(rows(model).equal(rows(random.model)));  // nothing was encoded
  model.load_state(fitted.model.state(), "checkpoint");
  EXPECT_TRUE(rows(model).equal(rows(fitted.model)));
}

TEST_F(EncodedLabels, OfAnotherWidthThanTheEncodersAreRefusedNamingBoth) {
  const std::string text = message_of([&] { Fitted fitted(load(overrides("encoded", 5)), "train"); });
  EXPECT_NE(text.find("/model/label_dim: is 5, but"), std::string::npos) << text;
  EXPECT_NE(text.find("text_encoder length"), std::string::npos) << text;
  EXPECT_NE(text.find("set /model/label_dim to 3"), std::string::npos) << text;
}

class Shortlist : public ModelTest {
 protected:
  const std::vector<std::string> overrides_{
      "model.interaction={\"use\": \"distance\", \"weight\": 0.5, \"shortlist\": 3}"};
};

TEST_F(Shortlist, ScoresAreCosinePlusWeightedInteractionOnItAndStayBelowElsewhere) {
  Fitted fitted(load(overrides_), "train");
  const EncodedSplit encoded = encode_split(fitted.model, fitted.inputs, 4, fitted.report);
  const SplitScores scores = score_split(fitted.model, fitted.inputs, encoded, 2, fitted.report);
  ASSERT_TRUE(scores.t2i.has_value());
  const at::Tensor cosine = encoded.images.embedding.matmul(encoded.texts.embedding.t());
  const at::Tensor distance = (encoded.images.global.unsqueeze(1) - encoded.texts.global.unsqueeze(0)).square().sum(2);
  for (int64_t i = 0; i < 4; ++i) {
    const float third = std::get<0>(cosine[i].topk(3)).min().item<float>();
    float lowest_inside = INFINITY, highest_outside = -INFINITY;
    for (int64_t c = 0; c < fitted.inputs.caption_count(); ++c) {
      const int64_t t = fitted.inputs.caption_texts()[static_cast<size_t>(c)];
      const float plain = cosine[i][t].item<float>();
      if (plain >= third) {
        EXPECT_NEAR(scores.i2t(i, c), plain - 0.5f * distance[i][t].item<float>(), 1e-5);
        lowest_inside = std::min(lowest_inside, scores.i2t(i, c));
      } else {
        highest_outside = std::max(highest_outside, scores.i2t(i, c));
      }
    }
    EXPECT_GT(lowest_inside, highest_outside);
  }
}

TEST_F(Shortlist, AQuerysScoresDoNotDependOnTheChunk) {
  Fitted fitted(load(overrides_), "train");
  const EncodedSplit encoded = encode_split(fitted.model, fitted.inputs, 4, fitted.report);
  const SplitScores a = score_split(fitted.model, fitted.inputs, encoded, 1, fitted.report);
  const SplitScores b = score_split(fitted.model, fitted.inputs, encoded, 1000, fitted.report);
  EXPECT_EQ(a.i2t, b.i2t);
  EXPECT_EQ(*a.t2i, *b.t2i);
}

TEST_F(Shortlist, ALongEnoughOneEqualsScoringAllPairs) {
  Fitted fitted(load({"model.interaction={\"use\": \"distance\", \"weight\": 1, \"shortlist\": 1000}"}), "train");
  const EncodedSplit encoded = encode_split(fitted.model, fitted.inputs, 4, fitted.report);
  const SplitScores scores = score_split(fitted.model, fitted.inputs, encoded, 3, fitted.report);
  const at::Tensor all = fitted.model.interaction_scores(encoded.images, encoded.texts)[0];
  const at::Tensor cosine = encoded.images.embedding.matmul(encoded.texts.embedding.t());
  for (int64_t i = 0; i < 4; ++i)
    for (int64_t c = 0; c < fitted.inputs.caption_count(); ++c) {
      const int64_t t = fitted.inputs.caption_texts()[static_cast<size_t>(c)];
      EXPECT_NEAR(scores.i2t(i, c), (cosine + all)[i][t].item<float>(), 1e-5);
      EXPECT_NEAR((*scores.t2i)(c, i), scores.i2t(i, c), 1e-5);
    }
  EXPECT_DOUBLE_EQ(scores.i2t_shortlist_recall, 1);
}

TEST_F(Shortlist, TrainingGivesTheInteractionAGradient) {
  Fitted fitted(load(overrides_), "train");
  LossInput batch = training_batch(fitted);
  const RetrievalModel::BatchLoss loss = fitted.model.loss(batch);
  loss.total.backward();
  const at::Tensor scale = fitted.model.state().at("interaction.scale");
  ASSERT_TRUE(scale.grad().defined());
  EXPECT_NE(scale.grad().item<float>(), 0);
  EXPECT_EQ(loss.parts.back().first, "interaction");
}

TEST_F(Shortlist, WithAllNegativesTheInteractionLossIsTheSoftmaxOverAllPairsBothWays) {
  Fitted fitted(load({"model.interaction={\"use\": \"distance\", \"training\": \"hard_negatives\", \"negatives\": 100, "
                      "\"temperature\": 0.5}"}),
                "train");
  LossInput batch = training_batch(fitted);
  const float loss = fitted.model.loss(batch).parts.back().second.item<float>();
  const int64_t size = batch.scores.size(0);
  const float scale = fitted.model.state().at("interaction.scale").item<float>();
  const at::Tensor distance = (batch.image.global.unsqueeze(1) - batch.text.global.unsqueeze(0)).square().sum(2);
  const at::Tensor excluded = batch.negatives.logical_or(at::eye(size, batch.negatives.options())).logical_not();
  const at::Tensor logits = (distance * (-scale / 0.5)).masked_fill(excluded, -INFINITY);
  const at::Tensor expected = -(logits.log_softmax(1).diagonal().mean() + logits.log_softmax(0).diagonal().mean()) / 2;
  EXPECT_NEAR(loss, expected.item<float>(), 1e-5);
}

TEST_F(Shortlist, RandomNegativesAreDrawnAndWithAllOfThemNothingIsLeftToDraw) {
  const auto part = [&](const std::string& training, int64_t negatives, uint64_t seed) {
    Fitted fitted(load({"model.interaction={\"use\": \"distance\", \"training\": \"" + training +
                        "\", \"negatives\": " + std::to_string(negatives) + "}"}),
                  "train");
    LossInput batch = training_batch(fitted);
    at::manual_seed(seed);
    return fitted.model.loss(batch).parts.back().second.item<float>();
  };
  EXPECT_NEAR(part("random_negatives", 100, 1), part("hard_negatives", 100, 1), 1e-5);
  EXPECT_EQ(part("random_negatives", 1, 1), part("random_negatives", 1, 1));
  std::set<float> drawn;
  for (uint64_t seed = 1; seed <= 8; ++seed) drawn.insert(part("random_negatives", 1, seed));
  EXPECT_GT(drawn.size(), 1u);
}

TEST_F(Shortlist, OfLengthZeroScoresAllPairsExactlyAndOneMatrixServesBothDirections) {
  Fitted fitted(load({"model.interaction={\"use\": \"distance\", \"weight\": 0.5, \"embedding_weight\": 2, "
                      "\"shortlist\": 0}"}),
                "train");
  const EncodedSplit encoded = encode_split(fitted.model, fitted.inputs, 4, fitted.report);
  const SplitScores scores = score_split(fitted.model, fitted.inputs, encoded, 3, fitted.report);
  EXPECT_FALSE(scores.t2i.has_value());
  const at::Tensor cosine = encoded.images.embedding.matmul(encoded.texts.embedding.t());
  const at::Tensor distance = (encoded.images.global.unsqueeze(1) - encoded.texts.global.unsqueeze(0)).square().sum(2);
  for (int64_t i = 0; i < 4; ++i)
    for (int64_t c = 0; c < fitted.inputs.caption_count(); ++c) {
      const int64_t t = fitted.inputs.caption_texts()[static_cast<size_t>(c)];
      EXPECT_NEAR(scores.i2t(i, c), (2 * cosine - 0.5 * distance)[i][t].item<float>(), 1e-5);
    }
}

TEST_F(Shortlist, TrainingOnAllPairsHandsTheLossesTheFinalScores) {
  Fitted fitted(load({"model.interaction={\"use\": \"distance\", \"weight\": 1, \"embedding_weight\": 0, "
                      "\"shortlist\": 0, \"training\": \"all_pairs\"}"}),
                "train");
  LossInput batch = training_batch(fitted);
  const RetrievalModel::BatchLoss loss = fitted.model.loss(batch);
  const at::Tensor distance = (batch.image.global.unsqueeze(1) - batch.text.global.unsqueeze(0)).square().sum(2);
  EXPECT_TRUE(at::allclose(batch.scores, -distance, 1e-5, 1e-5));
  for (const auto& [name, value] : loss.parts) EXPECT_NE(name, "interaction");
  loss.total.backward();
  EXPECT_NE(fitted.model.state().at("interaction.scale").grad().item<float>(), 0);
}

TEST_F(Shortlist, ChosenByEmbeddingsThatNothingTrainsIsRefused) {
  const std::string text = message_of([&] {
    load({"model.interaction={\"use\": \"distance\", \"embedding_weight\": 0, \"training\": \"all_pairs\"}"});
  });
  EXPECT_NE(text.find("/model/interaction/shortlist: is 100, but with \"embedding_weight\" 0"), std::string::npos)
      << text;
}

const char* const two_interactions =
    "model.interaction=[{\"use\": \"distance\", \"weight\": 0.5, \"embedding_weight\": 2, \"shortlist\": 0, "
    "\"training\": \"all_pairs\"}, {\"use\": \"distance\", \"weight\": 0.25, \"embedding_weight\": 2, "
    "\"shortlist\": 0}]";

TEST_F(Shortlist, SeveralInteractionsAddUpAndEachHasAPlaceInTheCheckpoint) {
  Fitted fitted(load({two_interactions}), "train");
  EXPECT_EQ(fitted.model.state().count("interaction.0.scale"), 1u);
  fitted.model.state().at("interaction.1.scale").data().fill_(3);
  const EncodedSplit encoded = encode_split(fitted.model, fitted.inputs, 4, fitted.report);
  const SplitScores scores = score_split(fitted.model, fitted.inputs, encoded, 3, fitted.report);
  const at::Tensor cosine = encoded.images.embedding.matmul(encoded.texts.embedding.t());
  const at::Tensor distance = (encoded.images.global.unsqueeze(1) - encoded.texts.global.unsqueeze(0)).square().sum(2);
  for (int64_t i = 0; i < 4; ++i)
    for (int64_t c = 0; c < fitted.inputs.caption_count(); ++c) {
      const int64_t t = fitted.inputs.caption_texts()[static_cast<size_t>(c)];
      EXPECT_NEAR(scores.i2t(i, c), (2 * cosine - (0.5 + 0.25 * 3) * distance)[i][t].item<float>(), 1e-4);
    }
}

TEST_F(Shortlist, OfSeveralInteractionsThoseOnAllPairsEnterTheScoresAndTheOthersHaveALossEach) {
  Fitted fitted(load({two_interactions}), "train");
  LossInput batch = training_batch(fitted);
  const RetrievalModel::BatchLoss loss = fitted.model.loss(batch);
  const at::Tensor cosine = batch.image.embedding.matmul(batch.text.embedding.t());
  const at::Tensor distance = (batch.image.global.unsqueeze(1) - batch.text.global.unsqueeze(0)).square().sum(2);
  EXPECT_TRUE(at::allclose(batch.scores, 2 * cosine - 0.5 * distance, 1e-5, 1e-5));
  EXPECT_EQ(loss.parts.back().first, "interaction.distance");
  loss.total.backward();
  EXPECT_NE(fitted.model.state().at("interaction.0.scale").grad().item<float>(), 0);
  EXPECT_NE(fitted.model.state().at("interaction.1.scale").grad().item<float>(), 0);
}

TEST_F(Shortlist, OfSeveralInteractionsIsOne) {
  const std::string text = message_of([&] {
    load(
        {"model.interaction=[{\"use\": \"distance\"}, {\"use\": \"distance\", \"shortlist\": 10, "
         "\"embedding_weight\": 2}]"});
  });
  EXPECT_NE(text.find("/model/interaction/1/shortlist: is 10, but /model/interaction/0 has 100"), std::string::npos)
      << text;
  EXPECT_NE(text.find("/model/interaction/1/embedding_weight: is 2, but /model/interaction/0 has 1"), std::string::npos)
      << text;
}

TEST(RelationRows, AreTheRelationsOfEachGraphInTheirOrderPaddedWithZeros) {
  const at::Tensor relations =
      at::tensor({2, 0, 2, 0, 0, /**/ 1, 0, 0, 3, 1, /**/ 0, 1, 1, 0, 1, /**/ 5, 2, 3, 4, 2}, at::kLong).view({4, 5});
  const at::Tensor rows = relation_rows(relations, 4);
  EXPECT_EQ(rows.sizes().vec(), (std::vector<int64_t>{4, 3, 3}));
  const at::Tensor expected = at::tensor({0, 1, 2, 3, 0, 4, 1, 1, 2,  //
                                          0, 0, 0, 0, 0, 0, 0, 0, 0,  //
                                          1, 0, 5, 0, 1, 3, 0, 0, 0,  //
                                          0, 0, 0, 0, 0, 0, 0, 0, 0},
                                         at::kLong)
                                  .view({4, 3, 3});
  EXPECT_TRUE(at::equal(rows, expected)) << rows;
  EXPECT_EQ(relation_rows(at::empty({4, 0}, at::kLong), 2).sizes().vec(), (std::vector<int64_t>{2, 1, 3}));
}

class Checkpoints : public ModelTest {};

TEST_F(Checkpoints, RestoreGivesTheSameEmbeddingsToTheBit) {
  Fitted first(load(with_graphs), "train");
  const EncodedSplit before = encode_split(first.model, first.inputs, 4, first.report);
  save_checkpoint(folder_.path() / "model.safetensors",
                  {first.model.state(), {}, first.model.extra_states(), Value::object()});

  LoadedConfig loaded = load(with_graphs);
  RetrievalModel model(loaded.config, *loaded.plugins);
  const Checkpoint checkpoint = load_checkpoint(folder_.path() / "model.safetensors");
  SplitInputs inputs(model, first.dataset.train, first.dataset.triples, first.cache, first.report, {4, 1});
  inputs.build_graphs();
  model.restore(checkpoint.extra);
  model.load_state(checkpoint.model, "model.safetensors");
  inputs.prepare();
  const EncodedSplit after = encode_split(model, inputs, 4, first.report);
  EXPECT_TRUE(before.images.embedding.equal(after.images.embedding));
  EXPECT_TRUE(before.texts.embedding.equal(after.texts.embedding));
}

TEST_F(Checkpoints, OneWhoseChecksumLostItsNameToAFlippedBitIsRefused) {
  const auto file = folder_.path() / "model.safetensors";
  save_checkpoint(file, {{{"weight", at::ones({3})}}, {}, {}, Value::object()});
  EXPECT_EQ(load_checkpoint(file).model.size(), 1u);
  std::string bytes = read_file(file);
  bytes[bytes.find("orbweaver.checksum")] ^= 1;
  write_atomically(file, std::string_view(bytes));
  EXPECT_THROW(load_checkpoint(file), InputError);
}

TEST_F(Checkpoints, OneThatDoesNotFitNamesEveryTensorAtFault) {
  Fitted fitted(load(), "train");
  TensorMap state = fitted.model.state();
  state["text.encoder.linear.weight"] = at::zeros({2, 2});
  state.erase("text.encoder.linear.bias");
  state["stranger"] = at::zeros({1});
  const std::string text = message_of([&] { fitted.model.load_state(state, "x.safetensors"); });
  EXPECT_NE(text.find("text.encoder.linear.weight is [2, 2], expected [3, 1]"), std::string::npos) << text;
  EXPECT_NE(text.find("text.encoder.linear.bias is missing"), std::string::npos) << text;
  EXPECT_NE(text.find("stranger is not expected"), std::string::npos) << text;
}

class FrozenFeatures : public ModelTest {
 protected:
  /// Image embeddings of the training split, its encoder's features by way of the cache.
  at::Tensor encode() {
    lines_.clear();
    RunReport report;
    report.line = [&](const std::string& text) { lines_.push_back(text); };
    const LoadedConfig loaded = load();
    const FeatureCache cache(folder_.path() / "features", report.line);
    const Dataset dataset = open_dataset(loaded.config, report);
    RetrievalModel model(loaded.config, *loaded.plugins);
    SplitInputs inputs(model, dataset.train, dataset.triples, cache, report, {4, 1});
    model.fit({});
    inputs.prepare();
    EXPECT_TRUE(inputs.images_are_cached());
    return encode_split(model, inputs, 4, report).images.embedding;
  }

  std::vector<std::string> lines_;
};

TEST_F(FrozenFeatures, ComeFromTheCacheTheSecondTimeAndAreTheSame) {
  const at::Tensor first = encode();
  EXPECT_TRUE(lines_.empty());
  EXPECT_TRUE(first.equal(encode()));
  EXPECT_EQ(std::count(lines_.begin(), lines_.end(), "image features of train: 4 from the cache"), 1);
}

TEST_F(FrozenFeatures, ADamagedEntryIsReportedAndMadeAgain) {
  const at::Tensor before = encode();
  for (const auto& entry : std::filesystem::recursive_directory_iterator(folder_.path() / "features")) {
    if (!entry.is_regular_file()) continue;
    std::fstream file(entry.path(), std::ios::in | std::ios::out | std::ios::binary);
    file.seekp(-1, std::ios::end);
    file.put('\x7f');
  }
  EXPECT_TRUE(before.equal(encode()));
  ASSERT_FALSE(lines_.empty());
  EXPECT_NE(lines_[0].find("made again"), std::string::npos) << lines_[0];
}

TEST_F(FrozenFeatures, GraphsComeFromTheCacheTheSecondTimeAndAreTheSame) {
  const LoadedConfig loaded = load(with_graphs);
  const RunReport report;
  const Dataset dataset = open_dataset(loaded.config, report);
  const FeatureCache cache = open_cache(loaded.config, report);
  const auto graphs = [&] {
    RetrievalModel model(loaded.config, *loaded.plugins);
    SplitInputs inputs(model, dataset.train, dataset.triples, cache, report, {4, 1});
    inputs.build_graphs();
    std::vector<Graph> out;
    for (int64_t i = 0; i < inputs.image_count(); ++i) out.push_back(inputs.graph(Side::image, i));
    return out;
  };
  const auto is_cached = [&](const std::string& what) {
    for (const CachedPart& part : cached_parts(loaded.config, *loaded.plugins, dataset, report))
      if (part.what == what) return part.cached;
    throw Error("no such part: " + what);
  };
  EXPECT_FALSE(is_cached("image graphs of train"));
  EXPECT_FALSE(is_cached("text graphs of train"));
  const std::vector<Graph> made = graphs();
  EXPECT_TRUE(is_cached("image graphs of train"));
  EXPECT_TRUE(is_cached("text graphs of train"));
  EXPECT_FALSE(is_cached("image features of train"));
  const std::vector<Graph> read = graphs();
  ASSERT_EQ(made.size(), 4u);
  ASSERT_EQ(read.size(), made.size());
  for (size_t i = 0; i < made.size(); ++i) {
    EXPECT_EQ(read[i].labels, made[i].labels);
    EXPECT_EQ(read[i].features, made[i].features);
    EXPECT_EQ(read[i].adjacency, made[i].adjacency);
    EXPECT_EQ(read[i].relations, made[i].relations);
  }
}

TEST_F(FrozenFeatures, OfBothPartsAreKeptOnlyWhereTheCacheHoldsBoth) {
  const LoadedConfig loaded = load({"model.fusion.use=both_parts"});
  std::vector<std::string> lines;
  RunReport report;
  report.line = [&](const std::string& text) { lines.push_back(text); };
  const Dataset dataset = open_dataset(loaded.config, report);
  const auto prepared_with = [&](int64_t limit) {
    lines.clear();
    FeatureCache::Options options;
    options.limit = limit;
    const FeatureCache cache(folder_.path() / "features", report.line, options);
    RetrievalModel model(loaded.config, *loaded.plugins);
    SplitInputs inputs(model, dataset.train, dataset.triples, cache, report, {4, 1});
    model.fit({});
    inputs.prepare();
    EXPECT_TRUE(inputs.images_are_cached());
    return encode_split(model, inputs, 4, report).images.embedding;
  };
  // Four images' global [3] and tokens [4, 3] in float32: 48 and 192 bytes.
  const at::Tensor embedding = prepared_with(239);
  ASSERT_EQ(lines.size(), 1u);
  EXPECT_NE(lines[0].find("image features of train: not kept: 240 B are more than the whole cache may hold (239 B)"),
            std::string::npos)
      << lines[0];
  for (const CacheEntry& entry : scan_cache(folder_.path() / "features").entries) EXPECT_EQ(entry.kind, "files");
  EXPECT_TRUE(embedding.equal(prepared_with(1 << 20)));
  EXPECT_TRUE(lines.empty());
  EXPECT_TRUE(embedding.equal(prepared_with(1 << 20)));
  EXPECT_EQ(std::count(lines.begin(), lines.end(), "image features of train: 4 from the cache"), 1);
}

TEST_F(FrozenFeatures, AreNotMadeWhereNothingReadsThem) {
  std::vector<std::string> overrides = with_graphs;
  overrides.insert(overrides.end(), {"model.fusion={\"use\": \"local_alone\"}", "model.text.encoder.freeze=true"});
  const LoadedConfig loaded = load(overrides);
  const RunReport report;
  const Dataset dataset = open_dataset(loaded.config, report);
  for (const CachedPart& part : cached_parts(loaded.config, *loaded.plugins, dataset, report))
    EXPECT_EQ(part.what.find("features"), std::string::npos) << part.what;
  const FeatureCache cache = open_cache(loaded.config, report);
  RetrievalModel model(loaded.config, *loaded.plugins);
  SplitInputs inputs(model, dataset.train, dataset.triples, cache, report, {4, 1});
  inputs.build_graphs();
  FitData fit;
  inputs.count_names(fit.graph_names);
  model.fit(fit);
  // From here on nobody needs a pixel.
  for (const ImageRecord& image : dataset.train.images) std::filesystem::remove(image.file);
  inputs.prepare();
  EXPECT_FALSE(inputs.loads_images());
  EXPECT_EQ(encode_split(model, inputs, 4, report).images.embedding.size(0), 4);
  for (const CacheEntry& entry : scan_cache(cache.folder()).entries)
    EXPECT_TRUE(entry.kind == "files" || entry.kind.ends_with("-graphs")) << entry.kind;
}

TEST_F(FrozenFeatures, AreOfTheFilesThatAnyParameterNames) {
  const auto identity = [&] {
    const LoadedConfig loaded = load({"model.text.encoder.lists=[\"" + (folder_.path() / "a.txt").string() + "\"]",
                                      "model.text.encoder.table.file=" + (folder_.path() / "t" / "b.txt").string()});
    RetrievalModel model(loaded.config, *loaded.plugins);
    model.fit({});
    ContentHashes hashes({});
    return model.encoder_identity(Side::text, hashes);
  };
  std::set<std::string> all;
  for (const char* file : {"a.txt", "t/b.txt", "t/b.names", "t/vocab.json"}) {
    EXPECT_TRUE(all.insert(identity()).second) << file;
    write_text(folder_.path() / file, "content");
  }
  const std::string last = identity();
  EXPECT_TRUE(all.insert(last).second);
  write_text(folder_.path() / "t" / "other.txt", "content");
  EXPECT_EQ(identity(), last);
}

TEST(ProcessorName, TellsTheInstructionsOfTheCpu) {
  const std::string name = processor_name("cpu");
  EXPECT_TRUE(name.starts_with("cpu ") && name.size() > 4 && name.find('\n') == std::string::npos) << name;
}

class Training : public ModelTest {};

TEST_F(Training, RefusesAFolderThatHoldsARun) {
  TrainOptions options{folder_.path() / "config.json", {}, {}, false, false};
  options.overrides = {"plugin_paths=[\"" ORBWEAVER_BUILD_DIR "/tests/model_plugins\"]",
                       "cache=" + (folder_.path() / "cache").string(), "output=" + (folder_.path() / "runs").string(),
                       "train.epochs=1"};
  const TrainResult result = train(options, {});
  EXPECT_TRUE(result.finished);
  EXPECT_NE(message_of([&] { train(options, {}); }).find("holds a run already; --resume continues it"),
            std::string::npos);
  options.resume = true;
  options.overrides.push_back("train.lr=0.5");
  EXPECT_NE(message_of([&] { train(options, {}); }).find("/train/lr was 2e-04, is 0.5"), std::string::npos);
}

TEST_F(Training, ALossThatIsNotFiniteStopsAndWritesTheBatchDown) {
  TrainOptions options{folder_.path() / "config.json", {}, folder_.path() / "run", false, false};
  options.overrides = {"plugin_paths=[\"" ORBWEAVER_BUILD_DIR "/tests/model_plugins\"]",
                       "cache=" + (folder_.path() / "cache").string(), "model.text.encoder.poison=true"};
  const std::string text = message_of([&] { train(options, {}); });
  EXPECT_NE(text.find("the loss is nan at epoch 1, step 1"), std::string::npos) << text;
  EXPECT_NE(text.find("text_encoder length"), std::string::npos) << text;
  const Value batch = read_json(folder_.path() / "run" / "bad_batch.json");
  EXPECT_EQ(batch.at("items").as_list().size(), 4u);
  EXPECT_TRUE(batch.at("items").as_list()[0].at("image").is_string());
}

TEST_F(Training, AugmentationMovesImagesAndGraphsAndIsTheSameWithAnyNumberOfWorkers) {
  const auto weights_of = [&](const char* name, std::vector<std::string> more) {
    TrainOptions options{folder_.path() / "config.json", {}, folder_.path() / name, false, false};
    options.overrides = with_graphs;
    options.overrides.insert(options.overrides.end(),
                             {"plugin_paths=[\"" ORBWEAVER_BUILD_DIR "/tests/model_plugins\"]",
                              "cache=" + (folder_.path() / "cache").string(), "model.image.encoder.freeze=true"});
    options.overrides.insert(options.overrides.end(), more.begin(), more.end());
    EXPECT_TRUE(train(options, {}).finished);
    return hash_file(folder_.path() / name / "best.safetensors");
  };
  const std::vector<std::string> turned{"train.augment={\"scale\": 1.2, \"rotation\": 90, \"flip\": true}"};
  std::vector<std::string> turned_by_three = turned;
  turned_by_three.push_back("train.workers=3");
  const std::string one = weights_of("one", turned);
  EXPECT_EQ(one, weights_of("three", turned_by_three));
  EXPECT_NE(one, weights_of("still", {}));
}

TEST_F(Training, AnInterruptBeforeTheFirstStepSaysThatNothingWasSavedAndLeavesAFolderThatCanBeResumed) {
  TrainOptions options{folder_.path() / "config.json", {}, folder_.path() / "run", false, false};
  options.overrides = {"plugin_paths=[\"" ORBWEAVER_BUILD_DIR "/tests/model_plugins\"]",
                       "cache=" + (folder_.path() / "cache").string(), "model.image.encoder.freeze=true"};
  const std::atomic<bool> stop = true;
  RunReport report;
  report.stop = &stop;
  const std::string text = message_of([&] { train(options, report); });
  EXPECT_NE(text.find("interrupted before the first step; there was nothing to save"), std::string::npos) << text;
  EXPECT_FALSE(std::filesystem::exists(folder_.path() / "run" / "last.safetensors"));
  EXPECT_FALSE(std::filesystem::exists(folder_.path() / "run" / "record.json"));
  options.resume = true;
  EXPECT_TRUE(train(options, {}).finished);
}

TEST_F(Training, ResumingAFinishedRunTrainsNoFurtherAndKeepsItsEvaluations) {
  TrainOptions options{folder_.path() / "config.json", {}, folder_.path() / "run", false, false};
  options.overrides = {"plugin_paths=[\"" ORBWEAVER_BUILD_DIR "/tests/model_plugins\"]",
                       "cache=" + (folder_.path() / "cache").string()};
  ASSERT_TRUE(train(options, {}).finished);
  EvalOptions eval;
  eval.config_or_run = folder_.path() / "run";
  evaluate_run(eval, {});
  const std::string weights = hash_file(folder_.path() / "run" / "best.safetensors");
  const Value before = read_json(folder_.path() / "run" / "record.json");
  options.resume = true;
  EXPECT_TRUE(train(options, {}).finished);
  EXPECT_EQ(hash_file(folder_.path() / "run" / "best.safetensors"), weights);
  EXPECT_EQ(read_json(folder_.path() / "run" / "record.json").at("evaluations"), before.at("evaluations"));
}

TEST_F(Training, TheRecordCarriesTheProtocol) {
  TrainOptions options{folder_.path() / "config.json", {}, folder_.path() / "run", false, false};
  options.overrides = {"plugin_paths=[\"" ORBWEAVER_BUILD_DIR "/tests/model_plugins\"]",
                       "cache=" + (folder_.path() / "cache").string(), "rerank={\"use\": \"multivariate\", \"k\": 2}"};
  ASSERT_TRUE(train(options, {}).finished);
  EvalOptions eval;
  eval.config_or_run = folder_.path() / "run";
  const EvalResult result = evaluate_run(eval, {});
  const Value record = read_json(folder_.path() / "run" / "record.json");
  EXPECT_EQ(record.at("selection").at("split").as_string(), "val");
  const Value& test = record.at("evaluations").at("test");
  EXPECT_EQ(test.at("protocol").at("tie_rule").as_string(), "strict");
  EXPECT_EQ(test.at("protocol").at("dataset").at("splits").at("test").at("images").as_int(), 1);
  EXPECT_TRUE(test.at("environment").at("plugins").find("fixtures"));
  bool plain = false, identity = false, reranked = false;
  for (const EvaluationRow& row : result.rows) {
    plain = plain || row.reranker == "none";
    identity = identity || row.reranker == "identity";
    reranked = reranked || (row.reranker == "multivariate" && row.transductive);
  }
  EXPECT_TRUE(plain && identity && reranked);
}

TEST_F(Training, AnEpochTellsHowManyOfItsSecondsWereNotTheModelsAndHowManyWentOnImages) {
  const auto epochs_of = [&](const char* name, std::vector<std::string> overrides) {
    TrainOptions options{folder_.path() / "config.json", {}, folder_.path() / name, false, false};
    options.overrides = std::move(overrides);
    options.overrides.push_back("plugin_paths=[\"" ORBWEAVER_BUILD_DIR "/tests/model_plugins\"]");
    options.overrides.push_back("cache=" + (folder_.path() / "cache").string());
    EXPECT_TRUE(train(options, {}).finished);
    std::ifstream lines(folder_.path() / name / "metrics.jsonl");
    std::vector<Value> out;
    for (std::string line; std::getline(lines, line);) out.push_back(parse_json(line, "metrics.jsonl"));
    EXPECT_EQ(out.size(), 2u);
    for (const Value& epoch : out) {
      EXPECT_GE(epoch.at("own_seconds").as_double(), epoch.at("waiting_seconds").as_double());
      EXPECT_GT(epoch.at("seconds").as_double(), epoch.at("own_seconds").as_double());
    }
    return out;
  };
  // A frozen encoder's features come from the cache: no images are loaded.
  for (const Value& epoch : epochs_of("frozen", {})) EXPECT_EQ(epoch.at("waiting_seconds").as_double(), 0);
  for (const Value& epoch : epochs_of("trained", {"model.image.encoder.use=linear"}))
    EXPECT_GT(epoch.at("waiting_seconds").as_double(), 0);
}

TEST_F(Training, AnEvaluationEncodesEveryImageAndEveryDistinctCaptionOnce) {
  const auto file = [&](const char* name) { return (folder_.path() / name).string(); };
  EvalOptions eval;
  eval.config_or_run = folder_.path() / "config.json";
  eval.split = "train";
  eval.overrides = {"plugin_paths=[\"" ORBWEAVER_BUILD_DIR "/tests/model_plugins\"]",
                    "cache=" + file("cache"),
                    "model.image.encoder={\"use\": \"linear\", \"note\": \"" + file("images.txt") + "\"}",
                    "model.text.encoder.note=" + file("texts.txt"),
                    "rerank={\"use\": \"multivariate\", \"k\": 2}",
                    "eval.batch_size=3"};
  const Value record = evaluate_run(eval, {}).record;
  const auto encoded = [](const std::string& name) {
    std::ifstream lines(name);
    int64_t sum = 0;
    for (int64_t count = 0; lines >> count;) sum += count;
    return sum;
  };
  EXPECT_EQ(record.at("images").as_int(), 4);
  EXPECT_EQ(encoded(file("images.txt")), record.at("images").as_int());
  EXPECT_EQ(encoded(file("texts.txt")), record.at("distinct_texts").as_int());
  EXPECT_GT(record.at("encoding_seconds").as_double(), 0);
  EXPECT_GE(record.at("evaluation_seconds").as_double(), record.at("encoding_seconds").as_double());
  EXPECT_GT(record.at("ranking_seconds").as_double(), 0);
}

TEST_F(Training, AnotherEvaluationThanTheRunsOwnLeavesItsRecordAndRanksAlone) {
  TrainOptions options{folder_.path() / "config.json", {}, folder_.path() / "run", false, false};
  options.overrides = {"plugin_paths=[\"" ORBWEAVER_BUILD_DIR "/tests/model_plugins\"]",
                       "cache=" + (folder_.path() / "cache").string(), "rerank={\"use\": \"multivariate\", \"k\": 2}"};
  ASSERT_TRUE(train(options, {}).finished);
  EvalOptions own;
  own.config_or_run = folder_.path() / "run";
  evaluate_run(own, {});
  const auto kept = [&] {
    return read_file(own.config_or_run / "record.json") + read_file(own.config_or_run / "ranks.test.safetensors");
  };
  const std::string before = kept();
  std::vector<std::string> lines;
  RunReport report;
  report.line = [&](const std::string& line) { lines.push_back(line); };

  EvalOptions other = own;
  other.rerank = false;
  EXPECT_EQ(evaluate_run(other, report).rows.size(), 4u) << "plain rows and identity";
  other = own;
  other.overrides = {"rerank.k=1"};
  evaluate_run(other, report);
  other = own;
  other.checkpoint = own.config_or_run / "last.safetensors";
  evaluate_run(other, report);
  EXPECT_EQ(kept(), before);
  ASSERT_GE(lines.size(), 3u);
  EXPECT_NE(lines.back().find("not kept"), std::string::npos) << lines.back();
  EXPECT_NE(lines.back().find("--checkpoint"), std::string::npos) << lines.back();

  other.scores = own.config_or_run / "scores.test.npy";
  EXPECT_NE(message_of([&] { evaluate_run(other, report); }).find("save these elsewhere"), std::string::npos);
  EXPECT_FALSE(std::filesystem::exists(other.scores));

  // Where things lie changes nothing, and the best weights are the run's own by any name.
  std::filesystem::remove(own.config_or_run / "ranks.test.safetensors");
  other.checkpoint = own.config_or_run / "best.safetensors";
  other.overrides = {"cache=", "train.workers=1"};
  evaluate_run(other, report);
  EXPECT_TRUE(std::filesystem::exists(own.config_or_run / "ranks.test.safetensors"));
}

TEST_F(Training, ScoresInARunFolderAreOnlyThoseOfItsOwnEvaluationOfThatSplit) {
  TrainOptions options{folder_.path() / "config.json", {}, folder_.path() / "run", false, false};
  options.overrides = {"plugin_paths=[\"" ORBWEAVER_BUILD_DIR "/tests/model_plugins\"]",
                       "cache=" + (folder_.path() / "cache").string()};
  ASSERT_TRUE(train(options, {}).finished);
  const std::filesystem::path run = options.folder;
  const auto refused = [](EvalOptions eval, const std::filesystem::path& scores) {
    eval.scores = scores;
    const std::string text = message_of([&] { evaluate_run(eval, {}); });
    EXPECT_TRUE(text.empty() || text.find("save these elsewhere") != std::string::npos) << text;
    return !text.empty();
  };
  EvalOptions eval;
  eval.config_or_run = run;
  eval.split = "val";
  EXPECT_TRUE(refused(eval, run / "scores.test.npy"));
  EXPECT_TRUE(refused(eval, run / ".." / "run" / "scores.train.npy"));
  EXPECT_TRUE(refused(eval, run / "scores.val.t2i.npy"));
  EXPECT_FALSE(std::filesystem::exists(run / "scores.test.npy"));
  EXPECT_FALSE(refused(eval, run / "scores.val.npy"));
  EXPECT_TRUE(std::filesystem::exists(run / "scores.val.npy"));
  EXPECT_FALSE(refused(eval, folder_.path() / "scores.test.npy"));

  // What is evaluated may be no run at all, or another one.
  eval.config_or_run = folder_.path() / "config.json";
  eval.overrides = options.overrides;
  EXPECT_TRUE(refused(eval, run / "scores.val.npy"));
}

TEST_F(Training, OnADatasetOrPluginsThatChangedAnEvaluationIsNotTheRunsOwn) {
  namespace fs = std::filesystem;
  const fs::path run = folder_.path() / "run", ranks = run / "ranks.test.safetensors", data = folder_.path() / "data";
  const fs::path plugins = ORBWEAVER_BUILD_DIR "/tests/model_plugins";
  TrainOptions options{folder_.path() / "config.json", {}, run, false, false};
  options.overrides = {"plugin_paths=[\"" + plugins.string() + "\"]", "cache=" + (folder_.path() / "cache").string()};
  ASSERT_TRUE(train(options, {}).finished);
  /// What it said about not keeping its result; empty where it kept it.
  const auto said = [&](const std::vector<std::string>& overrides) {
    fs::remove(ranks);
    std::string last;
    RunReport report;
    report.line = [&](const std::string& line) { last = line; };
    EvalOptions eval;
    eval.config_or_run = run;
    eval.overrides = overrides;
    evaluate_run(eval, report);
    const bool not_kept = last.starts_with("not kept in ");
    EXPECT_NE(fs::exists(ranks), not_kept);
    return not_kept ? last : std::string();
  };
  EXPECT_EQ(said({}), "");

  fs::copy(data, folder_.path() / "moved", fs::copy_options::recursive);
  write_text(data / "test_caps.txt", "brown earth\nother soil\n");
  EXPECT_NE(said({}).find("another dataset than the run's"), std::string::npos);
  EXPECT_EQ(said({"dataset.root=" + (folder_.path() / "moved").string()}), "");
  write_text(folder_.path() / "moved" / "test_caps.txt", "brown earth\nother soil\n");
  EXPECT_NE(said({"dataset.root=" + (folder_.path() / "moved").string()}).find("another dataset"), std::string::npos);
  write_text(data / "test_caps.txt", "brown earth\nbare soil\n");
  EXPECT_EQ(said({"train.workers=1", "output=elsewhere"}), "");

  for (const char* name : {"same", "rebuilt"}) {
    fs::create_directory(folder_.path() / name);
    fs::copy(plugins / "orbw_fixtures.so", folder_.path() / name / "orbw_fixtures.so");
  }
  write_text(folder_.path() / "rebuilt" / "orbw_fixtures.so", read_file(plugins / "orbw_fixtures.so") + "x");
  const auto from = [&](const char* name) { return "plugin_paths=[\"" + (folder_.path() / name).string() + "\"]"; };
  EXPECT_EQ(said({from("same")}), "");
  EXPECT_NE(said({from("rebuilt")}).find("another build of the plugin fixtures than the run's"), std::string::npos);
}

}  // namespace
}  // namespace orbweaver::testing
