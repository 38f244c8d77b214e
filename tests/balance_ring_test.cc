// Rings, Maglev's table and their hashes.
#include <functional>
#include <map>
#include <set>

#include "balance/picker.h"
#include "balance_fixture.h"

namespace cardea::balance {
namespace {

// The values that come with xxHash: bytes of a generator, in four lengths and with two seeds.
TEST(Hash, XxHash64HasItsPublishedValues) {
  char bytes[101];
  const uint32_t prime = 2654435761u;
  uint32_t generator = prime;
  for (char& byte : bytes) {
    byte = char(generator >> 24);
    generator *= generator;
  }
  struct Row {
    size_t length;
    uint64_t seed, hash;
  };
  const Row rows[] = {
      {0, 0, 0xef46db3751d8e999},     {0, prime, 0xac75fda2929b17ef},   {1, 0, 0x4fce394cc88952d8},
      {1, prime, 0x739840cb819fa723}, {14, 0, 0xcffa8db881bc3a3d},      {14, prime, 0x5b9611585efcc9cb},
      {101, 0, 0x0eab543384f878ad},   {101, prime, 0xcaa65939306f1e21},
  };
  for (const Row& row : rows) EXPECT_EQ(hash64({bytes, row.length}, row.seed), row.hash) << row.length;
  EXPECT_EQ(hash64("a"), 0xd24ec4f1a98c6e5b);
  EXPECT_EQ(hash64("abc"), 0x44bc2cf5ad770999);
  EXPECT_EQ(hash64("Nobody inspects the spammish repetition"), 0xfbcea83c8a378bf1);
}

#if defined(__GLIBCXX__) && defined(__x86_64__)
TEST(Hash, Murmur64IsThatOfGnusStandardLibrary) {
  std::string text;
  for (int i = 0; i < 100; ++i) {
    EXPECT_EQ(murmur64(text, 0xc70f6907), std::hash<std::string>()(text)) << i;
    text.push_back(char(i * 37 + 200));
  }
}
#endif

TEST(Hash, Primes) {
  const std::set<uint64_t> primes = {2, 3, 5, 7, 11, 13, 17, 19, 23, 29, 31, 37, 41, 43, 47};
  for (uint64_t n = 0; n < 50; ++n) EXPECT_EQ(is_prime(n), primes.count(n) == 1) << n;
  for (uint64_t n : {65537ull, 5000011ull, 4294967291ull}) EXPECT_TRUE(is_prime(n)) << n;
  for (uint64_t n : {65536ull, 65539ull * 65537, 5000011ull * 3, 25ull, 49ull, 121ull}) EXPECT_FALSE(is_prime(n)) << n;
}

// What each key is given to.
std::vector<std::string> owners(const Options& options, const std::vector<Host>& hosts, size_t keys,
                                uint64_t seed = 1) {
  Balancer balancer(options, seed);
  balancer.set(hosts, 0);
  std::vector<std::string> all;
  for (size_t i = 0; i < keys; ++i) {
    const int picked = balancer.pick({.hash = hash64("user " + std::to_string(i))});
    all.push_back(picked < 0 ? "" : hosts[size_t(picked)].key);
  }
  return all;
}

size_t moved(const std::vector<std::string>& a, const std::vector<std::string>& b) {
  size_t n = 0;
  for (size_t i = 0; i < a.size(); ++i) n += a[i] != b[i];
  return n;
}

// The ring by its definition, in a map.
TEST(Ring, IsTheNaiveRing) {
  using Function = Options::RingHash::Function;
  for (Function function : {Function::xx_hash, Function::murmur_hash_2}) {
    Options options = with("ring_hash");
    options.ring_hash.hash_function = function;
    const std::vector<uint32_t> weights = {1, 2, 3};
    const auto hosts = weighted(weights);
    std::map<uint64_t, size_t> ring;
    const uint64_t unit = 171;  // 1024 / 6, rounded up
    for (size_t h = 0; h < hosts.size(); ++h) {
      for (uint64_t i = 0; i < unit * weights[h]; ++i) {
        const std::string name = hosts[h].key + "_" + std::to_string(i);
        ring[function == Function::xx_hash ? hash64(name) : murmur64(name, 0xc70f6907)] = h;
      }
    }
    const auto found = owners(options, hosts, 5000);
    for (size_t i = 0; i < found.size(); ++i) {
      auto at = ring.lower_bound(hash64("user " + std::to_string(i)));
      if (at == ring.end()) at = ring.begin();
      ASSERT_EQ(found[i], hosts[at->second].key) << i;
    }
  }
}

TEST(Ring, KeysAtTheEndsOfTheRing) {
  Balancer balancer(with("ring_hash"), 1);
  balancer.set(equal_hosts(3), 0);
  EXPECT_GE(balancer.pick({.hash = 0}), 0);
  EXPECT_EQ(balancer.pick({.hash = UINT64_MAX}), balancer.pick({.hash = 0}));
}

// A large ring is even enough for Pearson's test against the places' own lengths to be beside the point: shares are
// held to a few standard deviations of what as many random places have.
TEST(Ring, SharesFollowWeights) {
  Options options = with("ring_hash");
  options.ring_hash.minimum_ring_size = 1 << 18;
  const std::vector<uint32_t> weights = {1, 1, 2, 4, 8};
  const auto hosts = weighted(weights);
  std::map<std::string, double> count;
  const size_t keys = 200'000;
  for (const std::string& key : owners(options, hosts, keys)) ++count[key];
  for (size_t h = 0; h < hosts.size(); ++h) {
    const double expected = double(keys) * weights[h] / 16;
    EXPECT_NEAR(count[hosts[h].key], expected, 0.05 * expected) << h;
  }
}

TEST(Ring, MaximumSizeHolds) {
  Options options = with("ring_hash");
  options.ring_hash.minimum_ring_size = options.ring_hash.maximum_ring_size = 4;
  const auto hosts = weighted({1, 1000});
  std::set<std::string> seen;
  for (const std::string& key : owners(options, hosts, 1000)) seen.insert(key);
  EXPECT_EQ(seen.size(), 2u);  // the least has one place all the same
  options.ring_hash.minimum_ring_size = 0;
  options.ring_hash.maximum_ring_size = 0;
  EXPECT_NE(owners(options, hosts, 1)[0], "");
}

// Theory: a key moves only from who leaves or to who comes, which is one share of K / N.
struct Change {
  const char* algorithm;
  size_t hosts;
  uint64_t size;
  double most;  // shares
};

class Changes : public testing::TestWithParam<Change> {
 protected:
  Changes() : options(with(GetParam().algorithm)) {
    options.ring_hash.minimum_ring_size = GetParam().size;
    if (options.algorithm == "maglev") options.maglev.table_size = GetParam().size;
    for (Host& host : hosts) host.weight = 1;
  }
  static constexpr size_t kKeys = 100'000;
  double share() const { return double(kKeys) / double(hosts.size()); }
  Options options;
  std::vector<Host> hosts = equal_hosts(GetParam().hosts);
};

TEST_P(Changes, WhoFallsIllTakesOnlyItsOwnKeys) {
  const auto before = owners(options, hosts, kKeys);
  const size_t gone = hosts.size() / 3;
  hosts[gone].fitness = Fitness::unhealthy;
  const auto after = owners(options, hosts, kKeys);
  size_t own = 0, others = 0;
  for (size_t i = 0; i < kKeys; ++i) {
    if (before[i] == hosts[gone].key) {
      ++own;
      ASSERT_NE(after[i], hosts[gone].key);
    } else {
      others += before[i] != after[i];
    }
  }
  EXPECT_GT(own, 0u);
  EXPECT_TRUE(options.algorithm == "maglev" || others == 0) << others;
  EXPECT_LE(double(others), 0.1 * share() + 0.02 * kKeys);
}

TEST_P(Changes, WhoLeavesOrComesMovesOneShare) {
  const auto before = owners(options, hosts, kKeys);
  auto fewer = hosts;
  fewer.erase(fewer.begin() + long(hosts.size() / 2));
  const auto after = owners(options, fewer, kKeys);
  EXPECT_LE(double(moved(before, after)), GetParam().most * share() + 0.02 * kKeys);
  auto more = hosts;
  more.push_back({"192.0.2.1:80"});
  EXPECT_LE(double(moved(before, owners(options, more, kKeys))), GetParam().most * share() + 0.02 * kKeys);
}

TEST_P(Changes, OrderOfTheListDoesNotMatter) {
  const auto before = owners(options, hosts, 5000, 1);
  std::reverse(hosts.begin(), hosts.end());
  std::swap(hosts[0], hosts[1]);
  EXPECT_EQ(before, owners(options, hosts, 5000, 2));
}

// A ring that is no larger than it must be for its minimum grows others' places when one leaves: a second share moves.
INSTANTIATE_TEST_SUITE_P(Hashing, Changes,
                         testing::Values(Change{"ring_hash", 10, 1024, 2.0}, Change{"ring_hash", 300, 256, 1.1},
                                         Change{"ring_hash", 1000, 1024, 2.0}, Change{"ring_hash", 2000, 1024, 1.1},
                                         Change{"maglev", 10, 65537, 1.1}, Change{"maglev", 100, 65537, 1.1},
                                         Change{"maglev", 1000, 65537, 3.0}));

// The paper's own pseudocode for equal weights.
TEST(Maglev, IsTheNaiveTable) {
  Options options = with("maglev");
  options.maglev.table_size = 997;
  auto hosts = equal_hosts(9);  // in the order of their keys
  std::vector<int> table(997, -1);
  std::vector<uint64_t> next(9);
  for (size_t filled = 0; filled < 997;) {
    for (size_t i = 0; i < 9 && filled < 997; ++i) {
      const uint64_t offset = hash64(hosts[i].key) % 997, skip = hash64(hosts[i].key, 1) % 996 + 1;
      uint64_t row;
      do row = (offset + next[i]++ * skip) % 997;
      while (table[row] >= 0);
      table[row] = int(i);
      ++filled;
    }
  }
  Balancer balancer(options, 1);
  balancer.set(hosts, 0);
  for (uint64_t row = 0; row < 997; ++row) {
    ASSERT_EQ(balancer.pick({.hash = row}), table[row]) << row;
    ASSERT_EQ(balancer.pick({.hash = row + 997 * 1000003ull}), table[row]) << row;
  }
}

TEST(Maglev, RowsFollowWeights) {
  Options options = with("maglev");
  options.maglev.table_size = 9973;
  for (const std::vector<uint32_t>& weights : {std::vector<uint32_t>{1, 1, 1},
                                               {1, 2, 3, 4},
                                               {UINT32_MAX, UINT32_MAX / 2, UINT32_MAX / 4},
                                               {100, 1, 1, 1, 0}}) {
    Balancer balancer(options, 1);
    balancer.set(weighted(weights), 0);
    std::vector<double> rows(weights.size());
    for (uint64_t row = 0; row < 9973; ++row) ++rows[size_t(balancer.pick({.hash = row}))];
    double sum = 0;
    for (uint32_t weight : weights) sum += weight;
    for (size_t h = 0; h < weights.size(); ++h) EXPECT_NEAR(rows[h], 9973.0 * weights[h] / sum, 1) << h;
  }
}

TEST(Maglev, SizesThatAreNotAllowedBecomeAllowed) {
  for (uint64_t size : {uint64_t(0), uint64_t(1), uint64_t(4), uint64_t(1000)}) {
    Options options = with("maglev");
    options.maglev.table_size = size;
    EXPECT_NE(owners(options, equal_hosts(3), 1)[0], "") << size;
  }
}

class Hashing : public testing::TestWithParam<const char*> {};

TEST_P(Hashing, ManyKeysSpread) {
  Options options = with(GetParam());
  options.ring_hash.minimum_ring_size = 1 << 20;
  Balancer balancer(options, 1);
  balancer.set(equal_hosts(8), 0);
  std::vector<uint64_t> given, random(8);
  for (uint64_t key = 0; key < 4000; ++key) ++random[size_t(balancer.pick({.hash = hash64(std::to_string(key))}))];
  expect_spread(random, std::vector<double>(8, 1));
  expect_spread(count_picks(balancer, 8, 4000), std::vector<double>(8, 1));  // without a hash: a random one
}

TEST_P(Hashing, AKeyKeepsItsHostAndItsSecondOne) {
  Balancer a(with(GetParam()), 1), b(with(GetParam()), 99);
  a.set(equal_hosts(20), 0);
  b.set(equal_hosts(20), 0);
  std::set<int> seconds;
  for (uint64_t key = 0; key < 500; ++key) {
    Ask ask{.hash = hash64(std::to_string(key))};
    const int first = a.pick(ask);
    EXPECT_EQ(first, a.pick(ask));
    EXPECT_EQ(first, b.pick(ask));
    const auto avoid = uint32_t(first);
    ask.avoid = &avoid;
    ask.avoid_count = 1;
    EXPECT_NE(a.pick(ask), first);
    EXPECT_EQ(a.pick(ask), b.pick(ask));
    seconds.insert(a.pick(ask));
  }
  EXPECT_GT(seconds.size(), 15u);  // the load of one that is down goes to many
}

TEST_P(Hashing, TwinsShare) {
  auto hosts = equal_hosts(4);
  hosts[2].key = hosts[1].key = hosts[0].key;
  Balancer balancer(with(GetParam()), 1);
  balancer.set(hosts, 0);
  for (uint64_t n : count_picks(balancer, 4, 40'000)) EXPECT_NEAR(double(n), 10'000, 2'500);
}

// A key that is tied to a priority stays there for as long as shares do.
TEST_P(Hashing, PrioritiesByKey) {
  const auto hosts =
      weighted({1, 1, 1, 1, 1}) + weighted(std::vector<uint32_t>(5, 1), 0, Fitness::unhealthy) + weighted({1, 1, 1}, 1);
  Balancer a(with(GetParam()), 1), b(with(GetParam()), 2);
  a.set(hosts, 0);
  b.set(hosts, 0);
  std::vector<uint64_t> count(2);
  for (uint64_t key = 0; key < 20'000; ++key) {
    const Ask ask{.hash = hash64(std::to_string(key))};
    const int picked = a.pick(ask);
    EXPECT_EQ(picked, b.pick(ask));
    ++count[picked >= 10];
  }
  expect_spread(count, {70, 30});
}

INSTANTIATE_TEST_SUITE_P(All, Hashing, testing::Values("ring_hash", "maglev"));

}  // namespace
}  // namespace cardea::balance
