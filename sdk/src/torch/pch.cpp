// Carries the precompiled header; see sdk/cmake/OrbweaverLibtorch.cmake.
