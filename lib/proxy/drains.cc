// What drains do on each worker, and what they tell.
#include "proxy/drains.h"

#include <algorithm>

#include "balance/balance.h"
#include "base/json.h"
#include "proxy/exchange.h"
#include "proxy/worker.h"

namespace cardea::proxy {

using http::End;
using http::EndCause;

namespace {

constexpr Millis kTick = 50;
constexpr const char* kKindNames[Drain::kKinds] = {"http", "grpc", "websocket", "tcp"};

size_t kind_of(const Exchange& x) {
  const std::string_view kind = x.kind();
  for (size_t i = 0; i < Drain::kKinds; ++i) {
    if (kind == kKindNames[i]) return i;
  }
  return kind == "upgrade" ? 3 : 0;  // bytes, as TCP's
}

// When a stream is told, from the drain's beginning: a share of the time that its id decides, so that all workers
// together let them go evenly.
Millis moment_of(const Exchange& x, const Drain& drain) {
  if (!drain.order.gradual) return 0;
  return Millis((unsigned __int128)balance::hash64(x.id()) * (drain.allowed.load() / 10 * 9) >> 64);
}

const char* state_name(Drain::State state) {
  return state == Drain::State::running ? "running" : state == Drain::State::done ? "done" : "cancelled";
}

}  // namespace

std::string Drain::json(int64_t now_unix_ms) const {
  const State now = state;
  const auto age = uint64_t(std::max<int64_t>(now_unix_ms - began_unix_ms, 0));
  std::string out = "{\"id\":" + std::to_string(id) + ",\"selector\":";
  out += order.selector.empty() ? "{}" : order.selector;
  out.append(",\"state\":\"").append(state_name(now)).append("\",\"strategy\":\"");
  out.append(order.gradual ? "gradual" : "immediate").append("\"");
  out += ",\"restart\":" + std::string(order.restart ? "true" : "false");
  if (!order.by.empty()) {
    out += ",\"by\":";
    append_json_string(out, order.by);
  }
  out += ",\"age_ms\":" + std::to_string(age);
  if (now == State::running) out += ",\"left_ms\":" + std::to_string(allowed > age ? allowed - age : 0);
  out += ",\"left\":{";
  for (size_t i = 0; i < kKinds; ++i) {
    out += "\"" + std::string(kKindNames[i]) + "\":" + std::to_string(left[i]) + ",";
  }
  out += "\"sessions\":" + std::to_string(sessions_left) + "},\"finished\":" + std::to_string(finished) +
         ",\"told\":" + std::to_string(told) + ",\"cut\":" + std::to_string(cut) + "}";
  return out;
}

// ---- one worker -----------------------------------------------------------------------------------

WorkerDrains::WorkerDrains(Worker& worker) : worker_(worker), timer_(worker.loop(), [this] { tick(); }) {}

void WorkerDrains::begin(DrainPtr drain, std::shared_ptr<void> last) {
  net::Loop::Turn turn(worker_.loop());
  auto part = std::make_unique<Part>();
  part->drain = std::move(drain);
  part->last = std::move(last);
  part->began = worker_.loop().now();
  const Selector& which = part->drain->order.which;
  const Millis allowed = part->drain->allowed;
  part->deadline = part->began + allowed;
  if (which.everything()) {
    worker_.drain(allowed, nullptr);
  } else if (which.means_sessions()) {
    if (!which.listener.empty() && which.certificate_generation < 0) worker_.stop_listening(which.listener);
    worker_.each_session([&](Session& s) {
      if (which.fits(s)) s.drain();
    });
  }
  parts_.push_back(std::move(part));
  tick();
}

void WorkerDrains::extend(uint64_t id, Millis from_now) {
  for (const auto& part : parts_) {
    if (part->drain->id != id || part->cut) continue;
    part->deadline = worker_.loop().now() + from_now;
    part->drain->allowed = part->deadline - part->began;
    if (part->drain->order.which.everything()) worker_.extend_drain(from_now);
  }
  look();
}

void WorkerDrains::look() {
  if (!parts_.empty()) timer_.start(0);
}

void WorkerDrains::on_exchange_over(Exchange& x) {
  for (const auto& part : parts_) {
    if (x.started_at() > part->began || !part->drain->order.which.fits(x) || part->cut) continue;
    ++part->drain->finished;
  }
}

void WorkerDrains::tick() {
  net::Loop::Turn turn(worker_.loop());
  for (size_t i = 0; i < parts_.size();) {
    if (advance(*parts_[i])) {
      ++i;
    } else {
      drop(*parts_[i]);
      parts_.erase(parts_.begin() + ptrdiff_t(i));
    }
  }
  if (parts_.empty()) return;
  Millis next = worker_.loop().now() + kTick;
  for (const auto& part : parts_) {
    if (!part->cut && part->deadline < next) next = std::max(part->deadline, worker_.loop().now() + 1);
  }
  timer_.start_at(next);
}

bool WorkerDrains::advance(Part& part) {
  Drain& drain = *part.drain;
  if (drain.state == Drain::State::cancelled) return false;
  const Selector& which = drain.order.which;
  const Millis age = worker_.loop().now() - part.began;
  const bool cuts = worker_.loop().now() >= part.deadline && !std::exchange(part.cut, true);
  const End gone{EndCause::draining, drain.order.restart ? "restart" : "drain"};
  uint64_t left[Drain::kKinds] = {}, sessions = 0;
  worker_.each_exchange([&](Exchange& x) {
    if (x.started_at() > part.began && !which.means_sessions()) return;
    if (!which.fits(x)) return;
    if (cuts) {
      ++drain.cut;
      return x.end({EndCause::draining, "deadline"});
    }
    if (x.is_long_lived() && !x.ending() && age >= moment_of(x, drain)) {
      ++drain.told;
      x.leave(gone);
    }
  });
  if (cuts && which.means_sessions()) {
    worker_.each_session([&](Session& s) {
      if (which.fits(s)) s.drain(1);  // what was said leaves first
    });
  }
  // Those that were told may be gone already.
  worker_.each_exchange([&](Exchange& x) {
    if ((x.started_at() > part.began && !which.means_sessions()) || !which.fits(x)) return;
    ++left[kind_of(x)];
  });
  if (which.means_sessions()) {
    worker_.each_session([&](Session& s) { sessions += which.fits(s); });
  }
  report(part, left, sessions);
  return sessions > 0 || std::any_of(std::begin(left), std::end(left), [](uint64_t n) { return n > 0; });
}

// Differences, since other workers add theirs.
void WorkerDrains::report(Part& part, const uint64_t (&left)[Drain::kKinds], uint64_t sessions) {
  for (size_t i = 0; i < Drain::kKinds; ++i) part.drain->left[i] += left[i] - std::exchange(part.left[i], left[i]);
  part.drain->sessions_left += sessions - std::exchange(part.sessions, sessions);
}

void WorkerDrains::drop(Part& part) {
  const uint64_t none[Drain::kKinds] = {};
  report(part, none, 0);
  if (part.drain->state == Drain::State::cancelled && part.drain->order.which.means_sessions()) worker_.listen_again();
}

// ---- all workers ----------------------------------------------------------------------------------

DrainPtr Drains::begin(Proxy& proxy, DrainOrder order, std::function<void(const Drain&)> done) {
  DrainPtr drain;
  {
    std::lock_guard lock(mutex_);
    const auto running =
        std::count_if(all_.begin(), all_.end(), [](const auto& d) { return d->state == Drain::State::running; });
    // Whoever wants everything to end is never refused.
    if (size_t(running) >= kMaxRunning && !order.which.everything()) return nullptr;
    drain = std::make_shared<Drain>(next_++, std::move(order), net::real_clock().unix_ms());
    all_.push_front(drain);
    // The oldest one that is over makes room.
    for (auto it = all_.end(); all_.size() > kKept && it != all_.begin();) {
      if ((*--it)->state != Drain::State::running) it = all_.erase(it);
    }
  }
  // The end of the last copy is the completion: a worker that closes meanwhile drops its own.
  std::shared_ptr<void> last(nullptr, [drain, done = std::move(done)](void*) {
    auto running = Drain::State::running;
    drain->state.compare_exchange_strong(running, Drain::State::done);
    if (done) done(*drain);
  });
  if (drain->order.which.everything()) proxy.start_draining();
  proxy.each_worker([&](Worker& w) { w.post([drain, last](Worker& worker) { worker.drains().begin(drain, last); }); });
  // However fast they are: the last one to let go is a worker, not this thread.
  proxy.each_worker([&](Worker& w) {
    if (last.use_count()) w.post([own = std::move(last)](Worker&) {});
  });
  return drain;
}

DrainPtr Drains::find(uint64_t id) const {
  std::lock_guard lock(mutex_);
  auto at = std::find_if(all_.begin(), all_.end(),
                         [id](const auto& d) { return d->id == id && d->state == Drain::State::running; });
  return at == all_.end() ? nullptr : *at;
}

bool Drains::cancel(Proxy& proxy, uint64_t id) {
  DrainPtr drain = find(id);
  auto running = Drain::State::running;
  if (!drain || !drain->state.compare_exchange_strong(running, Drain::State::cancelled)) return false;
  if (drain->order.which.everything()) proxy.stop_draining();
  proxy.each_worker([](Worker& w) { w.post([](Worker& worker) { worker.drains().look(); }); });
  return true;
}

bool Drains::extend(Proxy& proxy, uint64_t id, Millis from_now) {
  if (!find(id)) return false;
  proxy.each_worker([=](Worker& w) { w.post([=](Worker& worker) { worker.drains().extend(id, from_now); }); });
  return true;
}

std::string Drains::json() const {
  std::lock_guard lock(mutex_);
  const int64_t now = net::real_clock().unix_ms();
  std::string out = "{\"drains\":[";
  for (const DrainPtr& d : all_) {
    if (out.back() != '[') out += ',';
    out += d->json(now);
  }
  return out + "]}";
}

}  // namespace cardea::proxy
