# The commands of the project; meson and ninja do the work.
#
#     make              the program, in build/
#     make check        everything that is tested before a change is taken
#     make check-long   the same with many more kills, cuts and fuzz runs
#
# Three builds: build/ is what people run; build-asan/ has AddressSanitizer
# and UndefinedBehaviorSanitizer; build-fuzz/ holds the fuzz targets.
PYTHON = /usr/bin/python3
BUILD = build
TESTS = tests
# How many tests run at a time.
JOBS = 2

.PHONY: all asan fuzz check check-long clean demo

all: $(BUILD)/build.ninja
	@ninja -C $(BUILD)

$(BUILD)/build.ninja:
	@meson setup $(BUILD) >/dev/null

build-asan/build.ninja:
	@meson setup build-asan -Db_sanitize=address,undefined -Db_lundef=false -Doptimization=1 >/dev/null

build-fuzz/build.ninja:
	@CC=clang meson setup build-fuzz -Dfuzz=true -Doptimization=1 >/dev/null

asan: build-asan/build.ninja
	@ninja -C build-asan

fuzz: build-fuzz/build.ninja
	@ninja -C build-fuzz

# A build made before the tests' packages were there (make demo) has no tests.
.PHONY: look-again
look-again:
	@test ! -f $(BUILD)/build.ninja -o -x $(BUILD)/tests/test_buf || meson setup --reconfigure $(BUILD) >/dev/null

check: look-again
	@$(MAKE) --no-print-directory all asan fuzz
	@WAXWING=$(CURDIR)/$(BUILD)/src/waxwing $(PYTHON) -m pytest -q -n $(JOBS) $(TESTS)

check-long: look-again
	@$(MAKE) --no-print-directory all asan fuzz
	@KILLS=$${KILLS:-200} CUTS=$${CUTS:-200} STEPS=$${STEPS:-5000} STREAMS=$${STREAMS:-1000} FUZZ_SECONDS=$${FUZZ_SECONDS:-120} \
		WAXWING=$(CURDIR)/$(BUILD)/src/waxwing $(PYTHON) -m pytest -q -n $(JOBS) $(TESTS)

clean:
	rm -rf $(BUILD) build-*

# Speed and memory, beside the peers that are installed; as root, some minutes.
# BENCH="--rounds 5 inbound", BENCH="imap -- waxwing": see bench/README.md.
.PHONY: bench
bench: all
	@WAXWING=$(CURDIR)/$(BUILD)/src/waxwing $(PYTHON) bench/run.py $(or $(BENCH),--quick --rounds 2)

# ---- for people ----
.PHONY: demo install pages help

# Builds and runs what the README shows; ONCE=1 ends by itself.
demo:
	@sh .ci/install packages packages-demo
	@$(MAKE) --no-print-directory all >/dev/null
	@WAXWING=$(CURDIR)/$(BUILD)/src/waxwing $(PYTHON) tools/demo.py

# DESTDIR is meson's; prefix is /usr/local unless the build was set up otherwise.
install: all
	@meson install -C $(BUILD) --no-rebuild

# What is generated in the pages, written anew.
pages: all
	@$(PYTHON) tools/pages.py $(BUILD)/src/waxwing

help:
	@echo "make             build                     make check        run every test"
	@echo "make demo        see a letter go through   make check-long   the same, much longer"
	@echo "make install     install it                make bench        measure, beside others"
	@echo "make pages       write generated tables    make clean        remove what was built"
