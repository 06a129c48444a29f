# Thin: everything is done by tools/, meson and the scripts they call.
.PHONY: build demo test bench lint asan tsan fuzz clean

build:
	@tools/setup
	@[ -f build/build.ninja ] || meson setup build >build-setup.log 2>&1 || (cat build-setup.log; exit 1)
	@rm -f build-setup.log
	@ninja -C build --quiet

demo: build
	@tools/demo

test: build
	@tools/run-tests

bench: build
	@tools/setup --all
	@node bench/run.mjs

lint: build
	@tools/setup --all
	@tools/lint

asan:
	@tools/setup
	@tools/sanitize address,undefined

tsan:
	@tools/setup
	@tools/sanitize thread

fuzz:
	@tools/setup --all
	@tools/fuzz

clean:
	rm -rf build build-*
