# The commands of the project; meson and ninja do the work.
PYTHON = /usr/bin/python3
BUILD = build

.PHONY: all check clean demo

all: $(BUILD)/build.ninja
	@ninja -C $(BUILD)

$(BUILD)/build.ninja:
	@meson setup $(BUILD) >/dev/null

check: all
	@WAXWING=$(CURDIR)/$(BUILD)/src/waxwing $(PYTHON) -m pytest -q tests

clean:
	rm -rf $(BUILD) build-*
