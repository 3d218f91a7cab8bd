// The shipped components that need a file of the user's, each checked with one: TorchScript archives made here, a
// detector's weights from the reference data.
#include <ATen/ATen.h>
#include <gtest/gtest.h>
#include <torch/csrc/jit/api/module.h>

#include "framework/io/json.h"
#include "framework/plugin/check_process.h"
#include "temporary_folder.h"
#include "test_data.h"

namespace orbweaver::testing {
namespace {

namespace fs = std::filesystem;

void expect_conforms(const std::string& plugin, const std::string& id, const Value& params) {
  const fs::path file = fs::path(ORBWEAVER_BUILD_DIR) / "lib/orbweaver/plugins" / ("orbw_" + plugin + ".so");
  int properties = 0;
  check_plugin_here({file, id, params}, [&](const CheckStep& step) {
    EXPECT_TRUE(step.state != CheckStep::State::failed) << step.where() << ": " << step.reason;
    if (step.state == CheckStep::State::passed && !step.property.empty()) ++properties;
  });
  EXPECT_GE(properties, 5);  // it was not merely constructed
}

class ShippedPluginsOfFiles : public ::testing::Test {
 protected:
  /// A module with a weight and this `forward`, as torch.jit.save writes it.
  std::string archive(const at::Tensor& weight, const std::string& forward) const {
    torch::jit::Module module("m");
    module.register_parameter("weight", weight.requires_grad_(), /*is_buffer=*/false);
    module.define(forward);
    const fs::path file = folder_.path() / "module.pt";
    module.save(file.string());
    return file.string();
  }

  TemporaryFolder folder_;
};

TEST_F(ShippedPluginsOfFiles, TorchscriptImageConforms) {
  at::manual_seed(1);
  Value params = Value::object();
  params["file"] = archive(at::randn({3, 5}),
                           "def forward(self, x):\n"
                           "  t = x.flatten(2).transpose(1, 2) @ self.weight\n"
                           "  return {\"global\": t.mean(1), \"tokens\": t}\n");
  params["size"] = 4;
  expect_conforms("torchscript", "image_encoder/torchscript_image", params);
}

TEST_F(ShippedPluginsOfFiles, TorchscriptTextConforms) {
  at::manual_seed(2);
  Value params = Value::object();
  params["file"] = archive(at::randn({517, 6}),
                           "def forward(self, ids):\n"
                           "  t = torch.embedding(self.weight, ids)\n"
                           "  return {\"global\": t.mean(1), \"tokens\": t}\n");
  write_text(folder_.path() / "merges.txt", "#version: 0.2\nl o\nlo w</w>\ne r</w>\n");
  params["vocabulary"] = (folder_.path() / "merges.txt").string();
  params["token_ids"] = 517;
  expect_conforms("torchscript", "text_encoder/torchscript_text", params);
}

constexpr const char* kWeights = "data/weights/yolo-fastest-1.1-xl.weights";

TEST_F(ShippedPluginsOfFiles, YoloConforms) {
  ORBWEAVER_NEEDS_TEST_DATA(kWeights);
  Value params = Value::object();
  params["weights"] = (test_data() / kWeights).string();
  expect_conforms("yolo", "detector/yolo", params);
}

TEST_F(ShippedPluginsOfFiles, OpencvDnnConforms) {
  ORBWEAVER_NEEDS_TEST_DATA(kWeights);
  Value params = Value::object();
  params["weights"] = (test_data() / kWeights).string();
  params["layer"] = "conv_100";
  params["size"] = 256;
  expect_conforms("opencv_dnn", "image_encoder/opencv_dnn", params);
}

}  // namespace
}  // namespace orbweaver::testing
