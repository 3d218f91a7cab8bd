// Carries the precompiled header; see sdk/CMakeLists.txt.
