// YAML as configuration reads it: marks, types without surprises, bounds on hostile text.
#include "yaml/yaml.h"

#include <gtest/gtest.h>

namespace cardea::yaml {
namespace {

std::string faults_of(Bytes text, const YamlLimits& limits = {}) {
  Faults faults;
  parse_yaml(text, faults, limits);
  return faults.text("f");
}

Node scalar(const std::string& text, bool quoted = false) {
  Node node{Node::Kind::scalar, Mark{3, 4}};
  node.scalar = text;
  node.quoted = quoted;
  return node;
}

TEST(Parse, TreeWithMarks) {
  Faults faults;
  auto root = parse_yaml("a: 1\nb:\n  - x\n  - {c: 'd', e: }\nä: z\n", faults);
  ASSERT_TRUE(root);
  EXPECT_TRUE(faults.empty());
  ASSERT_EQ(root->kind, Node::Kind::mapping);
  const Node* b = root->find("b");
  ASSERT_TRUE(b);
  ASSERT_EQ(b->items.size(), 2u);
  EXPECT_EQ(b->items[0].scalar, "x");
  EXPECT_EQ(b->items[0].mark.line, 3u);
  EXPECT_EQ(b->items[0].mark.column, 5u);
  EXPECT_TRUE(b->items[1].find("c")->quoted);
  EXPECT_EQ(b->items[1].find("e")->kind, Node::Kind::null);
  EXPECT_EQ(root->find("ä")->mark.column, 4u);  // characters, not bytes
  EXPECT_EQ(root->find("nope"), nullptr);
}

TEST(Parse, JsonIsYaml) {
  Faults faults;
  auto root = parse_yaml("{\"a\": [1, \"2\", null, true], \"b\": {\"c\": \"\\u00e4\\n\"}}", faults);
  ASSERT_TRUE(root);
  EXPECT_TRUE(faults.empty());
  EXPECT_EQ(to_json(*root), "{\"a\":[1,\"2\",null,true],\"b\":{\"c\":\"ä\\u000a\"}}");
}

TEST(Parse, EmptyTextIsNull) {
  for (const char* text : {"", "\n", "# only a comment\n", "---\n", "~"}) {
    Faults faults;
    auto root = parse_yaml(text, faults);
    ASSERT_TRUE(root) << text;
    EXPECT_EQ(root->kind, Node::Kind::null) << text;
    EXPECT_TRUE(faults.empty()) << text;
  }
}

TEST(Parse, Faults) {
  struct Row {
    const char* text;
    const char* fault;
  } rows[] = {
      {"a: 1\na: 2\n", "f:2:1: a: duplicate key, first used in line 1"},
      {"r:\n  - {x: {y: 1, \"y\": 2}}\n", "f:2:16: r[0].x.y: duplicate key, first used in line 2"},
      {"a: 1\n---\nb: 2\n", "f:2:1: a second document begins here; only one is allowed"},
      {"a: !!str 1\n", "f:1:4: a: tags are not allowed: tag:yaml.org,2002:str"},
      {"a: ! 1\n", "f:1:4: a: tags are not allowed: !"},
      {"a: !x [1]\n", "f:1:4: a: tags are not allowed: !x"},
      {"- !!python/object {}\n", "f:1:3: [0]: tags are not allowed: tag:yaml.org,2002:python/object"},
      {"{[1]: 2}", "f:1:2: a key must be a string"},
      {"a: {? : 2}\n", "f:1:7: a: a key must be a string"},
      {"a: *b\n", "f:1:4: a: unknown anchor *b"},
      {"a: &b [*b]\n", "f:1:8: a[0]: unknown anchor *b"},
      {"a: 'x\n", "f:2:1: found unexpected end of stream while scanning a quoted scalar"},
      {"a:\n\t- b\n", "f:2:1: found character that cannot start any token while scanning for the next token"},
      {"a: b\nc: \x01\n", "f:2:4: control characters are not allowed"},
      {"ä: \xff\n", "f:1:4: invalid leading UTF-8 octet"},
  };
  for (const Row& row : rows) EXPECT_EQ(faults_of(row.text), row.fault) << row.text;
}

TEST(Parse, NulAndForeignEncodings) {
  EXPECT_NE(faults_of(Bytes("a: \0\n", 5)), "");
  EXPECT_NE(faults_of(Bytes("\xff\xfe"
                            "a\0:\0 \0b\0",
                            10)),
            "");
  Faults faults;
  auto root = parse_yaml(
      "\xef\xbb\xbf"
      "a: b",
      faults);  // a byte order mark is no part of the first key
  ASSERT_TRUE(root);
  EXPECT_TRUE(root->find("a"));
}

TEST(Parse, DuplicateKeysLeaveAUsableTree) {
  Faults faults;
  auto root = parse_yaml("a: 1\nb: 2\na: 3\n", faults);
  ASSERT_TRUE(root);
  EXPECT_EQ(root->entries.size(), 2u);
  EXPECT_EQ(root->find("a")->scalar, "1");
}

TEST(Parse, Aliases) {
  Faults faults;
  auto root = parse_yaml("a: &x {k: [1, 2]}\nb: *x\nc: &s text\nd: *s\n", faults);
  ASSERT_TRUE(root);
  EXPECT_TRUE(faults.empty());
  EXPECT_EQ(to_json(*root->find("b")), "{\"k\":[1,2]}");
  EXPECT_EQ(root->find("b")->mark.line, 2u);
  EXPECT_EQ(root->find("d")->scalar, "text");
}

TEST(Parse, AliasBombIsRefused) {
  std::string text = "a0: &a0 [x,x,x,x,x,x,x,x,x,x]\n";
  for (int i = 1; i < 12; ++i) {
    std::string before = "*a" + std::to_string(i - 1);
    text += "a" + std::to_string(i) + ": &a" + std::to_string(i) + " [";
    for (int k = 0; k < 10; ++k) text += (k ? ", " : "") + before + " ";
    text += "]\n";
  }
  EXPECT_NE(faults_of(text).find("anchors and aliases expand to more than 100000 values"), std::string::npos);
  // Few nodes, many bytes.
  std::string heavy = "a: &a \"" + std::string(1 << 20, 'x') + "\"\nb: [";
  for (int i = 0; i < 100; ++i) heavy += "*a , ";
  EXPECT_NE(faults_of(heavy + "]\n").find("expand to more than"), std::string::npos);
}

TEST(Parse, Bounds) {
  EXPECT_NE(faults_of(std::string(100, '[')).find("nested deeper than 32"), std::string::npos);
  EXPECT_NE(faults_of(std::string(100000, '[')).find("nested deeper than 32"), std::string::npos);
  std::string block;
  for (int i = 0; i < 40; ++i) block += std::string(static_cast<size_t>(i), ' ') + "a:\n";
  EXPECT_NE(faults_of(block).find("nested deeper than 32"), std::string::npos);
  // An alias does not carry its anchor's tree past the limit.
  std::string nested = "a: &a " + std::string(20, '[') + std::string(20, ']') + "\nb: " + std::string(15, '[') + "*a" +
                       std::string(15, ']') + "\n";
  EXPECT_NE(faults_of(nested).find("nested deeper than 32"), std::string::npos);
  YamlLimits limits;
  limits.max_nodes = 5;
  EXPECT_EQ(faults_of("[1,2,3,4]", limits), "");
  EXPECT_NE(faults_of("[1,2,3,4,5]", limits).find("more than 5 values"), std::string::npos);
  limits = {};
  limits.max_bytes = 4;
  EXPECT_EQ(faults_of("a: b", limits), "");
  EXPECT_EQ(faults_of("a: bc", limits), "f: the text is longer than 4 bytes");
}

TEST(Scalars, Strings) {
  struct Row {
    const char* text;
    bool plain_ok;
  } rows[] = {
      {"abc", true},   {"a b", true},          {"42", true},      {"-7", true},     {"0", true},
      {":443", true},  {"127.0.0.1:80", true}, {"1.2.3.4", true}, {"30s", true},    {"v1.0", true},
      {"e3", true},    {"x1e3", true},         {"-", true},       {".", true},      {"2024-01-02", true},
      {"none", true},  {"yesterday", true},    {"0xg", true},     {"1e", true},     {"::1", true},
      {"007", false},  {"1e3", false},         {"1.5", false},    {"1_000", false}, {"0x1f", false},
      {"0o17", false}, {"12:30", false},       {"1:2:3", false},  {".inf", false},  {"-.INF", false},
      {".nan", false}, {"+1", false},          {"yes", false},    {"No", false},    {"ON", false},
      {"off", false},  {"y", false},           {"N", false},      {"true", false},  {"False", false},
      {"1e-3", false}, {".5", false},          {"1.", false},
  };
  for (const Row& row : rows) {
    Faults faults;
    EXPECT_EQ(as_string(scalar(row.text), "k", faults).has_value(), row.plain_ok) << row.text;
    EXPECT_EQ(faults.empty(), row.plain_ok) << row.text;
    EXPECT_EQ(as_string(scalar(row.text, true), "k", faults), std::string(row.text)) << row.text;
  }
  Faults faults;
  EXPECT_FALSE(as_string(scalar("no"), "k", faults));
  EXPECT_EQ(faults.text("f"), "f:3:4: k: must be a string: YAML readers take no for a boolean, put it in quotes");
}

TEST(Scalars, Booleans) {
  for (const char* text : {"true", "True", "TRUE"}) {
    Faults faults;
    EXPECT_EQ(as_bool(scalar(text), "k", faults), true);
    EXPECT_TRUE(faults.empty());
    EXPECT_FALSE(as_bool(scalar(text, true), "k", faults));
    EXPECT_EQ(faults.list().size(), 1u);
  }
  Faults faults;
  EXPECT_EQ(as_bool(scalar("false"), "k", faults), false);
  EXPECT_TRUE(faults.empty());
  for (const char* text : {"yes", "no", "on", "off", "y", "1", "0", "tRue", ""}) {
    EXPECT_FALSE(as_bool(scalar(text), "k", faults)) << text;
  }
  EXPECT_EQ(faults.list().size(), 9u);
}

TEST(Scalars, Integers) {
  struct Row {
    const char* text;
    std::optional<int64_t> value;
  } rows[] = {
      {"0", 0},
      {"42", 42},
      {"-5", -5},
      {"100", 100},
      {"101", {}},
      {"-6", {}},
      {"007", {}},
      {"+1", {}},
      {"0x10", {}},
      {"1e1", {}},
      {"1_0", {}},
      {"1.0", {}},
      {"99999999999999999999", {}},
      {"", {}},
      {"12:30", {}},
  };
  for (const Row& row : rows) {
    Faults faults;
    EXPECT_EQ(as_int(scalar(row.text), "k", -5, 100, faults), row.value) << row.text;
    EXPECT_EQ(faults.empty(), row.value.has_value()) << row.text;
  }
  Faults faults;
  as_int(scalar("101"), "k", -5, 100, faults);
  as_int(scalar("1", true), "k", -5, 100, faults);
  EXPECT_EQ(faults.text("f"),
            "f:3:4: k: must be between -5 and 100, not 101\n"
            "f:3:4: k: must be a whole decimal number, not a string (1)");
}

TEST(Scalars, Numbers) {
  Faults faults;
  EXPECT_EQ(as_number(scalar("1.5"), "k", 0, 10, faults), 1.5);
  EXPECT_EQ(as_number(scalar("-0.25"), "k", -1, 10, faults), -0.25);
  EXPECT_TRUE(faults.empty());
  for (const char* text : {"1e1", ".5", "5.", "nan", ".inf", "10.1", "-1", "0x1", "01.5"}) {
    EXPECT_FALSE(as_number(scalar(text), "k", 0, 10, faults)) << text;
  }
  EXPECT_EQ(faults.list().size(), 9u);
}

TEST(Scalars, Durations) {
  struct Row {
    const char* text;
    std::optional<Millis> value;
  } rows[] = {
      {"0", 0},
      {"0s", 0},
      {"500ms", 500},
      {"30s", 30000},
      {"1h30m", 5400000},
      {"1.5s", 1500},
      {".5s", 500},
      {"1.s", 1000},
      {"1ns", 1},
      {"1us", 1},
      {"1µs", 1},
      {"1500us", 2},
      {"1h1h", 7200000},
      {"+5s", 5000},
      {"2540400h", 9145440000000},
      {"", {}},
      {"5", {}},
      {"s", {}},
      {"-5s", {}},
      {"5x", {}},
      {"5 s", {}},
      {".s", {}},
      {"9999999999h", {}},
      {"99999999999999999999999s", {}},
      {"1d", {}},
      {"1S", {}},
      {"1h ", {}},
      {"0.0000000000000000000000001s", 0},
      {"+", {}},
      {"1..5s", {}},
  };
  for (const Row& row : rows) {
    auto value = parse_duration(row.text);
    ASSERT_EQ(static_cast<bool>(value), row.value.has_value()) << row.text;
    if (row.value) {
      EXPECT_EQ(*value, *row.value) << row.text;
    }
  }
  Faults faults;
  EXPECT_FALSE(as_duration(scalar("5"), "k", faults));
  EXPECT_EQ(faults.text("f"), "f:3:4: k: must be a duration such as 500ms, 30s or 1h30m: '5' has no unit");
}

TEST(FaultList, SortedBoundedPrintable) {
  Faults faults;
  faults.add({2, 1}, "b", "second");
  faults.add({1, 9}, "a", "first");
  faults.add({2, 1}, "c", "third");
  faults.add({}, "", "no place");
  EXPECT_EQ(faults.text("f"), "f: no place\nf:1:9: a: first\nf:2:1: b: second\nf:2:1: c: third");
  Faults many;
  for (uint32_t i = 200; i > 0; --i) many.add({i, 1}, "k", "r");
  EXPECT_EQ(many.list().size(), 100u);
  EXPECT_EQ(many.list().front().mark.line, 1u);
  EXPECT_EQ(many.list().back().mark.line, 100u);
  EXPECT_NE(many.text("f").find("\nf: and 100 more"), std::string::npos);
  Faults forged;
  forged.add({1, 1}, "a\nf:9:9: b", "x\x1b[0m" + std::string(10000, 'y'));
  EXPECT_EQ(forged.text("f").find('\n'), std::string::npos);
  EXPECT_EQ(forged.text("f").find('\x1b'), std::string::npos);
  EXPECT_LT(forged.text("f").size(), 700u);
}

}  // namespace
}  // namespace cardea::yaml
