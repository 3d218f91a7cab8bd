// Tensors that components return, checked.
#include <ATen/ATen.h>
#include <fmt/format.h>

#include <limits>

#include "framework/model/check_outputs.h"
#include "loader/loader_test.h"
#include "orbweaver/torch/fusion.h"

namespace orbweaver {
namespace {

using testing::contains;
using testing::message_of;

const ComponentRef ref{"fusion", "mix", "/model/fusion", "/plugins/orbw_mix.so"};

std::string violation(const at::Tensor& output, const std::vector<int64_t>& wanted) {
  return message_of<Error>([&] { check_output(ref, "forward: embedding", output, wanted, true); });
}

TEST(CheckOutput, AcceptsAnyFloatingTypeAndFreeSizes) {
  check_output(ref, "x", at::zeros({2, 3}), {2, 3}, true);
  check_output(ref, "x", at::zeros({2, 3}, at::kHalf), {-1, 3}, true);
  check_output(ref, "x", at::zeros({0, 3}), {-1, 3}, true);
  check_output(ref, "x", at::zeros({2, 3}, at::kBool), {2, -1}, false);
  // The sum overflows although every element is finite.
  check_output(ref, "x", at::full({4}, std::numeric_limits<float>::max()), {4}, true);
}

TEST(CheckOutput, NamesTheComponentWhatItReturnedAndWhatWasWanted) {
  EXPECT_EQ(violation(at::zeros({2, 3}), {2, 4}),
            "/model/fusion: fusion mix (/plugins/orbw_mix.so): forward: embedding: returned [2, 3], expected [2, 4]");
  EXPECT_TRUE(contains(violation(at::zeros({2}), {2, -1}), "returned [2], expected [2, any]"));
  EXPECT_TRUE(contains(violation(at::Tensor(), {2}), "returned an undefined tensor"));
  at::Tensor numbers = at::zeros({2, 3});
  numbers[0][1] = std::numeric_limits<float>::quiet_NaN();
  numbers[1][1] = std::numeric_limits<float>::infinity();
  EXPECT_TRUE(
      contains(violation(numbers, {2, 3}), "returned 1 NaN and 1 infinite of 6 numbers, expected finite numbers"));
}

TEST(BadComponent, ThatReturnsIntegersIsNamedWithTheTypeFound) {
  PluginHost host({{}, {BAD_PLUGINS}});
  Inputs inputs;
  inputs.embed_dim = 5;
  const auto fusion = create<Fusion>(host, "wrong_dtype", Value(), &inputs, "/model/fusion");
  Representation side;
  side.global = at::zeros({2, 3});
  const at::Tensor embedding = fusion.call("forward", [&](Fusion& component) { return component.forward(side); });
  EXPECT_EQ(
      message_of<Error>([&] {
        check_output(fusion.ref(), "forward: embedding", embedding, {2, 5}, true);
      }),
      fmt::format(
          "/model/fusion: fusion wrong_dtype ({}/orbw_wrong_dtype.so): forward: embedding: returned a tensor of type "
          "Long, expected a floating-point type",
          BAD_PLUGINS));
}

TEST(BadComponent, OfTheModelPlaneIsNotMadeWithoutInputs) {
  PluginHost host({{}, {BAD_PLUGINS}});
  EXPECT_TRUE(
      contains(message_of<Error>([&] { create<Fusion>(host, "wrong_dtype", Value(), nullptr, "/model/fusion"); }),
               "a component of the model plane needs inputs"));
}

TEST(HostedCall, DropsTheBacktraceOfALibTorchError) {
  const Hosted<at::Tensor> hosted(std::make_shared<at::Tensor>(at::zeros({2, 3})), ref);
  const std::string message =
      message_of<Error>([&] { hosted.call("forward", [](at::Tensor& x) { return at::mm(x, x); }); });
  EXPECT_TRUE(contains(message, "cannot be multiplied"));
  EXPECT_EQ(message.find("frame #"), std::string::npos);
}

}  // namespace
}  // namespace orbweaver
