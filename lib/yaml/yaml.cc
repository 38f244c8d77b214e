// Text to tree: composes libyaml's events into Nodes within the limits.
#include "yaml/yaml.h"

#include <yaml.h>

#include <algorithm>
#include <unordered_map>

namespace cardea::yaml {

namespace {

bool is_null_word(Bytes s) {
  return s.empty() || s == "~" || s == "null" || s == "Null" || s == "NULL";
}

// What a copy of a subtree costs.
struct Weight {
  size_t nodes = 0;
  size_t bytes = 0;
};

void weigh(const Node& node, Weight& weight) {
  ++weight.nodes;
  weight.bytes += node.scalar.size();
  for (const Node& item : node.items) weigh(item, weight);
  for (const auto& [key, value] : node.entries) {
    weigh(key, weight);
    weigh(value, weight);
  }
}

class Composer {
 public:
  Composer(Bytes text, Faults& faults, const YamlLimits& limits) : text_(text), faults_(faults), limits_(limits) {}
  ~Composer() {
    if (initialized_) yaml_parser_delete(&parser_);
  }
  Composer(const Composer&) = delete;
  Composer& operator=(const Composer&) = delete;

  std::optional<Node> run();

 private:
  // A collection that is still open.
  struct Frame {
    Node node;
    std::string anchor;
    std::optional<Node> key;  // of a mapping: its value comes next
  };
  enum class Step : uint8_t { more, end, broken };

  Step take(const yaml_event_t& event);
  Step take_scalar(const yaml_event_t& event);
  Step take_alias(const yaml_event_t& event);
  Step open(Node::Kind kind, const yaml_event_t& event, const yaml_char_t* anchor, const yaml_char_t* tag);
  Step close();
  Step place(Node node, const std::string& anchor);
  bool count(size_t nodes, const Mark& mark);
  bool remember(const std::string& anchor, const Node& node);
  bool expand(const Weight& weight, const Mark& mark);
  void drop_duplicates(Node& mapping);
  void refuse_tag(const Mark& mark, const yaml_char_t* tag);
  void syntax_fault();
  std::string path() const;
  Step broken(const Mark& mark, std::string reason) {
    faults_.add(mark, path(), std::move(reason));
    return Step::broken;
  }
  static Mark mark_of(const yaml_mark_t& mark) {
    return {static_cast<uint32_t>(mark.line + 1), static_cast<uint32_t>(mark.column + 1)};
  }
  static std::string name_of(const yaml_char_t* s) { return s ? reinterpret_cast<const char*>(s) : ""; }

  Bytes text_;
  Faults& faults_;
  const YamlLimits& limits_;
  yaml_parser_t parser_;
  bool initialized_ = false;
  bool has_document_ = false;
  std::optional<Node> root_;
  std::vector<Frame> frames_;
  struct Anchor {
    Node node;
    Weight weight;
  };
  std::unordered_map<std::string, Anchor> anchors_;
  size_t nodes_ = 0;
  Weight expanded_;  // by anchors and aliases together
};

std::optional<Node> Composer::run() {
  if (text_.size() > limits_.max_bytes) {
    faults_.add({}, "", "the text is longer than " + std::to_string(limits_.max_bytes) + " bytes");
    return std::nullopt;
  }
  initialized_ = yaml_parser_initialize(&parser_) != 0;
  if (!initialized_) {
    faults_.add({}, "", "out of memory");
    return std::nullopt;
  }
  // Without this a first byte pair could turn the text into UTF-16.
  yaml_parser_set_encoding(&parser_, YAML_UTF8_ENCODING);
  yaml_parser_set_input_string(&parser_, reinterpret_cast<const unsigned char*>(text_.data()), text_.size());
  for (;;) {
    yaml_event_t event;
    if (!yaml_parser_parse(&parser_, &event)) {
      syntax_fault();
      return std::nullopt;
    }
    Step step = take(event);
    yaml_event_delete(&event);
    if (step == Step::broken) return std::nullopt;
    if (step == Step::end) break;
  }
  if (!root_) root_ = Node{Node::Kind::null, Mark{1, 1}};
  return std::move(root_);
}

Composer::Step Composer::take(const yaml_event_t& event) {
  switch (event.type) {
    case YAML_STREAM_END_EVENT:
      return Step::end;
    case YAML_DOCUMENT_START_EVENT:
      if (has_document_) {
        faults_.add(mark_of(event.start_mark), "", "a second document begins here; only one is allowed");
        return Step::end;
      }
      has_document_ = true;
      return Step::more;
    case YAML_SCALAR_EVENT:
      return take_scalar(event);
    case YAML_ALIAS_EVENT:
      return take_alias(event);
    case YAML_SEQUENCE_START_EVENT:
      return open(Node::Kind::sequence, event, event.data.sequence_start.anchor, event.data.sequence_start.tag);
    case YAML_MAPPING_START_EVENT:
      return open(Node::Kind::mapping, event, event.data.mapping_start.anchor, event.data.mapping_start.tag);
    case YAML_SEQUENCE_END_EVENT:
    case YAML_MAPPING_END_EVENT:
      return close();
    default:
      return Step::more;
  }
}

Composer::Step Composer::take_scalar(const yaml_event_t& event) {
  const auto& scalar = event.data.scalar;
  Mark mark = mark_of(event.start_mark);
  bool plain = scalar.style == YAML_PLAIN_SCALAR_STYLE;
  // "!" alone asks for a string without leaving a tag behind.
  if (scalar.tag || (plain && !scalar.plain_implicit)) refuse_tag(mark, scalar.tag);
  if (!count(1, mark)) return Step::broken;
  Node node{Node::Kind::scalar, mark};
  node.scalar.assign(reinterpret_cast<const char*>(scalar.value), scalar.length);
  node.quoted = !plain;
  if (plain && is_null_word(node.scalar)) node.kind = Node::Kind::null;
  return place(std::move(node), name_of(scalar.anchor));
}

Composer::Step Composer::take_alias(const yaml_event_t& event) {
  Mark mark = mark_of(event.start_mark);
  std::string name = name_of(event.data.alias.anchor);
  auto found = anchors_.find(name);
  if (found == anchors_.end()) return broken(mark, "unknown anchor *" + name);
  const Anchor& anchor = found->second;
  if (!expand(anchor.weight, mark) || !count(anchor.weight.nodes, mark)) return Step::broken;
  // Frames below count towards depth, or a chain of aliases would be deeper than the limit.
  struct Deep {
    static size_t of(const Node& n) {
      size_t depth = 0;
      for (const Node& item : n.items) depth = std::max(depth, of(item));
      for (const auto& entry : n.entries) depth = std::max(depth, of(entry.second));
      return depth + (n.kind == Node::Kind::sequence || n.kind == Node::Kind::mapping ? 1 : 0);
    }
  };
  if (frames_.size() + Deep::of(anchor.node) > limits_.max_depth) {
    return broken(mark, "nested deeper than " + std::to_string(limits_.max_depth));
  }
  Node copy = anchor.node;
  copy.mark = mark;
  return place(std::move(copy), "");
}

Composer::Step Composer::open(Node::Kind kind, const yaml_event_t& event, const yaml_char_t* anchor,
                              const yaml_char_t* tag) {
  Mark mark = mark_of(event.start_mark);
  if (tag) refuse_tag(mark, tag);
  if (!count(1, mark)) return Step::broken;
  if (frames_.size() >= limits_.max_depth) {
    return broken(mark, "nested deeper than " + std::to_string(limits_.max_depth));
  }
  frames_.push_back(Frame{Node{kind, mark}, name_of(anchor), std::nullopt});
  return Step::more;
}

Composer::Step Composer::close() {
  if (frames_.back().node.kind == Node::Kind::mapping) drop_duplicates(frames_.back().node);
  Frame frame = std::move(frames_.back());
  frames_.pop_back();
  return place(std::move(frame.node), frame.anchor);
}

Composer::Step Composer::place(Node node, const std::string& anchor) {
  if (!anchor.empty() && !remember(anchor, node)) return Step::broken;
  if (frames_.empty()) {
    root_ = std::move(node);
    return Step::more;
  }
  Frame& frame = frames_.back();
  if (frame.node.kind == Node::Kind::sequence) {
    frame.node.items.push_back(std::move(node));
    return Step::more;
  }
  if (frame.key) {
    frame.node.entries.push_back({std::move(*frame.key), std::move(node)});
    frame.key.reset();
    return Step::more;
  }
  if (node.kind != Node::Kind::scalar && !(node.kind == Node::Kind::null && !node.scalar.empty())) {
    return broken(node.mark, "a key must be a string");
  }
  frame.key = std::move(node);
  return Step::more;
}

bool Composer::count(size_t nodes, const Mark& mark) {
  nodes_ += nodes;
  if (nodes_ <= limits_.max_nodes) return true;
  broken(mark, "more than " + std::to_string(limits_.max_nodes) + " values");
  return false;
}

bool Composer::remember(const std::string& anchor, const Node& node) {
  Weight weight;
  weigh(node, weight);
  if (!expand(weight, node.mark)) return false;
  anchors_[anchor] = Anchor{node, weight};
  return true;
}

bool Composer::expand(const Weight& weight, const Mark& mark) {
  expanded_.nodes += weight.nodes;
  expanded_.bytes += weight.bytes;
  if (expanded_.nodes <= limits_.max_alias_nodes && expanded_.bytes <= limits_.max_bytes) return true;
  broken(mark, "anchors and aliases expand to more than " + std::to_string(limits_.max_alias_nodes) + " values or " +
                   std::to_string(limits_.max_bytes) + " bytes");
  return false;
}

void Composer::drop_duplicates(Node& mapping) {
  auto& entries = mapping.entries;
  std::vector<size_t> order(entries.size());
  for (size_t i = 0; i < order.size(); ++i) order[i] = i;
  std::stable_sort(order.begin(), order.end(),
                   [&](size_t a, size_t b) { return entries[a].first.scalar < entries[b].first.scalar; });
  std::vector<bool> drop(entries.size(), false);
  bool any = false;
  for (size_t i = 1, first = 0; i < order.size(); ++i) {
    if (entries[order[i]].first.scalar != entries[order[first]].first.scalar) {
      first = i;
      continue;
    }
    const Node& key = entries[order[i]].first;
    std::string where = path();
    if (!where.empty()) where += '.';
    faults_.add(key.mark, where + key.scalar,
                "duplicate key, first used in line " + std::to_string(entries[order[first]].first.mark.line));
    drop[order[i]] = any = true;
  }
  if (!any) return;
  size_t index = 0;
  std::erase_if(entries, [&](const auto&) { return drop[index++]; });
}

void Composer::refuse_tag(const Mark& mark, const yaml_char_t* tag) {
  faults_.add(mark, path(), "tags are not allowed: " + (tag ? name_of(tag) : "!"));
}

// Where the next value goes, without the collection that is being opened itself.
std::string Composer::path() const {
  std::string out;
  for (const Frame& frame : frames_) {
    if (frame.node.kind == Node::Kind::sequence) {
      out += '[' + std::to_string(frame.node.items.size()) + ']';
    } else if (frame.key) {
      if (!out.empty()) out += '.';
      out += frame.key->scalar.substr(0, 80);
    }
  }
  return out;
}

void Composer::syntax_fault() {
  std::string reason = parser_.problem ? parser_.problem : "not YAML";
  Mark mark;
  switch (parser_.error) {
    case YAML_MEMORY_ERROR:
      reason = "out of memory";
      break;
    case YAML_READER_ERROR: {
      // Only an offset is known here.
      Bytes before = text_.substr(0, std::min(parser_.problem_offset, text_.size()));
      size_t line_start = before.rfind('\n') == Bytes::npos ? 0 : before.rfind('\n') + 1;
      mark.line = static_cast<uint32_t>(1 + std::count(before.begin(), before.end(), '\n'));
      mark.column = static_cast<uint32_t>(1 + std::count_if(before.begin() + static_cast<ptrdiff_t>(line_start),
                                                            before.end(), [](char c) { return (c & 0xc0) != 0x80; }));
      break;
    }
    default:
      mark = mark_of(parser_.problem_mark);
      if (parser_.context) reason += std::string(" ") + parser_.context;
  }
  faults_.add(mark, "", reason);
}

}  // namespace

const Node* Node::find(std::string_view key) const {
  for (const auto& entry : entries) {
    if (entry.first.scalar == key) return &entry.second;
  }
  return nullptr;
}

std::optional<Node> parse_yaml(Bytes text, Faults& faults, const YamlLimits& limits) {
  return Composer(text, faults, limits).run();
}

}  // namespace cardea::yaml
