# kmirror: make help lists the targets.

VERSION = 0.1.0

# Each kind of build has a folder of its own, so that they do not rebuild one another.
ifdef SAN
BUILD ?= build/san
else ifdef DEBUG
BUILD ?= build/debug
else
BUILD ?= build
endif
PREFIX ?= /usr/local

PKG_CONFIG ?= pkg-config

# ---- flags -------------------------------------------------------------------------------------------------

WARNINGS = -Wall -Wextra -Wpedantic -Wshadow -Wconversion -Wstrict-prototypes -Wmissing-prototypes \
           $(if $(WERROR),-Werror)

ifdef SAN
OPTIMIZE = -O1 -g -fno-omit-frame-pointer -fsanitize=address,undefined -fno-sanitize-recover=undefined
else ifdef DEBUG
OPTIMIZE = -Og -g
else
OPTIMIZE = -O2 -g -D_FORTIFY_SOURCE=2
endif

# Asked of pkg-config once, and only when something is compiled: it may be missing before `make deps`.
packages = lua5.4 lua5.4-cjson libcurl libmicrohttpd gnutls libpq
package_flags = $(eval package_flags := $(shell $(PKG_CONFIG) --cflags $(packages)))$(package_flags)

CFLAGS ?=
ALL_CFLAGS = -std=c11 -fPIC -fstack-protector-strong $(OPTIMIZE) $(WARNINGS) $(CFLAGS)
ALL_CPPFLAGS = -D_GNU_SOURCE -DKMIRROR_VERSION='"$(VERSION)"' -Iruntime $(package_flags) $(CPPFLAGS)
ALL_LDFLAGS = $(filter -fsanitize%,$(OPTIMIZE)) -Wl,-z,relro,-z,now $(LDFLAGS)

# ---- files -------------------------------------------------------------------------------------------------

# Only the executable has these, with all their parts: x.c and x_y.c. The rest is in mirrors.so, too, which also loads
# into stock Lua.
HOST_ONLY = alarm child environment exit fetch host httpd keys line main message outcome outfile output postgres probe \
            sharing terminal turn

HOST_SOURCES = $(filter-out runtime/embed.c,$(sort $(wildcard runtime/*.c)))
MODULE_SOURCES = $(filter-out $(wildcard $(HOST_ONLY:%=runtime/%.c) $(HOST_ONLY:%=runtime/%_*.c)),$(HOST_SOURCES))
HOST_OBJECTS = $(HOST_SOURCES:runtime/%.c=$(BUILD)/%.o) $(BUILD)/embedded_host.o
MODULE_OBJECTS = $(MODULE_SOURCES:runtime/%.c=$(BUILD)/%.o) $(BUILD)/embedded_module.o

ARGPARSE = /usr/share/lua/5.4/argparse.lua
# What `kmirror check` reads Lua with: luacheck without its own command line. It suits every version of Lua.
LUACHECK = /usr/share/lua/5.1/luacheck
LUACHECK_LUA := $(addprefix $(LUACHECK)/,init.lua check.lua check_state.lua core_utils.lua decoder.lua filter.lua \
                format.lua lexer.lua options.lua parser.lua standards.lua unicode.lua \
                unicode_printability_boundaries.lua utils.lua) \
                $(sort $(wildcard $(LUACHECK)/stages/*.lua $(LUACHECK)/builtin_standards/*.lua))
LUA_FILES := $(sort $(shell find lib scripts runtime -name '*.lua'))
HOST_LUA = $(filter-out lib/man/% lib/types/% lib/pictures/%,$(LUA_FILES)) $(ARGPARSE) $(LUACHECK_LUA) \
           lib/kmirror/report/page.html
MODULE_LUA = $(wildcard runtime/*.lua)

# `make` says in a few words what it does; `make V=1` shows the commands.
Q = $(if $(V),,@)
say = $(if $(V),,@echo '$1 $(or $2,$@)')

# ---- build -------------------------------------------------------------------------------------------------

.PHONY: all module
all: $(BUILD)/kmirror module
module: $(BUILD)/mirrors.so

# More than half of a start is the dynamic linker looking up names, most of which are OpenSSL's, as libcurl uses it, and
# libc's: it looks through the libraries in their order.
LOOKED_UP_MOST = -Wl,--push-state,--no-as-needed $(filter /%,$(shell $(CC) -print-file-name=libcrypto.so.3)) -lc \
                 -Wl,--pop-state

# The Lua API is exported, so that Lua modules in C (LuaDBI, …) load into the executable. lua-cjson goes in
# whole, so that it can be copied alone.
$(BUILD)/kmirror $(BUILD)/kmirror.dist: $(HOST_OBJECTS)
	$(call say,LD)
	$Q$(CC) $(ALL_LDFLAGS) -Wl,-E -o $@ $^ $(LOOKED_UP_MOST) -l:liblua5.4-cjson.a -llua5.4 -lcurl -lmicrohttpd \
	  -lgnutls -ledit -lm

# The one of `make dist` finds its libraries beside it, before any that the machine has: theirs, too, which only RPATH is
# for, not RUNPATH.
$(BUILD)/kmirror.dist: LDFLAGS += -Wl,--disable-new-dtags,-rpath,'$$ORIGIN/../lib/kmirror'

# The Lua API comes from whoever loads the module. Debian's static lua-cjson is not made for shared objects. A thread of
# libcurl's may still look up a name when Lua closes: what it runs stays.
$(BUILD)/mirrors.so: $(MODULE_OBJECTS) runtime/mirrors.map
	$(call say,LD)
	$Q$(CC) $(ALL_LDFLAGS) -shared -Wl,-z,nodelete -Wl,--version-script=runtime/mirrors.map -o $@ $(MODULE_OBJECTS) \
	  -llua5.4-cjson -lcurl -lm

$(BUILD)/%.o: runtime/%.c Makefile | $(BUILD)/packages
	$(call say,CC,$<)
	$Q$(CC) $(ALL_CPPFLAGS) $(ALL_CFLAGS) -MMD -MP -c -o $@ $<

$(BUILD)/embedded_%.o: $(BUILD)/embedded_%.c
	$(call say,CC,$<)
	$Q$(CC) $(ALL_CPPFLAGS) $(ALL_CFLAGS) -MMD -MP -c -o $@ $<

$(BUILD)/embedded_host.c: $(BUILD)/embed $(BUILD)/embedded_host.list $(HOST_LUA)
	$(call say,EMBED)
	$Q$(BUILD)/embed $(BUILD)/embedded_host.data $(HOST_LUA) > $@.new && mv $@.new $@

$(BUILD)/embedded_module.c: $(BUILD)/embed $(BUILD)/embedded_module.list $(MODULE_LUA)
	$(call say,EMBED)
	$Q$(BUILD)/embed $(BUILD)/embedded_module.data $(MODULE_LUA) > $@.new && mv $@.new $@

# Runs while building; a build for another machine says by what compiler: BUILD_CC=gcc.
BUILD_CC ?= $(CC)
$(BUILD)/embed: runtime/embed.c Makefile | $(BUILD)/packages
	$(call say,CC,$<)
	$Q$(BUILD_CC) $(ALL_CPPFLAGS) $(ALL_CFLAGS) $(ALL_LDFLAGS) -o $@ $< -llua5.4

# The names of the files to embed: changes when a file comes or goes.
$(BUILD)/embedded_host.list: names = $(HOST_LUA)
$(BUILD)/embedded_module.list: names = $(MODULE_LUA)
$(BUILD)/embedded_%.list: FORCE | $(BUILD)/packages
	@echo '$(names)' | cmp -s - $@ || echo '$(names)' > $@

$(BUILD)/packages:
	@$(PKG_CONFIG) --exists $(packages) 2> /dev/null && test -e $(ARGPARSE) && test -e $(LUACHECK) || \
	  { echo 'kmirror needs the Debian packages that `make deps` installs' >&2; exit 1; }
	@mkdir -p $(BUILD) && touch $@

$(ARGPARSE) $(LUACHECK_LUA): | $(BUILD)/packages

.PHONY: FORCE
FORCE:

-include $(wildcard $(BUILD)/*.d)

# ---- use ---------------------------------------------------------------------------------------------------

.PHONY: help
help:
	@echo 'make            build $(BUILD)/kmirror and $(BUILD)/mirrors.so (needs: make deps)'
	@echo 'make demo       fail a small fleet over, in the sandbox'
	@echo 'make demo-team  three runners migrate 600 mirrors together, over a PostgreSQL of their own (a minute)'
	@echo 'make test       run all specs, or those in SPECS=, KMIRROR_TEST_JOBS= files at a time'
	@echo 'make test-v2    run the specs of runbooks with version 2 of the API'
	@echo 'make kafka-demo fail twenty topics of a real Kafka over and back, and count what arrived (four minutes)'
	@echo '                DISASTER=1: a broker is killed; the records predicted to be missing, and those that are'
	@echo 'make test-kafka run the specs that need a real Kafka, which it fetches and starts (build/kafka, 1 GB of memory)'
	@echo 'make test-postgres run the specs that need a real PostgreSQL, which they start themselves'
	@echo 'make torture    fail every allocation and call of the system in turn (an hour); ATTEMPTS=N: so many'
	@echo 'make rate       how much of the allowed rate is used (a minute; RATE=auto: sixteen)'
	@echo 'make rate-postgres the same by 1, 4 and 16 runners that share it through PostgreSQL (two minutes)'
	@echo 'make rate-simulated what --rate auto finds out, in simulated time (a minute)'
	@echo 'make lossy      100 creates against a server that loses answers, for 50 seeds (two minutes)'
	@echo 'make migrate    800 mirrors over 20 clusters, killed twice (three minutes)'
	@echo 'make bench      how fast kmirror is, beside others (ten minutes); bench-quick: a look (one minute)'
	@echo 'make instructions  how many instructions it takes, beside spec/bench/instructions.txt'
	@echo 'make lint       check the C and Lua sources'
	@echo 'make rooms      show which part of kmirror needs which'
	@echo 'make install    to PREFIX=$(PREFIX), under DESTDIR when set'
	@echo 'make deb        a Debian package, in $(BUILD)'
	@echo 'make dist       a tar.gz that runs where there is only glibc, in $(BUILD)'
	@echo 'make deps       install the Debian packages that the build needs'
	@echo 'make test-deps  install what the specs and lint need, too'
	@echo 'make clean      remove $(BUILD)'
	@echo
	@echo 'DEBUG=1         for a debugger, in build/debug'
	@echo 'SAN=1           with the address and undefined-behaviour sanitizers, in build/san'
	@echo 'V=1             show the whole commands'
	@echo 'WERROR=1        a warning is an error'
	@echo 'BUILD=DIR       build there'

.PHONY: demo
demo: deps
	@sh .ci/packages.sh demo curl
	@$(MAKE) --no-print-directory all
	@sh scripts/demo.sh $(BUILD)/kmirror

# Folders; Debian's own packages have other ones for some.
LUA_CDIR ?= $(PREFIX)/lib/lua/5.4
SHARE = $(PREFIX)/share
ZSH_DIR ?= $(SHARE)/zsh/site-functions

# What is made by kmirror itself: manual pages, completions, and types for editors. Nobody's configuration plays a part.
KMIRROR = env -i $(BUILD)/kmirror

.PHONY: share
share: $(BUILD)/kmirror
	@rm -rf $(BUILD)/share && mkdir -p $(BUILD)/share
	@echo 'SHARE $(BUILD)/share'
	@$(KMIRROR) run lib/man/generate.lua > $(BUILD)/share/kmirror.1
	@sed 's,@TYPES@,$(SHARE)/kmirror/types,' lib/man/kmirror-runbook.7 > $(BUILD)/share/kmirror-runbook.7
	@for shell in bash zsh fish; do \
	  $(KMIRROR) completion $$shell > $(BUILD)/share/completion.$$shell || exit 1; done
	@$(KMIRROR) run lib/types/generate.lua $(BUILD)/share/types

.PHONY: install install-module
install: all share install-module
	install -D -m 755 $(BUILD)/kmirror $(DESTDIR)$(PREFIX)/bin/kmirror
	install -D -m 644 $(BUILD)/share/kmirror.1 $(DESTDIR)$(SHARE)/man/man1/kmirror.1
	install -D -m 644 $(BUILD)/share/kmirror-runbook.7 $(DESTDIR)$(SHARE)/man/man7/kmirror-runbook.7
	install -D -m 644 $(BUILD)/share/completion.bash $(DESTDIR)$(SHARE)/bash-completion/completions/kmirror
	install -D -m 644 $(BUILD)/share/completion.zsh $(DESTDIR)$(ZSH_DIR)/_kmirror
	install -D -m 644 $(BUILD)/share/completion.fish $(DESTDIR)$(SHARE)/fish/vendor_completions.d/kmirror.fish
	cd $(BUILD)/share && find types -name '*.lua' > types.list
	for file in $$(cat $(BUILD)/share/types.list); do \
	  install -D -m 644 $(BUILD)/share/$$file $(DESTDIR)$(SHARE)/kmirror/$$file || exit 1; done
	for file in README.md scripts/README.md scripts/RUNNING.md lib/README.md runtime/README.md scripts/cookbook/*.lua; do \
	  install -D -m 644 $$file $(DESTDIR)$(SHARE)/doc/kmirror/$$file || exit 1; done

install-module: module
	install -D -m 644 $(BUILD)/mirrors.so $(DESTDIR)$(LUA_CDIR)/mirrors.so

.PHONY: deb
deb: all
	@sh .ci/packages.sh deb dpkg-dev
	@sh .ci/deb.sh $(BUILD) $(VERSION)

# What is loaded only when it is needed goes along, too: what tells of records in Kafka, a store, and what runs specs.
.PHONY: dist
dist: all $(BUILD)/kmirror.dist
	@sh .ci/packages.sh dist librdkafka1 libpq5 lua-busted
	@sh .ci/dist.sh $(BUILD) $(VERSION)

.PHONY: clean
clean:
	rm -rf $(BUILD)

# ---- specs and lint ----------------------------------------------------------------------------------------

# Without a network Prism may be missing: then only its specs fail.
# Specs that speak either version of the API, v1 unless KMIRROR_API=v2 says otherwise: `make test` runs them with v1, CI
# with v2, too. Those left out say themselves which they speak.
EITHER_API = $(filter-out %_twins_spec.lua %_reversal_spec.lua %_successors_spec.lua %/version2_spec.lua, \
  $(sort $(wildcard spec/scripts/*_spec.lua))) $(patsubst %,spec/%_spec.lua,lib/cli_apply lib/jobs lib/journal \
  lib/journal_creates lib/journal_runs lib/wait lib/bulk lib/report lib/cli_saved_plan \
  e2e/cookbook e2e/exit e2e/exit_status e2e/interrupt fault/crash)

.PHONY: test-v2
test-v2:
	@KMIRROR_API=v2 $(MAKE) --no-print-directory test SPECS="$(EITHER_API)"

.PHONY: test
test: test-packages
	-@$(MAKE) --no-print-directory prism
	@$(MAKE) --no-print-directory all
	@KMIRROR_BUILD=$(BUILD) SAN=$(SAN) HOST=$(HOST) MEMCHECK=$(MEMCHECK) bash spec/support/suites.sh $(SPECS)

# Preloaded, it makes calls of the C library fail. The sanitizers have an allocator of their own: they are not for this.
$(BUILD)/failing.so: spec/torture/failing.c Makefile | $(BUILD)/packages
	$Q$(CC) -std=c11 -O1 -Wall -Wextra -fPIC -shared -o $@ $< -ldl

.PHONY: torture
torture: all $(BUILD)/failing.so
	@KMIRROR_BUILD=$(BUILD) bash spec/torture/torture.sh $(ATTEMPTS)

C_FILES = $(sort $(wildcard runtime/*.c runtime/*.h))

# Which room needs which; fails on an arrow that points upward, and on a circle.
.PHONY: rooms
rooms:
	@lua5.4 spec/support/rooms.lua

.PHONY: lint lint-format lint-c lint-lua
lint: lint-format lint-c lint-lua

lint-format:
	clang-format-14 --dry-run --Werror $(C_FILES) $(wildcard spec/torture/*.c)

lint-c: | $(BUILD)/packages
	clang-tidy-14 --quiet $(HOST_SOURCES) runtime/embed.c -- -std=c11 $(ALL_CPPFLAGS)

lint-lua:
	luacheck --no-color --quiet lib scripts runtime spec
	lua5.4 spec/support/dialect.lua $$(find lib runtime scripts spec -name '*.lua')

# Puts right what lint-lua finds of that.
.PHONY: dialect
dialect:
	lua5.4 spec/support/dialect.lua --fix $$(find lib runtime scripts spec -name '*.lua')

# ---- a real Kafka ----------------------------------------------------------------------------------------------

# Brokers, Connect workers and MirrorMaker, from Maven Central. Fetched once, and again when pom.xml changes.
KAFKA = build/kafka
KAFKA_OLD = 3.9.1# of one spec

.PHONY: kafka kafka-old test-kafka kafka-demo
kafka: $(KAFKA)/pom.xml
kafka-old: $(KAFKA)/old.xml

$(KAFKA)/pom.xml: spec/kafka/pom.xml
	@sh .ci/packages.sh kafka openjdk-17-jre-headless maven kcat librdkafka1
	@echo 'make kafka: fetching Kafka into $(KAFKA)' >&2
	@rm -rf $(KAFKA)/libs && mkdir -p $(KAFKA)
	@mvn -q -B -f $< dependency:copy-dependencies -DoutputDirectory='$(CURDIR)/$(KAFKA)/libs' >&2
	@mv $(KAFKA)/libs/jolokia-agent-jvm-*-javaagent.jar $(KAFKA)/jolokia.jar
	@cp $< $@

# Of one spec: fetched while the others run.
$(KAFKA)/old.xml: $(KAFKA)/pom.xml
	@rm -rf $(KAFKA)/old
	@mvn -q -B -f $< -Dkafka=$(KAFKA_OLD) dependency:copy-dependencies -DoutputDirectory='$(CURDIR)/$(KAFKA)/old' >&2
	@rm -f $(KAFKA)/old/jolokia-agent-jvm-*-javaagent.jar $(KAFKA)/old/slf4j-reload4j-*.jar
	@cp $< $@

test-kafka: test-packages kafka all
	@bash spec/kafka/rig.sh start || { bash spec/kafka/rig.sh stop; exit 1; }
	@$(MAKE) --no-print-directory kafka-old & old=$$!; \
	KMIRROR_TEST_JOBS=1 KMIRROR_TEST_SECONDS=1200 KMIRROR_BUILD=$(BUILD) bash spec/support/suites.sh \
	  $(or $(SPECS),$(wildcard spec/kafka/*_spec.lua)); status=$$?; wait $$old || status=1; \
	bash spec/kafka/rig.sh stop; exit $$status

# A planned failover and failback of twenty topics under load, on a real Kafka; with DISASTER=1 one region is lost.
# Nothing stays behind.
kafka-demo: test-packages kafka all
	@bash spec/kafka/rig.sh start || { bash spec/kafka/rig.sh stop; exit 1; }
	@KMIRROR_BUILD=$(BUILD) lua5.4 spec/kafka/demo.lua $(if $(DISASTER),--disaster); status=$$?; bash spec/kafka/rig.sh stop; exit $$status

# ---- a real PostgreSQL -----------------------------------------------------------------------------------------

# Each spec file starts servers of its own, on loopback, in a folder for temporary files.
.PHONY: test-postgres
test-postgres: test-packages all
	@sh .ci/packages.sh test-postgres postgresql
	@KMIRROR_BUILD=$(BUILD) SAN=$(SAN) MEMCHECK=$(MEMCHECK) bash spec/support/suites.sh \
	  $(or $(SPECS),$(wildcard spec/postgres/*_spec.lua))

# Three runners migrate 600 mirrors together; one is killed, one is cut off and comes back. Nothing stays behind.
.PHONY: demo-team
demo-team: deps
	@sh .ci/packages.sh demo-team postgresql lua5.4 lua-socket util-linux
	@$(MAKE) --no-print-directory all
	@KMIRROR_BUILD=$(BUILD) lua5.4 spec/postgres/demo.lua

# ---- figures ---------------------------------------------------------------------------------------------------

.PHONY: bench bench-quick bench-packages instructions instructions-accept
bench: bench-packages all
	@KMIRROR_BUILD=$(BUILD) ROWS='$(ROWS)' bash spec/bench/bench.sh

bench-quick: bench-packages all
	@QUICK=1 KMIRROR_BUILD=$(BUILD) ROWS='$(ROWS)' bash spec/bench/bench.sh

# Debian's undici also serves a node that is not Debian's.
bench-packages:
	@sh .ci/packages.sh bench $(BENCH_DEPS) $$(command -v node > /dev/null || echo nodejs)

instructions: all
	@KMIRROR_BUILD=$(BUILD) bash spec/bench/instructions.sh

instructions-accept: all
	@ACCEPT=1 KMIRROR_BUILD=$(BUILD) bash spec/bench/instructions.sh

# Runners that share the rate through PostgreSQL.
.PHONY: rate-postgres
rate-postgres: test-packages all
	@sh .ci/packages.sh rate-postgres postgresql
	@KMIRROR_BUILD=$(BUILD) lua5.4 spec/bench/rate_postgres.lua

.PHONY: rate-simulated
rate-simulated: all
	@KMIRROR_BUILD=$(BUILD) lua5.4 spec/bench/climbing.lua

.PHONY: rate lossy migrate
rate: all
	@KMIRROR_BUILD=$(BUILD) bash spec/bench/rate.sh

lossy: all
	@KMIRROR_BUILD=$(BUILD) bash spec/bench/lossy.sh

migrate: all
	@KMIRROR_BUILD=$(BUILD) bash spec/bench/migrate.sh

# ---- Debian packages ---------------------------------------------------------------------------------------

# To build, then to run.
DEPS = libc6-dev pkg-config liblua5.4-dev lua-cjson-dev libcurl4-openssl-dev libmicrohttpd-dev \
       libgnutls28-dev libedit-dev libpq-dev lua-argparse lua-check lua-rex-pcre2 lua-dbi-sqlite3
TEST_DEPS = $(DEPS) lua5.4 lua-busted lua-cjson lua-socket lua-sec openssl curl sqlite3 tmux \
            valgrind clang-tidy-14 clang-format-14 zsh fish man-db dpkg-dev chromium
BENCH_DEPS = $(DEPS) lua5.4 lua-cjson lua-cqueues nginx-light openssl curl golang-go node-undici python3-aiohttp \
             python3-uvloop

.PHONY: deps test-deps test-packages
deps:
	@sh .ci/packages.sh deps $(DEPS)

test-deps: test-packages prism

# Debian's npm is asked for where there is none.
test-packages:
	@sh .ci/packages.sh test-deps $(TEST_DEPS) $$(command -v npm > /dev/null || echo nodejs npm)

# Prism judges client and sandbox by the OpenAPI description. Installed once, and again when package.json changes.
.PHONY: prism install-prism
prism:
	@cmp -s spec/contract/package.json build/prism/package.json && \
	  test -x build/prism/node_modules/.bin/prism || $(MAKE) --no-print-directory install-prism

install-prism:
	@echo 'make prism: installing Prism in build/prism' >&2
	@rm -rf build/prism && mkdir -p build/prism && cp spec/contract/package.json build/prism/
	@npm install --prefix build/prism --no-package-lock --no-audit --no-fund --ignore-scripts --loglevel error >&2
