// What a limit costs: one request in and out, by how many threads and keys, and a slice of a body.
#include <string>
#include <vector>

#include "limit/table.h"
#include "run.h"

namespace {

using namespace cardea;
using limit::By;
using limit::Direction;
using limit::Table;
using limit::Terms;

Terms terms(By by) {
  Terms t;
  t.by = by;
  t.concurrent = 1000;
  t.windows.push_back({1'000'000, 1000, 1'000'000});
  t.bytes_per_second = 1'000'000'000;
  return t;
}

std::vector<std::string> keys(size_t n) {
  std::vector<std::string> all;
  for (size_t i = 0; i < n; ++i) all.push_back("user" + std::to_string(i) + "@example.com");
  return all;
}

// Argument: how many keys. One is a route that every thread serves.
void request(benchmark::State& state) {
  static std::unique_ptr<Table> table;
  const std::vector<std::string> all = keys(size_t(state.range(0)));
  if (state.thread_index() == 0) table = std::make_unique<Table>(terms(all.size() == 1 ? By::route : By::user), 1);
  Millis now = 1;
  size_t i = size_t(state.thread_index()) * 7919;
  for (auto _ : state) {
    const Table::Answer a = table->enter(all[i++ % all.size()], now += i % 64 == 0);
    if (!a.entry) continue;
    table->leave(a.entry, now);
  }
}
BENCHMARK(request)->Arg(1)->Arg(1000)->Arg(50'000)->ThreadRange(1, 2)->UseRealTime();

void slice(benchmark::State& state) {
  Table table(terms(By::user), 1);
  Table::Entry* const entry = table.enter("u", 1).entry;
  Millis now = 1;
  for (auto _ : state) {
    benchmark::DoNotOptimize(table.room(entry, Direction::to_client, now));
    benchmark::DoNotOptimize(table.spend(entry, Direction::to_client, 16 * 1024, ++now));
  }
  table.leave(entry, now);
}
BENCHMARK(slice);

// Addresses that come once each: the table is full all the time.
void strangers(benchmark::State& state) {
  Terms t;
  t.by = By::source_ip;
  t.windows.push_back({10, 1000, 10});
  Table table(t, 1);
  uint64_t n = 0;
  for (auto _ : state) {
    ++n;
    const Table::Answer a = table.enter(Bytes(reinterpret_cast<const char*>(&n), sizeof n), 1 + n / 1000);
    if (a.entry) table.leave(a.entry, 1 + n / 1000);
  }
}
BENCHMARK(strangers);

}  // namespace

int main(int argc, char** argv) {
  return bench::run(argc, argv);
}
