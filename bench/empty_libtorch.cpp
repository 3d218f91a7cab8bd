// What every start of orbweaver waits for, whatever it does: a program that is linked to LibTorch
// (bench/CMakeLists.txt) and does nothing. whole_plugins_list.sh measures it.
int main() {}
