// The printed forms of the key table, see keys.h.
#include <string>

#include "cmd/skeinmqd/keys.h"
#include "cmd/skeinmqd/listener_url.h"
#include "yaml-cpp/yaml.h"

namespace skein::config {
namespace {

void EmitListener(YAML::Emitter& out, const Listener& listener) {
  out << YAML::BeginMap << YAML::Key << "url" << YAML::Value
      << "tcp://" + FormatAddress(listener.address);
  out << YAML::Key << "name" << YAML::Value << listener.name;
  out << YAML::Key << "allow_anonymous" << YAML::Value << listener.allow_anonymous;
  out << YAML::Key << "max_connections" << YAML::Value << listener.max_connections << YAML::EndMap;
}

void EmitValue(YAML::Emitter& out, const Key& key, const Config& config) {
  if (key.name != "listeners") {
    out << GetKey(key, config);
    return;
  }
  out << YAML::BeginSeq;
  for (const Listener& listener : config.listeners)
    EmitListener(out, listener);
  out << YAML::EndSeq;
}

// A table cell: `|` would end it.
std::string Cell(std::string_view text) {
  std::string cell;
  for (const char c : text)
    cell += c == '|' ? std::string("\\|") : std::string(1, c);
  return cell;
}

std::string Code(std::string_view text) {
  return text.empty() ? "empty" : "`" + std::string(text) + "`";
}

}  // namespace

std::string PrintYaml(const Config& config) {
  YAML::Emitter out;
  out << YAML::BeginMap;
  std::string open;  // the section being written
  for (const Key& key : Keys()) {
    const size_t dot = key.name.find('.');
    const std::string section(dot == key.name.npos ? "" : key.name.substr(0, dot));
    if (section != open && !open.empty()) out << YAML::EndMap;
    if (section != open && !section.empty()) {
      out << YAML::Key << section << YAML::Value << YAML::BeginMap;
    }
    open = section;
    out << YAML::Key << std::string(key.name.substr(dot == key.name.npos ? 0 : dot + 1))
        << YAML::Value;
    EmitValue(out, key, config);
  }
  if (!open.empty()) out << YAML::EndMap;
  out << YAML::EndMap;
  return std::string(out.c_str()) + "\n";
}

std::string PrintMarkdown() {
  const Config defaults = DefaultConfig();
  std::string text = "| Key | Default | Allowed | Meaning |\n| --- | --- | --- | --- |\n";
  for (const Key& key : Keys()) {
    text += "| `" + std::string(key.name) + "` | " + Code(GetKey(key, defaults)) + " | " +
            Cell(Allowed(key)) + " | " + Cell(key.help) + " |\n";
  }
  text += "\nEach entry of `listeners` is a URL or a map of these:\n\n";
  text += "| Key | Default | Allowed | Meaning |\n| --- | --- | --- | --- |\n";
  for (const ListenerField& field : ListenerFields()) {
    text += "| `listeners[]." + std::string(field.name) + "` | " + std::string(field.default_text) +
            " | " + Cell(field.allowed) + " | " + Cell(field.help) + " |\n";
  }
  return text;
}

}  // namespace skein::config
