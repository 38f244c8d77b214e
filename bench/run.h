// A benchmark program's main: one that went wrong ends with 1, which Google Benchmark by itself does not see to.
#pragma once

#include <benchmark/benchmark.h>

namespace cardea::bench {

inline bool failed = false;

inline void fail(benchmark::State& state, const char* why) {
  failed = true;
  state.SkipWithError(why);
}

inline int run(int argc, char** argv) {
  benchmark::Initialize(&argc, argv);
  if (benchmark::ReportUnrecognizedArguments(argc, argv)) return 1;
  benchmark::RunSpecifiedBenchmarks();
  return failed ? 1 : 0;
}

}  // namespace cardea::bench
