// Stands for the libtorch_cpu of another LibTorch.
__attribute__((visibility("default"))) int second_torch_function() { return 99; }
