// The file's top level: options, listeners with their certificates, headers.
#include "config/load.h"

#include <algorithm>

namespace cardea::config {

namespace {

std::string join(const std::string& path, const std::string& key) {
  return path.empty() ? key : path + "." + key;
}

}  // namespace

std::shared_ptr<ConfigDraft> load(Bytes text, const std::string& base_dir, yaml::Faults& faults) {
  auto root = yaml::parse_yaml(text, faults);
  if (!root) return nullptr;
  if (root->kind == yaml::Node::Kind::null) {
    faults.add(yaml::Mark{1, 1}, "", "the file is empty");
    return nullptr;
  }
  if (root->kind != yaml::Node::Kind::mapping) {
    faults.add(root->mark, "", "must be a mapping of keys to values");
    return nullptr;
  }
  auto draft = std::make_shared<ConfigDraft>();
  draft->mark = root->mark;
  draft->base_dir = base_dir;
  Loader(*draft, faults).load(*root);
  return draft;
}

void Loader::load(const Node& root) {
  for (const auto& [key, value] : root.entries) {
    if (!load_global(key, value)) faults_.add(key.mark, key.scalar, key_fault(Scope::global, key.scalar));
  }
  const Node* routes = root.find("routes");
  const Node* old_name = root.find("policy");
  if (routes && old_name) faults_.add(old_name->mark, "policy", "is the old name of routes, which is there too");
  if (!routes && !old_name) faults_.add(root.mark, "routes", "there are no routes");
  finish_listeners(root);
}

bool Loader::load_global(const Node& key, const Node& value) {
  const std::string& name = key.scalar;
  if (name == "routes" || name == "policy") {
    load_routes(value, name);
  } else if (name == "access_log" || name == "downstream_mtls") {
    load_nested(draft_, Owner::global, name, value, name);
  } else if (name == "set_response_headers") {
    load_headers(draft_, *option_by_id(OPT_GLOBAL_SET_RESPONSE_HEADERS), value, name);
  } else {
    // A row's dotted key is a place inside a mapping, not a key.
    bool plain = name.find('.') == std::string::npos;
    return plain && (load_listener_key(key, value) || load_option(draft_, Owner::global, name, value, name));
  }
  return true;
}

bool Loader::load_listener_key(const Node& key, const Node& value) {
  const std::string& name = key.scalar;
  if (name == "address" || name == "codec_type" || name == "use_proxy_protocol" || name == "reuse_port") {
    return load_option(main_, Owner::listener, name, value, name);
  }
  if (name == "insecure_server") {
    insecure_server_ = {false, value.mark, true, false};
    if (auto flag = yaml::as_bool(value, name, faults_)) insecure_server_.value = *flag;
    return true;
  }
  if (name == "http_redirect_addr") {
    redirect_address_.mark = value.mark;
    if (auto text = yaml::as_string(value, name, faults_)) redirect_address_.value = *text;
    return true;
  }
  Source* target = nullptr;
  bool only_path = name == "certificate_file" || name == "certificate_key_file";
  if (name == "certificate" || name == "certificate_file") target = &pair_.certificate;
  if (name == "certificate_key" || name == "certificate_key_file") target = &pair_.key;
  if (!target && name != "certificates") return false;
  if (certificate_mark_.line == 0) certificate_mark_ = key.mark;
  if (!target) {
    load_certificates(value);
  } else if (!target->key.empty()) {
    faults_.add(key.mark, name, "is given twice: " + target->key + " is there too");
  } else {
    *target = source(value, name, only_path);
  }
  return true;
}

Source Loader::source(const Node& value, const std::string& path, bool only_path) {
  Source out{{}, value.mark, path, only_path};
  auto text = yaml::as_string(value, path, faults_);
  if (text && text->empty()) faults_.add(value.mark, path, "is empty");
  if (text) out.value = std::move(*text);
  return out;
}

void Loader::load_certificates(const Node& value) {
  if (value.kind != Node::Kind::sequence) {
    faults_.add(value.mark, "certificates", "must be a list of {cert, key}");
    return;
  }
  for (size_t i = 0; i < value.items.size(); ++i) {
    const Node& item = value.items[i];
    std::string path = "certificates[" + std::to_string(i) + "]";
    if (item.kind != Node::Kind::mapping) {
      faults_.add(item.mark, path, "must be a mapping with cert and key");
      continue;
    }
    TlsDraft::Pair pair;
    for (const auto& [key, entry] : item.entries) {
      if (key.scalar == "cert" || key.scalar == "key") {
        (key.scalar == "cert" ? pair.certificate : pair.key) = source(entry, join(path, key.scalar), false);
      } else {
        faults_.add(key.mark, join(path, key.scalar), key_fault({"cert", "key"}, key.scalar));
      }
    }
    for (const char* needed : {"cert", "key"}) {
      if (!item.find(needed)) faults_.add(item.mark, path, std::string("has no ") + needed);
    }
    pairs_.push_back(std::move(pair));
  }
}

void Loader::finish_listeners(const Node& root) {
  bool has_certificate = !pair_.certificate.key.empty(), has_key = !pair_.key.key.empty();
  if (has_certificate != has_key) {
    const Source& there = has_certificate ? pair_.certificate : pair_.key;
    faults_.add(there.mark, there.key, has_certificate ? "needs certificate_key too" : "needs certificate too");
  } else if (has_certificate) {
    pairs_.insert(pairs_.begin(), std::move(pair_));
  }
  if (insecure_server_.value && certificate_mark_.line != 0) {
    faults_.add(insecure_server_.mark, "insecure_server",
                "contradicts the certificates in line " + std::to_string(certificate_mark_.line) +
                    ": a listener without TLS uses none");
  }
  auto main = std::make_shared<ListenerDraft>(std::move(main_));
  main->mark = main->address.set ? main->address.mark : root.mark;
  main->key = "address";
  if (!main->address.set) {
    main->address.value = ":443";
    main->address.set = true;
  }
  if (!insecure_server_.value) {
    main->tls = std::make_shared<TlsDraft>();
    main->tls->mark = certificate_mark_;
    main->tls->key = "certificates";
    main->tls->pairs = std::move(pairs_);
  }
  draft_.listeners.push_back(std::move(main));
  if (redirect_address_.value.empty()) return;
  auto redirect = std::make_shared<ListenerDraft>();
  redirect->mark = redirect_address_.mark;
  redirect->key = "http_redirect_addr";
  redirect->address = {redirect_address_.value, redirect_address_.mark, true, false};
  redirect->redirect_to_https.value = redirect->redirect_to_https.set = true;
  draft_.listeners.push_back(std::move(redirect));
}

template <class D>
bool Loader::load_option(D& draft, Owner owner, const std::string& name, const Node& value, const std::string& path) {
  const OptionRow* row = option_by_key(owner, name);
  if (!row) return false;
  std::string fault;
  bool bad = true;
  switch (row->type) {
    case Type::boolean:
      if (auto flag = yaml::as_bool(value, path, faults_)) {
        bad = false;
        fault = assign_number(draft, *row, *flag, value.mark);
      }
      break;
    case Type::integer:
      if (auto number = yaml::as_int(value, path, row->min, row->max, faults_)) {
        bad = false;
        fault = assign_number(draft, *row, *number, value.mark);
      }
      break;
    case Type::duration_ms:
      if (auto millis = yaml::as_duration(value, path, faults_)) {
        bad = false;
        fault = assign_number(draft, *row, static_cast<int64_t>(*millis), value.mark);
      }
      break;
    case Type::string:
      if (auto text = yaml::as_string(value, path, faults_)) {
        bad = false;
        fault = assign_text(draft, *row, std::move(*text), value.mark);
      }
      break;
    case Type::strings:
      if (!load_structured(draft, *row, value, path)) load_strings(draft, *row, value, path);
      return true;
  }
  if (!fault.empty()) faults_.add(value.mark, path, fault);
  if (bad || !fault.empty()) touch(draft, *row, value.mark, true);
  return true;
}

template <class D>
void Loader::load_strings(D& draft, const OptionRow& row, const Node& value, const std::string& path) {
  touch(draft, row, value.mark, false);
  bool list = value.kind == Node::Kind::sequence;
  size_t count = list ? value.items.size() : 1;
  for (size_t i = 0; i < count; ++i) {
    load_string(draft, row, list ? value.items[i] : value, list ? path + "[" + std::to_string(i) + "]" : path);
  }
}

template <class D>
void Loader::load_string(D& draft, const OptionRow& row, const Node& item, const std::string& path) {
  auto text = yaml::as_string(item, path, faults_);
  std::string fault = text ? assign_text(draft, row, std::move(*text), item.mark) : "";
  if (!fault.empty()) faults_.add(item.mark, path, fault);
  if (!text || !fault.empty()) touch(draft, row, item.mark, true);
}

template <class D>
bool Loader::load_nested(D& draft, Owner owner, const std::string& name, const Node& value, const std::string& path) {
  if (value.kind != Node::Kind::mapping) {
    faults_.add(value.mark, path, "must be a mapping");
    return false;
  }
  bool good = true;
  std::vector<Bytes> known;
  for (const OptionRow* row = option_next(nullptr); row; row = option_next(row)) {
    Bytes key = row->key;
    if (row->owner == owner && key.substr(0, name.size() + 1) == name + ".")
      known.push_back(key.substr(name.size() + 1));
  }
  for (const auto& [key, entry] : value.entries) {
    std::string where = join(path, key.scalar);
    if (std::find(known.begin(), known.end(), key.scalar) != known.end()) {
      load_option(draft, owner, join(name, key.scalar), entry, where);
    } else {
      faults_.add(key.mark, where, key_fault(known, key.scalar));
      good = false;
    }
  }
  return good;
}

// Pomerium clears its default headers with the key `disable`, whose value people write as they like.
bool Loader::load_disable(const Node& value, const std::string& path) {
  bool yes = value.kind == Node::Kind::scalar &&
             (value.scalar == "true" || value.scalar == "True" || value.scalar == "TRUE" || value.scalar == "1");
  if (!yes) faults_.add(value.mark, path, "must be true");
  return yes;
}

template <class D>
void Loader::load_headers(D& draft, const OptionRow& row, const Node& value, const std::string& path) {
  if (value.kind != Node::Kind::mapping) {
    faults_.add(value.mark, path, "must be a mapping of names to values");
    touch(draft, row, value.mark, true);
    return;
  }
  touch(draft, row, value.mark, false);
  bool can_disable = row.id != OPT_ROUTE_SET_REQUEST_HEADERS;
  for (const auto& [key, entry] : value.entries) {
    std::string where = join(path, key.scalar);
    std::optional<std::string> text;
    if (can_disable && key.scalar == "disable") {
      if (load_disable(entry, where)) text = "true";
    } else if (!http::is_token(key.scalar)) {
      faults_.add(key.mark, where, "is not the name of a header");
    } else {
      text = yaml::as_string(entry, where, faults_);
    }
    std::string fault = text ? assign_text(draft, row, key.scalar + ": " + *text, entry.mark) : "";
    if (!fault.empty()) faults_.add(entry.mark, where, fault);
    if (!text || !fault.empty()) touch(draft, row, entry.mark, true);
  }
}

template bool Loader::load_option<RouteDraft>(RouteDraft&, Owner, const std::string&, const Node&, const std::string&);
template bool Loader::load_option<ClusterDraft>(ClusterDraft&, Owner, const std::string&, const Node&,
                                                const std::string&);
template void Loader::load_strings<ConfigDraft>(ConfigDraft&, const OptionRow&, const Node&, const std::string&);
template void Loader::load_strings<ListenerDraft>(ListenerDraft&, const OptionRow&, const Node&, const std::string&);
template void Loader::load_strings<RouteDraft>(RouteDraft&, const OptionRow&, const Node&, const std::string&);
template void Loader::load_strings<ClusterDraft>(ClusterDraft&, const OptionRow&, const Node&, const std::string&);
template void Loader::load_string<ConfigDraft>(ConfigDraft&, const OptionRow&, const Node&, const std::string&);
template void Loader::load_string<ListenerDraft>(ListenerDraft&, const OptionRow&, const Node&, const std::string&);
template void Loader::load_string<RouteDraft>(RouteDraft&, const OptionRow&, const Node&, const std::string&);
template void Loader::load_string<ClusterDraft>(ClusterDraft&, const OptionRow&, const Node&, const std::string&);
template bool Loader::load_nested<RouteDraft>(RouteDraft&, Owner, const std::string&, const Node&, const std::string&);
template void Loader::load_headers<RouteDraft>(RouteDraft&, const OptionRow&, const Node&, const std::string&);

}  // namespace cardea::config
