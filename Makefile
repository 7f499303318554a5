# The commands of a developer. CMake does the building; see CMakePresets.json for the kinds of builds.
#
#   make            build library and kc, optimised, in build/release
#   make check      install what is missing (Debian), build, run every test; one summary line at the end
#   make demo       produce a file into a Kafka in memory, stop a broker, and read it back; ten seconds
#   make demo-real  the same with a real Apache Kafka
#   make sim        the simulation's scenarios: make sim SEEDS=500 FROM=0 (tools/sim.sh)
#   make mutants    bugs that the simulation must find: make mutants MUTANTS="name ..." (tools/mutants.sh)
#   make chaos      writers against three real brokers that are killed: make chaos CHAOS_SECONDS=600 SEED=1 (tests/chaos/README.md)
#   make bench      print the figures of bench/, beside other clients (tools/bench.sh says how to ask for some of them)
#   make check-long what takes longer: every combination of optional parts, and more (tools/check.sh list long)
#   make install    install from build/release (PREFIX=/usr/local, DESTDIR)
#   make uninstall  remove what the last install wrote
#   make generate   write src/wire/gen/ from schema/
#   make format     lay out the code with clang-format-14
#   make fuzz       fuzz every target for a minute (tools/fuzz.sh says what else there is)
#   make coverage   which lines of src/ the tests run; fails below 90 %
#   make tidy       clang-tidy 14 over our own code
#   make clean

PREFIX ?= /usr/local
CMAKE_FLAGS ?=

.PHONY: all setup check check-long demo demo-real sim mutants chaos bench install uninstall generate format fuzz coverage tidy clean

all: setup-build
	cmake -S . -B build/release -G Ninja -DCMAKE_BUILD_TYPE=RelWithDebInfo $(CMAKE_FLAGS)
	cmake --build build/release

.PHONY: setup-build
setup-build:
	@tools/setup.sh build

setup:
	@tools/setup.sh build test

check:
	@tools/check.sh

check-long:
	@tools/check.sh long

demo: all
	@tools/demo.sh

demo-real: all
	@tools/setup.sh demo
	@tools/demo.sh real

SEEDS ?= 500
FROM ?= 0
sim:
	@tools/setup.sh build test
	cmake --preset release > /dev/null
	cmake --build --preset release --target sim_scenarios_test --target sim_writers_test
	@tools/sim.sh $(SEEDS) $(FROM)

mutants:
	@tools/setup.sh build test
	@tools/mutants.sh $(MUTANTS)

CHAOS_SECONDS ?= 600
SEED ?=
chaos:
	@tools/setup.sh build test
	cmake --preset release > /dev/null
	cmake --build --preset release --target chaos
	@tools/chaos.sh $(CHAOS_SECONDS) $(SEED)

bench:
	@tools/bench.sh

install: all
	cmake --install build/release --prefix "$(PREFIX)"

uninstall:
	cmake --build build/release --target uninstall

generate:
	tools/gen.py

format:
	git ls-files 'src/*.[ch]' 'src/*.cc' 'tests/*.[ch]' 'cli/*.[ch]' 'bench/*.[ch]' 'fuzz/*.[ch]' 'examples/*.c' | grep -v '^src/wire/gen/' | xargs clang-format-14 -i

fuzz:
	@tools/fuzz.sh all

coverage:
	@tools/coverage.sh

tidy:
	@tools/tidy.sh

clean:
	rm -rf build
