// Questions to every worker, and their answers in one.
#include "proxy/live.h"

#include <map>
#include <mutex>

#include "base/json.h"
#include "proxy/exchange.h"
#include "proxy/record.h"
#include "proxy/worker.h"

namespace cardea::proxy {

namespace {

// Held by what was posted to each worker; the last one to let go, having run or not, tells the answer.
struct Gathering {
  explicit Gathering(std::function<void(Gathering&)> done) : done(std::move(done)) {}
  ~Gathering() { done(*this); }
  std::function<void(Gathering&)> done;
  std::mutex mutex;
  std::string first, second;  // JSON objects with commas between them
  size_t count = 0, left_off = 0;
  std::map<uint64_t, size_t> by_generation;
};

void append(std::string& list, const std::string& item) {
  if (!list.empty()) list += ',';
  list += item;
}

void ask_all(Proxy& proxy, std::function<void(Gathering&)> done, std::function<void(Worker&, Gathering&)> ask) {
  auto gathering = std::make_shared<Gathering>(std::move(done));
  proxy.each_worker([&](Worker& w) { w.post([gathering, ask](Worker& worker) { ask(worker, *gathering); }); });
  // However fast they are: the last one to let go is a worker, not this thread.
  proxy.each_worker([&](Worker& w) {
    if (gathering) w.post([last = std::move(gathering)](Worker&) {});
  });
}

std::string brief(const Exchange& x) {
  std::string out = "{\"id\":";
  append_json_string(out, x.id());
  out += ",\"route\":";
  append_json_string(out, x.route() ? x.route()->name : "");
  out += ",\"user\":";
  append_json_string(out, x.identity() ? x.identity()->user : "");
  return out + "}";
}

}  // namespace

void list_exchanges(Proxy& proxy, const Selector& which, Told done) {
  ask_all(
      proxy,
      [done](Gathering& g) {
        std::string out = "{\"exchanges\":[" + g.first + "],\"count\":" + std::to_string(g.count);
        if (g.left_off) out += ",\"left_off\":" + std::to_string(g.left_off);
        done(out + "}");
      },
      [which](Worker& worker, Gathering& g) {
        std::string mine;
        size_t n = 0;
        worker.each_exchange([&](Exchange& x) {
          if (!which.fits(x) || ++n > kMaxListed) return;
          if (!mine.empty()) mine += ',';
          append_live_record(mine, x);
        });
        std::lock_guard lock(g.mutex);
        if (g.count + n > kMaxListed) {
          g.left_off += n;
        } else if (n) {
          append(g.first, mine);
          g.count += n;
        }
      });
}

void list_generations(Proxy& proxy, Told done) {
  const config::SnapshotPtr newest = proxy.snapshot();
  std::string out = "{\"generation\":" + std::to_string(newest->generation) + ",\"listeners\":[";
  auto append_name = [&out](const std::string& name) {
    if (out.back() != '[') out += ',';
    append_json_string(out, name);
  };
  for (const config::Listener& l : newest->listeners) append_name(l.name);
  out += "],\"routes\":[";
  for (const config::Route& r : newest->routes) append_name(r.name);
  out += "],\"generations\":[";
  ask_all(
      proxy,
      [done, out, generation = newest->generation](Gathering& g) {
        std::string rows;
        g.by_generation[generation];
        for (const auto& [number, exchanges] : g.by_generation) {
          append(rows,
                 "{\"generation\":" + std::to_string(number) + ",\"exchanges\":" + std::to_string(exchanges) + "}");
        }
        done(out + rows + "]}");
      },
      [](Worker& worker, Gathering& g) {
        std::map<uint64_t, size_t> mine;
        worker.each_exchange([&](Exchange& x) { ++mine[x.snapshot().generation]; });
        std::lock_guard lock(g.mutex);
        for (const auto& [number, exchanges] : mine) g.by_generation[number] += exchanges;
      });
}

void dry_run(Proxy& proxy, config::SnapshotPtr snapshot, Told done) {
  ask_all(
      proxy,
      [done](Gathering& g) {
        done("{\"would_end\":[" + g.first + "],\"would_ask_host\":[" + g.second +
             "],\"judged\":" + std::to_string(g.count) + "}");
      },
      [snapshot](Worker& worker, Gathering& g) {
        const GenerationPtr trial = worker.trial_generation(snapshot);
        std::string ends, asks;
        size_t n = 0;
        worker.each_exchange([&](Exchange& x) {
          if (!x.holds_lease()) return;
          ++n;
          const Exchange::Judgement j = x.would(trial);
          if (j.decision.verdict == policy::Verdict::ask_host) {
            append(asks, brief(x));
          } else if (!j.route || j.decision.verdict != policy::Verdict::allow) {
            append(ends, brief(x));
          }
        });
        std::lock_guard lock(g.mutex);
        if (!ends.empty()) append(g.first, ends);
        if (!asks.empty()) append(g.second, asks);
        g.count += n;
      });
}

void end_exchanges(Proxy& proxy, const Selector& which, const std::string& by, Told done) {
  ask_all(
      proxy, [done](Gathering& g) { done("{\"ended\":" + std::to_string(g.count) + "}"); },
      [which, by](Worker& worker, Gathering& g) {
        const size_t n = worker.withdraw(which, {http::EndCause::revoked, "ended"}, by);
        std::lock_guard lock(g.mutex);
        g.count += n;
      });
}

}  // namespace cardea::proxy
