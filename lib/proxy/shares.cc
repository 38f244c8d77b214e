// Limits: which apply to a route, what an exchange takes of them, and how its bytes wait for their turn.
#include "proxy/shares.h"

#include <algorithm>
#include <cstring>
#include <unordered_map>

#include "proxy/exchange.h"

namespace cardea::proxy {

using http::End;
using http::EndCause;
using limit::By;
using limit::Direction;
using limit::Table;

// ---- which ----------------------------------------------------------------------------------------

std::vector<ScopedShare> scoped_shares(const config::Snapshot& snapshot) {
  std::vector<ScopedShare> all;
  const bool any = !snapshot.shares.empty() || std::any_of(snapshot.routes.begin(), snapshot.routes.end(),
                                                           [](const auto& r) { return !r.shares.empty(); });
  if (!any) return all;
  const limit::Terms* each_route = nullptr;
  for (const limit::Terms& t : snapshot.shares) {
    if (t.by == By::route) {
      each_route = &t;
    } else {
      all.push_back({"", &t, ScopedShare::kEveryRoute});
    }
  }
  std::unordered_map<std::string, size_t> seen;
  for (const config::Route& route : snapshot.routes) {
    const size_t before = seen[route.name]++;
    const std::string name = route.name + (before ? "\n" + std::to_string(before) : "");
    if (each_route) all.push_back({"each " + name, each_route, route.index});
    for (const limit::Terms& t : route.shares) all.push_back({"route " + name, &t, route.index});
  }
  return all;
}

std::vector<RouteShares> find_shares(limit::Registry& registry, const config::Snapshot& snapshot) {
  const std::vector<ScopedShare> all = scoped_shares(snapshot);
  std::vector<RouteShares> out(all.empty() ? 0 : snapshot.routes.size());
  for (const ScopedShare& one : all) {
    const Share share{one.terms->by, registry.find(one.scope, *one.terms)};
    for (size_t i = 0; i < out.size(); ++i) {
      if (one.route != ScopedShare::kEveryRoute && one.route != i) continue;
      (share.by == By::user ? out[i].user : out[i].anybody).push_back(share);
    }
  }
  // Who is one of many pays first: what is refused there takes nothing of what all have together.
  for (RouteShares& r : out) {
    std::stable_partition(r.anybody.begin(), r.anybody.end(), [](const Share& s) { return s.by == By::source_ip; });
  }
  return out;
}

// ---- what is taken --------------------------------------------------------------------------------

namespace {

// One key for all addresses that one customer of a network usually has; empty: no address (a unix socket).
Bytes source_key(Bytes client_ip, std::array<uint8_t, 16>& ip) {
  if (!read_ip(client_ip, ip)) return {};
  static constexpr uint8_t kMapped[12] = {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff};
  const char* bytes = reinterpret_cast<const char*>(ip.data());
  return memcmp(bytes, kMapped, sizeof kMapped) == 0 ? Bytes(bytes + 12, 4) : Bytes(bytes, 8);
}

const char* detail_of(By by, Table::Outcome outcome) {
  static constexpr const char* kDetails[3][3] = {{"route.concurrent", "route.requests", "route.keys"},
                                                 {"user.concurrent", "user.requests", "user.keys"},
                                                 {"source_ip.concurrent", "source_ip.requests", "source_ip.keys"}};
  return kDetails[size_t(by)][size_t(outcome) - 1];
}

}  // namespace

// False: it was refused, and may be gone.
bool Exchange::take_each(const std::vector<Share>& shares) {
  const Millis now = loop().now();
  std::array<uint8_t, 16> ip;
  for (const Share& share : shares) {
    Bytes key;
    if (share.by == By::user) {
      if (!identity_) continue;
      key = identity_->user;
    } else if (share.by == By::source_ip) {
      key = source_key(client_ip_, ip);
    }
    if (!shares_) shares_ = std::make_unique<Shares>();
    const Table::Answer answer = share.table->enter(key, now);
    if (answer.outcome != Table::Outcome::passed) {
      shares_->release(now, true);
      shares_->retry_after_s = std::max<uint64_t>((answer.wait + 999) / 1000, 1);
      reply({EndCause::limited, detail_of(share.by, answer.outcome)});
      return false;
    }
    shares_->taken[shares_->count++] = {share.by, share.table.get(), answer.entry};
    shares_->shapes = shares_->shapes || share.table->shapes();
  }
  return true;
}

void Shares::release(Millis now, bool refused) {
  for (; count; --count) {
    const Taken& t = taken[count - 1];
    t.table->leave(t.entry, now, refused && t.by != By::source_ip);
  }
}

size_t Shares::room(Direction direction, size_t n, Millis now) const {
  for (size_t i = 0; i < count && n; ++i) {
    if (taken[i].table->shapes()) n = std::min<uint64_t>(n, taken[i].table->room(taken[i].entry, direction, now));
  }
  return n;
}

Millis Shares::spend(Direction direction, size_t n, Millis now) const {
  Millis wait = 0;
  for (size_t i = 0; i < count && n; ++i) {
    if (taken[i].table->shapes()) wait = std::max(wait, taken[i].table->spend(taken[i].entry, direction, n, now));
  }
  return wait;
}

size_t Shares::slice() const {
  size_t n = SIZE_MAX;
  for (size_t i = 0; i < count; ++i) {
    if (taken[i].table->shapes()) n = std::min<size_t>(n, taken[i].table->slice());
  }
  return n;
}

// ---- bytes that wait ------------------------------------------------------------------------------
//
// What does not fit is kept, its sender is paused, and it goes on slice by slice. A slice is paid for when its turn is
// fixed: so exchanges with one key go round in order, whatever they want to send.

void Flow::let_go(uint64_t turn) {
  if (lent_in != turn) lent.clear();
}

void Flow::lend(uint64_t turn) {
  let_go(turn);
  lent_in = turn;
  lent.push_back(std::move(held));
  held.clear();
  passed = 0;
}

void Flow::append(Bytes bytes, uint64_t turn) {
  if (passed) {
    const std::vector<char> rest(held.begin() + ptrdiff_t(passed), held.end());
    lend(turn);
    held = rest;
  }
  held.insert(held.end(), bytes.begin(), bytes.end());
}

void Exchange::relay(Direction direction, Bytes bytes) {
  direction == Direction::to_client ? relay_to_client(bytes) : relay_to_service(bytes);
}

void Exchange::shape(Direction direction, Bytes bytes) {
  Flow& flow = shares_->flow(direction);
  const Millis now = loop().now();
  const size_t limit = route_->buffer_limit;
  if (flow.waits()) {
    // More of a read that came in pieces. What is too much goes at once; it is paid for all the same.
    if (flow.left().size() + bytes.size() > limit) release_flow(direction);
  }
  if (!flow.waits()) {
    const size_t fits = shares_->room(direction, bytes.size(), now);
    const size_t goes = std::max(fits, bytes.size() - std::min(bytes.size(), limit));
    shares_->spend(direction, goes, now);
    if (goes) relay(direction, bytes.substr(0, goes));
    bytes.remove_prefix(goes);
    if (bytes.empty()) return;
    add(worker_.counters().shaping_pauses_total);
  }
  flow.append(bytes, loop().turn());
  if (!flow.waits()) {
    pay_slice(direction);
    if (direction == Direction::to_client) {
      if (up_) pause_service(kShaped);
    } else {
      pause_client(kShaped);
    }
    arm();
  }
}

// Time that passes here is not the peer's.
void Exchange::pay_slice(Direction direction) {
  Flow& flow = shares_->flow(direction);
  flow.paid = std::min(shares_->slice(), flow.left().size());
  const Millis wait = shares_->spend(direction, flow.paid, loop().now());
  flow.at = loop().now() + wait;
  Millis& clock = direction == Direction::to_client ? respond_by_ : read_by_;
  if (clock) clock += wait;
}

// All that waits goes now, paid for; nothing may come behind it in this flow's buffer.
void Exchange::release_flow(Direction direction) {
  Flow& flow = shares_->flow(direction);
  const Bytes left = flow.left();
  if (!flow.waits()) return;
  shares_->spend(direction, left.size() - flow.paid, loop().now());
  flow.lend(loop().turn());
  flow.paid = 0;
  flow.at = 0;
  if (!left.empty()) relay(direction, left);
}

void Exchange::pass_flow(Direction direction) {
  Flow& flow = shares_->flow(direction);
  const Millis now = loop().now();
  flow.let_go(loop().turn());
  while (flow.waits() && flow.at <= now) {
    const Bytes slice = flow.left().substr(0, flow.paid);
    flow.passed += slice.size();
    if (flow.left().empty()) {
      flow.lend(loop().turn());
      flow.paid = 0;
      flow.at = 0;
    } else {
      pay_slice(direction);
    }
    relay(direction, slice);
  }
  if (flow.waits()) return;
  if (flow.over) return end_flow(direction);
  if (direction == Direction::to_client) {
    if (up_) resume_service(kShaped);
  } else {
    resume_client(kShaped);
  }
}

// Both directions, and the clocks that stand still meanwhile. False: that was the end of the exchange.
bool Exchange::pass_flows() {
  const Millis now = loop().now();
  for (Direction d : {Direction::to_service, Direction::to_client}) {
    const Flow& flow = shares_->flow(d);
    if (flow.waits() && flow.at <= now) pass_flow(d);
    if (finished_) return false;
  }
  if (shares_->waits()) touch();
  if (shares_->to_service.waits()) touch_try();
  return true;
}

// The message's end was behind the last byte that waited.
void Exchange::end_flow(Direction direction) {
  Flow& flow = shares_->flow(direction);
  const bool to_client = direction == Direction::to_client;
  flow.over = false;
  if (flow.has_trailers) to_client ? relay_response_trailers(flow.trailers) : relay_request_trailers(flow.trailers);
  to_client ? response_ended() : request_ended();
}

// Whether an end, or the trailers before it, have to wait.
bool Exchange::flow_waits(Direction direction) {
  return shares_ && !ending_ && shares_->flow(direction).waits();
}

void Exchange::keep_trailers(Direction direction, const http::Fields& fields) {
  Flow& flow = shares_->flow(direction);
  flow.has_trailers = true;
  for (const http::Field& f : fields) flow.trailers.add(head_->arena.copy(f.name), head_->arena.copy(f.value));
}

void Exchange::keep_end(Direction direction) {
  shares_->flow(direction).over = true;
  if (direction == Direction::to_service) read_by_ = 0;
}

// The exchange is about to end: what it owes leaves first, and what else comes passes as it comes.
void Exchange::flush_flows() {
  if (!shares_) return;
  release_flow(Direction::to_service);
  release_flow(Direction::to_client);
  if (client_paused_ & kShaped) resume_client(kShaped);
  if (up_ && service_paused_ & kShaped) resume_service(kShaped);
}

}  // namespace cardea::proxy
