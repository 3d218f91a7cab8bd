#include "framework/model/processor.h"

#include <ATen/Version.h>
#include <c10/core/Device.h>
#include <dlfcn.h>

#include <string_view>

namespace orbweaver {
namespace {

/// The instructions that LibTorch's CPU kernels use here: "AVX2". 1.13 tells them in this text alone.
std::string cpu_capability() {
  constexpr std::string_view label = "CPU capability usage: ";
  const std::string text = at::show_config();
  const size_t at = text.find(label);
  if (at == std::string::npos) return "";
  const size_t begin = at + label.size();
  return text.substr(begin, text.find_first_of(" ,\n", begin) - begin);
}

/// Asks the driver that LibTorch has loaded, as this build needs no header of CUDA. It counts GPUs as LibTorch does:
/// both leave out what CUDA_VISIBLE_DEVICES hides.
std::string gpu_name(int index) {
  void* driver = dlopen("libcuda.so.1", RTLD_LAZY | RTLD_LOCAL);
  if (!driver) return "";
  const auto init = reinterpret_cast<int (*)(unsigned)>(dlsym(driver, "cuInit"));
  const auto find = reinterpret_cast<int (*)(int*, int)>(dlsym(driver, "cuDeviceGet"));
  const auto name_of = reinterpret_cast<int (*)(char*, int, int)>(dlsym(driver, "cuDeviceGetName"));
  char name[256] = "";
  int gpu = 0;
  if (!init || !find || !name_of || init(0) != 0 || find(&gpu, index) != 0 || name_of(name, sizeof name, gpu) != 0)
    name[0] = '\0';
  dlclose(driver);
  return name;
}

}  // namespace

std::string processor_name(const std::string& text) {
  const c10::Device device(text);
  const std::string name = device.is_cpu() ? cpu_capability() : gpu_name(device.has_index() ? device.index() : 0);
  return (device.is_cpu() ? "cpu" : "gpu") + (name.empty() ? name : " " + name);
}

}  // namespace orbweaver
