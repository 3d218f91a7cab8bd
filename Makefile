# A thin front for CMake: `make` lists what there is. PRESET=debug, asan or tsan picks another build, PREFIX the place to
# install to.
PRESET ?= release
JOBS ?= $(shell nproc)
PREFIX ?= /usr/local
FUZZ_SECONDS ?= 600

build_dir := build/$(PRESET)
sources = $(shell git ls-files '*.cpp' '*.h')

.PHONY: help setup build demo test install deb docs abi-record bench fuzz format lint clean

help:
	@echo 'make demo     install what is missing, build the program, then compare methods on synthetic scenes (into demo/)'
	@echo 'make test     install what is missing, build, run all tests'
	@echo 'make build    install what is missing, build: $(build_dir)/bin/orbweaver'
	@echo 'make install  build and install below PREFIX (now $(PREFIX)); DESTDIR is honoured'
	@echo 'make deb      build a Debian package: $(build_dir)/orbweaver_*.deb'
	@echo 'make docs     make a site of the documentation: build/docs/site (nothing is compiled)'
	@echo 'make abi-record  renew the record of the SDK for a release (docs/abi.md)'
	@echo 'make bench    build and run the benchmarks, and print their table; BENCH="rerank tokens": those alone'
	@echo 'make fuzz     fuzz the readers of files, FUZZ_SECONDS each (now $(FUZZ_SECONDS)); FUZZ_TARGETS="npy json": these alone'
	@echo 'make format   format the sources in place (clang-format)'
	@echo 'make lint     check style and common mistakes (clang-format, cppcheck, clang-tidy)'
	@echo 'make clean    remove $(build_dir)'
	@echo
	@echo 'PRESET=release|debug|asan|tsan (now $(PRESET)), JOBS=N (now $(JOBS))'

setup:
	@scripts/setup.sh

# Configured once; afterwards the build itself sees what changed.
$(build_dir)/CMakeCache.txt: | setup
	cmake --preset $(PRESET) $$(command -v ninja >/dev/null && echo -G Ninja) || { rm -f $@; exit 1; }

build: setup $(build_dir)/CMakeCache.txt
	cmake --build --preset $(PRESET) --parallel $(JOBS)

# Without the tests, which take half of the time that a whole build does.
demo: setup $(build_dir)/CMakeCache.txt
	cmake --build --preset $(PRESET) --parallel $(JOBS) --target orbweaver orbweaver_plugins
	scripts/demo.sh $(build_dir)/bin/orbweaver

# Single tests skip themselves without these.
test: build
	@scripts/setup.sh --test || echo 'make test: goes on; the tests that need these packages will be skipped'
	ctest --preset $(PRESET) --parallel $(JOBS)

install: build
	cmake --install $(build_dir) --prefix $(PREFIX)

# Without the tests, as the demo.
deb: setup $(build_dir)/CMakeCache.txt
	@scripts/setup.sh --deb
	cmake --build --preset $(PRESET) --parallel $(JOBS) --target orbweaver orbweaver_plugins orbweaver_manual
	cd $(build_dir) && cpack -G DEB

docs:
	@scripts/setup.sh --docs
	scripts/docs.sh build/docs/site
	@echo 'Open build/docs/site/index.html; to search it as well, serve it:'
	@echo '  python3 -m http.server --bind 127.0.0.1 --directory build/docs/site'

abi-record: setup $(build_dir)/CMakeCache.txt
	@scripts/setup.sh --test
	cmake --build --preset $(PRESET) --parallel $(JOBS) --target orbweaver_abi_record

bench: setup $(build_dir)/CMakeCache.txt
	@scripts/setup.sh --bench
	cmake --preset $(PRESET) -DORBWEAVER_BENCH=ON
	cmake --build --preset $(PRESET) --parallel $(JOBS) --target orbweaver orbweaver_plugins orbweaver_benchmarks
	bench/run.sh $(build_dir) $(BENCH)

fuzz:
	@scripts/setup.sh --fuzz
	cmake -S . -B build/fuzz -DCMAKE_CXX_COMPILER=clang++ -DORBWEAVER_FUZZ=ON $$(command -v ninja >/dev/null && echo -G Ninja)
	cmake --build build/fuzz --parallel $(JOBS)
	fuzz/run.sh build/fuzz $(FUZZ_SECONDS) $(FUZZ_TARGETS)

format:
	@scripts/setup.sh --dev
	clang-format -i $(sources)

lint: setup $(build_dir)/CMakeCache.txt
	@scripts/setup.sh --dev
	clang-format --dry-run --Werror $(sources)
	cppcheck --enable=warning,performance,portability --std=c++20 --library=googletest -I sdk/include -I . -I tests \
	  --suppressions-list=.cppcheck-suppressions --quiet -j $(JOBS) --error-exitcode=1 framework sdk plugins tests fuzz bench
	scripts/lint.sh $(build_dir) $(JOBS)

clean:
	cmake -E rm -rf $(build_dir)
