# Peal. `make help` lists everything; rules are non-recursive and objects live under build/<kind>/.
#
# kinds of build:  release (what ships), test (failpoints compiled in), san (test + AddressSanitizer and UBSan),
#                  fuzz (san with clang and libFuzzer; `make fuzz`)

.DEFAULT_GOAL := help
SHELL := /bin/bash
KIND ?= release
B := build/$(KIND)
CC := $(if $(filter fuzz,$(KIND)),clang,gcc)
PREFIX ?= /usr
DESTDIR ?=

PKGS_BASE := jansson hiredis libcrypto libsystemd
PKGS_STORE := libpq
PKGS_DECODER := libseccomp
PKGS_AV := libavformat libavcodec libavutil libswresample libswscale
PKGS_IMAGE := vips gmodule-2.0 libwebp libwebpmux
CFLAGS_COMMON := -std=gnu17 -g -D_GNU_SOURCE -Wall -Wextra -Wshadow -Wformat=2 -Wstrict-prototypes -Wmissing-prototypes -Wvla \
	-Wimplicit-fallthrough -Werror=format-security -fno-strict-aliasing -fno-delete-null-pointer-checks -fno-strict-overflow \
	-fstack-protector-strong -fstack-clash-protection -fcf-protection=full -ftrivial-auto-var-init=zero -fPIE \
	$(if $(CI),-Werror)
CFLAGS_release := -O2 -D_FORTIFY_SOURCE=3
CFLAGS_test := -O2 -D_FORTIFY_SOURCE=3 -DPEAL_FAILPOINTS
CFLAGS_san := -O1 -DPEAL_FAILPOINTS -fsanitize=address,undefined -fno-sanitize-recover=all -fno-omit-frame-pointer
# clang 14 has no -ftrivial-auto-var-init=zero without a threat in its name
ifeq ($(KIND),fuzz)
CFLAGS_COMMON := $(filter-out -ftrivial-auto-var-init=zero,$(CFLAGS_COMMON))
endif
CFLAGS_fuzz := -O1 -DPEAL_FAILPOINTS -fsanitize=fuzzer-no-link,address,undefined -fno-sanitize-recover=all -fno-omit-frame-pointer
LDFLAGS_COMMON := -pie -Wl,-z,relro,-z,now,-z,noexecstack,--as-needed
LDFLAGS_san := -fsanitize=address,undefined
LDFLAGS_fuzz := -fsanitize=fuzzer,address,undefined
CFLAGS := $(CFLAGS_COMMON) $(CFLAGS_$(KIND)) $(shell pkg-config --cflags $(PKGS_BASE) $(PKGS_STORE) libuv 2>/dev/null)
LDFLAGS := $(LDFLAGS_COMMON) $(LDFLAGS_$(KIND))
LIBS_BASE := $(shell pkg-config --libs $(PKGS_BASE) 2>/dev/null) -largon2
LIBS_STORE := $(shell pkg-config --libs $(PKGS_STORE) 2>/dev/null)

# Dependencies point one way: base <- wire <- store <- fcgi, jobs, ctl; push uses base and wire only.
SRC_base := $(wildcard lib/base/*.c)
SRC_wire := $(wildcard lib/wire/*.c)
SRC_s3 := $(wildcard lib/s3/*.c)
SRC_store := $(wildcard lib/store/*.c)
SRC_fcgi := $(wildcard fcgi/*.c fcgi/endpoint/*.c)
SRC_push := $(wildcard push/*.c)
SRC_media := $(wildcard media/*.c media/tus/*.c)
SRC_decoder := $(wildcard media/decoder/*.c)
SRC_image := $(wildcard media/image/*.c)
SRC_av := $(wildcard media/av/*.c) media/waveform.c
SRC_jobs := $(wildcard jobs/*.c)
SRC_egress := $(wildcard egress/*.c)
SRC_ctl := $(wildcard ctl/*.c)
SRC_unit := $(wildcard tests/unit/test_*.c)
SRC_store_tests := $(wildcard tests/store/test_*.c)
SRC_fuzz := $(wildcard tests/fuzz/fuzz_*.c)
obj = $(patsubst %.c,$(B)/%.o,$(1))
LIB_BASE := $(B)/libbase.a
LIB_WIRE := $(B)/libwire.a
LIB_STORE := $(B)/libstore.a
LIB_S3 := $(B)/libs3.a
DAEMONS := $(B)/peal-fcgi $(B)/peal-push $(B)/peal-jobs $(B)/peal-egress $(B)/pealctl $(B)/peal-media $(B)/peal-media-image $(B)/peal-media-av
STORE_TESTS := $(patsubst tests/store/%.c,$(B)/store/%,$(SRC_store_tests))
UNIT := $(patsubst tests/unit/%.c,$(B)/unit/%,$(SRC_unit))

# Tests and tools use Debian's interpreter, for which the modules of dev/packages-test.txt are packaged.
PYTHON := /usr/bin/python3
comma := ,
$(foreach v,PORT DETACH SAN TIER ONLY SEED KEEP QUICK ROUNDS,$(if $($(v)),$(eval export $(v))))

.PHONY: help setup all build unit-build fuzz-build fuzz web contract install uninstall run stop status test bench bench-build check-sql format lint docs clean
help: ## this list
	@echo "make <target>   [KIND=release|test|san] [SAN=1] [TIER=1|2|3] [PORT=8080] [DETACH=1] [SEED=n]"; echo
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | awk -F'\t' '{printf "  %-12s %s\n", $$1, $$2}'

.SECONDARY:
build: $(DAEMONS) ## compile the daemons and pealctl into build/<KIND>/
unit-build: $(UNIT) $(STORE_TESTS)

$(B)/%.o: %.c Makefile
	@mkdir -p $(@D)
	@echo "  CC    $<"
	@$(CC) $(CFLAGS) -MMD -MP -Ilib -I. -c -o $@ $<

$(LIB_BASE): $(call obj,$(SRC_base))
$(LIB_WIRE): $(call obj,$(SRC_wire))
$(LIB_STORE): $(call obj,$(SRC_store))
$(LIB_S3): $(call obj,$(SRC_s3))
$(B)/lib%.a:
	@mkdir -p $(@D)
	@rm -f $@ && ar rcs $@ $^

$(B)/peal-fcgi: $(call obj,$(SRC_fcgi)) $(LIB_S3) $(LIB_STORE) $(LIB_WIRE) $(LIB_BASE)
	@echo "  LINK  $@"
	@$(CC) $(LDFLAGS) -o $@ $^ $(LIBS_STORE) $(LIBS_BASE) -lfcgi -lcurl -largon2 -lm
$(B)/peal-push: $(call obj,$(SRC_push)) $(LIB_WIRE) $(LIB_BASE)
	@echo "  LINK  $@"
	@$(CC) $(LDFLAGS) -o $@ $^ $(LIBS_BASE) -luv -lz -lm
$(B)/peal-media: $(call obj,$(SRC_media)) $(LIB_S3) $(LIB_WIRE) $(LIB_BASE)
	@echo "  LINK  $@"
	@$(CC) $(LDFLAGS) -o $@ $^ $(LIBS_BASE) -lfcgi -lcurl -lz -lm
# this program alone sees libvips and libwebp; their headers are not held to our warnings. Modules of libvips lie beside it.
$(B)/media/image/%.o: CFLAGS += $(patsubst -I%,-isystem%,$(shell pkg-config --cflags $(PKGS_IMAGE) 2>/dev/null)) \
	-DVIPS_LIBDIR='"$(shell pkg-config --variable=libdir vips 2>/dev/null)"'
$(B)/peal-media-image: $(call obj,$(SRC_decoder) $(SRC_image)) $(LIB_BASE)
	@echo "  LINK  $@"
	@$(CC) $(LDFLAGS) -o $@ $^ $(shell pkg-config --libs $(PKGS_DECODER) $(PKGS_IMAGE)) $(LIBS_BASE) -lm
# and this one libav
$(B)/media/av/%.o: CFLAGS += $(patsubst -I%,-isystem%,$(shell pkg-config --cflags $(PKGS_AV) 2>/dev/null))
$(B)/peal-media-av: $(call obj,$(SRC_decoder) $(SRC_av)) $(LIB_BASE)
	@echo "  LINK  $@"
	@$(CC) $(LDFLAGS) -o $@ $^ $(shell pkg-config --libs $(PKGS_DECODER) $(PKGS_AV)) -lebur128 $(LIBS_BASE) -lm
$(B)/peal-jobs: $(call obj,$(SRC_jobs)) $(LIB_STORE) $(LIB_WIRE) $(LIB_BASE)
	@echo "  LINK  $@"
	@$(CC) $(LDFLAGS) -o $@ $^ $(LIBS_STORE) $(LIBS_BASE) -lm
$(B)/peal-egress: $(call obj,$(SRC_egress)) $(LIB_BASE)
	@echo "  LINK  $@"
	@$(CC) $(LDFLAGS) -o $@ $^ $(LIBS_BASE) -lcurl -lm
$(B)/pealctl: $(call obj,$(SRC_ctl)) $(LIB_S3) $(LIB_STORE) $(LIB_WIRE) $(LIB_BASE)
	@echo "  LINK  $@"
	@$(CC) $(LDFLAGS) -o $@ $^ $(LIBS_STORE) $(LIBS_BASE) -lcurl -largon2 -lm

# what `make bench` needs beside the daemons; they are not installed
$(B)/bench/%: $(B)/bench/%.o $(LIB_BASE)
	@echo "  LINK  $@"
	@$(CC) $(LDFLAGS) -o $@ $^ $(LIBS_BASE) -lfcgi -lm

# the decoders' own code without their processes and sandbox, and other ways to do the same: what bench/media.py measures
OBJ_decode := $(call obj,bench/decode/decode.c media/sniff.c)
$(B)/bench/decode/image.o: CFLAGS += $(patsubst -I%,-isystem%,$(shell pkg-config --cflags $(PKGS_IMAGE) 2>/dev/null))
$(B)/bench/decode/av.o: CFLAGS += $(patsubst -I%,-isystem%,$(shell pkg-config --cflags $(PKGS_AV) 2>/dev/null))
$(B)/bench/decode-image: $(OBJ_decode) $(call obj,bench/decode/image.c $(SRC_image)) $(LIB_BASE)
	@echo "  LINK  $@"
	@$(CC) $(LDFLAGS) -o $@ $^ $(shell pkg-config --libs $(PKGS_IMAGE)) $(LIBS_BASE) -lm
$(B)/bench/decode-av: $(OBJ_decode) $(call obj,bench/decode/av.c $(SRC_av)) $(LIB_BASE)
	@echo "  LINK  $@"
	@$(CC) $(LDFLAGS) -o $@ $^ $(shell pkg-config --libs $(PKGS_AV)) -lebur128 $(LIBS_BASE) -lm

# a unit test may use any module but a main(): push/hub.c, push/codec.c, fcgi/route.c and so on
UNIT_MODULES := $(filter-out %/main.c,$(SRC_push) $(SRC_fcgi)) media/sniff.c media/multipart.c media/tus/header.c media/clamd.c media/image/thumbhash.c media/image/resize.c media/waveform.c
$(B)/unit/%: $(B)/tests/unit/%.o $(B)/libmodules.a $(LIB_S3) $(LIB_STORE) $(LIB_WIRE) $(LIB_BASE)
	@mkdir -p $(@D)
	@echo "  LINK  $@"
	@$(CC) $(LDFLAGS) -o $@ $^ -lcmocka $(LIBS_STORE) $(LIBS_BASE) -luv -lz -lfcgi -lcurl -largon2 -lm
# needs a database: tests/sql runs it
$(B)/store/%: $(B)/tests/store/%.o $(LIB_STORE) $(LIB_WIRE) $(LIB_BASE)
	@mkdir -p $(@D)
	@echo "  LINK  $@"
	@$(CC) $(LDFLAGS) -o $@ $^ -lcmocka $(LIBS_STORE) $(LIBS_BASE) -lm
$(B)/libmodules.a: $(call obj,$(UNIT_MODULES))

# the push daemon in a world that is made up: what it asks of the machine is bent there by the linker
SIM_WRAP := recv send sendmsg close clock_wall_us
$(B)/sim: $(call obj,$(wildcard tests/sim/*.c)) $(B)/libmodules.a $(LIB_S3) $(LIB_STORE) $(LIB_WIRE) $(LIB_BASE)
	@echo "  LINK  $@"
	@$(CC) $(LDFLAGS) $(SIM_WRAP:%=-Wl,--wrap=%) -o $@ $^ $(LIBS_STORE) $(LIBS_BASE) -luv -lz -lfcgi -largon2 -lm

# a fuzz target: seeds are replayed by plain gcc (tests/fuzz/replay.c), libFuzzer takes the same function with clang
FUZZERS := $(patsubst tests/fuzz/%.c,$(B)/fuzz/%,$(SRC_fuzz))
FUZZ_MAIN := $(if $(filter fuzz,$(KIND)),,$(B)/tests/fuzz/replay.o)
fuzz-build: $(FUZZERS)
$(B)/fuzz/%: $(B)/tests/fuzz/%.o $(FUZZ_MAIN) $(B)/libmodules.a $(LIB_S3) $(LIB_STORE) $(LIB_WIRE) $(LIB_BASE)
	@mkdir -p $(@D)
	@echo "  LINK  $@"
	@$(CC) $(LDFLAGS) -o $@ $^ $(LIBS_STORE) $(LIBS_BASE) -luv -lz -lfcgi -lcurl -largon2 -lm
# this one is the whole push daemon, in the simulator's world
$(B)/fuzz/fuzz_frames: $(B)/tests/fuzz/fuzz_frames.o $(call obj,tests/sim/world.c tests/sim/services.c tests/sim/model.c) $(FUZZ_MAIN) \
		$(B)/libmodules.a $(LIB_S3) $(LIB_STORE) $(LIB_WIRE) $(LIB_BASE)
	@mkdir -p $(@D)
	@echo "  LINK  $@"
	@$(CC) $(LDFLAGS) $(SIM_WRAP:%=-Wl,--wrap=%) -o $@ $^ $(LIBS_STORE) $(LIBS_BASE) -luv -lz -lfcgi -largon2 -lm
# what it finds interesting stays under build/; the least of it that reaches as much (-set_cover_merge=1) may be kept in tests/fuzz/corpus, a crash is kept in tests/fuzz/crash, which `make test` replays
FUZZ ?= json_in
SECONDS := 60
fuzz: ## look for crashes with libFuzzer (needs clang); FUZZ=json_in|token|... SECONDS=60
	@$(MAKE) --no-print-directory KIND=fuzz build/fuzz/fuzz/fuzz_$(FUZZ)
	@mkdir -p build/fuzz/corpus/$(FUZZ) tests/fuzz/crash/$(FUZZ)
	@build/fuzz/fuzz/fuzz_$(FUZZ) -max_total_time=$(SECONDS) -timeout=10 -max_len=16384 -print_final_stats=1 \
		-artifact_prefix=tests/fuzz/crash/$(FUZZ)/ build/fuzz/corpus/$(FUZZ) tests/fuzz/seed/$(FUZZ) $(wildcard tests/fuzz/corpus/$(FUZZ))

setup: ## install what is missing (Debian 12), for `make run` and `make test`
	@dev/setup.sh test

web: ## build the web client into web/dist
	@cd dev && $(PYTHON) -c 'import prepare; prepare.web()'

contract: # what nginx serves as /api/v1/openapi.json
	@cd dev && $(PYTHON) -c 'import prepare; prepare.contract()'

all: ## build everything that `make install` installs
	@$(MAKE) --no-print-directory KIND=release build web contract
	@build/release/pealctl config sample > build/peal.conf
# copies only, so that root needs nothing but bash and coreutils; DESTDIR= is for packages
install: ## copy what `make all` has built into the system; PREFIX=/usr DESTDIR=
	@DESTDIR='$(DESTDIR)' PREFIX='$(PREFIX)' dev/install.sh install
uninstall: ## remove what `make install` has copied, but no configuration and no data
	@DESTDIR='$(DESTDIR)' PREFIX='$(PREFIX)' dev/install.sh uninstall

run: ## build and run everything privately, with demo people; PORT=8080 DETACH=1
	@dev/setup.sh
	@exec $(PYTHON) dev/run.py run
stop: ## end what `make run` started
	@$(PYTHON) dev/run.py stop
status: ## what runs
	@$(PYTHON) dev/run.py status

test: ## run all tests; ONLY=unit,sql,api,push,chaos,browser SAN=1 TIER=1|2|3 SEED=n
	@dev/setup.sh test
	@exec $(PYTHON) dev/test.py
bench-build: $(B)/bench/load $(B)/bench/constant $(B)/bench/sockets $(B)/bench/peers/broadcast $(B)/bench/decode-image $(B)/bench/decode-av
bench: ## measure requests, sockets and media beside what they are compared with, the only load on the machine; ONLY=bench,realtime,media QUICK=1 ROUNDS=n
	@dev/setup.sh test
	@$(MAKE) --no-print-directory KIND=release build bench-build
	@for part in $(or $(subst $(comma), ,$(ONLY)),bench realtime media); do $(PYTHON) bench/$$part.py || failed=1; done; [ -z "$$failed" ]
check-sql: ## migrate an empty database and prepare every statement against it
	@dev/setup.sh test
	@ONLY=check-sql $(PYTHON) dev/test.py

SOURCES_C := $(wildcard lib/*/*.[ch] fcgi/*.[ch] fcgi/endpoint/*.[ch] push/*.[ch] jobs/*.[ch] egress/*.[ch] ctl/*.[ch] media/*.[ch] media/decoder/*.[ch] media/image/*.[ch] media/av/*.[ch] media/tus/*.[ch] bench/*.[ch] bench/decode/*.[ch] bench/peers/*.[ch] tests/unit/*.[ch] tests/fuzz/*.[ch] tests/sim/*.[ch])
format: ## clang-format all C sources
	@clang-format -i $(SOURCES_C)
lint: ## formatting, and that includes point one way
	@clang-format --dry-run -Werror $(SOURCES_C)
	@$(PYTHON) tests/tools/includes.py

docs: build ## write docs/errors.md and docs/configuration.md from the tables in the code
	@$(B)/pealctl docs errors > docs/errors.md
	@$(B)/pealctl config reference > docs/configuration.md

clean: ## remove what was built (not ./run)
	rm -rf build web/dist

-include $(shell find build -name '*.d' 2>/dev/null)
