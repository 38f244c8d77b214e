// What finding a route costs, and that it costs the same with 10,000 routes as with one.
//
//   g++ -std=c++20 -O2 -DNDEBUG -Ilib -Ibench bench/route_bench.cc lib/route/*.cc
//   lib/http/{fields,head,authority,path}.cc
//     -lre2 -lbenchmark -lpthread -o route_bench
#include <benchmark/benchmark.h>

#include "route/route.h"
#include "run.h"

namespace {

using namespace cardea;
using Kind = route::Match::Path;

enum Shape { kHosts, kPrefixes, kExact, kWildcards };

std::vector<route::Match> routes_of(Shape shape, int count) {
  std::vector<route::Match> routes;
  for (int i = 0; i < count; ++i) {
    char n[16];
    snprintf(n, sizeof n, "%05d", i);  // names as long with one route as with many
    switch (shape) {
      case kHosts:
        routes.push_back({std::string("app") + n + ".example.com", 0});
        break;
      case kPrefixes:
        routes.push_back({"one.example.com", 0, Kind::prefix, std::string("/service") + n});
        break;
      case kExact:
        routes.push_back({"one.example.com", 0, Kind::exact, std::string("/service") + n + "/items"});
        break;
      case kWildcards:
        routes.push_back({std::string("*.app") + n + ".example.com", 0});
        break;
    }
  }
  return routes;
}

struct Request {
  std::string host, path;
};
Request request_of(Shape shape, int i) {
  char n[16];
  snprintf(n, sizeof n, "%05d", i);
  switch (shape) {
    case kHosts:
      return {std::string("app") + n + ".example.com", "/items/7"};
    case kWildcards:
      return {std::string("x.app") + n + ".example.com", "/items/7"};
    default:
      return {"one.example.com", std::string("/service") + n + "/items"};
  }
}

// Arguments: shape, routes, how many of them are asked for in turn.
void match(benchmark::State& state) {
  const auto shape = Shape(state.range(0));
  const int count = int(state.range(1));
  std::vector<route::Table::Fault> faults;
  auto table = route::Table::build(routes_of(shape, count), faults);
  std::vector<Request> requests;
  for (int i = 0; i < int(state.range(2)); ++i) requests.push_back(request_of(shape, int(i * 7919LL % count)));
  size_t next = 0;
  for (auto _ : state) {
    const Request& r = requests[next];
    if (++next == requests.size()) next = 0;
    const int found = table->match(r.host, 443, r.path);
    if (found < 0) {
      bench::fail(state, "no route");
      break;
    }
    benchmark::DoNotOptimize(found);
  }
}
BENCHMARK(match)->ArgsProduct({{kHosts, kPrefixes, kExact, kWildcards}, {1, 10'000}, {1, 64, 4096}});

void match_regex(benchmark::State& state) {
  std::vector<route::Match> routes;
  for (int i = 0; i < state.range(0); ++i) {
    routes.push_back({"h", 0, Kind::regex, "/service" + std::to_string(i) + "/[a-z]+"});
  }
  std::vector<route::Table::Fault> faults;
  auto table = route::Table::build(routes, faults);
  for (auto _ : state) benchmark::DoNotOptimize(table->match("h", 443, "/service0/items"));
}
BENCHMARK(match_regex)->Arg(1)->Arg(100)->Arg(10'000);

void normalize(benchmark::State& state, Bytes target) {
  Arena arena;
  for (auto _ : state) {
    arena.reset();
    benchmark::DoNotOptimize(http::normalize_path(target, {}, arena));
  }
}
BENCHMARK_CAPTURE(normalize, clean, "/api/v1/users/12345/orders?page=2&sort=asc");
BENCHMARK_CAPTURE(normalize, escaped, "/api/v1/a%20b/../%7euser//orders?page=2&sort=asc");

void forward(benchmark::State& state) {
  auto head = http::make_request();
  for (auto _ : state) {
    head->reset();
    head->fields.add(http::FieldId::accept, "*/*");
    head->fields.add(http::FieldId::user_agent, "curl/8");
    head->fields.add("x-forwarded-for", "1.2.3.4");
    head->fields.add("x-custom", "1");
    benchmark::DoNotOptimize(
        route::apply_forwarding(*head, {}, {"192.0.2.1", true, "h", false, "0123456789abcdef0123456789abcdef"}));
  }
}
BENCHMARK(forward);

}  // namespace

int main(int argc, char** argv) {
  return cardea::bench::run(argc, argv);
}
