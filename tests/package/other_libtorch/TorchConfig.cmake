# A LibTorch of a version that there is not.
set(TORCH_INCLUDE_DIRS ${CMAKE_CURRENT_LIST_DIR}/include)
set(TORCH_LIBRARIES)
set(Torch_FOUND TRUE)
