# SPDX-License-Identifier: MIT-0
# ckpt needs no build: copy the headers. This file is for the static library,
# the examples and the tests. Set your own values on the command line:
#
#     make CC=clang CFLAGS='-O1 -g' STB=../stb B=build/clang
#
# "make help" lists the targets.
.SUFFIXES:

CC      = cc
CXX     = c++
AR      = ar
CFLAGS  = -O2 -g
CXXFLAGS = $(CFLAGS)
LDFLAGS =
LDLIBS  =
PREFIX  = /usr/local
LIBDIR  = $(PREFIX)/lib
DESTDIR =

# Where stb_sprintf.h is, if it is not on the include path. "make dist" puts a
# copy into the archive.
STB     = $(firstword $(wildcard stb) /usr/include/stb)

# Where libpq-fe.h is, for the store in PostgreSQL; "none" leaves out what needs
# it. PG_BIN: where the server's programs are, for its tests.
PQ     := $(shell pkg-config --variable=includedir libpq 2>/dev/null || \
                  pg_config --includedir 2>/dev/null || echo none)
PG_BIN := $(shell pg_config --bindir 2>/dev/null || echo none)

# What the agent on a language model links with; "none" leaves it out.
LLM    := $(shell pkg-config --libs libcurl libcjson 2>/dev/null || echo none)

# Where everything that is built goes.
B       = build

# == Nothing below needs to be changed to build ===============================

WARN = -Wall -Wextra -Wpedantic -Wconversion -Wsign-conversion -Wshadow \
       -Wundef -Wcast-qual -Wwrite-strings -Wstrict-prototypes \
       -Wmissing-prototypes
ALL_CFLAGS = -std=c99 $(WARN) -I. -I$(STB) $(CFLAGS)

ALL_CXXFLAGS = -std=c++17 -Wall -Wextra -Wpedantic -Wshadow -I. -I$(STB) \
               $(CXXFLAGS)

# Examples hand strings to execvp(), which wants them writable.
EXAMPLE_CFLAGS = $(ALL_CFLAGS) -Wno-cast-qual -Wno-write-strings -pthread

HEADERS  = ckpt.h ckpt_store_fs.h
EXAMPLES = $(patsubst examples/%.c,$(B)/%,$(filter-out examples/fleet.c \
           examples/llm_agent.c,$(wildcard examples/*.c)))
TEST_H   = $(wildcard tests/support/*.h)
TEST_C   = tests/run_all.c \
           $(filter-out tests/pg/%,$(wildcard tests/*/test_*.c))
TEST_O   = $(patsubst %.c,$(B)/obj/%.o,$(notdir $(TEST_C)))
BENCH_C  = $(patsubst %,tests/bench/%.c,main measure transcript savers saves \
                                        turns threads life)
MEMORY_C = $(patsubst %,tests/bench/%.c,memory measure transcript)
vpath %.c $(sort $(dir $(TEST_C)))

# What needs libpq stands apart, so that all the rest is built without it.
PG_C     = tests/pg/run_pg.c $(wildcard tests/pg/test_*.c)
PG_O     = $(patsubst %.c,$(B)/obj/%.o,$(notdir $(PG_C)))
PG_FLAGS = -Itests/support -I$(PQ) -DPG_BIN='"$(PG_BIN)"' \
           -DPG_TOOL='"$(B)/ckpt"' -pthread

# What is built of that: nothing, without libpq.
HAVE_PQ := $(wildcard $(PQ)/libpq-fe.h)
PG_ALL   = $(if $(HAVE_PQ),$(B)/fleet)

# The same for the agent on a language model, in C, and in C++ where there is a
# compiler for it.
HAVE_LLM = $(filter-out none,$(firstword $(LLM)))
HAVE_CXX := $(shell command -v $(firstword $(CXX)) 2>/dev/null)
LLM_ALL  = $(if $(HAVE_LLM),$(B)/llm_agent \
           $(if $(HAVE_CXX),$(B)/llm_agent_cpp))

all: $(B)/libckpt.a $(EXAMPLES) $(PG_ALL) $(LLM_ALL)

# Rebuilds what was built with other tools or flags, or without libpq.
BUILT_BY = $(CC) $(ALL_CFLAGS) $(CXX) $(CXXFLAGS) $(LDFLAGS) $(LDLIBS) \
           $(HAVE_PQ)
$(B)/flags: FORCE
	@mkdir -p $(B)/obj
	@echo '$(BUILT_BY)' | cmp -s - $@ || echo '$(BUILT_BY)' > $@

$(B)/ckpt.c: $(B)/flags
	@printf '%s\n' '#define CKPT_IMPLEMENTATION' \
	    '#define CKPT_STORE_FS_IMPLEMENTATION' \
	    '#include "ckpt_store_fs.h"' > $@

$(B)/ckpt.o: $(B)/ckpt.c $(HEADERS) $(B)/flags
	$(CC) $(ALL_CFLAGS) -c -o $@ $(B)/ckpt.c

$(B)/libckpt.a: $(B)/ckpt.o
	rm -f $@
	$(AR) rc $@ $(B)/ckpt.o

# Until the format is frozen a minor version may break callers, so the name of
# the shared library has both numbers.
VERSION = $(shell sed -n 's/.*CKPT_VERSION_STRING "\(.*\)"/\1/p' ckpt.h)
SONAME  = libckpt.so.$(basename $(VERSION))

$(B)/libckpt.so: $(B)/ckpt.c $(HEADERS) $(B)/flags
	$(CC) $(ALL_CFLAGS) -fPIC -shared $(LDFLAGS) -Wl,-soname,$(SONAME) \
	    -o $@ $(B)/ckpt.c $(LDLIBS)

$(EXAMPLES): $(B)/%: examples/%.c $(B)/libckpt.a $(HEADERS) $(B)/flags
	$(CC) $(EXAMPLE_CFLAGS) $(LDFLAGS) -o $@ $< \
	    $(B)/libckpt.a $(EXAMPLE_LIBS) $(LDLIBS)

# Where there is libpq, the command looks into databases, too.
ifneq ($(HAVE_PQ),)
$(B)/ckpt: EXAMPLE_CFLAGS += -DCKPT_WITH_PG -I$(PQ)
$(B)/ckpt: EXAMPLE_LIBS = -lpq
$(B)/ckpt: ckpt_store_pg.h
endif

# Their time goes into the library, which is optimised as it says above.
$(TEST_O): $(B)/obj/%.o: %.c $(TEST_H) $(HEADERS) $(B)/flags
	$(CC) $(ALL_CFLAGS:-O2=-O1) -Itests/support -pthread -c -o $@ $<

$(B)/run_all: $(TEST_O) $(B)/libckpt.a
	$(CC) $(ALL_CFLAGS) $(LDFLAGS) -pthread -o $@ $(TEST_O) \
	    $(B)/libckpt.a $(LDLIBS)

$(PG_O): $(B)/obj/%.o: tests/pg/%.c $(TEST_H) $(wildcard tests/pg/*.h) \
        $(HEADERS) ckpt_store_pg.h $(B)/flags
	$(CC) $(ALL_CFLAGS) $(PG_FLAGS) -c -o $@ $<

$(B)/obj/ckpt_store_pg.o: ckpt_store_pg.h ckpt.h $(B)/flags
	@printf '%s\n' '#define CKPT_STORE_PG_IMPLEMENTATION' \
	    '#include "ckpt_store_pg.h"' > $(B)/obj/ckpt_store_pg.c
	$(CC) $(ALL_CFLAGS) -I$(PQ) -c -o $@ $(B)/obj/ckpt_store_pg.c

# The suites over PostgreSQL, where there is libpq.
$(B)/run_pg: $(PG_O) $(B)/obj/ckpt_store_pg.o $(B)/libckpt.a
	$(CC) $(ALL_CFLAGS) $(LDFLAGS) -pthread -o $@ $(PG_O) \
	    $(B)/obj/ckpt_store_pg.o $(B)/libckpt.a $(LDLIBS) -lpq

$(B)/bench_pg: tests/bench/saves_pg.c tests/pg/cluster.h \
        $(B)/obj/ckpt_store_pg.o $(B)/libckpt.a
	$(CC) $(ALL_CFLAGS) $(PG_FLAGS) -Itests/pg $(LDFLAGS) -o $@ $< \
	    $(B)/obj/ckpt_store_pg.o $(B)/libckpt.a $(LDLIBS) -lpq

$(B)/fleet: examples/fleet.c ckpt.h ckpt_store_pg.h $(B)/flags
	$(CC) $(EXAMPLE_CFLAGS) -I$(PQ) $(LDFLAGS) -o $@ $< $(LDLIBS) -lpq

$(B)/llm_agent: examples/llm_agent.c examples/llm_world.h $(HEADERS) $(B)/flags
	$(CC) $(EXAMPLE_CFLAGS) $(LDFLAGS) -o $@ $< $(LDLIBS) $(LLM)

$(B)/llm_agent_cpp: examples/llm_agent.cpp examples/llm_world.h $(HEADERS) \
                    $(B)/flags
	$(CXX) $(ALL_CXXFLAGS) $(LDFLAGS) -o $@ $< $(LDLIBS) $(LLM)

# Plays the model, and judges the agent.
$(B)/llm_server: tests/agent/server.c $(B)/libckpt.a $(HEADERS) $(B)/flags
	$(CC) $(ALL_CFLAGS) $(LDFLAGS) -pthread -o $@ tests/agent/server.c \
	    $(B)/libckpt.a $(LDLIBS) $(LLM)

# The agent on a language model, killed again and again.
ifneq ($(HAVE_LLM),)
test-agent: $(LLM_ALL) $(B)/llm_server $(B)/ckpt
	@MAKE='$(MAKE)' B='$(B)' CC='$(CC)' CXX='$(CXX)' STB='$(STB)' \
	    sh tests/agent/run.sh $(KILLS)
else
test-agent:
	@echo 'skip   agent: there is no libcurl, or no cJSON'
	@echo '0 passed, 0 failed'
endif

# The suites, the fleet on three hosts, and variants that a test must notice.
ifneq ($(HAVE_PQ),)
test-pg: $(B)/run_pg $(B)/fleet $(B)/ckpt
	@B='$(B)' CC='$(CC)' PQ='$(PQ)' PG_BIN='$(PG_BIN)' sh tests/pg/run.sh
else
test-pg:
	@echo 'skip   pg: there is no libpq-fe.h'
	@echo '0 passed, 0 failed'
endif

$(B)/storm: tests/proof/storm.c $(B)/libckpt.a $(HEADERS) $(B)/flags
	$(CC) $(ALL_CFLAGS:-O2=-O1) $(LDFLAGS) -pthread -o $@ tests/proof/storm.c \
	    $(B)/libckpt.a $(LDLIBS)

# Runs in every state, for the tests of the command.
$(B)/states: tests/tool/states.c $(B)/libckpt.a $(HEADERS) $(B)/flags
	$(CC) $(ALL_CFLAGS) $(LDFLAGS) -pthread -o $@ tests/tool/states.c \
	    $(B)/libckpt.a $(LDLIBS)

# It plays build/go_explore, which depends on where things are built.
$(B)/storm_explore: tests/proof/storm_explore.c $(B)/go_explore $(B)/flags
	$(CC) $(ALL_CFLAGS) $(LDFLAGS) -o $@ tests/proof/storm_explore.c $(LDLIBS)

# The benchmarks; SQLite and LMDB are the peers.
$(B)/bench/resumes: tests/bench/resumes.c $(B)/libckpt.a $(HEADERS) $(B)/flags
	@mkdir -p $(@D)
	$(CC) $(ALL_CFLAGS) $(LDFLAGS) -o $@ $< $(B)/libckpt.a $(LDLIBS)

$(B)/bench/memory: $(MEMORY_C) tests/bench/bench.h $(B)/libckpt.a $(HEADERS) \
                   $(B)/flags
	@mkdir -p $(@D)
	$(CC) $(ALL_CFLAGS) $(LDFLAGS) -pthread -o $@ $(MEMORY_C) \
	    $(B)/libckpt.a $(LDLIBS)

$(B)/bench/bench: $(BENCH_C) tests/bench/bench.h $(B)/libckpt.a $(HEADERS) \
                  $(B)/flags
	@mkdir -p $(@D)
	$(CC) $(ALL_CFLAGS) $(LDFLAGS) -pthread -o $@ $(BENCH_C) \
	    $(B)/libckpt.a -lsqlite3 -llmdb $(LDLIBS)

# ckpt twice: as it is here, and as where there are no vectors.
$(B)/bench/loops: $(wildcard tests/bench/loops*) $(HEADERS) $(B)/flags
	@mkdir -p $(@D)
	$(CC) $(ALL_CFLAGS) -DLOOPS=loops_fast \
	    -c -o $(B)/obj/loops_fast.o tests/bench/loops_ckpt.c
	$(CC) $(ALL_CFLAGS) -DLOOPS=loops_portable -U__SSE2__ -U__ARM_NEON \
	    -U__ARM_FEATURE_CRC32 \
	    -c -o $(B)/obj/loops_portable.o tests/bench/loops_ckpt.c
	$(CC) $(ALL_CFLAGS) $(LDFLAGS) -o $@ tests/bench/loops.c \
	    $(B)/obj/loops_fast.o $(B)/obj/loops_portable.o \
	    -lcjson -ljansson $(LDLIBS)

# Kills an agent again and again, and compares its report with that of an
# undisturbed run.
demo: deps-demo
	+@$(MAKE) -s $(B)/agent $(B)/demo
	@$(B)/demo -a $(B)/agent -d $(B)/demo.d

# All suites, the checks of the form, and the model of the protocol.
test: deps
	+@MAKE='$(MAKE)' B='$(B)' CC='$(CC)' STB='$(STB)' sh tests/tools/all.sh

# The suites once more, with memory, undefined behaviour and our own assertions
# watched: for that some of the crash states and schedules are enough. Two
# halves run at a time.
SANITIZE_CFLAGS = -O1 -g -fno-omit-frame-pointer -fsanitize=address,undefined \
    -fno-sanitize-recover=undefined -Wno-format-truncation -DCRASH_BOUND=64 \
    -DCRASH_SHARE=12 -DCRASH_SOME=8 -DCRASH_FEW=3 -DFAULT_STATES=3 \
    -DFAULT_STEP=13 -DINTERLEAVE_DRAWS=100 -DINTERLEAVE_STEP=17 \
    -DNUMBER_ROUNDS=20000 "-DCKPT_ASSERT(x)=((x) ? (void)0 : __builtin_trap())"

sanitize: deps-demo
	+@$(MAKE) -s -j2 B=$(B)/sanitize CFLAGS='$(SANITIZE_CFLAGS)' \
	    $(B)/sanitize/run_all
	@sh tests/tools/halves.sh $(B)/sanitize/run_all

# Everything that this machine allows, in one table: hours on a small one.
test-all: deps-all
	+@MAKE='$(MAKE)' B='$(B)' CC='$(CC)' STB='$(STB)' sh tests/tools/test_all.sh

# Crash states, full disks and killed system calls on real file systems (root).
test-disk: deps
	@CC='$(CC)' STB='$(STB)' B='$(B)' sh tests/proof/disk/run.sh

# Each fuzzer for a minute; "sh tests/fuzz/run.sh 600" for ten.
fuzz: deps-fuzz
	@CC='$(CC)' STB='$(STB)' B='$(B)' sh tests/fuzz/run.sh 60

# The suites with other compilers, for other processors, and watched.
machines: deps
	@STB='$(STB)' B='$(B)' sh tests/tools/machines.sh

# Which outcomes of conditions of the headers no test reaches.
coverage: deps-coverage
	@STB='$(STB)' B='$(B)' sh tests/proof/coverage.sh

# Takes out one safety line after another: a test must fail each time.
mutate: deps
	@CC='$(CC)' STB='$(STB)' B='$(B)' JOBS=2 sh tests/proof/mutate.sh

# What ckpt costs beside SQLite, LMDB and files by hand, on file systems of its
# own (root); QUICK=1 in five minutes. What it needs, tests/bench/README.md says.
bench: deps-bench
	+@[ ! -f $(B)/bench ] || rm $(B)/bench
	+@$(MAKE) -s bench-parts
	@B='$(B)' QUICK='$(QUICK)' sh tests/bench/run.sh
	@$(B)/bench/loops

bench-parts: $(B)/bench/bench $(B)/bench/memory $(B)/bench/resumes \
             $(B)/bench/loops $(B)/ckpt $(if $(HAVE_PQ),$(B)/bench_pg)

# What a save in PostgreSQL costs, beside bare statements; TMPDIR says where.
bench-pg: $(B)/bench_pg
	@$(B)/bench_pg

# How much of an agent is there for its checkpoint, by hand, with SQLite and with
# ckpt, and what each does when something goes wrong.
lines: deps-lines
	@CC='$(CC)' STB='$(STB)' B='$(B)' sh tests/bench/lines/run.sh

# The core for a microcontroller, and other figures.
size: deps
	@CC='$(CC)' STB='$(STB)' B='$(B)' sh tests/tools/size.sh

# Installs what is missing to build, run and test on Debian, and says what;
# DEPS=no leaves that out.
deps:
	@CC='$(CC)' STB='$(STB)' sh tests/tools/deps.sh test

deps-pg:
	@CC='$(CC)' STB='$(STB)' sh tests/tools/deps.sh pg

deps-demo:
	@CC='$(CC)' STB='$(STB)' sh tests/tools/deps.sh demo

deps-bench:
	@CC='$(CC)' STB='$(STB)' sh tests/tools/deps.sh bench

deps-lines:
	@CC='$(CC)' STB='$(STB)' sh tests/tools/deps.sh lines

deps-fuzz:
	@CC='$(CC)' STB='$(STB)' sh tests/tools/deps.sh fuzz

deps-coverage:
	@CC='$(CC)' STB='$(STB)' sh tests/tools/deps.sh coverage

deps-all:
	@CC='$(CC)' STB='$(STB)' sh tests/tools/deps.sh all

# What is installed, and where. A copy of stb_sprintf.h that lies in this tree
# goes along; one of the system is only named.
INCLUDE  = $(DESTDIR)$(PREFIX)/include
SHARE    = $(DESTDIR)$(PREFIX)/share
LIB      = $(DESTDIR)$(LIBDIR)
STB_DIR  = $(if $(filter /%,$(STB)),$(STB),$(PREFIX)/include/ckpt)
FILL     = sed -e 's|@PREFIX@|$(PREFIX)|' -e 's|@LIBDIR@|$(LIBDIR)|' \
           -e 's|@STB@|$(STB_DIR)|' -e 's|@VERSION@|$(VERSION)|'

install: $(B)/libckpt.a $(B)/libckpt.so $(B)/ckpt
	mkdir -p $(INCLUDE) $(LIB)/pkgconfig $(LIB)/cmake/ckpt \
	    $(DESTDIR)$(PREFIX)/bin $(SHARE)/man/man1 $(SHARE)/man/man3 \
	    $(SHARE)/man/man5 $(SHARE)/bash-completion/completions \
	    $(SHARE)/zsh/site-functions $(SHARE)/fish/vendor_completions.d
	install -m 644 $(HEADERS) ckpt_store_pg.h $(INCLUDE)
	$(if $(filter /%,$(STB)),,mkdir -p $(INCLUDE)/ckpt && \
	    install -m 644 $(STB)/stb_sprintf.h $(INCLUDE)/ckpt)
	install -m 644 $(B)/libckpt.a $(LIB)
	install -m 755 $(B)/libckpt.so $(LIB)/libckpt.so.$(VERSION)
	ln -sf libckpt.so.$(VERSION) $(LIB)/$(SONAME)
	ln -sf $(SONAME) $(LIB)/libckpt.so
	$(FILL) examples/packaging/ckpt.pc.in >$(LIB)/pkgconfig/ckpt.pc
	for f in ckpt-config ckpt-config-version; do \
	    $(FILL) examples/cmake/$$f.cmake.in >$(LIB)/cmake/ckpt/$$f.cmake \
	    || exit 1; done
	install -m 755 $(B)/ckpt $(DESTDIR)$(PREFIX)/bin
	install -m 644 examples/man/ckpt.1 $(SHARE)/man/man1
	install -m 644 examples/man/ckpt.3 $(SHARE)/man/man3
	install -m 644 examples/man/ckpt-format.5 $(SHARE)/man/man5
	install -m 644 examples/completion/ckpt.bash \
	    $(SHARE)/bash-completion/completions/ckpt
	install -m 644 examples/completion/_ckpt $(SHARE)/zsh/site-functions
	install -m 644 examples/completion/ckpt.fish \
	    $(SHARE)/fish/vendor_completions.d

uninstall:
	cd $(INCLUDE) && rm -f $(HEADERS) ckpt_store_pg.h
	rm -f $(LIB)/libckpt.a $(LIB)/libckpt.so $(LIB)/$(SONAME) \
	    $(LIB)/libckpt.so.$(VERSION) $(LIB)/pkgconfig/ckpt.pc \
	    $(DESTDIR)$(PREFIX)/bin/ckpt $(SHARE)/man/man1/ckpt.1 \
	    $(SHARE)/man/man3/ckpt.3 $(SHARE)/man/man5/ckpt-format.5 \
	    $(SHARE)/bash-completion/completions/ckpt \
	    $(SHARE)/zsh/site-functions/_ckpt \
	    $(SHARE)/fish/vendor_completions.d/ckpt.fish
	rm -rf $(LIB)/cmake/ckpt $(INCLUDE)/ckpt

version:
	@echo $(VERSION)

# The archive of a release, its sums and its bill of materials, in $(B)/dist.
dist:
	@STB='$(STB)' sh examples/packaging/dist.sh $(VERSION) '$(B)/dist'

clean:
	rm -rf $(B)

help:
	@echo 'make            the library ($(B)/libckpt.a) and the examples'
	@echo 'make demo       an agent that is killed again and again'
	@echo 'make test       every test; installs the tools it needs'
	@echo 'make sanitize   the suites under ASan and UBSan'
	@echo 'make test-disk  real file systems (root)'
	@echo 'make test-pg    the store in PostgreSQL, where there is libpq'
	@echo 'make test-agent the agent on a language model; KILLS=500 for more'
	@echo 'make fuzz       the fuzzers'
	@echo 'make machines   other compilers, other processors, and watched'
	@echo 'make coverage   what of the headers no test reaches'
	@echo 'make mutate     what no test would miss'
	@echo 'make test-all   all of these, and one table at the end'
	@echo 'make bench      what it costs, beside SQLite, LMDB and others'
	@echo 'make bench-pg   what a save in PostgreSQL costs'
	@echo 'make lines      one agent by hand, with SQLite and with ckpt'
	@echo 'make size       how large the core is on a microcontroller'
	@echo 'make deps       install what is missing (Debian, as root)'
	@echo 'make install    headers, libraries, command to $(DESTDIR)$(PREFIX)'
	@echo 'make uninstall  remove them'
	@echo 'make dist       the archive of a release in $(B)/dist'
	@echo 'make clean      remove $(B)'
	@echo 'tests/run_all   the suites alone: [-v] [part of a name]'

FORCE:

.PHONY: all demo test test-all test-disk fuzz machines coverage mutate \
        sanitize test-pg test-agent bench bench-parts bench-pg lines size deps \
        deps-pg deps-demo deps-lines deps-fuzz deps-bench deps-coverage \
        deps-all install uninstall version dist clean help FORCE
