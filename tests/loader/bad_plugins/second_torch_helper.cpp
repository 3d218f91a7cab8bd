// An ordinary library between a plugin and the second LibTorch.
int second_torch_function();
__attribute__((visibility("default"))) int helper_function() { return second_torch_function(); }
