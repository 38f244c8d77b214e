// Counts by key: what is taken and given back, and which entries make room for new ones.
#include "limit/table.h"

#include <cstring>
#include <utility>

namespace cardea::limit {

namespace {

constexpr size_t kShards = 16;
constexpr size_t kSwept = 2;  // entries that a new one may sweep away
constexpr size_t kUsed = SIZE_MAX;
constexpr uint64_t kMinSlice = 1024, kMaxSlice = 16 * 1024, kSlicesPerSecond = 10;

// Folded multiplication: every bit of both sides reaches every bit of the result.
uint64_t mix(uint64_t a, uint64_t b) {
  const auto product = (unsigned __int128)a * b;
  return uint64_t(product) ^ uint64_t(product >> 64);
}

}  // namespace

class Table::Entry {
 public:
  std::string key;
  uint64_t hash = 0;
  Shard* shard = nullptr;
  uint32_t active = 0;   // exchanges inside
  size_t idle = kUsed;   // where in Shard::idle; kUsed while active
  Millis forgotten = 0;  // when all buckets are empty; while idle
  std::array<Bucket, Terms::kMaxWindows> windows;
  std::array<Bucket, 2> bytes;  // by Direction
};

struct alignas(64) Table::Shard {
  struct Hashed {
    Bytes key;
    uint64_t hash;
    bool operator==(const Hashed& o) const { return key == o.key; }
  };
  struct HashOf {
    size_t operator()(const Hashed& h) const { return h.hash; }
  };

  mutable std::mutex mutex;
  Rates rates;
  size_t max_keys = 0;
  Millis clock = 0;
  std::unordered_map<Hashed, std::unique_ptr<Entry>, HashOf> entries;
  std::vector<Entry*> idle;  // a binary heap: the first one is forgotten first

  Millis at(Millis now) { return clock = std::max(clock, now); }
  Millis forgotten_at(const Entry& e) const {
    Millis at = std::max(e.bytes[0].empty_at(rates.bytes), e.bytes[1].empty_at(rates.bytes));
    for (size_t i = 0; i < rates.windows; ++i) at = std::max(at, e.windows[i].empty_at(rates.window[i]));
    return at;
  }

  void put(size_t at, Entry* e) {
    idle[at] = e;
    e->idle = at;
  }
  void rise(size_t at) {
    Entry* const e = idle[at];
    for (; at > 0 && idle[(at - 1) / 2]->forgotten > e->forgotten; at = (at - 1) / 2) put(at, idle[(at - 1) / 2]);
    put(at, e);
  }
  void sink(size_t at) {
    Entry* const e = idle[at];
    for (size_t child; (child = 2 * at + 1) < idle.size(); at = child) {
      if (child + 1 < idle.size() && idle[child + 1]->forgotten < idle[child]->forgotten) ++child;
      if (idle[child]->forgotten >= e->forgotten) break;
      put(at, idle[child]);
    }
    put(at, e);
  }
  void add_idle(Entry& e) {
    e.forgotten = forgotten_at(e);
    e.idle = idle.size();
    idle.push_back(&e);
    rise(e.idle);
  }
  void remove_idle(Entry& e) {
    const size_t at = std::exchange(e.idle, kUsed);
    Entry* const last = idle.back();
    idle.pop_back();
    if (last == &e) return;
    put(at, last);
    rise(at);
    sink(last->idle);
  }
  // False: there is none whose loss would change anything.
  bool forget_one(Millis now) {
    if (idle.empty() || idle.front()->forgotten > now) return false;
    Entry& e = *idle.front();
    remove_idle(e);
    entries.erase({e.key, e.hash});
    return true;
  }
  Entry* find(Bytes key, uint64_t hash, Millis now) {
    auto known = entries.find({key, hash});
    if (known != entries.end()) return known->second.get();
    for (size_t i = 0; i < kSwept && forget_one(now); ++i) {
    }
    if (entries.size() >= max_keys) return nullptr;
    auto made = std::make_unique<Entry>();
    made->key = key;
    made->hash = hash;
    made->shard = this;
    Entry& e = *made;
    entries.emplace(Hashed{e.key, hash}, std::move(made));
    add_idle(e);
    return &e;
  }
};

Table::Rates Table::rates_of(const Terms& terms) {
  Rates r;
  r.concurrent = terms.concurrent;
  r.windows = std::min(terms.windows.size(), Terms::kMaxWindows);
  for (size_t i = 0; i < r.windows; ++i) {
    r.window[i] = Rate::of(terms.windows[i]);
    r.per[i] = terms.windows[i].per;
  }
  if (terms.bytes_per_second) r.bytes = Rate::of_bytes(terms.bytes_per_second);
  return r;
}

Table::Table(const Terms& terms, uint64_t seed, size_t max_keys)
    : seed_{mix(seed ^ 0x9e3779b97f4a7c15ull, 0xd6e8feb86659fd93ull) | 1, seed},
      shard_count_(terms.by == By::route ? 1 : kShards),
      shards_(std::make_unique<Shard[]>(shard_count_)) {
  for (size_t i = 0; i < shard_count_; ++i) shards_[i].max_keys = std::max<size_t>(max_keys / shard_count_, 1);
  set_terms(terms);
}

Table::~Table() = default;

Table::Shard& Table::shard_of(uint64_t hash) {
  return shards_[hash >> 32 & (shard_count_ - 1)];
}

// Keyed, so that nobody can choose keys that meet in one bucket.
uint64_t Table::hash(Bytes key) const {
  uint64_t h = seed_[1] ^ key.size();
  for (; !key.empty(); key.remove_prefix(std::min<size_t>(key.size(), 8))) {
    uint64_t word = 0;
    memcpy(&word, key.data(), std::min<size_t>(key.size(), 8));
    h = mix(h ^ word, seed_[0]);
  }
  return mix(h ^ seed_[1], seed_[0] ^ 0xa0761d6478bd642full);
}

Table::Answer Table::enter(Bytes key, Millis now) {
  const uint64_t h = hash(key);
  Shard& s = shard_of(h);
  std::lock_guard lock(s.mutex);
  now = s.at(now);
  Entry* const e = s.find(key, h, now);
  if (!e) return {Outcome::keys, nullptr, s.idle.empty() ? 1000 : s.idle.front()->forgotten - now};
  const Rates& r = s.rates;
  if (r.concurrent && e->active >= r.concurrent) return {Outcome::concurrent, nullptr, 1000};
  Millis wait = 0;
  for (size_t i = 0; i < r.windows; ++i) wait = std::max(wait, e->windows[i].wait(r.window[i], 1, now));
  if (wait) return {Outcome::requests, nullptr, wait};
  for (size_t i = 0; i < r.windows; ++i) e->windows[i].add(r.window[i], 1, now);
  if (e->active++ == 0) s.remove_idle(*e);
  return {Outcome::passed, e, 0};
}

void Table::leave(Entry* e, Millis now, bool undo) {
  Shard& s = *e->shard;
  std::lock_guard lock(s.mutex);
  now = s.at(now);
  for (size_t i = 0; undo && i < s.rates.windows; ++i) e->windows[i].take_back(s.rates.window[i], now);
  if (--e->active == 0) s.add_idle(*e);
}

void Table::set_terms(const Terms& terms) {
  const Rates next = rates_of(terms);
  for (size_t n = 0; n < shard_count_; ++n) {
    Shard& s = shards_[n];
    std::lock_guard lock(s.mutex);
    const Rates before = std::exchange(s.rates, next);
    for (auto& [hashed, e] : s.entries) {
      // A window is another one when its `per` is, unless it has only changed in its place.
      std::array<Bucket, Terms::kMaxWindows> windows;
      for (size_t i = 0; i < next.windows; ++i) {
        size_t from = 0;
        while (from < before.windows && before.per[from] != next.per[i]) ++from;
        if (from == before.windows && before.windows == next.windows) from = i;
        if (from >= before.windows) continue;
        windows[i] = e->windows[from];
        windows[i].convert(before.window[from], next.window[i], s.clock);
      }
      e->windows = windows;
      for (Bucket& b : e->bytes) b.convert(before.bytes, next.bytes, s.clock);
      if (e->idle != kUsed) e->forgotten = s.forgotten_at(*e);
    }
    for (size_t i = s.idle.size() / 2; i-- > 0;) s.sink(i);
  }
  slice_ = std::clamp(terms.bytes_per_second / kSlicesPerSecond, kMinSlice, kMaxSlice);
  shapes_ = terms.bytes_per_second != 0;
}

uint64_t Table::room(Entry* e, Direction direction, Millis now) {
  Shard& s = *e->shard;
  std::lock_guard lock(s.mutex);
  if (!s.rates.bytes.limits()) return UINT64_MAX;
  return e->bytes[size_t(direction)].room(s.rates.bytes, s.at(now));
}

Millis Table::spend(Entry* e, Direction direction, uint64_t bytes, Millis now) {
  Shard& s = *e->shard;
  std::lock_guard lock(s.mutex);
  if (!s.rates.bytes.limits()) return 0;
  now = s.at(now);
  const Millis wait = e->bytes[size_t(direction)].wait(s.rates.bytes, bytes, now);
  e->bytes[size_t(direction)].add(s.rates.bytes, bytes, now);
  return wait;
}

size_t Table::keys() const {
  size_t n = 0;
  for (size_t i = 0; i < shard_count_; ++i) {
    std::lock_guard lock(shards_[i].mutex);
    n += shards_[i].entries.size();
  }
  return n;
}

}  // namespace cardea::limit
